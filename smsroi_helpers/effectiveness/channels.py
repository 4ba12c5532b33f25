"""Channels together: customers by the set of channels that reached them."""

import ibis
import pandas as pd

from smsroi_helpers import measures
from smsroi_helpers.effectiveness.counts import Sends
from smsroi_helpers.engine import total
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import by_group, jackknife_rate, jackknife_ratio

__all__ = ["find_channel_sets"]

MOST_CHANNELS = 6


def find_channel_sets(shop: Shop, sends: Sends | None) -> pd.DataFrame | None:
    """Customers by the channels of their delivered messages, and what they bought in the same months.

    Who is reached by several channels is no chance, so differences are descriptive.

    Args:
        shop: the company.
        sends: of `counts.collect_sends`; None without messages.

    Returns:
        None without messages; else channels (names joined by ` + `), customers, messages_per_customer; buyers_rate,
        buyers_low, buyers_high (share with a purchase in the months counted); revenue, revenue_low, revenue_high (per
        customer, before refunds; NaN without orders). Most customers first.
    """
    if sends is None:
        return None
    rows = sends.rows.filter(sends.rows.delivered == 1)
    sizes = shop.count(rows.group_by("channel").aggregate(n=rows.count()).order_by(ibis.desc("n"), "channel"))
    names = sorted(sizes["channel"].head(MOST_CHANNELS))
    people = rows.group_by("customer_id", "group").aggregate(
        messages=rows.count(), **{f"by_{i}": (rows.channel == name).max() for i, name in enumerate(names)}
    )
    if shop.has("orders"):
        bought = measures.purchase_days(shop)
        bought = bought.filter(bought.day >= ibis.literal(sends.first))
        spent = bought.group_by("customer_id").aggregate(spent=bought["value"].sum()).rename(buyer="customer_id")
        people = people.left_join(spent, people.customer_id == spent.buyer)
    else:
        people = people.mutate(spent=ibis.null("float64"))
    flags = [f"by_{i}" for i in range(len(names))]
    cells = people.group_by(*flags, "group").aggregate(
        customers=people.count(), messages=people.messages.sum(), buyers=people.spent.notnull().sum(),
        revenue=total(people.spent.fill_null(0.0)),
    )  # fmt: skip
    found = shop.count(cells.order_by(*flags, "group"))
    label = [" + ".join(n for n, flag in zip(names, row, strict=True) if flag) for row in found[flags].to_numpy(bool)]
    found = found.assign(channels=label)
    found = found[found["channels"] != ""]
    columns = ["customers", "messages", "buyers", "revenue"]
    keys, (people_n, messages, buyers, revenue) = by_group(found, ["channels"], columns)
    rate, mean = jackknife_rate(buyers, people_n, people_n.sum(axis=-1)), jackknife_ratio(revenue, people_n)
    frame = keys.assign(
        customers=people_n.sum(axis=-1), messages_per_customer=messages.sum(axis=-1) / people_n.sum(axis=-1),
        buyers_rate=rate.estimate, buyers_low=rate.low, buyers_high=rate.high,
        revenue=mean.estimate, revenue_low=mean.low, revenue_high=mean.high,
    )  # fmt: skip
    if not shop.has("orders"):
        frame.loc[:, [name for name in frame.columns if name.startswith(("buyers", "revenue"))]] = float("nan")
    return frame.sort_values("customers", ascending=False, ignore_index=True)
