"""Tables of `09_send_plan`."""

import numpy as np
import pandas as pd

from smsroi_helpers import pages
from smsroi_helpers.locale import _, day, joined, listed, money, number, percent
from smsroi_helpers.pages import Html, arm_name, compact_words, experiment_name, note, segment_name, stacked, table
from smsroi_helpers.send_plan.evidence import Evidence
from smsroi_helpers.send_plan.groupings import ALL, CLASSES
from smsroi_helpers.send_plan.in_short import count_actions
from smsroi_helpers.send_plan.outputs import EVIDENCE, LONG_RUN, score_rows
from smsroi_helpers.send_plan.plan import SendPlan
from smsroi_helpers.send_plan.previous_plans import PreviousPlans
from smsroi_helpers.send_plan.valuation import Estimate
from smsroi_helpers.send_plan.wording import (
    grouping_name,
    left_out_words,
    lever_words,
    measured_note_words,
    policy_name,
    role_words,
    text_words,
)

__all__ = [
    "actions_table",
    "candidates_table",
    "classes_table",
    "exclusions_table",
    "levers_table",
    "measured_note",
    "practice_table",
    "score_table",
    "tests_note",
    "text_note",
]

_MOST_ROWS = 40


def exclusions_table(plan: SendPlan) -> Html:
    """Everybody known, by why they are in the plan or not."""
    rows = plan.left_out
    frame = pd.DataFrame(
        {_("Reason"): [left_out_words(reason) for reason in rows["reason"]], _("Customers"): rows["customers"]}
    )
    total = pd.DataFrame({_("Reason"): [_("all")], _("Customers"): [plan.known]})
    frame = pd.concat([frame, total], ignore_index=True)
    return table(frame, caption=_("Customers known on the last day, in the plan or not"), suppress=_("Customers"))


def practice_table(plan: SendPlan) -> Html:
    """The weeks that are called today, and what was sent in them."""
    return pages.practice_table(plan.audience.practice)


def tests_note(plan: SendPlan) -> Html:
    """What the response model was learned from."""
    evidence = plan.evidence
    words = _(
        "Learned from {tests} valid tests ({names}). {doses} frequencies and {windows} windows of hours were drawn by"
        " chance. {texts} texts are compared within campaigns, {tested} of them in tests of texts."
    ).format(
        tests=number(len(evidence.tests)), names=listed(
            _("{test}, {first} to {last}").format(
                test=experiment_name(test.name), first=day(test.started), last=day(test.last)
            )
            for test in evidence.tests
        ), doses=number(len(evidence.doses)), windows=number(len(evidence.windows)),
        texts=number(len(evidence.creatives)), tested=number(_tested_texts(evidence)),
    )  # fmt: skip
    days = plan.chosen.cells.credit_days
    credit = _(
        "How groups and texts differ in what a click brings is estimated from the orders within {period} after a click,"
        " less those within as long before the text: of the periods tried, their difference is clearest in this one."
    ).format(period=_("one day") if days == 1 else _("{n} days").format(n=number(days)))
    return note(joined(words, credit))


def score_table(plan: SendPlan, currency: str) -> Html:
    """What the plan, today's practice and no texts are worth per customer, in the long run and as cash."""
    rows = score_rows(plan)
    rows = rows[~rows["policy"].str.startswith("by_") & (rows["evidence"] == EVIDENCE)]
    periods = dict.fromkeys(rows["period"])
    frame = pd.DataFrame({_("Policy"): [policy_name(policy) for policy in dict.fromkeys(rows["policy"])]})
    for period in periods:
        heading = _("Long run") if period == LONG_RUN else _("Cash of {n} weeks").format(n=plan.calendar.weeks)
        own = rows[rows["period"] == period]
        frame[heading] = [_amount(row.profit_per_customer, row.low, row.high, currency) for row in own.itertuples()]
    caption = _(
        "Profit per customer of the audience ({n}) against no texts, with 95% intervals; modelled from randomised"
        " tests, cross-fitted"
    ).format(n=number(plan.customers))
    return table(frame, caption=caption)


def measured_note(plan: SendPlan, past: PreviousPlans, currency: str) -> Html | None:
    """What the model says of the last plan, beside what it was measured to bring; None where today is not that plan."""
    words = measured_note_words(plan, past, currency)
    return note(words) if words else None


def _tested_texts(evidence: Evidence) -> int:
    """How many of the texts were arms of a test of texts."""
    arms = {str(text) for test in evidence.of_kind("content") for text in test.plan.get("variant", [])}
    return len(arms & set(evidence.creatives))


def text_note(plan: SendPlan, currency: str) -> Html:
    """Why the plan sends its text, which others may be as good, and what a wrong choice costs."""
    return note(text_words(plan, currency))


def _amount(value: float, low: float, high: float, currency: str) -> str:
    if low == high:
        return money(value, currency)
    return compact_words(value, low, high, currency)


def _scaled(scale: float, found: Estimate, currency: str = "") -> str:
    """An amount in a unit; `scale` is 100 for “per 100”."""
    return _amount(scale * found.value, scale * found.low, scale * found.high, currency)


