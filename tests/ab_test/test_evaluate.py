"""From assignments to a decision: public experiments with known answers, a company with a known truth, broken tests."""

import dataclasses
import datetime as dt
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from smsroi_helpers import ab_test
from smsroi_helpers.ab_test import figures as ab_test_figures
from smsroi_helpers.ab_test import tables as ab_test_tables
from smsroi_helpers.ab_test import uplift_tables
from smsroi_helpers.ab_test.decision_rule import judge
from smsroi_helpers.ab_test.evaluate import differ_by_segment, measure_effects
from smsroi_helpers.contract import outputs
from smsroi_helpers.errors import DataError, NotEnoughData
from smsroi_helpers.experiments import registry, validity
from smsroi_helpers.measures.experiment_outcomes import arm_outcomes
from smsroi_helpers.pages import problem_words
from smsroi_helpers.simulation.write import write_company
from smsroi_helpers.source.read import load
from smsroi_helpers.source.shop import open_shop
from tests.faults.tiny import smsroi

ROOT = Path(__file__).parents[2]
PUBLIC = ROOT.parent / "shared" / "data"
FILES = {
    "hillstrom": ("HILLSTROM_CSV", "hillstrom/hillstrom.csv.gz"),
    "starbucks_promo": ("STARBUCKS_PROMO_CSV", "starbucks_promo/Training.csv.gz"),
    "cookie_cats": ("COOKIE_CATS_CSV", "cookie_cats/cookie_cats.csv.gz"),
    "marketing_ab": ("MARKETING_AB_CSV", "marketing_ab/marketing_AB_2pct_sample.csv.gz"),
}


def public(name):
    variable, path = FILES[name]
    if not (PUBLIC / path).is_file():
        pytest.skip(f"{path} is not there (set aside as ../shared/data/{path})")
    return variable, str(PUBLIC / path)


def open_folder(folder, place, as_of=""):
    return open_shop(load(folder, place / ".loaded"), as_of, place / ".cache")


@pytest.fixture(scope="module")
def open_public(tmp_path_factory):
    """A public experiment's shop, through its mapping under data/."""
    opened = {}

    def open_(name):
        if name not in opened:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv(*public(name))
                opened[name] = open_folder(ROOT / "data" / name, tmp_path_factory.mktemp(name))
        return opened[name]

    return open_


def effect(evaluated, metric, arm, names=("difference", "low", "high"), segment="all"):
    rows = evaluated.effects
    row = rows[(rows["metric"] == metric) & (rows["arm"] == arm) & (rows["segment"] == segment)].iloc[0]
    return [float(row[name]) for name in names]


# --- public experiments ----------------------------------------------------------------------------------------------


class TestHillstrom:
    @pytest.fixture(scope="class")
    def found(self, open_public):
        return ab_test.analyse(open_public("hillstrom"), segment_by="attr_channel")[0]

    def test_arms_are_the_published_ones(self, found):
        means = found.effects[found.effects["segment"] == "all"].pivot_table(
            index="arm", columns="metric", values="mean"
        )
        customers = dict(zip(found.experiment.arms, found.experiment.customers, strict=True))
        assert customers == {"none": 21_306, "mens": 21_307, "womens": 21_387}
        assert means["visit_rate"].round(6).to_dict() == {"none": 0.106167, "mens": 0.182757, "womens": 0.151400}
        assert means["revenue"].round(6).to_dict() == {"none": 0.652789, "mens": 1.422617, "womens": 1.077202}
        events = found.effects[(found.effects["metric"] == "order_rate") & (found.effects["segment"] == "all")]
        assert events["events"].tolist() == [122, 267, 189]

    @pytest.mark.parametrize(
        ("arm", "metric", "published", "digits"),
        [
            ("mens", "visit_rate", (0.0766, 0.0700, 0.0832), 4),
            ("mens", "order_rate", (0.00681, 0.00500, 0.00861), 5),
            ("mens", "revenue", (0.770, 0.485, 1.055), 3),
            ("womens", "visit_rate", (0.0452, 0.0389, 0.0516), 4),
            ("womens", "order_rate", (0.00311, 0.00150, 0.00472), 5),
            ("womens", "revenue", (0.424, 0.169, 0.680), 3),
        ],
    )
    def test_differences_are_the_published_ones(self, found, arm, metric, published, digits):
        assert tuple(round(value, digits) for value in effect(found, metric, arm)) == published

    def test_it_is_sound_and_shipped(self, found):
        assert found.validity.split.p_value == pytest.approx(0.904, abs=5e-4)
        assert (found.verdict.outcome, found.verdict.arm) == ("ship", "mens")
        assert set(found.verdict.by_arm.values()) == {"ship"}

    def test_without_a_past_nothing_is_adjusted(self, found):
        assert set(found.effects["method"]) <= {"welch", "few_events"}
        rows = found.effects.dropna(subset=["difference"])
        assert rows["difference"].tolist() == rows["unadjusted_difference"].fillna(rows["difference"]).tolist()


