"""What the log alone says of texting and retention: customers alike in all that was known before, texted or not.

On a landmark day subscribers are put into strata by what was known then: weeks since the last purchase, purchases,
texts and clicks of the eight weeks before. Texted is who got a text in the four weeks after. The outcome is a purchase
in the weeks after those, whether or not the customer opted out meanwhile: opt-outs get fewer texts, and leaving them
out would make texts look as if they retained (immortal time). The difference is the mean over strata that hold both
kinds of customers, weighted by the texted ones. It is no effect: what the sender knew and the log does not tell may be
the cause (hence the E-value), and this page takes no decision on it.

References:
    Rubin (1977), Assignment to treatment group on the basis of a covariate, J. Educational Statistics 2(1).
    VanderWeele & Ding (2017), Sensitivity analysis in observational research: introducing the E-value, Annals of
        Internal Medicine 167(4).
"""

import datetime as dt
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from smsroi_helpers import measures
from smsroi_helpers.engine import hash_group
from smsroi_helpers.retention.base_audit import JACKKNIFE
from smsroi_helpers.segmentation import known_people
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import GROUPS, Floats, by_group, jackknife

__all__ = [
    "Association",
    "associate",
    "e_value",
    "standardise",
]

TEXT_WEEKS, PAST_WEEKS = 4, 8
_FEWEST = 5
"""Customers of each kind in a stratum, with fewer it is left out."""
STRATA = ("recency", "purchases", "texts", "clicks")


@dataclass(frozen=True)
class Association:
    """How purchases go with texts, raw and adjusted; NaN where it cannot be said."""

    landmark: dt.date
    """The last day of what was known before."""
    weeks: int
    """The weeks in which a purchase counts; they begin four weeks after the landmark."""
    customers: tuple[int, int]
    """Texted, not texted; outside experiments that set who is texted."""
    covered: float
    """Share (0–1) of the texted in strata that hold both kinds."""
    raw: tuple[float, float, float]
    """Difference of the shares who bought, with 95 % limits."""
    adjusted: tuple[float, float, float]
    """The same within strata."""
    e_value: float
    """How strongly something unseen would have to go with both texts and purchases (risk ratio) to explain it all."""


def e_value(risk_ratio: float) -> float:
    """RR + √(RR (RR − 1)) of a risk ratio, or of its inverse below 1 (VanderWeele & Ding 2017).

    >>> round(e_value(3.9), 2)  # their example
    7.26
    """
    if not risk_ratio > 0 or not np.isfinite(risk_ratio):
        return float("nan")
    ratio = max(risk_ratio, 1 / risk_ratio)
    return float(ratio + np.sqrt(ratio * (ratio - 1)))


def associate(shop: Shop, channel: str, weeks: int = 8) -> Association | None:
    """The association of texts with later purchases; None without texts or orders, or in a log of less than 24 weeks.

    Args:
        shop: the company.
        channel: of the texts.
        weeks: in which a purchase counts.
    """
    if not channel or not shop.has("orders"):
        return None
    landmark = shop.as_of - dt.timedelta(weeks=weeks + TEXT_WEEKS)
    first = shop.loaded.tables["orders"].first
    if first is None or dt.date.fromisoformat(first) > landmark - dt.timedelta(weeks=12):
        return None
    return standardise(_count_strata(shop, channel, landmark), landmark, weeks)


def _count_strata(shop: Shop, channel: str, landmark: dt.date) -> pd.DataFrame:
    """By stratum, texted (0 or 1) and group of customers: customers, bought."""
    edges = {
        name: shop.start_of(landmark + dt.timedelta(days=1, weeks=shift))
        for name, shift in (("past", -PAST_WEEKS), ("now", 0), ("after", TEXT_WEEKS))
    }
    now, after = (ibis.literal(edges[name]) for name in ("now", "after"))
    people = measures.subscribed(shop, now, known_people(shop, landmark))
    others = measures.customers_in_experiments(shop, edges["now"], edges["after"])
    if others is not None:
        others = others.rename(member="customer_id")
        people = people.anti_join(others, people.customer_id == others.member)
    history = measures.purchase_history(shop, landmark).rename(buyer="customer_id")
    rows = people.left_join(history, people.customer_id == history.buyer)
    silent = rows.T_days - rows.recency_days
    rows = rows.select(
        "customer_id",
        recency=ibis.cases(
            (silent.isnull(), 9), (silent <= 14, 0), (silent <= 28, 1), (silent <= 56, 2), (silent <= 112, 3),
            (silent <= 224, 4), else_=5,
        ),
        purchases=ibis.least((rows.frequency.fill_null(-1) + 2).log2().floor().cast("int64"), 4),
    )  # fmt: skip
    rows = _with_texts(shop, rows, channel, edges)
    bought = measures.purchases(shop)
    bought = bought.filter(bought.ordered_at >= after).select(buyer="customer_id").distinct()
    rows = rows.mutate(
        bought=rows.customer_id.isin(bought.buyer), group=hash_group(rows.customer_id, JACKKNIFE, GROUPS)
    )
    keys = (*STRATA, "texted", "group")
    cells = rows.group_by(*keys).aggregate(customers=rows.count(), bought=rows.count(where=rows.bought))
    return shop.count(cells.order_by(*keys))


