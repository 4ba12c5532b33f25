"""Write the tables of one chunk of customers, as parquet parts.

E-mails get clicks but have no effect on orders.
"""

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

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
    draw_seconds,
)
from smsroi_helpers.simulation.ground_truth import CREATIVES, MARKETS, REFUNDED, SEGMENTS
from smsroi_helpers.simulation.texting import Assignments, Columns, draw_messages

__all__ = [
    "ATTRIBUTES",
    "REGIONS",
    "list_campaigns",
    "write_chunk",
]

_MAX_DELAY = 14 * DAY
"""Longest time from a message to the order that it causes or moves, in seconds."""
_DISCOUNTED_SHARE = 0.1
"""Share of organic orders with a discount of 10 %."""

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
_MEAN_SCORES = (8.6, 7.8, 7.4, 6.6)
_FEEDBACK_TEXTS = {
    "often": ("Too many texts.", "短信太多了。"),
    "bad": ("Delivery took two weeks.", "发货太慢，等了两周。"),
    "fair": ("Nice clothes, a bit expensive.", "衣服不错，价格偏高。"),
    "good": ("Love the quality!", "质量很好，很喜欢！"),
}


def _instants(seconds: Ints, end: int) -> pa.Array:
    """Convert seconds since 1970 to timestamps; null at or after `end`, and for `NEVER`."""
    return pa.array(np.minimum(seconds, end) * 1_000_000, pa.timestamp("us", "UTC"), mask=seconds >= end)


def _words(numbers: Ints, words: Any) -> pa.Array:
    """Return the word of each number; −1 is null."""
    return pa.array(list(words), pa.string()).take(pa.array(numbers, pa.int64(), mask=np.asarray(numbers) < 0))


def _ids(letter: str, numbers: Ints, digits: int) -> pa.Array:
    """Return ids such as c0000012; a negative number is null."""
    text = pc.utf8_lpad(pa.array(numbers, pa.int64(), mask=numbers < 0).cast(pa.string()), digits, "0")
    return pc.binary_join_element_wise(pa.scalar(letter), text, "")


def _write(to: Path, table: str, part: int, columns: Mapping[str, Any]) -> None:
    """Write one part of a table."""
    (to / table).mkdir(exist_ok=True)
    parquet.write_table(pa.table(dict(columns)), to / table / f"part-{part:05}.parquet", store_schema=False)


# --- tables -----------------------------------------------------------------------------------------------------------


def list_campaigns(company: Company) -> list[dict[str, Any]]:
    """Return one row per week, market and channel, in the order of the campaign numbers of messages."""
    rows = []
    for week in range(company.weeks):
        monday = company.first_day + dt.timedelta(days=7 * week)
        for market in MARKETS:
            for channel, words in (("sms", "texts"), ("mail", "newsletter")):
                theme = CREATIVES[company.pairs[week][0]].content_type if channel == "sms" else "newsletter"
                rows.append({
                    "campaign_id": f"{channel}-{monday:%Y%m%d}-{market}",
                    "name": f"Week of {monday}, {market.upper()} {words}",
                    "started_at": monday - dt.timedelta(days=1),
                    "objective": "sales" if channel == "sms" else "news",
                    "theme": theme,
                })  # fmt: skip
    return rows


def _instants_of(company: Company, customers: Customers, customer: Ints, day: Ints, second: Ints) -> Ints:
    """Convert seconds of days in the customers' time zones to seconds since 1970; `NEVER` outside the log."""
    within_log = day < company.days
    return np.where(within_log, company.instant(customers.zone[customer], np.where(within_log, day, 0), second), NEVER)


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
        "customer_id": _ids("c", customers.number, 8),
        "joined_at": _instants(company.instant(customers.zone, customers.joined, 0), company.end),
        "timezone": _words(customers.zone, ZONES),
        "region": _words(customers.zone, REGIONS),
        "acquisition_channel": _words(attributes["acquisition_channel"], channels),
        "acquisition_cost": np.round(channel_cost * rng.gamma(8, 1 / 8, n), 2),
        "referred_by": _ids("c", np.where((rng.random(n) < 0.08) & (rank > 0), referrer, -1), 8),
        "opted_in_at": _instants(
            _instants_of(company, customers, all_customers, customers.consented, rng.integers(0, DAY, n)), company.end
        ),
        "opted_out_at": _instants(opt_out_times, company.end),
        **{
            name: _words(attributes[name], words) for name, (words, _) in ATTRIBUTES.items() if name.startswith("attr_")
        },
    }


