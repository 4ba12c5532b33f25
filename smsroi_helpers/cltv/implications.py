"""Results of the forecast: value by segment, new customers by channel, churn, and the value of retention."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from smsroi_helpers import measures
from smsroi_helpers.cltv.counts import FEWEST_REPEATERS, count_groups, histories
from smsroi_helpers.cltv.customer_value import value_rows
from smsroi_helpers.cltv.fitting import Fit, fit_purchases, fit_value
from smsroi_helpers.cltv.forecast import (
    KEYS,
    WEEKS_A_YEAR,
    Forecast,
    Z,
    add_up,
    expected_and_discounted_if_alive,
    month_ends,
    value_factor,
)
from smsroi_helpers.cltv.likelihoods import Model
from smsroi_helpers.cltv.predictions import expected_orders_of_new, probability_alive, survival_of_pairs
from smsroi_helpers.engine import total
from smsroi_helpers.segmentation import resolve
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import Floats

__all__ = [
    "OTHERS",
    "NoValue",
    "at_risk",
    "churn_warnings",
    "count_channels",
    "count_segments",
    "gains",
    "new_customers",
    "points_add_up",
]

UNKNOWN = "unknown"
OTHERS = "all others"
"""The name for the smallest segments together, where there are more than `MOST_SEGMENTS`."""
NoValue = Literal["", "few_repeaters", "no_amounts", "unlike_orders"]
"""Why the value of a channel's new customers is unknown; empty where it is known."""
MOST_SEGMENTS = 30
"""Groups that a page shows at most; beyond, the smallest are combined."""


# --- segments --------------------------------------------------------------------------------------------------------


def count_segments(shop: Shop, segment_by: str) -> pd.DataFrame:
    """Count the customers of each cell in each segment, in the form that `add_up` takes.

    Args:
        shop: the company.
        segment_by: a value that `segmentation.resolve` accepts.

    Raises:
        UsageError: `segment_by` names no segmentation.
    """
    return _count_members(shop, resolve(shop, segment_by).at())


def count_channels(shop: Shop) -> pd.DataFrame | None:
    """`count_segments` by acquisition channel; None if the source has no such column."""
    channels = _channels(shop)
    return None if channels is None else _count_members(shop, channels)


def _channels(shop: Shop) -> ir.Table | None:
    """customer_id and segment, the acquisition channel (`unknown` if empty)."""
    if not shop.has("customers", "acquisition_channel"):
        return None
    channel = shop.customers.acquisition_channel.fill_null(UNKNOWN)
    # `all` is the name of the row for all customers.
    return shop.customers.select("customer_id", segment=ibis.ifelse(channel == "all", "“all”", channel))


def _count_members(shop: Shop, named: ir.Table) -> pd.DataFrame:
    named = named.select(known="customer_id", group="segment")
    history = histories(shop)
    placed = history.left_join(named, history.customer_id == named.known)
    rows = placed.select("customer_id", *KEYS, "repeat_spend", group=placed.group.fill_null(UNKNOWN))
    members = count_groups(shop, rows)
    by_size = members.groupby("group")["customers"].sum().sort_values(ascending=False, kind="stable")
    small = by_size.index[MOST_SEGMENTS - 1 :] if len(by_size) > MOST_SEGMENTS else []
    return members.assign(group=members["group"].where(~members["group"].isin(small), OTHERS))


# --- value of retention and of frequency -----------------------------------------------------------------------------


