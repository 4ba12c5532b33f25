"""Pseudonyms instead of telephone numbers: the same person everywhere, and the number nowhere."""

import gzip
import re
import sys
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from pyarrow import parquet
from typer.testing import CliRunner

from smsroi_helpers import commands
from smsroi_helpers.errors import DataError, UsageError
from smsroi_helpers.source.csv_text import LINE, csv_to_parquet
from smsroi_helpers.source.pseudonym_key import key_id, pseudonym
from smsroi_helpers.source.pseudonymise import pseudonymise
from smsroi_helpers.source.read import load

KEY = b"correct horse battery staple, and a bit"
PHONES = [f"138123456{i:02}" for i in range(8)]
FULL_WIDTH = str.maketrans("0123456789", "０１２３４５６７８９")
ORDERS = "order_id,customer_id,ordered_at,amount,note\n" + "".join(
    f'{i},{phone},2024-01-{1 + i:02} 10:00:00," ￥1,{i}00.50","a ""b""\nc{i} "\n' for i, phone in enumerate(PHONES)
)
CUSTOMERS = "customer_id,referred_by,region\n" + "".join(
    f"\u200b{phone.translate(FULL_WIDTH)} ,{PHONES[i - 1] if i else ''},北京\n" for i, phone in enumerate(PHONES)
)


def cells(file: Path, place: Path) -> dict[str, list[str | None]]:
    """A CSV file's columns, each field as the text that the reader makes of it."""
    place.mkdir(exist_ok=True)
    table = parquet.read_table(csv_to_parquet(file, place / "text.parquet").path)
    return {name: table[name].to_pylist() for name in table.column_names if name != LINE}


def text_of(folder: Path) -> str:
    """Everything a folder says: its files' names, bytes (unpacked) and parquet values."""
    said = []
    for file in sorted(folder.rglob("*")):
        said.append(file.name)
        if file.suffix == ".parquet":
            said += [str(parquet.read_table(file).to_pylist()), str(parquet.read_schema(file).metadata)]
            said.append(file.read_bytes().decode("latin-1"))
        elif file.suffix == ".gz":
            said.append(gzip.decompress(file.read_bytes()).decode())
        elif file.is_file():
            said.append(file.read_text(encoding="utf-8"))
    return "\n".join(said)


def assert_names_nobody(folder: Path) -> None:
    said = text_of(folder)
    assert [phone for phone in PHONES if phone in said or phone.translate(FULL_WIDTH) in said] == []


def ids(loaded, table, column="customer_id"):
    paths = list(loaded.tables[table].paths)
    return [row[0] for row in duckdb.sql(f"SELECT {column} FROM read_parquet({paths}) ORDER BY 1").fetchall()]


