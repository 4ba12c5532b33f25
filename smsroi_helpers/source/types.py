"""Convert raw columns to the contract's types (ids, numbers, instants), as expressions of the engine.

A value that cannot be converted becomes null. `contract.RULES` distinguishes it from an empty field by its raw value.

A conversion uses its intermediate results several times. Each is a column of a nested query: written out wherever it is
used, they would make a query of 700,000 characters of the columns of `messages`.
"""

from collections.abc import Collection, Generator, Sequence
from dataclasses import dataclass

import ibis
import ibis.expr.datatypes as idt
import ibis.expr.types as ir

from smsroi_helpers.contract import EVENT_BEFORE_MIDNIGHT, EVENTS_AFTER, LAST_DAYS, Column
from smsroi_helpers.engine import is_ascii, local_time, normalise_nfc, utc_from_local, utc_from_offset

__all__ = [
    "TypedColumn",
    "plain_text",
    "read_id",
    "trimmed",
    "type_columns",
]

# Full-width forms of ASCII (U+FF01 … U+FF5E), the ideographic and the no-break space; then zero-width characters.
_FULL_WIDTH = "".join(chr(code) for code in range(0xFF01, 0xFF5F)) + "\u3000\u00a0"
_HALF_WIDTH = "".join(chr(code) for code in range(0x21, 0x7F)) + "  "
_ZERO_WIDTH = "\u200b\u200c\u200d\u2060\ufeff\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u00ad"

_NUMBER = r"^[+-]?(?:[0-9]+|[0-9]{1,3}(?:,[0-9]{3})+)?(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$"
_NON_FINITE = r"^[+-]?(?:nan|inf|infinity)$"
_CURRENCY = r"^([+-]?)\s*(?:¥|￥|\$|€|£|CNY|RMB|USD|EUR|GBP)\s*([+-]?[0-9.])"
_CURRENCY_AFTER = r"([0-9])\s*(?:元|¥|￥|\$|€|£|CNY|RMB|USD|EUR|GBP)$"
_DATE = r"^([0-9]{4})[-/.年]([0-9]{1,2})[-/.月]([0-9]{1,2})日?"
_COMPACT_DATE = r"^([0-9]{4})([0-9]{2})([0-9]{2})$"
_TIME = (
    r"^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[ T]+[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?"
    r"(?: ?(?:Z|z|UTC|[+-][0-9]{2}(?::?[0-9]{2})?))?)?$"
)
_ONLY_DATE = r"^[0-9]{1,4}-[0-9]{1,2}-[0-9]{1,2}$"
_OFFSET = r":[0-9]{2}(?:\.[0-9]+)? ?(?:Z|z|UTC|[+-][0-9]{2}(?::?[0-9]{2})?)$"


@dataclass(frozen=True)
class TypedColumn:
    """A column converted to its type."""

    value: ir.Value
    in_gap: ir.BooleanValue
    """The local time does not exist, because the clock was set forward."""
    in_fold: ir.BooleanValue
    """The local time is ambiguous, because the clock was set back; the engine chooses one of the two instants."""


def plain_text(text: ir.StringValue) -> ir.StringValue:
    """Return normalised text: half-width characters, Unicode NFC, no zero-width characters; empty text is null.

    Trimmed ASCII text, the usual case, is returned at once.
    """
    to_rewrite = text.re_search(f"[{_FULL_WIDTH}{_ZERO_WIDTH}]")
    rewritten = ibis.ifelse(to_rewrite, text.translate(_FULL_WIDTH + _ZERO_WIDTH, _HALF_WIDTH), text)
    return ibis.ifelse(is_ascii(text) & _is_trimmed(text), text, normalise_nfc(rewritten).strip().nullif(""))


def trimmed(text: ir.StringValue) -> ir.StringValue:
    """Return text without leading and trailing blanks; null if nothing is left."""
    return ibis.ifelse(_is_trimmed(text), text, text.strip().nullif(""))


