"""What the pages claim of their intervals, each put as something that can turn out false.

A *claim* says: “this interval, as that page computes it, holds the truth as often as it says.” It is a function that is
given a random generator, makes a world whose truth it knows, computes the interval exactly as the page would, and
returns both. `benchmarks/calibrate.py` calls it once a seed and judges. One module a subject; each lists its `CLAIMS`,
and a new module in this folder is found by itself.

    # benchmarks/claims/coins.py
    from statsmodels.stats.proportion import proportion_confint

    def wilson(rng):                      # at module level, so that other processes find it
        heads = rng.binomial(200, 0.3)    # the world
        low, high = proportion_confint(heads, 200, method="wilson")
        return Interval(heads / 200, low, high, truth=0.3)

    CLAIMS = [Claim("wilson", "a share by Wilson's interval", "nowhere yet", "two_sided", wilson)]

What a function may return: one of the following, or a list of them, each with its `part` (a row of the page each).

- `Interval(estimate, low, high, truth)`: numbers, or arrays of one shape for cells of one world. Cells of one world
  are no independent trials: their mean counts as one, so that n is always the number of seeds. With `null=0.0` the page
  also tells how often the interval excludes 0: power where the truth is another, false alarms where it is 0. A limit
  may be infinite; one that is NaN holds nothing, and is counted as lacking.
- `BestSet(chosen, values)`: which candidates the method kept, and what they are truly worth. Its width is its size.
- `Verdict(rejected, effect=False)`: whether a test rejected, and whether there was an effect to find.

An exception is a failed replicate: it counts as a miss, and the page says how many there were.

Draw *everything* from the generator that is given, keep nothing between calls, and let one call cost little: a claim is
asked 1,000 times or more, and all of them together take hours: whatever can be cheap should be.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["BestSet", "Claim", "Interval", "Outcome", "Rule", "Verdict"]

Rule = Literal["two_sided", "at_least", "shrunken", "predictive", "false_alarm"]
"""How a claim is judged; the margin is .01 + 2.5 standard errors at n seeds.

- `two_sided`: coverage is .95, no less and no more, within the margin.
- `at_least`: coverage is not below .95 (always-valid intervals, adjusted ones, best sets).
- `shrunken`: as two_sided, averaged over worlds whose effects are drawn anew at each seed.
- `predictive`: as two_sided, the truth being what then happened.
- `false_alarm`: a test that should not reject does so in no more than a share `alpha` of the seeds.
"""


@dataclass(frozen=True)
class Interval:
    """An estimate, its interval, and the truth; each a number or an array of one shape (cells of one world)."""

    estimate: npt.ArrayLike
    low: npt.ArrayLike
    high: npt.ArrayLike
    truth: npt.ArrayLike
    part: str = ""
    null: float | None = None
    """The value that stands for “no effect”, if that is a question here."""


@dataclass(frozen=True)
class BestSet:
    """The candidates that were kept as perhaps the best (booleans), and the true value of each."""

    chosen: npt.ArrayLike
    values: npt.ArrayLike
    part: str = ""


@dataclass(frozen=True)
class Verdict:
    """Whether a test rejected; `effect`: whether it should have (then it is power, else a false alarm)."""

    rejected: bool
    effect: bool = False
    part: str = ""


Outcome: TypeAlias = Interval | BestSet | Verdict


@dataclass(frozen=True)
class Claim:
    """One claim: what is estimated, where it is published, how it is judged, and the function that tries it once."""

    name: str
    """Short, unique, made of small letters, digits and underscores: names the file of results and seeds the worlds."""
    what: str
    """The interval and the worlds it is tried in, for the page."""
    used: str
    """Where the workbook publishes such an interval."""
    rule: Rule
    run: Callable[[np.random.Generator], Outcome | Sequence[Outcome]]
    n: int = 1_000
    """Independent seeds."""
    alpha: float = 0.05
    """The share of false alarms that is allowed (rule `false_alarm`)."""
    known_wrong: bool = False
    """An interval known not to hold what it says: it must fail, or the harness sees nothing."""
