"""Winning back: the profit of texts among inactive subscribers, where the frequency test had enough of their like."""

from typing import Any, Literal

import numpy as np
import pandas as pd

from smsroi_helpers.frequency.lifetime import summarise_draws
from smsroi_helpers.frequency.policy import GATE
from smsroi_helpers.frequency.study import Study
from smsroi_helpers.statistics import LEAST_COVERED, Transport

__all__ = ["win_back"]

_INACTIVE = ("dormant", "lost", "lapsing", "lapsed")
"""Segments and lifecycle stages of customers who have not bought for long."""


def win_back(study: Study) -> pd.DataFrame:
    """The profit of each frequency among today's inactive subscribers, by the test's members of the same group.

    A group that the test had too few members of, or hardly covers, has no rows: others say nothing of it.

    Returns:
        segment, dose (texts a week, above 0), customers (of the arm), profit (per subscriber and week), low, high;
        pays: `yes` if the interval is above 0 and texts have a proven effect on profit, `no` if it is below 0, else
        `not_shown`. No rows without a fit, or where the test had too few such customers.
    """
    rows: list[dict[str, Any]] = []
    for fit, carried in ((study.fit, study.carried), (study.stages, study.carried_stages)):
        for name in fit.names if fit is not None else ():
            if fit is None or name not in _INACTIVE or any(row["segment"] == name for row in rows):
                continue
            if carried is not None and not _covered(carried.transport, name):
                continue
            for at in np.flatnonzero(fit.frequencies > 0):
                drawn = fit.profit()[fit.index(name), fit.grid_index(fit.frequencies[at])]
                profit, low, high = summarise_draws(drawn)
                rows.append({
                    "segment": name, "dose": fit.frequencies[at], "customers": fit.customers[fit.index(name), at],
                    "profit": profit, "low": low, "high": high, "pays": _pays(low, high, fit.effect_p < GATE),
                })  # fmt: skip
    return pd.DataFrame(rows, columns=["segment", "dose", "customers", "profit", "low", "high", "pays"])


def _covered(transport: Transport, name: str) -> bool:
    """Whether a group's numbers rest on its own members of the test, who cover enough of today's."""
    return transport.own(name) and transport.overlap(name) >= LEAST_COVERED


def _pays(low: float, high: float, shown: bool) -> Literal["yes", "no", "not_shown"]:
    """Whether texting pays; a gain is claimed only if texts have a proven effect on profit over all customers."""
    if shown and low > 0:
        return "yes"
    return "no" if high < 0 else "not_shown"
