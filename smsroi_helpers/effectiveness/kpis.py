"""The KPIs of messages: what each one divides by what, with intervals whose unit is the customer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from smsroi_helpers.effectiveness.counts import ALL, DIMENSIONS, Known
from smsroi_helpers.statistics import Floats, by_group, jackknife_rate, jackknife_ratio

__all__ = [
    "KPIS",
    "KPI_COLUMNS",
    "Kpi",
    "count_customers",
    "estimate_kpis",
    "find",
    "first_and_last_day",
    "known_kpis",
    "of_campaigns",
    "without_error",
]

KPI_COLUMNS = ("dimension", "value", "kpi", "numerator", "denominator", "estimate", "low", "high", "customers")
"""Columns of every table of KPIs; low and high are 95 % limits."""


@dataclass(frozen=True)
class Kpi:
    """One KPI: a numerator ÷ a denominator, both sums over messages or customers."""

    name: str
    numerator: str
    denominator: str
    kind: Literal["rate", "ratio"]
    """`rate`: a share between 0 and 1; `ratio`: any number."""
    needs: tuple[str, ...] = ()
    """What the source has to record: fields of `counts.Known`."""
    unit: Literal["share", "money", "times"] = "share"
    once: bool = False
    """Whether a customer counts at most once, so that the denominator counts independent units."""


KPIS: dict[str, Kpi] = {
    kpi.name: kpi
    for kpi in (
        Kpi("reach", "reached", "customers", "rate", ("deliveries",), once=True),
        Kpi("delivered_rate", "delivered", "messages", "rate", ("deliveries",)),
        Kpi("click_rate", "clicked", "click_known", "rate", ("clicks",)),
        Kpi("conversion_rate", "converted", "delivered", "rate", ("orders",)),
        Kpi("reply_rate", "replied", "reply_known", "rate", ("replies",)),
        Kpi("opt_out_rate", "opted_out", "opt_out_known", "rate", ("opt_outs",)),
        Kpi("revenue_per_message", "attributed_revenue", "delivered", "ratio", ("orders",), "money"),
        Kpi("roi", "paid_profit", "cost", "ratio", ("orders", "cost"), "times"),
        Kpi("cost_performance", "expected_cost", "cost", "ratio", ("cost", "tariff"), "times"),
    )
}
"""KPIs of messages, by name. `roi` is attributed: (profit of the attributed orders − cost) ÷ cost, both of the channels
that cost something. `cost_performance`
is what the messages should have cost (billing segments × `message_cost` of source.yml, or the budget) ÷ what was
spent."""


def known_kpis(known: Known) -> list[Kpi]:
    """The KPIs that a source can give."""
    return [kpi for kpi in KPIS.values() if known.messages and all(getattr(known, need) for need in kpi.needs)]


def estimate_kpis(cells: pd.DataFrame, known: Known, budgets: Mapping[str, float] | None = None) -> pd.DataFrame:
    """Every KPI of messages for all messages, and by campaign, channel, segment and month.

    Args:
        cells: of `counts.count_sends`.
        known: what the source records; KPIs that need more are left out.
        budgets: expected cost (money > 0) by campaign_id; replaces the tariff for `cost_performance` of that campaign.

    Returns:
        `KPI_COLUMNS`; numerator and denominator are sums, customers those sent to. Limits are of the delete-a-group
        jackknife over customers (Kott 2001; with few events Korn & Graubard 1998); NaN where they cannot be estimated.
    """
    kpis, parts = known_kpis(known), []
    for dimension in DIMENSIONS:
        own = cells[cells["dimension"] == dimension]
        if not len(own):
            continue
        columns = sorted({name for kpi in kpis for name in (kpi.numerator, kpi.denominator)} | {"customers"})
        keys, sums = by_group(own.fillna(0.0), ["value"], columns)
        by_name = dict(zip(columns, sums, strict=True))
        parts += [_rows(kpi, dimension, keys["value"], by_name) for kpi in kpis]
    if budgets:
        parts.append(_against_budgets(cells, budgets, known))
    found = [part for part in parts if len(part)]
    if not found:
        return pd.DataFrame(columns=list(KPI_COLUMNS))
    frame = without_error(pd.concat(found, ignore_index=True))
    return frame.drop_duplicates(["dimension", "value", "kpi"], keep="last", ignore_index=True)


def _rows(kpi: Kpi, dimension: str, values: pd.Series, sums: Mapping[str, Floats]) -> pd.DataFrame:
    top, bottom = sums[kpi.numerator], sums[kpi.denominator]
    customers = sums["customers"].sum(axis=-1)
    if kpi.kind == "rate":
        units = bottom.sum(axis=-1) if kpi.once else np.minimum(customers, bottom.sum(axis=-1))
        found = jackknife_rate(np.minimum(top, bottom), bottom, units)
    else:
        found = jackknife_ratio(top, bottom)
    return pd.DataFrame({
        "dimension": dimension, "value": values.to_numpy(), "kpi": kpi.name, "numerator": top.sum(axis=-1),
        "denominator": bottom.sum(axis=-1), "estimate": found.estimate, "low": found.low, "high": found.high,
        "customers": customers,
    })  # fmt: skip


def _against_budgets(cells: pd.DataFrame, budgets: Mapping[str, float], known: Known) -> pd.DataFrame:
    """The cost performance of campaigns with a budget: no interval, since neither number is a sample."""
    spent = cells[cells["dimension"] == "campaign"].groupby("value")[["cost", "customers"]].sum()
    rows = [
        ("campaign", name, "cost_performance", expected, spent.loc[name, "cost"], expected / spent.loc[name, "cost"],
         np.nan, np.nan, spent.loc[name, "customers"])
        for name, expected in budgets.items() if known.cost and name in spent.index and spent.loc[name, "cost"] > 0
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=list(KPI_COLUMNS))


def without_error(rows: pd.DataFrame) -> pd.DataFrame:
    """No number where the denominator is 0, and no limits where the error cannot be estimated and they are equal."""
    estimate = rows["estimate"].where(np.isfinite(rows["estimate"].to_numpy(float)))
    known = estimate.notna() & (rows["low"] < rows["high"])
    return rows.assign(estimate=estimate, low=rows["low"].where(known), high=rows["high"].where(known))


def find(kpis: pd.DataFrame, kpi: str, dimension: str = ALL, value: str = ALL) -> tuple[float, float, float]:
    """One KPI with its limits; NaN where there is none."""
    rows = kpis[(kpis["kpi"] == kpi) & (kpis["dimension"] == dimension) & (kpis["value"] == value)]
    if not len(rows):
        return (float("nan"),) * 3
    return tuple(float(x) for x in rows[["estimate", "low", "high"]].iloc[0])  # type: ignore[return-value]


def of_campaigns(cells: pd.DataFrame, kpis: pd.DataFrame) -> pd.DataFrame:
    """One row per campaign: its KPIs as columns.

    Returns:
        campaign_id, messages, customers, cost, attributed_revenue, order_profit (sums; NaN where not recorded), and a
        column for each KPI of messages (NaN where not known).
    """
    own = cells[cells["dimension"] == "campaign"]
    columns = ["messages", "customers", "cost", "attributed_revenue", "order_profit"]
    sums = own.groupby("value")[columns].sum(min_count=1)
    wide = kpis[kpis["dimension"] == "campaign"].pivot_table(index="value", columns="kpi", values="estimate")
    frame = sums.join(wide).reindex(columns=[*columns, *KPIS])
    return frame.rename_axis("campaign_id").reset_index()


def first_and_last_day(campaigns: pd.DataFrame) -> tuple[str, str]:
    """The days, ISO, of the first and of the last message of these campaigns."""
    return str(campaigns["first"].min())[:10], str(campaigns["last"].max())[:10]


def count_customers(rows: pd.DataFrame) -> int:
    """Customers of a group: those of the KPI that counts most of them."""
    return int(rows["customers"].max())
