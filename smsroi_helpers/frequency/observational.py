"""Observational estimates from the log: one more text a week, among customers who might have got either number.

A landmark is a day t. Covariates known strictly before t predict the texts in [t, t + 1 week) and the profit in
[t, t + 4 weeks), whether or not the customer opts out in that time. Customers who opt out get fewer texts, so counting
texts over the whole outcome window would attribute staying to the texts. Effects are augmented inverse-probability
weighted (Robins, Rotnitzky & Zhao 1994) and cross-fitted with folds of customers (Chernozhukov et al. 2018). Standard
errors are clustered by customer. The estimates are observational: confounders that the sender knew and the log does
not record may explain all of them.

References:
    Chernozhukov et al. (2018), Double/debiased machine learning, Econometrics Journal 21(1).
    Crump, Hotz, Imbens & Mitnik (2009), Dealing with limited overlap, Biometrika 96(1): trimming.
    VanderWeele & Ding (2017), Sensitivity analysis in observational research, Annals of Internal Medicine 167(4).
"""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t
from threadpoolctl import threadpool_limits

from smsroi_helpers.statistics import Floats

__all__ = [
    "COVARIATES",
    "FEWEST_ROWS",
    "MOST_TEXTS",
    "e_value",
    "estimate_steps",
    "summarise_weeks",
]

COVARIATES = (
    "recency_days", "purchase_days", "tenure_days", "monetary", "texts_last_week", "texts_last_four", "texts_before",
    "clicks_before", "subscribed_days",
)  # fmt: skip
"""What is known before t; null where it is not known, with an indicator for that in the model."""
MOST_TEXTS = 3
"""More texts a week than this count as this many."""
FEWEST_ROWS = 200
"""With fewer customer-weeks on either side of a step, no effect is estimated."""
LEAST_CHANCE = 0.05
"""Customer-weeks with a smaller propensity for either number of texts are left out (no overlap)."""
FOLDS = 5
BINS = 8


def e_value(effect: float, standard_deviation: float) -> float:
    """The E-value: how strongly an unmeasured confounder must relate to both texts and profit to explain an effect.

    On the scale of risk ratios. The standardised difference d corresponds to a risk ratio RR = exp(0.91 d);
    E = RR + √(RR (RR − 1)) (VanderWeele & Ding 2017).

    >>> round(e_value(0.5, 1.0), 2)
    2.53
    """
    ratio = float(np.exp(0.91 * abs(effect) / standard_deviation)) if standard_deviation > 0 else float("nan")
    return ratio + float(np.sqrt(ratio * (ratio - 1)))


def _features(weeks: pd.DataFrame) -> Floats:
    """Columns of zeros and ones: covariates in bins of about equal size, missingness indicators, and landmarks."""
    parts = []
    for name in COVARIATES:
        values = weeks[name].to_numpy(float)
        missing = np.isnan(values)
        if missing.any():
            parts.append(missing[:, None].astype(float))
        filled = np.where(missing, np.nanmedian(values) if not missing.all() else 0.0, values)
        edges = np.unique(np.quantile(filled, np.arange(1, BINS) / BINS))
        bins = np.searchsorted(edges, filled, side="right")
        used = np.unique(bins)
        parts.append((bins[:, None] == used[1:]).astype(float))
    days = pd.get_dummies(weeks["landmark"].astype(str), drop_first=True).to_numpy(float)
    if days.shape[1]:
        parts.append(days)
    return np.hstack(parts) if parts else np.zeros((len(weeks), 1))


def _texts_per_week(weeks: pd.DataFrame) -> NDArray[np.int64]:
    return np.minimum(weeks["texts"].to_numpy(int), MOST_TEXTS)


def _cross_fit(weeks: pd.DataFrame, seed: int) -> tuple[Floats, Floats]:
    """The propensity and expected profit of each row at each dose, from models fitted to other customers."""
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.model_selection import GroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, dose, profit = _features(weeks), _texts_per_week(weeks), weeks["profit"].to_numpy(float)
    doses = range(MOST_TEXTS + 1)
    chance, expected = np.zeros((len(weeks), len(doses))), np.full((len(weeks), len(doses)), np.nan)
    folds = GroupKFold(FOLDS, shuffle=True, random_state=seed)
    for train, test in folds.split(x, groups=weeks["customer"]):
        known = np.unique(dose[train])
        if len(known) > 1:
            model: Any = make_pipeline(StandardScaler(), LogisticRegression(C=1.0, solver="newton-cholesky"))
            chance[np.ix_(test, known)] = model.fit(x[train], dose[train]).predict_proba(x[test])
        else:
            chance[test, known[0]] = 1.0
        for d in known:
            own = train[dose[train] == d]
            if len(own) >= 20:
                expected[test, d] = (
                    make_pipeline(StandardScaler(), Ridge(alpha=10.0)).fit(x[own], profit[own]).predict(x[test])
                )
    return chance, expected


