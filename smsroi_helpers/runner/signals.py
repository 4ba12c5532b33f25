"""Handling of signals that stop a run."""

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
    """Context manager in which the first stop signal raises Interrupted; further signals are ignored.

    Within `deferred` no signal raises, so that publishing a run or keeping a failed one is not interrupted.
    """

    def __init__(self) -> None:
        self._previous_handlers: dict[int, Any] = {}
        self._interrupted = self._deferring = False

    def __enter__(self) -> "Signals":
        if threading.current_thread() is threading.main_thread():
            for name in ("SIGTERM", "SIGINT", "SIGHUP"):
                signal_number = getattr(signal, name, None)
                # A signal that is ignored (SIGHUP under nohup) stays ignored.
                if signal_number is not None and signal.getsignal(signal_number) is not signal.SIG_IGN:
                    self._previous_handlers[signal_number] = signal.signal(signal_number, self._handle)
        return self

    def __exit__(self, *exception: object) -> None:
        for signal_number, handler in self._previous_handlers.items():
            signal.signal(signal_number, handler)

    def _handle(self, signal_number: int, _frame: FrameType | None) -> None:
        if not self._interrupted and not self._deferring:
            self._interrupted = True
            raise Interrupted(f"the run was stopped by {signal.Signals(signal_number).name}")

    @contextlib.contextmanager
    def deferred(self) -> Iterator[None]:
        """Ignore signals within the block."""
        previous, self._deferring = self._deferring, True
        try:
            yield
        finally:
            self._deferring = previous
