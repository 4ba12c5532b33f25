"""Uplift: the gain curve by hand, a simulation with responders, and one without."""

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.multitest import multipletests

from smsroi_helpers import measures
from smsroi_helpers.ab_test import uplift
from smsroi_helpers.ab_test.targeting import form_of
from smsroi_helpers.simulation.write import write_company
from smsroi_helpers.source.read import load
from smsroi_helpers.source.shop import open_shop


def world(seed, n=4_000, moved=0.0, harmed=0.0):
    """Customers of whom recent buyers respond and those of kind c are harmed; half are treated."""
    rng = np.random.default_rng(seed)
    rows = pd.DataFrame(
        {"treated": rng.integers(0, 2, n), "group": rng.integers(0, 64, n), "fold": rng.integers(0, 2, n)}
    )
    habits = rng.gamma(1.2, 1 / 1.2, n)
    rows["orders"] = rng.poisson(3 * habits)
    rows["since_order"] = np.where(rows["orders"] > 0, rng.uniform(0, 200, n), np.nan)
    rows["months"], rows["spend"] = 6.0, rows["orders"] * rng.lognormal(3, 0.4, n)
    some = rows["orders"] > 0
    rows["T_days"] = np.where(some, 240.0, np.nan)
    rows["recency_days"] = np.where(rows["orders"] > 1, 240.0 - rows["since_order"], 0.0 * rows["T_days"])
    rows["frequency"] = (rows["orders"] - 1).where(some)
    rows["repeat_spend"] = rows["spend"] * rows["frequency"] / rows["orders"].where(some)
    rows["attr_kind"] = rng.choice(list("abc"), n)
    effect = moved * (rows["since_order"] < 60) - harmed * (rows["attr_kind"] == "c")
    rows["profit"] = rng.poisson(habits) * rng.lognormal(2, 0.5, n) + effect * rows["treated"]
    return rows


def rule_of(ranking, rule):
    return ranking.rules.set_index("rule").loc[rule]


class TestCurve:
    def test_it_is_the_count_by_hand(self):
        rng = np.random.default_rng(1)
        n = 500
        treated, y, group = rng.integers(0, 2, n), rng.normal(5, 2, n), rng.integers(0, 64, n)
        place = (rng.permutation(n) + 0.5) / n
        whole, left = uplift.qini(place, treated, y, group)
        for at in (19, 59, 99):
            for keep, shown in ((np.ones(n, bool), whole[at]), (group != 7, left[7, at])):
                top = keep & (place < uplift.DEPTHS[at])
                by_hand = y[top & (treated == 1)].mean() - y[top & (treated == 0)].mean()
                assert shown == pytest.approx(by_hand * top.sum() / keep.sum())

    def test_treating_everybody_gains_the_whole_effect_whatever_the_ranking(self):
        rows = world(2, moved=3.0)
        ends = []
        for seed in range(3):
            place = (np.random.default_rng(seed).permutation(len(rows)) + 0.5) / len(rows)
            ends.append(
                uplift.qini(place, rows["treated"].to_numpy(), rows["profit"].to_numpy(), rows["group"].to_numpy())[0][
                    -1
                ]
            )
        means = rows.groupby("treated")["profit"].mean()
        assert ends == pytest.approx([means[1] - means[0]] * 3)

    def test_the_interval_is_the_jackknife_of_the_package(self):
        """The mean gain of treating everybody equals `statistics.jackknife` of the two arms' sums."""
        from smsroi_helpers.statistics.jackknife import jackknife

        rows = world(3)
        y, treated, group = (rows[name].to_numpy() for name in ("profit", "treated", "group"))
        place = (np.arange(len(rows)) + 0.5) / len(rows)
        whole, left = uplift.qini(place, treated, y, group)
        value, low, high = uplift.jackknifed([(whole[-1:], left[:, -1:])])
        sums = [np.bincount(group, weights, 64) for weights in (y * treated, treated, y * (1 - treated), 1 - treated)]
        theirs = jackknife(lambda s: s[0] / s[1] - s[2] / s[3], np.array(sums)[:, None, :])
        assert (value[0], low[0], high[0]) == pytest.approx((theirs.estimate[0], theirs.low[0], theirs.high[0]))


