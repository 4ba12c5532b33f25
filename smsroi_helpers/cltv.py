"""What will each customer be worth, and how sure are we: BG/NBD (or a rival) for orders, Gamma–Gamma for money.

The engine counts day cells, the models are fitted to the cells, and the engine writes each customer's value by joining
the cells' scores back. Time is in weeks, money in the source's currency.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Annotated, Any

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field
from scipy.stats import norm

from smsroi_helpers import measures
from smsroi_helpers.contract import Decision
from smsroi_helpers.engine import total
from smsroi_helpers.errors import NotEnoughData
from smsroi_helpers.locale import _, day, interval, money, number, percent
from smsroi_helpers.purchase_models import (
    Fit,
    Model,
    draw_orders,
    expected_orders,
    expected_orders_of_new,
    fit_purchases,
    probability_alive,
)
from smsroi_helpers.shop import Shop

__all__ = [
    "NEEDS",
    "PARAMETERS",
    "Forecast",
    "Holdout",
    "count_cells",
    "count_value_cells",
    "customer_values",
    "decide",
    "fits_table",
    "forecast",
    "holdout_test",
    "value_by_tenth",
]

NEEDS = ("orders",)
PARAMETERS: dict[str, Any] = {
    "horizon_weeks": Annotated[int, Field(gt=0, le=520)],
    "holdout_weeks": Annotated[int, Field(ge=0, le=520)],
    "model": Model,
    "yearly_discount_rate": Annotated[float, Field(ge=0, le=1)],
}

WEEKS_A_YEAR = 365.25 / 7
FEWEST_REPEATERS = 30
"""Fewer customers who came back than this leave four parameters to chance: their intervals span orders of magnitude."""
FEWEST_WEEKS = 8
"""A shorter log cannot be split into a past to learn from and a future to be tested on."""
DRAWS = 1000
"""Random futures per kind of customer: the ends of a 95 % interval then lie within about ±1 % of the distribution."""
_Z = float(norm.ppf(0.975))
_KEYS = ("frequency", "recency_days", "T_days")
Floats = NDArray[np.float64]


# --- count -----------------------------------------------------------------------------------------------------------


def count_cells(shop: Shop, until: dt.date | None = None) -> pd.DataFrame:
    """How many customers share a purchase history, by the day.

    Args:
        shop: the company.
        until: the last day that counts as past; None for the last day observed.

    Returns:
        One row per (frequency, recency_days, T_days): recency_weeks, T_weeks; customers; repeat_spend and
        repeat_spend_squared, summed over them; later_purchases, their purchase days after `until`.

    Raises:
        NotEnoughData: fewer than 30 customers came back, or the log is shorter than 8 weeks.
    """
    history = measures.purchase_history(shop, until)
    cells = history.group_by(*_KEYS).aggregate(
        customers=history.count(),
        repeat_spend=total(history.repeat_spend),
        repeat_spend_squared=total(history.repeat_spend * history.repeat_spend, 4),
        later_purchases=history.later_purchases.sum().cast("int64"),
    )
    frame = shop.count(cells.order_by(*_KEYS))
    repeaters = int(frame.loc[frame["frequency"] > 0, "customers"].sum())
    if repeaters < FEWEST_REPEATERS:
        raise NotEnoughData(
            _(
                "Only {n} customers have bought on a second day; a purchase model needs {least}. Come back with a"
                " longer log."
            ).format(n=number(repeaters), least=FEWEST_REPEATERS)
        )
    if (days := int(frame["T_days"].max())) < 7 * FEWEST_WEEKS:
        raise NotEnoughData(
            _("The log covers {days} days; a purchase model needs {least} weeks.").format(
                days=number(days), least=FEWEST_WEEKS
            )
        )
    return frame.assign(recency_weeks=frame["recency_days"] / 7, T_weeks=frame["T_days"] / 7)


def count_value_cells(shop: Shop, until: dt.date | None = None) -> pd.DataFrame:
    """How many repeat customers spend alike: cells for Gamma–Gamma.

    Returns:
        One row per frequency (≥ 1) and bin, 0.01 wide, of the log of a customer's mean repeat value: customers, and
        log_mean_value, the mean of that log over them. Customers whose repeat purchases cost nothing are left out.
    """
    history = measures.purchase_history(shop, until)
    repeaters = history.filter(history.frequency > 0, history.repeat_spend > 0)
    repeaters = repeaters.mutate(log_mean=(repeaters.repeat_spend / repeaters.frequency).ln())
    repeaters = repeaters.mutate(bin=(repeaters.log_mean * 100).floor().cast("int64"))
    cells = repeaters.group_by("frequency", "bin").aggregate(
        customers=repeaters.count(), log_mean_value=repeaters.log_mean.mean().round(12)
    )
    return shop.count(cells.order_by("frequency", "bin"))


# --- reason ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Forecast:
    """What the customers seen so far will do in the coming weeks."""

    cells: pd.DataFrame
    """The cells with, per customer: p_alive, expected_orders, orders_log_error (standard error of its logarithm),
    discounted_orders; and of money spent per unit of (v + repeat spend): spend_low, spend_high, spend_variance."""
    purchases: Fit
    value: Fit
    horizon_weeks: int
    margin: float
    totals: pd.DataFrame
    """One row each for `orders`, `spend` and `cltv` of all customers: measure, value, low, high (95 %: parameters and
    chance)."""

    def total(self, measure: str) -> tuple[float, float, float]:
        """Value, low and high of one measure."""
        row = self.totals.set_index("measure").loc[measure]
        return float(row["value"]), float(row["low"]), float(row["high"])


def _value_factor(value: Floats, frequency: Floats) -> Floats:
    """Expected money per purchase for each unit of (v + repeat spend): p / (p·x + q − 1), note 25, eq. 5."""
    p, q, _v = value
    return np.asarray(p / (p * frequency + q - 1), float)


def discounted_orders(
    fit: Fit, cells: pd.DataFrame, horizon_weeks: float, yearly_discount_rate: float, *, values: Floats | None = None
) -> Floats:
    """The expected purchases of each cell's customer, each counted at what it is worth today.

    A purchase is discounted to the end of its month (a twelfth of a year; the last one may be shorter). Exactly
    Σ (E[X(t_k)] − E[X(t_k−1)]) / (1 + yearly rate)^(t_k / year).
    """
    month = WEEKS_A_YEAR / 12
    ends = np.append(np.arange(month, horizon_weeks - 1e-9, month), horizon_weeks)
    so_far = np.zeros(len(cells))
    worth = np.zeros(len(cells))
    for end in ends:
        by_then = expected_orders(fit, cells, float(end), values=values)
        worth += (by_then - so_far) / (1 + yearly_discount_rate) ** (end / WEEKS_A_YEAR)
        so_far = by_then
    return worth


def _slopes(compute: Any, values: Floats, step: float = 1e-4) -> Floats:
    """Derivatives of an array by the logarithms of the parameters (last axis), by central differences."""
    return np.stack(
        [(compute(values * np.exp(d)) - compute(values * np.exp(-d))) / (2 * step) for d in step * np.eye(len(values))],
        axis=-1,
    )


def _spread_of_spend(
    cells: pd.DataFrame, purchases: Fit, value: Fit, horizon_weeks: float, rng: np.random.Generator
) -> pd.DataFrame:
    """Quantiles and variances of what one customer of each cell will do, by random futures.

    Given X purchases to come, a customer's spend is Gamma(p·X) / ν with ν ~ Gamma(p·x + q) / (v + repeat spend): the
    history of money only scales it, so a cell's quantiles hold for all its customers.
    """
    p, q, _v = value.values
    pieces = []
    for start in range(0, len(cells), 5000):
        part = cells.iloc[start : start + 5000]
        orders = draw_orders(purchases, part, horizon_weeks, DRAWS, rng)
        posterior = rng.gamma((p * part["frequency"].to_numpy() + q)[:, None], 1.0, orders.shape)
        spend = rng.gamma(np.where(orders > 0, p * orders, 1.0)) * (orders > 0) / posterior
        low, high = np.quantile(spend, [0.025, 0.975], axis=1)
        pieces.append(
            pd.DataFrame(
                {
                    "orders_variance": orders.var(axis=1, ddof=1),
                    "spend_low": low,
                    "spend_high": high,
                    "spend_variance": spend.var(axis=1, ddof=1),
                },
                index=part.index,
            )
        )
    return pd.concat(pieces)


def forecast(
    cells: pd.DataFrame,
    purchases: Fit,
    value: Fit,
    *,
    horizon_weeks: int,
    yearly_discount_rate: float,
    margin: float,
    rng: np.random.Generator,
) -> Forecast:
    """What every kind of customer, and all of them together, will bring in the coming weeks.

    Args:
        cells: of `count_cells`.
        purchases: fit of a purchase model to them.
        value: Gamma–Gamma fit.
        horizon_weeks: how far ahead.
        yearly_discount_rate: 0–1; what money a year away loses.
        margin: share (0–1) of an order's amount that is profit.
        rng: of the random futures behind the predictive intervals.

    Raises:
        NotEnoughData: the money model is not identified or gives no finite mean.
    """
    if purchases.status != "converged":
        raise NotEnoughData(
            _(
                "The orders of these {n} customers do not tell how fast customers leave (drop-out is not identified): a"
                " forecast would be of any size. Another `model` may do."
            ).format(n=number(purchases.customers))
        )
    _p, q, v = value.values
    if value.status != "converged" or q <= 1:
        raise NotEnoughData(
            _("The {n} customers who came back spend too alike, or too wildly, for a model of money per order.").format(
                n=number(value.customers)
            )
        )
    frequency = cells["frequency"].to_numpy(float)
    orders = expected_orders(purchases, cells, horizon_weeks)

    def log_orders(values: Floats) -> Floats:
        return np.log(expected_orders(purchases, cells, horizon_weeks, values=values))

    slopes = _slopes(log_orders, purchases.values)
    scored = cells.assign(
        p_alive=probability_alive(purchases, cells),
        expected_orders=orders,
        orders_log_error=np.sqrt(np.einsum("ci,ij,cj->c", slopes, purchases.covariance, slopes)),
        discounted_orders=discounted_orders(purchases, cells, horizon_weeks, yearly_discount_rate),
    ).join(_spread_of_spend(cells, purchases, value, horizon_weeks, rng))

    customers = cells["customers"].to_numpy(float)
    repeat_spend = cells["repeat_spend"].to_numpy(float)
    squared = cells["repeat_spend_squared"].to_numpy(float)
    noise_of_spend = scored["spend_variance"].to_numpy() @ (customers * v**2 + 2 * v * repeat_spend + squared)

    def total_row(measure: str, by_orders: Any, by_value: Any, noise: float) -> dict[str, Any]:
        total = float(by_orders(purchases.values))
        g = _slopes(by_orders, purchases.values)
        h = _slopes(by_value, value.values)
        error = np.sqrt(g @ purchases.covariance @ g + h @ value.covariance @ h + noise)
        return {"measure": measure, "value": total, "low": max(total - _Z * error, 0.0), "high": total + _Z * error}

    def spend(orders_per_customer: Floats, values: Floats) -> float:
        per_unit = orders_per_customer * _value_factor(values, frequency)
        return float(per_unit @ (customers * values[2] + repeat_spend))

    def discounted(values: Floats) -> Floats:
        return discounted_orders(purchases, cells, horizon_weeks, yearly_discount_rate, values=values)

    worth = scored["discounted_orders"].to_numpy()
    totals = [
        total_row(
            "orders",
            lambda t: customers @ expected_orders(purchases, cells, horizon_weeks, values=t),
            lambda t: 0.0,
            float(customers @ scored["orders_variance"].to_numpy()),
        ),
        total_row(
            "spend",
            lambda t: spend(expected_orders(purchases, cells, horizon_weeks, values=t), value.values),
            lambda t: spend(orders, t),
            float(noise_of_spend),
        ),
        total_row(
            "cltv",
            lambda t: margin * spend(discounted(t), value.values),
            lambda t: margin * spend(worth, t),
            float(margin**2 * noise_of_spend),
        ),
    ]
    return Forecast(scored, purchases, value, horizon_weeks, margin, pd.DataFrame(totals))


@dataclass(frozen=True)
class Holdout:
    """What the model, had it been fitted earlier, would have said of the weeks that followed."""

    purchases: Fit
    """Fitted to the purchases up to `split`."""
    split: dt.date
    """The last day the fit has seen."""
    weeks: float
    predicted: float
    """Purchases in the weeks after `split` of the customers known by then."""
    low: float
    high: float
    actual: int
    by_frequency: pd.DataFrame
    """frequency (`0` … `7+`), customers; predicted, low, high and actual purchases per customer."""
    by_week: pd.DataFrame
    """week (1 = the first), actual (cumulative repeat purchases), expected, low, high (from `split` on)."""

    @property
    def missed(self) -> bool:
        """Whether what happened lies outside the 95 % interval: a bias beyond chance."""
        return not self.low <= self.actual <= self.high

    @property
    def bias(self) -> float:
        """(predicted − actual) / actual: +0.1 is ten in a hundred too many."""
        return self.predicted / self.actual - 1 if self.actual else float("nan")


def _predicted(
    fit: Fit, cells: pd.DataFrame, weeks: float, groups: NDArray[Any], rng: np.random.Generator
) -> pd.DataFrame:
    """Purchases to come, summed by group of cells: group (index), predicted, low, high (parameters and chance)."""
    customers = cells["customers"].to_numpy(float)
    names = pd.unique(groups)
    member = (groups[None, :] == names[:, None]) * customers
    variance = np.concatenate(
        [
            draw_orders(fit, cells.iloc[at : at + 5000], weeks, DRAWS // 5, rng).var(axis=1, ddof=1)
            for at in range(0, len(cells), 5000)
        ]
    )
    predicted = member @ expected_orders(fit, cells, weeks)
    slopes = _slopes(lambda values: member @ expected_orders(fit, cells, weeks, values=values), fit.values)
    error = np.sqrt(np.einsum("gi,ij,gj->g", slopes, fit.covariance, slopes) + member @ variance)
    low = np.maximum(predicted - _Z * error, 0)
    return pd.DataFrame({"predicted": predicted, "low": low, "high": predicted + _Z * error}, index=names)


def _count_repeats_by_week(shop: Shop, split: dt.date) -> pd.DataFrame:
    """Repeat purchases by week since the first purchase of all, of the customers known at `split`: week, purchases."""
    known = measures.purchase_history(shop, split)
    days = measures.purchase_days(shop)
    repeats = days.join(known.select("customer_id", "first_day"), "customer_id")
    repeats = repeats.filter(repeats.day > repeats.first_day)
    start = known.aggregate(start=known.first_day.min())
    repeats = repeats.cross_join(start)
    repeats = repeats.mutate(week=repeats.day.delta(repeats.start, unit="day").cast("int64") // 7 + 1)
    return shop.count(repeats.group_by("week").aggregate(purchases=repeats.count()).order_by("week"))


def _track(shop: Shop, fit: Fit, cells: pd.DataFrame, split: dt.date, rng: np.random.Generator) -> pd.DataFrame:
    repeats = _count_repeats_by_week(shop, split).set_index("week")["purchases"]
    seen_days = int(cells["T_days"].max())
    all_days = seen_days + (shop.as_of - split).days
    weeks = np.arange(1, (all_days + 1) // 7 + 1)
    actual = repeats.reindex(weeks, fill_value=0).cumsum().to_numpy()
    joined = cells.groupby("T_days")["customers"].sum()
    after_first = np.maximum((7 * weeks[:, None] - 1 - (seen_days - joined.index.to_numpy())[None, :]) / 7, 0)
    expected = expected_orders_of_new(fit, after_first) @ joined.to_numpy(float)
    frame = pd.DataFrame({"week": weeks, "actual": actual, "expected": expected, "low": np.nan, "high": np.nan})
    so_far = float(cells["customers"] @ cells["frequency"])
    ahead = weeks[7 * weeks - 1 > seen_days]
    asked = ahead[np.unique(np.linspace(0, len(ahead) - 1, 8).astype(int))]
    told = pd.concat(
        [_predicted(fit, cells, (7 * week - 1 - seen_days) / 7, np.zeros(len(cells)), rng) for week in asked]
    )
    for column, target in (("predicted", "expected"), ("low", "low"), ("high", "high")):
        frame.loc[frame["week"].isin(ahead), target] = so_far + np.interp(ahead, asked, told[column])
    return frame


def holdout_test(
    shop: Shop, *, model: Model, horizon_weeks: int, holdout_weeks: int, rng: np.random.Generator
) -> Holdout:
    """Fit to the earlier part of the log, foretell the later part, and compare.

    Args:
        shop: the company.
        model: which purchase model.
        horizon_weeks: the horizon of the forecast that is being tested.
        holdout_weeks: how many weeks to keep back; 0: as many as the horizon, at most half of the log.
        rng: of the random futures behind the intervals.

    Raises:
        NotEnoughData: too little is left to fit.
    """
    all_weeks = int(count_cells(shop)["T_days"].max()) / 7
    kept_back = int(holdout_weeks or min(horizon_weeks, all_weeks // 2))
    split = shop.as_of - dt.timedelta(weeks=kept_back)
    cells = count_cells(shop, until=split)
    fit = fit_purchases(cells, model)
    if fit.status != "converged":
        raise NotEnoughData(
            _(
                "The orders up to {day} do not tell how fast customers leave (drop-out is not identified), so the"
                " forecast cannot be tested. Another `holdout_weeks` or `model` may do."
            ).format(day=day(split))
        )
    groups = np.where(cells["frequency"] < 7, cells["frequency"].astype(str), "7+")
    customers = cells.groupby(groups)["customers"].sum()
    by_frequency = _predicted(fit, cells, kept_back, groups, rng).div(customers, axis=0)
    by_frequency["actual"] = cells.groupby(groups)["later_purchases"].sum() / customers
    by_frequency.insert(0, "customers", customers)
    told = _predicted(fit, cells, kept_back, np.zeros(len(cells)), rng).iloc[0]
    return Holdout(
        purchases=fit,
        split=split,
        weeks=kept_back,
        predicted=float(told["predicted"]),
        low=float(told["low"]),
        high=float(told["high"]),
        actual=int(cells["later_purchases"].sum()),
        by_frequency=by_frequency.rename_axis("frequency").sort_index().reset_index(),
        by_week=_track(shop, fit, cells, split, rng),
    )


def fits_table(full: Fit, calibration: Fit, value: Fit) -> pd.DataFrame:
    """The table `model_fits`: every parameter of the three fits with its interval."""
    parts = [
        fit.table().assign(
            model=fit.model,
            fit=name,
            log_likelihood=fit.log_likelihood,
            customers=fit.customers,
            unit="money" if fit.model == "gamma_gamma" else "weeks",
            status=fit.status,
        )
        for fit, name in ((full, "full"), (calibration, "calibration"), (value, "full"))
    ]
    columns = ["model", "fit", "parameter", "value", "low", "high", "log_likelihood", "customers", "unit", "status"]
    return pd.concat(parts, ignore_index=True)[columns]


# --- apply -----------------------------------------------------------------------------------------------------------


def customer_values(shop: Shop, told: Forecast) -> ir.Table:
    """The table `customer_value`, one row per customer, as an expression for the engine to write.

    Recency and T are in weeks, money in the source's currency. `expected_low` and `expected_high` bound expected_value
    by the parameters' uncertainty; `cltv_low` and `cltv_high` bound what this customer will really bring.
    """
    return _value_rows(shop, told).drop("spend_variance", "scale").order_by("customer_id")


def _value_rows(shop: Shop, told: Forecast) -> ir.Table:
    p, q, v = (float(value) for value in told.value.values)
    columns = [
        *_KEYS, "p_alive", "expected_orders", "orders_log_error", "discounted_orders", "spend_low", "spend_high",
        "spend_variance",
    ]  # fmt: skip
    scores = ibis.memtable(told.cells[columns])
    history = measures.purchase_history(shop).drop("later_purchases")
    rows = history.join(scores, list(_KEYS))
    scale = rows.repeat_spend + v
    per_order = scale * p / (rows.frequency * p + (q - 1))
    # log value per order = log p + log(v + s) − log(p·x + q − 1), by log p, log q and log v
    slopes = (1 - rows.frequency * p / (rows.frequency * p + (q - 1)), -q / (rows.frequency * p + (q - 1)), v / scale)
    variance = rows.orders_log_error * rows.orders_log_error
    for i, left in enumerate(slopes):
        for j, right in enumerate(slopes):
            variance = variance + left * right * float(told.value.covariance[i, j])
    expected = rows.expected_orders * per_order
    return rows.select(
        "customer_id",
        "frequency",
        recency=rows.recency_days / 7,
        T=rows.T_days / 7,
        p_alive=rows.p_alive,
        expected_orders=rows.expected_orders,
        expected_value=expected,
        expected_low=expected * (variance.sqrt() * -_Z).exp(),
        expected_high=expected * (variance.sqrt() * _Z).exp(),
        cltv=rows.discounted_orders * per_order * told.margin,
        cltv_low=rows.spend_low * scale * told.margin,
        cltv_high=rows.spend_high * scale * told.margin,
        spend_variance=rows.spend_variance,
        scale=scale,
    )


def value_by_tenth(shop: Shop, told: Forecast) -> pd.DataFrame:
    """Customers in ten groups of equal size, the most valuable first.

    Returns:
        tenth (1–10), customers, cltv; share of all customers' cltv, with low and high: where the share will lie by
        chance, the parameters being what they are (95 %).
    """
    values = _value_rows(shop, told).select("customer_id", "cltv", "spend_variance", "scale")
    order = ibis.window(order_by=[values.cltv.desc(), values.customer_id])
    ranked = values.mutate(tenth=ibis.ntile(10).over(order) + 1)
    tenths = ranked.group_by("tenth").aggregate(
        customers=ranked.count(),
        cltv=total(ranked.cltv),
        variance=total(ranked.spend_variance * ranked.scale * ranked.scale) * told.margin**2,
    )
    frame: pd.DataFrame = shop.count(tenths.order_by("tenth"))
    variance = frame.pop("variance")
    share = frame["cltv"] / frame["cltv"].sum()
    rest = variance.sum() - variance
    error = np.sqrt((1 - share) ** 2 * variance + share**2 * rest) / frame["cltv"].sum()
    return frame.assign(share=share, low=(share - _Z * error).clip(lower=0), high=(share + _Z * error).clip(upper=1))


# --- decide ----------------------------------------------------------------------------------------------------------


def decide(told: Forecast, tested: Holdout, tenths: pd.DataFrame, currency: str) -> Decision:
    """The answer of the notebook: who matters, what all are worth a week, and how the forecast did when tested."""
    value, low, high = (x / told.horizon_weeks for x in told.total("cltv"))
    if tested.missed:
        # The model's own interval knows nothing of the model's being wrong: it is stretched to where it would lie had
        # the coming weeks the error of the tested ones.
        low, high = min(low, low / (1 + tested.bias)), max(high, high / (1 + tested.bias))
    top = tenths.iloc[0]
    facts = {
        "predicted": interval(tested.predicted, tested.low, tested.high),
        "actual": number(tested.actual),
        "weeks": number(tested.weeks),
        "bias": percent(abs(tested.bias)),
    }
    if not tested.missed:
        test = _(
            "Tested on the last {weeks} weeks, the model said {predicted} repeat purchases; {actual} happened."
        ).format(**facts)
    elif tested.bias < 0:
        test = _(
            "Likely too low: tested on the last {weeks} weeks, the model said {predicted} repeat purchases and {actual}"
            " happened, {bias} fewer than came. The interval here is stretched by that error."
        ).format(**facts)
    else:
        test = _(
            "Likely too high: tested on the last {weeks} weeks, the model said {predicted} repeat purchases and"
            " {actual} happened, {bias} more than came. The interval here is stretched by that error."
        ).format(**facts)
    return Decision(
        stage="cltv",
        question=_("What will each customer be worth, and how sure are we?"),
        outcome="do",
        action=_("Look after the {n} customers of the top tenth first: they hold {share} of what is to come").format(
            n=number(top["customers"]), share=percent(top["share"])
        ),
        text=_(
            "The amount is what all {n} customers seen so far are expected to bring a week before the cost of messages,"
            " on average {per_customer} each in {weeks} weeks; not what a message would add. The share of the top tenth"
            " should come out between {low} and {high}."
        ).format(
            n=number(told.purchases.customers),
            per_customer=money(told.total("cltv")[0] / told.purchases.customers, currency),
            weeks=number(told.horizon_weeks),
            low=percent(top["low"]),
            high=percent(top["high"]),
        ),
        caveat=test,
        evidence="none",
        customers=told.purchases.customers,
        value=value,
        low=low,
        high=high,
        unit="money_per_week",
        kind="forecast",
    )
