"""Read a source once: decode, map, type and validate its tables, and record the findings.

`load` writes typed parquet with instants in UTC. A parquet file that already has these types is used in place.
"""

import dataclasses
import datetime as dt
import hashlib
import json
import shutil
import zoneinfo
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import filelock
import ibis
import ibis.expr.types as ir

from smsroi_helpers import contract
from smsroi_helpers.engine import EngineError, create_view, local_time
from smsroi_helpers.errors import DataError, StorageError, reason_of, shown_value
from smsroi_helpers.source import files as source_files
from smsroi_helpers.source import pseudonym_key, read_before
from smsroi_helpers.source import settings as source_settings
from smsroi_helpers.source.clocks import find_future, find_other_clocks, find_scheduled
from smsroi_helpers.source.columns import TableColumns, find_columns, has_contract_types
from smsroi_helpers.source.currencies import ShownCurrency, decide_currency
from smsroi_helpers.source.guests import GUEST_ID, GUESTS, GUESTS_REMEDY
from smsroi_helpers.source.header import LINE
from smsroi_helpers.source.identities import join_people
from smsroi_helpers.source.loaded import GUEST_ORDERS, Finding, Loaded, LoadedTable, finding_of
from smsroi_helpers.source.merge import merge_rows
from smsroi_helpers.source.open import TEXT, RawTable, TornFile, open_tables
from smsroi_helpers.source.people import refuse_personal_ids
from smsroi_helpers.source.quarantine import rejected_rows, write_quarantine
from smsroi_helpers.source.settings import Settings
from smsroi_helpers.source.time_zones import country_of_zone
from smsroi_helpers.source.types import read_id, spreadsheet_ids, trimmed, type_columns

__all__ = [
    "load",
]


def load(data: str | Path, output_folder: str | Path, max_rejected_share: float = 0.01) -> Loaded:
    """Read and validate a source; write typed parquet, a quarantine and `source.json` to `output_folder`.

    A second call for unchanged files (same sizes and times) reads only `source.json`, also where `output_folder` has
    been moved; on a later day only if no time lay in the future. If the environment has a secret
    key (`pseudonym_key.find_key`), the quarantine identifies each row by a pseudonym of its key.

    Args:
        data: folder of the source, relative to the project's root.
        output_folder: folder of the typed tables, normally `<run_dir>/.loaded`.
        max_rejected_share: largest share (0–1) of a table's rows that may be rejected; above it the source is refused.

    Raises:
        DataError: a table cannot be read, lacks a required column, has no rows, breaks a table rule, or has too many
            rejected rows.
        UsageError: the secret key cannot be used, or `pseudonymise: true` needs one that is not set.
        StorageError: a file cannot be read or written.
    """
    folder, output_folder = source_files.source_folder(data), Path(output_folder)
    settings = source_settings.read_settings(folder)
    key = pseudonym_key.key_for_source(folder, needed=settings.pseudonymise)
    try:
        output_folder.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(output_folder / ".lock"):
            state = read_before.state_of(folder, settings, max_rejected_share, pseudonym_key.key_id(key))
            if known := read_before.recall(output_folder, state, settings):
                return known
            day = read_before.today(settings)
            try:
                loaded = _SourceReader(folder, output_folder, settings, max_rejected_share, key).read()
            finally:
                shutil.rmtree(output_folder / TEXT, ignore_errors=True)
            read_before.note(output_folder, state, day, loaded)
            return loaded
    except OSError as error:
        raise StorageError(f"data {Path(data).name}: {error.strerror or error}") from None


