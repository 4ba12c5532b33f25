"""The decision of `09_send_plan` in words, and wording that its tables and figures share."""

import numpy as np

from smsroi_helpers.contract import Decision
from smsroi_helpers.locale import _, joined, money, number, percent
from smsroi_helpers.measures import knows_cost
from smsroi_helpers.pages import arm_name, compact_words, cost_unknown_words, experiment_name, names_of
from smsroi_helpers.send_plan.decision import decide_plan
from smsroi_helpers.send_plan.groupings import ALL, CLASSES
from smsroi_helpers.send_plan.learning import Learning
from smsroi_helpers.send_plan.lever_checks import LeverCheck
from smsroi_helpers.send_plan.plan import SendPlan
from smsroi_helpers.send_plan.previous_plans import PlanScore, PreviousPlans, PromiseFactor
from smsroi_helpers.timing import weekdays_words

__all__ = ["decide", "grouping_name", "left_out_words", "lever_words", "policy_name", "role_words"]


def grouping_name(name: str) -> str:
    """A candidate grouping in words."""
    if name == ALL:
        return _("everybody alike")
    return _("latent classes") if name == CLASSES else names_of(name)


def policy_name(policy: str) -> str:
    """A policy of `plan_score` in words."""
    return {
        "plan": _("The plan"),
        "today": _("As today"),
        "plan_minus_today": _("The plan compared with today"),
        "nothing": _("No texts"),
    }.get(policy, policy)


def left_out_words(reason: str) -> str:
    """Why customers are not in the plan; empty for those who are."""
    return {
        "": _("In the plan"),
        "no_consent": _("No consent, or opted out"),
        "unreachable": _("None of their texts was ever delivered"),
        "in_test": _("In a running test or held out by one"),
        "no_hour_allowed": _("No hour is allowed where they live"),
    }[reason]


def lever_words(check: LeverCheck) -> str:
    """What a lever's test compares, with the unit."""
    return {
        "frequency": _("texts a week, against none ({test}): profit per customer and week"),
        "timing": _("hours, against the tests’ hours: clicks per 100 texts"),
        "content": _("texts, against the texts sent beside them: clicks per 100 texts"),
    }[check.lever].format(test=experiment_name(check.test))


def role_words(reason: str) -> str:
    """The reason of a row of the plan in words."""
    return {
        "best_value": _("By the plan’s model, worth most in the long run"),
        "no_gain": _("No text: none would gain"),
        "budget": _("No text: the budget is used up"),
        "capacity": _("No text: the hourly limit is reached"),
        "explore": _("Drawn at random, to learn"),
        "holdout": _("Held out, to measure the plan"),
    }[reason]


def decide(plan: SendPlan, past: PreviousPlans | None = None, learning: Learning | None = None) -> list[Decision]:
    """The decision on the plan.

    Args:
        plan: of `plan.make_plan`.
        past: of `score_plans`; None: no earlier plan is known.
        learning: of `size_exploration`; None: what exploring is worth was not computed.
    """
    found = decide_plan(plan, past.factor if past else None)
    weeks = plan.calendar.weeks
    action = {
        "do": _("Send by the plan in the coming {weeks} weeks; the list has every customer’s texts."),
        "dont": _("Go on as today: the plan would be worth less."),
        "not_enough_evidence": _(
            "Go on as today, but send the plan’s exploring share and keep its holdout: it is not shown yet that the"
            " plan is worth more, and they would show it."
        ),
    }[found.outcome].format(weeks=weeks)
    chosen = _("The plan treats all customers alike.")
    if plan.chosen.name != ALL:
        chosen = _("The plan treats customers by {grouping}.").format(grouping=grouping_name(plan.chosen.name))
    roles = _("Of the {n} customers it may text, {explore} get choices at random, to learn from, and {holdout}"
        " get none, to measure the plan.").format(
        n=number(plan.customers), explore=percent(plan.roles.probability("explore"), 0),
        holdout=percent(plan.roles.probability("holdout"), 0),
    )  # fmt: skip
    amounts = _("The amounts are of the {n} others, for whom the plan decides.").format(n=number(found.customers))
    caveat = _(
        "Hours, frequencies and texts were tested on different customers: the value assumes that their effects"
        " multiply. The exploring share tests this."
    )
    if found.factor is not None:
        caveat = joined(_kept_words(found.factor), caveat)
    elif past is not None and past.latest is not None:
        caveat = joined(_missed_words(past.latest, plan.shop.settings.currency), caveat)
    if learning is not None and learning.rows and learning.row(learning.own).net < 0:
        caveat = joined(caveat, _(
            "Better choices alone do not pay for the exploring share, by the plan’s model. It is there to show whether"
            " the plan is worth more than today’s practice, and whether responses change; neither is counted."
        ))  # fmt: skip
    if not knows_cost(plan.shop):
        caveat = joined(caveat, cost_unknown_words())
    limits = _limits_words(plan)
    if limits:
        if found.outcome == "dont":
            action = _("Within its limits the plan would be worth less than today’s practice is without them.")
        caveat = joined(caveat, _("Today’s practice is valued without these limits."))
    if not (plan.actions["texts_per_week"] > 0).any():
        action = _("Send no texts but those that the plan explores with: none is shown to be worth its cost.")
        if plan.actions["limited"].any():
            action = _("Send no texts but those that the plan explores with: the budget leaves no money for others.")
    return [
        Decision(
            stage="send_plan", question=_("Whom do we text next, when, how often and with what?"),
            outcome=found.outcome, action=action, evidence="modelled",
            text=joined(_short_words(plan), chosen, roles, amounts, limits),
            customers=found.customers, evidence_customers=plan.evidence.members,
            value=found.long_run.value, low=found.long_run.low, high=found.long_run.high,
            unit="money", period=_("long run"), kind="gain", money="long_run", cash=found.cash.value,
            cash_low=found.cash.low, cash_high=found.cash.high, cash_weeks=float(weeks), cash_evidence="modelled",
            caveat=caveat,
            next_test=_(
                "The plan’s exploring share: for about {n} of its customers hours, weekdays, frequencies and texts are"
                " drawn at random together, so the coming weeks test all of these at once."
            ).format(n=number(plan.roles.probability("explore") * plan.customers))
            if plan.roles.probability("explore") > 0 else "",
        )
    ]  # fmt: skip


