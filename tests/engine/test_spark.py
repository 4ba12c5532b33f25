"""The same customer is in the same group on another engine: every count and every label, by Spark and by DuckDB."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from smsroi_helpers.engine.duckdb import hash_group, local_time
from smsroi_helpers.segmentation import clusters, cutoffs, membership
from smsroi_helpers.simulation.write import write_company
from smsroi_helpers.source.read import load
from smsroi_helpers.source.shop import Shop, open_shop
from tests.spark_shop import SparkShop

pytestmark = pytest.mark.spark


def label(shop: Shop, k: int = 3) -> tuple[membership.Grouping, pd.DataFrame]:
    """Cut-offs, features, sample, fit and labels, all counted by the shop's engine."""
    cuts = cutoffs.find_cuts(shop)
    sample = clusters.take_sample(shop, cuts.dormant_after_days // 2)
    found = membership.Grouping(cuts, None, clusters.fit_clusters(sample, k, seed=1), sample)
    return found, shop.count(membership.customer_segments(shop, found))


@pytest.fixture(scope="module")
def company(tmp_path_factory):
    """A shop whose customers have attributes, clicks and refunds, and Spark's view of it."""
    place = tmp_path_factory.mktemp("spark")
    write_company(place / "source", customers=600, weeks=30, seed=3)
    shop = open_shop(load(place / "source", place / ".loaded"), "", place / ".cache")
    return shop, SparkShop(shop, place / ".spark")


def test_every_customer_is_in_the_same_groups(company):
    shop, spark = company
    (ours, here), (theirs, there) = label(shop), label(spark)
    assert ours.cuts == theirs.cuts
    assert ours.sample.features == theirs.sample.features
    # What clusters are looked for in: logarithms, in whose last digit two libraries may differ.
    pd.testing.assert_frame_equal(ours.sample.rows, theirs.sample.rows, rtol=1e-14)
    assert here["cluster"].nunique() == 4  # three, and who never bought
    pd.testing.assert_frame_equal(here, there, check_exact=True)


def test_ties_of_who_bought_once_are_split_by_neither(tmp_path):
    """Orders alone, six in ten of one order, amounts and days that tie; who was only given money back is known too."""
    rng = np.random.default_rng(1)
    often = np.where(np.arange(500) < 300, 1, rng.integers(2, 6, 500))
    lines, start = ["order_id,customer_id,ordered_at,amount"], dt.datetime(2024, 1, 1)
    for who, n in enumerate(often):
        lines += [
            f"{who}-{i},c{who},{start + dt.timedelta(hours=int(rng.integers(0, 24 * 300)))},{rng.integers(1, 9)}"
            for i in range(n)
        ]
    lines += [f"back,only-back,{start},-5"]
    (tmp_path / "orders.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "source.yml").write_text("timezone: America/New_York\n")
    shop = open_shop(load(tmp_path, tmp_path / ".loaded"), "", tmp_path / ".cache")
    (ours, here), (theirs, there) = label(shop, 2), label(SparkShop(shop, tmp_path / ".spark"), 2)
    assert ours.cuts == theirs.cuts
    assert len(set(here.loc[here["frequency"] == 1, "f_score"])) == 1
    pd.testing.assert_frame_equal(here, there, check_exact=True)


def test_hashes_and_clocks_agree(company):
    """Of each customer 64 groups for two purposes; of each text the hour on the clocks of four zones."""

    def asked(shop: Shop) -> tuple[pd.DataFrame, pd.DataFrame]:
        people, sent = shop.customers, shop.messages
        groups = {purpose: hash_group(people.customer_id, purpose) for purpose in ("one", "two")}
        zones = ("UTC", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe")
        hours = {zone: local_time(sent.sent_at, zone) for zone in zones}
        hashed = people.select("customer_id", **groups).order_by("customer_id")
        return shop.count(hashed), shop.count(sent.select("message_id", **hours).order_by("message_id"))

    for ours, theirs in zip(*map(asked, company), strict=True):
        assert len(ours) > 500
        pd.testing.assert_frame_equal(ours, theirs, check_exact=True, check_dtype=False)
