"""All experiments of a source: broken ones show no effect, and the saved table is complete."""

import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest

from smsroi_helpers import ab_test
from smsroi_helpers.ab_test.effects import measure_effects
from smsroi_helpers.ab_test.study import differ_by_segment
from smsroi_helpers.contract import outputs
from smsroi_helpers.errors import NotEnoughData, UsageError
from smsroi_helpers.experiments import registry
from smsroi_helpers.simulation.write import write_company
from tests.experiment_sources import ROOT, by_name, open_folder, public, write_tests
from tests.faults.tiny import smsroi_here


@pytest.mark.public_data
def test_cookie_cats_is_broken_and_shows_nothing(open_public):
    found = ab_test.analyse(open_public("cookie_cats"))[0]
    assert found.validity.split.p_value == pytest.approx(0.0086, abs=5e-5)
    assert [problem.kind for problem in found.validity.problems] == ["split"]
    assert found.decision.outcome == "broken"
    assert_shows_no_effect(found)
    # The effect that is not shown:
    counted = registry.count_outcomes(open_public("cookie_cats"))
    effect = measure_effects(found.experiment, counted).find("order_rate", "gate_40")
    assert [round(x, 4) for x in effect.interval] == [-0.0082, -0.0133, -0.0031]


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


@pytest.mark.public_data
@pytest.mark.slow
def test_a_broken_public_experiment_is_a_run_whose_page_shows_no_lift(tmp_path):
    variable, path = public("cookie_cats")
    shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks")
    shutil.copytree(ROOT / "data" / "cookie_cats", tmp_path / "data" / "cookie_cats")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    done = smsroi_here(
        tmp_path, "run", "notebooks/parameters/cookie_cats.yaml", "--only", "ab_test", **{variable: path}
    )
    assert done.returncode == 0, done.stderr
    pointer = json.loads((tmp_path / "reports" / "cookie_cats" / "latest.json").read_text())
    run = tmp_path / "reports" / "cookie_cats" / pointer["run"]
    results = pd.read_parquet(run / "tables" / "experiment_results.parquet")
    assert set(results["decision"]) == {"broken"}
    page = re.sub(r"<[^>]+>", " ", (run / "05_ab_test.html").read_text(encoding="utf-8"))
    assert "Broken: no result" in re.sub(r"\s+", " ", page)
    assert not re.search(r"0\.8\d* ?(points|percentage)|19\.0|18\.2", page)


class TestCompany:
    def test_all_experiments_are_found_and_valid(self, evaluated):
        assert [each.experiment.name for each in evaluated] == ["always-on", "how-often", "which-hour", "which-text"]
        assert not any(each.validity.broken for each in evaluated)
        assert by_name(evaluated, "always-on").experiment.state == "running"
        assert len(by_name(evaluated, "which-hour").experiment.arms) == 12

    def test_customers_in_two_tests(self, company, evaluated):
        overlaps = ab_test.map_overlaps(company[2], evaluated).set_index(["one", "two"])
        assigned = company[2].assignments.execute()
        sets = {name: set(rows["customer_id"]) for name, rows in assigned.groupby("experiment_id")}
        for (one, two), row in overlaps.iterrows():
            assert row["customers"] == len(sets[one] & sets[two])
        # Only customers of the texted arm can be in the test of hours.
        assert np.isnan(overlaps.loc[("always-on", "which-hour"), "p_value"])
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

    def test_the_table_follows_the_contract(self, evaluated):

        table = ab_test.results_table(evaluated)
        assert set(outputs.OUTPUTS["experiment_results"]) <= set(table.columns)
        here = table["decided_in"] == "ab_test"
        assert set(table.loc[here, "decision"]) <= {"ship", "keep_control", "keep_running", "broken"}
        assert set(table.loc[~here, "decision"].dropna()) <= {"broken"}
        assert set(table["evidence"]) <= {"randomised", "modelled", "none"}
        keys = table.loc[table["segment"] == "all", ["experiment_id", "metric", "arm"]]
        assert not keys.duplicated().any()
        known = table.dropna(subset=["low"])
        assert ((known["low"] <= known["difference"]) & (known["difference"] <= known["high"])).all()
        assert (known["adjusted_p"] >= known["p_value"] - 1e-12).all() or (known["state"] == "running").any()

    def test_without_effects_arms_do_not_differ(self, tmp_path):
        """A company whose messages cause nothing: no interval of profit by arm or segment is far from 0."""
        write_company(tmp_path / "null", customers=4_000, weeks=36, seed=6, null=True)
        found = ab_test.analyse(open_folder(tmp_path / "null", tmp_path))
        assert not any(each.validity.broken for each in found)
        assert not any(each.decision.outcome == "ship" for each in found)
        tested = 0
        for each in found:
            rows = [row for row in each.effects if row.metric == "profit" and not np.isnan(row.standard_error)]
            assert all(row.adjusted_p > 0.01 for row in rows)
            apart = differ_by_segment(each)
            # Segments with few buyers have no interval; with fewer than two segments there is no test.
            assert (apart[["adjusted_p", "adjusted_p_relative"]].fillna(1.0) > 0.01).all().all()
            tested += int(apart["p_value"].notna().sum())
        assert tested >= 5


BROKEN = ("other-split", "three-broken", "empty-arm", "late", "other-past", "messaged-alike")


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_experiment_shows_no_effect(evaluate, name):
    found = evaluate(name)
    assert found.validity.broken
    assert_shows_no_effect(found)


def test_late_customers_are_left_out(evaluate):
    found = evaluate("few-late")
    assert found.experiment.customers.tolist() == [498, 498]
    assert max(row.customers for row in found.effects) == 498


class TestRefusals:
    def test_nobody_assigned(self, make_source, open_source):
        folder = write_tests(make_source, x={"arms": {"a": 10, "b": 10}})
        text = (folder / "assignments.csv").read_text().splitlines()
        (folder / "assignments.csv").write_text(f"{text[0]}\n{text[1].replace('x,', 'x,', 1)}\n")
        shop = open_source(folder, as_of="2024-02-20")
        with pytest.raises(NotEnoughData, match="Nobody has been assigned"):
            ab_test.analyse(shop)

    def test_a_segment_that_customers_do_not_have(self, make_source, open_source):
        shop = open_source(write_tests(make_source, x={"arms": {"a": 10, "b": 10}}))
        with pytest.raises(UsageError, match="'shoe_size' names no groups"):
            ab_test.analyse(shop, segment_by="shoe_size")
