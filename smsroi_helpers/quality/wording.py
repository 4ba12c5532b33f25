"""The quality check in words: the decision, and what missing tables and columns would add."""

import pandas as pd

from smsroi_helpers.contract import Decision
from smsroi_helpers.locale import _, day, joined, number, percent
from smsroi_helpers.quality import decision
from smsroi_helpers.quality.checks import Coverage, MessageCoverage, list_missing
from smsroi_helpers.quality.decision import LONGEST_GAP_DAYS, LogAssessment
from smsroi_helpers.source import Shop

__all__ = [
    "decide",
    "list_gains",
    "put_in_words",
]


def decide(coverage: Coverage | MessageCoverage, tables: pd.DataFrame, notebooks: pd.DataFrame) -> Decision:
    """The decision of `decision.decide` in words: whether this log can be analysed, and what to repair first."""
    return put_in_words(decision.decide(coverage, tables, notebooks))


def put_in_words(found: LogAssessment) -> Decision:
    """The decision in words."""
    coverage = found.coverage
    aside = {"aside": number(found.rows_rejected), "share": percent(found.share_rejected, 2)}
    if isinstance(coverage, MessageCoverage):
        text = _(
            "{messages} messages to {customers} customers from {first} to {last}; {aside} rows ({share}) were rejected."
        ).format(messages=number(coverage.messages), **_dates_and_customers(coverage), **aside)
        caveats = _message_caveats(coverage)
    else:
        text = _(
            "{orders} orders of {customers} customers from {first} to {last}; {aside} rows ({share}) were rejected."
        ).format(orders=number(coverage.orders), **_dates_and_customers(coverage), **aside)
        caveats = _order_caveats(coverage, found.reason == "gap_in_orders")
    return Decision(
        stage="quality",
        question=_("Is this log fit to analyse?"),
        outcome=found.outcome,
        action=_action(found),
        text=text,
        caveat=joined(*caveats),
        evidence="descriptive",
        customers=coverage.customers,
    )


def _dates_and_customers(coverage: Coverage | MessageCoverage) -> dict[str, str]:
    return {"customers": number(coverage.customers), "first": day(coverage.first), "last": day(coverage.last)}


def _message_caveats(coverage: MessageCoverage) -> list[str]:
    """What a source without orders cannot show, and a gap in its messages."""
    caveats = [
        _(
            "This source has no orders: revenue, profit and customer value are not known. Tests and hours are compared"
            " by clicks and opt-outs."
        )
    ]
    if coverage.longest_gap_days > LONGEST_GAP_DAYS:
        caveats.append(
            _("There are {days} days in a row without a message: is the export whole?").format(
                days=number(coverage.longest_gap_days)
            )
        )
    return caveats + _join_caveat(coverage)


def _join_caveat(coverage: Coverage | MessageCoverage) -> list[str]:
    if not coverage.not_joined:
        return []
    return [
        _(
            "Hardly any customer of {tables} is in the other tables: do they name customers differently? Add a"
            " table identities, or map the ids."
        ).format(tables=_(", ").join(coverage.not_joined))
    ]


def _order_caveats(coverage: Coverage, has_gap: bool) -> list[str]:
    caveats = []
    if has_gap:
        caveats.append(
            _("There are {days} days in a row without an order: is the export whole?").format(
                days=number(coverage.longest_gap_days)
            )
        )
    caveats += _join_caveat(coverage)
    if coverage.guest_orders:
        caveats.append(
            _("{n} orders of guests are left out of everything about customers.").format(
                n=number(coverage.guest_orders)
            )
        )
    if coverage.customers_unknown:
        caveats.append(
            _("{n} customers with orders are missing from the table of customers.").format(
                n=number(coverage.customers_unknown)
            )
        )
    if coverage.refunds:
        caveats.append(_("{n} refunds are counted apart from purchases.").format(n=number(coverage.refunds)))
    return caveats


def _action(found: LogAssessment) -> str:
    if found.reason == "gap_in_orders":
        return _("Mend the gap in the orders first")
    if found.reason == "not_joined":
        return _("Make the tables name customers alike first")
    return _("Go on: the log can be analysed, {runnable} of {all} notebooks have what they need").format(
        runnable=found.notebooks_runnable, all=found.notebooks
    )


def list_gains(shop: Shop) -> pd.DataFrame:
    """Missing tables and columns: missing (table or table.column), would_add (what it would add)."""
    gains = {
        "orders": _("what messages bring: without it there is no revenue, no profit, no customer value, no RFM groups"),
        "messages": _("who was texted when: without it there is no timing, no frequency, no effectiveness"),
        "experiments": _("randomised tests: without them no page can say what a message caused"),
        "customers": _("attributes to group by, time zones, and consent"),
        "customers.timezone": _("the recipient's own hour; the source's clock stands in for it"),
        "customers.opted_out_at": _("what texting costs in subscribers, and whether somebody is texted after leaving"),
        "orders.discount": _("what discounts cost: without it no discount can be recommended for profit"),
        "messages.delivered_at": _("which messages arrived; every one sent counts as delivered"),
        "messages.clicked_at": _("a response that is quicker and more frequent than an order"),
        "messages.cost": _("the price of each message"),
        "creatives": _("the words: which move people"),
        "feedback": _("satisfaction, to hold against how often people are texted"),
        "visits": _("each customer's own hours"),
    }
    missing = list_missing(shop)
    return pd.DataFrame({"missing": missing, "would_add": [gains[name] for name in missing]})
