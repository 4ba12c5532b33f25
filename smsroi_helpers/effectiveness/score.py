"""A composite score of campaigns: weights by entropy, by AHP or given; weighted sums or TOPSIS; how sure the ranks are.

References:
    Hwang & Yoon (1981), Multiple attribute decision making, Springer: entropy weights (section 2.3), TOPSIS (3.3).
    Saaty (1980), The analytic hierarchy process, McGraw-Hill: eigenvector weights, consistency ratio.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import spearmanr

from smsroi_helpers.effectiveness.kpis import KPIS
from smsroi_helpers.errors import UsageError
from smsroi_helpers.statistics import Floats, by_group, draw_shrunken, jackknife, shrink

__all__ = [
    "INDICATORS",
    "LARGEST_RATIO",
    "Ahp",
    "Method",
    "Scores",
    "ahp_weights",
    "check_pairs",
    "entropy_weights",
    "pairwise_matrix",
    "score_campaigns",
    "topsis",
    "weighted_sum",
]

Method = Literal["entropy", "ahp", "topsis", "given"]
"""How campaigns are scored; `topsis` uses entropy weights, or those given."""
INDICATORS: dict[str, bool] = {
    "click_rate": True, "conversion_rate": True, "revenue_per_message": True, "opt_out_rate": False,
}  # fmt: skip
"""The indicators of the score, and whether more is better."""
LARGEST_RATIO = 0.1
"""Pairwise comparisons with a consistency ratio of this size or more contradict each other too much (Saaty 1980)."""
RANDOM_INDEX = (0.0, 0.0, 0.58, 0.90, 1.12, 1.24, 1.32, 1.41, 1.45, 1.49)
"""The mean consistency index of random reciprocal matrices of 1, 2, … 10 indicators (Saaty 1980, table 1.2)."""
_NEAR_CONSTANT = 0.05
"""Standard deviation ÷ mean below which an indicator hardly tells campaigns apart."""
_FEWEST_CUSTOMERS = 10
_FEWEST_POOLED = 3
_DRAWS = 1_000
_CHANGE = 0.5
"""Weights are changed by factors from 1 − this to 1 + this."""


def entropy_weights(values: ArrayLike) -> Floats:
    """Weights of indicators by the information in them (Hwang & Yoon 1981): a constant indicator has weight 0.

    With p the share of each alternative in a column's sum, e = −Σ p ln p ÷ ln n and the weight is (1 − e) ÷ Σ (1 − e).

    Args:
        values: alternatives × indicators, ≥ 0.

    Raises:
        ValueError: a value is negative, or there are fewer than two alternatives.

    >>> entropy_weights([[1.0, 5.0], [3.0, 5.0]]).tolist()  # the second tells nothing apart
    [1.0, 0.0]
    """
    x = np.asarray(values, float)
    if x.ndim != 2 or len(x) < 2 or (x < 0).any():
        raise ValueError("entropy weights need two alternatives or more, and no negative value")
    sums = x.sum(axis=0)
    p = np.divide(x, sums, out=np.full_like(x, 1 / len(x)), where=sums > 0)
    logs = np.log(p, out=np.zeros_like(p), where=p > 0)
    weight = np.clip(1 + (p * logs).sum(axis=0) / np.log(len(x)), 0.0, None)
    weight[np.ptp(x, axis=0) == 0] = 0.0
    return weight / weight.sum() if weight.sum() > 0 else np.full(x.shape[1], 1 / x.shape[1])


@dataclass(frozen=True)
class Ahp:
    """Weights from pairwise comparisons, and how well these agree with each other."""

    weights: Floats
    largest_eigenvalue: float
    consistency_ratio: float
    """(λ − n) ÷ (n − 1) ÷ the same of random comparisons; 0 for perfect agreement."""


def ahp_weights(comparisons: ArrayLike) -> Ahp:
    """Weights by the analytic hierarchy process: the principal eigenvector of the pairwise comparisons (Saaty 1980).

    Args:
        comparisons: n × n (2 to 10), positive, a[i][j] = 1 ÷ a[j][i]: how many times as important i is as j.

    Raises:
        UsageError: the matrix is not reciprocal, or its consistency ratio is 0.1 or more.

    >>> found = ahp_weights([[1, 3, 5], [1 / 3, 1, 3], [1 / 5, 1 / 3, 1]])
    >>> found.weights.round(3).tolist(), round(found.consistency_ratio, 3)
    ([0.637, 0.258, 0.105], 0.033)
    """
    try:
        a = np.asarray(comparisons, float)
    except (TypeError, ValueError):  # rows of different lengths, or no numbers
        a = np.empty(0)
    n = len(a) if a.ndim else 0
    if a.shape != (n, n) or not 2 <= n <= len(RANDOM_INDEX) or not (a > 0).all() or not np.allclose(a * a.T, 1):
        raise UsageError("pairwise comparisons: give a square table of 2 to 10 indicators with a[i][j] = 1 / a[j][i]")
    values, vectors = np.linalg.eig(a)
    first = int(values.real.argmax())
    weights = np.abs(vectors[:, first].real)
    index = (values[first].real - n) / (n - 1)
    ratio = max(float(index / RANDOM_INDEX[n - 1]), 0.0) if RANDOM_INDEX[n - 1] else 0.0
    if ratio >= LARGEST_RATIO:
        raise UsageError(
            f"pairwise comparisons: their consistency ratio is {ratio:.2f}, and from {LARGEST_RATIO} on they contradict"
            " each other; compare the indicators again"
        )
    return Ahp(weights / weights.sum(), float(values[first].real), ratio)


def pairwise_matrix(pairs: Mapping[str, float], indicators: Sequence[str]) -> Floats:
    """The matrix of comparisons written as `{"conversion_rate over click_rate": 3}`.

    Raises:
        UsageError: it is no mapping; an indicator is not known, or compared with itself; a pair is missing, or given
            twice.
    """
    if not isinstance(pairs, Mapping):
        raise UsageError(f"pairwise: write a mapping like '{indicators[0]} over {indicators[-1]}': 3")
    at = {name: i for i, name in enumerate(indicators)}
    a = np.eye(len(at))
    for words, times in pairs.items():
        one, _over, two = words.partition(" over ")
        if one not in at or two not in at or one == two:
            raise UsageError(
                f"pairwise: {words!r} is no comparison; write it as '{indicators[0]} over {indicators[-1]}'"
            )
        if a[at[one], at[two]]:
            raise UsageError(f"pairwise: {one} and {two} are compared twice; give one of the two")
        a[at[one], at[two]], a[at[two], at[one]] = times, 1 / times
    missing = [f"{one} over {two}" for one, i in at.items() for two, j in at.items() if i < j and a[i, j] == 0]
    if missing:
        raise UsageError(f"pairwise: the comparisons {', '.join(missing)} are missing")
    return a


def check_pairs(pairs: dict[str, float]) -> dict[str, float]:
    """The comparisons as they are, for the check of parameters before a run.

    Which indicators count depends on what the source records, so that pairs may be missing here.

    Raises:
        UsageError: as `pairwise_matrix`; or the comparisons of all indicators contradict each other.
    """
    every = list(INDICATORS)
    given = [two for pair in pairs for two in (pair, " over ".join(reversed(pair.split(" over "))))]
    absent = [f"{one} over {two}" for i, one in enumerate(every) for two in every[i + 1 :]]
    absent = [pair for pair in absent if pair not in given]
    matrix = pairwise_matrix({**dict.fromkeys(absent, 1.0), **pairs}, every)
    if not absent:
        ahp_weights(matrix)
    return pairs


def weighted_sum(values: Floats, weights: Floats, more_is_better: Sequence[bool]) -> Floats:
    """Σ weight × the indicator scaled to 0 (worst of the alternatives) … 1 (best); constant indicators count 0.

    Args:
        values: … × alternatives × indicators.
        weights: … × indicators, sum 1.
        more_is_better: of each indicator.
    """
    x = np.where(np.asarray(more_is_better), values, -values)
    low, high = x.min(axis=-2, keepdims=True), x.max(axis=-2, keepdims=True)
    scaled = np.divide(x - low, high - low, out=np.zeros_like(x), where=high > low)
    return (scaled * np.asarray(weights)[..., None, :]).sum(axis=-1)


def topsis(values: Floats, weights: Floats, more_is_better: Sequence[bool]) -> Floats:
    """Relative closeness (0–1) to the best of every indicator: TOPSIS (Hwang & Yoon 1981, section 3.3).

    Args:
        values: … × alternatives × indicators.
        weights: … × indicators, sum 1.
        more_is_better: of each indicator.

    >>> topsis(np.array([[3.0], [0.0]]), np.array([1.0]), [True]).tolist()
    [1.0, 0.0]
    """
    x = np.asarray(values, float)
    length = np.sqrt((x**2).sum(axis=-2, keepdims=True))
    v = np.divide(x, length, out=np.zeros_like(x), where=length > 0) * np.asarray(weights)[..., None, :]
    v = np.where(np.asarray(more_is_better), v, -v)
    best, worst = v.max(axis=-2, keepdims=True), v.min(axis=-2, keepdims=True)
    to_best, to_worst = np.sqrt(((v - best) ** 2).sum(axis=-1)), np.sqrt(((v - worst) ** 2).sum(axis=-1))
    both = to_best + to_worst
    return np.divide(to_worst, both, out=np.full_like(both, 0.5), where=both > 0)


@dataclass(frozen=True)
class Scores:
    """The composite score of campaigns."""

    method: Method
    rows: pd.DataFrame
    """campaign_id, score, rank (1 = best), rank_low, rank_high (95 % limits over customers); best first."""
    weights: pd.DataFrame
    """indicator, weight, variation (standard deviation ÷ mean over campaigns), near_constant."""
    consistency_ratio: float
    """Of AHP; NaN for other methods."""
    stays_first: float
    """Share of changed weights under which the first campaign stays first."""
    correlation: float
    """Mean Spearman correlation of the ranking with that under changed weights."""
    too_few: int
    """Campaigns without a score, because of too few customers."""
    unknown: int
    """Campaigns without a score, because their channel does not record every indicator, or nothing was delivered."""


def score_campaigns(
    cells: pd.DataFrame,
    rng: np.random.Generator,
    *,
    method: Method = "entropy",
    weights: Mapping[str, float] | None = None,
    pairwise: Mapping[str, float] | None = None,
) -> Scores | None:
    """Score and rank campaigns by what the source records of them.

    Indicators are shrunken towards the mean of all campaigns (`statistics.shrink`); ranks' limits come from draws of
    the same posterior. A campaign of whose indicators one is not known has no score: unknown is not 0.

    Args:
        cells: of `counts.count_sends`.
        rng: of the draws.
        method: how.
        weights: indicator → weight (≥ 0), for `given`, and for `topsis` if stated.
        pairwise: for `ahp`, as for `pairwise_matrix`.

    Returns:
        None with fewer than two campaigns or no indicator.

    Raises:
        UsageError: weights or comparisons are missing, or name unknown indicators; comparisons are inconsistent.
    """
    own = cells[cells["dimension"] == "campaign"]
    names = [n for n in INDICATORS if len(own) and own[[KPIS[n].numerator, KPIS[n].denominator]].notna().any().all()]
    if not names:
        return None
    columns = sorted({c for n in names for c in (KPIS[n].numerator, KPIS[n].denominator)} | {"customers"})
    keys, sums = by_group(own.fillna(0.0), ["value"], columns)
    of = dict(zip(columns, sums, strict=True))
    known = np.all([of[KPIS[n].denominator].sum(axis=-1) > 0 for n in names], axis=0)
    used = known & (of["customers"].sum(axis=-1) >= _FEWEST_CUSTOMERS)
    if used.sum() < 2:
        return None
    pooled = [_pool(of[KPIS[n].numerator][used], of[KPIS[n].denominator][used], rng) for n in names]
    estimate, drawn = (np.stack([one[place] for one in pooled], axis=-1) for place in (0, 1))
    weight, ratio = _weights(method, estimate, names, weights or {}, pairwise or {})
    better = [INDICATORS[n] for n in names]
    scored = topsis if method == "topsis" else weighted_sum
    score = scored(estimate, weight, better)
    ranks = _ranks(scored(np.maximum(drawn, 0.0), weight, better))
    changed = weight * rng.uniform(1 - _CHANGE, 1 + _CHANGE, (_DRAWS, len(names)))
    other = scored(np.broadcast_to(estimate, (_DRAWS, *estimate.shape)), changed / changed.sum(axis=1)[:, None], better)
    low, high = np.percentile(ranks, [2.5, 97.5], axis=0)
    rows = pd.DataFrame({
        "campaign_id": keys["value"].to_numpy()[used], "score": score, "rank": _ranks(score), "rank_low": low,
        "rank_high": high,
    })  # fmt: skip
    spread = estimate.std(axis=0) / np.abs(estimate.mean(axis=0))
    weight_rows = pd.DataFrame({"indicator": names, "weight": weight, "variation": spread})
    return Scores(
        method, rows.sort_values("rank", ignore_index=True),
        weight_rows.assign(near_constant=~(weight_rows["variation"] >= _NEAR_CONSTANT)), ratio,
        float((other.argmax(axis=1) == score.argmax()).mean()),
        float(np.mean([spearmanr(score, one).statistic for one in other[:200]])),
        int((known & ~used).sum()), int((~known).sum()),
    )  # fmt: skip


def _pool(top: Floats, bottom: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """One indicator of every campaign, shrunken towards the mean of all; and draws of it.

    Without shrinkage the smallest campaigns would be first and last, and the rarest event would vary most. The error of
    a campaign is that of a mean over its denominator, with the variance per unit of all campaigns together: a campaign
    without a single event has no error of its own.

    Args:
        top: campaigns × groups.
        bottom: the same shape.
        rng: of the draws.

    Returns:
        campaigns; `_DRAWS` × campaigns.
    """
    found = jackknife(lambda sums: sums[0] / sums[1], np.stack([top, bottom]))
    size = bottom.sum(axis=-1)
    variance = float((np.nan_to_num(found.standard_error) ** 2 * size**2).sum() / size.sum())
    errors = np.sqrt(variance / size)
    if not variance > 0 or len(size) < _FEWEST_POOLED:
        return found.estimate, found.estimate + errors * rng.standard_normal((_DRAWS, len(size)))
    return shrink(found.estimate, errors).estimate, draw_shrunken(found.estimate, errors, rng, draws=_DRAWS)


def _ranks(scores: Floats) -> Floats:
    """1 for the highest score, along the last axis."""
    return (1.0 + (-scores).argsort(axis=-1).argsort(axis=-1)).astype(np.float64)


def _weights(
    method: Method, estimate: Floats, names: list[str], given: Mapping[str, float], pairs: Mapping[str, float]
) -> tuple[Floats, float]:
    """The weights, and the consistency ratio of AHP."""
    if method == "ahp":
        if not pairs:
            raise UsageError("score_by: ahp needs pairwise, the comparisons of the indicators")
        found = ahp_weights(pairwise_matrix(pairs, names))
        return found.weights, found.consistency_ratio
    if given:
        if unknown := sorted(set(given) - set(names)):
            raise UsageError(f"score_weights: {unknown[0]!r} is no indicator here; choose from {', '.join(names)}")
        weight = np.array([float(given.get(name, 0.0)) for name in names])
        if (weight < 0).any() or not weight.sum() > 0:
            raise UsageError("score_weights: give weights of at least 0, and one above 0")
        return weight / weight.sum(), float("nan")
    if method == "given":
        raise UsageError("score_by: given needs score_weights")
    return entropy_weights(estimate), float("nan")
