"""The forecast of the coming weeks: purchases, spend and value by group of customers, with intervals.

A cell holds the customers with the same history. Everything here is computed per cell and added up. The engine joins
the prediction of a cell back to its customers (`cltv.customer_values`). Time is in weeks, money in the source's
currency.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from scipy.sparse import csr_array
from scipy.stats import norm

from smsroi_helpers.cltv.ages import compute_by_age
from smsroi_helpers.cltv.fitting import Fit
from smsroi_helpers.cltv.predictions import (
    CLOSED_FORM,
    Cells,
    Histories,
    draw_orders_if_alive,
    orders_if_alive,
    pairs_of,
    probability_alive,
    variance_of_orders,
    weeks_as_customer,
)
from smsroi_helpers.errors import NotEnoughData
from smsroi_helpers.measures import ProfitShare
from smsroi_helpers.statistics import Floats

__all__ = [
    "KEYS",
    "WEEKS_A_YEAR",
    "Forecast",
    "Sums",
    "Z",
    "add_up",
    "discounted_orders",
    "expected_and_discounted_if_alive",
    "forecast_by_model",
    "forecast_value",
    "month_ends",
    "value_factor",
]

KEYS = ("frequency", "recency_days", "T_days")
"""The keys of a cell: repeat purchases, days from the first to the last purchase, days since the first purchase."""
WEEKS_A_YEAR = 365.25 / 7
PARAMETER_DRAWS = 32
FUTURES = 32
"""Simulated futures per kind of customer and parameter draw. With 1,024 in all, the level of each end of a 95 %
interval is right to about one percentage point."""
KIND_WIDTH = 0.02
"""Customers whose α + T differs by less than this on the log scale share their simulated futures. Their purchase rates
differ by at most 1 % from the shared one."""
Z = float(norm.ppf(0.975))
_OF_SPEND = ("spend_low", "spend_high", "spend_variance")
Measure = Literal["orders", "spend", "cltv"]


@dataclass(frozen=True)
class Forecast:
    """The forecast of the coming weeks for the customers seen so far."""

    cells: pd.DataFrame
    """The cells with, per customer: p_alive, expected_orders, orders_log_error (standard error of its logarithm),
    orders_variance (given the parameters), discounted_orders. And of money spent per unit of (v + repeat spend):
    spend_low, spend_high (95 %, parameters and randomness), spend_variance (given the parameters)."""
    histories: Histories
    """The histories of the cells."""
    purchases: Fit
    value: Fit
    horizon_weeks: int
    yearly_discount_rate: float
    profit: ProfitShare
    """Profit per unit of money paid, refunds deducted."""
    orders_deviations: Floats
    """Of expected_orders, from `Fit.deviations`: cells × deviations."""
    discounted_deviations: Floats
    """Of discounted_orders."""

    @cached_property
    def sums(self) -> "dict[Measure, Sums]":
        """The sums over all customers."""
        return {measure: add_up(self, measure) for measure in get_args(Measure)}

    @cached_property
    def totals(self) -> pd.DataFrame:
        """One row each for `orders`, `spend` and `cltv` of all customers: measure, value, low, high (95 %: parameters
        and randomness).
        """
        rows = [each.table().assign(measure=measure) for measure, each in self.sums.items()]
        return pd.concat(rows, ignore_index=True)[["measure", "value", "low", "high"]]

    @cached_property
    def _kinds(self) -> pd.MultiIndex:
        return pd.MultiIndex.from_frame(self.cells[list(KEYS)])

    def places_of(self, members: pd.DataFrame) -> Any:
        """For each row of `members`, which has the cells' keys, the place of its cell."""
        return self._kinds.get_indexer(pd.MultiIndex.from_frame(members[list(KEYS)]))

    @property
    def margin(self) -> float:
        """Profit per unit of money paid, refunds deducted."""
        return self.profit.value

    @cached_property
    def before_refunds(self) -> "Forecast":
        """The same forecast if nothing were refunded."""
        return replace(self, profit=ProfitShare(self.profit.before_refunds))

    @property
    def knows_value(self) -> bool:
        """Whether the value of a purchase is known; if not, every amount of money here is NaN."""
        return self.value.is_known

    @property
    def measure(self) -> Measure:
        """What customers are compared by: their value, or their purchases where their value is not known."""
        return "cltv" if self.knows_value else "orders"

    def total(self, measure: Measure) -> tuple[float, float, float]:
        """Value, low and high of one measure."""
        row = self.totals.set_index("measure").loc[measure]
        return float(row["value"]), float(row["low"]), float(row["high"])


