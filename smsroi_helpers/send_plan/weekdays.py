"""On which weekdays the texts of an action go out: spread over customers, unless a weekday is shown to be better.

An action has a set of weekdays. Each customer gets as many of them as the action has texts a week, as far apart as can
be, beginning at any of them (`turn`), at each alike. So texts of an action whose weekdays are not shown to differ go
out on all of them alike, as a plan for everybody must not rest on which day happened to look best.
"""

import functools
from collections.abc import Sequence

import numpy as np
from scipy.stats import studentized_range

from smsroi_helpers.send_plan.mixture_rates import standard_error
from smsroi_helpers.statistics import ALPHA, Floats, Ints

__all__ = ["best_weekdays", "only_shown", "spread_weekdays", "turned_weekdays", "weekday_shares"]

_TIE = 1e-9


def spread_weekdays(texts: float, weekdays: Sequence[int]) -> tuple[int, ...]:
    """As many of these weekdays as are needed, as far apart as can be.

    >>> spread_weekdays(2, range(7)), spread_weekdays(0.5, range(7))
    ((0, 3), (0,))
    >>> spread_weekdays(2, [])
    ()
    """
    needed = min(int(np.ceil(texts)), len(weekdays))
    return tuple(weekdays[k * len(weekdays) // needed] for k in range(needed)) if needed else ()


def turned_weekdays(texts: float, weekdays: Sequence[int], turn: int) -> tuple[int, ...]:
    """The weekdays of the customers who begin at the one with this number, from 0: that one first.

    >>> [turned_weekdays(2, range(7), turn) for turn in (0, 1, 6)]
    [(0, 3), (1, 4), (6, 2)]
    """
    return spread_weekdays(texts, [*weekdays[turn:], *weekdays[:turn]])


def weekday_shares(weekdays: Sequence[int]) -> Floats:
    """(7,): the shares of an action's texts that go out on each weekday, over customers; 0 without weekdays.

    >>> weekday_shares((1, 5)).tolist()
    [0.0, 0.5, 0.0, 0.0, 0.0, 0.5, 0.0]
    """
    return np.bincount(np.asarray(weekdays, int), minlength=7) / max(len(weekdays), 1)


def only_shown(weekday: Floats, mix: Floats) -> Floats:
    """Effects of weekdays, of which those not distinguishable from the best are one.

    A weekday is worse than the best one if they differ by Tukey's honestly significant difference: where weekdays do
    not differ, all stay one with a probability of 95 %.

    Args:
        weekday: (R, K, 7), the estimate and its replicates.
        mix: (7,), the shares of the log's texts.

    Returns:
        (R, K, 7), with the same mean over the mix.
    """
    if len(weekday) < 3:
        return weekday
    found = weekday.copy()
    sent = np.flatnonzero(mix > 0)
    if len(sent) < 2:
        return weekday
    limit = _largest_by_chance(len(sent), len(weekday) - 2)
    for k in range(weekday.shape[1]):
        effects = weekday[:, k]
        best = sent[int(effects[0, sent].argmax())]
        gap = effects[:, [best]] - effects
        alike = np.flatnonzero(gap[0] <= limit * standard_error(gap))
        weights = mix[alike] if mix[alike].sum() > 0 else np.ones(len(alike))
        found[:, k, alike] = np.average(effects[:, alike], axis=1, weights=weights)[:, None]
    return found


@functools.lru_cache
def _largest_by_chance(weekdays: int, df: int) -> float:
    """By how many standard errors of their difference two of so many alike are apart in one world of twenty."""
    return float(studentized_range.ppf(1 - ALPHA, weekdays, df) / np.sqrt(2))


def best_weekdays(effects: Floats, open_days: Ints, needed: int) -> tuple[int, ...]:
    """The weekdays with the largest effect, and as many of the next as are needed; empty where there are too few.

    Args:
        effects: (7,), of `only_shown`.
        open_days: on which texts may go out.
        needed: how many different ones a week's texts take.

    >>> best_weekdays(np.array([1, 1, 1, 1, 1, 1.2, 1.2]), np.arange(6), 1)
    (5,)
    """
    if needed > len(open_days):
        return ()
    ranked = open_days[np.argsort(-effects[open_days], kind="stable")]
    alike = int((effects[ranked] >= effects[ranked[0]] - _TIE).sum()) if len(ranked) else 0
    return tuple(sorted(ranked[: max(needed, alike)].tolist()))
