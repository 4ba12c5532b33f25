"""The decisions of `07_retention` in words, and wording that its figures and tables share."""

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from smsroi_helpers.contract import Decision
from smsroi_helpers.locale import _, enumerated, interval, joined, number, percent, sentence
from smsroi_helpers.pages import campaign_name, experiment_name, experiment_words, segment_name
from smsroi_helpers.retention import decision
from smsroi_helpers.retention.base_audit import FEWEST_SHOWN
from smsroi_helpers.retention.cohorts import Triangle
from smsroi_helpers.retention.decision import TextingDecision, WinBackDecision
from smsroi_helpers.retention.plan_wording import plan_words, rounded
from smsroi_helpers.retention.planning import LONGEST_MONTHS
from smsroi_helpers.retention.study import MOST_BACK, Study
from smsroi_helpers.retention.texting import Retained, differs_by_rounding
from smsroi_helpers.retention.warning_wording import warning_decision
from smsroi_helpers.statistics import FEW_EVENTS

__all__ = [
    "decide",
    "gone_words",
    "group_words",
    "grouping_words",
    "largest_move_words",
    "left_out_words",
    "missing_words",
    "move_words",
    "no_triangle_words",
    "points_range_words",
    "points_words",
    "retained_words",
    "rounding_words",
    "share_words",
    "silence_words",
    "step_words",
]


def decide(study: Study, currency: str) -> tuple[Decision, ...]:
    """The decisions: whom to win back, whether texting retains, and how far the warning can be trusted.

    Args:
        study: of `study.analyse`.
        currency: the source's.
    """
    found = [_win_back(study, decision.decide_win_back(study), currency)]
    if study.cuts is not None:
        found.append(_texting(study, decision.decide_texting(study.retained)))
    if study.model is not None:
        found.append(warning_decision(study.model.alive))
    return tuple(found)


# --- the decisions ---------------------------------------------------------------------------------------------------


def _win_back(study: Study, found: WinBackDecision, currency: str) -> Decision:
    row = found.row
    money_known = row is not None and np.isfinite(row.deciding[1]) and found.reason in ("gain", "loss", "undecided")
    total = row.total if row is not None and money_known else (float("nan"),) * 3
    return Decision(
        stage="retention",
        question=_("What should we do about customers who stop buying?"),
        outcome=found.outcome,
        action=_win_back_action(study, found),
        text=_win_back_text(study, found, currency),
        caveat=_win_back_caveat(found),
        evidence=found.evidence,
        customers=row.customers[0] if row is not None else study.people,
        evidence_customers=float(row.members) if row is not None else float("nan"),
        value=total[0], low=total[1], high=total[2],
        unit="money" if money_known else "",
        number_words=_("in the {n} weeks of the test").format(n=number(row.days / 7))
        if row is not None and money_known else "",
        period=f"{row.days / 7:.3g} weeks" if row is not None and money_known else "",
        kind="worth" if money_known else "fact",
        money="cash" if money_known else "",
        cash=total[0], cash_low=total[1], cash_high=total[2],
        cash_weeks=row.days / 7 if row is not None and money_known else float("nan"),
        cash_evidence="randomised" if money_known else "none",
    )  # fmt: skip


def _win_back_action(study: Study, found: WinBackDecision) -> str:
    if found.row is not None and found.reason in ("gain", "loss"):
        return _decided_action(found.row.groups, gains=found.reason == "gain")
    if found.reason == "no_orders":
        return _("Add the shop’s orders: without them nobody is known to have stopped buying")
    if study.plan is not None and study.plan.inactive:
        if np.isfinite(study.plan.customers) and study.plan.enough:
            return _(
                "Test texts to dormant and lost customers, half of them left alone: {n} customers for {weeks} weeks"
            ).format(n=number(rounded(study.plan.customers)), weeks=number(study.plan.weeks))
        if study.plan.months <= LONGEST_MONTHS:
            return _(
                "Leave half of all customers who become dormant or lost without texts, at random: the test takes about"
                " {months} months"
            ).format(months=number(math.ceil(study.plan.months)))
        return _(
            "Do nothing special about customers who stop buying: this company has too few of them to show what texts do"
        )
    return _("Do not decide yet on customers who stopped buying: there are too few, or the log is too short")


