"""What `04_frequency` answers, in words and money: every sentence is chosen by an interval."""

import math
from typing import Any, Literal

import numpy as np
import pandas as pd

from smsroi_helpers.contract import Decision
from smsroi_helpers.frequency.dose_response import ALL
from smsroi_helpers.frequency.policy import AS_TODAY, GATE, Study
from smsroi_helpers.locale import _, interval, joined, listed, money, number, percent
from smsroi_helpers.pages import p_words
from smsroi_helpers.statistics import sample_size

__all__ = [
    "customers_needed",
    "decide",
    "dose_words",
    "long_and_short",
    "opt_out_sentence",
    "today_words",
]

_TRIAL_WEEKS = 8
_TRIAL_ARMS = 4


def dose_words(dose: float) -> str:
    """A dose as a planner says it.

    >>> dose_words(0.0), dose_words(1.0), dose_words(2.5)
    ('none', '1 a week', '2.5 a week')
    """
    if dose == 0:
        return _("none")
    return _("{n} a week").format(n=number(dose, 0 if float(dose).is_integer() else 1))


def today_words(today: float) -> str:
    """Today's mean dose.

    >>> today_words(1.414)
    '1.4 a week'
    """
    return _("{n} a week").format(n=number(today, 1)) if np.isfinite(today) else _("not known")


def _question() -> str:
    return _("How often should we text?")


def decide(study: Study, policy: pd.DataFrame, currency: str, smallest_gain: float = 0.0) -> tuple[Decision, ...]:
    """The decisions: for all, then for each segment.

    Args:
        study: of `frequency.analyse`.
        policy: of `frequency.choose_doses`.
        currency: the source's.
        smallest_gain: profit per subscriber and week (money) below which a change is not worth making.
    """
    if study.trust is not None and study.trust.broken and study.experiment is not None:
        return (
            Decision(
                stage="frequency", question=_question(), outcome="broken",
                action=_("Do not use the dose test {test}: mend it and begin anew").format(test=study.experiment.name),
                text=study.why_none, evidence="none", customers=int(study.experiment.customers.sum()), kind="gain",
                caveat=_without_test(study),
            ),
        )  # fmt: skip
    if not len(policy):
        return (_without_fit(study, smallest_gain, currency),)
    rows = [row for _index, row in policy.iterrows()]
    return tuple(_decision(study, row, policy, currency, smallest_gain) for row in rows)


def _decision(study: Study, row: pd.Series, policy: pd.DataFrame, currency: str, smallest_gain: float) -> Decision:
    outcome: Literal["do", "dont", "not_enough_evidence"] = {
        "change": "do", "stay": "dont", "not_enough": "not_enough_evidence",
    }[row["outcome"]]  # type: ignore[assignment]  # fmt: skip
    numbers: dict[str, Any] = {}
    same = abs(row["messages_per_week"] - row["today"]) < AS_TODAY
    if np.isfinite(row["gain"]) and row["reason"] != "no_effect" and not (row["outcome"] == "stay" and same):
        numbers = {"value": row["gain"], "low": row["gain_low"], "high": row["gain_high"], "unit": "money_per_week"}
    return Decision(
        stage="frequency", question=_question(), outcome=outcome, action=_action(row, policy),
        text=_text(study, row, currency, smallest_gain),
        caveat=_caveat(study) if row["segment"] == ALL else "",
        evidence="randomised", customers=int(row["customers"]), kind="gain", segment=str(row["segment"]), **numbers,
    )  # fmt: skip


def _action(row: pd.Series, policy: pd.DataFrame) -> str:
    dose, today = dose_words(row["messages_per_week"]), today_words(row["today"])
    if row["outcome"] == "stay":
        return _("Stay at about {today}").format(today=today)
    if row["outcome"] == "not_enough":
        if row["reason"] == "no_effect":
            return _("Do not text more than today: the test does not show that texts bring any profit")
        if np.isfinite(row["today"]):
            return _("Stay at about {today} for now").format(today=today)
        return _("Text {dose}, as far as the test goes: what is done today is not known").format(dose=dose)
    others = policy[(policy["segment"] != ALL) & (policy["outcome"] != "not_enough")]["messages_per_week"]
    apart = row["segment"] == ALL and len(others) and (others != row["messages_per_week"]).any()
    if row["messages_per_week"] == 0:
        words = _("Stop texting (today about {today})")
    elif abs(row["messages_per_week"] - row["today"]) < AS_TODAY:
        words = _("Text everyone {dose}, evenly: {today} is only today’s average")
    elif apart:
        words = _("Text {dose} instead of about {today}, or better by segment as below")
    else:
        words = _("Text {dose} instead of about {today}")
    return words.format(dose=dose, today=today)


