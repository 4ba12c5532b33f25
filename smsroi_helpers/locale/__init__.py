"""Translations, and the format of numbers, dates and money in the reader's language.

Every phrase on a page goes through `_`, every number through a function of this module. English is the source language.
A catalogue is a gettext file `<language>/LC_MESSAGES/smsroi.po` in this folder, read without compiling. Messages are
whole sentences or paragraphs; values are filled in afterwards: `_("{n} customers").format(n=number(n))`. Messages
outside calls of `_` (Markdown of notebooks, comments of parameters, rules of the contract) use `translated`.
"""

import datetime as dt
import functools
import math
import re
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from pathlib import Path

from babel import Locale
from babel.dates import format_date, format_skeleton
from babel.messages.pofile import read_po
from babel.numbers import format_currency, format_decimal, format_percent, get_currency_precision

from smsroi_helpers.errors import NotEnoughData, UsageError
from smsroi_helpers.locale.chinese import ChineseMessage, meet
from smsroi_helpers.locale.english import EnglishMessage, has_plurals

__all__ = [
    "_",
    "available_languages",
    "capitalised",
    "country",
    "day",
    "ended",
    "enumerated",
    "gap",
    "heading_parts",
    "interval",
    "joined",
    "language",
    "language_name",
    "listed",
    "money",
    "money_digits",
    "money_range",
    "month",
    "number",
    "one_unit",
    "page_language",
    "paragraphs",
    "percent",
    "rounded_digits",
    "sentence",
    "share_interval",
    "short_money",
    "translate_markdown",
    "translated",
    "use_language",
]

_FOLDER = Path(__file__).parent
_BABEL_NAMES = {"en": "en", "zh": "zh_Hans_CN"}
_PAGE_NAMES = {"zh": "zh-CN"}
_current = "en"


def available_languages() -> list[str]:
    """Return the languages of pages: English, and each language with a catalogue."""
    return ["en", *sorted(p.parent.parent.name for p in _FOLDER.glob("*/LC_MESSAGES/smsroi.po"))]


def use_language(code: str) -> None:
    """Set the language (`en`, `zh`).

    Raises:
        UsageError: the language has no catalogue.
    """
    global _current
    if code not in available_languages():
        raise UsageError(f"unknown language {code!r}; choose one of {', '.join(available_languages())}")
    _current = code


def language() -> str:
    """Return the code of the current language."""
    return _current


def page_language(code: str) -> str:
    """Return the language code for the `lang` attribute of a page.

    >>> page_language("zh")
    'zh-CN'
    """
    return _PAGE_NAMES.get(code, code)


@functools.cache
def _catalogue(code: str) -> dict[str, str]:
    if code == "en":
        return {}
    with (_FOLDER / code / "LC_MESSAGES" / "smsroi.po").open("rb") as file:
        catalogue = read_po(file, locale=_BABEL_NAMES.get(code, code))
    return {m.id: m.string for m in catalogue if m.id and m.string and not m.fuzzy}


def _(message: str) -> str:
    """Return the translation of a message; the message itself if there is none."""
    return translated(message)


def translated(text: str) -> str:
    """Translate a text that is not a literal, which `collect_messages` finds outside calls of `_`."""
    found = _catalogue(_current).get(text, text)
    if _current == "zh":
        return ChineseMessage(found) if "{" in found else found
    return EnglishMessage(found) if has_plurals(found) else found


def paragraphs(markdown: str) -> list[str]:
    """Split Markdown at blank lines; each block is one message of the catalogue."""
    return [block for block in re.split(r"\n\s*\n", markdown.strip("\n")) if block.strip()]


def translate_markdown(markdown: str) -> str:
    """Translate a Markdown cell, paragraph by paragraph; headings keep their marks."""
    return "\n\n".join(mark + translated(words) for mark, words in map(heading_parts, paragraphs(markdown)))


def heading_parts(block: str) -> tuple[str, str]:
    """Split a block into the mark of its heading (`## `; empty for other blocks) and the text to translate.

    >>> heading_parts("## Result"), heading_parts("#1 is no heading")
    (('## ', 'Result'), ('', '#1 is no heading'))
    """
    match = re.fullmatch(r"(#{1,6} +)?(.*)", block, re.DOTALL)
    return (match[1] or "", match[2]) if match else ("", block)


