"""How a currency is written beside a number, by a sign, a code (ISO 4217) or a word; and the currency of a source."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from babel.core import get_global
from babel.numbers import get_currency_precision, get_territory_currencies

from smsroi_helpers.errors import DataError
from smsroi_helpers.source.loaded import Finding, finding_of
from smsroi_helpers.source.settings import Settings

__all__ = [
    "CURRENCY",
    "ShownCurrency",
    "codes_of",
    "currencies_in",
    "decide_currency",
    "likeliest",
    "pattern_of",
]

_DOLLARS = (
    "USD AUD CAD NZD HKD SGD TWD MXN ARS BBD BMD BND BSD BZD CLP COP DOP FJD GYD JMD KYD LRD NAD SBD SRD TTD UYU XCD"
)
_WORDS = {
    "¥": "CNY JPY", "CN¥ RMB 人民币": "CNY", "元": "CNY HKD TWD MOP", "JP¥ 円": "JPY",
    "$": _DOLLARS, "US$": "USD", "A$ AU$": "AUD", "C$ CA$": "CAD", "HK$ 港币 港元": "HKD", "MX$": "MXN", "NZ$": "NZD",
    "S$": "SGD", "NT$": "TWD", "R$": "BRL", "€": "EUR", "£": "GBP EGP FKP GIP LBP SHP SSP SYP",
    "SFr": "CHF", "Fr": "CHF XAF XOF XPF", "Kč": "CZK", "Ft": "HUF", "kr": "SEK NOK DKK ISK", "zł": "PLN",
    "₽ руб": "RUB", "₺ TL": "TRY", "₴ грн": "UAH", "₪": "ILS", "₹": "INR", "Rs ₨": "INR PKR LKR NPR MUR SCR",
    "Rp": "IDR", "RM": "MYR", "₱": "PHP", "฿": "THB", "₫ đ": "VND", "₩": "KRW KPW", "원": "KRW", "₦": "NGN", "₵": "GHS",
    "R": "ZAR", "Dh Dhs د.إ": "AED MAD", "₡": "CRC", "₲": "PYG", "₸": "KZT", "₼": "AZN", "₾": "GEL", "₮": "MNT",
    "₭": "LAK", "៛": "KHR", "֏": "AMD", "৳": "BDT",
}  # fmt: skip
"""What is written → the currencies that are written so, the most frequent first."""
_WITHOUT_USUAL = ("¥", "kr", "dh", "dhs", "د.إ")
"""Words (folded) of several currencies of which none is the usual one."""
_WIDE = {"¥": "￥", "£": "￡", "₩": "￦"}
"""Signs whose wide form is not among those (U+FF01 … U+FF5E) that are read as the usual ones before."""
_CODES = {code for place in get_global("territory_currencies") for code in get_territory_currencies(place)}
_WRITTEN: dict[str, tuple[str, ...]] = {code: (code,) for code in sorted(_CODES)}
_WRITTEN |= {word: tuple(codes.split()) for words, codes in _WORDS.items() for word in words.split()}
_CODES_OF = {word.casefold(): codes for word, codes in _WRITTEN.items()}


def pattern_of(words: Iterable[str]) -> str:
    r"""Return the regular expression, for the engine (RE2) and Python, of one of these words; empty if there is none.

    Capital letters do not matter.

    >>> print(pattern_of(["$", "US$"]), repr(pattern_of([])))
    (?i:US\$|\$)\.? ''
    """
    every = {form for word in words for form in (word, _WIDE.get(word, word))}
    listed = "|".join(re.escape(word) for word in sorted(every, key=lambda word: (-len(word), word)))
    return rf"(?i:{listed})\.?" if listed else ""


CURRENCY = pattern_of([*_WRITTEN, *map(chr, range(0x20A0, 0x20C1))])
"""Any currency: the words above, the codes, and the signs of the block of currency signs in Unicode."""
_BESIDE = re.compile(rf"^[+\-(\s]*({CURRENCY})(?=[+\-(\s]*[\d.,])|(?<=[\d.,)\s-])({CURRENCY})[)\s-]*$")


def currencies_in(text: str) -> tuple[str, ...]:
    """Return what stands before and after a number for a currency; empty if nothing does.

    >>> currencies_in("-$9,999.99"), currencies_in("US$ 99 CNY"), currencies_in("99 kr."), currencies_in("99")
    (('$',), ('US$', 'CNY'), ('kr',), ())
    """
    return tuple((before or after).rstrip(".") for before, after in _BESIDE.findall(text))


def codes_of(words: Iterable[str]) -> frozenset[str]:
    """Return the currencies that all of these words can stand for; a sign that is not known stands for itself.

    >>> sorted(codes_of(["$", "CAD"])), sorted(codes_of(["kr", "DKK"])), sorted(codes_of(["$", "元"]))
    (['CAD'], ['DKK'], ['HKD', 'TWD'])
    >>> codes_of(["$", "€"])
    frozenset()
    """
    sets = [frozenset(_CODES_OF.get(word.casefold(), (word,))) for word in words]
    return frozenset.intersection(*sets) if sets else frozenset()


def likeliest(
    words: Iterable[str], codes: frozenset[str], countries: Iterable[str], *, has_cents: bool
) -> tuple[str, str]:
    """Return which of several currencies is meant, and by what that is known; empty if nothing tells.

    Args:
        words: what is written.
        codes: the currencies that the words can stand for.
        countries: of the shop (ISO 3166-1), the surest first; empty ones tell nothing.
        has_cents: an amount has decimals, so that the yen, which has none, is not meant.

    >>> yen = codes_of(["¥"])
    >>> likeliest(["¥"], yen, ["JP"], has_cents=False), likeliest(["¥"], yen, [], has_cents=False)
    (('JPY', 'the country is JP'), ('', ''))
    >>> likeliest(["¥"], yen, ["JP"], has_cents=True)
    ('CNY', 'the amounts have decimals')
    """
    with_cents = frozenset(code for code in codes if get_currency_precision(code) > 0)
    fitting = with_cents if has_cents and with_cents else codes
    if len(fitting) == 1:
        return next(iter(fitting)), "" if fitting == codes else "the amounts have decimals"
    for country in filter(None, countries):
        if used := [str(code) for code in get_territory_currencies(country) if code in fitting]:
            return used[0], f"the country is {country}"
    folded = [word.casefold() for word in words]
    usual = [_CODES_OF[word][0] for word in folded if word in _CODES_OF and word not in _WITHOUT_USUAL]
    return next(((code, "the usual one") for code in usual if code in fitting), ("", ""))


@dataclass(frozen=True)
class ShownCurrency:
    """What the amounts of a column show of their currency."""

    table: str
    column: str
    words: tuple[str, ...]
    """Signs, codes and words, the most frequent first."""
    rows: int
    """Rows with any of them."""
    has_cents: bool
    """An amount of the column has decimals."""

    @property
    def codes(self) -> frozenset[str]:
        """The currencies that all words can stand for."""
        return codes_of(self.words)

    @property
    def place(self) -> str:
        """Table and column, for messages."""
        return f"table {self.table}, column {self.column}"


def decide_currency(
    shown: Sequence[ShownCurrency], settings: Settings, countries: Sequence[str]
) -> tuple[str, Finding | None]:
    """Return the currency of a source, and a finding if source.yml does not name it.

    Args:
        shown: what the columns with money show.
        settings: of the source; `currency` must not contradict what is shown.
        countries: the likely countries of the shop, the surest first.

    Raises:
        DataError: two columns show different currencies, source.yml names another, or a sign of several currencies
            stands alone.
    """
    if not shown:
        return settings.currency, None
    is_set = "currency" in settings.model_fields_set
    first = shown[0]
    words: list[str] = []
    for column in shown:
        if is_set and not _may_be(settings.currency, column.codes):
            raise DataError(
                f"{column.place}: {column.rows:,} amounts show {column.words[0]}, but source.yml says currency:"
                f" {settings.currency}; write {_named(column.codes)}, or convert the amounts to {settings.currency} in"
                " a .sql mapping"
            )
        if not is_set and not codes_of([*words, *column.words]):
            raise DataError(
                f"{column.place}: amounts in {column.words[0]}, but in {first.words[0]} in {first.place}; convert them"
                " to one currency in a .sql mapping"
            )
        words += [word for word in column.words if word not in words]
    if is_set:
        return settings.currency, None
    codes = codes_of(words)
    code, _reason = likeliest(words, codes, countries, has_cents=any(column.has_cents for column in shown))
    if not _is_code(code):
        raise DataError(
            f"{first.place}: {first.rows:,} amounts show {first.words[0]}, which may be of several currencies; write"
            f" {_named(codes)} in source.yml"
        )
    said = finding_of(
        first.table, first.column, "currency of the amounts", first.rows, currency=code, sign=" and ".join(words[:3])
    )
    return code, said


def _is_code(word: str) -> bool:
    return re.fullmatch("[A-Z]{3}", word) is not None


def _may_be(currency: str, codes: frozenset[str]) -> bool:
    """Whether a currency can be meant; of a sign that is not known, any can."""
    return currency in codes or not any(map(_is_code, codes))


def _named(codes: frozenset[str]) -> str:
    """Return the setting to write, for messages.

    >>> _named(frozenset(["EUR"])), _named(frozenset(["JPY", "CNY"])), _named(frozenset(["₿"]))
    ('currency: EUR', 'currency: CNY or currency: JPY', 'currency: and its code (ISO 4217)')
    """
    known = sorted(filter(_is_code, codes))
    if 0 < len(known) <= 6:
        return " or ".join(f"currency: {code}" for code in known)
    return "currency: and its code (ISO 4217)"
