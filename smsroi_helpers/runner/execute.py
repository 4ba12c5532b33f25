"""Execute notebooks in parallel, each in its own supervised process.

The parent (this module) starts one child process (`child`) per notebook, reads its events, enforces the deadline and
checks the executed notebook.

papermill's result is not enough: after killed kernels, time-outs and `sys.exit(0)` a notebook can look finished. A
notebook is complete if every non-empty code cell ran without error and the last one left the completion mark.
"""

import contextlib
import dataclasses
import json
import os
import queue
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol

import psutil

from smsroi_helpers.contract import FINISHED
from smsroi_helpers.errors import (
    DataError,
    Incomplete,
    Interrupted,
    KernelDied,
    NotebookError,
    PageError,
    SmsroiError,
    StorageError,
    TimeLimit,
)
from smsroi_helpers.runner import child as child_program
from smsroi_helpers.runner.child import is_executed
from smsroi_helpers.runner.fork_server import ForkedChild, ForkServer, imports_of

__all__ = [
    "ForkServer",
    "Job",
    "Outcome",
    "Progress",
    "execute_notebooks",
    "most_severe",
    "process_tree",
    "start_server",
    "why_incomplete",
]

_BY_SEVERITY: tuple[type[SmsroiError], ...] = (
    Interrupted,
    StorageError,
    KernelDied,
    TimeLimit,
    DataError,
    NotebookError,
    Incomplete,
    PageError,
)
_TERMINATION_SECONDS = 5.0
_SECONDS_BETWEEN_REPORTS = 60.0


@dataclass(frozen=True)
class Job:
    """One notebook to execute. Paths are relative to the project's root, so that no absolute path is recorded."""

    name: str
    stage: str
    notebook: Path
    output: Path
    parameters: dict[str, Any]
    instead: Path | None = None
    """The notebook that is executed in its place, under the same name, where it has too few data."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of one notebook."""

    status: str
    """`ok`, `skipped` (too few data for its question), `failed` or `not_run`."""
    error: SmsroiError | None = None
    reason: str = ""
    """Why it was skipped, or why another notebook was executed in its place."""
    seconds: float = 0.0
    peak_memory_mb: int | None = None
    """Peak memory of the kernel in MiB; None if unknown or if the process was killed."""


class Progress(Protocol):
    """Receives progress reports."""

    def started(self, name: str) -> None:
        """A notebook has started."""

    def advanced(self, name: str, cell: int, cells: int, seconds: float) -> None:
        """A notebook has started code cell `cell` of `cells`, or is still running it after another minute."""

    def ended(self, name: str, outcome: Outcome) -> None:
        """A notebook has ended."""


def most_severe(errors: Sequence[SmsroiError]) -> SmsroiError:
    """Return the most severe error, which determines the exit code of the run."""
    return min(errors, key=lambda error: _BY_SEVERITY.index(type(error)))


@dataclass
class _Child:
    job: Job
    process: subprocess.Popen[str] | ForkedChild
    private: Path
    """Temporary folder of the notebook's sockets and Jupyter settings."""
    began: float
    reported_at: float
    cell: int = 0
    """Number of the current code cell, as Jupyter shows it in brackets; 0 before the first."""
    cells: int = 0
    final_event: dict[str, Any] = field(default_factory=dict)
    """The child's last event, which has the outcome; empty until then."""


