"""Tables of «Is anything off today?»: alerts, what is watched, and what cannot be watched yet."""

import math

import pandas as pd

from smsroi_helpers.effectiveness.monitoring import Monitoring, first_alert_day
from smsroi_helpers.effectiveness.monitoring_counts import METRICS
from smsroi_helpers.effectiveness.monitoring_wording import (
    direction_words,
    false_alarm_words,
    metric_name,
    number_words,
    plan_words,
    scope_words,
)
from smsroi_helpers.locale import _, day, joined, listed, money, number
from smsroi_helpers.pages import Html, note, table
from smsroi_helpers.statistics import DRIFT_DAYS, LEAST_DAYS

__all__ = ["alerts_table", "coverage_table", "unwatched_table"]


def alerts_table(monitoring: Monitoring, currency: str) -> Html:
    """The alerts of the days watched; those of one series on several days are one row.

    Args:
        monitoring: of `monitoring.monitor`.
        currency: the source's; empty where it names none.
    """
    if not monitoring.tests:
        return note(_("No series has enough days to be watched yet."))
    if not len(monitoring.alerts):
        text = _("No alert in the last {days} days.").format(days=number(monitoring.days))
        return note(joined(text, false_alarm_words(monitoring)))
    rows = []
    for (metric, kind, scope, test), its in monitoring.alerts.groupby(["metric", "kind", "scope", "test"], sort=False):
        newest = its.sort_values("at").iloc[-1]
        rows.append({
            _("Measure"): metric_name(str(metric)),
            _("Where"): scope_words(str(kind), str(scope)),
            _("Last alert"): day(newest["at"]),
            _("What is off"): _("that day")
            if test == "day"
            else _("the level of the last {n} days").format(n=number(DRIFT_DAYS)),
            _("Direction"): direction_words(newest),
            _("Value"): number_words(str(metric), float(newest["value"]), currency),
            _("Expected"): _("{low} to {high}").format(
                low=number_words(str(metric), float(newest["expected_low"]), currency),
                high=number_words(str(metric), float(newest["expected_high"]), currency),
            ),
            _("First alert"): day(first_alert_day(its)),
            _("Days off"): number(len(set(its["at"]))),
            _("New"): _("yes") if bool(its["new"].any()) else _("no"),
        })  # fmt: skip
    caption = _(
        "Alerts of the last {days} days, newest first. New: known since the last run, or in the last week if there is"
        " none. {words}"
    ).format(days=number(monitoring.days), words=false_alarm_words(monitoring))
    if monitoring.after_plan.all():
        caption = joined(caption, plan_words(monitoring))
    return table(pd.DataFrame(rows), caption=caption)


def coverage_table(monitoring: Monitoring, currency: str) -> Html:
    """What is watched, by metric, and up to which day its numbers are complete."""
    rows = []
    for metric in METRICS:
        if metric in monitoring.unknown:
            continue
        its = [each for each in monitoring.series if each.metric == metric]
        rows.append({
            _("Measure"): metric_name(metric),
            _("Definition"): _definition(metric, monitoring, currency),
            _("Complete until"): day(monitoring.complete[metric]),
            _("Channels watched"): sum(each.kind == "channel" for each in its),
            _("Channels tested for slow drifts"): sum(each.kind == "channel" and each.drifts for each in its),
            _("Campaigns with a range of their own"): sum(
                each.kind == "campaign" and each.compared_with == "itself" for each in its
            ),
            _("Campaigns compared with their channel"): sum(each.compared_with == "channel" for each in its),
        })  # fmt: skip
    if not rows:
        return note(_("This source records no deliveries, clicks, orders or opt-outs, so nothing can be watched."))
    caption = _("What is watched each day. Later days are left out: their numbers are not complete yet.")
    if monitoring.unknown:
        missing = _(", ").join(metric_name(metric) for metric in monitoring.unknown)
        caption = joined(caption, _("Not recorded by this source: {names}.").format(names=missing))
    untested = sorted({each.scope for each in monitoring.series if each.kind == "channel" and not each.drifts})
    if untested:
        caption = joined(caption, _(
            "A slow drift is not seen in {channels}: the test needs texts on three days of {drift}, and on {least} days"
            " before them."
        ).format(
            channels=listed([scope_words("channel", name) for name in untested]), drift=number(DRIFT_DAYS),
            least=number(LEAST_DAYS),
        ))  # fmt: skip
    silence = [each.channel for each in monitoring.silence if each.chance <= monitoring.chance]
    if silence:
        words = _("A day without any message is an alert in {channels}, on weekdays with messages.")
        channels = listed([scope_words("channel", name) for name in silence])
        caption = joined(caption, words.format(channels=channels))
    return table(pd.DataFrame(rows), caption=caption, digits=0, fold=True)


def _definition(metric: str, monitoring: Monitoring, currency: str) -> str:
    words = {
        "delivery_rate": _("delivered ÷ sent"),
        "click_rate": _("messages with a human click ÷ delivered"),
        "conversion_rate": _("messages with an attributed order ÷ delivered"),
        "opt_out_rate": _("opt-outs on the day of the text ÷ delivered"),
        "revenue_per_text": _("attributed revenue ÷ delivered, on a log scale"),
    }[metric]
    if metric == "revenue_per_text" and math.isfinite(monitoring.largest_revenue):
        cap = money(monitoring.largest_revenue, currency, 0) if currency else number(monitoring.largest_revenue)
        words = _("{words}; more than {cap} by one message counts as {cap}").format(words=words, cap=cap)
    return words


def unwatched_table(monitoring: Monitoring) -> Html:
    """The series that are too short or too rare to be watched, with what they lack."""
    rows = monitoring.unwatched
    if not len(rows):
        return note(_("Every recorded number of every channel has enough days to be watched."))
    shown = [
        {
            _("Measure"): metric_name(row.metric),
            _("Where"): scope_words(row.kind, row.scope),
            _("Days with texts"): int(row.days),
            _("Days needed"): _("enough") if math.isnan(row.days_needed) else number(row.days_needed),
            _("Events"): number(row.events),
            _("Events needed"): _("enough") if math.isnan(row.events_needed) else number(row.events_needed),
        }
        for row in rows.itertuples()
    ]
    caption = _("Not watched yet, with what is needed. Events: the rarer of what happened and what did not.")
    return table(pd.DataFrame(shown), caption=caption, digits=0, fold=True)
