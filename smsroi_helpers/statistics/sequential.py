"""Looking every day without fooling oneself: an always-valid interval, and a sequential test of the split.

A 95 % interval read every night excludes 0 sooner or later although nothing differs. The interval here may be read as
often as one likes: over *all* looks together it misses the truth in at most one test of twenty. It is the
normal-mixture boundary of Robbins (1970), as the asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy
& Ramdas (2024), Time-uniform central limit theory and asymptotic confidence sequences, Annals of Statistics 52, theorem
2.2:

    estimate ± standard error · √((1 + 1/r) · log((1 + r) / α²)),    r = information so far / information tuned for.

There information is a count of independent rows. Here the same customers buy week after week, so it is the customers'
time under observation. The boundary then holds whenever two looks' estimates are at least as correlated as those of a
Brownian motion in that clock (Slepian 1962, Bell System Technical Journal 41), that is, if customers keep their habits
(busy ones stay busy) and none buys the faster the longer ago the assignment was.
"""

import datetime as dt

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import gammaln, xlogy
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
"""No always-valid interval before a whole week: its clock is set by the first week's customers."""
TUNED_WEEKS = 8.0
"""When the interval is to be narrowest, where no end is planned. Any other choice is as valid, and a little wider."""
CONCENTRATION = 10_000.0
"""How surely the alternative's shares lie near the planned ones, as in Lindon & Malek's own program."""


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
        r: of `information`; NaN: there is no interval yet.
        level: over all looks together.

    >>> always_valid_half_width(1.0, 8.78).round(2)  # where it is narrowest: 1.55 times the fixed 1.96
    np.float64(3.04)
    """
    r = np.asarray(r, float)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(standard_error, float) * np.sqrt((1 + 1 / r) * np.log((1 + r) / (1 - level) ** 2))


def always_valid_p(z: ArrayLike, r: ArrayLike) -> Floats:
    """The least α at which the always-valid interval excludes a value z errors away: √(1 + r) · e^(−z²r / 2(1 + r)).

    >>> half_width = always_valid_half_width(1.0, 5.0)
    >>> always_valid_p(half_width, 5.0).round(6)
    np.float64(0.05)
    """
    z, r = np.asarray(z, float), np.asarray(r, float)
    return np.asarray(np.minimum(np.sqrt(1 + r) * np.exp(-(z**2) * r / (2 * (1 + r))), 1.0))


def information(assigned: pd.DataFrame, last: dt.date, planned_weeks: float = TUNED_WEEKS) -> float:
    """The clock r of `always_valid_half_width`: customers' days under observation, in units fixed by the first week.

    It hangs on when customers were assigned and on the calendar, never on what they did.

    Args:
        assigned: day (of assignment), n (customers); one experiment.
        last: the last day whose outcomes count (inclusive).
        planned_weeks: how long the experiment was meant to take when it began.

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
    """How many tests of nothing are called significant by who looks every day: by the fixed interval, by ours.

    The estimate's path is a Brownian motion, as it is for many customers; ours looks from the first week on.

    Args:
        days: how long, one look a day; the tuning is for that end.
        rng: of the paths.
        tests: how many.

    Returns:
        the shares of tests in which the fixed 95 % interval, and the always-valid one, excluded 0 at any look.
    """
    day = np.arange(1, days + 1)
    z = np.cumsum(rng.standard_normal((tests, days)), axis=1) / np.sqrt(day)
    half_width = always_valid_half_width(1.0, tuned_information() * day / days)
    ours = np.abs(z[:, FIRST_DAYS - 1 :]) > half_width[FIRST_DAYS - 1 :]
    return float((np.abs(z) > norm.ppf(0.975)).any(axis=1).mean()), float(ours.any(axis=1).mean())


def sequential_split(counts: ArrayLike, shares: ArrayLike, concentration: float = CONCENTRATION) -> Floats:
    """The p-value, after each look, of the customers having come in the planned shares: however often it is asked.

    1 ÷ the greatest Bayes factor so far of shares ~ Dirichlet(concentration · planned) against the planned ones
    (Lindon & Malek 2022, Anytime-valid inference for multinomial count data, NeurIPS): where the split is sound,
    it falls to α or below, at any look, in at most α of all tests.

    Args:
        counts: looks × arms, customers that came between one look and the next; in the order of time.
        shares: planned, of each arm; > 0 and adding up to 1.
        concentration: of the alternative.

    >>> sequential_split([[500, 500], [600, 400], [700, 300]], [0.5, 0.5]).round(4)[[0, 2]].tolist()
    [1.0, 0.0]
    """
    so_far = np.cumsum(np.asarray(counts, float), axis=0)
    shares = np.asarray(shares, float)
    prior = concentration * shares
    n = so_far.sum(axis=1)
    log_factor = (
        gammaln(concentration) - gammaln(concentration + n)
        + (gammaln(prior + so_far) - gammaln(prior)).sum(axis=1)
        - xlogy(so_far, shares).sum(axis=1)
    )  # fmt: skip
    return np.asarray(np.exp(-np.maximum(np.maximum.accumulate(log_factor), 0.0)))
