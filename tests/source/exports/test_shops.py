"""Orders of shops: who bought, what was paid and what was refunded. Rows written by hand."""

import pytest

from smsroi_helpers.source.no_value import NO_VALUE
from tests.source.exports.reading import mapped, reasons

YOUZAN = (
    "订单号", "订单状态", "下单时间", "付款时间", "订单实付金额(元)", "订单已退款金额(元)", "买家手机号", "买家昵称",
)  # fmt: skip
AT = "2024-05-01 10:00:00"


def amounts(found):
    return {row["order_id"]: float(row["amount"]) for row in found["orders"]}


class TestYouzan:
    def test_a_nickname_is_nobodys_id(self):
        """Two people of one nickname with masked numbers, and one with a number."""
        found = mapped("youzan", YOUZAN, [
            ("E1", "交易完成", AT, AT, "10.00", "", "139****0000", "微信用户"),
            ("E2", "交易完成", AT, AT, "20.00", "", "139****0011", "微信用户"),
            ("E3", "交易完成", AT, AT, "30.00", "", "13800000001", "微信用户"),
            ("E4", "交易完成", AT, AT, "40.00", "", "-", "小明"),
        ])  # fmt: skip
        buyers = {row["order_id"]: row["customer_id"] for row in found["orders"]}
        assert buyers == {"E1": "guest", "E2": "guest", "E3": "13800000001", "E4": "guest"}
        assert found.get("identities", []) == []

    def test_an_order_without_a_time_of_payment_was_not_paid(self):
        words = ["", *NO_VALUE, "0000-00-00 00:00:00", "1970-01-01 08:00:00", "0"]
        unpaid = [(f"E{n}", "交易关闭", AT, word.upper(), "30.00", "", "13800000001", "")
                  for n, word in enumerate(words)]  # fmt: skip
        paid = [(f"F{n}", "交易关闭", AT, AT, "31.00", word if word in NO_VALUE else "", "13800000001", "")
                for n, word in enumerate(words)]  # fmt: skip
        found = mapped("youzan", YOUZAN, unpaid + paid)
        expected = {}
        for n in range(len(words)):
            expected |= {f"F{n}": 31.0, f"F{n} refund": -31.0}
        assert amounts(found) == expected
        assert reasons(found) == {"Youzan orders that were not paid (交易关闭)": len(words)}

    def test_an_amount_refunded_is_a_refund_also_of_a_part(self):
        found = mapped("youzan", YOUZAN, [
            ("E1", "交易完成", AT, AT, "100.00", "￥12.50", "13800000001", ""),
            ("E2", "交易关闭", AT, AT, "90.00", "40.00", "13800000001", ""),
            ("E3", "交易完成", AT, AT, "80.00", "0.00", "13800000001", ""),
        ])  # fmt: skip
        assert {row["order_id"]: row["amount"] for row in found["orders"]} == {
            "E1": "100.00", "E1 refund": "-￥12.50", "E2": "90.00", "E2 refund": "-40.00", "E3": "80.00",
        }  # fmt: skip


@pytest.mark.parametrize("none", ["", "0.00", "-", "无"])
def test_an_order_that_was_refunded_without_an_amount_was_refunded_in_full(none):
    """Also where the column of refunds stands there with 0.00; a stated amount is the refund."""
    headings = ("order_id", "order_date", "status", "order_total", "refunded_total", "billing_email")
    woo = mapped("woocommerce", headings, [
        ("1", AT, "refunded", "10.00", none, "a@b.example"), ("2", AT, "completed", "20.00", none, "a@b.example"),
        ("3", AT, "completed", "30.00", "3.00", "a@b.example"),
    ])  # fmt: skip
    shopify = mapped("shopify", ("Name", "Created at", "Financial Status", "Total", "Refunded Amount", "Email"), [
        ("1", AT, "refunded", "10.00", none, "a@b.example"), ("2", AT, "paid", "20.00", none, "a@b.example"),
        ("3", AT, "partially_refunded", "30.00", "3.00", "a@b.example"),
    ])  # fmt: skip
    expected = {"1": 10.0, "1 refund": -10.0, "2": 20.0, "3": 30.0, "3 refund": -3.0}
    assert amounts(woo) == amounts(shopify) == expected