def _is_trimmed(text: ir.StringValue) -> ir.BooleanValue:
    """Whether a text begins and ends with a non-blank character; all blanks sort before the exclamation mark."""
    return (text >= "!") & (text.right(1) >= "!")


_Columns = tuple[ir.Value, ...]
_Conversion = Generator[_Columns, _Columns, TypedColumn]
"""A conversion yields intermediate results, receives them as columns, and returns the typed column."""


def type_columns(
    rows: ir.Table, columns: Sequence[Column], zone: str, *, midnights_are_dates: Collection[str] = ()
) -> tuple[ir.Table, dict[str, TypedColumn]]:
    """Convert columns of a source to their types in the contract.

    Args:
        rows: columns of text, or of any type from parquet or a mapping.
        columns: the definitions of those to convert.
        zone: IANA time zone of times without an offset.
        midnights_are_dates: the timestamps without an offset of which a midnight is a date without a time.

    Returns:
        The rows with added columns, and by name the typed columns, which are among them.
    """
    conversions = {
        column.name: _convert(rows[column.name], column, zone, midnight_is_date=column.name in midnights_are_dates)
        for column in columns
    }
    typed: dict[str, TypedColumn] = {}
    received: dict[str, _Columns | None] = dict.fromkeys(conversions)
    step = 0
    while received:
        step += 1
        results: dict[str, _Columns] = {}
        for name, answer in received.items():
            try:
                results[name] = conversions[name].send(answer)  # type: ignore[arg-type]  # None starts it
            except StopIteration as finished:
                typed[name] = finished.value
        added = {name: [f"step{step}_{place}__{name}" for place in range(len(results[name]))] for name in results}
        rows = rows.mutate(
            **{new: value for name in added for new, value in zip(added[name], results[name], strict=True)}
        )
        received = {name: tuple(rows[new] for new in added[name]) for name in added}
    rows = rows.mutate(
        **{f"typed__{name}": column.value for name, column in typed.items()},
        **{f"in_gap__{name}": column.in_gap for name, column in typed.items()},
        **{f"in_fold__{name}": column.in_fold for name, column in typed.items()},
    )
    return rows, {
        name: TypedColumn(rows[f"typed__{name}"], rows[f"in_gap__{name}"], rows[f"in_fold__{name}"]) for name in typed
    }


def _convert(raw: ir.Value, column: Column, zone: str, *, midnight_is_date: bool) -> _Conversion:
    never = ibis.literal(False)
    match column.kind:
        case "timestamp":
            return (yield from _read_time(raw, zone, column.name, midnight_is_date=midnight_is_date))
        case "float":
            return TypedColumn((yield from _read_number(raw)), never, never)
        case "int":
            (number,) = yield ((yield from _read_number(raw)),)
            whole = number.try_cast("int64")
            return TypedColumn(ibis.ifelse(whole.cast("float64") == number, whole, ibis.null("int64")), never, never)
        case "id":
            return TypedColumn(read_id(raw), never, never)
        case _:
            return TypedColumn(trimmed(raw) if raw.type().is_string() else raw.cast("string"), never, never)


def read_id(raw: ir.Value) -> ir.StringValue:
    """Convert a column of ids."""
    if raw.type().is_string():
        return plain_text(raw)
    if raw.type().is_floating():
        # 13085.0: an integer column that a tool has converted to float because of missing values.
        whole = raw.try_cast("int64")
        text = ibis.ifelse(whole.cast("float64") == raw, whole.cast("string"), raw.cast("string"))
        return ibis.ifelse(raw.isnan() | raw.isinf(), ibis.null("string"), text)  # NaN must not become the id "nan"
    return raw.cast("string")


def _read_number(raw: ir.Value) -> Generator[_Columns, _Columns, ir.FloatingValue]:
    if not raw.type().is_string():
        return raw.try_cast("float64")
    text = plain_text(raw).replace("\N{MINUS SIGN}", "-")
    (text,) = yield (text.re_replace(_CURRENCY, r"\1\2").re_replace(_CURRENCY_AFTER, r"\1"),)
    readable = text.re_search(_NUMBER) | text.lower().re_search(_NON_FINITE)
    return ibis.ifelse(readable, text.replace(",", "").try_cast("float64"), ibis.null("float64"))


