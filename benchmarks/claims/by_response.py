"""Claims about groups by response: chance seldom chooses one, those that react differently are found and gain more.

The worlds are tests alone: customers with some groupings, randomly assigned arms, and clicks by arm. What each arm
brings to each customer is known, so that what a choice of arms by group really gains is known too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.claims import Claim, Verdict
from smsroi_helpers.segmentation.by_response import FALLBACK, Candidate, choose_on_cells
from smsroi_helpers.segmentation.response_gain import ResponseCells, choose_arms, shrunken_means
from smsroi_helpers.segmentation.response_rule import ResponseRule
from smsroi_helpers.segmentation.response_tree import assign_groups
from smsroi_helpers.statistics import Floats, Ints, adjust, difference_of_means

CUSTOMERS = 6_000
"""Of each of the two tests."""
SIZES = {"rfm_group": 5, "recency": 4, "cluster": 3, "attr_level": 4, "attr_age": 5, "past_clicks": 4}
ARMS = 4
REACTING = np.array([0, 0, 2, 2])
"""The arm that is better for each member level."""


@dataclass(frozen=True)
class Test:
    """One simulated test, by customer."""

    kind: str
    levels: Mapping[str, Ints]
    arm: Ints
    fold: Ints
    expected: Floats
    """(customers, arms): what each arm brings."""
    outcome: Floats


@dataclass(frozen=True)
class Choice:
    """What was chosen in a world, and what it gains there."""

    name: str
    reason: str
    columns: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    gain: float
    """True gain of the arms chosen by its groups over one arm for all, per customer, both chosen on the test itself."""
    gain_by_rfm: float
    """The same by RFM groups."""
    largest: float
    """The same by member level with the best arms known."""


def _test(rng: np.random.Generator, kind: str, strength: float, best: Ints, *, ratio: bool) -> Test:
    """Skewed clicks whose level differs by RFM group and past clicks; one arm is better, perhaps by member level.

    Args:
        rng: of everything.
        kind: of the test.
        strength: what the better arm adds: clicks per customer, or with `ratio` the share of the customer's usual.
        best: the better arm of each member level.
        ratio: whether it multiplies.
    """
    levels = {name: rng.integers(0, size, CUSTOMERS) for name, size in SIZES.items()}
    traits = np.exp(rng.normal(0, 0.7, CUSTOMERS)) * (1 + 0.5 * levels["past_clicks"])
    usual = traits + 0.3 * levels["rfm_group"]
    right = best[levels["attr_level"]][:, None] == np.arange(ARMS)
    added = strength * usual if ratio else np.full(CUSTOMERS, strength)
    expected = usual[:, None] + added[:, None] * right
    arm = rng.integers(0, ARMS, CUSTOMERS)
    outcome = rng.poisson(expected[np.arange(CUSTOMERS), arm]).astype(float)
    return Test(kind, levels, arm, rng.integers(0, 64, CUSTOMERS), expected, outcome)


def _cells(test: Test, group: Ints, groups: int) -> ResponseCells:
    shape = (groups, ARMS, 64)
    place = np.ravel_multi_index((group, test.arm, test.fold), shape)
    n, y, yy = (
        np.bincount(place, weight, int(np.prod(shape))).reshape(shape).astype(float)
        for weight in (np.ones(CUSTOMERS), test.outcome, test.outcome**2)
    )
    return ResponseCells(test.kind, test.kind, tuple("abcd"), 1.0, n, y, yy)


def _combination(test: Test, names: Sequence[str]) -> Ints:
    return np.ravel_multi_index([test.levels[name] for name in names], [SIZES[name] for name in names])


def _gain(tests: Sequence[Test], groups: Sequence[Ints]) -> float:
    """True gain over one arm for all of the arms chosen by group, per customer and test."""
    gained = 0.0
    for test, group in zip(tests, groups, strict=True):
        cells = _cells(test, group, int(group.max()) + 1)
        n, y, yy = (part.sum(axis=-1) for part in (cells.n, cells.y, cells.yy))
        arms, for_all = choose_arms(shrunken_means(n, y, yy), n)
        gained += float((test.expected[np.arange(CUSTOMERS), arms[group]] - test.expected[:, for_all]).mean())
    return gained / len(tests)


def choose(rng: np.random.Generator, strength: float, best: Ints | None = None, *, ratio: bool = False) -> Choice:
    """Make a world of two tests, choose a grouping, and see what it really gains; `best` None: arm 3 for all."""
    arms = np.full(SIZES["attr_level"], ARMS - 1) if best is None else best
    tests = [_test(rng, kind, strength, arms, ratio=ratio) for kind in ("timing", "content")]
    singles = {name: [_cells(test, test.levels[name], size) for test in tests] for name, size in SIZES.items()}

    def combine(names: Sequence[str]) -> tuple[list[ResponseCells], Ints, list[list[str]]]:
        sizes = [SIZES[name] for name in names]
        count = int(np.prod(sizes))
        numbers = np.stack(np.unravel_index(np.arange(count), sizes), axis=1)
        words = [[str(k) for k in range(size)] for size in sizes]
        return [_cells(test, _combination(test, names), count) for test in tests], numbers, words

    candidates, name, reason, rule = choose_on_cells(singles, combine)
    columns = rule.columns if rule is not None else (name,)
    best_for_all = max(np.concatenate([test.expected for test in tests]).mean(axis=0))
    largest = float(np.mean([test.expected.max(axis=1).mean() for test in tests]) - best_for_all)
    groups = [_groups(test, name, rule) for test in tests]
    by_rfm = _gain(tests, [test.levels[FALLBACK] for test in tests])
    return Choice(name, reason, columns, candidates, _gain(tests, groups), by_rfm, largest)


def _groups(test: Test, name: str, rule: ResponseRule | None) -> Ints:
    if rule is None:
        return test.levels[name]
    return assign_groups(rule.splits, np.stack([test.levels[column] for column in rule.columns], axis=1))


# --- claims ----------------------------------------------------------------------------------------------------------


def nothing_to_find(rng: np.random.Generator) -> Verdict:
    """One arm adds the same in all groups."""
    return Verdict(choose(rng, 0.3).reason == "separates")


def no_effect(rng: np.random.Generator) -> Verdict:
    """No arm does anything."""
    return Verdict(choose(rng, 0.0).reason == "separates")


def same_ratio(rng: np.random.Generator) -> Verdict:
    """One arm multiplies everybody's clicks by 1.08: groups that click more gain more, from the same arm."""
    return Verdict(choose(rng, 0.08, ratio=True).reason == "separates")


