"""What will each customer be worth, and how sure are we: BG/NBD (or a rival) for orders, Gamma–Gamma for money.

The engine counts day cells, the models are fitted to the cells (`purchase_models`), say what is to come
(`cltv_forecast`), are tested on later weeks (`cltv_holdout`) and on what they assume (`cltv_assumptions`); the engine
writes each customer's value by joining the cells' scores back. What follows for segments, channels and retention is in
`cltv_worth`. Time is in weeks, money in the source's currency.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import ibis
import ibis.expr.types as ir
import pandas as pd
from pydantic import Field

from smsroi_helpers import measures
from smsroi_helpers.cltv_forecast import KEYS, Forecast, Z, add_up
from smsroi_helpers.contract import Decision
from smsroi_helpers.engine import total
from smsroi_helpers.errors import NotEnoughData
from smsroi_helpers.locale import _, interval, joined, listed, money, number, percent
from smsroi_helpers.purchase_likelihoods import Model
from smsroi_helpers.purchase_models import Fit
from smsroi_helpers.shop import Shop

if TYPE_CHECKING:
    from smsroi_helpers.cltv_holdout import Holdout

__all__ = [
    "FEWEST_REPEATERS",
    "NEEDS",
    "PARAMETERS",
    "count_cells",
    "count_groups",
    "count_value_cells",
    "customer_values",
    "decide",
    "describe_drop_out",
    "describe_test",
    "fits_table",
    "value_by_tenth",
    "value_rows",
]

NEEDS = ("orders",)
PARAMETERS: dict[str, Any] = {
    "horizon_weeks": Annotated[int, Field(gt=0, le=520)],
    "holdout_weeks": Annotated[int, Field(ge=0, le=520)],
    "model": Literal["auto"] | Model,
    "yearly_discount_rate": Annotated[float, Field(ge=0, le=1)],
    "alive_below": Annotated[float, Field(gt=0, lt=1)],
}

FEWEST_REPEATERS = 30
"""Fewer customers who came back than this leave four parameters to chance: their intervals span orders of magnitude."""
FEWEST_WEEKS = 8
"""A shorter log cannot be split into a past to learn from and a future to be tested on."""
_ALIKE = 0.2
"""A top tenth that brings less than twice its share is no group to treat otherwise."""


# --- count -----------------------------------------------------------------------------------------------------------


def count_cells(
    shop: Shop, until: dt.date | None = None, keep: Callable[[ir.Table], ir.BooleanValue] | None = None
) -> pd.DataFrame:
    """How many customers share a purchase history, by the day.

    Args:
        shop: the company.
        until: the last day that counts as past; None for the last day observed.
        keep: of which customers, told by the rows of `purchase_history`; None for all.

    Returns:
        One row per (frequency, recency_days, T_days): recency_weeks, T_weeks; customers; repeat_spend and
        repeat_spend_squared, summed over them; later_purchases, their purchase days after `until`.

    Raises:
        NotEnoughData: fewer than 30 customers came back, or the log is shorter than 8 weeks.
    """
    history = measures.purchase_history(shop, until)
    history = history if keep is None else history.filter(keep)
    cells = history.group_by(*KEYS).aggregate(
        customers=history.count(),
        repeat_spend=total(history.repeat_spend),
        repeat_spend_squared=total(history.repeat_spend * history.repeat_spend, 4),
        later_purchases=history.later_purchases.sum().cast("int64"),
    )
    frame = shop.count(cells.order_by(*KEYS))
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


# --- apply -----------------------------------------------------------------------------------------------------------


def customer_values(shop: Shop, told: Forecast) -> ir.Table:
    """The table `customer_value`, one row per customer, as an expression for the engine to write.

    Recency and T are in weeks, money in the source's currency. `expected_low` and `expected_high` bound expected_value
    by the parameters' uncertainty; `cltv_low` and `cltv_high` bound what this customer will really bring.
    """
    return value_rows(shop, told).drop("recency_days", "T_days", "scale", "repeat_spend").order_by("customer_id")


def value_rows(shop: Shop, told: Forecast) -> ir.Table:
    """`customer_values` with the keys of each customer's cell and `scale`, v + repeat spend."""
    p, q, v = (float(value) for value in told.value.predicting)
    columns = [
        *KEYS, "p_alive", "expected_orders", "orders_log_error", "discounted_orders", "spend_low", "spend_high",
    ]  # fmt: skip
    scores = ibis.memtable(told.cells[columns])
    history = measures.purchase_history(shop).drop("later_purchases")
    rows = history.join(scores, list(KEYS))
    scale = rows.repeat_spend + v
    per_order = scale * p / (rows.frequency * p + (q - 1))
    # log value per order = log p + log(v + s) − log(p·x + q − 1), by log p, log q and log v
    slopes = (1 - rows.frequency * p / (rows.frequency * p + (q - 1)), -q / (rows.frequency * p + (q - 1)), v / scale)
    covariance = told.value.log_covariance
    variance = rows.orders_log_error * rows.orders_log_error
    for i, left in enumerate(slopes):
        for j, right in enumerate(slopes):
            variance = variance + left * right * float(covariance[i, j])
    expected = rows.expected_orders * per_order
    return rows.select(
        "customer_id",
        "frequency",
        recency=rows.recency_days / 7,
        T=rows.T_days / 7,
        p_alive=rows.p_alive,
        expected_orders=rows.expected_orders,
        expected_value=expected,
        expected_low=expected * (variance.sqrt() * -Z).exp(),
        expected_high=expected * (variance.sqrt() * Z).exp(),
        cltv=rows.discounted_orders * per_order * told.margin,
        cltv_low=rows.spend_low * scale * told.margin,
        cltv_high=rows.spend_high * scale * told.margin,
        recency_days=rows.recency_days,
        T_days=rows.T_days,
        repeat_spend=rows.repeat_spend,
        scale=scale,
    )


