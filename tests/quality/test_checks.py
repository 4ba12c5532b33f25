"""Rows read, rejected and used, coverage, and notebooks that can run."""

import ibis
import pandas as pd
import pytest

from smsroi_helpers import measures
from smsroi_helpers.quality import checks, runnable
from tests.quality.conftest import MESSAGES, ORDERS


def test_rows_read_are_used_rejected_or_later(shop):
    tables = checks.describe_tables(shop).set_index("table")
    assert tables.loc["orders"].to_dict() == {
        "rows_in": 6, "put_aside": 1, "merged": 0, "guests": 0, "later": 1, "used": 4, "first": "2024-01-01",
        "last": "2024-01-31",
    }  # fmt: skip
    assert (tables["used"] + tables["put_aside"] + tables["later"] == tables["rows_in"]).all()


def test_the_exclusions_are_counted(shop):
    rows = checks.list_exclusions(shop)[["table", "column", "rule", "severity", "rows"]].to_numpy().tolist()
    assert rows == [
        ["orders", "ordered_at", "unreadable", "error", 1],
        ["quarantine", "", "rows without a pseudonym", "note", 1],
        ["orders", "", "later than as_of", "warning", 1],
        ["orders", "", "customers who are not in customers", "warning", 1],
    ]


def test_what_customers_did_after_the_last_day_observed_is_counted(make_source, open_source):
    """Two people answer STOP three days after the last text; the log says so, and the last day is that of the text."""
    sent = [
        f"{n},c{n},k,2024-03-06 10:00,2024-03-06 11:00,{left}" for n, left in enumerate(["2024-03-09 09:00"] * 2 + [""])
    ]
    messages = "message_id,customer_id,campaign_id,sent_at,clicked_at,opted_out_at\n" + "\n".join(sent) + "\n"
    shop = open_source(make_source(messages=messages))
    assert shop.as_of.isoformat() == "2024-03-06"
    rows = checks.list_exclusions(shop)
    (found,) = rows[rows["rule"] == "later than as_of"].to_dict("records")
    assert (found["table"], found["column"], found["severity"]) == ("messages", "opted_out_at", "warning")
    assert (found["rows"], found["share"]) == (2, pytest.approx(2 / 3))


def test_the_quarantine_names_the_line(shop):
    assert checks.list_quarantine(shop).execute()[["table", "line", "reason"]].to_numpy().tolist() == [
        ["orders", 7, "ordered_at: unreadable"]
    ]


def test_coverage_of_the_orders(shop):
    coverage = checks.measure_coverage(shop)
    assert (coverage.customers, coverage.orders, coverage.refunds, coverage.net_paid) == (3, 3, 1, 13.5)
    assert (coverage.buyers, coverage.paid) == (3, 14.5)
    assert (coverage.first, coverage.last, coverage.days) == ("2024-01-01", "2024-01-21", 31)
    assert coverage.longest_gap_days == 18  # a refund is no order
    assert coverage.customers_unknown == 1


def test_customers_with_refunds_only_are_no_buyers(make_source, open_source):
    rows = "1,a,2024-01-01,5\n2,b,2024-01-02,-3\n3,a,2024-01-03,-1\n4,c,2024-01-03,0\n"
    rows = f"order_id,customer_id,ordered_at,amount\n{rows}"
    coverage = checks.measure_coverage(open_source(make_source(orders=rows)))
    assert (coverage.customers, coverage.buyers, coverage.paid, coverage.net_paid) == (3, 2, 5.0, 1.0)
    only_refunds = open_source(make_source(orders="order_id,customer_id,ordered_at,amount\n2,b,2024-01-02,-3\n"))
    assert checks.measure_coverage(only_refunds).paid == 0.0


def test_days_without_orders_at_the_end_are_a_gap(make_source, open_source):
    shop = open_source(make_source(orders=ORDERS), as_of="2024-05-09", max_rejected_share=0.5)
    assert checks.measure_coverage(shop).longest_gap_days == 90


def test_weeks_without_rows_are_zero(shop):
    weeks = checks.count_by_week(shop)
    assert weeks["table"].unique().tolist() == ["orders"]
    assert weeks["rows"].tolist() == [2, 0, 2]
    assert weeks["week"].dt.dayofweek.eq(0).all()


def test_the_notebooks_that_can_run(shop):
    notebooks = runnable.list_notebooks(shop)
    assert notebooks["notebook"].tolist()[0] == "00_quality"
    assert notebooks.set_index("notebook").loc["02_cltv", "can_run"]


def test_warnings_are_counted(wide_shop):
    found = checks.list_exclusions(wide_shop)
    rows = {(row.table, row.rule): row.rows for row in found.itertuples() if row.severity == "warning"}
    assert rows == {
        ("orders", "later than as_of"): 1,
        ("orders", "customers who are not in customers"): 1,
        ("messages", "customers who are not in customers"): 1,
        ("messages", "sent after the opt-out"): 1,
        ("messages", "delivery unknown"): 3,
        ("orders", "refunds without an order before"): 1,
        ("orders", "finer than the currency"): 1,
        ("orders", "same customer, instant and amount"): 1,
    }


