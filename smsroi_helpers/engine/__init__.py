"""The engine that counts: the only wing that names one."""

from smsroi_helpers.engine.duckdb import (
    composed,
    connect,
    hash_group,
    is_ascii,
    local_time,
    total,
    utc_of_clock,
    utc_of_instant,
)

__all__ = [
    "composed",
    "connect",
    "hash_group",
    "is_ascii",
    "local_time",
    "total",
    "utc_of_clock",
    "utc_of_instant",
]
