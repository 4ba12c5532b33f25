"""The best weekdays: recovery of a known truth, campaigns as confounders, places, and decisions."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from smsroi_helpers.contract import OUTPUTS
from smsroi_helpers.measures import quiet_hours
from smsroi_helpers.statistics import GROUPS, best_set
from smsroi_helpers.timing import best_weekdays, customer_hours, weekday_wording
from smsroi_helpers.timing import tables as timing_tables
from smsroi_helpers.timing.decision import decide_weekdays
from smsroi_helpers.timing.response import rate_by_hour, weekdays_differ_p
from tests.timing.samples import PRICE, looked

PLACES = {"US": ("America/Los_Angeles", "California"), "FR": ("Europe/Paris", "")}
TUESDAY, SUNDAY = 1, 6


def campaigns(rng, effect, *, names=("s",), customers=3_000, strata=8, mixed=True, level=None):
    """Cells of a log: each campaign (stratum) goes out on several weekdays, or on one.

    Args:
        rng: of the draws.
        effect: (weekday, segment) → logit on top of 7 %.
        names: of the segments.
        customers: of each segment.
        strata: how many campaigns.
        mixed: whether a campaign goes out on all weekdays, or on one only.
        level: (stratum) → logit of a campaign, and its probability of going out on a Sunday.
    """
    rows = []
    for name in names:
        group = rng.integers(0, GROUPS, customers)
        likes = rng.gamma(8, 1 / 8, customers)
        for stratum in range(strata):
            shift, sundays = (0.0, 1 / 7) if level is None else level(stratum)
            days = np.array([(1 - sundays) / 6] * 6 + [sundays]) if mixed else np.eye(7)[stratum % 7]
            weekday = rng.choice(7, customers, p=days)
            chance = expit(-2.6 + shift + np.array([effect(d, name) for d in range(7)])[weekday]) * likes
            hour = rng.choice([10, 14, 18], customers)
            m = rng.poisson(1.5, customers)
            k = rng.binomial(m, np.minimum(chance, 1))
            rows.append(pd.DataFrame({
                "segment": name, "stratum": f"x{stratum}", "weekday": weekday, "hour": hour, "until": hour + 1,
                "group": group, "messages": m, "clicks": k,
            }))  # fmt: skip
    keys = ["segment", "stratum", "weekday", "hour", "until", "group"]
    return pd.concat(rows).groupby(keys, as_index=False).sum()


def seen_of(cells, *, sends=(("US", 0, 1.0),), **given):
    """A `Timing` with these cells as the log, and today's sends (place, weekday, share) at 14:00."""
    seen = looked(cells, evidence="observational", hours=(10, 14, 18), **given)
    practice = pd.DataFrame([
        {"segment": s, "timezone": PLACES[place][0], "region": PLACES[place][1], "weekday": day, "hour": 14,
         "messages": 1_000 * share}
        for s in dict.fromkeys(cells["segment"]) for place, day, share in sends
    ])  # fmt: skip
    return dataclasses.replace(seen, practice=practice)


def answered(seen, **given):
    return best_weekdays.find_best_weekdays(seen, np.random.default_rng(1), **given)


def tuesday(day, name):
    return 0.5 * (day == TUESDAY)


@pytest.fixture(scope="module")
def clear():
    return seen_of(campaigns(np.random.default_rng(3), tuesday))


def test_the_best_weekday_and_its_gain_are_those_of_the_simulation(clear):
    answer = answered(clear)[0]
    assert (answer.segment, answer.evidence, answer.outcome) == ("all", "observational", "move")
    assert answer.days["weekday"][answer.chosen].tolist() == [TUESDAY]
    true = expit(-2.6 + 0.5) - expit(-2.6)  # people's factors have mean 1
    value, low, high = answer.gain()
    assert low < value < high
    assert low < true < high
    assert high - low < true
    assert answer.today.tolist() == [1, 0, 0, 0, 0, 0, 0]
    assert answer.days["gain"][0] == pytest.approx(0, abs=1e-12)
    assert weekdays_differ_p(clear.observational) < 1e-6


