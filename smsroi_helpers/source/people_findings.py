"""What is said of ids that are not clear: numbers that cannot be read, several in a field, ids that do not join."""

from collections.abc import Iterator, Mapping

import ibis
import ibis.expr.types as ir

from smsroi_helpers.engine import Connection, keep_rows
from smsroi_helpers.source.loaded import Finding, finding_of
from smsroi_helpers.source.number_text import LABELLED, LEAST_DIGITS
from smsroi_helpers.source.people import CONTACTS, IDS, People, normal_ids
from smsroi_helpers.source.types import key_of

__all__ = [
    "LEAST_IN_CAPITALS",
    "count_rows",
    "list_doubtful_ids",
]

LEAST_IN_CAPITALS = 0.05
"""Share of a table's ids that join another table only if capitals do not matter, from which it is said."""
_RUN_OF_DIGITS = r"[0-9][0-9\s().+\-/]{5,}[0-9]"
_CODE = r"[A-Za-z_][0-9]|[0-9][A-Za-z_]"
"""Letters right beside digits: an id of the shop."""


def list_doubtful_ids(con: Connection, tables: Mapping[str, ir.Table], people: People) -> Iterator[Finding]:
    """Yield the findings on ids that may be another person than their reader thinks; after `find_people`.

    Args:
        con: the engine that holds the tables of `find_people`.
        tables: the raw tables.
        people: what the ids are.
    """
    if people.has_contacts_table:
        yield from _list_contacts(con, tables, people)
    yield from _list_capitals(con, tables, people)


def count_rows(tables: Mapping[str, ir.Table], ids: ir.Table, place: str) -> int:
    """Return the number of rows of a column (`table.column`) with one of the ids: place, key."""
    table, column = place.split(".")
    if table not in tables or column not in tables[table].columns:
        return 0
    keys = ids.filter(ids.place == place).select("key").distinct()
    rows = tables[table].select(key=key_of(tables[table][column]))
    return int(rows.semi_join(keys, "key").count().execute())


def _list_contacts(con: Connection, tables: Mapping[str, ir.Table], people: People) -> Iterator[Finding]:
    contacts = con.table(CONTACTS)
    used = contacts.certain | ibis.literal(people.digits_are_phones)
    named = {
        "several telephone numbers in one field": contacts.filter(used & contacts.several),
        "numbers in several spellings among other ids": _unjoined(contacts, people),
    }
    ids = con.table(IDS)
    for rule, found in named.items():
        yield from _findings_of(con, tables, rule, ids.semi_join(found, "id"))
    unread = _unread(ids, contacts, people)
    yield from _findings_of(con, tables, "number or address that cannot be read", unread)


def _findings_of(con: Connection, tables: Mapping[str, ir.Table], rule: str, ids: ir.Table) -> Iterator[Finding]:
    kept = keep_rows(con, "doubtful__", ids.select("place", "key", "id"))
    numbers = kept.group_by("place").aggregate(n=kept.id.nunique()).order_by("place").to_pyarrow().to_pylist()
    for row in numbers:
        table, column = row["place"].split(".")
        rows, all_rows = count_rows(tables, kept, row["place"]), int(tables[table].count().execute())
        yield finding_of(table, column, rule, rows, all_rows, "warning", ids=f"{row['n']:,}")


def _unread(ids: ir.Table, contacts: ir.Table, people: People) -> ir.Table:
    """The ids that are written as numbers or addresses are, and are none.

    In a column of other ids only a plus or a label shows a number.
    """
    contact_columns = [column.place for column in people.columns if column.personal > column.ids / 2]
    ids = ids.anti_join(contacts, "id")
    among_contacts = ids.place.isin(contact_columns)
    is_number = ids.id.re_replace("[^0-9]", "").length() >= LEAST_DIGITS
    is_number &= ids.id.re_search(LABELLED) | (
        among_contacts & ids.id.re_search(_RUN_OF_DIGITS) & ~ids.id.re_search(_CODE)
    )
    nobody = sorted(text for text in people.guests if text is not None)
    return ids.filter(is_number | (among_contacts & ids.id.contains("@")), ids.id.notin(nobody))


def _unjoined(contacts: ir.Table, people: People) -> ir.Table:
    """The numbers with several spellings that are not joined, because digits may be any ids here."""
    if people.digits_are_phones:
        return contacts.filter(ibis.literal(False))
    phones = contacts.filter(contacts.kind == "phone")
    counts = phones.group_by("normal").aggregate(n=phones.id.nunique(), sure=phones.certain.all())
    return phones.semi_join(counts.filter((counts.n > 1) & ~counts.sure), "normal")


def _list_capitals(con: Connection, tables: Mapping[str, ir.Table], people: People) -> Iterator[Finding]:
    """Yield a finding for each table whose ids are those of orders (or the first table) only without capitals."""
    columns = {column.table: column for column in people.columns if column.column == "customer_id"}
    first = columns.get("orders") or next(iter(columns.values()), None)
    if first is None or len(columns) < 2:
        return
    ids = normal_ids(con, people)
    ids = ids.filter(ids.place.endswith(".customer_id")).select("place", "key", "normal", folded=ids.normal.lower())
    if not ids.filter(ids.normal != ids.folded).limit(1).count().execute():
        return
    known = ids.filter(ids.place == first.place)
    apart = ids.anti_join(known, "normal").semi_join(known, "folded")
    apart = keep_rows(con, "capitals__", apart)
    for column in columns.values():
        number = int(apart.filter(apart.place == column.place).normal.nunique().execute())
        if number >= max(LEAST_IN_CAPITALS * column.ids, 1):
            rows, all_rows = count_rows(tables, apart, column.place), int(tables[column.table].count().execute())
            yield finding_of(
                column.table, "customer_id", "ids that differ only in capitals", rows, all_rows, "warning",
                ids=f"{number:,}", other=first.table,
            )  # fmt: skip
