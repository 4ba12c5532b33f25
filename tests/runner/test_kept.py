"""What a run has read and counted serves the next run of its report, if all that it depends on is the same."""

import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from smsroi_helpers.errors import SmsroiError
from smsroi_helpers.runner import kept
from smsroi_helpers.runner.options import RunOptions
from smsroi_helpers.runner.run import run_report
from tests.faults.runs import MISBEHAVE, Quiet, latest_manifest, one_server
from tests.faults.tiny import make_project

COUNT = """from pathlib import Path
from smsroi_helpers import notebook
run = notebook.begin("quality", data=data, run_dir=run_dir, as_of=as_of)
orders = run.shop.orders
spend = orders.group_by("customer_id").aggregate(spend=orders.amount.sum()).order_by("customer_id")
(Path(run_dir) / "tables").mkdir()
run.shop.count(spend).to_csv(Path(run_dir) / "tables" / "spend.csv", index=False)"""
SPEND = "customer_id,spend\na,30.75\nb,7.75\n"


def run(file: Path, *overrides: str, force: bool = False) -> None:
    run_report(file, RunOptions(overrides=overrides, force=force), Quiet())


def written(root: Path) -> dict[str, int]:
    """When each kept file was written."""
    folder = root / "reports" / "tiny" / ".kept"
    files = (file for file in folder.rglob("*") if file.suffix in (".parquet", ".txt"))
    return {file.relative_to(folder).as_posix(): file.stat().st_mtime_ns for file in files}


def spend(root: Path) -> str:
    """What the latest run counted."""
    table = root / "reports" / "tiny" / latest_manifest(root)["run"] / "tables" / "spend.csv"
    return table.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    """A project whose notebook counts spend by customer, with a published report; and a copy of it."""
    root = tmp_path_factory.mktemp("project").resolve()
    file = make_project(root, {"00_alpha": [COUNT, MISBEHAVE]})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SMSROI_PROJECT", str(root))
        with one_server(root):
            run(file)
            yield root, shutil.copytree(root, tmp_path_factory.mktemp("copy") / "project")


@pytest.fixture
def project(made: tuple[Path, Path]) -> tuple[Path, Path]:
    """That project as it was made: its root, its parameter file. What is kept is of its place, so it stays there."""
    root, copy = made
    for each in root.iterdir():
        shutil.rmtree(each) if each.is_dir() else each.unlink()
    shutil.copytree(copy, root, dirs_exist_ok=True)
    return root, root / "notebooks" / "parameters" / "tiny.yaml"


@pytest.mark.slow
def test_other_parameters_read_and_count_nothing_again_unless_forced(project: tuple[Path, Path]) -> None:
    root, file = project
    first = written(root)
    assert {Path(name).parts[0] for name in first} == {".loaded", ".cache"}
    run(file, "margin=0.5")
    assert written(root) == first
    assert spend(root) == SPEND
    run(file, "margin=0.5", force=True)
    again = written(root)
    assert set(again) == set(first)
    assert all(again[name] > first[name] for name in first)
    assert spend(root) == SPEND


@pytest.mark.slow
def test_a_failed_run_leaves_its_counts_to_the_next(project: tuple[Path, Path]) -> None:
    root, file = project
    first = written(root)
    with pytest.raises(SmsroiError, match="no such thing"):
        run(file, "model=raises")
    assert written(root) == first
    run(file, "margin=0.5")
    assert written(root) == first
    assert spend(root) == SPEND


@pytest.mark.slow
def test_a_changed_source_is_read_and_counted_anew(project: tuple[Path, Path]) -> None:
    root, file = project
    first = written(root)
    with (root / "data" / "tiny" / "orders.csv").open("a", encoding="utf-8") as orders:
        orders.write("4,b,2024-03-04 13:00:00,1.5\n")
    run(file)
    assert spend(root) == SPEND.replace("7.75", "9.25")
    assert all(then > first.get(name, 0) for name, then in written(root).items())


