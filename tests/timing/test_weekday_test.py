"""Experiments that assign weekdays: recognised by what arms were sent, and decided as randomised."""

import numpy as np
import pandas as pd
import pytest

from smsroi_helpers.timing import best_weekdays, counts, study, weekday_test
from smsroi_helpers.timing.decision import decide_weekdays
from tests.timing.samples import HEAD, PACIFIC, orders_before

TUESDAY, FRIDAY = 1, 4


def source_with(make_source, days, chances, hours=(18, 18), stray=0.0, n=400, prospects=0, later=0):
    """Two arms of a timing test, each texted at 18:00 UTC on its weekday for eight weeks.

    Args:
        make_source: the fixture.
        days: the weekday of each arm.
        chances: the click rate of each arm.
        hours: planned local hour of each arm.
        stray: share of texts on the other arm's weekday.
        n: customers.
        prospects: the last so many of them never bought, live in the south, and click three times as often.
        later: customers who join when the test is over, and never bought.
    """
    rng = np.random.default_rng(5)
    messages, assignments = [HEAD + ",clicked_at"], ["experiment_id,customer_id,arm,assigned_at"]
    for i in range(n):
        arm = i % 2
        assignments.append(f"days,c{i},arm{arm},2026-02-01 00:00:00")  # a Sunday
        for week in range(8):
            day = days[1 - arm] if rng.random() < stray else days[arm]
            at = pd.Timestamp(2026, 2, 2) + pd.Timedelta(days=7 * week + day, hours=18, minutes=int(rng.integers(60)))
            chance = chances[arm] * (3 if i >= n - prospects else 1)
            clicked = at + pd.Timedelta(minutes=7) if rng.random() < chance else ""
            messages.append(f"m{i}-{week},c{i},x,{at},{clicked}")
    arms = ["experiment_id,arm,share,hour_start,hour_end"]
    arms += [f"days,arm{arm},0.5,{hours[arm]},{hours[arm] + 1}" for arm in (0, 1)]
    experiments = ["experiment_id,kind,control_arm,started_at", "days,timing,arm0,2026-02-01 00:00:00"]
    tables = {"messages": messages, "experiments": experiments, "arms": arms, "assignments": assignments}
    orders = orders_before(n - prospects) + "z,c1,2026-04-20 10:00:00,5\n"
    if later:
        joined = ["2026-01-01"] * n + ["2026-04-01"] * later
        rows = [f"c{i},{day},{'south' if i >= n - prospects else 'north'}" for i, day in enumerate(joined)]
        tables["customers"] = ["customer_id,joined_at,region", *rows]
    return make_source(source=PACIFIC, orders=orders, **{name: "\n".join(rows) + "\n" for name, rows in tables.items()})


def test_a_weekday_that_was_assigned_is_randomised_and_can_be_recommended(make_source, open_source):
    shop = open_source(source_with(make_source, (FRIDAY, TUESDAY), (0.05, 0.15)))
    seen = study.analyse(shop)
    assert seen.test is None  # its arms have the same hour
    answers = best_weekdays.find_best_weekdays(seen, np.random.default_rng(1))
    assert answers[0].evidence == "randomised"
    best = answers[0].days.iloc[answers[0].best]
    assert best["weekday"] == TUESDAY
    cells = seen.assigned_weekdays.cells
    shares = cells.groupby("weekday")[["clicks", "messages"]].sum()
    assert set(shares.index) == {TUESDAY, FRIDAY}
    assert shares["messages"].sum() == 400 * 8
    raw = (shares["clicks"] / shares["messages"])[TUESDAY]
    assert best["rate"] == pytest.approx(raw, abs=0.015)
    found = decide_weekdays(seen, answers)
    # All texts were those of the test, so there is no practice to compare with, and no gain.
    assert (found.outcome, found.unit) == ("not_enough_evidence", "")


def test_weekdays_are_carried_over_to_todays_subscribers(make_source, open_source):
    """A quarter of the test's members live in the south, but half of today's: rates are the mean of both."""
    shop = open_source(source_with(make_source, (FRIDAY, TUESDAY), (0.05, 0.15), prospects=100, later=200))
    found = study.analyse(shop, segment_by="region").assigned_weekdays
    assert found.transport.segments.set_index("segment").loc["all", ["then", "now"]].tolist() == [400, 600]
    tuesday = found.cells[found.cells["weekday"] == TUESDAY].groupby("segment")[["clicks", "messages"]].sum()
    carried = found.weighted[found.weighted["weekday"] == TUESDAY]
    carried = carried["clicks"].sum() / carried["messages"].sum()
    # One customer of the north bought during the test, so the weights within it are not quite equal.
    assert carried == pytest.approx((tuesday["clicks"] / tuesday["messages"]).mean(), abs=0.001)
    assert carried > 1.2 * tuesday["clicks"].sum() / tuesday["messages"].sum()


@pytest.mark.parametrize(
    ("given", "recognised"),
    [
        ({}, True),
        ({"stray": 0.05}, True),  # a text that strays counts on its arm's weekday
        ({"stray": 0.3}, False),
        ({"days": (FRIDAY, FRIDAY)}, False),
        ({"hours": (18, 19)}, False),  # the hour differs with the weekday
    ],
)
def test_only_arms_of_different_weekdays_at_the_same_hours_assign_weekdays(make_source, open_source, given, recognised):
    given = {"days": (FRIDAY, TUESDAY), "n": 120} | given
    days = given.pop("days")
    shop = open_source(source_with(make_source, days, (0.2, 0.2), **given))
    sends = counts.collect_sends(shop)
    found = weekday_test.estimate_from_weekday_test(shop, sends, "rfm_group")
    assert (found is not None) is recognised
    if found is not None:
        assert set(found.cells["weekday"]) == {FRIDAY, TUESDAY}
        assert found.customers("all") == 120


def test_a_source_without_experiments_assigns_nothing(make_source, open_source):
    shop = open_source(make_source(orders=orders_before(5), messages=f"{HEAD}\nm1,c1,x,2025-11-03 10:00:00\n"))
    sends = counts.collect_sends(shop)
    assert weekday_test.estimate_from_weekday_test(shop, sends, "rfm_group") is None
