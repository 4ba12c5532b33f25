"""Claims of the A/B page: intervals of differences, daily looks, the split, several arms and segments.

Customers have gamma-distributed purchase rates, and amounts are log-normal. Spend in the pre-period explains about half
of the differences between customers. Tests have 1,200 customers and 30 days, as small as real lists.
"""

from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import chi2, nbinom, norm

from benchmarks.claims import Claim, Interval, Verdict
from smsroi_helpers.ab_test import uplift
from smsroi_helpers.ab_test.gain_curve import DEPTHS, jackknifed, over_random, qini
from smsroi_helpers.statistics.effects import (
    compare,
    estimate_means,
    estimate_ratios,
    heterogeneity,
    log_ratio,
    relative_lift,
)
from smsroi_helpers.statistics.jackknife import GROUPS
from smsroi_helpers.statistics.means import difference_of_means
from smsroi_helpers.statistics.multiple_comparisons import adjust
from smsroi_helpers.statistics.sequential import always_valid_half_width, information, sequential_split

Floats = NDArray[np.float64]
CUSTOMERS, DAYS = 1_200, 30
RATE = 0.03
"""Orders a day of the average customer."""
AMOUNT = (3.0, 0.7)
MEAN_AMOUNT = float(np.exp(AMOUNT[0] + AMOUNT[1] ** 2 / 2))
START = pd.Timestamp("2025-03-03").date()


def _habits(rng: np.random.Generator, customers: int) -> Floats:
    """Factor of each customer's rate: mean 1; some buy ten times as often as others."""
    return rng.gamma(1.2, 1 / 1.2, customers)


def _spend(rng: np.random.Generator, orders: NDArray[np.int64]) -> Floats:
    """Spend of the given numbers of orders, all of one log-normal amount per customer: skewed, as real spend is."""
    return orders * rng.lognormal(*AMOUNT, orders.shape)


def _moments(arm: NDArray[np.int64], y: Floats, x: Floats | None = None, stratum: Floats | None = None) -> pd.DataFrame:
    """The moments that `measures.arm_moments` counts; x is NaN where it is unknown."""
    columns = {"arm": arm, "n": 1.0, "sum_y": y, "sum_y2": y * y}
    if x is not None:
        known = ~np.isnan(x)
        value = np.where(known, x, 0.0)
        columns |= {"n_known": known * 1.0, "sum_y_known": y * known, "sum_x": value}
        columns |= {"sum_x2": value * value, "sum_xy": value * y}
    keys = ["arm"]
    if stratum is not None:
        columns["stratum"], keys = stratum, ["arm", "stratum"]
    return pd.DataFrame(columns).groupby(keys, as_index=False).sum()


def _drawn(rng: np.random.Generator, effect: float, arms: int = 2) -> tuple[NDArray[np.int64], Floats, Floats]:
    """Arm, spend after, spend before (unknown for a fifth); treated arms (1 …) buy more by the factor 1 + `effect`."""
    habits = _habits(rng, CUSTOMERS)
    arm = rng.integers(0, arms, CUSTOMERS)
    after = _spend(rng, rng.poisson(habits * RATE * DAYS * np.where(arm > 0, 1 + effect, 1.0)))
    before = _spend(rng, rng.poisson(habits * RATE * DAYS))
    return arm, after, np.where(rng.random(CUSTOMERS) < 0.2, np.nan, before)


EFFECTS = {"no effect": 0.0, "a fifth more": 0.2}


def welch(rng: np.random.Generator) -> list[Interval]:
    """The unadjusted difference (Welch)."""
    found = []
    for part, effect in EFFECTS.items():
        arm, y, _before = _drawn(rng, effect)
        told = compare(estimate_means(_moments(arm, y), (0, 1)), 0)  # type: ignore[arg-type]
        truth = effect * RATE * DAYS * MEAN_AMOUNT
        found.append(Interval(told.estimate[1], told.low[1], told.high[1], truth, part, null=0.0))
    return found


