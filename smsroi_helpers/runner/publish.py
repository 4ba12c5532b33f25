"""The folder of a report: one run at a time, built in a staging folder, then published completely.

reports/<report>/.lock             locked during a run
reports/<report>/.staging-<run>/   a run in progress (mode 0700)
reports/<report>/<run>/            a complete run
reports/<report>/failed-<run>/     the files of a failed run
reports/<report>/latest.json       {"run", "fingerprint"} of the newest complete run; authoritative
reports/<report>/.answered.json    what decided the last answer: see `answered`
reports/<report>/latest.html       link to the same run, for bookmarks
"""

import contextlib
import datetime as dt
import hashlib
import html
import importlib.metadata
import json
import os
import platform
import re
import secrets
import shutil
import stat
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import filelock

import smsroi_helpers
from smsroi_helpers.errors import AlreadyRunning, Incomplete, StorageError, UsageError

__all__ = [
    "ReportFolder",
    "age_of_last_good_run",
    "code_hashes",
    "code_identity",
    "find_run",
    "fingerprint",
    "lock_report",
    "open_report",
    "sha256",
    "shown_path",
    "utc_now",
    "verify_run",
    "versions",
    "write_atomically",
]

_RUN = r"\d{8}-\d{6}-[0-9a-f]{6}"
_NOT_PUBLISHED = (".loaded", ".cache", ".logs")
_CLOCK_TOLERANCE_HOURS = 0.25

_VERSIONED_PACKAGES = [
    "smsroi-helpers",
    "ibis-framework",
    "duckdb",
    "pyarrow",
    "pandas",
    "numpy",
    "scipy",
    "scikit-learn",
    "statsmodels",
    "lifetimes",
    "lifelines",
    "matplotlib",
    "seaborn",
    "papermill",
    "nbclient",
    "nbconvert",
    "ipykernel",
    "jupyter-client",
    "pydantic",
    "nh3",
    "Babel",
]
"""Packages that affect numbers and pages; the lock file, whose hash is also recorded, pins the others."""


def utc_now() -> str:
    """Return the current time in the format of manifests."""
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def shown_path(path: Path) -> str:
    """Return the path relative to the current folder if it is inside it, else in full."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def sha256(file: Path) -> str:
    """Return the SHA-256 of a file."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


# --- identity of inputs and code ---------------------------------------------------------------------------


def versions() -> dict[str, str]:
    """Return the versions of Python and of `_VERSIONED_PACKAGES`, if installed."""
    found = {"python": platform.python_version()}
    for name in _VERSIONED_PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def code_identity(root: Path, notebooks: Iterable[Path]) -> dict[str, str]:
    """Return the entry `code` of the manifest.

    `revision` is the git revision (`+edited` if files differ; empty outside git), `package` the hash of the package's
    files and the notebooks, `lock` the hash of requirements.lock.
    """
    return {"revision": _git_revision(root), **code_hashes(root, notebooks)}


