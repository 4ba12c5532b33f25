"""The typed decisions on texts per week, with reasons and numbers."""

import dataclasses
import re

import numpy as np
import pandas as pd
import pytest

from smsroi_helpers.cltv import NaturalLoss
from smsroi_helpers.frequency import check_tables, figures, outputs, tables, wording
from smsroi_helpers.frequency.arms import estimate_arms
from smsroi_helpers.frequency.carried import Carried
from smsroi_helpers.frequency.counts import ALL
from smsroi_helpers.frequency.decision import count_decided, count_opt_outs, customers_needed, decide
from smsroi_helpers.frequency.dose_response import fit_response
from smsroi_helpers.frequency.outputs import response_table
from smsroi_helpers.frequency.policy import LONGEST, choose_frequencies
from smsroi_helpers.frequency.saturation import measure_saturation
from smsroi_helpers.frequency.study import Study
from smsroi_helpers.frequency.wording import put_in_words
from smsroi_helpers.pages import cash_words, evidence_words
from smsroi_helpers.statistics import Transport
from tests.frequency.samples import DOSES, cells_of, logs_of, responsive, schedules_of


def study_with(people, practice, weekly_loss=0.003):
    """A study of a test, and of a practice that sends `practice` texts a week to every customer."""
    cells, doses = cells_of(people), {name: DOSES[name] for name in people["arm"].unique()}
    names = sorted(people["segment"].unique())
    weeks = pd.DataFrame({"segment": name, "customer": i, "group": i % 64, "texts": practice, "profit": i % 7}
                         for i in range(640) for name in names)  # fmt: skip
    audience = pd.DataFrame({
        "segment": names, "stage": names, "outside": 1, "weeks": 4, "texts": 4 * practice, "customers": 1_000,
    })  # fmt: skip
    logs = logs_of(weeks.assign(stage=weeks["segment"]), audience)
    fit = fit_response(cells, doses, 0.002, np.random.default_rng(1), loss=NaturalLoss.constant(weekly_loss))
    plain = estimate_arms(cells, doses)
    schedules = schedules_of(names, practice, 1_000, sorted(doses.values()))
    return Study(
        "sms", None, None, "", doses, cells, plain, fit, fit, logs, "region", 0.002, schedules=schedules
    )  # fmt: skip


@pytest.fixture(scope="module")
def works():
    return study_with(responsive(np.random.default_rng(91)), practice=0)


@pytest.fixture(scope="module")
def leaving():
    """Today four texts a week drive subscribers away: fewer texts cost cash and gain in the long run."""
    return study_with(responsive(np.random.default_rng(92), opt_out=0.03), practice=4)


def test_the_gain_is_that_of_the_recommendation_over_all_subscribers(works):
    policy = choose_frequencies(works, np.random.default_rng(1))
    found = decide(works, policy)[0]
    assert (found.segment, found.outcome, found.reason, found.evidence) == (ALL, "do", "gain", "modelled")
    value, low, high = found.gain
    assert 0 < low < value < high
    # Today nothing is sent: the gain is the net profit of the recommended frequency × the subscribers.
    net = works.fit.net_profit()[0, works.fit.grid_index(found.texts_per_week)].mean()
    assert value == pytest.approx(4_000 * net)
    assert found.gain_is_reported
    assert found.warnings == ("long_run_modelled",)


def test_a_group_whom_the_test_hardly_covers_gets_no_recommendation(works):
    covered = pd.DataFrame({"segment": [ALL, "a", "b", "c", "d"], "overlap": [0.9, 1.0, 0.49, 0.5, 0.0], "own": True})
    transport = Transport(pd.DataFrame(), covered, ("a", "b", "c", "d"))
    carried = Carried(transport, pd.DataFrame(), pd.DataFrame(), pd.DataFrame())
    policy = choose_frequencies(dataclasses.replace(works, carried=carried), np.random.default_rng(1))
    found = {each.segment: each for each in decide(works, policy)}
    assert {name: each.outcome for name, each in found.items()} == {
        ALL: "do", "a": "do", "b": "not_enough_evidence", "c": "do", "d": "not_enough_evidence",
    }  # fmt: skip
    assert found["d"].reason == "not_covered"
    assert found["d"].gain is None
    assert found["d"].cash is None
    changed = policy[policy["segment"].isin(["a", "c"])]["gain"].sum()
    assert policy.set_index("segment").loc[ALL, "together"] == pytest.approx(changed)  # of those who are to change