def gains(forecast: Forecast, members: pd.DataFrame | None = None) -> pd.DataFrame:
    """The value of one more point of retention and of one more order a year, by segment and in all.

    One more point of retention: of 100 customers who are alive today, one more is alive at the end of the horizon,
    because the parameter of drop-out is lower for all by the same factor. One more order a year: every customer, while
    alive, orders once a year more than predicted. Both are hypothetical, not effects of a known measure.

    Args:
        forecast: the forecast.
        members: the result of `count_segments`; None for the row `all` alone.

    Returns:
        group, customers, retained (share of customers alive today who are alive at the end of the horizon), point and
        order (money over the horizon), each with low and high (95 %, parameters alone).
    """
    everybody = forecast.cells.assign(group="all")
    members = everybody if members is None else pd.concat([members, everybody], ignore_index=True)
    at = forecast.places_of(members)
    groups = [*[name for name in pd.unique(members["group"]) if name != "all"], "all"]
    codes = members["group"].map({name: i for i, name in enumerate(groups)}).to_numpy()
    n, spent, frequency = (members[name].to_numpy(float) for name in ("customers", "repeat_spend", "frequency"))

    def by_group(amounts: Floats) -> csr_array:
        """The matrix that adds up amounts of a cell, groups × cells."""
        return csr_array((amounts, (codes, at)), (len(groups), len(forecast.cells)))

    def money(values: Floats) -> csr_array:
        return by_group(forecast.margin * value_factor(values, frequency) * (n * values[2] + spent))

    people = by_group(n)
    orders_by, value_by = forecast.purchases.predicting, forecast.value.predicting
    at_estimate, of_estimate = _what_if(forecast, orders_by), money(value_by)

    def compute(effects: Effects, of_group: csr_array) -> Floats:
        alive, stay, more_stay, more_orders, years = effects
        today, stays, more = (people @ np.stack([alive, alive * stay, alive * more_stay], axis=1)).T
        of_orders, of_years = (of_group @ np.stack([alive * more_orders, alive * years], axis=1)).T
        return np.stack([stays / today, 0.01 * of_orders * today / more, of_years])

    centre = compute(at_estimate, of_estimate)
    deviations = np.concatenate(
        [
            forecast.purchases.deviations(lambda values: compute(_what_if(forecast, values), of_estimate)),
            forecast.value.deviations(lambda values: compute(at_estimate, money(values))),
        ],
        axis=-1,
    )
    half_width = Z * np.sqrt(np.square(deviations).sum(axis=-1))
    table = pd.DataFrame({"group": groups, "customers": people.sum(axis=1)})
    for row, (name, most) in enumerate((("retained", 1.0), ("point", np.inf), ("order", np.inf))):
        table[name] = centre[row]
        table[f"{name}_low"] = np.maximum(centre[row] - half_width[row], 0)
        table[f"{name}_high"] = np.minimum(centre[row] + half_width[row], most)
    return table


Effects = tuple[Floats, Floats, Floats, Floats, Floats]


def _what_if(forecast: Forecast, values: Floats) -> Effects:
    """For a customer of each cell: P(alive); the probability, if alive, of being alive at the end; minus derivatives
    of that probability and of the discounted purchases by the logarithm of the drop-out parameter (a, or s under
    Pareto/NBD); the expected discounted years as a customer, if alive.
    """
    fit, cells, ends = forecast.purchases, forecast.histories, month_ends(forecast.horizon_weeks)
    step = 0.02
    lower, higher = values.copy(), values.copy()
    lower[2] *= np.exp(-step)
    higher[2] *= np.exp(step)

    def discounted(at: Floats) -> Floats:
        horizon, discount_rate = forecast.horizon_weeks, forecast.yearly_discount_rate
        return expected_and_discounted_if_alive(fit.model, cells, horizon, discount_rate, at)[1]

    still = survival_of_pairs(fit, cells, ends, values=values)
    still = np.column_stack([np.ones(len(still)), still])
    stay_lower, stay_higher = (survival_of_pairs(fit, cells, ends[-1:], values=at)[:, 0] for at in (lower, higher))
    months = np.diff(ends, prepend=0.0) / WEEKS_A_YEAR
    discounts = (1 + forecast.yearly_discount_rate) ** (-np.array(ends) / WEEKS_A_YEAR)
    years = (still[:, 1:] + still[:, :-1]) / 2 @ (months * discounts)
    alive = probability_alive(fit, cells, values=values)
    more_stay = (stay_lower - stay_higher) / (2 * step)
    more_orders = (discounted(lower) - discounted(higher)) / (2 * step)
    place = cells.pairs[2]
    return alive, still[:, -1][place], more_stay[place], more_orders, years[place]


# --- churn -----------------------------------------------------------------------------------------------------------


