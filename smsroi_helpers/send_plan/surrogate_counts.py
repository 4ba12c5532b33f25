"""What members of old tests did in their first weeks, and what they brought later: moments, counted in the engine.

All members of a test are cut to the same number of whole weeks since their own assignment, under treatment; members
followed for less (by a day or more) are left out, which depends on the day of the assignment alone and not on the arm.
Of the possible lengths, the one with the most customer-weeks of later follow-up is taken. Only sums by arm and group of
customers leave the engine, whatever the number of customers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from smsroi_helpers import measures
from smsroi_helpers.engine import hash_group, total
from smsroi_helpers.experiments import Experiment
from smsroi_helpers.send_plan.evidence import PURPOSE, Evidence
from smsroi_helpers.statistics import GROUPS, Floats

__all__ = ["BEFORE", "FEWEST_MEMBERS", "LATER_WEEKS", "SURROGATES", "VARIABLES", "TestSums", "Unready", "count_later"]

SURROGATES = ("clicks", "purchase_days", "order_profit", "opted_out", "texts")
"""Of the first weeks: human clicks, days with a purchase, profit of orders (money), opted out (0 or 1), texts."""
BEFORE = ("days_before", "profit_before")
"""Days with a purchase and profit of orders before the assignment: as long as the follow-up, as far as the log goes
back."""
VARIABLES = (*SURROGATES, *BEFORE, "later")
"""Those of `TestSums`; the last is Y, profit of orders per week of the later weeks."""
LATER_WEEKS = 4
"""Weeks after the horizon that a test must have seen."""
FEWEST_MEMBERS = 2 * GROUPS
"""Members of every arm, so that no half is without any."""
_SHORT_DAYS = 1.0
"""By less than this the last week may be short: clocks change, and customers are assigned at midnight of their own time
zone."""
_WEEK = 7 * 86_400_000_000


@dataclass(frozen=True)
class TestSums:
    """Moments of one test's members, by arm and group of customers."""

    test: str
    kind: str
    horizon_weeks: int
    weeks: int
    """Follow-up since the assignment, the horizon included."""
    arms: tuple[str, ...]
    doses: tuple[float, ...]
    """Texts a week planned for each arm; NaN where none are stated."""
    n: Floats
    """(arms, 64): members."""
    sums: Floats
    """(arms, 64, V): of `VARIABLES`."""
    products: Floats
    """(arms, 64, V, V)."""

    __test__ = False  # not a test of pytest

    @property
    def control(self) -> int:
        """Number of the arm with the fewest texts: planned where all say so, else sent."""
        sent = self.sums[..., VARIABLES.index("texts")].sum(axis=1) / np.maximum(self.n.sum(axis=1), 1.0)
        return int(np.argmin(self.doses if np.isfinite(self.doses).all() else sent))

    @property
    def members(self) -> Floats:
        """(arms,)."""
        return np.asarray(self.n.sum(axis=1))


@dataclass(frozen=True)
class Unready:
    """A test that cannot check the long run."""

    test: str
    weeks: int
    """That its longest-followed customers were treated."""
    reason: Literal["young", "few"]


def count_later(evidence: Evidence, horizon_weeks: int) -> tuple[list[TestSums], list[Unready]]:
    """The moments of every test that is old and large enough, and the others.

    Args:
        evidence: of `collect_evidence`.
        horizon_weeks: of the plan: the weeks that the surrogates are read from.
    """
    tests = [test for test in evidence.tests if test.kind in ("frequency", "holdout")]
    if not tests:
        return [], []
    lengths = _find_lengths(evidence, [test.name for test in tests], horizon_weeks)
    weeks = {test.name: lengths[test.name][0] for test in tests if lengths.get(test.name, (0, 0))[0]}
    unready = [
        Unready(test.name, lengths.get(test.name, (0, 0))[1], "young") for test in tests if test.name not in weeks
    ]
    if not weeks:
        return [], unready
    cells = _count_moments(evidence, weeks, horizon_weeks)
    counted = []
    for test in tests:
        if test.name in weeks:
            sums = _as_sums(cells, test, weeks[test.name], horizon_weeks)
            if (sums.members >= FEWEST_MEMBERS).all():
                counted.append(sums)
            else:
                unready.append(Unready(test.name, lengths[test.name][1], "few"))
    return counted, unready


def _find_lengths(evidence: Evidence, tests: Sequence[str], horizon_weeks: int) -> dict[str, tuple[int, int]]:
    """Test → weeks that its members are cut to (0: too young), and the longest that any was followed."""
    people = measures.outcome_windows(evidence.shop, None, "treatment")
    people = people.filter(people.experiment_id.isin(list(tests)))
    people = people.mutate(followed=_whole_weeks(people))
    counted = evidence.shop.count(
        people.group_by("experiment_id", "followed").aggregate(n=people.count()).order_by("experiment_id", "followed")
    )
    found = {}
    for test, rows in counted.groupby("experiment_id"):
        followed, n = rows["followed"].to_numpy(int), rows["n"].to_numpy(float)
        possible = np.arange(horizon_weeks + LATER_WEEKS, followed.max() + 1)
        size = [(length - horizon_weeks) * n[followed >= length].sum() for length in possible]
        found[str(test)] = (int(possible[int(np.argmax(size))]) if len(possible) else 0, int(followed.max()))
    return found


