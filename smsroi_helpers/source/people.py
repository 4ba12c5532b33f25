"""Who is one person: one spelling of telephone numbers and e-mail addresses in every table, and who is nobody (guests).

The engine finds the different ids; only those that may be a number or an address are read one by one, in batches; the
engine joins the result back.
"""

import functools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from babel.core import get_global
from babel.numbers import get_territory_currencies
from pyarrow import parquet

from smsroi_helpers.contract import CUSTOMER_ID_COLUMNS
from smsroi_helpers.engine import Connection, hash_group, keep_rows
from smsroi_helpers.errors import DataError
from smsroi_helpers.source.contacts import Contact, ContactReader, countries_shown, infer_country, is_country
from smsroi_helpers.source.guests import find_guests
from smsroi_helpers.source.number_text import LEAST_DIGITS, MOST_DIGITS_OF_A_CELL, SPELLING
from smsroi_helpers.source.settings import Settings
from smsroi_helpers.source.time_zones import country_of_zone
from smsroi_helpers.source.types import key_of, kind_of, read_id

__all__ = [
    "CONTACTS",
    "IDS",
    "IdColumn",
    "People",
    "find_people",
    "id_columns",
    "is_personal",
    "normal_ids",
    "refuse_personal_ids",
    "refuse_unclear_country",
]

_SAMPLE = 500
"""Number of ids of a column by which the country is inferred."""
_PHONE_COLUMN = 0.05
"""Share of a column's ids that are numbers, from which all of the column is read thoroughly."""
_ROWS_AT_A_TIME = 100_000
IDS, CONTACTS = "ids__", "contacts__"
"""Tables in the engine: place, key, id; and id, normal, kind, certain, mobile, national, several, dialled."""
_EVERY_ID = "every_id__"
"""Table in the engine: like `ids__`, with the keys that are no id too."""
_SCHEMA = pa.schema(
    [("id", pa.string()), ("normal", pa.string()), ("kind", pa.string()), ("certain", pa.bool_()),
     ("mobile", pa.bool_()), ("national", pa.bool_()), ("several", pa.bool_()), ("dialled", pa.bool_())]
)  # fmt: skip


@dataclass(frozen=True)
class IdColumn:
    """A column of customer ids."""

    table: str
    column: str
    ids: int = 0
    """Number of different ids."""
    personal: int = 0
    """How many of them are telephone numbers or e-mail addresses."""
    phones: int = 0
    """How many are telephone numbers."""
    may_be_phones: int = 0
    """How many are written as telephone numbers may be, such as any number of 7 to 18 digits."""
    certain_phones: int = 0
    """How many are telephone numbers for certain: with a plus or a scheme."""

    @property
    def place(self) -> str:
        """The name of the column in the engine's tables."""
        return f"{self.table}.{self.column}"

    @property
    def digits_are_phones(self) -> bool:
        """Whether digits alone are telephone numbers in this column.

        They are if most ids are telephone numbers; or if a part is for certain, and so are most of what may be one.
        """
        part = self.certain_phones >= _PHONE_COLUMN * self.ids and self.phones > self.may_be_phones / 2
        return self.phones > self.ids / 2 or (part and self.certain_phones > 0)


