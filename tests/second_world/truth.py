"""The truth of a company of the second simulator, in closed form and customer by customer.

A policy sends d texts a week (of a fraction: each week the next smaller or larger number, at random), on different days
from Monday to Saturday. Of a customer who still reads texts,

    m = Σ_j stays_j · (delivered · P(click on the j-th text) · convert · profit of an order − cost of a text)
    h = 1 − Π_j (1 − delivered · P(opt-out after the j-th text))
    V = m / (1 − (1 − h)(1 − c) / (1 + δ))

where stays_j is the probability of not having opted out after an earlier text of the week, c the weekly loss for other
reasons (those lost in silence and those who withdraw consent of themselves) and δ the weekly discount rate. An order
that is only moved forward brings nothing. Texts to those already lost cost money until, at the rate c, their numbers
are given up. The value of a group is the mean over its members, never the value of a mean member.
"""

from dataclasses import dataclass, field
from functools import cached_property
from math import comb

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tests.second_world.plan import Plan
from tests.second_world.world import (
    CLASSES,
    CREATIVES,
    DAYS,
    DELIVERED,
    GRID,
    MOST_TEXTS,
    TRIED_HOURS,
    People,
    World,
)

__all__ = ["Truth", "Value"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Value:
    """The truth of one or several policies: (customers,) or (customers, policies)."""

    profit: Floats
    """m: incremental profit after message cost, per subscriber and week."""
    opt_out: Floats
    """h: opt-outs that the texts cause, per subscriber and week."""
    loss: Floats
    """c: lost for other reasons, per subscriber and week."""
    long_run: Floats
    """V: long-run value of a subscriber."""

    def mean(self, labels: NDArray[np.str_], who: NDArray[np.bool_], name: str = "long_run") -> pd.DataFrame:
        """Mean of a field by label, and for `all`, over the customers in `who`: one column for each policy."""
        values = getattr(self, name)
        frame = pd.DataFrame(values[who] if values.ndim > 1 else values[who, None])
        return pd.concat([frame.groupby(labels[who]).mean(), frame.mean().to_frame("all").T])


def _days_of_text(dose: int, position: int) -> Floats:
    """(7,): how likely the j-th of d texts on different random days falls on each weekday."""
    found = [comb(day, position) * comb(DAYS - 1 - day, dose - 1 - position) / comb(DAYS, dose) for day in range(DAYS)]
    return np.array([*found, *(0.0,) * (7 - DAYS)])


@dataclass(frozen=True)
class Truth:
    """A company's parameters, people and calendar, and what follows from them."""

    world: World
    plan: Plan
    people: People
    subscribed: NDArray[np.bool_]
    """Has consented and not withdrawn when the log ends, and is not held out."""
    ids: NDArray[np.str_]
    """customer_id of each."""
    assigned: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    """Key of an experiment → number of each customer's arm; −1 for those not in it."""

    @cached_property
    def classes(self) -> NDArray[np.str_]:
        """The class of each customer."""
        return np.array(CLASSES)[self.people.kind]

    @cached_property
    def _click_effects(self) -> Floats:
        return self.world.click_effects()

    @property
    def last_day(self) -> int:
        """The last day of the log, or of the weeks after it."""
        return self.plan.days - 1

    def reads(self, day: int | None = None) -> NDArray[np.bool_]:
        """Who is not lost on a day; None: when the log ends."""
        return np.asarray(self.people.lost_on > (self.last_day if day is None else day))

    # --- one text ----------------------------------------------------------------------------------------------------

    def click_rate(
        self, hours: Floats, days: Floats, creatives: Floats, position: int = 0, day: int | None = None
    ) -> Floats:
        """(customers,): expected clicks per delivered message.

        Args:
            hours: (24,), how likely each local hour is.
            days: (7,), how likely each weekday is.
            creatives: (creatives,), how likely each text is.
            position: how many texts came before it in the same week.
            day: on which those already lost do not click; None: the last of the log.
        """
        weight = hours[:, None, None] * days[:, None] * creatives
        used = weight > 0
        rate = np.empty(len(self.people))
        for kind in range(len(CLASSES)):
            own = self.people.kind == kind
            effect = self._click_effects[kind][used] * (position + 1.0) ** -self.world.wear[kind]
            # equal effects need one exponential only
            effects, of = np.unique(effect, return_inverse=True)
            weights = np.bincount(of, weight[used])
            rate[own] = -np.expm1(-self.people.click[own, None] * effects) @ weights
        return np.where(self.reads(day), rate, 0.0)

    def opt_out_rate(self, hours: Floats, creatives: Floats, position: int = 0, day: int | None = None) -> Floats:
        """(customers,): expected opt-outs per delivered message; arguments as of `click_rate`."""
        weight = hours[:, None] * creatives
        used = weight > 0
        effects, of = np.unique(self.world.annoyance_effects()[used], return_inverse=True)
        hazard = self.people.leave * self.world.annoyance[self.people.kind, position]
        rate = -np.expm1(-hazard[:, None] * effects) @ np.bincount(of, weight[used])
        return np.where(self.reads(day), rate, 0.0)

    def clicks_by_window(
        self, windows: tuple[tuple[int, int], ...], weekday: int | None = None, dose: int = 2
    ) -> Floats:
        """(customers, windows): expected clicks per delivered message at `dose` texts a week, by any text.

        Args:
            windows: local hours, half-open; every hour of a window is equally likely.
            weekday: 0 (Monday) to 5; None: days at random.
            dose: how many texts a week, on different days.
        """
        anything = np.full(len(CREATIVES), 1 / len(CREATIVES))
        columns = []
        for first, end in windows:
            rates = []
            for position in range(dose):
                days = _days_of_text(dose, position) if weekday is None else np.eye(7)[weekday]
                rates.append(self.click_rate(_spread(range(first, end)), days, anything, position))
            columns.append(np.mean(rates, axis=0))
        return np.column_stack(columns)

    # --- policies ----------------------------------------------------------------------------------------------------

    @cached_property
    def loss(self) -> Floats:
        """(customers,): c, weekly loss for other reasons than texts."""
        return -np.expm1(-(self.people.loss + self.people.withdraw))

    @cached_property
    def profit_per_click(self) -> Floats:
        """(customers,): expected profit of the orders that a click causes."""
        world = self.world
        return self.people.convert * world.margin * world.order_mean[self.people.kind]

    def long_run(self, profit: Floats, opt_out: Floats) -> Floats:
        """V from m and h, each (customers,) or (customers, policies)."""
        loss = self.loss if profit.ndim == 1 else self.loss[:, None]
        return np.asarray(profit / (1 - (1 - opt_out) * (1 - loss) / (1 + self.world.weekly_discount)))

    def value(
        self, doses: tuple[float, ...] = GRID, hours: tuple[int, ...] | Floats = TRIED_HOURS,
        creative: int | None = None, day: int | None = None,
    ) -> Value:  # fmt: skip
        """The truth of sending a constant number of texts a week.

        Args:
            doses: texts a week.
            hours: local hours, each equally likely; or (24,), how likely each is.
            creative: number in `CREATIVES`; None: any, equally likely.
            day: on which it begins; None: the day after the last.
        """
        texts = np.full(len(CREATIVES), 1 / len(CREATIVES)) if creative is None else np.eye(len(CREATIVES))[creative]
        at = hours if isinstance(hours, np.ndarray) else _spread(hours)
        whole = {0: (np.zeros(len(self.people)), np.zeros(len(self.people)))}
        for n in {int(f(d)) for d in doses for f in (np.floor, np.ceil)} - {0}:
            plan = [(at, _days_of_text(n, position), texts) for position in range(n)]
            whole[n] = self._week(plan, day)
        columns = []
        for dose in doses:
            low, share = int(dose), float(dose % 1)
            both = [(1 - share) * a + share * b for a, b in zip(whole[low], whole[int(np.ceil(dose))], strict=True)]
            columns.append(both)
        profit, opt_out = (np.column_stack([column[k] for column in columns]) for k in (0, 1))
        return Value(profit, opt_out, self.loss, self.long_run(profit, opt_out))

    def value_of(self, hour: NDArray[np.int64], dose: Floats, creative: NDArray[np.int64], width: int = 2) -> Value:
        """The truth of a policy that differs between customers.

        Args:
            hour: (customers,), first local hour of the window.
            dose: (customers,), texts a week.
            creative: (customers,), number in `CREATIVES`; −1: any.
            width: hours of a window.
        """
        profit, opt_out = np.zeros(len(self.people)), np.zeros(len(self.people))
        cases = pd.DataFrame({"hour": hour, "dose": dose, "creative": creative})
        for (first, texts, creative_number), rows in cases.groupby(["hour", "dose", "creative"]).groups.items():
            one = None if creative_number < 0 else int(creative_number)
            found = self.value((float(texts),), tuple(range(int(first), int(first) + width)), one)
            at = np.asarray(rows)
            profit[at], opt_out[at] = found.profit[at, 0], found.opt_out[at, 0]
        return Value(profit, opt_out, self.loss, self.long_run(profit, opt_out))

    def value_of_texts(
        self, customer: Ints, week: Ints, weekday: Ints, hour: Ints, creative: Ints, weeks: int
    ) -> Value:
        """The truth of sending these texts, over and over; arrays have one entry for each text.

        Args:
            customer: row of `people`.
            week: 0 to `weeks` − 1.
            weekday: 0 (Monday) to 6, at most one text a day.
            hour: local hour.
            creative: number in `CREATIVES`; −1: any, equally likely.
            weeks: after how many weeks the texts are sent again.
        """
        world, n = self.world, len(self.people)
        order = np.lexsort((weekday, week, customer))
        who, week, day, hour, text = (each[order] for each in (customer, week, weekday, hour, creative))
        of_week = who * weeks + week
        position = np.arange(len(who)) - np.searchsorted(of_week, of_week)
        kind, people = self.people.kind[who], self.people
        clicks, leaves = (np.zeros(len(who)) for _ in range(2))
        annoyance = world.annoyance[kind, np.minimum(position, MOST_TEXTS - 1)]
        for each in range(len(CREATIVES)):
            share = np.where(text < 0, 1 / len(CREATIVES), text == each)
            effect = self._click_effects[kind, hour, day, each] * (position + 1.0) ** -world.wear[kind]
            clicks += share * -np.expm1(-people.click[who] * effect)
            hazard = people.leave[who] * annoyance * world.annoyance_effects()[hour, each]
            leaves += share * -np.expm1(-hazard)
        reads = self.reads()[who]
        gain = DELIVERED * reads * clicks * self.profit_per_click[who] - world.cost
        stays, profit = np.ones(n * weeks), np.zeros(n * weeks)
        for place in range(int(position.max(initial=-1)) + 1):
            here = position == place
            profit[of_week[here]] += stays[of_week[here]] * gain[here]
            stays[of_week[here]] *= 1 - (DELIVERED * reads * leaves)[here]
        weekly, opt_out = profit.reshape(n, weeks).mean(axis=1), 1 - stays.reshape(n, weeks).mean(axis=1)
        return Value(weekly, opt_out, self.loss, self.long_run(weekly, opt_out))

    def practice(self, weeks: int = 8, creative: int | None = None) -> Value:
        """The truth of going on with the campaigns of the last weeks of the log, over and over.

        Args:
            weeks: how many of them.
            creative: sent by every campaign; None: the one each had.
        """
        found = [self._practice_week(week, creative) for week in range(self.plan.weeks - weeks, self.plan.weeks)]
        profit, opt_out = (np.mean([each[k] for each in found], axis=0) for k in (0, 1))
        return Value(profit, opt_out, self.loss, self.long_run(profit, opt_out))

    def practice_hours(self, weeks: int = 8) -> Floats:
        """(customers, 24): share of the practice's texts of the last weeks at each local hour."""
        by_zone = np.zeros((self.plan.hours.shape[2], 24))
        for zone, own in enumerate(np.moveaxis(self.plan.hours[-weeks:], 2, 0)):
            by_zone[zone] = np.bincount(own.ravel(), minlength=24) / own.size
        return by_zone[self.people.zone]

    def _practice_week(self, week: int, creative: int | None) -> tuple[Floats, Floats]:
        profit, opt_out = np.zeros(len(self.people)), np.zeros(len(self.people))
        for zone in range(self.plan.hours.shape[2]):
            plan = []
            for at, slot in enumerate(self.world.slots):
                text = int(self.plan.creatives[week, at]) if creative is None else creative
                plan.append((np.eye(24)[self.plan.hours[week, at, zone]], np.eye(7)[slot.weekday],
                             np.eye(len(CREATIVES))[text]))  # fmt: skip
            own = self.people.zone == zone
            found = self._week(plan, None)
            profit[own], opt_out[own] = found[0][own], found[1][own]
        return profit, opt_out

    def _week(self, plan: list[tuple[Floats, Floats, Floats]], day: int | None) -> tuple[Floats, Floats]:
        """m and h (customers,) of a week's texts, each given by how likely hours, weekdays and creatives are."""
        assert len(plan) <= MOST_TEXTS
        stays, profit = np.ones(len(self.people)), np.zeros(len(self.people))
        for position, (hours, days, creatives) in enumerate(plan):
            clicks = DELIVERED * self.click_rate(hours, days, creatives, position, day)
            profit += stays * (clicks * self.profit_per_click - self.world.cost)
            stays = stays * (1 - DELIVERED * self.opt_out_rate(hours, creatives, position, day))
        return profit, 1 - stays


def _spread(hours: range | tuple[int, ...]) -> Floats:
    """(24,): equally likely hours."""
    found = np.zeros(24)
    found[list(hours)] = 1 / len(hours)
    return found