def _whole_weeks(people: ir.Table) -> ir.IntegerValue:
    return ((people.outcome_days + _SHORT_DAYS) / 7).ceil().cast("int64") - 1


def _count_moments(evidence: Evidence, weeks: dict[str, int], horizon_weeks: int) -> pd.DataFrame:
    """test, arm, group, n; s_0 … and p_0_0 …: sums and products of `VARIABLES`."""
    rows = _with_variables(evidence, _followed(evidence, weeks, horizon_weeks), horizon_weeks)
    rows = rows.mutate(group=hash_group(rows.person, PURPOSE, GROUPS))
    columns = [rows[name].cast("float64") for name in VARIABLES]
    sums = {f"s_{i}": total(one) for i, one in enumerate(columns)}
    products = {
        f"p_{i}_{j}": total(columns[i] * columns[j]) for i in range(len(columns)) for j in range(i, len(columns))
    }
    by = ("test", "arm", "group")
    return evidence.shop.count(rows.group_by(*by).aggregate(n=rows.count(), **sums, **products).order_by(*by))


def _followed(evidence: Evidence, weeks: dict[str, int], horizon_weeks: int) -> ir.Table:
    """test, arm, person, start, most (weeks of follow-up), opted_out (by the horizon): members who consented."""
    found = measures.arm_outcomes(evidence.shop, None, "treatment")
    found = found.filter(found.experiment_id.isin(sorted(weeks)), found.consenting.fill_null(1) == 1)
    most = ibis.cases(*((found.experiment_id == name, length) for name, length in sorted(weeks.items())), else_=0)
    found = found.filter(_whole_weeks(found) >= most)
    left = (found.opted_out == 1) & (found.subscribed_weeks < horizon_weeks)
    return evidence.shop.keep(
        found.select(
            test="experiment_id", arm="arm", person="customer_id", start=found.assigned_at.cast("timestamp(6)"),
            most=most.cast("int64"), opted_out=left.fill_null(False).cast("int64"),
        )
    )  # fmt: skip


def _with_variables(evidence: Evidence, people: ir.Table, horizon_weeks: int) -> ir.Table:
    """Members with their `VARIABLES`."""
    shop = evidence.shop
    key = ("test", "person")

    def weeks_since(rows: ir.Table, at: ir.TimestampValue) -> ir.FloatingValue:
        return at.cast("timestamp(6)").delta(rows.start, unit="microsecond") / _WEEK

    events = measures.order_events(shop).rename(of_person="customer_id")
    orders = people.join(events, people.person == events.of_person)
    since = weeks_since(orders, orders["at"])
    after = orders.latest_at >= orders.start
    first, before = after & (since < horizon_weeks), ~after & (since >= -orders.most)
    day, bought = shop.day(orders["at"]), orders.purchase == 1
    orders = orders.group_by(*key).aggregate(
        purchase_days=day.nunique(where=first & bought),
        order_profit=total(orders.profit, where=first),
        days_before=day.nunique(where=before & bought),
        profit_before=total(orders.profit, where=before),
        earned=total(orders.profit, where=after & (since >= horizon_weeks) & (since < orders.most)),
    )
    sends = measures.local_sends(shop)
    sends = sends.filter(sends.channel == evidence.channel)
    clicked = measures.earliest_click(shop, sends.human_click_at)
    sends = sends.select("sent_at", of_person="customer_id", click_from=clicked)
    texts = people.join(sends, people.person == sends.of_person)
    texts = texts.filter(texts.sent_at >= texts.start, weeks_since(texts, texts.sent_at) < horizon_weeks)
    clicks = (weeks_since(texts, texts.click_from) < horizon_weeks).fill_null(False)
    texts = texts.group_by(*key).aggregate(texts=texts.count(), clicks=clicks.cast("int64").sum())
    rows = people
    for each in (orders, texts):
        named = each.rename(own_test="test", own_person="person")
        rows = rows.left_join(named, (rows.test == named.own_test) & (rows.person == named.own_person))
        rows = rows.drop("own_test", "own_person")
    counted = {name: rows[name].fill_null(0) for name in VARIABLES if name not in ("opted_out", "later")}
    return rows.select(
        "test", "arm", "person", "opted_out", later=rows.earned.fill_null(0.0) / (rows.most - horizon_weeks), **counted,
    )  # fmt: skip


def _as_sums(cells: pd.DataFrame, test: Experiment, weeks: int, horizon_weeks: int) -> TestSums:
    rows = cells[(cells["test"] == test.name) & cells["arm"].isin(test.arms)]
    at = ([test.arms.index(arm) for arm in rows["arm"]], rows["group"].to_numpy(int))
    size = len(VARIABLES)
    n = np.zeros((len(test.arms), GROUPS))
    sums, products = np.zeros((*n.shape, size)), np.zeros((*n.shape, size, size))
    n[at] = rows["n"].to_numpy(float)
    for i in range(size):
        sums[(*at, i)] = rows[f"s_{i}"].to_numpy(float)
        for j in range(i, size):
            products[(*at, i, j)] = products[(*at, j, i)] = rows[f"p_{i}_{j}"].to_numpy(float)
    stated = test.plan["messages_per_week"].reindex(list(test.arms)).to_numpy(float)
    return TestSums(test.name, test.kind, horizon_weeks, weeks, test.arms, tuple(stated), n, sums, products)
