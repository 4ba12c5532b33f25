"""The decision of `09_send_plan` in words, and wording that its tables and figures share."""

import numpy as np

from smsroi_helpers.contract import Decision
from smsroi_helpers.locale import _, enumerated, joined, money, number, percent, rounded_digits
from smsroi_helpers.measures import knows_cost
from smsroi_helpers.pages import arm_name, compact_words, cost_unknown_words, experiment_name, names_of
from smsroi_helpers.send_plan.decision import decide_plan
from smsroi_helpers.send_plan.groupings import ALL, CLASSES
from smsroi_helpers.send_plan.in_short import summarise_plan
from smsroi_helpers.send_plan.learning import Learning
from smsroi_helpers.send_plan.lever_checks import LeverCheck
from smsroi_helpers.send_plan.plan import SendPlan
from smsroi_helpers.send_plan.previous_plans import PreviousPlans, PromiseFactor
from smsroi_helpers.send_plan.reconcile import reconcile
from smsroi_helpers.send_plan.text_choice import TextChoice
from smsroi_helpers.send_plan.valuation import Estimate
from smsroi_helpers.timing import weekdays_words

__all__ = [
    "decide",
    "grouping_name",
    "left_out_words",
    "lever_words",
    "measured_note_words",
    "policy_name",
    "role_words",
    "text_words",
]


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
        "content": _("texts, against those sent beside them, in tests or not: clicks per 100 texts"),
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
    found, currency = decide_plan(plan, past.factor if past else None), plan.shop.settings.currency
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
    roles = _(
        "Of the {n} customers it may text, {explore} get choices at random, to learn from, and {holdout} get none, to"
        " measure the plan."
    ).format(
        n=number(plan.customers), explore=number(plan.in_role("explore")), holdout=number(plan.in_role("holdout")),
    )  # fmt: skip
    amounts = _(
        "The amounts are of the {n} others, for whom the plan decides. The long run supposes that such plans go on."
    ).format(n=number(found.customers))
    caveat = _(
        "Hours, frequencies and texts were tested on different customers: the value assumes that their effects"
        " multiply. The exploring share tests this."
    )
    if past is not None:
        caveat = joined(
            _kept_words(found.factor) if found.factor is not None else _missed_words(past, currency),
            _measured_words(plan, past, currency),
            "" if found.factor is not None else _uncorrected_words(past), caveat,
        )  # fmt: skip
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
            text=joined(_short_words(plan), _unsettled_words(plan, currency), chosen, roles, amounts, limits),
            customers=found.customers, evidence_customers=plan.evidence.members,
            value=found.long_run.value, low=found.long_run.low, high=found.long_run.high,
            unit="money", period=_("long run"), kind="gain", money="long_run", cash=found.cash.value,
            cash_low=found.cash.low, cash_high=found.cash.high, cash_weeks=float(weeks), cash_evidence="modelled",
            caveat=caveat,
            next_test=_explored_words(plan) if plan.in_role("explore") else "",
        )
    ]  # fmt: skip


def _explored_words(plan: SendPlan) -> str:
    """What the exploring share tests."""
    explored = plan.exploration
    every = len(explored.texts) == len(explored.creatives) and len(explored.windows) == len(plan.evidence.windows)
    return joined(
        _(
            "The plan’s exploring share: for {n} of its customers hours, weekdays, frequencies (no texts among them)"
            " and texts are drawn at random together, so the coming weeks test all of these at once."
        ).format(n=number(plan.in_role("explore"))),
        "" if every else _("Hours not allowed everywhere, and hours and texts shown to be worth less, are not drawn."),
    )


def _short_words(plan: SendPlan) -> str:
    """How many texts, when and which: the range over the customers who get any; empty where nobody does."""
    found = summarise_plan(plan)
    if found is None:
        return ""
    fewest, most = number(found.fewest, 1), number(found.most, 1)
    range_of = fewest if fewest == most else _("{low} to {high}").format(low=fewest, high=most)
    always_one = fewest == most == number(1, 1)
    dose = _("1 text a week") if always_one else _("{n} texts a week").format(n=range_of)
    words = _("In short: {dose}, at {first}:00–{end}:00 local time, “{text}” for {share} of those texted.")
    words = words.format(
        dose=dose, first=found.first, end=found.end, text=arm_name(found.text), share=percent(found.share, 0)
    )
    return joined(words, _weekday_words(plan, found.weekdays), _untested_words(plan))


