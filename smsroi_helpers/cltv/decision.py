"""The decision of the CLTV notebook, in numbers: whom to look after, and what customers will bring."""

from dataclasses import dataclass
from typing import Literal

import pandas as pd

from smsroi_helpers.cltv.forecast import Forecast
from smsroi_helpers.cltv.holdout import Holdout

__all__ = [
    "CltvOutcome",
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
    per_customer: float
    """Profit before message cost over the horizon (money)."""
    per_week: float
    """Profit a week of all customers before message cost (money), with its 95 % interval. Where the test failed, the
    interval includes the error of the test."""
    low: float
    high: float
    horizon_weeks: int


def decide(forecast: Forecast, tested: Holdout, tenths: pd.DataFrame) -> CltvOutcome:
    """Decide whom to look after, and what all customers will bring a week.

    Args:
        forecast: the result of `forecast_value`.
        tested: the test of the model on later weeks.
        tenths: the result of `value_by_tenth`.
    """
    profit = forecast.total("cltv")
    value, low, high = (x / forecast.horizon_weeks for x in profit)
    if tested.missed and tested.actual:
        # The model's interval assumes that the model is right. It is widened to where it would lie if the coming weeks
        # had the error of the tested weeks.
        low, high = min(low, low / (1 + tested.bias)), max(high, high / (1 + tested.bias))
    top = tenths.iloc[0]
    return CltvOutcome(
        supported="amount_and_ranking" if not tested.missed else "ranking" if tested.gini_low > 0 else "neither",
        stands_out=bool(top["high"] >= _MIN_TOP_SHARE),
        top_customers=float(top["customers"]),
        top_share=float(top["share"]),
        top_low=float(top["low"]),
        top_high=float(top["high"]),
        customers=forecast.purchases.customers,
        per_customer=profit[0] / forecast.purchases.customers,
        per_week=value,
        low=low,
        high=high,
        horizon_weeks=forecast.horizon_weeks,
    )
