"""Events after a message that are told as yes or no, as a number of clicks, or as a gateway's status, without a time.

Such an event happened at an unknown time. It is read like a date without a time, that of the sending: it counts as an
outcome and is left out of timing. A delivery whose status means that the outcome is not known counts as one, like the
deliveries of a source without receipts, and is reported.

An opt-out in `customers` follows no message, so its day cannot be replaced: there, no means none, and yes is refused.
"""

from dataclasses import dataclass
from typing import Literal

import ibis
import ibis.expr.types as ir

from smsroi_helpers import contract
from smsroi_helpers.contract import EVENT_BEFORE_MIDNIGHT, EVENTS_AFTER
from smsroi_helpers.engine import local_time, utc_from_local
from smsroi_helpers.errors import DataError
from smsroi_helpers.source.loaded import Finding, finding_of

__all__ = [
    "Answers",
    "split_answers",
]

_YES = ("true", "t", "yes", "y", "1", "1.0", "是")
_NO = ("false", "f", "no", "n", "0", "0.0", "否")
_TIMES = r"^0*[1-9][0-9]{0,2}(?:\.0)?$"
_COUNTED = ("opened_at", "clicked_at", "replied_at")
"""Events that an export may tell by how often they happened (1 to 999); of deliveries a number is a status."""
_DELIVERED = ("delivered", "delivrd", "read", "success", "发送成功", "成功", "已送达")
_NOT_DELIVERED = (
    "undelivered", "undeliverable", "undeliv", "failed", "fail", "rejected", "rejectd", "expired", "deleted", "blocked",
    "canceled", "cancelled", "发送失败", "失败", "未送达",
)  # fmt: skip
_NOT_KNOWN = (
    "unknown", "sent", "sending", "queued", "accepted", "acceptd", "enroute", "pending", "未知", "等待回执", "发送中",
)  # fmt: skip
"""Statuses of Twilio (docs: Message resource, Status values) and of SMPP 3.4 (message_state, §5.2.28), and Chinese."""


@dataclass(frozen=True)
class Answers:
    """The events of a table that are told without a time."""

    rows: ir.Table
    """The raw rows; answers are null in the event's column."""
    columns: dict[str, str]
    """Event's column → column with `yes`, `no` or `unknown`; null where the event has a time or nothing."""
    findings: list[Finding]

    def fill(self, name: str, value: ir.TimestampValue, sent_at: ir.TimestampValue, zone: str) -> ir.TimestampValue:
        """Return an event's typed column, with the end of the day of sending where it happened at an unknown time.

        Args:
            name: of the event's column.
            value: the instants of events that have one.
            sent_at: instant of sending (UTC).
            zone: time zone of the source.
        """
        if name not in self.columns:
            return value
        next_day = local_time(sent_at, zone).truncate("D") + ibis.interval(days=1)
        end_of_day = utc_from_local(next_day - ibis.interval(microseconds=EVENT_BEFORE_MIDNIGHT), zone)
        return ibis.ifelse(self.rows[self.columns[name]].isin(["yes", "unknown"]), end_of_day, value)


def split_answers(table: contract.Table, rows: ir.Table) -> Answers:
    """Separate yes, no and statuses from times in the columns that follow a message.

    Args:
        table: the table's definition.
        rows: its raw columns.

    Raises:
        DataError: `opted_in_at` or `opted_out_at` of customers says yes without a time.
    """
    if table.name == "customers":
        return _consent_by_day(rows)
    told = {name: _answer(rows[name], name) for name in EVENTS_AFTER if name in rows.columns and _may_be(rows[name])}
    if table.name != "messages" or "sent_at" not in rows.columns or not told:
        return Answers(rows, {}, [])
    counts = rows.aggregate(
        n=rows.count(),
        **{f"told__{name}": answer.isin(["yes", "no"]).sum() for name, answer in told.items()},
        **{f"unknown__{name}": (answer == "unknown").sum() for name, answer in told.items()},
    ).to_pyarrow().to_pylist()[0]  # fmt: skip
    used = {name for name in told if counts[f"told__{name}"] or counts[f"unknown__{name}"]}
    columns = {name: f"answer__{name}" for name in told if name in used}
    rows = rows.mutate(**{columns[name]: told[name] for name in columns})
    rows = rows.mutate(**{name: _without_answer(rows, name, columns[name]) for name in columns})
    findings = [
        finding_of("messages", name, rule, int(counts[f"{kind}__{name}"]), int(counts["n"]), severity)
        for name in columns
        for kind, rule, severity in _RULES
        if counts[f"{kind}__{name}"]
    ]
    return Answers(rows, columns, findings)


