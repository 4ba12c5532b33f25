"""A simulated company is what its truth says: buying, responding, experiments, and a practice that misleads."""

import dataclasses
import hashlib

import duckdb
import numpy as np
import pandas as pd
import pytest
from lifetimes import BetaGeoFitter
from scipy.stats import chi2, chisquare, f_oneway

from smsroi_helpers.contract import tables as contract_tables
from smsroi_helpers.errors import UsageError
from smsroi_helpers.simulation.behaviour import LAST_DAY, ZONES, plan_company
from smsroi_helpers.simulation.ground_truth import (
    CREATIVES,
    FREQUENCIES,
    HOURS,
    SEGMENTS,
    PolicyTruth,
    expected,
    read_truth,
)
from smsroi_helpers.simulation.write import write_company
from smsroi_helpers.source.read import load

WEEKS = 52
CUSTOMERS = 20_000
TABLES = {name: table for name, table in contract_tables.TABLES.items() if name != "identities"}
"""A simulated company has one name for each person, so it needs no identities."""
ERRORS = 4.5
"""Standard errors allowed where some hundred cells are compared: by chance one in 1,500 such tests fails."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    to = tmp_path_factory.mktemp("simulated") / "shop"
    write_company(to, customers=CUSTOMERS, weeks=WEEKS, seed=7)
    return to


@pytest.fixture(scope="module")
def world(folder):
    return read_truth(folder)


@pytest.fixture(scope="module")
def small_folder(tmp_path_factory):
    """A company for what is exact of every row, not only on average; it has some 200,000 messages."""
    to = tmp_path_factory.mktemp("simulated") / "small"
    write_company(to, customers=4_000, weeks=WEEKS, seed=7)
    return to


@pytest.fixture(scope="module")
def query(folder):
    return query_of(folder)


def query_of(folder):
    """A question in SQL over the tables, and over `people` and `bought`, the truth of customers and orders."""
    con = duckdb.connect()
    con.sql("SET timezone = 'UTC'")
    for name in TABLES:
        place = folder / f"{name}.parquet"
        con.read_parquet(str(place if place.exists() else folder / name / "*.parquet")).create_view(name)
    con.read_parquet(str(folder / "truth/customers/*.parquet")).create_view("people")
    con.read_parquet(str(folder / "truth/orders/*.parquet")).create_view("bought")
    return lambda query: con.sql(query).df()


@pytest.fixture(scope="module")
def texts(query):
    """Every delivered text: its reader's truth, local time, and how many texts of the six days before it meets."""
    found = query(
        """
        WITH t AS (
          SELECT m.*, c.timezone, timezone(c.timezone, m.sent_at) AS local, p.segment, p.hour_shift, p.responsiveness,
                 p.scanner, b.order_id IS NOT NULL AS bought
          FROM messages m JOIN customers c USING (customer_id) JOIN people p USING (customer_id)
               LEFT JOIN bought b ON b.message_id = m.message_id AND b.origin = 'caused'
          WHERE m.channel = 'sms'),
        counted AS (
          SELECT *, count(*) OVER (PARTITION BY customer_id ORDER BY local::DATE
                                   RANGE BETWEEN INTERVAL 6 DAY PRECEDING AND CURRENT ROW) - 1 AS before_it
          FROM t)
        SELECT segment, hour_shift, responsiveness, scanner, variant, before_it, hour(local) AS hour,
               isodow(local) - 1 AS weekday, customer_id, sent_at,
               clicked_at IS NOT NULL AS clicked, bought, opted_out_at IS NOT NULL AS left_because
        FROM counted WHERE delivered_at IS NOT NULL
        """
    )
    found["segment"] = found["segment"].map(SEGMENTS.index)
    found["creative"] = found["variant"].map([c.variant for c in CREATIVES].index)
    return found


@pytest.fixture(scope="module")
def predicted(texts, world):
    """What the closed form says of each of those texts; it is asked once for texts that are alike."""
    by = ["segment", "before_it", "hour", "weekday", "creative", "hour_shift"]
    grouped = texts.groupby(by, sort=False)
    alike = grouped.size().reset_index()
    said = expected(
        world, alike["segment"], texts_per_week=alike["before_it"] + 1, hour=alike["hour"], weekday=alike["weekday"],
        creative=alike["creative"], hour_shift=alike["hour_shift"],
    )  # fmt: skip
    which = grouped.ngroup().to_numpy()
    assert (alike.iloc[which[:1_000]].to_numpy()[:, :-1] == texts[by].head(1_000).to_numpy()).all()
    return PolicyTruth(*(getattr(said, field.name)[which] for field in dataclasses.fields(said)))


