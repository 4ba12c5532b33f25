"""The holdout test of the forecast: models fitted to the earlier part of the log predict the later part.

All models are tested on the same days. They are compared by their log score: the mean log probability of what each
customer did.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator
from scipy.sparse import csr_array

from smsroi_helpers import measures
from smsroi_helpers.cltv.counts import count_cells, count_value_cells, histories
from smsroi_helpers.cltv.fitting import Fit, fit_purchases, fit_rates, fit_value
from smsroi_helpers.cltv.forecast import KEYS, Z
from smsroi_helpers.cltv.likelihoods import Model
from smsroi_helpers.cltv.predictions import (
    Cells,
    Histories,
    expected_orders,
    expected_orders_of_new,
    log_probability_of_orders,
    probability_alive,
    variance_of_orders,
)
from smsroi_helpers.cltv.ranking import count_ranked, rank_by_spend
from smsroi_helpers.engine import hash_group
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import Floats

__all__ = [
    "Holdout",
    "ModelComparison",
    "compare_models",
    "count_outcomes",
    "holdout_test",
    "predict_purchases",
    "purchases_by_kind",
]

MOST_TESTED = 1_000_000
"""More customers add no precision, so a hashed sample of about this size is scored."""
ALIVE_MODELS: tuple[Model, ...] = ("mbg_nbd", "pareto_nbd")
"""The models in which one-time buyers may have left, so that P(alive) says something about them."""


# --- count -----------------------------------------------------------------------------------------------------------


def count_outcomes(shop: Shop, split: dt.date, weeks: int, customers: int) -> pd.DataFrame:
    """Count the customers who share a history up to `split` and the number of purchases after it.

    Args:
        shop: the company.
        split: the last day of the history.
        weeks: length of the recent past whose purchases are the naive forecast.
        customers: the number of customers; of more than a million a hashed sample is counted.

    Returns:
        one row per frequency, recency_days, T_days, recent_purchases (repeat purchases in the last `weeks` up to
        `split`) and later_purchases (days with a purchase after it): customers; recency_weeks, T_weeks.
    """
    history = histories(shop, split, weeks)
    if customers > MOST_TESTED:
        kept = int(np.ceil(256 * MOST_TESTED / customers))
        history = history.filter(hash_group(history.customer_id, "holdout", 256) < kept)
    keys = [*KEYS, "recent_purchases", "later_purchases"]
    frame = shop.count(history.group_by(*keys).aggregate(customers=history.count()).order_by(*keys))
    return frame.assign(recency_weeks=frame["recency_days"] / 7, T_weeks=frame["T_days"] / 7)


def _count_repeats_by_week(shop: Shop, split: dt.date, weeks: int) -> pd.DataFrame:
    """Week (since the first purchase in the log), purchases: repeat purchases of the customers known at `split`."""
    known = histories(shop, split, weeks)
    days = measures.purchase_days(shop)
    repeats = days.join(known.select("customer_id", "first_day"), "customer_id")
    repeats = repeats.filter(repeats.day > repeats.first_day)
    start = known.aggregate(start=known.first_day.min())
    repeats = repeats.cross_join(start)
    repeats = repeats.mutate(week=repeats.day.delta(repeats.start, unit="day").cast("int64") // 7 + 1)
    return shop.count(repeats.group_by("week").aggregate(purchases=repeats.count()).order_by("week"))


# --- compare ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ModelComparison:
    """All models fitted to the days up to a split, and their scores on the days after it."""

    split: dt.date
    """The last day that the fits use."""
    weeks: int
    cells: pd.DataFrame
    """The result of `count_cells` up to the split."""
    outcomes: pd.DataFrame
    """The result of `count_outcomes`."""
    fits: dict[str, Fit]
    """By model; `nbd` is the baseline in which nobody leaves."""
    scores: pd.DataFrame
    """One row per model, `nbd` last: model; log_score, the mean log probability of a customer's later purchases;
    difference from BG/NBD, low, high (95 %); predicted purchases; status."""
    chosen: Model

    @property
    def fit(self) -> Fit:
        """The fit of the chosen model."""
        return self.fits[self.chosen]

    @property
    def model_fits(self) -> list[Fit]:
        """The fits of the models to choose from."""
        return [self.fits[name] for name in get_args(Model)]

    def table(self) -> pd.DataFrame:
        """The table `model_scores`: the scores, with the chosen model marked."""
        return self.scores.assign(chosen=self.scores["model"] == self.chosen)

    @property
    def purchases(self) -> float:
        """Purchases on the days after the split."""
        return float(self.cells["later_purchases"].sum())

    @property
    def alive_model(self) -> Model:
        """The best of the models whose P(alive) says something about one-time buyers."""
        return self.chosen if self.chosen in ALIVE_MODELS else _best(self.scores, ALIVE_MODELS)


def _best(scores: pd.DataFrame, models: tuple[Model, ...]) -> Model:
    among = scores.set_index("model")["log_score"].loc[list(models)]
    return str(among.idxmax())  # type: ignore[return-value]


def compare_models(
    shop: Shop, *, model: Literal["auto"] | Model, horizon_weeks: int, holdout_weeks: int
) -> ModelComparison:
    """Fit each model to the earlier part of the log and score it on the later part.

    With `auto` the model with the best log score is chosen. If its advantage over BG/NBD is at most one standard error,
    BG/NBD is chosen, as the best-known model.

    Args:
        shop: the company.
        model: the model to choose, or `auto`.
        horizon_weeks: the horizon of the forecast to test.
        holdout_weeks: weeks to hold out; 0: as many as the horizon, at most half of the log.

    Raises:
        NotEnoughData: the days before the test are too few to fit a model.
    """
    all_cells = count_cells(shop)
    kept_back = int(holdout_weeks or min(horizon_weeks, all_cells["T_days"].max() // 14))
    split = shop.as_of - dt.timedelta(weeks=kept_back)
    cells = count_cells(shop, until=split, recent_weeks=kept_back)
    outcomes = count_outcomes(shop, split, kept_back, int(cells["customers"].sum()))
    fits = {name: fit_purchases(cells, name, shop.recall) for name in get_args(Model)}
    fits["nbd"] = fit_rates(cells)
    scores = _score(fits, cells, outcomes, kept_back)
    chosen: Any = model
    if model == "auto":
        chosen = _best(scores, get_args(Model))
        best = scores.set_index("model").loc[chosen]
        if best["difference"] <= (best["high"] - best["difference"]) / Z:
            chosen = "bg_nbd"
    return ModelComparison(split, kept_back, cells, outcomes, fits, scores, chosen)


def _score(fits: dict[str, Fit], cells: pd.DataFrame, outcomes: pd.DataFrame, weeks: int) -> pd.DataFrame:
    n = outcomes["customers"].to_numpy(float)
    actual = outcomes["later_purchases"].to_numpy(float)
    of_outcomes, of_cells = Histories.of(outcomes), Histories.of(cells)
    logs = {name: log_probability_of_orders(fit, of_outcomes, weeks, actual) for name, fit in fits.items()}
    rows = []
    for name, fit in fits.items():
        differences = logs[name] - logs["bg_nbd"]
        difference = float(n @ differences / n.sum())
        error = float(np.sqrt(n @ (differences - difference) ** 2)) / n.sum()
        rows.append(
            {
                "model": name,
                "log_score": float(n @ logs[name] / n.sum()),
                "difference": difference,
                "low": difference - Z * error,
                "high": difference + Z * error,
                "predicted": float(cells["customers"] @ expected_orders(fit, of_cells, weeks)),
                "status": fit.status,
            }
        )
    return pd.DataFrame(rows)


# --- test ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Holdout:
    """The holdout test of the chosen model: predicted and actual purchases in the weeks after the split."""

    model: Model
    split: dt.date
    """The last day that the fit uses."""
    weeks: float
    predicted: float
    """Predicted purchases in the weeks after `split` of the customers known by then; `low`, `high`: 95 %."""
    low: float
    high: float
    noise: float
    """Variance of the number of purchases in the test weeks, given the parameters."""
    actual: int
    by_frequency: pd.DataFrame
    """frequency (`0` … `7+`), customers; predicted, low, high and actual purchases per customer."""
    by_kind: pd.DataFrame
    """Customers in up to six groups, by how often and how lately they had bought: predicted purchases, error (their
    standard error: parameters and randomness), actual purchases."""
    by_week: pd.DataFrame
    """week (1 = the first); actual, expected: cumulative repeat purchases; low, high (after `split`); in_week and
    expected_in_week: repeat purchases of the week; low_in_week, high_in_week (after `split`)."""
    rivals: pd.DataFrame
    """rival (the model; `repeat`: as in the period before; `nbd`), predicted, bias, error (root mean squared error per
    customer), worse: the excess of its mean squared error over the model's, as a share of the latter; low, high."""
    by_tenth: pd.DataFrame
    """tenth of the customers by predicted spend (1 = most); predicted and spend, shares of the predicted and of the
    actual spend; low and high of the latter (95 %, over samples of customers). Of purchases where not `ranks_spend`."""
    gini: float
    """How well predicted spend ranks customers: 1 as well as actual spend does, 0 like a random order."""
    gini_low: float
    gini_high: float
    ranks_spend: bool
    """False where the value of a purchase before the split is not known: customers are ranked by purchases then."""
    alive_model: Model
    by_alive: pd.DataFrame
    """Groups by P(alive) under `alive_model`: lowest, highest (of the group's range), customers, p_alive (mean),
    predicted (share expected to buy at least once), low, high (95 %, sampling), bought (share who did)."""

    @property
    def customers(self) -> float:
        """Customers known by the split."""
        return float(self.by_frequency["customers"].sum())

    @property
    def missed(self) -> bool:
        """Whether the actual number lies outside the 95 % interval."""
        return not self.low <= self.actual <= self.high

    @property
    def bias(self) -> float:
        """(predicted − actual) / actual: 0.1 is 10 % too many; NaN if there were no purchases."""
        return self.predicted / self.actual - 1 if self.actual else float("nan")


