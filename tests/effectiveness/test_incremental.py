"""Attributed beside incremental: Fieller's interval, the simulated truth, and the names of the two ratios."""

import numpy as np
import pandas as pd
import pytest

from smsroi_helpers import effectiveness, measures
from smsroi_helpers.effectiveness.calibration import campaign_profit, choose_calibration, count_overlap, find_own_tests
from smsroi_helpers.effectiveness.incremental import (
    WINDOWS,
    Ratio,
    compare_attribution,
    fieller,
    incremental_share,
    relative_lift,
)
from smsroi_helpers.simulation.write import write_company
from tests.experiment_sources import open_folder


def test_lift_and_incremental_share_of_the_published_example():
    treated, control = (13_200, 415_500), (448, 27_400)
    assert relative_lift(treated, control) == pytest.approx(0.94, abs=0.005)
    assert incremental_share(treated, control) == pytest.approx(0.485, abs=0.0005)


def test_the_limits_of_lift_and_share_solve_the_equation_of_1954(comparisons):
    """Both are of the same two rates, so one interval contains "no difference" where the other does."""
    for one in comparisons:
        (a, b), (n, m) = one.orders, (one.customers, one.control_customers)
        p, q = a / n, b / m
        lift, share = one.relative_lift, one.incremental_share
        assert lift.estimate == pytest.approx(relative_lift((a, n), (b, m)))
        assert share.estimate == pytest.approx(incremental_share((a, n), (b, m)))
        for r in (1 + lift.low, 1 + lift.high, 1 / (1 - share.low), 1 / (1 - share.high)):
            assert (p - r * q) ** 2 == pytest.approx(one.width**2 * (p * (1 - p) / n + r**2 * q * (1 - q) / m))
        assert lift.low < lift.estimate < lift.high
        assert share.low < share.estimate < share.high


class TestFieller:
    def test_limits_solve_the_equation_of_1954(self):
        found = fieller(5.0, 3.0, var_top=0.3, var_bottom=0.2, cov=0.1)
        for r in (found.low, found.high):
            assert (5.0 - r * 3.0) ** 2 == pytest.approx(1.959964**2 * (0.3 - 2 * r * 0.1 + r * r * 0.2))

    def test_coverage_where_the_denominator_is_five_errors_from_0(self):
        rng = np.random.default_rng(3)
        cov = np.array([[1.0, 0.4], [0.4, 1.0]])
        draws = rng.multivariate_normal([10.0, 5.0], cov, 4_000)
        held = []
        for top, bottom in draws:
            found = fieller(top, bottom, var_top=1.0, var_bottom=1.0, cov=0.4)
            held.append(np.isnan(found.low) or found.low <= 2.0 <= found.high)
        assert np.mean(held) == pytest.approx(0.95, abs=4 * np.sqrt(0.95 * 0.05 / 4_000))

    def test_there_are_no_limits_where_the_denominator_may_be_0(self):
        found = fieller(5.0, 1.0, var_top=0.1, var_bottom=1.0)
        assert found.estimate == 5.0
        assert np.isnan([found.low, found.high]).all()


@pytest.fixture
def comparisons(found):
    return found.comparisons


def test_the_true_factor_is_within_the_interval(tmp_path):
    """Orders that a message caused, of the treated customers and within their window, against the attributed ones."""
    write_company(tmp_path / "source", customers=1_500, weeks=30, seed=8)
    company = open_folder(tmp_path / "source", tmp_path)
    comparisons = compare_attribution(company)
    folder = tmp_path / "source" / "truth" / "orders"
    truth = pd.concat([pd.read_parquet(file) for file in sorted(folder.glob("*.parquet"))])
    caused = set(truth.loc[truth["origin"] == "caused", "order_id"])
    orders = measures.purchases(company).execute()
    people = measures.outcome_windows(company).execute()
    rows = orders[orders["order_id"].isin(caused)].merge(people, on="customer_id")
    rows = rows[(rows["ordered_at"] >= rows["assigned_at"]) & (rows["ordered_at"] < rows["outcome_end"])]
    true = rows.groupby(["experiment_id", "arm"])["spend"].sum()
    assert len(comparisons) >= 3
    checked = 0
    for one in comparisons:
        # Emails are sent to both arms, so the control's caused orders are subtracted per customer.
        control = true.get((one.experiment, one.control), 0.0) * one.customers / one.control_customers
        effect = true[one.experiment, one.arm] - control
        for hours in (24, 72, 720):
            rule = one.rule(hours)
            if np.isfinite(rule.calibration.low):  # else too little revenue is attributed
                error = (rule.calibration.high - rule.calibration.low) / 3.92
                assert abs(effect / rule.revenue - rule.calibration.estimate) < 4 * error
                checked += 1
    assert checked > 1.5 * len(comparisons)  # of three windows each
    held = [
        one.rule(72).calibration.low
        <= (true[one.experiment, one.arm] - true.get((one.experiment, one.control), 0.0)) / one.rule(72).revenue
        <= one.rule(72).calibration.high
        for one in comparisons
        if np.isfinite(one.rule(72).calibration.low)
    ]
    assert len(held) >= 2
    assert sum(held) >= len(held) - 1


