"""Draw what happened in a company of the second simulator, and write it as a source folder."""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tests.second_world.plan import DAY, Plan, make_plan
from tests.second_world.truth import Truth
from tests.second_world.world import (
    CREATIVES,
    DAYS,
    DELIVERED,
    LEVELS,
    MOST_TEXTS,
    TRIED_HOURS,
    ZONES,
    People,
    World,
    draw_people,
    draw_world,
)

__all__ = ["Company", "truth_of", "write_company"]

Columns = dict[str, NDArray[Any]]
Ints = NDArray[np.int64]

MOVES_WITHIN = 42 * DAY
"""An order is moved forward only if it is due within these seconds."""
REGIONS = (("Île-de-France", "Bretagne"), ("New York", "Florida", "New Jersey"), ("São Paulo", "Bahia"))
AGES = ("18-24", "25-34", "35-44", "45-59", "60+")
TEXTS = {
    "news": ("story", "Maison Nord: the new season is here. maison.example/n Reply STOP to opt out"),
    "gift": ("promotion", "Maison Nord: a gift with every order this week. maison.example/g Reply STOP to opt out"),
    "ask": ("interactive", "Maison Nord: blue or green? Vote and see: maison.example/v Reply STOP to opt out"),
}  # fmt: skip
NEVER = np.iinfo(np.int64).max
MOST_LATER_WEEKS = 104
_OF_PLAN = 12
"""Number of the campaigns of a given plan."""


@dataclass
class _Orders:
    """Orders without texts, sorted by customer and time; texts move some of them."""

    customer: Ints
    at: Ints
    due: Ints
    """`at` before any move."""
    moved: NDArray[np.bool_]

    def move(self, customer: Ints, at: Ints) -> None:
        """Move each customer's next order to `at`, if it is due soon and has not been moved."""
        key = self.customer * (1 << 36) + self.due
        place = np.searchsorted(key, customer * (1 << 36) + at)
        there = np.minimum(place, len(key) - 1)
        fits = (place < len(key)) & (self.customer[there] == customer) & (self.due[there] - at < MOVES_WITHIN)
        fits &= ~self.moved[there]
        self.at[there[fits]] = at[fits]
        self.moved[there[fits]] = True


