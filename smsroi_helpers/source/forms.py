"""Decide how the text of a column is written: its decimal mark, currency, and forms of time.

The engine counts the shapes of a column's values (every digit is written as 9). From them it is decided for the column
as a whole what a value alone does not tell: `1.250` is 1250 where another value is `12,50`.
"""

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, replace
from typing import Literal

import ibis
import ibis.expr.types as ir

from smsroi_helpers.contract import MONEY, Column
from smsroi_helpers.errors import DataError
from smsroi_helpers.source.currencies import CURRENCY, ShownCurrency, codes_of, currencies_in, pattern_of
from smsroi_helpers.source.dates import DateOrder, Order, count_orders, decide_order, has_year_last
from smsroi_helpers.source.loaded import Finding, finding_of
from smsroi_helpers.source.settings import Settings
from smsroi_helpers.source.time_zones import country_of_zone

__all__ = [
    "DASHES",
    "HALF_DAYS",
    "ZONES",
    "Form",
    "Forms",
    "Shape",
    "decide_number_form",
    "decide_time_form",
    "find_forms",
    "zones_in",
]

_MAX_SHAPES = 2_000
"""Shapes of a column that are looked at; columns of numbers and times have some dozens."""
HALF_DAYS = "[上下]午|午[前後]|오[전후]"
"""Forenoon and afternoon in Chinese, Japanese and Korean, before the hour."""
DASHES = "\u2212\u2010\u2011\u2012\u2013\u2014\ufe63"
"""Minus signs and dashes that are read as a hyphen."""
ZONES = {
    "EST": "-05:00", "EDT": "-04:00", "CST": "-06:00", "CDT": "-05:00", "MST": "-07:00", "MDT": "-06:00",
    "PST": "-08:00", "PDT": "-07:00", "AKST": "-09:00", "AKDT": "-08:00", "HST": "-10:00",
}  # fmt: skip
"""Abbreviations of zones → offset from UTC: those of the United States, as RFC 2822 (section 4.3) has them, with Alaska
and Hawaii. Others mean different zones in different countries."""
_CHINA_STANDARD_TIME = ("CN", "HK", "MO", "TW")
"""Countries of sources in which CST does not mean the American one, so that it is not read."""
_ZONE = re.compile(r"9(?: ?[AaPp]\.?[Mm]\.?)? ?\(?([A-Z]{3,4})\)?$")
_AS_HYPHEN = str.maketrans(DASHES, "-" * len(DASHES))
_WITH_NINES = str.maketrans("012345678", "9" * 9)
_NAME_COUNTRY = "write country: (US: the month first; GB: the day first) in source.yml, or the year first in the file"
_OWN_FORM = 0.5
"""Share of a column's values from which a form is the column's, and not that of damaged rows."""
_PLAIN_NUMBER = re.compile(r"-?[9.,]*(?:[eE][+-]?9+)?")
_PLAIN_TIME = re.compile(r"9{4}[-/.]9{1,2}[-/.]9{1,2}(?:[ T]9{1,2}:99(?::99(?:\.9+)?)?(?: ?(?:Z|[+-]99(?::?99)?))?)?")
_RAW_NUMBER = re.compile(r"[+-]?9+(?:\.9+)?")
_RAW_TIME = re.compile(r"9{4}-99-99(?:[ T]99:99(?::99(?:\.9{1,9})?)?)?")
"""Numbers and times that the engine reads as they are."""
_UNDRESSED = re.compile(rf"^[+\-(\s]*(?:{CURRENCY})?[+\-(\s]*|[\s)-]*(?:{CURRENCY})?[\s)-]*$")
_NO_CENTS = re.compile(r"(?<=9)(?:[.,]-{1,2}|:-|/-)")
"""What stands for no cents, as in `199,-`, `10.--`, `199:-` and `1,299/-`."""
"""What stands before and after the digits of a number: a currency, a minus sign or brackets."""
_BLANKS = re.compile(r"(?<=9)[ '’\u2009\u202f](?=9{3}(?!9))")
"""Blanks and apostrophes between groups of thousands."""


@dataclass(frozen=True)
class Form:
    """How the text of a column is written."""

    decimal: Literal[".", ","] = "."
    """Decimal mark of numbers; the other mark groups thousands."""
    dressed_numbers: bool = True
    """Numbers may have a currency, brackets for a minus, or blanks between thousands."""
    currency: str = CURRENCY
    """Regular expression of the currencies beside the numbers; empty if there are none."""
    named_months: bool = True
    """Times may have month names, or hours with AM and PM."""
    epochs: bool = True
    """Times may be seconds, milliseconds or microseconds since 1970."""
    other_times: bool = True
    """Times may be without separators, in words of East Asia, or with an offset such as `GMT+8`."""
    zones: tuple[str, ...] = ()
    """Abbreviations of zones behind the times."""
    year_last: Order | None = None
    """What comes first in dates with the year last; None: there are none, or they are not read."""
    plain: bool = False
    """No value has to be rewritten before the engine reads it: digits with a point, ISO dates and times without an
    offset, ids and text as they are kept."""


