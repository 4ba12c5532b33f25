"""How many texts a week each segment should get, from a frequency test and from observational data.

`counts` counts in the engine. `arms` compares the arms without a model; `dose_response` fits profit (`profit_curve`)
and opt-outs (`opt_out_curve`) as functions of texts per week. `cltv.find_natural_loss` estimates how fast subscribers
are lost for other reasons, `lifetime` averages the value of members who differ in that. `observational` estimates the
same effects from the message log alone. `study` runs all of them. `policy` chooses each segment's texts per week: the
smallest number whose long-run profit is a tie with the best. `saturation`, `pull_forward` and `early_warning` describe
today's customers.
"""

from typing import Annotated, Any

from pydantic import Field

from smsroi_helpers import lazy_submodules
from smsroi_helpers.frequency.early_warning import score_by_frequency, warn_early
from smsroi_helpers.frequency.outputs import policy_table, response_table
from smsroi_helpers.frequency.policy import choose_frequencies
from smsroi_helpers.frequency.pull_forward import trace_pull_forward
from smsroi_helpers.frequency.saturation import measure_saturation
from smsroi_helpers.frequency.study import analyse
from smsroi_helpers.frequency.win_back import win_back
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
    "practice_weeks": Annotated[int, Field(ge=1, le=52)],
    "log_weeks": Annotated[int, Field(gt=0, le=520)],
    "channel": str,
    "cash_weeks": Annotated[int, Field(ge=1, le=104)],
}

__getattr__ = lazy_submodules(__name__, "check_tables", "figures", "tables")
