"""The answer of `08_effectiveness`: typed, without words."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from smsroi_helpers.contract import Evidence
from smsroi_helpers.effectiveness.incremental import Comparison, Ratio
from smsroi_helpers.effectiveness.study import Effectiveness
from smsroi_helpers.statistics import error_of_interval, times_to_settle

__all__ = [
    "EffectDecision",
    "Reason",
    "decide",
]

Reason = Literal["no_messages", "no_orders", "no_test", "calibrated", "no_revenue", "undecided"]
"""Why this is decided: no messages; no orders, so no money; nothing was randomised; a test shows which share of the
attributed revenue is incremental; it shows that there is none; it still runs and does not show whether the messages
bring profit, or its interval includes none and some."""
_UNKNOWN = Ratio(float("nan"), float("nan"), float("nan"))


@dataclass(frozen=True)
class EffectDecision:
    """The answer, and the numbers behind it; NaN where a number is not known."""

    outcome: Literal["do", "dont", "not_enough_evidence"]
    reason: Reason
    evidence: Evidence
    customers: int
    """Whose outcomes are the evidence."""
    factor: Ratio = _UNKNOWN
    """Incremental ÷ attributed revenue by last touch within the chosen window."""
    test: Comparison | None = None
    """The test that the factor is from."""
    times: float = float("nan")
    """Times as many customers that show it with 80 % power if the estimate is true; infinite if it is not above 0;
    NaN if decided, or without an interval."""

    @property
    def needed(self) -> float:
        """The number of these customers."""
        return self.times * self.customers


def decide(found: Effectiveness) -> EffectDecision:
    """Decide which share of attributed revenue the messages caused.

    Args:
        found: of `study.analyse`.
    """
    test = found.calibration
    if test is None:
        people = int(found.cells.loc[found.cells["dimension"] == "all", "customers"].sum())
        why: Reason = "no_messages" if not found.known.messages else "no_test" if found.known.orders else "no_orders"
        return EffectDecision("not_enough_evidence", why, "descriptive" if people else "none", people)
    factor = test.rule(found.attribution_hours).calibration
    people = int(test.customers + test.control_customers)
    if not np.isfinite([factor.low, factor.high]).all():
        return EffectDecision("not_enough_evidence", "undecided", "none", people, test=test)
    if test.undecided:
        times = _times(test.profit)
        return EffectDecision("not_enough_evidence", "undecided", "randomised", people, factor, test, times)
    if factor.low > 0:
        return EffectDecision("do", "calibrated", "randomised", people, factor, test)
    if factor.high <= 0:
        return EffectDecision("dont", "no_revenue", "randomised", people, factor, test)
    return EffectDecision("not_enough_evidence", "undecided", "randomised", people, factor, test, _times(factor))


def _times(found: Ratio) -> float:
    if not np.isfinite([found.estimate, found.low, found.high]).all():
        return float("nan")
    if found.estimate <= 0:
        return float("inf")
    return times_to_settle(error_of_interval(found.low, found.high), found.estimate)
