"""Purchase histories against those counted by hand."""

import datetime as dt

import numpy as np
import pytest

from smsroi_helpers.measures.purchases import purchase_history


def by_hand(orders, until, last):
    """Customer → (first day, frequency, recency, T, repeat spend, later purchases), one customer at a time."""
    result = {}
    for customer in {row[0] for row in orders}:
        days = {}
        for owner, at, amount in orders:
            if owner == customer and amount >= 0 and at.date() <= last:
                days[at.date()] = days.get(at.date(), 0) + amount
        seen = sorted(day for day in days if day <= until)
        if seen:
            first = seen[0]
            result[customer] = (
                first, len(seen) - 1, (seen[-1] - first).days, (until - first).days,
                round(sum(days[day] for day in seen[1:]), 6), sum(day > until for day in days),
            )  # fmt: skip
    return result


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("until", ["2024-01-31", "2024-02-20"])
def test_histories_are_those_counted_by_hand(read_once, seed, until):
    rng = np.random.default_rng(seed)
    start = dt.datetime(2024, 1, 1)
    orders = [
        (
            f"c{rng.integers(12)}",
            start + dt.timedelta(hours=int(rng.integers(24 * 60))),
            round(float(rng.normal(20, 15)), 2),
        )
        for _ in range(80)
    ]
    lines = [f"{i},{customer},{at:%Y-%m-%d %H:%M:%S},{amount}" for i, (customer, at, amount) in enumerate(orders)]
    shop = read_once(orders="order_id,customer_id,ordered_at,amount\n" + "\n".join(lines) + "\n", as_of="2024-02-20")
    day = dt.date.fromisoformat(until)
    counted = purchase_history(shop, until=day).execute()
    seen = {
        row.customer_id: (
            row.first_day.date() if hasattr(row.first_day, "date") else row.first_day,
            row.frequency, row.recency_days, row.T_days, round(row.repeat_spend, 6), row.later_purchases,
        )
        for row in counted.itertuples()
    }  # fmt: skip
    assert seen == by_hand(orders, day, dt.date(2024, 2, 20))


def test_without_a_day_the_last_one_observed_counts(make_source, open_source):
    orders = "order_id,customer_id,ordered_at,amount\n1,a,2024-01-01,5\n2,a,2024-01-01 18:00:00,6\n3,a,2024-01-09,7\n"
    row = purchase_history(open_source(make_source(orders=orders), as_of="2024-01-15")).execute().iloc[0]
    assert (row["frequency"], row["recency_days"], row["T_days"]) == (1, 8, 14)
    assert (row["repeat_spend"], row["later_purchases"]) == (7.0, 0)
