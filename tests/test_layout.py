"""Layout rules, checked on the names that each module uses; CONTRIBUTING.md describes the subpackages."""

import ast
import functools
import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from tests.source_names import Source, circles, imports, shown_text, text_pattern
from tests.source_numbers import computed

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


def no_module_by_name(source: Source) -> Iterator[str]:
    """No module is imported or looked up by a computed name, and no text is run as code."""
    for use in source.uses:
        named = any(use.name == name or use.name.startswith(f"{name}.") for name in _BY_NAME)
        if named or (use.name.startswith("builtins.") and use.name.count(".") == 1):
            yield f"{use.line} asks for a module by a computed name, or runs a text"


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
    kind = source.name.removesuffix(".py").split("/")[-1].split("_")[-1]
    if kind in PRESENTATION_MODULES:
        return
    for line, other, _rest in own_uses(source):
        if other in ("pages", "locale"):
            yield f"{line} uses {other}; text belongs into wording, figures or tables"


PLACES_ON_THE_PAGE = {
    ("segmentation/migration_figures.py", "_stack"): "the edges of the blocks of a flow diagram, one below the other",
    ("segmentation/migration_figures.py", "_flows"): "the edges of its bands",
}
"""Functions that compute a place on the page from results, each with what the place is."""


def no_number_in_presentation(source: Source) -> Iterator[str]:
    """Wording, figures and tables show the results that they are given; they ask the engine nothing."""
    kind = source.name.removesuffix(".py").split("/")[-1].split("_")[-1]
    if source.subpackage not in STAGES or kind not in PRESENTATION_MODULES:
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


_INSTANT = re.compile(r"^(?!.*local).*_at\b.*\.hour\(\)$")
"""The hour of a column of instants, perhaps shifted, such as `(sent_at + interval).hour()`; not of local time."""


def no_sql_text(source: Source) -> Iterator[str]:
    """Only the engine and the reading of a source write SQL: a column in a text is not seen here."""
    for node in ast.walk(source.tree):
        free = source.subpackage in ("engine", "source")
        if not free and isinstance(node, ast.Attribute) and node.attr in ("sql", "raw_sql"):
            yield f"{node.lineno} uses {node.attr}"


def measured_columns_in_measures_only(source: Source) -> Iterator[str]:
    """Only `measures` reads the columns that it defines."""
    if source.subpackage in ("contract", "source", "simulation", "measures", "pages"):
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute) and node.attr in MEASURED_COLUMNS:
            yield f"{node.lineno} reads {node.attr}"
        elif isinstance(node, ast.Constant) and node.value in MEASURED_COLUMNS:
            yield f"{node.lineno} reads {node.value}"
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("query", "eval", "read_sql"):
            asked = {word for text in node.args for word in re.findall(r"\w+", shown_text(text))}
            yield from (f"{node.lineno} reads {name} by a text" for name in MEASURED_COLUMNS if name in asked)
        elif isinstance(node, ast.JoinedStr | ast.BinOp) and (pattern := text_pattern(node)):
            made = [name for name in MEASURED_COLUMNS if re.fullmatch(pattern, name)]
            if made:
                yield f"{node.lineno} can read {made[0]} by {ast.unparse(node)}"


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
        if (
            isinstance(node, ast.Call)
            and getattr(node.func, "attr", "") == "hour"
            and _INSTANT.search(ast.unparse(node))
        ):
            yield f"{node.lineno} takes the hour of an instant; ask measures for local time"


_DRAWS_TEXT = ("annotate", "note", "set_title", "set_xlabel", "set_ylabel", "suptitle", "text")
_COMMAND_LINE = ("quality/check_tables.py",)
"""Lines of `smsroi check`, which is in English."""
_SHOWN = ("alt", "caption", "empty", "title")
"""Arguments that a reader sees."""
_PHRASE = re.compile(r"[A-Za-z]{2,}[ ,:;]+[a-z]{2,}")


