"""An experiment's decision in words: what to do, what it brings, what would settle it, what to mind."""

import datetime as dt
from typing import Literal

import numpy as np

from smsroi_helpers.ab_test.decision_rule import ALPHA, FEWEST_BUYERS_UNEQUAL, MOST, Verdict
from smsroi_helpers.contract import Decision
from smsroi_helpers.experiments import METRICS, Experiment, Validity
from smsroi_helpers.locale import _, day, interval, joined, listed, money, number, sentence
from smsroi_helpers.pages import problem_words
from smsroi_helpers.statistics import FEW_EVENTS

__all__ = [
    "decision_of",
    "points",
    "weeks_words",
]

_LONGEST_WAIT_DAYS = 365
"""Nobody waits longer for an answer: beyond, only more customers would give one."""


def points(value: float, low: float, high: float) -> str:
    """A difference of shares with its interval, in percentage points."""
    return _("{numbers} percentage points").format(numbers=interval(100 * value, 100 * low, 100 * high))


def decision_of(experiment: Experiment, validity: Validity, verdict: Verdict, currency: str) -> Decision:
    """The row of the table `decisions`: action, money, evidence and what to mind."""
    outcome: Literal["do", "dont", "not_enough_evidence", "broken"] = {
        "ship": "do", "keep_control": "dont", "keep_running": "not_enough_evidence", "broken": "broken",
    }[verdict.outcome]  # type: ignore[assignment]  # fmt: skip
    customers = int(experiment.customers.sum())
    known = np.isfinite([verdict.difference, verdict.low, verdict.high]).all()
    against_none = _against_no_texts(experiment, validity)
    kind = "worth" if against_none else "gain"
    numbers: dict[str, object] = {"kind": kind} if verdict.priced or verdict.outcome == "broken" else {}
    if known and METRICS[verdict.metric].kind == "money":
        people = float(verdict.value / verdict.difference) if verdict.difference else 0.0
        weeks = experiment.weeks if against_none else 1.0
        told = [people * x / weeks for x in (verdict.difference, verdict.low, verdict.high)]
        unit = "money_per_week" if against_none else "money"
        numbers = {"value": told[0], "low": told[1], "high": told[2], "unit": unit, "kind": kind}
    elif known:
        numbers = {"value": verdict.difference, "low": verdict.low, "high": verdict.high, "unit": "share"}
    return Decision(
        stage="ab_test",
        question=_question(experiment, validity),
        outcome=outcome,
        action=_action(experiment, validity, verdict, currency),
        text=joined(_text(experiment, validity, verdict, currency), _elsewhere(experiment, validity, verdict)),
        caveat=_caveat(experiment, validity, verdict),
        evidence="none" if verdict.outcome == "broken" else "randomised",
        customers=customers,
        **numbers,  # type: ignore[arg-type]
    )


def _against_no_texts(experiment: Experiment, validity: Validity) -> bool:
    """Whether the difference tells what texting brings at all, rather than what a change of it would."""
    return experiment.kind == "holdout" or (experiment.kind == "frequency" and not validity.control_treated_too)


def _elsewhere(experiment: Experiment, validity: Validity, verdict: Verdict) -> str:
    """Which other question a test answers too, where the answers could be taken for one another."""
    if verdict.outcome == "broken":
        return ""
    if experiment.kind == "frequency" and _against_no_texts(experiment, validity):
        return _(
            "How many texts are best in the long run, when whoever opts out is lost, is answered under “{question}”."
        ).format(question=_("How often should we text?"))
    if experiment.kind == "timing":
        return _("Hours are told apart more finely under “{question}”.").format(
            question=_("When should a text go out?")
        )
    return ""


def _question(experiment: Experiment, validity: Validity) -> str:
    if _against_no_texts(experiment, validity):
        return _("Does texting pay? ({test})").format(test=experiment.name)
    return _("Did the change pay? ({test})").format(test=experiment.name)


