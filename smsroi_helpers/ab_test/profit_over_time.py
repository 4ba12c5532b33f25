"""An experiment's difference in profit over time: by week, by month, in total, and with the largest profits capped."""

import datetime as dt
from collections.abc import Sequence

import numpy as np
import pandas as pd

from smsroi_helpers import experiments, measures
from smsroi_helpers.ab_test.effects import measure_effects
from smsroi_helpers.ab_test.study import Evaluated
from smsroi_helpers.experiments import Experiment
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import ALPHA, Floats, adjust, compare, estimate_means, share_variance

__all__ = [
    "cap_profit",
    "compare_holdout_months",
    "estimate_monthly_profit",
    "estimate_total_profit",
    "trace_weeks",
]

_SUMS = ["n", "sum_y", "sum_y2"]
MOST_WEEKS = 12
"""The difference is followed for at most this many weeks."""
_SHARE_OBSERVED = 0.8
"""Weeks are followed for which at least this share of the customers has been observed."""


def trace_weeks(shop: Shop, evaluated: Sequence[Evaluated]) -> pd.DataFrame:
    """The cumulative difference in profit by week since the assignment; pulled-forward orders make it fall again.

    The customers are the same in all weeks: those observed for all weeks shown, at most twelve. Experiments that
    assigned clusters are left out: the errors are those of single customers.

    Returns:
        experiment_id, arm, week, customers (arm and control), difference, low, high (Welch, profit per customer since
        the assignment, net of message costs).
    """
    shown = [e.experiment for e in evaluated if not e.validity.broken and not e.experiment.clustered]
    weeks = {experiment.name: _whole_weeks(experiment) for experiment in shown}
    weeks = {name: count for name, count in weeks.items() if count >= 2}
    if not weeks or not measures.knows_profit(shop):
        return pd.DataFrame(columns=["experiment_id", "arm", "week", "customers", "difference", "low", "high"])
    counted = experiments.count_weeks(shop, weeks)
    parts = []
    for each in evaluated:
        own = counted[counted["experiment_id"] == each.experiment.name]
        control = own[own["arm"] == each.experiment.control].set_index("week")
        for arm in each.experiment.treated:
            rows = own[own["arm"] == arm].set_index("week")
            if not len(rows) or not len(control):
                continue
            both = zip(rows[_SUMS].to_numpy(float), control[_SUMS].to_numpy(float), strict=True)
            found = np.array([_difference(treated, held_out)[:3] for treated, held_out in both])
            parts.append(pd.DataFrame({
                "experiment_id": each.experiment.name, "arm": arm, "week": rows.index,
                "customers": rows["n"].to_numpy() + control["n"].to_numpy(), "difference": found[:, 0],
                "low": found[:, 1], "high": found[:, 2],
            }))  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def _whole_weeks(experiment: Experiment) -> int:
    """The number of weeks, at most twelve, for which `_SHARE_OBSERVED` of the customers have been observed."""
    rows = experiment.assigned[experiment.assigned["n"] > experiment.assigned["late"]]
    n = (rows["n"] - rows["late"]).to_numpy(float)
    if not len(n):
        return 0
    weeks = np.minimum(rows["outcome_days"].to_numpy(float) / n / 7, MOST_WEEKS)
    for count in range(MOST_WEEKS, 0, -1):
        if n[weeks >= count].sum() >= _SHARE_OBSERVED * n.sum():
            return count
    return 0


def estimate_monthly_profit(shop: Shop, evaluated: Sequence[Evaluated]) -> pd.DataFrame:
    """Incremental profit by month from the standing holdout, and the profit lost by holding out.

    Returns:
        experiment_id, month (its first day), treated and control (customers assigned by the month's end), difference
        (profit per customer in the month), low, high; earned, earned_low, earned_high = treated × difference; lost,
        lost_low, lost_high = control × difference; p_value, adjusted_p (Holm over the holdout's months), significant
        (by it). Only valid holdouts of single customers, and only with orders and messages.
    """
    return compare_holdout_months(shop, [e.experiment for e in evaluated if not e.validity.broken])


def longest_holdout(months: pd.DataFrame) -> pd.DataFrame:
    """The rows of the holdout with most months.

    Args:
        months: of `estimate_monthly_profit`, at least one row.
    """
    return months[months["experiment_id"] == months["experiment_id"].value_counts().idxmax()]


def count_gaining_months(months: pd.DataFrame) -> int:
    """Months in which texting is shown to have earned.

    Args:
        months: of `estimate_monthly_profit`, of one holdout.
    """
    return int((months["significant"] & (months["earned"] > 0)).sum())


