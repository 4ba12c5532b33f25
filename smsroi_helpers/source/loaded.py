"""The result of reading a source: its tables as parquet, the findings, and the last day observed."""

import dataclasses
import datetime as dt
import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from smsroi_helpers import contract
from smsroi_helpers.errors import DataError
from smsroi_helpers.source.settings import Settings

__all__ = [
    "GUEST_ORDERS",
    "Finding",
    "Loaded",
    "LoadedTable",
    "finding_of",
    "from_record",
    "last_day_seen",
    "resolve_as_of",
    "to_record",
]


GUEST_ORDERS = "guest_orders.parquet"
"""File of the guests' orders: order_id, ordered_at, amount; missing without guests."""


@dataclass(frozen=True)
class Finding:
    """One problem or remark found while reading, and its remedy."""

    table: str
    column: str
    rule: str
    severity: Literal["error", "warning", "note", "stated"]
    """`error`: rows were rejected; `stated`: rows that the mapping itself excludes and declares."""
    rows: int
    share: float | None
    """Share of the table's rows, 0–1; None if the total is unknown."""
    remedy: str
    values: dict[str, str] = field(default_factory=dict)
    """Values of the placeholders in `remedy`, which is translated before they are filled in."""

    @property
    def filled_remedy(self) -> str:
        """The remedy in English."""
        return self.remedy.format(**self.values) if self.values else self.remedy


def finding_of(
    table: str,
    column: str,
    rule: str,
    rows: int,
    of_rows: int | None = None,
    severity: Literal["warning", "note"] = "note",
    **values: str,
) -> Finding:
    """Return a finding of `contract.READING`.

    Args:
        table: name of the table, or of the file.
        column: empty if it concerns none.
        rule: key of `contract.READING`.
        rows: number of rows concerned.
        of_rows: number of the table's rows; None if unknown.
        severity: kind of the finding.
        **values: of the placeholders in the remedy.
    """
    share = rows / of_rows if of_rows else None
    return Finding(table, column, rule, severity, rows, share, contract.READING[rule], values)


@dataclass(frozen=True)
class LoadedTable:
    """One table after reading."""

    name: str
    paths: tuple[str, ...]
    """Parquet files with the contract's types."""
    columns: tuple[str, ...]
    rows_in: int
    """Rows read."""
    rows_out: int
    """Rows that passed validation."""
    first: str | None
    """First day of the table's event time, in the source's time zone; None if the table has no event time."""
    last: str | None
    merged: int = 0
    """Rows that were merged into others, such as billing segments of one message; they are not in `rows_out`."""
    last_seen: str | None = None
    """Last day that was really observed: not after today, and not only of scheduled sends (no event has followed them);
    None if there is none."""
    guests: int = 0
    """Rows of customers without an identity, which are left out."""


@dataclass(frozen=True)
class Loaded:
    """A source that has been read and validated."""

    folder: str
    output_folder: str
    """Folder of the typed tables and the quarantine."""
    settings: Settings
    tables: dict[str, LoadedTable]
    findings: tuple[Finding, ...]
    inputs: dict[str, str]
    """File name → SHA-256."""
    fingerprint: str
    """SHA-256 of the inputs and the settings."""
    key_id: str = ""
    """Identifies the secret key of the pseudonyms in the tables or the quarantine; empty if there are none."""

    @property
    def title(self) -> str:
        """The title shown on pages."""
        return self.settings.title or Path(self.folder).name


def resolve_as_of(loaded: Loaded, as_of: str) -> str:
    """Return the last day observed (ISO date, the source's time zone): as given, else the last order or message.

    The default is never later than today, and scheduled sends do not count: `LoadedTable.last_seen`.

    Raises:
        DataError: the given date is before the first order; without a table orders, before the first message.
    """
    if as_of:
        name, event = ("orders", "order") if "orders" in loaded.tables else ("messages", "message")
        first = loaded.tables[name].first
        if first and as_of < first:
            raise DataError(f"as_of {as_of} is before the first {event} ({first}); choose a later day")
        return as_of
    return last_day_seen(loaded.tables, loaded.settings.timezone)


def last_day_seen(tables: Mapping[str, LoadedTable], zone: str) -> str:
    """Return the last day of an order or a message that shows what was observed, but not later than today (ISO).

    Args:
        tables: the tables read.
        zone: time zone of the source.
    """
    today = dt.datetime.now(zoneinfo.ZoneInfo(zone)).date().isoformat()
    found = [tables[name] for name in ("orders", "messages") if name in tables]
    days = [day for table in found if (day := table.last_seen or table.last)]
    return min(max(days), today) if days else today


def to_record(loaded: Loaded) -> dict[str, Any]:
    """Return a loaded source as JSON values."""
    return {**dataclasses.asdict(loaded), "settings": loaded.settings.model_dump()}


def from_record(record: dict[str, Any], output_folder: Path) -> Loaded:
    """Return the loaded source of `to_record`.

    Args:
        record: the result of `to_record`.
        output_folder: where the folder of the typed tables is now.
    """
    before = Path(record["output_folder"])

    def path(text: str) -> str:
        file = Path(text)  # tables that are parquet already stay where they are
        return str(output_folder / file.relative_to(before)) if file.is_relative_to(before) else text

    def table(entry: dict[str, Any]) -> LoadedTable:
        paths = tuple(path(text) for text in entry["paths"])
        return LoadedTable(**{**entry, "paths": paths, "columns": tuple(entry["columns"])})

    return Loaded(
        **{
            **record,
            "output_folder": str(output_folder),
            "settings": Settings(**record["settings"]),
            "tables": {name: table(entry) for name, entry in record["tables"].items()},
            "findings": tuple(Finding(**entry) for entry in record["findings"]),
        }
    )