def adjusted(rng: np.random.Generator) -> list[Interval]:
    """The difference adjusted for pre-period spend (CUPED), with an indicator where that is unknown."""
    found = []
    for part, effect in EFFECTS.items():
        arm, y, x = _drawn(rng, effect)
        told = compare(estimate_means(_moments(arm, y, x), (0, 1)), 0)  # type: ignore[arg-type]
        truth = effect * RATE * DAYS * MEAN_AMOUNT
        found.append(Interval(told.estimate[1], told.low[1], told.high[1], truth, part, null=0.0))
    return found


def relative(rng: np.random.Generator) -> list[Interval]:
    """The adjusted relative lift, with Fieller's interval."""
    found = []
    for part, effect in EFFECTS.items():
        arm, y, x = _drawn(rng, effect)
        lift, low, high = relative_lift(estimate_means(_moments(arm, y, x), (0, 1)), 0)  # type: ignore[arg-type]
        found.append(Interval(lift[1], low[1], high[1], effect, part, null=0.0))
    return found


def ratio(rng: np.random.Generator) -> list[Interval]:
    """Clicks per message (delta method); customers who buy more also click more."""
    found = []
    for part, effect in EFFECTS.items():
        habits, arm = _habits(rng, CUSTOMERS), rng.integers(0, 2, CUSTOMERS)
        messages = 1 + rng.poisson(4, CUSTOMERS)
        chance = np.minimum(0.08 * habits * np.where(arm > 0, 1 + effect, 1.0), 1.0)
        clicks = rng.binomial(messages, chance).astype(float)
        told = compare(estimate_ratios(_moments(arm, clicks, messages.astype(float)), (0, 1)), 0)  # type: ignore[arg-type]
        truth = 0.08 * effect  # the cap at 1 binds in fewer than one customer of 100,000
        found.append(Interval(told.estimate[1], told.low[1], told.high[1], truth, part, null=0.0))
    return found


def stratified(rng: np.random.Generator) -> Interval:
    """The treated share rises from 10 to 90 % while all customers buy more; the difference is adjusted by day."""
    day = rng.integers(0, 4, CUSTOMERS)
    arm = (rng.random(CUSTOMERS) < np.array([0.1, 0.3, 0.6, 0.9])[day]).astype(int)
    y = _spend(rng, rng.poisson(_habits(rng, CUSTOMERS) * RATE * DAYS * (1 + 0.3 * day)))
    told = compare(estimate_means(_moments(arm, y, stratum=day.astype(float)), (0, 1)), 0)  # type: ignore[arg-type]
    return Interval(told.estimate[1], told.low[1], told.high[1], 0.0, null=0.0)


def _capped_mean(rate: float, cap: float) -> float:
    """E min(spend, cap) for an expected number of orders: negative binomial counts, each sum log-normal."""
    k = np.arange(1, 80)
    chance = nbinom.pmf(k, 1.2, 1.2 / (1.2 + rate))
    mu, sigma = AMOUNT[0] + np.log(k), AMOUNT[1]
    d = (np.log(cap) - mu) / sigma
    limited = np.exp(mu + sigma**2 / 2) * norm.cdf(d - sigma) + cap * norm.sf(d)
    return float(chance @ limited)


def capped(rng: np.random.Generator) -> list[Interval]:
    """The difference of spend capped at the 99th percentile of all buyers in the sample."""
    found = []
    for part, effect in EFFECTS.items():
        arm, y, x = _drawn(rng, effect)
        cap = float(np.quantile(y[y > 0], 0.99))
        told = compare(estimate_means(_moments(arm, np.minimum(y, cap), x), (0, 1)), 0)  # type: ignore[arg-type]
        truth = _capped_mean(RATE * DAYS * (1 + effect), cap) - _capped_mean(RATE * DAYS, cap)
        found.append(Interval(told.estimate[1], told.low[1], told.high[1], truth, part, null=0.0))
    return found


