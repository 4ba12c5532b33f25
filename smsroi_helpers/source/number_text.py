"""What people write around a telephone number: labels, extensions, notes, and a second number in the same cell.

`SPELLING` is for the engine, which chooses the ids that are read one by one; `split_numbers` then takes them apart.
"""

import re
from dataclasses import dataclass

__all__ = [
    "DUMMY_DIGITS",
    "DUMMY_TAIL",
    "LABELLED",
    "LEAST_DIGITS",
    "MOST_DIGITS",
    "MOST_DIGITS_OF_A_CELL",
    "SPELLING",
    "Written",
    "is_dummy",
    "split_numbers",
]

LEAST_DIGITS, MOST_DIGITS = 7, 18
"""Digits of a telephone number, in any spelling."""
MOST_DIGITS_OF_A_CELL = 3 * MOST_DIGITS
"""Digits of all numbers in one cell, with their extensions."""
_LONGEST = 100
"""Characters of a cell that can be numbers with labels."""
_GAPS = r"\s\x{00a0}\x{2000}-\x{200a}\x{202f}().\-/\x{2010}-\x{2015}\x{2212}"
_BODY = rf"[+{_GAPS}]*[0-9][0-9+{_GAPS}]*"
_WORD = (
    r"(?:tel[ée]?(?:ph?one?|fono|fone|fon)?|t[ée]l[ée]?phone|t[ée]l|phone|ph|fone|mobile?|mob|m[óo]vil|handy|portable"
    r"|cel(?:l(?:ulare?|phone)?|ular)?|gsm|sms|rcs|text|whats?app|callto|home|work|office|contact)"
)
_WORD_BEFORE_DIGITS = (
    r"(?:тел(?:ефон)?|моб(?:ильный)?|(?:联系|移动|聯絡|联络|行動)?(?:手机|手機|电话|電話)|联系方式|座机|固话|携帯"
    r"|(?:휴대)?전화|휴대폰|핸드폰)"
)
_LABEL = (
    rf"(?:[(\[]?(?:{_WORD}[\s._-]?)?{_WORD}(?:[\s._-]?(?:no|nr|num|number|nummer))?(?:[)\].:=#\s]+/{{0,2}}|\b)"
    rf"|[(\[]?{_WORD_BEFORE_DIGITS}(?:号码?|號碼?|番号|번호)?[)\].:=#\s]*|[pmt]:/{{0,2}})"
)
"""Words before a number, such as `Tel.: ` and `tel:`; `p:` is that of forms on Facebook. `tel100` may be an id, so only
words of other scripts may stand right before the digits."""
_EXTENSION = (
    r"[\s,;]*(?:ext(?:ension|n)?|extn|x|#|poste|anexo|ramal|interno|durchwahl|分机号?|分機|转|轉|内线|內線|内線)"
    r"[\s.:=#]*[0-9]{1,6}"
)
_NOTE = rf"[\s,;/\-]*(?:[(\[][^0-9()\[\]]{{1,30}}[)\]]|{_WORD}|{_WORD_BEFORE_DIGITS})"
_PART = rf"['’\s]*(?:{_LABEL})?{_BODY}(?:{_EXTENSION})?(?:{_NOTE})?"
_BETWEEN = r"(?:[;,|&/\n、]|\b(?:or|and)\b|或|和)"
SPELLING = rf"^(?i:{_PART}(?:\s*{_BETWEEN}{_PART})*)[\s.;,]*$"
"""What may be one telephone number or several, for the engine (RE2)."""
LABELLED = rf"^(?i:['’\s]*{_LABEL})[+{_GAPS}]*[0-9]|^['’\s]*\+[0-9]"
"""What a label or a plus shows to be a telephone number, for the engine."""
DUMMY_DIGITS = (
    rf"^(?:{'|'.join(f'{digit}{{7,}}|[0-9]{{1,3}}{digit}{{9,}}' for digit in range(10))})$"
    r"|^[0-9]{0,2}1234567(?:8(?:90?)?)?$|^[0-9]{0,2}9876543(?:2(?:10?)?)?$"
)
"""Digits that are typed rather than a number: one digit only, or the keys in their order, perhaps after a code."""
DUMMY_TAIL = rf"^[0-9]{{1,5}}(?:{'|'.join(f'{digit}{{8,}}' for digit in range(10))})$"
"""Digits that may be typed, or a number that is sold because it is easy to remember: 138 0000 0000."""


def _python(pattern: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\x\{([0-9a-f]{4})\}", lambda code: chr(int(code[1], 16)), pattern), re.IGNORECASE)


_BARE = _python(rf"['’]?{_BODY}")
_ONE = _python(rf"['’\s]*({_LABEL})?({_BODY}?)({_EXTENSION})?({_NOTE})?[\s.;,]*")
_SEPARATOR = _python(rf"\s*{_BETWEEN}\s*")
_WITHIN = re.compile(r"\s*[/\n]\s*|\s{2,}|\s+(?=\+)")
"""What separates two numbers, and may also be within one."""
_LONG_GAP = re.compile(r"([\W_])\1{2,}")
"""Signs in a row: more than two say no more than two, and would take long to read."""
_DUMMY = re.compile(DUMMY_DIGITS)


@dataclass(frozen=True)
class Written:
    """A number as it is written, without what stands around it."""

    text: str
    """Digits, separators and perhaps a plus."""
    labelled: bool = False
    """A word such as `tel:` says that it is a telephone number."""


def split_numbers(text: str) -> list[list[Written]]:
    """Return the ways to read a cell as numbers, without labels, extensions and notes; none if it has anything else.

    The first way that gives a number is right: `030/123456` is one, and `13800138000/13900139000` are two.

    >>> split_numbers("Tel.: 212-555-0100 ext. 5 (office)")
    [[Written(text='212-555-0100', labelled=True)]]
    >>> [[number.text for number in way] for way in split_numbers("13800138000 / 13900139000")]
    [['13800138000 / 13900139000'], ['13800138000', '13900139000']]
    >>> split_numbers("212-555-0100 or so")
    []
    """
    text = _LONG_GAP.sub(r"\1\1", text)
    if len(text) > _LONGEST:
        return []
    if one := Written(text) if _BARE.fullmatch(text) else _one(text):
        parts = [part for part in _WITHIN.split(one.text) if part]
        return [[one]] + ([[Written(part, one.labelled) for part in parts]] if len(parts) > 1 else [])
    found = [_one(part) for part in _SEPARATOR.split(text) if part.strip()]
    return [[part for part in found if part]] if len(found) > 1 and all(found) else []


def _one(text: str) -> Written | None:
    match = _ONE.fullmatch(text)
    return Written(match[2].strip(), labelled=bool(match[1])) if match else None


def is_dummy(digits: str) -> bool:
    """Whether digits are typed rather than a number (`DUMMY_DIGITS`).

    Args:
        digits: of a number, with or without a country code.

    >>> [is_dummy(text) for text in ("9999999999", "19999999999", "1234567890", "2125550100")]
    [True, True, True, False]
    """
    return bool(_DUMMY.match(digits))
