"""Make a source of platforms' exports: recognise the files, fill in the mappings, and say what was assumed."""

import functools
import tempfile
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pydantic

from smsroi_helpers import contract
from smsroi_helpers.engine import Connection, EngineError, connect
from smsroi_helpers.errors import DataError, UsageError, complaint, reason_of, redact, shortened, shown_value
from smsroi_helpers.source.dates import count_orders, country_order, decide_order
from smsroi_helpers.source.exports.assumptions import (
    Assumption,
    Clues,
    assume_country,
    assume_currency,
    assume_timezone,
    calling_codes,
)
from smsroi_helpers.source.exports.earlier import EarlierExport, earlier_exports
from smsroi_helpers.source.exports.imported import Imported, ImportedFile
from smsroi_helpers.source.exports.layouts import KINDS, Layout, Match, layout_of
from smsroi_helpers.source.exports.part_files import SHOPS, PartFiles, note_without_orders, note_without_texts
from smsroi_helpers.source.exports.recognised import read_export
from smsroi_helpers.source.exports.templates import (
    ExportFile,
    combine,
    fill_template,
    instant_of,
    read_rows,
    sql_text,
    usual_form,
)
from smsroi_helpers.source.exports.written import SourceFiles, existing_settings, write_source
from smsroi_helpers.source.mappings import provide_settings, recorded_rows
from smsroi_helpers.source.no_value import NO_VALUE
from smsroi_helpers.source.settings import Settings, resolve_path

__all__ = ["import_exports"]

_SAMPLE = 500
_PERSONAL = ("phone", "billing_phone", "shipping_phone", "email", "recipient")
"""Columns of the templates with telephone numbers or e-mail addresses."""
_NUMBERS = (*_PERSONAL[:3], "recipient", "order_no", "id", "serial")
"""Columns with long numbers, which a spreadsheet rounds."""
_NOT_ALWAYS = ("cost", "segments", "delivered_at", "opened_at", "clicked_at", "replied_at", "opted_out_at")
"""Columns of messages that are unknown if one of several exports lacks them."""
_STATED: tuple[str, ...] = ("timezone", "country", "currency", "encoding")
_NAME_COUNTRY = "name the country: --country US (the month first) or --country GB (the day first)"
_UNREADABLE = 0.01
"""Largest share of rows or times that may be unreadable; above it the export is refused."""


def import_exports(
    named: Sequence[tuple[str, Path]], to: str | Path, *, given: Mapping[str, str] | None = None, force: bool = False
) -> Imported:
    """Write a source over exports of platforms.

    Args:
        named: kind (empty: recognised by the columns) and path of each file; of an order in several, the last counts.
        to: folder of the source, relative to the project's root.
        given: settings that the user states: timezone, country, currency, encoding.
        force: overwrite mappings, `source.yml` and the parameter file. Other settings of `source.yml` are kept.

    Raises:
        UsageError: a file is not recognised, or a file exists and `force` is not set.
        DataError: a file cannot be read, or has no order that counts.
        StorageError: the folder cannot be written.
    """
    target = resolve_path(to)
    kept = existing_settings(target, force=force)
    now = {name: value for name, value in (given or {}).items() if value}
    earlier = {name: str(kept[name]) for name in _STATED if name in kept and name not in now}
    stated = earlier | now
    _check_settings(stated)
    with tempfile.TemporaryDirectory(prefix="smsroi-import-") as place:
        reader = _Importer(Path(place), target, stated, encoding=stated.get("encoding", ""))
        reader.earlier = frozenset(earlier)
        reader.sheets = dict(kept.get("sheets") or {})
        try:
            new = {file.expanduser().resolve() for _kind, file in named}
            reader.add_earlier(earlier_exports(kept, target), new)
            for kind, file in named:
                reader.add(kind, file)
            made = reader.finish()
        except EngineError as error:
            raise DataError(f"the exports cannot be mapped: {reason_of(error)}") from None
        finally:
            reader.con.disconnect()
    kept |= {"encoding": stated["encoding"]} if "encoding" in stated else {}
    kept |= {"sheets": reader.sheets} if reader.sheets else {}
    parameter_file, is_new = write_source(target, made.source, kept, force=force)
    return Imported(
        target, tuple(made.files), made.assumed, tuple(made.notes), made.tables, made.left_out,
        made.source.pseudonymise, parameter_file, is_new,
    )  # fmt: skip


