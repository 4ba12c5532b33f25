"""Convert raw columns to the contract's types (ids, numbers, instants), as expressions of the engine.

A value that cannot be converted becomes null. `contract.RULES` distinguishes it from an empty field by its raw value.

A conversion uses its intermediate results several times. Each is a column of a nested query: written out wherever it is
used, they would make a query of 700,000 characters of the columns of `messages`.
"""

from collections.abc import Collection, Generator, Mapping, Sequence
from dataclasses import dataclass

import ibis
import ibis.expr.datatypes as idt
import ibis.expr.types as ir

from smsroi_helpers.contract import EVENT_BEFORE_MIDNIGHT, EVENTS_AFTER, IDENTITY_KINDS, LAST_DAYS, Column
from smsroi_helpers.engine import is_ascii, local_time, may_be_set, normalise_nfc, utc_from_local_read, utc_from_offset
from smsroi_helpers.source.dates import YEAR_LAST
from smsroi_helpers.source.forms import DASHES, HALF_DAYS, ZONES, Form

__all__ = [
    "TypedColumn",
    "find_plain_texts",
    "plain_text",
    "read_id",
    "spreadsheet_ids",
    "trimmed",
    "type_columns",
]

# Full-width forms of ASCII (U+FF01 … U+FF5E), the ideographic and the no-break space; then zero-width characters.
_FULL_WIDTH = "".join(chr(code) for code in range(0xFF01, 0xFF5F)) + "\u3000\u00a0"
_HALF_WIDTH = "".join(chr(code) for code in range(0x21, 0x7F)) + "  "
_ZERO_WIDTH = "\u200b\u200c\u200d\u2060\ufeff\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u00ad"

_GROUPED = r"[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,2}(?:,[0-9]{2})+,[0-9]{3}"
_NUMBER = rf"^[+-]?(?:[0-9]+|{_GROUPED})?(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$"
_NUMBER_WITH_COMMA = r"^[+-]?(?:[0-9]+|[0-9]{1,3}(?:\.[0-9]{3})+)?(?:,[0-9]+)?(?:[eE][+-]?[0-9]+)?$"
_NON_FINITE = r"^[+-]?(?:nan|inf|infinity)$"
_THOUSANDS = r"^([+-]?\(?[0-9]{1,3}(?:[ '’\x{2009}\x{202f}][0-9]{3})+(?:[.,][0-9]+)?\)? ?-?)$"
_NO_CENTS = r"([0-9])(?:[.,:]-{1,2}|/-)"
"""What stands for no cents, as in `199,-` and `1,299/-`."""
_NEGATIVE = r"^(?:\(([0-9.][^()+-]*)\)|([0-9.][^()+-]*?) ?-|- +([0-9.].*))$"
"""A number in brackets, before a minus sign, or after one and a blank."""
_DATE = r"^([0-9]{4})[-/.年]([0-9]{1,2})[-/.月]([0-9]{1,2})日?"
_COMPACT_DATE = r"^([0-9]{4})([0-9]{2})([0-9]{2})$"
_COMPACT_TIME = r"^([0-9]{4})([0-9]{2})([0-9]{2})[ T]?([0-9]{2}):?([0-9]{2}):?([0-9]{2})((?:Z| ?[+-].*)?)$"
_EAST_ASIAN_DATE = r"^([0-9]{4}) ?[年년.] ?([0-9]{1,2}) ?[月월.] ?([0-9]{1,2}) ?[日일.] *"
_EAST_ASIAN_TIME = (
    (r"([時时点시분分]) ?([0-9]) ?([分분秒초])", r"\10\2\3"),
    (r"([0-9]) ?[時时点시] ?([0-9]{1,2}) ?[分분] ?([0-9]{1,2}) ?[秒초]$", r"\1:\2:\3"),
    (r"([0-9]) ?[時时点시] ?([0-9]{1,2}) ?[分분]$", r"\1:\2"),
)
_WEEKDAY = r"^(?i:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,? +"
_TIME = (
    r"^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[ T]+[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?"
    r"(?: ?(?:Z|z|UTC|[+-][0-9]{2}(?::?[0-9]{2})?))?)?$"
)
_ONLY_DATE = r"^[0-9]{1,4}-[0-9]{1,2}-[0-9]{1,2}$"
_MONTHS = "janfebmaraprmayjunjulaugsepoctnovdec"
_MONTH_FIRST = r"^([A-Za-z]{3})[a-z]*\.? +([0-9]{1,2}),? +([0-9]{4})(?:,? +(?:at +)?([0-9].*))?$"
_DAY_FIRST = r"^([0-9]{1,2})[ -]([A-Za-z]{3})[a-z]*\.?,?[ -]([0-9]{4})(?:,? +(?:at +)?([0-9].*))?$"
_HALF_DAY_BEFORE = rf"^(.*?) ?({HALF_DAYS}) ?([0-9].*)$"
_FORENOONS = ("上午", "午前", "오전")
_HALF_DAY = r"^(.*[ T])([0-9]{1,2})(:[0-9]{2}(?::[0-9]{2})?) ?([AaPp])\.?[Mm]\.?( ?(?:Z|UTC|[+-][0-9]{2}:?[0-9]{2}))?$"
_ZONE = r"^(.*[0-9](?: ?[AaPp]\.?[Mm]\.?)?) ?\(?([A-Z]{3,4})\)?$"
_EPOCH = r"^(?:[0-9]{10}(?:\.[0-9]+)?|[0-9]{13}|[0-9]{16})$"
_SPREADSHEET_ID = r"^(?:=\"(.*)\"|'(.+)|([0-9]+)\.0)$"
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


