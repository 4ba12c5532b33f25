"""The decisions on texts: what a difference in the log may recommend, and its amount."""

import dataclasses
import html
import re
from types import SimpleNamespace

import numpy as np
import pytest

from smsroi_helpers.content import tables, wording
from smsroi_helpers.content.creative_profit import ByCreative, SegmentChoice
from smsroi_helpers.content.decision import decide_creatives


def a_segment(gain: float, texts: float, error: float = 0.01) -> SegmentChoice:
    """Two creatives sent equally often; the first brings `gain` more than their mixture, per text."""
    profit = np.random.default_rng(1).normal([2 * gain, 0.0], error, (4_000, 2))
    draws = {"profit": profit, "click": profit / 10, "order": profit / 50, "opt_out": 0 * profit}
    return SegmentChoice(
        "gold", ("a", "b"), np.array([500.0, 500.0]), np.array([0.5, 0.5]), texts, 40, draws, 0, np.array([True, False])
    )


def content(
    *segments: SegmentChoice, priced: bool = True, left_out: tuple[tuple[str, int], ...] = ()
) -> SimpleNamespace:
    prices = SimpleNamespace(subscriber=SimpleNamespace(known=True))
    found = ByCreative({}, {}, tuple(segments), prices, priced, left_out)
    return SimpleNamespace(by_creative=found, log_customers=5_000, practice=SimpleNamespace(messages=0))


def test_a_clear_gain_in_the_log_asks_for_a_test_and_no_change():
    found = decide_creatives(content(a_segment(1.0, 100.0), a_segment(0.5, 300.0)), smallest_gain=0.002)
    assert found.outcome == "not_enough_evidence"
    # 100 texts at 1.0 and 300 at 0.5: 250 a week; error of a mean of 4,000 draws, and four of these
    assert found.value == pytest.approx(250, abs=4 * 300 * 0.01 / np.sqrt(4_000))
    assert found.low > 0
    assert found.long_run
    assert (found.customers, found.evidence_customers) == (80, 5_000)  # whom it is for, and who was observed


def test_no_gain_keeps_the_mixture():
    assert decide_creatives(content(a_segment(-1.0, 100.0)), smallest_gain=0.002).outcome == "dont"


def test_without_a_price_clicks_decide_nothing():
    found = decide_creatives(content(a_segment(1.0, 100.0), priced=False), smallest_gain=0.002)
    assert (found.outcome, found.reason) == ("not_enough_evidence", "no_price")
    assert np.isnan(found.value)
    assert found.gains["click"][0] == pytest.approx(0.1, rel=0.01)
    assert "profit" not in found.gains


def test_without_creatives_beside_one_another_nothing_is_compared():
    found = decide_creatives(SimpleNamespace(by_creative=None, log_customers=0), smallest_gain=0.0)
    assert (found.outcome, found.reason) == ("not_enough_evidence", "not_compared")


def test_where_a_test_compares_the_same_texts_the_log_has_no_amount():
    found = decide_creatives(content(a_segment(1.0, 100.0)), smallest_gain=0.002, tested={"a", "b", "c"})
    assert (found.outcome, found.reason) == ("not_enough_evidence", "tested")
    assert np.isnan(found.value)
    assert decide_creatives(content(a_segment(1.0, 100.0)), smallest_gain=0.002, tested={"b", "c"}).reason == ""


def opt_outs_saved() -> SegmentChoice:
    """The first text has fewer clicks, by an interval that includes 0, and clearly fewer opt-outs."""
    rng = np.random.default_rng(2)
    draws = {
        "profit": rng.normal([0.2, 0.0], 0.01, (4_000, 2)), "click": rng.normal([-0.002, 0.0], 0.003, (4_000, 2)),
        "order": np.zeros((4_000, 2)), "opt_out": rng.normal([-0.004, 0.0], 0.0001, (4_000, 2)),
    }  # fmt: skip
    return SegmentChoice(
        "gold", ("a", "b"), np.array([500.0, 500.0]), np.array([0.5, 0.5]), 100.0, 40, draws, 0, np.array([True, False])
    )


