"""Planning of tests: sample size, power and smallest detectable effect.

The formulas are those of `statistics.power`. For orders two shares are compared; for profit two means, whose standard
deviation follows from the order rate and the variation of an order's profit.

`read_audience` counts what planning needs (reachable customers, their order rate and profit). `plan_next_test` computes
what tests with given numbers of arms and weeks would detect.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from smsroi_helpers import measures
from smsroi_helpers.ab_test.power import Outcomes, chance_to_ship, customers_to_ship, smallest_shipped_gain
from smsroi_helpers.engine import total
from smsroi_helpers.errors import UsageError
from smsroi_helpers.measures import PRACTICE_WEEKS, Practice
from smsroi_helpers.segmentation import known_people
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import (
    FEWEST_CLUSTERS,
    POWER,
    design_effect,
    detectable_difference,
    power_of_difference,
    sample_size,
    standard_error,
)

__all__ = [
    "WANTED_SHARE",
    "Audience",
    "SampleSizePlan",
    "plan_next_test",
    "plan_test",
    "read_audience",
    "wanted_gain",
]

WEEKS = (2, 4, 8, 12)
"""Planned lengths of tests; each is measured on an equally long period just past."""
WANTED_SHARE = 0.1
"""Share of a customer's profit that is planned for where no smallest gain is given: a large effect for messages."""


@dataclass(frozen=True)
class SampleSizePlan:
    """What a test of this size detects, and what is needed to detect a wanted gain."""

    customers: int
    """Treated and control together, all arms."""
    arms: int
    """Treated arms."""
    per_arm: int
    control: int
    base_rate: float
    """Share of customers who order during the test without the treatment (0–1)."""
    smallest_rate: float
    """The smallest increase of that share that is detected with the wanted power (0–1)."""
    smallest_profit: float
    """The smallest difference in profit per customer that is detected, net of message cost (money)."""
    breakeven_rate: float
    """The increase of the share at which the orders' profit pays for the messages (0–1)."""
    power_at_gain: float
    """The power to detect the wanted gain; NaN where none was given."""
    customers_for_gain: float
    """Customers needed to detect the wanted gain with the wanted power; infinite for a gain of 0 or less."""
    times_for_gain: float
    """Times as long that these customers would have to be tested instead, if orders are independent."""


