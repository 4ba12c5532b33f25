"""Numbers that a module computes where it should only show them: ratios, differences, sums, queries."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

_QUERIES = (
    "aggregate", "distinct", "execute", "group_by", "mutate", "order_by", "to_pandas", "to_polars", "to_pyarrow",
)  # fmt: skip
_AGGREGATES = (
    "Counter", "agg", "apply", "corr", "count_nonzero", "cov", "crosstab", "cummax", "cummin", "cumprod", "cumsum",
    "describe", "diff", "div", "divide", "divmod", "dot", "eval", "exp", "expm1", "fsum", "hypot", "interp", "log",
    "log1p", "log2", "mean", "median", "mul", "multiply", "nansum", "nunique", "pct_change", "pivot_table", "prod",
    "quantile", "query", "rdiv", "reduce", "rolling", "rsub", "sem", "size", "sqrt", "std", "sub", "subtract", "sum",
    "sumprod", "trapezoid", "true_divide", "truediv", "value_counts", "var",
)  # fmt: skip
"""Functions and methods of pandas, NumPy and the standard library that make one number of several."""
_EXTREMES = ("amax", "amin", "max", "maximum", "min", "minimum", "nanmax", "nanmin", "ptp")
"""They make a number for the reader, too, unless it limits another one, is compared, or is drawn."""
_LIBRARIES = ("collections", "functools", "itertools", "math", "numpy", "operator", "statistics")
"""What they are of, beside pandas."""
_POSITIONS = ("arange", "enumerate", "linspace", "range", "subplots", "Timedelta", "timedelta")
"""Functions that answer a place on the page, or a fixed time."""
_PLAIN = ("abs", "float", "int", "max", "min", "round", "sum")
_DRAWN = ("ax", "axes", "axis", "panel", "panels", "plt", "mpl")
"""Names of what is drawn on."""
_UNITS = ("scale", "_scale")
"""Names of the factor of a unit, such as 100 for percent."""
_SETS = ("set", "frozenset", "keys")
_CONDITIONS = (ast.BoolOp, ast.Compare)


@dataclass(frozen=True, order=True)
class Computed:
    """A number that is computed, or a query."""

    line: int
    text: str
    function: str
    """Where it is; empty at the top of the module."""


def computed(tree: ast.AST) -> list[Computed]:
    """Every query, and every number that is made of several results.

    Not found is layout: places on the page (`range`, `np.arange`, whole parts of `//`, what an axis answers, the length
    of a list), and a result that a constant scales or shifts (a unit, the offset of a mark); `1 - share` is found. Nor
    is the number of rows that meet a condition (`sum(x > 0 for x in rows)`, `len([…])`), nor what a tick's decimals
    need (`x - round(x)`), nor the lengths of error bars: `yerr=[value - low, high - value]`. The largest or smallest of
    several values is found where it is not the limit of a drawing, the digits to round to, or one side of a condition.
    """
    bars = set(_error_bars(tree))
    found = [Computed(node.lineno, ast.unparse(node), "") for node in _renamed(tree)]
    for scope in _scopes(tree):
        layout = _layout(scope)
        limits = _limits(scope)
        for node in _own(scope):
            pair = _operands(node, layout.sums)
            if (
                (pair and id(node) not in bars and layout.combines(node, *pair))
                or (isinstance(node, ast.Call) and layout.asks(node))
                or (id(node) not in limits and layout.is_extreme(node))
            ):
                found.append(Computed(node.lineno, ast.unparse(node), getattr(scope, "name", "")))
    return sorted(set(found))


def _scopes(tree: ast.AST) -> list[ast.AST]:
    return [tree, *(node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))]


def _own(scope: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a scope, without those of the functions in it."""
    for child in ast.iter_child_nodes(scope):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield child
            yield from _own(child)