class _SourceReader:
    """Reads one source."""

    def __init__(
        self, folder: Path, output_folder: Path, settings: Settings, max_rejected_share: float, key: bytes | None
    ) -> None:
        self._folder, self._output_folder, self._settings = folder, output_folder, settings
        self._max_rejected_share = max_rejected_share
        self._key = key
        self._findings: list[Finding] = []
        self._currencies: list[ShownCurrency] = []
        self._valid_tables: dict[str, ir.Table] = {}

    def read(self) -> Loaded:
        """Read every table, in the contract's order: a table's rules use only tables before it."""
        (self._output_folder / GUEST_ORDERS).unlink(missing_ok=True)
        opened = open_tables(self._folder, self._output_folder, self._settings)
        self._con = opened.con
        self._log = (
            "orders" if "orders" in opened.tables else "messages"
        )  # without a row of it there is nothing to read
        self._findings += opened.declared_exclusions + opened.findings
        self._add_torn_files(opened.torn)
        self._people, said = join_people(opened, self._settings, self._output_folder / TEXT, self._key)
        self._findings += said
        tables: dict[str, LoadedTable] = {}
        quarantine: list[ir.Table] = []
        for name in contract.TABLES:
            if name in opened.tables:
                try:
                    tables[name], rejected = self._validate(contract.TABLES[name], opened.tables[name])
                    self._valid_tables[name] = self._con.read_parquet(
                        list(tables[name].paths), table_name=f"good_{name}"
                    )
                except EngineError as error:
                    reason = reason_of(error)
                    raise DataError(f"table {name}: cannot be read: {reason}; correct it or export it again") from None
                quarantine += [rejected] if rejected is not None else []
        zone = self._settings.timezone
        self._findings += merge_rows(self._con, tables, self._valid_tables, self._output_folder, zone)
        self._check_tables()
        self._findings += find_other_clocks(self._valid_tables, zone)
        self._findings += find_scheduled(tables, self._valid_tables, zone)
        self._findings += find_future(tables, zone)
        settings = self._with_currency()
        has_pseudonyms = self._settings.pseudonymise
        finding = write_quarantine(quarantine, self._output_folder, self._key, has_pseudonyms=has_pseudonyms)
        if finding is not None:
            self._findings.append(finding)
        self._con.disconnect()
        inputs = source_files.fingerprint_inputs(self._folder)
        identity = json.dumps([inputs, settings.model_dump()], sort_keys=True)
        return Loaded(
            folder=str(self._folder),
            output_folder=str(self._output_folder),
            settings=settings,
            tables=tables,
            findings=tuple(self._findings),
            inputs=inputs,
            fingerprint=hashlib.sha256(identity.encode()).hexdigest(),
            key_id=pseudonym_key.key_id(self._key) if has_pseudonyms or quarantine else "",
        )

    def _with_currency(self) -> Settings:
        """Return the settings with the currency that the amounts show, if source.yml names none."""
        place = country_of_zone(self._settings.timezone)
        countries = (self._settings.country, self._people.country, place)
        currency, said = decide_currency(self._currencies, self._settings, countries)
        if said is None:
            return self._settings
        self._findings.append(said)
        return self._settings.model_copy(update={"currency": currency})

    # --- validation --------------------------------------------------------------------------------------------------

    def _validate(self, table: contract.Table, raw: RawTable) -> tuple[LoadedTable, ir.Table | None]:
        """Type and validate one table. Return the valid table, and the rejected rows (None if there are none)."""
        columns = find_columns(table, raw.rows, self._settings, self._people.plain_columns(table.name))
        self._findings += columns.findings
        self._currencies += columns.currencies
        raw = dataclasses.replace(raw, rows=columns.answers.rows)
        validated = self._validated_rows(table, raw, columns)
        typed = validated if raw.files else self._keep_typed(table, validated, columns)
        counts = self._count_faults(typed, columns.times)
        valid = next((count for count in counts if count["fault"] is None), None)
        rows_in, rows_out = sum(count["rows"] for count in counts) + len(raw.ragged), valid["rows"] if valid else 0
        if rows_in == 0:
            raise DataError(f"table {table.name}: no rows; delete the file if there are no data")
        faults = _faults_of(counts, raw.ragged)
        guests = faults.pop(GUEST_ID, 0)
        self._add_errors(table, faults, rows_in)
        self._refuse_too_many(table, faults, rows_in, validated, raw.ragged)
        self._add_guests(table, typed, guests, rows_in)
        if not self._settings.pseudonymise:
            refuse_personal_ids(self._people, table.name)
        self._add_unread_columns(table, set(raw.rows.columns) - set(columns.read), rows_in)
        if valid and (rows := valid["as_spreadsheet"]):
            self._findings.append(finding_of(table.name, "", "ids as a spreadsheet writes them", rows, rows_in))
        if valid:
            self._add_ambiguous_times(table, {name: valid[f"fold__{name}"] for name in columns.times}, rows_in)
        unchanged = rows_out == rows_in and not columns.emptied and not any(count["altered"] for count in counts)
        paths = self._valid_row_files(table, raw, typed, columns, unchanged=unchanged)
        first, last, seen = (_day(valid[name]) if valid else None for name in ("first", "last", "seen"))
        loaded = LoadedTable(
            table.name, paths, tuple(columns.kept), rows_in, rows_out, first, last, last_seen=seen, guests=guests
        )
        if rows_out + guests == rows_in:
            return loaded, None
        if "line" not in validated.columns:
            validated = self._validated_rows(table, raw, columns, with_line=True)
        return loaded, rejected_rows(table, validated, raw.ragged)

    def _valid_row_files(
        self, table: contract.Table, raw: RawTable, typed: ir.Table, columns: TableColumns, *, unchanged: bool
    ) -> tuple[str, ...]:
        """Return the parquet files of the valid rows: the original files if nothing changes, else a new file."""
        ready = unchanged and raw.files
        if (
            ready
            and not columns.dates
            and has_contract_types(raw.rows, columns.present, columns.kept, self._settings.timezone)
        ):
            return tuple(str(file) for file in raw.files)
        target = self._output_folder / f"{table.name}.parquet"
        typed.filter(typed.fault.isnull()).select(columns.kept).to_parquet(target)
        return (str(target),)

    def _validated_rows(
        self, table: contract.Table, raw: RawTable, columns: TableColumns, *, with_line: bool = False
    ) -> ir.Table:
        """Return the rows with types and faults. Numbering the rows of parquet costs a pass, so it is optional."""
        zone = self._settings.timezone
        raw_rows, typed = type_columns(
            raw.rows, columns.present, zone, midnights_are_dates=columns.dates, forms=columns.forms
        )
        texts = [c.name for c in columns.present if c.kind in ("id", "text") and raw_rows[c.name].type().is_string()]
        rewritten = [column for column in columns.present if column.name not in columns.plain]
        values = {name: column.value for name, column in typed.items()}
        if columns.answers.columns:
            filled = dataclasses.replace(columns.answers, rows=raw_rows)
            values |= {name: filled.fill(name, values[name], values["sent_at"], zone) for name in filled.columns}
        has_repeated_keys = bool(table.key) and _has_duplicates(
            raw.rows.select(**{n: raw.rows[n] if n in columns.plain else read_id(raw.rows[n]) for n in table.key})
        )
        rows = raw_rows.select(
            **values,
            **{name: raw_rows[name] for name in columns.attributes},
            # For text columns the typed value is the raw one without blanks and zero-width characters.
            **{
                contract.raw_name(n): values[n] if n in texts else _blank_as_null(raw_rows[n], n in columns.plain)
                for n in typed
            },
            **{contract.gap_name(name): typed[name].in_gap for name in columns.times},
            **{f"fold__{name}": typed[name].in_fold for name in columns.times},
            as_spreadsheet=ibis.or_(ibis.literal(False), *spreadsheet_ids(raw_rows, values, rewritten)),
            altered=ibis.or_(
                ibis.literal(False),
                *(~raw_rows[c.name].identical_to(values[c.name]) for c in rewritten if c.name in texts),
            ),
            **({contract.SPELLING: raw_rows[contract.SPELLING]} if contract.SPELLING in raw_rows.columns else {}),
            **({"line": _line_numbers(raw)} if with_line or has_repeated_keys or not raw.files else {}),
        )
        validated = contract.validate_rows(rows, table, self._valid_tables, has_repeated_keys=has_repeated_keys)
        if self._people.guests and "customer_id" in columns.kept:
            guest = validated.fault.isnull() & (validated.customer_id == GUEST_ID)
            validated = validated.mutate(fault=ibis.ifelse(guest, GUEST_ID, validated.fault))
        event_time_values = validated[table.event_time] if table.event_time in typed else ibis.null("timestamp")
        validated = validated.mutate(happened=event_time_values)
        # A view: the long query is written once, not for each use of the rows.
        return create_view(self._con, f"validated__{table.name}", validated)

    def _keep_typed(self, table: contract.Table, validated: ir.Table, columns: TableColumns) -> ir.Table:
        """Compute the typed columns of a text once, for they are counted and written; return them with their faults."""
        names = [
            *columns.kept,
            "fault",
            "happened",
            "altered",
            "as_spreadsheet",
            *(f"fold__{n}" for n in columns.times),
        ]
        file = self._output_folder / TEXT / f"{table.name}__typed.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        validated.select(names).to_parquet(file)
        return self._con.read_parquet(file, table_name=f"typed__{table.name}")

    def _count_faults(self, validated: ir.Table, times: list[str]) -> list[dict[str, Any]]:
        """Count by fault: rows, first, last and last observed day, and ambiguous local times."""
        folds = {f"fold__{name}": validated[f"fold__{name}"].cast("int64").sum() for name in times}
        by_fault = validated.group_by("fault").aggregate(
            rows=validated.count(),
            altered=validated.altered.cast("int64").sum(),
            as_spreadsheet=validated.as_spreadsheet.cast("int64").sum(),
            first=validated.happened.min(),
            last=validated.happened.max(),
            seen=self._last_seen(validated),
            **folds,
        )
        days = {name: local_time(by_fault[name], self._settings.timezone) for name in ("first", "last", "seen")}
        by_fault = by_fault.mutate(**days)
        found: list[dict[str, Any]] = by_fault.order_by("fault").to_pyarrow().to_pylist()
        return found

    def _last_seen(self, rows: ir.Table) -> ir.TimestampScalar:
        """The last time observed: not after today, and of messages one that something followed, if anything did."""
        zone = zoneinfo.ZoneInfo(self._settings.timezone)
        tomorrow = dt.datetime.combine(dt.datetime.now(zone).date() + dt.timedelta(days=1), dt.time(), zone)
        past = rows.happened < ibis.literal(tomorrow.astimezone(dt.UTC).replace(tzinfo=None))
        last = rows.happened.max(where=past)
        if "delivered_at" not in rows.columns:
            return last
        followed = ibis.or_(*(rows[name].notnull() for name in contract.EVENTS_AFTER if name in rows.columns))
        return ibis.coalesce(rows.happened.max(where=past & followed), last)

    def _add_errors(self, table: contract.Table, faults: dict[str, int], rows_in: int) -> None:
        for fault, count in sorted(faults.items()):
            column, rule = contract.fault_parts(fault)
            remedy = contract.remedy_for(fault, table)
            self._findings.append(Finding(table.name, column, rule, "error", count, count / rows_in, remedy))

    def _add_torn_files(self, torn: list[TornFile]) -> None:
        """Add an error for each file behind a mapping with rows that cannot be read.

        Raises:
            DataError: there are too many.
        """
        for file in torn:
            share, fault = len(file.lines) / file.rows, contract.WRONG_FIELDS
            remedy = contract.remedy_for(fault, contract.TABLES[self._log])
            if share > self._max_rejected_share:
                limit = f"above max_rejected_share {self._max_rejected_share:.1%}"
                raise DataError(
                    f"{file.name}: {len(file.lines):,} of {file.rows:,} rows ({share:.1%}) cannot be used, {limit}:"
                    f" {fault}{_first_line(fault, file.lines)}: {remedy}"
                )
            self._findings.append(Finding(file.name, "", fault, "error", len(file.lines), share, remedy))

    def _add_unread_columns(self, table: contract.Table, names: set[str], rows_in: int) -> None:
        """Add a note for each column that is not in the contract."""
        remedy = "the column is not read"
        self._findings += [
            Finding(table.name, shown_value(name), "not in the contract", "note", rows_in, 1.0, remedy)
            for name in sorted(names - {LINE, contract.SPELLING})
        ]

    def _add_ambiguous_times(self, table: contract.Table, ambiguous: dict[str, int], rows_in: int) -> None:
        """Add a warning for each column with ambiguous local times (shown twice when the clock is set back)."""
        remedy = "the clock was set back, so this time is ambiguous; write times with their offset"
        self._findings += [
            Finding(table.name, name, "time shown twice", "warning", rows, rows / rows_in, remedy)
            for name, rows in ambiguous.items()
            if rows
        ]

    def _add_guests(self, table: contract.Table, validated: ir.Table, guests: int, rows_in: int) -> None:
        """Add a finding for rows of customers without an identity; keep guests' orders for their count and revenue."""
        if not guests:
            return
        self._findings.append(Finding(table.name, "customer_id", *GUESTS, guests, guests / rows_in, GUESTS_REMEDY))
        if table.name == "orders":
            if guests == rows_in:
                raise DataError(f"table orders, column customer_id: every order is a guest's; {GUESTS_REMEDY}")
            orders = validated.filter(validated.fault == GUEST_ID).select("order_id", "ordered_at", "amount")
            orders.to_parquet(self._output_folder / GUEST_ORDERS)

    def _refuse_too_many(
        self, table: contract.Table, faults: dict[str, int], rows_in: int, validated: ir.Table, ragged: list[int]
    ) -> None:
        rejected_rows = sum(faults.values())
        none_left = rejected_rows == rows_in and table.name == self._log
        if rejected_rows <= self._max_rejected_share * rows_in and not none_left:
            return
        worst = max(faults, key=lambda fault: faults[fault])
        column, rule = contract.fault_parts(worst)
        where = f"column {column}, {rule}" if column else rule
        example = _example(validated, worst) or _first_line(worst, ragged)
        limit = "so no row is left" if none_left else f"above max_rejected_share {self._max_rejected_share:.1%}"
        raise DataError(
            f"table {table.name}: {rejected_rows:,} of {rows_in:,} rows ({rejected_rows / rows_in:.1%}) cannot be used,"
            f" {limit}; most: {where} in {faults[worst]:,} rows{example}:"
            f" {contract.remedy_for(worst, table)}"
        )

    def _check_tables(self) -> None:
        for rule in contract.TABLE_RULES:
            if set(rule.needs) <= set(self._valid_tables):
                groups = rule.broken(self._valid_tables).order_by("name").limit(3).to_pyarrow().to_pylist()
                if groups:
                    examples = "; ".join(
                        f"{shown_value(group['name'])}: {shown_value(group['found'])}" for group in groups
                    )
                    raise DataError(
                        f"table {rule.table}, column {rule.column}: {rule.code} ({examples}); {rule.remedy}"
                    )


