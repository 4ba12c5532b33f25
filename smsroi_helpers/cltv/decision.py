"""The decision of the CLTV notebook, in numbers: whom to look after, and what customers will bring."""

from dataclasses import dataclass
from typing import Literal

import pandas as pd

from smsroi_helpers.cltv.forecast import Forecast
from smsroi_helpers.cltv.holdout import Holdout
from smsroi_helpers.cltv.level_error import LevelError

__all__ = [
    "CltvOutcome",
    "correction_of",
    "decide",
]

_MIN_TOP_SHARE = 0.2
"""A top tenth that brings less than twice its share of customers is not worth treating differently."""


@dataclass(frozen=True)
class CltvOutcome:
    """Which customers matter, what all customers will bring, and which of the two the test supports."""

    supported: Literal["amount_and_ranking", "ranking", "neither"]
    """The part of the forecast that the test on later weeks supports."""
    stands_out: bool
    """Whether the top tenth may be worth treating differently: the upper limit of its share is high enough."""
    top_customers: float
    top_share: float
    """The top tenth's share (0–1) of expected value, with its 95 % interval."""
    top_low: float
    top_high: float
    customers: float
    knows_value: bool
    """False where the value of a purchase is not known: then the numbers below, and the shares above, are purchases."""
    per_customer: float
    """Profit before message cost over the horizon (money)."""
    correction: float
    """The factor by which the amounts of a forecast that failed its test are multiplied; 1 where it passed."""
    per_week: float
    """Profit a week of all customers before message cost (money), corrected where the test failed, with its 95 %
    interval: parameters, chance, and the error of the level."""
    low: float
    high: float
    horizon_weeks: int
    refunded: float
    """Money refunded ÷ money paid, so far; the profit above is net of it."""
    before_refunds: float
    """`per_week` if nothing were refunded."""

    def limits_of(self, amount: float) -> tuple[float, float]:
        """The limits of an amount that is uncertain in the proportion of `per_week`; NaN where that is 0."""
        part = amount / self.per_week if self.per_week else float("nan")
        return part * self.low, part * self.high


def correction_of(tested: Holdout, level: LevelError) -> float:
    """The factor that corrects the total: 1 where the test was passed, or where nothing happened in the test weeks."""
    return level.correction if tested.missed and tested.actual else 1.0


def decide(forecast: Forecast, tested: Holdout, level: LevelError, tenths: pd.DataFrame) -> CltvOutcome:
    """Decide whom to look after, and what all customers will bring a week.

    Args:
        forecast: the result of `forecast_value`.
        tested: the test of the model on later weeks.
        level: the result of `estimate_level_error`.
        tenths: the result of `value_by_tenth`.
    """
    correction = correction_of(tested, level)
    sums = forecast.sums[forecast.measure]
    value, error = correction * sums.value, correction * sums.error
    low, high = level.limits(value, error, factor=correction)
    top = tenths.iloc[0]
    per_week = 1 / forecast.horizon_weeks
    return CltvOutcome(
        supported="amount_and_ranking" if not tested.missed else "ranking" if tested.gini_low > 0 else "neither",
        stands_out=bool(top["high"] >= _MIN_TOP_SHARE),
        top_customers=float(top["customers"]),
        top_share=float(top["share"]),
        top_low=float(top["low"]),
        top_high=float(top["high"]),
        customers=forecast.purchases.customers,
        knows_value=forecast.knows_value,
        per_customer=float(value[0]) / forecast.purchases.customers,
        correction=correction,
        per_week=float(value[0]) * per_week,
        low=float(low[0]) * per_week if tested.actual else 0.0,
        high=float(high[0]) * per_week,
        horizon_weeks=forecast.horizon_weeks,
        refunded=forecast.profit.refunded,
        before_refunds=correction * forecast.before_refunds.total(forecast.measure)[0] * per_week,
    )
