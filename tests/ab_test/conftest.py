"""Experiments shared by the tests, evaluated once."""

import dataclasses

import pytest

from smsroi_helpers import ab_test
from smsroi_helpers.ab_test.decision_rule import decide_experiment
from tests.experiment_sources import ONE_FAULT_EACH, ROOT, open_folder, public, write_tests


@pytest.fixture(scope="session")
def open_public(tmp_path_factory):
    """A public experiment's shop, through its mapping under data/."""
    opened = {}

    def open_(name):
        if name not in opened:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv(*public(name))
                opened[name] = open_folder(ROOT / "data" / name, tmp_path_factory.mktemp(name))
        return opened[name]

    return open_


@pytest.fixture(scope="session")
def company(simulated):
    return simulated


@pytest.fixture(scope="session")
def evaluated(simulated_tests):
    return simulated_tests


@pytest.fixture(scope="session")
def evaluate(tmp_path_factory):
    """Evaluates an experiment of `ONE_FAULT_EACH`, optionally with other decision parameters."""
    place = tmp_path_factory.mktemp("one_fault_each")
    (place / "source").mkdir()

    def write(**files):
        for name, text in files.items():
            (place / "source" / ("source.yml" if name == "source" else f"{name}.csv")).write_text(text)
        return place / "source"

    every = ab_test.analyse(open_folder(write_tests(write, **ONE_FAULT_EACH), place), segment_by="recency")
    by_test = {each.experiment.name: each for each in every}

    def run(name, **changes):
        found = by_test[name]
        if not changes:
            return found
        changes = {"smallest_gain": 0.0, "opt_out_margin": 0.002, **changes}
        return dataclasses.replace(
            found, decision=decide_experiment(found.experiment, found.validity, found.effects, **changes)
        )

    return run
