"""Secondary outcomes of a test of hours: orders, profit and opt-outs of the customers in each hour's arm.

Every assigned customer counts in their arm (intention to treat), over the experiment's outcome window.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from scipy.stats import chi2_contingency, t
from statsmodels.stats.oneway import anova_generic
from statsmodels.stats.proportion import proportion_confint

from smsroi_helpers import measures
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import FEW_EVENTS, adjust
from smsroi_helpers.timing.counts import TimingTest

__all__ = [
    "HourOutcome",
    "compare_arms",
    "compare_outcomes",
    "count_outcomes",
    "largest_same_day_share",
]

Kind = Literal["orders", "profit", "opt_out"]
_COLUMNS: dict[Kind, str] = {"orders": "orders", "profit": "profit", "opt_out": "opted_out"}


@dataclass(frozen=True)
class HourOutcome:
    """One outcome at each hour tested."""

    kind: Kind
    rows: pd.DataFrame
    """hour, until, n, mean (per customer), low, high (95 %, each by itself)."""
    events: float
    """The number of events in all; NaN for money."""
    p_value: float
    """For no difference between the arms: Welch's ANOVA, χ² for shares; NaN where it cannot be computed."""
    adjusted_p: float = float("nan")
    """Holm's over the outcomes."""
    same_day_share: float = 0.0
    """Of the orders counted, those (0–1) of the day of assignment whose time is not known: some may have come before
    it."""


def count_outcomes(shop: Shop, test: TimingTest) -> pd.DataFrame:
    """Moments by arm: arm, hour, until; `<kind>__n`, `__sum_y`, `__sum_y2` of orders, profit, opt_out and same_day.

    `same_day` counts the orders of the day of assignment whose time is not known.
    """
    rows = measures.arm_outcomes(shop, test.experiment.name)
    rows = rows.filter(rows.outcome_days > 0)
    pairs: dict[str, tuple[str, str | None]] = {kind: (column, None) for kind, column in _COLUMNS.items()}
    pairs["same_day"] = ("same_day_orders", None)
    found = shop.count(measures.arm_moments_together(rows, pairs, by=("arm",)))
    return test.windows.merge(found, on="arm")


def compare_outcomes(shop: Shop, test: TimingTest | None) -> list[HourOutcome]:
    """The outcomes of a test by arm, of `compare_arms`; none without a test."""
    return compare_arms(count_outcomes(shop, test)) if test else []


def compare_arms(moments: pd.DataFrame) -> list[HourOutcome]:
    """Every outcome that the source records, with intervals by arm and a test of whether the arms differ.

    Args:
        moments: of `count_outcomes`.

    Returns:
        outcomes with at least two arms, each of two customers or more. Opt-outs have Clopper and Pearson's interval;
        with fewer than 20 opt-outs in all, or fewer than 5 expected in an arm, there is no χ² test.
    """
    found = []
    orders = moments["orders__sum_y"].sum()
    same_day = float(moments["same_day__sum_y"].sum() / orders) if orders else 0.0
    for kind in _COLUMNS:
        n, one, two = (moments[f"{kind}__{name}"].to_numpy(float) for name in ("n", "sum_y", "sum_y2"))
        if (n < 2).any() or len(n) < 2:
            continue
        mean = one / n
        if kind == "opt_out":
            low, high = proportion_confint(one, n, method="beta")
            enough = one.sum() >= FEW_EVENTS and (n * one.sum() / n.sum()).min() >= 5
            p = float(chi2_contingency(np.stack([one, n - one]), correction=False).pvalue) if enough else float("nan")
        else:
            variance = np.maximum((two - n * mean**2) / (n - 1), 0.0)
            half_width = t.ppf(0.975, n - 1) * np.sqrt(variance / n)
            low, high = mean - half_width, mean + half_width
            varies = (variance > 0).all()
            p = float(anova_generic(mean, variance, n, use_var="unequal").pvalue) if varies else float("nan")
        rows = moments[["hour", "until"]].assign(n=n, mean=mean, low=low, high=high)
        found.append(HourOutcome(kind, rows, float("nan") if kind == "profit" else float(one.sum()), p,
                                 same_day_share=0.0 if kind == "opt_out" else same_day))  # fmt: skip
    known = [at for at, each in enumerate(found) if np.isfinite(each.p_value)]
    if known:
        adjusted = adjust([found[at].p_value for at in known], "holm")
        for at, p in zip(known, adjusted, strict=True):
            found[at] = dataclasses.replace(found[at], adjusted_p=float(p))
    return found


def largest_same_day_share(outcomes: Sequence[HourOutcome]) -> float:
    """The share (0–1) of orders of the day of assignment, of the outcome that has most of them."""
    return max(each.same_day_share for each in outcomes)
