"""What an earlier import named in `source.yml`: exports that are read again, and the analyst's own files."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smsroi_helpers.source.exports.layouts import KINDS, layout_of
from smsroi_helpers.source.settings import fill_environment

__all__ = [
    "EarlierExport",
    "earlier_exports",
    "own_files",
]

_ALIAS = re.compile(r"(\w+)_file(?:_\d+)?")


@dataclass(frozen=True)
class EarlierExport:
    """An export that an earlier import read."""

    kind: str
    file: Path
    path: str
    """As it stands in source.yml."""


def _files(kept: Mapping[str, Any]) -> dict[str, str]:
    files = kept.get("files")
    return {str(alias): str(path) for alias, path in files.items()} if isinstance(files, dict) else {}


def _kind_of(alias: str) -> str:
    """The platform of an export, from the alias that an import gave it; empty for other aliases."""
    named = _ALIAS.fullmatch(alias)
    kinds = {part.name: kind for kind in KINDS for part in layout_of(kind).parts}
    return kinds.get(named[1], "") if named else ""


def own_files(kept: Mapping[str, Any]) -> dict[str, str]:
    """Return the files that the analyst named for mappings of their own: alias → path as it stands.

    >>> own_files({"files": {"twilio_log_file": "a.csv", "feedback": "../b.csv"}})
    {'feedback': '../b.csv'}
    """
    return {alias: path for alias, path in _files(kept).items() if not _kind_of(alias)}


def earlier_exports(kept: Mapping[str, Any], folder: Path) -> list[EarlierExport]:
    """Return the exports that source.yml names, in its order.

    Args:
        kept: content of source.yml.
        folder: of the source.

    Raises:
        DataError: a path needs a variable of the environment that is not set.
    """
    return [
        EarlierExport(kind, (folder / fill_environment(path, f"files.{alias}")).resolve(), path)
        for alias, path in _files(kept).items()
        if (kind := _kind_of(alias))
    ]