def _forecast_at_risk(forecast: Forecast) -> Forecast:
    """The forecast with discounted_orders replaced by the expected loss: those if alive, times 1 − P(alive)."""
    fit, cell_histories = forecast.purchases, forecast.histories

    def lost(values: Floats) -> Floats:
        horizon, discount_rate = forecast.horizon_weeks, forecast.yearly_discount_rate
        discounted = expected_and_discounted_if_alive(fit.model, cell_histories, horizon, discount_rate, values)[1]
        return discounted * (1 - probability_alive(fit, cell_histories, values=values))

    cells = forecast.cells.assign(discounted_orders=lost(fit.predicting), spend_variance=0.0)
    return replace(forecast, cells=cells, discounted_deviations=fit.deviations(lost))


def churn_warnings(shop: Shop, forecast: Forecast, alive_below: float) -> ir.Table:
    """The table `churn_warnings`: customers with a P(alive) below a threshold, as an expression for the engine.

    Args:
        shop: the company.
        forecast: a forecast by MBG/NBD or Pareto/NBD; under BG/NBD the P(alive) of every one-time buyer is 1.
        alive_below: the P(alive) (0–1) below which a customer is on the list.

    Returns:
        customer_id, p_alive, silent_weeks (since the last purchase), frequency, value_at_risk: the
        customer's value over the horizon if alive, times 1 − P(alive); the highest first. Null where the value of a
        purchase is not known; then those with the most purchases at risk first. horizon_weeks: of the value.

    Raises:
        ValueError: the forecast is by BG/NBD.
    """
    if forecast.purchases.model == "bg_nbd":
        raise ValueError("P(alive) of bg_nbd is 1 for every one-time buyer; use mbg_nbd or pareto_nbd")
    rows = value_rows(shop, _forecast_at_risk(forecast))
    rows = rows.filter(rows.p_alive < alive_below)
    rows = rows.order_by(rows["cltv" if forecast.knows_value else "discounted_orders"].desc(), rows.customer_id)
    return rows.select(
        "customer_id",
        "p_alive",
        silent_weeks=(rows.T_days - rows.recency_days) / 7,
        frequency=rows.frequency,
        value_at_risk=rows.cltv,
        horizon_weeks=ibis.literal(forecast.horizon_weeks, "int64"),
    )


def at_risk(forecast: Forecast, alive_below: float) -> pd.DataFrame:
    """Count the customers on the list of `churn_warnings`, and their value at risk.

    Returns:
        group (`once`, `again`: one-time and repeat buyers), customers (on the list); gone, gone_low, gone_high (the
        number of them expected to have left); value, low, high (money at risk; 95 %, parameters alone; NaN where the
        value of a purchase is not known).
    """
    places = np.flatnonzero(forecast.cells["p_alive"] < alive_below)
    listed = forecast.cells.iloc[places]
    members = listed.assign(group=np.where(listed["frequency"] == 0, "once", "again"))
    risk = add_up(_forecast_at_risk(forecast), "cltv", members).table()
    fit = forecast.purchases
    n = members["customers"].to_numpy(float)
    rows = []
    for group in ("once", "again"):
        here = (members["group"] == group).to_numpy()
        if not here.any():
            rows.append({"group": group, "customers": 0, **dict.fromkeys(("gone", "gone_low", "gone_high"), 0.0)})
            continue

        def gone(values: Floats, here: Any = here) -> float:
            return float(n[here] @ (1 - probability_alive(fit, forecast.histories, values=values)[places[here]]))

        alive = probability_alive(fit, forecast.histories)[places[here]]
        half_width = Z * np.sqrt(np.square(fit.deviations(gone)).sum() + n[here] @ (alive * (1 - alive)))
        expected = gone(fit.predicting)
        people = int(n[here].sum())
        low, high = max(expected - half_width, 0.0), min(expected + half_width, people)
        rows.append({"group": group, "customers": people, "gone": expected, "gone_low": low, "gone_high": high})
    table = pd.DataFrame(rows).merge(risk.drop(columns="customers"), on="group", how="left")
    table.loc[table["customers"] == 0, ["value", "low", "high"]] = 0.0
    return table