def _decided_action(groups: tuple[str, ...], *, gains: bool) -> str:
    """Of the groups that were in the test; of those whom it hardly had, it says nothing."""
    gain: dict[tuple[str, ...], str] = {
        ("dormant",): _("Text dormant customers: in the test, texting them paid"),
        ("lost",): _("Text lost customers: in the test, texting them paid"),
    }
    loss: dict[tuple[str, ...], str] = {
        ("dormant",): _("Leave dormant customers alone: in the test, texting them lost money"),
        ("lost",): _("Leave lost customers alone: in the test, texting them lost money"),
    }
    if gains:
        return gain.get(groups, _("Text dormant and lost customers: in the test, texting them paid"))
    return loss.get(groups, _("Leave dormant and lost customers alone: in the test, texting them lost money"))


def _win_back_text(study: Study, found: WinBackDecision, currency: str) -> str:
    row = found.row
    if row is None:
        if found.reason == "no_orders":
            return ""
        return joined(
            _("No valid test has left dormant or lost customers without texts."), plan_words(study.plan, currency)
        )
    measured = _(
        "During {test}, {a} of the {treated} inactive customers with texts bought, and {b} of"
        " the {control} without: {difference}."
    ).format(
        treated=number(row.customers[0]), control=number(row.customers[1]), a=percent(row.rates[0], 1),
        b=percent(row.rates[1], 1), test=experiment_words(row.experiment), difference=points_words(*row.difference),
    )  # fmt: skip
    if found.reason == "few":
        few = _("An arm has fewer than {n} buyers, too few to judge profit.").format(n=number(FEW_EVENTS))
        return joined(measured, few, plan_words(study.plan, currency))
    if found.reason == "no_profit":
        return joined(measured, _("Profit is not known."))
    measured = joined(measured, rounding_words(row.rates, row.difference[0]))
    each = _("Profit per customer: {amount}.").format(amount=interval(*row.deciding, currency=currency))
    more = plan_words(study.plan, currency) if found.reason == "undecided" else ""
    return joined(measured, each, more)


def _win_back_caveat(found: WinBackDecision) -> str:
    row = found.row
    if found.reason not in ("gain", "loss", "undecided") or row is None:
        return ""
    words = _(
        "The amount is the incremental profit of texting the test’s inactive customers in {weeks} weeks, not a"
        " forecast. Customers count as inactive by their purchases before the test."
    ).format(weeks=number(row.days / 7))
    if row.groups == ("dormant",):
        words = joined(words, _("The test had hardly any lost customers, so nothing is known of them."))
    elif row.groups == ("lost",):
        words = joined(words, _("The test had hardly any dormant customers, so nothing is known of them."))
    if np.isfinite(row.always[1]):
        words = joined(words, _("The test still runs: the interval is valid at any number of readings."))
    return words


def _texting(study: Study, found: TextingDecision) -> Decision:
    row = found.row
    actions = {
        "retains": _("Texts keep customers buying; whether that pays, the page on tests decides"),
        "drives_away": _("Text less: with texts fewer customers keep buying"),
        "undecided": _("Keep the test running: whether texts keep customers buying is not shown yet"),
        "no_test": _("Leave a random tenth of subscribers without texts: without that nobody knows what texts retain"),
    }
    text = _observed_words(study)
    if row is not None:
        text = _(
            "In the last {days} days of {test}, {a} of the {treated} customers with texts bought,"
            " and {b} of the {control} without: {difference}."
        ).format(
            days=number(row.days), test=experiment_words(row.experiment),
            a=percent(row.rates[0], 1), b=percent(row.rates[1], 1),
            treated=number(row.customers[0]), control=number(row.customers[1]),
            difference=points_words(*row.difference),
        )  # fmt: skip
        text = joined(
            text,
            rounding_words(row.rates, row.difference[0]),
            _limits_words(row, [one.experiment for one in study.retained if one.what == row.what]),
            *(
                _("In {test} the difference is not significant: {difference}.").format(
                    test=experiment_words(one.experiment), difference=points_words(*one.difference)
                )
                for one in study.retained
                if one.what == row.what and one is not row and one.difference[1] <= 0 <= one.difference[2]
            ),
        )
    value = row.difference if row is not None else (float("nan"),) * 3
    return Decision(
        stage="retention",
        question=_("Does texting retain customers?"),
        topic="texting",
        outcome=found.outcome,
        action=actions[found.reason],
        text=text,
        caveat=_consent_words(study, row.experiment if row is not None else ""),
        evidence="randomised" if row is not None else "observational" if study.association else "none",
        customers=row.members if row is not None else study.people,
        value=value[0], low=value[1], high=value[2],
        unit="share" if row is not None else "",
        number_words=_("customers in 100 who bought, compared with no texts") if row is not None else "",
    )  # fmt: skip


