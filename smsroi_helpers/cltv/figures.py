"""Figures of `02_cltv`."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from smsroi_helpers.cltv.holdout import Holdout
from smsroi_helpers.cltv.wording import MODELS
from smsroi_helpers.locale import _, day, interval, joined, listed, number, percent
from smsroi_helpers.pages import PALETTE, Chart, figure, outline_intervals, tooltips
from smsroi_helpers.statistics import count_inside, count_outside

__all__ = [
    "by_alive",
    "by_alive_figure",
    "by_frequency",
    "by_frequency_figure",
    "by_week",
    "by_week_figure",
    "lift",
    "lift_figure",
    "tracking",
    "tracking_figure",
    "value_by_tenth",
    "value_by_tenth_figure",
]

FEWEST_SHOWN = 10
"""Figures leave out groups of fewer customers, as tables do."""


def tracking(tested: Holdout, ax: Axes | None = None) -> Axes:
    """Draw cumulative repeat purchases by week: actual, and predicted by the model fitted up to the split.

    Args:
        tested: the result of `cltv.holdout_test`.
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
    offset = 0.03 * float(weeks[["actual", "expected"]].max().max())
    lift = offset if last["actual"] >= last["expected"] else -offset
    for label, value, shift, colour in (
        (_("happened"), last["actual"], lift, "ink"),
        (_("predicted"), last["expected"], -lift, "accent"),
    ):
        ax.annotate(
            label, (last["week"], value + shift), xytext=(6, 0), textcoords="offset points", va="center",
            color=PALETTE[colour],
        )  # fmt: skip
    ax.set_ylim(bottom=0)
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _position: number(value)))
    ax.set_xlabel(_("weeks since the first purchase in the data"))
    ax.set_ylabel(_("repeat purchases so far"))
    ax.set_title(_tracking_finding(tested))
    return ax


def _tracking_finding(tested: Holdout) -> str:
    if not tested.missed:
        return _("The forecast held: what happened lies within its interval")
    if not tested.actual:
        return _("The forecast was too high: nothing happened in the test weeks")
    if tested.bias < 0:
        return _("The forecast was {share} too low in the test weeks").format(share=percent(abs(tested.bias)))
    return _("The forecast was {share} too high in the test weeks").format(share=percent(tested.bias))


def by_frequency(tested: Holdout, ax: Axes | None = None) -> Axes:
    """Draw purchases per customer in the test weeks by earlier repeat purchases: predicted with interval, and actual.

    Args:
        tested: the result of `cltv.holdout_test`.
        ax: where to draw; None: a new figure.
    """
    ax = ax or plt.subplots()[1]
    rows = _shown(tested.by_frequency)
    places = np.arange(len(rows))
    ax.errorbar(
        places - 0.08, rows["predicted"], yerr=[rows["predicted"] - rows["low"], rows["high"] - rows["predicted"]],
        fmt="o", color=PALETTE["accent"], linewidth=1.6, label=_("predicted, 95% interval"),
    )  # fmt: skip
    ax.plot(places + 0.08, rows["actual"], "D", color=PALETTE["orange"], markersize=6, label=_("happened"))
    ax.set_title(_("{n} of {all} groups came out as predicted").format(n=count_inside(rows, "actual"), all=len(rows)))
    ax.set_xticks(places, list(rows["frequency"]))
    ax.set_ylim(bottom=0)
    ax.set_xlabel(_("repeat purchases before the test"))
    ax.set_ylabel(_("purchases per customer in the test"))
    ax.legend(frameon=False, loc="upper left")
    return ax


def _shown(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["customers"] >= FEWEST_SHOWN]


