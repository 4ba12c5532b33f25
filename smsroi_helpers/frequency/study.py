"""The frequency test, its validity and effects, and today's practice in the log."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from smsroi_helpers import experiments
from smsroi_helpers.cltv import find_natural_loss
from smsroi_helpers.errors import NotEnoughData
from smsroi_helpers.experiments import ClickValue, Experiment, Validity, count_assigned, count_late
from smsroi_helpers.frequency import counts
from smsroi_helpers.frequency.arms import estimate_arms
from smsroi_helpers.frequency.carried import Carried, carry_cells, without_covariates
from smsroi_helpers.frequency.counts import ALL
from smsroi_helpers.frequency.dose_response import FEWEST_IN_ARM, DoseResponseFit, fit_response
from smsroi_helpers.frequency.lifetime import summarise_draws
from smsroi_helpers.frequency.observational import estimate_steps
from smsroi_helpers.frequency.recent_counts import count_recent
from smsroi_helpers.frequency.todays_level import carry_recent
from smsroi_helpers.measures import (
    PRACTICE_WEEKS,
    Practice,
    choose_channel,
    find_practice,
    knows_cost,
    last_sending_day,
)
from smsroi_helpers.segmentation import count_subscribers, find_covariates, find_cuts, resolve, segment_order
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import weekly_rate

__all__ = [
    "Logs",
    "NoTest",
    "Study",
    "analyse",
    "compare_steps_with_test",
    "count_exclusions",
    "in_order",
    "read_logs",
]

NoTest = Literal["", "no_experiments", "nobody_assigned", "no_frequency_test", "clustered", "broken", "no_messages"]
"""Why there is no frequency test to analyse: the source has no experiments; no customer has been assigned to one; none
randomised the frequency; the frequency test is broken; its messages are not known. Empty where there is one."""


@dataclass(frozen=True)
class Logs:
    """Today's practice and the observational estimates, from the log."""

    practice: Practice
    """The weeks that are called today."""
    today: pd.DataFrame
    """Of `counts.count_today`."""
    before_plan: pd.DataFrame
    """As `today`, of the weeks before the plan that today's messages follow; empty without one."""
    audience: pd.DataFrame
    """Of `counts.count_audience`."""
    log_weeks: counts.LogWeeks
    weeks: pd.DataFrame
    """Of `counts.count_log_weeks`: what observational estimates use."""
    sampled: float
    """Share (0–1) of customers who are in `weeks`."""
    steps: pd.DataFrame
    """Of `observational.estimate_steps`."""
    overlap: pd.DataFrame

    def subscribed(self, name: str, by: str = "segment") -> float:
        """Subscribers of a group at the end of the last day observed who may be texted."""
        rows = self.audience
        return float(rows["customers"].sum() if name == ALL else rows.loc[rows[by] == name, "customers"].sum())


@dataclass(frozen=True)
class Study:
    """All results on texts per week."""

    channel: str
    experiment: Experiment | None
    validity: Validity | None
    no_test: NoTest
    texts_per_week: dict[str, float]
    """Arm → planned texts a week."""
    cells: pd.DataFrame
    arms: pd.DataFrame
    """Of `arms.estimate_arms`."""
    fit: DoseResponseFit | None
    stages: DoseResponseFit | None
    """As `fit`, by lifecycle stage."""
    logs: Logs
    segment_by: str
    discount: float
    """Weekly."""
    cost_known: bool = True
    """Whether the source says what messages cost."""
    click: ClickValue | None = None
    """The run's one value of a click; it does not enter the profit of a frequency, which is measured on orders."""
    carried: Carried | None = None
    """The test's cells weighted by today's subscribers of each segment; None without a fit."""
    carried_stages: Carried | None = None
    """As `carried`, by lifecycle stage."""
    schedules: pd.DataFrame = dataclasses.field(default_factory=pd.DataFrame)
    """Of `counts.count_schedules`, for the tested frequencies; empty where today's practice is not known."""

    def overlap(self, name: str, by: str = "segment") -> float:
        """Share (0–1) of today's subscribers of a group (or `all`) whom the test's members cover."""
        carried = self.carried if by == "segment" else self.carried_stages
        return 1.0 if carried is None else carried.transport.overlap(name)

    @property
    def opt_outs_known(self) -> bool:
        """Whether the source records opt-outs; without them no long-run value is known."""
        own = self.cells[self.cells["consenting"] == 1] if len(self.cells) else self.cells
        return bool(len(own) and own["consent_known"].sum())

    @property
    def sound(self) -> bool:
        """Whether there is a frequency test whose split is not broken."""
        return self.experiment is not None and self.validity is not None and not self.validity.broken