def _with_texts(shop: Shop, rows: ir.Table, channel: str, edges: dict[str, dt.datetime]) -> ir.Table:
    """The rows with texts and clicks of the past weeks, in classes, and whether a text came in the weeks after."""
    past, now, after = (ibis.literal(edges[name]) for name in ("past", "now", "after"))
    sends = measures.human_clicks(shop)
    sends = sends.filter(sends.channel == channel, sends.sent_at >= past, sends.sent_at < after)
    before = sends.sent_at < now
    sums = sends.group_by(addressee="customer_id").aggregate(
        texts=sends.count(where=before),
        clicks=sends.count(where=before & (sends.human_click_at < now).fill_null(False)),
        texted=sends.count(where=~before),
    )
    rows = rows.left_join(sums, rows.customer_id == sums.addressee).drop("addressee")
    texts, clicks = rows.texts.fill_null(0), rows.clicks.fill_null(0)
    return rows.mutate(
        texts=ibis.cases((texts == 0, 0), (texts <= 2, 1), (texts <= 5, 2), (texts <= 9, 3), else_=4),
        clicks=ibis.least(clicks, 2),
        texted=(rows.texted.fill_null(0) > 0).cast("int64"),
    )


def standardise(cells: pd.DataFrame, landmark: dt.date, weeks: int) -> Association:
    """The raw and the adjusted difference from cells, with intervals by a jackknife over customers.

    Args:
        cells: of `_count_strata`: the columns of `STRATA`, texted (0 or 1), group, customers, bought.
        landmark: the last day before.
        weeks: in which a purchase counts.
    """
    unknown = (float("nan"),) * 3
    keyed = cells.assign(stratum=cells.groupby(list(STRATA)).ngroup())
    every = pd.MultiIndex.from_product([sorted(keyed["stratum"].unique()), [0, 1]], names=["stratum", "texted"])
    empty = every.to_frame(index=False).assign(group=0, customers=0, bought=0)
    _keys, sums = by_group(pd.concat([keyed, empty]), ["stratum", "texted"], ["customers", "bought"])
    n, x = (part.reshape(-1, 2, GROUPS) for part in sums)
    customers = n.sum(axis=(0, 2)).astype(int)
    both = (n.sum(axis=2) >= _FEWEST).all(axis=1)
    sizes = (int(customers[1]), int(customers[0]))
    if not customers.all() or not both.any():
        return Association(landmark, weeks, sizes, 0.0, unknown, unknown, float("nan"))
    strata = int(both.sum())
    flat = np.concatenate([part[both].reshape(-1, GROUPS) for part in (n, x)])

    def adjusted(values: Floats) -> Floats:
        people, bought = (part.reshape(strata, 2, *values.shape[1:]) for part in np.split(values, 2))
        share = bought / people
        weight = people[:, 1] / people[:, 1].sum(axis=0)
        return np.asarray((weight * (share[:, 1] - share[:, 0])).sum(axis=0))

    def raw(values: Floats) -> Floats:
        return np.asarray(values[3] / values[1] - values[2] / values[0])

    whole = np.concatenate([n.sum(axis=0), x.sum(axis=0)])
    found = [jackknife(raw, whole), jackknife(adjusted, flat)]
    differences = [(float(one.estimate), float(one.low), float(one.high)) for one in found]
    texted = float((n[both][:, 1] * 1.0).sum())
    base = float(x[both][:, 1].sum() / texted)
    ratio = base / (base - differences[1][0]) if base > differences[1][0] else float("nan")
    return Association(
        landmark, weeks, sizes, texted / float(customers[1]), differences[0], differences[1], e_value(ratio)
    )
