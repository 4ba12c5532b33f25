"""Power of a comparison of two arms: power, smallest detectable difference, sample size.

Two arms are compared by the two-sided z test of a difference of means or shares, at `ALPHA`. Where several arms are
compared with one control, each test is at `ALPHA` ÷ arms (Bonferroni). A share p has the standard deviation
√(p (1 − p)) in both arms. The formulas are those of statsmodels. Sample sizes use the tail on the effect's side only;
at a power of 0.8 the other tail adds 10⁻⁶.

References:
    Cohen (1988), Statistical power analysis for the behavioral sciences, chapter 2.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.stats import norm
from statsmodels.stats.power import NormalIndPower, normal_sample_size_one_tail

from smsroi_helpers.statistics.arrays import Floats
from smsroi_helpers.statistics.sequential import always_valid_half_width

__all__ = [
    "ALPHA",
    "MOST_TIMES",
    "POWER",
    "detectable_difference",
    "error_of_interval",
    "power_of_difference",
    "sample_size",
    "standard_error",
    "times_to_settle",
]

ALPHA = 0.05
"""The default significance level of tests: two-sided, over all arms of one experiment."""
POWER = 0.8
"""The default power."""
MOST_TIMES = 50.0
"""If more than this many times the data would be needed, no decision is expected."""


def standard_error(standard_deviation: ArrayLike, treated: ArrayLike, control: ArrayLike) -> Floats:
    """The standard error of a difference of two means: σ √(1/n₁ + 1/n₀).

    Args:
        standard_deviation: of one customer's outcome, the same in both arms.
        treated: customers of the treated arm.
        control: customers of the control.

    >>> standard_error(3.0, 36, 36).round(4)
    np.float64(0.7071)
    """
    n1, n0 = np.asarray(treated, float), np.asarray(control, float)
    return np.asarray(standard_deviation, float) * np.sqrt(1 / n1 + 1 / n0)


def error_of_interval(low: float, high: float, level: float = 1 - ALPHA) -> float:
    """The standard error of an estimate with a normal, two-sided interval.

    >>> round(error_of_interval(-1.96, 1.96), 3)
    1.0
    """
    return float((high - low) / 2 / norm.ppf((1 + level) / 2))


def power_of_difference(difference: float, standard_error: float, comparisons: int = 1) -> float:
    """The power: the probability that a true difference is detected.

    Args:
        difference: the true difference, treated − control.
        standard_error: of the difference's estimate, > 0.
        comparisons: the number of arms compared with the control.

    >>> round(power_of_difference(0.02, 0.3 * (2 / 3532) ** 0.5), 3)  # the textbook's 80 %
    0.8
    """
    # ratio=0: one sample, whose standard error is that of the difference
    return float(NormalIndPower().power(abs(difference) / standard_error, 1.0, ALPHA / comparisons, ratio=0))


def detectable_difference(
    standard_error: ArrayLike, *, power: float = POWER, comparisons: int = 1, information: float | None = None
) -> Floats:
    """The smallest true difference that is detected with this power: (z₁₋α/₂ₖ + z_power) · standard error.

    Args:
        standard_error: of the difference's estimate.
        power: the wanted power (0–1).
        comparisons: k, the number of arms compared with the control.
        information: if the always-valid interval decides, its information today (`sequential.information`); its
            half-width then replaces z₁₋α/₂ₖ standard errors.

    >>> detectable_difference(0.3 * (2 / 3532) ** 0.5).round(4)
    np.float64(0.02)
    """
    error = np.asarray(standard_error, float)
    if information is None:
        return np.sqrt(normal_sample_size_one_tail(1.0, power, ALPHA / 2 / comparisons, error))
    return always_valid_half_width(error, information, 1 - ALPHA / comparisons) + norm.ppf(power) * error


def sample_size(
    difference: float,
    standard_deviation: float,
    *,
    treated_share: float = 0.5,
    control_share: float = 0.5,
    power: float = POWER,
    comparisons: int = 1,
) -> float:
    """The total customers of all arms needed to detect a true difference: (z σ / δ)² (1/s₁ + 1/s₀).

    Args:
        difference: δ, true; infinitely many customers for 0.
        standard_deviation: σ of one customer's outcome, the same in both arms.
        treated_share: s₁, the treated arm's share of all customers (0–1).
        control_share: s₀, the control's share.
        power: the wanted power (0–1).
        comparisons: the number of arms compared with the control.

    >>> round(sample_size(0.5, 1.0) / 2)  # Cohen (1988), table 2.4.1: 64 a group by t, 63 by the normal
    63
    """
    if difference == 0:
        return float("inf")
    unit_error = standard_error(standard_deviation, treated_share, control_share)
    return float(normal_sample_size_one_tail(difference, power, ALPHA / 2 / comparisons, unit_error))


def times_to_settle(
    standard_error: float,
    gap: float,
    *,
    comparisons: int = 1,
    information: float | None = None,
    power: float = POWER,
) -> float:
    """How many times as much data makes the interval exclude a threshold with this power, if the estimate is true.

    Args:
        standard_error: of the estimate today.
        gap: from the estimate to the threshold, > 0.
        comparisons: the number of arms compared with the control.
        information: of the always-valid interval today, if it decides; None if the fixed interval decides.
        power: the wanted power (0–1). With 0.5 the interval just excludes the threshold if the estimate stays as it is.

    Returns:
        the factor. For the always-valid interval: 1 where it is reached already, infinity above
        `MOST_TIMES`. NaN where no interval is known.

    >>> round(times_to_settle(1.0, 0.98, power=0.5), 2)  # half of 1.96 standard errors: four times the customers
    4.0
    >>> round(times_to_settle(1.0, 0.98), 2)  # (1.96 + 0.84)² / 0.98²
    8.17
    """
    if not (np.isfinite(standard_error) and standard_error > 0 and gap > 0):
        return float("nan")
    level = 1 - ALPHA / comparisons
    if information is None:
        return float(((norm.ppf((1 + level) / 2) + norm.ppf(power)) * standard_error / gap) ** 2)
    if not np.isfinite(information):
        return float("nan")

    def over(log_times: float) -> float:
        times = float(np.exp(log_times))
        error = standard_error / np.sqrt(times)
        return float(always_valid_half_width(error, information * times, level) + norm.ppf(power) * error) - gap

    if over(np.log(MOST_TIMES)) > 0:
        return float("inf")
    return float(np.exp(brentq(over, 0.0, np.log(MOST_TIMES)))) if over(0.0) > 0 else 1.0
