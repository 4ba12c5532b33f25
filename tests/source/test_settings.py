"""Reading a folder: what is accepted, what is typed to what, and what is refused with which words."""

import datetime as dt
import gzip
import json
import os

import duckdb
import pytest

from smsroi_helpers.errors import DataError
from smsroi_helpers.source.read import load

ORDERS = (
    "order_id,customer_id,ordered_at,amount\n"
    "001,ann,2024-03-01 10:00:00,12.5\n"
    "002,bob,2024-03-02,7\n"
    "003,ann,2024-03-05T23:30:00+08:00,-2.25\n"
)


def rows_of(shop, table="orders"):
    return getattr(shop, table).order_by(0).execute()


class TestHoldings:
    def test_the_same_orders_in_every_form_load_the_same(self, tmp_path, open_source):
        typed = duckdb.sql(
            "SELECT * FROM (VALUES ('001','ann',TIMESTAMPTZ '2024-03-01 10:00:00+00',12.5::DOUBLE),"
            " ('002','bob',TIMESTAMPTZ '2024-03-02 00:00:00+00',7), ('003','ann',"
            " TIMESTAMPTZ '2024-03-05 15:30:00+00',-2.25))"
            " AS t(order_id, customer_id, ordered_at, amount)"
        )
        seen = []
        for form in ("csv", "bom", "gz", "parquet", "parts", "sql"):
            folder = tmp_path / form
            folder.mkdir()
            match form:
                case "csv":
                    (folder / "orders.csv").write_text(ORDERS)
                case "bom":
                    (folder / "orders.csv").write_text(ORDERS, encoding="utf-8-sig")
                case "gz":
                    (folder / "orders.csv.gz").write_bytes(gzip.compress(ORDERS.encode()))
                case "parquet":
                    typed.write_parquet(str(folder / "orders.parquet"))
                case "parts":
                    (folder / "orders").mkdir()
                    for part in ("001", "002", "003"):
                        typed.filter(f"order_id = '{part}'").write_parquet(str(folder / "orders" / f"{part}.parquet"))
                case "sql":
                    text = ORDERS.replace("order_id,customer_id,ordered_at,amount", "No,Kunde,Zeit,Betrag")
                    (folder / "export.csv").write_text(text)
                    (folder / "orders.sql").write_text(
                        "SELECT No AS order_id, Kunde AS customer_id, Zeit AS ordered_at, Betrag AS amount FROM export;"
                    )
            seen.append(rows_of(open_source(folder)))
        assert seen[0]["ordered_at"].tolist() == [
            dt.datetime(2024, 3, 1, 10), dt.datetime(2024, 3, 2), dt.datetime(2024, 3, 5, 15, 30)
        ]  # fmt: skip
        assert seen[0]["order_id"].tolist() == ["001", "002", "003"]
        assert seen[0]["amount"].tolist() == [12.5, 7.0, -2.25]
        for other in seen[1:]:
            assert other.equals(seen[0])

    def test_parquet_that_is_ready_is_used_where_it_lies(self, tmp_path):
        folder = tmp_path / "ready"
        folder.mkdir()
        duckdb.sql(
            "SELECT 'a' AS order_id, 'x' AS customer_id, TIMESTAMP '2024-01-01' AS ordered_at, 3.5::DOUBLE AS amount"
        ).write_parquet(str(folder / "orders.parquet"))
        loaded = load(folder, tmp_path / "into")
        assert loaded.tables["orders"].paths == (str(folder / "orders.parquet"),)

    def test_an_environment_variable_that_is_not_set_is_named(self, make_source, tmp_path):
        folder = make_source(orders=ORDERS, source="files: {export: '${NOT_SET_ANYWHERE}/x.csv'}\n")
        with pytest.raises(DataError, match="files.export: the environment variable NOT_SET_ANYWHERE is not set"):
            load(folder, tmp_path / "into")


