"""Tables and notes of `02_cltv`."""

from typing import Any

import numpy as np
import pandas as pd

from smsroi_helpers.cltv.counts import count_unpaid, summarise_repeats
from smsroi_helpers.cltv.fitting import Fit
from smsroi_helpers.cltv.forecast import Forecast
from smsroi_helpers.cltv.holdout import Holdout, ModelComparison
from smsroi_helpers.cltv.implications import points_add_up
from smsroi_helpers.cltv.total_tables import before_words
from smsroi_helpers.cltv.wording import MODELS, check_name, describe_drop_out, no_value_words, signed_percent
from smsroi_helpers.locale import (
    _,
    day,
    joined,
    listed,
    money,
    number,
    percent,
    sentence,
)
from smsroi_helpers.pages import Html, note, rows_in_reading_order, segment_name, table

__all__ = [
    "assumptions_table",
    "churn_table",
    "drop_out_note",
    "exclusions_table",
    "fits_table",
    "gains_table",
    "models_table",
    "money_note",
    "new_customers_table",
    "rivals_table",
    "textbook_note",
]


def exclusions_table(exclusions: pd.DataFrame) -> Html:
    """The rejected rows of orders, with reasons.

    Args:
        exclusions: the result of `Run.exclusions`.
    """
    return table(exclusions, caption=_("Orders rejected, and why"))


def fits_table(fits: pd.DataFrame) -> Html:
    """Every fit with its parameters and their intervals.

    Args:
        fits: the result of `cltv.fits_table`.
    """
    spans = {"full": _("all days"), "calibration": _("days before the test")}
    rows = []
    for (model, fit), parameters in fits.groupby(["model", "fit"], sort=False):
        first = parameters.iloc[0]
        rows.append(
            {
                _("Model"): MODELS[str(model)],
                _("Fitted to"): spans[str(fit)],
                _("Parameters (95% interval)"): _parameters(parameters),
                _("Log-likelihood"): number(first["log_likelihood"], 2),
                _("Customers"): first["customers"],
            }
        )
    caption = _(
        "Parameters with 95% intervals (robust, the customer as unit; time in weeks). Where a model is not identified,"
        " its parameters could be of any size together: forecasts are made with the values used, which a weak prior"
        " makes plausible, and carry all the others in their intervals"
    )
    return table(pd.DataFrame(rows), caption=caption)


def _parameters(rows: pd.DataFrame) -> str:
    if (rows["status"] == "converged").all():
        return listed(
            _("{name} {value} ({low} to {high})").format(
                name=row.parameter,
                value=_of_any_size(row.value),
                low=_of_any_size(row.low),
                high=_of_any_size(row.high),
            )
            for row in rows.itertuples()
        )
    found, used = (
        listed(f"{name} {_of_any_size(value)}" for name, value in zip(rows["parameter"], rows[column], strict=True))
        for column in ("value", "predicting")
    )
    return _("not identified: {found}. Used: {used}").format(found=found, used=used)


def _of_any_size(value: float) -> str:
    """Three decimals; four significant figures below 0.01; whole numbers from 1,000 on."""
    if value == 0 or not np.isfinite(value) or 0.01 <= abs(value) < 1000:
        return number(value, 3)
    return number(value) if abs(value) >= 1000 else number(value, 3 - int(np.floor(np.log10(abs(value)))))


def drop_out_note(fit: Fit) -> Html:
    """Whether the parameters are identified, in words."""
    return note(describe_drop_out(fit) or _("All parameters are identified: the orders tell what the model asks."))


def money_note(cells: pd.DataFrame, value: Fit, currency: str) -> Html:
    """What a repeat purchase brought on average, free ones included, and whom the money model leaves out.

    Args:
        cells: of `count_cells`.
        value: the Gamma–Gamma fit.
        currency: the source's.
    """
    if not value.is_known:
        return note(
            _(
                "The value of a purchase is not known: every repeat purchase has the amount 0. So this page counts"
                " purchases and shows no money. If these orders were paid, correct the column amount of the table"
                " orders."
            )
        )
    repeats = summarise_repeats(cells)
    words = _("A repeat purchase brought {mean} on average, purchases of amount 0 included.").format(
        mean=money(repeats.mean, currency, 2)
    )
    unpaid = count_unpaid(repeats, value.customers)
    if not unpaid:
        return note(words)
    left_out = _(
        "{n} of the {all} customers who bought again paid nothing for any repeat purchase. The money model leaves them"
        " out, so it is that of customers who pay."
    ).format(n=number(unpaid), all=number(repeats.customers))
    return note(joined(words, left_out))


