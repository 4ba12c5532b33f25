"""The decisions of `04_frequency` in words."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from smsroi_helpers.contract import Decision
from smsroi_helpers.frequency import decision
from smsroi_helpers.frequency.counts import ALL
from smsroi_helpers.frequency.decision import (
    FrequencyDecision,
    Horizons,
    NeededTest,
    customers_to_settle,
    late_break_even,
    missing_subscribers,
)
from smsroi_helpers.frequency.dose_response import FEWEST_IN_ARM
from smsroi_helpers.frequency.policy import GATE, NOT_KNOWN, SMALLEST_GAIN
from smsroi_helpers.frequency.shared_wording import (
    frequency_words,
    loss_sentence,
    no_test_words,
    open_words,
    opt_out_sentence,
    other_words,
    today_words,
)
from smsroi_helpers.frequency.study import Study
from smsroi_helpers.locale import _, enumerated, interval, joined, listed, money, number, percent
from smsroi_helpers.pages import (
    cost_unknown_words,
    experiment_words,
    p_words,
    practice_dates,
)

__all__ = [
    "decide",
    "put_in_words",
]


def decide(
    study: Study,
    policy: pd.DataFrame,
    currency: str,
    smallest_gain: float = SMALLEST_GAIN,
    cash_weeks: int = 12,
) -> tuple[Decision, ...]:
    """The decisions of `decision.decide` in words: for all customers, then for each segment.

    Args:
        study: of `study.analyse`.
        policy: of `policy.choose_frequencies`.
        currency: the source's.
        smallest_gain: profit per subscriber and week (money) below which a change is not worth making.
        cash_weeks: as for `policy.choose_frequencies`.
    """
    found = decision.decide(study, policy, smallest_gain, cash_weeks)
    words = [put_in_words(one, study, currency) for one in found]
    return (replace(words[0], text=joined(words[0].text, _decided_sentence(found))), *words[1:])


def put_in_words(found: FrequencyDecision, study: Study, currency: str) -> Decision:
    """One decision in words.

    Args:
        found: of `decision.decide`.
        study: the study it was decided from.
        currency: the source's.
    """
    numbers: dict[str, Any] = {}
    gain = found.leaving.gain if found.leaving else found.gain if found.gain_is_reported else None
    if gain is not None:
        numbers = dict(zip(("value", "low", "high"), gain, strict=True), unit="money_per_week", money="long_run")
    if found.leaving:
        changed = _("a week, if changed to {dose}").format(dose=other_words(found.leaving.texts_per_week))
        numbers["number_words"] = changed
    cash = found.leaving.cash if found.leaving else found.cash
    if cash is not None and found.gain is not None:
        numbers |= dict(zip(("cash", "cash_low", "cash_high"), cash.profit, strict=True))
        numbers |= {
            "cash_weeks": cash.weeks,
            "cash_evidence": found.evidence,
            "break_even_week": late_break_even(found),
        }
    return Decision(
        stage="frequency",
        question=_("How often should we text?"),
        outcome=found.outcome,
        action=_action(found, study),
        text=_text(found, study, currency),
        caveat=_caveat(found, study),
        next_test=_("Draw at random how many texts a week each customer gets, from none to more than today.")
        if found.outcome == "not_enough_evidence"
        else "",
        evidence=found.evidence,
        customers=found.subscribed,
        evidence_customers=found.customers,
        kind="gain",
        segment=found.segment,
        **numbers,
    )


def _action(found: FrequencyDecision, study: Study) -> str:
    dose, today = frequency_words(found.texts_per_week), today_words(found.today)
    match found.reason:
        case "gain":
            return _change_words(found).format(dose=dose, today=today)
        case "no_gain" | "already_best":
            return _("Stay at about {today}").format(today=today)
        case "no_effect":
            return _("Do not text more than today: the test does not show an incremental profit of texting")
        case "practice_unknown" | "one_dose" | "not_covered" | "opt_outs_unknown" | "few_in_segment" | "undecided":
            if np.isfinite(found.today):
                stay = _("Stay at about {today} for now").format(today=today)
                why = open_words(found.reason)
                return _("{action}: {why}").format(action=stay, why=why) if why else stay
            if found.reason in NOT_KNOWN:
                return _("Keep today’s frequency for now")
            return _("Text {dose}, by the test alone: what is done today is not known").format(dose=dose)
        case "broken":
            name = experiment_words(study.experiment.name) if study.experiment else ""
            return _("Do not use {test}: correct it and start again").format(test=name)
        case "no_test":
            return _("Test frequencies on randomly assigned customers, one of them none, before changing anything")
        case "no_zero_arm":
            return _("Add an arm that is sent nothing")
        case "one_dose_tested":
            return _("Test other frequencies")
    return _("Wait until the test has more customers")


def _change_words(found: FrequencyDecision) -> str:
    if found.texts_per_week == 0:
        return _("Stop texting (today about {today})")
    if found.same_average:
        return _("Text everyone {dose}, evenly: {today} is only today’s average")
    if found.differs_by_segment:
        return _("Text {dose} instead of about {today}, or better by segment as below")
    return _("Text {dose} instead of about {today}")


def _text(found: FrequencyDecision, study: Study, currency: str) -> str:
    match found.reason:
        case "gain" | "no_gain":
            even = ""
            if found.reason == "gain" and found.same_average:
                even = _(
                    "On average as many are sent today, but unevenly: several in one week to some, none to others."
                )
            return joined(
                _gain_sentence(found, currency), even,
                _horizons_sentence(found.horizons, currency), _together_sentence(found, currency),
                _try_sentence(found, currency),
            )  # fmt: skip
        case "already_best":
            best = _(
                "Of the frequencies tested, {dose} has the highest estimate in the long run; it is today’s average."
            )
            if found.leaving is not None and found.leaving.gain[0] > 0:
                best = _("No frequency tested is shown to beat {dose} in the long run; it is today’s average.")
            best = best.format(dose=frequency_words(found.texts_per_week))
            return joined(best, _leaving_sentence(found, currency), _try_sentence(found, currency))
        case "no_effect":
            none = _(
                "Profit does not clearly differ between the frequencies tested (p {p}; at most {gate} is asked)."
            ).format(p=p_words(found.effect_p), gate=number(GATE, 2))
            return joined(none, _needed_sentence(found.needed, currency))
        case "practice_unknown":
            return _("There are too few customer-weeks outside experiments to say what is done today.")
        case "one_dose":
            return joined(
                _("Only one frequency was tried beside none; it can be compared with none, not with others."),
                _("Long-run value per subscriber: {value}.").format(value=interval(*found.value, currency))
                if found.value
                else "",
            )
        case "not_covered":
            return _(
                "The test decides nothing here: its customers are like too few of these subscribers. Those who were in"
                " it may since have been silent, or known, for longer than anyone was then. Test again with today’s"
                " subscribers."
            )
        case "few_in_segment":
            return _(
                "In an arm of the test fewer than {n} customers are like this group’s, so no frequency is estimated."
            ).format(n=number(FEWEST_IN_ARM))
        case "opt_outs_unknown":
            return _(
                "The source does not record opt-outs, so what a frequency brings in the long run is not known,"
                " and none is advised. Record opt-outs, then run this page again."
            )
        case "undecided":
            return joined(
                _gain_sentence(found, currency), _settling_sentence(found),
                _together_sentence(found, currency), _try_sentence(found, currency),
            )  # fmt: skip
        case "broken":
            return no_test_words(study)
    return joined(_why_no_fit(found, study), _needed_sentence(found.needed, currency))


def _gain_sentence(found: FrequencyDecision, currency: str) -> str:
    if found.gain is None:
        return ""
    return _("Long run: a change to {dose} would bring {gain} a week, with opt-outs priced in.").format(
        dose=frequency_words(found.texts_per_week), gain=interval(*found.gain, currency)
    )


def _leaving_sentence(found: FrequencyDecision, currency: str) -> str:
    """What leaving today's frequency would bring, whether that is shown, and what may be the best as well."""
    leaving = found.leaving
    if leaving is None:
        return ""
    change = _("A change to {dose}, the best of the others tested, would bring {gain} a week in the long run.").format(
        dose=other_words(leaving.texts_per_week), gain=interval(*leaving.gain, currency)
    )
    shown = (
        _("Whether it gains or loses in the long run is not shown.") if leaving.gain[1] <= 0 <= leaving.gain[2] else ""
    )
    several = _("Not distinguishable from the best, all frequencies compared at once (95% confidence): {doses}.")
    doses = enumerated(map(other_words, leaving.undistinguished))
    if len(leaving.undistinguished) < 2:
        return joined(change, shown)
    return joined(change, shown, several.format(doses=doses), _against_none_sentence(found, currency))


