"""When to text: local hours on both sides of a change of clocks, machines' clicks, curves, sets, money, refusals."""

import dataclasses
import datetime as dt
import zoneinfo
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats
from scipy.special import expit
from statsmodels.stats.oneway import anova_oneway

from smsroi_helpers.errors import NotEnoughData, UsageError
from smsroi_helpers.measures import clicks, quiet_hours
from smsroi_helpers.simulation.write import write_company
from smsroi_helpers.source.read import load
from smsroi_helpers.source.shop import open_shop
from smsroi_helpers.statistics.jackknife import GROUPS
from smsroi_helpers.timing import (
    best_hours,
    click_value,
    competitors,
    holidays,
    personal_send_time,
    response_curve,
    secondary_outcomes,
)
from smsroi_helpers.timing import counts as timing_counts
from smsroi_helpers.timing import figures as timing_figures
from smsroi_helpers.timing import tables as timing_tables
from smsroi_helpers.timing import wording as timing_wording
from smsroi_helpers.timing.response import (
    HourResponse,
    columns_of,
    gap_to_records,
    hours_differ,
    rate_by_hour,
    runs_smoothly,
)
from tests.machine import PUBLIC_DATA

ROOT = Path(__file__).parents[2]
ORDERS = "order_id,customer_id,ordered_at,amount\n1,a,2026-01-02 10:00:00,10\n2,b,2026-11-20 10:00:00,20\n"


def opened(folder, place, as_of=""):
    return open_shop(load(folder, place / ".loaded"), as_of, place / ".cache")


# --- allowed hours ---------------------------------------------------------------------------------------------------


class TestAllowedHours:
    # operations.md, section 5: weekday, Saturday, Sunday
    TABLE: ClassVar = {
        "US": ((8, 21),) * 3, "US-FL": ((8, 20),) * 3, "US-MD": ((8, 20),) * 3, "US-MS": ((8, 20),) * 3,
        "US-NJ": ((8, 20),) * 3, "US-OK": ((8, 20),) * 3, "US-CT": ((9, 20),) * 3,
        "US-RI": ((9, 18), (10, 17), (10, 17)), "US-TX": ((9, 21), (9, 21), (12, 21)), "CN": ((8, 20),) * 3,
    }  # fmt: skip

    def test_the_table_is_that_of_the_operations_page(self):
        assert set(quiet_hours.RULES) == set(self.TABLE)
        for name, spans in self.TABLE.items():
            week = quiet_hours.allowed([name])
            for weekday, (first, end) in enumerate([spans[0]] * 5 + list(spans[1:])):
                assert week[weekday].nonzero()[0].tolist() == list(range(first, end)), (name, weekday)

    def test_an_unknown_zone_gets_what_all_rules_allow(self):
        week = quiet_hours.allowed(quiet_hours.rule_of(None))
        hours = [day.nonzero()[0].tolist() for day in week]
        assert hours == [list(range(9, 18))] * 5 + [list(range(10, 17)), list(range(12, 17))]

    @pytest.mark.parametrize(
        ("zone", "region", "source", "rules"),
        [
            ("America/New_York", "Rhode Island", "", ("US-RI",)),
            ("America/New_York", "NY", "", ("US",)),
            ("America/Los_Angeles", None, "", ("US",)),
            ("America/New_York", None, "", ("US", "US-FL", "US-MD", "US-NJ", "US-CT", "US-RI")),
            ("Asia/Urumqi", "新疆", "US", ("CN",)),
            (None, None, "CN", ("CN",)),
            (None, "tx", "US", ("US-TX",)),
        ],
    )
    def test_a_recipient_falls_under(self, zone, region, source, rules):
        assert quiet_hours.rule_of(zone, region, source) == rules

    def test_no_zone_of_the_world_is_given_more_than_its_own_rules(self):
        """Whatever the zone, the hours are within every rule that its country has here; and never none."""
        for zone in sorted(zoneinfo.available_timezones()):
            week = quiet_hours.allowed(quiet_hours.rule_of(zone))
            assert week.any(axis=1).all(), zone
            country = quiet_hours.territory_of(zone)
            within = [country] if country in ("US", "CN") else list(quiet_hours.RULES)
            assert not (week & ~quiet_hours.allowed(within)).any(), zone

    def test_own_hours_narrow_and_never_widen(self):
        wide = quiet_hours.allowed(["US-CT"], (0, 24))
        assert (wide == quiet_hours.allowed(["US-CT"])).all()
        assert quiet_hours.allowed(["US-CT"], (12, 24))[0].nonzero()[0].tolist() == list(range(12, 20))

    @pytest.mark.parametrize("text", ["9", "18-9", "9-25", "nine-ten"])
    def test_hours_that_are_none_are_refused(self, text):
        with pytest.raises(UsageError, match="own_hours"):
            quiet_hours.parse_rule(text)


# --- local hours -----------------------------------------------------------------------------------------------------


def test_in_new_york_the_hour_is_right_on_both_sides_of_both_changes_of_2026(make_source, open_source):
    """Clocks go forward on 8 March at 07:00 UTC and back on 1 November at 06:00 UTC (tz database)."""
    sent = {
        "2026-03-07 15:00:00": 10, "2026-03-08 06:30:00": 1, "2026-03-08 07:30:00": 3, "2026-03-08 14:00:00": 10,
        "2026-10-31 14:00:00": 10, "2026-11-01 05:30:00": 1, "2026-11-01 06:30:00": 1, "2026-11-01 15:00:00": 10,
    }  # fmt: skip
    lines = "".join(f"m{i},a,x,{at}\n" for i, at in enumerate(sent))
    folder = make_source(
        orders=ORDERS,
        customers="customer_id,timezone\na,America/New_York\n",
        messages="message_id,customer_id,campaign_id,sent_at\n" + lines,
    )
    rows = timing_counts.collect_sends(open_source(folder)).rows.order_by("sent_at").execute()
    assert rows["hour"].tolist() == list(sent.values())
    assert rows["weekday"].tolist() == [5, 6, 6, 6, 5, 6, 6, 6]


def test_messages_younger_than_the_window_are_left_out_and_counted(make_source, open_source):
    head = "message_id,customer_id,campaign_id,sent_at,delivered_at,channel,clicked_at\n"
    rows = (
        "1,a,x,2026-11-10 10:00:00,2026-11-10 10:00:05,sms,2026-11-10 11:00:00\n"
        "2,a,x,2026-11-10 11:00:00,,sms,\n"
        "3,a,x,2026-11-10 12:00:00,2026-11-10 12:00:01,email,\n"
        "4,a,x,2026-11-18 00:00:00,2026-11-18 00:00:00,sms,\n"
        "5,a,x,2026-11-18 00:00:00,2026-11-18 00:00:01,sms,\n"
        "6,b,x,2026-11-19 10:00:00,2026-11-19 10:00:00,sms,\n"
    )
    sends = timing_counts.collect_sends(open_source(make_source(orders=ORDERS, messages=head + rows)))
    # The last day observed ends with 20 November: three days before is the start of the 18th.
    assert sends.exclusions["out"].tolist() == [0, 1, 1, 2]
    assert sends.exclusions["messages"].tolist() == [6, 5, 4, 2]
    assert sorted(sends.rows.execute()["sent_at"].dt.day) == [10, 18]


