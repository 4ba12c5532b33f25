"""Each term of art is linked once, where it first stands in a sentence, to its one definition."""

import re

import pytest

from smsroi_helpers import locale
from smsroi_helpers.runner.glossary import link_words


@pytest.fixture(autouse=True)
def _english():
    locale.use_language("en")
    yield
    locale.use_language("en")


def terms(page):
    return [word.term for word in link_words(page)[1]]


def test_the_first_place_is_linked_and_no_other():
    linked, words = link_words("<p>A holdout of <b>9</b>. Held-out ones.</p><p>The holdout.</p>")
    (word,) = words
    assert linked == (
        f'<p>A <a class="word" href="#{word.anchor}">holdout</a> of <b>9</b>. Held-out ones.</p><p>The holdout.</p>'
    )
    assert word.term == "held-out"
    assert word.meaning.startswith("Customers drawn by chance")


@pytest.mark.parametrize(
    "page",
    [
        "<h2>The holdout</h2>", "<table><tr><td>holdout</td></tr></table>", '<p><a href="x">holdout</a></p>',
        "<p><code>holdout</code></p>", '<p><b title="holdout">x</b></p>', "<p>holdouts, powerful, prepower, ROI2</p>",
        "<p>no-power-left</p>", "<p>holdout.opted_in_at, x.holdout, holdout_x</p>", '<p class="q">Why a holdout?</p>',
        "<ul><li><div>holdout</div></li></ul>",
    ],
)  # fmt: skip
def test_headings_tables_links_code_tags_and_parts_of_words_have_no_link(page):
    assert link_words(page) == (page, [])


def test_an_item_of_a_list_has_links_too():
    assert terms("<ol><li>Holdout.</li><li>ROI</li></ol>") == ["held-out", "ROI"]


def test_words_are_in_the_order_of_the_alphabet_and_each_has_its_own_place():
    page = "<figcaption>ROI by RFM, 95% intervals</figcaption><p>ROI with a 95% interval by P(alive), BG/NBD.</p>"
    linked, words = link_words(page)
    assert [word.term for word in words] == ["95% interval", "BG/NBD", "P(alive)", "RFM", "ROI"]
    anchors = re.findall(r'href="#(word-\d+)"', linked)
    assert sorted(anchors) == sorted(word.anchor for word in words)
    assert re.sub(r"</?a\b[^>]*>", "", linked) == page


def test_chinese_words_stand_without_blanks():
    locale.use_language("zh")
    linked, words = link_words("<p>按空白组客户衡量增量利润（95% 置信区间）。</p>")
    assert {word.term for word in words} == {"空白组", "增量", "95% 置信区间"}
    assert linked.count("<a ") == 3


def test_a_page_of_a_megabyte_takes_little_time():
    page = "<p>nothing here</p>" * 50_000
    assert link_words(page) == (page, [])
