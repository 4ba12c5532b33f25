"""Which customers behave alike, and is the grouping any good?

The engine counts recency, frequency and money (`rfm`); rules name groups and stages, k-means looks for clusters
(`clusters`) and is held against one population without any (`cluster_reference`); what a grouping foretells is measured
on a later period (`segment_quality`, `five_principles`); who is in a segment (`segment_portraits`) and who moves
(`migration`) is described. `segments` says who is in which segment on any day, for every other stage.
"""

import numpy as np
import pandas as pd

from smsroi_helpers.locale import _, number, percent
from smsroi_helpers.segmentation.cluster_test import FEWEST
from smsroi_helpers.segmentation.clusters import LEAST_STRENGTH
from smsroi_helpers.segmentation.membership import Grouping

__all__ = [
    "actions",
    "cuts_sentence",
    "once_sentence",
    "recency_sentence",
    "trial_sentence",
]


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


def interval_share(value: float, low: float, high: float) -> str:
    """A share with its interval, in words."""
    return _("{value} (95% interval {low} to {high})").format(
        value=percent(value, 1), low=percent(low, 1), high=percent(high, 1)
    )
