"""The named groups, lifecycle stages and recency groups that rules make of recency, frequency and money."""

import datetime as dt
from dataclasses import replace

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from smsroi_helpers.engine import hash_group, total
from smsroi_helpers.measures import left_join_columns
from smsroi_helpers.segmentation.cutoffs import Cuts
from smsroi_helpers.segmentation.rfm import JACKKNIFE, Until, keys_of, rfm_rows, up_to
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import GROUPS, by_group, jackknife

__all__ = [
    "BUYER_GROUPS",
    "NEVER",
    "PROSPECT",
    "RECENCY_GROUPS",
    "STAGES",
    "advocates",
    "group_of",
    "move_cuts",
    "recency_group_of",
    "rule_table",
    "share_cuts",
    "silence_of",
    "stage_of",
]

BUYER_GROUPS = ("gold", "value", "growth", "dormant", "lost")
"""The named groups of those who have bought, the liveliest first."""
PROSPECT = "prospect"
"""Who is known and has not bought: recency, frequency and money say nothing of them."""
STAGES = ("awareness", "first_purchase", "repeat", "loyalty", "advocacy", "lapsing", "lapsed")
"""Lifecycle stages, from being known to having gone."""
PROMOTER = 9
"""Who would recommend with 9 or 10 of 10 is a promoter (Reichheld 2003)."""
RECENCY_EDGES = (30, 90)
"""Days since the last purchase at which the recency groups divide: a month, a quarter."""
NEVER = "never"
RECENCY_GROUPS = ("0-30", "30-90", "90+", NEVER)
"""Groups by days since the last purchase, the most recent first; `never` has not bought."""


def group_of(rows: ir.Table, cuts: Cuts) -> ir.StringValue:
    """The named group of each row of `rfm`: rules asked in turn, the first that holds decides, the last holds always.

    So every customer is in exactly one group, whatever the thresholds.
    """
    often = (rows.f_score >= cuts.frequent_score) & (rows.frequency >= 2)
    return ibis.cases(
        (rows.recency_days > cuts.lost_after_days, "lost"),
        (rows.recency_days > cuts.dormant_after_days, "dormant"),
        (often & (rows.m_score >= cuts.high_score), "gold"),
        (often, "value"),
        else_="growth",
    )


def stage_of(rows: ir.Table, cuts: Cuts, advocate: ir.BooleanValue) -> ir.StringValue:
    """The lifecycle stage of each row of `rfm`; `advocate` says who has recommended the company."""
    often = (rows.f_score >= cuts.frequent_score) & (rows.frequency >= 2)
    return ibis.cases(
        (rows.recency_days > cuts.lost_after_days, "lapsed"),
        (rows.recency_days > cuts.dormant_after_days, "lapsing"),
        ((rows.frequency >= 2) & advocate, "advocacy"),
        (often, "loyalty"),
        (rows.frequency >= 2, "repeat"),
        else_="first_purchase",
    )


def recency_group_of(rows: ir.Table) -> ir.StringValue:
    """The recency group of each row of `rfm`: the last purchase within a month, within a quarter, or longer ago."""
    month, quarter = RECENCY_EDGES
    recent, middle, long_ago, _never = RECENCY_GROUPS
    return ibis.cases((rows.recency_days <= month, recent), (rows.recency_days <= quarter, middle), else_=long_ago)


def silence_of(name: str, cuts: Cuts) -> int:
    """The days without a purchase beyond which customers of a group, stage or recency group are; 0 for the others.

    In a log that is not longer than that, nobody can be in it.
    """
    month, quarter = RECENCY_EDGES
    _recent, middle, long_ago, _never = RECENCY_GROUPS
    return {
        "dormant": cuts.dormant_after_days,
        "lapsing": cuts.dormant_after_days,
        "lost": cuts.lost_after_days,
        "lapsed": cuts.lost_after_days,
        middle: month,
        long_ago: quarter,
    }.get(name, 0)


