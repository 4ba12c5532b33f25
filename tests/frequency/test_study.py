"""Different sources: each fills the page or gives a reason."""

import io
import re

import numpy as np
import pandas as pd
import pytest

from smsroi_helpers import measures
from smsroi_helpers.ab_test.click_profit import find_prices
from smsroi_helpers.errors import NotEnoughData
from smsroi_helpers.experiments import check_experiments
from smsroi_helpers.frequency import check_tables, outputs
from smsroi_helpers.frequency import figures as frequency_figures
from smsroi_helpers.frequency import policy as frequency_policy
from smsroi_helpers.frequency import tables as frequency_tables
from smsroi_helpers.frequency.arms import estimate_arms
from smsroi_helpers.frequency.counts import ALL, count_arms
from smsroi_helpers.frequency.early_warning import score_by_frequency, warn_early
from smsroi_helpers.frequency.pull_forward import trace_pull_forward
from smsroi_helpers.frequency.saturation import measure_saturation
from smsroi_helpers.frequency.shared_wording import opt_out_sentence
from smsroi_helpers.frequency.study import _find_experiment, read_logs
from smsroi_helpers.frequency.win_back import win_back
from smsroi_helpers.frequency.wording import decide
from smsroi_helpers.measures import PRACTICE_WEEKS
from smsroi_helpers.segmentation import find_cuts
from tests.cluster_sources import draw_households, open_households
from tests.frequency.samples import LOG_WEEKS, WEEKS, open_folder, source, written


def causal(text):
    return re.search(r"\b(lift|caused|causes|incremental)\b", text, re.IGNORECASE)


def text_of(answers):
    return " ".join(" ".join((each.action, each.text, each.caveat)) for each in answers)


def whole_page(shop, study):
    """Every figure and table, as one text; and the decisions."""
    rng = np.random.default_rng(2)
    tables, charts = frequency_tables, frequency_figures
    policy = frequency_policy.choose_frequencies(study, rng)
    stages = frequency_policy.choose_frequencies(study, rng, by="stage")
    parts = [
        tables.test_note(study), tables.exclusions_table(study), tables.practice_table(study),
        charts.response_figure(study, policy, "USD"), tables.arms_table(study, "USD"),
        charts.segments_figure(study, policy, "USD"), tables.policy_table(policy, "USD"), tables.rule_note(study),
        charts.cash_figure(policy, "USD"), tables.loss_note(study),
        tables.response_table(study, "USD"), tables.policy_table(stages, "USD", by="stage"),
        check_tables.saturation_table(study, measure_saturation(study, policy), "USD"),
        charts.pull_forward_figure(trace_pull_forward(shop, study), "USD"), check_tables.shape_note(study),
        check_tables.click_value_note(study, "USD"), charts.logs_figure(study, "USD"),
        check_tables.log_weeks_table(study), check_tables.steps_table(study, "USD"),
        check_tables.overlap_table(study), check_tables.warning_table(study, warn_early(shop, study)),
        check_tables.winback_table(win_back(study), "USD"),
        check_tables.satisfaction_table(score_by_frequency(shop, study)),
    ]  # fmt: skip
    outputs.response_table(study), outputs.policy_table(policy)
    words = "\n".join(re.sub(r"<svg.*?</svg>|data:image[^\"]*", "", part.markup, flags=re.DOTALL) for part in parts)
    assert not re.search(r"\b(nan|inf)\b", words, re.IGNORECASE)
    return words, decide(study, policy, "USD")


def test_a_sound_test_fills_the_page(study_of):
    shop, study = study_of()
    assert study.sound
    assert study.fit is not None
    words, answers = whole_page(shop, study)
    assert answers[0].segment == ALL
    assert all(each.evidence == "modelled" for each in answers)  # pooled over arms, and beyond the test's weeks
    assert "observational" in words
    assert "MBG/NBD" in words
    table = outputs.response_table(study)
    assert set(table["evidence"]) == set(table["long_run_evidence"]) == {"modelled"}
    assert set(table.loc[table["tested"], "messages_per_week"]) == {0, 1, 2}
    measured = table.loc[table["segment"].eq(ALL) & table["messages_per_week"].eq(2), "arm_profit"].item()
    one = study.arms[(study.arms["segment"] == ALL) & (study.arms["messages_per_week"] == 2)]
    assert measured == one["profit"].item()
    assert table.loc[~table["tested"], "arm_profit"].isna().all()
    assert study.fit.loss.weekly[0] > 0


def test_the_natural_loss_is_the_one_of_the_ab_page(study_of):
    shop, study = study_of()
    assert study.fit is not None
    assert study.stages is not None
    subscriber = find_prices(shop, 0.1).subscriber
    assert subscriber.natural_loss == pytest.approx(study.fit.loss.weekly, rel=1e-9)
    assert study.stages.loss.weekly == study.fit.loss.weekly
    # It is part of the loss that the subscriber's value rests on.
    assert subscriber.weekly_loss[0] >= subscriber.natural_loss[0] > 0


