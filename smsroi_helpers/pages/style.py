"""The style of all figures, and their conversion to safe, reproducible SVG.

Figures become inline SVG without style elements, scripts, metadata or clashing ids. Their colours are CSS variables, so
that one drawing serves light and dark pages.
"""

import base64
import hashlib
import html
import io
import math
import re
import struct
import warnings
import weakref
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import RendererSVG
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogFormatter, ScalarFormatter
from matplotlib.transforms import Bbox

from smsroi_helpers import locale
from smsroi_helpers.contract import PAGE_MARKUP
from smsroi_helpers.errors import PageError
from smsroi_helpers.locale import _
from smsroi_helpers.pages.markup import NO_MATHS, Html, as_text, as_words

__all__ = [
    "DEEPEST_SHADE",
    "PALETTE",
    "Chart",
    "figure",
    "tooltips",
    "use_style",
]

PALETTE: dict[str, str] = {
    "ink": "#1d2126",
    "soft": "#5b636d",
    "line": "#dfe1de",
    "paper": "#fcfcfa",
    "accent": "#0b5c7a",
    "band": "#cfe3ea",
    "good": "#1c6b4a",
    "warn": "#8a5200",
    "orange": "#c8500a",
    "green": "#1f8a66",
    "purple": "#94488a",
    "gold": "#a87900",
    "sky": "#3f93c0",
    "grey": "#6b727b",
}
"""Colours by name. Each is a CSS variable `--<name>`, with a dark value in the page's style sheet. Only these colours
adapt to dark pages; draw bands as a palette colour with `alpha`, not as a mixed colour."""

DEEPEST_SHADE = 0.5
"""The largest `alpha` of a colour under words in ink: their contrast is at least 4.5, on dark pages too."""

_CYCLE = ("accent", "orange", "green", "purple", "gold", "sky", "grey")

# In order of preference; glyphs missing in the Latin font come from the first installed font, then the bundled one.
_CJK_FONTS = (
    "PingFang SC",
    "Hiragino Sans GB",
    "Microsoft YaHei",
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Source Han Sans SC",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
)

_BUNDLED_FONT = Path(__file__).parent / "fonts" / "wqy-microhei-gb2312.ttf"
_BUNDLED_NAME = "WenQuanYi Micro Hei GB2312"

_HASH_SALT = "smsroi"
_CSS_DPI = 96
_SVG_DPI = 72
_PNG_DPI = 144
_PADDING_INCHES = 0.04
_PAGE_WIDTH = 1056
"""Of the column of figures and tables of a page on a desktop (CSS pixels)."""
_MOST_ENLARGED = 1.36


def use_style() -> None:
    """Set the style of all figures, with fonts for the reader's language.

    Called when a notebook begins. Nothing else may set the defaults of seaborn or matplotlib: `sns.set_theme()` alone
    would reset the fonts.
    """
    import seaborn as sns  # which imports scipy.stats: a second that commands without figures need not wait

    present = {font.name for font in font_manager.fontManager.ttflist}
    if _BUNDLED_NAME not in present:
        font_manager.fontManager.addfont(_BUNDLED_FONT)
    chinese = [*(name for name in _CJK_FONTS if name in present), _BUNDLED_NAME]
    # In Chinese text digits come from the same font; the bundled font has no bold.
    in_chinese = locale.language() == "zh"
    families = [*chinese, "DejaVu Sans"] if in_chinese else ["DejaVu Sans", *chinese]
    sns.set_theme(
        style="ticks",
        palette=[PALETTE[name] for name in _CYCLE],
        rc={
            "axes.edgecolor": PALETTE["soft"],
            "axes.facecolor": PALETTE["paper"],
            "axes.grid": True,
            "axes.grid.axis": "y",
            "axes.labelcolor": PALETTE["soft"],
            "axes.labelsize": 10,
            "axes.linewidth": 0.8,
            "axes.spines.right": False,
            "axes.spines.top": False,
            "axes.titlelocation": "left",
            "axes.titlepad": 12,
            "axes.titlesize": 13 if in_chinese else 12,
            "axes.titleweight": "normal" if in_chinese and chinese == [_BUNDLED_NAME] else "bold",
            "figure.dpi": 100,
            "figure.facecolor": PALETTE["paper"],
            "figure.figsize": (8.2, 4.4),
            # The margins of a saved figure are cut to what stands in them, so panels may take nearly all of its width.
            "figure.subplot.left": 0.07,
            "figure.subplot.right": 0.99,
            "font.family": families,
            "font.size": 10,
            "grid.color": PALETTE["line"],
            "grid.linewidth": 0.8,
            "legend.fontsize": 9.5,
            "legend.frameon": False,
            "lines.linewidth": 2,
            "lines.markersize": 5,
            "patch.edgecolor": PALETTE["paper"],
            "patch.facecolor": PALETTE["accent"],
            "savefig.facecolor": PALETTE["paper"],
            "svg.fonttype": "path",
            "svg.hashsalt": _HASH_SALT,
            "text.color": PALETTE["ink"],
            # A campaign named "$5 off, $10 back" is not a formula.
            "text.parse_math": False,
            "xtick.color": PALETTE["soft"],
            "ytick.color": PALETTE["soft"],
            "xtick.labelsize": 9.5,
            "ytick.labelsize": 9.5,
            "xtick.major.size": 4,
            "ytick.major.size": 0,
        },
    )


