"""A database as a source: SQLite, and PostgreSQL on a server of the test's own where its programs are installed."""

import hashlib
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import tempfile
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner

from smsroi_helpers import commands
from smsroi_helpers.errors import DataError
from smsroi_helpers.source import settings
from smsroi_helpers.source.read import load
from tests.faults.tiny import make_project, report_files, smsroi
from tests.machine import find_postgres

ORDERS = "order_id,customer_id,ordered_at,amount,discount\n1,a,2024-01-01,5,0\n2,b,2024-01-02,6,\n"
PASSWORD = "p@ss/w:rd?#%+ 密"
PHONE = "13812345678"
_IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


def good(loaded, table, columns="*"):
    return duckdb.sql(f"SELECT {columns} FROM read_parquet({list(loaded.tables[table].paths)}) ORDER BY 1").fetchall()


class TestSqlite:
    def test_its_tables_and_mappings_over_it(self, make_source, tmp_path):
        folder = make_source(
            source="database: sqlite:///shop.db\n",
            orders__sql="SELECT id AS order_id, who AS customer_id, at AS ordered_at, paid / 100.0 AS amount"
            " FROM sales",
        )
        with sqlite3.connect(folder / "shop.db") as database:
            database.execute("CREATE TABLE sales (id INTEGER, who TEXT, at TEXT, paid INTEGER)")
            database.executemany(
                "INSERT INTO sales VALUES (?, ?, ?, ?)", [(7, "a", "2024-01-01", 1250), (8, "b", "2024-02-01", 99)]
            )
            database.execute("CREATE TABLE customers (customer_id TEXT, attr_level TEXT)")
            database.execute("INSERT INTO customers VALUES ('a', 'gold')")
        loaded = load(folder, tmp_path / "into")
        assert good(loaded, "orders", "order_id, customer_id, amount") == [("7", "a", 12.5), ("8", "b", 0.99)]
        assert loaded.tables["customers"].columns == ("customer_id", "attr_level")
        assert set(loaded.inputs) == {"source.yml", "orders.sql", "database"}

    @pytest.mark.parametrize("query", ["SELECT 1; DELETE FROM customers", "DELETE FROM customers", "SELECT FROM", ""])
    def test_a_mapping_is_one_select(self, make_source, tmp_path, query):
        folder = make_source(source="database: sqlite:///shop.db\n", orders__sql=query)
        with sqlite3.connect(folder / "shop.db") as database:
            database.execute("CREATE TABLE customers (customer_id TEXT)")
            database.execute("INSERT INTO customers VALUES ('a')")
        with pytest.raises(DataError, match=r"orders\.sql: the query fails"):
            load(folder, tmp_path / "into")
        with sqlite3.connect(folder / "shop.db") as database:
            assert database.execute("SELECT count(*) FROM customers").fetchone() == (1,)

    def test_a_table_that_is_broken_is_named(self, make_source, tmp_path):
        folder = make_source(source="database: sqlite:///shop.db\n", orders=ORDERS)
        with sqlite3.connect(folder / "shop.db") as database:
            database.execute("CREATE TABLE base (customer_id TEXT)")
            database.execute("CREATE VIEW customers AS SELECT customer_id FROM base")
            database.execute("DROP TABLE base")
        with pytest.raises(DataError, match=r"database, table customers: the query fails"):
            load(folder, tmp_path / "into")


def test_a_password_in_an_address_is_neither_recorded_nor_shown(make_source, tmp_path, monkeypatch):
    monkeypatch.setenv("SHOP_DB", "postgres://me:geheim@127.0.0.1:1/shop")
    folder = make_source(source="database: ${SHOP_DB}\n", orders=ORDERS)
    with pytest.raises(
        DataError, match=r"source\.yml, database: cannot be opened \(nothing listens at that address\)"
    ) as refusal:
        load(folder, tmp_path / "into")
    assert "geheim" not in str(refusal.value)
    assert "geheim" not in repr(refusal.value.__context__ and settings.read_settings(folder))
    assert "geheim" not in "".join(p.read_text(errors="ignore") for p in (tmp_path / "into").rglob("*") if p.is_file())


def test_a_password_may_hold_any_sign(make_source, monkeypatch):
    monkeypatch.setenv("SHOP_USER", "ann@shop")
    monkeypatch.setenv("SHOP_PASSWORD", PASSWORD)
    monkeypatch.setenv("SHOP_PLACE", "127.0.0.1:5432/shop")
    folder = make_source(source="database: postgresql://${SHOP_USER}:${SHOP_PASSWORD}@${SHOP_PLACE}\n", orders=ORDERS)
    from psycopg.conninfo import conninfo_to_dict

    told = conninfo_to_dict(settings.read_settings(folder).database)
    assert told == {"user": "ann@shop", "password": PASSWORD, "host": "127.0.0.1", "port": "5432", "dbname": "shop"}


