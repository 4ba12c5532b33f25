"""The tables of one chunk of a simulated company's customers, as parquet parts.

E-mail is clicked and causes nothing.
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
    Ints,
    People,
    choose,
    draw_own_orders,
    draw_people,
    draw_seconds,
)
from smsroi_helpers.simulation.ground_truth import CREATIVES, MARKETS, REFUNDED, SEGMENTS
from smsroi_helpers.simulation.texting import Assigned, Drawn, draw_messages

__all__ = [
    "ATTRIBUTES",
    "REGIONS",
    "list_campaigns",
    "write_chunk",
]

_LONGEST_DELAY = 14 * DAY
"""A message works for at most two weeks."""
_SALE = 0.1
"""Share of its own orders that a company lets somebody off a tenth of, whatever it sends."""

# Shares of what is visible of a customer, by segment: a hint of the segment, no more.
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
_SCORES = (8.6, 7.8, 7.4, 6.6)
_SAID = {
    "often": ("Too many texts.", "短信太多了。"),
    "bad": ("Delivery took two weeks.", "发货太慢，等了两周。"),
    "fair": ("Nice clothes, a bit expensive.", "衣服不错，价格偏高。"),
    "good": ("Love the quality!", "质量很好，很喜欢！"),
}


# --- writing ---------------------------------------------------------------------------------------------------------


def _instants(seconds: Ints, end: int) -> pa.Array:
    """Timestamps of seconds from 1970; what lies at or after `end`, or never happens, is null."""
    return pa.array(np.minimum(seconds, end) * 1_000_000, pa.timestamp("us", "UTC"), mask=seconds >= end)


def _words(numbers: Ints, words: Any) -> pa.Array:
    """The word of each number; −1 is null."""
    return pa.array(list(words), pa.string()).take(pa.array(numbers, pa.int64(), mask=np.asarray(numbers) < 0))


def _ids(letter: str, numbers: Ints, digits: int) -> pa.Array:
    """Ids such as c0000012; a negative number is null."""
    text = pc.utf8_lpad(pa.array(numbers, pa.int64(), mask=numbers < 0).cast(pa.string()), digits, "0")
    return pc.binary_join_element_wise(pa.scalar(letter), text, "")


def _write(to: Path, table: str, part: int, columns: Mapping[str, Any]) -> None:
    """One part of a table, in the folder of its parts."""
    (to / table).mkdir(exist_ok=True)
    parquet.write_table(pa.table(dict(columns)), to / table / f"part-{part:05}.parquet", store_schema=False)


# --- tables -----------------------------------------------------------------------------------------------------------


def list_campaigns(company: Company) -> list[dict[str, Any]]:
    """One row a week, market and channel, in the order in which messages number them."""
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


def _instants_of(company: Company, people: People, who: Ints, day: Ints, second: Ints) -> Ints:
    """Seconds from 1970 of seconds of days on the customers' clocks; a day outside the log is never."""
    seen = day < company.days
    return np.where(seen, company.instant(people.zone[who], np.where(seen, day, 0), second), NEVER)


def _customers(company: Company, people: People, opted_out: Ints, rng: np.random.Generator) -> dict[str, Any]:
    """The table customers; `opted_out`: when, in seconds from 1970, or never."""
    n = len(people.number)
    drawn = {name: choose(shares, people.segment, rng) for name, (_, shares) in ATTRIBUTES.items()}
    channels = ATTRIBUTES["acquisition_channel"][0]
    paid = np.array([_CHANNEL_COSTS[name] for name in channels])[drawn["acquisition_channel"]]
    by_joining = np.argsort(people.joined, kind="stable")
    rank = np.empty(n, np.int64)
    rank[by_joining] = np.arange(n)
    friend = people.number[by_joining[(rng.random(n) * rank).astype(np.int64)]]
    everyone = np.arange(n)
    return {
        "customer_id": _ids("c", people.number, 8),
        "joined_at": _instants(company.instant(people.zone, people.joined, 0), company.end),
        "timezone": _words(people.zone, ZONES),
        "region": _words(people.zone, REGIONS),
        "acquisition_channel": _words(drawn["acquisition_channel"], channels),
        "acquisition_cost": np.round(paid * rng.gamma(8, 1 / 8, n), 2),
        "referred_by": _ids("c", np.where((rng.random(n) < 0.08) & (rank > 0), friend, -1), 8),
        "opted_in_at": _instants(
            _instants_of(company, people, everyone, people.consented, rng.integers(0, DAY, n)), company.end
        ),
        "opted_out_at": _instants(opted_out, company.end),
        **{name: _words(drawn[name], words) for name, (words, _) in ATTRIBUTES.items() if name.startswith("attr_")},
    }