def _draw_orders(
    company: Company,
    customers: Customers,
    organic: tuple[Ints, Ints],
    sent: Columns,
    sent_at: Ints,
    rng: np.random.Generator,
) -> Columns:
    """Return every order: customer, at (seconds since 1970), list_value, discount (share), origin, message_row.

    Origin: 0 organic, 1 moved forward by a message (pull-forward), 2 caused by a message.
    """
    world = company.world
    customer, day = organic
    at = company.instant(customers.zone[customer], day, draw_seconds(customers, customer, rng))
    origin, message_row = np.zeros(len(customer), np.int64), np.full(len(customer), -1)

    # Pull-forward: the customer's next organic order within two weeks is moved towards the first message.
    span = np.int64(1) << 36
    key = customer * span + at
    by_time = np.argsort(key, kind="stable")
    brings_forward = rng.random(len(sent_at)) < world.moved_share[customers.segment[sent["customer"]]]
    candidates = np.flatnonzero(sent["responded"] & brings_forward)
    position = np.searchsorted(key[by_time], sent["customer"][candidates] * span + sent_at[candidates], side="right")
    next_order = by_time[np.minimum(position, len(by_time) - 1)]
    waits = at[next_order] - sent_at[candidates]
    can_be_moved = (
        (position < len(by_time))
        & (customer[next_order] == sent["customer"][candidates])
        & (waits <= _MAX_DELAY)
        & (waits > 0)
    )
    moved_orders, first = np.unique(next_order[can_be_moved], return_index=True)
    moving_message = candidates[can_be_moved][first]
    at[moved_orders] = sent_at[moving_message] + (
        rng.random(len(moving_message)) ** 2 * (at[moved_orders] - sent_at[moving_message])
    ).astype(np.int64)
    origin[moved_orders], message_row[moved_orders] = 1, moving_message

    caused = np.flatnonzero(sent["buys"])
    delay = rng.exponential(30 * 3600.0, len(caused))
    delay = np.where(delay < _MAX_DELAY, delay, rng.random(len(caused)) * _MAX_DELAY).astype(np.int64)
    discounts = np.array([c.discount for c in CREATIVES])
    all_customers = np.concatenate([customer, sent["customer"][caused]])
    shape = world.value_p[customers.segment[all_customers]]
    orders = {
        "customer": all_customers,
        "at": np.concatenate([at, sent_at[caused] + 60 + delay]),
        "list_value": rng.gamma(shape) / customers.value_rate[all_customers],
        "discount": np.concatenate(
            [0.1 * (rng.random(len(customer)) < _DISCOUNTED_SHARE), discounts[sent["variant"][caused]]]
        ),
        "origin": np.concatenate([origin, np.full(len(caused), 2)]),
        "message_row": np.concatenate([message_row, caused]),
    }
    within_log = np.flatnonzero(orders["at"] < company.end)
    within_log = within_log[np.argsort(orders["at"][within_log], kind="stable")]
    return {name: column[within_log] for name, column in orders.items()}


