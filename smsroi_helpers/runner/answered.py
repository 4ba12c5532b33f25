"""The last answer of a report, with the hashes of all that decides it: the same files give the same answer.

To find that nothing has changed, a run reads its parameters, and for that imports every stage: seconds of a core. What
it finds depends on the bytes of files alone. They are hashed again here, without those imports, and where all are as
they were when the report was made or last found unchanged, it is unchanged. Where anything differs, or is not known by
files (a database, variables of the environment, a secret key), there is no answer, and the run finds it.
"""

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from smsroi_helpers.errors import SmsroiError
from smsroi_helpers.runner import publish

__all__ = ["Basis", "basis_of", "note_answer", "recall_answer", "source_basis"]

Basis = dict[str, Any]
"""What decides the answer of a run, by hashes."""

_NOTE = ".answered.json"
_KEYS = ("SMSROI_KEY", "SMSROI_KEY_FILE")


def basis_of(root: Path, file: Path) -> Basis | None:
    """Return what decides the answer of a parameter file, apart from the source; None if files do not tell it.

    Args:
        root: the project's root.
        file: the parameter file; outside the project it is not noted.
    """
    file = file.resolve()
    if any(os.environ.get(name) for name in _KEYS) or not file.is_relative_to(root):
        return None
    notebooks = [*(root / "notebooks").glob("*.ipynb"), *(root / "notebooks").glob("*/*.ipynb")]
    try:
        return {
            "file": file.relative_to(root).as_posix(),
            "text": publish.sha256(file),
            "code": publish.code_hashes(root, notebooks),
            "versions": publish.versions(),
        }
    except OSError:
        return None


def source_basis(folder: Path, inputs: Mapping[str, str]) -> Basis | None:
    """Return the names of all that lies in a source's folder, and the hashes of what is read; None if that is not all.

    Args:
        folder: of the source.
        inputs: name → hash of all that is read (`source.fingerprint_inputs`).
    """
    if any(name == "database" or name.startswith("files.") for name in inputs):
        return None  # elsewhere
    names = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*"))
    if not set(inputs) <= set(names) or ("source.yml" in inputs and b"${" in (folder / "source.yml").read_bytes()):
        return None
    hashes = {name: publish.sha256(folder / name) for name in sorted({*inputs, "truth.json"} & set(names))}
    if any(hashes[name] != known for name, known in inputs.items()):
        return None  # they are changing
    return {"names": names, "hashes": hashes}


def note_answer(
    folder: publish.ReportFolder, basis: Basis | None, source: Basis | None, data: str, fingerprint: str
) -> None:
    """Note the answer that the report's latest run is up to date.

    Args:
        folder: of the report, whose latest run has this fingerprint.
        basis: as it was before the run read anything; None: nothing is noted.
        source: that of its source; None: nothing is noted.
        data: folder of the source, relative to the project's root.
        fingerprint: of the run.
    """
    note = folder.path / _NOTE
    with contextlib.suppress(OSError):
        latest = folder.latest()
        if basis is None or source is None or latest is None or latest["fingerprint"] != fingerprint:
            note.unlink(missing_ok=True)
            return
        entries = {"basis": basis, "data": data, "source": source, "state": _state_of(folder)}
        publish.write_atomically(note, json.dumps(entries) + "\n")


def recall_answer(file: str) -> Path | None:
    """Return the index of the latest run if it is known that a new one would be identical; None if not, or not known.

    Args:
        file: the parameter file of a run without options, relative to the current folder, which is the project's root.
    """
    root = Path.cwd().resolve()
    if Path(os.environ.get("SMSROI_PROJECT") or root).resolve() != root or not (root / "pyproject.toml").is_file():
        return None
    basis: Basis | None = None
    for note in sorted(root.glob(f"reports/*/{_NOTE}")):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, SmsroiError):
            noted = json.loads(note.read_text(encoding="utf-8"))
            if noted["basis"]["file"] != Path(file).resolve().relative_to(root).as_posix():
                continue
            basis = basis or basis_of(root, Path(file))
            if basis == noted["basis"] and (index := _still_up_to_date(root, note.parent.name, noted)):
                return index
    return None


def _still_up_to_date(root: Path, report: str, noted: Mapping[str, Any]) -> Path | None:
    with publish.lock_report(root, report) as folder:
        if noted["state"] != _state_of(folder):
            return None
        read = {name: known for name, known in noted["source"]["hashes"].items() if name != "truth.json"}
        latest = folder.latest()
        if source_basis(root / noted["data"], read) != noted["source"] or latest is None:
            return None
        run = folder.path / latest["run"]
        publish.verify_run(run)
        folder.touch()
        return run / "index.html"


def _state_of(folder: publish.ReportFolder) -> dict[str, str]:
    """The files by which a report has its latest run; those of a killed run are among them, for the run to clean up."""
    pointers = [folder.path / name for name in ("latest.json", "latest.html")]
    manifest = folder.path / json.loads(pointers[0].read_text(encoding="utf-8"))["run"] / "manifest.json"
    remains = {file.name: "" for file in folder.path.glob(".staging-*")}
    return {file.name: publish.sha256(file) for file in (*pointers, manifest)} | remains
