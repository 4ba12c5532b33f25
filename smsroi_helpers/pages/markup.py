"""Pieces of a page: markup in which every piece of data is text.

Nothing here trusts its input: each string that may come from data is redacted and escaped, so that a campaign named
`<script>` stays text.
"""

import html
import math
from dataclasses import dataclass
from typing import Any

import pandas as pd

from smsroi_helpers.errors import redact

__all__ = [
    "EMPTY",
    "Html",
    "as_text",
    "is_missing",
    "note",
]

EMPTY = "–"
"""What stands where there is no value."""


@dataclass(frozen=True, slots=True)
class Html:
    """A piece of page: markup whose data is already text, and the same in words for a terminal.

    The renderer shows as markup only outputs that carry this class's mark; any other HTML output appears as the
    plain text beside it.
    """

    markup: str
    """The HTML."""
    text: str
    """What stands in for it where HTML is not shown."""

    def _repr_html_(self) -> str:
        return self.markup

    def _repr_mimebundle_(self, **_asked_for: Any) -> tuple[dict[str, str], dict[str, Any]]:
        return {"text/html": self._repr_html_(), "text/plain": self.text}, {"text/html": {"smsroi": True}}

    def __repr__(self) -> str:
        return self.text


def as_text(value: object) -> str:
    """Any value as page text: no phone number or address in it, no markup, no control or direction-changing sign."""
    shown = "".join(character for character in redact(str(value)) if character.isprintable() or character.isspace())
    return html.escape(" ".join(shown.split()))


def is_missing(value: object) -> bool:
    """Whether a cell of a table holds nothing: None, NaN, NaT or NA."""
    return value is None or value is pd.NaT or value is pd.NA or (isinstance(value, float) and math.isnan(value))


def note(text: str) -> Html:
    """A remark in a box of its own, as text."""
    return Html(f'<p class="note">{as_text(text)}</p>', text)
