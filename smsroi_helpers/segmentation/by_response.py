"""The grouping whose customers differ most in what is best for them, from the randomised tests of the source.

Candidates are the groupings by rules and by columns, clusters where they are accepted, the past clicks, and a shallow
tree over those of them in which arms work differently (`response_tree`); a tree does not divide clusters, which are
made of the same purchases, clicks and columns. Two conditions must hold, so that chance seldom chooses: arms differ
between the groups of a candidate (p below 5 % by Holm over all candidates), and choosing the best arm by group gains
more than one arm for all on customers that did not help to choose it. Of those within one standard error of the largest
gain the simplest is taken, RFM before others.

The stages then estimate effects by group on the same tests, in groups that were chosen for their differences. These
estimates are pooled over groups, and their p-values are adjusted for the number of groups;
`benchmarks/claims/by_response.py` measures how often a difference is claimed where there is none.

The choice depends on the source, the last day observed and the seed alone: every notebook finds the same groups.
"""

import dataclasses
import json
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.stats import norm

from smsroi_helpers.segmentation.clusters import MOST_LEVELS, attribute_columns
from smsroi_helpers.segmentation.cutoffs import find_cuts
from smsroi_helpers.segmentation.membership import PAST_CLICKS, check_buyers, find_clusters, resolve_named
from smsroi_helpers.segmentation.past_clicks import find_past_clicks
from smsroi_helpers.segmentation.response_counts import Labelled, Unit, count_cells, count_singles, label_responses
from smsroi_helpers.segmentation.response_gain import (
    Gain,
    ResponseCells,
    cross_validate,
    interaction_p,
    simplest_of_best,
    training_sums,
)
from smsroi_helpers.segmentation.response_labels import Groupings
from smsroi_helpers.segmentation.response_rule import Label, ResponseRule
from smsroi_helpers.segmentation.response_tree import Split, cross_validate_tree, grow
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import ALPHA, GROUPS, Ints, adjust

__all__ = [
    "FALLBACK",
    "TREE",
    "Candidate",
    "ResponseChoice",
    "choose_by_response",
    "choose_on_cells",
    "from_text",
    "shares_of_largest_gain",
    "to_text",
]

FALLBACK = "rfm_group"
"""The grouping where none is shown to separate responses."""
TREE = "tree"
MOST_COLUMNS = 3
"""A tree is grown over so many groupings at most: those that gain most alone."""
MOST_COMBINATIONS = 2_000
_Z = float(norm.ppf(0.95))


@dataclass(frozen=True)
class Candidate:
    """One way of grouping, and what choosing by it gains."""

    name: str
    """A value of `segment_by`, `past_clicks`, or `tree`."""
    columns: tuple[str, ...]
    """The groupings whose levels it is made of."""
    groups: int
    gain: Gain
    """Of the best arm by group compared with one arm for all, per customer and week."""
    adjusted_p: float
    """That arms differ equally in all groups (Holm over the candidates); of a tree the largest of its columns'."""

    @property
    def separates(self) -> bool:
        """Whether arms work differently in its groups, and one arm for all gains less by more than a standard error."""
        return bool(self.adjusted_p < ALPHA and self.gain.estimate > self.gain.error)


@dataclass(frozen=True)
class ResponseChoice:
    """The grouping that `segment_by: response` stands for."""

    candidates: tuple[Candidate, ...]
    """All that were compared; none without a usable test."""
    chosen: str
    """The name of one of them, or `rfm_group` where none separates responses."""
    reason: Literal["separates", "no_test", "no_difference", "no_gain"]
    """`no_difference`: arms are not shown to work differently by any grouping; `no_gain`: they do, but one arm is as
    good for all."""
    rule: ResponseRule | None = None
    """Of a tree, or of the one grouping `past_clicks`."""
    unit: Unit = "money"
    tests: tuple[str, ...] = ()
    customers: int = 0
    """Assigned in these tests; who is in two counts twice."""

    def find(self, name: str) -> Candidate | None:
        """A candidate by its name."""
        return next((each for each in self.candidates if each.name == name), None)

    @property
    def clearly_better(self) -> bool:
        """Whether it gains more than RFM groups, by a one-sided test at 5 %."""
        own, rfm = self.find(self.chosen), self.find(FALLBACK)
        if self.reason != "separates" or own is None or own is rfm:
            return False
        more = own.gain.minus(rfm.gain) if rfm is not None else own.gain
        return more.estimate > _Z * more.error