def test_without_a_change_no_gain_is_reported(works):
    policy = choose_frequencies(works, np.random.default_rng(1))
    best = float(policy.loc[policy["segment"] == ALL, "messages_per_week"].iloc[0])
    same = study_with(responsive(np.random.default_rng(91)), practice=int(best))
    found = decide(same, choose_frequencies(same, np.random.default_rng(1)))[0]
    assert (found.outcome, found.reason, found.gain_is_reported) == ("dont", "already_best", False)
    # What leaving it would bring instead: everybody gets the best frequency already, so the two differ by W alone.
    tested = [dose for dose in same.fit.frequencies if dose != best]
    net = {dose: same.fit.net_profit()[0, same.fit.grid_index(dose)] for dose in (best, *tested)}
    other = max(tested, key=lambda dose: net[dose].mean())
    leaving = found.leaving
    assert leaving.texts_per_week == other
    assert leaving.gain[0] == pytest.approx(4_000 * (net[other] - net[best]).mean())
    assert leaving.gain[1] < leaving.gain[0] < leaving.gain[2]
    m = same.fit.profit()[0]
    cash = (m[same.fit.grid_index(other)] - m[same.fit.grid_index(best)]).mean()
    assert np.sign(leaving.cash.profit[0]) == np.sign(cash)
    assert best in leaving.undistinguished


def test_staying_says_what_leaving_would_bring(works):
    best = float(choose_frequencies(works, np.random.default_rng(1))["messages_per_week"].iloc[0])
    same = study_with(responsive(np.random.default_rng(91)), practice=int(best))
    policy = choose_frequencies(same, np.random.default_rng(1))
    found = decide(same, policy)[0]
    row = put_in_words(found, same, "USD")
    assert (row.value, row.low, row.high) == found.leaving.gain
    assert row.unit == "money_per_week"
    assert "if changed to" in row.number_words
    assert "A change to" in row.text
    assert ("Not distinguishable from the best" in row.text) == (len(found.leaving.undistinguished) > 1)
    assert "If left" in tables.policy_table(policy, "USD").markup
    # No texts in the simultaneous set, though texts beat none alone: the page says that it is no contradiction.
    both = dataclasses.replace(found.leaving, undistinguished=(0.0, best))
    for beats in (True, False):
        one = dataclasses.replace(found, leaving=both, beats_no_texts=beats)
        assert ("does not say that no texts are as good" in put_in_words(one, same, "USD").text) == beats
    row = policy[policy["segment"] == ALL].iloc[0]
    assert found.beats_no_texts == (row["value_low"] > 0 and 0.0 in row["not_worse"])
    forced = policy.assign(not_worse=[(0.0, *each) for each in policy["not_worse"]])
    assert decide(same, forced)[0].beats_no_texts == (row["value_low"] > 0)


def test_a_gain_below_the_smallest_one_is_no_gain(works):
    policy = choose_frequencies(works, np.random.default_rng(1), smallest_gain=100.0)
    assert {found.reason for found in decide(works, policy, 100.0)} <= {"no_gain", "already_best"}


def test_horizons_compare_this_week_with_the_long_run(leaving):
    found = [each for each in decide(leaving, choose_frequencies(leaving, np.random.default_rng(1))) if each.horizons]
    assert found
    for each in found:
        short, long = each.horizons.texts_per_week
        assert each.horizons.same is (short == long)
        if short != long:
            assert each.horizons.profit[0] > each.horizons.profit[1]
            assert each.horizons.value[0] < each.horizons.value[1]