def models_table(comparison: ModelComparison) -> Html:
    """The models compared by their log score in the test weeks."""
    names = {**MODELS, "nbd": _("nobody leaves")}
    scores = comparison.scores
    shown = pd.DataFrame(
        {
            _("Model"): [
                _("{model} (chosen)").format(model=names[row.model])
                if row.model == comparison.chosen
                else names[row.model]
                for row in scores.itertuples()
            ],
            _("Log score per customer"): [number(row.log_score, 4) for row in scores.itertuples()],
            _("Better than BG/NBD by"): [
                "–"
                if row.model == "bg_nbd"
                else _("{value} ({low} to {high})").format(
                    value=number(row.difference, 4), low=number(row.low, 4), high=number(row.high, 4)
                )
                for row in scores.itertuples()
            ],
            _("Purchases predicted"): [number(row.predicted) for row in scores.itertuples()],
            _("Drop-out"): [
                _("none")
                if row.model == "nbd"
                else _("identified")
                if row.status == "converged"
                else _("not identified")
                for row in scores.itertuples()
            ],
        }
    )
    caption = _(
        "Models fitted to the days up to {day} and scored on the {weeks} weeks after: the mean log probability of what"
        " each customer did, with 95% interval; higher is better. A model must beat BG/NBD by more than one standard"
        " error to take its place; {actual} purchases happened"
    )
    actual = number(comparison.purchases)
    caption = caption.format(day=day(comparison.split), weeks=number(comparison.weeks), actual=actual)
    return table(shown, caption=caption)


def rivals_table(tested: Holdout) -> Html:
    """The test of the forecast, compared with the last period repeated and with a model without drop-out."""
    names = {
        tested.model: MODELS[tested.model],
        "repeat": _("as in the {weeks} weeks before").format(weeks=number(tested.weeks)),
        "nbd": _("nobody leaves (gamma–Poisson)"),
    }
    shown = pd.DataFrame(
        {
            _("Forecast by"): [names[row.rival] for row in tested.rivals.itertuples()],
            _("Purchases predicted"): [number(row.predicted) for row in tested.rivals.itertuples()],
            _("Off by"): [signed_percent(row.bias, 1) if tested.actual else "–" for row in tested.rivals.itertuples()],
            _("Error per customer"): [number(row.error, 2) for row in tested.rivals.itertuples()],
            _("Squared error against the model’s"): [
                "–"
                if row.rival == tested.model
                else _("{value} ({low} to {high})").format(
                    value=signed_percent(row.worse, 1), low=signed_percent(row.low, 1), high=signed_percent(row.high, 1)
                )
                for row in tested.rivals.itertuples()
            ],
        }
    )
    caption = _(
        "The forecast of the last {weeks} weeks beside two naive ones; {actual} repeat purchases happened. Error: the"
        " root of the mean square of purchases predicted less purchases made. Where an interval (95%) lies above none,"
        " the model beats that rival"
    ).format(weeks=number(tested.weeks), actual=number(tested.actual))
    nearest = tested.rivals.loc[tested.rivals["bias"].abs().idxmin()]
    if tested.actual and nearest["rival"] != tested.model:
        nearer = _("On the total another came nearest: {name}, off by {bias}")
        caption = joined(
            sentence(caption),
            nearer.format(name=names[nearest["rival"]], bias=signed_percent(float(nearest["bias"]), 1)),
        )
    return table(shown, caption=caption)


