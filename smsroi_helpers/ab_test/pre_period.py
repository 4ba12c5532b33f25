"""What the pre-period columns named by the analyst do to the variance, and whether the arms are alike in them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from smsroi_helpers.ab_test.effects import ALL, CLICK_PROFIT, ArmEffects, strata_of
from smsroi_helpers.experiments import METRICS, Experiment, moments_of
from smsroi_helpers.statistics import adjust, compare, covariate_moments, estimate_means, without_attributes

__all__ = ["Reduction", "measure_reduction"]


@dataclass(frozen=True)
class Reduction:
    """The variance of the first arm's difference in a metric, as shares of the unadjusted one (0–1)."""

    metric: str
    arm: str
    by_past: float
    """Adjusted for the customers' own past and the day of assignment."""
    by_columns: float
    """Adjusted for the columns too; NaN without columns."""
    columns: pd.DataFrame
    """One row per column: column, known (share of customers, 0–1), p_value (for arms that are alike in it, the smallest
    over the arms), adjusted_p (Holm over the columns)."""


def measure_reduction(
    experiment: Experiment, effects: ArmEffects, counted: pd.DataFrame, metric: str, columns: Sequence[str]
) -> Reduction | None:
    """The reduction of the variance in a metric by customers' own past, and by pre-period columns.

    Args:
        experiment: which.
        effects: its effects; empty where it is broken.
        counted: of `experiments.count_outcomes` with these columns.
        metric: the deciding one; profit, for profit computed from clicks.
        columns: their names.

    Returns:
        None for a ratio, or where there is no effect.
    """
    metric = "profit" if metric == CLICK_PROFIT else metric
    rows = [row for row in effects.overall(metric) if np.isfinite(row.low) and row.segment == ALL] if metric else []
    if not rows or METRICS[metric].kind == "ratio":
        return None
    arm, names = rows[0].arm, list(experiment.arms)
    moments = moments_of(counted, experiment.name, metric, ["assigned_day"])
    strata = strata_of(experiment)
    if strata is not None:
        moments = moments.assign(stratum=moments["assigned_day"].map(strata))
    moments = moments.drop(columns="assigned_day")
    plain = moments[without_attributes(moments.columns)]
    at = names.index(arm)
    unadjusted, past, both = (
        float(compare(estimate_means(each, names, adjust=adjusted), experiment.control).standard_error[at]) ** 2
        for each, adjusted in ((plain, False), (plain, True), (moments, True))
    )
    found = []
    for place, column in enumerate(columns):
        own = covariate_moments(moments, by_unit=True, covariate=(f"a{place}", f"b{place}"))
        known = float(own["n"].sum() / moments["n"].sum())
        p = compare(estimate_means(own, names), experiment.control).p_value if known > 0 else np.full(2, np.nan)
        smallest = np.nanmin(p) * (len(names) - 1) if np.isfinite(p).any() else np.nan
        found.append((column, known, float(min(smallest, 1.0)) if np.isfinite(smallest) else float("nan")))
    frame = pd.DataFrame(found, columns=["column", "known", "p_value"])
    frame = frame.assign(adjusted_p=adjust(frame["p_value"].to_numpy(float), "holm"))
    return Reduction(metric, arm, past / unadjusted, both / unadjusted if columns else float("nan"), frame)
