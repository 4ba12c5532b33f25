"""Daily numbers of a company: what is counted, when it is complete, and an outage from the file to the alert."""

import dataclasses
import datetime as dt
import json
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import yaml

from smsroi_helpers import effectiveness, locale, measures
from smsroi_helpers.contract import OUTPUTS
from smsroi_helpers.effectiveness import monitoring_figures, monitoring_tables
from smsroi_helpers.effectiveness.monitoring import monitor, monitor_cells
from smsroi_helpers.effectiveness.monitoring_counts import DailyCells, count_days, daily_numbers
from smsroi_helpers.effectiveness.monitoring_wording import false_alarm_words
from smsroi_helpers.effectiveness.previous import last_day_of
from smsroi_helpers.simulation.write import write_company
from smsroi_helpers.statistics import DRIFT_DAYS
from tests.experiment_sources import open_folder

HEAD = "message_id,customer_id,campaign_id,sent_at,delivered_at,clicked_at,opted_out_at"
MESSAGES = f"""{HEAD}
1,a,x,2026-03-01 10:00:00,2026-03-01 10:00:05,2026-03-01 11:00:00,
2,b,x,2026-03-01 10:00:00,2026-03-01 10:00:05,2026-03-06 11:00:00,
3,c,x,2026-03-01 10:00:00,,,
4,d,x,2026-03-01 10:00:00,2026-03-01 10:00:05,,2026-03-01 12:00:00
5,e,x,2026-03-01 10:00:00,2026-03-01 10:00:05,,2026-03-02 12:00:00
6,a,y,2026-03-02 10:00:00,2026-03-02 10:00:05,2026-03-02 10:00:06,
"""
ORDERS = """order_id,customer_id,ordered_at,amount
1,a,2026-03-02 09:00:00,30
2,b,2026-03-05 10:00:00,99
3,d,2026-03-03 10:00:00,50
4,z,2026-03-10 10:00:00,1
"""


def test_days_are_counted_by_hand(make_source, open_source):
    cells = count_days(open_source(make_source(orders=ORDERS, messages=MESSAGES)))
    first, second = (cells.rows.set_index("campaign_id").loc[name] for name in ("x", "y"))
    # Message 2 is clicked, and b orders, later than 72 hours; message 6 is clicked by a machine within a second.
    counted = first[["sent", "delivered", "click_texts", "clicks", "opt_outs", "buys"]].tolist()
    assert counted == [5, 4, 4, 1, 1, 2]
    assert first["revenue"] == pytest.approx(80.0, rel=0.01)
    assert (second["click_texts"], second["clicks"]) == (0, 0)
    assert cells.complete == {
        "delivery_rate": dt.date(2026, 3, 10), "click_rate": dt.date(2026, 3, 7),
        "conversion_rate": dt.date(2026, 3, 7), "opt_out_rate": dt.date(2026, 3, 10),
        "revenue_per_text": dt.date(2026, 3, 7),
    }  # fmt: skip


def test_a_longer_window_is_complete_later(make_source, open_source):
    shop = open_source(make_source(orders=ORDERS, messages=MESSAGES))
    assert count_days(shop, 100).complete["click_rate"] == dt.date(2026, 3, 5)
    assert count_days(shop, 100).rows["buys"].sum() == 3  # with b's order, 96 hours later


def test_what_the_source_does_not_record_is_not_watched(make_source, open_source):
    shop = open_source(
        make_source(orders=ORDERS, messages="message_id,customer_id,campaign_id,sent_at\n1,a,x,2026-03-01\n")
    )
    found = monitor(shop)
    assert set(found.unknown) == {"delivery_rate", "click_rate", "opt_out_rate"}
    assert not found.series
    lacking = found.unwatched.set_index("metric").loc["conversion_rate"]
    assert (lacking["days"], lacking["days_needed"]) == (0, 70)  # a day of one text has no rate
    assert "Not watched yet" in monitoring_tables.unwatched_table(found).markup
    assert "enough days to be watched" in monitoring_tables.alerts_table(found, "").markup


def test_without_messages_nothing_is_watched(make_source, open_source):
    found = monitor(open_source(make_source(orders=ORDERS)))
    assert len(found.unknown) == 5
    rows = effectiveness.alert_rows(found, "")
    assert not len(rows)
    assert set(OUTPUTS["alerts"]) <= set(rows.columns)


def cells_of(rng, days=150, texts=2_000, opt_outs=None):
    """Cells of one channel and one campaign with steady rates."""
    sent = rng.poisson(texts, days)
    delivered = rng.binomial(sent, 0.95)
    left = rng.binomial(delivered, 0.004 if opt_outs is None else opt_outs)
    rows = pd.DataFrame({
        "campaign_id": "x", "channel": "sms", "day": pd.date_range("2026-01-01", periods=days), "sent": sent,
        "delivered": delivered, "click_texts": delivered, "clicks": 0, "opt_outs": left, "buys": 0, "paid": 0,
        "revenue": 0.0, "revenue_squared": 0.0,
    })  # fmt: skip
    last = rows["day"].max().date()
    return DailyCells(rows, dt.date(2026, 1, 1), last, {"delivery_rate": last, "opt_out_rate": last}, float("nan"))


