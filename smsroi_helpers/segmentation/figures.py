"""Figures of `01_segmentation`; its tables are in `tables`, `criteria_tables` and `profile_tables`."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from smsroi_helpers.locale import _, joined, listed, number, percent, sentence
from smsroi_helpers.pages import (
    PALETTE,
    Html,
    figure,
    names_of,
    note,
    outline_intervals,
    segment_colours,
    segment_name,
    sentence_case,
)
from smsroi_helpers.segmentation.membership import Grouping
from smsroi_helpers.segmentation.predictive_value import number_of_segments
from smsroi_helpers.segmentation.wording import (
    cluster_choice_sentence,
    cluster_test_sentence,
    range_words,
    recency_sentences,
    spend_words,
    step_name,
)

__all__ = [
    "by_recency",
    "by_recency_figure",
    "cluster_test_bars",
    "cluster_test_figure",
    "comparison",
    "comparison_figure",
    "funnel",
    "funnel_figure",
    "in_order",
    "segments_figure",
    "spend",
]

FEWEST_SHOWN = 10
"""A figure leaves out groups of fewer people, as tables do."""
_COMPARED = ("rfm_scores", "rfm_group", "cluster", "lifecycle_stage")


def cluster_test_bars(grouping: Grouping, axes: Any = None) -> Any:
    """Silhouette and stability by the number of clusters, beside what one population without groups shows.

    Args:
        grouping: the result of `membership.find_grouping`.
        axes: two axes to draw on; None: a new figure.
    """
    if axes is None:
        axes = plt.subplots(1, 2, figsize=(8.2, 3.6))[1]
    rows = grouping.tested.table
    names = {"silhouette": _("silhouette"), "stability": _("stability (adjusted Rand)")}
    for ax, (column, name) in zip(axes, names.items(), strict=True):
        limit, edge = rows[f"{column}_limit"], {"edgecolor": PALETTE["soft"], "linewidth": 0.8}
        name_of_limit = _("95th percentile without groups")
        ax.bar(rows["k"], limit, color=PALETTE["line"], width=0.6, label=name_of_limit, **edge)
        ax.plot(rows["k"], rows[column], "o", color=PALETTE["accent"], markersize=7, label=_("these customers"))
        ax.set_xticks(list(rows["k"]))
        ax.set_xlabel(_("number of clusters"))
        ax.set_ylabel(name)
        ax.set_ylim(0, 1.45 * float(rows[[column, f"{column}_limit"]].max().max()))
    axes[0].legend(frameon=False, loc="upper right", fontsize=8.5)
    axes[0].set_title(_cluster_test_title(grouping))
    return axes


def _cluster_test_title(grouping: Grouping) -> str:
    if grouping.tested.accepted:
        return _("{k} clusters are more than chance").format(k=number(grouping.tested.k))
    return _("No number of clusters is more than chance")


def cluster_test_figure(grouping: Grouping) -> Html:
    """`cluster_test_bars` with alt text and caption; a sentence where there was nothing to draw."""
    said = grouping.tested
    if said.table.empty:
        return note(cluster_test_sentence(grouping))
    axes = cluster_test_bars(grouping)
    parts = [
        _("{k} clusters: silhouette {silhouette} (limit {limit}), stability {stability} (limit {other}).").format(
            k=number(row.k), silhouette=number(row.silhouette, 2), limit=number(row.silhouette_limit, 2),
            stability=number(row.stability, 2), other=number(row.stability_limit, 2),
        )
        for row in said.table.itertuples()
    ]  # fmt: skip
    caption = _(
        "Bars reach to the 95th percentile of {draws} populations without groups that have the same"
        " margins and correlations. A clustering must be above both bars and do better than each of those populations,"
        " in which the number of clusters is chosen as freely. Tried on {n} customers."
    )
    caption = caption.format(draws=number(said.draws), n=number(said.customers))
    words = joined(cluster_test_sentence(grouping), cluster_choice_sentence(said), caption)
    return figure(axes[0].figure, alt=joined(sentence(_cluster_test_title(grouping)), *parts), caption=words)


def too_few_words() -> str:
    return _("No segment had as many as {n} customers at the time, so none is shown.").format(n=FEWEST_SHOWN)


def spend(segment_outcomes: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Share of customers and of the spend that followed, by segment, with intervals.

    Args:
        segment_outcomes: the result of `predictive_value.outcomes_by_segment`.
        ax: where to draw; None: a new figure.
    """
    ax = ax or plt.subplots()[1]
    rows = segment_outcomes[segment_outcomes["customers"] >= FEWEST_SHOWN]
    places = np.arange(len(rows))[::-1]
    colours = segment_colours(list(rows["segment"]))
    for place, row in zip(places, rows.itertuples(), strict=True):
        ax.barh(place, row.spend_share, height=0.5, color=colours[row.segment], alpha=0.85)
    errors = [rows["spend_share"] - rows["low"], rows["high"] - rows["spend_share"]]
    outline_intervals(ax.errorbar(rows["spend_share"], places, xerr=errors, fmt="none", linewidth=1.4))
    ax.plot(rows["share"], places, "|", color=PALETTE["ink"], markersize=22, markeredgewidth=2)
    ax.set_yticks(places, [segment_name(str(name)) for name in rows["segment"]])
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _position: percent(value)))
    ax.grid(axis="x")
    ax.grid(visible=False, axis="y")
    ax.set_xlim(left=0)
    ax.set_xlabel(_("bar: share of the spend that followed, 95% interval; upright mark: share of customers"))
    ax.set_title(_spend_title(rows))
    return ax