class TestTime:
    def test_naive_timestamps_are_on_the_clock_of_the_source(self, make_source, open_source):
        folder = make_source(orders=ORDERS, source="timezone: Asia/Shanghai\n")
        assert rows_of(open_source(folder))["ordered_at"].tolist() == [
            dt.datetime(2024, 3, 1, 2), dt.datetime(2024, 3, 1, 16), dt.datetime(2024, 3, 5, 15, 30)
        ]  # fmt: skip

    def test_the_day_of_an_order_is_on_that_clock_too(self, make_source, open_source):
        shop = open_source(make_source(orders=ORDERS, source="timezone: Asia/Shanghai\n"))
        days = shop.orders.select("order_id", day=shop.day(shop.orders.ordered_at)).order_by("order_id").execute()
        assert [day.isoformat()[:10] for day in days["day"]] == ["2024-03-01", "2024-03-02", "2024-03-05"]
        assert shop.loaded.tables["orders"].first == "2024-03-01"

    @pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kolkata"])
    def test_the_machines_own_zone_changes_nothing(self, make_source, open_source, monkeypatch, zone):
        monkeypatch.setenv("TZ", zone)
        os.environ["TZ"] = zone
        shop = open_source(make_source(orders=ORDERS))
        assert rows_of(shop)["ordered_at"].iloc[0] == dt.datetime(2024, 3, 1, 10)
        assert shop.as_of == dt.date(2024, 3, 5)


class TestRefusals:
    @pytest.mark.parametrize(
        ("files", "words"),
        [
            ({}, "no table orders and no table messages"),
            ({"orders": b""}, r"orders\.csv: the file is empty"),
            ({"orders": "order_id,customer_id,ordered_at,amount\n"}, "table orders: no rows"),
            ({"orders": "order_id^customer_id^ordered_at^amount\na^b^c^d\n"}, "no column order_id, customer_id"),
            ({"orders": "order_id,customer_id,amount,amount\na,b,1,2\n"}, "column amount appears twice"),
            ({"orders": "order_id,,ordered_at,amount\na,b,2024-01-01,2\n"}, "column 2 has no name"),
            ({"orders": "\n\n"}, "the first line is empty"),
            ({"orders": "order_id,customer_id,ordered_at\na,b,2024-01-01\n"}, "table orders: no column amount"),
            (
                {"orders": ORDERS.encode() + b"004,\xff\xfe,2024-01-01,1\n"},
                r"orders\.csv, line 5: neither UTF-8 nor GB18030",
            ),
            ({"orders": ORDERS + "004,a\0b,2024-01-01,1\n"}, r"orders\.csv, line 5: a NUL byte"),
            ({"orders": ORDERS + '004,"a,2024-01-01,1\n' + ORDERS}, r"orders\.csv, line 5: a quote is opened"),
            ({"orders__csv__gz": b"no gzip"}, r"orders\.csv\.gz: the gzip file is damaged"),
            ({"orders__parquet": b"PAR1 no parquet"}, r"orders\.parquet: cannot be read as parquet"),
            ({"orders__sql": "SELECT nothing FROM nowhere"}, r"orders\.sql, line 1: no table or file \"nowhere\""),
            ({"orders__sql": "DROP TABLE x"}, r"orders\.sql: a mapping must be one SELECT"),
            ({"orders": ORDERS, "exclusions__sql": "SELECT 1 AS n"}, r"exclusions\.sql: no column reason, rows"),
            ({"orders": b"PK\x03\x04rest"}, r"orders\.csv: not a text file"),
            ({"orders": ORDERS.encode("utf-16")[:-1]}, r"orders\.csv: the file ends in the middle of a character"),
            ({"orders": ORDERS, "source": "currency: Yuan\n"}, r"source\.yml, currency: .Yuan. is not a currency; use"),
            ({"orders": ORDERS, "source": "margin: 30\n"}, "source.yml, margin"),
            ({"orders": ORDERS, "source": "segments: {high_score: 9}\n"}, "source.yml, segments.high_score"),
            (
                {"orders": ORDERS, "source": "segments: {dormant_after_days: 77, lost_after_days: 33}\n"},
                "source.yml, segments: .*lost_after_days 33 is less than dormant_after_days 77",
            ),
            ({"orders": ORDERS, "source": "timezone: Peking\n"}, "not an IANA time zone"),
            ({"orders": ORDERS, "source": "zeitzone: UTC\n"}, "source.yml, zeitzone"),
            ({"orders": ORDERS, "source": "a: [\n"}, "source.yml cannot be read as YAML"),
            ({"orders": ORDERS, "source": "- a\n"}, "source.yml"),
        ],
    )
    def test_a_table_that_cannot_be_used_is_named(self, make_source, tmp_path, files, words):
        folder = make_source(**{"readme__txt": "", **files})
        with pytest.raises(DataError, match=words) as refusal:
            load(folder, tmp_path / "into")
        assert "\n" not in str(refusal.value)
        assert not (tmp_path / "into" / "source.json").exists()

    def test_a_folder_that_is_not_there(self, tmp_path):
        with pytest.raises(DataError, match="no data folder"):
            load(tmp_path / "nowhere", tmp_path / "into")

    def test_too_many_bad_rows_stop_the_reading_and_the_worst_column_is_named(self, make_source, tmp_path):
        folder = make_source(orders=ORDERS + "004,eve,yesterday,5\n")
        with pytest.raises(DataError, match=r"1 of 4 rows \(25\.0%\).*column ordered_at, unreadable in 1 rows"):
            load(folder, tmp_path / "into")

    def test_an_error_quotes_no_phone_number(self, make_source, tmp_path):
        folder = make_source(orders__sql="SELECT CAST('13812345678x' AS INTEGER) AS order_id")
        with pytest.raises(DataError) as refusal:
            load(folder, tmp_path / "into")
        assert "13812345678" not in str(refusal.value)


