"""The mappings of public data under data/: on rows made up here, and, where the real files are, on those."""

import csv
import gzip
import shutil
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest

from smsroi_helpers.cltv import counts
from smsroi_helpers.cltv.fitting import fit_purchases
from smsroi_helpers.source.read import load
from smsroi_helpers.source.shop import open_shop
from tests.machine import PUBLIC_DATA, PUBLIC_FILES

DATA = Path(__file__).parents[2] / "data"
FILES = {variable: file for files in PUBLIC_FILES.values() for variable, file in files.items()}


def public(variable):
    return PUBLIC_DATA / FILES[variable]


def records(variable):
    with gzip.open(public(variable), "rt", encoding="utf-8-sig", newline="") as lines:
        return list(csv.DictReader(lines))


def opened(folder, place):
    return open_shop(load(folder, place / ".loaded"), "", place / ".cache")


def stated(shop):
    return {finding.rule: finding.rows for finding in shop.loaded.findings if finding.severity == "stated"}


def good_rows(shop, table):
    return pd.concat(pd.read_parquet(path) for path in shop.loaded.tables[table].paths)


class TestOnlineRetail:
    HEAD = "Invoice,StockCode,Description,Quantity,InvoiceDate,Price,Customer ID,Country\n"
    ROWS = (
        "1,a,,3,2010-07-01 12:00:00,0.105,13085.0,France\n"
        '1,b,"a, b",2,2010-07-01 12:01:00,1.5,13085.0,France\n'
        "1,b,,2,2010-07-01 12:00:00,0.0,13085.0,France\n"
        "2,a,,1,2010-07-02 12:00:00,0.0,13086.0,Spain\n"
        "C3,a,,-1,2010-07-03 12:00:00,0.105,13085.0,EIRE\n"
        "C3,b,,1,2010-07-03 12:00:00,7,13085.0,EIRE\n"
        "C4,b,,-1,2010-07-03 12:00:00,7,,EIRE\n"
        "5,b,,-4,2010-07-03 12:00:00,0,,EIRE\n"
        "6,b,,-4,2010-12-03 12:00:00,2,13087,EIRE\n"
        "7,b,,4,2010-12-03 12:00:00,2,13087,EIRE\n"
    )

    @pytest.fixture
    def small(self, tmp_path, monkeypatch):
        (tmp_path / "raw.csv").write_text(self.HEAD + self.ROWS, encoding="utf-8")
        monkeypatch.setenv("ONLINE_RETAIL_CSV", str(tmp_path / "raw.csv"))
        return opened(DATA / "online_retail", tmp_path)

    def test_an_invoice_is_an_order_and_a_cancellation_a_refund(self, small):
        orders = good_rows(small, "orders").sort_values("order_id")
        assert orders[["order_id", "customer_id", "amount"]].to_numpy().tolist() == [
            ["1", "13085", 3.315],
            ["7", "13087", 8.0],
            ["C3", "13085", -0.105],
        ]
        in_utc = [str(moment) for moment in orders["ordered_at"]]
        assert in_utc == ["2010-07-01 11:00:00", "2010-12-03 12:00:00", "2010-07-03 11:00:00"]

    def test_what_is_left_out_is_counted_by_reason(self, small):
        assert stated(small) == {
            "rows without a customer": 2,
            "cancellation rows (invoice C…): no purchases; 1 of them have no customer, the others are refunds": 3,
            "cancellation rows of a customer that give nothing back (quantity not below 0, or no price)": 1,
            "purchase rows of a customer with a price of 0 or less": 2,
            "purchase rows of a customer with a price and a quantity of 0 or less": 1,
        }

    def test_the_country_is_that_of_the_latest_invoice(self, small):
        customers = good_rows(small, "customers").sort_values("customer_id")
        assert customers.to_numpy().tolist() == [["13085", "EIRE"], ["13086", "Spain"], ["13087", "EIRE"]]

    @pytest.fixture
    def shop(self, open_public):
        return open_public("online_retail")

    @pytest.mark.public_data
    def test_the_real_file_is_the_published_one(self, shop):
        """Chen, UCI: 525,461 rows. The counts after cleaning are those of a plain reading of the file, below."""
        assert stated(shop) == {
            "rows without a customer": 107_927,
            "cancellation rows (invoice C…): no purchases; 367 of them have no customer, the others are refunds": (
                10_206
            ),
            "purchase rows of a customer with a price of 0 or less": 31,
        }
        assert 107_927 + (10_206 - 367) + 31 + 407_664 == 525_461
        orders = good_rows(shop, "orders")
        bought, refunds = orders[orders["amount"] >= 0], orders[orders["amount"] < 0]
        assert (len(bought), bought["customer_id"].nunique()) == (19_213, 4_312)
        assert bought["amount"].sum() == pytest.approx(8_832_003.274, abs=1e-6)
        assert refunds["order_id"].str.startswith("C").all()
        assert not bought["order_id"].str.startswith("C").any()
        assert (shop.loaded.tables["orders"].first, shop.as_of.isoformat()) == ("2009-12-01", "2010-12-09")

    @pytest.mark.public_data
    def test_a_plain_reading_of_the_file_agrees(self, shop):
        spent, returned = {}, {}
        for row in records("ONLINE_RETAIL_CSV"):
            quantity, price = int(row["Quantity"]), Decimal(row["Price"])
            of = returned if row["Invoice"].startswith("C") else spent
            if row["Customer ID"] and price > 0 and (quantity > 0 or of is returned):
                name = (row["Invoice"], str(int(float(row["Customer ID"]))))
                of[name] = of.get(name, 0) + quantity * price
        orders = good_rows(shop, "orders")
        found = dict(zip(zip(orders["order_id"], orders["customer_id"], strict=True), orders["amount"], strict=True))
        assert found == {name: float(amount) for name, amount in (spent | returned).items()}

    @pytest.mark.public_data
    def test_refunds_change_no_purchase_history(self, shop, tmp_path, monkeypatch):
        """BG/NBD's log-likelihood is the one of shared data's README: weeks, a customer's same-day orders merged."""
        cells = counts.count_cells(shop)
        assert fit_purchases(cells, "bg_nbd").log_likelihood == pytest.approx(-38_387.59, abs=0.01)
        folder = shutil.copytree(DATA / "online_retail", tmp_path / "bought")
        query = (folder / "orders.sql").read_text(encoding="utf-8")
        query = f"SELECT * FROM (\n{query}\n) WHERE order_id NOT LIKE 'C%'"
        (folder / "orders.sql").write_text(query, encoding="utf-8")
        monkeypatch.setenv("ONLINE_RETAIL_CSV", str(public("ONLINE_RETAIL_CSV")))
        pd.testing.assert_frame_equal(counts.count_cells(opened(folder, tmp_path)), cells)


