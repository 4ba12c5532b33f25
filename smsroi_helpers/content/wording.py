"""The decisions of `06_content` in words, and wording that its tables and figures share."""

from collections.abc import Iterable, Sequence

from smsroi_helpers import ab_test
from smsroi_helpers.content.billing import Change, Shortening
from smsroi_helpers.content.decision import (
    CreativeDecision,
    ShorteningDecision,
    decide_creatives,
    decide_shortening,
)
from smsroi_helpers.content.feature_effects import change_in_odds
from smsroi_helpers.content.study import Content
from smsroi_helpers.content.tests_of_texts import arms_of_tests, undecided_arms
from smsroi_helpers.content.texts import excerpt
from smsroi_helpers.contract import Decision
from smsroi_helpers.locale import _, enumerated, interval, joined, language_name, listed, money, number, percent
from smsroi_helpers.pages import arm_name, not_compared_words, practice_dates, segment_name

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
        name: percent(float(change_in_odds(each)))
        for name, each in (("value", effect), ("low", low), ("high", high))
    })  # fmt: skip


def points_words(value: float, low: float, high: float) -> str:
    """A difference of shares as events per 1,000 texts, with its interval."""
    return interval(1000 * value, 1000 * low, 1000 * high)


def shortening_words(version: Shortening) -> str:
    """What to change in a text so that it costs less."""
    if version.how == "cut":
        cut = _("cut {n} characters").format(n=number(version.cut))
        if version.first == "none":
            return cut
        return _("{first}, and {then}").format(first=_change_words(version.first), then=cut)
    return _change_words(version.how)


def _change_words(change: Change) -> str:
    return {
        "none": _("nothing"),
        "replace": _("replace special characters by plain ones"),
        "drop_emoji": _("drop the emoji"),
    }[change]


# --- decisions -------------------------------------------------------------------------------------------------------


def decide(content: Content, tests: Sequence[ab_test.Evaluated], currency: str, smallest_gain: float) -> list[Decision]:
    """The decisions in words: one per randomised test of texts, which creative for whom, and which texts to shorten.

    Args:
        content: of `content.analyse`.
        tests: of `content.evaluate_tests`; they are decided by the rule of `ab_test`.
        currency: the source's.
        smallest_gain: profit per text below which a change is not worth making (money).
    """
    tested, undecided = (find(tests, content.texts) for find in (arms_of_tests, undecided_arms))
    by_segment = decide_creatives(content, smallest_gain, tested, undecided)
    return [
        *ab_test.decide_tests(tests, currency, "content"),
        _creatives(content, by_segment, currency),
        *(
            _shortening(content, found, currency)
            for found in decide_shortening(content.savings, content.saving_customers)
        ),
    ]


def _choices_words(found: CreativeDecision) -> str:
    by_creative: dict[str, list[str]] = {}
    for one in found.choices:
        if one.texts_per_week > 0:
            by_creative.setdefault(one.creatives[one.best], []).append(segment_name(one.segment))
    if len(by_creative) == 1:
        everywhere = (
            _("“{creative}” for all segments compared") if found.left_out else _("“{creative}” for all segments")
        )
        return everywhere.format(creative=arm_name(next(iter(by_creative))))
    return listed(
        _("“{creative}” for {segments}").format(creative=arm_name(name), segments=enumerated(names))
        for name, names in by_creative.items()
    )


def _gain_words(found: CreativeDecision, currency: str) -> str:
    """What the best text of each segment changes per text, and which outcome does it."""
    facts = {name: points_words(*found.gains[name]) for name in ("click", "opt_out")}
    if "profit" in found.gains:
        gain = _(
            "The best text of each segment, compared with today’s mixture within the same campaigns: profit per text"
            " {profit}; per 1,000 texts, clicks {click} and opt-outs {opt_out}."
        ).format(profit=interval(*found.gains["profit"], currency), **facts)
    else:
        gain = _(
            "The best text of each segment, compared with today’s mixture within the same campaigns: per 1,000 texts,"
            " clicks {click} and opt-outs {opt_out}."
        ).format(**facts)
    why = {
        "fewer_opt_outs": _("It is better because fewer customers opt out, not because more click."),
        "more_clicks": _("It is better because more customers click, not because fewer opt out."),
    }
    return joined(gain, why.get(found.why, "") if "profit" in found.gains and found.gains["profit"][0] > 0 else "")


def _creatives(content: Content, found: CreativeDecision, currency: str) -> Decision:
    without = found.reason in ("not_compared", "not_sent_today")
    common = {
        "stage": "content", "question": _("Which text for whom?"), "topic": "creatives", "outcome": found.outcome,
        "evidence": "none" if without else "observational",
        "customers": found.evidence_customers if found.reason else found.customers,
        "evidence_customers": float(found.evidence_customers),
        "next_test": _("Send several texts within one campaign, drawn at random for each customer, to every segment.")
        if found.outcome == "not_enough_evidence" else "",
    }  # fmt: skip
    dates = (
        _("Today means {dates}.").format(dates=practice_dates(content.practice)) if content.practice.messages else ""
    )
    if found.reason:
        action, text = _without_amount(content, found, currency)
        return Decision(**common, action=action, text=text, caveat=dates)  # type: ignore[arg-type]
    action = {
        "dont": _("Keep today’s mixture of texts: no other one is worth a change."),
        "not_enough_evidence": _("Test {choices} against today’s texts before changing."),
    }[found.outcome].format(choices=_choices_words(found))
    open_sets = len([one for one in found.choices if one.several_best])
    return Decision(
        **common,  # type: ignore[arg-type]
        action=action,
        text=joined(
            _gain_words(found, currency),
            _("Profit is clicks × value of a click − opt-outs × value of a subscriber − message cost."),
            _("In {n} segments another text may be as good.").format(n=number(open_sets)) if open_sets else "",
            not_compared_words(found.left_out),
        ),
        value=found.value, low=found.low, high=found.high, unit="money_per_week", kind="gain",
        money="long_run" if found.long_run else "cash",
        caveat=joined(dates, _(
            "Texts within a campaign are taken as if randomly assigned; outside tests the log does not prove it. A text"
            " that is always sent wears out."
        )),
    )  # fmt: skip


