"""Run the notebooks of a report, and publish the result completely or not at all."""

import smsroi_helpers.runner.child  # noqa: F401 - before nbformat: see there
from smsroi_helpers.runner.execute import Outcome
from smsroi_helpers.runner.lists import hand_over
from smsroi_helpers.runner.parameters import check_name
from smsroi_helpers.runner.progress import show_progress
from smsroi_helpers.runner.publish import age_of_last_good_run, find_run, verify_run
from smsroi_helpers.runner.run import RunOptions, as_failure, run_report

__all__ = [
    "Outcome",
    "RunOptions",
    "age_of_last_good_run",
    "as_failure",
    "check_name",
    "find_run",
    "hand_over",
    "run_report",
    "show_progress",
    "verify_run",
]
