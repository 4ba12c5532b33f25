"""The table of frequencies and the note on cash say what the policy recommends, and what it leaves."""

import numpy as np
import pytest

from smsroi_helpers import pages
from smsroi_helpers.frequency import figures, tables
from smsroi_helpers.frequency.policy import choose_frequencies


@pytest.fixture(scope="module")
def policies(study_of):
    """A policy that stays as it is in every group, and one that changes in every group."""
    _shop, study = study_of()
    found = choose_frequencies(study, np.random.default_rng(1))
    found = found[found["messages_per_week"].notna()].assign(cash_by_week=[np.ones((4, 3))] * len(found))
    stays = found.assign(
        outcome="stay", reason="as_today", gain=0.0, leave_for=2.0, leave=-100.0, leave_low=-800.0, leave_high=600.0,
        leave_cash=22_000.0, leave_cash_low=4_000.0, leave_cash_high=55_000.0,
    )  # fmt: skip
    changes = found.assign(
        outcome="change", reason="", gain=50.0, gain_low=10.0, gain_high=90.0, cash=5.0, cash_low=1.0, cash_high=9.0,
        leave=np.nan, leave_cash=np.nan,
    )  # fmt: skip
    return stays, changes


def test_the_caption_is_of_the_columns_there_are(policies):
    stays, changes = (tables.policy_table(each, "USD").markup for each in policies)
    assert "Best in the long run" not in stays + changes  # in a tie the rule recommends another than the best
    for page in (stays, changes):
        assert "Recommended" in page
    assert "If left: cash, next 12 weeks" in stays
    assert "changes add up" not in stays
    assert "Long run, a week<" not in stays
    assert "changes add up" in changes
    assert "If left" not in changes


def test_lifecycle_stages_have_their_names_whatever_the_page_groups_by(policies):
    stages = policies[0].head(2).assign(segment=["repeat", "loyalty"])
    pages.use_names(segment_by="region")
    page = tables.policy_table(stages, "USD", by="stage").markup
    assert "bought again" in page
    assert "loyal<" in page
    assert "loyalty" not in page


def test_leaving_may_gain_in_one_horizon_and_lose_in_the_other_though_no_change_is_recommended(policies):
    stays, changes = policies
    said = figures.cash_figure(stays, "USD", 12).markup
    assert "No change of frequency is recommended" in said
    assert "opposite sign" in said
    assert "2 texts a week: $22,000" in said
    same = figures.cash_figure(stays.assign(leave=100.0), "USD", 12).markup
    assert "opposite sign" not in same
    assert "No change in the table" in figures.cash_figure(changes, "USD", 12).markup
