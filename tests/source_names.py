"""The full names that a Python module uses, whatever it calls them: aliases and imports by name are followed."""

import ast
import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

PACKAGE = "smsroi_helpers"
_OWN = re.compile(rf"{PACKAGE}(\.\w+)+")
_IMPORTERS = ("importlib.import_module", "builtins.__import__", "importlib.__import__", "pkgutil.resolve_name")
_BUILTINS = ("__import__", "eval", "exec")
_Bindings = Mapping[str, set[str]]


@dataclass(frozen=True, order=True)
class Use:
    """A name that a module uses."""

    line: int
    name: str
    """In full, such as `smsroi_helpers.engine.local_time`."""


@dataclass(frozen=True)
class Source:
    """The text of a module of the package."""

    name: str
    """The path inside the package, such as `timing/counts.py`."""
    text: str

    @classmethod
    def of(cls, path: Path, package: Path) -> "Source":
        """Read a file of the package."""
        return cls(path.relative_to(package).as_posix(), path.read_text(encoding="utf-8"))

    @functools.cached_property
    def tree(self) -> ast.Module:
        """The parsed text."""
        return ast.parse(self.text)

    @functools.cached_property
    def uses(self) -> list[Use]:
        """Every name that begins with an import, in the order of the lines."""
        return sorted(set(_uses(self.tree)))

    @property
    def module(self) -> str:
        """The dotted name, such as `smsroi_helpers.timing.counts`."""
        return f"{PACKAGE}.{self.name.removesuffix('.py').replace('/', '.')}".removesuffix(".__init__")

    @property
    def subpackage(self) -> str:
        """The first part of the path."""
        return self.name.split("/")[0].removesuffix(".py")