class TestACopy:
    @pytest.fixture
    def raw(self, make_source):
        return make_source(
            orders=ORDERS,
            customers__csv__gz=gzip.compress(CUSTOMERS.encode()),
            source="title: 小店\ncurrency: CNY\ncountry: CN\n",
        )

    def test_is_read_where_the_source_was_refused_and_its_tables_join(self, raw, tmp_path):
        with pytest.raises(DataError, match="most values are telephone numbers.*smsroi pseudonymise"):
            load(raw, tmp_path / "refused")
        copied = pseudonymise(raw, tmp_path / "out", KEY)
        assert (copied.rows, copied.key_id, copied.notes) == ({"customers": 8, "orders": 8}, key_id(KEY), [])
        loaded = load(copied.folder, tmp_path / "into")
        expected = sorted(pseudonym(f"+86{phone}", KEY) for phone in PHONES)
        assert ids(loaded, "orders") == ids(loaded, "customers") == expected
        assert ids(loaded, "customers", "referred_by") == [
            *sorted(pseudonym(f"+86{p}", KEY) for p in PHONES[:-1]),
            None,
        ]
        assert all(re.fullmatch("[0-9a-f]{32}", name) for name in expected)
        assert (loaded.settings.title, loaded.settings.currency) == ("小店", "CNY")

    def test_names_nobody_and_does_not_hold_the_key(self, raw, tmp_path):
        out = pseudonymise(raw, tmp_path / "out", KEY).folder
        assert_names_nobody(out)
        assert KEY.decode() not in text_of(out)
        assert f"# Key id: {key_id(KEY)}." in (out / "source.yml").read_text(encoding="utf-8")
        assert sorted(file.name for file in out.iterdir()) == ["customers.csv.gz", "orders.csv", "source.yml"]
        assert out.stat().st_mode & 0o077 == 0
        assert sorted(file.name for file in tmp_path.iterdir()) == ["out", "source"]

    def test_leaves_every_other_column_as_it_was(self, raw, tmp_path):
        out = pseudonymise(raw, tmp_path / "out", KEY).folder
        for name in ("orders.csv", "customers.csv.gz"):
            before, after = cells(raw / name, tmp_path / "a"), cells(out / name, tmp_path / "b")
            assert list(before) == list(after)
            for column in set(before) - {"customer_id", "referred_by"}:
                assert before[column] == after[column]

    def test_the_same_key_gives_the_same_bytes_and_another_key_other_pseudonyms(self, raw, tmp_path):
        for name, key in (("a", KEY), ("b", KEY), ("c", KEY + b"!")):
            pseudonymise(raw, tmp_path / name, key)
        for file in ("orders.csv", "customers.csv.gz", "source.yml"):
            a, b, c = ((tmp_path / name / file).read_bytes() for name in "abc")
            assert a == b != c
        theirs = [set(cells(tmp_path / name / "orders.csv", tmp_path / "t")["customer_id"]) for name in "ac"]
        assert theirs[0].isdisjoint(theirs[1])

    def test_reads_what_reading_reads(self, make_source, tmp_path):
        """GB18030, semicolons, a blank id, and a row of which nobody knows which field is the number."""
        text = ORDERS.replace("\n0,", f"\n;;{PHONES[0]};;;;\n0,").replace(',"', ';"').replace('",', '";')
        text = re.sub(r"^(\w+),(\w+),([^,;]+)[,;]", r"\1;\2;\3;", text, flags=re.M).replace(
            "amount,note", "amount;note"
        )
        text = text.replace(f"7;{PHONES[7]}", "7; ").replace("c3", "北京市上海市")
        raw = make_source(orders=text.encode("gb18030"))
        copied = pseudonymise(raw, tmp_path / "out", KEY)
        assert copied.rows == {"orders": 8}
        assert [note.partition(":")[0] for note in copied.notes[1:]] == ["orders.csv"]
        assert "1 rows with the wrong number of fields are left out" in copied.notes[1]
        after = cells(copied.folder / "orders.csv", tmp_path / "a")
        assert after["customer_id"] == [*(pseudonym(f"+86{phone}", KEY) for phone in PHONES[:7]), None]
        assert after["note"][3] == 'a "b"\n北京市上海市 '
        assert_names_nobody(copied.folder)


