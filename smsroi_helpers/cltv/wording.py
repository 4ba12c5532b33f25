"""The CLTV notebook in words: the answer, the test of the forecast, and its assumptions."""

from collections.abc import Sequence

import pandas as pd

from smsroi_helpers.cltv import decision
from smsroi_helpers.cltv.assumptions import Assumption, Finding
from smsroi_helpers.cltv.counts import FEWEST_REPEATERS
from smsroi_helpers.cltv.decision import CltvOutcome
from smsroi_helpers.cltv.fitting import Fit
from smsroi_helpers.cltv.forecast import WEEKS_A_YEAR, Forecast
from smsroi_helpers.cltv.holdout import Holdout
from smsroi_helpers.cltv.implications import NoValue
from smsroi_helpers.cltv.level_error import LevelError
from smsroi_helpers.contract import Decision
from smsroi_helpers.locale import _, interval, joined, listed, money, number, percent, rounded_digits

__all__ = [
    "MODELS",
    "check_name",
    "decide",
    "describe_assumptions",
    "describe_correction",
    "describe_drop_out",
    "describe_extrapolation",
    "describe_test",
    "list_failing",
    "no_value_words",
    "signed_percent",
]

MODELS = {"bg_nbd": "BG/NBD", "mbg_nbd": "MBG/NBD", "pareto_nbd": "Pareto/NBD", "gamma_gamma": "Gamma–Gamma"}


# --- the answer ------------------------------------------------------------------------------------------------------


def decide(
    forecast: Forecast,
    tested: Holdout,
    level: LevelError,
    tenths: pd.DataFrame,
    currency: str,
    failing: Sequence[str] = (),
) -> Decision:
    """The decision of the notebook: `decision.decide` in words.

    Args:
        forecast: the result of `forecast_value`.
        tested: the test of the model on later weeks.
        level: the result of `estimate_level_error`.
        tenths: the result of `value_by_tenth`.
        currency: the source's.
        failing: the names of the assumptions that fail, as on the page.
    """
    found = decision.decide(forecast, tested, level, tenths)
    caveat = joined(
        describe_test(tested),
        describe_correction(found.correction) if found.supported != "amount_and_ranking" else "",
        describe_extrapolation(level),
        describe_drop_out(forecast.purchases),
        _describe_failing(failing),
    )
    return Decision(
        stage="cltv",
        question=_("What will each customer be worth, and how sure are we?"),
        outcome="do",
        status="ok" if found.supported == "amount_and_ranking" else "failed_check",
        action=_action(found),
        text=_explain(found, currency),
        caveat=caveat,
        evidence="forecast",
        customers=forecast.purchases.customers,
        value=found.per_week,
        low=found.low,
        high=found.high,
        unit="money_per_week" if found.knows_value else "orders_per_week",
        kind="forecast",
    )


def _as_wide(amount: float, found: CltvOutcome, currency: str) -> str:
    """An amount that is uncertain in the proportion of the forecast's total, rounded by the width of its interval."""
    digits = rounded_digits(*found.limits_of(amount))
    return money(round(amount, digits), currency, max(digits, 0))


def _explain(found: CltvOutcome, currency: str) -> str:
    facts = {
        "n": number(found.customers),
        "weeks": number(found.horizon_weeks),
        "low": percent(found.top_low),
        "high": percent(found.top_high),
    }
    if found.knows_value:
        amount = _(
            "The amount is what all {n} customers seen so far are expected to bring a week before the cost of messages,"
            " on average {per_customer} each in {weeks} weeks; not what a message would add. The share of the top tenth"
            " should come out between {low} and {high}."
        ).format(per_customer=_as_wide(found.per_customer, found, currency), **facts)
        refunds = _("Refunds are deducted: {share} of what was paid so far. Before them it is {amount} a week.").format(
            share=percent(found.refunded, 1), amount=_as_wide(found.before_refunds, found, currency)
        )
        return joined(amount, refunds) if found.refunded else amount
    return joined(
        _("What a purchase brings is not known: every repeat purchase has the amount 0."),
        _(
            "The number is how many purchases all {n} customers seen so far are expected to make a week, on average"
            " {per_customer} each in {weeks} weeks; not what a message would add. The share of the top tenth should"
            " come out between {low} and {high}."
        ).format(per_customer=number(found.per_customer, 2), **facts),
    )