def _draw_orders(
    company: Company, people: People, own: tuple[Ints, Ints], sent: Drawn, sent_at: Ints, rng: np.random.Generator
) -> Drawn:
    """Every order: who, at (seconds from 1970), list_value, discount (share), origin (0 own, 1 moved, 2 caused), by."""
    world = company.world
    who, day = own
    at = company.instant(people.zone[who], day, draw_seconds(people, who, rng))
    origin, by = np.zeros(len(who), np.int64), np.full(len(who), -1)

    # An order that would have come within two weeks comes now: the customer's next one, moved by the first message.
    span = np.int64(1) << 36
    key = who * span + at
    by_time = np.argsort(key, kind="stable")
    brings_forward = rng.random(len(sent_at)) < world.moved_share[people.segment[sent["who"]]]
    moving = np.flatnonzero(sent["heeded"] & brings_forward)
    place = np.searchsorted(key[by_time], sent["who"][moving] * span + sent_at[moving], side="right")
    next_one = by_time[np.minimum(place, len(by_time) - 1)]
    waits = at[next_one] - sent_at[moving]
    right = (place < len(by_time)) & (who[next_one] == sent["who"][moving]) & (waits <= _LONGEST_DELAY) & (waits > 0)
    moved, first = np.unique(next_one[right], return_index=True)
    mover = moving[right][first]
    at[moved] = sent_at[mover] + (rng.random(len(mover)) ** 2 * (at[moved] - sent_at[mover])).astype(np.int64)
    origin[moved], by[moved] = 1, mover

    caused = np.flatnonzero(sent["buys"])
    delay = rng.exponential(30 * 3600.0, len(caused))
    delay = np.where(delay < _LONGEST_DELAY, delay, rng.random(len(caused)) * _LONGEST_DELAY).astype(np.int64)
    off = np.array([c.discount for c in CREATIVES])
    all_who = np.concatenate([who, sent["who"][caused]])
    shape = world.value_p[people.segment[all_who]]
    orders = {
        "who": all_who,
        "at": np.concatenate([at, sent_at[caused] + 60 + delay]),
        "list_value": rng.gamma(shape) / people.value_rate[all_who],
        "discount": np.concatenate([0.1 * (rng.random(len(who)) < _SALE), off[sent["variant"][caused]]]),
        "origin": np.concatenate([origin, np.full(len(caused), 2)]),
        "by": np.concatenate([by, caused]),
    }
    seen = np.flatnonzero(orders["at"] < company.end)
    seen = seen[np.argsort(orders["at"][seen], kind="stable")]
    return {name: column[seen] for name, column in orders.items()}


