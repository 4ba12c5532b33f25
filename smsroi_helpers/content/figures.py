"""Figures of `06_content`; its tables are in `tables`."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from smsroi_helpers.content.feature_effects import change_in_odds, most_needed
from smsroi_helpers.content.study import Content
from smsroi_helpers.content.within_campaign import OptionEffects
from smsroi_helpers.content.wording import feature_name
from smsroi_helpers.locale import _, joined, listed, number, sentence
from smsroi_helpers.pages import (
    FEWEST_SHOWN,
    PALETTE,
    Html,
    arm_name,
    figure,
    items_in_reading_order,
    not_compared_words,
    note,
    segment_name,
)
from smsroi_helpers.statistics import ALPHA

__all__ = ["features_figure", "segments_figure", "wear_out_figure"]

_MOST_PANELS = 8


def _dots(ax: Axes, value: ArrayLike, low: ArrayLike, high: ArrayLike, names: list[str]) -> None:
    """Estimates with intervals, the first on top, and a line at no effect."""
    at = np.arange(len(names))[::-1]
    ax.axvline(0, color=PALETTE["line"], linewidth=1, zorder=0)
    ax.hlines(at, low, high, color=PALETTE["accent"], linewidth=2)
    ax.plot(value, at, "o", color=PALETTE["accent"], markersize=5)
    ax.set_yticks(at, names)
    ax.set_ylim(-0.6, len(names) - 0.4)


def features_figure(content: Content) -> Html:
    """Effects of the features that enough creatives have."""
    known = [each for each in content.features if each.known]
    if not known:
        needed = most_needed(content.features)
        words = _("Too few creatives: no feature was tried in three creatives and left out of three others.")
        if needed:
            words += " " + _("About {n} creatives with a feature and as many without it would do.").format(
                n=number(needed)
            )
        return note(words)
    ax = plt.subplots(figsize=(8.2, 1.2 + 0.45 * len(known)))[1]
    value, low, high = (
        100 * change_in_odds([getattr(each, name) for each in known]) for name in ("effect", "low", "high")
    )
    _dots(ax, value, low, high, [feature_name(each.feature) for each in known])
    ax.set_xlabel(_("change in the odds of a click, percent"))
    moved = [feature_name(each.feature) for each in known if each.adjusted_p < ALPHA]
    title = (
        _("Texts with these features are clicked differently: {features}").format(features=listed(moved))
        if moved
        else _no_effect_words(content)
    )
    ax.set_title(title)
    return figure(
        ax, alt=title,
        caption=_("Effects of features across creatives, with 95% intervals; observational, one feature at a time"),
    )  # fmt: skip


def _no_effect_words(content: Content) -> str:
    """That no feature estimated changes clicks beyond chance, and how many could be estimated."""
    known = [each for each in content.features if each.known]
    if len(known) == len(content.features):
        return _("No feature is shown to change clicks")
    if len(known) == 1:
        return _("Of {n} features only “{feature}” could be estimated: no effect on clicks is shown").format(
            feature=feature_name(known[0].feature), n=number(len(content.features))
        )
    return _("Of {n} features only {known} could be estimated: none is shown to change clicks").format(
        known=number(len(known)), n=number(len(content.features))
    )


def segments_figure(content: Content, currency: str) -> Html:
    """Profit (or clicks) per text of every creative, by segment, compared with today's mixture."""
    found = content.by_creative
    if found is None:
        return note(_("No two texts can be compared."))
    large = [one for one in found.segments if one.customers >= FEWEST_SHOWN]
    shown = items_in_reading_order(large, lambda one: one.segment)[:_MOST_PANELS]
    if not shown:
        return note(_("No segment gets texts today that could be compared."))
    metric, scale = ("profit", 1.0) if found.priced else ("click", 1000.0)
    columns = min(len(shown), 3)
    lines = -(-len(shown) // columns)
    size = (8.2, lines * (0.9 + 0.3 * len(shown[0].creatives)))
    canvas, axes = plt.subplots(lines, columns, figsize=size, sharex=True, sharey=True, squeeze=False)
    for ax, one in zip(axes.ravel(), shown, strict=False):
        value, low, high = (scale * each for each in one.gains_of_all(metric))
        _dots(ax, value.tolist(), low.tolist(), high.tolist(), list(map(arm_name, one.creatives)))
        ax.set_title(segment_name(one.segment))
    for ax in axes.ravel()[len(shown) :]:
        ax.set_visible(False)
    for ax in axes[-2, len(shown) - columns * (lines - 1) :] if lines > 1 else ():
        ax.tick_params(labelbottom=True)  # nothing below it
    label = (
        _("profit per text above today ({currency})").format(currency=currency)
        if found.priced
        else _("clicks per 1,000 texts above today")
    )
    canvas.supxlabel(label, fontsize=mpl.rcParams["axes.labelsize"], color=mpl.rcParams["axes.labelcolor"])
    title = _best_title({arm_name(one.creatives[one.best]) for one in shown})
    canvas.suptitle(
        title, x=0.01, ha="left", fontsize=mpl.rcParams["axes.titlesize"], fontweight=mpl.rcParams["axes.titleweight"]
    )
    canvas.tight_layout()
    best = listed(
        _("{segment}: {text}").format(segment=segment_name(one.segment), text=arm_name(one.creatives[one.best]))
        for one in shown
    )
    return figure(
        canvas, alt=joined(sentence(title), sentence(_("Best text by segment: {best}").format(best=best))),
        caption=joined(
            sentence(_("Every text by segment, compared with today’s mixture; 95% intervals, shrunken. 0 is today")),
            not_compared_words(found.left_out),
        ),
    )  # fmt: skip


def _best_title(best: set[str]) -> str:
    """What the estimates show, given the texts that are best in a segment."""
    if len(best) == 1:
        return _("“{text}” has the highest estimate in every segment").format(text=best.pop())
    return _("The text with the highest estimate differs between segments")


def wear_out_figure(content: Content) -> Html:
    """Clicks by the nth time that a customer got a text of the same type."""
    fit: OptionEffects = content.wear_out
    at = np.flatnonzero(fit.known)
    if len(at) < 2:
        return note(_("Too few customers got the same type of text again, so wear-out cannot be seen."))
    ax = plt.subplots(figsize=(8.2, 3.4))[1]
    value, low, high = (100 * change_in_odds(each[at]) for each in fit.contrast_intervals(int(at[0])))
    ax.axhline(0, color=PALETTE["line"], linewidth=1)
    ax.vlines(at + 1, low, high, color=PALETTE["accent"], linewidth=2)
    ax.plot(at + 1, value, "o-", color=PALETTE["accent"])
    ax.set_xticks(at + 1, [name if name != fit.options[-1] else f"{name}+" for name in np.array(fit.options)[at]])
    ax.set_xlabel(_("nth text of this type that the customer got"))
    ax.set_ylabel(_("change in the odds of a click, percent"))
    title = (
        _("Texts of one type wear out: the odds of a click fall with each one")
        if high[-1] < 0
        else _("No wear-out is shown")
    )
    ax.set_title(title)
    return figure(
        ax, alt=title,
        caption=_(
            "Change in the odds of a click by how often the customer got this type of text, compared with the first"
            " shown, within campaign, segment and text; observational, 95% intervals. Customers texted more often"
            " differ from others"
        ),
    )  # fmt: skip
