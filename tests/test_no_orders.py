"""A source without orders: clicks and opt-outs are counted and compared; what takes orders is unknown, never 0."""

import csv
import datetime as dt
import io
import shutil

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from smsroi_helpers import ab_test, commands, experiments, measures, quality, segmentation, timing
from smsroi_helpers.ab_test import figures, planning_tables
from smsroi_helpers.ab_test import tables as ab_test_tables
from smsroi_helpers.errors import DataError, NotEnoughData, UsageError
from smsroi_helpers.quality import check_tables
from smsroi_helpers.quality.checks import MessageCoverage
from tests.faults.bad_data import Project
from tests.faults.tiny import PACKAGE_HOME
from tests.source.exports import makers

HOURS = {9: 0.05, 12: 0.08, 15: 0.06, 18: 0.4}
"""Hour of sending → probability of a click."""
TEXTS = {"plain": 1.0, "emoji": 1.8}
"""Text → factor of that probability."""
START, WEEKS = dt.date(2024, 1, 1), 12
BEGIN = START + dt.timedelta(weeks=7)
END = dt.datetime.combine(START + dt.timedelta(weeks=WEEKS), dt.time())
"""Of the tests and of the last day observed."""
PEOPLE, TESTED = 500, 400
"""Customers, and those of them who are in the tests; the others are sent at any of the hours throughout."""
ORDER_COLUMNS = [
    "ordered", "orders", "same_day_orders", "revenue", "refunds", "discount", "order_profit", "profit", "pre_ordered",
    "pre_orders", "pre_revenue", "pre_order_profit",
]  # fmt: skip


def written(rows):
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def gateway(metric="", kind="content", seed=4):
    """A gateway's export with a test of texts (of this kind) and one of hours: file name → rows."""
    rng = np.random.default_rng(seed)
    hours, texts = list(HOURS), list(TEXTS)
    of_hour, of_text = rng.integers(0, len(hours), PEOPLE), rng.integers(0, len(texts), PEOPLE)
    messages = []
    for week in range(WEEKS):
        for person in range(PEOPLE):
            day = START + dt.timedelta(weeks=week, days=int(rng.integers(0, 7)))
            in_test = day >= BEGIN and person < TESTED
            hour = hours[of_hour[person] if in_test else rng.integers(0, len(hours))]
            sent = dt.datetime.combine(day, dt.time(hour, int(rng.integers(0, 60))))
            rate = HOURS[hour] * (TEXTS[texts[of_text[person]]] if in_test else 1.0)
            click, left = rng.random() < rate, rng.random() < 0.004
            messages.append({
                "message_id": f"m{week}-{person}", "customer_id": f"c{person}", "campaign_id": f"k{week}",
                "sent_at": sent, "clicked_at": sent + dt.timedelta(minutes=int(rng.integers(2, 600))) if click else "",
                "opted_out_at": sent + dt.timedelta(minutes=30) if left else "",
            })  # fmt: skip
    tests = [("texts", kind, "plain"), ("hours", "timing", "h9")]
    arms = {"texts": [(text, "", "") for text in texts], "hours": [(f"h{hour}", hour, hour + 1) for hour in hours]}
    return {
        "messages": messages,
        "experiments": [
            {"experiment_id": name, "kind": kind, "control_arm": control, "started_at": BEGIN, "ended_at": END,
             "primary_metric": metric}
            for name, kind, control in tests
        ],
        "arms": [
            {"experiment_id": name, "arm": arm, "share": 1 / len(own), "hour_start": start, "hour_end": end}
            for name, own in arms.items() for arm, start, end in own
        ],
        "assignments": [
            {"experiment_id": name, "customer_id": f"c{person}", "arm": arms[name][place[person]][0],
             "assigned_at": BEGIN}
            for name, place in (("texts", of_text), ("hours", of_hour)) for person in range(TESTED)
        ],
    }  # fmt: skip


