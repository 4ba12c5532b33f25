"""Attributed revenue beside the revenue that randomised tests show messages to have caused.

Tests count whose one arm gets no messages: standing holdouts, and frequency tests with an arm of no texts. Attribution
is counted on the same customers, in the same weeks, by the channel that the arms differ in. Incremental profit and the
outcome of a test are those of `ab_test`; all intervals of a running test are always-valid, because it is read each run.

References:
    Fieller (1954), Some problems in interval estimation, Journal of the Royal Statistical Society B 16(2), 175–185.
    Gordon et al. (2019), A comparison of approaches to advertising measurement: evidence from big field experiments at
        Facebook, Marketing Science 38(2): attribution against randomised experiments.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import ibis.expr.types as ir
import numpy as np
import pandas as pd
from scipy.stats import norm

from smsroi_helpers import ab_test, experiments, measures
from smsroi_helpers.engine import total
from smsroi_helpers.errors import NotEnoughData
from smsroi_helpers.experiments import Experiment, Validity
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import UNEQUAL, always_valid_half_width

__all__ = [
    "WINDOWS",
    "Attributed",
    "Comparison",
    "Ratio",
    "compare_attribution",
    "count_credits",
    "fieller",
    "find_untreated",
    "incremental_share",
    "relative_lift",
]

_MARGIN = 0.002
WINDOWS = (12, 24, 48, 72, 168, 336, 720)
"""Attribution windows in hours: half a day to 30 days."""
FIXED = float(norm.ppf(0.975))
"""The half-width of a 95 % interval for a single look, in standard errors."""
TOUCHES: tuple[Literal["last", "any"], ...] = ("last", "any")


@dataclass(frozen=True)
class Ratio:
    """A ratio with its 95 % limits; an infinite limit where the denominator may be 0."""

    estimate: float
    low: float
    high: float


def fieller(
    top: float, bottom: float, *, var_top: float, var_bottom: float, cov: float = 0.0, width: float = FIXED
) -> Ratio:
    """The ratio of two means with Fieller's interval (Fieller 1954, equation 2).

    The limits solve (top − r · bottom)² = w² (var_top − 2 r cov + r² var_bottom). With an always-valid w they hold over
    all looks together, since top − r · bottom is a mean for every r. They are finite where `bottom` is
    distinguishable from 0; else NaN, because the set of ratios that the data allow is then not an interval.

    Args:
        top: estimate of the numerator.
        bottom: estimate of the denominator.
        var_top: squared standard error of `top`.
        var_bottom: squared standard error of `bottom`.
        cov: covariance of the two estimates.
        width: w, the half-width of the interval of a mean in standard errors; NaN where there is no interval yet.

    >>> found = fieller(3.0, 2.0, var_top=0.04, var_bottom=0.0)  # a known denominator: (3 ± 1.96 · 0.2) / 2
    >>> round(float(found.low), 3), round(float(found.high), 3)
    (1.304, 1.696)
    """
    z2 = width**2
    a, b, c = bottom**2 - z2 * var_bottom, top * bottom - z2 * cov, top**2 - z2 * var_top
    estimate = top / bottom if bottom else float("nan")
    if not a > 0:
        return Ratio(estimate, float("nan"), float("nan"))
    root = float(np.sqrt(max(b * b - a * c, 0.0)))
    return Ratio(estimate, (b - root) / a, (b + root) / a)


def relative_lift(treated: tuple[float, float], control: tuple[float, float]) -> float:
    """The rate of the treated ÷ that of the control − 1: how much more they order than they would have.

    Args:
        treated: orders (or customers who ordered) and customers of the treated arm.
        control: of the untreated arm.

    >>> round(relative_lift((13_200, 415_500), (448, 27_400)), 2)
    0.94
    """
    return (treated[0] / treated[1]) / (control[0] / control[1]) - 1


def incremental_share(treated: tuple[float, float], control: tuple[float, float]) -> float:
    """The share of the treated arm's orders that would not have been without messages: 1 − control rate ÷ treated rate.

    Not the relative lift, which is the same difference divided by the control's rate.

    >>> round(incremental_share((13_200, 415_500), (448, 27_400)), 3)
    0.485
    """
    return 1 - (control[0] / control[1]) / (treated[0] / treated[1])


@dataclass(frozen=True)
class Attributed:
    """Attribution by one rule, beside the incremental revenue of the same customers and weeks."""

    touch: Literal["last", "any"]
    """`any`: every campaign whose window includes an order counts it in full."""
    hours: int
    revenue: float
    """Attributed revenue of the treated arm less that of as many control customers, before refunds (money): of messages
    of the treatment."""
    calibration: Ratio
    """Incremental ÷ attributed revenue: the factor by which attributed revenue is multiplied."""
    inflation: Ratio
    """Attributed ÷ incremental revenue; its upper limit is infinite where incremental revenue may be 0."""


@dataclass(frozen=True)
class Comparison:
    """One treated arm of a valid test against the arm without messages."""

    experiment: str
    arm: str
    control: str
    first: dt.date
    last: dt.date
    """The days whose messages and orders count: from the start of the test on."""
    weeks: float
    """Mean weeks for which outcomes were counted."""
    customers: float
    """Of the treated arm."""
    control_customers: float
    incremental: Ratio
    """Incremental revenue of the treated arm before refunds (money), with its limits (Welch)."""
    profit: Ratio
    """Incremental profit of the treated arm after message costs and refunds (money), as `ab_test` estimates it."""
    cost: float
    """Message cost of the treated arm less that of as many control customers; NaN where not known."""
    roi: Ratio
    """Incremental ROI: incremental profit ÷ that cost, with Fieller's limits."""
    attributed_roi: float
    """(Profit of the orders attributed by last touch within the chosen window − cost) ÷ cost, both of messages of the
    treatment: those of the treated arm less those of as many control customers. The KPI `roi` is of all messages,
    whoever got them."""
    orders: tuple[float, float]
    """Customers who ordered, of the treated arm and of the control."""
    rules: tuple[Attributed, ...]
    running: bool
    """Whether the test still runs; then all limits are always-valid."""
    width: float
    """Half-width of the limits in standard errors; NaN where a running test has none yet."""
    outcome: ab_test.RuleOutcome
    """Of the arm, by the decision rule of `ab_test` with its defaults."""

    @property
    def undecided(self) -> bool:
        """Whether the test still runs and does not yet show whether the messages bring profit."""
        return self.running and self.outcome == "keep_running"

    def rule(self, hours: int, touch: str = "last") -> Attributed:
        """Attribution by one rule."""
        return next(one for one in self.rules if (one.touch, one.hours) == (touch, hours))

    @property
    def relative_lift(self) -> Ratio:
        """Of customers who ordered (0.1 = 10 % more), with Fieller's limits; NaN where the control's rate may be 0."""
        found = self._ratio_of_rates(0, 1)
        return Ratio(found.estimate - 1, found.low - 1, found.high - 1)

    @property
    def incremental_share(self) -> Ratio:
        """Of the treated customers who ordered (0–1), with Fieller's limits; NaN where the arm's rate may be 0."""
        found = self._ratio_of_rates(1, 0)
        return Ratio(1 - found.estimate, 1 - found.high, 1 - found.low)

    def _ratio_of_rates(self, top: int, bottom: int) -> Ratio:
        """The share of one arm's customers who ordered ÷ that of the other; 0 is the treated arm, 1 the control."""
        people = (self.customers, self.control_customers)
        rates = [ordered / n for ordered, n in zip(self.orders, people, strict=True)]
        variances = [rate * (1 - rate) / n for rate, n in zip(rates, people, strict=True)]
        return fieller(
            rates[top], rates[bottom], var_top=variances[top], var_bottom=variances[bottom], width=self.width
        )


