"""A project of tiny notebooks in a temporary folder, on which everything that can go wrong with a run is tried."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import nbformat
from typer.testing import CliRunner

from smsroi_helpers import commands

PACKAGE_HOME = Path(__file__).resolve().parents[2]

PARAMETERS = """data = "data/tiny"      # source folder
run_dir = ""            # where results go
as_of = ""              # last day observed
language = "en"         # of the page
seed = 1                # of every random draw
previous_run = ""       # the run before
horizon_weeks = 12      # how far ahead
margin = 0.3            # kept as profit
model = "bg_nbd"        # which model
code: str | None = None # an opaque id
detailed = False        # more rows
"""

FINISH = """from IPython.display import display
display({{"application/vnd.smsroi.finished+json": {{"stage": "{stage}"}}, "text/plain": "Finished."}}, raw=True)"""

SKELETON = "# What happens?\n\n*For whoever tests.*"

ORDERS = """order_id,customer_id,ordered_at,amount
1,a,2024-01-02 10:00:00,10.5
2,a,2024-02-03 11:00:00,20.25
3,b,2024-03-04 12:00:00,7.75
"""


def write_notebook(file: Path, cells: Sequence[str], *, parameters: str = PARAMETERS, finishes: bool = True) -> Path:
    """A notebook of the given code cells between its parameters and its completion mark."""
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_markdown_cell(SKELETON), nbformat.v4.new_code_cell(parameters)]
    notebook.cells[1].metadata["tags"] = ["parameters"]
    notebook.cells += [nbformat.v4.new_code_cell(cell) for cell in cells]
    if finishes:
        notebook.cells.append(nbformat.v4.new_code_cell(FINISH.format(stage=file.stem[3:])))
    # As JupyterLab leaves it on another machine: the runner must not look for this kernel.
    notebook.metadata["kernelspec"] = {
        "name": "somebodys-kernel",
        "display_name": "Mine",
        "language": "python",
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, file)
    return file


def make_project(root: Path, notebooks: Mapping[str, Iterable[str]]) -> Path:
    """A project with a source `data/tiny`, a parameter file `tiny.yaml`, and one notebook a name."""
    (root / "data" / "tiny").mkdir(parents=True)
    (root / "data" / "tiny" / "orders.csv").write_text(ORDERS, encoding="utf-8")
    (root / "pyproject.toml").write_text("", encoding="utf-8")
    for name, cells in notebooks.items():
        write_notebook(root / "notebooks" / f"{name}.ipynb", list(cells))
    file = root / "notebooks" / "parameters" / "tiny.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("data: data/tiny\n", encoding="utf-8")
    return file


def command(root: Path, *arguments: str, **environment: str) -> tuple[list[str], dict[str, str]]:
    """The command line of `smsroi` in a project, and its environment."""
    home = os.pathsep.join(filter(None, (str(PACKAGE_HOME), os.environ.get("PYTHONPATH"))))
    env = {**os.environ, "SMSROI_PROJECT": str(root), "PYTHONPATH": home, **environment}
    return [sys.executable, "-m", "smsroi_helpers.cli", *arguments], env


def smsroi(root: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run `smsroi` in a project and wait for it."""
    line, env = command(root, *arguments, **environment)
    return subprocess.run(line, cwd=root, env=env, capture_output=True, encoding="utf-8", timeout=600)


def smsroi_here(root: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run `smsroi` in a project, inside this process: a process of its own takes two seconds to start."""
    with contextlib.chdir(root):
        done = CliRunner().invoke(commands.app, arguments, env={"SMSROI_PROJECT": str(root), **environment})
    return subprocess.CompletedProcess(arguments, done.exit_code, done.stdout, done.stderr)


def snapshot(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with its bytes, but for the lock."""
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.name != ".lock"
    }


def report_files(root: Path, report: str = "tiny") -> dict[str, bytes]:
    """What readers of a report can reach: whole runs and the pointers, and nothing of failed ones."""
    folder = root / "reports" / report
    return {
        name: content
        for name, content in snapshot(folder).items()
        if not name.startswith((".staging-", ".kept", "failed-"))
    }