def test_a_word_for_no_value_is_none_in_every_platform():
    """A cancelled order of Shopify, Taobao's payment, Aliyun's receipt: each is tested for being there."""
    shopify = mapped("shopify", ("Name", "Created at", "Financial Status", "Total", "Cancelled at", "Phone", "Email"),
                     [("1", AT, "paid", "10.00", "N/A", "-", "a@b.example")])  # fmt: skip
    assert [row["customer_id"] for row in shopify["orders"]] == ["a@b.example"]
    taobao = mapped(
        "taobao", ("订单编号", "买家会员名", "买家实际支付金额", "订单状态", "订单创建时间", "订单付款时间"),
        [("1001", "tea1", "9.00", "交易关闭", AT, "--"), ("1002", "-", "8.00", "交易成功", AT, AT)],
    )  # fmt: skip
    assert [(row["order_id"], row["customer_id"]) for row in taobao["orders"]] == [("1002", "guest")]
    aliyun = mapped("aliyun", ("手机号码", "发送时间", "接收时间", "发送状态", "模板CODE"), [
        ("13800000001", AT, "-", "发送成功", "T"), ("13800000002", AT, AT, "发送成功", "T"),
    ])  # fmt: skip
    assert {row["customer_id"]: row["delivered_at"] for row in aliyun["messages"]} == {
        "13800000001": "yes", "13800000002": AT,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("total", "outstanding", "paid"),
    [
        ("1299.50", "1000.00", "299.50"), ("1,299.50", "1,000.00", "299.50"), ("1.299,50", "1.000,00", "299,50"),
        ("1299,5", "1000", "299,50"), ("€1299.5", "€0.25", "1299.25"), ("1,299", "1,000", "299.00"),
        ("1.250", "0.250", "1.00"), ("12.00", "soon", "12.00 less soon"),
    ],
)  # fmt: skip
def test_of_a_partly_paid_order_what_was_paid_in_every_spelling(total, outstanding, paid):
    headings = ("Name", "Created at", "Financial Status", "Total", "Outstanding Balance", "Email")
    found = mapped("shopify", headings, [("1", AT, "partially_paid", total, outstanding, "a@b.example")])
    assert [row["amount"] for row in found["orders"]] == [paid]


def test_an_order_whose_id_a_spreadsheet_rewrote_is_the_same_order():
    """An id with `.0`, or rounded, is no other shop's; the last file counts."""
    headings = ("Name", "Id", "Created at", "Financial Status", "Total", "Email")
    rows = [("#1", "5600000001001", AT, "paid", "10.00", "a@b.example")]
    for rewritten in ("5600000001001.0", "5600000001001,00", "5.6E+12", "5,6E+12", ""):
        found = mapped("shopify", headings, rows, [("#1", rewritten, AT, "paid", "11.00", "a@b.example")])
        assert amounts(found) == {"#1": 11.0}, rewritten
    found = mapped("shopify", headings, rows, [("#1", "5600000009009", AT, "paid", "11.00", "z@b.example")])
    assert amounts(found) == {"#1 5600000001001": 10.0, "#1 5600000009009": 11.0}


def test_orders_of_two_shops_stay_two_if_the_ids_of_one_are_rounded():
    headings = ("Name", "Id", "Created at", "Financial Status", "Total", "Email")
    shops = [[(f"#{n}", ids or f"5600000001{n}", AT, "paid", f"{10 * m}.00", f"{m}-{n}@b.example") for n in range(5)]
             for m, ids in ((1, ""), (2, "5.6E+12"))]  # fmt: skip
    assert sorted(amounts(mapped("shopify", headings, *shops)).values()) == [10.0] * 5 + [20.0] * 5
    assert len(amounts(mapped("shopify", headings, shops[1], shops[1]))) == 5


def test_a_rounded_id_of_a_buyer_is_nobodys():
    rows = [(f"E{n}", "交易完成", AT, AT, "10.00", "", f"1380000000{n}", "", "1.23457E+12") for n in range(3)]
    found = mapped("youzan", (*YOUZAN, "客户ID"), rows)
    assert {row["customer_id"] for row in found["orders"]} == {f"1380000000{n}" for n in range(3)}
    assert found["identities"] == []


def test_a_rounded_telephone_number_joins_nobody():
    headings = ("Name", "Created at", "Financial Status", "Total", "Email", "Phone")
    rows = [(str(n), AT, "paid", "10.00", f"{n}@b.example", "1.20255E+10") for n in range(3)]
    found = mapped("shopify", headings, [*rows, ("9", AT, "paid", "10.00", "9@b.example", "12025550109")])
    assert {row["value"] for row in found["identities"]} == {"12025550109"}


