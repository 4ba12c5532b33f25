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
        ([[1, 2, 3], [1 / 2, 1]], "square"),
        ([1, 2], "square"),
        (3, "square"),
    ],
)
def test_inconsistent_and_impossible_comparisons_are_refused(matrix, words):
    with pytest.raises(UsageError, match=words):
        ahp_weights(matrix)


def test_a_comparison_that_is_missing_or_unknown_is_named():
    with pytest.raises(UsageError, match="a over c, b over c are missing"):
        pairwise_matrix({"a over b": 3}, ["a", "b", "c"])
    with pytest.raises(UsageError, match="'a over d' is no comparison"):
        pairwise_matrix({"a over d": 3}, ["a", "b", "c"])
    with pytest.raises(UsageError, match="a and b are compared twice"):
        pairwise_matrix({"b over a": 3, "a over b": 3}, ["a", "b"])
    with pytest.raises(UsageError, match="write a mapping"):
        pairwise_matrix([[1, 3]], ["a", "b"])
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
            "reached": 50.0, "delivered": 100.0, "click_known": 100.0, "clicked": clicked,
            "reply_known": np.nan, "replied": np.nan, "opt_out_known": 100.0, "opted_out": opt_outs / 64,
            "converted": np.nan, "cost": np.nan, "expected_cost": np.nan,
            "attributed_revenue": np.nan, "attributed_profit": np.nan, "paid_profit": np.nan, "order_profit": np.nan,
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


def campaign(name, messages, rates, rng, unknown=()):
    """Cells of a campaign whose events are drawn with these rates (click, opt-out); its customers are one message."""
    size = rng.multinomial(messages, np.full(64, 1 / 64)).astype(float)
    sums = {"clicked": rng.binomial(size.astype(int), rates[0]), "opted_out": rng.binomial(size.astype(int), rates[1])}
    frame = pd.DataFrame({
        "dimension": "campaign", "value": name, "group": range(64), "messages": size, "customers": size,
        "delivered": size, "click_known": size, "opt_out_known": size,
        "converted": np.nan, "attributed_revenue": np.nan,
        **{key: value.astype(float) for key, value in sums.items()},
    })  # fmt: skip
    return frame.assign(**dict.fromkeys(unknown, np.nan))


def test_a_tiny_campaign_without_an_event_is_not_among_the_best():
    """30 messages, no click, no opt-out; its opt-out rate of 0 is noise, and so is most variation of that rate."""
    rng = np.random.default_rng(5)
    true = rng.uniform(0.03, 0.07, 40)
    own = [campaign(f"c{i}", 1_000, (rate, 0.0076), rng) for i, rate in enumerate(true)]
    tiny = campaign("tiny", 30, (0.0, 0.0), rng)
    found = score_campaigns(pd.concat([*own, tiny], ignore_index=True), np.random.default_rng(1))
    rows = found.rows.set_index("campaign_id")
    assert rows.loc["tiny", "rank"] > 10
    assert rows.loc["tiny", "rank_high"] - rows.loc["tiny", "rank_low"] > 20  # nothing is known of it
    weights = found.weights.set_index("indicator")["weight"]
    assert weights["click_rate"] > 0.9  # campaigns differ in clicks, and not in opt-outs
    place = rows.loc[[f"c{i}" for i in range(40)]]
    order = pd.Series(-true).rank().to_numpy()  # the true ranks, of 40
    held = (place["rank_low"].to_numpy() - 1 <= order) & (order <= place["rank_high"].to_numpy())
    assert held.mean() >= 0.85


def test_a_campaign_whose_channel_records_no_opt_outs_is_not_ranked():
    rng = np.random.default_rng(6)
    texts = [campaign(f"sms{i}", 2_000, (0.05, 0.01), rng) for i in range(4)]
    mails = [campaign(f"mail{i}", 2_000, (0.05, 0.0), rng, ("opted_out", "opt_out_known")) for i in range(3)]
    found = score_campaigns(pd.concat([*texts, *mails], ignore_index=True), np.random.default_rng(1))
    assert set(found.rows["campaign_id"]) == {"sms0", "sms1", "sms2", "sms3"}
    assert (found.unknown, found.too_few) == (3, 0)
    alone = score_campaigns(pd.concat(mails, ignore_index=True), np.random.default_rng(1))
    assert list(alone.weights["indicator"]) == ["click_rate"]
