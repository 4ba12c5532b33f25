"""What `smsroi import` found, assumed and wrote."""

from dataclasses import dataclass
from pathlib import Path

from smsroi_helpers.source.exports.assumptions import Assumption

__all__ = [
    "Imported",
    "ImportedFile",
]


@dataclass(frozen=True)
class ImportedFile:
    """A file that was recognised."""

    name: str
    title: str
    """What it is."""
    rows: int
    used: tuple[str, ...]
    """Headings that the mappings read."""
    not_used: tuple[str, ...]


@dataclass(frozen=True)
class Imported:
    """The source that was written."""

    folder: Path
    files: tuple[ImportedFile, ...]
    assumed: tuple[Assumption, ...]
    notes: tuple[str, ...]
    """How the exports are understood, and what to look at."""
    tables: dict[str, int]
    """Table → rows that its mapping gives."""
    left_out: dict[str, int]
    """Reason → rows that the mappings leave out."""
    needs_key: bool
    """The customers' ids become pseudonyms when the source is read, for which the environment needs a secret key."""
    parameter_file: Path
    """File for `smsroi run`."""
    parameter_file_is_new: bool
