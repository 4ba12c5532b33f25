"""Goals: what is refused, and the probability of arriving in time."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from smsroi_helpers import effectiveness
from smsroi_helpers.effectiveness.targets import read_goals, track_goals
from smsroi_helpers.errors import UsageError
from smsroi_helpers.runner.parameter_types import Parameter, convert_value

GOAL = {"metric": "click_rate", "segment": "all", "start": 0.04, "target": 0.05, "deadline": "2026-12-31"}


@pytest.mark.parametrize("part", list(GOAL))
def test_a_goal_that_lacks_a_part_is_refused_with_what_is_missing(part):
    with pytest.raises(UsageError, match=f"goal 2 lacks {part};"):
        read_goals([GOAL, {key: value for key, value in GOAL.items() if key != part}])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"metric": "clicks"}, "'clicks' is no KPI; choose one of reach"),
        ({"deadline": "soon"}, "deadline a date"),
        ({"target": "more"}, "must be numbers"),
        ({"target": 0.04}, "are the same"),
        ({"target": float("nan")}, "must be numbers"),
        ({"target": "inf"}, "must be numbers"),
        ({"target": True}, "must be numbers"),
        ({"start": [1]}, "must be numbers"),
        ({"target": 5}, "must be from 0 to 1"),
        ({"metric": "nps", "target": 50}, "must be from -1 to 1"),
        ({"segment": " "}, "goal 1 lacks segment"),
    ],
)
def test_a_goal_that_cannot_be_followed_is_refused(change, words):
    with pytest.raises(UsageError, match=words):
        read_goals([GOAL | change])


def test_a_list_is_no_goal():
    with pytest.raises(UsageError, match="goal 1 is a list; a goal needs metric, segment"):
        read_goals([["click_rate", "all"]])


def test_a_goal_without_a_deadline_and_contradicting_comparisons_are_refused_before_a_run():
    """As the runner checks parameters: by their declared types."""
    declared = {name: Parameter(name, None, "", kind) for name, kind in effectiveness.PARAMETERS.items()}
    goal = GOAL | {"deadline": dt.date(2026, 12, 31)}  # as YAML reads it
    assert convert_value([goal], declared["targets"], "file") == [GOAL]
    for value, words in (
        ([{key: GOAL[key] for key in GOAL if key != "deadline"}], "goal 1 lacks deadline"),
        ([GOAL | {"target": float("nan")}], "targets contains a number that is not finite"),
        ([GOAL | {"target": True}], "must be numbers"),
        ([["click_rate"]], "targets must be a valid dictionary"),
    ):
        with pytest.raises(UsageError, match=words) as refused:
            convert_value(value, declared["targets"], "file")
        assert refused.value.exit_code == 2
    pairs = {"conversion_rate over click_rate": 3.0}
    assert convert_value(pairs, declared["pairwise"], "file") == pairs
    every = {
        "click_rate over conversion_rate": 5, "click_rate over revenue_per_message": 0.2,
        "click_rate over opt_out_rate": 1,
        "conversion_rate over revenue_per_message": 5, "conversion_rate over opt_out_rate": 1,
        "revenue_per_message over opt_out_rate": 1,
    }  # fmt: skip
    for value, words in (
        (every, "consistency ratio is"),
        ({"click_rate over opt_outs": 3}, "is no comparison"),
        ({"click_rate over click_rate": 3}, "is no comparison"),
        ({**pairs, "click_rate over conversion_rate": 3}, "compared twice"),
        ([[1, 3], [1 / 3, 1]], "pairwise must be a valid dictionary"),
    ):
        with pytest.raises(UsageError, match=words):
            convert_value(value, declared["pairwise"], "file")


def months(values, error=0.001):
    names = [f"2026-{month:02}" for month in range(1, len(values) + 1)]
    values = np.array(values)
    return pd.DataFrame({
        "segment": "all", "month": names, "kpi": "click_rate", "estimate": values, "low": values - 1.96 * error,
        "high": values + 1.96 * error,
    })  # fmt: skip


def test_the_probability_is_that_of_the_line_through_the_months():
    """The textbook's prediction interval of a line (equal weights): s √(1 + 1/n + (x − x̄)² / Sxx)."""
    values = [0.040, 0.043, 0.041, 0.045, 0.044, 0.047]
    (found,) = track_goals(read_goals([GOAL]), months(values), dt.date(2026, 6, 30))
    x = np.arange(1, 7)
    line = stats.linregress(x, values)
    left = np.array(values) - line.intercept - line.slope * x
    s = np.sqrt((left**2).sum() / 4)
    error = s * np.sqrt(1 + 1 / 6 + (12 - x.mean()) ** 2 / ((x - x.mean()) ** 2).sum())
    centre = line.intercept + line.slope * 12
    assert found.forecast == pytest.approx(centre)
    assert found.low == pytest.approx(centre - stats.t.ppf(0.975, 4) * error)
    assert found.probability == pytest.approx(stats.t.sf((0.05 - centre) / error, 4))
    assert found.progress == pytest.approx(0.7)


def test_a_lower_target_is_reached_from_above():
    down = GOAL | {"start": 0.05, "target": 0.04}
    values = [0.050, 0.048, 0.047, 0.045, 0.044, 0.042]
    (found,) = track_goals(read_goals([down]), months(values), dt.date(2026, 6, 30))
    assert found.probability > 0.95
    assert found.progress == pytest.approx(0.8)


def test_an_unfinished_month_does_not_count_and_too_few_months_have_no_forecast():
    rows = months([0.04, 0.041, 0.042, 0.02])
    (found,) = track_goals(read_goals([GOAL]), rows, dt.date(2026, 4, 10))
    assert len(found.months) == 3
    assert np.isnan(found.probability)
    (whole,) = track_goals(read_goals([GOAL]), rows, dt.date(2026, 4, 30))
    assert np.isfinite(whole.probability)


def test_after_the_deadline_the_goal_was_reached_or_not():
    for target, reached in ((0.042, 1.0), (0.06, 0.0)):
        goal = read_goals([GOAL | {"deadline": "2026-03-31", "target": target}])
        (found,) = track_goals(goal, months([0.04, 0.041, 0.043, 0.03]), dt.date(2026, 5, 1))
        assert found.probability == reached


def test_an_unknown_segment_is_named():
    with pytest.raises(UsageError, match="'vip' is no segment of this run; choose one of all"):
        track_goals(read_goals([GOAL | {"segment": "vip"}]), months([0.04]), dt.date(2026, 5, 1))
