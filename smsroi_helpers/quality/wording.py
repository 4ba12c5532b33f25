"""The quality check in words: the decision, and what missing tables and columns would add."""

import pandas as pd

from smsroi_helpers.contract import Decision
from smsroi_helpers.locale import _, day, joined, number, percent
from smsroi_helpers.quality import decision
from smsroi_helpers.quality.checks import Coverage, list_missing
from smsroi_helpers.quality.decision import LogAssessment
from smsroi_helpers.source import Shop

__all__ = [
    "decide",
    "list_gains",
    "put_in_words",
]


def decide(coverage: Coverage, tables: pd.DataFrame, notebooks: pd.DataFrame) -> Decision:
    """The decision of `decision.decide` in words: whether this log can be analysed, and what to repair first."""
    return put_in_words(decision.decide(coverage, tables, notebooks))


def put_in_words(found: LogAssessment) -> Decision:
    """The decision in words."""
    coverage = found.coverage
    caveats = []
    if found.reason == "gap_in_orders":
        caveats.append(
            _("There are {days} days in a row without an order: is the export whole?").format(
                days=number(coverage.longest_gap_days)
            )
        )
    if coverage.not_joined:
        caveats.append(
            _(
                "Hardly any customer of {tables} is in the other tables: do they name customers differently? Add a"
                " table identities, or map the ids."
            ).format(tables=", ".join(coverage.not_joined))
        )
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
    return Decision(
        stage="quality",
        question=_("Is this log fit to analyse?"),
        outcome=found.outcome,
        action=_action(found),
        text=_(
            "{orders} orders of {customers} customers from {first} to {last}; {aside} rows ({share}) were rejected."
        ).format(
            orders=number(coverage.orders),
            customers=number(coverage.customers),
            first=day(coverage.first),
            last=day(coverage.last),
            aside=number(found.rows_rejected),
            share=percent(found.share_rejected, 2),
        ),
        caveat=joined(*caveats),
        evidence="descriptive",
        customers=coverage.customers,
    )


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
        "messages": _("who was texted when: without it there is no timing, no frequency, no effectiveness"),
        "experiments": _("what was tried by lot: without it nothing on these pages is caused by a message"),
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
