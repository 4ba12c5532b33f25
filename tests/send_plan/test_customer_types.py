"""Codes of customers as of an earlier day, against plain pandas: nothing after that day is used."""

import datetime as dt

import ibis
import numpy as np
import pandas as pd
import pytest

from smsroi_helpers.segmentation import known_people
from smsroi_helpers.send_plan.customer_types import UNKNOWN, read_codes

DAY = dt.date(2026, 2, 15)
LIMITS = np.array([1, 2, 3, 5, 9, 15])


@pytest.fixture(scope="module")
def levels(second_plan):
    """customer_id → level of each indicator on the day."""
    types = second_plan.plan.types
    people = known_people(types.shop, DAY).mutate(label_day=ibis.literal(DAY))
    rows = types.shop.count(types.label(people).order_by("customer_id"))
    assert rows["customer_id"].is_unique
    names = [each.name for each in types.indicators]
    return pd.DataFrame(read_codes(rows["code"]), columns=names, index=rows["customer_id"])


@pytest.fixture(scope="module")
def bought(second_plan, levels):
    """customer_id, day and amount of the orders by then, on the source's clock."""
    orders = second_plan.table("orders")
    orders["day"] = orders["ordered_at"].dt.tz_convert("Europe/Paris").dt.date
    orders = orders[orders["day"] <= DAY]
    return orders.groupby(["customer_id", "day"], as_index=False)["amount"].sum()


def test_codes_are_the_same_whether_one_day_is_named_or_several_are_asked_for(second_plan):
    types = second_plan.plan.types
    shop = types.shop
    people = [known_people(shop, day).mutate(label_day=ibis.literal(day)) for day in (DAY, shop.as_of)]
    together = shop.count(types.label(shop.keep(ibis.union(*people))).order_by("label_day", "customer_id"))
    alone = [
        shop.count(types.label(rows, day).order_by("label_day", "customer_id"))
        for rows, day in zip(people, (DAY, shop.as_of), strict=True)
    ]
    pd.testing.assert_frame_equal(together, pd.concat(alone, ignore_index=True))
    assert together.groupby("customer_id")["code"].nunique().gt(1).any()


def test_attributes_are_those_of_the_customer(second_plan, levels):
    types = second_plan.plan.types
    people = second_plan.table("customers").set_index("customer_id").reindex(levels.index)
    assert types.values
    for name, known in types.values.items():
        value = people[name].astype("string").fillna(UNKNOWN)
        assert [known[level] for level in levels[name]] == value.tolist()


def test_levels_are_within_their_sizes(second_plan, levels):
    for indicator in second_plan.plan.types.indicators:
        assert levels[indicator.name].between(0, indicator.levels - 1).all()


def test_purchase_days_are_those_until_the_day(levels, bought):
    days = bought.groupby("customer_id").size().reindex(levels.index).fillna(0).to_numpy()
    assert (levels["purchases"] == (days[:, None] >= LIMITS).sum(axis=1)).all()
    assert levels["purchases"].nunique() >= 5


def test_recency_is_by_fifths_of_the_customers_of_the_day(levels, bought):
    """1 + whole fifths of the buyers whose last purchase was earlier."""
    last = pd.to_datetime(bought.groupby("customer_id")["day"].max())
    below = last.rank(method="min") - 1
    score = (1 + np.floor(5 * below / len(last))).reindex(levels.index).fillna(0)
    assert (levels["recency"] == score).all()


def test_order_value_is_the_mean_by_purchase_day(second_plan, levels, bought):
    cuts = np.array(second_plan.plan.types.order_value_cuts)
    mean = bought.groupby("customer_id")["amount"].mean().reindex(levels.index)
    expected = np.where(mean.isna(), 0, 1 + (mean.to_numpy()[:, None] > cuts + 1e-9).sum(axis=1))
    clear = mean.isna() | (abs(mean.to_numpy()[:, None] - cuts).min(axis=1) > 1e-6)
    assert (levels["order_value"] == expected)[clear].all()
    assert clear.mean() > 0.99


def test_clicks_count_the_texts_delivered_until_the_day(second_plan, levels):
    sent = second_plan.table("messages")
    sent = sent[sent["sent_at"].dt.tz_convert("Europe/Paris").dt.date <= DAY]
    got = sent.groupby("customer_id")["delivered_at"].count().reindex(levels.index).fillna(0)
    assert ((levels["clicks"] == 0) == (got == 0)).all()
    clicked = sent.dropna(subset=["clicked_at"])
    clicked = clicked[clicked["clicked_at"].dt.tz_convert("Europe/Paris").dt.date <= DAY]
    never = got.index[(got > 20) & ~got.index.isin(clicked["customer_id"])]
    often = clicked.groupby("customer_id").size()
    often = often.index[often / got.reindex(often.index) > 0.15].intersection(levels.index)
    assert min(len(never), len(often)) > 5
    assert levels.loc[never, "clicks"].mean() < levels.loc[often, "clicks"].mean()
