"""Randomised experiments: their definitions, the outcomes of their arms, and their validity."""

from smsroi_helpers.experiments.exposure import count_exposure, count_overlaps
from smsroi_helpers.experiments.registry import (
    METRICS,
    Experiment,
    Metric,
    count_by_segment,
    count_capped,
    count_months,
    count_outcomes,
    count_weeks,
    label_when_assigned,
    list_experiments,
    moments_of,
)
from smsroi_helpers.experiments.validity import (
    Problem,
    ProblemKind,
    Validity,
    check,
    check_overlaps,
    check_split,
    locate_split,
)

__all__ = [
    "METRICS",
    "Experiment",
    "Metric",
    "Problem",
    "ProblemKind",
    "Validity",
    "check",
    "check_overlaps",
    "check_split",
    "count_by_segment",
    "count_capped",
    "count_exposure",
    "count_months",
    "count_outcomes",
    "count_overlaps",
    "count_weeks",
    "label_when_assigned",
    "list_experiments",
    "locate_split",
    "moments_of",
]
