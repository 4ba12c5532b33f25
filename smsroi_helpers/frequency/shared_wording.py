"""Wording that the decisions, figures and tables of `04_frequency` share."""

from typing import Any

import numpy as np

from smsroi_helpers.frequency.decision import count_opt_outs
from smsroi_helpers.frequency.policy import NOT_ADVISED
from smsroi_helpers.frequency.study import Study
from smsroi_helpers.locale import _, joined, listed, money, number, percent, share_interval
from smsroi_helpers.pages import compact_words, experiment_words, problem_words, sentence_case

__all__ = [
    "frequency_words",
    "is_change",
    "loss_sentence",
    "money_words",
    "no_test_words",
    "open_words",
    "opt_out_sentence",
    "other_words",
    "today_words",
]


def frequency_words(dose: float) -> str:
    """Texts a week in words.

    >>> frequency_words(0.0), frequency_words(1.0), frequency_words(2.5)
    ('none', '1 text a week', '2.5 texts a week')
    """
    if dose == 0:
        return _("none")
    if dose == 1:
        return _("1 text a week")
    return _("{n} texts a week").format(n=number(dose, 0 if float(dose).is_integer() else 1))


def other_words(dose: float) -> str:
    """A frequency to change to, in words.

    >>> other_words(0.0), other_words(2.0)
    ('no texts', '2 texts a week')
    """
    return _("no texts") if dose == 0 else frequency_words(dose)


def is_change(row: Any) -> bool:
    """Whether a row of `policy.choose_frequencies` has the amounts of a change to a frequency other than today's."""
    return row.reason not in (*NOT_ADVISED, "as_today")


def today_words(today: float) -> str:
    """Today's mean texts a week, in words.

    >>> today_words(1.414), today_words(0.98), today_words(0.02)
    ('1.4 texts a week', '1 text a week', '0.0 texts a week')
    """
    if not np.isfinite(today):
        return _("not known")
    shown = round(today, 1)
    return frequency_words(1.0) if shown == 1 else _("{n} texts a week").format(n=number(shown, 1))


def money_words(*numbers: float, currency: str) -> str:
    """An amount (value, low, high) formatted for a table cell; without an interval, the value alone."""
    value, low, high = numbers
    if not np.isfinite([value, low, high]).all() or low == high:
        return "–" if not np.isfinite(value) else money(value, currency, 0 if value == 0 else 2)
    return compact_words(value, low, high, currency)


def no_test_words(study: Study) -> str:
    """Why there is no valid frequency test; empty where there is one."""
    match study.no_test:
        case "no_experiments":
            return _("The source has no experiment.")
        case "nobody_assigned":
            return _("Nobody has been assigned to an experiment yet.")
        case "no_frequency_test":
            return _("None of the source’s experiments assigned frequencies at random.")
        case "clustered":
            return _(
                "The test of frequencies assigned households or stores. The curve’s error is that of single customers,"
                " so it is not fitted; the test is compared arm by arm under “Did the change pay?”."
            )
        case "no_messages":
            return _("Without messages the frequency that was sent is not known.")
        case "broken" if study.experiment is not None and study.validity is not None:
            return _("{test} is broken, so nothing is shown from it: {problems}.").format(
                test=sentence_case(experiment_words(study.experiment.name)),
                problems=listed(problem_words(problem) for problem in study.validity.problems),
            )
    return ""


def opt_out_sentence(study: Study) -> str:
    """A sentence on opt-outs where none was observed or the source does not record them; else empty."""
    found = count_opt_outs(study)
    if found.kind == "unknown":
        return _(
            "The source records no opt-outs, so none is counted. The long run is limited by natural loss and the"
            " discount rate only."
        )
    if found.kind == "seen":
        return ""
    return _(
        "Nobody who was texted opted out in {weeks} customer-weeks (at most {limit} a week, exact 95% limit): the value"
        " in the long run is finite only by what is lost anyway and by the discount rate."
    ).format(weeks=number(found.weeks), limit=percent(found.limit, 2))


def loss_sentence(study: Study) -> str:
    """How fast subscribers stop answering for other reasons than texts, and how that is known."""
    if study.fit is None:
        return ""
    loss = study.fit.loss
    if loss.status == "unknown":
        return _(
            "Too few customers bought again for a purchase model. How fast subscribers stop answering for other reasons"
            " than texts is taken to lie between {low} and {high} a week."
        ).format(low=percent(loss.weekly[1], 2), high=percent(loss.weekly[2], 2))
    weekly, ended = (share_interval(*limits) for limits in (loss.weekly, loss.ended))
    if loss.status == "clicks":
        return _(
            "Besides opt-outs, responses fall every week, on average over a year by {weekly}. This is seen in the"
            " clicks of today’s subscribers: of those who clicked earlier, the longer ago the fewer click today."
        ).format(weekly=weekly)
    found = _(
        "Besides opt-outs, responses fall every week, on average over a year by {weekly}. Customers stop buying"
        " (MBG/NBD and Pareto/NBD). Share of the response that ends with that, by the clicks of members silent for"
        " longer or shorter: {ended}."
    ).format(weekly=weekly, ended=ended)
    if loss.status == "not_identified":
        return joined(found, _("The purchase log hardly shows drop-out, so this rests largely on the prior."))
    return found


def open_words(reason: str) -> str:
    """Why a segment has no decision, of the reasons of `policy` and `decision`; empty for others."""
    return {
        "few_in_segment": _("the test had too few such customers"),
        "not_covered": _("today’s customers are too unlike the test’s"),
        "opt_outs_unknown": _("opt-outs are not known"),
        "practice": _("today’s frequency is not known"),
        "practice_unknown": _("today’s frequency is not known"),
        "no_effect": _("no incremental profit is shown"),
        "one_dose": _("only one frequency was tested"),
    }.get(reason, "")
