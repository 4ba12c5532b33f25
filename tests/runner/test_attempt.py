"""Whatever happens to a run, the last good report stays as it was, to the byte."""

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from smsroi_helpers.errors import (
    DataError,
    Incomplete,
    Interrupted,
    KernelDied,
    NotebookError,
    PageError,
    SmsroiError,
    TimeLimit,
    UsageError,
)
from smsroi_helpers.runner import attempt, publish
from smsroi_helpers.runner.execute import Job, Outcome
from smsroi_helpers.runner.options import RunOptions
from smsroi_helpers.runner.run import run_report
from tests.faults.runs import Quiet, latest_manifest
from tests.faults.tiny import ORDERS, PACKAGE_HOME, PARAMETERS, make_project, report_files, write_notebook

pytestmark = pytest.mark.slow


def test_the_manifest_says_all_it_takes_to_run_again(good: tuple[Path, Path]) -> None:
    root, _ = good
    manifest = latest_manifest(root)
    assert list(manifest) == [
        *("schema", "report", "run", "status", "reason", "exit_code", "started", "finished", "language", "seed"),
        *("as_of", "parameters", "parameter_file", "overrides", "source", "inputs", "notebooks", "outputs", "code"),
        *("versions", "fingerprint", "alerts"),
    ]
    assert (manifest["schema"], manifest["status"], manifest["exit_code"]) == (1, "ok", 0)
    assert (manifest["report"], manifest["parameter_file"]) == ("tiny", "notebooks/parameters/tiny.yaml")
    assert manifest["as_of"] == "2024-03-04"
    assert manifest["parameters"]["01_beta"]["as_of"] == "2024-03-04"
    assert "run_dir" not in manifest["parameters"]["01_beta"]
    assert manifest["source"]["tables"]["orders"] == {
        "rows_in": 3,
        "rows_kept_apart": 0,
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


def test_a_key_that_nothing_uses_is_no_reason_to_run_again(
    good: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`good` has no pseudonyms and no rejected row."""
    root, file = good
    only = RunOptions(only=[e["stage"] for e in latest_manifest(root)["notebooks"].values() if e["status"] == "ok"])
    assert latest_manifest(root)["source"]["key_id"] == ""
    monkeypatch.setenv("SMSROI_KEY", "k" * 40)
    assert run_report(file, only, Quiet()).unchanged


@pytest.mark.parametrize(
    ("key_id", "rows_out", "uses"), [("", 10, False), ("", 9, True), ("0badc0de", 10, True), ("0badc0de", 9, True)]
)
def test_the_key_counts_where_ids_or_rejected_rows_became_pseudonyms(key_id: str, rows_out: int, uses: bool) -> None:
    tables = {"orders": {"rows_in": 12, "rows_out": rows_out, "rows_kept_apart": 2}}
    assert attempt._uses_key({"key_id": key_id, "tables": tables}) is uses


def test_the_longest_notebook_starts_first_by_the_latest_run_or_what_is_usual() -> None:
    jobs = [Job(stage, stage, Path(stage), Path(stage), {}) for stage in ("quality", "own", "cltv", "send_plan")]
    assert [job.name for job in attempt._longest_first(jobs, None)] == ["send_plan", "cltv", "quality", "own"]
    latest = {"manifest": {"notebooks": {"own": {"seconds": 60.0}, "quality": {"seconds": 20.0}}}}
    assert [job.name for job in attempt._longest_first(jobs, latest)] == ["own", "send_plan", "quality", "cltv"]


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
        ("sleeps", {"cell_timeout_seconds": 2}, TimeLimit, "00_alpha, cell 3: the cell exceeded its time limit"),
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


def test_several_failures_are_reported_together_with_the_most_severe_code(
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


def test_what_several_notebooks_say_alike_is_said_once(
    good: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from smsroi_helpers.runner import execute

    said = "UsageError: no such channel: 'fax'"
    outcomes = {
        "00_alpha": Outcome("failed", NotebookError(f"00_alpha, cell 3: {said}")),
        "01_beta": Outcome("failed", NotebookError(f"01_beta, cell 2: {said}")),
    }
    monkeypatch.setattr(execute, "execute_notebooks", lambda jobs, **options: outcomes)
    with pytest.raises(NotebookError) as failed:
        run_report(good[1], RunOptions(force=True), Quiet())
    assert str(failed.value).startswith(f"00_alpha, cell 3, 01_beta, cell 2: {said} ")


def test_groups_that_the_source_lacks_are_refused_before_any_notebook(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from smsroi_helpers.runner import execute

    monkeypatch.setenv("SMSROI_PROJECT", str(tmp_path.resolve()))
    file = make_project(tmp_path.resolve(), {"00_alpha": ["1"]})
    for name in ("01_beta", "02_gamma"):
        notebook = tmp_path / "notebooks" / f"{name}.ipynb"
        write_notebook(notebook, ["1"], parameters=f'{PARAMETERS}segment_by = "region"\n')
    executed: list[str] = []

    def execute_none(jobs: Any, **options: Any) -> dict[str, Outcome]:
        executed.extend(job.name for job in jobs)
        return {job.name: Outcome("failed", PageError("far enough")) for job in jobs}

    monkeypatch.setattr(execute, "execute_notebooks", execute_none)
    with pytest.raises(UsageError, match="^segment_by: 'region' names no groups here; use one of rfm_group, "):
        run_report(file, RunOptions(), Quiet())
    assert executed == []
    (tmp_path / "data" / "tiny" / "customers.csv").write_text("customer_id,region\na,NO\nb,SO\n", encoding="utf-8")
    with pytest.raises(PageError):
        run_report(file, RunOptions(), Quiet())
    assert executed == ["00_alpha", "01_beta", "02_gamma"]


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
    with pytest.raises(UsageError, match=r"data/made was created with other settings .*\(make: customers, seed\)"):
        ask(130, 2)
