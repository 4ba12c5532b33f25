"""Messages by local hour and their outcomes: cells from the engine, all from one table of messages.

A message counts once its outcome window has passed; younger ones are left out, and their number is reported. The hour
is the recipient's local hour of sending.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Literal

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from smsroi_helpers import measures
from smsroi_helpers.engine import hash_group
from smsroi_helpers.errors import NotEnoughData
from smsroi_helpers.experiments import Experiment, check_experiments, label_when_assigned
from smsroi_helpers.measures import Practice
from smsroi_helpers.segmentation import Covariates, resolve, segments
from smsroi_helpers.source import Shop
from smsroi_helpers.timing.response_curve import Scores

__all__ = [
    "ClickRates",
    "Sends",
    "TimingTest",
    "click_rates",
    "collect_sends",
    "count_log",
    "count_log_people",
    "count_practice",
    "count_test",
    "count_test_members",
    "count_test_people",
    "count_volume",
    "find_tests",
    "log_scores",
    "rows_of_test",
]

JACKKNIFE = "timing-jackknife"
MOST_STRATA_CELLS = 120_000
"""With more cells of campaign × segment × weekday × hour, campaigns of one month are merged."""
KEYS = ("segment", "stratum", "weekday", "hour", "until")
Outcome = Literal["click", "order"]
EXCLUSIONS = ("received", "other_channel", "not_delivered", "too_recent")
"""All messages, then the reasons for leaving some out, in this order."""


@dataclass(frozen=True)
class Sends:
    """The messages whose outcomes count, as a table of the engine, and their number."""

    rows: ir.Table
    """customer_id, campaign_id, sent_at, weekday, hour, local_date, timezone, plan_id, group; happened (the outcome),
    happened_raw (including machine clicks), human_click_at, known (false where a machine clicked first), machine,
    opted_out.
    """
    outcome: Outcome
    """`click`, or `order` (within the window) where the source records no clicks."""
    window_hours: int
    exclusions: pd.DataFrame
    """reason (of `EXCLUSIONS`), out, messages (left): what was left out; the last row counts what is used."""
    cleaning: pd.DataFrame
    """machine (`none`, `fast`, `burst`, `everything`), messages, clicks."""

    @property
    def messages(self) -> int:
        """How many are used."""
        return int(self.exclusions["messages"].iloc[-1])


@dataclass(frozen=True)
class ClickRates:
    """Clicks per text (0–1), with and without machines' clicks; NaN without such texts."""

    raw: float
    """All clicks of all texts."""
    human: float
    """Clicks by people, of the texts that no machine clicked first."""


def click_rates(sends: Sends) -> ClickRates:
    """The click rate before and after the clicks of machines are removed."""
    sums = sends.cleaning.set_index("machine")[["clicks", "messages"]]
    raw, human = sums.sum(), sums.reindex(["none"]).sum()
    return ClickRates(*(float(rows["clicks"] / rows["messages"]) for rows in (raw, human)))