@dataclass
class People:
    """What the ids of a source are."""

    columns: tuple[IdColumn, ...]
    country: str
    """The country of numbers without a country code; empty if there are none."""
    inferred: bool
    """The country is not in source.yml, but inferred from the numbers."""
    rivals: tuple[str, ...]
    """Countries of which each could be that of the numbers, so that none is inferred."""
    digits_are_phones: bool
    """Digits alone are telephone numbers in some column (`IdColumn.digits_are_phones`), and so in every column."""
    guests: frozenset[str | None]
    """Ids that are nobody's, as `read_id` returns them; None: the empty id."""
    thorough: frozenset[str] = frozenset()
    """Columns that are read thoroughly."""
    contacts: dict[str, int] = field(default_factory=dict)
    """Kind (`phone`, `email`) → number of different people."""
    national: int = 0
    """Number of different spellings without a country code."""
    as_read: frozenset[str] = frozenset()
    """Columns, `table.column`, of which each id is written as it is read, so that none has to be rewritten."""
    has_contacts_table: bool = False
    """Some ids may be numbers or addresses, so that the engine has `contacts__`."""

    @functools.cached_property
    def _readers(self) -> tuple[ContactReader, ContactReader]:
        return ContactReader(self.country, thorough=False), ContactReader(self.country)

    def read(self, place: str, text: str) -> Contact | None:
        """Return what an id of a column is: None if it is neither a telephone number nor an e-mail address."""
        return self._readers[place in self.thorough].read(text)

    def is_normalised(self, contact: Contact) -> bool:
        """Whether a value found by `read` is replaced by its one spelling."""
        return contact.certain or self.digits_are_phones

    def normal_id(self, place: str, text: str) -> str:
        """Return the one spelling of an id (of `read_id`)."""
        contact = self.read(place, text)
        return contact.value if contact and self.is_normalised(contact) else text

    def plain_columns(self, table: str) -> set[str]:
        """Return the columns of a table in which no id has to be rewritten (`as_read`)."""
        places = (place.partition(".") for place in self.as_read)
        return {column for name, _point, column in places if name == table}

    def is_guest(self, table: str, text: str | None) -> bool:
        """Whether an id (of `read_id`) is a guest's; an empty id is one only in orders."""
        return text in self.guests and (text is not None or table == "orders")


def id_columns(tables: Mapping[str, ir.Table]) -> list[IdColumn]:
    """Return the columns of customer ids, and the values of identities."""
    found = [IdColumn(name, column) for name in tables for column in CUSTOMER_ID_COLUMNS if column in tables[name]]
    if "identities" in tables and "value" in tables["identities"]:
        found.append(IdColumn("identities", "value"))
    return found


def find_people(con: Connection, tables: Mapping[str, ir.Table], settings: Settings, folder: Path) -> People:
    """Find out what the customer ids of a source are.

    Args:
        con: the engine that holds the tables; it keeps `ids__` (place, key, id: each different id) and `contacts__`.
        tables: the raw tables.
        settings: of source.yml.
        folder: folder of temporary files.
    """
    columns = id_columns(tables)
    ids = _distinct_ids(con, tables, columns)
    counts = ids.group_by("place").aggregate(
        ids=ids.id.nunique(), may_be=ids.id.nunique(where=_may_be_contact(ids.id))
    ).execute().set_index("place")  # fmt: skip
    sample = {c.place: _sample(ids, c.place) for c in columns if c.place in counts.index and counts.may_be[c.place]}
    countries = _countries(sample, settings) if sample else ()
    country = countries[0] if len(countries) == 1 else ""
    people = People((), country, bool(country) and not settings.country, countries if len(countries) > 1 else (),
                    digits_are_phones=False, guests=frozenset())  # fmt: skip
    for place, texts in sample.items():
        numbers = sum(is_personal(ContactReader(country).read(text)) for text in texts) / len(texts)
        if numbers * counts.may_be[place] >= _PHONE_COLUMN * counts.ids[place]:
            people.thorough |= {place}
    people.columns = tuple(IdColumn(c.table, c.column, int(counts.ids.get(c.place, 0))) for c in columns)
    people.as_read = frozenset(column.place for column in columns) - _rewritten(con)
    if sample:
        _read_contacts(con, ids, tables, people, folder)
    orders = tables["orders"] if "orders" in tables and "customer_id" in tables["orders"] else None
    reader = ContactReader(country)

    def number_of(text: str) -> str:
        return contact.value if (contact := reader.read(text)) else ""

    people.guests = find_guests(con, ids, orders, number_of, digits_are_phones=people.digits_are_phones)
    return people


def _read_contacts(
    con: Connection, ids: ir.Table, tables: Mapping[str, ir.Table], people: People, folder: Path
) -> None:
    """Find the telephone numbers and e-mail addresses among the ids, and whether digits alone are numbers."""
    contacts = _write_contacts(con, ids, people, folder / "contacts.parquet")
    people.has_contacts_table = True
    people.columns = tuple(_count_personal(ids, contacts, people.columns))
    people.digits_are_phones = any(column.digits_are_phones for column in people.columns) or (
        "identities" in tables and _has_phones(tables["identities"], contacts)
    )
    kinds = contacts.filter(contacts.certain | ibis.literal(people.digits_are_phones))
    frame = kinds.group_by("kind").aggregate(n=kinds.normal.nunique(), national=kinds.national.sum()).execute()
    people.contacts = {str(row.kind): int(row.n) for row in frame.itertuples()}
    people.national = int(frame.national.sum()) if people.digits_are_phones else 0


