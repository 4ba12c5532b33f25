"""One style for every figure, table and answer, and the way from data to safe, reproducible HTML.

Nothing here trusts its input: each string that may come from data is redacted and escaped, so that a campaign named
`<script>` stays text. Figures become inline SVG without style elements, scripts, metadata or ids that could clash;
their colours are CSS variables, so that a page is dark or light without drawing twice.
"""

import datetime as dt
import hashlib
import html
import io
import math
import numbers
import re
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogFormatter, ScalarFormatter

from smsroi_helpers import locale
from smsroi_helpers.errors import PageError, redact
from smsroi_helpers.locale import _

__all__ = [
    "PALETTE",
    "Amount",
    "Html",
    "amount",
    "answer",
    "evidence_words",
    "figure",
    "note",
    "table",
    "use_style",
    "verdict_words",
]

PALETTE: dict[str, str] = {
    "ink": "#1d2126",
    "soft": "#5b636d",
    "line": "#dfe1de",
    "paper": "#fcfcfa",
    "accent": "#0b5c7a",
    "band": "#cfe3ea",
    "good": "#1c6b4a",
    "warn": "#8a5200",
    "orange": "#c8500a",
    "green": "#1f8a66",
    "purple": "#94488a",
    "gold": "#a87900",
    "sky": "#3f93c0",
    "grey": "#6b727b",
}
"""Colours by name. Each is the CSS variable `--<name>` on a page, whose dark value is in the page's style sheet; so
only these colours follow the reader's scheme (draw bands as a palette colour with `alpha`, not as a mixed colour)."""

_CYCLE = ("accent", "orange", "green", "purple", "gold", "sky", "grey")

# Asked for in this order; glyphs a Latin font lacks are taken from the first one present, then from the bundled one.
_CJK_FONTS = (
    "PingFang SC",
    "Hiragino Sans GB",
    "Microsoft YaHei",
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Source Han Sans SC",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
)

_BUNDLED_FONT = Path(__file__).parent / "fonts" / "wqy-microhei-gb2312.ttf"
_BUNDLED_NAME = "WenQuanYi Micro Hei GB2312"

_HASH_SALT = "smsroi"
_PERSON_KEYS = {"customer_id", "referred_by"}
_EMPTY = "–"


@dataclass(frozen=True, slots=True)
class Html:
    """A piece of page: markup whose data is already text, and the same in words for a terminal.

    The renderer shows as markup only outputs that carry this class's mark; any other HTML output appears as the
    plain text beside it.
    """

    markup: str
    """The HTML."""
    text: str
    """What stands in for it where HTML is not shown."""

    def _repr_html_(self) -> str:
        return self.markup

    def _repr_mimebundle_(self, **_asked_for: Any) -> tuple[dict[str, str], dict[str, Any]]:
        return {"text/html": self.markup, "text/plain": self.text}, {"text/html": {"smsroi": True}}

    def __repr__(self) -> str:
        return self.text


def _text(value: object) -> str:
    """Any value as page text: no phone number or address in it, no markup, no control or direction-changing sign."""
    shown = "".join(sign for sign in redact(str(value)) if sign.isprintable() or sign.isspace())
    return html.escape(" ".join(shown.split()))


# Figures -------------------------------------------------------------------------------------------------------------