class TestStarbucks:
    @pytest.fixture(scope="class")
    def found(self, open_public):
        return ab_test.analyse(open_public("starbucks_promo"))[0]

    def test_significant_is_not_profitable(self, found):
        assert [round(x, 5) for x in effect(found, "order_rate", "promotion")] == [0.00945, 0.00797, 0.01094]
        assert found.verdict.outcome == "keep_control"

    def test_the_incremental_profit_is_the_published_one(self, found):
        decision = ab_test.decide([found], "USD")[0]
        assert (decision.value, decision.low, decision.high) == pytest.approx((-2349.28, -2977.77, -1720.78), abs=0.01)
        assert (decision.outcome, decision.unit, decision.kind) == ("dont", "money", "gain")
        assert decision.evidence == "randomised"
        assert "over one week" in decision.text
        assert "More customers ordered, by 0.95 (95% interval 0.80 to 1.09) percentage points, and" in decision.text
        treated, control = found.experiment.customers[::-1]
        assert (treated, control) == (42_364, 42_170)
        # 10 dollars for each of 721 against 319 buyers, 0.15 for each promotion
        by_hand = treated * (10 * (721 / treated - 319 / control) - 0.15)
        assert decision.value == pytest.approx(by_hand, rel=1e-9)


def test_cookie_cats_is_broken_and_shows_nothing(open_public):
    found = ab_test.analyse(open_public("cookie_cats"))[0]
    assert found.validity.split.p_value == pytest.approx(0.0086, abs=5e-5)
    assert problem_words(found.validity.problems[0]).startswith(
        "the split is not the planned one: gate_30 has 49.56% of the customers"
    )
    assert found.verdict.outcome == "broken"
    assert_shows_no_effect(found)
    # What it would have been, had anybody been allowed to look:
    counted = registry.count_outcomes(open_public("cookie_cats"))
    rows = measure_effects(found.experiment, counted).query("arm == 'gate_40' and metric == 'order_rate'")
    assert rows[["difference", "low", "high"]].iloc[0].round(4).tolist() == [-0.0082, -0.0133, -0.0031]


def assert_shows_no_effect(found):
    table = ab_test.results_table([found])
    assert set(table["decision"]) == {"broken"}
    assert set(table["evidence"]) == {"none"}
    shown = {"customers", "srm_p", "weeks"}
    numbers = table.select_dtypes("float").drop(columns=list(shown & set(table.columns)))
    assert numbers.isna().all().all()
    decision = ab_test.decide([found], "USD")[0]
    assert (decision.outcome, decision.evidence) == ("broken", "none")
    assert np.isnan([decision.value, decision.low, decision.high]).all()
    assert not {"lift", "uplift", "incremental"} & set(re.findall(r"\w+", f"{decision.action} {decision.text}".lower()))


def test_five_conversions_are_compared_exactly_and_never_shipped(open_public):
    """Miettinen & Nurminen +.0152 [.0008, .0222], Fisher .048; neither Wald's .0025 nor the pooled .042."""
    found = ab_test.analyse(open_public("marketing_ab"))[0]
    values = effect(found, "order_rate", "ad", ("difference", "low", "high", "p_value"))
    assert [round(value, 4) for value in values[:3]] == [0.0152, 0.0008, 0.0222]
    assert round(values[3], 3) == 0.048
    assert found.verdict.outcome == "keep_running"
    assert found.verdict.why_open == ("few_events",)
    decision = ab_test.decide([found], "USD")[0]
    assert "Fewer than 20 customers of an arm did it" in decision.text
    assert "nothing is said in money" in decision.caveat
    revenue = found.effects.query("metric == 'revenue' and arm == 'ad' and segment == 'all'").iloc[0]
    assert np.isnan([revenue["difference"], revenue["low"], revenue["p_value"]]).all()
    assert revenue["reason"] == "no_variance"


@pytest.mark.parametrize(
    ("name", "segment_by", "shown"),
    [
        ("hillstrom", "attr_channel", ("mens-womens-none: switch to mens", "$0.23 (0.15 to 0.32)", "$0.13 (0.05 to")),
        ("starbucks_promo", "recency", ("promotion: stay with none", "−$0.055 (−0.070 to −0.041)")),
        (
            "marketing_ab",
            "recency",
            ("keep it running until about 48,000", "1.5 (0.1 to 2.2) points", "too few events"),
        ),
    ],
)
def test_the_words_of_public_experiments(open_public, name, segment_by, shown):
    found = ab_test.analyse(open_public(name), segment_by=segment_by)
    decision = ab_test.decide(found, "USD")[0]
    text = f"{decision.action} {decision.text} {ab_test_tables.results_table(found, 'USD').markup}"
    for words in shown:
        assert words in re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text))


@pytest.mark.slow
def test_a_broken_public_experiment_is_a_run_whose_page_shows_no_lift(tmp_path):
    variable, path = public("cookie_cats")
    shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks")
    shutil.copytree(ROOT / "data" / "cookie_cats", tmp_path / "data" / "cookie_cats")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    done = smsroi(tmp_path, "run", "notebooks/parameters/cookie_cats.yaml", "--only", "ab_test", **{variable: path})
    assert done.returncode == 0, done.stderr
    pointer = json.loads((tmp_path / "reports" / "cookie_cats" / "latest.json").read_text())
    run = tmp_path / "reports" / "cookie_cats" / pointer["run"]
    results = pd.read_parquet(run / "tables" / "experiment_results.parquet")
    assert set(results["decision"]) == {"broken"}
    page = re.sub(r"<[^>]+>", " ", (run / "05_ab_test.html").read_text(encoding="utf-8"))
    assert "Broken: no result" in re.sub(r"\s+", " ", page)
    assert not re.search(r"0\.8\d* ?(points|percentage)|19\.0|18\.2", page)


# --- a company whose truth is known ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def company(tmp_path_factory):
    folder = tmp_path_factory.mktemp("company")
    world = write_company(folder / "source", customers=6_000, weeks=40, seed=5)
    return world, folder / "source", open_folder(folder / "source", folder)


