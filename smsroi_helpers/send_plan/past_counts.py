"""Earlier plans, and what followed them: counted in the engine by role, group and action.

An earlier plan is one of the source's table `plans`, or one that an earlier run of the report made. Its window is
`[first day, first day + horizon)`, for all of its customers alike, whatever they were sent.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
import pandas as pd

from smsroi_helpers import measures
from smsroi_helpers.engine import total
from smsroi_helpers.segmentation import resolve
from smsroi_helpers.source import Shop, resolve_path

__all__ = [
    "CELLS",
    "MOST_RUNS",
    "EarlierPlan",
    "count_outcomes",
    "find_plans",
]

MOST_RUNS = 60
"""Earlier runs that are looked through, the newest first."""
_STAGE = "send_plan"
_FACTOR = "promise_factor"
_SCORE = "promise_before_roles"
"""Optional columns of a run's table `send_plan`: by which factor its promises were corrected, and what each customer
would have been promised whatever the role, held-out customers included."""

CELLS = (
    "role", "grouping", "texts_per_week", "variant", "tenth", "n", "unusable", "texts", "own_texts", "texted",
    "buyers", "opt_outs", "leavers_known", "promises",
    "w", "w2", "w_y", "w_m", "w_t", "w_o", "w2_y", "w2_o", "w2_yy",
)  # fmt: skip
"""Of `count_outcomes`. w = 1 ÷ probability of the role; `w_y` is Σ w·y, `w2_yy` is Σ w²·y², and so on, with y profit, m
the promise, t texts, o whether the customer opted out."""


@dataclass(frozen=True)
class EarlierPlan:
    """A plan made before, and its customers."""

    plan_id: str
    first: dt.date | None
    """Its first day, on the source's clock; None where neither its name nor a text of it says."""
    horizon_days: int
    """The days that its promise is about."""
    planned: int
    """Customers with a text planned."""
    customers: int
    origin: str
    """`plans`: the source's table; `run`: an earlier run's."""
    corrected_by: float
    """The factor by which its promises had been corrected already; 1 where it had not been, or is not known."""
    promised_here: bool
    """Whether a run of this workbook made its promise: the plan is of such a run, or has a `promise_factor`."""
    grouped: bool
    """Whether the plan says by which groups it chose; else customers are grouped by segment."""
    people: ir.Table
    """customer_id, role, probability, promise, variant, texts_per_week, grouping, score; null where not recorded."""

    def window(self, shop: Shop) -> tuple[dt.datetime, dt.datetime]:
        """The start (included) and the end (excluded) of its weeks, in UTC."""
        if self.first is None:
            raise ValueError(f"plan {self.plan_id} has no first day")
        return shop.start_of(self.first), shop.start_of(self.first + dt.timedelta(days=self.horizon_days))


# --- which plans -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Run:
    """An earlier run that made a plan."""

    file: Path
    horizon_days: int


def find_plans(shop: Shop, previous_run: str = "", horizon_weeks: float = 4) -> list[EarlierPlan]:
    """The earlier plans of the source and of earlier runs, the oldest first.

    A plan of both is the source's: it says what was carried out. The groups and frequencies that only the run's table
    has are added to it. Of several runs that made the same plan, the last one counts.

    Args:
        shop: the company.
        previous_run: the folder of the run before, relative to the project's root; empty for none. The runs before it
            are found in its manifest.
        horizon_weeks: of plans that do not say for how many weeks their promise is.
    """
    default = round(7 * horizon_weeks)
    of_runs: dict[str, tuple[ir.Table, int]] = {}
    for run in _earlier_runs(previous_run, default):
        rows = _rows_of_run(shop, run.file)
        names = shop.count(rows.select("plan_id").distinct().order_by("plan_id"))["plan_id"]
        for name in names:
            of_runs.setdefault(str(name), (rows.filter(rows.plan_id == name), run.horizon_days))
    found = [_plan(shop, name, rows, days, "run", of_run=True) for name, (rows, days) in of_runs.items()]
    if shop.has("plans"):
        names = shop.count(shop.plans.select("plan_id").distinct().order_by("plan_id"))["plan_id"]
        of_source = {}
        for name in names:
            more, days = of_runs.get(str(name), (None, default))
            rows = _rows_of_source(shop, str(name), more)
            of_source[str(name)] = _plan(shop, str(name), rows, days, "plans", of_run=more is not None)
        found = [plan for plan in found if plan.plan_id not in of_source] + list(of_source.values())
    return sorted(found, key=lambda plan: (plan.first or dt.date.max, plan.plan_id))


