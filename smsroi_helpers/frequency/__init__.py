"""How many texts a week before they cost more than they earn: the dose of each segment, from a dose test and the log.

`counts` counts; `arms` compares the arms as they are and `dose_response` fits what a dose brings and costs;
`observational` says what the log alone would have said. `study` puts these together, `policy` chooses each segment's
dose: the one whose long-run profit is not distinguishable from the best and hardly below it, ties going to fewer texts.
`saturation`, `pull_forward` and `early_warning` describe today's customers.
"""

from typing import Annotated, Any

from pydantic import Field

from smsroi_helpers import lazy_submodules
from smsroi_helpers.frequency.early_warning import score_by_frequency, warn_early
from smsroi_helpers.frequency.outputs import policy_table, response_table
from smsroi_helpers.frequency.policy import choose_frequencies, win_back
from smsroi_helpers.frequency.pull_forward import trace_pull_forward
from smsroi_helpers.frequency.saturation import measure_saturation
from smsroi_helpers.frequency.study import analyse
from smsroi_helpers.frequency.wording import decide

__all__ = [
    "NEEDS",
    "PARAMETERS",
    "analyse",
    "choose_frequencies",
    "decide",
    "measure_saturation",
    "policy_table",
    "response_table",
    "score_by_frequency",
    "trace_pull_forward",
    "warn_early",
    "win_back",
]

NEEDS = ("orders",)

PARAMETERS: dict[str, Any] = {
    "segment_by": str,
    "yearly_discount": Annotated[float, Field(ge=0, lt=10)],
    "smallest_gain": Annotated[float, Field(ge=0)],
    "practice_weeks": Annotated[int, Field(ge=4, le=104)],
    "channel": str,
}

__getattr__ = lazy_submodules(__name__, "check_tables", "figures", "tables")