def assumptions_table(checks: pd.DataFrame) -> Html:
    """The assumptions of the forecast, whether they hold, and the effect of each violation on the total.

    Args:
        checks: the result of `wording.describe_assumptions`.
    """
    status_words = {"pass": _("pass"), "warn": _("warning"), "fail": _("fails")}
    shown = pd.DataFrame(
        {
            _("Assumption"): checks["check"].map(check_name),
            _("Result"): checks["status"].map(status_words),
            _("Found"): checks["finding"],
            _("Effect on the total"): [
                _("not known") if np.isnan(effect) else signed_percent(effect, 1) for effect in checks["effect"]
            ],
        }
    )
    return table(
        shown,
        caption=_(
            "What the forecast assumes, and by how much the total would change where an assumption fails: a warning"
            " from 2% on, a failure from 10% on"
        ),
    )


def gains_table(gains: pd.DataFrame, forecast: Forecast, currency: str) -> Html:
    """The value of one more point of retention and of one more order a year.

    Args:
        gains: the result of `implications.gains`.
        forecast: the forecast.
        currency: the source's.
    """

    def show(value: float, low: float, high: float) -> str:
        if np.isnan(value):
            return _("not known")
        return _("{value} ({low} to {high})").format(
            value=money(value, currency, 0), low=money(low, currency, 0), high=money(high, currency, 0)
        )

    gains = rows_in_reading_order(gains, "group")
    shown = pd.DataFrame(
        {
            _("Segment"): gains["group"].map(segment_name),
            _("Customers"): gains["customers"].astype(int),
            _("Of those who are customers now, still so at the end"): [
                _("{value} ({low} to {high})").format(
                    value=percent(row.retained, 1), low=percent(row.retained_low, 1), high=percent(row.retained_high, 1)
                )
                for row in gains.itertuples()
            ],
            _("One more point of retention"): [
                show(row.point, row.point_low, row.point_high)
                if row.retained <= 0.99
                else _("no room: nearly all stay")
                for row in gains.itertuples()
            ],
            _("One more order a year"): [show(row.order, row.order_low, row.order_high) for row in gains.itertuples()],
        }
    )
    caption = _(
        "What profit over {weeks} weeks would gain in two cases: of a hundred customers one more stays to the end; or"
        " each orders once more a year while a customer (95% intervals: parameters). A what-if: nothing here says"
        " what would bring it about"
    ).format(weeks=number(forecast.horizon_weeks))
    caption = joined(sentence(caption), _model_right_words())
    if not points_add_up(gains):
        apart = _(
            "The segments’ points do not add up to that of all: one more of a hundred customers in all is not one more"
            " of a hundred in every segment"
        )
        caption = joined(sentence(caption), apart)
    if forecast.purchases.model != "pareto_nbd":
        rare = _("Under {model} customers leave after a purchase, so those who hardly buy hardly leave")
        caption = joined(sentence(caption), rare.format(model=MODELS[forecast.purchases.model]))
    return table(shown, caption=caption, suppress=_("Customers"))


def churn_table(risk: pd.DataFrame, forecast: Forecast, alive_below: float, currency: str) -> Html:
    """Numbers of customers with a low P(alive); the customers themselves are in the table `churn_warnings`.

    Args:
        risk: the result of `implications.at_risk`.
        forecast: the forecast that the list is based on.
        alive_below: the P(alive) below which a customer is listed.
        currency: the source's.
    """
    risk = risk[risk["customers"] > 0]
    if risk.empty:
        return note(
            _("Nobody’s probability of being a customer still, under {model}, is below {limit}.").format(
                model=MODELS[forecast.purchases.model], limit=percent(alive_below)
            )
        )
    names = {"once": _("bought once"), "again": _("came back before")}
    shown = pd.DataFrame(
        {
            _("Customers who"): risk["group"].map(names),
            _("On the list"): risk["customers"].astype(int),
            _("Of them have left"): [
                _("{value} ({low} to {high})").format(
                    value=number(row.gone), low=number(row.gone_low), high=number(row.gone_high)
                )
                for row in risk.itertuples()
            ],
            _("Profit at risk"): [
                _("not known")
                if np.isnan(row.value)
                else _("{value} ({low} to {high})").format(
                    value=money(row.value, currency, 0),
                    low=money(row.low, currency, 0),
                    high=money(row.high, currency, 0),
                )
                for row in risk.itertuples()
            ],
        }
    )  # fmt: skip
    caption = _(
        "Customers whose probability of being one still, under {model}, is below {limit}: the table `churn_warnings`"
        " lists them, the most at risk first. Profit at risk: what they would bring over {weeks} weeks if still"
        " customers, times the probability that they are not (95% intervals: parameters)"
    ).format(model=MODELS[forecast.purchases.model], limit=percent(alive_below), weeks=number(forecast.horizon_weeks))
    caption = joined(sentence(caption), _model_right_words())
    return table(shown, caption=caption, suppress=_("On the list"))


