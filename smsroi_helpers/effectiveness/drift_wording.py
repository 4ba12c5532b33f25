"""Whether models still hold, in words, and the finding of the table `decisions`."""

from collections.abc import Sequence

from smsroi_helpers.contract import Decision
from smsroi_helpers.effectiveness.drift_counts import DOSE_LIMITS, HOUR_LIMITS
from smsroi_helpers.effectiveness.model_drift import OLD_WEEKS, Model, ModelCheck, most_customers_checked
from smsroi_helpers.locale import _, day, enumerated, joined, money, number, percent
from smsroi_helpers.pages import experiment_words, sentence_case

__all__ = [
    "advice_words",
    "amount_caveat",
    "change_words",
    "model_words",
    "outcome_words",
    "put_drift_in_words",
    "warning_words",
]


def model_words(model: Model) -> str:
    """The name of a model, with the page that it is on."""
    return {
        "forecast": _("Forecast of purchases by BG/NBD (page 02 names the model of its own forecast)"),
        "hours": _("Clicks by hour (page 03)"),
        "frequency": _("Clicks by texts a week (page 04)"),
        "holdout": _("Incremental profit of texting (page 05)"),
    }[model]


def outcome_words(check: ModelCheck) -> str:
    """What the newest weeks say of a model."""
    return {"holds": _("no change shown"), "moved": _("has changed"), "unknown": _("not known")}[check.outcome]


def change_words(check: ModelCheck, currency: str) -> str:
    """How far the newest weeks are from the model, or why that is not known.

    Args:
        check: of `model_drift.check_models`.
        currency: the source's; empty where it names none.
    """
    if check.reason:
        return _reason(check)
    if check.model == "holdout":
        value, low, high = (_signed_money(x, currency) for x in (check.change, check.low, check.high))
        return _("{value} a customer and month against the months before (95% interval {low} to {high})").format(
            value=value, low=low, high=high
        )
    value, low, high = (_signed_percent(x) for x in (check.change, check.low, check.high))
    if check.model == "forecast":
        return _("purchases {value} against the forecast (95% interval {low} to {high})").format(
            value=value, low=low, high=high
        )
    return _("{level}: clicks {value} against before, relative to the others (95% interval {low} to {high})").format(
        level=_level(check), value=value, low=low, high=high
    )


def _signed_percent(value: float) -> str:
    return ("+" if value > 0 else "") + percent(value)


def _signed_money(value: float, currency: str) -> str:
    return ("+" if value > 0 else "") + (money(value, currency, 2) if currency else number(value, 2))


def _level(check: ModelCheck) -> str:
    """The part of the day, or the texts a week, that have moved most."""
    if check.model == "frequency":
        names = (_("about one text a week"), _("two texts a week"), _("three texts a week"), _("four or more a week"))
        assert len(names) == len(DOSE_LIMITS) + 1
        return names[check.level]
    if check.level == 0:
        return _("before {hour}:00").format(hour=HOUR_LIMITS[0])
    if check.level == len(HOUR_LIMITS):
        return _("from {hour}:00").format(hour=HOUR_LIMITS[-1])
    return _("{start}:00 to {end}:00").format(start=HOUR_LIMITS[check.level - 1], end=HOUR_LIMITS[check.level])


def _reason(check: ModelCheck) -> str:
    return {
        "no_orders": _("the source has no orders"),
        "no_clicks": _("the source records no clicks"),
        "short_log": _("the log is too short"),
        "few_events": _("too few purchases")
        if check.model == "forecast"
        else _("too few clicks on texts that were drawn at random in the newest weeks"),
        "not_drawn": _("no hour was drawn at random in the newest weeks, or none before")
        if check.model == "hours"
        else _("no frequency was drawn at random in the newest weeks, or none before"),
        "no_holdout": _("nobody is held out at random, or profit is not known"),
        "short_holdout": _("the holdout has too few complete months"),
    }[check.reason]


