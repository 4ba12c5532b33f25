"""What can go wrong, each with the exit code a scheduler sees, and the redaction of what is said about it."""

import re
from collections.abc import Callable
from typing import ClassVar

__all__ = [
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
    "reason_of",
    "redact",
    "shortened",
]

# Bounded and anchored at a word's start, so that a text of two million letters without a blank is still read once.
_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}[@＠][\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
_NUMBERS = re.compile(
    r"""
    # A digest (MD5, SHA-1, SHA-256, a pseudonym) is nobody's number, whatever digits stand in it.
    (?P<digest> (?<![0-9A-Za-z]) (?=[0-9]*[a-f]) [0-9a-f]{32,128} (?![0-9A-Za-z]) )
    # A Chinese mobile number: also with its country, in groups, after a letter, as a float; but no decimals.
    | (?<![0-9]) (?<![0-9]\.) (?:(?:\+|00)?86[ \-]?)?
      [1１][3-9３-９]\d [ \N{NO-BREAK SPACE}.\-]? \d{4} [ \N{NO-BREAK SPACE}.\-]? \d{4} (?!\d) (?!\.\d*[1-9]) (?:\.0+)?
    | (?<![0-9.]) 1\.[3-9]\d{9}[eE]\+?10 (?!\d)
    # Any other one that begins with a plus: eight digits or more.
    | (?<![0-9eE]) \+ (?: [\s().\-]{0,2} \d ){8,15} (?!\d)
    # Digits in a row, where they are no part of a word or of an amount.
    | (?<![0-9A-Za-z_.]) \d{9,} (?!\.?\d)
    """,
    re.VERBOSE,
)


def redact(text: str) -> str:
    """The text with e-mail addresses, telephone numbers and runs of nine or more digits blotted out.

    Engine errors and tracebacks quote values; every line that reaches a log, a manifest or a page passes here.

    >>> redact("bad value '13812345678' for ann@example.com at row 12")
    "bad value '[number]' for [e-mail] at row 12"
    """
    text = _EMAIL.sub("[e-mail]", text)
    return _NUMBERS.sub(lambda found: found["digest"] or "[number]", text)


def shortened(text: str, max_length: int = 60) -> str:
    """What a message quotes of the data: printable, and no longer than a reader wants it."""
    text = "".join(character for character in text if character.isprintable())
    return text if len(text) <= max_length else f"{text[:max_length]}…"


def reason_of(error: Exception) -> str:
    """What an engine says of a failure, in one line that names a file but not the machine's folders."""
    line = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
    line = re.sub(r"""["'][^"']*[/\\]([^"'/\\]+)["']""", r"\1", line)
    return shortened(line, 200)


class SmsroiError(Exception):
    """A failure that is the reader's to mend: its text is one line saying what, where and what to do."""

    exit_code: ClassVar[int] = 20

    def __init__(self, message: str) -> None:
        super().__init__(redact(" ".join(message.split())))

    def _render_traceback_(self) -> list[str]:
        """IPython's hook: in JupyterLab the one line stands in place of a traceback."""
        return [f"{type(self).__name__}: {self}"]


class UsageError(SmsroiError):
    """A parameter, a name or a command that cannot be meant."""

    exit_code = 2


class DataError(SmsroiError):
    """The source cannot be read as the contract says, or changed while it was read."""

    exit_code = 10


class NotEnoughData(SmsroiError):
    """The data are sound and too few for the question: the notebook is skipped, with this reason on the index.

    The reason is read on a page, so it is written in the reader's language, by the function that `set_translator` was
    given: stages that count know no language.

    >>> str(NotEnoughData("Only {n} customers came back; {least} are needed.", n=12, least=30))
    'Only 12 customers came back; 30 are needed.'
    """

    exit_code = 0
    _translate: ClassVar[Callable[..., str]] = str.format

    def __init__(self, message: str, **values: object) -> None:
        super().__init__(NotEnoughData._translate(message, **values))

    @classmethod
    def set_translator(cls, translate: Callable[..., str]) -> None:
        """Have reasons written by `say(message, **values)`, which translates the message and fills the values in."""
        cls._translate = translate


class NotebookError(SmsroiError):
    """A cell raised."""

    exit_code = 20


class TimeLimit(SmsroiError):
    """A cell or the whole run took longer than it may."""

    exit_code = 21


class KernelDied(SmsroiError):
    """The process that executes a notebook ended by itself, as it does when memory runs out."""

    exit_code = 22


class Incomplete(SmsroiError):
    """A notebook ended without an error and without running to its end."""

    exit_code = 23


class PageError(SmsroiError):
    """A page that must not be published: it loads something from outside, carries a script, or is too large."""

    exit_code = 24


class AlreadyRunning(SmsroiError):
    """Another run of the same report holds the lock."""

    exit_code = 30


class StorageError(SmsroiError):
    """The disk is full, read-only or otherwise refuses."""

    exit_code = 40


class Interrupted(SmsroiError):
    """The run was told to stop."""

    exit_code = 50
