"""Where dormant and lost begin."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from smsroi_helpers.errors import UsageError
from smsroi_helpers.segmentation import cutoffs
from smsroi_helpers.source.settings import SegmentSettings
from smsroi_helpers.statistics.jackknife import GROUPS
from tests.segmentation.samples import HEAD


class TestCuts:
    def test_they_are_those_worked_out_by_hand(self, make_source, open_source):
        """200 customers with gaps of 1 … 40 days, five each, who all bought again on the last day.

        Each purchase weighs a half. On day 1 a weight of 200 is waited for and 2.5 returns; then the 100 of the last
        purchases have been waited for no longer, and of the others 100 − 2.5 d are left after day d. So the share not
        yet returned is .9875 (100 − 2.5 d) / 97.5, to day 29, the last on which 30 are waited for: .2785. Of the
        returns .7215 until then, 75 % are reached on day 22 (.4304 left) and 95 % on day 28 (.3038 left).
        """
        at = dt.date(2024, 12, 31)
        lines = []
        for i in range(200):
            lines += [f"{i}a,c{i},{at - dt.timedelta(days=1 + i % 40)},5", f"{i}b,c{i},{at},5"]
        shop = open_source(make_source(orders=HEAD + "\n".join(lines) + "\n"))
        cuts = cutoffs.find_cuts(shop)
        assert (cuts.dormant_after_days, cuts.lost_after_days, cuts.gaps) == (22, 28, 200)

    def test_a_longer_share_cuts_later_and_given_days_are_kept(self, company, monkeypatch):
        shop, found, _source = company
        later = cutoffs.find_cuts(shop, dormant_share=0.85)
        assert later.dormant_after_days > found.cuts.dormant_after_days
        segments = SegmentSettings(dormant_after_days=33, lost_after_days=77, frequent_score=3, high_score=4)
        monkeypatch.setattr(shop, "settings", shop.settings.model_copy(update={"segments": segments}))
        given = cutoffs.find_cuts(shop)
        assert (given.dormant_after_days, given.lost_after_days) == (33, 77)
        assert (given.frequent_score, given.high_score) == (3, 4)
        with pytest.raises(UsageError, match="the first the smaller"):
            cutoffs.find_cuts(shop, dormant_share=0.9, lost_share=0.8)

    def test_returns_after_a_silence_are_shares_where_nobody_is_still_waited_for(self):
        rng = np.random.default_rng(2)
        gaps = pd.DataFrame(
            {"group": rng.integers(0, GROUPS, 4000), "days": rng.integers(1, 100, 4000), "returned": 1, "silent": 0}
        )
        found = cutoffs.return_shares(gaps, [20, 50], 30).set_index("after_days")
        for after in (20, 50):
            silent = gaps["days"] > after
            assert found.loc[after, "share"] == pytest.approx((gaps.loc[silent, "days"] <= after + 30).mean())
            assert found.loc[after, "low"] < found.loc[after, "share"] < found.loc[after, "high"]