def _write_orders(
    company: Company, people: People, to: Path, part: int, orders: Drawn, message: Ints, rng: np.random.Generator
) -> None:
    """The table orders, refunds at its end, and truth/orders: where each order came from, because of which message."""
    n = len(orders["at"])
    discount = np.round(orders["list_value"] * orders["discount"], 2)
    amount = np.maximum(np.round(orders["list_value"] - discount, 2), 0.01)
    back = np.flatnonzero(rng.random(n) < company.world.refunds)
    back_at = orders["at"][back] + rng.integers(DAY, 14 * DAY, len(back))
    back_amount = -np.round(amount[back] * rng.choice((0.5, 1.0), len(back), p=_HALF_OR_ALL), 2)
    seen = (back_at < company.end) & (back_amount < 0)
    who = np.concatenate([orders["who"], orders["who"][back[seen]]])
    ids = _ids(f"o{part:03}-", np.arange(len(who)), 8)
    _write(to, "orders", part, {
        "order_id": ids,
        "customer_id": _ids("c", people.number[who], 8),
        "ordered_at": _instants(np.concatenate([orders["at"], back_at[seen]]), company.end),
        "amount": np.concatenate([amount, back_amount[seen]]),
        "discount": np.concatenate([discount, np.zeros(seen.sum())]),
    })  # fmt: skip
    _write(to / "truth", "orders", part, {
        "order_id": ids.slice(0, n),
        "origin": _words(orders["origin"], ("own", "moved", "caused")),
        "message_id": _ids(_message(part), np.where(orders["by"] < 0, -1, message[orders["by"]]), 9),
        "list_value": orders["list_value"],
    })  # fmt: skip


_HALF_OR_ALL = (2 * (1 - REFUNDED), 2 * REFUNDED - 1)


def _draw_mails(company: Company, people: People, rng: np.random.Generator) -> Drawn:
    """Every second Tuesday at ten a newsletter goes to whose address is known."""
    days = np.arange(1, company.days, 14)
    rows = [np.flatnonzero(people.email & (people.joined < day)) for day in days]
    who = np.concatenate(rows)
    day = np.repeat(days, [len(r) for r in rows])
    sent_at = _instants_of(company, people, who, day, 36_000 + rng.integers(0, 900, len(who)))
    opened = np.where(rng.random(len(who)) < 0.25, sent_at + 60 + rng.integers(0, 2 * DAY, len(who)), NEVER)
    clicks = (opened < NEVER) & (rng.random(len(who)) < 0.12)
    return {"who": who, "day": day, "sent_at": sent_at, "opened": opened,
            "clicked": np.where(clicks, opened + rng.integers(5, 120, len(who)), NEVER)}  # fmt: skip


def _write_messages(
    company: Company, people: People, to: Path, part: int, sent: Drawn, sent_at: Ints, rng: np.random.Generator
) -> tuple[Ints, Ints, Ints]:
    """The table messages. Returns of each SMS its number, when a person clicked, when it made its reader opt out."""
    n = len(sent_at)

    def when(happened: Any, seconds: Any) -> Ints:
        return np.where(happened, delivered + np.asarray(seconds).astype(np.int64), NEVER)

    delivered = sent_at + 1 + rng.integers(0, 20, n)
    person = when(sent["clicked"], np.minimum(rng.lognormal(np.log(900), 1.2, n) + 5, 3.0 * DAY))
    machine = when(sent["scanned"], rng.integers(0, 4, n))
    left = when(sent["left"], 5 + rng.exponential(1200.0, n))
    replied = when(sent["replied"], 20 + rng.exponential(1800.0, n))
    mails = _draw_mails(company, people, rng)
    m = len(mails["who"])
    who = np.concatenate([sent["who"], mails["who"]])
    week = np.concatenate([sent["day"], mails["day"]]) // 7
    mail = np.arange(n + m) >= n
    never = np.full(m, NEVER)
    cost = company.world.costs[sent["variant"], people.market[sent["who"]]]
    starts = np.concatenate([sent_at, mails["sent_at"]])
    order = np.argsort(starts, kind="stable")
    number = np.empty(n + m, np.int64)
    number[order] = np.arange(n + m)

    def column(of_sms: Any, of_mail: Any) -> Any:
        return np.concatenate([of_sms, of_mail])[order]

    campaign = (week * 2 + people.market[who]) * 2 + mail
    _write(to, "messages", part, {
        "message_id": _ids(_message(part), np.arange(n + m), 9),
        "customer_id": _ids("c", people.number[who[order]], 8),
        "campaign_id": _words(campaign[order], [row["campaign_id"] for row in list_campaigns(company)]),
        "sent_at": _instants(starts[order], company.end),
        "channel": _words(mail[order].astype(np.int64), ("sms", "email")),
        "variant": _words(column(sent["variant"], np.full(m, -1)), [c.variant for c in CREATIVES]),
        "cost": column(cost, np.zeros(m)),
        "delivered_at": _instants(column(np.where(sent["delivered"], delivered, NEVER), mails["sent_at"] + 2),
                                  company.end),
        "opened_at": _instants(column(np.full(n, NEVER), mails["opened"]), company.end),
        "clicked_at": _instants(column(np.minimum(person, machine), mails["clicked"]), company.end),
        "replied_at": _instants(column(replied, never), company.end),
        "opted_out_at": _instants(column(left, never), company.end),
        "plan_id": _words(column(np.where(sent["plan"], 0, -1), np.full(m, -1)), (_plan_id(company),)),
    })  # fmt: skip
    return number[:n], person, left