CUSTOMERS = [
    {"customer_id": f"c{person}", "region": "NO" if person % 3 else "SO", "opted_out_at": ""}
    for person in range(PEOPLE)
] + [{"customer_id": "shopper", "region": "SO", "opted_out_at": START}]
"""`shopper` left before the first message, and is in no test."""
ORDERS = [
    {"order_id": day, "customer_id": "shopper", "ordered_at": START + dt.timedelta(days=day), "amount": 500 + day}
    for day in range(-399, 7 * WEEKS, 7)
]
"""They begin so long before the test that all others have been without a purchase for as long as is told apart."""


@pytest.fixture(scope="module")
def rows():
    return gateway()


@pytest.fixture(scope="module")
def shop(rows, read_once):
    return read_once(**{name: written(table) for name, table in rows.items()})


@pytest.fixture(scope="module")
def with_customers(rows, read_once):
    return read_once(**{name: written(table) for name, table in {**rows, "customers": CUSTOMERS}.items()})


@pytest.fixture(scope="module")
def with_orders(rows, read_once):
    """The same, and orders of somebody who was never sent anything."""
    more = {"customers": CUSTOMERS, "orders": ORDERS}
    return read_once(**{name: written(table) for name, table in {**rows, **more}.items()})


class TestOpen:
    def test_messages_alone_are_a_source_and_check_says_what_can_run(self, make_source, rows):
        folder = make_source(messages=written(rows["messages"]))
        result = CliRunner().invoke(commands.app, ["check", str(folder)])
        lines = result.stdout.splitlines()
        assert result.exit_code == 0
        last = max(row["sent_at"] for row in rows["messages"]).date()
        assert f"last day observed (as_of): {last}" in lines
        assert "can run: 00_quality, 03_timing, 07_retention, 08_effectiveness" in lines
        (cannot,) = [line for line in lines if line.startswith("cannot run:")]
        for stage in ("01_segmentation", "02_cltv", "04_frequency"):
            assert f"{stage} (needs orders)" in cannot
        assert "05_ab_test (needs experiments, arms, assignments)" in cannot

    def test_a_gateways_export_is_imported_and_checked(self, tmp_path):
        export = tmp_path / "sms_log.csv"
        export.write_text(makers.twilio(60, 12), encoding="utf-8")
        environment = {"SMSROI_PROJECT": str(tmp_path)}
        shop = ["import", str(export), "--to", "data/gateway", "--country", "US", "--timezone", "UTC"]
        imported = CliRunner().invoke(commands.app, shop, env=environment)
        assert imported.exit_code == 0, imported.stderr
        assert "there are no orders: add the shop's export" in imported.stdout
        key = {"SMSROI_KEY": "k" * 40}
        result = CliRunner().invoke(commands.app, ["check", "data/gateway"], env=environment | key)
        assert result.exit_code == 0, result.stderr
        assert "last day observed (as_of):" in result.stdout

    def test_tests_can_run_without_orders(self, rows):
        assert (
            check_tables.runnable_lines(rows)[0]
            == "can run: 00_quality, 03_timing, 05_ab_test, 07_retention, 08_effectiveness"
        )

    @pytest.mark.parametrize(
        ("files", "words"),
        [
            ({"customers": "customer_id\na\n"}, "no table orders and no table messages"),
            # An export without rows is more often a failed export than a company without orders.
            ({"orders": "order_id,customer_id,ordered_at,amount\n"}, "table orders: no rows; delete the file"),
        ],
    )
    def test_no_log_at_all_and_an_empty_table_are_refused(self, make_source, open_source, rows, files, words):
        messages = {} if "customers" in files else {"messages": written(rows["messages"])}
        with pytest.raises(DataError, match=words):
            open_source(make_source(**files, **messages))

    def test_a_log_of_which_no_message_is_left_is_refused(self, make_source, open_source):
        messages = "message_id,customer_id,campaign_id,sent_at\n1,a,k,someday\n"
        with pytest.raises(DataError, match="so no row is left"):
            open_source(make_source(messages=messages), max_rejected_share=1.0)

    def test_as_of_is_counted_from_the_messages(self, make_source, open_source, rows):
        folder = make_source(messages=written(rows["messages"]))
        with pytest.raises(DataError, match=r"before the first message \(2024-01-0\d\); choose a later day"):
            open_source(folder, as_of="2023-12-31")
        early = open_source(folder, as_of="2024-01-20")
        sent = sum(row["sent_at"].date() <= dt.date(2024, 1, 20) for row in rows["messages"])
        assert quality.measure_coverage(early).messages == sent


