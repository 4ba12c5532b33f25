"""Companies opened once for the tests of this stage: small simulated ones, and public experiments."""

import functools
import shutil

import pytest

from smsroi_helpers.send_plan.recipients import plan_recipients
from smsroi_helpers.simulation import chunk, texting
from smsroi_helpers.simulation.write import write_company
from tests.experiment_sources import ROOT, open_folder, public
from tests.send_plan.planned import CAPS, plan_company, write_source

ROLES = (("plan", 0.5), ("explore", 0.1), ("holdout", 0.4))
"""Many held out, so that a small company is enough."""
TABLES = ("customers", "orders", "messages", "plans")


@pytest.fixture(scope="session")
def simulated(tmp_path_factory):
    """A function that opens a simulated company, with messages that bring profit, or without (`null`)."""

    def opened(null):
        place = tmp_path_factory.mktemp("plans")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(chunk, "PLAN_ROLES", ROLES)
            patch.setattr(texting, "PLAN_ROLES", ROLES)
            write_company(place / "source", customers=3_000 if null else 6_000, weeks=26, seed=8, null=null)
        for each in (place / "source").iterdir():
            if each.stem not in (*TABLES, "source"):
                shutil.rmtree(each) if each.is_dir() else each.unlink()
        return open_folder(place / "source", place)

    return opened


@pytest.fixture(scope="session")
def company(simulated):
    return simulated(null=False)


@pytest.fixture(scope="session")
def null_company(simulated):
    return simulated(null=True)


@pytest.fixture(scope="session")
def own_plan(tmp_path_factory):
    """A plan by one candidate of a company of the own simulator, whose standing holdout is not valid."""
    place = tmp_path_factory.mktemp("own_plan")
    write_source("own", place / "source")
    return plan_company(place / "source", place, CAPS["own"], ("all",))


@pytest.fixture(scope="session")
def second_plan(tmp_path_factory):
    """A plan by two candidates of a company of the second simulator, with customers who need care."""
    place = tmp_path_factory.mktemp("second_plan")
    write_source("second", place / "source")
    return plan_company(place / "source", place, CAPS["second"], ("all", "rfm_group"))


@pytest.fixture(scope="session")
def plan_public(tmp_path_factory):
    """A function: who should get the mailing of a public experiment, through its mapping under data/."""

    @functools.cache
    def planned(name):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(*public(name))
            return plan_recipients(open_folder(ROOT / "data" / name, tmp_path_factory.mktemp(name)))

    return planned