def every_phrase_is_translated(source: Source) -> Iterator[str]:
    """What a reader sees goes through `_`, which has no other name."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ImportFrom) and any(name.name == "_" and name.asname for name in node.names):
            yield f"{node.lineno} gives `_` another name, by which its phrases are not collected"
    kind = source.name.removesuffix(".py").split("/")[-1].split("_")[-1]
    if source.subpackage not in STAGES or kind not in PRESENTATION_MODULES or source.name in _COMMAND_LINE:
        return
    for node in ast.walk(source.tree):
        shown: list[ast.expr | None] = []
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            shown += node.args if name in _DRAWS_TEXT else []
            shown += [word.value for word in node.keywords if word.arg in _SHOWN]
        elif isinstance(node, ast.Return):
            shown.append(node.value)
        for each in shown:
            if isinstance(each, ast.Constant | ast.JoinedStr | ast.BinOp) and _PHRASE.search(shown_text(each)):
                yield f"{each.lineno} shows {ast.unparse(each)} without `_`"


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
    no_upper_level, no_relative_import, no_module_of_another, only_exported_names, no_shop_in_statistics,
    words_in_presentation_only, no_number_in_presentation, no_sql_text,
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
    """The lines by which modules use one another in a circle, at the top or in a function."""
    used = {source.module: (source.name, used_modules(source)) for source in sources}
    return [
        [f"{name}:{line} uses {other}" for name, uses in map(used.__getitem__, sorted(circle))
         for other, line in uses.items() if other in circle]
        for circle in circles({module: set(uses) for module, (_name, uses) in used.items()})
    ]  # fmt: skip


def test_no_modules_import_one_another_in_a_circle():
    found = find_circles(SOURCES)
    assert not found, "\n\n".join(map("\n".join, found))


def test_a_planted_circle_of_modules_is_found():
    name, lines = "measures/columns.py", 0
    planted = []
    for source in SOURCES:
        if source.name == name:
            lines = len(source.text.splitlines())
            text = f"{source.text}def planted():\n    from smsroi_helpers.measures.profit import profit\n"
            source = Source(name, text)
        planted.append(source)
    assert any(f"{name}:{lines + 2} uses smsroi_helpers.measures.profit" in circle for circle in find_circles(planted))


_ANY = "timing/counts.py"
PLANTED: tuple[tuple[Rule, str, str], ...] = (
    (no_upper_level, "measures/clicks.py", "import smsroi_helpers\nx = smsroi_helpers.timing.analyse"),
    (no_upper_level, "measures/clicks.py", "import smsroi_helpers as s\nt = s.timing\nx = t.analyse"),
    (no_upper_level, "measures/clicks.py", "from importlib import import_module as f\nx = f('smsroi_helpers.timing')"),
    (no_upper_level, _ANY, "def f():\n    from smsroi_helpers import send_plan"),
    (no_upper_level, _ANY, "import sys\nx = sys.modules['smsroi_helpers.send_plan']"),
    (no_upper_level, _ANY, "def f(x: 'smsroi_helpers.send_plan.SendPlan'): ..."),
    (no_upper_level, _ANY, "import smsroi_helpers\nx = getattr(smsroi_helpers, 'send' + '_plan')"),
    (no_upper_level, _ANY, "import smsroi_helpers\nx = smsroi_helpers.__dict__['send_plan']"),
    (no_upper_level, "statistics/power.py", "from typing import Any\nx: 'list[smsroi_helpers.source.Shop]'"),
    (no_relative_import, "simulation/write.py", "from ..statistics import effects"),
    (no_module_of_another, _ANY, "from smsroi_helpers.measures.clicks import human_clicks"),
    (only_exported_names, _ANY, "from smsroi_helpers import experiments\nx = experiments.registry._cells"),
    (only_exported_names, _ANY, "from smsroi_helpers import experiments as e\ny = e\nx = y._cells"),
    (only_exported_names, _ANY, "from smsroi_helpers.measures import _nothing"),
    (only_exported_names, _ANY, "from smsroi_helpers.measures import *"),
    (only_exported_names, "content/tables.py", "from smsroi_helpers import ab_test\nx = ab_test.tables._hidden"),
    (no_module_by_name, _ANY, "import importlib as i\nx = i.import_module(name)"),
    (no_module_by_name, _ANY, "from sys import modules as m\nx = m[name]"),
    (no_module_by_name, _ANY, "x = eval('1')"),
    (no_shop_in_statistics, "statistics/power.py", "def f(rows):\n    import ibis"),
    (words_in_presentation_only, "timing/best_hours.py", "import smsroi_helpers as s\nx = s.pages.note"),
    (no_number_in_presentation, "timing/tables.py", "import numpy as n\nx = n.quantile(draws, 0.5)"),
    (no_number_in_presentation, "timing/hour_wording.py", "x = rows['profit'].quantile(0.5)"),
    (no_number_in_presentation, "timing/tables.py", "x = plan.shop.count(rows)"),
    (no_number_in_presentation, "timing/tables.py", "x = plan.messages.nunique().execute()"),
    (no_number_in_presentation, "timing/tables.py", "import ibis\nx = ibis.literal(1)"),
    (no_number_in_presentation, "timing/figures.py", "x = 100 * row.clicks / row.texts"),
    (
        no_number_in_presentation,
        "timing/figures.py",
        "def f(part: float, of: float):\n    return part / max(of, 1)",
    ),
    (no_number_in_presentation, "timing/figures.py", "x = len([row for row in rows if row.won]) / len(rows)"),
    (no_number_in_presentation, "timing/figures.py", "n, all = len(won), len(rows)\nx = percent(n / all)"),
    (no_number_in_presentation, "timing/figures.py", "after = row.after\nbefore = row.before\nafter -= before"),
    (no_number_in_presentation, "timing/figures.py", "x = 1 - answer.share"),
    (no_number_in_presentation, "timing/figures.py", "x = answer.texts * answer.gain"),
    (no_number_in_presentation, "timing/figures.py", "bars = [row.value - row.low, row.high - row.value]"),
    (no_number_in_presentation, "timing/figures.py", "x = sum(row.customers for row in rows)"),
    (no_number_in_presentation, "timing/figures.py", "x = rows.groupby('hour')['n'].agg('sum')"),
    (no_number_in_presentation, "timing/figures.py", "x = (rows['p'] < 0.05).sum()"),
    (no_number_in_presentation, "timing/figures.py", "x = getattr(rows['n'], 'sum')()"),
    (no_number_in_presentation, "timing/figures.py", "x = rows['clicks'].div(rows['texts'])"),
    (no_number_in_presentation, "timing/figures.py", "import numpy as np\nx = np.divide(row.a, row.b)"),
    (no_number_in_presentation, "timing/figures.py", "x = row.a + row.b"),
    (no_number_in_presentation, "timing/figures.py", "for row in rows:\n    all += row.n"),
    (no_number_in_presentation, "timing/figures.py", "x = rows['n'].describe()"),
    (no_number_in_presentation, "timing/figures.py", "x = row.sd ** row.power"),
    (no_number_in_presentation, "timing/figures.py", "import math\nx = math.hypot(row.a, row.b)"),
    (no_number_in_presentation, "timing/tables.py", "from statistics import mean as m\nx = m(values)"),
    (no_number_in_presentation, "timing/tables.py", "from smsroi_helpers.statistics import standard_error"),
    (every_phrase_is_translated, "timing/figures.py", "ax.set_title('Profit per text and week')"),
    (every_phrase_is_translated, "timing/tables.py", "x = note('There are no rows.')"),
    (every_phrase_is_translated, "timing/tables.py", "x = table(rows, caption=f'{n} customers left')"),
    (every_phrase_is_translated, "timing/wording.py", "def f():\n    return 'Nobody bought anything.'"),
    (every_phrase_is_translated, "timing/wording.py", "from smsroi_helpers.locale import _ as tr"),
    (no_module_by_name, _ANY, "import runpy\nx = runpy.run_path('plan.py')"),
    (no_module_by_name, _ANY, "import importlib.util as u\nx = u.find_spec('x')"),
    (measured_columns_in_measures_only, _ANY, "x = rows.query('clicked_at > delivered_at')"),
    (local_time_of_measures_only, _ANY, "x = rows.sent_at.hour()"),
    (local_time_of_measures_only, _ANY, "import ibis\nx = (rows.sent_at + ibis.interval(hours=8)).hour()"),
    (local_time_of_measures_only, _ANY, "import datetime as dt\nx = dt.timezone(dt.timedelta(hours=8))"),
    (no_sql_text, _ANY, "x = shop.messages.sql('select clicked_at from messages')"),
    (measured_columns_in_measures_only, _ANY, "x = getattr(shop.messages, 'clicked_at')"),
    (measured_columns_in_measures_only, _ANY, "x = shop.messages[f'{event}_at']"),
    (measured_columns_in_measures_only, _ANY, "x = shop.messages['clicked' + '_at']"),
    (measured_columns_in_measures_only, _ANY, "x = shop.messages[event + '_at']"),
    (local_time_of_measures_only, _ANY, "from smsroi_helpers import engine as e\nx = e.local_time"),
    (local_time_of_measures_only, _ANY, "x = rows.sent_at.cast(\"timestamp('Asia/Tokyo')\")"),
    (local_time_of_measures_only, _ANY, "x = rows.sent_at.cast(f\"timestamp('{zone}', 6)\")"),
    (local_time_of_measures_only, _ANY, "x = rows['sent_at'].dt.tz_localize('UTC').dt.tz_convert(zone)"),
    (local_time_of_measures_only, _ANY, "x = instant.astimezone(zone)"),
    (local_time_of_measures_only, _ANY, "from zoneinfo import ZoneInfo"),
    (only_the_engine_names_an_engine, _ANY, "import ibis as i\nx = i.duckdb.connect()"),
    (only_the_engine_names_an_engine, _ANY, "from ibis import duckdb as d"),
    (only_the_engine_names_an_engine, _ANY, "from ibis.backends import duckdb"),
    (only_the_engine_names_an_engine, _ANY, "from ibis import *"),
    (only_the_engine_names_an_engine, _ANY, "import ibis\nx = ibis.connect('duckdb://')"),
    (no_estimator_in_the_simulation, "simulation/write.py", "from statsmodels.api import OLS"),
    (long_functions_have_a_docstring, _ANY, "async def f():" + "\n    x = 1" * 62),
    (long_functions_have_a_docstring, _ANY, 'def f():\n    """."""' + "\n    x = 1" * 62),
)
"""A rule, a module, and what would break the rule if it were written there."""


@pytest.mark.parametrize(("rule", "name", "text"), PLANTED)
def test_a_planted_violation_is_found(rule, name, text):
    assert list(rule(Source(name, text)))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (_ANY, "from smsroi_helpers import measures as m\nx = m.local_time"),
        (_ANY, "import ibis\nx = ibis.row_number().connect"),
        (_ANY, "def f(kind: Literal['best hour']): ..."),
        ("content/tables.py", "from smsroi_helpers import ab_test\nx = ab_test.tables.difference_words"),
        ("engine/duckdb.py", "import ibis\nx = ibis.duckdb.connect()"),
        ("timing/figures.py", "ax.set_xlim(rows['hour'].min() - 0.5, 100 * row.high)\nx = -len(rows) // columns"),
        ("timing/figures.py", "ax.errorbar(at, y, yerr=[row.value - row.low, row.high - row.value])"),
        ("timing/figures.py", "lengths = np.stack([y - low, high - y])\nax.bar(at, y, xerr=lengths)"),
        ("timing/figures.py", "for at, row in enumerate(rows):\n    ax.text(at - (len(rows) - 1) / 2, row.y, '')"),
        ("timing/figures.py", "x = np.diff(ax.get_xticks()).min()\nn = sum(row.p < 0.05 for row in rows)"),
        ("timing/outputs.py", "x = row.clicks / row.texts"),
        (_ANY, "x = rows.at.cast(\"timestamp('UTC', 6)\")\ny = rows.at.cast('timestamp(6)')"),
        (_ANY, "x = rows[f'{name}_rate']\ny = rows[f'{name}']"),
    ],
)
def test_what_is_allowed_is_not_found(name, text):
    assert not [fault for rule in RULES for fault in rule(Source(name, text))]


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
