"""The alerts of `monitoring` in words."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from smsroi_helpers.effectiveness.monitoring import Monitoring
from smsroi_helpers.effectiveness.silent_days import MESSAGES_SENT
from smsroi_helpers.errors import redact, shortened
from smsroi_helpers.locale import _, day, money, number, percent
from smsroi_helpers.pages import channel_name
from smsroi_helpers.statistics import DRIFT_DAYS

__all__ = [
    "alert_rows",
    "alert_words",
    "direction_words",
    "false_alarm_words",
    "metric_name",
    "number_words",
    "plan_words",
    "scope_words",
]


def metric_name(metric: str) -> str:
    """The name of a daily number."""
    return {
        "delivery_rate": _("Delivery rate"),
        "click_rate": _("Click rate"),
        "conversion_rate": _("Conversion rate"),
        "opt_out_rate": _("Same-day opt-out rate"),
        "revenue_per_text": _("Revenue per message"),
        MESSAGES_SENT: _("Messages sent"),
    }[metric]


def scope_words(kind: str, scope: str) -> str:
    """A channel or a campaign, as the data name it."""
    name = redact(shortened(scope))
    if kind == "channel":
        return _("channel {name}").format(name=channel_name(name))
    return _("campaign {name}").format(name=name)


def number_words(metric: str, value: float, currency: str) -> str:
    """A value of a metric: a share in percent, money, or a number of texts."""
    if metric == MESSAGES_SENT:
        return number(value)
    if metric == "revenue_per_text":
        return money(value, currency, 2) if currency else number(value, 2)
    return percent(value, 2 if value < 0.1 else 1)


def direction_words(row: Any) -> str:
    """Whether an alert's number is too high or too low.

    Args:
        row: a row of `Monitoring.alerts`.
    """
    return _("up") if row.value > row.expected else _("down")


def alert_words(row: Any, currency: str) -> str:
    """One alert in a sentence.

    Args:
        row: a row of `Monitoring.alerts`, as a named tuple.
        currency: the source's; empty where it names none.
    """
    text = (
        _("{day}, {scope}: {metric} {direction}: {value}, expected {low} to {high}.")
        if row.test == "day"
        else _("{scope}, level of the {n} days up to {day}: {metric} {direction}: {value}, expected {low} to {high}.")
    )
    value, low, high = (number_words(row.metric, x, currency) for x in (row.value, row.expected_low, row.expected_high))
    name = metric_name(row.metric)
    return text.format(
        day=day(row.at), scope=scope_words(row.kind, row.scope), metric=name,
        direction=direction_words(row), value=value, low=low, high=high,
        n=number(DRIFT_DAYS),
    )  # fmt: skip


def alert_rows(monitoring: Monitoring, currency: str) -> pd.DataFrame:
    """The output table `alerts`: those of `Monitoring.alerts`, each with its text, and a remark where one is due."""
    alerts = monitoring.alerts
    text = [alert_words(row, currency) for row in alerts.itertuples()]
    found = alerts.assign(
        text=pd.Series(text, index=alerts.index, dtype="str"),
        remark=pd.Series(plan_words(monitoring), index=alerts.index, dtype="str").where(monitoring.after_plan, ""),
    )
    for name in ("at", "known_on"):
        found[name] = pd.to_datetime(found[name])
    numbers = ["value", "expected_low", "expected_high", "expected", "texts"]
    return found.astype({**dict.fromkeys(numbers, "float64"), "new": "bool"})


def plan_words(monitoring: Monitoring) -> str:
    """That alerts are of days after a send plan began; empty without a plan."""
    if monitoring.plan is None:
        return ""
    return _(
        "These numbers are of days after a send plan began ({day}): its other hours, texts and recipients can be the"
        " reason."
    ).format(day=day(monitoring.plan.began))


def false_alarm_words(monitoring: Monitoring) -> str:
    """The stated number of false alarms, and what it is over."""
    scopes: Sequence[tuple[str, str]] = [(each.metric, each.scope) for each in monitoring.series]
    scopes = [*scopes, *((MESSAGES_SENT, each.channel) for each in monitoring.silence)]
    words = _(
        "The limits are set so that {tests} tests of {series} series over {days} days raise at most {n} false alarms a"
        " month, all series together."
    )
    if monitoring.false_alarms == 1:
        words = _(
            "The limits are set so that {tests} tests of {series} series over {days} days raise at most one false alarm"
            " a month, all series together."
        )
    return words.format(
        tests=number(monitoring.tests), series=number(len(set(scopes))), days=number(monitoring.days),
        n=number(monitoring.false_alarms, 0 if float(monitoring.false_alarms).is_integer() else 2),
    )  # fmt: skip
