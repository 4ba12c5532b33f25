"""Messages as gateways log them: yes or no, statuses, rows per billing segment, scheduled sends, another clock."""

import datetime as dt
import functools
import random

import pandas as pd
import pytest

from smsroi_helpers import quality
from smsroi_helpers.measures import every_send, human_clicks
from smsroi_helpers.source.loaded import resolve_as_of
from smsroi_helpers.source.read import load
from smsroi_helpers.source.shop import open_shop

ORDERS = "order_id,customer_id,ordered_at,amount\no1,c1,2024-03-01,20\no2,c2,2024-03-20,20\n"
NAMES = "message_id,customer_id,campaign_id,sent_at"


def messages(folder, lines, *columns, source="", others=None):
    for name, text in {
        "orders.csv": ORDERS,
        "messages.csv": ",".join([NAMES, *columns]) + "\n" + "\n".join(lines) + "\n",
        "source.yml": source,
        **(others or {}),
    }.items():
        (folder / name).write_text(text, encoding="utf-8")
    loaded = load(folder, folder / ".loaded")
    frame = pd.read_parquet(loaded.tables["messages"].paths[0])
    return loaded, frame.sort_values("message_id").reset_index(drop=True)


NO = ("FALSE", "no", "0", "否", "")


@pytest.fixture(scope="module")
def answered(tmp_path_factory):
    """A source by its word for yes, with nine messages for each word for no: read once, with their clicks."""

    @functools.cache
    def read(yes):
        folder = tmp_path_factory.mktemp("answered")
        lines = [
            f"m{word}{i},c{word}{i},k,2024-03-05 10:00,{yes},{yes if i % 3 == 0 else no}"
            for word, no in enumerate(NO)
            for i in range(9)
        ]
        source = "timezone: Asia/Shanghai\n"
        loaded, frame = messages(folder, lines, "delivered_at", "clicked_at", source=source)
        shop = open_shop(loaded, "", folder / ".cache")
        return loaded, frame, human_clicks(shop).order_by("message_id").execute()

    return read


@pytest.mark.parametrize("yes", ["TRUE", "true", "Yes", "1", "是", "t"])
@pytest.mark.parametrize("no", NO)
def test_yes_is_an_outcome_without_a_time(answered, yes, no):
    loaded, *frames = answered(yes)
    frame, sends = (each[each["message_id"].str.startswith(f"m{NO.index(no)}")] for each in frames)
    assert list(frame["clicked_at"].notna()) == [i % 3 == 0 for i in range(9)]
    assert frame["delivered_at"].notna().all()
    assert {f.column for f in loaded.findings if f.rule == "yes or no without a time"} == {"delivered_at", "clicked_at"}
    assert list(sends["any_click_at"].notna()) == [i % 3 == 0 for i in range(9)]  # counted as outcomes
    assert list(sends["delivered_at"]) == [pd.Timestamp("2024-03-05 02:00")] * 9  # the time of delivery is not invented


def test_a_mapping_may_return_booleans(tmp_path):
    (tmp_path / "orders.csv").write_text(ORDERS)
    (tmp_path / "messages.sql").write_text(
        "SELECT * FROM (VALUES ('m1', 'c1', 'k', '2024-03-05 10:00', true, 1), ('m2', 'c2', 'k', '2024-03-05 10:00',"
        " false, 0), ('m3', 'c3', 'k', '2024-03-05 10:00', NULL, NULL))"
        " AS t (message_id, customer_id, campaign_id, sent_at, clicked_at, replied_at)"
    )
    loaded = load(tmp_path, tmp_path / ".loaded")
    frame = pd.read_parquet(loaded.tables["messages"].paths[0]).sort_values("message_id")
    assert list(frame["clicked_at"].notna()) == [True, False, False]
    assert list(frame["replied_at"].notna()) == [True, False, False]


def test_a_status_that_means_unknown_is_neither_delivered_nor_lost_in_silence(tmp_path, open_source):
    statuses = ["delivered", "undelivered", "sent", "UNKNOWN", "等待回执", "发送成功", "failed", "DELIVRD", "EXPIRED"]
    lines = [f"m{i},c{i},k,2024-03-05 10:00,{status}" for i, status in enumerate(statuses)]
    loaded, frame = messages(tmp_path, lines, "delivered_at")
    assert list(frame["delivered_at"].notna()) == [True, False, True, True, True, True, False, True, False]
    (said,) = [f for f in loaded.findings if f.rule == "delivery not reported"]
    assert (said.severity, said.rows, said.share) == ("warning", 3, 3 / 9)


def test_a_status_is_no_click(tmp_path):
    from smsroi_helpers.errors import DataError

    with pytest.raises(DataError, match="column clicked_at, unreadable in 1 rows"):
        messages(tmp_path, ["m1,c1,k,2024-03-05 10:00,unknown"], "clicked_at")


