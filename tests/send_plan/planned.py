"""Plans of small simulated companies, as plain tables for the tests of this stage."""

import datetime as dt
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

from smsroi_helpers.send_plan import SendPlan, make_plan, valuation
from smsroi_helpers.send_plan import plan as plan_module
from smsroi_helpers.send_plan.groupings import find_groupings
from smsroi_helpers.send_plan.response import Response
from smsroi_helpers.simulation.write import write_company
from tests import second_world
from tests.experiment_sources import open_folder

HOLDOUT, EXPLORE = 0.2, 0.3
"""Larger than usual, so that a small company has enough of each."""
TABLES = ("customers", "orders", "messages", "experiments", "arms", "assignments")
"""Those that the stage needs."""
CAPS = {"own": 2.0, "second": 3.0}
"""max_per_week."""
NAMELESS, UNREACHED, STOPPED = slice(0, 80), slice(80, 120), slice(120, 400)
"""Customers of the second company without a zone, with no text delivered, and in a test that is not valid."""


@dataclass(frozen=True)
class Planned:
    """A plan, the folder that it was made from, and its messages."""

    plan: SendPlan
    folder: Path

    @cached_property
    def messages(self) -> pd.DataFrame:
        """The table `send_plan`."""
        return self.plan.shop.count(self.plan.messages)

    def table(self, name: str) -> pd.DataFrame:
        """A table of the source."""
        return read(self.folder, name)

    @cached_property
    def texts(self) -> pd.DataFrame:
        """The messages with a time, each with its recipient's zone, region and local time."""
        found = self.messages.dropna(subset=["send_at"])
        homes = self.table("customers").set_index("customer_id")
        zone = homes["timezone"].reindex(found["customer_id"]).fillna(self.plan.shop.settings.timezone).to_numpy()
        region = homes["region"].reindex(found["customer_id"]).to_numpy()
        local = [at.tz_localize("UTC").tz_convert(ZoneInfo(name)).tz_localize(None)
                 for at, name in zip(found["send_at"], zone, strict=True)]  # fmt: skip
        return found.assign(zone=zone, region=region, local=local, date=[at.date() for at in local])


def read(folder: Path, name: str) -> pd.DataFrame:
    """A table of a source in Parquet, in one file or in parts."""
    file = folder / f"{name}.parquet"
    return pd.read_parquet(file if file.exists() else folder / name)


def plan_company(folder: Path, place: Path, cap: float, candidates: tuple[str, ...], **limits: float) -> Planned:
    """Plan with some of the candidate groupings only, which is quicker."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            plan_module, "find_groupings",
            lambda *args: tuple(each for each in find_groupings(*args) if each.name in candidates),
        )  # fmt: skip
        shop = open_folder(folder, place)
        found = make_plan(shop, holdout_share=HOLDOUT, explore_share=EXPLORE, max_per_week=cap, **limits)
    return Planned(found, folder)


def plan_again(planned: Planned, *, cost: float = 1.0, **limits: float) -> Planned:
    """The same with other limits or prices, by the responses already fitted: only what depends on them runs again.

    Args:
        planned: what is planned again.
        cost: of a text, times what it is.
        limits: `budget` and `capacity_per_hour` of `make_plan`.
    """
    plan, costs = planned.plan, plan_module._costs
    fits = iter([fit for each in plan.fitted for fit in (*each.halves, each.response)])
    known = {
        "find_types": plan.types, "collect_evidence": plan.evidence, "find_audience": plan.audience,
        "find_groupings": (), "count_today": [each.today for each in plan.fitted],
        "count_cells": [each.cells for each in plan.fitted],
    }  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        for name, value in known.items():
            patch.setattr(plan_module, name, lambda *_args, value=value: value)
        patch.setattr(plan_module, "_costs", lambda *args: cost * costs(*args))
        patch.setattr(valuation, "fit_response", lambda *_args: next(fits))
        patch.setattr(Response, "at_level", lambda self, *_args: self)
        found = make_plan(
            plan.shop, holdout_share=HOLDOUT, explore_share=EXPLORE, max_per_week=plan.design.economics.most_texts,
            **limits,
        )  # fmt: skip
    return Planned(found, planned.folder)


def write_source(world: str, folder: Path) -> None:
    """A company of either simulator; the second with customers who need care."""
    if world == "own":
        write_company(folder, customers=3_000, weeks=52, seed=8)
        for each in folder.iterdir():
            if each.stem not in (*TABLES, "source"):
                shutil.rmtree(each) if each.is_dir() else each.unlink()
    else:
        second_world.write_company(folder, customers=3_000, seed=8)
        _add_care(folder)


def _add_care(folder: Path) -> None:
    customers, messages = read(folder, "customers"), read(folder, "messages")
    homes = customers["timezone"].to_numpy(object)
    homes[NAMELESS] = None
    customers.assign(timezone=homes).to_parquet(folder / "customers.parquet")
    lost = messages["customer_id"].isin(customers["customer_id"].iloc[UNREACHED])
    for column in ("delivered_at", "clicked_at", "opted_out_at"):
        messages.loc[lost, column] = pd.NaT
    messages.to_parquet(folder / "messages.parquet")
    last = messages["sent_at"].max() - dt.timedelta(days=20)
    tested = customers["customer_id"].iloc[STOPPED]
    add_rows(folder, "experiments", pd.DataFrame({
        "experiment_id": ["uneven"], "kind": "holdout", "control_arm": "out", "started_at": last,
    }))  # fmt: skip
    add_rows(folder, "arms", pd.DataFrame({"experiment_id": "uneven", "arm": ["out", "in"], "share": [0.5, 0.5]}))
    add_rows(folder, "assignments", pd.DataFrame({
        "experiment_id": "uneven", "customer_id": tested, "arm": ["out"] * 60 + ["in"] * (len(tested) - 60),
        "assigned_at": last,
    }))  # fmt: skip


def add_rows(folder: Path, name: str, rows: pd.DataFrame) -> None:
    """Rows beside those of a table in one file."""
    file = folder / f"{name}.parquet"
    old = pd.read_parquet(file)
    pd.concat([old, rows]).to_parquet(file)
