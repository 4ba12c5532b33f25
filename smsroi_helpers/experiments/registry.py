"""The experiments of a source: arms, customers and windows; and the counts of their outcomes in the engine.

Everything is a count by arm (and day, channel, week, month, segment): rows do not grow in number with the customers.
"""

import datetime as dt
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import ibis
import ibis.expr.types as ir
import pandas as pd

from smsroi_helpers import measures, statistics
from smsroi_helpers.engine import total
from smsroi_helpers.errors import DataError, NotEnoughData
from smsroi_helpers.experiments.clusters import Clusters, count_clusters, with_cluster_days
from smsroi_helpers.experiments.label_days import label_together_when_assigned
from smsroi_helpers.experiments.metrics import CLICK_PAIRS, METRICS, PAIRS
from smsroi_helpers.experiments.pre_period import with_pre_period
from smsroi_helpers.source import Shop, once
from smsroi_helpers.statistics import Floats

__all__ = [
    "Experiment",
    "count_by_segment",
    "count_capped",
    "count_months",
    "count_outcomes",
    "count_weeks",
    "list_experiments",
    "moments_of",
]


@dataclass(frozen=True)
class Experiment:
    """One experiment, with the data up to the last day observed."""

    name: str
    kind: str
    control: str
    """The arm that the others are compared with; of a holdout the arm that is not texted, whatever it is called."""
    arms: tuple[str, ...]
    """In the order of the table `arms`, the control first."""
    shares: Floats
    """Planned share of each arm (0–1)."""
    primary: str
    """The experiment's own (primary) metric."""
    state: Literal["running", "ended"]
    """Running until the end of the outcome window has been observed."""
    started: dt.date
    last: dt.date
    """The last day whose outcomes count so far."""
    until: dt.date | None
    """The last day whose outcomes will count; None where no end is planned."""
    assigned: pd.DataFrame
    """arm, day; n, late (assigned after the outcome window), early (before the start), outcome_days. Where clusters
    were assigned, the day is the cluster's first one, and units counts the clusters assigned in time."""
    plan: pd.DataFrame
    """The treatment of each arm (index): messages_per_week, hour_start, hour_end, variant, where stated."""
    clusters: Clusters | None = None
    """The households or stores that were assigned; None where single customers were."""

    @property
    def customers(self) -> Floats:
        """Customers assigned to each arm; those assigned too late are left out."""
        sums = (self.assigned["n"] - self.assigned["late"]).groupby(self.assigned["arm"]).sum()
        return sums.reindex(list(self.arms)).fillna(0).to_numpy(float)

    @property
    def clustered(self) -> bool:
        """Whether clusters of customers were assigned, so that a cluster's customers are not independent."""
        return self.clusters is not None

    @property
    def randomised(self) -> pd.DataFrame:
        """arm, day, n: the units of randomisation assigned in time, clusters where these were assigned."""
        units = self.assigned["units"] if self.clustered else self.assigned["n"] - self.assigned["late"]
        return self.assigned[["arm", "day"]].assign(n=units)

    @property
    def units(self) -> Floats:
        """Units of randomisation assigned to each arm in time."""
        sums = self.randomised.groupby("arm")["n"].sum()
        return sums.reindex(list(self.arms)).fillna(0).to_numpy(float)

    @property
    def weeks(self) -> float:
        """Mean weeks for which outcomes were counted, over the customers."""
        return float(self.assigned["outcome_days"].sum() / max(self.customers.sum(), 1) / 7)

    @functools.cached_property
    def information(self) -> float:
        """The information of the always-valid interval: see `sequential.information`."""
        by_day = (self.assigned["n"] - self.assigned["late"]).groupby(self.assigned["day"]).sum()
        days = pd.DataFrame({"day": by_day.index, "n": by_day.to_numpy()})
        planned = (self.until - self.started).days / 7 if self.until else statistics.TUNED_WEEKS
        return statistics.information(days, self.last, planned) if len(days) else float("nan")

    @property
    def treated(self) -> tuple[str, ...]:
        """Every arm but the control."""
        return self.arms[1:]


def count_assigned(experiment: Experiment) -> float:
    """Customers of all arms who were assigned in time."""
    return float(experiment.customers.sum())


def count_late(experiment: Experiment) -> int:
    """Customers who were assigned too late to have an outcome."""
    return int(experiment.assigned["late"].sum())


# --- experiments -----------------------------------------------------------------------------------------------------


