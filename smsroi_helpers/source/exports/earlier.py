"""What an earlier import named in `source.yml`: exports that are read again, and the analyst's own files."""

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from smsroi_helpers.source.exports.layouts import KINDS, layout_of

__all__ = [
    "earlier_exports",
    "own_files",
]

_ALIAS = re.compile(r"(\w+)_file(?:_\d+)?")


def _files(kept: Mapping[str, Any]) -> dict[str, str]:
    files = kept.get("files")
    return {str(alias): str(path) for alias, path in files.items()} if isinstance(files, dict) else {}


def _part_of(alias: str) -> tuple[str, str]:
    """The platform and the part of an export, from the alias that an import gave it; empty texts for other aliases."""
    named = _ALIAS.fullmatch(alias)
    parts = {part.name: kind for kind in KINDS for part in layout_of(kind).parts}
    return (parts[named[1]], named[1]) if named and named[1] in parts else ("", "")


def own_files(kept: Mapping[str, Any]) -> dict[str, str]:
    """Return the files that the analyst named for mappings of their own: alias → path as it stands.

    >>> own_files({"files": {"twilio_log_file": "a.csv", "feedback": "../b.csv"}})
    {'feedback': '../b.csv'}
    """
    return {alias: path for alias, path in _files(kept).items() if not _part_of(alias)[0]}


def earlier_exports(kept: Mapping[str, Any], folder: Path, new: Collection[str]) -> list[tuple[str, Path]]:
    """Return kind and path of the exports of which the new files are no later ones: those of other parts.

    Args:
        kept: content of source.yml.
        folder: of the source.
        new: names of the parts of the files named now.
    """
    found = []
    for alias, path in _files(kept).items():
        kind, part = _part_of(alias)
        if kind and part not in new and "${" not in path:
            found.append((kind, (folder / path).resolve()))
    return found