class TestWooCommerce:
    HEADINGS = ("order_id", "order_date", "status", "order_total", "refunded_total", "billing_email", "billing_phone")

    def read(self, *files):
        return mapped("woocommerce", self.HEADINGS, *files, currency="EUR")

    def test_a_row_with_a_negative_total_is_a_refund(self):
        """Of its own number, of an order's number, of a refund that the order states, and without a buyer."""
        found = self.read([
            ("1", AT, "completed", "50,00 €", "", "a@b.example", ""),
            ("2", AT, "refunded", "-50,00 €", "", "a@b.example", ""),
            ("3", AT, "completed", "80,00 €", "", "c@b.example", ""),
            ("3", AT, "completed", "−30,00 €", "", "c@b.example", ""),
            ("4", AT, "refunded", "60,00 €", "", "d@b.example", ""),
            ("5", AT, "completed", "-60,00 €", "", "d@b.example", ""),
            ("6", AT, "completed", "70,00 €", "7,00 €", "e@b.example", ""),
            ("7", AT, "completed", "-7,00 €", "", "", ""),
            ("8", AT, "cancelled", "90,00 €", "", "f@b.example", ""),
            ("8", AT, "completed", "-90,00 €", "", "f@b.example", ""),
        ])  # fmt: skip
        assert {row["order_id"]: row["amount"] for row in found["orders"]} == {
            "1": "50,00 €", "2": "-50,00 €", "3": "80,00 €", "3 refund": "-30,00 €", "4": "60,00 €",
            "4 refund": "-60,00 €", "6": "70,00 €", "6 refund": "-7,00 €",
        }  # fmt: skip
        assert reasons(found) == {
            "WooCommerce refund rows of a refund that its order states": 2,
            "WooCommerce orders that were not paid (cancelled)": 1,
            "WooCommerce refund rows of orders that were not paid": 1,
        }

    def test_the_same_numbers_in_two_shops_are_two_orders(self):
        """A second export of the first shop has one order more, and another form of dates."""
        shops = [[(str(n), f"2024-0{m}-01 10:00:00", "completed", f"{10 * m}.00", "", f"{name}{n}@b.example", "")
                  for n in range(1, 6)] for m, name in ((5, "de"), (6, "fr"))]  # fmt: skip
        again = [(*row[:1], "05/01/2024 10:00", *row[2:]) for row in [*shops[0], ("6", AT, *shops[0][0][2:])]]
        assert len(self.read(*shops)["orders"]) == 10
        found = self.read(shops[0], again, shops[1])["orders"]
        assert sorted(row["order_id"] for row in found) == sorted(
            [*(str(n) for n in range(1, 7)), *(f"{n} file 3" for n in range(1, 6))]
        )
        assert sum(float(row["amount"]) for row in found) == 6 * 50 + 5 * 60


class TestPeople:
    """Which customer an order has, and which keys the identities join to it."""

    HEADINGS = ("Name", "Created at", "Financial Status", "Total", "Phone", "Email")

    def read(self, *keys):
        rows = [(f"#{n}", AT, "paid", "9.00", phone, email) for n, (phone, email) in enumerate(keys)]
        found = mapped("shopify", self.HEADINGS, rows)
        pairs = {(row["customer_id"], row["kind"], row["value"]) for row in found["identities"]}
        people = {row["order_id"]: row["customer_id"] for row in found["orders"]}
        return [people[f"#{n}"] for n in range(len(keys))], pairs

    def test_an_address_with_two_numbers_is_one_customer(self):
        people, pairs = self.read(
            ("+12025550101", "a@b.example"), ("(202) 555-0102", "A@b.example"), ("", "a@b.example")
        )
        assert {person.lower() for person in people} == {"a@b.example"}
        assert {(owner.lower(), value) for owner, _kind, value in pairs} == {
            ("a@b.example", "+12025550101"), ("a@b.example", "(202) 555-0102"),
        }  # fmt: skip

    def test_a_number_with_two_addresses_is_one_customer(self):
        _people, pairs = self.read(("+12025550101", "a@b.example"), ("2025550101", "c@b.example"))
        assert pairs == {("+12025550101", "email", "a@b.example"), ("2025550101", "email", "c@b.example")}

    @pytest.mark.parametrize("phone", ["123", "000", "0", "-", "N/A", "+1"])
    def test_what_is_no_number_joins_nobody(self, phone):
        addresses = [f"{n}@b.example" for n in range(12)]
        assert self.read(*((phone, address) for address in addresses)) == (addresses, set())

    def test_a_number_of_many_addresses_owns_none(self):
        """The loader says that it is unknown whose it is; every order stays its address's."""
        addresses = [f"{n}@b.example" for n in range(5)]
        people, pairs = self.read(*(("+12025550101", address) for address in addresses))
        assert people == addresses
        assert pairs == {(address, "phone", "+12025550101") for address in addresses}

    def test_the_address_of_a_till_is_nobodys(self):
        numbers = [f"+120255501{n}" for n in range(10, 30)]
        people, _pairs = self.read(*((number, "till@shop.example") for number in numbers))
        assert people == numbers

    def test_a_word_is_no_address(self):
        assert self.read(("+12025550101", "none"), ("", "no mail"))[0] == ["+12025550101", "guest"]


def test_a_status_of_woocommerce_in_the_language_of_the_shop():
    words = {"Anulowane": False, "Ожидает оплаты": False, "キャンセル済み": False, "Zrealizowane": True}
    headings = ("order_id", "order_date", "status", "order_total", "billing_email")
    found = mapped("woocommerce", headings, [(word, AT, word, "10.00", "a@b.example") for word in words])
    assert {row["order_id"] for row in found["orders"]} == {word for word, counts in words.items() if counts}