def execute_notebooks(
    jobs: Sequence[Job],
    *,
    root: Path,
    logs: Path,
    progress: Progress,
    max_parallel: int = 2,
    deadline: float | None = None,
    cell_timeout: int | None = None,
    server: ForkServer | None = None,
    variables: Mapping[str, str] | None = None,
) -> dict[str, Outcome]:
    """Execute notebooks; a failed one does not stop the others.

    Args:
        jobs: the notebooks, in order of start.
        root: the project's folder, working directory of the kernels.
        logs: folder for the standard error of the children.
        progress: receives progress reports.
        max_parallel: number of notebooks that run at the same time.
        deadline: `time.monotonic()` at which everything is stopped; None: no limit.
        cell_timeout: time limit of a cell in seconds; None: no limit.
        server: forks the notebooks' processes (see `start_server`); None: each starts its own interpreter.
        variables: environment variables of the notebooks' processes alone.

    Returns:
        Name → outcome, for every job. If a signal handler raises Interrupted meanwhile, the children are stopped, and
        Interrupted is the error of every unfinished notebook.
    """
    logs.mkdir(parents=True, exist_ok=True)
    outcomes: dict[str, Outcome] = {}
    first: dict[str, Outcome] = {}
    """Of notebooks that had too few data, in whose place another is executed."""
    waiting, running = list(jobs), dict[str, _Child]()
    events: queue.Queue[tuple[str, dict[str, Any] | None]] = queue.Queue()
    environment, own = _environment(root, max_parallel), dict(variables or {})
    stopped: SmsroiError | None = None
    try:
        while waiting or running:
            if deadline is not None and time.monotonic() >= deadline:
                stopped = TimeLimit("the run was stopped by its deadline")
                break
            while waiting and len(running) < max_parallel:
                running[waiting[0].name] = _start(
                    waiting[0], root, logs, environment, own, cell_timeout, events, server
                )
                if waiting[0].name not in first:
                    progress.started(waiting[0].name)
                del waiting[0]
            name, event = _next_event(events, deadline)
            if event is not None:
                _handle_event(running[name], event, progress)
            elif name:
                job, outcome = running[name].job, _outcome_of(running[name], root)
                del running[name]
                if outcome.status == "skipped" and job.instead:
                    first[name] = outcome
                    waiting.insert(0, dataclasses.replace(job, notebook=job.instead, instead=None))
                    continue
                if before := first.get(name):  # the reason is the first one's, also where both have too few data
                    outcome = (
                        before if outcome.status == "skipped" else dataclasses.replace(outcome, reason=before.reason)
                    )
                outcomes[name] = outcome
                progress.ended(name, outcomes[name])
            for child in running.values():
                if time.monotonic() - child.reported_at >= _SECONDS_BETWEEN_REPORTS:
                    _report_progress(child, progress)
    except Interrupted as interruption:
        stopped = interruption
    finally:
        _terminate(list(running.values()))
    if stopped is not None:
        while not events.empty():  # the errors name the cells that were running
            name, event = events.get()
            if event is not None and name in running:
                running[name].cell = event.get("cell", running[name].cell)
        for name, child in running.items():
            error = type(stopped)(f"{_position(child)}: {stopped}")
            outcomes.setdefault(name, Outcome("failed", error, seconds=time.monotonic() - child.began))
        for job in waiting:
            outcomes.setdefault(job.name, Outcome("not_run", type(stopped)(f"{job.name}: not started when {stopped}")))
    return outcomes


def start_server(
    notebooks: Sequence[Path], root: Path, max_parallel: int
) -> contextlib.AbstractContextManager[ForkServer | None]:
    """Start to import what notebooks import; the context has None where processes cannot be forked.

    Args:
        notebooks: their files.
        root: as in `execute_notebooks`.
        max_parallel: as in `execute_notebooks`.
    """
    if not ForkServer.is_possible():
        return contextlib.nullcontext()
    return ForkServer(imports_of(notebooks), _environment(root, max_parallel), root)


def _next_event(
    events: "queue.Queue[tuple[str, dict[str, Any] | None]]", deadline: float | None
) -> tuple[str, dict[str, Any] | None]:
    """Return the next event as (name, event). The event is None if the child has ended; the name is empty after 1 s."""
    timeout = 1.0 if deadline is None else max(0.0, min(1.0, deadline - time.monotonic()))
    try:
        return events.get(timeout=timeout)
    except queue.Empty:
        return "", None