class TestRanking:
    def test_responders_are_found(self):
        ranking = uplift.rank_customers(world(4, n=8_000, moved=8.0), "x", "a", np.random.default_rng(1))
        assert rule_of(ranking, "uplift")["better"]
        assert rule_of(ranking, "rfm")["better"]  # recent buyers respond, and a third of the score is recency
        assert not rule_of(ranking, "churn")["better"]  # chooses them last
        assert rule_of(ranking, "churn")["behind_low"] > 0
        ours, churn = rule_of(ranking, "uplift"), rule_of(ranking, "churn")
        assert churn["behind"] == pytest.approx(ours["qini"] - churn["qini"], abs=0.05)  # of halves, and of the whole

    def test_sleeping_dogs_are_reported(self):
        ranking = uplift.rank_customers(world(5, n=8_000, harmed=10.0), "x", "a", np.random.default_rng(1))
        last = ranking.fifths.query("rule == 'uplift'").set_index("fifth").loc[5]
        assert last["high"] < 0
        # All of the last fifth are of the group harmed, a third of all.
        assert last["effect"] == pytest.approx(-10, abs=last["high"] - last["low"])

    def test_without_effects_no_rule_is_better_than_random(self):
        found = [
            uplift.rank_customers(world(seed, n=2_000), "x", "a", np.random.default_rng(seed)).rules.set_index("rule")
            for seed in range(10, 18)
        ]
        # Each rule is above chance by luck in at most 2.5 of 100 worlds: three of eight would be 1 in 1,000.
        for rule in uplift.RULES:
            assert sum(bool(rules.loc[rule, "better"]) for rules in found) <= 2
        assert all(rules.loc["uplift", "low"] < rules.loc["uplift", "qini"] for rules in found)

    def test_a_constant_effect_gives_no_better_ranking(self):
        rows = world(6, n=4_000)
        rows["profit"] = rows["profit"] + 5.0 * rows["treated"]
        ranking = uplift.rank_customers(rows, "x", "a", np.random.default_rng(1))
        assert not rule_of(ranking, "uplift")["better"]
        assert ranking.curve.query("rule == 'value' and depth == 1")["low"].iloc[0] > 3

    def test_too_few_customers_give_no_ranking(self):
        assert uplift.rank_customers(world(7, n=350), "x", "a", np.random.default_rng(1)) is None
        # Enough customers to evaluate rankings, too few to predict effects.
        some = uplift.rank_customers(world(7, n=700), "x", "a", np.random.default_rng(1))
        assert some.not_ranked == {"uplift": "few_customers"}
        assert set(some.rules["rule"]) == {"rfm", "value", "churn"}
        assert set(some.fifths["rule"]) == {"rfm", "value", "churn"}

    def test_a_rule_without_variation_is_left_out(self):
        rows = world(8, n=2_000).assign(spend=20.0, orders=1, frequency=0.0, recency_days=0.0, T_days=240.0)
        ranking = uplift.rank_customers(rows, "x", "a", np.random.default_rng(1))
        assert ranking.rules["rule"].tolist() == ["uplift"]
        assert ranking.not_ranked == {"rfm": "alike", "churn": "few_repeaters", "value": "few_repeaters"}

    def test_p_values_are_adjusted_over_rules_and_tests(self):
        rankings = [
            uplift.rank_customers(world(seed, n=1_000, moved=8.0), name, "a", np.random.default_rng(1))
            for seed, name in ((20, "x"), (21, "y"))
        ]
        together = uplift.adjust_rules(rankings)
        p = np.concatenate([ranking.rules["p_value"] for ranking in together])
        adjusted = np.concatenate([ranking.rules["adjusted_p"] for ranking in together])
        theirs = multipletests(p, method="holm")[1]
        assert adjusted == pytest.approx(theirs)
        assert len(p) == 2 * len(uplift.RULES)


