"""The decision whether a log can be analysed."""

from dataclasses import dataclass
from typing import Literal

import pandas as pd

from smsroi_helpers.quality.checks import Coverage, MessageCoverage

__all__ = [
    "LONGEST_GAP_DAYS",
    "LogAssessment",
    "decide",
]

LONGEST_GAP_DAYS = 28
"""A longer gap means a hole in the export or a closed shop; both distort every rate."""


@dataclass(frozen=True)
class LogAssessment:
    """Whether a log can be analysed, and the counts behind it."""

    outcome: Literal["do", "broken"]
    reason: Literal["complete", "gap_in_orders", "not_joined"]
    coverage: Coverage | MessageCoverage
    """`MessageCoverage` in a source without orders."""
    rows_rejected: int
    """In all tables."""
    share_rejected: float
    """Share of all rows, 0–1."""
    notebooks_runnable: int
    notebooks: int
    """The number of all notebooks."""


def decide(coverage: Coverage | MessageCoverage, tables: pd.DataFrame, notebooks: pd.DataFrame) -> LogAssessment:
    """Decide whether this log can be analysed.

    Weeks without a message may be a pause in texting, so they are named and do not break the log.

    Args:
        coverage: of `checks.measure_coverage`.
        tables: of `checks.describe_tables`.
        notebooks: of `runnable.list_notebooks`.
    """
    gap = isinstance(coverage, Coverage) and coverage.longest_gap_days > LONGEST_GAP_DAYS
    rejected = int(tables["put_aside"].sum())
    reason: Literal["complete", "gap_in_orders", "not_joined"] = "complete"
    if gap or coverage.not_joined:
        reason = "gap_in_orders" if gap else "not_joined"
    return LogAssessment(
        outcome="do" if reason == "complete" else "broken",
        reason=reason,
        coverage=coverage,
        rows_rejected=rejected,
        share_rejected=rejected / int(tables["rows_in"].sum()),
        notebooks_runnable=int(notebooks["can_run"].sum()),
        notebooks=len(notebooks),
    )
