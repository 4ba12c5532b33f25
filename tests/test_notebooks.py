"""The committed notebooks: their structure, and that they contain no untested logic."""

import ast
import json
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
def path(request):
    return request.param


@pytest.fixture
def notebook(path):
    return nbformat.read(path, as_version=4)


@pytest.fixture
def name(path):
    """Its path in the folder of notebooks."""
    return path.relative_to(ROOT / "notebooks").as_posix()


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
    ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.Try, ast.TryStar, ast.For, ast.AsyncFor,
    ast.While, ast.If, ast.With, ast.AsyncWith, ast.IfExp, ast.Match, ast.ListComp, ast.SetComp, ast.DictComp,
    ast.GeneratorExp, ast.NamedExpr, ast.BinOp, ast.BoolOp, ast.Compare, ast.AugAssign, ast.JoinedStr, ast.Assert,
    ast.Delete, ast.Global, ast.Raise,
)  # fmt: skip
"""A cell calls its stage and shows what it answers. It computes and decides nothing."""
CHOOSING = (
    "agg", "aggregate", "apply", "assign", "at", "count", "drop", "eval", "exec", "execute", "filter", "group_by",
    "groupby", "head", "iat", "iloc", "join", "loc", "map", "max", "mean", "median", "merge", "min", "mutate",
    "order_by", "pipe", "print", "query", "select", "sort_values", "sql", "std", "sum", "tail", "transform",
)  # fmt: skip
"""What a cell may not call or look up: the package counts and chooses."""
OF_THE_SHOP = ("as_of", "has", "recall", "settings")
"""What a cell may read of `run.shop`, beside handing it on: no table."""


def find_logic(cells):
    """What a notebook decides, computes or chooses in its cells, as `cell number: line`."""
    found = []
    for number, source in cells:
        for node in ast.walk(ast.parse(source)):
            name = getattr(node, "attr", "") or getattr(node, "id", "")
            table = (
                isinstance(node, ast.Attribute) and ast.unparse(node.value) == "run.shop" and name not in OF_THE_SHOP
            )
            function = isinstance(node, ast.Call) and not isinstance(node.func, ast.Attribute)
            place = isinstance(node, ast.Subscript) and not isinstance(getattr(node.slice, "value", None), str)
            renamed = isinstance(node, ast.Assign) and ast.unparse(node.value) == "run.shop"
            if isinstance(node, LOGIC) or name in CHOOSING or table or function or place or renamed:
                found.append(f"cell {number}: {source.splitlines()[node.lineno - 1].strip()}")
    return list(dict.fromkeys(found))


def located(name, found):
    """Each `cell number: text` after the notebook's path and the line of its file."""
    lines = (ROOT / "notebooks" / name).read_text(encoding="utf-8").splitlines()
    starts = [number for number, line in enumerate(lines, 1) if '"cell_type":' in line]
    for each in found:
        cell, _colon, text = each.partition(": ")
        begin = starts[int(cell.split()[1]) - 1]
        first = json.dumps(text.strip().splitlines()[0], ensure_ascii=False)[1:-1]
        line = next((at for at, own in enumerate(lines[begin:], begin + 1) if first in own), begin)
        yield f"notebooks/{name}:{line} {each}"


def test_a_notebook_contains_no_logic(notebook, name):
    cells = [(number, cell.source) for number, cell in enumerate(notebook.cells, 1) if cell.cell_type == "code"]
    for number, source in cells:
        assert len(source.splitlines()) <= 20, f"notebooks/{name}, cell {number} has more than 20 lines"
    wrong = list(located(name, find_logic(cells)))
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("source", [
    "x = [row.a for row in rows]", "x = a if b else c", "print(x)", "x = eval('1')", "x = rows.iloc[0]",
    "x = run.shop.customers.filter(run.shop.customers.opted_in_at.notnull())", "x = {m.name: m for m in models}",
    "exec('x = 1')", "x = run.shop.customers", "shop = run.shop", "x = timing.query(run.shop.messages)",
    "x = found.rows.query('n > 3')",
    "x = found.rows.mutate(n=1)", "x = list(map(str, rows))", "x = max(rows)", "x = row.a + row.b", "x = not row.a > 3",
    "x = rows[0]", "x = rows['n'].sum()", "x = f'{n} rows'", "x = found or []", "(x := 1)", "x = (lambda: 1)()",
])  # fmt: skip
def test_planted_logic_is_found(source):
    assert find_logic([(3, f"y = 1\n{source}")]) == [f"cell 3: {source}"]


