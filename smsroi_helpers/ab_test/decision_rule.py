"""The decision of an experiment, in money: ship, keep the control, keep running, or broken.

The rule: with the interval of an arm's profit against the control's (always-valid while the experiment runs, fixed once
it has ended; each arm at 1 − α/k, k being how many arms are compared with the control),

- *broken* where anything in `validity` says so;
- *ship* where the whole interval lies above the smallest gain worth having, at least 20 customers bought in each arm,
  opting out is shown not to have risen by more than the margin, and Holm's p-value over the family is below .05;
- *keep control* where every arm's whole interval lies below that gain;
- *keep running* otherwise.
"""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.stats import norm, t

from smsroi_helpers.ab_test.planning import WANTED_SHARE, wanted_gain
from smsroi_helpers.experiments import METRICS, Experiment, Validity
from smsroi_helpers.statistics import FEW_EVENTS, adjust, always_valid_half_width, difference_of_rates

__all__ = [
    "ALPHA",
    "FEWEST_BUYERS_UNEQUAL",
    "MOST",
    "Guard",
    "Outcome",
    "Verdict",
    "adjust_p",
    "judge",
]

Outcome = Literal["ship", "keep_control", "keep_running", "broken"]
Guard = Literal["held", "open", "breached", "unknown", "not_asked"]
ALPHA = 0.05
UNEQUAL = 5.0
"""Where one arm has so many times the other's customers, the mean of money needs more buyers to be near normal."""
FEWEST_BUYERS_UNEQUAL = 100
"""As many in the smaller arm (benchmarks/claims/rates.py: with 48 of 800 against 8,000 the interval is wrong)."""
MOST = 50.0
"""A test that would need to be so many times as large is not told to go on."""


@dataclass(frozen=True)
class Verdict:
    """What an experiment's numbers come to."""

    outcome: Outcome
    metric: str
    """What it was decided by; empty where it is broken."""
    by_arm: dict[str, Outcome]
    arm: str
    """Which arm the numbers below are of; empty where none stands out."""
    difference: float
    """Per customer, over the window."""
    low: float
    high: float
    """Its interval at 1 − α/k; always-valid while the experiment runs."""
    value: float
    """The arm's customers × difference: what the arm earned, or cost, against the control."""
    guards: dict[str, Guard]
    factor: float
    """How many times as much observation would settle it, the difference staying as it is; NaN where nothing is."""
    smallest_seen: float
    """The smallest difference per customer that the test, as far as it has come, shows four times out of five."""
    wanted: float = float("nan")
    """The difference that it should be able to show: a gain per customer and week (money), or a rise of a share."""
    needed: float = float("nan")
    """Customers in all, of all arms, with whom it would show that four times out of five."""
    why_open: tuple[str, ...] = ()
    """Codes: few_events, few_buyers, guard, first_week, interval, no_numbers."""
    effects: pd.DataFrame = field(default_factory=pd.DataFrame)
    """The experiment's effects with adjusted p-values."""
    priced: bool = False
    """Whether it was decided in money after message and discount costs."""


def _deciding_metric(experiment: Experiment, effects: pd.DataFrame) -> str:
    """Profit where it is known and varies; else the experiment's own metric, revenue, or who ordered.

    Clicks per message never decide: where arms differ in messages their clicks cannot be compared.
    """
    rows = effects[(effects["segment"] == "all") & effects["low"].notna()] if len(effects) else effects
    known = set(rows["metric"]) if len(rows) else set()
    for metric in ("profit", experiment.primary, "revenue", "order_rate"):
        if metric in known and METRICS[metric].kind != "ratio":
            return metric
    return "order_rate"


def adjust_p(effects: pd.DataFrame, experiment: Experiment, decided_by: str) -> pd.DataFrame:
    """The effects with adjusted_p and correction: what was many comparisons is told as such.

    The metrics that decide (the one decided by and the experiment's own) form, over all arms and segments, one family
    under Holm's correction; the others, which only point where to look, one under Benjamini and Hochberg's. While an
    experiment runs the always-valid p-values are taken, afterwards the fixed ones.
    """
    deciding = effects["metric"].isin([decided_by, experiment.primary])
    p = effects["always_valid_p"] if experiment.state == "running" else effects["p_value"]
    p = p.to_numpy(float)
    adjusted = np.where(
        deciding,
        adjust(np.where(deciding, p, np.nan), "holm"),
        adjust(np.where(deciding, np.nan, p), "benjamini_hochberg"),
    )
    correction = np.where(deciding, "holm", "benjamini_hochberg")
    return effects.assign(adjusted_p=adjusted, correction=correction)


