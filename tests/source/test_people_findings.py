"""Ids that are not clear are said: unread numbers, two in a field, spellings and capitals that do not join."""

import pandas as pd
import pytest

from smsroi_helpers.errors import DataError
from smsroi_helpers.source.pseudonym_key import pseudonym
from smsroi_helpers.source.read import load
from tests.source.numbers import HEAD, MESSAGES, ids

KEY = "a key of thirty-two bytes or more, for tests only"


@pytest.fixture
def read(make_source, tmp_path, monkeypatch):
    """Reads sources of given ids in orders and messages."""
    monkeypatch.setenv("SMSROI_KEY", KEY)

    def load_ids(orders, messages=(), source="", **tables):
        if messages:
            rows = "".join(f'{i},"{text}",k,2024-01-01\n' for i, text in enumerate(messages))
            tables["messages"] = MESSAGES + rows
        rows = "".join(f'{i},"{text}",2024-01-01,5\n' for i, text in enumerate(orders))
        return load(make_source(orders=HEAD + rows, source=source, **tables), tmp_path / "into")

    return load_ids


def said(loaded, rule):
    return {(finding.table, finding.rows) for finding in loaded.findings if finding.rule == rule}


def test_two_numbers_in_a_field_are_counted_and_the_first_valid_one_is_used(read):
    numbers = [f"202555{i:04}" for i in range(10)]
    two = [
        "2025550000/2025550001", "2025550001; 2025550000", "202-555-0002, 202-555-0003",
        "999-999-9999 / 202-555-0004", "Cell: 202-555-0005 / Home: 202-555-0006", "2025550007 or 2025550008",
    ]  # fmt: skip
    loaded = read([*numbers, *two], source="country: US\npseudonymise: true\n")
    assert len(ids(loaded, "orders")) == 10
    assert said(loaded, "several telephone numbers in one field") == {("orders", 6)}


UNREAD = [
    "212-555-010",
    "+1 212",
    "+1 212 555 01",
    "212-555-0100 Ann",
    "+999 1234 5678",
    "Cell: 555-0100",
    "tel: 1234567",
]


def test_numbers_that_cannot_be_read_are_counted(read):
    numbers = [f"202555{i:04}" for i in range(20)]
    loaded = read([*numbers, *UNREAD, "c0012345", "a1b2c3d4e5f67788"], source="country: US\npseudonymise: true\n")
    # `+1 212` has too few digits to be a number.
    assert said(loaded, "number or address that cannot be read") == {("orders", len(UNREAD) - 1)}


def test_among_other_ids_only_a_plus_or_a_label_shows_a_number(read):
    loaded = read([*(f"c{i}" for i in range(50)), *UNREAD, "2024-0001-234", "12345678"], source="country: US\n")
    assert said(loaded, "number or address that cannot be read") == {("orders", 4)}


def test_spellings_of_a_number_among_other_ids_are_said_but_not_joined(read):
    members = [f"c{i}" for i in range(60)]
    loaded = read([*members, "131 0479 6669"], [*members, "13104796669"], source="country: CN\n")
    assert "131 0479 6669" in ids(loaded, "orders")
    assert said(loaded, "numbers in several spellings among other ids") == {("orders", 1), ("messages", 1)}


@pytest.mark.parametrize(("different", "is_said"), [(1, False), (2, True), (40, True)])
def test_ids_that_differ_in_capitals_are_said(read, different, is_said):
    """Of 40 ids at least a twentieth, two, join only without capitals."""
    orders = [f"CUST{i:02}" for i in range(40)]
    messages = [text.lower() if i < different else text for i, text in enumerate(orders)]
    loaded = read(orders, messages)
    assert said(loaded, "ids that differ only in capitals") == ({("messages", different)} if is_said else set())
    assert ids(loaded, "messages") == set(messages)


def test_ids_whose_capitals_matter_are_not_said(read):
    both = [f"{letter}{i}" for i in range(20) for letter in "aA"]
    assert said(read(both, both), "ids that differ only in capitals") == set()


def test_capitals_are_said_of_pseudonyms_too(read):
    loaded = read([f"CUST{i}" for i in range(9)], [f"cust{i}" for i in range(9)], source="pseudonymise: true\n")
    assert said(loaded, "ids that differ only in capitals") == {("messages", 9)}


KINDS = {
    "phone": ["mobile", "telephone", "tel", "Tel", "CELL", "cell_phone", "手机", " Phone ", "ＰＨＯＮＥ", "WhatsApp"],
    "email": ["mail", "e-mail", "E-Mail", "Email", "EMAIL", "email_address", "邮箱"],
    "id": ["ID", "user_id"],
}


def test_kinds_of_identities_have_other_names(read):
    rows = "".join(f"c{i},{word},v{i}\n" for i, word in enumerate(word for words in KINDS.values() for word in words))
    loaded = read([f"c{i}" for i in range(20)], identities="customer_id,kind,value\n" + rows)
    counts = pd.read_parquet(loaded.tables["identities"].paths[0])["kind"].value_counts()
    assert counts.to_dict() == {kind: len(words) for kind, words in KINDS.items()}


def test_numbers_of_a_kind_with_another_name_show_that_digits_are_numbers(read):
    loaded = read(
        ["2025550100", "a1", "a2", "a3"], ["(202) 555-0100"], source="country: US\npseudonymise: true\n",
        identities="customer_id,kind,value\na1,Mobile,202-555-0100\n",
    )  # fmt: skip
    assert ids(loaded, "orders") == {pseudonym(text, KEY.encode()) for text in ("a1", "a2", "a3")}
    assert ids(loaded, "messages") == {pseudonym("a1", KEY.encode())}


def test_an_unknown_kind_is_refused_with_the_names_that_are_known(read):
    with pytest.raises(DataError, match=r"unknown kind.*phone \(or mobile, .*email \(or mail, .*id \("):
        read(["c1"], identities="customer_id,kind,value\nc1,pager,9\n")
