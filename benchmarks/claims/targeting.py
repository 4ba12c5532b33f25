"""Claims about whom to treat: rules that beat random, and segments that are better left alone, over five tests.

A source has five tests, each on its own customers. Two judge by spend, three by whether a customer ordered. In every
test the rules that a page compares are judged by the page's functions; in the largest one effects are predicted, too.
All tests compare texts with no texts, so that they are pooled by segment (time since the last order).
"""

from functools import partial

import numpy as np
import pandas as pd

from benchmarks.claims import Claim, Interval, Verdict
from smsroi_helpers.ab_test.gain_curve import DEPTHS, Curves, compare_policy, qini
from smsroi_helpers.ab_test.left_alone import CONTRAST_COLUMNS, pool_segments
from smsroi_helpers.ab_test.targeting import form_of
from smsroi_helpers.ab_test.uplift import Outcome, Ranking, adjust_rules, rank_customers
from smsroi_helpers.statistics.effects import compare, estimate_means
from smsroi_helpers.statistics.jackknife import GROUPS

PAGE = "05_ab_test"
SIZES = (900, 700, 700, 700, 700)
"""Customers of each test; only the first has enough in each arm to predict effects."""
METRICS = ("profit", "profit", "order_rate", "order_rate", "order_rate")
RECENT, SILENT = 60.0, 120.0
"""Days since the last order that divide the segments."""


def _people(rng: np.random.Generator, customers: int) -> pd.DataFrame:
    """Customers with a past, as `uplift.read_customers` reads it; half are treated."""
    habits = rng.gamma(1.2, 1 / 1.2, customers)
    orders = rng.poisson(3 * habits)
    some, silence = orders > 0, rng.uniform(0, 200, customers)
    spend = orders * rng.lognormal(3, 0.4, customers)
    return pd.DataFrame({
        "treated": rng.integers(0, 2, customers), "group": rng.integers(0, GROUPS, customers),
        "fold": rng.integers(0, 2, customers), "habit": habits, "months": 6.0, "orders": orders, "spend": spend,
        "since_order": np.where(some, silence, np.nan), "T_days": np.where(some, 240.0, np.nan),
        "recency_days": np.where(orders > 1, 240.0 - silence, np.where(some, 0.0, np.nan)),
        "frequency": np.where(some, orders - 1.0, np.nan),
        "repeat_spend": np.where(some, spend * (orders - 1) / np.maximum(orders, 1), np.nan),
    })  # fmt: skip


def _segment(people: pd.DataFrame) -> pd.Series:
    edges = [-np.inf, RECENT, SILENT, np.inf]
    return pd.cut(people["since_order"].fillna(SILENT + 1), edges, labels=["recent", "quiet", "silent"]).astype(str)


def _outcome(rng: np.random.Generator, people: pd.DataFrame, metric: str, everybody: float, differs: float) -> Outcome:
    """Spend or a share; the treatment adds `everybody`, and `differs` among the recent, less among the silent."""
    segment = _segment(people)
    shift = everybody + differs * ((segment == "recent").to_numpy(float) - 1.5 * (segment == "silent").to_numpy(float))
    treated = people["treated"].to_numpy()
    if metric == "profit":
        y = rng.poisson(people["habit"]) * rng.lognormal(2, 0.5, len(people)) + 10 * shift * treated
        return Outcome(np.asarray(y, float), metric)
    chance = np.clip(0.15 + 0.25 * (1 - np.exp(-people["habit"])) + shift * treated, 0, 1)
    return Outcome((rng.random(len(people)) < chance).astype(float), metric)


def _contrast(name: str, people: pd.DataFrame, outcome: Outcome) -> pd.DataFrame:
    """The effect by segment, as `left_alone.contrast_segments` computes it from moments."""
    rows = []
    frame = people.assign(arm=people["treated"], y=outcome.y, y2=outcome.y**2, segment=_segment(people))
    for segment, own in frame.groupby("segment"):
        moments = own.groupby("arm").agg(n=("y", "size"), sum_y=("y", "sum"), sum_y2=("y2", "sum")).reset_index()
        found = compare(estimate_means(moments, (0, 1)), 0)  # type: ignore[arg-type]
        rows.append((name, outcome.metric, segment, len(own), found.estimate[1], found.standard_error[1]))
    return pd.DataFrame(rows, columns=list(CONTRAST_COLUMNS))