def test_attribution_grows_with_the_window_and_any_touch_is_not_below_last(comparisons):
    for one in comparisons:
        last, any_ = ([one.rule(hours, touch).revenue for hours in WINDOWS] for touch in ("last", "any"))
        assert last == sorted(last)
        assert any_ == sorted(any_)
        assert all(a >= b for a, b in zip(any_, last, strict=True))
        for rule in one.rules:
            if np.isfinite(rule.inflation.estimate):
                assert rule.inflation.estimate * rule.calibration.estimate == pytest.approx(1)
            if np.isfinite(rule.inflation.high):
                assert rule.inflation.high == pytest.approx(1 / rule.calibration.low)


def test_attributed_revenue_equals_a_plain_computation(company, comparisons):
    one = choose_calibration(comparisons)
    people = measures.outcome_windows(company, one.experiment).execute()
    people = people[people["arm"] == one.arm]
    sends = measures.every_send(company).execute()
    sends = sends[sends["delivered_at"].notna()]
    sends = sends.merge(people[["customer_id", "assigned_at", "outcome_end"]], on="customer_id")
    sends = sends.sort_values(["delivered_at", "message_id"])
    orders = measures.purchases(company).execute().sort_values("ordered_at")
    pairs = pd.merge_asof(
        orders, sends[["customer_id", "delivered_at", "assigned_at", "outcome_end", "channel"]],
        by="customer_id", left_on="ordered_at", right_on="delivered_at",
        tolerance=pd.Timedelta(hours=72), allow_exact_matches=True,
    )  # fmt: skip
    pairs = pairs[(pairs["channel"] == "sms") & (pairs["delivered_at"] >= pairs["assigned_at"])]
    pairs = pairs[pairs["ordered_at"] < pairs["outcome_end"]]
    pairs = pairs[pairs["ordered_at"] - pairs["delivered_at"] < pd.Timedelta(hours=72)]
    assert one.rule(72).revenue == pytest.approx(pairs["spend"].sum())


def test_a_company_whose_messages_do_nothing_has_no_limit_of_inflation(tmp_path):
    write_company(tmp_path / "source", customers=600, weeks=26, seed=4, null=True)
    found = compare_attribution(open_folder(tmp_path / "source", tmp_path))
    assert found
    factors = [one.rule(72).calibration for one in found]
    # Where hardly any revenue is attributed, the factor has no limits.
    assert any(np.isfinite(factor.low) for factor in factors)
    assert sum(not (factor.low > 0 or factor.high < 0) for factor in factors) >= len(factors) - 1
    assert all(np.isinf(one.rule(72).inflation.high) for one in found if one.rule(72).calibration.low <= 0)


def test_campaigns_without_a_test_are_modelled_and_only_in_the_tested_channel(found):
    calibration = choose_calibration(found.comparisons)
    factor = calibration.rule(72).calibration
    rows = found.campaigns.set_index("campaign_id")
    assert set(rows["evidence"]) == {"modelled", "none"}
    assert (rows.loc[rows["channel"] == "email", "evidence"] == "none").all()
    modelled = rows[rows["evidence"] == "modelled"]
    assert (modelled["channel"] == "sms").all()
    expected = factor.estimate * modelled["order_profit"] - modelled["cost"]
    assert modelled["incremental_profit"].to_numpy() == pytest.approx(expected.to_numpy())
    assert (modelled["low"] <= modelled["incremental_profit"]).all()


def test_a_campaign_with_its_own_test_has_the_measured_profit(read_once):
    shop = read_once(**holdout_of_one_campaign())
    comparisons = compare_attribution(shop)
    (own,) = comparisons
    assert find_own_tests(shop, comparisons) == {"spring": own}
    campaigns = pd.DataFrame({"campaign_id": ["spring"], "channel": ["sms"], "order_profit": [9.0], "cost": [1.0]})
    (row,) = campaign_profit(campaigns, comparisons, {"spring": own}, 72, "sms").itertuples()
    # 40 of 200 treated order at 10, 20 of 200 controls: (2 − 1) × 0.5 margin − 0.1 cost, of 200 customers.
    assert row.incremental_profit == pytest.approx(200 * (0.5 * (2 - 1) - 0.1))
    assert row.evidence == "randomised"
    assert own.relative_lift.estimate == pytest.approx(1.0)
    assert own.incremental_share.estimate == pytest.approx(0.5)
    assert own.rule(72).inflation.estimate == pytest.approx(2.0)  # 400 attributed, 200 incremental


def test_profit_of_a_running_test_is_that_of_the_ab_tests(comparisons, simulated_tests):
    evaluated = {each.experiment.name: each for each in simulated_tests}
    running = [one for one in comparisons if evaluated[one.experiment].experiment.state == "running"]
    assert any(evaluated[one.experiment].experiment.kind == "holdout" for one in running)
    for one in running:
        each = evaluated[one.experiment]
        assert one.control == each.experiment.control
        row = each.effects.find("profit", one.arm)
        assert one.profit == Ratio(*(one.customers * limit for limit in row.always_valid))
        if each.decision.metric == "profit":
            assert one.outcome == each.decision.by_arm[one.arm]


