"""The line of a CSV file at which each row begins, as an editor counts lines."""

import array
import bisect
import csv
import itertools
import re
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

__all__ = [
    "RowLines",
    "has_blank_lines",
    "lines_of_rows",
]

_BLANK_LINE = re.compile(rb"(?:\n\r?\n|\r\r)[\r\n]*[^\r\n]")
_TAIL = 64
"""Bytes of a chunk that are looked at again with the next one."""


def has_blank_lines(chunks: Iterable[bytes]) -> bool:
    r"""Whether a text has a blank line that is not at its end.

    >>> has_blank_lines([b"a,b\n1,2\n\n"]), has_blank_lines([b"a,b\n\n", b"1,2"])
    (False, True)
    """
    tail = b""
    for chunk in chunks:
        if _BLANK_LINE.search(tail + chunk):
            return True
        tail = (tail + chunk)[-_TAIL:]
    return False


def lines_of_rows(lines: Iterable[str], delimiter: str, above: int) -> "array.array[int]":
    r"""Return the line at which each row that is not blank begins; the first line is 1.

    Args:
        lines: of the whole file, with their ends.
        delimiter: between fields.
        above: number of lines up to the column names.

    >>> list(lines_of_rows(["a,b\n", "\n", "1,2\n", '3,"4\n', '5"\n', "6,7\n"], ",", 1))
    [3, 4, 6]
    """
    found = array.array("q")
    reader = csv.reader(itertools.islice(lines, above, None), delimiter=delimiter)
    before = 0
    for row in reader:
        if row:
            found.append(above + before + 1)
        before = reader.line_num
    return found


class RowLines:
    """Turns the numbers of rows (1 is the first below the column names; blank ones are not counted) into lines."""

    def __init__(self, above: int, starts: "array.array[int] | None" = None) -> None:
        """Start below the column names.

        Args:
            above: number of lines up to the column names.
            starts: of `lines_of_rows`, if the file has blank lines.
        """
        self._above, self._starts = above, starts
        self._next = 1
        self._broken: list[int] = []
        self._breaks: list[int] = [0]

    @property
    def next(self) -> int:
        """Number after that of the last row numbered."""
        return self._next

    def number(self, batch: pa.RecordBatch, skipped: list[int], *, has_breaks: bool) -> npt.NDArray[np.int64]:
        """Return the lines of the next rows.

        Args:
            batch: the rows.
            skipped: numbers of rows (ascending) that are not in the table.
            has_breaks: whether a value has line breaks.
        """
        numbers = _row_numbers(self._next, batch.num_rows, skipped)
        self._next = int(numbers[-1]) + 1 if len(numbers) else self._next
        if has_breaks and self._starts is None:
            in_values = (pc.count_substring_regex(column, "\r\n|\r|\n") for column in batch.columns)
            breaks = np.sum([pc.fill_null(counts, 0) for counts in in_values], axis=0)
            for place in np.flatnonzero(breaks):
                self._broken.append(int(numbers[place]))
                self._breaks.append(self._breaks[-1] + int(breaks[place]))
        return self.lines(numbers)

    def lines(self, numbers: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Return the lines of rows that have been read."""
        rows = np.asarray(numbers, np.int64)
        if self._starts is not None and len(self._starts):
            starts = np.frombuffer(self._starts, np.int64)
            return starts[np.minimum(rows, len(starts)) - 1]
        return self._above + rows + np.array(self._breaks)[np.searchsorted(self._broken, rows)]


def _row_numbers(first: int, rows: int, skipped: list[int]) -> npt.NDArray[np.int64]:
    """Return the numbers of the next rows of a table, of which the skipped ones (ascending) are not.

    >>> _row_numbers(2, 3, [1, 3, 9]).tolist()
    [2, 4, 5]
    """
    later = skipped[bisect.bisect_left(skipped, first) :]
    numbers = np.arange(first, first + rows + len(later))
    return numbers[~np.isin(numbers, later)][:rows]
