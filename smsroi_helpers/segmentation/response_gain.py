"""How much is gained by choosing the best arm of each group instead of one arm for all: on cells, cross-validated.

Of randomised tests, by group of customers, arm and hash group: customers and the sums of an outcome and of its square.
The arm of each group is chosen on three quarters of the customers, from means that are shrunken towards "arms differ
equally in all groups", and its gain is measured on the last quarter; six balanced divisions of the hash groups are
averaged. On the last quarter, only the deviations from the means of the other three are weighted by 1 ÷ the arm's
share, which leaves the estimate unbiased and takes most of its variance away.

References:
    Robins, Rotnitzky & Zhao (1994), JASA 89: the augmented inverse-probability-weighted mean.
    Athey & Wager (2021), Policy learning with observational data, Econometrica 89: the value of a policy from it.
    Cochran (1954), Biometrics 10(4): whether effects differ between groups.
    Breiman, Friedman, Olshen & Stone (1984), CART, section 3.4: one standard error, paired here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2, norm

from smsroi_helpers.statistics import GROUPS, Floats, Ints

__all__ = [
    "FEWEST_IN_CELL",
    "Gain",
    "ResponseCells",
    "choose_arms",
    "cross_validate",
    "divisions",
    "gain_interval",
    "interaction_p",
    "merge_levels",
    "policy_gain",
    "simplest_of_best",
    "training_sums",
]

FEWEST_IN_CELL = 20
"""Groups of which an arm has fewer customers are left out of the test whether groups react differently."""
WIDER = 1.3
"""The divisions overlap and the best arm is chosen on each, so that the sum of squares over hash groups makes the
standard error too small: with two arms alike, the gain on two halves varies √(1 + 2/π) = 1.28 times as much."""
_PRIOR_CUSTOMERS = 20.0
"""The arm's variance counts as much as so many customers of a cell."""
_LEAST_VARIANCE = 1e-3
"""Of the variance over all arms: an arm that nobody was texted in has hardly any of its own."""
_MASKS = ((1, 2), (4, 8), (16, 32), (5, 10), (17, 36), (24, 35))


@dataclass(frozen=True)
class ResponseCells:
    """One randomised test by level, arm and hash group."""

    name: str
    kind: str
    arms: tuple[str, ...]
    weight: float
    """Of its gain in the sum over tests: the tests of one kind of decision share a weight of 1."""
    n: Floats
    """(levels, arms, 64): customers."""
    y: Floats
    """Sum of the outcome (money per customer and week), likewise."""
    yy: Floats
    """Sum of its squares."""


@dataclass(frozen=True)
class Gain:
    """Gain of choosing by group, per customer and week, compared with one arm for all."""

    parts: Floats
    """(64,): what each hash group adds to it."""

    @property
    def estimate(self) -> float:
        """Money per customer and week."""
        return float(self.parts.sum())

    @property
    def error(self) -> float:
        """Standard error."""
        return _error(self.parts)

    def minus(self, other: "Gain") -> "Gain":
        """The difference of two gains measured on the same customers."""
        return Gain(self.parts - other.parts)


def _error(parts: Floats) -> float:
    off = parts - parts.mean()
    return float(WIDER * np.sqrt(len(parts) / (len(parts) - 1) * (off**2).sum()))


def divisions() -> list[list[np.ndarray]]:
    """Divisions of the 64 hash groups into four equal parts, any two of one division disjoint: (64,) flags each."""
    bits = np.arange(GROUPS)[:, None] >> np.arange(6) & 1
    found = []
    for one, two in _MASKS:
        of = [bits[:, [mask >> k & 1 == 1 for k in range(6)]].sum(axis=1) % 2 for mask in (one, two)]
        part = 2 * of[0] + of[1]
        found.append([part == k for k in range(4)])
    return found


def merge_levels(cells: ResponseCells, group: Ints, groups: int) -> ResponseCells:
    """The same test by group of levels.

    Args:
        cells: by level.
        group: (levels,), the group of each level.
        groups: their number.
    """
    turn = np.zeros((groups, len(group)))
    turn[group, np.arange(len(group))] = 1.0
    n, y, yy = (np.tensordot(turn, part, axes=1) for part in (cells.n, cells.y, cells.yy))
    return ResponseCells(cells.name, cells.kind, cells.arms, cells.weight, n, y, yy)


# --- means -----------------------------------------------------------------------------------------------------------


def _variance_of_means(n: Floats, y: Floats, yy: Floats) -> tuple[Floats, Floats]:
    """Means (groups × arms) and their variances; 0 and infinite where nobody is."""
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(n > 0, y / n, 0.0)
        within = np.maximum(yy - n * mean**2, 0.0)
        of_arm = within.sum(axis=0) / np.maximum((n - 1).clip(0).sum(axis=0), 1)
        spread = (within + _PRIOR_CUSTOMERS * of_arm) / ((n - 1).clip(0) + _PRIOR_CUSTOMERS)
        least = _LEAST_VARIANCE * max(float(of_arm.max()), 1e-12)
        return mean, np.where(n > 0, np.maximum(spread, least) / n, np.inf)


