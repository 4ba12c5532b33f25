"""Keep the catalogues in step with the messages: `python -m smsroi_helpers.locale.messages`.

Messages are collected from the package's calls of `_`, from the page templates' and from the notebooks' Markdown, one
per paragraph. New ones are added untranslated, changed ones are marked fuzzy, gone ones are dropped.
"""

import json
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from smsroi_helpers.locale import paragraphs

__all__ = ["collect_messages", "update_catalogues"]

_PACKAGE = Path(__file__).parents[1]


def collect_messages(notebooks: Path) -> dict[str, list[tuple[str, int]]]:
    """Every message, with the places it stands in (file, line or cell number).

    Args:
        notebooks: the folder of the notebooks.
    """
    found: dict[str, list[tuple[str, int]]] = {}
    methods = [("**.py", "python"), ("**.j2", "jinja2.ext:babel_extract")]
    for name, line, message, _comments, _context in extract_from_dir(
        _PACKAGE, method_map=methods, keywords={"_": None}, options_map={"**.j2": {"trimmed": "true"}}
    ):
        found.setdefault(str(message), []).append((f"smsroi_helpers/{name}", line))
    for file in sorted(notebooks.glob("[0-9][0-9]_*.ipynb")):
        cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
        for number, cell in enumerate(cells, start=1):
            if cell["cell_type"] == "markdown":
                for paragraph in paragraphs("".join(cell["source"])):
                    found.setdefault(paragraph, []).append((f"notebooks/{file.name}", number))
    return found


def update_catalogues(notebooks: Path) -> None:
    """Bring every catalogue in step with the messages."""
    template = Catalog(project="smsroi-helpers", charset="utf-8")
    for message, places in collect_messages(notebooks).items():
        template.add(message, locations=[(file, None) for file in dict.fromkeys(file for file, _line in places)])
    for file in sorted(Path(__file__).parent.glob("*/LC_MESSAGES/smsroi.po")):
        with file.open("rb") as stream:
            catalogue = read_po(stream, locale=file.parents[1].name)
        catalogue.update(template)
        catalogue.obsolete.clear()
        with file.open("wb") as stream:
            write_po(stream, catalogue, width=110, include_lineno=False, ignore_obsolete=True, sort_by_file=True)


if __name__ == "__main__":
    update_catalogues(_PACKAGE.parent / "notebooks")