def _spend_title(rows: pd.DataFrame) -> str:
    known = rows[rows["low"].notna()]
    if known.empty:
        return _("Nobody bought in the period after")
    top = known.loc[known["per_customer"].idxmax()]
    return _("“{segment}”, {share} of customers, brought {spend} of what followed").format(
        segment=segment_name(str(top["segment"])), share=percent(top["share"]), spend=percent(top["spend_share"])
    )


def segments_figure(segment_outcomes: pd.DataFrame, segment_by: str, period_days: int) -> Html:
    """`spend` with alt text and caption."""
    if (segment_outcomes["customers"] < FEWEST_SHOWN).all():
        return note(too_few_words())
    ax = spend(segment_outcomes)
    parts = [
        _("{segment}: {share} of customers, {spend} of spend ({interval}).").format(
            segment=segment_name(str(row.segment)), share=percent(row.share), **spend_words(row._asdict())
        )
        for row in segment_outcomes[segment_outcomes["customers"] >= FEWEST_SHOWN].itertuples()
    ]
    caption = _(
        "Customers grouped by {segmentation} as it was {days} days before the last day observed, and what they spent in"
        " those days. A mark shows each group’s share of customers; the interval has the customer as unit"
    ).format(segmentation=names_of(segment_by), days=number(period_days))
    return figure(ax, alt=joined(*parts), caption=caption)


def comparison(explained: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """How much of what came next each segmentation explains, with intervals.

    Args:
        explained: the result of `predictive_value.explained`.
        ax: where to draw; None: a new figure.
    """
    names = in_order(explained)
    ax = ax or plt.subplots(figsize=(8.2, 1.6 + 0.5 * len(names)))[1]
    outcomes = {
        "spend": (_("spend"), "accent"),
        "orders": (_("orders"), "green"),
        "response": (_("response"), "orange"),
    }
    for i, (outcome, (label, colour)) in enumerate(outcomes.items()):
        rows = explained[explained["outcome"] == outcome].set_index("segmentation").reindex(names)
        if rows["share"].isna().all():
            continue
        places = np.arange(len(names))[::-1] + 0.22 * (1 - i)
        errors = [rows["share"] - rows["low"], rows["high"] - rows["share"]]
        ax.errorbar(rows["share"], places, xerr=errors, fmt="o", color=PALETTE[colour], linewidth=1.6, label=label)
    ax.set_yticks(np.arange(len(names))[::-1], [names_of(name) for name in names])
    ax.axvline(0, color=PALETTE["soft"], linewidth=0.8)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _position: percent(value)))
    ax.grid(axis="x")
    ax.grid(visible=False, axis="y")
    ax.set_xlabel(_("share explained of what customers did in the next period (95% interval)"))
    ax.legend(frameon=False, loc="lower right")
    ax.set_title(_comparison_title(explained))
    return ax


