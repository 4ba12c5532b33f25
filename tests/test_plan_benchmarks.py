"""The benchmarks of send plans: the truth of a plan's texts and of other policies, and companies that follow plans."""

import datetime as dt
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from benchmarks.capture import Policy
from benchmarks.companies import DOSES, find_truths, write
from benchmarks.plan_loop import Followed, append_rows, follow
from benchmarks.plan_truth import WEEKS, Worth, price_plan, read_plan, show_as_plan
from benchmarks.send_plan import judge_scores, measure_plan
from smsroi_helpers.simulation.ground_truth import CREATIVES
from smsroi_helpers.source import load
from tests import second_world

VARIANTS = tuple(c.variant for c in CREATIVES)
MONDAY = dt.date(2026, 6, 29)


@pytest.fixture(scope="module")
def company(tmp_path_factory):
    source = tmp_path_factory.mktemp("plans") / "own"
    made = write("own", source, customers=400, seed=8)
    return made, source, find_truths(made, source, every_text=True)


def repeat_weekly(n, days, hour, creative, weeks=range(WEEKS)):
    """The same texts for n customers in each of these weeks."""
    day = np.array([7 * week + day for week in weeks for day in days])
    return pd.DataFrame({"row": np.repeat(np.arange(n), len(day)), "day": np.tile(day, n), "hour": hour,
                         "creative": creative})  # fmt: skip


@pytest.mark.parametrize(("days", "dose"), [((0,), 1.0), ((0, 3), 2.0), ((0, 2, 3), 3.0)])
def test_the_truth_of_a_plan_averages_to_that_of_its_frequency(company, days, dose):
    """`Truths` takes any weekday; every turn of the plan's days is priced and averaged. The hour and text are given."""
    made, source, truths = company
    n, window, creative = len(truths.ids), 3, 5
    hour = truths.windows[window][0]
    for text in (creative, -1):
        turned = [price_plan(made, source, repeat_weekly(n, [(day + turn) % 7 for day in days], hour, text))
                  for turn in range(7)]  # fmt: skip
        profit = np.mean([each.profit for each in turned], axis=0)
        assert np.allclose(profit, truths.profit[:, window, DOSES.index(dose), text])
        assert np.allclose(turned[0].long_run, truths.value[:, window, DOSES.index(dose), text], rtol=0.25, atol=1)
    assert truths.creatives == VARIANTS


def test_one_text_in_two_weeks_is_half_of_one_a_week(company):
    made, source, truths = company
    n = len(truths.ids)
    weekly, rarer = (price_plan(made, source, repeat_weekly(n, [2], 18, 0, weeks)) for weeks in (range(4), (0, 2)))
    assert np.allclose(rarer.profit, weekly.profit / 2)
    nobody = price_plan(made, source, repeat_weekly(0, [2], 18, 0))
    assert not nobody.profit.any()
    assert not nobody.long_run.any()
    assert not nobody.cash.any()


def test_cash_is_of_the_weeks_in_which_the_customer_is_still_subscribed():
    profit, stays, discount = np.array([2.0, -0.5, 0.0]), np.array([0.9, 0.8, 1.0]), 0.002
    worth = Worth(profit, np.where(profit == 0, 0, profit / (1 - stays / (1 + discount))), discount)
    assert np.allclose(worth.cash, [2 * (1 + 0.9 + 0.81 + 0.729), -0.5 * (1 + 0.8 + 0.64 + 0.512), 0])


def test_a_policy_shown_as_a_plan_is_read_as_it_was(company):
    _made, source, truths = company
    n = len(truths.ids)
    policy = Policy(np.arange(n) % 12, np.array(DOSES)[np.arange(n) % 5 + 1], np.arange(n) % 9 - 1)
    policy.window[:7] = -1
    who = np.arange(n) < 300
    plan = show_as_plan(policy, truths, who, source, MONDAY, np.random.default_rng(1))
    plan["timezone"] = "UTC"  # the notebook's plan has the zone too; the customer's own counts
    assert set(plan["customer_id"]) == set(truths.ids[who])
    texts = read_plan(plan, source, VARIANTS)
    row = texts["row"]
    assert (texts["hour"] == np.array([first for first, _end in truths.windows])[policy.window[row]]).all()
    assert (texts["creative"] == policy.creative[row]).all()
    counts = np.bincount(row, minlength=n) / WEEKS
    assert np.allclose(counts[who], np.where(policy.window >= 0, policy.dose, 0)[who])
    assert not counts[~who].any()


@pytest.mark.parametrize("problem", ["customer", "variant", "weeks", "day"])
def test_a_plan_that_cannot_be_priced_is_refused(company, problem):
    _made, source, truths = company
    at = pd.Timestamp("2026-07-01 16:00", tz="UTC")
    plan = pd.DataFrame({"plan_id": "plan-20260629", "customer_id": truths.ids[:2], "send_at": at, "variant": "story"})
    assert len(read_plan(plan, source, VARIANTS)) == 2
    wrong = {
        "customer": plan.assign(customer_id="nobody"), "variant": plan.assign(variant="sale_99"),
        "weeks": plan.assign(send_at=at + pd.Timedelta(weeks=5)), "day": pd.concat([plan, plan]),
    }  # fmt: skip
    with pytest.raises(ValueError, match="the plan has"):
        read_plan(wrong[problem], source, VARIANTS)


