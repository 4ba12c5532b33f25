"""The decision rule of an experiment, in money: ship, keep the control, keep running, or broken.

The rule uses the interval of the difference in profit between an arm and the control, computed from clicks and
opt-outs where these can be priced (`click_profit`): always-valid while the experiment runs, fixed once it has ended; at
level 1 − α/k, with k arms compared with the control. An experiment is

- *broken* if `experiments.check` finds a problem;
- *ship* if the whole interval is above the smallest worthwhile gain, at least 20 customers bought in each arm, the
  opt-out guardrail holds (the increase in opt-outs is shown to be below the margin, its cost is part of the profit, or
  the gain stays above the smallest one with opt-outs at their price: `_pays_for_opt_outs`), and Holm's p-value over the
  arms is below .05;
- *keep control* if every arm's whole interval is below that gain;
- *keep running* otherwise.
"""

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from scipy.stats import norm, t

from smsroi_helpers.ab_test.effects import (
    ALL,
    CLICK_PROFIT,
    ArmEffect,
    ArmEffects,
    error_at_looks,
    is_count,
    is_money,
    more_is_better,
)
from smsroi_helpers.ab_test.planning import WANTED_SHARE, wanted_gain
from smsroi_helpers.experiments import ORDER_METRICS, Experiment, Validity
from smsroi_helpers.statistics import (
    ALPHA,
    FEW_EVENTS,
    POWER,
    UNEQUAL,
    adjust,
    always_valid_half_width,
    detectable_difference,
    difference_of_rates,
    sample_size,
    times_to_settle,
)

__all__ = [
    "FEWEST_BUYERS_UNEQUAL",
    "ExperimentDecision",
    "Guardrail",
    "RuleOutcome",
    "WhyOpen",
    "adjust_p",
    "decide_experiment",
    "deciding_metric",
]

RuleOutcome = Literal["ship", "keep_control", "keep_running", "broken"]
Guardrail = Literal["held", "open", "priced", "breached", "unknown", "not_asked"]
WhyOpen = Literal[
    "", "few_events", "few_buyers", "guardrail", "first_week", "interval", "no_numbers", "few_clusters", "no_orders"
]
FEWEST_BUYERS_UNEQUAL = 100
"""Buyers needed in the smaller arm (benchmarks/claims/rates.py: 48 buyers of 800 against 8,000 are too few)."""
_NAN = float("nan")


@dataclass(frozen=True)
class ExperimentDecision:
    """The result of the decision rule for one experiment."""

    outcome: RuleOutcome
    metric: str = ""
    """The metric that decides; empty if broken."""
    by_arm: dict[str, RuleOutcome] = field(default_factory=dict)
    arm: str = ""
    """The arm that the numbers below describe; empty where none is selected."""
    difference: float = _NAN
    """Per customer, over the window."""
    low: float = _NAN
    high: float = _NAN
    """Its interval at 1 − α/k; always-valid while the experiment runs."""
    arm_customers: float = _NAN
    """Assigned to that arm."""
    guardrails: dict[str, Guardrail] = field(default_factory=dict)
    """Arm → result of the opt-out guardrail: the increase is shown to be below the margin, or not; `priced` where it is
    not, and the deciding metric counts what opt-outs cost or is shown to pay for them."""
    times: float = _NAN
    """Times as much data needed for a decision with 80 % power, if the difference is true; NaN where not known."""
    detectable: float = _NAN
    """The smallest difference per customer that the test detects with 80 % power in every open arm, with the data so
    far. The error of prices counts as it does at the difference seen."""
    wanted: float = _NAN
    """The difference that the test should detect: a gain per customer and week (money), or a rise of a share or of
    orders per customer."""
    needed: float = _NAN
    """Total customers of all arms with whom it would detect `wanted` with 80 % power; NaN where no number would, as the
    prices are not known well enough."""
    why_open: tuple[WhyOpen, ...] = ()

    @property
    def value(self) -> float:
        """The arm's customers × difference: incremental profit or loss compared with the control."""
        return self.difference * self.arm_customers

    @property
    def priced(self) -> bool:
        """Whether the deciding metric is profit after message and discount costs, measured or modelled from clicks."""
        return self.metric in ("profit", CLICK_PROFIT)

    @property
    def in_money(self) -> bool:
        """Whether the deciding metric is in money."""
        return bool(self.metric) and is_money(self.metric)

    @property
    def known(self) -> bool:
        """Whether there is a difference with an interval."""
        return bool(np.isfinite([self.difference, self.low, self.high]).all())


