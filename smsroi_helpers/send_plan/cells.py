"""Counts of the evidence by the profiles of one grouping: arrays with one axis for each thing distinguished.

Axes: group of customers (64, for the jackknife), profile, and the arm, window, weekday or text. Texts are compared
within the campaigns that sent several at random, and weekdays within those that went out on several: exposure is
multiplied by the campaign's level, so that a text of a good week, or the weekday of a good campaign, is not taken for a
good one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from smsroi_helpers import measures
from smsroi_helpers.engine import total
from smsroi_helpers.experiments import ClickValueSums, count_click_value
from smsroi_helpers.send_plan.campaign_levels import CampaignLevels, CampaignSums, count_levels
from smsroi_helpers.send_plan.evidence import EXPLORED, Evidence, cube
from smsroi_helpers.send_plan.groupings import Grouping
from smsroi_helpers.send_plan.profile_counts import ProfileCounter
from smsroi_helpers.statistics import GROUPS, Floats

__all__ = ["CREDIT_DAYS", "Cells", "Rates", "TextCredit", "count_cells"]

WEEKDAYS = 7
CREDIT_DAYS = (1, 3, 7, 14)
"""Orders in so many days after a click, less those in as many before the text, say how classes and texts differ in
what a click brings; never how much it brings. Of these periods the one is used in which the difference of all clicks is
clearest: a longer one has more of the orders that a click brings, and far more of those that it does not."""
_DAY = 86_400


@dataclass(frozen=True)
class Rates:
    """Events and exposure: (groups, profiles, arms)."""

    events: Floats
    exposure: Floats


@dataclass(frozen=True)
class TextCredit:
    """What clicks on each text are credited with, by campaign: (groups, campaigns, texts).

    Of campaigns that sent several texts at random.
    """

    profit: Floats
    """After discounts (money)."""
    discounts: Floats
    """Of the same orders (money)."""
    clicks: Floats


@dataclass(frozen=True)
class Cells:
    """Everything that a grouping's response is fitted to."""

    grouping: Grouping
    clicks_by_dose: Rates
    """Clicks and texts sent, by the positive frequencies tested."""
    opt_outs_by_dose: Rates
    """Opt-outs and subscribed weeks, by all frequencies tested, 0 included."""
    clicks_by_window: Rates
    clicks_by_weekday: Rates
    """Exposure is in texts × the campaign's level."""
    clicks_by_text: Rates
    """The same."""
    opt_outs_by_text: Rates
    """Opt-outs linked to texts; the same."""
    weekday_levels: CampaignSums
    """What the levels are estimated from, whatever the grouping."""
    text_levels: CampaignSums
    opt_out_levels: CampaignSums
    arms: tuple[tuple[str, str], ...]
    """(test, arm) of tests that differ in how much is sent."""
    people: Floats
    """(groups, profiles, arms): members."""
    people_clicks: Floats
    """Their clicks."""
    people_texts: Floats
    """Texts sent to them."""
    people_profit: Floats
    """Profit of their orders, before message cost."""
    arm_weeks: Floats
    """(arms,): mean weeks of treatment of a member."""
    arm_doses: tuple[float, ...]
    """Texts a week planned for each arm; NaN where none are stated."""
    credit: Floats
    """(groups, profiles, texts): profit credited to clicks, see `CREDIT_DAYS`."""
    credit_days: int
    """The period that it was counted for."""
    credited_clicks: Floats
    """(groups, profiles, texts)."""
    text_credit: TextCredit
    """Whatever the grouping."""
    click_value: tuple[ClickValueSums, ...]
    """What the value of a click is estimated from, whatever the grouping."""


