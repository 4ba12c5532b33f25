"""A simulated company, opened and counted once for the tests of this stage."""

import pytest

from smsroi_helpers import effectiveness
from smsroi_helpers.simulation.write import write_company
from tests.experiment_sources import open_folder


@pytest.fixture(scope="session")
def company(tmp_path_factory):
    """The shop of a simulated company with a holdout."""
    place = tmp_path_factory.mktemp("effectiveness")
    write_company(place / "source", customers=1_500, weeks=30, seed=8)
    return open_folder(place / "source", place)


@pytest.fixture(scope="session")
def found(company):
    return effectiveness.analyse(company)
