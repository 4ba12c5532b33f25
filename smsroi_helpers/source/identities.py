"""Join what belongs to one person: ids in one spelling, and the table `identities`, in every table of a source.

`identities` says which ids, telephone numbers and e-mail addresses are one customer's. Ids that share one are one
person; a value of two customers who share nothing else joins neither, because it is unknown whose it is.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from pyarrow import parquet

from smsroi_helpers.contract import SPELLING
from smsroi_helpers.engine import Connection, EngineError, keep_rows
from smsroi_helpers.errors import DataError, reason_of
from smsroi_helpers.source.csv_text import LINE
from smsroi_helpers.source.guests import GUEST_ID, GUESTS, GUESTS_REMEDY
from smsroi_helpers.source.links import MOST_KEYS, Links, find_links, find_shared, pairs_of
from smsroi_helpers.source.loaded import Finding, finding_of
from smsroi_helpers.source.open import Opened, RawTable
from smsroi_helpers.source.people import People, find_people, id_columns, normal_ids, refuse_unclear_country
from smsroi_helpers.source.people_findings import count_rows, list_doubtful_ids
from smsroi_helpers.source.pseudonym_key import pseudonym
from smsroi_helpers.source.settings import Settings
from smsroi_helpers.source.types import key_of, kind_of, read_id

__all__ = [
    "PEOPLE_MESSAGES",
    "Everyone",
    "find_everyone",
    "has_spellings",
    "join_people",
]

_RULES = {
    "phone": (
        "telephone numbers written as E.164",
        "every spelling of a number is one customer: plus, country code and number",
    ),
    "email": (
        "e-mail addresses trimmed and in lower case",
        "every spelling of an address is one customer",
    ),
    "identity": (
        "joined through identities",
        "the customer_id of identities replaces the customer's other ids, numbers and addresses",
    ),
}
_CONFLICT = (
    "one value of two customers",
    "it is unknown whose it is, so it joins neither; correct the table identities",
)
_COUNTRY = (
    "inferred from telephone numbers without a country code",
    "add it to source.yml as country, so that every run reads the numbers alike",
)
_MADE_PSEUDONYMS = (
    "customers' ids became pseudonyms when the source was read",
    "HMAC-SHA-256 under the secret key of the environment, because source.yml says pseudonymise: true",
)
_PSEUDONYMS = {
    "phone": (
        "telephone numbers were written as E.164 before they became pseudonyms",
        "done by smsroi pseudonymise: every spelling of a number is one customer",
    ),
    "email": (
        "e-mail addresses were trimmed and in lower case before they became pseudonyms",
        "done by smsroi pseudonymise: every spelling of an address is one customer",
    ),
}
_TEXTS = (*_RULES.values(), _CONFLICT, _COUNTRY, _MADE_PSEUDONYMS, *_PSEUDONYMS.values(), (GUESTS[0], GUESTS_REMEDY))
PEOPLE_MESSAGES = tuple(text for pair in _TEXTS for text in pair)
"""Texts of this module's findings."""
_ROWS_AT_A_TIME = 100_000


def join_people(
    opened: Opened, settings: Settings, folder: Path, key: bytes | None = None
) -> tuple[People, list[Finding]]:
    """Give each person one id in every raw table of a source, and guests the id `GUEST_ID`.

    Args:
        opened: the source; its tables are replaced by tables with these ids. Tables without a change stay as they are.
        settings: of source.yml. With `pseudonymise` the ids become pseudonyms.
        folder: folder of temporary files.
        key: the secret key of the pseudonyms.

    Raises:
        DataError: a table cannot be read, or the country of telephone numbers that become pseudonyms is not clear.
    """
    try:
        return _join_people(opened, settings, folder, key if settings.pseudonymise else None)
    except EngineError as error:
        for name, raw in opened.tables.items():
            _refuse_unreadable(name, raw)
        raise DataError(f"the customers' ids cannot be read: {reason_of(error)}; export the tables again") from None


def _refuse_unreadable(name: str, raw: RawTable) -> None:
    try:
        for column in id_columns({name: raw.rows}):
            raw.rows.select(column.column).distinct().count().execute()
    except EngineError as error:
        raise DataError(f"table {name}: cannot be read: {reason_of(error)}; correct it or export it again") from None


@dataclass(frozen=True)
class Everyone:
    """Who the customers of a source are."""

    people: People
    pairs: ir.Table | None
    """What identities joins: owner, value (`pairs_of`), without what is nobody's; None without that table."""
    findings: list[Finding]


