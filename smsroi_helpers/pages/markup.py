"""Markup of pages in which all data are text.

Every string that may come from data is redacted and escaped, so that a campaign named `<script>` stays text.
"""

import html
import math
import re
from dataclasses import dataclass
from typing import Any

import pandas as pd

from smsroi_helpers.errors import redact

__all__ = [
    "EMPTY",
    "NO_MATHS",
    "Html",
    "as_text",
    "as_words",
    "is_missing",
    "note",
    "stacked",
]

EMPTY = "–"
"""Placeholder for a missing value."""
NO_MATHS = ('<div class="tex2jax_ignore mathjax_ignore">', "</div>")
"""Around markup in a notebook: without it JupyterLab typesets what lies between two dollar signs as a formula."""


@dataclass(frozen=True, slots=True)
class Html:
    """Markup with escaped data, and the same content as plain text.

    The renderer shows as markup only outputs with the metadata of this class; other HTML outputs appear as plain text.
    """

    markup: str
    """The HTML."""
    text: str
    """Plain text, for use without HTML."""

    def _repr_html_(self) -> str:
        return self.markup

    def _repr_mimebundle_(self, **_asked_for: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        shown = self._repr_html_().join(NO_MATHS)
        return {"text/html": shown, "text/plain": self.text}, {"text/html": {"smsroi": True}}

    def __repr__(self) -> str:
        return self.text


def as_text(value: object) -> str:
    """Return a value as text for a page: redacted, escaped, without control or direction-changing characters."""
    shown = "".join(character for character in redact(str(value)) if character.isprintable() or character.isspace())
    return html.escape(" ".join(shown.split()))


def as_words(text: str) -> str:
    """Return a text of the package with its data as markup: text, with names between backticks as code.

    >>> as_words("set `alpha` < 1")
    'set <code>alpha</code> &lt; 1'
    """
    return re.sub(r"`([^`<>]+)`", r"<code>\1</code>", as_text(text))


def is_missing(value: object) -> bool:
    """Whether a value is missing: None, NaN, NaT or NA."""
    return value is None or value is pd.NaT or value is pd.NA or (isinstance(value, float) and math.isnan(value))


def stacked(*parts: Html) -> Html:
    """Return several parts of a page as one, in their order."""
    return Html("".join(part.markup for part in parts), "\n".join(part.text for part in parts))


def note(text: str) -> Html:
    """Return a note in a box, as text."""
    return Html(f'<p class="note">{as_words(text)}</p>', text)