@dataclass(frozen=True)
class Forms:
    """How the text of a table's columns is written."""

    of: dict[str, Form]
    """By column."""
    findings: list[Finding]
    currencies: list[ShownCurrency]
    """Of the columns with money that show one."""


@dataclass(frozen=True)
class Shape:
    """Values of a column that differ only in their digits."""

    text: str
    """The value with each digit written as 9."""
    zero_first: bool
    """The whole part is 0, as in `0.125`; no group of thousands begins so."""
    rows: int

    @property
    def half_width(self) -> str:
        """The value in half-width characters (Unicode NFKC), with hyphens for dashes, without blanks around it."""
        return unicodedata.normalize("NFKC", self.text).translate(_AS_HYPHEN).translate(_WITH_NINES).strip()


def find_forms(table: str, rows: ir.Table, columns: list[Column], settings: Settings) -> Forms:
    """Decide the forms of the text columns with numbers and times.

    Args:
        table: name of the table, for messages.
        rows: the raw columns.
        columns: the definitions of those to decide.
        settings: `decimal` and `country` decide where a column leaves doubt.

    Raises:
        DataError: a column has two currencies, numbers of which the decimal mark is not known, or dates of which the
            order of day and month is not known.
    """
    found = Forms({}, [], [])
    texts = [c for c in columns if c.kind in ("float", "int", "timestamp") and rows[c.name].type().is_string()]
    shapes_by_column = _shapes(rows, texts)
    times = {c.name: decide_time_form(shapes_by_column[c.name], settings) for c in texts if c.kind == "timestamp"}
    orders = count_orders(rows, [name for name in times if _has_year_last(shapes_by_column[name])])
    for column in texts:
        name, shapes = column.name, shapes_by_column[column.name]
        where = f"table {table}, column {name}"
        if name in times:
            order = _order(where, orders.get(name), shapes, settings)
            found.of[name] = replace(times[name], year_last=order, plain=_are_all(_RAW_TIME, shapes))
            if order and (n := orders[name].open):
                found.findings.append(finding_of(table, name, f"dates with the {order} first", n))
            continue
        form = decide_number_form(where, shapes, column, settings)
        found.of[name] = replace(form, plain=form.decimal == "." and _are_all(_RAW_NUMBER, shapes))
        if (table, name) in MONEY and (shown := _shown_currency(table, name, shapes, form)):
            found.currencies.append(shown)
        if found.of[name].decimal == ",":
            n = sum(shape.rows for shape in shapes)
            found.findings.append(finding_of(table, name, "comma as decimal mark", n, n))
    return found


def _order(where: str, found: DateOrder | None, shapes: list[Shape], settings: Settings) -> Order | None:
    """Return what comes first in dates with the year last; None if there are none, or too few to be the column's form.

    Too few are damaged rows, if nothing tells how they are meant.
    """
    if found is None:
        return None
    try:
        return decide_order(where, found, settings.country, _NAME_COUNTRY)
    except DataError:
        if found.rows >= _OWN_FORM * sum(shape.rows for shape in shapes):
            raise
        return None


def _has_year_last(shapes: list[Shape]) -> bool:
    return len(shapes) >= _MAX_SHAPES or any(has_year_last(shape.half_width) for shape in shapes)


def _shown_currency(table: str, column: str, shapes: list[Shape], form: Form) -> ShownCurrency | None:
    """Return what a column of money shows of its currency; None if it shows none."""
    words: Counter[str] = Counter()
    rows = 0
    for shape in shapes:
        found = currencies_in(shape.half_width)
        words.update(dict.fromkeys(found, shape.rows))
        rows += shape.rows if found else 0
    has_cents = any(re.search(rf"9{re.escape(form.decimal)}99?(?!9)", shape.half_width) for shape in shapes)
    return ShownCurrency(table, column, tuple(dict(words.most_common())), rows, has_cents) if words else None


def _shapes(rows: ir.Table, columns: list[Column]) -> dict[str, list[Shape]]:
    """Return the shapes of each column, the most frequent first."""
    parts = []
    for number, column in enumerate(columns):
        # Each different value is read once: amounts repeat.
        values = rows.group_by(value=rows[column.name].nullif("")).aggregate(rows=ibis._.count())
        of_time = column.kind == "timestamp"
        shaped = values.filter(values.value.notnull()).select(
            "rows",
            text=values.value.translate("012345678", "999999999"),
            zero_first=ibis.literal(False) if of_time else values.value.re_search(r"^[^0-9]*0+[.,]"),
        )
        counted = shaped.group_by("text", "zero_first").aggregate(rows=shaped.rows.sum())
        largest = counted.order_by(ibis.desc("rows"), "text", "zero_first").limit(_MAX_SHAPES)
        parts.append(largest.mutate(column=ibis.literal(number, "int64")))
    shapes: dict[str, list[Shape]] = {column.name: [] for column in columns}
    if parts:
        union = ibis.union(*parts) if len(parts) > 1 else parts[0]
        for row in union.to_pyarrow().to_pylist():
            shapes[columns[row["column"]].name].append(Shape(row["text"], row["zero_first"], row["rows"]))
    return {
        name: sorted(found, key=lambda shape: (-shape.rows, shape.text, shape.zero_first))
        for name, found in shapes.items()
    }


