"""What randomised tests say about texts to each type of customer, counted in the engine.

Members of valid tests are labelled with their type of the day before their assignment. Two tables are kept in the
engine: their texts, and what became of each of them in the weeks of treatment. Every candidate grouping counts cells
of these.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from smsroi_helpers import measures
from smsroi_helpers.engine import hash_group
from smsroi_helpers.errors import NotEnoughData
from smsroi_helpers.experiments import CLICK_VALUE_GROUP, Experiment, find_label_days, find_valid_tests
from smsroi_helpers.send_plan.customer_types import CustomerTypes, everybody
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import GROUPS, Floats

__all__ = ["Evidence", "collect_evidence", "cube"]

PURPOSE = CLICK_VALUE_GROUP
"""The hash purpose of the jackknife's groups of customers, those of the value of a click; halves of them are the folds
of cross-fitting."""
NO_TEXT = ""
"""Where messages name no texts."""
USUAL_WINDOW = ((10, 18),)
"""The hours of a plan where none were tested."""
EXPLORED = "explore"
"""Kind of the texts that a plan sent to the customers it explored with."""
_INSTANT = "timestamp(6)"
_FIRST_KIND = {"content": 0, EXPLORED: 1, "timing": 2, "frequency": 3}
"""A text that is part of several tests counts once where it must, in the kind with the lowest number."""
_BEFORE_EXPLORED = tuple(kind for kind, number in _FIRST_KIND.items() if number < _FIRST_KIND[EXPLORED])


@dataclass(frozen=True)
class Evidence:
    """The counted tables, and what the tests varied."""

    shop: Shop
    channel: str
    tests: tuple[Experiment, ...]
    texts: ir.Table
    """test, kind, arm, group, code; weekday, hour, variant, campaign_id, delivered, known, clicked, opted_out (0 or 1;
    opted_out by the gateway's link to the text, null where there is none); first (of
    several tests that a text was part of, the one of its text, else of its hour, else of its frequency); person,
    sent_at and human_click_at (UTC)."""
    people: ir.Table
    """test, kind, arm, group, code; weeks (subscribed), days (of treatment), texts, known, clicked, opted_out,
    order_profit."""
    codes: pd.DataFrame
    """code, customers (today's, who may be texted), subscribers: every code of any day."""
    windows: tuple[tuple[int, int], ...]
    """Local hours that timing tests tried, half-open."""
    doses: tuple[float, ...]
    """Texts a week that frequency tests tried, ascending."""
    creatives: tuple[str, ...]
    """Texts (variants) that were sent beside others."""
    members: int = 0
    """Customers who were in any of the tests, or explored with by a plan: those whose outcomes are the evidence."""

    def of_kind(self, kind: str) -> list[Experiment]:
        """The tests of a kind."""
        return [test for test in self.tests if test.kind == kind]

    @property
    def tested_creatives(self) -> frozenset[str]:
        """The creatives that tests of texts drew at random: the planned variant of an arm, or the one of its name."""
        found: set[str] = set()
        for test in self.of_kind("content"):
            planned = test.plan.get("variant", pd.Series(dtype=object)).reindex(list(test.arms))
            found |= set(planned.fillna(pd.Series(test.arms, planned.index)))
        return frozenset(found & set(self.creatives))


def cube(cells: pd.DataFrame, value: str, sizes: dict[str, int]) -> Floats:
    """Sums of a column as an array with one axis for each key of `sizes`.

    >>> cube(pd.DataFrame({"a": [0, 1, 1], "v": [1, 2, 3]}), "v", {"a": 2}).tolist()
    [1.0, 5.0]
    """
    shape = tuple(sizes.values())
    at = np.ravel_multi_index(tuple(cells[name].to_numpy(int) for name in sizes), shape) if len(cells) else []
    sums = np.bincount(at, cells[value].to_numpy(float) if len(cells) else [], int(np.prod(shape)))
    return np.asarray(sums, float).reshape(shape)


def collect_evidence(shop: Shop, types: CustomerTypes, practice: measures.Practice) -> Evidence:
    """Label the members of valid tests, and keep what was sent to them and what became of it.

    Args:
        shop: the company, with messages, experiments, arms and assignments.
        types: of `find_types`.
        practice: today's, whose channel is read; customers' types before its weeks are among the codes.

    Raises:
        NotEnoughData: no valid test of frequencies shows the incremental profit of texts.
    """
    channel = practice.channel
    tests = _usable(shop)
    doses = {
        float(dose) for test in tests if test.kind == "frequency" for dose in test.plan["messages_per_week"].dropna()
    }
    if 0.0 not in doses or len(doses) < 2:
        raise NotEnoughData(
            "A plan needs a valid test of how many texts to send, with an arm without texts. Page 05 plans one."
        )
    if measures.opt_outs(shop) is None:
        raise NotEnoughData("A plan needs to know who has opted out; the source records no opt-outs.")
    if not (measures.knows_clicks(shop) and measures.knows_profit(shop)):
        raise NotEnoughData("A plan needs clicks and the amounts of orders: they say what a text brings.")
    members = _members(shop, types, tests)
    texts = shop.keep(_texts(shop, members, channel))
    people = shop.keep(_people(shop, members, texts))
    codes = _count_codes(shop, types, members, practice)
    windows = {
        (int(row.hour_start), int(row.hour_end))
        for test in tests if test.kind == "timing" for row in test.plan.dropna(subset=["hour_start"]).itertuples()
    }  # fmt: skip
    return Evidence(
        shop, channel, tuple(tests), texts, people, codes, tuple(sorted(windows)) or USUAL_WINDOW, tuple(sorted(doses)),
        _find_creatives(shop, texts), int(shop.count(members.aggregate(n=members.customer_id.nunique()))["n"].iloc[0]),
    )  # fmt: skip


def _usable(shop: Shop) -> list[Experiment]:
    return [each for each in find_valid_tests(shop, "messages") if (each.customers >= 2).all()]


def _members(shop: Shop, types: CustomerTypes, tests: Sequence[Experiment]) -> ir.Table:
    """test, kind, customer_id, arm, group, code, assigned_at, ended_at of everybody in a test, or explored with."""
    days = find_label_days(shop, [test.name for test in tests])
    windows = measures.outcome_windows(shop, None, "treatment")
    windows = windows.filter(windows.outcome_days > 0)
    kinds = ibis.cases(*((windows.experiment_id == test.name, test.kind) for test in tests), else_="")
    rows = windows.select(test="experiment_id", kind=kinds, person="customer_id", arm="arm", assigned_at="assigned_at",
                          ended_at="outcome_end")  # fmt: skip
    rows = rows.join(days, (rows.test == days.experiment_id) & (rows.person == days.customer_id))
    rows = rows.select("test", "kind", "person", "arm", assigned_at=rows.assigned_at.cast(_INSTANT),
                       ended_at=rows.ended_at.cast(_INSTANT), day="label_day")  # fmt: skip
    explored = _explored(shop, [test.name for test in tests])
    if explored is not None:
        rows = ibis.union(
            rows,
            explored.mutate(assigned_at=explored.assigned_at.cast(_INSTANT), ended_at=explored.ended_at.cast(_INSTANT)),
        )
    rows = shop.keep(rows)
    asked = rows.select(customer_id="person", label_day="day").distinct()
    codes = shop.keep(types.label(asked))
    rows = rows.join(codes, (rows.person == codes.customer_id) & (rows.day == codes.label_day))
    group = hash_group(rows.customer_id, PURPOSE, GROUPS)
    return shop.keep(rows.select("test", "kind", "customer_id", "arm", "assigned_at", "ended_at", "code", group=group))


def _explored(shop: Shop, tests: Sequence[str]) -> ir.Table | None:
    """The customers whom plans explored with, from the day before the plan's first text until the end of the log.

    Plans whose exploring share is registered as tests are known by these.
    """
    if not (shop.has("plans") and shop.has("plans", "send_at") and shop.has("messages", "plan_id")):
        return None
    plans = shop.plans
    starts = plans.group_by(plan="plan_id").aggregate(first=plans.send_at.min())
    registered = [name.rpartition("-")[0] for name in tests]
    rows = plans.filter(plans.role == "explore", ~plans.plan_id.isin([*registered, ""]))
    rows = rows.join(starts, rows.plan_id == starts.plan)
    rows = rows.filter(rows["first"].notnull())
    return rows.select(
        test="plan_id", kind=ibis.literal(EXPLORED), person="customer_id", arm=ibis.literal(EXPLORED),
        assigned_at=rows["first"], ended_at=ibis.literal(shop.end),
        day=shop.day(rows["first"].cast("timestamp") - ibis.interval(days=1)),
    )  # fmt: skip


def _texts(shop: Shop, members: ir.Table, channel: str) -> ir.Table:
    sends = measures.local_sends(shop)
    sends = sends.filter(sends.channel == channel)
    ours = sends.select(
        "sent_at", "weekday", "hour", "variant", "campaign_id", "plan_id", addressee="customer_id",
        known=sends.click_known.cast("int64"), clicked=sends.human_click_at.notnull().cast("int64"),
        human_click_at="human_click_at", delivered="delivered", opted_out=sends.opted_out.cast("int64"),
    )  # fmt: skip
    rows, ours = shop.keep(_periods(members)), _with_explored(shop, members, ours)
    rows = rows.join(ours, rows.customer_id == ours.addressee)
    rows = rows.filter(
        rows.sent_at >= rows.since, rows.sent_at < rows.until, (rows.kind != EXPLORED) | (rows.plan_id == rows.test)
    )
    of_plan = rows.explored & ~rows.kind.isin([EXPLORED, *_BEFORE_EXPLORED])
    return rows.select(
        "test", "kind", "arm", "group", "code", "weekday", "hour", "variant", "campaign_id", "known", "clicked",
        "delivered", "opted_out", "sent_at", "human_click_at", person="customer_id", first=rows["first"] & ~of_plan,
    )  # fmt: skip


def _periods(members: ir.Table) -> ir.Table:
    """Members, each with the periods (since, until) in which the customer is in the same tests, and `first` of these.

    A customer's texts need then not be sorted to find in which of several tests each counts. Who is explored with is in
    a plan's exploration only by the texts of that plan (`_with_explored`).
    """
    own = members.select("customer_id", "assigned_at", "ended_at")
    cuts = ibis.union(
        own.select(whose="customer_id", since="assigned_at"), own.select(whose="customer_id", since="ended_at"),
        distinct=True,
    )  # fmt: skip
    rows = members.join(
        cuts, [members.customer_id == cuts.whose, cuts.since >= members.assigned_at, cuts.since < members.ended_at]
    ).drop("whose")
    following = rows.since.lead().over(ibis.window(group_by=["test", "customer_id"], order_by="since"))
    explored = rows.kind == EXPLORED
    priority = ibis.cases(*((rows.kind == kind, number) for kind, number in _FIRST_KIND.items()), else_=9)
    same = ["customer_id", "since"]
    place = ibis.row_number().over(ibis.window(group_by=[*same, explored], order_by=[priority, rows.test]))
    before = rows.kind.isin(list(_BEFORE_EXPLORED)).cast("int64").max().over(ibis.window(group_by=same))
    return rows.mutate(
        until=following.fill_null(rows.ended_at), first=ibis.ifelse(explored, before == 0, place == 0)
    ).drop("assigned_at", "ended_at")  # fmt: skip


def _with_explored(shop: Shop, members: ir.Table, texts: ir.Table) -> ir.Table:
    """Texts with `explored`: whether the plan that sent them explored with the customer."""
    rows = members.filter(members.kind == EXPLORED).select(of="customer_id", by="test", from_then="assigned_at")
    if not shop.count(rows.aggregate(n=rows.count()))["n"].iloc[0]:
        return texts.mutate(explored=ibis.literal(False))
    found = texts.left_join(rows, [texts.addressee == rows.of, texts.plan_id == rows.by])
    explored = (found.sent_at >= found.from_then).fill_null(False)
    return found.mutate(explored=explored).drop("of", "by", "from_then")


def _people(shop: Shop, members: ir.Table, texts: ir.Table) -> ir.Table:
    """What became of each member who consented; texts and clicks are those of the channel alone."""
    found = measures.arm_outcomes(shop, None, "treatment")
    found = found.filter(found.outcome_days > 0, found.consenting.fill_null(1) == 1)
    found = found.select(
        of_test="experiment_id", member="customer_id", days="outcome_days", opted_out="opted_out",
        order_profit="order_profit", weeks=found.subscribed_weeks.fill_null(found.outcome_days / 7),
    )  # fmt: skip
    rows = members.join(found, (members.test == found.of_test) & (members.customer_id == found.member))
    sent = texts.group_by(sent_test="test", sent_to="person").aggregate(
        texts=texts.count(), known=texts.known.sum(), clicked=texts.clicked.sum()
    )
    rows = rows.left_join(sent, (rows.test == sent.sent_test) & (rows.customer_id == sent.sent_to))
    counted = {name: rows[name].fill_null(0) for name in ("texts", "known", "clicked")}
    return rows.select("test", "kind", "arm", "group", "code", "weeks", "days", "opted_out", "order_profit", **counted)


def _count_codes(shop: Shop, types: CustomerTypes, members: ir.Table, practice: measures.Practice) -> pd.DataFrame:
    """code, customers: everybody of today; codes of other days that nobody has today with 0.

    The other days are those of the tests, and the day before today's practice: a code that is missing here would drop
    its customers from what they are compared with.
    """
    now, before = (
        shop.keep(types.label(everybody(shop, day), day))
        for day in (shop.as_of, practice.first_day - dt.timedelta(days=1))
    )
    today = now.group_by("code").aggregate(customers=now.count())
    earlier = ibis.union(members.select("code"), before.select("code"), distinct=True)
    earlier = earlier.anti_join(today, "code").mutate(customers=ibis.literal(0).cast("int64"))
    return shop.count(ibis.union(today, earlier).order_by("code"))


def _find_creatives(shop: Shop, texts: ir.Table) -> tuple[str, ...]:
    named = texts.filter(texts.variant.notnull())
    found = shop.count(named.group_by("variant").aggregate(n=named.count()).order_by("variant"))
    return tuple(found["variant"]) or (NO_TEXT,)
