"""Each customer's hour and weekday: the table `customer_send_hour`, and the share whose hour is not the segment's."""

from collections.abc import Mapping, Sequence

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from smsroi_helpers.contract import evidence_of_model
from smsroi_helpers.measures import allowed, count_places, parse_rule
from smsroi_helpers.segmentation import segments
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import Floats
from smsroi_helpers.timing.best_weekdays import WeekdayAnswer, weekdays_of
from smsroi_helpers.timing.decision import HourDecision
from smsroi_helpers.timing.personal_send_time import BINS, MOST_STEPS, STEP, PersonalHours, middle_of
from smsroi_helpers.timing.response import ALL

__all__ = [
    "customer_send_hours",
    "share_moved",
]

_CANDIDATES = {
    "zone": "string", "area": "string", "of": "string", "step": "int64", "hour": "int64", "weekday": "int64",
    "weekdays": "string", "weekday_evidence": "string", "rules": "string",
}  # fmt: skip
"""Columns of `_candidates` and their types in the engine."""


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


def _candidates(
    shop: Shop, curves: Mapping[str, pd.DataFrame], own_hours: str, bins: Sequence[int],
    weekdays: Sequence[WeekdayAnswer] = (), ruled: bool = True,
) -> pd.DataFrame:  # fmt: skip
    """The best allowed window by place, segment and shift δ, and the weekday on which it is best sent.

    Returns:
        zone, area, of (segment), step; hour; weekday and weekdays, of `_weekday_at`; weekday_evidence; rules.
    """
    own = parse_rule(own_hours)
    shifted_rates = {segment: _shifted(curve) for segment, curve in curves.items()}
    rows = []
    places = count_places(shop)
    for place in (places if ruled else places.assign(rules="")).itertuples():
        week = allowed(place.rules.split(), own)
        for segment, curve in curves.items():
            # 7 weekdays × windows
            is_allowed = np.stack([week[:, w.hour : w.until].all(axis=1) for w in curve.itertuples()], axis=1)
            if not is_allowed.any():
                continue
            answer = weekdays_of(weekdays, segment)
            hours = curve["hour"].to_numpy(int)
            for step in bins:
                rates = shifted_rates[segment][step + MOST_STEPS]
                best = int(np.where(is_allowed.any(axis=0), rates, -np.inf).argmax())
                day, days = _weekday_at(is_allowed[:, best], answer)
                evidence = evidence_of_model(answer.evidence if answer is not None and day is not None else "none")
                rows.append(
                    (place.timezone, place.region, segment, step, int(hours[best]), day, days, evidence, place.rules)
                )
    return pd.DataFrame(rows, columns=list(_CANDIDATES))


def _weekday_at(is_allowed: NDArray[np.bool_], answer: WeekdayAnswer | None) -> tuple[int | None, str]:
    """The weekday for an hour that is allowed on some, and all weekdays (`0 1 2`) that are as good.

    Args:
        is_allowed: (7,), whether the hour is allowed on the weekday.
        answer: of the segment; None where weekdays are not compared.

    Returns:
        The most likely best allowed weekday and the allowed ones that are not distinguishable from the best; where no
        weekday stands out, None and all allowed ones.
    """
    everyday = " ".join(str(day) for day in np.flatnonzero(is_allowed))
    if answer is None or answer.chosen.all():
        return None, everyday
    days = answer.days[is_allowed[answer.days["weekday"].to_numpy(int)]]
    if not len(days):
        return None, everyday
    best = int(days["weekday"].iloc[days["rate"].to_numpy(float).argmax()])
    as_good = days.loc[days["set_of_best"], "weekday"].astype(int).tolist()
    return best, " ".join(str(day) for day in sorted({best, *as_good}))


def customer_send_hours(
    shop: Shop, personal: PersonalHours, segment_by: str, own_hours: str = "",
    weekdays: Sequence[WeekdayAnswer] = (), decisions: Sequence[HourDecision] = (), ruled: bool = True,
) -> ir.Table:  # fmt: skip
    """The table `customer_send_hour`, for the engine to write.

    The hour is the best of the windows tested and allowed on at least one weekday, by the segment's curve or by that
    curve shifted by the customer's δ. A segment that follows all customers together has their curve. The weekday is the
    best of those on which this hour is allowed where the customer lives. No customer gets an hour and a weekday that
    are not allowed together.

    `outcome` says what was decided for the segment, or for all customers where it follows them. Only with `do` should
    the customer's texts move to the hour; where the advice is to stay within allowed hours, it is the likeliest best of
    these. With the others the hour is where the evidence points so far, and today's hours stay.

    Args:
        shop: the company.
        personal: of `analyse_personal_send_times`.
        segment_by: which grouping, as of the last day observed.
        own_hours: the sender's own allowed hours (`9-18`); empty for none.
        weekdays: of `find_best_weekdays`.
        decisions: of `decision.decide`.
        ruled: whether the rules on hours apply to the channel, of `Timing`.

    Returns:
        customer_id, segment, hour (local), weekday (null: any of `weekdays`), basis (of the hour: `personal`,
        `segment`, `all`); outcome (of the decision: `do`, `dont`, `not_enough_evidence`; the last without a decision);
        weekdays (those on which the hour is allowed and that are as good as the best, `0 1 2`), weekday_evidence
        (`none` where the weekday is null), rules (those of `measures.days_off`, which has the public holidays to skip).
        Customers for whom no tested hour is allowed have no row.
    """
    best = _candidates(shop, personal.curves, own_hours, BINS.tolist() if personal.used else [0], weekdays, ruled)
    table = ibis.memtable(best.astype({"weekday": "Int64"}), schema=_CANDIDATES)
    people = segments(shop, segment_by, shop.as_of)
    known = sorted(set(best["of"]) - {each.segment for each in decisions if each.follows_all})
    people = people.mutate(of=ibis.ifelse(people.segment.isin(known), people.segment, ALL) if known else people.segment)
    people = _with_shift(_with_home(shop, people), personal)
    keys = ("of", "zone", "area", "step")
    rows = people.select("customer_id", "segment", *keys).join(table, list(keys))
    decided, open_ = {each.segment: each.outcome for each in decisions}, "not_enough_evidence"
    return rows.select(
        "customer_id", "segment", "hour", "weekday", "weekdays", "weekday_evidence", "rules",
        basis=ibis.cases((rows.step != 0, "personal"), (rows["of"] == rows.segment, "segment"), else_="all"),
        outcome=rows["of"].cases(*decided.items(), else_=open_) if decided else ibis.literal(open_),
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
