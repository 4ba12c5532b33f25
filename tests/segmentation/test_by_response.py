"""Which grouping is chosen: where one separates reactions, where none does, and without a test."""

import datetime as dt

import numpy as np
import pytest

from smsroi_helpers.segmentation import by_response, membership, resolution, response_tables
from smsroi_helpers.segmentation.past_clicks import NEVER_TEXTED, find_past_clicks
from smsroi_helpers.segmentation.response_gain import ResponseCells
from smsroi_helpers.segmentation.response_rule import ResponseRule
from smsroi_helpers.segmentation.response_tree import Split
from tests.segmentation.samples import HEAD


def singles(rng, best_by_level, n=6000):
    """A test of three arms by RFM group (that says nothing of it) and by member level."""
    rfm, level, arm, fold = (rng.integers(0, size, n) for size in (5, 4, 3, 64))
    outcome = rng.normal(0, 1, n) + 0.5 * rfm + 0.5 * (arm == np.asarray(best_by_level)[level])
    found = {}
    for name, by, size in (("rfm_group", rfm, 5), ("attr_level", level, 4)):
        sums = [np.zeros((size, 3, 64)) for _ in range(3)]
        for part, value in zip(sums, (np.ones(n), outcome, outcome**2), strict=True):
            np.add.at(part, (by, arm, fold), value)
        found[name] = [ResponseCells("t", "timing", ("a", "b", "c"), 1.0, *sums)]
    return found


class TestChoice:
    def test_the_column_whose_groups_react_differently_is_chosen(self):
        candidates, chosen, reason, _rule = by_response.choose_on_cells(singles(np.random.default_rng(1), [0, 0, 2, 2]))
        assert (chosen, reason) == ("attr_level", "separates")
        rfm, level = candidates
        assert rfm.adjusted_p > 0.05 > level.adjusted_p
        # right for all instead of for half of the customers
        assert level.gain.estimate == pytest.approx(0.25, abs=3 * level.gain.error)
        choice = by_response.ResponseChoice(candidates, chosen, reason, TestRule.RULE, "clicks", ("t",), 6000)
        assert choice.clearly_better
        again = by_response.from_text(by_response.to_text(choice))
        assert again.clearly_better
        assert (again.rule, again.tests, again.unit) == (TestRule.RULE, ("t",), "clicks")
        assert [one.gain.parts.tolist() for one in again.candidates] == [
            rfm.gain.parts.tolist(),
            level.gain.parts.tolist(),
        ]

    def test_where_all_react_alike_it_is_rfm(self):
        """At most about one in twenty finds a difference; of 40 at most 6 with probability .995."""
        rng = np.random.default_rng(2)
        found = [by_response.choose_on_cells(singles(rng, [1, 1, 1, 1]))[1:3] for _ in range(40)]
        assert sum(reason == "separates" for _name, reason in found) <= 6
        assert all(name == "rfm_group" for name, reason in found if reason != "separates")

    def test_without_a_test_it_is_rfm(self, make_source, open_source):
        shop = open_source(make_source(orders=HEAD + "1,a,2024-01-05,5\n2,b,2024-01-06,5\n"))
        choice = by_response.choose_by_response(shop)
        assert (choice.chosen, choice.reason) == ("rfm_group", "no_test")
        assert by_response.choose_by_response(shop) is choice
        assert resolution.resolve(shop, "response").name == "rfm_group"
        assert "RFM groups are used" in str(response_tables.response_note(choice).markup)
        assert "RFM groups are used" in str(response_tables.groups_note(shop, "response").markup)
        assert response_tables.groups_note(shop, "rfm_group") is None
        table = membership.customer_segments(shop, membership.find_grouping(shop), resolution.groups_by_response(shop))
        assert table.execute()["response_group"].isna().all()


class TestRule:
    RULE = ResponseRule(
        ("attr_member_level", "past_clicks"),
        (Split(0, 0, frozenset({0})), Split(1, 1, frozenset({1, 2}))),
        (("basic", "plus"), ("no texts yet", "often", "sometimes")),
    )
    """basic; others who clicked; others: never texted, or with few clicks, which no test had."""

    def test_names_are_the_levels_after_their_column_of_customers(self):
        assert self.RULE.names == (
            "attr_member_level: basic",
            "attr_member_level: plus · often / sometimes",
            "attr_member_level: plus · no texts yet",
        )

    def test_everybody_is_in_one_group_and_new_levels_go_with_those_who_leave(self, company):
        shop, _found, _source = company
        level = shop.customers.select("customer_id", "attr_member_level").execute().set_index("customer_id")
        rule = ResponseRule(
            self.RULE.columns, self.RULE.splits,
            ((level["attr_member_level"].min(), "none has this"), ("no texts yet", "often", "sometimes")),
        )  # fmt: skip
        labels = by_response.labels_of(shop, rule.columns)
        one = membership.Segmentation(shop, "response", rule=rule, parts=labels)
        day = shop.as_of - dt.timedelta(days=91)
        found = one.at(day).execute().set_index("customer_id")["segment"]
        clicks = labels[1](membership.known_people(shop, day), day).execute().set_index("customer_id")["segment"]
        first = level["attr_member_level"].reindex(found.index) == level["attr_member_level"].min()
        clicks = clicks.reindex(found.index)
        assert (found[first] == rule.names[0]).all()
        assert (found[~first & clicks.isin(["often", "sometimes"])] == rule.names[1]).all()
        assert (found[~first & clicks.isin(["rarely", NEVER_TEXTED])] == rule.names[2]).all()
        assert one.dated
        assert clicks.nunique() >= 3

    def test_the_group_stands_beside_the_others_in_the_table(self, company):
        shop, found, _source = company
        labels = by_response.labels_of(shop, ("attr_member_level", "past_clicks"))
        rule = ResponseRule(("attr_member_level", "past_clicks"), self.RULE.splits, self.RULE.levels)
        one = membership.Segmentation(shop, "response", rule=rule, parts=labels)
        table = membership.customer_segments(shop, found, one).execute().set_index("customer_id")
        assert set(table["response_group"]) <= set(rule.names)
        assert (
            table["response_group"]
            .sort_index()
            .equals(one.at().execute().set_index("customer_id")["segment"].sort_index().rename("response_group"))
        )

    def test_clusters_are_a_candidate(self, company):
        """Also where they are not accepted: then they are none."""
        shop, found, _source = company
        names = {one.name for one in by_response.choose_by_response(shop).candidates}
        assert {"rfm_group", "attr_member_level", "past_clicks"} <= names
        assert ("cluster" in names) == (found.clusters is not None)

    def test_thirds_by_clicks_are_about_equal(self, company):
        shop = company[0]
        past = find_past_clicks(shop)[0]
        sizes = past.label(shop.customers).execute()["segment"].value_counts()
        texted = sizes.drop(NEVER_TEXTED, errors="ignore")
        assert texted.max() < 2 * texted.min()
