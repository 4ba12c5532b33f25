"""Scores that split no tie."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from smsroi_helpers.segmentation import rfm
from tests.segmentation.samples import HEAD, frame_of


class TestScores:
    def test_they_are_those_of_another_implementation(self, small_shop):
        orders = small_shop.orders.execute()
        day = orders["ordered_at"].dt.normalize().dt.tz_localize(None)
        after = pd.Timestamp(small_shop.as_of) + pd.Timedelta(days=1)
        theirs = (
            orders.assign(day=day)
            .groupby("customer_id")
            .agg(
                last=("day", "max"), frequency=("order_id", "size"), monetary=("amount", "sum"), days=("day", "nunique")
            )
        )
        theirs["recency_days"] = (after - theirs["last"]).dt.days
        ours = frame_of(small_shop, rfm.rfm_rows(small_shop)).set_index("customer_id")
        for column in ("recency_days", "frequency", "monetary"):
            assert ours[column].tolist() == theirs[column].tolist()
        assert ours["purchase_days"].tolist() == theirs["days"].tolist()
        for score, values in (
            ("r_score", -theirs["recency_days"]),
            ("f_score", theirs["frequency"]),
            ("m_score", theirs["monetary"]),
        ):
            below = (values.rank(method="min") - 1).astype(int)
            assert ours[score].tolist() == (below * 5 // len(values) + 1).tolist()

    def test_no_tie_is_split(self, small_shop):
        ours = frame_of(small_shop, rfm.rfm_rows(small_shop))
        for measure, score in (("recency_days", "r_score"), ("frequency", "f_score"), ("monetary", "m_score")):
            assert ours.groupby(measure)[score].nunique().max() == 1
            assert ours[score].between(1, 5).all()

    def test_todays_buyer_has_recency_one(self, make_source, open_source):
        shop = open_source(make_source(orders=HEAD + "1,a,2024-05-05 23:59:00,5\n2,b,2024-05-01 00:00:00,5\n"))
        assert frame_of(shop, rfm.rfm_rows(shop))["recency_days"].tolist() == [1, 5]

    def test_an_earlier_day_knows_nothing_of_later_orders(self, small_shop):
        at = dt.date(2023, 8, 1)
        early = frame_of(small_shop, rfm.rfm_rows(small_shop, at))
        orders = small_shop.orders.execute()
        past = orders[orders["ordered_at"].dt.tz_localize(None) < pd.Timestamp("2023-08-02")]
        assert early["frequency"].sum() == len(past)
        assert early["monetary"].sum() == pytest.approx(past["amount"].sum())

    def test_refunds_are_no_purchase(self, make_source, open_source):
        shop = open_source(make_source(orders=HEAD + "1,a,2024-05-05,50\n2,a,2024-05-06,-50\n3,b,2024-05-06,-1\n"))
        assert frame_of(shop, rfm.rfm_rows(shop))[["customer_id", "frequency", "monetary"]].to_numpy().tolist() == [
            ["a", 1, 50.0]
        ]


@pytest.mark.public_data
class TestOnlineRetail:
    @pytest.fixture
    def retail(self, open_public):
        return open_public("online_retail", "2010-12-09")

    def test_recency_frequency_and_one_time_buyers_are_the_known_ones(self, retail):
        """Recency counts to the day after the last one observed, 2010-12-10."""
        rows = rfm.rfm_rows(retail).execute()
        assert rows["recency_days"].quantile([0, 0.5, 1]).tolist() == [1, 53, 374]
        assert rows["frequency"].quantile([0, 0.5, 1]).tolist() == [1, 2, 205]
        assert (rows["frequency"] == 1).sum() == 1419
        assert (rows["purchase_days"] == 1).sum() == 1494

    def test_the_top_fifth_hold_what_is_known(self, retail):
        spent = rfm.rfm_rows(retail).execute()["monetary"].sort_values(ascending=False)
        top = spent.iloc[: int(np.ceil(len(spent) / 5))].sum() / spent.sum()  # 863 of 4,312
        assert round(100 * top, 2) == 73.48
