"""Layout rules, checked on the names that each module uses; CONTRIBUTING.md describes the subpackages."""

import ast
import functools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.source_names import Source, circles, imports, shown_text, text_pattern
from tests.source_numbers import computed
from tests.source_phrases import untranslated

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "smsroi_helpers"

LEVELS = {
    "errors": 0,
    "contract": 1, "statistics": 1, "locale": 1,
    "engine": 2, "simulation": 2,
    "source": 3, "pages": 3,
    "measures": 4,
    "experiments": 5,
    "quality": 6, "segmentation": 6,
    "cltv": 7, "timing": 7,
    "frequency": 8, "ab_test": 8,
    "content": 9, "retention": 9, "effectiveness": 9,
    "send_plan": 10,
    "notebook": 11,
    "runner": 12,
    "commands": 13,
    "cli": 14,
}  # fmt: skip
"""A subpackage imports from lower levels only. `segmentation` uses the validity checks of `experiments`."""
STAGES = tuple(path.stem[3:] for path in sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb")))
PRESENTATION_MODULES = ("wording", "figures", "tables")
"""Modules of a stage that may import `locale` or `pages`; `criteria_tables` counts as `tables`."""
MEASURED_COLUMNS = ("amount", "clicked_at", "opted_in_at", "opted_out_at")
"""Columns whose meaning is defined in `measures/`; other subpackages use its functions."""
ENGINES = {"duckdb": ("engine",), "pyspark": ("engine",), "psycopg": ("engine", "source/database.py")}
CONNECTING = ("engine", "source/database.py")
"""Who may ask Ibis for a connection."""
STATISTICS = (
    "scipy", *(f"numpy.{name}" for name in (
        "average", "convolve", "corrcoef", "cov", "hypot", "linalg", "mean", "median", "nanmean", "percentile",
        "polyfit", "quantile", "random", "std", "var",
    )),
)  # fmt: skip
"""What makes a number for a reader. A page's number is a result of its stage; presentation only writes and draws it."""
ESTIMATORS = ("statsmodels", "sklearn", "lifetimes")
COUNTS_AND_TYPES = ("Floats", "Ints", "count_inside", "count_outside")
"""What presentation may use of `statistics`, beside constants: types, and how many intervals contain a value."""

MAX_MODULE_LINES = 450
MAX_FUNCTION_LINES = 60
FEWEST_DOCSTRING_WORDS = 6
MAX_TEST_LINES = 600
LONG_MODULES: dict[str, str] = {}
"""Modules longer than the limit, each with its reason; at most ten."""


SOURCES = [Source.of(path, PACKAGE) for path in sorted(PACKAGE.rglob("*.py"))]
MODULES = {source.module for source in SOURCES}
Rule = Callable[[Source], Iterator[str]]
"""Yields what breaks the rule in a module, as `line what`."""


def broken(rule: Rule) -> list[str]:
    """What breaks a rule, in every module."""
    return [f"{source.name}:{fault}" for source in SOURCES for fault in rule(source)]


def own_uses(source: Source) -> Iterator[tuple[int, str, str]]:
    """Line, subpackage and the rest of the name (`""` for the subpackage itself) of every name of other subpackages."""
    for use in source.uses:
        first, _dot, rest = use.name.partition(".")
        other, _dot, rest = rest.partition(".")
        if first == "smsroi_helpers" and other in LEVELS and other != source.subpackage:
            yield use.line, other, rest


def kind_of(source: Source) -> str:
    """The kind of work of a module: the last word of its name."""
    return source.name.removesuffix(".py").split("/")[-1].split("_")[-1]


def is_presentation(source: Source) -> bool:
    """Whether a module shows the results of a stage."""
    return source.subpackage in STAGES and kind_of(source) in PRESENTATION_MODULES


def test_every_module_belongs_to_a_subpackage_with_a_level():
    assert {source.subpackage for source in SOURCES} - {"__init__"} <= set(LEVELS)


def no_upper_level(source: Source) -> Iterator[str]:
    """A subpackage names lower levels only."""
    for line, other, _rest in own_uses(source):
        if source.subpackage in LEVELS and LEVELS[other] >= LEVELS[source.subpackage]:
            yield f"{line} uses {other} (level {LEVELS[other]} from level {LEVELS[source.subpackage]})"


def no_relative_import(source: Source) -> Iterator[str]:
    """Modules are named in full."""
    for line, module, _names in imports(source.tree):
        if module.startswith("."):
            yield f"{line} imports relatively; name the module in full"


def no_module_of_another(source: Source) -> Iterator[str]:
    """An import names another subpackage, not a module in it."""
    for line, module, _names in imports(source.tree):
        other, _dot, rest = module.removeprefix("smsroi_helpers.").partition(".")
        if module.startswith("smsroi_helpers.") and rest and other != source.subpackage:
            yield f"{line} imports {module}; import it from smsroi_helpers.{other}"


@functools.cache
def exports(module: str) -> tuple[frozenset[str], frozenset[str]]:
    """The names in `__all__` of a module or a subpackage, and the modules that a subpackage imports on first use."""
    tree = next(source.tree for source in SOURCES if source.module == module)
    names = lazy = frozenset[str]()
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            names = frozenset(ast.literal_eval(node.value))
        if isinstance(node, ast.Assign) and ast.unparse(node.value).startswith("lazy_submodules("):
            assert isinstance(node.value, ast.Call)
            lazy = frozenset(ast.literal_eval(name) for name in node.value.args[1:])
    assert names, f"{module} has no __all__"
    return names, lazy


def only_exported_names(source: Source) -> Iterator[str]:
    """What is used of another subpackage, or of a presentation module of it, is in its `__all__`."""
    for line, other, rest in own_uses(source):
        name, _dot, inner = rest.partition(".")
        names, lazy = exports(f"smsroi_helpers.{other}")
        if not name or name in names or name == "__name__":
            continue
        if name not in lazy:
            yield f"{line} uses {name} of {other}, which does not export it"
        elif inner and inner.split(".")[0] not in exports(f"smsroi_helpers.{other}.{name}")[0]:
            yield f"{line} uses {inner} of {other}.{name}, which does not export it"


PRIVATE_NAMES = {
    "_asdict": "public in namedtuple",
    "_exit": "public in os",
    "_is_text_encoding": "codecs has no public name for it",
}
"""Names that begin with an underscore and are used of an object of another module, each with its reason."""


def no_private_name_of_another(source: Source) -> Iterator[str]:
    """What begins with an underscore is used in its module alone; only `engine` knows the insides of Ibis."""
    own = {getattr(node, "name", "") for node in ast.walk(source.tree)}
    for node in ast.walk(source.tree):
        if isinstance(node, ast.AnnAssign):
            own.add(ast.unparse(node.target))
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) in _SELF:
            own.add(node.attr)
    for node in ast.walk(source.tree):
        private = isinstance(node, ast.Attribute) and re.match(r"_(?!_|$)", node.attr)
        if private and source.subpackage != "engine" and node.attr not in own | set(PRIVATE_NAMES):
            yield f"{node.lineno} uses {node.attr} of {ast.unparse(node.value)}"