def by_week(tested: Holdout, ax: Axes | None = None) -> Axes:
    """Draw repeat purchases of each week: actual, and predicted by the model fitted up to the split.

    Args:
        tested: the result of `holdout.holdout_test`.
        ax: where to draw; None: a new figure.
    """
    ax = ax or plt.subplots()[1]
    weeks = tested.by_week
    ahead = weeks[weeks["low_in_week"].notna()]
    ax.fill_between(
        ahead["week"], ahead["low_in_week"], ahead["high_in_week"], color=PALETTE["accent"], alpha=0.2, linewidth=0
    )
    ax.plot(weeks["week"], weeks["in_week"], color=PALETTE["ink"], linewidth=1.4, label=_("happened"))
    ax.plot(
        weeks["week"], weeks["expected_in_week"], color=PALETTE["accent"], linewidth=1.8, linestyle="--",
        label=_("predicted"),
    )  # fmt: skip
    if len(ahead):
        ax.axvline(ahead["week"].iloc[0] - 0.5, color=PALETTE["soft"], linewidth=0.8, linestyle=":")
    ax.set_ylim(bottom=0)
    ax.set_xlabel(_("weeks since the first purchase in the data"))
    ax.set_ylabel(_("repeat purchases in the week"))
    outside = count_outside(ahead, "in_week", "low_in_week", "high_in_week")
    ax.set_title(_("{n} of {all} test weeks lie outside the band").format(n=outside, all=len(ahead)))
    ax.legend(frameon=False, loc="best")
    return ax


def lift(tested: Holdout, ax: Axes | None = None) -> Axes:
    """Draw shares of spend by tenth of the customers, in order of predicted spend: predicted and actual.

    Args:
        tested: the result of `holdout.holdout_test`.
        ax: where to draw; None: a new figure.
    """
    ax = ax or plt.subplots()[1]
    rows = tested.by_tenth
    ax.bar(rows["tenth"] - 0.2, rows["predicted"], 0.4, color=PALETTE["sky"], label=_("predicted"))
    errors = [rows["spend"] - rows["low"], rows["high"] - rows["spend"]]
    bars = ax.bar(
        rows["tenth"] + 0.2, rows["spend"], 0.4, color=PALETTE["accent"], label=_("came"), yerr=errors,
        error_kw={"elinewidth": 1.5},
    )  # fmt: skip
    outline_intervals(bars.errorbar)
    ax.axhline(0.1, color=PALETTE["soft"], linewidth=0.8, linestyle=":")
    ax.annotate(
        _("as at random"), (10.5, 0.1), xytext=(0, 4), textcoords="offset points", ha="right", color=PALETTE["soft"]
    )
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _position: percent(value)))
    ax.set_xticks(list(rows["tenth"]))
    first = percent(rows["spend"].iloc[0])
    if tested.ranks_spend:
        ax.set_xlabel(_("tenth of the customers, by the spend predicted"))
        ax.set_ylabel(_("share of the money in the test"))
        ax.set_title(_("The tenth put first brought {share} of the money").format(share=first))
    else:
        ax.set_xlabel(_("tenth of the customers, by predicted purchases"))
        ax.set_ylabel(_("share of the purchases in the test"))
        ax.set_title(_("The tenth put first made {share} of the purchases").format(share=first))
    ax.legend(frameon=False)
    return ax


def by_alive(tested: Holdout, ax: Axes | None = None) -> Axes:
    """Draw the share of customers who bought in the test by P(alive) before it: predicted with interval, and actual.

    Args:
        tested: the result of `holdout.holdout_test`.
        ax: where to draw; None: a new figure.
    """
    ax = ax or plt.subplots()[1]
    rows = _shown(tested.by_alive)
    places = np.arange(len(rows))
    ax.errorbar(
        places - 0.08, rows["predicted"], fmt="o",
        yerr=[rows["predicted"] - rows["low"], rows["high"] - rows["predicted"]],
        color=PALETTE["accent"], linewidth=1.6, label=_("predicted, 95% interval"),
    )  # fmt: skip
    ax.plot(places + 0.08, rows["bought"], "D", color=PALETTE["orange"], markersize=6, label=_("happened"))
    ax.set_xticks(places, [_range(row) for row in rows.itertuples()])
    ax.set_xlim(-0.6, len(rows) - 0.4)
    ax.set_ylim(0, 1.05)
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _position: percent(value)))
    ax.set_xlabel(_("probability of being a customer still, before the test"))
    ax.set_ylabel(_("bought in the test"))
    inside = count_inside(rows, "bought")
    if len(rows) == 1:
        predicted, bought = percent(rows["predicted"].iloc[0]), percent(rows["bought"].iloc[0])
        ax.set_title(
            _("Nobody is in doubt: {predicted} were to buy, {bought} did").format(predicted=predicted, bought=bought)
        )
    else:
        ax.set_title(_("{n} of {all} groups bought as often as predicted").format(n=inside, all=len(rows)))
    ax.legend(frameon=False, loc="lower right")
    return ax


