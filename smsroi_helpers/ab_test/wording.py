"""An experiment's answer in words: action, effect, data still needed, caveats."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from smsroi_helpers.ab_test import decision as typed
from smsroi_helpers.ab_test.decision import ExperimentAnswer
from smsroi_helpers.ab_test.decision_rule import FEWEST_BUYERS_UNEQUAL, ExperimentDecision
from smsroi_helpers.ab_test.effects import is_count
from smsroi_helpers.ab_test.left_alone import PooledSegments, total_listed
from smsroi_helpers.ab_test.next_test_wording import next_test, roughly, what_would_do
from smsroi_helpers.ab_test.shared_wording import difference_in_words, gain_words, points, time_words
from smsroi_helpers.ab_test.study import DecidedIn, Evaluated
from smsroi_helpers.ab_test.targeting import decide_targeting
from smsroi_helpers.ab_test.targeting_wording import left_alone_words, targeting_words
from smsroi_helpers.ab_test.uplift import Ranking
from smsroi_helpers.contract import Decision
from smsroi_helpers.experiments import count_assigned
from smsroi_helpers.locale import _, day, enumerated, interval, joined, listed, money, number, sentence, share_interval
from smsroi_helpers.pages import arm_name, experiment_name, experiment_title, metric_words, problem_words
from smsroi_helpers.statistics import FEW_EVENTS, FEWEST_CLUSTERS

__all__ = [
    "decide",
    "decide_tests",
    "decision_words",
]


def decide(
    evaluated: Sequence[Evaluated],
    currency: str,
    *,
    rankings: Sequence[Ranking] = (),
    pooled: PooledSegments | None = None,
    listed_today: Mapping[str, int] | None = None,
) -> list[Decision]:
    """The decisions in words: one per experiment, the standing holdout first, then by outcome and value; whom to treat.

    Args:
        evaluated: of `ab_test.analyse`.
        currency: the source's.
        rankings: of `ab_test.rank_responders`.
        pooled: of `ab_test.pool_tests`.
        listed_today: today's customers by segment, of `ab_test.count_listed`; needed with the other two.
    """
    everybody = total_listed(listed_today)
    found = decide_tests(evaluated, currency, customers=float(everybody or np.nan))
    found += [targeting_words(answer, currency) for answer in decide_targeting(evaluated, rankings, everybody)]
    return found + left_alone_words(pooled or PooledSegments(), listed_today or {}, tuple(evaluated), currency)


def decide_tests(
    evaluated: Sequence[Evaluated], currency: str, stage: DecidedIn = "ab_test", customers: float = float("nan")
) -> list[Decision]:
    """The decisions in words of the tests that a stage decides by the rule of `decision_rule`.

    Args:
        evaluated: of `ab_test.analyse`.
        currency: the source's.
        stage: `ab_test` or `content`.
        customers: who can be texted today: no test is planned for more than these or its members. NaN: not known.
    """
    return [decision_words(answer, currency, stage) for answer in typed.decide(evaluated, stage, customers)]


def decision_words(answer: ExperimentAnswer, currency: str, stage: DecidedIn = "ab_test") -> Decision:
    """The row of the table `decisions`: action, money, evidence and caveat."""
    return Decision(
        stage=stage,
        question=_question(answer),
        topic=f"test:{answer.experiment.name}",
        outcome=answer.outcome,
        action=_action(answer, currency),
        text=_text(answer, currency),
        caveat=_caveat(answer),
        next_test=next_test(answer, currency),
        evidence=answer.evidence,
        customers=answer.customers,
        evidence_customers=count_assigned(answer.experiment),
        value=answer.value,
        low=answer.low,
        high=answer.high,
        unit=answer.unit,
        period=f"{answer.experiment.weeks:.3g} weeks" if answer.unit == "money" else "",
        number_words=_number_words(answer),
        kind=answer.kind,
        money=answer.money,
        **_cash(answer),
    )


def _number_words(answer: ExperimentAnswer) -> str:
    """What a number is that is not a week's money: its metric or its weeks, of whom, and what it is compared with."""
    if answer.unit == "money":
        return _("in the test ({time}), from {n} customers in {arm}, compared with {control}").format(
            time=time_words(answer.experiment.weeks), n=number(answer.decision.arm_customers),
            arm=_named(answer, answer.decision.arm), control=_named(answer, answer.experiment.control),
        )  # fmt: skip
    if answer.unit not in ("share", "count"):
        return ""
    if answer.decision.metric in ("click_rate", "reply_rate"):
        responses = _("clicks") if answer.decision.metric == "click_rate" else _("replies")
        return _("{responses} per 100 messages, compared with the control group").format(responses=responses)
    if answer.unit == "share":
        return _("customers in 100 ({metric}), compared with the control group").format(
            metric=metric_words(answer.decision.metric)
        )
    return _("{metric}, compared with the control group").format(metric=metric_words(answer.decision.metric))


