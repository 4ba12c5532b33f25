"""Statistics on counts and sums, independent of shops, engines and languages."""

from smsroi_helpers.statistics.arrays import Floats, Ints
from smsroi_helpers.statistics.combined import product_interval, sum_interval
from smsroi_helpers.statistics.discount import weekly_rate
from smsroi_helpers.statistics.effects import (
    Arms,
    compare,
    estimate_means,
    estimate_ratios,
    expected_loss,
    heterogeneity,
    log_ratio,
    merge_strata,
    probability_best,
    relative_lift,
)
from smsroi_helpers.statistics.jackknife import GROUPS, by_group, jackknife, jackknife_ratio, ratios, sandwich
from smsroi_helpers.statistics.means import MeanDifference, difference_of_means
from smsroi_helpers.statistics.multiple_comparisons import adjust, best_set
from smsroi_helpers.statistics.power import (
    ALPHA,
    MOST_TIMES,
    POWER,
    detectable_difference,
    power_of_difference,
    sample_size,
    standard_error,
    times_to_settle,
)
from smsroi_helpers.statistics.proportions import FEW_EVENTS, difference_of_rates, jackknife_rate, rates
from smsroi_helpers.statistics.sequential import (
    TUNED_WEEKS,
    always_valid_half_width,
    always_valid_p,
    false_alarms,
    information,
    sequential_split,
)
from smsroi_helpers.statistics.shrinkage import draw_shrunken, shrink
from smsroi_helpers.statistics.transport import (
    LEAST_COVERED,
    Transport,
    carry_over,
    draw_uncovered,
    find_transport,
    group_cells,
    uncovered_factor,
    uncovered_sd,
)

__all__ = [
    "ALPHA",
    "FEW_EVENTS",
    "GROUPS",
    "LEAST_COVERED",
    "MOST_TIMES",
    "POWER",
    "TUNED_WEEKS",
    "Arms",
    "Floats",
    "Ints",
    "MeanDifference",
    "Transport",
    "adjust",
    "always_valid_half_width",
    "always_valid_p",
    "best_set",
    "by_group",
    "carry_over",
    "compare",
    "detectable_difference",
    "difference_of_means",
    "difference_of_rates",
    "draw_shrunken",
    "draw_uncovered",
    "estimate_means",
    "estimate_ratios",
    "expected_loss",
    "false_alarms",
    "find_transport",
    "group_cells",
    "heterogeneity",
    "information",
    "jackknife",
    "jackknife_rate",
    "jackknife_ratio",
    "log_ratio",
    "merge_strata",
    "power_of_difference",
    "probability_best",
    "product_interval",
    "rates",
    "ratios",
    "relative_lift",
    "sample_size",
    "sandwich",
    "sequential_split",
    "shrink",
    "standard_error",
    "sum_interval",
    "times_to_settle",
    "uncovered_factor",
    "uncovered_sd",
    "weekly_rate",
]
