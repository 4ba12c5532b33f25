"""Holidays, and their response compared with ordinary days."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from smsroi_helpers.statistics.jackknife import GROUPS
from smsroi_helpers.timing import holidays


class TestSpecialDays:
    def test_china_moves_working_days(self):
        days = holidays.kind_of_days("CN", dt.date(2026, 1, 1), dt.date(2026, 12, 31))
        moved = {day for day, kind in days.items() if kind == "shifted"}
        assert moved
        assert all(day.weekday() >= 5 for day in moved)
        assert days[dt.date(2026, 10, 1)] == "holiday"
        assert holidays.kind_of_days("", dt.date(2026, 1, 1), dt.date(2026, 12, 31)) == {}

    def test_the_ratio_is_not_confounded_by_months(self):
        def rows(month, kind, messages, clicks):
            return pd.DataFrame({"territory": "US", "kind": kind, "month": month, "weekday": 3,
                                 "group": np.arange(GROUPS), "messages": messages, "clicks": clicks})  # fmt: skip

        one = pd.concat(
            rows(f"2026-0{month}", kind, m, k)
            for month in range(1, 6)
            for kind, m, k in (("", 100, 10), ("holiday", 10, 2))
        )
        assert holidays.compare_days(one)["ratio"].tolist() == pytest.approx([2.0])
        # December is twice as good on all its days, and has more holidays: the ratio stays 1.
        two = pd.concat([
            *(rows(f"2026-0{month}", "", 100, 10) for month in range(1, 6)),
            *(rows(f"2026-0{month}", "holiday", 10, 1) for month in range(1, 6)),
            rows("2026-12", "", 50, 10), rows("2026-12", "holiday", 40, 8),
        ])  # fmt: skip
        assert holidays.compare_days(two)["ratio"].tolist() == pytest.approx([1.0])

    def test_few_responses_or_few_days_have_no_ratio(self):
        for months, responses in ((6, 3), (4, 30)):  # 18 responses on six days; 120 on four
            rows = pd.concat(
                pd.DataFrame({"territory": "US", "kind": ["", "holiday"], "month": f"2026-0{month}", "weekday": 3,
                              "group": [0, 1], "messages": [1_000, 100], "clicks": [100, responses]})
                for month in range(1, months + 1)
            )  # fmt: skip
            assert holidays.compare_days(rows)["ratio"].isna().all()
