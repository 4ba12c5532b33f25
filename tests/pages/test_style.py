"""Figures, tables and answers: data stays text, people in small groups stay unseen, and the same input gives the same
bytes."""

import base64
import io
import re
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from smsroi_helpers import locale, pages
from smsroi_helpers.contract import PAGE_MARKUP
from smsroi_helpers.errors import PageError
from smsroi_helpers.pages import style
from smsroi_helpers.pages.table import _hidden_rows

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(autouse=True)
def _english() -> Iterator[None]:
    locale.use_language("en")
    mpl.use("agg")
    pages.use_style()
    yield
    plt.close("all")


def _curve(label: str = "gold", top: float = 4.0) -> plt.Axes:
    _, ax = plt.subplots()
    ax.plot([1, 2, 3], [1, top, 2], label=label)
    ax.fill_between([1, 2, 3], [0, top - 1, 1], [2, top + 1, 3], alpha=0.2)
    ax.scatter([1, 2], [1, 2], marker="o")
    ax.set(xlabel=label, ylabel="orders a week")
    ax.legend()
    return ax


def _figure(**given: Any) -> str:
    return pages.figure(_curve(**given), alt="A curve that peaks at week 2", caption="Orders by week.").markup


# use_style


def test_style_keeps_latin_first_and_adds_only_fonts_that_are_there() -> None:
    families = mpl.rcParams["font.family"]
    present = {font.name for font in mpl.font_manager.fontManager.ttflist}
    assert families[0] == "DejaVu Sans"
    assert set(families[1:-1]) == present.intersection(style._CJK_FONTS)
    assert families[-1] == style._BUNDLED_NAME


