"""What a reader's browser makes of the pages: nothing loaded or run, everything seen, sorted, printed."""

import io
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, Page

from tests.locale.marks import HALF_WIDTH

pytestmark = pytest.mark.browser

PAGES = ["index", "03_timing", "06_content"]
DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 375, "height": 812}

# axe's own tag names of WCAG 2.1 A and AA.
WCAG = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}}


@pytest.fixture
def open_page(browser: Browser, run_dir: Path) -> Iterator[Any]:
    """A function that opens a page of the run; what the page did besides being read fails the test at its end."""
    contexts = []
    heard: list[str] = []

    def _open(name: str, **options: Any) -> Page:
        context = browser.new_context(**({"viewport": DESKTOP} | options))
        contexts.append(context)
        page = context.new_page()
        own = (run_dir / f"{name}.html").as_uri()
        page.on("request", lambda request: None if request.url == own else heard.append(f"request {request.url}"))
        page.on("dialog", lambda dialog: (heard.append(f"dialog {dialog.message}"), dialog.dismiss()))
        page.on("console", lambda message: heard.append(f"console {message.text}"))
        page.on("pageerror", lambda error: heard.append(f"error {error}"))
        page.goto(own)
        return page

    yield _open
    for context in contexts:
        context.close()
    # Inlined PNGs are no loads.
    assert [what for what in heard if not what.startswith("request data:image/png")] == []


@pytest.mark.parametrize("name", PAGES)
def test_page_loads_and_runs_nothing_and_data_stay_text(open_page: Any, name: str) -> None:
    page = open_page(name)
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    page.mouse.wheel(0, 10_000)
    text = page.evaluate("document.body.innerText")
    assert "<script>alert(1)</script>" in text
    assert page.evaluate("document.scripts.length") == (0 if name == "index" else 1)
    assert page.evaluate("document.querySelectorAll('body img, iframe, [onload], [onerror]').length") == 0
    if name == "06_content":
        assert "{{ 7 * 7 }}" in text
        assert "$5 off, $10 back" in text
        assert "[number]" in text
        assert "13812345678" not in text
        assert "to nobody" not in page.evaluate(
            "[...document.querySelectorAll('.output')].map(o => o.innerText).join()"
        )


@pytest.mark.parametrize("name", ["03_timing", "06_content"])
def test_axis_text_and_glyphs_are_visible(open_page: Any, name: str) -> None:
    page = open_page(name)
    boxes = page.evaluate(
        """() => [...document.querySelectorAll('.chart svg')].map(svg => {
            const frame = svg.getBoundingClientRect();
            return [...svg.querySelectorAll('use')].map(use => {
                const box = use.getBoundingClientRect();
                const inside = box.left >= frame.left - 1 && box.right <= frame.right + 1
                    && box.top >= frame.top - 1 && box.bottom <= frame.bottom + 1;
                return [box.width + box.height, inside, use.getAttribute('href').startsWith('#')];
            });
        })"""
    )
    assert boxes
    assert all(len(figure) > 20 for figure in boxes)
    for figure in boxes:
        assert all(inside and own for _size, inside, own in figure)
        # A space has no ink; every other sign has.
        assert sum(size > 0.5 for size, _inside, _own in figure) > 0.85 * len(figure)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axis_labels_leave_ink(open_page: Any, scheme: str) -> None:
    """Pixels left of and below the axes, where only ticks' words stand, differ from the paper."""
    page = open_page("03_timing", color_scheme=scheme)
    figure = page.locator(".chart svg").first
    picture = np.asarray(Image.open(io.BytesIO(figure.screenshot())).convert("L"), dtype=float)
    paper = np.median(picture)
    assert paper > 240 if scheme == "light" else paper < 40
    height, width = picture.shape
    for strip in (picture[:, 0 : round(width * 0.1)], picture[round(height * 0.9) :, :]):
        assert np.mean(np.abs(strip - paper) > 60) > 0.005


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("name", PAGES)
def test_no_animation_runs(open_page: Any, name: str, viewport: dict[str, int]) -> None:
    """Whoever waits for a page to come to rest would wait for ever."""
    page = open_page(name, viewport=viewport)
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    assert page.evaluate("document.getAnimations().length") == 0