def _limits_words(row: Retained, tests: Sequence[str]) -> str:
    """What the interval of an effect on retention is valid for, where it is more than one reading of one test.

    Args:
        row: of `texting.measure_retention`.
        tests: the experiments whose limits are at once.
    """
    parts = []
    if row.always_valid:
        parts.append(_("The test still runs: the interval is valid at any number of readings."))
    if row.comparisons > 1:
        names = enumerated(experiment_name(test) for test in tests)
        parts.append(
            _("It is wider because {n} tests are read at once: {names}.").format(n=number(len(tests)), names=names)
        )
    return joined(*parts)


def _observed_words(study: Study) -> str:
    found = study.association
    if found is None or not np.isfinite(found.adjusted[1]):
        return _("The log alone cannot show what texts retain.")
    return _(
        "In the log, customers with texts bought more or less often than similar ones without by {difference}; who was"
        " texted was not random, so this is no effect."
    ).format(difference=points_words(*found.adjusted))


def _consent_words(study: Study, experiment: str) -> str:
    row = next((one for one in study.retained if (one.what, one.experiment) == ("consent", experiment)), None)
    if row is None:
        return ""
    return _("Texts also cost subscribers: {a} of those with texts stayed subscribed, {b} of those without.").format(
        a=percent(row.rates[0], 1), b=percent(row.rates[1], 1)
    )


# --- shared ----------------------------------------------------------------------------------------------------------


def rounding_words(rates: tuple[float, float], difference: float) -> str:
    """That a difference is of unrounded shares, where that of the shares shown is another; else empty.

    >>> rounding_words((0.43377, 0.26147), 0.1723), rounding_words((0.414, 0.335), 0.079)
    ('The difference is that of the unrounded shares.', '')
    """
    apart = differs_by_rounding(rates, difference, 1)
    return _("The difference is that of the unrounded shares.") if apart else ""


def points_words(value: float, low: float, high: float) -> str:
    """A difference of shares in percentage points, with its interval."""
    return _("{value} points (95% interval {low} to {high})").format(
        value=number(100 * value, 1), low=number(100 * low, 1), high=number(100 * high, 1)
    )


def points_range_words(value: float, low: float, high: float) -> str:
    """`points_words` for a table whose caption or heading says what the range is."""
    return _("{value} points ({low} to {high})").format(
        value=number(100 * value, 1), low=number(100 * low, 1), high=number(100 * high, 1)
    )


def share_words(share: tuple[float, float, float], digits: int = 1) -> str:
    """A share with its interval; a dash where it is not known."""
    value, low, high = share
    if not np.isfinite(value):
        return "–"
    return _("{value} ({low} to {high})").format(
        value=percent(value, digits), low=percent(low, digits), high=percent(high, digits)
    )


def silence_words(days: int, share: float) -> str:
    """A silence, and the share of repeat purchases that come within it."""
    if not np.isfinite(share):
        return _("{days} days (as set, or too few repeat purchases to tell)").format(days=number(days))
    return _("{days} days, within which {share} of repeat purchases come").format(
        days=number(days), share=percent(share, 0 if round(100 * share, 1) % 1 == 0 else 1)
    )


def gone_words(study: Study) -> str:
    """What gone means on this page, and how many of those gone came back; empty without orders."""
    if study.gone is None:
        return ""
    words = _("A customer counts as gone after a silence of {silence}, from the last purchase before it on.")
    words = words.format(silence=silence_words(study.gone.lost_after_days, study.gone.lost_share))
    chosen = next((one for one in study.silences if one.days == study.gone.lost_after_days), None)
    if chosen is None or not np.isfinite(chosen.came_back[0]):
        return words
    back = _("Of those gone, {share} have bought again since.").format(share=percent(chosen.came_back[0]))
    if chosen.came_back[0] > MOST_BACK:
        back = joined(back, _("So many only paused that the curve shows pauses, not customers who left."))
    return joined(words, back)


