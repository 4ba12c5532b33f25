"""What the frequency stage counts: arms of the frequency test, today's practice, and observational weeks of the log.

Texts per week are texts per subscribed customer and week. Everything here is an expression of the engine that ends in
cells, or in weeks of a hashed sample of customers (`count_log_weeks`). Nothing here estimates.
"""

import datetime as dt
import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from smsroi_helpers import measures
from smsroi_helpers.engine import hash_group, total
from smsroi_helpers.experiments import Experiment, label_when_assigned, who_may_be_texted
from smsroi_helpers.measures import Practice
from smsroi_helpers.segmentation import Covariates, Cuts, known_people, resolve, rfm_rows, segments
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import GROUPS

__all__ = [
    "ALL",
    "JACKKNIFE",
    "LANDMARK_WEEKS",
    "LogWeeks",
    "count_arms",
    "count_audience",
    "count_log_weeks",
    "count_schedules",
    "count_scores",
    "count_today",
    "count_untexted",
    "find_log_weeks",
    "texts_of",
    "weeks_by_texts",
]

ALL = "all"
"""The group of all customers."""
JACKKNIFE = "frequency-jackknife"
SAMPLE = "frequency-sample"
LANDMARK_WEEKS = 4
"""Weeks from one landmark to the next, and over which a landmark's outcome is counted."""
MOST_SAMPLE_ROWS = 60_000
"""About the most customer-weeks of the log that are read into memory."""
_SLICES = 256
_STAGE = ("stage", "lifecycle_stage")
_LOOK_BACK_WEEKS = 8
_UNTEXTED_WINDOWS, _UNTEXTED_WEEKS = 6, 4
_MOST_TEXTS = 7
"""More texts a week than this are counted as this many."""
_EDGE = 1 + 1e-9
"""One text more or less in a run of weeks is the edge of the run, not another frequency."""


def texts_of(shop: Shop, channel: str) -> ir.Table:
    """addressee, sent_at, raw_click_at, human_click_at, click_known of the messages of a channel."""
    sends = measures.human_clicks(shop)
    sends = sends.filter(sends.channel == channel)
    return sends.select(
        "sent_at", "human_click_at", "click_known", raw_click_at="any_click_at", addressee="customer_id"
    )


# --- the experiment --------------------------------------------------------------------------------------------------


def count_arms(
    shop: Shop, experiment: Experiment, segment_by: str, channel: str, cuts: Cuts, covariates: Covariates | None = None
) -> pd.DataFrame:
    """Outcomes of a frequency test's customers while it treated them, by arm, segment and lifecycle stage.

    Segments and stages are those of each customer when assigned. `consenting` marks customers who consented when
    assigned (all of them, where the source records no opt-outs). Orders after an opt-out count. With `covariates`, the
    column cell has those of the day before the assignment.

    Returns:
        arm, segment, stage, group (0–63, of the jackknife), consenting (0 or 1); n, messages (of the channel),
        messaged_customers, raw_clicks, clicks (of people: `measures.human_clicks`), opt_outs, early_opt_outs (in the
        first half of the customer's window), leaver_messages and leaver_clicks (of customers who opted out), weeks
        (subscribed; elapsed where opt-outs are not recorded), consent_known, orders, revenue, message_cost, profit and
        gross (before message cost), each with the moments of `measures.arm_moments`; the covariate is the
        gross profit of an equally long period before.
    """
    rows = measures.arm_outcomes(shop, experiment.name, "treatment")
    rows = rows.filter(rows.outcome_days > 0)
    people = measures.outcome_windows(shop, experiment.name, "treatment")
    people = people.select("customer_id", "assigned_at", "outcome_end")
    texts = texts_of(shop, channel)
    theirs = people.join(texts, people.customer_id == texts.addressee)
    theirs = theirs.filter(theirs.sent_at >= theirs.assigned_at, theirs.sent_at < theirs.outcome_end)
    sums = theirs.group_by(member_id="customer_id").aggregate(
        texts=theirs.count(),
        raw=theirs.count(where=measures.earliest_click(shop, theirs.raw_click_at) < theirs.outcome_end),
        clicks=theirs.count(where=measures.earliest_click(shop, theirs.human_click_at) < theirs.outcome_end),
    )
    rows = rows.left_join(sums, rows.customer_id == sums.member_id).drop("member_id")
    labels: dict[str, Callable[[ir.Table, dt.date], ir.Table]] = {
        name: resolve(shop, by, cuts=cuts).label for name, by in (("segment", segment_by), _STAGE)
    }
    labels |= {} if covariates is None else {"cell": covariates.label}
    for name, label in labels.items():
        labelled = label_when_assigned(shop, label, experiment.name)
        labelled = labelled.select("member", **{name: labelled.segment})
        rows = rows.join(labelled, rows.customer_id == labelled.member).drop("member")
    known = rows.opted_out.notnull()
    rows = rows.mutate(
        group=hash_group(rows.customer_id, JACKKNIFE),
        consenting=rows.consenting.fill_null(1),
        weeks=ibis.coalesce(rows.subscribed_weeks, rows.outcome_days / 7),
        texts=rows.texts.fill_null(0),
        raw=rows.raw.fill_null(0),
        clicks=rows.clicks.fill_null(0),
        consent_known=known.cast("int64"),
        gross=rows.order_profit,
        profit=ibis.coalesce(rows.profit, rows.order_profit),
        message_cost=rows.message_cost.fill_null(0.0),
    )
    rows = shop.keep(rows)
    keys = ("arm", *labels, "group", "consenting")
    pairs = {"gross": ("gross", "pre_order_profit"), "profit": ("profit", "pre_order_profit")}
    moments = measures.arm_moments_together(rows, pairs, keys)
    left = (rows.opted_out == 1).fill_null(False)
    counts = rows.group_by(*keys).aggregate(
        n=rows.count(),
        messages=rows.texts.sum(),
        messaged_customers=rows.count(where=rows.texts > 0),
        raw_clicks=rows.raw.sum(),
        clicks=rows.clicks.sum(),
        opt_outs=left.sum().fill_null(0),
        early_opt_outs=measures.left_early(rows).sum().fill_null(0),
        leaver_messages=rows.texts.sum(where=left).fill_null(0),
        leaver_clicks=rows.clicks.sum(where=left).fill_null(0),
        weeks=total(rows.weeks),
        consent_known=rows.consent_known.sum(),
        orders=rows.orders.sum(),
        revenue=total(rows.revenue),
        message_cost=total(rows.message_cost),
    )
    return shop.count(counts.order_by(*keys)).merge(shop.count(moments), on=list(keys), how="left")


