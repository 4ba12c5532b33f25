"""The long run checked by old tests: the index on arrays of known truth, its counts against pandas, the words."""

import dataclasses
import datetime as dt
import hashlib
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from smsroi_helpers.experiments import CLICK_VALUE_GROUP, check_experiments
from smsroi_helpers.send_plan.evidence import Evidence
from smsroi_helpers.send_plan.surrogate_counts import SURROGATES, VARIABLES, TestSums, Unready, count_later
from smsroi_helpers.send_plan.surrogate_index import LongRunCheck, _fit, _predict, estimate_later
from smsroi_helpers.send_plan.surrogate_tables import describe_long_run, later_table
from smsroi_helpers.send_plan.valuation import FOLD_OF_GROUP, Candidate, Estimate
from smsroi_helpers.statistics import GROUPS

TRUE = np.array([0.5, 0.3, 0.1, -1.0, 0.05, 0.2, 0.1])
"""Effects of clicks, purchase days, profit, opt-out, texts, days before and profit before on later profit."""


def as_sums(arm, groups, variables, doses, test="how-often"):
    """Moments from one row per member."""
    arms = len(doses)
    n = np.zeros((arms, GROUPS))
    sums = np.zeros((arms, GROUPS, variables.shape[1]))
    products = np.zeros((*sums.shape, variables.shape[1]))
    np.add.at(n, (arm, groups), 1.0)
    np.add.at(sums, (arm, groups), variables)
    np.add.at(products, (arm, groups), variables[:, :, None] * variables[:, None, :])
    names = tuple(f"dose-{dose}" for dose in doses)
    return TestSums(test, "frequency", 4, 10, names, tuple(map(float, doses)), n, sums, products)


def draw(rng, doses=(0, 1, 2), direct=(0.0, 0.0, 0.0), members=1_920):
    """A test whose later profit follows `TRUE`, and in each arm a direct effect that no surrogate carries."""
    arm = rng.integers(0, len(doses), members)
    keen = rng.gamma(2.0, 0.5, members)
    before_days = rng.poisson(2 * keen)
    before_profit = before_days * rng.gamma(2.0, 2.0, members)
    texts = 4.0 * np.array(doses)[arm]
    clicks = rng.poisson(0.2 * texts * keen)
    days = rng.poisson(keen + 0.2 * clicks)
    profit = days * rng.gamma(2.0, 2.0, members)
    left = (rng.random(members) < 0.01 + 0.005 * texts).astype(float)
    seen = np.column_stack([clicks, days, profit, left, texts, before_days, before_profit])
    later = 1.0 + seen @ TRUE + np.array(direct)[arm] + rng.normal(0, 2, members)
    return as_sums(arm, rng.permutation(members) % GROUPS, np.column_stack([seen, later]), doses)


def true_effect(dose):
    """Later profit of an arm less that of no texts, by the surrogates: E of each, with E[keen] = 1."""
    texts = 4.0 * dose
    clicks = 0.2 * texts
    days = 0.2 * clicks
    return float(TRUE[:5] @ [clicks, days, 4 * days, 0.005 * texts, texts])


# --- the index -------------------------------------------------------------------------------------------------------


def test_where_the_surrogates_carry_the_effect_the_index_is_unbiased_and_its_interval_covers():
    rng = np.random.default_rng(5)
    draws = [estimate_later(draw(rng)) for _ in range(250)]
    for place, dose in enumerate((1, 2)):
        index = [Estimate.of_replicates(each[place].index) for each in draws]
        gap = [Estimate.of_replicates(each[place].index - each[place].observed) for each in draws]
        for found, truth in ((index, true_effect(dose)), (gap, 0.0)):
            values = np.array([each.value for each in found])
            assert abs(values.mean() - truth) < 4 * values.std() / np.sqrt(len(values))
            covered = sum(each.low <= truth <= each.high for each in found)
            low, high = stats.binom.ppf([0.0005, 0.9995], len(found), 0.95)
            assert low <= covered <= high


