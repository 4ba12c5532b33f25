"""The answers of experiments: next steps and numbers."""

import dataclasses
import datetime as dt

import numpy as np
import pytest

from smsroi_helpers.ab_test.decision import decide


def answer(found, **changes):
    """The answer of one experiment, with another decision or another state."""
    experiment = {name: value for name, value in changes.items() if name in ("state", "until")}
    decision = {name: value for name, value in changes.items() if name not in experiment}
    return decide([
        dataclasses.replace(
            found,
            experiment=dataclasses.replace(found.experiment, **experiment),
            decision=dataclasses.replace(found.decision, **decision),
        )
    ])[0]  # fmt: skip


def test_money_is_over_all_customers_of_the_arm(evaluate):
    found = evaluate("clear")
    one = answer(found)
    effect = found.effects.find("profit", "b")
    assert (one.outcome, one.unit, one.kind, one.next_step.kind) == ("do", "money", "gain", "switch")
    assert (one.value, one.low, one.high) == pytest.approx(tuple(2_000 * x for x in effect.interval))


def test_compared_with_no_texts_money_is_per_week(evaluate):
    found = evaluate("standing")
    one = answer(found)
    assert (one.unit, one.kind, one.next_step.kind) == ("money_per_week", "worth", "keep_texting")
    assert one.value == pytest.approx(2_000 * found.decision.difference / found.experiment.weeks)
    assert answer(evaluate("doses-lost")).next_step.kind == "stop_texting"


def test_opt_outs_are_reported_where_the_control_was_not_texted(evaluate):
    assert answer(evaluate("doses")).opt_outs_rose.low > 0
    assert answer(evaluate("clear")).opt_outs_rose is None


def test_no_difference_at_all_keeps_its_interval(evaluate):
    """A difference of exactly 0 has limits too."""
    one = answer(evaluate("clear"), difference=0.0, low=-1.0, high=1.5)
    assert (one.value, one.low, one.high) == (0.0, -2_000.0, 3_000.0)


@pytest.mark.parametrize(
    ("changes", "step", "customers"),
    [
        ({"times": 3.0, "needed": np.nan}, "repeat_with_more", 1_600),  # 800 customers in it
        ({"times": 3.0, "needed": 9_000.0}, "would_detect", 9_000),  # one size, the one that the text gives
        ({"times": 1.0, "needed": 9_000.0}, "would_detect", 9_000),
        ({"times": 1.0, "needed": np.nan}, "too_small", np.nan),  # never “0 more customers”
        ({"times": 51.0, "needed": 9_000.0}, "would_detect", 9_000),
        ({"times": np.nan, "needed": 700.0}, "too_small", np.nan),
        ({"state": "running", "until": dt.date(2024, 4, 30)}, "run_until_planned", np.nan),
        ({"state": "running", "until": None, "times": 3.0, "needed": np.nan}, "run_until", 1_600),
        ({"state": "running", "until": None, "times": 40.0, "needed": np.nan}, "more_needed", 31_200),
        ({"state": "running", "until": None, "times": np.nan, "needed": 9_000.0}, "run_until", 8_200),
        ({"state": "running", "until": None, "times": np.nan, "needed": np.nan}, "keep_running", np.nan),
    ],
)
def test_undecided_experiments_have_a_next_step(evaluate, changes, step, customers):
    one = answer(evaluate("open"), **changes)
    assert (one.outcome, one.next_step.kind) == ("not_enough_evidence", step)
    assert one.next_step.customers == pytest.approx(customers, nan_ok=True)


def test_the_end_follows_from_the_data_needed(evaluate):
    """After 28 days, three times as much data: 56 more days."""
    one = answer(evaluate("open"), state="running", until=None, times=3.0, needed=np.nan)
    days = (one.experiment.last - one.experiment.started).days + 1
    assert one.next_step.until == one.experiment.last + dt.timedelta(days=2 * days)


def test_with_few_events_more_customers_are_needed(evaluate):
    """Five buyers of 2,000 customers: 8,000 customers for twenty buyers."""
    found = evaluate("five-buyers")
    assert answer(found).enough_for_events == pytest.approx(2_000 * 20 / 5)
    assert answer(found).next_step.kind == "repeat_with"
    assert answer(found, state="running").next_step.kind == "wait_for_customers"


def test_the_standing_holdout_comes_first_and_broken_ones_last(evaluate):
    names = ("other-split", "open", "clear", "standing")
    order = [each.experiment.name for each in decide([evaluate(name) for name in names])]
    assert order == ["standing", "clear", "open", "other-split"]
    broken = decide([evaluate("other-split")])[0]
    assert (broken.outcome, broken.evidence, broken.next_step.kind) == ("broken", "none", "do_not_use")


def test_with_too_few_customers_the_answer_says_what_they_can_detect(evaluate):
    """A control of 1 in 6 that detects 1 a week; 4 times the members, half held out, twice the weeks."""
    found = evaluate("open")
    rows = found.experiment.assigned
    fifth = np.where(rows["arm"] == found.experiment.control, 0.2, 1.0)
    experiment = dataclasses.replace(
        found.experiment, assigned=rows.assign(n=rows["n"] * fifth, late=rows["late"] * fifth)
    )
    assert experiment.customers.tolist() == [80, 400]
    decision = dataclasses.replace(found.decision, needed=9_000.0, detectable=experiment.weeks, wanted=0.1)
    each = dataclasses.replace(found, decision=decision, experiment=experiment)
    feasible = decide([each], customers=1_920.0)[0].feasible
    assert feasible.customers == 1_920
    assert feasible.longer == pytest.approx(0.5**0.5)
    assert feasible.everybody == pytest.approx(0.5)
    half = 0.5 * (1 / 6 * 5 / 6 / 0.25) ** 0.5
    assert (feasible.half, feasible.both) == pytest.approx((half, half * 0.5**0.5))
    assert decide([each], customers=9_001.0)[0].feasible is None
    assert decide([each])[0].feasible is None  # not known
