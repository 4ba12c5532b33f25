"""Whether models still hold: false alarms where nothing changes, changes that are planted, counts by hand."""

import datetime as dt
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from smsroi_helpers import ab_test, effectiveness
from smsroi_helpers.effectiveness import drift_tables
from smsroi_helpers.effectiveness.drift_counts import HOUR_LIMITS, count_clicks, find_span
from smsroi_helpers.effectiveness.drift_wording import advice_words, change_words, put_drift_in_words
from smsroi_helpers.effectiveness.model_drift import (
    ModelCheck,
    check_models,
    compare_forecast,
    compare_months,
    compare_periods,
)
from smsroi_helpers.experiments import check_experiments
from smsroi_helpers.statistics import GROUPS

WORLDS = 400


def most_false_alarms(worlds=WORLDS):
    """So many of the worlds without a change may be called changed: exceeded by chance once in a thousand."""
    return int(binom.ppf(0.999, worlds, 0.05))


def cells_of(rng, effects, texts=40, levels=5):
    """Cells of two periods in which customers' own click rates differ; effects: (2, levels), relative."""
    ready = rng.gamma(4.0, 0.25, (2, levels, GROUPS)).mean(axis=(0, 1))
    rates = 0.08 * ready * np.asarray(effects, float)[:, :, None]
    clicks = rng.binomial(texts, np.clip(rates, 0, 1))
    usual = clicks.sum(axis=(1, 2)) / (texts * levels * GROUPS)
    period, level, group = np.indices(clicks.shape)
    return pd.DataFrame({
        "level": level.ravel(), "period": period.ravel(), "group": group.ravel(), "texts": texts,
        "clicks": clicks.ravel(), "expected": np.broadcast_to(texts * usual[:, None, None], clicks.shape).ravel(),
    })  # fmt: skip


class TestHoursAndFrequency:
    def test_the_same_curve_is_seldom_called_changed(self):
        curve = [0.7, 0.9, 1.0, 1.2, 1.4]
        found = [compare_periods(cells_of(np.random.default_rng(seed), [curve, curve])) for seed in range(WORLDS)]
        assert sum(check.p_value < 0.05 for check in found) <= most_false_alarms()
        assert np.mean([check.p_value for check in found]) == pytest.approx(0.5, abs=0.06)

    def test_a_level_of_all_clicks_is_no_change_of_the_curve(self):
        curve = np.array([0.7, 0.9, 1.0, 1.2, 1.4])
        found = [compare_periods(cells_of(np.random.default_rng(seed), [curve, curve / 2])) for seed in range(WORLDS)]
        assert sum(check.p_value < 0.05 for check in found) <= most_false_alarms()

    def test_a_peak_that_moved_is_found_with_its_size(self):
        before, after = [1.0, 1.0, 1.0, 1.0, 1.5], [1.0, 1.0, 1.0, 1.0, 0.75]
        found = [compare_periods(cells_of(np.random.default_rng(seed), [before, after], texts=120))
                 for seed in range(40)]  # fmt: skip
        assert all(check.p_value < 0.01 for check in found)
        assert sum(check.level == 4 for check in found) >= 38
        # Relative to the mean: .75 ÷ .95 over 1.5 ÷ 1.1.
        assert np.mean([check.change for check in found]) == pytest.approx(0.75 / 0.95 / (1.5 / 1.1) - 1, abs=0.04)

    def test_levels_that_nobody_had_in_one_period_say_nothing(self):
        cells = cells_of(np.random.default_rng(1), np.ones((2, 3)), levels=3)
        gone = cells[(cells["period"] == 0) | (cells["level"] < 2)]
        assert np.isfinite(compare_periods(gone).p_value)
        assert compare_periods(cells[cells["period"] == 0]).reason == "not_drawn"
        assert compare_periods(cells[(cells["period"] == 0) | (cells["level"] == 0)]).reason == "few_events"
        assert compare_periods(cells.iloc[:0]).reason == "not_drawn"