# --- new customers ---------------------------------------------------------------------------------------------------


def new_customers(
    shop: Shop,
    *,
    model: Model,
    horizon_weeks: int,
    yearly_discount_rate: float,
) -> pd.DataFrame:
    """The value of a new customer from the first purchase on, by channel, compared with the acquisition cost (CAC).

    Each channel, and the row `all`, has fits of its own. A channel with fewer than 30 repeat customers has no value,
    and a reason. Without channels in the source there is only the row `all`.

    Args:
        shop: the company.
        model: the purchase model.
        horizon_weeks: horizon of the value, from the first purchase.
        yearly_discount_rate: 0–1.

    Returns:
        group, customers; value, low, high (margin × spend on the first and the discounted later purchases; 95 %, of the
        mean); cac, cac_low, cac_high; cac_known (customers with a known cost); net, net_low, net_high (value − CAC);
        repeaters (repeat customers); reason (why there is no value: `NoValue`).
    """
    history = histories(shop)
    channels = _channels(shop)
    if channels is None:
        rows = history.mutate(group=ibis.literal(UNKNOWN))
    else:
        named = channels.select(known="customer_id", group="segment")
        rows = history.left_join(named, history.customer_id == named.known).drop("known")
        rows = rows.mutate(group=rows.group.fill_null(UNKNOWN))
    if shop.has("customers", "acquisition_cost"):
        costs = shop.customers.select(known="customer_id", cost="acquisition_cost")
        rows = rows.left_join(costs, rows.customer_id == costs.known).drop("known")
    else:
        rows = rows.mutate(cost=ibis.null("float64"))
    cells, money, first = _count_channels(shop, rows, by_channel=channels is not None)
    options: dict[str, Any] = {"horizon_weeks": horizon_weeks, "yearly_discount_rate": yearly_discount_rate}
    names = [*sorted(name for name in first["group"] if name != "all"), "all"]
    profit = measures.profit_share(shop)
    table = [
        _new_customer(
            row,
            partial(fit_purchases, cells[cells["group"] == name], model, shop.recall),
            money[money["group"] == name],
            profit,
            **options,
        )
        for name in names
        for row in first[first["group"] == name].to_dict("records")
    ]
    return pd.DataFrame(table)


def _count_channels(shop: Shop, rows: ir.Table, by_channel: bool) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """By group: the cells of purchases, the cells of money, and the moments of first purchases and of costs.

    The groups are `all` and, `by_channel`, the channels, of which it is the sum.
    """
    cells = shop.count(rows.group_by("group", *KEYS).aggregate(customers=rows.count()).order_by("group", *KEYS))
    again = rows.filter(rows.frequency > 0, rows.repeat_spend > 0)
    again = again.mutate(log_mean=(again.repeat_spend / again.frequency).ln())
    again = again.mutate(bin=(again.log_mean * 100).floor().cast("int64"))
    money = again.group_by("group", "frequency", "bin").aggregate(
        customers=again.count(), log_mean_value=again.log_mean.mean().round(12)
    )
    sums = rows.group_by("group").aggregate(
        customers=rows.count(),
        repeaters=rows.count(where=rows.frequency > 0),
        first=total(rows.first_spend),
        first_squared=total(rows.first_spend * rows.first_spend, 4),
        cac_known=rows.cost.count(),
        cost=total(rows.cost).fill_null(0.0),
        cost_squared=total(rows.cost * rows.cost, 4).fill_null(0.0),
    )
    bins, first = shop.count(money.order_by("group", "frequency", "bin")), shop.count(sums.order_by("group"))
    summed = bins.assign(log_mean_value=bins["log_mean_value"] * bins["customers"])
    summed = summed.groupby(["frequency", "bin"], as_index=False)[["customers", "log_mean_value"]].sum()
    all_bins = summed.assign(log_mean_value=summed["log_mean_value"] / summed["customers"])
    everybody = (
        cells.groupby(list(KEYS), as_index=False)["customers"].sum(),
        all_bins,
        first.drop(columns="group").sum().to_frame().T,
    )
    cells, bins, first = (
        pd.concat([*([by_group] if by_channel else []), of_all.assign(group="all")], ignore_index=True)
        for by_group, of_all in zip((cells, bins, first), everybody, strict=True)
    )
    cells = cells.assign(recency_weeks=cells["recency_days"] / 7, T_weeks=cells["T_days"] / 7)
    return cells, bins, first


