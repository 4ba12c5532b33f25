"""K-means on the dimensions that features share."""

import dataclasses
import datetime as dt

import ibis
import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score

from smsroi_helpers.segmentation import clusters, membership, resolution, rfm, rules, wording
from smsroi_helpers.simulation import write
from smsroi_helpers.simulation.ground_truth import draw_world
from smsroi_helpers.source.read import load
from smsroi_helpers.source.shop import open_shop
from tests.segmentation.samples import HEAD, ROOT, decide_all, sample_of
from tests.simulated_segments import likeliest_segments


class TestClusters:
    def test_dimensions_of_numbers_alone_are_principal_components(self):
        rng = np.random.default_rng(1)
        numbers = rng.multivariate_normal([0, 1, 2], [[1, 0.6, 0.3], [0.6, 2, 0.1], [0.3, 0.1, 0.5]], 500)
        found = clusters.find_dimensions(numbers, 3)
        standard = (numbers - numbers.mean(axis=0)) / numbers.std(axis=0)
        theirs = PCA(3).fit(standard)
        assert found.eigenvalues == pytest.approx(theirs.explained_variance_ * 499 / 500)
        assert np.abs(found.scores(numbers)) == pytest.approx(
            np.abs(theirs.transform(standard)[:, : found.axes.shape[1]])
        )

    def test_a_category_of_l_values_carries_l_minus_one(self):
        rng = np.random.default_rng(1)
        sample = sample_of(rng.standard_normal((600, 2)), level=rng.choice(list("abcd"), 600))
        found = clusters.find_dimensions(clusters.encode(sample.rows, sample.features), 2)
        assert found.eigenvalues.sum() == pytest.approx(2 + 3)

    def test_the_engine_puts_everybody_where_the_nearest_centroid_is(self, company):
        shop, found, _source = company
        sample = found.sample
        assert sample.share == 1.0
        fitted = clusters.fit_clusters(sample, 4, seed=1)
        assigned = clusters.cluster_of(shop, fitted).order_by("customer_id").execute()
        scores = fitted.dimensions.scores(clusters.encode(sample.rows, sample.features))
        distance = ((scores[:, None, :] - fitted.centroids[None]) ** 2).sum(axis=2)
        assert assigned["cluster"].tolist() == [fitted.names[j] for j in distance.argmin(axis=1)]
        assert (fitted.assign(sample.rows) == distance.argmin(axis=1)).all()

    def test_the_same_seed_gives_the_same_clusters(self, company):
        _shop, found, _source = company
        first, second = (clusters.fit_clusters(found.sample, 3, seed=7) for _ in range(2))
        assert (first.centroids == second.centroids).all()

    def test_a_smaller_sample_is_a_part_of_the_larger(self, company):
        shop, found, _source = company
        part = clusters.take_sample(shop, 30, size=1250)
        assert 0.25 <= part.share < 0.35
        assert len(part.rows) == pytest.approx(part.share * len(found.sample.rows), abs=1)

    def test_machines_that_open_links_at_once_do_not_click(self, make_source, open_source):
        orders = HEAD + "".join(f"{i},c{i % 40},2024-0{1 + i % 5}-0{1 + i % 9},{5 + i % 11}\n" for i in range(200))
        sent = "message_id,customer_id,campaign_id,sent_at,delivered_at,clicked_at\n"
        times = {0: "", 1: "2024-04-01 10:00:03", 2: "2024-04-01 10:09:00"}
        sent += "".join(f"{i},c{i},w,2024-04-01 10:00:00,2024-04-01 10:00:01,{times[i % 3]}\n" for i in range(40))
        shop = open_source(make_source(orders=orders, messages=sent))
        sample = clusters.take_sample(shop, 30)
        assert sample.features.click_rate == pytest.approx(
            sum(i % 3 == 2 for i in range(40)) / sum(i % 3 != 1 for i in range(40))
        )  # where a machine clicked, a person's click is unknown


