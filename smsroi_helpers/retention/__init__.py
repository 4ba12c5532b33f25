"""Who stays, who leaves, and what to do about it.

`spells` defines how long custom and consent last; `counts` counts in the engine. `cohorts` makes the triangles,
`survival` Kaplan and Meier's curves, `base_audit` the five views of the customer base. `early_warning` tests warnings
on later weeks. `texting` and `win_back` measure in randomised tests whether texts do either, `observational` what the
log alone would say, `planning` the test that is missing. `study` runs all of them. P(alive) and the value of a point of
retention are those of `cltv`, the funnel and the moves between stages those of `segmentation`.
"""

from typing import Annotated, Any

from pydantic import Field

from smsroi_helpers import lazy_submodules
from smsroi_helpers.retention.outputs import (
    audit_table,
    cohort_table,
    survival_table,
    warnings_table,
    win_back_customers,
)
from smsroi_helpers.retention.study import analyse
from smsroi_helpers.retention.wording import decide

__all__ = [
    "NEEDS",
    "PARAMETERS",
    "analyse",
    "audit_table",
    "cohort_table",
    "decide",
    "survival_table",
    "warnings_table",
    "win_back_customers",
]

NEEDS = ()
"""Orders show custom, opt-outs consent; the page says what a source lacks."""

PARAMETERS: dict[str, Any] = {
    "segment_by": str,
    "channel": str,
    "gone_share": Annotated[float, Field(ge=0, lt=1)],
    "alive_below": Annotated[float, Field(gt=0, lt=1)],
    "horizon_weeks": Annotated[int, Field(gt=0, le=520)],
    "yearly_discount_rate": Annotated[float, Field(ge=0, le=1)],
    "period_days": Annotated[int, Field(ge=0, le=3660)],
}

__getattr__ = lazy_submodules(__name__, "audit_figures", "audit_tables", "figures", "tables")
