"""The customer-base audit: five views of the same purchases (Fader, Hardie & Ross 2022).

1. One period: how differently customers bring profit, by tenth.
2. Two periods: who came, who stayed, who left, and the profit that each moved.
3. One cohort over time: how many of it still buy, how often, and how much an order brings.
4. Cohorts at equal age: whether newer customers are better or worse than older ones were.
5. The base now: whose purchases make up each month, and how many are still customers.

Profit is margin × (amount + discount) − discount, before message costs, refunds deducted on the day they were paid.

References:
    Fader, Hardie & Ross (2022), The Customer-Base Audit, Wharton School Press.
    Beran & Jeganathan's influence function of a Lorenz ordinate: see Langel & Tillé (2013), Variance estimation of the
        Gini index, JRSS A 176(2), section 4: the quantile has an error of its own.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
from scipy.stats import t

from smsroi_helpers import measures
from smsroi_helpers.engine import hash_group, total
from smsroi_helpers.retention.cohorts import wilson
from smsroi_helpers.retention.counts import count_order_months, month_of, whole_months
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import GROUPS, Floats, by_group, jackknife, jackknife_ratio

__all__ = [
    "FEWEST_SHOWN",
    "MOVES",
    "BaseAudit",
    "TwoPeriods",
    "audit_base",
    "compare_ages",
    "compare_periods",
    "follow_cohort",
    "hide_moves",
    "monthly_trend",
    "period_length",
    "rank_profit",
    "shown_moves",
    "tenth_shares",
]

JACKKNIFE = "retention-jackknife"
TENTHS = 10
MOVES = ("new", "back", "more", "less", "left")
"""Between two periods: bought for the first time; bought again after a period without; bought in both, and brought
more, or less; bought in the first only."""
FEWEST_SHOWN = 10
"""A page shows no group of fewer customers."""
FEWEST_COHORT = 30
"""A smaller cohort is not compared."""


@dataclass(frozen=True)
class TwoPeriods:
    """Two adjacent periods of equal length, and who bought in which."""

    begins: dt.date
    """The first day of the earlier period."""
    middle: dt.date
    """The first day of the later period."""
    ends: dt.date
    """The last day of the later period."""
    moves: pd.DataFrame
    """One row per move of `MOVES`: move, customers, before, now (profit of each period), moved (now − before), low,
    high (95 %)."""
    kept: tuple[float, float, float]
    """Share (0–1) of the earlier period's buyers who bought in the later one, with limits; NaN without any."""
    together: pd.DataFrame | None = None
    """`back_more`, `back_less`: those who came back together with those who stayed and brought more, or less; the
    columns of `moves`."""


@dataclass(frozen=True)
class BaseAudit:
    """The five views; a frame without rows where the log is too short."""

    period_days: int
    tenths: pd.DataFrame
    """Of `rank_profit`."""
    periods: TwoPeriods | None
    """None where the log is shorter than two periods."""
    cohort: pd.DataFrame
    """Of `follow_cohort`."""
    ages: pd.DataFrame
    """Of `compare_ages`."""
    months: pd.DataFrame
    """Of `monthly_trend`."""
    age_days: int
    """The age at which cohorts are compared."""

    @property
    def ranked_buyers(self) -> float:
        """Customers in `tenths`: the buyers of the last period."""
        return float(self.tenths["customers"].sum())


