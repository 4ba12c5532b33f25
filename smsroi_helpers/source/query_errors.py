"""Say where a mapping is wrong, and what to do: file, line, and a hint. No message quotes a value of the data."""

import difflib
import re
from collections.abc import Iterator

from smsroi_helpers.engine import QueryError, QueryToken, query_tokens, reserved_words
from smsroi_helpers.errors import DataError, reason_of, shortened, shown_value

__all__ = [
    "mapping_failure",
]

_NOT_NAMES = frozenset(
    ("all", "and", "as", "case", "cast", "distinct", "else", "except", "from", "having", "in", "intersect", "into",
     "is", "like", "limit", "not", "null", "offset", "on", "or", "order", "qualify", "select", "then", "try_cast",
     "union", "using", "where", "with")
)  # fmt: skip
"""Reserved words that hardly anyone calls a column, or that often stand where a column's name may stand."""
_MAYBE_NAMES = frozenset(("order", "limit", "offset"))
"""Those of them that are a column's name if something else follows than SQL lets follow."""
_BEFORE_A_COLUMN = frozenset((",", "(", "=", "<", ">", "+", "-", "*", "/", "|"))
_WORDS_BEFORE_A_COLUMN = frozenset(
    ("select", "distinct", "by", "where", "and", "or", "on", "not", "having", "when", "then", "else", "qualify")
)
_CLAUSES = ("select", "from", "where", "group", "order", "having", "qualify", "union", "join", "limit", "case", "when")
"""Words that are often misspelt."""
_ALIKE = 0.7
"""Share of letters that a misspelt word has in common with one of `_CLAUSES`."""
_VALUE_KINDS = ("Conversion", "Invalid Input", "Out of Range", "Mismatch Type")
"""Kinds of errors whose message may quote a value of the data."""
_TYPE_NAMES = {
    "INT": "a whole number", "UINT": "a whole number", "DOUBLE": "a number", "FLOAT": "a number",
    "DECIMAL": "a number", "BOOL": "true or false",
}  # fmt: skip
_TRY = "use try_cast or try_strptime, which leave what cannot be converted empty, or correct the export"
_MOST_CANDIDATES = 5


def mapping_failure(file_name: str, query: str, error: QueryError, column: str = "", reason: str = "") -> DataError:
    """Return the error that says where a mapping fails, why, and what to do.

    Args:
        file_name: name of the mapping's file.
        query: its text, from the first line of the file.
        error: what the engine said.
        column: the column of the result whose values cannot be computed; empty if it is not known.
        reason: what is wrong, if it is known better than from the engine.
    """
    line = _line(query, error)
    place = ", ".join(
        [file_name, *([f"line {line}"] if line else []), *([f"column {shown_value(column)}"] if column else [])]
    )
    return DataError(f"{place}: {reason or '; '.join(part for part in _reason(query, error) if part)}")


def _line(query: str, error: QueryError) -> int:
    """Return the line at which the engine points, from 1; 0 if it does not say."""
    if error.position is None:
        return query.rstrip().count("\n") + 1 if error.kind == "Parser" else 0
    return query.encode()[: max(error.position, 0)].count(b"\n") + 1


def _reason(query: str, error: QueryError) -> Iterator[str]:
    """Yield what is wrong, and hints."""
    message = error.message
    if error.kind == "Parser":
        yield shortened(reason_of(error), 200)
        yield _syntax_hint(query, error)
    elif error.kind in _VALUE_KINDS:
        yield from _value_reason(message)
    elif found := re.match(
        r'Referenced column "(.*?)" not found|Table ".*?" does not have a column named "(.*?)"', message
    ):
        name = found[1] or found[2] or ""
        yield f'no column "{shown_value(name)}"{_alternatives(error)}'
        if query.encode()[error.position or 0 :].startswith(b'"'):
            yield f"if it is a text, write it in single quotes: '{shown_value(name)}'"
    elif found := re.match(r'Column "(.*?)" referenced that exists in the SELECT clause', message):
        yield f'no column "{shown_value(found[1])}" in what the query reads: has the heading of the file changed?'
    elif "with name" in message and "does not exist" in message:
        kind, _, _rest = message.partition(" with name ")
        what = "function" if "Function" in kind else kind.lower()
        yield f'no {what} "{shown_value(error.name)}"{_alternatives(error)}'
    elif message.startswith("Referenced table"):
        yield f"{shortened(reason_of(error).rstrip('!'), 200)}{_alternatives(error)}"
    elif message.startswith("No function matches"):
        call = re.search(r"'(.*?)'\.", message)
        yield f"no function for these types: {shown_value(call[1] if call else error.name)}"
        if "VARCHAR" in message:
            yield "columns of text files and workbooks are text (VARCHAR): convert them first, as in amount::DOUBLE"
    else:
        kind = f"{error.kind} Error: " if error.kind not in ("", "Binder", "Catalog", "Statement") else ""
        yield kind + shortened(reason_of(error), 200)