def _operands(node: ast.AST, sums: frozenset[str] = frozenset()) -> tuple[ast.expr, ast.expr] | None:
    """Both sides of a division, a subtraction, a product, or a sum of numbers; texts and lists are added, too."""
    operators = ast.Div | ast.Sub | ast.Mult | ast.MatMult | ast.Pow
    if isinstance(node, ast.BinOp):
        numbers = isinstance(node.op, ast.Add) and _is_number(node.left, sums) and _is_number(node.right, sums)
        return (node.left, node.right) if numbers or isinstance(node.op, operators) else None
    if not isinstance(node, ast.AugAssign):
        return None
    number = isinstance(node.op, ast.Add) and not _counts_rows(node.value)
    number = number and (_is_number(node.value, sums) or _is_number(node.target, sums))
    return (node.target, node.value) if number or isinstance(node.op, operators) else None


def _is_number(node: ast.expr, sums: frozenset[str]) -> bool:
    """Whether an expression is a field, a column or what only numbers can be; not a name or a call of another kind."""
    match node:
        case ast.Attribute() | ast.BinOp(op=ast.Div() | ast.Sub() | ast.Pow()):
            return True
        case ast.Name():
            return node.id in sums
        case ast.Subscript(slice=ast.Constant(value=str())):
            return True
        case ast.BinOp(op=ast.Mult()):
            return _is_number(node.left, sums) or _is_number(node.right, sums)
        case ast.BinOp(op=ast.Add()):
            return _is_number(node.left, sums) and _is_number(node.right, sums)
        case _:
            return _called(node) in ("abs", "float", "int", "round", "sum", "to_numpy")


def _counts_rows(node: ast.expr) -> bool:
    """Whether an expression is the number of rows that meet a condition: `sum(x > 0 for x in rows)`."""
    if not isinstance(node, ast.Call) or ast.unparse(node.func) != "sum" or not node.args:
        return False
    condition = node.args[0].elt if isinstance(node.args[0], ast.GeneratorExp | ast.ListComp) else None
    negated = isinstance(condition, ast.UnaryOp) and isinstance(condition.op, ast.Not)
    return negated or isinstance(condition, _CONDITIONS)


def _renamed(tree: ast.AST) -> Iterator[ast.AST]:
    """Imports and assignments by which what computes gets a name that does not say so; `map(sum, rows)`."""
    names = {*_AGGREGATES, *_EXTREMES}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in _LIBRARIES:
            if any(alias.asname and alias.asname != alias.name for alias in node.names):
                yield node
        elif isinstance(node, ast.Assign | ast.Call):
            values = [node.value] if isinstance(node, ast.Assign) else node.args if _called(node) == "map" else []
            for value in values:
                owned = isinstance(value, ast.Attribute) and ast.unparse(value.value) in ("np", *_LIBRARIES)
                if (owned and value.attr in names) or (isinstance(value, ast.Name) and value.id in _PLAIN):
                    yield node


def _limits(scope: ast.AST) -> set[int]:
    """Where the largest or smallest value is no number for the reader: what is drawn, compared, or rounded by.

    That is so, too, of what gets a name that stands only there. The answer has the `id` of each node.
    """
    limits: set[int] = set()
    for node in _own(scope):
        owner = node.func if isinstance(node, ast.Call) else node
        while isinstance(owner, ast.Attribute | ast.Subscript):
            owner = owner.value
        if isinstance(node, ast.Compare):
            limits |= _ids(node)
        elif isinstance(node, ast.If | ast.IfExp):
            limits |= _ids(node.test)
        elif isinstance(node, ast.Call) and (
            _called(node) in ("rounded_digits", *_POSITIONS) or (isinstance(owner, ast.Name) and owner.id in _DRAWN)
        ):
            limits.update(*map(_ids, (*node.args, *node.keywords)))
    assigned = [node for node in _own(scope) if isinstance(node, ast.Assign)]
    for node in reversed(assigned):
        names = {name for target in node.targets for name in _names(target)}
        loads = [
            part for part in _own(scope)
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load) and part.id in names
        ]  # fmt: skip
        if loads and all(id(part) in limits for part in loads):
            limits |= _ids(node.value)
    return limits


def _ids(node: ast.AST) -> set[int]:
    return {id(part) for part in ast.walk(node)}


# --- what is drawn ---------------------------------------------------------------------------------------------------


