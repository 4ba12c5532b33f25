"""What a run leaves: its tables, and decisions that travel with their interval."""

import dataclasses

import pytest

from smsroi_helpers.contract.outputs import OUTPUTS, SHARED_OUTPUTS, Decision


def test_a_decision_without_its_interval_is_refused():
    with pytest.raises(ValueError, match="is not within its interval"):
        Decision("s", "q", "do", "a", "t", "none", 1, value=3.0, low=4.0, high=5.0, unit="money_per_week")


def test_a_decision_without_a_number_needs_no_interval():
    assert Decision("s", "q", "broken", "a", "t", "none", 1).unit == ""


def test_a_decision_has_passed_its_checks_unless_it_says_otherwise():
    assert Decision("s", "q", "do", "a", "t", "none", 1).status == "ok"
    assert Decision("s", "q", "do", "a", "t", "none", 1, status="failed_check").status == "failed_check"


def test_a_decision_is_a_row_of_its_table():
    assert set(OUTPUTS["decisions"]) <= {field.name for field in dataclasses.fields(Decision)}


def test_tables_of_cells_name_no_customer():
    assert all("customer_id" not in OUTPUTS[name] for name in ("decisions", "exclusions", "model_fits"))
    assert set(SHARED_OUTPUTS) <= set(OUTPUTS)
    assert all(len(set(columns)) == len(columns) for columns in OUTPUTS.values())


def test_an_amount_of_cash_says_how_it_is_known():
    common = ("s", "q", "do", "a", "t", "modelled", 1)
    assert Decision(*common, cash=1.0, cash_low=0.0, cash_high=2.0, cash_evidence="randomised").cash == 1.0
    for given in ({"cash": 1.0}, {"cash_evidence": "modelled"}):
        with pytest.raises(ValueError, match="cash needs its evidence"):
            Decision(*common, **given)
    with pytest.raises(ValueError, match="without an amount"):
        Decision(*common, money="long_run")