def test_cash_and_long_run_are_different_money(leaving):
    policy = choose_frequencies(leaving, np.random.default_rng(1), cash_weeks=8)
    found = decide(leaving, policy, cash_weeks=8)[0]
    assert found.outcome == "do"
    assert found.texts_per_week < 4
    # By hand, for week 1: all subscribers, the difference of a week's profit.
    fit = leaving.fit
    m = fit.profit()[0].mean(axis=-1)
    first = 4_000 * (m[fit.grid_index(found.texts_per_week)] - m[fit.grid_index(4.0)])
    curve = policy.loc[policy["segment"] == ALL, "cash_by_week"].iloc[0]
    assert curve.shape == (LONGEST, 3)
    assert curve[0, 0] == pytest.approx(first, rel=1e-6)
    assert first < 0 < found.gain[0]
    assert found.cash.weeks == 8
    assert found.cash.profit == pytest.approx(tuple(curve[7]))
    week = int(found.cash.break_even)
    assert 1 < week < LONGEST
    assert curve[week - 2, 0] < 0 <= curve[week - 1, 0]
    assert (curve[week - 1 :, 0] >= 0).all()


def test_cash_is_said_with_its_break_even_week(leaving):
    policy = choose_frequencies(leaving, np.random.default_rng(1), cash_weeks=2)
    row = policy.iloc[0]
    found = wording.decide(leaving, policy, "USD", cash_weeks=2)[0]
    assert (found.cash, found.cash_low, found.cash_high) == (row["cash"], row["cash_low"], row["cash_high"])
    assert (found.value, found.unit) == (row["gain"], "money_per_week")
    assert (found.cash_weeks, found.cash_evidence, found.money) == (2, "modelled", "long_run")
    assert found.break_even_week == row["break_even"]
    said = cash_words(dataclasses.asdict(found), "USD")
    assert "Cash in the next 2 weeks" in said
    assert f"breaks even in week {row['break_even']:.0f}" in said


def test_what_leaving_would_bring_has_its_cash_beside_it(leaving):
    """Of a change that is not recommended, the row of `decisions` has both kinds of money, and nothing breaks even."""
    policy = choose_frequencies(leaving, np.random.default_rng(1), cash_weeks=12)
    numbers = {"leave_for": 2.0, "leave": -100.0, "leave_low": -600.0, "leave_high": 500.0}
    numbers |= {"leave_cash": 18_000.0, "leave_cash_low": 3_000.0, "leave_cash_high": 43_000.0}
    stays = policy.head(1).assign(outcome="stay", reason="as_today", **numbers)
    (found,) = wording.decide(leaving, stays, "USD", cash_weeks=12)
    assert (found.value, found.low, found.high) == (-100.0, -600.0, 500.0)
    assert (found.cash, found.cash_low, found.cash_high, found.cash_weeks) == (18_000.0, 3_000.0, 43_000.0, 12)
    assert np.isnan(found.break_even_week)
    assert np.isnan(outputs.policy_table(stays)["break_even_week"]).all()
    said = cash_words(dataclasses.asdict(found), "USD")
    assert said.startswith("Cash of that change in the next 12 weeks")
    assert "By these estimates it earns at first and loses in the long run." in said


def test_the_table_has_the_week_of_changes_that_cost_at_first(leaving):
    policy = choose_frequencies(leaving, np.random.default_rng(1), cash_weeks=2)
    weeks = outputs.policy_table(policy).set_index("segment")["break_even_week"]
    for row in policy.itertuples():
        costs = row.cash_by_week is not None and row.cash_by_week[0, 0] < 0 < row.gain
        assert weeks[row.segment] == pytest.approx(row.break_even if costs else np.nan, nan_ok=True)