def advocates(shop: Shop, at: Until | None = None) -> ir.Table | None:
    """customer_id of who has recommended the company by a day: referred somebody, or last scored 9 or 10.

    With label_day, for a table of days. None where the source tells of neither.
    """
    last = shop.as_of if at is None else at
    keys = keys_of(last)
    parts = []
    if shop.has("customers", "referred_by"):
        people = shop.customers.filter(shop.customers.referred_by.notnull())
        joined = ibis.literal(dt.date.min)
        if shop.has("customers", "joined_at"):
            joined = shop.day(people.joined_at).fill_null(dt.date.min)
        people = up_to(people, joined, last)
        parts.append(people.select(*keys, customer_id="referred_by"))
    if shop.has("feedback"):
        said = up_to(shop.feedback, shop.day(shop.feedback.responded_at), last)
        latest = said.group_by(*keys, "customer_id").aggregate(at=said.responded_at.max())
        same = [said[key] == latest[key] for key in (*keys, "customer_id")]
        answers = said.join(latest, [*same, said.responded_at == latest["at"]])
        # Of answers of one instant the lower counts.
        lowest = answers.group_by(*keys, "customer_id").aggregate(score=answers.score.min())
        parts.append(lowest.filter(lowest.score >= PROMOTER).select(*keys, "customer_id"))
    if not parts:
        return None
    return (ibis.union(*parts) if len(parts) > 1 else parts[0]).distinct()


def with_advocates(shop: Shop, rows: ir.Table, at: Until | None = None) -> ir.Table:
    """Rows with a column advocate: whether the customer has recommended the company by a day (see `advocates`).

    Args:
        shop: the company.
        rows: customer_id; with label_day too, for a table of days.
        at: as of `advocates`.
    """
    recommends = advocates(shop, at)
    if recommends is None:
        return rows.mutate(advocate=ibis.literal(False))
    rows = left_join_columns(rows, recommends.mutate(advocate=ibis.literal(True)), *keys_of(at), "customer_id")
    return rows.mutate(advocate=rows.advocate.fill_null(False))


# --- what the rules come to ------------------------------------------------------------------------------------------


def rule_table(shop: Shop, cuts: Cuts, at: dt.date | None = None) -> pd.DataFrame:
    """Each named group with its share of customers and of money, and intervals.

    Returns:
        group; customers; share (of customers); monetary (money spent so far); money_share, low, high (of all money).
    """
    rows = rfm_rows(shop, at)
    rows = rows.mutate(name=group_of(rows, cuts), group=hash_group(rows.customer_id, JACKKNIFE, GROUPS))
    cells = rows.group_by("name", "group").aggregate(customers=rows.count(), monetary=total(rows.monetary))
    return shares_by(shop.count(cells.order_by("name", "group")), BUYER_GROUPS)


def shares_by(cells: pd.DataFrame, names: tuple[str, ...]) -> pd.DataFrame:
    """Shares of customers and of money by name, from sums by name and group of customers, in the order of `names`."""
    keys, (customers, monetary) = by_group(cells, ["name"], ["customers", "monetary"])
    everything = np.broadcast_to(monetary.sum(axis=0), monetary.shape)
    found = jackknife(lambda sums: sums[0] / sums[1], np.stack([monetary, everything]))
    table = keys.assign(
        customers=customers.sum(axis=1).astype(int),
        share=customers.sum(axis=1) / max(customers.sum(), 1),
        monetary=monetary.sum(axis=1),
        money_share=found.estimate,
        low=np.clip(found.low, 0, 1),
        high=np.clip(found.high, 0, 1),
    )
    table = table.set_index("name").reindex([n for n in names if n in set(keys["name"])]).reset_index()
    return table.rename(columns={"name": "group"})


def move_cuts(shop: Shop, cuts: Cuts, factors: tuple[float, ...] = (0.75, 1.0, 1.25)) -> pd.DataFrame:
    """How many customers each group would hold were both cut-offs moved: factor, days of each, customers by group."""
    rows = rfm_rows(shop)
    tables = []
    for factor in factors:
        moved = replace(
            cuts,
            dormant_after_days=max(round(cuts.dormant_after_days * factor), 1),
            lost_after_days=max(round(cuts.lost_after_days * factor), 1),
        )
        named = rows.mutate(name=group_of(rows, moved))
        counted = shop.count(named.group_by("name").aggregate(customers=named.count()).order_by("name"))
        sizes = counted.set_index("name")["customers"].reindex(BUYER_GROUPS, fill_value=0)
        tables.append(
            {
                "factor": factor,
                "dormant_after_days": moved.dormant_after_days,
                "lost_after_days": moved.lost_after_days,
                **{name: int(sizes[name]) for name in BUYER_GROUPS},
            }
        )
    return pd.DataFrame(tables)


def share_cuts(moved: pd.DataFrame) -> pd.DataFrame:
    """The rows of `move_cuts`: the share (0–1) of all buyers in each group; NaN without buyers."""
    sizes = moved[list(BUYER_GROUPS)]
    return sizes.div(sizes.sum(axis=1).where(lambda n: n > 0), axis=0)
