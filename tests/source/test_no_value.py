"""Words and dates for no value: empty and counted where a field may be empty, a damaged row where it must not be."""

import datetime as dt
import random

import pandas as pd
import pytest

from smsroi_helpers.errors import DataError
from smsroi_helpers.source.read import load

ORDERS = "order_id,customer_id,ordered_at,amount\n" + "".join(f"o{i},c{i},2024-03-01,20\n" for i in range(150))
NAMES = "message_id,customer_id,campaign_id,sent_at"
WORDS = (
    "NULL", "null", "\\N", "-", "--", "N/A", "n/a", "#N/A", "None", "NaT", "(null)", " NULL ", "N.A.", "暂无",
)  # fmt: skip
NO_TIMES = (
    "0000-00-00", "0000-00-00 00:00:00", "1970-01-01 00:00:00", "1970-01-01", "1970-01-01T00:00:00Z", "1970/1/1 0:00",
    "1970-01-01 00:00:00+00:00", "1970-01-01 00:00:00.000", "0001-01-01 00:00:00", "1/1/1970", "1899-12-30",
)  # fmt: skip


def read(folder, name="", table="messages", **others):
    for file, text in {"orders.csv": ORDERS, **({f"{table}.csv": name} if name else {}), **others}.items():
        (folder / file.replace("__", ".")).write_text(text, encoding="utf-8")
    loaded = load(folder, folder / ".loaded")
    frames = {one: pd.read_parquet(found.paths[0]) for one, found in loaded.tables.items()}
    return frames, {(f.table, f.column): f.rows for f in loaded.findings if f.rule == "written as no value"}


def test_words_and_dates_for_no_value_are_empty_and_counted(tmp_path):
    draw, sent = random.Random(3), dt.datetime(2024, 3, 5, 10)
    spelled = [*WORDS, *NO_TIMES]
    clicked = [draw.choice(spelled) if i % 2 else str(sent + dt.timedelta(minutes=5)) for i in range(120)]
    costs = [draw.choice(WORDS) if i % 3 else "0.05" for i in range(120)]
    rows = [f"m{i:03},c{i},k,{sent},{click},{cost}" for i, (click, cost) in enumerate(zip(clicked, costs, strict=True))]
    frames, said = read(tmp_path, "\n".join([f"{NAMES},clicked_at,cost", *rows]) + "\n")
    found = frames["messages"].sort_values("message_id").reset_index(drop=True)
    assert list(found["clicked_at"].notna()) == [i % 2 == 0 for i in range(120)]
    assert list(found["cost"].notna()) == [i % 3 == 0 for i in range(120)]
    assert said == {("messages", "clicked_at"): 60, ("messages", "cost"): 80}


@pytest.mark.parametrize(
    ("zone", "clock"),
    [
        ("Asia/Shanghai", "1970-01-01 08:00:00"),
        ("America/New_York", "1969-12-31 19:00:00"),
        ("UTC", "1970-01-01 00:00"),
    ],
)
def test_the_zero_of_unix_on_the_clock_of_the_source(tmp_path, zone, clock):
    people = f"customer_id,joined_at\nc1,{clock}\nc2,2024-01-01 08:00:00\n"
    frames, said = read(tmp_path, people, "customers", source__yml=f"timezone: {zone}\n")
    assert frames["customers"]["joined_at"].notna().sum() == 1
    assert said == {("customers", "joined_at"): 1}


def test_zero_among_seconds_since_1970_is_empty(tmp_path):
    frames, said = read(tmp_path, "customer_id,joined_at\nc1,0\nc2,1707231600\n", "customers")
    assert set(frames["customers"]["joined_at"].dropna()) == {pd.Timestamp("2024-02-06 15:00")}
    assert said == {("customers", "joined_at"): 1}


def test_typed_columns_too(tmp_path):
    people = pd.DataFrame({
        "customer_id": ["c1", "c2"], "joined_at": pd.to_datetime(["1970-01-01", "2024-01-01"]).astype("datetime64[us]"),
    })  # fmt: skip
    people.to_parquet(tmp_path / "customers.parquet")
    frames, said = read(tmp_path)
    assert list(frames["customers"].sort_values("customer_id")["joined_at"].isna()) == [True, False]
    assert said == {("customers", "joined_at"): 1}


@pytest.mark.parametrize("value", ["NULL", "0000-00-00 00:00:00", "1970-01-01 00:00:00"])
def test_in_a_required_column_it_is_a_damaged_row(tmp_path, value):
    frames, said = read(tmp_path, orders__csv=ORDERS + f"x,c,{value},5\n")
    assert "x" not in set(frames["orders"]["order_id"])
    assert said == {}
    with pytest.raises(DataError, match=rf"column ordered_at, unreadable in 2 rows, such as {value}"):
        read(tmp_path, orders__csv=ORDERS + f"x,c,{value},5\ny,c,{value},5\n")


def test_a_date_of_1970_alone_may_be_meant(tmp_path):
    frames, _said = read(tmp_path, orders__csv=ORDERS + "x,c,1970-01-01,5\n")
    assert "x" in set(frames["orders"]["order_id"])


def test_clicks_told_by_their_number(tmp_path):
    rows = [f"m{i},c{i},k,2024-03-05 10:00,{n}" for i, n in enumerate(["0", "1", "2", "15", "", "3.0"])]
    frames, _said = read(tmp_path, "\n".join([f"{NAMES},clicked_at", *rows]) + "\n")
    assert list(frames["messages"].sort_values("message_id")["clicked_at"].notna()) == [
        False,
        True,
        True,
        True,
        False,
        True,
    ]


def test_an_opt_out_of_a_customer_told_as_yes_needs_a_day(tmp_path):
    with pytest.raises(
        DataError, match=r"customers, column opted_out_at: yes without a time in 2 rows; write the day of"
    ):
        read(tmp_path, "customer_id,opted_out_at\nc1,TRUE\nc2,FALSE\nc3,1\n", "customers")
    frames, _said = read(tmp_path, "customer_id,opted_out_at\nc1,2024-02-01\nc2,FALSE\nc3,0\n", "customers")
    assert frames["customers"]["opted_out_at"].notna().sum() == 1


def test_a_consent_told_as_yes_needs_a_day_and_no_is_none(tmp_path):
    with pytest.raises(
        DataError, match="customers, column opted_in_at: yes without a time in 1 rows; write the day of"
    ):
        read(tmp_path, "customer_id,opted_in_at,opted_out_at\nc1,TRUE,\nc2,FALSE,0\n", "customers")
    frames, _said = read(tmp_path, "customer_id,opted_in_at,opted_out_at\nc1,2024-02-01,no\nc2,FALSE,0\n", "customers")
    assert frames["customers"]["opted_in_at"].notna().sum() == 1
    assert frames["customers"]["opted_out_at"].notna().sum() == 0
