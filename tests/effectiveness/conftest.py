"""A simulated company, opened and counted once for the tests of this stage."""

import pytest

from smsroi_helpers import effectiveness


@pytest.fixture(scope="session")
def company(simulated):
    """The shop of a simulated company with a holdout."""
    return simulated[2]


@pytest.fixture(scope="session")
def found(company):
    return effectiveness.analyse(company)
