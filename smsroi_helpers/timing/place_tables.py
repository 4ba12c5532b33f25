"""Tables of `03_timing` on places: the rules on sending, days to skip, and the gain by place."""

import datetime as dt
from collections.abc import Sequence

import numpy as np
import pandas as pd

from smsroi_helpers.locale import _, day, interval, joined, listed, number, percent, translated
from smsroi_helpers.measures import OTHER_CHANNELS, RULES, Rule, allowed, days_off, state_unknown, sum_places
from smsroi_helpers.pages import Html, channel_name, evidence_label, note, table
from smsroi_helpers.timing.audit import sum_audit
from smsroi_helpers.timing.best_hours import Answer, Timing
from smsroi_helpers.timing.decision import gain_per_week, gains_by_place, responses_per_week
from smsroi_helpers.timing.places import least_verified
from smsroi_helpers.timing.response import ALL
from smsroi_helpers.timing.shared_wording import count_heading
from smsroi_helpers.timing.wording import clicks_words, rules_words, weekdays_words, window_words

__all__ = [
    "allowed_table",
    "days_off_table",
    "places_table",
]

_WEEKS_AHEAD = 8
"""How far ahead public holidays are listed."""


def allowed_table(places: pd.DataFrame, channel: str = "sms") -> Html:
    """Which rules apply to the customers, the hours they allow, and whether they were verified.

    Args:
        places: of `measures.count_places`.
        channel: of the texts; no rule applies to `OTHER_CHANNELS`.
    """
    if channel in OTHER_CHANNELS:
        return note(
            _(
                "These are rules on texts and calls, not on channel {channel}: every hour and weekday can be advised."
                " Hours of your own, the parameter `own_hours`, limit the advice."
            ).format(channel=channel_name(channel))
        )
    rows = []
    for rules, customers in sum_places(places).items():
        names = str(rules).split()
        week = allowed(names)
        rows.append({
            _("Rules"): rules_words(str(rules)),
            _("Customers"): int(customers),
            _("Monday to Friday"): _span(week[0]),
            _("Saturday"): _span(week[5]),
            _("Sunday"): _span(week[6]),
            _("Public holidays"): _("never") if any(not RULES[name].holidays for name in names) else _("allowed"),
            _("Source"): _source(names),
            _("Verified"): _verified([RULES[name] for name in names]),
        })  # fmt: skip
    caption = joined(
        _("When a text may be sent, on the recipient’s clock. This is not legal advice: confirm the rules with your own"
          " counsel."),
        _("Rules for calls apply where there is none for texts; places without a rule have the careful default."),
        _("Where a US customer’s state is not known, only hours that every state of the time zone allows are used: the"
          " state’s law decides, and the customer may live in any of them. A known state widens the hours.")
        if any(state_unknown(str(rules).split()) for rules in places["rules"])
        else "",
    )  # fmt: skip
    return table(pd.DataFrame(rows), caption=caption, suppress=_("Customers"), digits=0)


def _span(hours: np.ndarray) -> str:
    found = np.flatnonzero(hours)
    return window_words(int(found[0]), int(found[-1]) + 1) if len(found) else _("never")


def _source(names: list[str]) -> str:
    if len(names) == 1:
        return translated(RULES[names[0]].source)
    return _("hours that all of {n} rules allow: {rules}").format(n=number(len(names)), rules=_(", ").join(names))


def _verified(rules: list[Rule]) -> str:
    """Whether rules were compared with a source; of several, the least verified counts."""
    checked, since = least_verified(rules)
    if checked == "none":
        return _("not verified")
    words = _("{month}, text of the law or regulator") if checked == "law" else _("{month}, secondary guides only")
    return words.format(month=since)