def _additive(mean: Floats, variance: Floats) -> Floats:
    """Weighted least squares of mean (groups × arms) on an effect of the group and one of the arm."""
    rows, columns = mean.shape
    weight = 1 / variance
    design = np.concatenate([np.repeat(np.eye(rows), columns, 0), np.tile(np.eye(columns), (rows, 1))[:, 1:]], axis=1)
    root = np.sqrt(weight.ravel())
    fit = np.linalg.lstsq(design * root[:, None], mean.ravel() * root, rcond=None)[0]
    return np.asarray((design @ fit).reshape(rows, columns))


def shrunken_means(n: Floats, y: Floats, yy: Floats) -> Floats:
    """Means by group and arm, shrunken towards arms that differ equally in all groups.

    What is left of a fit by an effect of the group and one of the arm keeps the share τ²/(τ² + its variance), with τ²
    by the method of moments (DerSimonian & Laird 1986).
    """
    mean, variance = _variance_of_means(n, y, yy)
    fit = _additive(mean, variance)
    left, weight = np.where(np.isfinite(variance), mean - fit, 0.0), 1 / variance
    freedom = max((mean.shape[0] - 1) * (mean.shape[1] - 1), 1)
    q = float((left**2 * weight).sum())
    tau = max(q / freedom - 1, 0.0) / max(float(weight[weight > 0].mean()) if (weight > 0).any() else 0.0, 1e-300)
    kept = np.where(np.isfinite(variance), tau / np.maximum(tau + variance, 1e-300), 0.0)
    return np.asarray(fit + kept * left)


def interaction_p(tests: Sequence[ResponseCells]) -> float:
    """The p-value of "arms differ equally in all groups", over all tests; NaN where nothing can be compared.

    Σ (mean − additive fit)²/variance is χ² with (groups − 1)(arms − 1) degrees of freedom; tests are independent
    because their assignments are. Groups with fewer than `FEWEST_IN_CELL` customers in an arm are left out.
    """
    q, freedom = 0.0, 0
    for test in tests:
        sums = [part.sum(axis=-1) for part in (test.n, test.y, test.yy)]
        enough = sums[0].min(axis=1) >= FEWEST_IN_CELL
        if enough.sum() < 2:
            continue
        mean, variance = _variance_of_means(*(part[enough] for part in sums))
        left = mean - _additive(mean, variance)
        q += float((left**2 / variance).sum())
        freedom += (mean.shape[0] - 1) * (mean.shape[1] - 1)
    return float(chi2.sf(q, freedom)) if freedom else float("nan")


# --- gains -----------------------------------------------------------------------------------------------------------


def training_sums(test: ResponseCells, held_out: np.ndarray) -> tuple[Floats, Floats, Floats]:
    """n, y and yy (levels × arms) of the customers that are not held out."""
    n, y, yy = (part[..., ~held_out].sum(axis=-1) for part in (test.n, test.y, test.yy))
    return n, y, yy


def choose_arms(means: Floats, n: Floats) -> tuple[Ints, int]:
    """The arm with the highest mean in each group, and the one that is best for all together (rows weighted by n)."""
    share = n.sum(axis=1) / max(n.sum(), 1.0)
    return means.argmax(axis=1), int((share @ means).argmax())


def policy_gain(test: ResponseCells, held_out: np.ndarray, means: Floats, arms: Ints, for_all: int) -> Floats:
    """(64,): what each held-out hash group adds to the gain of `arms` by group over one arm for all.

    Args:
        test: by group.
        held_out: (64,) flags.
        means: (groups, arms), from the other customers.
        arms: (groups,), the arm chosen for each group.
        for_all: the arm chosen for all.
    """
    share = test.n.sum(axis=(0, 2)) / test.n.sum()
    off = (test.y - test.n * means[:, :, None]) / share[None, :, None]
    rows = np.arange(len(arms))
    step = means[rows, arms] - means[:, for_all]
    parts = off[rows, arms] - off[:, for_all] + test.n.sum(axis=1) * step[:, None]
    return np.where(held_out, parts.sum(axis=0), 0.0)


def cross_validate(tests: Sequence[ResponseCells]) -> Gain:
    """The cross-validated gain of choosing the best arm by group, summed over tests by their weights."""
    parts = np.zeros(GROUPS)
    every = divisions()
    for test in tests:
        for division in every:
            for held_out in division:
                n, y, yy = training_sums(test, held_out)
                means = shrunken_means(n, y, yy)
                arms, for_all = choose_arms(means, n)
                parts += test.weight / test.n.sum() * policy_gain(test, held_out, means, arms, for_all) / len(every)
    return Gain(parts)


def simplest_of_best(gains: Sequence[Gain], complexity: Sequence[tuple[int, ...]]) -> int:
    """The simplest grouping whose gain is at most one standard error below the largest: of the difference, paired.

    Args:
        gains: of each grouping.
        complexity: of each; compared as tuples, the smaller is the simpler. Ties go to the earlier one.
    """
    best = max(gains, key=lambda gain: gain.estimate)
    near = [k for k, gain in enumerate(gains) if best.minus(gain).estimate <= best.minus(gain).error]
    return min(near, key=lambda k: (complexity[k], k))


def gain_interval(gain: Gain) -> tuple[float, float, float]:
    """What choosing by group gains per customer and week: estimate, and limits of its 95 % interval."""
    half_width = float(norm.ppf(0.975)) * gain.error
    return gain.estimate, gain.estimate - half_width, gain.estimate + half_width
