"""Who may be texted when the plan begins, and what is sent to them today.

Today's practice is that of `measures.find_practice`. It is counted twice: by the type that a customer had before these
weeks, to compare today's clicks with what the tests predict; and by the type of the last day, to value going on as now.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from smsroi_helpers import measures
from smsroi_helpers.engine import hash_group
from smsroi_helpers.experiments import texts_set_by_tests
from smsroi_helpers.segmentation import known_people
from smsroi_helpers.send_plan.customer_types import CustomerTypes, everybody
from smsroi_helpers.send_plan.evidence import EXPLORED, NO_TEXT, PURPOSE, Evidence, cube
from smsroi_helpers.send_plan.groupings import Grouping
from smsroi_helpers.send_plan.profile_counts import ProfileCounter
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import GROUPS, Floats

__all__ = ["LEFT_OUT", "Audience", "Today", "count_today", "find_audience", "share_untested"]

LEFT_OUT = ("no_consent", "unreachable", "in_test", "no_hour_allowed")
"""Why customers are not in the plan, in the order in which the reasons are asked."""
DOSE_STEP, MOST_TEXTS = 0.5, 7.0
"""Today's texts a week are rounded to halves."""


@dataclass(frozen=True)
class Audience:
    """Everybody known today, with the reason why not in the plan."""

    rows: ir.Table
    """customer_id, code, zone, area, reason (empty: in the plan), texts_today (a week)."""
    left_out: pd.DataFrame
    """reason, customers; with those in the plan they add up to all."""
    places: pd.DataFrame
    """timezone, region, rules, mask: number of the set of allowed hours."""
    masks: tuple[np.ndarray, ...]
    """Of each mask (7, 24): hours allowed."""
    usual_zone: str
    """The source's time zone, of customers without their own."""
    practice: measures.Practice


@dataclass(frozen=True)
class Today:
    """Today's practice by the profiles of a grouping."""

    customers: Floats
    """(P, masks): customers in the plan's audience."""
    doses: Floats
    """(P, halves): share of them at 0, ½, 1 … texts a week."""
    hours: Floats
    """(P, 24): share of today's texts by local hour; of all texts where a profile has none."""
    texts: Floats
    """(P, C): share of each text, likewise; the rest had none of these."""
    recent_clicks: Floats
    """(G, P): clicks on today's texts, by the type before these weeks."""
    recent_texts: Floats
    """(G, P): delivered or not."""
    recent_doses: Floats
    """(P, halves): share of these texts, by the customer's texts a week."""
    recent_hours: Floats
    recent_creatives: Floats
    recent_opt_outs: Floats
    """(G,)."""
    recent_weeks: Floats
    """(G, P, halves): subscriber weeks."""