def _short_words(plan: SendPlan) -> str:
    """How many texts, when and which: the range over the customers who get any; empty where nobody does."""
    policy, customers, doses = plan.chosen.policy, plan.chosen.today.customers, plan.design.doses
    sent = [
        (action, float(customers[p, mask] * share))
        for (p, mask, _part), action, share in policy.parts()
        if doses[action.dose] > 0 and customers[p, mask] * share > 0
    ]
    if not sent:
        return ""
    weekly = [float(doses[action.dose]) for action, _n in sent]
    windows = [plan.evidence.windows[action.window] for action, _n in sent]
    by_text: dict[str, float] = {}
    for action, n in sent:
        text = plan.evidence.creatives[action.text]
        by_text[text] = by_text.get(text, 0.0) + n
    most = max(by_text, key=lambda text: by_text[text])
    fewest, greatest = number(min(weekly), 1), number(max(weekly), 1)
    dose = fewest if fewest == greatest else _("{low} to {high}").format(low=fewest, high=greatest)
    first, end = min(start for start, _end in windows), max(end for _start, end in windows)
    words = _("In short: {dose} texts a week, at {first}:00–{end}:00 local time, “{text}” for {share} of those texted.")
    words = words.format(
        dose=dose, first=first, end=end, text=arm_name(most), share=percent(by_text[most] / sum(by_text.values()), 0)
    )
    return joined(words, _weekday_words(plan, {day for action, _n in sent for day in action.weekdays}))


def _weekday_words(plan: SendPlan, weekdays: set[int]) -> str:
    """On which weekdays texts go out, and what that rests on."""
    if not np.ptp(plan.chosen.response.weekday[0], axis=1).any():
        return _("Each customer’s weekdays are drawn by chance from the allowed ones: none is shown to be better.")
    drawn = _("the tests did not draw weekdays by chance")
    if plan.shop.has("plans"):
        drawn = _("but for texts that earlier plans explored with, weekdays were not drawn by chance")
    return joined(
        _("They go out on {weekdays}.").format(weekdays=weekdays_words(weekdays)),
        _("Which weekdays are better is observational, and the amounts rest on it too: {drawn}.").format(drawn=drawn),
        _("The exploring share draws them by chance.") if plan.roles.probability("explore") > 0 else "",
    )


def _kept_words(factor: PromiseFactor) -> str:
    """That the amounts have been multiplied by what earlier plans kept of their promise."""
    kept = factor.estimate
    part = _("{value} ({low} to {high})").format(
        value=percent(kept.value), low=percent(kept.low), high=percent(kept.high)
    )
    words = (
        _("The last plan that was measured brought {part} of its promise. The amounts above are multiplied by {by}.")
        if factor.plans == 1
        else _("Earlier plans brought {part} of their promises. The amounts above are multiplied by {by}.")
    )
    return words.format(part=part, by=number(factor.value, 2))


def _missed_words(latest: PlanScore, currency: str) -> str:
    """That the last plan missed its promise, where too little is known to correct by; empty if it did not."""
    main = latest.main
    if main is None or not main.gap.excludes(0.0):
        return ""
    words = _(
        "The plan before promised {promised} per customer and brought {measured}. The amounts above are not corrected"
        " by that: it takes {needed} buyers among those held out, and there were {n}."
    )
    measured = compact_words(main.measured.value, main.measured.low, main.measured.high, currency)
    if not latest.plan.promised_here:
        words = _(
            "The last plan promised {promised} per customer and brought {measured}. This workbook had not made that"
            " promise, so the amounts above are not corrected by it."
        )
    elif main.enough_to_correct:
        words = _(
            "The last plan promised {promised} per customer and brought {measured}. All plans together do not show that"
            " promises are missed, so the amounts above are not corrected."
        )
    return words.format(
        promised=money(main.promised, currency), measured=measured, needed=number(main.buyers_needed),
        n=number(main.buyers_held_out),
    )  # fmt: skip


def _limits_words(plan: SendPlan) -> str:
    """The limits that the plan keeps to; empty without any."""
    budget, capacity = plan.limits.budget, plan.limits.capacity_per_hour
    of_budget = _("Its texts cost no more than {budget}.").format(budget=money(budget, plan.shop.settings.currency))
    of_capacity = _("No hour has more than {n} texts.").format(n=number(capacity))
    return joined(of_budget if budget else "", of_capacity if capacity else "")
