"""Rules of who gets which arm of a test, learned from half of the customers and valued by the other half.

Messaging nobody and one arm for everybody need no learning. A rule by a grouping gives each profile the arm with the
highest shrunken mean (`recipient_means`), which may be the one without messages. What it gains over messaging nobody is
estimated by weighting (`off_policy`): on each half of the customers by the rule that the other half taught. Of the
rules within one standard error of the best, the simplest is chosen (Breiman and others 1984): nobody, then one arm for
everybody, then the rule with the fewest groups. Because it is chosen among several, its interval is one of intervals
that cover all their gains together: the multiple of the standard error is the quantile of the largest |t| (Dunnett
1955, JASA 50), simulated from the rules' joint covariance.

Where the arm without messages is small, a sample that happens to lack large orders shows a gain and a small error at
once: a tenth of null tests would be called a gain. So an error is at least the one with the second moment of all arms
together, which the large arm determines.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from smsroi_helpers.send_plan.groupings import ALL, Grouping
from smsroi_helpers.send_plan.mixture_rates import standard_error
from smsroi_helpers.send_plan.off_policy import OffPolicy, evaluate_policy
from smsroi_helpers.send_plan.recipient_means import choose_arms, shrink_means
from smsroi_helpers.send_plan.valuation import FOLD_OF_GROUP, FOLDS, Estimate
from smsroi_helpers.statistics import GROUPS, Floats, t_quantile

__all__ = ["NOBODY", "Rule", "Sums", "choose_rule", "common_quantile", "estimate_gain", "value_rules"]

NOBODY = "nobody"
_DRAWS = 20_000


@dataclass(frozen=True)
class Sums:
    """What became of the members of a test; each (groups, codes, arms), the arm without messages first."""

    members: Floats
    outcome: Floats
    """Sums of the members' outcomes."""
    squares: Floats
    """Sums of their squares."""

    def by_profile(self, grouping: Grouping) -> "Sums":
        """The sums of a grouping's profiles instead of codes."""
        number = len(grouping.membership)
        at = (np.arange(GROUPS)[:, None] * number + grouping.profile[None, :]).ravel()

        def added(each: Floats) -> Floats:
            arms = each.shape[2]
            sums = [np.bincount(at, each[..., a].ravel(), GROUPS * number) for a in range(arms)]
            return np.asarray(np.stack(sums, axis=1).reshape(GROUPS, number, arms), float)

        return Sums(added(self.members), added(self.outcome), added(self.squares))


@dataclass(frozen=True)
class Rule:
    """One rule with its honest value; per member of the test, over its outcome window."""

    name: str
    """`nobody`, `all` (one arm for everybody), or of the grouping."""
    grouping: Grouping
    policy: Floats
    """(profiles, arms): what the rule that all customers taught gives, 0 or 1."""
    learned: Floats
    """(halves, profiles, arms): the same of each half; the other half values it."""
    share: float
    """Of the members who get a message by the rules that are valued (0–1)."""
    value: OffPolicy
    ips: Floats
    """(1 + groups,): gain over nobody by plain weighting: the estimate, then without each group."""
    snipw: Floats
    doubly_robust: Floats
    least_error: float
    """Standard error of plain weighting by the second moment of all arms together: √(Σ_a s_a (1/p_a + 1/p₀) E[y²] / n)
    with s_a the share of members who get arm a by the rule, p the arms' shares of the members, n members."""

    @property
    def parameters(self) -> int:
        """How many groups are treated by their own: of two rules worth the same, the one with fewer is preferred."""
        return 0 if self.name == NOBODY else self.grouping.parameters


def value_rules(sums: Sums, groupings: Sequence[Grouping]) -> tuple[Rule, ...]:
    """Nobody, each other arm for everybody, and a rule by each grouping that has groups.

    Args:
        sums: of the members by group, code and arm.
        groupings: over the codes.
    """
    codes, arms = sums.members.shape[1:]
    one = Grouping(ALL, np.zeros(codes, int), np.ones((1, 1)), (ALL,))
    fixed = [_value(sums, one, arm) for arm in range(arms)]
    return (*fixed, *(_value(sums, each) for each in groupings if each.name != ALL))


