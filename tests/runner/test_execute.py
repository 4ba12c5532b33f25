"""Notebooks executed under supervision: each way to fail has its own error, and nothing outlives the parent."""

import contextlib
import dataclasses
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

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
from smsroi_helpers.runner.execute import (
    Job,
    Outcome,
    execute_notebooks,
    most_severe,
    start_server,
    why_incomplete,
)
from smsroi_helpers.runner.fork_server import ForkServer
from tests.faults.tiny import command, make_project, write_notebook

pytestmark = pytest.mark.slow


class Told:
    """Progress that keeps what it is told."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []

    def started(self, name: str) -> None:
        self.events.append(("started", name))

    def advanced(self, name: str, cell: int, cells: int, seconds: float) -> None:
        assert seconds >= 0
        self.events.append((f"cell {cell} of {cells}", name))

    def ended(self, name: str, outcome: Outcome) -> None:
        self.events.append((outcome.status, name))


def job(root: Path, name: str, cells: list[str], *, finishes: bool = True) -> Job:
    write_notebook(root / "notebooks" / f"{name}.ipynb", cells, finishes=finishes)
    relative = Path("notebooks", f"{name}.ipynb")
    return Job(name, name[3:], relative, Path("out") / relative, {"seed": 7, "model": "{seed}"})


def execute(root: Path, jobs: list[Job], *, forks: bool = False, **options: Any) -> tuple[dict[str, Outcome], Told]:
    told = Told()
    parallel = options.get("max_parallel", 2)
    files = [root / one.notebook for one in jobs]
    with start_server(files, root, parallel) if forks else contextlib.nullcontext() as server:
        return execute_notebooks(jobs, root=root, logs=root / "logs", progress=told, server=server, **options), told


ENVIRONMENT = """import os, sys, json
from pathlib import Path
Path("seen.json").write_text(json.dumps({
    "python": sys.executable, "cwd": os.getcwd(), "argv": sys.argv, "seed": seed, "model": model,
    **{k: os.environ.get(k) for k in ("SMSROI_PROJECT", "SMSROI_THREADS", "SMSROI_MEMORY_MB", "OMP_NUM_THREADS")},
}))
os.system("echo not a message of ours")
print("customer 13812345678")"""


@pytest.fixture(scope="module", params=[True, False], ids=["forked", "interpreters"])
def outcomes(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> tuple[Path, dict[str, Outcome], Told]:
    """One supervised run of notebooks that each end in another way, in a folder with blanks, braces and Chinese."""
    if request.param and not ForkServer.is_possible():
        pytest.skip("processes are not forked on this system")
    root = tmp_path_factory.mktemp("数据 {seed} x").resolve()
    jobs = [
        job(root, "00_good", [ENVIRONMENT]),
        job(root, "01_raises", ["x = 1", "raise ValueError('bad\\nvalue 13812345678 of ann@example.com')"]),
        job(root, "02_killed", ["import os", "os.kill(os.getpid(), 9)"]),
        job(root, "03_leaves", ["import sys; sys.exit(0)"]),
        job(root, "04_leaves_three", ["import sys; sys.exit(3)"]),
        job(root, "05_slow", ["import time; time.sleep(60)"]),
        job(root, "06_unmarked", ["1"], finishes=False),
        job(root, "07_data", ["from smsroi_helpers.errors import DataError", "raise DataError('orders are empty')"]),
        job(root, "08_other_data", ["class DataError(Exception): pass", "raise DataError('an engine says')"]),
        job(root, "09_full", ["raise OSError(28, 'No space left on device')"]),
    ]
    return root, *execute(root, jobs, forks=request.param, max_parallel=3, cell_timeout=4)


def error_of(outcomes: tuple[Path, dict[str, Outcome], Told], name: str) -> SmsroiError:
    outcome = outcomes[1][name]
    assert outcome.status == "failed"
    assert outcome.error is not None
    assert "\n" not in str(outcome.error)
    return outcome.error


def test_a_good_notebook_runs_in_our_own_environment(outcomes: tuple[Path, dict[str, Outcome], Told]) -> None:
    root, by_name, told = outcomes
    assert by_name["00_good"].status == "ok"
    assert by_name["00_good"].error is None
    seen = json.loads((root / "seen.json").read_text(encoding="utf-8"))
    assert seen["python"] == sys.executable
    assert (seen["cwd"], seen["SMSROI_PROJECT"]) == (str(root), str(root))
    assert (seen["seed"], seen["model"]) == (7, "{seed}")
    assert seen["SMSROI_THREADS"] == seen["OMP_NUM_THREADS"] == str(max(1, len(psutil.Process().cpu_affinity()) // 3))
    assert 0 < int(seen["SMSROI_MEMORY_MB"]) <= 0.2 * psutil.virtual_memory().total / 2**20
    assert [event for event, name in told.events if name == "00_good"] == [
        "started",
        *(f"cell {n} of 4" for n in (1, 2, 3, 4)),
        "ok",
    ]


def test_what_was_executed_lies_where_it_was_to_go(outcomes: tuple[Path, dict[str, Outcome], Told]) -> None:
    root = outcomes[0]
    text = (root / "out" / "notebooks" / "00_good.ipynb").read_text(encoding="utf-8")
    assert json.loads(text)["cells"][2]["metadata"]["tags"] == ["injected-parameters"]
    assert str(root) not in text


@pytest.mark.skipif(sys.platform == "win32", reason="the system does not tell")
def test_peak_memory_is_the_kernels(outcomes: tuple[Path, dict[str, Outcome], Told]) -> None:
    assert 20 < (outcomes[1]["00_good"].peak_memory_mb or 0) < 2000


@pytest.mark.parametrize(
    ("name", "kind", "line"),
    [
        ("01_raises", NotebookError, "01_raises, cell 4: ValueError: bad value [number] of [e-mail]"),
        ("02_killed", KernelDied, "02_killed, cell 4: the kernel died, possibly for lack of memory"),
        ("03_leaves", Incomplete, "03_leaves, cell 3: ended by SystemExit; the rest never ran"),
        ("04_leaves_three", Incomplete, "04_leaves_three, cell 3: ended by sys.exit(3); the rest never ran"),
        ("05_slow", TimeLimit, "05_slow, cell 3: the cell exceeded its time limit (--cell-timeout)"),
        ("06_unmarked", Incomplete, "06_unmarked: its last code cell did not say that it finished (run.finish())"),
        ("07_data", DataError, "07_data, cell 4: orders are empty"),
        ("08_other_data", NotebookError, "08_other_data, cell 4: DataError: an engine says"),
        ("09_full", StorageError, "09_full, cell 3: OSError: [Errno 28] No space left on device"),
    ],
)
def test_each_way_to_fail_has_its_own_error(
    outcomes: tuple[Path, dict[str, Outcome], Told], name: str, kind: type[SmsroiError], line: str
) -> None:
    error = error_of(outcomes, name)
    assert type(error) is kind
    assert str(error) == line


@pytest.mark.parametrize("forks", [True, False])
def test_the_deadline_ends_what_runs_and_what_waits(tmp_path: Path, forks: bool) -> None:
    jobs = [job(tmp_path, f"0{n}_sleeper{n}", ["import time; time.sleep(60)"]) for n in (1, 2)]
    began = time.monotonic()
    outcomes, _ = execute(tmp_path, jobs, forks=forks, max_parallel=1, deadline=began + 4)
    assert time.monotonic() - began < 20
    assert [outcome.status for outcome in outcomes.values()] == ["failed", "not_run"]
    assert all(isinstance(outcome.error, TimeLimit) for outcome in outcomes.values())
    assert "the run was stopped by its deadline" in str(outcomes["01_sleeper1"].error)
    assert_nothing_runs_on(tmp_path)


@pytest.mark.parametrize("forks", [True, False])
def test_the_users_own_kernels_and_start_up_files_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forks: bool
) -> None:
    shadow = tmp_path / "home" / ".local" / "share" / "jupyter" / "kernels" / "python3"
    shadow.mkdir(parents=True)
    (shadow / "kernel.json").write_text(
        json.dumps({"argv": ["/bin/false"], "display_name": "x", "language": "python"}), encoding="utf-8"
    )
    start_up = tmp_path / "home" / ".ipython" / "profile_default" / "startup"
    start_up.mkdir(parents=True)
    (start_up / "00.py").write_text("smuggled = True", encoding="utf-8")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("JUPYTER_PATH", str(shadow.parents[1]))
    monkeypatch.delenv("IPYTHONDIR", raising=False)
    outcomes, _ = execute(tmp_path, [job(tmp_path, "00_alpha", ["assert 'smuggled' not in globals()"])], forks=forks)
    assert outcomes["00_alpha"].error is None


@pytest.mark.parametrize("forks", [True, False])
def test_a_child_that_cannot_start_is_said_to_have_died(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forks: bool
) -> None:
    nothing = tmp_path / "python"
    nothing.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    nothing.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(nothing))
    outcomes, _ = execute(tmp_path, [job(tmp_path, "00_alpha", [])], forks=forks)
    assert isinstance(outcomes["00_alpha"].error, KernelDied)


# --- the parent's end is the end of all ------------------------------------------------------------------------------

SLEEPER = """import os, time
from pathlib import Path
private = os.environ["JUPYTER_RUNTIME_DIR"]
Path("kernel.new").write_text(f"{os.getpid()} {os.getppid()} {private}"); Path("kernel.new").rename("kernel")
time.sleep(120)"""


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def assert_nothing_runs_on(root: Path) -> None:
    left = [p for p in psutil.process_iter(["cwd"]) if p.info["cwd"] == str(root) and p.pid != os.getpid()]
    _, alive = psutil.wait_procs(left, timeout=15)
    assert not alive


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
@pytest.mark.parametrize("signal_sent", [signal.SIGKILL, signal.SIGTERM])
def test_whatever_ends_the_parent_ends_its_children(tmp_path: Path, signal_sent: signal.Signals) -> None:
    file = make_project(tmp_path, {"00_alpha": [SLEEPER], "01_beta": ["1"]})
    line, env = command(tmp_path, "run", str(file), "--jobs", "1")
    parent = subprocess.Popen(line, cwd=tmp_path, env=env, stderr=subprocess.PIPE, encoding="utf-8")
    wait_for((tmp_path / "kernel").exists)
    *pids, runtime = (tmp_path / "kernel").read_text().split()
    kernel, child = (psutil.Process(int(pid)) for pid in pids)
    private = Path(runtime).parent
    assert (private / "kernel.json").is_file()
    parent.send_signal(signal_sent)
    _, stderr = parent.communicate(timeout=60)
    _, alive = psutil.wait_procs([kernel, child], timeout=15)
    assert not alive
    assert not private.exists()
    report = tmp_path / "reports" / "tiny"
    if signal_sent == signal.SIGTERM:
        assert parent.returncode == 50
        assert stderr.splitlines()[-1].startswith("smsroi: 00_alpha, cell 3: the run was stopped by SIGTERM")
        (failed,) = report.glob("failed-*")
        manifest = json.loads((failed / "manifest.json").read_text(encoding="utf-8"))
        assert (manifest["status"], manifest["exit_code"]) == ("failed", 50)
        assert [entry["status"] for entry in manifest["notebooks"].values()] == ["failed", "not_run"]
    else:
        (staging,) = report.glob(".staging-*")
        manifest = json.loads((staging / "manifest.json").read_text(encoding="utf-8"))
        assert (manifest["status"], manifest["reason"]) == ("failed", "the run was killed before its end")
        assert staging.stat().st_mode & 0o777 == 0o700
    assert not (report / "latest.json").exists()


# --- judging ---------------------------------------------------------------------------------------------------------


def test_the_gravest_error_gives_the_exit_code() -> None:
    order = [Interrupted, StorageError, KernelDied, TimeLimit, DataError, NotebookError, Incomplete, PageError]
    for graver, lighter in itertools.pairwise(order):
        assert type(most_severe([lighter("x"), graver("x")])) is graver
        assert type(most_severe([graver("x"), lighter("x")])) is graver


def executed(count: int | None = 1, outputs: list[dict[str, object]] | None = None) -> dict[str, object]:
    return {"cell_type": "code", "source": "1", "execution_count": count, "outputs": outputs or []}


def mark(stage: str) -> dict[str, object]:
    data = {"application/vnd.smsroi.finished+json": {"stage": stage}}
    return {"output_type": "display_data", "data": data}


@pytest.mark.parametrize(
    ("cells", "problem"),
    [
        ([executed(), executed(2, [mark("alpha")])], ""),
        ([executed(), executed(2, [mark("alpha")]), {"cell_type": "code", "source": [" \n"], "outputs": []}], ""),
        ([executed(2, [mark("beta")])], "did not say that it finished"),
        ([executed(1, [mark("alpha")]), executed(2)], "did not say that it finished"),
        ([executed(), executed(None), executed(2, [mark("alpha")])], ", cell 2: it never ran"),
        ([executed(1, [{"output_type": "error", "ename": "E"}]), executed(2, [mark("alpha")])], "cell 1: ended by E"),
        ([], "did not say that it finished"),
    ],
)
def test_what_is_incomplete(tmp_path: Path, cells: list[dict[str, object]], problem: str) -> None:
    file = tmp_path / "00_alpha.ipynb"
    file.write_text(json.dumps({"cells": cells}), encoding="utf-8")
    found = why_incomplete(file, "alpha")
    assert problem in found
    assert bool(problem) == bool(found)


def test_a_truncated_notebook_is_not_taken_for_finished(tmp_path: Path) -> None:
    file = tmp_path / "00_alpha.ipynb"
    file.write_text('{"cells": [', encoding="utf-8")
    assert "cannot be read back" in why_incomplete(file, "alpha")


# --- another notebook in its place -----------------------------------------------------------------------------------

TOO_FEW = "from smsroi_helpers.errors import NotEnoughData\nraise NotEnoughData('{reason}')"


def test_where_a_notebook_has_too_few_data_another_runs_in_its_place(tmp_path: Path) -> None:
    """Under the same name and into the same file; if that has too few as well, the reason is the first one's."""
    jobs = []
    for name, second in {"00_sound": [], "01_other": ["1"], "02_neither": [TOO_FEW.format(reason="second")]}.items():
        first = job(tmp_path, name, ["1"] if name == "00_sound" else [TOO_FEW.format(reason=f"first of {name}")])
        write_notebook(tmp_path / "notebooks" / "instead" / f"{name}.ipynb", ["'in its place'", *second])
        jobs.append(dataclasses.replace(first, instead=Path("notebooks", "instead", f"{name}.ipynb")))
    outcomes, told = execute(tmp_path, jobs)
    assert {name: each.status for name, each in outcomes.items()} == {
        "00_sound": "ok", "01_other": "ok", "02_neither": "skipped",
    }  # fmt: skip
    assert {name: each.reason for name, each in outcomes.items()} == {
        "00_sound": "", "01_other": "first of 01_other", "02_neither": "first of 02_neither",
    }  # fmt: skip
    written = {name: (tmp_path / "out" / "notebooks" / f"{name}.ipynb") for name in outcomes}
    assert [name for name, file in written.items() if file.exists()] == ["00_sound", "01_other"]
    assert "in its place" in written["01_other"].read_text(encoding="utf-8")
    assert "in its place" not in written["00_sound"].read_text(encoding="utf-8")
    for name in outcomes:
        assert [event for event, of in told.events if of == name and "cell" not in event] == [
            "started", outcomes[name].status,
        ]  # fmt: skip
