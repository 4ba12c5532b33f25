"""Evaluation of every experiment of the source, from the check of its split to a decision in money.

`effects` estimates the effects of each arm, `click_profit` works profit out from clicks and opt-outs,
`experiments.check` checks their validity, `decision_rule` decides, `decision` adds the next step, and `wording` puts it
in words. `profit_over_time` shows whether the effect lasts, `planning` what the next test would ship (`power`).
`uplift` ranks customers by expected effect, `gain_curve` values the ranking, `targeting` decides whom to treat, and
`left_alone` which segments texts harm over all tests together.
"""

from typing import Annotated, Any

from pydantic import Field

from smsroi_helpers import lazy_submodules
from smsroi_helpers.ab_test.click_profit import Prices, find_prices
from smsroi_helpers.ab_test.decision_rule import (
    FEWEST_BUYERS_UNEQUAL,
    RuleOutcome,
    adjust_p,
    decide_experiment,
)
from smsroi_helpers.ab_test.effects import ArmEffect, measure_effects
from smsroi_helpers.ab_test.left_alone import count_listed
from smsroi_helpers.ab_test.planning import plan_next_test, plan_test, read_audience
from smsroi_helpers.ab_test.profit_over_time import (
    cap_profit,
    compare_holdout_months,
    estimate_monthly_profit,
    estimate_total_profit,
    trace_weeks,
)
from smsroi_helpers.ab_test.shared_wording import running_p_words
from smsroi_helpers.ab_test.study import (
    Evaluated,
    analyse,
    locate_broken_days,
    map_overlaps,
    pool_tests,
    rank_responders,
    results_table,
    simulate_daily_looks,
)
from smsroi_helpers.ab_test.wording import decide, decide_tests
from smsroi_helpers.measures import knows_cost

__all__ = [
    "FEWEST_BUYERS_UNEQUAL",
    "NEEDS",
    "PARAMETERS",
    "ArmEffect",
    "Evaluated",
    "Prices",
    "RuleOutcome",
    "adjust_p",
    "analyse",
    "cap_profit",
    "compare_holdout_months",
    "count_listed",
    "decide",
    "decide_experiment",
    "decide_tests",
    "estimate_monthly_profit",
    "estimate_total_profit",
    "find_prices",
    "knows_cost",
    "locate_broken_days",
    "map_overlaps",
    "measure_effects",
    "plan_next_test",
    "plan_test",
    "pool_tests",
    "rank_responders",
    "read_audience",
    "results_table",
    "running_p_words",
    "simulate_daily_looks",
    "trace_weeks",
]

NEEDS = ("experiments", "arms", "assignments")

PARAMETERS: dict[str, Any] = {
    "smallest_gain": Annotated[float, Field(ge=0)],
    "opt_out_margin": Annotated[float, Field(gt=0, le=1)],
    "segment_by": str,
    "practice_weeks": Annotated[int, Field(ge=1, le=52)],
    "channel": str,
    "yearly_discount": Annotated[float, Field(ge=0, lt=10)],
    "pre_period_columns": list[str],
}

__getattr__ = lazy_submodules(
    __name__,
    "cluster_tables",
    "figures",
    "money_tables",
    "planning_tables",
    "pre_period_tables",
    "tables",
    "uplift_figures",
    "uplift_tables",
)
