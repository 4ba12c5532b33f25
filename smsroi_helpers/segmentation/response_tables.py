"""The table of groupings by response, for `01_segmentation`."""

import numpy as np
import pandas as pd

from smsroi_helpers.locale import _, enumerated, joined, listed, money, number, percent, rounded_digits
from smsroi_helpers.pages import Html, experiment_name, names_of, note, p_words, segment_name, sentence_case, table
from smsroi_helpers.segmentation.by_response import (
    Candidate,
    ResponseChoice,
    choose_by_response,
    shares_of_largest_gain,
)
from smsroi_helpers.segmentation.membership import RESPONSE, groups_differ
from smsroi_helpers.segmentation.response_counts import Unit
from smsroi_helpers.segmentation.response_gain import gain_interval
from smsroi_helpers.segmentation.wording import candidate_name
from smsroi_helpers.source import Shop

__all__ = ["groupings_table", "groups_note", "response_note"]

_PER = 1000


def groupings_table(choice: ResponseChoice, currency: str) -> Html:
    """What choosing the best arm by group gains, for each grouping; a sentence where no test can be used.

    Args:
        choice: of `by_response.choose_by_response`.
        currency: the source's.
    """
    if not choice.candidates:
        return note(_("No valid randomised test can show whether groups react differently."))
    rows = []
    for one, share in zip(choice.candidates, shares_of_largest_gain(choice), strict=True):
        rows.append(
            {
                _("Grouping"): sentence_case(_name(one)),
                _("Groups"): number(one.groups),
                _("Gain per 1,000 customers and week"): _amount(one.gain.estimate, one, choice.unit, currency),
                _("95% interval"): _interval(one, choice.unit, currency),
                _("Share of the largest gain"): percent(share) if np.isfinite(share) else "–",
                _("p (all groups react alike)"): p_words(one.adjusted_p),
                _("Chosen"): _("yes") if choice.reason == "separates" and one.name == choice.chosen else "",
            }
        )
    caption = _(
        "Gain of the best arm for each group compared with one arm for all, over the randomised tests ({tests}), on"
        " customers who did not help to choose the arms; p-values by Holm"
    ).format(tests=enumerated(map(experiment_name, choice.tests)))
    return table(pd.DataFrame(rows), caption=caption)


def _name(one: Candidate) -> str:
    return candidate_name(one.name, one.columns)


def _digits(one: Candidate) -> int:
    _value, low, high = gain_interval(one.gain)
    return max(rounded_digits(_PER * low, _PER * high), 0) if high > low else 0


def _amount(value: float, one: Candidate, unit: Unit, currency: str) -> str:
    shown = _PER * value
    digits = _digits(one)
    return _("{n} clicks").format(n=number(shown, digits)) if unit == "clicks" else money(shown, currency, digits)


def _interval(one: Candidate, unit: Unit, currency: str) -> str:
    if not one.gain.error > 0:  # the same arm for every group
        return "–"
    low, high = (_amount(limit, one, unit, currency) for limit in gain_interval(one.gain)[1:])
    return _("{low} to {high}").format(low=low, high=high)


def groups_note(shop: Shop, segment_by: str) -> Html | None:
    """Which groups `segment_by: response` stands for; None where it is something else.

    In a source without orders also that customers are one group, where `segment_by` asks for groups made of purchases.
    """
    if not groups_differ(shop, segment_by):
        return note(
            _(
                "This source has no orders, so customers cannot be grouped by {grouping}: all customers are one group."
                " A column of the table customers, such as region or attr_…, can group them (`segment_by`)."
            ).format(grouping=names_of(segment_by))
        )
    if segment_by != RESPONSE:
        return None
    choice = choose_by_response(shop)
    own = choice.find(choice.chosen)
    if choice.reason != "separates" or own is None:
        return response_note(choice)
    return note(
        joined(_("Chosen by response: {grouping}.").format(grouping=_name(own)), _groups_words(choice), _caveat())
    )


def response_note(choice: ResponseChoice) -> Html:
    """Which grouping separates responses best, and what to set."""
    if choice.reason == "no_test":
        return note(_("Groups by response need a randomised test; with `segment_by: response`, RFM groups are used."))
    if choice.reason == "no_difference":
        return note(
            _(
                "No grouping is shown to react differently to the tests’ arms. With `segment_by: response`, RFM groups"
                " are used."
            )
        )
    if choice.reason == "no_gain":
        return note(
            _(
                "Arms work differently in some groups, but choosing by group is not shown to gain more than one arm for"
                " all. With `segment_by: response`, RFM groups are used."
            )
        )
    own = choice.find(choice.chosen)
    assert own is not None
    first = _("Responses are separated best by {grouping}.").format(grouping=_name(own))
    if own.name == "rfm_group":
        first = _("No grouping separates responses clearly better than RFM groups do.")
    advice = ""
    if choice.clearly_better:
        advice = _("Set `segment_by: response` in the run file to use it in all notebooks.")
    elif own.name != "rfm_group":
        advice = _("It is not shown to be better than RFM groups; `segment_by: response` uses it.")
    return note(joined(first, _groups_words(choice), advice, _caveat()))


def _groups_words(choice: ResponseChoice) -> str:
    if choice.rule is None:
        return ""
    return _("Its groups: {groups}.").format(groups=listed(segment_name(name) for name in choice.rule.names))


def _caveat() -> str:
    return _(
        "The same tests choose the grouping and estimate effects by group, so effects of single groups are shrunken and"
        " adjusted for their number."
    )
