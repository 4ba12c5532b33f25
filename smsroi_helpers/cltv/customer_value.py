"""Each customer's value with its interval: the scores of the cells, joined back to the customers by the engine."""

import ibis
import ibis.expr.types as ir
import pandas as pd

from smsroi_helpers.cltv.counts import count_groups, histories
from smsroi_helpers.cltv.fitting import Fit
from smsroi_helpers.cltv.forecast import KEYS, Forecast, Z, add_up
from smsroi_helpers.source import Shop

__all__ = [
    "customer_values",
    "fits_table",
    "value_by_tenth",
    "value_rows",
]


# --- apply -----------------------------------------------------------------------------------------------------------


def customer_values(shop: Shop, forecast: Forecast) -> ir.Table:
    """The table `customer_value`, one row per customer, as an expression for the engine to write.

    Recency and T are in weeks, money in the source's currency. `expected_low` and `expected_high` are a confidence
    interval of expected_value (parameters alone). `cltv_low` and `cltv_high` are a prediction interval of what this
    customer will actually bring (parameters and randomness). Where the value of a purchase is not known, money is null.
    `horizon_weeks` says over how many weeks orders and money are expected.
    """
    extra = ("recency_days", "T_days", "scale", "repeat_spend", "discounted_orders")
    rows = value_rows(shop, forecast).drop(*extra)
    return rows.mutate(horizon_weeks=ibis.literal(forecast.horizon_weeks, "int64")).order_by("customer_id")


def value_rows(shop: Shop, forecast: Forecast) -> ir.Table:
    """`customer_values` with the keys of each customer's cell, repeat_spend, discounted_orders and `scale` (v + repeat
    spend).
    """
    columns = [
        *KEYS, "p_alive", "expected_orders", "orders_log_error", "discounted_orders", "spend_low", "spend_high",
    ]  # fmt: skip
    scores = ibis.memtable(forecast.cells[columns])
    history = histories(shop).drop("later_purchases")
    rows = history.join(scores, list(KEYS))
    return rows.select(
        "customer_id",
        "frequency",
        recency=rows.recency_days / 7,
        T=rows.T_days / 7,
        p_alive=rows.p_alive,
        expected_orders=rows.expected_orders,
        **_money(rows, forecast),
        recency_days=rows.recency_days,
        T_days=rows.T_days,
        repeat_spend=rows.repeat_spend,
        discounted_orders=rows.discounted_orders,
    )


def _money(rows: ir.Table, forecast: Forecast) -> dict[str, ir.Value]:
    """The columns of money and `scale`; all null, never 0, where the value of a purchase is not known."""
    if not forecast.knows_value:
        names = ("expected_value", "expected_low", "expected_high", "cltv", "cltv_low", "cltv_high", "scale")
        return {name: ibis.null("float64") for name in names}
    p, q, v = (float(value) for value in forecast.value.predicting)
    scale = rows.repeat_spend + v
    per_order = scale * p / (rows.frequency * p + (q - 1))
    # Derivatives of log value per order, log p + log(v + s) − log(p·x + q − 1), by log p, log q and log v.
    slopes = (1 - rows.frequency * p / (rows.frequency * p + (q - 1)), -q / (rows.frequency * p + (q - 1)), v / scale)
    covariance = forecast.value.log_covariance
    variance = rows.orders_log_error * rows.orders_log_error
    for i, left in enumerate(slopes):
        for j, right in enumerate(slopes):
            variance = variance + left * right * float(covariance[i, j])
    expected = rows.expected_orders * per_order
    return {
        "expected_value": expected,
        "expected_low": expected * (variance.sqrt() * -Z).exp(),
        "expected_high": expected * (variance.sqrt() * Z).exp(),
        "cltv": rows.discounted_orders * per_order * forecast.margin,
        "cltv_low": (rows.spend_low if forecast.margin >= 0 else rows.spend_high) * scale * forecast.margin,
        "cltv_high": (rows.spend_high if forecast.margin >= 0 else rows.spend_low) * scale * forecast.margin,
        "scale": scale,
    }


def value_by_tenth(shop: Shop, forecast: Forecast) -> pd.DataFrame:
    """Customers in ten groups of equal size, the most valuable first: by expected orders where value is not known.

    Returns:
        tenth (1–10), customers, cltv (or orders); share of all customers' cltv (or orders), with low and high: the
        prediction interval of the share (95 %: parameters and randomness, with the customers of each tenth fixed).
    """
    by = "cltv" if forecast.knows_value else "expected_orders"
    values = value_rows(shop, forecast).select("customer_id", *KEYS, by, "repeat_spend")
    order = ibis.window(order_by=[values[by].desc(), values.customer_id])
    ranked = values.mutate(group=ibis.ntile(10).over(order) + 1)
    return (
        add_up(forecast, forecast.measure, count_groups(shop, ranked))
        .shares()
        .rename(columns={"group": "tenth", "value": forecast.measure})
        .astype({"customers": int})
    )


def fits_table(fits: dict[str, list[Fit]]) -> pd.DataFrame:
    """Build the table `model_fits`: every parameter of every fit with its interval.

    Args:
        fits: by the days they were fitted to: `full` (all days), `calibration` (the days before the test). A model that
            is listed twice has one fit.

    Returns:
        model, fit, parameter, value, low, high (missing where not identified), predicting (the value that forecasts
        use), log_likelihood, customers, unit (of money or time), status. A fit without data has no rows.
    """
    parts = [
        fit.table().assign(
            model=fit.model,
            fit=name,
            predicting=fit.predicting,
            log_likelihood=fit.log_likelihood,
            customers=fit.customers,
            unit="money" if fit.model == "gamma_gamma" else "weeks",
            status=fit.status,
        )
        for name, of_days in fits.items()
        for fit in {fit.model: fit for fit in of_days}.values()
        if fit.is_known
    ]
    columns = [
        "model", "fit", "parameter", "value", "low", "high", "predicting", "log_likelihood", "customers", "unit",
        "status",
    ]  # fmt: skip
    return pd.concat(parts, ignore_index=True)[columns]
