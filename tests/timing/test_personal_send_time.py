"""Customers' own hours: variance components, the slope, and when they are used."""

import re

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from smsroi_helpers.timing import personal_send_time, study
from smsroi_helpers.timing import tables as timing_tables
from smsroi_helpers.timing.customer_hours import customer_send_hours
from tests.timing.samples import orders_before, people_with_habits, persons_of


def test_variance_components_are_recovered():
    """Customers' own means scatter with variance 4 around 11 and 15, their events with variance 9 around them."""
    rng = np.random.default_rng(13)
    rows = []
    for segment, mean in (("early", 11.0), ("late", 15.0)):
        n = rng.integers(1, 20, 3_000)
        events = [rng.normal(own, 3.0, k) for own, k in zip(rng.normal(mean, 2.0, 3_000), n, strict=True)]
        s, ss = (np.array([(x**power).sum() for x in events]) for power in (1, 2))
        sums = (3_000, n.sum(), s.sum(), ss.sum(), (s**2 / n).sum(), (n**2).sum())
        rows.append(dict(zip(("customers", "n", "s", "ss", "s2n", "n2"), sums, strict=True), segment=segment))
    fit = personal_send_time.fit_days(pd.DataFrame(rows))
    # Standard errors at these numbers: .06 of a mean, .05 of 9, .09 of 4.
    assert fit.means["early"] == pytest.approx(11.0, abs=0.25)
    assert fit.means["late"] == pytest.approx(15.0, abs=0.25)
    assert fit.within == pytest.approx(9.0, abs=0.25)
    assert fit.between == pytest.approx(4.0, abs=0.4)
    assert fit.weight == pytest.approx(9 / 4, rel=0.15)


def test_without_variance_between_customers_nobody_is_shifted():
    """If the variance between customers is not above 0, no customer is shifted."""
    sums = {"segment": ["a"], "customers": [2], "n": [4], "s": [48.0], "ss": [584.0], "s2n": [576.0], "n2": [8]}
    fit = personal_send_time.fit_days(pd.DataFrame(sums))  # twice 10 and 14
    assert (fit.between, fit.weight) == (0.0, np.inf)
    one = personal_send_time.fit_days(
        pd.DataFrame({name: value[:1] for name, value in sums.items()} | {"customers": [4]})
    )
    assert np.isnan(one.within)
    assert one.weight == np.inf


def test_the_slope_is_the_least_squares_one():
    """One hour of one segment: the regression of clicks on x, by the mean click rate."""
    rng = np.random.default_rng(15)
    x = rng.normal(0, 0.2, 4_000)
    y = rng.random(4_000) < 0.1 * (1 + 1.5 * x)
    rows = pd.DataFrame({"segment": "a", "hour": 9, "until": 10, "group": rng.integers(0, 64, 4_000), "messages": 1,
                         "x": x, "xx": x**2, "clicks": y.astype(float), "xy": x * y})  # fmt: skip
    found = personal_send_time.estimate_slope(rows)
    fit = sm.OLS(rows["clicks"], sm.add_constant(x)).fit(cov_type="HC1")
    assert found.estimate == pytest.approx(fit.params["x1"] / y.mean())
    # The jackknife over 64 groups of what is nearly independent: its error is known to a tenth.
    assert (found.high - found.estimate) / 2 == pytest.approx(fit.bse["x1"] / y.mean(), rel=0.35)
    assert np.isnan(personal_send_time.estimate_slope(rows.assign(x=0.0, xx=0.0, xy=0.0)).estimate)


def test_x_has_mean_zero_and_is_zero_without_a_shift():
    """Over the assignment x has mean 0 for every shift, and it is 0 everywhere without a shift."""
    share = np.array([0.5, 0.3, 0.2])
    x = personal_send_time.contrasts(np.array([0.04, 0.1, 0.07]), np.array([9.5, 12.0, 18.5]), share)
    assert x @ share == pytest.approx(np.zeros(len(personal_send_time.BINS)))
    assert x[personal_send_time.MOST_STEPS] == pytest.approx(np.zeros(3))
    assert x[-1, 1] < 0 < x[0, 0]  # late customers respond better late, early ones early


@pytest.mark.parametrize(
    ("given", "text", "basis"),
    [
        ({"heeded": False}, "shows no gain in clicks at customers’ own hours", "segment"),
        ({"tested": False}, "no test of hours shows", "all"),
    ],
)
def test_activity_alone_does_not_lead_to_own_hours(make_source, open_source, tmp_path, given, text, basis):
    shop, personal = persons_of(make_source, open_source, **given)
    assert personal.overall.low > 0
    assert not personal.slope.low > 0
    assert not personal.used
    shop.write(customer_send_hours(shop, personal, "rfm_group"), tmp_path / "hours.parquet")
    assert set(pd.read_parquet(tmp_path / "hours.parquet")["basis"]) == {basis}
    assert text in timing_tables.personal_table(personal).markup


def test_dates_without_times_tell_nobody_s_hours(make_source, open_source):
    tables = people_with_habits(n=300)
    tables["visits"] = re.sub(r" \d\d:\d\d:\d\d", "", tables["visits"])
    tables["messages"] = re.sub(r" \d\d:\d\d:\d\d$", "", tables["messages"], flags=re.MULTILINE)  # the clicks
    orders = re.sub(r" \d\d:\d\d:\d\d", "", orders_before(300))
    shop = open_source(make_source(orders=orders, **tables))
    personal = personal_send_time.analyse_personal_send_times(shop, study.analyse(shop), "rfm_group")
    assert personal.people.empty
    assert not personal.used
    assert personal.held_out.empty
