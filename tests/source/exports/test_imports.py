"""Exports become a source without editing: its totals equal a plain count of the files."""

import csv
import io
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest
import yaml

from smsroi_helpers.errors import DataError, UsageError
from smsroi_helpers.source.exports import import_exports
from smsroi_helpers.source.loaded import Loaded
from smsroi_helpers.source.pseudonym_key import pseudonym
from smsroi_helpers.source.read import load
from tests.source.exports import makers

TAOBAO = [
    "订单编号", "买家会员名", "买家实际支付金额", "订单状态", "订单创建时间", "订单付款时间", "联系手机", "退款金额",
]  # fmt: skip
KEY = "a key of thirty-two bytes or more, for tests only"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project's folder, with a secret key in the environment."""
    root = tmp_path_factory.mktemp("project").resolve()
    (root / "exports").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SMSROI_PROJECT", str(root))
        patch.setenv("SMSROI_KEY", KEY)
        yield root


@pytest.fixture(autouse=True)
def _key(monkeypatch):
    monkeypatch.setenv("SMSROI_KEY", KEY)


def save(root: Path, name: str, content: str | bytes) -> Path:
    file = root / "exports" / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def frames(loaded: Loaded) -> dict[str, pd.DataFrame]:
    return {name: pd.read_parquet(table.paths[0]) for name, table in loaded.tables.items()}


