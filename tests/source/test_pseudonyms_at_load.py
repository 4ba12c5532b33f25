"""`pseudonymise: true`: ids become the pseudonyms that `smsroi pseudonymise` makes, when the source is read."""

from pathlib import Path

import pandas as pd
import pytest

from smsroi_helpers.errors import DataError, UsageError
from smsroi_helpers.source.pseudonym_key import pseudonym
from smsroi_helpers.source.pseudonymise import pseudonymise
from smsroi_helpers.source.read import load

KEY = b"a key of thirty-two bytes or more, for tests only"
CUSTOMERS = (
    "customer_id,joined_at,referred_by\n"
    "+1 415 555 0101,2024-01-01,\n"
    "(415) 555-0102,2024-01-02,415.555.0101\n"
    "Zoë7,2024-13-45,\n"
    "x9,2024-01-05,\n"
)
ORDERS = (
    "order_id,customer_id,ordered_at,amount\n"
    "1,415-555-0101,2024-02-01,5\n"
    "2,tel:+14155550102,2024-02-02,6\n"
    "3,ANN@example.com,2024-02-03,7\n"
    "4,Zoë7,2024-02-04,8\n"
    "5,guest,2024-02-05,9\n"
)
IDENTITIES = "customer_id,kind,value\n+14155550101,email, ann@example.com\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    for name, text in (("customers", CUSTOMERS), ("orders", ORDERS), ("identities", IDENTITIES)):
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    (folder / "source.yml").write_text("country: US\npseudonymise: true\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def loaded(folder, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SMSROI_KEY", KEY.decode())
        return load(folder, tmp_path_factory.mktemp("loaded"), max_rejected_share=0.5)


def frame(loaded, name: str) -> pd.DataFrame:
    return pd.read_parquet(loaded.tables[name].paths[0])


def of(plain_id: str) -> str:
    return pseudonym(plain_id, KEY)


def test_every_id_is_the_pseudonym_of_the_person(loaded):
    orders = frame(loaded, "orders").set_index("order_id")["customer_id"]
    assert orders.to_dict() == {
        "1": of("+14155550101"), "2": of("+14155550102"), "3": of("+14155550101"), "4": of("Zoë7"),
    }  # fmt: skip
    customers = frame(loaded, "customers").set_index("customer_id")
    assert set(customers.index) == {of("+14155550101"), of("+14155550102"), of("x9")}
    assert customers["referred_by"].dropna().to_dict() == {of("+14155550102"): of("+14155550101")}
    identities = frame(loaded, "identities").iloc[0]
    assert (identities["customer_id"], identities["value"]) == (of("+14155550101"), of("ann@example.com"))


def test_the_copy_that_the_command_makes_has_the_same_ids(folder, loaded, tmp_path):
    pseudonymise(folder, tmp_path / "copy", KEY)
    assert "pseudonymise:" not in (tmp_path / "copy" / "source.yml").read_text(encoding="utf-8")
    orders = pd.read_csv(tmp_path / "copy" / "orders.csv", dtype=str)
    assert orders.loc[orders["order_id"].isin(["1", "2", "4"]), "customer_id"].tolist() == [
        frame(loaded, "orders").set_index("order_id")["customer_id"][n] for n in ("1", "2", "4")
    ]


def test_a_guest_stays_a_guest_however_few_orders_there_are(loaded):
    assert loaded.tables["orders"].guests == 1


def test_it_is_said_and_no_plain_id_stays(loaded):
    said = {finding.rule: finding.rows for finding in loaded.findings}
    assert "customers' ids became pseudonyms when the source was read" in said
    for file in Path(loaded.output_folder).rglob("*.parquet"):
        text = pd.read_parquet(file).to_csv()
        assert not any(plain in text for plain in ("415", "Zoë7", "example.com")), file.name


def test_a_rejected_customer_has_its_pseudonym_as_key(loaded):
    (key,) = pd.read_parquet(Path(loaded.output_folder) / "quarantine.parquet")["key"]
    assert key == of("Zoë7")


def test_without_a_key_the_variable_is_named(folder, tmp_path):
    with pytest.raises(UsageError, match=r"`pseudonymise: true`.* set SMSROI_KEY, or SMSROI_KEY_FILE"):
        load(folder, tmp_path)


def test_numbers_of_an_unclear_country_are_refused(tmp_path, monkeypatch):
    """1 312 555 01xx is a number of Chicago, and 131 2555 01xx one of a Chinese mobile operator."""
    monkeypatch.setenv("SMSROI_KEY", KEY.decode())
    rows = "".join(f"{n},131255501{n:02d},2024-02-01,5\n" for n in range(9))
    (tmp_path / "orders.csv").write_text("order_id,customer_id,ordered_at,amount\n" + rows, encoding="utf-8")
    (tmp_path / "source.yml").write_text("pseudonymise: true\n", encoding="utf-8")
    with pytest.raises(DataError, match="may be of .*(US or CN|CN or US); add `country: "):
        load(tmp_path, tmp_path / "loaded")


@pytest.mark.parametrize("command", [False, True], ids=["when read", "smsroi pseudonymise"])
def test_numbers_that_a_spreadsheet_rounded_are_refused_not_hashed(tmp_path, monkeypatch, command):
    folder = tmp_path / "shop"
    folder.mkdir()
    orders = "order_id,customer_id,ordered_at,amount\n1,4.47911E+11,2024-05-01,5\n2,4.47911E+11,2024-05-02,7\n"
    (folder / "orders.csv").write_text(orders, encoding="utf-8")
    (folder / "source.yml").write_text("country: GB\n" + "pseudonymise: true\n" * (not command), encoding="utf-8")
    monkeypatch.setenv("SMSROI_KEY", KEY.decode())
    if command:
        pseudonymise(folder, tmp_path / "copy", KEY)
        folder = tmp_path / "copy"
    with pytest.raises(DataError, match="spreadsheet has rounded the ids"):
        load(folder, tmp_path / "loaded", 0.01)