def _read_time(raw: ir.Value, zone: str, name: str, *, midnight_is_date: bool) -> _Conversion:
    """Convert to an instant. By its name a column is one in which a date means the end of its day, or it is not."""
    never, no_time = ibis.literal(False), ibis.null("timestamp")
    dtype = raw.type()
    if dtype.is_string():
        clock, utc, is_date = yield from _read_text_time(raw)
    elif dtype.is_timestamp() and dtype.timezone is not None:
        clock, utc, is_date = no_time, utc_from_offset(raw), never
    else:
        clock, utc = raw.try_cast("timestamp") if dtype.is_temporal() else no_time, no_time
        # Pandas and strptime make a midnight of a date: nobody means the instant when a test ends.
        midnight = midnight_is_date or name in LAST_DAYS
        is_date = (clock == clock.truncate("D")).fill_null(False) if midnight else ibis.literal(dtype.is_date())
    clock, utc = yield _within_calendar(_whole_day(clock, is_date, name)), _within_calendar(utc)
    if zone == "UTC":
        return TypedColumn(ibis.coalesce(utc, clock), never, never)
    instant, clock_of_utc = yield utc_from_local(clock, zone), local_time(utc, zone)
    # A date has an instant, even if the clock skips or repeats its midnight.
    hour = ibis.interval(hours=1)
    gap = (local_time(instant, zone) != clock).fill_null(False) & ~is_date
    twice = (local_time(instant + hour, zone) == clock) | (local_time(instant - hour, zone) == clock)
    value = ibis.ifelse(_within_calendar(clock_of_utc).notnull(), utc, instant)
    return TypedColumn(value, gap, twice.fill_null(False) & ~is_date)


def _read_text_time(raw: ir.StringValue) -> Generator[_Columns, _Columns, _Columns]:
    """Return the local time of texts without an offset, the instant of others, and whether a text is only a date."""
    text = plain_text(raw).re_replace(_DATE, r"\1-\2-\3").re_replace(_COMPACT_DATE, r"\1-\2-\3").strip()
    (text,) = yield (text,)
    (text,) = yield (ibis.ifelse(text.re_search(_TIME), text, ibis.null("string")),)
    with_offset = text.re_search(_OFFSET)
    instant = text.re_replace(r" ?(?:z|UTC)$", "Z").re_replace(r"([+-][0-9]{2})([0-9]{2})$", r"\1:\2")
    instant = instant.re_replace(r"([ T][0-9]{1,2}:[0-9]{2}) ?(Z|[+-])", r"\1:00\2")
    utc = utc_from_offset(instant.try_cast(idt.Timestamp(timezone="UTC")))
    clock = ibis.ifelse(with_offset, ibis.null("string"), text).try_cast("timestamp")
    is_date = text.re_search(_ONLY_DATE).fill_null(False)
    return (yield clock, ibis.ifelse(with_offset, utc, ibis.null("timestamp")), is_date)


def _whole_day(clock: ir.TimestampValue, is_date: ir.BooleanValue, name: str) -> ir.TimestampValue:
    """Return the end of the day of a date, in columns where a date means that; else the clock as it is."""
    if name in LAST_DAYS:
        before_midnight = ibis.interval(microseconds=1)
    elif name in EVENTS_AFTER:
        before_midnight = ibis.interval(microseconds=EVENT_BEFORE_MIDNIGHT)
    else:
        return clock
    return ibis.ifelse(is_date, clock + ibis.interval(days=1) - before_midnight, clock)


def _within_calendar(time: ir.TimestampValue) -> ir.TimestampValue:
    """Return the time if its year is 1 to 9999, else null: parquet and offsets allow years that calendars do not."""
    inside = time.between(ibis.timestamp("0001-01-01 00:00:00"), ibis.timestamp("9999-12-31 23:59:59.999999"))
    return ibis.ifelse(inside, time, ibis.null("timestamp"))
