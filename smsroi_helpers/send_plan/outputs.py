"""The tables that `09_send_plan` saves: the plan, its summary and value, and what the next run reads.

The exploring share is written as three tests in the contract's form, one for each lever, all assigned to the same
customers by independent hashes: so the next run reads it like any other test.
"""

import datetime as dt

import ibis
import ibis.expr.types as ir
import pandas as pd

from smsroi_helpers.send_plan.hand_over import mark_listed
from smsroi_helpers.send_plan.plan import SendPlan
from smsroi_helpers.send_plan.previous_plans import PreviousPlans
from smsroi_helpers.statistics import Floats

__all__ = ["plan_rows", "score_rows", "source_tables", "summary_rows"]

EVIDENCE = "modelled"
LONG_RUN = "long_run"
_INSTANT = "timestamp('UTC', 6)"


def plan_rows(plan: SendPlan, past: PreviousPlans | None = None) -> ir.Table:
    """The table `send_plan`, its times with their zone, so that no reader takes them for local ones.

    Beside the columns of the contract: promise_factor, timezone, send_at_local (the recipient's), left_out (why the row
    is not in the list that the page links, of `hand_over.mark_listed`; null where it is).

    Args:
        plan: of `make_plan`.
        past: of `score_plans`. Expected amounts are multiplied by the part of their promise that earlier plans kept;
            the column `promise_factor` says by what, so that the next run knows the promise before that.
    """
    rows = mark_listed(plan.shop, _corrected(plan, past))
    return rows.mutate(send_at=rows.send_at.cast(_INSTANT)).order_by("customer_id", "send_at")


def _corrected(plan: SendPlan, past: PreviousPlans | None) -> ir.Table:
    """The messages of a plan, with expected amounts multiplied by `promise_factor`."""
    factor = past.factor.value if past else 1.0
    rows = plan.messages
    return rows.mutate(
        expected_profit=rows.expected_profit * factor,
        expected_long_run=rows.expected_long_run * factor,
        promise_factor=ibis.literal(factor, "float64"),
    )


def summary_rows(plan: SendPlan, past: PreviousPlans | None = None) -> pd.DataFrame:
    """type, texts_per_week, hour, weekday, variant, role, reason; customers, messages, expected_profit.

    Args:
        plan: of `make_plan`.
        past: as of `plan_rows`.
    """
    rows = _corrected(plan, past)
    by = ("type", "role", "reason", "texts_per_week", "hour", "weekday", "variant")
    counted = rows.group_by(*by).aggregate(
        customers=rows.customer_id.nunique(), messages=rows.count(where=rows.send_at.notnull()),
        expected_profit=rows.expected_profit.sum(),
    )  # fmt: skip
    return plan.shop.count(counted.order_by(*by))


def score_rows(plan: SendPlan) -> pd.DataFrame:
    """policy, period, profit_per_customer, low, high, evidence: of the plan, of today, of nothing, and of candidates.

    Candidates (`by_…`) are all valued by one response, see `comparison`. Per customer of the audience;
    `plan_minus_today` is their difference, with its own interval. `frequency_minus_nothing` is what the plan's
    frequencies brought by their test alone, at its hours and texts: profit per member and week.
    """
    chosen, weeks = plan.chosen, f"{plan.calendar.weeks} weeks"
    rows: list[tuple[str, str, float, float, float, str]] = []

    def add(policy: str, period: str, replicates: Floats) -> None:
        found = chosen.estimate(replicates)
        rows.append((policy, period, found.value, found.low, found.high, EVIDENCE))

    for period, of_plan, of_today in (
        (LONG_RUN, chosen.long_run, chosen.today_long_run), (weeks, chosen.cash, chosen.today_cash),
    ):  # fmt: skip
        add("plan", period, of_plan)
        add("today", period, of_today)
        add("plan_minus_today", period, of_plan - of_today)
        rows.append(("nothing", period, 0.0, 0.0, 0.0, EVIDENCE))
    for name, value in plan.limited.compared.long_run.items():
        add(f"by_{name}", LONG_RUN, value)
    for gain in (each.gain for each in plan.levers if each.lever == "frequency"):
        rows.append(("frequency_minus_nothing", "1 week", gain.value, gain.low, gain.high, "randomised"))
    names = ["policy", "period", "profit_per_customer", "low", "high", "evidence"]
    return pd.DataFrame(rows, columns=names)


