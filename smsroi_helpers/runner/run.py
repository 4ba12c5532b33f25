"""From a parameter file to a published report: check, lock, load, execute, render, publish."""

# Every notebook's child process imports this package before it can start a kernel: what takes long to import
# (the engine, the renderer, pydantic) is imported where it is used.
import contextlib
import dataclasses
import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from smsroi_helpers import simulation, source
from smsroi_helpers.errors import DataError, Interrupted, SmsroiError, StorageError, UsageError, redact

__all__ = [
    "Published",
    "RunOptions",
    "as_failure",
    "run_report",
]

if TYPE_CHECKING:
    from smsroi_helpers.runner.execute import Progress
    from smsroi_helpers.runner.parameters import RunPlan
    from smsroi_helpers.runner.publish import ReportFolder
    from smsroi_helpers.source import Loaded

_HOOK_SECONDS = 30.0


@dataclass(frozen=True)
class RunOptions:
    """How to run, beside what to run; none of it changes a number."""

    only: Sequence[str] = ()
    start_from: str = ""
    overrides: Sequence[str] = ()
    """`name=value` or `stage.name=value`."""
    jobs: int = 2
    force: bool = False
    """Run even where nothing has changed."""
    deadline_minutes: float | None = None
    cell_timeout_seconds: int | None = None
    show_code: bool = True
    on_failure: str = ""
    """A command, run without a shell, that reads a summary of the run as JSON."""
    on_success: str = ""


@dataclass(frozen=True)
class Published:
    """The report a run ended with."""

    index: Path
    """Its index.html."""
    unchanged: bool
    """It was there already, made from the same inputs, parameters and code."""


def run_report(file: Path, options: RunOptions, progress: "Progress") -> Published:
    """Run a parameter file and publish its report, or leave the last one as it is.

    Raises:
        SmsroiError: what went wrong, in one line; its `exit_code` is the command's.
    """
    on_failure = _hook_command(options.on_failure, "--on-failure")
    on_success = _hook_command(options.on_success, "--on-success")
    summary: dict[str, Any] = {
        "report": "",
        "run": "",
        "status": "failed",
        "exit_code": 0,
        "reason": "",
        "path": "",
    }
    with _Signals() as signals:
        try:
            published = _run(file, options, progress, signals, summary)
        except Exception as error:
            failure = as_failure(error)
            with signals.held():
                outcome = {"exit_code": failure.exit_code, "reason": str(failure)}
                _call_hook(on_failure, "--on-failure", summary | outcome)
            if failure is error:
                raise
            raise failure from error
        with signals.held():
            _call_hook(on_success, "--on-success", summary | {"status": "unchanged" if published.unchanged else "ok"})
    return published


def as_failure(error: BaseException) -> SmsroiError:
    """The error as a reader is told of it: itself, or, for one that nobody foresaw, a line that names it."""
    if isinstance(error, SmsroiError):
        return error
    if isinstance(error, KeyboardInterrupt):
        return Interrupted("stopped by SIGINT")
    if isinstance(error, OSError):
        what = Path(str(error.filename or "the disk")).name
        return StorageError(f"{what}: {error.strerror or type(error).__name__}")
    return SmsroiError(f"unexpected {type(error).__name__}: {error} (SMSROI_DEBUG=1 shows where)")


def _run(
    file: Path, options: RunOptions, progress: "Progress", signals: "_Signals", summary: dict[str, Any]
) -> Published:
    from smsroi_helpers import locale
    from smsroi_helpers.runner import parameters, publish

    began = time.monotonic()
    root = source.project_root()
    plan = parameters.plan_run(
        file, root=root, only=options.only, start_from=options.start_from, overrides=options.overrides
    )
    locale.use_language(plan.run_wide("language", "en"))
    summary["report"] = plan.report
    with publish.open_report(root, plan.report) as folder:
        attempt = _Attempt(root, plan, options, folder)
        attempt.make_source()
        if not options.force and (index := attempt.unchanged_before_loading()):
            summary |= {"run": index.parent.name, "path": index.relative_to(root).as_posix()}
            return Published(index, unchanged=True)
        run, staging = folder.stage()
        summary |= {"run": run}
        manifest = attempt.first_manifest(run)
        try:
            folder.note(staging, manifest)
            loaded = attempt.load(staging, manifest)
            if not options.force and (index := attempt.unchanged(manifest["as_of"])):
                folder.discard(staging)
                summary |= {"run": index.parent.name, "path": index.relative_to(root).as_posix()}
                return Published(index, unchanged=True)
            deadline = None if options.deadline_minutes is None else began + 60 * options.deadline_minutes
            attempt.execute(staging, manifest, loaded, progress, deadline)
            attempt.render(staging, manifest)
            with signals.held():
                index = folder.publish(staging, manifest) / "index.html"
                summary |= {"path": index.relative_to(root).as_posix()}
                attempt.render_list_of_reports()
        except Exception as error:
            with signals.held():
                failure = as_failure(error)
                manifest |= {"status": "failed", "reason": str(failure), "exit_code": failure.exit_code}
                manifest["finished"] = publish.utc_now()
                kept = folder.fail(staging, manifest)
            if kept is None:
                raise
            summary |= {"path": kept.relative_to(root).as_posix()}
            raise type(failure)(f"{failure} (see {summary['path']})") from error
        return Published(index, unchanged=False)