def capitalised(text: str) -> str:
    """Return the text with its first letter as a capital, unless that is a symbol before Chinese.

    >>> capitalised("a test"), capitalised("p 值")
    ('A test', 'p 值')
    """
    return text if re.match(r"[a-z] [\u4e00-\u9fff]", text) else text[:1].upper() + text[1:]


def sentence(text: str) -> str:
    """Return the text as a sentence: with a capital, and a full stop unless it ends with a punctuation mark.

    >>> sentence("go on"), sentence("Is it whole?")
    ('Go on.', 'Is it whole?')
    """
    text = capitalised(text)
    return text if re.search(r"[.!?。！？…]\s*$", text) else _("{sentence}.").format(sentence=text)


def ended(text: str) -> str:
    """Return the text of a caption or heading: a full stop after each of several sentences, none after a single one.

    >>> ended("Clicks by hour."), ended("Clicks by hour. Descriptive"), ended("Shorten “Sale! Book now. Bye”.")
    ('Clicks by hour', 'Clicks by hour. Descriptive.', 'Shorten “Sale! Book now. Bye”')
    """
    unquoted = re.sub(r"“[^”]*”", "“”", text)  # sentences of a text that is quoted are not the caption's
    if re.search(r"[.!?] +[^\s(]|[。！？]\s*[^\s（”]", unquoted):
        return text if re.search(r"[.!?。！？…]\s*$", text) else _("{sentence}.").format(sentence=text)
    return re.sub(r"(?<!\.)[.。]\s*$", "", text)


def joined(*sentences: str) -> str:
    """Join sentences with `gap`; empty ones are left out."""
    return gap().join(one for one in sentences if one)


def gap() -> str:
    """Return the separator between two sentences: a blank, or nothing in Chinese."""
    return "" if _current == "zh" else " "


def enumerated(items: Iterable[str]) -> str:
    """Join short names within a sentence.

    >>> enumerated(["gold", "value", "lost"]), enumerated(["gold"])
    ('gold, value and lost', 'gold')
    """
    names = list(items)
    if len(names) < 2:
        return "".join(names)
    return _("{names} and {last}").format(names=_(", ").join(names[:-1]), last=names[-1])


def listed(items: Iterable[str]) -> str:
    """Join the items of a list within a sentence; items may contain commas."""
    return _("; ").join(items)


def country(code: str) -> str:
    """Return the name of a country, given its code (ISO 3166, or `EU`); another text stays as it is.

    >>> country("CN"), country("EU"), country("all places")
    ('China', 'European Union', 'all places')
    """
    return _locale().territories.get(code) or code


_WRITTEN = {("zh", "en"): "英文"}
"""Written languages that a reader calls otherwise than the spoken ones, of which Babel has the names."""


def language_name(code: str) -> str:
    """Return the name of the language of a text, given its code (ISO 639); another text stays as it is.

    >>> language_name("en"), language_name("zh"), language_name("any")
    ('English', 'Chinese', 'any')
    """
    return _WRITTEN.get((_current, code)) or _locale().languages.get(code) or code


def _locale() -> Locale:
    return Locale.parse(_BABEL_NAMES.get(_current, _current))


def _minus(text: str) -> str:
    return text.replace("-", "\N{MINUS SIGN}") if text.startswith("-") else text


def number(value: float, digits: int = 0) -> str:
    """Format a number with so many decimals and grouped digits; a dash for None and non-finite numbers.

    >>> number(1882), number(-0.0421, 3), number(float("nan"))
    ('1,882', '−0.042', '–')
    """
    if value is None or not math.isfinite(value):
        return "–"
    pattern = "#,##0" + ("." + "0" * digits if digits > 0 else "")
    return _minus(format_decimal(round(value, digits) + 0.0, pattern, locale=_locale()))


def percent(share: float, digits: int = 0) -> str:
    """Format a share (0–1) as a percentage.

    >>> percent(0.124, 1), percent(-0.0004)
    ('12.4%', '0%')
    """
    if share is None or not math.isfinite(share):
        return "–"
    pattern = "#,##0" + ("." + "0" * digits if digits > 0 else "") + "%"
    return _minus(format_percent(round(share, digits + 2) + 0.0, pattern, locale=_locale()))


