"""Tables of `05_ab_test` on who responds: by segment, and by targeting rule."""

from collections.abc import Sequence

import pandas as pd

from smsroi_helpers.ab_test.effects import ArmEffect
from smsroi_helpers.ab_test.left_alone import PooledSegments
from smsroi_helpers.ab_test.shared_wording import rule_words, running_p_words, segment_words
from smsroi_helpers.ab_test.study import Evaluated, differ_by_segment
from smsroi_helpers.ab_test.tables import difference_words
from smsroi_helpers.ab_test.uplift import RULES, Ranking
from smsroi_helpers.locale import _, enumerated, joined, sentence
from smsroi_helpers.pages import (
    Html,
    arm_name,
    experiment_name,
    experiment_title,
    items_in_reading_order,
    lift_words,
    note,
    p_words,
    rows_in_reading_order,
    table,
)

__all__ = [
    "described_arms",
    "effects_by_segment",
    "fifths_table",
    "left_alone_table",
    "segments_differ_words",
    "segments_table",
    "targeting_table",
]

_LEVEL = 0.05
"""p-values below it are called a difference."""


def described_arms(evaluated: Sequence[Evaluated]) -> list[tuple[Evaluated, str]]:
    """The valid tests whose metric is made of orders, with the one arm that is shown by segment.

    Args:
        evaluated: of `ab_test.analyse`.
    """
    found = []
    for each in evaluated:
        arm = each.decision.arm or (each.experiment.treated[0] if len(each.experiment.treated) == 1 else "")
        if arm and not each.validity.broken and each.decision.metric in ("profit", "order_rate"):
            found.append((each, arm))
    return [(each, arm) for each, arm in found if each.effects.by_segment(each.decision.metric, arm)]


def effects_by_segment(each: Evaluated, arm: str) -> list[ArmEffect]:
    """The effects of an arm on the metric of the decision, by segment in the order of every page."""
    return items_in_reading_order(each.effects.by_segment(each.decision.metric, arm), lambda row: row.segment)


def segments_differ_words(each: Evaluated, arm: str) -> str:
    """Whether segments are shown to differ in what the arm does to them."""
    p = differ_by_segment(each).set_index("arm")["adjusted_p"].get(arm, float("nan"))
    words = (
        _("{test}, {arm}: segments differ by more than chance (p {p})")
        if p < _LEVEL
        else _("{test}, {arm}: segments are not shown to differ (p {p})")
        if p >= _LEVEL
        else _("{test}, {arm}: by segment")
    )
    return words.format(test=experiment_title(each.experiment.name), arm=arm_name(arm), p=p_words(p))


def segments_table(evaluated: Sequence[Evaluated], currency: str) -> Html:
    """The effect by segment when assigned, with the test of whether segments differ.

    Args:
        evaluated: of `ab_test.analyse`.
        currency: the source's.
    """
    rows = []
    for each, arm in described_arms(evaluated):
        apart = differ_by_segment(each).set_index("arm")
        p, p_relative = (apart[name].get(arm, float("nan")) for name in ("adjusted_p", "adjusted_p_relative"))
        for row in effects_by_segment(each, arm):
            rows.append({
                _("Test and arm"): _("{test}: {arm}").format(
                    test=experiment_name(each.experiment.name), arm=arm_name(arm)
                ),
                _("Segment"): segment_words(row.segment),
                _("Customers"): row.customers,
                _("Difference"): difference_words(each.decision.metric, row.interval, currency, row.reason),
                _("Relative lift"): lift_words(*row.lift),
                _("Adjusted p"): p_words(row.adjusted_p),
                _("Differ (p)"): p_words(p), _("… in percent (p)"): p_words(p_relative),
            })  # fmt: skip
    if not rows:
        return note(
            _("No valid test has one arm to describe and a metric made of orders, so nothing is shown by segment.")
        )
    caption = _(
        "The same difference by segment, as of the assignment. Only where the last columns are small do segments differ"
        " by more than chance: in money, or in percent of what they buy anyway"
    )
    caption = joined(sentence(caption), running_p_words([each for each, _arm in described_arms(evaluated)]))
    return table(pd.DataFrame(rows), caption=caption, suppress=_("Customers"), fold=True)


