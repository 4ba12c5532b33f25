"""Counts of the arms, and the weeks of the log that observational estimates use."""

import datetime as dt

import pandas as pd
import pytest

from smsroi_helpers.frequency.counts import count_arms, find_log_weeks
from smsroi_helpers.segmentation.cutoffs import find_cuts
from tests.frequency.samples import START, WEEKS, source


def test_what_is_counted_of_the_arms(study_of):
    rows, arm = source()
    shop, study = study_of()
    cells = count_arms(shop, study.experiment, "rfm_group", "sms", find_cuts(shop))
    end = START + dt.timedelta(weeks=WEEKS)
    mine = [row for row in rows["messages"] if row["customer_id"] in arm and START <= row["sent_at"] < end]
    left = {}
    for row in mine:
        if row["opted_out_at"] and row["opted_out_at"] < end:
            left[row["customer_id"]] = row["opted_out_at"]
    counted = cells.groupby("arm")[["n", "messages", "clicks", "raw_clicks", "opt_outs", "weeks"]].sum()
    for name in set(arm.values()):
        own = [row for row in mine if arm[row["customer_id"]] == name]
        clicked = [row for row in own if row["clicked_at"] and row["clicked_at"] < end]
        slow = [row for row in clicked if (row["clicked_at"] - row["delivered_at"]).total_seconds() >= 5]
        people = [member for member in arm if arm[member] == name]
        weeks = sum((left.get(member, end) - START).total_seconds() / 604_800 for member in people)
        row = counted.loc[name]
        assert row[["n", "messages", "raw_clicks", "clicks", "opt_outs"]].tolist() == [
            len(people), len(own), len(clicked), len(slow), sum(member in left for member in people),
        ]  # fmt: skip
        assert row["weeks"] == pytest.approx(weeks, abs=1e-3)


def test_landmarks_have_their_whole_outcome_and_start_with_the_log(study_of):
    shop, study = study_of()
    log_weeks = find_log_weeks(shop, 20)
    weeks = study.logs.weeks
    assert log_weeks.end == dt.date(2024, 7, 1)
    assert log_weeks.plan_began is None
    assert all(day + dt.timedelta(weeks=4) <= log_weeks.end for day in log_weeks.landmarks)
    inside = (weeks["landmark"].astype("datetime64[ns]") < pd.Timestamp(START + dt.timedelta(weeks=WEEKS))) & (
        weeks["landmark"].astype("datetime64[ns]") > pd.Timestamp(START - dt.timedelta(weeks=4))
    )
    # Customers in the test are not practice: 260 of 530 customers remain at these landmarks.
    assert inside.any()
    assert weeks[inside].groupby("landmark")["customer"].nunique().max() <= 260
