"""Who is in a segment: what is over-represented there, how its people answer, and what they write.

How many times as common something is in a segment as among all, with intervals by jackknife over groups of customers,
shrunk towards no difference within each kind of thing (`statistics.shrink`): of many shares some differ by chance.
All of it describes; nothing here says why.
"""

from collections import Counter

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from smsroi_helpers import measures
from smsroi_helpers.engine import hash_group
from smsroi_helpers.segmentation.clusters import MOST_LEVELS, UNKNOWN, attribute_columns
from smsroi_helpers.segmentation.feedback_terms import drop_parts, read_terms
from smsroi_helpers.segmentation.rfm import JACKKNIFE
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import GROUPS, by_group, jackknife, shrink

__all__ = [
    "HOURS",
    "draw_portraits",
    "find_themes",
]

HOURS = ("00-06", "06-09", "09-12", "12-15", "15-18", "18-21", "21-24")
"""Bands of the recipient's day; half-open."""
_STARTS = (6, 9, 12, 15, 18, 21)
FEWEST_PEOPLE = 20
"""Something that fewer people have is not portrayed."""
MOST_TEXTS = 200_000
"""More different texts than this are not read; the first by the alphabet are."""


def draw_portraits(shop: Shop, chosen: ir.Table) -> pd.DataFrame:
    """What is more or less common in each segment than among all.

    Args:
        shop: the company.
        chosen: customer_id and segment, of `resolution.segments`.

    Returns:
        segment, kind (`attribute`, `region`, `channel`, `hour` of orders, `creative` clicked), column, value; people
        (of the segment that have it; for creatives: messages clicked), share (in the segment), overall (among all);
        times (share ÷ overall, shrunken; for creatives: the segment's click rate of it over its click rate of all,
        against the same of everybody), low, high.
    """
    rows = shop.keep(chosen.mutate(group=hash_group(chosen.customer_id, JACKKNIFE, GROUPS)))
    parts = [_of_columns(shop, rows), _of_hours(shop, rows), _of_creatives(shop, rows)]
    parts = [part for part in parts if not part.empty]
    columns = ["segment", "kind", "column", "value", "people", "share", "overall", "times", "low", "high"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def _of_columns(shop: Shop, rows: ir.Table) -> pd.DataFrame:
    names = list(attribute_columns(shop))
    if shop.has("customers", "region"):
        levels = int(shop.count(shop.customers.aggregate(n=shop.customers.region.nunique()))["n"].iloc[0])
        names += ["region"] if 2 <= levels <= 3 * MOST_LEVELS else []
    parts = []
    for name in names:
        attributes = shop.customers.select(
            member_id="customer_id", value=shop.customers[name].cast("string").fill_null(UNKNOWN)
        )
        described = rows.join(attributes, rows.customer_id == attributes.member_id)
        cells = described.group_by("segment", "value", "group").aggregate(n=described.count())
        frame = shop.count(cells.order_by("segment", "value", "group"))
        kind = {"region": "region", "acquisition_channel": "channel"}.get(name, "attribute")
        parts.append(_over_represented(frame, kind, name))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _of_hours(shop: Shop, rows: ir.Table) -> pd.DataFrame:
    """The hours, on the buyer's clock, of orders."""
    orders = measures.purchases(shop)
    orders = measures.with_zone(shop, orders.filter(~orders.without_time)).rename(member_id="customer_id")
    hour = measures.local_time(shop, orders.ordered_at, orders.timezone).hour()
    bands = [(hour < start, HOURS[i]) for i, start in enumerate(_STARTS)]
    orders = orders.select("member_id", value=ibis.cases(*bands, else_=HOURS[-1]))
    bought = rows.join(orders, rows.customer_id == orders.member_id)
    cells = bought.group_by("segment", "value", "group").aggregate(n=bought.count())
    frame = shop.count(cells.order_by("segment", "value", "group"))
    return _over_represented(frame, "hour", "") if len(set(frame["value"])) > 1 else pd.DataFrame()


def _of_creatives(shop: Shop, rows: ir.Table) -> pd.DataFrame:
    """How much more a segment clicks a creative than it clicks on the whole, against the same of everybody."""
    if not (shop.has("messages", "variant") and measures.knows_clicks(shop)):
        return pd.DataFrame()
    messages = measures.human_clicks(shop)
    messages = messages.filter(messages.variant.notnull(), messages.click_known)
    sums = messages.group_by("variant", member_id="customer_id").aggregate(
        n=messages.count(where=messages.delivered_at.notnull()),
        hit=messages.count(where=messages.delivered_at.notnull() & messages.human_click_at.notnull()),
    )
    sent = rows.join(sums, rows.customer_id == sums.member_id)
    cells = sent.group_by("segment", "group", value=sent.variant).aggregate(n=sent.n.sum(), hit=sent.hit.sum())
    frame = shop.count(cells.order_by("segment", "value", "group"))
    if frame.empty or frame["value"].nunique() > 3 * MOST_LEVELS or not frame["hit"].sum():
        return pd.DataFrame()
    keys, (n, hit) = by_group(frame, ["segment", "value"], ["n", "hit"])
    of_segment = [keys.groupby("segment").indices[name] for name in keys["segment"]]
    of_value = [keys.groupby("value").indices[name] for name in keys["value"]]
    sums = np.stack(
        [
            hit, n, np.stack([hit[i].sum(0) for i in of_segment]), np.stack([n[i].sum(0) for i in of_segment]),
            np.stack([hit[i].sum(0) for i in of_value]), np.stack([n[i].sum(0) for i in of_value]),
            np.broadcast_to(hit.sum(0), hit.shape), np.broadcast_to(n.sum(0), n.shape),
        ]
    )  # fmt: skip
    with np.errstate(divide="ignore", invalid="ignore"):
        found = jackknife(
            lambda s: np.log(s[0] / s[1]) - np.log(s[2] / s[3]) - np.log(s[4] / s[5]) + np.log(s[6] / s[7]), sums
        )
    people = hit.sum(axis=1)
    share = people / np.maximum(n.sum(axis=1), 1)
    overall = np.array([hit[i].sum() / max(n[i].sum(), 1) for i in of_value])
    return _shrunken(keys, people, share, overall, found.estimate, found.standard_error, "creative", "variant")


def _log_ratio(sums: np.ndarray) -> np.ndarray:
    """The logarithm of (first ÷ second) over (third ÷ fourth)."""
    return np.asarray(np.log(sums[0] / sums[1]) - np.log(sums[2] / sums[3]))


def _over_represented(frame: pd.DataFrame, kind: str, column: str) -> pd.DataFrame:
    """Share of each value in each segment, over its share among all; shrunken within the column."""
    if frame.empty:
        return pd.DataFrame()
    keys, (n,) = by_group(frame, ["segment", "value"], ["n"])
    of_segment = np.stack([n[i].sum(0) for i in (keys.groupby("segment").indices[name] for name in keys["segment"])])
    of_value = np.stack([n[i].sum(0) for i in (keys.groupby("value").indices[name] for name in keys["value"])])
    everything = np.broadcast_to(n.sum(0), n.shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = jackknife(_log_ratio, np.stack([n, of_segment, of_value, everything]))
    people, overall = n.sum(axis=1), of_value.sum(axis=1) / n.sum()
    share = people / of_segment.sum(axis=1)
    return _shrunken(keys, people, share, overall, found.estimate, found.standard_error, kind, column)


def _shrunken(
    keys: pd.DataFrame, people: np.ndarray, share: np.ndarray, overall: np.ndarray, log_times: np.ndarray,
    error: np.ndarray, kind: str, column: str,
) -> pd.DataFrame:  # fmt: skip
    usable = (people >= FEWEST_PEOPLE) & np.isfinite(log_times) & np.isfinite(error) & (error > 0)
    if usable.sum() < 3:
        return pd.DataFrame()
    found = shrink(log_times[usable], error[usable], df=GROUPS - 1)
    return keys[usable].assign(
        kind=kind, column=column, people=people[usable].astype(int), share=share[usable], overall=overall[usable],
        times=np.exp(found.estimate), low=np.exp(found.low), high=np.exp(found.high),
    ).reset_index(drop=True)  # fmt: skip


# --- what they write -------------------------------------------------------------------------------------------------


def find_themes(shop: Shop, chosen: ir.Table) -> pd.DataFrame:
    """The words and phrases that a segment's feedback has more often than everybody's.

    Returns:
        segment, term, people (of the segment, who wrote it), share (of its people who wrote at all), overall, times
        (shrunken), low, high; no rows where feedback has no text. Only terms of 20 people or more, and not those that
        are nearly always a part of a longer one.
    """
    columns = ["segment", "term", "people", "share", "overall", "times", "low", "high"]
    if not shop.has("feedback", "text"):
        return pd.DataFrame(columns=columns)
    said = shop.feedback.filter(shop.feedback.text.notnull()).select("text", member_id="customer_id")
    rows = chosen.mutate(group=hash_group(chosen.customer_id, JACKKNIFE, GROUPS))
    texts = (
        rows.join(said, rows.customer_id == said.member_id).select("segment", "group", "text", "member_id").distinct()
    )
    cells = texts.group_by("segment", "group", "text").aggregate(people=texts.count())
    frame = shop.count(cells.order_by("text", "segment", "group").limit(MOST_TEXTS))
    counted: Counter[tuple[str, int, str]] = Counter()
    wrote: Counter[tuple[str, int]] = Counter()
    for row in frame.itertuples():
        wrote[row.segment, row.group] += row.people
        for term in read_terms(row.text):
            counted[row.segment, row.group, term] += row.people
    if not counted:
        return pd.DataFrame(columns=columns)
    terms = pd.DataFrame([(*key, n) for key, n in counted.items()], columns=["segment", "group", "value", "n"])
    frequent = terms.groupby("value")["n"].sum()
    frequent = frequent[frequent >= FEWEST_PEOPLE]
    terms = terms[terms["value"].isin(drop_parts(frequent.to_dict()))]
    if terms.empty:
        return pd.DataFrame(columns=columns)
    keys, (n,) = by_group(terms.sort_values(["segment", "value", "group"]), ["segment", "value"], ["n"])
    names = sorted({segment for segment, _group in wrote})
    writers = np.zeros((len(names), GROUPS))
    for (segment, group), people in wrote.items():
        writers[names.index(segment), group] = people
    of_segment = writers[[names.index(name) for name in keys["segment"]]]
    of_value = np.stack([n[i].sum(0) for i in (keys.groupby("value").indices[name] for name in keys["value"])])
    everything = np.broadcast_to(writers.sum(0), n.shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = jackknife(_log_ratio, np.stack([n, of_segment, of_value, everything]))
    people = n.sum(axis=1)
    share, overall = people / np.maximum(of_segment.sum(axis=1), 1), of_value.sum(axis=1) / writers.sum()
    themes = _shrunken(keys, people, share, overall, found.estimate, found.standard_error, "theme", "text")
    if themes.empty:
        return pd.DataFrame(columns=columns)
    return themes.rename(columns={"value": "term"})[columns]