def _example(validated: ir.Table, fault: str) -> str:
    """Return the most frequent value of those that cannot be read, for a message; empty for other faults."""
    column, rule = contract.fault_parts(fault)
    if rule != "unreadable":
        return ""
    values = validated.filter(validated.fault == fault)[contract.raw_name(column)].cast("string").name("value")
    counted = values.as_table().group_by("value").aggregate(n=ibis._.count())
    first = counted.order_by(ibis.desc("n"), "value").limit(1).to_pyarrow()["value"].to_pylist()
    return f", such as {shown_value(first[0], 40)}" if first and first[0] else ""


def _first_line(fault: str, ragged: Sequence[int]) -> str:
    """Return the line of the first row with a wrong number of fields, for a message; empty for other faults."""
    return f", the first in line {min(ragged)}" if fault == contract.WRONG_FIELDS and ragged else ""


def _faults_of(counts: list[dict[str, Any]], ragged: list[int]) -> dict[str, int]:
    """Return the number of rows by fault."""
    faults = {str(count["fault"]): int(count["rows"]) for count in counts if count["fault"] is not None}
    return faults | ({contract.WRONG_FIELDS: len(ragged)} if ragged else {})


def _has_duplicates(names: ir.Table) -> bool:
    """Whether any value occurs more than once."""
    counts = names.group_by(names.columns).aggregate(rows__=ibis._.count())
    return bool(counts.filter(counts.rows__ > 1).limit(1).count().to_pyarrow().as_py())


def _line_numbers(raw: RawTable) -> ir.IntegerValue:
    """Return the row number in the file; null for query results, whose order is not defined."""
    if LINE in raw.rows.columns and raw.rows[LINE].type().is_integer():
        return raw.rows[LINE].cast("int64")
    return ibis.row_number() + 1 if raw.files else ibis.null("int64")


def _blank_as_null(value: ir.Value, is_plain: bool) -> ir.Value:
    if not value.type().is_string():
        return value
    return value.nullif("") if is_plain else trimmed(value)


def _day(moment: dt.datetime | None) -> str | None:
    return None if moment is None else str(moment.date())