def use_style() -> None:
    """Set the one look of every figure, and the fonts that have the reader's glyphs.

    Called when a notebook begins. Nothing else sets seaborn's or matplotlib's defaults: `sns.set_theme()` alone would
    undo the fonts.
    """
    present = {font.name for font in font_manager.fontManager.ttflist}
    if _BUNDLED_NAME not in present:
        font_manager.fontManager.addfont(_BUNDLED_FONT)
    chinese = [*(name for name in _CJK_FONTS if name in present), _BUNDLED_NAME]
    # In a Chinese line the digits come from the same font; the bundled one has no bold.
    in_chinese = locale.language() == "zh"
    families = [*chinese, "DejaVu Sans"] if in_chinese else ["DejaVu Sans", *chinese]
    sns.set_theme(
        style="ticks",
        palette=[PALETTE[name] for name in _CYCLE],
        rc={
            "axes.edgecolor": PALETTE["soft"],
            "axes.facecolor": PALETTE["paper"],
            "axes.grid": True,
            "axes.grid.axis": "y",
            "axes.labelcolor": PALETTE["soft"],
            "axes.labelsize": 10,
            "axes.linewidth": 0.8,
            "axes.spines.right": False,
            "axes.spines.top": False,
            "axes.titlelocation": "left",
            "axes.titlepad": 12,
            "axes.titlesize": 13 if in_chinese else 12,
            "axes.titleweight": "normal" if in_chinese and chinese == [_BUNDLED_NAME] else "bold",
            "figure.dpi": 100,
            "figure.facecolor": PALETTE["paper"],
            "figure.figsize": (8.2, 4.4),
            "font.family": families,
            "font.size": 10,
            "grid.color": PALETTE["line"],
            "grid.linewidth": 0.8,
            "legend.fontsize": 9.5,
            "legend.frameon": False,
            "lines.linewidth": 2,
            "lines.markersize": 5,
            "patch.edgecolor": PALETTE["paper"],
            "patch.facecolor": PALETTE["accent"],
            "savefig.facecolor": PALETTE["paper"],
            "svg.fonttype": "path",
            "svg.hashsalt": _HASH_SALT,
            "text.color": PALETTE["ink"],
            # A campaign called "$5 off, $10 back" is a name, not a formula.
            "text.parse_math": False,
            "xtick.color": PALETTE["soft"],
            "ytick.color": PALETTE["soft"],
            "xtick.labelsize": 9.5,
            "ytick.labelsize": 9.5,
            "xtick.major.size": 4,
            "ytick.major.size": 0,
        },
    )


def figure(ax: Axes | Figure, *, alt: str, caption: str) -> Html:
    """The drawing as a captioned `<figure>` with inline SVG; the matplotlib figure is closed.

    Identical drawings give identical bytes. Artists with `rasterized=True` (dense clouds of points) become one PNG
    within the SVG.

    Args:
        ax: what was drawn on; the whole figure it belongs to is shown.
        alt: what the drawing says, for who cannot see it: the finding with its numbers, not "a chart".
        caption: the line under it.

    Raises:
        ValueError: alt or caption is empty.
        PageError: the fonts of this machine lack a glyph the figure needs.
    """
    if not alt.strip() or not caption.strip():
        raise ValueError("a figure needs alt= (what it shows, in words) and caption= (the line under it)")
    drawn = ax if isinstance(ax, Figure) else cast(Figure, ax.get_figure(root=True))
    try:
        for axes in drawn.axes:
            _number_ticks(axes)
        svg = _svg(_draw(drawn), alt)
    finally:
        plt.close(drawn)
    label = _text(_("Figure"))
    markup = (
        f'<figure class="chart"><div class="scroll" tabindex="0" role="group" aria-label="{label}">'
        f"{svg}</div><figcaption>{_text(caption)}</figcaption></figure>"
    )
    return Html(markup, f"{caption}\n{alt}")


def _number_ticks(axes: Axes) -> None:
    """Group large tick labels as the reader's language does, and write powers of ten out: no formula is drawn."""
    for axis in (axes.xaxis, axes.yaxis):
        formatter = axis.get_major_formatter()
        ticks = [abs(tick) for tick in axis.get_majorticklocs()]
        if isinstance(formatter, LogFormatter) or (
            type(formatter) is ScalarFormatter and axis.isDefault_majfmt and ticks and max(ticks) >= 10_000
        ):
            axis.set_major_formatter(FuncFormatter(lambda tick, _position: _tick(tick)))
        if isinstance(axis.get_minor_formatter(), LogFormatter):
            axis.set_minor_formatter(FuncFormatter(lambda _tick, _position: ""))


def _tick(value: float) -> str:
    digits = 0 if value == 0 else max(0, -math.floor(math.log10(abs(value))))
    return locale.number(value, 0 if float(value).is_integer() else max(digits, 1))


