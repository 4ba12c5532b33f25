"""The answer of each experiment: outcome, value, next step and sample size needed. `wording` puts it in words.

The money per week of the answer box and the index is the difference per customer with its limits (`decision_rule`) ×
customers of the arm ÷ weeks (`_answer`).
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from smsroi_helpers.ab_test.cash import Cash, trace_cash
from smsroi_helpers.ab_test.click_profit import Prices
from smsroi_helpers.ab_test.decision_rule import ExperimentDecision
from smsroi_helpers.ab_test.effects import CLICK_PROFIT, ArmEffect, is_count
from smsroi_helpers.ab_test.study import DecidedIn, Evaluated
from smsroi_helpers.contract import Evidence, MoneyKind
from smsroi_helpers.experiments import Experiment, Validity
from smsroi_helpers.statistics import ALPHA, FEW_EVENTS, MOST_TIMES

__all__ = [
    "LONGEST_WAIT_DAYS",
    "ExperimentAnswer",
    "Feasible",
    "NextStep",
    "compares_with_no_texts",
    "decide",
]

LONGEST_WAIT_DAYS = 365
"""A longer wait is not suggested; more customers are asked for instead."""

Step = Literal[
    "do_not_use", "keep_texting", "switch", "stop_texting", "keep_control", "repeat_with", "wait_for_customers",
    "repeat_with_more", "add_orders", "would_detect", "too_small", "run_until_planned", "more_needed", "run_until",
    "keep_running",
]  # fmt: skip


@dataclass(frozen=True)
class NextStep:
    """The next step for an experiment."""

    kind: Step
    customers: float = float("nan")
    """In total (repeat_with, wait_for_customers, would_detect); else in addition to the present ones."""
    until: dt.date | None = None


@dataclass(frozen=True)
class Feasible:
    """What the customers there are can detect with 80 % power, where the planned gain takes more.

    Profit per customer and week. A test's error falls with the square root of weeks and of customers, and is smallest
    with two arms of equal size.
    """

    customers: int
    """Who can be in the test: its members, or those who can be texted today if they are more."""
    weeks: float
    """As many more weeks as have been observed."""
    longer: float
    half: float
    """With all customers, half of them in the control."""
    both: float
    everybody: float
    """With all customers, in arms of the present shares."""


@dataclass(frozen=True)
class ExperimentAnswer:
    """The answer of one experiment, with the numbers behind it."""

    experiment: Experiment
    validity: Validity
    decision: ExperimentDecision
    outcome: Literal["do", "dont", "not_enough_evidence", "broken"]
    next_step: NextStep
    against_no_texts: bool
    """Whether the control is not texted, so that the difference is the incremental profit of texting."""
    value: float = float("nan")
    """Money over all customers of the arm, for the whole window or per week (`unit`); else the difference of shares, or
    of orders per customer (`count`)."""
    low: float = float("nan")
    high: float = float("nan")
    unit: Literal["money_per_week", "money", "share", "count", ""] = ""
    kind: Literal["gain", "worth", "fact"] = "fact"
    evidence: Evidence = "randomised"
    """Of the value; `modelled`: computed from the arms' opt-outs, and clicks where these have a price."""
    money: MoneyKind = ""
    """The kind of money of the value: with opt-outs priced it is `long_run`, else `cash`."""
    cash: Cash | None = None
    """Profit as measured in the experiment, over all customers of the arm: `randomised`, whatever the value is."""
    enough_for_events: float = float("nan")
    """Total customers with whom every arm would have the minimum number of events, at the observed rates."""
    weeks_needed: float = float("nan")
    """Weeks for which these customers would have to be observed; NaN where the present data are enough."""
    sold_more: ArmEffect | None = None
    """For an arm that loses money: the effect on the order rate, if it is significantly positive."""
    opt_outs_rose: ArmEffect | None = None
    """The effect on opt-outs if it is significantly positive and there is no guardrail (control not texted)."""
    direct: ArmEffect | None = None
    """Profit as measured, where the answer is modelled."""
    worse: tuple[str, ...] = ()
    """Arms of an undecided test that are shown to bring less than the control."""
    worse_effects: tuple[ArmEffect, ...] = ()
    """Of these, in the deciding metric."""
    prices: Prices | None = None
    from_clicks: bool = True
    """Whether a modelled profit is computed from clicks, not measured less what opt-outs cost."""
    knows_orders: bool = True
    """Whether the source has orders, so that a difference could be one of money."""
    feasible: Feasible | None = None
    """Only where the planned gain takes more customers than there are."""
    knows_amounts: bool = False
    """Whether any of these orders has an amount."""

    def limits(self, row: ArmEffect) -> tuple[float, float, float]:
        """An effect with the limits that hold for this reading: always-valid ones while the test runs.

        A rate with few events has the exact limits of a single reading, which the rule uses, too.
        """
        return _limits(self.experiment, row)

    @property
    def detectable_per_week(self) -> float:
        """The detectable difference in money, per customer and week."""
        return self.decision.detectable / max(self.experiment.weeks, 1e-9)

    @property
    def cash_differs(self) -> bool:
        """Whether the change's cash and its long-run value differ in sign."""
        return self.money == "long_run" and self.cash is not None and self.cash.profit[0] * self.value < 0

    @property
    def open_arms(self) -> tuple[str, ...]:
        """The arms that are not shown to bring less than the control, which is one of them."""
        return tuple(arm for arm in self.experiment.arms if arm not in self.worse)

    @property
    def customers_for_open_arms(self) -> float:
        """Customers in all with whom a test of the open arms alone decides with 80 % power, at the difference seen.

        The next step's number is for as many arms as now; of it, the open arms' share of today's customers.
        """
        customers = dict(zip(self.experiment.arms, self.experiment.customers, strict=True))
        total, members = float(self.experiment.customers.sum()), float(sum(customers[arm] for arm in self.open_arms))
        return members * (total + self.next_step.customers) / total

    @property
    def customers(self) -> int:
        """Customers the money is for: those of the arm; without money, all in the experiment."""
        in_money = self.unit.startswith("money")
        return int(self.decision.arm_customers if in_money else self.experiment.customers.sum())