def test_a_missing_driver_is_named(make_source, tmp_path, monkeypatch):
    import builtins

    imports = builtins.__import__

    def without(name, *arguments, **named):
        if name.split(".")[0] == "psycopg":
            raise ModuleNotFoundError("No module named 'psycopg'", name="psycopg")
        return imports(name, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    folder = make_source(source="database: postgres://me:geheim@127.0.0.1:1/shop\n", orders=ORDERS)
    with pytest.raises(DataError, match=r"needs the package psycopg.*pip install 'smsroi-helpers\[postgres\]'"):
        load(folder, tmp_path / "into")


def test_a_server_that_never_answers_is_given_up(make_source, tmp_path):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        place = f"postgresql://me:geheim@127.0.0.1:{port}/shop?connect_timeout=2"
        with pytest.raises(DataError, match=r"cannot be opened \(no answer in time\)"):
            load(make_source(source=f"database: {place}\n"), tmp_path / "into")


# --- PostgreSQL ------------------------------------------------------------------------------------------------------


@dataclass
class Server:
    """A PostgreSQL server of the test's own."""

    programs: Path
    place: Path
    port: int

    def control(self, *arguments: str) -> None:
        """Run pg_ctl."""
        line = [self.programs / "pg_ctl", "-D", self.place / "data", "-w", *arguments]
        subprocess.run(_as_server(*map(str, line)), check=True, stdout=subprocess.DEVNULL, timeout=60)

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
        self.control("-l", str(self.place / "log"), "-o", options, "start")

    def connect(self):
        import psycopg

        return psycopg.connect(
            host="127.0.0.1", port=self.port, user="shop", password=PASSWORD, dbname="postgres", autocommit=True
        )

    def run(self, *statements: str) -> None:
        """Run statements as the owner of everything."""
        with self.connect() as con:
            for statement in statements:
                con.execute(statement)

    def stop_during(self, word: str) -> None:
        """Stop at once, as a crash would, while a workbook's query with this word is running."""
        running = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'smsroi' AND query LIKE %s"
        with self.connect() as con:
            for _tenth in range(600):
                if con.execute(running, [f"COPY%{word}%"]).fetchone():
                    break
                time.sleep(0.1)
        self.control("-m", "immediate", "stop")


def _as_server(*command: str) -> list[str]:
    """A command of PostgreSQL's, which refuses to be run by root."""
    return ["runuser", "-u", "postgres", "--", *command] if _IS_ROOT else list(command)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    programs = find_postgres()
    assert programs is not None
    place = Path(tempfile.mkdtemp(prefix="smsroi-postgres-"))  # pytest's own folders are closed to the server's user
    (place / "password").write_text(PASSWORD, encoding="utf-8")
    if _IS_ROOT:
        for path in (place, place / "password"):
            shutil.chown(path, "postgres")
    initdb = [programs / "initdb", "-D", place / "data", "-U", "shop", "-A", "scram-sha-256", "-E", "UTF8"]
    initdb += ["--locale=C", "--no-sync", f"--pwfile={place / 'password'}"]
    subprocess.run(_as_server(*map(str, initdb)), check=True, stdout=subprocess.DEVNULL, timeout=60)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = Server(programs, place, port)
    server.start()
    try:
        yield server
    finally:
        server.control("-m", "immediate", "stop")
        shutil.rmtree(place)


@pytest.fixture
def address(server, monkeypatch) -> str:
    """The line of source.yml; user and password come from the environment."""
    monkeypatch.setenv("PGUSER", "shop")
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    return f"database: postgresql://${{PGUSER}}:${{PGPASSWORD}}@127.0.0.1:{server.port}/postgres\n"


@pytest.fixture
def tables(server) -> Callable[..., None]:
    """Fills an empty schema."""

    def fill(*statements: str) -> None:
        server.run("DROP SCHEMA public CASCADE", "CREATE SCHEMA public", *statements)

    return fill


SALES = (
    "CREATE TABLE sales (no uuid, who bigint, at timestamptz, paid numeric, off money, note jsonb)",
    """INSERT INTO sales VALUES
    ('00000000-0000-0000-0000-000000000001', 9007199254740993, '2024-01-01 23:30:00.5+08', 1234.50, '$1.25', '{"a":1}'),
    ('00000000-0000-0000-0000-000000000002', 2, '2024-03-10 12:00:00+00', 0.1, NULL, NULL)""",
)
MAPPING = "SELECT no AS order_id, who AS customer_id, at AS ordered_at, paid AS amount, off AS discount FROM sales;"


@pytest.mark.postgres
class TestPostgres:
    def test_its_tables_and_mappings_over_it(self, make_source, tmp_path, address, tables):
        tables(
            *SALES,
            "CREATE TABLE customers (customer_id varchar(40), opted_out_at timestamp, attr_tags text[])",
            "INSERT INTO customers VALUES ('2', '2024-01-05 10:00', '{a,b}'), ('9007199254740993', NULL, NULL)",
            "CREATE VIEW visits AS"
            " SELECT who AS customer_id, at::date AS visited_at, 'quoted \"web\", 网' AS source FROM sales",
        )
        folder = make_source(source=address + "timezone: Asia/Shanghai\n", orders__sql=MAPPING)
        loaded = load(folder, tmp_path / "into")
        assert good(loaded, "orders", "* REPLACE (ordered_at::TEXT AS ordered_at)") == [
            ("00000000-0000-0000-0000-000000000001", "9007199254740993", "2024-01-01 15:30:00.5", 1234.5, 1.25),
            ("00000000-0000-0000-0000-000000000002", "2", "2024-03-10 12:00:00", 0.1, None),
        ]
        assert [str(row[1]) for row in good(loaded, "customers")] == ["2024-01-05 02:00:00", "None"]
        assert [row[2] for row in good(loaded, "visits")] == ['quoted "web", 网'] * 2
        # PostgreSQL writes the type money with a sign.
        assert [(f.column, f.rule) for f in loaded.findings] == [("discount", "currency of the amounts")]

    def test_the_same_orders_as_from_a_file(self, make_source, tmp_path, address, tables):
        rows = [(f"{i:04}", f"c{i % 7}", f"2024-01-{1 + i % 28:02} 10:00:00", f"{i}.25") for i in range(3000)]
        csv = "order_id,customer_id,ordered_at,amount\n" + "".join(f"{','.join(row)}\n" for row in rows)
        values = ",".join(str(row) for row in rows)
        tables(
            "CREATE TABLE orders (order_id text, customer_id text, ordered_at timestamp, amount float8)",
            f"INSERT INTO orders VALUES {values}",
        )
        from_file = load(make_source(orders=csv), tmp_path / "file")
        (tmp_path / "source" / "orders.csv").unlink()
        from_database = load(make_source(source=address), tmp_path / "database")
        assert good(from_database, "orders") == good(from_file, "orders")

    def test_invalid_orders_are_rejected_without_a_line(self, make_source, tmp_path, address, tables):
        tables(
            "CREATE TABLE orders (order_id int, customer_id text, ordered_at timestamptz, amount numeric)",
            "INSERT INTO orders SELECT i, 'c', '2024-01-01', i FROM generate_series(1, 97) AS t (i)",
            "INSERT INTO orders VALUES (98, 'c', 'infinity', 1), (99, 'c', '2024-01-01', 'NaN'), (100, NULL, 'now', 1)",
        )
        loaded = load(make_source(source=address), tmp_path / "into", max_rejected_share=0.05)
        assert {(f.column, f.rule): f.rows for f in loaded.findings if f.severity == "error"} == {
            ("ordered_at", "unreadable"): 1, ("amount", "not finite"): 1, ("customer_id", "missing"): 1,
        }  # fmt: skip
        assert duckdb.sql(f"SELECT line FROM '{tmp_path}/into/quarantine.parquet'").fetchall() == [(None,)] * 3

    @pytest.mark.parametrize(
        ("query", "words"),
        [
            ("SELECT 1; DROP TABLE sales", "syntax error"),
            ("SELECT 1) TO STDOUT; DROP TABLE sales; --", "the query fails"),
            ("SELECT 1) AS a; DROP TABLE sales; SELECT * FROM (SELECT 1", "cannot insert multiple commands"),
            ("WITH gone AS (DELETE FROM sales RETURNING no) SELECT * FROM gone", "WITH clause containing a data-mod"),
            ("DELETE FROM sales", "syntax error"),
            ("SELECT nothing FROM sales", 'column "nothing" does not exist'),
            ("SELECT 1 AS a, 2 AS a", r"table orders: no column order_id, .*\(columns found: a, a_2\)"),
            (f"SELECT CAST('x{PHONE}' AS int)", r"orders\.sql: .* invalid input syntax for type integer: \[value\]$"),
            ("SELECT no AS order_id FROM sales", "table orders: no column customer_id, ordered_at, amount"),
        ],
    )
    def test_a_mapping_that_is_no_sound_select_is_one_line(
        self, make_source, tmp_path, address, tables, server, query, words
    ):
        tables(*SALES)
        with pytest.raises(DataError, match=words) as refusal:
            load(make_source(source=address, orders__sql=query), tmp_path / "into")
        assert "\n" not in str(refusal.value)
        server.run("SELECT 1 / count(*) FROM sales")  # still there

    def test_helper_views_are_written_in_its_own_sql(self, make_source, tmp_path, address, tables):
        tables(*SALES)
        folder = make_source(
            source=address,
            orders__sql="WITH a AS (SELECT * FROM _dated) SELECT n AS order_id, n AS customer_id, day AS ordered_at,"
            " 1 AS amount FROM a",
            _dated__sql="SELECT n, '2024-01-02'::text || '' AS day FROM _numbers -- as text\n",
            _numbers__sql="SELECT n::int8 AS n FROM generate_series(1, 3) AS t (n);",
        )
        loaded = load(folder, tmp_path / "into")
        assert good(loaded, "orders", "order_id, ordered_at::DATE::TEXT") == [(str(n), "2024-01-02") for n in (1, 2, 3)]

    def test_a_function_that_writes_may_not(self, make_source, tmp_path, address, tables, server):
        tables(
            *SALES,
            "CREATE FUNCTION wipe() RETURNS int LANGUAGE sql AS $$ DELETE FROM sales RETURNING 1 $$",
        )
        with pytest.raises(
            DataError, match=r"orders\.sql: the query fails: cannot execute DELETE in a read-only trans"
        ):
            load(make_source(source=address, orders__sql="SELECT wipe() AS order_id"), tmp_path / "into")
        server.run("SELECT 1 / count(*) FROM sales")

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            (lambda a, port: a.replace("${PGPASSWORD}", "wrong"), "wrong user or password"),
            (lambda a, port: a.replace("${PGUSER}", "nobody"), "wrong user or password"),
            (lambda a, port: a.replace("/postgres", "/nowhere"), "no such database or user"),
            (lambda a, port: a.replace(str(port), "1"), "nothing listens at that address"),
            (lambda a, port: a.replace(str(port), "none"), "ProgrammingError|OperationalError"),
        ],
    )
    def test_a_server_that_cannot_be_asked_is_one_line(self, make_source, address, server, change, words):
        folder = make_source(source=change(address, server.port))
        result = CliRunner().invoke(commands.app, ["check", str(folder)])
        assert (result.exit_code, result.stdout) == (10, "")
        (line,) = result.stderr.splitlines()
        assert re.fullmatch(
            rf"smsroi: source\.yml, database: cannot be opened \(({words})\);"
            r" check the address, and that the database is running",
            line,
        )


