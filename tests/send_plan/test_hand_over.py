"""The list for a gateway: who is in it, who is left out and why, and the form of its files."""

import csv
import datetime as dt
import json
import stat
from collections import Counter

import ibis
import pandas as pd
import pytest

from smsroi_helpers.errors import DataError, StorageError
from smsroi_helpers.send_plan import describe_list, hand_over_tables, write_list
from smsroi_helpers.send_plan.hand_over import COLUMNS, mark_listed

NOW = dt.datetime(2024, 5, 6, 12)
CUSTOMERS = """customer_id,timezone,opted_in_at,opted_out_at
here,America/New_York,2024-01-01 00:00,
again,Asia/Shanghai,2024-04-01 00:00,2024-03-01 00:00
=cmd,,2024-01-01 00:00,
held,,2024-01-01 00:00,
left,,2024-01-01 00:00,2024-05-06 11:00
later,,2024-01-01 00:00,2024-05-09 10:00
never,,,
by_text,,2024-01-01 00:00,
idle,,2024-01-01 00:00,
"""
ORDERS = "order_id,customer_id,ordered_at,amount\n1,here,2024-01-01 10:00,5\n2,here,2024-05-05 10:00,5\n"
MESSAGES = """message_id,customer_id,campaign_id,sent_at,opted_out_at
m1,by_text,k,2024-05-01 10:00,2024-05-01 10:05
m2,here,k,2024-05-01 10:00,
"""
SOURCE = {"customers": CUSTOMERS, "orders": ORDERS, "messages": MESSAGES}
LATER = "9998-12-31"


def plan(*rows, **columns):
    """A table `send_plan`: customer, hour of May 7 (None: no text), role, and more columns."""
    day = pd.Timestamp("2024-05-07")
    frame = pd.DataFrame([
        {
            "plan_id": "plan-20240506", "customer_id": customer, "role": role, "probability": 0.5,
            "send_at": pd.NaT if hour is None else day + pd.Timedelta(hours=hour), "channel": "sms",
            "campaign_id": None, "variant": "a", "reason": reason, "expected_profit": 0.12345,
        }
        for customer, hour, role, reason in rows
    ]).assign(**columns)  # fmt: skip
    return ibis.memtable(frame.astype({"campaign_id": "string", "send_at": "datetime64[us]"}))


ROWS = (
    ("here", 15, "plan", "best_value"), ("here", 39, "plan", "best_value"), ("again", 15.5, "explore", "explore"),
    ("=cmd", 17, "plan", "best_value"), ("held", None, "holdout", "holdout"), ("left", 16, "plan", "best_value"),
    ("later", 16, "plan", "best_value"), ("never", 16, "plan", "best_value"), ("by_text", 16, "plan", "best_value"),
    ("idle", None, "plan", "no_gain"), ("erased", 16, "plan", "best_value"), ("idle2", None, "plan", None),
    ("=cmd", -13, "plan", "best_value"),
)  # fmt: skip


@pytest.fixture(scope="module")
def shop(read_once):
    return read_once(LATER, **SOURCE)


def test_where_the_plan_is_not_advised_only_what_explores_is_listed(shop, tmp_path):
    """By hand: the nine texts that the plan decides are left out, whoever gets them; the one that explores stays."""
    found = write_list(shop, plan(*ROWS), tmp_path / "out", now=NOW, explore_only=True)
    assert {each.reason: each.rows for each in found.left_out} == {"not_decided": 9, "no_gain": 2, "holdout": 1}
    assert [row["customer_id"] for row in rows_of(found.files[0])] == ["again"]
    assert found.texts + sum(each.rows for each in found.left_out) == found.rows


@pytest.mark.parametrize("explore_only", [False, True])
def test_the_run_marks_the_texts_that_are_handed_over_on_its_last_day(read_once, tmp_path, explore_only):
    """The page's own list and that for the gateway have the same texts, at the same local times."""
    shop = read_once("2024-05-06", **SOURCE)
    rows = plan(*ROWS)
    marked = shop.count(mark_listed(shop, rows))
    own = marked[marked["left_out"].isna() & ((marked["role"] == "explore") | (not explore_only))]
    found = write_list(shop, rows, tmp_path / "out", now=shop.end, explore_only=explore_only, raw=True)
    handed = [(row["customer_id"], row["send_at_local"]) for row in rows_of(found.files[0])]
    assert len(handed) > 0
    assert sorted(zip(own["customer_id"], own["send_at_local"].dt.strftime("%Y-%m-%dT%H:%M:%S"), strict=True)) == (
        sorted(handed)
    )