def value_factor(value: Floats, frequency: Floats) -> Floats:
    """Expected money per purchase for each unit of (v + repeat spend): p / (p·x + q − 1), note 25, eq. 5.

    For one-time buyers the mean is infinite where q ≤ 1; a q below 1.05 counts as 1.05.
    """
    p, q, _v = value
    return np.asarray(p / (p * frequency + max(q, 1.05) - 1), float)


def discounted_orders(
    fit: Fit, cells: Cells, horizon_weeks: float, yearly_discount_rate: float, *, values: Floats | None = None
) -> Floats:
    """Expected purchases of a customer of each cell, discounted to today.

    A purchase is discounted to the end of its month (a twelfth of a year; the last one may be shorter). Exactly
    Σ (E[X(t_k)] − E[X(t_k−1)]) / (1 + yearly rate)^(t_k / year).
    """
    return _expected_and_discounted(fit, cells, horizon_weeks, yearly_discount_rate, values)[1]


def _expected_and_discounted(
    fit: Fit, cells: Cells, horizon_weeks: float, yearly_discount_rate: float, values: Floats | None = None
) -> Floats:
    """Expected and discounted purchases of a customer of each cell: 2 × cells."""
    values, histories = fit.predicting if values is None else values, Histories.of(cells)
    while_customer = expected_and_discounted_if_alive(fit.model, histories, horizon_weeks, yearly_discount_rate, values)
    return while_customer * probability_alive(fit, histories, values=values)


def expected_and_discounted_if_alive(
    model: str, cells: Cells, horizon_weeks: float, yearly_discount_rate: float, values: Floats
) -> Floats:
    """Expected and discounted purchases of a customer of each cell who is alive: 2 × cells."""
    histories, ends = Histories.of(cells), np.array(month_ends(horizon_weeks))

    def at_the_end_and_discounted(by_then: Floats) -> Floats:
        discounted = np.diff(by_then, prepend=0.0, axis=1) @ (1 + yearly_discount_rate) ** (-ends / WEEKS_A_YEAR)
        return np.stack([by_then[:, -1], discounted])

    if model in CLOSED_FORM:
        ages, _of_age = histories.ages
        x, _T, place = histories.pairs
        weeks = at_the_end_and_discounted(weeks_as_customer(model, values, ages[:, None], ends)) / (values[1] + ages)
        return np.take((values[0] + x) * weeks[:, histories.age_of_pair], place, axis=1)

    def compute(x: Floats, T: Floats) -> Floats:
        return orders_if_alive(model, values, x[:, None], T[:, None], ends)

    x, T, place = histories.pairs
    return np.take(at_the_end_and_discounted(compute_by_age(compute, x, T, values[1])), place, axis=1)


def month_ends(horizon_weeks: float) -> list[float]:
    """The ends, in weeks, of the months (twelfths of a year) up to the horizon, and the horizon itself."""
    month = WEEKS_A_YEAR / 12
    return [*np.arange(month, horizon_weeks - 1e-9, month).tolist(), float(horizon_weeks)]