def judge(
    experiment: Experiment,
    validity: Validity,
    effects: pd.DataFrame,
    *,
    smallest_gain: float,
    opt_out_margin: float,
) -> Verdict:
    """Decide an experiment.

    Args:
        experiment: which.
        validity: whether to believe it.
        effects: of `ab_test.measure_effects`.
        smallest_gain: profit per customer and week worth having (money).
        opt_out_margin: share of customers a week by which opting out may rise.
    """
    if validity.broken:
        nan = float("nan")
        return Verdict(
            outcome="broken", metric="", by_arm=dict.fromkeys(experiment.treated, "broken"), arm="", difference=nan,
            low=nan, high=nan, value=nan, guards={}, factor=nan, smallest_seen=nan, effects=effects,
        )  # fmt: skip
    metric = _deciding_metric(experiment, effects)
    effects = adjust_p(effects, experiment, metric)
    every = effects[effects["segment"] == "all"]
    rows = every[every["metric"] == metric].set_index("arm")
    better = 1.0 if METRICS[metric].more_is_better else -1.0
    threshold = smallest_gain * experiment.weeks if METRICS[metric].kind == "money" else 0.0
    arms = len(experiment.treated)
    by_arm: dict[str, Outcome] = {}
    guards: dict[str, Guard] = {}
    limits: dict[str, tuple[float, float, float]] = {}
    why: dict[str, str] = {}
    for arm in experiment.treated:
        guards[arm] = _guard(experiment, validity, every, arm, opt_out_margin)
        if arm not in rows.index or not np.isfinite(rows.loc[arm, "difference"]):
            by_arm[arm], why[arm] = "keep_running", "no_numbers"
            continue
        row = rows.loc[arm]
        control = rows.loc[experiment.control]
        low, high = _limits(experiment, row, control, arms)
        limits[arm] = (*sorted((better * low, better * high)), better * row["difference"])
        by_arm[arm], why[arm] = _rule(row, control, limits[arm], threshold, guards[arm])
    outcome, arm = _overall(by_arm, limits)
    difference, low, high, value, factor = (np.nan,) * 5
    if arm:
        low, high, difference = limits[arm] if better > 0 else (-limits[arm][1], -limits[arm][0], -limits[arm][2])
        value = difference * float(rows.loc[arm, "customers"])
    errors = rows.loc[[a for a in experiment.treated if a in rows.index], "standard_error"]
    if outcome == "keep_running" and arm:  # of several arms the best-looking one would promise too much
        factor = _factor(experiment, rows.loc[arm], abs(limits[arm][2] - threshold), arms)
    seen = _smallest_seen(experiment, float(errors.min()), arms)
    wanted, needed = _needed(experiment, rows, metric, seen, smallest_gain)
    open_for = tuple(dict.fromkeys(why[a] for a in experiment.treated if by_arm[a] == "keep_running"))
    return Verdict(
        outcome, metric, by_arm, arm, difference, low, high, value, guards, factor, seen, wanted, needed, open_for,
        effects, priced=metric == "profit",
    )  # fmt: skip


def _limits(experiment: Experiment, row: pd.Series, control: pd.Series, arms: int) -> tuple[float, float]:
    """The interval at 1 − α/k; NaN while there is no always-valid one."""
    level = 1 - ALPHA / arms
    if row["method"] == "few_events":
        if experiment.state == "running":
            return float("nan"), float("nan")
        found = difference_of_rates(
            [row["events"]], [row["customers"]], [control["events"]], [control["customers"]], level
        )
        return float(found.low[0]), float(found.high[0])
    if experiment.state == "running":
        reach = float(always_valid_half_width(row["standard_error"], experiment.information, level))
    else:
        reach = float(t.ppf((1 + level) / 2, row["df"]) * row["standard_error"])
    return row["difference"] - reach, row["difference"] + reach


def _enough_events(row: pd.Series, control: pd.Series, metric: str) -> str:
    """Why an arm's number must not be shipped on: few_events, few_buyers, or nothing."""
    events = [(row["events"], row["customers"]), (control["events"], control["customers"])]
    if min(count for count, _n in events) < FEW_EVENTS:
        return "few_events"
    sizes = [n for _count, n in events]
    smaller = min(events, key=lambda pair: pair[1])[0]
    if METRICS[metric].kind == "money" and max(sizes) / min(sizes) >= UNEQUAL and smaller < FEWEST_BUYERS_UNEQUAL:
        return "few_buyers"
    return ""


