"""Times of exports in the forms that tools write: the instant, or said to be unreadable; never another instant."""

import datetime as dt
import random
import zoneinfo
from dataclasses import replace

import ibis
import pandas as pd
import pytest

from smsroi_helpers.errors import DataError
from smsroi_helpers.source.exports import import_exports
from smsroi_helpers.source.exports.layouts import layout_of
from smsroi_helpers.source.exports.templates import ExportFile, read_rows
from smsroi_helpers.source.mappings import provide_settings
from smsroi_helpers.source.read import load
from tests.source.exports import makers

KEY = "a key of thirty-two bytes or more, for tests only"
NEW_YORK = zoneinfo.ZoneInfo("America/New_York")


@pytest.fixture(scope="module")
def con():
    con = ibis.duckdb.connect()
    con.raw_sql("SET TimeZone = 'UTC'")
    return con


@pytest.fixture
def project(tmp_path, monkeypatch):
    (tmp_path / "exports").mkdir()
    monkeypatch.setenv("SMSROI_PROJECT", str(tmp_path))
    monkeypatch.setenv("SMSROI_KEY", KEY)
    return tmp_path


def instants(con, texts, order="", zone="America/New_York"):
    """Seconds since 1970 of each text as a mapping reads it; None: it cannot be read."""
    rows = {"SentDate": texts, "n": [f"{n:04}" for n in range(len(texts))]}
    con.create_table("times", ibis.memtable(rows), overwrite=True)
    provide_settings(con, zone, "")
    part = replace(layout_of("tencent").parts[0], columns={"sent_at": (), "n": ()})
    query = read_rows(part, [ExportFile("times", {"sent_at": "SentDate", "n": "n"})], ["sent_at", "n"], zone, order)
    found = con.sql(
        f"SELECT CASE WHEN isfinite(sent_at) THEN CAST(epoch(sent_at) AS BIGINT) END AS s FROM ({query}) ORDER BY n"
    )
    return found.to_pyarrow()["s"].to_pylist()


FORMS = (
    "%m/%d/%Y %H:%M", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %I:%M %p", "%m/%d/%Y, %I:%M:%S %p", "%Y-%m-%d %H:%M:%S",
    "%Y年%m月%d日 %H:%M", "%Y/%m/%d %H:%M", "%d %b %Y %H:%M", "%b %d, %Y at %I:%M %p", "%a, %d %b %Y %H:%M:%S",
    "%Y%m%d%H%M%S", "%Y-%m-%d %H:%M:%S %Z", "%m/%d/%Y %H:%M %Z", "%m/%d/%Y %I:%M %p %Z", "%Y-%m-%d %H:%M:%S %z",
    "%a, %d %b %Y %H:%M:%S %z", "%m/%d/%Y %H:%M %z", "half day", "narrow blank",
)  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_random_times_are_the_instant(con, form):
    """`%Z` is EST or EDT there, and `%z` −0500 or −0400, as Python's zoneinfo has them."""
    rng = random.Random(form)
    start = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    moments = [start + dt.timedelta(minutes=rng.randrange(500 * 24 * 60)) for _ in range(60)]
    # Of an hour that the clock shows twice a text without an offset means either.
    moments = [at for at in moments if at.astimezone(NEW_YORK).hour != 1]
    local = [at.astimezone(NEW_YORK) for at in moments]
    texts = [written(at, form) for at in local]
    assert instants(con, texts, "month") == [int(at.timestamp()) for at in moments]


def written(at: dt.datetime, form: str) -> str:
    if form == "half day":
        return f"{at.year}/{at.month}/{at.day} {'上午' if at.hour < 12 else '下午'}{at.hour % 12 or 12}:{at:%M}"
    return at.strftime("%m/%d/%Y, %I:%M:%S\u202f%p" if form == "narrow blank" else form)


@pytest.mark.parametrize(
    "text", ["2024-05-03 09:50:26 CEST", "2024-05-03 09:50:26 IST", "soon", "31/31/2024", "4/5/24"]
)
def test_other_times_are_none(con, text):
    assert instants(con, ["2024-05-03 09:50:26", text], "day")[1] is None


