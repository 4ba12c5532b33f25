"""A small shop and a simulated company, grouped once for all tests of the segmentation."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

from smsroi_helpers.segmentation import membership, predictive_value
from smsroi_helpers.simulation import write
from smsroi_helpers.source.read import load
from smsroi_helpers.source.shop import open_shop
from tests.segmentation.samples import CUSTOMERS, HEAD, orders_csv


@pytest.fixture(autouse=True)
def _centred_titles():
    """Whatever style an earlier test left: titles are read where matplotlib puts them by default."""
    with mpl.rc_context({"axes.titlelocation": "center"}):
        yield
    plt.close("all")


@pytest.fixture
def small_shop(make_source, open_source):
    lines = orders_csv(np.random.default_rng(4))
    return open_source(make_source(orders=HEAD + "\n".join(lines) + "\n"))


@pytest.fixture(scope="session")
def company(made_once):
    """A simulated company of 5,000 customers with its shop, its grouping and where it lies."""
    place = made_once(
        "segmentation", lambda to: write.write_company(to / "source", customers=CUSTOMERS, weeks=52, seed=5)
    )
    shop = open_shop(load(place / "source", place / ".loaded"), "", place / ".cache")
    return shop, membership.find_grouping(shop), place / "source"


@pytest.fixture(scope="session")
def outcomes(company):
    shop, found, _source = company
    return predictive_value.collect_outcomes(shop, found, 91)