def test_split_files_are_the_same_source(tmp_path, study_of):
    _shop, study = study_of()
    folder = tmp_path / "source"
    folder.mkdir()
    for name, content in written(source()[0]).items():
        if name in ("orders", "messages"):
            (folder / name).mkdir()
            rows = pd.read_csv(io.StringIO(content), dtype=str, keep_default_na=False)
            for k in range(3):
                part = rows.iloc[2 - k :: 3]
                part.where(part != "", None).to_parquet(folder / name / f"part-{k}.parquet", index=False)
        else:
            (folder / ("source.yml" if name == "source" else f"{name}.csv")).write_text(content)
    shop = open_folder(folder)
    experiment = next(each for each, _validity in check_experiments(shop))
    logs = read_logs(shop, study.channel, study.segment_by, PRACTICE_WEEKS, LOG_WEEKS, experiment.name)
    pd.testing.assert_frame_equal(study.logs.steps, logs.steps)
    pd.testing.assert_frame_equal(study.logs.audience, logs.audience)
    cuts = find_cuts(shop)
    cells = count_arms(shop, experiment, study.segment_by, study.channel, cuts)
    pd.testing.assert_frame_equal(study.arms, estimate_arms(cells, study.texts_per_week))


def test_without_an_experiment_the_log_is_observational(study_of):
    shop, study = study_of(experiment=False)
    words, answers = whole_page(shop, study)
    assert [each.outcome for each in answers] == ["not_enough_evidence"]
    assert answers[0].evidence == "observational"
    assert "no experiment" in answers[0].text
    assert "Test frequencies on randomly assigned customers" in answers[0].action
    assert not causal(text_of(answers))
    assert not causal(words)
    assert len(outputs.response_table(study)) == 0
    assert study.logs.steps["effect"].notna().any()


def test_without_a_zero_arm_only_differences_are_reported(study_of):
    shop, study = study_of(doses=(1, 2))
    assert study.fit is None
    assert study.arms["profit"].isna().all()
    words, answers = whole_page(shop, study)
    assert "Add an arm that is sent nothing" in answers[0].action
    assert "is not known" in answers[0].text
    assert "Profit against the smallest frequency" in words
    assert np.isnan(answers[0].value)


@pytest.mark.parametrize("doses", [(0, 1), (1, 1)])
def test_one_frequency_only(study_of, doses):
    shop, study = study_of(doses=doses)
    _words, answers = whole_page(shop, study)
    assert answers[0].outcome == "not_enough_evidence"
    assert np.isnan(answers[0].value)
    if doses == (0, 1):
        # One frequency is compared with none only; there is no recommendation to change.
        policy = frequency_policy.choose_frequencies(study, np.random.default_rng(1))
        assert set(policy["reason"]) <= {"one_dose", "no_effect"}


def test_nobody_opted_out_has_an_exact_limit(study_of):
    shop, study = study_of(opt_outs=False)
    weeks = study.cells.loc[study.cells["arm"] != "d0_0", "weeks"].sum()
    assert weeks == pytest.approx(2 * 90 * WEEKS, rel=1e-6)
    words = opt_out_sentence(study)
    assert "Nobody who was texted opted out in 1,440 customer-weeks" in words
    assert f"{100 * (1 - 0.025 ** (1 / 1440)):.2f}%" in words
    page, answers = whole_page(shop, study)
    assert "exact 95% limit" in page
    assert "exact 95% limit" in answers[0].caveat
    rows = study.arms[study.arms["segment"] == ALL]
    assert (rows["hazard"] == 0).all()
    assert (rows["hazard_high"] > 0).all()


def test_with_a_broken_split_nothing_is_shown(study_of):
    shop, study = study_of(split=(150, 90, 60))
    assert study.validity.broken
    assert study.fit is None
    assert not len(study.arms)
    words, answers = whole_page(shop, study)
    assert [each.outcome for each in answers] == ["broken"]
    assert "is broken" in answers[0].text
    assert "There are no arms to show" in words
    assert len(trace_pull_forward(shop, study)) == 0
    assert len(outputs.response_table(study)) == 0


def test_without_messages(study_of):
    with pytest.raises(NotEnoughData, match="no messages"):
        study_of(messages=False, experiment=False)
    shop, study = study_of(messages=False)
    assert measures.choose_channel(shop) == ""
    assert study.fit is None
    _words, answers = whole_page(shop, study)
    assert answers[0].outcome == "not_enough_evidence"
    assert "Without messages" in answers[0].text


def test_a_test_of_households_is_not_fitted(tmp_path):
    """The curve's errors are those of single customers: the test is left to the page on experiments, and it is said."""
    rows = draw_households(np.random.default_rng(1), 30)
    shop = open_households(tmp_path, rows.assign(before=0.0, after=1.0), kind="frequency")
    experiment, validity, why = _find_experiment(shop)
    assert (experiment, validity, why) == (None, None, "clustered")
