"""Helper views: `_name.sql` is no table, but other mappings can query it."""

import sqlite3

import duckdb
import pytest

from smsroi_helpers.errors import DataError
from smsroi_helpers.source.files import fingerprint_inputs
from smsroi_helpers.source.read import load

EXPORT = "id,who,day,paid\n1,ann,2024-01-01,5\n2,bob,2024-01-02,x\n3,ann,2024-01-03,7\n"
ORDERS = "SELECT id AS order_id, who AS customer_id, day AS ordered_at, n AS amount FROM _good"
GOOD = "SELECT * FROM _numbers WHERE n IS NOT NULL"
NUMBERS = "SELECT *, try_cast(paid AS INT) AS n FROM export"


def amounts(loaded):
    return duckdb.sql(f"SELECT amount FROM read_parquet({list(loaded.tables['orders'].paths)}) ORDER BY 1").fetchall()


def not_used(loaded):
    return sorted(finding.table for finding in loaded.findings if finding.rule == "file not used")


def test_a_mapping_queries_helper_views_and_these_each_other(make_source, tmp_path):
    folder = make_source(
        export=EXPORT,
        orders__sql=ORDERS,
        _good__sql=GOOD,
        _numbers__sql=NUMBERS,
        _other__sql="SELEKT nonsense",
        exclusions__sql="SELECT 'no amount' AS reason, count(*) AS rows FROM _numbers WHERE n IS NULL",
    )
    loaded = load(folder, tmp_path / "into")
    assert amounts(loaded) == [(5.0,), (7.0,)]
    assert set(loaded.tables) == {"orders"}
    assert [(f.rule, f.rows) for f in loaded.findings if f.severity == "stated"] == [("no amount", 1)]
    assert not_used(loaded) == ["_other.sql"]
    assert set(loaded.inputs) == {"orders.sql", "exclusions.sql", "_good.sql", "_numbers.sql", "files.export"}


def test_the_fingerprint_and_the_result_change_with_a_helper_view(make_source, tmp_path):
    folder = make_source(export=EXPORT, orders__sql=ORDERS, _good__sql=GOOD, _numbers__sql=NUMBERS)
    before, first = fingerprint_inputs(folder), amounts(load(folder, tmp_path / "into"))
    make_source(_numbers__sql=NUMBERS.replace("paid AS", "id AS"))
    after, second = fingerprint_inputs(folder), amounts(load(folder, tmp_path / "into"))
    assert {name for name in after if after[name] != before[name]} == {"_numbers.sql"}
    assert (first, second) == ([(5.0,), (7.0,)], [(1.0,), (2.0,), (3.0,)])


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"_good__sql": "FROM _numbers", "_numbers__sql": "FROM _good"},
         "_good.sql needs _numbers.sql, which needs _good.sql: "),
        ({"_good__sql": "FROM _good"}, "_good.sql needs itself: "),
        ({"_good__sql": "FROM _numbers", "_numbers__sql": "FROM orders"},
         "orders.sql needs _good.sql, which needs _numbers.sql, which needs orders.sql: "),
    ],
)  # fmt: skip
def test_a_circle_is_named(make_source, tmp_path, files, words):
    folder = make_source(export=EXPORT, orders__sql=ORDERS, **files)
    with pytest.raises(DataError) as refusal:
        load(folder, tmp_path / "into")
    assert str(refusal.value).startswith(words)


def test_an_error_is_that_of_the_file_that_has_it(make_source, tmp_path):
    folder = make_source(export=EXPORT, orders__sql=ORDERS, _good__sql="\nSELECT *,\n paid::INT AS n FROM export")
    with pytest.raises(DataError, match=r"^_good\.sql, line 3, column n: a text is not a whole number"):
        load(folder, tmp_path / "into")


def test_a_missing_helper_view_is_named(make_source, tmp_path):
    folder = make_source(export=EXPORT, orders__sql=f"-- of good rows\n{ORDERS}")
    with pytest.raises(
        DataError, match=r'^orders\.sql, line 2: no table or file "_good"; files that can be queried: "exp'
    ):
        load(folder, tmp_path / "into")


def test_a_misspelt_helper_view_is_named_with_the_one_that_exists(make_source, tmp_path):
    folder = make_source(export=EXPORT, orders__sql=ORDERS.replace("_good", "_logg"), _log__sql=GOOD)
    with pytest.raises(DataError, match=r'no table or file "_logg"; did you mean "_log"\?; files'):
        load(folder, tmp_path / "into")


def test_names_that_only_look_alike_are_no_circle(make_source, tmp_path):
    folder = make_source(
        orders_export=EXPORT,
        customers_export="who\nann\nbob\n",
        orders__sql="WITH customers AS (FROM customers_export) SELECT id AS order_id, who AS customer_id,"
        " day AS ordered_at, try_cast(paid AS INT) AS amount FROM orders_export JOIN customers USING (who)"
        " WHERE amount IS NOT NULL",
        customers__sql="SELECT DISTINCT customer_id FROM orders -- and not from customers",
    )
    loaded = load(folder, tmp_path / "into")
    assert {name: table.rows_out for name, table in loaded.tables.items()} == {"customers": 1, "orders": 2}


class TestDatabase:
    @pytest.fixture
    def folder(self, make_source):
        folder = make_source(source="database: sqlite:///shop.db\n", orders__sql=ORDERS, _good__sql=GOOD)
        with sqlite3.connect(folder / "shop.db") as database:
            database.execute("CREATE TABLE export (id, who, day, paid)")
            database.execute("INSERT INTO export VALUES (1, 'ann', '2024-01-01', 5), (2, 'bob', '2024-01-02', NULL)")
        return folder

    def test_helper_views_over_a_database(self, make_source, folder, tmp_path):
        make_source(_numbers__sql="SELECT *, paid AS n FROM export;\n", _other__sql="SELECT 1")
        loaded = load(folder, tmp_path / "into")
        assert amounts(loaded) == [(5.0,)]
        assert not_used(loaded) == ["_other.sql"]
        assert set(loaded.inputs) == {"source.yml", "orders.sql", "_good.sql", "_numbers.sql", "database"}

    def test_a_circle_over_a_database_is_named(self, make_source, folder, tmp_path):
        make_source(_numbers__sql="SELECT * FROM _good")
        with pytest.raises(DataError, match=r"_good\.sql needs _numbers\.sql, which needs _good\.sql"):
            load(folder, tmp_path / "into")