@pytest.fixture(scope="module")
def evaluated(company):
    return ab_test.analyse(company[2])


def by_name(evaluated, name):
    return next(each for each in evaluated if each.experiment.name == name)


class TestCompany:
    def test_all_experiments_are_there_and_sound(self, evaluated):
        assert [each.experiment.name for each in evaluated] == ["always-on", "how-often", "which-hour", "which-text"]
        assert not any(each.validity.broken for each in evaluated)
        assert by_name(evaluated, "always-on").experiment.state == "running"
        assert len(by_name(evaluated, "which-hour").experiment.arms) == 12

    def test_effects_are_those_of_the_rows(self, company, evaluated):
        """An experiment assigned on few days: Welch and its adjustment, by SciPy on every customer."""
        found = by_name(evaluated, "which-text")
        rows = arm_outcomes(company[2], "which-text").execute()
        arms = [rows.loc[rows["arm"] == arm, "profit"] for arm in ("sale_20", "new_in")]
        theirs = stats.ttest_ind(*arms, equal_var=False)
        low, high = theirs.confidence_interval()
        names = ("unadjusted_difference", "unadjusted_low", "unadjusted_high")
        expected = [arms[0].mean() - arms[1].mean(), low, high]
        assert effect(found, "profit", "sale_20", names) == pytest.approx(expected, rel=1e-6)
        widths = np.diff(effect(found, "profit", "sale_20", ("low", "high"))), high - low
        assert widths[0] < widths[1]

    def test_rates_are_those_of_the_rows(self, company, evaluated):
        found = by_name(evaluated, "how-often")
        rows = arm_outcomes(company[2], "how-often").execute()
        means = rows.groupby("arm").agg(
            ordered=("ordered", "mean"), out=("opted_out", "mean"), visited=("visited", "mean")
        )
        clicks = rows.groupby("arm")["clicked_messages"].sum() / rows.groupby("arm")["messages"].sum()
        shown = found.effects[found.effects["segment"] == "all"].pivot_table(
            index="arm", columns="metric", values="mean"
        )
        assert shown["order_rate"].to_dict() == pytest.approx(means["ordered"].to_dict())
        assert shown["opt_out_rate"].to_dict() == pytest.approx(means["out"].to_dict())
        assert shown["visit_rate"].to_dict() == pytest.approx(means["visited"].to_dict())
        assert shown["click_rate"].to_dict() == pytest.approx(clicks.to_dict())

    def test_the_weeks_end_at_the_whole(self, company):
        """Week by week, of customers observed for all of them: the last week's sums are those of a plain count."""
        shop = company[2]
        weeks = registry.count_weeks(shop, {"how-often": 5})
        events = arm_outcomes(shop, "how-often").execute()
        long = events[events["outcome_days"] >= 35]
        orders = shop.orders.execute()
        sends = shop.messages.execute()
        margin = shop.settings.margin
        refund = orders["amount"] < 0
        orders["profit"] = margin * orders["amount"] + (margin - 1) * orders["discount"].where(~refund, 0.0)
        both = pd.concat([
            orders[["customer_id", "ordered_at", "profit"]].rename(columns={"ordered_at": "at"}),
            sends[["customer_id", "sent_at"]].assign(profit=-sends["cost"]).rename(columns={"sent_at": "at"}),
        ])  # fmt: skip
        joined = long[["customer_id", "arm", "assigned_at"]].merge(both, on="customer_id")
        since = joined["at"] - joined["assigned_at"]
        for week in (1, 3, 5):
            own = joined[(since >= pd.Timedelta(0)) & (since < pd.Timedelta(weeks=week))]
            so_far = own.groupby(["arm", "customer_id"])["profit"].sum()
            shown = weeks[weeks["week"] == week].set_index("arm")
            assert shown["n"].to_dict() == long.groupby("arm").size().to_dict()
            assert shown["sum_y"].to_dict() == pytest.approx(so_far.groupby("arm").sum().to_dict(), abs=1e-3)
            squares = (so_far**2).groupby("arm").sum().to_dict()
            assert shown["sum_y2"].to_dict() == pytest.approx(squares, rel=1e-6)

    def test_the_ledger_adds_up_to_all_there_was(self, company, evaluated):
        months = registry.count_months(company[2])
        rows = arm_outcomes(company[2], "always-on").execute()
        assert months.groupby("arm")["sum_y"].sum().to_dict() == pytest.approx(
            rows.groupby("arm")["profit"].sum().to_dict()
        )
        ledger = ab_test.keep_ledger(company[2], evaluated)
        assert (ledger["earned"] == ledger["treated"] * ledger["difference"]).all()
        assert ((ledger["p_value"] < 0.05) == ((ledger["low"] > 0) | (ledger["high"] < 0))).all()
        assert ledger["adjusted_p"].tolist() == pytest.approx(multipletests(ledger["p_value"], method="holm")[1])
        assert ledger["treated"].is_monotonic_increasing
        assert ledger["treated"].iloc[-1] == by_name(evaluated, "always-on").experiment.customers[1]

    def test_the_cap_is_one_for_all_arms_and_narrows(self, company, evaluated):
        capped = ab_test.cap_profit(company[2], evaluated)
        assert len(capped[["experiment_id", "cap"]].drop_duplicates()) == len(evaluated)
        rows = arm_outcomes(company[2], "which-text").execute()
        cap = rows.loc[rows["ordered"] == 1, "profit"].quantile(0.99)
        assert capped.query("experiment_id == 'which-text'")["cap"].iloc[0] == pytest.approx(cap)
        assert (capped["capped_high"] - capped["capped_low"] < capped["high"] - capped["low"]).mean() > 0.8

    def test_segments_are_those_of_the_assignment(self, company):
        """Recency by hand, from the orders before each assignment alone."""
        shop = company[2]
        cells = registry.count_by_segment(shop, "recency")
        rows = arm_outcomes(shop, "which-text").execute()
        orders = shop.orders.execute().query("amount >= 0")
        before = rows[["customer_id", "arm", "assigned_at"]].merge(orders, on="customer_id")
        before = before[before["ordered_at"] < before["assigned_at"]]
        days = (before["assigned_at"] - before["ordered_at"]).dt.total_seconds() / 86_400
        last = days.groupby(before["customer_id"]).min().reindex(rows["customer_id"]).to_numpy()
        segment = np.select([np.isnan(last), last < 30, last < 90], ["never", "0-30", "30-90"], "90+")
        expected = rows.groupby(["arm", segment]).size().to_dict()
        shown = cells[cells["experiment_id"] == "which-text"].set_index(["arm", "segment"])["profit__n"].to_dict()
        assert shown == expected

    def test_who_sat_in_two_tests(self, company, evaluated):
        overlaps = ab_test.map_overlaps(company[2], evaluated).set_index(["one", "two"])
        assigned = company[2].assignments.execute()
        sets = {name: set(rows["customer_id"]) for name, rows in assigned.groupby("experiment_id")}
        for (one, two), row in overlaps.iterrows():
            assert row["customers"] == len(sets[one] & sets[two])
        assert np.isnan(overlaps.loc[("always-on", "which-hour"), "p_value"])  # only the texted could be in it
        assert overlaps.loc[("which-hour", "which-text"), "p_value"] > 0.001

    def test_two_parts_of_a_table_are_one_table(self, company, evaluated, tmp_path):
        _world, folder, shop = company
        again = tmp_path / "again"
        shutil.copytree(folder, again)
        for table in ("orders", "assignments", "messages"):
            rows = shop.con.read_parquet(str(folder / table / "*.parquet"))
            shutil.rmtree(again / table)
            (again / table).mkdir()
            even = rows.customer_id.substr(rows.customer_id.length() - 1, 1).isin(list("02468"))
            rows.filter(even).to_parquet(again / table / "b.parquet")
            rows.filter(~even).to_parquet(again / table / "a.parquet")
        split = ab_test.analyse(open_folder(again, tmp_path))
        pd.testing.assert_frame_equal(ab_test.results_table(split), ab_test.results_table(evaluated), rtol=1e-9)

    def test_what_is_worth_having_and_how_many_may_leave_are_asked(self, company):
        """No test here can show a gain of a million a week, and none that fewer than nine of ten left in a week."""
        found = ab_test.analyse(company[2], smallest_gain=1e6, opt_out_margin=0.9)
        assert {each.verdict.outcome for each in found} == {"keep_control"}
        assert {guard for each in found for guard in each.verdict.guards.values()} <= {"held", "not_asked"}

    def test_the_table_has_what_the_contract_asks(self, evaluated):

        table = ab_test.results_table(evaluated)
        assert set(outputs.OUTPUTS["experiment_results"]) <= set(table.columns)
        assert set(table["decision"]) <= {"ship", "keep_control", "keep_running", "broken"}
        keys = table.loc[table["segment"] == "all", ["experiment_id", "metric", "arm"]]
        assert not keys.duplicated().any()
        told = table.dropna(subset=["low"])
        assert ((told["low"] <= told["difference"]) & (told["difference"] <= told["high"])).all()
        assert (told["adjusted_p"] >= told["p_value"] - 1e-12).all() or (told["state"] == "running").any()

    def test_all_figures_can_be_drawn(self, company, evaluated):
        shop, draw, tables = company[2], ab_test_figures, ab_test_tables
        shown = [
            tables.experiments_table(evaluated), tables.validity_table(evaluated), draw.effects_figure(evaluated, "USD"),
            tables.results_table(evaluated, "USD"), tables.others_table(evaluated, "USD"),
            tables.best_table(evaluated, "USD"),
            uplift_tables.segments_table(evaluated, "USD"),
            tables.capped_table(ab_test.cap_profit(shop, evaluated), "USD"),
            draw.weeks_figure(ab_test.trace_weeks(shop, evaluated), evaluated, "USD"),
            draw.ledger_figure(ab_test.keep_ledger(shop, evaluated), "USD"),
            tables.ledger_table(ab_test.keep_ledger(shop, evaluated), ab_test.total_ledger(evaluated), "USD"),
            tables.overlaps_table(ab_test.map_overlaps(shop, evaluated)), tables.broken_days_table(evaluated),
            tables.peeking_note(np.random.default_rng(1)),
        ]  # fmt: skip
        text = " ".join(re.sub(r"<[^>]+>", " ", each.markup) for each in shown)
        assert "nan" not in text
        assert "4_a_week" in text

    def test_without_effects_arms_do_not_differ(self, tmp_path):
        """A company whose messages cause nothing: no interval of profit by arm or segment is far from 0."""
        write_company(tmp_path / "null", customers=4_000, weeks=36, seed=6, null=True)
        found = ab_test.analyse(open_folder(tmp_path / "null", tmp_path))
        assert not any(each.validity.broken for each in found)
        assert not any(each.verdict.outcome == "ship" for each in found)
        told = 0
        for each in found:
            rows = each.effects[each.effects["metric"] == "profit"].dropna(subset=["standard_error"])
            assert (rows["adjusted_p"] > 0.01).all()
            apart = differ_by_segment(each)
            # Segments with hardly a buyer have no interval, and an arm with fewer than two others nothing to differ in.
            assert (apart[["adjusted_p", "adjusted_p_relative"]].fillna(1.0) > 0.01).all().all()
            told += int(apart["p_value"].notna().sum())
        assert told >= 5


