"""How a currency is written beside a number: by a sign, a code (ISO 4217) or a word."""

import re

from babel.core import get_global
from babel.numbers import get_territory_currencies

__all__ = [
    "CURRENCY",
    "currencies_in",
]

_WORDS = {
    "yen or yuan": ("¥", "￥", "CN¥", "JP¥", "CNY", "RMB", "人民币", "元", "JPY", "円"),
    "dollar": ("$", "US$", "USD"),
    "euro": ("€", "EUR"),
    "pound": ("£", "￡", "GBP"),
    "AUD": ("A$", "AU$"), "BRL": ("R$",), "CAD": ("C$", "CA$"), "CHF": ("SFr", "Fr"), "CZK": ("Kč",),
    "HKD": ("HK$", "港币", "港元"), "HUF": ("Ft",), "IDR": ("Rp",), "INR": ("₹", "Rs"), "KRW": ("₩", "￦", "원"),
    "krone or krona": ("kr", "Kr"), "MXN": ("MX$",), "MYR": ("RM",), "NZD": ("NZ$",), "PHP": ("₱",), "PLN": ("zł",),
    "RUB": ("₽", "руб"), "SGD": ("S$",), "THB": ("฿",), "TRY": ("₺", "TL"), "TWD": ("NT$",), "UAH": ("₴", "грн"),
    "VND": ("₫", "đ"),
}  # fmt: skip
"""Currency → what is written for it. Yen and yuan have one sign."""
_CODES = {code for place in get_global("territory_currencies") for code in get_territory_currencies(place)}
_NAMES = {word: currency for currency, words in _WORDS.items() for word in words}
_NAMES = {code: code for code in sorted(_CODES)} | _NAMES
_OTHER_SIGNS = "\u20a0-\u20c0"
"""The block of currency signs in Unicode."""
CURRENCY = (
    "(?:" + "|".join(re.escape(word) for word in sorted(_NAMES, key=len, reverse=True)) + f"|[{_OTHER_SIGNS}])\\.?"
)
"""A currency in text of normalised width, as a regular expression of the engine (RE2) and of Python."""
_BESIDE = re.compile(rf"^[+\-(\s]*({CURRENCY})|({CURRENCY})[)\s-]*$")


def currencies_in(text: str) -> list[str]:
    """Return the currencies named before and after a number; empty if none is.

    >>> currencies_in("-$9,999.99"), currencies_in("US$ 99 CNY"), currencies_in("99 SEK"), currencies_in("99")
    (['dollar'], ['dollar', 'yen or yuan'], ['SEK'], [])
    """
    found = [(before or after).rstrip(".") for before, after in _BESIDE.findall(text)]
    return [_NAMES.get(word, word) for word in found]