@dataclass(frozen=True)
class _Limits:
    """An arm's interval at 1 − α/k, with the sign chosen so that more is better; NaN where there is none."""

    difference: float
    low: float
    high: float


# --- the deciding metric and multiple comparisons --------------------------------------------------------------------


def deciding_metric(experiment: Experiment, effects: ArmEffects) -> str:
    """The registered metric if it is another than profit; else profit computed from clicks, or profit itself.

    Where they are not known or do not vary: revenue, or the order rate. Clicks per message decide only where they are
    registered and every arm was sent equally many messages. So without orders, a test that is registered for what they
    show has no metric: another one, looked at afterwards, does not replace it.
    """
    known = {row.metric for row in effects.overall() if not np.isnan(row.low)}
    comparable = experiment.kind in ("content", "timing")
    registered = experiment.primary if experiment.primary != "profit" else CLICK_PROFIT
    for metric in (registered, CLICK_PROFIT, "profit", "revenue", "order_rate"):
        if metric in known and (metric != "click_rate" or comparable):
            return metric
    return "order_rate"


def adjust_p(experiment: Experiment, effects: ArmEffects) -> ArmEffects:
    """The effects with p-values adjusted for multiple comparisons.

    The deciding metric is tested in a fixed order (gatekeeping; Westfall & Krishen 2001, Journal of Statistical
    Planning and Inference 99): first over all customers, by Holm over the arms; then by segment, by Holm over segments
    and arms, an arm's p-value in a segment never below its p-value over all customers. So the choice of segments never
    changes the main result. The other metrics are exploratory: one family of all customers and one of the segments,
    under Benjamini and Hochberg's correction. The always-valid p-values are used while the experiment runs, the fixed
    ones afterwards.
    """
    metric, running = deciding_metric(experiment, effects), experiment.state == "running"
    p = np.array([row.always_valid_p if running else row.p_value for row in effects], float)
    deciding = np.array([row.metric == metric for row in effects], bool)
    whole = np.array([row.segment == ALL for row in effects], bool)
    adjusted = np.full(len(p), np.nan)
    for family, correction in ((deciding, "holm"), (~deciding, "benjamini_hochberg")):
        for part in (family & whole, family & ~whole):
            adjusted[part] = adjust(p[part], correction)  # type: ignore[arg-type]
    gate = {row.arm: adjusted[at] for at, row in enumerate(effects) if deciding[at] and whole[at]}
    for at, row in enumerate(effects):
        if deciding[at] and not whole[at]:
            adjusted[at] = max(adjusted[at], gate.get(row.arm, np.nan))
    rows = [
        replace(row, adjusted_p=float(own), correction="holm" if is_deciding else "benjamini_hochberg")
        for row, own, is_deciding in zip(effects, adjusted, deciding, strict=True)
    ]
    return ArmEffects(effects.control, tuple(rows))


# --- the rule --------------------------------------------------------------------------------------------------------


