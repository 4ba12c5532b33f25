"""Cohort triangles against the simulator's closed form, plain pandas, and counting by hand."""

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import beta

from smsroi_helpers.retention import base_audit, cohorts, counts
from smsroi_helpers.segmentation import count_funnel, find_cuts
from tests.machine import PUBLIC_DATA
from tests.retention.samples import ALPHA, START, A, B, R, buyers, orders_csv

ROOT = Path(__file__).parents[2]


def plain_triangle(days, first_month, last_month):
    """cohort, age → customers, retained, by plain pandas: months of first purchase and of purchases."""
    month = days["day"].dt.to_period("M")
    cohort = month.groupby(days["customer"]).transform("min")
    bought = days.assign(cohort=cohort, age=[m.ordinal - c.ordinal for m, c in zip(month, cohort, strict=True)])
    bought = bought.drop_duplicates(["customer", "age"])
    size = bought[bought["age"] == 0].groupby("cohort").size()
    retained = bought.groupby(["cohort", "age"]).size()
    return {
        (c.start_time.date(), age): (int(size[c]), int(retained.get((c, age), 0)))
        for c in size.index
        if c >= first_month
        for age in range(last_month.ordinal - c.ordinal + 1)
    }


def as_dict(rows):
    return {(row.cohort, row.age): (row.customers, row.retained) for row in rows.itertuples()}


def test_the_triangle_is_that_of_the_simulated_truth(read_once):
    """Of who joined at s, a share E[e^(−λp(t−s)) (1 − e^(−λL))] buys in a month of L weeks that begins at t.

    Over Gamma rates this is (α/(α + p(t − s)))^r − (α/(α + p(t − s) + L))^r, averaged over p (Beta) and s (uniform).
    """
    customer, day = buyers(1, 6_000, weeks=52, join_weeks=26)
    shop = read_once(orders=orders_csv(customer, day), as_of=str(START + dt.timedelta(days=363)))
    rows = cohorts.order_triangle(shop, 0).rows
    p = beta.ppf((np.arange(400) + 0.5) / 400, A, B)[:, None]
    z = []
    for row in rows[(rows["age"] >= 1) & (rows["customers"] >= 200)].itertuples():
        begin = pd.Period(row.cohort, "M")
        month = begin + row.age
        joins = np.arange((begin.start_time.date() - START).days, (begin.end_time.date() - START).days + 1) + 0.5
        joins = joins[joins < 26 * 7] / 7
        wait = ((month.start_time.date() - START).days / 7 - joins)[None, :]
        weeks = month.days_in_month / 7
        truth = ((ALPHA / (ALPHA + p * wait)) ** R - (ALPHA / (ALPHA + p * wait + weeks)) ** R).mean()
        z.append((row.rate - truth) / np.sqrt(truth * (1 - truth) / row.customers))
    z = np.array(z)
    assert len(z) > 30
    assert np.abs(z).max() < 4.5
    assert abs(z.mean()) < 1  # a month off, or a day too few, shifts all of them


def test_an_unfinished_month_has_no_row_and_the_first_cohorts_may_be_old(read_once):
    lines = ("1,a,2023-01-10,5", "2,a,2023-02-10,5", "3,b,2023-02-11,5", "4,a,2023-03-20,5", "5,c,2023-03-20,5")
    text = "order_id,customer_id,ordered_at,amount\n" + "\n".join(lines) + "\n"
    rows = cohorts.order_triangle(read_once(orders=text), settle_days=30).rows
    # The log begins on 10 January and ends on 20 March: only February is whole.
    assert as_dict(rows) == {(dt.date(2023, 2, 1), 0): (1, 1)}
    whole = read_once(orders=text.replace("2023-01-10", "2023-01-01"), as_of="2023-03-31")
    rows = cohorts.order_triangle(whole, settle_days=31).rows
    january, february, march = (dt.date(2023, month, 1) for month in (1, 2, 3))
    assert as_dict(rows) == {
        (january, 0): (1, 1), (january, 1): (1, 1), (january, 2): (1, 1), (february, 0): (1, 1), (february, 1): (1, 0),
        (march, 0): (1, 1),
    }  # fmt: skip
    assert set(rows.loc[~rows["settled"], "cohort"]) == {january}
    assert rows.loc[rows["age"] == 0, ["low", "high"]].isna().all(axis=None)
    assert cohorts.Triangle("orders", rows).pooled["customers"].tolist() == [2, 1]  # of the settled cohorts