def _write_orders(
    company: Company,
    customers: Customers,
    to: Path,
    part: int,
    orders: Columns,
    message: Ints,
    rng: np.random.Generator,
) -> None:
    """Write the table orders, with refunds at its end, and truth/orders: origin and message of each order."""
    n = len(orders["at"])
    discount = np.round(orders["list_value"] * orders["discount"], 2)
    amount = np.maximum(np.round(orders["list_value"] - discount, 2), 0.01)
    refunded = np.flatnonzero(rng.random(n) < company.world.refunds)
    refunded_at = orders["at"][refunded] + rng.integers(DAY, 14 * DAY, len(refunded))
    refund_amount = -np.round(amount[refunded] * rng.choice((0.5, 1.0), len(refunded), p=_REFUND_PROBABILITIES), 2)
    within_log = (refunded_at < company.end) & (refund_amount < 0)
    customer = np.concatenate([orders["customer"], orders["customer"][refunded[within_log]]])
    ids = _ids(f"o{part:03}-", np.arange(len(customer)), 8)
    _write(to, "orders", part, {
        "order_id": ids,
        "customer_id": _ids("c", customers.number[customer], 8),
        "ordered_at": _instants(np.concatenate([orders["at"], refunded_at[within_log]]), company.end),
        "amount": np.concatenate([amount, refund_amount[within_log]]),
        "discount": np.concatenate([discount, np.zeros(within_log.sum())]),
    })  # fmt: skip
    _write(to / "truth", "orders", part, {
        "order_id": ids.slice(0, n),
        "origin": _words(orders["origin"], ("own", "moved", "caused")),
        "message_id": _ids(_message(part), np.where(orders["message_row"] < 0, -1, message[orders["message_row"]]), 9),
        "list_value": orders["list_value"],
    })  # fmt: skip


_REFUND_PROBABILITIES = (2 * (1 - REFUNDED), 2 * REFUNDED - 1)


def _draw_mails(company: Company, customers: Customers, rng: np.random.Generator) -> Columns:
    """Draw the newsletters: every second Tuesday at ten, to customers with an e-mail address."""
    days = np.arange(1, company.days, 14)
    rows = [np.flatnonzero(customers.email & (customers.joined < day)) for day in days]
    customer = np.concatenate(rows)
    day = np.repeat(days, [len(r) for r in rows])
    sent_at = _instants_of(company, customers, customer, day, 36_000 + rng.integers(0, 900, len(customer)))
    opened = np.where(rng.random(len(customer)) < 0.25, sent_at + 60 + rng.integers(0, 2 * DAY, len(customer)), NEVER)
    clicks = (opened < NEVER) & (rng.random(len(customer)) < 0.12)
    return {"customer": customer, "day": day, "sent_at": sent_at, "opened": opened,
            "clicked": np.where(clicks, opened + rng.integers(5, 120, len(customer)), NEVER)}  # fmt: skip


def _write_messages(
    company: Company, customers: Customers, to: Path, part: int, sent: Columns, sent_at: Ints, rng: np.random.Generator
) -> tuple[Ints, Ints, Ints]:
    """Write the table messages. Return the number of each SMS, and the times of its human click and opt-out."""
    n = len(sent_at)

    def time_if(happened: Any, seconds: Any) -> Ints:
        return np.where(happened, delivered + np.asarray(seconds).astype(np.int64), NEVER)

    delivered = sent_at + 1 + rng.integers(0, 20, n)
    human_click = time_if(sent["clicked"], np.minimum(rng.lognormal(np.log(900), 1.2, n) + 5, 3.0 * DAY))
    machine_click = time_if(sent["scanned"], rng.integers(0, 4, n))
    opted_out_at = time_if(sent["opted_out"], 5 + rng.exponential(1200.0, n))
    replied = time_if(sent["replied"], 20 + rng.exponential(1800.0, n))
    mails = _draw_mails(company, customers, rng)
    m = len(mails["customer"])
    customer = np.concatenate([sent["customer"], mails["customer"]])
    week = np.concatenate([sent["day"], mails["day"]]) // 7
    mail = np.arange(n + m) >= n
    never = np.full(m, NEVER)
    cost = company.world.costs[sent["variant"], customers.market[sent["customer"]]]
    starts = np.concatenate([sent_at, mails["sent_at"]])
    order = np.argsort(starts, kind="stable")
    message_number = np.empty(n + m, np.int64)
    message_number[order] = np.arange(n + m)

    def column(of_sms: Any, of_mail: Any) -> Any:
        return np.concatenate([of_sms, of_mail])[order]

    campaign = (week * 2 + customers.market[customer]) * 2 + mail
    _write(to, "messages", part, {
        "message_id": _ids(_message(part), np.arange(n + m), 9),
        "customer_id": _ids("c", customers.number[customer[order]], 8),
        "campaign_id": _words(campaign[order], [row["campaign_id"] for row in list_campaigns(company)]),
        "sent_at": _instants(starts[order], company.end),
        "channel": _words(mail[order].astype(np.int64), ("sms", "email")),
        "variant": _words(column(sent["variant"], np.full(m, -1)), [c.variant for c in CREATIVES]),
        "cost": column(cost, np.zeros(m)),
        "delivered_at": _instants(column(np.where(sent["delivered"], delivered, NEVER), mails["sent_at"] + 2),
                                  company.end),
        "opened_at": _instants(column(np.full(n, NEVER), mails["opened"]), company.end),
        "clicked_at": _instants(column(np.minimum(human_click, machine_click), mails["clicked"]), company.end),
        "replied_at": _instants(column(replied, never), company.end),
        "opted_out_at": _instants(column(opted_out_at, never), company.end),
        "plan_id": _words(column(np.where(sent["plan"], 0, -1), np.full(m, -1)), (_plan_id(company),)),
    })  # fmt: skip
    return message_number[:n], human_click, opted_out_at


