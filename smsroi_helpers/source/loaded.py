"""What a source is once it was read: its tables as parquet, what was found wrong, and its last day."""

import datetime as dt
import zoneinfo
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from smsroi_helpers.errors import DataError
from smsroi_helpers.source.settings import Settings

__all__ = [
    "Finding",
    "Loaded",
    "LoadedTable",
    "resolve_as_of",
]


# --- what was found and what came of it ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Finding:
    """One thing met while reading, and what to do about it."""

    table: str
    column: str
    rule: str
    severity: Literal["error", "warning", "note", "stated"]
    """`error`: rows put aside; `stated`: left out by the mapping, as it says itself."""
    rows: int
    share: float | None
    """Of the table's rows, 0–1; None where what they are a share of is not known."""
    remedy: str


@dataclass(frozen=True)
class LoadedTable:
    """One table as it stands after reading."""

    name: str
    paths: tuple[str, ...]
    """Parquet files with the contract's types."""
    columns: tuple[str, ...]
    rows_in: int
    rows_out: int
    first: str | None
    """First day of the table's own time, on the source's clock; None where it has none."""
    last: str | None


@dataclass(frozen=True)
class Loaded:
    """A source that has been read and checked."""

    folder: str
    output_folder: str
    """Where the typed tables and the quarantine lie."""
    settings: Settings
    tables: dict[str, LoadedTable]
    findings: tuple[Finding, ...]
    inputs: dict[str, str]
    """File name → SHA-256."""
    fingerprint: str
    """Of the inputs and of the settings."""
    key_id: str = ""
    """Of the secret key under which the quarantine has pseudonyms; empty: there was none."""

    @property
    def title(self) -> str:
        """Whose data this is."""
        return self.settings.title or Path(self.folder).name


def resolve_as_of(loaded: Loaded, as_of: str) -> str:
    """The last day observed, as an ISO date on the source's clock: as given, else the last order or message.

    Rows later than today are no evidence of when the data end, so without a date today is the latest it can be.

    Raises:
        DataError: the date given lies before the first order.
    """
    if as_of:
        first = loaded.tables["orders"].first
        if first and as_of < first:
            raise DataError(f"as_of {as_of}: the first order is of {first}; choose a later day")
        return as_of
    today = dt.datetime.now(zoneinfo.ZoneInfo(loaded.settings.timezone)).date().isoformat()
    days = [table.last for name in ("orders", "messages") if (table := loaded.tables.get(name)) and table.last]
    return min(max(days), today)
