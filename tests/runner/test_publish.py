"""A report appears whole or not at all, and whatever fails leaves the last good one as it was, to the byte."""

import datetime as dt
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from smsroi_helpers.errors import (
    AlreadyRunning,
    DataError,
    Incomplete,
    Interrupted,
    KernelDied,
    NotebookError,
    PageError,
    SmsroiError,
    StorageError,
    TimeLimit,
    UsageError,
)
from smsroi_helpers.runner import attempt, hooks, publish
from smsroi_helpers.runner.execute import Outcome
from smsroi_helpers.runner.publish import ReportFolder, open_report
from smsroi_helpers.runner.run import RunOptions, run_report
from tests.faults.tiny import ORDERS, PACKAGE_HOME, make_project, report_files, snapshot, write_notebook

# --- the folder ------------------------------------------------------------------------------------------------------


def build(folder: ReportFolder, text: str) -> tuple[Path, dict[str, Any]]:
    """A run as it stands before it is published."""
    run, staging = folder.stage()
    for name in ("index.html", "00_alpha.html", "tables/decisions/00_alpha.parquet", ".loaded/orders.parquet"):
        (staging / name).parent.mkdir(parents=True, exist_ok=True)
        (staging / name).write_text(text, encoding="utf-8")
    now = publish.utc_now()
    manifest = {"schema": 1, "report": "tiny", "run": run, "status": "ok", "reason": "", "as_of": "2024-03-04"}
    return staging, manifest | {"language": "en", "fingerprint": text, "started": now, "finished": now}


def publish_one(root: Path, text: str) -> Path:
    with open_report(root, "tiny") as folder:
        return folder.publish(*build(folder, text))


def pointed_at(report: Path) -> tuple[str, str]:
    """The runs that latest.json and latest.html name."""
    page = (report / "latest.html").read_text(encoding="utf-8")
    return json.loads((report / "latest.json").read_text(encoding="utf-8"))["run"], page.split("url=")[1].split("/")[0]


def test_a_run_is_published_whole_under_its_name(tmp_path: Path) -> None:
    run = publish_one(tmp_path, "one")
    report = tmp_path / "reports" / "tiny"
    assert snapshot(report).keys() == {
        "latest.html",
        "latest.json",
        *(f"{run.name}/{name}" for name in ("index.html", "00_alpha.html", "manifest.json")),
        f"{run.name}/tables/decisions/00_alpha.parquet",
    }
    assert json.loads((report / "latest.json").read_text()) == {"run": run.name, "fingerprint": "one"}
    assert pointed_at(report) == (run.name, run.name)
    assert "<script" not in (report / "latest.html").read_text()
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["outputs"] == {
        name: publish.sha256(run / name)
        for name in ("00_alpha.html", "index.html", "tables/decisions/00_alpha.parquet")
    }
    assert run.stat().st_mode == report.stat().st_mode
    assert publish.verify_run(run) == 3


def test_runs_sort_by_time_and_are_listed_newest_first(tmp_path: Path) -> None:
    first, second = (publish_one(tmp_path, text) for text in ("one", "two"))
    (tmp_path / "reports" / "tiny" / "failed-20240101-000000-abcdef").mkdir()
    listed = ReportFolder(tmp_path, "tiny").whole_runs()
    assert {entry["run"] for entry in listed} == {first.name, second.name}
    assert [entry["run"] for entry in listed] == sorted((first.name, second.name), reverse=True)
    assert listed[0].keys() == {"run", "started", "as_of", "status"}


class Failing:
    """A function that raises OSError at its nth call, once or from then on."""

    def __init__(self, function: Callable[..., Any], nth: int, *, once: bool) -> None:
        self.function, self.nth, self.once, self.calls = function, nth, once, 0

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        self.calls += 1
        if self.calls == self.nth or (self.calls > self.nth and not self.once):
            raise OSError(28, "No space left on device")
        return self.function(*arguments, **options)