def _are_all(pattern: re.Pattern[str], shapes: list[Shape]) -> bool:
    """Whether every value of a column has this shape; not known of one with too many shapes."""
    return len(shapes) < _MAX_SHAPES and all(pattern.fullmatch(shape.text) for shape in shapes)


def zones_in(timezone: str) -> dict[str, str]:
    """Return the abbreviations of zones that are known in a source with this time zone → offset from UTC.

    >>> "CST" in zones_in("America/Chicago"), "CST" in zones_in("Asia/Shanghai")
    (True, False)
    """
    chinese = country_of_zone(timezone) in _CHINA_STANDARD_TIME
    return {zone: offset for zone, offset in ZONES.items() if zone != "CST" or not chinese}


def decide_time_form(shapes: list[Shape], settings: Settings) -> Form:
    """Return which forms of time a column has."""
    texts = [shape.half_width for shape in shapes]
    zones = {found[1] for text in texts if (found := _ZONE.search(text))} & set(zones_in(settings.timezone))
    return Form(
        named_months=any(re.search(rf"[A-Za-z]{{3}}|[AaPp]\.?[Mm]|{HALF_DAYS}", text) for text in texts),
        epochs=any(re.fullmatch(r"9{10}(\.9+)?|9{13}|9{16}", text) for text in texts),
        other_times=len(shapes) >= _MAX_SHAPES or not all(_PLAIN_TIME.fullmatch(text) for text in texts),
        zones=tuple(sorted(zones)),
    )


def decide_number_form(where: str, shapes: list[Shape], column: Column, settings: Settings) -> Form:
    """Return the decimal mark of a column of numbers.

    Args:
        where: table and column, for messages.
        shapes: of the column's values.
        column: its definition; a largest value allowed excludes groups of thousands.
        settings: of the source.

    Raises:
        DataError: there are two currencies, or no value shows the decimal mark of those such as `1.250`.
    """
    marks: Counter[str] = Counter()
    doubtful: Counter[str] = Counter()
    words: Counter[str] = Counter()
    dressed = len(shapes) >= _MAX_SHAPES
    for shape in shapes:
        text = shape.half_width
        dressed = dressed or not _PLAIN_NUMBER.fullmatch(text)
        words.update(dict.fromkeys(currencies_in(text), shape.rows))
        whole = _NO_CENTS.sub(lambda found: f"{found[0][0]}99" if found[0][0] in ".," else "", text)
        number = _BLANKS.sub("", _UNDRESSED.sub("", whole))
        mark, sure = _decimal_mark(number, zero_first=shape.zero_first)
        if mark:
            (marks if sure else doubtful)[mark] += shape.rows
    if words and not codes_of(words):
        named = " and ".join(f"{word} in {rows:,} rows" for word, rows in words.most_common())
        raise DataError(
            f"{where}: amounts in several currencies ({named}); convert them to one in a .sql mapping, or leave the"
            " others out"
        )
    # Of more shapes than are looked at, the others may have other currencies.
    form = Form(dressed_numbers=dressed, currency=CURRENCY if len(shapes) >= _MAX_SHAPES else pattern_of(words))
    if settings.decimal and (not marks or (marks["."] and marks[","])):
        return replace(form, decimal=settings.decimal)
    if marks:
        return replace(form, decimal="," if marks[","] > marks["."] else ".")
    if doubtful["."] and not (column.maximum is not None and column.maximum < 1000):
        raise DataError(
            f"{where}: in {doubtful['.']:,} rows numbers such as 1.250 may mean 1250 or 1.25, and no other value of the"
            ' column shows which; write decimal: "," (1250) or decimal: "." (1.25) in source.yml'
        )
    return form


def _decimal_mark(number: str, *, zero_first: bool) -> tuple[str, bool]:
    """Return the decimal mark that a number's shape shows, and whether it cannot be another; empty if it shows none."""
    dots, commas = number.count("."), number.count(",")
    if not re.fullmatch(r"[9.,]+(?:[eE][+-]?9+)?", number) or not (dots or commas):
        return "", False
    if dots and commas:
        last = max(".", ",", key=number.rindex)
        return (last, True) if number.count(last) == 1 else ("", False)
    mark, other = (".", ",") if dots else (",", ".")
    if dots + commas > 1:
        grouped = re.fullmatch(r"9{1,3}(?:[.,]9{3})+|9{1,2}(?:,99)+,999", number)
        return (other, True) if grouped else ("", False)
    if re.fullmatch(r"9{1,3}[.,]9{3}", number) and not zero_first:
        return mark, False
    return mark, True