def _action(experiment: Experiment, validity: Validity, verdict: Verdict, currency: str) -> str:
    facts = {"test": experiment.name, "arm": verdict.arm, "control": experiment.control}
    if verdict.outcome == "broken":
        return _("{test}: do not use it, {problem}").format(
            test=experiment.name, problem=problem_words(validity.problems[0])
        )
    if verdict.outcome == "ship":
        if _against_no_texts(experiment, validity):
            return _("{test}: go on texting, {arm} brings more than {control}").format(**facts)
        return _("{test}: switch to {arm}").format(**facts)
    if verdict.outcome == "keep_control":
        if _against_no_texts(experiment, validity):
            return _("{test}: do not go on texting so, {arm} brings too little beyond {control}").format(**facts)
        return _("{test}: stay with {control}").format(**facts)
    return _still_open(experiment, verdict, currency)


def _still_open(experiment: Experiment, verdict: Verdict, currency: str) -> str:
    """What to do with a test that does not say yet, and for how long."""
    n = experiment.customers.sum()
    elapsed = max((experiment.last - experiment.started).days + 1, 1)
    more = (verdict.factor - 1) * n if np.isfinite(verdict.factor) else np.nan
    larger = verdict.needed > n
    enough = _enough_for_events(experiment, verdict)
    if enough > n:
        words = (
            _("{test}: undecided, run it again with about {n} customers")
            if experiment.state == "ended"
            else _("{test}: keep it running until about {n} customers are in it")
        )
        return words.format(test=experiment.name, n=_roughly(enough))
    if experiment.state == "ended":
        if np.isfinite(more) and verdict.factor <= MOST:
            return _("{test}: undecided, run it again with about {n} more customers").format(
                test=experiment.name, n=_roughly(more)
            )
        return (
            _would_show(experiment, verdict, currency)
            if larger
            else _("{test}: undecided, it was too small to tell").format(test=experiment.name)
        )
    if experiment.until is not None:
        return _("{test}: keep it running until {day}, as planned").format(
            test=experiment.name, day=day(experiment.until)
        )
    if np.isfinite(more) and more > 0:
        wait = int(np.ceil((verdict.factor - 1) * elapsed))
        if wait > _LONGEST_WAIT_DAYS:
            return _("{test}: undecided, and about {n} more customers are needed to settle it").format(
                test=experiment.name, n=_roughly(more)
            )
        until = experiment.last + dt.timedelta(days=wait)
        return _("{test}: keep it running until about {day}, or add about {n} customers").format(
            test=experiment.name, day=day(until), n=_roughly(more)
        )
    if larger:
        return _would_show(experiment, verdict, currency)
    return _("{test}: keep it running").format(test=experiment.name)


def _enough_for_events(experiment: Experiment, verdict: Verdict) -> float:
    """With how many customers in all, at the rates seen, every arm has the least number of events; else NaN."""
    rows = verdict.effects
    if "few_events" not in verdict.why_open or not len(rows):
        return float("nan")
    fewest = rows[(rows["metric"] == verdict.metric) & (rows["segment"] == "all")]["events"].min()
    return float(experiment.customers.sum() * FEW_EVENTS / fewest) if 0 < fewest < FEW_EVENTS else float("nan")


def _would_show(experiment: Experiment, verdict: Verdict, currency: str) -> str:
    """How large the test would have to be, where no one arm's difference says it."""
    facts = {"test": experiment.name, "n": _roughly(verdict.needed)}
    if METRICS[verdict.metric].kind == "money":
        return _("{test}: undecided, about {n} customers would show a gain of {gain} each a week").format(
            **facts, gain=money(verdict.wanted, currency)
        )
    return _("{test}: undecided, about {n} customers would show a difference of {points} percentage points").format(
        **facts, points=number(100 * verdict.wanted, 2)
    )


