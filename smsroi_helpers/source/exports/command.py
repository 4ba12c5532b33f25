"""What `smsroi import` reads from its command line, and what it prints."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from smsroi_helpers.errors import UsageError
from smsroi_helpers.source.exports.imported import Imported
from smsroi_helpers.source.exports.layouts import KINDS
from smsroi_helpers.source.pseudonym_key import MAKE_A_KEY, USE_THE_KEY, find_key

__all__ = [
    "describe_import",
    "files_with_kinds",
]


def files_with_kinds(words: Sequence[str]) -> list[tuple[str, Path]]:
    """Return the files, each with the kind named before it; empty: none is.

    Raises:
        UsageError: there is no file.

    >>> [(kind, file.name) for kind, file in files_with_kinds(["a.csv", "twilio", "b.csv"])]
    [('', 'a.csv'), ('twilio', 'b.csv')]
    """
    kind, named = "", []
    for word in words:
        if word in KINDS and not Path(word).is_file():
            kind = word
        else:
            named.append((kind, Path(word)))
    if not named:
        raise UsageError("name a file: smsroi import FILE… --to data/shop")
    return named


def describe_import(imported: Imported, shown: Callable[[Path], str] = str, program: str = "smsroi") -> Iterator[str]:
    """Yield what was found, assumed and written, and the commands that come next.

    Args:
        imported: the source.
        shown: how a path is written.
        program: how this program is called.
    """
    for file in imported.files:
        yield f"{file.name}: {file.title}, {file.rows:,} rows"
        yield f"  columns used: {', '.join(file.used)}"
        if file.not_used:
            yield f"  columns found and not used: {', '.join(file.not_used)}"
    yield ""
    yield "assumed (correct it in source.yml, or in the mappings):"
    for assumption in imported.assumed:
        yield f"  {assumption.name}: {assumption.value or 'not known'} ({assumption.reason})"
    for note in imported.notes:
        yield f"  {note}"
    yield ""
    yield f"written to {shown(imported.folder)}:"
    for table, rows in imported.tables.items():
        yield f"  {table}.sql: {rows:,} rows"
    for reason, rows in imported.left_out.items():
        yield f"  left out, in exclusions.sql: {reason}: {rows:,}"
    yield ""
    yield "next:"
    if imported.needs_key and find_key(imported.folder) is None:
        yield f"  {MAKE_A_KEY}   # once; keep it"
        yield f"  {USE_THE_KEY}   # in each terminal, and in the scheduler's environment"
    yield f"  {program} check {shown(imported.folder)}"
    there = "" if imported.parameter_file_is_new else "   # it was there already, and is unchanged"
    yield f"  {program} run {shown(imported.parameter_file)}{there}"
