"""The decisions of `06_content` in words, and wording that its tables and figures share."""

import numpy as np

from smsroi_helpers.content.analysis import Content
from smsroi_helpers.content.billing import Shortening
from smsroi_helpers.content.creative_profit import SegmentChoice
from smsroi_helpers.content.decision import CreativeDecision, decide_creatives, decide_shortening
from smsroi_helpers.contract import Decision
from smsroi_helpers.locale import _, interval, joined, listed, money, number, percent
from smsroi_helpers.pages import segment_name

__all__ = [
    "decide",
    "exclusion_words",
    "feature_name",
    "kind_name",
    "odds_words",
    "points_words",
    "shortening_words",
]

_SHORTENED = 3
"""Texts named in the decision; the table has all."""


def exclusion_words(reason: str, window_hours: int) -> str:
    """A reason of `Sends.exclusions` in words."""
    return {
        "received": _("All messages"),
        "other_channel": _("Sent through another channel"),
        "not_delivered": _("Not delivered"),
        "too_recent": _("Delivered less than {hours} hours before the end").format(hours=window_hours),
        "too_old": _("Older than the weeks that are read"),
        "no_text": _("Text not known"),
    }[reason]


def feature_name(feature: str) -> str:
    """The name of a feature of `text_features.FEATURES`."""
    return {
        "several_segments": _("More than one billing segment"),
        "link": _("Link"),
        "personal": _("Personal token"),
        "discount": _("Discount"),
        "urgency": _("Urgency"),
        "festival": _("Festival"),
        "question": _("Question"),
        "vote": _("Vote"),
        "reply": _("Invitation to reply"),
        "story": _("Story"),
        "emoji": _("Emoji"),
        "positive": _("Positive words"),
        "negative": _("Negative words"),
    }[feature]


def kind_name(kind: str) -> str:
    """The name of a content type."""
    return {
        "promotion": _("promotion"),
        "festival": _("festival"),
        "story": _("story"),
        "interactive": _("interactive"),
        "reminder": _("reminder"),
        "service": _("service"),
    }.get(kind, kind)


def odds_words(effect: float, low: float, high: float) -> str:
    """A log odds ratio as a change in percent with its 95 % interval: `+12 % (+3 to +22)`."""
    if not low <= effect <= high:
        return _("not known")
    return _("{value} ({low} to {high})").format(**{
        name: percent(value) for name, value in _changes(effect, low, high).items()
    })  # fmt: skip


def _changes(effect: float, low: float, high: float) -> dict[str, float]:
    return {"value": float(np.expm1(effect)), "low": float(np.expm1(low)), "high": float(np.expm1(high))}


def points_words(value: float, low: float, high: float) -> str:
    """A difference of shares as events per 1,000 texts, with its interval."""
    return interval(1000 * value, 1000 * low, 1000 * high)


def shortening_words(version: Shortening) -> str:
    """What to change in a text so that it costs less."""
    if version.how == "cut":
        return _("cut {n} characters").format(n=number(version.cut))
    return {
        "none": _("nothing"),
        "replace": _("replace special characters by plain ones"),
        "drop_emoji": _("drop the emoji"),
    }[version.how]


# --- decisions -------------------------------------------------------------------------------------------------------


def decide(content: Content, currency: str, smallest_gain: float) -> list[Decision]:
    """The decisions in words: which creative for whom, and which texts to shorten.

    Args:
        content: of `content.analyse`.
        currency: the source's.
        smallest_gain: profit per text below which a change is not worth making (money).
    """
    return [_creatives(content, decide_creatives(content, smallest_gain)), _shortening(content, currency)]


def _choices_words(choices: tuple[SegmentChoice, ...]) -> str:
    by_creative: dict[str, list[str]] = {}
    for one in choices:
        if one.texts_per_week > 0:
            by_creative.setdefault(one.creatives[one.best], []).append(segment_name(one.segment))
    if len(by_creative) == 1:
        return _("“{creative}” for all segments").format(creative=next(iter(by_creative)))
    return listed(
        _("“{creative}” for {segments}").format(creative=name, segments=listed(names))
        for name, names in by_creative.items()
    )


