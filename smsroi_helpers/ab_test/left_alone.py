"""Segments that are better left alone: texts bring them less than no texts, over all tests of the source together.

One segment of one test is below zero by chance often enough. So every test with an arm that is not texted counts, all
texted arms together, and two things must be shown:

- the segments differ: in d = μ(test) + δ(segment) + error the δ are not all equal (χ² of the weighted least squares,
  with segments − 1 degrees of freedom; Cochran 1954, Biometrics 10);
- the segment's effect, averaged over the tests by precision, is below zero (Holm over the segments).

The first is tested at half of the usual level: the other half is that of targeting rules (`targeting`), which are above
zero by chance in half of their errors. So a source without such differences gets any of these rows in at most 5 of 100
cases.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.stats import chi2, norm

from smsroi_helpers.ab_test.effects import is_money
from smsroi_helpers.experiments import Experiment, Validity, arms_without_messages, moments_of, who_may_be_texted
from smsroi_helpers.segmentation import known_people, resolve
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import (
    ALPHA,
    FEW_EVENTS,
    Floats,
    adjust,
    always_valid_half_width,
    compare,
    estimate_means,
    share_variance,
)

__all__ = [
    "CONTRAST_COLUMNS",
    "PooledSegments",
    "contrast_segments",
    "count_listed",
    "pool_segments",
]

INTERACTION_ALPHA = ALPHA / 2
CONTRAST_COLUMNS = ("experiment", "metric", "segment", "customers", "effect", "error")
_TEXTED, _UNTEXTED = "texted", "untexted"
_Z = float(norm.ppf(0.975))


@dataclass(frozen=True)
class PooledSegments:
    """The effect of texts by segment, over all tests with an arm that is not texted."""

    tests: tuple[str, ...] = ()
    metric: str = ""
    """`profit`, or `order_rate` where no test has profit; empty without a test."""
    interaction_p: float = float("nan")
    """For effects that are the same in all segments; NaN with fewer than two segments."""
    segments: pd.DataFrame = field(default_factory=pd.DataFrame)
    """segment, tests (how many), customers (of the tests), effect, low, high (per customer and week, over the tests;
    limits at 1 − α ÷ segments), p_value, adjusted_p (Holm), harmed."""

    @property
    def harmed(self) -> tuple[str, ...]:
        """The segments that are better left alone."""
        return tuple(self.segments.loc[self.segments["harmed"], "segment"]) if len(self.segments) else ()


def contrast_segments(experiment: Experiment, validity: Validity, cells: pd.DataFrame) -> pd.DataFrame:
    """The effect of texts in each segment of one test: its texted arms together, compared with those that are not.

    Segments with fewer than 20 buyers on either side are left out: with few, the estimated variance of money is too
    small. While a test runs, errors are as much larger as its always-valid interval is wider than the fixed one.

    Args:
        experiment: which.
        validity: of `experiments.check`.
        cells: of `experiments.count_by_segment`, of this experiment.

    Returns:
        The columns of `CONTRAST_COLUMNS`: experiment, metric (profit, order_rate), segment, customers, effect (per
        customer and week), error; no row where every arm is texted, the test is broken, or clusters were assigned,
        whose segments are not independent.
    """
    untexted = (experiment.control,) if not validity.control_treated_too else arms_without_messages(experiment)
    rows = []
    if validity.broken or not untexted or not experiment.weeks > 0 or experiment.clustered:
        cells = cells.iloc[:0]
    for segment, own in cells.groupby("segment"):
        side = pd.Series(np.where(own["arm"].isin(untexted), _UNTEXTED, _TEXTED), own.index)
        buyers = own["order_rate__sum_y"].groupby(side).sum().reindex([_UNTEXTED, _TEXTED]).fillna(0.0)
        if buyers.min() < FEW_EVENTS:
            continue
        for metric in ("profit", "order_rate"):
            moments = moments_of(own.assign(arm=side), experiment.name, metric)
            if not moments["n"].sum():
                continue
            arms = estimate_means(moments, [_UNTEXTED, _TEXTED])
            found = compare(share_variance(arms) if is_money(metric) else arms, _UNTEXTED)
            if np.isfinite(found.low[1]):
                numbers = np.array([found.estimate[1], found.standard_error[1] * _widened(experiment)])
                numbers /= experiment.weeks
                rows.append((experiment.name, metric, str(segment), float(moments["n"].sum()), *numbers))
    return pd.DataFrame(rows, columns=list(CONTRAST_COLUMNS))


def _widened(experiment: Experiment) -> float:
    """How many times as wide the always-valid interval is while the experiment runs; infinite in its first week."""
    if experiment.state != "running":
        return 1.0
    factor = float(always_valid_half_width(1.0, experiment.information)) / _Z
    return factor if np.isfinite(factor) else float("inf")


def pool_segments(contrasts: Sequence[pd.DataFrame]) -> PooledSegments:
    """Pool the segments' effects over tests, and test whether segments differ.

    Args:
        contrasts: of `contrast_segments`, one frame per test.
    """
    every = [rows for rows in contrasts if len(rows)]
    if not every:
        return PooledSegments()
    rows = pd.concat(every, ignore_index=True)
    metric = "profit" if (rows["metric"] == "profit").any() else "order_rate"
    rows = rows[(rows["metric"] == metric) & np.isfinite(rows["error"]) & (rows["error"] > 0)]
    if not len(rows):
        return PooledSegments()
    found = []
    for segment, own in rows.groupby("segment", sort=False):
        weight = own["error"].to_numpy(float) ** -2.0
        effect, error = float(weight @ own["effect"] / weight.sum()), float(weight.sum() ** -0.5)
        p = float(2 * norm.sf(abs(effect / error)))
        found.append((segment, len(own), float(own["customers"].sum()), effect, error, p))
    columns = ["segment", "tests", "customers", "effect", "error", "p_value"]
    segments = pd.DataFrame(found, columns=columns)
    half_width = norm.ppf(1 - ALPHA / 2 / len(segments)) * segments["error"]
    interaction_p = _interaction_p(rows)
    adjusted = adjust(segments["p_value"].to_numpy(float), "holm")
    differ = interaction_p < INTERACTION_ALPHA
    segments = segments.assign(
        low=segments["effect"] - half_width, high=segments["effect"] + half_width, adjusted_p=adjusted,
        harmed=differ & (adjusted < ALPHA) & (segments["effect"] + half_width < 0),
    )  # fmt: skip
    return PooledSegments(tuple(rows["experiment"].unique()), metric, interaction_p, segments.drop(columns="error"))


def _interaction_p(rows: pd.DataFrame) -> float:
    """The p-value for equal effects in all segments, given a mean of its own for each test."""
    tests, segments = (pd.get_dummies(rows[name], dtype=float).to_numpy() for name in ("experiment", "segment"))
    scale = 1 / rows["error"].to_numpy(float)
    effect = rows["effect"].to_numpy(float) * scale
    alone, both = tests * scale[:, None], np.hstack([tests, segments]) * scale[:, None]
    degrees = int(np.linalg.matrix_rank(both) - np.linalg.matrix_rank(alone))
    if degrees < 1:
        return float("nan")
    return float(chi2.sf(_residual(alone, effect) - _residual(both, effect), degrees))


def _residual(design: Floats, y: Floats) -> float:
    fitted = design @ np.linalg.lstsq(design, y, rcond=None)[0]
    return float(((y - fitted) ** 2).sum())


def loss_avoided(effect: float, low: float, high: float, customers: float) -> tuple[float, float, float]:
    """The gain of leaving so many customers alone, with limits: the effect of texts per customer, its sign changed."""
    return -effect * customers, -high * customers, -low * customers


def total_listed(listed_today: Mapping[str, int] | None) -> int:
    """Customers of all segments of `count_listed`; 0 where they are not known."""
    return sum((listed_today or {}).values())


def count_listed(shop: Shop, segment_by: str) -> dict[str, int]:
    """Customers who may be texted after the last day observed, by segment of that day.

    Args:
        shop: the company.
        segment_by: as `segmentation.resolve` takes it.
    """
    people = who_may_be_texted(shop, known_people(shop))
    rows = resolve(shop, segment_by).label(people)
    counted = shop.count(rows.group_by("segment").aggregate(n=rows.count()).order_by("segment"))
    return dict(zip(counted["segment"].astype(str), counted["n"].astype(int), strict=True))