def source_tables(plan: SendPlan, past: PreviousPlans | None = None) -> dict[str, ir.Table | pd.DataFrame]:
    """plans, experiments, arms and assignments in the contract's form, for the next run's source.

    Args:
        plan: of `make_plan`.
        past: as of `plan_rows`.
    """
    rows, calendar = _corrected(plan, past), plan.calendar
    first = rows.group_by("plan_id", "customer_id", "role", "probability").aggregate(
        send_at=rows.send_at.min().cast(_INSTANT),
        variant=rows.variant.min(),
        expected_profit=rows.expected_profit.sum(),
        promise_factor=rows.promise_factor.max(),
    )
    start, end = (
        plan.shop.start_of(calendar.first_day + dt.timedelta(weeks=k)).replace(tzinfo=dt.UTC)
        for k in (0, calendar.weeks)
    )
    windows = [plan.evidence.windows[w] for w in plan.exploration.windows] if plan.evidence.windows else []
    levers: dict[str, list[dict[str, object]]] = {
        "frequency": [{"messages_per_week": dose} for dose in plan.exploration.doses],
        "timing": [{"hour_start": first_hour, "hour_end": last_hour} for first_hour, last_hour in windows],
        "content": [{"variant": text} for text in plan.exploration.variants],
    }
    experiments, arms, parts = [], [], []
    explored = plan.assigned.filter(plan.assigned.role == "explore")
    numbers = {"frequency": "dose_number", "timing": "window_number", "content": "text_number"}
    for lever, options in levers.items():
        if len(options) < 2 or not plan.roles.explore:
            continue
        name = f"{calendar.plan_id}-{lever}"
        experiments.append((name, lever, _arm(lever, options[0]), start, end))
        for option in options:
            arms.append({"experiment_id": name, "arm": _arm(lever, option), "share": 1 / len(options), **option})
        number = explored[numbers[lever]]
        arm = ibis.cases(*((number == k, _arm(lever, option)) for k, option in enumerate(options)), else_=None)
        parts.append(explored.select("customer_id", experiment_id=ibis.literal(name), arm=arm))
    columns = ["experiment_id", "arm", "share", "messages_per_week", "hour_start", "hour_end", "variant"]
    kinds = {"messages_per_week": "Float64", "hour_start": "Int64", "hour_end": "Int64", "variant": "string"}
    nobody = explored.filter(ibis.literal(False)).select(
        "customer_id", experiment_id=ibis.literal(""), arm=ibis.literal("")
    )
    assigned = ibis.union(nobody, *parts)
    return {
        "plans": first.order_by("plan_id", "customer_id"),
        "experiments": pd.DataFrame(
            experiments, columns=["experiment_id", "kind", "control_arm", "started_at", "ended_at"]
        ),
        "arms": pd.DataFrame(arms).reindex(columns=columns).astype(kinds),
        "assignments": assigned.mutate(assigned_at=ibis.literal(start)).order_by("experiment_id", "customer_id"),
    }


def _arm(lever: str, option: dict[str, object]) -> str:
    """The name of an arm.

    >>> _arm("frequency", {"messages_per_week": 0.5}), _arm("timing", {"hour_start": 9, "hour_end": 11})
    ('0.5_a_week', '09-11')
    """
    if lever == "frequency":
        return f"{option['messages_per_week']:g}_a_week"
    return f"{option['hour_start']:02}-{option['hour_end']:02}" if lever == "timing" else str(option["variant"])
