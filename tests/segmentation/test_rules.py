"""Groups that hold everybody once, whatever the thresholds."""

import ibis
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smsroi_helpers.segmentation import cutoffs, resolution, rules
from tests.segmentation.samples import HEAD


class TestGroups:
    @settings(max_examples=40, deadline=None)
    @given(dormant=st.integers(-5, 400), lost=st.integers(-5, 400), often=st.integers(0, 7), high=st.integers(0, 7))
    def test_everybody_is_in_exactly_one_group_whatever_the_thresholds(self, dormant, lost, often, high):
        rng = np.random.default_rng(abs(dormant) * 7 + abs(lost))
        rows = pd.DataFrame(
            {
                "recency_days": rng.integers(1, 380, 200), "frequency": rng.integers(1, 6, 200),
                "f_score": rng.integers(1, 6, 200), "m_score": rng.integers(1, 6, 200),
            }
        )  # fmt: skip
        cuts = cutoffs.Cuts(dormant, lost, often, high)
        table = ibis.memtable(rows.assign(row=range(200)))
        labelled = table.select("row", name=rules.group_of(table, cuts)).order_by("row").execute()

        def rule(r):
            if r.recency_days > lost:
                return "lost"
            if r.recency_days > dormant:
                return "dormant"
            if r.f_score >= often and r.frequency >= 2:
                return "gold" if r.m_score >= high else "value"
            return "growth"

        assert labelled["name"].tolist() == [rule(r) for r in rows.itertuples()]
        assert set(labelled["name"]) <= set(rules.BUYER_GROUPS)

    def test_who_recommends_is_an_advocate(self, make_source, open_source):
        orders = HEAD + "".join(
            f"{i},{c},2024-05-0{d},5\n"
            for i, (c, d) in enumerate([("a", 1), ("a", 2), ("b", 1), ("b", 2), ("c", 1), ("c", 2), ("d", 2)])
        )
        customers = "customer_id,referred_by\na,\nb,\nc,\nd,a\ne,\n"
        feedback = "customer_id,responded_at,score\nb,2024-04-01,10\nb,2024-05-01,3\nc,2024-04-01,2\nc,2024-05-01,9\n"
        shop = open_source(make_source(orders=orders, customers=customers, feedback=feedback))
        labelled = (
            resolution.segments(shop, "lifecycle_stage", cuts=cutoffs.Cuts(90, 180, 6, 6))
            .order_by("customer_id")
            .execute()
        )
        assert labelled["segment"].tolist() == ["advocacy", "repeat", "advocacy", "first_purchase", "awareness"]


def test_moved_cuts_move_customers_and_lose_none(company):
    shop, found, _source = company
    moved = rules.move_cuts(shop, found.cuts)
    assert set(moved[list(rules.BUYER_GROUPS)].sum(axis=1)) == {moved.loc[1, list(rules.BUYER_GROUPS)].sum()}
    assert moved["lost"].is_monotonic_decreasing
    assert len(set(moved["lost"])) == 3
    shares = rules.share_cuts(moved)
    assert shares.sum(axis=1).to_numpy() == pytest.approx(1)
    assert shares["lost"].tolist() == (moved["lost"] / moved[list(rules.BUYER_GROUPS)].sum(axis=1)).tolist()
    assert rules.share_cuts(moved.assign(**dict.fromkeys(rules.BUYER_GROUPS, 0))).isna().all(axis=None)


def test_recency_groups_divide_after_a_month_and_a_quarter(make_source, open_source):
    days = {"a": "2024-05-31", "b": "2024-05-02", "c": "2024-05-01", "d": "2024-03-03", "e": "2024-03-02"}
    lines = "".join(f"{who},{who},{day},5\n" for who, day in days.items())
    shop = open_source(make_source(orders=HEAD + lines, customers="customer_id\na\nf\n"), as_of="2024-05-31")
    labelled = resolution.segments(shop, "recency").order_by("customer_id").execute()
    # Counted to 1 June: 1, 30, 31, 90 and 91 days.
    assert labelled["segment"].tolist() == ["0-30", "0-30", "30-90", "30-90", "90+", "never"]
