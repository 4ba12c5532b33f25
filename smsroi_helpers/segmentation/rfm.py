"""Recency, frequency and money of every customer on any day, and the named groups and stages that rules make of them.

All of it is counted in the engine and hangs on the orders up to the day alone: not on the order of rows, on files or
on the machine. Days are dates on the source's clock, money is in its currency; refunds are no purchases and lessen no
spend.

References:
    Hughes (1994), Strategic Database Marketing: scores by fifths of recency, frequency and money.
    Kaplan & Meier (1958), Nonparametric estimation from incomplete observations, JASA 53(282).
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, replace

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
from statsmodels.duration.survfunc import SurvfuncRight

from smsroi_helpers import measures
from smsroi_helpers.engine import hash_group, total
from smsroi_helpers.errors import NotEnoughData, UsageError
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import GROUPS, by_group, jackknife

__all__ = [
    "BUYER_GROUPS",
    "FEWEST_GAPS",
    "PROSPECT",
    "SCORES",
    "STAGES",
    "Cuts",
    "count_gaps",
    "count_returns",
    "find_cuts",
    "group_of",
    "known_people",
    "move_cuts",
    "return_shares",
    "rfm_rows",
    "rule_table",
    "score_table",
    "stage_of",
]

BUYER_GROUPS = ("gold", "value", "growth", "dormant", "lost")
"""The named groups of those who have bought, the liveliest first."""
PROSPECT = "prospect"
"""Who is known and has not bought: recency, frequency and money say nothing of them."""
STAGES = ("awareness", "first_purchase", "repeat", "loyalty", "advocacy", "lapsing", "lapsed")
"""Lifecycle stages, from being known to having gone."""
SCORES = 5
"""Scores go from 1 to 5."""
FEWEST_GAPS = 30
"""Fewer repurchases than this do not say how long is long."""
JACKKNIFE = "segmentation-jackknife"
"""The hash purpose of this stage's groups of customers."""
PROMOTER = 9
"""Who would recommend with 9 or 10 of 10 is a promoter (Reichheld 2003)."""


# --- one row per customer --------------------------------------------------------------------------------------------


def known_people(shop: Shop, at: dt.date | None = None) -> ir.Table:
    """customer_id of everybody known by a day: in `customers` and joined by then, or with an order by then.

    Args:
        shop: the company.
        at: the day (inclusive); None for the last one observed. Who is in `customers` without a known day of joining
            counts as known.
    """
    last = ibis.literal(at or shop.as_of)
    # Who has only been given money back is known too.
    buyers = shop.orders.filter(shop.day(shop.orders.ordered_at) <= last).select("customer_id")
    if not shop.has("customers"):
        return shop.keep(buyers.distinct())
    people = shop.customers
    if shop.has("customers", "joined_at"):
        people = people.filter(people.joined_at.isnull() | (shop.day(people.joined_at) <= last))
    return shop.keep(ibis.union(people.select("customer_id"), buyers, distinct=True))


