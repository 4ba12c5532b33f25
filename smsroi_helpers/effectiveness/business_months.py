"""How the business went, month by month: orders, revenue, subscribers and opt-outs, for the index page."""

import datetime as dt

import ibis
import numpy as np
import pandas as pd

from smsroi_helpers import measures
from smsroi_helpers.contract import OUTPUTS
from smsroi_helpers.engine import total
from smsroi_helpers.source import Shop

__all__ = ["complete_months", "count_business_months"]

MONTHS = 12


def complete_months(as_of: dt.date, count: int = MONTHS) -> list[dt.date]:
    """The first days of the last complete calendar months, the oldest first.

    Args:
        as_of: the last day observed; its own month is complete only if it is the month's last day.
        count: how many.

    >>> [f"{month:%Y-%m}" for month in complete_months(dt.date(2025, 2, 27), 2)]
    ['2024-12', '2025-01']
    >>> [f"{month:%Y-%m}" for month in complete_months(dt.date(2025, 2, 28), 2)]
    ['2025-01', '2025-02']
    """
    after = as_of + dt.timedelta(days=1)  # in the month after the last complete one
    whole = after.year * 12 + after.month - 1
    return [dt.date((whole - back) // 12, (whole - back) % 12 + 1, 1) for back in range(count, 0, -1)]


def count_business_months(shop: Shop) -> pd.DataFrame:
    """The last 12 complete months in the source's time zone.

    Returns:
        month (its first day); orders (purchases); revenue (after discount, less refunds of the month; money);
        subscribers (customers who may be texted at the month's end); opt_outs (customers who opted out in the month).
        NaN where the source does not record it, or where its log begins after the month's first day.
    """
    months = complete_months(shop.as_of)
    frame = pd.DataFrame({"month": months}, index=pd.Index(months))
    for name in OUTPUTS["business_months"][1:]:
        frame[name] = np.nan
    _count_orders(shop, frame)
    _count_consent(shop, frame)
    return frame.reset_index(drop=True)


def _count_orders(shop: Shop, frame: pd.DataFrame) -> None:
    known = _known(shop, "orders", frame)
    if not known:
        return
    bought, back = measures.purchases(shop), measures.refunds(shop)
    rows = ibis.union(
        bought.select("day", orders=ibis.literal(1), revenue=bought.spend),
        back.select("day", orders=ibis.literal(0), revenue=-back.refunded),
    )
    rows = rows.filter(rows.day >= ibis.literal(known[0])).mutate(month=ibis._.day.truncate("M"))
    cells = rows.group_by("month").aggregate(orders=rows.orders.sum(), revenue=total(rows.revenue))
    _fill(frame, known, shop.count(cells.order_by("month")), ["orders", "revenue"])


def _count_consent(shop: Shop, frame: pd.DataFrame) -> None:
    """Opt-outs and subscribers of the months of the log; a source without messages has its orders as log."""
    known = _known(shop, "messages" if shop.has("messages") else "orders", frame)
    left = measures.opt_outs(shop)
    if not known or left is None:
        return
    left = left.mutate(month=shop.day(left.opt_out_at).truncate("M"))
    cells = left.group_by("month").aggregate(opt_outs=left.customer_id.nunique())
    _fill(frame, known, shop.count(cells.order_by("month")), ["opt_outs"])
    ends = [(pd.Timestamp(month) + pd.offsets.MonthBegin(1)).date() for month in known]
    counted = measures.subscribers_at(shop, [shop.start_of(day) for day in ends])
    if counted is not None:
        frame.loc[known, "subscribers"] = shop.count(counted).iloc[0].to_numpy(float)


def _known(shop: Shop, table: str, frame: pd.DataFrame) -> list[dt.date]:
    """The months that a table covers from their first day on."""
    first = shop.loaded.tables[table].first if shop.has(table) else None
    return [month for month in frame["month"] if first and dt.date.fromisoformat(first[:10]) <= month]


def _fill(frame: pd.DataFrame, known: list[dt.date], cells: pd.DataFrame, names: list[str]) -> None:
    """Enter counts; a month of the log without any has 0."""
    cells = cells.set_index(pd.to_datetime(cells["month"]).dt.date)[names]
    frame.loc[known, names] = cells.reindex(known).fillna(0.0).astype(float)
