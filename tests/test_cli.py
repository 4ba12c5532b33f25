"""The command line: its output and exit codes."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

import smsroi_helpers
from smsroi_helpers import commands, runner
from smsroi_helpers.errors import Incomplete
from smsroi_helpers.runner import run as runner_run
from smsroi_helpers.runner.options import RunOptions
from tests.faults.tiny import command, make_project, report_files, smsroi

WAITS = """import time
from pathlib import Path
if model == "waits":
    Path("waiting").touch()
    while not Path("go").exists(): time.sleep(0.05)"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in a folder whose name has blanks, braces and Chinese characters."""
    root = tmp_path_factory.mktemp("短信 {seed}").resolve()
    make_project(root, {"00_alpha": [WAITS], "01_beta": ["1"]})
    return root


def invoke(root: Path, *arguments: str, **environment: str) -> tuple[int, str, str]:
    """Run a command inside this process; exit code, standard output, standard error."""
    result = CliRunner().invoke(commands.app, arguments, env={"SMSROI_PROJECT": str(root), **environment})
    return result.exit_code, result.stdout, result.stderr


def test_the_version_is_printed(root: Path) -> None:
    assert invoke(root, "--version") == (0, f"smsroi {smsroi_helpers.__version__}\n", "")


@pytest.mark.slow
def test_run_prints_the_index_and_a_second_run_prints_unchanged(root: Path) -> None:
    file = "notebooks/parameters/tiny.yaml"
    first = smsroi(root, "run", file, LC_ALL="C")
    assert (first.returncode, first.stderr.count("\r")) == (0, 0)
    assert re.fullmatch(r"reports/tiny/\d{8}-\d{6}-[0-9a-f]{6}/index\.html\n", first.stdout)
    assert (root / first.stdout.strip()).is_file()
    assert sorted(line.partition(",")[0] for line in first.stderr.splitlines()) == [
        *("00_alpha: ok", "00_alpha: started", "01_beta: ok", "01_beta: started"),
    ]
    second = smsroi(root, "run", file)
    assert (second.returncode, second.stdout, second.stderr) == (0, f"unchanged: {first.stdout}", "")


@pytest.mark.slow
def test_a_second_start_ends_at_once_with_30(root: Path) -> None:
    line, env = command(root, "run", "notebooks/parameters/tiny.yaml", "-p", "model=waits", "--only", "alpha")
    first = subprocess.Popen(line, cwd=root, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8")
    try:
        end = time.monotonic() + 60
        while not (root / "waiting").exists():
            assert time.monotonic() < end
            time.sleep(0.02)
        before = report_files(root)
        second = smsroi(root, "run", "notebooks/parameters/tiny.yaml")
        assert (second.returncode, second.stdout) == (30, "")
        assert second.stderr == ("smsroi: another run of the report tiny is in progress; wait for it or stop it\n")
        assert report_files(root) == before
        (root / "go").touch()
        stdout, stderr = first.communicate(timeout=60)
    finally:
        first.kill()
    assert (first.returncode, len(stdout.splitlines())) == (0, 1), stderr


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="no signals")
def test_ctrl_c_ends_with_50_and_one_line(root: Path) -> None:
    (root / "go").unlink(missing_ok=True)
    (root / "waiting").unlink(missing_ok=True)
    line, env = command(
        root, "run", "notebooks/parameters/tiny.yaml", "-p", "model=waits", "--only", "alpha", "--force"
    )
    process = subprocess.Popen(
        line, cwd=root, env=env, stderr=subprocess.PIPE, encoding="utf-8",
        # Background jobs of a shell ignore Ctrl-C, and so would their children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    end = time.monotonic() + 60
    while not (root / "waiting").exists():
        assert time.monotonic() < end
        time.sleep(0.02)
    before = report_files(root)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 50
    assert stderr.splitlines()[0] == "00_alpha: started"
    assert stderr.splitlines()[-1].startswith("smsroi: 00_alpha, cell 3: the run was stopped by SIGINT (see reports/")
    assert "Traceback" not in stderr
    assert report_files(root) == before


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("-p", "horizon_week=1"), "-p horizon_week: no notebook has a parameter 'horizon_week'; did you mean"),
        (("-p", "horizon_weeks=many"), "-p horizon_weeks: horizon_weeks must be a valid integer, not 'many'"),
        (("-p", "db_password=hunter2"), "-p db_password: db_password looks like a secret"),
        (("-p", "data=../other"), "-p data: data must not contain '..', not '../other'"),
        (("--only", "alpha,gamma"), "no notebook 'gamma'"),
        (("--only", "gamma", "--only", "alpha"), "no notebook 'gamma'"),
        (("--only", "alpha", "--from", "beta"), "--only and --from cannot be combined"),
        (("--on-failure", "'"), "--on-failure: No closing quotation"),
    ],
)
def test_invalid_arguments_are_refused_before_anything_runs(
    tmp_path: Path, arguments: tuple[str, ...], line: str
) -> None:
    file = make_project(tmp_path, {"00_alpha": ["1"], "01_beta": ["1"]})
    code, stdout, stderr = invoke(tmp_path, "run", str(file), *arguments)
    assert (code, stdout) == (2, "")
    assert stderr.startswith(f"smsroi: {line}")
    assert stderr.count("\n") == 1
    assert "hunter2" not in stderr
    assert not (tmp_path / "reports").exists()


@pytest.mark.parametrize(
    "arguments", [("run",), ("run", "x", "--jobs", "0"), ("run", "x", "--deadline", "-1"), ("no",)]
)
def test_a_wrong_command_line_ends_with_the_usage_code(root: Path, arguments: tuple[str, ...]) -> None:
    assert invoke(root, *arguments)[0] == 2


