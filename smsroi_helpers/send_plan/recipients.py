"""Who should get one mailing: a rule learned from a randomised test that has an arm without messages.

A source with such a test, but without one of frequencies, opt-outs or clicks, cannot say how often to text. It says who
gained by the message within the test's outcome window. Members are counted in the engine by group of customers, type of
the day before their assignment, and arm, with their profit after message cost. `recipient_rules` learns and values the
rules. No frequency is claimed, and no value after the window.
"""

from dataclasses import dataclass, field
from typing import Literal

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from smsroi_helpers import measures
from smsroi_helpers.ab_test import FEWEST_BUYERS_UNEQUAL
from smsroi_helpers.engine import hash_group, total
from smsroi_helpers.errors import NotEnoughData
from smsroi_helpers.experiments import (
    Experiment,
    arms_without_messages,
    count_exposure,
    find_label_days,
    find_valid_tests,
)
from smsroi_helpers.send_plan.customer_types import CustomerTypes, everybody, find_types, read_codes
from smsroi_helpers.send_plan.evidence import cube
from smsroi_helpers.send_plan.groupings import ALL, Grouping, find_groupings
from smsroi_helpers.send_plan.policy import Flags
from smsroi_helpers.send_plan.recipient_rules import (
    NOBODY,
    Rule,
    Sums,
    choose_rule,
    common_quantile,
    estimate_gain,
    value_rules,
)
from smsroi_helpers.send_plan.valuation import Estimate
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import FEW_EVENTS, GROUPS, UNEQUAL, Floats

__all__ = [
    "PURPOSE",
    "TRAITS",
    "RecipientPlan",
    "find_mailing_test",
    "list_recipients",
    "plan_recipients",
    "rule_rows",
]

PURPOSE = "recipients"
"""The hash purpose of the groups of customers; halves of them learn and value."""
TRAITS = "traits"
"""The grouping in which each attribute adds its part to what a message does."""
_MOST_MESSAGED = 0.01
"""An arm of which no larger share of the customers was messaged counts as one without messages."""


@dataclass(frozen=True)
class LevelReceivers:
    """Today's customers with one level of an attribute."""

    level: str
    customers: float
    shares: tuple[float, ...]
    """Of these customers (0–1), whom the plan gives each arm."""


@dataclass(frozen=True)
class RecipientPlan:
    """Rules of who gets which message, with their values per customer over the test's outcome window."""

    shop: Shop
    types: CustomerTypes
    test: Experiment
    arms: tuple[str, ...]
    """The arm without messages first."""
    codes: pd.Series
    """(codes,): every type that the test's members had, or that somebody has today."""
    rules: tuple[Rule, ...]
    chosen: Rule
    quantile: float
    """Standard errors on each side of an interval: all rules' intervals hold together."""
    tested: Floats = field(repr=False)
    """(codes,): members of the test."""
    today: Floats = field(repr=False)
    """(codes,): customers who may be messaged on the last day."""
    people: ir.Table = field(repr=False)
    """customer_id, code of these."""

    @property
    def members(self) -> float:
        """Customers in the test."""
        return self.chosen.value.members

    @property
    def weeks(self) -> float:
        """Mean weeks of the outcome window."""
        return self.test.weeks

    @property
    def gain(self) -> Estimate:
        """The chosen rule less messaging nobody, per customer: by plain weighting, on the half that did not teach it.

        0 where the chosen rule messages nobody.
        """
        return self.estimate(self.chosen, self.chosen.ips)

    @property
    def gains(self) -> bool:
        """Whether the interval of the gain lies above 0."""
        return self.gain.low > 0

    @property
    def outcome(self) -> Literal["do", "dont", "not_enough_evidence"]:
        """`do` where a rule is shown to gain; `dont` where each message for everybody is shown to lose; else open."""
        if self.gains:
            return "do"
        alike = [self.estimate(rule, rule.ips).high for rule in self.rules if rule.name == ALL]
        return "dont" if self.chosen.name == NOBODY and max(alike) < 0 else "not_enough_evidence"

    @property
    def untried(self) -> Flags:
        """(codes,): whether customers have a value of some attribute that nobody in the test had."""
        levels = read_codes(self.codes)[:, [self.types.place(name) for name in self.types.values]]
        seen = [np.isin(own, np.unique(own[self.tested > 0])) for own in levels.T]
        return ~np.logical_and.reduce(seen) if seen else np.zeros(len(self.codes), bool)

    @property
    def given(self) -> Floats:
        """(codes, arms): 1 for the arm that the plan gives; the one without messages where no gain is shown.

        A rule that chooses among customers gives no message to those of whom the test says nothing.
        """
        by_code = self.chosen.policy[self.chosen.grouping.profile]
        silent = np.eye(len(self.arms))[np.zeros(len(by_code), int)]
        if not self.gains:
            return silent
        return by_code if self.chosen.name == ALL else np.where(self.untried[:, None], silent, by_code)

    @property
    def receivers(self) -> Floats:
        """(arms,): today's customers whom the plan gives each arm."""
        return np.asarray(self.today @ self.given)

    @property
    def customers(self) -> float:
        """Today's."""
        return float(self.today.sum())

    @property
    def untried_customers(self) -> float:
        """Today's customers of whom the test says nothing: see `untried`."""
        return float(self.today[self.untried].sum())

    @property
    def messaged(self) -> float:
        """Today's customers who get a message."""
        return float(self.receivers[1:].sum())

    @property
    def messaged_share(self) -> float:
        """Share (0–1) of today's customers who get a message; NaN without customers."""
        return self.messaged / self.customers if self.customers else float("nan")

    @property
    def only_arm(self) -> str:
        """The arm that everybody gets; empty where customers get several."""
        return "" if (self.receivers > 0).sum() > 1 else self.arms[int(self.given[0].argmax())]

    def by_level(self, name: str) -> tuple[LevelReceivers, ...]:
        """Today's customers by the level of an attribute, or of `customer_types.RFM_GROUP`."""
        levels = read_codes(self.codes)[:, self.types.place(name)]
        given = self.given * self.today[:, None]
        names, sums = self.types.names(name), {at: given[levels == at].sum(axis=0) for at in np.unique(levels)}
        return tuple(
            LevelReceivers(names[at], float(own.sum()), tuple((own / own.sum()).tolist()))
            for at, own in sums.items()
            if own.sum() > 0
        )

    @property
    def worth(self) -> Estimate:
        """Money of messaging today's customers by the rule.

        The gain is that of a customer of the test. It comes from those who get a message, so it is counted for as many
        customers of the test's mix as there have to be for today's number of messages.
        """
        messaged = 1 - self.given[:, 0]
        share = float(self.tested @ messaged) / max(float(self.tested.sum()), 1.0)
        customers = float(self.today @ messaged) / share if share > 0 else 0.0
        return Estimate(customers * self.gain.value, customers * self.gain.low, customers * self.gain.high)

    def estimate(self, rule: Rule, replicates: Floats) -> Estimate:
        """A gain per customer (1 + 64,) with its interval."""
        return estimate_gain(replicates, self.quantile, rule.least_error)