@pytest.fixture
def only_bundled_font(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a Chinese font of its own, and a Chinese reader."""
    monkeypatch.setattr(style, "_CJK_FONTS", ())
    locale.use_language("zh")
    pages.use_style()


def test_style_has_one_font_for_a_chinese_line(only_bundled_font: None) -> None:
    assert mpl.rcParams["font.family"] == [style._BUNDLED_NAME, "DejaVu Sans"]


def test_bundled_font_draws_every_chinese_word_of_the_catalogue(only_bundled_font: None) -> None:
    signs = sorted({sign for phrase in locale._catalogue("zh").values() for sign in phrase if sign.isprintable()})
    assert len(signs) > 500
    _, ax = plt.subplots()
    lines = ["".join(signs[i : i + 60]) for i in range(0, len(signs), 60)]
    ax.text(0, 0, "\n".join(lines))
    drawn = pages.figure(ax, alt="every sign", caption="every sign").markup
    # One outline for each sign, none of them shared: an empty box would be the same for all.
    outlines = dict(re.findall(r'<path id="([^"]+)" d="([^"]+)"', drawn))
    chinese = [sign for sign in signs if "\u4e00" <= sign <= "\u9fff"]
    assert len(set(outlines.values())) >= len(chinese)


def test_sign_outside_the_bundled_font_is_an_error(only_bundled_font: None) -> None:
    _, ax = plt.subplots()
    ax.set_title("龘")  # in no GB2312 font
    with pytest.raises(PageError, match="empty boxes"):
        pages.figure(ax, alt="a title", caption="a title")


def test_chinese_name_in_an_english_figure_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(style, "_CJK_FONTS", ())
    pages.use_style()

    def outlines(label: str) -> set[str]:
        return set(re.findall(r'<path id="[^"]+" d="([^"]+)"', _figure(label=label)))

    new = outlines("春季优惠") - outlines("gold")
    assert sum(" Q " in outline for outline in new) == 4


def luminance(colour: Any) -> float:
    """Relative luminance of a colour, as WCAG 2.1 defines it."""
    shares = np.array(mpl.colors.to_rgb(colour))
    linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(one: Any, other: Any) -> float:
    """Contrast ratio of two colours, 1 to 21."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("name", ["accent", "orange", "green", "purple", "gold", "sky", "grey", "soft", "ink"])
def test_colours_stand_out_from_paper(name: str) -> None:
    """WCAG 1.4.11: what carries meaning has a contrast of at least 3 to 1."""
    assert contrast(pages.PALETTE["paper"], pages.PALETTE[name]) >= 3


@pytest.mark.parametrize("name", ["accent", "orange"])
def test_words_on_the_deepest_shade_can_be_read_on_light_and_dark_pages(name: str) -> None:
    """WCAG 1.4.3: at least 4.5 to 1; the numbers of heat maps are in ink on these colours."""
    sheet = (Path(style.__file__).parents[1] / "runner" / "templates" / "page.css").read_text(encoding="utf-8")
    rules = sheet.split("prefers-color-scheme:dark){:root{")[1].split("}")[0]
    dark = pages.PALETTE | dict(re.findall(r"--(\w+):(#[0-9a-f]{6})", rules))
    assert dark["paper"] != pages.PALETTE["paper"]
    for palette in (pages.PALETTE, dark):
        shade, paper = (np.array(mpl.colors.to_rgb(palette[one])) for one in (name, "paper"))
        mixed = pages.DEEPEST_SHADE * shade + (1 - pages.DEEPEST_SHADE) * paper
        assert contrast(palette["ink"], mixed) >= 4.5


# figure


@pytest.mark.parametrize("lacking", ["alt", "caption"])
def test_figure_without_words_is_refused(lacking: str) -> None:
    words = {"alt": "a curve", "caption": "orders"} | {lacking: " "}
    with pytest.raises(ValueError, match=r"alt= .* caption="):
        pages.figure(_curve(), **words)


def test_figure_is_closed_and_same_bytes() -> None:
    first = _figure()
    assert not plt.get_fignums()
    assert _figure() == first
    assert _figure(top=5.0) != first


def test_an_analyst_can_change_a_figure_before_it_is_shown() -> None:
    chart = pages.figure(_curve(), alt="A curve that peaks at week 2", caption="Orders by week.")
    before = chart._repr_html_()
    assert chart._repr_html_() is before
    (ax,) = chart.axes
    ax.yaxis.label.set_text("Orders")  # which does not make the figure stale for matplotlib
    labelled = chart._repr_html_()
    assert labelled != before
    ax.get_lines()[0].set_ydata([9.0] * len(ax.get_lines()[0].get_ydata()))
    (shown, _metadata) = chart._repr_mimebundle_()
    assert shown["text/html"] not in (before, labelled)
    assert "A curve that peaks at week 2" in shown["text/html"]
    assert plt.get_fignums() == []


def test_figures_on_one_page_share_no_id_and_each_reference_is_met() -> None:
    pages = [_figure(), _figure(label="value", top=7.0)]
    ids = [set(re.findall(r' id="([^"]+)"', page)) for page in pages]
    assert ids[0]
    assert not ids[0] & ids[1]
    for page, own in zip(pages, ids, strict=True):
        referred = set(re.findall(r'href="#([^"]+)"', page)) | set(re.findall(r"url\(#([^)]+)\)", page))
        assert referred == own


def test_figure_carries_no_style_script_metadata_or_comment() -> None:
    page = _figure(label=HOSTILE)
    for forbidden in ("<style", "style=", "<script", "<metadata", "<!--", "rdf", "xmlns", "matplotlib"):
        assert forbidden not in page


@pytest.mark.parametrize(("height", "shape"), [(3.0, "chart"), (5.0, "chart high"), (9.0, "chart tall")])
def test_a_figure_of_more_rows_may_be_printed_higher(height: float, shape: str) -> None:
    _, ax = plt.subplots(figsize=(6.5, height))
    assert f'<figure class="{shape}">' in pages.figure(ax, alt="a", caption="c").markup


def test_figure_says_its_alt_and_caption_as_text() -> None:
    page = pages.figure(_curve(), alt=f'"{HOSTILE}" peaks', caption=f"{HOSTILE} & more").markup
    assert 'role="img" aria-label="&quot;&lt;script&gt;alert(1)&lt;/script&gt;&quot; peaks"' in page
    assert "<figcaption>&lt;script&gt;alert(1)&lt;/script&gt; &amp; more</figcaption>" in page


def test_colours_follow_the_page() -> None:
    page = _figure()
    for name in ("paper", "soft", "line", "accent"):
        assert f"var(--{name},{pages.PALETTE[name]})" in page
    assert not re.findall(r'="#[0-9a-f]{6}"', page)


def test_missing_glyph_is_an_error_that_names_the_remedy() -> None:
    _, ax = plt.subplots()
    ax.set_title("\U000f0000")  # private use: no font has it
    with pytest.raises(PageError, match=r"empty boxes .* install a font"):
        pages.figure(ax, alt="a title", caption="a title")
    assert not plt.get_fignums()


def test_dollars_are_drawn_as_dollars() -> None:
    """A campaign's name with two dollar signs is no formula; an odd one would even raise."""
    _, ax = plt.subplots()
    ax.set_title(r"$5 off, $\frac{")
    assert "<path" in pages.figure(ax, alt="a title", caption="a title").markup


def test_large_ticks_are_grouped_and_powers_written_out() -> None:
    _, (linear, log) = plt.subplots(1, 2)
    linear.plot([0, 1], [0, 60_000])
    log.plot([0, 1], [1, 100_000])
    log.set_yscale("log")
    style._number_ticks(linear)
    style._number_ticks(log)
    assert linear.yaxis.get_major_formatter()(40_000, 0) == "40,000"
    assert linear.xaxis.isDefault_majfmt
    assert log.yaxis.get_major_formatter()(100_000, 0) == "100,000"


def test_dense_points_become_one_picture() -> None:
    points = np.random.default_rng(1).normal(size=(2, 5000))
    _, ax = plt.subplots()
    ax.scatter(*points, s=2, rasterized=True)
    page = pages.figure(ax, alt="a cloud", caption="a cloud").markup
    assert page.count('href="data:image/png;base64,') == page.count("<image") == 1
    assert len(page) < 200_000


# table


def _cells(markup: str) -> list[list[str]]:
    rows = re.findall(r"<tr>(.*?)</tr>", markup)
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in rows]