def _range(row: Any) -> str:
    return _("{low} to {high}").format(low=percent(row.lowest), high=percent(row.highest))


def value_by_tenth(tenths: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw each tenth's share of the expected profit of all customers, the most valuable tenth first.

    Args:
        tenths: the result of `cltv.value_by_tenth`; of purchases where the value of one is not known.
        ax: where to draw; None: a new figure.
    """
    ax = ax or plt.subplots()[1]
    colours = [PALETTE["accent"] if tenth == 1 else PALETTE["sky"] for tenth in tenths["tenth"]]
    errors = [tenths["share"] - tenths["low"], tenths["high"] - tenths["share"]]
    bars = ax.bar(tenths["tenth"], tenths["share"], yerr=errors, color=colours)
    outline_intervals(bars.errorbar)
    ax.bar_label(bars, labels=[percent(share) for share in tenths["share"]], padding=3, color=PALETTE["soft"])
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _position: percent(value)))
    ax.set_xticks(list(tenths["tenth"]))
    top = percent(tenths["share"].iloc[0])
    if "cltv" in tenths:
        ax.set_title(_("The top tenth holds {share} of the expected profit").format(share=top))
        ax.set_xlabel(_("tenth of the customers, most valuable first"))
        ax.set_ylabel(_("share of expected profit"))
    else:
        ax.set_title(_("The top tenth makes {share} of the expected purchases").format(share=top))
        ax.set_xlabel(_("tenth of the customers, most expected purchases first"))
        ax.set_ylabel(_("share of expected purchases"))
    return ax


def tracking_figure(tested: Holdout) -> Chart:
    """`tracking` with alt text and caption."""
    facts = {
        "day": day(tested.split),
        "weeks": number(tested.weeks),
        "predicted": interval(tested.predicted, tested.low, tested.high),
        "actual": number(tested.actual),
    }
    ax, weeks = tracking(tested), tested.by_week
    words = [
        _("Week {week}: {actual} happened, {expected} predicted").format(
            week=number(row.week), actual=number(row.actual), expected=number(row.expected)
        )
        for row in weeks.itertuples()
    ]
    for column in ("actual", "expected"):
        tooltips(ax, weeks["week"], weeks[column], words)
    return figure(
        ax,
        alt=_(
            "In the {weeks} weeks after {day} the model, fitted to the time before, predicted {predicted} repeat"
            " purchases; {actual} happened."
        ).format(**facts),
        caption=_(
            "Repeat purchases of all customers who first bought by {day}, added up. The model has seen nothing of the"
            " last {weeks} weeks; the band is its 95% interval for them."
        ).format(**facts),
    )


def by_frequency_figure(tested: Holdout) -> Chart:
    """`by_frequency` with alt text and caption."""
    parts = [
        _("After {x} repeat purchases: predicted {predicted}, happened {actual}.").format(
            x=row.frequency, predicted=interval(row.predicted, row.low, row.high), actual=number(row.actual, 2)
        )
        for row in _shown(tested.by_frequency).itertuples()
    ]
    return figure(
        by_frequency(tested),
        alt=joined(*parts),
        caption=_(
            "Purchases per customer in the {weeks} test weeks, by how often they had come back before. Where the"
            " diamond lies outside the bar, the model misjudges that group."
        ).format(weeks=number(tested.weeks)),
    )


def value_by_tenth_figure(tenths: pd.DataFrame) -> Chart:
    """`value_by_tenth` with alt text and caption."""
    parts = [
        _("{tenth}: {share} ({low} to {high})").format(
            tenth=row.tenth, share=percent(row.share, 1), low=percent(row.low, 1), high=percent(row.high, 1)
        )
        for row in tenths.itertuples()
    ]
    alt = _("Share of the expected profit by tenth of the customers: {shares}.")
    caption = _(
        "Who the expected profit will come from, by the model; the groups are of equal size ({n} customers each)."
        " The lines are 95% intervals: parameters and chance, the model being right."
    )
    if "cltv" not in tenths:
        alt = _("Share of the expected purchases by tenth of the customers: {shares}.")
        caption = _(
            "Who will make the expected purchases, by the model; the groups are of equal size ({n} customers each)."
            " The lines are 95% intervals: parameters and chance, the model being right."
        )
    return figure(
        value_by_tenth(tenths),
        alt=alt.format(shares=listed(parts)),
        caption=caption.format(n=number(tenths["customers"].iloc[0])),
    )


def by_week_figure(tested: Holdout) -> Chart:
    """`by_week` with alt text and caption."""
    ahead = tested.by_week[tested.by_week["low_in_week"].notna()]
    # The first week drawn can begin before the test, so the totals are the test's own.
    return figure(
        by_week(tested),
        alt=_(
            "Repeat purchases week by week. In the {weeks} test weeks {actual} happened where {predicted} were"
            " predicted; of the weeks drawn, {n} of {all} lie outside their 95% band."
        ).format(
            weeks=number(tested.weeks),
            actual=number(tested.actual),
            predicted=number(tested.predicted),
            n=number(count_outside(ahead, "in_week", "low_in_week", "high_in_week")),
            all=number(len(ahead)),
        ),
        caption=_(
            "The same week by week: a total can be right while high and low weeks cancel. {n} of {all} weeks lie"
            " outside the band; by chance it would be one in twenty. The model knows nothing of seasons, sales and"
            " holidays."
        ).format(n=number(count_outside(ahead, "in_week", "low_in_week", "high_in_week")), all=number(len(ahead))),
    )


def lift_figure(tested: Holdout) -> Chart:
    """`lift` with alt text and caption."""
    parts = [
        _("{tenth}: predicted {predicted}, came {came}").format(
            tenth=row.tenth, predicted=percent(row.predicted, 1), came=percent(row.spend, 1)
        )
        for row in tested.by_tenth.itertuples()
    ]
    alt = _("Share of the money in the test by tenth of the customers: {shares}.")
    caption = _(
        "Does it know who will spend? Customers in ten groups of equal size by the spend predicted for the test"
        " weeks, and what each group did spend; the lines are 95% intervals."
    )
    if not tested.ranks_spend:
        alt = _("Share of the purchases in the test by tenth of the customers: {shares}.")
        caption = _(
            "Does it know who will buy? Customers in ten groups of equal size by their predicted purchases in the test"
            " weeks, and how many purchases each group made; the lines are 95% intervals."
        )
    return figure(lift(tested), alt=alt.format(shares=listed(parts)), caption=joined(caption, _ranking(tested)))


def _ranking(tested: Holdout) -> str:
    facts = {
        "gini": percent(tested.gini),
        "low": percent(tested.gini_low),
        "high": percent(tested.gini_high),
        "n": number(tested.customers),
    }
    if not np.isfinite(tested.gini_low):
        return _("Too little was bought in the test to say how good the ranking is.")
    if tested.gini_low <= 0:
        return _(
            "The ranking is not distinguishable from a random one: {gini} as good as hindsight (normalised Gini"
            " coefficient, 95% interval {low} to {high}; {n} customers)."
        ).format(**facts)
    return _(
        "The ranking is {gini} as good as hindsight (normalised Gini coefficient, 95% interval {low} to {high};"
        " a random ranking scores none; {n} customers)."
    ).format(**facts)


def by_alive_figure(tested: Holdout) -> Chart:
    """`by_alive` with alt text and caption."""
    parts = [
        _("Of the {n} with {range}: predicted {predicted}, bought {bought}.").format(
            n=number(row.customers),
            range=_range(row),
            predicted=_share(row.predicted, row.low, row.high),
            bought=percent(row.bought, 1),
        )
        for row in _shown(tested.by_alive).itertuples()
    ]
    return figure(
        by_alive(tested),
        alt=joined(*parts),
        caption=_(
            "Customers by their probability of being one still, under {model}, which doubts those who bought once too;"
            " and how many of them bought at least once in the {weeks} test weeks. Where the diamond lies above the"
            " bar, warnings of leaving come too early."
        ).format(model=MODELS[tested.alive_model], weeks=number(tested.weeks)),
    )


def _share(value: float, low: float, high: float) -> str:
    return _("{value} (95% interval {low} to {high})").format(
        value=percent(value, 1), low=percent(low, 1), high=percent(high, 1)
    )
