"""What is more common in a segment, and what its customers write."""

import numpy as np
import pandas as pd

from smsroi_helpers.segmentation import cutoffs, membership, profile_tables
from smsroi_helpers.segmentation import profiles as segmentation_profiles
from tests.segmentation.samples import HEAD


class TestPortraits:
    def test_what_is_more_common_is_told_with_an_interval_that_holds(self, make_source, open_source):
        """Of those who bought lately half like blue, of the others a fifth: .35 among all."""
        rng = np.random.default_rng(2)
        orders, people = [], []
        for i in range(4000):
            recent = i % 2
            orders.append(f"{i},c{i},2024-{6 if recent else 1:02}-{1 + i % 28:02},5")
            people.append(f"c{i},{'blue' if rng.random() < (0.5 if recent else 0.2) else 'red'}")
        shop = open_source(
            make_source(
                orders=HEAD + "\n".join(orders) + "\n", customers="customer_id,attr_colour\n" + "\n".join(people) + "\n"
            )
        )
        chosen = membership.segments(shop, "rfm_group", cuts=cutoffs.Cuts(60, 300))
        portraits = segmentation_profiles.draw_portraits(shop, chosen).set_index(["segment", "value"])
        row = portraits.loc[("growth", "blue")]
        assert row["low"] < 0.5 / 0.35 < row["high"]
        assert row["low"] > 1.2
        assert portraits.loc[("dormant", "blue"), "high"] < 1
        words = profile_tables.portraits_text(
            portraits.reset_index(), pd.DataFrame({"segment": [], "customers": []})
        ).markup
        assert "colour blue" in words

    def test_terms_are_words_and_pairs_of_chinese_signs(self):
        assert segmentation_profiles._terms("The delivery took two weeks, 发货慢。") == {
            "delivery",
            "took",
            "weeks",
            "发货",
            "货慢",
        }
