"""The same customer is in the same group on another engine: every count and every label, by Spark and by DuckDB."""

import datetime as dt

import ibis
import numpy as np
import pandas as pd
import pytest
from pyarrow import parquet

from smsroi_helpers.engine import (
    EngineError,
    EngineIOError,
    copy_to_csv,
    copy_to_json_lines,
    guard_formula,
    hash_group,
    local_time,
    write_parquet,
)
from smsroi_helpers.segmentation import clusters, cutoffs, membership
from smsroi_helpers.source.read import load
from smsroi_helpers.source.shop import Shop, open_shop
from tests.engine.spark_sources import open_both

pytestmark = pytest.mark.spark


def label(shop: Shop, k: int = 3) -> tuple[membership.Grouping, pd.DataFrame]:
    """Cut-offs, features, sample, fit and labels, all counted by the shop's engine."""
    cuts = cutoffs.find_cuts(shop)
    sample = clusters.take_sample(shop, cuts.dormant_after_days // 2)
    found = membership.Grouping(cuts, None, clusters.fit_clusters(sample, k, seed=1), sample)
    return found, shop.count(membership.customer_segments(shop, found))


@pytest.fixture(scope="module")
def company(every_table, tmp_path_factory):
    """A shop whose customers have attributes, clicks and refunds, on DuckDB and on Spark."""
    place = tmp_path_factory.mktemp("spark")
    return open_both(load(every_table / "source", place / ".loaded"), place)


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
    shop, spark = open_both(load(tmp_path, tmp_path / ".loaded"), tmp_path)
    (ours, here), (theirs, there) = label(shop, 2), label(spark, 2)
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


def test_a_table_is_written_alike(company, tmp_path):
    """The same rows in the same order, of the same types, in one file; of no rows too, and of what Python holds."""
    for name, make in {
        "orders": lambda shop: shop.orders.order_by("order_id"),
        "none": lambda shop: shop.orders.filter(shop.orders.amount > 1e9),
        "few": lambda shop: ibis.memtable(pd.DataFrame({"a": [1, 2], "b": ["x", None]})),
        "sums": lambda shop: (
            shop.orders.group_by("customer_id").aggregate(n=shop.orders.count()).order_by("customer_id")
        ),
    }.items():
        files = [tmp_path / f"{name}-{shop.con.name}.parquet" for shop in company]
        rows = [shop.write(make(shop), file) for shop, file in zip(company, files, strict=True)]
        assert rows[0] == rows[1]
        ours, theirs = (parquet.read_table(file) for file in files)
        assert ours.schema.remove_metadata() == theirs.schema.remove_metadata()
        assert ours.equals(theirs)
        assert sorted(tmp_path.iterdir()) == sorted([*tmp_path.glob("*.parquet")])


def test_lists_are_the_same_text(company, tmp_path):
    """CSV and JSON lines to the byte, with times, decimals, missing values and signs of formulas."""
    for shop in company:
        rows = shop.orders.order_by("order_id").select(
            "order_id", "customer_id", at=shop.orders.ordered_at, rounded=shop.orders.amount.round(1),
            third=shop.orders.amount / 3, missing=ibis.null("string"), text=guard_formula(ibis.literal('=1,"x"')),
        )  # fmt: skip
        copy_to_csv(shop.con, rows, tmp_path / f"{shop.con.name}.csv", byte_order_mark=True)
        copy_to_json_lines(shop.con, rows, tmp_path / f"{shop.con.name}.jsonl")
    for kind in ("csv", "jsonl"):
        ours, theirs = ((tmp_path / f"{name}.{kind}").read_bytes() for name in ("duckdb", "pyspark"))
        assert len(ours) > 10_000
        assert ours == theirs


def test_what_is_kept_is_read_again_by_another_session(company):
    """As by the next notebook: nothing is computed twice."""
    _, spark = company
    rows = spark.messages.group_by("customer_id").aggregate(texts=spark.messages.count())
    first = spark.keep(rows)
    other = open_shop(spark.loaded, "", spark._cache)
    again = other.keep(other.messages.group_by("customer_id").aggregate(texts=other.messages.count()))
    assert again.get_name() == first.get_name()
    total = other.count(again.aggregate(n=again.texts.sum()))["n"].item()
    assert total == spark.count(spark.messages.aggregate(n=spark.messages.count()))["n"].item()


def test_a_query_that_fails_is_an_error_of_the_engine(company, tmp_path):
    _, spark = company
    broken = spark.orders.mutate(n=spark.orders.order_id.cast("int64") // 1)
    with pytest.raises(EngineError, match="CAST_INVALID_INPUT"):
        spark.count(broken.aggregate(n=broken.n.sum()))
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(EngineIOError):
        write_parquet(spark.con, spark.orders, tmp_path / "file" / "orders.parquet")
