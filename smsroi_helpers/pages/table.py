"""Tables of pages: escaped, aligned, sortable, and with small groups suppressed."""

import datetime as dt
import numbers
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from smsroi_helpers import locale
from smsroi_helpers.locale import _
from smsroi_helpers.pages.markup import EMPTY, Html, as_text, as_words, is_missing

__all__ = [
    "FEWEST_SHOWN",
    "table",
]

_PERSON_KEYS = {"customer_id", "referred_by"}
MOST_ROWS_OPEN = 12
"""Longer tables are folded: a reader sees their caption, and opens them to look something up."""
FEWEST_SHOWN = 10
"""No page shows a number of a smaller group of people."""


def table(
    frame: pd.DataFrame,
    *,
    caption: str,
    digits: int | Mapping[str, int] | None = None,
    formats: Mapping[str, Callable[[Any], str]] | None = None,
    suppress: str | None = None,
    k: int = FEWEST_SHOWN,
    fold: bool | None = None,
) -> Html:
    """Return the data frame as a table: escaped, with aligned numbers, sortable by column.

    A named index becomes row headings; otherwise the first column does. A column that is empty in every row is not
    shown, and in Chinese the amounts of a column have one unit. Groups of fewer than `k` people show `<k` and
    no other values. If a single such group could be computed by subtraction, the next smallest is hidden too.

    Args:
        frame: the rows, in order.
        caption: description of the table, in a sentence.
        digits: decimals, for all columns or by column; by default they depend on the size of the numbers.
        formats: column → function that formats a value (`{"rate": locale.percent}`).
        suppress: column with the number of people of each row; None if rows are not groups of people.
        k: smallest group that is shown.
        fold: whether the table is folded under its caption; by default if it has more than `MOST_ROWS_OPEN` rows.

    Raises:
        ValueError: no caption, an unknown column, or a column of customers' ids.
    """
    if not caption.strip():
        raise ValueError("a table needs caption= (a description in a sentence)")
    caption = locale.ended(caption)
    named_index = any(name is not None for name in frame.index.names)
    headings = frame.index.nlevels if named_index else 1
    shown = frame.reset_index() if named_index else frame
    columns = [str(name) for name in shown.columns]
    if person_columns := _PERSON_KEYS.intersection(columns):
        raise ValueError(
            f"column {min(person_columns)!r} identifies customers, and pages show only groups; write it with save()"
        )
    shown, ranged = _short_intervals(shown)
    formats = formats or {}
    by_column = digits if isinstance(digits, Mapping) else {}
    named_columns = {*formats, *by_column, *([suppress] if suppress else [])}
    if unknown := named_columns.difference(columns):
        raise ValueError(f"no column {min(unknown)!r} in the table {caption!r}; choose one of {', '.join(columns)}")

    hidden: dict[int, str] = {}
    kept = set(columns)
    if suppress:
        group = columns[:headings] if named_index else _leading_text(shown, suppress)
        kept = set(group)
        hidden = _hidden_rows(shown[suppress].to_numpy(), _total_row(shown[group[0]]), k)

    writers = [
        formats.get(name) or _writer(shown.iloc[:, i], by_column.get(name, digits if isinstance(digits, int) else None))
        for i, name in enumerate(columns)
    ]
    texts = _texts([[str(write(value)) for value in shown.iloc[:, i]] for i, write in enumerate(writers)])
    filled = [
        i < headings or name == suppress or not texts[i] or any(text not in ("", EMPTY) for text in texts[i])
        for i, name in enumerate(columns)
    ]
    numeric = [_is_numeric(shown.iloc[:, i]) for i in range(len(columns))]
    aligned = [is_number or _reads_as_numbers(shown.iloc[:, i]) for i, is_number in enumerate(numeric)]
    states_level = "95%" in caption and _("interval") in caption
    head = "".join(
        f'<th scope="col"{_heading_class(heading, is_number)}>{as_text(heading)}</th>'
        for heading, is_number in (
            (_heading(name, ranged=name in ranged and not states_level), is_number)
            for name, is_number, some in zip(columns, aligned, filled, strict=True)
            if some
        )
    )
    rows = []
    for position, values in enumerate(shown.itertuples(index=False, name=None)):
        cells = []
        for i, (name, value) in enumerate(zip(columns, values, strict=True)):
            if not filled[i]:
                continue
            if position in hidden and name not in kept:
                content, key = (hidden[position] if name == suppress else EMPTY), ""
            else:
                content, key = texts[i][position], _sort_key(value)
            sort = f' data-sort="{key}"' if numeric[i] or key else ""
            tag = 'th scope="row"' if i < headings else "td"
            text = as_text(content)
            whole = _is_whole(text)
            long, prose = len(text) > _LONG, _width(text) > _PROSE
            css = _class(aligned[i], short=_is_short(text), long=long, whole=whole, prose=prose)
            cells.append(f"<{tag}{css}{sort}>{_unbroken(text)}</{tag[:2]}>")
        rows.append(f"<tr>{''.join(cells)}</tr>")
    if not rows:
        words = as_text(_("There are no rows."))
        rows = [f'<tr><td class="empty" colspan="{max(len(columns), 1)}">{words}</td></tr>']
    label = as_text(_("Table"))
    remark = ""
    if hidden:
        remark = f'<p class="remark">{as_text(_suppression_words(k, list(hidden.values())))}</p>'
    markup = (
        f'<div class="scroll" tabindex="0" role="group" aria-label="{label}">'
        f'<table class="data{_size(sum(filled))}"><caption>{as_words(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>{remark}"
    )
    described = _("{caption} ({rows} rows)").format(caption=caption, rows=locale.number(len(shown)))
    if len(shown) > MOST_ROWS_OPEN if fold is None else fold:
        markup = markup.replace("<caption>", '<caption class="vh">', 1)
        markup = f'<details class="long"><summary>{as_words(described)}</summary>{markup}</details>'
    return Html(markup, described)


