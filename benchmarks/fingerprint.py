"""Fingerprint of the code that a claim runs, so that only claims whose code has changed are run again.

From the claim's function, the definitions that it can reach are followed by name through the modules of this project: a
function leads to the functions, classes and constants that it names, a class to all of its body. This errs on the side
of including too much: a local variable named like a function of its module brings that function in.

The parsed code is hashed, without comments, docstrings and the texts of exceptions. Modules that only write text and
draw pictures are left out. A decorator that registers a function is not followed to whoever asks the register.
"""

import ast
import functools
import hashlib
import importlib.metadata
import importlib.util
import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["fingerprint", "reached"]

ROOT = Path(__file__).resolve().parents[1]
_OURS = ("benchmarks", "smsroi_helpers", "tests")
_PRESENTATION = re.compile(r"smsroi_helpers\.(locale|pages|(?!contract\b)\w+\.(wording|figures|tables))\b")
"""Modules that only put results into words, tables and pictures: no claim depends on them."""
_WORDING = re.compile(r"smsroi_helpers\.\w+\.wording\b")
_DEFINITIONS = (
    ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Import,
    ast.ImportFrom,
)  # fmt: skip
_LIBRARIES = ("numpy", "pandas", "scipy", "statsmodels", "scikit-learn", "ibis-framework", "duckdb")


def fingerprint(run: Callable[..., Any]) -> str:
    """Hash of the code that a function runs and of the versions of the libraries that compute.

    Args:
        run: a function at the top of a module, perhaps in `functools.partial` with numbers, texts or such functions.

    Returns:
        12 hexadecimal digits.

    Raises:
        ValueError: the code reaches a module that puts results into words, whose code is not followed.
    """
    digest = hashlib.sha256(_describe(run).encode())
    for name in _LIBRARIES:
        digest.update(f"{name} {importlib.metadata.version(name)}\n".encode())
    return digest.hexdigest()[:12]


def _describe(value: object) -> str:
    """A text that is the same in every process, and another for another value or other code."""
    if isinstance(value, functools.partial):
        values = [value.func, *value.args, *(each for pair in sorted(value.keywords.items()) for each in pair)]
        return f"partial({', '.join(map(_describe, values))})"
    if isinstance(value, tuple | list):
        return f"({', '.join(map(_describe, value))})"
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{value.shape}{value.tolist()}"
    if inspect.isfunction(value):
        cells = tuple(cell.cell_contents for cell in value.__closure__ or ())
        return f"{value.__module__}.{value.__qualname__}{_describe(cells)}{reached(value)}"
    if callable(value):
        name = getattr(value, "__qualname__", None)
        if name is None:
            raise TypeError(f"{value!r} is neither a function nor a partial one: its code cannot be followed")
        return f"{getattr(value, '__module__', '')}.{name}"
    return repr(value)


def reached(run: Callable[..., Any]) -> list[tuple[str, str]]:
    """The module and the parsed code of every definition that a function can reach, in the order of the modules."""
    function = run.func if isinstance(run, functools.partial) else run
    walk = _Walk()
    if "<" in function.__qualname__:  # a lambda or a nested function has no definition of its own
        walk.whole(function.__module__)
    else:
        walk.name(function.__module__, function.__qualname__.split(".")[0])
    return [(module, _read(module).text(place)) for module, place in sorted(walk.seen)]


@dataclass(frozen=True)
class _Module:
    """The statements of a module, without what only a reader sees."""

    name: str
    body: list[ast.stmt]
    definitions: dict[str, list[int]]
    """Name → places in `body` of the statements that bind it."""
    imports: dict[str, list[tuple[str, str]]]
    """Name → modules and the name there; the name is empty where the module itself is bound. `*` for what is imported
    as a whole."""
    at_import: list[int]
    """Places of the statements that are no definitions: they run when the module is imported."""
    _texts: dict[int, str] = field(default_factory=dict)
    _names: dict[int, list[tuple[str, str]]] = field(default_factory=dict)

    def text(self, place: int) -> str:
        """The parsed code of a statement."""
        if place not in self._texts:
            self._texts[place] = ast.dump(self.body[place])
        return self._texts[place]

    def names(self, place: int) -> list[tuple[str, str]]:
        """The names that a statement uses, each with the module in which to look it up."""
        if place not in self._names:
            self._names[place] = list(dict.fromkeys(_names(self.name, self.body[place])))
        return self._names[place]


