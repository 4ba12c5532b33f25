"""What the segmentation notebook answers: which grouping to plan by, or none."""

import pandas as pd

from smsroi_helpers.contract import Decision
from smsroi_helpers.locale import _, joined, listed, number, percent
from smsroi_helpers.pages import names_of, segment_name, sentence_case
from smsroi_helpers.segmentation.criteria import Principle
from smsroi_helpers.segmentation.membership import Grouping
from smsroi_helpers.segmentation.wording import (
    actions,
    cuts_sentence,
    interval_share,
    once_sentence,
    recency_sentence,
    trial_sentence,
)

__all__ = [
    "decide",
]


# --- decide ----------------------------------------------------------------------------------------------------------


def decide(
    grouping: Grouping,
    segment_by: str,
    came: pd.DataFrame,
    comparison: pd.DataFrame,
    five: list[Principle],
    by_recency: pd.DataFrame,
    scores: pd.DataFrame,
    period_days: int,
) -> list[Decision]:
    """The answer of the notebook, and a row for each segment.

    Args:
        grouping: of `find_grouping`.
        segment_by: the segmentation the run uses.
        came: of `segment_quality.outcomes_by_segment`.
        comparison: of `segment_quality.explained`.
        five: of `five_principles.principles`.
        by_recency: of `segment_quality.response_by_recency`.
        scores: of `rfm.score_table`.
        period_days: how long the next period was.
    """
    relevant = five[0]
    customers = int(scores.loc[scores["measure"] == "frequency", "customers"].sum())
    question = _("Which customers behave alike, and is the grouping any good?")
    known = came[came["low"].notna() & came["per_customer"].notna()]
    caveat = joined(
        _principles_sentence(five), _rival_sentence(comparison, segment_by), _worse_sentence(by_recency),
        once_sentence(scores),
    )  # fmt: skip
    if relevant.verdict == "fail" or known.empty:
        return [
            Decision(
                stage="segmentation",
                question=question,
                evidence="none",
                outcome="dont" if relevant.verdict == "fail" else "not_enough_evidence",
                action=_("Do not plan by {segmentation}: it does not foretell what customers spend").format(
                    segmentation=names_of(segment_by)
                )
                if relevant.verdict == "fail"
                else _("Wait for a longer log: it does not tell yet what any group goes on to spend"),
                text=joined(trial_sentence(grouping), cuts_sentence(grouping)),
                caveat=caveat,
                customers=customers,
            )
        ]
    top = known.loc[known["per_customer"].idxmax()]
    text = joined(
        _("Tested on the {days} days after the grouping was made, {segmentation} explains {share} of spend.").format(
            days=number(period_days), segmentation=names_of(segment_by),
            share=interval_share(relevant.value, relevant.low, relevant.high),
        ),
        trial_sentence(grouping),
    )  # fmt: skip
    answer = Decision(
        stage="segmentation",
        question=question,
        evidence="none",
        outcome="do",
        action=_(
            "Plan by {segmentation}: “{segment}”, {share} of customers, brought {spend} of the spend that followed"
        ).format(
            segmentation=names_of(segment_by), segment=segment_name(str(top["segment"])),
            share=percent(top["share"]), spend=percent(top["spend_share"]),
        ),
        text=text,
        caveat=caveat,
        customers=customers,
        value=float(top["spend_share"]),
        low=float(top["low"]),
        high=float(top["high"]),
        unit="share",
    )  # fmt: skip
    what = actions()
    rows = [
        Decision(
            stage="segmentation",
            question=question,
            evidence="none",
            outcome="do",
            action=what.get(row.segment, _("A segment of its own: see its portrait")),
            text=_("Share of the spend that followed; customers as of the beginning of that period."),
            customers=int(row.customers),
            value=float(row.spend_share),
            low=float(row.low),
            high=float(row.high),
            unit="share",
            segment=str(row.segment),
        )
        for row in known.itertuples()
    ]
    return [answer, *rows]


def _principles_sentence(five: list[Principle]) -> str:
    """In which of the five principles but the first, which decides, the grouping falls short; empty for none."""
    verdicts = {one.name: one for one in five}
    points = []
    if verdicts["identifiable"].verdict == "fail":
        points.append(_("attributes do not tell who is in which group"))
    if verdicts["reachable"].verdict == "fail":
        points.append(_("few can be reached by a message"))
    if verdicts["measurable"].verdict == "fail":
        worst = verdicts["measurable"].detail.sort_values("lift").iloc[-1]
        points.append(
            _("in “{segment}” a test would see no change of the order rate smaller than {share}").format(
                segment=segment_name(str(worst["segment"])), share=percent(worst["lift"])
            )
        )
    if verdicts["actionable"].verdict != "pass":
        points.append(_("no experiment shows that the groups answer a message differently"))
    return _("It falls short in this: {points}.").format(points=listed(points)) if points else ""


def _rival_sentence(comparison: pd.DataFrame, segment_by: str) -> str:
    """Which other segmentation foretells spend better than the chosen one, if any does beyond chance."""
    spend = comparison[comparison["outcome"] == "spend"].set_index("segmentation")
    if segment_by not in spend.index:
        return ""
    rivals = spend.drop(index=[segment_by, "rfm_scores"], errors="ignore")
    better = rivals[rivals["low"] > spend.loc[segment_by, "high"]].sort_values("share")
    if better.empty:
        return ""
    best = better.iloc[-1]
    return _("{segmentation} foretells spend better: it explains {share}.").format(
        segmentation=sentence_case(names_of(str(best.name))),
        share=interval_share(best["share"], best["low"], best["high"]),
    )


def _worse_sentence(by_recency: pd.DataFrame) -> str:
    """Said in the answer only where recent is worse: the groups' names would mislead."""
    said = [
        recency_sentence(by_recency, outcome)
        for outcome in ("orders", "response")
        if (by_recency.loc[by_recency["outcome"] == outcome, "trend_high"] < 0).any()
    ]
    return joined(*said)
