"""A process that imports once what all notebooks import, and forks the processes that execute them.

To import papermill, a kernel and a stage takes some five seconds of a core, the same for each notebook. The server does
it once, while the source is read; a notebook then starts within a second. It exists on Linux only: on macOS,
libraries of the system do not survive a fork, and Windows has none. There each notebook starts its own interpreter.
"""

import ast
import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

from smsroi_helpers.runner import child as child_program

__all__ = [
    "ForkServer",
    "ForkedChild",
    "imports_of",
]

_ANSWER_SECONDS = 120.0


@dataclass(frozen=True)
class ForkedChild:
    """A process that the server has forked. It has the attributes of `subprocess.Popen` that the supervisor uses."""

    pid: int
    stdin: IO[str]
    stdout: IO[str]

    def wait(self) -> None:
        """Wait until the process has ended."""
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(self.pid).wait()


class ForkServer:
    """The server, as its parent sees it. Close it, or use it as a context manager."""

    def __init__(self, modules: Iterable[str], environment: Mapping[str, str], folder: Path) -> None:
        """Start the server; do not wait until it has imported anything.

        Args:
            modules: names of modules to import. One that cannot be imported is left to the notebook.
            environment: environment variables of the server and of all that it forks.
            folder: working directory of both.
        """
        self._has_forked = False
        self._socket, theirs = socket.socketpair()
        self._socket.settimeout(_ANSWER_SECONDS)
        with theirs:
            # Its own session: Ctrl-C of a terminal reaches the parent only, which then ends it.
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-P", str(Path(child_program.__file__)), str(theirs.fileno()), *modules],
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )

    @staticmethod
    def is_possible() -> bool:
        """Whether processes can be forked safely here."""
        return sys.platform == "linux"

    def fork(self, environment: Mapping[str, str], log: IO[str]) -> ForkedChild | None:
        """Fork a process that executes one notebook.

        Args:
            environment: variables that only this process has.
            log: file for its standard error.

        Returns:
            the process, or None if the server does not answer.
        """
        task_read, task_write = os.pipe()
        event_read, event_write = os.pipe()
        try:
            message = json.dumps(dict(environment)).encode()
            socket.send_fds(self._socket, [message], [task_read, event_write, log.fileno()])
            self._has_forked = True
            answer = self._socket.recv(64)
        except OSError:
            answer = b""
        finally:
            os.close(task_read)
            os.close(event_write)
        if not answer:
            os.close(task_write)
            os.close(event_read)
            return None
        return ForkedChild(
            int(answer), os.fdopen(task_write, "w", encoding="utf-8"), os.fdopen(event_read, encoding="utf-8")
        )

    def close(self) -> None:
        """End the server; at once if it has forked nothing, for instance because the source was refused."""
        self._socket.close()
        try:
            self._process.wait(timeout=1 if self._has_forked else 0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> "ForkServer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def imports_of(notebooks: Iterable[Path]) -> list[str]:
    """Return the modules of this package that notebooks import, sorted; unreadable notebooks and cells have none.

    Only this package is imported in advance: modules of a project may do anything when they are imported.
    """
    package = child_program.__name__.partition(".")[0]
    modules = set()
    for notebook in notebooks:
        with contextlib.suppress(OSError, ValueError, KeyError):
            for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
                if child_program.is_executed(cell):
                    modules |= _imported("".join(cell["source"]))
    return sorted(module for module in modules if module.partition(".")[0] == package)


def _imported(code: str) -> set[str]:
    """Return the modules, and names in modules, that a cell imports."""
    try:
        tree = ast.parse(code)
    except SyntaxError:  # a cell with commands of IPython
        return set()
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module} | {f"{node.module}.{name.name}" for name in node.names}
    return found
