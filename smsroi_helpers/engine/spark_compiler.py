# ruff: noqa: N802, N815, ARG002, D102 - Ibis names the methods after its operations and gives all parts of one
"""How Ibis writes the SQL of Spark, where it would compute something else than DuckDB.

DuckDB's meaning is the reference. The differences, each with a test in `tests/engine/test_spark_compiler.py`: division
by zero, numbers in the query, rounding, integers from decimals, what is missing and what is not a number, differences
of times, text of times, clocks of time zones, and types of results.
"""

import calendar
import math
from collections.abc import Iterable
from typing import Any

import ibis.expr.datatypes as dt
import ibis.expr.operations as ops
import sqlglot as sg
import sqlglot.expressions as sge
from ibis.backends.sql.compilers.base import NULL, STAR
from ibis.backends.sql.compilers.pyspark import PySparkCompiler

__all__ = ["Compiler"]

_STRFTIME = {
    "%Y": "yyyy", "%m": "MM", "%d": "dd", "%H": "HH", "%M": "mm", "%S": "ss", "%j": "DDD", "%y": "yy",
}  # fmt: skip
_SECONDS = {"second": 1, "minute": 60, "hour": 3_600}
_MONTHS = {"month": 1, "quarter": 3, "year": 12}


class Compiler(PySparkCompiler):  # type: ignore[misc]  # Ibis has no types
    """Writes the SQL of Ibis expressions; Ibis names the methods after its operations."""

    __slots__ = ()

    # --- tables, as in `engine.compiler` -----------------------------------------------------------------------------

    def visit_JoinReference(self, _: ops.Node, *, parent: sge.Expression, **__: Any) -> sge.Expression:
        """A side of a join is the query below it, under another alias; see `engine.compiler`."""
        return parent.this if isinstance(parent, sge.Subquery) else parent

    visit_SelfReference = visit_JoinReference

    def visit_DropColumns(
        self, op: ops.Node, *, parent: sge.Expression, columns_to_drop: Iterable[str]
    ) -> sge.Expression:
        """Columns left out are named in alphabetical order; see `engine.compiler`."""
        return super().visit_DropColumns(op, parent=parent, columns_to_drop=sorted(columns_to_drop))

    # --- values ------------------------------------------------------------------------------------------------------

    def visit_NonNullLiteral(self, op: ops.Node, *, value: Any, dtype: dt.DataType) -> sge.Expression | None:
        """Numbers with decimals are of 64 bits: Spark divides its decimals to six places. Instants stay instants."""
        if dtype.is_floating():
            return self.cast(sge.convert(repr(float(value))), dt.float64) if math.isfinite(value) else None
        if dtype.is_timestamp():
            return self._timestamp(sge.Literal.string(value.isoformat(sep=" ")), dtype)
        return super().visit_NonNullLiteral(op, value=value, dtype=dtype)

    def visit_Field(self, op: ops.Node, *, rel: sge.Expression, name: str) -> sge.Expression:
        """As `visit_NonNullLiteral`."""
        return sg.column(self._gen_valid_name(name), table=rel.alias_or_name, quoted=self.quoted, copy=False)

    def visit_IsNull(self, op: ops.Node, *, arg: sge.Expression) -> sge.Expression:
        """What is not a number (NaN) is not missing."""
        return arg.is_(NULL)

    def visit_NotNull(self, op: ops.Node, *, arg: sge.Expression) -> sge.Expression:
        """As `visit_IsNull`."""
        return arg.is_(sg.not_(NULL, copy=False))

    def visit_IsNan(self, op: ops.Node, *, arg: sge.Expression) -> sge.Expression:
        """Of a missing value it is not known; Spark says that it is a number."""
        return self.if_(arg.is_(NULL), NULL, self.f.isnan(arg))

    # --- numbers -----------------------------------------------------------------------------------------------------

    def visit_Divide(self, op: ops.Node, *, left: sge.Expression, right: sge.Expression) -> sge.Expression:
        """Division by zero gives ±∞ or NaN; in Spark it is an error."""
        left, right = self._as_double(op.left, left), self._as_double(op.right, right)
        if isinstance(op.right, ops.Literal) and op.right.value:
            return sge.paren(left) / sge.paren(right)
        return self.if_(right.eq(0), sge.paren(left) * self.POS_INF, sge.paren(left) / sge.paren(right))

    def visit_FloorDivide(self, op: ops.Node, *, left: sge.Expression, right: sge.Expression) -> sge.Expression:
        """Of integers; by zero it is null."""
        if not (isinstance(op.right, ops.Literal) and op.right.value):
            right = self.f.nullif(right, 0)
        divided = sge.paren(self._as_double(op.left, left)) / sge.paren(right)
        return self.cast(self.f.floor(divided), op.dtype)

    def visit_Modulus(self, op: ops.Node, *, left: sge.Expression, right: sge.Expression) -> sge.Expression:
        """By zero it is null."""
        if not (isinstance(op.right, ops.Literal) and op.right.value):
            right = self.f.nullif(right, 0)
        return sge.Mod(this=sge.paren(left), expression=sge.paren(right))

    def visit_Round(self, op: ops.Node, *, arg: sge.Expression, digits: sge.Expression | None) -> sge.Expression:
        """Half away from zero, of the number times a power of ten; Spark rounds the shortest decimal of the number."""
        if not op.arg.dtype.is_floating():
            return super().visit_Round(op, arg=arg, digits=digits)
        places = 0 if op.digits is None else op.digits.value
        if places == 0:
            return self.cast(self.f.round(arg), op.dtype)
        power = self.cast(sge.convert(10 ** abs(places)), dt.float64)
        if places > 0:
            return sge.paren(self.f.round(sge.paren(arg) * power) / power)
        return sge.paren(self.f.round(sge.paren(arg) / power) * power)

    def visit_Cast(self, op: ops.Node, *, arg: sge.Expression, to: dt.DataType) -> sge.Expression:
        """Integers are the nearest ones, halves the even ones; Spark cuts off the decimals. Instants stay instants."""
        if to.is_integer() and op.arg.dtype.is_floating():
            return self.cast(self.f.rint(arg), to)
        if to.is_timestamp() and not op.arg.dtype.is_numeric():
            return self._timestamp(arg, to)
        return super().visit_Cast(op, arg=arg, to=to)

    def visit_CountStar(self, op: ops.Node, *, arg: Any, where: sge.Expression | None) -> sge.Expression:
        """Without rows it is 0; Ibis adds, and the sum without rows is null."""
        return self.f.count(STAR) if where is None else self.f.count(self.if_(where, 1, NULL))

    def visit_Sum(self, op: ops.Node, *, arg: sge.Expression, where: sge.Expression | None) -> sge.Expression:
        """Sums of integers are written as numbers with decimals, as by DuckDB; they are exact up to 2⁵³."""
        if op.arg.dtype.is_boolean():
            arg = self.cast(arg, dt.int32)
        if not op.arg.dtype.is_floating():
            arg = self.cast(arg, dt.float64)
        return self.agg.sum(arg, where=where)

    def visit_WindowFunction(self, op: ops.Node, **parts: Any) -> sge.Expression:
        """Ranks are integers of 64 bits."""
        window = super().visit_WindowFunction(op, **parts)
        if isinstance(op.func, ops.RankBase | ops.NTile):
            return self.cast(window, dt.int64)
        return window

    def visit_StringFind(self, op: ops.Node, **parts: Any) -> sge.Expression:
        """An integer of 64 bits."""
        return self.cast(super().visit_StringFind(op, **parts), dt.int64)

    def visit_StringLength(self, op: ops.Node, *, arg: sge.Expression) -> sge.Expression:
        """An integer of 64 bits."""
        return self.cast(self.f.char_length(arg), dt.int64)

    # --- times -------------------------------------------------------------------------------------------------------

    def _extracted(self, part: str, arg: sge.Expression) -> sge.Expression:
        """A part of a time as an integer of 64 bits: products of such parts may be large."""
        return self.cast(self.f.anon[part](arg), dt.int64)

    def visit_ExtractYear(self, op: ops.Node, *, arg: sge.Expression) -> sge.Expression:
        return self._extracted("year", arg)

    def visit_ExtractQuarter(self, op: ops.Node, *, arg: sge.Expression) -> sge.Expression:
        return self._extracted("quarter", arg)

    def visit_ExtractMonth(self, op: ops.Node, *, arg: sge.Expression) -> sge.Expression:
        return self._extracted("month", arg)

    def visit_ExtractWeekOfYear(self, op: ops.Node, *, arg: sge.Expression) -> sge.Expression:
        return self._extracted("weekofyear", arg)

    def visit_ExtractDay(self, op: ops.Node, *, arg: sge.Expression) -> sge.Expression:
        return self._extracted("day", arg)

    def visit_ExtractDayOfYear(self, op: ops.Node, *, arg: sge.Expression) -> sge.Expression:
        return self._extracted("dayofyear", arg)

    def visit_ExtractHour(self, op: ops.Node, *, arg: sge.Expression) -> sge.Expression:
        return self._extracted("hour", arg)

    def visit_ExtractMinute(self, op: ops.Node, *, arg: sge.Expression) -> sge.Expression:
        return self._extracted("minute", arg)

    def visit_ExtractSecond(self, op: ops.Node, *, arg: sge.Expression) -> sge.Expression:
        return self._extracted("second", arg)

    def visit_ExtractMicrosecond(self, op: ops.Node, *, arg: sge.Expression) -> sge.Expression:
        """Microseconds since the full second."""
        return sge.Mod(this=sge.paren(self._micros(arg)), expression=sge.convert(1_000_000))

    def visit_ExtractEpochSeconds(self, op: ops.Node, *, arg: sge.Expression) -> sge.Expression:
        """Seconds since 1970, with decimals, as by DuckDB."""
        return sge.paren(self._micros(arg) / self.cast(sge.convert(1_000_000), dt.float64))

    def visit_DayOfWeekIndex(self, op: ops.Node, *, arg: sge.Expression) -> sge.Expression:
        """0 for Monday."""
        return self.cast(self.f.anon.weekday(arg), dt.int64)

    def visit_DayOfWeekName(self, op: ops.Node, *, arg: sge.Expression) -> sge.Expression:
        names = [self.if_(number, sge.convert(name)) for number, name in enumerate(calendar.day_name)]
        return sge.Case(this=self.f.anon.weekday(arg), ifs=names)

    def visit_TimestampTruncate(self, op: ops.Node, *, arg: sge.Expression, unit: Any) -> sge.Expression:
        """Spark returns an instant; here it is a time without a zone, as before."""
        return self.cast(super().visit_TimestampTruncate(op, arg=arg, unit=unit), dt.timestamp)

    visit_DateTruncate = visit_TimestampTruncate

    def visit_TimestampDelta(
        self, op: ops.Node, *, part: sge.Expression, left: sge.Expression, right: sge.Expression
    ) -> sge.Expression:
        """The number of full days (hours …) of the calendar between, not of periods of that length."""
        unit = op.part.value
        if unit == "day":
            days = self.f.anon.datediff(self.cast(left, dt.date), self.cast(right, dt.date))
            return self.cast(days, dt.int64)
        if unit in _MONTHS:
            first, second = (self._month(value) for value in (left, right))
            return self._whole_difference(first, second, _MONTHS[unit])
        if unit == "microsecond":
            return sge.paren(self._micros(left) - self._micros(right))
        if unit not in _SECONDS:
            raise NotImplementedError(f"the difference of times in units of a {unit}")
        first, second = (self.f.anon.unix_seconds(self._instant(value)) for value in (left, right))
        return self._whole_difference(first, second, _SECONDS[unit])

    visit_DateDelta = visit_TimeDelta = visit_TimestampDelta

    def visit_Strftime(self, op: ops.Node, *, arg: sge.Expression, format_str: sge.Expression) -> sge.Expression:
        """Text of a time; signs between its parts are text."""
        text, pattern = op.format_str.value, ""
        while text:
            if (sign := text[:2]) in _STRFTIME:
                pattern, text = pattern + _STRFTIME[sign], text[2:]
            elif text[0] == "%":
                raise NotImplementedError(f"Spark has no {sign} in the text of a time")
            else:
                pattern, text = pattern + (f"'{text[0]}'" if text[0].isalpha() else text[0]), text[1:]
        return self.f.anon.date_format(arg, sge.convert(pattern))

    # --- functions that Ibis does not know ---------------------------------------------------------------------------

    def visit_ScalarUDF(self, op: ops.Node, **given: sge.Expression) -> sge.Expression:
        """DuckDB's functions that `engine` declares, in Spark's words."""
        values = list(given.values())
        match self.__sql_name__(op):
            case "timezone" if op.args[1].dtype.timezone is None:  # local time → instant
                clock = self._instant(values[1])
                is_utc = isinstance(op.args[0], ops.Literal) and op.args[0].value == "UTC"
                return clock if is_utc else self.f.anon.to_utc_timestamp(clock, values[0])
            case "timezone":  # instant → local time
                return self.cast(self.f.anon.from_utc_timestamp(values[1], values[0]), dt.timestamp)
            case "epoch_us":
                return self._micros(values[0])
            case "make_timestamp":
                return self.cast(self.f.anon.timestamp_micros(values[0]), dt.timestamp)
            case "strlen":
                return self.cast(self.f.anon.octet_length(values[0]), dt.int64)
        return super().visit_ScalarUDF(op, **given)

    # --- parts -------------------------------------------------------------------------------------------------------

    def _as_double(self, of: ops.Node, value: sge.Expression) -> sge.Expression:
        return value if of.dtype.is_floating() else self.cast(value, dt.float64)

    def _timestamp(self, value: sge.Expression, to: dt.DataType) -> sge.Expression:
        kinds = sge.DataType.Type
        return sg.cast(value, kinds.TIMESTAMPLTZ if to.timezone else kinds.TIMESTAMPNTZ, dialect=self.dialect)

    def _instant(self, value: sge.Expression) -> sge.Expression:
        """A time without a zone as Spark's instant; sessions are in UTC."""
        return sg.cast(value, sge.DataType.Type.TIMESTAMPLTZ, dialect=self.dialect)

    def _micros(self, value: sge.Expression) -> sge.Expression:
        return self.f.anon.unix_micros(self._instant(value))

    def _month(self, value: sge.Expression) -> sge.Expression:
        """Months since the year 0."""
        return sge.paren(self._extracted("year", value) * 12 + self._extracted("month", value) - 1)

    def _whole_difference(self, left: sge.Expression, right: sge.Expression, size: int) -> sge.Expression:
        first, second = (self.cast(self.f.floor(value / size), dt.int64) for value in (left, right))
        return sge.paren(first - second)