_CHINESE_UNITS = ((1e8, "亿"), (1e4, "万"))


def _chinese_unit(values: Sequence[float], digits: int) -> tuple[float, str] | None:
    """万 (ten thousand) or 亿 (a hundred million), in which Chinese readers expect rounded amounts.

    None in other languages, for smaller amounts, and where one amount is not rounded: they are written out.
    """
    largest = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
    found = next(((unit, sign) for unit, sign in _CHINESE_UNITS if largest >= unit), None)
    if _current != "zh" or digits > 0 or found is None:
        return None
    large = [value for value in values if math.isfinite(value) and abs(value) >= _CHINESE_UNITS[-1][0]]
    return found if all(round(value) % (found[0] / 10) == 0 for value in large) else None


def money(value: float, currency: str, digits: int | None = None) -> str:
    """Format an amount of money, with `digits` decimals or as many as the currency has.

    In Chinese, rounded amounts from ten thousand on are in 万 or 亿.

    >>> money(4596039.58, "USD"), money(-12.3, "CNY", 0)
    ('$4,596,039.58', '−CN¥12')
    """
    if value is None or not math.isfinite(value):
        return "–"
    digits = get_currency_precision(currency) if digits is None else money_digits(digits, currency)
    return _amount(value, currency, digits, _chinese_unit([round(value, digits)], digits))


def short_money(value: float, currency: str) -> str:
    """Format an exact amount for a sentence or a picture, without decimals; tables have it exactly.

    In Chinese, amounts from ten thousand on are in 万 or 亿, with two decimals at most.

    >>> short_money(232_812.4, "USD")
    '$232,812'
    """
    unit = next((each for each in _CHINESE_UNITS if math.isfinite(value) and abs(round(value)) >= each[0]), None)
    return _amount(value, currency, 0, unit if _current == "zh" else None, decimals=2)


def money_range(value: float, low: float, high: float, currency: str, digits: int = 0) -> tuple[str, str, str]:
    """Format an amount of money and the limits of its interval, all in the same unit.

    >>> money_range(130_000.0, 50_000.0, 210_000.0, "USD")
    ('$130,000', '$50,000', '$210,000')
    """
    digits = money_digits(digits, currency)
    unit = _chinese_unit([round(x, digits) if math.isfinite(x) else x for x in (value, low, high)], digits)
    shown = (_amount(x, currency, digits, unit) for x in (value, low, high))
    return next(shown), next(shown), next(shown)


_WRITTEN_AMOUNT = re.compile(r"([A-Z]{0,3}[$¥€£₩₹₽฿₫₱₺]|[A-Z]{3}\u00a0)(\d[\d,]*(?:\.\d+)?)([万亿]?)")
_SMALLEST_IN_UNIT = Decimal(5000)
_FINEST_IN_UNIT = Decimal(100)
"""Amounts of a column in 万: at least 0.5, of at most two decimals. Otherwise the column is written out."""


def one_unit(cells: Sequence[str]) -> list[str]:
    """Write the amounts of money of a table in one unit: in Chinese all in 万, or all written out; no amount changes.

    >>> one_unit(["$1,200", "$13,400"])
    ['$1,200', '$13,400']
    """
    found = [match for cell in cells for match in _WRITTEN_AMOUNT.finditer(cell)]
    if _current != "zh" or len({match[3] for match in found}) < 2:
        return list(cells)
    values = [_written_value(match) for match in found]
    short = all(x == 0 or (x >= _SMALLEST_IN_UNIT and x % _FINEST_IN_UNIT == 0) for x in values)

    def rewritten(match: re.Match[str]) -> str:
        value = _written_value(match)
        if short and value:
            return f"{match[1]}{format_decimal(value / 10_000, '#,##0.##', locale=_locale())}万"
        return f"{match[1]}{value:,.0f}" if match[3] else match[0]

    return [_rewrite_amounts(cell, rewritten) for cell in cells]