def assert_agrees(frame, happened, probability, *by):
    """Whether, cell by cell, as many happened as probabilities add up to, and over all cells together."""
    cells = frame[list(by)].assign(seen=happened, predicted=probability, noise=probability * (1 - probability))
    cells = cells.groupby(list(by)).sum()
    assert len(cells) > 1
    z = (cells["seen"] - cells["predicted"]) / np.sqrt(cells["noise"])
    large = cells["predicted"] >= 20
    assert large.sum() > 1
    assert z[large].abs().max() < ERRORS, z[large].sort_values()
    assert chi2.sf((z[large] ** 2).sum(), large.sum()) > 1e-4


BY = (
    ("segment", "hour"),
    ("segment", "before_it"),
    ("segment", "weekday"),
    ("segment", "creative"),
    ("hour_shift", "hour"),
)


@pytest.mark.parametrize("by", BY)
def test_clicks_are_as_the_truth_says(texts, predicted, by):
    by_hand = ~texts["scanner"].to_numpy()
    probability = predicted.click_rate * texts["responsiveness"]
    assert_agrees(texts[by_hand], texts["clicked"][by_hand], probability[by_hand], *by)


@pytest.mark.parametrize("by", BY)
def test_orders_caused_are_as_the_truth_says(texts, predicted, by):
    # What a text causes comes within two weeks: of the last ones, part is not seen yet.
    old = (texts["sent_at"] < pd.Timestamp(LAST_DAY, tz="UTC") - pd.Timedelta(days=14)).to_numpy()
    assert_agrees(texts[old], texts["bought"][old], (predicted.order_rate * texts["responsiveness"])[old], *by)


@pytest.mark.parametrize("by", BY[:4])
def test_opt_outs_are_as_the_truth_says(texts, predicted, by):
    # Who opts out some minutes after the end of the log is not seen doing so.
    old = (texts["sent_at"] < pd.Timestamp(LAST_DAY, tz="UTC")).to_numpy()
    assert_agrees(texts[old], texts["left_because"][old], predicted.opt_out_rate[old], *by)


def test_the_dose_experiment_brings_what_the_truth_says(query, world):
    """Per subscribed week after the first: orders caused and subscribers lost, by segment and dose."""
    rows = query(
        """
        WITH a AS (
          SELECT customer_id, assigned_at, arm, people.segment,
                 date_diff('day', assigned_at, least(e.ended_at, coalesce(c.opted_out_at, e.ended_at))) AS days
          FROM assignments JOIN experiments e USING (experiment_id) JOIN people USING (customer_id)
               JOIN customers c USING (customer_id)
          WHERE kind = 'frequency'),
        caused AS (
          SELECT customer_id, count(*) AS n FROM a JOIN messages m USING (customer_id)
               JOIN bought b USING (message_id) JOIN experiments e ON e.kind = 'frequency'
          WHERE b.origin = 'caused' AND m.sent_at >= assigned_at + INTERVAL 7 DAY AND m.sent_at < ended_at GROUP BY 1)
        SELECT segment, arm, sum(greatest(days - 7, 0)) / 7 AS weeks, sum(coalesce(n, 0)) AS orders
        FROM a LEFT JOIN caused USING (customer_id) GROUP BY ALL
        """
    )
    assert len(rows) == len(SEGMENTS) * len(FREQUENCIES)
    texts_per_week = rows["arm"].map({f"{d}_a_week" if d else "none": d for d in FREQUENCIES})
    truth = expected(
        world, rows["segment"].map(SEGMENTS.index).to_numpy()[:, None, None],
        texts_per_week=texts_per_week.to_numpy()[:, None, None],
        hour=np.array(HOURS)[:, None], creative=np.arange(len(CREATIVES)),
    )  # fmt: skip
    # Every hour is tried as often, but the texts are the pairs of those weeks.
    company = plan_company(world, WEEKS)
    test = company.experiments["frequency"]
    pairs = company.pairs[test.first_week + 1 : test.first_week + test.weeks].ravel()
    orders = truth.orders_per_week[:, :, pairs].mean(axis=(1, 2))
    z = (rows["orders"] - orders * rows["weeks"]) / np.sqrt(np.maximum(orders * rows["weeks"], 1))
    assert z[texts_per_week > 0].abs().max() < ERRORS, rows.assign(z=z)
    assert rows["orders"][texts_per_week == 0].sum() == 0
    assert rows["orders"].sum() > 300


