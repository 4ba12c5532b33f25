"""The page of an executed notebook: the answer first, then the evidence; data, method and code are folded."""

import dataclasses
import functools
import html
import io
import json
import re
import tokenize
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
from nbconvert.exporters import TemplateExporter
from nbconvert.filters.ansi import strip_ansi
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbformat import NotebookNode
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer
from traitlets.config import Config

from smsroi_helpers import locale
from smsroi_helpers.contract import FINISHED, PAGE_MARKUP
from smsroi_helpers.errors import PageError, redact
from smsroi_helpers.locale import _
from smsroi_helpers.pages import NO_MATHS, question_anchor, stage_words, table
from smsroi_helpers.runner.frame import (
    TEMPLATES,
    asset,
    clean,
    day_words,
    framed,
    simulated_words,
    template,
    title_words,
)
from smsroi_helpers.runner.glossary import link_words
from smsroi_helpers.runner.parameters import INSTEAD
from smsroi_helpers.runner.unbroken import keep_together

__all__ = ["notebook_page", "page_question"]

# Headings of the notebooks → (anchor, folded), in the order of the page.
_SECTIONS = {
    "Decision": ("decision", False),
    "Result": ("result", False),
    "Checks": ("checks", True),
    "What would change this decision": ("change", False),
    "What this does not show": ("limits", False),
    "Data and exclusions": ("data", True),
    "Method and assumptions": ("method", True),
}


@dataclasses.dataclass(slots=True)
class _Section:
    anchor: str
    title: str
    folded: bool = False
    css: str = ""
    cells: list[NotebookNode] = dataclasses.field(default_factory=list)


def _read(path: Path) -> NotebookNode:
    """The notebook as papermill has written it: `nbformat.read` would validate it again, which takes longer."""
    notebook: NotebookNode = nbformat.v4.reads(path.read_text(encoding="utf-8"))
    return notebook


def _node(**entries: Any) -> NotebookNode:
    """A part of a notebook with metadata; nbformat's own functions would validate each, and the whole again."""
    return NotebookNode({"metadata": NotebookNode(), **entries})


def _markdown_cell(text: str) -> NotebookNode:
    return _node(cell_type="markdown", source=text)


def _cell(source: str, outputs: Sequence[NotebookNode] = ()) -> NotebookNode:
    return _node(cell_type="code", source=source, outputs=list(outputs), execution_count=None)


def page_question(path: Path, stage: str) -> str:
    """Return the question that the page of a notebook answers: its heading, else the name of its stage."""
    opening = _Section("opening", "")
    for cell in _read(path).cells:
        if cell.cell_type == "markdown":
            for heading, text in _split_at_headings(cell.source):
                if heading:
                    return _first_heading(opening) or stage_words(stage)
                opening.cells.append(_markdown_cell(locale.translate_markdown(text)))
    return _first_heading(opening) or stage_words(stage)


def notebook_page(
    path: Path,
    manifest: Mapping[str, Any],
    show_code: bool,
    questions: Mapping[str, str],
    caveats: Sequence[tuple[str, str]] = (),
    lists: Sequence[Mapping[str, Any]] = (),
) -> str:
    """Return the page of an executed notebook.

    Args:
        path: of the notebook.
        manifest: of the run.
        show_code: whether the page contains the code (folded).
        questions: notebook → question of each page of the run, in their order.
        caveats: (question, caveat) of its amounts that rest on models found to have changed.
        lists: of `customer_lists.links_by_page`: those of its answers.
    """
    notebook = _read(path)
    opening, sections = _arrange(notebook, path.stem)
    question = questions[path.stem]
    parameters = _parameters_table(notebook, manifest["parameters"].get(path.stem, {}))
    if parameters:
        sections[-1].cells.insert(0, parameters)
    sections = [section for section in sections if any(_has_content(cell, show_code) for cell in section.cells)]

    source = manifest["source"]
    context = " · ".join(
        (
            title_words(source),
            simulated_words(source),
            _("as of {date}").format(date=day_words(manifest["as_of"])),
        )
    )
    shown = [section for section in sections if section.title]
    reason = redact(str(manifest["notebooks"][path.stem].get("reason") or ""))
    text, words = link_words(_cells_to_html(sections, show_code))
    body = template("notebook.html.j2").render(
        context=context,
        opening=_without_repetition(_cells_to_html([opening], show_code), question),
        in_place_of=reason and locale.sentence(reason),
        caveats=[{"question": "" if asked == question else asked, "text": text} for asked, text in caveats],
        lists=[dict(one) | {"question": "" if one["question"] == question else one["question"]} for one in lists],
        checked=_drift_place(manifest, questions),
        sections=shown,
        body=text,
        words=words,
        earlier=_neighbour(path.stem, questions, -1),
        later=_neighbour(path.stem, questions, 1),
    )
    return framed(keep_together(body), f"{question} · {title_words(source)}", manifest["language"])