def _roughly(n: float) -> str:
    """A number of customers to two figures, rounded up."""
    if n <= 0:
        return number(0)
    unit = 10 ** max(int(np.floor(np.log10(n))) - 1, 0)
    return number(float(np.ceil(n / unit) * unit))


def weeks_words(weeks: float) -> str:
    """Weeks with a decimal where they are no whole ones.

    >>> weeks_words(2.0001), weeks_words(16.95)
    ('2', '16.9')
    """
    return number(weeks, 0 if abs(weeks - round(weeks)) < 0.05 else 1)


def time_words(weeks: float) -> str:
    """For how long customers were counted, on average."""
    told = weeks_words(weeks)
    return _("one week") if told == number(1) else _("{weeks} weeks on average").format(weeks=told)


def _difference_words(verdict: Verdict, currency: str) -> str:
    if METRICS[verdict.metric].kind == "money":
        return interval(verdict.difference, verdict.low, verdict.high, currency)
    return points(verdict.difference, verdict.low, verdict.high)


def _text(experiment: Experiment, validity: Validity, verdict: Verdict, currency: str) -> str:
    if verdict.outcome == "broken":
        return _("No difference is shown, since it would not be the doing of the change.")
    parts = []
    facts = {"arm": verdict.arm, "control": experiment.control, "time": time_words(experiment.weeks)}
    if np.isfinite([verdict.difference, verdict.low, verdict.high]).all():
        facts["difference"] = _difference_words(verdict, currency)
        if verdict.metric == "profit":
            parts.append(
                _(
                    "Profit per customer over {time}, {arm} against {control}: {difference}, message and"
                    " discount costs taken off."
                ).format(**facts)
            )
        elif verdict.metric == "revenue":
            parts.append(_("Revenue per customer over {time}, {arm} against {control}: {difference}.").format(**facts))
        else:
            parts.append(_("{arm} against {control}: {difference}.").format(**facts))
        if len(experiment.treated) > 1:
            parts.append(
                _("The interval allows for {k} arms having been compared.").format(k=number(len(experiment.treated)))
            )
    if np.isfinite(verdict.value) and METRICS[verdict.metric].kind == "money" and parts:
        people = number(verdict.value / verdict.difference) if verdict.difference else "–"
        words = _("The amount is a week’s, of all {n} customers of {arm} together.")
        if not _against_no_texts(experiment, validity):
            words = _("The amount is that of all {n} customers of {arm} together.")
        parts.append(words.format(n=people, arm=verdict.arm))
    if verdict.outcome == "keep_running":
        parts.append(_why_open(experiment, verdict, currency))
    if verdict.outcome == "keep_control":
        parts.append(_sold_at_a_loss(verdict))
    return joined(*parts)


def _sold_at_a_loss(verdict: Verdict) -> str:
    """Where an arm is shown to sell more, and to lose by it."""
    rows = verdict.effects
    rows = rows[(rows["metric"] == "order_rate") & (rows["segment"] == "all") & (rows["arm"] == verdict.arm)]
    if verdict.metric != "profit" or not verdict.high < 0 or not len(rows):
        return ""
    row = rows.iloc[0]
    if not (row["low"] > 0 and row["adjusted_p"] < ALPHA):
        return ""
    return _("More customers ordered, by {points}, and what they brought did not pay for it.").format(
        points=points(row["difference"], row["low"], row["high"])
    )


