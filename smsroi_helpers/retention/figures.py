"""Figures of `07_retention`: triangles, survival, calibration of warnings; the audit's are in `audit_figures`."""

import unicodedata
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.patches import Rectangle

from smsroi_helpers.locale import (
    _,
    day,
    joined,
    month,
    number,
    percent,
    sentence,
)
from smsroi_helpers.pages import (
    DEEPEST_SHADE,
    PALETTE,
    Html,
    figure,
    items_in_reading_order,
    note,
    p_words,
    segment_colours,
    sentence_case,
)
from smsroi_helpers.retention.cohorts import Triangle, rates_by_age
from smsroi_helpers.retention.counts import ALL
from smsroi_helpers.retention.study import Study
from smsroi_helpers.retention.survival import Curve, Survival
from smsroi_helpers.retention.wording import gone_words, group_words, grouping_words, no_triangle_words, share_words
from smsroi_helpers.statistics import count_inside

__all__ = [
    "alive_figure",
    "survival_figure",
    "triangle_figure",
]

_MOST_SEGMENTS = 7
_MOST_CURVES = 5
"""Of a panel without the colours of segments."""
_MOST_COHORTS = 24
_LONG_NAME = 16
"""Width of a group's name (letters; a Chinese one counts twice) from which a legend of two columns is wider than its
panel."""
_FEWEST_SHOWN = 10
_ALPHA = 0.05
_GROUPINGS = (ALL, "segment", "acquisition_channel", "first_campaign")
"""In the order of the panels."""
_Style = dict[str, Any]
"""Keywords of a line: color and linestyle."""
_NOT_SEGMENTS: tuple[_Style, ...] = (
    {"color": PALETTE["accent"], "linestyle": "-"},
    {"color": PALETTE["ink"], "linestyle": "--"},
    {"color": PALETTE["soft"], "linestyle": "-."},
    {"color": PALETTE["accent"], "linestyle": ":"},
    {"color": PALETTE["ink"], "linestyle": (0, (7, 1.5, 1, 1.5, 1, 1.5))},
)
"""Of channels and campaigns, whose colours would be read as those of segments; each has its own dashes."""


def _month(day: object) -> str:
    return month(pd.Timestamp(str(day)).date())


def triangle_figure(triangle: Triangle) -> Html:
    """The triangle of cohorts by month, darker where more are retained; unfinished months are blank.

    Args:
        triangle: of `cohorts`.
    """
    of_orders = triangle.kept == "orders"
    shown = triangle.rows[triangle.rows["customers"] >= _FEWEST_SHOWN]
    shown = shown[shown["age"] >= 1] if of_orders else shown
    if not len(shown):
        return note(no_triangle_words(triangle))
    cohorts = sorted(shown["cohort"].unique())[-_MOST_COHORTS:]
    wide = rates_by_age(shown, cohorts)
    ax = plt.subplots(figsize=(8.2, 1.3 + 0.3 * len(cohorts)))[1]
    values = wide.to_numpy(float)
    depths = Normalize(0.0, float(np.nanmax(values)) or 1.0)
    for (i, j), value in np.ndenumerate(values):
        if not np.isfinite(value):
            continue
        shade = DEEPEST_SHADE * (0.1 + 0.9 * float(depths(value)))
        ax.add_patch(Rectangle((j, i), 1, 1, facecolor=PALETTE["accent"], alpha=shade, linewidth=0))
        ax.text(j + 0.5, i + 0.5, number(100 * value), ha="center", va="center", fontsize=7.5, color=PALETTE["ink"])
    ax.set_xlim(0, wide.shape[1])
    ax.set_ylim(len(cohorts), 0)
    ax.set_xticks(np.arange(wide.shape[1]) + 0.5, [str(age) for age in wide.columns])
    ax.set_yticks(np.arange(len(cohorts)) + 0.5, [_month(cohort) for cohort in cohorts])
    ax.grid(False)
    ax.set_xlabel(
        _("months after the month of the first purchase") if of_orders else _("months after the month of the opt-in")
    )
    pooled = triangle.pooled.set_index("age")
    age = max((one for one in pooled.index if one in (1, 3, 6, 12)), default=int(pooled.index[-1]))
    kept = share_words(tuple(pooled.loc[age, ["rate", "low", "high"]].astype(float)))
    said = (
        _("{share} buy in month {age} after their first purchase").format(share=kept, age=number(age))
        if of_orders
        else _("{share} still consent at the end of month {age}").format(share=kept, age=number(age))
    )
    ax.set_title(said)
    caption = (
        _("Percent of each month’s new buyers who bought so many calendar months later.")
        if of_orders
        else _("Percent of each month’s new subscribers who had not opted out by the end of the month.")
    )
    return figure(
        ax,
        alt=sentence(sentence_case(said)),
        caption=joined(
            caption,
            _("Blank: not over yet, or fewer than {n} customers.").format(n=number(_FEWEST_SHOWN)),
            _("Shares with intervals are in the table under Checks."),
        ),
    )