def _draw(drawn: Figure) -> str:
    buffer = io.StringIO()
    with warnings.catch_warnings(), mpl.rc_context({"svg.hashsalt": _HASH_SALT, "svg.fonttype": "path"}):
        warnings.filterwarnings("error", message=r"Glyph .* missing")
        try:
            drawn.savefig(buffer, format="svg", bbox_inches="tight", pad_inches=0.04, metadata={"Date": None})
        except UserWarning as missing:
            raise PageError(
                f"a figure would show empty boxes ({missing}): install a font that has the signs, for rare Chinese one "
                f"of {', '.join(_CJK_FONTS)}, then delete matplotlib's font cache"
            ) from missing
    return buffer.getvalue()


_SVG = "{http://www.w3.org/2000/svg}"
_HREF = "{http://www.w3.org/1999/xlink}href"
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_PALETTE_VARIABLES = {value: f"var(--{name},{value})" for name, value in PALETTE.items()}
_ROOT_ATTRIBUTES = {
    "stroke-linejoin": "round",
    "stroke-linecap": "butt",
}  # matplotlib's own style element, said once


def _svg(source: str, alt: str) -> str:
    """Drawn SVG as a page can carry it: named, unstyled, its ids its own, its colours the page's."""
    root = ET.fromstring(source)  # noqa: S314 - matplotlib wrote it a moment ago
    referred = set()
    for element in root.iter():
        for name, value in _attributes(element):
            if name == "href" and value.startswith("#"):
                referred.add(value[1:])
            referred.update(_REFERENCE.findall(value))
    # Ids are numbered in document order: matplotlib makes some of them from memory addresses.
    names: dict[str, str] = {}
    for element in root.iter():
        own = element.get("id", "")
        if own in referred:
            names.setdefault(own, f"{len(names)}")
    _, _, width, height = (float(part) for part in root.get("viewBox", "").split())
    body = "".join(_serialise(child, names) for child in root)
    prefix = "f" + hashlib.sha256(body.encode()).hexdigest()[:10]
    body = body.replace("\x00", f"{prefix}-")
    attributes = " ".join(f'{name}="{value}"' for name, value in _ROOT_ATTRIBUTES.items())
    # Points are taken as CSS pixels × 4/3, so that text drawn at 10 pt is read at 10 pt.
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" width="{width * 4 / 3:.0f}" height="{height * 4 / 3:.0f}" '
        f'role="img" aria-label="{_text(alt)}" {attributes}>{body}</svg>'
    )


def _attributes(element: ET.Element) -> list[tuple[str, str]]:
    """Name and value of what the element says of itself, its style spelt out as presentation attributes.

    Presentation attributes take CSS variables too, and let the page forbid inline styles altogether.
    """
    found: list[tuple[str, str]] = []
    for name, value in element.items():
        if name == "style":
            found += [
                (part.split(":", 1)[0].strip(), part.split(":", 1)[1].strip())
                for part in value.split(";")
                if ":" in part
            ]
        elif name == _HREF:
            found.append(("href", value))
        elif not name.startswith("{") and name != "class":
            found.append((name, value))
    return found


def _serialise(element: ET.Element, names: Mapping[str, str]) -> str:
    tag = element.tag.removeprefix(_SVG)
    if tag in ("metadata", "style", "title"):
        return ""
    shown = []
    for name, value in _attributes(element):
        if name == "id":
            if value not in names:
                continue
            value = "\x00" + names[value]
        elif name == "d":
            value = re.sub(r"-?\d+\.\d{3,}", lambda m: f"{float(m.group()):.2f}", " ".join(value.split()))
        elif name == "href" and value.startswith("#"):
            value = "#\x00" + names[value[1:]]
        else:
            value = _REFERENCE.sub(lambda m: f"url(#\x00{names[m.group(1)]})", value)
            value = _PALETTE_VARIABLES.get(value.lower(), value)
        shown.append(f' {name}="{html.escape(value)}"')
    inner = "".join(_serialise(child, names) for child in element)
    return "" if tag in ("g", "defs") and not inner else f"<{tag}{''.join(shown)}>{inner}</{tag}>"


# Tables --------------------------------------------------------------------------------------------------------------


