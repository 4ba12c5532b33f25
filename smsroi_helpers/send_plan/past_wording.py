"""Promise and outcome of earlier plans in words."""

from smsroi_helpers.locale import _, day, interval, joined, money, number, percent
from smsroi_helpers.pages import cost_unknown_words, p_words, plan_result_words
from smsroi_helpers.send_plan.past_comparison import Comparison, Estimate
from smsroi_helpers.send_plan.previous_plans import SMALLEST_FACTOR, PlanScore, PreviousPlans

__all__ = [
    "caveats",
    "describe_factor",
    "describe_latest",
    "estimate_words",
    "plan_name",
    "role_words",
    "score_words",
    "status_words",
]


def plan_name(score: PlanScore) -> str:
    """The plan, by its first day; its name where that is not known."""
    first = score.plan.first
    return _("the plan of {day}").format(day=day(first)) if first else score.plan.plan_id


def role_words(role: str) -> str:
    """The name of a role of a plan; an unknown one is returned as it is."""
    return {"plan": _("as planned"), "explore": _("at random, to learn"), "holdout": _("held out")}.get(role, role)


def estimate_words(found: Estimate, currency: str) -> str:
    """An amount with its interval; a dash where it is not known."""
    return interval(found.value, found.low, found.high, currency) if found.known else "–"


def _weeks(days: int) -> str:
    return number(days / 7, 0 if days % 7 == 0 else 1)


def status_words(score: PlanScore) -> str:
    """In a few words, for a table: the outcome, or why there is none yet."""
    if score.status == "running":
        return _("{n} days to go").format(n=number(score.days_left))
    gap = (float("nan"),) * 3 if score.main is None else (score.main.gap.value, score.main.gap.low, score.main.gap.high)
    return plan_result_words(score.status, *gap)


def score_words(score: PlanScore, currency: str) -> str:
    """Promise against outcome of one plan in two or three sentences; or why there is no score, and what it takes.

    Args:
        score: of `previous_plans.score_plans`.
        currency: the source's.
    """
    main = score.main
    if score.status == "scored" and main is not None:
        return _scored_words(score, main, currency)
    return {
        "not_begun": _(
            "The weeks of {plan} have not begun. Its promise is for {weeks} weeks, so it is compared when they are"
            " over."
        ),
        "running": _(
            "The weeks of {plan} end in {n} days. Its promise is for {weeks} weeks, so it is compared then, not before."
        ),
        "no_start": _(
            "It is not known when {plan} began, so nothing can be compared. Let the plan’s name end in its first day"
            " (plan-20260601), or record when each text is to be sent."
        ),
        "before_log": _("The log of orders begins after {plan}, so nothing can be compared."),
        "no_profit": _("Profit is not known without orders and messages, so {plan} has no score."),
        "no_holdout": _(
            "Nobody was held out of {plan}, so what it caused is not known. Hold out at least 5% of the customers next"
            " time."
        ),
        "broken_split": _(
            "The roles of {plan} do not have the shares that their probabilities say (p {p}). The groups are not"
            " comparable, so no gain is shown. Check how roles were drawn or lost."
        ),
        "not_followed": _(
            "None of the texts of {plan} were sent, or held-out customers got as many. So its promise cannot be tested."
        ),
        "few_buyers": _(
            "Too few customers ordered in the weeks of {plan} for an interval: {buyers} of {customers}, and {held}"
            " of {held_out} held out. It takes 20 on either side."
        ),
    }[score.status].format(
        plan=plan_name(score), n=number(score.days_left), weeks=_weeks(score.plan.horizon_days),
        p=p_words(score.split_p), buyers=number(main.buyers) if main else "–",
        customers=number(main.customers) if main else "–", held=number(main.buyers_held_out) if main else "–",
        held_out=number(main.held_out) if main else "–",
    )  # fmt: skip


