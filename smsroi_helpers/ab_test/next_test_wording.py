"""What would decide an undecided experiment, in words: arms, customers, weeks, and what they would detect."""

import numpy as np

from smsroi_helpers.ab_test.decision import LONGEST_WAIT_DAYS, ExperimentAnswer, Feasible
from smsroi_helpers.ab_test.shared_wording import difference_in_words
from smsroi_helpers.experiments import count_assigned
from smsroi_helpers.locale import _, enumerated, joined, money, number
from smsroi_helpers.pages import arm_name

__all__ = ["next_test", "roughly", "what_would_do"]


def next_test(answer: ExperimentAnswer, currency: str) -> str:
    """The test that would decide an undecided one: which arms, and how many customers or weeks."""
    if answer.outcome != "not_enough_evidence":
        return ""
    return what_would_do(answer, currency) or _compare_again(answer, currency)


def what_would_do(answer: ExperimentAnswer, currency: str) -> str:
    """The customers or weeks needed for a decision, and the gain they would detect."""
    decision, weeks = answer.decision, answer.weeks_needed
    if not np.isfinite(weeks):
        return ""
    if answer.feasible is not None:
        return _feasible_words(answer, answer.feasible, currency)
    if not decision.in_money:
        return _(
            "Detecting a difference of {difference} (a tenth of the control’s) with 80% power takes about"
            " {n} customers in all."
        ).format(difference=difference_in_words(decision.metric, decision.wanted), n=roughly(decision.needed))
    facts = {"gain": money(decision.wanted, currency), "n": roughly(decision.needed)}
    size = _(
        "The size is planned for a gain of a tenth of what a customer of the control brings, above the smallest gain"
        " worth having."
    )
    if weeks > LONGEST_WAIT_DAYS / 7:
        needed = _("Detecting a gain of {gain} per customer and week takes about {n} customers in all.").format(**facts)
        return joined(needed, size)
    needed = _(
        "Detecting a gain of {gain} per customer and week takes about {n} customers in all, or these"
        " customers for at least {weeks} weeks."
    ).format(**facts, weeks=number(float(np.ceil(weeks))))
    return joined(needed, size)


def _compare_again(answer: ExperimentAnswer, currency: str) -> str:
    """The arms that are still open, and the customers who settle it; empty where the next step says no number."""
    experiment, step = answer.experiment, answer.next_step
    facts = {"arms": enumerated(_("“{arm}”").format(arm=arm_name(arm)) for arm in answer.open_arms)}
    if step.kind == "too_small" and np.isfinite(answer.decision.detectable):
        return _(
            "Take one of {arms}, and test something new against it: the {n} customers of this test would have shown a"
            " difference of {least} with 80% power. The one seen is too small for a larger test of these."
        ).format(**facts, n=number(count_assigned(experiment)), least=_detectable_words(answer, currency))
    if step.kind not in ("repeat_with_more", "more_needed", "run_until"):
        return ""
    return _(
        "Compare {arms}, randomly assigned: about {n} customers in all settle it with 80% power if the difference seen"
        " is true."
    ).format(**facts, n=roughly(answer.customers_for_open_arms))


def _detectable_words(answer: ExperimentAnswer, currency: str) -> str:
    decision = answer.decision
    if not decision.in_money:
        return difference_in_words(decision.metric, decision.detectable)
    seen = money(answer.detectable_per_week, currency)
    return _("{seen} per customer and week").format(seen=seen)


def _feasible_words(answer: ExperimentAnswer, found: Feasible, currency: str) -> str:
    """What the company's customers can detect, where the planned gain takes more customers than there are."""
    return joined(
        _(
            "The planned gain of {gain} per customer and week would take about {n} customers, more than the {all} that"
            " can be in such a test."
        ).format(
            gain=money(answer.decision.wanted, currency),
            n=roughly(answer.decision.needed),
            all=number(found.customers),
        ),
        _(
            "What is possible, with 80% power, in profit per customer and week: {more} after {weeks} more weeks as now;"
            " {half} in as many weeks with half of all customers held out; {both} with both."
        ).format(
            more=money(found.longer, currency),
            weeks=number(found.weeks),
            half=money(found.half, currency),
            both=money(found.both, currency),
        )
        if answer.experiment.kind == "holdout"
        else _("With all of them in the test, {all} per customer and week is detectable with 80% power.").format(
            all=money(found.everybody, currency)
        ),
    )


def roughly(n: float) -> str:
    """A number of customers, rounded up to two significant digits."""
    if n <= 0:
        return number(0)
    unit = 10 ** max(int(np.floor(np.log10(n))) - 1, 0)
    return number(float(np.ceil(n / unit) * unit))