def test_table_escapes_everything() -> None:
    frame = pd.DataFrame({HOSTILE: [HOSTILE], "n": [3]})
    page = pages.table(frame, caption=HOSTILE).markup
    assert "<script" not in page
    assert page.count("&lt;script&gt;") == 3


def test_table_has_caption_scopes_and_sort_keys() -> None:
    frame = pd.DataFrame({"segment": ["gold", "lost"], "gain_per_week": [1234.567, np.nan]})
    page = pages.table(frame, caption="Gain by segment").markup
    assert "<caption>Gain by segment</caption>" in page
    assert '<th scope="col">Segment</th><th scope="col" class="n">Gain per week</th>' in page
    assert '<th scope="row">gold</th><td class="n" data-sort="1234.567">1,235</td>' in page
    assert '<th scope="row">lost</th><td class="n" data-sort="">–</td>' in page


def test_table_digits_and_formats_change_what_is_shown() -> None:
    frame = pd.DataFrame({"hour": ["8"], "rate": [0.12345], "cost": [1.5]})
    shown = pages.table(frame, caption="c", digits={"cost": 3}, formats={"rate": locale.percent}).markup
    assert _cells(shown)[1] == ["8", "12%", "1.500"]
    assert _cells(pages.table(frame, caption="c", digits=1).markup)[1] == ["8", "0.1", "1.5"]


def test_numbers_written_out_are_aligned_too() -> None:
    frame = pd.DataFrame({"what": ["a", "b"], "low": ["$1,234", "−12%"], "day": ["Jun 30, 1998", "–"]})
    assert re.findall(r'<th scope="col"( class="n")?>', pages.table(frame, caption="c").markup) == [
        "",
        ' class="n"',
        "",
    ]


def test_named_index_becomes_row_headings() -> None:
    frame = pd.DataFrame({"segment": ["gold"], "hour": [8], "n": [3]}).set_index(["segment", "hour"])
    page = pages.table(frame, caption="c").markup
    assert page.count('scope="row"') == 2