def profit_by_month(rng: np.random.Generator) -> list[Interval]:
    """Incremental profit of one month, from a holdout of a tenth; customers without an order count with 0."""
    found = []
    for part, effect in EFFECTS.items():
        habits = _habits(rng, 5 * CUSTOMERS)
        arm = (rng.random(len(habits)) < 0.9).astype(int)
        y = _spend(rng, rng.poisson(habits * RATE * DAYS * np.where(arm > 0, 1 + effect, 1.0)))
        sums = [[float((arm == k).sum()), y[arm == k].sum(), (y[arm == k] ** 2).sum()] for k in (1, 0)]
        told = difference_of_means([[v] for v in sums[0]], [[v] for v in sums[1]])  # type: ignore[arg-type]
        n = sums[0][0]
        truth = n * effect * RATE * DAYS * MEAN_AMOUNT
        found.append(Interval(n * told.estimate[0], n * told.low[0], n * told.high[0], truth, part, null=0.0))
    return found


# --- looking every day -----------------------------------------------------------------------------------------------


def _daily(rng: np.random.Generator, arriving: bool) -> tuple[Floats, Floats, pd.DataFrame]:
    """A test without an effect, seen daily: the difference and its standard error by day, and assignments by day."""
    habits, arm = _habits(rng, CUSTOMERS), rng.integers(0, 2, CUSTOMERS)
    came = rng.integers(0, 20, CUSTOMERS) if arriving else np.zeros(CUSTOMERS, int)
    day = np.arange(DAYS)
    orders = rng.poisson(habits[:, None] * RATE * (day >= came[:, None]))
    so_far = np.cumsum(_spend(rng, orders), axis=1)
    here = day >= came[:, None]
    sums = []
    for which in (1, 0):
        own = arm == which
        sums.append((here[own].sum(axis=0), so_far[own].sum(axis=0), (so_far[own] ** 2).sum(axis=0)))
    told = difference_of_means(sums[0], sums[1])
    dates, n = np.unique(came, return_counts=True)
    assigned = pd.DataFrame({"day": [START + pd.Timedelta(days=int(d)) for d in dates], "n": n})
    return told.estimate, told.standard_error, assigned


def _clock(assigned: pd.DataFrame) -> Floats:
    seen = []
    for day in range(DAYS):
        last = START + pd.Timedelta(days=day)
        seen.append(information(assigned[assigned["day"] <= last], last, DAYS / 7))
    return np.array(seen)


def daily_looks(rng: np.random.Generator, rule: str) -> list[Verdict]:
    """Whether a test without an effect is significant at any of thirty daily looks."""
    found = []
    for part, arriving in (("everybody on one day", False), ("sixty new customers a day", True)):
        difference, error, assigned = _daily(rng, arriving)
        with np.errstate(divide="ignore", invalid="ignore"):
            z = np.abs(difference / error)
        fixed = z > 1.96
        valid = z > always_valid_half_width(1.0, _clock(assigned))
        alarm = {
            "naive": fixed.any(),
            "always_valid": valid.any(),
            "as_decided": valid[:-1].any() or fixed[-1],
        }[rule]
        found.append(Verdict(bool(alarm), effect=False, part=part))
    return found


def daily_intervals(rng: np.random.Generator) -> list[Interval]:
    """The always-valid interval at its worst of thirty looks: it covers only if every look contains the truth."""
    found = []
    for part, arriving in (("everybody on one day", False), ("sixty new customers a day", True)):
        difference, error, assigned = _daily(rng, arriving)
        reach = always_valid_half_width(error, _clock(assigned))
        worst = int(np.nanargmax(np.where(reach > 0, np.abs(difference) / reach, -1.0)))
        at, to = difference[worst], reach[worst]
        found.append(Interval(at, at - to, at + to, 0.0, part, null=0.0))
    return found