def collect_sends(shop: Shop, window_hours: int = 72, channel: str = "") -> Sends:
    """Every delivered text whose outcome window has passed, with its click classified as human or machine.

    Args:
        shop: the company.
        window_hours: how long after delivery an outcome counts.
        channel: of the messages counted, as for `measures.choose_channel`.

    Raises:
        NotEnoughData: no text was delivered, or none long enough ago, or texts carry dates without times; or neither
            clicks nor orders are known.
        UsageError: the source has no messages of the channel.
    """
    if measures.mostly_dates(shop, "messages", "sent_at"):
        raise NotEnoughData(
            "Messages carry dates without times, so hours of sending cannot be compared. Export sent_at with its time."
        )
    outcome: Outcome = "click" if measures.knows_clicks(shop) else "order"
    if outcome == "order" and not shop.has("orders"):
        raise NotEnoughData(
            "This source has neither clicks nor orders, so no hour can be compared by what followed. Export clicked_at."
        )
    rows = measures.local_sends(shop) if outcome == "click" else measures.message_outcomes(shop, window_hours)
    of_channel = rows.channel == measures.choose_channel(shop, channel)
    texts = rows.filter(of_channel)
    used = texts.filter(texts.delivered, texts.observed_hours >= window_hours)
    if outcome == "click":
        clicked = measures.earliest_click(shop, used.any_click_at)
        raw = (clicked < used.delivered_at + ibis.interval(hours=window_hours)).fill_null(False)
        known = used.click_known
    else:
        raw, known = used.attributed_orders > 0, ibis.literal(True)
    left = measures.earliest_opt_out(shop, used.opt_out_at)
    opted_out = left < used.delivered_at + ibis.interval(hours=window_hours)
    kept = shop.keep(
        used.select(
            "customer_id", "campaign_id", "sent_at", "weekday", "hour", "local_date", "timezone", "plan_id", "machine",
            group=hash_group(used.customer_id, JACKKNIFE),
            happened_raw=raw,
            happened=raw & known,
            known=known,
            opted_out=opted_out.fill_null(False),
            human_click_at=used.human_click_at,
        )
    )  # fmt: skip
    every = shop.count(
        rows.aggregate(
            sent=rows.count(),
            texts=rows.count(where=of_channel),
            delivered=rows.count(where=of_channel & rows.delivered),
            old=rows.count(where=of_channel & rows.delivered & (rows.observed_hours >= window_hours)),
        )
    ).iloc[0]
    left = [int(every[name]) for name in ("sent", "texts", "delivered", "old")]
    if not left[-1]:
        raise NotEnoughData(
            "No text was delivered at least {hours} hours before the end of the last day observed.", hours=window_hours
        )
    gone = [0, *(-np.diff(left))]
    judged = kept.group_by("machine").aggregate(messages=kept.count(), clicks=kept.happened_raw.sum())
    return Sends(
        kept,
        outcome,
        window_hours,
        pd.DataFrame({"reason": EXCLUSIONS, "out": gone, "messages": left}),
        shop.count(judged.order_by("machine")),
    )


# --- the experiment --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TimingTest:
    """An experiment whose arms are sent at different hours."""

    experiment: Experiment
    windows: pd.DataFrame
    """arm, hour, until (local, half-open), in order of the hours."""
    split_p: float
    sound: bool
    """Whether nothing biases its effects (`experiments.check`)."""


def find_tests(shop: Shop) -> list[TimingTest]:
    """The timing experiments with at least two arms of known hours, the largest valid one first."""
    if not all(shop.has(table) for table in ("experiments", "arms", "assignments")):
        return []
    try:
        every = check_experiments(shop)
    except NotEnoughData:
        return []
    found = []
    for experiment, validity in every:
        plan = experiment.plan
        if experiment.kind != "timing" or not {"hour_start", "hour_end"} <= set(plan.columns):
            continue
        hours = plan[plan["hour_start"].notna() & plan["hour_end"].notna()]
        hours = hours[hours["hour_start"] < hours["hour_end"]]
        if len(hours[["hour_start", "hour_end"]].drop_duplicates()) < 2:
            continue
        windows = pd.DataFrame({
            "arm": hours.index.astype(str),
            "hour": hours["hour_start"].astype(int),
            "until": hours["hour_end"].astype(int),
        }).sort_values(["hour", "until"], ignore_index=True)  # fmt: skip
        found.append(TimingTest(experiment, windows, validity.split.p_value, not validity.broken))
    return sorted(found, key=lambda test: (not test.sound, -test.experiment.customers.sum()))


def _label_segments(shop: Shop, segment_by: str, at: dt.date) -> ir.Table:
    return segments(shop, segment_by, at).rename(member="customer_id")


def label_test(shop: Shop, test: Experiment, segment_by: str) -> ir.Table:
    """The customers assigned in a test with their segment when assigned: member (the customer), segment."""
    labelled = label_when_assigned(shop, resolve(shop, segment_by).label, test.name)
    return labelled.drop("of_experiment")


