"""The same key for the same expression in every process, without writing its SQL.

Writing the SQL of an expression takes longer than most queries over a small source, and half of what a notebook asks
has been counted by another. A key costs a hash for each node that no earlier expression of the process has.
"""

import datetime as dt
import decimal
import enum
import functools
import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import ibis
import pyarrow as pa
from ibis.backends import BaseBackend
from ibis.common.graph import Node
from ibis.common.grounds import Concrete
from ibis.expr.operations import AggUDF, InMemoryTable, ScalarUDF, SelfReference
from ibis.expr.schema import Schema

from smsroi_helpers.engine.duckdb import Connection

__all__ = ["expression_key"]

_SIMPLE = (type(None), bool, int, float, str, bytes, dt.date, dt.time, dt.timedelta, decimal.Decimal)


class _UnknownError(Exception):
    """A part of an expression of which it is not known what identifies it."""


def expression_key(con: Connection, expression: Node, known: dict[Node, str]) -> str | None:
    """Return a key of an expression; None if it has a part that only its SQL identifies.

    Two expressions have the same key only if they have the same operations on the same tables by name, in the same
    engine; tables of Python's rows count by these rows, because Ibis names them at random.

    Args:
        con: the engine.
        expression: `op()` of a table.
        known: keys of the parts that earlier calls have met; new ones are added.
    """
    waiting = [expression]
    try:
        while waiting:
            node = waiting[-1]
            if node in known:
                waiting.pop()
            elif missing := [child for child in node.__children__ if child not in known]:
                waiting += missing
            else:
                known[waiting.pop()] = _hash_of("\n".join(_parts(node, known)))
    except _UnknownError:
        return None
    return _hash_of(f"{ibis.__version__} {con.name} {known[expression]}")


def _hash_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _parts(node: Node, known: Mapping[Node, str]) -> Iterator[str]:
    """What identifies a node, as texts."""
    if isinstance(node, SelfReference):  # numbered in the order in which a process makes them
        raise _UnknownError
    yield f"{type(node).__module__}.{type(node).__qualname__}"
    if isinstance(node, ScalarUDF | AggUDF):
        yield f"{node.__func_name__} {node.__udf_namespace__!r} {node.dtype!r}"
    if isinstance(node, InMemoryTable):
        rows, written = node.data.to_pyarrow(node.schema), pa.BufferOutputStream()
        with pa.ipc.new_stream(written, rows.schema) as stream:
            stream.write_table(rows)
        yield f"{node.schema!r} {hashlib.sha256(written.getvalue()).hexdigest()}"
        return
    for value in node.__args__:
        yield from _texts(value, known)


@functools.singledispatch
def _texts(value: Any, _known: Mapping[Node, str]) -> Iterator[str]:
    """The texts of an argument; each begins with its kind, and collections say where they end."""
    if not isinstance(value, _SIMPLE):
        raise _UnknownError
    yield f"{type(value).__name__} {value!r}"


@_texts.register
def _(value: Concrete, known: Mapping[Node, str]) -> Iterator[str]:
    """A node (by its key), a type of data, or a namespace."""
    if isinstance(value, Node):
        yield f"node {known[value]}"
        return
    yield f"{type(value).__module__}.{type(value).__qualname__}("
    for one in value.__args__:
        yield from _texts(one, known)
    yield ")"


@_texts.register
def _(value: Schema, known: Mapping[Node, str]) -> Iterator[str]:
    yield from _texts(dict(value.items()), known)


@_texts.register(tuple)
@_texts.register(list)
def _(value: tuple[Any, ...] | list[Any], known: Mapping[Node, str]) -> Iterator[str]:
    yield "["
    for one in value:
        yield from _texts(one, known)
    yield "]"


@_texts.register
def _(value: Mapping, known: Mapping[Node, str]) -> Iterator[str]:  # type: ignore[type-arg]
    yield "{"
    for name, one in value.items():
        yield from _texts(name, known)
        yield from _texts(one, known)
    yield "}"


@_texts.register
def _(value: frozenset, known: Mapping[Node, str]) -> Iterator[str]:  # type: ignore[type-arg]
    yield "set"
    yield from sorted("".join(_texts(one, known)) for one in value)
    yield "."


@_texts.register
def _(value: enum.Enum, _known: Mapping[Node, str]) -> Iterator[str]:
    yield f"{type(value).__qualname__} {value.name}"


@_texts.register
def _(_value: BaseBackend, _known: Mapping[Node, str]) -> Iterator[str]:
    yield "engine"
