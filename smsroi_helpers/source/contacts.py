"""Telephone numbers and e-mail addresses: recognised in every spelling, and written in one.

A telephone number becomes E.164 (`+`, country code, number) by Google's numbering plans (package `phonenumbers`). An
e-mail address is trimmed and in lower case.
"""

import functools
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import phonenumbers
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata, PhoneNumberFormat, PhoneNumberType

__all__ = [
    "LEAST_DIGITS",
    "MOST_DIGITS",
    "SPELLING",
    "Contact",
    "ContactReader",
    "infer_country",
    "is_country",
]

Kind = Literal["phone", "email"]

LEAST_DIGITS, MOST_DIGITS = 7, 18
"""Digits of a telephone number, in any spelling."""
_GAPS = r"\s\x{00a0}\x{2000}-\x{200a}\x{202f}().\-/\x{2010}-\x{2015}\x{2212}"
_SCHEMES = r"(?:tel|sms|phone|mobile|callto|whatsapp|p):/{0,2}"
"""Words before a number; `p:` is that of forms on Facebook."""
SPELLING = r"^['’]?(?i:" + _SCHEMES + r")?[+" + _GAPS + r"]*[0-9][0-9+" + _GAPS + r"]*$"
"""What may be a telephone number, for the engine (RE2): digits and separators, perhaps after a scheme."""
_SPELLING = re.compile(re.sub(r"\\x\{([0-9a-f]{4})\}", lambda code: chr(int(code[1], 16)), SPELLING))
_SCHEME = re.compile(rf"^['’]?({_SCHEMES})?", re.IGNORECASE)
_NOT_IN_NUMBERS = re.compile(r"[^0-9+]")
_TRUNK_ZERO = re.compile(r"(?<=[0-9])\s*\(0\)")
"""+44 (0)20 …: the zero is dialled in the country only."""
_WHOLE_FLOAT = re.compile(r"^([0-9]{7,15})\.0+$")
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
_LEAST_WITHOUT_PLUS = 11
"""Digits of a foreign number that is written without a plus."""


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


@dataclass(frozen=True)
class _Plan:
    """The numbering plan of a country."""

    code: str
    general: re.Pattern[str]
    mobile: re.Pattern[str]
    prefix: re.Pattern[str] | None
    """What callers in the country dial first."""
    trunk: str

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
        if text.isascii() and text.isdigit() and LEAST_DIGITS <= len(text) <= MOST_DIGITS and text[0] != "0":
            return self._national(text)  # the usual case
        text = _WHOLE_FLOAT.sub(r"\1", text)
        if not _SPELLING.match(text):
            return None
        start = _SCHEME.match(text)
        scheme, place = (start[1], start.end()) if start else (None, 0)
        number = _NOT_IN_NUMBERS.sub("", _TRUNK_ZERO.sub("", text[place:]) if "(0)" in text else text[place:])
        digits = number.lstrip("+")
        if "+" in digits or not LEAST_DIGITS <= len(digits) <= MOST_DIGITS:
            return None
        if number[0] == "+":
            return self._with_plus(digits)
        if scheme:
            found = self._national(digits) or _international(digits)
            return found and Contact("phone", found.value, certain=True, mobile=found.mobile, national=found.national)
        if number.startswith("00") and (found := _international(digits[2:], thorough=self._thorough)):
            return found
        return self._national(digits)

    def _with_plus(self, digits: str) -> Contact | None:
        """A number with a plus is one even if its country has not assigned it (or we do not know yet)."""
        found = _international(digits)
        if found is None and (digits[0] == "0" or not 8 <= len(digits) <= 15):
            return None
        return Contact("phone", found.value if found else f"+{digits}", certain=True, mobile=True)

    def _national(self, digits: str) -> Contact | None:
        """Read a number without a plus: of the country, with or without its calling code; else of another country."""
        if self._country:
            value, mobile = self._mobile_of_the_country(digits), True
            if not value and self._thorough:
                value, mobile = _parsed(digits, self._country)
                if value and not mobile and self._has_own_code(digits):
                    return Contact("phone", f"+{digits}", certain=False, mobile=True)
            if value and (mobile or len(digits) >= _LEAST_WITHOUT_CODE):
                return Contact("phone", value, certain=False, mobile=mobile, national=True)
        if len(digits) < _LEAST_WITHOUT_PLUS:
            return None
        found = _international(digits, thorough=self._thorough)
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


def _parsed(text: str, country: str | None) -> tuple[str, bool]:
    """Return a valid number in E.164, and whether it can receive texts; empty if it is not valid."""
    try:
        number = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        return "", False
    if not phonenumbers.is_valid_number(number):
        return "", False
    mobile = phonenumbers.number_type(number) in _MOBILE_TYPES
    return phonenumbers.format_number(number, PhoneNumberFormat.E164), mobile


_MOST = 0.9


def infer_country(
    numbers: Sequence[str], hints: Iterable[str], others: Iterable[str] = ("US", "CN")
) -> tuple[str, ...]:
    """Return the country of numbers without a plus; none if no country fits, two if two fit equally well.

    A country fits if nine in ten of the numbers are mobile numbers there; numbers that are another country's with its
    calling code do not count.

    Args:
        numbers: a sample of values, in any spelling; those with a plus or a scheme do not count.
        hints: countries that the source's settings suggest; the first that fits is taken.
        others: countries that are tried afterwards; if several fit, it is not clear.
    """
    anywhere = ContactReader("")
    unknown = [number for number in numbers if not ((found := anywhere.read(number)) and found.certain)]

    def share(country: str) -> float:
        reader = ContactReader(country)
        read = [reader.read(number) for number in unknown]
        national = sum(one is not None and one.national and one.mobile for one in read)
        foreign = sum(one is not None and not one.national for one in read)
        return national / (len(unknown) - foreign) if national else 0.0

    # Numbers of the same column that show their country code suggest their country too.
    shown = [found.value for number in numbers if (found := anywhere.read(number)) and found.certain]
    regions = Counter(
        phonenumbers.region_code_for_number(phonenumbers.parse(value)) or "" for value in shown if value[0] == "+"
    )
    suggested = [*hints, *(region for region, _count in regions.most_common(1))]
    tried = list(dict.fromkeys(country for country in suggested if is_country(country)))
    for country in tried:
        if share(country) >= _MOST:
            return (country,)
    ranked = sorted(((share(country), country) for country in others if country not in tried), reverse=True)
    fitting = [country for fit, country in ranked if fit >= _MOST]
    return tuple(fitting)