class TestRetailTransactions:
    @pytest.fixture
    def shop(self, open_public):
        return open_public("retail_transactions")

    @pytest.mark.public_data
    def test_the_real_file(self, shop):
        orders = good_rows(shop, "orders")
        theirs = pd.DataFrame(records("RETAIL_TRANSACTIONS_CSV"))
        assert len(orders) == orders["order_id"].nunique() == 125_000
        orders = orders.set_index(orders["order_id"].astype(int)).sort_index()
        assert orders.index.tolist() == list(range(2, 125_002))
        assert orders["customer_id"].tolist() == theirs["customer_id"].tolist()
        assert orders["amount"].tolist() == theirs["tran_amount"].astype(float).tolist()
        days = [
            pd.Timestamp(int(year), int(month), int(day)) for month, day, year in theirs["trans_date"].str.split("/")
        ]
        assert orders["ordered_at"].tolist() == days
        customers = good_rows(shop, "customers")
        assert (len(customers), customers["attr_responded"].sum()) == (6_884, 647)

    def test_an_invalid_date_is_rejected_with_its_line(self, tmp_path, monkeypatch):
        (tmp_path / "t.csv").write_text(
            "customer_id,trans_date,tran_amount\nA,2/11/2013,35\nA,13/2/2013,36\nB,12/31/2013,37\n", encoding="utf-8"
        )
        (tmp_path / "r.csv").write_text("customer_id,response\nA,1\nB,0\n", encoding="utf-8")
        monkeypatch.setenv("RETAIL_TRANSACTIONS_CSV", str(tmp_path / "t.csv"))
        monkeypatch.setenv("RETAIL_RESPONSE_CSV", str(tmp_path / "r.csv"))
        loaded = load(DATA / "retail_transactions", tmp_path / "into", max_rejected_share=0.5)
        found = [(f.column, f.rule, f.rows) for f in loaded.findings if f.severity == "error"]
        assert found == [("ordered_at", "unreadable", 1)]
        aside = pd.read_parquet(tmp_path / "into" / "quarantine.parquet")
        assert aside[["line", "reason"]].to_numpy().tolist() == [[3, "ordered_at: unreadable"]]