class TestCounts:
    def test_coverage_counts_messages_clicks_and_opt_outs(self, shop, rows):
        found = quality.measure_coverage(shop)
        assert isinstance(found, MessageCoverage)
        messages = rows["messages"]
        assert found.messages == len(messages)
        # What follows after the last day observed is not known by then.
        assert found.clicked == sum(row["clicked_at"] != "" and row["clicked_at"] < END for row in messages)
        left = {row["customer_id"] for row in messages if row["opted_out_at"] != "" and row["opted_out_at"] < END}
        assert found.opted_out == len(left)
        assert (found.customers, found.delivered, found.not_joined) == (PEOPLE, None, ())

    def test_what_is_not_recorded_is_not_0(self, read_once):
        bare = read_once(messages="message_id,customer_id,campaign_id,sent_at\n1,a,k,2024-01-01 10:00\n")
        found = quality.measure_coverage(bare)
        assert (found.clicked, found.opted_out, found.delivered) == (None, None, None)
        page = quality.tables.coverage_table(found, "USD").markup
        assert page.count("not recorded") == 3
        assert "not known: the source has no table orders" in page

    def test_messages_are_counted_beside_orders(self, read_once):
        sent = "message_id,customer_id,campaign_id,sent_at\n" + "".join(
            f"{i},c{i % 3},k,2024-01-{1 + i:02} 10:00\n" for i in range(7)
        )
        both = read_once(orders="order_id,customer_id,ordered_at,amount\n1,c0,2024-01-09,5\n", messages=sent)
        texts = quality.measure_coverage(both).texts
        assert (texts.messages, texts.customers, texts.first, texts.last) == (7, 3, "2024-01-01", "2024-01-07")
        page = quality.tables.coverage_table(quality.measure_coverage(both), "USD").markup
        assert "What the orders and the messages cover" in page
        assert "Jan 1, 2024" in page

    def test_the_answer_says_that_money_is_not_known(self, shop):
        tables, notebooks = quality.describe_tables(shop), quality.list_notebooks(shop)
        found = quality.decide(quality.measure_coverage(shop), tables, notebooks)
        assert (found.outcome, found.customers) == ("do", PEOPLE)
        assert "revenue, profit and customer value are not known" in found.caveat
        assert f"{PEOPLE * WEEKS:,} messages to {PEOPLE} customers" in found.text
        can_run = ["00_quality", "03_timing", "05_ab_test", "07_retention", "08_effectiveness"]
        assert list(notebooks.loc[notebooks["can_run"], "notebook"]) == can_run
        assert "orders" in list(quality.list_gains(shop)["missing"])

    def test_a_pause_in_texting_is_named_and_does_not_break_the_log(self, read_once):
        days = ("2024-01-01", "2024-03-01")
        lines = [f"{i},c{i},k,{days[i % 2]} 10:00\n" for i in range(6)]
        paused = read_once(messages="message_id,customer_id,campaign_id,sent_at\n" + "".join(lines))
        coverage = quality.measure_coverage(paused)
        assert coverage.longest_gap_days == 59  # 2 to 31 January and February of a leap year
        found = quality.decide(coverage, quality.describe_tables(paused), quality.list_notebooks(paused))
        assert found.outcome == "do"
        assert "59 days in a row without a message" in found.caveat

    def test_tests_of_people_who_are_in_no_message_break_it(self, rows, read_once):
        others = [{**row, "customer_id": f"x{row['customer_id']}"} for row in rows["assignments"]]
        apart = read_once(**{name: written(table) for name, table in {**rows, "assignments": others}.items()})
        coverage = quality.measure_coverage(apart)
        assert coverage.not_joined == ("assignments",)
        found = quality.decide(coverage, quality.describe_tables(apart), quality.list_notebooks(apart))
        assert (found.outcome, found.action) == ("broken", "Make the tables name customers alike first")