def _message(part: int) -> str:
    """Return the prefix of the message ids of a part."""
    return f"m{part:03}-"


def _plan_id(company: Company) -> str:
    start = company.first_day + dt.timedelta(days=company.days - 7 * PLAN_WEEKS)
    return f"plan-{start:%Y%m%d}"


def _write_assignments(
    company: Company, customers: Customers, to: Path, part: int, assigned: Assignments, sent: Columns, sent_at: Ints
) -> None:
    """Write the tables assignments (at the start of the customer's local day) and plans."""
    names, arms, customer, at = [], [], [], []
    for kind, experiment in company.experiments.items():
        rows = np.flatnonzero(assigned.arm[kind] >= 0)
        customer.append(rows)
        names.append(np.repeat(experiment.name, len(rows)))
        arms.append(np.array([arm.name for arm in experiment.arms])[assigned.arm[kind][rows]])
        at.append(company.instant(customers.zone[rows], assigned.day[kind][rows], 0))
    _write(to, "assignments", part, {
        "experiment_id": pa.array(np.concatenate(names)),
        "customer_id": _ids("c", customers.number[np.concatenate(customer)], 8),
        "arm": pa.array(np.concatenate(arms)),
        "assigned_at": _instants(np.concatenate(at), company.end),
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
    _write(to, "plans", part, {
        "plan_id": pa.array([_plan_id(company)] * len(planned), pa.string()),
        "customer_id": _ids("c", customers.number[planned], 8),
        "role": _words(role, [name for name, _ in PLAN_ROLES]),
        "probability": np.array([share for _, share in PLAN_ROLES])[role],
        "send_at": _instants(np.where(message >= 0, sent_at[message] if len(sent_at) else start, NEVER), company.end),
        "variant": _words(np.where(message >= 0, sent["variant"][message], -1), [c.variant for c in CREATIVES]),
        "expected_profit": pa.array(np.where(role == 0, promised, 0.0), mask=role == 1),
    })  # fmt: skip


def _write_visits(
    company: Company, customers: Customers, to: Path, part: int, orders: Columns, clicks: Ints, sent: Columns,
    rng: np.random.Generator,
) -> None:  # fmt: skip
    """Write the table visits: before each order, after each click, and without either."""
    n = len(customers.number)
    days_as_customer = company.days - customers.joined
    browsing = np.repeat(np.arange(n), rng.poisson(0.05 * days_as_customer / 7))
    day = customers.joined[browsing] + (rng.random(len(browsing)) * days_as_customer[browsing]).astype(np.int64)
    clicked = np.flatnonzero(clicks < company.end)
    before = orders["at"] - rng.integers(60, 5400, len(orders["at"]))
    at = np.concatenate(
        [
            before,
            clicks[clicked],
            _instants_of(company, customers, browsing, day, draw_seconds(customers, browsing, rng)),
        ]
    )
    customer = np.concatenate([orders["customer"], sent["customer"][clicked], browsing])
    source = np.concatenate([rng.integers(1, 4, len(before)), np.zeros(len(clicked), np.int64),
                             rng.integers(1, 4, len(browsing))])  # fmt: skip
    by_time = np.argsort(at, kind="stable")[: (at < company.end).sum()]
    _write(to, "visits", part, {
        "customer_id": _ids("c", customers.number[customer[by_time]], 8),
        "visited_at": _instants(at[by_time], company.end),
        "source": _words(source[by_time], ("sms", "direct", "search", "social")),
    })  # fmt: skip


def _write_feedback(
    company: Company, customers: Customers, to: Path, part: int, sent: Columns, rng: np.random.Generator
) -> None:
    """Write the table feedback; scores fall with the number of texts in the week before."""
    n = len(customers.number)
    days_as_customer = company.days - customers.joined
    respondent = np.repeat(np.arange(n), rng.poisson(0.01 * days_as_customer / 7))
    day = customers.joined[respondent] + (rng.random(len(respondent)) * days_as_customer[respondent]).astype(np.int64)
    span = np.int64(10_000)
    text_days = np.sort(sent["customer"] * span + sent["day"])
    texts = np.searchsorted(text_days, respondent * span + day) - np.searchsorted(
        text_days, respondent * span + np.maximum(day - 7, 0)
    )
    annoyance = 0.0 if company.world.null else 0.6
    score = (
        np.array(_MEAN_SCORES)[customers.segment[respondent]] - annoyance * texts + rng.normal(0, 1.8, len(respondent))
    )
    score = np.clip(np.round(score), 0, 10)
    kind = np.select([(texts >= 2) & (score <= 6), score <= 4, score <= 7], [0, 1, 2], 3)
    text_number = np.where(rng.random(len(respondent)) < 0.6, kind * 2 + customers.market[respondent], -1)
    at = _instants_of(company, customers, respondent, day, draw_seconds(customers, respondent, rng))
    by_time = np.argsort(at, kind="stable")[: (at < company.end).sum()]
    _write(to, "feedback", part, {
        "customer_id": _ids("c", customers.number[respondent[by_time]], 8),
        "responded_at": _instants(at[by_time], company.end),
        "score": score[by_time],
        "text": _words(text_number[by_time], [text for pair in _FEEDBACK_TEXTS.values() for text in pair]),
    })  # fmt: skip


def write_chunk(company: Company, to: Path, part: int, first: int, n: int) -> Columns:
    """Write all tables of one chunk of customers; return the counts of today's practice by segment."""
    rng = np.random.default_rng([company.world.seed, 3, part])
    customers = draw_customers(company, first, n, rng)
    organic = draw_organic_orders(company, customers, rng)
    sent, assigned, subscription_end, practice = draw_messages(company, customers, organic, rng)
    sent_at = _instants_of(company, customers, sent["customer"], sent["day"], sent["second"])
    message, clicks, opted_out_at = _write_messages(company, customers, to, part, sent, sent_at, rng)
    opt_out_times = _instants_of(company, customers, np.arange(n), subscription_end, rng.integers(0, DAY, n))
    opt_out_times[sent["customer"][sent["opted_out"]]] = opted_out_at[sent["opted_out"]]
    _write(to, "customers", part, _customers(company, customers, opt_out_times, rng))
    orders = _draw_orders(company, customers, organic, sent, sent_at, rng)
    _write_orders(company, customers, to, part, orders, message, rng)
    _write_assignments(company, customers, to, part, assigned, sent, sent_at)
    _write_visits(company, customers, to, part, orders, clicks, sent, rng)
    _write_feedback(company, customers, to, part, sent, rng)
    _write(to / "truth", "customers", part, {
        "customer_id": _ids("c", customers.number, 8),
        "segment": _words(customers.segment, SEGMENTS),
        "hour_shift": customers.hour_shift,
        "responsiveness": customers.responsiveness,
        "rate": customers.rate,
        "dropout": customers.dropout,
        "bad_number": customers.bad_number,
        "scanner": customers.scanner,
        "buyer": customers.buyer,
    })  # fmt: skip
    return practice
