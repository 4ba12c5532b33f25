"""The table `timing_response`, and the counts of a segment that every table of the page shows."""

import numpy as np
import pandas as pd
from scipy.special import expit

from smsroi_helpers.contract import evidence_of_model
from smsroi_helpers.statistics import Floats
from smsroi_helpers.timing.basis import design
from smsroi_helpers.timing.best_hours import Timing
from smsroi_helpers.timing.response import ALL, HourResponse, t_quantile

__all__ = [
    "carried_segments",
    "count_cells",
    "count_responses",
    "forbidden_shares",
    "rate_as_counted",
    "response_rows",
    "span_of_windows",
]

_FEWEST_SHOWN = 10
"""Segments of fewer customers are left out of saved tables."""


def count_cells(response: HourResponse, segment: str) -> pd.DataFrame:
    """Messages and clicks of a segment by weekday and hour as counted, before any weighting.

    Args:
        response: of one kind of evidence.
        segment: which segment, or `all`.

    Returns:
        weekday, hour, until, messages, clicks. A segment of today that had no member in the test has the test's
        weekdays and hours, and 0 of both.
    """
    own = response.cells["segment"] == segment
    cells = response.cells if segment == ALL or not own.any() else response.cells[own]
    rows = cells.groupby(["weekday", "hour", "until"], as_index=False)[["messages", "clicks"]].sum()
    rows = rows[rows["messages"] > 0]
    return rows if segment == ALL or own.any() else rows.assign(messages=0, clicks=0)


def count_responses(response: HourResponse, segment: str) -> float:
    """Responses of a segment as counted, over all weekdays and hours."""
    return float(count_cells(response, segment)["clicks"].sum())


def rate_as_counted(response: HourResponse, segment: str) -> pd.DataFrame:
    """Responses per message of a segment as counted, by window: hour, until, rate (0–1)."""
    sums = count_cells(response, segment).groupby(["hour", "until"], as_index=False)[["messages", "clicks"]].sum()
    sums = sums[sums["messages"] > 0]
    return sums[["hour", "until"]].assign(rate=sums["clicks"] / sums["messages"])


def forbidden_shares(timing: Timing) -> Floats:
    """(24,): share (0–1) of the customers who may not be texted at each hour."""
    return 1 - timing.allowed


def carried_segments(response: HourResponse) -> tuple[str, ...]:
    """Segments with too few members in the test, whose curves are weighted from the members of all segments."""
    carried = response.transport
    if carried is None:
        return ()
    return tuple(name for name in response.segments if name in carried.names and not carried.own(name))


def response_rows(timing: Timing) -> pd.DataFrame:
    """The table `timing_response`: the response rate by evidence, segment, weekday and hour with messages.

    Rates are those of the smooth, pooled curve, so a test's have evidence `modelled`; messages and clicks are of
    `count_cells`. overlap: share (0–1) of today's subscribers whom the test's members cover.
    """
    parts = []
    for response in (timing.randomised, timing.observational):
        if response is None:
            continue
        for segment in response.segments:
            if response.customers(segment) < _FEWEST_SHOWN:
                continue
            rows = count_cells(response, segment)
            centre, joint = response.logits(segment, design(rows))
            half_width = t_quantile() * np.sqrt(np.diag(joint))
            parts.append(rows.assign(
                segment=segment, rate=expit(centre), low=expit(centre - half_width), high=expit(centre + half_width),
                evidence=evidence_of_model(response.evidence), overlap=response.overlap(segment),
            ))  # fmt: skip
    columns = [
        "segment", "weekday", "hour", "until", "messages", "clicks", "rate", "low", "high", "evidence", "overlap",
    ]  # fmt: skip
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def span_of_windows(windows: pd.DataFrame) -> tuple[int, int]:
    """The first hour at which one of the windows of a test begins, and the last at which one ends."""
    return int(windows["hour"].min()), int(windows["until"].max())
