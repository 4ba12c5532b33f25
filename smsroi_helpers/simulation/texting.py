"""What a simulated company texts its customers, week by week, and what comes of each message.

Each customer's week follows one of the ways of texting below: today's practice, an arm of an experiment, or the plan.
The order of the random draws is part of the result: the same seed gives the same bytes.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from smsroi_helpers.simulation.behaviour import (
    NEVER,
    PLAN_HOUR,
    PLAN_ROLES,
    PLAN_WEEKS,
    TESTED_CREATIVES,
    ZONE_HEAD,
    Company,
    CompanyExperiment,
    Flags,
    Floats,
    Ints,
    People,
)
from smsroi_helpers.simulation.ground_truth import CREATIVES, DOSES, HOURS, SEGMENTS

__all__ = [
    "Assigned",
    "Drawn",
    "draw_messages",
]

Drawn = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Assigned:
    """Who was put where: arm numbers, −1 for nobody's; the day of assignment, or never."""

    arm: dict[str, Ints]
    day: dict[str, Ints]
    role: Ints
    """Number in `PLAN_ROLES`, −1 before the plan or outside it."""


def draw_messages(
    company: Company, people: People, own: tuple[Ints, Ints], rng: np.random.Generator
) -> tuple[Drawn, Assigned, Ints, Drawn]:
    """The company's weeks of texting: messages, assignments, the day each subscription ended, and today's practice.

    Messages are columns of equal length: who, day, second (of the recipient's day), variant, delivered, heeded,
    clicked, scanned, replied, left, buys, plan. The practice is counted by segment: customer_weeks, messages, profit
    and opt_outs, as expected when each message went out.
    """
    texting = _Texting(company, people, own, rng)
    for week in range(company.weeks):
        texting.pass_week(week)
    sent = {name: np.concatenate([today[name] for today in texting.found]) for name in texting.found[0]}
    return sent, Assigned(texting.arm, texting.assigned_on, texting.role), texting.lost, texting.practice


# What a week's texting follows: the first that holds.
_PRACTICE, _FREQUENCY, _TIMING, _PLAN, _EXPLORE, _SILENT = range(6)

_TESTED = np.array([[c.variant for c in CREATIVES].index(variant) for variant in TESTED_CREATIVES])
_INTERACTIVE = np.array([c.content_type == "interactive" for c in CREATIVES])
_SET_BITS = np.array([bin(mask).count("1") for mask in range(128)])
"""How many days of a week are marked in a mask of seven bits."""


@dataclass(frozen=True)
class _Week:
    """What each customer is to be sent in one week."""

    number: int
    follows: Ints
    days: Flags
    """(customers, 7)."""
    hour: Ints
    """−1: another at random for each message."""
    text_arm: Ints
    """Number in `TESTED_CREATIVES`, −1 for who gets either of the week's two texts."""


@dataclass(frozen=True)
class _Chances:
    """What each message of a day is likely to do."""

    heeding: Floats
    leaving: Floats