# --- small tests, one fault each -------------------------------------------------------------------------------------

START, END = dt.datetime(2024, 3, 4), dt.datetime(2024, 4, 1)


def write_tests(make_source, **tests):
    """A source with these experiments, each with customers of its own.

    Args:
        tests: by name, what `_write_test` is told; without messages (None) in all of them there is no such table.
    """
    tables = {
        "experiments": ["experiment_id,kind,control_arm,started_at,ended_at,primary_metric"],
        "arms": ["experiment_id,arm,share"],
        "assignments": ["experiment_id,customer_id,arm,assigned_at"],
        "customers": ["customer_id,opted_out_at"],
        "orders": ["order_id,customer_id,ordered_at,amount", f"first,z,{START - dt.timedelta(days=60)},1"],
        "messages": ["message_id,customer_id,campaign_id,sent_at,cost", f"first,z,k,{START},0.1"],
    }
    for name, settings in tests.items():
        _write_test(tables, name, **settings)
    tables["orders"].append(f"last,z,{END + dt.timedelta(days=5)},1")
    if all(settings.get("messages") is None for settings in tests.values()):
        del tables["messages"]
    return make_source(**{name: "\n".join(lines) + "\n" for name, lines in tables.items()}, source="margin: 0.5\n")


def _write_test(tables, test, *, arms, shares=None, orders=None, messages=None, kind="content", control=None, late=0,
                ended=True, opt_outs=None, primary="profit", before=None, seed=1):  # fmt: skip
    """The lines of one experiment.

    Args:
        arms: name → customers.
        shares: planned; equal if not given.
        orders: name → share who order once; their amounts are random unless (share, amount) is given.
        messages: name → share who are messaged once, at 0.1 each.
        late: so many of each arm are assigned when it is over.
        opt_outs: name → share who opt out.
        before: name → share who ordered in the weeks before.
    """
    rng = np.random.default_rng(seed)
    control = control or next(iter(arms))
    shares = shares or dict.fromkeys(arms, 1 / len(arms))
    tables["experiments"].append(f"{test},{kind},{control},{START},{END if ended else ''},{primary}")
    tables["arms"] += [f"{test},{arm},{share}" for arm, share in shares.items()]
    for arm, n in arms.items():
        rate = (orders or {}).get(arm, 0.1)
        rate, amount = rate if isinstance(rate, tuple) else (rate, None)
        picks = {name: rng.permutation(n) < round(n * share) for name, share in (
            ("order", rate), ("message", (messages or {}).get(arm, 0.0)), ("out", (opt_outs or {}).get(arm, 0.0)),
            ("before", (before or {}).get(arm, 0.2)),
        )}  # fmt: skip
        for i in range(n):
            who, day = f"{test}-{arm}{i}", dt.timedelta(days=int(rng.integers(1, 20)), hours=9)
            when = END + dt.timedelta(days=1) if i < late else START
            tables["assignments"].append(f"{test},{who},{arm},{when}")
            tables["customers"].append(f"{who},{START + day if picks['out'][i] else ''}")
            value = amount if amount is not None else round(float(rng.lognormal(3, 0.7)), 2)
            if picks["order"][i]:
                tables["orders"].append(f"o{who},{who},{START + day},{value}")
            if picks["before"][i]:
                tables["orders"].append(f"b{who},{who},{START - day},{round(float(rng.lognormal(3, 0.7)), 2)}")
            if picks["message"][i]:
                tables["messages"].append(f"m{who},{who},k,{START + dt.timedelta(hours=10)},0.1")


