"""The KPIs of messages."""

import re

import numpy as np
import pandas as pd
import pytest

from smsroi_helpers import effectiveness, measures
from smsroi_helpers.effectiveness.kpis import count_customers, estimate_kpis, find, first_and_last_day
from smsroi_helpers.effectiveness.outputs import attribution_rows, campaign_rows, kpi_rows
from smsroi_helpers.effectiveness.score import score_campaigns


def test_rates_equal_a_plain_computation_for_each_campaign(company, found):
    rows = measures.message_outcomes(company, 72).execute()
    rows = rows[rows["observed_hours"] >= 72]
    plain = rows.groupby("campaign_id").agg(messages=("customer_id", "size"), delivered=("delivered", "sum"))
    orders = rows[rows["attributed_orders"] > 0].groupby("campaign_id").size().reindex(plain.index).fillna(0)
    got = found.campaigns.set_index("campaign_id")
    assert got["messages"].to_dict() == plain["messages"].to_dict()
    assert got["delivered_rate"].to_dict() == pytest.approx((plain["delivered"] / plain["messages"]).to_dict())
    assert got["conversion_rate"].to_dict() == pytest.approx((orders / plain["delivered"]).to_dict())


def test_the_interval_of_a_rate_is_that_of_customers_not_of_messages(found):
    rate, low, high = find(found.kpis, "click_rate")
    row = found.kpis[(found.kpis["kpi"] == "click_rate") & (found.kpis["dimension"] == "all")].iloc[0]
    of_messages = 3.92 * np.sqrt(rate * (1 - rate) / row["denominator"])
    assert low < rate < high
    assert high - low > of_messages  # a customer's messages are alike


def test_a_budget_replaces_the_tariff(found):
    name = found.campaigns.loc[found.campaigns["cost"] > 0, "campaign_id"].iloc[0]
    cost = found.campaigns.set_index("campaign_id").loc[name, "cost"]
    rows = estimate_kpis(found.cells, found.known, {name: 2 * cost})
    assert find(rows, "cost_performance", "campaign", name)[0] == pytest.approx(2.0)
    assert np.isnan(find(rows, "cost_performance")[0])


def test_the_tables_have_the_columns_of_the_contract_and_no_infinite_number(company, found):
    scores = score_campaigns(found.cells, np.random.default_rng(1))
    rows = campaign_rows(found, scores)
    assert len(rows) == rows["campaign_id"].nunique() == len(found.campaigns)
    assert np.isfinite(rows["roi"].dropna()).all()
    assert rows["score"].between(0, 1).sum() == len(scores.rows)
    assert len(kpi_rows(found)) == len(found.kpis)
    assert set(attribution_rows(found)["touch"]) == {"last", "any"}


def test_messages_alone_say_what_is_missing(read_once):
    sends = "".join(f"m{i},c{i % 40},k{i % 2},2024-01-{1 + i % 20:02} 10:0{i % 10}\n" for i in range(200))
    shop = read_once(messages="message_id,customer_id,campaign_id,sent_at\n" + sends)
    found = effectiveness.analyse(shop)
    assert set(found.kpis["kpi"]) == {"dau_mau"} or len(found.kpis) == 0
    assert campaign_rows(found)["messages"].sum() == found.sends.messages
    assert campaign_rows(found)[["click_rate", "conversion_rate", "attributed_revenue", "roi"]].isna().all(axis=None)
    (decision,) = effectiveness.decide(found)
    for words in ("has no orders", "does not name campaigns", "records no deliveries", "records no clicks"):
        assert words in decision.caveat
    assert decision.outcome == "not_enough_evidence"
    assert "money" not in decision.unit


@pytest.fixture(scope="module")
def two_channels(read_once):
    """100 texts with a cost, 10 opt-outs and 20 orders; 300 e-mails without a cost, with 30 orders and no opt-out."""
    rows, orders = [], []
    for i in range(400):
        sms = i < 100
        left = "2024-01-10 12:00" if i < 10 else ""
        rows.append(f"m{i},c{i},{'spring' if sms else 'news'},{'sms' if sms else 'email'},2024-01-10 10:00,"
                    f"{0.5 if sms else 0},{left}")  # fmt: skip
        if i < 20 or 100 <= i < 130:
            orders.append(f"o{i},c{i},2024-01-11 10:00,10")
    return effectiveness.analyse(read_once(
        messages="message_id,customer_id,campaign_id,channel,sent_at,cost,opted_out_at\n" + "\n".join(rows) + "\n",
        orders="order_id,customer_id,ordered_at,amount\nlate,z,2024-01-31 10:00,1\n" + "\n".join(orders) + "\n",
        source="margin: 0.5\n",
    ))  # fmt: skip


def test_what_a_channel_does_not_record_is_unknown_and_not_0(two_channels):
    kpis = two_channels.kpis
    assert find(kpis, "opt_out_rate", "channel", "sms")[0] == pytest.approx(0.1)
    assert find(kpis, "opt_out_rate")[0] == pytest.approx(0.1)  # not 10 of 400
    for dimension, value in (("channel", "email"), ("campaign", "news")):
        assert np.isnan(find(kpis, "opt_out_rate", dimension, value)).all()
    rows = campaign_rows(two_channels).set_index("campaign_id")
    assert np.isnan(rows.loc["news", "opt_out_rate"])
    (decision,) = effectiveness.decide(two_channels)
    assert "No opt-out is recorded for channel email" in decision.caveat


def test_attributed_roi_is_of_the_messages_that_cost_something(two_channels):
    # 20 orders of 10 at a margin of 0.5, less 100 texts at 0.5: (100 − 50) ÷ 50. The e-mails' 150 have no cost.
    for dimension, value in (("all", "all"), ("channel", "sms"), ("campaign", "spring")):
        assert find(two_channels.kpis, "roi", dimension, value)[0] == pytest.approx(1.0)
    assert np.isnan(find(two_channels.kpis, "roi", "channel", "email")).all()


def test_money_has_its_currency(two_channels):
    page = effectiveness.tables.definitions_table(two_channels, "EUR").markup
    assert "€1.25" in page  # 500 of attributed revenue ÷ 400 delivered messages
    assert "€" in effectiveness.tables.kpis_table(two_channels, "channel", "EUR").markup
    by_segment = effectiveness.tables.kpis_table(two_channels, "segment", "EUR")
    assert "on the day before it" in by_segment.text
    assert "on the day before it" not in effectiveness.tables.kpis_table(two_channels, "channel", "EUR").text


@pytest.mark.parametrize("dimension", ["segment", "month"])
def test_parts_are_numbered_over_the_tables_of_messages_and_of_customers(found, dimension):
    tables = effectiveness.tables
    shown = [tables.kpis_table(found, dimension, "USD"), tables.customer_kpis_table(found, dimension, "USD")]
    captions = [caption for each in shown for caption in re.findall(r"<caption[^>]*>(.*?)</caption>", each.markup)]
    numbers = [re.search(r"Part (\d) of (\d)", caption).groups() for caption in captions]
    assert len(captions) > 2
    assert numbers == [(str(part), str(len(captions))) for part in range(1, len(captions) + 1)]


def test_the_days_of_campaigns_and_the_customers_of_a_group_are_the_extremes():
    campaigns = pd.DataFrame({"first": ["2026-02-03", "2026-01-05"], "last": ["2026-02-04", "2026-01-31"]})
    assert first_and_last_day(campaigns.apply(pd.to_datetime)) == ("2026-01-05", "2026-02-04")
    assert count_customers(pd.DataFrame({"customers": [4, 9, 7]})) == 9