def _creatives(content: Content, found: CreativeDecision) -> Decision:
    texts = number(len(content.texts.creatives))
    common = {
        "stage": "content", "question": _("Which text for whom?"), "outcome": found.outcome,
        "evidence": "observational" if not found.reason or found.reason == "no_price" else "none",
        "customers": found.customers,
    }  # fmt: skip
    if found.reason == "not_compared":
        return Decision(
            **common,  # type: ignore[arg-type]
            action=_("Send at least two texts within each campaign, randomly assigned."),
            text=_(
                "None of the {n} texts can be compared: no two went to the same segment in one campaign with 20 clicks"
                " each."
            ).format(n=texts),
        )
    if found.reason == "not_sent_today":
        return Decision(
            **common,  # type: ignore[arg-type]
            action=_("No advice: no text of the last weeks is known."),
            text=_("The table creatives has no text for the messages of the weeks that are called today."),
        )
    clicks = points_words(*found.click_gain)
    if found.reason == "no_price":
        return Decision(
            **common,  # type: ignore[arg-type]
            action=_("Test {choices} against today’s texts.").format(choices=_choices_words(found.choices)),
            text=_(
                "They had {clicks} more clicks per 1,000 texts than today’s mixture, within the same campaigns. No"
                " experiment shows what a click brings, so there is no amount."
            ).format(clicks=clicks),
        )
    action = {
        "dont": _("Keep today’s mixture of texts: no other one is worth a change."),
        "not_enough_evidence": _("Test {choices} against today’s texts before changing."),
    }[found.outcome].format(choices=_choices_words(found.choices))
    open_sets = sum(int(one.chosen.sum()) > 1 for one in found.choices)
    return Decision(
        **common,  # type: ignore[arg-type]
        action=action,
        text=joined(
            _(
                "Compared with today’s mixture, within the same campaigns: {clicks} more clicks per 1,000 texts. Profit"
                " is clicks × value of a click − opt-outs × value of a subscriber − message cost."
            ).format(clicks=clicks),
            _("In {n} segments another text may be as good.").format(n=number(open_sets)) if open_sets else "",
        ),
        value=found.value, low=found.low, high=found.high, unit="money_per_week", kind="gain",
        money="long_run" if found.long_run else "cash",
        caveat=_(
            "Texts within a campaign are taken as if randomly assigned; outside tests the log does not prove it. A text"
            " that is always sent wears out."
        ),
    )  # fmt: skip


def _shortening(content: Content, currency: str) -> Decision:
    found = decide_shortening(content.savings)
    weeks = content.saving_weeks
    if not found.texts:
        return Decision(
            stage="content", question=_("Which texts cost more than they need to?"), outcome="dont",
            action=_("Keep the texts’ length: no small change would save a billing segment."),
            text=_("Every text of the last {weeks} weeks already takes the fewest segments.").format(weeks=weeks)
            if all(one.text.features.bill.segments == 1 for one in content.savings)
            else _("The texts with several segments would need large cuts."),
            evidence="descriptive", customers=content.practice.customers,
        )  # fmt: skip
    named = [
        _("“{creative}” ({language}): {change}").format(
            creative=one.text.creative, language=one.text.features.language, change=shortening_words(one.version)
        )
        for one in found.texts[:_SHORTENED]
    ]
    amount = found.saved_per_week if found.knows_cost else float("nan")
    known = found.knows_cost
    return Decision(
        stage="content", question=_("Which texts cost more than they need to?"), outcome="do",
        action=_("Shorten: {texts}.").format(texts=listed(named)),
        text=_(
            "{n} messages of the last {weeks} weeks would have taken fewer billing segments, of unknown cost."
        ).format(n=number(found.sent), weeks=weeks)
        if not known
        else _(
            "In the last {weeks} weeks {n} messages of these texts cost {saved} a week more than shorter ones."
        ).format(n=number(found.sent), weeks=weeks, saved=money(amount, currency)),
        evidence="descriptive", customers=content.practice.customers,
        value=amount, low=amount, high=amount, unit="money_per_week" if known else "", kind="gain" if known else "fact",
        money="cash" if known else "",
        caveat=_("A changed text may be clicked less or more; test it."),
    )  # fmt: skip
