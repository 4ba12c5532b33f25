"""Rows of one customer are one, and a customer who is assigned to one arm twice is assigned once."""

import pandas as pd
import pytest

from smsroi_helpers.measures import subscribed
from smsroi_helpers.source.pseudonymise import pseudonymise
from smsroi_helpers.source.read import load
from smsroi_helpers.source.shop import open_shop

KEY = "a key of thirty-two bytes or more, for tests only"
ORDERS = "order_id,customer_id,ordered_at,amount\n1,+14155550101,2024-01-01,5\n2,+14155550102,2024-06-01,6\n"
ONE, SPACED, NATIONAL = "+14155550101", "+1 415 555 0101", "(415) 555-0101"
OTHER = "+14155550102"


@pytest.fixture(autouse=True)
def _key(monkeypatch):
    monkeypatch.setenv("SMSROI_KEY", KEY)


def customers(*rows, columns="joined_at,region,opted_in_at,opted_out_at,attr_level"):
    return f"customer_id,{columns}\n" + "".join(f"{row}\n" for row in rows)


def read(make_source, tmp_path, table, **files):
    source = "pseudonymise: true\ncountry: US\n"
    folder = make_source(orders=ORDERS, customers=table, source=source, **files)
    loaded = load(folder, tmp_path / "into", max_rejected_share=0.0)
    return loaded, pd.read_parquet(loaded.tables["customers"].paths[0])


def said(loaded, table="customers"):
    """(column, rule) → rows, of what is said about merged rows."""
    rules = ("rows of one customer", "consent differs", "assigned again")
    return {(f.column, f.rule): f.rows for f in loaded.findings if f.table == table and f.rule.startswith(rules)}


def test_rows_that_agree_are_one_and_none_is_rejected(make_source, tmp_path):
    row = "2024-01-01,north,2024-01-01,,gold"
    table = customers(f"{ONE},{row}", f"{SPACED},{row}", f"{NATIONAL},{row}", f"{OTHER},2024-02-01,south,,,silver")
    loaded, rows = read(make_source, tmp_path, table)
    assert (loaded.tables["customers"].rows_in, loaded.tables["customers"].rows_out) == (4, 2)
    assert loaded.tables["customers"].merged == 2
    assert sorted(rows["region"]) == ["north", "south"]
    assert said(loaded) == {("", "rows of one customer merged"): 2}
    assert [f for f in loaded.findings if f.severity == "error"] == []


def test_empty_values_are_filled_and_values_that_differ_are_unknown(make_source, tmp_path):
    table = customers(f"{ONE},2024-03-01,north,,,", f"{SPACED},2024-01-05,south,,,gold", f"{OTHER},,east,,,")
    loaded, rows = read(make_source, tmp_path, table)
    merged = rows[rows["attr_level"] == "gold"].iloc[0]
    assert merged["joined_at"] == pd.Timestamp("2024-01-05")  # the first contact
    assert pd.isna(merged["region"])
    assert said(loaded) == {("", "rows of one customer merged"): 1, ("region", "rows of one customer differ"): 1}
    (finding,) = [f for f in loaded.findings if f.rule == "rows of one customer differ"]
    assert finding.filled_remedy.startswith("customers whose rows have different values: 1; it is unknown")


@pytest.mark.parametrize(
    ("first", "second", "texted", "consents"),
    [
        # (opt-in, opt-out) of each row, an opt-out of a text, and the days on which the customer may be texted
        (("2024-01-01", ""), ("", "2024-03-01"), "", {"2024-02-01": True, "2024-04-01": False}),
        (("2024-01-01", "2024-03-01"), ("2024-05-01", ""), "", {"2024-04-01": False, "2024-06-01": True}),
        (("2024-01-01", ""), ("2024-05-01", ""), "", {"2023-12-01": False, "2024-02-01": True, "2024-06-01": True}),
        (("2024-01-01", ""), ("2024-05-01", ""), "2024-03-01 12:00", {"2024-04-01": False, "2024-06-01": True}),
        (("2024-01-01", ""), ("2024-02-01", ""), "2024-03-01 12:00", {"2024-02-15": True, "2024-04-01": False}),
        (("", ""), ("", ""), "", {"2024-04-01": False}),
        (("", "2024-03-01"), ("", "2024-01-01"), "", {"2024-04-01": False}),
    ],
)  # fmt: skip
def test_consent_is_one_history(make_source, tmp_path, first, second, texted, consents):
    table = customers(f"{ONE},,,{first[0]},{first[1]},", f"{NATIONAL},,,{second[0]},{second[1]},")
    texts = "message_id,customer_id,campaign_id,sent_at,opted_out_at\n"
    texts += f"m,{ONE},k,2024-03-01 09:00,{texted}\n" + f"n,{OTHER},k,2024-06-01 09:00,\n"
    loaded, rows = read(make_source, tmp_path, table, messages=texts)
    shop = open_shop(loaded, "2024-12-31", tmp_path / "cache")
    people = shop.customers.select("customer_id")
    found = {day: len(subscribed(shop, pd.Timestamp(day), people).execute()) == 1 for day in consents}
    assert len(rows) == 1
    assert found == consents
    differ = sum(rule.startswith("consent differs") for _column, rule in said(loaded))
    assert differ == (first[0] != second[0]) + (first[1] != second[1])


