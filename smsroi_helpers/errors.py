"""The exceptions of the project, each with its exit code, and the redaction of their messages."""

import re
from collections.abc import Callable
from typing import ClassVar

__all__ = [
    "AlertRaised",
    "AlreadyRunning",
    "DataError",
    "Incomplete",
    "Interrupted",
    "KernelDied",
    "NotEnoughData",
    "NotebookError",
    "PageError",
    "SmsroiError",
    "StorageError",
    "TimeLimit",
    "UsageError",
    "complaint",
    "reason_of",
    "redact",
    "shortened",
    "shown_value",
]

# Bounded and anchored at the start of a word, so that matching stays linear for long texts without blanks.
_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}[@＠][\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
_NUMBERS = re.compile(
    r"""
    # A digest (MD5, SHA-1, SHA-256, a pseudonym) is not a telephone number, whatever digits it contains.
    (?P<digest> (?<![0-9A-Za-z]) (?=[0-9]*[a-f]) [0-9a-f]{32,128} (?![0-9A-Za-z]) )
    # A Chinese mobile number: also with country code, in groups, after a letter, or as a float; not decimals.
    | (?<![0-9]) (?<![0-9]\.) (?:(?:\+|00)?86[ \-]?)?
      [1１][3-9３-９]\d [ \N{NO-BREAK SPACE}.\-]? \d{4} [ \N{NO-BREAK SPACE}.\-]? \d{4} (?!\d) (?!\.\d*[1-9]) (?:\.0+)?
    | (?<![0-9.]) 1\.[3-9]\d{9}[eE]\+?10 (?!\d)
    # Any other number that begins with a plus and has eight digits or more.
    | (?<![0-9eE]) \+ (?: [\s().\-]{0,2} \d ){8,15} (?!\d)
    # A North American number in its usual groups: 415-555-2671, (415) 555-2671.
    | (?<![0-9A-Za-z.+\-]) (?: \([2-9]\d\d\)[ ]? | (?:1-)? [2-9]\d\d- ) [2-9]\d\d-\d{4} (?![0-9A-Za-z\-])
    # Nine or more digits that are not part of a word or an amount.
    | (?<![0-9A-Za-z_.]) \d{9,} (?!\.?\d)
    """,
    re.VERBOSE,
)

_LEAST_DIGITS = 7
"""Digits from which a value may be a telephone number."""
_DATE_OR_TIME = re.compile(
    r"""
    (?<!\d) (?<!\d[-/.])
    (?: (?:0000|(?:19|20)\d\d) ([-/.]) \d{1,2} \1 \d{1,2} | \d{1,2} ([-/.]) \d{1,2} \2 (?:19|20)\d\d
               | (?:19|20)\d\d 年 \s? \d{1,2} 月 \s? \d{1,2} 日 ) (?! [-/.]? \d)
    | (?<![\d:]) \d{1,2} (?: : \d\d (?: : \d\d (?:[.,]\d{1,9})? )? | [时時点] \d{1,2} 分 (?: \d{1,2} 秒 )? ) (?![\d:])
      (?: \s? [+-] \d\d :? \d\d (?!\d) )?
    """,
    re.VERBOSE,
)
"""A date with the year in four digits between separators, or a time, perhaps with its offset."""
_AMOUNT = re.compile(
    r"""
    [-+(\s]* (?: [A-Z]{3} \s? | [A-Z]{0,2} [$€£¥￥₹] \s? )? [-+]?
    (?: \d{1,3} (?: , \d{3} )+ (?: \. \d{1,2} )?                      # 1,234,567.89
      | \d{1,3} (?: ([ .'’]) \d{3} ) (?: \1 \d{3} )* , \d{1,2}         # 1.234.567,89
      | [1-9] \d* [.,] (?: [1-9] \d? | 0 [1-9] )                       # 1234567.89, but not the float 13812345678.0
      | [1-9] \d{0,5} [.,] \d{1,2} )
    (?: \s? [A-Z]{3} | \s? [€元円] )? [)\s]*
    """,
    re.VERBOSE,
)
"""A number that is plainly money: thousands in groups with cents, or a decimal mark before one or two digits."""


def redact(text: str) -> str:
    """Replace e-mail addresses, telephone numbers and runs of nine or more digits.

    Engine errors and tracebacks quote values, so every line of a log, a manifest or a page is redacted.

    >>> redact("bad value '13812345678' for ann@example.com at row 12")
    "bad value '[number]' for [e-mail] at row 12"
    """
    text = _EMAIL.sub("[e-mail]", text)
    return _NUMBERS.sub(lambda found: found["digest"] or "[number]", text)


def shortened(text: str, max_length: int = 60) -> str:
    """Return text from the data for use in a message: printable characters only, cut to `max_length`."""
    text = "".join(character for character in text if character.isprintable())
    return text if len(text) <= max_length else f"{text[:max_length]}…"


def complaint(message: str) -> str:
    """Return what pydantic says of a value, in the words of this project.

    >>> complaint("Input should be greater than 0"), complaint("Value error, 'X' is not a country")
    ('must be greater than 0', "'X' is not a country")
    """
    return message.replace("Input should be", "must be").removeprefix("Value error, ")


def reason_of(error: Exception) -> str:
    """Return the first line of an engine's error, with file names but without the machine's folders.

    What it quotes may be a value of the data, so the digits of a telephone number in it are masked.

    >>> reason_of(ValueError("Could not convert string '(0202) 555143' to DOUBLE"))
    "Could not convert string '(****) ******' to DOUBLE"
    """
    line = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return shortened(re.sub(r"""(["'])(.+?)\1""", _quoted, line), 200)


def _quoted(found: re.Match[str]) -> str:
    """Return what an error quotes: of a path the name only, of anything else the value as it may be shown."""
    mark, text = found.groups()
    shown, name = shown_value(text, len(text)), re.split(r"[/\\]", text)[-1]
    is_file = re.search(r"\.[A-Za-z]\w*$", name) is not None
    return name if name and name != text and (is_file or shown == text) else f"{mark}{shown}{mark}"


def shown_value(text: str, max_length: int = 60) -> str:
    """Return a value of the data, or a name in them, as a message may quote it; at most `max_length` characters.

    The digits of a value that may be a telephone number are masked, in any spelling: it has seven digits or more that
    are not plainly a date, a time or an amount. E-mail addresses are replaced.

    >>> shown_value("(0202) 555143"), shown_value("0151 23456701"), shown_value("13812345678")
    ('(****) ******', '**** ********', '[number]')
    >>> shown_value("2024-13-45 10:00:00"), shown_value("$1,234,567.00"), shown_value("12 p.m.")
    ('2024-13-45 10:00:00', '$1,234,567.00', '12 p.m.')
    """
    plain = "".join(character for character in text if character.isprintable() or character.isspace())
    text = redact(plain)
    if not _AMOUNT.fullmatch(plain) and sum(map(str.isdigit, _DATE_OR_TIME.sub("", plain))) >= _LEAST_DIGITS:
        text = "".join("*" if character.isdigit() else character for character in text)
    return shortened(text, max_length)


class SmsroiError(Exception):
    """A failure that the user can fix. The message is one line: what is wrong, where, and what to do."""

    exit_code: ClassVar[int] = 20

    def __init__(self, message: str) -> None:
        super().__init__(redact(" ".join(message.split())))

    def _render_traceback_(self) -> list[str]:
        """Hook of IPython: JupyterLab shows this line instead of a traceback."""
        return [f"{type(self).__name__}: {self}"]


class UsageError(SmsroiError):
    """An invalid parameter, name or command."""

    exit_code = 2


class DataError(SmsroiError):
    """The source violates the contract, cannot be read, or changed during the run."""

    exit_code = 10


class NotEnoughData(SmsroiError):
    """The data are valid but too few for the question: the notebook is skipped, and the index shows this reason.

    The reason is shown in the reader's language. The function given to `set_translator` translates it, so that the
    stages do not depend on `locale`.

    >>> str(NotEnoughData("Only {n} customers came back; {least} are needed.", n=12, least=30))
    'Only 12 customers came back; 30 are needed.'
    """

    exit_code = 0
    _translate: ClassVar[Callable[..., str]] = str.format

    def __init__(self, message: str, **values: object) -> None:
        super().__init__(NotEnoughData._translate(message, **values))

    @classmethod
    def set_translator(cls, translate: Callable[..., str]) -> None:
        """Set the function that translates a message and fills in its values: `translate(message, **values)`."""
        cls._translate = translate


class NotebookError(SmsroiError):
    """A cell raised an exception."""

    exit_code = 20


class TimeLimit(SmsroiError):
    """A cell or the run exceeded its time limit."""

    exit_code = 21


class KernelDied(SmsroiError):
    """The process that executes a notebook died, usually because memory ran out."""

    exit_code = 22


class Incomplete(SmsroiError):
    """A notebook stopped before its end without an error."""

    exit_code = 23


class PageError(SmsroiError):
    """A page that must not be published: it loads external content, contains a script, or is too large."""

    exit_code = 24


class AlreadyRunning(SmsroiError):
    """Another run of the same report holds the lock."""

    exit_code = 30


class StorageError(SmsroiError):
    """A file cannot be written or read: the disk is full, read-only, or fails."""

    exit_code = 40


class Interrupted(SmsroiError):
    """The run was stopped by a signal."""

    exit_code = 50


class AlertRaised(SmsroiError):
    """The run was published, and a daily number is outside its expected range (with `--fail-on-alert`)."""

    exit_code = 60