def test_an_observational_weekday_is_a_lead_and_never_a_plain_do(clear):
    found = decide_weekdays(clear, answered(clear))
    assert (found.outcome, found.reason, found.evidence) == ("not_enough_evidence", "observational", "observational")
    assert found.low > 0
    words = weekday_wording.put_weekdays_in_words(found, clear)
    assert words.customers == clear.volume["customers"].sum()  # of those texted today
    assert words.action == "Assign weekdays at random before you move texts to Tuesday"
    assert "not randomly assigned" in words.caveat
    # The same numbers from weekdays that were assigned are a recommendation.
    randomised = [dataclasses.replace(each, evidence="randomised") for each in answered(clear)]
    found = decide_weekdays(clear, randomised)
    assert (found.outcome, found.reason) == ("do", "better_weekday")
    assert weekday_wording.put_weekdays_in_words(found, clear).action == "Send on Tuesday"


def test_campaigns_do_not_confound_weekdays():
    """Good campaigns go out on Sundays; without strata Sunday looks best, within campaigns no weekday does."""

    def level(stratum):
        return (0.8, 0.6) if stratum % 2 else (0.0, 0.05)

    cells = campaigns(np.random.default_rng(4), lambda day, name: 0.0, level=level)
    answer = answered(seen_of(cells))[0]
    assert answer.chosen.all()
    assert answer.gain()[1] < 0
    naive = answered(seen_of(cells.assign(stratum="x")))[0]
    assert naive.days["weekday"][naive.chosen].tolist() == [SUNDAY]
    assert naive.gain()[1] > 0


def test_no_weekday_matters_is_flat_and_few_data_are_open():
    def none(day, name):
        return 0.0

    many = seen_of(campaigns(np.random.default_rng(5), none, customers=12_000))
    few = seen_of(campaigns(np.random.default_rng(5), none, customers=300))
    flat, unsure = answered(many, smallest_click_gain=0.02), answered(few, smallest_click_gain=0.002)
    assert (flat[0].outcome, unsure[0].outcome) == ("flat", "open")
    found = decide_weekdays(many, flat)
    assert (found.outcome, found.reason) == ("dont", "no_gain_possible")
    assert decide_weekdays(few, unsure).reason == "undecided"
    assert answered(many, smallest_click_gain=0.0)[0].outcome == "open"


def test_equal_weekdays_are_all_in_the_set_unless_a_test_shows_that_they_differ():
    """The wrong variant, multiple comparisons with the best alone, leaves out one of seven equal weekdays too often."""
    rng = np.random.default_rng(2)
    left_out = [not best_set(rng.standard_normal(7), np.eye(7), rng, draws=1_000).chosen.all() for _ in range(200)]
    assert np.mean(left_out) > 0.1
    answers = answered(seen_of(campaigns(np.random.default_rng(11), lambda day, name: 0.0)))
    for answer in answers:
        assert answer.days_differ_p > 0.05
        assert answer.chosen.all()
        assert answer.outcome != "move"


def test_flat_in_clicks_is_not_flat_in_money_where_a_click_may_be_worth_far_more():
    cells = campaigns(np.random.default_rng(5), lambda day, name: 0.0, customers=12_000)
    outcomes = {}
    for name, high in (("known", 4.2), ("unknown", 400.0)):
        click = dataclasses.replace(PRICE, low=3.8, high=high)
        seen = seen_of(cells, click=click)
        outcomes[name] = decide_weekdays(seen, answered(seen, smallest_gain=0.1)).reason
    assert outcomes == {"known": "no_gain_possible", "unknown": "undecided"}


def test_segments_have_weekdays_of_their_own():
    def opposed(day, name):
        return 0.7 * (day == (TUESDAY if name == "a" else SUNDAY))

    cells = campaigns(np.random.default_rng(6), opposed, names=("a", "b"), customers=5_000)
    found = {each.segment: each for each in answered(seen_of(cells))}
    for name, best in (("a", TUESDAY), ("b", SUNDAY)):
        assert found[name].days["weekday"].iloc[found[name].best] == best
        assert found[name].chosen.sum() == 1


def test_where_the_best_weekday_is_not_allowed_the_best_allowed_one_counts():
    """Sunday is best; in France no text may be sent on it, so its texts go out on Tuesday."""

    def effect(day, name):
        return 0.9 * (day == SUNDAY) + 0.4 * (day == TUESDAY)

    cells = campaigns(np.random.default_rng(7), effect, customers=5_000)
    both = seen_of(cells, sends=(("US", 0, 0.7), ("FR", 0, 0.3)))
    answer = answered(both)[0]
    rate = answer.days.set_index("weekday")["rate"]
    assert answer.days["allowed_share"].iloc[SUNDAY] == pytest.approx(0.7)
    gain = answer.days.set_index("weekday")["gain"]
    assert gain[SUNDAY] == pytest.approx(0.7 * rate[SUNDAY] + 0.3 * rate[TUESDAY] - rate[0])
    france = answered(dataclasses.replace(both, practice=both.practice[both.practice["timezone"] == "Europe/Paris"]))[0]
    assert SUNDAY not in france.days["weekday"].tolist()
    assert france.days["weekday"].iloc[france.best] == TUESDAY


