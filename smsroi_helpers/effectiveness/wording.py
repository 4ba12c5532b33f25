"""The answer of `08_effectiveness` in words, and the names of KPIs."""

import datetime as dt
from collections.abc import Sequence

import numpy as np

from smsroi_helpers.contract import Decision
from smsroi_helpers.effectiveness import decision
from smsroi_helpers.effectiveness.activity import REPURCHASE_DAYS
from smsroi_helpers.effectiveness.audit import Audit
from smsroi_helpers.effectiveness.audit_wording import put_audit_in_words
from smsroi_helpers.effectiveness.decision import EffectDecision
from smsroi_helpers.effectiveness.drift_wording import put_drift_in_words
from smsroi_helpers.effectiveness.model_drift import ModelCheck
from smsroi_helpers.effectiveness.study import Effectiveness
from smsroi_helpers.errors import redact, shortened
from smsroi_helpers.locale import _, day, enumerated, interval, joined, money, month, number, percent
from smsroi_helpers.pages import arm_name, channel_name, experiment_title, experiment_words, segment_name, sentence_case

__all__ = [
    "decide",
    "definition_words",
    "dimension_words",
    "exclusion_words",
    "factor_words",
    "frequency_words",
    "kpi_words",
    "level_words",
    "missing_words",
    "month_words",
    "put_in_words",
    "touch_words",
    "window_words",
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
        "roi": _("Attributed ROI of messages"),
        "cost_performance": _("Cost performance index"),
        "repurchase_rate": _("Repurchase rate"),
        "dau_mau": _("DAU/MAU"),
        "arpu": _("ARPU per month"),
        "cac": _("CAC"),
        "nps": _("NPS"),
    }[kpi]


def definition_words(kpi: str) -> str:
    """What a KPI divides by what."""
    return {
        "reach": _("customers with a delivered message ÷ customers sent to"),
        "delivered_rate": _("delivered messages ÷ messages sent"),
        "click_rate": _("messages a person clicked within the window ÷ delivered messages that no machine clicked"),
        "conversion_rate": _("messages with an order by last touch within the window ÷ delivered messages"),
        "reply_rate": _("messages with a reply ÷ delivered messages of channels that record replies"),
        "opt_out_rate": _(
            "messages with an opt-out within the window ÷ delivered messages of channels that record opt-outs"
        ),
        "revenue_per_message": _("attributed revenue, before refunds ÷ delivered messages"),
        "roi": _("(profit of attributed orders − message cost) ÷ message cost, of channels with a cost"),
        "cost_performance": _("expected cost ÷ cost spent; below 1 the messages cost more than expected"),
        "repurchase_rate": _(
            "buyers of a month who bought again within {days} days ÷ buyers of the month; months followed as long"
        ).format(days=number(REPURCHASE_DAYS)),
        "dau_mau": _("customers active on an average day ÷ customers active in the month (purchase, click or visit)"),
        "arpu": _("revenue less refunds ÷ customers active in the month"),
        "cac": _("acquisition cost ÷ customers who joined in these months, buyers or not, where the cost is known"),
        "nps": _("share of answers from 9 on − share up to 6, last answer of each customer and month"),
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


def month_words(name: str) -> str:
    """A month of the tables of KPIs as on pages.

    >>> month_words("2025-07")
    'Jul 2025'
    """
    return month(dt.date.fromisoformat(f"{name}-01"))


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
        "messages": _("The source has no messages, so campaigns cannot be counted."),
        "orders": _("The source has no orders, so conversion, revenue and profit are not known."),
        "campaigns": _("The source does not name campaigns, so they are shown by their ids."),
        "deliveries": _("The source records no deliveries: sent messages count as delivered."),
        "clicks": _("The source records no clicks, so the click rate is not known."),
        "replies": _("The source records no replies, so the reply rate is not known."),
        "opt_outs": _(
            "The source does not record after which message customers opted out, so the opt-out rate by campaign is not"
            " known."
        ),
        "cost": _("Message costs are not known, so there is no ROI."),
    }
    absent = [name for name in words if not getattr(known, name)]
    if not known.messages:
        absent = [name for name in absent if name in ("messages", "orders")]
    return [words[name] for name in absent] + _unrecorded_words(found)


def _unrecorded_words(found: Effectiveness) -> list[str]:
    """What single channels do not record, one sentence each."""
    words = {
        "clicks": _("No click is recorded for channel {channels}: its click rate is not known."),
        "replies": _("No reply is recorded for channel {channels}: its reply rate is not known."),
        "opt_outs": _("No opt-out is recorded for channel {channels}: its opt-out rate is not known."),
        "cost": _(
            "No cost above zero is recorded for channel {channels}: it has no ROI, and the profit of all channels"
            " together leaves it out."
        ),
    }
    unrecorded = found.sends.unrecorded if found.sends else {}
    return [
        words[name].format(channels=enumerated(channel_name(redact(shortened(channel))) for channel in channels))
        for name, channels in unrecorded.items()
    ]


def touch_words(touch: str) -> str:
    """The name of an attribution rule."""
    return {"last": _("last touch"), "any": _("any touch")}[touch]


def window_words(hours: int) -> str:
    """An attribution window: whole days from three on, else hours.

    >>> window_words(48), window_words(72), window_words(100)
    ('48 hours', '3 days', '100 hours')
    """
    if hours >= 72 and hours % 24 == 0:
        return _("{n} days").format(n=number(hours / 24))
    return _("{n} hours").format(n=number(hours))


def frequency_words(frequency: str, known: tuple[str, ...]) -> str:
    """A range of messages per week; `known` are all of them, in order."""
    words = (_("none"), _("up to 1"), _("1 to 2"), _("2 to 4"), _("more than 4"))
    return dict(zip(known, words, strict=True))[frequency]