Edges: TypeAlias = Bbox | Literal["tight"]
"""Where a drawing is cut (inches), or that matplotlib is to find it while it draws."""


class Chart(Html):
    """A figure of a page, which can still be changed before it is shown.

    After `chart.axes[0].set_title("…")` the page has the new title.
    """

    __slots__ = ("_edges", "_figure", "_may_have_changed", "alt", "caption")

    _figure: Figure
    _edges: Edges
    """Of the drawing: found for the SVG, and good for the PNG too."""
    _may_have_changed: bool
    alt: str
    caption: str

    def __init__(self, mpl_figure: Figure, alt: str, caption: str) -> None:
        values = {
            "_figure": mpl_figure, "_edges": "tight", "_may_have_changed": False, "alt": alt, "caption": caption,
        }  # fmt: skip
        for name, value in values.items():
            object.__setattr__(self, name, value)
        super().__init__(self._render(), f"{caption}\n{alt}")

    @property
    def figure(self) -> Figure:
        """The matplotlib figure. Whoever has asked for it may have changed it, so it is drawn again when shown."""
        object.__setattr__(self, "_may_have_changed", True)
        return self._figure

    @property
    def axes(self) -> list[Axes]:
        """The panels, in drawing order; see `figure`."""
        return self.figure.axes

    def _repr_html_(self) -> str:
        if self._may_have_changed:
            object.__setattr__(self, "markup", self._render())
        return self.markup

    def _repr_mimebundle_(self, **_asked_for: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """The page's markup, the same picture as PNG for other viewers, and the words.

        In a notebook that is not trusted, JupyterLab sanitises HTML, which removes SVG, and still prefers it to every
        image. So the HTML has the PNG as an `<img>`, and the markup with the SVG, for the page, has a type of its own.
        """
        page = self._repr_html_()
        picture, width, height = _png(self._figure, self._edges)
        shown = (
            f'<figure><img src="data:image/png;base64,{picture}" width="{width}" height="{height}"'
            f' alt="{as_text(self.alt)}"><figcaption>{as_text(self.caption)}</figcaption></figure>'
        )
        data = {PAGE_MARKUP: page, "text/html": shown.join(NO_MATHS), "image/png": picture, "text/plain": self.text}
        return data, {"text/html": {"smsroi": True}, "image/png": {"width": width, "height": height}}

    def _render(self) -> str:
        for axes in self._figure.axes:
            _number_ticks(axes)
        drawn, edges = _draw(self._figure)
        object.__setattr__(self, "_edges", edges)
        svg = _svg(drawn, self.alt)
        label = as_text(_("Figure"))
        return (
            f'<figure class="{_shape(svg)}"><div class="scroll" tabindex="0" role="group" aria-label="{label}">'
            f"{svg}</div><figcaption>{as_words(self.caption)}</figcaption></figure>"
        )


def _shape(svg: str) -> str:
    """The class of a figure: one taller than wide may fill a printed page, one of several rows takes more of it."""
    size = re.search(r'width="(\d+)" height="(\d+)"', svg)
    height = int(size[2]) / int(size[1]) if size else 0.0
    return "chart tall" if height > 1 else "chart high" if height > _SEVERAL_ROWS else "chart"


def figure(ax: Axes | Figure, *, alt: str, caption: str) -> Chart:
    """Return the drawing as a captioned `<figure>` with inline SVG, and close it in pyplot.

    Identical drawings give identical bytes. Artists with `rasterized=True` (dense clouds of points) become one PNG
    within the SVG.

    Args:
        ax: the axes or figure; the whole figure is shown.
        alt: description for readers who cannot see the figure: the finding with its numbers, not "a chart".
        caption: text below the figure.

    Raises:
        ValueError: alt or caption is empty.
        PageError: the installed fonts lack a glyph of the figure.
    """
    if not alt.strip() or not caption.strip():
        raise ValueError("a figure needs alt= (a description in words) and caption= (the text below it)")
    mpl_figure = ax if isinstance(ax, Figure) else cast(Figure, ax.get_figure(root=True))
    try:
        return Chart(mpl_figure, alt, locale.ended(caption))
    finally:
        plt.close(mpl_figure)


_SEVERAL_ROWS = 0.65
"""Height ÷ width above which a figure has rows of panels, whose letters are small when it is printed low."""
_TOOLTIPS: weakref.WeakKeyDictionary[Axes, list[tuple[float, float, str]]] = weakref.WeakKeyDictionary()
_TOOLTIP_ID = "tooltip: "
_TOOLTIP_POINTS = 14
"""Diameter of the area around a point in which its tooltip shows."""


def tooltips(ax: Axes, x: Iterable[float], y: Iterable[float], words: Iterable[str]) -> None:
    """Give points of a figure tooltips: the page shows a point's words where the mouse rests on it.

    They are not part of the drawing, and what a reader must know is not said in them alone.

    Args:
        ax: the panel.
        x: of each point, in the panel's units.
        y: likewise.
        words: likewise.
    """
    points = zip((float(one) for one in x), (float(one) for one in y), words, strict=True)
    _TOOLTIPS.setdefault(ax, []).extend(
        point for point in points if math.isfinite(point[0]) and math.isfinite(point[1])
    )


def _number_ticks(axes: Axes) -> None:
    """Format large tick labels with digit groups, and powers of ten as plain numbers."""
    for axis in (axes.xaxis, axes.yaxis):
        formatter = axis.get_major_formatter()
        ticks = [abs(tick) for tick in axis.get_majorticklocs()]
        if isinstance(formatter, LogFormatter) or (
            type(formatter) is ScalarFormatter and axis.isDefault_majfmt and ticks and max(ticks) >= 1_000
        ):
            axis.set_major_formatter(FuncFormatter(lambda tick, _position: _tick(tick)))
        if isinstance(axis.get_minor_formatter(), LogFormatter):
            axis.set_minor_formatter(FuncFormatter(lambda _tick, _position: ""))


def _tick(value: float) -> str:
    digits = 0 if value == 0 else max(0, -math.floor(math.log10(abs(value))))
    return locale.number(value, 0 if float(value).is_integer() else max(digits, 1))


def _draw(mpl_figure: Figure) -> tuple[str, Edges]:
    """The drawing as SVG, with the areas of its tooltips, and its edges."""
    areas = [
        ax.add_line(
            Line2D([x], [y], marker="o", markersize=_TOOLTIP_POINTS, alpha=0, zorder=9, gid=_TOOLTIP_ID + words)
        )
        for ax in mpl_figure.axes
        if ax.get_visible()
        for x, y, words in _TOOLTIPS.get(ax, [])
    ]
    try:
        return _saved(mpl_figure)
    finally:
        for area in areas:
            area.remove()


def _saved(mpl_figure: Figure) -> tuple[str, Edges]:
    buffer = io.StringIO()
    with warnings.catch_warnings(), mpl.rc_context({"svg.hashsalt": _HASH_SALT, "svg.fonttype": "path"}):
        warnings.filterwarnings("error", message=r"Glyph .* missing")
        try:
            edges = _edges(mpl_figure)
            mpl_figure.savefig(
                buffer, format="svg", bbox_inches=edges, pad_inches=_PADDING_INCHES, metadata={"Date": None}
            )
        except UserWarning as missing:
            raise PageError(
                f"a figure would show empty boxes ({missing}): install a font with these characters, for rare Chinese "
                f"one of {', '.join(_CJK_FONTS)}, then delete matplotlib's font cache"
            ) from missing
    return buffer.getvalue(), edges


def _edges(mpl_figure: Figure) -> Edges:
    """What `bbox_inches="tight"` stands for (inches). To find it, matplotlib draws everything once more."""
    if mpl_figure.get_layout_engine() is not None:
        return "tight"  # it places the panels while they are drawn
    before = mpl_figure.dpi
    try:
        mpl_figure.set_dpi(_SVG_DPI)
        renderer = RendererSVG(*mpl_figure.bbox.size, io.StringIO())  # type: ignore[no-untyped-call]
        return mpl_figure.get_tightbbox(renderer).padded(_PADDING_INCHES)
    finally:
        mpl_figure.set_dpi(before)


def _png(mpl_figure: Figure, edges: Edges) -> tuple[str, int, int]:
    """The drawing as PNG (base64), with its width and height in CSS pixels."""
    buffer = io.BytesIO()
    mpl_figure.savefig(
        buffer, format="png", dpi=_PNG_DPI, bbox_inches=edges, pad_inches=_PADDING_INCHES, metadata={"Software": None}
    )
    image = buffer.getvalue()
    # The header of a PNG: 8 bytes of signature, 8 of the first chunk's, then width and height.
    width, height = (round(pixels * _CSS_DPI / _PNG_DPI) for pixels in struct.unpack(">II", image[16:24]))
    return base64.b64encode(image).decode(), width, height


_SVG = "{http://www.w3.org/2000/svg}"
_HREF = "{http://www.w3.org/1999/xlink}href"
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_PALETTE_VARIABLES = {value: f"var(--{name},{value})" for name, value in PALETTE.items()}
_ROOT_ATTRIBUTES = {
    "stroke-linejoin": "round",
    "stroke-linecap": "butt",
}  # replaces the style element of matplotlib


def _svg(source: str, alt: str) -> str:
    """Convert matplotlib's SVG for a page: labelled, without styles, with unique ids and colours as CSS variables."""
    root = ET.fromstring(source)  # noqa: S314 - written by matplotlib
    referenced = set()
    for element in root.iter():
        for name, value in _attributes(element):
            if name == "href" and value.startswith("#"):
                referenced.add(value[1:])
            referenced.update(_REFERENCE.findall(value))
    # Ids are numbered in document order, because matplotlib derives some from memory addresses.
    names: dict[str, str] = {}
    for element in root.iter():
        element_id = element.get("id", "")
        if element_id in referenced:
            names.setdefault(element_id, f"{len(names)}")
    _, _, width, height = (float(part) for part in root.get("viewBox", "").split())
    body = "".join(_serialise(child, names) for child in root)
    prefix = "f" + hashlib.sha256(body.encode()).hexdigest()[:10]
    body = body.replace("\x00", f"{prefix}-")
    attributes = " ".join(f'{name}="{value}"' for name, value in _ROOT_ATTRIBUTES.items())
    # One point is 4/3 CSS pixels. Narrower figures are enlarged towards the width of a page, as far as words stay
    # of a size with those around them.
    scale = 4 / 3 * min(max(_PAGE_WIDTH / (width * 4 / 3), 1.0), _MOST_ENLARGED)
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" width="{width * scale:.0f}" height="{height * scale:.0f}" '
        f'role="img" aria-label="{as_text(alt)}" {attributes}>{body}</svg>'
    )


