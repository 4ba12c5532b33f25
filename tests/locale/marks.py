"""Half-width marks between Chinese words, in what a reader sees of a page."""

import re
from html.parser import HTMLParser
from pathlib import Path

__all__ = ["HALF_WIDTH", "visible_texts"]

_HAN = "[\u2e80-\u2fff\u3400-\u9fff]"
_WIDE = "[\u2e80-\ufaff，。：；、！？（）《》「」“”]"
HALF_WIDTH = re.compile(
    rf"{_WIDE}\s*[.,;:!?](?:\s|$)|(?<![0-9])[.,;:!?]\s*{_WIDE}|{_WIDE}\s*\(|\){_HAN}|{_HAN}\s*[,;:?!()]\s*{_HAN}"
)
_UNREAD = {"style", "script", "code", "pre"}
_INLINE = {"a", "b", "em", "i", "span", "strong", "sub", "sup", "math", "mi", "mo", "msub", "msup", "mrow", "mtext"}


class _Reader(HTMLParser):
    """Collects the text of each block, and of descriptions."""

    def __init__(self) -> None:
        super().__init__()
        self.texts = [""]
        self._unread = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if described := [value for name, value in attrs if name in ("aria-label", "alt") and value]:
            self.texts += [*described, ""]
        self._unread += tag in _UNREAD
        self._split(tag)

    def handle_endtag(self, tag: str) -> None:
        self._unread -= tag in _UNREAD
        self._split(tag)

    def handle_data(self, data: str) -> None:
        if not self._unread:
            self.texts[-1] += data

    def _split(self, tag: str) -> None:
        if tag not in _INLINE:
            self.texts.append("")


def visible_texts(page: Path) -> list[str]:
    """The texts of a page: of each paragraph, cell and heading, and of figures' descriptions; code is left out."""
    reader = _Reader()
    reader.feed(page.read_text(encoding="utf-8"))
    reader.close()
    return [" ".join(text.split()) for text in reader.texts if text.strip()]