def test_the_words_say_why_a_text_is_better_and_whom_it_leaves_out():
    found = content(opt_outs_saved(), left_out=(("lost", 914),))
    decided = decide_creatives(found, 0.002, tested={"a", "b"})
    assert decided.why == "fewer_opt_outs"
    assert decided.gains["opt_out"][0] == pytest.approx(-0.002, abs=1e-5)
    row = wording._creatives(found, decided, "USD")
    assert row.customers == 5_000
    assert "“a” for all segments compared" in row.action
    assert "profit per text $0.10" in row.text
    assert "more clicks" not in row.text  # −1 more clicks is no sentence
    assert "because fewer customers opt out" in row.text
    assert "Not compared: lost (914 customers)" in row.text
    assert "randomised test of these texts decides about them" in row.text


def test_a_test_of_some_of_the_texts_is_not_called_the_test_of_them():
    choice = dataclasses.replace(
        opt_outs_saved(), creatives=("a", "b", "c"), share=np.array([0.5, 0.5, 0.0]),
        draws={name: np.column_stack([each, each[:, 1]]) for name, each in opt_outs_saved().draws.items()},
    )  # fmt: skip
    decided = decide_creatives(content(choice), 0.002, tested={"a", "b"})
    assert (decided.reason, decided.tested) == ("tested", ("a", "b"))
    text = wording._creatives(content(choice), decided, "USD").text
    assert "covers 2 of the 3 texts compared (“a” and “b”)" in text
    assert "has it" not in text


def test_the_answer_says_what_the_test_left_undecided_of_what_the_log_suggests():
    """The log suggests “a”: undecided in its test, decided there, or in no test."""
    shown = content(opt_outs_saved())

    def row(tested: set[str], undecided: set[str]):
        decided = decide_creatives(shown, 0.002, tested, undecided)
        assert decided.suggested == ("a",)
        return wording._creatives(shown, decided, "USD")

    still_open = row({"a", "b"}, {"a", "b"})
    assert (
        still_open.action
        == "By segment, the log suggests “a” for all segments. The randomised test of “a” is undecided."
    )
    assert "Between “a” and “b” that test is undecided." in still_open.text
    settled = row({"a", "b"}, set())
    assert settled.action.endswith("About “a”, follow the randomised test.")
    assert "undecided" not in settled.text
    assert "randomised test" not in row(set(), set()).action


def test_beside_a_test_of_the_texts_the_log_has_an_amount_per_text_but_no_total():
    """The sentence before has profit per text, so it is the total that is left out."""
    for tested in ({"a", "b"}, {"a", "b", "c"}):
        found = decide_creatives(content(a_segment(1.0, 100.0)), smallest_gain=0.002, tested=tested)
        assert found.reason == "tested"
        said = wording._creatives(content(), found, "USD")
        assert "profit per text $" in said.text
        assert "no total is given here" in said.text
        assert np.isnan(said.value)


def test_the_table_has_the_numbers_of_the_answer():
    """The row of all segments has the gains that the answer states."""
    other = dataclasses.replace(opt_outs_saved(), segment="lost", texts_per_week=300.0)
    found = content(opt_outs_saved(), other)
    gains = decide_creatives(found, 0.002, tested={"a", "b"}).gains
    page = " ".join(re.sub(r"<[^>]+>", " ", tables.segments_table(found, "USD").markup).split())
    last = page[page.index(" all ") :]
    for outcome in ("click", "opt_out"):
        assert wording.points_words(*gains[outcome]).replace("95% interval ", "") in last
    assert "as above" not in tables.segments_table(content(opt_outs_saved()), "USD").markup  # one segment is all


def test_texts_that_may_be_as_good_are_explained_where_there_are_any():
    """Without a common interval a text can stay in: the difference has a wider one, for all texts at once."""
    several = dataclasses.replace(opt_outs_saved(), chosen=np.array([True, True]))
    for one, explained in ((several, True), (opt_outs_saved(), False)):
        page = tables.segments_table(content(one), "USD").markup
        assert ("does not overlap that of the best" in page) is explained


def test_texts_to_shorten_are_shown_whole(found):
    several = [one for one in found.savings if one.kind != "none"]
    assert several
    page = html.unescape(tables.shorter_table(found).markup)
    for one in found.savings:
        assert (one.text.sent in page) is (one in several)
    assert "…" not in page
    assert all(one.text.text in html.unescape(tables.texts_table(found).markup) for one in found.savings)
    none = SimpleNamespace(savings=[one for one in found.savings if one.kind == "none"])
    assert "No small change" in tables.shorter_table(none).markup
