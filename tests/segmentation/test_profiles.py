"""What is more common in a segment, and what its customers write."""

import numpy as np
import pandas as pd

from smsroi_helpers.segmentation import cutoffs, profile_figures, profile_tables, resolution
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
        chosen = resolution.segments(shop, "rfm_group", cuts=cutoffs.Cuts(60, 300))
        portraits = segmentation_profiles.draw_portraits(shop, chosen).set_index(["segment", "value"])
        row = portraits.loc[("growth", "blue")]
        assert row["low"] < 0.5 / 0.35 < row["high"]
        assert row["low"] > 1.2
        assert portraits.loc[("dormant", "blue"), "high"] < 1
        words = profile_tables.portraits_text(
            portraits.reset_index(), pd.DataFrame({"segment": [], "customers": []})
        ).markup
        assert "colour blue" in words
        ax = profile_figures.portraits(portraits.reset_index(), ["dormant", "growth"])
        assert [tick.get_text() for tick in ax.get_yticklabels()] == ["colour blue", "colour red"]
        drawn = {(int(text.get_position()[0]), int(text.get_position()[1])): text.get_text() for text in ax.texts}
        for column, segment in enumerate(["dormant", "growth"]):
            for line, colour in enumerate(["blue", "red"]):
                assert float(drawn[column, line]) == round(portraits.loc[(segment, colour), "times"], 2)
        blue = {round(patch.get_x()): patch.get_facecolor()[:3] for patch in ax.patches if patch.get_y() == 0}
        assert blue[0] != blue[1]

    def test_what_is_not_beyond_chance_is_not_drawn(self):
        columns = ["segment", "kind", "column", "value", "people", "share", "overall", "times", "low", "high"]
        rows = [("gold", "attribute", "attr_colour", "blue", 50, 0.3, 0.29, 1.03, 0.9, 1.2)]
        things = pd.DataFrame(rows, columns=columns)
        outcomes = pd.DataFrame({"segment": ["gold"], "customers": [100]})
        assert "<svg" not in profile_figures.portraits_figure(things, outcomes).markup
        few = things.assign(low=1.1, people=9)
        assert "<svg" not in profile_figures.portraits_figure(few, outcomes).markup
        drawn = profile_figures.portraits_figure(things.assign(low=1.01), outcomes)
        assert "<svg" in drawn.markup
        assert "Of texts" not in drawn.markup
        texts = things.assign(low=1.01, kind="creative", column="creative")
        assert "Of texts" in profile_figures.portraits_figure(texts, outcomes).markup
