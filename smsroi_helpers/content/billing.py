"""Billing segments of a text, and what a shorter text would save.

A text is sent in GSM-7 (160 septets, or 153 in each part of several) if every character is in its alphabet; else, with
one emoji, one curly quote or one Chinese character, the whole text is sent in UCS-2 (70 units, or 67). Characters of
the extension table take two septets, and emoji two UCS-2 units; neither is split between two parts.

References:
    3GPP TS 23.038: alphabets, sections 6.2.1 (GSM-7 and its extension table) and 6.2.3 (UCS-2); TS 23.040, section
    9.2.3.24.1: the header of concatenated messages takes 6 of 140 octets.
"""

import bisect
import re
from dataclasses import dataclass
from typing import Literal

__all__ = [
    "Bill",
    "Change",
    "Shortening",
    "bill",
    "complete",
    "shorten",
]

GSM_7 = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""The default alphabet: one septet each."""
GSM_7_EXTENSION = frozenset("\f^{}\\[~]|€")
"""Two septets each."""
LIMITS = {"GSM-7": (160, 153), "UCS-2": (70, 67)}
"""Units in a single message, and in each part of several."""
PLAIN = {
    "‘": "'", "’": "'", "“": '"', "”": '"', "–": "-", "—": "-", "…": "...", "\u00a0": " ", "•": "-", "´": "'", "`": "'",
    "á": "a", "í": "i", "ó": "o", "ú": "u", "ê": "e", "â": "a", "ç": "c", "™": "(TM)", "®": "(R)", "\u200b": "",
}  # fmt: skip
"""Characters outside GSM-7 that have a spelling in it which reads the same."""
EMOJI = re.compile(
    "[\U0001f000-\U0001faff\u2600-\u27bf\u2b00-\u2bff\u2300-\u23ff]"
    "[\ufe0e\ufe0f\u200d\u20e3\U0001f3fb-\U0001f3ff\U0001f000-\U0001faff\u2640\u2642]*"
)


@dataclass(frozen=True)
class Bill:
    """What one text counts at the gateway."""

    encoding: Literal["GSM-7", "UCS-2"]
    units: int
    """Septets in GSM-7, 16-bit units in UCS-2."""
    segments: int
    """Messages that are billed, at least 1."""

    @property
    def excess(self) -> int:
        """Units above one message; 0 where the text fits in one."""
        return max(self.units - LIMITS[self.encoding][0], 0)


def bill(text: str) -> Bill:
    """The encoding, units and billing segments of a text, as sent: with signature and opt-out notice.

    >>> bill("a" * 160).segments, bill("a" * 161).segments, bill("好" * 70).segments, bill("好" * 71).segments
    (1, 2, 1, 2)
    >>> bill("10 €"), bill("10 😊")
    (Bill(encoding='GSM-7', units=5, segments=1), Bill(encoding='UCS-2', units=5, segments=1))
    """
    if all(letter in GSM_7 or letter in GSM_7_EXTENSION for letter in text):
        return _count("GSM-7", [2 if letter in GSM_7_EXTENSION else 1 for letter in text])
    return _count("UCS-2", [2 if ord(letter) > 0xFFFF else 1 for letter in text])


def _count(encoding: Literal["GSM-7", "UCS-2"], sizes: list[int]) -> Bill:
    units, (single, part) = sum(sizes), LIMITS[encoding]
    if units <= single:
        return Bill(encoding, units, 1)
    segments, filled = 1, 0
    for size in sizes:
        if filled + size > part:
            segments, filled = segments + 1, 0
        filled += size
    return Bill(encoding, units, segments)


def complete(text: str, signature: str = "", opt_out_notice: str = "") -> str:
    """The text as it reaches the handset, where the gateway adds a signature or an opt-out notice.

    Args:
        text: as the source has it.
        signature: put in front of a text that begins with no 【…】 and does not have it.
        opt_out_notice: put behind a text that does not have it.

    >>> complete("新季上架", "【北风】", "回T退订"), complete("【北风】新季上架 回T退订", "【北风】", "回T退订")
    ('【北风】新季上架回T退订', '【北风】新季上架 回T退订')
    """
    if signature and signature not in text and not text.lstrip().startswith("【"):
        text = signature + text
    return text if opt_out_notice in text else text + opt_out_notice


Change = Literal["none", "replace", "drop_emoji"]


@dataclass(frozen=True)
class Shortening:
    """A cheaper version of a text: how, and how many segments it takes."""

    how: Literal["none", "replace", "drop_emoji", "cut"]
    """`replace`: characters with a GSM-7 spelling; `drop_emoji`: these and emoji; `cut`: `cut` characters, after
    `first`."""
    segments: int
    """Of the version; the present number for `none`."""
    cut: int = 0
    """Characters to cut, beyond what is replaced or dropped."""
    first: Change = "none"
    """What to replace or drop before so much has to be cut."""


def shorten(text: str, most_cut: float = 0.3) -> Shortening:
    """The smallest change that makes a text cost fewer segments.

    First characters are replaced that read the same in GSM-7, then emoji are dropped, then characters are cut at the
    end, down to one segment, or to one fewer where that is too much.

    Args:
        text: as sent.
        most_cut: the largest share (0–1) of the text's characters that may be cut.

    >>> shorten("Don’t miss it" + "!" * 80)
    Shortening(how='replace', segments=1, cut=0, first='none')
    >>> shorten("好" * 75)
    Shortening(how='cut', segments=1, cut=5, first='none')
    >>> shorten("a" * 165 + "😊")
    Shortening(how='cut', segments=1, cut=5, first='drop_emoji')
    """
    now = bill(text)
    if now.segments == 1:
        return Shortening("none", 1)
    replaced = "".join(PLAIN.get(letter, letter) for letter in text)
    without = " ".join(EMOJI.sub("", replaced).split(" ")).strip()
    found = Shortening("none", now.segments)
    versions: tuple[tuple[Change, str], ...] = (
        ("replace", replaced),
        ("drop_emoji", without),
    )
    for how, version in versions:
        segments = bill(version).segments
        if segments < found.segments:
            found = Shortening(how, segments)
    if found.segments == 1:
        return found
    version = replaced
    first: Change = "replace" if bill(replaced) != now else "none"
    if found.how == "drop_emoji":
        version, first = without, "drop_emoji"
    lengths = range(len(version) + 1)
    for target in range(1, found.segments):
        kept = bisect.bisect_right(lengths, target, key=lambda length: bill(version[:length]).segments) - 1
        if 0 < len(version) - kept <= most_cut * len(version):
            return Shortening("cut", target, len(version) - kept, first)
    return found
