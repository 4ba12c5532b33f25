"""Rows of a text file with another number of fields than its heading: a remark at the end, or rows cut at the end.

A spreadsheet that saves a text file leaves out the empty fields at the end of rows, in blocks of 16 rows; such rows are
whole. So is a file with a remark below its rows, such as `Exported by …`. All other rows of this kind are torn.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

__all__ = [
    "BadRow",
    "are_cut_at_the_end",
    "is_remark",
    "padded",
]

_BLOCK = 8
"""Rows in sequence that show a block of a spreadsheet: half of its 16, since rows between them may be filled."""


@dataclass(frozen=True)
class BadRow:
    """A row with the wrong number of fields."""

    line: int
    """Of the file, from 1."""
    fields: int
    is_sentence: bool
    """It has one field, with blanks between words."""
    is_last: bool
    """No row follows."""


def is_remark(row: BadRow) -> bool:
    """Whether a row is a remark below the rows; a row that is cut off in its first field has no blanks."""
    return row.is_last and row.is_sentence


def are_cut_at_the_end(rows: Sequence[BadRow], expected: int, filled: int) -> bool:
    """Whether rows lack only empty fields at their end.

    Args:
        rows: all rows of a file with the wrong number of fields, ascending by line.
        expected: number of fields of the heading.
        filled: number of the last column in which a whole row has a value; 0: none has.
    """
    if len(rows) < _BLOCK or any(row.fields >= expected for row in rows):
        return False
    if min(row.fields for row in rows) >= filled:
        return True
    # In sequence: the line less the place is the same. The last block of a file may be shorter.
    blocks = itertools.groupby(enumerate(rows), key=lambda pair: (pair[1].line - pair[0], pair[1].fields))
    sizes = [len(list(block)) for _key, block in blocks]
    return all(size >= _BLOCK for size in sizes[:-1]) and (sizes[-1] >= _BLOCK or rows[-1].is_last)


def padded(lines: Iterable[str], missing: Mapping[int, int], delimiter: str) -> Iterator[str]:
    r"""Yield lines with the delimiters that some lack at their end.

    Args:
        lines: of the whole file, with their ends.
        missing: line, from 1 → number of delimiters.
        delimiter: between fields.

    >>> list(padded(["a,b,c\r\n", "1\r\n", "2,3"], {2: 2, 3: 1}, ","))
    ['a,b,c\r\n', '1,,\r\n', '2,3,']
    """
    for number, line in enumerate(lines, start=1):
        if number in missing:
            text = line.rstrip("\r\n")
            yield text + delimiter * missing[number] + line[len(text) :]
        else:
            yield line
