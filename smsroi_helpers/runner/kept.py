"""What a run has read and counted, kept for the next run of its report: of the same data, with other parameters.

reports/<report>/.kept/          mode 0700; may be deleted whenever no run is in progress
reports/<report>/.kept/.loaded   the typed tables of the source
reports/<report>/.kept/.cache    results of queries, each named by the hash of its expression
reports/<report>/.kept/kept.json what they were made from (`Basis`), and the SHA-256 of every file

A run takes the folders into its own before it reads the source, and puts them back at its end. They are taken only if
the bytes of the source, the secret key, the package and the libraries are the same and no file has changed since;
otherwise they are deleted and everything is read and counted anew.
"""

import contextlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

from smsroi_helpers.runner import publish

__all__ = ["Basis", "basis_of", "discard", "put_back", "take"]

Basis = str
"""Hash of all that what is kept depends on, apart from the queries themselves."""

MOST_BYTES = 20_000_000_000
"""More is not kept: the folder is no second warehouse."""
_FOLDERS = (".loaded", ".cache")
_RESULTS = (".parquet", ".txt")


def basis_of(inputs: dict[str, str], key_id: str, max_rejected_share: float, versions: dict[str, str]) -> Basis:
    """Return the basis of what a run reads and counts.

    Args:
        inputs: name → SHA-256 of every file of the source.
        key_id: identifies the secret key; empty without one.
        max_rejected_share: largest share of rejected rows.
        versions: of Python and the packages.
    """
    package = publish.code_hashes(Path(), [])["package"]
    return publish.fingerprint(inputs=inputs, key=key_id, share=max_rejected_share, code=package, versions=versions)


def take(report: Path, staging: Path, basis: Basis) -> bool:
    """Move what is kept into the folder of a run; return whether there was anything.

    Args:
        report: folder of the report, which is locked.
        staging: folder of the run, without tables and results of its own.
        basis: of the run. What has another one is deleted.
    """
    kept = report / ".kept"
    try:
        note = json.loads((kept / "kept.json").read_text(encoding="utf-8"))
        whole = note["basis"] == basis and note["files"] == _hashes(kept)
        if whole:
            for name in _FOLDERS:
                (kept / name).replace(staging / name)
        return bool(whole)
    except (OSError, ValueError, KeyError, TypeError):
        for name in _FOLDERS:
            shutil.rmtree(staging / name, ignore_errors=True)
        return False
    finally:
        discard(report)


def put_back(report: Path, staging: Path, basis: Basis) -> None:
    """Keep what a run has read and counted. Where that fails, nothing is kept, and the run is as good.

    Args:
        report: folder of the report, which is locked.
        staging: folder of the run, which reads nothing any more.
        basis: of the run.
    """
    kept = report / ".kept"
    discard(report)
    with contextlib.suppress(OSError):
        kept.mkdir(mode=0o700)
        for name in _FOLDERS:
            (staging / name).replace(kept / name)
        for file in _others(kept):
            shutil.rmtree(file) if file.is_dir() else file.unlink()
        if sum(file.stat().st_size for file in _files(kept)) <= MOST_BYTES:
            publish.write_atomically(kept / "kept.json", json.dumps({"basis": basis, "files": _hashes(kept)}) + "\n")
            return
    discard(report)


def discard(report: Path) -> None:
    """Delete what is kept.

    Args:
        report: folder of the report, which is locked.
    """
    shutil.rmtree(report / ".kept", ignore_errors=True)


def _others(kept: Path) -> list[Path]:
    """Locks, temporary files and unfinished results; results that are folders are those of a cluster, not of a file."""
    return [file for file in (kept / ".cache").iterdir() if file.is_dir() or file.suffix not in _RESULTS]


def _files(kept: Path) -> Iterator[Path]:
    for name in _FOLDERS:
        yield from (file for file in sorted((kept / name).rglob("*")) if file.is_file())


def _hashes(kept: Path) -> dict[str, str]:
    return {file.relative_to(kept).as_posix(): publish.sha256(file) for file in _files(kept)}