SENT = {"a": 1.0, "b": 1.0}
THREE = {"arms": {"a": 1_000, "b": 600, "c": 400}, "shares": {"a": 0.5, "b": 0.3, "c": 0.2}, "messages": SENT}
CLEAR = {"arms": {"a": 2_000, "b": 2_000}, "orders": {"a": 0.1, "b": 0.25}, "messages": SENT}
ONE_FAULT_EACH = {
    "other-split": {"arms": {"a": 1_000, "b": 1_200}, "messages": SENT},
    "three": THREE,
    "three-broken": {**THREE, "arms": {**THREE["arms"], "c": 300}},
    "empty-arm": {"arms": {"a": 500, "b": 500}, "shares": {"a": 0.4, "b": 0.4, "c": 0.2}, "messages": SENT},
    "late": {"arms": {"a": 500, "b": 500}, "late": 20, "messages": SENT},
    "few-late": {"arms": {"a": 500, "b": 500}, "late": 2, "messages": SENT},
    "other-past": {"arms": {"a": 2_000, "b": 2_000}, "before": {"a": 0.2, "b": 0.35}, "messages": SENT},
    "messaged-alike": {"arms": {"out": 400, "in": 400}, "kind": "holdout", "messages": {"out": 0.7, "in": 0.9}},
    "some-messaged": {"arms": {"out": 400, "in": 400}, "kind": "holdout", "messages": {"out": 0.1, "in": 0.8}},
    "nobody-bought": {"arms": {"a": 300, "b": 300}, "orders": {"a": 0.0, "b": 0.0}, "messages": {"a": 0.0, "b": 0.0}},
    "five-buyers": {"arms": {"a": 1_000, "b": 1_000}, "orders": {"a": 0.005, "b": (0.2, 500.0)}, "messages": SENT},
    "clear": CLEAR,
    "breached": {**CLEAR, "opt_outs": {"a": 0.03, "b": 0.10}},
    "guard-open": {**CLEAR, "opt_outs": {"a": 0.03, "b": 0.035}},
    "runs": {**CLEAR, "ended": False},
    "swapped": {**CLEAR, "control": "b"},
    "two-against-one": {"arms": dict.fromkeys("abc", 1_500), "orders": {"a": 0.1, "b": 0.25, "c": 0.1},
                        "messages": dict.fromkeys("abc", 1.0)},
    "many": {"arms": dict.fromkeys("abc", 800), "orders": {"a": 0.1, "b": 0.12, "c": 0.1}, "primary": "order_rate",
             "messages": dict.fromkeys("abc", 1.0)},
    "open": {"arms": {"a": 400, "b": 400}, "orders": {"a": 0.2, "b": 0.23}, "messages": SENT},
    "doses": {**CLEAR, "kind": "frequency", "messages": {"a": 0.0, "b": 1.0}, "opt_outs": {"a": 0.03, "b": 0.3}},
    "doses-lost": {**CLEAR, "kind": "frequency", "orders": {"a": 0.25, "b": 0.1}, "messages": {"a": 0.0, "b": 1.0}},
    "doses-above-one": {**CLEAR, "kind": "frequency"},
    "standing": {**CLEAR, "kind": "holdout", "messages": {"a": 0.0, "b": 1.0}},
    "hours": {**CLEAR, "kind": "timing"},
}  # fmt: skip


