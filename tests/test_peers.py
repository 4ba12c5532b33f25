"""The pandas notebooks that the workbook is compared with compute what they say they do, of a small company."""

import duckdb
import numpy as np
import pandas as pd
import pytest

from benchmarks.peers import STAGES, cltv, company, content, effectiveness, frequency, quality, retention
from benchmarks.peers import ab_test as tests_in_pandas
from benchmarks.peers import segmentation as groups_in_pandas
from benchmarks.peers import timing as hours_in_pandas
from smsroi_helpers import experiments
from smsroi_helpers.content.counts import collect_sends, count_cells
from smsroi_helpers.content.texts import read_texts
from smsroi_helpers.effectiveness import counts, kpis
from smsroi_helpers.effectiveness.incremental import compare_attribution
from smsroi_helpers.quality.checks import measure_coverage
from smsroi_helpers.retention.cohorts import consent_triangle, order_triangle


@pytest.fixture(scope="module")
def folder(simulated):
    return str(simulated[1])


@pytest.fixture(scope="module")
def count(folder):
    """A function that counts by SQL: {orders} and so on are the source's tables."""
    tables = {name: f"'{folder}/{name}/*.parquet'" for name in ("orders", "customers", "assignments", "messages")}
    tables |= {name: f"'{folder}/{name}.parquet'" for name in ("arms", "experiments")}
    con = duckdb.connect()
    con.execute("SET timezone = 'UTC'")
    return lambda sql: con.execute(sql.format(**tables)).fetchone()[0]


def test_every_notebook_before_the_plan_has_a_peer():
    assert len(set(STAGES)) == 9


def test_segmentation_scores_every_buyer(folder, count, capsys):
    groups_in_pandas.main(folder)
    buyers = count("SELECT count(DISTINCT customer_id) FROM {orders} WHERE amount >= 0")
    assert int(capsys.readouterr().out.split()[0]) == buyers


def test_cltv_counts_repeat_days(folder, count, capsys, monkeypatch):
    monkeypatch.setattr(cltv, "BOOTSTRAPS", 2)
    cltv.main(folder)
    levels = count("SELECT count(DISTINCT attr_member_level) FROM {customers}")
    assert f" {levels} " in capsys.readouterr().out
    orders = company.read_orders(folder)
    bought = orders[orders["amount"] >= 0]
    rows = cltv.summary(bought, bought["day"].max())
    days = count(
        "SELECT count(DISTINCT (customer_id, CAST(timezone('America/New_York', ordered_at) AS DATE))) FROM {orders}"
        " WHERE amount >= 0"
    )
    assert int((rows["frequency"] + 1).sum()) == days


def test_timing_finds_the_arms_and_each_customers_hours(folder, count, capsys):
    hours_in_pandas.main(folder)
    printed = [int(number) for number in capsys.readouterr().out.split()]
    arms = count("SELECT count(*) FROM {arms} JOIN {experiments} USING (experiment_id) WHERE kind = 'timing'")
    hours = count(
        "SELECT count(DISTINCT (o.customer_id, hour(timezone(c.timezone, o.ordered_at))))"
        " FROM {orders} o JOIN {customers} c USING (customer_id)"
    )
    assert printed[3:] == [arms, hours]


def test_frequency_follows_who_was_in_no_test(folder, count):
    end = pd.Timestamp(count("SELECT max(sent_at)::VARCHAR FROM {messages} WHERE channel = 'sms'")).normalize()
    landmarks = [end - pd.Timedelta(weeks=4 * k) for k in range(1, 7)]
    weeks = sum(
        count(
            f"SELECT count(*) FROM {{customers}} WHERE opted_in_at < '{at}' AND coalesce(opted_out_at >= '{at}', true)"
            " AND customer_id NOT IN (SELECT customer_id FROM {assignments} JOIN {experiments} USING (experiment_id)"
            " WHERE kind = 'frequency')"
        )
        for at in landmarks
    )
    found = frequency.run(folder)
    assert f" {weeks:,} customer-weeks" in found


def test_content_has_the_clicks_of_the_workbook(simulated, folder):
    shop = simulated[2]
    texts = read_texts(shop)
    cells = count_cells(shop, collect_sends(shop, texts, segment_by="rfm_group"))
    cells["creative"] = cells["text"].map(lambda number: texts.texts[number].creative)
    ours = cells.groupby("creative")[["sent", "messages", "clicks", "orders", "opt_outs"]].sum()
    theirs = content.tables(folder)["creatives"]
    pd.testing.assert_frame_equal(theirs[ours.columns].astype(int), ours.astype(int), check_names=False)


def test_retention_has_the_triangles_of_the_workbook(simulated, folder):
    found = retention.tables(folder)
    for name, ours in (
        ("orders", order_triangle(simulated[2], 0).rows),
        ("consent", consent_triangle(simulated[2]).rows),
    ):
        assert len(ours) > 20
        number = [12 * month.year + month.month - 1 for month in ours["cohort"]]
        theirs = [found[name].loc[cohort, age] for cohort, age in zip(number, ours["age"], strict=True)]
        assert theirs == ours["retained"].to_list()


def test_effectiveness_has_the_kpis_and_attributed_revenue_of_the_workbook(simulated, folder):
    shop, found = simulated[2], effectiveness.tables(folder)
    rows = kpis.estimate_kpis(counts.count_sends(shop, counts.collect_sends(shop)), counts.Known.of(shop))
    for name in effectiveness.RATES:
        ours = kpis.find(rows, name, "channel", "sms")[0]
        assert found["by channel"].loc["sms", name] == pytest.approx(ours, rel=1e-9), name
    compared = compare_attribution(shop)
    assert compared
    for each in compared:
        theirs = found["attribution"].loc[(each.experiment, each.arm)]
        for rule in each.rules:
            assert theirs[f"{rule.touch}_{rule.hours}"] == pytest.approx(rule.revenue, rel=1e-9, abs=1e-6)


def test_tests_have_the_means_of_the_workbook(simulated, folder):
    arms = tests_in_pandas.tables(folder)["arms"]
    compared = 0
    for test, counted in experiments.count_outcomes(simulated[2]).groupby("experiment_id"):
        for metric in ("profit", "revenue", "orders", "order_rate", "opt_out_rate"):
            moments = experiments.moments_of(counted, str(test), metric)
            sums = moments.groupby("arm")[["n", "sum_y"]].sum()
            ours = sums["sum_y"] / sums["n"]
            np.testing.assert_allclose(arms.loc[test, metric].reindex(ours.index), ours, rtol=1e-9)
            compared += len(ours)
    assert compared == 5 * len(arms)


def test_quality_covers_what_the_workbook_does(simulated, folder):
    ours, theirs = measure_coverage(simulated[2]), quality.tables(folder)["coverage"]["value"]
    assert (theirs["buyers"], theirs["orders"], theirs["refunds"]) == (ours.buyers, ours.orders, ours.refunds)
    assert theirs["paid"] == pytest.approx(ours.paid)
    texts = ours.texts
    assert (theirs["messages"], theirs["delivered"], theirs["clicked"], theirs["opted_out"]) == (
        texts.messages, texts.delivered, texts.clicked, texts.opted_out,
    )  # fmt: skip