def test_no_outcome_is_a_covariate(make_source, open_source):
    """An order of the assignment's day without a time is an outcome; so is the answer to a later campaign."""
    shop = open_source(
        make_source(
            source="segments: {response: attr_answered}\n",
            orders="order_id,customer_id,ordered_at,amount\n1,a,2025-03-02,40\n2,a,2025-03-03,100\n3,b,2025-03-03,100\n",
            customers="customer_id,attr_answered,attr_age\na,yes,30\nb,no,40\n",
            messages="message_id,customer_id,campaign_id,sent_at\n1,a,k,2025-03-03 12:00\n",
            experiments="experiment_id,kind,started_at,ended_at,control_arm\nx,holdout,2025-03-03,2025-03-03,out\n",
            arms="experiment_id,arm,share\nx,in,0.5\nx,out,0.5\n",
            assignments="experiment_id,customer_id,arm,assigned_at\n"
            "x,a,in,2025-03-03 10:00\nx,b,out,2025-03-03 10:00\n",
        )
    )
    rows = uplift.read_customers(shop, "x", ("out", "in")).set_index("attr_age")
    assert rows["orders"].to_dict() == {"30": 1, "40": 0}
    assert rows["spend"].to_dict() == {"30": 40.0, "40": 0.0}
    assert rows["profit"].to_dict() == {"30": 30.0, "40": 30.0}
    assert "attr_answered" not in rows


def test_covariates_are_from_before_the_assignment(tmp_path):
    write_company(tmp_path / "source", customers=1_000, weeks=26, seed=3)
    shop = open_shop(load(tmp_path / "source", tmp_path / ".loaded"), "", tmp_path / ".cache")
    rows = uplift.read_customers(shop, "always-on", ("held_out", "texted"))
    assigned = shop.assignments.execute().query("experiment_id == 'always-on'")
    orders = shop.orders.execute().query("amount >= 0").merge(assigned, on="customer_id")
    before = orders[orders["ordered_at"] < orders["assigned_at"]]
    assert len(rows) == len(assigned)
    assert rows["orders"].sum() == len(before)
    assert rows["spend"].sum() == pytest.approx(before["amount"].sum())
    days = (before["assigned_at"] - before["ordered_at"]).dt.total_seconds() / 86_400
    assert rows["since_order"].sum() == pytest.approx(days.groupby(before["customer_id"]).min().sum(), rel=1e-6)
    # What scores are made of ends the day before: a purchase on the day of assignment is not in it.
    days = measures.purchase_days(shop).execute()
    clock = assigned["assigned_at"].dt.tz_localize("UTC").dt.tz_convert(shop.settings.timezone)
    days = days.merge(assigned.assign(assigned_day=clock.dt.tz_localize(None).dt.normalize()), on="customer_id")
    days["ago"] = (days["assigned_day"] - pd.to_datetime(days["day"])).dt.days
    own = days[days["ago"] > 0].groupby("customer_id")["ago"].agg(["count", "min", "max"])
    assert (days["ago"] == 0).any()
    assert rows["frequency"].sum() == (own["count"] - 1).sum()
    assert rows["T_days"].sum() == own["max"].sum()
    assert rows["recency_days"].sum() == (own["max"] - own["min"]).sum()
    assert rows["treated"].sum() == (assigned["arm"] == "texted").sum()
    assert "customer_id" not in rows.columns
    assert len(uplift.read_customers(shop, "always-on", ("held_out", "texted"), most=300)) == 300


def test_a_rule_in_points_becomes_a_policy_without_money():
    """Fifths of +10 and −15 points, in a test whose outcome is a share."""
    rows = world(30, n=12_000)
    shift = np.where(rows["since_order"] < 60, 0.10, -0.15) * rows["treated"]
    ordered = (np.random.default_rng(2).random(len(rows)) < 0.3 + shift).astype(float)
    outcome = uplift.outcome_of(rows.assign(ordered=ordered), "order_rate")
    ranking = uplift.rank_customers(rows, "x", "a", np.random.default_rng(1), outcome)
    own = rule_of(ranking, "uplift")
    assert own["better"]
    assert form_of(own) == "only"
    effects = ranking.fifths.query("rule == 'uplift'")["effect"].to_numpy()
    assert effects[0] == pytest.approx(0.10, abs=0.08)  # 4 standard errors of 2,400 customers
    assert effects[-1] == pytest.approx(-0.15, abs=0.08)
