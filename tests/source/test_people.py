"""One person is one person: spellings, countries, identities and guests."""

import random

import phonenumbers
import pytest

from smsroi_helpers.errors import DataError
from smsroi_helpers.source import contacts
from smsroi_helpers.source.contacts import ContactReader
from smsroi_helpers.source.pseudonym_key import pseudonym
from smsroi_helpers.source.pseudonymise import pseudonymise
from smsroi_helpers.source.read import load
from tests.source.numbers import HEAD, MESSAGES, ids, mobile_numbers, spellings, two_tables

KEY = b"correct horse battery staple, and a bit"


@pytest.mark.parametrize("country", ["CN", "US", "DE", "ID", ""])
def test_ten_spellings_of_ten_numbers_are_ten_people_in_both_tables(make_source, tmp_path, monkeypatch, country):
    """With `smsroi pseudonymise`, and with pseudonyms made when the source is read; without them it is refused.

    The country is told, or (empty) inferred from the other numbers.
    """
    rng = random.Random(country)
    numbers = mobile_numbers(country or "GB", 10, rng)
    written = [text for number in numbers for text in spellings(number)]
    settings = f"country: {country}\n" if country else ""
    raw = two_tables(make_source, written, settings, rng)
    with pytest.raises(
        DataError,
        match="most values are telephone numbers.*`pseudonymise: true`.*smsroi pseudonymise",
    ):
        load(raw, tmp_path / "refused")
    copied = load(pseudonymise(raw, tmp_path / "out", KEY).folder, tmp_path / "into")
    assert any("E.164" in finding.rule for finding in copied.findings)
    monkeypatch.setenv("SMSROI_KEY", KEY.decode())
    (raw / "source.yml").write_text(settings + "pseudonymise: true\n")
    expected = {pseudonym(phonenumbers.format_number(n, phonenumbers.PhoneNumberFormat.E164), KEY) for n in numbers}
    assert ids(copied, "orders") == ids(copied, "messages") == expected
    at_load = load(raw, tmp_path / "at load")
    assert ids(at_load, "orders") == ids(at_load, "messages") == expected


def test_where_numbers_are_a_part_of_the_ids_they_are_joined_without_pseudonyms(make_source, tmp_path):
    rng = random.Random(1)
    numbers = mobile_numbers("US", 10, rng)
    members = [f"c{i}" for i in range(210)] + [str(i) for i in range(1000, 1010)]
    people = [text for number in numbers for text in spellings(number)] + members
    loaded = load(two_tables(make_source, people, "country: US\n", rng), tmp_path / "into")
    expected = {phonenumbers.format_number(n, phonenumbers.PhoneNumberFormat.E164) for n in numbers} | set(members)
    assert ids(loaded, "orders") == ids(loaded, "messages") == expected


def test_ids_of_digits_stay_beside_a_few_numbers(make_source, tmp_path):
    """Of random ids with ten digits a third would be numbers of the United States; a few real numbers are no proof."""
    rng = random.Random(2)
    members = [str(rng.randrange(10**9, 10**10)) for _ in range(300)]
    numbers = mobile_numbers("US", 20, rng)
    people = members + [phonenumbers.format_number(n, phonenumbers.PhoneNumberFormat.E164) for n in numbers]
    loaded = load(two_tables(make_source, people, "country: US\n", rng), tmp_path / "into")
    assert ids(loaded, "orders") == ids(loaded, "messages") == set(people)


@pytest.mark.parametrize("country", ["US", "CN", "DE", "GB", "BR", "AR", "RU", "IT"])
def test_the_quick_way_gives_what_the_numbering_plan_gives(country):
    rng, reader = random.Random(country), ContactReader(country)
    example = str(phonenumbers.example_number_for_type(country, phonenumbers.PhoneNumberType.MOBILE).national_number)
    code = str(phonenumbers.country_code_for_region(country))
    for _ in range(200):
        kept = rng.randrange(1, 5)
        digits = example[:kept] + "".join(rng.choice("0123456789") for _ in example[kept:])
        digits = rng.choice(["", "0", "1", "8", code]) + digits
        quick, (expected, _mobile) = reader._mobile_of_the_country(digits), contacts._parsed(digits, country)
        assert quick in ("", expected)


def addresses(name: str) -> list[str]:
    """Ten spellings of an e-mail address, and more."""
    plain = f"{name}@mail.example.com"
    return [
        plain, plain.upper(), f" {plain.title()} ", f"mailto:{plain}", f"Ann Lee <{plain}>", f"<{plain}>", f"'{plain}",
        f"'{plain}'", f"{plain};", plain.replace("@", "＠"), f"“{plain}”", f"\u200b{plain}", f"E-Mail: {plain}",
        f"[{plain}]", f"{plain}.",
    ]  # fmt: skip