class TestOutcomes:
    def test_orders_revenue_and_profit_of_an_arm_are_null(self, shop):
        found = measures.arm_outcomes(shop).execute()
        assert found[ORDER_COLUMNS].isna().all(axis=None)
        assert len(found) == 2 * TESTED

    def test_the_columns_are_those_of_a_source_with_orders(self, shop, with_orders):
        one, other = (measures.arm_outcomes(each).schema() for each in (shop, with_orders))
        assert set(one) == set(other)
        assert {name: one[name] for name in ORDER_COLUMNS} == {name: other[name] for name in ORDER_COLUMNS}

    def test_clicks_and_opt_outs_by_arm_are_those_of_a_plain_count(self, shop, rows):
        counted = experiments.count_outcomes(shop)
        arm_of = {(row["experiment_id"], row["customer_id"]): row["arm"] for row in rows["assignments"]}
        begin = dt.datetime.combine(BEGIN, dt.time())
        for test in ("texts", "hours"):
            clicks = experiments.moments_of(counted, test, "click_rate").groupby("arm")[["sum_y", "sum_x"]].sum()
            left = experiments.moments_of(counted, test, "opt_out_rate").groupby("arm")["sum_y"].sum()
            for arm in clicks.index:
                theirs = [m for m in rows["messages"] if arm_of.get((test, m["customer_id"])) == arm]
                own = [m for m in theirs if m["sent_at"] >= begin]
                clicked = sum(m["clicked_at"] != "" and m["clicked_at"] < END for m in own)
                assert tuple(clicks.loc[arm]) == (clicked, len(own))
                later = [m for m in theirs if m["opted_out_at"] != "" and begin <= m["opted_out_at"] < END]
                assert left[arm] == len({m["customer_id"] for m in later})
            assert not experiments.moments_of(counted, test, "profit")["n"].any()

    @pytest.mark.parametrize(
        "ask", [measures.purchases, measures.refunds, measures.profit_events, measures.message_outcomes]
    )
    def test_a_measure_of_orders_is_refused_and_not_empty(self, shop, ask):
        with pytest.raises(DataError, match="no table orders"):
            ask(shop)

    def test_clicks_and_subscribers_have_no_price(self, shop):
        assert not measures.knows_profit(shop)
        click = experiments.find_click_value(shop)
        assert (click.known, click.reason) == (False, "no_orders")
        subscriber = experiments.find_subscriber_value(shop, (0.01, 0.0, 0.02), 0.002)
        assert (subscriber.known, subscriber.reason) == (False, "no_orders")


class TestGroups:
    @pytest.mark.parametrize("segment_by", [*segmentation.DATED, "response"])
    def test_groups_made_of_purchases_are_one(self, shop, segment_by):
        found = segmentation.segments(shop, segment_by).execute()
        assert len(found) == PEOPLE
        assert set(found["segment"]) == {segmentation.EVERYBODY}
        note = segmentation.response_tables.groups_note(shop, segment_by)
        assert "all customers are one group" in note.markup

    def test_a_column_of_customers_divides_them(self, with_customers):
        found = segmentation.segments(with_customers, "region").execute()
        assert found["segment"].value_counts().to_dict() == {
            region: sum(row["region"] == region for row in CUSTOMERS) for region in ("NO", "SO")
        }
        assert segmentation.response_tables.groups_note(with_customers, "region") is None

    def test_a_column_that_is_not_there_is_refused(self, shop):
        with pytest.raises(UsageError, match="names no groups here"):
            segmentation.resolve(shop, "attr_age")

    def test_who_was_sent_a_message_or_assigned_is_known(self, read_once):
        messages = "message_id,customer_id,campaign_id,sent_at\n1,a,k,2024-01-01 10:00\n2,b,k,2024-01-09 10:00\n"
        some = read_once(
            messages=messages,
            experiments="experiment_id,kind,control_arm,started_at\nx,holdout,no,2024-01-03\n",
            arms="experiment_id,arm,share\nx,no,0.5\nx,yes,0.5\n",
            assignments="experiment_id,customer_id,arm,assigned_at\nx,a,yes,2024-01-03\nx,z,no,2024-01-03\n",
        )

        def known(day):
            return sorted(segmentation.known_people(some, day).execute()["customer_id"])

        assert known(dt.date(2024, 1, 2)) == ["a"]
        assert known(dt.date(2024, 1, 3)) == ["a", "z"]
        assert known(None) == ["a", "b", "z"]