def test_campaigns_of_one_weekday_each_compare_nothing():
    seen = seen_of(campaigns(np.random.default_rng(8), tuesday, mixed=False))
    assert not best_weekdays.weekdays_compared(seen.observational)
    assert answered(seen) == []
    found = decide_weekdays(seen, [])
    assert (found.outcome, found.reason, found.evidence) == ("not_enough_evidence", "nothing_to_compare", "none")
    words = weekday_wording.put_weekdays_in_words(found, seen)
    assert "cannot be compared" in words.text
    assert "cannot be compared" in timing_tables.weekdays_table([], seen).markup


def test_hour_and_weekday_are_allowed_together_where_the_customer_lives(clear, make_source, open_source):
    """18:00 is best on average; Rhode Island allows it on no day, the careful default on no weekend."""
    homes = {"c0": PLACES["US"], "c1": ("America/New_York", "Rhode Island"), "c2": ("Africa/Lagos", ""),
             "c3": PLACES["FR"]}  # fmt: skip
    customers = "customer_id,timezone,region\n" + "".join(f"{who},{z},{r}\n" for who, (z, r) in homes.items())
    shop = open_source(make_source(orders="order_id,customer_id,ordered_at,amount\n1,c0,2026-01-01,5\n",
                                   customers=customers))  # fmt: skip
    curve = rate_by_hour(clear.main, "all").assign(rate=[0.05, 0.06, 0.07])

    def chosen(answers):
        found = customer_hours._candidates(shop, {"all": curve}, "", [0], answers)
        found = found.set_index("zone").assign(weekday=lambda rows: rows["weekday"].astype("Int64"))
        for row in found.itertuples():
            week = quiet_hours.allowed(row.rules.split())
            days = [int(day) for day in row.weekdays.split()]
            assert days
            assert week[days, row.hour].all()
            assert pd.isna(row.weekday) or row.weekday in days
        return found

    anyday = chosen([])
    assert anyday["hour"].to_dict() == {
        "America/Los_Angeles": 18, "America/New_York": 14, "Africa/Lagos": 18, "Europe/Paris": 18,
    }  # fmt: skip
    assert anyday["weekdays"]["Africa/Lagos"] == "0 1 2 3 4"  # hours allowed on every day would be 12 to 18
    assert anyday["weekdays"]["Europe/Paris"] == "0 1 2 3 4 5"
    assert anyday["weekday"].isna().all()
    best = chosen(answered(clear))
    assert (best["weekday"] == TUESDAY).all()
    assert set(best["weekday_evidence"]) == {"observational"}

    def sunday(day, name):
        return 0.9 * (day == SUNDAY) + 0.5 * (day == 2)

    sundays = chosen(answered(seen_of(campaigns(np.random.default_rng(9), sunday, customers=5_000))))
    assert sundays["weekday"].to_dict() == {
        "America/Los_Angeles": SUNDAY, "America/New_York": 2, "Africa/Lagos": 2, "Europe/Paris": 2,
    }  # fmt: skip


def test_the_saved_table_has_its_columns_and_small_segments_are_left_out(clear):
    rows = best_weekdays.weekday_rows(answered(clear))
    assert set(OUTPUTS["timing_weekdays"]) <= set(rows.columns)
    assert rows.groupby("segment")["today_share"].sum().to_dict() == pytest.approx({"all": 1.0, "s": 1.0})
    small = [dataclasses.replace(each, customers=9) for each in answered(clear)]
    assert best_weekdays.weekday_rows(small).empty
    page = timing_tables.weekdays_table(answered(clear), clear).markup
    assert "Not compared" not in page
    more = pd.DataFrame({"segment": ["lost", "idle"], "customers": [914, 3], "messages_per_week": [800.0, 3.0]})
    wider = dataclasses.replace(clear, volume=pd.concat([clear.volume, more]))
    left_out = timing_tables.weekdays_table(answered(clear), wider).markup
    assert "Not compared: lost (914 customers)" in left_out
    assert "(&lt;10 customers)" in left_out
    assert "Tuesday" in page
    assert "Observational" in page