def _cash(answer: ExperimentAnswer) -> dict[str, Any]:
    """The cash measured in the experiment, and when the change breaks even where the long run has another sign."""
    if answer.cash is None:
        return {}
    profit = answer.cash.profit
    pays_later = answer.money == "long_run" and profit[0] < 0 < answer.value
    found: dict[str, Any] = dict(zip(("cash", "cash_low", "cash_high"), profit, strict=True))
    return found | {
        "cash_weeks": answer.cash.weeks,
        "cash_evidence": "randomised",
        "break_even_week": answer.cash.break_even if pays_later else float("nan"),
    }


# --- question and action ---------------------------------------------------------------------------------------------


def _question(answer: ExperimentAnswer) -> str:
    if answer.against_no_texts:
        return _("Does texting pay? ({test})").format(test=experiment_name(answer.experiment.name))
    if answer.experiment.kind == "content":
        return _("Which text is better? ({test})").format(test=experiment_name(answer.experiment.name))
    return _("Did the change pay? ({test})").format(test=experiment_name(answer.experiment.name))


def _action(answer: ExperimentAnswer, currency: str) -> str:
    step, experiment, decision = answer.next_step, answer.experiment, answer.decision
    facts = {
        "test": experiment_title(experiment.name), "arm": _named(answer, decision.arm),
        "control": _named(answer, experiment.control),
    }  # fmt: skip
    facts |= {"n": roughly(step.customers) if np.isfinite(step.customers) else ""}
    if answer.worse:
        return _("{test}: leave out {arms}; between the others it is undecided").format(
            test=experiment_title(experiment.name),
            arms=enumerated(_named(answer, arm) for arm in answer.worse),
        )
    match step.kind:
        case "do_not_use":
            return _("{test}: do not use it, {problem}").format(
                test=experiment_title(experiment.name), problem=problem_words(answer.validity.problems[0])
            )
        case "keep_texting":
            words = _("{test}: go on texting, {arm} brings more than {control}")
        case "switch":
            words = _("{test}: switch to {arm}")
        case "stop_texting":
            words = _("{test}: stop texting this way, {arm} brings too little more than {control}")
        case "keep_control":
            words = _("{test}: stay with {control}")
        case "repeat_with":
            words = _("{test}: undecided, run it again with about {n} customers")
        case "wait_for_customers":
            words = _("{test}: keep it running until about {n} customers are in it")
        case "repeat_with_more":
            words = _("{test}: undecided, run it again with about {n} more customers")
        case "would_detect":
            if answer.feasible is not None:
                return _("{test}: no decision yet; there are too few customers to detect the planned gain").format(
                    test=experiment_title(experiment.name)
                )
            return _would_detect(answer, currency)
        case "add_orders":
            words = _("{test}: not decided, because its metric needs the table orders")
        case "too_small":
            words = _("{test}: undecided, it was too small to tell")
        case "run_until_planned":
            assert step.until is not None
            return _("{test}: keep it running until {day}, as planned").format(
                test=experiment_title(experiment.name), day=day(step.until)
            )
        case "more_needed":
            words = _("{test}: undecided, and about {n} more customers are needed to settle it")
        case "run_until":
            assert step.until is not None
            return _("{test}: keep it running until about {day}, or add about {n} customers").format(
                test=experiment_title(experiment.name), day=day(step.until), n=facts["n"]
            )
        case "keep_running":
            words = _("{test}: keep it running")
    return words.format(**facts)