_SELF = ("self", "cls", "super()")

DYNAMIC_IMPORTS = {
    "notebook.py": "a notebook's stage, by its name",
    "runner/child.py": "what notebooks import, before they run",
    "runner/parameters.py": "the parameters of each stage, by its name",
    "engine/duckdb.py": "whether this is a kernel",
    "engine/results.py": "whether PySpark is installed",
    "source/examples.py": "whether a package with example data is installed",
    "__init__.py": "the presentation modules of a subpackage, when they are first used",
}
"""Modules that ask for a module by a computed name, each with its reason."""
_BY_NAME = (
    "importlib.import_module", "importlib.__import__", "importlib.util", "pkgutil.resolve_name", "runpy", "sys.modules",
)  # fmt: skip
_LOADERS = ("__loader__", "__spec__", "exec_module", "find_spec", "load_module", "module_from_spec", "run_path")


def no_module_by_name(source: Source) -> Iterator[str]:
    """No module is imported or looked up by a computed name, and no text is run as code."""
    for use in source.uses:
        named = any(use.name == name or use.name.startswith(f"{name}.") for name in _BY_NAME)
        if named or (use.name.startswith("builtins.") and use.name.count(".") == 1):
            yield f"{use.line} asks for a module by a computed name, or runs a text"
    for node in ast.walk(source.tree):
        name = getattr(node, "attr", "") or getattr(node, "id", "")
        if name in _LOADERS:
            yield f"{node.lineno} asks for a module by {name}"