def daily_split(rng: np.random.Generator, rule: str) -> list[Verdict]:
    """Whether a correct split is reported as a sample-ratio mismatch at any of thirty daily looks."""
    found = []
    for part, shares in (("half and half", (0.5, 0.5)), ("nine to one", (0.9, 0.1)), ("three arms", (0.5, 0.3, 0.2))):
        counts = rng.multinomial(400, shares, DAYS)
        if rule == "sequential":
            alarm = sequential_split(counts, shares)[-1] < 0.01
        else:
            so_far = counts.cumsum(axis=0)
            expected = so_far.sum(axis=1, keepdims=True) * np.array(shares)
            p = chi2.sf(((so_far - expected) ** 2 / expected).sum(axis=1), len(shares) - 1)
            alarm = (p < 0.01).any()
        found.append(Verdict(bool(alarm), effect=False, part=part))
    return found


# --- several arms, several segments ----------------------------------------------------------------------------------


def several_arms(rng: np.random.Generator) -> Verdict:
    """Whether any of five arms without an effect differs from the control at level 1 − .05/5."""
    arm, y, x = _drawn(rng, 0.0, arms=6)
    told = compare(estimate_means(_moments(arm, y, x), tuple(range(6))), 0, level=1 - 0.05 / 5)  # type: ignore[arg-type]
    return Verdict(bool(((told.low > 0) | (told.high < 0))[1:].any()), effect=False)


def segments_alike(rng: np.random.Generator) -> Verdict:
    """Whether Cochran's Q at .05 reports different effects in segments with equal effects."""
    habits = _habits(rng, 4 * CUSTOMERS)
    segment = np.digitize(habits, [0.4, 0.9, 1.6])
    arm = rng.integers(0, 2, len(habits))
    y = _spend(rng, rng.poisson(habits * RATE * DAYS)) + 3.0 * arm
    found = []
    for which in range(4):
        own = segment == which
        found.append(compare(estimate_means(_moments(arm[own], y[own]), (0, 1)), 0))  # type: ignore[arg-type]
    effects = np.array([told.estimate[1] for told in found])
    errors = np.array([told.standard_error[1] for told in found])
    return Verdict(bool(heterogeneity(effects, errors)[2] < 0.05), effect=False)


def segments_in_proportion(rng: np.random.Generator) -> Verdict:
    """Whether Cochran's Q of log ratios reports differences between segments with an equal lift of 30 %."""
    habits = _habits(rng, 4 * CUSTOMERS)
    segment = np.digitize(habits, [0.4, 0.9, 1.6])
    arm = rng.integers(0, 2, len(habits))
    y = _spend(rng, rng.poisson(habits * RATE * DAYS * (1 + 0.3 * arm)))
    told = [
        log_ratio(estimate_means(_moments(arm[own], y[own]), (0, 1)), 0)  # type: ignore[arg-type]
        for own in (segment == which for which in range(4))
    ]
    effects, errors = (np.array([each[k][1] for each in told]) for k in (0, 1))
    return Verdict(bool(heterogeneity(effects, errors)[2] < 0.05), effect=False)


def family(rng: np.random.Generator) -> Verdict:
    """Whether anything is significant after Holm over 2 arms × 2 metrics × (all customers and 3 segments)."""
    habits = _habits(rng, 3 * CUSTOMERS)
    segment, arm = np.digitize(habits, [0.5, 1.2]), rng.integers(0, 3, len(habits))
    orders = rng.poisson(habits * RATE * DAYS)
    p = []
    for y in (_spend(rng, orders), (orders > 0).astype(float)):
        for own in (segment >= 0, *(segment == which for which in range(3))):
            told = compare(estimate_means(_moments(arm[own], y[own]), (0, 1, 2)), 0)  # type: ignore[arg-type]
            p += [told.p_value[1], told.p_value[2]]
    return Verdict(bool((adjust(np.array(p), "holm") < 0.05).any()), effect=False)


