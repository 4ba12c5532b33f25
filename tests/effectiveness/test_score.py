"""Weights, scores and the certainty of ranks."""

import numpy as np
import pandas as pd
import pytest

from smsroi_helpers.effectiveness.score import (
    ahp_weights,
    entropy_weights,
    pairwise_matrix,
    score_campaigns,
    topsis,
    weighted_sum,
)
from smsroi_helpers.errors import UsageError


def test_ahp_of_three_is_the_geometric_mean_and_its_eigenvalue_has_a_closed_form():
    """For n = 3 the eigenvector is the geometric means of the rows, λ = 1 + θ + 1/θ (Saaty 1980; Crawford & Williams
    1985, Journal of Mathematical Psychology 29); random index 0.58."""
    a = np.array([[1, 3, 5], [1 / 3, 1, 3], [1 / 5, 1 / 3, 1]])
    means = a.prod(axis=1) ** (1 / 3)
    theta = (3 * 3 / 5) ** (1 / 3)
    found = ahp_weights(a)
    assert found.weights == pytest.approx(means / means.sum())
    assert found.weights.round(3).tolist() == [0.637, 0.258, 0.105]
    assert found.largest_eigenvalue == pytest.approx(1 + theta + 1 / theta)
    assert found.consistency_ratio == pytest.approx((1 + theta + 1 / theta - 3) / 2 / 0.58)


def test_ahp_of_published_examples():
    """Saaty (2004), Decision making: the analytic hierarchy and network processes, Journal of Systems Science and
    Systems Engineering 13, table 3, as quoted in https://github.com/gluc/ahp/issues/4 with the ratio of the R package
    ahp; and the criteria of https://en.wikipedia.org/wiki/Analytic_hierarchy_process_–_leader_example."""
    choosing_a_city = [[1, 1 / 5, 3, 1 / 2, 5], [5, 1, 7, 1, 7], [1 / 3, 1 / 7, 1, 1 / 4, 3], [2, 1, 4, 1, 7],
                       [1 / 5, 1 / 7, 1 / 3, 1 / 7, 1]]  # fmt: skip
    found = ahp_weights(choosing_a_city)
    assert found.weights == pytest.approx([0.152, 0.433, 0.072, 0.305, 0.038], abs=0.0005)
    assert found.consistency_ratio == pytest.approx(0.05027572, abs=5e-9)
    choosing_a_leader = [[1, 4, 3, 7], [1 / 4, 1, 1 / 3, 3], [1 / 3, 3, 1, 5], [1 / 7, 1 / 3, 1 / 5, 1]]
    assert ahp_weights(choosing_a_leader).weights == pytest.approx([0.547, 0.127, 0.270, 0.056], abs=0.001)


def test_consistent_comparisons_give_their_weights_and_a_ratio_of_0():
    weights = np.array([0.5, 0.3, 0.15, 0.05])
    found = ahp_weights(weights[:, None] / weights)
    assert found.weights == pytest.approx(weights)
    assert found.consistency_ratio == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("matrix", "words"),
    [
        ([[1, 5, 1 / 5], [1 / 5, 1, 5], [5, 1 / 5, 1]], "consistency ratio is"),  # a over b over c over a
        ([[1, 5], [5, 1]], "1 / a"),
        ([[1, 2, 3], [1 / 2, 1, 1]], "square"),
    ],
)
def test_inconsistent_and_impossible_comparisons_are_refused(matrix, words):
    with pytest.raises((UsageError, ValueError), match=words):
        ahp_weights(matrix)


def test_a_comparison_that_is_missing_or_unknown_is_named():
    with pytest.raises(UsageError, match="a over c, b over c are missing"):
        pairwise_matrix({"a over b": 3}, ["a", "b", "c"])
    with pytest.raises(UsageError, match="'a over d' is no comparison"):
        pairwise_matrix({"a over d": 3}, ["a", "b", "c"])
    assert pairwise_matrix({"b over a": 4}, ["a", "b"]).tolist() == [[1, 0.25], [4, 1]]


def test_entropy_gives_a_constant_indicator_no_weight_and_does_not_depend_on_units():
    x = np.array([[1.0, 5.0, 2.0], [3.0, 5.0, 2.5], [2.0, 5.0, 9.0]])
    weights = entropy_weights(x)
    assert weights[1] == 0
    assert weights.sum() == pytest.approx(1)
    assert entropy_weights(x * [1, 7, 100]) == pytest.approx(weights)
    p = x[:, 0] / 6  # by hand: 1 + Σ p ln p / ln 3
    told = [1 + (p * np.log(p)).sum() / np.log(3), 1 + (x[:, 2] / 13.5 * np.log(x[:, 2] / 13.5)).sum() / np.log(3)]
    assert weights[[0, 2]] == pytest.approx(np.array(told) / sum(told))