def _without_amount(content: Content, found: CreativeDecision, currency: str) -> tuple[str, str]:
    """Action and text where the log gives no amount."""
    choices = _choices_words(found)
    match found.reason:
        case "not_compared":
            return _("Send at least two texts within each campaign, randomly assigned."), _(
                "None of the {n} texts can be compared: no two went to the same segment in one campaign with 20 clicks"
                " each."
            ).format(n=number(len(content.texts.creatives)))
        case "not_sent_today":
            return _("No advice: no text of the last weeks is known."), _(
                "The table creatives has no text for the messages of the weeks that are called today."
            )
        case "no_price":
            return _("Test {choices} against today’s texts.").format(choices=choices), joined(
                _gain_words(found, currency),
                _("No experiment shows what a click brings, so there is no amount."),
                not_compared_words(found.left_out),
            )
    suggested = joined(_("By segment, the log suggests {choices}.").format(choices=choices), _of_suggested_words(found))
    kept = _("By segment, the log suggests no other mixture of texts than today’s.")
    every = len(found.choices[0].creatives)
    covered = (
        _("The randomised test of these texts decides about them, so no total is given here.")
        if len(found.tested) == every
        else _(
            "A randomised test covers {n} of the {all} texts compared ({texts}), and it decides about them. What the"
            " log says of the others is a lead for the next test, so no total is given here."
        ).format(n=number(len(found.tested)), all=number(every), texts=_quoted(found.tested))
    )
    if len(found.undecided) > 1:
        covered = joined(covered, _("Between {texts} that test is undecided.").format(texts=_quoted(found.undecided)))
    return suggested if found.outcome == "not_enough_evidence" else kept, joined(
        _gain_words(found, currency), covered, not_compared_words(found.left_out)
    )


def _quoted(creatives: Iterable[str]) -> str:
    return enumerated(_("“{arm}”").format(arm=arm_name(name)) for name in creatives)


def _of_suggested_words(found: CreativeDecision) -> str:
    """What the randomised test says of the texts that the log suggests; empty where it has none of them."""
    if undecided := [name for name in found.suggested if name in found.undecided]:
        return _("The randomised test of {texts} is undecided.").format(texts=_quoted(undecided))
    if tested := [name for name in found.suggested if name in found.tested]:
        return _("About {texts}, follow the randomised test.").format(texts=_quoted(tested))
    return ""


def _shortening(content: Content, found: ShorteningDecision, currency: str) -> Decision:
    weeks = content.saving_weeks
    if not found.texts:
        return Decision(
            stage="content", question=_("Which texts cost more than they need to?"), topic="savings", outcome="dont",
            action=_("Keep the texts’ length: no small change would save a billing segment."),
            text=_("Every text of the last {weeks} weeks already takes the fewest segments.").format(weeks=weeks)
            if all(one.text.features.bill.segments == 1 for one in content.savings)
            else _("The texts with several segments would need large cuts."),
            evidence="descriptive", customers=found.customers,
        )  # fmt: skip
    named = listed(
        _("“{creative}” ({language}): {change}").format(
            creative=excerpt(one.text.text),
            language=language_name(one.text.features.language),
            change=shortening_words(one.version),
        )
        for one in found.texts[:_SHORTENED]
    )
    safe, known = found.outcome == "do", found.knows_cost
    words = (
        _("{n} messages of the last {weeks} weeks would have taken fewer billing segments, of unknown cost.")
        if not known
        else _("{n} messages of these texts cost {saved} a week more than shorter ones, in the last {weeks} weeks.")
    )
    return Decision(
        stage="content",
        question=_("Which texts cost more than they need to?") if safe else _("Which shorter texts should be tested?"),
        topic="savings" if safe else "shorter_texts",
        outcome=found.outcome,
        action=(_("Shorten: {texts}.") if safe else _("Test shorter versions: {texts}.")).format(texts=named),
        text=joined(
            words.format(n=number(found.sent), weeks=weeks, saved=money(found.saved_per_week, currency)),
            _("The amount is counted from the texts sent and their cost, so it has no interval.") if known else "",
        ),
        next_test="" if safe else _(
            "Send the shorter version to half of the next campaign, drawn at random, and compare clicks and opt-outs."
        ),
        evidence="descriptive", customers=found.customers, value=found.saved_per_week,
        unit="money_per_week" if known else "", money="cash" if known else "",
        number_words=_("a week in the last {weeks} weeks, descriptive").format(weeks=weeks) if known else "",
        caveat=_("The words stay the same.") if safe else _(
            "A changed text may be clicked less or more. Cut the message itself; the sender’s signature and the opt-out"
            " notice stay."
        ),
    )  # fmt: skip