def _drift_place(manifest: Mapping[str, Any], questions: Mapping[str, str]) -> str:
    """Where the run compares models with the newest weeks."""
    pages = {manifest["notebooks"][name]["stage"]: f"{name}.html" for name in questions}
    anchor = question_anchor(_("Are the models still valid?"))
    return f"{pages['effectiveness']}#{anchor}" if "effectiveness" in pages else ""


def _without_repetition(opening: str, question: str) -> str:
    """The opening without the question above the answer, where the heading of the page asks the same."""

    def kept(asked: re.Match[str]) -> str:
        return "" if html.unescape(asked[1]) == question else asked[0]

    return re.sub(r'<p class="q">(.*?)</p>', kept, opening, count=1)


def _neighbour(name: str, questions: Mapping[str, str], step: int) -> dict[str, str] | None:
    """The page before (−1) or after (1) in the order of the run; None at either end."""
    names = list(questions)
    place = names.index(name) + step
    return {"href": f"{names[place]}.html", "title": questions[names[place]]} if 0 <= place < len(names) else None


def _arrange(notebook: NotebookNode, name: str) -> tuple[_Section, list[_Section]]:
    """Return the opening (question, answer) and the sections in the order of the page, the set-up last."""
    opening = _Section("opening", "", css="opening")
    setup = _Section("setup", _("Parameters and set-up"), folded=True)
    found: list[_Section] = [opening]
    for number, cell in enumerate(notebook.cells, start=1):
        if cell.cell_type == "markdown":
            for heading, text in _split_at_headings(cell.source):
                if heading:
                    found.append(_section(heading, len(found)))
                found[-1].cells.append(_markdown_cell(locale.translate_markdown(text)))
        elif cell.cell_type == "code":
            shown = _code_cell(cell, name, number)
            if "injected-parameters" in cell.metadata.get("tags", []):
                shown.source = ""
            code, shown.source = _cell(shown.source), ""
            found[-1].cells.append(shown)
            # The opening has the question and the answer without code; code that finishes the notebook is not shown
            # either.
            last = any(FINISHED in output.get("data", {}) for output in cell.outputs)
            aside = found[-1] is opening or found[-1].anchor == "decision" or last
            (setup if aside else found[-1]).cells.append(code)

    order = list(_SECTIONS)
    ranked: list[tuple[int, _Section]] = []
    rank = -1
    for section in found[1:]:
        # A heading added by the analyst stays after the section that it followed.
        rank = next((i for i, heading in enumerate(order) if _SECTIONS[heading][0] == section.anchor), rank)
        ranked.append((rank, section))
    ordered = [section for _rank, section in sorted(ranked, key=lambda pair: pair[0])]
    decision = [section for section in ordered if section.anchor == "decision"]
    for section in decision:
        answers = [cell for cell in section.cells if cell.cell_type == "code"]
        opening.cells += answers + [cell for cell in section.cells if cell.cell_type != "code"]
    shown = [section for section in ordered if section not in decision] + [setup]
    for section in shown:
        _gather_code(section)
    return opening, shown


def _gather_code(section: _Section) -> None:
    """Put the code of a section into one cell at its end, so that the page has one “Code” to open a section."""
    coded = [cell for cell in section.cells if cell.cell_type == "code" and cell.source.strip()]
    code = "\n\n".join(cell.source.strip("\n") for cell in coded)
    for cell in coded:
        cell.source = ""
    section.cells.append(_cell(code))


def _section(heading: str, position: int) -> _Section:
    anchor, folded = _SECTIONS.get(heading, (f"section-{position}", False))
    return _Section(anchor, locale.translated(heading), folded)