def test_an_effect_that_no_surrogate_carries_is_seen():
    """Of the arm with 2 texts alone: a fatigue that begins later."""
    rng = np.random.default_rng(6)
    fatigue = -1.5
    draws = [estimate_later(draw(rng, direct=(0.0, 0.0, fatigue)))[1] for _ in range(40)]
    gaps = [Estimate.of_replicates(each.index - each.observed) for each in draws]
    values = np.array([each.value for each in gaps])
    assert abs(values.mean() + fatigue) < 4 * values.std() / np.sqrt(len(values))
    assert sum(each.low > 0 for each in gaps) > 0.8 * len(gaps)


def test_with_two_arms_the_index_learns_from_both_and_says_so():
    rng = np.random.default_rng(7)
    found = estimate_later(draw(rng, doses=(0, 2), direct=(0.0, -1.5)))
    assert [(each.own_arm, each.by_clicks) for each in found] == [(True, None)]
    gap = Estimate.of_replicates(found[0].index - found[0].observed)
    assert gap.low < 0 < gap.high
    assert not any(each.own_arm for each in estimate_later(draw(rng)))


def test_by_clicks_is_the_slope_between_the_other_arms_whatever_texts_and_noise_do():
    """Members' clicks are a noisy measure of a rate that tires; later profit is 2 × the rate. OLS misses it."""
    rng = np.random.default_rng(13)
    rates = np.array([0.0, 1.0, 1.6, 1.9])

    def tiring():
        arm = rng.integers(0, 4, 2_560)
        rate = rates[arm] * rng.gamma(2.0, 0.5, 2_560)
        variables = np.zeros((2_560, len(VARIABLES)))
        variables[:, 0], variables[:, SURROGATES.index("texts")] = rng.poisson(rate), 4 * np.array([0, 1, 2, 4])[arm]
        variables[:, -1] = 2 * rate + rng.normal(0, 1, 2_560)
        return estimate_later(as_sums(arm, rng.permutation(2_560) % GROUPS, variables, (0, 1, 2, 4)))[2]

    draws = [tiring() for _ in range(200)]
    found = [Estimate.of_replicates(each.by_clicks) for each in draws]
    values = np.array([each.value for each in found])
    assert abs(values.mean() - 2 * rates[3]) < 4 * values.std() / np.sqrt(len(values))
    covered = sum(each.low <= 2 * rates[3] <= each.high for each in found)
    low, high = stats.binom.ppf([0.0005, 0.9995], len(found), 0.95)
    assert low <= covered <= high
    gaps = [Estimate.of_replicates(each.index - each.observed) for each in draws]
    assert sum(each.low > 0 for each in gaps) > 0.9 * len(gaps)


def test_clicks_that_hardly_differ_predict_nothing():
    rng = np.random.default_rng(14)
    found = draw(rng)
    clicks = VARIABLES.index("clicks")
    level = found.sums.copy()
    level[..., clicks] = found.n * 0.5 + rng.normal(0, 0.5, found.n.shape)
    assert all(each.by_clicks is None for each in estimate_later(dataclasses.replace(found, sums=level)))
    assert all(each.by_clicks is not None for each in estimate_later(found))


def test_each_half_is_predicted_by_what_the_other_half_shows():
    """Later profit is 1 × profit in one half and 3 × profit in the other, without noise."""
    rng = np.random.default_rng(8)
    members = 1_280
    arm, groups = rng.integers(0, 3, members), np.arange(members) % GROUPS
    profit = rng.normal(5, 1, members) + arm
    half = FOLD_OF_GROUP[groups]
    variables = np.zeros((members, len(VARIABLES)))
    variables[:, SURROGATES.index("order_profit")], variables[:, -1] = profit, np.where(half == 0, 1.0, 3.0) * profit

    def difference(of_half):
        ours = half == of_half
        return profit[ours & (arm == 2)].mean() - profit[ours & (arm == 0)].mean()

    found = estimate_later(as_sums(arm, groups, variables, (0, 1, 2)))[1]
    assert found.index[0] == pytest.approx((3 * difference(0) + 1 * difference(1)) / 2, rel=1e-6)
    assert found.observed[0] == pytest.approx((1 * difference(0) + 3 * difference(1)) / 2, rel=1e-6)