# --- machines' clicks ------------------------------------------------------------------------------------------------


def test_machines_are_told_by_speed_by_bursts_and_by_clicking_everything(make_source, open_source):
    rows = []

    def send(customer, campaign, day, click):
        rows.append((len(rows), customer, campaign, f"2026-10-{day:02} 10:00:00", f"2026-10-{day:02} 10:00:00", click))

    for day in range(1, 11):  # clicks ten of ten, each after an hour
        send("all", f"c{day}", day, f"2026-10-{day:02} 11:0{day % 10}:00")
    for day in range(1, 11):  # clicks eight of ten: a keen person
        send("keen", f"c{day}", day, f"2026-10-{day:02} 12:0{day % 10}:00" if day > 2 else "")
    send("quick", "c1", 1, "2026-10-01 10:00:04")
    send("slow", "c1", 1, "2026-10-01 10:00:05")
    for i in range(20):  # twenty of a campaign in one second
        send(f"b{i}", "burst", 20, "2026-10-20 10:07:31")
    for i in range(19):  # nineteen are too few to tell
        send(f"f{i}", "few", 21, "2026-10-21 10:07:31")
    head = "message_id,customer_id,campaign_id,sent_at,delivered_at,clicked_at\n"
    text = head + "".join(",".join(map(str, row)) + "\n" for row in rows)
    sends = timing_counts.collect_sends(open_source(make_source(orders=ORDERS, messages=text)))
    found = sends.cleaning.set_index("machine")
    assert found["clicks"].to_dict() == {"none": 8 + 1 + 19, "fast": 1, "burst": 20, "everything": 10}
    judged = sends.rows.execute()
    # Of what a machine clicked first nobody knows whether a person clicked too.
    assert judged["known"].sum() == len(rows) - 31
    assert judged.loc[judged["customer_id"] == "quick", "happened"].tolist() == [False]
    assert judged.loc[judged["customer_id"] == "quick", "happened_raw"].tolist() == [True]


def test_rules_that_cannot_be_meant_are_refused():
    with pytest.raises(UsageError, match="fast_click_seconds"):
        clicks.MachineRules(fast_seconds=-1)


# --- curves ----------------------------------------------------------------------------------------------------------


def cells_of(rng, chance, customers=2_000, segments=("s",), hours=range(24), weekdays=7):
    """Cells of customers at one hour each, on all days, who differ in how they like messages."""
    rows = []
    for name in segments:
        hour = rng.choice(list(hours), customers)
        likes = rng.gamma(8, 1 / 8, customers)
        m = rng.poisson(3, (customers, weekdays))
        k = rng.binomial(m, np.minimum(chance(hour, name) * likes, 1)[:, None])
        group = rng.integers(0, GROUPS, customers)
        for weekday in range(weekdays):
            rows.append(pd.DataFrame({
                "segment": name, "stratum": 0, "weekday": weekday, "hour": hour, "until": hour + 1, "group": group,
                "messages": m[:, weekday], "clicks": k[:, weekday],
            }))  # fmt: skip
    keys = ["segment", "stratum", "weekday", "hour", "until", "group"]
    return pd.concat(rows).groupby(keys, as_index=False).sum()


def fitted(cells):
    names = list(dict.fromkeys(cells["segment"]))
    return response_curve.fit_curves(cells, response_curve.group_scores(cells, "clicks", "messages", names))


def wave(hour, best=17, strength=0.5):
    return expit(-2.5 + strength * np.cos(2 * np.pi * (np.asarray(hour) + 0.5 - best) / 24))


def test_the_columns_run_on_over_midnight_and_know_how_long_a_window_is():
    by_minute = response_curve.hour_basis(np.arange(0, 24, 1 / 60), np.arange(1, 1441) / 60)
    steps = np.abs(np.diff(by_minute, axis=0)).max()
    assert np.abs(by_minute[0] - by_minute[-1]).max() <= 1.5 * steps
    assert np.allclose(by_minute.mean(axis=0), 0, atol=1e-9)
    two = response_curve.hour_basis([9], [11])[0]
    assert np.allclose(two, response_curve.hour_basis([9, 10], [10, 11]).mean(axis=0))


def test_a_wave_is_found_and_agrees_with_an_unpooled_fit():
    rng = np.random.default_rng(1)
    cells = cells_of(rng, lambda hour, name: wave(hour), customers=6_000)
    found = fitted(cells)
    sums = cells.groupby("hour")[["clicks", "messages"]].sum()
    turn = 2 * np.pi * (sums.index.to_numpy() + 0.5) / 24
    x = sm.add_constant(np.stack([np.cos(turn), np.sin(turn)], axis=1))
    plain = sm.GLM(np.stack([sums["clicks"], sums["messages"] - sums["clicks"]], axis=1), x, sm.families.Binomial())
    told = plain.fit()
    error = np.sqrt(np.diag(found.covariance[0]))[:2]
    truth = 0.5 * np.array([np.cos(2 * np.pi * 17 / 24), np.sin(2 * np.pi * 17 / 24)])
    assert (np.abs(found.mean[0, :2] - truth) < 4 * error).all()
    # The other fit has no spline, weekdays or pull towards 0: it differs by less than the error.
    assert (np.abs(found.mean[0, :2] - told.params[1:]) < error).all()
    assert 0.5 < error[0] / told.bse[1] < 2.5
    centre, joint = found.logits("s", columns_of(pd.DataFrame({"hour": [12], "until": [13]})))
    assert abs(centre[0] - np.log(wave(12) / (1 - wave(12)))) < 4 * np.sqrt(joint[0, 0]) + 0.02


def test_segments_that_agree_lend_each_other_strength_and_others_do_not():
    def alike(hour, name):
        return wave(hour)

    def apart(hour, name):
        return wave(hour, best=9 if name == "b" else 21, strength=0.8)

    one, two = (fitted(cells_of(np.random.default_rng(2), how, segments=("a", "b"))) for how in (alike, apart))
    assert one.spread < two.spread
    columns = columns_of(pd.DataFrame({"hour": [9, 21], "until": [10, 22]}))
    at_nine, at_nine_too = (two.contrast(name, columns)[0] for name in ("a", "b"))
    assert at_nine[1] > at_nine[0]
    assert at_nine_too[0] > at_nine_too[1]


