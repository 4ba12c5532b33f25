"""Evaluate every experiment of the source: validity (`experiments.check`), `effects` and `decision_rule`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd

from smsroi_helpers import experiments
from smsroi_helpers.ab_test.click_profit import (
    Prices,
    Weights,
    WhyNotPriced,
    contradicted,
    customer_weights,
    find_prices,
    measure_click_profit,
    why_not_priced,
)
from smsroi_helpers.ab_test.decision_rule import ExperimentDecision, adjust_p, decide_experiment
from smsroi_helpers.ab_test.effects import ALL, CLICK_PROFIT, ArmEffect, ArmEffects, compare_segments, measure_effects
from smsroi_helpers.ab_test.left_alone import PooledSegments, contrast_segments, pool_segments
from smsroi_helpers.ab_test.pre_period import Reduction, measure_reduction
from smsroi_helpers.ab_test.priced_difference import measure_with_opt_outs
from smsroi_helpers.ab_test.uplift import Ranking, adjust_rules, outcome_of, rank_customers, read_customers
from smsroi_helpers.experiments import Experiment, Validity
from smsroi_helpers.segmentation import resolve
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import ALPHA, false_alarms

__all__ = [
    "DecidedIn",
    "Evaluated",
    "FalseAlarms",
    "analyse",
    "differ_by_segment",
    "locate_broken_days",
    "map_overlaps",
    "pool_tests",
    "rank_responders",
    "results_table",
    "simulate_daily_looks",
]


DecidedIn = Literal["ab_test", "timing", "frequency", "content"]


@dataclass(frozen=True)
class Evaluated:
    """One experiment with its validity, effects and decision."""

    experiment: Experiment
    validity: Validity
    effects: ArmEffects
    """Empty if the experiment is broken."""
    decision: ExperimentDecision
    decided_in: DecidedIn = "ab_test"
    """The stage that gives the answer: hours in `timing`, texts per week in `frequency`, texts in `content`."""
    prices: Prices | None = None
    """What a click and a subscriber are worth, of the whole run."""
    not_priced: WhyNotPriced = "kind"
    """Why profit was not computed from clicks; empty if it was."""
    contrasts: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Of `left_alone.contrast_segments`: the effect of texts by segment; empty where every arm is texted."""
    reduction: Reduction | None = None
    """By pre-period columns; None without any, where the experiment is broken, or where the deciding metric is a
    ratio."""

    @property
    def likeliest_best(self) -> tuple[ArmEffect, ...]:
        """Every arm including the control, in the deciding metric, by probability of being best."""
        own = [self.effects.find(self.decision.metric, arm) for arm in self.experiment.arms]
        known = [row for row in own if row is not None]
        return tuple(sorted(known, key=lambda row: -np.nan_to_num(row.probability_best, nan=-1.0)))


def analyse(
    shop: Shop,
    *,
    smallest_gain: float = 0.0,
    opt_out_margin: float = 0.002,
    segment_by: str = "rfm_group",
    yearly_discount: float = 0.1,
    pre_period_columns: Sequence[str] = (),
) -> list[Evaluated]:
    """Check, measure and decide every experiment of the source.

    Args:
        shop: the company.
        smallest_gain: profit per customer and week below which a change is not worth making (money).
        opt_out_margin: the largest acceptable increase of the weekly opt-out rate (share of customers, 0–1).
        segment_by: as `segmentation.resolve` takes it; segments are those of `experiments.label_when_assigned`.
        yearly_discount: discount rate for the value of a subscriber.
        pre_period_columns: numeric columns attr_… of customers, known before the assignment by the analyst's statement,
            by which effects over all customers are adjusted.

    Raises:
        UsageError: such a column is missing or not numeric.
    """
    found = experiments.check_experiments(shop, clustered=True)
    counted = experiments.count_outcomes(shop, pre_period=pre_period_columns)
    by_segment = experiments.count_by_segment(
        shop, resolve(shop, segment_by).label, ("profit", "order_rate", "opt_out_rate")
    )
    prices = find_prices(shop, yearly_discount)
    every = []
    for experiment, validity in found:
        effects, not_priced = ArmEffects(experiment.control), why_not_priced(experiment, counted, prices)
        own = by_segment[by_segment["experiment_id"] == experiment.name]
        if not validity.broken:
            effects, not_priced = _measure(experiment, validity, counted, own, prices, not_priced)
        decision = decide_experiment(
            experiment, validity, effects, smallest_gain=smallest_gain, opt_out_margin=opt_out_margin,
            subscriber=prices.subscriber.value if prices.subscriber.known else None,
        )  # fmt: skip
        every.append(Evaluated(
            experiment, validity, effects, decision, _decided_in(shop, experiment), prices, not_priced,
            contrast_segments(experiment, validity, own),
            measure_reduction(experiment, effects, counted, decision.metric, pre_period_columns),
        ))  # fmt: skip
    return every