def test_a_running_test_that_is_undecided_is_not_acted_on(read_once):
    """2.3 standard errors: a single look would show a gain, looks at every run do not."""
    sources = holdout_of_one_campaign()
    sources["experiments"] = sources["experiments"].replace("2024-04-01", "")
    shop = read_once(**sources)
    (one,) = compare_attribution(shop)
    error = np.sqrt((0.2 * 0.8 + 0.1 * 0.9) * 25 / 199)  # of the difference of mean profits, 5 an order
    assert one.profit.estimate == pytest.approx(200 * 0.4)
    assert one.profit.estimate / (200 * error) > 1.96
    assert one.profit.low < 0 < one.profit.high
    assert (one.running, one.outcome, one.undecided) == (True, "keep_running", True)
    found = effectiveness.analyse(shop)
    (decision, *_rest) = effectiveness.decide(found)
    assert decision.outcome == "not_enough_evidence"
    assert "Keep the randomised holdout running" in decision.action


def test_an_order_whose_last_message_was_an_email_is_no_credit_of_texts(read_once):
    """Of 40 texted customers who order, 15 got an e-mail after the text: by last touch 25 orders of 10 are credited."""
    sources = holdout_of_one_campaign()
    texts = sources["messages"].replace("sent_at,cost", "sent_at,cost,channel").replace(",0.1\n", ",0.1,sms\n")
    buyers = [i for i in range(200) if i % 5 == 0][:15]
    mails = "".join(f"e{i},t{i},news,2024-03-06 08:00,0,email\n" for i in buyers)
    shop = read_once(**(sources | {"messages": texts + mails}))
    (one,) = compare_attribution(shop)
    assert one.rule(72).revenue == pytest.approx(250)
    assert one.rule(72, "any").revenue == pytest.approx(400)
    credited = measures.attributed_orders(shop, 72).execute().groupby("channel")["revenue"].sum()
    assert credited["sms"] == pytest.approx(one.rule(72).revenue)  # as the KPIs of the campaign count it


def holdout_of_one_campaign():
    people = [(f"t{i}", "texted", i % 5 == 0) for i in range(200)] + [
        (f"c{i}", "alone", i % 10 == 0) for i in range(200)
    ]
    return {
        "experiments": "experiment_id,kind,control_arm,started_at,ended_at\nhold,holdout,alone,2024-03-04,2024-04-01\n",
        "arms": "experiment_id,arm,share\nhold,texted,0.5\nhold,alone,0.5\n",
        "assignments": "experiment_id,customer_id,arm,assigned_at\n"
        + "".join(f"hold,{who},{arm},2024-03-04 08:00\n" for who, arm, _ in people),
        "messages": "message_id,customer_id,campaign_id,sent_at,cost\n"
        + "".join(f"m{who},{who},spring,2024-03-05 09:00,0.1\n" for who, arm, _ in people if arm == "texted"),
        "orders": "order_id,customer_id,ordered_at,amount\nearly,z,2023-12-01 10:00,1\nlate,z,2024-05-01 10:00,1\n"
        + "".join(f"o{who},{who},2024-03-06 10:30,10\n" for who, _, orders in people if orders),
        "source": "margin: 0.5\n",
    }


def test_texts_that_both_arms_get_after_the_test_are_in_neither_difference(read_once):
    """From April on everybody gets a text, and a fifth of each arm orders after it, before outcomes stop counting."""
    sources = holdout_of_one_campaign()
    sources["experiments"] = (
        "experiment_id,kind,control_arm,started_at,ended_at,outcome_until\n"
        "hold,holdout,alone,2024-03-04,2024-04-01,2024-04-20\n"
    )
    everybody = [f"{arm}{i}" for arm in "tc" for i in range(200)]
    sources["messages"] += "".join(f"late{who},{who},april,2024-04-08 09:00,0.1\n" for who in everybody)
    sources["orders"] += "".join(f"late{who},{who},2024-04-09 10:00,10\n" for who in everybody[::5])
    (one,) = compare_attribution(read_once(**sources))
    assert one.incremental.estimate == pytest.approx(200)
    assert one.rule(72).revenue == pytest.approx(400)
    assert one.rule(72).calibration.estimate == pytest.approx(0.5)
    assert one.rule(72).calibration.low < 0.5 < one.rule(72).calibration.high


def test_overlap_counts_every_order_once(company, found):
    rows = count_overlap(company, found.sends)
    every = measures.purchases(company).execute()
    assert rows["orders"].sum() == len(every)
    assert rows["revenue"].sum() == pytest.approx(every["spend"].sum())
    pairs = measures.attributed_orders(company, 72, "any").execute().drop_duplicates(["order_id", "campaign_id"])
    assert rows["credits"].sum() == pytest.approx(pairs["amount"].sum())
