"""Fixtures shared by the tests of timing; each is built once."""

import numpy as np
import pytest

from smsroi_helpers.simulation.write import write_company
from smsroi_helpers.timing import study
from tests.timing.samples import cells_of, opened, wave


@pytest.fixture(scope="session")
def clear():
    """Cells in which the afternoon is clearly better than nine in the morning."""
    return cells_of(np.random.default_rng(5), lambda hour, name: wave(hour, strength=0.8), 8_000, hours=range(8, 20))


@pytest.fixture(scope="session")
def company(made_once):
    place = made_once("timing", lambda to: write_company(to / "co", customers=1_500, weeks=39, seed=3))
    return opened(place / "co", place)


@pytest.fixture(scope="session")
def seen(company):
    return study.analyse(company)