def test_without_recorded_opt_outs_the_run_lists_nobody(read_once):
    shop = read_once(
        "2024-05-06", customers="customer_id,opted_in_at\nhere,2024-01-01\nheld,2024-01-01\n", orders=ORDERS
    )
    rows = plan(("here", 15, "plan", "best_value"), ("held", None, "holdout", "holdout"))
    marked = shop.count(mark_listed(shop, rows)).set_index("customer_id")["left_out"]
    assert marked.to_dict() == {"here": "opt_outs_unknown", "held": "holdout"}


def rows_of(file, encoding="utf-8-sig"):
    with file.open(encoding=encoding, newline="") as stream:
        return list(csv.DictReader(stream))


def test_who_is_left_out_is_counted_by_reason_and_adds_up(shop, tmp_path):
    found = write_list(shop, plan(*ROWS), tmp_path / "out", now=NOW)
    assert {each.reason: (each.rows, each.customers) for each in found.left_out} == {
        "opted_out": (3, 3), "no_gain": (2, 2), "holdout": (1, 1), "passed": (1, 1), "unknown_customer": (1, 1),
        "no_consent": (1, 1),
    }  # fmt: skip
    assert (found.rows, found.texts, found.customers) == (13, 4, 3)
    assert found.texts + sum(each.rows for each in found.left_out) == found.rows
    rows = rows_of(tmp_path / "out" / "customer-list-plan-20240506.csv")
    assert [row["customer_id"] for row in rows] == ["here", "again", "'=cmd", "here"]
    assert found.opted_out == 3  # left, later, by_text; who has opted in again is not one of them


def test_an_opt_out_counts_whatever_its_date_and_an_opt_in_only_from_its_date_on(read_once, tmp_path):
    customers = "customer_id,opted_in_at,opted_out_at\nearly,2024-05-08 00:00,\nlater,2024-01-01 00:00,2024-06-01\n"
    shop = read_once(LATER, customers=customers, orders=ORDERS)
    rows = plan(("early", 15, "plan", "best_value"), ("later", 15, "plan", "best_value"))
    found = write_list(shop, rows, tmp_path, now=NOW)
    assert {each.reason: each.rows for each in found.left_out} == {"no_consent": 1, "opted_out": 1}


def test_whoever_is_held_out_in_one_row_is_in_no_row(shop, tmp_path):
    rows = plan(("here", 15, "plan", "best_value"), ("here", 16, "holdout", "holdout"))
    found = write_list(shop, rows, tmp_path, now=NOW)
    assert (found.texts, [(each.reason, each.rows) for each in found.left_out]) == (0, [("holdout", 2)])
    assert rows_of(found.files[0]) == []


def test_times_are_in_utc_and_in_the_recipients_zone(shop, tmp_path):
    found = write_list(shop, plan(*ROWS), tmp_path, now=NOW)
    first, second, *_rest = rows_of(found.files[0])
    assert list(first) == list(COLUMNS)
    assert (first["send_at"], first["send_at_local"], first["timezone"]) == (
        "2024-05-07T15:00:00Z", "2024-05-07T11:00:00", "America/New_York",
    )  # fmt: skip
    assert (second["send_at_local"], second["timezone"]) == ("2024-05-07T23:30:00", "Asia/Shanghai")
    assert (first["expected_profit"], first["campaign_id"], first["plan_id"]) == ("0.1235", "", "plan-20240506")


@pytest.mark.parametrize("start", [*"=+-@\t\r\n", *"＝＋－＠"])
def test_text_that_a_spreadsheet_would_run_gets_an_apostrophe(shop, tmp_path, start):
    hostile = f'{start}cmd|"/c calc"!A1'
    rows = plan(("here", 15, "plan", "best_value"), variant=hostile, campaign_id="a-b", expected_profit=-1.5)
    (row,) = rows_of(write_list(shop, rows, tmp_path, now=NOW).files[0])
    assert (row["variant"], row["campaign_id"], row["expected_profit"]) == (f"'{hostile}", "a-b", "-1.5")
    raw = write_list(shop, rows, tmp_path, now=NOW, raw=True).files[0]
    assert raw.read_bytes().startswith(b"customer_id,")
    assert rows_of(raw, "utf-8")[0]["variant"] == hostile


def test_a_list_for_spreadsheets_begins_with_a_byte_order_mark_and_keeps_chinese(shop, tmp_path):
    rows = plan(("here", 15, "plan", "best_value"), variant="新品, “A”")
    file = write_list(shop, rows, tmp_path, now=NOW).files[0]
    assert file.read_bytes().startswith(b"\xef\xbb\xbfcustomer_id,")
    assert rows_of(file)[0]["variant"] == "新品, “A”"


