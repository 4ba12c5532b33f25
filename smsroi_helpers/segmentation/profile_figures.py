"""The figure of portraits of `01_segmentation`: what is more or less common in each segment than among all."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from smsroi_helpers.locale import (
    _,
    joined,
    number,
    sentence,
)
from smsroi_helpers.pages import DEEPEST_SHADE, PALETTE, Html, figure, note, segment_name
from smsroi_helpers.segmentation.figures import FEWEST_SHOWN
from smsroi_helpers.segmentation.profile_tables import segments_in_order, thing_words

__all__ = ["portraits", "portraits_figure"]

_MOST_ROWS = 18
_MOST_LEVEL = 7
"""Names of more segments are slanted, so that they do not overlap."""
_DEEPEST = np.log(2.0)
"""A cell has its full colour from twice, or half, as common on."""
_THING = ["kind", "column", "value"]


def portraits(things: pd.DataFrame, segments: list[str], ax: Axes | None = None) -> Axes:
    """A heat map: blue where something is more common than among all, orange where it is less common.

    Args:
        things: of `draw_portraits`; what differs beyond chance in no segment is left out.
        segments: the columns, in order.
        ax: where to draw; None: a new figure.
    """
    rows = _rows(things)
    ax = ax or plt.subplots(figsize=(8.2, 1.2 + 0.3 * len(rows)))[1]
    place = {segment: j for j, segment in enumerate(segments)}
    for i, own in enumerate(rows):
        for cell in own.itertuples():
            if cell.people < FEWEST_SHOWN or not np.isfinite(cell.times):
                continue
            at, beyond = place[cell.segment], cell.low > 1 or cell.high < 1
            depth = min(abs(np.log(cell.times)) / _DEEPEST, 1.0) if beyond else 0.0
            colour = PALETTE["accent" if cell.times > 1 else "orange"]
            ax.add_patch(Rectangle((at, i), 1, 1, facecolor=colour, alpha=DEEPEST_SHADE * depth, linewidth=0))
            ax.text(
                at + 0.5, i + 0.5, number(cell.times, 2), ha="center", va="center", fontsize=7.5,
                color=PALETTE["ink" if beyond else "soft"],
            )  # fmt: skip
    ax.set_xlim(0, len(segments))
    ax.set_ylim(len(rows), 0)
    ax.xaxis.tick_top()
    ax.set_xticks(np.arange(len(segments)) + 0.5, [segment_name(name) for name in segments])
    if len(segments) > _MOST_LEVEL:
        plt.setp(ax.get_xticklabels(), rotation=30, ha="left")
    ax.set_yticks(np.arange(len(rows)) + 0.5, [thing_words(own.iloc[0]) for own in rows])
    ax.grid(visible=False)
    ax.set_title(_title(things))
    return ax


def _rows(things: pd.DataFrame) -> list[pd.DataFrame]:
    """What differs beyond chance in a segment, that which differs most first, in groups by column."""
    differs = {}
    for key, own in things.groupby(_THING, sort=False):
        clear = own[((own["low"] > 1) | (own["high"] < 1)) & (own["people"] >= FEWEST_SHOWN)]
        if len(clear):
            differs[key] = float(np.abs(np.log(clear["times"])).max()), own
    kept = sorted(differs, key=lambda key: -differs[key][0])[:_MOST_ROWS]
    of_column: dict[tuple[str, str], float] = {}
    for key in kept:
        of_column.setdefault(key[:2], differs[key][0])
    kept.sort(key=lambda key: (-of_column[key[:2]], key[:2], -differs[key][0]))
    return [differs[key][1] for key in kept]


def _clearest(things: pd.DataFrame) -> pd.DataFrame:
    """The rows that differ beyond chance, the largest difference first."""
    clear = things[((things["low"] > 1) | (things["high"] < 1)) & (things["people"] >= FEWEST_SHOWN)]
    return clear.iloc[np.argsort(-np.abs(np.log(clear["times"].to_numpy(float))), kind="stable")]


def _title(things: pd.DataFrame) -> str:
    first = _clearest(things).iloc[0]
    return _("{segment} differs most: {thing} is {times} times as common as among all customers").format(
        segment=segment_name(first["segment"]), thing=thing_words(first), times=number(first["times"], 2)
    )


def portraits_figure(things: pd.DataFrame, segment_outcomes: pd.DataFrame) -> Html:
    """`portraits` with alt text and caption; a sentence where nothing differs.

    Args:
        things: of `draw_portraits`.
        segment_outcomes: of `outcomes_by_segment`, which gives the order of segments.
    """
    clear = _clearest(things) if len(things) else things
    if not len(clear):
        return note(_("Nothing known of customers is more or less common in any segment, beyond chance."))
    segments = [name for name in segments_in_order(things, segment_outcomes) if name in set(things["segment"])]
    parts = [
        _("{segment}: {thing}, {times} times.").format(
            segment=segment_name(row.segment), thing=thing_words(row), times=number(row.times, 2)
        )
        for row in clear.head(8).itertuples()
    ]
    texts = any(own["kind"].iloc[0] == "creative" for own in _rows(things))
    caption = joined(
        _("How many times as common something is in a segment as among all, shrunken for the many comparisons."),
        _("Of texts: how much more the segment clicks them than it clicks texts anyway.") if texts else "",
        _("Blue: more. Orange: less. Grey numbers are not beyond chance. It describes, and says nothing of why."),
    )
    return figure(portraits(things, segments), alt=joined(sentence(_title(things)), *parts), caption=caption)
