"""Notebooks in forked processes: what is imported once, what each process has of its own, and how they end."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO

import nbformat
import psutil
import pytest

from smsroi_helpers.runner.execute import Job, execute_notebooks, start_server
from smsroi_helpers.runner.fork_server import ForkedChild, ForkServer, imports_of
from smsroi_helpers.source.settings import project_root
from tests.faults.tiny import write_notebook
from tests.runner.test_execute import Told, wait_for

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not ForkServer.is_possible(), reason="processes are forked on Linux only"),
]

SEEN = """import json, os, random, sys
from pathlib import Path
import numpy as np
imported_before = "smsroi_helpers.timing" in sys.modules
Path(f"{stage}.json").write_text(json.dumps({
    "imported": imported_before, "numpy": int(np.random.randint(2**62)), "random": random.random(),
    "argv": sys.argv[:1], "path": sys.path, "parent": os.getppid(), "runtime": os.environ["JUPYTER_RUNTIME_DIR"],
}))"""
CHART = "import matplotlib.pyplot as plt\nplt.plot([1, 2]);"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str], list[Path]]:
    """Two notebooks from one server: status by name, and the executed notebooks."""
    root = tmp_path_factory.mktemp("forked")
    files = [root / "notebooks" / f"0{n}_{name}.ipynb" for n, name in enumerate(("alpha", "beta"))]
    jobs = []
    for file in files:
        stage = file.stem[3:]
        write_notebook(file, [f"stage = {stage!r}", "import smsroi_helpers.timing", SEEN, CHART])
        relative = file.relative_to(root)
        jobs.append(Job(file.stem, stage, relative, Path("out") / relative, {"seed": 7}))
    with start_server(files, root, 2) as server:
        outcomes = execute_notebooks(jobs, root=root, logs=root / "logs", progress=Told(), server=server)
    return root, {name: str(one.error or one.status) for name, one in outcomes.items()}, files


def test_each_notebook_is_a_process_of_its_own(run: tuple[Path, dict[str, str], list[Path]]) -> None:
    root, status, _ = run
    assert status == {"00_alpha": "ok", "01_beta": "ok"}
    alpha, beta = (json.loads((root / f"{name}.json").read_text(encoding="utf-8")) for name in ("alpha", "beta"))
    assert alpha["parent"] != beta["parent"]
    assert alpha["runtime"] != beta["runtime"]
    # A fork copies the state of every generator of random numbers.
    assert alpha["numpy"] != beta["numpy"]
    assert alpha["random"] != beta["random"]
    assert alpha["path"] == beta["path"]


def test_a_chart_of_the_analyst_is_in_the_notebook(run: tuple[Path, dict[str, str], list[Path]]) -> None:
    root, _, files = run
    for file in files:
        notebook = nbformat.read(root / "out" / file.relative_to(root), as_version=4)
        outputs = [output for cell in notebook.cells[-2:-1] for output in cell.outputs]
        assert ["image/png" in output.get("data", {}) for output in outputs] == [True]


def test_only_modules_of_this_package_are_imported_before(tmp_path: Path) -> None:
    file = write_notebook(
        tmp_path / "00_alpha.ipynb",
        ["%matplotlib inline", "import os, mine.secrets", "from smsroi_helpers import notebook, timing", "def f(:"],
    )
    assert imports_of([file, tmp_path / "missing.ipynb"]) == [
        "smsroi_helpers", "smsroi_helpers.notebook", "smsroi_helpers.timing",
    ]  # fmt: skip


def test_every_notebook_finds_its_stage_imported() -> None:
    files = sorted((project_root() / "notebooks").glob("*.ipynb"))
    found = imports_of(files)
    assert {f"smsroi_helpers.{file.stem[3:]}" for file in files} <= set(found)


@pytest.fixture
def log(tmp_path: Path) -> IO[str]:
    return (tmp_path / "log.txt").open("w", encoding="utf-8")


def test_a_forked_process_ends_with_its_input_and_the_server_with_its_parent(tmp_path: Path, log: IO[str]) -> None:
    with ForkServer([], dict(os.environ), tmp_path) as server:
        child = server.fork({}, log)
        assert isinstance(child, ForkedChild)
        process = psutil.Process(child.pid)
        wait_for(lambda: len(process.children()) == 1)  # the kernel, which waits for its command
        own = [process.parent(), process, *process.children()]
        child.stdin.close()
        child.wait()
        assert child.stdout.read() == ""
    _, alive = psutil.wait_procs([one for one in own if one is not None], timeout=15)
    assert not alive


def test_the_server_survives_a_child_that_is_killed(tmp_path: Path, log: IO[str]) -> None:
    with ForkServer([], dict(os.environ), tmp_path) as server:
        first = server.fork({}, log)
        assert first is not None
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
        second = server.fork({}, log)
        assert second is not None
        assert psutil.pid_exists(second.pid)
        second.stdin.close()
        second.wait()


def test_a_server_that_died_answers_nothing(tmp_path: Path, log: IO[str], monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = tmp_path / "python"
    nothing.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    nothing.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(nothing))
    with ForkServer([], dict(os.environ), tmp_path) as server:
        assert server.fork({}, log) is None


def test_a_parent_that_is_killed_takes_the_server_with_it(tmp_path: Path) -> None:
    program = (
        "import os, sys, time; from pathlib import Path; from smsroi_helpers.runner.fork_server import ForkServer\n"
        "server = ForkServer([], dict(os.environ), Path('.'))\n"
        "print(server._process.pid, flush=True); time.sleep(60)"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    parent = subprocess.Popen(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, encoding="utf-8"
    )
    assert parent.stdout is not None
    server = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    wait_for(lambda: not server.is_running() or server.status() == psutil.STATUS_ZOMBIE, 20)
