"""Scripts that benchmarks run in separate processes import only names that the package has."""

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def scripts() -> Iterator[tuple[str, str]]:
    for path in sorted(BENCHMARKS.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and "\nfrom smsroi_helpers" in node.value:
                yield f"{path.name}:{node.lineno}", node.value


@pytest.mark.parametrize(("where", "script"), [pytest.param(*each, id=each[0]) for each in scripts()])
def test_every_name_a_script_imports_exists(where, script):
    tree = ast.parse(script)
    imported = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("smsroi_helpers"):
            module = importlib.import_module(str(node.module))
            for alias in node.names:
                if not hasattr(module, alias.name):
                    importlib.import_module(f"{module.__name__}.{alias.name}")
                imported[alias.asname or alias.name] = getattr(module, alias.name)
    assert imported, where
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in imported:
            assert hasattr(imported[node.value.id], node.attr), f"{where}: {node.value.id}.{node.attr}"