@pytest.mark.parametrize("segment", range(len(SEGMENTS)))
def test_people_buy_by_themselves_as_bg_nbd_says(query, world, segment):
    """Repeat orders against the closed form, each customer's time running with the season."""
    rows = query(
        f"""
        SELECT timezone(c.timezone, c.joined_at)::DATE AS joined,
               count(b.order_id) FILTER (b.origin <> 'caused') - 1 AS x
        FROM people p JOIN customers c USING (customer_id) JOIN orders o USING (customer_id)
             LEFT JOIN bought b USING (order_id)
        WHERE p.segment = '{SEGMENTS[segment]}' AND p.buyer GROUP BY p.customer_id, 1
        """
    )
    company = plan_company(world, WEEKS)
    start = (rows["joined"] - pd.Timestamp(company.first_day)).dt.days.to_numpy() + 0.5
    pace = np.interp(start, np.arange(company.days + 1), company.organic_pace)
    fitter = BetaGeoFitter()
    fitter.params_ = pd.Series({name: getattr(world, name)[segment] for name in ("r", "alpha", "a", "b")})
    predicted = fitter.expected_number_of_purchases_up_to_time((company.organic_pace[-1] - pace) / 7)
    difference = rows["x"].to_numpy() - np.asarray(predicted)
    assert len(rows) > 2_000
    assert abs(difference.mean()) < 4 * difference.std() / np.sqrt(len(rows))


def test_who_is_texted_when_and_how_often_follows_recency_not_chance(query, world):
    """Today's practice: those who buy by themselves get more texts, and in the evening."""
    rows = query(
        """
        SELECT hour(timezone(c.timezone, m.sent_at)) >= 18 AS evening, p.rate
        FROM messages m JOIN customers c USING (customer_id) JOIN people p USING (customer_id)
        WHERE m.channel = 'sms' AND m.sent_at >= (SELECT min(started_at) FROM experiments)
          AND m.sent_at < (SELECT started_at FROM experiments WHERE kind = 'frequency')
        """
    )
    by_hour = rows.groupby("evening")["rate"].mean()
    assert by_hour[True] > 1.2 * by_hour[False]
    doses = query(
        """
        WITH texts AS (SELECT customer_id, sent_at FROM messages WHERE channel = 'sms'
                       AND sent_at < (SELECT min(started_at) FROM experiments)),
        readers AS (SELECT customer_id FROM customers, (SELECT min(started_at) AS t FROM experiments)
                    WHERE opted_in_at < t - INTERVAL 60 DAY AND coalesce(opted_out_at > t, true))
        SELECT p.rate, count(t.sent_at) AS texts
        FROM people p JOIN readers USING (customer_id) LEFT JOIN texts t USING (customer_id) GROUP BY customer_id, 1
        """
    )
    assert doses["rate"].corr(doses["texts"], method="spearman") > 0.3


def test_experiments_are_balanced(query):
    rows = query(
        """
        SELECT a.experiment_id, a.arm, arms.share, p.rate, p.responsiveness, p.segment
        FROM assignments a JOIN arms USING (experiment_id, arm) JOIN people p USING (customer_id)
        """
    )
    assert rows["experiment_id"].nunique() == 4
    for name, members in rows.groupby("experiment_id"):
        shares = members.groupby("arm")["share"].first()
        counts = members["arm"].value_counts()[shares.index]
        assert chisquare(counts, shares * len(members) / shares.sum()).pvalue > 1e-4, name
        for column in ("rate", "responsiveness"):
            assert f_oneway(*(arm[column] for _, arm in members.groupby("arm"))).pvalue > 1e-4, (name, column)


