"""Which customers behave alike, and is the grouping any good?

The engine counts recency, frequency and money (`rfm`); rules name groups and stages, k-means looks for clusters
(`clusters`) and is held against one population without any (`cluster_reference`); what a grouping foretells is measured
on a later period (`segment_quality`, `five_principles`); who is in a segment (`segment_portraits`) and who moves
(`migration`) is described. `segments` says who is in which segment on any day, for every other stage.
"""

from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import Field

from smsroi_helpers.cluster_reference import FEWEST
from smsroi_helpers.clusters import LEAST_STRENGTH, column_name
from smsroi_helpers.contract import Decision
from smsroi_helpers.five_principles import Principle
from smsroi_helpers.locale import _, joined, listed, number, percent
from smsroi_helpers.segments import Grouping, customer_segments, find_clusters, find_grouping, segments

__all__ = [
    "NEEDS",
    "PARAMETERS",
    "actions",
    "customer_segments",
    "cuts_sentence",
    "decide",
    "find_clusters",
    "find_grouping",
    "names_of",
    "once_sentence",
    "recency_sentence",
    "segments",
    "trial_sentence",
]

NEEDS = ("orders",)
PARAMETERS: dict[str, Any] = {
    "dormant_after_days": Annotated[int, Field(ge=0)],
    "lost_after_days": Annotated[int, Field(ge=0)],
    "frequent_score": Annotated[int, Field(ge=1, le=5)],
    "high_score": Annotated[int, Field(ge=1, le=5)],
    "period_days": Annotated[int, Field(ge=0)],
    "smallest_cluster_share": Annotated[float, Field(ge=0, le=0.5)],
    "response": str,
}


def names_of(segment_by: str) -> str:
    """What a segmentation is called in a sentence."""
    return {
        "rfm_group": _("RFM group"),
        "rfm_scores": _("RFM scores"),
        "cluster": _("cluster"),
        "lifecycle_stage": _("lifecycle stage"),
    }.get(segment_by) or column_name(segment_by)


def segment_name(name: str) -> str:
    """What a segment is called on a page."""
    return {
        "all": _("all"),
        "gold": _("gold"),
        "value": _("value"),
        "growth": _("growth"),
        "dormant": _("dormant"),
        "lost": _("lost"),
        "prospect": _("not yet bought"),
        "awareness": _("known, not bought"),
        "first_purchase": _("first purchase"),
        "repeat": _("bought again"),
        "loyalty": _("loyal"),
        "advocacy": _("recommends"),
        "lapsing": _("lapsing"),
        "lapsed": _("lapsed"),
        "new": _("new"),
        "unknown": _("unknown"),
    }.get(name, name)


def actions() -> dict[str, str]:
    """What the marketing literature does with each named group or stage: a place to begin testing, no proof."""
    return {
        "gold": _("Look after them: service, early access, asking for referrals"),
        "value": _("Raise the basket: sets, add-ons, the next level of membership"),
        "growth": _("Win the next purchase: a reason to come back soon"),
        "dormant": _("Wake them before they are lost: test a reminder against silence"),
        "lost": _("Test a win-back on a few; text the rest less"),
        "prospect": _("Win the first purchase"),
        "awareness": _("Win the first purchase"),
        "first_purchase": _("Win the next purchase: a reason to come back soon"),
        "repeat": _("Make it a habit: the next reason to come, while they are here"),
        "loyalty": _("Look after them: service, early access, asking for referrals"),
        "advocacy": _("Make recommending easy, and thank them for it"),
        "lapsing": _("Wake them before they are lost: test a reminder against silence"),
        "lapsed": _("Test a win-back on a few; text the rest less"),
    }


# --- sentences that the numbers choose -------------------------------------------------------------------------------


