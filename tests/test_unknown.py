"""Unknown is not 0: what messages cost, and how many opted out, where the source does not say."""

import dataclasses

import numpy as np
import pytest

from smsroi_helpers import ab_test, frequency, measures
from smsroi_helpers.ab_test import planning_tables
from smsroi_helpers.ab_test import tables as ab_test_tables
from smsroi_helpers.frequency import tables as frequency_tables
from smsroi_helpers.frequency.decision import count_opt_outs
from tests.frequency.samples import open_folder, source, written

UNSAID = "The source does not say what messages cost"


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """A company whose messages have neither costs nor opt-outs; it records a frequency test."""
    folder = tmp_path_factory.mktemp("bare") / "source"
    folder.mkdir()
    rows, _arm = source()
    for row in rows["messages"]:
        del row["cost"], row["opted_out_at"]
    for name, content in written(rows).items():
        (folder / ("source.yml" if name == "source" else f"{name}.csv")).write_text(content)
    return folder, open_folder(folder)


@pytest.fixture(scope="module")
def study(bare):
    return frequency.analyse(bare[1], np.random.default_rng(1))


@pytest.mark.parametrize(
    ("column", "setting", "known", "costs"),
    [
        (None, "", False, [None, None]),
        (None, "message_cost: 0.05\n", True, [0.05, 0.05]),
        (["0.02", ""], "", True, [0.02, 0.0]),  # an empty cost is the contract's default
        (["0.02", ""], "message_cost: 0.05\n", True, [0.02, 0.05]),
    ],
)
def test_a_cost_is_the_messages_else_the_sources_else_unknown(make_source, open_source, column, setting, known, costs):
    head, cells = ("", ["", ""]) if column is None else (",cost", [f",{cost}" for cost in column])
    messages = f"message_id,customer_id,campaign_id,sent_at{head}\n"
    messages += "".join(f"{i},a,k,2025-03-0{i} 10:00{cells[i - 1]}\n" for i in (1, 2))
    files = {"orders": "order_id,customer_id,ordered_at,amount\n1,a,2025-03-01,10\n2,a,2025-03-04,20\n"}
    files["experiments"] = "experiment_id,kind,control_arm,started_at\nx,holdout,b,2025-03-01\n"
    files["arms"] = "experiment_id,arm,share\nx,a,0.5\nx,b,0.5\n"
    files["assignments"] = "experiment_id,customer_id,arm,assigned_at\nx,a,a,2025-03-01\n"
    shop = open_source(make_source(messages=messages, source=f"timezone: UTC\nmargin: 0.5\n{setting}", **files))
    assert measures.knows_cost(shop) is known
    found = measures.every_send(shop).order_by("message_id").execute()["cost"]
    assert [None if np.isnan(cost) else cost for cost in found] == costs
    outcome = measures.arm_outcomes(shop).execute().iloc[0]
    spent = sum(cost or 0 for cost in costs)
    assert outcome["profit"] == pytest.approx(0.5 * 30 - spent)
    assert np.isnan(outcome["message_cost"]) if not known else outcome["message_cost"] == pytest.approx(spent)
    events = measures.profit_events(shop).execute()["profit"]
    assert events.sum() == pytest.approx(15 - spent)


def test_pages_say_that_profit_is_before_unknown_costs(bare, study):
    folder, shop = bare
    audience = ab_test.read_audience(shop)
    plan = ab_test.plan_next_test(audience)
    policy = frequency.choose_frequencies(study, np.random.default_rng(1))
    planned = planning_tables.planner_table(audience, plan, "USD").markup
    assert np.isnan(audience.message_cost)
    assert plan["breakeven_rate"].isna().all()
    assert "What a message costs is not known" in planned
    for smallest, explained in ((np.nan, True), (1.0, False)):
        page = planning_tables.planner_table(audience, plan.assign(smallest_gain=smallest), "USD").markup
        assert ("Where no smallest gain is shown" in page) is explained
    assert UNSAID in frequency_tables.test_note(study).markup
    assert UNSAID in frequency.decide(study, policy, "USD")[0].caveat
    assert UNSAID in ab_test_tables.cost_note(ab_test.knows_cost(shop)).markup
    # Where the price is known to be 0, nothing is unknown.
    (folder / "source.yml").write_text((folder / "source.yml").read_text() + "message_cost: 0\n")
    free = open_folder(folder)
    assert ab_test.read_audience(free).message_cost == 0.0
    assert UNSAID not in ab_test_tables.cost_note(ab_test.knows_cost(free)).markup


def test_opt_outs_that_are_not_recorded_are_not_none(study):
    assert count_opt_outs(study).kind == "unknown"
    assert study.arms[["hazard", "hazard_low", "hazard_high", "opt_outs"]].isna().all(axis=None)
    columns = ["opt_out_per_week", "opt_out_low", "opt_out_high"]
    assert frequency.response_table(study)[columns].isna().all(axis=None)
    for page in (frequency_tables.arms_table(study, "USD"), frequency_tables.response_table(study, "USD")):
        assert "%</td>" not in page.markup
    # With the same clicks and orders, recorded opt-outs are shares.
    recorded = dataclasses.replace(study, cells=study.cells.assign(consent_known=1))
    assert frequency.response_table(recorded)["opt_out_per_week"].notna().all()
