"""After how many days without a purchase a customer counts as dormant and as lost, from the log's own repurchase times.

References:
    Kaplan & Meier (1958), Nonparametric estimation from incomplete observations, JASA 53(282).
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

import ibis
import numpy as np
import pandas as pd
from statsmodels.duration.survfunc import SurvfuncRight

from smsroi_helpers.engine import hash_group, total
from smsroi_helpers.errors import UsageError
from smsroi_helpers.segmentation.rfm import JACKKNIFE, orders_by_day
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import GROUPS, jackknife

__all__ = [
    "FEWEST_GAPS",
    "Cuts",
    "count_gaps",
    "count_returns",
    "find_cuts",
    "known_cuts",
    "return_shares",
]

FEWEST_GAPS = 30
"""Fewer repurchases than this do not say how long is long."""


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
    days = orders_by_day(shop)
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


def known_cuts(shop: Shop) -> Cuts | None:
    """`find_cuts`; None in a source without orders, where no customer is known to be dormant or lost."""
    return find_cuts(shop) if shop.has("orders") else None


def find_cuts(
    shop: Shop,
    *,
    dormant_share: float = 0.75,
    lost_share: float = 0.95,
) -> Cuts:
    """Where dormant and lost begin: at the days within which so many of the log's repurchases have come.

    Shares are of the purchases that the next one followed within the log, each customer counting once (Kaplan–Meier, so
    that purchases too young to tell count for as long as they have been watched). A log shorter than the longest pauses
    makes the cut-offs short.

    Args:
        shop: the company; the days that its `segments` settings give are not estimated.
        dormant_share: share (0–1) of repurchases that come before dormant begins.
        lost_share: before lost begins; above `dormant_share`.

    Raises:
        UsageError: `dormant_share` is not below `lost_share`.
    """
    if not 0 < dormant_share < lost_share < 1:
        raise UsageError(
            f"dormant_share {dormant_share} and lost_share {lost_share}: shares of repurchases, the first the smaller"
        )
    given = shop.settings.segments
    dormant_after_days, lost_after_days = given.dormant_after_days, given.lost_after_days
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
        given.frequent_score,
        given.high_score,
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
        gaps: the result of `count_gaps`.
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
