"""Run the notebooks of a report, and publish the result completely or not at all."""

from typing import TYPE_CHECKING

import smsroi_helpers.runner.child  # noqa: F401 - before nbformat: see there
from smsroi_helpers import lazy_names

if TYPE_CHECKING:
    from smsroi_helpers.runner.answered import recall_answer
    from smsroi_helpers.runner.execute import Outcome
    from smsroi_helpers.runner.lists import hand_over
    from smsroi_helpers.runner.options import RunOptions
    from smsroi_helpers.runner.parameters import check_name
    from smsroi_helpers.runner.progress import show_progress
    from smsroi_helpers.runner.publish import age_of_last_good_run, find_run, shown_path, verify_run
    from smsroi_helpers.runner.run import as_failure, run_report

__all__ = [
    "Outcome",
    "RunOptions",
    "age_of_last_good_run",
    "as_failure",
    "check_name",
    "find_run",
    "hand_over",
    "recall_answer",
    "run_report",
    "show_progress",
    "shown_path",
    "verify_run",
]

_HOMES = {
    "Outcome": "execute",
    "RunOptions": "options",
    "age_of_last_good_run": "publish",
    "as_failure": "run",
    "check_name": "parameters",
    "find_run": "publish",
    "hand_over": "lists",
    "recall_answer": "answered",
    "run_report": "run",
    "show_progress": "progress",
    "shown_path": "publish",
    "verify_run": "publish",
}
# The answer of an unchanged report needs none of what the others import.
__getattr__ = lazy_names(__name__, _HOMES)
