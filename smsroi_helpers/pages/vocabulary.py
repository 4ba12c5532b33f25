"""Words on pages for metrics, evidence, p-values, differences and problems of experiments; names are in `names`."""

import datetime as dt
import re
from typing import Protocol

import numpy as np

from smsroi_helpers.locale import _, capitalised, day, listed, money_range, number, percent, rounded_digits
from smsroi_helpers.pages.names import arm_name

__all__ = [
    "carried_words",
    "compact_words",
    "cost_unknown_words",
    "evidence_label",
    "evidence_meaning",
    "lift_words",
    "metric_words",
    "money_kind_words",
    "p_words",
    "percent_range",
    "plan_result_words",
    "plan_title",
    "problem_words",
    "question_words",
    "sentence_case",
    "stage_words",
]


def p_words(p: float) -> str:
    """Format a p-value.

    >>> p_words(0.00001), p_words(0.0086), p_words(0.0478), p_words(0.31)
    ('< 0.001', '0.009', '0.048', '0.31')
    """
    if not np.isfinite(p):
        return "–"
    if p < 0.001:
        return f"< {number(0.001, 3)}"
    return number(p, 3 if p < 0.1 else 2)


def plan_title(plan_id: str, first: dt.date | None) -> str:
    """The name of a plan by its first day, at the beginning of a line; its own name where no day is known.

    Args:
        plan_id: as in the table; one that says more than the day follows in brackets.
        first: its first day.
    """
    if first is None:
        return plan_id
    if re.fullmatch(r"plan-\d{8}", plan_id):
        return _("Plan of {day}").format(day=day(first))
    return _("Plan of {day} ({name})").format(day=day(first), name=plan_id)


def plan_result_words(status: str, gap: float, low: float, high: float) -> str:
    """What became of an earlier plan's promise in a few words, or why there is no answer.

    Args:
        status: of `send_plan.PlanScore`; an unknown one is not scored.
        gap: promise less outcome, money; NaN where the promise is not recorded.
        low: lower limit of its interval.
        high: upper limit.
    """
    if status == "scored":
        if not np.isfinite(gap):
            return _("the promise is not recorded")
        if low <= 0 <= high:
            return _("the promise is within the interval")
        return _("promised too much") if gap > 0 else _("promised too little")
    return {
        "not_begun": _("its weeks have not begun"),
        "running": _("its weeks are not over"),
        "no_start": _("first day not known"),
        "before_log": _("before the log of orders"),
        "no_profit": _("profit not known"),
        "no_holdout": _("nobody held out"),
        "broken_split": _("roles not as drawn"),
        "not_followed": _("not carried out"),
        "few_buyers": _("too few buyers"),
    }.get(status, _("not scored"))


def carried_words(members: float, subscribers: float, overlap: float, *, has_orders: bool = True) -> str:
    """Say that a test's results are carried over to today's subscribers, and how many of them it covers.

    Args:
        members: customers of the test.
        subscribers: subscribers on the last day observed.
        overlap: share (0–1) of them whom the test's customers cover.
        has_orders: whether customers are alike in recency and purchases too, or only in clicks.
    """
    words = _(
        "The results of the test’s {members} customers are carried over to the {subscribers} subscribers of the last"
        " day by weighting on recency, clicks and purchases. Customers like those in the test make up {share} of them;"
        " for the others the interval is wider."
    )
    if not has_orders:
        words = _(
            "The results of the test’s {members} customers are carried over to the {subscribers} subscribers of the"
            " last day by weighting on clicks; this source has no orders to weight on. Customers like those in the test"
            " make up {share} of them; for the others the interval is wider."
        )
    return words.format(members=number(members), subscribers=number(subscribers), share=percent(overlap, 0))


def metric_words(metric: str) -> str:
    """Return the name of a metric."""
    return {
        "profit": _("Profit"),
        "click_profit": _("Modelled profit"),
        "revenue": _("Revenue"),
        "orders": _("Orders per customer"),
        "order_rate": _("Share who order"),
        "visit_rate": _("Share who visit"),
        "click_rate": _("Clicks per message"),
        "reply_rate": _("Replies per message"),
        "opt_out_rate": _("Share who opt out"),
    }[metric]


def evidence_label(evidence: str) -> str:
    """Return the name of a kind of evidence (`contract.Evidence`)."""
    return {
        "randomised": _("Randomised test"),
        "modelled": _("Modelled from a randomised test"),
        "forecast": _("Forecast"),
        "observational": _("Observational"),
        "descriptive": _("Descriptive"),
    }.get(evidence, _("No evidence"))