def _would_detect(answer: ExperimentAnswer, currency: str) -> str:
    """The size of the test needed, where no single arm's difference gives it."""
    decision = answer.decision
    facts = {"test": experiment_title(answer.experiment.name), "n": roughly(decision.needed)}
    if decision.in_money:
        return _(
            "{test}: no decision yet; about {n} customers would detect a gain of {gain} per customer a week"
        ).format(**facts, gain=money(decision.wanted, currency))
    return _("{test}: no decision yet; about {n} customers would detect a difference of {difference}").format(
        **facts, difference=difference_in_words(decision.metric, decision.wanted)
    )


# --- numbers in words ------------------------------------------------------------------------------------------------


def _difference_words(decision: ExperimentDecision, currency: str) -> str:
    return gain_words(decision.metric, (decision.difference, decision.low, decision.high), currency)


# --- text and caveat -------------------------------------------------------------------------------------------------


def _text(answer: ExperimentAnswer, currency: str) -> str:
    experiment, decision = answer.experiment, answer.decision
    if answer.outcome == "broken":
        return _("No difference is shown, since the change may not have caused it.")
    parts = []
    facts = {
        "arm": _named(answer, decision.arm),
        "control": _named(answer, experiment.control),
        "time": time_words(experiment.weeks),
    }
    if decision.known:
        facts["difference"] = _difference_words(decision, currency)
        if answer.evidence == "modelled":
            parts += _modelled(answer, facts, currency)
        elif decision.metric == "profit":
            parts.append(
                _(
                    "Profit per customer over {time}, {arm} compared with {control}: {difference}, after discounts"
                    " and what is known of message costs."
                ).format(**facts)
            )
        elif decision.metric == "revenue":
            parts.append(
                _("Revenue per customer over {time}, {arm} compared with {control}: {difference}.").format(**facts)
            )
        else:
            parts.append(_("{arm} compared with {control}: {difference}.").format(**facts))
        if len(experiment.treated) > 1:
            parts.append(
                _("The interval allows for {k} arms having been compared.").format(k=number(len(experiment.treated)))
            )
    if decision.known and experiment.clusters is not None:
        parts.append(
            _("{n} households or stores were assigned; the interval allows for their customers being alike.").format(
                n=number(experiment.clusters.count)
            )
        )
    if decision.known and decision.in_money:
        words = _("The amount is for one week and all {n} customers of the arm “{arm}”.")
        if not answer.against_no_texts:
            words = _("The amount is for all {n} customers of the arm “{arm}”.")
        parts.append(words.format(n=number(decision.arm_customers), arm=arm_name(decision.arm)))
    if decision.known and experiment.kind == "holdout" and decision.metric == "profit":
        parts.append(_what_a_holdout_measures(answer))
    if answer.worse:
        parts.append(_worse_words(answer))
        parts += [
            _("{what} per customer over {time}, {arm} compared with {control}: {difference}.").format(
                what=metric_words(decision.metric), arm=_named(answer, row.arm), control=facts["control"],
                time=facts["time"], difference=gain_words(decision.metric, answer.limits(row), currency),
            )
            for row in answer.worse_effects if decision.in_money
        ]  # fmt: skip
    if answer.outcome == "not_enough_evidence":
        parts.append(_why_open(answer, currency))
    if answer.outcome == "dont":
        parts.append(_sold_at_a_loss(answer))
    return joined(*parts)