def _scored_words(score: PlanScore, main: Comparison, currency: str) -> str:
    words = (
        _(
            "In {weeks} weeks, {plan} brought {measured} of profit per customer, compared with no texts: randomised,"
            " {customers} customers against {held_out} held out."
        )
        if main.measured.excludes(0.0)
        else _(
            "No gain is shown of {plan} in {weeks} weeks: {measured} of profit per customer, compared with no texts;"
            " randomised, {customers} customers against {held_out} held out."
        )
    )
    measured = words.format(
        weeks=_weeks(score.plan.horizon_days), plan=plan_name(score),
        measured=estimate_words(main.measured, currency), customers=number(main.customers),
        held_out=number(main.held_out),
    )  # fmt: skip
    if not main.gap.known:
        return joined(measured, _("What it promised is not recorded of every customer."))
    promised = money(main.promised, currency)
    if main.gap.excludes(0.0):
        words = (
            _("It promised {promised}, which is above the interval: too much by {gap}.")
            if main.gap.value > 0
            else _("It promised {promised}, which is below the interval: too little by {gap}.")
        )
        gap = main.gap if main.gap.value > 0 else Estimate(-main.gap.value, -main.gap.high, -main.gap.low)
        return joined(measured, words.format(promised=promised, gap=estimate_words(gap, currency)))
    words = _("It promised {promised}, which is within the interval: nothing contradicts the promise.")
    needed = ""
    if not main.measured.low > 0 and main.times_for_promise > 1:
        needed = _(
            "To detect a gain as large as promised (80% power) takes {n} times as many customers, or a larger share"
            " held out."
        ).format(n=number(main.times_for_promise, 1))
    return joined(measured, words.format(promised=promised), needed)


def describe_latest(found: PreviousPlans, currency: str) -> str:
    """The last plan with a score, then the last one of all if it is another; the answer to «was the promise kept?».

    Args:
        found: of `previous_plans.score_plans`.
        currency: the source's.
    """
    if not found.plans:
        return _(
            "There is no earlier plan. This run’s plan will be scored by the first run after its weeks, if its plans"
            " table is added to the source."
        )
    latest, last = found.latest, found.plans[-1]
    words = [score_words(latest, currency)] if latest is not None else []
    if last is not latest:
        words.append(score_words(last, currency))
    return joined(*words)


def describe_factor(found: PreviousPlans) -> str:
    """Whether the promises of this plan are corrected, by how much and why."""
    why, factor = found.uncorrected, found.factor
    if why == "not_ours":
        return _(
            "The coming plan’s promises are not corrected by this: the earlier promise was not made by this workbook"
            " (no `promise_factor` is recorded with it), and errs in its own way."
        )
    if why == "few_buyers":
        return _("Promises are not corrected: the last plan has too few buyers among those held out to judge it by.")
    if why == "none":
        return _("Promises are not corrected: no earlier plan that promised a gain has been measured.")
    ratio = _("{value} (95% interval {low} to {high})").format(
        value=number(factor.estimate.value, 2), low=number(factor.estimate.low, 2),
        high=number(factor.estimate.high, 2),
    )  # fmt: skip
    plans = _("one plan") if factor.plans == 1 else _("{n} plans").format(n=number(factor.plans))
    if why == "kept":
        return _(
            "Promises are not corrected: the part of the promise that was kept is {ratio} in {plans}, and the interval"
            " includes 1."
        ).format(ratio=ratio, plans=plans)
    if factor.value == SMALLEST_FACTOR:
        return _(
            "Promises are multiplied by {factor}, that is, hardly anything is promised: the part of the promise that"
            " was kept is {ratio} in {plans}."
        ).format(factor=number(factor.value, 2), ratio=ratio, plans=plans)
    return _(
        "Promises are multiplied by {factor}: the part of the promise that was kept is {ratio} in {plans}."
    ).format(factor=number(factor.value, 2), ratio=ratio, plans=plans)


def caveats(score: PlanScore, found: PreviousPlans) -> list[str]:
    """What limits the score of one plan.

    Args:
        score: the plan.
        found: all plans.
    """
    lines = []
    if score.held_out_texted > 0:
        lines.append(
            _("Caveat: {share} of the held-out customers were sent a text all the same, which makes the gain smaller.")
            .format(share=percent(score.held_out_texted, 1))
        )  # fmt: skip
    main = score.main
    if score.plan.promised_here and main is not None and main.measured.known and not main.enough_to_correct:
        words = _(
            "Caveat: {n} held-out customers ordered. Promises are corrected from {needed} on, about {customers}"
            " customers held out."
        )
        values = {"n": main.buyers_held_out, "needed": main.buyers_needed, "customers": main.held_out_needed}
        lines.append(words.format(**{name: number(value) for name, value in values.items()}))
    if main is not None and not found.knows_cost:
        lines.append(cost_unknown_words())
    return lines