def holdout_test(shop: Shop, comparison: ModelComparison) -> Holdout:
    """Test the chosen model on the days after the split.

    Args:
        shop: the company.
        comparison: the result of `compare_models`.
    """
    fit, cells, weeks = comparison.fit, comparison.cells, comparison.weeks
    groups = np.where(cells["frequency"] < 7, cells["frequency"].astype(str), "7+")
    later = cells["later_purchases"].to_numpy(float)
    cell_histories = Histories.of(cells)
    predicted_by_cell = predict_purchases(fit, cell_histories, weeks)
    by_frequency = _sum_up(predicted_by_cell, cells, groups)
    by_frequency["actual"] = cells.groupby(groups)["later_purchases"].sum()
    customers = cells.groupby(groups)["customers"].sum()
    by_frequency = by_frequency.div(customers, axis=0)
    by_frequency.insert(0, "customers", customers)
    predicted = _sum_up(predicted_by_cell, cells).iloc[0]
    value = fit_value(count_value_cells(shop, comparison.split, recent_weeks=weeks))
    ranked = count_ranked(shop, comparison.split, cells, fit, value, weeks)
    by_tenth, (gini, gini_low, gini_high) = rank_by_spend(ranked)
    return Holdout(
        model=comparison.chosen,
        split=comparison.split,
        weeks=weeks,
        predicted=float(predicted["predicted"]),
        low=float(predicted["low"]),
        high=float(predicted["high"]),
        noise=float(cells["customers"].to_numpy(float) @ predicted_by_cell[2]),
        actual=int(later.sum()),
        by_frequency=by_frequency.rename_axis("frequency").sort_index().reset_index(),
        by_kind=purchases_by_kind(predicted_by_cell, cells),
        by_week=_track(shop, comparison, cell_histories, predicted),
        rivals=_compare_rivals(comparison),
        by_tenth=by_tenth,
        gini=gini,
        gini_low=gini_low,
        gini_high=gini_high,
        ranks_spend=value.is_known,
        alive_model=comparison.alive_model,
        by_alive=_by_alive(comparison.fits[comparison.alive_model], comparison.outcomes, weeks),
    )


