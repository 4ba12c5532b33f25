"""Tables of `05_ab_test` on who responds: by segment, and by targeting rule."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from smsroi_helpers.ab_test.evaluate import Evaluated, differ_by_segment
from smsroi_helpers.ab_test.tables import difference_words
from smsroi_helpers.ab_test.uplift import RULES, Ranking
from smsroi_helpers.locale import _, joined, listed, sentence
from smsroi_helpers.pages import Html, compact_words, lift_words, note, p_words, table
from smsroi_helpers.statistics import ALPHA

__all__ = [
    "rule_words",
    "segments_table",
    "targeting_table",
]


def segments_table(evaluated: Sequence[Evaluated], currency: str) -> Html:
    """The effect by segment when assigned, with the test of whether segments differ.

    Args:
        evaluated: of `ab_test.analyse`.
        currency: the source's.
    """
    rows, asleep = [], []
    for each in evaluated:
        if each.validity.broken:
            continue
        arm = each.decision.arm or (each.experiment.treated[0] if len(each.experiment.treated) == 1 else "")
        if not arm or each.decision.metric not in ("profit", "order_rate"):
            continue
        apart = differ_by_segment(each).set_index("arm")
        p, p_relative = (apart[name].get(arm, float("nan")) for name in ("adjusted_p", "adjusted_p_relative"))
        for row in each.effects.by_segment(each.decision.metric, arm):
            rows.append({
                _("Test and arm"): _("{test}: {arm}").format(test=each.experiment.name, arm=arm),
                _("Segment"): _segment_words(row.segment),
                _("Customers"): row.customers,
                _("Difference"): difference_words(each.decision.metric, row.interval, currency, row.reason),
                _("Relative lift"): lift_words(*row.lift),
                _("Adjusted p"): p_words(row.adjusted_p),
                _("Differ (p)"): p_words(p), _("… in percent (p)"): p_words(p_relative),
            })  # fmt: skip
            if row.high < 0 and row.adjusted_p < ALPHA:
                asleep.append(
                    _("“{segment}” in the test {test}").format(
                        segment=_segment_words(row.segment), test=each.experiment.name
                    )
                )
    if not rows:
        return note(_("No sound test has an arm that stands out, so nothing is told by segment."))
    caption = _(
        "Who responds: the same difference by what customers were when they were assigned. Only where the last columns"
        " are small do segments differ by more than chance: in money, or in proportion to what they buy anyway"
    )
    if asleep:
        caption = joined(sentence(caption), _("Better left alone: {segments}").format(segments=listed(asleep)))
    return table(pd.DataFrame(rows), caption=caption, suppress=_("Customers"))


def _segment_words(segment: str) -> str:
    return {
        "0-30": _("ordered in the last 30 days"),
        "30-90": _("ordered 30 to 90 days before"),
        "90+": _("ordered more than 90 days before"),
        "never": _("no order before"),
        "": _("not known"),
    }.get(segment, segment)


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
            row = {_("Test"): ranking.experiment, _("Chosen by"): rule_words(rule), _("Customers"): ranking.customers}
            if rule not in by_rule.index:
                row[_("Gain over random")] = _not_ranked_words(ranking.not_ranked[rule])
                rows.append(
                    {**row, _("Adjusted p"): "–", _("Better than random"): "–", _("Behind predicted effect"): "–"}
                )
                continue
            own = by_rule.loc[rule]
            behind = [float(own[name]) for name in ("behind", "behind_low", "behind_high")]
            row[_("Gain over random")] = compact_words(own["qini"], own["low"], own["high"], currency)
            row[_("Adjusted p")] = p_words(own["adjusted_p"])
            row[_("Better than random")] = _("yes") if own["better"] else _("not shown")
            row[_("Behind predicted effect")] = (
                compact_words(behind[0], behind[1], behind[2], currency) if np.isfinite(behind).all() else "–"
            )
            rows.append(row)
    if not rows:
        return note(_("So no ways of choosing are compared."))
    caption = _(
        "Ways of choosing whom to treat, on the same customers, each by what was known before the assignment: the gain"
        " over treating as many at random, per customer of the list, on average over all shares treated, with 95%"
        " intervals; p is Holm’s over all rows. Not better than random is a common answer"
    )
    return table(pd.DataFrame(rows), caption=caption)


def rule_words(rule: str) -> str:
    """The name of a targeting rule on pages."""
    return {
        "uplift": _("predicted effect"),
        "rfm": _("RFM score, best first"),
        "value": _("value to come, largest first"),
        "churn": _("risk of having left, greatest first"),
    }[rule]


def _not_ranked_words(reason: str) -> str:
    return {
        "no_history": _("nobody had bought before"),
        "few_repeaters": _("too few had bought twice before"),
        "no_value": _("too few amounts to go by"),
        "alike": _("all customers are alike in it"),
        "few_customers": _("too few customers to learn it from"),
    }[reason]