def records(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


class TestShopifyAndTwilio:
    @pytest.fixture(scope="class")
    def exports(self):
        return makers.shopify(150, 40), makers.twilio(3, 40)

    @pytest.fixture(scope="class")
    def made(self, project, exports):
        files = [save(project, "orders_export_1.csv", exports[0]), save(project, "sms log.csv", exports[1])]
        return import_exports([("", file) for file in files], "data/shop")

    @pytest.fixture(scope="class")
    def loaded(self, made, project):
        assert made.needs_key
        return load("data/shop", project / "loaded", max_rejected_share=0.0)

    @pytest.fixture(scope="class")
    def orders(self, exports):
        """The first row of each order that counts: not cancelled, paid, in US dollars."""
        first: dict[str, dict[str, str]] = {}
        for row in records(exports[0]):
            first.setdefault(row["Name"], row)
        unpaid = ("pending", "voided", "expired")
        return [
            row for row in first.values()
            if not row["Cancelled at"] and row["Financial Status"] not in unpaid and row["Currency"] == "USD"
        ]  # fmt: skip

    def test_the_money_is_that_of_a_plain_count(self, made, loaded, orders):
        sold = sum(Decimal(row["Total"]) for row in orders)
        sold -= sum(
            Decimal(row["Outstanding Balance"]) for row in orders if row["Financial Status"] == "partially_paid"
        )
        refunds = [Decimal(row["Refunded Amount"]) for row in orders if Decimal(row["Refunded Amount"])]
        guests = [row for row in orders if not row["Phone"] and not row["Billing Phone"] and not row["Email"]]
        amounts = frames(loaded)["orders"]["amount"]
        by_guests = pd.read_parquet(Path(loaded.output_folder) / "guest_orders.parquet")["amount"]
        both = pd.concat([amounts, by_guests])
        assert both[both > 0].sum() == pytest.approx(float(sold), abs=1e-6)
        assert both[both < 0].sum() == pytest.approx(-float(sum(refunds)), abs=1e-6)
        assert len(both) == len(orders) + len(refunds) == made.tables["orders"]
        assert (by_guests > 0).sum() == len(guests) > 0
        assert sum(made.left_out[reason] for reason in made.left_out if reason.startswith("Shopify")) == 150 - len(
            orders
        )

    def test_a_text_and_an_order_of_one_number_are_one_customers(self, loaded, orders, exports):
        def number(row: dict[str, str]) -> str:
            return "".join(filter(str.isdigit, row["Phone"] or row["Billing Phone"]))[-10:]

        address = {
            f"+1{number(row)}": row["Email"].lower() for row in records(exports[0]) if row["Email"] and number(row)
        }
        named = [row for row in orders if number(row) or row["Email"]]
        ids = [row["Email"].lower() or f"+1{number(row)}" for row in named]
        people = Counter(address.get(person, person) for person in ids)
        tables = frames(loaded)
        bought = tables["orders"][tables["orders"]["amount"] > 0].groupby("customer_id").size()
        assert bought.to_dict() == {pseudonym(person, KEY.encode()): n for person, n in people.items()}
        numbers = [makers.us_number(person) for person in range(40)]
        texted = {pseudonym(address.get(number, number), KEY.encode()) for number in numbers}
        assert set(tables["messages"]["customer_id"]) == texted
        assert len(texted & set(bought.index)) > 30

    def test_messages_answers_and_costs_are_those_of_a_plain_count(self, loaded, exports):
        log = sorted(records(exports[1]), key=lambda row: (row["SentDate"], row["Direction"] == "inbound"))
        sent = {
            row["Sid"]: row for row in log
            if row["Direction"] != "inbound" and row["Status"] != "queued" and row["ErrorCode"] != "21610"
        }  # fmt: skip
        last, stopped, back = {}, {}, {}
        for row in log:
            if row["Sid"] in sent:
                last[row["To"]] = row["Sid"]
            elif row["Direction"] == "inbound" and row["Body"].strip().upper() == "STOP" and row["From"] in last:
                stopped.setdefault((row["From"], last[row["From"]]), row["SentDate"])
            elif row["Direction"] == "inbound" and row["Body"].strip().upper() == "START":
                back[row["From"]] = row["SentDate"]
        stopped = {key: at for key, at in stopped.items() if at > back.get(key[0], "")}
        messages = frames(loaded)["messages"].set_index("message_id")
        assert set(messages.index) == set(sent)
        assert messages["cost"].sum() == pytest.approx(sum(-float(row["Price"]) for row in sent.values()))
        assert set(messages["segments"]) == {2}
        left = messages["opted_out_at"].dropna()
        assert {sid: f"{at:%Y-%m-%dT%H:%M:%SZ}" for sid, at in left.items()} == {
            sid: at for (_number, sid), at in stopped.items()
        }
        assert len(left) > 0
        received = [row for row in sent.values() if row["Status"] in ("delivered", "sent")]
        assert messages["delivered_at"].notna().sum() == len(received)

    def test_a_campaign_is_a_text_and_personal_texts_are_apart(self, loaded):
        tables = frames(loaded)
        texts = tables["creatives"].set_index("campaign_id")["text"]
        assert set(texts) == set(makers.TEXTS)
        personal = tables["messages"]["campaign_id"] == "other texts"
        assert set(tables["messages"].loc[~personal, "campaign_id"]) == set(texts.index)
        assert 0 < personal.sum() <= 3

    @pytest.mark.usefixtures("made", "loaded")
    def test_no_number_and_no_address_is_in_what_was_written(self, project):
        for file in sorted((project / "loaded").rglob("*.parquet")):
            text = pd.read_parquet(file).to_csv()
            assert "5550" not in text, file.name
            assert "example.com" not in text.lower(), file.name
        assert not (project / "loaded" / ".text").exists()
        for file in (project / "data" / "shop").iterdir():
            assert "5550" not in file.read_text(encoding="utf-8")

    def test_what_was_assumed_is_said_and_written(self, made, project):
        settings = yaml.safe_load((project / "data" / "shop" / "source.yml").read_text(encoding="utf-8"))
        assert settings["timezone"] == "America/New_York"
        assert (settings["country"], settings["currency"], settings["pseudonymise"]) == ("US", "USD", True)
        assert {a.name: a.value for a in made.assumed} == {
            "timezone": "America/New_York", "country": "US", "currency": "USD",
        }  # fmt: skip
        assert "Vendor" in made.files[0].not_used
        assert any("after discounts" in note for note in made.notes)
        assert made.parameter_file.read_text(encoding="utf-8") == "data: data/shop\n"

    @pytest.mark.usefixtures("made")
    def test_without_a_key_the_variable_is_named(self, project, monkeypatch):
        monkeypatch.delenv("SMSROI_KEY")
        with pytest.raises(UsageError, match="pseudonymise: true.* set SMSROI_KEY, or SMSROI_KEY_FILE"):
            load("data/shop", project / "not loaded")


def test_youzan_and_aliyun_in_gbk(project):
    youzan, aliyun = makers.youzan(120, 30), makers.aliyun(2, 30)
    files = [save(project, "订单.csv", youzan), save(project, "aliyun.csv", aliyun)]
    made = import_exports([("", file) for file in files], "data/tea")
    loaded = load("data/tea", project / "tea loaded", max_rejected_share=0.0)
    first: dict[str, dict[str, str]] = {}
    for row in records(youzan.decode("gbk")):
        first.setdefault(row["订单号"].strip(), row)
    paid = [row for row in first.values() if row["付款时间"]]
    closed = [row for row in paid if row["订单状态"] == "交易关闭"]
    assert any(row["退款金额(元)"] for row in closed)
    assert not all(row["退款金额(元)"] for row in closed)

    def money(rows):
        return float(sum(Decimal(row["订单实付金额(元)"].strip("￥").replace(",", "")) for row in rows))

    tables = frames(loaded)
    guests = pd.read_parquet(Path(loaded.output_folder) / "guest_orders.parquet")
    amounts = pd.concat([tables["orders"]["amount"], guests["amount"]])
    assert amounts[amounts > 0].sum() == pytest.approx(money(paid))
    assert amounts[amounts < 0].sum() == pytest.approx(-money(closed))
    assert (guests["amount"] > 0).sum() == sum("*" in row["买家手机号"] for row in paid) > 0
    buyers = {
        pseudonym(f"+86{row['买家手机号'].strip()}", KEY.encode()) for row in paid if "*" not in row["买家手机号"]
    }
    assert set(tables["orders"]["customer_id"]) == buyers
    report = records(aliyun.decode("gbk"))
    messages = tables["messages"]
    assert len(messages) == len(report)
    assert buyers & set(messages["customer_id"])
    states = Counter(row["发送状态"] for row in report)
    assert messages["delivered_at"].notna().sum() == states["发送成功"] + states["等待回执"]
    assert (loaded.settings.timezone, loaded.settings.country, loaded.settings.currency) == (
        "Asia/Shanghai",
        "CN",
        "CNY",
    )
    assert sum(made.left_out.values()) == len(first) - len(paid)


def test_klaviyo_by_profile_needs_no_key(project, monkeypatch):
    monkeypatch.delenv("SMSROI_KEY")
    events, placed = makers.klaviyo_events(2, 50), makers.klaviyo_orders(60, 50)
    files = [save(project, "events.csv", events), save(project, "placed_order.csv", placed)]
    made = import_exports([("", file) for file in files], "data/klaviyo", given={"timezone": "America/Chicago"})
    assert not made.needs_key
    loaded = load("data/klaviyo", project / "klaviyo loaded", max_rejected_share=0.0)
    tables, rows = frames(loaded), records(events)
    value = sum(Decimal(row["Value"].strip("$").replace(",", "")) for row in records(placed))
    assert tables["orders"]["amount"].sum() == pytest.approx(float(value))
    assert tables["orders"]["ordered_at"].min() >= pd.Timestamp("2024-01-04 13:00")  # 7:00 in Chicago
    sent = {
        (row["Profile ID"], row["Campaign ID"])
        for row in rows
        if row["Metric"] != "Viewed Product" and row["Campaign ID"]
    }
    clicks: dict[tuple[str, str], int] = {}
    for row in rows:
        if row["Metric"] == "Clicked SMS":
            key = (row["Profile ID"], row["Campaign ID"])
            clicks[key] = min(clicks.get(key, 10**11), int(row["Timestamp"]))
    messages = tables["messages"].set_index(["customer_id", "campaign_id"])
    assert set(messages.index) == sent
    found = messages["clicked_at"].dropna()
    assert {key: int(at.timestamp()) for key, at in found.items()} == clicks
    assert messages["opted_out_at"].notna().sum() == sum(row["Metric"].startswith("Unsub") for row in rows) > 0
    assert made.left_out == {"Klaviyo events of other metrics": sum(row["Metric"] == "Viewed Product" for row in rows)}


class TestOthers:
    """WooCommerce, Taobao, Attentive and Tencent Cloud in one source each: small, counted by hand."""

    def test_two_shops_and_attentive(self, project):
        woo = save(project, "woo.csv", makers.written(
            ["order_id", "order_date", "status", "order_total", "order_currency", "billing_phone", "billing_email"],
            [
                {"order_id": 7, "order_date": "9/26/2024 6:29:00", "status": "wc-completed", "order_total": "20.00",
                 "order_currency": "GBP", "billing_phone": "07400 123456", "billing_email": "a@example.com"},
                {"order_id": 8, "order_date": "9/3/2024 6:29:00", "status": "refunded", "order_total": "30.50",
                 "order_currency": "GBP", "billing_email": "A@example.com"},
                {"order_id": 9, "order_date": "9/4/2024 6:29:00", "status": "cancelled", "order_total": "5.00",
                 "order_currency": "GBP", "billing_email": "b@example.com"},
            ],
        ))  # fmt: skip
        shopify = save(project, "shopify.csv", makers.written(
            ["Name", "Created at", "Financial Status", "Total", "Currency", "Phone"],
            [{"Name": "7", "Created at": "2024-09-28 10:00:00 +0100", "Financial Status": "paid", "Total": "8.25",
              "Currency": "GBP", "Phone": "+447400123456"}],
        ))  # fmt: skip
        attentive = save(project, "attentive.csv", makers.written(
            ["TYPE", "TIMESTAMP", "PHONE", "MESSAGE_ID", "MESSAGE_NAME", "MESSAGE_TYPE"],
            [
                {"TYPE": "MESSAGE_RECEIPT", "TIMESTAMP": "2024-09-25 10:00:00", "PHONE": "+447400123456",
                 "MESSAGE_ID": "m1", "MESSAGE_NAME": "Autumn", "MESSAGE_TYPE": "ONE_TIME"},
                {"TYPE": "MESSAGE_LINK_CLICK", "TIMESTAMP": "2024-09-25 10:05:00", "PHONE": "+447400123456",
                 "MESSAGE_ID": "m1", "MESSAGE_NAME": "Autumn"},
                {"TYPE": "MESSAGE_RECEIPT", "TIMESTAMP": "2024-09-25 11:00:00", "PHONE": "+447400123456",
                 "MESSAGE_ID": "m2", "MESSAGE_NAME": "Help", "MESSAGE_TYPE": "HELP"},
                {"TYPE": "SUBSCRIPTION_OPTED_OUT", "TIMESTAMP": "2024-09-25 12:00:00", "PHONE": "+447400123456"},
            ],
        ))  # fmt: skip
        made = import_exports([("", woo), ("", shopify), ("", attentive)], "data/two", given={"country": "GB"})
        tables = frames(load("data/two", project / "two loaded", max_rejected_share=0.0))
        orders = tables["orders"].set_index("order_id")["amount"]
        assert orders.to_dict() == {
            "shopify 7": 8.25, "woocommerce 7": 20.0, "woocommerce 8": 30.5, "woocommerce 8 refund": -30.5,
        }  # fmt: skip
        assert set(tables["orders"]["customer_id"]) == {pseudonym("a@example.com", KEY.encode())}
        assert set(tables["messages"]["customer_id"]) == {pseudonym("a@example.com", KEY.encode())}
        (message,) = tables["messages"].to_dict("records")
        assert (message["campaign_id"], str(message["clicked_at"])) == ("m1", "2024-09-25 10:05:00")
        assert str(message["opted_out_at"]) == "2024-09-25 12:00:00"
        assert made.left_out == {
            "WooCommerce orders that were not paid (cancelled)": 1, "Attentive texts that are no marketing (help)": 1,
        }  # fmt: skip

    def test_taobao_and_tencent(self, project):
        taobao = save(project, "ExportOrderList.csv", makers.written(
            TAOBAO,
            [
                dict(zip(TAOBAO, row.split("|"), strict=True)) for row in (
                    '="1001"|tea1|88.00|交易成功|2024-05-01 10:00:00|2024-05-01 10:01:00|\'13800000001|0.00',
                    '="1002"|tea2|50.00|交易关闭|2024-05-02 10:00:00|2024-05-02 10:01:00|138****0002|20.00',
                    '="1003"|tea3|0.00|等待买家付款|2024-05-03 10:00:00||\'13800000003|0.00',
                )
            ],
        ).encode("gb18030"))  # fmt: skip
        tencent = save(project, "tencent.csv", makers.written(
            ["PhoneNumber", "SubscriberNumber", "ReportStatus", "SerialNo", "UserReceiveTime"],
            [
                {"PhoneNumber": "+8613800000001", "ReportStatus": "SUCCESS", "SerialNo": "5:1",
                 "UserReceiveTime": 1_714_528_800},
                {"PhoneNumber": "+8613800000003", "ReportStatus": "FAIL", "SerialNo": "5:2",
                 "UserReceiveTime": 1_714_528_801},
            ],
        ))  # fmt: skip
        made = import_exports([("", taobao), ("tencent", tencent)], "data/tb")
        tables = frames(load("data/tb", project / "tb loaded", max_rejected_share=0.0))
        assert tables["orders"].set_index("order_id")["amount"].to_dict() == {
            "1001": 88.0,
            "1002": 50.0,
            "1002 refund": -20.0,
        }
        owner = tables["orders"].set_index("order_id")["customer_id"]
        assert owner["1001"] == pseudonym("taobao tea1", KEY.encode())
        assert owner["1002"] == pseudonym("taobao tea2", KEY.encode())
        messages = tables["messages"].set_index("message_id")
        assert messages.loc["5:1-1", "customer_id"] == owner["1001"]
        assert str(messages.loc["5:1-1", "delivered_at"]) == "2024-05-01 02:00:00"
        assert pd.isna(messages.loc["5:2-1", "delivered_at"])
        assert set(messages["campaign_id"]) == {"day 2024-05-01"}
        assert made.left_out == {"Taobao orders that were not paid (等待买家付款)": 1}


class TestOptOutsThatNoTextCarries:
    """Written by hand: the log begins after a text that a customer answered, or blocks without the STOP itself."""

    def test_twilio(self, project):
        shop, number = makers.SHOP_NUMBER, makers.us_number
        rows = [
            ("in1", number(1), shop, "2024-01-01T10:00:00Z", "Stop.", "inbound", 0),
            ("out2", shop, number(2), "2024-01-02T10:00:00Z", "Hello", "outbound-api", 0),
            ("in2", number(2), shop, "2024-01-02T11:00:00Z", "STOP", "inbound", 0),
            ("block2", shop, number(2), "2024-01-03T10:00:00Z", "Hello", "outbound-api", 21610),
            ("block3", shop, number(3), "2024-01-02T12:00:00Z", "Hello", "outbound-api", 21610),
            ("in4", number(4), shop, "2024-01-01T10:00:00Z", "STOP", "inbound", 0),
            ("back4", number(4), shop, "2024-01-01T11:00:00Z", "START", "inbound", 0),
            ("out4", shop, number(4), "2024-01-02T10:00:00Z", "Hello", "outbound-api", 0),
        ]  # fmt: skip
        names = ("Sid", "From", "To", "SentDate", "Body", "Direction", "ErrorCode")
        log = makers.written(
            makers.TWILIO_HEADINGS,
            [dict(zip(names, row, strict=True)) | {"Status": "failed" if row[-1] else "delivered"} for row in rows],
        )
        import_exports([("", save(project, "early.csv", log))], "data/early")
        tables = frames(load("data/early", project / "early loaded"))
        left = tables["customers"].set_index("customer_id")["opted_out_at"]
        assert {pseudonym(number(n), KEY.encode()) for n in (1, 2, 3, 4)} == set(left.index)
        assert left.dropna().astype(str).to_dict() == {
            pseudonym(number(1), KEY.encode()): "2024-01-01 10:00:00",
            pseudonym(number(3), KEY.encode()): "2024-01-02 12:00:00",
        }
        answered = tables["messages"].set_index("message_id")["opted_out_at"].dropna()
        assert answered.astype(str).to_dict() == {"out2": "2024-01-02 11:00:00"}

    def test_klaviyo_and_attentive(self, project):
        events = [
            ("Unsubscribed from SMS Marketing", "2024-05-01 09:00:00", "p1"),
            ("Unsubscribed", "2024-05-01 09:00:00", "p2"),
            ("Received SMS", "2024-05-02 09:00:00", "p2"),
            ("Unsubscribed from SMS Marketing", "2024-05-02 09:30:00", "p2"),
        ]
        klaviyo = makers.written(
            ["Metric", "Timestamp", "Profile ID"],
            [dict(zip(("Metric", "Timestamp", "Profile ID"), row, strict=True)) for row in events],
        )
        import_exports([("", save(project, "left.csv", klaviyo))], "data/left", given={"timezone": "UTC"})
        left = frames(load("data/left", project / "left loaded"))["customers"].set_index("customer_id")["opted_out_at"]
        assert left.isna().to_dict() == {"p1": False, "p2": True}
        feed = makers.written(
            ["TYPE", "TIMESTAMP", "EMAIL", "MESSAGE_ID"],
            [
                {"TYPE": "OPT_OUT", "TIMESTAMP": "2024-05-01 09:00:00", "EMAIL": "a@shop.example"},
                {"TYPE": "MESSAGE_RECEIPT", "TIMESTAMP": "2024-05-02 09:00:00", "EMAIL": "b@shop.example",
                 "MESSAGE_ID": 1},
                {"TYPE": "OPT_OUT", "TIMESTAMP": "2024-05-02 09:10:00", "EMAIL": "b@shop.example"},
            ],
        )  # fmt: skip
        import_exports([("", save(project, "feed.csv", feed))], "data/feed")
        left = frames(load("data/feed", project / "feed loaded"))["customers"].set_index("customer_id")["opted_out_at"]
        assert left.dropna().astype(str).to_dict() == {pseudonym("a@shop.example", KEY.encode()): "2024-05-01 09:00:00"}


class TestYouzanItems:
    """Rows of (order, paid, refunded), one per item."""

    def amounts(self, project, rows, name):
        export = makers.written(makers.YOUZAN_HEADINGS, [
            {"订单号": order, "订单状态": "交易完成", "下单时间": "2024-05-01 10:00:00",
             "付款时间": "2024-05-01 10:00:05", "订单实付金额(元)": paid, "退款金额(元)": refunded,
             "买家手机号": makers.cn_number(1)}
            for order, paid, refunded in rows
        ])  # fmt: skip
        import_exports([("", save(project, f"{name}.csv", export))], f"data/{name}")
        orders = frames(load(f"data/{name}", project / f"{name} loaded"))["orders"]
        return orders.set_index("order_id")["amount"].to_dict()

    def test_a_refund_of_one_item_is_found_on_any_row(self, project):
        rows = [("E1", "￥1,100.00", "0.00"), ("E1", "￥1,100.00", "￥30.00"), ("E1", "￥1,100.00", "12.50"),
                ("E2", "90.00", "40.00"), ("E2", "90.00", "40.00"), ("E3", "70.00", ""), ("E3", "70.00", "40.00"),
                ("E4", "10.00", "10.00"), ("E4", "10.00", "10.00")]  # fmt: skip
        assert self.amounts(project, rows, "items") == {
            "E1": 1100.0, "E1 refund": -42.5, "E2": 90.0, "E2 refund": -40.0, "E3": 70.0, "E3 refund": -40.0,
            "E4": 10.0, "E4 refund": -10.0,
        }  # fmt: skip

    def test_amounts_are_those_of_items_where_those_of_most_orders_differ(self, project):
        rows = [("E1", "60.00", ""), ("E1", "40.00", ""), ("E2", "55.00", ""), ("E2", "45.00", ""), ("E3", "20.00", ""),
                ("E3", "20.00", ""), ("E4", "7.00", "")]  # fmt: skip
        assert self.amounts(project, rows, "of_items") == {"E1": 100.0, "E2": 100.0, "E3": 40.0, "E4": 7.0}


def test_woocommerce_statuses_in_the_language_of_the_shop(project):
    unpaid = [
        "Storniert",
        "Zahlung ausstehend",
        "Annulée",
        "Cancelado",
        "Annullato",
        "Geannuleerd",
        "已取消",
        "wc-failed",
    ]
    paid = ["Fertiggestellt", "En cours", "Completado", "Versandt"]
    export = makers.written(["order_id", "order_date", "status", "order_total", "billing_email"], [
        {"order_id": n, "order_date": "2024-05-01 10:00:00", "status": status, "order_total": "8.00",
         "billing_email": "a@shop.example"} for n, status in enumerate([*unpaid, *paid, "Rückerstattet"])
    ])  # fmt: skip
    made = import_exports([("", save(project, "laden.csv", export))], "data/laden")
    amounts = frames(load("data/laden", project / "laden loaded"))["orders"]["amount"]
    assert (len(amounts), amounts.sum()) == (len(paid) + 2, 8.0 * len(paid))
    assert made.left_out == {
        f"WooCommerce orders that were not paid ({s.lower().removeprefix('wc-')})": 1 for s in unpaid
    }
    assert made.notes[-1].endswith("check how it reads them: Versandt")


@pytest.mark.parametrize("kind", ["shopify", "woocommerce"])
def test_a_number_without_a_country_code_is_of_the_orders_own_country(project, kind):
    """A British customer of an American shop, and texts to both."""
    buyers = [*((makers.us_number(n)[2:], "US") for n in range(9)), ("07911 123456", "GB"), ("07911123457", "GB")]
    names = {
        "shopify": ("Name", "Created at", "Financial Status", "Total", "Currency", "Billing Phone", "Billing Country"),
        "woocommerce": ("order_id", "order_date", "status", "order_total", "order_currency", "billing_phone",
                        "billing_country"),
    }[kind]  # fmt: skip
    rows = [(n, "2024-05-01 10:00:00", "paid", "9.00", "USD", *buyer) for n, buyer in enumerate(buyers)]
    orders = makers.written(names, [dict(zip(names, row, strict=True)) for row in rows])
    sent = [
        {"Sid": n, "From": makers.SHOP_NUMBER, "To": to, "Status": "delivered", "Direction": "outbound-api",
         "SentDate": "2024-05-02T10:00:00Z"} for n, to in enumerate(["+447911123456", makers.us_number(1)])
    ]  # fmt: skip
    log = makers.written(makers.TWILIO_HEADINGS, sent)
    files = [save(project, f"abroad {kind}.csv", orders), save(project, "abroad log.csv", log)]
    import_exports([("", file) for file in files], f"data/abroad-{kind}")
    tables = frames(load(f"data/abroad-{kind}", project / f"abroad {kind}"))
    assert set(tables["messages"]["customer_id"]) <= set(tables["orders"]["customer_id"])


class TestFiles:
    @pytest.fixture
    def export(self, project):
        return save(project, "few.csv", makers.shopify(12, 5))

    def test_nothing_is_overwritten_without_force_which_keeps_the_analysts_settings(self, project, export):
        import_exports([("", export)], "data/few")
        folder = project / "data" / "few"
        settings = (folder / "source.yml").read_text(encoding="utf-8") + "title: Leaf\n"
        settings = settings.replace("margin: 0.3 ", "margin: 0.45 ").replace("America/New_York", "America/Toronto")
        (folder / "source.yml").write_text(settings, encoding="utf-8")
        (folder / "orders.sql").write_text("SELECT 1", encoding="utf-8")
        with pytest.raises(UsageError, match=r"orders\.sql, .*source\.yml already there; --force overwrites"):
            import_exports([("", export)], "data/few")
        assert (folder / "orders.sql").read_text(encoding="utf-8") == "SELECT 1"
        import_exports([("", export)], "data/few", force=True)
        assert "Total" in (folder / "orders.sql").read_text(encoding="utf-8")
        again = yaml.safe_load((folder / "source.yml").read_text(encoding="utf-8"))
        assert (again["margin"], again["title"], again["timezone"]) == (0.45, "Leaf", "America/Toronto")

    def test_with_force_settings_stay_as_they_stand_with_their_reasons(self, project, export):
        """The analyst's comments and lists too; a setting that is given anew gets a new line."""
        import_exports([("", export)], "data/again")
        file = project / "data" / "again" / "source.yml"
        before = file.read_text(encoding="utf-8")
        assert "as given" not in before
        own = "# finance, in May\nmargin: 0.4  # of tea\nquiet_days:  # holidays\n  - 2024-05-01\n  - 2024-12-25\n"
        before = before.replace(
            next(line for line in before.splitlines(keepends=True) if line.startswith("margin")), own
        )
        before = before.replace("files:", "message_cost: 0.04  # the contract of 2024\nfiles:")
        file.write_text(before, encoding="utf-8")
        made = import_exports([("", export)], "data/again", force=True)
        assert sorted(file.read_text(encoding="utf-8").splitlines()) == sorted(before.splitlines())
        assert {one.reason for one in made.assumed} == {"as in source.yml"}
        import_exports([("", export)], "data/again", force=True, given={"timezone": "America/Toronto"})
        after = file.read_text(encoding="utf-8")
        assert "timezone: America/Toronto  # as given\n" in after
        assert own in after

    def test_a_failure_leaves_nothing(self, project, export, monkeypatch):
        monkeypatch.setattr("smsroi_helpers.source.exports.written.source_yml", lambda *_all: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            import_exports([("", export)], "data/never")
        assert not list((project / "data").glob("*never*"))
        assert not list((project / "data").glob(".never*"))

    def test_an_export_without_an_order_that_counts_is_refused(self, project):
        text = makers.shopify(5, 5, plain=True).replace(",paid,", ",voided,")
        with pytest.raises(DataError, match=r"no order is left \(Shopify orders that were not paid \(voided\): 5\)"):
            import_exports([("", save(project, "void.csv", text))], "data/void")
        assert not (project / "data" / "void").exists()

    def test_a_log_without_a_text_that_counts_is_refused_alone_and_said_beside_orders(self, project, export):
        names = makers.ALIYUN_HEADINGS
        masked = [
            {"手机号码": "138****0001", "发送时间": "2024-05-01 10:00:00", "发送状态": "发送成功", "模板CODE": "T"}
        ]
        log = save(project, "masked.csv", makers.written(names, masked * 3))
        said = r"no text is left \(Aliyun texts without a whole telephone number: 3\)"
        with pytest.raises(DataError, match=said):
            import_exports([("", log)], "data/masked")
        made = import_exports([("", export), ("", log)], "data/masked", given={"country": "US"})
        assert "no text is left (Aliyun texts without a whole telephone number: 3)" in made.notes[0]

    def test_an_opt_out_is_unknown_where_the_log_has_no_incoming_texts(self, project, export):
        outbound = [row for row in records(makers.twilio(1, 12)) if row["Direction"] != "inbound"]
        log = save(project, "outbound.csv", makers.written(makers.TWILIO_HEADINGS, outbound))
        import_exports([("", export), ("", log)], "data/outbound")
        columns = load("data/outbound", project / "loaded-outbound").tables["messages"].columns
        assert "delivered_at" in columns
        assert not {"replied_at", "opted_out_at"} & set(columns)

    def test_a_setting_that_cannot_be_is_refused(self, export):
        with pytest.raises(UsageError, match="timezone: .*not an IANA time zone"):
            import_exports([("", export)], "data/zone", given={"timezone": "New York"})
