"""The query engine; no other package of the project imports one."""

from smsroi_helpers.engine.duckdb import (
    Connection,
    EngineError,
    EngineIOError,
    EngineName,
    connect,
    copy_to_parquet,
    hash_group,
    is_ascii,
    is_one_select,
    local_time,
    named_tables,
    normalise_nfc,
    total,
    utc_from_local,
    utc_from_offset,
)

__all__ = [
    "Connection",
    "EngineError",
    "EngineIOError",
    "EngineName",
    "connect",
    "copy_to_parquet",
    "hash_group",
    "is_ascii",
    "is_one_select",
    "local_time",
    "named_tables",
    "normalise_nfc",
    "total",
    "utc_from_local",
    "utc_from_offset",
]
