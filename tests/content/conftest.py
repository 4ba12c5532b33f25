"""A simulated company, opened and counted once for the tests of this stage."""

import numpy as np
import pytest

from smsroi_helpers import content
from smsroi_helpers.simulation.write import write_company
from tests.experiment_sources import open_folder


@pytest.fixture(scope="session")
def company(made_once):
    """The shop of a simulated company with a test of texts."""
    place = made_once("content", lambda to: write_company(to / "source", customers=1_500, weeks=40, seed=8))
    return open_folder(place / "source", place)


@pytest.fixture(scope="session")
def found(company):
    """What the log of that company says of texts."""
    return content.analyse(company, np.random.default_rng(1))