def in_order(study: Study, names: Sequence[str], by: str = "segment") -> list[str]:
    """Groups in the order of display: `all` first, then by `segment_order`."""
    rest = [name for name in names if name != ALL]
    return [ALL, *segment_order(study.segment_by if by == "segment" else "lifecycle_stage", rest)]


def count_exclusions(study: Study) -> list[tuple[Literal["assigned", "late", "no_consent"], int, int]]:
    """Customers of the test, by step: out, and left. 0 where there is no test."""
    test = study.experiment
    late = count_late(test) if test is not None else 0
    every = late + int(count_assigned(test)) if test is not None else 0
    consented = study.cells["consenting"] == 1
    out, left = (int(study.cells.loc[chosen, "n"].sum()) for chosen in (~consented, consented))
    return [("assigned", 0, every), ("late", late, every - late), ("no_consent", out, left)]


# --- reading ---------------------------------------------------------------------------------------------------------


def read_logs(shop: Shop, channel: str, segment_by: str, practice_weeks: int, log_weeks: int, ending: str = "") -> Logs:
    """Read today's practice, and estimate the observational effects in the log.

    Args:
        shop: the company.
        channel: of the messages counted; empty where the source has none.
        segment_by: as for `segmentation.segments`.
        practice_weeks: how many complete weeks up to the last day observed are today's practice.
        log_weeks: how many weeks of the log observational estimates use.
        ending: as for `counts.count_audience`.
    """
    cuts = find_cuts(shop)
    practice = find_practice(shop, practice_weeks, channel)
    of_log = counts.find_log_weeks(shop, log_weeks)
    none = pd.DataFrame()
    if not channel:
        empty = pd.DataFrame(columns=["segment", "stage", "outside", "texts", "customers"])
        return Logs(practice, none, none, empty, of_log, none, 0.0, *estimate_steps(none))
    today = counts.count_today(shop, practice, segment_by, cuts)
    before = practice.before_plan
    earlier = none if before is None else counts.count_today(shop, before, segment_by, cuts)
    audience = counts.count_audience(shop, practice, segment_by, cuts, ending)
    weeks, sampled = counts.count_log_weeks(shop, of_log, segment_by, channel, cuts)
    return Logs(practice, today, earlier, audience, of_log, weeks, sampled, *estimate_steps(weeks, shop.seed))