def _alternatives(error: QueryError) -> str:
    """Return the names that the engine proposes."""
    listed = re.search(r"Candidate (?:bindings|tables):[: ]*(.*)", error.message)
    names = list(error.candidates) or re.findall(r'"((?:[^"]|"")*)"', listed[1] if listed else "")
    shown = ", ".join(f'"{shown_value(name)}"' for name in names[:_MOST_CANDIDATES])
    return f"; did you mean {shown}?" if shown else ""


# --- values ----------------------------------------------------------------------------------------------------------


def _value_reason(message: str) -> Iterator[str]:
    """Yield why a value cannot be used, in words of our own: the engine's message may quote the value anywhere."""
    if message.startswith("Could not convert string"):
        wanted = re.match("[A-Z]+", message.rpartition("' to ")[2])
        yield f"a text is not {_TYPE_NAMES.get(wanted[0] if wanted else '', 'of the type asked for')}"
        yield _TRY
    elif re.match(r"(date|time|timestamp|invalid (date|time|timestamp)) field", message):
        yield "a text is not a date or time of the form YYYY-MM-DD HH:MM:SS"
        yield "read another form with strptime; try_strptime and try_cast leave empty what is no date"
    elif message.startswith("Could not parse string"):
        yield "a text does not have the form that strptime is told"
        yield _TRY
    elif message.startswith("More than one row returned by a subquery"):
        yield "a subquery that stands for one value returns several rows"
    elif message.startswith(("Overflow", "Type ", "Casting value")) or "out of range" in message:
        yield "a number is too large for its type"
        yield _TRY
    else:
        yield "a value cannot be used by a function or converted to the type asked for"
        yield _TRY


# --- syntax ----------------------------------------------------------------------------------------------------------


def _syntax_hint(query: str, error: QueryError) -> str:
    """Return a hint if a reserved word is used as a column's name, or if a comma seems to be missing."""
    tokens = query_tokens(query)
    at = next((n for n, token in enumerate(tokens) if token.position == error.position), len(tokens))
    here, before = _at(tokens, at), _at(tokens, at - 1)
    for number in (at, at - 1):
        word = _at(tokens, number).text.lower()
        if word in _proposed(number == at) and _expects_column(_at(tokens, number - 1)):
            name = _at(tokens, number).text
            return f'{name} is a word of SQL: if it is a column\'s name, write it in double quotes: "{name}"'
    for token in (here, before):
        name = token.text.lower()
        meant = difflib.get_close_matches(name, _CLAUSES, 1, _ALIKE) if token.kind == "identifier" else []
        if meant and not name.startswith(_CLAUSES):  # `orders` is a table
            return f"is {shown_value(token.text)} a misspelt {meant[0].upper()}?"
    # `a b AS c` takes b for a new name of a, and stumbles over AS; `a AS b c` stumbles over c itself.
    second = at - 1 if here.text.lower() in ("as", "(", ".") else at
    if _is_value(_at(tokens, second)) and _is_value(_at(tokens, second - 1), end=True) and before.text:
        return f"is a comma missing before {shown_value(_at(tokens, second).text)}?"
    return ""


def _proposed(is_here: bool) -> frozenset[str]:
    """Return the words that may be meant as a column's name: the engine stumbles over them, or after them."""
    names = reserved_words() - _NOT_NAMES
    return names if is_here else names | _MAYBE_NAMES


def _at(tokens: list[QueryToken], number: int) -> QueryToken:
    return tokens[number] if 0 <= number < len(tokens) else QueryToken(0, "", "")


def _expects_column(token: QueryToken) -> bool:
    """Whether a column's name may follow a word or a sign."""
    return token.text in _BEFORE_A_COLUMN or token.text.lower() in _WORDS_BEFORE_A_COLUMN


def _is_value(token: QueryToken, *, end: bool = False) -> bool:
    """Whether a word is a name or a value, or (at its `end`) a closing bracket."""
    is_name = token.kind == "identifier" or token.text.lower() not in reserved_words()
    return (end and token.text == ")") or (
        is_name and token.kind in ("identifier", "keyword", "string_const", "numeric_const")
    )
