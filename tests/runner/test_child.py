"""The process that executes one notebook: how an exception of a cell counts, and what it says in one line."""

import subprocess
import sys

import pytest

from smsroi_helpers.runner import child


@pytest.mark.parametrize(
    ("name", "value", "traceback", "ended"),
    [
        ("DataError", "orders.csv: no rows", ["one line"], {"ended": "data", "message": "orders.csv: no rows"}),
        ("NotEnoughData", "nobody", ["one line"], {"ended": "notenoughdata", "message": "nobody"}),
        ("StorageError", "disk full", ["one line"], {"ended": "storage", "message": "disk full"}),
        # DuckDB and pandas have a DataError too; theirs comes with a traceback.
        ("DataError", "mixed", ["a", "b"], {"ended": "error", "message": "DataError: mixed"}),
        ("OSError", "[Errno 28] No space", ["a", "b"], {"ended": "storage", "message": "OSError: [Errno 28] No space"}),
        ("SystemExit", "3", ["a"], {"ended": "exit", "message": "sys.exit(3)"}),
        ("ValueError", "two\n  lines", ["a", "b"], {"ended": "error", "message": "ValueError: two lines"}),
    ],
)
def test_an_exception_keeps_its_meaning(name, value, traceback, ended):
    assert child._classify_exception(name, value, traceback) == ended


def test_a_long_message_is_cut_and_names_nobody():
    message = child._one_line("ValueError", "13800138000 " + "x" * 400)
    assert len(message) == 300
    assert message.endswith("…")
    assert "13800138000" not in message


@pytest.mark.parametrize(
    ("cell", "executed"),
    [
        ({"cell_type": "code", "source": ["x = 1"]}, True),
        ({"cell_type": "code", "source": [" ", "\n"]}, False),
        ({"cell_type": "markdown", "source": ["x = 1"]}, False),
    ],
)
def test_only_code_is_executed(cell, executed):
    assert child.is_executed(cell) is executed


def test_a_path_with_braces_is_that_path_to_papermill():
    path = "reports/{week}/x.ipynb"
    assert child._literal_path(path).format() == path


def test_a_runner_starts_without_a_grammar_that_no_notebook_needs():
    script = (
        "import sys, smsroi_helpers.runner, nbformat\n"
        "nbformat.validate(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell('x')]))\n"
        "print(sys.modules['rfc3987_syntax'], 'lark' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["None", "False"]
