"""Whom to send what, when and why; the list that goes to a gateway; and what earlier plans achieved.

`hand_over` writes the list of a plan, with opt-outs applied last. `past_counts` counts what followed earlier plans,
`past_comparison` compares one role with those held out, and `previous_plans` compares promise and outcome.
"""

from smsroi_helpers import lazy_submodules
from smsroi_helpers.send_plan.hand_over import HandOver, LeftOut, write_list
from smsroi_helpers.send_plan.hand_over_wording import describe_list
from smsroi_helpers.send_plan.previous_plans import PreviousPlans, PromiseFactor, score_plans, track_rows

__all__ = [
    "HandOver",
    "LeftOut",
    "PreviousPlans",
    "PromiseFactor",
    "describe_list",
    "score_plans",
    "track_rows",
    "write_list",
]

__getattr__ = lazy_submodules(__name__, "hand_over_tables", "past_figures", "past_tables")