def test_modules_are_imported_by_name_only_where_listed():
    wrong = [fault for fault in broken(no_module_by_name) if fault.split(":")[0] not in DYNAMIC_IMPORTS]
    assert not wrong, "\n".join(wrong)
    assert {fault.split(":")[0] for fault in broken(no_module_by_name)} == set(DYNAMIC_IMPORTS), "not needed any more"


def no_shop_in_statistics(source: Source) -> Iterator[str]:
    """`statistics` knows no Shop (a higher level), no engine, no language (of the same level)."""
    for use in source.uses:
        if source.subpackage == "statistics" and use.name.split(".")[0] in ("ibis", "duckdb", "babel"):
            yield f"{use.line} uses {use.name}"


def words_in_presentation_only(source: Source) -> Iterator[str]:
    """In a stage, only wording, figures and tables use `pages` or `locale`; nothing computed uses these modules."""
    if source.subpackage not in (*STAGES, "experiments", "measures", "statistics", "engine"):
        return
    if kind_of(source) in PRESENTATION_MODULES:
        return
    for line, other, _rest in own_uses(source):
        if other in ("pages", "locale"):
            yield f"{line} uses {other}; text belongs into wording, figures or tables"


PLACES_ON_THE_PAGE = {
    ("cltv/figures.py", "tracking"): "how far from its line a label stands",
    ("retention/figures.py", "_day_of"): "at which day of the curves the sentence names their value",
    ("retention/figures.py", "triangle_figure"): "which month of the triangle the sentence names",
    ("segmentation/profile_figures.py", "portraits"): "how deep a colour is",
    ("segmentation/profile_figures.py", "_clearest"): "the order of the rows",
    ("segmentation/profile_figures.py", "_rows"): "the order of the rows",
    ("timing/figures.py", "_middle"): "the middle of the hours that a mark stands for",
    ("segmentation/migration_figures.py", "_stack"): "the edges of the blocks of a flow diagram, one below the other",
    ("segmentation/migration_figures.py", "_flows"): "the edges of its bands",
}
"""Functions that compute a place on the page or an order of it from results, each with what it is."""


def no_number_in_presentation(source: Source) -> Iterator[str]:
    """Wording, figures and tables show the results that they are given; they ask the engine nothing."""
    if not is_presentation(source):
        return
    for use in source.uses:
        last = use.name.split(".")[-1]
        own = use.name.startswith("smsroi_helpers.statistics.") and not (last.isupper() or last in COUNTS_AND_TYPES)
        if own or use.name.split(".")[0] in (*ESTIMATORS, "ibis", "statistics") or use.name.startswith(STATISTICS):
            yield f"{use.line} uses {use.name}; compute the number where its stage computes the others"
    for found in computed(source.tree):
        if (source.name, found.function) not in PLACES_ON_THE_PAGE:
            yield f"{found.line} computes {found.text}; do so where its stage computes the others"


_CLOCKS = (
    "datetime.timezone", "dateutil", "pytz", "smsroi_helpers.engine.local_time", "smsroi_helpers.engine.utc_from",
    "zoneinfo.ZoneInfo",
)  # fmt: skip
_CONVERTERS = ("astimezone", "fromtimestamp", "tz_convert", "tz_localize")
_ZONED = re.compile(r"timestamp\(\s*['\"{](?!UTC['\"])", re.IGNORECASE)
"""The name of a type, such as `timestamp('Asia/Tokyo')`; an instant in UTC has no local time."""


_PARTS_OF_A_DAY = ("hour", "minute", "time")
_SHOWN_HOUR = re.compile(r"%[HIMTcX]")


_CONNECTIONS = ("con", "connect", "connection", "cursor", "engine")
_ASKS = ("execute", "executemany", "query")