def analyse(
    shop: Shop,
    rng: np.random.Generator,
    *,
    segment_by: str = "rfm_group",
    yearly_discount: float = 0.1,
    practice_weeks: int = PRACTICE_WEEKS,
    log_weeks: int = 26,
    channel: str = "",
) -> Study:
    """Find the frequency test, check its validity, fit it, and read today's practice from the log.

    Args:
        shop: the company.
        rng: of the posterior's draws.
        segment_by: as for `segmentation.segments`.
        yearly_discount: the yearly discount rate (0.1 = 10 %).
        practice_weeks: how many complete weeks up to the last day observed are today's practice.
        log_weeks: how many weeks of the log observational estimates use.
        channel: of the messages counted; empty for `sms`, or where there is none the most used one.

    Raises:
        UsageError: the source has no messages of the channel.
        NotEnoughData: the source has neither messages nor assignments to experiments.
    """
    discount = weekly_rate(yearly_discount)
    channel = choose_channel(shop, channel)
    if not channel and not shop.has("assignments"):
        raise NotEnoughData("The source has no messages and no experiments, so texts per week cannot be analysed.")
    experiment, validity, no_test = _find_experiment(shop)
    ending = "" if experiment is None else experiment.name
    logs = read_logs(shop, channel, segment_by, practice_weeks, log_weeks, ending)
    none = pd.DataFrame()
    nothing = Study(
        channel, experiment, validity, no_test, {}, none, none, None, None, logs, segment_by, discount,
        knows_cost(shop) or not shop.has("messages"), experiments.find_click_value(shop),
    )  # fmt: skip
    if experiment is None or validity is None or validity.broken or not channel:
        return nothing
    doses = _texts_per_week(experiment)
    cuts = find_cuts(shop)
    covariates = find_covariates(shop, cuts, experiment.started, channel)
    by_covariates = counts.count_arms(shop, experiment, segment_by, channel, cuts, covariates)
    cells = without_covariates(by_covariates)
    consenting = cells[cells["consenting"] == 1].groupby("arm")["n"].sum().reindex(list(doses)).fillna(0)
    found = dataclasses.replace(nothing, texts_per_week=doses, cells=cells, arms=estimate_arms(cells, doses))
    if 0.0 not in doses.values() or consenting.min() < 2 or len(set(doses.values())) < 2:
        return found
    today = counts.count_schedules(shop, logs.practice, segment_by, cuts, sorted(set(doses.values())))
    found = dataclasses.replace(found, schedules=today)
    groups = {"segment": segment_by, "stage": "lifecycle_stage"}
    losses = find_natural_loss(shop, channel, groups, cuts)
    untexted = counts.count_untexted(shop, channel)

    carried, recent = {}, {}
    latest = find_covariates(shop, cuts, logs.practice.first_day, channel)
    # Weeks before the test, where it has everybody, say nothing of today's level.
    now_known = logs.practice.last_day == last_sending_day(shop, channel)
    lately = count_recent(shop, logs.practice, segment_by, cuts, latest) if now_known else none
    for by, grouping in (("segment", segment_by), ("stage", "lifecycle_stage")):
        segmentation = resolve(shop, grouping, cuts=cuts)
        members_today = count_subscribers(shop, segmentation, covariates)
        carried[by] = carry_cells(by_covariates, members_today, by, FEWEST_IN_ARM)
        now = count_subscribers(shop, segmentation, latest)
        recent[by] = carry_recent(lately, now, by)

    def fit_by(by: str) -> DoseResponseFit:
        return fit_response(cells, doses, discount, rng, loss=losses[by], untexted=untexted, by=by, carried=carried[by],
                            recent=recent[by])  # fmt: skip

    fit = fit_by("segment")
    stages = fit if segment_by == "lifecycle_stage" else fit_by("stage")
    return dataclasses.replace(found, fit=fit, stages=stages, carried=carried["segment"],
                               carried_stages=carried["stage"])  # fmt: skip


def _texts_per_week(experiment: Experiment) -> dict[str, float]:
    """Arm → planned texts a week."""
    return {arm: float(experiment.plan.loc[arm, "messages_per_week"]) for arm in experiment.arms}


def _find_experiment(shop: Shop) -> tuple[Experiment | None, Validity | None, NoTest]:
    """The frequency test with most customers, its validity, and why there is none."""
    if not all(shop.has(name) for name in ("experiments", "arms", "assignments")):
        return None, None, "no_experiments"
    try:
        checked = experiments.check_experiments(shop, clustered=True)
    except NotEnoughData:
        return None, None, "nobody_assigned"
    tests = [
        (each, validity)
        for each, validity in checked
        if each.kind == "frequency"
        and "messages_per_week" in each.plan.columns
        and each.plan["messages_per_week"].reindex(list(each.arms)).notna().all()
    ]
    if not tests:
        return None, None, "no_frequency_test"
    tests = [test for test in tests if not test[0].clustered]
    if not tests:
        return None, None, "clustered"
    found, validity = max(tests, key=lambda test: test[0].customers.sum())
    return found, validity, "broken" if validity.broken else "" if shop.has("messages") else "no_messages"


# --- beside the log --------------------------------------------------------------------------------------------------


def compare_steps_with_test(study: Study) -> pd.DataFrame:
    """The log's estimate of each further text a week (`observational.estimate_steps`) beside the test's.

    Returns:
        The log's steps with test, test_low, test_high: profit before message cost per subscribed customer and week;
        NaN without a test. test_clear: whether the log's raw interval lies entirely above the test's. left_out: share
        (0–1) of the customer-weeks that lack overlap; NaN without any.
    """
    steps, fit = study.logs.steps, study.fit
    steps = steps.assign(left_out=steps["trimmed"] / (steps["kept"] + steps["trimmed"])) if len(steps) else steps
    if fit is None or not len(steps):
        return steps.assign(test=np.nan, test_low=np.nan, test_high=np.nan, test_clear=False)
    gross = fit.gross[0]
    shown = [
        summarise_draws(gross[fit.grid_index(more)] - gross[fit.grid_index(fewer)])
        for fewer, more in zip(steps["fewer"], steps["more"], strict=True)
    ]
    compared = steps.assign(**dict(zip(("test", "test_low", "test_high"), np.transpose(shown), strict=True)))
    return compared.assign(test_clear=compared["raw_low"] > compared["test_high"])
