"""The answer of `08_effectiveness` in words, and the names of KPIs."""

from smsroi_helpers.contract import Decision
from smsroi_helpers.effectiveness import decision
from smsroi_helpers.effectiveness.analyse import Effectiveness
from smsroi_helpers.effectiveness.decision import EffectDecision
from smsroi_helpers.locale import _, joined

__all__ = [
    "decide",
    "definition_words",
    "dimension_words",
    "exclusion_words",
    "kpi_words",
    "missing_words",
    "put_in_words",
]


def kpi_words(kpi: str) -> str:
    """The name of a KPI."""
    return {
        "reach": _("Reach"),
        "delivered_rate": _("Delivery rate"),
        "click_rate": _("Click rate"),
        "conversion_rate": _("Conversion rate"),
        "reply_rate": _("Reply rate"),
        "opt_out_rate": _("Opt-out rate"),
        "revenue_per_message": _("Attributed revenue per message"),
        "roi": _("Attributed ROI"),
        "cost_performance": _("Cost performance index"),
    }[kpi]


def definition_words(kpi: str) -> str:
    """What a KPI divides by what."""
    return {
        "reach": _("customers with a delivered message ÷ customers sent to"),
        "delivered_rate": _("delivered messages ÷ messages sent"),
        "click_rate": _("messages a person clicked within the window ÷ delivered messages that no machine clicked"),
        "conversion_rate": _("messages with an order by last touch within the window ÷ delivered messages"),
        "reply_rate": _("messages with a reply ÷ delivered messages"),
        "opt_out_rate": _("messages with an opt-out within the window ÷ delivered messages"),
        "revenue_per_message": _("attributed revenue, before refunds ÷ delivered messages"),
        "roi": _("(profit of attributed orders − message cost) ÷ message cost"),
        "cost_performance": _("expected cost ÷ cost spent; below 1 the messages cost more than expected"),
    }[kpi]


def dimension_words(dimension: str) -> str:
    """The name of what KPIs are given by."""
    return {
        "all": _("All messages"),
        "campaign": _("Campaign"),
        "channel": _("Channel"),
        "segment": _("Segment"),
        "month": _("Month"),
    }[dimension]


def exclusion_words(reason: str, window_hours: int) -> str:
    """A reason of `Effectiveness.exclusions` in words."""
    return {
        "received": _("As they came"),
        "too_old": _("Sent before the months counted"),
        "too_recent": _("Sent so lately that what follows has not been seen for {hours} hours").format(
            hours=window_hours
        ),
    }[reason]


def missing_words(found: Effectiveness) -> list[str]:
    """What the source does not record, and what cannot be said without it; one sentence each."""
    known = found.known
    words = {
        "messages": _("There is no table messages, so campaigns cannot be counted."),
        "orders": _("There is no table orders, so conversion, revenue and profit are not known."),
        "campaigns": _("There is no table campaigns, so campaigns are shown by their ids."),
        "deliveries": _("There is no column delivered_at: sent messages count as delivered."),
        "clicks": _("There is no column clicked_at, so the click rate is not known."),
        "replies": _("There is no column replied_at, so the reply rate is not known."),
        "opt_outs": _("There is no column messages.opted_out_at, so the opt-out rate by campaign is not known."),
        "cost": _("Message costs are not known, so there is no ROI."),
    }
    absent = [name for name in words if not getattr(known, name)]
    if not known.messages:
        absent = [name for name in absent if name in ("messages", "orders")]
    return [words[name] for name in absent]


def decide(found: Effectiveness, currency: str) -> list[Decision]:
    """The answer in words.

    Args:
        found: of `analyse.analyse`.
        currency: the source's.
    """
    return [put_in_words(decision.decide(found), found, currency)]


def put_in_words(answer: EffectDecision, found: Effectiveness, currency: str) -> Decision:
    """A typed answer in words."""
    text = {
        "no_messages": _("This source has no messages, so nothing can be said of campaigns."),
        "no_orders": _("This source has no orders, so only deliveries, clicks, replies and opt-outs are known."),
        "no_test": _("No group was randomly left untexted, so attributed revenue shows correlation only."),
    }[answer.reason]
    return Decision(
        stage="effectiveness",
        question=_("What did the messages achieve?"),
        outcome=answer.outcome,
        action=_("Leave a random group untexted to learn what the messages add."),
        text=text,
        caveat=joined(*missing_words(found)),
        evidence=answer.evidence,
        customers=answer.customers,
    )