def count_scores(shop: Shop, experiment: Experiment) -> pd.DataFrame:
    """Feedback given during treatment: arm, n (customers), sum_y and sum_y2 of each customer's mean score."""
    people = measures.outcome_windows(shop, experiment.name, "treatment")
    latest = measures.latest_instant(shop, shop.feedback.responded_at, "feedback", "responded_at")
    feedback = shop.feedback.select("responded_at", "score", member_id="customer_id", latest_at=latest)
    theirs = people.join(feedback, people.customer_id == feedback.member_id)
    theirs = theirs.filter(theirs.latest_at >= theirs.assigned_at, theirs.responded_at < theirs.outcome_end)
    each = theirs.group_by("arm", "customer_id").aggregate(score=theirs.score.mean())
    cells = each.group_by("arm").aggregate(n=each.count(), sum_y=total(each.score), sum_y2=total(each.score**2))
    return shop.count(cells.order_by("arm"))


# --- today's practice ------------------------------------------------------------------------------------------------


def count_audience(shop: Shop, practice: Practice, segment_by: str, cuts: Cuts, ending: str = "") -> pd.DataFrame:
    """Customers who may be texted after the last day observed, by segment and by texts received in today's weeks.

    Whom another running experiment keeps at its own frequency, or no text reaches, gains nothing by a change.

    Args:
        shop: the company.
        practice: today's weeks.
        segment_by: as for `segmentation.segments`.
        cuts: of `find_cuts`.
        ending: the frequency test whose decision ends it: its customers count.

    Returns:
        segment, stage (of the last day observed), outside (1 where no experiment set their frequency in those weeks),
        weeks (of `practice`, in which the customer was subscribed throughout), texts (of these weeks, at most seven a
        week), customers. Of customers in experiments, weeks and texts are 0.
    """
    rows = _labelled(shop, known_people(shop), segment_by, cuts)
    rows = rows.semi_join(
        who_may_be_texted(shop, rows.select("customer_id"), practice.channel, ending=ending), "customer_id"
    )
    weeks = _subscriber_weeks(shop, practice)
    weeks = weeks.filter(weeks.whole == 1)
    sums = weeks.group_by(member_id="customer_id").aggregate(texts=weeks.messages.sum(), weeks=weeks.count())
    rows = rows.left_join(sums, rows.customer_id == sums.member_id).drop("member_id")
    rows = rows.fill_null({"texts": 0, "weeks": 0})
    aside = measures.customers_in_experiments(shop, *measures.practice_instants(shop, practice))
    outside = ibis.literal(1) if aside is None else (~rows.customer_id.isin(aside.customer_id)).cast("int64")
    rows = rows.mutate(outside=outside, texts=ibis.least(rows.texts, _MOST_TEXTS * rows.weeks))
    by = ("segment", "stage", "outside", "weeks", "texts")
    return shop.count(rows.group_by(*by).aggregate(customers=rows.count()).order_by(*by))


