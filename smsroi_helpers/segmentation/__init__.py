"""Which customers behave alike, and is the grouping any good?

The engine counts recency, frequency and money (`rfm`); rules name groups and stages (`rules`, `cutoffs`); k-means looks
for clusters (`clusters`), which are tested against one population without any (`cluster_test`); what a grouping
predicts is measured on a later period (`predictive_value`, `criteria`); which one separates responses to randomised
tests best is chosen by `by_response`; who is in a segment (`profiles`) and who moves
(`migration`) is described. `resolve` says who is in which segment on any day, for every other stage.
"""

from typing import Annotated, Any

from pydantic import Field

from smsroi_helpers import lazy_submodules
from smsroi_helpers.segmentation.by_response import ResponseChoice, choose_by_response
from smsroi_helpers.segmentation.cluster_test import FEWEST_CUSTOMERS
from smsroi_helpers.segmentation.clusters import LEAST_EIGENVALUE, attribute_columns, messages_by_customer, profile
from smsroi_helpers.segmentation.covariates import Covariates, count_subscribers, find_covariates
from smsroi_helpers.segmentation.criteria import Criterion, evaluate_criteria
from smsroi_helpers.segmentation.cutoffs import Cuts, count_returns, find_cuts, known_cuts
from smsroi_helpers.segmentation.decision import Findings
from smsroi_helpers.segmentation.factors import factor_loadings
from smsroi_helpers.segmentation.feedback_terms import chinese_words
from smsroi_helpers.segmentation.funnel import count_funnel
from smsroi_helpers.segmentation.membership import (
    DATED,
    EVERYBODY,
    Grouping,
    Segmentation,
    check_segment_by,
    count_members,
    customer_segments,
    find_clusters,
    find_grouping,
    groups_differ,
    period_of,
    segment_order,
)
from smsroi_helpers.segmentation.migration import count_moves, count_stage_moves
from smsroi_helpers.segmentation.predictive_value import (
    collect_outcomes,
    explained,
    outcomes_by_segment,
    response_by_recency,
)
from smsroi_helpers.segmentation.profiles import draw_portraits, find_themes
from smsroi_helpers.segmentation.resolution import groups_by_response, resolve, segments
from smsroi_helpers.segmentation.rfm import Until, keys_of, known_people, rfm_rows, score_table
from smsroi_helpers.segmentation.rules import group_of, move_cuts, rule_table
from smsroi_helpers.segmentation.wording import decide

__all__ = [
    "DATED",
    "EVERYBODY",
    "FEWEST_CUSTOMERS",
    "LEAST_EIGENVALUE",
    "NEEDS",
    "PARAMETERS",
    "Covariates",
    "Criterion",
    "Cuts",
    "Findings",
    "Grouping",
    "ResponseChoice",
    "Segmentation",
    "Until",
    "attribute_columns",
    "check_segment_by",
    "chinese_words",
    "choose_by_response",
    "collect_outcomes",
    "count_funnel",
    "count_members",
    "count_moves",
    "count_returns",
    "count_stage_moves",
    "count_subscribers",
    "customer_segments",
    "decide",
    "draw_portraits",
    "evaluate_criteria",
    "explained",
    "factor_loadings",
    "find_clusters",
    "find_covariates",
    "find_cuts",
    "find_grouping",
    "find_themes",
    "group_of",
    "groups_by_response",
    "groups_differ",
    "keys_of",
    "known_cuts",
    "known_people",
    "messages_by_customer",
    "move_cuts",
    "outcomes_by_segment",
    "period_of",
    "profile",
    "resolve",
    "response_by_recency",
    "rfm_rows",
    "rule_table",
    "score_table",
    "segment_order",
    "segments",
]

NEEDS = ("orders",)

PARAMETERS: dict[str, Any] = {
    "period_days": Annotated[int, Field(ge=0)],
    "channel": str,
}

__getattr__ = lazy_submodules(
    __name__,
    "criteria_tables",
    "figures",
    "migration_figures",
    "profile_figures",
    "profile_tables",
    "response_tables",
    "tables",
)
