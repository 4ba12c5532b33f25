"""The effect of each arm of an experiment in every metric, compared with the control.

The engine counts moments by arm; `statistics.effects` turns them into differences. Outcomes are those of all assigned
customers, treated or not (intention to treat), from the assignment on. Money is in the source's currency, per customer
over the whole window.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import norm, t

from smsroi_helpers.experiments import METRICS, ORDER_METRICS, Experiment, Metric, moments_of
from smsroi_helpers.statistics import (
    FEW_EVENTS,
    Arms,
    Floats,
    adjust,
    always_valid_half_width,
    always_valid_p,
    compare,
    difference_of_rates,
    estimate_means,
    estimate_ratios,
    expected_loss,
    heterogeneity,
    log_ratio,
    merge_strata,
    probability_best,
    relative_lift,
    share_variance,
    without_attributes,
)

__all__ = [
    "ALL",
    "CLICK_PROFIT",
    "UNKNOWN",
    "ArmEffect",
    "ArmEffects",
    "compare_segments",
    "error_at_looks",
    "is_count",
    "is_money",
    "largest_design_effect",
    "measure_effects",
    "more_is_better",
    "strata_of",
]

ALL = "all"
"""The segment of all customers together."""
CLICK_PROFIT = "click_profit"
"""The metric of `click_profit`; all others are of `experiments.METRICS`."""


def is_money(metric: str) -> bool:
    """Whether a metric is in money."""
    return metric == CLICK_PROFIT or METRICS[metric].kind == "money"


def is_count(metric: str) -> bool:
    """Whether a metric is a number of orders per customer."""
    return metric != CLICK_PROFIT and METRICS[metric].kind == "count"


def more_is_better(metric: str) -> bool:
    """Whether a rise of the metric is good."""
    return metric == CLICK_PROFIT or METRICS[metric].more_is_better


@dataclass(frozen=True)
class ArmEffect:
    """One metric in one arm, of all customers or of one segment, compared with the control's.

    NaN means not known; the control itself has no difference.
    """

    metric: str
    segment: str
    """`all`, or the segment of the customers when assigned."""
    arm: str
    customers: float
    events: float
    """Customers with the event; for money and orders, customers who ordered; for ratios, clicks or replies."""
    mean: float
    """Per customer, unadjusted (0–1 for shares)."""
    difference: float
    """From the control; adjusted if `method` is `adjusted`."""
    low: float
    high: float
    """95 % limits for a single look."""
    standard_error: float
    df: float
    p_value: float
    relative: float
    """Arm ÷ control − 1, with Fieller's interval."""
    relative_low: float
    relative_high: float
    log_ratio: float
    """log(arm ÷ control), as `statistics.log_ratio` has it."""
    log_ratio_error: float
    always_valid_low: float
    always_valid_high: float
    """95 % limits that hold over all looks together."""
    always_valid_p: float
    unadjusted_difference: float
    unadjusted_low: float
    unadjusted_high: float
    probability_best: float
    """Posterior probability that this is the best of all arms in this metric."""
    expected_loss: float
    """Per customer, if this arm is chosen and another one is better."""
    method: str
    """welch, adjusted (by CUPED and the day of assignment), ratio, few_events (Miettinen and Nurminen, and Fisher),
    priced (`click_profit`)."""
    reason: str
    """Why there is no interval: no_customers, no_messages, no_variance, few_events, few_clusters; else empty."""
    units: float = float("nan")
    """Units of randomisation: customers, or the households or stores that were assigned."""
    design_effect: float = float("nan")
    """How many times the variance of the difference is that of as many customers assigned one by one; 1 then."""
    adjusted_p: float = float("nan")
    correction: str = ""
    """The correction of `adjusted_p` for multiple comparisons: holm, benjamini_hochberg."""
    decision_low: float = float("nan")
    decision_high: float = float("nan")
    """For the method `priced`, whose limits are not symmetric: those at 1 − α/k, always-valid while it runs."""

    @property
    def interval(self) -> tuple[float, float, float]:
        """Difference, low, high."""
        return self.difference, self.low, self.high

    @property
    def always_valid(self) -> tuple[float, float, float]:
        """Difference, low, high, with limits that hold over all looks."""
        return self.difference, self.always_valid_low, self.always_valid_high

    @property
    def lift(self) -> tuple[float, float, float]:
        """Relative difference, low, high."""
        return self.relative, self.relative_low, self.relative_high


