"""The claims that pages make about their intervals, as functions that can fail.

A *claim* says: “this interval, as that page computes it, has its stated coverage.” It is a function of a random
generator. It simulates a world with a known truth, computes the interval exactly as the page does, and returns both.
`benchmarks/calibrate.py` calls it once per seed and computes the coverage. There is one module per subject; each lists
its `CLAIMS`. A new module in this folder is found automatically.

    # benchmarks/claims/coins.py
    from statsmodels.stats.proportion import proportion_confint

    def wilson(rng):                      # at module level, so that worker processes can import it
        heads = rng.binomial(200, 0.3)    # the world
        low, high = proportion_confint(heads, 200, method="wilson")
        return Interval(heads / 200, low, high, truth=0.3)

    CLAIMS = [Claim("wilson", "a share by Wilson's interval", "nowhere yet", "two_sided", wilson)]

A function returns one of the following, or a list of them, each with its `part` (one row of the page per part).

- `Interval(estimate, low, high, truth)`: numbers, or arrays of one shape for the cells of one world. Cells of one world
  are not independent: their mean counts as one, so that n is always the number of seeds. With `null=0.0` the page also
  shows how often the interval excludes 0: power where the truth differs from 0, false alarms where it is 0. A limit may
  be infinite. A NaN limit does not contain the truth and is counted as lacking.
- `BestSet(chosen, values)`: the candidates that the method kept, and their true values. Its width is its size.
- `Verdict(rejected, effect=False)`: whether a test rejected, and whether there was an effect to find.
- `Withheld()`: the page gives a reason in place of this number. Such worlds are counted apart and are not in the
  coverage; more than a tenth of them is a failure, since a number that is seldom given can seem right by selection.

An exception is a failed replicate: it counts as a miss, and the page shows how many there were.

Draw *everything* from the given generator and keep nothing between calls. Keep a call cheap: a claim runs 1,000 times
or more, and all claims together take hours.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["BestSet", "Claim", "Interval", "Outcome", "Rule", "Verdict", "Withheld"]

Rule = Literal["two_sided", "at_least", "shrunken", "predictive", "false_alarm"]
"""The criterion for passing; the margin is .01 + 2.5 standard errors at n seeds.

- `two_sided`: coverage is .95 within the margin, neither less nor more.
- `at_least`: coverage is not below .95 (always-valid intervals, adjusted ones, best sets).
- `shrunken`: as two_sided, averaged over worlds with new random effects at each seed.
- `predictive`: as two_sided; the truth is what happens afterwards in the simulation.
- `false_alarm`: a test that should not reject does so in at most a share `alpha` of the seeds.
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
    """The value that means “no effect”; None if the claim is not about an effect."""


@dataclass(frozen=True)
class BestSet:
    """Which candidates are in the set that may contain the best (booleans), and the true value of each."""

    chosen: npt.ArrayLike
    values: npt.ArrayLike
    part: str = ""


@dataclass(frozen=True)
class Verdict:
    """Whether a test rejected. `effect`: whether it should have; a rejection is then power, else a false alarm."""

    rejected: bool
    effect: bool = False
    part: str = ""


Outcome: TypeAlias = Interval | BestSet | Verdict


@dataclass(frozen=True)
class Withheld:
    """No outcome, by a rule of the page that also says why."""

    part: str = ""


@dataclass(frozen=True)
class Claim:
    """One claim: what is estimated, where it is published, its rule, and the function that runs it once."""

    name: str
    """Short, unique, lower-case letters, digits and underscores: names the file of results and seeds the worlds."""
    what: str
    """The interval and the simulated worlds, for the page."""
    used: str
    """Where the workbook publishes such an interval."""
    rule: Rule
    run: Callable[[np.random.Generator], Outcome | Sequence[Outcome | Withheld]]
    n: int = 1_000
    """Independent seeds."""
    alpha: float = 0.05
    """The allowed share of false alarms (rule `false_alarm`)."""
    known_wrong: bool = False
    """An interval known to lack its coverage: it must fail, or the benchmark detects nothing."""