class _Texting:
    """One chunk of customers on their way through the weeks."""

    def __init__(self, company: Company, people: People, own: tuple[Ints, Ints], rng: np.random.Generator) -> None:
        self._company, self._people, self._own, self._rng = company, people, own, rng
        world = company.world
        n = len(people.number)
        self._attention, self._opting_out = world.attention_logit(), world.opt_out_logit()
        self._buys, self._order_profit = world.buys_more(), world.order_profit()

        lost = people.consented + (7 * rng.exponential(1.0, n) / world.weekly_loss[people.segment]).astype(np.int64) + 1
        self.lost: Ints = np.where(people.consented == NEVER, NEVER, lost)
        """The day on which each stops being a subscriber."""
        self._last_order = people.joined.copy()
        order_weeks = own[1] // 7
        self._by_week = np.argsort(order_weeks, kind="stable")
        self._week_starts = np.searchsorted(order_weeks[self._by_week], np.arange(company.weeks + 1))
        self._caused: list[list[tuple[Ints, Ints]]] = [[] for _ in range(company.weeks + 3)]
        """Who bought because of a message, and when, by the week before the company sees it."""

        self.arm: dict[str, Ints] = {kind: np.full(n, -1) for kind in company.experiments}
        self.assigned_on: dict[str, Ints] = {kind: np.full(n, NEVER) for kind in company.experiments}
        self.role: Ints = np.full(n, -1)
        slot = rng.random(n)
        self._in_slot = {"frequency": slot < 0.45, "timing": (slot >= 0.45) & (slot < 0.9), "content": slot >= 0.3}
        self._steady_days = rng.random((n, 7)).argsort(axis=1).argsort(axis=1)
        self._recent = np.zeros(n, np.int64)
        """The days of the last week with a message, as bits; today is the lowest."""
        self.practice: Drawn = {
            name: np.zeros(len(SEGMENTS)) for name in ("customer_weeks", "messages", "profit", "opt_outs")
        }
        self.found: list[Drawn] = []
        """The messages of each day."""

    def pass_week(self, week: int) -> None:
        """Assign, plan, send, and see who bought."""
        first = 7 * week
        subscribed = (self._people.consented < first) & (self.lost >= first)
        self._assign_customers(week, subscribed)
        planned = self._plan_week(week, self._follow(week, subscribed))
        counted = self._people.segment[planned.follows == _PRACTICE]
        self.practice["customer_weeks"] += np.bincount(counted, minlength=len(SEGMENTS))
        for day in range(first, first + 7):
            self._recent = (self._recent << 1) & 127
            who = np.flatnonzero(planned.days[:, day - first] & (self.lost > day))
            if len(who):
                self._send(planned, day, who)
        self._see_orders(week)

    def _assign_customers(self, week: int, subscribed: Flags) -> None:
        """Who is put into which experiment this week, and into which part of the plan."""
        experiments, first = self._company.experiments, 7 * week
        if week >= experiments["holdout"].first_week:
            new = subscribed & (self.arm["holdout"] < 0)
            self.arm["holdout"] = np.where(new, self._draw_arms(experiments["holdout"], new), self.arm["holdout"])
            self.assigned_on["holdout"][new] = first
        free = subscribed & (self.arm["holdout"] != 1)
        for kind in ("frequency", "timing", "content"):
            if week == experiments[kind].first_week:
                eligible = free & self._in_slot[kind] & ((kind != "content") | (self.arm["frequency"] < 0))
                self.arm[kind] = self._draw_arms(experiments[kind], eligible)
                self.assigned_on[kind][eligible] = first
        if week == self._company.weeks - PLAN_WEEKS:
            roles = self._rng.choice(3, len(free), p=[share for _, share in PLAN_ROLES])
            self.role = np.where(free, roles, -1)

    def _draw_arms(self, experiment: CompanyExperiment, eligible: Flags) -> Ints:
        shares = [arm.share for arm in experiment.arms]
        return np.where(eligible, self._rng.choice(len(shares), len(eligible), p=shares), -1)

    def _follow(self, week: int, subscribed: Flags) -> Ints:
        """What each customer's texting follows this week."""
        follows = np.full(len(subscribed), _PRACTICE)
        for kind, what in (("timing", _TIMING), ("frequency", _FREQUENCY)):
            experiment = self._company.experiments[kind]
            if experiment.first_week <= week < experiment.first_week + experiment.weeks:
                follows[self.arm[kind] >= 0] = what
        follows[self.role == 0], follows[self.role == 1] = _PLAN, _EXPLORE
        follows[~subscribed | (self.arm["holdout"] == 1) | (self.role == 2)] = _SILENT
        return follows

    def _plan_week(self, week: int, follows: Ints) -> _Week:
        """How many messages each is to get this week, on which days, at which hour, of which arm of the text test."""
        n = len(follows)
        frequency, evening = self._practice_frequency(week)
        frequency = np.select(
            [follows == what for what in (_FREQUENCY, _TIMING, _PLAN, _EXPLORE, _SILENT)],
            [
                np.array(DOSES)[self.arm["frequency"]],
                2,
                1,
                np.array(DOSES)[self._rng.integers(0, len(DOSES), n)],
                0,
            ],
            frequency,
        )
        hour = np.select(
            [follows == what for what in (_FREQUENCY, _TIMING, _PLAN, _EXPLORE)],
            [-1, np.array(HOURS)[self.arm["timing"]], PLAN_HOUR, -1],
            self._practice_hour(7 * week, evening),
        )
        shuffled = self._rng.random((n, 7)).argsort(axis=1).argsort(axis=1)
        days = np.where((follows == _FREQUENCY)[:, None], self._steady_days, shuffled) < frequency[:, None]
        content = self._company.experiments["content"]
        running = week < content.first_week + content.weeks
        return _Week(week, follows, days, hour, self.arm["content"] if running else np.full(n, -1))

    def _practice_frequency(self, week: int) -> tuple[Ints, Flags]:
        """Today's practice: who bought lately gets more messages, and more often in the evening."""
        n = len(self._last_order)
        since = 7 * week - self._last_order
        usual = np.select([since < 14, since < 42, since < 91], [3, 2, 1], self._rng.integers(0, 2, n))
        evening = self._rng.random(n) < np.where(usual >= 2, 0.85, 0.2)
        return np.clip(usual + self._rng.choice(3, n, p=(0.2, 0.6, 0.2)) - 1, 0, 5), evening

    def _practice_hour(self, day: int, evening: Flags) -> Ints:
        """Today's practice: about 19 h of the recipient's, or with the market's blast at 9 h of its first zone."""
        offsets, zone = self._company.offsets, self._people.zone
        blast = 9 + (offsets[zone, day] - offsets[ZONE_HEAD[zone], day]) // 3600
        return np.where(evening, 19, blast) + self._rng.integers(-1, 2, len(zone))

    def _send(self, week: _Week, day: int, who: Ints) -> None:
        """One day's messages, and what comes of them."""
        before = _SET_BITS[self._recent[who] >> 1]
        self._recent[who] |= 1
        hour = np.where(week.hour[who] < 0, self._rng.choice(HOURS, len(who)), week.hour[who])
        text = self._choose_texts(week, who)
        chances = self._chances(day, who, hour, text, before)
        today = self._draw_outcomes(week, day, who, hour, text, chances)
        self.lost[who[today["left"]]] = day
        self.found.append(today)
        self._count_practice(week, who, text, chances)
        bought = who[today["buys"]]
        self._caused[week.number + 1].append((bought, np.full(len(bought), day + 1)))

    def _choose_texts(self, week: _Week, who: Ints) -> Ints:
        """One of the week's two texts, the arm's, or any while exploring."""
        text = self._company.pairs[week.number][self._rng.integers(0, 2, len(who))]
        tested = week.text_arm[who] >= 0
        text[tested] = _TESTED[week.text_arm[who][tested]]
        return np.where(week.follows[who] == _EXPLORE, self._rng.integers(0, len(CREATIVES), len(who)), text)

    def _chances(self, day: int, who: Ints, hour: Ints, text: Ints, before: Ints) -> _Chances:
        """As `ground_truth` says; `before`: messages of the six days before."""
        world, people = self._company.world, self._people
        s = people.segment[who]
        attention = self._attention[s, people.hour_shift[who], hour, day % 7, text]
        heeding = expit(attention - world.fatigue[s] * before)
        heeding *= people.responsiveness[who]
        return _Chances(heeding, expit(self._opting_out[s, hour, text] + world.opt_out_fatigue[s] * before))

    def _draw_outcomes(self, week: _Week, day: int, who: Ints, hour: Ints, text: Ints, chances: _Chances) -> Drawn:
        """The day's messages as columns."""
        world, people, rng, n = self._company.world, self._people, self._rng, len(who)
        s, follows = people.segment[who], week.follows[who]
        delivered = ~people.bad_number[who] & (rng.random(n) >= world.not_delivered)
        heeded = delivered & (rng.random(n) < chances.heeding)
        left = delivered & (rng.random(n) < chances.leaving)
        return {
            "who": who,
            "day": np.full(n, day),
            "second": hour * 3600 + rng.integers(0, 3600, n),
            "variant": text,
            "delivered": delivered,
            "heeded": heeded,
            "clicked": heeded & (rng.random(n) < world.click_share[s]),
            "scanned": delivered & people.scanner[who] & (rng.random(n) < 0.6),
            "replied": heeded & _INTERACTIVE[text] & (rng.random(n) < 0.3),
            "left": left,
            "buys": heeded & (rng.random(n) < self._buys[s, text]),
            "plan": (follows == _PLAN) | (follows == _EXPLORE),
        }

    def _count_practice(self, week: _Week, who: Ints, text: Ints, chances: _Chances) -> None:
        """Add what the day's messages of today's practice are expected to do."""
        world, people = self._company.world, self._people
        s = people.segment[who]
        by_habit = week.follows[who] == _PRACTICE
        arrives = ~people.bad_number[who] * (1 - world.not_delivered)
        gain = arrives * chances.heeding * self._buys[s, text] * self._order_profit[s, text]
        gain = gain - world.costs[text, people.market[who]]
        for name, values in (
            ("messages", 1.0 * by_habit),
            ("profit", gain * by_habit),
            ("opt_outs", arrives * chances.leaving * by_habit),
        ):
            self.practice[name] += np.bincount(s, values, minlength=len(SEGMENTS))

    def _see_orders(self, week: int) -> None:
        """Who has bought lately, as the company sees it when it plans the next week."""
        rows = self._by_week[self._week_starts[week] : self._week_starts[week + 1]]
        for buyers, bought_on in [(self._own[0][rows], self._own[1][rows]), *self._caused[week + 1]]:
            np.maximum.at(self._last_order, buyers, bought_on)