@pytest.mark.postgres
def test_a_server_gone_in_the_middle_ends_with_10_and_leaves_the_last_report(tmp_path, address, tables, server):
    """R18, in a process of its own; afterwards the password stands nowhere."""
    tables(
        "CREATE TABLE orders (order_id int, customer_id text, ordered_at timestamp, amount float8)",
        "INSERT INTO orders SELECT i, 'c' || i % 9, '2024-01-01', i FROM generate_series(1, 99) AS t (i)",
    )
    root = tmp_path.resolve()
    file = make_project(root, {"00_alpha": ["1"]})
    folder = root / "data" / "tiny"
    (folder / "orders.csv").unlink()
    (folder / "source.yml").write_text(address, encoding="utf-8")
    first = smsroi(root, "run", str(file))
    assert first.returncode == 0, first.stderr
    before = report_files(root)
    slow = "SELECT i AS order_id, 'c' AS customer_id, now() AS ordered_at, 1 AS amount, pg_sleep(0.01)"
    (folder / "orders.sql").write_text(f"{slow} FROM generate_series(1, 9000) AS t (i)", encoding="utf-8")
    stop = threading.Thread(target=server.stop_during, args=["pg_sleep"])
    stop.start()
    try:
        result = smsroi(root, "run", str(file))
    finally:
        stop.join()
        server.start()
    assert (result.returncode, result.stdout) == (10, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith(
        "smsroi: orders.sql: the database closed the connection; check that it is running, and run again"
    )
    assert report_files(root) == before
    secrets = (PASSWORD, urllib.parse.quote(PASSWORD, safe=""), hashlib.sha256(PASSWORD.encode()).hexdigest())
    for kept in root.rglob("*"):
        content = kept.read_bytes() if kept.is_file() else b""
        assert not any(secret.encode() in content for secret in secrets), kept
    assert not any(secret in first.stdout + first.stderr + result.stderr for secret in secrets)