def _earlier_runs(previous_run: str, default_days: int) -> Iterator[_Run]:
    """The runs before this one that made a plan, the newest first; each manifest names the run before it."""
    seen: set[str] = set()
    while previous_run and previous_run not in seen and len(seen) < MOST_RUNS:
        seen.add(previous_run)
        folder = resolve_path(previous_run)
        try:
            manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
            values: list[tuple[str, dict[str, Any]]] = list(manifest["parameters"].items())
            weeks = [own["horizon_weeks"] for name, own in values if name.endswith(_STAGE) and "horizon_weeks" in own]
            days = round(7 * float(weeks[0])) if weeks else default_days
            earlier = {str(own.get("previous_run") or "") for _name, own in values} - {""}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return
        if (file := folder / "tables" / f"{_STAGE}.parquet").is_file():
            yield _Run(file, days)
        previous_run = min(earlier, default="")


def _rows_of_run(shop: Shop, file: Path) -> ir.Table:
    """One row per plan and customer of a run's table `send_plan`, which has one row per text."""
    key = hashlib.sha256(str(file).encode()).hexdigest()[:16]  # cached results belong to a file, which never changes
    texts = shop.con.read_parquet(file, table_name=f"earlier_plan_{key}")
    optional = {
        name: texts[name].cast(kind) if name in texts.columns else ibis.null(kind)
        for name, kind in (
            ("type", "string"), ("variant", "string"), ("texts_per_week", "float64"), (_SCORE, "float64"),
            (_FACTOR, "float64"),
        )
    }  # fmt: skip
    texts = texts.select(
        plan_id=texts.plan_id.cast("string"), customer_id=texts.customer_id.cast("string"), role=texts.role,
        probability=texts.probability, send_at=texts.send_at.cast("timestamp"), promise=texts.expected_profit,
        **optional,
    )  # fmt: skip
    return texts.group_by("plan_id", "customer_id").aggregate(
        role=texts.role.max(), probability=texts.probability.max(), first_at=texts.send_at.min(),
        promise=texts.promise.sum(), variant=texts.variant.argmin(texts.send_at),
        texts_per_week=texts.texts_per_week.max(), grouping=texts["type"].max(), score=texts[_SCORE].max(),
        factor=texts[_FACTOR].max(),
    )  # fmt: skip


def _rows_of_source(shop: Shop, plan_id: str, more: ir.Table | None) -> ir.Table:
    """One row per customer of a plan of the table `plans`, with what only the run's table has."""
    rows = shop.plans.filter(shop.plans.plan_id == plan_id)
    columns = {
        name: rows[name].cast(kind) if name in rows.columns else ibis.null(kind)
        for name, kind in (
            ("send_at", "timestamp"),
            ("variant", "string"),
            ("expected_profit", "float64"),
            (_FACTOR, "float64"),
        )
    }
    rows = rows.select(
        "plan_id", "customer_id", "role", "probability", first_at=columns["send_at"],
        promise=columns["expected_profit"], factor=columns[_FACTOR], variant=columns["variant"],
    )  # fmt: skip
    kinds = {"texts_per_week": "float64", "grouping": "string", "score": "float64"}
    if more is None:
        return rows.mutate(**{name: ibis.null(kind) for name, kind in kinds.items()})
    more = more.select("texts_per_week", "grouping", "score", of_run="factor", member="customer_id")
    rows = rows.left_join(more, rows.customer_id == more.member)
    return rows.mutate(factor=rows.factor.coalesce(rows.of_run)).drop("member", "of_run")


def _plan(shop: Shop, plan_id: str, rows: ir.Table, horizon_days: int, origin: str, *, of_run: bool) -> EarlierPlan:
    facts = shop.count(rows.aggregate(
        n=rows.count(), planned=rows.first_at.count(), first=shop.day(rows.first_at.min()),
        factor=rows.factor.max(), groups=rows.grouping.count(),
    )).iloc[0]  # fmt: skip
    first = None if pd.isna(facts["first"]) else pd.Timestamp(facts["first"]).date()
    recorded = not pd.isna(facts["factor"])
    factor = float(facts["factor"]) if recorded and facts["factor"] > 0 else 1.0
    return EarlierPlan(
        plan_id, measures.day_of_plan(plan_id, first), horizon_days, int(facts["planned"]), int(facts["n"]), origin,
        factor, of_run or recorded, bool(facts["groups"]), rows.drop("plan_id", "first_at", "factor"),
    )  # fmt: skip


# --- what followed ---------------------------------------------------------------------------------------------------