def _action(found: CltvOutcome) -> str:
    if found.supported == "neither":
        return _("Trust neither the amount nor the ranking of customers: the forecast failed its test")
    if not found.knows_value:
        action = (
            _("Give the {n} customers of the top tenth better service: they make {share} of the purchases to come")
            if found.stands_out
            else _("Treat customers alike: the {n} of the top tenth make {share} of the purchases to come")
        )
    elif found.stands_out:
        action = _("Give the {n} customers of the top tenth better service: they bring {share} of expected profit")
    else:
        action = _("Treat customers alike: none stand out, the {n} of the top tenth bring {share} of expected profit")
    action = action.format(n=number(found.top_customers), share=percent(found.top_share))
    if found.supported == "ranking" and found.correction != 1:
        return _("{action}. The total failed its test and is corrected").format(action=action)
    if found.supported == "ranking":
        return _("{action}. The total failed its test; its interval includes that error").format(action=action)
    return action


def describe_correction(factor: float) -> str:
    """By what the forecast of a total that failed its test is multiplied, in a sentence."""
    if factor == 1:
        return _("The total is not corrected: fitted to all weeks, the model may be off in either direction.")
    return _(
        "The total in the decision is the model’s forecast multiplied by {factor}: the part of the error that can be"
        " expected to continue."
    ).format(factor=number(factor, 2))


def describe_extrapolation(level: LevelError) -> str:
    """What the interval of the amount has to cover beyond the test, in a sentence or two."""
    facts = {"tested": number(level.tested_weeks), "horizon": number(level.horizon_weeks)}
    beyond = (
        _("The test covers {tested} of the {horizon} weeks of the forecast; beyond them the interval is extrapolated.")
        if level.tested_weeks < level.horizon_weeks
        else ""
    )
    season = (
        _("The log covers less than two years, so a season cannot be estimated from it; the interval allows for one.")
        if level.log_weeks < 2 * WEEKS_A_YEAR
        else ""
    )
    return joined(beyond.format(**facts), season)


def _describe_failing(failing: Sequence[str]) -> str:
    return (
        _("The forecast’s assumptions that fail here (see the checks): {names}.").format(
            names=listed(_("“{name}”").format(name=name) for name in failing)
        )
        if failing
        else ""
    )


def describe_test(tested: Holdout) -> str:
    """The result of the test, in a sentence."""
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
            "The forecast ran far too high in its test: for the last {weeks} weeks it predicted {predicted} repeat"
            " purchases, and none happened."
        ).format(**facts)
    if tested.bias < 0:
        return _(
            "The forecast ran {bias} low in its test: for the last {weeks} weeks it predicted {predicted} repeat"
            " purchases, and {actual} happened."
        ).format(**facts)
    return _(
        "The forecast ran {bias} high in its test: for the last {weeks} weeks it predicted {predicted} repeat"
        " purchases, and {actual} happened."
    ).format(**facts)


def describe_drop_out(fit: Fit) -> str:
    """Which parameters the orders do not identify, in words; empty if all are identified."""
    if fit.status == "converged":
        return ""
    if not fit.drop_out_identified:
        return _(
            "Drop-out is not identified: how fast customers leave, and how they differ in it, cannot be estimated from"
            " these orders. The forecast weighs every pace that they allow, and its interval covers it."
        )
    return _(
        "How much customers differ in their rate of buying is not identified. The forecast takes every difference"
        " that the orders leave possible, and its interval covers them all."
    )


# --- assumptions -----------------------------------------------------------------------------------------------------