def decide_experiment(
    experiment: Experiment, validity: Validity, effects: ArmEffects, *, smallest_gain: float, opt_out_margin: float,
    subscriber: tuple[float, float, float] | None = None,
) -> ExperimentDecision:  # fmt: skip
    """Decide an experiment.

    Args:
        experiment: which.
        validity: of `experiments.check`.
        effects: of `measure_effects`, with the p-values of `adjust_p`.
        smallest_gain: the smallest worthwhile profit per customer and week (money).
        opt_out_margin: the largest acceptable increase of the weekly opt-out rate (share of customers, 0–1).
        subscriber: estimate and 95 % limits of the long-run value per subscriber (money), where known; then
            `click_profit` counts what opt-outs cost.
    """
    if validity.broken:
        return ExperimentDecision("broken", by_arm=dict.fromkeys(experiment.treated, "broken"))
    metric = deciding_metric(experiment, effects)
    sign = 1.0 if more_is_better(metric) else -1.0
    threshold = smallest_gain * experiment.weeks if is_money(metric) else 0.0
    control = effects.find(metric, experiment.control)
    by_arm: dict[str, RuleOutcome] = {}
    why: dict[str, WhyOpen] = {}
    guardrails: dict[str, Guardrail] = {}
    limits: dict[str, _Limits] = {}
    for arm in experiment.treated:
        guardrails[arm] = _guardrail(experiment, validity, effects, arm, opt_out_margin)
        if guardrails[arm] in ("open", "breached") and subscriber is not None and metric == CLICK_PROFIT:
            guardrails[arm] = "priced"
        row = effects.find(metric, arm)
        if row is None or control is None or not np.isfinite(row.difference):
            by_arm[arm], why[arm] = "keep_running", "no_numbers"
            if metric in ORDER_METRICS and not effects.knows_orders:
                why[arm] = "no_orders"
            elif row is not None and row.reason == "few_clusters":
                why[arm] = "few_clusters"
            continue
        limits[arm] = _limits(experiment, row, control, sign)
        if guardrails[arm] in ("open", "breached") and subscriber is not None and metric == "profit":
            rise = _find(effects, "opt_out_rate", arm)
            if _pays_for_opt_outs(limits[arm].low - threshold, _rise(experiment, rise)[2], subscriber):
                guardrails[arm] = "priced"
        by_arm[arm], why[arm] = _decide_arm(row, control, limits[arm], threshold, guardrails[arm])
    outcome, arm = _overall(by_arm, limits)
    found = ExperimentDecision(
        outcome, metric, by_arm, guardrails=guardrails,
        why_open=tuple(dict.fromkeys(why[arm] for arm in experiment.treated if by_arm[arm] == "keep_running")),
    )  # fmt: skip
    if arm:
        own = limits[arm]
        low, high = sorted((sign * own.low, sign * own.high))
        found = replace(
            found, arm=arm, difference=sign * own.difference, low=low, high=high,
            arm_customers=_find(effects, metric, arm).customers,
        )  # fmt: skip
        if outcome == "keep_running":  # with several arms the best-looking one would be over-optimistic
            row = _find(effects, metric, arm)
            times = (
                _guardrail_times(experiment, effects, arm, opt_out_margin)
                if why[arm] == "guardrail"
                else (_times(experiment, row, own, threshold))
            )
            found = replace(found, times=times)
    return _with_size(found, experiment, effects, smallest_gain)


def _find(effects: ArmEffects, metric: str, arm: str) -> ArmEffect:
    row = effects.find(metric, arm)
    assert row is not None
    return row


def _information(experiment: Experiment) -> float | None:
    """The information of the always-valid interval while the experiment runs; None once the fixed one decides."""
    return experiment.information if experiment.state == "running" else None


def _limits(experiment: Experiment, row: ArmEffect, control: ArmEffect, sign: float) -> _Limits:
    """The interval at 1 − α/k."""
    level = 1 - ALPHA / len(experiment.treated)
    if row.method == "few_events":
        if experiment.state == "running":
            return _Limits(sign * row.difference, _NAN, _NAN)
        exact = difference_of_rates([row.events], [row.customers], [control.events], [control.customers], level)
        low, high = float(exact.low[0]), float(exact.high[0])
    elif row.method == "priced":
        low, high = row.decision_low, row.decision_high
    else:
        if experiment.state == "running":
            error = error_at_looks(experiment, row.standard_error, row.df)
            half_width = float(always_valid_half_width(error, experiment.information, level))
        else:
            half_width = float(t.ppf((1 + level) / 2, row.df) * row.standard_error)
        low, high = row.difference - half_width, row.difference + half_width
    return _Limits(sign * row.difference, *sorted((sign * low, sign * high)))


