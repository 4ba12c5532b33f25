"""A signal to stop, heard where the program can end in order."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

from smsroi_helpers.errors import Interrupted

__all__ = [
    "Signals",
]


class Signals:
    """While it is open, the first signal to stop raises Interrupted where the program is; further ones do nothing.

    Within `held` nothing is raised: what has begun there (publishing, setting aside) is finished first.
    """

    def __init__(self) -> None:
        self._before: dict[int, Any] = {}
        self._caught = self._holding = False

    def __enter__(self) -> "Signals":
        if threading.current_thread() is threading.main_thread():
            for name in ("SIGTERM", "SIGINT", "SIGHUP"):
                number = getattr(signal, name, None)
                # What is ignored (as nohup does with SIGHUP) stays ignored.
                if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._hear)
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _hear(self, number: int, _frame: FrameType | None) -> None:
        if not self._caught and not self._holding:
            self._caught = True
            raise Interrupted(f"the run was stopped by {signal.Signals(number).name}")

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Let nothing interrupt what is done here."""
        before, self._holding = self._holding, True
        try:
            yield
        finally:
            self._holding = before
