"""Experiments shared by the tests, evaluated once."""

import dataclasses

import pytest

from smsroi_helpers import ab_test
from smsroi_helpers.ab_test.decision_rule import decide_experiment
from tests.experiment_sources import ONE_FAULT_EACH, open_folder, write_tests


@pytest.fixture(scope="session")
def company(simulated):
    return simulated


@pytest.fixture(scope="session")
def evaluated(simulated_tests):
    return simulated_tests


@pytest.fixture(scope="session")
def evaluate(made_once, found_once):
    """Evaluates an experiment of `ONE_FAULT_EACH`, optionally with other decision parameters.

    Those with an arm without texts are a source of their own: they price a subscriber, and where opt-outs have a price
    they are part of the deciding profit, not a guardrail beside it.
    """
    untexted = {name for name, test in ONE_FAULT_EACH.items() if min((test.get("messages") or {"": 1.0}).values()) == 0}
    by_test = {}
    for part, names in (("untexted", untexted), ("texted", set(ONE_FAULT_EACH) - untexted)):

        def fill(to, names=names):
            def write(**files):
                (to / "source").mkdir()
                for name, text in files.items():
                    (to / "source" / ("source.yml" if name == "source" else f"{name}.csv")).write_text(text)

            write_tests(write, **{name: test for name, test in ONE_FAULT_EACH.items() if name in names})

        place = made_once(f"one_fault_each-{part}", fill)
        every = found_once(
            f"one_fault_each-{part}-tests",
            lambda place=place: ab_test.analyse(open_folder(place / "source", place), segment_by="recency"),
        )
        by_test |= {each.experiment.name: each for each in every}

    def run(name, **changes):
        found = by_test[name]
        if not changes:
            return found
        changes = {"smallest_gain": 0.0, "opt_out_margin": 0.002, **changes}
        return dataclasses.replace(
            found, decision=decide_experiment(found.experiment, found.validity, found.effects, **changes)
        )

    return run
