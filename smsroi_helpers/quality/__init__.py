"""Is this log fit to analyse: what came in, what was put aside, which days it covers, which notebooks can run on it."""

from smsroi_helpers import lazy_submodules
from smsroi_helpers.quality.checks import (
    count_by_week,
    count_overlap,
    count_prices,
    describe_tables,
    list_exclusions,
    list_notebooks,
    list_quarantine,
    measure_coverage,
)
from smsroi_helpers.quality.wording import decide, list_gains

__all__ = [
    "NEEDS",
    "count_by_week",
    "count_overlap",
    "count_prices",
    "decide",
    "describe_tables",
    "list_exclusions",
    "list_gains",
    "list_notebooks",
    "list_quarantine",
    "measure_coverage",
]

NEEDS = ("orders",)

__getattr__ = lazy_submodules(__name__, "tables")
