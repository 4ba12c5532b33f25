"""A project with a published report, for what happens to the runs after it."""

from pathlib import Path
from typing import Any

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


def latest_manifest(root: Path) -> dict[str, Any]:
    latest = ReportFolder(root, "tiny").latest()
    assert latest is not None
    return dict(latest["manifest"])
