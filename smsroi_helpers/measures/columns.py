"""Small expressions that the measures share: columns a source may lack, joins that keep every row, elapsed time."""

import ibis
import ibis.expr.types as ir

__all__ = [
    "beside",
    "hours_between",
    "optional",
]


def optional(table: ir.Table, column: str, kind: str) -> ir.Value:
    """The column, or a null of its kind where the source has no such column."""
    return table[column] if column in table.columns else ibis.null(kind)


def hours_between(start: ir.TimestampValue, end: ir.TimestampValue) -> ir.FloatingValue:
    """Elapsed hours between two instants; in microseconds first, since coarser units count the boundaries crossed."""
    return end.delta(start, unit="microsecond") / 3_600_000_000


def beside(rows: ir.Table, more: ir.Table, *keys: str) -> ir.Table:
    """Every row, and beside it the columns of `more` (at most one row a key); null where it has no such key."""
    more = more.rename({f"{key}__more": key for key in keys})
    joined = rows.left_join(more, [rows[key] == more[f"{key}__more"] for key in keys])
    return joined.drop(*(f"{key}__more" for key in keys))