def count_cells(evidence: Evidence, groupings: Sequence[Grouping]) -> list[Cells]:
    """The cells of every grouping.

    Args:
        evidence: of `collect_evidence`.
        groupings: of `find_groupings`, over the codes of the evidence.
    """
    counter = ProfileCounter(evidence.shop, evidence.codes["code"], groupings)
    texts, people = evidence.texts, evidence.people
    credit, days = _credits(evidence)
    comparable = {event: _comparable(texts, event) for event in ("clicked", "opted_out")}
    number = {text: i for i, text in enumerate(evidence.creatives)}
    clicked, opted_out = (
        count_levels(evidence, rows, _numbered(rows.variant, number), len(number), rows[event])
        for event, rows in comparable.items()
    )

    def rates(rows: ir.Table, arm: ir.Value, arms: int, events: ir.Value, exposure: ir.Value) -> list[Rates]:
        """Of each grouping."""
        kept = rows.mutate(arm=arm, events=events, exposure=exposure)
        kept = kept.filter(kept.arm.notnull())
        counted = counter.count(
            kept, {"group": kept.group, "arm": kept.arm}, {"events": kept.events, "exposure": kept.exposure}
        )
        found = []
        for cells, grouping in zip(counted, groupings, strict=True):
            sizes = {**_sizes(grouping), "arm": arms}
            found.append(Rates(cube(cells, "events", sizes), cube(cells, "exposure", sizes)))
        return found

    dosed = people.filter(people.kind == "frequency")
    dose = _dose_number(evidence, dosed)
    scale = dosed.texts / ibis.greatest(dosed.known, 1)
    positive = [d for d in evidence.doses if d > 0]
    zero = len(evidence.doses) - len(positive)
    heard = texts.filter(texts.known == 1, texts.delivered)
    timed = heard.filter(heard.kind.isin(["timing", EXPLORED]))
    spread = heard.filter(heard.kind.isin(["timing", "frequency", EXPLORED])).mutate(stratum=_weekday_stratum(heard))
    by_weekday = count_levels(evidence, spread, spread.weekday, WEEKDAYS, spread.clicked)
    spread = spread.join(by_weekday.table, spread.stratum == by_weekday.table.of_stratum)

    def by_variant(event: str, levels: CampaignLevels) -> list[Rates]:
        varied = comparable[event]
        varied = varied.join(levels.table, varied.stratum == levels.table.of_stratum)
        return rates(varied, _numbered(varied.variant, number), len(number), varied[event], varied.level)

    clicks_by_dose = rates(
        dosed.filter(dose >= zero), (dose - zero).cast("int64"), len(positive), dosed.clicked * scale, dosed.texts
    )
    opt_outs_by_dose = rates(dosed, dose, len(evidence.doses), dosed.opted_out.fill_null(0), dosed.weeks)
    clicks_by_window = rates(timed, _window_number(evidence, timed), len(evidence.windows), timed.clicked, timed.known)
    clicks_by_weekday = rates(spread, spread.weekday, WEEKDAYS, spread.clicked, spread.level)
    clicks_by_text, opt_outs_by_text = by_variant("clicked", clicked), by_variant("opted_out", opted_out)
    arms, members = _count_arms(evidence, counter, people)
    doses, value = _doses_of(evidence, arms), count_click_value(evidence.shop)
    credit_by_text = counter.count(
        credit, {"group": credit.group, "arm": _numbered(credit.variant, number)},
        {"credit": credit.credit, "clicks": ibis.literal(1)},
    )  # fmt: skip
    text_credit = _credit_by_campaign(evidence, credit)
    found = []
    for i, grouping in enumerate(groupings):
        of_arm = {**_sizes(grouping), "arm": len(arms)}
        by_arm = {column: cube(members[i], column, of_arm) for column in ("n", "clicks", "texts", "profit", "days")}
        of_text = {**_sizes(grouping), "arm": len(number)}
        found.append(Cells(
            grouping, clicks_by_dose[i], opt_outs_by_dose[i], clicks_by_window[i], clicks_by_weekday[i],
            clicks_by_text[i], opt_outs_by_text[i], by_weekday.sums, clicked.sums, opted_out.sums,
            arms, by_arm["n"], by_arm["clicks"], by_arm["texts"], by_arm["profit"],
            by_arm["days"].sum(axis=(0, 1)) / 7 / np.maximum(by_arm["n"].sum(axis=(0, 1)), 1.0), doses,
            cube(credit_by_text[i], "credit", of_text), days, cube(credit_by_text[i], "clicks", of_text), text_credit,
            value,
        ))  # fmt: skip
    return found