def test_a_planted_match_is_found_by_cell_and_line():
    assert find_logic([(3, "match language:\n    case 'en':\n        print('12')")]) == [
        "cell 3: match language:", "cell 3: print('12')",
    ]  # fmt: skip


def test_a_line_of_a_notebook_is_found_in_its_file():
    path = NOTEBOOKS[0]
    cells = nbformat.read(path, as_version=4).cells
    number = next(n for n, one in enumerate(cells, 1) if "run.finish()" in one.source)
    (found,) = located(path.name, [f"cell {number}: run.finish()"])
    line = int(found.split(":")[1].split()[0])
    assert "run.finish()" in path.read_text(encoding="utf-8").splitlines()[line - 1]


_NUMBER = r"(?:an?|one|two|three|four|five|six|seven|eight|nine|ten|twelve|twenty|thirty|fifty|ninety|hundred)"
_PART = r"(?:hal(?:f|ves)|thirds?|quarters?|fifths?|sixths?|eighths?|tenths?)"
_IN_WORDS = (
    rf"[½⅓⅔¼¾⅕⅛]|\b{_NUMBER}[ -]{_PART}\b|\b{_PART} of (?!(?:the )?customers\b)|\b{_NUMBER} (?:in|out of) {_NUMBER}\b"
    rf"|\b{_NUMBER} (?:percent|per cent|times)\b|\b(?:dozen|hundred|thousand|million|percent|twice|double)\b"
)
_YEAR = r"(?<=[^\d ] )(?:19|20)\d\d(?=[);])"
"""The year of a paper, before the end of its mention: (Lin 2013)."""
_FIXED = {
    "one half": "customers are divided into halves",
    "a fifth of the": "the share of the error that a segment by itself may have",
    "a fifth of another’s customers": "the size below which an arm’s own variance is not used",
    "fifths of a list": "the steps in which a list is treated",
    "keys that stand twice": "duplicates",
}
"""Numbers in words that are part of a method, with what they are."""


def find_numbers(notebook):
    """Numbers typed into the prose, as `cell number: sentence`, except years of papers and the numbers of a list."""
    found = []
    for number, cell in enumerate(notebook.cells, 1):
        if cell.cell_type == "markdown":
            prose = _without_list_numbers(cell.source).replace("`", "")
            prose = re.sub(r"\([^()]*\)", lambda cited: re.sub(_YEAR, "", cited[0]), prose)
            for sentence in re.split(r"(?<=[.?!])\s", prose):
                words = " ".join(sentence.split())
                for fixed in _FIXED:
                    words = re.sub(rf"\b{fixed}\b", "", words, flags=re.IGNORECASE)
                if re.search(rf"\d|{_IN_WORDS}", words, re.IGNORECASE):
                    found.append(f"cell {number}: {sentence.strip()}")
    return found


def _without_list_numbers(text):
    """The text without `1. `, `2. ` and so on at the start of a line, as long as they follow one another."""
    lines, last = [], 0
    for line in text.splitlines():
        item = re.match(r"(\d+)\. (?=\S)", line)
        if item and int(item[1]) == last + 1:
            last += 1
            line = line[item.end() :]
        lines.append(line)
    return "\n".join(lines)


def test_no_number_is_typed_into_the_prose(notebook, name):
    wrong = list(located(name, find_numbers(notebook)))
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("prose", [
    "It grew by 12 percent.", "Three quarters of them left.", "One in ten, or ½, one in ten.", "In three quarters.",
    "12. percent of texts are read.", "1. Well.\n12. percent of texts are read.", "Roughly 2000; that is CI 1999).",
    "That is\n12; more than before.", "That is\n12% more.", "Nine out of ten stay.", "Twice as many.", "Ten percent.",
    "A third of them left.", "Two-thirds stay.", "Half of the texts were read.", "It doubled by a hundred.",
])  # fmt: skip
def test_planted_numbers_are_found(prose):
    assert find_numbers(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(prose)]))


@pytest.mark.parametrize("prose", [
    "1. One thing.\n2. Another.", "As in (Lin 2013).", "(Athey and others 2019; Fieller, 1954)", "Two kinds of money.",
    "One half is learned from.",
])  # fmt: skip
def test_what_is_no_number_is_not_found(prose):
    assert not find_numbers(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(prose)]))


def test_every_fixed_number_in_words_is_still_used():
    prose = " ".join(markdown(nbformat.read(path, as_version=4)) for path in [*NOTEBOOKS, *INSTEAD])
    assert [fixed for fixed in _FIXED if fixed not in " ".join(prose.split())] == []


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
