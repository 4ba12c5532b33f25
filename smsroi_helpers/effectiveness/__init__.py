"""What the messages achieved: KPIs by campaign, channel, segment and month; attributed beside incremental.

`counts` counts messages and what followed in the engine, `kpis` divides the sums, `activity` does so for customers'
months. `incremental` compares attributed revenue with randomised tests, and `calibration` carries the result over to
campaigns without a test. `score` ranks campaigns, `drivers` describes what goes together, `channels` and `satisfaction`
compare groups of customers, and `targets` follows goals. `monitoring` compares each day with its expected range,
`model_drift` the models of other pages with the newest weeks, and `audit` past texts with the rules on sending.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from smsroi_helpers import lazy_submodules
from smsroi_helpers.effectiveness.audit import audit_rules
from smsroi_helpers.effectiveness.business_months import count_business_months
from smsroi_helpers.effectiveness.channels import find_channel_sets
from smsroi_helpers.effectiveness.drivers import correlate, find_drivers
from smsroi_helpers.effectiveness.model_drift import check_models
from smsroi_helpers.effectiveness.monitoring import monitor
from smsroi_helpers.effectiveness.monitoring_wording import alert_rows
from smsroi_helpers.effectiveness.outputs import attribution_rows, campaign_rows, goal_rows, kpi_rows, model_check_rows
from smsroi_helpers.effectiveness.previous import last_day_of
from smsroi_helpers.effectiveness.satisfaction import external_changes, nps_by_frequency
from smsroi_helpers.effectiveness.score import check_pairs, score_campaigns
from smsroi_helpers.effectiveness.study import Effectiveness, analyse
from smsroi_helpers.effectiveness.targets import by_month, check_goals, read_goals, track_goals
from smsroi_helpers.effectiveness.wording import decide

__all__ = [
    "NEEDS",
    "PARAMETERS",
    "Effectiveness",
    "alert_rows",
    "analyse",
    "attribution_rows",
    "audit_rules",
    "by_month",
    "campaign_rows",
    "check_models",
    "correlate",
    "count_business_months",
    "decide",
    "external_changes",
    "find_channel_sets",
    "find_drivers",
    "goal_rows",
    "kpi_rows",
    "last_day_of",
    "model_check_rows",
    "monitor",
    "nps_by_frequency",
    "read_goals",
    "score_campaigns",
    "track_goals",
]

NEEDS = ()

PARAMETERS: dict[str, Any] = {
    "segment_by": str,
    "channel": str,
    "attribution_hours": Annotated[int, Field(gt=0, le=24 * 30)],
    "log_months": Annotated[int, Field(ge=1, le=120)],
    "budgets": dict[str, Annotated[float, Field(gt=0)]],
    "score_by": Literal["entropy", "ahp", "topsis", "given"],
    "score_weights": dict[str, Annotated[float, Field(ge=0)]],
    "pairwise": Annotated[dict[str, Annotated[float, Field(gt=0)]], AfterValidator(check_pairs)],
    "false_alarms_per_month": Annotated[float, Field(gt=0, le=30)],
    "weekly_cap": Annotated[int, Field(ge=0, le=100)],
    "targets": Annotated[list[dict[str, Any]], AfterValidator(check_goals)],
}

__getattr__ = lazy_submodules(
    __name__,
    "audit_tables",
    "drift_tables",
    "figures",
    "incremental_tables",
    "monitoring_figures",
    "monitoring_tables",
    "tables",
)
