"""Errors are one line with an exit code and contain no personal numbers."""

import time

import pytest

from smsroi_helpers import errors

MOBILE = "13812345678"


@pytest.mark.parametrize(
    "number",
    [
        MOBILE, "138-1234-5678", "138 1234 5678", "138.1234.5678", "138\u00a01234\u00a05678", "13812345678.0",
        "13812345678.00", "1.3812345678E+10", "8613812345678", "86-138-1234-5678", "+8613812345678",
        "+86 138 1234 5678", "+86-13812345678", "008613812345678", "１３８１２３４５６７８", "19912345678",
        "+1 (415) 555-2671", "+44 20 7946 0958", "+4915112345678", "075588888888", "110101199003078888",
        "415-555-2671", "(415) 555-2671", "(415)555-2671", "1-415-555-2671",
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "template", ["{}", "call {} now", "'{}'", "({})", "{},", "={};", "会员{}号", "Could not convert {}"]
)
def test_a_phone_or_id_number_is_redacted(number, template):
    assert errors.redact(template.format(number)) == template.format("[number]")


@pytest.mark.parametrize(
    "before", ["tel", "_", "x", "files.", "source.yml, files.", "Name=", "TEL:", "id-", "user_id_"]
)
@pytest.mark.parametrize("number", [MOBILE, "138-1234-5678", "138 1234 5678", "13812345678.0"])
@pytest.mark.parametrize("after", ["", "x", ".csv", " not found", "_1", ": no"])
def test_a_mobile_number_inside_a_word_is_redacted(before, number, after):
    message = errors.redact(f"{before}{number}{after}")
    assert message.startswith(before)
    assert message.endswith(after)
    assert "[number]" in message
    assert not any(part in message for part in ("1381234", "138-1234", "1234-5678", "1234 5678"))


@pytest.mark.parametrize("address", ["ann@example.com", "a.b+c@mail.example.com", "张三@例子.公司", "ann＠example.com"])
def test_an_email_address_is_redacted(address):
    assert errors.redact(f"{address} wrote") == "[e-mail] wrote"


@pytest.mark.parametrize(
    "message",
    [
        "paid 45960395801.12 in all", "13812345678.12 paid", "￥13,812,345,678.00", "8,832,003.27", "amount -1380.50",
        "a share of 0.13812345678", "1469307 rows", "1,469,307 rows", "order 12345678", "invoice C489449",
        "2024-01-02 03:04:05", "2024-01-02T03:04:05+08:00", "2024-01-02 03:04:05+0800 2024-01-03", "20240102",
        "1.38E+10 2024-01-02", "run 20260101T000000Z-ab12", "run 20261122-031415-30a0ff", "sha256 3f2a9c0d11e2",
        "sha256 13812345678" + "a" * 53, "pseudonym " + "0f13912345678" + "b" * 19, "key id 1f2e3d4c",
        "commit " + "e" + "15012345678" * 3 + "c" * 6, "192.168.100.200", "duckdb 1.5.6, Chrome/131.0.6778.108",
        "gain +8.25 12.5 to 15.1", "+1,234.50", "+12.4 % (95 % CI 9.8 to 15.1; 4,210 customers)", "line 900002",
        "3 of 1,500,000,000", "0x7f08b41887c0", "segments 211-345-67", "sku 415-555-26712", "2024-415-555-2671",
    ],
)  # fmt: skip
def test_other_numbers_are_not_redacted(message):
    assert errors.redact(message) == message


def test_a_long_word_takes_linear_time():
    """Without a length limit the pattern for addresses is quadratic: two million letters would take hours."""
    began = time.monotonic()
    assert errors.redact("a" * 2_000_000) == "a" * 2_000_000
    assert time.monotonic() - began < 20


def test_an_error_is_one_line_without_personal_numbers():
    message = str(errors.DataError("row 7:\n   '13812345678'\n is no date"))
    assert message == "row 7: '[number]' is no date"


def test_a_notebook_shows_the_line_instead_of_a_traceback():
    assert errors.DataError("table x")._render_traceback_() == ["DataError: table x"]


def test_exit_codes_are_those_of_the_readme():
    codes = {name: getattr(errors, name).exit_code for name in errors.__all__ if name[0].isupper()}
    assert codes == {
        "AlertRaised": 60, "AlreadyRunning": 30, "DataError": 10, "Incomplete": 23, "Interrupted": 50, "KernelDied": 22,
        "NotEnoughData": 0, "NotebookError": 20, "PageError": 24, "SmsroiError": 20, "StorageError": 40,
        "TimeLimit": 21, "UsageError": 2,
    }  # fmt: skip