def find_mailing_test(shop: Shop) -> tuple[Experiment, str] | None:
    """The largest valid test with an arm without messages, and that arm; None where there is none.

    Tests that assigned clusters are left out, because errors here are of single customers. An arm has no messages if
    none was planned, or if at most one customer in a hundred got any and more of the other arms did.
    """
    large = [test for test in find_valid_tests(shop, "messages") if (test.customers >= GROUPS).all()]
    if not large:
        return None
    exposure = count_exposure(shop)
    found = []
    for test in large:
        sent = exposure[exposure["experiment_id"] == test.name].groupby("arm")["messaged"].max()
        share = sent.reindex(list(test.arms)).fillna(0.0).to_numpy(float) / test.customers
        least = int(share.argmin())
        planned = arms_without_messages(test)
        if planned:
            found.append((test, planned[0]))
        elif share[least] <= _MOST_MESSAGED and (np.delete(share, least) > _MOST_MESSAGED).all():
            found.append((test, test.arms[least]))
    return max(found, key=lambda pair: pair[0].customers.sum()) if found else None


def plan_recipients(shop: Shop) -> RecipientPlan:
    """Who should get one mailing, and what that is worth per customer within the test's outcome window.

    Args:
        shop: the company, with orders, messages, experiments, arms and assignments.

    Raises:
        NotEnoughData: no valid test has an arm without messages, the source does not know profit, hardly anybody in
            the test has ordered, or nobody may be messaged on the last day.
    """
    found = find_mailing_test(shop)
    if found is None:
        raise NotEnoughData("No valid test has an arm without messages, so nothing says whom a message makes buy.")
    if not measures.knows_profit(shop):
        raise NotEnoughData("The source has no amounts of orders, so nothing says what a message brings.")
    test, untreated = found
    arms = (untreated, *(arm for arm in test.arms if arm != untreated))
    types = find_types(shop)
    members = _count_members(shop, types, test)
    _check_buyers(members, arms)
    people = _label_today(shop, types)
    now = shop.count(people.group_by("code").aggregate(customers=people.count()).order_by("code"))
    if now.empty:
        raise NotEnoughData("No customer may be texted on the last day, so there is nobody to plan for.")
    codes = pd.Series(sorted({*members["code"], *now["code"]}), dtype=object)
    sums = _as_sums(members, codes, arms)
    customers = sums.members.sum(axis=(0, 2))
    groupings = find_groupings(types, codes, customers, shop.seed)
    traits = _add_traits(types, codes, customers)
    rules = value_rules(sums, (*groupings, traits) if traits else groupings)
    today = now.set_index("code")["customers"].reindex(codes).fillna(0).to_numpy(float)
    return RecipientPlan(
        shop, types, test, arms, codes, rules, choose_rule(rules), common_quantile(rules), customers, today, people
    )