@pytest.mark.parametrize("name", ["replace", "fsync"])
@pytest.mark.parametrize("once", [True, False])
def test_every_failing_step_leaves_latest_old_or_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, once: bool
) -> None:
    failures = 0
    for nth in range(1, 40):
        root = tmp_path / str(nth)
        old = publish_one(root, "old")
        before, report = snapshot(old), root / "reports" / "tiny"
        with open_report(root, "tiny") as folder:
            staging, manifest = build(folder, "new")
            failing = Failing(getattr(os, name), nth, once=once)
            with monkeypatch.context() as patch:
                patch.setattr(os, name, failing)
                refusal = ""
                try:
                    folder.publish(staging, manifest)
                except StorageError as error:
                    refusal = str(error)
                    folder.fail(staging, manifest | {"status": "failed", "reason": refusal})
            assert ("No space left on device" in refusal) == (failing.calls >= nth)
            failures += bool(refusal)
        assert snapshot(old) == before
        for run in pointed_at(report):
            publish.verify_run(report / run)
        if once:
            assert len(set(pointed_at(report))) == 1
        with open_report(root, "tiny"):
            assert len(set(pointed_at(report))) == 1
            assert not list(report.glob(".staging-*"))
        if failing.calls < nth:
            assert json.loads((report / "latest.json").read_text())["fingerprint"] == "new"
            break
    else:
        pytest.fail("the steps never ended")
    assert failures >= 3


def test_a_second_run_is_refused_at_once_however_often_it_is_tried(tmp_path: Path) -> None:
    with open_report(tmp_path, "tiny"):
        for _ in range(20):
            with pytest.raises(AlreadyRunning, match="another run of the report tiny is going on"):
                open_report(tmp_path, "tiny").__enter__()
        with open_report(tmp_path, "other"):
            pass
    assert (tmp_path / "reports" / "tiny" / ".lock").exists()
    with open_report(tmp_path, "tiny"):
        pass


def test_what_a_killed_run_left_is_set_aside_by_the_next(tmp_path: Path) -> None:
    old = publish_one(tmp_path, "old")
    report = tmp_path / "reports" / "tiny"
    with open_report(tmp_path, "tiny") as folder:
        killed, manifest = build(folder, "new")
        folder.note(killed, manifest)
        _, bare = folder.stage()
    (report / "latest.html").write_text("of a run that was killed between the two pointers", encoding="utf-8")
    with open_report(tmp_path, "tiny"):
        pass
    assert not list(report.glob(".staging-*"))
    for name in (killed.name, bare.name):
        failed = report / name.replace(".staging-", "failed-")
        manifest = json.loads((failed / "manifest.json").read_text())
        assert (manifest["status"], manifest["exit_code"]) == ("failed", 50)
        assert not (failed / ".loaded").exists()
    assert pointed_at(report) == (old.name, old.name)


def test_a_folder_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "reports").write_text("", encoding="utf-8")
    with pytest.raises(StorageError, match="the folder reports/tiny cannot be written"):
        open_report(tmp_path, "tiny").__enter__()


@pytest.mark.skipif(os.name != "posix", reason="file permissions are POSIX's")
def test_a_read_only_folder_is_a_storage_error(ordinary_users_folder: Path) -> None:
    publish_one(ordinary_users_folder, "old")
    report = ordinary_users_folder / "reports" / "tiny"
    before = snapshot(report)
    report.chmod(0o500)
    try:
        with pytest.raises(StorageError), open_report(ordinary_users_folder, "tiny") as folder:
            folder.stage()
    finally:
        report.chmod(0o700)
    assert snapshot(report) == before


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda run: (run / "00_alpha.html").write_text("x"), "1 changed (00_alpha.html)"),
        (lambda run: (run / "index.html").unlink(), "1 missing (index.html)"),
        (lambda run: (run / "manifest.json").write_text("{"), "its manifest cannot be read"),
        (lambda run: (run / "manifest.json").write_text('{"status": "failed", "reason": "why"}'), "it failed (why)"),
        (lambda run: (run / "manifest.json").write_text('{"status": "ok"}'), "it has no index.html"),
    ],
)
def test_verify_finds_what_is_not_as_published(tmp_path: Path, spoil: Callable[[Path], Any], complaint: str) -> None:
    run = publish_one(tmp_path, "one")
    spoil(run)
    with pytest.raises(Incomplete) as refusal:
        publish.verify_run(run)
    assert complaint in str(refusal.value)


def test_a_run_is_found_by_path_by_report_and_run_and_by_report(tmp_path: Path) -> None:
    run = publish_one(tmp_path, "one")
    for name in (str(run), f"tiny/{run.name}", "tiny"):
        assert publish.find_run(tmp_path, name).resolve() == run
    for name in ("none", "tiny/none", "../tiny"):
        with pytest.raises(UsageError, match="is no run"):
            publish.find_run(tmp_path, name)