def imports(tree: ast.AST) -> Iterator[tuple[int, str, tuple[str, ...]]]:
    """Line, module and imported names of every import, at any depth; dots of a relative one before its module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name, ()
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, "." * node.level + (node.module or ""), tuple(alias.name for alias in node.names)


def circles(uses: Mapping[str, set[str]]) -> list[set[str]]:
    """The sets of modules that import one another in a circle (the strongly connected components of several modules).

    Args:
        uses: module → modules that it imports.

    >>> circles({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == [{"b", "c"}]
    True
    """
    reached = {name: _reach(name, uses) for name in uses}
    found: list[set[str]] = []
    for name in uses:
        circle = {other for other in reached[name] if name in reached.get(other, ())}
        if len(circle) > 1 and circle not in found:
            found.append(circle)
    return found


def _reach(name: str, uses: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    left = set(uses[name])
    while left:
        one = left.pop()
        found.add(one)
        left |= uses.get(one, set()) - found
    return found


def _uses(tree: ast.Module) -> Iterator[Use]:
    bound = _bindings(tree)
    for line, module, names in imports(tree):
        yield from (Use(line, name) for name in ([f"{module}.{name}" for name in names] or [module]))
    for node in ast.walk(tree):
        for annotation in _annotations(node):
            yield from _quoted(annotation, bound)
        if isinstance(node, ast.expr):
            yield from (Use(node.lineno, name) for name in _full_names(node, bound))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _OWN.fullmatch(node.value):
            yield Use(node.lineno, node.value)


def _annotations(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return [node.returns] if node.returns else []
    if isinstance(node, ast.arg | ast.AnnAssign):
        return [node.annotation] if node.annotation else []
    return []


def _quoted(annotation: ast.expr, bound: _Bindings) -> Iterator[Use]:
    """Names in the quoted parts of an annotation."""
    for node in ast.walk(annotation):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            try:
                inner = ast.parse(node.value, mode="eval")
            except SyntaxError:
                continue  # the text of a Literal
            for part in ast.walk(inner):
                if isinstance(part, ast.expr):
                    yield from (Use(node.lineno, name) for name in _full_names(part, bound))


def _bindings(tree: ast.Module) -> dict[str, set[str]]:
    """Name in the module → full names that it may stand for, by imports and by assignments of such names."""
    bound: dict[str, set[str]] = {name: {f"builtins.{name}"} for name in _BUILTINS} | {PACKAGE: {PACKAGE}}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.split(".")[0]
                bound.setdefault(alias.asname or first, set()).add(alias.name if alias.asname else first)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                bound.setdefault(alias.asname or alias.name, set()).add(f"{node.module}.{alias.name}")
    assigned = list(_assignments(tree))
    more = True
    while more:
        more = False
        for target, value in assigned:
            new = _full_names(value, bound) - bound.get(target, set()) - {target}
            if new and not any(name.startswith(tuple(f"{old}." for old in bound.get(target, ()))) for name in new):
                bound.setdefault(target, set()).update(new)
                more = True
    return bound


def _assignments(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """Names that a module assigns a single value to."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            yield from ((target.id, node.value) for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.AnnAssign | ast.NamedExpr) and isinstance(node.target, ast.Name) and node.value:
            yield node.target.id, node.value


def _full_names(node: ast.expr, bound: _Bindings) -> set[str]:
    """What an expression stands for: a name, an attribute of one, or a module that is asked for by its name."""
    if isinstance(node, ast.Name):
        return bound.get(node.id, set())
    if isinstance(node, ast.NamedExpr):
        return _full_names(node.value, bound)
    if isinstance(node, ast.Attribute):
        return {f"{name}.{node.attr}" for name in _full_names(node.value, bound)}
    if isinstance(node, ast.Call):
        return _called(node, bound)
    if isinstance(node, ast.Subscript) and (key := _text(node.slice)):
        names = _full_names(node.value, bound)
        owners = {name.removesuffix(".__dict__") for name in names if name.endswith(".__dict__")}
        return {f"{name}.{key}" for name in owners} | ({key} if "sys.modules" in names else set())
    return set()


def _called(node: ast.Call, bound: _Bindings) -> set[str]:
    """`getattr(module, "name")`, `import_module("name")`, `sys.modules.get("name")`."""
    function = _full_names(node.func, bound)
    if isinstance(node.func, ast.Name) and node.func.id == "getattr" and len(node.args) > 1:
        return {f"{name}.{key}" for name in _full_names(node.args[0], bound) if (key := _text(node.args[1]))}
    if node.args and function & {*_IMPORTERS, "sys.modules.get"} and (name := _text(node.args[0])):
        return {name}
    return set()


def text_pattern(node: ast.expr) -> str:
    """A pattern of the texts that an expression can be; empty where fewer than two letters of it are fixed.

    >>> text_pattern(ast.parse("f'{event}_at'", mode="eval").body), text_pattern(ast.parse("name", mode="eval").body)
    ('.*_at', '')
    """
    parts = _text_parts(node)
    fixed = "".join(part for part in parts if part)
    enough = sum(letter.isalpha() for letter in fixed) > 1
    return "".join(".*" if part is None else re.escape(part) for part in parts) if enough else ""


def shown_text(node: ast.expr) -> str:
    """A text, with `{}` for what is not fixed of it; `{}` alone for any other expression."""
    return "".join("{}" if part is None else part for part in _text_parts(node))


def _text_parts(node: ast.expr) -> list[str | None]:
    """The parts of a text in their order; None: one that is not fixed."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.JoinedStr):
        return [part for value in node.values for part in _text_parts(value)]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return [*_text_parts(node.left), *_text_parts(node.right)]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):  # '%s_at' % name
        return _filled(re.split(r"%[a-z]", shown_text(node.left)))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format":
        return _filled(re.split(r"\{[^{}]*\}", shown_text(node.func.value)))
    return [None]


def _filled(parts: list[str]) -> list[str | None]:
    """The parts with one that is not fixed between each two."""
    return [each for part in parts for each in (part, None)][:-1]


def _text(node: ast.expr) -> str:
    """A text, written in one or several parts; empty for anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _text(node.left), _text(node.right)
        return left + right if left and right else ""
    return ""
