"""Phrases of a module that a reader would see untranslated."""

import ast
import re
from collections.abc import Iterator

from tests.source_names import shown_text

_TRANSLATED = ("_", "NotEnoughData")
"""Functions whose texts are collected for translation."""
_COMMANDS = ("loc", "period", "textcoords", "xycoords")
"""Arguments whose texts tell Matplotlib what to do; `period` of a decision is a key of its table (`8 weeks`)."""
_PHRASE = re.compile(r"[A-Za-z]{2,}(?:[ ,:;’']|\{\})+[A-Za-z]{2,}|\{\} [a-z]{3,}|[a-z]{3,}:? \{\}")
"""Two words, or a word beside a value."""


def untranslated(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and text of every phrase outside `_`, and of every text that `_` gets with its values already in it.

    No reader sees docstrings, errors of programmers, annotations, and keys: what is compared, looked up, or a key of a
    dict in small letters.
    """
    unseen = {id(part) for node in _unseen(tree) for part in ast.walk(node)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant | ast.JoinedStr | ast.BinOp) or id(node) in unseen:
            continue
        if _PHRASE.search(shown_text(node)):
            unseen |= {id(part) for part in ast.walk(node)}
            yield node.lineno, ast.unparse(node)
    for node in ast.walk(tree):
        if _called(node) == "_" and isinstance(node, ast.Call) and isinstance(node.args[0], ast.JoinedStr | ast.BinOp):
            yield node.lineno, ast.unparse(node)


def _called(node: ast.AST) -> str:
    if not isinstance(node, ast.Call):
        return ""
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _unseen(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        match node:
            case ast.Call() if _called(node) in _TRANSLATED:
                yield from node.args
            case ast.Call():
                yield from (word.value for word in node.keywords if word.arg in _COMMANDS)
                yield from node.args[:1] if _called(node) == "cast" else ()
            case ast.Expr(value=ast.Constant()) | ast.Raise() | ast.Compare() | ast.Assert():
                yield node
            case ast.arg(annotation=ast.expr() as annotation) | ast.AnnAssign(annotation=annotation):
                yield annotation
            case ast.FunctionDef(returns=ast.expr() as returns):
                yield returns
            case ast.Subscript():
                yield node.slice
            case ast.Dict():
                yield from (key for key in node.keys if isinstance(key, ast.Constant) and str(key.value).islower())
            case _:
                pass