Combine = Callable[[Sequence[str]], tuple[list[ResponseCells], Ints, list[list[str]]]]
"""Counts the tests by combination of levels of groupings: `response_counts.count_cells`."""


# --- the choice, on cells --------------------------------------------------------------------------------------------


def choose_on_cells(
    singles: dict[str, list[ResponseCells]],
    combine: Combine | None = None,
) -> tuple[tuple[Candidate, ...], str, Literal["separates", "no_difference", "no_gain"], ResponseRule | None]:
    """Compare all groupings and choose one.

    Args:
        singles: name of each grouping → the tests by its levels.
        combine: from names of groupings, the tests by combination of their levels, with the levels.

    Returns:
        the candidates, the name of the chosen one, why, and the rule of a tree.
    """
    p_values = [interaction_p(tests) for tests in singles.values()]
    adjusted = adjust(np.nan_to_num(np.array(p_values, float), nan=1.0), "holm")
    candidates = [
        Candidate(name, (name,), _groups(tests), cross_validate(tests), float(p))
        for (name, tests), p in zip(singles.items(), adjusted, strict=True)
    ]
    rule = None
    differing = sorted((one for one in candidates if one.adjusted_p < ALPHA), key=lambda one: -one.gain.estimate)
    parts = [one for one in differing if one.name != "cluster"]
    if parts and combine is not None:
        tree, rule = _grow_tree(parts, combine)
        candidates += [tree] if tree is not None else []
    separating = [one for one in candidates if one.separates]
    if not separating:
        return tuple(candidates), FALLBACK, "no_gain" if differing else "no_difference", None
    complexity = [_complexity(one) for one in separating]
    chosen = separating[simplest_of_best([one.gain for one in separating], complexity)]
    return tuple(candidates), chosen.name, "separates", rule if chosen.name == TREE else None


def _complexity(one: Candidate) -> tuple[int, ...]:
    """RFM groups, which are used anyway, are the simplest; then every other grouping; then those made of several."""
    return (0,) if one.name == FALLBACK else (2, len(one.columns), one.groups) if one.name == TREE else (1, one.groups)


def _groups(tests: Sequence[ResponseCells]) -> int:
    return int((np.sum([test.n.sum(axis=(1, 2)) for test in tests], axis=0) > 0).sum()) if tests else 0


def _grow_tree(differing: Sequence[Candidate], combine: Combine) -> tuple[Candidate | None, ResponseRule | None]:
    """The tree over the groupings that gain most, as large as the simplest near the best size."""
    names: list[str] = []
    size = 1
    for one in differing:
        if len(names) < MOST_COLUMNS and size * one.groups <= MOST_COMBINATIONS:
            names.append(one.name)
            size *= one.groups
    tests, levels, words = combine(names)
    sizes = [len(own) for own in words]
    gains = cross_validate_tree(tests, levels, sizes)
    groups = simplest_of_best(gains, [(k,) for k in range(len(gains))]) + 2
    none = np.zeros(GROUPS, bool)
    training = [training_sums(test, none) for test in tests]
    splits = grow(training, np.array([test.weight for test in tests]), levels, sizes, groups)
    if not splits:
        return None, None
    used = sorted({split.column for split in splits})
    kept = tuple(Split(split.group, used.index(split.column), split.stay) for split in splits)
    rule = ResponseRule(tuple(names[k] for k in used), kept, tuple(tuple(words[k]) for k in used))
    p = max(one.adjusted_p for one in differing if one.name in rule.columns)
    return Candidate(TREE, rule.columns, len(splits) + 1, gains[groups - 2], p), rule


# --- the choice, of a shop -------------------------------------------------------------------------------------------

_CHOSEN: "weakref.WeakKeyDictionary[Shop, ResponseChoice]" = weakref.WeakKeyDictionary()


