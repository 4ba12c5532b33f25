"""Promise against outcome: simulated truth, and why a plan has no score."""

import datetime as dt
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.meta_analysis import combine_effects

from smsroi_helpers.send_plan import past_figures, past_tables, score_plans, track_rows
from smsroi_helpers.send_plan.past_counts import EarlierPlan
from smsroi_helpers.send_plan.past_wording import describe_factor, describe_latest, score_words, status_words
from smsroi_helpers.send_plan.previous_plans import (
    SMALLEST_FACTOR,
    PreviousPlans,
    estimate_factor,
    score_cells,
    split_p,
)
from tests.send_plan.test_past_comparison import cells_of

PLAN = EarlierPlan("plan-20240304", dt.date(2024, 3, 4), 28, 500, 1_000, "run", 1.0, True, True, None)


@pytest.fixture(scope="module")
def found(company):
    return score_plans(company)


def earlier(*scores):
    """These earlier plans."""
    return PreviousPlans(scores, estimate_factor(scores), knows_cost=True)


@pytest.fixture(scope="module")
def null(null_company):
    return score_plans(null_company)


# --- simulated truth -------------------------------------------------------------------------------------------------


def test_the_simulated_plan_promised_too_much(found, company):
    (score,) = found.plans
    assert (score.status, score.days_left, score.last) == ("scored", 0, company.as_of)
    main = score.main
    assert main.gap.low > 0  # twice the gain of an average text, and half a unit of money
    assert main.measured.high < main.promised
    assert (main.evidence, main.texts_held_out, score.held_out_texted) == ("randomised", 0.0, 0.0)
    assert (score.plan.promised_here, found.factor.corrects, found.factor.others) == (False, False, 1)
    of_run = estimate_factor([replace(score, plan=replace(score.plan, promised_here=True))])
    assert of_run.value == pytest.approx(main.measured.value / main.promised)
    assert (of_run.estimate.low, of_run.estimate.high) == pytest.approx((main.ratio.low, main.ratio.high))


def test_the_simulated_texts_make_customers_opt_out(found):
    plan, explore = found.plans[0].roles
    assert (plan.role, explore.role) == ("plan", "explore")
    assert plan.opt_outs.low > 0
    assert explore.texts > 1.5 * plan.texts  # 0 to 6 texts a week against 1
    assert np.isnan(explore.promised)  # the simulation promises nothing of those who explore
    assert not explore.gap.known


def test_tenths_are_in_the_order_of_the_promise_and_hold_everybody(found):
    score = found.plans[0]
    assert len(score.tenths) > 1
    promised = [each.promised for each in score.tenths]
    assert promised == sorted(promised)
    assert sum(each.customers for each in score.tenths) == score.main.customers
    assert sum(each.held_out for each in score.tenths) == score.main.held_out
    assert not score.by_customer
    assert score.actions == ()  # the simulated plan says neither groups nor frequencies


def test_without_an_effect_no_gain_is_claimed(null):
    main = null.plans[0].main
    assert main.measured.low <= 0 <= main.measured.high
    assert not main.opt_outs.excludes(0.0)
    assert "No gain is shown" in describe_latest(null, "USD")


def test_pages_say_that_the_plan_promised_too_much_and_show_it(found):
    words = describe_latest(found, "USD")
    assert "which is above the interval: too much by $" in words
    score = found.plans[0]
    assert "not made by this workbook" in past_tables.factor_note(found).text
    of_run = replace(score, plan=replace(score.plan, promised_here=True))
    assert describe_factor(earlier(of_run)).startswith("Promises are multiplied by 0.")
    assert "promised too much" in past_tables.track_table(found, "USD").markup
    for made in (past_tables.roles_table, past_tables.tenths_table, past_figures.calibration_figure):
        assert "Plan of Jun 1, 2026" in made(score, "USD")._repr_html_()
    assert "does not record by which groups" in past_tables.actions_table(score, "USD").text
    assert past_figures.track_figure(found, "USD") is None  # of one plan the table says as much
    twice = replace(found, plans=(score, score))
    assert "Promise outside the interval: 2 of 2 plans" in past_figures.track_figure(twice, "USD").alt


def test_the_track_record_has_every_comparison(found):
    rows = track_rows(found)
    assert rows["by"].tolist() == ["all", "all"] + ["tenth"] * len(found.plans[0].tenths)
    main = rows.iloc[0]
    assert main["gap"] == pytest.approx(main["promised"] - main["measured"])
    assert (main["low"] < main["measured"] < main["high"], main["ratio_low"] < main["ratio"]) == (True, True)


# --- why there is no score -------------------------------------------------------------------------------------------