def _in_experiments(shop: Shop, kinds: tuple[str, ...]) -> ir.Table | None:
    """Customers in an experiment of these kinds, with start and end; None where there are none."""
    if not all(shop.has(table) for table in ("experiments", "arms", "assignments")):
        return None
    experiments = shop.experiments
    ended = experiments.ended_at if "ended_at" in experiments.columns else ibis.null("timestamp")
    experiments = experiments.filter(experiments.kind.isin(kinds)).select(of="experiment_id", ended=ended)
    people = shop.assignments.join(experiments, shop.assignments.experiment_id == experiments.of)
    return people.select(
        "experiment_id", "arm", subject="customer_id", since="assigned_at",
        end=people.ended.fill_null(ibis.literal(shop.end)),
    )  # fmt: skip


def rows_of_test(shop: Shop, sends: Sends, test: TimingTest) -> ir.Table:
    """Messages to the experiment's customers while it ran, by their arm's hours (intention to treat).

    Returns:
        the columns of `Sends.rows`; `hour` and `until` are the arm's, `sent_hour` when it went out, `since` when the
        customer was assigned.
    """
    people = _in_experiments(shop, ("timing",))
    assert people is not None
    people = people.filter(people.experiment_id == test.experiment.name)
    plan = shop.arms.filter(shop.arms.experiment_id == test.experiment.name)
    plan = plan.filter(plan.hour_start.notnull(), plan.hour_end.notnull(), plan.hour_start < plan.hour_end)
    plan = plan.select(plan_arm="arm", arm_hour=plan.hour_start.cast("int64"), until=plan.hour_end.cast("int64"))
    people = people.join(plan, people.arm == plan.plan_arm).drop("plan_arm", "experiment_id")
    rows = sends.rows.join(people, sends.rows.customer_id == people.subject)
    rows = rows.filter(rows.sent_at >= rows.since, rows.sent_at < rows.end)
    return rows.mutate(sent_hour=rows.hour).drop("hour").rename(hour="arm_hour")


def _sums(rows: ir.Table) -> dict[str, ir.Scalar]:
    return {
        "messages": rows.count(where=rows.known),
        "clicks": rows.count(where=rows.happened),
        "all_messages": rows.count(),
        "all_clicks": rows.count(where=rows.happened_raw),
        "opt_outs": rows.count(where=rows.opted_out),
    }


def count_test(
    shop: Shop, sends: Sends, test: TimingTest, segment_by: str, covariates: Covariates | None = None
) -> pd.DataFrame:
    """The experiment's cells: segment (when assigned), weekday, hour, until, group.

    Returns:
        those, stratum (0), messages and clicks (without machine clicks), all_messages and all_clicks (with them),
        opt_outs, as_planned (messages sent within the arm's hours); with `covariates` also cell, those of the day
        before the assignment.
    """
    rows = rows_of_test(shop, sends, test)
    groups = label_test(shop, test.experiment, segment_by)
    rows = rows.join(groups, rows.customer_id == groups.member)
    keys = ["segment", "weekday", "hour", "until", "group"]
    if covariates is not None:
        rows = with_covariates(shop, rows, "customer_id", test.experiment, covariates)
        keys.insert(1, "cell")
    as_planned = (rows.sent_hour >= rows.hour) & (rows.sent_hour < rows.until)
    cells = rows.group_by(keys).aggregate(**_sums(rows), as_planned=rows.count(where=as_planned))
    return shop.count(cells.order_by(keys)).assign(stratum=0)


def with_covariates(shop: Shop, rows: ir.Table, customer: str, test: Experiment, covariates: Covariates) -> ir.Table:
    """Rows of a test's customers with cell, that of the day before the assignment."""
    cells = label_when_assigned(shop, covariates.label, test.name).select(of="member", cell="segment")
    return rows.join(cells, rows[customer] == cells.of).drop("of")


