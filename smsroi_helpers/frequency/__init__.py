"""How many messages before they cost more than they earn: the dose of each segment, from a dose experiment and the log.

`dose_counts` counts, `dose_response` fits what a dose brings and costs, `dose_logs` says what the log alone would have
said. Here they become a policy: for each segment the dose whose long-run profit cannot be told from the best and falls
hardly short of it, the tie going to fewer texts, against what is done today.
"""

from typing import Annotated, Any

from pydantic import Field

from smsroi_helpers import lazy_submodules
from smsroi_helpers.frequency.decision import decide
from smsroi_helpers.frequency.early_warning import score_by_dose, warn_early
from smsroi_helpers.frequency.policy import (
    analyse,
    choose_doses,
    policy_table,
    response_table,
    saturation,
    trace_pull_forward,
)

__all__ = [
    "NEEDS",
    "PARAMETERS",
    "analyse",
    "choose_doses",
    "decide",
    "policy_table",
    "response_table",
    "saturation",
    "score_by_dose",
    "trace_pull_forward",
    "warn_early",
]

NEEDS = ("orders",)

PARAMETERS: dict[str, Any] = {
    "segment_by": str,
    "yearly_discount": Annotated[float, Field(ge=0, lt=10)],
    "smallest_gain": Annotated[float, Field(ge=0)],
    "practice_weeks": Annotated[int, Field(ge=4, le=104)],
    "channel": str,
}

__getattr__ = lazy_submodules(__name__, "figures", "tables")
