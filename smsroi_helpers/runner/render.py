"""From executed notebooks to pages that can be read offline, trusted, printed and put in a mail.

A page is built in three steps: nbconvert renders the arranged notebook with our template, an allow-list cleans what
came out, and a frame with our style sheet, one hashed script and a content-security policy goes around it. The index
is written by templates from the decisions tables. Every page is checked before it counts as written.
"""

import base64
import dataclasses
import functools
import hashlib
import html
import io
import json
import logging
import math
import re
import tokenize
import unicodedata
from collections.abc import Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, ClassVar

import jinja2
import nbformat
import nh3
import pandas as pd
from markupsafe import Markup
from matplotlib.ticker import MaxNLocator
from nbconvert.exporters import TemplateExporter
from nbconvert.filters.ansi import strip_ansi
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbformat import NotebookNode
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer
from traitlets.config import Config

from smsroi_helpers import locale
from smsroi_helpers.errors import PageError, redact
from smsroi_helpers.figures import Amount, amount, evidence_words, table, verdict_words
from smsroi_helpers.locale import _

__all__ = ["check_page", "render_reports_index", "render_run"]

_log = logging.getLogger(__name__)
_TEMPLATES = Path(__file__).parent / "templates"
_LARGE = 2_000_000
_TOO_LARGE = 5_000_000
_LANG = {"zh": "zh-CN"}
_FINISHED = "application/vnd.smsroi.finished+json"
_RUN_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


def render_run(
    run_dir: Path,
    manifest: dict[str, Any],
    *,
    earlier_runs: Sequence[Mapping[str, Any]] = (),
    show_code: bool = True,
) -> list[Path]:
    """Write `<NN>_<stage>.html` for each notebook that ran, and `index.html`; the paths written, index last.

    Args:
        run_dir: the run's folder, with notebooks/ and tables/decisions/.
        manifest: the run's manifest (schema 1).
        earlier_runs: earlier whole runs of the same report, newest first: run, started, as_of, status.
        show_code: whether the code stands on the pages, folded.

    Raises:
        PageError: a page fails its checks, a notebook's output has no description, or a template is missing.
    """
    locale.use_language(manifest["language"])
    written = []
    questions: dict[str, str] = {}
    for name, state in manifest["notebooks"].items():
        source = run_dir / "notebooks" / f"{name}.ipynb"
        if state["status"] not in ("ok", "unchanged"):
            continue
        if not source.is_file():
            raise PageError(f"{name}: the run says {state['status']}, but {source.name} is not in its notebooks folder")
        page, questions[name] = _notebook_page(source, manifest, show_code)
        written.append(_write(run_dir / f"{name}.html", page))
    index = _index_page(run_dir, manifest, questions, earlier_runs)
    written.append(_write(run_dir / "index.html", index))
    return written


def render_reports_index(reports_dir: Path) -> None:
    """Write `index.html` into the folder of reports: each report with its newest whole run.

    The page is in the language in use. A report without a readable run is listed, and said to have none.

    Raises:
        PageError: the page fails its checks, or a template is missing.
    """
    reports = []
    for folder in sorted(path for path in reports_dir.iterdir() if path.is_dir() and _RUN_NAME.fullmatch(path.name)):
        latest = _read_json(folder / "latest.json")
        run = str(latest.get("run", ""))
        manifest = _read_json(folder / run / "manifest.json") if _RUN_NAME.fullmatch(run.lower()) else {}
        report = {
            "name": folder.name,
            "title": _("No finished run yet"),
            "words": "",
            "as_of": "",
            "href": "",
        }
        if manifest:
            source = manifest.get("source", {})
            report |= {
                "title": redact(str(source.get("title") or folder.name)),
                "words": _simulated_words(source),
                "as_of": _("as of {date}").format(date=_day(manifest.get("as_of"))),
                "href": f"{folder.name}/{run}/index.html",
            }
        reports.append(report)
    lead = (
        _("One report, with its newest run.")
        if len(reports) == 1
        else _("{n} reports, each with its newest run.").format(n=locale.number(len(reports)))
    )
    body = _template("reports.html.j2").render(reports=reports, lead=lead)
    _write(reports_dir / "index.html", _framed(body, _("Reports"), locale.language()))