def count_test_members(shop: Shop, test: Experiment, segment_by: str, covariates: Covariates) -> pd.DataFrame:
    """Segment and cell when assigned, n: all assigned, whether or not a message reached them."""
    people = with_covariates(shop, label_test(shop, test, segment_by), "member", test, covariates)
    return shop.count(people.group_by("segment", "cell").aggregate(n=people.count()).order_by("segment", "cell"))


def count_test_people(shop: Shop, test: TimingTest, segment_by: str) -> pd.DataFrame:
    """segment, customers: all assigned, whether or not a message reached them."""
    groups = label_test(shop, test.experiment, segment_by)
    people = shop.assignments.filter(shop.assignments.experiment_id == test.experiment.name)
    people = people.join(groups, people.customer_id == groups.member)
    return shop.count(people.group_by("segment").aggregate(customers=people.count()).order_by("segment"))


# --- the log ---------------------------------------------------------------------------------------------------------


def log_start(shop: Shop, weeks: int) -> dt.date:
    """The first day of the log that is read.

    Where customers become known in the course of the log (no table customers, or one with joined_at), the first third
    of the log is not read, because the customers' segments are computed from it.
    """
    start = shop.as_of - dt.timedelta(days=7 * weeks - 1)
    if shop.has("customers") and not shop.has("customers", "joined_at"):
        return start
    days = [table.first for name in ("orders", "messages") if (table := shop.loaded.tables.get(name)) and table.first]
    first = dt.date.fromisoformat(min(days))
    return max(start, first + (shop.as_of - first) // 3)


def _log_rows(shop: Shop, sends: Sends, segment_by: str, weeks: int) -> ir.Table:
    """Messages of the log with the recipients' segment, for observational estimates; kept in the engine.

    Messages of a plan, and messages to customers in a test of hours or of frequency, are left out.
    """
    first = log_start(shop, weeks)
    rows = sends.rows.filter(sends.rows.sent_at >= ibis.literal(shop.start_of(first)), sends.rows.plan_id.isnull())
    people = _in_experiments(shop, ("timing", "frequency"))
    if people is not None:
        people = people.select("subject", "since", "end")
        # One interval per customer, from the first start to the last end, so that no message is duplicated.
        spans = people.group_by("subject").aggregate(first=people.since.min(), last=people.end.max())
        rows = rows.left_join(spans, rows.customer_id == spans.subject)
        rows = rows.filter(rows.subject.isnull() | (rows.sent_at < rows["first"]) | (rows.sent_at >= rows["last"]))
    groups = _label_segments(shop, segment_by, first - dt.timedelta(days=1))
    rows = rows.join(groups, rows.customer_id == groups.member)
    return shop.keep(
        rows.select(
            "segment", "customer_id", "campaign_id", "timezone", "weekday", "hour", "group", "known", "happened",
            "happened_raw", "opted_out", month=rows.local_date.cast("string").substr(0, 7),
        )
    )  # fmt: skip


def _log_cells(shop: Shop, sends: Sends, segment_by: str, weeks: int) -> ir.Table:
    """Cells of the log with the jackknife group, kept in the engine."""
    rows = _log_rows(shop, sends, segment_by, weeks)
    cells = rows.group_by(
        "segment", "weekday", "hour", "group", "campaign_id", "month", until=rows.hour + 1
    ).aggregate(**_sums(rows))  # fmt: skip
    return shop.keep(cells)


def count_log(shop: Shop, sends: Sends, segment_by: str, weeks: int) -> tuple[pd.DataFrame, ir.Table]:
    """The log's cells, and the same cells with the jackknife group as a table of the engine (see `log_scores`).

    Segments are as of the day before the first day read; customers who joined later are left out. A stratum is a
    campaign, or all campaigns of a month where there would be more than 120,000 cells.
    """
    cells = _log_cells(shop, sends, segment_by, weeks)
    for name in ("campaign_id", "month"):
        stratum = cells.mutate(stratum=cells[name])
        coarse = stratum.group_by(list(KEYS)).aggregate(
            **{name: stratum[name].sum() for name in ("messages", "clicks", "all_messages", "all_clicks", "opt_outs")}
        )
        size = int(shop.count(coarse.aggregate(n=coarse.count()))["n"].iloc[0])
        if size <= MOST_STRATA_CELLS or name == "month":
            break
    return shop.count(coarse.order_by(*KEYS)), stratum


def count_log_people(shop: Shop, sends: Sends, segment_by: str, weeks: int) -> pd.DataFrame:
    """segment, customers: those who were sent any message in the log."""
    rows = _log_rows(shop, sends, segment_by, weeks)
    cells = rows.group_by("segment").aggregate(customers=rows.customer_id.nunique())
    return shop.count(cells.order_by("segment"))


def log_scores(shop: Shop, cells: ir.Table, events: str, trials: str, names: tuple[str, ...]) -> Scores:
    """As `response_curve.group_scores`, summed in the engine because cells by campaign and group are too many."""

    def scores(rows: pd.DataFrame, x: np.ndarray) -> np.ndarray:
        columns = [f"x{j}" for j in range(x.shape[1])]
        table = pd.concat([rows[[*KEYS, "p"]].reset_index(drop=True), pd.DataFrame(x, columns=columns)], axis=1)
        fitted = ibis.memtable(table)
        joined = cells.join(fitted, list(KEYS))
        rest = joined[events] - joined[trials] * joined.p
        summed = joined.group_by("segment", "group").aggregate(
            **{name: (rest * joined[name]).sum() for name in columns}
        )
        found = shop.count(summed.order_by("segment", "group"))
        out = np.zeros((len(names), 64, x.shape[1]))
        place = found["segment"].map({name: i for i, name in enumerate(names)})
        out[place.to_numpy(int), found["group"].to_numpy(int)] = found[columns].to_numpy(float)
        return out

    return scores


def count_practice(shop: Shop, practice: Practice, segment_by: str) -> pd.DataFrame:
    """Today's messages by local hour of sending, delivered or not.

    Returns:
        segment (on the last day observed; empty for recipients who are in no other table), timezone and region (the
        recipient's own; empty: not known), weekday, hour; messages.
    """
    rows = _label_practice(shop, practice, segment_by)
    rows = measures.with_zone(shop, rows)
    local_at = measures.local_time(shop, rows.sent_at, rows.timezone)
    rows = rows.mutate(weekday=local_at.day_of_week.index().cast("int64"), hour=local_at.hour().cast("int64"))
    rows = measures.with_place(shop, rows.select("segment", "customer_id", "weekday", "hour"))
    rows = rows.rename(timezone="zone", region="area")
    keys = ["segment", "timezone", "region", "weekday", "hour"]
    return shop.count(rows.group_by(keys).aggregate(messages=rows.count()).order_by(keys))


def count_volume(shop: Shop, practice: Practice, segment_by: str) -> pd.DataFrame:
    """Today's texts per week to each segment of the last day observed.

    Returns:
        segment (as in `count_practice`), customers (who were sent any of them), messages_per_week (delivered ones).
    """
    rows = _label_practice(shop, practice, segment_by)
    cells = rows.group_by("segment").aggregate(
        customers=rows.customer_id.nunique(), n=rows.count(where=rows.delivered_at.notnull())
    )
    found = shop.count(cells.order_by("segment"))
    return found.assign(messages_per_week=found["n"] / practice.weeks_covered).drop(columns="n")


def _label_practice(shop: Shop, practice: Practice, segment_by: str) -> ir.Table:
    """Today's messages with the segment of their recipients on the last day observed."""
    rows = measures.practice_sends(shop, practice)
    groups = _label_segments(shop, segment_by, shop.as_of)
    rows = rows.left_join(groups, rows.customer_id == groups.member).drop("member")
    return rows.mutate(segment=rows.segment.fill_null(""))
