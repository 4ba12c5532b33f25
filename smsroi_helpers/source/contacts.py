"""Telephone numbers and e-mail addresses: recognised in every spelling, and written in one.

A telephone number becomes E.164 (`+`, country code, number) by Google's numbering plans (package `phonenumbers`). An
e-mail address is trimmed and in lower case.
"""

import functools
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import phonenumbers
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata, PhoneNumberFormat, PhoneNumberType

from smsroi_helpers.source.number_text import LEAST_DIGITS, MOST_DIGITS, Written, is_dummy, split_numbers

__all__ = [
    "Contact",
    "ContactReader",
    "countries_shown",
    "infer_country",
    "is_country",
]

Kind = Literal["phone", "email"]

_NOT_IN_NUMBERS = re.compile(r"[^0-9+]")
_TRUNK_ZERO = re.compile(r"(?<=[0-9])\s*\(0\)")
"""+44 (0)20 …: the zero is dialled in the country only."""
_WHOLE_FLOAT = re.compile(r"^(\+?[0-9]{7,15})\.0+$")
"""13812345678.0: a tool has made a float of a number."""
_EMAIL = re.compile(
    r"""^(?:[^<>]*<)?[\s'"‘’“”\[(]*(?:(?:mailto|e-?mail):\s*)?"""
    r"""([^@\s<>'"‘’“”\[\]():;,][^@\s<>"‘“”\[\]():;,]{0,63}@[\w-]+(?:\.[\w-]+)+)[\s'"’”\])>;,.]*$""",
    re.IGNORECASE,
)
"""An address, perhaps after a name or `mailto:`, and in brackets or quotes."""
_MOBILE_TYPES = (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE)
_LEAST_WITHOUT_CODE = 10
"""Digits of a number that is not a mobile number and has no country code: shorter ones may be anything."""
_LEAST_WITH_ZERO = 9
"""Digits of such a number that is written with the zero that callers dial first."""
_LEAST_WITHOUT_PLUS = 11
"""Digits of a foreign number that is written without a plus."""
_MOST_WITH_CODE = 15
"""Digits of a number with its country code (E.164)."""
_MEXICAN_ONE = re.compile(r"^(00|011)?521(?=[1-9][0-9]{9}$)")
"""Dialled from abroad before mobile numbers of Mexico until 2019; gateways still write it."""
_MEXICAN_PREFIX = re.compile(r"^(?:01|04[45])(?=[1-9][0-9]{9}$)")
"""Dialled in Mexico until 2019."""
_ARGENTINA = 54
_ARGENTINE_NINE = re.compile(r"^\+549(?=[1-9][0-9]{9}$)")
"""Dialled from abroad before mobile numbers of Argentina; the ten digits after it are no other line's."""


@dataclass(frozen=True)
class Contact:
    """A value that is a telephone number or an e-mail address."""

    kind: Kind
    value: str
    """The one spelling."""
    certain: bool
    """The spelling alone shows what it is: an @, a plus, or a scheme such as `tel:`; digits alone may be any id."""
    mobile: bool
    """A telephone number that can receive texts; True for e-mail addresses."""
    national: bool = False
    """Written without a country code."""
    several: bool = False
    """The first valid one of several numbers in a cell."""
    dialled: bool = False
    """Written with the one zero that callers in the country dial first, which hardly any other id has."""


@dataclass(frozen=True)
class _Plan:
    """The numbering plan of a country."""

    code: str
    general: re.Pattern[str]
    mobile: re.Pattern[str]
    prefix: re.Pattern[str] | None
    """What callers in the country dial first."""
    trunk: str
    abroad: re.Pattern[str] | None
    """What callers in the country dial before the code of another country."""

    def without_prefix(self, number: str) -> bool:
        """Whether the number begins with neither a prefix nor a zero, so that nothing has to be stripped."""
        found = self.prefix.match(number) if self.prefix else None
        return number[:1] != "0" and not (found and found.end())


@functools.cache
def _plan_of(country: str) -> _Plan | None:
    data = PhoneMetadata.metadata_for_region(country)
    general, mobile = (
        part and part.national_number_pattern for part in ((data.general_desc, data.mobile) if data else (None, None))
    )
    if data is None or not general or not mobile:
        return None
    prefix = data.national_prefix_for_parsing
    return _Plan(
        str(data.country_code),
        re.compile(general),
        re.compile(mobile),
        re.compile(prefix) if prefix else None,
        data.national_prefix or "",
        re.compile(data.international_prefix) if data.international_prefix else None,
    )


@functools.cache
def _main_plan(code: str) -> _Plan | None:
    """Return the plan of the main country of a calling code; None if no country has the code."""
    return _plan_of(COUNTRY_CODE_TO_REGION_CODE.get(int(code), ("",))[0])


def is_country(country: str) -> bool:
    """Whether a country (ISO 3166-1, two letters) has a numbering plan."""
    return country in phonenumbers.SUPPORTED_REGIONS