def _measure(
    experiment: Experiment, validity: Validity, counted: pd.DataFrame, by_segment: pd.DataFrame, prices: Prices,
    not_priced: WhyNotPriced,
) -> tuple[ArmEffects, WhyNotPriced]:  # fmt: skip
    """The effects over all customers and by segment, and why profit was not computed from clicks.

    Where it was not, but opt-outs have a price, profit as measured less that of opt-outs takes its place.
    """
    segments = [(str(name), cells) for name, cells in by_segment.groupby("segment")]
    parts = [
        measure_effects(experiment, counted),
        *(measure_effects(experiment, cells, ("profit", "order_rate"), segment=name) for name, cells in segments),
    ]
    if not not_priced:
        parts += [
            measure_click_profit(experiment, counted, prices),
            *(measure_click_profit(experiment, cells, prices, name) for name, cells in segments),
        ]
    effects = ArmEffects(experiment.control, tuple(row for part in parts for row in part))
    if not not_priced and contradicted(effects, experiment.treated):
        effects = ArmEffects(experiment.control, tuple(row for row in effects if row.metric != CLICK_PROFIT))
        not_priced = "contradicted"
    priced = prices.subscriber.known and validity.control_treated_too
    if not_priced not in ("", "kind") and priced:
        parts = [
            measure_with_opt_outs(experiment, cells, prices.subscriber.value, name)
            for name, cells in ((ALL, counted), *segments)
        ]
        effects = ArmEffects(experiment.control, effects.rows + tuple(row for part in parts for row in part))
    return adjust_p(experiment, effects), not_priced


def _decided_in(shop: Shop, experiment: Experiment) -> DecidedIn:
    """The stage whose question the experiment answers, if that stage can read it.

    `content` decides by the rule of this stage; `timing` and `frequency` have rules of their own, without clusters.
    """
    plan = experiment.plan.reindex(list(experiment.arms))
    if not shop.has("messages"):
        return "ab_test"
    if experiment.kind == "content" and shop.has("creatives"):
        return "content"
    if experiment.clustered:
        return "ab_test"
    if experiment.kind == "timing" and {"hour_start", "hour_end"} <= set(plan.columns):
        return "ab_test" if plan[["hour_start", "hour_end"]].isna().any(axis=None) else "timing"
    if experiment.kind == "frequency" and "messages_per_week" in plan.columns:
        return "ab_test" if plan["messages_per_week"].isna().any() else "frequency"
    return "ab_test"


def map_overlaps(shop: Shop, evaluated: Sequence[Evaluated]) -> pd.DataFrame:
    """Customers in two of the experiments at once: see `experiments.check_overlaps`."""
    return experiments.check_overlaps(experiments.count_overlaps(shop), [each.experiment for each in evaluated])


def locate_broken_days(evaluated: Sequence[Evaluated]) -> pd.DataFrame:
    """The days of assignment on which a broken split deviates, at most twenty per experiment.

    Returns:
        experiment_id, and the columns of `experiments.locate_split`; `name` is the day.
    """
    parts = []
    for each in evaluated:
        if each.validity.split.broken:
            units = each.experiment.randomised
            cells = units.assign(name=pd.to_datetime(units["day"]).dt.date)
            found = experiments.locate_split(cells, each.experiment)
            parts.append(found[found["adjusted_p"] < ALPHA].head(20).assign(experiment_id=each.experiment.name))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def differ_by_segment(evaluated: Evaluated, metric: str = "") -> pd.DataFrame:
    """Test whether effects on the deciding metric differ between segments: see `effects.compare_segments`.

    No rows where clusters were assigned: segments that share clusters are not independent, as the test takes them.
    """
    arms = () if evaluated.experiment.clustered else evaluated.experiment.treated
    return compare_segments(evaluated.effects, arms, metric or evaluated.decision.metric)


def pool_tests(evaluated: Sequence[Evaluated]) -> PooledSegments:
    """The effect of texts by segment over all tests with an arm that is not texted: see `left_alone`."""
    return pool_segments([each.contrasts for each in evaluated])