class TestParquet:
    def test_parts_keep_their_names_types_and_other_values(self, make_source, tmp_path):
        raw = make_source()
        (raw / "orders").mkdir()
        schema = pa.schema(
            [
                ("order_id", pa.int32()),
                pa.field("customer_id", pa.int64(), nullable=False),
                ("ordered_at", pa.timestamp("ms", "Asia/Shanghai")),
                ("amount", pa.decimal128(9, 3)),
                ("referred_by", pa.dictionary(pa.int8(), pa.string())),
                ("tags", pa.list_(pa.string())),
            ],
            metadata={"index": PHONES[0]},
        )
        for part, phone in enumerate(PHONES[:3]):
            row = {"order_id": part, "customer_id": int(phone), "ordered_at": part, "amount": part, "tags": ["x", None]}
            row["referred_by"] = None if part else f" {phone.translate(FULL_WIDTH)}"
            parquet.write_table(pa.Table.from_pylist([row], schema), raw / "orders" / f"part-{part}.parquet")
        out = pseudonymise(raw, tmp_path / "out", KEY).folder
        for part, phone in enumerate(PHONES[:3]):
            before = parquet.read_table(raw / "orders" / f"part-{part}.parquet")
            after = parquet.read_table(out / "orders" / f"part-{part}.parquet")
            others = ["order_id", "ordered_at", "amount", "tags"]
            assert after.select(others).equals(before.select(others))
            assert after["customer_id"].to_pylist() == [pseudonym(f"+86{phone}", KEY)]
            assert after["referred_by"].to_pylist() == [None if part else pseudonym(f"+86{phone}", KEY)]
        assert_names_nobody(out)

    def test_a_number_that_a_tool_made_a_float_of_is_the_same_person(self, make_source, tmp_path):
        raw = make_source()
        duckdb.sql(
            f"SELECT 1 AS order_id, {PHONES[0]}.0::DOUBLE AS customer_id, DATE '2024-01-01' AS ordered_at, 5 AS amount"
        ).write_parquet(str(raw / "orders.parquet"))
        out = pseudonymise(raw, tmp_path / "out", KEY).folder
        assert parquet.read_table(out / "orders.parquet")["customer_id"].to_pylist() == [
            pseudonym(f"+86{PHONES[0]}", KEY)
        ]

    def test_an_id_that_is_no_number_is_nobody(self, make_source, tmp_path):
        raw = make_source()
        duckdb.sql(
            "SELECT i AS order_id, CASE i WHEN 1 THEN 'nan'::DOUBLE WHEN 2 THEN 'inf' ELSE i END AS customer_id,"
            " DATE '2024-01-01' AS ordered_at, 5 AS amount FROM range(4) t(i) ORDER BY i"
        ).write_parquet(str(raw / "orders.parquet"))
        loaded = load(raw, tmp_path / "into", max_rejected_share=0.5)
        found = [(f.column, f.rule, f.rows) for f in loaded.findings if f.severity == "error"]
        assert found == [("customer_id", "missing", 2)]
        out = pseudonymise(raw, tmp_path / "out", KEY).folder
        after = parquet.read_table(out / "orders.parquet")["customer_id"].to_pylist()
        assert after == [pseudonym("0", KEY), None, None, pseudonym("3", KEY)]

    def test_text_of_any_arrow_type_and_columns_without_a_value(self, make_source, tmp_path):
        raw = make_source()
        plain = {"order_id": ["1", "2"], "ordered_at": ["2024-01-01", "2024-01-02"], "amount": [1.5, 2.5]}
        for place, kind in enumerate((pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string()))):
            table = pa.table({**plain, "customer_id": pa.array([PHONES[0], None], kind), "referred_by": pa.nulls(2)})
            parquet.write_table(table, raw / "orders.parquet")
            out = pseudonymise(raw, tmp_path / f"out{place}", KEY).folder
            after = parquet.read_table(out / "orders.parquet")
            assert after["customer_id"].to_pylist() == [pseudonym(f"+86{PHONES[0]}", KEY), None]
            assert after["referred_by"].to_pylist() == [None, None]

    def test_more_rows_than_a_batch(self, make_source, tmp_path):
        raw = make_source()
        duckdb.sql(
            "SELECT i AS order_id, 'p' || (i % 70000) AS customer_id, DATE '2024-01-01' AS ordered_at, i / 7 AS amount"
            " FROM range(250000) t(i) ORDER BY i"
        ).write_parquet(str(raw / "orders.parquet"))
        copied = pseudonymise(raw, tmp_path / "out", KEY)
        assert copied.rows == {"orders": 250_000}
        after = parquet.read_table(copied.folder / "orders.parquet")
        assert after["order_id"].to_pylist() == list(range(250_000))
        assert after["customer_id"].to_pylist()[::9999] == [
            pseudonym(f"p{i % 70000}", KEY) for i in range(0, 250_000, 9999)
        ]

    def test_a_damaged_file_is_the_datas_fault_and_leaves_nothing(self, make_source, tmp_path):
        raw = make_source(orders__parquet=b"PAR1 and no more PAR1")
        with pytest.raises(DataError, match=r"orders\.parquet: cannot be read as parquet"):
            pseudonymise(raw, tmp_path / "out", KEY)
        assert sorted(file.name for file in tmp_path.iterdir()) == ["source"]