@pytest.fixture(scope="module")
def decided(with_customers, with_orders):
    """The decisions on hours and on weekdays, without and with the orders."""
    found = []
    for shop in (with_customers, with_orders):
        hours, rng = timing.analyse(shop, segment_by="recency"), np.random.default_rng(1)
        answers = timing.find_best_hours(hours, rng, smallest_click_gain=0.001)
        found.append((hours, answers, timing.decide(hours, answers)[0]))
    return found


@pytest.mark.slow
class TestTiming:
    def test_the_answer_by_clicks_does_not_depend_on_orders_of_others(self, decided):
        (hours, answers, said), (other_hours, others, other_said) = decided
        assert not hours.knows_orders
        assert other_hours.knows_orders
        assert [answer.segment for answer in answers] == ["all"]
        for own, other in ((answers[0].windows, others[0].windows), (answers[0].places, others[0].places)):
            pd.testing.assert_frame_equal(own, other)
        assert answers[0].adjusted_p == pytest.approx(others[0].adjusted_p, abs=1e-12)
        for name in ("outcome", "action", "value", "low", "high", "unit", "evidence", "customers", "text"):
            assert getattr(said, name) == getattr(other_said, name)

    def test_it_is_the_hour_of_most_clicks_and_in_clicks(self, decided):
        hours, answers, said = decided[0]
        assert (said.outcome, said.unit) == ("do", "count")
        assert answers[0].windows["hour"].iloc[answers[0].best] == 18
        assert "what a click brings is not known" in said.caveat
        assert np.isnan(said.cash)
        assert "no orders to weight on" in timing.tables.tests_table(hours).markup

    def test_opt_outs_by_hour_are_shown_and_orders_are_not(self, shop):
        test = timing.counts.find_tests(shop)[0]
        found = timing.compare_arms(timing.count_outcomes(shop, test))
        assert [outcome.kind for outcome in found] == ["opt_out"]

    def test_without_clicks_either_there_is_nothing_to_compare(self, rows, read_once):
        silent = [{key: row[key] for key in row if key != "clicked_at"} for row in rows["messages"]]
        with pytest.raises(NotEnoughData, match="neither clicks nor orders"):
            timing.analyse(read_once(messages=written(silent)))