_RULES: tuple[tuple[str, str, Literal["note", "warning"]], ...] = (
    ("told", "yes or no without a time", "note"),
    ("unknown", "delivery not reported", "warning"),
)


_INSTEAD = {
    "opted_in_at": (
        "write the day of each consent, or where it is not known the day of the first text; without a day it is not"
        " known which texts had consent"
    ),
    "opted_out_at": (
        "write the day of each opt-out, or where it is not known the day on which the list was exported (in a .sql"
        " mapping: CASE WHEN opted_out THEN '2025-06-30' END): without a day it is not known which texts came after it"
    ),
}
"""Column of consent in `customers` → what to write where it only says yes."""


def _consent_by_day(rows: ir.Table) -> Answers:
    """Return the rows of customers without the word no as the time of a consent or an opt-out."""
    answers = {name: _answer(rows[name], name) for name in _INSTEAD if name in rows.columns and _may_be(rows[name])}
    if not answers:
        return Answers(rows, {}, [])
    counts = rows.aggregate(
        n=rows.count(),
        **{f"{word}__{name}": (answer == word).sum() for name, answer in answers.items() for word in ("yes", "no")},
    )
    found = counts.to_pyarrow().to_pylist()[0]
    empty: dict[str, ir.Value] = {}
    findings = []
    for name, answer in answers.items():
        if yes := found[f"yes__{name}"]:
            raise DataError(f"table customers, column {name}: yes without a time in {yes:,} rows; {_INSTEAD[name]}")
        if no := found[f"no__{name}"]:
            value = rows[name]
            dtype = value.type()
            of_text = ibis.ifelse((answer == "no").fill_null(False), ibis.null(dtype), value)
            empty[name] = ibis.null("timestamp") if dtype.is_boolean() else of_text
            findings.append(finding_of("customers", name, "no without a time", int(no), int(found["n"])))
    return Answers(rows.mutate(**empty) if empty else rows, {}, findings)


def _may_be(column: ir.Value) -> bool:
    dtype = column.type()
    return bool(dtype.is_string() or dtype.is_boolean() or dtype.is_integer() or dtype.is_floating())


def _answer(raw: ir.Value, name: str) -> ir.StringValue:
    if raw.type().is_boolean():
        return ibis.cases((raw, "yes"), (~raw, "no"), else_=ibis.null("string"))
    text = raw.cast("string").strip().lower()
    statuses = name == "delivered_at"
    counted = text.re_search(_TIMES) if name in _COUNTED else ibis.literal(False)
    return ibis.cases(
        (counted | text.isin([*_YES, *(_DELIVERED if statuses else ())]), "yes"),
        (text.isin([*_NO, *(_NOT_DELIVERED if statuses else ())]), "no"),
        (text.isin(_NOT_KNOWN) if statuses else ibis.literal(False), "unknown"),
        else_=ibis.null("string"),
    )


def _without_answer(rows: ir.Table, name: str, answer: str) -> ir.Value:
    if rows[name].type().is_boolean():
        return ibis.null("timestamp")
    return ibis.ifelse(rows[answer].isnull(), rows[name], ibis.null(rows[name].type()))