def test_an_alert_is_new_until_a_run_has_seen_it():
    share = np.where(np.arange(150) == 146, 0.03, 0.004)
    cells = cells_of(np.random.default_rng(2), opt_outs=share)
    day = dt.date(2026, 1, 1) + dt.timedelta(days=146)
    for since, new in ((None, True), (day - dt.timedelta(days=1), True), (day, False)):
        alerts = monitor_cells(cells, since=since).alerts
        row = alerts[alerts["test"] == "day"].iloc[0]
        assert (row["at"], row["metric"], row["scope"], row["new"]) == (day, "opt_out_rate", "sms", new)
        assert row["value"] > row["expected_high"] > 0.004 > row["expected_low"]
    rows = effectiveness.alert_rows(monitor_cells(cells), "")
    assert "Same-day opt-out rate up: " in rows.loc[rows["test"] == "day", "text"].iloc[0]


@pytest.mark.parametrize(("began", "after"), [(146, True), (147, False), (None, False)])
def test_an_alert_of_days_after_a_plan_began_says_so(began, after):
    share = np.where(np.arange(150) == 146, 0.03, 0.004)
    found = monitor_cells(cells_of(np.random.default_rng(2), opt_outs=share))
    first = None if began is None else dt.date(2026, 1, 1) + dt.timedelta(days=began)
    plan = first and measures.PlanStart(first + dt.timedelta(days=1), first)
    rows = effectiveness.alert_rows(dataclasses.replace(found, plan=plan), "")
    remark = rows.loc[rows["test"] == "day", "remark"].iloc[0]
    assert bool(remark) is after
    assert not after or locale.day(plan.began) in remark


def test_a_level_is_after_a_plan_if_all_of_its_days_are():
    found = monitor_cells(cells_of(np.random.default_rng(2)))
    day = dt.date(2026, 5, 1)
    alerts = pd.DataFrame({"at": [day, day], "test": ["level", "day"]})
    for days, expected in ((DRIFT_DAYS - 1, [True, True]), (DRIFT_DAYS - 2, [False, True])):
        plan = measures.PlanStart(day, day - dt.timedelta(days=days))
        assert dataclasses.replace(found, alerts=alerts, plan=plan).after_plan.tolist() == expected


def test_the_plan_that_messages_followed_is_known(simulated):
    _world, _folder, shop = simulated
    assert monitor(shop).plan == measures.find_first_plan(shop, shop.messages) is not None


def _run(root, name, as_of, previous=""):
    (root / name).mkdir()
    parameters = {"00_quality": {}, "08_effectiveness": {"previous_run": previous}}
    (root / name / "manifest.json").write_text(json.dumps({"as_of": as_of, "parameters": parameters}))
    return str(root / name)


def test_a_run_of_the_same_day_again_keeps_its_alerts_new(tmp_path):
    monday = _run(tmp_path, "monday", "2026-06-22")
    tuesday = _run(tmp_path, "tuesday", "2026-06-23", monday)
    again = _run(tmp_path, "again", "2026-06-23", tuesday)
    day = dt.date(2026, 6, 23)
    for previous in (monday, tuesday, again):
        assert last_day_of(previous, day) == dt.date(2026, 6, 22)
    assert last_day_of(again, dt.date(2026, 6, 24)) == day
    first = _run(tmp_path, "first", "2026-06-23")
    for previous in ("", first, str(tmp_path / "gone")):
        assert last_day_of(previous, day) is None


def test_a_channel_without_a_test_of_drifts_is_named():
    daily = cells_of(np.random.default_rng(5), days=650)
    rare = daily.rows[daily.rows.index % 14 == 0].assign(channel="email")  # once a fortnight: enough days, too thin
    rows = pd.concat([daily.rows, rare], ignore_index=True)
    found = monitor_cells(DailyCells(rows, daily.first, daily.last, daily.complete, float("nan")))
    drifts = {each.scope: each.drifts for each in found.series if each.kind == "channel"}
    assert drifts == {"sms": True, "email": False}
    page = monitoring_tables.coverage_table(found, "").markup
    assert "A slow drift is not seen in channel email: the test needs texts on three days of 21" in page


def test_more_false_alarms_allowed_make_narrower_ranges():
    cells = cells_of(np.random.default_rng(3))
    chances = [monitor_cells(cells, false_alarms=rate).chance for rate in (0.1, 1.0)]
    assert chances[1] == pytest.approx(10 * chances[0])