def test_ten_spellings_of_ten_addresses_are_ten_people_in_both_tables(make_source, tmp_path, monkeypatch):
    rng = random.Random(3)
    names = ["ann", "o'neil", "bob.lee", "c+shop", "d_1", "é", "f-f", "g%h", "顾客", "1"]
    raw = two_tables(make_source, [text for name in names for text in addresses(name)], "", rng)
    with pytest.raises(DataError, match="most values are telephone numbers or e-mail addresses"):
        load(raw, tmp_path / "refused")
    expected = {pseudonym(f"{name}@mail.example.com", KEY) for name in names}
    monkeypatch.setenv("SMSROI_KEY", KEY.decode())
    copied = load(pseudonymise(raw, tmp_path / "out", KEY).folder, tmp_path / "into")
    assert ids(copied, "orders") == ids(copied, "messages") == expected
    (raw / "source.yml").write_text("pseudonymise: true\n")
    at_load = load(raw, tmp_path / "at load")
    assert ids(at_load, "orders") == ids(at_load, "messages") == expected


@pytest.mark.parametrize("text", ["ann@localhost", "@ann", "a@x.com,b@x.com", "user@@x.com", "a b@x.com", "mailto:"])
def test_what_is_no_address(text):
    assert ContactReader("US").read(text) is None


def test_american_numbers_need_no_plus(make_source, tmp_path):
    forms = ("202555{:04}", "(202) 555-{:04}", "202-555-{:04}", "1202555{:04}")
    texts = [form.format(i) for i in range(10) for form in forms]
    raw = make_source(orders=HEAD + "".join(f"{i},{text},2024-01-01,5\n" for i, text in enumerate(texts)))
    copied = pseudonymise(raw, tmp_path / "out", KEY)
    assert len(ids(load(copied.folder, tmp_path / "into"), "orders")) == 10
    assert "read as numbers of US" in copied.notes[0]


def test_identities_join_addresses_and_numbers(make_source, tmp_path):
    raw = make_source(
        orders=HEAD + "1,Ann@x.com,2024-01-01,5\n2,bob@x.com,2024-01-02,5\n",
        messages=MESSAGES + "1,138 0000 0001,k,2024-01-01\n2,+8613800000002,k,2024-01-01\n",
        identities="customer_id,kind,value\nc1,email,ann@x.com\nc1,phone,+8613800000001\nc2,email,bob@x.com\n"
        "c2,phone,13800000002\n",
        source="country: CN\n",
    )
    loaded = load(pseudonymise(raw, tmp_path / "out", KEY).folder, tmp_path / "into")
    assert ids(loaded, "orders") == ids(loaded, "messages") == ids(loaded, "identities")


def test_a_value_of_two_customers_joins_neither(make_source, tmp_path):
    raw = make_source(
        orders=HEAD + "1,c1,2024-01-01,5\n2,c2,2024-01-01,5\n3,old,2024-01-01,5\n4,older,2024-01-01,5\n",
        messages=MESSAGES + "1,g,k,2024-01-01\n",
        identities="customer_id,kind,value\nc1,id,g\nc2,id,g\nc1,id,old\nold,id,older\n",
    )
    loaded = load(raw, tmp_path / "into")
    assert (ids(loaded, "orders"), ids(loaded, "messages")) == ({"c1", "c2"}, {"g"})
    assert [(f.column, f.rows) for f in loaded.findings if f.rule == "one value of two customers"] == [("value", 2)]


@pytest.mark.parametrize("guest", ["0", "NULL", "None", "test", "guest", ""])
def test_guests_are_nobody_and_counted(make_source, open_source, tmp_path, guest):
    from smsroi_helpers.quality import checks

    rows = "".join(f"{i},{f'c{i}' if i % 3 else guest},2024-01-{1 + i % 28:02},5\n" for i in range(60))
    raw = make_source(orders=HEAD + rows)
    shop = open_source(raw)
    assert ids(shop.loaded, "orders") == {f"c{i}" for i in range(60) if i % 3}
    coverage = checks.measure_coverage(shop)
    assert (coverage.orders, coverage.guest_orders, coverage.guest_paid) == (40, 20, 100.0)
    assert ("rows of guests", 20) in [(f.rule, f.rows) for f in shop.loaded.findings]
    copied = load(pseudonymise(raw, tmp_path / "out", KEY).folder, tmp_path / "copy")
    assert copied.tables["orders"].guests == 20


def test_a_customer_zero_is_a_customer(make_source, tmp_path):
    rows = "".join(f"{i},{i % 5},2024-01-{1 + i % 28:02},5\n" for i in range(60))
    assert ids(load(make_source(orders=HEAD + rows), tmp_path / "into"), "orders") == set("01234")


def test_an_unknown_country_is_refused(make_source, tmp_path):
    with pytest.raises(DataError, match="country.*'UK' is not a country; use the two letters.*GB"):
        load(make_source(orders=HEAD + "1,a,2024-01-01,5\n", source="country: UK\n"), tmp_path / "into")


def test_tables_that_do_not_join_are_a_finding_and_break_the_log(make_source, open_source):
    from smsroi_helpers.quality import checks

    shop = open_source(make_source(
        orders=HEAD + "".join(f"{i},a{i},2024-01-01,5\n" for i in range(40)),
        messages=MESSAGES + "".join(f"{i},b{i},k,2024-01-01\n" for i in range(40)),
    ))  # fmt: skip
    found = checks.list_exclusions(shop)
    assert found.set_index("rule").loc["hardly any customer is in the other tables", "rows"] == 40
    assert checks.measure_coverage(shop).not_joined == ("messages",)