def summarise_weeks(weeks: pd.DataFrame) -> pd.DataFrame:
    """The weeks that are compared: landmark, customers, texts (mean of each customer), without (share, 0–1, of none).

    Args:
        weeks: of `counts.count_log_weeks`.
    """
    found = weeks.assign(without=weeks["texts"] == 0).groupby("landmark")
    return found.agg(
        customers=("customer", "nunique"), texts=("texts", "mean"), without=("without", "mean")
    ).reset_index()


def estimate_steps(weeks: pd.DataFrame, seed: int = 1) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The effect of each further text a week in the log: raw, and adjusted for covariates known before.

    Args:
        weeks: of `counts.count_log_weeks`.
        seed: of the folds.

    Returns:
        One row per step (fewer, more: texts a week; the last means as many or more): rows and customers at the two
        numbers of texts; raw (difference of mean profit over the four weeks, before message cost of the step), raw_low,
        raw_high; kept (customer-weeks with overlap), trimmed; effect, low, high, e_value, e_value_low (of the limit
        nearer to 0; 1 where the interval includes 0); reason where there is no estimate. Money per customer-week.
        And the overlap: dose (texts a week), rows with that dose, and share_<d>: the share of those rows whose
        propensity for dose d was at least `LEAST_CHANCE`.
    """
    if not len(weeks):
        return pd.DataFrame(columns=["fewer", "more", "rows", "reason"]), pd.DataFrame(columns=["dose", "rows"])
    dose, person = _texts_per_week(weeks), weeks["customer"].to_numpy(int)
    profit = weeks["profit"].to_numpy(float)
    with threadpool_limits(1):  # with such small matrices threads mostly wait for each other
        chance, expected = _cross_fit(weeks, seed)
    found = []
    for d in range(1, MOST_TEXTS + 1):
        either = (dose == d) | (dose == d - 1)
        row: dict[str, object] = {
            "fewer": d - 1, "more": d, "rows": int(either.sum()), "customers": len(np.unique(person[either])),
            "raw": np.nan, "raw_low": np.nan, "raw_high": np.nan, "kept": 0, "trimmed": 0, "effect": np.nan,
            "low": np.nan, "high": np.nan, "e_value": np.nan, "e_value_low": np.nan, "reason": "",
        }  # fmt: skip
        found.append(row)
        sizes = [(dose == level).sum() for level in (d - 1, d)]
        if min(sizes) < FEWEST_ROWS:
            row["reason"] = "few"
            continue
        means = [profit[dose == level].mean() for level in (d - 1, d)]
        residual = np.where(dose == d, (profit - means[1]) / sizes[1], 0) - np.where(
            dose == d - 1, (profit - means[0]) / sizes[0], 0
        )
        row["raw"], row["raw_low"], row["raw_high"] = _interval(means[1] - means[0], residual, person)
        overlap = (chance[:, d] >= LEAST_CHANCE) & (chance[:, d - 1] >= LEAST_CHANCE)
        overlap &= np.isfinite(expected[:, d]) & np.isfinite(expected[:, d - 1])
        row["kept"], row["trimmed"] = int((overlap & either).sum()), int((~overlap & either).sum())
        if min((overlap & (dose == level)).sum() for level in (d - 1, d)) < FEWEST_ROWS:
            row["reason"] = "overlap"
            continue
        own = np.flatnonzero(overlap)
        score = expected[own, d] - expected[own, d - 1]
        score = score + np.where(dose[own] == d, (profit[own] - expected[own, d]) / chance[own, d], 0.0)
        score = score - np.where(dose[own] == d - 1, (profit[own] - expected[own, d - 1]) / chance[own, d - 1], 0.0)
        effect, low, high = _interval(float(score.mean()), (score - score.mean()) / len(own), person[own])
        deviation = float(profit[own].std())
        nearer = 0.0 if low <= 0 <= high else min(abs(low), abs(high))
        row |= {
            "effect": effect, "low": low, "high": high, "e_value": e_value(effect, deviation),
            "e_value_low": e_value(nearer, deviation),
        }  # fmt: skip
    return pd.DataFrame(found), _overlap(chance, dose)


def _interval(estimate: float, parts: Floats, person: NDArray[np.int64]) -> tuple[float, float, float]:
    """The estimate with its 95 % interval, from each row's influence, summed by customer."""
    _people, place = np.unique(person, return_inverse=True)
    sums = np.bincount(place, parts)
    n = len(sums)
    half_width = float(t.ppf(0.975, n - 1) * np.sqrt((sums**2).sum() * n / max(n - 1, 1)))
    return estimate, estimate - half_width, estimate + half_width


def _overlap(chance: Floats, dose: NDArray[np.int64]) -> pd.DataFrame:
    rows = []
    for d in range(MOST_TEXTS + 1):
        own = dose == d
        shares = (chance[own] >= LEAST_CHANCE).mean(axis=0) if own.any() else np.full(MOST_TEXTS + 1, np.nan)
        rows.append({"dose": d, "rows": int(own.sum())} | {f"share_{k}": shares[k] for k in range(MOST_TEXTS + 1)})
    return pd.DataFrame(rows)
