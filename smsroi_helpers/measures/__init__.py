"""Every basic measure, defined once for all stages, as an expression over a shop's tables that stays in the engine.

Windows are half-open, `[from, until)`: adjacent windows neither overlap nor leave a gap. Hours and weeks are elapsed
time, so a change of clocks makes no window longer or shorter. Money is in the source's currency. The expressions use
only what DuckDB and Spark compute alike (for example, `last` over a window skips nulls in one of them only).
"""

from smsroi_helpers.measures.attribution import Touch, attributed_orders, message_outcomes, touches_per_order
from smsroi_helpers.measures.clicks import MachineRules, click_without_time, earliest_click, knows_clicks
from smsroi_helpers.measures.columns import latest_instant, left_join_columns, mostly_dates, without_time
from smsroi_helpers.measures.consent import (
    consents,
    earliest_opt_out,
    opt_in_times,
    opt_outs,
    subscribed,
    subscribers_at,
)
from smsroi_helpers.measures.experiment_outcomes import (
    Window,
    arm_outcomes,
    left_early,
    outcome_windows,
)
from smsroi_helpers.measures.exposure import sent_during, untreated_arms
from smsroi_helpers.measures.local_sends import local_sends
from smsroi_helpers.measures.local_time import instant_of, local_time, with_zone
from smsroi_helpers.measures.messages import choose_channel, knows_cost, knows_event, recorded_events
from smsroi_helpers.measures.moments import CLUSTER, arm_moments, arm_moments_together, unit_of
from smsroi_helpers.measures.plans import PlanStart, day_of_plan, find_first_plan
from smsroi_helpers.measures.practice import (
    PRACTICE_WEEKS,
    Practice,
    customers_in_experiments,
    experiment_spells,
    find_practice,
    last_sending_day,
    practice_instants,
    practice_sends,
    subscriber_weeks,
)
from smsroi_helpers.measures.profit import (
    ProfitShare,
    knows_profit,
    order_events,
    profit_events,
    profit_share,
    valued_orders,
)
from smsroi_helpers.measures.purchases import purchase_days, purchase_history, purchases, refunds
from smsroi_helpers.measures.quiet_hours import (
    OTHER_CHANNELS,
    allowed,
    allowed_on,
    count_places,
    days_off,
    parse_rule,
    rule_of,
    share_allowed,
    state_unknown,
    sum_places,
    territory_of,
    with_place,
)
from smsroi_helpers.measures.sending_rules import CONSENT_SOURCES, EU_MEMBERS, RULES, Rule
from smsroi_helpers.measures.sends import every_send, human_clicks, never_reached

__all__ = [
    "CLUSTER",
    "CONSENT_SOURCES",
    "EU_MEMBERS",
    "OTHER_CHANNELS",
    "PRACTICE_WEEKS",
    "RULES",
    "MachineRules",
    "PlanStart",
    "Practice",
    "ProfitShare",
    "Rule",
    "Touch",
    "Window",
    "allowed",
    "allowed_on",
    "arm_moments",
    "arm_moments_together",
    "arm_outcomes",
    "attributed_orders",
    "choose_channel",
    "click_without_time",
    "consents",
    "count_places",
    "customers_in_experiments",
    "day_of_plan",
    "days_off",
    "earliest_click",
    "earliest_opt_out",
    "every_send",
    "experiment_spells",
    "find_first_plan",
    "find_practice",
    "human_clicks",
    "instant_of",
    "knows_clicks",
    "knows_cost",
    "knows_event",
    "knows_profit",
    "last_sending_day",
    "latest_instant",
    "left_early",
    "left_join_columns",
    "local_sends",
    "local_time",
    "message_outcomes",
    "mostly_dates",
    "never_reached",
    "opt_in_times",
    "opt_outs",
    "order_events",
    "outcome_windows",
    "parse_rule",
    "practice_instants",
    "practice_sends",
    "profit_events",
    "profit_share",
    "purchase_days",
    "purchase_history",
    "purchases",
    "recorded_events",
    "refunds",
    "rule_of",
    "sent_during",
    "share_allowed",
    "state_unknown",
    "subscribed",
    "subscriber_weeks",
    "subscribers_at",
    "sum_places",
    "territory_of",
    "touches_per_order",
    "unit_of",
    "untreated_arms",
    "valued_orders",
    "with_place",
    "with_zone",
    "without_time",
]
