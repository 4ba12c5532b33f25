"""An unchanged report is found without importing a stage, and only where all that decides it is as it was."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from smsroi_helpers.runner import publish
from smsroi_helpers.runner.answered import recall_answer
from smsroi_helpers.runner.options import RunOptions
from smsroi_helpers.runner.run import run_report
from tests.faults.runs import Quiet
from tests.faults.tiny import command, make_project, snapshot

pytestmark = pytest.mark.slow

FILE = "notebooks/parameters/tiny.yaml"
Change = Callable[[Path], None]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a project with a published report."""
    root = tmp_path_factory.mktemp("project").resolve()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SMSROI_PROJECT", str(root))
        file = make_project(root, {"00_alpha": ["1"]})
        (root / "data" / "tiny" / "source.yml").write_text("currency: EUR\n", encoding="utf-8")
        run_report(file, RunOptions(), Quiet())
    return snapshot(root)


@pytest.fixture
def root(made: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of this project, which is the current folder."""
    for name, content in made.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SMSROI_PROJECT", raising=False)
    return tmp_path.resolve()


def latest_run(root: Path) -> Path:
    """The folder of the latest run."""
    folder = root / "reports" / "tiny"
    found: Path = folder / json.loads((folder / "latest.json").read_text(encoding="utf-8"))["run"]
    return found


def append(name: str) -> Change:
    """Append a line to a file of the project."""

    def change(root: Path) -> None:
        with (root / name).open("a", encoding="utf-8") as file:
            file.write("\n")

    return change


def test_the_run_that_made_the_report_notes_what_decides_it(root: Path) -> None:
    assert recall_answer(FILE) == latest_run(root) / "index.html"
    assert recall_answer(str(root / FILE)) == latest_run(root) / "index.html"


CHANGES: dict[str, Change] = {
    "the parameter file": append(FILE),
    "a notebook": append("notebooks/00_alpha.ipynb"),
    "another notebook": lambda root: (root / "notebooks" / "01_beta.ipynb").write_text("{}"),
    "a notebook in place of another": lambda root: append_new(root / "notebooks" / "instead" / "00_alpha.ipynb"),
    "the lock of libraries": lambda root: (root / "requirements.lock").write_text("numpy==1"),
    "a row": append("data/tiny/orders.csv"),
    "a setting": append("data/tiny/source.yml"),
    "another table": lambda root: (root / "data" / "tiny" / "messages.csv").write_text("message_id"),
    "an empty folder of a table": lambda root: (root / "data" / "tiny" / "messages").mkdir(),
    "a table less": lambda root: (root / "data" / "tiny" / "orders.csv").unlink(),
    "a page": lambda root: append_new(latest_run(root) / "index.html"),
    "the manifest": lambda root: append_new(latest_run(root) / "manifest.json"),
    "the pointer": append("reports/tiny/latest.json"),
    "the page that leads to the latest run": append("reports/tiny/latest.html"),
    "the remains of a killed run": lambda root: (root / "reports" / "tiny" / ".staging-1").mkdir(),
    "no project": lambda root: (root / "pyproject.toml").unlink(),
    "a note that cannot be read": lambda root: (root / "reports" / "tiny" / ".answered.json").write_text("[]"),
}


def append_new(file: Path) -> None:
    """Append a blank to a file, which may be new."""
    file.parent.mkdir(exist_ok=True)
    with file.open("a", encoding="utf-8") as stream:
        stream.write(" ")


@pytest.mark.parametrize("what", CHANGES)
def test_whatever_has_changed_is_left_to_the_run(root: Path, what: str) -> None:
    assert recall_answer(FILE) is not None
    CHANGES[what](root)
    assert recall_answer(FILE) is None


def test_other_code_and_other_libraries_are_left_to_the_run(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(publish, "versions", lambda: {"numpy": "1"})
        assert recall_answer(FILE) is None
    known = publish.sha256
    module = Path(publish.__file__)
    monkeypatch.setattr(publish, "sha256", lambda file: "other" if file == module else known(file))
    assert recall_answer(FILE) is None


@pytest.mark.parametrize("variable", ["SMSROI_KEY", "SMSROI_KEY_FILE", "SMSROI_PROJECT"])
def test_another_environment_is_left_to_the_run(root: Path, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    assert recall_answer(FILE) is not None
    monkeypatch.setenv(variable, str(root.parent))
    assert recall_answer(FILE) is None


def test_a_report_in_progress_is_left_to_the_run(root: Path) -> None:
    with publish.lock_report(root, "tiny"):
        assert recall_answer(FILE) is None


@pytest.mark.parametrize(
    ("settings", "noted"),
    [("currency: EUR\n", True), ("title: ${NAME}\n", False), ("files:\n  outside: ../outside.csv\n", False)],
    ids=["files of the folder", "a variable of the environment", "a file elsewhere"],
)
def test_a_source_whose_folder_does_not_tell_all_is_not_noted(
    root: Path, monkeypatch: pytest.MonkeyPatch, settings: str, noted: bool
) -> None:
    monkeypatch.setenv("NAME", "Shop")
    source = root / "data" / "tiny"
    (source / "source.yml").write_text(settings, encoding="utf-8")
    (source.parent / "outside.csv").write_bytes((source / "orders.csv").read_bytes())
    if "files" in settings:
        (source / "orders.csv").unlink()
        (source / "orders.sql").write_text("SELECT * FROM outside", encoding="utf-8")
    run_report(root / FILE, RunOptions(), Quiet())
    assert (recall_answer(FILE) is not None) is noted


def test_a_run_with_options_is_not_noted_and_one_without_notes_what_it_finds_unchanged(root: Path) -> None:
    (root / "reports" / "tiny" / ".answered.json").unlink()
    assert run_report(root / FILE, RunOptions(only=["alpha"]), Quiet()).unchanged
    assert recall_answer(FILE) is None
    assert run_report(root / FILE, RunOptions(), Quiet()).unchanged
    assert recall_answer(FILE) is not None


def test_the_program_answers_without_importing_the_engine_or_the_figures(root: Path) -> None:
    heavy = ("ibis", "pandas", "matplotlib", "scipy", "typer", "nbformat")
    program = (
        f"import sys; sys.argv = ['smsroi', 'run', {FILE!r}]; from smsroi_helpers.cli import main; main();"
        f" print([name for name in {heavy} if name in sys.modules])"
    )
    _, environment = command(root)
    done = subprocess.run([sys.executable, "-c", program], cwd=root, env=environment, capture_output=True, text=True)
    index = (latest_run(root) / "index.html").relative_to(root)
    assert (done.stdout, done.stderr) == (f"unchanged: {index}\n[]\n", "")