def test_replicates_are_the_estimates_without_each_group():
    found = draw(np.random.default_rng(9))
    every = estimate_later(found)
    for group in (0, 17, 63):
        kept = np.arange(GROUPS) != group
        without = [
            np.where(kept.reshape(1, GROUPS, *[1] * (each.ndim - 2)), each, 0.0)
            for each in (found.n, found.sums, found.products)
        ]
        again = estimate_later(dataclasses.replace(found, n=without[0], sums=without[1], products=without[2]))
        for one, two in zip(every, again, strict=True):
            assert one.index[1 + group] == pytest.approx(two.index[0], abs=1e-9)
            assert one.observed[1 + group] == pytest.approx(two.observed[0], abs=1e-9)


def test_slopes_are_those_of_least_squares():
    rng = np.random.default_rng(10)
    x = rng.normal(0, [1, 30, 0.01], (500, 3))
    y = x @ [2.0, 0.1, 50.0] + rng.normal(0, 1, 500)
    rows = np.column_stack([x, y])
    slopes = _fit(np.array(500.0), rows.sum(axis=0), rows.T @ rows)
    expected = np.linalg.lstsq(np.column_stack([np.ones(500), x]), y, rcond=None)[0][1:]
    assert slopes == pytest.approx(expected, rel=1e-5)


def test_a_surrogate_that_never_varies_has_no_weight():
    rng = np.random.default_rng(11)
    rows = np.column_stack([np.zeros(300), rng.normal(0, 1, (300, 2))])
    assert _fit(np.array(300.0), rows.sum(axis=0), rows.T @ rows)[0] == 0.0


# --- counts ----------------------------------------------------------------------------------------------------------

START = dt.datetime(2024, 3, 4)
HORIZON, MARGIN = 3, 0.5
ARMS = ("none", "two", "one")


@pytest.fixture(scope="module")
def source():
    """Orders, refunds, texts, clicks and opt-outs at any time before and after the assignment, at whole hours.

    540 customers are assigned within 20 hours of the start, and 660 after 20 days.
    """
    rng = np.random.default_rng(12)
    people = pd.DataFrame({"customer_id": [f"c{i}" for i in range(1_200)]})
    people["arm"] = np.array(ARMS)[np.arange(1_200) % 3]
    people["assigned_at"] = [START + dt.timedelta(hours=int(hour)) for hour in rng.integers(0, 20, 1_200)]
    people.loc[people.index[540:], "assigned_at"] = START + dt.timedelta(days=20)
    out = rng.random(1_200) < 0.2
    people["opted_in_at"] = START - dt.timedelta(days=100)
    people.loc[people.index[60:80], "opted_in_at"] = pd.NaT
    people["opted_out_at"] = [START + dt.timedelta(hours=int(at)) if x else pd.NaT
                              for x, at in zip(out, rng.integers(-300, 1_500, 1_200), strict=True)]  # fmt: skip
    hours = rng.integers(-1_500, 1_700, 8_000)
    orders = pd.DataFrame({
        "order_id": [f"o{i}" for i in range(8_000)], "customer_id": rng.choice(people["customer_id"], 8_000),
        "ordered_at": [START + dt.timedelta(hours=int(hour)) for hour in hours],
        "amount": np.round(rng.lognormal(3, 0.5, 8_000), 2) * np.where(rng.random(8_000) < 0.05, -1, 1),
    })  # fmt: skip
    hours = rng.integers(-300, 1_700, 9_000)
    messages = pd.DataFrame({
        "message_id": [f"m{i}" for i in range(9_000)], "campaign_id": "k",
        "customer_id": rng.choice(people.loc[people["arm"] != "none", "customer_id"], 9_000),
        "sent_at": [START + dt.timedelta(hours=int(hour)) for hour in hours], "cost": 0.1,
    })  # fmt: skip
    later = [dt.timedelta(minutes=int(minutes)) for minutes in rng.integers(30, 9_000, 9_000)]
    messages["clicked_at"] = (messages["sent_at"] + later).where(rng.random(9_000) < 0.2)
    return people, orders, messages


