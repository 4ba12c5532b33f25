"""Copy tables and query results of a database to parquet: SQLite through Ibis, PostgreSQL through psycopg.

PostgreSQL exports each table as CSV (COPY) in one read-only transaction. The CSV reader then reads it, so column types
of the database do not matter. No message contains the address, which may hold a password.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import ibis
import ibis.expr.types as ir
import sqlglot
from ibis.backends import BaseBackend
from pyarrow import parquet

from smsroi_helpers import contract
from smsroi_helpers.errors import DataError, reason_of
from smsroi_helpers.source import files
from smsroi_helpers.source.csv_text import csv_to_parquet
from smsroi_helpers.source.settings import Settings

__all__ = [
    "Database",
    "connect_database",
]

if TYPE_CHECKING:
    import psycopg

_CONNECT_TIMEOUT_SECONDS = 30
"""Connection timeout, unless the address sets one."""
_ROWS_AT_A_TIME = 100_000


class Database(Protocol):
    """A database from which a source reads its tables."""

    def list_tables(self) -> set[str]:
        """Return the contract's tables that the database has.

        Raises:
            DataError: the database does not answer.
        """
        ...

    def copy_table(self, name: str, to: Path) -> None:
        """Write a table as parquet.

        Raises:
            DataError: the table cannot be read.
        """
        ...

    def copy_query(self, name: str, query: str, to: Path) -> None:
        """Write the result of a mapping's query as parquet.

        Args:
            name: name of the mapping, without `.sql`.
            query: one SELECT in the database's own SQL.
            to: the parquet file.

        Raises:
            DataError: the query fails.
        """
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


def connect_database(settings: Settings, folder: Path) -> Database | None:
    """Connect to the database named in source.yml; None if none is named.

    Raises:
        DataError: the database cannot be opened.
    """
    scheme = settings.database.partition(":")[0].lower()
    if not settings.database:
        return None
    try:
        if (file := files.sqlite_file(settings, folder)) is not None:
            return _IbisDatabase(ibis.sqlite.connect(file), "sqlite")
        if scheme in ("postgres", "postgresql"):
            return _PostgresDatabase(settings.database)
        return _IbisDatabase(ibis.connect(settings.database), scheme)
    except DataError:
        raise
    except ImportError as error:
        raise DataError(
            f"source.yml, database: {scheme} needs the package {error.name}, which is not installed; install it with"
            f" `pip install 'smsroi-helpers[{scheme.replace('postgresql', 'postgres')}]'`"
        ) from None
    except Exception as error:  # every driver has its own exceptions
        raise DataError(
            f"source.yml, database: cannot be opened ({_connection_failure(error)});"
            " check the address, and that the database is running"
        ) from None


def _connection_failure(error: Exception) -> str:
    """Return why a connection failed. The driver's own message may quote the address, so it is not used."""
    message = str(error).lower()
    for fragment, reason in {
        "password": "wrong user or password",
        "authentication": "wrong user or password",
        "pg_hba": "connections from this host are refused",
        "refused": "nothing listens at that address",
        "timeout": "no answer in time",
        "timed out": "no answer in time",
        "resolve": "unknown host",
        "does not exist": "no such database or user",
    }.items():
        if fragment in message:
            return reason
    return type(error).__name__


