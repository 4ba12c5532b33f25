"""Whom to treat, and who is better left alone, in words."""

from collections.abc import Mapping

from smsroi_helpers.ab_test.effects import is_count, is_money
from smsroi_helpers.ab_test.left_alone import PooledSegments, loss_avoided
from smsroi_helpers.ab_test.shared_wording import gain_words, rule_words, segment_words, time_words
from smsroi_helpers.ab_test.study import Evaluated
from smsroi_helpers.ab_test.targeting import TargetingAnswer
from smsroi_helpers.contract import Decision
from smsroi_helpers.locale import _, enumerated, joined, listed, money, number, percent
from smsroi_helpers.pages import arm_name, column_name, experiment_name, experiment_title

__all__ = [
    "left_alone_words",
    "targeting_words",
    "traits_words",
]


# --- targeting rules --------------------------------------------------------------------------------------------------


def traits_words(answer: TargetingAnswer, currency: str) -> str:
    """What sets the customers ranked first apart from the others; empty where nothing does."""
    found = []
    for row in answer.traits.itertuples():
        one, two = row.chosen, row.others
        if row.level:
            words, shown = _("{name} {level}: {chosen} of them, {others} of the others"), (percent(one), percent(two))
        elif row.column == "since_order":
            words, shown = _("last order {chosen} days before, the others {others}"), (number(one), number(two))
        elif row.column == "orders":
            words, shown = _("{chosen} orders before, the others {others}"), (number(one, 1), number(two, 1))
        elif row.column == "spend":
            words, shown = _("{chosen} spent before, the others {others}"), (money(one, currency), money(two, currency))
        else:
            words, shown = _("{name} {chosen}, the others {others}"), (number(one, 1), number(two, 1))
        facts = {"chosen": shown[0], "others": shown[1], "name": column_name(row.column), "level": row.level}
        found.append(words.format(**facts))
    return listed(found)


def targeting_words(answer: TargetingAnswer, currency: str) -> Decision:
    """The row of the table `decisions`: which fifths of the list get the arm, and what that gains.

    Args:
        answer: of `targeting.decide_targeting`.
        currency: the source's.
    """
    value, low, high = answer.value
    return Decision(
        stage="ab_test",
        question=_("Who should get it? ({test})").format(test=experiment_name(answer.experiment.name)),
        topic=f"whom:{answer.experiment.name}",
        outcome="do",
        action=_action(answer),
        text=_text(answer, currency),
        caveat=_caveat(answer),
        evidence=answer.evidence,
        customers=answer.customers,
        evidence_customers=answer.evidence_customers,
        value=value,
        low=low,
        high=high,
        unit=answer.unit,
        period=f"{answer.experiment.weeks:.3g} weeks" if answer.unit == "money" else "",
        kind="gain" if answer.form == "only" and is_money(answer.metric) else "fact",
    )


def _action(answer: TargetingAnswer) -> str:
    facts = {
        "test": experiment_title(answer.experiment.name), "arm": arm_name(answer.arm),
        "control": arm_name(answer.experiment.control),
        "rule": rule_words(answer.rule), "first": percent(answer.share_first),
        "last": percent(answer.share_last),
    }  # fmt: skip
    if answer.form == "first":
        words = _("{test}: if {arm} does not go to everybody, start with the customers ranked first by {rule}")
    elif answer.against_no_texts and answer.compared_with == "nobody":
        words = _("{test}: text only the first {first} of customers, ranked by {rule}")
    elif answer.against_no_texts:
        words = _("{test}: leave out the last {last} of customers, ranked by {rule}")
    elif answer.compared_with == "nobody":
        words = _("{test}: send {arm} only to the first {first} of customers, ranked by {rule}")
    else:
        words = _("{test}: send {arm}, but leave out the last {last} of customers, ranked by {rule}")
    return words.format(**facts)