@pytest.mark.slow
def test_what_was_counted_while_the_source_changed_is_not_kept(project: tuple[Path, Path]) -> None:
    root, file = project
    with pytest.raises(SmsroiError, match="changed while"):
        run(file, "model=meddles")
    assert not written(root)
    run(file)
    assert spend(root) == SPEND.replace("7.75", "9.25")


@pytest.mark.slow
def test_only_the_owner_can_read_it(project: tuple[Path, Path]) -> None:
    root, _file = project
    assert stat.S_IMODE((root / "reports" / "tiny" / ".kept").stat().st_mode) == 0o700


# --- the folder alone ------------------------------------------------------------------------------------------------


def staged(report: Path, name: str) -> Path:
    """A run that has read a table and counted a result."""
    staging = report / name
    for folder, file in ((".loaded", "orders.parquet"), (".cache", "a.parquet"), (".cache", "a.lock")):
        (staging / folder).mkdir(parents=True, exist_ok=True)
        (staging / folder / file).write_bytes(file.encode())
    return staging


def test_tables_and_results_are_kept_and_locks_and_temporary_files_are_not(tmp_path: Path) -> None:
    staging = staged(tmp_path, "one")
    (staging / ".cache" / "spill").mkdir()
    (staging / ".cache" / "b.new").write_bytes(b"unfinished")
    kept.put_back(tmp_path, staging, "basis")
    then = tmp_path / "two"
    then.mkdir()
    assert kept.take(tmp_path, then, "basis")
    files = {file.relative_to(then).as_posix() for file in then.rglob("*") if file.is_file()}
    assert files == {".loaded/orders.parquet", ".cache/a.parquet"}
    assert not (tmp_path / ".kept").exists()


def changed_byte(folder: Path) -> None:
    (folder / ".cache" / "a.parquet").write_bytes(b"b.parquet")


def lost(folder: Path) -> None:
    (folder / ".loaded" / "orders.parquet").unlink()


def added(folder: Path) -> None:
    (folder / ".cache" / "c.parquet").write_bytes(b"c.parquet")


def torn_note(folder: Path) -> None:
    note = folder / "kept.json"
    note.write_text(note.read_text(encoding="utf-8")[:20], encoding="utf-8")


def no_note(folder: Path) -> None:
    (folder / "kept.json").unlink()


@pytest.mark.parametrize("damage", [changed_byte, lost, added, torn_note, no_note])
def test_a_changed_file_makes_everything_be_counted_anew(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    kept.put_back(tmp_path, staged(tmp_path, "one"), "basis")
    damage(tmp_path / ".kept")
    then = tmp_path / "two"
    then.mkdir()
    assert not kept.take(tmp_path, then, "basis")
    assert not list(then.iterdir())
    assert not (tmp_path / ".kept").exists()


def test_another_basis_makes_everything_be_counted_anew(tmp_path: Path) -> None:
    kept.put_back(tmp_path, staged(tmp_path, "one"), "basis")
    then = tmp_path / "two"
    then.mkdir()
    assert not kept.take(tmp_path, then, "other")
    assert not list(then.iterdir())
    assert not (tmp_path / ".kept").exists()


def test_the_basis_is_of_the_source_the_key_the_share_and_the_libraries() -> None:
    given = {"inputs": {"orders.csv": "1"}, "key_id": "", "max_rejected_share": 0.01, "versions": {"duckdb": "1"}}
    others = {"inputs": {"orders.csv": "2"}, "key_id": "k", "max_rejected_share": 0.1, "versions": {"duckdb": "2"}}
    assert kept.basis_of(**given) == kept.basis_of(**given)
    for name, other in others.items():
        assert kept.basis_of(**{**given, name: other}) != kept.basis_of(**given)


def test_more_than_the_limit_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "MOST_BYTES", 10)
    kept.put_back(tmp_path, staged(tmp_path, "one"), "basis")
    assert not (tmp_path / ".kept").exists()


def test_a_run_that_read_nothing_keeps_nothing(tmp_path: Path) -> None:
    staging = tmp_path / "one"
    staging.mkdir()
    kept.put_back(tmp_path, staging, "basis")
    assert not (tmp_path / ".kept").exists()
