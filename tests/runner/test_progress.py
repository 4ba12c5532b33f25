"""Progress on standard error: lines in a log, bars on a terminal."""

import pytest

from smsroi_helpers.errors import NotebookError
from smsroi_helpers.runner import progress
from smsroi_helpers.runner.execute import Outcome


def test_progress_without_a_terminal_is_a_line_at_the_start_each_minute_and_at_the_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = progress._Lines()
    lines.started("02_cltv")
    for cell, seconds in ((1, 0.1), (2, 59.9), (3, 60.0), (3, 119.0), (3, 121.0)):
        lines.advanced("02_cltv", cell, 9, seconds)
    lines.ended("02_cltv", Outcome("ok", seconds=130.04, peak_memory_mb=310))
    lines.ended("03_timing", Outcome("failed", NotebookError("x"), seconds=2))
    assert capsys.readouterr().err.splitlines() == [
        "02_cltv: started",
        "02_cltv: cell 3 of 9, 60 s",
        "02_cltv: cell 3 of 9, 121 s",
        "02_cltv: ok, 130.0 s, 310 MB",
        "03_timing: failed, 2.0 s",
    ]


def test_progress_on_a_terminal_is_a_bar_per_notebook() -> None:
    bars = progress._Bars()
    bars.started("02_cltv")
    bars.advanced("02_cltv", 4, 9, 1.0)
    (task,) = bars.display.tasks
    assert (task.description, task.completed, task.total) == ("02_cltv", 3, 9)
    bars.ended("02_cltv", Outcome("ok"))
    (task,) = bars.display.tasks
    assert (task.completed, task.fields["state"], task.stop_time is not None) == (9, "ok", True)