def find_everyone(con: Connection, tables: Mapping[str, ir.Table], settings: Settings, folder: Path) -> Everyone:
    """Find out what the ids are (`find_people`), what identities joins, and which keys are too many people's.

    A key of too many people is nobody's: its ids become guests' ids.
    """
    people = find_people(con, tables, settings, folder)
    if "identities" not in tables or not {"customer_id", "value"} <= set(tables["identities"].columns):
        return Everyone(people, None, [])
    ids = normal_ids(con, people)
    pairs = keep_rows(con, "pairs__", pairs_of(tables["identities"], ids, people.guests))
    shared = find_shared(con, pairs)
    number = int(shared.count().execute())
    if not number:
        return Everyone(people, pairs, [])
    spelt = keep_rows(con, "spelt__", ids.semi_join(shared, ids.normal == shared.node).select("place", "key", "id"))
    people.guests |= frozenset(spelt.id.execute())
    orders = count_rows(tables, spelt, "orders.customer_id")
    kept = pairs.filter(pairs.owner.notin(shared.node), pairs.value.notin(shared.node))
    before, after = (int(rows.count().execute()) for rows in (pairs, kept))
    finding = finding_of(
        "identities", "value", "key of too many people", before - after, before, "warning",
        keys=f"{number:,}", most=str(MOST_KEYS), orders=f"{orders:,}",
    )  # fmt: skip
    return Everyone(people, kept, [finding])


def _join_people(opened: Opened, settings: Settings, folder: Path, key: bytes | None) -> tuple[People, list[Finding]]:
    con = opened.con
    _name_kinds(opened)
    tables = {name: raw.rows for name, raw in opened.tables.items()}
    everyone = find_everyone(con, tables, settings, folder)
    people, pairs = everyone.people, everyone.pairs
    findings = [*_settings_findings(people, settings), *everyone.findings, *list_doubtful_ids(con, tables, people)]
    ids, links = normal_ids(con, people), None
    if pairs is not None:
        links = find_links(con, pairs)
        if links.conflicting:
            rows = int(pairs.count().execute())
            rule, remedy = _CONFLICT
            share = links.conflicting / rows
            findings.append(Finding("identities", "value", rule, "warning", links.conflicting, share, remedy))
    pseudonyms = None
    if key is not None:
        refuse_unclear_country(people, opened.name)
        pseudonyms, number = _write_pseudonyms(con, ids, links, key, folder)
        rule, remedy = _MADE_PSEUDONYMS
        findings.append(Finding("source.yml", "pseudonymise", rule, "note", number, None, remedy))
    elif not (people.contacts or people.guests or links):
        return people, findings
    for name, raw in opened.tables.items():
        changes = {}
        for column in id_columns({name: raw.rows}):
            found = _changes(ids.filter(ids.place == column.place), links if column.column != "value" else None)
            guests = people.guests if column.column == "customer_id" else frozenset()
            found = _with_guests(found, [text for text in guests if text is not None])
            if pseudonyms is not None:
                # A table, since Ibis cannot join what is joined already.
                found = keep_rows(con, f"found__{name}__{column.column}", found)
                found = found.left_join(pseudonyms, "person").select("key", "id", "why", "person", "pseudonym")
                found = found.mutate(person=ibis.ifelse(found.why.identical_to("guest"), GUEST_ID, found.pseudonym))
            changes[column.column] = found.filter(found.person != found.id) if pseudonyms is None else found
        empty_is_guest = name == "orders" and None in people.guests
        only_known = pseudonyms is not None
        findings += _replace(opened, name, changes, folder, empty_is_guest=empty_is_guest, only_known=only_known)
    return people, findings


def _name_kinds(opened: Opened) -> None:
    """Write the kinds of identities in one spelling, if they are written otherwise."""
    raw = opened.tables.get("identities")
    if raw is None or "kind" not in raw.rows.columns:
        return
    kinds = raw.rows.select("kind").distinct()
    if not kinds.filter(~kinds.kind.cast("string").identical_to(kind_of(kinds.kind))).count().execute():
        return
    rows = raw.rows
    if raw.files and LINE not in rows.columns:
        rows = rows.mutate(**{LINE: ibis.row_number() + 1})
    opened.tables["identities"] = RawTable(rows.mutate(kind=kind_of(rows.kind)), [], raw.ragged)


def _write_pseudonyms(
    con: Connection, ids: ir.Table, links: "Links | None", key: bytes, folder: Path
) -> tuple[ir.Table, int]:
    """Compute the pseudonym of each id in its one spelling, in batches; return person, pseudonym, and their number."""
    persons = ids.select(person="normal")
    if links is not None:
        persons = persons.union(links.persons.select("person"))
    file = folder / "pseudonyms.parquet"
    file.parent.mkdir(parents=True, exist_ok=True)
    schema = pa.schema([("person", pa.string()), ("pseudonym", pa.string())])
    with parquet.ParquetWriter(file, schema) as writer:
        for batch in persons.distinct().to_pyarrow_batches(chunk_size=_ROWS_AT_A_TIME):
            plain_ids = batch["person"].to_pylist()
            made = [pseudonym(plain_id, key) for plain_id in plain_ids]
            writer.write_table(pa.table([pa.array(plain_ids, pa.string()), pa.array(made, pa.string())], schema=schema))
    return con.read_parquet(file, table_name="pseudonyms__"), parquet.read_metadata(file).num_rows