def test_one_spelling_with_different_values_is_a_conflicting_key_as_before(make_source, tmp_path):
    table = customers(
        f"{ONE},,north,,,", f"{ONE},,south,,,", f"{SPACED},,,,2024-03-01,gold", f"{OTHER},,east,,,", f"{OTHER},,east,,,"
    )
    folder = make_source(orders=ORDERS, customers=table, source="pseudonymise: true\ncountry: US\n")
    loaded = load(folder, tmp_path / "into", max_rejected_share=1.0)
    rows = pd.read_parquet(loaded.tables["customers"].paths[0])
    assert [(f.rule, f.rows) for f in loaded.findings if f.severity == "error"] == [
        ("conflicting key", 2), ("repeated row", 1),
    ]  # fmt: skip
    assert sorted(rows["region"].dropna()) == ["east"]
    assert rows["opted_out_at"].notna().sum() == 1
    assert said(loaded) == {}


def test_no_spelling_is_kept_and_no_column_is_added(make_source, tmp_path):
    loaded, rows = read(make_source, tmp_path, customers(f"{ONE},,a,,,", f"{SPACED},,a,,,"))
    assert list(rows.columns) == list(loaded.tables["customers"].columns)
    assert not [name for name in rows.columns if name.endswith("__")]
    assert not [f for f in loaded.findings if f.rule == "not in the contract"]


def test_the_copy_of_smsroi_pseudonymise_gives_the_same_customers(make_source, tmp_path):
    """In the copy the spellings are gone; which rows are written alike must not be, or the copy rejects both."""
    table = customers(f"{ONE},,north,,,", f"{NATIONAL},,,,2024-03-01,gold", f"{OTHER},,a,,,", f"{OTHER},,b,,,")
    folder = make_source(orders=ORDERS, customers=table, source="country: US\n")
    pseudonymise(folder, tmp_path / "copy", KEY.encode())
    copied = load(tmp_path / "copy", tmp_path / "one", max_rejected_share=1.0)
    make_source(source="country: US\npseudonymise: true\n")
    direct = load(folder, tmp_path / "two", max_rejected_share=1.0)
    found, expected = (pd.read_parquet(loaded.tables["customers"].paths[0]) for loaded in (copied, direct))
    assert found.to_dict("list") == expected.to_dict("list")
    assert found[["region", "attr_level"]].to_numpy().tolist() == [["north", "gold"]]


def test_ids_joined_through_identities_are_one_customer(make_source, tmp_path):
    folder = make_source(
        orders="order_id,customer_id,ordered_at,amount\n1,k7,2024-01-01,5\n2,k8,2024-01-02,5\n",
        customers="customer_id,region,attr_level\nk7,north,\ncard-7,,gold\nk8,south,silver\n",
        identities="customer_id,kind,value\nk7,id,card-7\n",
    )
    loaded = load(folder, tmp_path / "into", max_rejected_share=0.0)
    rows = pd.read_parquet(loaded.tables["customers"].paths[0]).set_index("customer_id")
    assert rows.loc["k7"].tolist() == ["north", "gold"]
    assert sorted(rows.index) == ["k7", "k8"]


TRIAL = {
    "orders": "order_id,customer_id,ordered_at,amount\n" + "".join(f"{i},c{i},2024-03-01,5\n" for i in range(4)),
    "experiments": "experiment_id,kind,control_arm,started_at\nx,holdout,no,2024-01-01\n",
    "arms": "experiment_id,arm,share\nx,no,0.5\nx,yes,0.5\n",
}


class TestAssignments:
    HEAD = "experiment_id,customer_id,arm,assigned_at\nx,c0,no,2024-01-01\nx,c1,yes,2024-01-01\n"

    def test_the_first_assignment_to_an_arm_counts(self, make_source, tmp_path):
        again = "x,c2,yes,2024-01-09\nx,c2,yes,2024-01-03\nx,c2,yes,2024-01-09\n"
        loaded = load(make_source(**TRIAL, assignments=self.HEAD + again), tmp_path / "into", 0.0)
        rows = pd.read_parquet(loaded.tables["assignments"].paths[0]).set_index("customer_id")
        assert rows.loc["c2", "assigned_at"] == pd.Timestamp("2024-01-03")
        assert len(rows) == loaded.tables["assignments"].rows_out == 3
        assert said(loaded, "assignments") == {("", "assigned again to the same arm"): 2}

    def test_a_customer_in_two_arms_is_in_neither(self, make_source, tmp_path):
        both = "x,c2,yes,2024-01-03\nx,c2,yes,2024-01-04\nx,c2,no,2024-01-09\n"
        loaded = load(make_source(**TRIAL, assignments=self.HEAD + both), tmp_path / "into", 1.0)
        (finding,) = [f for f in loaded.findings if f.severity == "error"]
        assert (finding.rule, finding.rows) == ("in two arms", 3)
        assert finding.remedy.startswith("a customer in two arms had both treatments, so no assignment can be kept")
        rows = pd.read_parquet(loaded.tables["assignments"].paths[0])
        assert sorted(rows["customer_id"]) == ["c0", "c1"]