def _named(answer: ExperimentAnswer, arm: str) -> str:
    """An arm in a sentence: the name of a text is quoted; a frequency, an hour or no texts at all read as they are."""
    is_text = answer.experiment.kind == "content" and arm not in ("none", "control", "held_out", "texted")
    return _("“{arm}”").format(arm=arm_name(arm)) if is_text else arm_name(arm)


def _worse_words(answer: ExperimentAnswer) -> str:
    words = _("Shown not to bring enough more than {control}: {arms}.")
    if answer.worse_effects and all(answer.limits(row)[2] < 0 for row in answer.worse_effects):
        words = _("Shown to bring less than {control}: {arms}.")
    return words.format(
        arms=enumerated(_named(answer, arm) for arm in answer.worse), control=_named(answer, answer.experiment.control)
    )


def _what_a_holdout_measures(answer: ExperimentAnswer) -> str:
    """Which profit it is, and why other pages can be surer than an undecided holdout."""
    words = _(
        "It is the profit of all texts since the test began, over all its customers, whether or not they opted out."
    )
    if answer.outcome != "not_enough_evidence":
        return words
    other = _(
        "The pages on frequency and retention ask other questions, of other customers or outcomes, so their answers can"
        " be clear where this one is open."
    )
    return joined(words, other)


def _modelled(answer: ExperimentAnswer, facts: Mapping[str, str], currency: str) -> list[str]:
    """Profit computed from clicks and opt-outs, with the prices used, and profit as measured beside it."""
    prices, direct = answer.prices, answer.direct
    assert prices is not None
    parts = [
        _(
            "Profit per customer over {time}, {arm} compared with {control}, modelled from clicks and"
            " opt-outs: {difference}, after discounts and what is known of message costs."
        ).format(**facts),
        _("A click is worth {value} ({test}).").format(
            value=interval(prices.click.estimate, prices.click.low, prices.click.high, currency),
            test=enumerated(map(experiment_name, prices.click.experiments)),
        ),
    ] if answer.from_clicks else [
        _(
            "Profit per customer over {time}, {arm} compared with {control}: {difference}. It is the profit measured,"
            " after discounts and what is known of message costs, less what opt-outs cost in the long run."
        ).format(**facts),
    ]  # fmt: skip
    parts.append(
        _("The long-run value per subscriber is {value} ({test}).").format(
            value=interval(*prices.subscriber.value, currency), test=experiment_name(prices.subscriber.experiment)
        )
        if prices.subscriber.known
        else _("The long-run value per subscriber is not known, so opt-outs are not priced.")
    )
    if np.isfinite(prices.subscriber.natural_loss).all():
        parts.append(
            _("Besides opt-outs, responses fall every week, on average over a year by {weekly}.").format(
                weekly=share_interval(*prices.subscriber.natural_loss)
            )
        )
    if direct is None or not np.isfinite(answer.limits(direct)).all():
        return parts
    measured = (
        _("Measured on orders, which takes far more customers to show the same: {difference}.")
        if answer.from_clicks
        else _("Without opt-outs, as measured on orders: {difference}.")
    )
    return [*parts, measured.format(difference=interval(*answer.limits(direct), currency))]


def _sold_at_a_loss(answer: ExperimentAnswer) -> str:
    """A sentence where an arm sells more but loses money; else empty."""
    if answer.sold_more is None:
        return ""
    return _("More customers ordered, by {points}, and what they brought did not pay for it.").format(
        points=points(*answer.limits(answer.sold_more))
    )