def _sizes(grouping: Grouping) -> dict[str, int]:
    return {"group": GROUPS, "profile": len(grouping.membership)}


def _dose_number(evidence: Evidence, rows: ir.Table) -> ir.IntegerValue:
    branches = [
        ((rows.test == test.name) & (rows.arm == arm), evidence.doses.index(float(dose)))
        for test in evidence.of_kind("frequency")
        for arm, dose in test.plan["messages_per_week"].dropna().items()
    ]
    return ibis.cases(*branches, else_=None).cast("int64")


def _window_number(evidence: Evidence, rows: ir.Table) -> ir.IntegerValue:
    """The window of a timing test's arm; of an explored text, the first window that has its hour."""
    branches = [
        ((rows.test == test.name) & (rows.arm == arm), evidence.windows.index((int(start), int(end))))
        for test in evidence.of_kind("timing")
        for arm, start, end in test.plan[["hour_start", "hour_end"]].dropna().itertuples()
    ]
    explored = rows.kind == EXPLORED
    branches += [
        (explored & (rows.hour >= start) & (rows.hour < end), number)
        for number, (start, end) in enumerate(evidence.windows)
    ]
    return ibis.cases(*branches, else_=None).cast("int64") if branches else ibis.null("int64")


def _numbered(value: ir.StringValue, number: dict[str, int]) -> ir.IntegerValue:
    found = ibis.cases(*((value == name, i) for name, i in number.items()), else_=None) if number else ibis.null()
    return found.cast("int64")


def _stratum(rows: ir.Table) -> ir.StringValue:
    return rows.kind + ibis.literal(":") + rows.campaign_id


def _comparable(texts: ir.Table, event: str) -> ir.Table:
    """Delivered texts of which the event is known, with the stratum within which texts were drawn at random."""
    rows = texts.filter(texts.delivered, texts["first"], texts.variant.notnull(), texts[event].notnull())
    rows = rows.filter(rows.known == 1) if event == "clicked" else rows
    return rows.mutate(stratum=_stratum(rows))


def _weekday_stratum(rows: ir.Table) -> ir.StringValue:
    """What weekdays are compared within: the campaign, or the test where none is named; a plan that explored."""
    within = ibis.cases((rows.kind == EXPLORED, rows.test), else_=rows.campaign_id.fill_null(rows.test))
    return rows.kind + ibis.literal(":") + within


def _count_arms(
    evidence: Evidence, counter: ProfileCounter, people: ir.Table
) -> tuple[tuple[tuple[str, str], ...], list[pd.DataFrame]]:
    """Members, clicks and profit of the arms of tests that differ in how much is sent; of each grouping."""
    tests = [test for test in evidence.tests if test.kind in ("frequency", "holdout")]
    arms = tuple((test.name, arm) for test in tests for arm in test.arms)
    rows = people.filter(people.kind.isin(["frequency", "holdout"]))
    number = [((rows.test == test) & (rows.arm == arm), i) for i, (test, arm) in enumerate(arms)]
    rows = rows.mutate(number=ibis.cases(*number, else_=None).cast("int64"))
    rows = rows.filter(rows.number.notnull())
    scale = rows.texts / ibis.greatest(rows.known, 1)
    sums = {
        "n": ibis.literal(1), "clicks": rows.clicked * scale, "profit": rows.order_profit, "texts": rows.texts,
        "days": rows.days,
    }  # fmt: skip
    return arms, counter.count(rows, {"group": rows.group, "arm": rows.number}, sums)


def _doses_of(evidence: Evidence, arms: Sequence[tuple[str, str]]) -> tuple[float, ...]:
    stated = {
        (test.name, arm): float(dose)
        for test in evidence.of_kind("frequency")
        for arm, dose in test.plan["messages_per_week"].dropna().items()
    }
    return tuple(stated.get(arm, float("nan")) for arm in arms)