def decide(
    evaluated: Sequence[Evaluated], stage: DecidedIn = "ab_test", customers: float = float("nan")
) -> tuple[ExperimentAnswer, ...]:
    """The answers of the experiments that a stage decides: the standing holdout first, then by outcome and value.

    Args:
        evaluated: of `study.analyse`.
        stage: `ab_test` or `content`; tests of hours and of texts per week have rules of their own.
        customers: who can be texted today; NaN where not known.
    """
    rank = {"ship": 0, "keep_control": 1, "keep_running": 2, "broken": 3}

    def place(each: Evaluated) -> tuple[bool, int, float]:
        outcome = each.decision.outcome
        standing = each.experiment.kind == "holdout" and outcome in ("ship", "keep_control")
        return (not standing, rank[outcome], -np.nan_to_num(abs(each.decision.value)))

    own = [each for each in evaluated if each.decided_in == stage]
    return tuple(_answer(each, customers) for each in sorted(own, key=place))


def _feasible(each: Evaluated, customers: float) -> Feasible | None:
    """What can be detected; None unless the planned gain takes more customers than there are."""
    experiment, decision = each.experiment, each.decision
    members = float(experiment.customers.sum())
    available = max(members, customers) if np.isfinite(customers) else float("nan")
    if not (decision.in_money and decision.needed > available and np.isfinite(decision.detectable)):
        return None
    now = decision.detectable / max(experiment.weeks, 1e-9)
    everybody = now * np.sqrt(members / available)
    control = float(experiment.customers[0]) / members
    half = everybody * np.sqrt(4 * control * (1 - control))
    return Feasible(
        int(available), float(np.ceil(experiment.weeks)), now / np.sqrt(2), half, half / np.sqrt(2),
        everybody,
    )  # fmt: skip


def _answer(each: Evaluated, customers: float) -> ExperimentAnswer:
    experiment, decision = each.experiment, each.decision
    modelled = decision.metric == CLICK_PROFIT
    against_none = compares_with_no_texts(experiment, each.validity)
    value = low = high = float("nan")
    unit: Literal["money_per_week", "money", "share", "count", ""] = ""
    if decision.known and decision.in_money:
        scale = decision.arm_customers / (experiment.weeks if against_none else 1.0)
        value, low, high = (scale * x for x in (decision.difference, decision.low, decision.high))
        unit = "money_per_week" if against_none else "money"
    elif decision.known:
        value, low, high = decision.difference, decision.low, decision.high
        unit = "count" if is_count(decision.metric) else "share"
    kind: Literal["gain", "worth", "fact"] = "fact"
    if decision.priced or decision.outcome == "broken" or unit.startswith("money"):
        kind = "worth" if against_none else "gain"
    money = _money_kind(each) if unit.startswith("money") else ""
    enough = _enough_for_events(each)
    total = float(experiment.customers.sum())
    outcomes: dict[str, Literal["do", "dont", "not_enough_evidence", "broken"]] = {
        "ship": "do", "keep_control": "dont", "keep_running": "not_enough_evidence", "broken": "broken",
    }  # fmt: skip
    return ExperimentAnswer(
        experiment=experiment,
        validity=each.validity,
        decision=decision,
        outcome=outcomes[decision.outcome],
        next_step=_next_step(each, against_none, enough),
        against_no_texts=against_none,
        value=value,
        low=low,
        high=high,
        unit=unit,
        kind=kind,
        evidence=_evidence(decision),
        money=money,
        cash=_cash(each) if money in ("cash", "long_run") else None,
        enough_for_events=enough,
        weeks_needed=experiment.weeks * decision.needed / total if decision.needed > total else float("nan"),
        sold_more=_sold_more(each),
        opt_outs_rose=_opt_outs_rose(each),
        direct=each.effects.find("profit", decision.arm) if modelled else None,
        worse=_worse(decision),
        worse_effects=tuple(
            row for arm in _worse(decision) if (row := each.effects.find(decision.metric, arm)) is not None
        ),
        prices=each.prices if modelled else None,
        from_clicks=not each.not_priced,
        knows_orders=each.effects.knows_orders,
        knows_amounts=each.effects.knows_amounts,
        feasible=_feasible(each, customers),
    )


