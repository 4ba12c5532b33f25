"""The committed notebooks: their structure, and that they contain no untested logic."""

import ast
import re
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
INSTEAD = sorted((ROOT / "notebooks" / "instead").glob("*.ipynb"))
"""They run in the place of those of the same name where these have too few data."""
HEADINGS = [
    "## Data and exclusions",
    "## Method and assumptions",
    "## Result",
    "## Checks",
    "## Decision",
    "## What would change this decision",
    "## What this does not show",
]

_READING = (
    "execute", "to_pandas", "to_pyarrow", "to_polars", "df", "fetchall", "read_parquet", "read_table",
)  # fmt: skip
"""Methods that bring rows into Python."""


@pytest.fixture(params=[*NOTEBOOKS, *INSTEAD], ids=lambda path: path.relative_to(ROOT / "notebooks").as_posix())
def notebook(request):
    return nbformat.read(request.param, as_version=4)


def code(notebook):
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def markdown(notebook):
    return "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def test_each_notebook_has_a_stage_and_tests():
    assert len(NOTEBOOKS) >= 2
    for path in NOTEBOOKS:
        stage = path.stem[3:]
        assert (ROOT / "smsroi_helpers" / stage / "__init__.py").is_file()
        assert list((ROOT / "tests" / stage).glob("test_*.py"))


def test_a_notebook_instead_of_another_has_its_name():
    assert INSTEAD
    assert {path.name for path in INSTEAD} <= {path.name for path in NOTEBOOKS}


def test_a_notebook_is_valid_and_committed_without_outputs(notebook):
    nbformat.validate(notebook)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert notebook.metadata.kernelspec.name == "python3"
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None
        assert set(cell.metadata) <= {"tags"}


def test_a_notebook_starts_with_its_question_and_has_the_standard_headings(notebook):
    lines = markdown(notebook).splitlines()
    assert [line for line in lines if re.match(r"# ", line)] == [notebook.cells[0].source.splitlines()[0]]
    assert notebook.cells[0].source.splitlines()[0].endswith("?")
    assert [line for line in lines if line.startswith("## ")] == HEADINGS


def test_each_parameter_is_a_literal_on_its_own_line_with_a_comment(notebook):
    tagged = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    assert len(tagged) == 1
    for line in tagged[0].source.splitlines():
        assert re.fullmatch(r"[a-z_]+ = .+?  +# \S.*", line), line
    names = [statement.targets[0].id for statement in ast.parse(tagged[0].source).body]
    assert len(names) == len(tagged[0].source.splitlines())
    for statement in ast.parse(tagged[0].source).body:
        ast.literal_eval(statement.value)
    assert names[:5] == ["data", "run_dir", "as_of", "language", "seed"]
    used = "\n".join(cell.source for cell in notebook.cells if cell is not tagged[0] and cell.cell_type == "code")
    for name in names:
        assert re.search(rf"\b{name}\b", used), f"the parameter {name} changes nothing"


LOGIC = (
    ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.Try, ast.For, ast.While, ast.If, ast.With,
    ast.IfExp, ast.Match, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp,
)  # fmt: skip
CALLED = ("eval", "exec", "print", "filter", "mutate", "query", "aggregate", "group_by", "iloc", "loc")
"""What a cell may not call or look up: the package counts and chooses."""


def find_logic(cells):
    """What a notebook decides or computes in its cells, as `cell number: line`."""
    found = []
    for number, source in cells:
        for node in ast.walk(ast.parse(source)):
            name = getattr(node, "attr", "") or getattr(node, "id", "")
            if isinstance(node, LOGIC) or name in CALLED:
                found.append(f"cell {number}: {source.splitlines()[node.lineno - 1].strip()}")
    return found


def test_a_notebook_contains_no_logic(notebook):
    cells = [(number, cell.source) for number, cell in enumerate(notebook.cells, 1) if cell.cell_type == "code"]
    for number, source in cells:
        assert len(source.splitlines()) <= 20, f"cell {number} has more than 20 lines"
    assert find_logic(cells) == []


@pytest.mark.parametrize("source", [
    "x = [row.a for row in rows]", "x = a if b else c", "print(x)", "x = eval('1')", "x = rows.iloc[0]",
    "x = run.shop.customers.filter(run.shop.customers.opted_in_at.notnull())", "x = {m.name: m for m in models}",
])  # fmt: skip
def test_planted_logic_is_found(source):
    assert find_logic([(3, f"y = 1\n{source}")]) == [f"cell 3: {source}"] * len(find_logic([(3, source)]))
    assert find_logic([(3, source)])