def test_random_billing_segments_are_one_message_each(tmp_path, open_source):
    draw = random.Random(4)
    counts = [draw.randint(1, 5) for _ in range(40)]
    lines = []
    for number, n in enumerate(counts):
        sent = dt.datetime(2024, 3, 5, 10) + dt.timedelta(minutes=number // 4)
        for part in range(n):
            delivered = "" if number == 7 and part == 0 else sent + dt.timedelta(seconds=3 + part)
            lines.append(f"m{number:02}-{part},c{number % 4},k,{sent},{delivered},0.0079")
    draw.shuffle(lines)
    loaded, frame = messages(tmp_path, lines, "delivered_at", "cost")
    assert list(frame["segments"]) == counts
    assert frame["cost"].tolist() == pytest.approx([0.0079 * n for n in counts])
    expected = [dt.datetime(2024, 3, 5, 10, number // 4, 2 + n) for number, n in enumerate(counts)]
    assert list(frame["delivered_at"].drop(7)) == expected[:7] + expected[8:]
    assert pd.isna(frame["delivered_at"][7])
    (said,) = [f for f in loaded.findings if f.rule == "billing segments merged"]
    assert said.rows == sum(counts) - len(counts)
    tables = quality.describe_tables(open_source(tmp_path)).set_index("table")
    assert tuple(tables.loc["messages", ["rows_in", "put_aside", "used"]]) == (sum(counts), 0, len(counts))


@pytest.mark.parametrize(
    ("lines", "columns"),
    [
        (["m1,c1,k,2024-03-05", "m2,c1,k,2024-03-05"], []),  # a date is no second
        (["m1,c1,k,2024-03-05 10:00,A", "m2,c1,k,2024-03-05 10:00,B"], ["variant"]),
        (["m1,c1,k,2024-03-05 10:00,2", "m2,c1,k,2024-03-05 10:00,1"], ["segments"]),
        (["m1,c1,k,2024-03-05 10:00,", "m2,c1,k,2024-03-05 10:00,2024-03-05 10:09"], ["clicked_at"]),
    ],
)
def test_other_messages_of_one_second_stay(tmp_path, lines, columns):
    loaded, frame = messages(tmp_path, lines, *columns)
    assert len(frame) == 2
    assert "billing segments merged" not in {f.rule for f in loaded.findings}


def test_a_text_of_several_segments_costs_each_of_them(tmp_path, open_source):
    lines = [f"m{i},c{i},k,2024-03-05 10:00,{segments}" for i, segments in enumerate(["1", "2", "", "4"])]
    messages(tmp_path, lines, "segments", source="message_cost: 0.05\n")
    shop = open_source(tmp_path)
    costs = every_send(shop).order_by("message_id").execute()["cost"]
    assert costs.tolist() == pytest.approx([0.05, 0.10, 0.05, 0.20])


def test_scheduled_sends_do_not_set_the_last_day(tmp_path, open_source):
    sent = [f"m{i},c{i},k,2024-03-2{i} 10:00,2024-03-2{i} 10:01" for i in range(5)]
    later = [f"s{i},c{i},k,2024-12-0{1 + i} 10:00," for i in range(3)]
    loaded, _frame = messages(tmp_path, sent + later, "delivered_at")
    assert resolve_as_of(loaded, "") == "2024-03-24"
    assert [f.rows for f in loaded.findings if f.rule == "scheduled, not sent"] == [3]
    assert open_source(tmp_path).as_of == dt.date(2024, 3, 24)


@pytest.mark.parametrize(
    ("hours", "zone", "clock"),
    [(8, "Asia/Shanghai", "UTC"), (3, "Asia/Shanghai", "UTC+5"), (5, "UTC", "UTC−5"), (6, "Asia/Kolkata", "UTC−0:30")],
)
def test_clicks_on_another_clock_name_both(tmp_path, hours, zone, clock):
    draw = random.Random(hours)
    lines = []
    for i in range(200):
        sent = dt.datetime(2024, 3, 5, 10) + dt.timedelta(hours=draw.randrange(0, 200))
        clicked = sent + dt.timedelta(hours=hours, minutes=draw.expovariate(1 / 40))
        lines.append(f"m{i},c{i},k,{sent},{clicked:%Y-%m-%d %H:%M:%S}")
    loaded, _frame = messages(tmp_path, lines, "clicked_at", source=f"timezone: {zone}\n")
    (said,) = [f for f in loaded.findings if f.rule == "on another clock than sent_at"]
    assert said.severity == "warning"
    assert f"by {hours} hours" in said.filled_remedy
    assert f"if clicked_at is on the clock of {zone}, `sent_at` is on {clock};" in said.filled_remedy


@pytest.mark.parametrize("mean_minutes", [5, 60, 240])
def test_slow_clicks_are_on_the_same_clock(tmp_path, mean_minutes):
    draw = random.Random(mean_minutes)
    sent = dt.datetime(2024, 3, 5, 10)
    lines = [
        f"m{i},c{i},k,{sent},{sent + dt.timedelta(minutes=draw.expovariate(1 / mean_minutes)):%Y-%m-%d %H:%M:%S}"
        for i in range(200)
    ]
    loaded, _frame = messages(tmp_path, lines, "clicked_at")
    assert "on another clock than sent_at" not in {f.rule for f in loaded.findings}


@pytest.mark.parametrize(("shift", "warned"), [(0, False), (-8, True), (1, False), (8, True)])
def test_orders_of_people_who_seem_to_sleep_at_noon(tmp_path, shift, warned):
    draw = random.Random(1)
    lines = []
    for i in range(800):
        hour = draw.choice([9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 20, 21, 21, 22])
        at = dt.datetime(2024, 3, 5, hour, draw.randrange(60)) + dt.timedelta(hours=shift, days=draw.randrange(60))
        lines.append(f"o{i},c{i % 90},{at},5")
    orders = "order_id,customer_id,ordered_at,amount\n" + "\n".join(lines) + "\n"
    source = "timezone: Asia/Shanghai\n"
    loaded, _frame = messages(tmp_path, ["m1,c1,k,2024-03-05 19:00"], source=source, others={"orders.csv": orders})
    rules = {f.rule for f in loaded.findings}
    assert ("on another clock than people's days" in rules) == warned