def test_customers_who_click_a_lot_widen_the_bands():
    """Single messages alone would give 1; of 20 messages to each, clicked at a rate whose coefficient of variation is
    1, a group's score varies by 1 + 20 · p · 1² / (1 − p) as much, which is 2.9 at p = .087.
    """
    rng = np.random.default_rng(3)
    customers = 4_000
    hour, group = rng.integers(0, 24, customers), rng.integers(0, GROUPS, customers)
    chance = {"alike": np.full(customers, 0.087), "unlike": 0.087 * rng.gamma(1.0, 1.0, customers)}
    found = {}
    for name, p in chance.items():
        clicks = rng.binomial(20, np.minimum(p, 1))
        cells = pd.DataFrame({"segment": "s", "stratum": 0, "weekday": 0, "hour": hour, "until": hour + 1,
                              "group": group, "messages": 20, "clicks": clicks})  # fmt: skip
        keys = ["segment", "stratum", "weekday", "hour", "until", "group"]
        found[name] = fitted(cells.groupby(keys, as_index=False).sum()).dispersion[0, 0]
    # Eight directions of 63 degrees of freedom: a relative error of √(2/504) = .063.
    assert found["alike"] == pytest.approx(1.0, abs=4 * 0.063)
    assert found["unlike"] == pytest.approx(2.9, rel=4 * 0.063 + 0.05)


def test_a_segment_without_a_click_has_the_common_curve_and_no_level():
    cells = cells_of(np.random.default_rng(4), lambda hour, name: wave(hour), segments=("a", "b"))
    cells.loc[cells["segment"] == "b", "clicks"] = 0
    found = fitted(cells)
    assert np.isnan(found.level[1])
    assert np.isfinite(found.level[0])


# --- the answer ------------------------------------------------------------------------------------------------------


def looked(cells, today=None, click=None, evidence="randomised", hours=range(8, 20)):
    """What the notebook would have read of an experiment's cells."""
    names = list(dict.fromkeys(cells["segment"]))
    everybody = cells.assign(segment="all")
    windows = pd.DataFrame({"hour": list(hours), "until": [hour + 1 for hour in hours]})
    people = pd.DataFrame({"segment": names, "customers": 500})
    response = HourResponse(evidence, cells, fitted(cells), fitted(everybody), windows, people)
    today = {9: 1.0} if today is None else today
    practice = pd.DataFrame([
        {"segment": s, "timezone": "America/New_York", "region": "NY", "weekday": 0, "hour": h, "messages": 100 * n}
        for s in names for h, n in today.items()
    ], columns=["segment", "timezone", "region", "weekday", "hour", "messages"])  # fmt: skip
    volume = pd.DataFrame({"segment": names, "customers": 500, "messages_per_week": 1_000.0})
    nothing = pd.DataFrame()
    sends = timing_counts.Sends(None, "click", 72, nothing, nothing)
    none = click_value.ClickValue("", np.nan, np.nan, np.nan, 0, np.nan, "no_test")
    both = (response, None) if evidence == "randomised" else (None, response)
    allowed = np.isin(np.arange(24), np.arange(8, 20))
    return best_hours.Timing(sends, [], *both, practice, volume, click or none, allowed)


PRICE = click_value.ClickValue("dose", 4.0, 3.0, 5.0, 5_000, 9.0)


@pytest.fixture(scope="module")
def clear():
    """An afternoon that is clearly better than nine in the morning."""
    return cells_of(np.random.default_rng(5), lambda hour, name: wave(hour, strength=0.8), 8_000, hours=range(8, 20))


def test_a_clear_hour_is_recommended_with_its_money(clear):
    seen = looked(clear, click=PRICE)
    answers = best_hours.find_best_hours(seen, np.random.default_rng(1), smallest_gain=0.002)
    answer = answers[0]
    assert answer.outcome == "move"
    truth = wave(17, strength=0.8) - wave(9, strength=0.8)
    value, low, high = answer.gain()
    assert low < truth < high
    assert 14 <= answer.windows["hour"][answer.best] <= 19
    assert len(answers[0].windows[answer.chosen]) < 8
    decision = timing_wording.decide(seen, answers)[0]
    assert (decision.outcome, decision.unit, decision.evidence) == ("do", "money_per_week", "randomised")
    assert decision.value == pytest.approx(value * 4.0 * 1_000)
    assert decision.low > 0
    assert "Send at" in decision.action


@pytest.mark.parametrize(("chosen", "said"), [((5, 6, 11), True), ((0, 5), True), ((10, 11), False), ((11,), False)])
def test_an_end_apart_from_the_best_is_explained(clear, chosen, said):
    seen = looked(clear)
    answers = best_hours.find_best_hours(seen, np.random.default_rng(1))
    answers[0].windows["set_of_best"] = np.isin(np.arange(12), chosen)
    assert ("neighbours on both sides" in timing_figures.curve_figure(seen, answers).markup) is said


def test_without_a_price_the_gain_is_in_clicks_and_the_page_says_why(clear):
    seen = looked(clear)
    decision = timing_wording.decide(seen, best_hours.find_best_hours(seen, np.random.default_rng(1)))[0]
    assert (decision.outcome, decision.unit) == ("do", "count")
    assert "in clicks, not in money" in decision.caveat


def test_more_clicks_of_unknown_worth_are_no_reason_to_act(clear):
    unsure = click_value.ClickValue("dose", 4.0, -3.0, 11.0, 5_000, 9.0)
    seen = looked(clear, click=unsure)
    decision = timing_wording.decide(seen, best_hours.find_best_hours(seen, np.random.default_rng(1)))[0]
    assert decision.outcome == "not_enough_evidence"
    assert decision.low < 0 < decision.high
    assert "that they bring money is not" in decision.text


def test_of_the_records_nothing_is_recommended(clear):
    seen = looked(clear, click=PRICE, evidence="observational")
    decision = timing_wording.decide(seen, best_hours.find_best_hours(seen, np.random.default_rng(1)))[0]
    assert (decision.outcome, decision.evidence) == ("not_enough_evidence", "observational")
    assert "lot" in decision.action
    assert "brings" not in decision.text


def test_flat_hours_are_called_flat_and_few_data_open():
    def flat(hour, name):
        return np.full(len(hour), 0.06)

    rng = np.random.default_rng(6)
    many, few = (cells_of(rng, flat, n, hours=range(8, 20)) for n in (60_000, 400))
    sure = best_hours.find_best_hours(looked(many), np.random.default_rng(1), smallest_click_gain=0.012)[0]
    unsure = best_hours.find_best_hours(looked(few), np.random.default_rng(1), smallest_click_gain=0.002)[0]
    assert (sure.outcome, unsure.outcome) == ("flat", "open")
    flat_words = timing_wording.decide(looked(many), [sure])[0]
    assert (flat_words.outcome, flat_words.action) == (
        "dont",
        "Leave the hours as they are: take the cheapest allowed one",
    )


