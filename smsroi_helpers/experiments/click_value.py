"""The value of a click from randomised tests: incremental profit of more messages ÷ their incremental clicks.

Arms that differ in messages differ in clicks and in profit. The ratio of the two differences (Wald 1940; an
instrumental variable, Angrist & Imbens 1994) is the profit, before message costs, per additional human click. It
values the clicks of another hour or text under one assumption: hour and text change profit only by changing how many
people notice the message, and in the same proportion as they change clicks. All stages use this one value.

The interval is Fieller's (1954): the values β at which Σ z (profit − β·clicks) is not significantly different from 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import norm

from smsroi_helpers import measures
from smsroi_helpers.errors import NotEnoughData
from smsroi_helpers.experiments.checked import check_experiments
from smsroi_helpers.experiments.registry import Experiment
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import product_interval

__all__ = [
    "ClickValue",
    "count_arms",
    "estimate_click_value",
    "find_click_value",
    "price_clicks",
]

_STRONG = 4.0
"""Profit is divided by clicks only if the arms' clicks differ by more than this many standard errors."""


@dataclass(frozen=True)
class ClickValue:
    """Profit before message costs per additional human click; NaN where no experiment shows it."""

    experiment: str
    estimate: float
    low: float
    high: float
    customers: int
    clicks_z: float
    """The difference in clicks between the arms, in standard errors."""
    reason: str = ""
    """Why there is no value: `no_test`, `no_clicks`, `no_orders` (so no profit is known), `weak`."""

    @property
    def known(self) -> bool:
        """Whether there is a value with an interval."""
        return bool(np.isfinite([self.estimate, self.low, self.high]).all())


def estimate_click_value(
    moments: pd.DataFrame, intensity: Sequence[float], level: float = 0.95
) -> tuple[float, float, float, float]:
    """Σ z ȳ ÷ Σ z c̄ over arms, z = n·(intensity − mean intensity), with Fieller's interval.

    Args:
        moments: one row per arm: n, and of profit y and clicks c per customer sum_y, sum_c, sum_y2, sum_c2, sum_yc.
        intensity: messages of each arm, in any unit.
        level: of the interval.

    Returns:
        estimate, low, high, and the number of standard errors by which clicks follow the intensity. The first three are
        NaN where clicks do not clearly follow it.
    """
    n, y, c, yy, cc, yc = (
        moments[name].to_numpy(float) for name in ("n", "sum_y", "sum_c", "sum_y2", "sum_c2", "sum_yc")
    )
    z = n * (np.asarray(intensity, float) - np.average(intensity, weights=n))
    top, bottom = (z * y / n).sum(), (z * c / n).sum()

    def covariance(squares: np.ndarray, one: np.ndarray, two: np.ndarray) -> float:
        return float((z**2 * (squares - one * two / n) / (n - 1) / n).sum())

    v_y, v_c, v_yc = covariance(yy, y, y), covariance(cc, c, c), covariance(yc, y, c)
    clicks_z = bottom / np.sqrt(v_c) if v_c > 0 else np.nan
    q = norm.ppf((1 + level) / 2) ** 2
    a, b, d = bottom**2 - q * v_c, top * bottom - q * v_yc, top**2 - q * v_y
    if not (clicks_z > _STRONG and a > 0):
        return float("nan"), float("nan"), float("nan"), float(clicks_z)
    root = np.sqrt(max(b**2 - a * d, 0.0))
    return float(top / bottom), float((b - root) / a), float((b + root) / a), float(clicks_z)


def _messages_by_arm(experiment: Experiment) -> list[float] | None:
    """Planned messages of each arm, relative to the others; None where the arms do not differ, or no number is known.

    Of a holdout, the untreated arm has none.
    """
    if experiment.kind == "holdout":
        return [0.0 if arm == experiment.control else 1.0 for arm in experiment.arms]
    planned = experiment.plan.get("messages_per_week")
    if experiment.kind != "frequency" or planned is None or planned.isna().any():
        return None
    messages = [float(planned[arm]) for arm in experiment.arms]
    return messages if len(set(messages)) > 1 else None


def count_arms(shop: Shop) -> pd.DataFrame:
    """Moments of profit before message costs and of human clicks, by experiment and arm: see `estimate_click_value`.

    Messages that a machine clicked first are assumed to have the same human click rate as the others of the arm.

    Returns:
        experiment_id, and the columns that `estimate_click_value` reads.
    """
    people = measures.arm_outcomes(shop)
    people = people.filter(people.outcome_days > 0)
    pairs = {"value": ("order_profit", "clicked_messages"), "known": ("messages", "click_known_messages")}
    counted = shop.count(measures.arm_moments_together(people, pairs))
    sent, judged = (counted[f"known__{name}"].fillna(0.0).astype(float) for name in ("sum_y", "sum_x"))
    scale = (sent / judged.clip(lower=1)).where(judged > 0, 1.0)
    return pd.DataFrame({
        "experiment_id": counted["experiment_id"], "arm": counted["arm"], "n": counted["value__n"],
        "sum_y": counted["value__sum_y"], "sum_c": counted["value__sum_x"] * scale,
        "sum_y2": counted["value__sum_y2"], "sum_c2": counted["value__sum_x2"] * scale**2,
        "sum_yc": counted["value__sum_xy"] * scale,
    })  # fmt: skip


def price_clicks(clicks: tuple[float, float, float], click: ClickValue) -> tuple[float, float, float]:
    """Clicks × the value of a click, with an interval that includes both errors (`statistics.product_interval`).

    Args:
        clicks: estimate, low, high.
        click: of `find_click_value`, known.

    Returns:
        estimate, low, high, in money.
    """
    return product_interval(clicks, (click.estimate, click.low, click.high))


def find_click_value(shop: Shop) -> ClickValue:
    """The value of a click from the valid experiment with the narrowest interval."""
    nan = float("nan")
    if not measures.knows_clicks(shop):
        return ClickValue("", nan, nan, nan, 0, nan, "no_clicks")
    if not shop.has("orders"):
        return ClickValue("", nan, nan, nan, 0, nan, "no_orders")
    if not all(shop.has(table) for table in ("experiments", "arms", "assignments")):
        return ClickValue("", nan, nan, nan, 0, nan, "no_test")
    try:
        every = check_experiments(shop)
    except NotEnoughData:
        return ClickValue("", nan, nan, nan, 0, nan, "no_test")
    usable = [one for one, validity in every if not validity.broken and (one.customers >= 2).all()]
    planned = [(one, messages) for one in usable if (messages := _messages_by_arm(one)) is not None]
    if not planned:
        return ClickValue("", nan, nan, nan, 0, nan, "no_test")
    counted = count_arms(shop).set_index(["experiment_id", "arm"])
    found = []
    for experiment, messages in planned:
        moments = counted.loc[experiment.name].reindex(list(experiment.arms)).fillna(0.0)
        estimate = estimate_click_value(moments, messages)
        reason = "" if np.isfinite(estimate[:3]).all() else "weak"
        found.append(ClickValue(experiment.name, *estimate[:3], int(experiment.customers.sum()), estimate[3], reason))
    return min(found, key=lambda value: np.nan_to_num(value.high - value.low, nan=np.inf))
