"""Whether the log says the same of two texts as the randomised tests do."""

from dataclasses import dataclass

import numpy as np

from smsroi_helpers.content.within_campaign import OptionEffects

__all__ = ["Agreement", "compare_with_log"]

Interval = tuple[float, float, float]


@dataclass(frozen=True)
class Agreement:
    """The log odds of a click of one creative compared with another: by randomised tests, and by the log."""

    creative: str
    base: str
    """The creative that it is compared with: the first of those in both."""
    tested: Interval
    """Log odds ratio in the randomised tests, with its 95 % limits."""
    log: Interval
    """The same in the log outside the tests."""
    z: float
    """Log less tests, in standard errors of the difference."""


def compare_with_log(tested: OptionEffects, log: OptionEffects) -> tuple[Agreement, ...]:
    """Compare the effects of creatives in randomised tests with those in the log outside them.

    Args:
        tested: effects on clicks in randomised tests of texts.
        log: the same outside tests.

    Returns:
        one for each creative after the first of those that are in both; none with fewer than two such creatives.
    """
    at = np.flatnonzero(tested.largest & log.known)
    if len(at) < 2:
        return ()
    base = int(at[0])
    sides = tested.contrast_intervals(base), log.contrast_intervals(base)
    errors = [fit.contrast(base)[1] for fit in (tested, log)]
    found = []
    for other in at[1:]:
        in_tests, in_log = ((float(value[other]), float(low[other]), float(high[other])) for value, low, high in sides)
        z = (in_log[0] - in_tests[0]) / float(np.hypot(errors[0][other], errors[1][other]))
        found.append(Agreement(tested.options[other], tested.options[base], in_tests, in_log, z))
    return tuple(found)
