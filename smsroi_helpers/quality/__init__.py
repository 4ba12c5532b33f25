"""Data quality: rows read, rejected and used, days covered, and which notebooks can run on this source."""

from smsroi_helpers import lazy_submodules
from smsroi_helpers.quality.checks import (
    count_by_week,
    count_overlap,
    count_prices,
    describe_tables,
    list_exclusions,
    list_quarantine,
    measure_coverage,
)
from smsroi_helpers.quality.runnable import list_notebooks
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

NEEDS = ()

__getattr__ = lazy_submodules(__name__, "check_tables", "tables")