@pytest.fixture(scope="module")
def evidence(source, read_once):
    people, orders, messages = source
    arms = pd.DataFrame({"experiment_id": "x", "arm": ARMS, "share": 1 / 3, "messages_per_week": (0, 2, 1)})
    tables = {
        "customers": people[["customer_id", "opted_in_at", "opted_out_at"]], "orders": orders, "messages": messages,
        "experiments": pd.DataFrame({"experiment_id": ["x"], "kind": "frequency", "control_arm": "none",
                                     "started_at": START, "ended_at": START + dt.timedelta(weeks=9)}),
        "arms": arms, "assignments": people[["customer_id", "arm", "assigned_at"]].assign(experiment_id="x"),
    }  # fmt: skip
    files = {name: table.to_csv(index=False) for name, table in tables.items()}
    shop = read_once(source=f"margin: {MARGIN}\n", **files)
    tests = tuple(one for one, _validity in check_experiments(shop))
    return Evidence(shop, "sms", tests, None, None, pd.DataFrame(), (), (0.0, 1.0, 2.0), ())


def count_plainly(people, orders, messages, weeks):
    """`VARIABLES` of each member who consents at the assignment and is followed for so long."""
    week = pd.Timedelta(weeks=1)
    consents = people["opted_in_at"].notna() & ~(people["opted_out_at"] < people["assigned_at"])
    followed = START + 9 * week - people["assigned_at"] > weeks * week - pd.Timedelta(days=1)
    members = people[consents & followed].set_index("customer_id")

    def kept(rows, at, first, last):
        since = (rows[at] - rows["customer_id"].map(members["assigned_at"])) / week
        return rows[(since >= first) & (since < last)]

    def profit(first, last):
        paid = kept(orders, "ordered_at", first, last).groupby("customer_id")["amount"].sum()
        return MARGIN * paid.reindex(members.index).fillna(0)

    def days(first, last):
        bought = kept(orders[orders["amount"] >= 0], "ordered_at", first, last)
        bought = bought.assign(day=bought["ordered_at"].dt.date)
        return bought.groupby("customer_id")["day"].nunique().reindex(members.index).fillna(0)

    sent = kept(messages, "sent_at", 0, HORIZON)
    clicked = kept(sent, "clicked_at", 0, HORIZON)
    return members[["arm"]].assign(
        clicks=clicked.groupby("customer_id").size().reindex(members.index).fillna(0),
        purchase_days=days(0, HORIZON), order_profit=profit(0, HORIZON),
        opted_out=members["opted_out_at"] < members["assigned_at"] + HORIZON * week,
        texts=sent.groupby("customer_id").size().reindex(members.index).fillna(0),
        days_before=days(-weeks, 0), profit_before=profit(-weeks, 0),
        later=profit(HORIZON, weeks) / (weeks - HORIZON),
    ).reset_index()  # fmt: skip


def test_moments_of_the_engine_are_those_of_a_plain_count(source, evidence):
    counted, unready = count_later(evidence, HORIZON)
    assert not unready
    (found,) = counted
    assert (found.test, found.arms[found.control]) == ("x", "none")
    assert found.weeks == 9
    plain = count_plainly(*source, found.weeks)
    assert 400 < len(plain) < 540
    assert found.n.sum() == len(plain)
    arm = [found.arms.index(name) for name in plain["arm"]]
    group = [int(hashlib.md5(f"{CLICK_VALUE_GROUP}:{name}".encode()).hexdigest()[:2], 16) % GROUPS
             for name in plain["customer_id"]]  # fmt: skip
    expected = as_sums(np.array(arm), np.array(group), plain[list(VARIABLES)].to_numpy(float), found.doses)
    assert (plain[list(VARIABLES)].std() > 0).all()
    assert np.allclose(found.n, expected.n)
    assert np.allclose(found.sums, expected.sums, atol=1e-4)
    assert np.allclose(found.products, expected.products, rtol=1e-6, atol=1e-3)


def test_members_are_cut_to_the_length_with_the_most_later_weeks(evidence):
    """540 are followed for 9 weeks, 660 for 6: with 2 weeks first, 1200 · 4 > 540 · 7."""
    (found,), _unready = count_later(evidence, 2)
    assert found.weeks == 6
    assert found.n.sum() > 900