ORDERS = "order_id,customer_id,ordered_at,amount\n1,a,2024-01-01 10:00,5\n2,a,2024-03-20 10:00,5\n"
MESSAGES = "message_id,customer_id,campaign_id,sent_at\nm,a,k,2024-02-02 10:00\n"
HALF_HELD_OUT = ("plan", "plan", "holdout", "holdout")
WITHOUT_SCORE = {
    "plan-20240304": (HALF_HELD_OUT, "running", "end in 11 days"),
    "plan-20240321": (HALF_HELD_OUT, "not_begun", "have not begun"),
    "spring": (HALF_HELD_OUT, "no_start", "not known when spring began"),
    "plan-20231204": (HALF_HELD_OUT, "before_log", "begins after the plan of Dec 4, 2023"),
    "plan-20240202": (("plan", "plan", "plan", "explore"), "no_holdout", "Nobody was held out"),
    "plan-20240201": (HALF_HELD_OUT, "few_buyers", "1 of 2, and 0 of 2 held out"),
}
"""The roles of a plan, why it has no score, and words that say so."""


def plans_of(names):
    rows = [
        f"{name},{'abcd'[i]},{role},0.5,1"
        for name in names for i, role in enumerate(WITHOUT_SCORE[name][0])
    ]  # fmt: skip
    return "\n".join(["plan_id,customer_id,role,probability,expected_profit", *rows]) + "\n"


@pytest.fixture(scope="module")
def small(read_once):
    orders = ORDERS + "3,a,2024-02-10 10:00,5\n"
    return read_once(orders=orders, messages=MESSAGES, plans=plans_of(WITHOUT_SCORE))


@pytest.mark.parametrize("name", WITHOUT_SCORE)
def test_a_plan_without_a_score_says_why_and_what_it_takes(small, name):
    found = score_plans(small)
    score = next(each for each in found.plans if each.plan.plan_id == name)
    _roles, status, words = WITHOUT_SCORE[name]
    assert score.status == status
    assert words in score_words(score, "USD")
    for made in (past_tables.roles_table, past_tables.tenths_table, past_tables.actions_table):
        assert made(score, "USD")._repr_html_()


def test_plans_without_a_score_have_no_numbers_and_correct_nothing(small):
    found = score_plans(small)
    assert (found.factor.value, found.factor.plans, found.factor.estimate.known) == (1.0, 0, False)
    rows = track_rows(found)
    assert rows[["measured", "gap", "ratio"]].isna().all(axis=None)
    assert set(rows["evidence"]) == {"none"}
    for made in (past_tables.track_table, past_tables.latest_note):
        assert made(found, "USD")._repr_html_()
    assert found.latest is None
    for nothing in (past_tables.roles_table, past_tables.actions_table, past_figures.calibration_figure):
        assert nothing(found.latest, "USD") is None


def test_the_source_alone_says_by_what_a_promise_was_multiplied(read_once):
    """The run that made the plan is gone; its table `plans` is in the source."""
    header, *rows = plans_of(["plan-20240201"]).splitlines()
    corrected = "\n".join([f"{header},promise_factor", *(f"{row},0.25" for row in rows)]) + "\n"
    (score,) = score_plans(read_once(orders=ORDERS, messages=MESSAGES, plans=corrected)).plans
    assert (score.plan.corrected_by, score.plan.promised_here) == (0.25, True)


def test_a_plan_without_a_factor_was_promised_elsewhere(read_once):
    plans = plans_of(["plan-20240201"])
    (score,) = score_plans(read_once(orders=ORDERS, messages=MESSAGES, plans=plans)).plans
    assert (score.plan.corrected_by, score.plan.promised_here) == (1.0, False)


def test_without_messages_profit_is_not_known(read_once):
    (score,) = score_plans(read_once(orders=ORDERS, plans=plans_of(["plan-20240201"]))).plans
    assert score.status == "no_profit"


def test_without_plans_there_is_nothing_to_score(read_once):
    found = score_plans(read_once(orders=ORDERS))
    assert (found.plans, found.latest, found.factor.value, len(track_rows(found))) == ((), None, 1.0, 0)
    assert describe_latest(found, "USD").startswith("There is no earlier plan.")
    assert past_tables.track_table(found, "USD").text == describe_latest(found, "USD")


def cells(*rows, **columns):
    """Cells of roles with a text each for those planned."""
    made = [
        {"grouping": "x", "texts_per_week": 1.0, "variant": "a", "tenth": np.nan, "unusable": 0, **row,
         "texts": row["n"], "own_texts": row["n"], "texted": 0 if row["role"] == "holdout" else row["n"]}
        for row in rows
    ]  # fmt: skip
    frame = pd.DataFrame(made).assign(**columns)
    held = frame["role"] == "holdout"
    return frame.assign(w_t=frame["w_t"].where(~held, 0.0), own_texts=frame["own_texts"].where(~held, 0))