class TestForecast:
    @pytest.mark.parametrize("memory", [0.0, 0.4])
    @pytest.mark.parametrize("noise", [0.0, 0.05, 0.15])
    def test_weeks_that_differ_by_themselves_are_no_change(self, noise, memory):
        missed = 0
        for seed in range(WORLDS):
            rng = np.random.default_rng(seed)
            shock = rng.normal(size=60)
            for week in range(1, 60):
                shock[week] = shock[week - 1] * memory + shock[week] * np.sqrt(1 - memory**2)
            weeks = rng.poisson(150 * np.exp(noise * shock))
            *_rest, p_value = compare_forecast(weeks[52:].sum(), 8 * 150.0, 0.0, weeks[:52].astype(float), 8)
            missed += p_value < 0.05
        assert missed <= most_false_alarms()

    def test_a_fall_by_a_quarter_is_found(self):
        rng = np.random.default_rng(3)
        weeks = rng.poisson(300 * np.exp(0.03 * rng.normal(size=52))).astype(float)
        change, low, high, p_value = compare_forecast(0.75 * 2_400, 2_400.0, 24.0**2, weeks, 8)
        assert (round(change, 2), p_value < 1e-6) == (-0.25, True)
        assert low < -0.25 < high < -0.15

    def test_uncertain_parameters_widen_the_interval(self):
        weeks = np.full(52, 300.0)
        sure = compare_forecast(2_300.0, 2_400.0, 0.0, weeks, 8)
        unsure = compare_forecast(2_300.0, 2_400.0, 100.0**2, weeks, 8)
        assert unsure[1] < sure[1] < sure[2] < unsure[2]


class TestHoldout:
    def months(self, rng, effects, error=1.0):
        starts = pd.date_range("2025-01-01", periods=len(effects), freq="MS")
        return pd.DataFrame({
            "month": [day.date() for day in starts], "difference": rng.normal(effects, error), "variance": error**2,
        })  # fmt: skip

    def test_the_same_effect_is_seldom_called_changed(self):
        found = [compare_months(self.months(np.random.default_rng(seed), np.full(9, 2.0))) for seed in range(WORLDS)]
        assert sum(check.p_value < 0.05 for check in found) <= most_false_alarms()

    def test_an_effect_that_ended_is_found(self):
        found = compare_months(self.months(np.random.default_rng(1), [2.0] * 8 + [0.0] * 2, error=0.1))
        assert found.p_value < 1e-6
        assert found.change == pytest.approx(-2.0, abs=0.3)
        assert (found.first, found.last) == (dt.date(2025, 9, 1), dt.date(2025, 10, 31))

    def test_few_months_say_nothing(self):
        assert compare_months(self.months(np.random.default_rng(1), [1.0] * 3)).reason == "short_holdout"


# --- a company whose hours change ------------------------------------------------------------------------------------

FIRST, WEEKS, PEOPLE = dt.date(2026, 1, 5), 34, 500


def company(rng, newest):
    """Tables of a test of two hours that never ends; click rates .10 at both, `newest` in the last eight weeks."""
    arm = np.where(np.arange(PEOPLE) % 2, "evening", "morning")
    rows, clicked = [], []
    for week in range(WEEKS):
        for i in range(PEOPLE):
            hour = 20 if arm[i] == "evening" else 10
            at = dt.datetime.combine(FIRST + dt.timedelta(weeks=week, days=i % 5), dt.time(hour))
            late = at.date() > FIRST + dt.timedelta(weeks=WEEKS - 8, days=-1)
            click = bool(rng.random() < (newest[hour] if late else 0.1))
            clicked.append((f"c{i}", i, hour, at, click))
            tail = f"{at + dt.timedelta(hours=1):%Y-%m-%d %H:%M:%S}" if click else ""
            rows.append(f"m{len(rows)},c{i},w{week},{at:%Y-%m-%d %H:%M:%S},{tail}")
    last = FIRST + dt.timedelta(weeks=WEEKS, days=-1)
    tables = {
        "messages": "message_id,customer_id,campaign_id,sent_at,clicked_at\n" + "\n".join(rows) + "\n",
        "orders": "order_id,customer_id,ordered_at,amount\n" + f"1,c0,{FIRST} 09:00:00,10\n2,c1,{last} 23:00:00,10\n",
        "experiments": f"experiment_id,kind,started_at,control_arm\nhours,timing,{FIRST},morning\n",
        "arms": "experiment_id,arm,share,hour_start,hour_end\nhours,morning,0.5,10,11\nhours,evening,0.5,20,21\n",
        "assignments": "experiment_id,customer_id,arm,assigned_at\n"
        + "".join(f"hours,c{i},{arm[i]},{FIRST} 00:00:00\n" for i in range(PEOPLE)),
    }
    return tables, clicked