class _Attempt:
    """One run of a plan, step by step; what it learns goes into the manifest."""

    def __init__(self, root: Path, plan: "RunPlan", options: RunOptions, folder: "ReportFolder") -> None:
        from smsroi_helpers.runner import publish

        self._root, self._plan, self._options, self._folder = root, plan, options, folder
        self._data = plan.run_wide("data", "")
        self._latest = folder.latest()
        self._run_notebooks = [notebook for notebook in plan.notebooks if notebook.name in plan.selected]
        self._code = publish.code_identity(root, [notebook.file for notebook in self._run_notebooks])
        self._versions = publish.versions()
        self._inputs: dict[str, str] = {}
        self._key_id = ""

    def make_source(self) -> None:
        """Build the source the parameter file tells how to make, where it is not there yet.

        Raises:
            UsageError: it is there, made otherwise than the file asks for now.
        """
        folder = self._root / self._data
        if (make := self._plan.make) and not folder.exists():
            try:
                if "simulate" in make:
                    simulation.write_company(folder, **make["simulate"])
                else:
                    source.write_example(make["example"], folder)
            except SmsroiError:
                if not folder.exists():  # else the run of another report was quicker
                    raise
        if "simulate" in make:
            self._hold_to_what_is_asked(folder / "truth.json", make["simulate"])
        self._inputs = source.fingerprint_inputs(self._data)
        self._key_id = source.key_id(source.find_key(self._data))

    def _hold_to_what_is_asked(self, truth: Path, asked: Mapping[str, Any]) -> None:
        """Refuse a simulated company that differs from the one the file describes; any other source is left alone."""
        if not truth.is_file():
            return
        made = json.loads(truth.read_text(encoding="utf-8")).get("made", {})
        if other := [name for name in asked if made.get(name) != asked[name]]:
            raise UsageError(
                f"{self._data} was made otherwise than the file asks (make: {', '.join(other)}); take the folder away"
                " to have it made anew, or name another one under data"
            )

    def unchanged_before_loading(self) -> Path | None:
        """The index of the latest run if a new one would come out the same; None also where only reading tells."""
        if as_of := self._plan.run_wide("as_of", ""):
            return self.unchanged(as_of)
        if self._latest is None:
            return None
        # Without a given day, the last day observed is that of the data, unless it lies in the future.
        manifest = self._latest["manifest"]
        tables = manifest.get("source", {}).get("tables", {})
        days = [tables[name]["last"] for name in ("orders", "messages") if name in tables and tables[name]["last"]]
        return self.unchanged(manifest["as_of"]) if days and max(days) == manifest["as_of"] else None

    def unchanged(self, as_of: str) -> Path | None:
        """The index of the latest run, if it was made from the same and is still whole."""
        from smsroi_helpers.errors import Incomplete
        from smsroi_helpers.runner import publish

        if self._latest is None or self._latest["fingerprint"] != self._fingerprint(as_of):
            return None
        folder: Path = self._folder.path / self._latest["run"]
        try:
            publish.verify_run(folder)
        except Incomplete:
            return None
        self._folder.touch()
        return folder / "index.html"

    def first_manifest(self, run: str) -> dict[str, Any]:
        """The manifest of a run that has not come to its end."""
        from smsroi_helpers.runner import publish

        return {
            "schema": 1,
            "report": self._plan.report,
            "run": run,
            "status": "failed",
            "reason": "the run was killed before its end",
            "exit_code": Interrupted.exit_code,
            "started": publish.utc_now(),
            "finished": publish.utc_now(),
            "language": self._plan.run_wide("language", "en"),
            "seed": self._plan.run_wide("seed", 0),
            "as_of": self._plan.run_wide("as_of", ""),
            "parameters": {notebook.name: self._parameters(notebook.name) for notebook in self._run_notebooks},
            "parameter_file": self._plan.parameter_file,
            "overrides": self._plan.overrides,
            "source": {"data": self._data},
            "inputs": self._inputs,
            "notebooks": {notebook.name: _entry(notebook.stage, "not_run", "") for notebook in self._plan.notebooks},
            "outputs": {},
            "code": self._code,
            "versions": self._versions,
            "fingerprint": "",
        }

    def load(self, staging: Path, manifest: dict[str, Any]) -> "Loaded":
        """Read and check the source once, for all notebooks.

        Raises:
            DataError: it is not as the contract says.
        """
        share = self._plan.run_wide("max_rejected_share", 0.01)
        loaded = source.load(self._data, staging / ".loaded", max_rejected_share=share)
        settings = loaded.settings
        tables = {
            name: {
                "rows_in": table.rows_in,
                "rows_out": table.rows_out,
                "first": table.first,
                "last": table.last,
            }
            for name, table in loaded.tables.items()
        }
        manifest["source"] |= {
            "title": loaded.title,
            "simulated": settings.simulated,
            "currency": settings.currency,
            "timezone": settings.timezone,
            "fingerprint": loaded.fingerprint,
            "key_id": loaded.key_id,
            "tables": tables,
            "findings": [dataclasses.asdict(finding) for finding in loaded.findings],
        }
        manifest["as_of"] = source.resolve_as_of(loaded, self._plan.run_wide("as_of", ""))
        for values in manifest["parameters"].values():
            if "as_of" in values:
                values["as_of"] = manifest["as_of"]
        manifest["fingerprint"] = self._fingerprint(manifest["as_of"])
        return loaded

    def execute(
        self,
        staging: Path,
        manifest: dict[str, Any],
        loaded: "Loaded",
        progress: "Progress",
        deadline: float | None,
    ) -> None:
        """Execute every notebook the source has the tables for.

        Raises:
            SmsroiError: notebooks failed, or the source changed meanwhile; the gravest of their errors.
        """
        from smsroi_helpers.runner.execute import Job, execute_notebooks

        run_dir = staging.relative_to(self._root)
        jobs = []
        for notebook in self._run_notebooks:
            if reason := _what_it_lacks(notebook.stage, loaded):
                manifest["notebooks"][notebook.name] = _entry(notebook.stage, "skipped", reason)
                continue
            parameters = manifest["parameters"][notebook.name]
            if "run_dir" in notebook.parameters:
                parameters = parameters | {"run_dir": run_dir.as_posix()}
            output = run_dir / "notebooks" / notebook.file.name
            source_file = notebook.file.relative_to(self._root)
            jobs.append(Job(notebook.name, notebook.stage, source_file, output, parameters))
        outcomes = execute_notebooks(
            jobs,
            root=self._root,
            logs=staging / ".logs",
            progress=progress,
            at_once=self._options.jobs,
            deadline=deadline,
            cell_timeout=self._options.cell_timeout_seconds,
        )
        for job in jobs:
            outcome = outcomes[job.name]
            reason = str(outcome.error or outcome.reason)
            entry = _entry(job.stage, outcome.status, reason, outcome.seconds, outcome.peak_memory_mb)
            manifest["notebooks"][job.name] = entry
        if errors := [outcome.error for outcome in outcomes.values() if outcome.error]:
            raise _together(errors)
        if changed := _differences(self._inputs, source.fingerprint_inputs(self._data)):
            raise DataError(f"{self._data} changed while the report was being made: {changed}; run it again")

    def render(self, staging: Path, manifest: dict[str, Any]) -> None:
        """Write the pages.

        Raises:
            PageError: a page must not be published.
        """
        from smsroi_helpers.runner import publish, render

        for notebook in (staging / "notebooks").glob("*.ipynb"):
            # A published notebook speaks of the folder its results are in, not of the one they were made in.
            text = notebook.read_text(encoding="utf-8")
            notebook.write_text(text.replace(staging.name, manifest["run"]), encoding="utf-8", newline="\n")
        manifest |= {"status": "ok", "reason": "", "exit_code": 0, "finished": publish.utc_now()}
        earlier, show_code = self._folder.whole_runs(), self._options.show_code
        render.render_run(staging, manifest, earlier_runs=earlier, show_code=show_code)

    def render_list_of_reports(self) -> None:
        """Bring reports/index.html up to date."""
        from smsroi_helpers.runner import render

        render.render_reports_index(self._root / "reports")

    def _parameters(self, notebook: str) -> dict[str, Any]:
        """What a notebook is given, without run_dir, which is another for every run."""
        values = {name: value for name, value in self._plan.values[notebook].items() if name != "run_dir"}
        if "previous_run" in values and "previous_run" not in self._plan.given:
            values["previous_run"] = f"reports/{self._plan.report}/{self._latest['run']}" if self._latest else ""
        return values

    def _fingerprint(self, as_of: str) -> str:
        """Of all a run's result hangs on: what comes out is the same when this is."""
        from smsroi_helpers.runner import publish

        parameters = {notebook.name: self._parameters(notebook.name) for notebook in self._run_notebooks}
        for values in parameters.values():
            if "as_of" in values:
                values["as_of"] = as_of
            if "previous_run" not in self._plan.given:
                # The run before is always another one; that alone is no reason to run again.
                values.pop("previous_run", None)
        return publish.fingerprint(
            inputs=self._inputs | {"key id": self._key_id},
            parameters=parameters,
            package=self._code["package"],
            lock=self._code["lock"],
            versions=self._versions,
            show_code=self._options.show_code,
        )