class TestExperiments:
    @pytest.fixture(scope="class")
    def tests(self, shop):
        return {each.experiment.name: each for each in ab_test.analyse(shop)}

    def test_clicks_decide_a_test_of_texts_without_a_registered_metric(self, tests):
        found = tests["texts"]
        assert (found.experiment.primary, found.decision.metric) == ("click_rate", "click_rate")
        assert found.decision.low > 0
        assert {row.metric for row in found.effects} == {"click_rate", "opt_out_rate"}
        assert {row.segment for row in found.effects} == {"all"}

    def test_effects_on_clicks_and_opt_outs_are_those_with_orders_of_others(self, tests, with_orders):
        others = {each.experiment.name: each for each in ab_test.analyse(with_orders)}
        for name, own in tests.items():
            for row in own.effects:
                other = others[name].effects.find(row.metric, row.arm)
                assert (row.mean, row.difference, row.low, row.high) == pytest.approx(
                    (other.mean, other.difference, other.low, other.high), nan_ok=True
                )

    def test_a_test_registered_for_profit_is_not_decided_by_clicks(self, read_once):
        rows = gateway(metric="profit")
        shop = read_once(**{name: written(table) for name, table in rows.items()})
        evaluated = ab_test.analyse(shop)
        for each in evaluated:
            assert (each.decision.outcome, each.decision.why_open) == ("keep_running", ("no_orders",))
        (said,) = ab_test.decide(evaluated, "USD", rankings=[], listed_today={})
        assert (said.outcome, said.evidence) == ("not_enough_evidence", "none")
        assert said.action == "texts: not decided, because its metric needs the table orders"
        assert "profit, revenue and the share who order are not known" in said.text
        assert np.isnan([said.value, said.cash, said.low, said.high]).all()
        assert "not known in this source" in figures.effects_figure(evaluated, "USD").markup
        assert "not known in this source" in ab_test_tables.results_table(evaluated, "USD").markup

    @pytest.mark.parametrize(
        ("kind", "metric", "decides", "open_for"),
        [
            ("content", "opt_out_rate", "opt_out_rate", "few_events"),
            # Arms that are sent differently many messages are not compared by clicks per message.
            ("frequency", "click_rate", "order_rate", "no_orders"),
            ("frequency", "", "order_rate", "no_orders"),
        ],
    )
    def test_what_decides_depends_on_the_kind_and_the_registered_metric(
        self, read_once, kind, metric, decides, open_for
    ):
        rows = gateway(metric, kind)
        shop = read_once(**{name: written(table) for name, table in rows.items()})
        (found,) = [each for each in ab_test.analyse(shop) if each.experiment.name == "texts"]
        assert not found.validity.broken
        assert found.decision.metric == decides
        assert open_for in found.decision.why_open

    def test_nothing_is_made_of_profit(self, shop, tests):
        evaluated = list(tests.values())
        assert not len(ab_test.trace_weeks(shop, evaluated))
        assert not len(ab_test.estimate_monthly_profit(shop, evaluated))
        assert not len(ab_test.cap_profit(shop, evaluated))
        assert ab_test.rank_responders(shop, evaluated, np.random.default_rng(1)) == []
        assert ab_test.pool_tests(evaluated).tests == ()
        saved = ab_test.results_table(evaluated)
        assert set(saved["metric"]) == {"click_rate", "opt_out_rate"}

    def test_the_next_test_is_not_planned_in_profit(self, shop):
        audience = ab_test.read_audience(shop)
        plan = ab_test.plan_next_test(audience)
        assert not len(audience.windows)
        assert "This source has no orders" in planning_tables.planner_table(audience, plan, "USD").markup

    def test_the_page_says_what_is_not_evaluated(self, shop):
        note = ab_test_tables.cost_note(ab_test.knows_cost(shop), has_orders=shop.has("orders")).markup
        assert "not known and not evaluated" in note


@pytest.mark.slow
def test_a_run_over_messages_alone_publishes_and_says_what_was_skipped(tmp_path, rows):
    root = tmp_path.resolve()
    project = Project(root)
    (root / "notebooks" / "00_alpha.ipynb").unlink()
    for file in (PACKAGE_HOME / "notebooks").glob("[0-9][0-9]_*.ipynb"):
        shutil.copy(file, root / "notebooks")
    project.fill({"messages.csv": written(rows["messages"])})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SMSROI_PROJECT", str(root))
        code, _stdout, stderr = project.run()
    assert code == 0, stderr
    manifest = project.manifest()
    found = {name: (each["status"], each["reason"]) for name, each in manifest["notebooks"].items()}
    needs = "It needs data this source does not have: {}."
    assert found == {
        "00_quality": ("ok", ""),
        "01_segmentation": ("skipped", needs.format("orders")),
        "02_cltv": ("skipped", needs.format("orders")),
        "03_timing": ("ok", ""),
        "04_frequency": ("skipped", needs.format("orders")),
        "05_ab_test": ("skipped", needs.format("experiments, arms, assignments")),
        "06_content": ("skipped", needs.format("creatives")),
        "07_retention": ("ok", ""),
        "08_effectiveness": ("ok", ""),
        "09_send_plan": ("skipped", needs.format("orders, experiments, arms, assignments")),
    }
    run = root / "reports" / "tiny" / manifest["run"]
    decisions = pd.concat([pd.read_parquet(file) for file in (run / "tables" / "decisions").glob("*.parquet")])
    assert set(decisions["stage"]) == {"quality", "timing", "retention", "effectiveness"}
    assert decisions[["cash", "cash_low", "cash_high"]].isna().all(axis=None)  # unknown, not 0
    assert not decisions["unit"].str.startswith("money").any()
    hours = pd.read_parquet(run / "tables" / "customer_send_hour.parquet")
    assert set(hours["customer_id"]) <= {row["customer_id"] for row in rows["messages"]}
    index = (run / "index.html").read_text(encoding="utf-8")
    assert "revenue, profit and customer value are not known" in index
