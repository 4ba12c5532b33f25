"""The send plan: whom to text next, when, how often and with what, and what that is worth.

`plan.make_plan` learns, chooses, values and schedules. `evidence` and `cells` count what tests say, `response` fits one
model behind all levers, `policy` and `valuation` choose and value, `budget` and `capacity` keep to the limits of money
and of the gateway, `schedule` writes the messages. `what_if` chooses again with one thing changed. `learning` compares
what exploring would teach and cost, `surrogate_index` compares the long run with the later weeks of old tests.
`hand_over` writes the list of a plan, with opt-outs applied last. `past_counts` counts what followed earlier plans,
`past_comparison` compares one role with those held out, and `previous_plans` compares promise and outcome.

Where no test of frequencies is there, `recipients` says who should get one mailing; `recipient_means` and
`recipient_rules` learn and value its rules.
"""

from typing import Annotated, Any

from pydantic import Field

from smsroi_helpers import lazy_submodules
from smsroi_helpers.send_plan.hand_over import HandOver, LeftOut, write_list
from smsroi_helpers.send_plan.hand_over_wording import describe_list
from smsroi_helpers.send_plan.learning import Learning, size_exploration
from smsroi_helpers.send_plan.outputs import plan_rows, score_rows, source_tables, summary_rows
from smsroi_helpers.send_plan.plan import SendPlan, make_plan
from smsroi_helpers.send_plan.previous_plans import PreviousPlans, PromiseFactor, score_plans, track_rows
from smsroi_helpers.send_plan.recipient_wording import decide_recipients
from smsroi_helpers.send_plan.recipients import RecipientPlan, list_recipients, plan_recipients, rule_rows
from smsroi_helpers.send_plan.spending import BudgetCurve, find_curve
from smsroi_helpers.send_plan.surrogate_index import LongRunCheck, check_long_run
from smsroi_helpers.send_plan.what_if import WhatIf, what_if
from smsroi_helpers.send_plan.wording import decide, role_words

__all__ = [
    "NEEDS",
    "PARAMETERS",
    "BudgetCurve",
    "HandOver",
    "Learning",
    "LeftOut",
    "LongRunCheck",
    "PreviousPlans",
    "PromiseFactor",
    "RecipientPlan",
    "SendPlan",
    "WhatIf",
    "check_long_run",
    "decide",
    "decide_recipients",
    "describe_list",
    "find_curve",
    "list_recipients",
    "make_plan",
    "plan_recipients",
    "plan_rows",
    "role_words",
    "rule_rows",
    "score_plans",
    "score_rows",
    "size_exploration",
    "source_tables",
    "summary_rows",
    "track_rows",
    "what_if",
    "write_list",
]

NEEDS = ("messages", "orders", "experiments", "arms", "assignments")

PARAMETERS: dict[str, Any] = {
    "horizon_weeks": Annotated[int, Field(ge=1, le=12)],
    "explore_share": Annotated[float, Field(ge=0, le=0.5)],
    "holdout_share": Annotated[float, Field(ge=0, le=0.5)],
    "max_per_week": Annotated[float, Field(gt=0, le=7)],
    "budget": Annotated[float, Field(ge=0)],
    "capacity_per_hour": Annotated[int, Field(ge=0)],
    "practice_weeks": Annotated[int, Field(ge=1, le=52)],
    "yearly_discount": Annotated[float, Field(ge=0, lt=10)],
    "own_hours": str,
    "channel": str,
    "segment_by": str,
}

__getattr__ = lazy_submodules(
    __name__,
    "budget_figures",
    "budget_tables",
    "figures",
    "hand_over_tables",
    "learning_tables",
    "past_figures",
    "past_tables",
    "recipient_tables",
    "surrogate_tables",
    "tables",
)