@pytest.fixture(scope="module")
def changed(tmp_path_factory):
    return company(np.random.default_rng(5), {10: 0.16, 20: 0.05})


class TestCompany:
    def test_texts_and_clicks_are_those_of_a_plain_count(self, make_source, open_source, changed):
        tables, clicked = changed
        shop = open_source(make_source(**tables))
        tests = [test for test, _validity in check_experiments(shop)]
        cells = count_clicks(shop, find_span(shop), "sms", tests)
        newest = find_span(shop).first
        seen = pd.DataFrame(
            [(int(np.searchsorted(HOUR_LIMITS, hour, "right")), int(at.date() >= newest), click)
             for _who, _i, hour, at, click in clicked if at + dt.timedelta(hours=72) <= shop.end.replace(tzinfo=None)],
            columns=["level", "period", "click"],
        )  # fmt: skip
        plain = seen.groupby(["level", "period"])["click"].agg(["size", "sum"])
        found = cells[cells["factor"] == "hours"].groupby(["level", "period"])[["texts", "clicks"]].sum()
        assert found.to_numpy().tolist() == plain.to_numpy().tolist()
        assert cells["expected"].sum() == pytest.approx(cells["clicks"].sum())

    def test_hours_that_changed_are_to_be_tested_again(self, make_source, open_source, changed):
        checks = check_models(open_source(make_source(**changed[0])))
        hours = next(check for check in checks if check.model == "hours")
        assert (hours.outcome, hours.evidence, hours.repeat) == ("moved", "randomised", True)
        assert hours.customers == PEOPLE
        assert hours.low < hours.change < hours.high
        decisions = put_drift_in_words(checks, "USD")
        assert [(each.outcome, each.customers) for each in decisions] == [("do", PEOPLE)]
        assert decisions[0].next_test
        assert "10" in change_words(hours, "USD") or "19" in change_words(hours, "USD")
        rows = effectiveness.model_check_rows(checks, "USD").set_index("model")
        assert rows.loc["hours", "stages"] == "timing send_plan"
        assert change_words(hours, "USD") in rows.loc["hours", "warning"]
        assert "This amount rests on the weeks before, too." in rows.loc["hours", "caveat"]
        assert not rows.loc["forecast", ["warning", "caveat"]].any()
        assert rows.loc["hours", "outcome"] == "moved"
        assert rows.loc["forecast", "outcome"] == "unknown"
        assert np.isnan(rows.loc["forecast", "change"])

    def test_hours_that_stay_are_left_alone(self, make_source, open_source):
        tables, _clicked = company(np.random.default_rng(6), {10: 0.1, 20: 0.1})
        checks = check_models(open_source(make_source(**tables)))
        assert {check.model: check.outcome for check in checks} == {
            "forecast": "unknown", "hours": "holds", "frequency": "unknown", "holdout": "unknown",
        }  # fmt: skip
        assert put_drift_in_words(checks, "USD") == []

    def test_orders_alone_say_what_is_missing(self, make_source, open_source):
        checks = check_models(
            open_source(make_source(orders="order_id,customer_id,ordered_at,amount\n1,a,2026-01-02,5\n"))
        )
        assert [check.reason for check in checks] == ["short_log", "no_clicks", "no_clicks", "no_holdout"]
        page = drift_tables.checks_table(checks, "").markup
        assert page.count(">not known<") == 4
        assert "the log is too short" in page


def test_every_reason_and_every_level_has_words():
    for reason in ("no_orders", "no_clicks", "short_log", "few_events", "not_drawn", "no_holdout", "short_holdout"):
        for model in ("forecast", "hours", "frequency", "holdout"):
            assert change_words(ModelCheck(model, reason, "none"), "USD")
    for model, levels in (("hours", range(7)), ("frequency", range(4))):
        texts = {change_words(ModelCheck(model, "", "randomised", change=0.1, low=0.05, high=0.2, level=level), "")
                 for level in levels}  # fmt: skip
        assert len(texts) == len(levels)