def _value(sums: Sums, grouping: Grouping, arm: int | None = None) -> Rule:
    """The rule that gives everybody an arm, or that is learned by a grouping."""
    own = sums.by_profile(grouping)
    nothing = np.zeros(own.members.shape[1:])
    nothing[:, 0] = 1.0

    def learn(groups: np.ndarray) -> Floats:
        if arm is not None:
            return np.roll(nothing, arm, axis=1)
        n, y, y2 = (each[groups].sum(axis=0) for each in (own.members, own.outcome, own.squares))
        return choose_arms(shrink_means(n, y, y2, grouping.membership), grouping.membership)

    learned = np.stack([learn(np.flatnonzero(fold == FOLD_OF_GROUP)) for fold in range(FOLDS)])
    policy = learned[FOLDS - 1 - FOLD_OF_GROUP]
    found, none = (
        evaluate_policy(own.members, own.outcome, each, FOLD_OF_GROUP)
        for each in (policy, np.broadcast_to(nothing, policy.shape))
    )
    given = (policy[..., 0] * own.members.sum(axis=2)).sum() / own.members.sum()
    return Rule(
        NOBODY if arm == 0 else grouping.name, grouping, learn(np.arange(GROUPS)), learned, float(1 - given), found,
        found.ips - none.ips, found.snipw - none.snipw, found.doubly_robust - none.doubly_robust,
        _least_error(own, policy),
    )  # fmt: skip


def _least_error(sums: Sums, policy: Floats) -> float:
    """See `Rule.least_error`; policy is (groups, profiles, arms)."""
    members = sums.members.sum()
    arms = sums.members.sum(axis=(0, 1)) / members
    given = (policy * sums.members.sum(axis=2, keepdims=True)).sum(axis=(0, 1)) / members
    weight = (given[1:] * (1 / arms[1:] + 1 / arms[0])).sum()
    return float(np.sqrt(weight * sums.squares.sum() / members / members))


def choose_rule(rules: Sequence[Rule]) -> Rule:
    """The simplest of the rules that are worth as much as the best one but for a standard error of the difference.

    Where that one is not shown to gain, and others are, the simplest of these: intervals cover all rules together.
    """
    simplest, quantile = _simplest(rules), common_quantile(rules)

    def gains(each: Rule) -> bool:
        return estimate_gain(each.ips, quantile, each.least_error).low > 0

    return simplest if gains(simplest) else min(filter(gains, rules), key=_simple_first, default=simplest)


def _simple_first(each: Rule) -> tuple[int, float]:
    return each.parameters, -float(each.ips[0])


def _simplest(rules: Sequence[Rule]) -> Rule:
    best = max(rules, key=lambda each: each.ips[0])

    def as_good(each: Rule) -> bool:
        behind = best.ips - each.ips
        return bool(behind[0] <= standard_error(behind))

    return min(filter(as_good, rules), key=_simple_first)


def common_quantile(rules: Sequence[Rule]) -> float:
    """The multiple of the standard error whose intervals cover all rules' gains together in 95 % of samples.

    One rule has that of Student's t; nobody, whose gain is 0, does not count.
    """
    moved = np.array([each.ips[1:] - each.ips[1:].mean() for each in rules])
    size = np.sqrt((moved**2).sum(axis=1))
    moved = moved[size > 0] / size[size > 0, None]
    if len(moved) < 2:
        return float(t_quantile(0.95, GROUPS - 1))
    values, vectors = np.linalg.eigh(moved @ moved.T)
    rng = np.random.default_rng(1)
    drawn = (vectors * np.sqrt(np.maximum(values, 0.0))) @ rng.standard_normal((len(values), _DRAWS))
    largest = np.abs(drawn).max(axis=0) / np.sqrt(rng.chisquare(GROUPS - 1, _DRAWS) / (GROUPS - 1))
    return float(np.quantile(largest, 0.95))


def estimate_gain(replicates: Floats, quantile: float, least_error: float = 0.0) -> Estimate:
    """A gain (1 + groups,) with the interval of so many standard errors.

    Args:
        replicates: the estimate, then without each group of customers.
        quantile: of `common_quantile`.
        least_error: of the rule.
    """
    half = quantile * max(float(standard_error(replicates)), least_error)
    return Estimate(float(replicates[0]), float(replicates[0]) - half, float(replicates[0]) + half)