def normal_ids(con: Connection, people: People) -> ir.Table:
    """place, key, id, normal (the one spelling), why (null where that is the id itself); after `find_people`."""
    ids = con.table(IDS)
    if not people.contacts:
        return ids.mutate(normal=ids.id, why=ibis.null("string"))
    contacts = con.table(CONTACTS)
    used = contacts if people.digits_are_phones else contacts.filter(contacts.certain)
    found = ids.left_join(used.select("id", "normal", "kind"), "id").select("place", "key", "id", "normal", "kind")
    return found.mutate(normal=found.normal.fill_null(found.id), why=found.kind).drop("kind")


def refuse_personal_ids(people: People, table: str) -> None:
    """Refuse a table of whose ids most are telephone numbers or e-mail addresses.

    Raises:
        DataError: they are.
    """
    for column in people.columns:
        if column.table == table and column.personal > column.ids / 2:
            raise DataError(
                f"table {table}, column {column.column}: most values are telephone numbers or e-mail addresses;"
                " add `pseudonymise: true` to source.yml (it needs the secret key SMSROI_KEY_FILE), or make a copy with"
                " `smsroi pseudonymise`; both give every spelling of a number the same pseudonym (if they are other"
                " numbers, put a letter before them in a .sql mapping)"
            )


def refuse_unclear_country(people: People, source_name: str) -> None:
    """Refuse to make pseudonyms if the country of numbers without a country code is not clear.

    Raises:
        DataError: it is not.
    """
    if people.rivals and people.digits_are_phones:
        raise DataError(
            f"data {source_name}: the telephone numbers without a country code may be of"
            f" {' or '.join(people.rivals)}; add `country: {people.rivals[0]}` (or the other) to source.yml"
        )


# --- ids -------------------------------------------------------------------------------------------------------------


def _distinct_ids(con: Connection, tables: Mapping[str, ir.Table], columns: Iterable[IdColumn]) -> ir.Table:
    """Keep the different ids of each column in the engine: place, key (as written), id (as `read_id` returns it)."""
    parts = []
    for column in columns:
        raw = tables[column.table][column.column]
        keys = tables[column.table].select(key=key_of(raw)).distinct()
        keys = keep_rows(con, f"keys__{column.table}__{column.column}", keys)
        parts.append(keys.select(place=ibis.literal(column.place), key=keys.key, id=read_id(keys.key)))
    if not parts:
        con.create_table(_EVERY_ID, schema=dict.fromkeys(("place", "key", "id"), "string"), temp=True, overwrite=True)
        return con.create_table(IDS, schema=dict.fromkeys(("place", "key", "id"), "string"), temp=True, overwrite=True)
    # Kept first: the engine would otherwise read the id of each row, not each different one, to find the empty ones.
    every = keep_rows(con, _EVERY_ID, ibis.union(*parts) if len(parts) > 1 else parts[0])
    return keep_rows(con, IDS, every.filter(every.id.notnull()))


def _rewritten(con: Connection) -> set[str]:
    """Return the columns with an id that is not written as it is read."""
    every = con.table(_EVERY_ID)
    return set(
        every.filter(~every.key.identical_to(every.id)).select("place").distinct().to_pyarrow()["place"].to_pylist()
    )


def _may_be_contact(text: ir.StringValue) -> ir.BooleanValue:
    """Whether an id has to be read: it may be a telephone number or an e-mail address."""
    digits = text.re_replace("[^0-9]", "").length()
    return text.contains("@") | (digits.between(LEAST_DIGITS, MOST_DIGITS_OF_A_CELL) & text.re_search(SPELLING))


def _sample(ids: ir.Table, place: str) -> list[str]:
    """Return up to `_SAMPLE` ids of a column that may be contacts, the same in every run."""
    rows = ids.filter(ids.place == place, _may_be_contact(ids.id)).select("id").distinct()
    return rows.order_by(hash_group(rows.id, "country", 256), "id").limit(_SAMPLE).to_pyarrow()["id"].to_pylist()