def _message(part: int) -> str:
    """What the ids of a part's messages begin with."""
    return f"m{part:03}-"


def _plan_id(company: Company) -> str:
    start = company.first_day + dt.timedelta(days=company.days - 7 * PLAN_WEEKS)
    return f"plan-{start:%Y%m%d}"


def _write_assignments(
    company: Company, people: People, to: Path, part: int, assigned: Assigned, sent: Drawn, sent_at: Ints
) -> None:
    """The tables assignments (who is assigned is so as their own day begins) and plans."""
    names, arms, who, at = [], [], [], []
    for kind, experiment in company.experiments.items():
        rows = np.flatnonzero(assigned.arm[kind] >= 0)
        who.append(rows)
        names.append(np.repeat(experiment.name, len(rows)))
        arms.append(np.array([arm.name for arm in experiment.arms])[assigned.arm[kind][rows]])
        at.append(company.instant(people.zone[rows], assigned.day[kind][rows], 0))
    _write(to, "assignments", part, {
        "experiment_id": pa.array(np.concatenate(names)),
        "customer_id": _ids("c", people.number[np.concatenate(who)], 8),
        "arm": pa.array(np.concatenate(arms)),
        "assigned_at": _instants(np.concatenate(at), company.end),
    })  # fmt: skip

    planned = np.flatnonzero(assigned.role >= 0)
    role = assigned.role[planned]
    first_message = np.full(len(people.number), -1)
    of_plan = np.flatnonzero(sent["plan"])[::-1]
    first_message[sent["who"][of_plan]] = of_plan
    message = first_message[planned]
    start = company.instant(people.zone[planned], np.full(len(planned), company.days - 7 * PLAN_WEEKS), 0)
    # What an earlier, too hopeful plan promised: twice what the average text brings, and half a unit of money.
    world = company.world
    brings = (world.attention * world.order_share * world.order_profit()[:, 0])[people.segment[planned]]
    promised = np.round(PLAN_WEEKS * (2 * brings + 0.5), 4)
    _write(to, "plans", part, {
        "plan_id": pa.array([_plan_id(company)] * len(planned), pa.string()),
        "customer_id": _ids("c", people.number[planned], 8),
        "role": _words(role, [name for name, _ in PLAN_ROLES]),
        "probability": np.array([share for _, share in PLAN_ROLES])[role],
        "send_at": _instants(np.where(message >= 0, sent_at[message] if len(sent_at) else start, NEVER), company.end),
        "variant": _words(np.where(message >= 0, sent["variant"][message], -1), [c.variant for c in CREATIVES]),
        "expected_profit": pa.array(np.where(role == 0, promised, 0.0), mask=role == 1),
    })  # fmt: skip