def table(
    frame: pd.DataFrame,
    *,
    caption: str,
    digits: int | Mapping[str, int] | None = None,
    formats: Mapping[str, Callable[[Any], str]] | None = None,
    suppress: str | None = None,
    k: int = 10,
) -> Html:
    """The frame as a table: everything escaped, numbers aligned, each column sortable where the page's script runs.

    A named index becomes row headings, otherwise the first column does. Groups of fewer than `k` people show `<10`
    and none of their other values; where a single such group could be worked out by subtraction, the next smallest
    group is hidden as well.

    Args:
        frame: what to show, in the order to show it.
        caption: what it is, in a sentence.
        digits: decimals of numbers: one for all, or by column; otherwise as many as the column's size calls for.
        formats: by column, how a value is written (`{"rate": locale.percent}`).
        suppress: the column with the number of people behind each row, or None where rows are not groups of people.
        k: the smallest group that is shown.

    Raises:
        ValueError: no caption, an unknown column, or a column of customers' ids.
    """
    if not caption.strip():
        raise ValueError("a table needs caption= (what it shows, in a sentence)")
    named_index = any(name is not None for name in frame.index.names)
    headings = frame.index.nlevels if named_index else 1
    shown = frame.reset_index() if named_index else frame
    columns = [str(name) for name in shown.columns]
    if person := _PERSON_KEYS.intersection(columns):
        raise ValueError(f"column {min(person)!r} names single customers: a page shows groups; save() it as a table")
    formats = formats or {}
    by_column = digits if isinstance(digits, Mapping) else {}
    asked = {*formats, *by_column, *([suppress] if suppress else [])}
    if unknown := asked.difference(columns):
        raise ValueError(f"no column {min(unknown)!r} in the table {caption!r}: it has {', '.join(columns)}")

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
    numeric = [_is_numeric(shown.iloc[:, i]) for i in range(len(columns))]
    aligned = [is_number or _reads_as_numbers(shown.iloc[:, i]) for i, is_number in enumerate(numeric)]
    head = "".join(
        f'<th scope="col"{_class(is_number)}>{_text(_heading(name))}</th>'
        for name, is_number in zip(columns, aligned, strict=True)
    )
    rows = []
    for position, values in enumerate(shown.itertuples(index=False, name=None)):
        cells = []
        for i, (name, value) in enumerate(zip(columns, values, strict=True)):
            if position in hidden and name not in kept:
                content, key = (hidden[position] if name == suppress else _EMPTY), ""
            else:
                content, key = writers[i](value), _sort_key(value)
            sort = f' data-sort="{key}"' if numeric[i] or key else ""
            tag = 'th scope="row"' if i < headings else "td"
            cells.append(f"<{tag}{_class(aligned[i])}{sort}>{_text(content)}</{tag[:2]}>")
        rows.append(f"<tr>{''.join(cells)}</tr>")
    if not rows:
        words = _text(_("There are no rows."))
        rows = [f'<tr><td class="empty" colspan="{max(len(columns), 1)}">{words}</td></tr>']
    label = _text(_("Table"))
    remark = ""
    if hidden:
        remark = f'<p class="remark">{_text(_suppression_words(k, list(hidden.values())))}</p>'
    markup = (
        f'<div class="scroll" tabindex="0" role="group" aria-label="{label}">'
        f'<table class="data"><caption>{_text(caption)}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>{remark}"
    )
    return Html(markup, _("{caption} ({rows} rows)").format(caption=caption, rows=locale.number(len(shown))))


def _class(is_number: bool) -> str:
    return ' class="n"' if is_number else ""


def _heading(name: str) -> str:
    """A column's name as a reader sees it: its message in the catalogue, otherwise its words."""
    translated = locale.translated(name)
    words = name.replace("_", " ").strip() if translated == name else translated
    return words[:1].upper() + words[1:]


def _is_numeric(column: pd.Series) -> bool:
    return bool(pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column))


def _reads_as_numbers(column: pd.Series) -> bool:
    """Whether every value is a number already written out, with its currency or percent sign."""
    words = [str(value) for value in column if not _is_missing(value)]
    return bool(words) and all(re.fullmatch(r"[+−]?\D{0,3}\d[\d.,]*%?|–", word) for word in words)


def _is_missing(value: object) -> bool:
    return value is None or value is pd.NaT or value is pd.NA or (isinstance(value, float) and math.isnan(value))