def test_a_test_too_young_says_so(evidence):
    counted, unready = count_later(evidence, 8)
    assert not counted
    assert unready == [Unready("x", 9, "young")]
    check = LongRunCheck(8, (), tuple(unready), None, None)
    words = describe_long_run(check, "USD")
    assert "12 weeks" in words
    assert "has 9; 3 are missing" in words
    assert later_table(check, "USD").text == words


def test_a_test_with_too_few_customers_says_so(evidence, monkeypatch):
    monkeypatch.setattr("smsroi_helpers.send_plan.surrogate_counts.FEWEST_MEMBERS", 10_000)
    counted, unready = count_later(evidence, HORIZON)
    assert not counted
    assert unready == [Unready("x", 9, "few")]
    assert "fewer than 128 customers" in describe_long_run(LongRunCheck(3, (), tuple(unready), None, None), "USD")


# --- the plan's model ------------------------------------------------------------------------------------------------


def test_the_model_is_the_profit_of_the_later_weeks_of_those_who_stay():
    """Two classes and two profiles, by a loop over customers' classes, rates of loss and weeks."""
    clicks, opt_outs = np.array([[0.0, 0.10, 0.08], [0.0, 0.02, 0.03]]), np.array([[0, 0.01, 0.02], [0, 0.03, 0.05]])
    value, natural = np.array([5.0, 4.0]), 0.002
    membership, members = np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([300.0, 100.0])
    loss, shares = np.array([0.0, 0.02]), np.array([[0.75], [0.25]])
    response = SimpleNamespace(
        clicks=np.repeat(clicks[None], 65, axis=0), opt_outs=np.repeat(opt_outs[None], 65, axis=0),
        click_profit=np.repeat(value[None], 65, axis=0), natural_opt_outs=np.full(65, natural),
    )  # fmt: skip
    people = np.zeros((GROUPS, 2, 3))
    people[..., 0] = members / GROUPS / 2  # two arms of the test, and one of another
    people[..., 1] = people[..., 0]
    people[:, 1, 2] = 7.0
    cells = SimpleNamespace(arms=(("x", "a"), ("x", "b"), ("y", "a")), people=people,
                            grouping=SimpleNamespace(membership=membership))  # fmt: skip
    economics = SimpleNamespace(loss_rates=loss, loss_shares=shares, usual_loss=shares[:, 0])
    design = SimpleNamespace(doses=np.array([0.0, 1.0, 2.0]), economics=economics)
    chosen = SimpleNamespace(response=response, cells=cells)
    sums = np.zeros((3, GROUPS, len(VARIABLES)))
    test = TestSums("x", "frequency", 2, 5, ("a", "b", "c"), (1.0, 2.0, 3.0), sums[..., 0], sums, sums[..., None])

    def plainly(dose):
        found = 0.0
        for profile, of_profile in enumerate(membership):
            for k, likely in enumerate(of_profile):
                m = dose * clicks[k, dose] * value[k]
                for rate, share in zip(loss, shares[:, 0], strict=True):
                    stays = (1 - natural) * (1 - opt_outs[k, dose]) * (1 - rate)
                    weeks = [m * stays**t for t in (2, 3, 4)]
                    found += members[profile] / members.sum() * likely * share * np.mean(weeks)
        return found

    by_loss = _predict(chosen, design, test, 1)
    assert by_loss.shape == (65, 2)
    assert by_loss[0] @ shares[:, 0] == pytest.approx(plainly(2) - plainly(1))
    assert _predict(chosen, design, test, 2) is None  # a frequency that the plan does not consider


def test_errors_of_the_rates_of_loss_are_in_the_interval_of_the_model():
    """`Candidate.estimate` is asked with amounts by rate of loss, so that observed profit has the same for all."""
    draws = np.array([[0.2, 0.8], [0.8, 0.2]])
    economics = SimpleNamespace(usual_loss=draws.mean(axis=1), loss_shares=draws)
    chosen = SimpleNamespace(economics=economics, replicates=lambda by_loss: by_loss @ economics.usual_loss)
    by_loss = np.tile([1.0, 2.0], (65, 1)) - np.full(65, 0.4)[:, None]
    found = Candidate.estimate(chosen, by_loss)
    assert found.value == pytest.approx(1.1)
    assert found.high - found.low > 0.5