class ContactReader:
    """Reads telephone numbers and e-mail addresses.

    >>> reader = ContactReader("US")
    >>> reader.read("(202) 555-0123").value, reader.read("whatsapp:+86 138 0013 8000").value
    ('+12025550123', '+8613800138000')
    >>> reader.read(" Ann@Example.COM").value, reader.read("c0012")
    ('ann@example.com', None)
    >>> reader.read("Cell: 202-555-0123 x12").value, reader.read("011 44 7911 123456").value
    ('+12025550123', '+447911123456')
    """

    def __init__(self, country: str, *, thorough: bool = True) -> None:
        """Prepare for numbers without a country code to be read as those of a country; empty: they are not read.

        Args:
            country: ISO 3166-1, two letters.
            thorough: read digits alone with every rule of the plan (50 µs a value that is no number); otherwise only
                the usual forms of mobile numbers (2 µs), for columns in which few values are numbers.
        """
        self._country, self._thorough = country, thorough
        self._plan = _plan_of(country) if country else None

    def read(self, text: str) -> Contact | None:
        """Return the telephone number or e-mail address; None for other text."""
        text = text.strip()
        if "@" in text:
            found = _EMAIL.match(text)
            return Contact("email", found[1].lower(), certain=True, mobile=True) if found else None
        return self._read_phone(text)

    def _read_phone(self, text: str) -> Contact | None:
        digits = text.removeprefix("+")
        if digits.isascii() and digits.isdigit() and digits[0] != "0" and LEAST_DIGITS <= len(digits) <= MOST_DIGITS:
            has_plus = len(digits) < len(text)  # these are the usual cases
            found = self._read_digits(digits, plus=has_plus) or (_unassigned(text) if has_plus else None)
        else:
            found = self._read_cell(_WHOLE_FLOAT.sub(r"\1", text))
        if found and found.value.startswith("+549"):
            return replace(found, value=_ARGENTINE_NINE.sub("+54", found.value))
        return found

    def _read_cell(self, text: str) -> Contact | None:
        """Read the first valid number of a cell; if there is none, one with a plus that is not assigned."""
        ways = split_numbers(text)
        for way in ways:
            for number in way:
                if found := self._read_number(number):
                    others = sum(len(_NOT_IN_NUMBERS.sub("", other.text)) >= LEAST_DIGITS for other in way)
                    return replace(found, several=True) if others > 1 else found
        return _unassigned(ways[0][0].text) if ways else None

    def _read_number(self, written: Written) -> Contact | None:
        text = written.text
        number = _NOT_IN_NUMBERS.sub("", _TRUNK_ZERO.sub("", text) if "(0)" in text else text)
        digits = number.lstrip("+")
        if "+" in digits or not LEAST_DIGITS <= len(digits) <= MOST_DIGITS:
            return None
        found = self._read_digits(digits, plus=number[0] == "+", labelled=written.labelled)
        return replace(found, certain=True) if found and written.labelled else found

    def _read_digits(self, digits: str, *, plus: bool, labelled: bool = False) -> Contact | None:
        """Read a number without separators."""
        if digits[:3] in ("521", "005", "011"):
            digits = _MEXICAN_ONE.sub(r"\g<1>52", digits)
        if plus:
            found = _international(digits.removeprefix("00"))
            return Contact("phone", found.value, certain=True, mobile=True) if found else None
        if labelled:
            return self._national(digits, thorough=True) or self._abroad(digits) or _international(digits)
        if digits.startswith("00") and (found := _international(digits[2:], thorough=self._thorough)):
            return found
        return self._abroad(digits) or self._national(digits, thorough=self._thorough)

    def _abroad(self, digits: str) -> Contact | None:
        """Read a number after the country's own prefix of calls abroad, such as 011 in the United States."""
        prefix = self._plan.abroad.match(digits) if self._plan and self._plan.abroad and digits[0] == "0" else None
        return _international(digits[prefix.end() :], thorough=self._thorough) if prefix else None

    def _national(self, digits: str, *, thorough: bool) -> Contact | None:
        """Read a number without a plus: of the country, with or without its calling code; else of another country."""
        if self._country:
            if self._country == "MX":
                digits = _MEXICAN_PREFIX.sub("", digits)
            value, mobile = self._mobile_of_the_country(digits), True
            if not value and thorough:
                value, mobile = _parsed(digits, self._country)
                if value and not mobile and self._has_own_code(digits):
                    return Contact("phone", f"+{digits}", certain=False, mobile=True)
            dialled = digits[:1] == "0" and digits[1:2] != "0"
            if value and (mobile or len(digits) >= (_LEAST_WITH_ZERO if dialled else _LEAST_WITHOUT_CODE)):
                return Contact("phone", value, certain=False, mobile=mobile, national=True, dialled=dialled)
        if len(digits) < _LEAST_WITHOUT_PLUS:
            return None
        found = _international(digits, thorough=thorough)
        return found if found and found.mobile else None

    def _has_own_code(self, digits: str) -> bool:
        """Whether a number is a mobile number after the country's calling code: likelier than a fixed line."""
        plan = self._plan
        rest = digits.removeprefix(plan.code) if plan else digits
        return plan is not None and rest != digits and bool(plan.mobile.fullmatch(rest)) and plan.without_prefix(rest)

    def _mobile_of_the_country(self, digits: str) -> str:
        """Return the usual case without the slower general parser, which would give the same; else nothing."""
        plan = self._plan
        if plan is None:
            return ""
        if plan.mobile.fullmatch(digits) and plan.without_prefix(digits):
            return f"+{plan.code}{digits}"
        for prefix in (plan.code, plan.trunk):
            rest = digits.removeprefix(prefix)
            if (
                prefix
                and len(rest) < len(digits)
                and plan.mobile.fullmatch(rest)
                and plan.without_prefix(rest)
                and not plan.general.fullmatch(digits)
            ):
                return f"+{plan.code}{rest}"
        return ""


