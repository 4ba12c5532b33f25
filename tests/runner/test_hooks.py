"""The commands a run calls: they read a summary, and change nothing."""

import json
import sys
from pathlib import Path

import pytest

from smsroi_helpers.errors import (
    UsageError,
)
from smsroi_helpers.runner import hooks
from smsroi_helpers.runner.options import RunOptions
from smsroi_helpers.runner.run import run_report
from tests.faults.runs import Quiet, latest_manifest

pytestmark = pytest.mark.slow


@pytest.fixture
def listener(tmp_path: Path) -> tuple[str, Path]:
    """A command that keeps what it is told, in a folder with a blank, and where it keeps it."""
    folder = tmp_path / "a hook"
    folder.mkdir()
    script = folder / "hook.py"
    script.write_text("import sys, pathlib; pathlib.Path(sys.argv[1]).write_text(sys.stdin.read()); sys.exit(7)")
    return f"'{sys.executable}' '{script}' '{folder / 'told.json'}'", folder / "told.json"


def test_hooks_read_a_summary_and_never_change_the_outcome(
    good: tuple[Path, Path], listener: tuple[str, Path], capfd: pytest.CaptureFixture[str]
) -> None:
    root, file = good
    hook, told = listener
    stages = [entry["stage"] for entry in latest_manifest(root)["notebooks"].values() if entry["status"] == "ok"]
    assert run_report(file, RunOptions(only=stages, on_success=hook, on_failure="false"), Quiet()).unchanged
    summary = json.loads(told.read_text())
    assert (summary["report"], summary["status"], summary["exit_code"]) == ("tiny", "unchanged", 0)
    assert (root / summary["path"]).is_file()
    assert capfd.readouterr().err == "--on-success: it ended with 7; the run itself is not affected\n"

    with pytest.raises(UsageError) as failure:
        run_report(file, RunOptions(overrides=["seeed=1"], on_failure=hook, on_success="false"), Quiet())
    summary = json.loads(told.read_text())
    assert (summary["status"], summary["exit_code"], summary["reason"]) == ("failed", 2, str(failure.value))


def test_a_hook_that_hangs_is_stopped(
    good: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(hooks, "_HOOK_SECONDS", 0.5)
    with pytest.raises(UsageError):
        run_report(good[1], RunOptions(overrides=["seeed=1"], on_failure="sleep 100"), Quiet())
    assert "--on-failure: it took longer than 0.5 s and was stopped" in capfd.readouterr().err


def test_a_hook_that_cannot_be_read_or_found_is_said_so(
    good: tuple[Path, Path], capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageError, match="--on-failure: No closing quotation"):
        run_report(good[1], RunOptions(on_failure="'"), Quiet())
    with pytest.raises(UsageError, match="seeed"):
        run_report(good[1], RunOptions(overrides=["seeed=1"], on_failure="/none/such"), Quiet())
    assert "--on-failure: No such file or directory" in capfd.readouterr().err