def test_today_at_the_best_hour_forgoes_nothing():
    rate, spread = np.array([0.05, 0.08]), np.diag([1e-6, 1e-6])
    may = np.ones(2, bool)
    rng = np.random.default_rng(1)
    gain, low, high, _ = best_hours.compare_with_today(rate, spread, np.array([0.0, 1.0]), may, 0.0, rng)
    assert gain.tolist() == pytest.approx([-0.03, 0.0])
    assert (low[1], high[1]) == (0.0, 0.0)
    # By hand: with half at each, the second brings half the distance, with the error √(.5² + .5²) · .001.
    gain, low, high, p = best_hours.compare_with_today(rate, spread, np.array([0.5, 0.5]), may, 0.0, rng)
    assert gain[1] == pytest.approx(0.015)
    assert (high[1] - low[1]) / 2 / (np.sqrt(0.5) * 1e-3) == pytest.approx(2.0, abs=0.15)  # t63: 2.00
    assert p < 0.001
    _, _, _, hard = best_hours.compare_with_today(rate, spread, np.array([0.5, 0.5]), may, 0.015, rng)
    assert hard > 0.4  # it brings just that: the test is as likely as not to be above


def test_limits_hold_for_the_windows_among_which_one_is_picked():
    """With one picked beforehand c is Student's t, with twelve alike and independent that of twelve (Šidák)."""
    rate, spread, today = np.full(12, 0.05), np.eye(12) * 1e-6, np.zeros(12)
    reach = {}
    for n in (1, 12):
        rng = np.random.default_rng(2)
        _, low, high, _ = best_hours.compare_with_today(rate, spread, today, np.arange(12) < n, 0.0, rng, draws=40_000)
        reach[n] = (high[0] - low[0]) / 2 / 1e-3
    # Four standard errors of a quantile of 40,000 draws: 4 √(.05 · .95 / 40,000) / density (.06 and .10).
    assert reach[1] == pytest.approx(stats.t.ppf(0.975, 63), abs=0.08)
    assert reach[12] == pytest.approx(stats.t.ppf((1 + 0.95 ** (1 / 12)) / 2, 63), abs=0.08)


def test_a_segment_is_asked_after_everybody_or_stands_out_by_itself():
    """Two halves whose days oppose each other leave nothing for everybody: each needs evidence of its own."""

    found = {}
    for strength in (0.02, 0.8):

        def opposed(hour, name, strength=strength):
            return wave(hour, best=8 if name == "b" else 20, strength=strength)

        cells = cells_of(np.random.default_rng(8), opposed, 3_000, ("a", "b"), hours=range(8, 20))
        answers = best_hours.find_best_hours(looked(cells, today={8: 0.5, 19: 0.5}), np.random.default_rng(1))
        found[strength] = {each.segment: each for each in answers}
        everybody, *halves = answers
        assert everybody.outcome != "move"
        alone = 2 * min(each.alone_p for each in halves) / 0.2
        after = max(everybody.p_value, 2 * min(each.p_value for each in halves)) / 0.8
        assert min(each.adjusted_p for each in halves) == pytest.approx(min(alone, after, 1.0))
    assert {found[0.02][name].outcome for name in "ab"} == {"open"}
    assert {found[0.8][name].outcome for name in "ab"} == {"move"}
    assert found[0.8]["a"].windows["hour"][found[0.8]["a"].best] > 16
    assert found[0.8]["b"].windows["hour"][found[0.8]["b"].best] < 11


def test_that_hours_differ_is_not_asked_of_a_segment_once_everybody_shows_it():
    value, covariance = np.array([0.30, 0.28, -0.02, -0.05]), np.eye(4) * 0.02
    alone, after = (
        best_hours.set_of_best(value, covariance, np.random.default_rng(1), alpha=asked) for asked in (0.05, 1.0)
    )
    assert alone.all()
    assert after.tolist() == [True, True, False, False]


def test_hours_that_are_not_allowed_are_never_recommended(clear):
    seen = looked(clear)
    early = np.isin(np.arange(24), np.arange(8, 12))
    answers = best_hours.find_best_hours(dataclasses.replace(seen, allowed=early), np.random.default_rng(1))
    for answer in answers:
        assert answer.windows["until"].max() <= 12
    none = dataclasses.replace(seen, allowed=np.zeros(24, bool))
    assert best_hours.find_best_hours(none, np.random.default_rng(1)) == []


def test_a_schedule_at_untried_hours_has_no_gain(clear):
    seen = looked(clear, today={3: 1.0})
    answer = best_hours.find_best_hours(seen, np.random.default_rng(1))[0]
    assert np.isnan(answer.gain()).all()
    decision = timing_wording.decide(seen, [answer])[0]
    assert decision.outcome == "not_enough_evidence"
    assert "no hour that was tried" in decision.text
    assert np.isnan(decision.value)


def test_a_peak_too_narrow_for_the_curve_is_warned_of_and_a_smooth_day_is_not():
    def lunch(hour, name):
        return expit(-2.5 + 0.4 * np.cos(2 * np.pi * (hour - 16.5) / 24) + 0.8 * (hour == 12))

    for how, rough in ((lunch, True), (lambda hour, name: wave(hour), False)):
        seen = looked(cells_of(np.random.default_rng(4), how, 8_000, hours=range(8, 20)))
        assert (runs_smoothly(seen.randomised) < 0.01) is rough
        decision = timing_wording.decide(seen, best_hours.find_best_hours(seen, np.random.default_rng(1)))[0]
        assert ("depart from the smooth curve" in decision.caveat) is rough


def test_without_a_response_nothing_can_depart_from_the_curve():
    seen = looked(cells_of(np.random.default_rng(4), lambda hour, name: wave(hour), 800, hours=range(8, 20)))
    none = dataclasses.replace(seen.randomised, cells=seen.randomised.cells.assign(clicks=0))
    assert np.isnan(runs_smoothly(none))


def test_through_two_hours_every_curve_goes():
    seen = looked(cells_of(np.random.default_rng(4), lambda hour, name: wave(hour), hours=(9, 15)), hours=(9, 15))
    assert np.isnan(runs_smoothly(seen.randomised))


def test_the_gap_is_that_of_the_two_curves(clear):
    seen = looked(clear).main
    later = cells_of(np.random.default_rng(7), lambda hour, name: wave(hour, best=9), 8_000, hours=range(8, 20))
    records = looked(later, evidence="observational").main
    rows = gap_to_records(seen, records)
    assert len(rows) == 11
    assert np.allclose(rows["gap"], rows["records"] - rows["lot"])
    at = rows.set_index("hour")
    base = int(rows["reference"].iloc[0])
    told = rate_by_hour(seen, "all").set_index("hour")["rate"]
    assert at["lot"][17 if base != 17 else 16] == pytest.approx(told[17 if base != 17 else 16] - told[base])
    far = 9 if base > 12 else 17
    assert not at["low"][far] < 0 < at["high"][far]


