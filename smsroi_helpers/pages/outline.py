"""Intervals that lie on bars, drawn so that they are seen on every colour."""

from matplotlib.container import ErrorbarContainer
from matplotlib.patheffects import withStroke

from smsroi_helpers.pages.style import PALETTE

__all__ = ["outline_intervals"]

_OUTLINE_POINTS = 4.0
"""Width of the outline, more than that of an interval."""


def outline_intervals(intervals: ErrorbarContainer | None) -> None:
    """Draw intervals in ink with an outline of the page's colour: one of the two contrasts with any bar, dark or not.

    Args:
        intervals: without caps; of `Axes.errorbar`, or `errorbar` of the bars of `Axes.bar`: None where there are none.
    """
    if intervals is None:
        return
    outline = withStroke(linewidth=_OUTLINE_POINTS, foreground=PALETTE["paper"])
    _points, _caps, lines = intervals.lines
    for part in lines:
        part.set(color=PALETTE["ink"], path_effects=[outline])
