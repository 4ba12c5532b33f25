r"""Quotes that are written `\"` in CSV, as MySQL and phpMyAdmin do, where others double them."""

import re
from collections.abc import Iterable, Iterator

__all__ = [
    "has_backslashed_quotes",
    "with_doubled_quotes",
]

_BACKSLASHED = re.compile(r'(?:^|[,;\t|])"(?:[^"\\\r\n]|\\[^"\r\n])*\\"(?![",;\t|\r\n]|$)', re.MULTILINE)
r"""A field in quotes that goes on behind `\"`. In CSV with doubled quotes `\"` can only end a field."""
_ESCAPED = re.compile(r'\\(["\\\r\n])')


def has_backslashed_quotes(chunks: Iterable[str]) -> bool:
    r"""Whether a quote within a field is written with a backslash.

    >>> has_backslashed_quotes(['1,"say \\"hi\\", ok"\n']), has_backslashed_quotes(['1,"C:\\tmp\\",2\n'])
    (True, False)
    """
    return any('\\"' in chunk and _BACKSLASHED.search(chunk) for chunk in chunks)


def with_doubled_quotes(chunks: Iterable[str]) -> Iterator[str]:
    r"""Yield the text with doubled quotes, and without the backslashes before backslashes and line breaks.

    >>> print("".join(with_doubled_quotes(['1,"say \\', '"hi\\" now","C:\\\\tmp",\\N'])))
    1,"say ""hi"" now","C:\tmp",\N
    """
    kept = ""
    for chunk in chunks:
        text = kept + chunk
        kept = "\\" if (len(text) - len(text.rstrip("\\"))) % 2 else ""
        text = text[: len(text) - len(kept)]
        yield _ESCAPED.sub(lambda found: '""' if found[1] == '"' else found[1], text)
    yield kept