def test_with_delivery_times_there_is_no_warning(make_source, open_source):
    messages = "message_id,customer_id,campaign_id,sent_at,delivered_at\nm1,a,k,2024-01-05,2024-01-05 00:01\n"
    shop = open_source(make_source(orders=ORDERS.replace("never", "2024-01-02"), messages=messages))
    assert "delivery unknown" not in set(checks.list_exclusions(shop)["rule"])


def test_overlap_of_the_tables(wide_shop):
    overlap = checks.count_overlap(wide_shop).set_index("table")
    assert overlap["customers"].to_dict() == {"customers": 4, "orders": 5, "messages": 2}
    assert overlap.loc["orders", "in_customers"] == pytest.approx(4 / 5)
    assert overlap.loc["messages", "in_orders"] == pytest.approx(1 / 2)


def test_message_costs(wide_shop):
    prices = checks.count_prices(wide_shop)
    assert prices["channel"].tolist() == ["push", "sms"]
    assert prices["messages"].tolist() == [1, 2]
    assert prices["with_cost"].tolist() == [0.0, 1.0]
    assert prices["cost_per_message"].iloc[1] == pytest.approx(0.06)


def test_the_source_cost_replaces_missing_ones(make_source, open_source):
    folder = make_source(orders=ORDERS.replace("never", "2024-01-02"), messages=MESSAGES, source="message_cost: 0.03\n")
    prices = checks.count_prices(open_source(folder))
    assert prices["cost_per_message"].tolist() == pytest.approx([0.03, 0.06])


def test_a_message_without_a_cost_costs_its_billing_segments_as_in_profit(make_source, open_source):
    messages = "message_id,customer_id,campaign_id,sent_at,segments\nm1,a,k,2024-01-05,2\nm2,a,k,2024-01-06,1\n"
    orders = ORDERS.replace("never", "2024-01-02")
    shop = open_source(make_source(orders=orders, messages=messages, source="message_cost: 0.04\n"))
    (row,) = checks.count_prices(shop).itertuples()
    assert (row.messages, row.with_cost, row.cost_per_message) == (2, 1.0, pytest.approx(0.06))
    assert row.messages * row.cost_per_message == pytest.approx(measures.every_send(shop).cost.sum().execute())


def test_an_e_mail_after_the_opt_out_from_texts_is_no_finding(make_source, open_source):
    left = {"customers": "customer_id,opted_out_at\na,2024-01-06\n"}

    def found(channel):
        messages = f"message_id,customer_id,campaign_id,sent_at,channel\nm1,a,k,2024-01-09,{channel}\n"
        shop = open_source(make_source(orders=ORDERS.replace("never", "2024-01-02"), messages=messages, **left))
        rules = checks.list_exclusions(shop)
        return "sent after the opt-out" in set(rules["rule"])

    assert [found(channel) for channel in ("sms", "", "email", "push")] == [True, True, False, False]


@pytest.mark.parametrize("channel", ["sms", "SMS", "Sms", ""])
def test_opt_outs_by_message_are_enough_for_the_warning_and_sms_is_sms_in_any_case(make_source, open_source, channel):
    shop = open_source(
        make_source(
            orders=ORDERS.replace("never", "2024-01-02"),
            messages="message_id,customer_id,campaign_id,sent_at,channel,opted_out_at\n"
            f"m0,a,k,2024-01-05,{channel},2024-01-06\nm1,a,k,2024-01-09,{channel},\n",
        )
    )
    rules = checks.list_exclusions(shop).set_index("rule")
    assert rules.loc["sent after the opt-out", "rows"] == 1
    assert set(measures.every_send(shop).channel.execute()) == {"sms"}
    assert list(checks.count_prices(shop)["channel"]) == ["sms"]
    assert measures.choose_channel(shop, channel) == "sms"


@pytest.mark.parametrize(
    ("opted_in", "opted_out", "by_message", "found"),
    [
        ("2024-01-01", "2024-01-06", "", True),
        ("2024-01-07", "2024-01-06", "", False),  # opted in again before the text
        ("2024-01-10", "2024-01-06", "", True),  # opted in again only after it
        ("2024-01-06", "2024-01-06", "", True),  # at one instant: the opt-out is in force
        ("2024-01-01", "", "2024-01-06", True),  # the opt-out is recorded with a message
        ("2024-01-07", "", "2024-01-06", False),
    ],
)
def test_a_text_is_a_finding_while_the_opt_out_is_in_force(
    make_source, open_source, opted_in, opted_out, by_message, found
):
    shop = open_source(
        make_source(
            orders=ORDERS.replace("never", "2024-01-02"),
            customers=f"customer_id,opted_in_at,opted_out_at\na,{opted_in},{opted_out}\n",
            messages="message_id,customer_id,campaign_id,sent_at,opted_out_at\n"
            f"m0,a,k,2024-01-05,{by_message}\nm1,a,k,2024-01-09,\n",
        )
    )
    rules = checks.list_exclusions(shop)
    assert ("sent after the opt-out" in set(rules["rule"])) == found
    subscribed = measures.subscribed(shop, ibis.timestamp("2024-01-09"), shop.customers).execute()
    assert (len(subscribed) == 0) == found


def test_the_range_of_weeks_is_that_of_their_rows():
    assert checks.range_of_weeks(pd.DataFrame({"rows": [3, 0, 12]})) == (0, 12)