def count_today(shop: Shop, practice: Practice, segment_by: str, cuts: Cuts) -> pd.DataFrame:
    """Customer-weeks of a practice, by texts of the week: see `measures.subscriber_weeks`.

    Experiments' arms are left out, so the messages add up to `practice.messages`.

    Returns:
        segment, stage (of the last day observed; empty for recipients who are in no other table), group (0–63), whole
        (1 where the customer was subscribed throughout: only these weeks tell a frequency), texts (of the week, at most
        7), customer_weeks, messages (all of them).
    """
    rows = _labelled(shop, _subscriber_weeks(shop, practice), segment_by, cuts)
    rows = rows.mutate(group=hash_group(rows.customer_id, JACKKNIFE), texts=ibis.least(rows.messages, _MOST_TEXTS))
    by = ("segment", "stage", "group", "whole", "texts")
    cells = rows.group_by(*by).aggregate(customer_weeks=rows.count(), messages=rows.messages.sum())
    return shop.count(cells.order_by(*by))


def count_schedules(
    shop: Shop, practice: Practice, segment_by: str, cuts: Cuts, doses: Sequence[float]
) -> pd.DataFrame:
    """How many subscribers outside experiments are sent so many texts a week already, evenly, and how many are not.

    A schedule of d texts a week puts d·k texts into k weeks, give or take one that falls beyond their edge. So whoever
    has more than one text more or less than d·k in any run of k weeks is not on it.

    Args:
        shop: the company.
        practice: today's weeks.
        segment_by: as for `segmentation.segments`.
        cuts: of `find_cuts`.
        doses: texts a week.

    Returns:
        segment, stage (of the last day observed), messages_per_week (of `doses`), customers (with a whole week in
        `measures.subscriber_weeks`), others (those of them who are not on this schedule).
    """
    weeks = _subscriber_weeks(shop, practice)
    weeks = weeks.filter(weeks.whole == 1)
    rows = ibis.union(
        *(weeks.mutate(messages_per_week=ibis.literal(float(dose)).cast("float64")) for dose in doses), distinct=False
    )
    by_week = ibis.cumulative_window(group_by=["customer_id", "messages_per_week"], order_by="week")
    rows = rows.mutate(ahead=(rows.messages - rows.messages_per_week).sum().over(by_week))
    each = rows.group_by("customer_id", "messages_per_week").aggregate(
        most=ibis.greatest(rows.ahead.max(), 0.0), least=ibis.least(rows.ahead.min(), 0.0)
    )
    each = each.mutate(off=(each.most - each.least > _EDGE).cast("int64"))
    each = _labelled(shop, each, segment_by, cuts)
    by = ("segment", "stage", "messages_per_week")
    found = shop.count(each.group_by(*by).aggregate(customers=each.count(), others=each.off.sum()).order_by(*by))
    return found.astype({"messages_per_week": float})  # DuckDB takes literals such as 1.0 for decimals


def _subscriber_weeks(shop: Shop, practice: Practice) -> ir.Table:
    return shop.keep(measures.subscriber_weeks(shop, practice, functools.partial(known_people, shop)))


def _labelled(shop: Shop, rows: ir.Table, segment_by: str, cuts: Cuts) -> ir.Table:
    """Rows with a customer_id, with segment and stage of the last day observed (empty where not known)."""
    for name, by in (("segment", segment_by), ("stage", "lifecycle_stage")):
        label = segments(shop, by, shop.as_of, cuts=cuts).select(member_id="customer_id", label="segment")
        rows = rows.left_join(label, rows.customer_id == label.member_id).drop("member_id").rename({name: "label"})
    return rows.fill_null({"segment": "", "stage": ""})