def _writer(column: pd.Series, digits: int | None) -> Callable[[Any], str]:
    """How the values of a column are written where nobody said."""
    if _is_numeric(column):
        decimals = _decimals(column) if digits is None else digits
        return lambda value: _EMPTY if _is_missing(value) else locale.number(float(value), decimals)
    return _word


def _decimals(column: pd.Series) -> int:
    sizes = np.abs(column.dropna().to_numpy(dtype=float))
    sizes = sizes[np.isfinite(sizes)]
    if sizes.size == 0 or np.all(sizes == np.round(sizes)):
        return 0
    largest = sizes.max()
    return 0 if largest >= 1000 else 1 if largest >= 100 else 2 if largest >= 1 else 3


def _word(value: Any) -> str:
    if _is_missing(value):
        return _EMPTY
    if isinstance(value, bool | np.bool_):
        return _("yes") if value else _("no")
    if isinstance(value, dt.datetime) and (value.hour or value.minute or value.second):
        return f"{locale.day(value.date())} {value:%H:%M}"
    if isinstance(value, dt.date):
        return locale.day(value.date() if isinstance(value, dt.datetime) else value)
    return str(value)


def _sort_key(value: Any) -> str:
    """What the page's script sorts a number or a date by; empty for text, which sorts by itself."""
    if _is_missing(value) or isinstance(value, bool | np.bool_):
        return ""
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, numbers.Real):
        return f"{float(value):.12g}"
    return ""


def _leading_text(frame: pd.DataFrame, suppress: str) -> list[str]:
    """The first column and the columns of words right after it: what names a group of people."""
    names = [str(name) for name in frame.columns]
    if names[0] == suppress:
        raise ValueError(f"column {suppress!r} counts people: put what names the group before it")
    end = 1
    while end < len(names) and not _is_numeric(frame.iloc[:, end]) and names[end] != suppress:
        end += 1
    return names[:end]


def _total_row(labels: pd.Series) -> int | None:
    """Where the row of everybody stands (contract: the row `all`)."""
    words = {"all", _("all"), "total", _("total")}
    return next((i for i, label in enumerate(labels) if str(label).strip().lower() in words), None)


def _hidden_rows(people: np.ndarray, total: int | None, k: int) -> dict[int, str]:
    """Row → what it shows in place of its number of people.

    Hidden are the small groups and, until what is hidden together is at least two groups and `k` people, the next
    smallest: otherwise a total, given here or elsewhere on the page, minus the shown groups would tell.
    """
    counts = {i: float(n) if not _is_missing(n) else 0.0 for i, n in enumerate(people)}
    parts = sorted((i for i in counts if i != total), key=lambda i: (counts[i], i))
    small = [i for i in parts if counts[i] < k]
    hidden = dict.fromkeys(small, f"<{k}")
    if small:
        for i in parts[len(small) :]:
            if len(hidden) >= 2 and sum(counts[j] for j in hidden) >= k:
                break
            hidden[i] = _EMPTY
    if total is not None:
        if counts[total] < k:
            hidden[total] = f"<{k}"
        elif hidden and (len(hidden) < 2 or sum(counts[j] for j in hidden) < k):
            hidden[total] = _EMPTY
    return hidden


def _suppression_words(k: int, marks: Sequence[str]) -> str:
    words = _("Groups of fewer than {k} people are shown as <{k}, without their other values.").format(k=k)
    if _EMPTY in marks:
        more = _("A further group is left out so that none can be worked out by subtraction.")
        return locale.joined(words, more)
    return words


# Decisions -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Amount:
    """An estimate in words, rounded by the width of its interval; plain text, not yet escaped."""

    value: str
    """The estimate with its sign and currency; empty where there is none."""
    unit: str
    """What follows it (`a week`); may be empty."""
    interval: str
    """`2,200 to 4,000`; empty where no interval was given."""

    @property
    def words(self) -> str:
        """All of it: `+$3,100 a week (2,210 to 4,000)`."""
        said = f"{self.value} {self.unit}".strip()
        return _("{amount} ({interval})").format(amount=said, interval=self.interval) if self.interval else said