def two_roles(rng, n=800, m=200, gain=1.0, promise=3.0, **columns):
    return cells(
        cells_of("plan", rng.normal(5 + gain, 2, n), 0.8, promise), cells_of("holdout", rng.normal(5, 2, m), 0.2),
        **columns,
    )  # fmt: skip


def test_roles_that_are_not_as_drawn_show_no_gain():
    rng = np.random.default_rng(1)
    assert score_cells(PLAN, two_roles(rng), linked=True).status == "scored"
    broken = score_cells(PLAN, two_roles(rng, m=120), linked=True)
    assert (broken.status, broken.roles) == ("broken_split", ())
    assert score_cells(PLAN, two_roles(rng, unusable=[0, 1]), linked=True).status == "broken_split"


def test_the_test_of_the_split_keeps_its_level():
    rng = np.random.default_rng(2)
    p = np.array([0.8, 0.15, 0.05])
    low = 0
    for n in rng.multinomial(3_000, p, 500):
        rows = pd.DataFrame({"n": n, "unusable": 0, "w": n / p, "w2": n / p**2})
        low += split_p(rows) < 0.05
    assert 0.005 < low / 500 < 0.05 + 4 * np.sqrt(0.05 * 0.95 / 500)  # Holm over dependent tests is careful


def test_a_plan_that_was_not_carried_out_has_no_score():
    rng = np.random.default_rng(3)
    rows = two_roles(rng)
    assert score_cells(PLAN, rows.assign(own_texts=0), linked=True).status == "not_followed"
    assert score_cells(PLAN, rows.assign(own_texts=0), linked=False).status == "scored"
    alike = rows.assign(w_t=rows["w"])  # held-out customers got as many texts
    assert score_cells(PLAN, alike, linked=False).status == "not_followed"
    nothing = replace(PLAN, planned=0)  # a plan to send nothing
    assert score_cells(nothing, rows.assign(own_texts=0), linked=True).status == "scored"


def test_actions_are_those_of_groups_with_their_own_held_out_customers():
    rng = np.random.default_rng(4)
    rows = []
    for group, gain, action in (("x", 3.0, 2.0), ("y", 0.0, 1.0)):
        part = two_roles(rng, gain=gain, grouping=group)
        rows.append(part.assign(texts_per_week=[action, 0.0], variant=["a", None]))
    # some of group x were held back by the budget: they belong to its most common action all the same
    some = two_roles(rng, n=80, m=20, gain=3.0, grouping="x").assign(texts_per_week=0.0, variant=None)
    score = score_cells(PLAN, pd.concat([*rows, some], ignore_index=True), linked=True)
    one, two = (each for each in score.actions if each.by == "texts_per_week")
    assert [(each.label, each.customers, each.held_out) for each in (one, two)] == [("1", 800, 200), ("2", 880, 220)]
    assert (one.measured.low <= 0 <= one.measured.high, two.measured.low <= 3 <= two.measured.high) == (True, True)
    (text,) = (each for each in score.actions if each.by == "variant")
    assert (text.label, text.customers) == ("a", 1_680)
    markup = past_tables.actions_table(score, "USD").markup
    assert "2 texts a week" in markup


def test_tenths_of_each_customers_own_promise_are_used_where_recorded():
    rng = np.random.default_rng(5)
    rows = [two_roles(rng, gain=g / 4, promise=float(g), tenth=g) for g in range(1, 11)]
    score = score_cells(PLAN, pd.concat(rows, ignore_index=True), linked=True)
    assert score.by_customer
    assert [each.label for each in score.tenths] == [str(g) for g in range(1, 11)]
    assert [each.promised for each in score.tenths] == pytest.approx(range(1, 11))
    truth = np.arange(1, 11) / 4
    errors = np.array([each.standard_error for each in score.tenths])
    assert (np.abs([each.measured.value for each in score.tenths] - truth) < 4 * errors).all()


# --- all plans -------------------------------------------------------------------------------------------------------


def scored(rng, promise, gain=1.0, **plan):
    return score_cells(replace(PLAN, **plan), two_roles(rng, gain=gain, promise=promise), linked=True)


def test_several_plans_are_pooled_as_statsmodels_does():
    rng = np.random.default_rng(6)
    scores = [scored(rng, 2.0), scored(rng, 4.0), scored(rng, 3.0, gain=2.4)]
    found = estimate_factor(scores)
    mains = [each.main for each in scores]
    pooled = combine_effects(
        np.array([each.ratio.value for each in mains]),
        np.array([(each.standard_error / each.promised) ** 2 for each in mains]), method_re="dl",
    ).summary_frame().loc["random effect"]  # fmt: skip
    estimate = (found.estimate.value, found.estimate.low, found.estimate.high)
    assert estimate == pytest.approx(tuple(pooled[["eff", "ci_low", "ci_upp"]]))
    assert found.plans == 3