def _entry(
    stage: str, status: str, reason: str, seconds: float = 0.0, peak_memory_mb: int | None = None
) -> dict[str, Any]:
    return {
        "stage": stage,
        "status": status,
        "reason": reason,
        "seconds": round(seconds, 1),
        "peak_memory_mb": peak_memory_mb,
    }


def _what_it_lacks(stage: str, loaded: "Loaded") -> str:
    """A sentence on the tables a stage cannot do without and this source has not; empty: it has all."""
    from smsroi_helpers.locale import _
    from smsroi_helpers.runner.parameters import stage_module

    missing = [table for table in getattr(stage_module(stage), "NEEDS", ()) if table not in loaded.tables]
    if not missing:
        return ""
    return _("It needs data this source does not have: {tables}.").format(tables=", ".join(missing))


def _together(errors: Sequence[SmsroiError]) -> SmsroiError:
    """One error that says what all of them say, with the gravest one's exit code."""
    from smsroi_helpers.runner.execute import gravest

    worst = gravest(errors)
    return type(worst)("; ".join([str(worst), *(str(error) for error in errors if error is not worst)]))


def _differences(before: dict[str, str], after: dict[str, str]) -> str:
    return ", ".join(sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name)))


# --- signals and hooks --------------------------------------------------------------------------------------


