"""Figures of `02_cltv`."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from smsroi_helpers.cltv import Forecast, Holdout
from smsroi_helpers.figures.style import PALETTE, Html, figure, table
from smsroi_helpers.locale import _, day, interval, joined, listed, money, number, percent

__all__ = [
    "by_frequency",
    "by_frequency_figure",
    "exclusions_table",
    "fits_table",
    "totals_table",
    "tracking",
    "tracking_figure",
    "value_by_tenth",
    "value_by_tenth_figure",
]


def tracking(tested: Holdout, ax: Axes | None = None) -> Axes:
    """Cumulative repeat purchases by week: what happened, and what the model fitted up to the split says.

    Args:
        tested: of `cltv.holdout_test`.
        ax: where to draw; None: a new figure.
    """
    ax = ax or plt.subplots()[1]
    weeks = tested.by_week
    ahead = weeks[weeks["low"].notna()]
    ax.fill_between(ahead["week"], ahead["low"], ahead["high"], color=PALETTE["accent"], alpha=0.2, linewidth=0)
    ax.plot(weeks["week"], weeks["expected"], color=PALETTE["accent"], linewidth=1.8, linestyle="--")
    ax.plot(weeks["week"], weeks["actual"], color=PALETTE["ink"], linewidth=1.8)
    if len(ahead):
        ax.axvline(ahead["week"].iloc[0] - 0.5, color=PALETTE["soft"], linewidth=0.8, linestyle=":")
        ax.annotate(
            _("tested from here"), (ahead["week"].iloc[0] - 0.5, 0), xytext=(4, 6), textcoords="offset points",
            color=PALETTE["soft"],
        )  # fmt: skip
    last = weeks.iloc[-1]
    apart = 0.03 * float(weeks[["actual", "expected"]].max().max())
    lift = apart if last["actual"] >= last["expected"] else -apart
    for label, value, shift, colour in (
        (_("happened"), last["actual"], lift, "ink"),
        (_("foretold"), last["expected"], -lift, "accent"),
    ):
        ax.annotate(
            label, (last["week"], value + shift), xytext=(6, 0), textcoords="offset points", va="center",
            color=PALETTE[colour],
        )  # fmt: skip
    ax.set_ylim(bottom=0)
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _position: number(value)))
    ax.set_xlabel(_("week since the first purchase of all"))
    ax.set_ylabel(_("repeat purchases so far"))
    ax.set_title(_tracking_finding(tested))
    return ax


def _tracking_finding(tested: Holdout) -> str:
    if not tested.missed:
        return _("The forecast held: what happened lies within its interval")
    if tested.bias < 0:
        return _("The forecast was {share} too low").format(share=percent(abs(tested.bias)))
    return _("The forecast was {share} too high").format(share=percent(tested.bias))


def by_frequency(tested: Holdout, ax: Axes | None = None) -> Axes:
    """Purchases per customer in the test weeks by how often they had bought before: foretold with interval, happened.

    Args:
        tested: of `cltv.holdout_test`.
        ax: where to draw; None: a new figure.
    """
    ax = ax or plt.subplots()[1]
    rows = tested.by_frequency
    places = np.arange(len(rows))
    ax.errorbar(
        places - 0.08, rows["predicted"], yerr=[rows["predicted"] - rows["low"], rows["high"] - rows["predicted"]],
        fmt="o", color=PALETTE["accent"], linewidth=1.6, label=_("foretold, 95% interval"),
    )  # fmt: skip
    ax.plot(places + 0.08, rows["actual"], "D", color=PALETTE["orange"], markersize=6, label=_("happened"))
    outside = int(((rows["actual"] < rows["low"]) | (rows["actual"] > rows["high"])).sum())
    ax.set_title(_("{n} of {all} groups came out as foretold").format(n=len(rows) - outside, all=len(rows)))
    ax.set_xticks(places, list(rows["frequency"]))
    ax.set_ylim(bottom=0)
    ax.set_xlabel(_("repeat purchases before the test"))
    ax.set_ylabel(_("purchases per customer in the test"))
    ax.legend(frameon=False, loc="upper left")
    return ax


def value_by_tenth(tenths: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """The share of all customers' expected profit that each tenth of them holds, the most valuable first.

    Args:
        tenths: of `cltv.value_by_tenth`.
        ax: where to draw; None: a new figure.
    """
    ax = ax or plt.subplots()[1]
    colours = [PALETTE["accent"] if tenth == 1 else PALETTE["sky"] for tenth in tenths["tenth"]]
    reach = [tenths["share"] - tenths["low"], tenths["high"] - tenths["share"]]
    bars = ax.bar(
        tenths["tenth"], tenths["share"], yerr=reach, color=colours, error_kw={"ecolor": PALETTE["soft"], "capsize": 3}
    )
    ax.bar_label(bars, labels=[percent(share) for share in tenths["share"]], padding=3, color=PALETTE["soft"])
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _position: percent(value)))
    ax.set_title(_("The top tenth holds {share} of the expected profit").format(share=percent(tenths["share"].iloc[0])))
    ax.set_xticks(list(tenths["tenth"]))
    ax.set_xlabel(_("tenth of the customers, most valuable first"))
    ax.set_ylabel(_("share of expected profit"))
    return ax


def tracking_figure(tested: Holdout) -> Html:
    """`tracking` with alt text and caption."""
    facts = {
        "day": day(tested.split),
        "weeks": number(tested.weeks),
        "told": interval(tested.predicted, tested.low, tested.high),
        "actual": number(tested.actual),
    }
    return figure(
        tracking(tested),
        alt=_(
            "In the {weeks} weeks after {day} the model, fitted to the time before, foretold {told} repeat purchases;"
            " {actual} happened."
        ).format(**facts),
        caption=_(
            "Repeat purchases of all customers who first bought by {day}, added up. The model has seen nothing of the"
            " last {weeks} weeks; the band is its 95% interval for them."
        ).format(**facts),
    )


def by_frequency_figure(tested: Holdout) -> Html:
    """`by_frequency` with alt text and caption."""
    parts = [
        _("After {x} repeat purchases: foretold {told}, happened {actual}.").format(
            x=row.frequency, told=interval(row.predicted, row.low, row.high), actual=number(row.actual, 2)
        )
        for row in tested.by_frequency.itertuples()
    ]
    return figure(
        by_frequency(tested),
        alt=joined(*parts),
        caption=_(
            "Purchases per customer in the {weeks} test weeks, by how often they had come back before. Where the"
            " diamond lies outside the bar, the model misjudges that group."
        ).format(weeks=number(tested.weeks)),
    )


def value_by_tenth_figure(tenths: pd.DataFrame) -> Html:
    """`value_by_tenth` with alt text and caption."""
    parts = [
        _("{tenth}: {share} ({low} to {high})").format(
            tenth=row.tenth, share=percent(row.share, 1), low=percent(row.low, 1), high=percent(row.high, 1)
        )
        for row in tenths.itertuples()
    ]
    return figure(
        value_by_tenth(tenths),
        alt=_("Share of the expected profit by tenth of the customers: {shares}.").format(shares=listed(parts)),
        caption=_(
            "Who the expected profit will come from, by the model; the groups are of equal size ({n} customers each)."
            " The lines are 95% intervals: by chance, the model being right."
        ).format(n=number(tenths["customers"].iloc[0])),
    )


def exclusions_table(exclusions: pd.DataFrame) -> Html:
    """What was put aside of the orders, and why.

    Args:
        exclusions: of `Run.exclusions`.
    """
    return table(exclusions, caption=_("Orders put aside, and why"))


def totals_table(told: Forecast, currency: str) -> Html:
    """What all customers together are expected to do, with intervals."""
    names = {
        "orders": _("Purchases"),
        "spend": _("Spend"),
        "cltv": _("Profit before message cost, discounted (margin {margin})").format(margin=percent(told.margin)),
    }

    def show(measure: str, value: float) -> str:
        return number(value) if measure == "orders" else money(value, currency, 0)

    rows = [
        {
            _("What"): names[row.measure],
            _("Expected"): show(row.measure, row.value),
            _("Low"): show(row.measure, row.low),
            _("High"): show(row.measure, row.high),
        }
        for row in told.totals.itertuples()
    ]
    caption = _(
        "What the {n} customers seen so far will do in the coming {weeks} weeks, with 95% intervals (parameters and"
        " chance; not the model’s being wrong)"
    ).format(n=number(told.purchases.customers), weeks=number(told.horizon_weeks))
    return table(pd.DataFrame(rows), caption=caption)


def fits_table(fits: pd.DataFrame) -> Html:
    """Every parameter of the fits with its interval.

    Args:
        fits: of `cltv.fits_table`.
    """
    models = {"bg_nbd": "BG/NBD", "mbg_nbd": "MBG/NBD", "pareto_nbd": "Pareto/NBD", "gamma_gamma": "Gamma–Gamma"}
    spans = {"full": _("all days"), "calibration": _("days before the test")}
    shown = pd.DataFrame(
        {
            _("Model"): fits["model"].map(models),
            _("Fitted to"): [
                spans[row.fit] if row.status == "converged" else _("{days}: not identified").format(days=spans[row.fit])
                for row in fits.itertuples()
            ],
            _("Parameter"): fits["parameter"],
            _("Value"): [number(value, 3) for value in fits["value"]],
            _("Low"): [number(value, 3) for value in fits["low"]],
            _("High"): [number(value, 3) for value in fits["high"]],
            _("Log-likelihood"): [number(value, 1) for value in fits["log_likelihood"]],
            _("Customers"): fits["customers"],
        }
    )
    return table(shown, caption=_("Parameters with 95% intervals (robust, the customer as unit; time in weeks)"))
