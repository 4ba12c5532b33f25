"""Types of customers: what is known of each before a day, as a short code that the engine writes.

Attributes, how often and how lately a customer bought and for how much, and how many of their texts a human clicked.
Levels of money and clicks are fixed as of the last day observed, so that the same customer has the same level on any
day; recency is by fifths of the customers of the day, because it means something else in a young log. Who has the same
code is treated alike, so Python reasons about types and the engine applies the result.
"""

import datetime as dt
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from smsroi_helpers import measures
from smsroi_helpers.segmentation import (
    Cuts,
    Until,
    attribute_columns,
    find_cuts,
    group_of,
    keys_of,
    known_people,
    messages_by_customer,
    rfm_rows,
)
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import Floats, Ints

__all__ = ["CustomerTypes", "Indicator", "everybody", "find_types", "read_codes"]

UNKNOWN = "unknown"
RFM_GROUP = "rfm_group"
FIFTHS = 5
_PURCHASE_DAYS = (1, 2, 3, 5, 9, 15)
"""Lower limits of the levels of purchase days; level 0 has none."""
_CLICK_LEVELS = 6
_PRIOR_TEXTS = 10
"""A customer's clicks per text count as much as the company's would with so many texts more."""
_GROUPS = ("gold", "value", "growth", "dormant", "lost")
_WIDTH, _FIRST = 2, 10
"""A level is written with two digits, from 10 on."""


@dataclass(frozen=True)
class Indicator:
    """One thing known of a customer."""

    name: str
    """A column of `customers`, or `purchases`, `recency`, `order_value`, `clicks`, `rfm_group`."""
    levels: int


@dataclass(frozen=True)
class CustomerTypes:
    """The indicators of a company's customers, and where their levels are cut."""

    shop: Shop
    indicators: tuple[Indicator, ...]
    values: dict[str, tuple[str, ...]]
    """Column of `customers` → its values, one level each."""
    order_value_cuts: tuple[float, ...]
    click_cuts: tuple[float, ...]
    click_rate: float
    """The company's clicks per delivered text; NaN where clicks are not known."""
    cuts: Cuts | None
    """Of `rfm_group`; None in a source without orders."""

    @property
    def sizes(self) -> tuple[int, ...]:
        """Levels of each indicator."""
        return tuple(each.levels for each in self.indicators)

    @property
    def independent(self) -> tuple[int, ...]:
        """Places of the indicators that say something of their own: `rfm_group` follows from others."""
        return tuple(j for j, each in enumerate(self.indicators) if each.name != RFM_GROUP)

    def place(self, name: str) -> int:
        """The place of an indicator in the code."""
        return [each.name for each in self.indicators].index(name)

    def names(self, name: str) -> tuple[str, ...]:
        """The levels of an attribute or of `rfm_group` in words."""
        return (UNKNOWN, *_GROUPS) if name == RFM_GROUP else self.values[name]

    def label(self, people: ir.Table, day: dt.date | None = None) -> ir.Table:
        """customer_id, label_day and code of each row.

        Args:
            people: customer_id and label_day, the last day that counts for the row.
            day: the one of all rows, where it is one: what is known of everybody on it may be counted already.
        """
        shop = self.shop
        rows = people.select("customer_id", "label_day")
        asked: Until = day or rows
        keys = ("customer_id", *keys_of(asked))
        levels: dict[str, ir.IntegerValue] = {}
        if self.values:
            columns = {f"of_{name}": shop.customers[name].cast("string").fill_null(UNKNOWN) for name in self.values}
            rows = measures.left_join_columns(rows, shop.customers.select("customer_id", **columns), "customer_id")
            for name, known in self.values.items():
                of_value = [(rows[f"of_{name}"] == value, level) for level, value in enumerate(known)]
                levels[name] = ibis.cases(*of_value, else_=0)
        if shop.has("orders"):
            bought = rfm_rows(shop, asked)
            assert self.cuts is not None
            bought = bought.select(
                *keys, "purchase_days", "r_score",
                of_order=bought.monetary / bought.purchase_days, named=group_of(bought, self.cuts),
            )  # fmt: skip
            rows = measures.left_join_columns(rows, bought, *keys)
            days_bought = rows.purchase_days.fill_null(0)
            levels["purchases"] = _above(days_bought, [limit - 0.5 for limit in _PURCHASE_DAYS])
            levels["recency"] = rows.r_score.fill_null(0)
            of_order = _above(rows.of_order.fill_null(0.0), self.order_value_cuts) + 1
            levels["order_value"] = ibis.ifelse(days_bought > 0, of_order, 0)
            named = [(rows.named == name, level + 1) for level, name in enumerate(_GROUPS)]
            levels[RFM_GROUP] = ibis.cases(*named, else_=0)
        if self.click_cuts:
            sent = messages_by_customer(shop, asked).rename(customer_id="member_id")
            rows = measures.left_join_columns(rows, sent, *keys)
            levels["clicks"] = self._click_level(rows)
        code = ibis.literal("")
        for each in self.indicators:
            code = code + (levels[each.name].cast("int64") + _FIRST).cast("string")
        return rows.select("customer_id", "label_day", code=code)

    def _click_level(self, rows: ir.Table) -> ir.IntegerValue:
        delivered = rows.delivered.fill_null(0).cast("float64")
        smoothed = (rows.clicked.fill_null(0).cast("float64") + _PRIOR_TEXTS * self.click_rate) / (
            delivered + _PRIOR_TEXTS
        )
        return ibis.ifelse(delivered > 0, _above(smoothed, self.click_cuts) + 1, 0)


