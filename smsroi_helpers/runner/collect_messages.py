"""Update the message catalogues: `python -m smsroi_helpers.runner.collect_messages`.

Messages come from calls of `_` in the package and the page templates, from the contract's rules, from the sources of
the rules on sending, and from the notebooks (each paragraph of Markdown, and the comments of parameters). New messages
are added untranslated, changed ones are marked fuzzy, unused ones are removed. `tests/locale/test_locale.py` lists the
messages without translation.
"""

import io
import json
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from smsroi_helpers import contract, measures, source
from smsroi_helpers.locale import heading_parts, paragraphs
from smsroi_helpers.runner.parameters import find_notebooks

__all__ = [
    "FINDING_MESSAGES",
    "collect_messages",
    "update_catalogues",
]

_PACKAGE = Path(__file__).parents[1]

FINDING_MESSAGES = (
    "not in the contract",
    "the column is not read",
    "time shown twice",
    "the clock was set back, so this time is ambiguous; write times with their offset",
    "declared by the mapping, in exclusions.sql",
    "rows without a pseudonym",
    "set SMSROI_KEY to give each row a pseudonym, by which the holder of the key can find it",
    "later than as_of",
    "left out; a later as_of would take them in",
    "read as if it had not happened; if the log was observed until then, set as_of to that day",
)
"""Texts of findings by `source` and `quality`: English in tables, translated on pages."""

_HEADER = """\
msgid ""
msgstr ""
"Language: {language}\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"

"""
"""Replaces Babel's header, which contains the time of creation."""


def collect_messages(notebooks: Path) -> dict[str, list[tuple[str, int]]]:
    """Return every message with its places (file, line or cell number).

    Args:
        notebooks: folder of the notebooks.
    """
    found: dict[str, list[tuple[str, int]]] = {}
    methods = [("**.py", "python"), ("**.j2", "jinja2.ext:babel_extract")]
    for name, line, message, _comments, _context in extract_from_dir(
        _PACKAGE,
        method_map=methods,
        keywords={"_": None, "NotEnoughData": None},
        options_map={"**.j2": {"trimmed": "true"}},
    ):
        found.setdefault(str(message), []).append((f"smsroi_helpers/{name}", line))
    for text in (*_rules(), *FINDING_MESSAGES, *source.PEOPLE_MESSAGES):
        found.setdefault(text, []).append(("smsroi_helpers/contract/rules.py", 0))
    for sending in measures.RULES.values():
        found.setdefault(sending.source, []).append(("smsroi_helpers/measures/sending_rules.py", 0))
    for file in sorted([*notebooks.glob("[0-9][0-9]_*.ipynb"), *notebooks.glob("instead/*.ipynb")]):
        cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
        for number, cell in enumerate(cells, start=1):
            if cell["cell_type"] == "markdown":
                for paragraph in paragraphs("".join(cell["source"])):
                    _mark, words = heading_parts(paragraph)
                    found.setdefault(words, []).append((f"notebooks/{file.relative_to(notebooks)}", number))
    for notebook in find_notebooks(notebooks.parent):
        for parameter in notebook.parameters.values():
            if parameter.meaning:
                found.setdefault(parameter.meaning, []).append((f"notebooks/{notebook.name}.ipynb", 0))
    return found


def _rules() -> Iterator[str]:
    """Yield the name and the remedy of each rule."""
    for rule in contract.RULES:
        yield from (rule.code, rule.remedy)
    for warning in contract.DATA_WARNINGS:
        yield from (warning.code, warning.remedy)
    for code, remedy in contract.READING.items():
        yield from (code, remedy)
    for code in (*contract.KEY_FAULTS, contract.WRONG_FIELDS):
        yield from (code, contract.remedy_for(f": {code}", contract.TABLES["orders"]))


def update_catalogues(notebooks: Path) -> None:
    """Update every catalogue.

    Args:
        notebooks: folder of the notebooks.
    """
    template = Catalog(project="smsroi-helpers", charset="utf-8")
    for message, places in collect_messages(notebooks).items():
        template.add(message, locations=[(file, None) for file in dict.fromkeys(file for file, _line in places)])
    for file in sorted((_PACKAGE / "locale").glob("*/LC_MESSAGES/smsroi.po")):
        language = file.parents[1].name
        with file.open("rb") as stream:
            catalogue = read_po(stream, locale=language)
        catalogue.update(template)
        written = io.BytesIO(_HEADER.format(language=language).encode())
        written.seek(0, io.SEEK_END)
        write_po(
            written, catalogue, width=110, omit_header=True, include_lineno=False, ignore_obsolete=True,
            sort_by_file=True,
        )  # fmt: skip
        file.write_bytes(written.getvalue())


if __name__ == "__main__":
    update_catalogues(_PACKAGE.parent / "notebooks")