def period_length(shop: Shop, period_days: int = 0) -> int:
    """The length of a period in days: as given; else a year, at most half of the log of orders, in whole weeks.

    Whole weeks give both periods the same weekdays; a year has the same seasons.
    """
    first = shop.loaded.tables["orders"].first
    days = (shop.as_of - dt.date.fromisoformat(first)).days + 1 if first else 0
    return min(period_days or 364, max(days // 14 * 7, 7))


def audit_base(shop: Shop, *, settle_days: int, settled_always: bool, period_days: int = 0) -> BaseAudit:
    """All five views of a company with orders.

    Args:
        shop: the company.
        settle_days: cohorts that began within so many days of the log's first day may hold old customers.
        settled_always: whether the source shows that they do not (`cohorts.began_with_log`).
        period_days: of `period_length`.
    """
    days = period_length(shop, period_days)
    first = dt.date.fromisoformat(str(shop.loaded.tables["orders"].first))
    settles = first if settled_always else first + dt.timedelta(days=settle_days)
    age_days = max(min(91, (shop.as_of - settles).days // 2), 28)
    months = count_order_months(shop)
    return BaseAudit(
        days, rank_profit(shop, days), compare_periods(shop, days), follow_cohort(shop, months, settles),
        compare_ages(shop, age_days, settles), monthly_trend(shop, months), age_days,
    )  # fmt: skip


def _events(shop: Shop) -> ir.Table:
    events = measures.order_events(shop)
    return events.select("customer_id", "profit", "purchase", day=shop.day(events["at"]))


# --- one period ------------------------------------------------------------------------------------------------------


def rank_profit(shop: Shop, period_days: int) -> pd.DataFrame:
    """The buyers of the last period by tenth of the profit they brought, the highest first.

    Returns:
        tenth (1 = most), customers, profit, purchases, least (profit of the last of the tenth), share (of all profit),
        low, high (95 %, jackknife over customers); no rows with fewer than 100 buyers or without profit.
    """
    events = _events(shop).filter(lambda row: row.day > ibis.literal(shop.as_of - dt.timedelta(days=period_days)))
    each = events.group_by("customer_id").aggregate(profit=total(events.profit), purchases=events.purchase.sum())
    each = each.filter(each.purchases > 0)
    order = ibis.window(order_by=[each.profit.desc(), each.customer_id])
    each = each.mutate(tenth=ibis.ntile(TENTHS).over(order) + 1, group=hash_group(each.customer_id, JACKKNIFE, GROUPS))
    cells = each.group_by("tenth", "group").aggregate(
        customers=each.count(), profit=total(each.profit), purchases=each.purchases.sum().cast("int64"),
        least=each.profit.min(),
    )  # fmt: skip
    frame = shop.count(cells.order_by("tenth", "group"))
    columns = ["tenth", "customers", "profit", "purchases", "least", "share", "low", "high"]
    if frame["customers"].sum() < 10 * TENTHS or not frame["profit"].sum() > 0:
        return pd.DataFrame(columns=columns)
    keys, sums = by_group(frame, ["tenth"], ["customers", "profit", "purchases"])
    least = frame.groupby("tenth")["least"].min().to_numpy(float)
    share, low, high = tenth_shares(sums[0], sums[1], least)
    return keys.assign(
        customers=sums[0].sum(axis=1).astype(int), profit=sums[1].sum(axis=1),
        purchases=sums[2].sum(axis=1).astype(int), least=least, share=share, low=low, high=high,
    )[columns]  # fmt: skip


def tenth_shares(customers: Floats, profit: Floats, least: Floats) -> tuple[Floats, Floats, Floats]:
    """The share of all profit that each tenth of customers brings, with 95 % limits.

    The share of the best k tenths is (Σ profit of them + q_k · (k/10 · N − N_k)) ÷ Σ profit, with q_k the profit of the
    last of them and N_k their number. With all customers the second term is 0; without a group of customers it is what
    ranking anew would change (the influence function of a Lorenz ordinate), so that the jackknife need not rank anew.

    Args:
        customers: tenths × groups, the best first.
        profit: the same shape.
        least: of each tenth, q_k.
    """
    tenths = len(least)
    reached = np.cumsum(customers.sum(axis=1)) / customers.sum()

    def shares(flat: Floats) -> Floats:
        n, y = flat[:tenths], flat[tenths:]
        more = (slice(None), *(None,) * (n.ndim - 1))
        whole = y.sum(axis=0)
        top = np.cumsum(y, axis=0) + least[more] * (reached[more] * n.sum(axis=0) - np.cumsum(n, axis=0))
        return np.asarray(np.diff(top / whole, axis=0, prepend=0.0))

    found = jackknife(shares, np.concatenate([customers, profit]))
    return found.estimate, found.low, found.high


# --- two periods -----------------------------------------------------------------------------------------------------


def compare_periods(shop: Shop, period_days: int) -> TwoPeriods | None:
    """Who bought in the last two periods, and the profit that each kind of customer moved; None in a shorter log."""
    middle = shop.as_of - dt.timedelta(days=period_days - 1)
    begins = middle - dt.timedelta(days=period_days)
    first = shop.loaded.tables["orders"].first
    if first is None or dt.date.fromisoformat(first) > begins:
        return None
    events = _events(shop)
    later, bought = events.day >= ibis.literal(middle), events.purchase == 1
    earlier = ~later & (events.day >= ibis.literal(begins))
    each = events.group_by("customer_id").aggregate(
        first=events.day.min(where=bought),
        was=events.count(where=bought & earlier),
        is_now=events.count(where=bought & later),
        before=total(events.profit, where=earlier).fill_null(0.0),
        now=total(events.profit, where=later).fill_null(0.0),
    )
    each = each.filter((each.was > 0) | (each.is_now > 0))
    move = ibis.cases(
        (each.is_now == 0, "left"),
        ((each.was > 0) & (each.now >= each.before), "more"),
        (each.was > 0, "less"),
        (each["first"] >= ibis.literal(middle), "new"),
        else_="back",
    )
    each = each.mutate(move=move, group=hash_group(each.customer_id, JACKKNIFE, GROUPS))
    cells = each.group_by("move", "group").aggregate(
        customers=each.count(), before=total(each.before), now=total(each.now)
    )
    return TwoPeriods(begins, middle, shop.as_of, *_moved(shop.count(cells.order_by("move", "group"))))


def _moved(cells: pd.DataFrame) -> tuple[pd.DataFrame, tuple[float, float, float], pd.DataFrame]:
    """`TwoPeriods.moves`, `kept` and `together`.

    An amount is the mean over all customers of either period times their number; the jackknife is that of the mean, so
    the interval holds how many there are of each kind.
    """
    every = pd.DataFrame({"move": MOVES, "group": 0, "customers": 0, "before": 0.0, "now": 0.0})
    keys, sums = by_group(pd.concat([cells, every]), ["move"], ["customers", "before", "now"])
    at = {move: int(place) for place, move in enumerate(keys["move"])}
    everybody = sums[0].sum(axis=0)
    pairs = {f"back_{stayed}": [at["back"], at[stayed]] for stayed in ("more", "less")}
    keys = pd.concat([keys, pd.DataFrame({"move": list(pairs)})], ignore_index=True)
    customers, before, now = (
        np.concatenate([each, [each[places].sum(axis=0) for places in pairs.values()]]) for each in sums
    )
    moved = jackknife_ratio(now - before, np.broadcast_to(everybody, now.shape))
    n = everybody.sum()
    table = keys.assign(
        customers=customers.sum(axis=1).astype(int), before=before.sum(axis=1), now=now.sum(axis=1),
        moved=(now - before).sum(axis=1), low=moved.low * n, high=moved.high * n,
    ).set_index("move").loc[[*MOVES, *pairs]]  # fmt: skip
    stayed, were = (
        table.loc[["more", "less"], "customers"].sum(),
        table.loc[["more", "less", "left"], "customers"].sum(),
    )
    low, high = wilson(pd.Series([stayed]), pd.Series([were]))
    kept = (stayed / were, float(low[0]), float(high[0])) if were else (float("nan"),) * 3
    return table.loc[list(MOVES)].reset_index(), kept, table.loc[list(pairs)].reset_index()


def hide_moves(customers: Mapping[str, int]) -> dict[str, bool]:
    """The moves that a page may not show: true where too few customers made it, false for the one hidden beside it.

    The page may also say how many bought in a period. A single small move would be that number less the others, so the
    smaller move of those who stayed, who are in both periods, is hidden with it. New customers stay visible.

    >>> hide_moves({"new": 459, "back": 6, "more": 900, "less": 800, "left": 1536})
    {'back': True, 'less': False}
    >>> hide_moves({"new": 459, "back": 60, "more": 900, "less": 800, "left": 1536})
    {}
    """
    hidden = {move: True for move in MOVES if customers[move] < FEWEST_SHOWN}
    stayed = [move for move in ("less", "more") if move not in hidden]
    if hidden and stayed:
        hidden[min(stayed, key=lambda move: customers[move])] = False
    return hidden


def shown_moves(found: TwoPeriods) -> tuple[pd.DataFrame, dict[str, bool]]:
    """The moves that a page shows, and those that it leaves out, of `hide_moves`.

    Too few who came back are shown together with those hidden beside them: how many these are together follows from
    the period's buyers and the other moves, which the page shows, too.

    Returns:
        rows of `TwoPeriods.moves` or `together`, in order; what is left out, empty where nothing is.
    """
    hidden = hide_moves(found.moves.set_index("move")["customers"].to_dict())
    rows = found.moves[~found.moves["move"].isin(hidden)]
    beside = [move for move, few in hidden.items() if not few]
    if found.together is None or not beside or set(hidden) != {"back", *beside}:
        return rows.reset_index(drop=True), hidden
    pair = found.together[found.together["move"] == f"back_{beside[0]}"]
    rows = pd.concat([rows, pair]).set_index("move")
    order = [f"back_{beside[0]}" if move == beside[0] else move for move in MOVES]
    return rows.loc[[move for move in order if move in rows.index]].reset_index(), {}


# --- cohorts ---------------------------------------------------------------------------------------------------------


def follow_cohort(shop: Shop, months: pd.DataFrame, settles: dt.date) -> pd.DataFrame:
    """One cohort over time: the oldest of at least 30 customers that holds no old customers, else the largest.

    Args:
        shop: the company.
        months: of `counts.count_order_months`.
        settles: cohorts of months that begin on this day or later hold new customers only.

    Returns:
        cohort, age (months), customers (of the cohort), buyers, share, low, high (of the cohort that bought);
        purchases (per buyer), profit (per purchase), per_customer (profit per customer of the cohort); whole months.
    """
    columns = [
        "cohort", "age", "customers", "buyers", "share", "low", "high", "purchases", "profit", "per_customer",
    ]  # fmt: skip
    begins, ends = whole_months(dt.date.fromisoformat(str(shop.loaded.tables["orders"].first)), shop.as_of)
    sizes = months[(months["cohort"] == months["month"]) & (months["cohort"] >= begins) & (months["cohort"] <= ends)]
    sizes = sizes.set_index("cohort")["customers"]
    large = sizes[sizes >= FEWEST_COHORT]
    if not len(large):
        return pd.DataFrame(columns=columns)
    settled = [number for number in large.index if month_of(int(number)) >= settles and number < ends]
    chosen = int(settled[0]) if settled else int(large.idxmax())
    own = months[months["cohort"] == chosen].set_index("month").reindex(range(chosen, ends + 1)).fillna(0.0)
    n = pd.Series(float(sizes[chosen]), index=own.index)
    low, high = wilson(own["customers"], n)
    return pd.DataFrame({
        "cohort": month_of(chosen), "age": np.arange(len(own)), "customers": int(sizes[chosen]),
        "buyers": own["customers"].to_numpy(int), "share": (own["customers"] / n).to_numpy(), "low": low, "high": high,
        "purchases": (own["purchases"] / own["customers"].where(own["customers"] > 0)).to_numpy(),
        "profit": (own["profit"] / own["purchases"].where(own["purchases"] > 0)).to_numpy(),
        "per_customer": (own["profit"] / n).to_numpy(),
    })  # fmt: skip


def compare_ages(shop: Shop, age_days: int, settles: dt.date) -> pd.DataFrame:
    """Cohorts at equal age: what each customer brought, and whether he bought again, by `age_days` after the first day.

    Only customers observed for so long are in it; a cohort with younger ones is left out whole.

    Returns:
        cohort (first day of its month), customers; profit, low, high (mean per customer up to that age, first purchase
        included); again, again_low, again_high (share who bought on a second day by then); settled.
    """
    days = measures.purchase_days(shop)
    first = days.group_by(buyer="customer_id").aggregate(first_day=days.day.min())
    events = _events(shop)
    rows = events.join(first, events.customer_id == first.buyer)
    age = rows.day.delta(rows.first_day, unit="day").cast("int64")
    last = ibis.literal(shop.as_of)
    each = rows.group_by("customer_id", "first_day").aggregate(
        profit=total(rows.profit, where=age <= age_days).fill_null(0.0),
        again=rows.count(where=(rows.purchase == 1) & (age > 0) & (age <= age_days)) > 0,
    )
    each = each.mutate(cohort=each.first_day.truncate("M").cast("date"))
    cells = each.group_by("cohort").aggregate(
        customers=each.count(),
        young=each.count(where=last.delta(each.first_day, unit="day") < age_days),
        again=each.count(where=each.again),
        sum_y=total(each.profit),
        sum_y2=total(each.profit * each.profit, 4),
    )
    frame = shop.count(cells.order_by("cohort"))
    frame = frame[(frame["young"] == 0) & (frame["customers"] >= FEWEST_COHORT)].reset_index(drop=True)
    n = frame["customers"].to_numpy(float)
    mean = frame["sum_y"].to_numpy(float) / n
    variance = np.maximum(frame["sum_y2"].to_numpy(float) / n - mean**2, 0.0) / np.maximum(n - 1, 1)
    half_width = t.ppf(0.975, np.maximum(n - 1, 1)) * np.sqrt(variance)
    low, high = wilson(frame["again"], frame["customers"])
    cohort = [pd.Timestamp(one).date() for one in frame["cohort"]]
    return pd.DataFrame({
        "cohort": cohort, "customers": frame["customers"], "profit": mean, "low": mean - half_width,
        "high": mean + half_width, "again": frame["again"] / frame["customers"], "again_low": low, "again_high": high,
        "settled": [one >= settles for one in cohort],
    })  # fmt: skip


# --- now -------------------------------------------------------------------------------------------------------------


def monthly_trend(shop: Shop, months: pd.DataFrame) -> pd.DataFrame:
    """Each calendar month that the log covers whole: who bought, and what they brought.

    Args:
        shop: the company.
        months: of `counts.count_order_months`.

    Returns:
        month (its first day), customers, new (of them, in the month of their first purchase in the log), known (the
        others), purchases, profit, new_profit (of the new ones), known_profit (of the others), new_share (of the
        profit: new_profit ÷ profit; NaN without profit).
    """
    begins, ends = whole_months(dt.date.fromisoformat(str(shop.loaded.tables["orders"].first)), shop.as_of)
    rows = months[(months["month"] >= begins) & (months["month"] <= ends)]
    is_new = rows["cohort"] == rows["month"]
    rows = rows.assign(new=rows["customers"].where(is_new, 0), new_profit=rows["profit"].where(is_new, 0.0))
    columns = ["customers", "new", "purchases", "profit", "new_profit"]
    sums = rows.groupby("month")[columns].sum().reindex(range(begins, max(ends, begins - 1) + 1)).fillna(0.0)
    found = sums.astype({"customers": int, "new": int, "purchases": int}).reset_index()
    return found.assign(
        month=[month_of(int(number)) for number in found["month"]], known=found["customers"] - found["new"],
        known_profit=found["profit"] - found["new_profit"],
        new_share=found["new_profit"] / found["profit"].where(found["profit"] != 0),
    )  # fmt: skip
