"""Clusters only where there are any."""

import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, euclidean_distances, silhouette_score

from smsroi_helpers.segmentation import cluster_test, clusters, cutoffs, membership, wording
from tests.segmentation.samples import one_population, sample_of


class TestOnePopulation:
    def test_two_kinds_of_customers_are_found(self):
        rng = np.random.default_rng(3)
        kind = rng.integers(0, 2, 900)
        numbers = np.column_stack([rng.normal(3 * kind, 1), rng.normal(-2 * kind, 1), rng.normal(2 * kind, 1)])
        tested = cluster_test.run_cluster_test(
            sample_of(numbers), np.random.default_rng(1), draws=19, max_customers=900
        )
        assert tested.accepted
        assert tested.k == 2

    def test_one_population_is_left_whole(self):
        """At one in twenty, three of six would come by chance once in five hundred."""
        stood = 0
        for seed in range(6):
            rng = np.random.default_rng(seed)
            tested = cluster_test.run_cluster_test(one_population(rng, 400), rng, draws=19)
            stood += tested.accepted
        assert stood <= 2

    def test_a_cluster_too_small_to_be_of_use_does_not_stand(self):
        rng = np.random.default_rng(3)
        few = rng.random(900) < 0.03
        numbers = np.column_stack([rng.normal(9 * few, 1), rng.normal(9 * few, 1), rng.normal(0, 1, 900)])
        tested = cluster_test.run_cluster_test(
            sample_of(numbers), np.random.default_rng(1), smallest_share=0.1, draws=19, max_customers=900
        )
        assert not tested.table.set_index("k").loc[2, "admissible"] or not tested.accepted

    def test_a_reference_draw_has_the_margins_and_correlations_of_the_data(self):
        rng = np.random.default_rng(5)
        sample = one_population(rng, 4000)
        drawn = cluster_test._ReferencePopulation(sample.rows, sample.features, rng).draw(40_000, rng)
        data = clusters.encode(sample.rows, sample.features)
        assert drawn.mean(axis=0) == pytest.approx(data.mean(axis=0), abs=4 * 2 / np.sqrt(4000))
        # Ranks of what is drawn correlate as the data's do, four standard errors of both at these sizes.
        ours = pd.DataFrame(drawn).corr(method="spearman").to_numpy()[:3, :3]
        theirs = pd.DataFrame(data).corr(method="spearman").to_numpy()[:3, :3]
        assert ours == pytest.approx(theirs, abs=4 * np.sqrt(1 / 4000 + 1 / 40_000))

    def test_many_samples_are_grouped_as_one_by_one(self):
        """Three kinds well apart: the centroids are the kinds' means, as scikit-learn finds them."""
        rng = np.random.default_rng(2)
        kinds = np.array([[0.0, 0.0], [9.0, 0.0], [0.0, 12.0]])
        samples = kinds[rng.integers(0, 3, (5, 150))] + rng.standard_normal((5, 150, 2))
        ours = cluster_test._kmeans_many(samples, 3, rng)
        for sample, centroids in zip(samples, ours, strict=True):
            theirs = KMeans(3, n_init=3, random_state=1).fit(sample).cluster_centers_
            assert np.sort(centroids, axis=0) == pytest.approx(np.sort(theirs, axis=0), abs=1e-6)

    def test_agreement_is_the_librarys(self):
        rng = np.random.default_rng(3)
        labels, others = rng.integers(0, 4, 300), rng.integers(0, 4, (6, 300))
        others[0] = (labels + 1) % 4
        others[1] = np.where(rng.random(300) < 0.2, others[1], labels)
        theirs = [adjusted_rand_score(labels, other) for other in others]
        assert cluster_test._adjusted_rand(labels, others, 4) == pytest.approx(theirs)

    def test_silhouette_is_the_librarys(self):
        """A row alone in its cluster counts as 0, rows at one place too, and a number that no row has is no cluster."""
        rng = np.random.default_rng(4)
        rows, labels = rng.standard_normal((60, 2)), rng.integers(0, 3, 60)
        labels[7] = 4
        rows[labels == 2] = rows[labels == 2][:1]
        distances = euclidean_distances(rows)
        theirs = silhouette_score(distances, labels, metric="precomputed")
        assert cluster_test._silhouette(distances, labels, 5) == pytest.approx(theirs, rel=1e-12)

    def test_features_that_have_nothing_to_do_with_one_another_are_not_grouped(self):
        """Three of their own accord: whatever directions chance prefers are no dimensions."""
        numbers = np.random.default_rng(7).standard_normal((2000, 3))
        tested = cluster_test.run_cluster_test(sample_of(numbers), np.random.default_rng(1))
        assert (tested.accepted, tested.draws) == (False, 0)
        assert 1 < tested.first_eigenvalue < clusters.LEAST_EIGENVALUE
        said = wording.cluster_test_sentence(membership.Grouping(cutoffs.Cuts(1, 2), tested, None, None))
        assert "too weakly related" in said

    @pytest.mark.parametrize("customers", [300, 40])
    def test_a_test_is_the_same_after_it_was_written_and_read(self, customers):
        """Also where there was nothing to look for: its table is empty, and its eigenvalue no number."""
        numbers = np.random.default_rng(5).multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], customers)
        tested = cluster_test.run_cluster_test(sample_of(numbers), np.random.default_rng(1), draws=3)
        read = cluster_test.from_text(cluster_test.to_text(tested))
        pd.testing.assert_frame_equal(read.table, tested.table, check_exact=True)
        assert len(tested.table) == (4 if customers == 300 else 0)
        rest = [{name: value for name, value in vars(one).items() if name != "table"} for one in (read, tested)]
        assert rest[0] == pytest.approx(rest[1], abs=0, nan_ok=True)

    def test_too_few_customers_get_a_sentence(self):
        tested = cluster_test.run_cluster_test(sample_of(np.ones((50, 3))), np.random.default_rng(1))
        assert not tested.accepted
        assert tested.p_value == 1.0