def _split_at_headings(markdown: str) -> list[tuple[str, str]]:
    """Split Markdown into (second-level heading or "", text); fenced code is not split."""
    parts: list[tuple[str, list[str]]] = [("", [])]
    fenced = False
    for line in markdown.splitlines():
        fenced ^= line.lstrip().startswith("```")
        if not fenced and line.startswith("## "):
            parts.append((line[3:].strip(), []))
        else:
            parts[-1][1].append(line)
    return [(heading, "\n".join(lines)) for heading, lines in parts if heading or any(map(str.strip, lines))]


def _code_cell(cell: NotebookNode, name: str, number: int) -> NotebookNode:
    """Return the cell with the outputs to show.

    Only markup of `pages` is shown as markup; any other output is shown as plain text.

    Raises:
        PageError: an output is a picture without description.
    """
    kept = []
    for output in cell.outputs:
        if output.output_type in ("display_data", "execute_result"):
            if FINISHED in output.data:
                continue
            data = {}
            if "text/html" in output.data and output.metadata.get("text/html", {}).get("smsroi"):
                # Of a figure the page shows the SVG, not the PNG meant for JupyterLab.
                own = "".join(output.data["text/html"]).removeprefix(NO_MATHS[0]).removesuffix(NO_MATHS[1])
                data["text/html"] = output.data.get(PAGE_MARKUP, own)
            elif any(kind.startswith("image/") for kind in output.data):
                raise PageError(
                    f"{name}: cell {number} shows a picture without a description; "
                    "end the cell with figures.figure(ax, alt=…, caption=…)"
                )
            elif "text/plain" in output.data:
                data["text/plain"] = output.data["text/plain"]
            if data:
                kept.append(_node(output_type="display_data", data=data))
        elif output.output_type == "stream" and output.name == "stdout":
            kept.append(NotebookNode(output_type="stream", name="stdout", text=output.text))
    return _cell(cell.source, outputs=kept)


def _has_content(cell: NotebookNode, show_code: bool) -> bool:
    if cell.cell_type == "code":
        return bool(cell.outputs) or (show_code and bool(cell.source.strip()))
    return bool(cell.source.strip())


def _first_heading(opening: _Section) -> str:
    for cell in opening.cells:
        if cell.cell_type == "markdown" and (match := re.search(r"^# (.+)$", cell.source, re.MULTILINE)):
            return match.group(1).strip()
    return ""


def _parameters_table(notebook: NotebookNode, effective: Mapping[str, Any]) -> NotebookNode | None:
    """Return a cell with the parameters of the run: name, value, and meaning from the comment; None without any."""
    declared = next((c for c in notebook.cells if "parameters" in c.metadata.get("tags", [])), None)
    known = set(effective)
    if declared and Path(notebook.metadata.get("papermill", {}).get("input_path") or "").parent.name == INSTEAD:
        # The run was asked with the parameters of the notebook in whose place this one was executed.
        known = set(re.findall(r"^(\w+) *[:=]", declared.source, re.MULTILINE))
    meanings = {}
    for token in tokenize.generate_tokens(io.StringIO(declared.source if declared else "").readline):
        if token.type == tokenize.COMMENT and (name := re.match(r"\w+", token.line)):
            meanings[name.group()] = token.string.lstrip("# ").strip()
    rows = [
        (name, _parameter_words(value), locale.translated(meanings.get(name, "")))
        for name, value in effective.items()
        # Folders of results differ between runs and do not matter to a reader.
        if name not in ("run_dir", "previous_run") and name in known
    ]
    if not rows:
        return None
    frame = pd.DataFrame(rows, columns=[_("Parameter"), _("Value"), _("Meaning")])
    shown = table(frame, caption=_("What this run was asked"))
    output = _node(output_type="display_data", data={"text/html": shown.markup})
    return _cell("", outputs=[output])


def _parameter_words(value: object) -> str:
    if isinstance(value, str):
        # An absolute path may reveal private folders, so only its last part is shown.
        return re.split(r"[\\/]", value.rstrip("\\/"))[-1] if re.match(r"[\\/~]|[A-Za-z]:[\\/]", value) else value
    if value is None or value in ([], {}):
        return _("none given")
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _cells_to_html(sections: Sequence[_Section], show_code: bool) -> str:
    cells: list[NotebookNode] = []
    for section in sections:
        visible = [cell for cell in section.cells if _has_content(cell, show_code)]
        for i, cell in enumerate(visible):
            opens = {
                "anchor": section.anchor,
                "title": section.title,
                "folded": section.folded,
                "css": section.css,
            }
            cell.metadata["part"] = {
                "opens": opens if i == 0 else None,
                "closes": i == len(visible) - 1,
                "folded": section.folded,
            }
            # nbformat draws random ids; numbered ids make pages reproducible.
            cell["id"] = f"cell-{len(cells)}"
            cells.append(cell)
    asset("smsroi/index.html.j2")
    notebook = nbformat.v4.new_notebook(cells=cells)
    rendered, _resources = _exporter(TEMPLATES, show_code).from_notebook_node(
        notebook, resources={"words": {"code": _("Code")}}
    )
    return clean(rendered)