def _why_open(answer: ExperimentAnswer, currency: str) -> str:
    decision = answer.decision
    words = {
        "few_events": _("Fewer than {n} customers of an arm responded: too few to act on, whatever the interval says."),
        "few_buyers": _("The smaller arm has fewer than {buyers} buyers: too few beside an arm so much larger."),
        "guardrail": _("The gain is shown. It is not yet shown that opt-outs did not rise with it."),
        "first_week": _("The test has run for less than a week."),
        "no_numbers": _("Nothing varies between the customers yet: there is nothing to compare."),
        "few_clusters": _(
            "An arm has fewer than {clusters} households or stores, counted as if of equal size: too few to estimate"
            " the error, so no difference is shown."
        ),
        "no_orders": _(
            "This source has no orders, so profit, revenue and the share who order are not known; only clicks, replies"
            " and opt-outs of the arms are. To decide a test by clicks, register the click rate as its primary metric"
            " beforehand."
        ),
        "interval": _("The interval of the others includes zero and a worthwhile gain.")
        if answer.worse
        else _("The interval includes zero and a worthwhile gain."),
    }
    facts = {"n": FEW_EVENTS, "buyers": FEWEST_BUYERS_UNEQUAL, "clusters": FEWEST_CLUSTERS}
    parts = [words[code].format(**facts) for code in decision.why_open]
    if np.isfinite(answer.enough_for_events):
        parts.append(
            _("At the rates seen it takes about {n} customers in all.").format(n=roughly(answer.enough_for_events))
        )
    if np.isfinite(decision.detectable) and decision.in_money:
        seen = money(answer.detectable_per_week, currency)
        parts.append(
            _("A true difference of {seen} per customer and week is detectable with 80% power.").format(seen=seen)
        )
    elif np.isfinite(decision.detectable):
        parts.append(
            _("A true difference of {difference} is detectable with 80% power.").format(
                difference=difference_in_words(decision.metric, decision.detectable)
            )
        )
    return joined(*parts, what_would_do(answer, currency))


def _caveat(answer: ExperimentAnswer) -> str:
    experiment, decision = answer.experiment, answer.decision
    if answer.outcome == "broken":
        more = [problem_words(problem) for problem in answer.validity.problems[1:]]
        return sentence(_("Also: {problems}").format(problems=listed(more))) if more else ""
    parts = [sentence(problem_words(warning)) for warning in answer.validity.warnings]
    if not decision.priced and decision.metric == "revenue":
        parts.append(_("What the messages cost is not known here, so this is revenue, not profit."))
    elif is_count(decision.metric):
        parts.append(_("The test is decided by its own metric, orders per customer, and not by profit."))
    elif not decision.priced and not answer.knows_orders and decision.known:
        parts.append(_("This source has no orders, so nothing is said in money: more clicks need not be more profit."))
    elif not decision.priced and answer.knows_amounts and decision.metric == experiment.primary:
        parts.append(_("The test is decided by the metric registered for it, and not by profit."))
    elif not decision.priced and answer.knows_orders:
        parts.append(_("This source does not say what an order is worth, so nothing is said in money."))
    if answer.opt_outs_rose is not None and answer.outcome in ("do", "not_enough_evidence"):
        parts.append(
            _(
                "Opt-outs rose by {points}. Customers who opt out cannot be texted again; this profit does not"
                " count that."
            ).format(points=points(*answer.limits(answer.opt_outs_rose)))
        )
    breached = [arm for arm, guardrail in decision.guardrails.items() if guardrail == "breached"]
    if breached:
        parts.append(_("Opting out rose by more than the margin in {arms}.").format(arms=listed(breached)))
    if answer.outcome == "do" and decision.metric == "profit" and decision.guardrails.get(decision.arm) == "priced":
        parts.append(_("Opting out may have risen; the gain exceeds what the subscribers lost are worth."))
    if answer.outcome == "do" and decision.guardrails.get(decision.arm) == "unknown":
        parts.append(_("Opt-outs are not recorded, so whether more people left is not known."))
    if experiment.state == "running" and np.isfinite(decision.low):
        parts.append(_("The interval is valid however often it is read, and is wider for that."))
    return joined(*parts)
