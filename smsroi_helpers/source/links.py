"""What the table `identities` joins, in any number of steps: ids, telephone numbers and addresses of one customer.

A key of too many people, such as a dummy number, joins nobody.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir

from smsroi_helpers.engine import Connection, keep_rows
from smsroi_helpers.source.types import key_of, kind_of

__all__ = [
    "MOST_KEYS",
    "Links",
    "find_links",
    "find_shared",
    "pairs_of",
]

MOST_KEYS = 10
"""Different addresses, numbers or ids that may stand beside one number or address. Families have two or three."""
_MOST_STEPS = 60
"""Limit on the steps that join ids; a chain of n ids needs n steps at most, and chains are short."""


@dataclass(frozen=True)
class Links:
    """What the table `identities` joins."""

    persons: ir.Table
    """node (an id, number or address), person (the customer's id, if it is another)."""
    conflicting: int
    """Number of pairs of customer and value whose value belongs to several customers, and so joins none."""


def pairs_of(identities: ir.Table, ids: ir.Table, nobody: Iterable[str | None]) -> ir.Table:
    """owner, value, is_contact: the pairs of identities in their one spelling, each once.

    Args:
        identities: the raw table.
        ids: of `normal_ids`.
        nobody: ids that are left out.
    """
    ids = ids.filter(ids.id.notin(sorted(text for text in nobody if text is not None)))
    owners = ids.filter(ids.place == "identities.customer_id").select(owner_key="key", owner="normal")
    values = ids.filter(ids.place == "identities.value").select(value_key="key", value="normal")
    kind = kind_of(identities.kind) if "kind" in identities.columns else ibis.literal("id")
    is_contact = kind.isin(["phone", "email"]).fill_null(False)
    keys = identities.select(
        owner_key=key_of(identities.customer_id), value_key=key_of(identities.value), is_contact=is_contact
    )
    pairs = keys.distinct().inner_join(owners, "owner_key").inner_join(values, "value_key")
    return (
        pairs.filter(pairs.owner != pairs.value).group_by("owner", "value").aggregate(is_contact=pairs.is_contact.any())
    )


def find_shared(con: Connection, pairs: ir.Table) -> ir.Table:
    """node: telephone numbers and e-mail addresses beside more than `MOST_KEYS` different keys of one kind.

    A dummy number or the shop's own address stands beside many people's keys; a family's beside a few. Ids of another
    kind are what the source itself calls one customer, however many numbers that customer has.

    Args:
        con: the engine.
        pairs: owner, value, is_contact (identities calls the value a number or an address).
    """
    ways = ibis.union(
        pairs.select(node="owner", other="value", is_contact="is_contact"),
        pairs.select(node="value", other="owner", is_contact=ibis.literal(False)),
    )
    degrees = ways.group_by("node").aggregate(n=ways.other.nunique())
    many = keep_rows(con, "many__", ways.semi_join(degrees.filter(degrees.n > MOST_KEYS), "node"))
    contacts = pairs.filter(pairs.is_contact).value
    of_contacts = many.filter(_is_contact(many.node) | many.node.isin(contacts))
    kind = ibis.cases(
        (of_contacts.other.contains("@"), "email"), (of_contacts.is_contact | _is_contact(of_contacts.other), "phone"),
        else_="id",
    )  # fmt: skip
    counts = of_contacts.group_by(of_contacts.node, kind=kind).aggregate(n=of_contacts.other.nunique())
    return keep_rows(con, "shared__", counts.filter(counts.n > MOST_KEYS).select("node").distinct())


def _is_contact(text: ir.StringValue) -> ir.BooleanValue:
    return text.contains("@") | text.startswith("+")


def find_links(con: Connection, pairs: ir.Table) -> Links:
    """Join the ids that share a value, through any number of steps.

    Args:
        con: the engine.
        pairs: owner, value: each pair once; a value may be another row's owner.
    """
    pairs = keep_rows(con, "joining__", pairs.select("owner", "value"))
    shared = pairs.group_by("value").aggregate(owners=pairs.owner.nunique())
    shared = shared.filter(shared.owners > 1)
    single = keep_rows(con, "single__", pairs.anti_join(shared, "value"))
    disputed = pairs.semi_join(shared, "value")
    chained = single.semi_join(pairs.select(value="owner"), "value")
    is_chained, has_disputes = (bool(rows.count().execute()) for rows in (chained, disputed))
    if not is_chained and not has_disputes:
        return Links(single.select(node="value", person="owner"), 0)
    labels = _components(con, single, pairs)
    # A value of several ids of one person joins nobody new; a value of two persons is unclear.
    owned = disputed.inner_join(labels.select(owner="node", label="label"), "owner")
    known = owned.group_by("value").aggregate(persons=owned.label.nunique(), label=owned.label.min())
    conflicts = disputed.semi_join(known.filter(known.persons > 1), "value").count().execute()
    more = known.filter(known.persons == 1).select(node="value", label="label").anti_join(labels, "node")
    labels = labels.union(more)
    # The customer's own id is one that is not another customer's value; in a circle, the first.
    values, owners = single.select(node="value").distinct(), pairs.select(node="owner").distinct()
    owning = labels.semi_join(owners, "node")
    named = owning.mutate(is_value=owning.node.isin(values.node))
    names = named.group_by("label").aggregate(own=named.node.min(where=~named.is_value), any=named.node.min())
    persons = labels.inner_join(names, "label")
    persons = persons.select("node", person=ibis.coalesce(persons.own, persons["any"]))
    return Links(persons.filter(persons.node != persons.person), int(conflicts))


def _components(con: Connection, single: ir.Table, pairs: ir.Table) -> ir.Table:
    """node, label: ids that are joined by any number of pairs have the same label, the smallest of them."""
    edges = single.select(node="owner", other="value").union(single.select(node="value", other="owner"))
    edges = keep_rows(con, "edges__", edges.distinct())
    nodes = edges.select("node").union(pairs.select(node="owner")).distinct()
    labels = keep_rows(con, "labels0__", nodes.mutate(label=nodes.node))
    for step in range(1, _MOST_STEPS):
        near = edges.inner_join(labels.select(other="node", near="label"), "other")
        least = near.group_by("node").aggregate(near=near.near.min())
        joined = labels.left_join(least, "node")
        joined = joined.select("node", label=ibis.least(joined.label, joined.near.fill_null(joined.label)))
        after = keep_rows(con, f"labels{step % 2}__", joined)
        changed = after.anti_join(labels, ["node", "label"]).count().execute() if step % 2 else 1
        labels = after
        if not changed:
            break
    return labels
