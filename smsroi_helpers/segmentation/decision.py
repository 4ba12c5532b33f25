"""Which grouping to plan by, or none."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import pandas as pd

from smsroi_helpers.segmentation.by_response import ResponseChoice
from smsroi_helpers.segmentation.criteria import Criterion
from smsroi_helpers.segmentation.membership import RESPONSE, outcome_column
from smsroi_helpers.segmentation.response_counts import Unit
from smsroi_helpers.segmentation.response_gain import gain_interval

__all__ = [
    "Explained",
    "Findings",
    "Reactions",
    "SegmentOutcome",
    "SegmentationOutcome",
    "Shortfall",
    "decide",
]


@dataclass(frozen=True)
class Findings:
    """What the decision rests on."""

    segment_outcomes: pd.DataFrame
    """The result of `predictive_value.outcomes_by_segment`."""
    comparison: pd.DataFrame
    """The result of `predictive_value.explained`."""
    criteria: list[Criterion]
    """The result of `criteria.evaluate_criteria`."""
    by_recency: pd.DataFrame
    """The result of `predictive_value.response_by_recency`."""
    scores: pd.DataFrame
    """The result of `rfm.score_table`."""
    period_days: int
    """How long the next period was."""
    today: Mapping[str, int] = field(default_factory=dict)
    """Segment → customers on the last day observed, of `membership.count_members`."""
    by_response: ResponseChoice | None = None
    """The result of `by_response.choose_by_response`."""


@dataclass(frozen=True)
class Explained:
    """The share (0–1) of next-period spend that a segmentation explains, with its 95 % interval."""

    segment_by: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class SegmentOutcome:
    """What one segment spent in the period after the grouping was made."""

    segment: str
    customers: int
    share: float
    """Of all customers, 0–1."""
    value: float
    """Share of all that was spent, 0–1, with its 95 % interval."""
    low: float
    high: float


@dataclass(frozen=True)
class Shortfall:
    """A criterion that the segmentation fails, or meets only in part."""

    criterion: Literal["identifiable", "reachable", "measurable", "actionable"]
    fails: bool
    """Else it is a warning."""
    segment: str = ""
    """The worst one, of `measurable`."""
    value: float = float("nan")
    """Its smallest detectable relative change of the order rate; of `reachable`, the share of customers (0–1)."""


@dataclass(frozen=True)
class Reactions:
    """Another grouping, by which customers react more differently to the arms of tests than by RFM groups."""

    segment_by: str
    """The name of its `by_response.Candidate`."""
    columns: tuple[str, ...]
    value: float
    """What the best arm for each of its groups gains compared with one arm for all, per customer and week, with its
    95 % interval."""
    low: float
    high: float
    unit: Unit


@dataclass(frozen=True)
class SegmentationOutcome:
    """Whether to plan by a segmentation, and the numbers this rests on."""

    segment_by: str
    outcome: Literal["do", "dont", "not_enough_evidence"]
    reason: Literal["predicts_spend", "predicts_nothing", "not_shown", "nothing_spent", "log_too_short"]
    """`not_shown`: the interval of the share explained includes 0; `nothing_spent`: all orders of the period were
    free, so there is no spend to predict."""
    explained: Explained
    customers: int
    """With a purchase."""
    period_days: int
    best: SegmentOutcome | None
    """The segment whose customers spent most per head; None where the outcome is not `do`."""
    segments: tuple[SegmentOutcome, ...]
    """All whose spend is known; none where the outcome is not `do`."""
    shortfalls: tuple[Shortfall, ...]
    rival: Explained | None
    """The best other segmentation that explains more beyond chance."""
    recency_reversed: tuple[Literal["orders", "response"], ...]
    """Outcomes of which the most recent buyers have fewer: the groups' names would mislead."""
    reactions: Reactions | None = None
    """None where no other grouping separates reactions clearly better than RFM groups."""


