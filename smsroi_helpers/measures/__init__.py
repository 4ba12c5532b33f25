"""Every basic fact, defined once for all stages: each is one expression over a shop's tables, and stays in the engine.

Windows are half-open, `[from, until)`: windows that meet neither overlap nor leave a gap. Hours and weeks are elapsed
time, so that a day on which the clocks change makes no window longer or shorter. Money is in the source's currency.
The expressions keep to what DuckDB and Spark read alike (of `last` over a window, one skips nulls and one does not).
"""

from smsroi_helpers.measures.attribution import message_outcomes
from smsroi_helpers.measures.clicks import Cleaning, judge_clicks
from smsroi_helpers.measures.experiment_outcomes import arm_moments, arm_moments_together, arm_outcomes, outcome_windows
from smsroi_helpers.measures.messages import every_send, local_sends, with_zone
from smsroi_helpers.measures.profit import order_events, profit_events
from smsroi_helpers.measures.purchases import purchase_days, purchase_history
from smsroi_helpers.measures.quiet_hours import (
    AS_OF,
    RULES,
    allowed,
    count_places,
    hours_allowed,
    parse_rule,
    rule_of,
    territory_of,
)

__all__ = [
    "AS_OF",
    "RULES",
    "Cleaning",
    "allowed",
    "arm_moments",
    "arm_moments_together",
    "arm_outcomes",
    "count_places",
    "every_send",
    "hours_allowed",
    "judge_clicks",
    "local_sends",
    "message_outcomes",
    "order_events",
    "outcome_windows",
    "parse_rule",
    "profit_events",
    "purchase_days",
    "purchase_history",
    "rule_of",
    "territory_of",
    "with_zone",
]
