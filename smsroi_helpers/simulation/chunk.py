"""Write the tables of one chunk of customers, as parquet parts.

E-mails get clicks but have no effect on orders.
"""

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from smsroi_helpers.simulation.behaviour import (
    DAY,
    NEVER,
    PLAN_ROLES,
    PLAN_WEEKS,
    ZONES,
    Company,
    Customers,
    Ints,
    draw_categories,
    draw_customers,
    draw_organic_orders,
)
from smsroi_helpers.simulation.columns import Batch, ids, instants, instants_of, words, write_part
from smsroi_helpers.simulation.ground_truth import CREATIVES, SEGMENTS
from smsroi_helpers.simulation.later import Planned, send_later, write_later
from smsroi_helpers.simulation.messages import write_messages
from smsroi_helpers.simulation.orders import draw_orders, write_orders
from smsroi_helpers.simulation.texting import Assignments, Columns, Texting
from smsroi_helpers.simulation.visits import write_feedback, write_visits

__all__ = [
    "ATTRIBUTES",
    "REGIONS",
    "write_chunk",
]

# Distribution of the observed attributes, by segment; they are weakly related to the segment.
ATTRIBUTES: dict[str, tuple[tuple[str, ...], tuple[tuple[float, ...], ...]]] = {
    "attr_age_band": (
        ("18-24", "25-34", "35-49", "50+"),
        ((0.08, 0.27, 0.40, 0.25), (0.34, 0.40, 0.18, 0.08), (0.18, 0.32, 0.32, 0.18), (0.25, 0.25, 0.25, 0.25)),
    ),
    "attr_member_level": (
        ("none", "silver", "gold"),
        ((0.15, 0.35, 0.50), (0.40, 0.45, 0.15), (0.55, 0.37, 0.08), (0.80, 0.18, 0.02)),
    ),
    "attr_favourite": (
        ("coats", "shoes", "accessories", "outlet"),
        ((0.45, 0.30, 0.20, 0.05), (0.10, 0.20, 0.15, 0.55), (0.30, 0.30, 0.30, 0.10), (0.25, 0.25, 0.25, 0.25)),
    ),
    "acquisition_channel": (
        ("shop", "search", "social", "marketplace"),
        ((0.50, 0.25, 0.15, 0.10), (0.10, 0.20, 0.45, 0.25), (0.25, 0.40, 0.20, 0.15), (0.10, 0.20, 0.30, 0.40)),
    ),
}
_CHANNEL_COSTS = {"shop": 2.0, "search": 9.0, "social": 6.0, "marketplace": 12.0}
REGIONS = ("New York", "Illinois", "California", "上海", "新疆")


# --- tables -----------------------------------------------------------------------------------------------------------


def _customers(company: Company, customers: Customers, opt_out_times: Ints, rng: np.random.Generator) -> dict[str, Any]:
    """Return the table customers; `opt_out_times` are seconds since 1970, or `NEVER`."""
    n = len(customers.number)
    attributes = {name: draw_categories(shares, customers.segment, rng) for name, (_, shares) in ATTRIBUTES.items()}
    channels = ATTRIBUTES["acquisition_channel"][0]
    channel_cost = np.array([_CHANNEL_COSTS[name] for name in channels])[attributes["acquisition_channel"]]
    by_joining = np.argsort(customers.joined, kind="stable")
    rank = np.empty(n, np.int64)
    rank[by_joining] = np.arange(n)
    referrer = customers.number[by_joining[(rng.random(n) * rank).astype(np.int64)]]
    all_customers = np.arange(n)
    return {
        "customer_id": ids("c", customers.number, 8),
        "joined_at": instants(company.instant(customers.zone, customers.joined, 0), company.seen_until),
        "timezone": words(customers.zone, ZONES),
        "region": words(customers.zone, REGIONS),
        "acquisition_channel": words(attributes["acquisition_channel"], channels),
        "acquisition_cost": np.round(channel_cost * rng.gamma(8, 1 / 8, n), 2),
        "referred_by": ids("c", np.where((rng.random(n) < 0.08) & (rank > 0), referrer, -1), 8),
        "opted_in_at": instants(
            instants_of(company, customers, all_customers, customers.consented, rng.integers(0, DAY, n)),
            company.seen_until,
        ),
        "opted_out_at": instants(opt_out_times, company.seen_until),
        **{
            name: words(attributes[name], levels)
            for name, (levels, _) in ATTRIBUTES.items()
            if name.startswith("attr_")
        },
    }


def _plan_id(company: Company) -> str:
    start = company.first_day + dt.timedelta(days=company.days - 7 * PLAN_WEEKS)
    return f"plan-{start:%Y%m%d}"