def find_audience(
    evidence: Evidence, types: CustomerTypes, practice: measures.Practice, own_hours: str = ""
) -> Audience:
    """Who may be texted at the end of the log, and why the others not.

    Args:
        evidence: of `collect_evidence`.
        types: of `find_types`.
        practice: of `measures.find_practice`.
        own_hours: the sender's own allowed hours.
    """
    shop = evidence.shop
    people = shop.keep(types.label(everybody(shop), shop.as_of))
    rows = people.select("customer_id", "code")
    consenting = measures.subscribed(shop, ibis.literal(shop.end), rows).select(consents="customer_id")
    rows = rows.left_join(consenting, rows.customer_id == consenting.consents)
    never = measures.never_reached(shop, evidence.channel).rename(unreached="customer_id")
    rows = rows.left_join(never, rows.customer_id == never.unreached)
    aside = texts_set_by_tests(shop)
    if aside is not None:
        aside = aside.rename(tested="customer_id")
        rows = rows.left_join(aside, rows.customer_id == aside.tested)
    else:
        rows = rows.mutate(tested=ibis.null("string"))
    zone = shop.customers.timezone if shop.has("customers", "timezone") else ibis.null("string")
    area = shop.customers.region if shop.has("customers", "region") else ibis.null("string")
    if shop.has("customers"):
        homes = shop.customers.select(home="customer_id", zone=zone, area=area)
        rows = rows.left_join(homes, rows.customer_id == homes.home)
    else:
        rows = rows.mutate(zone=ibis.literal(""), area=ibis.literal(""))
    rows = rows.mutate(zone=rows.zone.fill_null(""), area=rows.area.fill_null(""))
    rows = shop.keep(rows)
    nameless = rows.aggregate(n=rows.count(where=(rows.zone == "") & (rows.area == "")))
    ruled = evidence.channel not in measures.OTHER_CHANNELS
    places, masks = _allowed_sets(shop, own_hours, bool(shop.count(nameless)["n"].iloc[0]), ruled=ruled)
    closed = [(row.timezone, row.region) for row in places.itertuples() if not masks[row.mask].any()]
    nowhere = ibis.or_(ibis.literal(False), *((rows.zone == z) & (rows.area == a) for z, a in closed))
    reason = ibis.cases(
        (rows.consents.isnull(), LEFT_OUT[0]), (rows.unreached.notnull(), LEFT_OUT[1]),
        (rows.tested.notnull(), LEFT_OUT[2]), (nowhere, LEFT_OUT[3]), else_="",
    )  # fmt: skip
    weekly = _weekly_texts(shop, practice)
    rows = rows.mutate(reason=reason).select("customer_id", "code", "zone", "area", "reason")
    rows = rows.left_join(weekly, rows.customer_id == weekly.addressee)
    rows = shop.keep(rows.select("customer_id", "code", "zone", "area", "reason",
                                 texts_today=rows.texts_today.fill_null(0.0)))  # fmt: skip
    counted = shop.count(rows.group_by("reason").aggregate(customers=rows.count()).order_by("reason"))
    return Audience(rows, counted, places, tuple(masks), shop.settings.timezone, practice)


def _allowed_sets(
    shop: Shop, own_hours: str, nameless: bool, *, ruled: bool
) -> tuple[pd.DataFrame, list[np.ndarray]]:  # fmt: skip
    """The places of customers with the number of their set of allowed hours, and the sets.

    Args:
        shop: the company.
        own_hours: the sender's own.
        nameless: whether there are customers of unknown place; who is not in the table customers has none.
        ruled: whether the rules on hours and days of texts apply to the channel.
    """
    places = measures.count_places(shop)
    if nameless and not ((places["timezone"] == "") & (places["region"] == "")).any():
        rules = " ".join(measures.rule_of("", "", shop.settings.jurisdiction, shop.settings.timezone))
        places.loc[len(places)] = {"timezone": "", "region": "", "rules": rules, "customers": 0}
    if not ruled:
        places["rules"] = ""
    own = measures.parse_rule(own_hours)
    masks: list[np.ndarray] = []
    numbers = []
    for rules in places["rules"]:
        week = measures.allowed(str(rules).split(), own)
        number = next((i for i, known in enumerate(masks) if (known == week).all()), len(masks))
        if number == len(masks):
            masks.append(week)
        numbers.append(number)
    return places.assign(mask=numbers), masks


def _weekly_texts(shop: Shop, practice: measures.Practice) -> ir.Table:
    """addressee, texts_today: of whoever got any text of the practice, a week."""
    sends = measures.practice_sends(shop, practice)
    weeks = float(practice.weeks_covered)
    return sends.group_by(addressee="customer_id").aggregate(texts_today=sends.count() / weeks)


def _half(texts: ir.NumericValue) -> ir.IntegerValue:
    """The number of half texts a week, at most `MOST_TEXTS`."""
    return ibis.least((texts / DOSE_STEP).round(), int(MOST_TEXTS / DOSE_STEP)).cast("int64")


HALVES = int(MOST_TEXTS / DOSE_STEP) + 1