def test_figures_and_tables_have_the_width_of_the_page(open_page: Any) -> None:
    page = open_page("03_timing", viewport=DESKTOP)
    column, figure, table = (
        page.evaluate("x => document.querySelector(x).getBoundingClientRect().width", place)
        for place in (".body", ".body .chart svg", ".answer table")
    )
    assert column > 0.75 * DESKTOP["width"]
    assert figure > 0.95 * column
    assert table > 0.9 * column


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_no_violation_of_wcag_and_no_overflow(open_page: Any, name: str, scheme: str, viewport: dict[str, int]) -> None:
    page = open_page(name, color_scheme=scheme, viewport=viewport)
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    found = Axe().run(page, options=WCAG).response["violations"]
    assert [(fault["id"], [node["target"] for node in fault["nodes"]]) for fault in found] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]


def test_page_has_language_title_heading_and_skip_link(open_page: Any) -> None:
    page = open_page("03_timing")
    assert page.evaluate("document.documentElement.lang") == "en"
    assert page.title().startswith("When should a message go out? · ")
    assert page.locator("h1").count() == 1
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    page.wait_for_url("**#main")


def test_folded_section_opens_from_the_contents(open_page: Any) -> None:
    page = open_page("03_timing")
    inside = page.get_by_text("The hour is the recipient")
    assert not inside.is_visible()
    page.get_by_role("link", name="Method and assumptions").click()
    inside.wait_for(state="visible")


def test_table_sorts_by_click(open_page: Any) -> None:
    page = open_page("03_timing")
    table = page.locator("table.data", has_text="Windows not distinguishable from the best")

    def column(place: int) -> list[str]:
        return table.locator(f"tbody tr > :nth-child({place})").all_inner_texts()

    button = table.get_by_role("button", name="Gain per week")
    button.click()
    assert column(5) == ["902", "1,810", "2,836", "–", "–"]
    button.click()
    assert column(5) == ["2,836", "1,810", "902", "–", "–"]
    assert table.locator("th[aria-sort=descending]").count() == 1
    table.get_by_role("button", name="Segment").click()
    assert column(1) == ["all", "basic", "gold", "lost", "value"]


def test_page_reads_without_script(open_page: Any) -> None:
    page = open_page("03_timing", java_script_enabled=False)
    assert page.get_by_text("At lunch for gold, 19–20 h for everybody else", exact=True).is_visible()
    assert page.locator("table.data").first.locator("th", has_text="Customers").is_visible()
    assert page.locator(".chart svg").first.is_visible()
    page.locator("summary", has_text="Method and assumptions").click()
    assert page.get_by_text("The hour is the recipient").is_visible()


@pytest.mark.pdf
def test_print_is_a4_with_folded_sections_open_and_heads_repeated(open_page: Any, tmp_path: Path) -> None:
    page = open_page("03_timing")
    # A table longer than a page, from the page's own rows.
    page.evaluate(
        """() => {
            const body = document.querySelector('#result table.data tbody');
            for (let i = 0; i < 80; i++) body.append(body.rows[0].cloneNode(true));
        }"""
    )
    file = tmp_path / "page.pdf"
    page.pdf(path=file, prefer_css_page_size=True)
    facts = subprocess.run(["pdfinfo", file], capture_output=True, text=True, check=True).stdout
    assert "(A4)" in facts
    text = subprocess.run(["pdftotext", "-layout", file, "-"], capture_output=True, text=True, check=True).stdout
    assert "The hour is the recipient" in text
    assert len(re.findall(r"Segment +Hours +Customers", text)) >= 2
    assert "On this page" not in text


