"""Statistics on counts and sums: knows neither shops nor engines nor languages."""

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
from smsroi_helpers.statistics.means import difference_of_means
from smsroi_helpers.statistics.multiple_comparisons import adjust, best_set
from smsroi_helpers.statistics.proportions import FEW_EVENTS, difference_of_rates, jackknife_rate, rates
from smsroi_helpers.statistics.sequential import (
    TUNED_WEEKS,
    always_valid_p,
    always_valid_reach,
    false_alarms,
    information,
    sequential_split,
)
from smsroi_helpers.statistics.shrinkage import draw_shrunken, shrink

__all__ = [
    "FEW_EVENTS",
    "GROUPS",
    "TUNED_WEEKS",
    "Arms",
    "adjust",
    "always_valid_p",
    "always_valid_reach",
    "best_set",
    "by_group",
    "compare",
    "difference_of_means",
    "difference_of_rates",
    "draw_shrunken",
    "estimate_means",
    "estimate_ratios",
    "expected_loss",
    "false_alarms",
    "heterogeneity",
    "information",
    "jackknife",
    "jackknife_rate",
    "jackknife_ratio",
    "log_ratio",
    "merge_strata",
    "probability_best",
    "rates",
    "ratios",
    "relative_lift",
    "sandwich",
    "sequential_split",
    "shrink",
]
