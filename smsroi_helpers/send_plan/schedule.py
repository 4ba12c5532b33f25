"""From a policy to messages: roles by hash, dates and hours, written by the engine for every customer.

The plan begins on the second day after the last one observed, so that its first day has begun in no time zone yet.
Weeks are blocks of seven days from then on. Roles are drawn by a hash of the customer alone and stay from plan to plan;
what is explored is drawn by the plan and the customer, each lever by a hash of its own, so that levers are
independent.
"""

import datetime as dt
import functools
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from smsroi_helpers import measures
from smsroi_helpers.engine import hash_group
from smsroi_helpers.send_plan.groupings import Grouping
from smsroi_helpers.send_plan.policy import Policy
from smsroi_helpers.send_plan.today import Audience
from smsroi_helpers.send_plan.weekdays import spread_weekdays, turned_weekdays
from smsroi_helpers.source import Shop

__all__ = [
    "POLICY_COLUMNS",
    "Calendar",
    "Exploration",
    "Roles",
    "assign_actions",
    "count_turns",
    "divide_customers",
    "find_slots",
    "plan_calendar",
    "plan_key",
    "policy_rows",
    "send_dates",
    "send_times",
    "window_instants",
    "write_messages",
]

SLICES = 256
"""Customers are drawn by one of so many numbers, which a hash gives."""
_EVERY = 2**62
"""No place and action has so many customers."""
_TIES = ("split", "tie")
"""Hashes by which customers alike are put in order, before their identifiers."""
HOLDOUT, EXPLORE = "send-plan-holdout", "send-plan-explore"


@dataclass(frozen=True)
class Roles:
    """Shares of the audience, in 256ths as the hash divides it."""

    holdout: int
    explore: int
    """Of those who are not held out."""

    @classmethod
    def of_shares(cls, holdout: float, explore: float) -> "Roles":
        """The nearest 256ths.

        >>> Roles.of_shares(0.05, 0.1)
        Roles(holdout=13, explore=26)
        """
        return cls(round(holdout * SLICES), round(explore * SLICES))

    def probability(self, role: str) -> float:
        """With which a customer of the audience has a role."""
        held, explored = self.holdout / SLICES, self.explore / SLICES
        return {"holdout": held, "explore": (1 - held) * explored, "plan": (1 - held) * (1 - explored)}[role]


@dataclass(frozen=True)
class Exploration:
    """What is tried at random, every combination equally likely."""

    doses: tuple[float, ...]
    windows: tuple[int, ...]
    """Numbers of windows that are allowed for everybody in the audience."""
    texts: tuple[int, ...]
    """Numbers of texts."""
    creatives: tuple[str, ...]
    """The names of all texts."""

    @property
    def variants(self) -> tuple[str, ...]:
        """The names of the texts that are tried."""
        return tuple(self.creatives[number] for number in self.texts)


@dataclass(frozen=True)
class Calendar:
    """The days of the plan."""

    plan_id: str
    first_day: dt.date
    weeks: int

    @functools.cached_property
    def days(self) -> tuple[dt.date, ...]:
        """Every day of the plan."""
        return tuple(self.first_day + dt.timedelta(days=k) for k in range(7 * self.weeks))


def plan_calendar(shop: Shop, weeks: int) -> Calendar:
    """The days of the plan that follows the last day observed."""
    first = shop.as_of + dt.timedelta(days=2)
    return Calendar(f"plan-{first:%Y%m%d}", first, weeks)


def send_times(calendar: Calendar, texts: float, weekdays: Sequence[int]) -> list[dt.date]:
    """The dates of an action: as many of its weekdays a week as its texts, the first ones where a week has fewer.

    >>> calendar = Calendar("p", dt.date(2026, 6, 30), 2)  # a Tuesday
    >>> [str(day) for day in send_times(calendar, 1.5, [3, 1])]
    ['2026-06-30', '2026-07-02', '2026-07-09']
    """
    return list(_send_times(calendar, float(texts), tuple(weekdays)))