def _enough_events(row: ArmEffect, control: ArmEffect) -> WhyOpen:
    """Why an arm must not be shipped yet: few_events, few_buyers, or empty."""
    if min(row.events, control.events) < FEW_EVENTS:
        return "few_events"
    smaller, larger = sorted((row, control), key=lambda each: each.customers)
    skewed = is_money(row.metric) or is_count(row.metric)
    unequal = skewed and row.metric != CLICK_PROFIT and larger.customers / smaller.customers >= UNEQUAL
    return "few_buyers" if unequal and smaller.events < FEWEST_BUYERS_UNEQUAL else ""


def _decide_arm(
    row: ArmEffect, control: ArmEffect, limits: _Limits, threshold: float, guardrail: Guardrail
) -> tuple[RuleOutcome, WhyOpen]:
    """One arm's decision, and why it stays open if it does."""
    if not np.isfinite(limits.low):
        return "keep_running", "few_events" if row.method == "few_events" else "first_week"
    lacking = _enough_events(row, control)
    if limits.low > threshold and row.adjusted_p < ALPHA:
        if lacking:
            return "keep_running", lacking
        if guardrail == "breached":
            return "keep_control", ""
        return ("keep_running", "guardrail") if guardrail == "open" else ("ship", "")
    if limits.high < threshold:
        return ("keep_running", lacking) if lacking else ("keep_control", "")
    return "keep_running", lacking or "interval"


def _overall(by_arm: dict[str, RuleOutcome], limits: dict[str, _Limits]) -> tuple[RuleOutcome, str]:
    """The experiment's decision, and the arm that its numbers describe."""
    shipped = [arm for arm, outcome in by_arm.items() if outcome == "ship"]
    if shipped:
        return "ship", max(shipped, key=lambda arm: limits[arm].difference)
    outcome: RuleOutcome = "keep_control" if set(by_arm.values()) == {"keep_control"} else "keep_running"
    if len(by_arm) == 1 and limits:
        return outcome, next(iter(by_arm))
    # With several arms: the least bad one if the control is kept; none while the test is undecided.
    return outcome, max(limits, key=lambda arm: limits[arm].difference) if outcome == "keep_control" else ""


def _guardrail(experiment: Experiment, validity: Validity, effects: ArmEffects, arm: str, margin: float) -> Guardrail:
    """Non-inferiority test: whether the weekly opt-out rate is shown to rise by less than the margin."""
    if not validity.control_treated_too:
        return "not_asked"
    row = effects.find("opt_out_rate", arm)
    if row is None or not np.isfinite(row.low):
        return "unknown"
    _difference, low, high = _rise(experiment, row)
    allowed = margin * experiment.weeks
    if not np.isfinite(low):
        return "open"
    return "held" if high < allowed else "breached" if low > allowed else "open"


def _rise(experiment: Experiment, row: ArmEffect) -> tuple[float, float, float]:
    """The difference in opt-outs per customer with its limits: always-valid while the experiment runs."""
    always_valid = experiment.state == "running" and row.method != "few_events"
    return row.always_valid if always_valid else row.interval


def _pays_for_opt_outs(lowest_gain: float, most_opt_outs: float, subscriber: tuple[float, float, float]) -> bool:
    """Whether the lower limit of the gain exceeds the upper limits of opt-outs × value of a subscriber.

    With each limit at its worst, whatever the correlation of profit and opt-outs, it errs towards no.

    >>> _pays_for_opt_outs(1.0, 0.02, (30.0, 20.0, 45.0)), _pays_for_opt_outs(0.8, 0.02, (30.0, 20.0, 45.0))
    (True, False)
    """
    return lowest_gain > max(most_opt_outs, 0.0) * max(subscriber[2], 0.0)


