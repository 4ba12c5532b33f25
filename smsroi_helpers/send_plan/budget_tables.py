"""Tables of the plan's limits: profit by budget, and the plan with one thing changed."""

from collections.abc import Sequence

import pandas as pd

from smsroi_helpers import measures
from smsroi_helpers.locale import _, joined, money
from smsroi_helpers.pages import Html, compact_words, note, table
from smsroi_helpers.send_plan.budget_wording import change_words, describe_budget, describe_capacity
from smsroi_helpers.send_plan.plan import SendPlan
from smsroi_helpers.send_plan.spending import BudgetCurve
from smsroi_helpers.send_plan.valuation import Estimate
from smsroi_helpers.send_plan.what_if import WhatIf

__all__ = ["curve_table", "limits_note", "what_if_table"]


def limits_note(plan: SendPlan, currency: str) -> Html:
    """What the texts cost, what a budget leaves out, and what the gateway's capacity costs."""
    return note(joined(describe_budget(plan, currency), describe_capacity(plan, currency)))


def curve_table(curve: BudgetCurve | None, currency: str, weeks: int) -> Html | None:
    """Profit by budget; None where `limits_note` says why there is none.

    Args:
        curve: of `spending.find_curve`.
        currency: the source's.
        weeks: of the plan.
    """
    if curve is None:
        return None
    rows = [
        {
            _("Budget"): money(each.budget, currency),
            _("Long run"): _amount(each.long_run, currency),
            _("Cash of {n} weeks").format(n=weeks): _amount(each.cash, currency),
            _("The next {unit} brings").format(unit=money(1.0, currency, 0)): money(each.price, currency),
        }
        for each in curve.points
    ]
    caption = _(
        "Profit of the customers whom the plan decides for, by budget for all texts of its weeks, exploring included;"
        " against no texts and without a limit per hour, with 95% intervals; modelled, cross-fitted. The long run"
        " supposes that such plans, and their spending, go on. The last column is the long run by the model alone"
    )
    return table(pd.DataFrame(rows), caption=caption)


def what_if_table(plan: SendPlan, found: Sequence[WhatIf], currency: str) -> Html:
    """The plan with one thing changed, each row chosen anew.

    Args:
        plan: of `plan.make_plan`.
        found: of `what_if.what_if`.
        currency: the source's.
    """
    frame = pd.DataFrame({
        _("Change"): [change_words(each, currency) for each in found],
        _("Customers"): [each.customers for each in found],
        _("Texts"): [each.texts for each in found],
        _("Cost"): [money(each.cost, currency) for each in found],
        _("Cash of {n} weeks").format(n=plan.calendar.weeks): [_amount(each.cash, currency) for each in found],
        _("Long run"): [_amount(each.long_run, currency) for each in found],
    })  # fmt: skip
    if not measures.knows_cost(plan.shop):
        frame = frame.drop(columns=_("Cost"))
    caption = _(
        "The plan with one thing changed, its texts chosen anew: customers with a text and texts, exploring included;"
        " profit of those whom the plan decides for, against no texts; 95% intervals, modelled, cross-fitted"
    )
    return table(frame, caption=caption, digits={_("Customers"): 0, _("Texts"): 0})


def _amount(each: Estimate, currency: str) -> str:
    if each.low == each.high:
        return money(each.value, currency)
    return compact_words(each.value, each.low, each.high, currency)