def _text(answer: TargetingAnswer, currency: str) -> str:
    experiment = answer.experiment
    facts = {"arm": answer.arm, "control": arm_name(experiment.control), "time": time_words(experiment.weeks)}
    facts["gain"] = gain_words(answer.metric, answer.gain, currency)
    compared = {
        "everybody": _("Gain per customer of the list over {time}, compared with {arm} for everybody: {gain}."),
        "nobody": _("Gain per customer of the list over {time}, compared with {control} for everybody: {gain}."),
        "random": _(
            "Gain per customer of the list over {time}, compared with sending {arm} to as many customers chosen at"
            " random, averaged over all shares: {gain}."
        ),
    }[answer.compared_with]
    scale = 1.0 if is_money(answer.metric) or is_count(answer.metric) else 100.0
    effects = [_fifth(row.effect * scale, answer.metric, currency) for row in answer.effects.itertuples()]
    traits = traits_words(answer, currency)
    parts = [
        compared.format(**facts),
        _("Measured on customers who were not used to choose the rule."),
        _("The interval allows for {n} rankings having been compared.").format(n=number(answer.compared))
        if answer.compared > 1
        else "",
        _("Effect of {arm} in the five fifths, first to last: {effects}.").format(
            arm=arm_name(answer.arm), effects=listed(effects)
        )
        if is_money(answer.metric)
        else _("Effect of {arm} in the five fifths, first to last, in orders per customer: {effects}.").format(
            arm=arm_name(answer.arm), effects=listed(effects)
        )
        if is_count(answer.metric)
        else _("Effect of {arm} in the five fifths, first to last, in percentage points: {effects}.").format(
            arm=arm_name(answer.arm), effects=listed(effects)
        ),
        _("What sets the first {share} apart: {traits}.").format(share=percent(answer.share_first), traits=traits)
        if traits
        else "",
        _("{n} of today’s {all} customers are concerned.").format(
            all=number(answer.listed), n=number(answer.customers)
        ),
        _list_words(answer.rule),
    ]  # fmt: skip
    return joined(*parts)


def _list_words(rule: str) -> str:
    """Where the list is, or what it is made of."""
    return {
        "rfm": _("List: the table of customer segments, by the sum of the three RFM scores, highest first."),
        "value": _("List: the table of customer values, by expected value, highest first."),
        "churn": _("List: the table of customer values, by P(alive), lowest first."),
        "uplift": _("The ranking is learned from earlier orders, spend and the customers’ attributes."),
    }[rule]


def _fifth(effect: float, metric: str, currency: str) -> str:
    shown = money(effect, currency) if is_money(metric) else number(effect, 3 if is_count(metric) else 1)
    return f"+{shown}" if effect > 0 else shown


def _caveat(answer: TargetingAnswer) -> str:
    parts = []
    if answer.form == "first":
        parts.append(_("That leaving out the customers ranked last gains anything is not shown."))
    if is_money(answer.metric):
        parts.append(_("The amount assumes that today’s customers respond as those of the test did."))
    if answer.metric == "revenue":
        parts.append(_("What the messages cost is not known here, so this is revenue, not profit."))
    elif not is_money(answer.metric) and not is_count(answer.metric):
        parts.append(_("This source does not say what an order is worth, so nothing is said in money."))
    return joined(*parts)


# --- segments that are better left alone -----------------------------------------------------------------------------


def left_alone_words(
    pooled: PooledSegments, listed_by_segment: Mapping[str, int], evaluated: tuple[Evaluated, ...], currency: str
) -> list[Decision]:
    """A row of the table `decisions` for each segment that texts harm, over all tests together.

    Args:
        pooled: of `ab_test.pool_tests`.
        listed_by_segment: today's customers by segment, of `ab_test.count_listed`.
        evaluated: of `ab_test.analyse`.
        currency: the source's.
    """
    in_money = is_money(pooled.metric) if pooled.metric else False
    elsewhere = any(each.decided_in == "frequency" for each in evaluated)
    found = []
    for row in pooled.segments.itertuples() if pooled.harmed else ():
        if not row.harmed:
            continue
        listed_here = listed_by_segment.get(row.segment, 0)
        if not listed_here:
            continue
        avoided = loss_avoided(row.effect, row.low, row.high, listed_here if in_money else 1.0)
        segment = segment_words(row.segment)
        each = gain_words(pooled.metric, (row.effect, row.low, row.high), currency)
        found.append(Decision(
            stage="ab_test",
            question=_("Who is better left alone?"),
            topic="left_alone",
            outcome="do",
            action=_("Better left alone: customers who are “{segment}”").format(segment=segment),
            text=joined(
                _("Texts change their outcome by {effect} per customer and week compared with no texts.").format(
                    effect=each
                ),
                _("Estimated over all tests with an arm that is not texted: {tests}.").format(
                    tests=enumerated(map(experiment_name, pooled.tests))
                ),
                _("The segments differ by more than chance (p {p}).").format(p=_p(pooled.interaction_p)),
                _("The value is the loss avoided in a week, for all {n} of them today.").format(n=number(listed_here))
                if in_money
                else "",
            ),
            caveat=_("How often to text them, if at all, is answered under “How often should we text?”.")
            if elsewhere
            else "",
            evidence="modelled" if in_money else "randomised",
            customers=listed_here,
            evidence_customers=row.customers,
            value=avoided[0],
            low=avoided[1],
            high=avoided[2],
            unit="money_per_week" if in_money else "share",
            kind="gain" if in_money else "fact",
            segment=row.segment,
        ))  # fmt: skip
    return found


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else number(p, 3)