_MANY = 6
"""Columns from which a table is set in smaller type, so that a desktop shows it without scrolling."""
_MOST = 8
"""Columns from which it is set still smaller and closer."""
_LONG_HEADING = 22
"""Width of a heading, in letters, that would break over many lines in a narrow column."""
_SHORT = 20
_LONG = 40
"""Characters from which a cell is a sentence, which needs a wider column."""
_PROSE = 90
"""Width of a cell, in letters, that would be taller than wide in such a column on a phone."""
_TWO_NUMBERS = re.compile(r"\d\D* \D*\d")
_RANGE = re.compile(r"\([^()]{1,40}\)|（[^（）]{1,40}）")


def _unbroken(cell: str) -> str:
    """Keep a range in brackets, such as `(0.1 to 0.8)`, on one line."""
    return _RANGE.sub(lambda m: f'<span class="range">{m[0]}</span>' if _TWO_NUMBERS.search(m[0]) else m[0], cell)


def _is_short(cell: str) -> bool:
    """Whether a cell is a short number, date or range, which stays on one line."""
    return _width(cell) <= _SHORT and bool(re.search(r"[ \-年]", cell)) and bool(re.search(r"\d", cell))


_WHOLE = re.compile(
    r"\d{4}-\d\d(-\d\d)?|\d{4}年\d{1,2}月(\d{1,2}日)?|[A-Z][a-z]{2} (\d{1,2}, )?\d{4}|&lt; ?[\d.]+"
    r"|\d{1,2}:\d\d–\d{1,2}:\d\d"
)


def _is_whole(cell: str) -> bool:
    """Whether a cell or heading is never broken, not even in print: a date, hours, `< 0.001`, a few Chinese signs,
    which a browser would break anywhere.
    """
    if _WHOLE.fullmatch(cell):
        return True
    return _width(cell) <= _WIDEST_NAME and any(sign >= "\u2e80" for sign in cell)


_WIDEST_NAME = 10


def _size(columns: int) -> str:
    """The classes of a table of so many columns."""
    return " many most" if columns >= _MOST else " many" if columns >= _MANY else ""


def _width(text: str) -> int:
    """The width of a text in Latin letters: a Chinese character takes two."""
    return sum(2 if character >= "\u2e80" else 1 for character in text)


def _class(
    is_number: bool, *, short: bool = False, long: bool = False, whole: bool = False, prose: bool = False
) -> str:
    short = short and not is_number and not whole
    long = long and not short
    names = [("n", is_number), ("range", short), ("words", long), ("prose", long and prose), ("whole", whole)]
    found = " ".join(name for name, holds in names if holds)
    return f' class="{found}"' if found else ""


def _heading_class(heading: str, is_number: bool) -> str:
    return _class(is_number, long=_width(heading) > _LONG_HEADING, whole=_is_whole(heading))


def _heading(name: str, *, ranged: bool) -> str:
    """Return the heading of a column: its translation, else its name with blanks; of intervals, it says so."""
    translated = locale.translated(name)
    words = name.replace("_", " ").strip() if translated == name else translated
    words = locale.capitalised(words)
    return _("{heading} (95% interval)").format(heading=words) if ranged and "95%" not in words else words


