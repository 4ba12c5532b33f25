"""Companies opened once for the tests of this stage: small simulated ones, and public experiments."""

import functools
import shutil

import pytest

from smsroi_helpers.send_plan.recipients import plan_recipients
from smsroi_helpers.simulation import chunk, texting
from smsroi_helpers.simulation.write import write_company
from tests.experiment_sources import open_folder
from tests.send_plan.planned import CAPS, plan_company, write_source

ROLES = (("plan", 0.5), ("explore", 0.1), ("holdout", 0.4))
"""Many held out, so that a small company is enough."""
TABLES = ("customers", "orders", "messages", "plans")


@pytest.fixture(scope="session")
def simulated(made_once):
    """A function that opens a simulated company, with messages that bring profit, or without (`null`)."""

    def opened(null):
        def fill(to):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(chunk, "PLAN_ROLES", ROLES)
                patch.setattr(texting, "PLAN_ROLES", ROLES)
                write_company(to / "source", customers=3_000 if null else 6_000, weeks=26, seed=8, null=null)
            for each in (to / "source").iterdir():
                if each.stem not in (*TABLES, "source"):
                    shutil.rmtree(each) if each.is_dir() else each.unlink()

        place = made_once("plans-null" if null else "plans", fill)
        return open_folder(place / "source", place)

    return opened


@pytest.fixture(scope="session")
def company(simulated):
    return simulated(null=False)


@pytest.fixture(scope="session")
def null_company(simulated):
    return simulated(null=True)


@pytest.fixture(scope="session")
def own_plan(made_once):
    """A plan by one candidate of a company of the own simulator, whose standing holdout is not valid."""
    place = made_once("own_plan", lambda to: write_source("own", to / "source"))
    return plan_company(place / "source", place, CAPS["own"], ("all",))


@pytest.fixture(scope="session")
def second_plan(made_once):
    """A plan by two candidates of a company of the second simulator, with customers who need care."""
    place = made_once("second_plan", lambda to: write_source("second", to / "source"))
    return plan_company(place / "source", place, CAPS["second"], ("all", "rfm_group"))


@pytest.fixture(scope="session")
def plan_public(open_public):
    """A function: who should get the mailing of a public experiment, through its mapping under data/."""

    return functools.cache(lambda name: plan_recipients(open_public(name)))