def list_experiments(shop: Shop) -> list[Experiment]:
    """The experiments with assigned customers, in order of their start.

    The control of a holdout is the arm whose customers were messaged least, and its `control_arm` only where arms are
    messaged alike or the source has no messages. So the effect is that of texting even if the texted arm is called
    the control.

    The metric is profit where none is registered; without orders, clicks per message in tests of texts and hours.

    Raises:
        DataError: the source has no experiments, arms or assignments.
        NotEnoughData: no customer has been assigned yet.
    """
    experiments = shop.experiments
    optional = {
        name: experiments[name] if name in experiments.columns else ibis.null(kind)
        for name, kind in (("ended_at", "timestamp"), ("outcome_until", "timestamp"), ("primary_metric", "string"))
    }
    experiments = experiments.select(["experiment_id", "kind", "control_arm", "started_at"], **optional)
    experiments = experiments.mutate(stated_end=ibis.coalesce(experiments.outcome_until, experiments.ended_at))
    experiments = experiments.mutate(
        started=shop.day(experiments.started_at),
        until=shop.day(experiments.stated_end - ibis.interval(microseconds=1)),
        ended=(experiments.stated_end <= ibis.literal(shop.end)).fill_null(False),
        primary_metric=experiments.primary_metric.fill_null(_usual_metric(shop, experiments.kind)),
    )
    rows = shop.count(experiments.order_by("started_at", "experiment_id"))
    arms = shop.count(shop.arms.order_by("experiment_id", "arm"))
    assigned = _count_assigned(shop)
    clusters = count_clusters(shop)
    untreated = measures.untreated_arms(shop)
    found = []
    for row in rows.itertuples():
        own = assigned[assigned["experiment_id"] == row.experiment_id].drop(columns="experiment_id")
        plan = arms[arms["experiment_id"] == row.experiment_id].set_index("arm").drop(columns="experiment_id")
        if not len(own):
            continue
        if row.control_arm not in plan.index:
            raise DataError(
                f"experiments.control_arm: {row.experiment_id} names {row.control_arm!r}, which is not among its arms;"
                " correct it, or add the arm to the table arms"
            )
        control = untreated.get(row.experiment_id, row.control_arm)
        names = (control, *(arm for arm in _planned_order(plan) if arm != control))
        until = None if pd.isna(row.until) else pd.Timestamp(row.until).date()
        found.append(
            Experiment(
                name=row.experiment_id,
                kind=row.kind,
                control=control,
                arms=names,
                shares=plan["share"].reindex(names).to_numpy(float),
                primary=row.primary_metric,
                state="ended" if row.ended else "running",
                started=pd.Timestamp(row.started).date(),
                last=until if row.ended and until else shop.as_of,
                until=until,
                assigned=own.reset_index(drop=True),
                plan=plan,
                clusters=clusters.get(row.experiment_id),
            )
        )
    if not found:
        raise NotEnoughData("Nobody has been assigned to an experiment yet.")
    return found


def _usual_metric(shop: Shop, kind: ir.StringValue) -> ir.StringValue:
    """The primary metric where none is registered: profit; without orders, clicks of arms that are sent alike."""
    if shop.has("orders") or not (shop.has("messages") and measures.knows_clicks(shop)):
        return ibis.literal("profit")
    return ibis.ifelse(kind.isin(["content", "timing"]), "click_rate", "profit")


def _planned_order(plan: pd.DataFrame) -> list[str]:
    """Arms ordered by texts per week or hour where planned, else by name."""
    keys = [name for name in ("messages_per_week", "hour_start") if name in plan.columns and plan[name].notna().any()]
    return list(plan.rename_axis("arm_name").reset_index().sort_values([*keys, "arm_name"])["arm_name"])


def _count_assigned(shop: Shop) -> pd.DataFrame:
    """experiment_id, arm, day; n, late, early, outcome_days, units."""
    people = with_cluster_days(measures.outcome_windows(shop))
    starts = shop.experiments.select(of="experiment_id", started_at="started_at")
    people = people.join(starts, people.experiment_id == starts.of)
    late = people.outcome_days <= 0
    cells = people.group_by("experiment_id", "arm", day=people.assigned_day).aggregate(
        n=people.count(),
        late=people.count(where=late),
        early=people.count(where=people.assigned_at < people.started_at),
        outcome_days=total(people.outcome_days, where=~late).fill_null(0.0),
        **({"units": measures.unit_of(people).nunique(where=~late)} if measures.CLUSTER in people.columns else {}),
    )
    return shop.count(cells.order_by("experiment_id", "arm", "day"))


# --- outcomes --------------------------------------------------------------------------------------------------------