def find_untreated(shop: Shop) -> list[tuple[Experiment, Validity]]:
    """The valid experiments of single customers with an arm without messages, which is taken as their control."""
    if not all(shop.has(table) for table in ("experiments", "arms", "assignments", "messages", "orders")):
        return []
    try:
        checked = experiments.check_experiments(shop)
    except NotEnoughData:
        return []
    found = []
    for experiment, validity in checked:
        without = experiments.arms_without_messages(experiment)
        if without and not validity.broken:
            found.append((_with_control(experiment, without[0]), validity))
    return found


def _with_control(experiment: Experiment, control: str) -> Experiment:
    order = sorted(range(len(experiment.arms)), key=lambda place: experiment.arms[place] != control)
    arms = tuple(experiment.arms[place] for place in order)
    return replace(experiment, control=control, arms=arms, shares=experiment.shares[order])


def compare_attribution(shop: Shop, attribution_hours: int = 72, channel: str = "") -> list[Comparison]:
    """Compare attributed with incremental revenue in every valid test that has an arm without messages.

    Args:
        shop: the company.
        attribution_hours: the window of the report, one of those compared.
        channel: the channel that the arms differ in, as for `measures.choose_channel`.

    Returns:
        one for each treated arm; none without such tests.
    """
    tests = find_untreated(shop)
    if not tests:
        return []
    hours = tuple(sorted({*WINDOWS, attribution_hours}))
    sums = count_credits(shop, [one.name for one, _validity in tests], hours, attribution_hours, channel)
    counted = experiments.count_outcomes(shop)
    found = []
    for experiment, validity in tests:
        own = sums[sums["experiment_id"] == experiment.name].set_index("arm")
        effects = ab_test.adjust_p(experiment, ab_test.measure_effects(experiment, counted))
        decided = ab_test.decide_experiment(experiment, validity, effects, smallest_gain=0.0, opt_out_margin=_MARGIN)
        found += [
            _compare(
                experiment, own.loc[arm], own.loc[experiment.control], hours, effects.find("profit", arm),
                decided.by_arm.get(arm, decided.outcome),
            )
            for arm in experiment.treated
            if {arm, experiment.control} <= set(own.index)
        ]  # fmt: skip
    return found