_INFERRED = (
    "difference", "low", "high", "standard_error", "df", "p_value", "relative", "relative_low", "relative_high",
    "log_ratio", "log_ratio_error", "always_valid_low", "always_valid_high", "always_valid_p", "unadjusted_difference",
    "unadjusted_low", "unadjusted_high", "probability_best", "expected_loss",
)  # fmt: skip
UNKNOWN: dict[str, float] = dict.fromkeys(_INFERRED, float("nan"))
"""The inferred fields of an effect without an estimate."""


@dataclass(frozen=True)
class ArmEffects:
    """All effects of one experiment; none where it is broken."""

    control: str
    rows: tuple[ArmEffect, ...] = ()

    def __iter__(self) -> Iterator[ArmEffect]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def knows_orders(self) -> bool:
        """Whether orders were counted: then every arm has an order rate, of 0 where nobody ordered."""
        return any(row.metric in ORDER_METRICS for row in self.rows)

    @property
    def knows_amounts(self) -> bool:
        """Whether any order has an amount, so that revenue differs between customers."""
        return any(row.metric == "revenue" and row.standard_error > 0 for row in self.rows)

    def find(self, metric: str, arm: str, segment: str = ALL) -> ArmEffect | None:
        """The effect of one arm; None where it was not measured."""
        for row in self.rows:
            if (row.metric, row.arm, row.segment) == (metric, arm, segment):
                return row
        return None

    def overall(self, metric: str = "") -> tuple[ArmEffect, ...]:
        """The effects over all customers of every arm but the control; in one metric, or in all of them."""
        return tuple(
            row for row in self.rows
            if row.segment == ALL and row.arm != self.control and metric in ("", row.metric)
        )  # fmt: skip

    def by_segment(self, metric: str, arm: str) -> tuple[ArmEffect, ...]:
        """The effects of one arm in one metric, by segment."""
        return tuple(row for row in self.rows if row.segment != ALL and (row.metric, row.arm) == (metric, arm))

    def frame(self) -> pd.DataFrame:
        """One row per effect, with the fields of `ArmEffect` as columns."""
        return pd.DataFrame([asdict(row) for row in self.rows], columns=[field.name for field in fields(ArmEffect)])


# --- estimation ------------------------------------------------------------------------------------------------------


def measure_effects(
    experiment: Experiment, counted: pd.DataFrame, metrics: Sequence[str] = tuple(METRICS), segment: str = ALL
) -> ArmEffects:
    """Estimate every metric of every arm compared with the control; the control's row comes first.

    Shares with fewer than 20 events in an arm are compared by Miettinen and Nurminen's interval and Fisher's test.
    Clicks and replies are ratios of sums, with customers as units. All other metrics use Welch's test, adjusted by the
    same outcome before the assignment (CUPED) and by day of assignment. An arm that is small beside another
    (`statistics.UNEQUAL`) has at least the variance of money that all arms have together (`share_variance`).

    Args:
        experiment: which.
        counted: of `experiments.count_outcomes`, or with a column segment.
        metrics: which ones; metrics that the source does not record are skipped.
        segment: the segment's name in the rows.
    """
    by_day = "assigned_day" in counted.columns and len(counted) > 0
    strata = strata_of(experiment) if by_day else None
    counted = counted if experiment.clustered else _of_customers(counted)
    buyers = _sums(counted, experiment, "order_rate")
    rows: list[ArmEffect] = []
    for metric in (METRICS[name] for name in metrics):
        moments = moments_of(counted, experiment.name, metric.name, ["assigned_day"] if by_day else [])
        if not moments["n"].sum():
            continue
        if strata is not None:
            moments = moments.assign(stratum=moments["assigned_day"].map(strata)).drop(columns="assigned_day")
        own = _effects_of(experiment, metric, moments, buyers, segment)
        if metric.kind == "share" and not experiment.clustered:
            own = _with_few_events(own)
        elif metric.kind in ("share", "ratio") or segment != ALL:
            own = _without_few_events(own)
        rows += own
    return ArmEffects(experiment.control, tuple(rows))


def strata_of(experiment: Experiment) -> pd.Series | None:
    """Day of assignment → stratum; None where there is only one stratum."""
    wide = experiment.randomised.pivot_table(
        index="day", columns="arm", values="n", aggfunc="sum", fill_value=0
    ).sort_index()
    strata = merge_strata(wide)
    return strata if strata.max() > 0 else None


def _of_customers(counted: pd.DataFrame) -> pd.DataFrame:
    """The moments with customers as units, where another experiment of the source assigned clusters."""
    if any(name.endswith("__sum_a0") for name in counted.columns):  # then units are needed, and are the customers
        return counted
    return counted.drop(columns=[name for name in counted.columns if "__unit" in name])