def plan_test(
    *,
    customers: int,
    base_rate: float,
    profit_per_order: float,
    order_spread: float = 1.0,
    cost_per_customer: float = 0.0,
    arms: int = 1,
    control_share: float = 0.5,
    gain: float = float("nan"),
    power: float = POWER,
    cluster_size: float = 1.0,
    cluster_variation: float = 0.0,
    cluster_correlation: float = 0.0,
) -> SampleSizePlan:
    """Compute what a test of this size detects, in orders and in money.

    Over k such periods gains add up and the standard deviation grows with √k, so `times_for_gain` is customers needed ÷
    customers. Customers with persistent habits differ by more than that, and the test takes longer.

    Args:
        customers: in the test, ≥ 20.
        base_rate: share of them who order during the test without the treatment, 0 < rate < 1.
        profit_per_order: mean profit of an order, > 0 (money).
        order_spread: standard deviation of an order's profit ÷ its mean, ≥ 0.
        cost_per_customer: cost of the treatment per treated customer, ≥ 0 (money).
        arms: the number of treatments compared with the one control.
        control_share: the control's share of all customers, 0–1.
        gain: the profit per customer, net of that cost, that should be detected (money).
        power: the wanted power, 0–1.
        cluster_size: customers per household or store, where these are assigned, ≥ 1.
        cluster_variation: standard deviation of these sizes ÷ their mean, ≥ 0.
        cluster_correlation: the correlation of two customers of one household or store in the outcome, 0–1; variances
            are `statistics.design_effect` times those of as many single customers.

    Raises:
        UsageError: an argument is out of its range, or an arm has fewer than 10 clusters.
    """
    if not (customers >= 20 and 0 < base_rate < 1 and profit_per_order > 0 and arms >= 1):
        raise UsageError(
            "customers must be at least 20, base_rate between 0 and 1, profit_per_order above 0, and arms at least 1"
        )
    if not (0 < control_share < 1 and 0 < power < 1 and cost_per_customer >= 0 and order_spread >= 0):
        raise UsageError(
            "control_share and power must lie between 0 and 1; cost_per_customer and order_spread must not be below 0"
        )
    if not (cluster_size >= 1 and cluster_variation >= 0 and 0 <= cluster_correlation <= 1):
        raise UsageError("cluster_size must be at least 1, and cluster_correlation between 0 and 1")
    more = design_effect(cluster_size, cluster_variation, cluster_correlation)
    control = control_share * customers
    per_arm = (customers - control) / arms
    rate_sd = float(np.sqrt(base_rate * (1 - base_rate)))
    # Variance of profit with one order (probability p, profit w) or none: p·E w² − (p·E w)²
    money_sd = profit_per_order * float(np.sqrt(base_rate * (1 + order_spread**2) - base_rate**2))
    smallest = min(per_arm, control) / cluster_size / (1 + cluster_variation**2)
    if cluster_size > 1 and smallest < FEWEST_CLUSTERS:
        raise UsageError(
            f"an arm would have {smallest:.0f} households or stores, counted as if of equal size; at least"
            f" {FEWEST_CLUSTERS} are needed"
        )
    rate_error, money_error = (
        np.sqrt(more) * float(standard_error(sd, per_arm, control)) for sd in (rate_sd, money_sd)
    )
    wanted = np.isfinite(gain)
    needed = float("inf") if wanted else float("nan")
    if gain > 0:
        needed = more * sample_size(
            gain, money_sd, treated_share=per_arm / customers, control_share=control_share, power=power,
            comparisons=arms,
        )  # fmt: skip
    return SampleSizePlan(
        customers=customers,
        arms=arms,
        per_arm=int(per_arm),
        control=int(control),
        base_rate=base_rate,
        smallest_rate=float(detectable_difference(rate_error, power=power, comparisons=arms)),
        smallest_profit=float(detectable_difference(money_error, power=power, comparisons=arms)),
        breakeven_rate=cost_per_customer / profit_per_order,
        power_at_gain=power_of_difference(gain, money_error, arms) if wanted else float("nan"),
        customers_for_gain=float(np.ceil(needed)) if np.isfinite(needed) else needed,
        times_for_gain=needed / customers,
    )


# --- the present customers -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Audience:
    """The customers who can be texted after the last day observed, and their recent orders."""

    customers: int
    """Known and subscribed."""
    message_cost: float
    """Mean cost of today's messages (money); NaN where none was sent, or their cost is not known."""
    windows: pd.DataFrame
    """One row per window of weeks just past, for customers known at its start: weeks, customers, base_rate (share who
    ordered, 0–1), profit (per customer over the weeks), deviation (its standard deviation), adjusted_deviation (its
    standard deviation adjusted for the equally long period before), profit_per_order, orders (per customer),
    orders_deviation (its standard deviation, adjusted in the same way), opt_out_rate (share of those
    subscribed at its start who opted out, 0–1; NaN where not recorded)."""
    last_day: dt.date | None = None
    """The last day observed."""
    practice: Practice | None = None
    """The weeks that are called today, whose messages have this cost; None where the source has no messages."""
    knows_orders: bool = True
    """Whether the source has orders; without them there are no windows."""


def read_audience(
    shop: Shop, weeks: Sequence[int] = WEEKS, *, practice_weeks: int = PRACTICE_WEEKS, channel: str = ""
) -> Audience:
    """Count the customers who can be texted, their orders, and the variation of their profit.

    Args:
        shop: the company.
        weeks: lengths of the windows counted; windows are left out where the order log does not cover twice their
            length.
        practice_weeks: how many complete weeks up to the last day observed are today's practice.
        channel: of the messages whose cost counts, as for `measures.choose_channel`.
    """
    people = _reachable(shop)
    size = int(shop.count(people.aggregate(n=people.count()))["n"].iloc[0])
    first = shop.loaded.tables["orders"].first if shop.has("orders") else None
    log_days = (shop.as_of - dt.date.fromisoformat(first)).days + 1 if first else 0
    found = [_read_window(shop, people, length) for length in weeks if 14 * length <= log_days]
    columns = [
        "weeks", "customers", "base_rate", "profit", "deviation", "adjusted_deviation", "profit_per_order", "orders",
        "orders_deviation", "opt_out_rate",
    ]  # fmt: skip
    windows = pd.DataFrame([row for row in found if row], columns=columns)
    practice = measures.find_practice(shop, practice_weeks, channel) if shop.has("messages") else None
    return Audience(size, _message_cost(shop, practice), windows, shop.as_of, practice, shop.has("orders"))


