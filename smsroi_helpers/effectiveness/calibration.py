"""Attributed revenue corrected by the randomised tests, for campaigns that no test was made of."""

from collections.abc import Sequence

import ibis
import numpy as np
import pandas as pd

from smsroi_helpers import measures
from smsroi_helpers.effectiveness.counts import Sends
from smsroi_helpers.effectiveness.incremental import Comparison
from smsroi_helpers.source import Shop

__all__ = [
    "campaign_profit",
    "choose_calibration",
    "claims_per_revenue",
    "count_overlap",
    "find_own_tests",
]

_NEARLY_ALL = 0.99
"""A test is a campaign's own if it holds this share of the campaign's messages, and the campaign this share of its."""
PROFIT_COLUMNS = ("campaign_id", "incremental_profit", "low", "high", "evidence")
MOST_CLAIMS = 4
"""Orders that this many campaigns or more claim are counted together."""


def choose_calibration(comparisons: Sequence[Comparison]) -> Comparison | None:
    """The comparison whose factor corrects other campaigns: the largest, without regard to its result.

    Size is n m ÷ (n + m) for arms of n and m customers, to which the precision of a difference is proportional.

    Args:
        comparisons: of `incremental.compare_attribution`.
    """
    return max(comparisons, key=_size, default=None)


def _size(one: Comparison) -> tuple[float, str, str]:
    size = one.customers * one.control_customers / (one.customers + one.control_customers)
    return size, one.experiment, one.arm


def find_own_tests(shop: Shop, comparisons: Sequence[Comparison]) -> dict[str, Comparison]:
    """Campaigns that are themselves what a test's arm was sent, by campaign_id.

    Args:
        shop: the company.
        comparisons: of `incremental.compare_attribution`.
    """
    if not comparisons:
        return {}
    people = measures.outcome_windows(shop)
    people = people.filter(people.experiment_id.isin([one.experiment for one in comparisons]))
    sends = measures.every_send(shop).select("sent_at", "campaign_id", addressee="customer_id")
    theirs = people.join(sends, people.customer_id == sends.addressee)
    theirs = theirs.filter(theirs.sent_at >= theirs.assigned_at, theirs.sent_at < theirs.outcome_end)
    by = ("experiment_id", "arm", "campaign_id")
    counted = shop.count(theirs.group_by(*by).aggregate(n=theirs.count()).order_by(*by))
    totals = shop.count(sends.group_by("campaign_id").aggregate(n=sends.count()).order_by("campaign_id"))
    whole = totals.set_index("campaign_id")["n"]
    found = {}
    for one in comparisons:
        own = counted[(counted["experiment_id"] == one.experiment) & (counted["arm"] == one.arm)]
        if not len(own):
            continue
        top = own.loc[own["n"].idxmax()]
        if top["n"] >= _NEARLY_ALL * own["n"].sum() and top["n"] >= _NEARLY_ALL * whole[top["campaign_id"]]:
            found[str(top["campaign_id"])] = one
    return found


def campaign_profit(
    campaigns: pd.DataFrame, comparisons: Sequence[Comparison], own: dict[str, Comparison], hours: int, channel: str
) -> pd.DataFrame:
    """Incremental profit of each campaign: measured by its own test, else modelled by the calibration.

    The model is factor × profit of attributed orders − cost. Its interval is that of the factor: it leaves out how the
    factor differs between campaigns, which one test cannot show.

    Args:
        campaigns: campaign_id, channel, order_profit, cost.
        comparisons: of `incremental.compare_attribution`.
        own: of `find_own_tests`.
        hours: the attribution window.
        channel: the channel that the calibration is of; campaigns of others have no number.

    Returns:
        campaign_id, incremental_profit, low, high (money), evidence (`randomised`, `modelled`, or `none`).
    """
    calibration = choose_calibration(comparisons)
    rows = []
    for row in campaigns.itertuples():
        if row.campaign_id in own:
            profit = own[row.campaign_id].profit
            rows.append((row.campaign_id, profit.estimate, profit.low, profit.high, "randomised"))
            continue
        factor = calibration.rule(hours).calibration if calibration is not None else None
        known = factor is not None and np.isfinite([factor.low, factor.high, row.order_profit, row.cost]).all()
        if factor is None or not known or row.channel != channel:
            rows.append((row.campaign_id, np.nan, np.nan, np.nan, "none"))
            continue
        ends = sorted(limit * row.order_profit - row.cost for limit in (factor.low, factor.high))
        rows.append((row.campaign_id, factor.estimate * row.order_profit - row.cost, *ends, "modelled"))
    return pd.DataFrame(rows, columns=list(PROFIT_COLUMNS))


def count_overlap(shop: Shop, sends: Sends) -> pd.DataFrame:
    """Orders by the number of campaigns whose window includes them.

    Args:
        shop: the company, with orders and messages.
        sends: of `counts.collect_sends`: its months and its window.

    Returns:
        campaigns (0, 1 …; the last row counts that many or more), orders, revenue (before refunds), credits (revenue
        summed over the campaigns that claim it in full).
    """
    orders = measures.touches_per_order(shop, sends.window_hours)
    orders = orders.filter(orders.ordered_at >= ibis.literal(shop.start_of(sends.first)))
    orders = orders.mutate(claims=ibis.least(orders.campaigns, MOST_CLAIMS))
    cells = orders.group_by("claims").aggregate(
        orders=orders.count(), revenue=orders.revenue.sum(), credits=(orders.revenue * orders.campaigns).sum()
    )
    return shop.count(cells.order_by("claims")).rename(columns={"claims": "campaigns"})


def claims_per_revenue(overlap: pd.DataFrame) -> float:
    """The campaigns' claims in full ÷ the revenue of the orders that are claimed; NaN without such revenue.

    Args:
        overlap: of `count_overlap`.

    >>> rows = {"campaigns": [0, 1, 2], "revenue": [50.0, 30.0, 10.0], "credits": [0.0, 30.0, 20.0]}
    >>> claims_per_revenue(pd.DataFrame(rows))
    1.25
    """
    claimed = overlap[overlap["campaigns"] > 0]
    revenue = float(claimed["revenue"].sum())
    return float(claimed["credits"].sum()) / revenue if revenue > 0 else float("nan")
