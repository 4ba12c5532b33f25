"""The decision on who gets one mailing in words, and wording that its tables share."""

from smsroi_helpers.contract import Decision
from smsroi_helpers.locale import _, joined, number, percent
from smsroi_helpers.measures import knows_clicks, knows_cost, opt_outs
from smsroi_helpers.pages import arm_name, compact_words, cost_unknown_words, experiment_words
from smsroi_helpers.send_plan.groupings import ALL
from smsroi_helpers.send_plan.recipient_rules import NOBODY, Rule
from smsroi_helpers.send_plan.recipients import TRAITS, RecipientPlan
from smsroi_helpers.send_plan.wording import grouping_name

__all__ = ["decide_recipients", "rule_name", "window_words"]


def rule_name(plan: RecipientPlan, rule: Rule) -> str:
    """A rule in words."""
    if rule.name == NOBODY:
        return _("nobody gets a message")
    if rule.name == ALL:
        return _("everybody gets “{arm}”").format(arm=arm_name(plan.arms[int(rule.policy[0].argmax())]))
    if rule.name == TRAITS:
        return _("chosen by all traits together")
    return _("chosen by {grouping}").format(grouping=grouping_name(rule.name))


def window_words(plan: RecipientPlan) -> str:
    """The mean time for which the test counted outcomes."""
    weeks = round(plan.weeks, 1)
    return _("one week") if weeks == 1 else _("{weeks} weeks").format(weeks=number(weeks, int(weeks % 1 > 0)))


def decide_recipients(plan: RecipientPlan) -> list[Decision]:
    """The decision on who gets one mailing; its money is that of today's customers.

    Args:
        plan: of `plan_recipients`.
    """
    customers, gain, worth = plan.customers, plan.gain, plan.worth
    currency = plan.shop.settings.currency
    if plan.gains:
        learned = _(
            "By {test} it brings {gain} per customer within {time} more than sending nothing. The rule was"
            " learned from one half of the {n} customers and valued on the other half, by inverse probability"
            " weighting."
        )
        if plan.chosen.name == ALL:
            learned = _(
                "By {test} with {n} customers it brings {gain} per customer within {time} more than sending nothing."
            )
    else:
        learned = _(
            "By {test} with {n} customers, no way of choosing who gets a message is shown to bring more than"
            " sending none, within {time}. Each was learned from one half of the customers and valued on the other."
        )
    text = learned.format(
        test=experiment_words(plan.test.name), n=number(plan.members), time=window_words(plan),
        gain=compact_words(gain.value, gain.low, gain.high, currency),
    )  # fmt: skip
    caveat = _(
        "Counted is profit within {time} of the mailing. How often to send, opt-outs and later profit are not in it."
    ).format(time=window_words(plan))
    valued = plan.chosen.name != NOBODY  # the money of nobody's messages is none
    value, low, high = (each if valued else float("nan") for each in (worth.value, worth.low, worth.high))
    return [
        Decision(
            stage="send_plan", question=_("Who gets the mailing?"), outcome=plan.outcome, action=_action(plan),
            text=text, evidence="modelled" if valued else "randomised",
            customers=round(customers if valued else plan.members),
            evidence_customers=plan.members, value=value, low=low, high=high, unit="money" if valued else "",
            period=f"{plan.weeks:.3g} weeks" if valued else "", kind="worth" if valued else "fact",
            money="cash" if valued else "",
            caveat=joined(
                caveat, _untried_words(plan), _consent_words(plan),
                "" if knows_cost(plan.shop) else cost_unknown_words(),
            ),
            next_test=_next_words(plan),
        )
    ]  # fmt: skip


def _next_words(plan: RecipientPlan) -> str:
    """What it takes for a plan of how often to text."""
    if opt_outs(plan.shop) is None or not knows_clicks(plan.shop):
        return _(
            "Record which texts are clicked, and after which text customers opt out. With that, and a test of how many"
            " texts to send that has an arm without texts, this page plans how often to send."
        )
    return _(
        "A test of how many texts to send, with an arm without texts: it also shows opt-outs and how often to"
        " send. Page 05 plans one."
    )


def _consent_words(plan: RecipientPlan) -> str:
    """That nobody is left out for having opted out, where the source does not record it."""
    if opt_outs(plan.shop) is not None:
        return ""
    return _("The source records no opt-outs: take out of the list who has opted out.")


def _untried_words(plan: RecipientPlan) -> str:
    """That some of today's customers have traits that nobody in the test had; empty where none have."""
    untried = plan.untried_customers
    if not untried or not plan.gains:
        return ""
    words = _("{n} of today’s customers have an attribute value that nobody in the test had; they get no message.")
    if plan.chosen.name == ALL:
        words = _(
            "{n} of today’s customers have an attribute value that nobody in the test had: how they answer is not"
            " known."
        )
    return words.format(n=number(untried))


def _action(plan: RecipientPlan) -> str:
    if not plan.gains:
        return _("Send nothing: choosing who gets a message is not shown to beat sending none.")
    if plan.chosen.name == ALL:
        arm = arm_name(plan.arms[int(plan.chosen.policy[0].argmax())])
        return _("Send “{arm}” to everybody: choosing among customers is not shown to bring more.").format(arm=arm)
    named = arm_name(plan.arms[1]) if len(plan.arms) == 2 else ""
    words = _("Send “{arm}” to {n} of {all} customers ({share}), {rule}.") if named else _(
        "Send a message to {n} of {all} customers ({share}), {rule}."
    )  # fmt: skip
    return words.format(
        arm=named, n=number(plan.messaged), all=number(plan.customers), share=percent(plan.messaged_share, 0),
        rule=rule_name(plan, plan.chosen),
    )  # fmt: skip
