"""Keys of too many people join nobody; families and customers with many numbers stay one."""

import ibis
import pytest

from smsroi_helpers.engine import connect
from smsroi_helpers.source.links import MOST_KEYS, find_links, find_shared
from smsroi_helpers.source.pseudonym_key import pseudonym
from smsroi_helpers.source.pseudonymise import pseudonymise
from smsroi_helpers.source.read import load
from tests.source.numbers import HEAD, MESSAGES, ids

KEY = "a key of thirty-two bytes or more, for tests only"
SHOPS_OWN = "+12125550100"


def source_with_one_number(make_source, addresses: int, *, number: str, number_is_owner: bool):
    """Buyers with an address and a number each; some of them have one number in common."""
    shared = [f"a{i}@x.org" for i in range(addresses)]
    own = [f"b{i}@x.org" for i in range(10)]
    pairs = [(number, "email", address) if number_is_owner else (address, "phone", number) for address in shared]
    pairs += [(f"+1212555{1000 + i}", "email", address) for i, address in enumerate(own)]
    orders = [*shared, *own, *[number] * 3, *[f"+1212555{1000 + i}" for i in range(10)]]
    return make_source(
        orders=HEAD + "".join(f"{i},{text},2024-01-01,5\n" for i, text in enumerate(orders)),
        messages=MESSAGES + f"1,{number},k,2024-01-01\n2,{shared[0]},k,2024-01-01\n3,c1,k,2024-01-01\n",
        identities="customer_id,kind,value\n" + "".join(f"{a},{kind},{b}\n" for a, kind, b in pairs),
        source="country: US\npseudonymise: true\n",
    )


@pytest.mark.parametrize("command", [False, True], ids=["when read", "smsroi pseudonymise"])
@pytest.mark.parametrize("addresses", [3, MOST_KEYS, MOST_KEYS + 1, 200])
def test_a_number_beside_too_many_addresses_is_nobodys(make_source, tmp_path, monkeypatch, addresses, command):
    monkeypatch.setenv("SMSROI_KEY", KEY)
    raw = source_with_one_number(make_source, addresses, number=SHOPS_OWN, number_is_owner=True)
    if command:
        (raw / "source.yml").write_text("country: US\n")
        raw = pseudonymise(raw, tmp_path / "copy", KEY.encode()).folder
    loaded = load(raw, tmp_path / "into")
    found = ids(loaded, "orders")
    is_shared = addresses > MOST_KEYS
    assert len(found) == 10 + (addresses if is_shared else 1)
    assert loaded.tables["orders"].guests == (3 if is_shared else 0)
    assert loaded.tables["messages"].guests == (1 if is_shared else 0)
    if is_shared:
        assert {pseudonym(f"a{i}@x.org", KEY.encode()) for i in range(addresses)} < found


def test_what_is_said_of_it_names_no_number(make_source, tmp_path, monkeypatch):
    monkeypatch.setenv("SMSROI_KEY", KEY)
    loaded = load(
        source_with_one_number(make_source, 25, number="(212) 555-0100", number_is_owner=True), tmp_path / "into"
    )
    (said,) = [finding for finding in loaded.findings if finding.rule == "key of too many people"]
    assert (said.table, said.column, said.rows, said.severity) == ("identities", "value", 25, "warning")
    assert "1 telephone numbers" in said.filled_remedy
    assert "their orders (3) are guests'" in said.filled_remedy
    assert "555" not in said.filled_remedy


@pytest.mark.parametrize("number", ["9999999999", "000-000-0000", "1234567890"])
def test_a_dummy_number_joins_nobody_even_if_few_have_it(make_source, tmp_path, monkeypatch, number):
    monkeypatch.setenv("SMSROI_KEY", KEY)
    raw = source_with_one_number(make_source, 2, number=number, number_is_owner=True)
    loaded = load(raw, tmp_path / "into")
    assert len(ids(loaded, "orders")) == 12
    assert loaded.tables["orders"].guests == 3


def test_placeholders_as_values_join_nobody(make_source, tmp_path, monkeypatch):
    monkeypatch.setenv("SMSROI_KEY", KEY)
    raw = make_source(
        orders=HEAD + "1,c1,2024-01-01,5\n2,c2,2024-01-01,5\n3,none@none.com,2024-01-02,5\n",
        identities="customer_id,kind,value\nc1,email,None@None.com\nc2,phone,n/a\nc2,email,c2@x.org\n",
        source="pseudonymise: true\n",
    )
    loaded = load(raw, tmp_path / "into")
    assert ids(loaded, "orders") == {pseudonym("c1", KEY.encode()), pseudonym("c2", KEY.encode())}
    assert loaded.tables["orders"].guests == 1


@pytest.fixture
def shared_of(tmp_path):
    con = connect(tmp_path)

    def find(rows: list[tuple[str, str, bool]]) -> set[str]:
        pairs = con.create_table("given", ibis.memtable(rows, columns=["owner", "value", "is_contact"]), overwrite=True)
        return set(find_shared(con, pairs).node.execute())

    return find


@pytest.mark.parametrize(("n", "is_shared"), [(MOST_KEYS, False), (MOST_KEYS + 1, True)])
def test_numbers_and_addresses_have_a_limit(shared_of, n, is_shared):
    of_addresses = [("+4930123456", f"a{i}@x.org", True) for i in range(n)]
    of_numbers = [("info@shop.org", f"+49301234{i:03}", True) for i in range(n)]
    as_value = [(f"c{i}", "112233", True) for i in range(n)]
    expected = {"+4930123456", "info@shop.org", "112233"} if is_shared else set()
    assert shared_of([*of_addresses, *of_numbers, *as_value]) == expected


def test_each_kind_of_key_is_counted_by_itself_and_an_id_has_no_limit(shared_of):
    of_a_number = [("+4930123456", f"a{i}@x.org", True) for i in range(8)] + [
        ("+4930123456", f"p{i}", False) for i in range(8)
    ]
    of_an_id = [("c1", f"+49301234{i:03}", True) for i in range(40)]
    assert shared_of([*of_a_number, *of_an_id]) == set()


def test_links_go_through_any_number_of_steps(tmp_path):
    """A chain of nine ids, written as pairs in no order, is one person; the pair beside it another."""
    con = connect(tmp_path)
    chain = [(f"n{i}", f"n{i + 1}") for i in (3, 0, 7, 1, 5, 2, 6, 4)]
    pairs = con.create_table("chain", ibis.memtable([*chain, ("x", "y")], columns=["owner", "value"]))
    found = find_links(con, pairs)
    persons = dict(found.persons.select("node", "person").execute().itertuples(index=False))
    assert persons == {**{f"n{i}": "n0" for i in range(1, 9)}, "y": "x"}
    assert found.conflicting == 0
