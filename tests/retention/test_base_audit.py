"""The customer-base audit: identities, counting by hand, and the coverage of the shares by tenth."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from smsroi_helpers.retention import audit_figures, audit_tables, base_audit
from smsroi_helpers.statistics import GROUPS

ORDERS = """order_id,customer_id,ordered_at,amount
1,new,2023-01-20,40
2,back,2022-12-01,10
3,back,2023-01-21,30
4,more,2023-01-06,10
5,more,2023-01-16,25
6,less,2023-01-06,20
7,less,2023-01-16,5
8,left,2023-01-06,60
9,left,2023-01-25,-10
10,gone,2022-12-05,70
11,first,2022-11-01,1
12,last,2023-01-28,2
13,last,2023-01-06,1
"""


def test_two_periods_are_counted_by_hand(read_once):
    """Margin 0.5: profit is half of what was paid; a refund counts when it was paid, and is no purchase."""
    found = base_audit.compare_periods(read_once(orders=ORDERS, source="margin: 0.5\n"), 14)
    assert (found.begins, found.middle, found.ends) == tuple(dt.date(2023, 1, day) for day in (1, 15, 28))
    moves = found.moves.set_index("move")
    assert moves["customers"].to_dict() == {"new": 1, "back": 1, "more": 2, "less": 1, "left": 1}
    assert moves["moved"].to_dict() == {"new": 20.0, "back": 15.0, "more": 8.0, "less": -7.5, "left": -35.0}
    assert found.moves["moved"].sum() == pytest.approx(moves["now"].sum() - moves["before"].sum())
    assert found.kept[0] == 3 / 4
    together = found.together.set_index("move")
    assert together["moved"].to_dict() == {"back_more": 15.0 + 8.0, "back_less": 15.0 - 7.5}
    assert together["customers"].to_dict() == {"back_more": 3, "back_less": 2}
    assert base_audit.compare_periods(read_once(orders=ORDERS, source="margin: 0.5\n"), 60) is None


@pytest.mark.parametrize(("customers", "hidden"), [
    ((459, 6, 900, 800, 1_536), {"back", "less"}),
    ((459, 60, 900, 800, 1_536), set()),
    ((459, 60, 900, 800, 3), {"left", "less"}),
    ((4, 60, 90, 9, 30), {"new", "less", "more"}),
    ((459, 60, 9, 800, 1_536), {"more", "less"}),
])  # fmt: skip
def test_a_small_move_is_hidden_with_one_that_is_not_the_new_customers(customers, hidden):
    """How many bought in a period may be on the page too: no small number is that less the numbers shown."""
    of = dict(zip(base_audit.MOVES, customers, strict=True))
    found = base_audit.hide_moves(of)
    assert set(found) == hidden
    small = {move for move, few in found.items() if few}
    assert small == {move for move, n in of.items() if n < 10}
    for period in ({"new", "back", "more", "less"}, {"more", "less", "left"}):
        assert not period & small or len(period & hidden) >= 2
    if of["new"] >= 10:
        assert "new" not in found


def test_the_page_shows_new_customers_where_few_came_back():
    moves = pd.DataFrame({
        "move": base_audit.MOVES, "customers": [459, 6, 900, 800, 1_536], "before": [0.0, 0, 5_000, 7_777, 9_000],
        "now": [4_590.0, 66, 8_000, 3_000, 0], "moved": [4_590.0, 66, 3_000, -4_777, -9_000], "low": np.nan,
        "high": np.nan,
    })  # fmt: skip
    days = [dt.date(2023, 1, day) for day in (1, 15, 28)]

    class Page:
        class audit:  # noqa: N801
            periods = base_audit.TwoPeriods(*days, moves, (0.5, 0.4, 0.6))

    for shown in (audit_tables.periods_table(Page, "USD"), audit_figures.periods_figure(Page, "USD")):
        words = shown.markup
        assert "459" in words
        assert "4,590" in words
        assert "7,777" not in words
        assert "4,777" not in words
        assert "$66" not in words
        assert "Moves of fewer than 10 customers are not shown" in words


def test_too_few_who_came_back_are_shown_with_others_and_no_bar_is_blank():
    columns = {"before": 1.0, "now": 2.0, "low": np.nan, "high": np.nan}
    moves = pd.DataFrame({
        "move": base_audit.MOVES, "customers": [459, 6, 900, 800, 1_536], "moved": [1.0, 2.0, 3.0, -4.0, -5.0],
    }).assign(**columns)  # fmt: skip
    pairs = pd.DataFrame({"move": ["back_more", "back_less"], "customers": [906, 806], "moved": [5.0, -2.0]})
    days = [dt.date(2023, 1, day) for day in (1, 15, 28)]
    found = base_audit.TwoPeriods(*days, moves, (0.5, 0.4, 0.6), pairs.assign(**columns))
    shown, hidden = base_audit.shown_moves(found)
    assert shown["move"].tolist() == ["new", "more", "back_less", "left"]
    assert shown["customers"].sum() == moves["customers"].sum()
    assert hidden == {}

    class Page:
        class audit:  # noqa: N801
            periods = found

    chart = audit_figures.periods_figure(Page, "USD")
    assert all(bar.get_width() for bar in chart.axes[0].patches)
    assert len(chart.axes[0].get_yticklabels()) == 4
    assert chart.alt.startswith("Largest change: customers who left, ")
    assert "806" in chart.markup
    assert "Fewer than 10 came back" in audit_tables.periods_table(Page, "USD").markup


def test_the_shares_of_the_tenths_have_intervals_that_hold():
    """Shares of profit of lognormal customers: the truth lies in 95 % of the intervals (200 samples, 4 errors)."""
    truth = np.sort(np.random.default_rng(0).lognormal(3, 1, 400_000))[::-1].reshape(10, -1).sum(axis=1)
    truth = truth / truth.sum()
    inside = np.zeros(10)
    for seed in range(200):
        rng = np.random.default_rng(seed + 1)
        profit = np.sort(rng.lognormal(3, 1, 2_000))[::-1]
        tenth, group = np.repeat(np.arange(10), 200), rng.integers(0, GROUPS, 2_000)
        sums = np.zeros((2, 10, GROUPS))
        np.add.at(sums[0], (tenth, group), 1)
        np.add.at(sums[1], (tenth, group), profit)
        share, low, high = base_audit.tenth_shares(sums[0], sums[1], profit.reshape(10, -1).min(axis=1))
        assert share.sum() == pytest.approx(1)
        inside += (low <= truth) & (truth <= high)
    # The most valuable tenth has a heavy tail: linear intervals are a little short there.
    assert (inside / 200 >= 0.95 - 4 * np.sqrt(0.95 * 0.05 / 200)).all()


def test_cohorts_at_equal_age_count_the_same_days_of_each_customer(read_once):
    """Thirty customers a month who all come back after ten days, and bring less in February."""
    lines, number = ["order_id,customer_id,ordered_at,amount"], 0
    for month, amount in ((1, 20), (2, 10)):
        for i in range(30):
            for day, paid in ((1 + i % 5, amount), (11 + i % 5, 2 * amount)):
                number += 1
                lines.append(f"{number},m{month}c{i},2023-0{month}-{day:02},{paid}")
    lines.append("last,z,2023-06-01,1")
    shop = read_once(orders="\n".join(lines) + "\n", source="margin: 0.5\n")
    early = base_audit.compare_ages(shop, 9, dt.date(2023, 2, 1))
    assert early["profit"].tolist() == [10.0, 5.0]
    assert early["again"].tolist() == [0.0, 0.0]
    assert early["settled"].tolist() == [False, True]
    late = base_audit.compare_ages(shop, 28, dt.date(2023, 1, 1))
    assert late["profit"].tolist() == [30.0, 15.0]
    assert late["again"].tolist() == [1.0, 1.0]
    months = base_audit.monthly_trend(shop, base_audit.count_order_months(shop)).set_index("month")
    assert months.loc[dt.date(2023, 1, 1), ["customers", "new", "purchases", "profit"]].tolist() == [30, 30, 60, 900.0]
    assert months["customers"].tolist() == [30, 30, 0, 0, 0]  # June is not over
    followed = base_audit.follow_cohort(shop, base_audit.count_order_months(shop), dt.date(2023, 2, 1))
    assert followed["cohort"].unique().tolist() == [dt.date(2023, 2, 1)]
    assert followed["buyers"].tolist() == [30, 0, 0, 0]