def _environment(root: Path, max_parallel: int) -> dict[str, str]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = str(max(1, cores // max_parallel))
    environment = {
        **os.environ,
        "SMSROI_PROJECT": str(root),
        "SMSROI_THREADS": threads,
        "SMSROI_MEMORY_MB": str(int(_memory_bytes() * 0.6 / max_parallel / 2**20)),
        "OMP_NUM_THREADS": threads,
        "PYTHONHASHSEED": "0",
        "PYTHONUTF8": "1",
        "JUPYTER_PREFER_ENV_PATH": "1",
    }
    package_root = Path(__file__).resolve().parents[2]
    if package_root not in (Path(sysconfig.get_path(kind)).resolve() for kind in ("purelib", "platlib")):
        # A checkout: kernels start in the project, which may be another folder than that of this package.
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(package_root), environment.get("PYTHONPATH"))))
    return environment


def _memory_bytes() -> int:
    """Return the memory this process may use, in bytes: that of the machine, or the limit of the container."""
    total = int(psutil.virtual_memory().total)
    with contextlib.suppress(OSError, ValueError):
        return min(total, int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii")))
    return total


def _start(
    job: Job,
    root: Path,
    logs: Path,
    environment: dict[str, str],
    variables: dict[str, str],
    cell_timeout: int | None,
    events: "queue.Queue[tuple[str, dict[str, Any] | None]]",
    server: ForkServer | None,
) -> _Child:
    private = _private_folder()
    with (logs / f"{job.name}.txt").open("w", encoding="utf-8") as log:
        own = _jupyter_paths(private) | variables
        process = (server and server.fork(own, log)) or _start_interpreter(root, environment | own, log)
    task = {
        "notebook": job.notebook.as_posix(),
        "output": job.output.as_posix(),
        "parameters": job.parameters,
        "cell_timeout": cell_timeout,
        "private": str(private),
    }
    stdin, stdout = process.stdin, process.stdout
    assert stdin is not None
    assert stdout is not None
    with contextlib.suppress(OSError):  # a child that died at once is detected when its output closes
        stdin.write(json.dumps(task) + "\n")
        stdin.flush()

    def listen() -> None:
        with stdout:
            for line in stdout:
                with contextlib.suppress(ValueError):
                    events.put((job.name, json.loads(line)))
        process.wait()
        events.put((job.name, None))

    threading.Thread(target=listen, daemon=True).start()
    now = time.monotonic()
    return _Child(job, process, private, began=now, reported_at=now)


def _start_interpreter(root: Path, environment: dict[str, str], log: IO[str]) -> subprocess.Popen[str]:
    # Run as a file, not as a module: importing the package would cost each notebook two seconds.
    return subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-P", str(Path(child_program.__file__))],
        cwd=root,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        encoding="utf-8",
        # The parent handles signals and stops its children; Ctrl-C of a terminal must not reach them first.
        start_new_session=os.name == "posix",
        creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
    )


def _private_folder() -> Path:
    """Create a folder for sockets, whose paths are limited to about 100 characters."""
    folder = tempfile.gettempdir()
    if os.name == "posix" and len(folder) > 60:
        folder = "/tmp"  # noqa: S108 - mkdtemp below makes a private one in it
    return Path(tempfile.mkdtemp(prefix="smsroi-", dir=folder))


def _jupyter_paths(private: Path) -> dict[str, str]:
    """Return settings so that only our kernel is found and no start-up file of the user runs."""
    kernel = private / "jupyter" / "kernels" / "python3"
    kernel.mkdir(parents=True)
    specification = {
        "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "Python 3",
        "language": "python",
    }
    (kernel / "kernel.json").write_text(json.dumps(specification), encoding="utf-8")
    return {
        "JUPYTER_PATH": str(private / "jupyter"),
        "JUPYTER_DATA_DIR": str(private / "data"),
        "JUPYTER_CONFIG_DIR": str(private / "config"),
        "JUPYTER_RUNTIME_DIR": str(private / "runtime"),
        "JUPYTER_NO_CONFIG": "1",
        "IPYTHONDIR": str(private / "ipython"),
    }