def test_customers_who_joined_with_the_log_are_new(read_once):
    orders = "order_id,customer_id,ordered_at,amount\n1,a,2023-01-01,5\n2,b,2023-01-05,5\n3,a,2023-03-31,5\n"
    new = read_once(orders=orders, customers="customer_id,joined_at\na,2023-01-01\nb,2023-01-02\n")
    old = read_once(orders=orders, customers="customer_id,joined_at\na,2022-11-01\nb,2023-01-02\n")
    assert cohorts.began_with_log(new)
    assert not cohorts.began_with_log(old)
    assert not cohorts.began_with_log(read_once(orders=orders))
    assert cohorts.order_triangle(new, 90).rows["settled"].all()
    assert not cohorts.order_triangle(old, 90).rows["settled"].any()


def test_consent_is_what_is_left_at_the_end_of_each_month(read_once):
    shop = read_once(
        customers="customer_id,opted_in_at,opted_out_at\n"
        "a,2023-01-05,2023-02-10\nb,2023-01-20,\nc,2023-02-01,2023-02-02\nd,2022-12-01,2023-02-20\ne,,\n"
        "f,2023-01-25,2023-01-10\n",  # opted in again after the opt-out
        messages="message_id,customer_id,campaign_id,sent_at\n1,a,k,2023-01-01 10:00\n2,b,k,2023-03-31 10:00\n",
    )
    rows = cohorts.consent_triangle(shop).rows
    january, february = dt.date(2023, 1, 1), dt.date(2023, 2, 1)
    assert as_dict(rows) == {
        (january, 0): (3, 3), (january, 1): (3, 2), (january, 2): (3, 2), (february, 0): (1, 0), (february, 1): (1, 0),
    }  # fmt: skip
    assert not len(cohorts.consent_triangle(read_once(orders=orders_csv([1, 1], [0, 40]))).rows)


def test_cdnow_is_as_plain_pandas_counts_it(cdnow_shop):
    shop = cdnow_shop()
    days = shop.orders.select("customer_id", "ordered_at").to_pandas()
    days = pd.DataFrame({"customer": days["customer_id"], "day": days["ordered_at"]})
    days["day"] = (
        days["day"].dt.tz_localize("UTC").dt.tz_convert("America/New_York").dt.tz_localize(None).dt.normalize()
    )
    expected = plain_triangle(days.drop_duplicates(), pd.Period("1997-01"), pd.Period("1998-06"))
    assert as_dict(cohorts.order_triangle(shop, 0).rows) == expected
    assert len(expected) == 18 + 17 + 16  # the sample's customers came in the first three months


@pytest.mark.public_data
def test_online_retail_is_as_plain_pandas_counts_it(open_public):
    """Monthly trend, cohort triangle and repurchase rate of half a million real rows."""
    file = PUBLIC_DATA / "online_retail_ii_y1" / "online_retail_II_2009_2010.csv.gz"
    shop = open_public("online_retail")
    raw = pd.read_csv(file, dtype=str, encoding="utf-8")
    raw.columns = [name.replace(" ", "").lower() for name in raw.columns]
    customer = next(name for name in raw.columns if name.startswith("customer"))
    raw = raw[raw[customer].notna() & ~raw["invoice"].str.startswith("C")]
    quantity, price = raw["quantity"].astype(float), raw["price"].astype(float)
    raw = raw[(quantity > 0) & (price > 0)]
    raw["day"] = pd.to_datetime(raw["invoicedate"]).dt.normalize()
    days = raw[[customer, "day"]].rename(columns={customer: "customer"}).drop_duplicates()
    last = days["day"].max()
    expected = plain_triangle(days, pd.Period("2009-12"), pd.Period(last + pd.Timedelta(days=1), "M") - 1)
    found = cohorts.order_triangle(shop, 0).rows
    assert as_dict(found) == expected
    months = counts.count_order_months(shop)
    trend = base_audit.monthly_trend(shop, months).set_index("month")
    by_month = days.groupby(days["day"].dt.to_period("M"))
    plain = {month.start_time.date(): (own["customer"].nunique(), len(own)) for month, own in by_month}
    assert len(trend) == 12  # the thirteenth month is not over
    for month, row in trend.iterrows():
        assert (row["customers"], row["purchases"]) == plain[month]
    cuts = find_cuts(shop)
    first = days.groupby("customer")["day"].min()
    second = (
        days.sort_values(["customer", "day"])
        .groupby("customer")["day"]
        .apply(lambda own: own.iloc[1] if len(own) > 1 else pd.NaT)
    )
    old = (last - first).dt.days >= cuts.lost_after_days
    again = ((second - first).dt.days <= cuts.lost_after_days) & second.notna()
    step = count_funnel(shop, cuts).set_index("step").loc["retention"]
    assert (step["could"], step["reached"]) == (old.sum(), (old & again).sum())