def test_who_is_assigned_consents_and_gets_nothing_else(query):
    """At assignment everybody has consented; held out and zero-dose customers are sent nothing until it ends."""
    late = query(
        """
        SELECT count(*) AS n FROM assignments a JOIN customers c USING (customer_id)
        WHERE coalesce(c.opted_in_at > a.assigned_at, true) OR c.opted_out_at < a.assigned_at
        """
    )
    assert late["n"].item() == 0
    texted = query(
        """
        SELECT count(*) AS n FROM assignments a JOIN experiments e USING (experiment_id)
             JOIN messages m ON m.customer_id = a.customer_id AND m.channel = 'sms' AND m.sent_at >= a.assigned_at
                            AND (e.ended_at IS NULL OR m.sent_at < e.ended_at)
        WHERE a.arm IN ('held_out', 'none')
        """
    )
    assert texted["n"].item() == 0
    after = query(
        """SELECT count(*) AS n FROM messages m JOIN customers c USING (customer_id)
           WHERE m.channel = 'sms' AND m.sent_at > c.opted_out_at"""
    )
    assert after["n"].item() == 0
    hours = query(
        """
        SELECT count(*) AS n, count(*) FILTER (hour(timezone(c.timezone, m.sent_at)) <> r.hour_start) AS wrong
        FROM assignments a JOIN experiments e USING (experiment_id) JOIN arms r USING (experiment_id, arm)
             JOIN customers c USING (customer_id)
             JOIN messages m ON m.customer_id = a.customer_id AND m.channel = 'sms' AND m.sent_at >= a.assigned_at
                            AND m.sent_at < e.ended_at
        WHERE e.kind = 'timing'
        """
    )
    assert hours["n"].item() > 10_000
    assert hours["wrong"].item() == 0


def test_a_part_of_what_would_have_come_comes_sooner(query):
    moved = query("SELECT origin, count(*) AS n FROM bought GROUP BY 1").set_index("origin")["n"]
    assert moved["moved"] > 200
    wait = query(
        """SELECT date_diff('second', m.sent_at, o.ordered_at) / 86400 AS days
           FROM bought b JOIN orders o USING (order_id) JOIN messages m USING (message_id)"""
    )["days"]
    assert wait.between(0, 14.01).all()


def test_machines_click_at_once(query):
    delays = query(
        """SELECT p.scanner, date_diff('second', delivered_at, clicked_at) AS seconds
           FROM messages JOIN people p USING (customer_id) WHERE clicked_at IS NOT NULL AND channel = 'sms'"""
    )
    assert (delays["seconds"] >= 0).all()
    assert (delays.loc[~delays["scanner"], "seconds"] >= 5).all()
    assert (delays.loc[delays["scanner"], "seconds"] < 5).mean() > 0.8


def test_the_source_passes_every_check(small_folder, tmp_path):
    loaded = load(str(small_folder), tmp_path / "read")
    assert [(f.table, f.rule) for f in loaded.findings if f.rows and f.severity == "error"] == []
    assert [(f.table, f.rule) for f in loaded.findings] == []
    assert set(loaded.tables) == set(TABLES)
    for name, table in TABLES.items():
        written = {column.name for column in table.columns} - {
            "segments",
            "cluster_id",
            "promise_factor",
        }  # not simulated
        missing = written - set(loaded.tables[name].columns)
        assert not missing, name
    assert loaded.settings.simulated


def test_two_languages_and_all_zones(query):
    texts = set(query("SELECT DISTINCT text FROM creatives")["text"])
    assert texts == {text for creative in CREATIVES for text in creative.texts}
    assert set(query("SELECT DISTINCT timezone FROM customers")["timezone"]) == set(ZONES)


def digests(folder):
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    for name, seed in (("one", 5), ("again", 5), ("other", 6)):
        write_company(tmp_path / name, customers=300, weeks=26, seed=seed)
    one, again, other = (digests(tmp_path / name) for name in ("one", "again", "other"))
    assert one == again
    changed = {name for name in one if one[name] != other[name]}
    same = set(one) - changed
    assert {name.split("/")[0] for name in same} <= {
        "source.yml",
        "arms.parquet",
        "experiments.parquet",
        "creatives.parquet",
    }


