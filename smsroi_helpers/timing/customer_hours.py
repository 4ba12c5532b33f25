"""Each customer's send hour: the table `customer_send_hour`, and the share that differs from the segment's hour."""

from collections.abc import Mapping, Sequence

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from smsroi_helpers.measures import allowed, count_places, parse_rule, usable_hours
from smsroi_helpers.segmentation import segments
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import Floats
from smsroi_helpers.timing.personal_send_time import BINS, MOST_STEPS, STEP, PersonalHours, middle_of
from smsroi_helpers.timing.response import ALL

__all__ = [
    "customer_send_hours",
    "share_moved",
]


def _shifted(curve: pd.DataFrame) -> Floats:
    """(bins, windows): the curve at each window's middle less δ, constant beyond the first and the last window."""
    middle = middle_of(curve)
    return np.interp(middle[None, :] - BINS[:, None] * STEP, middle, curve["rate"].to_numpy(float))


def share_moved(personal: PersonalHours) -> float:
    """Share of customers with own events whose best hour differs from their segment's; NaN where none has events.

    Over all windows tested, whether or not they are allowed for the customer.
    """
    best = {segment: _shifted(curve).argmax(axis=1) for segment, curve in personal.curves.items()}
    people = personal.people
    best_bins = [best.get(row.segment, best[ALL])[[row.bin + MOST_STEPS, MOST_STEPS]] for row in people.itertuples()]
    moved = np.array([own != usual for own, usual in best_bins], float)
    customers = people["customers"].to_numpy(float)
    return float(customers @ moved / customers.sum()) if customers.sum() else float("nan")


def _candidates(shop: Shop, curves: Mapping[str, pd.DataFrame], own_hours: str, bins: Sequence[int]) -> pd.DataFrame:
    """zone, area, of (segment), step, hour: the best allowed window by place, segment and shift δ."""
    own = parse_rule(own_hours)
    shifted_rates = {segment: _shifted(curve) for segment, curve in curves.items()}
    rows = []
    for place in count_places(shop).itertuples():
        usable = usable_hours(allowed(place.rules.split(), own))
        for segment, curve in curves.items():
            is_allowed = np.array([usable[w.hour : w.until].all() for w in curve.itertuples()])
            if not is_allowed.any():
                continue
            hours = curve["hour"].to_numpy(int)
            for step in bins:
                best = int(np.where(is_allowed, shifted_rates[segment][step + MOST_STEPS], -np.inf).argmax())
                rows.append((place.timezone, place.region, segment, step, int(hours[best])))
    return pd.DataFrame(rows, columns=["zone", "area", "of", "step", "hour"])


def customer_send_hours(shop: Shop, personal: PersonalHours, segment_by: str, own_hours: str = "") -> ir.Table:
    """The table `customer_send_hour`, for the engine to write; no customer gets an hour that is not allowed for them.

    The hour is the best of the windows tested and allowed, by the segment's curve or by that curve shifted by the
    customer's δ.

    Args:
        shop: the company.
        personal: of `analyse_personal_send_times`.
        segment_by: which grouping, as of the last day observed.
        own_hours: the sender's own allowed hours (`9-18`); empty for none.

    Returns:
        customer_id, hour (local), weekday (null: any on which texts are allowed there), basis (`personal`, `segment`).
        Customers for whom no tested hour is allowed have no row.
    """
    best = _candidates(shop, personal.curves, own_hours, BINS.tolist() if personal.used else [0])
    table = ibis.memtable(
        best, schema={"zone": "string", "area": "string", "of": "string", "step": "int64", "hour": "int64"}
    )
    people = segments(shop, segment_by, shop.as_of)
    known = sorted(set(best["of"]))
    people = people.mutate(of=ibis.ifelse(people.segment.isin(known), people.segment, ALL) if known else people.segment)
    people = _with_shift(_with_home(shop, people), personal)
    rows = people.select("customer_id", "of", "zone", "area", "step").join(table, ["of", "zone", "area", "step"])
    return rows.select(
        "customer_id", "hour", weekday=ibis.null("int64"),
        basis=ibis.ifelse(rows.step != 0, "personal", "segment"),
    ).order_by("customer_id")  # fmt: skip


def _with_home(shop: Shop, people: ir.Table) -> ir.Table:
    """The customers with zone and area (their region); empty where not known."""
    if not shop.has("customers"):
        return people.mutate(zone=ibis.literal(""), area=ibis.literal(""))
    homes = shop.customers.select(
        home="customer_id",
        zone=shop.customers.timezone if shop.has("customers", "timezone") else ibis.null("string"),
        area=shop.customers.region if shop.has("customers", "region") else ibis.null("string"),
    )
    people = people.left_join(homes, people.customer_id == homes.home)
    return people.mutate(zone=people.zone.fill_null(""), area=people.area.fill_null(""))


def _with_shift(people: ir.Table, personal: PersonalHours) -> ir.Table:
    """The customers with step (δ in quarter hours): 0 without own events, and where own hours are not used."""
    if not personal.used:
        return people.mutate(step=ibis.literal(0).cast("int64"))
    own = personal.rows.select(person="customer_id", bin="bin")
    people = people.left_join(own, people.customer_id == own.person)
    return people.mutate(step=people.bin.fill_null(0))