def _against_none_sentence(found: FrequencyDecision, currency: str) -> str:
    """Where no texts are in the set of the best only because all frequencies are compared at once: their profit."""
    if not found.beats_no_texts or found.value is None:
        return ""
    return _(
        "That does not say that no texts are as good: compared with no texts alone, {dose} brings {value} per"
        " subscriber in the long run. No texts are in the list because each pair has a wider interval when all are"
        " compared at once."
    ).format(dose=frequency_words(found.texts_per_week), value=interval(*found.value, currency))


def _decided_sentence(found: Sequence[FrequencyDecision]) -> str:
    """How many subscribers are in segments with a decision of their own; empty where all are, or there are none."""
    decided = decision.count_decided(found)
    if len(found) < 2 or not 0 < decided < found[0].subscribed:
        return ""
    return _("By segment, decided for {n} of {all} subscribers.").format(
        n=number(decided), all=number(found[0].subscribed)
    )


def _together_sentence(found: FrequencyDecision, currency: str) -> str:
    """Whether the recommended changes add up."""
    if found.together is None:
        return ""
    return _(
        "The changes by segment add up, since no customer is in two: together they bring {gain} a week in the long run."
        " They replace the one frequency for all customers; do not add the two."
    ).format(gain=interval(*found.together, currency))


