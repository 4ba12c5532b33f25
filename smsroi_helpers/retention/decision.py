"""What to do about retention: whom to win back, and whether to go on texting, typed and without words.

Only a randomised test decides. A gain is claimed where the profit of texts is above 0 by limits that hold at
once for all tests and groups (Bonferroni), and both arms have enough buyers for the interval to be trusted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from smsroi_helpers.contract import Evidence
from smsroi_helpers.retention.study import Study
from smsroi_helpers.retention.texting import Retained
from smsroi_helpers.retention.win_back import WonBack

__all__ = [
    "TextingDecision",
    "WinBackDecision",
    "WinBackReason",
    "decide_texting",
    "decide_win_back",
]

Outcome = Literal["do", "dont", "not_enough_evidence"]
WinBackReason = Literal["gain", "loss", "undecided", "few", "no_profit", "no_test", "no_orders"]
"""Texts to inactive customers are shown to pay, or to lose; the interval includes 0; an arm has too few buyers; profit
is not known; no valid test left inactive customers without texts; the source has no orders, so nobody is known to be
inactive."""


@dataclass(frozen=True)
class WinBackDecision:
    """Whether to text customers who have become inactive."""

    outcome: Outcome
    reason: WinBackReason
    evidence: Evidence
    row: WonBack | None = None
    """The test and group that decides; None where there is none."""


@dataclass(frozen=True)
class TextingDecision:
    """Whether texting retains customers."""

    outcome: Outcome
    reason: Literal["retains", "drives_away", "undecided", "no_test"]
    row: Retained | None = None
    """The test that decides: of those that left most customers without texts."""


def decide_win_back(study: Study) -> WinBackDecision:
    """The decision on inactive customers, dormant and lost together, by the test with most of them without texts."""
    if study.cuts is None:
        return WinBackDecision("not_enough_evidence", "no_orders", "none")
    rows = [row for row in study.won_back if row.segment == "inactive"]
    if not rows:
        return WinBackDecision("not_enough_evidence", "no_test", "descriptive" if study.plan else "none")
    row = max(rows, key=lambda one: min(one.customers))
    low, high = row.deciding[1:]
    if row.few:
        return WinBackDecision("not_enough_evidence", "few", "randomised", row)
    if not np.isfinite([low, high]).all():
        return WinBackDecision("not_enough_evidence", "no_profit", "randomised", row)
    if low > 0:
        return WinBackDecision("do", "gain", "randomised", row)
    if high < 0:
        return WinBackDecision("dont", "loss", "randomised", row)
    return WinBackDecision("not_enough_evidence", "undecided", "randomised", row)


def decide_texting(retained: Sequence[Retained]) -> TextingDecision:
    """Whether texting retains, by the test with most customers without texts; the purchases at its end decide.

    Args:
        retained: of `texting.measure_retention`.
    """
    rows = [row for row in retained if row.what == "custom"]
    if not rows:
        return TextingDecision("not_enough_evidence", "no_test")
    row = max(rows, key=lambda one: one.customers[1])
    low, high = row.difference[1:]
    if low > 0:
        return TextingDecision("do", "retains", row)
    if high < 0:
        return TextingDecision("dont", "drives_away", row)
    return TextingDecision("not_enough_evidence", "undecided", row)