def compare_holdout_months(shop: Shop, tests: Sequence[Experiment]) -> pd.DataFrame:
    """As `estimate_monthly_profit`, of valid tests: those that are standing holdouts of single customers."""
    holdouts = [test for test in tests if test.kind == "holdout" and not test.clustered]
    columns = [
        "experiment_id", "month", "treated", "control", "difference", "low", "high", "earned", "earned_low",
        "earned_high", "lost", "lost_low", "lost_high", "p_value",
    ]  # fmt: skip
    if not holdouts or not measures.knows_profit(shop):
        return pd.DataFrame(columns=[*columns, "adjusted_p", "significant"])
    counted = experiments.count_months(shop)
    rows = []
    for each in holdouts:
        own = counted[counted["experiment_id"] == each.name]
        for month, cells in own.groupby("month"):
            first = pd.Timestamp(month)
            n = _assigned_by(each, (first + pd.offsets.MonthEnd(0)).date())
            sums = cells.set_index("arm")[["sum_y", "sum_y2"]].reindex(list(each.arms)).fillna(0.0)
            sums = sums.to_numpy(float)
            treated = (n[1:].sum(), *sums[1:].sum(axis=0))
            *limits, p_value = _difference(treated, (n[0], *sums[0]))
            estimate = np.array(limits)
            values = [
                each.name,
                first.date(),
                treated[0],
                n[0],
                *estimate,
                *(treated[0] * estimate),
                *(n[0] * estimate),
            ]
            rows.append(dict(zip(columns, [*values, p_value], strict=True)))
    frame = pd.DataFrame(rows, columns=columns)
    of_each = frame.groupby("experiment_id")["p_value"]
    frame = frame.assign(adjusted_p=of_each.transform(lambda p: adjust(p.to_numpy(float), "holm")))
    return frame.assign(significant=frame["adjusted_p"] < ALPHA)


def _difference(treated: Sequence[float], control: Sequence[float]) -> tuple[float, float, float, float]:
    """Treated − control with its limits, and p (Welch), from n, Σy and Σy²; a small arm's variance as in `effects`."""
    moments = pd.DataFrame([("control", *control), ("treated", *treated)], columns=["arm", *_SUMS])
    found = compare(share_variance(estimate_means(moments, ["control", "treated"])), "control")
    return float(found.estimate[1]), float(found.low[1]), float(found.high[1]), float(found.p_value[1])


def estimate_total_profit(evaluated: Sequence[Evaluated]) -> pd.DataFrame:
    """Incremental profit over the whole time of each standing holdout.

    Returns:
        experiment_id, weeks, earned, earned_low, earned_high, lost, lost_low, lost_high, as
        `estimate_monthly_profit` has them; the interval is always-valid while the holdout runs.
    """
    rows = []
    for each in evaluated:
        if each.experiment.kind != "holdout" or each.decision.metric != "profit" or not each.decision.arm:
            continue
        estimate = [each.decision.difference, each.decision.low, each.decision.high]
        treated, control = each.experiment.customers[1:].sum(), each.experiment.customers[0]
        rows.append([
            each.experiment.name, each.experiment.weeks, *(treated * x for x in estimate),
            *(control * x for x in estimate),
        ])  # fmt: skip
    columns = [
        "experiment_id", "weeks", "earned", "earned_low", "earned_high", "lost", "lost_low", "lost_high",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def _assigned_by(experiment: Experiment, day: dt.date) -> Floats:
    rows = experiment.assigned[pd.to_datetime(experiment.assigned["day"]) <= pd.Timestamp(day)]
    sums = (rows["n"] - rows["late"]).groupby(rows["arm"]).sum()
    return sums.reindex(list(experiment.arms)).fillna(0).to_numpy(float)


def cap_profit(shop: Shop, evaluated: Sequence[Evaluated]) -> pd.DataFrame:
    """The difference in profit with each profit capped at the 99th percentile of buyers, the same cap in all arms.

    Returns:
        experiment_id, arm, cap, difference, low, high (uncapped), capped_difference, capped_low, capped_high, agrees
        (whether both intervals lie on the same side of 0, or both include it). Only valid experiments with profit.
    """
    known = measures.knows_profit(shop)
    counted = experiments.count_capped(shop) if known else pd.DataFrame(columns=["experiment_id"])
    rows = []
    for each in evaluated:
        own = counted[counted["experiment_id"] == each.experiment.name]
        if each.validity.broken or not len(own) or not each.effects.overall("profit"):
            continue
        capped = measure_effects(each.experiment, own, ("profit",))
        for arm in each.experiment.treated:
            plain, less = each.effects.find("profit", arm), capped.find("profit", arm)
            assert plain is not None
            assert less is not None
            rows.append([
                each.experiment.name, arm, own["cap"].iloc[0], *plain.interval, *less.interval,
                _side(plain.low, plain.high) == _side(less.low, less.high),
            ])  # fmt: skip
    columns = [
        "experiment_id", "arm", "cap", "difference", "low", "high", "capped_difference", "capped_low", "capped_high",
        "agrees",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def hide_alike(capped: pd.DataFrame, most_arms: int) -> tuple[pd.DataFrame, int]:
    """The rows of `cap_profit` without the arms on which the cap agrees in tests of many arms, and their number.

    Args:
        capped: of `cap_profit`.
        most_arms: of a test whose arms are all kept.
    """
    many = capped.groupby("experiment_id")["arm"].transform("size") > most_arms
    alike = many & capped["agrees"].astype(bool)
    return capped[~alike], int(alike.sum())


def _side(low: float, high: float) -> float:
    """1 where an interval lies above 0, −1 where it lies below, else 0; NaN where there is none."""
    return float(low > 0) - float(high < 0) if np.isfinite([low, high]).all() else float("nan")
