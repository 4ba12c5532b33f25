"""Placeholders are nobody: words, signs, dummy addresses and dummy numbers, in every spelling and table."""

import pytest

from smsroi_helpers.source.pseudonymise import pseudonymise
from smsroi_helpers.source.read import load
from tests.source.numbers import HEAD, MESSAGES, ids

KEY = b"a key of thirty-two bytes or more, for tests only"
NOBODY = (
    r"\N", "null", "NULL", "null null", "(null)", "N.A.", "n.a.", "n/a", "#N/A", "N/A N/A", "None", "<none>",
    "undefined", "Unknown", " UNKNOWN ", "'unknown'", "“Unknown”", "ｕｎｋｎｏｗｎ", "guest", "GUEST",
    "Guest Checkout", "anonymous user", "walk-in customer", "no email", "No-Email", "no_email", "noemail",
    "no phone", "not provided", "#REF!", "无", "暂无", "没有", "無", "未知", "游客", "匿名用户", "暂无手机号",
    "-", "--", ".", "…", "***", "?", "none@none.com", "NONE@none.com", "test@test.com", "noemail@shop.example",
    "no-email@x.org", "na@na.com", "<none@none.com>", "test@example.com", "noreply@shop.example", "n/a, n/a",
)  # fmt: skip
CUSTOMERS = (
    "N7", "Nan", "nina", "none7", "nullarbor", "无锡1", "guest12", "test7", "nadia@na.example", "nora@test.com",
    "testa@test.com", "info@none.example", "no1", "1234567", "1111111", "unknown soldier", "空军", "guesthouse@x.org",
    "🎁",
)  # fmt: skip


def rows(texts, times=1):
    return HEAD + "".join(
        f'{times * i + n},"{text}",2024-01-{1 + n % 28:02},5\n' for i, text in enumerate(texts) for n in range(times)
    )


def test_placeholders_are_nobody_in_every_table_however_few_their_rows(make_source, tmp_path):
    people = [f"c{i}" for i in range(70)]
    raw = make_source(
        orders=rows([*NOBODY, *CUSTOMERS, *people]),
        messages=MESSAGES + "".join(f'{i},"{text}",k,2024-01-01\n' for i, text in enumerate([*NOBODY, *people])),
        source="country: US\n",
    )
    loaded = load(raw, tmp_path / "into")
    assert ids(loaded, "orders") == {*CUSTOMERS, *people}
    assert ids(loaded, "messages") == set(people)
    said = {(f.table, f.rows) for f in loaded.findings if f.rule == "rows of guests"}
    assert said == {("orders", len(NOBODY)), ("messages", len(NOBODY))}
    copied = load(pseudonymise(raw, tmp_path / "out", KEY).folder, tmp_path / "copy")
    assert copied.tables["orders"].guests == copied.tables["messages"].guests == len(NOBODY)


@pytest.mark.parametrize("word", ["test", "NA", "nan", "测试"])
@pytest.mark.parametrize("orders", [9, 10])
def test_a_word_that_may_be_a_name_is_nobody_from_ten_orders(make_source, tmp_path, word, orders):
    spellings = [word, word.upper()]
    raw = make_source(orders=rows([*(spellings[i % 2] for i in range(orders)), *(f"c{i}" for i in range(30))]))
    assert load(raw, tmp_path / "into").tables["orders"].guests == (orders if orders >= 10 else 0)


@pytest.mark.parametrize("number", ["9999999999", "999-999-9999", "000-000-0000", "1234567890", "+1 999 999 9999"])
def test_a_dummy_number_is_nobody_among_numbers(make_source, tmp_path, number, monkeypatch):
    monkeypatch.setenv("SMSROI_KEY", KEY.decode())
    numbers = [f"202555{i:04}" for i in range(20)]
    raw = make_source(orders=rows([number, *numbers]), source="country: US\npseudonymise: true\n")
    loaded = load(raw, tmp_path / "into")
    assert (len(ids(loaded, "orders")), loaded.tables["orders"].guests) == (20, 1)


@pytest.mark.parametrize(("orders", "guests"), [(9, 0), (10, 10)])
def test_a_dummy_number_among_other_ids_is_nobody_from_ten_orders(make_source, tmp_path, orders, guests):
    texts = [*(["1234567890", "123-456-7890"][i % 2] for i in range(orders)), *(f"{i}" for i in range(1000, 1030))]
    loaded = load(make_source(orders=rows(texts)), tmp_path / "into")
    assert loaded.tables["orders"].guests == guests


def test_a_valid_number_of_one_digit_is_somebodys_unless_it_orders_conspicuously(make_source, tmp_path, monkeypatch):
    """138 0000 0000 is a valid number; the word of its form alone is not enough."""
    monkeypatch.setenv("SMSROI_KEY", KEY.decode())
    others = [f"1380000{i:04}" for i in range(1, 30)]
    source = "country: CN\npseudonymise: true\n"
    one = load(make_source(orders=rows(["13800000000", *others]), source=source), tmp_path / "one")
    assert (len(ids(one, "orders")), one.tables["orders"].guests) == (30, 0)
    many = load(make_source(orders=rows([*["138 0000 0000", "+8613800000000"] * 9, *others]), source=source), tmp_path)
    assert (len(ids(many, "orders")), many.tables["orders"].guests) == (29, 18)


def test_without_orders_placeholders_are_nobody_too(make_source, tmp_path):
    texts = ["n/a", "c1", "c2", "-"]
    raw = make_source(messages=MESSAGES + "".join(f"{i},{text},k,2024-01-01\n" for i, text in enumerate(texts)))
    assert ids(load(raw, tmp_path / "into"), "messages") == {"c1", "c2"}
