"""The layouts of platforms' exports: which columns each has, and how a file is recognised by them.

A layout is `<kind>/layout.yml`; its templates are `<kind>/*.sql`. Headings are compared without blanks, signs and
capital letters.
"""

import functools
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from smsroi_helpers.errors import UsageError, shortened, shown_value
from smsroi_helpers.source.files import is_helper
from smsroi_helpers.source.yaml_text import parse_yaml

__all__ = [
    "KINDS",
    "Layout",
    "Match",
    "Part",
    "layout_of",
    "match_part",
    "recognise",
]

FOLDER = Path(__file__).parent
KINDS = ("shopify", "woocommerce", "youzan", "taobao", "klaviyo", "twilio", "attentive", "aliyun", "tencent")
"""Platforms whose exports are known; shops first."""


@dataclass(frozen=True)
class Part:
    """One sort of file that a platform exports."""

    kind: str
    name: str
    """Name of the rows in the templates, such as `shopify_orders`."""
    templates: dict[str, str]
    """Table of the contract, `exclusions` or helper view (`_name`) → file name of its template."""
    columns: dict[str, tuple[str, ...]]
    """Column in the templates → headings that it may have, the usual one first."""
    required: tuple[str, ...]
    """Columns by which the file is recognised."""
    one_of: tuple[str, ...] = ()
    """Columns of which at least one must be there."""
    without: tuple[str, ...] = ()
    """Headings that another sort of file has."""
    times: tuple[str, ...] = ()
    """Columns with times as the platform writes them."""
    instants: tuple[str, ...] = ()
    """Columns with times that the templates compare, so that they are converted first."""
    utc: bool = False
    """Times without an offset are UTC, not in the source's time zone."""
    status: str = ""
    """Column with words that decide how a row is read."""
    words: tuple[str, ...] = ()
    """Words of `status` that the templates know, in lower case."""
    identities: dict[str, str] = field(default_factory=dict)
    """What the shared template `identities.sql` reads: `rows`, the columns `key` and `phone`, and the `key_kind`."""

    @property
    def helpers(self) -> tuple[str, ...]:
        """Names of the helper views that its templates query."""
        return tuple(name for name in self.templates if is_helper(name))


@dataclass(frozen=True)
class Layout:
    """What is known of a platform's exports."""

    kind: str
    title: str
    pages: tuple[str, ...]
    """Public pages from which the layout was taken."""
    read: str
    """Day on which they were read (ISO)."""
    not_verified: str
    """What could not be verified there."""
    assumes: tuple[str, ...]
    """How the export is understood, in words."""
    settings: dict[str, str]
    """Time zone, country and currency of every shop of this platform."""
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Match:
    """A part compared with the headings of a file."""

    part: Part
    found: dict[str, str]
    """Column in the templates → heading in the file."""
    missing: tuple[str, ...]
    """Usual headings of what the part needs and the file lacks; empty: the file is such a part."""


@functools.cache
def layout_of(kind: str) -> Layout:
    """Return the layout of a kind."""
    content: dict[str, Any] = parse_yaml((FOLDER / kind / "layout.yml").read_text(encoding="utf-8"))[0]
    return Layout(
        kind=kind,
        title=content["title"],
        pages=tuple(content["pages"]),
        read=str(content["read"]),
        not_verified=content["not_verified"],
        assumes=tuple(content["assumes"]),
        settings={name: content[name] for name in ("timezone", "country", "currency") if name in content},
        parts=tuple(_part(kind, name, entry) for name, entry in content["parts"].items()),
    )


def _part(kind: str, name: str, entry: Mapping[str, Any]) -> Part:
    own = ({"identities": "../identities.sql"} if "identities" in entry else {}) | entry.get("templates", {})
    return Part(
        kind=kind,
        name=name,
        templates={table: own.get(table, f"{table}.sql") for table in (*entry.get("helpers", ()), *entry["tables"])},
        columns={column: tuple(headings) for column, headings in entry["columns"].items()},
        identities=dict(entry.get("identities", {})),
        utc=bool(entry.get("utc", False)),
        status=entry.get("status", ""),
        words=tuple(str(word).lower() for word in entry.get("words", ())),
        **{key: tuple(entry.get(key, ())) for key in ("required", "one_of", "without", "times", "instants")},
    )


def _plain(heading: str) -> str:
    """Return a heading for comparison: without blanks, signs and capital letters.

    >>> _plain("Created at"), _plain("订单实付金额（元）"), _plain("$event_id")
    ('createdat', '订单实付金额元', '$eventid')
    """
    text = unicodedata.normalize("NFKC", heading).casefold()
    return "".join(character for character in text if character.isalnum() or character == "$")


def match_part(part: Part, headings: Sequence[str]) -> Match:
    """Compare a part with the headings of a file."""
    by_name = {_plain(heading): heading for heading in reversed(headings)}
    found = {}
    for column, names in part.columns.items():
        if heading := next((by_name[_plain(name)] for name in names if _plain(name) in by_name), ""):
            found[column] = heading
    missing = [part.columns[column][0] for column in part.required if column not in found]
    if part.one_of and not set(part.one_of) & set(found):
        missing.append(" or ".join(part.columns[column][0] for column in part.one_of))
    if unwanted := [name for name in part.without if _plain(name) in by_name]:
        missing.append(f"a file without {by_name[_plain(unwanted[0])]}")
    return Match(part, found, tuple(missing))


def recognise(file_name: str, headings: Sequence[str], kind: str = "") -> Match:
    """Return what a file is, by its columns.

    Args:
        file_name: for messages.
        headings: its column names.
        kind: the platform, if it is known; empty: any.

    Raises:
        UsageError: no layout fits, or those of two platforms do.
    """
    parts = [part for name in ([kind] if kind else KINDS) for part in layout_of(name).parts]
    matches = [match_part(part, headings) for part in parts]
    fitting = sorted((match for match in matches if not match.missing), key=lambda match: -len(match.found))
    kinds = sorted({match.part.kind for match in fitting}, key=KINDS.index)
    if len(kinds) == 1:
        return fitting[0]
    found = shortened(", ".join(map(shown_value, headings)), 400)
    if kinds:
        raise UsageError(
            f"{file_name}: may be an export of {' or '.join(kinds)} (columns found: {found}); name the platform before"
            f" the file: smsroi import {kinds[0]} {file_name} …"
        )
    closest = "; ".join(
        f"{match.part.kind} (lacks {', '.join(match.missing)})" for match in _closest(matches, 1 if kind else 3)
    )
    raise UsageError(
        f"{file_name}: not an export of {kind or 'a platform that is known'} (columns found: {found}); closest:"
        f" {closest}; if it is another export, write a mapping (data/README.md)"
    )


def _closest(matches: Iterable[Match], most: int) -> list[Match]:
    """Return the matches that lack least, of each platform the best."""
    ranked = sorted(matches, key=lambda match: (len(match.missing), -len(match.found)))
    best: dict[str, Match] = {}
    for match in ranked:
        best.setdefault(match.part.kind, match)
    return list(best.values())[:most]
