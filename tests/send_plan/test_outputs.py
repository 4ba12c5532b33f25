"""The tables that the send plan leaves: summary, scores, and what the next run reads as a source."""

import re
import shutil

import numpy as np
import pandas as pd
import pytest

from smsroi_helpers.send_plan import (
    PreviousPlans,
    PromiseFactor,
    decide,
    plan_rows,
    score_rows,
    source_tables,
    summary_rows,
)
from smsroi_helpers.send_plan.decision import correct, decide_plan
from smsroi_helpers.send_plan.past_comparison import Estimate
from smsroi_helpers.send_plan.valuation import Estimate as Promise
from smsroi_helpers.source import load
from tests.send_plan.planned import add_rows

WEEKS = 4
WORLDS = ("own", "second")


@pytest.fixture(params=WORLDS)
def planned(request):
    return request.getfixturevalue(f"{request.param}_plan")


def test_the_summary_counts_customers_and_texts(planned):
    summary = summary_rows(planned.plan)
    each = planned.messages
    assert summary["messages"].sum() == len(planned.texts)
    for role, rows in each.groupby("role"):
        assert summary.loc[summary["role"] == role, "expected_profit"].sum() == pytest.approx(
            rows["expected_profit"].sum()
        )
    silent = summary[summary["messages"] == 0]
    assert silent["customers"].sum() == each[each["send_at"].isna()]["customer_id"].nunique()


def test_scores_compare_the_plan_with_today_and_with_nothing(planned):
    found = score_rows(planned.plan).set_index(["policy", "period"])
    for period in ("long_run", f"{WEEKS} weeks"):
        plan, today, both = (found.loc[(name, period)] for name in ("plan", "today", "plan_minus_today"))
        assert both["profit_per_customer"] == pytest.approx(plan["profit_per_customer"] - today["profit_per_customer"])
        assert (found.loc[("nothing", period), ["profit_per_customer", "low", "high"]] == 0).all()
    assert (found["low"] <= found["profit_per_customer"]).all()
    assert (found["profit_per_customer"] <= found["high"]).all()


# --- what earlier plans kept of their promise ---


def kept(value, low, high):
    """Earlier plans of which one was measured."""
    estimate = Estimate(value, low, high)
    return PreviousPlans((), PromiseFactor(value if estimate.excludes(1.0) else 1.0, estimate, 1), knows_cost=True)


def test_promises_are_multiplied_by_what_earlier_plans_kept(second_plan):
    plan, past = second_plan.plan, kept(0.5, 0.3, 0.7)
    rows = plan.shop.count(plan_rows(plan, past))
    assert set(rows["promise_factor"]) == {0.5}
    assert rows["expected_profit"].sum() == pytest.approx(0.5 * second_plan.messages["expected_profit"].sum())
    assert summary_rows(plan, past)["expected_profit"].sum() == pytest.approx(rows["expected_profit"].sum())
    promised = plan.shop.count(source_tables(plan, past)["plans"])
    assert promised["expected_profit"].sum() == pytest.approx(rows["expected_profit"].sum())
    assert set(promised["promise_factor"]) == {0.5}
    (before,), (after,) = decide(plan), decide(plan, past)
    assert (after.value, after.cash) == (pytest.approx(0.5 * before.value), pytest.approx(0.5 * before.cash))
    assert "brought 50% (30% to 70%) of its promise. The amounts above are multiplied by 0.50" in after.caveat
    assert "promised" not in before.caveat


def test_promises_that_may_have_been_kept_are_not_corrected(second_plan):
    plan, past = second_plan.plan, kept(0.8, 0.5, 1.1)
    assert decide(plan, past) == decide(plan)
    assert set(plan.shop.count(plan_rows(plan, past))["promise_factor"]) == {1.0}


def test_a_plan_is_not_recommended_where_earlier_ones_kept_nothing(second_plan):
    plan = second_plan.plan
    assert plan.gains
    found = decide_plan(plan, kept(0.02, -0.3, 0.34).factor)
    assert found.outcome == "not_enough_evidence"
    assert found.long_run.low < 0 < found.long_run.high


def test_the_interval_of_a_corrected_promise_covers_the_truth():
    """Promise and part kept are estimated independently, with normal errors of 15 and 20 %."""
    rng, covered, draws = np.random.default_rng(3), 0, 2_000
    for _ in range(draws):
        g, f = rng.normal(100.0, 15.0), rng.normal(0.6, 0.12)
        part = PromiseFactor(f, Estimate(f, f - 1.96 * 0.12, f + 1.96 * 0.12), 1)
        found = correct(Promise(g, g - 1.96 * 15.0, g + 1.96 * 15.0), part)
        covered += found.low <= 60.0 <= found.high
    assert 0.94 <= covered / draws <= 0.965