def test_cst_is_no_american_zone_in_china(con):
    texts = ["2024-01-03 09:50:26 CST"]
    assert instants(con, texts) == [1_704_297_026]  # date -d "2024-01-03 09:50:26 -0600" +%s
    assert instants(con, texts, zone="Asia/Shanghai") == [None]


# --- whole imports ---------------------------------------------------------------------------------------------------


def twilio_log(times):
    rows = [
        {"From": makers.SHOP_NUMBER, "To": makers.us_number(n), "Status": "delivered", "SentDate": at, "Body": "Sale",
         "NumSegments": 1, "Sid": f"SM{n}", "Direction": "outbound-api", "ErrorCode": 0}
        for n, at in enumerate(times)
    ]  # fmt: skip
    return makers.written(makers.TWILIO_HEADINGS, rows)


@pytest.mark.parametrize(
    ("form", "country"),
    [("{0.month}/{0.day}/{0.year} {0:%H:%M}", "US"), ("{0.day}/{0.month}/{0.year} {0:%H:%M}", "GB"),
     ("{0:%d.%m.%Y %H:%M}", "DE"), ("{0:%Y年%m月%d日 %H:%M}", "CN"), ("{0:%a, %d %b %Y %H:%M:%S} +0000", "US")],
)  # fmt: skip
def test_a_log_with_days_up_to_the_twelfth_is_read_as_in_the_country(project, form, country):
    moments = [dt.datetime(2024, 5, day, 9, 50) for day in range(1, 13) for _n in range(2)]
    (project / "exports" / "log.csv").write_text(twilio_log([form.format(at) for at in moments]))
    import_exports([("", project / "exports" / "log.csv")], "data/shop", given={"country": country})
    loaded = load("data/shop", project / "loaded", max_rejected_share=0.0)
    found = pd.read_parquet(loaded.tables["messages"].paths[0])
    assert sorted(found["sent_at"]) == [pd.Timestamp(at) for at in moments]


def test_a_log_whose_order_nothing_tells_asks_for_the_country(project):
    (project / "exports" / "log.csv").write_text(twilio_log(["5/4/2024 13:50", "6/4/2024 13:50"]))
    with pytest.raises(DataError, match="column SentDate: 2 dates such as 5/4/2024 .*; name the country: --country US"):
        import_exports([("", project / "exports" / "log.csv")], "data/shop")


def test_a_log_that_cannot_be_read_shows_one_of_its_times(project):
    (project / "exports" / "log.csv").write_text(twilio_log(["2024-05-03 09:50:26 CEST", "2024-05-04 09:50:26 CEST"]))
    words = "column SentDate: 2 of 2 times cannot be read, such as 2024-05-03 09:50:26 CEST; write the year first"
    with pytest.raises(DataError, match=words):
        import_exports([("", project / "exports" / "log.csv")], "data/shop")


def test_a_time_of_a_later_export_is_said_to_be_unreadable_not_missing(project):
    log = project / "exports" / "log.csv"
    log.write_text(twilio_log(["2024-05-03 09:50:26"] * 3))
    import_exports([("", log)], "data/shop")
    log.write_text(twilio_log(["2024-05-03 09:50:26 CEST"] * 3))
    with pytest.raises(DataError, match="column sent_at, unreadable in 3 rows"):
        load("data/shop", project / "loaded")


@pytest.mark.parametrize(("country", "month"), [("DE", 4), ("US", 5)])
def test_woocommerce_dates_are_read_as_in_the_country(project, country, month):
    orders = [{"order_id": n, "order_date": f"5/{n}/2024 6:29:00" if month == 5 else f"{n}/4/2024 6:29:00",
               "status": "completed", "order_total": "8.00", "billing_email": f"a{n}@example.com"}
              for n in range(1, 13)]  # fmt: skip
    (project / "exports" / "woo.csv").write_text(makers.written(list(orders[0]), orders))
    import_exports([("", project / "exports" / "woo.csv")], "data/woo", given={"country": country, "timezone": "UTC"})
    loaded = load("data/woo", project / "loaded", max_rejected_share=0.0)
    found = pd.read_parquet(loaded.tables["orders"].paths[0])["ordered_at"]
    assert sorted(found) == [pd.Timestamp(2024, month, day, 6, 29) for day in range(1, 13)]