def code_hashes(root: Path, notebooks: Iterable[Path]) -> dict[str, str]:
    """Return `package` and `lock` of `code_identity`."""
    package = Path(smsroi_helpers.__file__).parent
    files = {
        f"package/{file.relative_to(package).as_posix()}": file
        for file in package.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    files |= {f"{file.parent.name}/{file.name}": file for file in notebooks}
    hashes = {name: sha256(file) for name, file in sorted(files.items())}
    lock = root / "requirements.lock"
    return {
        "package": hashlib.sha256(json.dumps(hashes).encode()).hexdigest(),
        "lock": sha256(lock) if lock.is_file() else "",
    }


def _git_revision(root: Path) -> str:
    def git(*arguments: str) -> str:
        done = subprocess.run(  # noqa: S603 - fixed words and the project's own folder
            ["git", "-C", str(root), *arguments],  # noqa: S607 - wherever git is
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
        return done.stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")).resolve() != root:
            return ""
        return git("rev-parse", "HEAD") + ("+edited" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return ""


def fingerprint(**parts: Any) -> str:
    """Return one hash of everything that determines the result of a run."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


# --- the folder ---------------------------------------------------------------------------------------------


class ReportFolder:
    """The folder of one report, locked for one run; created by `open_report`."""

    def __init__(self, root: Path, report: str) -> None:
        self.report = report
        self.path = root / "reports" / report

    def latest(self) -> dict[str, Any] | None:
        """Return `latest.json` and the manifest of its run; None if there is no such run."""
        try:
            pointer = json.loads((self.path / "latest.json").read_text(encoding="utf-8"))
            manifest = json.loads((self.path / pointer["run"] / "manifest.json").read_text(encoding="utf-8"))
            return {"run": str(pointer["run"]), "fingerprint": pointer["fingerprint"], "manifest": manifest}
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def complete_runs(self) -> list[dict[str, Any]]:
        """Return run, started, as_of and status of every complete run, newest first."""
        found = []
        for folder in sorted(self.path.iterdir(), reverse=True):
            if re.fullmatch(_RUN, folder.name):
                with contextlib.suppress(OSError, ValueError, KeyError):
                    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
                    found.append({key: manifest[key] for key in ("run", "started", "as_of", "status")})
        return found

    def stage(self) -> tuple[str, Path]:
        """Return the name of a new run (UTC time stamp and a random part), and its new staging folder.

        Raises:
            StorageError: the folder cannot be created.
        """
        run = f"{dt.datetime.now(dt.UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
        staging = self.path / f".staging-{run}"
        with _storage_errors(f"the report {self.report} cannot be built"):
            staging.mkdir(mode=0o700)
        return run, staging

    def write_manifest(self, staging: Path, manifest: dict[str, Any]) -> None:
        """Write the current manifest, so that a killed run has one too.

        Raises:
            StorageError: the file cannot be written.
        """
        with _storage_errors(f"the report {self.report} cannot be built"):
            write_atomically(staging / "manifest.json", _manifest_text(manifest))

    def publish(self, staging: Path, manifest: dict[str, Any]) -> Path:
        """Publish a run under its name, and make it the latest; return its folder.

        Raises:
            StorageError: a file cannot be written; the latest run is unchanged.
        """
        run = str(manifest["run"])
        with _storage_errors(f"the run {run} cannot be published"):
            _drop_working_files(staging)
            manifest["outputs"] = {
                file.relative_to(staging).as_posix(): _synced_hash(file)
                for file in sorted(staging.rglob("*"))
                if file.is_file() and file != staging / "manifest.json"
            }
            write_atomically(staging / "manifest.json", _manifest_text(manifest))
            # The staging folder is private; the published run has the permissions of the report's folder.
            staging.chmod(stat.S_IMODE(self.path.stat().st_mode))
            staging.replace(self.path / run)
            _sync_folder(self.path)
        with _storage_errors(f"the run {run} is whole, but could not be made the latest"):
            self._point_to(run, manifest)
        return self.path / run

    def fail(self, staging: Path, manifest: dict[str, Any]) -> Path | None:
        """Keep a failed run with its manifest; return its folder, or None if it cannot be written."""
        try:
            _drop_working_files(staging, keep=".logs")
            write_atomically(staging / "manifest.json", _manifest_text(manifest))
            failed_folder = self.path / f"failed-{manifest['run']}"
            staging.replace(failed_folder)
        except OSError:
            return None
        return failed_folder

    def discard(self, staging: Path) -> None:
        """Delete a run that is not needed."""
        shutil.rmtree(staging, ignore_errors=True)

    def touch(self) -> None:
        """Record that the latest run is up to date; the age in `status` starts here."""
        with contextlib.suppress(OSError):
            os.utime(self.path / "latest.json")

    def recover(self) -> None:
        """Clean up after a killed run: keep its staging folder as failed, and make `latest.html` match `latest.json`.

        Raises:
            StorageError: a file cannot be written.
        """
        with _storage_errors(f"the report {self.report} cannot be put in order"):
            for staging in self.path.glob(".staging-*"):
                run = staging.name.removeprefix(".staging-")
                file = staging / "manifest.json"
                manifest = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {"schema": 1, "run": run}
                reason = "the run was killed before its end"
                self.fail(staging, manifest | {"status": "failed", "reason": reason, "exit_code": 50})
            if (latest := self.latest()) is not None:
                page = _pointer_page(self.report, latest["run"], latest["manifest"].get("language", "en"))
                file = self.path / "latest.html"
                if not file.is_file() or file.read_text(encoding="utf-8") != page:
                    write_atomically(file, page)

    def _point_to(self, run: str, manifest: dict[str, Any]) -> None:
        """Replace both pointers together: everything that needs disk space is written before the first is replaced."""
        pointer, page = self.path / "latest.json", self.path / "latest.html"
        before = pointer.read_text(encoding="utf-8") if pointer.is_file() else None
        new = {"run": run, "fingerprint": manifest["fingerprint"]}
        new_pointer = _write_temporary(pointer, json.dumps(new) + "\n")
        new_page = _write_temporary(page, _pointer_page(self.report, run, manifest["language"]))
        new_pointer.replace(pointer)
        try:
            new_page.replace(page)
        except OSError:
            # If this fails too, `recover` of the next run corrects the page.
            with contextlib.suppress(OSError):
                if before is None:
                    pointer.unlink()
                else:
                    write_atomically(pointer, before)
            raise
        _sync_folder(self.path)


@contextlib.contextmanager
def open_report(root: Path, report: str) -> Iterator[ReportFolder]:
    """Open the folder of a report, locked against a second run, and clean up after a killed run.

    Raises:
        AlreadyRunning: another run has the lock.
        StorageError: a file cannot be written.
    """
    with lock_report(root, report) as folder:
        folder.recover()
        yield folder


@contextlib.contextmanager
def lock_report(root: Path, report: str) -> Iterator[ReportFolder]:
    """`open_report`, which leaves what a killed run has left."""
    folder = ReportFolder(root, report)
    with _storage_errors(f"the folder reports/{report} cannot be written"):
        folder.path.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder.path / ".lock")
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            raise AlreadyRunning(f"another run of the report {report} is in progress; wait for it or stop it") from None
    try:
        yield folder
    finally:
        lock.release()


@contextlib.contextmanager
def _storage_errors(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(f"{what}: {error.strerror or error}") from None


def _manifest_text(manifest: dict[str, Any]) -> str:
    return json.dumps(manifest, ensure_ascii=False, indent=1) + "\n"


def write_atomically(file: Path, text: str) -> None:
    """Write a small file atomically."""
    _write_temporary(file, text).replace(file)
    _sync_folder(file.parent)


def _write_temporary(file: Path, text: str) -> Path:
    new = file.with_name(f".{file.name}.new")
    with new.open("w", encoding="utf-8", newline="\n") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    return new


def _synced_hash(file: Path) -> str:
    """Flush the file to the disk; return its hash."""
    with file.open("rb" if os.name == "posix" else "rb+") as stream:  # Windows flushes only files open for writing
        os.fsync(stream.fileno())
    return sha256(file)


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":  # other systems cannot open a folder
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _drop_working_files(staging: Path, keep: str = "") -> None:
    for name in _NOT_PUBLISHED:
        if name != keep:
            shutil.rmtree(staging / name, ignore_errors=True)


def _pointer_page(report: str, run: str, language: str) -> str:
    from smsroi_helpers.locale import page_language

    target = html.escape(f"{run}/index.html")
    return (
        f'<!doctype html>\n<html lang="{html.escape(page_language(language))}">\n<head><meta charset="utf-8">'
        f'<meta http-equiv="refresh" content="0; url={target}">\n<title>{html.escape(report)}</title></head>\n'
        f'<body><h1>{html.escape(report)}</h1>\n<p><a href="{target}">{html.escape(run)}</a></p></body>\n</html>\n'
    )


# --- queries about runs -------------------------------------------------------------------------------------


def find_run(root: Path, run: str) -> Path:
    """Return the folder of a run, given its path, `report/run`, or `report` (its latest run).

    Raises:
        UsageError: there is no such run.
    """
    report, _, name = run.partition("/")
    candidates = [Path(run), root / "reports" / run]
    if not name and (latest := ReportFolder(root, report).latest()):
        candidates.append(root / "reports" / report / latest["run"])
    for folder in candidates:
        if (folder / "manifest.json").is_file():
            return folder
    raise UsageError(f"no run {run}; give the folder of a run, report/run, or a report with a complete run")


def verify_run(folder: Path) -> int:
    """Check every file of a run against its manifest; return the number of files.

    Raises:
        Incomplete: the run failed, or files are missing or changed.
    """
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        status, outputs = manifest["status"], dict(manifest.get("outputs", {}))
    except (OSError, ValueError, KeyError, TypeError):
        raise Incomplete(f"run {folder.name}: its manifest cannot be read") from None
    if status != "ok":
        raise Incomplete(f"run {folder.name}: it failed ({manifest.get('reason') or 'no reason noted'})")
    missing = [name for name in outputs if not (folder / name).is_file()]
    changed = [name for name in outputs if name not in missing and sha256(folder / name) != outputs[name]]
    if missing or changed or "index.html" not in outputs:
        parts = [
            f"{len(names)} {what} ({', '.join(names[:3])}{' …' if len(names) > 3 else ''})"
            for names, what in ((missing, "missing"), (changed, "changed"))
            if names
        ]
        raise Incomplete(f"run {folder.name} differs from its manifest: {'; '.join(parts) or 'it has no index.html'}")
    return len(outputs)


def age_of_last_good_run(root: Path, report: str) -> tuple[str, float]:
    """Return the newest complete run of a report, and its age in hours since it ended or was last found up to date.

    Without a complete run, or with a date in the future, the age is infinite.

    Raises:
        UsageError: there is no such report.
    """
    folder = ReportFolder(root, report)
    if not folder.path.is_dir():
        raise UsageError(f"no report {report!r} in reports/")
    latest = folder.latest()
    if latest is None:
        return "", float("inf")
    finished = dt.datetime.fromisoformat(latest["manifest"]["finished"]).timestamp()
    confirmed = max(finished, (folder.path / "latest.json").stat().st_mtime)
    hours = (dt.datetime.now(dt.UTC).timestamp() - confirmed) / 3600
    # After the clock has been set back, a run may be dated in the future; it must not count as new.
    return latest["run"], hours if hours > -_CLOCK_TOLERANCE_HOURS else float("inf")