def level_reacts(rng: np.random.Generator) -> Verdict:
    """Another arm is best for half of the member levels: whether groups without member level are chosen."""
    return Verdict("attr_level" not in choose(rng, 0.5, REACTING).columns)


def gains_more_than_rfm(rng: np.random.Generator) -> Verdict:
    """The same world: whether the groups chosen gain less than half of what can be gained more than RFM groups do."""
    found = choose(rng, 0.5, REACTING)
    return Verdict(found.gain - found.gain_by_rfm < 0.5 * found.largest)


def effects_in_chosen_groups(rng: np.random.Generator) -> Verdict:
    """No arm has an effect: whether any arm of any group of the grouping chosen is called better than the first.

    The grouping is chosen, and the effects are estimated, on the same cells; p-values by Holm over arms and groups.
    """
    tests = [_test(rng, kind, 0.0, np.zeros(SIZES["attr_level"], int), ratio=False) for kind in ("timing", "content")]
    singles = {name: [_cells(test, test.levels[name], size) for test in tests] for name, size in SIZES.items()}
    test = singles[choose_on_cells(singles)[1]][0]
    n, y, yy = (part.sum(axis=-1) for part in (test.n, test.y, test.yy))
    found = difference_of_means((n[:, 1:], y[:, 1:], yy[:, 1:]), (n[:, :1], y[:, :1], yy[:, :1]))
    return Verdict(bool((adjust(found.p_value.ravel(), "holm") < 0.05).any()))


_STAGE = "01_segmentation: groups by response"
CLAIMS = [
    Claim(
        "no_grouping_by_response",
        "that a grouping separates responses, where one arm adds the same in all groups (two tests, six groupings)",
        _STAGE,
        "false_alarm",
        nothing_to_find,
        n=400,
    ),
    Claim(
        "no_grouping_without_effects",
        "the same where no arm has an effect",
        _STAGE,
        "false_alarm",
        no_effect,
        n=400,
    ),
    Claim(
        "no_grouping_at_one_ratio",
        "the same where one arm multiplies clicks alike in all groups: effects differ, and the best arm does not",
        _STAGE,
        "false_alarm",
        same_ratio,
        n=400,
    ),
    Claim(
        "grouping_by_response",
        "that groups without member level are chosen, where the best arm depends on member level alone",
        _STAGE,
        "false_alarm",
        level_reacts,
        n=200,
    ),
    Claim(
        "grouping_by_response_gains",
        "that groups by response gain less than half of what can be gained more than RFM groups do (same world)",
        _STAGE,
        "false_alarm",
        gains_more_than_rfm,
        n=200,
    ),
    Claim(
        "effects_by_chosen_groups",
        "an arm's effect in a group of the grouping chosen on the same customers, where no arm has an effect",
        "03–05 with segment_by: response",
        "false_alarm",
        effects_in_chosen_groups,
        n=400,
    ),
]