def share_untested(evidence: Evidence, practice: measures.Practice) -> float:
    """Share (0–1) of today's texts whose creative was never drawn at random, neither by a test nor by exploring.

    Such creatives are compared within their campaigns. 0 where no text names its creative.

    Args:
        evidence: of `collect_evidence`.
        practice: of `measures.find_practice`.
    """
    if not practice.messages or evidence.creatives == (NO_TEXT,):
        return 0.0
    shop = evidence.shop
    explored = evidence.texts.filter(evidence.texts.kind == EXPLORED).select("variant").distinct()
    drawn = evidence.tested_creatives | set(shop.count(explored.order_by("variant"))["variant"].dropna())
    sends = measures.practice_sends(shop, practice)
    counted = shop.count(sends.group_by("variant").aggregate(n=sends.count()).order_by("variant"))
    return 1.0 - float(counted.loc[counted["variant"].isin(drawn), "n"].sum()) / float(counted["n"].sum())


def count_today(
    evidence: Evidence, types: CustomerTypes, audience: Audience, groupings: Sequence[Grouping]
) -> list[Today]:
    """Today's practice by every grouping.

    Args:
        evidence: of `collect_evidence`.
        types: of `find_types`.
        audience: of `find_audience`.
        groupings: of `find_groupings`.
    """
    shop, practice = evidence.shop, audience.practice
    before = practice.first_day - dt.timedelta(days=1)
    labelled = shop.keep(types.label(everybody(shop, before), before)).select(member="customer_id", old_code="code")
    sends = measures.local_sends(shop)
    ours = measures.practice_sends(shop, practice).select(of="message_id")
    sends = sends.join(ours, sends.message_id == ours["of"])
    weekly = _weekly_texts(shop, practice).rename(person="addressee")
    sends = sends.join(weekly, sends.customer_id == weekly.person)
    sends = sends.select(
        "customer_id", "hour", "variant", half=_half(sends.texts_today), known=sends.click_known.cast("int64"),
        clicked=sends.human_click_at.notnull().cast("int64"),
    )  # fmt: skip
    now = audience.rows.filter(audience.rows.reason == "").select(owner="customer_id", now_code="code")
    counter = ProfileCounter(shop, evidence.codes["code"], groupings)
    old = shop.keep(sends.join(labelled, sends.customer_id == labelled.member).drop("member").rename(code="old_code"))
    new = shop.keep(sends.join(now, sends.customer_id == now.owner).drop("owner").rename(code="now_code"))
    members = _with_masks(audience)
    people = shop.keep(members.select("customer_id", "code", "mask", half=_half(members.texts_today)))
    weeks = measures.subscriber_weeks(shop, practice, lambda day: known_people(shop, day))
    each = weeks.group_by(subscriber="customer_id").aggregate(weeks=weeks.count())
    lost = _lost_in(evidence, practice)
    recent = labelled.join(each, labelled.member == each.subscriber)
    recent = recent.left_join(weekly, recent.member == weekly.person)
    recent = recent.left_join(lost, recent.member == lost.leaver)
    recent = shop.keep(recent.select(
        "weeks", code="old_code", customer_id="member", half=_half(recent.texts_today.fill_null(0.0)),
        left=recent.leaver.notnull().cast("int64"),
    ))  # fmt: skip
    return _by_profile(evidence, len(audience.masks), counter, groupings, old, new, people, recent)


def count_audience(evidence: Evidence, audience: Audience) -> Floats:
    """(codes, masks): customers of the plan's audience, by type and set of allowed hours.

    Args:
        evidence: of `collect_evidence`.
        audience: of `find_audience`.
    """
    members = _with_masks(audience)
    counted = evidence.shop.count(
        members.group_by("code", "mask").aggregate(n=members.count()).order_by("code", "mask")
    )
    codes = evidence.codes["code"]
    number = pd.Series(np.arange(len(codes)), index=codes.to_numpy())
    counted = counted.assign(code=number.reindex(counted["code"]).to_numpy())
    return cube(counted, "n", {"code": len(codes), "mask": len(audience.masks)})