def _above(value: ir.NumericValue, limits: tuple[float, ...] | list[float]) -> ir.IntegerValue:
    """How many of the limits are below each value."""
    found = ibis.literal(0)
    for limit in limits:
        found = found + (value > limit).cast("int64")
    return found


def read_codes(codes: pd.Series) -> Ints:
    """(codes, J): the level of each indicator.

    >>> read_codes(pd.Series(["1012", "1110"])).tolist()
    [[0, 2], [1, 0]]
    """
    width = len(codes.iloc[0]) // _WIDTH if len(codes) else 0
    parts = [codes.str.slice(_WIDTH * j, _WIDTH * (j + 1)).astype(int).to_numpy() - _FIRST for j in range(width)]
    return np.column_stack(parts) if parts else np.zeros((len(codes), 0), int)


def find_types(shop: Shop) -> CustomerTypes:
    """The indicators that this source has, with cut-offs of the last day observed.

    Args:
        shop: the company.
    """
    values = _attribute_values(shop)
    indicators = [Indicator(name, len(known)) for name, known in values.items()]
    order_cuts: tuple[float, ...] = ()
    click_cuts: tuple[float, ...] = ()
    rate = float("nan")
    if shop.has("orders"):
        rows = rfm_rows(shop)
        value = rows.monetary / rows.purchase_days
        order_cuts = _quantiles(shop, rows.select(value=value), np.arange(1, FIFTHS) / FIFTHS)
        indicators += [
            Indicator("purchases", len(_PURCHASE_DAYS) + 1), Indicator("recency", FIFTHS + 1),
            Indicator("order_value", len(order_cuts) + 2), Indicator(RFM_GROUP, len(_GROUPS) + 1),
        ]  # fmt: skip
    if shop.has("messages") and measures.knows_clicks(shop):
        sent = messages_by_customer(shop, shop.as_of)
        sums = shop.count(sent.aggregate(clicked=sent.clicked.sum(), delivered=sent.delivered.sum())).iloc[0]
        if sums["delivered"] > 0 and sums["clicked"] > 0:
            rate = float(sums["clicked"] / sums["delivered"])
            texted = sent.filter(sent.delivered > 0)
            smoothed = (texted.clicked.cast("float64") + _PRIOR_TEXTS * rate) / (
                texted.delivered.cast("float64") + _PRIOR_TEXTS
            )
            shares = np.arange(1, _CLICK_LEVELS) / _CLICK_LEVELS
            click_cuts = _quantiles(shop, texted.select(value=smoothed), shares)
            indicators.append(Indicator("clicks", len(click_cuts) + 2))
    cuts = find_cuts(shop) if shop.has("orders") else None
    return CustomerTypes(shop, tuple(indicators), values, order_cuts, click_cuts, rate, cuts)


def _attribute_values(shop: Shop) -> dict[str, tuple[str, ...]]:
    found = {}
    for name in attribute_columns(shop):
        rows = shop.customers.select(value=shop.customers[name].cast("string").fill_null(UNKNOWN))
        counted = shop.count(rows.group_by("value").aggregate(n=rows.count()).order_by("value"))
        found[name] = tuple(counted["value"])
    return found


def _quantiles(shop: Shop, rows: ir.Table, shares: Floats) -> tuple[float, ...]:
    """Distinct quantiles of a column `value`, ascending; none where there are no rows."""
    asked = {f"q{k}": rows.value.quantile(float(share)) for k, share in enumerate(shares)}
    found = shop.count(rows.aggregate(**asked)).iloc[0].dropna()
    return tuple(sorted(set(found.astype(float))))


def everybody(shop: Shop, day: dt.date | None = None) -> ir.Table:
    """customer_id, label_day of everybody known by a day (None: the last one observed)."""
    return known_people(shop, day).mutate(label_day=ibis.literal(day or shop.as_of))