def _rule(
    row: pd.Series,
    control: pd.Series,
    limits: tuple[float, float, float],
    threshold: float,
    guard: Guard,
) -> tuple[Outcome, str]:
    """One arm's decision, and what is lacking where it stays open."""
    low, high, _difference = limits
    if not np.isfinite(low):
        return "keep_running", "few_events" if row["method"] == "few_events" else "first_week"
    lacking = _enough_events(row, control, row["metric"])
    if low > threshold and row["adjusted_p"] < ALPHA:
        if lacking:
            return "keep_running", lacking
        if guard == "breached":
            return "keep_control", ""
        return ("keep_running", "guard") if guard == "open" else ("ship", "")
    if high < threshold:
        return ("keep_running", lacking) if lacking else ("keep_control", "")
    return "keep_running", lacking or "interval"


def _overall(by_arm: dict[str, Outcome], limits: dict[str, tuple[float, float, float]]) -> tuple[Outcome, str]:
    """The experiment's decision, and the arm its numbers are of."""
    shipped = [arm for arm, outcome in by_arm.items() if outcome == "ship"]
    if shipped:
        return "ship", max(shipped, key=lambda arm: limits[arm][2])
    outcome: Outcome = "keep_control" if set(by_arm.values()) == {"keep_control"} else "keep_running"
    if len(by_arm) == 1 and limits:
        return outcome, next(iter(by_arm))
    # Of several arms, what the least bad would cost; while the test is open none is picked.
    return outcome, max(limits, key=lambda arm: limits[arm][2]) if outcome == "keep_control" else ""


def _guard(experiment: Experiment, validity: Validity, every: pd.DataFrame, arm: str, margin: float) -> Guard:
    """Whether opting out is shown to have risen by no more than the margin a week (non-inferiority)."""
    rows = every[every["metric"] == "opt_out_rate"].set_index("arm")
    if not validity.control_treated_too:
        return "not_asked"
    if arm not in rows.index or not np.isfinite(rows.loc[arm, "low"]):
        return "unknown"
    running = experiment.state == "running" and rows.loc[arm, "method"] != "few_events"
    low, high = (rows.loc[arm, f"always_valid_{end}" if running else end] for end in ("low", "high"))
    allowed = margin * experiment.weeks
    if not np.isfinite(low):
        return "open"
    return "held" if high < allowed else "breached" if low > allowed else "open"


def _factor(experiment: Experiment, row: pd.Series, gap: float, arms: int) -> float:
    """How many times as much observation lets the interval's end reach the threshold, at the difference seen so far."""
    error, level = row["standard_error"], 1 - ALPHA / arms
    if not (np.isfinite(error) and error > 0 and gap > 0):
        return float("nan")
    if experiment.state == "ended":
        return float((norm.ppf((1 + level) / 2) * error / gap) ** 2)
    r = experiment.information
    if not np.isfinite(r):
        return float("nan")

    def over(log_factor: float) -> float:
        factor = float(np.exp(log_factor))
        return float(always_valid_half_width(error / np.sqrt(factor), r * factor, level)) - gap

    if over(np.log(MOST)) > 0:
        return float("inf")
    return float(np.exp(brentq(over, 0.0, np.log(MOST)))) if over(0.0) > 0 else 1.0


def _smallest_seen(experiment: Experiment, error: float, arms: int) -> float:
    """The difference whose interval, as it decides today, excludes 0 four times out of five; NaN for none."""
    if experiment.state == "running":
        return float(always_valid_half_width(error, experiment.information, 1 - ALPHA / arms) + norm.ppf(0.8) * error)
    return float((norm.ppf(1 - ALPHA / 2 / arms) + norm.ppf(0.8)) * error)


def _needed(
    experiment: Experiment, rows: pd.DataFrame, metric: str, seen: float, smallest_gain: float
) -> tuple[float, float]:
    """What the test should be able to show, and with how many customers it would (see `Verdict`)."""
    mean = float(rows["mean"].get(experiment.control, np.nan))
    customers = float(experiment.customers.sum())
    if METRICS[metric].kind == "money":
        wanted = wanted_gain(mean, experiment.weeks, smallest_gain)
        return wanted, customers * (seen / (wanted * experiment.weeks)) ** 2
    if not 0 < mean < 1:
        return float("nan"), float("nan")
    shares = experiment.customers / customers
    treated = min(share for share in shares[1:]) if len(shares) > 1 and shares[1:].min() > 0 else np.nan
    spread = np.sqrt(mean * (1 - mean) * (1 / treated + 1 / shares[0])) if shares[0] > 0 else np.nan
    z = norm.ppf(1 - ALPHA / 2 / len(experiment.treated)) + norm.ppf(0.8)
    return WANTED_SHARE * mean, float((z * spread / (WANTED_SHARE * mean)) ** 2)