def _why_open(experiment: Experiment, verdict: Verdict, currency: str) -> str:
    words = {
        "few_events": _("Fewer than {n} customers of an arm did it: too few to act on, whatever the interval says."),
        "few_buyers": _("The smaller arm has fewer than {buyers} buyers: too few beside an arm so much larger."),
        "guard": _("The gain is shown; that opting out did not rise with it is not, yet."),
        "first_week": _("The test has run for less than a week."),
        "no_numbers": _("Nothing varies between the customers yet: there is nothing to compare."),
        "interval": _("The interval holds both a gain worth having and none."),
    }
    facts = {"n": FEW_EVENTS, "buyers": FEWEST_BUYERS_UNEQUAL}
    told = [words[code].format(**facts) for code in verdict.why_open]
    if np.isfinite(enough := _enough_for_events(experiment, verdict)):
        told.append(_("At the rates seen it takes about {n} customers in all.").format(n=_roughly(enough)))
    if np.isfinite(verdict.smallest_seen) and METRICS[verdict.metric].kind == "money":
        seen = money(verdict.smallest_seen / max(experiment.weeks, 1e-9), currency)
        told.append(
            _("A true difference of {seen} per customer and week would show four times out of five.").format(seen=seen)
        )
    elif np.isfinite(verdict.smallest_seen):
        told.append(
            _("A true difference of {seen} percentage points would show four times out of five.").format(
                seen=number(100 * verdict.smallest_seen, 2)
            )
        )
    return joined(*told, _what_would_do(experiment, verdict, currency))


def _what_would_do(experiment: Experiment, verdict: Verdict, currency: str) -> str:
    """What would settle it, in customers or weeks, and for which gain."""
    n = float(experiment.customers.sum())
    if not verdict.needed > n:
        return ""
    weeks = experiment.weeks * verdict.needed / n
    if METRICS[verdict.metric].kind != "money":
        return _(
            "To show a difference of {points} percentage points (a tenth of the control’s share) four times out of"
            " five, about {n} customers in all would do."
        ).format(points=number(100 * verdict.wanted, 2), n=_roughly(verdict.needed))
    facts = {"gain": money(verdict.wanted, currency), "n": _roughly(verdict.needed)}
    if weeks > _LONGEST_WAIT_DAYS / 7:
        return _(
            "To show a gain of {gain} per customer and week as often, about {n} customers in all would do."
        ).format(**facts)
    return _(
        "To show a gain of {gain} per customer and week as often, about {n} customers in all would do, or these for at"
        " least {weeks} weeks."
    ).format(**facts, weeks=number(float(np.ceil(weeks))))


def _leaving(verdict: Verdict) -> str:
    """How many more opted out, where the control was not texted and no margin can be asked for."""
    rows = verdict.effects
    rows = rows[(rows["metric"] == "opt_out_rate") & (rows["segment"] == "all") & (rows["arm"] == verdict.arm)]
    if verdict.guards.get(verdict.arm) != "not_asked" or not len(rows) or not rows["low"].iloc[0] > 0:
        return ""
    row = rows.iloc[0]
    return _(
        "Opting out rose by {points}: who has left cannot be texted again, which this profit does not count."
    ).format(points=points(row["difference"], row["low"], row["high"]))


def _caveat(experiment: Experiment, validity: Validity, verdict: Verdict) -> str:
    if verdict.outcome == "broken":
        more = validity.problems[1:]
        return (
            sentence(_("Also: {problems}").format(problems=listed(problem_words(one) for one in more))) if more else ""
        )
    parts = [sentence(problem_words(one)) for one in validity.warnings]
    if not verdict.priced and verdict.metric == "revenue":
        parts.append(_("What the messages cost is not known here, so this is revenue, not profit."))
    elif not verdict.priced:
        parts.append(_("This source does not say what an order is worth, so nothing is said in money."))
    if (told := _leaving(verdict)) and verdict.outcome in ("ship", "keep_running"):
        parts.append(told)
    breached = [arm for arm, guard in verdict.guards.items() if guard == "breached"]
    if breached:
        parts.append(_("Opting out rose by more than the margin in {arms}.").format(arms=listed(breached)))
    if verdict.outcome == "ship" and verdict.guards.get(verdict.arm) == "unknown":
        parts.append(_("Opt-outs are not recorded, so whether more people left is not known."))
    if experiment.state == "running" and np.isfinite(verdict.low):
        parts.append(_("The interval may be read every day: it is wider for that."))
    return joined(*parts)