# --- sample size needed ----------------------------------------------------------------------------------------------


def _times(experiment: Experiment, row: ArmEffect, limits: _Limits, threshold: float) -> float:
    return times_to_settle(
        row.standard_error, abs(limits.difference - threshold), comparisons=len(experiment.treated),
        information=_information(experiment),
    )  # fmt: skip


def _guardrail_times(experiment: Experiment, effects: ArmEffects, arm: str, margin: float) -> float:
    """Times as much data that show opt-outs to rise by less than the margin with 80 % power, if their rise is true."""
    row, control = _find(effects, "opt_out_rate", arm), _find(effects, "opt_out_rate", experiment.control)
    error = row.standard_error
    if not np.isfinite(error):  # of few events there is an exact interval, and no error
        error = float(np.sqrt(sum(one.mean * (1 - one.mean) / one.customers for one in (row, control))))
    return times_to_settle(error, margin * experiment.weeks - row.difference, information=_information(experiment))


def _price_error(row: ArmEffect, unit: float) -> float:
    """What the prices of clicks and subscribers add to the standard error of a modelled profit, as in its interval.

    Args:
        row: the effect.
        unit: the difference detectable with a standard error of 1.
    """
    half = (row.decision_high - row.decision_low) / 2 / (unit - float(norm.ppf(POWER)))
    if row.metric != CLICK_PROFIT or not half > row.standard_error:
        return 0.0
    return float(np.sqrt(half**2 - row.standard_error**2))


def _with_size(
    found: ExperimentDecision, experiment: Experiment, effects: ArmEffects, smallest_gain: float
) -> ExperimentDecision:
    """Add the difference detectable today, the difference wanted, and the customers needed to detect it.

    Both are of the arm that is known least of those still open, so that they hold for each.
    """
    arms = len(experiment.treated)
    unit = float(detectable_difference(1.0, comparisons=arms, information=_information(experiment)))
    open_arms = [arm for arm in experiment.treated if found.by_arm[arm] == "keep_running"] or experiment.treated
    rows = [effects.find(found.metric, arm) for arm in open_arms]
    errors = [(row.standard_error, _price_error(row, unit)) for row in rows if row and np.isfinite(row.standard_error)]
    error, of_prices = max(errors, key=lambda both: np.hypot(*both), default=(_NAN, _NAN))
    detectable = float(unit * np.hypot(error, of_prices))
    found = replace(found, detectable=detectable)
    control = effects.find("profit" if found.priced else found.metric, experiment.control)
    mean = control.mean if control is not None else _NAN
    customers = float(experiment.customers.sum())
    if found.in_money:
        wanted = wanted_gain(mean, experiment.weeks, smallest_gain)
        distance = (wanted - smallest_gain) * experiment.weeks
        # More customers do not reduce the error of the prices.
        room = (distance / unit) ** 2 - of_prices**2
        return replace(found, wanted=wanted, needed=customers * error**2 / room if room > 0 else _NAN)
    if is_count(found.metric) or experiment.clustered:
        wanted = WANTED_SHARE * mean
        return replace(found, wanted=wanted, needed=customers * (detectable / wanted) ** 2) if wanted > 0 else found
    if not 0 < mean < 1:
        return found
    shares = experiment.customers / customers
    smallest = shares[1:].min() if len(shares) > 1 else 0.0
    wanted = WANTED_SHARE * mean
    if not (smallest > 0 and shares[0] > 0):
        return replace(found, wanted=wanted)
    needed = sample_size(
        wanted, float(np.sqrt(mean * (1 - mean))), treated_share=float(smallest), control_share=float(shares[0]),
        comparisons=arms,
    )  # fmt: skip
    return replace(found, wanted=wanted, needed=needed)
