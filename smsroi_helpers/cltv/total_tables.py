"""Tables of totals of `02_cltv`: of all customers and by segment, and what their intervals include."""

import numpy as np
import pandas as pd

from smsroi_helpers.cltv.decision import correction_of
from smsroi_helpers.cltv.forecast import Forecast
from smsroi_helpers.cltv.holdout import Holdout
from smsroi_helpers.cltv.level_error import LevelError, sources_of_error, totals
from smsroi_helpers.cltv.wording import describe_correction, describe_extrapolation, signed_percent
from smsroi_helpers.locale import (
    _,
    joined,
    money,
    number,
    percent,
    sentence,
)
from smsroi_helpers.pages import Html, names_of, note, rows_in_reading_order, segment_name, table

__all__ = [
    "level_error_table",
    "segments_table",
    "test_note",
    "totals_table",
]


def totals_table(forecast: Forecast, level: LevelError, currency: str) -> Html:
    """The forecast for all customers together, with intervals.

    Args:
        forecast: the forecast.
        level: the result of `level_error.estimate_level_error`.
        currency: the source's.
    """
    names = {
        "orders": _("Purchases"),
        "spend": _("Spend, before refunds") if forecast.profit.refunds else _("Spend"),
        "before_refunds": _("Profit before message cost and refunds, discounted ({margin} of what is paid)").format(
            margin=percent(forecast.profit.before_refunds)
        ),
        "cltv": _("Profit before message cost, discounted ({margin} of what is paid)").format(
            margin=percent(forecast.margin)
        ),
    }

    def show(measure: str, value: float) -> str:
        if np.isnan(value):
            return _("not known")
        return number(value) if measure == "orders" else money(value, currency, 0)

    found = totals(forecast, level)
    if forecast.profit.refunds:
        gross = totals(forecast.before_refunds, level)
        gross = gross[gross["measure"] == "cltv"].assign(measure="before_refunds")
        found = pd.concat([found[found["measure"] != "cltv"], gross, found[found["measure"] == "cltv"]])
        names["cltv"] = _("Profit before message cost, net of refunds, discounted ({margin} of what is paid)").format(
            margin=percent(forecast.margin)
        )
    rows = [
        {
            _("What"): names[row.measure],
            _("Expected"): show(row.measure, row.value),
            _("Low"): show(row.measure, row.low),
            _("High"): show(row.measure, row.high),
        }
        for row in found.itertuples()
    ]
    caption = _(
        "What the {n} customers seen so far will do in the coming {weeks} weeks, with 95% intervals (parameters,"
        " chance, and the errors of the model in the next table)"
    ).format(n=number(forecast.purchases.customers), weeks=number(forecast.horizon_weeks))
    return table(pd.DataFrame(rows), caption=caption)


def level_error_table(forecast: Forecast, level: LevelError) -> Html:
    """What makes the interval of the total as wide as it is.

    Args:
        forecast: the forecast.
        level: the result of `level_error.estimate_level_error`.
    """
    found = sources_of_error(forecast, level)

    def either_way(share: float) -> str:
        return f"±{percent(share, 1)}"

    rows = [
        (_("Parameters and chance"), either_way(found.sampling)),
        (_("Error of the test that remains"), signed_percent(found.bias, 1)),
        (_("Season"), either_way(found.season)),
        (_("Drift"), either_way(found.drift)),
        (
            _("All together"),
            _("{low} to {high}").format(low=signed_percent(found.low, 1), high=signed_percent(found.high, 1)),
        ),
    ]
    words = _(
        "How far the profit of all customers may be off the forecast (95%), by source. Season and drift: what the"
        " {tested} test weeks leave possible for the {horizon} weeks ahead"
    )
    if not forecast.knows_value:
        words = _(
            "How far the purchases of all customers may be off the forecast (95%), by source. Season and drift: what"
            " the {tested} test weeks leave possible for the {horizon} weeks ahead"
        )
    caption = words.format(tested=number(level.tested_weeks), horizon=number(level.horizon_weeks))
    remains = _(
        "The model in the test was fitted to the weeks before it. The forecast’s model is fitted to all weeks, so it"
        " has learned from that error. The row shows how far the forecast is expected to be off still."
    )
    caption = joined(sentence(caption), remains, describe_extrapolation(level))
    return table(pd.DataFrame(rows, columns=[_("Source"), _("Off by")]), caption=caption)


def test_note(tested: Holdout, level: LevelError) -> Html:
    """What the result of the test means for the amounts below, in words.

    Args:
        tested: the result of `holdout.holdout_test`.
        level: the result of `level_error.estimate_level_error`.
    """
    if not tested.missed:
        return note(_("The forecast passed its test: what happened lay within its interval."))
    if not tested.actual:
        return note(_("No amount below can be relied on: nothing of what was predicted for the test weeks happened."))
    failed = _("The forecast failed its test. The intervals of the totals below include that error.")
    return note(joined(failed, describe_correction(correction_of(tested, level))))


def before_words(forecast: Forecast) -> str:
    """What is not yet deducted from an expected profit, and what is."""
    return _("before message cost, net of refunds") if forecast.profit.refunds else _("before message cost")


def segments_table(segments: pd.DataFrame, forecast: Forecast, segment_by: str, currency: str) -> Html:
    """Forecast value by segment, or a note that the source has no such column.

    Args:
        segments: the result of `level_error.segment_totals`; only the row `all` where the source has no such column.
        forecast: the forecast.
        segment_by: the column.
        currency: the source's.
    """
    if len(segments) == 1:
        return note(
            _("The table customers has no column {column}, so nothing is shown by segment.").format(column=segment_by)
        )
    if segment_by != "acquisition_channel":  # channels by value
        segments = rows_in_reading_order(segments, "group")
    if segments["cltv"].isna().all():
        return _orders_by_segment(segments, segment_by)
    shown = pd.DataFrame(
        {
            _("Segment"): segments["group"].map(segment_name),
            _("Customers"): segments["customers"].astype(int),
            _("Profit to come"): [money(value, currency, 0) for value in segments["cltv"]],
            _("95% interval"): [
                _("{low} to {high}").format(low=money(row.low, currency, 0), high=money(row.high, currency, 0))
                for row in segments.itertuples()
            ],
            _("Per customer"): [money(value, currency) for value in segments["per_customer"]],
        }
    )
    caption = _(
        "Expected profit {before}, discounted, by {column}; intervals: parameters, chance, the error of the test,"
        " season and drift. Groups err together"
    ).format(before=before_words(forecast), column=names_of(segment_by))
    return table(shown, caption=caption, suppress=_("Customers"))


def _orders_by_segment(segments: pd.DataFrame, segment_by: str) -> Html:
    """Forecast purchases by segment, where the value of a purchase is not known."""
    shown = pd.DataFrame(
        {
            _("Segment"): segments["group"].map(segment_name),
            _("Customers"): segments["customers"].astype(int),
            _("Purchases to come"): [number(value) for value in segments["orders"]],
            _("95% interval"): [
                _("{low} to {high}").format(low=number(row.orders_low), high=number(row.orders_high))
                for row in segments.itertuples()
            ],
        }
    )
    caption = _(
        "Expected purchases by {column}; intervals: parameters, chance, the error of the test, season and drift."
        " Groups err together. The value of a purchase is not known"
    ).format(column=names_of(segment_by))
    return table(shown, caption=caption, suppress=_("Customers"))