def missing_words(study: Study) -> str:
    """What the source lacks for this page, in sentences; empty where it lacks nothing."""
    parts = []
    if study.cuts is None:
        parts.append(_("The source has no orders: purchases and money are not known."))
    if not study.channel:
        parts.append(_("The source has no messages: first campaigns and clicks are not known."))
    if not study.consent.rows.size and study.survival("consent", "all") is None:
        parts.append(
            _("The source records no opt-outs: how long consent lasts is not known, and customers count as subscribed"
              " unless it says otherwise.")
        )  # fmt: skip
    if study.channel and not study.fading:
        parts.append(_("Clicks are not known, or the log is too short: whether fading clicks warn is not known."))
    if study.survival("custom", "acquisition_channel") is None and study.cuts is not None:
        parts.append(_("The source has no acquisition channels."))
    if study.cuts is not None and not study.retained:
        parts.append(_("No valid test left customers without texts: what texts retain is not measured."))
    if study.no_model:
        no_model = _("There is no purchase model, so P(alive) and the value of retention are not known: {why}")
        parts.append(no_model.format(why=study.no_model))
    return joined(*(sentence(part) for part in parts))


def no_triangle_words(triangle: Triangle) -> str:
    """Why there is no triangle to show."""
    if triangle.kept == "orders":
        return (
            _("No calendar month after a first purchase is covered whole: there is no cohort triangle of orders.")
            if triangle.known
            else _("The source has no orders: there is no cohort triangle of orders.")
        )
    return (
        _("Too few customers opted in during the log: there is no cohort triangle of consent.")
        if triangle.known
        else _("The source records no opt-outs: there is no cohort triangle of consent.")
    )


def grouping_words(by: str) -> str:
    """The name of a grouping of customers whose survival is compared."""
    return {
        "all": _("all"),
        "segment": _("segment at the start"),
        "acquisition_channel": _("acquisition channel"),
        "first_campaign": _("first campaign"),
    }[by]


def group_words(by: str, group: str) -> str:
    """The name of one of the groups whose survival is compared."""
    if by == "first_campaign":
        return segment_name(group) if group in ("all", "all others") else campaign_name(group)
    return segment_name(group, by if by == "acquisition_channel" else "")


def move_words(move: str) -> str:
    """The name of a move between two periods."""
    return {
        "new": _("came: first purchase"),
        "back": _("came back after a period without"),
        "more": _("stayed, and brought more"),
        "less": _("stayed, and brought less"),
        "left": _("left: no purchase in the later period"),
        "back_more": _("stayed or came back, and brought more"),
        "back_less": _("stayed and brought less, or came back"),
    }[move]


def largest_move_words(move: str, amount: str) -> str:
    """Whose profit changed most between two periods, as a title; `amount` is money in words."""
    who = {
        "new": _("new customers"),
        "back": _("customers who came back"),
        "more": _("customers who brought more"),
        "less": _("customers who brought less"),
        "left": _("customers who left"),
        "back_more": _("customers who stayed or came back and brought more"),
        "back_less": _("customers who stayed and brought less, or came back"),
    }[move]
    return _("Largest change: {who}, {amount}").format(who=who, amount=amount)


def left_out_words(shown: Iterable[str], hidden: Mapping[str, bool]) -> str:
    """Which moves are not shown, or not alone, and why; empty where all are."""
    if any(move.startswith("back_") for move in shown):
        return _("Fewer than {n} came back after a period without, so they are shown with others.").format(
            n=number(FEWEST_SHOWN)
        )
    if not hidden:
        return ""
    words = _("Moves of fewer than {n} customers are not shown.").format(n=number(FEWEST_SHOWN))
    beside = [move_words(name) for name, few in hidden.items() if not few]
    if not beside:
        return words
    more = _("“{move}” is left out so that none can be calculated by subtraction.").format(move=beside[0])
    return joined(words, more)


def step_words(step: str) -> str:
    """The name of a step of the funnel."""
    return {
        "acquisition": _("Acquisition: known"),
        "activation": _("Activation: bought soon after"),
        "retention": _("Retention: bought again"),
        "revenue": _("Revenue: paid back what winning cost"),
        "referral": _("Referral: brought somebody"),
    }[step]


def retained_words(what: str) -> str:
    """What is retained in a test."""
    return {"custom": _("bought at the end of the test"), "consent": _("still subscribed")}[what]