def small_holdout(rng: np.random.Generator) -> list[Interval]:
    """Qini gain of targeting by past spend, estimated from a holdout of a tenth; the top half may respond more."""
    found = []
    for part, moved in (("the same for everybody", 0.0), ("the upper half is moved", 3.0)):
        habits = _habits(rng, 3 * CUSTOMERS)
        arm = (rng.random(len(habits)) < 0.9).astype(int)
        before = _spend(rng, rng.poisson(habits * RATE * DAYS))
        place = (np.lexsort((rng.random(len(habits)), -before)).argsort() + 0.5) / len(habits)
        effect = 2.0 + moved * (place < 0.5)
        y = _spend(rng, rng.poisson(habits * RATE * DAYS)) + effect * arm
        truth = float(np.mean([effect[place < d].sum() / len(place) - d * effect.mean() for d in DEPTHS]))
        found.append(_gain(place, arm, y, rng, truth, part))
    return found


def _gain(
    place: Floats, arm: NDArray[np.int64], y: Floats, rng: np.random.Generator, truth: float, part: str
) -> Interval:
    whole, left = qini(place, arm, y, rng.integers(0, GROUPS, len(place)))
    return Interval(*jackknifed([(over_random(whole), over_random(left))]), truth, part, null=0.0)


def learned(rng: np.random.Generator) -> list[Interval]:
    """Qini gain of the ranking by two cross-fitted forests, compared with the true gain for these customers."""
    found = []
    for part, moved in (("the same for everybody", 0.0), ("who bought lately is moved", 8.0)):
        habits, n = _habits(rng, CUSTOMERS), CUSTOMERS
        orders = rng.poisson(3 * habits)
        rows = pd.DataFrame({
            "treated": rng.integers(0, 2, n), "fold": rng.integers(0, 2, n), "orders": orders, "months": 6.0,
            "since_order": np.where(orders > 0, rng.uniform(0, 180, n), np.nan), "spend": _spend(rng, orders),
        })  # fmt: skip
        effect = 2.0 + moved * (rows["since_order"] < 60).to_numpy(float)
        arm, fold = rows["treated"].to_numpy(), rows["fold"].to_numpy()
        y = _spend(rng, rng.poisson(habits * RATE * DAYS)) + effect * arm
        scores = uplift._predicted_effects(rows, y, int(rng.integers(2**31 - 2)))
        place = uplift._rank_within(scores, fold, rng)
        group = rng.integers(0, GROUPS, n)
        curves = [qini(place[own], arm[own], y[own], group[own]) for own in (fold == 0, fold == 1)]
        parts = [(over_random(whole), over_random(left)) for whole, left in curves]
        truth = np.mean([
            np.mean([effect[own & (place < d)].sum() / own.sum() - d * effect[own].mean() for d in DEPTHS])
            for own in (fold == 0, fold == 1)
        ])  # fmt: skip
        found.append(Interval(*jackknifed(parts), round(float(truth), 9), part, null=0.0))
        last = [effect[own & (place > 0.9)].mean() for own in (fold == 0, fold == 1)]
        tail = [(10 * (whole[-1] - whole[89]), 10 * (left[:, -1] - left[:, 89])) for whole, left in curves]
        found.append(Interval(*jackknifed(tail), float(np.mean(last)), f"the last tenth, {part}"))
    return found


def ranking(rng: np.random.Generator) -> Interval:
    """Qini gain of targeting by past spend, where the effect is the same for everybody."""
    habits, arm = _habits(rng, CUSTOMERS), rng.integers(0, 2, CUSTOMERS)
    before = _spend(rng, rng.poisson(habits * RATE * DAYS))
    y = _spend(rng, rng.poisson(habits * RATE * DAYS)) + 2.0 * arm
    place = (np.lexsort((rng.random(CUSTOMERS), -before)).argsort() + 0.5) / CUSTOMERS
    whole, left = qini(place, arm, y, rng.integers(0, GROUPS, CUSTOMERS))
    return Interval(*jackknifed([(over_random(whole), over_random(left))]), 0.0, null=0.0)


