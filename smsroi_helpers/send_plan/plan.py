"""The plan of the coming weeks: learn, choose, value, schedule."""

import functools
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from smsroi_helpers import measures
from smsroi_helpers.cltv import LOSS_RATES, find_natural_loss
from smsroi_helpers.errors import NotEnoughData, UsageError
from smsroi_helpers.experiments import replicate_click_value
from smsroi_helpers.send_plan.cells import Cells, count_cells
from smsroi_helpers.send_plan.customer_types import CustomerTypes, find_types
from smsroi_helpers.send_plan.evidence import Evidence, collect_evidence
from smsroi_helpers.send_plan.groupings import find_groupings
from smsroi_helpers.send_plan.lever_checks import LeverCheck, check_levers
from smsroi_helpers.send_plan.limited_plan import LimitedPlan, Limits, PlanInputs, divide, limit_plan
from smsroi_helpers.send_plan.policy import Economics
from smsroi_helpers.send_plan.schedule import Calendar, Exploration, Roles, plan_calendar, write_messages
from smsroi_helpers.send_plan.text_choice import TextChoice, compare_texts
from smsroi_helpers.send_plan.today import Audience, Today, count_audience, count_today, find_audience, share_untested
from smsroi_helpers.send_plan.valuation import Candidate, Design, value_candidate
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import FEW_EVENTS, Floats, weekly_rate

__all__ = ["SendPlan", "make_plan"]

_LOSS_DRAWS = 512
_STEP = 0.5
"""Texts a week are chosen in halves."""


@dataclass(frozen=True)
class SendPlan:
    """A plan, with what it rests on."""

    shop: Shop
    types: CustomerTypes
    evidence: Evidence
    audience: Audience
    candidates: tuple[Candidate, ...]
    chosen: Candidate
    levers: tuple[LeverCheck, ...]
    """What each lever's test alone says of the plan."""
    design: Design
    calendar: Calendar
    roles: Roles
    exploration: Exploration
    actions: pd.DataFrame
    """Of `policy_rows`."""
    assigned: ir.Table
    """Of `divide_customers`."""
    messages: ir.Table
    """Of `write_messages`: the table `send_plan`."""
    inputs: PlanInputs
    fitted: tuple[Candidate, ...]
    """The candidates without a budget."""
    limits: Limits
    limited: LimitedPlan
    """The plan within these limits, on cells."""

    @property
    def unlimited(self) -> Candidate:
        """The chosen candidate as it was fitted, without limits."""
        return next(each for each in self.fitted if each.name == self.chosen.name)

    @property
    def customers(self) -> int:
        """In the plan's audience, whatever their role."""
        return int(self.chosen.today.customers.sum())

    @functools.cached_property
    def text_choice(self) -> TextChoice | None:
        """What other texts would be worth; None where the plan sends none, or only one was tried."""
        return compare_texts(self.chosen, self.design.doses.tolist(), self.evidence.creatives)

    @functools.cached_property
    def untested_share(self) -> float:
        """Of `share_untested`."""
        return share_untested(self.evidence, self.audience.practice)

    def in_role(self, role: str) -> int:
        """Customers of the audience in a role, counted; whom the plan decides for are in the role `plan`."""
        counted = self.assigned.group_by("role").aggregate(n=self.assigned.count()).order_by("role")
        return int(self.shop.count(counted).set_index("role")["n"].get(role, 0))

    @property
    def left_out(self) -> pd.DataFrame:
        """reason, customers: with those in the plan, everybody known."""
        return self.audience.left_out

    @property
    def known(self) -> int:
        """Everybody known on the last day."""
        return int(self.left_out["customers"].sum())

    @property
    def gains(self) -> bool:
        """Whether the interval of plan − today lies above 0."""
        return self.chosen.gain.low > 0