def value_by_tenth(shop: Shop, told: Forecast) -> pd.DataFrame:
    """Customers in ten groups of equal size, the most valuable first.

    Returns:
        tenth (1–10), customers, cltv; share of all customers' cltv, with low and high: where the share will lie (95 %:
        parameters and chance; who is in which tenth is held).
    """
    values = value_rows(shop, told).select("customer_id", *KEYS, "cltv", "repeat_spend")
    order = ibis.window(order_by=[values.cltv.desc(), values.customer_id])
    ranked = values.mutate(group=ibis.ntile(10).over(order) + 1)
    return (
        add_up(told, "cltv", count_groups(shop, ranked))
        .shares()
        .rename(columns={"group": "tenth", "value": "cltv"})
        .astype({"customers": int})
    )


def count_groups(shop: Shop, rows: ir.Table) -> pd.DataFrame:
    """How many customers of each kind a group has, as `add_up` asks for.

    Args:
        shop: the company.
        rows: one per customer: group, the cells' keys, repeat_spend.
    """
    cells = rows.group_by("group", *KEYS).aggregate(
        customers=rows.count(),
        repeat_spend=total(rows.repeat_spend),
        repeat_spend_squared=total(rows.repeat_spend * rows.repeat_spend, 4),
    )
    return shop.count(cells.order_by("group", *KEYS))