def _compare(
    experiment: Experiment, treated: pd.Series, control: pd.Series, hours: Sequence[int],
    effect: ab_test.ArmEffect | None, outcome: ab_test.RuleOutcome,
) -> Comparison:  # fmt: skip
    n, m = float(treated["n"]), float(control["n"])
    running = experiment.state == "running"
    width = float(always_valid_half_width(1.0, experiment.information)) if running else FIXED
    revenue, var_revenue = _difference(treated, control, "revenue")
    cost, var_cost = _difference(treated, control, "cost")
    known_cost = bool(np.isfinite(cost) and cost > 0)
    profit, var_profit = (effect.difference, effect.standard_error**2) if effect else (float("nan"),) * 2
    limits = (effect.always_valid if running else effect.interval) if effect else (float("nan"),) * 3
    cov = _covariance(treated, "profit", "cost") / n + _covariance(control, "profit", "cost") / m
    cov = float(np.clip(cov, -np.sqrt(var_profit * var_cost), np.sqrt(var_profit * var_cost)))
    rules = []
    for touch in TOUCHES:
        for window in hours:
            name = f"{touch}_{window}"
            # A control that got some messages all the same has them in neither difference.
            mean = float(treated[f"{name}__y"]) / n - float(control[f"{name}__y"]) / m
            factor = fieller(
                revenue, mean, var_top=var_revenue,
                var_bottom=_covariance(treated, name, name) / n + _covariance(control, name, name) / m,
                cov=_covariance(treated, name, "revenue") / n + _covariance(control, name, "revenue") / m, width=width,
            )  # fmt: skip
            rules.append(Attributed(touch, window, mean * n, factor, _inverse(factor)))
    earned = float(treated["order_profit__y"]) / n - float(control["order_profit__y"]) / m
    return Comparison(
        experiment=experiment.name, arm=str(treated.name), control=str(control.name),
        first=experiment.started, last=experiment.last, weeks=experiment.weeks,
        customers=n, control_customers=m, incremental=_interval(revenue, var_revenue, n, width),
        profit=Ratio(*(n * limit for limit in limits)), cost=cost * n if known_cost else float("nan"),
        roi=fieller(profit, cost, var_top=var_profit, var_bottom=var_cost, cov=cov, width=width)
        if known_cost else Ratio(*(float("nan"),) * 3),
        attributed_roi=(earned - cost) / cost if known_cost else float("nan"),
        orders=(float(treated["ordered__y"]), float(control["ordered__y"])), rules=tuple(rules), running=running,
        width=width, outcome=outcome,
    )  # fmt: skip


def _difference(treated: pd.Series, control: pd.Series, name: str) -> tuple[float, float]:
    """The difference of the arms' means per customer, and its squared standard error (Welch).

    The smaller of very unequal arms has at least the variance of both together: see `statistics.share_variance`.
    """
    n, m = float(treated["n"]), float(control["n"])
    difference = float(treated[f"{name}__y"]) / n - float(control[f"{name}__y"]) / m
    of_treated, of_control = (_covariance(arm, name, name) for arm in (treated, control))
    together = (n * of_treated + m * of_control) / (n + m)
    if of_control > 0 and n >= UNEQUAL * m:
        of_control = max(of_control, together)
    elif of_treated > 0 and m >= UNEQUAL * n:
        of_treated = max(of_treated, together)
    return difference, of_treated / n + of_control / m


def _covariance(arm: pd.Series, one: str, two: str) -> float:
    """The covariance of two outcomes over an arm's customers, from their sums."""
    n = float(arm["n"])
    key = f"{one}__{two}" if f"{one}__{two}" in arm.index else f"{two}__{one}"
    return (float(arm[key]) - float(arm[f"{one}__y"]) * float(arm[f"{two}__y"]) / n) / (n - 1)


def _interval(mean: float, variance: float, customers: float, width: float) -> Ratio:
    half = width * np.sqrt(variance)
    return Ratio(customers * mean, customers * (mean - half), customers * (mean + half))


