"""Which files a source is made of."""

import pytest

from smsroi_helpers.errors import DataError
from smsroi_helpers.source.files import aliased_files, fingerprint_inputs, table_files
from smsroi_helpers.source.read import load
from smsroi_helpers.source.settings import Settings

ORDERS = (
    "order_id,customer_id,ordered_at,amount\n"
    "001,ann,2024-03-01 10:00:00,12.5\n"
    "002,bob,2024-03-02,7\n"
    "003,ann,2024-03-05T23:30:00+08:00,-2.25\n"
)


def test_two_files_for_one_table_are_refused(make_source, tmp_path):
    folder = make_source(orders=ORDERS, orders__sql="SELECT 1")
    with pytest.raises(DataError, match=r"table orders: 2 sources for one table \(orders\.csv, orders\.sql\)"):
        load(folder, tmp_path / "into")


def test_a_file_elsewhere_is_opened_under_its_alias_from_the_environment(tmp_path, make_source, monkeypatch):
    (tmp_path / "elsewhere.csv").write_text(ORDERS)
    monkeypatch.setenv("EXPORTS", str(tmp_path))
    folder = make_source(source="files: {export: '${EXPORTS}/elsewhere.csv'}\n", orders__sql="SELECT * FROM export")
    assert load(folder, tmp_path / "into").tables["orders"].rows_out == 3
    assert set(fingerprint_inputs(folder)) == {"source.yml", "orders.sql", "files.export"}


def test_parts_of_a_table_come_in_the_order_of_their_names(tmp_path):
    (tmp_path / "orders").mkdir()
    assert table_files(tmp_path, "messages") == ("", [])
    with pytest.raises(DataError, match="the folder orders/ contains no .parquet file"):
        table_files(tmp_path, "orders")
    for name in ("b", "a", "c"):
        (tmp_path / "orders" / f"{name}.parquet").touch()
    kind, files = table_files(tmp_path, "orders")
    assert kind == "parquet"
    assert [file.name for file in files] == ["a.parquet", "b.parquet", "c.parquet"]


def test_files_beside_a_mapping_have_their_stem_as_alias(tmp_path):
    for name in ("export.csv", "other.csv.gz", "third.parquet", "notes.txt", "1st.csv"):
        (tmp_path / name).touch()
    assert set(aliased_files(tmp_path, Settings())) == {"export", "other", "third", "notes", "1st"}
    with pytest.raises(DataError, match=r"files.gone: no file gone.csv"):
        aliased_files(tmp_path, Settings(files={"gone": "gone.csv"}))


def test_the_fingerprint_changes_with_a_byte(make_source):
    before = fingerprint_inputs(make_source(orders=ORDERS))
    assert set(before) == {"orders.csv"}
    assert fingerprint_inputs(make_source(orders=ORDERS)) == before
    assert fingerprint_inputs(make_source(orders=ORDERS.replace("12.5", "12.6"))) != before
