"""Leave out the total in the last row of an export, which would double the revenue."""

import math
import re

import ibis.expr.types as ir

from smsroi_helpers.errors import redact, shortened, shown_value
from smsroi_helpers.source.header import LINE
from smsroi_helpers.source.loaded import Finding, finding_of

__all__ = [
    "without_total_row",
]

_TOTAL = re.compile(
    r"(?:(?:grand|sub)[ -]?)?totals?|sum|summe|gesamt|gesamtsumme|somme|totale|totaal|suma|итого"
    r"|合计|总计|小计|总和|汇总|合計|總計",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"[^\d]{0,4}\d[\d.,' ]*[^\d]{0,4}")
_CENT = 0.01


def without_total_row(rows: ir.Table, file_name: str) -> tuple[ir.Table, Finding | None]:
    """Return the rows without a total in the last one, and what to say of it; the rows themselves if there is none.

    The last row is a total if a number in it is the sum of the column's other values and either a field is called
    "total" or it has nothing but numbers in few of its fields; or if its first filled field is called "total" and it
    contains a number. A row with a date or a name is no total, though most of its fields are empty.

    Args:
        rows: columns of text, with `LINE`.
        file_name: for the finding.
    """
    last = rows.filter(rows[LINE] == rows[LINE].max()).limit(1).to_pyarrow().to_pylist()
    if not last:
        return rows, None
    line = last[0].pop(LINE)
    filled = {name: text.strip() for name, text in last[0].items() if text and text.strip()}
    named = [bool(_TOTAL.fullmatch(text.rstrip(": "))) for text in filled.values()]
    numbers = {name: text for name, text in filled.items() if _NUMBER.fullmatch(text)}
    bare = len(numbers) == len(filled) <= len(last[0]) / 2
    if not numbers or not (any(named) or bare):
        return rows, None
    above = rows.filter(rows[LINE] < line)
    place = redact(shortened(file_name))
    for name, text in numbers.items():
        if _is_sum(above, name, text, smallest_rows=1 if any(named) else 2):
            return above, finding_of(place, "", "total row", 1, name=shown_value(name))
    if named[0]:
        return above, finding_of(place, "", "total row that is not the sum", 1, severity="warning")
    return rows, None


def _is_sum(above: ir.Table, name: str, text: str, smallest_rows: int) -> bool:
    """Whether a number is the sum of a column, with either decimal mark."""
    readings = (_reading(above[name], ","), _reading(above[name], "."))
    shown = [_value(text, ","), _value(text, ".")]
    found = above.aggregate(
        **{f"sum{place}": reading.sum() for place, reading in enumerate(readings)},
        **{f"n{place}": reading.count() for place, reading in enumerate(readings)},
    ).to_pyarrow().to_pylist()[0]  # fmt: skip
    return any(
        value is not None
        and found[f"n{place}"] >= smallest_rows
        and found[f"sum{place}"] != 0
        and math.isclose(found[f"sum{place}"], value, rel_tol=1e-9, abs_tol=_CENT / 2)
        for place, value in enumerate(shown)
    )


def _reading(column: ir.StringValue, grouping: str) -> ir.FloatingValue:
    """Read a column of amounts, of which one mark groups thousands."""
    text = column.re_replace(r"[^0-9.,+-]", "").replace(grouping, "").replace(",", ".")
    return text.try_cast("float64")


def _value(text: str, grouping: str) -> float | None:
    try:
        return float(re.sub(r"[^0-9.,+-]", "", text).replace(grouping, "").replace(",", "."))
    except ValueError:
        return None
