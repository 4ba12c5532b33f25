"""Who moved between segments, and how far customers have come."""

import datetime as dt

import pytest

from smsroi_helpers.segmentation import cutoffs, membership, migration
from tests.segmentation.samples import CUSTOMERS, HEAD


class TestMoves:
    def test_they_are_counted_as_by_hand(self, make_source, open_source):
        """Four periods of ten days: who bought in which, and so was recent at its end."""
        bought = {"a": (5, 15, 25, 35), "b": (25,), "c": (5, 35), "d": (15,), "e": (35,)}
        first = dt.date(2024, 1, 1)
        lines = [
            f"{c}{d},{c},{first + dt.timedelta(days=d)},{7 * (1 + d // 10)}" for c, days in bought.items() for d in days
        ]
        shop = open_source(make_source(orders=HEAD + "\n".join(lines) + "\n"), as_of="2024-02-09")
        found = membership.Grouping(cutoffs.Cuts(10, 1000, 6, 6), None, None, None)
        table = migration.count_moves(shop, found, "rfm_group", 10).set_index(["before", "now"])
        assert table["customers"].to_dict() == {
            ("growth", "growth"): 1, ("growth", "dormant"): 1, ("dormant", "growth"): 1, ("dormant", "dormant"): 1,
            ("new", "growth"): 1,
        }  # fmt: skip
        assert table.loc[("growth", "dormant"), "money"] == -21  # b spent 21 in the period before and nothing in this
        assert table.loc[("growth", "growth"), "money"] == 28 - 21
        assert table.loc[("growth", "growth"), "share"] == 0.5

    def test_movements_of_a_steady_company_are_seldom_more_than_noise(self, company):
        shop, found, _source = company
        table = migration.count_moves(shop, found, "rfm_group", 91)
        assert table["customers"].sum() == CUSTOMERS
        assert table.groupby("before")["share"].sum().to_numpy() == pytest.approx(1)
        columns = membership.segments(shop, "attr_favourite")
        assert columns.count().execute() == CUSTOMERS
        assert migration.count_moves(shop, found, "attr_favourite", 91).empty
