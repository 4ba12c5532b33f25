"""Types of parameters, from the parameters cell and the contract, and the conversion of values.

papermill injects any value with a guessed type, and inserts the name of a parameter as code. Therefore names and types
are checked here.
"""

import ast
import datetime as dt
import io
import json
import math
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath
from typing import Annotated, Any, Literal, Union

import pydantic

from smsroi_helpers.errors import UsageError, complaint

__all__ = [
    "COMMON",
    "RUN_WIDE",
    "Parameter",
    "convert_text",
    "convert_value",
    "quoted",
    "read_literals",
    "refuse_secret",
]

_SECRET_NAME = re.compile(
    r"(?i)password|passwd|passphrase|(^|_)pwd($|_)|secret|credential|(^|_)token($|_)|api_?key|(^|_)key($|_)"
)
_SECRET_VALUE = re.compile(r"(?i)://[^/\s:@]*:[^/\s@]+@|\b(password|passwd|pwd|secret|token|api_?key|key)=")


def _iso_date_or_empty(text: str) -> str:
    if text and not (re.fullmatch(r"\d{4}-\d\d-\d\d", text) and _is_date(text)):
        raise ValueError("must be a date (YYYY-MM-DD) or empty")
    return text


def _is_date(text: str) -> bool:
    try:
        dt.date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _without_parent_folder(text: str) -> str:
    if ".." in PurePosixPath(text).parts or ".." in PureWindowsPath(text).parts:
        raise ValueError("must not contain '..'")
    return text


COMMON: dict[str, Any] = {
    "data": Annotated[str, pydantic.Field(min_length=1), pydantic.AfterValidator(_without_parent_folder)],
    "run_dir": str,
    "as_of": Annotated[str, pydantic.AfterValidator(_iso_date_or_empty)],
    "language": Literal["en", "zh"],
    "seed": Annotated[int, pydantic.Field(ge=0)],
    "previous_run": Annotated[str, pydantic.AfterValidator(_without_parent_folder)],
    "segment_by": str,
    "max_rejected_share": Annotated[float, pydantic.Field(ge=0, le=1)],
    "min_cell_customers": Annotated[int, pydantic.Field(ge=1)],
}
"""Types of the parameters that notebooks share (data contract, section 2)."""

RUN_WIDE = ("data", "as_of", "language", "previous_run", "max_rejected_share")
"""Parameters with one value for all notebooks, because the runner reads the source once."""


@dataclass(frozen=True)
class Parameter:
    """One line of a `parameters` cell."""

    name: str
    default: Any
    meaning: str
    """Comment at the end of the line."""
    annotation: Any
    """Type that pydantic validates."""


# --- a parameters cell ----------------------------------------------------------------------------------------


def read_literals(source: str, where: str) -> Iterator[tuple[str, Any, str, Any]]:
    """Yield (name, value, comment, annotation) of each assignment, in order.

    Raises:
        UsageError: the source is not valid Python, has anything but assignments of literals, or contains a secret.
    """
    try:
        tree = ast.parse(source)
        comments = {
            token.start[0]: token.string.lstrip("# ").strip()
            for token in tokenize.generate_tokens(io.StringIO(source).readline)
            if token.type == tokenize.COMMENT
        }
    except (SyntaxError, tokenize.TokenError):
        raise UsageError(f"{where}: it is not valid Python") from None
    for statement in tree.body:
        line = f"{where}, line {statement.lineno}"
        annotated: Any = None
        if not isinstance(statement, ast.Assign | ast.AnnAssign):
            raise UsageError(f"{line}: only `name = literal  # meaning` is allowed here")
        if statement.value is None:
            raise UsageError(f"{line}: a parameter needs a default")
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        try:
            value = ast.literal_eval(statement.value)
            if isinstance(statement, ast.AnnAssign):
                annotated = _type_of_annotation(statement.annotation)
        except ValueError:
            raise UsageError(f"{line}: the value must be a literal; derived values go in the next cell") from None
        if not _is_plain(value):
            raise UsageError(f"{line}: a {type(value).__name__} cannot be a parameter; {_PLAIN}")
        for target in targets:
            if not isinstance(target, ast.Name):
                raise UsageError(f"{line}: only `name = literal  # meaning` is allowed here")
            refuse_secret(target.id, value, line)
            yield target.id, value, comments.get(statement.end_lineno or 0, ""), annotated or _type_of_value(value)