def days_off_table(
    places: pd.DataFrame, audit: pd.DataFrame, as_of: dt.date, channel: str = "sms", weeks: int = 26
) -> Html | None:
    """Public holidays to skip in the next weeks, and past texts that were not allowed; None for `OTHER_CHANNELS`.

    Args:
        places: of `measures.count_places`.
        audit: of `audit.audit_sends`.
        as_of: the last day observed.
        channel: of the texts.
        weeks: as for `audit.audit_sends`.
    """
    if channel in OTHER_CHANNELS:
        return None
    past = audit.set_index("rules") if len(audit) else pd.DataFrame(columns=["texts", "on_days_off", "at_closed_hours"])
    first, last = as_of + dt.timedelta(days=1), as_of + dt.timedelta(weeks=_WEEKS_AHEAD)
    rows = []
    for rules, customers in sum_places(places).items():
        days = days_off(str(rules).split(), first, last)
        sent = past.loc[rules] if rules in past.index else None
        rows.append({
            _("Rules"): rules_words(str(rules)),
            _("Customers"): int(customers),
            _("Days to skip until {day}").format(day=day(last)): listed(day(date) for date in days) or _("none"),
            _("Texts sent"): int(sent["texts"]) if sent is not None else 0,
            _("On public holidays not allowed"): int(sent["on_days_off"]) if sent is not None else 0,
            _("On other days, at hours not allowed"): int(sent["at_closed_hours"]) if sent is not None else 0,
        })  # fmt: skip
    found = sum_audit(audit)
    caption = _(
        "Days on which no marketing text may be sent, and past texts by the rules of this table. Of the {n} texts of"
        " the last {weeks} weeks, {off} went out on such days and {closed} at other times that are not allowed. Advice"
        " on hours and weekdays is for a usual week: skip these days. The page on effectiveness counts the texts of all"
        " weeks"
    ).format(
        n=number(found.texts), weeks=number(weeks), off=percent(found.off_share, 1),
        closed=percent(found.closed_share, 1),
    )  # fmt: skip
    return table(pd.DataFrame(rows), caption=caption, suppress=_("Customers"), digits=0)


def places_table(timing: Timing, answers: Sequence[Answer], currency: str) -> Html:
    """The best window, messages, and the gain in clicks and in money, by place; the last row is their sum.

    Args:
        timing: of `study.analyse`.
        answers: of `best_hours.find_best_hours`.
        currency: the source's.
    """
    answer = next((answer for answer in answers if answer.segment == ALL), None)
    if answer is None or not np.isfinite(answer.gain()).all():
        return note(
            _(
                "Today’s texts fall in no window that was tried and is allowed as a whole: no gain can be given by"
                " place."
            )
        )
    rows, places = [], gains_by_place(timing, answer)
    for place in places.itertuples():
        has = np.isfinite(place.hour)
        rows.append({
            _("Rules"): rules_words(place.rules),
            _("Share of today’s texts"): percent(place.share, 1),
            _("Best allowed hour"): window_words(place.hour, place.until) if has else _("none"),
            _("On"): weekdays_words(int(d) for d in place.weekdays.split()) if has else _("never"),
            _("Texts a week at hours tried and allowed"): place.messages_per_week,
            _more_heading(timing): interval(place.clicks, place.clicks_low, place.clicks_high),
            _("Gain a week"): interval(place.money, place.money_low, place.money_high, currency)
            if timing.priced
            else _("no price"),
        })  # fmt: skip
    rows.append(_total_row(timing, answer, currency))
    caption = _(
        "The gain of the best hour by place, compared with today’s hours; places add up to the total, but for"
        " rounding: a number with a wide interval is rounded more. {outcome}: {clicks}. Money: {money}. Per 1,000 texts"
        " of all places: {per_text}"
    ).format(
        outcome=count_heading(timing.sends.outcome),
        clicks=evidence_label(str(places["evidence"].iloc[0])).lower(),
        money=evidence_label(str(places["money_evidence"].iloc[0])).lower() if timing.priced else _("no price"),
        per_text=clicks_words(*answer.gain()),
    )
    return table(pd.DataFrame(rows), caption=caption, digits=0)


def _more_heading(timing: Timing) -> str:
    return _("More clicks a week") if timing.sends.outcome == "click" else _("More orders a week")


def _total_row(timing: Timing, answer: Answer, currency: str) -> dict[str, object]:
    """The segment's own gain, computed without the places."""
    value, low, high = responses_per_week(answer)
    return {
        _("Rules"): _("All places"),
        _("Share of today’s texts"): percent(1.0, 1),
        _("Best allowed hour"): "",
        _("On"): "",
        _("Texts a week at hours tried and allowed"): answer.messages_per_week,
        _more_heading(timing): interval(value, low, high),
        _("Gain a week"): interval(*gain_per_week(timing, answer), currency) if timing.priced else _("no price"),
    }