def _untested_words(plan: SendPlan) -> str:
    """Which share of today's texts was compared within campaigns only; empty where tests drew all at random."""
    share = plan.untested_share
    if not share > 0:
        return ""
    return _(
        "Of today’s messages, {share} have a text that no test compared at random. Such texts are compared within their"
        " campaigns; that is observational, too."
    ).format(share=percent(share, 0))


def _weekday_words(plan: SendPlan, weekdays: frozenset[int]) -> str:
    """On which weekdays texts go out, and what that rests on."""
    if not np.ptp(plan.chosen.response.weekday[0], axis=1).any():
        return _("Each customer’s weekdays are drawn by chance from the allowed ones: none is shown to be better.")
    drawn = _("the tests did not draw weekdays by chance")
    if plan.shop.has("plans"):
        drawn = _("weekdays were drawn by chance only for texts with which earlier plans explored")
    return joined(
        _(
            "They go out on {weekdays}: in the tests, texts on other days had fewer clicks. That is observational:"
            " {drawn}. The amounts rest on it too."
        ).format(weekdays=weekdays_words(weekdays), drawn=drawn),
        _("The exploring share draws them by chance.") if plan.roles.probability("explore") > 0 else "",
        _("The page on hours judges days by the company’s own texts instead, so its answer can differ."),
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


def _missed_words(past: PreviousPlans, currency: str) -> str:
    """What the last plan promised and brought, where it missed its promise; empty if it did not."""
    main = past.latest.main if past.latest else None
    if main is None or not main.gap.excludes(0.0):
        return ""
    measured = compact_words(main.measured.value, main.measured.low, main.measured.high, currency)
    words = _("The last plan promised {promised} per customer and brought {measured}.")
    return words.format(promised=money(main.promised, currency), measured=measured)


def _uncorrected_words(past: PreviousPlans) -> str:
    """Why amounts are not corrected by the last plan, where it missed its promise; empty if it did not."""
    main = past.latest.main if past.latest else None
    if main is None or not main.gap.excludes(0.0):
        return ""
    words = {
        "not_ours": _("This workbook had not made that promise, so the amounts above are not corrected by it."),
        "kept": _(
            "All plans of this workbook together do not show that it promises too much or too little, so the amounts"
            " above are not corrected."
        ),
        "few_buyers": _(
            "The amounts above are not corrected by that: it takes {needed} buyers among those held out, and there"
            " were {n}."
        ),
        "none": "",
    }
    return words[past.uncorrected].format(needed=number(main.buyers_needed), n=number(main.buyers_held_out))


def _measured_words(plan: SendPlan, past: PreviousPlans, currency: str) -> str:
    """This plan's value on the terms on which the last one was measured; empty where none was."""
    found = reconcile(plan, past)
    if found is None:
        return ""
    brought = _("The last plan brought {measured} per customer.").format(measured=_compact(found.measured, currency))
    main = past.latest.main if past.latest else None
    if main is not None and main.gap.excludes(0.0) and not past.factor.corrects:
        brought = ""  # said already
    modelled = _compact(found.modelled, currency)
    if found.today is not None and found.today_gap is not None:
        return joined(
            brought,
            _(
                "That was in {weeks} weeks, compared with no texts, and it is today’s practice. The model of this page"
                " puts it at {today}, and this plan at {modelled}."
            ).format(weeks=number(found.weeks), today=_compact(found.today, currency), modelled=modelled),
            _judged_words(found.today_gap),
        )  # fmt: skip
    words = _("On the same terms ({weeks} weeks, compared with no texts) this plan promises {modelled}, modelled.")
    judged = _("The two are not shown to differ.")
    if found.gap.high < 0:
        judged = _("That is below what was measured by more than chance, so it may be too low.")
    elif found.gap.low > 0:
        judged = _("That is above what was measured by more than chance, so it may be too high.")
    return joined(brought, words.format(weeks=number(found.weeks), modelled=modelled), judged)


def _judged_words(gap: Estimate) -> str:
    """What the measurement of today's practice says of the model."""
    if gap.high < 0:
        return _("So the model is too low for today’s practice, by more than chance, and may be too low for this plan.")
    if gap.low > 0:
        return _(
            "So the model is too high for today’s practice, by more than chance, and may be too high for this plan."
        )
    return _("The measurement does not contradict the model.")


def measured_note_words(plan: SendPlan, past: PreviousPlans, currency: str) -> str:
    """What the model says of the last plan itself, where that is today's practice; empty where it is not."""
    found = reconcile(plan, past)
    if found is None or found.today is None or found.today_gap is None:
        return ""
    words = _(
        "Today’s texts are those of that plan, so they test the model. By the model they are worth {today} per customer"
        " in {weeks} weeks, compared with no texts; measured were {measured}."
    ).format(
        today=_compact(found.today, currency), weeks=number(found.weeks), measured=_compact(found.measured, currency)
    )
    judged = _("The two are not shown to differ.")
    if found.today_gap.high < 0:
        judged = _(
            "The model is below by more than chance: it may be too low, or customers who have left since differ."
        )
    elif found.today_gap.low > 0:
        judged = _(
            "The model is above by more than chance: it may be too high, or customers who have left since differ."
        )
    return joined(words, judged)


def _unsettled_words(plan: SendPlan, currency: str) -> str:
    """That the best text is not settled, and what a wrong choice costs; empty where it is, or there is no other."""
    found = plan.text_choice
    if found is None or not found.as_good:
        return ""
    return _(
        "Which text is best is not settled; the plan has to send one. By its model another text would bring at most"
        " {most} more per customer in the long run (95%)."
    ).format(most=_most_lost(found, currency))


def _most_lost(found: TextChoice, currency: str) -> str:
    """The highest upper limit, rounded by the width of its interval."""
    best = found.others[0].gain
    return money(found.most_lost, currency, max(rounded_digits(best.low, best.high), 0))


def text_words(plan: SendPlan, currency: str) -> str:
    """Why the plan sends the text that it does, which others may be as good, and what a wrong choice costs."""
    found = plan.text_choice
    if found is None:
        return _("Texts are not compared: the plan sends none, or only one was tried.")
    texts = enumerated(_("“{text}”").format(text=arm_name(each)) for each in found.chosen)
    why = _(
        "The plan has to send some text, also where the page on texts, which decides by its tests alone, does not"
        " decide. It takes {texts}: by its model worth most in the long run, opt-outs included."
    ).format(texts=texts)
    best = found.others[0]
    other = _("“{text}” for everybody: {gain} per customer in the long run, compared with the plan.").format(
        text=arm_name(best.text), gain=_compact(best.gain, currency)
    )
    if not found.as_good:
        return joined(why, _("No other text may be as good (95% intervals, all texts compared at once)."), other)
    as_good = _("May be as good (95% intervals, all texts compared at once): {texts}.").format(
        texts=enumerated(_("“{text}”").format(text=arm_name(each.text)) for each in found.as_good)
    )
    price = _("So a wrong choice costs at most {most} per customer (95%).").format(most=_most_lost(found, currency))
    lists = _(
        "The page on texts compares the profit of one text with today’s mixture, by segment; so it can name others."
    )
    return joined(why, as_good, other, price, lists)


def _compact(found: Estimate, currency: str) -> str:
    return compact_words(found.value, found.low, found.high, currency)


def _limits_words(plan: SendPlan) -> str:
    """The limits that the plan keeps to; empty without any."""
    budget, capacity = plan.limits.budget, plan.limits.capacity_per_hour
    of_budget = _("Its texts cost no more than {budget}.").format(budget=money(budget, plan.shop.settings.currency))
    of_capacity = _("No hour has more than {n} texts.").format(n=number(capacity))
    return joined(of_budget if budget else "", of_capacity if capacity else "")
