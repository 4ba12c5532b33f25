"""How Ibis writes the SQL of DuckDB, with two changes: less copying, and the same text in every process.

Writing the SQL of a long expression takes longer than its query over a small source.
"""

from collections.abc import Iterable
from typing import Any

import ibis.expr.operations as ops
import sqlglot.expressions as sge
from ibis.backends.sql.compilers.duckdb import DuckDBCompiler

__all__ = ["Compiler"]


class Compiler(DuckDBCompiler):  # type: ignore[misc]  # Ibis has no types
    """Writes the SQL of Ibis expressions; Ibis names the methods after its operations."""

    __slots__ = ()

    def visit_JoinReference(self, _: ops.Node, *, parent: sge.Expression, **__: Any) -> sge.Expression:  # noqa: N802
        """A side of a join is the query below it, under another alias.

        Ibis would copy that query, with all joins in it, to change the alias. The query is used only here: what is used
        twice has a name of its own (a common table expression), which is a `Table`.
        """
        return parent.this if isinstance(parent, sge.Subquery) else parent

    visit_SelfReference = visit_JoinReference  # noqa: N815

    def visit_DropColumns(  # noqa: N802
        self, op: ops.Node, *, parent: sge.Expression, columns_to_drop: Iterable[str]
    ) -> sge.Expression:
        """Columns left out are named in alphabetical order.

        Ibis has them in a set, whose order changes with each start of Python. Results are cached by the text of their
        SQL (`source.shop`), so a notebook started again would compute them again.
        """
        return super().visit_DropColumns(op, parent=parent, columns_to_drop=sorted(columns_to_drop))