def test_changes_by_segment_add_up(leaving):
    policy = choose_frequencies(leaving, np.random.default_rng(1))
    changed = policy[(policy["segment"] != ALL) & (policy["outcome"] == "change")]
    together = policy["together"].iloc[0]
    assert len(changed) > 1
    assert together == pytest.approx(changed["gain"].sum())
    assert policy["together_low"].iloc[0] > changed["gain_low"].sum()  # independent errors do not add up
    assert policy["together"].iloc[1:].isna().all()
    assert "add up" in wording.decide(leaving, policy, "USD")[0].text


def test_a_frequency_that_was_not_tested_is_proposed_and_not_recommended():
    """0, 2 and 4 texts tested; one text a week is best, and between 0 and 2."""
    people = responsive(np.random.default_rng(93), opt_out=0.03)
    study = study_with(people[people["arm"] != "one"], practice=4)
    policy = choose_frequencies(study, np.random.default_rng(1))
    assert set(policy["messages_per_week"]) <= {0.0, 2.0, 4.0}
    first = policy.iloc[0]
    assert first["try_next"] in (0.5, 1.0)
    net = study.fit.net_profit()[0]
    gain = net[study.fit.grid_index(first["try_next"])] - net[study.fit.grid_index(first["messages_per_week"])]
    assert first["try_gain"] == pytest.approx(4_000 * gain.mean())
    assert "next: it was not tested" in wording.decide(study, policy, "USD")[0].text
    table = response_table(study)
    tested = table["messages_per_week"].isin([0.0, 2.0, 4.0])
    assert table["tested"].eq(tested).all()
    assert table["evidence"].eq("modelled").all()  # the arms, as measured, stand beside the pooled estimates
    assert table["messages_per_week"].max() == 4.0


def test_natural_loss_makes_opt_outs_cheaper_and_the_frequency_higher():
    people = responsive(np.random.default_rng(94), opt_out=0.006)
    none, much = (
        choose_frequencies(study_with(people, 1, weekly_loss=loss), np.random.default_rng(1)).iloc[0]
        for loss in (0.0, 0.03)
    )
    assert none["messages_per_week"] < much["messages_per_week"]
    assert none["value"] > 2 * much["value"]


def test_customers_needed_fall_with_the_square_of_the_difference(works):
    one, two = (customers_needed(works, difference) for difference in (0.01, 0.02))
    assert one / two == pytest.approx(4, abs=4 / two)  # both are rounded up to whole customers
    assert np.isnan(customers_needed(works, 0.0))


def test_where_nobody_opted_out_the_limit_is_exact(works):
    assert count_opt_outs(works).kind == "seen"
    none = dataclasses.replace(works, cells=works.cells.assign(opt_outs=0))
    found = count_opt_outs(none)
    assert found.kind == "none_seen"
    assert (1 - found.limit) ** found.weeks == pytest.approx(0.025)
    assert count_opt_outs(dataclasses.replace(works, cells=works.cells.assign(consent_known=0))).kind == "unknown"


def test_saturation_is_measured_only_against_recommended_doses(leaving):
    """Everybody gets four texts a week: of two segments of 1,000 one is advised fewer, the other is undecided."""
    policy = choose_frequencies(leaving, np.random.default_rng(1))
    policy = policy[policy["segment"].isin([ALL, "a", "b", "c"])].reset_index(drop=True)
    policy.loc[policy["segment"] == "b", ["outcome", "reason"]] = ["not_enough", "interval"]
    policy.loc[policy["segment"] == "c", ["outcome", "reason"]] = ["stay", ""]  # advised to stay at today's
    found = measure_saturation(leaving, policy).set_index("segment")
    assert found.index.tolist() == [ALL, "a"]
    assert found.loc[ALL, ["customers", "under", "right", "over"]].tolist() == [1_000, 0, 0, 1_000]