def count_untexted(shop: Shop, channel: str) -> tuple[float, float]:
    """Opt-outs and subscribed customer-weeks of customers outside experiments who are not texted.

    Counted in the last six times four weeks: customers subscribed at the start who got no text of the channel in the
    four weeks before or in these. Both are 0 where the source records no opt-outs.
    """
    events = measures.opt_outs(shop)
    if events is None or not channel:
        return 0.0, 0.0
    texts = texts_of(shop, channel).select("addressee", "sent_at")
    end = shop.as_of + dt.timedelta(days=1)
    parts = []
    for k in range(1, _UNTEXTED_WINDOWS + 1):
        start, stop, before = (
            ibis.literal(shop.start_of(end - dt.timedelta(weeks=_UNTEXTED_WEEKS * n))) for n in (k, k - 1, k + 1)
        )
        rows = measures.subscribed(shop, start, known_people(shop))
        sent = texts.filter(texts.sent_at >= before, texts.sent_at < stop).select(customer_id="addressee").distinct()
        rows = rows.anti_join(sent, "customer_id")
        if shop.has("assignments"):
            rows = rows.anti_join(shop.assignments.select("customer_id").distinct(), "customer_id")
        left = events.filter(events.opt_out_at >= start, events.opt_out_at < stop).select("customer_id").distinct()
        gone = left.mutate(gone=ibis.literal(1)).rename(leaver="customer_id")
        rows = rows.left_join(gone, rows.customer_id == gone.leaver)
        parts.append(rows.aggregate(people=rows.count(), gone=rows.gone.sum().fill_null(0)))
    found = shop.count(ibis.union(*parts, distinct=False)).sum()
    # Who left was subscribed for half of the four weeks, on average.
    return float(found["gone"]), float(_UNTEXTED_WEEKS * (found["people"] - found["gone"] / 2))


# --- weeks of the log for observational estimates --------------------------------------------------------------------


@dataclass(frozen=True)
class LogWeeks:
    """The part of the log that observational estimates use, and the landmark days in it."""

    end: dt.date
    """The first day after it: the day after as_of, or the day of the first message that followed a plan."""
    plan_began: dt.date | None
    """First day of the plan that ended it (`measures.find_first_plan`); None where no plan did."""
    landmarks: tuple[dt.date, ...]
    """Latest first; each has its whole outcome window before `end`."""


