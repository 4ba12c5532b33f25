"""One role of an earlier plan against its held-out customers, from sums over customers.

Customers count with 1 ÷ the probability of their role, so that roles drawn with unequal probabilities are comparable.
Differences and their intervals are Welch's; opt-outs, of which there may be few, are compared by Miettinen–Nurminen
where all customers of a role have the same probability.

References:
    Hájek (1971), comment in Foundations of statistical inference, Holt, Rinehart and Winston, 236: the weighted mean.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from smsroi_helpers.ab_test import FEWEST_BUYERS_UNEQUAL
from smsroi_helpers.contract import Evidence
from smsroi_helpers.statistics import (
    FEW_EVENTS,
    UNEQUAL,
    Arms,
    MeanDifference,
    compare,
    detectable_difference,
    difference_of_rates,
    share_variance,
)

__all__ = [
    "CONTROL",
    "By",
    "Comparison",
    "Estimate",
    "compare_role",
    "weighted_mean",
]

CONTROL = "holdout"
_NAN = float("nan")
By = Literal["all", "tenth", "texts_per_week", "variant"]
"""What the customers of a comparison have in common. `tenth`: of the customers, by what they, or their group, were
promised. `texts_per_week`, `variant`: the groups in which this is the plan's most common action, their held-out
customers included."""
_SUMS = ("w", "w2", "w_y", "w2_y", "w2_yy")
_EQUAL = 1e-9
"""Weights that differ by less than this share are equal."""


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval; NaN where it is not known."""

    value: float = _NAN
    low: float = _NAN
    high: float = _NAN

    @property
    def known(self) -> bool:
        """Whether there is a number with an interval."""
        return bool(np.isfinite([self.value, self.low, self.high]).all())

    def excludes(self, value: float) -> bool:
        """Whether the interval is known and does not include a value."""
        return self.known and not self.low <= value <= self.high

    def over(self, divisor: float) -> "Estimate":
        """The estimate divided by a known number above 0; else unknown.

        >>> Estimate(2.0, 1.0, 3.0).over(4.0)
        Estimate(value=0.5, low=0.25, high=0.75)
        """
        return Estimate(self.value / divisor, self.low / divisor, self.high / divisor) if divisor > 0 else Estimate()


@dataclass(frozen=True)
class Comparison:
    """Customers of one role against those held out, per customer over the plan's weeks (money)."""

    role: str
    by: By
    label: str
    """Number of the tenth, texts per week, or variant; `all`."""
    customers: int
    held_out: int
    buyers: int
    """Of `customers`, those who ordered in the plan's weeks."""
    buyers_held_out: int
    promised: float
    """Mean of the incremental profit that the plan promised; NaN where that is not recorded of every customer."""
    measured: Estimate
    """Incremental profit: mean of the role less mean of the held-out customers; unknown with few buyers."""
    standard_error: float
    """Of `measured`."""
    gap: Estimate
    """promised − measured."""
    gap_p: float
    """Two-sided p-value for no gap; in a table with several rows, adjusted by Holm."""
    opt_outs: Estimate
    """Share who opted out, less that of the held-out customers (−1 to 1)."""
    texts: float
    """Sent per customer."""
    texts_held_out: float

    @property
    def few(self) -> bool:
        """Whether too few customers ordered, on either side, for an interval."""
        return min(self.buyers, self.buyers_held_out) < FEW_EVENTS

    @property
    def enough_to_correct(self) -> bool:
        """Whether so many customers ordered that promises may be corrected by this, as for decisions of `ab_test`."""
        return self.measured.known and self.buyers_held_out >= self.buyers_needed

    @property
    def buyers_needed(self) -> int:
        """Held-out customers who must have ordered before promises may be corrected."""
        return FEWEST_BUYERS_UNEQUAL if self.customers >= UNEQUAL * self.held_out else FEW_EVENTS

    @property
    def held_out_needed(self) -> float:
        """Customers to hold out until so many have ordered; NaN where none has."""
        return self.held_out * max(self.buyers_needed / self.buyers_held_out, 1.0) if self.buyers_held_out else _NAN

    @property
    def ratio(self) -> Estimate:
        """The part of the promise that was kept, measured ÷ promised; unknown where nothing was promised."""
        return self.measured.over(self.promised)

    @property
    def evidence(self) -> Evidence:
        """Of the measured numbers."""
        return "randomised" if self.measured.known else "none"

    @property
    def detectable(self) -> float:
        """The smallest gain per customer that is detected with 80 % power; NaN where no error is known."""
        return float(detectable_difference(self.standard_error))

    @property
    def times_for_promise(self) -> float:
        """How many times as many customers it takes to detect a gain as large as promised; NaN where not known."""
        return (self.detectable / self.promised) ** 2 if self.promised > 0 else _NAN


