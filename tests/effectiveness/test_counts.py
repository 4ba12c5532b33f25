"""Which messages count, and the sums of the engine."""

import datetime as dt
import hashlib

import pytest

from smsroi_helpers import measures
from smsroi_helpers.effectiveness.counts import DIMENSIONS, JACKKNIFE, SUMS, first_month


@pytest.mark.parametrize(
    ("last", "months", "first"),
    [
        (dt.date(2024, 3, 31), 1, dt.date(2024, 3, 1)),
        (dt.date(2024, 3, 1), 3, dt.date(2024, 1, 1)),
        (dt.date(2024, 1, 15), 13, dt.date(2023, 1, 1)),
    ],
)
def test_the_first_month_counted(last, months, first):
    assert first_month(last, months) == first


def test_every_dimension_adds_up_to_the_same_messages_and_money(found):
    sums = found.cells.groupby("dimension")[list(SUMS)].sum()
    assert set(sums.index) == set(DIMENSIONS)
    for name in ("messages", "delivered", "clicked", "opted_out", "converted", "cost", "attributed_revenue"):
        assert sums[name].to_numpy() == pytest.approx(sums.loc["all", name])
    assert sums.loc["all", "messages"] == found.sends.messages
    # A customer is in several campaigns, and counts once in each.
    assert sums.loc["campaign", "customers"] > sums.loc["all", "customers"]


def test_the_sums_equal_a_plain_computation(company, found):
    rows = measures.message_outcomes(company, 72).execute()
    rows = rows[rows["observed_hours"] >= 72]
    known = rows[rows["delivered"] & rows["click_known"]]
    since = (known["human_click_at"] - known["delivered_at"]).dt.total_seconds() / 3600
    whole = found.cells[found.cells["dimension"] == "all"].sum()
    assert whole["messages"] == len(rows)
    assert whole["delivered"] == rows["delivered"].sum()
    assert whole["click_known"] == len(known)
    assert whole["clicked"] == (since < 72).sum()
    assert whole["converted"] == (rows["attributed_orders"] > 0).sum()
    assert whole["attributed_revenue"] == pytest.approx(rows["attributed_revenue"].sum())
    assert whole["customers"] == rows["customer_id"].nunique()
    assert whole["reached"] == rows.loc[rows["delivered"], "customer_id"].nunique()


def test_a_customer_is_in_the_group_of_the_hash(found):
    rows = found.sends.rows
    people = rows.group_by("customer_id").aggregate(least=rows.group.min(), most=rows.group.max()).limit(200).execute()
    assert len(people) == 200
    for row in people.itertuples():
        digest = hashlib.md5(f"{JACKKNIFE}:{row.customer_id}".encode()).hexdigest()
        assert row.least == row.most == int(digest[:2], 16) % 64