@pytest.fixture(scope="module")
def evaluate(tmp_path_factory):
    """Evaluates an experiment of `ONE_FAULT_EACH`; they are counted together, and judged as one asks."""
    place = tmp_path_factory.mktemp("one_fault_each")
    (place / "source").mkdir()

    def write(**files):
        for name, text in files.items():
            (place / "source" / ("source.yml" if name == "source" else f"{name}.csv")).write_text(text)
        return place / "source"

    every = ab_test.analyse(open_folder(write_tests(write, **ONE_FAULT_EACH), place))
    by_test = {each.experiment.name: each for each in every}

    def run(name, **asked):
        found = by_test[name]
        if not asked:
            return found
        asked = {"smallest_gain": 0.0, "opt_out_margin": 0.002, **asked}
        return dataclasses.replace(found, verdict=judge(found.experiment, found.validity, found.effects, **asked))

    return run


class TestBroken:
    def test_a_split_that_is_not_the_planned_one(self, evaluate):
        found = evaluate("other-split")
        assert found.validity.split.p_value == pytest.approx(stats.chisquare([1_000, 1_200]).pvalue)
        assert problem_words(found.validity.problems[0]).startswith(
            "the split is not the planned one: a has 45.45% of the customers"
        )
        assert_shows_no_effect(found)

    def test_three_arms_with_unequal_shares(self, evaluate):
        assert not evaluate("three").validity.broken
        found = evaluate("three-broken")
        assert found.validity.split.p_value == pytest.approx(stats.chisquare([1_000, 600, 300], [950, 570, 380]).pvalue)
        assert_shows_no_effect(found)

    def test_an_arm_that_nobody_is_in(self, evaluate):
        found = evaluate("empty-arm")
        assert problem_words(found.validity.problems[0]) == "nobody is in c"
        assert found.validity.split.p_value < 1e-20  # counted with its share, as any arm
        assert_shows_no_effect(found)

    def test_assignments_after_the_end(self, evaluate):
        found = evaluate("late")
        assert tuple(map(problem_words, found.validity.problems)) == (
            "40 of 1,000 customers were assigned after the last outcome that counts",
        )
        assert_shows_no_effect(found)
        few = evaluate("few-late")
        assert tuple(map(problem_words, few.validity.warnings)) == (
            "4 customers were assigned too late to have an outcome, and are left out",
        )
        assert few.experiment.customers.tolist() == [498, 498]
        assert few.effects["customers"].max() == 498

    def test_arms_that_differed_before(self, evaluate):
        found = evaluate("other-past")
        assert "differed before the test already" in problem_words(found.validity.problems[0])
        assert_shows_no_effect(found)

    def test_a_control_that_was_messaged_like_the_others(self, evaluate):
        found = evaluate("messaged-alike")
        assert tuple(map(problem_words, found.validity.problems)) == (
            "70.0% of out were messaged although they were to be left alone",
        )
        assert_shows_no_effect(found)

    def test_a_control_some_of_whom_were_messaged(self, evaluate):
        found = evaluate("some-messaged")
        assert not found.validity.broken
        assert found.validity.contrast == pytest.approx(0.7 / 0.8)
        assert "10.0% of out were messaged" in problem_words(found.validity.warnings[0])
        assert "about 88% of what a clean control would show" in problem_words(found.validity.warnings[0])
        assert "10.0% of out were messaged" in ab_test.decide([found], "USD")[0].caveat

    def test_a_broken_page_draws_nothing(self, evaluate):
        found = [evaluate("other-split")]
        tables = ab_test_tables
        for show in (
            ab_test_figures.effects_figure, tables.results_table, uplift_tables.segments_table,
            tables.best_table,
            tables.others_table,
        ):  # fmt: skip
            assert not re.search(r"\d", re.sub(r"<[^>]+>", "", show(found, "USD").markup))


