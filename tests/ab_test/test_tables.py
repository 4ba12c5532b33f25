"""Tables and figures can be drawn; a broken test draws nothing."""

import dataclasses
import datetime as dt
import re

import numpy as np

from smsroi_helpers import ab_test
from smsroi_helpers.ab_test import figures, money_tables, tables, uplift_figures, uplift_tables
from smsroi_helpers.ab_test.shared_wording import effect_rows_words


def test_all_figures_can_be_drawn(company, evaluated):
    shop = company[2]
    monthly = ab_test.estimate_monthly_profit(shop, evaluated)
    shown = [
        tables.experiments_table(evaluated), tables.validity_table(evaluated), figures.effects_figure(evaluated, "USD"),
        tables.results_table(evaluated, "USD"), tables.others_table(evaluated, "USD"),
        tables.best_table(evaluated, "USD"),
        uplift_tables.segments_table(evaluated, "USD"), uplift_figures.segments_figure(evaluated, "USD"),
        tables.capped_table(ab_test.cap_profit(shop, evaluated), "USD"),
        figures.weeks_figure(ab_test.trace_weeks(shop, evaluated), evaluated, "USD"),
        figures.monthly_profit_figure(monthly, "USD"),
        tables.monthly_profit_table(monthly, ab_test.estimate_total_profit(evaluated), "USD"),
        tables.overlaps_table(ab_test.map_overlaps(shop, evaluated)),
        tables.broken_days_table(ab_test.locate_broken_days(evaluated)),
        tables.peeking_note(ab_test.simulate_daily_looks(np.random.default_rng(1))),
    ]  # fmt: skip
    text = " ".join(re.sub(r"<[^>]+>", " ", each.markup) for each in shown)
    assert "nan" not in text
    assert "4 texts a week" in text


def test_the_darker_colour_is_explained_only_where_a_month_has_it(company, evaluated):
    months = ab_test.estimate_monthly_profit(company[2], evaluated)
    for some in (True, False):
        said = figures.monthly_profit_figure(months.assign(significant=some), "USD").caption
        assert ("Months in the darker colour differ from zero" in said) is some
        assert ("No month differs from zero" in said) is not some


def test_arms_are_ranked_only_where_this_page_decides(evaluated):
    """Tests of hours, of texts a week and of texts have one answer, on their own pages."""
    page = tables.best_table(evaluated, "USD").markup
    assert "No valid test that is decided on this page" in page
    assert "<table" not in page
    own = [dataclasses.replace(each, decided_in="ab_test") for each in evaluated]
    assert "4 texts a week" in tables.best_table(own, "USD").markup


def test_a_broken_page_draws_nothing(evaluate):
    found = [evaluate("other-split")]
    for show in (
        figures.effects_figure, tables.results_table, uplift_tables.segments_table,
        tables.best_table,
        tables.others_table,
    ):  # fmt: skip
        assert not re.search(r"\d", re.sub(r"<[^>]+>", "", show(found, "USD").markup))


def test_the_effects_by_segment_are_drawn_as_they_are_in_the_table(evaluate):
    """A dot and a bar for each segment with an estimate, and a line for all customers of the test."""
    found = evaluate("clear")
    metric, arm = found.decision.metric, found.decision.arm
    (ax,) = uplift_figures.segments([(found, arm)], "USD").axes
    rows = [row for row in found.effects.by_segment(metric, arm) if np.isfinite(row.low)]
    assert rows
    dots = [line.get_xdata()[0] for line in ax.lines if line.get_marker() == "o"]
    bars = [tuple(line.get_xdata()) for line in ax.lines if line.get_linewidth() == 4]
    scale = 1 if metric == "profit" else 100
    np.testing.assert_allclose(dots, [scale * row.difference for row in rows])
    np.testing.assert_allclose(bars, [(scale * row.low, scale * row.high) for row in rows])
    (dashed,) = [line for line in ax.lines if line.get_linestyle() == "--"]
    np.testing.assert_allclose(dashed.get_xdata(), scale * found.effects.find(metric, arm).difference)
    assert uplift_figures.segments_figure([evaluate("other-split")], "USD") is None


def test_days_of_a_broken_split(evaluate):
    """The day of a broken split is listed; a valid test has none."""
    days = ab_test.locate_broken_days([evaluate("other-split"), evaluate("clear")])
    assert days["experiment_id"].tolist() == ["other-split"]
    assert days["name"].tolist() == [dt.date(2024, 3, 4)]
    assert "45.5%" in tables.broken_days_table(days).markup
    assert "No day of assignment stands out" in tables.broken_days_table(ab_test.locate_broken_days([])).markup


def test_of_which_messages_clicks_are_is_said_where_they_are_shown():
    of_all = "Clicks per message are of all messages sent"
    assert of_all in effect_rows_words(clicks=True)
    assert of_all not in effect_rows_words(clicks=False)


def test_where_no_arm_decides_cash_is_not_said_to_be_unknown(evaluate):
    """Profit with an interval may stand in the table above, by arm."""
    found = dataclasses.replace(evaluate("clear"), decided_in="ab_test")
    assert "Cash in these weeks" in money_tables.money_table([found], "USD").markup
    nobody = dataclasses.replace(found, decision=dataclasses.replace(found.decision, difference=float("nan")))
    page = money_tables.money_table([nobody], "USD").markup
    assert "No test here decides" in page
    assert "is in the table of results" in page