def find_plain_texts(rows: ir.Table, columns: Sequence[Column], known: Collection[str] = ()) -> frozenset[str]:
    """Return the columns of ids and text in which no value has to be rewritten.

    Args:
        rows: the raw columns.
        columns: the definitions of all columns of the table.
        known: names of columns of which this is known already.
    """
    texts = [c for c in columns if c.kind in ("id", "text") and rows[c.name].type().is_string()]
    plain = {}
    for column in texts:
        text = rows[column.name]
        if column.name not in known:
            plain[column.name] = _is_trimmed(text)
            if column.kind == "id":
                plain[column.name] &= is_ascii(text) & ~_written_by_spreadsheet(text)
    found = (
        rows.aggregate(**{name: value.all() for name, value in plain.items()}).to_pyarrow().to_pylist()[0]
        if plain
        else {}
    )
    return frozenset(c.name for c in texts if found.get(c.name) is not False)  # null: the column has no value


_Columns = tuple[ir.Value, ...]
_Conversion = Generator[_Columns, _Columns, TypedColumn]
"""A conversion yields intermediate results, receives them as columns, and returns the typed column."""


def type_columns(
    rows: ir.Table,
    columns: Sequence[Column],
    zone: str,
    *,
    midnights_are_dates: Collection[str] = (),
    forms: Mapping[str, Form] | None = None,
) -> tuple[ir.Table, dict[str, TypedColumn]]:
    """Convert columns of a source to their types in the contract.

    Args:
        rows: columns of text, or of any type from parquet or a mapping.
        columns: the definitions of those to convert.
        zone: IANA time zone of times without an offset.
        midnights_are_dates: the timestamps without an offset of which a midnight is a date without a time.
        forms: how the text of columns is written, by name (`forms.find_forms`).

    Returns:
        The rows with added columns, and by name the typed columns, which are among them.
    """
    forms = forms or {}
    conversions = {
        column.name: _convert(
            rows[column.name],
            column,
            zone,
            forms.get(column.name, Form()),
            midnight_is_date=column.name in midnights_are_dates,
        )
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


def _convert(raw: ir.Value, column: Column, zone: str, form: Form, *, midnight_is_date: bool) -> _Conversion:
    never = ibis.literal(False)
    match column.kind:
        case "timestamp":
            return (yield from _read_time(raw, zone, column.name, form, midnight_is_date=midnight_is_date))
        case "float":
            return TypedColumn((yield from _read_number(raw, form)), never, never)
        case "int":
            (number,) = yield ((yield from _read_number(raw, form)),)
            whole = number.try_cast("int64")
            return TypedColumn(ibis.ifelse(whole.cast("float64") == number, whole, ibis.null("int64")), never, never)
        case "id":
            return TypedColumn(raw if form.plain else read_id(raw), never, never)
        case _ if form.plain:
            return TypedColumn(raw, never, never)
        case _:
            return TypedColumn(trimmed(raw) if raw.type().is_string() else raw.cast("string"), never, never)


def read_id(raw: ir.Value) -> ir.StringValue:
    """Convert a column of ids. `="100"`, `'100` and `100.0`, as spreadsheets write them, are the id 100."""
    if raw.type().is_string():
        text = plain_text(raw)
        return ibis.ifelse(
            _written_by_spreadsheet(text), text.re_replace(_SPREADSHEET_ID, r"\1\2\3").strip().nullif(""), text
        )
    if raw.type().is_floating():
        # 13085.0: an integer column that a tool has converted to float because of missing values.
        whole = raw.try_cast("int64")
        text = ibis.ifelse(whole.cast("float64") == raw, whole.cast("string"), raw.cast("string"))
        return ibis.ifelse(raw.isnan() | raw.isinf(), ibis.null("string"), text)  # NaN must not become the id "nan"
    return raw.cast("string")


def key_of(raw: ir.Value) -> ir.StringValue:
    """Return the value by which a raw id is found again: as it is written."""
    return raw if raw.type().is_string() else read_id(raw)


def kind_of(raw: ir.Value) -> ir.StringValue:
    """Return the kind of an identity (`IDENTITY_KINDS`) in one spelling; other text is unchanged."""
    text = plain_text(raw.cast("string"))
    word = text.lower().re_replace(r"[\s_-]+", " ")
    names = {name.replace("-", " "): kind for kind, others in IDENTITY_KINDS.items() for name in (kind, *others)}
    return ibis.cases(*((word == name, kind) for name, kind in names.items()), else_=text)


def spreadsheet_ids(
    raw_rows: ir.Table, values: Mapping[str, ir.Value], columns: Sequence[Column]
) -> list[ir.BooleanValue]:
    """Whether the id in each column of ids is written as a spreadsheet does, and read without that.

    Args:
        raw_rows: the raw columns.
        values: the typed columns, by name.
        columns: their definitions.
    """
    ids = [column.name for column in columns if column.kind == "id" and raw_rows[column.name].type().is_string()]
    changed = {name: raw_rows[name] != values[name] for name in ids}
    return [(_written_by_spreadsheet(raw_rows[name]) & changed[name]).fill_null(False) for name in ids]


def _written_by_spreadsheet(text: ir.StringValue) -> ir.BooleanValue:
    """Whether an id may be in the form of a spreadsheet's formula, text or number."""
    return text.left(1).isin(["=", "'"]) | text.endswith(".0")


def _read_number(raw: ir.Value, form: Form) -> Generator[_Columns, _Columns, ir.FloatingValue]:
    if form.plain or not raw.type().is_string():
        return raw.try_cast("float64")
    text = plain_text(raw).translate(DASHES, "-" * len(DASHES))
    if form.dressed_numbers:
        text = text.re_replace(_NO_CENTS, r"\1")
        if form.currency:
            before = rf"^([+-]?\(?)\s*{form.currency}\s*(\(?[+-]?\s*[0-9.])"
            after = rf"([0-9.)-])\s*{form.currency}\s*([)-]?)$"
            (text,) = yield (text.re_replace(before, r"\1\2").re_replace(after, r"\1\2"),)
        undressed = ibis.ifelse(text.re_search(_THOUSANDS), text.translate(" '’\u2009\u202f", ""), text)
        (text,) = yield (undressed.re_replace(_NEGATIVE, r"-\1\2\3"),)
    readable = text.re_search(_NUMBER if form.decimal == "." else _NUMBER_WITH_COMMA)
    readable = readable | text.lower().re_search(_NON_FINITE)
    plain = text.replace(",", "") if form.decimal == "." else text.replace(".", "").replace(",", ".")
    return ibis.ifelse(readable, plain.try_cast("float64"), ibis.null("float64"))


def _read_time(raw: ir.Value, zone: str, name: str, form: Form, *, midnight_is_date: bool) -> _Conversion:
    """Convert to an instant. By its name a column is one in which a date means the end of its day, or it is not."""
    never = ibis.literal(False)
    dtype = raw.type()
    if dtype.is_string() and not form.plain:
        clock, utc, is_date = yield from _read_text_time(raw, form)
    elif dtype.is_integer():
        clock, utc, is_date = ibis.null("timestamp"), _read_epoch(raw.cast("string")), never
    elif dtype.is_timestamp() and dtype.timezone is not None:
        clock, utc, is_date = ibis.null("timestamp"), utc_from_offset(raw), never
    else:  # no value has an offset
        can_be_time = dtype.is_string() or dtype.is_temporal()
        clock, utc = raw.try_cast("timestamp") if can_be_time else ibis.null("timestamp"), None
        if dtype.is_string():
            is_date = (raw.length() == len("2025-06-30")).fill_null(False)
        elif midnight_is_date or name in LAST_DAYS:
            # Pandas and strptime make a midnight of a date: nobody means the instant when a test ends.
            is_date = (clock == clock.truncate("D")).fill_null(False)
        else:
            is_date = ibis.literal(dtype.is_date())
    clock = _within_calendar(_whole_day(clock, is_date, name))
    if utc is None:
        (clock,) = yield (clock,)
    else:
        clock, utc = yield clock, _within_calendar(utc)
    if zone == "UTC":
        return TypedColumn(clock if utc is None else ibis.coalesce(utc, clock), never, never)
    if utc is None:
        (instant,) = yield (utc_from_local_read(clock, zone),)
    else:
        instant, in_calendar = yield utc_from_local_read(clock, zone), _is_in_calendar_of(utc, zone)
    # A date has an instant, even if the clock skips or repeats its midnight.
    hour = ibis.interval(hours=1)
    (is_near,) = yield (may_be_set(clock, zone) & ~is_date,)  # conversions between zones are what takes time
    gap = ibis.ifelse(is_near, local_time(instant, zone) != clock, False).fill_null(False)
    twice = (local_time(instant + hour, zone) == clock) | (local_time(instant - hour, zone) == clock)
    twice = ibis.ifelse(is_near, twice, False).fill_null(False)
    value = instant if utc is None else ibis.ifelse(in_calendar, utc, instant)
    return TypedColumn(value, gap, twice)


def _read_text_time(raw: ir.StringValue, form: Form) -> Generator[_Columns, _Columns, _Columns]:
    """Return the local time of texts without an offset, the instant of others, and whether a text is only a date."""
    text = plain_text(raw).replace("\u202f", " ")  # a narrow blank, as browsers write it before AM and PM
    epoch = ibis.null("timestamp")
    if form.epochs:
        (text,) = yield (text,)
        epoch = _read_epoch(text)
    if form.year_last:
        (text,) = yield (text.re_replace(YEAR_LAST, r"\4-\2-\1" if form.year_last == "day" else r"\4-\1-\2"),)
    if form.zones:
        (text,) = yield (_with_offset(text, form.zones),)
    if form.other_times:
        (text,) = yield (_in_usual_form(text),)
    if form.named_months:
        (text,) = yield (_with_month_number(text.re_replace(_WEEKDAY, "")),)
        (text,) = yield (_with_24_hours(text),)
    text = text.re_replace(_DATE, r"\1-\2-\3").re_replace(_COMPACT_DATE, r"\1-\2-\3").strip()
    (text,) = yield (text,)
    (text,) = yield (ibis.ifelse(text.re_search(_TIME), text, ibis.null("string")),)
    with_offset = text.re_search(_OFFSET)
    instant = text.re_replace(r" ?(?:z|UTC)$", "Z").re_replace(r"([+-][0-9]{2})([0-9]{2})$", r"\1:\2")
    instant = instant.re_replace(r"([ T][0-9]{1,2}:[0-9]{2}) ?(Z|[+-])", r"\1:00\2").re_replace(r" ([+-])", r"\1")
    utc = utc_from_offset(instant.try_cast(idt.Timestamp(timezone="UTC")))
    clock = ibis.ifelse(with_offset, ibis.null("string"), text).try_cast("timestamp")
    is_date = text.re_search(_ONLY_DATE).fill_null(False)
    utc = ibis.ifelse(with_offset, utc, ibis.null("timestamp"))
    return (yield clock, ibis.coalesce(utc, epoch) if form.epochs else utc, is_date)


def _in_usual_form(text: ir.StringValue) -> ir.StringValue:
    """Write `20240503100500`, `10时5分` and `GMT+8` as other times are written."""
    text = text.re_replace(_COMPACT_TIME, r"\1-\2-\3 \4:\5:\6\7").re_replace(_EAST_ASIAN_DATE, r"\1-\2-\3 ")
    for pattern, replacement in _EAST_ASIAN_TIME:
        text = text.re_replace(pattern, replacement)
    text = text.re_replace(r"(:[0-9]{2}),([0-9]{1,9})", r"\1.\2")
    # Names of zones and the second naming of an offset: `GMT+0800 (China Standard Time)`, `+0000 UTC`.
    text = text.re_replace(r" \([A-Za-z ]+\)$", "").re_replace(r"([+-][0-9]{2}:?[0-9]{2}) (?:UTC|GMT|Z)$", r"\1")
    text = text.re_replace(r" ?(?:GMT|UTC) ?([+-])", r"\1").re_replace(r"GMT$", "UTC")
    return text.re_replace(r"(:[0-9]{2} ?[+-])([0-9])(:[0-9]{2})?$", r"\10\2\3").strip()


def _with_offset(text: ir.StringValue, zones: Collection[str]) -> ir.StringValue:
    """Write the offset from UTC for the abbreviation of a zone: `09:50:26 PDT` is `09:50:26-07:00`."""
    zone = text.re_extract(_ZONE, 2)
    offset = ibis.cases(*((zone == name, ZONES[name]) for name in zones), else_="")
    return ibis.ifelse(offset != "", text.re_replace(_ZONE, r"\1") + offset, text)


def _with_month_number(text: ir.StringValue) -> ir.StringValue:
    """Write `May 3, 2024 at 10:05 AM` and `3 May 2024` with the number of the month."""

    def written(pattern: str, month: int, day: int) -> ir.StringValue:
        place = ibis.literal(_MONTHS).find(text.re_extract(pattern, month).lower())
        number = ibis.ifelse(place % 3 == 0, (place // 3 + 1).cast("string"), "")
        return text.re_extract(pattern, 3) + "-" + number + "-" + text.re_replace(pattern, rf"\{day} \4")

    return ibis.cases(
        (text.re_search(_MONTH_FIRST), written(_MONTH_FIRST, 1, 2)),
        (text.re_search(_DAY_FIRST), written(_DAY_FIRST, 2, 1)),
        else_=text,
    ).strip()


def _with_24_hours(text: ir.StringValue) -> ir.StringValue:
    """Write a time with AM or PM on the clock of 24 hours; no time if the hour is not 1 to 12."""
    half = ibis.ifelse(text.re_extract(_HALF_DAY_BEFORE, 2).isin(_FORENOONS), " AM", " PM")
    moved = text.re_extract(_HALF_DAY_BEFORE, 1) + " " + text.re_extract(_HALF_DAY_BEFORE, 3) + half
    text = ibis.ifelse(text.re_search(_HALF_DAY_BEFORE), moved, text)
    hour = text.re_extract(_HALF_DAY, 2).try_cast("int64")
    afternoon = text.re_extract(_HALF_DAY, 4).lower() == "p"
    whole = ibis.ifelse(hour.between(1, 12), hour % 12 + ibis.ifelse(afternoon, 12, 0), ibis.null("int64"))
    rewritten = text.re_extract(_HALF_DAY, 1) + whole.cast("string") + text.re_extract(_HALF_DAY, 3)
    rewritten = rewritten + text.re_extract(_HALF_DAY, 5)
    return ibis.ifelse(text.re_search(_HALF_DAY), rewritten, text)


def _read_epoch(text: ir.StringValue) -> ir.TimestampValue:
    """Read seconds (10 digits), milliseconds (13) or microseconds (16) since 1970, to the millisecond."""
    number = ibis.ifelse(text.re_search(_EPOCH), text, ibis.null("string")).try_cast("decimal(28, 6)")
    milliseconds = ibis.cases((number < 10**10, number * 1000), (number < 10**13, number), else_=number / 1000)
    return milliseconds.try_cast("int64").as_timestamp("ms")


def _whole_day(clock: ir.TimestampValue, is_date: ir.BooleanValue, name: str) -> ir.TimestampValue:
    """Return the end of the day of a date, in columns where a date means that; else the clock as it is."""
    if name in LAST_DAYS:
        before_midnight = ibis.interval(microseconds=1)
    elif name in EVENTS_AFTER:
        before_midnight = ibis.interval(microseconds=EVENT_BEFORE_MIDNIGHT)
    else:
        return clock
    return ibis.ifelse(is_date, clock + ibis.interval(days=1) - before_midnight, clock)


def _is_in_calendar_of(utc: ir.TimestampValue, zone: str) -> ir.BooleanValue:
    """Whether an instant has a local time with a year of 1 to 9999: only at the ends does the zone matter."""
    far_from_ends = utc.between(ibis.timestamp("0001-01-03 00:00:00"), ibis.timestamp("9999-12-29 00:00:00"))
    return ibis.ifelse(far_from_ends, True, _within_calendar(local_time(utc, zone)).notnull()).fill_null(False)


def _within_calendar(time: ir.TimestampValue) -> ir.TimestampValue:
    """Return the time if its year is 1 to 9999, else null: parquet and offsets allow years that calendars do not."""
    inside = time.between(ibis.timestamp("0001-01-01 00:00:00"), ibis.timestamp("9999-12-31 23:59:59.999999"))
    return ibis.ifelse(inside, time, ibis.null("timestamp"))
