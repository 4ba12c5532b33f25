"""What the CLTV notebook answers: whom to look after, and what customers will bring."""

from collections.abc import Sequence

import pandas as pd

from smsroi_helpers.cltv.fitting import Fit
from smsroi_helpers.cltv.forecast import Forecast
from smsroi_helpers.cltv.holdout import Holdout
from smsroi_helpers.contract import Decision
from smsroi_helpers.locale import _, interval, joined, listed, money, number, percent

__all__ = [
    "decide",
    "describe_drop_out",
    "describe_test",
]
_ALIKE = 0.2
"""A top tenth that brings less than twice its share is no group to treat otherwise."""


# --- decide ----------------------------------------------------------------------------------------------------------


def decide(
    told: Forecast, tested: "Holdout", tenths: pd.DataFrame, currency: str, failing: Sequence[str] = ()
) -> Decision:
    """The answer of the notebook: who matters, what all are worth a week, and how the forecast did when tested.

    Args:
        told: the forecast.
        tested: how the model did on later weeks.
        tenths: of `value_by_tenth`.
        currency: the source's.
        failing: the assumptions that fail, in the reader's words.
    """
    value, low, high = (x / told.horizon_weeks for x in told.total("cltv"))
    if tested.missed and tested.actual:
        # The model's own interval knows nothing of the model's being wrong: it is stretched to where it would lie had
        # the coming weeks the error of the tested ones.
        low, high = min(low, low / (1 + tested.bias)), max(high, high / (1 + tested.bias))
    top = tenths.iloc[0]
    facts = {"n": number(top["customers"]), "share": percent(top["share"])}
    if top["high"] < _ALIKE:
        action = _("Treat customers alike: none stand out, the {n} of the top tenth hold {share} of what is to come")
    else:
        action = _("Look after the {n} customers of the top tenth first: they hold {share} of what is to come")
    action = action.format(**facts)
    if tested.missed and tested.gini_low > 0:
        first = _("Trust the ranking of customers, not the amount: the forecast failed its test.")
        action = joined(first, action)
    elif tested.missed:
        action = _("Trust neither the amount nor the ranking of customers: the forecast failed its test")
    return Decision(
        stage="cltv",
        question=_("What will each customer be worth, and how sure are we?"),
        outcome="do",
        action=action,
        text=_(
            "The amount is what all {n} customers seen so far are expected to bring a week before the cost of messages,"
            " on average {per_customer} each in {weeks} weeks; not what a message would add. The share of the top tenth"
            " should come out between {low} and {high}."
        ).format(
            n=number(told.purchases.customers),
            per_customer=money(told.total("cltv")[0] / told.purchases.customers, currency),
            weeks=number(told.horizon_weeks),
            low=percent(top["low"]),
            high=percent(top["high"]),
        ),
        caveat=joined(describe_test(tested), describe_drop_out(told.purchases), _describe_failing(failing)),
        evidence="none",
        customers=told.purchases.customers,
        value=value,
        low=low,
        high=high,
        unit="money_per_week",
        kind="forecast",
    )


def _describe_failing(failing: Sequence[str]) -> str:
    return (
        _("The forecast assumes what does not hold here (see the checks): {names}.").format(names=listed(failing))
        if failing
        else ""
    )


def describe_test(tested: "Holdout") -> str:
    """How the forecast did when tested, in a sentence."""
    facts = {
        "predicted": interval(tested.predicted, tested.low, tested.high),
        "actual": number(tested.actual),
        "weeks": number(tested.weeks),
        "bias": percent(abs(tested.bias)),
    }
    if not tested.missed:
        return _(
            "Tested on the last {weeks} weeks, the model said {predicted} repeat purchases; {actual} happened."
        ).format(**facts)
    if tested.actual == 0:
        return _(
            "Likely too high: tested on the last {weeks} weeks, the model said {predicted} repeat purchases and none"
            " happened."
        ).format(**facts)
    if tested.bias < 0:
        return _(
            "Likely too low: tested on the last {weeks} weeks, the model said {predicted} repeat purchases and {actual}"
            " happened, {bias} fewer than came. The interval here is stretched by that error."
        ).format(**facts)
    return _(
        "Likely too high: tested on the last {weeks} weeks, the model said {predicted} repeat purchases and"
        " {actual} happened, {bias} more than came. The interval here is stretched by that error."
    ).format(**facts)


def describe_drop_out(fit: Fit) -> str:
    """What the orders do not tell about customers, in words; empty where they tell all that the model asks."""
    if fit.status == "converged":
        return ""
    if not fit.drop_out_identified:
        return _(
            "Drop-out is not identified: how fast customers leave, and how they differ in it, cannot be told from these"
            " orders. The forecast weighs every pace that they allow, and its interval covers it."
        )
    return _(
        "How much customers differ in their rate of buying is not identified. The forecast takes every difference"
        " that the orders leave possible, and its interval covers them all."
    )
