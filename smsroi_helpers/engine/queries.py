"""Queries that a user wrote: check them, run them, and say where they fail."""

import contextlib
import functools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
from ibis.backends.duckdb import Backend as Connection

from smsroi_helpers.errors import reason_of

__all__ = [
    "QueryError",
    "QueryToken",
    "failing_column",
    "named_tables",
    "query_columns",
    "query_tokens",
    "reserved_words",
    "single_select",
    "write_query",
]


class QueryError(Exception):
    """A query that fails, with what the engine tells about it."""

    def __init__(
        self, kind: str, message: str, position: int | None = None, name: str = "", candidates: str = ""
    ) -> None:
        super().__init__(message)
        self.kind = kind
        """`Parser`, `Binder`, `Catalog`, `Conversion`, `Invalid Input`, `Out of Range`, …"""
        self.message = message
        """The engine's message. It may quote values of the data."""
        self.position = position
        """Byte of the query (in UTF-8, from 0) to which the engine points; None if it does not say."""
        self.name = name
        """Name of what does not exist."""
        self.candidates = tuple(part for part in candidates.split(",") if part)
        """Names like it."""


@dataclass(frozen=True)
class QueryToken:
    """A word or a sign of a query; comments are none."""

    position: int
    """Its first byte in the query."""
    text: str
    """The word as written, with its quotes; the first sign of others."""
    kind: str
    """`keyword`, `identifier`, `string_const`, `numeric_const` or `operator`."""


def single_select(query: str) -> str:
    """Return a query without its closing semicolon.

    Raises:
        QueryError: it cannot be parsed, or is not one SELECT, which changes no data.
    """
    try:
        kinds = [statement.type for statement in duckdb.extract_statements(query)]
    except duckdb.Error:
        with duckdb.connect() as con, _json_errors(con):
            try:
                con.execute(query)  # in an empty database, and it fails before anything runs
            except duckdb.Error as detailed:
                error = detailed
        found = _query_error(error, before=0)
        if found.position is not None:  # the parser counts characters, the binder bytes
            found.position = len(query[: found.position].encode())
        raise found from None
    if kinds != [duckdb.StatementType.SELECT]:
        raise QueryError("Statement", "a mapping must be one SELECT")
    tokens = query_tokens(query)
    while tokens and tokens[-1].text == ";":
        query = query.encode()[: tokens.pop().position].decode()
    return query


def query_columns(con: Connection, query: str) -> list[str]:
    """Return the names of the columns that a query yields.

    Raises:
        QueryError: the query cannot be prepared: a table, a column or a function does not exist, or types do not fit.
    """
    return [str(row[0]) for row in _run(con, "DESCRIBE ", query, "")]


def write_query(con: Connection, query: str, file: Path) -> None:
    """Write the result of a query as a parquet file.

    Raises:
        QueryError: the query fails.
    """
    place = str(file).replace("'", "''")
    _run(con, "COPY (", query, f"\n) TO '{place}' (FORMAT parquet)")


def failing_column(con: Connection, query: str, columns: list[str]) -> str:
    """Return the first column whose values cannot be computed; empty if the query fails without any of them.

    Args:
        con: the engine.
        query: a query that fails while it runs.
        columns: names of its columns.
    """
    for column in ["", *columns]:
        value = f"""max(hash("{column.replace('"', '""')}"))""" if column else "count(*)"
        try:
            con.raw_sql(f"SELECT {value} FROM ({query}\n)").fetchall()
        except duckdb.Error:
            return column
    return ""


@functools.lru_cache(maxsize=1_024)  # the files of a source are asked for several times
def named_tables(query: str) -> frozenset[str]:
    """Return the names of the tables that a query reads, without those that it defines itself (WITH).

    Raises:
        EngineError: the query cannot be parsed.
    """
    names: set[str] = set()
    nodes: list[tuple[Any, frozenset[str]]] = [(_syntax_tree(query), frozenset())]
    while nodes:
        node, defined = nodes.pop()
        if isinstance(node, list):
            nodes += [(part, defined) for part in node]
        elif isinstance(node, dict):
            if node.get("type") == "BASE_TABLE" and node["table_name"].casefold() not in defined:
                names.add(node["table_name"])
            if node.get("type") == "RECURSIVE_CTE_NODE":
                defined |= {node["cte_name"].casefold()}
            for entry in node.get("cte_map", {}).get("map", ()):
                nodes.append((entry["value"], defined))  # each definition knows those before it
                defined |= {entry["key"].casefold()}
            nodes += [(part, defined) for name, part in node.items() if name != "cte_map"]
    return frozenset(names)


@functools.cache
def _parser() -> duckdb.DuckDBPyConnection:
    """Return an empty database that parses queries, without threads of its own; opening one takes 40 parses."""
    return duckdb.connect(config={"threads": 1})


def _syntax_tree(query: str) -> Any:
    """Return the parsed query as JSON values.

    Raises:
        EngineError: the query cannot be parsed.
    """
    with _parser().cursor() as con:
        row = con.execute("SELECT json_serialize_sql(?)", [query]).fetchone()
    tree = json.loads(row[0]) if row else {"error": True, "error_message": ""}
    if tree["error"]:
        raise duckdb.ParserException(str(tree["error_message"]))
    return tree


def query_tokens(query: str) -> list[QueryToken]:
    """Return the words and signs of a query."""
    text = query.encode()
    tokens = []
    for position, kind in duckdb.tokenize(query):
        word = re.match(rb"""[\w$\x80-\xff]+|"(?:[^"]|"")*"|'(?:[^']|'')*'|.""", text[position:], re.DOTALL)
        written = word[0].decode(errors="replace") if word else ""
        tokens.append(QueryToken(position, written, str(kind).rpartition(".")[2]))
    return tokens


@functools.cache
def reserved_words() -> frozenset[str]:
    """Return the words of SQL, in lower case, that are no names of columns unless they are in double quotes."""
    with duckdb.connect() as con:
        rows = con.execute(
            "SELECT keyword_name FROM duckdb_keywords() WHERE keyword_category IN ('reserved', 'type_function')"
        ).fetchall()
    return frozenset(str(word) for (word,) in rows)


def _run(con: Connection, before: str, query: str, after: str) -> list[tuple[Any, ...]]:
    with _json_errors(con.con):
        try:
            return con.con.execute(f"{before}{query}{after}").fetchall()
        except duckdb.Error as error:
            raise _query_error(error, before=len(before.encode())) from None


@contextlib.contextmanager
def _json_errors(con: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Let the engine's errors be JSON, which gives the position, the name and the candidates."""
    con.execute("SET errors_as_json = true")
    try:
        yield
    finally:
        con.execute("SET errors_as_json = false")


def _query_error(error: duckdb.Error, before: int) -> QueryError:
    """Return what the engine tells; `before` is the number of bytes that precede the query."""
    text = str(error)
    try:
        answer = json.loads(text[text.index("{") :])
        position = int(answer["position"]) - before if "position" in answer else None
        return QueryError(
            str(answer["exception_type"]), str(answer["exception_message"]), position, str(answer.get("name", "")),
            str(answer.get("candidates", "")),
        )  # fmt: skip
    except (ValueError, KeyError):
        return QueryError("", reason_of(error))