def _short_intervals(frame: pd.DataFrame) -> tuple[pd.DataFrame, set[str]]:
    """The frame with `1 (0 to 2)` for `1 (95% interval 0 to 2)`, which the heading says once; and these columns."""
    long, short = (
        pattern[pattern.index("{value}") + len("{value}") : pattern.index("{low}")]
        for pattern in (_("{value} (95% interval {low} to {high})"), _("{value} ({low} to {high})"))
    )
    shown, changed = frame.copy(deep=False), set()
    for name in frame.columns if frame.columns.is_unique else ():
        cells = [] if _is_numeric(frame[name]) else list(frame[name])
        if any(isinstance(cell, str) and long in cell for cell in cells):
            shown[name] = [cell.replace(long, short) if isinstance(cell, str) else cell for cell in cells]
            changed.add(str(name))
    return shown, changed


def _is_numeric(column: pd.Series) -> bool:
    return bool(pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column))


def _reads_as_numbers(column: pd.Series) -> bool:
    """Whether every value is a formatted number, with currency or percent sign."""
    words = [str(value) for value in column if not is_missing(value) and str(value) != EMPTY]
    return bool(words) and all(re.fullmatch(r"[+−]?\D{0,3}\d[\d.,]*[%万亿]?", word) for word in words)


def _writer(column: pd.Series, digits: int | None) -> Callable[[Any], str]:
    """Return the default format of a column."""
    if _is_numeric(column):
        decimals = _decimals(column) if digits is None else digits
        return lambda value: EMPTY if is_missing(value) else locale.number(float(value), decimals)
    return _word


def _decimals(column: pd.Series) -> int:
    sizes = np.abs(column.dropna().to_numpy(dtype=float))
    sizes = sizes[np.isfinite(sizes)]
    if sizes.size == 0 or np.all(sizes == np.round(sizes)):
        return 0
    largest = sizes.max()
    return 0 if largest >= 1000 else 1 if largest >= 100 else 2 if largest >= 1 else 3


def _word(value: Any) -> str:
    if is_missing(value):
        return EMPTY
    if isinstance(value, bool | np.bool_):
        return _("yes") if value else _("no")
    if isinstance(value, dt.datetime) and (value.hour or value.minute or value.second):
        return f"{locale.day(value.date())} {value:%H:%M}"
    if isinstance(value, dt.date):
        return locale.day(value.date() if isinstance(value, dt.datetime) else value)
    return str(value)


def _texts(columns: Sequence[Sequence[str]]) -> list[list[str]]:
    """The cells by column, all amounts of money of the table in one unit."""
    cells = iter(locale.one_unit([cell for column in columns for cell in column]))
    return [[next(cells) for _cell in column] for column in columns]


def _sort_key(value: Any) -> str:
    """Return the sort key of a number or date for the page's script; empty for text, which sorts by its content."""
    if is_missing(value) or isinstance(value, bool | np.bool_):
        return ""
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, numbers.Real):
        return f"{float(value):.12g}"
    return ""


def _leading_text(frame: pd.DataFrame, suppress: str) -> list[str]:
    """Return the leading text columns, which name a group of people."""
    names = [str(name) for name in frame.columns]
    if names[0] == suppress:
        raise ValueError(f"column {suppress!r} counts people: put the columns that name the group before it")
    end = 1
    while end < len(names) and not _is_numeric(frame.iloc[:, end]) and names[end] != suppress:
        end += 1
    return names[:end]


def _total_row(labels: pd.Series) -> int | None:
    """Return the position of the total row (`all`); None if there is none."""
    words = {"all", _("all"), "total", _("total")}
    return next((i for i, label in enumerate(labels) if str(label).strip().lower() in words), None)


def _hidden_rows(people: np.ndarray, total: int | None, k: int) -> dict[int, str]:
    """Return row → text that replaces its number of people.

    Small groups are hidden. The next smallest are hidden too, until at least two groups and `k` people are hidden:
    otherwise a hidden group could be computed as the total minus the visible groups.
    """
    counts = {i: float(n) if not is_missing(n) else 0.0 for i, n in enumerate(people)}
    parts = sorted((i for i in counts if i != total), key=lambda i: (counts[i], i))
    small = [i for i in parts if counts[i] < k]
    hidden = dict.fromkeys(small, f"<{k}")
    if small:
        for i in parts[len(small) :]:
            if len(hidden) >= 2 and sum(counts[j] for j in hidden) >= k:
                break
            hidden[i] = EMPTY
    if total is not None:
        if counts[total] < k:
            hidden[total] = f"<{k}"
        elif hidden and (len(hidden) < 2 or sum(counts[j] for j in hidden) < k):
            hidden[total] = EMPTY
    return hidden


def _suppression_words(k: int, marks: Sequence[str]) -> str:
    words = _("Groups of fewer than {k} people are shown as <{k}, without their other values.").format(k=k)
    if EMPTY in marks:
        more = _("A further group is left out so that none can be calculated by subtraction.")
        return locale.joined(words, more)
    return words
