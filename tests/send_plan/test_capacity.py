"""Random places, actions and customers within a capacity, replayed customer by customer in plain Python."""

import collections
import datetime as dt

import numpy as np
import pandas as pd
import pytest

from smsroi_helpers import measures
from smsroi_helpers.send_plan.capacity import find_openings, fit_capacity
from smsroi_helpers.send_plan.schedule import POLICY_COLUMNS, Calendar, Exploration, find_slots
from smsroi_helpers.send_plan.today import Audience

ZONES = ("Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Asia/Kathmandu")
WINDOWS = ((9, 11), (10, 14), (18, 20))
CASES = 4


def a_case(seed):
    """An audience, slots and customers by place and action; the weeks contain changes of clocks."""
    rng = np.random.default_rng(seed)
    first = dt.date(2026, *(((3, 1), (10, 13), (6, 30), (9, 22))[seed % 4]))
    calendar = Calendar("p", first, int(rng.integers(1, 5)))
    zones = rng.choice(ZONES, rng.integers(1, 4), replace=False)
    week = np.zeros((7, 24), bool)
    week[:6, 8:20] = True
    mask = measures.allowed(["US"]) if seed % 2 else week
    places = pd.DataFrame({"timezone": zones, "region": "", "rules": "US", "mask": 0})
    audience = Audience(None, None, places, (mask,), "UTC", None)
    actions = []
    for profile in range(int(rng.integers(1, 4))):
        many = int(rng.integers(1, 4))
        w = int(rng.integers(len(WINDOWS)))
        days = np.flatnonzero(mask[:, slice(*WINDOWS[w])].all(axis=1))
        if len(days) >= many:
            chosen = tuple(sorted(rng.choice(days, many, replace=False).tolist()))
            actions.append((profile, 0, 0, float(many), w, "a", chosen, 1.0, float(rng.uniform(1, 9)), False))
    slots = find_slots(
        audience,
        pd.DataFrame(actions, columns=list(POLICY_COLUMNS)),
        Exploration((0.0, 1.0), (0,), (0,), ("a",)),
        WINDOWS,
        calendar,
    )
    keys = slots[["of_place", "of_action"]].drop_duplicates()
    units = [
        (place, key, int(s), 1) for place, key in keys.itertuples(index=False)
        for s in np.sort(rng.integers(0, 256, rng.integers(1, 60)))
    ]  # fmt: skip
    units = pd.DataFrame(units, columns=["place", "action", "time_slice", "n"])
    return audience, calendar, mask, slots, units, int(rng.integers(1, 40))


def replay(slots, units):
    """One row per message: place, action, customer, day (local), instant, in seconds of UTC."""
    found = []
    for (place, action), rows in units.groupby(["place", "action"]):
        own = slots[(slots["of_place"] == place) & (slots["of_action"] == action)]
        for rank, time_slice in enumerate(rows["time_slice"].sort_values()):
            for each in own.itertuples():
                if each.first_rank <= rank < each.end_rank:
                    at = each.begins + dt.timedelta(seconds=int(time_slice * each.spread_seconds // 256))
                    found.append((place, action, rank, at, each.window))
    return pd.DataFrame(found, columns=["place", "action", "rank", "at", "window"])


@pytest.mark.parametrize("seed", range(CASES))
def test_messages_keep_to_capacity_hours_days_and_weeks(seed):
    audience, calendar, mask, slots, units, limit = a_case(seed)
    openings = find_openings(audience, WINDOWS, calendar)
    placed, use = fit_capacity(slots, units, openings, limit)
    before, after = replay(slots, units), replay(placed, units)
    load = after.groupby(after["at"].dt.floor("h")).size()
    assert load.max() == use.busiest <= limit
    assert len(before) - len(after) == use.dropped
    sent = collections.defaultdict(set)
    for each in after.itertuples():
        local = each.at.tz_localize("UTC").tz_convert(audience.places["timezone"][each.place])
        start, end = WINDOWS[each.window]
        assert start <= local.hour < end
        assert mask[local.weekday(), local.hour]
        assert local.date() in calendar.days
        days = sent[each.place, each.action, each.rank]
        assert local.date() not in days, "one text a day"
        days.add(local.date())
    weekly = {key: -(-each.texts_per_week // 1) for key, each in slots.groupby("of_action").first().iterrows()
              for each in [each]}  # fmt: skip
    for (_place, action, _rank), days in sent.items():
        weeks = collections.Counter((day - calendar.first_day).days // 7 for day in days)
        assert max(weeks.values()) <= weekly[action]


@pytest.mark.parametrize("seed", range(CASES))
def test_nothing_changes_where_there_is_room(seed):
    audience, calendar, _mask, slots, units, _limit = a_case(seed)
    openings = find_openings(audience, WINDOWS, calendar)
    placed, use = fit_capacity(slots, units, openings, 100_000)
    assert use.dropped == use.moved_hours == use.moved_days == 0
    pd.testing.assert_frame_equal(replay(placed, units), replay(slots, units))


@pytest.mark.parametrize("seed", range(CASES))
def test_what_falls_away_found_no_room_in_its_window(seed):
    """Every hour of the window of a dropped text is full on its own day."""
    audience, calendar, _mask, slots, units, limit = a_case(seed)
    openings = find_openings(audience, WINDOWS, calendar)
    placed, _use = fit_capacity(slots, units, openings, limit)
    before, after = replay(slots, units), replay(placed, units)
    load = after.groupby(after["at"].dt.floor("h")).size()
    keys = ["place", "action", "rank"]
    left = before.groupby(keys).size().sub(after.groupby(keys).size(), fill_value=0)
    dropped = left[left > 0].reset_index()
    kept = set(after[[*keys, "at"]].itertuples(index=False, name=None))
    for each in dropped[keys].itertuples(index=False, name=None):
        mine = before[(before[keys] == list(each)).all(axis=1)]
        missing = [row for row in mine.itertuples() if (*each, row.at) not in kept]
        full = [load.get(row.at.floor("h"), 0) == limit for row in missing]
        assert any(full)
