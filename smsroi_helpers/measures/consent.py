"""Consent: which customers may be texted at an instant."""

import datetime as dt
from collections.abc import Sequence

import ibis
import ibis.expr.types as ir

from smsroi_helpers.contract import withdrawn
from smsroi_helpers.measures.columns import earliest_instant
from smsroi_helpers.source import Shop

__all__ = [
    "consents",
    "earliest_opt_out",
    "opt_in_times",
    "opt_outs",
    "subscribed",
    "subscribers_at",
]


def opt_outs(shop: Shop) -> ir.Table | None:
    """customer_id, opt_out_at (UTC): every opt-out of `customers` and `messages`; None where neither records any."""
    found = [
        getattr(shop, name).select("customer_id", opt_out_at=ibis._.opted_out_at.cast("timestamp"))
        for name in ("customers", "messages")
        if shop.has(name, "opted_out_at")
    ]
    if not found:
        return None
    events = ibis.union(*found) if len(found) > 1 else found[0]
    return events.filter(events.opt_out_at.notnull())


def earliest_opt_out(shop: Shop, opted_out_at: ir.TimestampValue) -> ir.TimestampValue:
    """The earliest instant (UTC) that each opt-out may mean: the start of the day if its date has no time."""
    return earliest_instant(shop, opted_out_at, "messages", "opted_out_at")


def opt_in_times(shop: Shop) -> ir.Table | None:
    """customer_id, consent_at (UTC; null: no consent); None where the source has no column `opted_in_at`."""
    if not shop.has("customers", "opted_in_at"):
        return None
    return shop.customers.select("customer_id", consent_at=ibis._.opted_in_at.cast("timestamp"))


def consents(
    shop: Shop, opted_in_at: ir.TimestampValue, last_opt_out: ir.TimestampValue, at: ir.TimestampValue
) -> ir.BooleanValue:
    """The consent rule: whether a customer may be texted at an instant.

    The later of opt-in and opt-out decides; an opt-out at the same instant as the opt-in withdraws it. Without a column
    `opted_in_at` consent is assumed; an empty value means no consent.

    Args:
        shop: the company.
        opted_in_at: of each row (UTC); null where there is none.
        last_opt_out: the latest opt-out before `at`; null where there is none.
        at: the instant.
    """
    kept = ~withdrawn(opted_in_at, last_opt_out, at)
    return kept & (opted_in_at <= at).fill_null(False) if shop.has("customers", "opted_in_at") else kept


def subscribed(shop: Shop, at: ir.TimestampValue, customers: ir.Table) -> ir.Table:
    """customer_id of those `customers` who may be texted at an instant: see `consents`.

    Args:
        shop: the company.
        at: the instant (UTC), the same for all customers.
        customers: a column customer_id, each customer once.
    """
    rows = customers.select("customer_id")
    opt_ins = opt_in_times(shop)
    if opt_ins is None:
        rows = rows.mutate(consent_at=ibis.null("timestamp"))
    else:
        opt_ins = opt_ins.rename(person="customer_id")
        rows = rows.left_join(opt_ins, rows.customer_id == opt_ins.person).drop("person")
    withdrawn = opt_outs(shop)
    if withdrawn is None:
        rows = rows.mutate(last_opt_out=ibis.null("timestamp"))
    else:
        before = withdrawn.filter(withdrawn.opt_out_at < at)
        last = before.group_by(person="customer_id").aggregate(last_opt_out=before.opt_out_at.max())
        rows = rows.left_join(last, rows.customer_id == last.person).drop("person")
    return rows.filter(consents(shop, rows.consent_at, rows.last_opt_out, at)).select("customer_id")


def subscribers_at(shop: Shop, instants: Sequence[dt.datetime]) -> ir.Table | None:
    """How many customers may be texted at each instant (see `consents`), in one pass: a row with `at_0`, `at_1`, ….

    Args:
        shop: the company.
        instants: UTC.

    Returns:
        None where the source has no opt-ins or no opt-outs: consent is then assumed of everybody, which counts nothing.
    """
    opt_ins, withdrawals = opt_in_times(shop), opt_outs(shop)
    if opt_ins is None or withdrawals is None:
        return None
    last = withdrawals.group_by(person="customer_id").aggregate(
        **{
            f"out_{k}": withdrawals.opt_out_at.max(where=withdrawals.opt_out_at < ibis.literal(at))
            for k, at in enumerate(instants)
        }
    )
    rows = opt_ins.left_join(last, opt_ins.customer_id == last.person)
    return rows.aggregate(
        **{
            f"at_{k}": consents(shop, rows.consent_at, rows[f"out_{k}"], ibis.literal(at)).cast("int64").sum()
            for k, at in enumerate(instants)
        }
    )
