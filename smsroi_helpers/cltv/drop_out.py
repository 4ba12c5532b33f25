"""The weekly rate at which today's customers stop buying, from the purchase model."""

import numpy as np
import pandas as pd

from smsroi_helpers.cltv.fitting import fit_purchases
from smsroi_helpers.cltv.predictions import probability_alive
from smsroi_helpers.statistics import Floats

__all__ = [
    "UNKNOWN_DROP_OUT",
    "weekly_drop_out",
]

UNKNOWN_DROP_OUT = (0.0028, 0.0005, 0.016)
"""Where `count_cells` finds too few repeat buyers: a range (0–1) of what shops lose in a week, and its middle."""


def weekly_drop_out(cells: pd.DataFrame) -> tuple[float, float, float]:
    """The mean weekly drop-out rate of customers who still buy, with 95 % limits (0–1).

    By Pareto/NBD (Schmittlein, Morrison & Colombo 1987): a customer drops out at a rate μ, gamma-distributed with shape
    s and rate β. Of a customer alive at age T, μ is gamma-distributed with shape s and rate β + T. The mean of
    s / (β + T) over customers is weighted by P(alive); its error is that of the model's parameters.

    Args:
        cells: of `count_cells`: frequency, recency_weeks, T_weeks (weeks), customers.

    Returns:
        estimate, low, high.
    """
    weights = cells["customers"].to_numpy(float)
    fit = fit_purchases(cells, "pareto_nbd")
    T = cells["T_weeks"].to_numpy(float)

    def log_rate(values: Floats) -> float:
        _r, _alpha, s, beta = values
        alive = weights * probability_alive(fit, cells, values=values)
        return float(np.log((alive * -np.expm1(-s / (beta + T))).sum() / alive.sum()))

    error = float(np.sqrt(np.square(fit.deviations(log_rate)).sum()))
    centre = log_rate(fit.predicting)
    low, estimate, high = np.exp(centre + np.array([-1.96, 0.0, 1.96]) * error)
    return float(estimate), float(low), float(min(high, 1.0))