def _rewrite_amounts(cell: str, write: Callable[[re.Match[str]], str]) -> str:
    """The cell with its amounts of money as `write` writes them, and the blank that a new last character needs."""
    text, at, changed = "", 0, False
    for match in _WRITTEN_AMOUNT.finditer(cell):
        between = cell[at : match.start()]
        new = write(match)
        text = (meet(text, between) if changed else text + between) + new
        at, changed = match.end(), new != match[0]
    return meet(text, cell[at:]) if changed else text + cell[at:]


def _written_value(match: re.Match[str]) -> Decimal:
    return Decimal(match[2].replace(",", "")) * {"": 1, "万": 10**4, "亿": 10**8}[match[3]]


def money_digits(digits: int, currency: str) -> int:
    """Return the decimals of an amount: two instead of one where the currency has two, as nobody writes $2.5.

    >>> money_digits(1, "USD"), money_digits(3, "USD"), money_digits(1, "JPY")
    (2, 3, 1)
    """
    return max(digits, get_currency_precision(currency)) if digits == 1 else digits


def _amount(value: float, currency: str, digits: int, unit: tuple[float, str] | None, *, decimals: int = 1) -> str:
    """An amount with its currency, if any; in a Chinese unit, if any and it is as large."""
    if not math.isfinite(value):
        return "–"
    value = round(value, digits) + 0.0
    pattern = "#,##0" + ("." + "0" * digits if digits > 0 else "")
    if unit and abs(value) >= _CHINESE_UNITS[-1][0]:
        value, pattern = value / unit[0], f"#,##0.{'#' * decimals}{unit[1]}"
    if not currency:
        return _minus(format_decimal(value, pattern, locale=_locale()))
    return _minus(format_currency(value, currency, f"¤{pattern}", locale=_locale(), currency_digits=False))


def day(date: dt.date | str) -> str:
    """Format a date.

    >>> day("1998-06-30")
    'Jun 30, 1998'
    """
    return format_date(dt.date.fromisoformat(date) if isinstance(date, str) else date, "medium", locale=_locale())


def month(date: dt.date) -> str:
    """Format a calendar month.

    >>> month(dt.date(2025, 5, 1))
    'May 2025'
    """
    return str(format_skeleton("yMMM", date, locale=_locale()))


def rounded_digits(low: float, high: float) -> int:
    """Return the number of decimals that shows the width of an interval with two significant figures.

    Negative for widths above a hundred: `round(x, -2)` rounds to hundreds.

    >>> rounded_digits(9.8, 15.1), rounded_digits(1533.2, 1799.9), rounded_digits(0.0009, 0.0151)
    (1, -1, 3)
    """
    width = abs(high - low)
    if not math.isfinite(width) or width == 0:
        return 0
    return 1 - math.floor(math.log10(width))


def interval(value: float, low: float, high: float, currency: str | None = None) -> str:
    """Format `value (95 % interval low to high)`, rounded by the width of the interval; money if a currency is given.

    >>> interval(1653.41, 1540.2, 1766.6)
    '1,650 (95% interval 1,540 to 1,770)'
    """
    digits = rounded_digits(low, high)
    if currency:
        digits = money_digits(digits, currency)

    def show(x: float) -> str:
        shown = round(x, digits) if math.isfinite(x) else x
        return money(shown, currency, max(digits, 0)) if currency else number(shown, max(digits, 0))

    return _("{value} (95% interval {low} to {high})").format(value=show(value), low=show(low), high=show(high))


def share_interval(value: float, low: float, high: float) -> str:
    """Format a share (0–1) as `interval` formats a number.

    >>> share_interval(0.0761, 0.0609, 0.0944)
    '7.6% (95% interval 6.1% to 9.4%)'
    """
    digits = rounded_digits(100 * low, 100 * high)

    def show(share: float) -> str:
        return percent(round(100 * share, digits) / 100, max(digits, 0))

    return _("{value} (95% interval {low} to {high})").format(value=show(value), low=show(low), high=show(high))


def _reason_text(message: str, **values: object) -> str:
    """Translate the reason of a `NotEnoughData`, and format its numbers."""
    formatted = {name: number(value) if isinstance(value, int | float) else value for name, value in values.items()}
    return translated(message).format(**formatted)


NotEnoughData.set_translator(_reason_text)
