"""Randomised experiments: their definitions, the outcomes of their arms, and their validity."""

from smsroi_helpers.experiments.checked import (
    check_experiments,
    find_valid_tests,
    texts_set_by_tests,
    who_may_be_texted,
)
from smsroi_helpers.experiments.click_value import (
    CLICK_VALUE_GROUP,
    ClickValue,
    ClickValueSums,
    count_click_value,
    estimate_click_value,
    find_click_value,
    price_clicks,
    replicate_click_value,
)
from smsroi_helpers.experiments.clusters import Clusters
from smsroi_helpers.experiments.exposure import count_exposure, count_overlaps
from smsroi_helpers.experiments.label_days import find_label_days, label_when_assigned
from smsroi_helpers.experiments.metrics import METRICS, ORDER_METRICS, Metric
from smsroi_helpers.experiments.opt_out_spread import draw_opt_out_spread
from smsroi_helpers.experiments.registry import (
    Experiment,
    count_assigned,
    count_by_segment,
    count_capped,
    count_late,
    count_months,
    count_outcomes,
    count_weeks,
    list_experiments,
    moments_of,
)
from smsroi_helpers.experiments.subscriber_value import (
    SubscriberValue,
    estimate_subscriber_value,
    find_opt_outs_without_texts,
    find_subscriber_value,
)
from smsroi_helpers.experiments.validity import (
    SPLIT_ALPHA,
    Problem,
    ProblemKind,
    Validity,
    arms_without_messages,
    check,
    check_overlaps,
    check_split,
    locate_split,
)

__all__ = [
    "CLICK_VALUE_GROUP",
    "METRICS",
    "ORDER_METRICS",
    "SPLIT_ALPHA",
    "ClickValue",
    "ClickValueSums",
    "Clusters",
    "Experiment",
    "Metric",
    "Problem",
    "ProblemKind",
    "SubscriberValue",
    "Validity",
    "arms_without_messages",
    "check",
    "check_experiments",
    "check_overlaps",
    "check_split",
    "count_assigned",
    "count_by_segment",
    "count_capped",
    "count_click_value",
    "count_exposure",
    "count_late",
    "count_months",
    "count_outcomes",
    "count_overlaps",
    "count_weeks",
    "draw_opt_out_spread",
    "estimate_click_value",
    "estimate_subscriber_value",
    "find_click_value",
    "find_label_days",
    "find_opt_outs_without_texts",
    "find_subscriber_value",
    "find_valid_tests",
    "label_when_assigned",
    "list_experiments",
    "locate_split",
    "moments_of",
    "price_clicks",
    "replicate_click_value",
    "texts_set_by_tests",
    "who_may_be_texted",
]
