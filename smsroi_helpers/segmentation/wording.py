"""The segmentation in words: the decision, and the sentences that the numbers choose."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from smsroi_helpers.contract import Decision
from smsroi_helpers.locale import _, enumerated, joined, listed, money, number, percent, rounded_digits
from smsroi_helpers.pages import attribute_words, names_of, segment_name, sentence_case
from smsroi_helpers.segmentation import decision
from smsroi_helpers.segmentation.by_response import TREE
from smsroi_helpers.segmentation.cluster_test import FEWEST_CUSTOMERS, ClusterTest, count_as_good
from smsroi_helpers.segmentation.clusters import LEAST_EIGENVALUE
from smsroi_helpers.segmentation.decision import Findings, Reactions, SegmentationOutcome, Shortfall
from smsroi_helpers.segmentation.membership import Grouping
from smsroi_helpers.segmentation.rfm import bought_once

__all__ = [
    "actions",
    "candidate_name",
    "cluster_choice_sentence",
    "cluster_test_sentence",
    "cuts_sentence",
    "decide",
    "feature_words",
    "interval_share",
    "name_clusters",
    "once_sentence",
    "put_in_words",
    "range_words",
    "recency_sentences",
    "spend_words",
    "step_name",
]


# --- the decision ----------------------------------------------------------------------------------------------------


def decide(grouping: Grouping, segment_by: str, findings: Findings, currency: str = "") -> list[Decision]:
    """The answer of the notebook, and a row for each segment: `decision.decide` in words.

    Args:
        grouping: the result of `membership.find_grouping`.
        segment_by: the segmentation the run uses.
        findings: what the notebook has counted.
        currency: the source's; empty: amounts without a currency.
    """
    return put_in_words(decision.decide(segment_by, findings), grouping, findings, currency)


def put_in_words(
    found: SegmentationOutcome, grouping: Grouping, findings: Findings, currency: str = ""
) -> list[Decision]:
    """The decision as the page shows it: the answer, and where there is one a row for each segment."""
    question = _("Which customers behave alike, and is the grouping any good?")
    answer = Decision(
        stage="segmentation",
        question=question,
        evidence="descriptive",
        outcome=found.outcome,
        action=_action(found),
        text=_text(found, grouping, currency),
        caveat=joined(
            _shortfalls_sentence(found.shortfalls, names_of(found.segment_by)),
            _rival_sentence(found),
            recency_sentences(findings.by_recency, found.recency_reversed),
            once_sentence(findings.scores),
        ),
        customers=found.customers,
        value=found.best.value if found.best else float("nan"),
        low=found.best.low if found.best else float("nan"),
        high=found.best.high if found.best else float("nan"),
        unit="share" if found.best else "",
        number_words=_("of spend in the last {days} days, by “{segment}”").format(
            days=number(found.period_days), segment=segment_name(found.best.segment)
        )
        if found.best
        else "",
        level=True,
    )
    what = actions()
    rows = [
        Decision(
            stage="segmentation",
            question=question,
            evidence="descriptive",
            outcome="do",
            action=what.get(one.segment, _("A segment of its own: see its portrait")),
            text=_(
                "The action is for the {today} customers who are in the segment on the last day observed. The spend is"
                " that of the {n} who were in it {days} days earlier."
            ).format(
                today=number(findings.today.get(one.segment, one.customers)),
                n=number(one.customers),
                days=number(found.period_days),
            ),
            customers=findings.today.get(one.segment, one.customers),
            evidence_customers=one.customers,
            value=one.value,
            low=one.low,
            high=one.high,
            unit="share",
            number_words=_("of spend, last {days} days").format(days=number(found.period_days)),
            level=True,
            segment=one.segment,
        )
        for one in found.segments
    ]
    return [answer, *rows]


def _action(found: SegmentationOutcome) -> str:
    if found.reason == "predicts_nothing":
        return _("Do not plan by {segmentation}: it does not predict what customers spend").format(
            segmentation=names_of(found.segment_by)
        )
    if found.reason == "not_shown":
        return _("Do not plan by {segmentation} yet: it is not shown to predict what customers spend").format(
            segmentation=names_of(found.segment_by)
        )
    if found.reason == "nothing_spent":
        return _("Check the amounts: all orders that followed were free, so no group can be judged by what it spends")
    if found.best is None:
        return _("Wait for a longer log: it does not tell yet what any group goes on to spend")
    return _(
        "Plan by {segmentation}: “{segment}”, {share} of customers {days} days ago, brought {spend} of the spend since"
    ).format(
        days=number(found.period_days), segmentation=names_of(found.segment_by),
        segment=segment_name(found.best.segment), share=percent(found.best.share), spend=percent(found.best.value),
    )  # fmt: skip


def _text(found: SegmentationOutcome, grouping: Grouping, currency: str) -> str:
    explained = (
        _(
            "Tested on the {days} days after the grouping was made, {segmentation} explains {share} of the differences"
            " in spend."
        ).format(
            days=number(found.period_days), segmentation=names_of(found.segment_by),
            share=interval_share(found.explained.value, found.explained.low, found.explained.high),
        )
        if found.best is not None or found.reason == "not_shown"
        else ""
    )  # fmt: skip
    reactions = _reactions_sentences(found.reactions, currency) if found.reactions else ""
    if found.best is None:
        return joined(explained, reactions, cluster_test_sentence(grouping), cuts_sentence(grouping))
    return joined(explained, reactions, cluster_test_sentence(grouping))


def _reactions_sentences(found: Reactions, currency: str) -> str:
    """Which grouping separates reactions best, what choosing by it gains, and how to use it."""
    value, low, high = (1000 * one for one in (found.value, found.low, found.high))
    digits = max(rounded_digits(low, high), 0)

    def show(value: float) -> str:
        if found.unit == "clicks":
            return _("{n} clicks").format(n=number(value, digits))
        return money(value, currency, digits)

    return joined(
        _(
            "How customers react to texts is another question. Reactions are separated best by {grouping}: in the"
            " randomised tests, the best arm for each group gains {gain} ({low} to {high}) per 1,000 customers and week"
            " compared with one arm for all."
        ).format(
            grouping=candidate_name(found.segment_by, found.columns), gain=show(value), low=show(low), high=show(high)
        ),
        _("To plan hours, frequency and texts by it, set `segment_by: response` in the run file."),
    )


def candidate_name(name: str, columns: Sequence[str]) -> str:
    """The name of a grouping that was compared by responses: of a `by_response.Candidate`."""
    if name != TREE:
        return names_of(name)
    return _("groups made of {groupings}").format(groupings=enumerated(names_of(one) for one in columns))


def _shortfalls_sentence(shortfalls: tuple[Shortfall, ...], grouping: str) -> str:
    """Which criteria but the first, which decides, the grouping fails, and of which it is warned; empty for none."""
    failed, warned = (
        [_shortfall(one, grouping) for one in shortfalls if one.fails is fails] for fails in (True, False)
    )
    return joined(
        _("Checks that failed: {points}.").format(points=listed(failed)) if failed else "",
        _("Checks with a warning: {points}.").format(points=listed(warned)) if warned else "",
    )


def _shortfall(short: Shortfall, grouping: str) -> str:
    match short.criterion:
        case "identifiable":
            if short.fails:
                return _("attributes do not predict who is in which group")
            return _("attributes hardly predict who is in which group")
        case "reachable":
            return _("{share} of customers consent and were reached by a message").format(share=percent(short.value))
        case "measurable":
            return _("in “{segment}” a test could not detect a change of the order rate below {share}").format(
                segment=segment_name(short.segment), share=percent(short.value)
            )
        case "actionable":
            return _("no experiment shows that reactions to a message differ by {grouping}").format(grouping=grouping)


def _rival_sentence(found: SegmentationOutcome) -> str:
    """Which other segmentation predicts spend better than the chosen one; empty for none."""
    if found.rival is None:
        return ""
    return _("{segmentation} predicts spend better: it explains {share}.").format(
        segmentation=sentence_case(names_of(found.rival.segment_by)),
        share=interval_share(found.rival.value, found.rival.low, found.rival.high),
    )


def actions() -> dict[str, str]:
    """What the marketing literature does with each named group or stage: a place to begin testing, no proof."""
    return {
        "gold": _("Look after them: service, early access, asking for referrals"),
        "value": _("Raise the basket: sets, add-ons, the next level of membership"),
        "growth": _("Win the next purchase: a reason to come back soon"),
        "dormant": _("Ask why they stopped, and answer it; whether to text them, the page on retention says"),
        "lost": _("No special service or offers; whether to text them, the page on retention says"),
        "prospect": _("Win the first purchase"),
        "awareness": _("Win the first purchase"),
        "first_purchase": _("Win the next purchase: a reason to come back soon"),
        "repeat": _("Make it a habit: the next reason to come, while they are here"),
        "loyalty": _("Look after them: service, early access, asking for referrals"),
        "advocacy": _("Make recommending easy, and thank them for it"),
        "lapsing": _("Ask why they stopped, and answer it; whether to text them, the page on retention says"),
        "lapsed": _("No special service or offers; whether to text them, the page on retention says"),
    }


# --- sentences that the numbers choose -------------------------------------------------------------------------------


def cluster_choice_sentence(tested: ClusterTest) -> str:
    """Why this number of clusters and no other, where the test accepts one; empty where it accepts none."""
    if not tested.accepted:
        return ""
    return _("Of the numbers above both bars, {k} is chosen: it has the highest stability.").format(k=number(tested.k))


def cluster_test_sentence(grouping: Grouping) -> str:
    """Whether there are clusters, in a sentence."""
    tested = grouping.tested
    if not tested.draws and tested.customers < FEWEST_CUSTOMERS:
        return _("No clustering is supported: fewer than {least} customers are too few to look for one.").format(
            least=number(FEWEST_CUSTOMERS)
        )
    if not tested.draws and np.isfinite(tested.first_eigenvalue):
        return _(
            "No clustering is supported: the features are too weakly related to group customers by them. The"
            " strongest dimension has {strength} times the variance of a single feature; {least} times are"
            " needed."
        ).format(strength=number(tested.first_eigenvalue, 2), least=number(LEAST_EIGENVALUE, 1))
    if not tested.draws:
        return _("No clustering is supported: customers differ in fewer than two features.")
    if tested.accepted:
        return _(
            "{k} clusters are supported: none of {draws} simulated populations without groups separates as clearly."
        ).format(k=number(tested.k), draws=number(tested.draws))
    if not tested.table["admissible"].any():
        return _("No clustering is supported: with any number of clusters, one is too small to be of use.")
    as_good = count_as_good(tested)
    if not as_good:
        return _(
            "No clustering is supported: the best one is no more distinct or stable than clusters found in"
            " data without groups."
        )
    return _(
        "No clustering is supported, and none is used: {n} of {draws} simulated populations without"
        " groups separate as clearly, and none should."
    ).format(draws=number(tested.draws), n=number(as_good))


def once_sentence(scores: pd.DataFrame) -> str:
    """What the scores can and cannot tell where many bought once; empty where fewer than half did."""
    once = bought_once(scores)
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


def recency_sentences(by_recency: pd.DataFrame, outcomes: Sequence[str]) -> str:
    """Whether recent is better in these data, for some outcomes (`orders`, `response`); empty where it is not known.

    Outcomes with the same answer share a sentence.
    """
    words = {
        "better": _("Recent is better here: {both}."),
        "worse": _("Recent is not better here but worse: {both}."),
        "open": _("It is not shown here whether recent is better: {both}."),
    }
    said: dict[str, list[str]] = {}
    for outcome in outcomes:
        rows = by_recency[by_recency["outcome"] == outcome].sort_values("r_score")
        if len(rows) >= 2:
            lowest, highest = rows["trend_low"].iloc[0], rows["trend_high"].iloc[0]
            found = "better" if lowest > 0 else "worse" if highest < 0 else "open"
            said.setdefault(found, []).append(_recency_words(rows, outcome))
    return joined(*(words[found].format(both=listed(parts)) for found, parts in said.items()))


def _recency_words(rows: pd.DataFrame, outcome: str) -> str:
    """What the most and the least recent buyers did; `rows` are of one outcome, in the order of the score."""
    old, new = rows.iloc[0], rows.iloc[-1]
    facts = {
        "new": percent(new["rate"], 1), "new_low": percent(new["low"], 1), "new_high": percent(new["high"], 1),
        "old": percent(old["rate"], 1), "old_low": percent(old["low"], 1), "old_high": percent(old["high"], 1),
    }  # fmt: skip
    if outcome == "orders":
        return _(
            "of the most recent buyers {new} ({new_low} to {new_high}) bought again in the next period, of the least"
            " recent {old} ({old_low} to {old_high})"
        ).format(**facts)
    return _(
        "of the most recent buyers {new} ({new_low} to {new_high}) responded, of the least recent {old} ({old_low}"
        " to {old_high})"
    ).format(**facts)


def interval_share(value: float, low: float, high: float) -> str:
    """A share with its interval, in words."""
    return _("{value} (95% interval {low} to {high})").format(
        value=percent(value, 1), low=percent(low, 1), high=percent(high, 1)
    )


def spend_words(row: Mapping[str, Any]) -> dict[str, str]:
    """The share of spend and its interval, with as many decimals as show the interval's width.

    Args:
        row: of `predictive_value.outcomes_by_segment`.
    """
    digits = max(rounded_digits(100 * row["low"], 100 * row["high"]), 0)
    return {"spend": percent(row["spend_share"], digits), "interval": range_words(row["low"], row["high"], digits)}


def range_words(low: float, high: float, digits: int = 1) -> str:
    """An interval of shares, in words."""
    if not (np.isfinite(low) and np.isfinite(high)):
        return "–"
    return _("{low} to {high}").format(low=percent(low, digits), high=percent(high, digits))


# --- names -----------------------------------------------------------------------------------------------------------


def step_name(step: str) -> str:
    """What a step of the funnel is called."""
    return {
        "acquisition": _("acquisition"), "activation": _("activation"), "retention": _("retention"),
        "revenue": _("revenue"), "referral": _("referral"),
    }[step]  # fmt: skip


def feature_words() -> dict[str, tuple[str, str, str]]:
    """Feature → its name, and how customers high and low in it are called."""
    return {
        "orders": (_("number of purchases"), _("many purchases"), _("few purchases")),
        "rate": (_("purchases per month"), _("buy often"), _("buy rarely")),
        "order_value": (_("money per purchase"), _("large purchases"), _("small purchases")),
        "click_rate": (_("clicks per message"), _("click often"), _("click rarely")),
        "tenure": (_("days since the first purchase"), _("customers for long"), _("customers since lately")),
        "recency": (_("days since the last purchase"), _("long silent"), _("bought lately")),
        "discount": (_("share of the price let off"), _("buy at a discount"), _("pay the full price")),
        "refunds": (_("share of money given back"), _("give much back"), _("give nothing back")),
    }


def name_clusters(profiles: pd.DataFrame, most: int = 2, least: float = 0.35) -> dict[str, str]:
    """What each cluster is called: its most marked features, in words; the one without any is the middle.

    Args:
        profiles: the result of `profile`.
        most: features named.
        least: standard deviations from everybody's mean, below which a feature marks nothing.
    """
    words = feature_words()
    names: dict[str, str] = {}
    for cluster, rows in profiles.groupby("cluster", sort=True):
        marked = rows[rows["distance"].abs() >= least]
        marked = marked.reindex(marked["distance"].abs().sort_values(ascending=False, kind="stable").index)
        said: list[str] = []
        seen: set[str] = set()
        for row in marked.itertuples():
            if row.feature in seen or (row.value and row.distance < 0):
                continue
            seen.add(row.feature)
            if row.value:
                said.append(attribute_words(row.feature, row.value))
            else:
                said.append(words[row.feature][1 if row.distance > 0 else 2])
            if len(said) == most:
                break
        names[str(cluster)] = _(", ").join(said) if said else _("the middle")
    return names