def _simulate_spend(
    cells: pd.DataFrame, purchases: Fit, value: Fit, horizon_weeks: float, rng: np.random.Generator | None
) -> pd.DataFrame:
    """Simulate the spend of one customer of each cell: spend_low, spend_high, spend_variance.

    Given X future purchases, a customer's spend is Gamma(p·X) / ν with ν ~ Gamma(p·x + q) / (v + repeat spend), so the
    spend so far only scales it. Each draw of the parameters has `FUTURES` futures. Futures are simulated for customers
    who are alive. The probability of being inactive enters the quantiles of the mixture with zero spend. Without a
    known value of a purchase, and without `rng`, all three are NaN.
    """
    if rng is None or not value.is_known:
        return pd.DataFrame(float("nan"), columns=_OF_SPEND, index=cells.index)
    x, T = cells["frequency"].to_numpy(float), cells["T_weeks"].to_numpy(float)
    alpha, v = purchases.predicting[1], value.predicting[2]
    kinds_x, kinds_age, kind = pairs_of(x, np.round(np.log(alpha + T) / KIND_WIDTH))
    kinds_T = np.maximum(np.exp(kinds_age * KIND_WIDTH) - alpha, 0.0)
    people = np.bincount(kind, cells["customers"])
    mean_spend = np.bincount(kind, cells["repeat_spend"]) / people
    orders_by, value_by = (
        np.repeat(fit.draw_parameters(PARAMETER_DRAWS, rng), FUTURES, axis=0) for fit in (purchases, value)
    )
    p, q, v_by = value_by.T
    alive = probability_alive(purchases, cells)
    result = np.zeros((3, len(cells)))
    for start in range(0, len(kinds_x), 2000):
        part = slice(start, start + 2000)
        rows = np.flatnonzero((kind >= start) & (kind < start + 2000))
        orders = draw_orders_if_alive(purchases.model, orders_by, kinds_x[part], kinds_T[part], horizon_weeks, rng)
        spend = rng.standard_gamma(np.where(orders > 0, p * orders, 1.0)) * (orders > 0)
        spend /= rng.standard_gamma(p * kinds_x[part, None] + q, orders.shape)
        spend *= (v_by + mean_spend[part, None]) / (v + mean_spend[part, None])
        by_parameters = spend.reshape(len(spend), PARAMETER_DRAWS, FUTURES)
        chance = by_parameters.var(axis=2, ddof=1)
        squared_mean = (by_parameters.mean(axis=2) ** 2 - chance / FUTURES).mean(axis=1)
        square = np.square(spend).mean(axis=1)
        nothing = 1 - alive[rows] * (spend > 0).mean(axis=1)[kind[rows] - start]
        spend.sort(axis=1)
        here, still = kind[rows] - start, alive[rows]
        # A customer who spends nothing with more than 2.5 % probability has a one-sided interval, from 0 on.
        for place, level in ((0, np.where(nothing > 0.025, 0.0, 0.025)), (1, np.where(nothing > 0.025, 0.95, 0.975))):
            at = np.clip(1 - (1 - level) / np.maximum(still, 1e-12), 0, 1) * (spend.shape[1] - 1)
            below = np.minimum(at.astype(int), spend.shape[1] - 2)
            quantile = spend[here, below] * (1 - at + below) + spend[here, below + 1] * (at - below)
            result[place, rows] = np.where(nothing >= level, 0.0, quantile)
        result[2, rows] = np.maximum(still * square[here] - still**2 * squared_mean[here], 0.0)
    return pd.DataFrame(result.T, columns=_OF_SPEND, index=cells.index)


def forecast_value(
    cells: pd.DataFrame,
    purchases: Fit,
    value: Fit,
    *,
    horizon_weeks: int,
    yearly_discount_rate: float,
    margin: ProfitShare | float,
    rng: np.random.Generator | None,
) -> Forecast:
    """Forecast purchases, spend and value of every kind of customer, and of all together.

    Where a fit is not identified, the forecast uses the posterior mode, and its intervals the posterior sample
    (`Fit.posterior_sample`). Where the value of a purchase is not known, all amounts of money are NaN.

    Args:
        cells: the result of `count_cells`.
        purchases: a purchase model, fitted to the cells.
        value: the Gamma–Gamma fit.
        horizon_weeks: horizon of the forecast.
        yearly_discount_rate: 0–1; the loss of value of money a year away.
        margin: profit per unit of money paid (`measures.profit_share`); a number is known exactly.
        rng: random generator of the simulated futures behind the prediction intervals of spend; None: these are NaN.

    Raises:
        NotEnoughData: the money model has no finite mean (q ≤ 1).
    """
    if value.predicting[1] <= 1:
        raise NotEnoughData(
            "Order values of the {n} repeat customers vary too much: their mean cannot be estimated, so there is no"
            " forecast of money. Check the orders for outliers.",
            n=value.customers,
        )

    histories = Histories.of(cells)

    def compute(values: Floats) -> Floats:
        return _expected_and_discounted(purchases, histories, horizon_weeks, yearly_discount_rate, values)

    orders, discounted = compute(purchases.predicting)
    deviations = purchases.deviations(compute)
    scored = cells.assign(
        p_alive=probability_alive(purchases, histories),
        expected_orders=orders,
        orders_log_error=np.sqrt(sum(np.square(column) for column in deviations[0].T)) / np.maximum(orders, 1e-300),
        orders_variance=variance_of_orders(purchases, histories, horizon_weeks),
        discounted_orders=discounted,
    ).join(_simulate_spend(cells, purchases, value, horizon_weeks, rng))
    profit = margin if isinstance(margin, ProfitShare) else ProfitShare(margin)
    return Forecast(
        scored, histories, purchases, value, horizon_weeks, yearly_discount_rate, profit, deviations[0], deviations[1]
    )