def test_a_promise_that_had_been_corrected_counts_as_it_was_before():
    rng = np.random.default_rng(7)
    once = estimate_factor([scored(rng, 4.0)])
    rng = np.random.default_rng(7)
    again = estimate_factor([scored(rng, 1.0, corrected_by=0.25)])
    assert again.value == pytest.approx(once.value)
    assert once.value == pytest.approx(0.25, abs=4 * 0.2 / 4)


def test_promises_are_corrected_only_where_the_interval_excludes_them():
    rng = np.random.default_rng(8)
    kept = estimate_factor([scored(rng, 1.0)])
    assert (kept.value, kept.corrects) == (1.0, False)
    assert kept.estimate.low < 1 < kept.estimate.high
    lost = earlier(scored(rng, 1.0, gain=-1.0))
    assert (lost.factor.value, lost.factor.estimate.high < 0) == (SMALLEST_FACTOR, True)
    assert "hardly anything is promised" in describe_factor(lost)
    low = estimate_factor([scored(rng, 0.4)])
    assert low.value > 1


def test_the_reason_why_nothing_is_corrected_is_one():
    """A plan that is not ours is no basis, however many buyers it held out; the last plan with a score decides."""
    rng = np.random.default_rng(9)
    own, elsewhere = scored(rng, 4.0), scored(rng, 4.0, promised_here=False)

    def few(score):
        (main, *others) = score.roles
        return replace(score, roles=(replace(main, buyers_held_out=main.buyers_needed - 1), *others))

    running = replace(own, status="running", roles=())
    for plans, reason, words in (
        ((), "none", "no earlier plan that promised a gain has been measured"),
        ((running,), "none", "no earlier plan that promised a gain has been measured"),
        ((elsewhere,), "not_ours", "was not made by this workbook"),
        ((few(elsewhere),), "not_ours", "was not made by this workbook"),
        ((few(own),), "few_buyers", "too few buyers among those held out"),
        ((few(elsewhere), few(own)), "few_buyers", "too few buyers among those held out"),
        ((few(own), few(elsewhere), running), "not_ours", "was not made by this workbook"),
        ((scored(rng, 1.0), few(elsewhere)), "kept", "the interval includes 1"),
        ((own,), "", "Promises are multiplied by"),
    ):
        found = earlier(*plans)
        assert found.uncorrected == reason
        assert words in describe_factor(found)


def test_a_promise_that_was_made_elsewhere_corrects_nothing():
    rng = np.random.default_rng(7)
    elsewhere = scored(rng, 4.0, promised_here=False)
    found = estimate_factor([elsewhere])
    assert (found.value, found.plans, found.others, found.corrects) == (1.0, 0, 1, False)
    assert "was not made by this workbook" in describe_factor(earlier(elsewhere))
    own = scored(rng, 2.0)
    both = estimate_factor([elsewhere, own])
    assert (both.plans, both.others) == (1, 1)
    assert both.estimate == estimate_factor([own]).estimate


def test_a_plan_with_few_buyers_held_out_corrects_nothing():
    rng = np.random.default_rng(9)
    rows = two_roles(rng, n=1_900, m=60)
    rows["w"], rows["w2"] = rows["n"].sum() * 1.0, [2_100.0, 70_000.0]  # shares as drawn
    score = score_cells(PLAN, rows, linked=True)
    assert (score.status, score.main.measured.known, estimate_factor([score]).plans) == ("scored", True, 0)
    found = PreviousPlans((score,), estimate_factor([score]), knows_cost=True)
    assert (
        "Promises are corrected from 100 on, about 100 customers held out" in past_tables.latest_note(found, "USD").text
    )


def test_plans_of_the_source_and_of_earlier_runs_are_in_one_record(small, tmp_path):
    run = tmp_path / "run"
    (run / "tables").mkdir(parents=True)
    (run / "manifest.json").write_text(json.dumps({"parameters": {"09_send_plan": {"horizon_weeks": 2}}}))
    rows = {"plan_id": "plan-20240318", "customer_id": ["a", "b"], "role": ["plan", "holdout"], "probability": 0.5,
            "send_at": pd.Timestamp("2024-03-19"), "expected_profit": 1.0}  # fmt: skip
    pd.DataFrame(rows).to_parquet(run / "tables" / "send_plan.parquet")
    found = score_plans(small, str(run))
    assert [each.plan.plan_id for each in found.plans] == [
        "plan-20231204", "plan-20240201", "plan-20240202", "plan-20240304", "plan-20240318",
        "plan-20240321", "spring",
    ]  # fmt: skip
    last = found.plans[-3]
    assert (last.plan.origin, last.status, last.days_left) == ("run", "running", 11)
    assert [each.plan.promised_here for each in found.plans] == [False] * 4 + [True, False, False]
    assert status_words(found.plans[-2]) == "its weeks have not begun"  # the words of the index
