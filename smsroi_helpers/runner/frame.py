"""The frame of every page (style sheet, script, policy), the cleaning of its markup, and its checks."""

import base64
import functools
import hashlib
import json
import logging
import re
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, ClassVar

import jinja2
import nh3
from markupsafe import Markup

from smsroi_helpers import locale
from smsroi_helpers.errors import PageError, redact
from smsroi_helpers.locale import _
from smsroi_helpers.pages import as_words

__all__ = [
    "RUN_NAME",
    "TEMPLATES",
    "asset",
    "check_page",
    "clean",
    "day_words",
    "framed",
    "moment_words",
    "read_json",
    "simulated_words",
    "template",
    "title_words",
    "write_page",
]

_log = logging.getLogger(__name__)
TEMPLATES = Path(__file__).parent / "templates"
RUN_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_LARGE = 2_000_000
_TOO_LARGE = 5_000_000


# fmt: off
_SVG_TAGS = {
    "svg", "g", "path", "rect", "circle", "ellipse", "line", "polyline", "polygon", "text", "tspan", "use", "defs",
    "clipPath", "image", "pattern", "linearGradient", "stop", "title",
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
    """Return the value if it is allowed: references within the page, and links to https or to files beside it."""
    if name in ("href", "xlink:href"):
        if tag == "use":
            return value if value.startswith("#") else None
        if tag == "image":
            return value if value.startswith("data:image/png;base64,") else None
        # A link to another notebook becomes a link to its page.
        value = re.sub(r"^(\w+)\.ipynb(?=#|$)", r"\1.html", value)
        return value if _is_link(value) else None
    if "url(" in value.lower().replace(" ", "") and not re.fullmatch(r"url\(#[\w-]+\)", value):
        return None
    if name == "id" and not re.fullmatch(r"[\w.-]+", value):
        return None
    return value


def _is_link(value: str) -> bool:
    """Whether a link is allowed: a place on the page, a file beside it, or an https address."""
    return bool(re.fullmatch(r"#[^\s]*|https://[^\s]+|(?:\.\./)?[\w-]+(?:[\w./-]*)(?:#[^\s]*)?", value))


def clean(body: str) -> str:
    """Remove everything that is not on the allow-list: scripts, styles, external resources."""
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
def _environment(folder: Path) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder), autoescape=True, undefined=jinja2.StrictUndefined
    )
    environment.globals["_"] = _
    environment.filters["words"] = lambda text: Markup(as_words(str(text)))  # noqa: S704 - escaped by as_words
    return environment


def template(name: str) -> jinja2.Template:
    """Return a page template of the package; it escapes all values.

    Raises:
        PageError: the template is missing.
    """
    try:
        return _environment(TEMPLATES).get_template(name)
    except jinja2.TemplateNotFound as missing:
        raise PageError(f"the page's template {name} is missing from the package: install it again") from missing


def asset(name: str) -> str:
    """Return the text of a style sheet or script of the package.

    Raises:
        PageError: the file is missing.
    """
    try:
        return (TEMPLATES / name).read_text(encoding="utf-8").strip()
    except FileNotFoundError as missing:
        raise PageError(f"the page's {name} is missing from the package: install it again") from missing


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def framed(body: str, title: str, language: str) -> str:
    """Return a complete page: the body with head, policy, style sheet, and the sorting script if there is a table."""
    css = asset("page.css")
    body = _tidy(body, language)
    script = asset("sort.js") if '<table class="data' in body else ""
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
    return template("frame.html.j2").render(
        lang=locale.page_language(language), title=title, css=css, script=script, policy=policy, body=body
    )


def _tidy(body: str, language: str) -> str:
    """Keep signs with their amounts on one line, and leave out blanks after full-width stops; code is left alone."""
    parts = re.split(r"(<pre.*?</pre>|<svg.*?</svg>)", body, flags=re.DOTALL)
    for place in range(0, len(parts), 2):
        parts[place] = re.sub("−(?=[$¥€£])", "−\N{WORD JOINER}", parts[place])
        if language == "zh":
            parts[place] = re.sub(r"([，。：；！？])((?:</\w+>)*) +(?=[^\s→])", r"\1\2", parts[place])
    return "".join(parts)


def write_page(path: Path, page: str) -> Path:
    """Check and write a page; return its path.

    Raises:
        PageError: the page fails its checks.
    """
    check_page(page, path)
    path.write_text(page, encoding="utf-8", newline="\n")
    return path


class _Reader(HTMLParser):
    """Finds what a browser would load or run, and which descriptions are missing."""

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
        # The title of a drawing is not the title of the page.
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
        elif tag == "script" and text != asset("sort.js"):
            self.faults.append("a script that is not ours")
        elif tag == "style" and text != asset("page.css"):
            self.faults.append("a style sheet that is not ours")

    def handle_data(self, data: str) -> None:
        if self._inside:
            self._text.append(data)
        elif redact(data) != data:
            # The message goes to logs, so it does not contain the value.
            self.faults.append("an e-mail address, a telephone number or a long run of digits")


def check_page(page: str, path: Path) -> None:
    """Check that a page is self-contained and has no foreign script.

    Args:
        page: the HTML.
        path: path of the page, named in the message.

    Raises:
        PageError: the page would load external content or run foreign code, shows a telephone number or an e-mail
            address, lacks a language, title, main heading or description of a picture, or is over 5 MB.
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


# Texts shared by both kinds of page -----------------------------------------------------------------------------------


def title_words(source: Mapping[str, Any]) -> str:
    """Return the title of a source; that of the simulated company in the reader's language."""
    title = redact(str(source.get("title") or ""))
    company = re.fullmatch(r"Northwind, a simulated company of ([\d,]+) customers", title)
    if not (company and source.get("simulated")):
        return title
    return _("Northwind, a simulated company of {n} customers").format(n=company[1])


def simulated_words(source: Mapping[str, Any]) -> str:
    """Return whether the data are simulated or real, in words."""
    return _("simulated data") if source.get("simulated") else _("real data")


def day_words(date: object) -> str:
    """Format a date of the manifest; a dash if there is none."""
    match = re.match(r"\d{4}-\d\d-\d\d", str(date or ""))
    return locale.day(match.group()) if match else "–"


def moment_words(instant: object) -> str:
    """Format a UTC time of the manifest; other text is returned unchanged."""
    match = re.match(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d)", str(instant or ""))
    if not match:
        return str(instant or "")
    return _("{day}, {time}").format(day=locale.day(match.group(1)), time=match.group(2))


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; empty if the file cannot be read."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
