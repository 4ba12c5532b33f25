"""What the CLTV notebook answers, in numbers: whom to look after, and what customers will bring."""

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
"""A top tenth that brings less than twice its share is no group to treat otherwise."""


@dataclass(frozen=True)
class CltvOutcome:
    """Who matters, what all customers will bring, and which of the two the test supports."""

    supported: Literal["amount_and_ranking", "ranking", "neither"]
    """What the test on later weeks supports."""
    stands_out: bool
    """Whether the top tenth may be treated otherwise than the rest."""
    top_customers: float
    top_share: float
    """Of the value to come that the top tenth holds (0–1), with its 95 % interval."""
    top_low: float
    top_high: float
    customers: float
    per_customer: float
    """Profit before message cost over the horizon (money)."""
    per_week: float
    """Profit a week of all customers before message cost (money), with its 95 % interval, which includes the error of
    the test where the test failed."""
    low: float
    high: float
    horizon_weeks: int


def decide(forecast: Forecast, tested: Holdout, tenths: pd.DataFrame) -> CltvOutcome:
    """Whom to look after, and what all customers will bring a week.

    Args:
        forecast: of `forecast_value`.
        tested: how the model did on later weeks.
        tenths: of `value_by_tenth`.
    """
    profit = forecast.total("cltv")
    value, low, high = (x / forecast.horizon_weeks for x in profit)
    if tested.missed and tested.actual:
        # The model's own interval leaves out that the model may be wrong: it is widened to where it would lie if the
        # coming weeks had the error of the tested ones.
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