def new_customers_table(new: pd.DataFrame, forecast: Forecast, currency: str) -> Html:
    """The value of a new customer by channel, compared with the acquisition cost.

    Args:
        new: the result of `implications.new_customers`.
        forecast: the forecast, with the same horizon.
        currency: the source's.
    """

    def show(value: float, low: float, high: float) -> str:
        if np.isnan(value):
            return "–"
        if np.isnan(low):
            return money(value, currency)
        return _("{value} ({low} to {high})").format(
            value=money(value, currency), low=money(low, currency), high=money(high, currency)
        )

    def conclusion(row: Any) -> str:
        if row.reason:
            return no_value_words(row.reason, row.repeaters)
        if np.isnan(row.net_low):
            return _("cost of winning one not known")
        if row.net_low > 0:
            return _("pays: {net}").format(net=show(row.net, row.net_low, row.net_high))
        if row.net_high < 0:
            return _("does not pay: {net}").format(net=show(row.net, row.net_low, row.net_high))
        return _("not clear: {net}").format(net=show(row.net, row.net_low, row.net_high))

    shown = pd.DataFrame(
        {
            _("Won through"): new["group"].map(segment_name),
            _("Customers"): new["customers"].astype(int),
            _("Profit from a new one"): [show(row.value, row.low, row.high) for row in new.itertuples()],
            _("Cost of winning one"): [show(row.cac, row.cac_low, row.cac_high) for row in new.itertuples()],
            _("Profit less that cost"): [conclusion(row) for row in new.itertuples()],
        }
    )
    caption = _(
        "What a customer of whom nothing is known yet will bring in {weeks} weeks from the first purchase on (which"
        " counts), on average, {before}; 95% intervals: parameters. The cost of winning one"
        " is of these customers, who have all bought; the CAC on the page on effectiveness is of all who joined"
    ).format(weeks=number(forecast.horizon_weeks), before=before_words(forecast))
    caption = joined(sentence(caption), _model_right_words())
    return table(shown, caption=caption, suppress=_("Customers"))


def _model_right_words() -> str:
    """What intervals of parameters alone leave out."""
    return _("The amounts assume that the model is right; the forecast itself may be off by more, by season and drift")


def _unbroken(formula: str) -> str:
    """A formula that stays on one line."""
    return formula.replace(" ", "\N{NO-BREAK SPACE}")


def textbook_note(book: dict[str, float], currency: str) -> Html:
    """The textbook formula on this log, compared with the model.

    Args:
        book: the result of `textbook_formula.textbook`.
        currency: the source's.
    """
    if np.isnan(book["model"]):
        return note(_("The textbook’s formula needs the revenue per customer, which is not known here."))
    facts = {
        "arpu": money(book["arpu"], currency),
        "months": number(book["months"], 2),
        "cac": money(book["cac"], currency),
        "textbook": money(book["textbook"], currency),
        "model": money(book["model"], currency),
    }
    if book["cac"] > 0:
        formula = _(
            "The textbook’s formula, revenue per customer and month × months − cost of winning one, gives {formula} a"
            " customer over the same weeks; the model says {model}, that cost taken off as well."
        ).format(formula=_unbroken("{arpu} × {months} − {cac} = {textbook}".format(**facts)), model=facts["model"])
    else:
        formula = _(
            "The textbook’s formula, revenue per customer and month × months − cost of winning one, gives {formula} a"
            " customer over the same weeks (what winning one cost is not known); the model says {model}."
        ).format(formula=_unbroken("{arpu} × {months} = {textbook}".format(**facts)), model=facts["model"])
    rounded = _("Its factors are rounded here.")
    why = _("Both are revenue, before margin and discount. The formula takes everybody for a customer to the end.")
    return note(joined(formula, rounded, why))
