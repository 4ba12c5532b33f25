"""Who moved from segment to segment between the previous period and this one.

Both ends are labelled by the same cut-offs, so that a move is the customer's. A movement is more than noise where its
share differs from the same movement's share one period earlier by more than chance (Miettinen & Nurminen's interval,
Benjamini–Hochberg over all movements): some moving is in the nature of the rules.
"""

import datetime as dt

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from smsroi_helpers import measures
from smsroi_helpers.engine import hash_group, total
from smsroi_helpers.segmentation.cutoffs import Cuts
from smsroi_helpers.segmentation.membership import Grouping, Segmentation
from smsroi_helpers.segmentation.resolution import resolve
from smsroi_helpers.segmentation.rfm import JACKKNIFE
from smsroi_helpers.segmentation.rules import silence_of
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import ALPHA, GROUPS, adjust, by_group, difference_of_rates, jackknife_ratio

__all__ = [
    "count_customers",
    "count_differing",
    "count_moves",
    "count_stage_moves",
    "large_moves",
    "share_of_all",
    "share_who_stayed",
]

_MOVES = (
    "before", "now", "customers", "share", "low", "high", "money", "money_low", "money_high", "from_customers",
    "earlier", "change", "change_low", "change_high", "adjusted_p", "possible",
)  # fmt: skip
FEWEST_EVENTS = 5
"""Movements of fewer people in both periods are not compared."""
FEWEST_BEFORE = 10
"""Nor are those out of a segment of fewer people in either period: its share would tell what single people did."""


def count_moves(shop: Shop, grouping: Grouping, segment_by: str, period_days: int) -> pd.DataFrame:
    """Every movement between segments over the last period: who was where at its beginning, and is where now.

    Args:
        shop: the company.
        grouping: the result of `membership.find_grouping`.
        segment_by: `rfm_group`, `cluster`, `lifecycle_stage`, `recency` or `response`; columns of `customers` have no
            date and do not move.
        period_days: how long a period is.

    Returns:
        before, now (segments; `new` before for who was not known), customers; share, low, high (of those who were in
        `before`); money, money_low, money_high: what these customers spent in the period less what they spent in the
        one before it; earlier (the movement's share one period earlier; NaN where the log is too short), change
        (share − earlier), change_low, change_high, adjusted_p; possible: whether anybody could have been in `now` at
        the beginning of the period. Where the log was too short for that, as for `lost` in a log of half a year, its
        customers did not move: the log became long enough to say so. These rows are not compared. No rows for a
        column of `customers`.
    """
    segmentation = resolve(shop, segment_by, cuts=grouping.cuts, clusters=grouping.clusters)
    return _count(segmentation, grouping.cuts, period_days)


def count_stage_moves(shop: Shop, cuts: Cuts, period_days: int) -> pd.DataFrame:
    """`count_moves` between lifecycle stages, which need no clusters.

    Args:
        shop: the company.
        cuts: of `cutoffs.find_cuts`.
        period_days: how long a period is.
    """
    return _count(resolve(shop, "lifecycle_stage", cuts=cuts), cuts, period_days)


def share_who_stayed(moves: pd.DataFrame) -> float:
    """Share (0–1) of those who were in a segment at the beginning of the period and are in it now.

    NaN where nobody was in one.

    Args:
        moves: of `count_moves`.
    """
    rows = moves[moves["possible"]]
    there = float(rows.loc[rows["before"] != "new", "customers"].sum())
    stayed = float(rows.loc[rows["before"] == rows["now"], "customers"].sum())
    return stayed / there if there else float("nan")


def count_differing(moves: pd.DataFrame) -> tuple[int, int]:
    """Movements that differ from those of the period before (95 %), and movements compared.

    Args:
        moves: of `count_moves`.
    """
    p = moves.loc[moves["possible"], "adjusted_p"]
    return int((p < ALPHA).sum()), int(p.notna().sum())


def large_moves(moves: pd.DataFrame, fewest: int) -> pd.DataFrame:
    """The rows of `count_moves` with at least so many customers."""
    return moves[moves["customers"] >= fewest]


def count_customers(moves: pd.DataFrame) -> int:
    """Customers in these rows of `count_moves`."""
    return int(moves["customers"].sum())


def share_of_all(moves: pd.DataFrame) -> pd.DataFrame:
    """The movements with shares (0–1) of all customers in them: of_all, before_share and now_share of both segments.

    Args:
        moves: rows of `count_moves`.
    """
    of_all = moves["customers"] / moves["customers"].sum()
    shares = {f"{side}_share": of_all.groupby(moves[side]).transform("sum") for side in ("before", "now")}
    return moves.assign(of_all=of_all, **shares)