def weighted_mean(w: float, w2: float, w_y: float, w2_y: float, w2_yy: float) -> tuple[float, float, float]:
    """Hájek's mean of an outcome with its variance, from sums over customers.

    ȳ = Σwy ÷ Σw. Its variance is nₑ/(nₑ − 1) · Σw²(y − ȳ)² ÷ (Σw)², with nₑ = (Σw)² ÷ Σw² effective customers. With
    equal weights it is s²/n.

    Args:
        w: Σw.
        w2: Σw².
        w_y: Σwy.
        w2_y: Σw²y.
        w2_yy: Σw²y².

    Returns:
        the mean; its variance, NaN without two effective customers; nₑ.

    >>> weighted_mean(6.0, 12.0, 12.0, 24.0, 56.0)  # 1, 2, 3 with weight 2: mean 2, variance 1/3
    (2.0, 0.3333333333333333, 3.0)
    """
    if not w > 0:
        return _NAN, _NAN, 0.0
    mean, effective = w_y / w, w**2 / w2
    squares = w2_yy - 2 * mean * w2_y + mean**2 * w2
    squares = squares if squares > 1e-12 * w2_yy else 0.0  # less is a rounding error
    variance = effective / (effective - 1) * squares / w**2 if effective > 1 + _EQUAL else _NAN
    return mean, variance, effective


def compare_role(cells: pd.DataFrame, role: str, by: By = "all", label: str = "all") -> Comparison:
    """One role against the held-out customers of the same cells.

    Args:
        cells: of `past_counts.count_outcomes`.
        role: `plan` or `explore`.
        by: what the cells have in common.
        label: which of them they are.
    """
    own, control = (cells[cells["role"] == name].sum(numeric_only=True) for name in (role, CONTROL))
    means = [weighted_mean(*(float(sums[name]) for name in _SUMS)) for sums in (own, control)]
    promised = float(own["w_m"] / own["w"]) if 0 < own["n"] == own["promises"] and own["w"] > 0 else _NAN
    buyers = int(own["buyers"]), int(control["buyers"])
    measured, error, gap, gap_p = Estimate(), _NAN, Estimate(), _NAN
    if min(buyers) >= FEW_EVENTS:
        found, short = (_difference(means, less, UNEQUAL) for less in (0.0, promised))  # short: measured − promised
        measured, error = _estimate(found), float(found.standard_error[0])
        below = _estimate(short)
        gap, gap_p = Estimate(-below.value, -below.high, -below.low), float(short.p_value[0])
    return Comparison(
        role, by, label, int(own["n"]), int(control["n"]), *buyers, promised, measured, error, gap, gap_p,
        _opt_outs(own, control), *(float(x["w_t"] / x["w"]) if x["w"] > 0 else _NAN for x in (own, control)),
    )  # fmt: skip


def _difference(means: list[tuple[float, float, float]], less: float, unequal: float = np.inf) -> MeanDifference:
    """The mean of the role less a constant, less that of the held-out customers; one entry of each array.

    Of money, the smaller of arms so unequal has at least the variance of both (`statistics.share_variance`).
    """
    mean, variance, effective = (np.array(values) for values in zip(*means, strict=True))
    with np.errstate(divide="ignore", invalid="ignore"):
        arms = Arms(
            ("role", CONTROL), effective, mean, mean - np.array([less, 0.0]), variance, variance**2 / (effective - 1),
            effective, np.zeros(2, bool),
        )  # fmt: skip
        return compare(share_variance(arms, unequal), CONTROL)


def _estimate(found: MeanDifference) -> Estimate:
    return Estimate(float(found.estimate[0]), float(found.low[0]), float(found.high[0]))


def _opt_outs(own: pd.Series, control: pd.Series) -> Estimate:
    """The difference of the shares who opted out; unknown where the source records no opt-outs."""
    if not (own["n"] > 0 and control["n"] > 0 and own["leavers_known"] and control["leavers_known"]):
        return Estimate()
    if all(one["w2"] * one["n"] <= one["w"] ** 2 * (1 + _EQUAL) for one in (own, control)):
        found = difference_of_rates([own["opt_outs"]], [own["n"]], [control["opt_outs"]], [control["n"]])
        return Estimate(float(found.estimate[0]), float(found.low[0]), float(found.high[0]))
    # an outcome of 0 or 1 is its own square
    means = [weighted_mean(*(float(x[name]) for name in ("w", "w2", "w_o", "w2_o", "w2_o"))) for x in (own, control)]
    return _estimate(_difference(means, 0.0))