class _Signals:
    """While it is open, the first signal to stop raises Interrupted where the program is; further ones do nothing.

    Within `held` nothing is raised: what has begun there (publishing, setting aside) is finished first.
    """

    def __init__(self) -> None:
        self._before: dict[int, Any] = {}
        self._caught = self._holding = False

    def __enter__(self) -> "_Signals":
        if threading.current_thread() is threading.main_thread():
            for name in ("SIGTERM", "SIGINT", "SIGHUP"):
                number = getattr(signal, name, None)
                # What is ignored (as nohup does with SIGHUP) stays ignored.
                if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._hear)
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _hear(self, number: int, _frame: FrameType | None) -> None:
        if not self._caught and not self._holding:
            self._caught = True
            raise Interrupted(f"the run was stopped by {signal.Signals(number).name}")

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Let nothing interrupt what is done here."""
        before, self._holding = self._holding, True
        try:
            yield
        finally:
            self._holding = before


def _hook_command(command: str, option: str) -> list[str]:
    try:
        return shlex.split(command, posix=os.name == "posix")
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from None


def _call_hook(command: list[str], option: str, summary: dict[str, Any]) -> None:
    """Hand the run's summary to a command; whatever it does, the run's own outcome stands."""
    import psutil

    from smsroi_helpers.runner.execute import process_family

    if not command:
        return
    try:
        # Standard output carries the report's path and nothing else, so the hook's goes to standard error.
        process = subprocess.Popen(  # noqa: S603 - the user's own command
            command, stdin=subprocess.PIPE, stdout=2, encoding="utf-8"
        )
        try:
            process.communicate(json.dumps(summary), timeout=_HOOK_SECONDS)
        except subprocess.TimeoutExpired:
            for member in process_family(process.pid):
                with contextlib.suppress(psutil.Error):
                    member.kill()
            process.wait()
            problem = f"it took longer than {_HOOK_SECONDS:g} s and was stopped"
        else:
            problem = f"it ended with {process.returncode}" if process.returncode else ""
    except OSError as error:
        problem = error.strerror or type(error).__name__
    if problem:
        print(f"{option}: {redact(problem)}; the run itself is not affected", file=sys.stderr)