def test_where_messages_cause_nothing_they_cause_nothing(tmp_path):
    write_company(tmp_path / "null", customers=2_000, weeks=30, seed=4, null=True)
    con = duckdb.connect()
    origins = con.sql(f"SELECT DISTINCT origin FROM '{tmp_path}/null/truth/orders/*.parquet'").fetchall()
    assert origins == [("own",)]
    cost, left, n = con.sql(
        f"SELECT sum(cost), count(opted_out_at), count(*) FROM '{tmp_path}/null/messages/*.parquet'"
    ).fetchone()
    assert (cost, left) == (0, 0)
    assert n > 10_000
    truth = pd.read_json(tmp_path / "null/truth.json", typ="series")
    for policy in [*truth["practice"], *truth["best_long_run"]]:
        assert policy["profit_per_week"] == policy["long_run_profit"] == 0
    assert {policy["dose"] for policy in truth["best_long_run"]} == {0}


def test_today_s_practice_is_worth_what_its_texts_are(small_folder):
    """`truth.json` adds it up while texting; here it is added up again, from the tables and the closed form."""
    truth_file, world = pd.read_json(small_folder / "truth.json", typ="series"), read_truth(small_folder)
    predicted = pd.DataFrame(truth_file["practice"]).set_index("segment")
    rows = query_of(small_folder)(
        """
        WITH tested AS (
          SELECT customer_id, timezone(timezone, assigned_at)::DATE AS since,
                 since + date_diff('day', started_at, ended_at)::INT AS until
          FROM assignments JOIN experiments e USING (experiment_id) JOIN customers USING (customer_id)
          WHERE kind IN ('frequency', 'timing')),
        t AS (
          SELECT m.*, p.*, timezone(c.timezone, m.sent_at) AS local
          FROM messages m JOIN customers c USING (customer_id) JOIN people p USING (customer_id) WHERE channel = 'sms')
        SELECT t.segment, hour_shift, responsiveness, bad_number, variant, cost, hour(local) AS hour,
               isodow(local) - 1 AS weekday,
               count(*) OVER (PARTITION BY t.customer_id ORDER BY local::DATE
                              RANGE BETWEEN INTERVAL 6 DAY PRECEDING AND CURRENT ROW) AS met,
               plan_id IS NULL AND NOT coalesce(local::DATE >= since AND local::DATE < until, false) AS by_habit
        FROM t LEFT JOIN tested USING (customer_id)
        """
    )
    number, creative = rows["segment"].map(SEGMENTS.index), rows["variant"].map([c.variant for c in CREATIVES].index)
    truth = expected(
        world, number, texts_per_week=rows["met"], hour=rows["hour"], weekday=rows["weekday"], creative=creative,
        hour_shift=rows["hour_shift"],
    )  # fmt: skip
    arrives = ~rows["bad_number"] * (1 - world.not_delivered)
    worth = arrives * truth.order_rate * rows["responsiveness"] * world.order_profit()[number, creative] - rows["cost"]
    habit = rows["by_habit"]
    by_segment = pd.DataFrame({"segment": rows["segment"], "worth": worth, "left": arrives * truth.opt_out_rate})
    added = by_segment[habit].groupby("segment").sum()
    weeks = predicted["customer_weeks"]
    assert (rows[habit].groupby("segment").size() / weeks)[list(SEGMENTS)].to_numpy() == pytest.approx(
        predicted["dose"]
    )
    assert (added["worth"] / weeks)[list(SEGMENTS)].to_numpy() == pytest.approx(predicted["profit_per_week"])
    assert (added["left"] / weeks)[list(SEGMENTS)].to_numpy() == pytest.approx(predicted["opt_out_per_week"])
    best = pd.DataFrame(truth_file["best_long_run"]).set_index("segment")
    assert (best["long_run_profit"] > predicted["long_run_profit"]).all()


@pytest.mark.parametrize(("customers", "weeks"), [(99, 52), (1_000, 25)])
def test_too_little_is_refused(tmp_path, customers, weeks):
    with pytest.raises(UsageError, match="at least 100 customers and 26 weeks"):
        write_company(tmp_path / "x", customers=customers, weeks=weeks, seed=1)
    with pytest.raises(UsageError, match="already exists"):
        write_company(tmp_path, customers=1_000, weeks=52, seed=1)
    assert list(tmp_path.iterdir()) == []
