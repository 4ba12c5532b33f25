"""Tables of pages: what a column of intervals says once, its heading or the caption says for all rows."""

import re

import pandas as pd
import pytest

from smsroi_helpers import locale
from smsroi_helpers.pages import table


def headings(made):
    return re.findall(r'<th scope="col"[^>]*>(.*?)</th>', made.markup)


@pytest.fixture
def frame():
    return pd.DataFrame({"Arm": ["a", "b", "c"], "Gain": [locale.interval(5, 1, 9), "no price", None], "n": [1, 2, 3]})


def test_a_column_of_intervals_says_so_in_its_heading(frame):
    made = table(frame, caption="Effects")
    assert headings(made) == ["Arm", "Gain (95% interval)", "N"]
    assert "(1.0 to 9.0)" in made.markup
    assert made.markup.count("95%") == 1


def test_where_the_caption_says_it_the_heading_does_not(frame):
    assert headings(table(frame, caption="Effects, with 95% intervals")) == ["Arm", "Gain", "N"]


def test_the_frame_given_is_not_changed(frame):
    before = frame.copy()
    table(frame, caption="Effects")
    pd.testing.assert_frame_equal(frame, before)


def test_a_categorical_column_of_one_category_is_shown():
    made = table(pd.DataFrame({"a": pd.Categorical(["x"]), "b": [1]}), caption="Effects")
    assert ">x</th>" in made.markup


def test_a_caption_with_another_95_percent_says_nothing_of_intervals(frame):
    assert headings(table(frame, caption="Of 95% of customers")) == ["Arm", "Gain (95% interval)", "N"]


def test_words_with_brackets_stay_as_they_are():
    made = table(pd.DataFrame({"Arm": ["a"], "Why": ["late (by 95% of days)"]}), caption="Reasons")
    assert headings(made) == ["Arm", "Why"]
    assert "late (by 95% of days)" in made.markup


def test_a_column_of_dashes_is_not_one_of_numbers():
    made = table(pd.DataFrame({"Lacks": ["–", "–"], "Cost": ["–", "$3"]}), caption="Needs")
    assert re.findall(r'<th scope="col"([^>]*)>', made.markup) == ["", ' class="n"']


def test_a_column_that_is_empty_in_every_row_is_not_shown():
    frame = pd.DataFrame({
        "Arm": ["–", ""], "Why": ["–", ""], "Left": [float("nan")] * 2, "N": [12, 15], "Note": ["", "late"],
    })  # fmt: skip
    made = table(frame, caption="Arms")
    assert headings(made) == ["Arm", "N", "Note"]
    cells = re.findall(r"<t[hd][^>]*>([^<]*)</t[hd]>", made.markup.split("<tbody>")[1])
    assert cells == ["–", "12", "", "", "15", "late"]
    assert headings(table(frame, caption="Arms", suppress="N")) == ["Arm", "N", "Note"]
    assert headings(table(frame[:0], caption="Arms")) == ["Arm", "Why", "Left", "N", "Note"]


def test_a_column_that_suppression_empties_stays():
    frame = pd.DataFrame({"Arm": ["a", "b"], "N": [3, 4], "Gain": [1.0, 2.0]})
    assert headings(table(frame, caption="Arms", suppress="N")) == ["Arm", "N", "Gain"]


def test_the_amounts_of_a_table_have_one_unit_in_chinese():
    locale.use_language("zh")
    frame = pd.DataFrame({"组": ["a", "b"], "利润": ["¥13万", "¥17,758"], "成本": ["¥2万", "¥1.5万"]})
    made = table(frame, caption="两组")
    for shown in ("¥130,000", "¥17,758", "¥20,000", "¥15,000"):
        assert f">{shown}<" in made.markup
    made = table(frame.assign(利润=["¥13万", "¥2.4万"]), caption="两组")
    for shown in ("¥13万", "¥2.4万", "¥2万", "¥1.5万"):
        assert f">{shown}<" in made.markup


def test_a_table_of_many_columns_is_set_smaller_and_still_sorted_by_the_script():
    few, many, most = (pd.DataFrame({f"c{i}": [1] for i in range(n)}) for n in (5, 6, 8))
    assert '<table class="data many most">' in table(most, caption="Most").markup
    assert '<table class="data">' in table(few, caption="Few").markup
    assert '<table class="data many">' in table(many, caption="Many").markup


def test_a_long_heading_gets_room():
    made = table(pd.DataFrame({"Arm": ["a"], "More responses per 1,000 texts than today": [1]}), caption="Effects")
    assert re.findall(r'<th scope="col"([^>]*)>', made.markup) == ["", ' class="n words"']


def test_a_chinese_date_stays_on_one_line():
    locale.use_language("zh")
    made = table(pd.DataFrame({"a": ["x"], "b": [locale.day("2026-06-28")]}), caption="日期")
    locale.use_language("en")
    assert '<td class="whole">2026年6月28日</td>' in made.markup


def test_a_caption_of_several_sentences_ends_with_a_stop_and_shows_names_as_code(frame):
    made = table(frame, caption="Effects by `arm`. Descriptive")
    assert "<caption>Effects by <code>arm</code>. Descriptive.</caption>" in made.markup
    assert "<caption>Effects</caption>" in table(frame, caption="Effects").markup
    hostile = table(frame, caption="`<script>` <b>")
    assert "<script>" not in hostile.markup
    assert "<b>" not in hostile.markup


def test_dates_and_p_values_are_never_broken_nor_short_chinese_names():
    frame = pd.DataFrame(
        {"a": ["x"], "day": ["Jun 28, 2026"], "month": ["2025-09"], "p": ["< 0.001"], "说": ["尚未购买"]}
    )
    made = table(frame, caption="Days").markup
    for cell in ("Jun 28, 2026", "2025-09", "&lt; 0.001", "尚未购买"):
        assert re.search(rf'<td class="[^"]*whole"[^>]*>{re.escape(cell)}</td>', made), cell
    many = table(frame.assign(**{f"c{i}": 1 for i in range(4)}), caption="Days").markup
    assert '<td class="whole">尚未购买</td>' in many
    # Headings and first columns too; a longer phrase breaks as it needs to.
    signs = table(
        pd.DataFrame({"客户数": ["0、1、2、4"], "时段": ["17:00–18:00"], "说明": ["不发短信的客户"]}), caption="x"
    )
    for cell in ('<th scope="col" class="whole">客户数', 'class="whole">0、1、2、4</th>', 'whole">17:00–18:00</td>'):
        assert cell in signs.markup, cell
    assert "<td>不发短信的客户</td>" in signs.markup
    assert 'whole">2025-09<' in many