def factor_words(factor: str) -> str:
    """A factor of the regression."""
    return {
        "channel": _("Channel"),
        "segment": _("Segment"),
        "weekday": _("Weekday"),
        "part": _("Part of the day"),
    }[factor]


def level_words(factor: str, level: str) -> str:
    """A level of a factor of the regression."""
    if factor == "segment":
        return segment_name(level)
    if factor == "weekday":
        return (_("Monday"), _("Tuesday"), _("Wednesday"), _("Thursday"), _("Friday"), _("Saturday"), _("Sunday"))[
            int(level)
        ]
    if factor == "part":
        kind, hour, *until = level.split()
        if until:
            return _("{start}–{end}").format(start=hour, end=until[-1])
        return (_("before {hour}") if kind == "before" else _("from {hour}")).format(hour=hour)
    return channel_name(level) if factor == "channel" else level


def decide(
    found: Effectiveness, audit: Audit | None = None, checks: Sequence[ModelCheck] = (), currency: str = ""
) -> list[Decision]:
    """The answer in words, what the audit of past texts found, and which models do not hold any more.

    Args:
        found: of `study.analyse`.
        audit: of `audit.audit_rules`.
        checks: of `model_drift.check_models`.
        currency: the source's; empty where it names none.
    """
    return [
        put_in_words(decision.decide(found), found, currency),
        *put_audit_in_words(audit),
        *put_drift_in_words(checks, currency),
    ]  # fmt: skip


def put_in_words(answer: EffectDecision, found: Effectiveness, currency: str = "") -> Decision:
    """A typed answer in words."""
    known = bool(np.isfinite([answer.factor.estimate, answer.factor.low, answer.factor.high]).all())
    nan = float("nan")
    return Decision(
        stage="effectiveness",
        question=_("Which share of attributed revenue did the messages cause?"),
        outcome=answer.outcome,
        action=_action(answer),
        text=_text(answer, found, currency),
        caveat=joined(*_caveats(answer), *missing_words(found)),
        next_test=_("Leave customers drawn at random without texts for months; the more, the sooner it is known.")
        if answer.outcome == "not_enough_evidence"
        else "",
        evidence=answer.evidence,
        customers=answer.customers,
        value=answer.factor.estimate if known else nan,
        low=answer.factor.low if known else nan,
        high=answer.factor.high if known else nan,
        unit="share" if known else "",
        number_words=_("of the attributed revenue is incremental") if known else "",
        level=True,
    )


def _action(answer: EffectDecision) -> str:
    match answer.reason:
        case "no_messages":
            return _("Add the messages to see what campaigns achieve.")
        case "no_orders":
            return _("Add the orders to see what campaigns bring.")
        case "no_test":
            return _("Leave a random group untexted to learn what the messages add.")
        case "calibrated":
            return _("Multiply attributed revenue by {factor} before comparing it with costs.").format(
                factor=number(answer.factor.estimate, 2)
            )
        case "no_revenue":
            return _("Do not count attributed revenue as earned: the test shows no incremental revenue.")
        case "undecided":
            return _("Keep the randomised holdout running: it does not yet show how much revenue the messages add.")


def _text(answer: EffectDecision, found: Effectiveness, currency: str) -> str:
    if answer.reason == "no_messages":
        return _("This source has no messages, so nothing can be said of campaigns.")
    if answer.reason == "no_orders":
        return _("This source has no orders, so only deliveries, clicks, replies and opt-outs are known.")
    if answer.test is None:
        return _("No group was randomly left untexted, so attributed revenue shows correlation only.")
    if not np.isfinite([answer.test.incremental.low, answer.test.incremental.high]).all():
        return _("{test} is too new to have an interval.").format(
            test=sentence_case(experiment_words(answer.test.experiment))
        )
    if not np.isfinite([answer.factor.low, answer.factor.high]).all():
        return _("The treated customers have hardly any attributed revenue to compare with.")
    words = _(
        "{test}: of the revenue attributed by last touch within {window}, {share} is incremental (95% interval"
        " {low} to {high})."
    ).format(
        test=experiment_title(answer.test.experiment), window=window_words(found.attribution_hours),
        share=percent(answer.factor.estimate), low=percent(answer.factor.low), high=percent(answer.factor.high),
    )  # fmt: skip
    roi = answer.test.roi
    if not np.isfinite([roi.estimate, roi.low, roi.high]).all():
        return words
    return joined(words, _(
        "ROI of the {n} customers of the arm “{arm}”, from {first} to {last}, per {one} of message cost: attributed"
        " {attributed}, incremental {incremental}."
    ).format(
        n=number(answer.test.customers), arm=arm_name(answer.test.arm),
        first=day(answer.test.first), last=day(answer.test.last),
        attributed=money(answer.test.attributed_roi, currency) if currency else number(answer.test.attributed_roi, 2),
        incremental=interval(roi.estimate, roi.low, roi.high, currency), one=money(1, currency, 0) if currency else "1",
    ))  # fmt: skip


def _caveats(answer: EffectDecision) -> list[str]:
    if answer.reason == "calibrated":
        return [_("One factor for all campaigns is a model: single campaigns may differ from it.")]
    if answer.reason != "undecided" or np.isnan(answer.times):
        return []
    if np.isfinite(answer.times):
        needed = float(f"{answer.needed:.2g}")
        words = _(
            "If messages add the revenue estimated, about {n} customers instead of {now} would show it with 80% power."
            " The number on the page of tests is another: it detects a gain of a tenth of what customers bring."
        )
        return [words.format(n=number(needed), now=number(answer.customers))]
    return [_("The estimate is not above zero, so no number of customers can be named.")]