@pytest.mark.parametrize(
    ("frame", "given", "message"),
    [
        ({"customer_id": ["a"], "n": [1]}, {}, "customer_id"),
        ({"segment": ["a"], "n": [1]}, {"suppress": "people"}, "no column 'people'"),
        ({"segment": ["a"], "n": [1]}, {"caption": ""}, "caption"),
        ({"n": [1], "rate": [0.5]}, {"suppress": "n"}, "name the group"),
    ],
)
def test_table_refuses(frame: dict[str, Any], given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pages.table(pd.DataFrame(frame), **{"caption": "c"} | given)


def test_empty_table_says_so() -> None:
    page = pages.table(pd.DataFrame({"a": [], "b": []}), caption="c").markup
    assert '<td class="empty" colspan="2">There are no rows.</td>' in page


def test_phone_numbers_and_addresses_are_blotted_out() -> None:
    frame = pd.DataFrame({"campaign": ["call 13812345678 or ann@example.com"], "n": [1]})
    page = pages.table(frame, caption="c").markup
    assert "13812345678" not in page
    assert "ann@" not in page


def test_direction_and_zero_width_signs_are_dropped() -> None:
    page = pages.table(pd.DataFrame({"a": ["x\u202ey\u200bz\u3000w"], "b": [1]}), caption="c").markup
    assert ">xyz w<" in page


def test_small_group_and_its_complement_are_hidden() -> None:
    frame = pd.DataFrame(
        {"segment": ["gold", "value", "lost", "all"], "people": [400, 25, 4, 429], "rate": [0.5, 0.25, 0.75, 0.48]}
    )
    page = pages.table(frame, caption="c", suppress="people").markup
    assert _cells(page)[1:] == [
        ["gold", "400", "0.500"],
        ["value", "–", "–"],
        ["lost", "&lt;10", "–"],
        ["all", "429", "0.480"],
    ]
    assert 'data-sort="4"' not in page
    assert 'data-sort="0.75"' not in page
    assert 'data-sort="25"' not in page
    assert "fewer than 10 people" in page


def test_threshold_is_the_parameter() -> None:
    frame = pd.DataFrame({"segment": ["gold", "value", "lost"], "people": [400, 25, 12]})
    assert "&lt;" not in pages.table(frame, caption="c", suppress="people").markup
    assert "&lt;20" in pages.table(frame, caption="c", suppress="people", k=20).markup


@given(
    people=st.lists(st.integers(0, 60), min_size=1, max_size=8),
    with_total=st.booleans(),
    k=st.integers(2, 30),
)
def test_no_small_group_can_be_worked_out(people: list[int], with_total: bool, k: int) -> None:
    """Identity: total − shown groups is never one group, nor fewer than k people."""
    counts = [*people, sum(people)] if with_total else people
    hidden = _hidden_rows(np.array(counts), len(people) if with_total else None, k)
    assert all(i in hidden for i, n in enumerate(counts) if n < k)
    parts = [i for i in range(len(people)) if i in hidden]
    total_shown = not with_total or len(people) not in hidden
    if parts and len(parts) < len(people) and total_shown:
        assert len(parts) >= 2
        assert sum(people[i] for i in parts) >= k
    if parts and with_total and total_shown:
        assert len(parts) >= 2
        assert sum(people[i] for i in parts) >= k
    if not any(n < k for n in counts):
        assert not hidden


# answer, amount, note


def _row(**given: Any) -> dict[str, Any]:
    row = {"outcome": "do", "action": "Text gold at lunch", "value": 3104.2, "low": 2210.0, "high": 3998.0}
    row |= {"unit": "money_per_week", "kind": "gain", "evidence": "randomised", "customers": 4012, "text": "It pays."}
    return row | {"segment": None} | given


@pytest.mark.parametrize(
    ("given", "value", "interval"),
    [
        ({}, "+$3,100", "$2,200 to $4,000"),
        ({"kind": "forecast"}, "$3,100", "$2,200 to $4,000"),
        ({"value": -40.0, "low": -61.2, "high": -18.9}, "−$40", "−$61 to −$19"),
        ({"unit": "share", "value": 0.124, "low": 0.098, "high": 0.151}, "+12.4%", "9.8% to 15.1%"),
        (
            {"unit": "count", "kind": "forecast", "value": 1653.4, "low": 1540.2, "high": 1766.6},
            "1,650",
            "1,540 to 1,770",
        ),
        ({"outcome": "broken"}, "", ""),
        ({"value": float("nan")}, "", ""),
        ({"customers": 9}, "", ""),
    ],
)
def test_amount_reads_as_its_interval_allows(given: dict[str, Any], value: str, interval: str) -> None:
    shown = pages.amount(_row(**given), "USD")
    assert (shown.value, shown.interval) == (value, interval)


def test_answer_says_action_money_interval_evidence_and_caveat() -> None:
    page = pages.answer([_row(caveat="Spring only.")], currency="USD").markup
    for said in ("Do it", "Text gold at lunch", "+$3,100</b> a week", "95% interval $2,200 to $4,000"):
        assert said in page
    assert "<b>Randomised test.</b> Measured on 4,012 customers in randomly assigned groups" in page
    assert "<b>Caveat:</b> Spring only." in page


@pytest.mark.parametrize("field", ["action", "text", "caveat", "outcome", "evidence"])
def test_answer_escapes(field: str) -> None:
    assert "<script" not in pages.answer([_row(**{field: HOSTILE})]).markup


def test_answer_about_few_customers_shows_no_number() -> None:
    page = pages.answer([_row(customers=7)], currency="USD").markup
    assert "&lt;10" in page
    assert "3,1" not in page


def test_answer_leads_with_everybody_and_lists_segments() -> None:
    rows = [_row(segment="gold", action="12–14 h", customers=2000), _row(segment="all")]
    page = pages.answer(pd.DataFrame(rows), currency="USD").markup
    assert page.index("Text gold at lunch") < page.index("12–14 h")
    assert "<caption>By segment</caption>" in page


def test_a_level_has_its_words_and_no_sign() -> None:
    given = {"unit": "share", "value": 0.571, "low": 0.552, "high": 0.590, "number_words": "of the spend"}
    assert pages.amount(_row(**given), "USD").words == "+57.1 of the spend (55.2 to 59.0)"
    assert pages.amount(_row(**given, level=True), "USD").words == "57.1% of the spend (55.2% to 59.0%)"


def test_each_question_has_the_place_that_the_index_leads_to() -> None:
    rows = [_row(question="When?"), _row(question="On which day? <b>"), _row(question="On which day? <b>")]
    page = pages.answer(rows, currency="USD").markup
    assert f'<div class="answer" id="{pages.question_anchor("When?")}"><p class="q">When?</p>' in page
    assert page.count(f'id="{pages.question_anchor(rows[1]["question"])}">On which day? &lt;b&gt;</') == 1


def test_answer_without_decision_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one decision"):
        pages.answer([])


def test_note_is_text_and_html_is_marked_as_ours() -> None:
    note = pages.note(HOSTILE)
    data, metadata = note._repr_mimebundle_()
    assert note.markup == '<p class="note">&lt;script&gt;alert(1)&lt;/script&gt;</p>'
    assert data["text/html"] == f'<div class="tex2jax_ignore mathjax_ignore">{note.markup}</div>'
    assert metadata == {"text/html": {"smsroi": True}}


def test_nothing_warns() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _figure()
        pages.table(pd.DataFrame({"a": ["x"], "b": [1.5], "c": [True], "d": [pd.Timestamp("2025-06-30")]}), caption="c")


def test_answers_to_other_questions_are_no_segments():
    """Several experiments on one page: each its own question, the broken one without a value."""
    common = {"evidence": "randomised", "customers": 500, "kind": "gain", "unit": "money", "outcome": "do"}
    main = common | {"question": "Did a pay?", "action": "a: switch", "value": 9.0, "low": 5.0, "high": 13.0}
    segment = main | {"segment": "new", "action": "a: new ones", "value": 2.0, "low": 1.0, "high": 3.0}
    broken = {"outcome": "broken", "action": "b: no", "value": 7.0, "low": 6.0, "high": 8.0}
    rows = [main, common | {"question": "Did b pay?", "evidence_customers": 612.0} | broken, segment]
    shown = pages.answer(rows, currency="USD").markup
    by_segment, others = shown.split("The other answers")
    assert "a: new ones" in by_segment
    assert "Did b pay?" in others
    assert "Broken: no result. b: no" in others
    assert "a: new ones" not in others
    assert "$7" not in shown
    # The customers of the evidence, as the index says; not those whom the answer is for.
    assert "Customers observed" in others
    assert pages.evidence_words(rows[1])[1].startswith("Measured on 612 customers")
    assert "612" in others
    assert "500" not in others


def test_a_figure_carries_its_picture_for_notebooks_that_are_not_trusted() -> None:
    chart = pages.figure(_curve(), alt='A "curve"', caption="Orders <by> week.")
    data, metadata = chart._repr_mimebundle_()
    assert data[PAGE_MARKUP] == chart.markup
    assert "<svg" in data[PAGE_MARKUP]
    image = base64.b64decode(data["image/png"])
    with Image.open(io.BytesIO(image)) as picture:
        shown = metadata["image/png"]
        # 144 pixels an inch, of which a page has 96.
        assert picture.width == pytest.approx(1.5 * shown["width"], abs=1)
        assert picture.height == pytest.approx(1.5 * shown["height"], abs=1)
    assert f'src="data:image/png;base64,{data["image/png"]}"' in data["text/html"]
    assert "<svg" not in data["text/html"]
    assert 'alt="A &quot;curve&quot;"' in data["text/html"]
    assert "Orders &lt;by&gt; week<" in data["text/html"]
    assert metadata["text/html"] == {"smsroi": True}
    again, _metadata = pages.figure(_curve(), alt='A "curve"', caption="Orders <by> week.")._repr_mimebundle_()
    assert again == data


def test_the_edges_of_a_picture_are_those_that_matplotlib_finds_by_drawing_twice() -> None:
    drawing, panels = plt.subplots(1, 2)
    for panel in panels:
        panel.plot([0, 1, 2], [3, 1_000_000, 4], label="orders")
        panel.set(title="A title that is longer than its panel is wide", xlabel="weeks", ylabel="orders")
        panel.annotate("beyond the edge", (2, 4))
        panel.legend(loc="best")
    saved, edges = style._saved(drawing)
    picture = base64.b64decode(style._png(drawing, edges)[0])
    vector = ET.fromstring(saved)
    tight = {"bbox_inches": "tight", "pad_inches": 0.04}
    pixels, lines = io.BytesIO(), io.BytesIO()
    drawing.savefig(pixels, format="png", dpi=144, metadata={"Software": None}, **tight)
    drawing.savefig(lines, format="svg", metadata={"Date": None}, **tight)
    plt.close(drawing)
    with Image.open(io.BytesIO(picture)) as ours, Image.open(pixels) as theirs:
        assert np.abs(np.subtract(ours.size, theirs.size)).max() <= 2  # letters are a little narrower in pixels
        shown = np.asarray(ours.convert("L"))
    rim = np.concatenate([shown[0], shown[-1], shown[:, 0], shown[:, -1]])
    assert (rim == rim[0]).all(), "something is cut off"
    known = ET.fromstring(lines.getvalue())
    assert vector.get("viewBox") == known.get("viewBox")
    shapes = [[one.get("d", "").replace("-0 ", "0 ") for one in lines.iter()] for lines in (vector, known)]
    assert shapes[0] == shapes[1]


def test_panels_that_are_placed_while_they_are_drawn_are_drawn_twice() -> None:
    drawing, _panels = plt.subplots(layout="constrained")
    assert style._edges(drawing) == "tight"
    plt.close(drawing)


# --- tooltips --------------------------------------------------------------------------------------------------------


def test_a_point_has_its_words_and_the_drawing_stays_as_it_was():
    plain, told = _curve(), _curve()
    pages.tooltips(told, [1, 2, float("nan")], [1.0, 4.0, 2.0], ["week 1: 1", f"week 2: {HOSTILE}", "never"])
    artists = len(told.get_children())
    made = pages.figure(told, alt="A curve", caption="Orders by week.")
    titles = re.findall(r"<title>(.*?)</title>", made.markup)
    assert titles == ["week 1: 1", "week 2: &lt;script&gt;alert(1)&lt;/script&gt;"]
    assert made.markup.count("fill-opacity") > pages.figure(plain, alt="A", caption="B").markup.count("fill-opacity")
    assert len(made.axes[0].get_children()) == artists


def test_a_narrow_figure_is_enlarged_towards_the_page():
    def size(inches: float) -> tuple[int, int]:
        _, ax = plt.subplots(figsize=(inches, 3))
        ax.plot([1, 2])
        found = re.search(r'viewBox="0 0 ([\d.]+) [\d.]+" width="(\d+)"', pages.figure(ax, alt="A", caption="B").markup)
        assert found
        return round(float(found[1]) * 4 / 3), int(found[2])

    (natural, shown), (wide, as_it_is) = size(5.0), size(14.0)
    assert shown == pytest.approx(1.36 * natural, abs=2)
    assert (wide > 1056, as_it_is) == (True, wide)