def levers_table(plan: SendPlan, currency: str) -> Html:
    """What each lever's test alone says of the plan's choices, beside the model."""
    if not plan.levers:
        return note(_("No test tells what the plan’s choices bring without the model."))
    rows = []
    for each in plan.levers:
        in_money = each.lever == "frequency"

        def shown(found: Estimate, in_money: bool = in_money) -> str:
            if in_money:
                return _amount(found.value, found.low, found.high, currency)
            return compact_words(100 * found.value, 100 * found.low, 100 * found.high)

        model = money(each.gain_model, currency) if in_money else number(100 * each.gain_model, 2)
        rows.append({
            _("What was chosen"): lever_words(each),
            _("Compared with"): shown(each.reference),
            _("Gain, doubly robust"): shown(each.gain),
            _("Self-normalised weighting"): shown(each.gain_snipw),
            _("Plain weighting"): shown(each.gain_ips),
            _("By the plan’s model"): model,
            _("Customers or texts (effective)"): _("{amount} ({interval})").format(
                amount=number(each.members), interval=number(each.effective)
            ),
            _("Rarest arm chosen"): percent(each.smallest_share),
        })  # fmt: skip
    caption = _(
        "The plan’s choices by the log of each lever alone, with 95% intervals; learned from one half of the customers,"
        " valued by the other. In brackets the effective sample size, last the share of the test’s members in the"
        " rarest arm chosen"
    )
    return table(pd.DataFrame(rows), caption=caption)


def candidates_table(plan: SendPlan, currency: str) -> Html:
    """Every way of grouping customers that was tried, with the value of its plan."""
    rows, compared = [], plan.limited.compared
    for each in sorted(plan.candidates, key=lambda one: -one.replicates(compared.long_run[one.name])[0]):
        found, gain = each.estimate(compared.long_run[each.name]), each.estimate(compared.gain(each.name))
        rows.append({
            _("Customers treated by"): grouping_name(each.name),
            _("Groups"): each.cells.grouping.parameters,
            _("Long-run value"): _amount(found.value, found.low, found.high, currency),
            _("Compared with today"): _amount(gain.value, gain.low, gain.high, currency),
            _("Chosen"): each.name == plan.chosen.name,
        })  # fmt: skip
    caption = _(
        "What a plan by each grouping is worth per customer, with 95% intervals, all valued by the same model"
        " ({judge}). Latent classes are chosen unless another plan is shown to be worth more; without them the simplest"
        " within one standard error of the best"
    )
    if plan.limits.budget:
        caption = _(
            "What a plan by each grouping is worth per customer within the budget, all valued by the same model"
            " ({judge}); chosen without a budget"
        )
    shown = table(pd.DataFrame(rows), caption=caption.format(judge=grouping_name(compared.judge)))
    words = _grouping_words(plan, currency)
    return stacked(shown, note(words)) if words else shown


def _grouping_words(plan: SendPlan, currency: str) -> str:
    """Whether the chosen groups are worth more than one plan for all; and by which model the plan's value is."""
    chosen, compared = plan.chosen, plan.limited.compared
    words = []
    if chosen.name != ALL and ALL in compared.long_run:
        found = chosen.estimate(compared.gain(chosen.name, over=ALL))
        said = _("It is not shown that the chosen groups are worth more than one plan for all: {amount} per customer.")
        if found.low > 0:
            said = _("The chosen groups are worth more than one plan for all: {amount} per customer.")
        elif found.high < 0:
            said = _("The chosen groups are worth less than one plan for all: {amount} per customer.")
        words.append(said.format(amount=_amount(found.value, found.low, found.high, currency)))
    if chosen.name != compared.judge:
        differs = _("The plan’s own value above is by the model of its own grouping ({grouping}), which differs.")
        words.append(differs.format(grouping=grouping_name(chosen.name)))
    return joined(*words)


def actions_table(plan: SendPlan) -> Html:
    """The plan in short: who gets how many texts, when and with what."""
    short = count_actions(plan).head(_MOST_ROWS)
    frame = pd.DataFrame({
        _("Group"): [_group_name(plan, name) for name in short["type"]],
        _("Reason"): [role_words(reason) for reason in short["reason"]],
        _("Texts a week"): [number(x, 1) for x in short["texts_per_week"]],
        _("Hour"): ["" if np.isnan(hour) else f"{int(hour):02}:00" for hour in short["hour"].astype(float)],
        _("Text"): [arm_name(str(variant or "")) for variant in short["variant"]],
        _("Customers"): short["customers"],
        _("Texts"): short["messages"],
    })  # fmt: skip
    caption = _("The plan of the coming {weeks} weeks for the customers whom it decides for").format(
        weeks=plan.calendar.weeks
    )
    return table(frame, caption=caption, suppress=_("Customers"))


def _group_name(plan: SendPlan, name: str) -> str:
    if plan.chosen.name == CLASSES:
        return _("Class {k}").format(k=name.removeprefix("class "))
    return segment_name(name, plan.chosen.name)


def classes_table(plan: SendPlan, currency: str) -> Html:
    """What the response model says of each group: clicks, opt-outs and profit per click."""
    groups = plan.chosen.response_by_group()
    frame = pd.DataFrame({
        _("Group"): [_group_name(plan, each.group) for each in groups],
        _("Customers"): [round(each.customers) for each in groups],
        _("Clicks per 100 texts"): [_scaled(100, each.clicks) for each in groups],
        _("Opt-outs a week per 1,000, at one text a week"): [_scaled(1000, each.opt_outs) for each in groups],
        _("Profit per click"): [_scaled(1, each.profit_per_click, currency) for each in groups],
    })  # fmt: skip
    caption = _(
        "Response of each group at one text a week, at today’s level, with 95% intervals; modelled from randomised"
        " tests. Estimates of groups are partially pooled"
    )
    return table(frame, caption=caption, suppress=_("Customers"), digits={_("Customers"): 0})