def test_the_age_counts_from_the_end_or_from_when_nothing_had_changed(tmp_path: Path) -> None:
    run = publish_one(tmp_path, "one")
    pointer = tmp_path / "reports" / "tiny" / "latest.json"
    manifest = json.loads((run / "manifest.json").read_text())
    now = dt.datetime.now(dt.UTC)

    def age(finished_hours_ago: float, touched_hours_ago: float) -> float:
        manifest["finished"] = (now - dt.timedelta(hours=finished_hours_ago)).strftime("%Y-%m-%dT%H:%M:%SZ")
        (run / "manifest.json").write_text(json.dumps(manifest))
        at = (now - dt.timedelta(hours=touched_hours_ago)).timestamp()
        os.utime(pointer, (at, at))
        return publish.age_of_last_good_run(tmp_path, "tiny")[1]

    assert age(30, 40) == pytest.approx(30, abs=0.01)
    assert age(30, 2) == pytest.approx(2, abs=0.01)
    assert age(-5, 40) == float("inf")
    pointer.unlink()
    assert publish.age_of_last_good_run(tmp_path, "tiny") == ("", float("inf"))
    with pytest.raises(UsageError, match="no report 'other'"):
        publish.age_of_last_good_run(tmp_path, "other")


def test_identity_follows_notebooks_lock_and_revision(tmp_path: Path) -> None:
    notebook = write_notebook(tmp_path / "notebooks" / "00_alpha.ipynb", ["1"])
    first = publish.code_identity(tmp_path, [notebook])
    assert first == publish.code_identity(tmp_path, [notebook])
    assert (first["revision"], first["lock"]) == ("", "")
    write_notebook(notebook, ["2"])
    (tmp_path / "requirements.lock").write_text("x")
    second = publish.code_identity(tmp_path, [notebook])
    assert second["package"] != first["package"]
    assert second["lock"] == publish.sha256(tmp_path / "requirements.lock")


def test_the_revision_tells_whether_files_differ_from_it(tmp_path: Path) -> None:
    def git(*arguments: str) -> str:
        identity = ("-c", "user.name=a", "-c", "user.email=a@b.c")
        return subprocess.run(
            ["git", "-C", str(tmp_path), *identity, *arguments], check=True, capture_output=True, text=True
        ).stdout.strip()

    notebook = write_notebook(tmp_path / "notebooks" / "00_alpha.ipynb", ["1"])
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "x")
    revision = git("rev-parse", "HEAD")
    assert publish.code_identity(tmp_path.resolve(), [notebook])["revision"] == revision
    write_notebook(notebook, ["2"])
    assert publish.code_identity(tmp_path.resolve(), [notebook])["revision"] == f"{revision}+edited"


# --- runs ------------------------------------------------------------------------------------------------------------

MISBEHAVE = """import os, sys, time
from pathlib import Path
if model == "raises":
    raise ValueError("no such thing")
if model == "killed":
    os.kill(os.getpid(), 9)
if model == "leaves":
    sys.exit(0)
if model == "sleeps":
    time.sleep(60)
if model == "meddles":
    with Path("data/tiny/orders.csv").open("a") as orders: orders.write("4,b,2024-03-04 13:00:00,1.5\\n")"""


class Quiet:
    """Progress nobody is told of."""

    def started(self, name: str) -> None: ...

    def advanced(self, name: str, cell: int, cells: int, seconds: float) -> None: ...

    def ended(self, name: str, outcome: Outcome) -> None: ...


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    """A project (its root, its parameter file) with a published report; what else happens to it must not touch that."""
    root = tmp_path_factory.mktemp("project").resolve()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SMSROI_PROJECT", str(root))
        file = make_project(root, {"00_alpha": [MISBEHAVE], "01_beta": ["horizon_weeks"]})
        run_report(file, RunOptions(), Quiet())
        yield root, file


def latest_manifest(root: Path) -> dict[str, Any]:
    latest = ReportFolder(root, "tiny").latest()
    assert latest is not None
    return dict(latest["manifest"])


pytestmark = pytest.mark.slow