def amount(row: Mapping[str, Any], currency: str, *, min_customers: int = 10) -> Amount:
    """The money (or share, or count) of a decision, as it is read; empty where it must not be read.

    Args:
        row: a row of the decisions table: value, low, high, unit, kind, outcome, customers.
        currency: the source's currency code; empty shows bare numbers.
        min_customers: a decision about fewer customers shows no value.

    >>> row = {"value": 3104.2, "low": 2210.0, "high": 3998.0, "unit": "money_per_week", "kind": "gain"}
    >>> amount(row, "USD")
    Amount(value='+$3,100', unit='a week', interval='2,200 to 4,000')
    """
    value, low, high = (_float(row.get(name)) for name in ("value", "low", "high"))
    # A broken experiment shows no effect at all, whatever the row carries.
    too_few = _float(row.get("customers")) < min_customers
    if math.isnan(value) or too_few or row.get("outcome") == "broken":
        return Amount("", "", "")
    unit = str(row.get("unit") or "")
    has_interval = math.isfinite(low) and math.isfinite(high)
    scale = 100.0 if unit == "share" else 1.0
    if has_interval and high > low:
        digits = locale.rounded_digits(low * scale, high * scale)
    else:
        digits = 0 if abs(value) * scale >= 100 or float(value).is_integer() else 2

    def show(x: float, with_currency: bool = True) -> str:
        if unit == "share":
            return locale.percent(round(x * 100, digits) / 100, max(digits, 0))
        if unit.startswith("money") and currency and with_currency:
            return locale.money(round(x, digits), currency, max(digits, 0))
        return locale.number(round(x, digits), max(digits, 0))

    sign = "+" if row.get("kind") == "gain" and round(value * scale, digits) > 0 else ""
    return Amount(
        sign + show(value),
        _("a week") if unit == "money_per_week" else "",
        _("{low} to {high}").format(low=show(low, False), high=show(high, False)) if has_interval else "",
    )


def _float(value: object) -> float:
    return float("nan") if _is_missing(value) or value == "" else float(cast(float, value))


def verdict_words(outcome: str) -> str:
    """What an outcome of the decisions table is called on a page."""
    return {
        "do": _("Do it"),
        "dont": _("Don’t"),
        "not_enough_evidence": _("Not enough evidence"),
        "broken": _("Broken: no result"),
    }.get(outcome, outcome)


def evidence_words(row: Mapping[str, Any], *, min_customers: int = 10) -> tuple[str, str]:
    """The label of a decision's evidence, and what it means in a sentence, with the number of customers.

    Args:
        row: a row of the decisions table: evidence, kind, customers.
        min_customers: the smallest number of customers that is shown.
    """
    count = _float(row.get("customers"))
    n = "" if math.isnan(count) else locale.number(count) if count >= min_customers else f"<{min_customers}"
    kind, evidence = row.get("kind"), row.get("evidence")
    if evidence == "randomised":
        label, meaning = _("Randomised."), _("Parted by lot, so the difference is the doing of the change.")
        counted = _("{n} customers, parted by lot: the difference is the doing of the change.")
    elif evidence == "observational":
        label, meaning = _("Observational."), _("Read from records: a lead, not a proof.")
        counted = _("Read from the records of {n} customers: a lead, not a proof.")
    elif kind == "forecast":
        label, meaning = _("Forecast."), _("From what customers did so far; not what a message adds.")
        counted = _("From what {n} customers did so far; not what a message adds.")
    elif kind == "fact":
        label, meaning = _("Counted."), _("What the records say.")
        counted = _("What the records of {n} customers say.")
    else:
        label, meaning = _("No evidence."), _("Nothing here tells what would change.")
        counted = _("Nothing about these {n} customers tells what would change.")
    return label, counted.format(n=n) if n else meaning