def test_the_options_reach_the_run(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = []

    def record(file: Path, options: RunOptions, progress: object) -> runner_run.Published:
        given.append((file, options))
        return runner_run.Published(Path.cwd() / "reports" / "x" / "index.html", unchanged=False)

    monkeypatch.setattr(runner, "run_report", record)
    arguments = (
        "run a.yaml --only a,b --from c -p x=1 -p b.y=2 --jobs 3 --force --deadline 1.5 --cell-timeout 9 --no-code"
    )
    code, stdout, _ = invoke(root, *arguments.split(), "--on-failure", "f 1", "--on-success", "s")
    assert (code, stdout) == (0, f"{Path('reports', 'x', 'index.html')}\n")
    expected = RunOptions(
        only=["a", "b"],
        start_from="c",
        overrides=["x=1", "b.y=2"],
        jobs=3,
        force=True,
        deadline_minutes=1.5,
        cell_timeout_seconds=9,
        show_code=False,
        on_failure="f 1",
        on_success="s",
    )
    assert given == [(Path("a.yaml"), expected)]


def test_new_alerts_have_an_exit_code_only_on_request(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def published(*arguments: object) -> runner_run.Published:
        index = Path.cwd() / "reports" / "x" / "index.html"
        return runner_run.Published(index, unchanged=False, new_alerts=len(arguments) - 1)

    monkeypatch.setattr(runner, "run_report", published)
    assert invoke(root, "run", "x")[0] == 0
    code, stdout, stderr = invoke(root, "run", "x", "--fail-on-alert")
    assert (code, stdout) == (60, f"{Path('reports', 'x', 'index.html')}\n")  # it is published all the same
    assert "2 new alerts" in stderr


def test_an_error_prints_one_line_and_a_traceback_only_on_request(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise raised

    monkeypatch.setattr(runner, "run_report", fail)
    raised: BaseException = Incomplete("02_cltv: it never ran")
    assert invoke(root, "run", "x") == (23, "", "smsroi: 02_cltv: it never ran\n")
    raised = PermissionError(13, "Permission denied", "/home/someone/reports")
    assert invoke(root, "run", "x") == (40, "", "smsroi: reports: Permission denied\n")
    raised = ZeroDivisionError("by ann@example.com")
    line = "smsroi: unexpected ZeroDivisionError: by [e-mail] (SMSROI_DEBUG=1 shows where)\n"
    assert invoke(root, "run", "x") == (20, "", line)
    code, _, stderr = invoke(root, "run", "x", SMSROI_DEBUG="1")
    assert code == 20
    assert stderr.startswith("Traceback")
    assert stderr.endswith(line)


def test_example_writes_a_source_once(tmp_path: Path) -> None:
    make_project(tmp_path, {"00_alpha": ["1"]})
    code, stdout, _ = invoke(tmp_path, "example", "cdnow_sample")
    assert code == 0
    assert Path(stdout.strip()) == tmp_path / "data" / "cdnow_sample"
    assert (tmp_path / "data" / "cdnow_sample" / "orders.parquet").is_file()
    code, _, stderr = invoke(tmp_path, "example", "cdnow_sample")
    assert code == 2
    assert "already exists" in stderr
    code, _, stderr = invoke(tmp_path, "example", "../cdnow")
    assert code == 2
    assert stderr.startswith("smsroi: unknown example '../cdnow'; choose one of cdnow")


def published_run(root: Path, name: str = "20240102-030405-abcdef") -> Path:
    """A published run with the files that `verify` and `status` read."""
    from smsroi_helpers.runner.publish import open_report, utc_now

    with open_report(root, "tiny") as folder:
        _, staging = folder.stage()
        (staging / "index.html").write_text("x", encoding="utf-8")
        manifest = {"run": name, "status": "ok", "language": "en", "fingerprint": "f", "finished": utc_now()}
        return folder.publish(staging, manifest)


def test_verify_detects_a_changed_file(tmp_path: Path) -> None:
    run = published_run(tmp_path)
    assert invoke(tmp_path, "verify", "tiny") == (0, f"{run.name}: 1 files are as they were published\n", "")
    (run / "index.html").write_text("y", encoding="utf-8")
    code, stdout, stderr = invoke(tmp_path, "verify", str(run))
    assert (code, stdout) == (23, "")
    assert stderr == f"smsroi: run {run.name} differs from its manifest: 1 changed (index.html)\n"
    assert invoke(tmp_path, "verify", "none")[0] == 2


def test_status_ends_with_1_when_the_last_good_run_is_too_old(tmp_path: Path) -> None:
    run = published_run(tmp_path)
    assert invoke(tmp_path, "status", "tiny", "--max-age", "26h") == (
        0,
        f"tiny: the last good run, {run.name}, is 0.0 h old\n",
        "",
    )
    manifest = run / "manifest.json"
    manifest.write_text(re.sub(r'"finished": "[^"]*"', '"finished": "2024-01-02T03:04:05Z"', manifest.read_text()))
    os.utime(tmp_path / "reports" / "tiny" / "latest.json", (1_704_164_645, 1_704_164_645))
    code, stdout, _ = invoke(tmp_path, "status", "tiny", "--max-age", "8d")
    assert code == 1
    assert stdout.endswith(" h old, older than 8d\n")
    (tmp_path / "reports" / "empty").mkdir()
    assert invoke(tmp_path, "status", "empty") == (1, "empty: no good run yet\n", "")
    for wrong in (("tiny", "--max-age", "soon"), ("../tiny",), ("none",)):
        assert invoke(tmp_path, "status", *wrong)[0] == 2