# --- survival --------------------------------------------------------------------------------------------------------


def _draw(ax: Axes, curve: Curve, style: _Style, label: str, *, shade: bool) -> None:
    steps = curve.steps
    days = np.append(steps["days"].to_numpy(float), curve.days)
    lines = {name: 100 * np.append(steps[name], steps[name].iloc[-1]) for name in ("survival", "low", "high")}
    ax.step(days, lines["survival"], where="post", label=label, color=style["color"], linestyle=style.get("linestyle"))
    if shade:
        ax.fill_between(days, lines["low"], lines["high"], step="post", color=style["color"], alpha=0.18, linewidth=0)


def survival_figure(study: Study, kind: str) -> Html:
    """Kaplan–Meier curves of one kind of ending: of all customers, and by each grouping that has two groups.

    A grouping without a difference shown has a sentence in the caption and no panel.

    Args:
        study: of `study.analyse`.
        kind: `custom` or `consent`.
    """
    found = [one for by in _GROUPINGS if (one := study.survival(kind, by)) is not None]
    found = [one for one in found if one.by == ALL or len(one.curves) > 1]
    if not found or found[0].by != ALL:
        return note(_nothing_words(kind, ALL))
    alike = [one for one in found if one.adjusted_p >= _ALPHA]
    drawn_ones = [one for one in found if one not in alike]
    lines, columns = -(-len(drawn_ones) // 2), min(len(drawn_ones), 2)
    drawn, axes = plt.subplots(
        lines, columns, figsize=(9.0, 0.4 + 3.4 * lines), squeeze=False, sharey=True,
        gridspec_kw={"hspace": 0.5, "wspace": 0.08},
    )  # fmt: skip
    described = []
    for one, ax in zip(drawn_ones, axes.flat, strict=False):
        described.append(_panel(one, ax, _styles(study, one)))
    for ax in axes.flat[len(drawn_ones) :]:
        ax.set_visible(False)
    for ax in axes[:, 0]:
        ax.set_ylabel(_("still customers, percent") if kind == "custom" else _("still subscribed, percent"))
    missing = [by for by in _GROUPINGS if by not in {one.by for one in found}]
    tested = any(len(one.curves) > 1 and np.isfinite(one.p_value) for one in found)
    caption = joined(
        _("Kaplan–Meier; bands are 95% intervals, where there are at most four groups."),
        gone_words(study) if kind == "custom" else "",
        _("Day 0 is the day named below each panel.")
        if kind == "consent" else _(
            "Day 0 is the day named below each panel. Customers who did not buy again are gone on day 0, so the curves"
            " begin below 100%."
        ),
        _("p of a log-rank test that all groups are alike, corrected for all groupings on the page.") if tested else "",
        _("Segments made of purchases differ by definition, so they are not tested.") if kind == "custom" else "",
        *map(_not_drawn_words, drawn_ones),
        *(sentence(_survival_words(one, one.curves)) for one in alike),
        *(_nothing_words(kind, by) for by in missing),
        _("Shares with intervals are in the table under Checks."),
    )  # fmt: skip
    return figure(drawn, alt=joined(*described), caption=caption)


def _styles(study: Study, found: Survival) -> dict[str, _Style]:
    """Group → style, the same in the figures of both kinds of ending, where there are enough for the groups of both."""
    of_both = {curve.group for each in study.survivals if each.by == found.by for curve in _drawn(each)}
    own = [curve.group for curve in _drawn(found)]
    groups: Collection[str] = of_both if len(of_both) <= _most(found) else own
    if found.by in (ALL, "segment"):
        return {group: {"color": colour} for group, colour in segment_colours(groups).items()}
    return dict(zip(sorted(groups), _NOT_SEGMENTS, strict=False))


def _most(found: Survival) -> int:
    """How many curves of a panel are drawn: more look alike."""
    return _MOST_SEGMENTS if found.by == "segment" else _MOST_CURVES


def _drawn(found: Survival) -> tuple[Curve, ...]:
    """The curves of the largest groups."""
    return found.curves[: _most(found)]


def _not_drawn_words(found: Survival) -> str:
    """How many groups of a grouping have no curve; empty where all have one."""
    left_out = found.curves[_most(found) :]
    if not left_out:
        return ""
    return _("By {grouping}, the {n} largest groups are drawn; left out: {left_out}.").format(
        grouping=grouping_words(found.by), n=number(len(_drawn(found))), left_out=number(len(left_out))
    )


def _panel(found: Survival, ax: Axes, styles: Mapping[str, _Style]) -> str:
    """Draw the curves of one grouping; what is to be seen, in words."""
    shown = list(_drawn(found))
    if found.by == "segment":
        shown = items_in_reading_order(shown, lambda curve: curve.group)
    for curve in shown:
        _draw(ax, curve, styles[curve.group], group_words(found.by, curve.group), shade=len(shown) <= 4)
    ax.set_ylim(0, 102)
    ax.set_xlim(left=0)
    ax.set_xlabel(_clock_words(found))
    if len(shown) > 1:
        long_names = max(_width(group_words(found.by, curve.group)) for curve in shown) > _LONG_NAME
        ax.legend(loc="lower left", ncols=1 if long_names else 2, fontsize=8, labelspacing=0.3, handlelength=2.8)
    said = _survival_words(found, shown)
    ax.set_title(said, fontsize=9.5)
    parts = [
        _("{group}: {share} of {n} after {days} days.").format(
            group=group_words(found.by, curve.group), share=share_words(curve.at(_day_of(shown))),
            n=number(curve.customers), days=number(_day_of(shown)),
        )
        for curve in shown
    ]  # fmt: skip
    return joined(sentence(said), *parts)


def _width(name: str) -> int:
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in name)