def _text(study: Study, row: pd.Series, currency: str, smallest_gain: float) -> str:
    fit = study.fit
    assert fit is not None
    if row["reason"] == "no_effect":
        return joined(
            _("Profit does not clearly differ between the doses tried (p {p}; at most {gate} is asked).").format(
                p=p_words(fit.effect_p), gate=number(GATE, 2)
            ),
            _needed_sentence(study, smallest_gain, currency) if row["segment"] == ALL else "",
        )
    if row["reason"] == "practice":
        return _("There are too few customer-weeks outside experiments to say what is done today.")
    if row["reason"] == "one_dose":
        return joined(
            _("Only one dose was tried beside none; it can be told from none, not from others."),
            _("Worth of a subscriber texted so: {value}.").format(
                value=interval(row["value"], row["value_low"], row["value_high"], currency)
            ),
        )
    gain = _("A change to {dose} would bring {gain} a week, with opt-outs priced in.").format(
        dose=dose_words(row["messages_per_week"]),
        gain=interval(row["gain"], row["gain_low"], row["gain_high"], currency),
    )
    if row["reason"] == "interval":
        factor = row["factor"]
        if np.isfinite(factor) and factor < 50:
            more = _("It would take about {n} customers in such a test to settle it, or {factor} times as many weeks.")
            return joined(gain, more.format(n=number(_round(row["customers"] * factor)), factor=number(factor, 1)))
        return joined(gain, _("No test of bearable size would settle it: nothing much hangs on it."))
    if row["outcome"] == "stay" and abs(row["messages_per_week"] - row["today"]) < AS_TODAY:
        return _("Of the doses tried {dose} is best in the long run, and that is what is done on average.").format(
            dose=dose_words(row["messages_per_week"])
        )
    even = ""
    if row["outcome"] == "change" and abs(row["messages_per_week"] - row["today"]) < AS_TODAY:
        even = _("On average as many are sent today, but unevenly: several in one week to some, none to others.")
    return joined(gain, even, long_and_short(study, row, currency))


def long_and_short(study: Study, row: pd.Series, currency: str) -> str:
    """Why the dose that is best in the long run is not the one that brings most this week."""
    fit = study.fit
    assert fit is not None
    if row["short_run"] == row["messages_per_week"]:
        return _("It is the best of the doses tried, this week as in the long run.")
    i = fit.place(str(row["segment"]))
    long, short = fit.at(row["messages_per_week"]), fit.at(row["short_run"])
    m, h, v = fit.profit()[i].mean(axis=-1), fit.caused()[i].mean(axis=-1), fit.value()[i].mean(axis=-1)
    return _(
        "This week {short} would bring more per subscriber ({m_short} against {m_long}), but texts then make {h_short}"
        " of the readers opt out every week instead of {h_long}, and whoever has opted out brings nothing by text any"
        " more: a subscriber is worth {v_short} at {short}, {v_long} at {long}."
    ).format(
        short=dose_words(row["short_run"]), long=dose_words(row["messages_per_week"]),
        m_short=money(m[short], currency), m_long=money(m[long], currency),
        h_short=percent(h[short], 1), h_long=percent(h[long], 1),
        v_short=money(v[short], currency), v_long=money(v[long], currency),
    )  # fmt: skip


def opt_out_sentence(study: Study) -> str:
    """What the test shows of opting out, where nobody did or nothing tells it."""
    if study.fit is None or not len(study.cells):
        return ""
    own = study.cells[study.cells["consenting"] == 1]
    if not own["consent_known"].sum():
        return _("The source tells no opt-outs: none is counted, and the long run is that of the discount rate alone.")
    treated = own[own["arm"].map(study.doses) > 0]
    if treated["opt_outs"].sum() > 0:
        return ""
    weeks = float(treated["weeks"].sum())
    limit = 1 - 0.025 ** (1 / max(weeks, 1.0))
    return _(
        "Nobody who was texted opted out in {weeks} customer-weeks (at most {limit} a week, exact 95% limit): the value"
        " in the long run is finite only by what is lost anyway and by the discount rate."
    ).format(weeks=number(weeks), limit=percent(limit, 2))


