"""Dates such as 5/4/2024: a column's own days decide, else the country; what is open is refused."""

import datetime as dt
import random

import pandas as pd
import pytest

from smsroi_helpers.errors import DataError
from smsroi_helpers.source.read import load

FORMS = {
    "day": ("{d}/{m}/{y} {t}", "{d:02}/{m:02}/{y} {t}", "{d:02}.{m:02}.{y} {t}", "{d}-{m}-{y} {t}",
            "{d}. {m}. {y} {t}"),
    "month": ("{m}/{d}/{y} {t}", "{m:02}/{d:02}/{y} {t}", "{m}-{d}-{y} {t}", "{m:02}.{d:02}.{y} {t}"),
}  # fmt: skip
TIMES = ("%H:%M", "%H:%M:%S", "%I:%M %p", "%I:%M:%S %p")


def read(folder, times, settings=""):
    rows = [f"o{i:03}\tc{i}\t{time}\t1\n" for i, time in enumerate(times)]
    (folder / "orders.tsv").write_text("order_id\tcustomer_id\tordered_at\tamount\n" + "".join(rows), encoding="utf-8")
    (folder / "source.yml").write_text(settings)
    loaded = load(folder, folder / ".loaded")
    found = pd.read_parquet(loaded.tables["orders"].paths[0]).sort_values("order_id")["ordered_at"]
    return list(found.dt.to_pydatetime()), {f.rule: f.rows for f in loaded.findings}


def instants(rng, days, n=60):
    return [
        dt.datetime(2024, rng.randrange(1, 13), rng.randrange(1, days), rng.randrange(24), rng.randrange(60))
        for _ in range(n)
    ]


def spell(at, order, rng):
    time = at.strftime(rng.choice(TIMES))
    return rng.choice(FORMS[order]).format(d=at.day, m=at.month, y=at.year, t=time)


@pytest.mark.parametrize("order", FORMS)
@pytest.mark.parametrize(("days", "settings"), [(29, ""), (13, "country: {country}\n")])
def test_the_columns_days_tell_the_order_else_the_country(tmp_path, order, days, settings):
    rng = random.Random(f"{order}{days}")
    at = instants(rng, days)
    country = {"day": "GB", "month": "US"}[order]
    found, said = read(tmp_path, [spell(one, order, rng) for one in at], settings.format(country=country))
    assert found == at
    assert said == {f"dates with the {order} first": sum(one.day != one.month and one.day <= 12 for one in at)}


@pytest.mark.parametrize("country", ["", "country: CA\n", "country: JP\n"])
def test_an_open_order_is_refused_and_the_setting_named(tmp_path, country):
    with pytest.raises(
        DataError, match=r"1 dates such as 5/4/2024 may have the day or the month first, .* write country:"
    ):
        read(tmp_path, ["5/4/2024 13:50", "5/5/2024"], country)


def test_dots_have_the_day_first_where_nothing_tells(tmp_path):
    found, _said = read(tmp_path, ["03.05.2024 09:50", "04.05.2024"])
    assert found == [dt.datetime(2024, 5, 3, 9, 50), dt.datetime(2024, 5, 4)]


def test_both_orders_in_a_column_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"1 dates such as 25/4/2024 have the day first and 2 such as 4/25/2024"):
        read(tmp_path, ["13/5/2024", "5/13/2024", "5/14/2024", "1/2/2024"])


@pytest.mark.parametrize(
    ("text", "hour"),
    [("PDT", 16), ("PST", 17), ("EDT", 13), ("EST", 14), ("CDT", 14), ("MST", 16), ("HST", 19), ("AKDT", 17),
     ("UTC", 9),
     ("GMT", 9)],
)  # fmt: skip
def test_abbreviations_of_american_zones_are_offsets(tmp_path, text, hour):
    """By RFC 2822, section 4.3: EDT is -0400, PST -0800."""
    times = [f"2024-05-03 09:50:26 {text}", f"May 3, 2024 at 9:50 AM {text}", f"5/3/2024 9:50:26 AM {text}"]
    found, _said = read(tmp_path, times, "timezone: Asia/Shanghai\ncountry: US\n")
    assert [(one.day, one.hour, one.minute) for one in found] == [(3, hour, 50)] * 3


@pytest.mark.parametrize(("zone", "text"), [("UTC", "CEST"), ("UTC", "IST"), ("Asia/Shanghai", "CST")])
def test_other_abbreviations_are_unreadable_and_named(tmp_path, zone, text):
    with pytest.raises(DataError, match=f"ordered_at, unreadable in 1 rows, such as 2024-05-03 09:50:26 {text}:"):
        read(tmp_path, [f"2024-05-03 09:50:26 {text}"], f"timezone: {zone}\n")


def test_a_log_that_is_all_in_the_future_is_said(tmp_path):
    _found, said = read(tmp_path, ["2328-05-03", "2328-06-03"])
    assert said == {"all in the future": 2}
    assert "all in the future" not in read(tmp_path, ["2024-05-03", "2328-06-03"])[1]