def test_messages_and_purchases_asked_for_some_customers_are_those_of_each_day(company):
    """Each customer on a day of their own; scores are those among everybody of the day."""
    shop, _found, _source = company
    days = [shop.as_of - dt.timedelta(days=after) for after in (0, 35, 36, 120)]
    people = shop.customers.select("customer_id").order_by("customer_id").limit(200).execute()["customer_id"]
    asked = pd.DataFrame({"customer_id": people, "label_day": [days[n % 4] for n in range(200)]})
    table = shop.keep(ibis.memtable(asked, schema={"customer_id": "string", "label_day": "date"}))
    for count, who in ((clusters.messages_by_customer, "member_id"), (rfm.rfm_rows, "customer_id")):
        found = count(shop, table).execute()
        assert 100 < len(found) <= 200
        for day in days:
            alone = count(shop, day).execute().set_index(who)
            own = asked.loc[asked["label_day"] == day, "customer_id"]
            expected = alone.reindex(own[own.isin(alone.index)]).sort_index()
            of_day = found[pd.to_datetime(found["label_day"]).dt.date == day].drop(columns="label_day")
            of_day = of_day.set_index(who).sort_index()[expected.columns]
            pd.testing.assert_frame_equal(of_day, expected, check_names=False)


def test_clusters_of_a_simulated_company_are_most_of_what_can_be_known(company):
    """Adjusted Rand against the latent segments: 70 % of the best assignment's, and better than RFM's."""
    shop, found, source = company
    assert found.tested.accepted
    truth = likeliest_segments(source)
    assigned = resolution.segments(shop, "cluster", cuts=found.cuts, clusters=found.clusters).execute()
    groups = rfm.rfm_rows(shop)
    scores = groups.select(
        "customer_id", "recency_days", "frequency", "monetary", name=rules.group_of(groups, found.cuts)
    ).execute()
    both = truth.merge(assigned, on="customer_id").merge(scores, on="customer_id")
    best = adjusted_rand_score(both["segment_x"], both["likeliest"])
    ours = adjusted_rand_score(both["segment_x"], both["segment_y"])
    by_group = adjusted_rand_score(both["segment_x"], both["name"])
    logs = np.log(both[["recency_days", "frequency", "monetary"]])
    by_rfm = [
        adjusted_rand_score(
            both["segment_x"], KMeans(k, n_init=4, random_state=1).fit_predict((logs - logs.mean()) / logs.std())
        )
        for k in (2, 3, 4, 5)
    ]
    assert best > 0.25
    assert ours >= 0.7 * best
    assert ours > max(by_group, *by_rfm)


def test_a_company_of_one_kind_of_customer_has_no_clusters(tmp_path, monkeypatch):
    def of_one_kind(seed, null=False):
        share = np.array([0.0, 0.0, 1.0, 0.0])
        return dataclasses.replace(draw_world(seed, null), share=share)

    monkeypatch.setattr(write, "draw_world", of_one_kind)
    write.write_company(tmp_path / "source", customers=1500, weeks=40, seed=3)
    shop = open_shop(load(tmp_path / "source", tmp_path / ".loaded"), "", tmp_path / ".cache")
    found = membership.find_grouping(shop)
    assert not found.tested.accepted
    assert found.clusters is None
    assert "No clustering is supported" in wording.cluster_test_sentence(found)
    table = membership.customer_segments(shop, found)
    assert table.cluster.isnull().all().execute()
    answer, *rows = decide_all(shop, found=found)
    assert "No clustering is supported" in answer.text
    assert {row.segment for row in rows} <= set(rules.BUYER_GROUPS)


def test_the_simulated_companys_truth_is_read_for_tests_alone():
    """No module of the stage knows of `truth`."""
    modules = sorted((ROOT / "smsroi_helpers" / "segmentation").glob("*.py"))
    assert len(modules) > 10
    for file in modules:
        text = file.read_text(encoding="utf-8")
        assert "truth" not in text
        assert "smsroi_helpers.simulation" not in text
        assert "settings.simulated" not in text
