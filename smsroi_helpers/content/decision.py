"""The decisions of `06_content`, typed and without words: which creative for whom, and which texts to shorten."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from smsroi_helpers.content.creative_profit import SegmentChoice
from smsroi_helpers.content.savings import Saving, SavingKind
from smsroi_helpers.content.study import Content
from smsroi_helpers.statistics import ALPHA

__all__ = [
    "CreativeDecision",
    "ShorteningDecision",
    "decide_creatives",
    "decide_shortening",
]

Outcome = Literal["do", "dont", "not_enough_evidence"]
Interval = tuple[float, float, float]


@dataclass(frozen=True)
class CreativeDecision:
    """Whether a test should compare each segment's best creative with today's mixture; never `do`, as it is read off
    the log.
    """

    outcome: Outcome
    reason: Literal["", "not_compared", "not_sent_today", "no_price", "tested"]
    """Why there is no amount: no two creatives were sent beside one another, no text of today is known, a click has no
    price (then clicks decide nothing), or a valid test compares the same creatives and has the amount."""
    choices: tuple[SegmentChoice, ...] = ()
    value: float = float("nan")
    """Money a week for today's texts, with 95 % limits."""
    low: float = float("nan")
    high: float = float("nan")
    long_run: bool = False
    """Whether opt-outs are priced, so that the value is long-run money."""
    customers: int = 0
    """Who get today's texts in the segments compared: those whom the amount is for."""
    evidence_customers: int = 0
    """Who got the texts in the log that is read: those whose outcomes compare them."""
    gains: Mapping[str, Interval] = field(default_factory=dict)
    """`click`, `opt_out` and, with a price, `profit` per text of the best creatives above today's mixture, with limits:
    over the segments by their texts of today."""
    tested: tuple[str, ...] = ()
    """The creatives compared that are arms of a valid test."""
    undecided: tuple[str, ...] = ()
    """Of these, between which that test is undecided."""
    left_out: tuple[tuple[str, int], ...] = ()
    """Segments with texts today of which the log has none, with their customers: they are in no number here."""

    @property
    def suggested(self) -> tuple[str, ...]:
        """The best creatives of the segments that get texts today."""
        best = (one.creatives[one.best] for one in self.choices if one.texts_per_week > 0)
        return tuple(dict.fromkeys(best))

    @property
    def why(self) -> Literal["fewer_opt_outs", "more_clicks", ""]:
        """Which outcome alone is shown to be better; empty where both or none are."""
        more, fewer = self.gains["click"][1] > 0, self.gains["opt_out"][2] < 0
        return "" if more == fewer else "more_clicks" if more else "fewer_opt_outs"


def decide_creatives(
    content: Content, smallest_gain: float, tested: Collection[str] = (), undecided: Collection[str] = ()
) -> CreativeDecision:
    """Compare the best creative of each segment with today's mixture.

    Args:
        content: of `study.analyse`.
        smallest_gain: profit per text below which a change is not worth making (money).
        tested: creatives that a valid randomised test compares; with two of them here, the test has the amount.
        undecided: of these, those between which their test is undecided.
    """
    found = content.by_creative
    if found is None:
        return CreativeDecision("not_enough_evidence", "not_compared", evidence_customers=content.log_customers)
    sent = sum(one.texts_per_week for one in found.segments)
    if not sent > 0:
        return CreativeDecision(
            "not_enough_evidence", "not_sent_today", found.segments, evidence_customers=content.log_customers
        )
    creatives = found.segments[0].creatives
    common: dict[str, Any] = {
        "choices": found.segments, "customers": sum(one.customers for one in found.segments),
        "evidence_customers": content.log_customers, "left_out": found.left_out,
        "tested": tuple(name for name in creatives if name in tested),
        "undecided": tuple(name for name in creatives if name in undecided),
        "gains": {name: mean_gain(found.segments, name) for name in ("click", "opt_out")},
    }  # fmt: skip
    if not found.priced:
        return CreativeDecision("not_enough_evidence", "no_price", **common)
    common["gains"]["profit"] = mean_gain(found.segments, "profit")
    value, low, high = (sent * each for each in common["gains"]["profit"])
    least = smallest_gain * sent
    # Who got which text of a campaign was not randomised: a gain in the log asks for a test, it recommends no change.
    outcome: Outcome = "dont" if high < max(least, 1e-12) else "not_enough_evidence"
    if len(common["tested"]) > 1:
        return CreativeDecision(outcome, "tested", **common)
    long_run = found.prices.subscriber.known
    return CreativeDecision(outcome, "", value=value, low=low, high=high, long_run=long_run, **common)


def mean_gain(segments: Sequence[SegmentChoice], outcome: str) -> Interval:
    """The gain per text over the segments by their texts of today, with its 95 % limits.

    Args:
        segments: one, or several with texts today.
        outcome: `click`, `order` or `opt_out` (shares), or `profit` (money).
    """
    sent = sum(one.texts_per_week for one in segments)
    weights = [one.texts_per_week / sent for one in segments] if len(segments) > 1 else [1.0]
    draws = sum(one.gain_in(outcome) * weight for one, weight in zip(segments, weights, strict=True))
    low, high = np.quantile(draws, [ALPHA / 2, 1 - ALPHA / 2]).tolist()
    return float(np.mean(draws)), low, high


@dataclass(frozen=True)
class ShorteningDecision:
    """Which texts to shorten: `do` where the text reads the same, else a test first, as clicks may change."""

    outcome: Outcome
    texts: tuple[Saving, ...]
    """That would cost fewer segments, the largest saving first."""
    saved_per_week: float
    """Money in the weeks that were read: counted, so it has no interval; NaN where costs are not known."""
    knows_cost: bool
    sent: int
    customers: int
    """Who were sent these texts in the weeks that were read; without texts to shorten, any known text."""


def decide_shortening(savings: Sequence[Saving], customers: Mapping[str, int]) -> tuple[ShorteningDecision, ...]:
    """The texts worth shortening: those that would read the same, and those whose words would change.

    Args:
        savings: of `savings.find_savings`.
        customers: who were sent texts of each kind (`same`, `changed`), and `all`.

    Returns:
        one decision for each of the two with any text; a single `dont` where no text can be shortened.
    """
    knows_cost = bool(savings) and all(np.isfinite(one.cost) for one in savings)
    parts: tuple[tuple[Outcome, SavingKind], ...] = (("do", "same"), ("not_enough_evidence", "changed"))
    found = []
    for outcome, kind in parts:
        texts = tuple(one for one in savings if one.kind == kind)
        if texts:
            saved = float(sum(one.saved_per_week for one in texts)) if knows_cost else float("nan")
            sent = sum(one.sent for one in texts)
            found.append(ShorteningDecision(outcome, texts, saved, knows_cost, sent, customers[kind]))
    return tuple(found) or (ShorteningDecision("dont", (), float("nan"), knows_cost, 0, customers["all"]),)