def evidence_meaning(evidence: str, customers: str = "") -> str:
    """Return what a kind of evidence means, in one sentence that is true of every number of that kind.

    Args:
        evidence: as in `contract.Evidence`.
        customers: the number of customers behind it, formatted; empty where it is not said.
    """
    people = _("{n} customers").format(n=customers) if customers else _("customers")
    return {
        "randomised": _("Measured on {customers} in randomly assigned groups: differences beyond chance are effects."),
        "modelled": _("Calculated from measurements on {customers} in randomly assigned groups; not itself measured."),
        "forecast": _("Predicted from what {customers} did so far; not the effect of a message."),
        "observational": _("Observed on {customers} who were not randomly assigned: other causes are possible."),
        "descriptive": _("Counted over {customers}: it shows no effect of messages."),
    }.get(evidence, _("No number supports this answer.")).format(customers=people)


def money_kind_words(kind: str) -> str:
    """Return the name of a kind of money (`contract.MoneyKind`)."""
    return {
        "cash": _("cash"),
        "long_run": _("in the long run"),
        "revenue": _("revenue, before costs"),
    }.get(kind, "")


def question_words(stage: str) -> str:
    """Return the question that a stage answers, as its page is titled."""
    return {
        "ab_test": _("Did the change pay?"),
        "timing": _("When should a text go out?"),
        "frequency": _("How often should we text?"),
        "content": _("Which text should we send, and to whom?"),
    }[stage]


def stage_words(stage: str) -> str:
    """Return the name of a stage."""
    words = {
        "quality": _("Data quality"),
        "segmentation": _("Segmentation"),
        "cltv": _("Customer lifetime value"),
        "timing": _("Timing"),
        "frequency": _("Frequency"),
        "ab_test": _("A/B test"),
        "content": _("Content"),
        "retention": _("Retention"),
        "effectiveness": _("Effectiveness"),
        "send_plan": _("Send plan"),
    }
    return words.get(stage, stage.replace("_", " ").capitalize())


def cost_unknown_words() -> str:
    """What it means for profit that the source does not say what messages cost."""
    return _(
        "The source does not say what messages cost (no column messages.cost, no message_cost in source.yml), so profit"
        " is before message costs."
    )


def sentence_case(words: str) -> str:
    """Return the text with its first letter as a capital."""
    return capitalised(words)


def compact_words(value: float, low: float, high: float, currency: str = "", *, most_digits: int | None = None) -> str:
    """Format an estimate and its interval compactly, rounded by the width of the interval.

    Args:
        value: the estimate.
        low: lower limit.
        high: upper limit.
        currency: of amounts of money.
        most_digits: significant figures of the estimate at most, if the limits then still differ; None: no such limit.

    >>> compact_words(4.347, 0.863, 7.834, "USD"), compact_words(114.28, 109.92, 118.71, most_digits=3)
    ('$4.35 ($0.86 to $7.83)', '114 (110 to 119)')
    """
    digits = _decimals(value, low, high, most_digits)

    def show(x: float) -> str:
        return number(round(x, digits), max(digits, 0))

    shown = money_range(value, low, high, currency, digits) if currency else (show(value), show(low), show(high))
    return _("{value} ({low} to {high})").format(**dict(zip(("value", "low", "high"), shown, strict=True)))


def _decimals(value: float, low: float, high: float, most: int | None) -> int:
    """The decimals of an interval by its width; of `most` significant figures, if these show the limits as different.

    >>> _decimals(99.9871, 99.9741, 100.0, None), _decimals(99.9871, 99.9741, 100.0, 3)
    (3, 2)
    """
    digits = rounded_digits(low, high)
    if most is None or not value or not np.isfinite(value):
        return digits
    fewer = most - 1 - int(np.floor(np.log10(abs(value))))
    return next((each for each in range(fewer, digits) if round(low, each) < round(high, each)), digits)


def lift_words(value: float, low: float, high: float) -> str:
    """Format a relative lift and its interval, in percent; a dash if there is none."""
    if not np.isfinite([value, low, high]).all():
        return "–"
    return percent_range(value, low, high)