class TestNothingToSay:
    def test_nobody_bought(self, evaluate):
        found = evaluate("nobody-bought")
        money = found.effects.query("metric in ('revenue', 'profit') and arm == 'b'")
        assert money[["difference", "low", "high", "p_value"]].isna().all().all()
        assert set(money["reason"]) == {"no_variance"}
        rate = effect(found, "order_rate", "b", ("difference", "low", "high", "p_value"))
        assert rate == pytest.approx([0, -0.0126, 0.0126, 1], abs=1e-4)  # Miettinen & Nurminen know something even so
        assert found.verdict.outcome == "keep_running"

    def test_five_buyers_ship_nothing_however_large_the_difference(self, evaluate):
        found = evaluate("five-buyers")
        assert found.effects.query("metric == 'profit' and arm == 'b' and segment == 'all'")["low"].iloc[0] > 0
        assert (found.verdict.outcome, found.verdict.why_open) == ("keep_running", ("few_events",))

    def test_nobody_assigned(self, make_source, open_source):
        folder = write_tests(make_source, x={"arms": {"a": 10, "b": 10}})
        text = (folder / "assignments.csv").read_text().splitlines()
        (folder / "assignments.csv").write_text(f"{text[0]}\n{text[1].replace('x,', 'x,', 1)}\n")
        shop = open_source(folder, as_of="2024-02-20")
        with pytest.raises(NotEnoughData, match="Nobody has been assigned"):
            ab_test.analyse(shop)

    def test_a_segment_that_customers_do_not_have(self, make_source, open_source):
        shop = open_source(write_tests(make_source, x={"arms": {"a": 10, "b": 10}}))
        with pytest.raises(DataError, match="segment_by: customers have no column shoe_size"):
            ab_test.analyse(shop, segment_by="shoe_size")

    def test_without_messages_revenue_decides_and_says_so(self, make_source, open_source):
        asked = {**CLEAR, "messages": None, "primary": "revenue"}
        found = ab_test.analyse(open_source(write_tests(make_source, x=asked)))[0]
        assert (found.verdict.outcome, found.verdict.metric) == ("ship", "revenue")
        assert "revenue, not profit" in ab_test.decide([found], "USD")[0].caveat


class TestDecision:
    def test_a_clear_gain_is_shipped(self, evaluate):
        found = evaluate("clear")
        decision = ab_test.decide([found], "USD")[0]
        assert (decision.outcome, decision.action) == ("do", "clear: switch to b")
        low, high = effect(found, "profit", "b", ("low", "high"))
        assert (decision.low, decision.high) == pytest.approx(
            (2_000 * low, 2_000 * high)
        )  # one arm: no more to allow for

    @pytest.mark.parametrize(
        ("test", "kind", "outcome", "action"),
        [
            ("doses", "worth", "do", "doses: go on texting, b brings more than a"),
            ("doses-lost", "worth", "dont", "doses-lost: do not go on texting so, b brings too little beyond a"),
            ("standing", "worth", "do", "standing: go on texting, b brings more than a"),
            ("doses-above-one", "gain", "do", "doses-above-one: switch to b"),
            ("clear", "gain", "do", "clear: switch to b"),
        ],
    )
    def test_against_no_texts_is_what_texting_brings_and_no_change(self, evaluate, test, kind, outcome, action):
        """Who left is lost to the dose, which the arm's profit does not say: it is no reason to switch to it."""
        found = evaluate(test)
        decision = ab_test.decide([found], "USD")[0]
        assert (decision.kind, decision.outcome, decision.action) == (kind, outcome, action)
        weeks = found.experiment.weeks if kind == "worth" else 1
        assert decision.value == pytest.approx(2_000 * effect(found, "profit", "b")[0] / weeks)
        assert decision.unit == ("money_per_week" if kind == "worth" else "money")

    def test_what_another_page_answers_better_is_said(self, evaluate):
        said = {name: ab_test.decide([evaluate(name)], "USD")[0].text for name in ("doses", "hours", "clear")}
        assert "“How often should we text?”" in said["doses"]
        assert "“When should a text go out?”" in said["hours"]
        assert "“" not in said["clear"]

    def test_a_gain_below_the_one_worth_having_is_not(self, evaluate):
        """Four weeks: the threshold is four times the weekly one."""
        weekly = evaluate("clear").verdict
        assert evaluate("clear", smallest_gain=0.9 * weekly.low / 4).verdict.outcome == "ship"
        assert evaluate("clear", smallest_gain=1.1 * weekly.low / 4).verdict.outcome == "keep_running"
        assert evaluate("clear", smallest_gain=1.1 * weekly.high / 4).verdict.outcome == "keep_control"

    def test_a_guard_that_is_breached_keeps_the_control(self, evaluate):
        found = evaluate("breached")
        assert found.verdict.guards == {"b": "breached"}
        assert found.verdict.outcome == "keep_control"
        assert "Opting out rose by more than the margin in b" in ab_test.decide([found], "USD")[0].caveat
        assert evaluate("breached", opt_out_margin=0.03).verdict.outcome == "ship"

    def test_a_guard_that_is_open_keeps_it_running(self, evaluate):
        found = evaluate("guard-open")
        assert found.verdict.guards == {"b": "open"}
        assert (found.verdict.outcome, found.verdict.why_open) == ("keep_running", ("guard",))

    def test_while_it_runs_the_always_valid_interval_decides(self, evaluate):
        running = evaluate("runs")
        low, high = effect(running, "profit", "b", ("always_valid_low", "always_valid_high"))
        assert (running.verdict.low, running.verdict.high) == pytest.approx((low, high))
        fixed = effect(running, "profit", "b", ("low", "high"))
        assert low < fixed[0] < fixed[1] < high
        assert running.validity.split.method == "sequential"

    def test_arms_swapped_turn_the_decision_round(self, evaluate):
        one = evaluate("clear")
        other = evaluate("swapped")
        assert effect(other, "profit", "a") == pytest.approx(
            [-x for x in np.array(effect(one, "profit", "b"))[[0, 2, 1]]]
        )
        lift, back = (effect(found, "profit", arm, ("relative",))[0] for found, arm in ((one, "b"), (other, "a")))
        assert back == pytest.approx(-lift / (1 + lift))
        assert other.verdict.outcome == "keep_control"

    def test_several_arms_are_allowed_for(self, evaluate):
        found = evaluate("two-against-one")
        row = found.effects.query("metric == 'profit' and arm == 'b' and segment == 'all'").iloc[0]
        reach = stats.t.ppf(1 - 0.025 / 2, row["df"]) * row["standard_error"]
        assert found.verdict.arm == "b"
        assert (found.verdict.low, found.verdict.high) == pytest.approx(
            (row["difference"] - reach, row["difference"] + reach)
        )

    def test_segments_alike_in_truth_do_not_differ(self, evaluate):
        """The arm makes everybody buy as much more, whether they had bought lately or never."""
        for name, arms in (("clear", 1), ("two-against-one", 2)):
            found = evaluate(name)
            apart = differ_by_segment(found)
            assert apart["segments"].tolist() == [2] * arms
            assert (apart[["adjusted_p", "adjusted_p_relative"]] > 0.01).all().all()
            parts = [effect(found, "profit", "b", segment=segment) for segment in ("0-30", "never")]
            whole = effect(found, "profit", "b")[0]
            assert all(low < whole < high and low > 0 for _difference, low, high in parts)
        page = uplift_tables.segments_table([evaluate("clear")], "USD").markup
        assert "ordered in the last 30 days" in page
        assert "Better left alone" not in page

    def test_holm_is_over_arms_metrics_and_segments(self, evaluate):
        found = evaluate("many")
        rows = found.effects
        family = rows[rows["metric"].isin(["profit", "order_rate"]) & rows["p_value"].notna()]
        ordered = np.sort(family["p_value"].to_numpy())
        assert len(family) >= 8  # two arms, two metrics, everybody and at least one segment
        assert family["adjusted_p"].min() == pytest.approx(min(ordered[0] * len(ordered), 1))
        assert set(family["correction"]) == {"holm"}
        assert set(rows.loc[rows["metric"] == "revenue", "correction"]) == {"benjamini_hochberg"}

    def test_what_is_open_says_how_much_more(self, evaluate):
        """As many more customers as named make the interval end where the gain begins, the difference staying."""
        found = evaluate("open")
        verdict = found.verdict
        assert verdict.outcome == "keep_running"
        error = effect(found, "profit", "b", ("standard_error",))[0]
        assert verdict.difference / (error / np.sqrt(verdict.factor)) == pytest.approx(1.96, rel=1e-3)
        assert "run it again with about" in ab_test.decide([found], "USD")[0].action