def _sums(counted: pd.DataFrame, experiment: Experiment, metric: str) -> Floats:
    moments = moments_of(counted, experiment.name, metric) if f"{metric}__n" in counted.columns else None
    if moments is None:
        return np.full(len(experiment.arms), np.nan)
    return moments.groupby("arm")["sum_y"].sum().reindex(list(experiment.arms)).fillna(0.0).to_numpy(float)


def _effects_of(
    experiment: Experiment, metric: Metric, moments: pd.DataFrame, buyers: Floats, segment: str
) -> list[ArmEffect]:
    """One metric for every arm, whatever the number of events."""
    names = list(experiment.arms)
    if metric.kind == "ratio":
        arms = plain = estimate_ratios(moments, names)
    else:
        arms, plain = estimate_means(moments, names), estimate_means(moments, names, adjust=False)
        if is_money(metric.name):
            arms, plain = share_variance(arms), share_variance(plain)
    sums = moments.groupby("arm")["sum_y"].sum().reindex(names).fillna(0.0).to_numpy(float)
    found, raw = compare(arms, experiment.control), compare(plain, experiment.control)
    lift, lift_low, lift_high = relative_lift(arms, experiment.control)
    log_lift, log_lift_error = log_ratio(arms, experiment.control)
    error = np.sqrt(arms.variance)
    sign = 1.0 if metric.more_is_better else -1.0
    information = experiment.information
    looked_at = error_at_looks(experiment, found.standard_error, found.df)
    half_width = always_valid_half_width(looked_at, information)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = found.estimate / looked_at
    # Without an interval no estimate is reported either.
    known = np.isfinite(found.low)
    columns = {
        "customers": arms.customers, "events": buyers if metric.of_buyers else sums, "mean": arms.mean,
        "difference": np.where(known, found.estimate, np.nan), "low": found.low, "high": found.high,
        "standard_error": np.where(known, found.standard_error, np.nan), "df": np.where(known, found.df, np.nan),
        "p_value": found.p_value, "relative": lift, "relative_low": lift_low, "relative_high": lift_high,
        "log_ratio": log_lift, "log_ratio_error": log_lift_error,
        "always_valid_low": found.estimate - half_width, "always_valid_high": found.estimate + half_width,
        "always_valid_p": always_valid_p(z, information) if np.isfinite(information) else np.full(len(names), np.nan),
        "unadjusted_difference": np.where(known, raw.estimate, np.nan), "unadjusted_low": raw.low,
        "unadjusted_high": raw.high, "probability_best": probability_best(sign * arms.adjusted, error),
        "expected_loss": expected_loss(sign * arms.adjusted, error), "units": arms.units,
        "design_effect": _design_effects(experiment, metric, moments, found.standard_error),
    }  # fmt: skip
    method = "ratio" if metric.kind == "ratio" else "welch" if _same(arms, plain) else "adjusted"
    reasons = _why_unknown(arms)
    return [
        ArmEffect(
            metric=metric.name, segment=segment, arm=arm, method=method, reason=reasons[place],
            **{name: float(values[place]) for name, values in columns.items()},  # type: ignore[arg-type]
        )
        for place, arm in enumerate(names)
    ]  # fmt: skip


def error_at_looks(experiment: Experiment, error: ArrayLike, df: ArrayLike) -> Floats:
    """The standard error for the always-valid interval, which is one of normal estimates.

    With few clusters the variance is itself uncertain: the error is then wider by Student's t ÷ the normal quantile.

    Args:
        experiment: which.
        error: the standard error.
        df: its degrees of freedom.
    """
    error = np.asarray(error, float)
    return np.asarray(error * t.ppf(0.975, df) / norm.ppf(0.975)) if experiment.clustered else error


def _design_effects(experiment: Experiment, metric: Metric, moments: pd.DataFrame, error: Floats) -> Floats:
    """The variance of each difference ÷ what it were with customers as units."""
    if not experiment.clustered:
        return np.where(np.isfinite(error), 1.0, np.nan)
    estimate = estimate_ratios if metric.kind == "ratio" else estimate_means
    rows = moments[without_attributes(moments.columns)]  # of customers, their products are not counted
    by_customer = rows.drop(columns=[name for name in rows.columns if name.startswith("unit")])
    by_unit, plain = (compare(estimate(each, experiment.arms), experiment.control) for each in (rows, by_customer))
    return np.where(np.isfinite(error), by_unit.standard_error**2 / plain.standard_error**2, np.nan)