def find_log_weeks(shop: Shop, weeks: int = 26) -> LogWeeks:
    """Which landmarks the log allows, at most `weeks` back.

    Weeks in which an earlier run's plan decided the messages (those with a plan_id) are excluded: all get about the
    same, so nothing can be compared.
    """
    after = shop.as_of + dt.timedelta(days=1)
    plan = measures.find_first_plan(shop, shop.messages) if shop.has("messages", "plan_id") else None
    end = after if plan is None else min(after, plan.first_text)
    first_day = shop.loaded.tables["messages"].first if shop.has("messages") else None
    start = dt.date.fromisoformat(first_day) if first_day else end
    step = dt.timedelta(weeks=LANDMARK_WEEKS)
    every = (end - step * k for k in range(1, weeks // LANDMARK_WEEKS + 1))
    return LogWeeks(end, plan.began if plan else None, tuple(day for day in every if day >= start + step))


def count_log_weeks(
    shop: Shop, log_weeks: LogWeeks, segment_by: str, channel: str, cuts: Cuts
) -> tuple[pd.DataFrame, float]:
    """Customer-weeks of the log: a row per landmark and customer of a hashed sample, without customer ids.

    At each landmark t: the customers who are subscribed and outside experiments for the whole outcome window, with
    what was known of them strictly before t.

    Returns:
        landmark (date), customer (a number that identifies a customer's rows), group (0–63), segment, stage;
        texts (sent in [t, t + 1 week), at most 7), profit (in [t, t + 4 weeks), before message costs); before t:
        recency_days, purchase_days, tenure_days, monetary (NaN for customers who never bought), texts_last_week,
        texts_last_four, texts_before, clicks_before (of eight weeks), subscribed_days (NaN where not recorded). And the
        sample's share (0–1) of all customers.
    """
    if not log_weeks.landmarks or not channel:
        return pd.DataFrame(), 0.0
    size = shop.count(
        measures.subscribed(shop, ibis.literal(shop.start_of(log_weeks.end)), known_people(shop)).count().as_table()
    )
    people = int(size.iloc[0, 0])
    wanted = MOST_SAMPLE_ROWS / max(people * len(log_weeks.landmarks), 1)
    slices = min(_SLICES, max(1, math.floor(wanted * _SLICES)))
    sample = known_people(shop)
    sample = shop.keep(sample.filter(hash_group(sample.customer_id, SAMPLE, _SLICES) < slices))
    texts = texts_of(shop, channel)
    first = shop.start_of(log_weeks.landmarks[-1]) - dt.timedelta(weeks=_LOOK_BACK_WEEKS)
    texts = texts.filter(
        texts.sent_at >= ibis.literal(first), texts.sent_at < ibis.literal(shop.start_of(log_weeks.end))
    )
    texts = shop.keep(texts.semi_join(sample, texts.addressee == sample.customer_id))
    events = measures.order_events(shop)
    events = events.filter(
        events["at"] >= ibis.literal(first), events["at"] < ibis.literal(shop.start_of(log_weeks.end))
    )
    events = shop.keep(events.semi_join(sample, "customer_id"))
    parts = [_landmark(shop, day, sample, texts, events, segment_by, cuts) for day in log_weeks.landmarks]
    rows = shop.count(ibis.union(*parts) if len(parts) > 1 else parts[0])
    rows["customer"] = pd.factorize(rows["customer_id"], sort=True)[0]
    numbers = ["recency_days", "purchase_days", "tenure_days", "monetary", "subscribed_days"]
    rows[numbers] = rows[numbers].astype(float)
    rows = rows.sort_values(["landmark", "customer_id"], ignore_index=True).drop(columns="customer_id")
    return rows, slices / _SLICES


def _landmark(
    shop: Shop, day: dt.date, sample: ir.Table, texts: ir.Table, events: ir.Table, segment_by: str, cuts: Cuts
) -> ir.Table:
    """The rows of one landmark: see `count_log_weeks`."""
    start = shop.start_of(day)

    def weeks(n: float) -> ir.TimestampValue:
        return ibis.literal(start + dt.timedelta(weeks=n))

    rows = measures.subscribed(shop, weeks(0), sample)
    in_experiments = measures.customers_in_experiments(shop, start, start + dt.timedelta(weeks=LANDMARK_WEEKS))
    if in_experiments is not None:
        rows = rows.anti_join(in_experiments, "customer_id")
    before = day - dt.timedelta(days=1)
    known = rfm_rows(shop, before).select(
        "recency_days", "purchase_days", "tenure_days", "monetary", member_id="customer_id"
    )
    rows = rows.left_join(known, rows.customer_id == known.member_id).drop("member_id")
    for name, by in (("segment", segment_by), ("stage", "lifecycle_stage")):
        label = segments(shop, by, before, cuts=cuts).select(member_id="customer_id", label="segment")
        rows = rows.join(label, rows.customer_id == label.member_id).drop("member_id").rename({name: "label"})
    sent = texts.sent_at
    this_week = (sent >= weeks(0)) & (sent < weeks(1))
    back = (sent < weeks(0)) & (sent >= weeks(-_LOOK_BACK_WEEKS))
    sums = texts.group_by(member_id="addressee").aggregate(
        texts=texts.count(where=this_week),
        texts_last_week=texts.count(where=back & (sent >= weeks(-1))),
        texts_last_four=texts.count(where=back & (sent >= weeks(-4))),
        texts_before=texts.count(where=back),
        clicks_before=texts.count(where=back & (texts.human_click_at < weeks(0))),
    )
    rows = rows.left_join(sums, rows.customer_id == sums.member_id).drop("member_id")
    rows = rows.fill_null(dict.fromkeys(sums.columns[1:], 0))
    after = events.filter(events["at"] >= weeks(0), events["at"] < weeks(LANDMARK_WEEKS))
    profits = after.group_by(member_id="customer_id").aggregate(profit=total(after.profit))
    rows = rows.left_join(profits, rows.customer_id == profits.member_id).drop("member_id").fill_null({"profit": 0.0})
    opt_ins = measures.opt_in_times(shop)
    if opt_ins is not None:
        people = opt_ins.select(member_id="customer_id", consent_at="consent_at")
        rows = rows.left_join(people, rows.customer_id == people.member_id).drop("member_id")
        since = weeks(0).delta(rows.consent_at, unit="day").cast("float64")
        rows = rows.mutate(subscribed_days=since).drop("consent_at")
    else:
        rows = rows.mutate(subscribed_days=ibis.null("float64"))
    return rows.mutate(
        landmark=ibis.literal(day),
        group=hash_group(rows.customer_id, JACKKNIFE),
        texts=ibis.least(rows.texts, _MOST_TEXTS),
    )


def weeks_by_texts(today: pd.DataFrame, by: str = "segment", most: int = _MOST_TEXTS) -> dict[str, np.ndarray]:
    """Whole weeks of `count_today` by texts: segment (and `all`) → array, jackknife groups × (0 … most texts)."""
    found = {}
    today = today[today["whole"] == 1] if len(today) else today
    names = [ALL, *sorted(today[by].unique())] if len(today) else []
    for name in names:
        own = today if name == ALL else today[today[by] == name]
        place = own["group"].to_numpy(int) * (most + 1) + np.minimum(own["texts"].to_numpy(int), most)
        weeks = np.bincount(place, own["customer_weeks"].to_numpy(float), GROUPS * (most + 1))
        found[name] = weeks.reshape(GROUPS, most + 1)
    return found
