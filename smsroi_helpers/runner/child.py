"""The process that executes one notebook, with papermill and a kernel.

`execute` starts it as a program. It reads its task from the first line of standard input, and reports each cell and the
outcome as lines of JSON. When standard input closes, it ends itself and all its processes: nothing outlives the parent.
"""

import contextlib
import itertools
import json
import os
import re
import shutil
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

import psutil

from smsroi_helpers.errors import redact

__all__ = [
    "is_executed",
    "main",
]

# nbformat imports jsonschema, which takes 1.2 s to build a grammar of international URLs if this package is installed.
# Notebooks have no such URLs, and jsonschema works without it.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]


def is_executed(cell: dict[str, Any]) -> bool:
    """Whether a cell is executed: a code cell that is not empty."""
    return cell["cell_type"] == "code" and bool("".join(cell["source"]).strip())


def main() -> None:
    """Execute the notebook described by the first line of standard input; exit when standard input closes."""
    # Output of the kernel or the engine goes to the log: standard output is only for messages to the parent.
    to_parent = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    task = json.loads(sys.stdin.readline())
    threading.Thread(target=_exit_with_parent, args=(sys.stdin, Path(task["private"])), daemon=True).start()

    def send(**event: Any) -> None:
        with contextlib.suppress(OSError):
            to_parent.write(json.dumps(event) + "\n")
            to_parent.flush()

    outcome = _execute(task, send)
    send(event="end", peak_memory_mb=_peak_memory_of_kernel(), **outcome)
    to_parent.close()
    # Threads of the kernel's client must not delay the exit.
    os._exit(0)


def _exit_with_parent(stdin: IO[str], private: Path) -> None:
    with contextlib.suppress(ValueError, OSError):
        stdin.read()
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            process.kill()
    shutil.rmtree(private, ignore_errors=True)
    os._exit(1)


def _execute(task: dict[str, Any], send: Callable[..., None]) -> dict[str, Any]:
    """Run papermill; return the outcome, with a message for errors."""
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from traitlets.config import Config

    numbers = itertools.count(1)
    cells = 0

    def cell_starts(**_: Any) -> None:
        send(event="cell", cell=next(numbers), cells=cells)

    config = Config()
    config.KernelManager.connection_file = str(Path(task["private"]) / "kernel.json")  # it contains the session's key
    if os.name == "posix":
        # TCP would warn of unencrypted traffic at each start; sockets need a private path.
        config.KernelManager.transport = "ipc"
        config.KernelManager.ip = str(Path(task["private"]) / "k")
    output = Path(task["output"])
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        notebook_cells = json.loads(Path(task["notebook"]).read_text(encoding="utf-8"))["cells"]
        cells = sum(map(is_executed, notebook_cells)) + bool(
            task["parameters"]
        )  # papermill adds a cell with the parameters
        papermill.execute_notebook(
            _literal_path(task["notebook"]),
            _literal_path(task["output"]),
            parameters=task["parameters"],
            kernel_name="python3",
            language="python",
            progress_bar=False,
            execution_timeout=task["cell_timeout"],
            config=config,
            on_cell_execute=cell_starts,
            # Everything is written after the last cell; a graceful shutdown of the kernel can take seconds.
            shutdown_kernel="immediate",
        )
    except papermill.PapermillExecutionError as error:
        return _classify_exception(error.ename, error.evalue, error.traceback)
    except CellTimeoutError:
        return {"ended": "cell timeout"}
    except DeadKernelError:
        return {"ended": "kernel died"}
    except OSError as error:
        return {"ended": "storage", "message": error.strerror or type(error).__name__}
    except RuntimeError as error:
        if "Kernel died" in str(error) or "Kernel didn't respond" in str(error):
            return {"ended": "kernel died"}
        return {"ended": "error", "message": _one_line(type(error).__name__, str(error))}
    except Exception as error:  # every failure must reach the parent, in one line
        return {"ended": "error", "message": _one_line(type(error).__name__, str(error))}
    return {"ended": "well"}


def _literal_path(path: str) -> str:
    """Escape a path for papermill, which fills in `{…}`."""
    return path.replace("{", "{{").replace("}", "}}")


def _classify_exception(name: str, value: str, traceback: Sequence[str]) -> dict[str, Any]:
    """Return the outcome for the exception of a cell; data and storage errors keep their type."""
    if name == "SystemExit":
        return {"ended": "exit", "message": f"sys.exit({value})"}
    # The project's own errors have a traceback of one line; other packages also have a DataError.
    if len(traceback) == 1 and name in ("DataError", "StorageError", "NotEnoughData"):
        return {"ended": name.removesuffix("Error").lower(), "message": redact(value)}
    if re.search(r"No space left on device|\[Errno 28\]", value):
        return {"ended": "storage", "message": _one_line(name, value)}
    return {"ended": "error", "message": _one_line(name, value)}


def _one_line(name: str, message: str) -> str:
    text = redact(" ".join(f"{name}: {message}".split()))
    return text if len(text) <= 300 else text[:299] + "…"


def _peak_memory_of_kernel() -> int | None:
    try:
        import resource
    except ImportError:  # not on Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10))


if __name__ == "__main__":
    main()