def _try_sentence(found: FrequencyDecision, currency: str) -> str:
    """The frequency between the tested ones that is to be tested next."""
    if not np.isfinite(found.try_next) or found.try_gain is None:
        return ""
    return _(
        "Test {dose} next: it was not tested; the model puts its long-run gain over {other} at {gain} a week."
    ).format(
        dose=frequency_words(found.try_next), other=frequency_words(found.texts_per_week),
        gain=interval(*found.try_gain, currency),
    )  # fmt: skip


def _settling_sentence(found: FrequencyDecision) -> str:
    """How much more data would be needed for a decision, with 80 % power if the estimate is true."""
    if not np.isfinite(found.times):
        return _("No test of bearable size would settle it: the difference is too small.")
    more = _(
        "If the estimate is true, about {n} customers in such a test, or {factor} times as many weeks, settle it with"
        " 80% power."
    )
    return more.format(n=number(_two_figures(customers_to_settle(found))), factor=number(found.times, 1))


def _horizons_sentence(found: Horizons | None, currency: str) -> str:
    """Why the best frequency in the long run differs from the one that earns most in a week of the test."""
    if found is None:
        return ""
    if found.same:
        return _("It is the best of the frequencies tested, in a week of the test as in the long run.")
    short, long = (frequency_words(dose) for dose in found.texts_per_week)
    m_short, m_long = (money(x, currency) for x in found.profit)
    h_short, h_long = (percent(x, 1) for x in found.opt_outs)
    v_short, v_long = (money(x, currency) for x in found.value)
    return _(
        "In a week of the test {short} brought more per subscriber ({m_short} against {m_long}). But texts then make"
        " {h_short} of the readers opt out every week instead of {h_long}, and whoever has opted out brings nothing"
        " by text any more. The long-run value per subscriber is {v_short} at"
        " {short}, {v_long} at {long}."
    ).format(
        short=short, long=long, m_short=m_short, m_long=m_long, h_short=h_short, h_long=h_long, v_short=v_short,
        v_long=v_long,
    )  # fmt: skip


def _needed_sentence(plan: NeededTest | None, currency: str) -> str:
    if plan is None:
        return ""
    return _(
        "To see a difference of {least} per customer and week, a randomised test of {arms} frequencies over {weeks}"
        " weeks needs about {n} customers an arm."
    ).format(
        least=money(plan.difference, currency), arms=number(plan.arms), weeks=number(plan.weeks),
        n=number(plan.customers_per_arm),
    )  # fmt: skip


def _two_figures(n: float) -> float:
    """Round to two significant digits."""
    return float(f"{n:.2g}") if np.isfinite(n) and n > 0 else n


def _why_no_fit(found: FrequencyDecision, study: Study) -> str:
    """Why neither a frequency test nor the log gives a dose–response."""
    if found.reason == "no_zero_arm":
        return _(
            "The frequency test has no arm without texts: it shows how frequencies differ, not what any of"
            " them brings, so the value of a frequency is not known."
        )
    if found.reason == "one_dose_tested":
        return _("The frequency test tried one frequency only ({doses}).").format(
            doses=listed(frequency_words(dose) for dose in sorted(set(study.texts_per_week.values())))
        )
    if found.reason == "few_customers":
        return _("An arm of the frequency test has fewer than two consenting customers.")
    return no_test_words(study)


def _caveat(found: FrequencyDecision, study: Study) -> str:
    sentences = [] if study.cost_known or found.segment != ALL else [cost_unknown_words()]
    if found.segment == ALL and np.isfinite(found.today):
        sentences.append(_("Today means {dates}.").format(dates=practice_dates(study.logs.practice)))
    for warning in found.warnings:
        match warning:
            case "long_run_modelled":
                sentences.append(
                    _(
                        "Long-run value is modelled, not observed. It assumes that response and opt-out rates stay as"
                        " in the test’s weeks, and that today’s frequencies work as they would have in the test."
                    )
                )
            case "loss_unknown" | "loss_not_identified":
                sentences.append(loss_sentence(study))
            case "arms_alone":
                sentences.append(_("The arms stand as they are, without the help of clicks: intervals are wide."))
            case "opt_outs":
                sentences.append(opt_out_sentence(study))
            case "segments_missing" if study.fit is not None:
                sentences.append(
                    _("{n} of the {all} subscribers are in segments that the test had too few of.").format(
                        n=number(missing_subscribers(study, study.fit)), all=number(study.logs.subscribed(ALL))
                    )
                )
            case "log_only":
                sentences.append(
                    _(
                        "What the log alone says is shown below, as observational: it is no reason to change the"
                        " frequency."
                    )
                )
    return joined(*sentences)
