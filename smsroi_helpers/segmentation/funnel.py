"""The funnel: how far customers have come from acquisition over activation, retention and revenue to referral."""

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from smsroi_helpers import measures
from smsroi_helpers.engine import total
from smsroi_helpers.segmentation.cutoffs import Cuts
from smsroi_helpers.segmentation.rfm import known_people
from smsroi_helpers.source import Shop

__all__ = ["count_funnel"]


def count_funnel(shop: Shop, cuts: Cuts) -> pd.DataFrame:
    """Acquisition, activation, retention, revenue, referral: how many of those who could reach each step did.

    A step counts only who has been observed long enough to take it: activated is who bought within
    `dormant_after_days` of becoming known; retained, who bought on a second day within `lost_after_days` of the first;
    revenue, whose purchases at the source's margin have brought in what winning them cost (where the cost is known);
    referral, who has referred somebody. Without a day of joining, or such a column, a step is not known.

    Returns:
        step, could (people observed long enough), reached, share, low, high (95 %, Wilson); NaN where not known.
    """
    people = known_people(shop)
    everybody = int(shop.count(people.aggregate(n=people.count()))["n"].iloc[0])
    rows: list[tuple[str, float, float]] = [("acquisition", float(everybody), float(everybody))]
    days = measures.purchases(shop)
    bought = days.group_by("customer_id").aggregate(first=days.day.min(), profit=total(days.profit))
    last = ibis.literal(shop.as_of)
    rows.append(("activation", *_activated(shop, bought, cuts, last)))

    began = bought.select(member_id="customer_id", first="first")
    second = days.join(began, days.customer_id == began.member_id)
    second = second.filter(second.day > second["first"])
    second = second.group_by(member_id="customer_id").aggregate(second=second.day.min())
    both = bought.left_join(second, bought.customer_id == second.member_id)
    old = last.delta(both["first"], unit="day") >= cuts.lost_after_days
    again = both.second.notnull() & (both.second.delta(both["first"], unit="day") <= cuts.lost_after_days)
    counted = shop.count(both.aggregate(could=both.count(where=old), reached=both.count(where=old & again))).iloc[0]
    rows.append(("retention", float(counted["could"]), float(counted["reached"])))
    rows.append(("revenue", *_paid_back(shop, bought)))
    rows.append(("referral", *_referred(shop, bought)))
    table = pd.DataFrame(rows, columns=["step", "could", "reached"])
    known = table["could"] > 0
    low, high = proportion_confint(table["reached"].where(known, 0), table["could"].where(known, 1), method="wilson")
    share = table["reached"] / table["could"].where(known)
    # Rounding may put a limit on the wrong side of a share of 0 or 1.
    low, high = np.minimum(low, share), np.maximum(high, share)
    table = table.assign(share=share, low=np.where(known, low, np.nan), high=np.where(known, high, np.nan))
    # Who is known is known: there is nothing to estimate.
    table.loc[0, ["low", "high"]] = np.nan
    return table


def _activated(shop: Shop, bought: ir.Table, cuts: Cuts, last: ir.DateScalar) -> tuple[float, float]:
    if not shop.has("customers", "joined_at"):
        return (np.nan, np.nan)
    people = shop.customers.filter(shop.customers.joined_at.notnull())
    people = people.select(member_id="customer_id", joined=shop.day(people.joined_at))
    rows = people.left_join(bought, people.member_id == bought.customer_id)
    old = last.delta(rows.joined, unit="day") >= cuts.dormant_after_days
    soon = rows["first"].notnull() & (rows["first"].delta(rows.joined, unit="day") <= cuts.dormant_after_days)
    counted = shop.count(rows.aggregate(could=rows.count(where=old), reached=rows.count(where=old & soon))).iloc[0]
    return float(counted["could"]), float(counted["reached"])


def _paid_back(shop: Shop, bought: ir.Table) -> tuple[float, float]:
    if not shop.has("customers", "acquisition_cost"):
        return (np.nan, np.nan)
    people = shop.customers.filter(shop.customers.acquisition_cost.notnull())
    people = people.select(member_id="customer_id", cost=people.acquisition_cost)
    rows = bought.join(people, bought.customer_id == people.member_id)
    back = rows.profit >= rows.cost
    counted = shop.count(rows.aggregate(could=rows.count(), reached=rows.count(where=back))).iloc[0]
    return float(counted["could"]), float(counted["reached"])


def _referred(shop: Shop, bought: ir.Table) -> tuple[float, float]:
    if not shop.has("customers", "referred_by"):
        return (np.nan, np.nan)
    referred = bought.customer_id.isin(shop.customers.referred_by)
    counted = shop.count(bought.aggregate(could=bought.count(), reached=bought.count(where=referred))).iloc[0]
    return float(counted["could"]), float(counted["reached"])