def in_order(explained: pd.DataFrame) -> list[str]:
    """The segmentations compared, this stage's own first."""
    found = list(dict.fromkeys(explained["segmentation"]))
    return [*(name for name in _COMPARED if name in found), *sorted(name for name in found if name not in _COMPARED)]


def _comparison_title(explained: pd.DataFrame) -> str:
    """Which segmentation to plan by predicts spend best, where the intervals of all others lie below its own.

    RFM scores are too many cells to plan by; where they predict more, the title says that too.
    """
    spend = explained[explained["outcome"] == "spend"]
    rows = spend[spend["segmentation"] != "rfm_scores"].sort_values("share", ascending=False)
    if rows.empty:
        return _("Nobody spent anything in the next period")
    best, scores = rows.iloc[0], spend[spend["segmentation"] == "rfm_scores"]
    name = names_of(str(best["segmentation"]))
    if best["low"] <= 0:
        if (scores["low"] > 0).any():
            return _("Only RFM scores predict spend beyond chance")
        return _("No segmentation predicts spend beyond chance")
    if len(rows) > 1 and not (rows["high"].iloc[1:] < best["low"]).all():
        title = _("{segmentation} predicts spend best, but not beyond doubt").format(segmentation=sentence_case(name))
    else:
        title = _("Of the groupings to plan by, {segmentation} predicts spend best").format(segmentation=name)
    more = (scores["low"] > best["high"]).any()
    return _("{title}; RFM scores predict more").format(title=title) if more else title


def comparison_figure(explained: pd.DataFrame, period_days: int) -> Html:
    """`comparison` with alt text and caption."""
    if explained.empty or explained["customers"].max() < FEWEST_SHOWN:
        return note(_("Too few bought or answered in the next period to compare groupings by it."))
    ax = comparison(explained)
    outcomes = {"spend": _("spend"), "orders": _("orders"), "response": _("response")}
    parts = [
        _("{segmentation}, {outcome}: {share} ({interval}).").format(
            segmentation=names_of(row.segmentation), outcome=outcomes[row.outcome], share=percent(row.share, 1),
            interval=range_words(row.low, row.high),
        )
        for row in explained.itertuples()
    ]  # fmt: skip
    caption = _(
        "Share of the differences between customers in the {days} days after the grouping that it explains, predicted"
        " from other customers of the same segment. RFM scores, in all {n} combinations, show what five groups leave"
        " out"
    ).format(
        days=number(period_days),
        n=number(number_of_segments(explained, "rfm_scores")),
    )
    return figure(ax, alt=joined(*parts), caption=caption)


def by_recency(rows: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """What customers did next by how recently they had bought, with intervals.

    Args:
        rows: the result of `predictive_value.response_by_recency`.
        ax: where to draw; None: a new figure.
    """
    ax = ax or plt.subplots()[1]
    labels = {"orders": (_("bought in the next period"), "accent"), "response": (_("responded"), "orange")}
    for i, (outcome, part) in enumerate(rows.groupby("outcome", sort=True)):
        label, colour = labels[str(outcome)]
        part = part[part["customers"] >= FEWEST_SHOWN]
        errors = [part["rate"] - part["low"], part["high"] - part["rate"]]
        ax.errorbar(part["r_score"] + 0.06 * i, part["rate"], yerr=errors, fmt="o-", color=PALETTE[colour], label=label)
    ax.set_ylim(bottom=0)
    ax.set_xticks(sorted(set(rows["r_score"])))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _position: percent(value)))
    ax.set_xlabel(_("recency score (5: bought most recently)"))
    ax.set_ylabel(_("share of customers"))
    ax.legend(frameon=False, loc="best")
    ax.set_title(_recency_title(rows))
    return ax