class _IbisDatabase:
    """SQLite and the other databases that Ibis supports."""

    def __init__(self, backend: BaseBackend, dialect: str) -> None:
        self._backend, self._dialect = backend, dialect

    def list_tables(self) -> set[str]:
        try:
            return set(self._backend.list_tables()) & set(contract.TABLES)
        except Exception as error:  # every driver has its own exceptions
            raise DataError(f"database: no answer ({type(error).__name__}); check that it is running") from None

    def copy_table(self, name: str, to: Path) -> None:
        try:
            self._write(self._backend.table(name), to)
        except Exception as error:  # the driver's or Arrow's
            raise self._failure(f"database, table {name}", error) from None

    def copy_query(self, name: str, query: str, to: Path) -> None:
        try:
            if len([statement for statement in sqlglot.parse(query, read=self._dialect) if statement is not None]) != 1:
                raise ValueError("a mapping must be one SELECT")
            self._write(self._backend.sql(query), to)
        except Exception as error:  # the driver's, sqlglot's or Arrow's
            raise self._failure(f"{name}.sql", error) from None

    def close(self) -> None:
        self._backend.disconnect()

    def _write(self, rows: ir.Table, to: Path) -> None:
        schema = rows.schema().to_pyarrow()
        with parquet.ParquetWriter(to, schema) as writer:
            for batch in rows.to_pyarrow_batches(chunk_size=_ROWS_AT_A_TIME):
                writer.write_batch(batch.cast(schema) if batch.schema != schema else batch)

    def _failure(self, place: str, error: Exception) -> DataError:
        return DataError(f"{place}: the query fails: {reason_of(error)}")


class _PostgresDatabase:
    """PostgreSQL; all tables are read from one snapshot."""

    def __init__(self, address: str) -> None:
        import psycopg
        from psycopg import conninfo

        self._errors = psycopg.Error
        self._password = str(conninfo.conninfo_to_dict(address).get("password") or "")
        timeout = {} if "connect_timeout" in address else {"connect_timeout": _CONNECT_TIMEOUT_SECONDS}
        options: dict[str, Any] = {"client_encoding": "UTF8", "application_name": "smsroi", **timeout}
        self._con: psycopg.Connection[Any] = psycopg.connect(address, **options)
        self._con.read_only = True
        self._con.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        self._con.execute("SET LOCAL DateStyle = ISO")
        self._con.execute("SET LOCAL TimeZone = 'UTC'")

    def list_tables(self) -> set[str]:
        kinds = ["r", "p", "v", "m", "f"]  # tables, partitioned tables, views, materialised views, foreign tables
        try:
            found = self._con.execute(
                "SELECT relname FROM pg_catalog.pg_class"
                " WHERE relkind::text = ANY(%s) AND relname = ANY(%s) AND pg_catalog.pg_table_is_visible(oid)",
                [kinds, list(contract.TABLES)],
            )
            return {str(name) for (name,) in found.fetchall()}
        except self._errors as error:
            raise self._failure("database", error) from None

    def copy_table(self, name: str, to: Path) -> None:
        from psycopg import sql

        self._copy(f"database, table {name}", sql.SQL("SELECT * FROM {}").format(sql.Identifier(name)).as_string(), to)

    def copy_query(self, name: str, query: str, to: Path) -> None:
        self._copy(f"{name}.sql", query, to)

    def close(self) -> None:
        self._con.close()

    def _copy(self, place: str, query: str, to: Path) -> None:
        text = to.with_name(f"{to.stem}.csv")
        try:
            with self._con.cursor() as cursor:
                # Only a single statement can be prepared, so no second statement can follow the SELECT.
                cursor.execute(f"SELECT * FROM ({query}\n) AS mapped LIMIT 0".encode(), prepare=True)
                with (
                    cursor.copy(f"COPY ({query}\n) TO STDOUT (FORMAT csv, HEADER)".encode()) as lines,
                    text.open("wb") as file,
                ):
                    for part in lines:
                        file.write(part)
        except self._errors as error:
            raise self._failure(place, error) from None
        csv_to_parquet(text, to)
        text.unlink()

    def _failure(self, place: str, error: "psycopg.Error") -> DataError:
        if self._con.closed or self._con.broken:
            return DataError(f"{place}: the database closed the connection; check that it is running, and run again")
        line = reason_of(error)
        if (error.sqlstate or "").startswith("22"):  # data exceptions quote the value
            line = re.sub('".*"', "[value]", line)
        line = line.replace(self._password, "[secret]") if self._password else line
        return DataError(f"{place}: the query fails: {line}")