# --- what a click is worth -------------------------------------------------------------------------------------------


def moments(arms):
    rows = [(len(y), y.sum(), c.sum(), (y * y).sum(), (c * c).sum(), (y * c).sum()) for y, c in arms]
    return pd.DataFrame(rows, columns=["n", "sum_y", "sum_c", "sum_y2", "sum_c2", "sum_yc"])


def test_two_arms_give_walds_ratio():
    rng = np.random.default_rng(8)
    c = [rng.poisson(mean, 4_000).astype(float) for mean in (0.5, 1.5)]
    y = [5.0 * clicked + rng.normal(20, 10, len(clicked)) for clicked in c]
    value, low, high, strength = click_value.value_of_click(moments(list(zip(y, c, strict=True))), [0, 2])
    assert value == pytest.approx((y[1].mean() - y[0].mean()) / (c[1].mean() - c[0].mean()))
    assert low < 5 < high
    # By hand: the error of the ratio is that of y − 5c, 10·√(2/4000), over the difference in clicks, 1.
    assert (high - low) / 2 == pytest.approx(1.96 * 10 * np.sqrt(2 / 4_000), rel=0.1)
    assert strength > 20


def test_arms_that_do_not_differ_in_clicks_price_none():
    rng = np.random.default_rng(9)
    arms = [(rng.normal(20, 10, 500), rng.poisson(1.0, 500).astype(float)) for _ in range(2)]
    value, low, high, _ = click_value.value_of_click(moments(arms), [0, 1])
    assert np.isnan([value, low, high]).all()


def test_money_carries_both_errors():
    exact = click_value.ClickValue("x", 4.0, 4.0, 4.0, 10, 9.0)
    assert click_value.price_clicks((2.0, 1.0, 3.0), exact) == pytest.approx((8.0, 4.0, 12.0))
    _, low, high = click_value.price_clicks((2.0, 1.0, 3.0), PRICE)
    assert 0 < low < 4.0
    assert high > 12.0
    # First order: relative errors add in squares, √(.5² + .25²) = .559.
    assert (high - low) / 2 / 8.0 == pytest.approx(0.559, rel=0.1)


# --- a company -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def company(tmp_path_factory):
    place = tmp_path_factory.mktemp("timing")
    write_company(place / "co", customers=1_500, weeks=39, seed=3)
    return opened(place / "co", place)


@pytest.fixture(scope="module")
def seen(company):
    return best_hours.analyse(company)


def test_a_company_is_judged_by_its_experiment(company, seen):
    assert seen.test is not None
    assert seen.test.experiment.kind == "timing"
    assert seen.main.evidence == "randomised"
    assert seen.observational is not None
    # An arm counts at its own hour, whatever was kept to: as many messages as windows say.
    assert seen.randomised.cells["hour"].nunique() == len(seen.test.windows) == 12
    assert seen.test.day_before < seen.test.experiment.started
    answers = best_hours.find_best_hours(seen, np.random.default_rng(1), smallest_gain=0.002)
    assert answers[0].segment == "all"
    for answer in answers:
        assert seen.allowed[answer.windows["hour"]].all()
        assert answer.chosen.any()
        low, high = answer.windows["gain_low"], answer.windows["gain_high"]
        assert ((low <= answer.windows["gain"]) & (answer.windows["gain"] <= high)).all()
    for decision in timing_wording.decide(seen, answers):
        assert decision.text
    rows = best_hours.response_rows(seen)
    assert set(rows["evidence"]) == {"randomised", "observational"}
    assert ((rows["low"] <= rows["rate"]) & (rows["rate"] <= rows["high"])).all()
    told = rows[(rows["segment"] == "all") & (rows["evidence"] == "randomised")]
    assert told["messages"].sum() == seen.randomised.cells["messages"].sum()


def test_each_parameter_changes_what_is_seen(company, seen):
    other = best_hours.analyse(company, segment_by="attr_age_band", log_weeks=4, own_hours="9-12")
    assert set(other.randomised.by_segment.segments) != set(seen.randomised.by_segment.segments)
    assert other.practice["messages"].sum() < seen.practice["messages"].sum()
    assert other.allowed.nonzero()[0].tolist() == [9, 10, 11]
    brief = timing_counts.collect_sends(company, 1, 0.0)
    told = [sends.cleaning.set_index("machine")["clicks"] for sends in (brief, seen.sends)]
    assert told[0].sum() < told[1].sum()
    assert "fast" not in told[0]
    assert told[1]["fast"] > 0


def test_segments_are_as_of_the_day_before_the_first_assignment(seen):
    before = seen.randomised.people.set_index("segment")["customers"]
    # All who were assigned are there, whatever became of them; but who became known on that day.
    assert 0.98 * seen.test.experiment.customers.sum() <= before.sum() <= seen.test.experiment.customers.sum()


# --- refusals --------------------------------------------------------------------------------------------------------

HEAD = "message_id,customer_id,campaign_id,sent_at"
PACIFIC = "timezone: America/Los_Angeles\n"  # where 8 to 21 is allowed on all days


def messages_at(hours, n=200, clicks=True):
    """n messages to as many customers, clicked by every fourth after an hour."""
    rows = [HEAD + (",clicked_at" if clicks else "")]
    for i in range(n):
        hour = hours[i % len(hours)]
        clicked = f"2026-10-{1 + i % 28:02} {hour + 1:02}:{i % 60:02}:{(7 * i) % 60:02}" if i % 4 == 0 else ""
        sent = f"m{i},c{i},x,2026-10-{1 + i % 28:02} {hour:02}:00:00"
        rows.append(sent + (f",{clicked}" if clicks else ""))
    return "\n".join(rows) + "\n"


def orders_of(n=200):
    rows = ["order_id,customer_id,ordered_at,amount"]
    rows += [f"o{i},c{i},2026-0{1 + i % 9}-10 10:00:00,{10 + i}" for i in range(n)]
    rows += [f"p{i},c{i},2026-10-{1 + i % 28:02} 20:00:00,{10 + i}" for i in range(0, n, 4)]
    rows.append("z,c1,2026-11-20 10:00:00,5")
    return "\n".join(rows) + "\n"


def decisions_of(shop, **parameters):
    found = best_hours.analyse(shop, **parameters)
    answers = best_hours.find_best_hours(found, np.random.default_rng(1), smallest_click_gain=0.001)
    return found, answers, timing_wording.decide(found, answers)


