"""At which hour to send: results of a timing experiment, of observational data, and the value of changing the hour.

`counts` counts in the engine; `response_curve` and `response` fit curves to the cells. `best_hours` finds the hours
that are not distinguishable from the best (multiple comparisons) and compares today's schedule with them;
`best_weekdays` does so for weekdays, from observational data. The value of a click comes from other experiments
(`experiments.click_value`), customers' active hours from `personal_send_time`, and what is allowed from
`measures.quiet_hours`.
"""

from typing import Annotated, Any

from pydantic import Field

from smsroi_helpers import lazy_submodules
from smsroi_helpers.measures import count_places
from smsroi_helpers.timing.audit import audit_sends, mark_disallowed, with_rules
from smsroi_helpers.timing.best_hours import find_best_hours
from smsroi_helpers.timing.best_weekdays import find_best_weekdays, weekday_rows
from smsroi_helpers.timing.competitors import count_competitors
from smsroi_helpers.timing.customer_hours import customer_send_hours
from smsroi_helpers.timing.decision import decide as judge_hours
from smsroi_helpers.timing.decision import place_rows
from smsroi_helpers.timing.holidays import analyse_days
from smsroi_helpers.timing.outputs import response_rows
from smsroi_helpers.timing.personal_send_time import analyse_personal_send_times
from smsroi_helpers.timing.response import observational_gap
from smsroi_helpers.timing.secondary_outcomes import compare_arms, compare_outcomes, count_outcomes
from smsroi_helpers.timing.study import analyse
from smsroi_helpers.timing.weekday_wording import decide_weekdays
from smsroi_helpers.timing.wording import decide, weekdays_words

__all__ = [
    "NEEDS",
    "PARAMETERS",
    "analyse",
    "analyse_days",
    "analyse_personal_send_times",
    "audit_sends",
    "compare_arms",
    "compare_outcomes",
    "count_competitors",
    "count_outcomes",
    "count_places",
    "customer_send_hours",
    "decide",
    "decide_weekdays",
    "find_best_hours",
    "find_best_weekdays",
    "judge_hours",
    "mark_disallowed",
    "observational_gap",
    "place_rows",
    "response_rows",
    "weekday_rows",
    "weekdays_words",
    "with_rules",
]

NEEDS = ("messages",)

PARAMETERS: dict[str, Any] = {
    "segment_by": str,
    "window_hours": Annotated[int, Field(gt=0, le=24 * 30)],
    "log_weeks": Annotated[int, Field(gt=0, le=520)],
    "practice_weeks": Annotated[int, Field(ge=1, le=52)],
    "channel": str,
    "smallest_gain": Annotated[float, Field(ge=0)],
    "smallest_click_gain": Annotated[float, Field(ge=0, lt=1)],
    "own_hours": str,
    "cash_weeks": Annotated[int, Field(ge=1, le=104)],
}

__getattr__ = lazy_submodules(__name__, "figures", "place_tables", "tables")