def count_outcomes(shop: Shop, plan: EarlierPlan, segment_by: str = "rfm_group") -> pd.DataFrame:
    """What followed a plan, by role, group and action, over its weeks: intention to treat, with all of its customers.

    Args:
        shop: the company, with orders and messages.
        plan: of `find_plans`, with a first day.
        segment_by: how customers are grouped where the plan does not say; as of the day before its first.

    Returns:
        `CELLS`: role; grouping, texts_per_week, variant (of the customer's first text), tenth (1–10, of what customers
        would have been promised, where that is recorded); n customers; unusable (of them, without a probability above
        0: they are in no sum); texts of the channel, own_texts (of them, linked to this plan), texted (customers with a
        text), buyers (customers who ordered), opt_outs (customers), leavers_known (customers of whom that is known: all
        or none), promises (customers with one); sums. NaN where not recorded.
    """
    rows = _with_group(shop, plan, segment_by)
    rows = rows.mutate(tenth=_tenths(rows.score) if _has_scores(shop, rows) else ibis.null("int64"))
    rows = _with_outcomes(shop, rows, plan)
    usable = (rows.probability > 0).fill_null(False)
    w = ibis.ifelse(usable, 1.0 / rows.probability, 0.0)
    y, promise, texts = rows.profit, rows.promise, rows.texts.cast("float64")
    left = rows.opted_out.cast("float64")
    sums = {
        "w": total(w), "w2": total(w * w), "w_y": total(w * y), "w2_y": total(w * w * y), "w2_yy": total(w * w * y * y),
        "w_m": total(w * promise), "w_t": total(w * texts), "w_o": total(w * left), "w2_o": total(w * w * left),
    }  # fmt: skip
    keys = ("role", "grouping", "texts_per_week", "variant", "tenth")
    cells = rows.group_by(*keys).aggregate(
        n=rows.count(), unusable=rows.count(where=~usable), texts=rows.texts.sum(), own_texts=rows.own_texts.sum(),
        texted=rows.count(where=rows.texts > 0), buyers=rows.count(where=rows.orders > 0),
        opt_outs=rows.opted_out.sum(), leavers_known=rows.opted_out.count(), promises=rows.promise.count(), **sums,
    )  # fmt: skip
    return shop.count(cells.select(*CELLS).order_by(*keys))


def _with_group(shop: Shop, plan: EarlierPlan, segment_by: str) -> ir.Table:
    if plan.grouped or plan.first is None:
        return plan.people
    groups = resolve(shop, segment_by).label(plan.people, plan.first - dt.timedelta(days=1))
    groups = groups.select(member="customer_id", segment="segment")
    rows = plan.people.drop("grouping")
    return rows.left_join(groups, rows.customer_id == groups.member).drop("member").rename(grouping="segment")


def _has_scores(shop: Shop, rows: ir.Table) -> bool:
    """Whether it is known of every customer what the plan would have promised."""
    counts = shop.count(rows.aggregate(known=rows.score.count(), n=rows.count())).iloc[0]
    return bool(counts["n"]) and bool(counts["known"] == counts["n"])


def _tenths(score: ir.FloatingValue) -> ir.IntegerValue:
    """1 to 10, with a tenth of the customers each; equal scores may be in two tenths."""
    return ibis.ntile(10).over(order_by=score) + 1


def _with_outcomes(shop: Shop, rows: ir.Table, plan: EarlierPlan) -> ir.Table:
    """The customers with profit, orders, texts, own_texts and opted_out (0 or 1; null: unknown) of the plan's weeks.

    A plan begins and ends with a day of the source, so an order with a date alone is on one side of either.
    """
    start, end = (ibis.literal(instant) for instant in plan.window(shop))
    events, orders = measures.profit_events(shop), measures.order_events(shop)
    events = events.filter(events.at >= start, events.at < end)
    orders = orders.filter(orders.at >= start, orders.at < end)
    profit = events.group_by(member="customer_id").aggregate(profit=total(events.profit))
    bought = orders.group_by(member="customer_id").aggregate(orders=orders.purchase.sum())
    sends, channel = measures.every_send(shop), measures.choose_channel(shop)
    sends = sends.filter(sends.channel == channel, sends.sent_at >= start, sends.sent_at < end)
    texts = sends.group_by(member="customer_id").aggregate(
        texts=sends.count(), own_texts=sends.count(where=sends.plan_id == plan.plan_id)
    )
    counted = {"profit": 0.0, "orders": 0, "texts": 0, "own_texts": 0}
    for more in (profit, bought, texts):
        rows = rows.left_join(more, rows.customer_id == more.member).drop("member")
    rows = rows.fill_null(counted)
    opt_outs = measures.opt_outs(shop)
    if opt_outs is None:
        return rows.mutate(opted_out=ibis.null("int64"))
    within = measures.earliest_opt_out(shop, opt_outs.opt_out_at) < end
    left = opt_outs.filter(opt_outs.opt_out_at >= start, within).select(member="customer_id").distinct()
    rows = rows.left_join(left, rows.customer_id == left.member)
    return rows.mutate(opted_out=rows.member.notnull().cast("int64")).drop("member")