def _attributes(element: ET.Element) -> list[tuple[str, str]]:
    """Return the attributes of an element, with its style as presentation attributes.

    Presentation attributes also accept CSS variables, and the page can forbid inline styles.
    """
    found: list[tuple[str, str]] = []
    for name, value in element.items():
        if name == "style":
            found += [
                (part.split(":", 1)[0].strip(), part.split(":", 1)[1].strip())
                for part in value.split(";")
                if ":" in part
            ]
        elif name == _HREF:
            found.append(("href", value))
        elif not name.startswith("{") and name != "class":
            found.append((name, value))
    return found


def _serialise(element: ET.Element, names: Mapping[str, str]) -> str:
    tag = element.tag.removeprefix(_SVG)
    if tag in ("metadata", "style", "title"):
        return ""
    shown = []
    for name, value in _attributes(element):
        if name == "id":
            if value not in names:
                continue
            value = "\x00" + names[value]
        elif name == "d":
            value = re.sub(r"-?\d+\.\d{3,}", lambda m: f"{float(m.group()):.2f}", " ".join(value.split()))
        elif name == "href" and value.startswith("#"):
            value = "#\x00" + names[value[1:]]
        else:
            value = _REFERENCE.sub(lambda m: f"url(#\x00{names[m.group(1)]})", value)
            value = _PALETTE_VARIABLES.get(value.lower(), value)
        shown.append(f' {name}="{html.escape(value)}"')
    inner = "".join(_serialise(child, names) for child in element)
    if element.get("id", "").startswith(_TOOLTIP_ID):
        inner = f"<title>{as_text(element.get('id', '').removeprefix(_TOOLTIP_ID))}</title>{inner}"
    return "" if tag in ("g", "defs") and not inner else f"<{tag}{''.join(shown)}>{inner}</{tag}>"