def _day_of(curves: Sequence[Curve]) -> int:
    """The day at which curves are compared: a year, half a year, a quarter or a month, as far as most of them go."""
    reach = sorted(curve.days for curve in curves)[len(curves) // 2 if len(curves) > 2 else 0]
    return next((days for days in (365, 182, 91, 30) if days <= reach), max(reach, 0))


def _clock_words(found: Survival) -> str:
    if found.start is not None:
        return _("days since {day}").format(day=day(found.start))
    if found.by == "first_campaign":
        return _("days since the first text")
    return _("days since the first purchase") if found.kind == "custom" else _("days since consent was given")


def _survival_words(found: Survival, shown: Sequence[Curve]) -> str:
    if len(shown) == 1:
        after = _day_of(shown)
        return _("{share} after {days} days").format(share=percent(shown[0].at(after)[0]), days=number(after))
    grouping, p = grouping_words(found.by), p_words(found.adjusted_p)
    if not np.isfinite(found.adjusted_p):
        return _("By {grouping}").format(grouping=grouping)
    words = (
        _("By {grouping}: differs (p {p})")
        if found.adjusted_p < _ALPHA
        else _("By {grouping}: no difference shown (p {p})")
    )
    return words.format(grouping=grouping, p=p)


def _nothing_words(kind: str, by: str) -> str:
    if by == ALL:
        return (
            _(
                "How long customers keep buying is not known: there are no orders, or nobody has been known for long"
                " enough."
            )
            if kind == "custom"
            else _("How long consent lasts is not known: the source records no opt-outs.")
        )
    return _("By {grouping} there are not two groups of at least ten customers to compare.").format(
        grouping=grouping_words(by)
    )


# --- warning ---------------------------------------------------------------------------------------------------------


def alive_figure(study: Study) -> Html:
    """Calibration of P(alive) out of time: the share expected to buy in the test weeks, and the share that did."""
    if study.model is None:
        return note(joined(_("There is no purchase model to test."), study.no_model))
    alive = study.model.alive
    rows = alive.calibration[alive.calibration["customers"] >= _FEWEST_SHOWN]
    ax = plt.subplots(figsize=(8.2, 4.2))[1]
    at = np.arange(len(rows))
    predicted = 100 * rows["predicted"].to_numpy(float)
    below, above = predicted - 100 * rows["low"], 100 * rows["high"] - predicted
    ax.errorbar(
        at, predicted, yerr=np.maximum(np.stack([below, above]), 0), fmt="o", color=PALETTE["accent"],
        label=_("expected to buy, 95% interval"),
    )  # fmt: skip
    ax.plot(at, 100 * rows["bought"], "D", color=PALETTE["orange"], label=_("did buy"))
    ax.set_xticks(
        at,
        [f"{percent(row.lowest)}–{percent(row.highest)}\n{number(row.customers)}" for row in rows.itertuples()],
    )
    ax.set_ylim(0, 102)
    ax.set_xlabel(_("P(alive) before the test weeks, and customers"))
    ax.set_ylabel(_("bought in the test weeks, percent"))
    ax.legend(loc="upper left")
    inside = count_inside(rows, "bought")
    title = _("P(alive) was right in {n} of {all} groups").format(n=number(inside), all=number(len(rows)))
    ax.set_title(title)
    parts = [
        _("P(alive) {low} to {high}: {predicted} expected, {bought} bought.").format(
            low=percent(row.lowest),
            high=percent(row.highest),
            predicted=percent(row.predicted),
            bought=percent(row.bought),
        )
        for row in rows.itertuples()
    ]
    return figure(
        ax,
        alt=joined(sentence(title), *parts),
        caption=_(
            "Fitted to the days up to {day}, tested on the {weeks} weeks after. Where the diamond lies outside the"
            " interval, the probability is wrong for these customers."
        ).format(day=day(alive.score.warned_on), weeks=number(alive.score.weeks)),
    )