def test_only_the_owner_can_read_a_list(shop, tmp_path):
    for options in ({}, {"by_hour": True}, {"json_lines": True}):
        for file in write_list(shop, plan(*ROWS), tmp_path, now=NOW, **options).files:
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not list(tmp_path.glob(".*"))


def test_files_by_hour_hold_the_rows_of_the_list(shop, tmp_path):
    whole = rows_of(write_list(shop, plan(*ROWS), tmp_path / "whole", now=NOW).files[0])
    found = write_list(shop, plan(*ROWS), tmp_path / "hours", now=NOW, by_hour=True)
    assert [file.name for file in found.files] == [
        f"customer-list-plan-20240506-202405{hour}Z.csv" for hour in ("07T15", "07T17", "08T15")
    ]
    parts = [rows_of(file) for file in found.files]
    assert [row for part in parts for row in part] == whole
    assert Counter(len({row["send_at"][:13] for row in part}) for part in parts) == {1: 3}


def test_json_lines_are_raw(shop, tmp_path):
    (file,) = write_list(shop, plan(*ROWS), tmp_path, now=NOW, json_lines=True).files
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert [row["customer_id"] for row in rows] == ["here", "again", "=cmd", "here"]
    assert (rows[0]["campaign_id"], rows[0]["expected_profit"]) == (None, 0.1235)


def test_a_new_list_leaves_no_file_of_the_old_one(shop, tmp_path):
    write_list(shop, plan(*ROWS), tmp_path, now=NOW, by_hour=True)
    other = [tmp_path / name for name in ("customer-list-plan-20240507.csv", "notes.csv")]
    for file in other:
        file.write_text("mine")
    found = write_list(shop, plan(*ROWS[:1]), tmp_path, now=NOW, by_hour=True)
    assert (found.removed, {*tmp_path.iterdir()}) == (2, {*found.files, *other})


def test_a_source_without_opt_outs_is_refused_unless_this_is_accepted(read_once, tmp_path):
    shop = read_once(LATER, customers="customer_id,opted_in_at\nhere,2024-01-01\nnever,\n", orders=ORDERS)
    rows = plan(("here", 15, "plan", "best_value"), ("never", 15, "plan", "best_value"))
    with pytest.raises(DataError, match=r"records no opt-outs .* use --no-suppression"):
        write_list(shop, rows, tmp_path, now=NOW)
    assert not list(tmp_path.iterdir())
    found = write_list(shop, rows, tmp_path, now=NOW, allow_no_opt_outs=True)
    assert (found.opted_out, found.texts, found.left_out[0].reason) == (None, 1, "no_consent")
    assert describe_list(found, "mine")[-1].startswith("Caveat: no opt-outs were applied, because mine records none.")


def test_accepting_a_source_without_opt_outs_does_not_skip_those_that_are_recorded(shop, tmp_path):
    one, other = (
        write_list(shop, plan(*ROWS), tmp_path, now=NOW, allow_no_opt_outs=accepted) for accepted in (False, True)
    )
    assert one == other


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        (plan(*ROWS[:2], plan_id=["one", "two"]), "rows of several plans"),
        (plan(*ROWS[:1], plan_id="../up"), "cannot be the name of a file"),
        (plan(*ROWS).filter(ibis._.customer_id == "nobody"), "no rows"),
        (plan(*ROWS).drop("reason"), "no column reason"),
    ],
)
def test_a_table_that_is_no_plan_is_refused(shop, tmp_path, rows, problem):
    with pytest.raises(DataError, match=problem):
        write_list(shop, rows, tmp_path, now=NOW)


def test_a_folder_that_cannot_be_written_is_named(shop, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written to file"):
        write_list(shop, plan(*ROWS), tmp_path / "file", now=NOW)


def test_words_and_table_say_what_was_left_out(shop, tmp_path):
    found = write_list(shop, plan(*ROWS), tmp_path, now=NOW)
    lines = describe_list(found, "mine")
    assert lines[0] == "plan-20240506: 13 rows in the plan, 4 texts in the list (customers: 3)"
    assert "left out: 3 (customers: 3), opted out" in lines
    assert lines[-1] == "Opt-outs read from mine as of 2024-05-06 12:00 UTC; opt-outs in force: 3."
    markup = hand_over_tables.list_table(found, "mine")._repr_html_()
    assert "no text planned: no gain expected" in markup
    assert "&lt;10" in markup  # groups of fewer than ten customers are not shown on a page
