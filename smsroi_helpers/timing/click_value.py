"""The value of a click from randomised tests: incremental profit of more messages ÷ their incremental clicks.

Arms that differ in messages differ in clicks and in profit. The ratio of the two differences (Wald 1940; an
instrumental variable, Angrist & Imbens 1994) is the profit, before message costs, per additional human click. It
values the clicks of another hour under one assumption: the hour changes profit only by changing how many people notice
the message, and in the same proportion as it changes clicks.

The interval is Fieller's (1954): the values β at which Σ z (profit − β·clicks) is not significantly different from 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import norm

from smsroi_helpers import measures
from smsroi_helpers.engine import total
from smsroi_helpers.errors import NotEnoughData
from smsroi_helpers.experiments import Experiment, check_split, list_experiments
from smsroi_helpers.source import Shop
from smsroi_helpers.timing.counts import Sends

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
    """Why there is no value: `no_test`, `no_clicks`, `weak`."""

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
    """Messages of each arm, relative to the others; None where the arms do not differ."""
    if experiment.kind == "holdout":
        return [0.0 if arm == experiment.control else 1.0 for arm in experiment.arms]
    planned = experiment.plan.get("messages_per_week")
    if planned is None or planned.isna().any():
        return None
    messages = [float(planned[arm]) for arm in experiment.arms]
    return messages if len(set(messages)) > 1 else None


def count_arms(shop: Shop, sends: Sends, experiment: Experiment) -> pd.DataFrame:
    """Moments of profit before message costs and of human clicks, by arm: see `estimate_click_value`.

    Messages whose outcome window has not passed count as not clicked. Messages that a machine clicked first are assumed
    to have the same human click rate as the others.
    """
    people = measures.arm_outcomes(shop, experiment.name)
    people = people.filter(people.outcome_days > 0)
    rows = sends.rows.select("sent_at", "happened", "known", addressee="customer_id")
    theirs = people.join(rows, people.customer_id == rows.addressee)
    theirs = theirs.filter(theirs.sent_at >= theirs.assigned_at, theirs.sent_at < theirs.outcome_end)
    clicks = theirs.group_by(clicker="customer_id").aggregate(
        clicks=theirs.happened.sum(), known=theirs.known.sum(), judged=theirs.count()
    )
    both = people.left_join(clicks, people.customer_id == clicks.clicker)
    y, c = both.order_profit, both.clicks.fill_null(0).cast("float64")
    sums = both.group_by("arm").aggregate(
        n=both.count(), sum_y=total(y), sum_c=total(c), sum_y2=total(y * y), sum_c2=total(c * c), sum_yc=total(y * c),
        known=both.known.sum(), judged=both.judged.sum(),
    )  # fmt: skip
    found = shop.count(sums.order_by("arm")).set_index("arm").reindex(list(experiment.arms)).fillna(0.0)
    scale = found["judged"].sum() / max(found["known"].sum(), 1)
    for name, power in (("sum_c", 1), ("sum_c2", 2), ("sum_yc", 1)):
        found[name] = found[name].astype(float) * scale**power
    return found.reset_index()


def price_clicks(clicks: tuple[float, float, float], click: ClickValue) -> tuple[float, float, float]:
    """Clicks × the value of a click, with an interval that includes both errors.

    The interval is that of the profile likelihood of the product of two independent estimates (Cox & Hinkley 1974,
    section 9.3): all products a·b on or within the ellipse whose half-axes are the distances to the limits. If both
    intervals lie above 0, so does the product's.

    Args:
        clicks: estimate, low, high.
        click: of `find_click_value`, known.

    Returns:
        estimate, low, high, in money.
    """
    turn = np.linspace(0, 2 * np.pi, 1441)
    around = []
    for (value, low, high), share in ((clicks, np.cos(turn)), ((click.estimate, click.low, click.high), np.sin(turn))):
        around.append(value + np.where(share >= 0, high - value, value - low) * share)
    products = around[0] * around[1]
    return clicks[0] * click.estimate, float(products.min()), float(products.max())


def find_click_value(shop: Shop, sends: Sends) -> ClickValue:
    """The value of a click from the valid experiment with the narrowest interval."""
    nan = float("nan")
    if sends.outcome != "click":
        return ClickValue("", nan, nan, nan, 0, nan, "no_clicks")
    if not all(shop.has(table) for table in ("experiments", "arms", "assignments")):
        return ClickValue("", nan, nan, nan, 0, nan, "no_test")
    try:
        every = list_experiments(shop)
    except NotEnoughData:
        return ClickValue("", nan, nan, nan, 0, nan, "no_test")
    found = []
    for experiment in every:
        messages = _messages_by_arm(experiment) if experiment.kind in ("frequency", "holdout") else None
        if messages is None or check_split(experiment).broken or (experiment.customers < 2).any():
            continue
        estimate = estimate_click_value(count_arms(shop, sends, experiment), messages)
        reason = "" if np.isfinite(estimate[:3]).all() else "weak"
        found.append(ClickValue(experiment.name, *estimate[:3], int(experiment.customers.sum()), estimate[3], reason))
    if not found:
        return ClickValue("", nan, nan, nan, 0, nan, "no_test")
    return min(found, key=lambda value: np.nan_to_num(value.high - value.low, nan=np.inf))