def _error_bars(tree: ast.AST) -> Iterator[int]:
    """The lengths in `[value - low, high - value]`, by `id`: in the argument, or in what is given a name for it."""
    given = [word.value for node in ast.walk(tree) if isinstance(node, ast.Call) for word in node.keywords
             if word.arg in ("xerr", "yerr")]  # fmt: skip
    names = {name for value in given for name in _names(value)}
    named = [
        node.value for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and names & {name for target in node.targets for name in _names(target)}
    ]  # fmt: skip
    for node in (part for value in (*given, *named) for part in ast.walk(value)):
        if isinstance(node, ast.List | ast.Tuple) and len(node.elts) == 2:
            parts = [_within(one) for one in node.elts]
            down, up = map(_operands, parts)
            if down and up and ast.dump(down[0]) == ast.dump(up[1]):
                yield from map(id, parts)


def _within(node: ast.expr) -> ast.expr:
    """What a list of one holds, or what a method is asked of: `[a - b]`, `(a - b).fillna(0)`."""
    if isinstance(node, ast.List) and len(node.elts) == 1:
        return node.elts[0]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.func.value
    return node


def _layout(scope: ast.AST) -> "_Layout":
    """Which names stand for a place on the page, and which for a number of rows, wherever a scope binds them."""
    layout = _Layout(frozenset((*_DRAWN, *_UNITS)))
    while True:
        places: dict[str, list[bool]] = {}
        counts: dict[str, list[bool]] = {}
        for target, value in _bindings(scope):
            for name in _names(target):
                places.setdefault(name, []).append(layout.is_place(value))
                counts.setdefault(name, []).append(layout.is_count(value))
        new = _Layout(
            layout.names | {name for name, found in places.items() if all(found)},
            frozenset(name for name, found in counts.items() if any(found)),
            frozenset(
                target.id
                for target, value in _bindings(scope)
                if isinstance(target, ast.Name)
                and isinstance(value, ast.Constant)
                and isinstance(value.value, int | float)
                and not isinstance(value.value, bool)
            ),
        )
        if new == layout:
            return layout
        layout = new


