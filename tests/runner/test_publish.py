"""A report appears whole or not at all, and whatever fails leaves the last good one as it was, to the byte."""

import datetime as dt
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from smsroi_helpers.errors import (
    AlreadyRunning,
    Incomplete,
    StorageError,
    UsageError,
)
from smsroi_helpers.runner import publish
from smsroi_helpers.runner.publish import ReportFolder, open_report
from tests.faults.tiny import snapshot, write_notebook


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
    listed = ReportFolder(tmp_path, "tiny").complete_runs()
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
            with pytest.raises(AlreadyRunning, match="another run of the report tiny is in progress"):
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
        folder.write_manifest(killed, manifest)
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
        with pytest.raises(UsageError, match="no run "):
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