def fits_table(fits: dict[str, list[Fit]]) -> pd.DataFrame:
    """The table `model_fits`: every parameter of every fit with its interval.

    Args:
        fits: by what they were fitted to: `full` (all days), `calibration` (the days before the test).

    Returns:
        model, fit, parameter, value, low, high (missing where not identified), predicting (what forecasts are made
        with), log_likelihood, customers, unit (of money or time), status.
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
        for fit in of_days
    ]
    columns = [
        "model", "fit", "parameter", "value", "low", "high", "predicting", "log_likelihood", "customers", "unit",
        "status",
    ]  # fmt: skip
    return pd.concat(parts, ignore_index=True)[columns]


# --- decide ----------------------------------------------------------------------------------------------------------


def decide(
    told: Forecast, tested: "Holdout", tenths: pd.DataFrame, currency: str, failing: Sequence[str] = ()
) -> Decision:
    """The answer of the notebook: who matters, what all are worth a week, and how the forecast did when tested.

    Args:
        told: the forecast.
        tested: how the model did on later weeks.
        tenths: of `value_by_tenth`.
        currency: the source's.
        failing: the assumptions that fail, in the reader's words.
    """
    value, low, high = (x / told.horizon_weeks for x in told.total("cltv"))
    if tested.missed and tested.actual:
        # The model's own interval knows nothing of the model's being wrong: it is stretched to where it would lie had
        # the coming weeks the error of the tested ones.
        low, high = min(low, low / (1 + tested.bias)), max(high, high / (1 + tested.bias))
    top = tenths.iloc[0]
    facts = {"n": number(top["customers"]), "share": percent(top["share"])}
    if top["high"] < _ALIKE:
        action = _("Treat customers alike: none stand out, the {n} of the top tenth hold {share} of what is to come")
    else:
        action = _("Look after the {n} customers of the top tenth first: they hold {share} of what is to come")
    action = action.format(**facts)
    if tested.missed and tested.gini_low > 0:
        first = _("Trust the ranking of customers, not the amount: the forecast failed its test.")
        action = joined(first, action)
    elif tested.missed:
        action = _("Trust neither the amount nor the ranking of customers: the forecast failed its test")
    return Decision(
        stage="cltv",
        question=_("What will each customer be worth, and how sure are we?"),
        outcome="do",
        action=action,
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
        caveat=joined(describe_test(tested), describe_drop_out(told.purchases), _describe_failing(failing)),
        evidence="none",
        customers=told.purchases.customers,
        value=value,
        low=low,
        high=high,
        unit="money_per_week",
        kind="forecast",
    )


def _describe_failing(failing: Sequence[str]) -> str:
    return (
        _("The forecast assumes what does not hold here (see the checks): {names}.").format(names=listed(failing))
        if failing
        else ""
    )


def describe_test(tested: "Holdout") -> str:
    """How the forecast did when tested, in a sentence."""
    facts = {
        "predicted": interval(tested.predicted, tested.low, tested.high),
        "actual": number(tested.actual),
        "weeks": number(tested.weeks),
        "bias": percent(abs(tested.bias)),
    }
    if not tested.missed:
        return _(
            "Tested on the last {weeks} weeks, the model said {predicted} repeat purchases; {actual} happened."
        ).format(**facts)
    if tested.actual == 0:
        return _(
            "Likely too high: tested on the last {weeks} weeks, the model said {predicted} repeat purchases and none"
            " happened."
        ).format(**facts)
    if tested.bias < 0:
        return _(
            "Likely too low: tested on the last {weeks} weeks, the model said {predicted} repeat purchases and {actual}"
            " happened, {bias} fewer than came. The interval here is stretched by that error."
        ).format(**facts)
    return _(
        "Likely too high: tested on the last {weeks} weeks, the model said {predicted} repeat purchases and"
        " {actual} happened, {bias} more than came. The interval here is stretched by that error."
    ).format(**facts)


def describe_drop_out(fit: Fit) -> str:
    """What the orders do not tell about customers, in words; empty where they tell all that the model asks."""
    if fit.status == "converged":
        return ""
    if not fit.drop_out_identified:
        return _(
            "Drop-out is not identified: how fast customers leave, and how they differ in it, cannot be told from these"
            " orders. The forecast weighs every pace that they allow, and its interval covers it."
        )
    return _(
        "How much customers differ in their rate of buying is not identified. The forecast takes every difference"
        " that the orders leave possible, and its interval covers them all."
    )