def no_sql_text(source: Source) -> Iterator[str]:
    """Only the engine and the reading of a source write SQL: a column in a text is not seen here."""
    for node in ast.walk(source.tree):
        free = source.subpackage in ("engine", "source")
        if free or not isinstance(node, ast.Attribute):
            continue
        connection = ast.unparse(node.value).split(".")[-1].split("(")[0] in _CONNECTIONS
        if node.attr in ("sql", "raw_sql") or node.attr.startswith("read_sql") or (connection and node.attr in _ASKS):
            yield f"{node.lineno} uses {node.attr}"


_COLUMN_BY_PLACE = re.compile(r".*\.columns\[-?\d+\]")


def is_all(node: ast.stmt) -> bool:
    """Whether a statement lists what a module exports."""
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"


def measured_columns_in_measures_only(source: Source) -> Iterator[str]:
    """Only `measures` reads the columns that it defines."""
    if source.subpackage in ("contract", "source", "simulation", "measures"):
        return
    exported = {id(part) for node in source.tree.body if is_all(node) for part in ast.walk(node)}
    for use in source.uses:
        if use.name.startswith("ibis.selectors"):
            yield f"{use.line} chooses columns by a pattern"
    for node in ast.walk(source.tree):
        if id(node) in exported:
            continue
        if isinstance(node, ast.Subscript) and _COLUMN_BY_PLACE.fullmatch(ast.unparse(node.slice)):
            yield f"{node.lineno} reads a column by its place"
        elif isinstance(node, ast.Attribute) and node.attr in MEASURED_COLUMNS:
            yield f"{node.lineno} reads {node.attr}"
        elif isinstance(node, ast.Constant) and node.value in MEASURED_COLUMNS:
            yield f"{node.lineno} reads {node.value}"
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("query", "eval", "filter"):
            texts = (*node.args, *(word.value for word in node.keywords))
            asked = {word for text in texts for word in re.findall(r"\w+", shown_text(text))}
            yield from (f"{node.lineno} reads {name} by a text" for name in MEASURED_COLUMNS if name in asked)
        elif isinstance(node, ast.JoinedStr | ast.BinOp | ast.Call) and (pattern := text_pattern(node)):
            made = [name for name in MEASURED_COLUMNS if re.fullmatch(pattern, name)]
            if made:
                yield f"{node.lineno} can read {made[0]} by {ast.unparse(node)}"


def clock_readings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Where the time of day is read of what is not local time by its name, or a time is moved by fixed hours."""
    given = [node for node in ast.walk(tree) if isinstance(node, ast.Assign)]
    local = {ast.unparse(node.targets[0]) for node in given if "local" in ast.unparse(node.value)}
    for node in ast.walk(tree):
        text = ast.unparse(node) if isinstance(node, ast.Attribute) else ""
        own, _dt, part = text.rpartition(".dt.")
        if own and part in _PARTS_OF_A_DAY and "local" not in own and own not in local:
            yield node.lineno, f"the {part} of an instant"
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        name, owner = node.func.attr, ast.unparse(node.func.value)
        of_local = "local" in owner or owner in local
        if name in _PARTS_OF_A_DAY and not node.args and not of_local:
            yield node.lineno, f"the {name} of an instant"
        elif name == "strftime" and not of_local and any(_SHOWN_HOUR.search(shown_text(each)) for each in node.args):
            yield node.lineno, "the time of day of an instant"
        elif name in ("now", "today", "utcnow") and not node.args and "ibis" not in owner:
            yield node.lineno, f"the clock of this machine by {name}"
        elif name == "interval" and any(
            word.arg in ("hours", "minutes") and not _is_name(word.value) for word in node.keywords
        ):
            yield node.lineno, "a time some fixed hours away"


def _is_name(node: ast.expr) -> bool:
    """Whether an expression is a parameter or a constant with a name, such as `window_hours`."""
    return isinstance(node, ast.Name | ast.Attribute)


def local_time_of_measures_only(source: Source) -> Iterator[str]:
    """Only `measures` turns instants into local time, or local time into instants; others ask it."""
    if source.subpackage in ("engine", "source", "measures", "simulation"):  # which has a clock of its own
        return
    for use in source.uses:
        if use.name.startswith(_CLOCKS):
            yield f"{use.line} uses {use.name}; ask measures for local time"
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute) and node.attr in _CONVERTERS:
            yield f"{node.lineno} uses {node.attr}; ask measures for local time"
        if isinstance(node, ast.Constant | ast.JoinedStr | ast.BinOp) and _ZONED.match(shown_text(node)):
            yield f"{node.lineno} names a timestamp with a zone; ask measures for local time"
    if source.subpackage in (*STAGES, "experiments"):
        yield from (f"{line} takes {what}; ask measures for local time" for line, what in clock_readings(source.tree))


_COMMAND_LINE = ("quality/check_tables.py",)
"""Lines of `smsroi check`, which is in English."""


def every_phrase_is_translated(source: Source) -> Iterator[str]:
    """What a reader sees goes through `_`, which has no other name."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ImportFrom) and any(name.name == "_" and name.asname for name in node.names):
            yield f"{node.lineno} gives `_` another name, by which its phrases are not collected"
        named = isinstance(node, ast.Assign) and any(isinstance(target, ast.Name) for target in node.targets)
        if named and ast.unparse(node.value) == "_":
            yield f"{node.lineno} gives `_` another name, by which its phrases are not collected"
    if is_presentation(source) and source.name not in _COMMAND_LINE:
        yield from (f"{line} shows {text} without `_`" for line, text in untranslated(source.tree))


