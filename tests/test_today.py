"""Every page's today is one count of the raw messages in the stated window, made here by DuckDB from the files."""

import ast
import datetime as dt
from pathlib import Path

import duckdb
import nbformat
import pytest

from smsroi_helpers import ab_test, frequency, measures, timing
from smsroi_helpers.ab_test import planning_tables
from smsroi_helpers.frequency import tables as frequency_tables
from smsroi_helpers.frequency.policy import texts_per_week
from smsroi_helpers.locale import day
from smsroi_helpers.timing import tables as timing_tables

pytestmark = pytest.mark.slow
NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


def raw_counts(folder, first, last):
    """messages, delivered, customers, planned, mean cost of the texts of these days outside experiments."""
    files = {name: f"'{folder}/{name}/*.parquet'" for name in ("messages", "assignments")}
    files["experiments"] = f"'{folder}/experiments.parquet'"
    con = duckdb.connect()
    con.sql("SET timezone = 'UTC'")
    zone = "America/New_York"
    con.sql(f"""
        CREATE TABLE sent AS SELECT *, timezone('{zone}', sent_at)::DATE AS day FROM {files["messages"]}
        WHERE channel = 'sms' AND timezone('{zone}', sent_at)::DATE BETWEEN '{first}' AND '{last}'
    """)
    return con.sql(f"""
        WITH aside AS (
            SELECT customer_id FROM {files['assignments']} JOIN {files['experiments']} USING (experiment_id)
            WHERE (kind IN ('frequency', 'timing') OR (kind = 'holdout' AND arm = 'held_out'))
            AND timezone('{zone}', assigned_at)::DATE <= '{last}'
            AND (ended_at IS NULL OR ended_at > timezone('{zone}', TIMESTAMP '{first} 00:00'))
        )
        SELECT count(*), count(delivered_at), count(DISTINCT customer_id), count(plan_id), avg(cost) FROM sent
        WHERE customer_id NOT IN (SELECT customer_id FROM aside)
    """).fetchone()  # fmt: skip


def test_today_is_the_same_count_of_raw_messages_on_every_page(simulated, simulated_hours, simulated_frequencies):
    _world, folder, shop = simulated
    (hours, answers), (study, policy) = simulated_hours, simulated_frequencies
    audience = ab_test.read_audience(shop)
    practice = measures.find_practice(shop)
    assert hours.today == study.logs.practice == audience.practice == practice
    first, last = practice.first_day, practice.last_day
    assert (last, first) == (shop.as_of, shop.as_of - dt.timedelta(days=27))
    messages, delivered, customers, planned, cost = raw_counts(folder, first, last)
    assert (practice.messages, practice.customers, practice.planned) == (messages, customers, planned)
    assert 0.9 * messages < planned  # the simulated company follows a plan in its last four weeks
    assert hours.practice["messages"].sum() == messages
    assert hours.volume["messages_per_week"].sum() == pytest.approx(delivered / 4)
    assert study.logs.today["messages"].sum() == messages
    assert audience.message_cost == pytest.approx(cost)
    # What came before the plan is apart, and none of it is today's.
    before = practice.before_plan
    assert before.last_day == practice.plan_first_text - dt.timedelta(days=1)
    assert raw_counts(folder, before.first_day, before.last_day)[0] == before.messages
    assert texts_per_week(study.logs.before_plan) != pytest.approx(texts_per_week(study.logs.today), rel=0.05)
    # The window stands on every page, and so does its count.
    pages = (
        timing_tables.practice_table(hours), frequency_tables.practice_table(study),
        planning_tables.practice_table(audience),
    )  # fmt: skip
    for page in pages:
        assert f"{day(first)} to {day(last)}" in page.markup
        assert f"{messages:,}" in page.markup
        assert f"{before.messages:,}" in page.markup
    for decided in (frequency.decide(study, policy, "USD")[0], timing.decide(hours, answers)[0]):
        assert f"Today means {day(first)} to {day(last)}." in decided.caveat


@pytest.mark.parametrize("name", ["03_timing", "04_frequency", "05_ab_test"])
def test_the_notebooks_have_the_one_default(name):
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    (cell,) = (cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", []))
    given = {statement.targets[0].id: ast.literal_eval(statement.value) for statement in ast.parse(cell.source).body}
    assert given["practice_weeks"] == measures.PRACTICE_WEEKS
