"""Numeric columns of `customers` by which the effects of experiments are adjusted, beside customers' own orders.

That a column was known before the assignment is the analyst's statement: a table of customers says what is known, not
when. A column that the treatment can change would take a part of the effect away.
"""

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir

from smsroi_helpers.contract import ATTRIBUTE_PREFIX
from smsroi_helpers.errors import UsageError
from smsroi_helpers.source import Shop

__all__ = ["MOST_COLUMNS", "with_pre_period"]

MOST_COLUMNS = 8
"""The most columns: sums of products grow with the square of their number."""
_NAME = "pre_period_columns"


def with_pre_period(shop: Shop, rows: ir.Table, columns: Sequence[str]) -> ir.Table:
    """Customers with these columns of the table customers as numbers; null where they are not known.

    Args:
        shop: the company.
        rows: with customer_id.
        columns: names that begin with attr_.

    Raises:
        UsageError: a column is missing, named twice, an outcome, or holds anything but numbers; or there are too many.
    """
    if not columns:
        return rows
    known = [name for name in shop.customers.columns if _is_named(shop, name)] if shop.has("customers") else []
    for column in columns:
        if column not in known:
            choices = ", ".join(known) or "none, the source has no such column"
            raise UsageError(f"{_NAME}: {column!r} is not a column attr_… of customers; choose from {choices}")
    if len(set(columns)) < len(columns) or len(columns) > MOST_COLUMNS:
        raise UsageError(f"{_NAME}: name each column once, and at most {MOST_COLUMNS}")
    people = shop.customers
    numbers = {name: _as_number(people[name], name) for name in columns}
    texts = [name for name in columns if people[name].type().is_string()]
    wrong = {name: people.count(where=_text(people[name]).notnull() & numbers[name].isnull()) for name in texts}
    found = shop.count(people.aggregate(**wrong)).iloc[0] if texts else {}
    for column in texts:
        if found[column]:
            raise UsageError(
                f"{_NAME}: customers.{column} has {int(found[column]):,} values that are not numbers; name numeric"
                " columns, or convert it in customers.sql"
            )
    more = people.select(pre_period_of="customer_id", **numbers)
    return rows.left_join(more, rows.customer_id == more.pre_period_of).drop("pre_period_of")


def _is_named(shop: Shop, column: str) -> bool:
    """Whether a column may be named: attr_…, and not the response, which is an outcome."""
    return column.startswith(ATTRIBUTE_PREFIX) and column != shop.settings.segments.response


def _as_number(values: ir.Column, name: str) -> ir.FloatingValue:
    kind = values.type()
    if kind.is_string():
        number = _text(values).try_cast("float64")
    elif kind.is_numeric() or kind.is_boolean():
        number = values.cast("float64")
    else:
        raise UsageError(f"{_NAME}: customers.{name} is of type {kind}, not a number")
    return ibis.ifelse(number.isnan() | number.isinf(), ibis.null("float64"), number)


def _text(values: ir.StringColumn) -> ir.StringColumn:
    return values.strip().nullif("")