def _handle_event(child: _Child, event: dict[str, Any], progress: Progress) -> None:
    if event.get("event") == "cell":
        child.cell, child.cells = event["cell"], event["cells"]
        _report_progress(child, progress)
    else:
        child.final_event = event


def _report_progress(child: _Child, progress: Progress) -> None:
    child.reported_at = time.monotonic()
    progress.advanced(child.job.name, child.cell, child.cells, child.reported_at - child.began)


def _position(child: _Child) -> str:
    return f"{child.job.name}, cell {child.cell}" if child.cell else child.job.name


def _outcome_of(child: _Child, root: Path) -> Outcome:
    """Return the outcome of a child that has ended."""
    _terminate([child])
    message = child.final_event.get("message", "")
    error: SmsroiError | None = None
    match child.final_event.get("ended"):
        case "well":
            if problem := why_incomplete(root / child.job.output, child.job.stage):
                error = Incomplete(f"{child.job.name}{problem}")
        case None:
            error = KernelDied(f"{_position(child)}: the process executing the notebook was killed")
        case "kernel died":
            error = KernelDied(f"{_position(child)}: the kernel died, possibly for lack of memory")
        case "cell timeout":
            error = TimeLimit(f"{_position(child)}: the cell exceeded its time limit (--cell-timeout)")
        case "storage":
            error = StorageError(f"{_position(child)}: {message}")
        case "notenoughdata":
            (root / child.job.output).unlink(missing_ok=True)
            return Outcome("skipped", reason=message, seconds=time.monotonic() - child.began)
        case "data":
            error = DataError(f"{_position(child)}: {message}")
        case "exit":
            error = Incomplete(f"{_position(child)}: ended by {message}; the rest never ran")
        case _:
            error = NotebookError(f"{_position(child)}: {message}")
    seconds = time.monotonic() - child.began
    peak_memory_mb = child.final_event.get("peak_memory_mb")
    return Outcome("failed" if error else "ok", error, seconds=seconds, peak_memory_mb=peak_memory_mb)


def why_incomplete(notebook: Path, stage: str) -> str:
    """Return why an executed notebook is incomplete, as the end of a sentence; empty if it is complete."""
    try:
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    except (OSError, ValueError, KeyError):
        return ": the executed notebook cannot be read back"
    code = [cell for cell in cells if is_executed(cell)]
    for number, cell in enumerate(code, 1):
        for output in cell["outputs"]:
            if output["output_type"] == "error":
                return f", cell {number}: ended by {output['ename']}; the rest never ran"
        if not cell.get("execution_count"):
            return f", cell {number}: it never ran"
    marks = [output["data"].get(FINISHED) for output in code[-1]["outputs"] if "data" in output] if code else []
    if {"stage": stage} not in marks:
        return ": its last code cell did not say that it finished (run.finish())"
    return ""


def _terminate(children: Sequence[_Child]) -> None:
    """Stop the children with all their processes, gently first, and delete their private folders."""
    processes = [process for child in children for process in process_tree(child.process.pid)]
    for child in children:
        with contextlib.suppress(OSError):
            assert child.process.stdin is not None
            child.process.stdin.close()
    _, alive = psutil.wait_procs(processes, timeout=_TERMINATION_SECONDS)
    for process in alive:
        with contextlib.suppress(psutil.Error):
            process.kill()
    for child in children:
        child.process.wait()
        shutil.rmtree(child.private, ignore_errors=True)


def process_tree(pid: int) -> list[psutil.Process]:
    """Return a process and its descendants; empty if it has ended."""
    try:
        parent = psutil.Process(pid)
        return [*parent.children(recursive=True), parent]
    except psutil.NoSuchProcess:
        return []