def _countries(sample: Mapping[str, list[str]], settings: Settings) -> tuple[str, ...]:
    """Return the country of the numbers without a country code; several if it is not clear."""
    if settings.country:
        return (settings.country,)
    # A number with its country code in one table suggests the country of those without it in another.
    shown = countries_shown(text for texts in sample.values() for text in texts)[:1]
    found = [infer_country(texts, [*_hints(settings), *shown]) for texts in sample.values()]
    return tuple(dict.fromkeys(country for countries in found for country in countries))


def _hints(settings: Settings) -> Iterator[str]:
    """Yield the countries that the settings suggest: jurisdiction, time zone, currency."""
    yield settings.jurisdiction[:2].upper()
    yield country_of_zone(settings.timezone)
    if "currency" in settings.model_fields_set:
        yield from _countries_of_currency(settings.currency)


@functools.cache
def _countries_of_currency(currency: str) -> tuple[str, ...]:
    """Return the country whose currency it is; none if several share it, like the euro."""
    if currency == "USD":
        return ("US",)
    territories = [name for name in get_global("territory_currencies") if is_country(name)]
    using = [name for name in territories if get_territory_currencies(name) == [currency]]
    return tuple(using) if len(using) == 1 else ((currency[:2],) if currency[:2] in using else ())


def is_personal(contact: Contact | None) -> bool:
    """Whether a value is an e-mail address, or a number that can receive texts or is written as only a number is."""
    return contact is not None and (contact.certain or contact.mobile or contact.dialled)


def _write_contacts(con: Connection, ids: ir.Table, people: People, file: Path) -> ir.Table:
    """Read the ids that may be contacts, in batches, and keep the result in the engine."""
    candidates = ids.filter(_may_be_contact(ids.id))
    careful = candidates.place.isin(["", *sorted(people.thorough)])
    candidates = candidates.select("id", careful=careful)
    distinct = candidates.group_by("id").aggregate(thorough=candidates.careful.any())
    quick, slow = ContactReader(people.country, thorough=False), ContactReader(people.country)
    file.parent.mkdir(parents=True, exist_ok=True)
    with parquet.ParquetWriter(file, _SCHEMA) as writer:
        for batch in distinct.to_pyarrow_batches(chunk_size=_ROWS_AT_A_TIME):
            pairs = zip(batch["id"].to_pylist(), batch["thorough"].to_pylist(), strict=True)
            read = [(text, (slow if careful else quick).read(text)) for text, careful in pairs]
            found = [(text, contact) for text, contact in read if contact]
            columns = [[text for text, _contact in found]] + [
                [getattr(contact, name) for _text, contact in found]
                for name in ("value", "kind", "certain", "mobile", "national", "several", "dialled")
            ]
            writer.write_table(pa.table(columns, schema=_SCHEMA))
    return con.read_parquet(file, table_name=CONTACTS)


def _has_phones(identities: ir.Table, contacts: ir.Table) -> bool:
    """Whether most identities of the kind `phone` are telephone numbers."""
    if not {"kind", "value"} <= set(identities.columns):
        return False
    values = identities.filter(kind_of(identities.kind) == "phone")
    values = values.select(id=read_id(values.value)).distinct()
    numbers = contacts.filter(contacts.kind == "phone").id
    return bool((values.aggregate(share=values.id.isin(numbers).mean()).execute()["share"] > 0.5).iloc[0])


def _count_personal(ids: ir.Table, contacts: ir.Table, columns: Iterable[IdColumn]) -> Iterator[IdColumn]:
    different = ids.select("place", "id").distinct()
    joined = different.left_join(contacts, "id")
    personal = (joined.certain | joined.mobile | joined.dialled).fill_null(False) | joined.id.contains("@")
    phone = (joined.kind == "phone").fill_null(False)
    found = joined.group_by("place").aggregate(
        personal=personal.sum(),
        phones=(personal & phone).sum(),
        may_be_phones=(_may_be_contact(joined.id) & ~joined.id.contains("@")).sum(),
        certain_phones=(joined.certain & phone).sum(),
    )
    counts = {str(row["place"]): row for row in found.to_pyarrow().to_pylist()}
    for column in columns:
        if row := counts.get(column.place):
            column = replace(
                column, personal=int(row["personal"] or 0), phones=int(row["phones"] or 0),
                may_be_phones=int(row["may_be_phones"] or 0), certain_phones=int(row["certain_phones"] or 0),
            )  # fmt: skip
        yield column