def test_one_hour_only_compares_nothing(make_source, open_source):
    found, answers, decided = decisions_of(open_source(make_source(orders=orders_of(), messages=messages_at([10]))))
    assert found.main is None
    assert answers == []
    assert (decided[0].outcome, decided[0].evidence) == ("not_enough_evidence", "none")
    assert np.isnan(decided[0].value)
    assert "one hour" in decided[0].text


def test_without_clicks_orders_stand_in_and_no_price_is_put_on_them(make_source, open_source):
    shop = open_source(make_source(source=PACIFIC, orders=orders_of(), messages=messages_at([9, 12, 15], clicks=False)))
    found, answers, decided = decisions_of(shop)
    assert found.sends.outcome == "order"
    assert not found.click.known
    assert answers[0].evidence == "observational"
    assert decided[0].outcome == "not_enough_evidence"
    assert decided[0].unit != "money_per_week"
    assert "no clicks" in decided[0].caveat
    assert "click" not in decided[0].text


def test_without_an_experiment_the_records_are_called_records(make_source, open_source):
    shop = open_source(make_source(source=PACIFIC, orders=orders_of(), messages=messages_at([9, 12, 15])))
    found, _, decided = decisions_of(shop)
    assert (found.tests, found.randomised, found.click.reason) == ([], None, "no_test")
    assert {decision.evidence for decision in decided} == {"observational"}
    assert all(decision.outcome == "not_enough_evidence" for decision in decided)


def test_a_segment_that_never_answers_or_never_got_a_text_is_given_no_hour(make_source, open_source):
    """Of every fourth customer no text was clicked, of others none was sent: everybody else's answer stays."""
    people = "customer_id,attr_kind\n" + "".join(f"c{i},{'deaf' if i % 4 == 1 else 'lively'}\n" for i in range(200))
    people += "".join(f"d{i},unsent\n" for i in range(20))
    shop = open_source(
        make_source(source=PACIFIC, orders=orders_of(), messages=messages_at([9, 12, 15]), customers=people)
    )
    found, answers, decided = decisions_of(shop, segment_by="attr_kind")
    assert [answer.segment for answer in answers] == ["all", "lively"]
    assert [decision.segment for decision in decided] == ["all", "lively"]
    told = best_hours.response_rows(found)
    assert "unsent" not in set(told["segment"])
    deaf = told[told["segment"] == "deaf"]
    assert len(deaf)
    assert deaf["rate"].isna().all()


def test_nothing_delivered_is_no_data(make_source, open_source):
    text = HEAD + ",delivered_at\nm,a,x,2026-10-01 10:00:00,\n"
    with pytest.raises(NotEnoughData, match="No text was delivered"):
        best_hours.analyse(open_source(make_source(orders=ORDERS, messages=text)))


def test_an_experiment_whose_split_is_broken_says_nothing(make_source, open_source):
    people = [f"c{i}" for i in range(200)]
    early = people[:150]
    assigned = "experiment_id,customer_id,arm,assigned_at\n" + "".join(
        f"t,{who},{'early' if who in early else 'late'},2026-09-30 00:00:00\n" for who in people
    )
    shop = open_source(
        make_source(
            orders=orders_of(),
            messages=messages_at([9, 12, 15]),
            experiments="experiment_id,kind,control_arm,started_at,ended_at\n"
            "t,timing,early,2026-09-30 00:00:00,2026-10-30 00:00:00\n",
            arms="experiment_id,arm,share,hour_start,hour_end\nt,early,0.5,9,10\nt,late,0.5,18,19\n",
            assignments=assigned,
        )
    )
    found, _, _ = decisions_of(shop)
    assert [test.sound for test in found.tests] == [False]
    assert found.randomised is None
    assert found.test is None


# --- what else the hour does -----------------------------------------------------------------------------------------


def test_arms_are_compared_as_scipy_does():
    rng = np.random.default_rng(11)
    arms = [rng.gamma(1.0, 20.0, n) for n in (40, 55, 70)]
    left = [3, 9, 21]
    table = pd.DataFrame({"hour": [9, 12, 18], "until": [10, 13, 19]})
    for kind, values in (("orders", arms), ("profit", arms)):
        for name, power in (("n", 0), ("sum_y", 1), ("sum_y2", 2)):
            table[f"{kind}__{name}"] = [(arm**power).sum() for arm in values]
    table["opt_out__n"], table["opt_out__sum_y"], table["opt_out__sum_y2"] = [40, 55, 70], left, left
    found = {outcome.kind: outcome for outcome in secondary_outcomes.compare_arms(table)}
    told = found["profit"].rows.iloc[1]
    reach = stats.t.ppf(0.975, 54) * arms[1].std(ddof=1) / np.sqrt(55)
    assert (told["low"], told["high"]) == pytest.approx((arms[1].mean() - reach, arms[1].mean() + reach))
    assert found["profit"].p_value == pytest.approx(anova_oneway(arms, use_var="unequal").pvalue)
    pairs = np.array([left, [37, 46, 49]])
    assert found["opt_out"].p_value == pytest.approx(stats.chi2_contingency(pairs).pvalue)
    assert found["opt_out"].adjusted_p >= found["opt_out"].p_value


def test_nobody_opted_out_compares_nothing_and_does_not_crash():
    table = pd.DataFrame({"hour": [9, 12], "until": [10, 13], "opt_out__n": [50, 50], "opt_out__sum_y": 0,
                          "opt_out__sum_y2": 0})  # fmt: skip
    for kind in ("orders", "profit"):
        for name, value in (("n", 50), ("sum_y", 0), ("sum_y2", 0)):
            table[f"{kind}__{name}"] = value
    found = secondary_outcomes.compare_arms(table)
    assert all(np.isnan(outcome.p_value) for outcome in found)
    assert found[2].rows["high"].tolist() == pytest.approx([1 - 0.025 ** (1 / 50)] * 2)  # Clopper–Pearson without any
    assert "too few" in timing_figures.outcomes_figure(found, "USD").text


def test_one_message_each_in_one_stratum_is_pearsons_test():
    rng = np.random.default_rng(12)
    hour = rng.integers(0, 24, 6_000)
    clicked = rng.random(6_000) < 0.05
    cells = pd.DataFrame({"segment": "s", "stratum": 0, "weekday": 0, "hour": hour, "until": hour + 1, "messages": 1,
                          "group": rng.integers(0, GROUPS, 6_000), "clicks": clicked.astype(int)})  # fmt: skip
    keys = ["segment", "stratum", "weekday", "hour", "until", "group"]
    seen = looked(cells.groupby(keys, as_index=False).sum(), hours=range(24)).main
    pearson = stats.chi2_contingency(pd.crosstab(hour, clicked).to_numpy()).statistic
    spread = max(seen.everybody.dispersion[0, 0], 1.0)
    assert hours_differ(seen) == pytest.approx(stats.f.sf(pearson / spread / 23, 23, GROUPS - 1), rel=1e-6)