def test_a_series_of_money_has_the_relative_error_of_its_orders():
    rows = cells_of(np.random.default_rng(4), days=3).rows.assign(
        delivered=100, paid=[4, 0, 6], revenue=[40.0, 0.0, 60.0], revenue_squared=[500.0, 0.0, 700.0]
    )
    numbers = daily_numbers(rows, "revenue_per_text", dt.date(2026, 1, 1), dt.date(2026, 1, 3))
    assert numbers.value[[0, 2]] == pytest.approx([0.4, 0.6])
    relative = (1200 / 10) / (100 / 10) ** 2  # E(x²) ÷ E(x)²
    assert numbers.size == pytest.approx([4 / relative, 0, 6 / relative])


def _day_of(instants, zone):
    return pd.to_datetime(instants, utc=True).dt.tz_convert(zone).dt.date


@pytest.fixture(scope="module")
def outage(tmp_path_factory):
    """A simulated company, of whose texts four in five were not delivered on the third last day."""
    place = tmp_path_factory.mktemp("outage")
    write_company(place / "source", customers=1_500, weeks=26, seed=5)
    parts = sorted((place / "source" / "messages").glob("*.parquet"))
    last = max(pd.read_parquet(part, columns=["sent_at"])["sent_at"].max() for part in parts)
    zone = yaml.safe_load((place / "source" / "source.yml").read_text())["timezone"]
    day = _day_of(pd.Series([last]), zone)[0] - dt.timedelta(days=2)
    for part in parts:
        rows = pd.read_parquet(part)
        lost = (_day_of(rows["sent_at"], zone) == day) & (np.arange(len(rows)) % 5 > 0)
        events = [name for name in rows.columns if name.endswith("_at") and name != "sent_at"]
        rows.loc[lost, events] = None
        rows.to_parquet(part)
    return open_folder(place / "source", place), day


def test_an_outage_is_an_alert_of_its_day_and_of_no_other(outage):
    shop, day = outage
    found = monitor(shop)
    alerts = found.alerts
    delivery = alerts[(alerts["metric"] == "delivery_rate") & (alerts["kind"] == "channel") & (alerts["test"] == "day")]
    assert delivery["at"].tolist() == [day]
    assert delivery["new"].all()
    assert delivery["value"].iloc[0] < 0.5
    text = effectiveness.alert_rows(found, "")["text"]
    assert text.str.contains("Delivery rate").any()


def test_a_day_without_any_text_is_an_alert_where_texts_are_usual():
    cells = cells_of(np.random.default_rng(6), days=400)
    workdays = cells.rows[cells.rows["day"].dt.weekday < 5]
    day = workdays["day"].iloc[-6]
    rows = workdays[workdays["day"] != day]
    found = monitor_cells(DailyCells(rows, cells.first, cells.last, cells.complete, float("nan")))
    own = found.alerts[found.alerts["metric"] == "messages_sent"]
    assert own["at"].tolist() == [day.date()]  # and none of a weekend, when there are never texts
    (silence,) = found.silence
    before = workdays[workdays["day"] < cells.rows["day"].iloc[-28]]
    assert silence.chance == pytest.approx(0.5 / (len(before) + 1))
    assert silence.tests == 20
    assert found.tests == silence.tests + sum(each.watched.tests for each in found.series)
    text = effectiveness.alert_rows(found, "").set_index("metric").loc["messages_sent", "text"]
    assert "channel SMS: Messages sent down: 0, expected 1," in text
    few = monitor_cells(DailyCells(rows[rows["day"] > "2026-11-15"], cells.first, cells.last, cells.complete, np.nan))
    assert not (few.alerts["metric"] == "messages_sent").any()  # too few days to call it unusual


@pytest.mark.parametrize(("rate", "words"), [(1.0, "at most one false alarm a month"), (2.0, "at most 2 false alarms")])
def test_one_false_alarm_is_singular(rate, words):
    found = SimpleNamespace(series=[], silence=[], tests=648, days=28, false_alarms=rate)
    assert words in false_alarm_words(found)


@pytest.mark.parametrize("limits", [(1.1, 2.9), (0.52, 1.9), (0.3, 80.0)])
def test_a_log_axis_has_labels_to_read_values_off(limits):
    ax = plt.subplots()[1]
    ax.set_ylim(*limits)
    monitoring_figures._log_ticks(ax)
    ax.figure.canvas.draw()
    shown = [label.get_text() for label in ax.get_yticklabels() if limits[0] <= label.get_position()[1] <= limits[1]]
    assert len(shown) >= 3
    assert [float(text) for text in shown] == pytest.approx(
        [tick for tick in ax.get_yticks() if limits[0] <= tick <= limits[1]]
    )
    plt.close(ax.figure)