def _check_settings(stated: Mapping[str, str]) -> None:
    try:
        Settings(**stated)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"{first['loc'][0]}: {complaint(first['msg'])}") from None


@dataclass
class _Made:
    """What the exports give."""

    files: list[ImportedFile]
    assumed: tuple[Assumption, ...]
    notes: list[str]
    tables: dict[str, int]
    left_out: dict[str, int]
    source: SourceFiles


class _Importer:
    """Reads the exports, and fills in the templates."""

    def __init__(self, place: Path, target: Path, stated: Mapping[str, str], encoding: str) -> None:
        self._place, self._target, self._stated, self._encoding = place, target, stated, encoding
        self.con: Connection = connect(place)
        self._parts: dict[str, PartFiles] = {}
        self._paths: dict[str, Path] = {}
        self._files: list[ImportedFile] = []
        self._notes: list[str] = []
        self.as_named: dict[Path, str] = {}
        """File → path as an earlier source.yml has it."""
        self.sheets: dict[str, str] = {}
        """Workbook → sheet that is read, where it is not the first."""
        self.earlier: frozenset[str] = frozenset()
        """Settings of an earlier source.yml."""

    def add_earlier(self, exports: Sequence[EarlierExport], named: Collection[Path]) -> None:
        """Read the exports that an earlier import named, before the new ones, so that nothing of them is lost.

        Args:
            exports: of `earlier_exports`.
            named: files that are named now.

        Raises:
            UsageError: one is not there any more.
        """
        for export in exports:
            self.as_named[export.file] = export.path
            if export.file in named or export.file in self._paths.values():
                continue
            said = "to leave it out, take it out of `files` in source.yml"
            if not export.file.is_file():
                raise UsageError(f"{export.file.name}, which the earlier import read, is not there any more: {said}")
            self._notes.append(f"{export.file.name}: read again; {said}")
            self.add(export.kind, export.file)

    def add(self, kind: str, file: Path) -> None:
        """Read and recognise one file."""
        path = file.expanduser().resolve()
        if not path.is_file():
            raise UsageError(f"no file {file.name} at that path; correct it")
        if path in self._paths.values():
            raise UsageError(f"{file.name} is named twice")
        if path.parent == self._target and path.name.split(".")[0].lower() in contract.TABLES:
            raise UsageError(
                f"{file.name} is in the folder of the source, where its name means a table of the contract; rename it"
            )
        raw = self._place / f"{len(self._paths)}.parquet"
        read = read_export(self.con, path, raw, kind, self._encoding, self.sheets.get(path.name, ""))
        if read.sheet:
            self.sheets[path.name] = read.sheet
        self._notes += [f"{finding.table}: {finding.rule}: {finding.filled_remedy}" for finding in read.findings]
        rows, headings, match = read.rows, read.headings, read.match
        part = self._parts.setdefault(match.part.name, PartFiles(layout_of(match.part.kind), match.part))
        number = len(part.files) + 1
        alias = f"{match.part.name}_file" + (f"_{number}" if number > 1 else "")
        self.con.create_view(alias, rows, overwrite=True)
        part.files.append(ExportFile(alias, match.found))
        self._paths[alias] = path
        used = tuple(name for name in headings if name in match.found.values())
        not_used = tuple(name for name in headings if name not in used)
        n = int(rows.count().execute())
        if read.ragged:
            place, share = redact(shortened(path.name)), len(read.ragged) / (n + len(read.ragged))
            first = f"the first in line {read.ragged[0]}"
            said = f"{place}: {len(read.ragged):,} rows have the wrong number of fields, {first}"
            if share > _UNREADABLE:
                raise DataError(f"{said} ({share:.1%}); quote fields that contain the delimiter, or export again")
            self._notes.insert(0, f"{said}, and are left out")
        self._files.append(ImportedFile(path.name, _title(part.layout, match), n, used, not_used))

    def finish(self) -> _Made:
        """Fill in the templates, and run them once.

        Raises:
            DataError: no order is left.
        """
        parts = sorted(self._parts.values(), key=lambda entry: KINDS.index(entry.part.kind))
        assumed = self._assume(parts)
        values = {assumption.name: assumption.value for assumption in assumed}
        settings = {"zone": values["timezone"]}
        provide_settings(self.con, values["timezone"], values["currency"])
        for entry in parts:
            entry.year_last = self._decide_order(entry, values["country"])
            self._look_for_unreadable_times(entry, values["timezone"])
        mappings = self._helpers(parts, settings, values["country"])
        tables: dict[str, int] = {}
        for table in (*contract.TABLES, "exclusions"):
            query = self._mapping(table, parts, settings, values["currency"])
            recorded = self._recorded(table, query) if query else set()
            if query and ((rows := self._count(query)) or table == "exclusions" or not recorded):
                mappings[table] = query
                if recorded:
                    tables[table] = rows
        left_out = self._left_out(mappings.get("exclusions", ""))
        tables.pop("exclusions", None)
        if said := note_without_orders(parts, tables, left_out):
            self._notes.append(said)
        if said := note_without_texts(parts, tables, left_out):
            self._notes.insert(0, said)
        for layout in {entry.layout.kind: entry.layout for entry in parts}.values():
            self._notes += [f"{layout.title}: {text}" for text in layout.assumes]
            self._notes.append(f"{layout.title}: not verified: {layout.not_verified}")
        self._notes += [note for entry in parts for note in self._unknown_words(entry)]
        self._notes[:0] = [note for entry in parts for note in self._rounded_numbers(entry)]
        costs = "messages" in mappings and "cost" in self._recorded("messages", mappings["messages"])
        personal = any(entry.found & set(_PERSONAL) for entry in parts)
        paths = {alias: (file, self.as_named.get(file, "")) for alias, file in self._paths.items()}
        source = SourceFiles(mappings, assumed, paths, personal, has_costs=costs or "messages" not in mappings)
        return _Made(self._files, assumed, self._notes, tables, left_out, source)

    # --- settings ----------------------------------------------------------------------------------------------------

    def _assume(self, parts: Sequence[PartFiles]) -> tuple[Assumption, ...]:
        clues = Clues()
        for entry in parts:
            if not clues.fixed and entry.layout.settings:
                clues.fixed, clues.platform = entry.layout.settings, entry.layout.kind
            for column in entry.found:
                if column in (*entry.part.times, *entry.part.instants) and not entry.part.utc:
                    if not clues.times:
                        clues.times_heading = entry.files[0].found.get(column, column)
                    clues.times += self._sample(entry, column)
                elif column == "currency":
                    clues.currencies += self._counts(entry, column)
                elif column == "country":
                    clues.countries += self._counts(entry, column)
                elif column in ("total", "paid", "value"):
                    clues.amounts += self._sample(entry, column)
                elif column in _PERSONAL and column != "email":
                    clues.phones += self._sample(entry, column)
        country = assume_country(clues, self._stated)
        currency = assume_currency(clues, self._stated, country.value)
        made = (assume_timezone(clues, self._stated, country.value), country, currency)
        return tuple(replace(one, reason="as in source.yml") if one.name in self.earlier else one for one in made)

    def _decide_order(self, entry: PartFiles, country: str) -> str:
        """Return whether the day or the month comes first in the dates that the templates compare.

        Raises:
            DataError: nothing tells.
        """
        columns = sorted(entry.found & set(entry.part.instants))
        orders = count_orders(self.con.sql(self._rows(entry, *columns)), columns) if columns else {}
        decided = {
            decide_order(f"{entry.layout.title}, column {entry.heading(column)}", order, country, _NAME_COUNTRY)
            for column, order in orders.items() if order.day_first or order.month_first or order.open
        }  # fmt: skip
        if len(decided) > 1:
            raise DataError(
                f"{entry.layout.title}: one column has the day first and another the month; write the year first"
            )
        return next(iter(decided), country_order(country) or "")  # a later export may have such dates

    def _look_for_unreadable_times(self, entry: PartFiles, timezone: str) -> None:
        """Note the times that the templates cannot read, with an example.

        Raises:
            DataError: there are too many.
        """
        zone = "UTC" if entry.part.utc else timezone
        for column in sorted(entry.found & set(entry.part.instants)):
            words = ", ".join(sql_text(word) for word in NO_VALUE)
            wrong = (
                f"{instant_of('usual', entry.part.utc)} IS NULL AND lower({column}) NOT IN ({words})"
                f" AND {column} NOT LIKE '0000-00-00%'"
            )
            query = (
                f"SELECT count({column}) AS n, count({column}) FILTER ({wrong}) AS bad,"
                f" mode({column}) FILTER ({wrong}) AS example FROM (SELECT {column},"
                f" {usual_form(column, zone, entry.year_last)} AS usual FROM ({self._rows(entry, column)}))"
            )
            (found,) = self._values(query)
            if found["bad"]:
                example = shown_value(found["example"], 40)
                said = (
                    f"{entry.layout.title}, column {entry.heading(column)}: {found['bad']:,} of {found['n']:,} times"
                    f" cannot be read, such as {example}"
                )
                if found["bad"] > _UNREADABLE * found["n"]:
                    raise DataError(f"{said}; write the year first, with an offset from UTC instead of a zone's name")
                self._notes.append(f"{said}; their rows are left out when the source is read")

    def _rounded_numbers(self, entry: PartFiles) -> Iterator[str]:
        """Yield a note on each column with numbers that a spreadsheet has rounded."""
        for column in sorted(entry.found & set(_NUMBERS)):
            rounded = f"regexp_matches({column}, {sql_text(contract.DAMAGED_ID)})"
            query = (
                f"SELECT count({column}) AS n, count({column}) FILTER ({rounded}) AS bad,"
                f" mode({column}) FILTER ({rounded}) AS example FROM ({self._rows(entry, column)})"
            )
            (found,) = self._values(query)
            if found["bad"]:
                example = shown_value(found["example"].split(" row ")[0], 40)
                yield (
                    f"{entry.layout.title}, column {entry.heading(column)}: a spreadsheet has rounded {found['bad']:,}"
                    f" of {found['n']:,} numbers, such as {example}; export again, and do not save the file in a"
                    " spreadsheet"
                )

    def _rows(self, entry: PartFiles, *columns: str) -> str:
        """Return the query of columns as text."""
        part = replace(entry.part, instants=(), times=(*entry.part.times, *entry.part.instants))
        return read_rows(part, entry.files, columns, "UTC")

    def _values(self, query: str) -> list[dict[str, Any]]:
        return self.con.sql(query).to_pyarrow().to_pylist()

    def _sample(self, entry: PartFiles, column: str) -> list[str]:
        query = (
            f"SELECT DISTINCT {column} AS v FROM ({self._rows(entry, column)}) WHERE {column} IS NOT NULL"
            f" ORDER BY hash({column}) LIMIT {_SAMPLE}"
        )
        return [row["v"] for row in self._values(query)]

    def _counts(self, entry: PartFiles, column: str) -> Counter[str]:
        query = (
            f"SELECT {column} AS v, count(*) AS n FROM ({self._rows(entry, column)}) WHERE {column} IS NOT NULL"
            f" GROUP BY 1 ORDER BY n DESC, v LIMIT {_SAMPLE}"
        )
        return Counter({row["v"]: row["n"] for row in self._values(query)})

    # --- mappings ----------------------------------------------------------------------------------------------------

    def _calling_codes(self, entry: PartFiles, country: str) -> dict[str, str]:
        """Return the setting of a template for national numbers of other countries, if the orders show any."""
        counts = self._counts(entry, "country") if "country" in entry.found and country else {}
        codes = calling_codes(counts, country)
        return {"calling_codes": codes} if codes else {}

    def _helpers(self, parts: Sequence[PartFiles], settings: dict[str, str], country: str) -> dict[str, str]:
        """Return the helper views of all parts, and compute them, since several mappings read each."""
        made = {
            name: fill_template(
                entry.layout, entry.part, name, entry.files,
                settings | {"year_last": entry.year_last} | self._calling_codes(entry, country),
            )
            for entry in parts for name in entry.part.helpers
        }  # fmt: skip
        for name, query in made.items():
            self.con.raw_sql(f'CREATE OR REPLACE TEMP TABLE "{name}" AS {query}')
        return made

    def _mapping(self, table: str, parts: Sequence[PartFiles], settings: dict[str, str], currency: str) -> str:
        """Return the mapping of a table over all parts; empty if none has it."""
        chosen = [entry for entry in parts if table in entry.part.templates]
        if table == "orders" and any(entry.part.kind in SHOPS for entry in chosen):
            if dropped := sorted({entry.layout.title for entry in chosen if entry.part.kind not in SHOPS}):
                self._notes.append(f"{', '.join(dropped)}: orders are read from the shop's export, not from events")
            chosen = [entry for entry in chosen if entry.part.kind in SHOPS]
        without = self._foreign_prices(chosen, currency) if table == "messages" else frozenset()

        def fill(left_out: frozenset[str]) -> list[tuple[str, str]]:
            made = [
                (entry.part.kind, fill_template(
                    entry.layout, entry.part, table, entry.files,
                    settings | {"year_last": entry.year_last}, left_out
                )) for entry in chosen
            ]  # fmt: skip
            return [(kind, query) for kind, query in made if query]

        queries = fill(without)
        if table == "messages" and len(queries) > 1:
            columns = [self._recorded(table, query) for _kind, query in queries]
            everywhere = functools.reduce(set.intersection, columns)
            if partly := set[str]().union(*columns).difference(everywhere) & set(_NOT_ALWAYS):
                self._notes.append(
                    f"messages: {', '.join(sorted(partly))} left out, because not every export of messages has it"
                )
                queries = fill(without | partly)
        if table == "orders" and len({kind for kind, _query in queries}) > 1:
            return combine([
                f"SELECT * REPLACE (CASE WHEN regexp_matches(order_id, {sql_text(contract.DAMAGED_ID)}) THEN order_id"
                f" ELSE {sql_text(kind + ' ')} || order_id END AS order_id) FROM (\n{query.rstrip()}\n)"
                for kind, query in queries
            ])  # fmt: skip
        query = combine([query for _kind, query in queries]) if queries else ""
        # The same order may be in files of several sorts.
        once = "QUALIFY row_number() OVER (PARTITION BY order_id ORDER BY ordered_at) = 1"
        return f"SELECT * FROM (\n{query}\n)\n{once}" if table == "orders" and len(queries) > 1 else query

    def _foreign_prices(self, parts: Sequence[PartFiles], currency: str) -> frozenset[str]:
        """Return the column of costs if messages are priced in another currency than the orders."""
        for entry in parts:
            if "price_unit" in entry.found and (units := self._counts(entry, "price_unit")):
                unit = units.most_common(1)[0][0].upper()
                if unit != currency:
                    words = f"prices are in {shown_value(unit, 10)}, not {currency}"
                    note = f"{entry.layout.title}: {words}; set message_cost in source.yml"
                    self._notes += [note] if note not in self._notes else []
                    return frozenset(["cost"])
        return frozenset()

    def _recorded(self, table: str, query: str) -> set[str]:
        """Return the columns of a mapping that are recorded; none if the source does not have the table now."""
        rows, _unrecorded = recorded_rows(table, self.con.sql(query), query)
        return set() if rows is None else set(rows.columns)

    def _count(self, query: str) -> int:
        return int(self.con.sql(query).count().execute())

    def _left_out(self, exclusions: str) -> dict[str, int]:
        if not exclusions:
            return {}
        return {str(row["reason"]): int(row["rows"]) for row in self._values(f"{exclusions}") if row["rows"]}

    def _unknown_words(self, entry: PartFiles) -> list[str]:
        """Return a note on words of the status column that the templates do not know."""
        if not entry.part.status or entry.part.status not in entry.found:
            return []
        heading = entry.files[0].found.get(entry.part.status, entry.part.status)
        words = [word for word in self._counts(entry, entry.part.status) if _word(word) not in entry.part.words]
        if not words:
            return []
        shown = shortened(", ".join(map(shown_value, words)), 200)
        return [
            f"{entry.layout.title}: words of {heading} that the mapping does not know, check how it reads them: {shown}"
        ]


def _word(text: str) -> str:
    return text.lower().removeprefix("wc-").replace("，", ",")


def _title(layout: Layout, match: Match) -> str:
    return layout.title if len(layout.parts) == 1 else f"{layout.title} ({match.part.name})"