def forecast_by_model(forecast: Forecast, purchases: Fit) -> Forecast:
    """The same forecast by another purchase model, without prediction intervals of spend; of its own model, itself."""
    if purchases.model == forecast.purchases.model:
        return forecast
    return forecast_value(
        forecast.cells.drop(columns=list(_OF_SPEND)),
        purchases,
        forecast.value,
        horizon_weeks=forecast.horizon_weeks,
        yearly_discount_rate=forecast.yearly_discount_rate,
        margin=forecast.profit,
        rng=None,
    )


@dataclass(frozen=True)
class Sums:
    """The forecast of sums over groups of customers, with its uncertainty."""

    groups: list[Any]
    customers: Floats
    value: Floats
    deviations: Floats
    """Groups × deviations due to the parameters, which all groups share, so that their errors are correlated."""
    noise: Floats
    """The variance given the parameters, independent between customers."""

    @property
    def error(self) -> Floats:
        """The standard error of each group's value: parameters and randomness."""
        return np.sqrt(np.square(self.deviations).sum(axis=1) + self.noise)

    def table(self) -> pd.DataFrame:
        """One row a group: group, customers, value, low, high (95 %)."""
        low, high = self.value - Z * self.error, self.value + Z * self.error
        low = np.where(self.value > 0, np.maximum(low, 0.0), low)
        return pd.DataFrame(
            {"group": self.groups, "customers": self.customers, "value": self.value, "low": low, "high": high}
        )

    def shares(self) -> pd.DataFrame:
        """One row a group: group, customers, value, share of the whole, low, high (95 %)."""
        whole = self.value.sum()
        share = self.value / whole
        deviations = (self.deviations - share[:, None] * self.deviations.sum(axis=0)) / whole
        noise = ((1 - share) ** 2 * self.noise + share**2 * (self.noise.sum() - self.noise)) / whole**2
        error = np.sqrt(np.square(deviations).sum(axis=1) + noise)
        low, high = np.maximum(share - Z * error, 0.0), np.minimum(share + Z * error, 1.0)
        return self.table().assign(share=share, low=low, high=high)


def add_up(forecast: Forecast, measure: Measure = "cltv", members: pd.DataFrame | None = None) -> Sums:
    """Forecast the sums over groups of customers: orders, spend or cltv (discounted, times margin).

    Args:
        forecast: the forecast of each kind of customer.
        measure: what to sum; cltv is net of refunds.
        members: the customers of each kind in each group: group, the cells' keys, customers, repeat_spend and
            repeat_spend_squared; None for all customers as one group.
    """
    cells = forecast.cells
    if members is None:
        members, at = cells, np.arange(len(cells))
        codes, groups = np.zeros(len(cells), int), np.array(["all"], object)
    else:
        at = forecast.places_of(members)
        codes, groups = pd.factorize(members["group"], sort=True)
    n, spent, squared = (
        members[name].to_numpy(float) for name in ("customers", "repeat_spend", "repeat_spend_squared")
    )

    def by_group(amounts: Floats) -> Floats:
        return np.asarray(np.bincount(codes, amounts, len(groups)), float)

    def deviations_by_group(amounts: Floats) -> Floats:
        matrix = csr_array((amounts, (codes, at)), (len(groups), len(cells)))
        return np.stack([matrix @ column for column in per_customer_deviations.T], axis=1)

    per_customer, per_customer_deviations = (
        (cells["discounted_orders"], forecast.discounted_deviations)
        if measure == "cltv"
        else (cells["expected_orders"], forecast.orders_deviations)
    )
    orders = per_customer.to_numpy(float)[at]
    people = by_group(n)
    if measure == "orders":
        noise = by_group(n * cells["orders_variance"].to_numpy(float)[at])
        return Sums(list(groups), people, by_group(n * orders), deviations_by_group(n), noise)
    share = forecast.margin if measure == "cltv" else 1.0
    frequency = members["frequency"].to_numpy(float)

    def money(values: Floats) -> Floats:
        return share * value_factor(values, frequency) * (n * values[2] + spent)

    v = forecast.value.predicting[2]
    each = money(forecast.value.predicting)
    by_value = forecast.value.deviations(lambda values: by_group(orders * money(values)))
    noise = cells["spend_variance"].to_numpy(float)[at] * (n * v**2 + 2 * v * spent + squared)
    by_share = by_group(each * orders) * (forecast.profit.error / share if measure == "cltv" and share else 0.0)
    deviations = np.concatenate([deviations_by_group(each), by_value, by_share[:, None]], axis=1)
    return Sums(list(groups), people, by_group(each * orders), deviations, by_group(share**2 * noise))