class Company:
    """Draws a company week by week; instants are unix seconds."""

    def __init__(self, world: World, plan: Plan, customers: int) -> None:
        self.world, self.plan, self.rng = world, plan, np.random.default_rng([world.seed, 23])
        self.people = draw_people(world, customers, plan.weeks, self.rng)
        self.midnight = int(dt.datetime.combine(plan.first_day, dt.time(), dt.UTC).timestamp()) - int(
            plan.offsets[0, 0]
        )
        self.opted_out = np.full(customers, NEVER)
        own = self.people.withdraws_on < plan.days
        self.opted_out[own] = self.midnight + (self.people.withdraws_on[own] * DAY).astype(np.int64)
        self.arm = {trial.key: np.full(customers, -1) for trial in plan.trials}
        self.assigned = {trial.key: np.full(customers, NEVER) for trial in plan.trials}
        self.orders = self._organic_orders()
        self.click_effects, self.annoyance_effects = world.click_effects(), world.annoyance_effects()
        self.sent: list[Columns] = []

    @property
    def end(self) -> int:
        """When the tables end, exclusive."""
        return self.midnight + self.plan.days * DAY

    def _organic_orders(self, first_day: int = 0, end_day: int = 0) -> _Orders:
        """Poisson at each customer's rate, with a season, from joining until the customer stops.

        Args:
            first_day: of the orders.
            end_day: day after the last; 0: the end of the log.
        """
        people, rng, days = self.people, self.rng, end_day or 7 * self.plan.weeks
        top = 1 + self.world.season
        start = np.maximum(people.joined, first_day)
        length = np.maximum(np.minimum(people.stops_on, days) - start, 0)
        customer = np.repeat(np.arange(len(people)), rng.poisson(people.buy * top * length / 7))
        day = start[customer] + rng.random(len(customer)) * length[customer]
        of_year = (self.plan.first_day.timetuple().tm_yday + day) / 365.25
        kept = rng.random(len(day)) * top < 1 + self.world.season * np.cos(2 * np.pi * (of_year - 0.95))
        customer, day = customer[kept], day[kept]
        order = np.lexsort((day, customer))
        at = self.midnight + (day[order] * DAY).astype(np.int64)
        return _Orders(customer[order], at.copy(), at, np.zeros(len(order), bool))

    def run(self) -> None:
        """Every week: assign, plan, send day by day."""
        for week in range(self.plan.weeks):
            self._assign(week)
            days, hours, creatives, campaigns = self._plan_week(week)
            sent_before = np.zeros(len(self.people), np.int64)
            for weekday in range(DAYS):
                self._send(7 * week + weekday, days[:, weekday], hours[:, weekday], creatives[:, weekday],
                           campaigns[:, weekday], sent_before)  # fmt: skip

    def go_on(self, texts: pd.DataFrame) -> tuple[list[Columns], _Orders]:
        """Send the given texts in the weeks after the log; every week has its own seed.

        Args:
            texts: customer (row), at (unix seconds), creative (−1: any) and plan, at most one a day.

        Returns:
            What was sent, with `plan`, and the orders without texts after the log.
        """
        first, log = 7 * self.plan.weeks, (self.rng, self.orders, self.sent)
        self.rng = np.random.default_rng([self.world.seed, 24])
        self.orders, self.sent = self._organic_orders(first, first + 7 * MOST_LATER_WEEKS), []
        start = int(dt.datetime.combine(self.plan.first_day, dt.time(), dt.UTC).timestamp())
        seconds, zone = texts["at"].to_numpy() - start, self.people.zone[texts["customer"]]
        local = seconds + self.plan.offsets[zone, np.clip(seconds // DAY, 0, self.plan.offsets.shape[1] - 1)]
        texts = texts.assign(day=local // DAY, hour=local % DAY // 3600)
        if len(texts) and (texts["at"].min() < self.midnight + first * DAY or texts["at"].max() >= self.end):
            raise ValueError("the plan has texts outside the weeks after the log")
        if texts.duplicated(["customer", "day"]).any():
            raise ValueError("the plan has two texts for a customer on one day")
        for week in range(self.plan.weeks, self.plan.weeks + self.plan.later_weeks):
            self.rng = np.random.default_rng([self.world.seed, 25, week])
            before = np.zeros(len(self.people), np.int64)
            for day in range(7 * week, 7 * week + 7):
                rows = texts[texts["day"] == day].sort_values("customer")
                any_text = self.rng.integers(0, len(CREATIVES), len(rows))
                self._send_planned(day, rows.assign(any_text=any_text), before)
        sent, orders = self.sent, self.orders
        self.rng, self.orders, self.sent = log
        return sent, orders

    def _send_planned(self, day: int, rows: pd.DataFrame, before: Ints) -> None:
        who, at = rows["customer"].to_numpy(), rows["at"].to_numpy()
        people = self.people
        kept = (self.opted_out[who] > at) & people.consents[who] & (people.joined[who] < day)
        rows, who, at = rows[kept], who[kept], at[kept]
        if len(who):
            creative = np.where(rows["creative"] < 0, rows["any_text"], rows["creative"])
            campaign = np.full(len(who), _OF_PLAN)
            self._draw_outcomes(day, who, at, rows["hour"].to_numpy(), creative, campaign, before)
            self.sent[-1]["plan"] = rows["plan"].to_numpy()

    def _assign(self, week: int) -> None:
        now = self.midnight + 7 * week * DAY
        here = self.people.consents & (self.people.joined < 7 * week) & (self.opted_out > now)
        for trial in self.plan.trials:
            eligible = here & (self.arm[trial.key] < 0)
            if trial.kind == "holdout":
                eligible &= week >= trial.first_week
            else:
                eligible &= (week == trial.first_week) & (self.arm["holdout"] == 0)
                if trial.kind == "timing":  # those in the test of doses cannot be in it
                    eligible &= self.arm["frequency"] < 0
                    share = trial.customers / (1 - self.plan.trial("frequency").customers)
                else:
                    share = trial.customers
                eligible &= self.rng.random(len(eligible)) < share
            drawn = self.rng.choice(len(trial.arms), len(eligible), p=[arm.share for arm in trial.arms])
            self.arm[trial.key][eligible] = drawn[eligible]
            self.assigned[trial.key][eligible] = now

    def _running(self, key: str, week: int) -> NDArray[np.bool_]:
        """Who is treated by an experiment in a week."""
        trial = self.plan.trial(key)
        runs = trial.end_week is None or week < trial.end_week
        return (self.arm[key] >= 0) & runs

    def _plan_week(self, week: int) -> tuple[NDArray[np.bool_], Ints, Ints, Ints]:
        """For each customer and weekday: whether there is a text, its hour, its creative, its campaign."""
        n, rng = len(self.people), self.rng
        days = np.zeros((n, DAYS), bool)
        hours, creatives, campaigns = (np.zeros((n, DAYS), np.int64) for _ in range(3))
        for at, slot in enumerate(self.world.slots):
            days[:, slot.weekday] = True
            hours[:, slot.weekday] = self.plan.hours[week, at, self.people.zone]
            creatives[:, slot.weekday] = self.plan.creatives[week, at]
            campaigns[:, slot.weekday] = at
        for key in ("first_content", "content"):
            in_test = self._running(key, week)
            texts = np.array([arm.creative for arm in self.plan.trial(key).arms])
            creatives[in_test] = texts[self.arm[key][in_test], None]
        ranks = rng.random((n, DAYS)).argsort(axis=1).argsort(axis=1)
        for kind in ("frequency", "timing"):
            own, trial = self._running(kind, week), self.plan.trial(kind)
            if not own.any():
                continue
            arm = self.arm[kind][own]
            doses = np.array([2 if each.dose is None else each.dose for each in trial.arms])
            days[own] = ranks[own] < doses[arm][:, None]
            drawn = rng.choice(TRIED_HOURS, (own.sum(), DAYS))
            if kind == "timing":
                windows = np.array([each.window for each in trial.arms])[arm]
                drawn = windows[:, :1] + rng.integers(0, windows[0, 1] - windows[0, 0], (own.sum(), DAYS))
            hours[own] = drawn
            creatives[own] = rng.integers(0, len(CREATIVES), (own.sum(), DAYS))
            campaigns[own] = 10 if kind == "frequency" else 11
        days[(self.arm["holdout"] == 1) | ~self.people.consents | (self.people.joined >= 7 * week)] = False
        return days, hours, creatives, campaigns

    def _send(
        self, day: int, goes: NDArray[np.bool_], hour: Ints, creative: Ints, campaign: Ints, before: Ints
    ) -> None:
        rng, people = self.rng, self.people
        who = np.flatnonzero(goes)
        local = hour[who] * 3600 + rng.integers(0, 3600, len(who))
        at = self.plan.instant(people.zone[who], np.full(len(who), day), local)
        kept = self.opted_out[who] > at
        who, at = who[kept], at[kept]
        if len(who):
            self._draw_outcomes(day, who, at, hour[who], creative[who], campaign[who], before)

    def _draw_outcomes(
        self, day: int, who: Ints, at: Ints, h: Ints, text: Ints, campaign: Ints, before: Ints
    ) -> None:  # fmt: skip
        """Draw what comes of a day's texts: one entry for each, and in `before` one for each customer."""
        rng, people, n = self.rng, self.people, len(who)
        kind, position = people.kind[who], before[who]
        reads = people.lost_on[who] > day
        delivered = rng.random(n) < DELIVERED
        effect = self.click_effects[kind, h, day % 7, text] * (position + 1.0) ** -self.world.wear[kind]
        clicked = delivered & reads & (rng.random(n) < -np.expm1(-people.click[who] * effect))
        hazard = (
            people.leave[who]
            * self.world.annoyance[kind, np.minimum(position, MOST_TEXTS - 1)]
            * self.annoyance_effects[h, text]
        )
        leaves = delivered & reads & (rng.random(n) < -np.expm1(-hazard))
        click_at = at + 60 + rng.exponential(5400, n).astype(np.int64)
        leave_at = at + 90 + rng.exponential(1800, n).astype(np.int64)
        self.opted_out[who[leaves]] = np.minimum(self.opted_out[who[leaves]], leave_at[leaves])
        buys = clicked & (rng.random(n) < people.convert[who])
        moves = clicked & ~buys & (rng.random(n) < self.world.moved[kind])
        order_at = click_at + 120 + rng.exponential(6 * 3600, n).astype(np.int64)
        self.orders.move(who[moves], order_at[moves])
        before[who] += 1
        self.sent.append({
            "customer": who, "day": np.full(n, day), "at": at, "hour": h, "creative": text, "campaign": campaign,
            "position": position, "delivered": delivered, "clicked": clicked, "click_at": click_at, "leaves": leaves,
            "leave_at": leave_at, "buys": buys, "order_at": order_at,
        })  # fmt: skip


def _times(seconds: NDArray[Any], known: NDArray[np.bool_] | None = None) -> pd.Series:
    found = pd.Series(pd.to_datetime(seconds, unit="s", utc=True))
    return found if known is None else found.where(known)


def _ids(customer: Ints) -> NDArray[np.str_]:
    return np.char.add("k", np.char.zfill(customer.astype(str), 6))


def _customers(company: Company) -> pd.DataFrame:
    people, rng = company.people, company.rng
    joined = (
        company.midnight + people.joined * DAY - np.where(people.joined < 0, rng.integers(0, 700, len(people)), 0) * DAY
    )
    regions = np.array([names[i % len(names)] for names in REGIONS for i in range(6)]).reshape(len(REGIONS), 6)
    region = pd.Series(regions[people.zone, rng.integers(0, 6, len(people))])
    return pd.DataFrame({
        "customer_id": _ids(np.arange(len(people))),
        "joined_at": _times(joined),
        "timezone": np.array(ZONES)[people.zone],
        "region": region.where(rng.random(len(people)) < 0.9),
        "acquisition_channel": np.array(("search", "store", "friend"))[rng.integers(0, 3, len(people))],
        "opted_in_at": _times(joined + 3600, people.consents),
        "opted_out_at": _times(np.where(company.opted_out == NEVER, 0, company.opted_out),
                               (company.opted_out < company.end) & people.consents),
        "attr_level": np.array(LEVELS)[people.level],
        "attr_age": np.array(AGES)[people.age_band],
    })  # fmt: skip


def _orders(
    company: Company, sent: Columns, later: tuple[Ints, Ints, NDArray[Any]] | None = None
) -> pd.DataFrame:  # fmt: skip
    """Orders of the log's texts and without texts, and those of `_later_orders`."""
    people, organic, bought = company.people, company.orders, sent["buys"]
    customer = np.concatenate([organic.customer, sent["customer"][bought]])
    at = np.concatenate([organic.at, sent["order_at"][bought]])
    mean = company.world.order_mean[people.kind[customer]]
    amount = mean * np.exp(0.5 * company.rng.standard_normal(len(customer)) - 0.125)
    if later is not None:
        customer, at, amount = (np.concatenate(both) for both in zip((customer, at, amount), later, strict=True))
    known = at < company.end
    order = np.argsort(at[known], kind="stable")
    return pd.DataFrame({
        "order_id": [f"o{i:07d}" for i in range(len(order))],
        "customer_id": _ids(customer[known][order]),
        "ordered_at": _times(at[known][order]),
        "amount": amount[known][order].round(2),
    })  # fmt: skip


def _later_orders(company: Company, weeks: list[Columns], organic: _Orders) -> tuple[Ints, Ints, NDArray[Any]]:
    """Customer, instant and amount of the orders after the log, without texts and caused by each day's texts."""
    parts = [(organic.customer, organic.at, np.random.default_rng([company.world.seed, 26]))]
    for sent in weeks:
        rng = np.random.default_rng([company.world.seed, 27, int(sent["day"][0])])
        parts.append((sent["customer"][sent["buys"]], sent["order_at"][sent["buys"]], rng))
    amounts = []
    for customer, _at, rng in parts:
        mean = company.world.order_mean[company.people.kind[customer]]
        amounts.append(mean * np.exp(0.5 * rng.standard_normal(len(customer)) - 0.125))
    return (np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts]),
            np.concatenate(amounts))  # fmt: skip


def _campaign_ids(sent: Columns) -> NDArray[np.str_]:
    week = np.char.zfill((sent["day"] // 7).astype(str), 2)
    kinds = np.array([*(f"weekly-{i}" for i in range(10)), "how-often", "which-window", "plan"])
    return np.char.add(np.char.add(kinds[sent["campaign"]], "-w"), week)


def _messages(company: Company, sent: Columns) -> pd.DataFrame:
    n, end = len(sent["at"]), company.end
    return pd.DataFrame({
        "message_id": [f"m{i:08d}" for i in range(n)],
        "customer_id": _ids(sent["customer"]),
        "campaign_id": _campaign_ids(sent),
        "sent_at": _times(sent["at"]),
        "channel": "sms",
        "variant": np.array(CREATIVES)[sent["creative"]],
        "cost": company.world.cost,
        "delivered_at": _times(sent["at"] + 4, sent["delivered"]),
        "clicked_at": _times(sent["click_at"], sent["clicked"] & (sent["click_at"] < end)),
        "opted_out_at": _times(sent["leave_at"], sent["leaves"] & (sent["leave_at"] < end)),
    })  # fmt: skip


def _experiments(company: Company) -> dict[str, pd.DataFrame]:
    def monday(week: int | None) -> Any:
        return pd.NaT if week is None else pd.Timestamp(company.midnight + 7 * week * DAY, unit="s", tz="UTC")

    trials = company.plan.trials
    experiments = [
        {"experiment_id": t.name, "kind": t.kind, "control_arm": t.control, "started_at": monday(t.first_week),
         "ended_at": monday(t.end_week), "outcome_until": monday(t.outcome_end_week), "primary_metric": "profit"}
        for t in trials
    ]  # fmt: skip
    arms = [
        {"experiment_id": t.name, "arm": a.name, "share": a.share, "messages_per_week": a.dose,
         "hour_start": a.window and a.window[0], "hour_end": a.window and a.window[1],
         "variant": None if a.creative is None else CREATIVES[a.creative]}
        for t in trials for a in t.arms
    ]  # fmt: skip
    assigned = []
    for t in trials:
        who = np.flatnonzero(company.arm[t.key] >= 0)
        assigned.append(pd.DataFrame({
            "experiment_id": t.name, "customer_id": _ids(who),
            "arm": np.array([a.name for a in t.arms])[company.arm[t.key][who]],
            "assigned_at": _times(company.assigned[t.key][who]),
        }))  # fmt: skip
    kinds = {"messages_per_week": "Float64", "hour_start": "Int64", "hour_end": "Int64"}
    return {
        "experiments": pd.DataFrame(experiments),
        "arms": pd.DataFrame(arms).astype(kinds),
        "assignments": pd.concat(assigned, ignore_index=True),
    }


def _read_plan(plan: pd.DataFrame, customers: int) -> tuple[pd.DataFrame, list[str]]:
    """The texts of a plan as numbers: customer, at, creative, plan; and the ids of its plans."""
    sent = plan[plan["send_at"].notna()]
    names, ids = sorted(set(sent["plan_id"])), pd.Index(_ids(np.arange(customers)))
    texts = pd.DataFrame({
        "customer": ids.get_indexer(sent["customer_id"]),
        "at": sent["send_at"].dt.tz_convert("UTC").dt.tz_localize(None).astype("datetime64[s]").astype(np.int64),
        "creative": pd.Index(CREATIVES).get_indexer(sent["variant"].fillna(CREATIVES[0])),
        "plan": pd.Index(names).get_indexer(sent["plan_id"]),
    })  # fmt: skip
    if (texts < 0).any(axis=None):
        raise ValueError("the plan has customers or variants that the company has not")
    texts["creative"] = texts["creative"].where(sent["variant"].notna(), -1)
    return texts.reset_index(drop=True), names


def write_company(
    to: Path,
    *,
    customers: int = 20_000,
    weeks: int = 40,
    seed: int = 1,
    null: bool = False,
    text_effects: float = 1.0,
    plan: pd.DataFrame | None = None,
    later_weeks: int = 0,
) -> Truth:
    """Write a company into the new folder `to`; the same seed gives the same company.

    Args:
        to: folder of the source.
        customers: number of customers.
        weeks: length of the log.
        seed: of the parameters and of all events.
        null: texts cause nothing.
        text_effects: how many times as far apart the texts are as usual.
        plan: the texts of the later weeks: plan_id, customer_id, send_at (UTC; null: none), variant (null: any). They
            are sent to whoever is still subscribed, and nobody gets any other text.
        later_weeks: how many weeks follow the log, which is the same with and without them.

    Returns:
        The truth, of which nothing is written.
    """
    world = draw_world(seed, null, text_effects)
    company = Company(world, make_plan(world, weeks, later_weeks), customers)
    company.run()
    sent = {name: np.concatenate([part[name] for part in company.sent]) for name in company.sent[0]}
    every, later, plan_ids = sent, None, None
    if plan is not None:
        texts, names = _read_plan(plan, customers)
        weekly, organic = company.go_on(texts)
        later = _later_orders(company, weekly, organic)
        parts = [{**sent, "plan": np.full(len(sent["at"]), -1)}, *weekly]
        every = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        plan_ids = np.array([*names, None], object)[every["plan"]]
    messages = _messages(company, every)
    if plan_ids is not None:
        messages["plan_id"] = plan_ids
    campaigns = messages.groupby("campaign_id", as_index=False).agg(started_at=("sent_at", "min"))
    campaigns = campaigns.assign(name=campaigns["campaign_id"], objective="sales")
    creatives = messages[["campaign_id", "variant"]].drop_duplicates().sort_values(["campaign_id", "variant"])
    creatives = creatives.assign(
        text=[TEXTS[name][1] for name in creatives["variant"]],
        content_type=[TEXTS[name][0] for name in creatives["variant"]],
    )
    to.mkdir(parents=True)
    tables = {"customers": _customers(company), "orders": _orders(company, sent, later), "messages": messages,
              "campaigns": campaigns, "creatives": creatives, **_experiments(company)}  # fmt: skip
    for name, frame in tables.items():
        frame.to_parquet(to / f"{name}.parquet", index=False)
    (to / "source.yml").write_text(
        f"title: Maison Nord, a company of the second simulator\nsimulated: true\ncurrency: EUR\ntimezone: {ZONES[0]}\n"
        f"margin: {world.margin}\n",
        encoding="utf-8",
    )
    return truth_of(company)


def truth_of(company: Company) -> Truth:
    """The truth of a company that has run."""
    people: People = company.people
    subscribed = people.consents & (company.opted_out >= company.end) & (company.arm["holdout"] != 1)
    return Truth(company.world, company.plan, people, subscribed, _ids(np.arange(len(people))), company.arm)