def check_page(page: str, path: Path) -> None:
    """Pass a page that is whole in itself and carries no script but ours.

    Args:
        page: the HTML.
        path: where it goes; named in the message.

    Raises:
        PageError: something would be loaded from elsewhere, code that is not ours would run, a telephone number or
            e-mail address shows, a language, title, main heading or picture's description is missing, or the page is
            over 5 MB.
    """
    size = len(page.encode())
    if size > _TOO_LARGE:
        raise PageError(
            f"{path.name} has {size / 1e6:.1f} MB, more than 5: draw dense points with rasterized=True, show fewer rows"
        )
    if size > _LARGE:
        _log.warning("%s has %.1f MB: slow to open; above 5 MB it is refused", path.name, size / 1e6)
    reader = _Reader()
    reader.feed(page)
    reader.close()
    faults = reader.faults
    if reader.count.get("h1", 0) != 1:
        faults.append(f"{reader.count.get('h1', 0)} main headings instead of one")
    if not reader.title.strip():
        faults.append("no title")
    if not reader.lang:
        faults.append("no language")
    if not reader.policy:
        faults.append("no content-security policy")
    if faults:
        raise PageError(f"{path.name} must not be published: {'; '.join(faults[:5])}")


# One notebook --------------------------------------------------------------------------------------------------------