def _write_assignments(
    company: Company, customers: Customers, batch: Batch, assigned: Assignments, sent: Columns, sent_at: Ints
) -> None:
    """Write the tables assignments (at the start of the customer's local day) and plans."""
    names, arms, customer, at = [], [], [], []
    for kind, experiment in company.experiments.items():
        rows = np.flatnonzero(assigned.arm[kind] >= 0)
        customer.append(rows)
        names.append(np.repeat(experiment.name, len(rows)))
        arms.append(np.array([arm.name for arm in experiment.arms])[assigned.arm[kind][rows]])
        at.append(company.instant(customers.zone[rows], assigned.day[kind][rows], 0))
    write_part(batch, "assignments", {
        "experiment_id": pa.array(np.concatenate(names)),
        "customer_id": ids("c", customers.number[np.concatenate(customer)], 8),
        "arm": pa.array(np.concatenate(arms)),
        "assigned_at": instants(np.concatenate(at), company.seen_until),
    })  # fmt: skip

    planned = np.flatnonzero(assigned.role >= 0)
    role = assigned.role[planned]
    first_message = np.full(len(customers.number), -1)
    of_plan = np.flatnonzero(sent["plan"])[::-1]
    first_message[sent["customer"][of_plan]] = of_plan
    message = first_message[planned]
    start = company.instant(customers.zone[planned], np.full(len(planned), company.days - 7 * PLAN_WEEKS), 0)
    # The expected profit in the plan is too high: twice the gain of an average text, plus half a unit of money.
    world = company.world
    expected_gain = (world.attention * world.order_share * world.order_profit()[:, 0])[customers.segment[planned]]
    promised = np.round(PLAN_WEEKS * (2 * expected_gain + 0.5), 4)
    write_part(batch, "plans", {
        "plan_id": pa.array([_plan_id(company)] * len(planned), pa.string()),
        "customer_id": ids("c", customers.number[planned], 8),
        "role": words(role, [name for name, _ in PLAN_ROLES]),
        "probability": np.array([share for _, share in PLAN_ROLES])[role],
        "send_at": instants(
            np.where(message >= 0, sent_at[message] if len(sent_at) else start, NEVER), company.seen_until
        ),
        "variant": words(np.where(message >= 0, sent["variant"][message], -1), [c.variant for c in CREATIVES]),
        "expected_profit": pa.array(np.where(role == 0, promised, 0.0), mask=role == 1),
    })  # fmt: skip


def write_chunk(company: Company, to: Path, part: int, first: int, n: int, planned: Planned | None = None) -> Columns:
    """Write all tables of one chunk of customers; return the counts of today's practice by segment.

    Args:
        company: the company.
        to: folder of the source.
        part: number of the chunk.
        first: number of the first customer.
        n: how many customers.
        planned: texts of the company's later weeks.
    """
    rng = np.random.default_rng([company.world.seed, 3, part])
    batch = Batch(to, part, 0, company.days)
    customers = draw_customers(company, first, n, rng)
    organic = draw_organic_orders(company, customers, rng)
    texting = Texting(company, customers, organic, rng)
    sent, assigned, subscription_end, practice = texting.run()
    sent_at = instants_of(company, customers, sent["customer"], sent["day"], sent["second"])
    of_plan = sent | {"plan": np.where(sent["plan"], 0, -1)}
    log = write_messages(company, customers, batch, of_plan, sent_at, (_plan_id(company),), rng)
    later = send_later(company, customers, texting, batch, planned) if planned else []
    opt_out_times = instants_of(company, customers, np.arange(n), subscription_end, rng.integers(0, DAY, n))
    for messages, opted_out_at in ((sent, log[2]), *((week.sent, week.opted_out_at) for week in later)):
        opt_out_times[messages["customer"][messages["opted_out"]]] = opted_out_at[messages["opted_out"]]
    write_part(batch, "customers", _customers(company, customers, opt_out_times, rng))
    orders, after = draw_orders(company, customers, organic, sent, sent_at, rng)
    write_orders(company, customers, batch, orders, log[0], rng)
    _write_assignments(company, customers, batch, assigned, sent, sent_at)
    write_visits(company, customers, batch, orders, log[1], sent, rng)
    write_feedback(company, customers, batch, sent, rng)
    if later:
        write_later(company, customers, batch, organic, log_orders=(after, log[0]), log_sent=sent, weeks=later)
    write_part(batch, "truth/customers", {
        "customer_id": ids("c", customers.number, 8),
        "segment": words(customers.segment, SEGMENTS),
        "hour_shift": customers.hour_shift,
        "responsiveness": customers.responsiveness,
        "rate": customers.rate,
        "dropout": customers.dropout,
        "bad_number": customers.bad_number,
        "scanner": customers.scanner,
        "buyer": customers.buyer,
    })  # fmt: skip
    return practice