def make_plan(
    shop: Shop,
    *,
    horizon_weeks: int = 4,
    explore_share: float = 0.10,
    holdout_share: float = 0.05,
    max_per_week: float = 4.0,
    practice_weeks: int = measures.PRACTICE_WEEKS,
    yearly_discount: float = 0.1,
    own_hours: str = "",
    channel: str = "",
    budget: float = 0.0,
    capacity_per_hour: int = 0,
) -> SendPlan:
    """Whom to text in the coming weeks, when, how often and with what, and what that is worth.

    Args:
        shop: the company.
        horizon_weeks: how long the plan is.
        explore_share: share (0–1) of those not held out whose frequency, hour and text are drawn at random.
        holdout_share: share (0–1) of the audience that gets nothing, to measure the plan.
        max_per_week: the frequency cap.
        practice_weeks: complete weeks that are called today.
        yearly_discount: the yearly discount rate.
        own_hours: the sender's own allowed hours (`9-18`).
        channel: of the texts.
        budget: money for all texts of the plan's weeks; 0: none.
        capacity_per_hour: texts that the gateway sends in an hour; 0: no limit.

    Raises:
        NotEnoughData: no valid test of frequencies, hence nothing to plan by.
        UsageError: a budget, and the source does not say what texts cost.
    """
    if budget and not measures.knows_cost(shop):
        raise UsageError(
            f"budget={budget:g} needs the cost of a text; add the column messages.cost, or message_cost to source.yml"
        )
    types = find_types(shop)
    practice = measures.find_practice(shop, practice_weeks, channel)
    evidence = collect_evidence(shop, types, practice)
    groupings = find_groupings(types, evidence.codes["code"], evidence.codes["customers"].to_numpy(float), shop.seed)
    audience = find_audience(evidence, types, practice, own_hours)
    today = count_today(evidence, types, audience, groupings)
    cells = count_cells(evidence, groupings)
    _check_size(cells[0], today[0])
    design = _design(shop, evidence, audience, horizon_weeks, max_per_week, yearly_discount)
    candidates = tuple(value_candidate(each, now, design) for each, now in zip(cells, today, strict=True))
    calendar = plan_calendar(shop, horizon_weeks)
    roles, customers = Roles.of_shares(holdout_share, explore_share), count_audience(evidence, audience)
    inputs = PlanInputs(shop, evidence, audience, calendar, roles, customers)
    limits = Limits(budget, capacity_per_hour)
    limited = limit_plan(inputs, candidates, design, limits)
    divided = divide(inputs, limited, ranked=limits.capacity_per_hour > 0)
    messages = write_messages(
        divided, limited.slots, limited.actions, limited.exploration, calendar, evidence.channel,
        profile_names(limited.chosen),
    )  # fmt: skip
    return SendPlan(
        shop, types, evidence, audience, limited.candidates, limited.chosen, check_levers(limited.chosen, design),
        design, calendar, limited.roles, limited.exploration, limited.actions, divided, shop.keep(messages),
        inputs, candidates, limits, limited,
    )  # fmt: skip


def _check_size(cells: Cells, today: Today) -> None:
    if not today.customers.sum():
        raise NotEnoughData("No customer may be texted on the last day, so there is nobody to plan for.")
    clicks = int(cells.clicks_by_dose.events.sum())
    if clicks < FEW_EVENTS:
        raise NotEnoughData(
            "The tests of frequencies have {clicks} clicks; a plan needs at least {n}.", clicks=clicks, n=FEW_EVENTS
        )
    if not np.isfinite(replicate_click_value(cells.click_value)).all():
        raise NotEnoughData(
            "The tests do not say clearly what a click brings, so a plan cannot be valued. A larger or longer test of"
            " frequencies would; page 05 plans one."
        )


def profile_names(chosen: Candidate) -> list[str]:
    """The class that most of each profile's customers are likely in."""
    grouping = chosen.cells.grouping
    return [grouping.class_names[int(k)] for k in grouping.membership.argmax(axis=1)]


def _design(
    shop: Shop, evidence: Evidence, audience: Audience, weeks: int, most: float, yearly_discount: float
) -> Design:
    loss = find_natural_loss(shop, evidence.channel)["all"].draw("all", _LOSS_DRAWS, np.random.default_rng(shop.seed))
    top = min(max(evidence.doses), most)
    doses = np.arange(0.0, top + 1e-9, _STEP)
    economics = Economics(
        evidence.windows, _costs(shop, evidence), LOSS_RATES, loss, weekly_rate(yearly_discount), weeks, top
    )
    windows, texts = _frequency_mix(evidence)
    return Design(evidence.doses, doses, windows, texts, economics, audience.masks)


def _frequency_mix(evidence: Evidence) -> tuple[Floats, Floats]:
    """Shares of the frequency tests' texts in each window and of each text; equal where none is in any."""
    shop, rows = evidence.shop, evidence.texts.filter(evidence.texts.kind == "frequency")
    hours = shop.count(rows.group_by("hour").aggregate(n=rows.count()).order_by("hour"))
    texts = shop.count(rows.group_by("variant").aggregate(n=rows.count()).order_by("variant"))
    by_hour = np.bincount(hours["hour"].to_numpy(int), hours["n"].to_numpy(float), 24)
    window = np.array([by_hour[start:end].sum() for start, end in evidence.windows])
    text = texts.set_index("variant")["n"].reindex(list(evidence.creatives)).fillna(0.0).to_numpy(float)
    return _as_shares(window), _as_shares(text)


def _as_shares(counts: Floats) -> Floats:
    return np.asarray(counts / counts.sum() if counts.sum() else np.ones(len(counts)) / max(len(counts), 1))


def _costs(shop: Shop, evidence: Evidence) -> Floats:
    """(C,): mean cost of each text; that of all where it is not known; 0 where costs are not known at all."""
    sends = measures.every_send(shop).filter(ibis._.channel == evidence.channel)
    found = shop.count(sends.group_by("variant").aggregate(cost=sends.cost.mean(), n=sends.count()).order_by("variant"))
    known = found.dropna(subset=["cost"])
    usual = float(np.average(known["cost"], weights=known["n"])) if len(known) else 0.0
    of_text = known.dropna(subset=["variant"]).set_index("variant")["cost"]
    return of_text.reindex(list(evidence.creatives)).fillna(usual).to_numpy(float)