class TestReuse:
    def test_unchanged_files_are_not_read_again_and_changed_ones_are(self, make_source, tmp_path):
        folder, into = make_source(orders=ORDERS), tmp_path / "into"
        first = load(folder, into)
        record = into / "source.json"
        written = record.stat().st_mtime_ns
        assert load(folder, into) == first
        assert record.stat().st_mtime_ns == written
        make_source(orders=ORDERS + "004,ann,2024-03-06,1.75\n")
        again = load(folder, into)
        assert again.tables["orders"].rows_out == 4
        assert again.fingerprint != first.fingerprint
        assert json.loads(record.read_text())["loaded"]["tables"]["orders"]["rows_in"] == 4


class TestSpark:
    def test_settings_of_spark_are_text_and_not_recorded(self, make_source, tmp_path, monkeypatch):
        monkeypatch.setenv("STORE_KEY", "s3cret")
        source = (
            "engine: spark\nspark:\n  master: local[4]\n  settings:\n    spark.executor.cores: 2\n"
            "    spark.speculation: true\n    spark.hadoop.fs.s3a.secret.key: ${STORE_KEY}\n"
        )
        folder = make_source(orders=ORDERS, source=source)
        for _ in range(2):  # read, then recalled from source.json
            spark = load(folder, tmp_path / "into").settings.spark
            assert spark.master == "local[4]"
            assert spark.settings == {
                "spark.executor.cores": "2", "spark.speculation": "true", "spark.hadoop.fs.s3a.secret.key": "s3cret"
            }  # fmt: skip
        assert "s3cret" not in (tmp_path / "into" / "source.json").read_text()
        assert "s3cret" not in repr(load(folder, tmp_path / "into").settings)

    @pytest.mark.parametrize(
        ("source", "words"),
        [
            ("engine: sparkle\n", r"source\.yml, engine: must be 'duckdb' or 'spark'"),
            ("spark: {master: my-cluster}\n", r"source\.yml, spark\.master: "),
            ("spark: {settings: {executor.memory: 8g}}\n", r"'executor\.memory' is not a setting of Spark"),
            ("spark: {settings: [spark.x]}\n", r"source\.yml, spark\.settings: "),
            ("spark: {cores: 2}\n", r"source\.yml, spark\.cores: "),
        ],
    )
    def test_what_spark_does_not_have_is_refused(self, make_source, tmp_path, source, words):
        with pytest.raises(DataError, match=words):
            load(make_source(orders=ORDERS, source=source), tmp_path / "into")