class TestMappings:
    def test_what_they_yield_becomes_parquet_and_the_export_stays_behind(self, make_source, tmp_path, monkeypatch):
        monkeypatch.setenv("EXPORT", str(tmp_path / "elsewhere.csv"))
        (tmp_path / "elsewhere.csv").write_text(
            "id,who,bought,paid\n"
            + "".join(f"{i},{p},2024-01-0{1 + i},1250\n" for i, p in enumerate(PHONES))
            + "9,,x,1\n"
        )
        raw = make_source(
            orders__sql="SELECT id AS order_id, who AS customer_id, bought AS ordered_at,"
            " paid::INT / 100 AS amount, line__ FROM export WHERE who IS NOT NULL",
            exclusions__sql="SELECT 'rows without a customer''s id' AS reason, count(*) AS rows FROM export"
            " WHERE who IS NULL",
            source="# ours\nfiles:\n  export: ${EXPORT}\ntimezone: Asia/Shanghai\ntitle: ${HOME} sweet\n",
            contacts=f"phone\n{PHONES[0]}\n",
        )
        copied = pseudonymise(raw, tmp_path / "out", KEY)
        assert sorted(file.name for file in copied.folder.iterdir()) == [
            "exclusions.sql",
            "orders.parquet",
            "source.yml",
        ]
        assert copied.notes[1:] == ["not copied, because they are not tables: contacts.csv"]
        assert_names_nobody(copied.folder)
        assert "title: ${HOME} sweet" in (copied.folder / "source.yml").read_text(encoding="utf-8")
        monkeypatch.delenv("EXPORT")
        loaded = load(copied.folder, tmp_path / "into")
        assert loaded.settings.timezone == "Asia/Shanghai"
        assert [(f.rule, f.severity, f.rows) for f in loaded.findings if f.table == "mapping"] == [
            ("rows without a customer's id", "stated", 1)
        ]
        assert ids(loaded, "orders") == sorted(pseudonym(f"+86{phone}", KEY) for phone in PHONES)
        rows = duckdb.sql(f"SELECT DISTINCT amount, ordered_at FROM '{loaded.tables['orders'].paths[0]}'").fetchall()
        assert len(rows) == 8
        assert {row[0] for row in rows} == {12.5}


class TestRefusals:
    def test_what_is_there_is_not_touched(self, make_source, tmp_path):
        raw = make_source(orders=ORDERS)
        (tmp_path / "out").mkdir()
        with pytest.raises(UsageError, match="out already exists"):
            pseudonymise(raw, tmp_path / "out", KEY)
        assert list((tmp_path / "out").iterdir()) == []

    def test_a_copy_within_the_source(self, make_source):
        raw = make_source(orders=ORDERS)
        with pytest.raises(UsageError, match="is inside the source"):
            pseudonymise(raw, raw / "deeper" / "out", KEY)
        assert [file.name for file in raw.iterdir()] == ["orders.csv"]

    def test_whole_or_not_at_all(self, make_source, tmp_path, monkeypatch):
        raw = make_source(orders=ORDERS, customers=CUSTOMERS)

        def full(*arguments):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(sys.modules[pseudonymise.__module__]._Copier, "_write_settings", full)
        with pytest.raises(Exception, match="No space left") as refusal:
            pseudonymise(raw, tmp_path / "out", KEY)
        assert type(refusal.value).__name__ == "StorageError"
        assert sorted(file.name for file in tmp_path.iterdir()) == ["source"]


def test_a_column_that_still_names_people_is_pointed_out(make_source, tmp_path):
    customers = "customer_id,attr_mobile,attr_mail,attr_note\n" + "".join(
        f"{phone},{phone},m{i}@example.com,{'ask me@home' if i == 0 else 'none'}\n" for i, phone in enumerate(PHONES)
    )
    copied = pseudonymise(make_source(orders=ORDERS, customers=customers), tmp_path / "out", KEY)
    assert [re.findall(r", column (\w+)", note) for note in copied.notes[1:]] == [["attr_mail"], ["attr_mobile"]]


class TestTheCommand:
    def test_prints_the_folder_and_says_the_rest_beside_it(self, make_source, tmp_path):
        raw = make_source(orders=ORDERS)
        (tmp_path / "key").write_bytes(KEY)
        arguments = ["pseudonymise", str(raw), str(tmp_path / "out"), "--key-file", str(tmp_path / "key")]
        result = CliRunner().invoke(commands.app, arguments)
        assert (result.exit_code, result.stdout) == (0, f"{tmp_path / 'out'}\n")
        assert result.stderr.splitlines()[0] == "orders: 8 rows"
        assert f"key id: {key_id(KEY)}" in result.stderr
        again = CliRunner().invoke(commands.app, arguments)
        assert (again.exit_code, again.stdout) == (2, "")
        assert again.stderr == "smsroi: out already exists; name a new folder, or delete it first\n"

    def test_without_a_key_it_is_a_usage_error(self, make_source, tmp_path, monkeypatch):
        monkeypatch.delenv("SMSROI_KEY", raising=False)
        result = CliRunner().invoke(
            commands.app, ["pseudonymise", str(make_source(orders=ORDERS)), str(tmp_path / "out")]
        )
        assert result.exit_code == 2
        assert result.stderr.startswith("smsroi: a secret key of at least 32 bytes is needed")
        assert not (tmp_path / "out").exists()