def test_the_manifest_says_all_it_takes_to_run_again(good: tuple[Path, Path]) -> None:
    root, _ = good
    manifest = latest_manifest(root)
    assert list(manifest) == [
        *("schema", "report", "run", "status", "reason", "exit_code", "started", "finished", "language", "seed"),
        *("as_of", "parameters", "parameter_file", "overrides", "source", "inputs", "notebooks", "outputs", "code"),
        *("versions", "fingerprint"),
    ]
    assert (manifest["schema"], manifest["status"], manifest["exit_code"]) == (1, "ok", 0)
    assert (manifest["report"], manifest["parameter_file"]) == ("tiny", "notebooks/parameters/tiny.yaml")
    assert manifest["as_of"] == "2024-03-04"
    assert manifest["parameters"]["01_beta"]["as_of"] == "2024-03-04"
    assert "run_dir" not in manifest["parameters"]["01_beta"]
    assert manifest["source"]["tables"]["orders"] == {
        "rows_in": 3,
        "rows_out": 3,
        "first": "2024-01-02",
        "last": "2024-03-04",
    }
    assert manifest["inputs"] == {"orders.csv": publish.sha256(root / "data" / "tiny" / "orders.csv")}
    assert manifest["notebooks"]["01_beta"].keys() == {"stage", "status", "reason", "seconds", "peak_memory_mb"}
    assert {"index.html", "00_alpha.html", "notebooks/01_beta.ipynb"} <= manifest["outputs"].keys()
    assert manifest["versions"]["python"] == ".".join(map(str, sys.version_info[:3]))


def test_nothing_published_names_the_machine_or_the_staging_folder(good: tuple[Path, Path]) -> None:
    root, _ = good
    for name, content in report_files(root).items():
        assert str(root).encode() not in content, name
        assert str(PACKAGE_HOME).encode() not in content, name
        assert b".staging-" not in content, name


def test_an_unchanged_run_is_not_run_again_unless_forced(good: tuple[Path, Path]) -> None:
    root, file = good
    before = report_files(root)
    again = run_report(file, RunOptions(), Quiet())
    assert again.unchanged
    assert again.index == root / "reports" / "tiny" / latest_manifest(root)["run"] / "index.html"
    assert report_files(root) == before
    forced = run_report(file, RunOptions(force=True, only=["alpha"]), Quiet())
    assert not forced.unchanged
    assert forced.index != again.index
    manifest = latest_manifest(root)
    assert [entry["status"] for entry in manifest["notebooks"].values()] == ["ok", "not_run"]
    assert manifest["parameters"]["00_alpha"]["previous_run"] == again.index.parent.relative_to(root).as_posix()
    assert again.index.read_bytes() == before[f"{again.index.parent.name}/index.html"]
    assert run_report(file, RunOptions(only=["alpha"]), Quiet()).unchanged