def test_intervals_are_compared_with_the_truth_of_the_customers_counted():
    counted = np.array([True, True, False])
    plan, today = (Worth(np.array(m), np.array(v), 0.0) for m, v in (
        ([1.0, 3.0, 99.0], [10.0, 30.0, 99.0]), ([0.0, 1.0, 99.0], [0.0, 10.0, 99.0]),
    ))  # fmt: skip
    scores = pd.DataFrame({
        "policy": ["plan", "today", "plan_minus_today", "nothing", "plan", "else"],
        "period": ["long run"] * 4 + ["next 4 weeks", "long run"], "evidence": "modelled",
        "profit_per_customer": 1.0, "low": [19.0, 5.1, 14.0, np.nan, 0.0, 0.0],
        "high": [21.0, 6.0, 16.0, np.nan, 1.0, 1.0],
    })  # fmt: skip
    found = judge_scores(scores, plan, today, counted)
    assert found["truth"].tolist()[:4] == [20, 5, 15, 0]
    weeks = np.array([0.9, 0.9]) ** np.arange(4)[:, None]
    assert np.isclose(found["truth"][4], (np.array([1.0, 3.0]) * weeks).sum(axis=0).mean())
    assert found["covered"].tolist() == [True, False, True, None, False, None]
    assert np.isnan(found["truth"][5]), "a policy of which the truth is not known is shown as such"


def test_the_best_policy_sent_as_a_plan_is_worth_what_is_said_of_it():
    found = measure_plan("second", 5, 400, planner="best")
    frame = found.policies.set_index("policy")
    assert abs(frame["captured"]["plan"] - 1) < 0.03  # days drawn, where the policy takes their mean
    assert found.roles["outside_hours"].sum() == found.roles["not_subscribed"].sum() == 0
    assert frame["captured"]["today"] == frame["value"]["nothing"] == 0
    assert frame["captured"]["best by class"] == 1
    assert frame["captured"]["best by all"] <= 1


def test_a_company_follows_the_plan_and_keeps_what_the_run_left(tmp_path):
    """The next source has the plan's texts, its rows once for each customer, and the tables it had."""
    first = Followed("second", 6, 300)
    made = first.write(tmp_path / "one")
    truths = find_truths(made, tmp_path / "one")
    n = len(truths.ids)
    policy = Policy(np.zeros(n, int), np.full(n, 2.0), np.full(n, -1))
    monday = made.plan.first_day + dt.timedelta(weeks=made.plan.weeks)
    plan = show_as_plan(policy, truths, truths.here, tmp_path / "one", monday, np.random.default_rng(2))
    early = plan.head(1).assign(send_at=pd.Timestamp(monday, tz="UTC") - pd.Timedelta(hours=12))
    tables = tmp_path / "tables"
    (tables / "plan_source").mkdir(parents=True)
    pd.concat([plan, early]).to_parquet(tables / "send_plan.parquet")
    started = pd.Timestamp(monday, tz="UTC")
    left = {
        "experiments": {"kind": "holdout", "control_arm": "texted", "started_at": started},
        "arms": {"arm": ["texted", "out"], "share": 0.5},
        "assignments": {"customer_id": truths.ids[:2], "arm": ["texted", "out"], "assigned_at": started},
    }
    for name, columns in left.items():
        rows = pd.DataFrame(columns, index=range(1 if name == "experiments" else 2)).assign(
            experiment_id="plan-holdout"
        )
        rows.to_parquet(tables / "plan_source" / f"{name}.parquet")
    second, past = follow(first, tables, tmp_path / "one")
    assert past == 1
    later = second.write(tmp_path / "two")
    assert isinstance(later, second_world.Truth)
    assert later.plan.later_weeks == WEEKS
    kept = pd.read_parquet(tmp_path / "two" / "plans.parquet")
    assert sorted(kept["customer_id"]) == sorted(truths.ids[truths.here])
    assert pd.read_parquet(tmp_path / "two" / "assignments.parquet")["experiment_id"].eq("plan-holdout").sum() == 2
    sent = pd.read_parquet(tmp_path / "two" / "messages.parquet")
    assert 0.9 * plan["send_at"].notna().sum() < sent["plan_id"].notna().sum() <= plan["send_at"].notna().sum()
    loaded = load(tmp_path / "two", tmp_path / "loaded", max_rejected_share=0.0)
    assert loaded.tables["plans"].rows_in == len(kept)
    assert replace(second, texts=(), rows=()) == first


def test_rows_are_added_to_parts_and_to_files(tmp_path):
    (tmp_path / "plans").mkdir()
    rows = pd.DataFrame({"plan_id": ["a", "b"], "role": "plan"})
    rows.to_parquet(tmp_path / "plans" / "part-0.parquet")
    append_rows(tmp_path, "plans", rows.assign(plan_id=["c", "d"]))
    append_rows(tmp_path, "plans", rows.assign(plan_id=["e", "f"]).drop(columns="role"))
    found = pd.read_parquet(tmp_path / "plans.parquet")
    assert found["plan_id"].tolist() == list("abcdef")
    assert found["role"].isna().tolist() == [False] * 4 + [True] * 2
    assert not (tmp_path / "plans").exists()