class _Walk:
    def __init__(self) -> None:
        self.seen: set[tuple[str, int]] = set()
        self._modules: set[str] = set()

    def name(self, module: str, name: str) -> None:
        """Follow a name of a module, wherever it is defined."""
        if not _is_ours(module):
            return
        self._enter(module)
        code = _read(module)
        for place in code.definitions.get(name, ()):
            self._statement(module, place)
        for target, attribute in code.imports.get(name, ()):
            if _WORDING.match(target) or _WORDING.match(f"{target}.{attribute}"):
                raise ValueError(f"{module} uses {name} of {target}, whose code is not followed: use its decision")
            if not attribute:
                self.whole(target)
            elif _is_ours(f"{target}.{attribute}"):
                self.whole(f"{target}.{attribute}")
            else:
                self.name(target, attribute)
        for target, _star in code.imports.get("*", ()):
            self.whole(target)

    def whole(self, module: str) -> None:
        """Follow everything that a module defines or imports."""
        if not _is_ours(module):
            return
        self._enter(module)
        code = _read(module)
        for name in (*code.definitions, *code.imports):
            self.name(module, name)

    def _enter(self, module: str) -> None:
        if module not in self._modules:
            self._modules.add(module)
            for place in _read(module).at_import:
                self._statement(module, place)

    def _statement(self, module: str, place: int) -> None:
        if (module, place) in self.seen:
            return
        self.seen.add((module, place))
        for target, name in _read(module).names(place):
            self.name(target, name)


def _names(module: str, statement: ast.stmt) -> Iterator[tuple[str, str]]:
    """The names that a statement uses, each with the module in which to look it up."""
    followed = set()
    for node in ast.walk(statement):
        if isinstance(node, ast.Attribute):  # a chain is met before its parts: measures.purchases
            chain = _chain(node)
            if chain is not None and (found := _attribute(module, chain)) is not None:
                followed.add(id(_base(node)))
                yield found
        elif isinstance(node, ast.Name) and id(node) not in followed:
            yield module, node.id
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier():
            yield module, node.value  # a quoted annotation, or a name for getattr


def _base(node: ast.expr) -> ast.expr:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node


def _chain(node: ast.expr) -> list[str] | None:
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return [node.id, *reversed(names)] if isinstance(node, ast.Name) else None


def _attribute(module: str, chain: list[str]) -> tuple[str, str] | None:
    """The module and name that a chain such as `measures.purchases` means; None if it does not begin at a module."""
    bound = _read(module).imports.get(chain[0], [])
    if len(bound) != 1:
        return None
    target, attribute = bound[0]
    if attribute:
        target = f"{target}.{attribute}"
    if not _is_ours(target):
        return None
    for name in chain[1:]:
        if not _is_ours(f"{target}.{name}"):
            return target, name
        target = f"{target}.{name}"
    return None


@functools.cache
def _is_ours(module: str) -> bool:
    """Whether this is the full name of a module of this project that computes something."""
    return module.split(".")[0] in _OURS and not _PRESENTATION.match(module) and _source(module) is not None


@functools.cache
def _source(module: str) -> Path | None:
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return None
    return Path(spec.origin) if spec is not None and spec.origin is not None else None


@functools.cache
def _read(module: str) -> _Module:
    file = _source(module)
    assert file is not None
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(body := getattr(node, "body", None), list):
            node.body = [part for part in body if not _is_text(part)]  # type: ignore[attr-defined]
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            node.exc = node.exc.func
    definitions: dict[str, list[int]] = {}
    at_import = []
    for place, statement in enumerate(tree.body):
        names = set(_bound(statement))
        for name in names - {"__all__"}:
            definitions.setdefault(name, []).append(place)
        if not isinstance(statement, _DEFINITIONS):
            at_import.append(place)
    imports: dict[str, list[tuple[str, str]]] = {}
    for name, bound in _imports(tree):
        if bound not in imports.setdefault(name, []):
            imports[name].append(bound)
    return _Module(module, tree.body, definitions, imports, at_import)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _bound(statement: ast.stmt) -> Iterator[str]:
    """The names that a statement at the top of a module binds, imports aside."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield statement.name
    elif not isinstance(statement, ast.Import | ast.ImportFrom):
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                yield node.id
            elif isinstance(node, ast.FunctionDef | ast.ClassDef):
                yield node.name


def _imports(tree: ast.Module) -> Iterator[tuple[str, tuple[str, str]]]:
    """Name → (module, name there), wherever in the module it is imported."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                bound = alias.name if alias.asname else alias.name.split(".")[0]
                yield alias.asname or bound, (bound, "")
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                yield alias.asname or alias.name, (node.module, alias.name)