def percent_range(value: float, low: float, high: float, *, most_digits: int | None = None) -> str:
    """Format a share (0–1) and its interval compactly, as `compact_words` does.

    >>> percent_range(0.0761, 0.0609, 0.0944), percent_range(0.99004, 0.98867, 0.99118, most_digits=3)
    ('7.6% (6.1% to 9.4%)', '99.0% (98.9% to 99.1%)')
    """
    digits = _decimals(100 * value, 100 * low, 100 * high, most_digits)
    shown = {
        name: percent(round(100 * share, digits) / 100, max(digits, 0))
        for name, share in (("value", value), ("low", low), ("high", high))
    }
    return _("{value} ({low} to {high})").format(**shown)


class ProblemCode(Protocol):
    """The fields of an `experiments.Problem` that `problem_words` uses."""

    @property
    def kind(self) -> str: ...
    @property
    def breaks(self) -> bool: ...
    @property
    def arms(self) -> tuple[str, ...]: ...
    @property
    def control(self) -> str: ...
    @property
    def other(self) -> str: ...
    @property
    def metric(self) -> str: ...
    @property
    def customers(self) -> int: ...
    @property
    def of_customers(self) -> int: ...
    @property
    def share(self) -> float: ...
    @property
    def planned(self) -> float: ...
    @property
    def contrast(self) -> float: ...
    @property
    def p_value(self) -> float: ...
    @property
    def clustered(self) -> bool: ...


def problem_words(problem: ProblemCode) -> str:
    """Describe a problem of an experiment, as a clause without a full stop.

    Raises:
        ValueError: the kind of problem has no description.
    """
    match problem.kind, problem.breaks:
        case "empty_arms", _breaks:
            return _("nobody is in {arms}").format(arms=listed(arm_name(arm) for arm in problem.arms))
        case "split", _breaks if problem.clustered:
            return _(
                "the split is not the planned one: {arm} has {share} of the households or stores instead of {planned}"
                " (p {p})"
            ).format(
                arm=arm_name(problem.arms[0]), share=percent(problem.share, 2), planned=percent(problem.planned, 2),
                p=p_words(problem.p_value),
            )  # fmt: skip
        case "mixed_clusters", _breaks:
            return _(
                "{n} of {all} customers are in households or stores with customers in two arms: their outcomes are"
                " contaminated by the other arm, and choosing one of the two arms afterwards is no remedy"
            ).format(n=number(problem.customers), all=number(problem.of_customers))
        case "split", _breaks:
            return _(
                "the split is not the planned one: {arm} has {share} of the customers instead of {planned} (p {p})"
            ).format(
                arm=arm_name(problem.arms[0]), share=percent(problem.share, 2), planned=percent(problem.planned, 2),
                p=p_words(problem.p_value),
            )  # fmt: skip
        case "assigned_late", True:
            return _("{n} of {all} customers were assigned after the last outcome that counts").format(
                n=number(problem.customers), all=number(problem.of_customers)
            )
        case "assigned_late", False:
            return _("{n} customers were assigned too late to have an outcome, and are left out").format(
                n=number(problem.customers)
            )
        case "assigned_early", _breaks:
            return _("{n} customers were assigned before the test began").format(n=number(problem.customers))
        case "unbalanced", _breaks:
            return _(
                "{arm} and {control} differed before the test already ({metric} before the assignment, p {p})"
            ).format(
                arm=arm_name(problem.arms[0]), control=arm_name(problem.control), metric=metric_words(problem.metric),
                p=p_words(problem.p_value),
            )  # fmt: skip
        case "control_messaged", breaks:
            words = _("{share} of {control} got messages of the tested channel although they were to get none").format(
                share=percent(problem.share, 1), control=arm_name(problem.control)
            )
            if breaks:
                return words
            return _("{words}: the difference shown is about {left} of what a clean control would show").format(
                words=words, left=percent(problem.contrast)
            )
        case "not_messaged", _breaks:
            return _("nobody in the treated arms was messaged")
        case "sent_alike", _breaks:
            few, many = problem.arms
            return _(
                "{few} got {share} as many messages per customer as {many}: the arms were not sent as planned"
            ).format(few=arm_name(few), many=arm_name(many), share=percent(problem.share))
        case "overlap", _breaks:
            return _("who is in which arm hangs together with the arms of {other} (p {p}): the two effects mix").format(
                other=problem.other, p=p_words(problem.p_value)
            )
        case "orders_without_times", _breaks:
            return _(
                "orders carry dates without times, so all orders of the day of assignment count as outcomes: at most"
                " {share} of the orders in the arm “{control}” came before the assignment. Differences between arms are"
                " unbiased; lifts in percent are too small by at most that share of themselves"
            ).format(share=percent(problem.share, 1), control=arm_name(problem.control))
    raise ValueError(f"no description of the problem {problem.kind!r}")