def rank_responders(shop: Shop, evaluated: Sequence[Evaluated], rng: np.random.Generator) -> list[Ranking]:
    """Rank customers by expected effect in the deciding metric, for every arm of each valid experiment.

    Left out are tests of hours and of texts per week, which `timing` and `frequency` decide by segment, and experiments
    that assigned clusters: rankings are learned and valued with customers as units. Rankings are made of past
    purchases: there are none in a source without orders.

    Args:
        shop: the company.
        evaluated: of `analyse`.
        rng: of the forests and of ties.
    """
    if not shop.has("orders"):
        return []
    found = []
    for each in evaluated:
        experiment, metric = each.experiment, each.decision.metric
        if each.validity.broken or each.decided_in in ("timing", "frequency") or experiment.clustered:
            continue
        information = experiment.information if experiment.state == "running" else None
        for arm in experiment.treated:
            row = each.effects.find(metric, arm)
            if row is None or not np.isfinite(row.low):
                continue
            rows = read_customers(shop, experiment.name, (experiment.control, arm))
            weights = _weights(shop, each, arm)
            itself = metric == CLICK_PROFIT and weights is None  # other discounts, or clicks without a price
            outcome = outcome_of(rows, "profit" if itself else metric, weights)
            if outcome is None:
                continue
            ranking = rank_customers(rows, experiment.name, arm, rng, outcome, information)
            if ranking is not None:
                found.append(ranking)
    return adjust_rules(found)


def _weights(shop: Shop, each: Evaluated, arm: str) -> Weights | None:
    if each.decision.metric != CLICK_PROFIT or each.prices is None or each.not_priced:
        return None
    return customer_weights(each.experiment, experiments.count_outcomes(shop), each.prices, arm)


@dataclass(frozen=True)
class FalseAlarms:
    """Share (0–1) of simulated experiments without an effect whose interval excludes 0 on some day."""

    days: int
    fixed: float
    """With the fixed interval for a single look."""
    always_valid: float
    """With the always-valid interval."""
    level: float = ALPHA
    """The upper bound that the always-valid interval guarantees."""


def simulate_daily_looks(rng: np.random.Generator, days: int = 30) -> FalseAlarms:
    """The false-alarm rate of daily looks with either interval, by simulation: see `statistics.false_alarms`."""
    return FalseAlarms(days, *false_alarms(days, rng))


# --- the saved table -------------------------------------------------------------------------------------------------

_WORDS = (
    "experiment_id", "metric", "segment", "arm", "correction", "decision", "decided_in", "evidence", "kind", "state",
    "method", "reason",
)  # fmt: skip
_COLUMNS = (
    "experiment_id", "metric", "segment", "arm", "customers", "events", "mean", "difference", "low", "high",
    "relative", "p_value", "always_valid_low", "always_valid_high", "adjusted_p", "correction", "probability_best",
    "expected_loss", "srm_p", "decision", "decided_in", "evidence", "relative_low", "relative_high", "always_valid_p",
    "standard_error", "df", "unadjusted_difference", "unadjusted_low", "unadjusted_high", "method", "reason", "kind",
    "state", "weeks", "units", "design_effect",
)  # fmt: skip


def _decision_of(each: Evaluated, arm: str, stage: DecidedIn) -> str | None:
    """An arm's decision; None where another stage decides."""
    if each.decided_in != stage and not each.validity.broken:
        return None
    return each.decision.by_arm.get(arm, each.decision.outcome)


def results_table(evaluated: Sequence[Evaluated], stage: DecidedIn = "ab_test") -> pd.DataFrame:
    """The table `experiment_results`; a broken experiment has customers and the split's p-value but no effects.

    Args:
        evaluated: of `analyse`.
        stage: which saves the table.

    Returns:
        experiment_id, metric, arm, customers, mean, difference, low, high, relative, p_value, always_valid_low,
        always_valid_high, adjusted_p, probability_best, srm_p, decision (of the arm; the control has the experiment's;
        null where the stage `decided_in` is another), and the further fields of `effects.ArmEffect`, kind, state,
        weeks, evidence (`modelled` for profit computed from clicks).
    """
    parts = []
    for each in evaluated:
        experiment = each.experiment
        rows = each.effects.frame()
        if each.validity.broken:
            rows = pd.DataFrame({
                "metric": experiment.primary, "segment": "all", "arm": experiment.arms,
                "customers": experiment.customers,
            })  # fmt: skip
        parts.append(rows.assign(
            experiment_id=experiment.name, kind=experiment.kind, state=experiment.state, weeks=experiment.weeks,
            srm_p=each.validity.split.p_value,
            decision=[_decision_of(each, arm, stage) for arm in rows["arm"]], decided_in=each.decided_in,
            evidence="none" if each.validity.broken
            else np.where(rows["metric"] == CLICK_PROFIT, "modelled", "randomised"),
        ))  # fmt: skip
    frame = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    kinds = {name: "string" if name in _WORDS else "float64" for name in _COLUMNS}
    return frame.reindex(columns=list(_COLUMNS)).astype(kinds)