def _caveat(study: Study) -> str:
    assert study.fit is not None
    said = [
        _(
            "Long-run value is worked out, not seen: it takes response and opting out to stay as in the test’s weeks,"
            " and today’s doses to work as they would have in the test."
        )
    ]
    if study.fit.method == "arms":
        said.append(_("The arms stand as they are, without the help of clicks: intervals are wide."))
    said.append(opt_out_sentence(study))
    missing = study.logs.subscribed(ALL) - sum(study.logs.subscribed(name) for name in study.fit.names[1:])
    if len(study.fit.names) > 1 and missing > 0.02 * study.logs.subscribed(ALL):
        said.append(
            _("{n} of the {all} subscribers are in segments that the test had too few of.").format(
                n=number(missing), all=number(study.logs.subscribed(ALL))
            )
        )
    return joined(*said)


# --- without an answer from a test -----------------------------------------------------------------------------------


def customers_needed(study: Study, least: float, weeks: int = _TRIAL_WEEKS) -> float:
    """Customers an arm of a dose test needs to see a difference of `least` per customer and week four times in five.

    From the spread of four weeks' profit in the log; a customer's weeks are taken as independent of each other.
    """
    if not len(study.logs.weeks) or not least > 0:
        return float("nan")
    per_week = float(study.logs.weeks["profit"].var()) / 4
    return float(math.ceil(sample_size(least, math.sqrt(per_week / weeks)) / 2))


def _least(study: Study, smallest_gain: float) -> float:
    """The difference worth seeing: as asked, else a tenth of what a customer brings in a week."""
    if smallest_gain > 0 or not len(study.logs.weeks):
        return smallest_gain
    return 0.1 * abs(float(study.logs.weeks["profit"].mean())) / 4


def _needed_sentence(study: Study, smallest_gain: float, currency: str) -> str:
    least = _least(study, smallest_gain)
    n = customers_needed(study, least)
    if not np.isfinite(n):
        return ""
    return _(
        "To see a difference of {least} per customer and week, a test of {arms} doses by lot over {weeks} weeks needs"
        " about {n} customers an arm."
    ).format(
        least=money(least, currency), arms=number(_TRIAL_ARMS), weeks=number(_TRIAL_WEEKS), n=number(_round(n))
    )  # fmt: skip


def _round(n: float) -> float:
    """To two figures: a planner needs no more."""
    return float(f"{n:.2g}") if np.isfinite(n) and n > 0 else n


def _without_test(study: Study) -> str:
    return (
        _("What the log alone says is shown below, as observational: it is no reason to change the dose.")
        if len(study.logs.weeks)
        else ""
    )


def _without_fit(study: Study, smallest_gain: float, currency: str) -> Decision:
    """Nothing was tried by lot, or not against nothing, or too little."""
    customers = int(study.logs.weeks["customer"].nunique()) if len(study.logs.weeks) else 0
    if study.experiment is None or not study.sound or not len(study.plain):
        evidence: Literal["randomised", "observational", "none"] = "observational" if customers else "none"
        action = _("Try doses by lot, one of them none, before changing anything")
        why = study.why_none
    else:
        evidence = "randomised"
        customers = int(study.plain.loc[study.plain["segment"] == ALL, "customers"].sum())
        if 0.0 not in study.doses.values():
            action = _("Add an arm that is sent nothing")
            why = _(
                "The dose test has no arm without texts: it shows how doses differ, not what any of them brings, so the"
                " value of a dose cannot be told."
            )
        elif len(set(study.doses.values())) < 2:
            action = _("Try other doses")
            why = _("The dose test tried one dose only ({doses}).").format(
                doses=listed(dose_words(dose) for dose in sorted(set(study.doses.values())))
            )
        else:
            action = _("Wait until the test has more customers")
            why = _("An arm of the dose test has fewer than two consenting customers.")
    return Decision(
        stage="frequency", question=_question(), outcome="not_enough_evidence", action=action,
        text=joined(why, _needed_sentence(study, smallest_gain, currency)),
        caveat=_without_test(study) if evidence == "observational" else "", evidence=evidence, customers=customers,
        kind="gain",
    )  # fmt: skip
