"""Claims about the best of many hours: sets that may contain the best, shrunken rates, adjusted tests."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, roots_hermitenorm
from scipy.stats import norm, t

from benchmarks.claims import BestSet, Claim, Interval, Outcome, Verdict
from smsroi_helpers.statistics.jackknife import GROUPS, Jackknife, jackknife, jackknife_ratio
from smsroi_helpers.statistics.multiple_comparisons import adjust, best_set
from smsroi_helpers.statistics.shrinkage import shrink

Floats = NDArray[np.float64]
HOURS = 13
"""8 to 20 o'clock."""
CUSTOMERS = 1_500
BASE = -3.0
_NODES, _WEIGHTS = roots_hermitenorm(40)


def _hour_rates(effects: Floats) -> Floats:
    """The true click rate of each hour; customers' responsiveness is normal on the logit scale."""
    return expit(BASE + effects[:, None] + _NODES) @ _WEIGHTS / _WEIGHTS.sum()


def _hours(rng: np.random.Generator, effects: Floats) -> tuple[Floats, Floats]:
    """Clicks and messages by hour and group of customers (hours × groups); all customers occur in all hours."""
    likes = rng.standard_normal(CUSTOMERS)
    messages = rng.poisson(1.5, (len(effects), CUSTOMERS))
    clicks = rng.binomial(messages, expit(BASE + effects[:, None] + likes))
    place = np.arange(len(effects))[:, None] * GROUPS + rng.integers(0, GROUPS, CUSTOMERS)
    by_hour, of_hour = (
        np.bincount(place.ravel(), counts.ravel(), len(effects) * GROUPS).reshape(len(effects), GROUPS).astype(float)
        for counts in (clicks, messages)
    )
    return by_hour, of_hour


def _effects(rng: np.random.Generator) -> dict[str, Floats]:
    """Effects of the hours: none; small random ones; one better hour among equal ones."""
    one = np.zeros(HOURS)
    one[4] = 0.4
    return {"flat": np.zeros(HOURS), "slightly different": rng.normal(0, 0.1, HOURS), "one better by 40 %": one}


def hours_perhaps_best(rng: np.random.Generator) -> list[Outcome]:
    """The set of hours not distinguishable from the best, and simultaneous distances to the best of the others."""
    found: list[Outcome] = []
    for part, effects in _effects(rng).items():
        rates, truth = jackknife_ratio(*_hours(rng, effects)), _hour_rates(effects)
        chosen = best_set(rates.estimate, rates.covariance(), rng, df=GROUPS - 1)
        found.append(BestSet(chosen.chosen, truth, f"{part}, the set"))
        true_gap = truth - np.array([np.delete(truth, hour).max() for hour in range(HOURS)])
        # Simultaneous coverage: the tightest limit decides.
        low, high = (chosen.low - true_gap).max(), (chosen.high - true_gap).min()
        found.append(Interval(np.nan, low, high, 0.0, f"{part}, distances"))
    return found


def hours_of_the_week_perhaps_best(rng: np.random.Generator) -> BestSet:
    """The same over 7 × 13 hours of a flat week: more hours than jackknife groups."""
    rates = jackknife_ratio(*_hours(rng, np.zeros(7 * HOURS)))
    chosen = best_set(rates.estimate, rates.covariance(), rng, df=GROUPS - 1, draws=3_000).chosen
    return BestSet(chosen, np.zeros(7 * HOURS))


def bootstrap_best_set(rng: np.random.Generator) -> BestSet:
    """The hours that make up 95 % of the winners of a bootstrap over groups."""
    effects = _effects(rng)["slightly different"]
    clicks, messages = _hours(rng, effects)
    times = rng.multinomial(GROUPS, np.full(GROUPS, 1 / GROUPS), size=1_000)
    wins = np.bincount(np.argmax((times @ clicks.T) / (times @ messages.T), axis=1), minlength=HOURS)
    order = np.argsort(-wins)
    before = np.cumsum(wins[order]) - wins[order]
    chosen = np.zeros(HOURS, bool)
    chosen[order[before < 950]] = True
    return BestSet(chosen, _hour_rates(effects))