class TestSpecialDays:
    def test_china_moves_working_days(self):
        days = holidays.kind_of_days("CN", dt.date(2026, 1, 1), dt.date(2026, 12, 31))
        moved = {day for day, kind in days.items() if kind == "shifted"}
        assert moved
        assert all(day.weekday() >= 5 for day in moved)
        assert days[dt.date(2026, 10, 1)] == "holiday"
        assert holidays.kind_of_days("", dt.date(2026, 1, 1), dt.date(2026, 12, 31)) == {}

    def test_one_stratum_gives_the_plain_ratio_and_months_do_not_pass_for_holidays(self):
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


def test_how_days_differ_is_recovered():
    """Customers' own means scatter with variance 4 around 11 and 15, their events with variance 9 around them."""
    rng = np.random.default_rng(13)
    rows = []
    for segment, mean in (("early", 11.0), ("late", 15.0)):
        n = rng.integers(1, 20, 3_000)
        events = [rng.normal(own, 3.0, k) for own, k in zip(rng.normal(mean, 2.0, 3_000), n, strict=True)]
        s, ss = (np.array([(x**power).sum() for x in events]) for power in (1, 2))
        told = (3_000, n.sum(), s.sum(), ss.sum(), (s**2 / n).sum(), (n**2).sum())
        rows.append(dict(zip(("customers", "n", "s", "ss", "s2n", "n2"), told, strict=True), segment=segment))
    fit = personal_send_time.fit_days(pd.DataFrame(rows))
    # Standard errors at these numbers: .06 of a mean, .05 of 9, .09 of 4.
    assert fit.means["early"] == pytest.approx(11.0, abs=0.25)
    assert fit.means["late"] == pytest.approx(15.0, abs=0.25)
    assert fit.within == pytest.approx(9.0, abs=0.25)
    assert fit.between == pytest.approx(4.0, abs=0.4)
    assert fit.weight == pytest.approx(9 / 4, rel=0.15)


def test_days_that_do_not_differ_are_the_segments():
    """Events of whom they may: the variance between customers is not above 0, and nobody's day is shifted."""
    sums = {"segment": ["a"], "customers": [2], "n": [4], "s": [48.0], "ss": [584.0], "s2n": [576.0], "n2": [8]}
    fit = personal_send_time.fit_days(pd.DataFrame(sums))  # twice 10 and 14
    assert (fit.between, fit.weight) == (0.0, np.inf)
    one = personal_send_time.fit_days(
        pd.DataFrame({name: value[:1] for name, value in sums.items()} | {"customers": [4]})
    )
    assert np.isnan(one.within)
    assert one.weight == np.inf


def test_the_slope_is_that_of_least_squares():
    """One hour of one segment: the regression of clicks on x, by the mean click rate."""
    rng = np.random.default_rng(15)
    x = rng.normal(0, 0.2, 4_000)
    y = rng.random(4_000) < 0.1 * (1 + 1.5 * x)
    rows = pd.DataFrame({"segment": "a", "hour": 9, "until": 10, "group": rng.integers(0, 64, 4_000), "messages": 1,
                         "x": x, "xx": x**2, "clicks": y.astype(float), "xy": x * y})  # fmt: skip
    found = personal_send_time.slope_by_lot(rows)
    fit = sm.OLS(rows["clicks"], sm.add_constant(x)).fit(cov_type="HC1")
    assert found.estimate == pytest.approx(fit.params["x1"] / y.mean())
    # The jackknife over 64 groups of what is nearly independent: its error is known to a tenth.
    assert (found.high - found.estimate) / 2 == pytest.approx(fit.bse["x1"] / y.mean(), rel=0.35)
    assert np.isnan(personal_send_time.slope_by_lot(rows.assign(x=0.0, xx=0.0, xy=0.0)).estimate)


def test_x_says_nothing_of_who_may_be_sent_at_any_hour_alike():
    """Over the hours that might be drawn x adds up to nothing, whoever it is; nor is there any where no day is off."""
    share = np.array([0.5, 0.3, 0.2])
    x = personal_send_time.contrasts(np.array([0.04, 0.1, 0.07]), np.array([9.5, 12.0, 18.5]), share)
    assert x @ share == pytest.approx(np.zeros(len(personal_send_time.BINS)))
    assert x[personal_send_time.MOST] == pytest.approx(np.zeros(3))
    assert x[-1, 1] < 0 < x[0, 0]  # who is late is better sent late, who is early early


WINDOWS = (9, 11, 13, 15, 17, 19)


def people_with_habits(heeded=True, tested=True, n=900):
    """Visits of early and late people on days without a text, and a test of six hours.

    Args:
        heeded: whether their answers to texts are as early and late as their visits.
        tested: whether the hours are an experiment's.
    """
    rng = np.random.default_rng(14)
    visits, messages, customers = ["customer_id,visited_at"], [HEAD + ",clicked_at"], ["customer_id,timezone,region"]
    assignments = ["experiment_id,customer_id,arm,assigned_at"]
    zones = {"America/New_York,Rhode Island": 5, "America/Los_Angeles,California": 8, ",": 0}
    for i in range(n):
        place, behind = list(zones.items())[i % 3]
        customers.append(f"c{i},{place}")
        shift = (-2.5, 2.5)[i % 2]
        for day in (
            *(pd.Timestamp(2026, 1, 2 * k) for k in range(1, 13)),
            *(pd.Timestamp(2026, 2, k) for k in (9, 19)),
        ):
            at = day + pd.Timedelta(hours=float(rng.normal(13 + shift, 1.5)) + behind)
            visits.append(f"c{i},{at:%Y-%m-%d %H:%M:%S}")
        hour = WINDOWS[int(rng.integers(len(WINDOWS)))]
        assignments.append(f"hours,c{i},h{hour},2026-02-01 00:00:00")
        off = hour - 14 - (shift if heeded else 0.0)
        for day in range(1, 13):
            at = pd.Timestamp(2026, 2, 2 * day) + pd.Timedelta(hours=hour + behind, minutes=int(rng.integers(60)))
            clicked = rng.random() < 0.05 + 0.3 * np.exp(-((off / 4) ** 2))
            messages.append(f"m{i}-{day},c{i},x,{at},{at + pd.Timedelta(minutes=4) if clicked else ''}")
    arms = ["experiment_id,arm,share,hour_start,hour_end"]
    arms += [f"hours,h{hour},{1 / len(WINDOWS)},{hour},{hour + 1}" for hour in WINDOWS]
    heads = ["experiment_id,kind,control_arm,started_at", "hours,timing,h9,2026-02-01 00:00:00"]
    tables = {"visits": visits, "messages": messages, "customers": customers}
    if tested:
        tables |= {"experiments": heads, "arms": arms, "assignments": assignments}
    return {name: "\n".join(rows) + "\n" for name, rows in tables.items()}


