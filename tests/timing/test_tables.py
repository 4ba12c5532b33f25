"""Tables and pictures show counts as counted, also where curves are weighted to be like today's subscribers."""

import dataclasses
import re

import numpy as np
import pandas as pd
import pytest

from smsroi_helpers.statistics import carry_over, find_transport
from smsroi_helpers.timing import best_hours, figures, outputs, tables
from smsroi_helpers.timing.response import fit_cells
from tests.timing.samples import cells_of, looked, wave

KEYS = ["weekday", "hour", "until", "group", "stratum"]


@pytest.fixture(scope="module")
def carried():
    """A test with members in two segments, carried over to today's three: nobody in the test was in `gone`."""
    rng = np.random.default_rng(3)
    cells = cells_of(rng, lambda hour, _name: wave(hour, strength=0.8), segments=("a", "b"), hours=range(8, 20))
    seen = looked(cells)
    then = pd.DataFrame({"segment": ["a", "a", "b", "b"], "cell": [1, 2, 1, 2], "n": 1_000})
    now = pd.DataFrame({
        "segment": ["a", "a", "b", "b", "gone", "gone"], "cell": [1, 2] * 3, "n": [100, 900, 500, 500, 50, 950]
    })  # fmt: skip
    transport = find_transport(then, now)
    halves = pd.concat([cells.assign(cell=1), cells.assign(cell=2)], ignore_index=True)
    halves[["messages", "clicks"]] = halves[["messages", "clicks"]] / 2
    weighted, everybody = carry_over(halves, transport, KEYS)
    by_segment, whole = fit_cells(weighted, everybody)
    response = dataclasses.replace(
        seen.randomised, by_segment=by_segment, everybody=whole, transport=transport, weighted=everybody
    )
    more = [frame[frame["segment"] == "a"].assign(segment="gone") for frame in (seen.practice, seen.volume)]
    seen = dataclasses.replace(
        seen, randomised=response, practice=pd.concat([seen.practice, more[0]], ignore_index=True),
        volume=pd.concat([seen.volume, more[1]], ignore_index=True),
    )  # fmt: skip
    return seen, best_hours.find_best_hours(seen, np.random.default_rng(1))


def shown(markup):
    """Segment → its test customers and responses, as the table has them."""
    rows = re.findall(r"<tr>(.*?)</tr>", markup, re.DOTALL)
    cells = [[re.sub("<[^>]+>", "", each) for each in re.findall(r"<t[dh].*?</t[dh]>", row, re.DOTALL)] for row in rows]
    return {row[0]: tuple(int(each.replace(",", "")) for each in row[1:3]) for row in cells[1:]}


def test_responses_are_counted_and_agree_with_the_saved_table(carried):
    seen, answers = carried
    page = tables.windows_table(answers, seen).markup
    saved = outputs.response_rows(seen).groupby("segment")["clicks"].sum()
    found = shown(page)
    assert set(found) == {"all", "a", "b", "gone"}
    assert {name: responses for name, (_customers, responses) in found.items()} == saved.to_dict()
    assert found["all"][1] == found["a"][1] + found["b"][1] == seen.randomised.cells["clicks"].sum()
    assert answers[0].clicks != pytest.approx(saved["all"], rel=0.01)  # the weighted count is another number
    assert found["gone"] == (4_000, 0)
    assert "no customers in gone, or too few" in page


def test_a_panel_without_points_is_explained(carried):
    seen, answers = carried
    assert "No points for gone" in figures.segments_figure(seen, answers).markup
    own = [answer for answer in answers if answer.segment != "gone"]
    assert "No points" not in figures.segments_figure(seen, own).markup
    assert "too few customers" not in tables.windows_table(own, seen).markup
