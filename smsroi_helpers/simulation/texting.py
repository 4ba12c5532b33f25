"""The messages of a simulated company, week by week, and their outcomes.

Each week a customer is in one regime: today's practice, an arm of an experiment, or the plan. The order of the random
draws is part of the result: the same seed gives the same bytes.
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
    Customers,
    Flags,
    Floats,
    Ints,
    SimulatedExperiment,
)
from smsroi_helpers.simulation.ground_truth import CREATIVES, FREQUENCIES, HOURS, SEGMENTS

__all__ = [
    "Assignments",
    "Columns",
    "Texting",
    "draw_messages",
]

Columns = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Assignments:
    """Assignments of customers by experiment: arm number (−1 if not assigned), and day of assignment (or `NEVER`)."""

    arm: dict[str, Ints]
    day: dict[str, Ints]
    role: Ints
    """Number in `PLAN_ROLES`; −1 if not in the plan."""


def draw_messages(
    company: Company, customers: Customers, organic: tuple[Ints, Ints], rng: np.random.Generator
) -> tuple[Columns, Assignments, Ints, Columns]:
    """Draw all messages. Return messages, assignments, the day each subscription ends, and the counts of the practice.

    Messages are columns of equal length: customer, day, second (of the recipient's day), variant, delivered, responded,
    clicked, scanned, replied, opted_out, buys, plan. The practice is counted by segment: customer_weeks, messages, and
    the expected profit and opt_outs of its messages.
    """
    return Texting(company, customers, organic, rng).run()


# Regimes of a week.
_PRACTICE, _FREQUENCY, _TIMING, _PLAN, _EXPLORE, _SILENT = range(6)

_TESTED = np.array([[c.variant for c in CREATIVES].index(variant) for variant in TESTED_CREATIVES])
_INTERACTIVE = np.array([c.content_type == "interactive" for c in CREATIVES])
_SET_BITS = np.array([bin(mask).count("1") for mask in range(128)])
"""Number of days in a mask of seven bits."""


@dataclass(frozen=True)
class _Week:
    """The planned messages of one week."""

    number: int
    regime: Ints
    days: Flags
    """(customers, 7)."""
    hour: Ints
    """−1: drawn at random for each message."""
    text_arm: Ints
    """Number in `TESTED_CREATIVES`; −1 for either of the week's two texts."""


@dataclass(frozen=True)
class _Probabilities:
    """Probabilities of the outcomes of each message of a day."""

    response: Floats
    opt_out: Floats


class Texting:
    """Simulates the weeks of one chunk of customers: `run` the log, then `send_planned` on each later day."""

    def __init__(
        self, company: Company, customers: Customers, organic: tuple[Ints, Ints], rng: np.random.Generator
    ) -> None:
        self._company, self._customers, self._organic, self._rng = company, customers, organic, rng
        world = company.world
        n = len(customers.number)
        self._attention, self._opting_out = world.attention_logit(), world.opt_out_logit()
        self._buys, self._order_profit = world.buys_more(), world.order_profit()

        subscription_end = (
            customers.consented
            + (7 * rng.exponential(1.0, n) / world.weekly_loss[customers.segment]).astype(np.int64)
            + 1
        )
        self.subscription_end: Ints = np.where(customers.consented == NEVER, NEVER, subscription_end)
        """Day on which each subscription ends."""
        self._last_order = customers.joined.copy()
        order_weeks = organic[1] // 7
        self._by_week = np.argsort(order_weeks, kind="stable")
        self._week_starts = np.searchsorted(order_weeks[self._by_week], np.arange(company.weeks + 1))
        self._caused_orders: list[list[tuple[Ints, Ints]]] = [[] for _ in range(company.weeks + 3)]
        """Caused orders (customer, day), by week; the company uses them when it plans the next week."""

        self.arm: dict[str, Ints] = {kind: np.full(n, -1) for kind in company.experiments}
        self.assigned_on: dict[str, Ints] = {kind: np.full(n, NEVER) for kind in company.experiments}
        self.role: Ints = np.full(n, -1)
        slot = rng.random(n)
        self._in_slot = {"frequency": slot < 0.45, "timing": (slot >= 0.45) & (slot < 0.9), "content": slot >= 0.3}
        self._fixed_days = rng.random((n, 7)).argsort(axis=1).argsort(axis=1)
        self._recent = np.zeros(n, np.int64)
        """Days of the last week with a message, as bits; the lowest bit is today."""
        self.practice: Columns = {
            name: np.zeros(len(SEGMENTS)) for name in ("customer_weeks", "messages", "profit", "opt_outs")
        }
        self.sent_by_day: list[Columns] = []
        """Messages of each day."""

    def run(self) -> tuple[Columns, Assignments, Ints, Columns]:
        """Draw the messages of the log; see `draw_messages`."""
        for week in range(self._company.weeks):
            self.run_week(week)
        sent = {name: np.concatenate([of_day[name] for of_day in self.sent_by_day]) for name in self.sent_by_day[0]}
        return sent, Assignments(self.arm, self.assigned_on, self.role), self.subscription_end, self.practice

    def send_planned(self, day: int, planned: Columns, rng: np.random.Generator) -> Columns:
        """Send the texts that a plan decided for one day to those who are subscribed, and draw their outcomes.

        Args:
            day: a day after the log; every day has its call, also one without texts.
            planned: customer, second (of the recipient's day) and variant (−1: either of the week's two), at most one
                text for each customer.
            rng: of this day or week.

        Returns:
            The messages as of `draw_messages`, with `position`: their place in `planned`.
        """
        self._rng = rng
        self._recent = (self._recent << 1) & 127
        customer = planned["customer"]
        subscribed = (self._customers.consented[customer] < day) & (self.subscription_end[customer] > day)
        position = np.flatnonzero(subscribed)
        customer, second = customer[position], planned["second"][position]
        either = self._company.pairs[day // 7][rng.integers(0, 2, len(planned["customer"]))]
        creative = np.where(planned["variant"] < 0, either, planned["variant"])[position]
        recent_texts = _SET_BITS[self._recent[customer] >> 1]
        self._recent[customer] |= 1
        hour = second // 3600
        probabilities = self._probabilities(day, customer, hour, creative, recent_texts)
        sent = self._draw_outcomes(np.ones(len(customer), bool), day, customer, hour, creative, probabilities)
        self.subscription_end[customer[sent["opted_out"]]] = day
        return sent | {"second": second, "position": position}

    def run_week(self, week: int) -> None:
        """Assign customers, plan and send messages, and update the last orders."""
        first = 7 * week
        subscribed = (self._customers.consented < first) & (self.subscription_end >= first)
        self._assign_customers(week, subscribed)
        planned = self._plan_week(week, self._assign_regimes(week, subscribed))
        counted = self._customers.segment[planned.regime == _PRACTICE]
        self.practice["customer_weeks"] += np.bincount(counted, minlength=len(SEGMENTS))
        for day in range(first, first + 7):
            self._recent = (self._recent << 1) & 127
            customer = np.flatnonzero(planned.days[:, day - first] & (self.subscription_end > day))
            if len(customer):
                self._send(planned, day, customer)
        self._update_last_orders(week)

    def _assign_customers(self, week: int, subscribed: Flags) -> None:
        """Assign customers to experiments and to roles of the plan."""
        experiments, first = self._company.experiments, 7 * week
        if week >= experiments["holdout"].first_week:
            new = subscribed & (self.arm["holdout"] < 0)
            self.arm["holdout"] = np.where(new, self._draw_arms(experiments["holdout"], new), self.arm["holdout"])
            self.assigned_on["holdout"][new] = first
        assignable = subscribed & (self.arm["holdout"] != 1)
        for kind in ("frequency", "timing", "content"):
            if week == experiments[kind].first_week:
                eligible = assignable & self._in_slot[kind] & ((kind != "content") | (self.arm["frequency"] < 0))
                self.arm[kind] = self._draw_arms(experiments[kind], eligible)
                self.assigned_on[kind][eligible] = first
        if week == self._company.weeks - PLAN_WEEKS:
            roles = self._rng.choice(3, len(assignable), p=[share for _, share in PLAN_ROLES])
            self.role = np.where(assignable, roles, -1)

    def _draw_arms(self, experiment: SimulatedExperiment, eligible: Flags) -> Ints:
        shares = [arm.share for arm in experiment.arms]
        return np.where(eligible, self._rng.choice(len(shares), len(eligible), p=shares), -1)

    def _assign_regimes(self, week: int, subscribed: Flags) -> Ints:
        """Return the regime of each customer for this week."""
        regime = np.full(len(subscribed), _PRACTICE)
        for kind, regime_number in (("timing", _TIMING), ("frequency", _FREQUENCY)):
            experiment = self._company.experiments[kind]
            if experiment.first_week <= week < experiment.first_week + experiment.weeks:
                regime[self.arm[kind] >= 0] = regime_number
        regime[self.role == 0], regime[self.role == 1] = _PLAN, _EXPLORE
        regime[~subscribed | (self.arm["holdout"] == 1) | (self.role == 2)] = _SILENT
        return regime

    def _plan_week(self, week: int, regime: Ints) -> _Week:
        """Plan the week: number of messages, days, hour and arm of the text test for each customer."""
        n = len(regime)
        frequency, evening = self._practice_frequency(week)
        frequency = np.select(
            [regime == regime_number for regime_number in (_FREQUENCY, _TIMING, _PLAN, _EXPLORE, _SILENT)],
            [
                np.array(FREQUENCIES)[self.arm["frequency"]],
                2,
                1,
                np.array(FREQUENCIES)[self._rng.integers(0, len(FREQUENCIES), n)],
                0,
            ],
            frequency,
        )
        hour = np.select(
            [regime == regime_number for regime_number in (_FREQUENCY, _TIMING, _PLAN, _EXPLORE)],
            [-1, np.array(HOURS)[self.arm["timing"]], PLAN_HOUR, -1],
            self._practice_hour(7 * week, evening),
        )
        shuffled = self._rng.random((n, 7)).argsort(axis=1).argsort(axis=1)
        days = np.where((regime == _FREQUENCY)[:, None], self._fixed_days, shuffled) < frequency[:, None]
        content = self._company.experiments["content"]
        running = week < content.first_week + content.weeks
        return _Week(week, regime, days, hour, self.arm["content"] if running else np.full(n, -1))

    def _practice_frequency(self, week: int) -> tuple[Ints, Flags]:
        """Today's practice: recent buyers get more messages, and more often in the evening."""
        n = len(self._last_order)
        since = 7 * week - self._last_order
        mean_frequency = np.select([since < 14, since < 42, since < 91], [3, 2, 1], self._rng.integers(0, 2, n))
        evening = self._rng.random(n) < np.where(mean_frequency >= 2, 0.85, 0.2)
        return np.clip(mean_frequency + self._rng.choice(3, n, p=(0.2, 0.6, 0.2)) - 1, 0, 5), evening

    def _practice_hour(self, day: int, evening: Flags) -> Ints:
        """Today's practice: about 19:00 local time, or the market's bulk send at 9:00 of its first zone."""
        offsets, zone = self._company.offsets, self._customers.zone
        blast = 9 + (offsets[zone, day] - offsets[ZONE_HEAD[zone], day]) // 3600
        return np.where(evening, 19, blast) + self._rng.integers(-1, 2, len(zone))

    def _send(self, week: _Week, day: int, customer: Ints) -> None:
        """Send the messages of one day, and draw their outcomes."""
        recent_texts = _SET_BITS[self._recent[customer] >> 1]
        self._recent[customer] |= 1
        hour = np.where(week.hour[customer] < 0, self._rng.choice(HOURS, len(customer)), week.hour[customer])
        creative = self._choose_creatives(week, customer)
        probabilities = self._probabilities(day, customer, hour, creative, recent_texts)
        regime = week.regime[customer]
        planned = (regime == _PLAN) | (regime == _EXPLORE)
        messages_of_day = self._draw_outcomes(planned, day, customer, hour, creative, probabilities)
        self.subscription_end[customer[messages_of_day["opted_out"]]] = day
        self.sent_by_day.append(messages_of_day)
        self._count_practice(week, customer, creative, probabilities)
        buyers = customer[messages_of_day["buys"]]
        self._caused_orders[week.number + 1].append((buyers, np.full(len(buyers), day + 1)))

    def _choose_creatives(self, week: _Week, customer: Ints) -> Ints:
        """Choose one of the week's two texts, that of the arm, or any text while exploring."""
        creative = self._company.pairs[week.number][self._rng.integers(0, 2, len(customer))]
        in_text_test = week.text_arm[customer] >= 0
        creative[in_text_test] = _TESTED[week.text_arm[customer][in_text_test]]
        return np.where(
            week.regime[customer] == _EXPLORE, self._rng.integers(0, len(CREATIVES), len(customer)), creative
        )

    def _probabilities(
        self, day: int, customer: Ints, hour: Ints, creative: Ints, recent_texts: Ints
    ) -> _Probabilities:
        """Return the probabilities of `ground_truth`; `recent_texts`: messages of the six days before."""
        world, customers = self._company.world, self._customers
        s = customers.segment[customer]
        attention = self._attention[s, customers.hour_shift[customer], hour, day % 7, creative]
        response = expit(attention - world.fatigue[s] * recent_texts)
        response *= customers.responsiveness[customer]
        return _Probabilities(
            response, expit(self._opting_out[s, hour, creative] + world.opt_out_fatigue[s] * recent_texts)
        )

    def _draw_outcomes(
        self, planned: Flags, day: int, customer: Ints, hour: Ints, creative: Ints, probabilities: _Probabilities
    ) -> Columns:
        """Return the messages of the day as columns."""
        world, customers, rng, n = self._company.world, self._customers, self._rng, len(customer)
        s = customers.segment[customer]
        delivered = ~customers.bad_number[customer] & (rng.random(n) >= world.not_delivered)
        responded = delivered & (rng.random(n) < probabilities.response)
        opted_out = delivered & (rng.random(n) < probabilities.opt_out)
        return {
            "customer": customer,
            "day": np.full(n, day),
            "second": hour * 3600 + rng.integers(0, 3600, n),
            "variant": creative,
            "delivered": delivered,
            "responded": responded,
            "clicked": responded & (rng.random(n) < world.click_share[s]),
            "scanned": delivered & customers.scanner[customer] & (rng.random(n) < 0.6),
            "replied": responded & _INTERACTIVE[creative] & (rng.random(n) < 0.3),
            "opted_out": opted_out,
            "buys": responded & (rng.random(n) < self._buys[s, creative]),
            "plan": planned,
        }

    def _count_practice(self, week: _Week, customer: Ints, creative: Ints, probabilities: _Probabilities) -> None:
        """Add the expected outcomes of the practice's messages of the day."""
        world, customers = self._company.world, self._customers
        s = customers.segment[customer]
        in_practice = week.regime[customer] == _PRACTICE
        delivery_probability = ~customers.bad_number[customer] * (1 - world.not_delivered)
        gain = delivery_probability * probabilities.response * self._buys[s, creative] * self._order_profit[s, creative]
        gain = gain - world.costs[creative, customers.market[customer]]
        for name, values in (
            ("messages", 1.0 * in_practice),
            ("profit", gain * in_practice),
            ("opt_outs", delivery_probability * probabilities.opt_out * in_practice),
        ):
            self.practice[name] += np.bincount(s, values, minlength=len(SEGMENTS))

    def _update_last_orders(self, week: int) -> None:
        """Update the last order of each customer, for the plan of the next week."""
        rows = self._by_week[self._week_starts[week] : self._week_starts[week + 1]]
        for buyers, bought_on in [(self._organic[0][rows], self._organic[1][rows]), *self._caused_orders[week + 1]]:
            np.maximum.at(self._last_order, buyers, bought_on)
