"""The decisions of `06_content`, typed and without words: which creative for whom, and which texts to shorten."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from smsroi_helpers.content.analysis import Content
from smsroi_helpers.content.creative_profit import SegmentChoice
from smsroi_helpers.content.savings import Saving
from smsroi_helpers.statistics import ALPHA

__all__ = [
    "CreativeDecision",
    "ShorteningDecision",
    "decide_creatives",
    "decide_shortening",
]

Outcome = Literal["do", "dont", "not_enough_evidence"]


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
    click_gain: tuple[float, float, float] = (float("nan"),) * 3
    """Clicks per text, over the segments by their texts of today, with limits."""


def decide_creatives(content: Content, smallest_gain: float, tested: Collection[str] = ()) -> CreativeDecision:
    """Compare the best creative of each segment with today's mixture.

    Args:
        content: of `analysis.analyse`.
        smallest_gain: profit per text below which a change is not worth making (money).
        tested: creatives that a valid randomised test compares; with two of them here, the test has the amount.
    """
    found = content.by_creative
    if found is None:
        return CreativeDecision("not_enough_evidence", "not_compared")
    sent = np.array([one.texts_per_week for one in found.segments])
    customers = sum(one.customers for one in found.segments)
    if not sent.sum() > 0:
        return CreativeDecision("not_enough_evidence", "not_sent_today", found.segments)
    clicks = sum(one.click_gain * one.texts_per_week for one in found.segments) / sent.sum()
    click_gain = (float(np.mean(clicks)), *np.quantile(clicks, [ALPHA / 2, 1 - ALPHA / 2]).tolist())
    if not found.priced:
        return CreativeDecision(
            "not_enough_evidence", "no_price", found.segments, customers=customers, click_gain=click_gain
        )
    gains = np.asarray(sum(one.gain * one.texts_per_week for one in found.segments))
    low, high = np.quantile(gains, [ALPHA / 2, 1 - ALPHA / 2]).tolist()
    least = smallest_gain * float(sent.sum())
    # Who got which text of a campaign was not randomised: a gain in the log asks for a test, it recommends no change.
    outcome: Outcome = "dont" if high < max(least, 1e-12) else "not_enough_evidence"
    if len(set(tested) & set(found.segments[0].creatives)) > 1:
        return CreativeDecision(outcome, "tested", found.segments, customers=customers, click_gain=click_gain)
    return CreativeDecision(
        outcome, "", found.segments, float(gains.mean()), low, high, found.prices.subscriber.known, customers,
        click_gain,
    )  # fmt: skip


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


def decide_shortening(savings: Sequence[Saving]) -> tuple[ShorteningDecision, ...]:
    """The texts worth shortening: those that would read the same, and those whose words would change.

    Args:
        savings: of `savings.find_savings`.

    Returns:
        one decision for each of the two with any text; a single `dont` where no text can be shortened.
    """
    knows_cost = bool(savings) and all(np.isfinite(one.cost) for one in savings)
    same = tuple(one for one in savings if one.version.how == "replace")
    changed = tuple(one for one in savings if one.version.how in ("drop_emoji", "cut"))
    parts: tuple[tuple[Outcome, tuple[Saving, ...]], ...] = (("do", same), ("not_enough_evidence", changed))
    found = []
    for outcome, texts in parts:
        if texts:
            saved = float(sum(one.saved_per_week for one in texts)) if knows_cost else float("nan")
            found.append(ShorteningDecision(outcome, texts, saved, knows_cost, sum(one.sent for one in texts)))
    return tuple(found) or (ShorteningDecision("dont", (), float("nan"), knows_cost, 0),)