def _in_time(shop: Shop, experiment: str | None = None) -> ir.Table:
    """Outcomes of customers with an outcome window above 0."""
    rows = with_cluster_days(measures.arm_outcomes(shop, experiment))
    return rows.filter(rows.outcome_days > 0)


def count_outcomes(shop: Shop, experiment: str | None = None, pre_period: Sequence[str] = ()) -> pd.DataFrame:
    """Moments of every metric by experiment (all, or this one), arm and day of assignment: see `moments_of`.

    Beside the metrics: `same_day` with y the orders of the assignment's day whose time is not known, x all orders; and
    what `ab_test.click_profit` reads, y and x being `clicks` clicked messages and opt-outs, `judged` messages and those
    whose click is known to be a human's or none, `cost` message cost, `sent` messages and subscribed weeks,
    `discounts` discount and orders.

    With `pre_period`, means are adjusted for these columns too (`pre_period.with_pre_period`).
    """
    if experiment is None and not pre_period:
        return _outcomes_of_all(shop).copy()
    return _count_outcomes(shop, experiment, pre_period)


@once
def _outcomes_of_all(shop: Shop) -> pd.DataFrame:
    return _count_outcomes(shop, None, ())


def _count_outcomes(shop: Shop, experiment: str | None, pre_period: Sequence[str]) -> pd.DataFrame:
    by = ("experiment_id", "arm", "assigned_day")
    pairs = {**PAIRS, **CLICK_PAIRS, "same_day": ("same_day_orders", "orders")}
    rows = with_pre_period(shop, _in_time(shop, experiment), pre_period)
    means = [name for name, metric in METRICS.items() if metric.kind != "ratio"]
    return shop.count(measures.arm_moments_together(rows, pairs, by, attributes=pre_period, adjusted=means))


def moments_of(counted: pd.DataFrame, experiment: str, metric: str, by: Sequence[str] = ()) -> pd.DataFrame:
    """The moments of one metric in one experiment.

    Args:
        counted: of `count_outcomes`, or of another count with the same columns.
        experiment: its name.
        metric: its name.
        by: columns to keep beside arm.

    Returns:
        arm, the columns of `by`, and the columns of `measures.arm_moments` but for n_unknown.
    """
    prefix = f"{metric}__"
    kept = {name: name for name in ("arm", *by)}
    kept |= {name: name.removeprefix(prefix) for name in counted.columns.tolist() if name.startswith(prefix)}
    kept.pop(f"{prefix}n_unknown", None)
    is_own = counted["experiment_id"].to_numpy() == experiment  # and column by column, which pandas does fastest
    return pd.DataFrame({new: counted[name].array[is_own] for name, new in kept.items()}, index=counted.index[is_own])


def count_capped(shop: Shop, metric: str = "profit", share: float = 0.99) -> pd.DataFrame:
    """Moments of a metric with its values capped; the cap is the same in all arms of an experiment.

    Args:
        shop: the company.
        metric: a metric in money.
        share: the cap is this quantile of the metric among all customers of the experiment who ordered.

    Returns:
        experiment_id, arm, cap (money), and the moments as `moments_of` reads them.
    """
    rows = _in_time(shop)
    outcome = METRICS[metric].outcome
    buyers = rows.filter(rows.ordered == 1)
    caps = shop.count(
        buyers.group_by("experiment_id").aggregate(cap=buyers[outcome].quantile(share)).order_by("experiment_id")
    )
    known = caps.dropna()
    if not len(known):
        return pd.DataFrame(columns=["experiment_id", "arm", "cap", f"{metric}__n"])
    branches = [(rows.experiment_id == r.experiment_id, float(r.cap)) for r in known.itertuples()]
    capped = rows.filter(rows.experiment_id.isin(known["experiment_id"].tolist()))
    capped = capped.mutate(**{outcome: ibis.least(capped[outcome], ibis.cases(*branches, else_=None))})
    pairs = {metric: (outcome, METRICS[metric].covariate)}
    counted = shop.count(measures.arm_moments_together(capped, pairs))
    return counted.merge(known, on="experiment_id")


def count_by_segment(
    shop: Shop,
    label: Callable[[ir.Table, ir.Table], ir.Table],
    metrics: Sequence[str] = ("profit", "order_rate"),
) -> pd.DataFrame:
    """Moments by experiment, arm and segment when assigned: see `label_when_assigned` and `count_outcomes`.

    Args:
        shop: the company.
        label: `segmentation.Segmentation.label`: customers and days to their segments, see there.
        metrics: names of the metrics.
    """
    labelled = label_together_when_assigned(shop, label)
    rows = _in_time(shop)
    rows = rows.join(labelled, (rows.experiment_id == labelled.of_experiment) & (rows.customer_id == labelled.member))
    rows = rows.drop("of_experiment", "member")
    pairs = {name: pair for name, pair in PAIRS.items() if name in metrics} | CLICK_PAIRS
    return shop.count(measures.arm_moments_together(rows, pairs, ("experiment_id", "arm", "segment")))


