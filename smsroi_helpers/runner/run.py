"""Make a report from a parameter file: check, lock, load, execute, render, publish."""

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smsroi_helpers import locale, source
from smsroi_helpers.errors import DataError, Interrupted, SmsroiError, StorageError
from smsroi_helpers.runner import answered, execute, publish
from smsroi_helpers.runner.alerts import new_alerts
from smsroi_helpers.runner.attempt import Attempt
from smsroi_helpers.runner.execute import Progress
from smsroi_helpers.runner.hooks import call_hook, split_command
from smsroi_helpers.runner.options import RunOptions
from smsroi_helpers.runner.parameters import plan_run
from smsroi_helpers.runner.signals import Signals

__all__ = [
    "Published",
    "as_failure",
    "run_report",
]


@dataclass(frozen=True)
class Published:
    """The report of a run."""

    index: Path
    """Path of its index.html."""
    unchanged: bool
    """The report already existed, with the same inputs, parameters and code."""
    new_alerts: int = 0
    """Daily numbers outside their expected range that became known since the run before."""


def run_report(file: Path, options: RunOptions, progress: Progress) -> Published:
    """Run a parameter file and publish its report; keep the last report if nothing has changed.

    Raises:
        SmsroiError: the failure in one line; its `exit_code` is that of the command.
    """
    on_failure = split_command(options.on_failure, "--on-failure")
    on_success = split_command(options.on_success, "--on-success")
    summary: dict[str, Any] = {
        "report": "",
        "run": "",
        "status": "failed",
        "exit_code": 0,
        "reason": "",
        "path": "",
        "new_alerts": 0,
    }
    with Signals() as signals:
        try:
            published = _run(file, options, progress, signals, summary)
        except Exception as error:
            failure = as_failure(error)
            with signals.deferred():
                outcome = {"exit_code": failure.exit_code, "reason": str(failure)}
                call_hook(on_failure, "--on-failure", summary | outcome)
            if failure is error:
                raise
            raise failure from error
        with signals.deferred():
            call_hook(on_success, "--on-success", summary | {"status": "unchanged" if published.unchanged else "ok"})
    return published


def as_failure(error: BaseException) -> SmsroiError:
    """Return the error for the user: itself, or a line that names an unexpected exception."""
    if isinstance(error, SmsroiError):
        return error
    if isinstance(error, KeyboardInterrupt):
        return Interrupted("stopped by SIGINT")
    if isinstance(error, OSError):
        what = Path(str(error.filename or "the disk")).name
        return StorageError(f"{what}: {error.strerror or type(error).__name__}")
    return SmsroiError(f"unexpected {type(error).__name__}: {error} (SMSROI_DEBUG=1 shows where)")


def _run(file: Path, options: RunOptions, progress: Progress, signals: Signals, summary: dict[str, Any]) -> Published:
    began = time.monotonic()
    root = source.project_root()
    basis = answered.basis_of(root, file)
    with contextlib.ExitStack() as stack:
        # Before the plan: reading that imports what the notebooks import, which the server does meanwhile.
        server = stack.enter_context(execute.start_server(_notebook_files(root, options.only), root, options.jobs))
        plan = plan_run(file, root=root, only=options.only, start_from=options.start_from, overrides=options.overrides)
        locale.use_language(plan.run_wide("language", "en"))
        summary["report"] = plan.report
        folder = stack.enter_context(publish.open_report(root, plan.report))
        attempt = Attempt(root, plan, options, folder)
        attempt.make_source()
        if not options.force and (index := attempt.unchanged_before_loading()):
            attempt.note_answer(basis)
            summary |= _found(index, root)
            return Published(index, unchanged=True, new_alerts=summary["new_alerts"])
        run, staging = folder.stage()
        summary |= {"run": run}
        manifest = attempt.first_manifest(run)
        try:
            folder.write_manifest(staging, manifest)
            loaded = attempt.load(staging, manifest)
            if not options.force and (index := attempt.unchanged(manifest["as_of"])):
                attempt.keep(staging)
                folder.discard(staging)
                attempt.note_answer(basis)
                summary |= _found(index, root)
                return Published(index, unchanged=True, new_alerts=summary["new_alerts"])
            deadline = None if options.deadline_minutes is None else began + 60 * options.deadline_minutes
            attempt.execute(staging, manifest, loaded, server, progress, deadline)
            if server:
                server.close()
            attempt.render(staging, manifest)
            with signals.deferred():
                attempt.keep(staging)
                index = folder.publish(staging, manifest) / "index.html"
                summary |= _found(index, root)
                attempt.render_list_of_reports()
                attempt.note_answer(basis, manifest["fingerprint"])
        except Exception as error:
            with signals.deferred():
                failure = as_failure(error)
                manifest |= {"status": "failed", "reason": str(failure), "exit_code": failure.exit_code}
                manifest["finished"] = publish.utc_now()
                if not isinstance(failure, DataError | StorageError):
                    with contextlib.suppress(SmsroiError, OSError):
                        attempt.keep(staging)
                failed = folder.fail(staging, manifest)
            if failed is None:
                raise
            summary |= {"path": failed.relative_to(root).as_posix()}
            raise type(failure)(f"{failure} (see {summary['path']})") from error
        return Published(index, unchanged=False, new_alerts=summary["new_alerts"])


def _notebook_files(root: Path, only: Sequence[str]) -> list[Path]:
    """The notebooks that probably run: all, or those of the stages named."""
    files = sorted((root / "notebooks").glob("*.ipynb"))
    return [file for file in files if not only or {file.stem, file.stem.partition("_")[2]} & set(only)]


def _found(index: Path, root: Path) -> dict[str, Any]:
    """The entries of the summary on a published run."""
    return {
        "run": index.parent.name,
        "path": index.relative_to(root).as_posix(),
        "new_alerts": len(new_alerts(index.parent)),
    }