def decide(segment_by: str, findings: Findings) -> SegmentationOutcome:
    """Whether to plan by a segmentation: it must predict spend, and what its segments spent must be known.

    Args:
        segment_by: the segmentation the run uses.
        findings: what the notebook has counted.
    """
    relevant, scores = findings.criteria[0], findings.scores
    known = findings.segment_outcomes[
        findings.segment_outcomes["low"].notna() & findings.segment_outcomes["per_customer"].notna()
    ]
    shown = not relevant.low <= 0
    use = relevant.status != "fail" and shown and not known.empty
    return SegmentationOutcome(
        segment_by=segment_by,
        outcome="do" if use else "dont" if relevant.status == "fail" else "not_enough_evidence",
        reason="predicts_spend"
        if use
        else "predicts_nothing"
        if relevant.status == "fail"
        else _why_open(findings)
        if shown or known.empty
        else "not_shown",
        explained=Explained(segment_by, relevant.value, relevant.low, relevant.high),
        customers=int(scores.loc[scores["measure"] == "frequency", "customers"].sum()),
        period_days=findings.period_days,
        best=_segment_outcomes(known.loc[[known["per_customer"].idxmax()]])[0] if use else None,
        segments=_segment_outcomes(known) if use else (),
        shortfalls=_find_shortfalls(findings.criteria),
        rival=_find_rival(findings.comparison, segment_by),
        recency_reversed=_reversed_outcomes(findings.by_recency),
        reactions=_find_reactions(findings.by_response, segment_by),
    )


def _why_open(findings: Findings) -> Literal["nothing_spent", "log_too_short"]:
    rows = findings.segment_outcomes
    free = (rows["bought"] > 0).any() and (rows["per_customer"].dropna() == 0).all()
    return "nothing_spent" if free else "log_too_short"


def _segment_outcomes(rows: pd.DataFrame) -> tuple[SegmentOutcome, ...]:
    return tuple(
        SegmentOutcome(
            segment=str(row.segment),
            customers=int(row.customers),
            share=float(row.share),
            value=float(row.spend_share),
            low=float(row.low),
            high=float(row.high),
        )
        for row in rows.itertuples()
    )


def _find_shortfalls(criteria: list[Criterion]) -> tuple[Shortfall, ...]:
    """The criteria failed or met in part, but for the first, which decides.

    Without an experiment it is not known whether segments answer differently, which is a warning, too.
    """
    found = []
    for one in criteria[1:]:
        assert one.name != "relevant"
        if one.status not in ("fail", "warn") and (one.name, one.status) != ("actionable", "unknown"):
            continue
        segment, value = "", one.value if one.name == "reachable" else float("nan")
        if one.name == "measurable":
            worst = one.detail.sort_values("lift").iloc[-1]
            segment, value = str(worst["segment"]), float(worst["lift"])
        found.append(Shortfall(one.name, one.status == "fail", segment, value))
    return tuple(found)


def _find_rival(comparison: pd.DataFrame, segment_by: str) -> Explained | None:
    """The segmentation that explains most of spend, where its interval lies above the chosen one's."""
    segment_by = outcome_column(segment_by)
    spend = comparison[comparison["outcome"] == "spend"].set_index("segmentation")
    if segment_by not in spend.index:
        return None
    rivals = spend.drop(index=[segment_by, "rfm_scores"], errors="ignore")
    better = rivals[rivals["low"] > spend.loc[segment_by, "high"]].sort_values("share")
    if better.empty:
        return None
    best = better.iloc[-1]
    return Explained(str(best.name), float(best["share"]), float(best["low"]), float(best["high"]))


def _find_reactions(choice: ResponseChoice | None, segment_by: str) -> Reactions | None:
    if choice is None or not choice.clearly_better or segment_by in (choice.chosen, RESPONSE):
        return None
    own = choice.find(choice.chosen)
    assert own is not None
    return Reactions(own.name, own.columns, *gain_interval(own.gain), choice.unit)


def _reversed_outcomes(by_recency: pd.DataFrame) -> tuple[Literal["orders", "response"], ...]:
    names: tuple[Literal["orders", "response"], ...] = ("orders", "response")
    return tuple(name for name in names if (by_recency.loc[by_recency["outcome"] == name, "trend_high"] < 0).any())
