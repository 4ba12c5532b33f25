"""Who moved between segments, and how far customers have come."""

import datetime as dt
import math

import pandas as pd
import pytest

from smsroi_helpers import pages
from smsroi_helpers.segmentation import cutoffs, membership, migration, migration_figures, resolution, tables
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
        pages.use_names(segment_by="region")
        stages = table.reset_index().assign(before="repeat", now="loyalty")
        shown = tables.moves_table(stages, "USD", "lifecycle_stage").markup
        assert "bought again" in shown
        assert "loyalty" not in shown

    @pytest.mark.parametrize("customers", [9, 10])
    def test_segments_of_few_people_are_not_compared_with_earlier(self, make_source, open_source, customers):
        """Who buys in each of four periods of ten days stays; a share of fewer than ten would tell on single people."""
        first = dt.date(2024, 1, 1)
        lines = [
            f"{i}-{d},c{i},{first + dt.timedelta(days=d)},7" for i in range(customers) for d in (5, 15, 25, 35)
        ]  # fmt: skip
        shop = open_source(make_source(orders=HEAD + "\n".join(lines) + "\n"), as_of="2024-02-09")
        found = membership.Grouping(cutoffs.Cuts(10, 1000, 6, 6), None, None, None)
        (row,) = migration.count_moves(shop, found, "rfm_group", 10).itertuples()
        assert (row.customers, row.from_customers, row.share) == (customers, customers, 1)
        assert math.isnan(row.adjusted_p) == math.isnan(row.change) == (customers < 10)

    def test_shares_are_those_of_the_customers_and_unknown_where_there_are_none(self):
        names = ["before", "now", "customers", "adjusted_p", "possible"]
        rows = [["gold", "gold", 6, 0.5, True], ["gold", "lost", 2, 0.04, True], ["new", "lost", 8, math.nan, True],
                ["gold", "dormant", 4, 0.001, False]]  # fmt: skip
        moves = pd.DataFrame(rows, columns=names)
        assert migration.share_who_stayed(moves) == 6 / 8  # the dormant could not have been there
        assert migration.count_differing(moves) == (1, 2)
        shared = migration.share_of_all(moves)
        assert shared["of_all"].tolist() == [0.3, 0.1, 0.4, 0.2]
        assert shared["before_share"].tolist() == pytest.approx([0.6, 0.6, 0.4, 0.6])
        assert shared["now_share"].tolist() == pytest.approx([0.3, 0.5, 0.5, 0.2])
        for nobody in (moves.head(0), moves[moves["before"] == "new"]):
            assert math.isnan(migration.share_who_stayed(nobody))
            assert migration_figures.moves(nobody).get_title(loc="left") == "– of customers are where they were"

    def test_movements_of_a_steady_company_are_seldom_more_than_noise(self, company):
        shop, found, _source = company
        table = migration.count_moves(shop, found, "rfm_group", 91)
        assert table["customers"].sum() == CUSTOMERS
        assert table.groupby("before")["share"].sum().to_numpy() == pytest.approx(1)
        columns = resolution.segments(shop, "attr_favourite")
        assert columns.count().execute() == CUSTOMERS
        assert migration.count_moves(shop, found, "attr_favourite", 91).empty

    def test_nobody_moves_to_where_nobody_could_have_been(self, make_source, open_source):
        """Fifty buyers in a log of 100 days, lost after 60: at the beginning, after 50 days, nobody could be lost."""
        first = dt.date(2024, 1, 1)
        bought = {f"a{i}": (i % 30,) for i in range(50)} | {f"b{i}": (i % 30, 99 - i % 9) for i in range(20)}
        lines = [f"{c}-{d},{c},{first + dt.timedelta(days=d)},5" for c, days in bought.items() for d in days]
        shop = open_source(make_source(orders=HEAD + "\n".join(lines) + "\n"), as_of="2024-04-09")
        found = membership.Grouping(cutoffs.Cuts(30, 60, 6, 6), None, None, None)
        table = migration.count_moves(shop, found, "rfm_group", 50)
        lost = table[table["now"] == "lost"]
        # Bought on day d and never again: 99 − d + 1 > 60 days ago at the end for all 50.
        assert lost["customers"].sum() == sum(100 - d > 60 for days in bought.values() for d in days[-1:])
        assert not lost["possible"].any()
        assert table.loc[table["now"] != "lost", "possible"].all()
        assert lost[["earlier", "change", "adjusted_p"]].isna().all(axis=None)
        page = tables.moves_table(table, "USD").markup
        assert "no movement: the log was too short before for anybody to be lost" in page
        # Nobody else moved away from where they were, so whoever could be compared stayed or came back.
        shown = migration_figures.moves_figure(table, "rfm_group", 50).markup
        assert "too short for anybody to be lost" in shown
        assert " to lost" not in shown
        drawn = table[table["customers"] >= 10]
        assert f"Shares are of all {drawn['customers'].sum()} customers drawn, whether they have bought" in shown
        # With the cut-off that the log could reach by then, the same customers move.
        sooner = membership.Grouping(cutoffs.Cuts(30, 45, 6, 6), None, None, None)
        assert migration.count_moves(shop, sooner, "rfm_group", 50)["possible"].all()