# --- profit by week and month ----------------------------------------------------------------------------------------


def count_weeks(shop: Shop, weeks: Mapping[str, int]) -> pd.DataFrame:
    """Moments of each customer's cumulative profit, by week since the assignment, for the same customers in all weeks.

    With S a customer's cumulative profit, S² grows by (S + y)² − S² in a week with profit y. So one pass over the
    events gives Σ S² of every week.

    Args:
        shop: the company.
        weeks: experiment → how many weeks; customers observed for a shorter time are left out.

    Returns:
        experiment_id, arm, week (1 = the first); n, sum_y, sum_y2 of the profit from the assignment to the week's end.
    """
    people = measures.outcome_windows(shop)
    people = people.filter(people.experiment_id.isin(sorted(weeks)))
    branches = [(people.experiment_id == name, count) for name, count in sorted(weeks.items())]
    people = people.mutate(most=ibis.cases(*branches, else_=0))
    people = people.filter(people.outcome_days >= 7 * people.most)
    size = shop.count(
        people.group_by("experiment_id", "arm").aggregate(n=people.count()).order_by("experiment_id", "arm")
    )
    events = measures.profit_events(shop).rename(member_id="customer_id")
    theirs = people.join(events, people.customer_id == events.member_id)
    since = theirs["at"].delta(theirs.assigned_at, unit="microsecond") / (7 * 86_400_000_000)
    theirs = theirs.mutate(week=ibis.greatest(since.floor(), 0).cast("int64"))
    theirs = theirs.filter(theirs.latest_at >= theirs.assigned_at, theirs.week < theirs.most)
    keys = ("experiment_id", "arm", "customer_id", "week")
    weekly = theirs.group_by(*keys).aggregate(y=total(theirs.profit))
    so_far = ibis.window(group_by=["experiment_id", "customer_id"], order_by="week", rows=(None, 0))
    weekly = weekly.mutate(after=weekly.y.sum().over(so_far))
    before = weekly.after - weekly.y
    cells = weekly.group_by("experiment_id", "arm", "week").aggregate(
        sum_y=total(weekly.y), sum_y2=total(weekly.after * weekly.after - before * before)
    )
    counted = shop.count(cells.order_by("experiment_id", "arm", "week"))
    every = pd.DataFrame(
        [(name, week) for name, count in sorted(weeks.items()) for week in range(count)],
        columns=["experiment_id", "week"],
    )
    grid = size.merge(every, on="experiment_id").merge(counted, on=["experiment_id", "arm", "week"], how="left")
    grid[["sum_y", "sum_y2"]] = grid[["sum_y", "sum_y2"]].fillna(0.0)
    grid = grid.sort_values(["experiment_id", "arm", "week"], ignore_index=True)
    grid[["sum_y", "sum_y2"]] = grid.groupby(["experiment_id", "arm"])[["sum_y", "sum_y2"]].cumsum()
    return grid.assign(week=grid["week"] + 1)


def count_months(shop: Shop) -> pd.DataFrame:
    """Moments of profit by calendar month in each standing holdout: experiment_id, arm, month; sum_y, sum_y2.

    Months are those of the source's time zone. Customers without an event in a month add nothing to its sums.
    """
    holdouts = shop.experiments.filter(shop.experiments.kind == "holdout").select(of="experiment_id")
    people = measures.outcome_windows(shop)
    people = people.semi_join(holdouts, people.experiment_id == holdouts.of)
    events = measures.profit_events(shop).rename(member_id="customer_id")
    theirs = people.join(events, people.customer_id == events.member_id)
    theirs = theirs.filter(theirs.latest_at >= theirs.assigned_at, theirs["at"] < theirs.outcome_end)
    theirs = theirs.mutate(month=shop.day(theirs["at"]).truncate("M"))
    each = theirs.group_by("experiment_id", "arm", "customer_id", "month").aggregate(y=total(theirs.profit))
    by = ("experiment_id", "arm", "month")
    cells = each.group_by(*by).aggregate(sum_y=total(each.y), sum_y2=total(each.y * each.y))
    return shop.count(cells.order_by(*by))