def _mean_and_error(count: float, amount: float, squared: float) -> tuple[float, float]:
    if count < 2:
        return (amount if count else float("nan")), float("nan")
    mean = amount / count
    return mean, float(np.sqrt(max(squared / count - mean**2, 0.0) / (count - 1)))


def _new_customer(
    row: dict[Any, Any],
    fit_orders: Callable[[], Fit],
    money: pd.DataFrame,
    profit: measures.ProfitShare,
    *,
    horizon_weeks: int,
    yearly_discount_rate: float,
) -> dict[str, Any]:
    cac, cac_error = _mean_and_error(row["cac_known"], row["cost"], row["cost_squared"])
    found = {"group": row["group"], "customers": int(row["customers"]), "cac_known": int(row["cac_known"])}
    found["repeaters"] = int(row["repeaters"])
    found |= {"cac": cac, "cac_low": max(cac - Z * cac_error, 0.0), "cac_high": cac + Z * cac_error}
    reason: NoValue = ""
    if row["repeaters"] < FEWEST_REPEATERS:
        reason = "few_repeaters"
    elif money.empty:
        reason = "no_amounts"
    else:
        purchases, value = fit_orders(), fit_value(money)
        if value.predicting[1] <= 1:
            reason = "unlike_orders"
    if reason:
        nothing = dict.fromkeys(("value", "low", "high", "net", "net_low", "net_high"), float("nan"))
        return {**found, **nothing, "reason": reason}
    first, first_error = _mean_and_error(row["customers"], row["first"], row["first_squared"])

    def later(orders_by: Floats, value_by: Floats) -> float:
        discounted = discounted_orders_of_new(purchases, horizon_weeks, yearly_discount_rate, orders_by)
        return float(discounted * value_factor(value_by, np.zeros(1))[0] * value_by[2])

    orders_by, value_by = purchases.predicting, value.predicting
    deviations = [
        purchases.deviations(lambda values: later(values, value_by)),
        value.deviations(lambda values: later(orders_by, values)),
    ]
    margin, spend = profit.value, first + later(orders_by, value_by)
    of_spend = float(np.sqrt(first_error**2 + sum(np.square(part).sum() for part in deviations)))
    expected, error = margin * spend, float(np.hypot(margin * of_spend, profit.error * spend))
    net_error = float(np.hypot(error, cac_error))
    low = expected - Z * error if margin < 0 else max(expected - Z * error, 0.0)
    return {
        **found, "value": expected, "low": low, "high": expected + Z * error,
        "net": expected - cac, "net_low": expected - cac - Z * net_error,
        "net_high": expected - cac + Z * net_error, "reason": "",
    }  # fmt: skip


def discounted_orders_of_new(
    fit: Fit, horizon_weeks: float, yearly_discount_rate: float, values: Floats | None = None
) -> float:
    """Expected repeat purchases of a new customer, discounted to the first purchase."""
    ends = np.array(month_ends(horizon_weeks))
    by_then = expected_orders_of_new(fit, ends, values=values)
    return float(np.diff(by_then, prepend=0.0) @ (1 + yearly_discount_rate) ** (-ends / WEEKS_A_YEAR))


def points_add_up(gains: pd.DataFrame) -> bool:
    """Whether the segments' points, as shown in whole units, add up to that of all; True where one is not shown."""
    shown = gains["point"].where(gains["retained"] <= 0.99)
    of_all = gains["group"] == "all"
    segments = shown[~of_all]
    if segments.empty or shown.isna().any():
        return True
    # Each amount is rounded by itself, by half a unit at most.
    return bool(abs(segments.sum() - shown[of_all].sum()) <= 0.5 * len(shown))
