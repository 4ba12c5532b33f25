"""Layout rules, checked on the imports; CONTRIBUTING.md describes the subpackages."""

import ast
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

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

MAX_MODULE_LINES = 450
MAX_FUNCTION_LINES = 60
MAX_TEST_LINES = 600
LONG_MODULES: dict[str, str] = {}
"""Modules longer than the limit, each with its reason; at most ten."""


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def relative_name(path: Path) -> str:
    """The path inside the package, such as `timing/counts.py`."""
    return path.relative_to(PACKAGE).as_posix()


def subpackage_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[tuple[int, str, tuple[str, ...]]]:
    """Line, module and imported names of every import, at any depth."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name, ()
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{relative_name(path)}:{node.lineno} imports relatively; name the module in full"
            yield node.lineno, str(node.module), tuple(alias.name for alias in node.names)


def own_imports(path: Path) -> Iterator[tuple[int, str, str]]:
    """Line, subpackage and rest of the module path (`""` for the subpackage itself) of every own import."""
    for line, module, names in imports(path):
        parts = module.split(".")
        if parts[0] != "smsroi_helpers":
            continue
        if len(parts) == 1:
            for name in names:
                if name in LEVELS:
                    yield line, name, ""
        else:
            yield line, parts[1], ".".join(parts[2:])


def strings(path: Path) -> Iterator[tuple[int, str]]:
    """Line and text of every attribute name and string constant."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute):
            yield node.lineno, node.attr
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def test_every_module_belongs_to_a_subpackage_with_a_level():
    assert {subpackage_of(path) for path in modules()} - {"__init__"} <= set(LEVELS)


def test_subpackages_import_only_from_lower_levels():
    wrong = [
        f"{relative_name(path)}:{line} imports {other} (level {LEVELS[other]} from level {LEVELS[subpackage_of(path)]})"
        for path in modules() if subpackage_of(path) in LEVELS
        for line, other, _rest in own_imports(path)
        if other != subpackage_of(path) and LEVELS[other] >= LEVELS[subpackage_of(path)]
    ]  # fmt: skip
    assert not wrong, "\n".join(wrong)


def test_subpackages_import_only_what_another_exports():
    wrong = [
        f"{relative_name(path)}:{line} imports smsroi_helpers.{other}.{rest}; import it from smsroi_helpers.{other}"
        for path in modules()
        for line, other, rest in own_imports(path)
        if rest and other != subpackage_of(path)
    ]
    assert not wrong, "\n".join(wrong)


def exports(subpackage: str) -> set[str]:
    """The names in `__all__` of a subpackage or a single module, and its presentation modules."""
    path = PACKAGE / subpackage / "__init__.py"
    tree = ast.parse((path if path.exists() else PACKAGE / f"{subpackage}.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return set(ast.literal_eval(node.value))
    raise AssertionError(f"{subpackage} has no __all__")


def test_subpackages_import_only_names_that_another_exports():
    wrong = [
        f"{relative_name(path)}:{line} imports {name} from {module}, which does not export it"
        for path in modules()
        for line, module, names in imports(path)
        if module.count(".") == 1 and (other := module.removeprefix("smsroi_helpers.")) in LEVELS
        if other != subpackage_of(path)
        for name in names
        if name not in exports(other)
    ]
    assert not wrong, "\n".join(wrong)


DYNAMIC_IMPORTS = {
    "notebook.py": "a notebook's stage, by its name",
    "runner/child.py": "what notebooks import, before they run",
    "runner/parameters.py": "the parameters of each stage, by its name",
    "__init__.py": "the presentation modules of a subpackage, when they are first used",
}
"""Modules that import a module by a computed name, each with its reason."""


def test_modules_are_imported_by_name_only_where_listed():
    found = {
        relative_name(path): f"{relative_name(path)}:{node.lineno} imports a module by a computed name"
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Name | ast.Attribute)
        and ast.unparse(node).split(".")[-1] in ("import_module", "__import__")
    }
    assert not [line for name, line in found.items() if name not in DYNAMIC_IMPORTS]
    assert set(DYNAMIC_IMPORTS) <= set(found), "list only modules that do so"


def test_statistics_imports_no_shop_no_engine_no_language():
    wrong = [
        f"{relative_name(path)}:{line} imports {module}"
        for path in modules() if subpackage_of(path) == "statistics"
        for line, module, _names in imports(path)
        if module.split(".")[0] in ("ibis", "duckdb", "babel")
    ]  # fmt: skip
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("stage", [*STAGES, "experiments", "measures", "statistics", "engine"])
def test_only_wording_figures_and_tables_of_a_stage_import_pages_or_locale(stage):
    wrong = [
        f"{relative_name(path)}:{line} imports {other}; text belongs into wording, figures or tables"
        for path in modules() if subpackage_of(path) == stage and path.stem.split("_")[-1] not in PRESENTATION_MODULES
        for line, other, _rest in own_imports(path)
        if other in ("pages", "locale")
    ]  # fmt: skip
    assert not wrong, "\n".join(wrong)


def test_only_measures_reads_the_columns_it_defines():
    free = ("contract", "source", "simulation", "measures", "pages")
    wrong = [
        f"{relative_name(path)}:{line} reads {word}"
        for path in modules() if subpackage_of(path) not in free
        for line, word in strings(path)
        if word in MEASURED_COLUMNS
    ]  # fmt: skip
    assert not wrong, "\n".join(wrong)


def test_only_measures_converts_to_local_time():
    wrong = [
        f"{relative_name(path)}:{line} imports local_time"
        for path in modules() if subpackage_of(path) not in ("engine", "source", "measures")
        for line, _module, names in imports(path)
        if "local_time" in names
    ]  # fmt: skip
    assert not wrong, "\n".join(wrong)


def test_local_time_of_the_engine_is_not_reached_through_the_subpackage():
    wrong = [
        f"{relative_name(path)}:{node.lineno} uses engine.local_time; use measures.local_time"
        for path in modules() if subpackage_of(path) not in ("engine", "source", "measures")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and ast.unparse(node).removeprefix("smsroi_helpers.") == "engine.local_time"
    ]  # fmt: skip
    assert not wrong, "\n".join(wrong)


def test_only_the_engine_names_an_engine():
    wrong = [
        f"{relative_name(path)}:{line} imports {module}"
        for path in modules()
        for line, module, _names in imports(path)
        for engine, allowed in ENGINES.items()
        if (module.split(".")[0] == engine or module.startswith(f"ibis.backends.{engine}"))
        and not relative_name(path).startswith(allowed)
    ]
    assert not wrong, "\n".join(wrong)


def test_the_simulation_imports_no_estimator():
    allowed = {"errors", "contract", "simulation"}
    wrong = [
        f"{relative_name(path)}:{line} imports {other}"
        for path in modules() if subpackage_of(path) == "simulation"
        for line, other, _rest in own_imports(path)
        if other not in allowed
    ]  # fmt: skip
    assert not wrong, "\n".join(wrong)


def test_a_notebook_imports_only_its_stage_and_notebook():
    for stage, path in zip(STAGES, sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb")), strict=True):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
        own = [line for cell in code for line in cell.splitlines() if "import" in line]
        assert own == [f"from smsroi_helpers import {', '.join(sorted(['notebook', stage]))}"], path.name


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


def test_long_functions_have_a_docstring():
    wrong = []
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno >= MAX_FUNCTION_LINES:
                doc = ast.get_docstring(node)
                if doc is None:
                    wrong.append(f"{relative_name(path)}:{node.lineno} {node.name}")
    assert not wrong, "\n".join(wrong)
