"""Whether amounts on the index may be added, and which axes they share."""

import pytest

from smsroi_helpers.runner.index_page import _row, _scales
from smsroi_helpers.runner.index_sums import judge_sum, together

HOURS = {"stage": "timing", "question": "When?", "outcome": "do", "numbers": (9.0, 5.0, 13.0), "money": "cash"}
OFTEN = HOURS | {"stage": "frequency", "question": "How often?", "money": "long_run"}
TEXT = HOURS | {"stage": "ab_test", "question": "Which text?"}


@pytest.mark.parametrize(
    ("rows", "found", "words"),
    [
        ([], "none", ""),
        ([HOURS | {"outcome": "dont"}, OFTEN | {"numbers": None}], "none", ""),
        ([HOURS, OFTEN | {"outcome": "not_enough_evidence"}], "one", "nothing to add"),
        ([HOURS, TEXT], "overlap", "Do not add these amounts (“When?”; “Which text?”)"),
        ([HOURS, OFTEN, TEXT], "kinds", "different money"),
    ],
)
def test_recommended_changes_of_the_same_texts_never_add_up(rows, found, words):
    assert judge_sum(rows) == found
    assert words in together(rows)
    assert bool(together(rows)) is (found != "none")


def test_cash_and_long_run_never_share_an_axis():
    given = {"action": "a", "kind": "gain", "customers": 900, "unit": "money_per_week", "evidence": "modelled"}
    rows = [
        _row([each | given | dict(zip(("value", "low", "high"), each["numbers"], strict=True))], "USD", {})
        for each in (HOURS, OFTEN, TEXT)
    ]  # fmt: skip
    groups = _scales(rows, "USD", "today")
    assert [[row["money"] for row in group["rows"]] for group in groups] == [["cash", "cash"], ["long_run"]]
    assert [group["unit"].split(":")[0] for group in groups] == ["Cash", "In the long run"]


def test_labels_of_an_axis_stand_on_their_lines_and_do_not_touch():
    given = {"action": "a", "kind": "gain", "customers": 900, "unit": "money_per_week", "evidence": "modelled"}

    def ticks(low: float, high: float, currency: str) -> list[dict]:
        row = HOURS | given | {"value": high, "low": low, "high": high}
        return _scales([_row([row], currency, {})], currency, "today")[0]["ticks"]

    assert [tick["label"] for tick in ticks(0.0, 600.0, "USD")] == ["today", "+$200", "+$400", "+$600"]
    # None hangs out of the scale: that of today begins at its edge.
    first, *others = ticks(0.0, 600.0, "USD")
    assert (first["anchor"], first["at"]) == ("start", "0")
    assert float(first["x"]) > 0
    assert {(tick["anchor"], tick["at"] == tick["x"]) for tick in others} == {("middle", True)}
    # Long labels: some are left out, of which the lines stay; never that of today.
    long = ticks(0.0, 8e8, "KES")
    shown = [tick["label"] for tick in long if tick["label"]]
    assert "today" in shown
    assert 1 < len(shown) < len(long)