def choose_by_response(shop: Shop) -> ResponseChoice:
    """Which grouping separates responses best; chosen once per run."""
    if shop not in _CHOSEN:
        _CHOSEN[shop] = from_text(shop.recall("segmentation-response", lambda: to_text(_choose(shop))))
    return _CHOSEN[shop]


def to_text(choice: ResponseChoice) -> str:
    """A choice as JSON, for `from_text`."""

    def plain(value: object) -> object:
        return value.tolist() if isinstance(value, np.ndarray) else sorted(value)  # type: ignore[call-overload]

    return json.dumps(dataclasses.asdict(choice), default=plain)


def from_text(text: str) -> ResponseChoice:
    """The choice that `to_text` wrote."""
    read = json.loads(text)
    candidates = tuple(
        Candidate(**one | {"columns": tuple(one["columns"]), "gain": Gain(np.array(one["gain"]["parts"]))})
        for one in read["candidates"]
    )
    rule = read["rule"]
    if rule is not None:
        splits = tuple(Split(**one | {"stay": frozenset(one["stay"])}) for one in rule["splits"])
        rule = ResponseRule(tuple(rule["columns"]), splits, tuple(tuple(own) for own in rule["levels"]))
    return ResponseChoice(**read | {"candidates": candidates, "rule": rule, "tests": tuple(read["tests"])})


def shares_of_largest_gain(choice: ResponseChoice) -> list[float]:
    """The gain of every candidate as a share of the largest; NaN where none gains.

    Args:
        choice: of `choose_by_response`, with candidates.
    """
    most = max(one.gain.estimate for one in choice.candidates)
    return [one.gain.estimate / most if most > 0 else float("nan") for one in choice.candidates]


def labels_of(shop: Shop, names: Sequence[str]) -> tuple[Label, ...]:
    """How groupings label customers as of a day.

    Args:
        shop: the company.
        names: of the groupings: values of `segment_by`, or `past_clicks`.
    """
    cuts, past = find_cuts(shop), find_past_clicks(shop) if PAST_CLICKS in names else None
    return tuple(
        past[0].label if past is not None and name == PAST_CLICKS else resolve_named(shop, name, cuts=cuts).label
        for name in names
    )


def _columns(shop: Shop) -> tuple[str, ...]:
    """Columns of `customers` that describe people in few categories, and the region."""
    names = attribute_columns(shop)
    if shop.has("customers", "region"):
        levels = int(shop.count(shop.customers.aggregate(n=shop.customers.region.nunique()))["n"].iloc[0])
        names = (*names, "region") if 2 <= levels <= MOST_LEVELS else names
    return names


def _choose(shop: Shop) -> ResponseChoice:
    if not all(shop.has(name) for name in ("experiments", "arms", "assignments")):
        return ResponseChoice((), FALLBACK, "no_test")
    check_buyers(shop)
    cuts = find_cuts(shop)
    groupings = Groupings(cuts, _columns(shop), find_clusters(shop, cuts)[1], find_past_clicks(shop))
    labelled = label_responses(shop, groupings)
    if labelled is None:
        return ResponseChoice((), FALLBACK, "no_test")
    singles = count_singles(shop, labelled)
    candidates, chosen, reason, rule = choose_on_cells(
        singles, lambda names: count_cells(shop, labelled, [labelled.names.index(name) for name in names])
    )
    if chosen == PAST_CLICKS:
        rule = _plain_rule(shop, labelled, PAST_CLICKS)
    return ResponseChoice(
        candidates, chosen, reason, rule, labelled.unit, tuple(test.name for test in labelled.tests),
        int(sum(test.n.sum() for test in singles[FALLBACK])),
    )  # fmt: skip


def _plain_rule(shop: Shop, labelled: Labelled, name: str) -> ResponseRule:
    """Every level of one grouping as a group."""
    words = count_cells(shop, labelled, [labelled.names.index(name)])[2][0]
    splits = tuple(Split(k, 0, frozenset({k})) for k in range(len(words) - 1))
    return ResponseRule((name,), splits, (tuple(words),))