Prediction = tuple[Floats, Floats, Floats]
"""Per cell: expected purchases of a customer, their deviations due to the parameters, their variance given those."""


def predict_purchases(fit: Fit, cells: Cells, weeks: float) -> Prediction:
    """Predict the purchases of a customer of each cell in the coming weeks."""
    cell_histories = Histories.of(cells)
    deviations = fit.deviations(lambda values: expected_orders(fit, cell_histories, weeks, values=values))
    return expected_orders(fit, cell_histories, weeks), deviations, variance_of_orders(fit, cell_histories, weeks)


def _sum_up(prediction: Prediction, cells: pd.DataFrame, groups: NDArray[Any] | None = None) -> pd.DataFrame:
    """Predicted purchases summed by group of cells: group (index), predicted, low, high (parameters and randomness)."""
    customers = cells["customers"].to_numpy(float)
    codes, names = pd.factorize(np.zeros(len(cells)) if groups is None else groups)
    member = csr_array((customers, (codes, np.arange(len(cells)))))
    predicted, deviations, noise = (member @ part for part in prediction)
    half_width = Z * np.sqrt(np.square(deviations).sum(axis=1) + noise)
    return pd.DataFrame(
        {"predicted": predicted, "low": np.maximum(predicted - half_width, 0), "high": predicted + half_width},
        index=names,
    )


