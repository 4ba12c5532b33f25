"""The rejected rows of a source: their table, line, reason and key, as a file without a value of the rows."""

from pathlib import Path

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from pyarrow import parquet

from smsroi_helpers import contract
from smsroi_helpers.source import pseudonym_key
from smsroi_helpers.source.guests import GUEST_ID
from smsroi_helpers.source.loaded import Finding

__all__ = [
    "rejected_rows",
    "write_quarantine",
]

PLAIN_KEY = "name__"
"""Column of a row's key in plain text, from which its pseudonym is computed; it is never written."""
_ROWS_AT_A_TIME = 100_000


def rejected_rows(table: contract.Table, validated: ir.Table, ragged: list[int]) -> ir.Table:
    """Return the rejected rows, guests aside: table, line, reason, and their key in plain text under `PLAIN_KEY`."""
    rejected = validated.filter(validated.fault.notnull(), validated.fault != GUEST_ID)
    has_key = table.key and set(table.key) <= set(rejected.columns)
    name = ibis.literal("\x1f").join([rejected[column] for column in table.key]) if has_key else ibis.null("string")
    key_is_complete = (
        ibis.and_(*(rejected[column].notnull() for column in table.key)) if has_key else ibis.literal(False)
    )
    rows = rejected.select(
        table=ibis.literal(table.name),
        line=rejected.line.cast("int64"),
        reason=rejected.fault,
        **{PLAIN_KEY: ibis.ifelse(key_is_complete, name, ibis.null("string"))},
    )
    if not ragged:
        return rows
    lines = pa.table(
        {
            "table": [table.name] * len(ragged),
            "line": pa.array(ragged, pa.int64()),
            "reason": [contract.WRONG_FIELDS] * len(ragged),
            PLAIN_KEY: pa.nulls(len(ragged), pa.string()),
        }
    )
    return rows.union(ibis.memtable(lines))


def write_quarantine(
    parts: list[ir.Table], output_folder: Path, key: bytes | None, *, has_pseudonyms: bool = False
) -> Finding | None:
    """Write quarantine.parquet. The key of a row is a pseudonym; without a secret key it is null, as a finding says.

    Args:
        parts: the rejected rows of each table.
        output_folder: where the file goes.
        key: the secret key; None: there is none.
        has_pseudonyms: the customers' ids are pseudonyms already; then the key of a row of customers is its id.
    """
    file = output_folder / "quarantine.parquet"
    file.unlink(missing_ok=True)
    if not parts:
        return None
    rows = ibis.union(*parts).order_by("table", "line", "reason", PLAIN_KEY)
    if key is None:
        rows.mutate(key=ibis.null("string")).drop(PLAIN_KEY).to_parquet(file)
        remedy = "set SMSROI_KEY to give each row a pseudonym, by which the holder of the key can find it"
        count = parquet.read_metadata(file).num_rows
        return Finding("quarantine", "", "rows without a pseudonym", "note", count, None, remedy)
    schema = pa.schema([("table", pa.string()), ("line", pa.int64()), ("reason", pa.string()), ("key", pa.string())])
    with parquet.ParquetWriter(file, schema) as writer:
        for batch in rows.to_pyarrow_batches(chunk_size=_ROWS_AT_A_TIME):
            names, tables = batch.column(PLAIN_KEY).to_pylist(), batch.column("table").to_pylist()
            pseudonyms = [
                name
                if name is None or (has_pseudonyms and table == "customers")
                else pseudonym_key.pseudonym(name, key)
                for name, table in zip(names, tables, strict=True)
            ]
            others = [batch.column(name).cast(schema.field(name).type) for name in schema.names[:-1]]
            writer.write_batch(pa.record_batch([*others, pa.array(pseudonyms, pa.string())], schema=schema))
    return None
