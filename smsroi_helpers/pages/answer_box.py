"""The answer box: a decision with its value, interval, evidence and caveat."""

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import pandas as pd

from smsroi_helpers import locale
from smsroi_helpers.contract import BREAK_EVEN_WEEKS
from smsroi_helpers.locale import _
from smsroi_helpers.pages.markup import EMPTY, Html, as_text, as_words, is_missing
from smsroi_helpers.pages.names import segment_name
from smsroi_helpers.pages.table import table
from smsroi_helpers.pages.vocabulary import evidence_label, evidence_meaning, money_kind_words

__all__ = [
    "Amount",
    "amount",
    "answer",
    "cash_amount",
    "cash_words",
    "evidence_words",
    "outcome_label",
    "question_anchor",
]


@dataclass(frozen=True, slots=True)
class Amount:
    """A formatted estimate, rounded by the width of its interval; plain text, not escaped."""

    value: str
    """The estimate with sign and currency; empty if there is none."""
    unit: str
    """Unit after the estimate (`a week`); may be empty."""
    interval: str
    """Interval, such as `$2,200 to $4,000`; empty if there is none."""

    @property
    def words(self) -> str:
        """The full text, such as `+$3,100 a week ($2,200 to $4,000)`."""
        said = f"{self.value} {self.unit}".strip()
        return _("{amount} ({interval})").format(amount=said, interval=self.interval) if self.interval else said


def amount(row: Mapping[str, Any], currency: str, *, min_customers: int = 10) -> Amount:
    """Format the value of a decision (money, share or count); empty if it must not be shown.

    Args:
        row: a row of the decisions table: value, low, high, unit, number_words, kind, outcome, customers,
            evidence_customers.
        currency: currency code of the source; empty: numbers without currency.
        min_customers: decisions about fewer customers show no value.

    >>> row = {"value": 3104.2, "low": 2210.0, "high": 3998.0, "unit": "money_per_week", "kind": "gain"}
    >>> amount(row, "USD")
    Amount(value='+$3,100', unit='a week', interval='$2,200 to $4,000')
    """
    value, low, high = (_float(row.get(name)) for name in ("value", "low", "high"))
    # A broken experiment shows no effect.
    too_few = min(_float(row.get("customers")), _evidence_customers(row)) < min_customers
    if math.isnan(value) or too_few or row.get("outcome") == "broken":
        return Amount("", "", "")
    unit = str(row.get("unit") or "")
    words = "" if is_missing(row.get("number_words")) else str(row.get("number_words"))
    level = bool(words) and row.get("level") is not None and bool(row.get("level"))
    has_interval = math.isfinite(low) and math.isfinite(high)
    scale = 100.0 if unit == "share" else 1.0
    if has_interval and high > low:
        digits = locale.rounded_digits(low * scale, high * scale)
    else:
        digits = 0 if abs(value) * scale >= 100 or float(value).is_integer() else 2

    def show(x: float) -> str:
        if unit == "share" and words and not level:  # they name the percentage points
            return locale.number(round(x * 100, digits), max(digits, 0))
        if unit == "share":
            return locale.percent(round(x * 100, digits) / 100, max(digits, 0))
        return locale.number(round(x, digits), max(digits, 0))

    shown = (show(value), show(low), show(high))
    if unit.startswith("money") and currency:
        shown = locale.money_range(value, low, high, currency, digits)
    is_difference = (row.get("kind") in ("gain", "worth") or bool(words)) and not level
    sign = "+" if is_difference and round(value * scale, digits) > 0 else ""
    return Amount(
        sign + shown[0],
        words or {"money_per_week": _("a week"), "orders_per_week": _("purchases a week")}.get(unit, ""),
        _("{low} to {high}").format(low=shown[1], high=shown[2]) if has_interval else "",
    )


def cash_amount(row: Mapping[str, Any], currency: str, *, min_customers: int = 10) -> Amount:
    """Format the cash of a decision, as `amount` formats its value; empty if there is none."""
    names = {"value": "cash", "low": "cash_low", "high": "cash_high"}
    return amount(
        {**row, **{name: row.get(column) for name, column in names.items()}, "unit": "money", "number_words": ""},
        currency,
        min_customers=min_customers,
    )