@pytest.mark.pdf
def test_the_last_printed_page_of_the_index_has_more_than_the_footer(open_page: Any, tmp_path: Path) -> None:
    """Wherever the last page ends: the space above its last heading grows over a whole page."""
    page = open_page("index")
    file = tmp_path / "page.pdf"
    page.evaluate(
        "[...document.querySelectorAll('main > h2')].at(-1).insertAdjacentHTML('beforebegin', '<div id=space></div>')"
    )
    for filled in range(0, 270, 10):
        page.evaluate("height => { document.getElementById('space').style.height = height + 'mm'; }", filled)
        page.pdf(path=file, prefer_css_page_size=True)
        text = subprocess.run(["pdftotext", "-layout", file, "-"], capture_output=True, text=True, check=True).stdout
        last = text.rstrip("\f").split("\f")[-1].strip()
        assert "manifest.json" in last
        assert not last.startswith(("Run ", "manifest.json")), filled


# Chinese


@pytest.mark.parametrize("name", ["index", "02_cltv"])
def test_marks_between_chinese_words_are_full_width(browser: Browser, chinese_run: Path, name: str) -> None:
    page = browser.new_page()
    page.goto((chinese_run / f"{name}.html").as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    page.evaluate("document.querySelectorAll('pre, code').forEach(code => code.remove())")
    texts = page.inner_text("body").splitlines()
    texts += page.evaluate("[...document.querySelectorAll('[aria-label]')].map(of => of.getAttribute('aria-label'))")
    assert [text for text in texts if HALF_WIDTH.search(text)] == []


@pytest.mark.parametrize("viewport", [DESKTOP, {"width": 390, "height": 844}], ids=["desktop", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["index", "02_cltv"])
def test_chinese_page_asks_for_nothing_and_violates_nothing(
    browser: Browser, chinese_run: Path, name: str, scheme: str, viewport: dict[str, int]
) -> None:
    """As of the English pages: no request, dialog, console message; WCAG; nothing wider than the screen."""
    page = browser.new_page(viewport=viewport, color_scheme=scheme)
    own = (chinese_run / f"{name}.html").as_uri()
    heard: list[str] = []
    page.on("request", lambda request: None if request.url == own else heard.append(f"request {request.url[:40]}"))
    page.on("dialog", lambda dialog: (heard.append(f"dialog {dialog.message}"), dialog.dismiss()))
    page.on("console", lambda message: heard.append(f"console {message.text}"))
    page.on("pageerror", lambda error: heard.append(f"error {error}"))
    page.goto(own)
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    page.mouse.wheel(0, 10_000)
    found = Axe().run(page, options=WCAG).response["violations"]
    assert [(fault["id"], [node["target"] for node in fault["nodes"]]) for fault in found] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    assert [what for what in heard if not what.startswith("request data:image/png")] == []
    assert (chinese_run / f"{name}.html").stat().st_size < 2_000_000
    page.close()


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("name", ["index", "02_cltv"])
def test_chinese_page_is_chinese(browser: Browser, chinese_run: Path, name: str, viewport: dict[str, int]) -> None:
    page = browser.new_page(viewport=viewport)
    page.goto((chinese_run / f"{name}.html").as_uri())
    page.evaluate("document.querySelectorAll('details.section').forEach(d => { d.open = true })")
    assert page.evaluate("document.documentElement.lang") == "zh-CN"
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    # Latin letters are left in names of parameters, models, people and files, and in the source's title: no sentence.
    page.evaluate("document.querySelectorAll('code, details.code, .meta').forEach(e => e.remove())")
    text = page.evaluate("document.querySelector('main').innerText")
    assert re.findall(r"[A-Za-z]+(?: [A-Za-z]+){2,}", text) == []
    page.close()


def test_chinese_figure_has_every_sign(browser: Browser, chinese_run: Path) -> None:
    """Each sign has its own outline, which leaves ink: an empty box would be one outline for all of them."""
    page = browser.new_page(viewport=DESKTOP)
    page.goto((chinese_run / "02_cltv.html").as_uri())
    drawn = page.evaluate(
        """() => [...document.querySelectorAll('.chart svg use')].map(use => {
            const box = use.getBoundingClientRect();
            return [use.getAttribute('href'), box.width, box.height];
        })"""
    )
    large = {outline for outline, width, height in drawn if width > 8 and height > 8}
    assert len(large) >= len(set(page.locator(".chart svg").first.get_attribute("aria-label")) - set("：，。一"))
    page.close()