def trial_sentence(grouping: Grouping) -> str:
    """Whether there are clusters, in a sentence."""
    trial = grouping.trial
    if not trial.draws and trial.customers < FEWEST:
        return _("No clustering stands: fewer than {least} customers are too few to look for one.").format(
            least=number(FEWEST)
        )
    if not trial.draws and np.isfinite(trial.strength):
        return _(
            "No clustering stands: what is known of customers hangs together too little to group them by; its strongest"
            " dimension carries {strength} times what one feature carries alone, and {least} is the least."
        ).format(strength=number(trial.strength, 2), least=number(LEAST_STRENGTH, 1))
    if not trial.draws:
        return _("No clustering stands: customers differ in fewer than two features, and that is no ground for one.")
    if trial.stands:
        return _("{k} clusters stand: of {draws} populations without groups, none looks as well parted.").format(
            k=number(trial.k), draws=number(trial.draws)
        )
    if not trial.table["admissible"].any():
        return _("No clustering stands: into however many parts, one of them holds too few customers to be of use.")
    as_good = round(trial.p_value * (1 + trial.draws)) - 1
    if not as_good:
        return _(
            "No clustering stands: in how well apart or how stable it is, the best is no better than one population"
            " without groups may look."
        )
    return _(
        "No clustering stands, and none is used. As well parted as these customers look {n} of {draws} populations"
        " without groups, and none should."
    ).format(draws=number(trial.draws), n=number(as_good))


def once_sentence(scores: pd.DataFrame) -> str:
    """What the scores can and cannot tell where many bought once; empty where fewer than half did."""
    often = scores[scores["measure"] == "frequency"]
    once = float(often.loc[often["most"] <= 1, "customers"].sum() / max(often["customers"].sum(), 1))
    if once < 0.5:
        return ""
    return _(
        "{share} of customers have ordered once. They all have the same frequency score, which parts them from the"
        " others and not from one another; among themselves only recency and money tell them apart."
    ).format(share=percent(once))


def cuts_sentence(grouping: Grouping) -> str:
    """Where dormant and lost begin, and why there."""
    cuts = grouping.cuts
    if not cuts.gaps and np.isnan(cuts.dormant_share) and np.isnan(cuts.lost_share):
        return _(
            "Customers count as dormant after {dormant} days without a purchase and as lost after {lost}. Both were"
            " given, or are a third and two thirds of a log that holds too few repurchases to tell."
        ).format(dormant=number(cuts.dormant_after_days), lost=number(cuts.lost_after_days))
    return _(
        "Customers count as dormant after {dormant} days without a purchase and as lost after {lost}: of the"
        " repurchases in this log, each customer counting once, {dormant_share} came within the first of these and"
        " {lost_share} within the second."
    ).format(
        dormant=number(cuts.dormant_after_days), lost=number(cuts.lost_after_days),
        dormant_share=percent(cuts.dormant_share), lost_share=percent(cuts.lost_share),
    )  # fmt: skip


def recency_sentence(by_recency: pd.DataFrame, outcome: str) -> str:
    """Whether recent is better in these data, for one outcome (`orders`, `response`); empty where it is not known."""
    rows = by_recency[by_recency["outcome"] == outcome].sort_values("r_score")
    if len(rows) < 2:
        return ""
    old, new = rows.iloc[0], rows.iloc[-1]
    facts = {
        "new": percent(new["rate"], 1), "new_low": percent(new["low"], 1), "new_high": percent(new["high"], 1),
        "old": percent(old["rate"], 1), "old_low": percent(old["low"], 1), "old_high": percent(old["high"], 1),
    }  # fmt: skip
    if outcome == "orders":
        both = _(
            "of the most recent buyers {new} ({new_low} to {new_high}) bought again in the next period, of the least"
            " recent {old} ({old_low} to {old_high})"
        ).format(**facts)
    else:
        both = _(
            "of the most recent buyers {new} ({new_low} to {new_high}) responded, of the least recent {old} ({old_low}"
            " to {old_high})"
        ).format(**facts)
    if old["trend_low"] > 0:
        return _("Recent is better here: {both}.").format(both=both)
    if old["trend_high"] < 0:
        return _("Recent is not better here but worse: {both}.").format(both=both)
    return _("Whether recent is better cannot be told here: {both}.").format(both=both)


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
        came: of `segment_quality.what_came`.
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


def sentence_case(words: str) -> str:
    """The words with a capital first, the rest as it is."""
    return words[:1].upper() + words[1:]


def interval_share(value: float, low: float, high: float) -> str:
    """A share with its interval, in words."""
    return _("{value} (95% interval {low} to {high})").format(
        value=percent(value, 1), low=percent(low, 1), high=percent(high, 1)
    )


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