def cash_words(row: Mapping[str, Any], currency: str, *, min_customers: int = 10) -> str:
    """The cash of a decision in a sentence: its weeks, interval, evidence, and the week in which it breaks even.

    Empty where there is no cash, or where the value is itself that cash.
    """
    cash = cash_amount(row, currency, min_customers=min_customers)
    if not cash.value or (row.get("money") == "cash" and _float(row.get("value")) == _float(row.get("cash"))):
        return ""
    measured = row.get("cash_evidence") == "randomised"
    words = _("Cash in the next {n} weeks, {evidence}: {cash}.")
    if measured:
        words = _("Cash in the {n} weeks of the test, measured: {cash}.")
    elif row.get("outcome") == "dont":
        words = _("Cash of that change in the next {n} weeks, {evidence}: {cash}.")
    said = words.format(
        n=_weeks(row),
        evidence=evidence_label(str(row.get("cash_evidence"))).lower(),
        cash=cash.words,
    )
    value, week = _float(row.get("value")), _float(row.get("break_even_week"))
    if row.get("money") != "long_run" or not value * _float(row.get("cash")) < 0:
        return said
    if value < 0 and _float(row.get("high")) > 0:
        return locale.joined(said, _("By these estimates it earns at first and loses in the long run."))
    if value < 0:
        return locale.joined(said, _("It earns at first and loses in the long run, as subscribers opt out."))
    later = _("It costs at first: the cumulative cash breaks even in week {week}.").format(week=locale.number(week))
    if math.isnan(week):
        later = _("It costs at first: the cumulative cash does not break even within {weeks} weeks.").format(
            weeks=locale.number(BREAK_EVEN_WEEKS)
        )
    return locale.joined(said, later)


def _weeks(row: Mapping[str, Any]) -> str:
    """The weeks whose profit the cash of a decision is, with a decimal unless whole."""
    weeks = _float(row.get("cash_weeks"))
    return locale.number(weeks, 0 if abs(weeks - round(weeks)) < 0.05 else 1)


def _float(value: object) -> float:
    return float("nan") if is_missing(value) or value == "" else float(cast(float, value))


def _evidence_customers(row: Mapping[str, Any]) -> float:
    """The customers whose outcomes are a decision's evidence."""
    own = _float(row.get("evidence_customers"))
    return _float(row.get("customers")) if math.isnan(own) else own


def outcome_label(outcome: str) -> str:
    """Return the label of an outcome of the decisions table."""
    return {
        "do": _("Do it"),
        "dont": _("Don’t"),
        "not_enough_evidence": _("Not enough evidence"),
        "broken": _("Broken: no result"),
    }.get(outcome, outcome)


def evidence_words(row: Mapping[str, Any], *, min_customers: int = 10) -> tuple[str, str]:
    """Return the label of a decision's evidence, and its meaning in a sentence, with the number of customers.

    Args:
        row: a row of the decisions table: evidence, customers, evidence_customers.
        min_customers: smallest number of customers that is shown.
    """
    count = _evidence_customers(row)
    n = "" if math.isnan(count) else locale.number(count) if count >= min_customers else f"<{min_customers}"
    evidence = str(row.get("evidence") or "none")
    return locale.sentence(evidence_label(evidence)), evidence_meaning(evidence, n)


def question_anchor(question: str) -> str:
    """The id of the place on a notebook's page that answers a question; the index links to it.

    >>> question_anchor("Does texting pay?")
    'answer-7a1f70a4'
    """
    return f"answer-{hashlib.sha256(question.encode()).hexdigest()[:8]}"


def answer(
    decisions: pd.DataFrame | Sequence[Mapping[str, Any]], *, currency: str = "", min_customers: int = 10
) -> Html:
    """Return the answer box: question, action, value with interval, evidence, and caveat.

    Each question is named as on the index and has the id of `question_anchor`. The first row without a segment (or with
    segment `all`) is the answer. Other rows of its question follow as a table by segment, rows of other questions as a
    table of answers.

    Args:
        decisions: rows of the decisions table; the column `caveat` is optional, `text` explains the action.
        currency: currency code of the source.
        min_customers: smallest number of customers that is shown.

    Raises:
        ValueError: there is no row.
    """
    rows: list[Mapping[str, Any]] = (
        cast(list[Mapping[str, Any]], decisions.to_dict("records"))
        if isinstance(decisions, pd.DataFrame)
        else list(decisions)
    )
    if not rows:
        raise ValueError("an answer needs at least one decision")
    main = next((row for row in rows if is_missing(row.get("segment")) or row["segment"] in ("", "all")), rows[0])
    others = [row for row in rows if row is not main]
    worth = amount(main, currency, min_customers=min_customers)
    label, meaning = evidence_words(main, min_customers=min_customers)
    outcome = str(main.get("outcome") or "")
    question = "" if is_missing(main.get("question")) else str(main.get("question") or "")
    parts = [
        f'<p class="q">{as_text(question)}</p>' if question else "",
        # That a change is not worth making is said by the action: "Stay at about 1 a week".
        f'<p class="verdict {_token(outcome)}">{as_text(outcome_label(outcome))}</p>'
        if outcome != "dont" and (main.get("kind") in ("gain", "worth") or outcome != "do")
        else "",
        f'<p class="action">{as_text(locale.ended(str(main.get("action") or "")))}</p>',
        _worth_markup(worth, money_kind_words(str(main.get("money") or ""))),
    ]
    if cash := cash_words(main, currency, min_customers=min_customers):
        parts.append(f'<p class="cash">{as_text(cash)}</p>')
    if not is_missing(main.get("text")) and main.get("text"):
        parts.append(f"<p>{as_words(main['text'])}</p>")
    evidence = _token(str(main.get("evidence") or "none"))
    parts.append(f'<p class="evidence {evidence}"><b>{as_text(label)}</b> {as_text(meaning)}</p>')
    if not is_missing(main.get("caveat")) and main.get("caveat"):
        mind = as_text(_("Caveat:"))
        parts.append(f'<p class="caveat"><b>{mind}</b> {as_words(main["caveat"])}</p>')
    same = [row for row in others if row.get("question") == main.get("question")]
    if same:
        parts.append(_segments(same, currency, min_customers).markup)
    if len(same) < len(others):
        rest = [row for row in others if row not in same]
        parts.append(_other_answers(rest, currency, min_customers).markup)
    summary = " ".join(x for x in (str(main.get("action") or ""), worth.value, worth.unit) if x)
    anchor = f' id="{question_anchor(question)}"' if question else ""
    return Html(f'<div class="answer"{anchor}>{"".join(parts)}</div>', summary)