def test_the_answer_says_in_short_what_the_plan_is_and_whose_the_amounts_are(second_plan):
    rows = second_plan.texts
    rows = rows[rows["role"] == "plan"]
    (said,) = decide(second_plan.plan)
    found = re.match(r"In short: (.+?) texts? a week, at (\d+):00–(\d+):00 local time, “(.+?)” for (\d+)%", said.text)
    weekly = [f"{dose:g}" for dose in (rows["texts_per_week"].min(), rows["texts_per_week"].max())]
    assert found[1].replace(".0", "").split(" to ") == list(dict.fromkeys(weekly))
    starts = dict(second_plan.plan.evidence.windows)
    hours = sorted(starts[hour] for hour in set(rows["local"].dt.hour) & set(starts))
    assert (int(found[2]), int(found[3])) == (rows["local"].dt.hour.min(), hours[-1])
    texts = rows.drop_duplicates("customer_id")["variant"].value_counts(normalize=True)
    assert found[4] == texts.index[0]
    assert float(found[5]) == pytest.approx(100 * texts.iloc[0], abs=5)
    assert f"of the {said.customers:,} others, for whom the plan decides" in said.text


def test_customers_are_counted_and_not_expected(planned):
    """The customers of the answer are those of the plan's own table, role by role."""
    people = planned.messages.groupby("role")["customer_id"].nunique()
    assert {role: planned.plan.in_role(role) for role in people.index} == people.to_dict()
    assert planned.plan.in_role("nobody") == 0
    (said,) = decide(planned.plan)
    assert said.customers == people["plan"]
    assert f"for {people['explore']:,} of its customers" in said.next_test
    assert said.value == pytest.approx(people["plan"] * planned.plan.chosen.gain.value)


# --- what the next run reads ---


def test_the_next_run_reads_the_plan_and_its_tests(second_plan, tmp_path):
    shutil.copytree(second_plan.folder, tmp_path / "source")
    tables = {
        name: table if isinstance(table, pd.DataFrame) else second_plan.plan.shop.count(table)
        for name, table in source_tables(second_plan.plan).items()
    }
    for name, rows in tables.items():
        if (tmp_path / "source" / f"{name}.parquet").exists():
            add_rows(tmp_path / "source", name, rows)
        else:
            rows.to_parquet(tmp_path / "source" / f"{name}.parquet")
    loaded = load(tmp_path / "source", tmp_path / "loaded", max_rejected_share=0.0)
    for name, rows in tables.items():
        assert loaded.tables[name].rows_out == loaded.tables[name].rows_in >= len(rows)
    assert not [each for each in loaded.findings if each.severity == "error"]
    plans = tables["plans"].set_index("customer_id")
    texts = second_plan.texts.groupby("customer_id")["send_at"].min()
    assert plans.index.is_unique
    assert set(plans.index) == set(second_plan.messages["customer_id"])
    assert (plans["send_at"].dropna().dt.tz_localize(None) == texts.reindex(plans["send_at"].dropna().index)).all()


def test_the_arms_of_the_tests_say_what_was_planned(second_plan):
    tables = source_tables(second_plan.plan)
    arms = tables["arms"].set_index(["experiment_id", "arm"])
    assert (tables["arms"].groupby("experiment_id")["share"].sum() - 1).abs().max() < 1e-9
    assigned = second_plan.plan.shop.count(tables["assignments"])
    explored = second_plan.messages[second_plan.messages["role"] == "explore"]
    assert set(assigned["customer_id"]) == set(explored["customer_id"])
    texts = second_plan.texts.set_index("customer_id")
    for (test, arm), rows in assigned.groupby(["experiment_id", "arm"]):
        said, sent = arms.loc[(test, arm)], texts.loc[texts.index.isin(rows["customer_id"])]
        if not pd.isna(said["messages_per_week"]):
            assert (sent["texts_per_week"] == said["messages_per_week"]).all()
            assert said["messages_per_week"] > 0 or sent.empty
        elif not pd.isna(said["hour_start"]):
            hours = np.array([at.hour for at in sent["local"]])
            assert ((hours >= said["hour_start"]) & (hours < said["hour_end"])).all()
        else:
            assert (sent["variant"] == said["variant"]).all()