def test_topsis_of_published_examples():
    """Three cars of http://hodgett.co.uk/topsis-in-excel/, with the values of the R package MCDA (paterijk/MCDA,
    tests/TOPSIS.R): price is a cost."""
    x = np.array([[5490, 51.4, 8.5, 285], [6500, 70.6, 7, 288], [6489, 54.3, 7.5, 290]])
    weights, better = np.array([0.35, 0.25, 0.25, 0.15]), [False, True, True, True]
    assert topsis(x, weights, better).round(4).tolist() == [0.4817, 0.5182, 0.1780]
    two = topsis(x[:2, :3], weights[:3], better[:3])
    assert two.round(4).tolist() == [0.4943, 0.5057]


def test_topsis_of_the_fighter_aircraft():
    """The aircraft of Hwang & Yoon (1981), section 3.3; cost is the fourth attribute; closeness to three decimals."""
    x = np.array([
        [2.0, 1500, 20000, 5.5, 5, 9],
        [2.5, 2700, 18000, 6.5, 3, 5],
        [1.8, 2000, 21000, 4.5, 7, 7],
        [2.2, 1800, 20000, 5.0, 5, 5],
    ])  # fmt: skip
    found = topsis(x, np.array([0.2, 0.1, 0.1, 0.1, 0.2, 0.3]), [True, True, True, False, True, True])
    assert found == pytest.approx([0.643, 0.268, 0.613, 0.312], abs=0.001)


def test_a_weighted_sum_is_1_for_the_best_of_everything_and_turns_costs_round():
    x = np.array([[0.1, 0.9], [0.3, 0.1], [0.2, 0.5]])
    assert weighted_sum(x, np.array([0.6, 0.4]), [True, False]) == pytest.approx([0.0, 1.0, 0.5])


def cells(clicks, opt_outs=20):
    """Campaigns of 64 groups with 100 messages each; clicks per group by campaign."""
    rows = []
    rng = np.random.default_rng(2)
    for name, mean in clicks.items():
        clicked = rng.binomial(100, mean / 100, 64).astype(float)
        rows.append(pd.DataFrame({
            "dimension": "campaign", "value": name, "group": range(64), "messages": 100.0, "customers": 50.0,
            "reached": 50.0, "delivered": 100.0, "click_known": 100.0, "clicked": clicked, "replied": np.nan,
            "opted_out": opt_outs / 64, "converted": np.nan, "cost": np.nan, "expected_cost": np.nan,
            "attributed_revenue": np.nan, "attributed_profit": np.nan, "order_profit": np.nan,
        }))  # fmt: skip
    return pd.concat(rows, ignore_index=True)


def test_ranks_are_sure_where_campaigns_differ_and_constant_indicators_are_flagged():
    found = score_campaigns(cells({"best": 30, "alike_a": 10, "alike_b": 10, "worst": 1}), np.random.default_rng(1))
    assert found.rows["campaign_id"].iloc[[0, 3]].tolist() == ["best", "worst"]
    limits = found.rows.set_index("campaign_id")[["rank_low", "rank_high"]]
    assert limits.loc["best"].tolist() == [1, 1]
    assert limits.loc["alike_a"].tolist() == limits.loc["alike_b"].tolist() == [2, 3]
    flags = found.weights.set_index("indicator")
    assert flags.loc["opt_out_rate", ["weight", "near_constant"]].tolist() == [0, True]
    assert flags.loc["click_rate", ["weight", "near_constant"]].tolist() == [1, False]
    assert found.stays_first == 1


def test_given_weights_decide_and_wrong_ones_are_refused():
    own = cells({"a": 30, "b": 10})
    given = score_campaigns(own, np.random.default_rng(1), method="given", weights={"click_rate": 2})
    assert given.rows["score"].tolist() == [1, 0]
    for settings, words in (
        ({"method": "given"}, "needs score_weights"),
        ({"method": "ahp"}, "needs pairwise"),
        ({"method": "given", "weights": {"roi": 1}}, "'roi' is no indicator here"),
    ):
        with pytest.raises(UsageError, match=words):
            score_campaigns(own, np.random.default_rng(1), **settings)


def test_one_campaign_has_no_rank():
    assert score_campaigns(cells({"a": 30}), np.random.default_rng(1)) is None
