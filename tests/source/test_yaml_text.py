import datetime as dt

import pytest
import yaml

from smsroi_helpers.source.yaml_text import parse_yaml


def test_only_what_looks_plainly_so_is_anything_but_text() -> None:
    text = "a: NO\nb: 21:00\nc: 017\nd: 1_000\ne: true\nf: -3\ng: 1e-3\nh: ~\ni: 2025-06-30\nj: '5'\nk:\n"
    assert parse_yaml(text)[0] == {
        "a": "NO", "b": "21:00", "c": "017", "d": "1_000", "e": True, "f": -3, "g": 0.001, "h": None,
        "i": dt.date(2025, 6, 30), "j": "5", "k": None,
    }  # fmt: skip


def test_lines_of_keys_are_returned_for_two_levels() -> None:
    assert parse_yaml("a: 1\n\nb:\n  c: 2\n  d:\n    e: 3\n")[1] == {("a",): 1, ("b",): 3, ("b", "c"): 4, ("b", "d"): 5}
    assert parse_yaml("# nothing\n") == ({}, {})
    assert parse_yaml("- a\n") == (["a"], {})


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("a: 1\na: 2\n", 2, "the key 'a' appears twice (first on line 1)"),
        ("a:\n  b: 1\n  b: 2\n", 3, "the key 'b' appears twice (first on line 2)"),
        ("a: &x 1\nb: *x\n", 2, "an alias (*name) is not allowed"),
        ("? [a]\n: 1\n", 1, "a key must be a plain name"),
    ],
)
def test_its_traps_are_refused_with_the_line(text: str, line: int, problem: str) -> None:
    with pytest.raises(yaml.MarkedYAMLError) as refusal:
        parse_yaml(text)
    assert refusal.value.problem == problem
    assert refusal.value.problem_mark is not None
    assert refusal.value.problem_mark.line + 1 == line
