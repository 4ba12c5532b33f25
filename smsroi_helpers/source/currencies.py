"""How a currency is written beside a number: by a sign, a code (ISO 4217) or a word."""

import re
from collections.abc import Iterable

from babel.core import get_global
from babel.numbers import get_territory_currencies

__all__ = [
    "CURRENCY",
    "currencies_in",
    "pattern_of",
]

_WORDS = {
    "yen or yuan": ("¥", "CN¥", "JP¥", "CNY", "RMB", "人民币", "元", "JPY", "円"),
    "dollar": ("$", "US$", "USD"),
    "euro": ("€", "EUR"),
    "pound": ("£", "GBP"),
    "AUD": ("A$", "AU$"), "BRL": ("R$",), "CAD": ("C$", "CA$"), "CHF": ("SFr", "Fr"), "CZK": ("Kč",),
    "HKD": ("HK$", "港币", "港元"), "HUF": ("Ft",), "IDR": ("Rp",), "INR": ("₹", "Rs"), "KRW": ("₩", "원"),
    "krone or krona": ("kr", "Kr"), "MXN": ("MX$",), "MYR": ("RM",), "NZD": ("NZ$",), "PHP": ("₱",), "PLN": ("zł",),
    "RUB": ("₽", "руб"), "SGD": ("S$",), "THB": ("฿",), "TRY": ("₺", "TL"), "TWD": ("NT$",), "UAH": ("₴", "грн"),
    "VND": ("₫", "đ"),
}  # fmt: skip
"""Currency → what is written for it. Yen and yuan have one sign."""
_WIDE = {"¥": "￥", "£": "￡", "₩": "￦"}
"""Signs whose wide form is not among those (U+FF01 … U+FF5E) that are read as the usual ones before."""
_CODES = {code for place in get_global("territory_currencies") for code in get_territory_currencies(place)}
_CURRENCY_OF = {code: code for code in sorted(_CODES)}
_CURRENCY_OF |= {word: currency for currency, words in _WORDS.items() for word in words}


def pattern_of(words: Iterable[str]) -> str:
    r"""Return the regular expression, for the engine (RE2) and Python, of one of these words; empty if there is none.

    >>> print(pattern_of(["$", "US$"]), repr(pattern_of([])))
    (?:US\$|\$)\.? ''
    """
    every = {form for word in words for form in (word, _WIDE.get(word, word))}
    listed = "|".join(re.escape(word) for word in sorted(every, key=lambda word: (-len(word), word)))
    return rf"(?:{listed})\.?" if listed else ""


CURRENCY = pattern_of([*_CURRENCY_OF, *map(chr, range(0x20A0, 0x20C1))])
"""Any currency: the words above, the codes, and the signs of the block of currency signs in Unicode."""
_BESIDE = re.compile(rf"^[+\-(\s]*({CURRENCY})|({CURRENCY})[)\s-]*$")


def currencies_in(text: str) -> dict[str, str]:
    """Return what stands before and after a number for a currency → the currency; empty if nothing does.

    >>> currencies_in("-$9,999.99"), currencies_in("US$ 99 CNY"), currencies_in("99 kr."), currencies_in("99")
    ({'$': 'dollar'}, {'US$': 'dollar', 'CNY': 'yen or yuan'}, {'kr': 'krone or krona'}, {})
    """
    found = [(before or after).rstrip(".") for before, after in _BESIDE.findall(text)]
    return {word: _CURRENCY_OF.get(word, word) for word in found}