PAGE = "A/B tests"
CLAIMS = [
    Claim("ab_welch", "spend per customer, 2 × 600 customers, by Welch", PAGE, "two_sided", welch, n=4_000),
    Claim(
        "ab_adjusted",
        "the same adjusted by the 30 days before (CUPED), which are not known of a fifth of the customers",
        PAGE,
        "two_sided",
        adjusted,
        n=4_000,
    ),
    Claim("ab_relative", "the relative lift of the same, by Fieller", PAGE, "two_sided", relative, n=4_000),
    Claim("ab_ratio", "clicks per message of 2 × 600 customers by the delta method", PAGE, "two_sided", ratio, n=4_000),
    Claim(
        "ab_stratified",
        "a split that changes from 1:9 to 9:1 over four days on which ever more is bought, adjusted by day",
        PAGE,
        "two_sided",
        stratified,
        n=4_000,
    ),
    Claim(
        "ab_always_valid",
        "the always-valid interval at thirty daily looks at tests in which nothing differs",
        PAGE,
        "false_alarm",
        partial(daily_looks, rule="always_valid"),
        n=4_000,
    ),
    Claim(
        "ab_as_decided",
        "the same by the page's whole rule: always-valid while the test runs, fixed on its last planned day",
        PAGE,
        "false_alarm",
        partial(daily_looks, rule="as_decided"),
        n=4_000,
    ),
    Claim(
        "ab_naive_looks",
        "the usual 95 % interval at thirty daily looks",
        "nowhere",
        "false_alarm",
        partial(daily_looks, rule="naive"),
        n=4_000,
        known_wrong=True,
    ),
    Claim(
        "ab_sequential_split",
        "the sequential multinomial test at .01, thirty daily looks at sound splits",
        PAGE,
        "false_alarm",
        partial(daily_split, rule="sequential"),
        n=4_000,
        alpha=0.01,
    ),
    Claim(
        "ab_naive_split",
        "χ² at .01 at each of thirty daily looks at sound splits",
        "nowhere",
        "false_alarm",
        partial(daily_split, rule="naive"),
        n=4_000,
        alpha=0.01,
        known_wrong=True,
    ),
    Claim(
        "ab_several_arms",
        "any of five arms that do nothing is clear of the control at 1 − .05/5",
        PAGE,
        "false_alarm",
        several_arms,
        n=4_000,
    ),
    Claim(
        "ab_segments_alike",
        "Cochran's Q at .05 for four segments whose effects are the same",
        PAGE,
        "false_alarm",
        segments_alike,
        n=4_000,
    ),
    Claim(
        "ab_segments_in_proportion",
        "Cochran's Q at .05 of log ratios, for four segments in each of which the arm brings three tenths more",
        PAGE,
        "false_alarm",
        segments_in_proportion,
        n=4_000,
    ),
    Claim(
        "ab_family",
        "any of two arms × two metrics × everybody and three segments is clear after Holm, no arm doing anything",
        PAGE,
        "false_alarm",
        family,
        n=2_000,
    ),
    Claim(
        "ab_capped",
        "spend with nobody above the 99th percentile of all buyers, adjusted by the time before",
        PAGE,
        "two_sided",
        capped,
        n=4_000,
    ),
    Claim(
        "ab_ledger",
        "what a month's texting of 5,400 customers earned, by 600 held out (Welch × customers)",
        PAGE,
        "two_sided",
        profit_by_month,
        n=4_000,
    ),
    Claim(
        "ab_always_valid_interval",
        "the always-valid interval held the truth at every one of thirty daily looks",
        PAGE,
        "at_least",
        daily_intervals,
        n=4_000,
    ),
    Claim(
        "ab_ranking_holdout",
        "the gain of choosing by past spend (Qini), judged by 360 held out of 3,600",
        PAGE,
        "two_sided",
        small_holdout,
        n=4_000,
    ),
    Claim(
        "ab_ranking_learned",
        "the gain of choosing by an effect that forests predicted on the other half of 1,200 customers (Qini)",
        PAGE,
        "at_least",
        learned,
    ),
    Claim(
        "ab_ranking",
        "the gain of choosing whom to treat by past spend (Qini) where the effect is the same for everybody",
        PAGE,
        "two_sided",
        ranking,
        n=4_000,
    ),
]