def _evidence(decision: ExperimentDecision) -> Evidence:
    if decision.outcome == "broken" or "no_orders" in decision.why_open:
        return "none"
    return "modelled" if decision.metric == CLICK_PROFIT else "randomised"


def compares_with_no_texts(experiment: Experiment, validity: Validity) -> bool:
    """Whether the experiment's difference is the incremental profit of texting: its control is not texted."""
    return experiment.kind == "holdout" or (experiment.kind == "frequency" and not validity.control_treated_too)


def _money_kind(each: Evaluated) -> MoneyKind:
    """Profit computed from clicks is long-run money where opt-outs are priced in it."""
    if each.decision.metric == "revenue":
        return "revenue"
    priced = each.prices is not None and each.prices.subscriber.known
    return "long_run" if each.decision.metric == CLICK_PROFIT and priced else "cash"


def _cash(each: Evaluated) -> Cash | None:
    """The profit of the selected arm as measured; None where profit is not."""
    decision, experiment = each.decision, each.experiment
    direct = each.effects.find("profit", decision.arm)
    if decision.metric == "profit":
        found = (decision.difference, decision.low, decision.high)
    elif direct is not None and np.isfinite(_limits(experiment, direct)).all():
        found = _limits(experiment, direct)
    else:
        return None
    profit = tuple(decision.arm_customers * x for x in found)
    opt_outs = each.effects.find("opt_out_rate", decision.arm)
    return trace_cash(profit, experiment.weeks, decision.arm_customers, opt_outs, each.prices)  # type: ignore[arg-type]


def _next_step(each: Evaluated, against_none: bool, enough: float) -> NextStep:
    outcome = each.decision.outcome
    if outcome == "broken":
        return NextStep("do_not_use")
    if outcome == "ship":
        return NextStep("keep_texting" if against_none else "switch")
    if outcome == "keep_control":
        return NextStep("stop_texting" if against_none else "keep_control")
    if "no_orders" in each.decision.why_open:
        return NextStep("add_orders")
    return _still_open(each.experiment, each.decision, enough)


def _still_open(experiment: Experiment, decision: ExperimentDecision, enough: float) -> NextStep:
    """The next step for an undecided experiment: its size is the one that would detect a gain worth having.

    Only where the experiment is that large already does the size follow from the difference seen.
    """
    n = float(experiment.customers.sum())
    ended = experiment.state == "ended"
    if enough > n:
        return NextStep("repeat_with" if ended else "wait_for_customers", enough)
    too_few = decision.needed > n and decision.why_open != ("guardrail",)
    times = decision.needed / n if too_few else decision.times
    more = (times - 1) * n if times > 1 else float("nan")
    if ended:
        if too_few:
            return NextStep("would_detect", decision.needed)
        return NextStep("repeat_with_more", more) if more > 0 and times <= MOST_TIMES else NextStep("too_small")
    if experiment.until is not None:
        return NextStep("run_until_planned", until=experiment.until)
    if more > 0:
        elapsed = max((experiment.last - experiment.started).days + 1, 1)
        wait = int(np.ceil((times - 1) * elapsed))
        if wait > LONGEST_WAIT_DAYS:
            return NextStep("would_detect", decision.needed) if too_few else NextStep("more_needed", more)
        return NextStep("run_until", more, experiment.last + dt.timedelta(days=wait))
    return NextStep("keep_running")


def _enough_for_events(each: Evaluated) -> float:
    if "few_events" not in each.decision.why_open:
        return float("nan")
    metric = each.decision.metric
    found = (each.effects.find(metric, arm) for arm in each.experiment.arms)
    fewest = min((row.events for row in found if row is not None), default=0.0)
    return float(each.experiment.customers.sum() * FEW_EVENTS / fewest) if 0 < fewest < FEW_EVENTS else float("nan")


def _limits(experiment: Experiment, row: ArmEffect) -> tuple[float, float, float]:
    return row.always_valid if experiment.state == "running" and row.method != "few_events" else row.interval


def _worse(decision: ExperimentDecision) -> tuple[str, ...]:
    if decision.outcome != "keep_running":
        return ()
    return tuple(arm for arm, outcome in decision.by_arm.items() if outcome == "keep_control")


def _sold_more(each: Evaluated) -> ArmEffect | None:
    decision = each.decision
    row = each.effects.find("order_rate", decision.arm)
    if not decision.priced or not decision.high < 0 or row is None:
        return None
    return row if _limits(each.experiment, row)[1] > 0 and row.adjusted_p < ALPHA else None


def _opt_outs_rose(each: Evaluated) -> ArmEffect | None:
    decision = each.decision
    row = each.effects.find("opt_out_rate", decision.arm)
    if decision.guardrails.get(decision.arm) != "not_asked" or row is None:
        return None
    return row if _limits(each.experiment, row)[1] > 0 else None