@functools.lru_cache(maxsize=1 << 12)
def _send_times(calendar: Calendar, texts: float, weekdays: tuple[int, ...]) -> tuple[dt.date, ...]:
    found: list[dt.date] = []
    for week in range(calendar.weeks):
        many = int(np.floor((week + 1) * texts + 0.5) - np.floor(week * texts + 0.5))
        found += [day for day in calendar.days[7 * week : 7 * week + 7] if day.weekday() in weekdays[:many]]
    return tuple(found)


def send_dates(
    calendar: Calendar, closed: Collection[dt.date], texts: float, weekdays: Sequence[int]
) -> list[list[dt.date]]:
    """The dates of an action for the customers of each turn (`turned_weekdays`): as many for each turn.

    Weekdays with a closed day are avoided if there are enough others. If not, all customers have the same weekdays, in
    one turn, and what would go out on a closed day is left out.

    >>> calendar = Calendar("p", dt.date(2026, 6, 29), 1)  # a Monday
    >>> [str(day) for (day,) in send_dates(calendar, {dt.date(2026, 7, 4)}, 1, [4, 5, 6])]
    ['2026-07-03', '2026-07-05']
    """
    shut = {day.weekday() for day in closed if day in calendar.days}
    free = [day for day in weekdays if day not in shut]
    if free and np.ceil(texts) <= len(free):
        turns = [turned_weekdays(texts, free, turn) for turn in range(len(free))]
    else:
        turns = [spread_weekdays(texts, weekdays)]
    return [[day for day in send_times(calendar, texts, days) if day not in closed] for days in turns]


# --- who gets what ---------------------------------------------------------------------------------------------------