def _check_buyers(members: pd.DataFrame, arms: tuple[str, ...]) -> None:
    """Refuse arms with too few buyers: their mean profit is too skewed for its interval, as on the page on tests."""
    sums = members.groupby("arm")[["n", "buyers"]].sum().reindex(list(arms)).fillna(0.0)
    for arm, own in sums.iterrows():
        others = float(sums["n"].drop(arm).max())
        least = FEWEST_BUYERS_UNEQUAL if others >= UNEQUAL * float(own["n"]) else FEW_EVENTS
        if own["buyers"] < least:
            raise NotEnoughData(
                "Only {n} customers in the arm {arm} of the test have ordered; a rule needs {least}.",
                n=int(own["buyers"]), arm=str(arm), least=least,
            )  # fmt: skip


def _count_members(shop: Shop, types: CustomerTypes, test: Experiment) -> pd.DataFrame:
    """group, code, arm; n, profit, squares, buyers: of the consenting members of a test, treated or not."""
    rows = measures.arm_outcomes(shop, test.name)
    rows = rows.filter(rows.outcome_days > 0, rows.consenting.fill_null(1) == 1)
    days = find_label_days(shop, [test.name])
    labelled = shop.keep(types.label(days.select("customer_id", "label_day")))
    labelled = labelled.select(member="customer_id", code="code")
    rows = rows.join(labelled, rows.customer_id == labelled.member)
    profit = rows.profit.cast("float64")
    rows = rows.select("arm", "code", "ordered", profit=profit, group=hash_group(rows.customer_id, PURPOSE, GROUPS))
    cells = rows.group_by("group", "code", "arm").aggregate(
        n=rows.count(), profit=total(rows.profit), squares=total(rows.profit * rows.profit), buyers=rows.ordered.sum()
    )
    return shop.count(cells.order_by("group", "code", "arm"))


def _as_sums(cells: pd.DataFrame, codes: pd.Series, arms: tuple[str, ...]) -> Sums:
    number = {"code": dict(zip(codes, range(len(codes)), strict=True)), "arm": {arm: a for a, arm in enumerate(arms)}}
    numbered = cells.assign(**{name: cells[name].map(place) for name, place in number.items()})
    sizes = {"group": GROUPS, "code": len(codes), "arm": len(arms)}
    return Sums(*(cube(numbered, name, sizes) for name in ("n", "profit", "squares")))


def _label_today(shop: Shop, types: CustomerTypes) -> ir.Table:
    """customer_id, code of everybody who may be messaged at the end of the log."""
    people = types.label(everybody(shop), shop.as_of)
    people = shop.keep(people.select("customer_id", "code"))
    may = measures.subscribed(shop, ibis.literal(shop.end), people).select(subscriber="customer_id")
    return shop.keep(people.join(may, people.customer_id == may.subscriber).select("customer_id", "code"))


def _add_traits(types: CustomerTypes, codes: pd.Series, customers: Floats) -> Grouping | None:
    """Each code by itself, with equal parts in its levels of every indicator; None where fewer than two differ.

    A code's mean in an arm is then the mean of its levels': what a message does is the sum of what each trait adds. So
    customers whose combination is rare are known by their traits. Levels that no member of the test had add nothing.
    """
    levels = read_codes(codes)
    parts, names = [], []
    for j in types.independent:
        used = np.unique(levels[customers > 0, j])
        if len(used) > 1:
            parts.append((levels[:, j, None] == used).astype(float))
            names += [f"{types.indicators[j].name}:{level}" for level in used]
    if len(parts) < 2:
        return None
    membership = np.hstack(parts)
    known = membership.sum(axis=1, keepdims=True)
    membership = np.divide(membership, known, out=np.full_like(membership, 1 / len(names)), where=known > 0)
    return Grouping(TRAITS, np.arange(len(codes)), membership, tuple(names))


def list_recipients(plan: RecipientPlan) -> ir.Table:
    """customer_id, arm, message: everybody who may be messaged on the last day, with what the plan gives them.

    Args:
        plan: of `plan_recipients`.
    """
    names = np.array(plan.arms, dtype=object)[plan.given.argmax(axis=1)]
    table = pd.DataFrame({"of_code": plan.codes.to_numpy(str), "arm": names})
    table = ibis.memtable(table, schema={"of_code": "string", "arm": "string"})
    rows = plan.people.join(table, plan.people.code == table.of_code)
    return rows.select("customer_id", "arm", message=rows.arm != plan.arms[0])


def rule_rows(plan: RecipientPlan) -> pd.DataFrame:
    """policy, arm, share, profit_per_customer, low, high, snipw, doubly_robust, chosen, evidence, period.

    Profit is the gain over messaging nobody by plain weighting; arm is that of a rule for everybody, else empty.
    """
    rows = []
    for rule in plan.rules:
        gain = plan.estimate(rule, rule.ips)
        rows.append({
            "policy": rule.name, "arm": plan.arms[int(rule.policy[0].argmax())] if rule.parameters < 2 else "",
            "share": rule.share, "profit_per_customer": gain.value, "low": gain.low, "high": gain.high,
            "snipw": float(rule.snipw[0]), "doubly_robust": float(rule.doubly_robust[0]),
            "chosen": rule is plan.chosen, "evidence": "randomised", "period": f"{plan.weeks:.3g} weeks",
        })  # fmt: skip
    return pd.DataFrame(rows)
