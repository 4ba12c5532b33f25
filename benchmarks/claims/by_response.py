"""Claims about groups by response: chance seldom chooses one, nor makes effects differ between its groups."""

import numpy as np

from benchmarks.claims import Claim, Verdict
from smsroi_helpers.segmentation.by_response import choose_on_cells
from smsroi_helpers.segmentation.response_gain import ResponseCells
from smsroi_helpers.statistics import adjust, difference_of_means

CUSTOMERS = 6_000
SIZES = {"rfm_group": 5, "recency": 4, "attr_level": 4, "attr_age": 5, "past_clicks": 4}
ARMS = 4


def _world(rng: np.random.Generator, best: np.ndarray | None) -> dict[str, list[ResponseCells]]:
    """Two tests of skewed clicks by five groupings: traits differ between groups, and arms in all alike by default.

    Args:
        rng: of everything.
        best: the arm that is better for each level of `attr_level`; None: the last arm for all.
    """
    cells: dict[str, list[ResponseCells]] = {name: [] for name in SIZES}
    for kind in ("timing", "content"):
        levels = {name: rng.integers(0, size, CUSTOMERS) for name, size in SIZES.items()}
        arm, fold = rng.integers(0, ARMS, CUSTOMERS), rng.integers(0, 64, CUSTOMERS)
        right = arm == (ARMS - 1 if best is None else best[levels["attr_level"]])
        usual = np.exp(rng.normal(0, 0.7, CUSTOMERS)) + 0.3 * levels["rfm_group"]
        outcome = rng.poisson(usual + 0.4 * right).astype(float)
        for name, size in SIZES.items():
            sums = [np.zeros((size, ARMS, 64)) for _ in range(3)]
            for part, value in zip(sums, (np.ones(CUSTOMERS), outcome, outcome**2), strict=True):
                np.add.at(part, (levels[name], arm, fold), value)
            cells[name].append(ResponseCells(kind, kind, tuple("abcd"), 1.0, *sums))
    return cells


def nothing_to_find(rng: np.random.Generator) -> Verdict:
    """Arms differ alike in all groups."""
    return Verdict(choose_on_cells(_world(rng, None))[2] == "separates")


def level_reacts(rng: np.random.Generator) -> Verdict:
    """Another arm is best for half of the member levels: it is to be chosen; whether it was not."""
    return Verdict(choose_on_cells(_world(rng, np.array([0, 0, 2, 2])))[1] != "attr_level")


def effects_in_chosen_groups(rng: np.random.Generator) -> Verdict:
    """No arm has an effect: whether any arm of any group of the grouping chosen is called better than the first.

    The grouping is chosen, and the effects are estimated, on the same cells; p-values by Holm over arms and groups.
    """
    world = _world(rng, None)
    for name, tests in world.items():
        world[name] = [_without_effect(test, rng) for test in tests]
    chosen = choose_on_cells(world)[1]
    test = world[chosen][0]
    n, y, yy = (part.sum(axis=-1) for part in (test.n, test.y, test.yy))
    found = difference_of_means((n[:, 1:], y[:, 1:], yy[:, 1:]), (n[:, :1], y[:, :1], yy[:, :1]))
    return Verdict(bool((adjust(found.p_value.ravel(), "holm") < 0.05).any()))


def _without_effect(test: ResponseCells, rng: np.random.Generator) -> ResponseCells:
    """The same test with an outcome of chance alone."""
    y = rng.normal(0.0, np.sqrt(np.maximum(test.n, 1e-9)))
    return ResponseCells(test.name, test.kind, test.arms, 1.0, test.n, y, y**2 / np.maximum(test.n, 1.0) + test.n)


CLAIMS = [
    Claim(
        "no_grouping_by_response",
        "that a grouping separates responses, where arms differ alike in all groups (two tests, five groupings)",
        "01_segmentation: groups by response",
        "false_alarm",
        nothing_to_find,
        n=400,
    ),
    Claim(
        "grouping_by_response",
        "that another grouping than member level is best, where the best arm depends on member level alone",
        "01_segmentation: groups by response",
        "false_alarm",
        level_reacts,
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