def rfm_rows(shop: Shop, at: dt.date | None = None) -> ir.Table:
    """One row per customer with a purchase by a day: how lately, how often and for how much, with scores.

    A score is 1 + the number of whole fifths of the customers who lie strictly below: score 4 says that at least three
    fifths are less recent (or buy less often, or spend less). Equal values get equal scores, so no tie is ever split;
    where many are equal, scores between are empty.

    Args:
        shop: the company.
        at: the last day that counts; None for the last one observed.

    Returns:
        customer_id; first_day; recency_days, from the last purchase to the day after `at` (1 for today's buyer);
        tenure_days, likewise from the first; frequency, orders; purchase_days; monetary, money spent; r_score, f_score,
        m_score (1–5).
    """
    last = at or shop.as_of
    per_day = _orders_by_day(shop)
    per_day = per_day.filter(per_day.day <= ibis.literal(last))
    sums = per_day.group_by("customer_id").aggregate(
        first_day=per_day.day.min(),
        last_day=per_day.day.max(),
        frequency=per_day.orders.sum(),
        purchase_days=per_day.count(),
        monetary=total(per_day.spent),
    )
    after = ibis.literal(last + dt.timedelta(days=1))
    rows = sums.select(
        "customer_id",
        "first_day",
        recency_days=after.delta(sums.last_day, unit="day").cast("int64"),
        tenure_days=after.delta(sums.first_day, unit="day").cast("int64"),
        frequency=sums.frequency.cast("int64"),
        purchase_days=sums.purchase_days.cast("int64"),
        monetary=sums.monetary,
    )
    everybody = rows.count().over(ibis.window())
    below = {"r": ibis.desc("recency_days"), "f": "frequency", "m": "monetary"}
    scores = {
        f"{name}_score": (ibis.rank().over(ibis.window(order_by=order)) * SCORES // everybody + 1).cast("int64")
        for name, order in below.items()
    }
    return shop.keep(rows.mutate(**scores))


def _orders_by_day(shop: Shop) -> ir.Table:
    """customer_id, day, orders and spent of every day with a purchase: what all of this is counted from."""
    orders = measures.purchases(shop)
    return shop.keep(orders.group_by("customer_id", "day").aggregate(orders=orders.count(), spent=total(orders.spend)))


# --- cut-offs from the data's own gaps -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cuts:
    """Where the rules cut; any numbers make complete and exclusive groups."""

    dormant_after_days: int
    """Who bought longer ago is not recent."""
    lost_after_days: int
    """Who bought longer ago is lost."""
    frequent_score: int = 4
    """From this frequency score on, and with two orders or more, a customer buys often."""
    high_score: int = 5
    """From this money score on a customer spends much."""
    dormant_share: float = float("nan")
    """The share of repurchases that come within `dormant_after_days`; NaN where the day was given, not found."""
    lost_share: float = float("nan")
    """Likewise within `lost_after_days`."""
    gaps: int = 0
    """The repurchases it was found from; 0 where they were too few or the days were given."""
    log_days: int = 0
    """How long the log is."""


def count_gaps(shop: Shop, at: dt.date | None = None) -> pd.DataFrame:
    """How long customers take to buy again, and how long those who have not have been silent, by the day.

    Args:
        shop: the company.
        at: the last day that counts; None for the last one observed.

    Returns:
        One row per group (of customers, 0–63) and days ≥ 1: returned, purchases that the customer's next one followed
        after so many days; silent, customers whose last purchase lies so many days before the day after `at`;
        returned_weight and silent_weight, the same with each customer counting once: each of n purchases as 1/n.
    """
    last = at or shop.as_of
    days = _orders_by_day(shop)
    days = days.filter(days.day <= ibis.literal(last))
    following = days.day.lead().over(ibis.window(group_by="customer_id", order_by="day"))
    weight = 1 / days.count().over(ibis.window(group_by="customer_id")).cast("float64")
    days = days.mutate(following=following, weight=weight)
    after = ibis.literal(last + dt.timedelta(days=1))
    gaps = days.select(
        group=hash_group(days.customer_id, JACKKNIFE, GROUPS),
        days=ibis.coalesce(days.following, after).delta(days.day, unit="day").cast("int64"),
        returned=days.following.notnull(),
        weight=days.weight,
    )
    cells = gaps.group_by("group", "days").aggregate(
        returned=gaps.count(where=gaps.returned),
        silent=gaps.count(where=~gaps.returned),
        returned_weight=total(gaps.weight, where=gaps.returned).fill_null(0.0),
        silent_weight=total(gaps.weight, where=~gaps.returned).fill_null(0.0),
    )
    return shop.count(cells.order_by("group", "days"))


def _returns(gaps: pd.DataFrame) -> pd.DataFrame:
    """Kaplan and Meier's share of purchases that the next one has followed within so many days: days, share, at_risk.

    Each customer counts once, or the pauses of those who buy most often would be taken for everybody's. Purchases with
    no next one yet count for as long as they have been waited for. Days on which fewer than 30 customers are still
    waited for are left out: there a single return would move the share by much.
    """
    by_day = gaps.melt("days", ["returned_weight", "silent_weight"], "what", "weight")
    by_day = by_day.groupby(["days", "what"], as_index=False)["weight"].sum()
    by_day = by_day[by_day["weight"] > 0]
    returned = (by_day["what"] == "returned_weight").to_numpy(int)
    weights = by_day["weight"].to_numpy(float)
    curve = SurvfuncRight(by_day["days"].to_numpy(float), returned, freq_weights=weights)
    found = pd.DataFrame({"days": curve.surv_times, "share": 1 - curve.surv_prob, "at_risk": curve.n_risk})
    return found[found["at_risk"] >= FEWEST_GAPS]


def find_cuts(
    shop: Shop,
    *,
    dormant_after_days: int = 0,
    lost_after_days: int = 0,
    dormant_share: float = 0.75,
    lost_share: float = 0.95,
    frequent_score: int = 4,
    high_score: int = 5,
) -> Cuts:
    """Where dormant and lost begin: at the days within which so many of the log's repurchases have come.

    Shares are of the purchases that the next one followed within the log, each customer counting once (Kaplan–Meier, so
    that purchases too young to tell count for as long as they have been watched). A log shorter than the longest pauses
    makes the cut-offs short.

    Args:
        shop: the company.
        dormant_after_days: the day, if it is known; 0 finds it.
        lost_after_days: likewise.
        dormant_share: share (0–1) of repurchases that come before dormant begins.
        lost_share: before lost begins; above `dormant_share`.
        frequent_score: 1–5.
        high_score: 1–5.

    Raises:
        UsageError: lost would begin before dormant.
    """
    if not 0 < dormant_share < lost_share < 1:
        raise UsageError(
            f"dormant_share {dormant_share} and lost_share {lost_share}: shares of repurchases, the first the smaller"
        )
    if dormant_after_days and lost_after_days and lost_after_days < dormant_after_days:
        raise UsageError(
            f"lost_after_days {lost_after_days} lies before dormant_after_days {dormant_after_days}: nobody would be"
            " dormant"
        )
    gaps = count_gaps(shop)
    returned, log_days = int(gaps["returned"].sum()), int(gaps["days"].max()) if len(gaps) else 0
    first = shop.loaded.tables["orders"].first
    if first is not None:
        log_days = (shop.as_of - dt.date.fromisoformat(first)).days + 1
    if returned >= FEWEST_GAPS:
        curve = _returns(gaps)
        if curve.empty:
            curve = _returns(gaps.assign(returned_weight=gaps["returned"], silent_weight=gaps["silent"]))
        reached = curve["share"] / curve["share"].max()
        dormant, lost = (int(curve["days"][reached >= share].min()) for share in (dormant_share, lost_share))
    else:
        # Too few repurchases to learn from; thirds of the log are a stopgap, and the page says so.
        dormant, lost, returned = max(log_days // 3, 1), max(2 * log_days // 3, 2), 0
        dormant_share = lost_share = float("nan")
    return Cuts(
        dormant_after_days or (min(dormant, lost_after_days) if lost_after_days else dormant),
        lost_after_days or max(lost, dormant_after_days, dormant),
        frequent_score,
        high_score,
        float("nan") if dormant_after_days else dormant_share,
        float("nan") if lost_after_days else lost_share,
        0 if dormant_after_days and lost_after_days else returned,
        log_days,
    )


def return_shares(gaps: pd.DataFrame, after_days: list[int], within_days: int) -> pd.DataFrame:
    """Of the silences that lasted so many days: after how many was bought again within the next so many.

    (F(d + w) − F(d)) / (1 − F(d)) of the Kaplan–Meier curve, every silence counting; intervals by leaving out a group
    of customers at a time.

    Args:
        gaps: of `count_gaps`.
        after_days: silences, one row of the result each.
        within_days: how long they are then watched.

    Returns:
        after_days, within_days, waiting (purchases still waited for at that silence), share, low, high; NaN where
        nobody has been watched for so long.
    """
    days = np.sort(gaps["days"].unique())
    if not len(days):
        days = np.array([1])
    at = np.searchsorted(days, gaps["days"].to_numpy())
    sums = np.zeros((2, len(days), GROUPS))
    np.add.at(sums[0], (at, gaps["group"].to_numpy()), gaps["returned"].to_numpy())
    np.add.at(sums[1], (at, gaps["group"].to_numpy()), gaps["silent"].to_numpy())
    both = sums.reshape(2 * len(days), GROUPS)

    def share_of(after: int) -> Callable[[np.ndarray], np.ndarray]:
        within = (days > after) & (days <= after + within_days)

        def share(flat: np.ndarray) -> np.ndarray:
            returned, silent = flat[: len(days)], flat[len(days) :]
            waiting = np.cumsum((returned + silent)[::-1], axis=0)[::-1]
            with np.errstate(divide="ignore", invalid="ignore"):
                stays = np.where(waiting > 0, 1 - returned / waiting, 1.0)
            return np.asarray(1 - np.prod(stays[within], axis=0))

        return share

    rows = []
    for after in after_days:
        later = gaps[gaps["days"] > after]
        waiting = int(later["returned"].sum() + later["silent"].sum())
        watched = days.max() >= after + within_days and waiting > 0
        found = jackknife(share_of(after), both) if watched else None
        value, low, high = (
            (float(found.estimate), max(float(found.low), 0.0), min(float(found.high), 1.0)) if found else (np.nan,) * 3
        )
        rows.append((after, within_days, waiting, value, low, high))
    return pd.DataFrame(rows, columns=["after_days", "within_days", "waiting", "share", "low", "high"])


def count_returns(shop: Shop, cuts: Cuts, within_days: int) -> pd.DataFrame:
    """`return_shares` at a half of the first cut-off, at both, and at one and a half times the second."""
    silences = [
        max(cuts.dormant_after_days // 2, 1), cuts.dormant_after_days, cuts.lost_after_days,
        round(1.5 * cuts.lost_after_days),
    ]  # fmt: skip
    return return_shares(count_gaps(shop), sorted(set(silences)), within_days)


# --- rules -----------------------------------------------------------------------------------------------------------


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


def advocates(shop: Shop, at: dt.date | None = None) -> ir.Table | None:
    """customer_id of who has recommended the company by a day: referred somebody, or last scored 9 or 10.

    None where the source tells of neither.
    """
    last = ibis.literal(at or shop.as_of)
    parts = []
    if shop.has("customers", "referred_by"):
        people = shop.customers.filter(shop.customers.referred_by.notnull())
        if shop.has("customers", "joined_at"):
            people = people.filter(people.joined_at.isnull() | (shop.day(people.joined_at) <= last))
        parts.append(people.select(customer_id="referred_by"))
    if shop.has("feedback"):
        said = shop.feedback.filter(shop.day(shop.feedback.responded_at) <= last)
        latest = said.group_by("customer_id").aggregate(at=said.responded_at.max())
        told = said.join(latest, (said.customer_id == latest.customer_id) & (said.responded_at == latest["at"]))
        # Of answers of one instant the lower counts.
        lowest = told.group_by("customer_id").aggregate(score=told.score.min())
        parts.append(lowest.filter(lowest.score >= PROMOTER).select("customer_id"))
    if not parts:
        return None
    return (ibis.union(*parts) if len(parts) > 1 else parts[0]).distinct()


# --- what the rules and scores come to -------------------------------------------------------------------------------


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


def score_table(shop: Shop) -> pd.DataFrame:
    """What each score stands for: measure (recency_days, frequency, monetary), score, customers, least, most.

    Raises:
        NotEnoughData: nobody has bought.
    """
    rows = rfm_rows(shop)
    parts = []
    for measure, column in (("recency_days", "r_score"), ("frequency", "f_score"), ("monetary", "m_score")):
        cells = rows.group_by(score=rows[column]).aggregate(
            customers=rows.count(), least=rows[measure].min().cast("float64"), most=rows[measure].max().cast("float64")
        )
        parts.append(shop.count(cells.order_by("score")).assign(measure=measure))
    table = pd.concat(parts, ignore_index=True)[["measure", "score", "customers", "least", "most"]]
    if table.empty:
        raise NotEnoughData("Nobody has bought up to the last day observed: there is nobody to group.")
    return table