def _count(segmentation: Segmentation, cuts: Cuts, period_days: int) -> pd.DataFrame:
    if not segmentation.dated:
        return pd.DataFrame(columns=_MOVES)
    shop = segmentation.shop
    begin, earlier = (shop.as_of - dt.timedelta(days=n * period_days) for n in (1, 2))
    spent = _spend_by_period(shop, begin, earlier)
    moves = _moves(segmentation, begin, shop.as_of)
    moves = moves.left_join(spent, moves.customer_id == spent.member_id).drop("member_id")
    moves = moves.fill_null({"this": 0.0, "last": 0.0})
    cells = moves.group_by("before", "now", "group").aggregate(
        customers=moves.count(), money=(total(moves.this) - total(moves.last)).round(6)
    )
    frame = shop.count(cells.order_by("before", "now", "group"))
    keys, (n, money) = by_group(frame, ["before", "now"], ["customers", "money"])
    count = n.sum(axis=1)
    table = keys.assign(customers=count.astype(int))
    at_start = table.groupby("before")["customers"].transform("sum")
    low, high = proportion_confint(table["customers"], at_start, method="wilson")
    per_head = jackknife_ratio(money, n)
    table = table.assign(
        share=table["customers"] / at_start, low=np.asarray(low), high=np.asarray(high), money=money.sum(axis=1),
        money_low=per_head.low * count, money_high=per_head.high * count, from_customers=at_start,
    )  # fmt: skip
    first = shop.loaded.tables["orders"].first
    log_days = (begin - dt.date.fromisoformat(first)).days + 1 if first else 0
    table = table.assign(possible=[log_days > silence_of(name, cuts) for name in table["now"]])
    table = _compare_with_earlier(segmentation, table, earlier, begin)
    names = segmentation.order({*table["before"], *table["now"]} - {"new"})
    places = {name: i for i, name in enumerate([*names, "new"])}
    return table.sort_values(["before", "now"], key=lambda column: column.map(places)).reset_index(drop=True)


def _moves(segmentation: Segmentation, begin: dt.date, end: dt.date) -> ir.Table:
    """customer_id, before, now, group of everybody known at the end."""
    was = segmentation.at(begin).select(member_id="customer_id", before="segment")
    is_now = segmentation.at(end).select("customer_id", now="segment")
    rows = is_now.left_join(was, is_now.customer_id == was.member_id).drop("member_id").fill_null({"before": "new"})
    return segmentation.shop.keep(rows.mutate(group=hash_group(rows.customer_id, JACKKNIFE, GROUPS)))


def _spend_by_period(shop: Shop, begin: dt.date, earlier: dt.date) -> ir.Table:
    orders = measures.purchases(shop)
    recent = orders.day > ibis.literal(begin)
    return (
        orders.filter(orders.day > ibis.literal(earlier))
        .group_by(member_id="customer_id")
        .aggregate(
            this=total(orders.spend, where=recent).fill_null(0.0),
            last=total(orders.spend, where=~recent).fill_null(0.0),
        )
    )


def _compare_with_earlier(
    segmentation: Segmentation, table: pd.DataFrame, earlier: dt.date, begin: dt.date
) -> pd.DataFrame:
    """The table with each movement's share one period earlier, and whether the two differ."""
    nothing = dict.fromkeys(("earlier", "change", "change_low", "change_high", "adjusted_p"), np.nan)
    shop = segmentation.shop
    first = shop.loaded.tables["orders"].first
    if first is None or earlier < dt.date.fromisoformat(first):
        return table.assign(**nothing)
    moves = _moves(segmentation, earlier, begin)
    cells = moves.group_by("before", "now").aggregate(customers=moves.count())
    past = shop.count(cells.order_by("before", "now"))
    past = past.assign(from_customers=past.groupby("before")["customers"].transform("sum"))
    both = table.merge(past, on=["before", "now"], how="left", suffixes=("", "_past"))
    starts = past.drop_duplicates("before").set_index("before")["from_customers"]
    both["from_customers_past"] = both["before"].map(starts)
    both["customers_past"] = both["customers_past"].fillna(0)
    usable = both["from_customers_past"].notna() & (both["before"] != "new") & both["possible"]
    usable &= (both["customers"] + both["customers_past"]) >= FEWEST_EVENTS
    usable &= (both["from_customers"] >= FEWEST_BEFORE) & (both["from_customers_past"] >= FEWEST_BEFORE)
    table = table.assign(**nothing)
    if not usable.any():
        return table
    columns = ["customers", "from_customers", "customers_past", "from_customers_past"]
    x1, n1, x0, n0 = (both.loc[usable, name].to_numpy(float) for name in columns)
    found = difference_of_rates(x1, n1, x0, n0)
    rows = usable.to_numpy()
    table.loc[rows, "earlier"] = x0 / n0
    table.loc[rows, "change"], table.loc[rows, "change_low"] = found.estimate, found.low
    table.loc[rows, "change_high"] = found.high
    table.loc[rows, "adjusted_p"] = adjust(found.p_value, "benjamini_hochberg")
    return table
