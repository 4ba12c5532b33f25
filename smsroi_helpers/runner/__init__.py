"""Running the notebooks of a report, and publishing what they made: whole, or not at all."""

from smsroi_helpers.runner.run import RunOptions, as_failure, run_report

__all__ = [
    "RunOptions",
    "as_failure",
    "run_report",
]