def test_where_all_get_what_is_advised_a_sentence_says_so(leaving):
    policy = choose_frequencies(leaving, np.random.default_rng(1))
    found = measure_saturation(leaving, policy)
    assert "<table" in check_tables.saturation_table(leaving, found, "USD").markup
    right = found.assign(right=found["customers"], under=0.0, over=0.0)
    said = check_tables.saturation_table(leaving, right, "USD").markup
    assert "<table" not in said
    assert f"All {found['customers'].iloc[0]:,.0f} subscribers" in said


def test_the_answer_counts_subscribers_of_segments_with_a_decision(works):
    policy = choose_frequencies(works, np.random.default_rng(1))
    found = decide(works, policy)
    assert count_decided(found) == sum(one.subscribed for one in found[1:] if one.outcome in ("do", "dont"))
    assert "By segment, decided" not in wording.decide(works, policy, "USD")[0].text  # all are
    policy.loc[policy["segment"] == "a", ["outcome", "reason"]] = ["not_enough", "interval"]
    first, *rows = decide(works, policy)
    decided = first.subscribed - next(one.subscribed for one in rows if one.segment == "a")
    said = f"By segment, decided for {decided:,} of {first.subscribed:,} subscribers."
    assert said in wording.decide(works, policy, "USD")[0].text


def test_all_customers_have_one_answer_and_stages_are_gated_alike(works):
    covered = pd.DataFrame({"segment": [ALL, "a", "b", "c", "d"], "overlap": [0.9, 1.0, 0.49, 0.5, 0.0], "own": True})
    transport = Transport(pd.DataFrame(), covered, ("a", "b", "c", "d"))
    carried = Carried(transport, pd.DataFrame(), pd.DataFrame(), pd.DataFrame())
    study = dataclasses.replace(works, carried_stages=carried)
    policy = choose_frequencies(study, np.random.default_rng(1))
    stages = choose_frequencies(study, np.random.default_rng(2), by="stage", everybody=policy)
    pd.testing.assert_frame_equal(stages.iloc[:1], policy.iloc[:1], check_dtype=False, check_like=True)
    assert stages.set_index("segment")["reason"].to_dict() | {ALL: ""} == {
        ALL: "", "a": "", "b": "not_covered", "c": "", "d": "not_covered",
    }  # fmt: skip
    assert stages.set_index("segment").loc[["b", "d"], ["gain", "cash"]].isna().all(axis=None)


def test_every_segment_of_today_has_a_row(works, monkeypatch):
    """Segment e has 250 subscribers today and nobody in the test."""
    audience = pd.concat([works.logs.audience, works.logs.audience.tail(1).assign(segment="e", customers=250)])
    study = dataclasses.replace(works, logs=dataclasses.replace(works.logs, audience=audience))
    policy = choose_frequencies(study, np.random.default_rng(1))
    rows = policy.set_index("segment")
    assert rows.index.tolist() == [ALL, "a", "b", "c", "d", "e"]
    assert rows.loc[ALL, "subscribed"] == rows["subscribed"].iloc[1:].sum() == 4_250
    assert rows.loc["e", ["messages_per_week", "gain", "value", "today"]].isna().all()
    said = wording.decide(study, policy, "USD")[-1]
    assert (said.segment, said.outcome, said.customers, said.evidence) == ("e", "not_enough_evidence", 250, "none")
    assert "fewer than 30 customers" in said.text
    assert not re.search(r"\bnan\b", said.action + said.text + tables.policy_table(policy, "USD").markup)
    assert "e" in set(outputs.policy_table(policy)["segment"])
    assert "e" not in set(measure_saturation(study, policy)["segment"])
    drawn, alts = [], []
    monkeypatch.setattr(figures, "figure", lambda made, alt, **_words: drawn.append(made) or alts.append(alt))
    figures.segments_figure(study, policy, "USD")
    assert "shown advised" not in alts[0]
    panels = [ax for ax in drawn[0].axes if ax.get_visible()]
    for ax in panels:
        ax.figure.draw_without_rendering()
        space = panels[1].get_window_extent().x0 - panels[0].get_window_extent().x0
        assert ax.title.get_window_extent().width < space  # of a panel with its gap
    assert [bool(ax.get_ylabel()) for ax in panels] == [at % 3 == 0 for at in range(len(panels))]
    assert [bool(ax.get_xlabel()) for ax in panels] == [at + 3 >= len(panels) for at in range(len(panels))]