def orders_before(n=900):
    rows = (f"o{i},c{i},2025-12-{1 + i % 28:02} 17:00:00,5" for i in range(n))
    return "\n".join(("order_id,customer_id,ordered_at,amount", *rows)) + "\n"


def persons_of(make_source, open_source, **given):
    shop = open_source(make_source(orders=orders_before(), **people_with_habits(**given)))
    seen = best_hours.analyse(shop)
    return shop, personal_send_time.analyse_personal_send_times(shop, seen, "rfm_group")


def test_own_hours_are_used_where_a_test_shows_them_and_never_outside_the_law(make_source, open_source, tmp_path):
    shop, personal = persons_of(make_source, open_source)
    assert personal.together.low > 0
    assert personal.by_lot.low > 1  # each customer's curve is steeper than the mixture that the segment's is
    assert personal.used
    shop.write(personal_send_time.customer_send_hours(shop, personal, "rfm_group"), tmp_path / "hours.parquet")
    told = pd.read_parquet(tmp_path / "hours.parquet").merge(shop.customers.execute(), on="customer_id", how="left")
    assert len(told) == told["customer_id"].nunique() == 900
    number = told["customer_id"].str[1:].astype(int)
    assert (told["basis"] == "personal").mean() > 0.9
    late = told.groupby(number % 2)["hour"].mean()
    assert late[1] - late[0] > 2
    for row in told.itertuples():
        rules = quiet_hours.rule_of(row.timezone or "UTC", row.region)
        assert quiet_hours.allowed(rules)[:, row.hour].all(), row
    page = timing_tables.personal_table(personal).markup
    assert "So own hours are used" in page
    assert 0.5 < personal_send_time.share_moved(personal) <= 1


@pytest.mark.parametrize(
    ("given", "said"),
    [({"heeded": False}, "are not shown to be answered more"), ({"tested": False}, "no test of hours shows")],
)
def test_being_about_at_an_hour_is_no_proof_that_texts_are_read_then(make_source, open_source, tmp_path, given, said):
    shop, personal = persons_of(make_source, open_source, **given)
    assert personal.together.low > 0
    assert not personal.by_lot.low > 0
    assert not personal.used
    shop.write(personal_send_time.customer_send_hours(shop, personal, "rfm_group"), tmp_path / "hours.parquet")
    assert set(pd.read_parquet(tmp_path / "hours.parquet")["basis"]) == {"segment"}
    assert said in timing_tables.personal_table(personal).markup


def test_in_no_zone_is_an_hour_outside_the_law_given(make_source, open_source, tmp_path):
    """One customer in each zone of the countries with rules, and elsewhere; hours at night would be the best."""
    zones = [zone for zone in sorted(zoneinfo.available_timezones()) if quiet_hours.territory_of(zone) in ("US", "CN")]
    zones += ["Europe/Paris", "Pacific/Auckland", ""]
    assert len(zones) > 30
    rows = "".join(f"c{i},{zone},2026-01-01\n" for i, zone in enumerate(zones))
    orders = ORDERS + "".join(f"o{i},c{i},2026-01-03 03:00:00,5\n" for i in range(len(zones)))
    shop = open_source(make_source(orders=orders, customers="customer_id,timezone,joined_at\n" + rows))
    curve = pd.DataFrame({"hour": range(24), "until": range(1, 25), "rate": np.linspace(0.06, 0.05, 24)})
    nothing, unknown = pd.DataFrame(), personal_send_time.Span()
    personal = personal_send_time.PersonalHours(shop.orders, nothing, nothing, unknown, unknown, {"all": curve})
    shop.write(personal_send_time.customer_send_hours(shop, personal, "rfm_group"), tmp_path / "hours.parquet")
    told = pd.read_parquet(tmp_path / "hours.parquet").set_index("customer_id")["hour"]
    for i, zone in enumerate(zones):
        rules = quiet_hours.rule_of(zone or "UTC", "")
        assert quiet_hours.allowed(rules)[:, told[f"c{i}"]].all(), zone


def test_without_an_answer_no_customer_has_an_hour(make_source, open_source):
    shop = open_source(make_source(orders=orders_of(), messages=messages_at([10])))
    seen = best_hours.analyse(shop)
    personal = personal_send_time.analyse_personal_send_times(shop, seen, "rfm_group")
    rows = personal_send_time.customer_send_hours(shop, personal, "rfm_group")
    assert rows.count().execute() == 0


def test_competitors_hours_are_local_where_a_region_is_told(make_source, open_source):
    shop = open_source(
        make_source(
            orders=ORDERS,
            customers="customer_id,timezone,region\na,Asia/Shanghai,East\nb,America/New_York,West\n",
            competitor_messages="competitor,sent_at,region\nx,2026-10-01 02:00:00,East\nx,2026-10-01 02:00:00,\n",
        )
    )
    found = competitors.count_competitors(shop).set_index("hour")["messages"]
    assert found[found > 0].to_dict() == {2: 1, 10: 1}


# --- a public sample -------------------------------------------------------------------------------------------------


@pytest.mark.public_data
def test_of_the_public_advertisements_no_best_hour_is_supported(tmp_path, monkeypatch):
    file = PUBLIC_DATA / "marketing_ab" / "marketing_AB_2pct_sample.csv.gz"
    monkeypatch.setenv("MARKETING_AB_CSV", str(file))
    shop = opened(ROOT / "data" / "marketing_ab", tmp_path, "2019-07-31")
    found, answers, decided = decisions_of(shop, window_hours=336)
    cells = found.observational.cells
    raw = pd.read_csv(file)
    raw = raw[raw["test group"] == "ad"]
    plain = raw.groupby("most ads hour")["converted"].agg(["size", "sum"])
    told = cells.groupby("hour")[["messages", "clicks"]].sum()
    assert told.to_numpy().tolist() == plain.to_numpy().tolist()
    by_day = raw.groupby("most ads day").size()
    names = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
    assert cells.groupby("weekday")["messages"].sum().tolist() == by_day[names].tolist()
    # Pearson's p is .24 over all 24 hours of both arms; of the advertised, customers' own spread can only raise it.
    both = pd.crosstab(pd.read_csv(file)["most ads hour"], pd.read_csv(file)["converted"])
    assert stats.chi2_contingency(both).pvalue == pytest.approx(0.24, abs=0.005)
    counts = np.stack([plain["sum"], plain["size"] - plain["sum"]])
    assert answers[0].differ_p >= stats.chi2_contingency(counts).pvalue
    assert "No best hour is supported" in decided[0].text
    assert all(decision.outcome == "not_enough_evidence" for decision in decided)
    assert not found.click.known