def _reachable(shop: Shop) -> ir.Table:
    """customer_id of all known customers who are subscribed: see `measures.subscribed`."""
    return measures.subscribed(shop, ibis.literal(shop.end), known_people(shop))


def _read_window(shop: Shop, people: ir.Table, weeks: int) -> dict[str, float]:
    """A row of `Audience.windows`; empty where nobody ordered or profit does not vary."""
    begun = known_people(shop, shop.as_of - dt.timedelta(weeks=weeks))
    here = people.filter(people.customer_id.isin(begun.customer_id)).select(member_id="customer_id")
    start, earlier = (ibis.literal(shop.end - dt.timedelta(weeks=k * weeks)) for k in (1, 2))
    events = measures.order_events(shop)
    events = events.filter(events["at"] >= earlier)
    after = events["at"] >= start
    sums = events.group_by("customer_id").aggregate(
        y=total(events.profit, where=after), x=total(events.profit, where=~after),
        orders=events.purchase.sum(where=after), earlier=events.purchase.sum(where=~after),
    )  # fmt: skip
    rows = here.left_join(sums, here.member_id == sums.customer_id)
    rows = rows.fill_null({"y": 0.0, "x": 0.0, "orders": 0, "earlier": 0})
    rows = rows.mutate(o=rows.orders.cast("float64"), e=rows.earlier.cast("float64"))
    totals = shop.count(rows.aggregate(
        n=rows.count(), buyers=rows.count(where=rows.orders > 0),
        **{name: total(rows[name]) for name in "yxoe"},
        **{a + b: total(rows[a] * rows[b]) for a, b in ("yy", "xx", "xy", "oo", "ee", "eo")},
    )).iloc[0].astype(float)  # fmt: skip
    n = totals["n"]
    if n < 2 or not totals["buyers"]:
        return {}
    deviation, adjusted = _deviations(totals, "y", "x")
    if not deviation > 0:
        return {}
    return {
        "weeks": weeks, "customers": n, "base_rate": totals["buyers"] / n, "profit": totals["y"] / n,
        "deviation": deviation, "adjusted_deviation": adjusted, "profit_per_order": totals["y"] / totals["o"],
        "orders": totals["o"] / n, "orders_deviation": _deviations(totals, "o", "e")[1],
        "opt_out_rate": _opt_out_rate(shop, weeks),
    }  # fmt: skip


def _deviations(totals: pd.Series, y: str, x: str) -> tuple[float, float]:
    """The standard deviation of y, and that of y adjusted for x by regression, from n and sums of products."""
    n = totals["n"]
    y_y, x_x, x_y = (totals[a + b] - totals[a] * totals[b] / n for a, b in ((y, y), (x, x), (x, y)))
    left = y_y - x_y**2 / x_x if x_x > 0 else y_y
    return float(np.sqrt(max(y_y, 0.0) / (n - 1))), float(np.sqrt(max(left, 0.0) / (n - 1)))


def _opt_out_rate(shop: Shop, weeks: int) -> float:
    """The share of customers subscribed before the last weeks who opted out in them; NaN where not recorded."""
    withdrawn = measures.opt_outs(shop)
    if withdrawn is None:
        return float("nan")
    start = shop.end - dt.timedelta(weeks=weeks)
    begun = known_people(shop, shop.as_of - dt.timedelta(weeks=weeks))
    people = measures.subscribed(shop, ibis.literal(start), begun).select(member_id="customer_id")
    left = withdrawn.filter(withdrawn.opt_out_at >= ibis.literal(start), withdrawn.opt_out_at < ibis.literal(shop.end))
    totals = people.aggregate(n=people.count(), left=people.count(where=people.member_id.isin(left.customer_id)))
    row = shop.count(totals).iloc[0]
    return float(row["left"] / row["n"]) if row["n"] else float("nan")


def _message_cost(shop: Shop, practice: Practice | None) -> float:
    if practice is None or not practice.channel:
        return float("nan")
    sends = measures.practice_sends(shop, practice)
    totals = shop.count(sends.aggregate(n=sends.cost.count(), cost=total(sends.cost))).iloc[0]
    return float(totals["cost"] / totals["n"]) if totals["n"] else float("nan")


