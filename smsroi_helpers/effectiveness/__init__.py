"""What the messages achieved: KPIs by campaign, channel, segment and month; attributed beside incremental.

`counts` counts messages and what followed in the engine; `kpis` divides the sums, with intervals over customers.
"""

from typing import Annotated, Any

from pydantic import Field

from smsroi_helpers import lazy_submodules
from smsroi_helpers.effectiveness.analyse import Effectiveness, analyse
from smsroi_helpers.effectiveness.outputs import campaign_rows, kpi_rows
from smsroi_helpers.effectiveness.wording import decide

__all__ = [
    "NEEDS",
    "PARAMETERS",
    "Effectiveness",
    "analyse",
    "campaign_rows",
    "decide",
    "kpi_rows",
]

NEEDS = ()

PARAMETERS: dict[str, Any] = {
    "segment_by": str,
    "attribution_hours": Annotated[int, Field(gt=0, le=24 * 30)],
    "log_months": Annotated[int, Field(ge=1, le=120)],
    "budgets": dict[str, Annotated[float, Field(gt=0)]],
}

__getattr__ = lazy_submodules(__name__, "figures", "tables")