def check_name(check: str) -> str:
    """The name of an assumption, as on the page."""
    return {
        "one_time_buyers": _("Those who bought once"),
        "frequency_and_value": _("Value does not hang on frequency"),
        "refunds": _("Refunds go on as before"),
        "several_a_day": _("One order a day"),
        "older_than_log": _("Seen from the first purchase on"),
        "cohort_drift": _("Early and late customers alike"),
        "season": _("No season in the test weeks"),
    }[check]


def list_failing(checks: pd.DataFrame) -> list[str]:
    """The names of the assumptions that fail, as on the page.

    Args:
        checks: the result of `describe_assumptions`.
    """
    return [check_name(check) for check in checks.loc[checks["status"] == "fail", "check"]]


def describe_assumptions(found: Sequence[Assumption]) -> pd.DataFrame:
    """The table `assumptions`: check, status, finding (a sentence), effect (relative change of the total)."""
    rows = [(each.check, each.status, finding_sentence(each), each.effect) for each in found]
    return pd.DataFrame(rows, columns=["check", "status", "finding", "effect"])


def finding_sentence(assumption: Assumption) -> str:
    """The result of the test of an assumption, in a sentence."""
    facts = assumption.facts
    sentences: dict[Finding, str] = {
        "bought_once": _(
            "{share} bought once. The effect is that of judging by {model} whether they are customers still."
        ),
        "too_few_to_correlate": _(
            "Purchases or amounts vary too little, or among too few, to tell whether they hang together."
        ),
        "correlation": _(
            "Correlation of purchases with their mean value, on the log scale: {value} (95% interval {low} to {high})."
            " The effect is that of a money model each for rare and for keen buyers."
        ),
        "no_refunds": _("There are none."),
        "more_refunded_than_bought": _("More was refunded than was paid: no profit is to be expected if that goes on."),
        "refunded": _(
            "{share} of the money paid was refunded, and the forecast of profit deducts as much. The effect is that of"
            " the share in the later half of the log."
        ),
        "several_a_day": _(
            "{share} more orders than purchase days. Orders of one day count as one purchase, with all their money."
        ),
        "joined_before_log": _("{share} of the customers joined before the log begins."),
        "rush_at_start": _(
            "By the rush of “new” customers in the log’s first weeks, {share} of all are older than the log."
        ),
        "too_few_to_compare_cohorts": _(
            "Too few customers came back to compare those who came early with those who came late."
        ),
        "cohorts_alike": _(
            "No difference is shown between customers who came early and those who came late (p = {p})."
        ),
        "cohorts_differ": _(
            "Those who came late buy otherwise than those who came early; the effect is that of a model for each."
        ),
        "whole_year": _("The test covers a whole year."),
        "log_too_short": _("The log is too short to tell whether the test weeks are high or low season."),
        "season": _("A year earlier the weeks of the test had {change} purchases against the year around them."),
    }
    words = {name: number(value, 2) for name, value in facts.items()}
    if "share" in facts:
        exact = assumption.finding in ("refunded", "several_a_day")
        words["share"] = percent(facts["share"], 1) if exact else percent(facts["share"])
    if "change" in facts:
        words["change"] = signed_percent(facts["change"])
    return sentences[assumption.finding].format(**words, model=MODELS.get(assumption.model, ""))


# --- new customers ---------------------------------------------------------------------------------------------------


def no_value_words(reason: NoValue, repeaters: float) -> str:
    """Why the value of a channel's new customers is unknown, in words; empty where it is known."""
    return {
        "": "",
        "few_repeaters": _("{n} came back; {least} are needed").format(n=number(repeaters), least=FEWEST_REPEATERS),
        "no_amounts": _("not known: every repeat purchase has the amount 0"),
        "unlike_orders": _("too few orders of too different size"),
    }[reason]


# --- numbers ---------------------------------------------------------------------------------------------------------


def signed_percent(share: float, digits: int = 0) -> str:
    """A share with its sign, as in `+3.2%`."""
    return ("+" if round(share, digits + 2) > 0 else "") + percent(share, digits)
