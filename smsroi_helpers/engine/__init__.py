"""The engine that counts: the only wing that names one."""

from smsroi_helpers.engine.duckdb import (
    Connection,
    EngineError,
    EngineIOError,
    EngineName,
    composed,
    connect,
    copy_to_parquet,
    hash_group,
    is_ascii,
    is_one_select,
    local_time,
    sql_of,
    total,
    utc_of_clock,
    utc_of_instant,
)

__all__ = [
    "Connection",
    "EngineError",
    "EngineIOError",
    "EngineName",
    "composed",
    "connect",
    "copy_to_parquet",
    "hash_group",
    "is_ascii",
    "is_one_select",
    "local_time",
    "sql_of",
    "total",
    "utc_of_clock",
    "utc_of_instant",
]