def only_the_engine_names_an_engine(source: Source) -> Iterator[str]:
    """No engine's package, nor the backend of that name in Ibis, nor a connection of Ibis."""
    for use in source.uses:
        parts = use.name.split(".")
        for engine, allowed in ENGINES.items():
            own = parts[0] == engine or (parts[0] == "ibis" and {engine, "*"} & set(parts))
            if own and not source.name.startswith(allowed):
                yield f"{use.line} uses {use.name}"
        if use.name in ("ibis.connect", "ibis.set_backend") and not source.name.startswith(CONNECTING):
            yield f"{use.line} uses {use.name}"


def no_estimator_in_the_simulation(source: Source) -> Iterator[str]:
    """`simulation` uses errors and the contract alone, and no library that estimates."""
    if source.subpackage != "simulation":
        return
    for line, other, _rest in own_uses(source):
        if other not in ("errors", "contract"):
            yield f"{line} uses {other}"
    for use in source.uses:
        if use.name.split(".")[0] in ESTIMATORS:
            yield f"{use.line} uses {use.name}"


def long_functions_have_a_docstring(source: Source) -> Iterator[str]:
    """A long function says what it does in a sentence."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            long = (node.end_lineno or 0) - node.lineno >= MAX_FUNCTION_LINES
            if long and len((ast.get_docstring(node) or "").split()) < FEWEST_DOCSTRING_WORDS:
                yield f"{node.lineno} {node.name} is long and has no docstring that explains it"


RULES: tuple[Rule, ...] = (
    no_upper_level, no_relative_import, no_module_of_another, only_exported_names, no_private_name_of_another,
    no_shop_in_statistics, words_in_presentation_only, no_number_in_presentation, no_sql_text,
    measured_columns_in_measures_only, local_time_of_measures_only, every_phrase_is_translated,
    only_the_engine_names_an_engine, no_estimator_in_the_simulation, long_functions_have_a_docstring,
)  # fmt: skip


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_no_module_breaks_the_rule(rule):
    wrong = broken(rule)
    assert not wrong, "\n".join(wrong)


def used_modules(source: Source) -> dict[str, int]:
    """The modules of the package that a module uses: of each name, the longest part that is one → its first line."""
    found: dict[str, int] = {}
    for use in source.uses:
        parts = use.name.split(".")
        parents = (".".join(parts[:size]) for size in range(len(parts), 1, -1))
        name = next((name for name in parents if name in MODULES), source.module)
        if name != source.module:
            found.setdefault(name, use.line)
    return found


def find_circles(sources: Iterable[Source]) -> list[list[str]]:
    """The lines by which modules use one another in a circle; of them those alone that go up a level or close it."""
    used = {source.module: (source.name, used_modules(source)) for source in sources}
    found = [
        [f"{name}:{line} uses {other}" for name, uses in map(used.__getitem__, sorted(circle))
         for other, line in uses.items() if other in circle]
        for circle in circles({module: set(uses) for module, (_name, uses) in used.items()})
    ]  # fmt: skip
    return [[line for line in circle if _goes_up(line)] or _closing(circle, used) or circle for circle in found]


def _closing(circle: list[str], used: Mapping[str, tuple[str, dict[str, int]]]) -> list[str]:
    """The lines each of which alone closes a circle: without it there is none."""
    names = {name: module for module, (name, _uses) in used.items()}
    edges = [(names[line.split(":")[0]], line.split(" uses ")[1]) for line in circle]
    uses: dict[str, set[str]] = {module: {other for one, other in edges if one == module} for module, _other in edges}
    return [
        line
        for line, (module, other) in zip(circle, edges, strict=True)
        if not circles({one: its - {other} if one == module else its for one, its in uses.items()})
    ]


def _goes_up(line: str) -> bool:
    """Whether a line of a circle, such as `measures/clicks.py:3 uses smsroi_helpers.timing`, breaks the levels."""
    own, other = re.split(r"[/.:]", line)[0], line.split(" uses ")[1].split(".")[1:2]
    return bool(other) and own != other[0] and LEVELS.get(other[0], -1) >= LEVELS.get(own, len(LEVELS))


def test_no_modules_import_one_another_in_a_circle():
    found = find_circles(SOURCES)
    assert not found, "\n\n".join(map("\n".join, found))


def imported_otherwise(stage: str, text: str) -> list[str]:
    """Lines of a notebook that import anything but its stage and `notebook`, or what it lacks of these."""
    cells = json.loads(text)["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    own = [line for cell in code for line in cell.splitlines() if "import" in line]
    allowed = f"from smsroi_helpers import {', '.join(sorted(['notebook', stage]))}"
    return [line for line in own if line != allowed] or ([] if own == [allowed] else [f"lacks: {allowed}"])


def test_a_notebook_imports_only_its_stage_and_notebook():
    paths = sorted((ROOT / "notebooks").rglob("[0-9][0-9]_*.ipynb"))
    assert any(path.parent.name == "instead" for path in paths)
    wrong = [
        f"{path.relative_to(ROOT)}: {line}"
        for path in paths
        for line in imported_otherwise(path.stem[3:], path.read_text(encoding="utf-8"))
    ]
    assert not wrong, "\n".join(wrong)


def test_an_import_planted_in_a_notebook_is_found():
    path = next((ROOT / "notebooks" / "instead").glob("*.ipynb"))
    text = path.read_text(encoding="utf-8")
    planted = text.replace("from smsroi_helpers import", "import pandas\\nfrom smsroi_helpers import", 1)
    assert imported_otherwise(path.stem[3:], planted) == ["import pandas"]
    assert imported_otherwise("timing", text)


def test_every_place_on_the_page_is_still_computed():
    found = {(source.name, one.function) for source in SOURCES for one in computed(source.tree)}
    assert set(PLACES_ON_THE_PAGE) <= found, "remove what computes no place any more"


def test_long_modules_and_tests_are_listed_with_a_reason():
    wrong = [
        f"{path.relative_to(ROOT)} has {lines} lines; the limit is {most}"
        for folder, most in ((PACKAGE, MAX_MODULE_LINES), (ROOT / "tests", MAX_TEST_LINES))
        for path in sorted(folder.rglob("*.py"))
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > most
        and path.relative_to(ROOT).as_posix() not in LONG_MODULES
    ]
    assert not wrong, "\n".join(wrong)
    assert len(LONG_MODULES) <= 10
    for name in LONG_MODULES:
        most = MAX_TEST_LINES if name.startswith("tests/") else MAX_MODULE_LINES
        assert len((ROOT / name).read_text(encoding="utf-8").splitlines()) > most, (
            f"{name} is below the limit now; remove it from LONG_MODULES"
        )