def assign_actions(
    shop: Shop, audience: Audience, grouping: Grouping, codes: pd.Series, roles: Roles, exploration: Exploration,
    calendar: Calendar,
) -> ir.Table:  # fmt: skip
    """Role and action of every customer of the audience.

    Returns:
        customer_id, place (number in `audience.places`), mask, profile, role, probability; dose_number, window_number,
        text_number (of what is explored; of the others without meaning); code; explored_slice (0–255: those below
        `Roles.explore` are explored with).
    """
    rows = audience.rows.filter(audience.rows.reason == "")
    places = ibis.memtable(audience.places[["timezone", "region", "mask"]].assign(place=range(len(audience.places))))
    rows = rows.join(places, (rows.zone == places.timezone) & (rows.area == places.region))
    profiles = ibis.memtable(pd.DataFrame({"of_code": codes, "profile": grouping.profile}))
    rows = rows.join(profiles, rows.code == profiles.of_code)
    held = hash_group(rows.customer_id, HOLDOUT, SLICES) < roles.holdout
    explored = hash_group(rows.customer_id, EXPLORE, SLICES) < roles.explore
    role = ibis.cases((held, "holdout"), (explored, "explore"), else_="plan")
    rows = rows.mutate(role=role)

    def drawn(lever: str, options: int) -> ir.IntegerValue:
        number = hash_group(rows.customer_id, f"{calendar.plan_id}-{lever}", SLICES)
        return (number * max(options, 1) // SLICES).cast("int64")

    parts = SLICES**2  # as whole numbers: DuckDB would take the literals for decimals
    many = {name: round(parts * roles.probability(name)) for name in ("holdout", "explore", "plan")}
    probability = ibis.cases(*((rows.role == name, many[name]) for name in ("holdout", "explore")), else_=many["plan"])
    return shop.keep(
        rows.select(
            "customer_id", "place", "mask", "profile", "role", "code", probability=probability / parts,
            explored_slice=hash_group(rows.customer_id, EXPLORE, SLICES),
            dose_number=drawn("frequency", len(exploration.doses)),
            window_number=drawn("timing", len(exploration.windows)),
            text_number=drawn("content", len(exploration.texts)),
        )
    )  # fmt: skip


@dataclass(frozen=True)
class Money:
    """Expected profit of one action per customer of a profile: cash of the plan's weeks, and the long run."""

    cash: float
    long_run: float


POLICY_COLUMNS = (
    "profile", "mask", "part", "texts_per_week", "window", "variant", "weekdays", "cash", "long_run", "limited",
)  # fmt: skip
"""Of `policy_rows`."""


def policy_rows(
    policy: Policy, doses: np.ndarray, creatives: Sequence[str], money: dict[tuple[int, int, int], Money],
    limited: Collection[tuple[int, int]] = (),
) -> pd.DataFrame:  # fmt: skip
    """The policy as a table: profile, mask, part, texts_per_week, window, variant, weekdays, cash, long_run, limited.

    Args:
        policy: of the plan.
        doses: texts a week, by their number.
        creatives: names of texts.
        money: of each (profile, mask, part).
        limited: (profile, mask) for which texts would gain, were it not for the budget.
    """
    rows = []
    for (profile, mask, part), action, _share in policy.parts():
        texts = float(doses[action.dose])
        worth = money.get((profile, mask, part), Money(0.0, 0.0))
        variant = (creatives[action.text] or None) if texts else None
        rows.append((profile, mask, part, texts, action.window, variant, action.weekdays, worth.cash, worth.long_run,
                     (profile, mask) in limited))  # fmt: skip
    return pd.DataFrame(rows, columns=list(POLICY_COLUMNS))


def divide_customers(
    shop: Shop, assigned: ir.Table, calendar: Calendar, turns: pd.DataFrame, split: pd.DataFrame | None = None, *,
    ranked: bool = False,
) -> ir.Table:  # fmt: skip
    """The customers assigned, with what their texts depend on.

    Args:
        shop: the company.
        assigned: of `assign_actions`.
        calendar: the plan's days.
        turns: of `count_turns`.
        split: profile, place, customers: so many of these, drawn by hash, are in part 1.
        ranked: whether to number the customers of each place and action, in the order of their times.

    Returns:
        the columns of `assigned`; part; action: `plan 3 0 0 6` (profile, mask, part, turn), `explore 1 4 6` (dose,
        window, turn), or a key that no text has; time_slice (0–255: where in a window their texts are); rank (from 0;
        0 if not ranked).
    """
    ties = {name: hash_group(assigned.customer_id, f"{calendar.plan_id}-{name}", SLICES) for name in _TIES}
    seconds = hash_group(assigned.customer_id, f"{calendar.plan_id}-second", SLICES)
    rows = assigned.mutate(part=ibis.literal(0).cast("int64"), time_slice=seconds, **ties)
    if split is not None and len(split):
        order = ibis.window(group_by=["role", "profile", "place"], order_by=[*_TIES, "customer_id"])
        many = ibis.cases(
            *(((rows.profile == int(each.profile)) & (rows.place == int(each.place)), int(each.customers))
              for each in split.itertuples()), else_=0,
        )  # fmt: skip
        rows = rows.mutate(part=((rows.role == "plan") & (ibis.row_number().over(order) < many)).cast("int64"))
    rows = rows.mutate(action=_action_key(rows))
    alike = ibis.window(group_by=["place", "action"], order_by=[*_TIES, "customer_id"])
    many = ibis.memtable(turns, schema={"of_place": "int64", "of_action": "string", "turns": "int64"})
    rows = rows.mutate(number=ibis.row_number().over(alike))
    rows = rows.left_join(many, (rows.place == many.of_place) & (rows.action == many.of_action))
    # By chance where explored: few share a place and an action, and in order all would begin on a Monday. Planned texts
    # are dealt in turn, beginning elsewhere in each place.
    by_chance = hash_group(rows.customer_id, f"{calendar.plan_id}-weekday", SLICES) * rows.turns // SLICES
    turn = ibis.ifelse(
        rows.role == "explore", by_chance.cast("int64"), ((rows.number + rows.place) % rows.turns).cast("int64")
    )
    rows = rows.mutate(action=rows.action + ibis.literal(" ") + turn.fill_null(0).cast("string"))
    rows = rows.drop("of_place", "of_action", "turns", "number")
    rank = ibis.literal(0).cast("int64")
    if ranked:
        order = ibis.window(group_by=["place", "action"], order_by=["time_slice", *_TIES, "customer_id"])
        rank = ibis.row_number().over(order).cast("int64")
    return shop.keep(rows.mutate(rank=rank).drop(*_TIES))


def write_messages(
    divided: ir.Table, slots: pd.DataFrame, actions: pd.DataFrame, exploration: Exploration, calendar: Calendar,
    channel: str, types: Sequence[str],
) -> ir.Table:  # fmt: skip
    """One row per planned message, and one without a time for every customer of the audience without any.

    Args:
        divided: of `divide_customers`.
        slots: of `find_slots`, or of `fit_capacity`.
        actions: of `policy_rows`.
        exploration: what is explored.
        calendar: the plan's days.
        channel: of the texts.
        types: name of each profile.
    """
    schema = {
        "of_place": "int64", "of_action": "string", "texts_per_week": "float64", "begins": "timestamp",
        "spread_seconds": "int64", "hour": "int64", "weekday": "int64", "variant": "string", "cash": "float64",
        "long_run": "float64", "first_rank": "int64", "end_rank": "int64",
    }  # fmt: skip
    table = ibis.memtable(slots[list(schema)], schema=schema)
    named = [(divided.text_number == k, name) for k, name in enumerate(exploration.variants) if name]
    text = ibis.cases(*named, else_=None) if named else ibis.null("string")
    rows = divided.mutate(explored_text=text.cast("string"))
    full = bool((slots["end_rank"] < _EVERY).any())
    fits = (rows["rank"] >= table.first_rank) & (rows["rank"] < table.end_rank)
    joined = rows.left_join(table, (rows.place == table.of_place) & (rows.action == table.of_action) & fits)
    seconds = joined.time_slice * joined.spread_seconds // SLICES
    send_at = joined.begins + seconds.cast("int64").as_interval("s")
    label = ibis.cases(*((joined.profile == k, name) for k, name in enumerate(types)), else_="")
    silent = joined.begins.isnull()
    reason = ibis.cases(
        (joined.role == "holdout", "holdout"), (joined.role == "explore", "explore"),
        (silent, _why_silent(joined.action, actions, full)), else_="best_value",
    )  # fmt: skip

    def expected(amount: ir.FloatingValue) -> ir.FloatingValue:
        """0 where no text is sent; unknown of what is explored."""
        return ibis.ifelse(joined.role == "explore", ibis.null("float64"), amount.fill_null(0.0))

    return joined.select(
        "customer_id", "role", "probability", "hour", "weekday", plan_id=ibis.literal(calendar.plan_id),
        send_at=send_at, channel=ibis.literal(channel), campaign_id=ibis.null("string"),
        variant=ibis.ifelse(joined.role == "explore", ibis.ifelse(silent, ibis.null("string"), joined.explored_text),
                            joined.variant),
        texts_per_week=joined.texts_per_week.fill_null(0.0), type=label, reason=reason,
        expected_profit=expected(joined.cash), expected_long_run=expected(joined.long_run),
    ).order_by("customer_id", "send_at")  # fmt: skip


def plan_key(profile: int, mask: int, part: int) -> str:
    """What the texts of a customer in the role `plan` depend on, beside the place and the turn."""
    return f"plan {profile} {mask} {part}"


def _action_key(assigned: ir.Table) -> ir.StringValue:
    """What a customer's texts depend on, beside the place.

    Whoever is held out has a key that no text has.
    """

    def of(*numbers: ir.IntegerValue) -> ir.StringValue:
        return functools.reduce(
            lambda text, each: text + ibis.literal(" ") + each.cast("string"), numbers, assigned.role
        )

    explored = of(assigned.dose_number, assigned.window_number)
    return ibis.ifelse(assigned.role == "explore", explored, of(assigned.profile, assigned["mask"], assigned.part))


def _why_silent(action: ir.StringValue, actions: pd.DataFrame, full: bool) -> ir.StringValue:
    """Why a customer in the role `plan` gets no text: that none would gain, the budget, or the gateway's capacity."""
    texted = actions["texts_per_week"] > 0

    def keys(which: pd.Series) -> list[str]:
        rows = actions[which].itertuples()
        return [f"{plan_key(row.profile, row.mask, row.part)} {turn}" for row in rows for turn in range(7)]

    of_budget, of_capacity = keys(actions["limited"] & ~texted), keys(texted) if full else []
    return ibis.cases(
        (action.isin(of_budget or [""]), "budget"), (action.isin(of_capacity or [""]), "capacity"), else_="no_gain"
    )


def find_slots(
    audience: Audience, actions: pd.DataFrame, exploration: Exploration, windows: Sequence[tuple[int, int]],
    calendar: Calendar,
) -> pd.DataFrame:  # fmt: skip
    """Every message of every action in every place, with the instant at which its window opens there."""
    rows: list[tuple[object, ...]] = []
    for place in audience.places.itertuples():
        closed = set(measures.days_off(place.rules.split(), calendar.first_day, calendar.days[-1]))
        zone = place.timezone or audience.usual_zone

        def add(key: str, texts: float, weekdays: Sequence[int], window: int, *rest: object) -> None:
            for turn, days in enumerate(send_dates(calendar, closed, texts, weekdays)):  # noqa: B023
                shared = [x / max(len(days), 1) if isinstance(x, float) else x for x in rest]
                for day in days:
                    at = (day - calendar.first_day).days, *window_instants(day, windows[window], zone)  # noqa: B023
                    hour, weekday = windows[window][0], day.weekday()
                    rows.append((place.Index, f"{key} {turn}", texts, window, *at, hour, weekday, *shared, 0, _EVERY))  # noqa: B023

        for each in actions[actions["mask"] == place.mask].itertuples():
            key = plan_key(each.profile, each.mask, each.part)
            add(key, each.texts_per_week, each.weekdays, each.window, each.variant, float(each.cash),
                float(each.long_run))  # fmt: skip
        for d, texts in enumerate(exploration.doses):
            for w, window in enumerate(exploration.windows):
                start, end = windows[window]
                open_days = np.flatnonzero(audience.masks[place.mask][:, start:end].all(axis=1)).tolist()
                add(f"explore {d} {w}", texts, open_days, window, None, None, None)
    names = [
        "of_place", "of_action", "texts_per_week", "window", "day", "begins", "spread_seconds", "hour", "weekday",
        "variant", "cash", "long_run", "first_rank", "end_rank",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=names)


def count_turns(slots: pd.DataFrame) -> pd.DataFrame:
    """of_place, of_action (without the turn), turns: at how many weekdays the customers of an action begin.

    Args:
        slots: of `find_slots`.
    """
    action = slots["of_action"].str.rsplit(" ", n=1).str[0].astype(str)
    found = slots.assign(turn=slots["of_action"]).groupby(["of_place", action])["turn"].nunique()
    return found.rename("turns").reset_index()


@functools.lru_cache(maxsize=1 << 16)
def window_instants(day: dt.date, window: tuple[int, int], zone: str) -> tuple[dt.datetime, int]:
    """UTC instant at which the window opens on a day, and its seconds: clocks may change in between.

    >>> window_instants(dt.date(2026, 10, 25), (1, 4), "Europe/Berlin")
    (datetime.datetime(2026, 10, 24, 23, 0), 14400)
    """
    opens, closes = (measures.instant_of(day, hour, zone) for hour in window)
    return opens, int((closes - opens).total_seconds())
