"""The validity of experiments with one fault each, as codes and numbers."""

import dataclasses
import datetime as dt

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from smsroi_helpers import experiments
from smsroi_helpers.experiments import validity
from tests.experiment_sources import ONE_FAULT_EACH, an_experiment, open_folder, write_tests

FAULTS = ("other-split", "three", "three-broken", "empty-arm", "late", "few-late", "other-past", "messaged-alike",
          "some-messaged", "clear", "runs")  # fmt: skip


@pytest.fixture(scope="module")
def validity_of(tmp_path_factory):
    """Experiment → its validity."""
    place = tmp_path_factory.mktemp("faults")
    (place / "source").mkdir()

    def write(**files):
        for name, text in files.items():
            (place / "source" / ("source.yml" if name == "source" else f"{name}.csv")).write_text(text)
        return place / "source"

    shop = open_folder(write_tests(write, **{name: ONE_FAULT_EACH[name] for name in FAULTS}), place)
    counted, exposure = experiments.count_outcomes(shop), experiments.count_exposure(shop)
    found = experiments.list_experiments(shop)
    overlaps = experiments.check_overlaps(experiments.count_overlaps(shop), found)
    return {each.name: experiments.check(each, counted, exposure, overlaps) for each in found}


def only(problems):
    (problem,) = problems
    return problem


class TestCheck:
    def test_a_split_that_is_not_the_planned_one(self, validity_of):
        found = validity_of["other-split"]
        assert found.split.p_value == pytest.approx(stats.chisquare([1_000, 1_200]).pvalue)
        problem = only(found.problems)
        assert (problem.kind, problem.arms, problem.planned) == ("split", ("a",), 0.5)
        assert problem.share == pytest.approx(1_000 / 2_200)
        assert problem.p_value == found.split.p_value

    def test_three_arms_with_unequal_shares(self, validity_of):
        assert not validity_of["three"].broken
        found = validity_of["three-broken"]
        assert found.broken
        assert found.split.p_value == pytest.approx(stats.chisquare([1_000, 600, 300], [950, 570, 380]).pvalue)

    def test_an_arm_without_customers(self, validity_of):
        found = validity_of["empty-arm"]
        assert (found.problems[0].kind, found.problems[0].arms) == ("empty_arms", ("c",))
        assert found.split.p_value < 1e-20  # counted with its share, as any arm

    def test_assignments_after_the_end(self, validity_of):
        problem = only(validity_of["late"].problems)
        assert (problem.kind, problem.customers, problem.of_customers) == ("assigned_late", 40, 1_000)
        few = validity_of["few-late"]
        assert not few.broken
        assert (only(few.warnings).kind, only(few.warnings).customers) == ("assigned_late", 4)

    def test_arms_that_differed_before(self, validity_of):
        found = validity_of["other-past"]
        problem = only(found.problems)
        assert (problem.kind, problem.arms, problem.control) == ("unbalanced", ("b",), "a")
        assert problem.p_value == found.balance_p < validity.BALANCE_ALPHA
        assert validity_of["clear"].balance_p > 0.01

    def test_a_control_that_was_messaged(self, validity_of):
        problem = only(validity_of["messaged-alike"].problems)
        assert (problem.kind, problem.control) == ("control_messaged", "out")
        assert problem.share == pytest.approx(0.7)
        some = validity_of["some-messaged"]
        assert not some.broken
        assert some.contrast == only(some.warnings).contrast == pytest.approx(0.7 / 0.8)

    def test_a_valid_one_has_no_problem(self, validity_of):
        for name in ("clear", "runs", "three"):
            assert (validity_of[name].problems, validity_of[name].warnings) == ((), ())
        assert validity_of["runs"].split.method == "sequential"
        assert validity_of["clear"].split.method == "chi_squared"

    def test_arms_that_depend_on_another_experiment(self):
        experiment = an_experiment()
        overlaps = pd.DataFrame({"one": ["x"], "two": ["y"], "customers": [9.0], "share": [0.5], "p_value": [1e-4]})
        found = validity.check(experiment, pd.DataFrame(), pd.DataFrame(columns=["experiment_id"]), overlaps)
        assert (only(found.warnings).kind, only(found.warnings).other) == ("overlap", "y")
        assert not found.broken

    @pytest.mark.parametrize(("time", "share"), [("", 1 / 2), (" 09:00", None)])
    def test_orders_without_times_cost_what_the_day_of_assignment_holds(self, make_source, open_source, time, share):
        # The control: one order on the day of assignment and one later; the other arm one, and two.
        days = {
            "a": ("2024-03-04", "2024-03-06"),
            "b": ("2024-03-04", "2024-03-06", "2024-03-07"),
            "c": ("2024-03-31",),
        }
        orders = [(customer, day) for customer in days for day in days[customer]]
        rows = "".join(f"{n},{who},{day}{time},10\n" for n, (who, day) in enumerate(orders))
        shop = open_source(
            make_source(
                orders="order_id,customer_id,ordered_at,amount\n" + rows,
                experiments="experiment_id,kind,started_at,ended_at,control_arm\nx,content,2024-03-04,2024-03-20,a\n",
                arms="experiment_id,arm,share\nx,a,0.5\nx,b,0.5\n",
                assignments="experiment_id,customer_id,arm,assigned_at\n"
                "x,a,a,2024-03-04 12:00\nx,b,b,2024-03-04 12:00\n",
            )
        )
        (experiment,) = experiments.list_experiments(shop)
        counted = experiments.count_outcomes(shop)
        found = validity.check(experiment, counted, pd.DataFrame(columns=["experiment_id"]), pd.DataFrame())
        problems = [one for one in found.warnings if one.kind == "orders_without_times"]
        assert [one.share for one in problems] == ([] if share is None else [pytest.approx(share)])


class TestSplit:
    def test_days_locate_a_broken_split(self):
        days = [dt.date(2024, 1, d) for d in (1, 2, 3)]
        cells = pd.DataFrame({"name": np.repeat(days, 2), "arm": ["a", "b"] * 3, "n": [500, 510, 500, 300, 490, 500]})
        experiment = dataclasses.replace(an_experiment(), arms=("a", "b"), shares=np.array([0.5, 0.5]))
        found = validity.locate_split(cells, experiment).set_index("name")
        assert (found["adjusted_p"] < 0.01).to_dict() == {days[0]: False, days[1]: True, days[2]: False}
        assert found.loc[days[1], "share"] in (pytest.approx(0.625), pytest.approx(0.375))

    def test_few_customers_use_the_sequential_test(self):
        experiment = an_experiment(counts=(3, 5), state="ended")
        assert validity.check_split(experiment).method == "sequential"
        assert validity.check_split(an_experiment(counts=(300, 310), state="ended")).method == "chi_squared"

    def test_customers_in_an_arm_without_a_share(self):
        experiment = an_experiment(counts=(300, 10), shares=(1.0, 0.0))
        assert validity.check_split(experiment).broken
