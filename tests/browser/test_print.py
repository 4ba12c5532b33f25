"""How full printed pages are: whatever a run says, no page of the index is nearly empty."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from playwright.sync_api import Browser

from smsroi_helpers import locale
from smsroi_helpers.pages import table
from smsroi_helpers.runner import render
from tests.browser.conftest import manifest

pytestmark = [pytest.mark.browser, pytest.mark.pdf]

SENTENCES = {
    "en": "Compared with today’s hours, 16:00–17:00 brings 7 (95% interval 1 to 18) more clicks per 1,000 texts. ",
    "zh": "与当前时段相比，16:00–17:00 每 1,000 条短信多带来 7 次点击（95% 置信区间 1 至 18）。",
}
TOP, BOTTOM = 16 / 297, 18 / 297
"""Margins of a page, as in its style sheet, as shares of its height."""
KINDS: list[dict[str, Any]] = [
    {"kind": "gain", "unit": "money", "money": "long_run", "value": 9e4, "low": 4e4, "high": 16e4},
    {"kind": "gain", "unit": "money_per_week", "money": "cash", "value": 200.0, "low": 40.0, "high": 580.0},
    {"kind": "gain", "unit": "money_per_week", "money": "cash", "value": 100.0, "low": -40.0, "high": 280.0},
    {"kind": "gain", "unit": "money_per_week", "money": "long_run", "value": -100.0, "low": -800.0, "high": 500.0},
    {"kind": "worth", "unit": "money_per_week", "money": "cash", "value": 2_600.0, "low": -1_100.0, "high": 6_300.0},
    {"kind": "forecast", "unit": "money_per_week", "money": "", "value": 17e3, "low": 12e3, "high": 25e3},
    {"kind": "fact", "unit": "share", "money": "", "value": 0.571, "low": 0.552, "high": 0.59},
    {"kind": "fact", "unit": "", "money": "", "value": None, "low": None, "high": None},
]


def write_index(folder: Path, language: str, kinds: list[dict[str, Any]], sentences: int) -> Path:
    """An index with so many decisions, each with so many sentences."""
    said = SENTENCES[language]
    decisions = [
        {
            "stage": f"stage{place}", "question": said, "segment": "all", "outcome": "do", "action": said,
            "text": said * (sentences + place % 3), "caveat": said * sentences, "evidence": "modelled",
            "customers": 4_000, "cash": None, "next_test": said,
            "number_words": said if kind["unit"] == "share" else "",
        } | kind
        for place, kind in enumerate(kinds)
    ]  # fmt: skip
    (folder / "tables" / "decisions").mkdir(parents=True)
    pd.DataFrame(decisions).to_parquet(folder / "tables" / "decisions" / "03_timing.parquet")
    (written,) = render.render_run(folder, manifest() | {"language": language, "notebooks": {}})
    locale.use_language("en")
    return written


def filled(pdf: Path) -> list[float]:
    """For each page, the share of its height down to the last word, between the margins."""
    found = subprocess.run(["pdftotext", "-bbox", pdf, "-"], capture_output=True, text=True, check=True).stdout
    shares = []
    for page in found.split("<page ")[1:]:
        height = float(re.findall(r'height="([\d.]+)"', page)[0])
        last = max((float(y) for y in re.findall(r'yMax="([\d.]+)"', page)), default=0.0)
        shares.append((last / height - TOP) / (1 - TOP - BOTTOM))
    return shares


@pytest.mark.parametrize("kinds", [KINDS, KINDS[1:3] + KINDS[6:]], ids=["all notebooks", "some notebooks"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_page_of_the_index_is_less_than_a_third_full(
    browser: Browser, tmp_path: Path, language: str, kinds: list[dict[str, Any]]
) -> None:
    """Except the last, and wherever pages end: the cards grow sentence by sentence."""
    page = browser.new_page()
    printed = 0
    for sentences in range(1, 9):
        index = write_index(tmp_path / str(sentences), language, kinds, sentences)
        page.goto(index.as_uri())
        page.pdf(path=tmp_path / "index.pdf", prefer_css_page_size=True)
        shares = filled(tmp_path / "index.pdf")
        printed += len(shares)
        assert min(shares[:-1]) > 1 / 3, (sentences, shares)
    assert printed > 16
    page.close()


@pytest.mark.parametrize("language", ["en", "zh"])
def test_what_a_finding_counts_leaves_room_for_the_finding(browser: Browser, tmp_path: Path, language: str) -> None:
    """On screen and in print: a long unit of a number is broken into lines, the question beside it is not."""
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.goto(write_index(tmp_path, language, KINDS[6:7], 1).as_uri())
    for medium in ("screen", "print"):
        page.emulate_media(media=medium)
        row, words = (
            page.evaluate("of => document.querySelector(of).getBoundingClientRect().width", of)
            for of in (".plain .row", ".plain .row > div")
        )
        assert words > 0.6 * row
    page.close()


def test_a_range_of_a_printed_table_stays_on_one_line(browser: Browser, tmp_path: Path) -> None:
    """In tables of few columns and of many, which still have room on a sheet."""
    css = (Path(render.__file__).parent / "templates" / "page.css").read_text(encoding="utf-8")
    tables = []
    for columns in (5, 6, 8):
        cells = {f"Outcome {i} a week": ["$0.16 (−$0.15 to $0.48)"] * 3 for i in range(columns - 3)}
        frame = pd.DataFrame({"Segment": ["gold", "value", "all"], "Texts": [1, 2, 3], "Customers": [177] * 3} | cells)
        tables.append(table(frame, caption="Effects").markup)
    (tmp_path / "page.html").write_text(f'<meta charset="utf-8"><style>{css}</style><main>{"".join(tables)}</main>')
    page = browser.new_page(viewport={"width": 680, "height": 900})
    page.emulate_media(media="print")
    page.goto((tmp_path / "page.html").as_uri())
    heights = page.evaluate("[...document.querySelectorAll('span.range')].map(e => e.getBoundingClientRect().height)")
    edges = page.evaluate("[...document.querySelectorAll('table')].map(e => e.getBoundingClientRect().right)")
    assert len(heights) == 3 * (2 + 3 + 5)
    assert max(heights) < 22  # CSS pixels: one line
    assert max(edges) < 681
    page.close()


def test_a_word_of_the_glossary_keeps_its_meaning_below_it(browser: Browser, tmp_path: Path) -> None:
    """On paper; a single word has the whole width, as two columns would part it from its meaning."""
    page = browser.new_page(viewport={"width": 680, "height": 900})
    page.emulate_media(media="print")
    page.goto(write_index(tmp_path, "en", KINDS, 2).as_uri())
    page.evaluate("document.querySelectorAll('.words dl > *:not(:first-child)').forEach(e => e.remove())")
    word, meaning = (
        page.evaluate("of => document.querySelector(of).getBoundingClientRect().left", f".words {of}")
        for of in ("dt", "dd")
    )
    assert abs(word - meaning) < 30
    assert page.evaluate("document.querySelector('.words dd').getBoundingClientRect().width") > 400
    page.close()


def test_a_chinese_page_takes_its_quotation_marks_from_a_chinese_font() -> None:
    """A Latin font, as `system-ui` often is, has narrow ones."""
    css = (Path(render.__file__).parent / "templates" / "page.css").read_text(encoding="utf-8")
    (fonts,) = re.findall(r":lang\(zh\)\{--font:([^}]*)\}", css)
    assert fonts.index("Noto Sans CJK SC") < fonts.index("system-ui")
