"""KPIs of customers' months against plain computations."""

import numpy as np
import pandas as pd
import pytest

from smsroi_helpers import effectiveness
from smsroi_helpers.effectiveness.activity import count_activity, estimate_activity
from smsroi_helpers.effectiveness.counts import Known
from tests.machine import PUBLIC_DATA

RETAIL = PUBLIC_DATA / "online_retail_ii_y1" / "online_retail_II_2009_2010.csv.gz"


def monthly(rows, kpi):
    return rows[(rows["dimension"] == "month") & (rows["kpi"] == kpi)].set_index("value")["estimate"]


@pytest.mark.public_data
def test_repurchase_and_revenue_of_online_retail_by_month(open_public):
    shop = open_public("online_retail", "2010-12-09")
    found = effectiveness.analyse(shop, log_months=13)
    lines = pd.read_csv(RETAIL, dtype=str)
    lines = lines[lines["Customer ID"].notna()]
    lines["amount"] = lines["Quantity"].astype(float) * lines["Price"].astype(float)
    lines["day"] = pd.to_datetime(lines["InvoiceDate"]).dt.normalize()
    cancelled = lines["Invoice"].str.startswith("C")
    lines = lines[(lines["Price"].astype(float) > 0) & ((lines["Quantity"].astype(float) < 0) == cancelled)]
    lines = lines[lines["day"] <= "2010-12-09"]
    bought = lines[~lines["Invoice"].str.startswith("C")][["Customer ID", "day"]].drop_duplicates()
    bought = bought.sort_values(["Customer ID", "day"])
    bought["next"] = bought.groupby("Customer ID")["day"].shift(-1)
    bought["month"] = bought["day"].dt.strftime("%Y-%m")
    by_customer = bought.groupby(["month", "Customer ID"]).agg(
        first=("day", "min"), following=("next", "min"), days=("day", "size")
    )
    by_customer["again"] = by_customer["following"] <= by_customer["first"] + pd.Timedelta(days=90)
    months = by_customer.groupby("month")
    assert monthly(found.kpis, "repurchase_rate").to_dict() == pytest.approx(
        months["again"].mean()[:"2010-08"].to_dict()  # 90 days after September the log has ended
    )
    revenue = lines.groupby(lines["day"].dt.strftime("%Y-%m"))["amount"].sum() / months.size()
    assert monthly(found.kpis, "arpu").to_dict() == pytest.approx(revenue.to_dict())
    length = (
        months.size().index.to_series().map(lambda month: 9 if month == "2010-12" else pd.Period(month).days_in_month)
    )
    daily = months["days"].sum() / length / months.size()
    assert monthly(found.kpis, "dau_mau").to_dict() == pytest.approx(daily.to_dict())
    assert found.comparisons == ()
    (decision,) = effectiveness.decide(found)
    assert decision.outcome == "not_enough_evidence"
    assert "The source has no messages" in decision.caveat


def test_the_promoter_score_counts_the_last_answer_of_a_month(read_once):
    answers = [("a", "02-01", 10), ("a", "02-20", 3), ("b", "02-03", 9), ("c", "02-04", 8), ("c", "03-04", 10)]
    shop = read_once(
        orders="order_id,customer_id,ordered_at,amount\n1,a,2024-01-05 10:00,10\n2,b,2024-03-30 10:00,10\n",
        feedback="customer_id,responded_at,score\n" + "".join(f"{w},2024-{d} 10:00,{s}\n" for w, d, s in answers),
    )
    rows = estimate_activity(count_activity(shop, segment_by="recency"), Known.of(shop))
    assert monthly(rows, "nps").to_dict() == {"2024-02": 0.0, "2024-03": 1.0}  # a detractor and a promoter of three


def test_the_acquisition_cost_is_the_mean_of_those_who_joined(read_once):
    shop = read_once(
        orders="order_id,customer_id,ordered_at,amount\n1,a,2024-01-05 10:00,10\n2,b,2024-03-30 10:00,10\n",
        customers="customer_id,joined_at,acquisition_cost\na,2024-01-05,4\nb,2024-01-06,8\nc,2024-02-06,5\nd,2024-01-07,\n",
    )
    rows = estimate_activity(count_activity(shop, segment_by="recency"), Known.of(shop))
    assert monthly(rows, "cac").to_dict() == {"2024-01": 6.0, "2024-02": 5.0}


def test_what_is_not_recorded_has_no_number(read_once):
    shop = read_once(orders="order_id,customer_id,ordered_at,amount\n1,a,2024-01-05 10:00,10\n2,b,2024-03-30 10:00,9\n")
    rows = estimate_activity(count_activity(shop, segment_by="recency"), Known.of(shop))
    assert set(rows["kpi"]) == {"dau_mau", "arpu"}  # no month has been followed for 90 days
    assert (rows["low"].isna() | (rows["low"] < rows["high"])).all()
    assert np.isfinite(rows["estimate"]).all()


def test_the_repurchase_rate_is_that_of_a_constant_shop_whatever_the_age_of_the_log(read_once):
    """Purchases at random at a constant rate, in a log that begins in the middle of it: every month has one rate.

    Counted as in plain Python: of the buyers of a month, who bought again within 90 days of their first day in it.
    """
    rng = np.random.default_rng(4)
    start, as_of = pd.Timestamp("2023-01-01"), pd.Timestamp("2023-12-31")
    made = pd.DataFrame({"who": rng.integers(0, 1_200, 4_800), "at": rng.integers(0, 365, 4_800)}).drop_duplicates()
    made["day"] = start + pd.to_timedelta(made["at"], unit="D")
    lines = (f"{i},c{x.who},{x.day:%Y-%m-%d} 12:00,10\n" for i, x in enumerate(made.itertuples()))
    shop = read_once(orders="order_id,customer_id,ordered_at,amount\n" + "".join(lines), as_of="2023-12-31")
    rows = estimate_activity(count_activity(shop, segment_by="recency"), Known.of(shop))
    expected = {}
    for month in pd.period_range("2023-01", "2023-09", freq="M"):
        own = made[made["day"].dt.to_period("M") == month].groupby("who")["day"].min()
        again = [
            ((made["who"] == who) & (made["day"] > day) & (made["day"] <= day + pd.Timedelta(days=90))).any()
            for who, day in own.items()
        ]
        if month.end_time.normalize() + pd.Timedelta(days=90) <= as_of:
            expected[str(month)] = np.mean(again)
    assert list(expected) == [f"2023-0{month}" for month in range(1, 10)]
    assert monthly(rows, "repurchase_rate").to_dict() == pytest.approx(expected)
    assert max(expected.values()) - min(expected.values()) < 0.15
    segments = rows[(rows["dimension"] == "segment") & (rows["kpi"] == "repurchase_rate")]
    assert len(segments) > 1
    assert ((segments["estimate"] < 0.9) & (segments["estimate"] > 0.4)).all()
