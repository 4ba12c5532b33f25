"""The dose to take: ties, and texts that bring nothing."""

import dataclasses

import numpy as np
import pandas as pd

from smsroi_helpers.frequency import policy as frequency_policy
from smsroi_helpers.frequency.arms import estimate_arms
from smsroi_helpers.frequency.dose_response import fit_response
from smsroi_helpers.frequency.study import Logs, Study
from smsroi_helpers.frequency.wording import decide
from tests.frequency.samples import DOSES, cells_of, responsive


def chosen(means, spread, smallest_gain=0.0):
    """The place of the dose chosen from draws about `means` that move together, each by a `spread` of its own."""
    rng = np.random.default_rng(76)
    net = np.array(means)[:, None] + spread * rng.standard_normal((len(means), 4_000))
    net[0] = 0.0
    return frequency_policy.choose_frequency(net - (net.mean(axis=1) - np.array(means))[:, None], smallest_gain, rng)[0]


def test_a_tie_goes_to_fewer_texts_and_only_a_tie():
    assert chosen([0, 0.97, 1.0, 0.5], 0.1) == 1  # three per cent short, not told apart
    assert chosen([0, 0.97, 1.0, 0.5], 0.001) == 2  # as near, but told apart
    assert chosen([0, 0.80, 1.0, 0.5], 0.5) == 2  # not told apart, but a fifth short
    assert chosen([0, 0.80, 1.0, 0.5], 0.5, smallest_gain=0.3) == 1  # which is less than is worth having
    assert chosen([0, -0.5, -1.0, -2.0], 0.1) == 0  # texts that cost: none


def test_texts_that_bring_nothing_move_no_decision():
    people = responsive(np.random.default_rng(82), 6_000, kappa=0.0)
    cells = cells_of(people)
    fit = fit_response(cells, DOSES, 0.002, np.random.default_rng(1))
    assert fit.effect_p > 0.02
    nothing = pd.DataFrame()
    audience = pd.DataFrame(columns=["segment", "stage", "outside", "texts", "customers"])
    logs = Logs(None, audience, nothing, 0.0, nothing, nothing)
    plain = estimate_arms(cells, DOSES, 0.002)
    study = Study("sms", None, None, "", DOSES, cells, plain, fit, fit, logs, "region", 0.002)
    policy = frequency_policy.choose_frequencies(study, np.random.default_rng(1))
    assert policy["outcome"].eq("not_enough").all()
    assert policy["reason"].eq("no_effect").all()
    answers = decide(dataclasses.replace(study), policy, "USD")
    assert all(each.outcome == "not_enough_evidence" and np.isnan(each.value) for each in answers)


def test_winning_back_is_claimed_only_where_texts_are_shown_to_do_anything():
    people = responsive(np.random.default_rng(83), segments=("gold", "lost"))
    cells = cells_of(people)
    fit = fit_response(cells, DOSES, 0.002, np.random.default_rng(1))
    study = Study("sms", None, None, "", DOSES, cells, pd.DataFrame(), fit, fit, None, "region", 0.002)
    found = frequency_policy.win_back(study)
    assert found["segment"].unique().tolist() == ["lost"]
    assert found["dose"].tolist() == [1.0, 2.0, 4.0]
    assert found["pays"].tolist() == ["yes"] * 3
    unshown = dataclasses.replace(fit, effect_p=0.5)
    assert set(frequency_policy.win_back(dataclasses.replace(study, fit=unshown, stages=None))["pays"]) == {"not_shown"}
    assert len(frequency_policy.win_back(dataclasses.replace(study, fit=None, stages=None))) == 0
