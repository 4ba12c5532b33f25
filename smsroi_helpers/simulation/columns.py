"""Columns of the tables of a simulated company: instants, words and ids; and the parts of a table."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from smsroi_helpers.simulation.behaviour import NEVER, Company, Customers, Ints

__all__ = ["Batch", "ids", "instants", "instants_of", "words", "write_part"]


@dataclass(frozen=True)
class Batch:
    """One part of each table: a chunk of customers, in the log or in a week after it."""

    to: Path
    """Folder of the source."""
    chunk: int
    first_day: int
    end_day: int
    later_week: int = -1
    """Number of the week after the log; −1 for the log."""

    @property
    def file(self) -> int:
        """Number of the part; the parts of later weeks come after those of the log."""
        return 10_000 * (self.later_week + 1) + self.chunk

    @property
    def prefix(self) -> str:
        """Of the message ids of this part."""
        return f"m{self.chunk:03}-" if self.later_week < 0 else f"m{self.chunk:03}w{self.later_week:03}-"


def instants(seconds: Ints, end: int) -> pa.Array:
    """Convert seconds since 1970 to timestamps; null at or after `end`, and for `NEVER`."""
    return pa.array(np.minimum(seconds, end) * 1_000_000, pa.timestamp("us", "UTC"), mask=seconds >= end)


def words(numbers: Ints, named: Any) -> pa.Array:
    """Return the word of each number; −1 is null."""
    return pa.array(list(named), pa.string()).take(pa.array(numbers, pa.int64(), mask=np.asarray(numbers) < 0))


def ids(letter: str, numbers: Ints, digits: int) -> pa.Array:
    """Return ids such as c0000012; a negative number is null."""
    text = pc.utf8_lpad(pa.array(numbers, pa.int64(), mask=numbers < 0).cast(pa.string()), digits, "0")
    return pc.binary_join_element_wise(pa.scalar(letter), text, "")


def instants_of(company: Company, customers: Customers, customer: Ints, day: Ints, second: Ints) -> Ints:
    """Convert seconds of days in the customers' time zones to seconds since 1970; `NEVER` after the last day.

    No time is before its week begins on the company's clock, so that a log that ends there is not changed by later
    weeks.
    """
    seen = day < company.all_days
    at = company.instant(customers.zone[customer], np.where(seen, day, 0), second)
    starts = np.array([0, *(company.midnight_of(company.days + 7 * week) for week in range(company.later_weeks))])
    week = np.where(seen, np.maximum((day - company.days) // 7 + 1, 0), 0)
    return np.where(seen, np.maximum(at, starts[week]), NEVER)


def write_part(batch: Batch, table: str, columns: Mapping[str, Any]) -> None:
    """Write one part of a table."""
    (batch.to / table).mkdir(exist_ok=True, parents=True)
    parquet.write_table(pa.table(dict(columns)), batch.to / table / f"part-{batch.file:05}.parquet", store_schema=False)