def test_a_judgement_needs_numbers_that_exist(evaluate):
    """A metric without an interval leaves the arm open; it is no zero."""
    found = evaluate("clear")
    blank = found.effects.assign(difference=np.nan, low=np.nan, high=np.nan, standard_error=np.nan, p_value=np.nan)
    verdict = judge(found.experiment, found.validity, blank, smallest_gain=0.0, opt_out_margin=0.01)
    assert (verdict.outcome, verdict.why_open) == ("keep_running", ("no_numbers",))


class TestTrust:
    def test_days_locate_a_broken_split(self):
        days = [dt.date(2024, 1, d) for d in (1, 2, 3)]
        cells = pd.DataFrame({"name": np.repeat(days, 2), "arm": ["a", "b"] * 3, "n": [500, 510, 500, 300, 490, 500]})
        experiment = dataclasses.replace(an_experiment(), arms=("a", "b"), shares=np.array([0.5, 0.5]))
        found = validity.locate_split(cells, experiment).set_index("name")
        assert (found["adjusted_p"] < 0.01).to_dict() == {days[0]: False, days[1]: True, days[2]: False}
        assert found.loc[days[1], "share"] in (pytest.approx(0.625), pytest.approx(0.375))

    def test_few_customers_take_the_test_that_holds_at_any_size(self):
        experiment = an_experiment(counts=(3, 5), state="ended")
        assert validity.check_split(experiment).method == "sequential"
        assert validity.check_split(an_experiment(counts=(300, 310), state="ended")).method == "chi_squared"

    def test_customers_in_an_arm_without_a_share(self):
        experiment = an_experiment(counts=(300, 10), shares=(1.0, 0.0))
        assert validity.check_split(experiment).broken


def an_experiment(counts=(300, 300), shares=(0.5, 0.5), state="running"):
    assigned = pd.DataFrame({"arm": ["a", "b"], "day": [dt.date(2024, 3, 4)] * 2, "n": counts})
    return registry.Experiment(
        name="x", kind="content", control="a", arms=("a", "b"), shares=np.array(shares), primary="profit", state=state,
        started=dt.date(2024, 3, 4), last=dt.date(2024, 3, 31), until=None,
        assigned=assigned.assign(late=0, early=0, outcome_days=28.0 * assigned["n"]),
        plan=pd.DataFrame(index=["a", "b"]),
    )  # fmt: skip