def wanted_gain(profit: float, weeks: float, smallest_gain: float) -> float:
    """The gain per customer and week that a test should detect (money).

    A tenth of a customer's weekly profit above the smallest worthwhile gain: a gain of just that size is as good as
    none. NaN where the profit is not above 0.

    >>> round(wanted_gain(profit=12.0, weeks=4, smallest_gain=0.0), 6), round(wanted_gain(12.0, 4, 0.05), 6)
    (0.3, 0.35)
    """
    return smallest_gain + WANTED_SHARE * profit / weeks if profit > 0 and weeks > 0 else float("nan")


def plan_next_test(
    found: Audience, arms: Sequence[int] = (1, 2, 3), smallest_gain: float = 0.0, opt_out_margin: float = 0.002
) -> pd.DataFrame:
    """What tests on all reachable customers would ship with 80 % power, by number of arms and weeks.

    Arms and control have the same size. Profit is adjusted for each customer's own past, as in the evaluation. The
    power is that of the whole decision rule (`power.chance_to_ship`) for an arm that changes opt-outs by nothing.

    Args:
        found: of `read_audience`.
        arms: numbers of arms in addition to the control.
        smallest_gain: smallest worthwhile profit per customer and week (money).
        opt_out_margin: the largest acceptable increase of the weekly opt-out rate (share of customers, 0–1).

    Returns:
        weeks, arms, per_arm (customers); smallest_gain (the smallest true difference in profit per customer and week
        that is shipped; NaN where the rest of the rule needs more customers), smallest_share (of a customer's profit),
        smallest_money (a week, over all customers), smallest_rate (the smallest true difference in the share who order
        in these weeks that is detected, 0–1), smallest_orders (the same in orders per customer), breakeven_rate (the
        increase of that share that pays for one more message a week; NaN where messages have no cost); wanted_gain
        (`wanted_gain`, in the longest window), power (to ship it), customers_needed (in total, for 80 % power).
    """
    rows = []
    longest = found.windows.iloc[-1] if len(found.windows) else None
    wanted = float("nan") if longest is None else wanted_gain(longest["profit"], longest["weeks"], smallest_gain)
    for window in found.windows.itertuples():
        outcomes = Outcomes(window.profit, window.adjusted_deviation, window.base_rate, window.opt_out_rate)
        for k in arms:
            each = found.customers // (k + 1)
            if each < 2:
                continue
            rule = {"arms": k, "smallest_gain": smallest_gain * window.weeks}
            rule["opt_out_margin"] = opt_out_margin * window.weeks
            smallest = smallest_shipped_gain(each, outcomes, **rule) / window.weeks
            is_wanted = np.isfinite(wanted)
            needed = customers_to_ship(wanted * window.weeks, outcomes, **rule) if is_wanted else np.nan
            rows.append({
                "weeks": window.weeks, "arms": k, "per_arm": each, "smallest_gain": smallest,
                "smallest_share": smallest * window.weeks / window.profit if window.profit > 0 else np.nan,
                "smallest_money": smallest * found.customers,
                "smallest_rate": _detectable(float(np.sqrt(window.base_rate * (1 - window.base_rate))), each, k),
                "smallest_orders": _detectable(window.orders_deviation, each, k),
                "breakeven_rate": found.message_cost * window.weeks / window.profit_per_order
                if window.profit_per_order > 0 else np.nan,
                "wanted_gain": wanted,
                "power": chance_to_ship(wanted * window.weeks, each, outcomes, **rule) if is_wanted else np.nan,
                "customers_needed": (k + 1) * np.ceil(needed),
            })  # fmt: skip
    columns = [
        "weeks", "arms", "per_arm", "smallest_gain", "smallest_share", "smallest_money", "smallest_rate",
        "smallest_orders", "breakeven_rate", "wanted_gain", "power", "customers_needed",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def _detectable(deviation: float, each: float, arms: int) -> float:
    """The smallest true difference detected between arms of this many customers; NaN where nothing varies."""
    if not deviation > 0:
        return float("nan")
    return float(detectable_difference(standard_error(deviation, each, each), comparisons=arms))