def advice_words(check: ModelCheck) -> str:
    """What to do about a model, in one or two sentences; empty where there is nothing to do."""
    moved = check.outcome == "moved"
    if check.model == "forecast":
        return _("Read totals with the correction on page 02; the model is fitted anew in each run.") if moved else ""
    if check.model == "holdout":
        return (
            _("Base decisions on the newest months, and keep the holdout running. The change may be seasonal.")
            if moved
            else ""
        )
    again = (
        _("Test the hours again: the curve rests on older texts.")
        if check.model == "hours"
        else _("Test the frequencies again: the curve rests on older texts.")
    )
    age = ""
    if check.old:
        age = _("{test} ended {n} weeks ago, more than {limit}.").format(
            test=sentence_case(experiment_words(check.test)), n=number(check.weeks_since), limit=number(OLD_WEEKS)
        )
    if check.repeat:
        return joined(again, age)
    if check.outcome == "unknown" and check.reason in ("not_drawn", "few_events"):
        return _("The exploring share of a send plan (page 09) would show it.")
    return ""


def warning_words(check: ModelCheck, currency: str) -> str:
    """What to know before acting on a model that has changed; empty for others.

    Args:
        check: of `model_drift.check_models`.
        currency: the source's; empty where it names none.
    """
    if check.outcome != "moved":
        return ""
    return joined(_found_words(check, currency), advice_words(check), _newest_words(check))


def amount_caveat(check: ModelCheck, currency: str) -> str:
    """The caveat of an amount that rests on a model that has changed; empty for others.

    Args:
        check: of `model_drift.check_models`.
        currency: the source's; empty where it names none.
    """
    if check.outcome != "moved":
        return ""
    if check.model != "holdout":
        return joined(_found_words(check, currency), _("This amount rests on the weeks before, too."))
    words = _("In the newest months the incremental profit of texting was lower: {change}. This amount uses the months"
        " before, too, so it can be too high.") if check.change < 0 else _(
        "In the newest months the incremental profit of texting was higher: {change}. This amount uses the months"
        " before, too, so it can be too low.")  # fmt: skip
    return joined(words.format(change=change_words(check, currency)), _newest_words(check))


def _newest_words(check: ModelCheck) -> str:
    """Which months a holdout's newest months are; empty for other models."""
    if check.model != "holdout" or check.first is None or check.last is None:
        return ""
    return _("Newest months: {first} to {last}.").format(first=day(check.first), last=day(check.last))


def _found_words(check: ModelCheck, currency: str) -> str:
    return _("{model}: {change}.").format(model=model_words(check.model), change=change_words(check, currency))


def put_drift_in_words(checks: Sequence[ModelCheck], currency: str) -> list[Decision]:
    """The finding, where a model has changed or its test is old: what was seen, and what to do; else none.

    Args:
        checks: of `model_drift.check_models`.
        currency: the source's; empty where it names none.
    """
    off = [check for check in checks if check.outcome == "moved" or check.repeat]
    if not off:
        return []
    moved = [check for check in off if check.outcome == "moved"]
    first, *rest = [*moved, *(check for check in off if check not in moved)]
    answer = (
        _("No. {model} has changed: {change}.").format(
            model=model_words(first.model), change=change_words(first, currency)
        )
        if moved
        else _("No change is shown, but a test is old.")
    )
    seen = [first, *rest] if not moved else rest
    unchanged = [_("“{name}”").format(name=model_words(check.model)) for check in checks if check.outcome == "holds"]
    tested = len([check for check in checks if check.outcome != "unknown"])
    return [
        Decision(
            stage="effectiveness",
            question=_("Are the models still valid?"),
            topic="models",
            outcome="do",
            action=joined(answer, advice_words(first)),
            text=joined(
                *(_found_words(check, currency) for check in seen),
                *(advice_words(check) for check in rest),
                _("No change is shown for {models}.").format(models=enumerated(unchanged)) if unchanged else "",
            ),
            caveat=_(
                "Where nothing has changed, one run in twenty reports a change in one of the {n} models that could be"
                " tested."
            ).format(n=number(tested))
            if moved
            else "",
            next_test=joined(*(advice_words(check) for check in off if check.repeat)),
            evidence=moved[0].evidence if moved else "none",
            customers=most_customers_checked(moved or off),
        )
    ]
