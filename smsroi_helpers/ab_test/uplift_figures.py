"""The figure of `05_ab_test` on who responds: the effect by segment."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from smsroi_helpers.ab_test.effects import ArmEffect, is_money
from smsroi_helpers.ab_test.figures import label_panel
from smsroi_helpers.ab_test.shared_wording import segment_words
from smsroi_helpers.ab_test.study import Evaluated
from smsroi_helpers.ab_test.tables import difference_words
from smsroi_helpers.ab_test.uplift_tables import described_arms, effects_by_segment, segments_differ_words
from smsroi_helpers.locale import (
    _,
    joined,
    sentence,
)
from smsroi_helpers.pages import FEWEST_SHOWN, PALETTE, Html, figure

__all__ = ["segments", "segments_figure"]


def segments(described: Sequence[tuple[Evaluated, str]], currency: str) -> Figure:
    """The effect of an arm in each segment, one panel per test; the dashed line is that of all customers.

    Args:
        described: of `described_arms`, at least one.
        currency: the source's.
    """
    sizes = [len(_drawn(each, arm)) + 1.2 for each, arm in described]
    drawn, axes = plt.subplots(
        len(described), 1, figsize=(8.2, 0.9 + sum(0.3 * size + 0.75 for size in sizes)), squeeze=False,
        gridspec_kw={"height_ratios": sizes, "hspace": 0.9},
    )  # fmt: skip
    for (each, arm), ax in zip(described, axes[:, 0], strict=True):
        _panel(each, arm, currency, ax)
    return drawn


def _drawn(each: Evaluated, arm: str) -> list[ArmEffect]:
    """The segments with an interval and enough customers to be shown."""
    return [row for row in effects_by_segment(each, arm) if np.isfinite(row.low) and row.customers >= FEWEST_SHOWN]


def _panel(each: Evaluated, arm: str, currency: str, ax: Axes) -> None:
    metric = each.decision.metric
    scale = 1.0 if is_money(metric) else 100.0
    rows = _drawn(each, arm)
    whole = each.effects.find(metric, arm)
    ax.axvline(0, color=PALETTE["soft"], linewidth=1.0)
    if whole is not None and np.isfinite(whole.difference):
        ax.axvline(scale * whole.difference, color=PALETTE["accent"], linewidth=1.2, linestyle="--")
    for place, row in enumerate(rows):
        ax.plot((scale * row.low, scale * row.high), (place, place), color=PALETTE["accent"], linewidth=4, alpha=0.45)
        ax.plot(scale * row.difference, place, "o", color=PALETTE["accent"], markersize=6)
    label_panel(each, [segment_words(row.segment) for row in rows], currency, ax)
    ax.set_title(segments_differ_words(each, arm))


def segments_figure(evaluated: Sequence[Evaluated], currency: str) -> Html | None:
    """`segments` with alt text and caption; None where the table has nothing to show either.

    Args:
        evaluated: of `ab_test.analyse`.
        currency: the source's.
    """
    described = described_arms(evaluated)
    if not described:
        return None
    words = []
    for each, arm in described:
        words.append(sentence(segments_differ_words(each, arm)))
        words += [
            _("{segment}: {difference}.").format(
                segment=segment_words(row.segment),
                difference=difference_words(each.decision.metric, row.interval, currency, row.reason),
            )
            for row in effects_by_segment(each, arm)
            if row.customers >= FEWEST_SHOWN
        ]
    caption = _(
        "The effect by segment as of the assignment (randomised), with 95% intervals. Dashed: all customers of the"
        " test. Intervals that overlap the dashed line are no sign of a difference."
    )
    if any(len(_drawn(each, arm)) < len(effects_by_segment(each, arm)) for each, arm in described):
        caption = joined(caption, _("Segments with too few customers for an interval are not drawn."))
    return figure(segments(described, currency), alt=joined(*words), caption=caption)