def test_a_run_that_is_no_longer_whole_does_not_count_as_unchanged(
    good: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    root, file = good
    attempts = []

    def stop(*arguments: Any, **options: Any) -> None:
        attempts.append(1)
        raise PageError("far enough")

    monkeypatch.setattr("smsroi_helpers.runner.attempt.Attempt.load", stop)
    manifest = latest_manifest(root)
    only = RunOptions(only=[entry["stage"] for entry in manifest["notebooks"].values() if entry["status"] == "ok"])
    assert run_report(file, only, Quiet()).unchanged
    page = root / "reports" / "tiny" / manifest["run"] / "index.html"
    whole = page.read_bytes()
    page.write_bytes(whole + b" ")
    with pytest.raises(PageError):
        run_report(file, only, Quiet())
    page.write_bytes(whole)
    assert attempts == [1]


@pytest.mark.parametrize(
    ("model", "options", "kind", "line"),
    [
        ("raises", {}, NotebookError, "00_alpha, cell 3: ValueError: no such thing (see reports/tiny/failed-"),
        ("killed", {}, KernelDied, "00_alpha, cell 3: the kernel died"),
        ("leaves", {}, Incomplete, "00_alpha, cell 3: ended by SystemExit; the rest never ran"),
        ("sleeps", {"cell_timeout_seconds": 2}, TimeLimit, "00_alpha, cell 3: took longer than one cell may"),
        ("sleeps", {"deadline_minutes": 0.1}, TimeLimit, "the run was stopped by its deadline"),
    ],
)
def test_a_failed_run_leaves_the_last_good_report_untouched(
    good: tuple[Path, Path], model: str, options: dict[str, Any], kind: type[SmsroiError], line: str
) -> None:
    root, file = good
    before, listed = report_files(root), (root / "reports" / "index.html").read_bytes()
    with pytest.raises(kind) as failure:
        run_report(file, RunOptions(overrides=[f"model={model}"], only=["alpha"], **options), Quiet())
    assert type(failure.value) is kind
    assert line in str(failure.value)
    assert "\n" not in str(failure.value)
    assert report_files(root) == before
    assert (root / "reports" / "index.html").read_bytes() == listed
    kept = root / str(failure.value).rpartition("(see ")[2].rstrip(")")
    manifest = json.loads((kept / "manifest.json").read_text())
    assert (manifest["status"], manifest["exit_code"]) == ("failed", kind.exit_code)
    assert manifest["reason"] in str(failure.value)
    assert manifest["notebooks"]["00_alpha"]["status"] == "failed"
    assert manifest["notebooks"]["01_beta"]["status"] == "not_run"
    assert manifest["overrides"] == {"model": model}
    assert not list(kept.rglob("*.html"))
    assert not (kept / ".loaded").exists()


def test_an_input_changed_meanwhile_is_a_data_error(good: tuple[Path, Path]) -> None:
    root, file = good
    before = report_files(root)
    try:
        with pytest.raises(DataError, match="data/tiny changed while the report was being made: orders.csv"):
            run_report(file, RunOptions(overrides=["model=meddles"], only=["alpha"]), Quiet())
    finally:
        (root / "data" / "tiny" / "orders.csv").write_text(ORDERS, encoding="utf-8")
    assert report_files(root) == before


def test_bad_data_and_bad_pages_end_the_run_before_anything_is_published(
    good: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from smsroi_helpers.runner import execute, render

    root, file = good
    before = report_files(root)
    orders = root / "data" / "tiny" / "orders.csv"
    try:
        orders.write_text("order_id,customer_id\n1,a\n", encoding="utf-8")
        with pytest.raises(DataError, match="orders"):
            run_report(file, RunOptions(), Quiet())
    finally:
        orders.write_text(ORDERS, encoding="utf-8")

    done = {name: Outcome("ok") for name in ("00_alpha", "01_beta")}
    monkeypatch.setattr(execute, "execute_notebooks", lambda jobs, **options: done)
    for raised, exit_code in (
        (PageError("index.html: a script"), 24),
        (OSError(28, "No space left on device"), 40),
        (KeyError("13812345678"), 20),
        (Interrupted("the run was stopped by SIGTERM"), 50),
    ):

        def fail(*arguments: Any, error: Exception = raised, **options: Any) -> None:
            raise error

        monkeypatch.setattr(render, "render_run", fail)
        with pytest.raises(SmsroiError) as failure:
            run_report(file, RunOptions(force=True), Quiet())
        assert failure.value.exit_code == exit_code
        assert "13812345678" not in str(failure.value)
        assert "\n" not in str(failure.value)
    assert report_files(root) == before


def test_a_stage_whose_table_is_missing_is_skipped_with_its_reason(
    good: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from smsroi_helpers.runner import execute, render

    _, file = good
    module = ModuleType("smsroi_helpers.beta")
    module.NEEDS = ("orders", "messages", "campaigns")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "smsroi_helpers.beta", module)
    seen = []

    def executed(jobs: list[Any], **options: Any) -> dict[str, Outcome]:
        seen.extend(job.name for job in jobs)
        return {job.name: Outcome("ok") for job in jobs}

    def rendered(run_dir: Path, manifest: dict[str, Any], **options: Any) -> None:
        seen.append(manifest["notebooks"]["01_beta"])
        raise PageError("far enough")

    monkeypatch.setattr(execute, "execute_notebooks", executed)
    monkeypatch.setattr(render, "render_run", rendered)
    with pytest.raises(PageError):
        run_report(file, RunOptions(force=True), Quiet())
    assert seen[0] == "00_alpha"
    assert (seen[1]["status"], seen[1]["seconds"]) == ("skipped", 0.0)
    assert seen[1]["reason"] == "It needs data this source does not have: messages, campaigns."


def test_several_failures_are_told_together_and_the_gravest_gives_the_code(
    good: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from smsroi_helpers.runner import execute

    outcomes = {
        "00_alpha": Outcome("failed", NotebookError("00_alpha, cell 3: E: x")),
        "01_beta": Outcome("failed", KernelDied("01_beta, cell 2: the kernel died")),
    }
    monkeypatch.setattr(execute, "execute_notebooks", lambda jobs, **options: outcomes)
    with pytest.raises(KernelDied, match="^01_beta, cell 2: the kernel died; 00_alpha, cell 3: E: x "):
        run_report(good[1], RunOptions(force=True), Quiet())


def test_a_missing_source_is_made_as_the_file_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMSROI_PROJECT", str(tmp_path.resolve()))
    file = make_project(tmp_path.resolve(), {"00_alpha": ["1"]})
    file.write_text("data: data/made\nmake: {example: cdnow_sample}\n", encoding="utf-8")
    reached = []

    def stop(self: Any, staging: Path, manifest: dict[str, Any]) -> None:
        reached.append(manifest["inputs"])
        raise PageError("far enough")

    monkeypatch.setattr(attempt.Attempt, "load", stop)
    for _ in range(2):
        with pytest.raises(PageError):
            run_report(file, RunOptions(), Quiet())
    assert (tmp_path / "data" / "made" / "orders.parquet").is_file()
    assert reached[0].keys() == {"orders.parquet", "source.yml"}
    assert reached[0] == reached[1]


def test_a_company_made_otherwise_is_not_taken_for_the_one_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMSROI_PROJECT", str(tmp_path.resolve()))
    file = make_project(tmp_path.resolve(), {"00_alpha": ["1"]})

    def stop(self: Any, staging: Path, manifest: dict[str, Any]) -> None:
        raise PageError("far enough")

    monkeypatch.setattr(attempt.Attempt, "load", stop)

    def ask(customers: int, seed: int) -> None:
        make = f"{{simulate: {{customers: {customers}, weeks: 26, seed: {seed}}}}}"
        file.write_text(f"data: data/made\nmake: {make}\n", encoding="utf-8")
        run_report(file, RunOptions(), Quiet())

    for _ in range(2):
        with pytest.raises(PageError):
            ask(120, 1)
    with pytest.raises(UsageError, match=r"data/made was made otherwise than the file asks \(make: customers, seed\)"):
        ask(130, 2)


# --- hooks -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def listener(tmp_path: Path) -> tuple[str, Path]:
    """A command that keeps what it is told, in a folder with a blank, and where it keeps it."""
    folder = tmp_path / "a hook"
    folder.mkdir()
    script = folder / "hook.py"
    script.write_text("import sys, pathlib; pathlib.Path(sys.argv[1]).write_text(sys.stdin.read()); sys.exit(7)")
    return f"'{sys.executable}' '{script}' '{folder / 'told.json'}'", folder / "told.json"


def test_hooks_read_a_summary_and_never_change_the_outcome(
    good: tuple[Path, Path], listener: tuple[str, Path], capfd: pytest.CaptureFixture[str]
) -> None:
    root, file = good
    hook, told = listener
    stages = [entry["stage"] for entry in latest_manifest(root)["notebooks"].values() if entry["status"] == "ok"]
    assert run_report(file, RunOptions(only=stages, on_success=hook, on_failure="false"), Quiet()).unchanged
    summary = json.loads(told.read_text())
    assert (summary["report"], summary["status"], summary["exit_code"]) == ("tiny", "unchanged", 0)
    assert (root / summary["path"]).is_file()
    assert capfd.readouterr().err == "--on-success: it ended with 7; the run itself is not affected\n"

    with pytest.raises(UsageError) as failure:
        run_report(file, RunOptions(overrides=["seeed=1"], on_failure=hook, on_success="false"), Quiet())
    summary = json.loads(told.read_text())
    assert (summary["status"], summary["exit_code"], summary["reason"]) == ("failed", 2, str(failure.value))


def test_a_hook_that_hangs_is_stopped(
    good: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(hooks, "_HOOK_SECONDS", 0.5)
    with pytest.raises(UsageError):
        run_report(good[1], RunOptions(overrides=["seeed=1"], on_failure="sleep 100"), Quiet())
    assert "--on-failure: it took longer than 0.5 s and was stopped" in capfd.readouterr().err


def test_a_hook_that_cannot_be_read_or_found_is_said_so(
    good: tuple[Path, Path], capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageError, match="--on-failure: No closing quotation"):
        run_report(good[1], RunOptions(on_failure="'"), Quiet())
    with pytest.raises(UsageError, match="seeed"):
        run_report(good[1], RunOptions(overrides=["seeed=1"], on_failure="/none/such"), Quiet())
    assert "--on-failure: No such file or directory" in capfd.readouterr().err
