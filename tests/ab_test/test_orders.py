"""Orders per customer as the metric of an experiment, compared with estimates from every customer."""

import datetime as dt

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from smsroi_helpers import ab_test
from smsroi_helpers.ab_test.planning import plan_next_test, read_audience
from tests.experiment_sources import END, START, open_folder

CUSTOMERS = 300
DAY = dt.timedelta(days=1)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A source in which arm b orders more often, and each customer's number of orders before and after."""
    place = tmp_path_factory.mktemp("orders")
    folder = place / "source"
    folder.mkdir()
    rng = np.random.default_rng(3)
    habit = rng.gamma(2.0, 0.6, 2 * CUSTOMERS)
    arm = np.repeat(["a", "b"], CUSTOMERS)
    before, after = rng.poisson(habit), rng.poisson(habit * np.where(arm == "b", 1.5, 1.0))
    orders = ["order_id,customer_id,ordered_at,amount", f"first,z,{START - 60 * DAY},1", f"last,z,{END + 5 * DAY},1"]
    for i in range(2 * CUSTOMERS):
        orders += [f"b{i}-{k},c{i},{START - (1 + k) * DAY},{20 + i % 7}" for k in range(before[i])]
        orders += [f"a{i}-{k},c{i},{START + (1 + k) * DAY},{20 + i % 7}" for k in range(after[i])]
    tables = {
        "experiments": ["experiment_id,kind,control_arm,started_at,ended_at,primary_metric",
                        f"x,content,a,{START},{END},orders"],
        "arms": ["experiment_id,arm,share", "x,a,0.5", "x,b,0.5"],
        "assignments": ["experiment_id,customer_id,arm,assigned_at",
                        *(f"x,c{i},{arm[i]},{START}" for i in range(2 * CUSTOMERS))],
        "orders": orders,
        "messages": ["message_id,customer_id,campaign_id,sent_at,cost",
                     *(f"m{i},c{i},k,{START + DAY},0.1" for i in range(2 * CUSTOMERS))],
    }  # fmt: skip
    for name, lines in tables.items():
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
    shop = open_folder(folder, place)
    return shop, ab_test.analyse(shop)[0], arm == "b", before, after


def test_the_difference_is_that_of_the_customers_counts(world):
    """Welch by SciPy on every customer's number of orders."""
    _shop, found, treated, _before, after = world
    theirs = stats.ttest_ind(after[treated], after[~treated], equal_var=False)
    low, high = theirs.confidence_interval()
    row = found.effects.find("orders", "b")
    assert (row.unadjusted_difference, row.unadjusted_low, row.unadjusted_high) == pytest.approx(
        (after[treated].mean() - after[~treated].mean(), low, high)
    )
    assert row.mean == pytest.approx(after[treated].mean())
    assert row.events == (after[treated] > 0).sum()


def test_it_is_adjusted_for_the_orders_before(world):
    """CUPED against the regression on arm and orders before (statsmodels); the same to first order in 1/n."""
    _shop, found, treated, before, after = world
    fit = sm.OLS(after, sm.add_constant(np.column_stack([treated, before]).astype(float))).fit(cov_type="HC1")
    row = found.effects.find("orders", "b")
    assert row.method == "adjusted"
    assert row.difference == pytest.approx(fit.params[1], abs=0.05 * fit.bse[1])
    assert row.standard_error == pytest.approx(fit.bse[1], rel=0.03)
    assert row.high - row.low < row.unadjusted_high - row.unadjusted_low


def test_it_decides_and_is_said_in_orders(world):
    _shop, found, *_counts = world
    assert found.decision.metric == "orders"
    assert found.decision.outcome == "ship"
    decision = ab_test.decide([found], "USD")[0]
    assert (decision.unit, decision.money) == ("count", "")
    assert decision.value == found.effects.find("orders", "b").difference
    assert "orders per customer" in decision.text
    assert "percentage points" not in decision.text
    assert "not by profit" in decision.caveat
    table = ab_test.tables.results_table([found], "USD").markup
    assert " orders" in table
    assert "points" not in table


def test_an_undecided_test_asks_for_customers_by_the_variance_of_orders(world):
    """Needed: as many times the customers as the detectable difference is larger than the wanted one, squared."""
    _shop, found, _treated, _before, after = world
    decision = found.decision
    assert decision.wanted == pytest.approx(0.1 * after[:CUSTOMERS].mean())
    assert decision.needed == pytest.approx(2 * CUSTOMERS * (decision.detectable / decision.wanted) ** 2)


def test_the_planner_says_which_rise_in_orders_is_detected(world):
    """On the last 2 weeks: the standard deviation adjusted for the 2 weeks before, by least squares on the rows."""
    shop, *_rest = world
    audience = read_audience(shop, [2])
    orders = shop.orders.execute()
    end = orders["ordered_at"].max().normalize() + DAY
    known = orders[orders["ordered_at"] < end - 14 * DAY]["customer_id"].unique()
    counts = [
        orders[(orders["ordered_at"] >= end - k * 14 * DAY) & (orders["ordered_at"] < end - (k - 1) * 14 * DAY)]
        .groupby("customer_id").size().reindex(known, fill_value=0).to_numpy(float)
        for k in (1, 2)
    ]  # fmt: skip
    row = audience.windows.iloc[0]
    assert row["orders"] == pytest.approx(counts[0].sum() / row["customers"])
    rest = sm.OLS(counts[0], sm.add_constant(counts[1])).fit().resid
    assert row["orders_deviation"] == pytest.approx(np.sqrt((rest**2).sum() / (len(rest) - 1)))
    plan = plan_next_test(audience, [1]).iloc[0]
    error = row["orders_deviation"] * np.sqrt(2 / plan["per_arm"])
    assert plan["smallest_orders"] == pytest.approx(error * (stats.norm.ppf(0.975) + stats.norm.ppf(0.8)), rel=1e-3)