@pytest.mark.parametrize(("change", "words"), [(-1.11, "texting was lower"), (1.11, "texting was higher")])
def test_amounts_that_rest_on_a_holdout_that_changed_say_which_way_they_are_off(change, words):
    moved = ModelCheck("holdout", "", "randomised", change=change, low=change - 0.8, high=change + 0.8, adjusted_p=0.02)
    row = effectiveness.model_check_rows([moved], "USD").iloc[0]
    assert "send_plan" in row["stages"].split()
    assert words in row["caveat"]
    assert row["caveat"].endswith("too high." if change < 0 else "too low.")
    assert "1.11 a customer and month" in row["warning"]
    dated = replace(moved, first=dt.date(2026, 3, 1), last=dt.date(2026, 5, 31))
    row = effectiveness.model_check_rows([dated], "USD").iloc[0]
    for said in (row["caveat"], row["warning"]):
        assert said.endswith("Newest months: Mar 1, 2026 to May 31, 2026.")
    assert "Base decisions on the newest months" in row["warning"]


def test_an_old_test_is_repeated_although_nothing_can_be_told():
    old = ModelCheck("hours", "not_drawn", "none", test="spring", ended=dt.date(2025, 1, 1), weeks_since=70.0,
                     customers=900)  # fmt: skip
    assert old.repeat
    assert "70 weeks ago" in advice_words(old)
    said = put_drift_in_words([old], "USD")[0]
    assert said.next_test
    assert "none before" in said.text
    young = ModelCheck("hours", "not_drawn", "none", test="spring", ended=dt.date(2026, 1, 1), weeks_since=20.0)
    assert not young.repeat
    assert put_drift_in_words([young], "USD") == []


def test_the_simulated_company_has_one_row_for_each_model(company_checks):
    assert [check.model for check in company_checks] == ["forecast", "hours", "frequency", "holdout"]
    tested = [check for check in company_checks if check.outcome != "unknown"]
    assert tested
    assert all(check.low <= check.change <= check.high for check in tested)
    assert all(check.adjusted_p >= check.p_value for check in tested)


def test_the_holdout_is_compared_by_the_months_of_page_05(company_checks, simulated, simulated_tests):
    months = ab_test.estimate_monthly_profit(simulated[2], simulated_tests).set_index("month")["difference"]
    check = company_checks[-1]
    newest = months.loc[check.first : check.last]
    assert len(newest) == 2
    whole = [month for month in months.index if month > months.index[0] and month < check.first]
    assert check.change in (
        pytest.approx(newest.mean() - months.loc[whole].mean()),
        pytest.approx(newest.mean() - months.loc[[months.index[0], *whole]].mean()),  # where it began with a month
    )


@pytest.fixture(scope="module")
def company_checks(simulated):
    return check_models(simulated[2])


def test_the_forecast_that_was_tested_is_named():
    """It is one model in every run, whichever the page on customer value chose."""
    check = ModelCheck("forecast", "", "forecast", change=-0.22, low=-0.44, high=0.1, adjusted_p=0.01)
    words = put_drift_in_words([check], "USD")[0].action
    assert "Forecast of purchases by BG/NBD (page 02 names the model of its own forecast)" in words
    assert "purchases −22%" in words


def test_the_answer_to_whether_models_are_valid_names_the_change_and_what_stayed():
    """The page shows the action alone, so the number is in it."""
    moved = ModelCheck("holdout", "", "randomised", change=-1.11, low=-1.92, high=-0.3, adjusted_p=0.02)
    hours = ModelCheck("hours", "", "randomised", change=0.4, low=-0.1, high=1.2, level=0, adjusted_p=0.6)
    said = put_drift_in_words([hours, moved], "USD")[0]
    assert said.action.startswith(
        "No. Incremental profit of texting (page 05) has changed: −$1.11 a customer and month"
    )
    assert said.action.endswith("keep the holdout running. The change may be seasonal.")
    assert said.text == "No change is shown for “Clicks by hour (page 03)”."
    both = put_drift_in_words([replace(hours, adjusted_p=0.03), moved], "USD")[0]
    assert both.action.startswith("No. Clicks by hour (page 03) has changed")
    assert "Incremental profit of texting (page 05): −$1.11" in both.text
    old = ModelCheck("hours", "not_drawn", "none", test="spring", ended=dt.date(2025, 1, 1), weeks_since=70.0)
    assert put_drift_in_words([old], "USD")[0].action.startswith(
        "No change is shown, but a test is old. Test the hours"
    )
    # What has changed leads, whatever is old.
    assert put_drift_in_words([old, moved], "USD")[0].action.startswith("No. Incremental profit of texting")
