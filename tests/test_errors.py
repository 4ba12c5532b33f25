"""One line per failure, with its exit code and without anybody's number in it."""

import time

import pytest

from smsroi_helpers import errors


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("call 13812345678 now", "call [number] now"),
        ("call +86 138 1234 5678 now", "call [number] now"),
        ("string '13812345678x' is no number", "string '[number]x' is no number"),
        ("paid 45960395801.12 in all", None),
        ("a.b+c@mail.example.com wrote", "[e-mail] wrote"),
        ("order 12345678 of 2024-05-01, 1,469,307 rows, 4596039.58 paid", None),
        ("run 20261122-031415-30a0ff", None),
        ("sha256 3f2a9c0d11e2", None),
    ],
)
def test_what_is_blotted_out_and_what_is_not(said, kept):
    assert errors.redact(said) == (kept or said)


def test_a_long_word_is_read_once():
    """Without a bound the pattern for addresses is quadratic: two million letters would take hours."""
    began = time.monotonic()
    assert errors.redact("a" * 2_000_000) == "a" * 2_000_000
    assert time.monotonic() - began < 20


def test_an_error_is_one_line_without_numbers():
    said = str(errors.DataError("row 7:\n   '13812345678'\n is no date"))
    assert said == "row 7: '[number]' is no date"


def test_in_a_notebook_the_line_stands_in_place_of_a_traceback():
    assert errors.DataError("table x")._render_traceback_() == ["DataError: table x"]


def test_exit_codes_are_those_of_the_readme():
    codes = {name: getattr(errors, name).exit_code for name in errors.__all__ if name != "redact"}
    assert codes == {
        "AlreadyRunning": 30, "DataError": 10, "Incomplete": 23, "Interrupted": 50, "KernelDied": 22,
        "NotEnoughData": 0, "NotebookError": 20, "PageError": 24, "SmsroiError": 20, "StorageError": 40,
        "TimeLimit": 21, "UsageError": 2,
    }  # fmt: skip
