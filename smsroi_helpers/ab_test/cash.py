"""The cash of an experiment's change, apart from its long-run value, and the week in which it breaks even.

Cash is the profit measured while the experiment counts outcomes. Afterwards the change goes on earning only through
customers who did not opt out because of it (or losing through those who did): each brings the weekly profit of a
subscriber, as long as subscribers stay (`experiments.SubscriberValue.remaining`),

    cash(t) = cash(W) + kept · m · Σ S(k) over k from 0 to t − W − 1,   t ≥ W

with W the weeks of the experiment, m the weekly profit of a subscriber, S(k) the share of subscribers who are still
there after k weeks, kept the opt-outs avoided. It is undiscounted.
"""

from dataclasses import dataclass

import numpy as np

from smsroi_helpers.ab_test.click_profit import Prices
from smsroi_helpers.ab_test.effects import ArmEffect
from smsroi_helpers.contract import BREAK_EVEN_WEEKS
from smsroi_helpers.statistics import Floats, product_interval, sum_interval

__all__ = [
    "Cash",
    "trace_cash",
]

Interval = tuple[float, float, float]


@dataclass(frozen=True)
class Cash:
    """The profit of a change while its experiment counted outcomes, and cumulatively afterwards."""

    weeks: float
    """Of the experiment."""
    profit: Interval
    """Measured: money over all customers of the arm, compared with the control, with 95 % limits."""
    by_week: Floats
    """Week, estimate, low, high of the cumulative cash, from the last week of the experiment on; no rows where opt-outs
    or the weekly profit of a subscriber are not known."""

    @property
    def break_even(self) -> float:
        """The first week from which the cumulative cash is and stays at or above 0; NaN without one."""
        if not len(self.by_week):
            return float("nan")
        below = np.flatnonzero(self.by_week[:, 1] < 0)
        place = int(below[-1]) + 1 if len(below) else 0
        return float(self.by_week[place, 0]) if place < len(self.by_week) else float("nan")


def trace_cash(
    profit: Interval, weeks: float, customers: float, opt_outs: ArmEffect | None, prices: Prices | None
) -> Cash:
    """The cash of a change, by week.

    Args:
        profit: measured, over all customers of the arm, with limits (money).
        weeks: of the experiment.
        customers: of the arm.
        opt_outs: the effect on the share who opt out; None where opt-outs are not recorded.
        prices: of a click and a subscriber.
    """
    empty = np.empty((0, 4))
    if opt_outs is None or prices is None or not prices.subscriber.known:
        return Cash(weeks, profit, empty)
    kept = tuple(-customers * x for x in (opt_outs.difference, opt_outs.high, opt_outs.low))
    numbers = (*kept, *prices.subscriber.weekly_profit, *prices.subscriber.weekly_loss[:1])
    if not np.isfinite(numbers).all():
        return Cash(weeks, profit, empty)
    first, rows = int(np.ceil(weeks)), []
    weeks_answered = np.concatenate([[0.0], prices.subscriber.remaining(BREAK_EVEN_WEEKS).cumsum()])
    for week in range(first, BREAK_EVEN_WEEKS + 1):
        answered = float(weeks_answered[week - first])
        each = tuple(x * answered for x in prices.subscriber.weekly_profit)
        later = product_interval(kept, each) if answered > 0 else (0.0, 0.0, 0.0)  # type: ignore[arg-type]
        rows.append([week, *sum_interval(profit, later)])
    return Cash(weeks, profit, np.array(rows) if rows else empty)
