"""Counts that show whether models still hold: randomised texts of the newest weeks and before, and weekly purchases."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import ibis
import ibis.expr.types as ir
import pandas as pd

from smsroi_helpers import measures
from smsroi_helpers.engine import hash_group, total
from smsroi_helpers.experiments import Experiment
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import GROUPS

__all__ = [
    "DOSE_LIMITS",
    "FACTORS",
    "HOUR_LIMITS",
    "NEWEST_WEEKS",
    "Factor",
    "Span",
    "count_clicks",
    "count_weekly_purchases",
    "find_span",
]

NEWEST_WEEKS = 8
CLICK_HOURS = 72
"""Clicks count within so many hours of delivery; later texts are left out, as theirs are not complete."""
HOUR_LIMITS = (9, 11, 13, 15, 17, 19)
"""Parts of the day: before the first, between two, from the last on (local hours)."""
DOSE_LIMITS = (1.5, 2.5, 3.5)
"""Texts a week: about one, two, three, and more."""
Factor = Literal["hours", "frequency"]
FACTORS: tuple[Factor, ...] = ("hours", "frequency")
_KINDS = {"timing": "hours", "frequency": "frequency"}


@dataclass(frozen=True)
class Span:
    """The newest weeks, as days of the source."""

    first: dt.date
    last: dt.date
    """The last day observed."""

    @property
    def weeks(self) -> int:
        """How many."""
        return ((self.last - self.first).days + 1) // 7


def find_span(shop: Shop) -> Span:
    """The newest `NEWEST_WEEKS` weeks."""
    return Span(shop.as_of - dt.timedelta(weeks=NEWEST_WEEKS) + dt.timedelta(days=1), shop.as_of)


def count_clicks(shop: Shop, span: Span, channel: str, tests: Sequence[Experiment]) -> pd.DataFrame:
    """Clicks of texts whose hour or frequency was drawn at random, by part of the day and by texts a week.

    These are the texts of tests, and those that earlier plans explored with. A text's expected clicks are the click
    rate of its campaign in its test, before or in the newest weeks: what is left differs between levels.

    Args:
        shop: the company, with messages whose clicks are known.
        span: the newest weeks.
        channel: of the texts.
        tests: valid ones; those of hours and frequencies are used.

    Returns:
        factor, level (0 …), period (0: before, 1: newest weeks), group (0–63, of customers); texts (delivered), clicks,
        expected; customers (of the factor's texts, in all its rows the same).
    """
    parts = [part for part in (_of_tests(shop, tests), _of_plans(shop, tests)) if part is not None]
    columns = ["factor", "level", "period", "group", "texts", "clicks", "expected", "customers"]
    if not parts:
        return pd.DataFrame(columns=columns)
    people = shop.keep(parts[0] if len(parts) == 1 else ibis.union(*parts))
    sends = measures.local_sends(shop)
    sends = sends.filter(sends.channel == channel, sends.delivered, sends.click_known,
                         sends.observed_hours >= CLICK_HOURS)  # fmt: skip
    clicked = measures.earliest_click(shop, sends.human_click_at) < sends.delivered_at + ibis.interval(
        hours=CLICK_HOURS
    )
    sends = sends.select(
        "sent_at", "hour", addressee="customer_id", campaign=sends.campaign_id.fill_null(""),
        of_plan=sends.plan_id.fill_null(""), clicked=clicked.fill_null(False).cast("float64"),
    )  # fmt: skip
    rows = people.join(sends, people.customer_id == sends.addressee)
    rows = rows.filter(
        rows.sent_at >= rows.begins, rows.sent_at < rows.ends, (rows.plan == "") | (rows.plan == rows.of_plan)
    )
    newest = ibis.literal(shop.start_of(span.first))
    level = ibis.ifelse(
        rows.factor == "hours", _level(rows.hour.cast("float64"), HOUR_LIMITS), _level(rows.dose, DOSE_LIMITS)
    )
    rows = shop.keep(
        rows.select(
            "factor", "customer_id", "test", "campaign", "clicked",
            period=(rows.sent_at >= newest).cast("int64"), level=level,
        )
    )  # fmt: skip
    alike = ibis.window(group_by=["factor", "test", "campaign", "period"])
    rows = rows.mutate(usual=rows.clicked.mean().over(alike))
    by = ("factor", "level", "period", "group")
    cells = rows.group_by(
        "factor", "level", "period", group=hash_group(rows.customer_id, "model drift", GROUPS)
    ).aggregate(texts=rows.count(), clicks=total(rows.clicked), expected=total(rows.usual))
    reached = rows.group_by("factor").aggregate(customers=rows.customer_id.nunique())
    return shop.count(cells.order_by(*by)).merge(shop.count(reached.order_by("factor")), on="factor")[columns]


def _level(value: ir.NumericValue, limits: tuple[float, ...]) -> ir.IntegerValue:
    """How many limits are at or below the value."""
    found = ibis.literal(0)
    for limit in limits:
        found = found + (value >= limit).cast("int64")
    return found


def _of_tests(shop: Shop, tests: Sequence[Experiment]) -> ir.Table | None:
    """Members of tests of hours and frequencies: factor, test, plan (empty), customer_id, begins, ends, dose."""
    used = [test for test in tests if test.kind in _KINDS]
    if not used:
        return None
    people = measures.outcome_windows(shop, None, "treatment")
    arms = [
        ((people.experiment_id == test.name) & (people.arm == arm), dose)
        for test in used if test.kind == "frequency"
        for arm, dose in test.plan["messages_per_week"].dropna().items()
    ]  # fmt: skip
    dose = ibis.cases(*arms, else_=0.0) if arms else ibis.literal(0.0)
    factor = ibis.cases(*((people.experiment_id == test.name, _KINDS[test.kind]) for test in used), else_="")
    people = people.select(
        "customer_id", factor=factor, test="experiment_id", plan=ibis.literal(""),
        begins=people.assigned_at.cast("timestamp(6)"), ends=people.outcome_end.cast("timestamp(6)"),
        dose=dose.cast("float64"),
    )  # fmt: skip
    people = people.filter(people.factor != "")
    return people.select("factor", "test", "plan", "customer_id", "begins", "ends", "dose")


def _of_plans(shop: Shop, tests: Sequence[Experiment]) -> ir.Table | None:
    """The same of customers whom plans explored with: hour and frequency were both drawn at random.

    Plans whose exploring share is registered as tests (`<plan>-hours`) are among these.
    """
    if not (shop.has("plans") and shop.has("plans", "send_at") and shop.has("messages", "plan_id")):
        return None
    plans = shop.plans
    length = plans.group_by(of="plan_id").aggregate(first=plans.send_at.min(), last=plans.send_at.max())
    registered = [test.name.rpartition("-")[0] for test in tests]
    own = plans.filter(plans.role == "explore", plans.send_at.notnull(), ~plans.plan_id.isin([*registered, ""]))
    own = own.group_by("plan_id", "customer_id").aggregate(texts=own.count())
    own = own.join(length, own.plan_id == length.of)
    weeks = ibis.greatest((own["last"].delta(own["first"], unit="day") / 7).ceil(), 1)
    own = own.select(
        "customer_id", test="plan_id", plan="plan_id", begins=own["first"].cast("timestamp(6)"),
        ends=ibis.literal(shop.end).cast("timestamp(6)"), dose=(own.texts / weeks).cast("float64"),
    )  # fmt: skip
    both = [own.mutate(factor=ibis.literal(factor)) for factor in FACTORS]
    return ibis.union(*both).select("factor", "test", "plan", "customer_id", "begins", "ends", "dose")


def count_weekly_purchases(shop: Shop, until: dt.date) -> pd.DataFrame:
    """Purchases (customers' days with one) by week up to a day: week (1 = the last one, then backwards), purchases."""
    days = measures.purchase_days(shop)
    days = days.filter(days.day <= ibis.literal(until))
    week = ibis.literal(until).delta(days.day, unit="day").cast("int64") // 7 + 1
    counted = days.group_by(week=week).aggregate(purchases=days.count())
    return shop.count(counted.order_by("week"))