@functools.cache
def _exporter(templates: Path, show_code: bool) -> TemplateExporter:
    """The exporter of nbconvert with our template, which is compiled once for all pages."""
    config = Config({"TemplateExporter": {"exclude_input": not show_code}})
    config.NbConvertBase.display_data_priority = ["text/html", "text/plain"]
    exporter = TemplateExporter(
        config=config,
        template_name="smsroi",
        extra_template_basedirs=[str(templates)],
        file_extension=".html",
    )
    exporter.register_filter("page_markdown", _markdown)
    exporter.register_filter("page_code", _code)
    exporter.register_filter("page_text", _plain)
    return exporter


class _MarkdownRenderer(IPythonRenderer):  # type: ignore[misc]
    """Renders Markdown with typographic apostrophes, and formulas as MathML, since pages have no script for them."""

    def text(self, text: str) -> str:
        return str(super().text(re.sub(r"(?<=\w)'", "’", text)))

    def inline_math(self, body: str) -> str:
        return f"<math>{_mathml(body)}</math>"

    def block_math(self, body: str) -> str:
        return f'<math display="block">{_mathml(body)}</math>'


def _markdown(source: str) -> str:
    renderer = _MarkdownRenderer(escape=False, exclude_anchor_links=True)
    return str(MarkdownWithMath(renderer=renderer).render(source))


_TEX_OPERATORS = {"cdot": "·", "times": "×", "le": "≤", "leq": "≤", "ge": "≥", "geq": "≥", "mid": "|"}


def _mathml(formula: str) -> str:
    """Convert short TeX formulas to MathML: letters, Greek letters, indices, powers, fractions and roots.

    An unknown command is shown by its name.

    >>> _mathml("t_x")
    '<msub><mi>t</mi><mi>x</mi></msub>'
    """
    tokens = re.findall(r"\\[A-Za-z]+|\\.|[A-Za-z]|\d+(?:\.\d+)?|\S", formula)

    def atom() -> str:
        sign = tokens.pop(0) if tokens else ""
        if sign == "{":
            return row("}")
        if sign == r"\frac":
            return f"<mfrac>{atom()}{atom()}</mfrac>"
        if sign == r"\sqrt":
            return f"<msqrt>{atom()}</msqrt>"
        if sign.startswith("\\"):
            word = sign[1:]
            case = "CAPITAL" if word[0].isupper() else "SMALL"
            try:
                return f"<mi>{unicodedata.lookup(f'GREEK {case} LETTER {word.upper()}')}</mi>"
            except KeyError:
                operator = _TEX_OPERATORS.get(word)
                return f"<mo>{operator}</mo>" if operator else f"<mtext>{html.escape(word)}</mtext>"
        kind = "mi" if sign.isalpha() else "mn" if sign[:1].isdigit() else "mo"
        return f"<{kind}>{html.escape(sign)}</{kind}>"

    def row(end: str) -> str:
        parts = []
        while tokens and tokens[0] != end:
            base = atom()
            marks: dict[str, str] = {}
            while tokens and tokens[0] in ("_", "^") and tokens[0] not in marks:
                mark = tokens.pop(0)
                marks[mark] = atom()
            if marks:
                tag = {"_": "msub", "^": "msup"}.get("".join(marks), "msubsup")
                base = f"<{tag}>{base}{marks.get('_', '')}{marks.get('^', '')}</{tag}>"
            parts.append(base)
        del tokens[:1]
        return parts[0] if len(parts) == 1 else f"<mrow>{''.join(parts)}</mrow>"

    return row("")


def _code(source: str) -> str:
    return str(highlight(redact(source), PythonLexer(), HtmlFormatter(nowrap=True)))


def _plain(text: str) -> str:
    return html.escape(redact(strip_ansi(text)))
