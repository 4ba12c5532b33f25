"""The process that executes one notebook, with papermill and a kernel.

`execute` starts it as a program. It reads its task from the first line of standard input, and reports each cell and the
outcome as lines of JSON. When standard input closes, it ends itself and all its processes: nothing outlives the parent.

With arguments, the program is the server of `fork_server`: it imports modules, then forks such processes on demand.
"""

import contextlib
import gc
import importlib
import itertools
import json
import os
import re
import select
import shutil
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

import psutil

from smsroi_helpers.errors import redact

__all__ = [
    "is_executed",
    "main",
    "serve",
]

# nbformat imports jsonschema, which takes 1.2 s to build a grammar of international URLs if this package is installed.
# Notebooks have no such URLs, and jsonschema works without it.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
# A kernel imports the debugger if there is one; nobody debugs a notebook of a run.
sys.modules.setdefault("debugpy", None)  # type: ignore[arg-type]

_SAVE_SECONDS = 30.0


def is_executed(cell: dict[str, Any]) -> bool:
    """Whether a cell is executed: a code cell that is not empty."""
    return cell["cell_type"] == "code" and bool("".join(cell["source"]).strip())


def main(*, forked: bool = False) -> None:
    """Execute the notebook described by the first line of standard input; exit when standard input closes.

    Args:
        forked: whether this process was forked by the server; then so is its kernel, with all that is imported.
    """
    # Output of the kernel or the engine goes to the log: standard output is only for messages to the parent.
    to_parent = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    if forked:
        # Before there are threads and an event loop, which do not survive a fork.
        _use_forked_kernel(_fork_kernel(to_parent))
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
    from papermill.engines import NBClientEngine, NotebookExecutionManager, papermill_engines
    from traitlets.config import Config

    class EngineThatSavesSeldom(NBClientEngine):  # type: ignore[misc]
        """papermill writes the file, pictures and all, before and after each cell: a tenth of a notebook's time."""

        @classmethod
        def execute_managed_notebook(cls, nb_man: NotebookExecutionManager, *given: Any, **named: Any) -> None:
            save, latest = nb_man.save, time.monotonic()

            def save_seldom(**asked: Any) -> None:
                nonlocal latest
                if time.monotonic() - latest >= _SAVE_SECONDS:
                    save(**asked)
                    latest = time.monotonic()

            nb_man.save = save_seldom
            try:
                super().execute_managed_notebook(nb_man, *given, **named)
            finally:
                nb_man.save = save  # for papermill's last one

    papermill_engines.register("seldom", EngineThatSavesSeldom)
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
            engine_name="seldom",
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


# --- forked processes ------------------------------------------------------------------------------------------------


def serve(connection: socket.socket, modules: Sequence[str]) -> None:
    """Import modules, then fork a process for each message until the connection closes.

    A message has the environment of the process as JSON, and as file descriptors its standard input, output and error.
    The answer is its pid.
    """
    # A kernel would set it before anything is imported.
    os.environ.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    for module in ["papermill", "ipykernel.kernelapp", *modules]:
        # What cannot be imported fails in the notebook that needs it, where the error is shown.
        with contextlib.suppress(Exception):
            importlib.import_module(module)
    gc.freeze()  # memory that is not written stays shared
    woken, waker = socket.socketpair()
    waker.setblocking(False)
    signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    while True:
        ready, _, _ = select.select([connection, woken], [], [])
        if woken in ready:
            woken.recv(4096)
            _reap()
        if connection in ready:
            message, descriptors, _, _ = socket.recv_fds(connection, 2**16, 3)
            if not message:
                return
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for one in (connection, woken, waker):
                    one.close()
                _become_child(json.loads(message), descriptors)
            for descriptor in descriptors:
                os.close(descriptor)
            connection.send(str(pid).encode())


def _reap() -> None:
    """Collect the children that have ended; their processor time then counts as that of the server."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _become_child(environment: dict[str, str], descriptors: Sequence[int]) -> None:
    """Execute a notebook in this forked process, and exit."""
    try:
        os.setsid()
        for standard, descriptor in enumerate(descriptors):
            os.dup2(descriptor, standard)
            os.close(descriptor)
        os.environ.update(environment)
        main(forked=True)
    except BaseException:
        traceback.print_exc()  # for the log; a forked process must not return to the server's code
    finally:
        os._exit(1)


def _fork_kernel(to_parent: IO[str]) -> tuple[int, int]:
    """Fork the process of the kernel, which waits for its command. Return its pid and the pipe for the command."""
    command_read, command_write = os.pipe()
    pid = os.fork()
    if pid:
        os.close(command_read)
        return pid, command_write
    try:
        os.setsid()
        os.close(command_write)
        os.close(to_parent.fileno())
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        with os.fdopen(command_read, encoding="utf-8") as pipe:
            command = json.loads(pipe.read() or "null")
        if command is not None:
            _become_kernel(command)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)


def _become_kernel(command: dict[str, Any]) -> None:
    """Be the kernel that `python -m ipykernel_launcher` would have been."""
    os.environ.clear()
    os.environ.update(command["env"])
    os.chdir(command["cwd"])
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()  # else all notebooks would draw the same
    from ipykernel import kernelapp

    sys.argv = command["argv"][command["argv"].index("-m") + 1 :]
    kernelapp.launch_new_instance()
    os._exit(0)


def _use_forked_kernel(kernel: tuple[int, int]) -> None:
    """Make Jupyter start its kernel by giving the waiting process its command."""
    from jupyter_client.provisioning import KernelProvisionerFactory, LocalProvisioner

    class ForkedProvisioner(LocalProvisioner):  # type: ignore[misc]
        """Starts the kernel in the process that waits for it."""

        async def launch_kernel(self, cmd: list[str], **settings: Any) -> Any:
            pid, pipe = kernel
            environment = settings["env"] | {"JPY_PARENT_PID": str(os.getpid())}
            folder = str(settings.get("cwd") or Path.cwd())
            with os.fdopen(pipe, "w", encoding="utf-8") as command:
                json.dump({"argv": cmd, "env": environment, "cwd": folder}, command)
            self.process = _ForkedProcess(pid)
            self.pid = self.pgid = pid
            self.cwd = folder
            return self.connection_info

    class Entry:
        """Stands where Jupyter expects the entry point of an installed package."""

        name = value = "forked"

        def load(self) -> type[ForkedProvisioner]:
            return ForkedProvisioner

    KernelProvisionerFactory.provisioners["forked"] = Entry()
    os.environ[KernelProvisionerFactory.default_provisioner_name_env] = "forked"


class _ForkedProcess:
    """A child process by its pid, with what Jupyter uses of `subprocess.Popen`."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        return self._wait(os.WNOHANG)

    def wait(self) -> int | None:
        return self._wait(0)

    def _wait(self, options: int) -> int | None:
        if self.returncode is None:
            ended, status = os.waitpid(self.pid, options)
            if ended:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


if __name__ == "__main__":
    if sys.argv[1:]:
        serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2:])
    else:
        main()