def answer(
    decisions: pd.DataFrame | Sequence[Mapping[str, Any]], *, currency: str = "", min_customers: int = 10
) -> Html:
    """The answer box: what to do, what it is worth, how sure that is, on what evidence, and the main caveat.

    The row without a segment (or of segment `all`) is the answer; others of its question follow as a table by segment,
    those of other questions as a table of answers.

    Args:
        decisions: rows of the decisions table; `caveat` is an optional column, `text` the sentence that explains.
        currency: the source's currency code.
        min_customers: the smallest number of customers that is shown.

    Raises:
        ValueError: there is no row.
    """
    rows: list[Mapping[str, Any]] = (
        cast(list[Mapping[str, Any]], decisions.to_dict("records"))
        if isinstance(decisions, pd.DataFrame)
        else list(decisions)
    )
    if not rows:
        raise ValueError("an answer needs at least one decision")
    main = next((row for row in rows if _is_missing(row.get("segment")) or row["segment"] in ("", "all")), rows[0])
    others = [row for row in rows if row is not main]
    worth = amount(main, currency, min_customers=min_customers)
    label, meaning = evidence_words(main, min_customers=min_customers)
    outcome = str(main.get("outcome") or "")
    parts = [
        f'<p class="verdict {_token(outcome)}">{_text(verdict_words(outcome))}</p>'
        if main.get("kind") == "gain" or outcome != "do"
        else "",
        f'<p class="action">{_text(main.get("action") or "")}</p>',
        _worth_markup(worth),
    ]
    if not _is_missing(main.get("text")) and main.get("text"):
        parts.append(f"<p>{_text(main['text'])}</p>")
    evidence = _token(str(main.get("evidence") or "none"))
    parts.append(f'<p class="evidence {evidence}"><b>{_text(label)}</b> {_text(meaning)}</p>')
    if not _is_missing(main.get("caveat")) and main.get("caveat"):
        mind = _text(_("Mind:"))
        parts.append(f'<p class="caveat"><b>{mind}</b> {_text(main["caveat"])}</p>')
    same = [row for row in others if row.get("question") == main.get("question")]
    if same:
        parts.append(_segments(same, currency, min_customers).markup)
    if len(same) < len(others):
        rest = [row for row in others if row not in same]
        parts.append(_other_answers(rest, currency, min_customers).markup)
    summary = " ".join(x for x in (str(main.get("action") or ""), worth.value, worth.unit) if x)
    return Html(f'<div class="answer">{"".join(parts)}</div>', summary)


def _token(word: str) -> str:
    """A word fit for a class attribute."""
    return re.sub(r"[^a-z_]", "", word)


def _worth_markup(worth: Amount) -> str:
    if not worth.value:
        return ""
    interval = ""
    if worth.interval:
        words = _("95% interval {interval}").format(interval=worth.interval)
        interval = f' <span class="ci">{_text(words)}</span>'
    return f'<p class="worth"><b>{_text(worth.value)}</b> {_text(worth.unit)}{interval}</p>'


def _segments(rows: Sequence[Mapping[str, Any]], currency: str, k: int) -> Html:
    from smsroi_helpers.segmentation import segment_name  # a stage, which a table of anything else need not load

    shown = []
    for row in rows:
        worth = amount(row, currency, min_customers=k)
        segment = row.get("segment")
        name = _EMPTY if _is_missing(segment) else segment_name(str(segment))
        shown.append((name, row.get("action"), worth.words or _EMPTY, _float(row.get("customers"))))
    names = [_("Segment"), _("Action"), _("Worth (95% interval)"), _("Customers")]
    return table(pd.DataFrame(shown, columns=names), caption=_("By segment"), suppress=_("Customers"), k=k)


def _other_answers(rows: Sequence[Mapping[str, Any]], currency: str, k: int) -> Html:
    """What else the notebook was asked, an answer a row."""
    shown = []
    for row in rows:
        worth = amount(row, currency, min_customers=k)
        verdict, outcome = verdict_words(str(row.get("outcome"))), row.get("outcome")
        action = str(row.get("action") or "")
        said = action if outcome == "do" else locale.joined(locale.sentence(verdict), action)
        shown.append((row.get("question"), said, worth.words or _EMPTY, _float(row.get("customers"))))
    names = [_("Question"), _("Answer"), _("Worth (95% interval)"), _("Customers")]
    return table(pd.DataFrame(shown, columns=names), caption=_("The other answers"), suppress=_("Customers"), k=k)


def note(text: str) -> Html:
    """A remark in a box of its own, as text."""
    return Html(f'<p class="note">{_text(text)}</p>', text)
