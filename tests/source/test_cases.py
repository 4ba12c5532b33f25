"""The small sources of ../shared/cases: each gives what its README states."""

from pathlib import Path

import pandas as pd
import pytest

from smsroi_helpers.errors import DataError
from smsroi_helpers.measures import arm_outcomes, human_clicks
from smsroi_helpers.source.loaded import Loaded, resolve_as_of
from smsroi_helpers.source.read import load
from smsroi_helpers.source.shop import open_shop
from tests.machine import CASES

pytestmark = pytest.mark.cases


def read(case: str, place: Path) -> tuple[Loaded, dict[str, pd.DataFrame], dict[str, str]]:
    loaded = load(CASES / case, place / ".loaded")
    frames = {name: pd.read_parquet(table.paths[0]) for name, table in loaded.tables.items()}
    return loaded, frames, {f.rule: f.filled_remedy for f in loaded.findings}


@pytest.mark.parametrize("case", ["04b-formula-customer-ids", "04c-apostrophe-ids", "04e-float-ids"])
def test_ids_of_spreadsheets_join_the_plain_ones(tmp_path, case):
    _loaded, frames, said = read(case, tmp_path)
    assert set(frames["orders"]["customer_id"]) <= set(frames["customers"]["customer_id"])
    assert "ids as a spreadsheet writes them" in said


@pytest.mark.parametrize("case", ["06a-eu-thousands-only", "06b-idr-dot-thousands", "06m-thousand"])
def test_thousands_with_dots_are_refused_as_ambiguous(tmp_path, case):
    with pytest.raises(DataError, match="column amount: .* may mean 1250 or 1.25, .* write decimal: "):
        read(case, tmp_path)


def test_a_blank_before_the_offset(tmp_path):
    _loaded, frames, _said = read("07s-space-offset", tmp_path)
    assert list(frames["orders"]["ordered_at"]) == [pd.Timestamp("2024-05-03 13:50:26")]


def test_two_currencies_are_refused(tmp_path):
    with pytest.raises(DataError, match="column amount: amounts in several currencies"):
        read("42m-two-signs", tmp_path)


def test_the_damaged_workbook_is_named(tmp_path):
    """The file of this case is cut after 54 bytes; whole workbooks are tested in test_workbook.py."""
    with pytest.raises(DataError, match=r"orders\.xlsx: not a workbook, or a damaged one"):
        read("13-xlsx-only", tmp_path)


@pytest.mark.parametrize(
    ("case", "rows", "rule"),
    [
        ("11-metadata-head", 20, "report lines above the column names"),
        ("12-trailing-comma", 20, ""),
        ("12b-duplicate-heading", 20, "column name repeated"),
        ("50-stray-file", 20, "file not used"),
        ("52-chinese-file-name", 1, ""),
        ("52b-upper-case-ending", 1, ""),
        ("54-total-row-customer", 2, "total row"),
    ],
)
def test_files_are_read_as_they_are(tmp_path, case, rows, rule):
    loaded, frames, said = read(case, tmp_path)
    assert len(frames["orders"]) == rows
    assert not rule or rule in said
    assert all(finding.severity == "note" for finding in loaded.findings)


def test_segments_with_ids_of_their_own(tmp_path):
    _loaded, frames, _said = read("14b-segment-rows-own-ids", tmp_path)
    assert (len(frames["messages"]), set(frames["messages"]["segments"])) == (40, {2})
    assert frames["messages"]["cost"].sum() == pytest.approx(80 * 0.0079)


def test_yes_and_no_for_clicks(tmp_path):
    loaded, frames, _said = read("31-boolean-clicks", tmp_path)
    text = pd.read_csv(CASES / "31-boolean-clicks" / "messages.csv")
    assert frames["messages"]["clicked_at"].notna().sum() == text["clicked_at"].sum() > 0
    assert frames["messages"]["delivered_at"].notna().sum() == text["delivered_at"].sum()
    shop = open_shop(loaded, "", tmp_path / ".cache")
    assert human_clicks(shop).any_click_at.notnull().sum().execute() == text["clicked_at"].sum()


def test_clicks_on_another_clock(tmp_path):
    _loaded, _frames, said = read("51-clicks-other-clock", tmp_path)
    remedy = said["on another clock than sent_at"]
    assert "by 8 hours" in remedy
    assert "on the clock of Asia/Shanghai, `sent_at` is on UTC;" in remedy


def test_scheduled_sends(tmp_path):
    loaded, _frames, said = read("30b-scheduled-sends", tmp_path)
    assert resolve_as_of(loaded, "") == "2024-05-08"
    assert str(open_shop(loaded, "", tmp_path / ".cache").as_of) == "2024-05-08"
    assert "scheduled, not sent" in said


def test_the_last_day_of_a_test_counts(tmp_path):
    loaded, frames, _said = read("AB4-date-only-end", tmp_path)
    shop = open_shop(loaded, "2024-05-12", tmp_path / ".cache")
    outcomes = arm_outcomes(shop).execute()
    orders = frames["orders"]
    during = orders[(orders["ordered_at"] >= "2024-05-01") & (orders["ordered_at"] < "2024-05-08")]
    assigned = during[during["customer_id"].isin(frames["assignments"]["customer_id"])]
    assert (assigned["ordered_at"] >= "2024-05-07").any()
    assert outcomes["orders"].sum() == len(assigned)


@pytest.mark.parametrize("case", ["zero-amounts", "CL2-free-orders", "AB2-zero-control"])
def test_what_is_odd_is_read_in_full(tmp_path, case):
    loaded, frames, _said = read(case, tmp_path)
    text = pd.read_csv(CASES / case / "orders.csv")
    assert frames["orders"]["amount"].sum() == pytest.approx(text["amount"].sum())
    assert {f.severity for f in loaded.findings} <= {"note"}