_IN_WORDS = r"\b(?:thirds?|quarters?|tenths?) of\b|[½¼¾]|\bone in (?:two|three|four|five|ten|twenty)\b"


def find_numbers(notebook):
    """Numbers typed into the prose, as `cell number: sentence`, except years of papers and the numbers of a list."""
    found = []
    for number, cell in enumerate(notebook.cells, 1):
        if cell.cell_type == "markdown":
            prose = re.sub(r"^\d+\. (?=\S)", "", cell.source, flags=re.M)
            prose = re.sub(r"(?<=[^\d ] )(?:19|20)\d\d(?=[);])", "", prose).replace("`", "")
            for sentence in re.split(r"(?<=[.?!])\s", prose):
                if re.search(rf"\d|{_IN_WORDS}", sentence):
                    found.append(f"cell {number}: {sentence}")
    return found


def test_no_number_is_typed_into_the_prose(notebook):
    assert find_numbers(notebook) == []


@pytest.mark.parametrize(
    "prose", ["It grew by 12 percent.", "Three quarters of them left.", "One in ten, or ½, one in ten."]
)
def test_planted_numbers_are_found(prose):
    assert find_numbers(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(prose)]))


def test_rows_are_loaded_into_memory_only_in_listed_functions():
    """`Shop.count` returns cells; reading returns a row per error, group or table. The rest stays in the engine."""
    reading = {
        "read.py": ("_count_faults", "_check_tables", "_has_duplicates", "_example"),
        "columns.py": ("_date_columns", "_without_empty_costs"),
        "dates.py": ("count_orders",),
        "no_value.py": ("without_no_values",),
        "people.py": ("find_people", "_read_contacts", "_count_personal", "_has_phones", "_rewritten", "_sample"),
        "duckdb.py": ("_days_when_set",),
        "offsets.py": ("offsets", "changes"),
        "guests.py": ("find_guests", "_suspects"),
        "links.py": ("_components", "find_links"),
        "people_findings.py": ("_findings_of", "_list_capitals", "count_rows"),
        "identities.py": (
            "_join_people",
            "_name_kinds",
            "_refuse_unreadable",
            "_replace",
            "find_everyone",
            "has_spellings",
        ),
        "merge.py": ("_differing", "first_assignments", "merge_customers", "merge_rows"),
        "queries.py": ("_json_errors", "_run", "_syntax_tree", "failing_column", "reserved_words", "single_select"),
        "clocks.py": ("find_scheduled", "_by_local_hour", "_quarters_after", "_on_other_clock"),
        "segments.py": ("merge_segments", "_campaigns_of_segments"),
        "answers.py": ("split_answers", "_consent_by_day"),
        "pseudonymise.py": ("_translated",),
        "total_row.py": ("without_total_row", "_is_sum"),
        "types.py": ("find_plain_texts",),
        "forms.py": ("_shapes",),
        "open.py": ("_declared_exclusions", "_open", "_recorded"),
        "mappings.py": ("recorded_rows",),
        "imports.py": ("_count", "_values", "add"),
    }
    allowed = {("shop.py", "count"), *((file, name) for file, names in reading.items() for name in names)}
    # Rows that Python holds already, and the verbs of Spark's connection, which only those listed here call.
    allowed |= {("shop.py", "_name_by_content"), ("spark.py", "_register_in_memory_table"), ("spark.py", "execute")}
    allowed |= {("expression_key.py", "_parts"), ("results.py", "write_parquet")}
    # Commands to a server, and the names of its tables; rows go to disk as CSV.
    allowed |= {("database.py", name) for name in ("__init__", "list_tables", "_copy", "_write")}
    found = set()
    for path in sorted((ROOT / "smsroi_helpers").rglob("*.py")):
        if "runner" in path.parts:
            continue
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(function, ast.FunctionDef):
                for node in ast.walk(function):
                    name = node.func.attr if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else ""
                    if name in _READING:
                        if name == "read_parquet" and ast.unparse(node.func.value) not in ("pd", "pandas"):
                            continue
                        found.add((path.name, function.name))
    assert found == allowed


def test_notebooks_query_the_engine_only_through_the_package():
    for path in [*NOTEBOOKS, *INSTEAD]:
        for source in code(nbformat.read(path, as_version=4)):
            assert not re.search(r"\.(execute|to_pandas|to_pyarrow)\(|read_(csv|parquet)|\bpd\.", source), source