# In the page's order. Headings as they stand in the notebooks → (anchor, folded).
_SECTIONS = {
    "Decision": ("decision", False),
    "Result": ("result", False),
    "Checks": ("checks", False),
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


def _notebook_page(path: Path, manifest: Mapping[str, Any], show_code: bool) -> tuple[str, str]:
    """The page of an executed notebook, and the question it answers."""
    notebook = nbformat.read(path, as_version=4)
    opening, sections = _arrange(notebook, path.stem)
    question = _first_heading(opening) or _stage_words(manifest["notebooks"][path.stem]["stage"])
    parameters = _parameters_table(notebook, manifest["parameters"].get(path.stem, {}))
    if parameters:
        sections[-1].cells.insert(0, parameters)
    sections = [section for section in sections if any(_has_content(cell, show_code) for cell in section.cells)]

    source = manifest["source"]
    context = " · ".join(
        (
            redact(source["title"]),
            _simulated_words(source),
            _("as of {date}").format(date=_day(manifest["as_of"])),
        )
    )
    shown = [section for section in sections if section.title]
    body = _template("notebook.html.j2").render(
        context=context,
        opening=_cells_to_html([opening], show_code),
        sections=shown,
        body=_cells_to_html(sections, show_code),
    )
    return _framed(body, f"{question} · {redact(source['title'])}", manifest["language"]), question


def _arrange(notebook: NotebookNode, name: str) -> tuple[_Section, list[_Section]]:
    """The opening (question, answer) and the sections of a page in the page's order, the set-up last."""
    opening = _Section("opening", "", css="opening")
    setup = _Section("setup", _("Parameters and set-up"), folded=True)
    found: list[_Section] = [opening]
    for number, cell in enumerate(notebook.cells, start=1):
        if cell.cell_type == "markdown":
            for heading, text in _split_at_headings(cell.source):
                if heading:
                    found.append(_section(heading, len(found)))
                found[-1].cells.append(nbformat.v4.new_markdown_cell(locale.translate_markdown(text)))
        elif cell.cell_type == "code":
            shown = _code_cell(cell, name, number)
            if "injected-parameters" in cell.metadata.get("tags", []):
                shown.source = ""
            code, shown.source = nbformat.v4.new_code_cell(shown.source), ""
            found[-1].cells.append(shown)
            # What opens the page is the question and the answer, not how they were computed; and what finishes a
            # notebook explains nothing. Elsewhere code stands, folded, below what it shows.
            last = any(_FINISHED in output.get("data", {}) for output in cell.outputs)
            aside = found[-1] is opening or found[-1].anchor == "decision" or last
            (setup if aside else found[-1]).cells.append(code)

    order = list(_SECTIONS)
    ranked: list[tuple[int, _Section]] = []
    rank = -1
    for section in found[1:]:
        # A heading of the analyst's own stays behind the section it followed.
        rank = next((i for i, heading in enumerate(order) if _SECTIONS[heading][0] == section.anchor), rank)
        ranked.append((rank, section))
    ordered = [section for _rank, section in sorted(ranked, key=lambda pair: pair[0])]
    decision = [section for section in ordered if section.anchor == "decision"]
    for section in decision:
        answers = [cell for cell in section.cells if cell.cell_type == "code"]
        opening.cells += answers + [cell for cell in section.cells if cell.cell_type != "code"]
    return opening, [section for section in ordered if section not in decision] + [setup]


def _section(heading: str, position: int) -> _Section:
    anchor, folded = _SECTIONS.get(heading, (f"section-{position}", False))
    return _Section(anchor, _(heading), folded)


def _split_at_headings(markdown: str) -> list[tuple[str, str]]:
    """(second-level heading or "", the text under it), fenced code left alone."""
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
    """The cell with the outputs a reader may see.

    Markup is shown only where it carries the mark of our own helpers: all else appears as its plain text.
    """
    kept = []
    for output in cell.outputs:
        if output.output_type in ("display_data", "execute_result"):
            if _FINISHED in output.data:
                continue
            data = {}
            if "text/html" in output.data and output.metadata.get("text/html", {}).get("smsroi"):
                data["text/html"] = output.data["text/html"]
            elif any(kind.startswith("image/") for kind in output.data):
                raise PageError(
                    f"{name}: cell {number} shows a picture without a description; "
                    "end the cell with figures.figure(ax, alt=…, caption=…)"
                )
            elif "text/plain" in output.data:
                data["text/plain"] = output.data["text/plain"]
            if data:
                kept.append(nbformat.v4.new_output("display_data", data))
        elif output.output_type == "stream" and output.name == "stdout":
            kept.append(nbformat.v4.new_output("stream", name="stdout", text=output.text))
    return nbformat.v4.new_code_cell(cell.source, outputs=kept)


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
    """What this run was asked: each parameter with the value it had and the meaning its comment gives."""
    declared = next((c for c in notebook.cells if "parameters" in c.metadata.get("tags", [])), None)
    meanings = {}
    for token in tokenize.generate_tokens(io.StringIO(declared.source if declared else "").readline):
        if token.type == tokenize.COMMENT and (name := re.match(r"\w+", token.line)):
            meanings[name.group()] = token.string.lstrip("# ")
    rows = [
        (name, _parameter_words(value), _(meanings.get(name, "")))
        for name, value in effective.items()
        # Where results went differs from run to run and tells a reader nothing.
        if name not in ("run_dir", "previous_run")
    ]
    if not rows:
        return None
    frame = pd.DataFrame(rows, columns=[_("Parameter"), _("Value"), _("Meaning")])
    shown = table(frame, caption=_("What this run was asked"))
    output = nbformat.v4.new_output("display_data", {"text/html": shown.markup})
    return nbformat.v4.new_code_cell("", outputs=[output])


def _parameter_words(value: object) -> str:
    if isinstance(value, str):
        # A path of this machine says more about its owner than about the data.
        return re.split(r"[\\/]", value.rstrip("\\/"))[-1] if re.match(r"[\\/~]|[A-Za-z]:[\\/]", value) else value
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
            # nbformat draws ids at random; numbered, nothing of a page hangs on chance.
            cell["id"] = f"cell-{len(cells)}"
            cells.append(cell)
    _asset("smsroi/index.html.j2")
    config = Config({"TemplateExporter": {"exclude_input": not show_code}})
    config.NbConvertBase.display_data_priority = ["text/html", "text/plain"]
    exporter = TemplateExporter(
        config=config,
        template_name="smsroi",
        extra_template_basedirs=[str(_TEMPLATES)],
        file_extension=".html",
    )
    exporter.register_filter("page_markdown", _markdown)
    exporter.register_filter("page_code", _code)
    exporter.register_filter("page_text", _plain)
    notebook = nbformat.v4.new_notebook(cells=cells)
    rendered, _resources = exporter.from_notebook_node(notebook, resources={"words": {"code": _("Code")}})
    return _clean(rendered)


class _MarkdownRenderer(IPythonRenderer):  # type: ignore[misc]
    """nbconvert's Markdown, with formulas as MathML: a page has no script to set them."""

    def inline_math(self, body: str) -> str:
        return f"<math>{_mathml(body)}</math>"

    def block_math(self, body: str) -> str:
        return f'<math display="block">{_mathml(body)}</math>'


def _markdown(source: str) -> str:
    renderer = _MarkdownRenderer(escape=False, exclude_anchor_links=True)
    return str(MarkdownWithMath(renderer=renderer).render(source))


_TEX_OPERATORS = {"cdot": "·", "times": "×", "le": "≤", "leq": "≤", "ge": "≥", "geq": "≥", "mid": "|"}


def _mathml(formula: str) -> str:
    """The TeX of a notebook's short formulas as MathML: letters, Greek, indices, powers, fractions and roots.

    A command it does not know stands there by its name.

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


# Cleaning and framing ------------------------------------------------------------------------------------------------

# fmt: off
_SVG_TAGS = {
    "svg", "g", "path", "rect", "circle", "ellipse", "line", "polyline", "polygon", "text", "tspan", "use", "defs",
    "clipPath", "image", "pattern", "linearGradient", "stop",
}
_MATH_TAGS = {
    "math", "mi", "mo", "mn", "mtext", "mspace", "mrow", "mfrac", "msqrt", "mroot", "msub", "msup", "msubsup",
    "munder", "mover", "munderover", "mtable", "mtr", "mtd",
}
_HTML_TAGS = {
    "a", "abbr", "b", "blockquote", "br", "caption", "code", "dd", "del", "details", "div", "dl", "dt", "em",
    "figcaption", "figure", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "kbd", "li", "ol", "p", "pre", "s",
    "section", "small", "span", "strong", "sub", "summary", "sup", "table", "tbody", "td", "tfoot", "th", "thead",
    "tr", "u", "ul",
}
_DRAWING = {
    "fill", "fill-opacity", "fill-rule", "clip-rule", "stroke", "stroke-width", "stroke-opacity", "stroke-linecap",
    "stroke-linejoin", "stroke-dasharray", "stroke-dashoffset", "stroke-miterlimit", "opacity", "clip-path",
    "transform", "image-rendering", "d", "x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r", "rx", "ry", "width",
    "height", "viewBox", "points", "text-anchor", "offset", "preserveAspectRatio", "gradientUnits",
    "gradientTransform", "patternUnits", "patternTransform", "clipPathUnits",
}
# fmt: on
_ATTRIBUTES = {
    "*": {"id", "class", "role", "aria-label", "aria-hidden", "tabindex", "lang"},
    "a": {"href", "title"},
    "abbr": {"title"},
    "ol": {"start"},
    "th": {"scope", "colspan", "rowspan", "data-sort"},
    "td": {"colspan", "rowspan", "data-sort"},
    **dict.fromkeys(_SVG_TAGS, _DRAWING),
    "use": _DRAWING | {"href", "xlink:href"},
    "image": _DRAWING | {"href", "xlink:href"},
    "math": {"display"},
}


def _keep_attribute(tag: str, name: str, value: str) -> str | None:
    """The value if a page may carry it: references stay within the page, links go to https or beside it."""
    if name in ("href", "xlink:href"):
        if tag == "use":
            return value if value.startswith("#") else None
        if tag == "image":
            return value if value.startswith("data:image/png;base64,") else None
        # Where a notebook points to another notebook, its page points to the other's page.
        value = re.sub(r"^(\w+)\.ipynb(?=#|$)", r"\1.html", value)
        return value if _is_link(value) else None
    if "url(" in value.lower().replace(" ", "") and not re.fullmatch(r"url\(#[\w-]+\)", value):
        return None
    if name == "id" and not re.fullmatch(r"[\w.-]+", value):
        return None
    return value


def _is_link(value: str) -> bool:
    """Whether a reader may be led there: a place on the page, a file beside it, or an https address."""
    return bool(re.fullmatch(r"#[^\s]*|https://[^\s]+|(?:\.\./)?[\w-]+(?:[\w./-]*)(?:#[^\s]*)?", value))


def _clean(body: str) -> str:
    return nh3.clean(
        body,
        tags=_HTML_TAGS | _SVG_TAGS | _MATH_TAGS,
        clean_content_tags={"script", "style", "template", "iframe", "noscript"},
        attributes=_ATTRIBUTES,
        attribute_filter=_keep_attribute,
        url_schemes={"https", "data"},
        link_rel="noopener noreferrer",
    )


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined
    )
    environment.globals["_"] = _
    return environment


def _template(name: str) -> jinja2.Template:
    try:
        return _environment().get_template(name)
    except jinja2.TemplateNotFound as missing:
        raise PageError(f"the page's template {name} is missing from the package: install it again") from missing


def _asset(name: str) -> str:
    try:
        return (_TEMPLATES / name).read_text(encoding="utf-8").strip()
    except FileNotFoundError as missing:
        raise PageError(f"the page's {name} is missing from the package: install it again") from missing


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _framed(body: str, title: str, language: str) -> str:
    css = _asset("page.css")
    script = _asset("sort.js") if '<table class="data">' in body else ""
    policy = "; ".join(
        (
            "default-src 'none'",
            f"style-src '{_hash(css)}'",
            f"script-src '{_hash(script)}'" if script else "script-src 'none'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    return _template("frame.html.j2").render(
        lang=_LANG.get(language, language), title=title, css=css, script=script, policy=policy, body=body
    )


def _write(path: Path, page: str) -> Path:
    check_page(page, path)
    path.write_text(page, encoding="utf-8", newline="\n")
    return path


class _Reader(HTMLParser):
    """What a browser would load, run or miss on a page."""

    _LOADING: ClassVar = {
        "src",
        "srcset",
        "poster",
        "data",
        "background",
        "manifest",
        "ping",
        "action",
        "formaction",
        "cite",
    }
    _FORBIDDEN: ClassVar = {
        "iframe",
        "object",
        "embed",
        "link",
        "base",
        "form",
        "frame",
        "frameset",
        "applet",
        "portal",
    }

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.faults: list[str] = []
        self.count: dict[str, int] = {}
        self.title = ""
        self.lang = ""
        self.policy = ""
        self._inside = ""
        self._svg = 0
        self._text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "svg":
            self._svg += 1
        # A title within a drawing is not the page's.
        if not self._svg:
            self.count[tag] = self.count.get(tag, 0) + 1
        if tag in self._FORBIDDEN:
            self.faults.append(f"a <{tag}> element")
        if tag == "html":
            self.lang = values.get("lang", "")
        if tag == "meta" and "http-equiv" in values:
            if values["http-equiv"].lower() == "content-security-policy":
                self.policy = values.get("content", "")
            else:
                self.faults.append(f"a <meta http-equiv={values['http-equiv']}>")
        if tag == "svg" and not (values.get("aria-label") or values.get("aria-hidden") == "true"):
            self.faults.append("a figure without a description")
        if tag == "img" and not values.get("alt"):
            self.faults.append("a picture without a description")
        if tag in ("script", "style", "title") and not (tag == "title" and self._svg):
            self._inside, self._text = tag, []
        for name, value in values.items():
            self._judge(tag, name, value)

    def _judge(self, tag: str, name: str, value: str) -> None:
        bare = re.sub(r"[\s\x00-\x1f]", "", value).lower()
        if name.startswith("on"):
            self.faults.append(f"an {name}= attribute on <{tag}>")
        elif name in ("href", "xlink:href", *self._LOADING):
            inline = tag in ("img", "image") and bare.startswith("data:image/png;base64,")
            if not (value.startswith("#") or inline or (tag == "a" and name == "href" and _is_link(value))):
                self.faults.append(f"{name}= of <{tag}> leads outside the page")
        elif name != "content" and ("javascript:" in bare or re.search(r"url\((?!#)", bare)):
            self.faults.append(f"{name}= of <{tag}> would load or run something")

    def handle_endtag(self, tag: str) -> None:
        if tag == "svg":
            self._svg = max(0, self._svg - 1)
        if tag != self._inside:
            return
        text = "".join(self._text)
        self._inside = ""
        if tag == "title":
            self.title = text
        elif tag == "script" and text != _asset("sort.js"):
            self.faults.append("a script that is not ours")
        elif tag == "style" and text != _asset("page.css"):
            self.faults.append("a style sheet that is not ours")

    def handle_data(self, data: str) -> None:
        if self._inside:
            self._text.append(data)
        elif redact(data) != data:
            # Said without the value: the message goes to logs.
            self.faults.append("an e-mail address, a telephone number or a long run of digits")


# The index -----------------------------------------------------------------------------------------------------------


def _index_page(
    run_dir: Path,
    manifest: Mapping[str, Any],
    questions: Mapping[str, str],
    earlier_runs: Sequence[Mapping[str, Any]],
) -> str:
    source = manifest["source"]
    currency = source.get("currency") or ""
    decisions = _decisions(run_dir)
    pages = {manifest["notebooks"][name]["stage"]: f"{name}.html" for name in questions}
    rows = [_row(group, currency, pages) for group in _by_question(decisions)]
    gains = [row for row in rows if row["kind"] == "gain"]
    forecasts = [row for row in rows if row["kind"] == "forecast"]
    heading, lead = _lead(gains, forecasts, rows)
    body = _template("index.html.j2").render(
        context=_context(manifest, decisions),
        heading=heading,
        lead=lead,
        gains=_scales(gains, currency, _("today")),
        forecasts=_scales(forecasts, currency, "0"),
        facts=[row for row in rows if row["kind"] not in ("gain", "forecast")],
        warnings=_warnings(manifest),
        changes=_changes(run_dir, decisions, currency, earlier_runs),
        pages=[{"href": f"{name}.html", "title": question} for name, question in questions.items()],
        earlier=[_earlier(run) for run in earlier_runs if _RUN_NAME.fullmatch(str(run["run"]))],
        footer=_("Run {run}, finished {time} UTC. What it read, was asked and used is in").format(
            run=manifest["run"], time=_moment(manifest["finished"])
        ),
    )
    return _framed(body, f"{heading} · {redact(source['title'])}", manifest["language"])


def _decisions(run_dir: Path) -> list[dict[str, Any]]:
    """The rows of a run's decisions, in the order of its notebooks; none where it left none."""
    folder = run_dir / "tables" / "decisions"
    files = sorted(folder.glob("*.parquet")) if folder.is_dir() else []
    single = run_dir / "tables" / "decisions.parquet"
    if single.is_file():
        files.append(single)
    rows = []
    for file in files:
        for record in pd.read_parquet(file).astype(object).to_dict("records"):
            rows.append({str(name): None if _missing(value) else value for name, value in record.items()})
    return rows


def _missing(value: object) -> bool:
    return value is None or value is pd.NaT or value is pd.NA or (isinstance(value, float) and math.isnan(value))


def _by_question(decisions: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """The decisions of each question, the row about everybody first."""
    groups: dict[tuple[Any, Any, Any], list[dict[str, Any]]] = {}
    for row in decisions:
        groups.setdefault((row["stage"], row["question"], row.get("kind")), []).append(row)
    return [sorted(rows, key=lambda row: row.get("segment") not in (None, "", "all")) for rows in groups.values()]


def _row(rows: Sequence[dict[str, Any]], currency: str, pages: Mapping[str, str]) -> dict[str, Any]:
    """What the index says of one question."""
    main = rows[0]
    outcome = main["outcome"]
    label, meaning = evidence_words(main)
    worth = amount(main, currency)
    return {
        "kind": main.get("kind"),
        "question": redact(str(main["question"])),
        "outcome": re.sub(r"[^a-z_]", "", str(outcome)),
        # An action that is to be done needs no "do it" before it.
        "verdict": "" if outcome == "do" else verdict_words(outcome) + ".",
        "action": redact(str(main["action"] or "")),
        "text": redact(str(main.get("text") or "")),
        "label": label,
        "meaning": meaning,
        "css": re.sub(r"[^a-z_]", "", str(main.get("evidence") or "none")),
        "page": pages.get(main["stage"], ""),
        "segments": _("By segment on its page.") if len(rows) > 1 else "",
        "worth": worth,
        "without": _("No value is shown.") if outcome == "broken" else _("There is no estimate."),
        "mark": None,
        "unit": main.get("unit") or "",
        "numbers": (main.get("value"), main.get("low"), main.get("high")) if worth.value else None,
    }


_RANK = {"do": 0, "dont": 1, "not_enough_evidence": 2, "broken": 3}
_WIDTH = 400.0
_MARGIN = 14.0


def _scales(rows: Sequence[dict[str, Any]], currency: str, zero: str) -> list[dict[str, Any]]:
    """The rows by unit, the most valuable first, each group with its common axis and every row's place on it."""
    groups = []
    for unit in dict.fromkeys(row["unit"] for row in sorted(rows, key=lambda row: row["unit"] != "money_per_week")):
        group = sorted(
            (row for row in rows if row["unit"] == unit),
            key=lambda row: (
                _RANK.get(row["outcome"], 4),
                -(row["numbers"][0] if row["numbers"] else -math.inf),
            ),
        )
        values = [x for row in group if row["numbers"] for x in row["numbers"] if x is not None and math.isfinite(x)]
        # Without any number there is no axis, and every row says why.
        ticks: list[dict[str, Any]] = []
        if values:
            low, high = min(0.0, *values), max(0.0, *values)
            pad = 0.04 * ((high - low) or 1.0)
            low, high = low - pad * (low < 0), high + pad
            scale = (_WIDTH - 2 * _MARGIN) / (high - low)
            ticks = [
                _axis_tick(step, _MARGIN + (step - low) * scale, unit, currency, zero)
                for step in MaxNLocator(nbins=4, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
                if low <= step <= high
            ]
            for row in group:
                if row["numbers"]:
                    row["mark"] = _mark(row, low, scale)
        caption = {
            "money_per_week": _("a week, 95% interval"),
            "count": "",
            "share": _("share, 95% interval"),
        }
        groups.append({"rows": group, "ticks": ticks, "unit": caption.get(unit, _("95% interval"))})
    return groups


def _axis_tick(step: float, x: float, unit: str, currency: str, zero: str) -> dict[str, Any]:
    digits = 0 if float(step).is_integer() else 2
    if abs(step) < 1e-9:
        label = zero
    elif unit == "share":
        label = locale.percent(step, 0 if float(step * 100).is_integer() else 1)
    elif unit.startswith("money") and currency:
        label = locale.money(step, currency, digits)
    else:
        label = locale.number(step, digits)
    if step > 1e-9 and zero != "0":
        label = f"+{label}"
    anchor = "start" if x < 40 else "end" if x > _WIDTH - 40 else "middle"
    return {
        "x": f"{x:.1f}",
        "label_x": f"{x + {'start': -12, 'middle': 0, 'end': 12}[anchor]:.1f}",
        "anchor": anchor,
        "label": label,
        "zero": abs(step) < 1e-9,
    }


def _mark(row: Mapping[str, Any], origin: float, scale: float) -> dict[str, Any]:
    value, low, high = row["numbers"]

    def place(x: float) -> float:
        return _MARGIN + (x - origin) * scale

    has_interval = low is not None and high is not None and math.isfinite(low) and math.isfinite(high)
    worth: Amount = row["worth"]
    said = f"{worth.value} {worth.unit}".strip()
    if worth.interval:
        said += ", " + _("95% interval {interval}").format(interval=worth.interval)
    return {
        "value": f"{place(value):.1f}",
        "low": f"{place(low):.1f}" if has_interval else "",
        "width": f"{max((high - low) * scale, 1.0):.1f}" if has_interval else "",
        "words": f"{row['question']} {said}",
    }


def _lead(
    gains: Sequence[dict[str, Any]], forecasts: Sequence[dict[str, Any]], rows: Sequence[dict[str, Any]]
) -> tuple[str, Markup]:
    """The page's heading, and the answer in a sentence."""
    todo = sorted(
        (row for row in gains if row["outcome"] == "do"),
        key=lambda row: (
            row["unit"] != "money_per_week",
            -(row["numbers"][0] if row["numbers"] else -math.inf),
        ),
    )
    if todo:
        best = todo[0]
        lead = Markup("<b>{}</b>. ").format(best["action"].rstrip(".。"))
        lead += _worth_sentence(_("Against today’s practice that is worth {worth}."), best["worth"])
        if len(todo) > 1:
            more = locale.number(len(todo) - 1)
            lead += " " + (
                _("One more change is worth making.")
                if len(todo) == 2
                else _("{n} more changes are worth making.").format(n=more)
            )
        return _("What to do next"), lead
    if gains:
        return _("Nothing to change yet"), Markup.escape(
            _("No change has been shown to be worth making. Each question below says what would settle it.")
        )
    if forecasts:
        lead = Markup.escape(
            _("These records do not say what a message adds: that takes a group left out by chance. They say this:")
        )
        lead += Markup(" <b>{}</b>. ").format(forecasts[0]["action"].rstrip(".。"))
        return _("What to expect"), lead + _worth_sentence(_("Expected: {worth}."), forecasts[0]["worth"])
    if rows:
        return _("What the records say"), Markup.escape(_("No question about money could be answered in this run."))
    return _("No answer yet"), Markup.escape(_("No question could be answered in this run. The reasons stand below."))


def _worth_sentence(sentence: str, worth: Amount) -> Markup:
    if not worth.value:
        return Markup("")
    said = Markup("<b>{}</b>").format(f"{worth.value.removeprefix('+')} {worth.unit}".strip())
    if worth.interval:
        said += " (" + _("95% interval {interval}").format(interval=worth.interval) + ")"
    return Markup.escape(sentence).format(worth=said)


def _context(manifest: Mapping[str, Any], decisions: Sequence[Mapping[str, Any]]) -> list[str]:
    """Whose data, simulated or not, which days, how many customers, how fresh, how much put aside."""
    source = manifest["source"]
    tables = source["tables"].values()
    parts = [redact(source["title"]), _simulated_words(source)]
    first = min((t["first"] for t in tables if t.get("first")), default=None)
    last = max((t["last"] for t in tables if t.get("last")), default=None)
    if first and last:
        parts.append(_("{first} to {last}").format(first=_day(first), last=_day(last)))
    if "customers" in source["tables"]:
        customers = source["tables"]["customers"]["rows_out"]
    else:
        customers = max((row["customers"] for row in decisions if row.get("customers") is not None), default=None)
    if customers is not None:
        parts.append(_("{n} customers").format(n=locale.number(customers) if customers >= 10 else "<10"))
    parts.append(_("as of {date}").format(date=_day(manifest["as_of"])))
    rows_in = sum(t["rows_in"] for t in tables)
    aside = rows_in - sum(t["rows_out"] for t in tables)
    if aside:
        share = aside / rows_in
        digits = max(0, min(4, -math.floor(math.log10(share * 100))))
        parts.append(_("{share} of rows put aside").format(share=locale.percent(share, digits)))
    else:
        parts.append(_("no row put aside"))
    return parts


def _simulated_words(source: Mapping[str, Any]) -> str:
    return _("simulated data") if source.get("simulated") else _("real records")


def _warnings(manifest: Mapping[str, Any]) -> list[dict[str, str]]:
    """What to know before acting: what is wrong with the records, and which questions were not answered, and why."""
    found: list[dict[str, str]] = []
    if manifest["source"].get("simulated"):
        found.append({"head": _("The data are simulated:"), "text": _("they show how the report works, not a shop.")})
    data_page = next((f"{name}.html" for name, state in manifest["notebooks"].items() if _is_data_page(state)), "")
    for finding in manifest["source"]["findings"]:
        place = ".".join(x for x in (finding["table"], finding.get("column") or "") if x)
        head = _("{n} rows of {place}:").format(n=locale.number(finding["rows"]), place=place)
        text = " ".join(redact(str(x)).rstrip(".") + "." for x in (finding["rule"], finding.get("remedy")) if x)
        found.append({"head": head, "text": text, "page": data_page, "link": _("The data")})
    heads = {
        "skipped": _("{stage} was skipped:"),
        "failed": _("{stage} failed:"),
        "not_run": _("{stage} did not run:"),
    }
    for state in manifest["notebooks"].values():
        if state["status"] in heads:
            head = heads[state["status"]].format(stage=_stage_words(state["stage"]))
            reason = redact(str(state.get("reason") or _("no reason was given")))
            found.append({"head": head, "text": reason.rstrip(".") + "."})
    return [{"page": "", "link": ""} | item for item in found]


def _is_data_page(state: Mapping[str, Any]) -> bool:
    return state["stage"] == "quality" and state["status"] in ("ok", "unchanged")


def _stage_words(stage: str) -> str:
    """What a stage is called in a sentence."""
    words = {
        "quality": _("Data quality"),
        "segmentation": _("Segmentation"),
        "cltv": _("Customer lifetime value"),
        "timing": _("Timing"),
        "frequency": _("Frequency"),
        "ab_test": _("A/B test"),
        "content": _("Content"),
        "retention": _("Retention"),
        "effectiveness": _("Effectiveness"),
        "send_plan": _("Send plan"),
    }
    return words.get(stage, stage.replace("_", " ").capitalize())


def _changes(
    run_dir: Path,
    decisions: Sequence[dict[str, Any]],
    currency: str,
    earlier_runs: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """How the answers differ from those of the run before."""
    previous = str(earlier_runs[0]["run"]) if earlier_runs else ""
    if not previous:
        return {"rows": [], "words": _("There is no earlier run to compare with.")}
    before = _decisions(run_dir.parent / previous) if _RUN_NAME.fullmatch(previous) else []
    if not before:
        return {"rows": [], "words": _("The last run left no decisions to compare with.")}
    then, now = ({_key(row): row for row in rows} for rows in (before, decisions))
    rows = []
    for key in dict.fromkeys([*then, *now]):
        old, new = _said(then.get(key), currency), _said(now.get(key), currency)
        if old == new:
            continue
        # Where only the value moved, the action is not said twice.
        moved = old[0] == new[0]
        question = " · ".join(x for x in (key[1], key[2]) if x)
        rows.append(
            {
                "question": redact(question),
                "then": old[1] if moved else " ".join(x for x in old if x),
                "now": new[1] if moved else " ".join(x for x in new if x),
            }
        )
    if not rows:
        return {"rows": [], "words": _("Every answer is the same as in the last run.")}
    day = _day(earlier_runs[0].get("as_of"))
    return {"rows": rows, "words": _("Answers that differ from the last run’s, as of {date}").format(date=day)}


def _key(row: Mapping[str, Any]) -> tuple[str, str, str]:
    segment = row.get("segment")
    return row["stage"], row["question"], "" if segment in (None, "all") else str(segment)


def _said(row: Mapping[str, Any] | None, currency: str) -> tuple[str, str]:
    """A decision's action, with its verdict where that is not "do it", and its worth."""
    if row is None:
        return _("not answered"), ""
    worth = amount(row, currency)
    verdict = "" if row["outcome"] == "do" else verdict_words(row["outcome"]) + "."
    action = redact(str(row["action"] or "")).rstrip(".")
    money = (worth.value, worth.unit, f"({worth.interval})" if worth.interval else "")
    return " ".join(x for x in (verdict, f"{action}." if action else "") if x), " ".join(x for x in money if x)


def _earlier(run: Mapping[str, Any]) -> dict[str, str]:
    return {
        "name": str(run["run"]),
        "started": _moment(run["started"]) + " UTC",
        "words": _("as of {date}").format(date=_day(run.get("as_of"))),
    }


def _moment(instant: object) -> str:
    """A manifest's UTC time as it is read; as it stands where it is none."""
    match = re.match(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d)", str(instant or ""))
    return f"{locale.day(match.group(1))}, {match.group(2)}" if match else str(instant or "")


def _day(date: object) -> str:
    match = re.match(r"\d{4}-\d\d-\d\d", str(date or ""))
    return locale.day(match.group()) if match else "–"


def _read_json(path: Path) -> dict[str, Any]:
    """A JSON object, or an empty one where there is none to read."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
