"""The progress of a run on standard error: bars on a terminal, else lines for logs."""

import contextlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import TaskID

    from smsroi_helpers.runner.execute import Outcome

__all__ = [
    "show_progress",
]


class _Lines:
    """Progress for logs: a line when a notebook starts, each minute, and when it ends."""

    def __init__(self) -> None:
        self._minutes: dict[str, int] = {}

    def started(self, name: str) -> None:
        self._print(f"{name}: started")

    def advanced(self, name: str, cell: int, cells: int, seconds: float) -> None:
        if int(seconds // 60) > self._minutes.get(name, 0):
            self._minutes[name] = int(seconds // 60)
            self._print(f"{name}: cell {cell} of {cells}, {seconds:.0f} s")

    def ended(self, name: str, outcome: "Outcome") -> None:
        memory = f", {outcome.peak_memory_mb} MB" if outcome.peak_memory_mb else ""
        self._print(f"{name}: {outcome.status}, {outcome.seconds:.1f} s{memory}")

    def _print(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)


class _Bars:
    """Progress for terminals: one bar per notebook."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        self.display = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[state]}"),
            console=Console(stderr=True),
        )
        self._tasks: dict[str, TaskID] = {}

    def started(self, name: str) -> None:
        self._tasks[name] = self.display.add_task(name, total=None, state="")

    def advanced(self, name: str, cell: int, cells: int, seconds: float) -> None:  # noqa: ARG002 - the bar counts
        self.display.update(self._tasks[name], completed=max(cell - 1, 0), total=cells or None)

    def ended(self, name: str, outcome: "Outcome") -> None:
        task = self.display.tasks[self.display.task_ids.index(self._tasks[name])]
        completed = task.total if outcome.status == "ok" else None
        self.display.update(self._tasks[name], completed=completed, state=outcome.status)
        self.display.stop_task(self._tasks[name])


@contextlib.contextmanager
def show_progress() -> "Iterator[_Lines | _Bars]":
    """Yield bars on a terminal, else lines; both receive progress as `execute.Progress`."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    bars = _Bars()
    with bars.display:
        yield bars