def test_without_recorded_opt_outs_no_dose_is_advised_as_priced(works):
    """The same test says "do" where opt-outs are known."""
    unrecorded = dataclasses.replace(works, cells=works.cells.assign(consent_known=0, opt_outs=0))
    policy = choose_frequencies(unrecorded, np.random.default_rng(1))
    assert set(policy["outcome"]) == {"not_enough"}
    assert policy[["gain", "cash", "value", "net", "together"]].isna().all(axis=None)
    for each in wording.decide(unrecorded, policy, "USD"):  # every segment says so, not only the row of all
        assert each.outcome == "not_enough_evidence"
        assert np.isnan(each.value)
        assert "does not record opt-outs" in each.text
        assert "priced in" not in each.text
    table = outputs.policy_table(policy)
    assert table[["messages_per_week", "long_run_profit", "gain_per_week"]].isna().all(axis=None)
    assert response_table(unrecorded)["long_run_profit"].isna().all()
    assert len(measure_saturation(unrecorded, policy)) == 0


def test_headcounts_are_of_the_subscribers_the_money_is_for(works):
    policy = choose_frequencies(works, np.random.default_rng(1))
    found = decide(works, policy)[0]
    words = put_in_words(found, works, "USD")
    assert words.customers == 4_000  # four segments of 1,000 subscribers
    assert words.evidence_customers == works.cells["n"].sum() == 16_000
    assert "16,000" in evidence_words(dataclasses.asdict(words))[1]
    silent = put_in_words(dataclasses.replace(found, gain_is_reported=False, cash=None), works, "USD")
    assert silent.customers == 4_000  # never the members of the test


def test_the_table_advises_nothing_to_a_group_whom_the_test_hardly_covers(works):
    covered = pd.DataFrame({"segment": [ALL, "a", "b", "c", "d"], "overlap": [0.9, 1.0, 0.49, 0.5, 0.0], "own": True})
    transport = Transport(pd.DataFrame(), covered, ("a", "b", "c", "d"))
    study = dataclasses.replace(works, carried=Carried(transport, pd.DataFrame(), pd.DataFrame(), pd.DataFrame()))
    table = outputs.policy_table(choose_frequencies(study, np.random.default_rng(1))).set_index("segment")
    of_advice = table.columns.difference(
        ["evidence", "outcome", "today_per_week", "subscribed", "overlap", "gain_evidence", "cash_evidence"]
    )
    assert table.loc["d", of_advice].isna().all()
    assert table.loc["d", "gain_evidence"] == "none"
    assert table.loc["a", ["messages_per_week", "gain_per_week", "cash"]].notna().all()


def test_the_table_says_why_an_arm_alone_is_unknown(works):
    assert "No arm alone" not in tables.response_table(works, "USD").markup
    first = works.arms["segment"].drop_duplicates().iloc[1]
    arms = works.arms.assign(profit=works.arms["profit"].where(works.arms["segment"] != first))
    words = tables.response_table(dataclasses.replace(works, arms=arms), "USD").markup
    assert f"No arm alone of {first}:" in words


def test_todays_frequency_does_not_cover_the_arm_tested_there(works):
    policy = choose_frequencies(works, np.random.default_rng(1)).assign(today=1.0)
    panel = figures.response(works, policy, "USD").axes[0]
    (today,) = [line for line in panel.get_lines() if list(line.get_xdata()) == [1.0, 1.0]]
    arms = panel.containers[0]
    assert today.get_zorder() < min(arms[0].get_zorder(), *(each.get_zorder() for each in arms[2]))
    assert today.get_linewidth() > 3 * arms[2][0].get_linewidths()[0]
