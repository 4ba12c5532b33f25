"""Counts by the profiles of several groupings at once are those of each grouping alone."""

import ibis
import numpy as np
import pandas as pd

from smsroi_helpers.send_plan.groupings import Grouping
from smsroi_helpers.send_plan.profile_counts import ProfileCounter
from tests.segmentation.samples import HEAD

CODES = pd.Series([f"c{number}" for number in range(6)])


def test_counts_of_all_groupings_are_those_of_each(make_source, open_source):
    shop = open_source(make_source(orders=HEAD + "1,a,2024-01-15,5\n"))
    rng = np.random.default_rng(1)
    groupings = [
        Grouping("all", np.zeros(6, int), np.ones((1, 1)), ("all",)),
        Grouping("halves", np.array([0, 0, 0, 1, 1, 1]), np.eye(2), ("a", "b")),
        Grouping("thirds", np.array([0, 1, 2, 0, 1, 2]), np.eye(3), ("a", "b", "c")),
    ]
    rows = pd.DataFrame({
        "code": rng.choice([*CODES, "unknown"], 500), "arm": rng.integers(0, 4, 500),
        "clicks": rng.integers(0, 3, 500), "weeks": rng.exponential(1.0, 500).round(3),
    })  # fmt: skip
    rows.loc[::7, "weeks"] = np.nan
    counter = ProfileCounter(shop, CODES, groupings)
    counted = ibis.memtable(rows)
    found = counter.count(
        counted, {"arm": counted.arm}, {"clicks": counted.clicks, "weeks": counted.weeks, "n": ibis.literal(1)}
    )
    known = rows[rows["code"] != "unknown"]
    for cells, grouping in zip(found, groupings, strict=True):
        profile = known["code"].map(dict(zip(CODES, grouping.profile, strict=True))).rename("profile")
        expected = known.assign(n=1).groupby([profile, "arm"])[["clicks", "weeks", "n"]].sum()
        pd.testing.assert_frame_equal(
            cells.set_index(["profile", "arm"])[["clicks", "weeks", "n"]], expected, check_dtype=False,
            check_index_type=False,
        )  # fmt: skip