def _recency_title(rows: pd.DataFrame) -> str:
    slopes = rows.drop_duplicates("outcome")
    if (slopes["trend_low"] > 0).all():
        return _("Recent is better in these data")
    if (slopes["trend_high"] < 0).all():
        return _("Recent is worse in these data")
    if (slopes["trend_high"] < 0).any() and (slopes["trend_low"] > 0).any():
        return (
            _("The recent buy more but respond less")
            if (slopes.set_index("outcome")["trend_low"].get("orders", -1.0) > 0)
            else _("The recent respond more but buy less")
        )
    return _("Recent is not better throughout")


def by_recency_figure(rows: pd.DataFrame) -> Html:
    """`by_recency` with alt text and caption; a sentence where nothing varied."""
    if rows.empty or (rows["customers"] < FEWEST_SHOWN).all():
        return note(_("Too few, or all alike, bought and answered in the next period: recency tells nothing here."))
    said = recency_sentences(rows, ("orders", "response"))
    caption = joined(
        said,
        _("The rules score recent buyers higher; this figure shows whether they buy and answer more (95% intervals)."),
    )
    return figure(by_recency(rows), alt=said or _recency_title(rows), caption=caption)


def funnel(steps: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Acquisition to referral: of those who could take a step, how many did, with intervals.

    Args:
        steps: the result of `funnel.count_funnel`.
        ax: where to draw; None: a new figure.
    """
    ax = ax or plt.subplots(figsize=(8.2, 3.2))[1]
    rows = steps[steps["share"].notna() & (steps["could"] >= FEWEST_SHOWN)].iloc[::-1]
    places = np.arange(len(rows))
    ax.barh(places, rows["share"], color=PALETTE["accent"], alpha=0.8, height=0.6)
    errors = [(rows["share"] - rows["low"]).fillna(0), (rows["high"] - rows["share"]).fillna(0)]
    outline_intervals(ax.errorbar(rows["share"], places, xerr=errors, fmt="none", linewidth=1.4))
    ax.set_yticks(places, [step_name(step) for step in rows["step"]])
    ax.set_xlim(0, 1)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _position: percent(value)))
    ax.grid(axis="x")
    ax.grid(visible=False, axis="y")
    ax.set_xlabel(_("of those who could take the step (95% interval)"))
    ax.set_title(_funnel_title(steps))
    return ax


def _funnel_title(steps: pd.DataFrame) -> str:
    known = steps[steps["share"].notna() & (steps["step"] != "acquisition")]
    known = known[known["step"] != "referral"] if len(known) > 1 else known
    if known.empty:
        return _("The steps after acquisition are not known")
    worst = known.loc[known["share"].idxmin()]
    short = _("Apart from referral, most are lost at {step}: {share} take this step")
    return (_("Most are lost at {step}: {share} take this step") if "referral" in set(known["step"]) else short).format(
        step=step_name(str(worst["step"])), share=percent(worst["share"])
    )


def funnel_figure(steps: pd.DataFrame, grouping: Grouping) -> Html:
    """`funnel` with alt text and caption."""
    if not (steps["share"].notna() & (steps["could"] >= FEWEST_SHOWN)).any():
        return note(too_few_words())
    parts = [
        _("{step}: {reached} of {could}, {share} ({interval}).").format(
            step=step_name(row.step), reached=number(row.reached), could=number(row.could),
            share=percent(row.share, 1), interval=range_words(row.low, row.high),
        )
        for row in steps.itertuples()
        if np.isfinite(row.share) and row.could >= FEWEST_SHOWN
    ]  # fmt: skip
    missing = [step_name(row.step) for row in steps.itertuples() if not np.isfinite(row.share)]
    lacking = _("Not known: {steps}.").format(steps=listed(missing)) if missing else ""
    caption = joined(
        _(
            "Activation: bought within {dormant} days of becoming known. Retention: bought on a second day within"
            " {lost} days of the first. Revenue: has brought in, at the source’s margin, what winning them cost."
            " Referral: has referred somebody. Each counts only who has been known long enough."
        ).format(dormant=number(grouping.cuts.dormant_after_days), lost=number(grouping.cuts.lost_after_days)),
        lacking,
    )
    return figure(funnel(steps), alt=joined(*parts), caption=sentence(caption))
