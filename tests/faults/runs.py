"""A project with a published report, for what happens to the runs after it."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from smsroi_helpers.runner import execute
from smsroi_helpers.runner.execute import Outcome
from smsroi_helpers.runner.publish import ReportFolder

MISBEHAVE = """import os, sys, time
from pathlib import Path
if model == "raises":
    raise ValueError("no such thing")
if model == "killed":
    os.kill(os.getpid(), 9)
if model == "leaves":
    sys.exit(0)
if model == "sleeps":
    time.sleep(60)
if model == "meddles":
    with Path("data/tiny/orders.csv").open("a") as orders: orders.write("4,b,2024-03-04 13:00:00,1.5\\n")"""


class Quiet:
    """Progress that nobody sees."""

    def started(self, name: str) -> None: ...

    def advanced(self, name: str, cell: int, cells: int, seconds: float) -> None: ...

    def ended(self, name: str, outcome: Outcome) -> None: ...


@contextlib.contextmanager
def one_server(root: Path) -> Iterator[None]:
    """Within it, one server starts the notebooks of all runs of a project: it takes longer to start than they take."""
    notebooks = sorted((root / "notebooks").glob("*.ipynb"))
    with execute.start_server(notebooks, root, 2) as server, pytest.MonkeyPatch.context() as patch:
        if server:
            patch.setattr(server, "close", lambda: None)  # each run would end it
        patch.setattr(execute, "start_server", lambda *_: contextlib.nullcontext(server))
        yield


def latest_manifest(root: Path) -> dict[str, Any]:
    latest = ReportFolder(root, "tiny").latest()
    assert latest is not None
    return dict(latest["manifest"])