def _shrinking_world(rng: np.random.Generator) -> tuple[Jackknife, Floats]:
    """Logit click rates of the hours and their truth; the standard deviation of the hours is random (.05 to .4)."""
    effects = rng.normal(0, rng.uniform(0.05, 0.4), HOURS)
    found = jackknife(lambda sums: logit((sums[0] + 0.5) / (sums[1] + 1)), np.stack(_hours(rng, effects)))
    return found, logit(_hour_rates(effects))


def shrunken_rates(rng: np.random.Generator) -> list[Interval]:
    """Click rates by hour shrunk towards their mean, with the joint covariance and with standard errors only."""
    found, truth = _shrinking_world(rng)
    tried = []
    for given, errors in (("joint covariance", found.covariance()), ("standard errors alone", found.standard_error)):
        pooled = shrink(found.estimate, errors, df=GROUPS - 1)
        top = int(np.argmax(pooled.estimate))
        tried += [
            Interval(pooled.estimate, pooled.low, pooled.high, truth, f"all hours, {given}"),
            Interval(pooled.estimate[top], pooled.low[top], pooled.high[top], truth[top], f"the highest, {given}"),
        ]
    return tried


def naive_shrinkage(rng: np.random.Generator) -> Interval:
    """The same with mean and variance treated as known (DerSimonian–Laird)."""
    found, truth = _shrinking_world(rng)
    y, variance = found.estimate, found.standard_error**2
    weight = 1 / variance
    mean = np.average(y, weights=weight)
    excess = (weight * (y - mean) ** 2).sum() - (HOURS - 1)
    spread = max(excess / (weight.sum() - (weight**2).sum() / weight.sum()), 0.0)
    kept = spread / (spread + variance)
    estimate, reach = mean + kept * (y - mean), norm.ppf(0.975) * np.sqrt(kept * variance)
    top = int(np.argmax(y))
    return Interval(estimate[top], estimate[top] - reach[top], estimate[top] + reach[top], truth[top])


def holm(rng: np.random.Generator) -> Verdict:
    """Whether any hour of a flat week differs from the mean of all hours after Holm."""
    clicks, messages = _hours(rng, np.zeros(HOURS))
    sums = np.stack([clicks, messages])
    everything = np.broadcast_to(sums.sum(axis=1, keepdims=True), sums.shape)
    found = jackknife(lambda s: np.log(s[0] / s[1] / (s[2] / s[3])), np.concatenate([sums, everything]))
    p_values = 2 * t.sf(np.abs(found.estimate) / found.standard_error, GROUPS - 1)
    return Verdict(bool((adjust(p_values, "holm") < 0.05).any()), effect=False)


CLAIMS = [
    Claim(
        "hours_perhaps_best",
        "multiple comparisons with the best over 13 hours of the same 1,500 customers, covariance by jackknife",
        "timing, content",
        "at_least",
        hours_perhaps_best,
        n=2_000,
    ),
    Claim(
        "hours_of_the_week_perhaps_best",
        "the same over the 91 hours of a flat week",
        "timing",
        "at_least",
        hours_of_the_week_perhaps_best,
    ),
    Claim(
        "shrunken_rates",
        "13 hours' click rates (logit) drawn towards their mean; how much hours differ is drawn anew",
        "segmentation, timing, content",
        "shrunken",
        shrunken_rates,
        n=2_000,
    ),
    Claim(
        "holm",
        "any of 13 hours found to differ after Holm, in a flat week",
        "timing, A/B tests",
        "false_alarm",
        holm,
        n=2_000,
    ),
    Claim(
        "bootstrap_best_set",
        "the hours that make up 95 % of the winners of a bootstrap, hours slightly different",
        "nowhere",
        "at_least",
        bootstrap_best_set,
        known_wrong=True,
    ),
    Claim(
        "naive_shrinkage",
        "shrunken click rate of the highest hour, mean and spread taken as known",
        "nowhere",
        "shrunken",
        naive_shrinkage,
        known_wrong=True,
    ),
]
