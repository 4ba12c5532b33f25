"""The choice of texts per week: ties, and texts without an effect."""

import ast
import dataclasses
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest

from smsroi_helpers.frequency import policy as frequency_policy
from smsroi_helpers.frequency.arms import estimate_arms
from smsroi_helpers.frequency.carried import Carried
from smsroi_helpers.frequency.dose_response import fit_response
from smsroi_helpers.frequency.study import Study
from smsroi_helpers.frequency.win_back import win_back
from smsroi_helpers.frequency.wording import decide
from smsroi_helpers.statistics import Transport
from tests.frequency.samples import DOSES, cells_of, logs_of, responsive


def chosen(means, sd, smallest_gain=0.0):
    """The position chosen, from draws around `means` with independent errors of standard deviation `sd`."""
    rng = np.random.default_rng(76)
    net = np.array(means)[:, None] + sd * rng.standard_normal((len(means), 4_000))
    net[0] = 0.0
    return frequency_policy.choose_frequency(net - (net.mean(axis=1) - np.array(means))[:, None], smallest_gain, rng)[0]


def test_a_tie_goes_to_fewer_texts_and_only_a_tie():
    assert chosen([0, 0.97, 1.0, 0.5], 0.1) == 1  # 3 % below the best, not distinguishable
    assert chosen([0, 0.97, 1.0, 0.5], 0.001) == 2  # as close, but distinguishable
    assert chosen([0, 0.80, 1.0, 0.5], 0.5) == 2  # not distinguishable, but 20 % below
    assert chosen([0, 0.80, 1.0, 0.5], 0.5, smallest_gain=0.3) == 1  # the difference is below the smallest gain
    assert chosen([0, -0.5, -1.0, -2.0], 0.1) == 0  # every text loses money


def test_a_tie_never_overrules_a_clear_best():
    """4 % below the best and inside the 95 % set, but as good with a probability of 7 % only."""
    assert chosen([0, 0.96, 1.0, 0.5], 0.019) == 2
    assert chosen([0, 0.96, 1.0, 0.5], 0.060) == 1  # as good with a probability of 32 %


def test_unknown_values_are_no_advice_of_no_texts():
    net = np.array([[0.0, 0.0], [np.nan, 1.0]])
    with pytest.raises(ValueError, match="finite"):
        frequency_policy.choose_frequency(net, 0.0, np.random.default_rng(1))


def test_texts_without_an_effect_change_no_decision():
    people = responsive(np.random.default_rng(82), 6_000, kappa=0.0)
    cells = cells_of(people)
    fit = fit_response(cells, DOSES, 0.002, np.random.default_rng(1))
    assert fit.effect_p > 0.02
    audience = pd.DataFrame(columns=["segment", "stage", "outside", "texts", "customers"])
    logs = logs_of(pd.DataFrame(), audience)
    plain = estimate_arms(cells, DOSES)
    study = Study("sms", None, None, "", DOSES, cells, plain, fit, fit, logs, "region", 0.002)
    policy = frequency_policy.choose_frequencies(study, np.random.default_rng(1))
    assert policy["outcome"].eq("not_enough").all()
    assert policy["reason"].eq("no_effect").all()
    answers = decide(dataclasses.replace(study), policy, "USD")
    assert all(each.outcome == "not_enough_evidence" and np.isnan(each.value) for each in answers)


def test_winning_back_is_claimed_only_if_texts_have_an_effect():
    people = responsive(np.random.default_rng(83), segments=("gold", "lost"))
    cells = cells_of(people)
    fit = fit_response(cells, DOSES, 0.002, np.random.default_rng(1))
    study = Study("sms", None, None, "", DOSES, cells, pd.DataFrame(), fit, fit, None, "region", 0.002)
    found = win_back(study)
    assert found["segment"].unique().tolist() == ["lost"]
    assert found["dose"].tolist() == [1.0, 2.0, 4.0]
    assert found["pays"].tolist() == ["yes"] * 3
    for overlap, own, rows in ((0.5, True, 3), (0.49, True, 0), (1.0, False, 0)):  # covered, hardly, by others
        covered = pd.DataFrame({"segment": ["all", "gold", "lost"], "overlap": overlap, "own": own})
        carried = Carried(Transport(covered, covered, ("gold", "lost")), covered, covered, covered)
        assert len(win_back(dataclasses.replace(study, carried=carried, carried_stages=carried))) == rows
    unshown = dataclasses.replace(fit, effect_p=0.5)
    assert set(win_back(dataclasses.replace(study, fit=unshown, stages=None))["pays"]) == {"not_shown"}
    assert len(win_back(dataclasses.replace(study, fit=None, stages=None))) == 0


def test_a_change_needs_more_than_a_clear_gain_of_a_few():
    """The gain's interval is above 0 in every row; what is sent differs, or the gain is worth having, only in some."""
    row = {"gain": 20.0, "gain_low": 5.0, "gain_high": 40.0, "subscribed": 1_000.0, "messages_per_week": 1.0}
    row |= {"today": 0.98, "others": 0.04, "overlap": 1.0}
    decided = frequency_policy._outcome
    assert decided(row, True, 0.002, True) == {"outcome": "stay", "reason": "as_today"}  # 4 % are not sent it already
    assert decided(row | {"others": 0.3}, True, 0.002, True)["outcome"] == "change"  # one a week on average, unevenly
    # 5.0 over 1,000 subscribers is 0.005 each: below a smallest gain of 0.006.
    assert decided(row | {"others": 0.3, "today": 2.0}, True, 0.006, True)["outcome"] == "not_enough"
    assert decided(row | {"others": 0.3}, True, 0.002, False)["reason"] == "opt_outs_unknown"
    assert decided(row | {"others": float("nan")}, True, 0.002, True)["reason"] == "practice"


def test_the_smallest_gain_of_the_notebook_is_the_default():
    path = Path(__file__).parents[2] / "notebooks" / "04_frequency.ipynb"
    (cell,) = (
        each for each in nbformat.read(path, as_version=4).cells if "parameters" in each.metadata.get("tags", [])
    )
    given = {line.targets[0].id: ast.literal_eval(line.value) for line in ast.parse(cell.source).body}
    assert given["smallest_gain"] == frequency_policy.SMALLEST_GAIN > 0