def targeting_table(rankings: Sequence[Ranking], currency: str) -> Html:
    """The targeting rules compared on the same customers.

    Args:
        rankings: of `ab_test.rank_responders`.
        currency: the source's.
    """
    rows = []
    for ranking in rankings:
        by_rule = ranking.rules.set_index("rule")
        for rule in RULES:
            row = {
                _("Test and arm"): _("{test}: {arm}").format(
                    test=experiment_name(ranking.experiment), arm=arm_name(ranking.arm)
                ),
                _("Chosen by"): rule_words(rule), _("Customers"): ranking.customers,
            }  # fmt: skip
            if rule not in by_rule.index:
                row[_("Gain over random")] = _not_ranked_words(ranking.not_ranked[rule])
                rows.append(
                    {**row, _("Adjusted p"): "–", _("Better than random"): "–", _("Behind predicted effect"): "–"}
                )
                continue
            own = by_rule.loc[rule]
            behind = (own["behind"], own["behind_low"], own["behind_high"])
            over_random = (own["qini"], own["low"], own["high"])
            row[_("Gain over random")] = difference_words(ranking.metric, over_random, currency)
            row[_("Adjusted p")] = p_words(own["adjusted_p"])
            row[_("Better than random")] = _("yes") if own["better"] else _("not shown")
            row[_("Behind predicted effect")] = difference_words(ranking.metric, behind, currency)
            rows.append(row)
    if not rows:
        return note(_("No targeting rules are compared."))
    caption = _(
        "Targeting rules compared on the same customers, each computed from what was known before the assignment: gain"
        " over treating as many customers chosen at random, per customer of the list, averaged over all shares treated,"
        " with 95% intervals. p is adjusted over all rows (Holm). “Not shown” is a common result"
    )
    return table(pd.DataFrame(rows), caption=caption, fold=True)


def fifths_table(rankings: Sequence[Ranking], currency: str) -> Html:
    """The effect by fifth of the list, for every rule that beats random, or else for the best one of each arm.

    Args:
        rankings: of `ab_test.rank_responders`.
        currency: the source's.
    """
    rows = []
    for ranking in rankings:
        own = ranking.rules
        shown = own.loc[own["better"], "rule"].tolist() or [own.loc[own["qini"].idxmax(), "rule"]]
        for row in ranking.fifths[ranking.fifths["rule"].isin(shown)].itertuples():
            rows.append({
                _("Test and arm"): _("{test}: {arm}").format(
                    test=experiment_name(ranking.experiment), arm=arm_name(ranking.arm)
                ),
                _("Ranked by"): rule_words(row.rule), _("Fifth of the list"): row.fifth, _("Customers"): row.customers,
                _("Effect"): difference_words(ranking.metric, (row.effect, row.low, row.high), currency),
                _("Better than random"): _("yes") if own.set_index("rule").loc[row.rule, "better"] else _("not shown"),
            })  # fmt: skip
    if not rows:
        return note(_("No list is ranked, so no effect is shown by fifth."))
    caption = _(
        "Effect in each fifth of the ranked list, per customer of the fifth, with 95% intervals. Predicted effects are"
        " learned on the other half of the customers"
    )
    return table(pd.DataFrame(rows), caption=caption, suppress=_("Customers"), digits=0)


def left_alone_table(pooled: PooledSegments, currency: str) -> Html:
    """The effect of texts by segment over all tests together, and whether a segment is better left alone.

    Args:
        pooled: of `ab_test.pool_tests`.
        currency: the source's.
    """
    segments = rows_in_reading_order(pooled.segments, "segment")
    rows = [
        {
            _("Segment"): segment_words(row.segment), _("Tests"): row.tests, _("Customers"): row.customers,
            _("Effect a week"): difference_words(pooled.metric, (row.effect, row.low, row.high), currency),
            _("Adjusted p"): p_words(row.adjusted_p),
            _("Better left alone"): _("yes") if row.harmed else _("not shown"),
        }
        for row in segments.itertuples()
    ]  # fmt: skip
    if not rows:
        return note(
            _("Nobody is shown to be better left alone: no valid test compares purchases with and without texts.")
        )
    caption = _(
        "Texts compared with no texts by segment as of the assignment, over all tests with an arm that is not texted"
        " ({tests}), per customer and week; intervals hold for all segments at once. Test that segments differ: p {p}."
        " A segment is better left alone only if p is below 0.025 and its interval is below zero"
    ).format(tests=enumerated(map(experiment_name, pooled.tests)), p=p_words(pooled.interaction_p))
    return table(pd.DataFrame(rows), caption=caption, suppress=_("Customers"), digits=0)


def _not_ranked_words(reason: str) -> str:
    return {
        "no_history": _("nobody had bought before"),
        "few_repeaters": _("too few had bought twice before"),
        "no_value": _("too few amounts to go by"),
        "alike": _("all customers are alike in it"),
        "few_customers": _("too few customers to learn it from"),
    }[reason]