@pytest.mark.public_data
class TestEmailEvents:
    @pytest.fixture
    def folder(self, tmp_path, monkeypatch):
        """With the orders that a source needs; the file itself has none."""
        monkeypatch.setenv("EMAIL_EVENTS_CSV", str(public("EMAIL_EVENTS_CSV")))
        folder = shutil.copytree(DATA / "email_events", tmp_path / "email_events")
        (folder / "orders.csv").write_text(
            "order_id,customer_id,ordered_at,amount\n1,user_15,2025-01-30,9\n", encoding="utf-8"
        )
        return folder

    @pytest.fixture
    def theirs(self):
        rows = pd.DataFrame(records("EMAIL_EVENTS_CSV"))
        rows["person"] = rows["user_id"].str.strip().str.lower()
        rows["late"] = (rows["click_timestamp"] != "") & (rows["click_timestamp"] < rows["send_timestamp"])
        return rows

    def test_the_planted_dirt_is_there(self, theirs):
        """What shared data's README says; it counts the blank as a user, the mapping does not."""
        assert (theirs["user_id"] == "").sum() == 348
        assert (theirs["campaign_id"] == "").sum() == 172
        assert theirs["late"].sum() == 21
        assert (theirs["user_id"].nunique(), theirs["person"].nunique()) == (301, 288)
        assert {"UTC", "UTC ", ""} <= set(theirs["timezone"])

    def test_all_of_it_is_found_and_counted(self, folder, theirs, tmp_path):
        out = (theirs["user_id"] == "") | (theirs["campaign_id"] == "") | theirs["late"]
        known = theirs[theirs["user_id"] != ""]
        zones = known["timezone"].str.strip().where(lambda zone: zone != "")
        torn = zones.groupby(known["person"]).transform("nunique") > 1
        shop = opened(folder, tmp_path)
        assert stated(shop) == {
            "all rows left out: no user, no campaign or a click before the send": out.sum(),
            "of them: no user": 348,
            "of them: no campaign": 172,
            "of them: a click before the send": 21,
            "read otherwise: user ids with capitals or blanks around them (300 spellings are 287 users)": (
                known["user_id"] != known["person"]
            ).sum(),
            "read otherwise: time zones with blanks around them": (theirs["timezone"] == "UTC ").sum(),
            "unknown: no time zone": (theirs["timezone"] == "").sum(),
            "unknown: time zones of one user that contradict each other": torn.sum(),
        }
        messages = good_rows(shop, "messages")
        assert sorted(messages["message_id"].astype(int)) == (theirs.index[~out] + 2).tolist()
        assert shop.loaded.tables["customers"].rows_out == 287
        customers = good_rows(shop, "customers").set_index("customer_id")
        certain = zones[~torn].dropna().groupby(known["person"]).first()
        assert customers["timezone"].dropna().to_dict() == certain.to_dict()

    def test_the_contract_finds_what_a_mapping_lets_through(self, folder, theirs, tmp_path):
        query = (folder / "messages.sql").read_text(encoding="utf-8")
        (folder / "messages.sql").write_text(query[: query.index("WHERE")], encoding="utf-8")
        loaded = load(folder, tmp_path / "into", max_rejected_share=1.0)
        named, told = theirs["user_id"] != "", theirs["campaign_id"] != ""
        assert {(f.column, f.rule): f.rows for f in loaded.findings if f.severity == "error"} == {
            ("customer_id", "missing"): 348,
            ("campaign_id", "missing"): (named & ~told).sum(),
            ("clicked_at", "before it was sent"): (named & told & theirs["late"]).sum(),
        }
