"""Sequential inference: an always-valid interval, and a sequential test of the split.

A fixed 95 % interval that is read every day excludes 0 sooner or later even without an effect. An always-valid interval
may be read at any time: over *all* looks together it misses the truth in at most 5 % of tests. It is the normal-mixture
boundary of Robbins (1970), as the asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy
& Ramdas (2024), Time-uniform central limit theory and asymptotic confidence sequences, Annals of Statistics 52, theorem
2.2:

    estimate ± standard error · √((1 + 1/r) · log((1 + r) / α²)),    r = information so far / information tuned for.

In the paper, information is the number of independent rows. Here the same customers buy week after week, so it is the
customers' time under observation. The boundary is valid if the estimates of two looks are at least as correlated as
those of a Brownian motion in that time (Slepian 1962, Bell System Technical Journal 41). This is so if customers have
persistent habits and do not buy faster with time since assignment.
"""

import datetime as dt
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import gammaln, logsumexp, xlogy
from scipy.stats import norm

from smsroi_helpers.statistics.arrays import Floats

__all__ = [
    "FIRST_DAYS",
    "TUNED_WEEKS",
    "always_valid_half_width",
    "always_valid_p",
    "false_alarms",
    "information",
    "sequential_split",
]

FIRST_DAYS = 7
"""There is no always-valid interval before this day: the first week's customers set the unit of information."""
TUNED_WEEKS = 8.0
"""The time at which the interval is narrowest if no end is planned. Other choices are equally valid."""
CONCENTRATIONS = (100.0, 1_000.0, 10_000.0)
"""Concentrations of the alternative's Dirichlet priors at the planned shares. The lowest detects a shift of some points
among a thousand customers, the highest one of some tenths of a point among a hundred thousand. Lindon & Malek's
software has 10,000 alone, by which 1,000 customers never show a mismatch."""


def tuned_information(level: float = 0.95) -> float:
    """The r at which the boundary is narrowest: −2 log α + log(−2 log α) + 1 (Waudby-Smith et al. 2024, on tuning).

    >>> round(tuned_information(), 2)
    8.78
    """
    twice = -2 * np.log(1 - level)
    return float(twice + np.log(twice) + 1)


def always_valid_half_width(standard_error: ArrayLike, r: ArrayLike, level: float = 0.95) -> Floats:
    """The half-width of the always-valid interval.

    Args:
        standard_error: of the estimate today.
        r: of `information`; NaN where there is no interval yet.
        level: the coverage over all looks together.

    >>> always_valid_half_width(1.0, 8.78).round(2)  # where it is narrowest: 1.55 times the fixed 1.96
    np.float64(3.04)
    """
    r = np.asarray(r, float)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(standard_error, float) * np.sqrt((1 + 1 / r) * np.log((1 + r) / (1 - level) ** 2))


def always_valid_p(z: ArrayLike, r: ArrayLike) -> Floats:
    """The always-valid p-value of an estimate z standard errors from a value: √(1 + r) · e^(−z²r / 2(1 + r)).

    >>> half_width = always_valid_half_width(1.0, 5.0)
    >>> always_valid_p(half_width, 5.0).round(6)
    np.float64(0.05)
    """
    z, r = np.asarray(z, float), np.asarray(r, float)
    return np.asarray(np.minimum(np.sqrt(1 + r) * np.exp(-(z**2) * r / (2 * (1 + r))), 1.0))


def information(assigned: pd.DataFrame, last: dt.date, planned_weeks: float = TUNED_WEEKS) -> float:
    """The information r of `always_valid_half_width`: customer-days observed, in units fixed by the first week.

    It depends on the dates of assignment and on the calendar only, not on outcomes.

    Args:
        assigned: day (of assignment), n (customers); one experiment.
        last: the last day whose outcomes count (inclusive).
        planned_weeks: the planned length of the experiment when it began.

    Returns:
        NaN until `FIRST_DAYS` have passed since the first assignment.

    >>> cohort = pd.DataFrame({"day": [dt.date(2025, 3, 3)], "n": [500]})
    >>> round(information(cohort, dt.date(2025, 4, 27), planned_weeks=8), 2)  # eight weeks later
    8.78
    """
    days = np.array([(last - pd.Timestamp(day).date()).days + 1 for day in assigned["day"]], float)
    n = assigned["n"].to_numpy(float)
    elapsed = days.max(initial=0.0)
    if elapsed < FIRST_DAYS:
        return float("nan")
    in_first_week = n @ np.maximum(days - (elapsed - FIRST_DAYS), 0.0)
    weeks = max(planned_weeks, 1.0)
    return float(tuned_information() * (n @ np.maximum(days, 0.0)) / in_first_week / weeks)


def false_alarms(days: int, rng: np.random.Generator, tests: int = 20_000) -> tuple[float, float]:
    """The false-alarm rates of daily looks without an effect: with the fixed interval, and with the always-valid one.

    The estimate's path is simulated as a Brownian motion, which it is asymptotically. The always-valid interval is read
    from the end of the first week on.

    Args:
        days: the length, with one look a day; the interval is tuned for its end.
        rng: of the paths.
        tests: the number of simulated tests.

    Returns:
        the shares of tests in which the fixed 95 % interval, and the always-valid one, excluded 0 at any look.
    """
    day = np.arange(1, days + 1)
    z = np.cumsum(rng.standard_normal((tests, days)), axis=1) / np.sqrt(day)
    half_width = always_valid_half_width(1.0, tuned_information() * day / days)
    ours = np.abs(z[:, FIRST_DAYS - 1 :]) > half_width[FIRST_DAYS - 1 :]
    return float((np.abs(z) > norm.ppf(0.975)).any(axis=1).mean()), float(ours.any(axis=1).mean())


def sequential_split(counts: ArrayLike, shares: ArrayLike, concentrations: Sequence[float] = CONCENTRATIONS) -> Floats:
    """Sequential p-value of the planned split after each look, valid for any number of looks.

    1 ÷ the largest Bayes factor so far of shares ~ Dirichlet(concentration · planned) against the planned shares
    (Lindon & Malek 2022, Anytime-valid inference for multinomial count data, NeurIPS), the factor being the mean over
    the concentrations. A mean of nonnegative martingales is one. So, if the split is as planned, the probability that
    the p-value reaches α or less at any look is at most α (Ville 1939).

    Args:
        counts: looks × arms, customers assigned between one look and the next; in order of time.
        shares: the planned share of each arm; > 0, summing to 1.
        concentrations: of the alternatives, equally weighted.

    >>> sequential_split([[500, 500], [600, 400], [700, 300]], [0.5, 0.5]).round(4)[[0, 2]].tolist()
    [1.0, 0.0]
    """
    so_far = np.cumsum(np.asarray(counts, float), axis=0)
    shares = np.asarray(shares, float)
    whole = np.asarray(concentrations, float)[:, None]
    prior = whole[:, :, None] * shares
    log_factors = (
        gammaln(whole) - gammaln(whole + so_far.sum(axis=1))
        + (gammaln(prior + so_far) - gammaln(prior)).sum(axis=2)
        - xlogy(so_far, shares).sum(axis=1)
    )  # fmt: skip
    log_factor = logsumexp(log_factors, axis=0) - np.log(len(whole))
    return np.asarray(np.exp(-np.maximum(np.maximum.accumulate(log_factor), 0.0)))
