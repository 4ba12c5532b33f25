"""Whether dates such as 5/4/2024 have the day or the month first: a column's values tell, else the country."""

import functools
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import ibis.expr.types as ir
from babel import Locale, UnknownLocaleError

from smsroi_helpers.errors import DataError

__all__ = [
    "YEAR_LAST",
    "DateOrder",
    "count_orders",
    "country_order",
    "decide_order",
    "has_year_last",
]

YEAR_LAST = r"^([0-9]{1,2})[-/.] ?([0-9]{1,2})([-/.]) ?([0-9]{4})\b,?"
"""A date with the year last, at the start of a text; for the engine (RE2) and Python."""
_FULL_WIDTH, _HALF_WIDTH = "０１２３４５６７８９／．－", "0123456789/.-"

_MIXED = ("CA",)
"""Countries where CLDR names one order, but people write both."""

Order = Literal["day", "month"]


@dataclass(frozen=True)
class DateOrder:
    """How many dates of a column show their order."""

    day_first: int
    """Dates whose first number is above 12."""
    month_first: int
    """Dates whose second number is above 12."""
    open: int
    """Dates that may be either, such as 5/4/2024."""
    rows: int
    """All dates with the year last, also those such as 5/5/2024."""
    dots: int
    """Of the open ones, those with dots, which hardly anybody writes with the month first."""


def has_year_last(shape: str) -> bool:
    """Whether a text, half-width, begins with a date with the year last.

    >>> has_year_last("99/9/9999 99:99"), has_year_last("9999-99-99"), has_year_last("9.9.99")
    (True, False, False)
    """
    return re.match(YEAR_LAST, shape) is not None


def count_orders(rows: ir.Table, names: Collection[str]) -> dict[str, DateOrder]:
    """Count in one pass what the dates of columns of text show of their order."""
    measures: dict[str, ir.Value] = {}
    for name in names:
        text = rows[name].translate(_FULL_WIDTH, _HALF_WIDTH).strip()
        first, second = (text.re_extract(YEAR_LAST, group).try_cast("int64") for group in (1, 2))
        either = (first <= 12) & (second <= 12) & (first != second)
        measures |= {
            f"{name}__day_first": ((first > 12) & (second <= 12)).sum(),
            f"{name}__month_first": ((second > 12) & (first <= 12)).sum(),
            f"{name}__open": either.sum(),
            f"{name}__rows": first.count(),
            f"{name}__dots": (either & (text.re_extract(YEAR_LAST, 3) == ".")).sum(),
        }
    counts = rows.aggregate(**measures).to_pyarrow().to_pylist()[0] if measures else {}
    fields = ("day_first", "month_first", "open", "rows", "dots")
    return {name: DateOrder(*(int(counts[f"{name}__{field}"] or 0) for field in fields)) for name in names}


def decide_order(where: str, found: DateOrder, country: str, remedy: str) -> Order:
    """Return which comes first in the dates of a column.

    Args:
        where: table and column, for messages.
        found: what the dates show.
        country: of the source (ISO 3166-1); empty: not known.
        remedy: what to do if nothing tells.

    Raises:
        DataError: some dates have the day first and others the month, or nothing tells which is first.
    """
    if found.day_first and found.month_first:
        raise DataError(
            f"{where}: {found.day_first:,} dates such as 25/4/2024 have the day first and {found.month_first:,} such as"
            " 4/25/2024 the month; write the year first, or convert them with strptime in a .sql mapping"
        )
    if found.day_first or found.month_first:
        return "day" if found.day_first else "month"
    if usual := country_order(country):
        return usual
    if found.open == found.dots:
        return "day"
    raise DataError(
        f"{where}: {found.open:,} dates such as 5/4/2024 may have the day or the month first, and no value shows which;"
        f" {remedy}"
    )


@functools.cache
def country_order(country: str) -> Order | None:
    """Return what comes first in a country's dates, by CLDR; None if that is not clear there.

    Where the usual date has the year first, the order of a date without a year counts, if it has the day first.

    >>> country_order("US"), country_order("DE"), country_order("SE"), country_order("CA")
    ('month', 'day', 'day', None)
    """
    try:
        locale = Locale.parse(f"und_{country}") if country and country not in _MIXED else None
    except (UnknownLocaleError, ValueError):
        return None
    if locale is None:
        return None
    usual = re.sub(r"'[^']*'|[^dMy]", "", locale.date_formats["short"].pattern)
    if usual[:1] in ("d", "M"):
        return "day" if usual[0] == "d" else "month"
    without_year = locale.datetime_skeletons.get("Md")
    return "day" if without_year is not None and without_year.pattern.startswith("d") else None