def _write_visits(
    company: Company, people: People, to: Path, part: int, orders: Drawn, clicks: Ints, sent: Drawn,
    rng: np.random.Generator,
) -> None:  # fmt: skip
    """The table visits: before each order, after each click, and just to look around."""
    n = len(people.number)
    days_here = company.days - people.joined
    browsing = np.repeat(np.arange(n), rng.poisson(0.05 * days_here / 7))
    day = people.joined[browsing] + (rng.random(len(browsing)) * days_here[browsing]).astype(np.int64)
    clicked = np.flatnonzero(clicks < company.end)
    before = orders["at"] - rng.integers(60, 5400, len(orders["at"]))
    at = np.concatenate(
        [before, clicks[clicked], _instants_of(company, people, browsing, day, draw_seconds(people, browsing, rng))]
    )
    who = np.concatenate([orders["who"], sent["who"][clicked], browsing])
    source = np.concatenate([rng.integers(1, 4, len(before)), np.zeros(len(clicked), np.int64),
                             rng.integers(1, 4, len(browsing))])  # fmt: skip
    by_time = np.argsort(at, kind="stable")[: (at < company.end).sum()]
    _write(to, "visits", part, {
        "customer_id": _ids("c", people.number[who[by_time]], 8),
        "visited_at": _instants(at[by_time], company.end),
        "source": _words(source[by_time], ("sms", "direct", "search", "social")),
    })  # fmt: skip


def _write_feedback(
    company: Company, people: People, to: Path, part: int, sent: Drawn, rng: np.random.Generator
) -> None:
    """The table feedback: what customers say, the more annoyed the more they were texted in the week before."""
    n = len(people.number)
    days_here = company.days - people.joined
    asked = np.repeat(np.arange(n), rng.poisson(0.01 * days_here / 7))
    day = people.joined[asked] + (rng.random(len(asked)) * days_here[asked]).astype(np.int64)
    span = np.int64(10_000)
    log = np.sort(sent["who"] * span + sent["day"])
    texts = np.searchsorted(log, asked * span + day) - np.searchsorted(log, asked * span + np.maximum(day - 7, 0))
    annoyance = 0.0 if company.world.null else 0.6
    score = np.array(_SCORES)[people.segment[asked]] - annoyance * texts + rng.normal(0, 1.8, len(asked))
    score = np.clip(np.round(score), 0, 10)
    kind = np.select([(texts >= 2) & (score <= 6), score <= 4, score <= 7], [0, 1, 2], 3)
    said = np.where(rng.random(len(asked)) < 0.6, kind * 2 + people.market[asked], -1)
    at = _instants_of(company, people, asked, day, draw_seconds(people, asked, rng))
    by_time = np.argsort(at, kind="stable")[: (at < company.end).sum()]
    _write(to, "feedback", part, {
        "customer_id": _ids("c", people.number[asked[by_time]], 8),
        "responded_at": _instants(at[by_time], company.end),
        "score": score[by_time],
        "text": _words(said[by_time], [text for pair in _SAID.values() for text in pair]),
    })  # fmt: skip


def write_chunk(company: Company, to: Path, part: int, first: int, n: int) -> Drawn:
    """All tables of one chunk of customers; returns what today's practice does, counted by segment."""
    rng = np.random.default_rng([company.world.seed, 3, part])
    people = draw_people(company, first, n, rng)
    own = draw_own_orders(company, people, rng)
    sent, assigned, lost, practice = draw_messages(company, people, own, rng)
    sent_at = _instants_of(company, people, sent["who"], sent["day"], sent["second"])
    message, clicks, left = _write_messages(company, people, to, part, sent, sent_at, rng)
    opted_out = _instants_of(company, people, np.arange(n), lost, rng.integers(0, DAY, n))
    opted_out[sent["who"][sent["left"]]] = left[sent["left"]]
    _write(to, "customers", part, _customers(company, people, opted_out, rng))
    orders = _draw_orders(company, people, own, sent, sent_at, rng)
    _write_orders(company, people, to, part, orders, message, rng)
    _write_assignments(company, people, to, part, assigned, sent, sent_at)
    _write_visits(company, people, to, part, orders, clicks, sent, rng)
    _write_feedback(company, people, to, part, sent, rng)
    _write(to / "truth", "customers", part, {
        "customer_id": _ids("c", people.number, 8),
        "segment": _words(people.segment, SEGMENTS),
        "hour_shift": people.hour_shift,
        "responsiveness": people.responsiveness,
        "rate": people.rate,
        "dropout": people.dropout,
        "bad_number": people.bad_number,
        "scanner": people.scanner,
        "buyer": people.buyer,
    })  # fmt: skip
    return practice