def _credits(evidence: Evidence) -> tuple[ir.Table, int]:
    """One row per human click on a test's text: group, code, variant, stratum, credit and discount (money); and the
    days of `CREDIT_DAYS`.
    """
    texts = evidence.texts
    clicks = texts.filter(texts.clicked == 1, texts["first"], texts.kind != "holdout", texts.human_click_at.notnull())
    clicks = clicks.mutate(
        number=ibis.row_number().over(ibis.window(order_by=["person", "sent_at"])), stratum=_stratum(clicks)
    )
    clicks = evidence.shop.keep(
        clicks.select("number", "person", "group", "code", "variant", "stratum", "sent_at", "human_click_at")
    )
    orders = measures.valued_orders(evidence.shop)
    events = orders.select(
        buyer="customer_id", at=orders.ordered_at.cast("timestamp"), profit="order_profit", discount="discount"
    )
    pairs = clicks.join(events, clicks.person == events.buyer)
    since_click = pairs["at"].delta(pairs.human_click_at, unit="second")
    until_text = pairs.sent_at.delta(pairs["at"], unit="second")
    longest = CREDIT_DAYS[-1] * _DAY
    pairs = pairs.mutate(after=since_click, before=until_text).filter(
        since_click.between(0, longest - 1) | until_text.between(1, longest)
    )

    def credited(money: str, days: int) -> ir.FloatingValue:
        after = pairs.after.between(0, days * _DAY - 1)
        before = pairs.before.between(1, days * _DAY)
        return total(pairs[money].cast("float64") * (after.cast("int64") - before.cast("int64")))

    names = {f"credit_{days}": ("profit", days) for days in CREDIT_DAYS}
    every = names | {f"discount_{days}": ("discount", days) for days in CREDIT_DAYS}
    sums = pairs.group_by(of_number="number").aggregate(**{name: credited(*asked) for name, asked in every.items()})
    rows = clicks.left_join(sums, clicks.number == sums.of_number)
    money = {name: rows[name].fill_null(0.0) for name in every}
    rows = evidence.shop.keep(rows.select("group", "code", "variant", "stratum", **money))
    by_group = evidence.shop.count(
        rows.group_by("group").aggregate(clicks=rows.count(), **{n: total(rows[n]) for n in names}).order_by("group")
    )
    chosen = _clearest(by_group, tuple(names))
    days = names[chosen][1]
    found = rows.select("group", "code", "variant", "stratum", credit=rows[chosen], discount=rows[f"discount_{days}"])
    return found, days


def _credit_by_campaign(evidence: Evidence, clicks: ir.Table) -> TextCredit:
    """The credits of each text in each campaign that sent several.

    Args:
        evidence: of `collect_evidence`.
        clicks: of `_credits`.
    """
    named = clicks.filter(clicks.variant.notnull(), clicks.stratum.notnull())
    cells = named.group_by("stratum", "variant", "group").aggregate(
        clicks=named.count(), credit=total(named.credit), discount=total(named.discount)
    )
    found = evidence.shop.count(cells.order_by("stratum", "variant", "group"))
    found = found[found.groupby("stratum")["variant"].transform("nunique") > 1]
    stratum, names = pd.factorize(found["stratum"])
    number = {text: i for i, text in enumerate(evidence.creatives)}
    found = found.assign(stratum=stratum, text=found["variant"].map(number).astype(int))
    sizes = {"group": GROUPS, "stratum": len(names), "text": len(number)}
    return TextCredit(*(cube(found, column, sizes) for column in ("credit", "discount", "clicks")))


def _clearest(by_group: pd.DataFrame, names: Sequence[str]) -> str:
    """The column whose sum lies the most standard errors above 0; errors by groups of customers.

    >>> _clearest(pd.DataFrame({"clicks": [10, 10], "short": [4.0, 5.0], "long": [2.0, 9.0]}), ("short", "long"))
    'short'
    """
    clicks = by_group["clicks"].to_numpy(float)

    def height(name: str) -> float:
        credit = by_group[name].to_numpy(float)
        noise = np.square(credit - clicks * credit.sum() / max(clicks.sum(), 1.0)).sum()
        return float(credit.sum() / np.sqrt(max(noise, 1e-12)))

    return max(names, key=height)