def _inverse(ratio: Ratio) -> Ratio:
    """Attributed ÷ incremental, from incremental ÷ attributed; unbounded above where that may be 0 or below."""
    if not ratio.estimate > 0:
        return Ratio(float("nan"), 1 / ratio.high if ratio.high > 0 else float("nan"), float("inf"))
    return Ratio(1 / ratio.estimate, 1 / ratio.high, 1 / ratio.low if ratio.low > 0 else float("inf"))


def count_credits(
    shop: Shop, names: Sequence[str], hours: Sequence[int], chosen: int, channel: str = ""
) -> pd.DataFrame:
    """Revenue, profit, cost and attributed revenue of every arm: sums, squares and products over customers; one query.

    Args:
        shop: the company.
        names: of the experiments.
        hours: the windows, rising.
        chosen: the window whose attributed profit is counted.
        channel: whose messages are credited. By last touch, an order whose last message was of another channel is
            credited to none of them, as in the KPIs of campaigns.

    Returns:
        experiment_id, arm, n; `<x>__y` = Σ x and `<x>__<z>` = Σ x z over customers. x is revenue (before refunds),
        profit (after refunds and costs), cost, ordered (0 or 1), order_profit (of the orders attributed by last touch
        within `chosen`), and `last_<hours>`, `any_<hours>`: attributed revenue. Messages delivered before the
        customer's assignment get no credit, nor those after the treatment, which may go to both arms.
    """
    people, treated = measures.outcome_windows(shop), measures.outcome_windows(shop, window="treatment")
    treated = treated.select("experiment_id", "customer_id", treated_until="outcome_end")
    people = people.join(treated, ["experiment_id", "customer_id"])
    people = people.filter(people.experiment_id.isin(list(names)))
    of_any, of_last = (_credited(shop, people, hours[-1], touch, channel) for touch in ("any", "last"))
    claims = of_any.group_by("experiment_id", "member", "order_id", "campaign_id").aggregate(
        after=of_any.hours_after.min(), revenue=of_any.revenue.max()
    )
    any_credit = claims.group_by(of_experiment="experiment_id", member="member").aggregate(
        **{f"any_{w}": total(claims.revenue, where=claims.after < w) for w in hours}
    )
    last_credit = of_last.group_by(by_last="experiment_id", buyer="member").aggregate(
        order_profit_credit=total(of_last.order_profit, where=of_last.hours_after < chosen),
        **{f"last_{w}": total(of_last.revenue, where=of_last.hours_after < w) for w in hours},
    )
    rows = measures.arm_outcomes(shop)
    rows = rows.filter(rows.experiment_id.isin(list(names)), rows.outcome_days > 0)
    rows = rows.left_join(
        any_credit, [rows.experiment_id == any_credit.of_experiment, rows.customer_id == any_credit.member]
    )
    rows = rows.left_join(
        last_credit, [rows.experiment_id == last_credit.by_last, rows.customer_id == last_credit.buyer]
    )
    windows = [f"{touch}_{w}" for touch in TOUCHES for w in hours]
    rows = rows.select(
        "experiment_id", "arm",
        revenue=rows.revenue + rows.refunds,
        profit=rows.profit,
        cost=rows.message_cost,
        ordered=rows.ordered.cast("float64"),
        order_profit=rows.order_profit_credit.fill_null(0.0),
        **{name: rows[name].fill_null(0.0) for name in windows},
    )  # fmt: skip
    plain = ("revenue", "profit", "cost", "ordered", "order_profit")
    products = [("revenue", "revenue"), ("profit", "profit"), ("cost", "cost"), ("profit", "cost")]
    products += [(name, other) for name in windows for other in (name, "revenue")]
    sums = rows.group_by("experiment_id", "arm").aggregate(
        n=rows.count(),
        **{f"{name}__y": total(rows[name]) for name in (*plain, *windows)},
        **{f"{one}__{two}": total(rows[one] * rows[two]) for one, two in products},
    )
    return shop.count(sums.order_by("experiment_id", "arm"))


def _credited(shop: Shop, people: ir.Table, hours: int, touch: measures.Touch, channel: str) -> ir.Table:
    """Orders of members within their outcome window, credited to messages of the channel since their assignment."""
    pairs = measures.attributed_orders(shop, hours, touch)
    pairs = pairs.filter(pairs.channel == measures.choose_channel(shop, channel))
    own = people.select("experiment_id", "assigned_at", "outcome_end", "treated_until", member="customer_id")
    pairs = pairs.join(own, pairs.customer_id == own.member)
    return pairs.filter(
        pairs.delivered_at >= pairs.assigned_at, pairs.delivered_at < pairs.treated_until,
        pairs.ordered_at < pairs.outcome_end,
    )  # fmt: skip