def _settings_findings(people: People, settings: Settings) -> Iterator[Finding]:
    if people.inferred and people.national:
        column = f"country: {people.country}"
        yield Finding("source.yml", column, _COUNTRY[0], "warning", people.national, None, _COUNTRY[1])
    if settings.pseudonyms:
        numbers = {"phone": settings.pseudonyms.telephone_numbers, "email": settings.pseudonyms.email_addresses}
        for kind, number in numbers.items():
            if number:
                rule, remedy = _PSEUDONYMS[kind]
                yield Finding("source.yml", "pseudonyms", rule, "note", number, None, remedy)


# --- tables ----------------------------------------------------------------------------------------------------------


def has_spellings(con: Connection, people: People, place: str) -> bool:
    """Whether different ids of a column, `table.column`, are one person's; after `find_people`."""
    ids = normal_ids(con, people).filter(ibis._.place == place)
    counts = ids.aggregate(ids=ids.id.nunique(), persons=ids.normal.nunique()).execute().iloc[0]
    return bool(counts["ids"] > counts["persons"])


def _changes(ids: ir.Table, links: Links | None) -> ir.Table:
    """key, id, person (the id that replaces it), why: of one column."""
    if links is None:
        return ids.select("key", "id", "why", person=ids.normal)
    persons = links.persons
    found = ids.left_join(persons, ids.normal == persons.node)
    why = ibis.ifelse(found.person.notnull(), "identity", found.why)
    return found.select("key", "id", why=why, person=found.person.fill_null(found.normal))


def _with_guests(changes: ir.Table, guests: list[str]) -> ir.Table:
    """The changes with guests replaced by `GUEST_ID`."""
    if guests:
        guest = changes.id.isin(guests)
        changes = changes.mutate(
            person=ibis.ifelse(guest, GUEST_ID, changes.person), why=ibis.ifelse(guest, "guest", changes.why)
        )
    return changes


def _replace(
    opened: Opened, name: str, changes: dict[str, ir.Table], folder: Path, *, empty_is_guest: bool, only_known: bool
) -> Iterable[Finding]:
    """Replace the ids of one table, if any changes, and return the findings; with `only_known` no other id stays."""
    con, raw = opened.con, opened.tables[name]
    kept = {column: keep_rows(con, f"changes__{name}__{column}", change) for column, change in changes.items()}
    kept = {column: change for column, change in kept.items() if change.count().execute()}
    if not kept and not empty_is_guest:
        return []
    # The row number is that in the file, and a join does not keep the order.
    numbered = LINE in raw.rows.columns or not raw.files
    rows = raw.rows if numbered else raw.rows.mutate(**{LINE: ibis.row_number() + 1})
    names, counts = rows.columns, {}
    for column, change in kept.items():
        rows = rows.mutate(key__=key_of(rows[column]))
        rows = rows.left_join(change.select(key__="key", person__="person", why__="why"), "key__")
        written = read_id(rows[column]) if not rows[column].type().is_string() else rows[column]
        person = rows.person__ if only_known else ibis.coalesce(rows.person__, written)
        rows = rows.mutate(**{column: person, f"{column}__why": rows.why__, f"{column}__id": read_id(rows.key__)})
        done = [f"{name}__{part}" for name in kept for part in ("why", "id")]
        rows = rows.select(*names, *(name for name in done if name in rows.columns))
    if empty_is_guest:
        rows = rows.mutate(customer_id=read_id(rows.customer_id).fill_null(GUEST_ID))
    if name == "customers" and "customer_id" in kept:
        spelt = ["customer_id__id", *([SPELLING] if SPELLING in names else [])]  # `smsroi pseudonymise` writes it
        number = ibis.dense_rank().over(ibis.window(group_by="customer_id", order_by=spelt))
        rows = rows.mutate(**{SPELLING: number})
        names = tuple(dict.fromkeys([*names, SPELLING]))
    rows = rows.drop(*(f"{column}__id" for column in kept))
    file = folder / f"{name}__people.parquet"
    file.parent.mkdir(parents=True, exist_ok=True)
    rows.to_parquet(file)
    written_rows = con.read_parquet(file, table_name=f"people__{name}")
    opened.tables[name] = RawTable(written_rows.select(*names), [], raw.ragged)
    total = max(int(written_rows.count().execute()), 1)
    findings = []
    for column in kept:
        counts = written_rows.group_by(why=written_rows[f"{column}__why"]).aggregate(n=written_rows.count()).execute()
        for why, (rule, remedy) in _RULES.items():
            if number := int(counts.loc[counts["why"] == why, "n"].sum()):
                findings.append(Finding(name, column, rule, "note", number, number / total, remedy))
    return findings
