"""Is a clustering more than the shape of one population: k-means tested against a reference without groups.

Skewed, correlated features alone give k-means something to cut: its parts are well apart and come out again and again
though there is nobody to part. So silhouette and stability count only against what the same procedure finds in one
population with the same margins and correlations: a Gaussian copula, drawn many times over, with the number of clusters
chosen anew in each draw. The data must do better than every draw, so that one population passes for several one time in
forty, as far as the reference describes it.

Two shapes that any single population of buyers has are in the reference, or k-means would part them. Who has bought
once has a mean of one purchase, which scatters more than the mean of ten; and whether frequent buyers spend more need
not be a straight line. So what is known of a customer beside the rate of purchase has its middle and its spread along
curves of how often and how long the customer has bought.

References:
    Rousseeuw (1987), Silhouettes, Journal of Computational and Applied Mathematics 20.
    Hennig (2007), Cluster-wise assessment of cluster stability, Computational Statistics & Data Analysis 52(1).
    Hubert & Arabie (1985), Comparing partitions, Journal of Classification 2: the adjusted Rand index.
    Cario & Nelson (1997), Modeling and generating random vectors with arbitrary marginal distributions: the copula's
        correlations are matched to those of the data.
    Harvey (1976), Estimating regression models with multiplicative heteroscedasticity, Econometrica 44(3).
    Besag & Clifford (1989), Generalized Monte Carlo significance tests, Biometrika 76(4).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri
from scipy.stats import rankdata
from threadpoolctl import threadpool_limits

from smsroi_helpers.segmentation.clusters import (
    LEAST_EIGENVALUE,
    PURCHASES,
    Features,
    Sample,
    encode,
    find_dimensions,
)
from smsroi_helpers.statistics import Floats

__all__ = [
    "FEWEST_CUSTOMERS",
    "ClusterTest",
    "count_as_good",
    "from_text",
    "run_cluster_test",
    "to_text",
]

CLUSTER_COUNTS = (2, 3, 4, 5)
"""Numbers of clusters tried."""
DRAWS = 39
"""Reference populations: better than all of 39 comes by chance once in forty. Once in twenty would be too often: the
reference is never quite the population, and a claim of at most one in twenty needs room for that."""
MAX_CUSTOMERS = 4_000
"""Customers of the sample that the test looks at."""
RESAMPLE_SIZE = 200
"""Customers of a resample: few, since large ones find even chance partitions again."""
RESAMPLES = 16
SCORED_CUSTOMERS = 1_000
"""Customers of whom silhouettes and agreements are taken: of more, they take long and change little."""
LIMIT_QUANTILE = 0.95
"""The percentile of the reference that silhouette and stability must exceed, each for itself."""
FEWEST_CUSTOMERS = 300
"""With fewer customers no clustering is looked for."""


@dataclass(frozen=True)
class ClusterTest:
    """How clusterings of the data did beside those of one population without groups."""

    table: pd.DataFrame
    """One row per number of clusters: k, smallest (share of the smallest cluster), silhouette, stability (mean
    adjusted Rand of resamples), silhouette_limit, stability_limit (the reference's 95th percentiles), admissible."""
    k: int
    """The number of clusters that did best beside the reference; where they stand, the most stable of those numbers
    that are beyond both limits."""
    p_value: float
    """How often one population does at least as well, its number of clusters chosen as freely; 1 where none is
    admissible or too few customers were there to look."""
    accepted: bool
    """Whether there are groups: silhouette and stability both beyond their limits, and no draw as good."""
    customers: int
    """Looked at."""
    draws: int
    """0 where there was nothing to look for."""
    first_eigenvalue: float = float("nan")
    """Variance of the strongest dimension, of which a feature alone has 1."""


def count_as_good(tested: ClusterTest) -> int:
    """Simulated populations without groups that separate as clearly as the customers do."""
    return round(tested.p_value * (1 + tested.draws)) - 1


def run_cluster_test(
    sample: Sample,
    rng: np.random.Generator,
    *,
    smallest_share: float = 0.05,
    draws: int = DRAWS,
    max_customers: int = MAX_CUSTOMERS,
) -> ClusterTest:
    """Hold k-means with 2 to 5 clusters against one population with the same margins and correlations.

    Of the numbers of clusters without one below `smallest_share` that is best whose silhouette and stability, in
    standard deviations from the reference's means at that number, add up to most; its lesser one is the test's
    statistic, in the data and in each reference draw alike. Where clusters stand, theirs is the most stable number
    beyond both limits. Where features share no dimension, none is looked for.

    Args:
        sample: the result of `take_sample`.
        rng: of all draws.
        smallest_share: share (0–1) of customers that the smallest cluster must hold to be of use.
        draws: reference populations.
        max_customers: customers looked at, at most.
    """
    rows = sample.rows
    if len(rows) > max_customers:
        rows = rows.iloc[np.sort(rng.choice(len(rows), max_customers, replace=False))].reset_index(drop=True)
    if len(rows) < FEWEST_CUSTOMERS or len(sample.features.numbers) + len(sample.features.categories) < 2:
        return _no_test(len(rows))
    ks = [k for k in CLUSTER_COUNTS if k * 20 <= len(rows)]
    import sklearn.cluster  # noqa: F401 - before the limit, which holds for libraries that are loaded

    with threadpool_limits(1):
        encoded = encode(rows, sample.features)
        numbers = len(sample.features.numbers)
        dimensions = find_dimensions(encoded, numbers)
        kept, first_eigenvalue = dimensions.axes.shape[1], float(dimensions.eigenvalues[0])
        if first_eigenvalue < LEAST_EIGENVALUE and kept < (dimensions.eigenvalues > 1e-9).sum():
            # What is kept would be chance directions among features that have nothing to do with one another.
            return _no_test(len(rows), first_eigenvalue)
        measured = [_measure(encoded, numbers, kept, ks, rng)]
        population = _ReferencePopulation(rows, sample.features, rng)
        for _ in range(draws):
            measured.append(_measure(population.draw(len(rows), rng), numbers, kept, ks, rng))
    silhouette, stability, smallest = np.stack(measured).transpose(2, 0, 1)  # each draws + 1 × ks
    admissible = smallest >= smallest_share
    best, statistic = _best(silhouette, stability, admissible)
    p_value = float((statistic[0] <= statistic).mean()) if admissible[0].any() else 1.0
    limits = [np.quantile(values[1:], LIMIT_QUANTILE, axis=0) for values in (silhouette, stability)]
    at = int(best[0])
    beyond = admissible[0] & (silhouette[0] > limits[0]) & (stability[0] > limits[1])
    accepted = bool(p_value < 2 / (1 + draws) and beyond[at])
    if accepted:
        # Deviations from a mean among forty are six at most, so those far out look alike; the use of clusters is to be
        # found again.
        at = int(np.where(beyond, stability[0], -np.inf).argmax())
    table = pd.DataFrame(
        {
            "k": ks,
            "smallest": smallest[0],
            "silhouette": silhouette[0],
            "stability": stability[0],
            "silhouette_limit": limits[0],
            "stability_limit": limits[1],
            "admissible": admissible[0],
        }
    )
    return ClusterTest(table, ks[at], p_value, accepted, len(rows), draws, first_eigenvalue)


def to_text(tested: ClusterTest) -> str:
    """A test as JSON, for `from_text`."""
    table = {name: {"type": str(column.dtype), "values": column.tolist()} for name, column in tested.table.items()}
    return json.dumps({**vars(tested), "table": table})


def from_text(text: str) -> ClusterTest:
    """The test that `to_text` wrote."""
    read = json.loads(text)
    table = {name: pd.Series(column["values"], dtype=column["type"]) for name, column in read["table"].items()}
    return ClusterTest(**{**read, "table": pd.DataFrame(table)})


def _no_test(customers: int, first_eigenvalue: float = float("nan")) -> ClusterTest:
    columns = ["k", "smallest", "silhouette", "stability", "silhouette_limit", "stability_limit", "admissible"]
    return ClusterTest(pd.DataFrame(columns=columns), 0, 1.0, False, customers, 0, first_eigenvalue)


def _best(silhouette: Floats, stability: Floats, admissible: NDArray[np.bool_]) -> tuple[NDArray[np.int64], Floats]:
    """The column chosen in each row, and its statistic: data and draws are standardised together, all alike."""

    def standardise(values: Floats) -> Floats:
        sds = values.std(axis=0)
        return np.asarray((values - values.mean(axis=0)) / np.where(sds > 1e-12, sds, 1.0))

    first, second = standardise(silhouette), standardise(stability)
    chosen = np.where(admissible, first + second, -np.inf).argmax(axis=1)
    at = (np.arange(len(chosen)), chosen)
    statistic = np.where(admissible[at], np.minimum(first[at], second[at]), -np.inf)
    return chosen, statistic


def _measure(encoded: Floats, numbers: int, kept: int, ks: Sequence[int], rng: np.random.Generator) -> Floats:
    """Silhouette, stability and the smallest cluster's share at each number of clusters: ks × 3."""
    from sklearn.cluster import KMeans
    from sklearn.metrics import euclidean_distances

    scores = find_dimensions(encoded, numbers, kept).scores(encoded)
    scored = rng.choice(len(scores), min(SCORED_CUSTOMERS, len(scores)), replace=False)
    distances = euclidean_distances(scores[scored])
    measured = []
    for k in ks:
        fit = KMeans(k, n_init=3, random_state=int(rng.integers(2**31))).fit(scores)
        labels = fit.labels_
        if len(np.unique(labels)) < k or len(np.unique(labels[scored])) < 2:
            measured.append((-1.0, 0.0, 0.0))
            continue
        silhouette = _silhouette(distances, labels[scored], k)
        drawn = rng.integers(0, len(scores), (RESAMPLES, min(RESAMPLE_SIZE, len(scores) // 2)))
        refits = _kmeans_many(scores[drawn], k, rng)
        relabelled = np.stack([_nearest(scores[scored], refit) for refit in refits])
        agreements = _adjusted_rand(labels[scored], relabelled, k)
        smallest = np.bincount(labels, minlength=k).min() / len(labels)
        measured.append((silhouette, float(np.mean(agreements)), float(smallest)))
    return np.array(measured)


def _silhouette(distances: Floats, labels: NDArray[np.int64], k: int) -> float:
    """The mean silhouette of rows with these distances (Rousseeuw 1987); 0 for a row alone in its cluster.

    Our own, since scikit-learn's takes one call for each row; the tests compare the two.
    """
    member = (labels[:, None] == np.arange(k)).astype(float)
    sums, sizes = distances @ member, member.sum(axis=0)
    each, own = np.arange(len(labels)), sizes[labels]
    inside = sums[each, labels] / np.maximum(own - 1, 1)
    means = np.where(sizes > 0, sums / np.maximum(sizes, 1), np.inf)
    means[each, labels] = np.inf
    outside = means.min(axis=1)
    widest = np.maximum(inside, outside)
    return float(np.where((own > 1) & (widest > 0), (outside - inside) / np.where(widest > 0, widest, 1.0), 0.0).mean())


def _kmeans_many(resamples: Floats, k: int, rng: np.random.Generator, rounds: int = 30) -> Floats:
    """The centroids of k-means of many small samples at once: samples × k × dimensions.

    Lloyd's rounds from a start by k-means++ (Arthur & Vassilvitskii 2007, SODA). Our own, since a call of
    scikit-learn's takes five milliseconds whatever its size, and a test asks for thousands.
    """
    many, size, _dimensions = resamples.shape
    each = np.arange(many)
    centroids = resamples[each, rng.integers(0, size, many)][:, None]
    far = np.full((many, size), np.inf)
    for _ in range(1, k):
        far = np.minimum(far, ((resamples - centroids[:, -1:]) ** 2).sum(axis=2))
        reached = far.cumsum(axis=1)
        chosen = (reached < rng.random((many, 1)) * reached[:, -1:]).sum(axis=1)
        centroids = np.concatenate([centroids, resamples[each, np.minimum(chosen, size - 1)][:, None]], axis=1)
    for _ in range(rounds):
        near = resamples @ centroids.transpose(0, 2, 1) - (centroids**2).sum(axis=2)[:, None] / 2
        member = (near.argmax(axis=2)[:, :, None] == np.arange(k)).astype(float)
        sizes = member.sum(axis=1)[:, :, None]
        means = member.transpose(0, 2, 1) @ resamples / np.maximum(sizes, 1)
        moved = np.where(sizes > 0, means, centroids)  # a centroid that nobody is nearest to stays
        if np.array_equal(moved, centroids):
            break
        centroids = moved
    return centroids


def _adjusted_rand(labels: NDArray[np.int64], others: NDArray[np.int64], k: int) -> Floats:
    """The adjusted Rand index of one partition into k with each of many: Hubert & Arabie (1985), equation 5.

    Our own for the same reason as `_kmeans_many`; the tests hold it to scikit-learn's.
    """
    many, size = others.shape
    place = (np.arange(many)[:, None] * k + labels) * k + others
    table = np.bincount(place.ravel(), minlength=many * k * k).reshape(many, k, k).astype(float)

    def pairs(counts: Floats) -> Floats:
        return np.asarray(counts * (counts - 1) / 2)

    both = pairs(table).sum(axis=(1, 2))
    rows, columns = pairs(table.sum(axis=2)).sum(axis=1), pairs(table.sum(axis=1)).sum(axis=1)
    expected = rows * columns / pairs(np.array(float(size)))
    most = (rows + columns) / 2
    return np.where(most > expected, (both - expected) / np.where(most > expected, most - expected, 1.0), 1.0)


def _nearest(scores: Floats, centroids: Floats) -> NDArray[np.int64]:
    """The number of the nearest centroid of each row."""
    return np.asarray((scores @ centroids.T - (centroids**2).sum(axis=1) / 2).argmax(axis=1))


class _ReferencePopulation:
    """A Gaussian copula with the margins and the correlations of the data; categories in the order of their meaning.

    The first number (the rate of purchase) and the purchases it was counted from are a customer's as they stand. The
    other numbers follow along `_curves` of both.
    """

    def __init__(self, rows: pd.DataFrame, features: Features, rng: np.random.Generator) -> None:
        self._features = features
        encoded = encode(rows, features)
        first = find_dimensions(encoded, len(features.numbers), 1).scores(encoded)[:, 0]
        columns = [rows[name].to_numpy(float) for name in features.numbers]
        self._levels = []
        for name, levels in features.categories.items():
            values = rows[name].to_numpy()
            means = [first[values == level].mean() if (values == level).any() else 0.0 for level in levels]
            order = np.argsort(means, kind="stable")
            self._levels.append(order)
            place = {levels[level]: rank for rank, level in enumerate(order)}
            columns.append(np.array([place[value] for value in values], float))
        data = np.column_stack(columns)
        self._sorted = np.sort(data, axis=0)
        purchases = rows[PURCHASES].to_numpy(float) if PURCHASES in rows else np.ones(len(rows))
        self._mean, self._sd = self._curves(data, purchases)
        self._quantiles: list[Floats] = []
        self._square_root = _square_root(self._match_correlations(_normal_correlation(data), rng))
        self._set_quantiles(rng.standard_normal((20_000, len(self._square_root))) @ self._square_root.T)

    def _curves(self, data: Floats, purchases: Floats) -> tuple[Floats, Floats]:
        """Middle and spread of the normal score of each number but the first, for customers in order of the first."""
        from statsmodels.genmod import families
        from statsmodels.genmod.generalized_linear_model import GLM

        scores = _normal_scores(data)
        along, places = scores[:, 0], np.argsort(data[:, 0], kind="stable")
        curve = np.column_stack([np.ones(len(data)), along, along**2, np.log(purchases), 1 / purchases])
        axes, singular_values, _others = np.linalg.svd(curve, full_matrices=False)
        # Where all have bought equally often there are fewer dimensions.
        curve = axes[:, singular_values > 1e-8 * singular_values[0]] * np.sqrt(len(data))
        means, sds = [], []
        for score in scores.T[1 : len(self._features.numbers)]:
            fitted_mean = curve @ (curve.T @ score) / len(data)
            squared = np.maximum((score - fitted_mean) ** 2, 1e-6)  # a gamma is above nothing
            variance_fit = GLM(squared, curve, family=families.Gamma(families.links.Log())).fit(maxiter=25)
            means.append(fitted_mean[places])
            sds.append(np.sqrt(variance_fit.fittedvalues)[places])
        return np.array(means), np.array(sds)

    def _match_correlations(
        self, target: Floats, rng: np.random.Generator, rounds: int = 8, size: int = 10_000
    ) -> Floats:
        """The correlations of the normals behind, such that what is drawn correlates as the data do."""
        latent = target.copy()
        for _ in range(rounds):
            normals = rng.standard_normal((size, len(target))) @ _square_root(latent).T
            self._set_quantiles(normals)
            drawn = self._from_normals(normals)
            latent = np.clip(latent + target - _normal_correlation(drawn), -0.995, 0.995)
            np.fill_diagonal(latent, 1.0)
        return latent

    def _along_curves(self, normals: Floats) -> Floats:
        """The numbers but the first, before they get their margins: numbers × drawn."""
        others = normals.T[1 : len(self._features.numbers)]
        customer = self._customer_at(ndtr(normals[:, 0]))
        return self._mean[:, customer] + self._sd[:, customer] * others if len(others) else others

    def _set_quantiles(self, normals: Floats) -> None:
        """What counts as the middle, the upper tenth … of those numbers, so that they have the data's margins."""
        self._quantiles = list(np.sort(self._along_curves(normals)))

    def _customer_at(self, share: Floats) -> NDArray[np.int64]:
        """Which of the data's customers, in order, stands at a share (0–1) of them."""
        return np.clip((share * len(self._sorted)).astype(np.int64), 0, len(self._sorted) - 1)

    def _from_normals(self, normals: Floats) -> Floats:
        places = self._customer_at(ndtr(normals))
        for column, (values, scale) in enumerate(
            zip(self._along_curves(normals), self._quantiles, strict=True), start=1
        ):
            places[:, column] = self._customer_at((np.searchsorted(scale, values) + 0.5) / (len(scale) + 1))
        return np.take_along_axis(self._sorted, places, axis=0)

    def draw(self, size: int, rng: np.random.Generator) -> Floats:
        """So many customers of one population, as columns of `clusters.encode`."""
        drawn = self._from_normals(rng.standard_normal((size, len(self._square_root))) @ self._square_root.T)
        numbers = len(self._features.numbers)
        parts = [drawn[:, :numbers]]
        for column, order in enumerate(self._levels, start=numbers):
            level = order[drawn[:, column].astype(int)]
            parts.append((level[:, None] == np.arange(len(order))).astype(float))
        return np.hstack(parts)


def _square_root(correlation: Floats) -> Floats:
    """A matrix whose rows have length 1 and whose product with its transpose is, as nearly as can be, this."""
    eigenvalues, axes = np.linalg.eigh(correlation)
    root = axes * np.sqrt(np.maximum(eigenvalues, 1e-6))
    return np.asarray(root / np.sqrt((root**2).sum(axis=1))[:, None])


def _normal_scores(data: Floats) -> Floats:
    """Each column's ranks as quantiles of a normal; ties have their mean rank."""
    return np.asarray(ndtri((rankdata(data, axis=0) - 0.5) / len(data)))


def _normal_correlation(data: Floats) -> Floats:
    """Correlations of normal scores."""
    normals = _normal_scores(data)
    normals = normals - normals.mean(axis=0)
    length = np.sqrt((normals**2).sum(axis=0))
    normals = normals / np.where(length > 0, length, 1.0)
    found = normals.T @ normals
    np.fill_diagonal(found, 1.0)
    return np.asarray(found)