def any_row(rng: np.random.Generator, everybody: float, differs: float) -> list[Verdict]:
    """Whether a source of five tests gets a targeting rule, a segment to leave alone, or either."""
    rankings: list[Ranking] = []
    contrasts = []
    for place, (size, metric) in enumerate(zip(SIZES, METRICS, strict=True)):
        people = _people(rng, size)
        outcome = _outcome(rng, people, metric, everybody, differs)
        ranking = rank_customers(people, str(place), "texted", rng, outcome)
        if ranking is not None:
            rankings.append(ranking)
        contrasts.append(_contrast(str(place), people, outcome))
    rules = [row for ranking in adjust_rules(rankings) for row in ranking.rules.itertuples() if row.better]
    targeted = any(form_of(row) for row in rules)
    alone = bool(pool_segments(contrasts).harmed)
    is_effect = differs != 0
    return [
        Verdict(targeted or alone, is_effect, "any row"), Verdict(targeted, is_effect, "a targeting rule"),
        Verdict(alone, is_effect, "a segment to leave alone"),
    ]  # fmt: skip


def any_random(rng: np.random.Generator) -> Verdict:
    """The same with no correction: any of the rules has an unadjusted p-value below .05."""
    low = False
    for size, metric in zip(SIZES[1:], METRICS[1:], strict=True):
        people = _people(rng, size)
        ranking = rank_customers(people, "x", "texted", rng, _outcome(rng, people, metric, 0.0, 0.0))
        rules = ranking.rules if ranking is not None else pd.DataFrame({"p_value": [], "qini": []})
        low |= bool(((rules["p_value"] < 0.05) & (rules["qini"] > 0)).any())
    return Verdict(low, effect=False)


def policy_value(rng: np.random.Generator) -> list[Interval]:
    """Value of treating the first fifths, how many being chosen on the other half, against what it truly gains."""
    found = []
    for part, slope in (("no effect", 0.0), ("falling from +10 to −15 points", 0.25)):
        n = 2_400
        place, fold = (rng.permutation(n) + 0.5) / n, rng.integers(0, 2, n)
        treated, group = rng.integers(0, 2, n), rng.integers(0, GROUPS, n)
        effect = slope * (0.4 - place)
        y = (rng.random(n) < 0.3 + effect * treated).astype(float)
        parts = tuple(qini(place[fold == k], treated[fold == k], y[fold == k], group[fold == k]) for k in (0, 1))
        policy = compare_policy(Curves(parts), [whole for whole, _left in parts])
        other = [int(np.argmax(parts[1 - k][0][[19, 39, 59, 79]])) for k in (0, 1)]
        of_depth = [slope * (0.4 * depth - depth**2 / 2) for depth in DEPTHS[[19, 39, 59, 79]]]
        true = float(np.mean([of_depth[k] for k in other]))
        for name, gain, truth in (
            ("treating nobody", policy.over_none, true),
            ("treating everybody", policy.over_everybody, true - slope * (0.4 - 0.5)),
        ):
            value, low, high = gain.interval()
            found.append(Interval(value, low, high, truth, f"{part}, against {name}", null=0.0))
    return found


CLAIMS = [
    Claim(
        "targeting_null",
        "a source of five tests without effects gets a targeting rule or a segment to leave alone",
        PAGE,
        "false_alarm",
        partial(any_row, everybody=0.0, differs=0.0),
        n=1_000,
    ),
    Claim(
        "targeting_null_harm",
        "the same where texts harm everybody alike",
        PAGE,
        "false_alarm",
        partial(any_row, everybody=-0.08, differs=0.0),
        n=1_000,
    ),
    Claim(
        "targeting_uncorrected",
        "any rule of four tests beats random at .05 without a correction",
        "nowhere",
        "false_alarm",
        any_random,
        n=1_000,
        known_wrong=True,
    ),
    Claim(
        "targeting_power",
        "the same five tests where texts add 10 points among recent buyers and take 15 from silent ones",
        PAGE,
        "false_alarm",
        partial(any_row, everybody=0.0, differs=0.10),
        n=1_000,
    ),
    Claim(
        "targeting_policy_value",
        "the value of treating the first fifths of a ranking, how many being chosen on the other half (upper bound of"
        " the error: never too narrow)",
        PAGE,
        "at_least",
        policy_value,
        n=4_000,
    ),
]