def _token(word: str) -> str:
    """Return a word for use in a class attribute."""
    return re.sub(r"[^a-z_]", "", word)


def _worth_markup(worth: Amount, kind: str) -> str:
    if not worth.value:
        return ""
    interval = ""
    if worth.interval:
        words = _("95% interval {interval}").format(interval=worth.interval)
        interval = f' <span class="ci">{as_text(words)}</span>'
    money = f' <span class="ci">{as_text(kind)}</span>' if kind else ""
    return f'<p class="worth"><b>{as_text(worth.value)}</b> {as_text(worth.unit)}{interval}{money}</p>'


def _segments(rows: Sequence[Mapping[str, Any]], currency: str, k: int) -> Html:
    # Numbers of other customers say of whom they are.
    others = any(not math.isnan(_float(row.get("evidence_customers"))) for row in rows)
    customers = _("Customers the action is for") if others else _("Customers")
    frame = pd.DataFrame({
        _("Segment"): [
            EMPTY if is_missing(row.get("segment")) else segment_name(str(row.get("segment"))) for row in rows
        ],
        _("Action"): [locale.ended(str(row.get("action") or "")) for row in rows],
        **_amounts(rows, currency, k),
        customers: [_float(row.get("customers")) for row in rows],
    })  # fmt: skip
    return table(frame, caption=_("By segment"), suppress=customers, k=k, fold=False)


def _other_answers(rows: Sequence[Mapping[str, Any]], currency: str, k: int) -> Html:
    """Return a table of the answers to other questions, each with the customers whose outcomes are its evidence."""
    observed = _("Customers observed")
    said = []
    for row in rows:
        label, action = outcome_label(str(row.get("outcome"))), str(row.get("action") or "")
        settled = row.get("outcome") in ("do", "dont")
        said.append(locale.ended(action if settled else locale.joined(locale.sentence(label), action)))
    frame = pd.DataFrame({
        _("Question"): [row.get("question") for row in rows],
        _("Answer"): said,
        **_amounts(rows, currency, k),
        observed: [_evidence_customers(row) for row in rows],
    })  # fmt: skip
    shown = table(frame, caption=_("The other answers"), suppress=observed, k=k, fold=False)
    markup = shown.markup
    for question in dict.fromkeys(str(row.get("question") or "") for row in rows):
        named = f">{as_text(question)}</"
        markup = markup.replace(named, f' id="{question_anchor(question)}"{named}', 1)
    return Html(markup, shown.text)


def _amounts(rows: Sequence[Mapping[str, Any]], currency: str, k: int) -> dict[str, list[str]]:
    """Return the columns of amounts: cash and long run apart, and what is neither."""
    columns: dict[str, list[str]] = {
        _("Cash (95% interval)"): [], _("Long run (95% interval)"): [], _("Worth (95% interval)"): [],
    }  # fmt: skip
    of_cash, of_long_run, of_rest = columns.values()
    for row in rows:
        worth, cash = (show(row, currency, min_customers=k).words for show in (amount, cash_amount))
        kind = row.get("money")
        if cash:
            cash = _("{cash} in {n} weeks").format(cash=cash, n=_weeks(row))
        of_cash.append((worth if kind == "cash" else cash) or EMPTY)
        of_long_run.append((worth if kind == "long_run" else "") or EMPTY)
        of_rest.append((worth if kind not in ("cash", "long_run") else "") or EMPTY)
    kept = {name: cells for name, cells in columns.items() if any(cell != EMPTY for cell in cells)}
    return kept or {_("Worth (95% interval)"): of_rest}