def _with_masks(audience: Audience) -> ir.Table:
    """customer_id, code, mask, texts_today of the audience."""
    places = ibis.memtable(audience.places[["timezone", "region", "mask"]])
    members = audience.rows.filter(audience.rows.reason == "")
    members = members.join(places, (members.zone == places.timezone) & (members.area == places.region))
    return members.select("customer_id", "code", "mask", "texts_today")


def _lost_in(evidence: Evidence, practice: measures.Practice) -> ir.Table:
    start, end = measures.practice_instants(evidence.shop, practice)
    events = measures.opt_outs(evidence.shop)
    if events is None:
        return evidence.shop.messages.filter(ibis.literal(False)).select(leaver="customer_id")
    events = events.filter(events.opt_out_at >= ibis.literal(start), events.opt_out_at < ibis.literal(end))
    return events.select(leaver="customer_id").distinct()


def _by_profile(
    evidence: Evidence, masks: int, counter: ProfileCounter, groupings: Sequence[Grouping], old: ir.Table,
    new: ir.Table, people: ir.Table, recent: ir.Table,
) -> list[Today]:  # fmt: skip
    number = {text: i for i, text in enumerate(evidence.creatives)}

    def shares(rows: ir.Table, level: ir.Value, size: int) -> list[Floats]:
        """(P, size) of each grouping."""
        rows = rows.mutate(level=level)
        rows = rows.filter(rows.level.notnull())
        counted = counter.count(rows, {"level": rows.level}, {"n": ibis.literal(1)})
        return [
            _as_shares(cube(cells, "n", {"profile": len(grouping.membership), "level": size}))
            for cells, grouping in zip(counted, groupings, strict=True)
        ]

    def texts(rows: ir.Table) -> list[Floats]:
        branches = [(rows.variant == text, i) for text, i in number.items()]
        numbered = ibis.cases(*branches, else_=None) if branches else ibis.null()
        return shares(rows, numbered.cast("int64"), max(len(number), 1))

    clicks = counter.count(
        old, {"group": hash_group(old.customer_id, PURPOSE, GROUPS)},
        {"n": ibis.literal(1), "known": old.known, "clicked": old.clicked},
    )  # fmt: skip
    sizes = counter.count(people, {"mask": people["mask"]}, {"n": ibis.literal(1)})
    weeks = counter.count(
        recent, {"half": recent.half, "group": hash_group(recent.customer_id, PURPOSE, GROUPS)},
        {"weeks": recent.weeks, "left": recent.left},
    )  # fmt: skip
    doses, hours, sent = shares(people, people.half, HALVES), shares(new, new.hour, 24), texts(new)
    recent_doses, recent_hours, recent_texts = shares(old, old.half, HALVES), shares(old, old.hour, 24), texts(old)
    found = []
    for i, grouping in enumerate(groupings):
        profiles = {"profile": len(grouping.membership)}
        scale = {"group": GROUPS, **profiles}
        clicked = clicks[i]["clicked"] * clicks[i]["n"] / clicks[i]["known"].clip(lower=1)
        found.append(Today(
            customers=cube(sizes[i], "n", {**profiles, "mask": masks}),
            doses=doses[i],
            hours=hours[i],
            texts=sent[i],
            recent_clicks=cube(clicks[i].assign(clicked=clicked), "clicked", scale),
            recent_texts=cube(clicks[i], "n", scale),
            recent_doses=recent_doses[i],
            recent_hours=recent_hours[i],
            recent_creatives=recent_texts[i],
            recent_opt_outs=cube(weeks[i], "left", {"group": GROUPS}),
            recent_weeks=cube(weeks[i], "weeks", {**scale, "half": HALVES}),
        ))  # fmt: skip
    return found


def _as_shares(found: Floats) -> Floats:
    """Shares by row; those of all where a row has nothing, equal where nobody has."""
    of_all = found.sum(axis=0)
    found[found.sum(axis=1) == 0] = of_all if of_all.sum() else 1.0
    return np.asarray(found / found.sum(axis=1, keepdims=True))