_PLAIN = "text, numbers, true/false, null, lists and mappings of these can"
_BUILTINS: dict[str, Any] = {"str": str, "int": int, "float": float, "bool": bool, "list": list, "dict": dict}


def _type_of_value(value: Any) -> Any:
    return Any if value is None else type(value)


def _type_of_annotation(node: ast.expr) -> Any:
    """Return the type of an annotation; None for forms that parameters do not use (then the literal's type counts)."""
    match node:
        case ast.Name(id=name):
            return _BUILTINS.get(name)
        case ast.Constant(value=None):
            return type(None)
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            sides = _type_of_annotation(left), _type_of_annotation(right)
            return None if None in sides else Union[sides]  # noqa: UP007 - the sides are known only here
        case ast.Subscript(value=ast.Name(id="Literal"), slice=choices):
            options = ast.literal_eval(choices)
            return Literal[options]
        case ast.Subscript(value=ast.Name(id="list" | "dict" as name)):
            return _BUILTINS[name]
    return None


# --- values -------------------------------------------------------------------------------------------------


def _is_plain(value: Any) -> bool:
    if isinstance(value, list):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(item) for key, item in value.items())
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or type(value) in (str, int, bool)


def _not_plain(value: Any) -> Any:
    """The first part of a value that is not plain, or the value itself."""
    parts = value if isinstance(value, list) else value.values() if isinstance(value, dict) else ()
    return next((_not_plain(part) for part in parts if not _is_plain(part)), value)


def _dates_as_text(value: Any) -> Any:
    """A value whose dates, at any depth, are ISO text."""
    if isinstance(value, list):
        return [_dates_as_text(part) for part in value]
    if isinstance(value, dict):
        return {key: _dates_as_text(part) for key, part in value.items()}
    return value.isoformat() if isinstance(value, dt.date) and not isinstance(value, dt.datetime) else value


def refuse_secret(name: str, value: Any, where: str) -> None:
    """Refuse a value that looks like a secret by its name or content, at any depth.

    Raises:
        UsageError: it looks like a secret; the message does not contain the value.
    """
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    if _SECRET_NAME.search(name) or (isinstance(value, str) and _SECRET_VALUE.search(value)):
        raise UsageError(
            f"{where}: {name} looks like a secret, and parameters are written into notebooks and manifests; "
            "set it as an environment variable and refer to it in source.yml as ${NAME}"
        )
    for key, item in items:
        refuse_secret(str(key), item, where)


def convert_value(value: Any, parameter: Parameter, where: str) -> Any:
    """Return the value in its declared type: an int is valid for a float, a bool is not a number.

    Raises:
        UsageError: the value has another type or is not allowed.
    """
    value = _dates_as_text(value)
    if not _is_plain(value):
        odd = _not_plain(value)
        kind = "a number that is not finite" if isinstance(odd, float) else f"a {type(odd).__name__}"
        verb = "is" if odd is value else "contains"
        raise UsageError(f"{where}: {parameter.name} {verb} {kind}; only {_PLAIN} be a parameter")
    refuse_secret(parameter.name, value, where)
    try:
        return _adapter(parameter).validate_python(value)
    except pydantic.ValidationError as error:
        raise UsageError(f"{where}: {parameter.name} {_complaint(error)}, not {quoted(value)}") from None


def _adapter(parameter: Parameter) -> pydantic.TypeAdapter[Any]:
    return pydantic.TypeAdapter(parameter.annotation, config=pydantic.ConfigDict(strict=True))


def _complaint(error: pydantic.ValidationError) -> str:
    messages = dict.fromkeys(complaint(item["msg"]) for item in error.errors())
    return ", or ".join(messages)


def quoted(value: Any) -> str:
    """Return a value for use in a message, shortened."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def convert_text(text: str, parameter: Parameter, where: str) -> Any:
    """Convert text from a command line: the text itself if the type allows it, else the JSON value that it spells.

    '00123' is kept for a text parameter and refused for a number.
    """
    adapter = _adapter(parameter)
    try:
        spelled = [json.loads({"True": "true", "False": "false", "None": "null"}.get(text, text))]
    except ValueError:
        spelled = []
    for candidate in (text, *spelled):
        try:
            adapter.validate_python(candidate)
        except pydantic.ValidationError:
            continue
        return convert_value(candidate, parameter, where)
    return convert_value(spelled[0] if spelled else text, parameter, where)
