"""The answer of `08_effectiveness`: typed, without words."""

from dataclasses import dataclass
from typing import Literal

from smsroi_helpers.contract import Evidence
from smsroi_helpers.effectiveness.analyse import Effectiveness
from smsroi_helpers.effectiveness.counts import Known

__all__ = [
    "EffectDecision",
    "Reason",
    "decide",
]

Reason = Literal["no_messages", "no_orders", "no_test"]
"""Why this is decided: no messages; no orders, so no money; nothing was randomised."""


@dataclass(frozen=True)
class EffectDecision:
    """The answer, and the numbers behind it; NaN where a number is not known."""

    outcome: Literal["do", "dont", "not_enough_evidence"]
    reason: Reason
    evidence: Evidence
    customers: int
    known: Known


def decide(found: Effectiveness) -> EffectDecision:
    """Decide whether the messages paid.

    Args:
        found: of `analyse.analyse`.
    """
    whole = found.cells[found.cells["dimension"] == "all"]
    customers = int(whole["customers"].sum())
    reason: Reason = "no_messages" if not found.known.messages else "no_test" if found.known.orders else "no_orders"
    evidence: Evidence = "descriptive" if customers else "none"
    return EffectDecision("not_enough_evidence", reason, evidence, customers, found.known)
