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