def purchases_by_kind(prediction: Prediction, cells: pd.DataFrame) -> pd.DataFrame:
    """Predicted and actual purchases of kinds of customers: frequency 0, 1–2, 3+, silent for less or more weeks."""
    often = np.digitize(cells["frequency"], [1, 3])
    silent = (cells["T_weeks"] - cells["recency_weeks"]).to_numpy(float)
    long = np.zeros(len(cells), int)
    for level in np.unique(often):
        here = often == level
        long[here] = silent[here] > np.average(silent[here], weights=cells["customers"].to_numpy(float)[here])
    kinds = 2 * often + long
    table = _sum_up(prediction, cells, kinds)
    actual = cells.groupby(kinds)["later_purchases"].sum().reindex(table.index)
    error = (table["high"] - table["predicted"]) / Z
    return pd.DataFrame({"predicted": table["predicted"], "error": error, "actual": actual}).sort_index()


def _track(shop: Shop, comparison: ModelComparison, cell_histories: Histories, whole: pd.Series) -> pd.DataFrame:
    """Actual and predicted repeat purchases by week (`Holdout.by_week`); `whole`: the prediction for all test weeks."""
    fit, cells, split = comparison.fit, comparison.cells, comparison.split
    repeats = _count_repeats_by_week(shop, split, comparison.weeks).set_index("week")["purchases"]
    seen_days = int(cells["T_days"].max())
    all_days = seen_days + (shop.as_of - split).days
    weeks = np.arange(1, (all_days + 1) // 7 + 1)
    in_week = repeats.reindex(weeks, fill_value=0).to_numpy(float)
    joined = cells.groupby("T_days")["customers"].sum()
    started = seen_days - joined.index.to_numpy()
    # Before the split, the expectation for new customers; after it, the expectation given each customer's history.
    ends = np.minimum(7 * weeks - 1, seen_days)
    ages, place = np.unique(np.maximum((ends[:, None] - started[None, :]) / 7, 0), return_inverse=True)
    past = expected_orders_of_new(fit, ages)[place].reshape(len(weeks), -1) @ joined.to_numpy(float)
    weeks_ahead = np.maximum(7 * weeks - 1 - seen_days, 0) / 7
    customers = cells["customers"].to_numpy(float)
    ahead = weeks_ahead > 0
    future = np.array([customers @ expected_orders(fit, cell_histories, week) if week else 0.0 for week in weeks_ahead])
    # The width of the band is computed for three weeks and interpolated between them, from 0 at the split.
    asked = np.quantile(weeks_ahead[ahead], [0.1, 0.4, 0.7])
    widths = [
        _sum_up(predict_purchases(fit, cell_histories, week), cells).eval("high - predicted").iloc[0] for week in asked
    ]
    band = PchipInterpolator(
        [0.0, *asked, (shop.as_of - split).days / 7], [0.0, *widths, whole["high"] - whole["predicted"]]
    )
    half_width = np.where(ahead, band(weeks_ahead), np.nan)
    expected = np.where(ahead, customers @ cells["frequency"] + future, past)
    mean = np.diff(past, prepend=0.0) + np.diff(future, prepend=0.0)
    # A week is short compared with the time between a customer's purchases, so the count of a week is about Poisson.
    # The uncertainty of the total is applied to each week in proportion.
    relative = float(whole["high"] / max(whole["predicted"], 1e-12) - 1) / Z
    in_week_half_width = np.where(ahead, Z * np.sqrt(np.maximum(mean, 0) + (mean * relative) ** 2), np.nan)
    return pd.DataFrame(
        {
            "week": weeks,
            "actual": in_week.cumsum(),
            "expected": expected,
            "low": np.maximum(expected - half_width, 0),
            "high": expected + half_width,
            "in_week": in_week,
            "expected_in_week": mean,
            "low_in_week": np.maximum(mean - in_week_half_width, 0),
            "high_in_week": mean + in_week_half_width,
        }
    )


def _compare_rivals(comparison: ModelComparison) -> pd.DataFrame:
    outcomes = comparison.outcomes
    n, y = outcomes["customers"].to_numpy(float), outcomes["later_purchases"].to_numpy(float)
    predicted = {
        comparison.chosen: expected_orders(comparison.fit, outcomes, comparison.weeks),
        "repeat": outcomes["recent_purchases"].to_numpy(float),
        "nbd": expected_orders(comparison.fits["nbd"], outcomes, comparison.weeks),
    }
    squared_errors = {rival: (y - prediction) ** 2 for rival, prediction in predicted.items()}
    model_error = max(float(n @ squared_errors[comparison.chosen]) / n.sum(), 1e-12)
    rows = []
    for rival, prediction in predicted.items():
        differences = squared_errors[rival] - squared_errors[comparison.chosen]
        worse = float(n @ differences) / n.sum()
        error = float(np.sqrt(n @ (differences - worse) ** 2)) / n.sum()
        rows.append(
            {
                "rival": rival,
                "predicted": float(n @ prediction),
                "bias": float(n @ prediction) / max(float(n @ y), 1.0) - 1,
                "error": float(np.sqrt(n @ squared_errors[rival] / n.sum())),
                "worse": worse / model_error,
                "low": (worse - Z * error) / model_error,
                "high": (worse + Z * error) / model_error,
            }
        )
    return pd.DataFrame(rows)


def _by_alive(fit: Fit, outcomes: pd.DataFrame, weeks: float) -> pd.DataFrame:
    """Predicted and actual shares of customers who buy, in up to five groups by P(alive)."""
    n = outcomes["customers"].to_numpy(float)
    alive = probability_alive(fit, outcomes)
    buys = -np.expm1(log_probability_of_orders(fit, outcomes, weeks, np.zeros(len(outcomes))))
    group = np.minimum((alive * 5).astype(int), 4)
    rows = []
    for fifth in np.unique(group):
        here = group == fifth
        people = n[here].sum()
        predicted = float(n[here] @ buys[here] / people)
        chance = Z * np.sqrt(float(n[here] @ (buys[here] * (1 - buys[here])))) / people
        rows.append(
            {
                "lowest": fifth / 5,
                "highest": (fifth + 1) / 5,
                "customers": int(people),
                "p_alive": float(n[here] @ alive[here] / people),
                "predicted": predicted,
                "low": max(predicted - chance, 0.0),
                "high": min(predicted + chance, 1.0),
                "bought": float(n[here] @ (outcomes["later_purchases"].to_numpy()[here] > 0) / people),
            }
        )
    return pd.DataFrame(rows)
