"""Scores of customers before an experiment: RFM score, churn risk and expected value.

Campaign lists are usually chosen by such scores where effects have not been predicted. Each customer's history ends the
day before their own assignment, and the models are fitted to these histories alone. So the experiment cannot have
changed a score. P(alive) is that of MBG/NBD, because under BG/NBD every one-time buyer is alive with certainty
(Batislam, Denizel & Filiztekin 2007). Money per purchase follows Gamma–Gamma (Fader & Hardie 2013).
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from smsroi_helpers.cltv import (
    FEWEST_REPEATERS,
    expected_order_value,
    expected_orders,
    fit_purchases,
    fit_value,
    probability_alive,
)
from smsroi_helpers.statistics import Floats

__all__ = [
    "HISTORY",
    "HORIZON_WEEKS",
    "WhyNotRanked",
    "score_customers",
]

WhyNotRanked = Literal["no_history", "few_repeaters", "no_value", "alike", "few_customers"]
"""Why customers cannot be ranked by a score."""
HISTORY = ("frequency", "recency_days", "T_days", "repeat_spend")
"""Columns of a customer's history; null for customers without a purchase."""
HORIZON_WEEKS = 52
"""The horizon of the expected value: a year."""
_FIFTHS = 5


def score_customers(rows: pd.DataFrame) -> tuple[dict[str, Floats], dict[str, WhyNotRanked]]:
    """Scores by which a list may be chosen, highest first; customers without a purchase come last in each.

    Args:
        rows: one per customer: frequency (days with a repeat purchase), recency_days (first to last purchase), T_days
            (first purchase to the assignment), repeat_spend (money, after the first day), orders, spend (money, in
            all); the first four null for customers without a purchase.

    Returns:
        scores by name: `rfm` (the sum of the scores 1–5 for recency, orders and spend), `churn` (1 − P(alive), 0–1),
        `value` (money expected in the coming year); and the reason for each score that cannot be computed.
    """
    bought = rows["T_days"].notna().to_numpy()
    if not bought.any():
        return {}, dict.fromkeys(("rfm", "churn", "value"), "no_history")
    scores: dict[str, Floats] = {"rfm": _rfm(rows, bought)}
    not_ranked: dict[str, WhyNotRanked] = {}
    own = rows[bought]
    cells = pd.DataFrame({
        "frequency": own["frequency"].to_numpy(float),
        "recency_weeks": own["recency_days"].to_numpy(float) / 7,
        "T_weeks": own["T_days"].to_numpy(float) / 7,
        "repeat_spend": own["repeat_spend"].to_numpy(float),
    })  # fmt: skip
    repeated = cells["frequency"].to_numpy() > 0
    if repeated.sum() < FEWEST_REPEATERS:
        return scores, {"churn": "few_repeaters", "value": "few_repeaters"}
    history = ["frequency", "recency_weeks", "T_weeks"]
    fit = fit_purchases(cells.groupby(history).size().rename("customers").reset_index(), "mbg_nbd")
    scores["churn"] = _whole(1 - probability_alive(fit, cells), bought)
    paid = repeated & (cells["repeat_spend"].to_numpy() > 0)
    if paid.sum() < FEWEST_REPEATERS:
        return scores, {"value": "no_value"}
    mean = np.where(repeated, cells["repeat_spend"] / np.maximum(cells["frequency"], 1), 0.0)
    spends = pd.DataFrame({
        "frequency": cells["frequency"][paid], "log_mean_value": np.log(mean[paid]), "customers": 1,
    })  # fmt: skip
    order_value = expected_order_value(fit_value(spends), cells["frequency"].to_numpy(), mean)
    if np.isfinite(order_value).all() and (order_value > 0).all():
        scores["value"] = _whole(order_value * expected_orders(fit, cells, HORIZON_WEEKS), bought)
    else:  # Gamma–Gamma has no mean where q ≤ 1
        not_ranked["value"] = "no_value"
    return scores, not_ranked


def _whole(scores: Floats, bought: NDArray[np.bool_]) -> Floats:
    """The scores of all customers; −∞ for those without a purchase."""
    every = np.full(len(bought), -np.inf)
    every[bought] = scores
    return every


def _rfm(rows: pd.DataFrame, bought: NDArray[np.bool_]) -> Floats:
    """The sum of three scores, each 1 + the number of whole fifths of buyers strictly below, as in `segmentation.rfm`.

    >>> rows = pd.DataFrame({"T_days": [9.0, 9.0, None], "recency_days": [5.0, 0.0, None], "orders": [2, 1, 0],
    ...                      "spend": [30.0, 40.0, 0.0]})
    >>> _rfm(rows, np.array([True, True, False])).tolist()  # of two buyers, the better one scores 3
    [7.0, 5.0, -inf]
    """
    own = rows[bought]
    silence = own["T_days"].to_numpy(float) - own["recency_days"].to_numpy(float)
    parts = [_fifths(values) for values in (-silence, own["orders"].to_numpy(float), own["spend"].to_numpy(float))]
    return _whole(np.sum(parts, axis=0), bought)


def _fifths(values: Sequence[float] | Floats) -> Floats:
    below = pd.Series(values).rank(method="min").to_numpy() - 1
    return np.asarray(below * _FIFTHS // len(below) + 1, float)
