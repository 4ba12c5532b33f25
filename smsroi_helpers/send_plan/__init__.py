"""Whom to send what, when and why; the list that goes to a gateway; and what earlier plans achieved.

`hand_over` writes the list of a plan, with opt-outs applied last. `past_counts` counts what followed earlier plans, and
`previous_plans` compares their promise with it.
"""

from smsroi_helpers import lazy_submodules
from smsroi_helpers.send_plan.hand_over import HandOver, LeftOut, write_list
from smsroi_helpers.send_plan.hand_over_wording import describe_list

__all__ = [
    "HandOver",
    "LeftOut",
    "describe_list",
    "write_list",
]

__getattr__ = lazy_submodules(__name__, "hand_over_tables")