def _international(digits: str, *, thorough: bool = True) -> Contact | None:
    """Return the valid number whose digits begin with a calling code."""
    if digits[:1] in ("", "0"):
        return None
    for length in (1, 2, 3):
        code, number = digits[:length], digits[length:]
        if int(code) in COUNTRY_CODE_TO_REGION_CODE:
            plan = _main_plan(code)
            if plan and plan.mobile.fullmatch(number) and plan.without_prefix(number):
                return Contact("phone", f"+{digits}", certain=False, mobile=True)
            break
    value, mobile = _parsed(f"+{digits}", None) if thorough else ("", False)
    return Contact("phone", value, certain=False, mobile=mobile) if value else None


def _unassigned(text: str) -> Contact | None:
    """Read a number with a plus that its country has not assigned, or that we do not know yet; no dummy is one."""
    number = _NOT_IN_NUMBERS.sub("", text)
    digits = number.lstrip("+")
    if number[0] != "+" or "+" in digits or not LEAST_DIGITS < len(digits) <= _MOST_WITH_CODE or is_dummy(digits):
        return None
    try:
        possible = phonenumbers.is_possible_number(phonenumbers.parse(f"+{digits}"))
    except phonenumbers.NumberParseException:
        return None
    return Contact("phone", f"+{digits}", certain=True, mobile=True) if possible else None


def _parsed(text: str, country: str | None) -> tuple[str, bool]:
    """Return a valid number in E.164, and whether it can receive texts; empty if it is not valid."""
    try:
        number = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        return "", False
    if not phonenumbers.is_valid_number(number):
        return "", False
    # In Argentina a number without the nine may be a mobile number too.
    mobile = phonenumbers.number_type(number) in _MOBILE_TYPES or number.country_code == _ARGENTINA
    return phonenumbers.format_number(number, PhoneNumberFormat.E164), mobile


_MOST = 0.9
_SHOWN = 0.5
"""Smallest share of numbers that are mobile or written with a zero, where others are fixed lines."""


def countries_shown(numbers: Iterable[str]) -> list[str]:
    """Return the countries of the numbers that show their country code, the most frequent first."""
    anywhere = ContactReader("")
    shown = [found.value for number in numbers if (found := anywhere.read(number)) and found.certain]
    regions = Counter(
        phonenumbers.region_code_for_number(phonenumbers.parse(value)) or "" for value in shown if value[0] == "+"
    )
    return [region for region, _count in regions.most_common()]


def infer_country(
    numbers: Sequence[str], hints: Iterable[str], others: Iterable[str] = ("US", "CN")
) -> tuple[str, ...]:
    """Return the country of numbers without a plus; none if no country fits, two if two fit equally well.

    A country fits if nine in ten of the numbers are mobile numbers there. One that is suggested also fits if nine in
    ten are mobile or fixed lines, and half are mobile or written with the zero that callers dial first. Numbers that
    are another country's with its calling code do not count.

    Args:
        numbers: a sample of values, in any spelling; those with a plus or a scheme do not count.
        hints: countries that the source's settings suggest; the first that fits is taken.
        others: countries that are tried afterwards; if several fit, it is not clear.
    """
    anywhere = ContactReader("")
    unknown = [number for number in numbers if not ((found := anywhere.read(number)) and found.certain)]

    def shares(country: str) -> tuple[float, float, float]:
        """The numbers that are mobile; mobile or with the zero; any of the country."""
        reader = ContactReader(country)
        read = [found for number in unknown if (found := reader.read(number))]
        national = [one for one in read if one.national]
        own = max(len(unknown) - (len(read) - len(national)), 1)
        mobile, shown = (sum(one.mobile for one in national), sum(one.mobile or one.dialled for one in national))
        return mobile / own, shown / own, len(national) / own

    # Numbers of the same column that show their country code suggest their country too.
    tried = list(dict.fromkeys(filter(is_country, [*hints, *countries_shown(numbers)[:1]])))
    for country in tried:
        _mobile, shown, any_line = shares(country)
        if any_line >= _MOST and shown >= _SHOWN:
            return (country,)
    ranked = sorted(((shares(country)[0], country) for country in others if country not in tried), reverse=True)
    fitting = [country for fit, country in ranked if fit >= _MOST]
    return tuple(fitting)