def _same(arms: Arms, plain: Arms) -> bool:
    """Whether the adjustment changed nothing."""
    return bool(np.allclose(arms.variance, plain.variance, rtol=1e-12, atol=0, equal_nan=True))


def _why_unknown(arms: Arms) -> list[str]:
    reasons = [""]
    for place in range(1, len(arms.names)):
        if arms.few_units[place] or arms.few_units[0]:
            reasons.append("few_clusters")
        elif min(arms.customers[place], arms.customers[0]) < 2:
            reasons.append("no_customers")
        elif np.isnan(arms.mean[place]) or np.isnan(arms.mean[0]):
            reasons.append("no_messages")
        elif arms.variance[place] + arms.variance[0] == 0:
            reasons.append("no_variance")
        else:
            reasons.append("")
    return reasons


def _with_few_events(rows: list[ArmEffect]) -> list[ArmEffect]:
    """Replace effects on shares with few events, or few non-events: Miettinen and Nurminen, and Fisher."""
    control = rows[0]
    found = [control]
    for row in rows[1:]:
        fewest = min(row.events, row.customers - row.events, control.events, control.customers - control.events)
        if min(row.customers, control.customers) < 1 or fewest >= FEW_EVENTS:
            found.append(row)
            continue
        exact = difference_of_rates([row.events], [row.customers], [control.events], [control.customers])
        known = {"difference": exact.estimate, "low": exact.low, "high": exact.high, "p_value": exact.p_value}
        numbers = UNKNOWN | {name: float(value[0]) for name, value in known.items()}
        found.append(replace(row, method="few_events", reason="few_events", **numbers))  # type: ignore[arg-type]
    if any(row.method == "few_events" for row in found):
        return [replace(row, probability_best=float("nan"), expected_loss=float("nan")) for row in found]
    return found


def _without_few_events(rows: list[ArmEffect]) -> list[ArmEffect]:
    """Remove effects where an arm has few events: on ratios, on money and orders by segment, on shares of clusters.

    With few buyers in an arm, the estimated variance of money is too small, and the effect would look certain. The
    exact methods for shares take customers as independent.
    """
    control = rows[0]
    found = []
    for row in rows:
        fewest = np.fmin(row.events, control.events)
        if METRICS[row.metric].kind == "share":
            fewest = min(fewest, row.customers - row.events, control.customers - control.events)
        few = fewest < FEW_EVENTS
        if not few or (row is control and METRICS[row.metric].of_buyers):
            found.append(row)
            continue
        reason = "few_events" if np.isfinite(row.low) else row.reason
        found.append(replace(row, reason=reason, **UNKNOWN))  # type: ignore[arg-type]
    return found


# --- segments --------------------------------------------------------------------------------------------------------


def compare_segments(effects: ArmEffects, arms: Sequence[str], metric: str) -> pd.DataFrame:
    """Test whether an arm's effect differs between segments (as of the assignment): one row per arm.

    Tested in money and in proportion: an arm with the same relative effect in all segments has a larger effect in money
    where customers buy more.

    Args:
        effects: of one experiment.
        arms: the treated arms.
        metric: in which metric.

    Returns:
        arm, segments, q, df, p_value (Cochran's Q of the differences), adjusted_p (Holm over the arms), p_relative and
        adjusted_p_relative (the same of the logarithms of arm ÷ control; NaN where fewer than two segments have one).
    """
    found = []
    for arm in arms:
        own = effects.by_segment(metric, arm)
        if own:
            q, df, p = heterogeneity(*_pairs((row.difference, row.standard_error) for row in own))
            p_relative = heterogeneity(*_pairs((row.log_ratio, row.log_ratio_error) for row in own))[2]
            found.append({"arm": arm, "segments": df + 1, "q": q, "df": df, "p_value": p, "p_relative": p_relative})
    frame = pd.DataFrame(found, columns=["arm", "segments", "q", "df", "p_value", "p_relative"])
    return frame.assign(
        adjusted_p=adjust(frame["p_value"].to_numpy(float), "holm"),
        adjusted_p_relative=adjust(frame["p_relative"].to_numpy(float), "holm"),
    )


def _pairs(pairs: Iterator[tuple[float, float]]) -> tuple[Floats, Floats]:
    values, errors = np.array(list(pairs), float).T
    return values, errors


def largest_design_effect(effects: ArmEffects, metric: str) -> float:
    """The largest design effect of a metric's arms; NaN where none is known."""
    known = [row.design_effect for row in effects.overall(metric) if np.isfinite(row.design_effect)]
    return max(known, default=float("nan"))
