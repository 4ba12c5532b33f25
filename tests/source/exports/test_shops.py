"""Orders of shops: who bought, what was paid and what was refunded. Rows written by hand."""

import pytest

from smsroi_helpers.source.no_value import NO_VALUE
from tests.source.exports.reading import mapped, reasons

YOUZAN = ("订单号", "订单状态", "下单时间", "付款时间", "订单实付金额(元)", "订单已退款金额(元)", "买家手机号", "买家昵称")
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

    @pytest.mark.parametrize("word", ["", *NO_VALUE, "0000-00-00 00:00:00", "1970-01-01 08:00:00", "0"])
    def test_an_order_without_a_time_of_payment_was_not_paid(self, word):
        found = mapped("youzan", YOUZAN, [
            ("E1", "交易关闭", AT, word.upper(), "30.00", "", "13800000001", ""),
            ("E2", "交易关闭", AT, AT, "31.00", word if word in NO_VALUE else "", "13800000001", ""),
        ])  # fmt: skip
        assert amounts(found) == {"E2": 31.0, "E2 refund": -31.0}
        assert reasons(found) == {"Youzan orders that were not paid (交易关闭)": 1}

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
    woo = mapped("woocommerce", ("order_id", "order_date", "status", "order_total", "refunded_total", "billing_email"), [
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