def _bindings(scope: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
    for node in _own(scope):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                yield from _paired(target, node.value)
        elif isinstance(node, ast.AugAssign | ast.NamedExpr):
            yield node.target, node.value
        elif isinstance(node, ast.For | ast.comprehension):
            yield from _looped(node.target, node.iter)


def _paired(target: ast.expr, value: ast.expr) -> Iterator[tuple[ast.expr, ast.expr]]:
    """What an assignment binds: of `a, b = x, y` each name has its own value."""
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
        yield from zip(target.elts, value.elts, strict=True)
    else:
        yield target, value


def _looped(target: ast.expr, values: ast.expr) -> Iterator[tuple[ast.expr, ast.expr]]:
    """What a loop binds: of `enumerate` the counter alone is a place, of `zip` each name has its own values."""
    name = values.func.id if isinstance(values, ast.Call) and isinstance(values.func, ast.Name) else ""
    if isinstance(values, ast.Call) and isinstance(target, ast.Tuple) and values.args and name == "enumerate":
        yield target.elts[0], ast.Constant(0)
        yield from _looped(target.elts[1], values.args[0])
    elif isinstance(values, ast.Call) and isinstance(target, ast.Tuple) and values.args and name == "zip":
        for one, own in zip(target.elts, values.args, strict=False):
            yield from _looped(one, own)
    else:
        yield target, values


def _names(target: ast.AST) -> list[str]:
    return [node.id for node in ast.walk(target) if isinstance(node, ast.Name)]


def _called(node: ast.AST) -> str:
    """The last name of a function or method that is called; empty for anything else."""
    if not isinstance(node, ast.Call):
        return ""
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


@dataclass(frozen=True)
class _Layout:
    names: frozenset[str]
    """Of places on the page."""
    counts: frozenset[str] = frozenset()
    """Names of numbers of rows."""
    sums: frozenset[str] = frozenset()
    """Names that begin as a number, such as 0."""

    def is_count(self, node: ast.expr) -> bool:
        """Whether an expression is a number of rows, perhaps times a constant."""
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
            return self.is_count(node.left) or self.is_count(node.right)
        return _called(node) == "len" or (isinstance(node, ast.Name) and node.id in self.counts)

    def is_place(self, node: ast.expr) -> bool:
        """Whether an expression is a constant or a place on the page."""
        match node:
            case ast.Constant() | ast.BinOp(op=ast.FloorDiv() | ast.Mod()):
                return True
            case ast.BinOp(op=ast.Pow(), left=ast.Constant()):
                return True  # a power of ten, to round by
            case ast.Name():
                return node.id in self.names or node.id.isupper()
            case ast.BinOp():
                return self.is_place(node.left) and self.is_place(node.right)
            case ast.UnaryOp():
                return self.is_place(node.operand)
            case ast.Tuple() | ast.List():
                return all(map(self.is_place, node.elts))
            case ast.ListComp() | ast.GeneratorExp():
                return self.is_place(node.elt)
            case ast.IfExp():
                return self.is_place(node.body) and self.is_place(node.orelse)
            case ast.Attribute() | ast.Subscript() | ast.Starred():
                return self.is_place(node.value)
            case ast.Call():
                return self._answers_a_place(node)
            case _:
                return False

    def _answers_a_place(self, node: ast.Call) -> bool:
        if _called(node) in (*_POSITIONS, "len"):
            return True
        if isinstance(node.func, ast.Name):
            return node.func.id in _PLAIN and all(map(self.is_place, node.args))
        owner = node.func.value if isinstance(node.func, ast.Attribute) else node.func
        if isinstance(owner, ast.Name) and owner.id == "np":
            return bool(node.args) and all(map(self.is_place, node.args))
        return self.is_place(owner) and all(map(self.is_place, node.args))

    def combines(self, node: ast.AST, left: ast.expr, right: ast.expr) -> bool:
        """Whether a division, a subtraction or a product makes a number of results."""
        if {_called(left), _called(right)} & {*_SETS, *_UNITS}:
            return False
        if isinstance(getattr(node, "op", None), ast.Pow):
            return not self.is_place(left)  # the square of a result, too
        if isinstance(getattr(node, "op", None), ast.Mult | ast.MatMult):
            return not self.is_place(left) and not self.is_place(right)
        for one, other in ((left, right), (right, left)):
            if _called(one) == "round" and isinstance(one, ast.Call) and ast.dump(one.args[0]) == ast.dump(other):
                return False
        counts = [self.is_count(side) for side in (left, right)]
        if all(counts):
            return True  # a share, or a rest
        if any(counts):
            return not all(map(self.is_place, (left, right)))
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub) and ast.unparse(left) in ("1", "1.0"):
            return not self.is_place(right)
        return not self.is_place(left) and not self.is_place(right)

    def is_extreme(self, node: ast.AST) -> bool:
        """Whether the largest, the smallest, or the one at a place of several sorted values is taken."""
        if isinstance(node, ast.Subscript):
            return _called(node.value) == "sorted" and not isinstance(node.slice, ast.Slice)
        if not isinstance(node, ast.Call) or _called(node) not in _EXTREMES:
            return False
        if isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value) != "np":
            return not self.is_place(node.func.value)
        return not any(map(self.is_place, node.args))  # `max(share, 0)` keeps a number within its limits

    def asks(self, node: ast.Call) -> bool:
        """Whether a query or an aggregate is asked for."""
        name = _called(node)
        if name == "getattr" and len(node.args) > 1 and isinstance(node.args[1], ast.Constant):
            name = str(node.args[1].value)
        if name in _QUERIES:
            return True
        if name == "count":  # a text or a list counts a text
            return not (len(node.args) == 1 and isinstance(node.args[0], ast.Constant))
        if name == "transform" or any(word.arg == "aggfunc" for word in node.keywords):
            return True
        owner = node.func.value if isinstance(node.func, ast.Attribute) else None
        function = owner is None or (isinstance(owner, ast.Name) and owner.id == "np")
        if name not in _AGGREGATES or (function and node.args and all(map(self.is_place, node.args))):
            return False
        return not _counts_rows(node)
