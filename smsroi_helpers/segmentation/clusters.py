"""Clusters of customers who behave alike, and whether there are any: k-means on the dimensions that features share.

Features of customers are standardised logarithms of what they do and the categories they are in; the dimensions these
share (factor analysis of mixed data) are what k-means groups. It is fitted to a hashed sample and applied in the
engine: the nearest centroid is the largest of a few linear scores. A clustering is accepted only where its silhouette
and its stability exceed what one population without groups shows (`cluster_test`).

Recency is no feature: it says where a customer is just now, which the named groups and stages tell; clusters are about
what kind of customer it is. Nor is the number of purchases, beside their rate: whole numbers over the tenure put those
who bought once, twice … on lines of their own, a shape that any single population has and no copula.

References:
    Pagès (2004), Analyse factorielle de données mixtes, Revue de statistique appliquée 52(4).
    Lloyd (1982), Least squares quantization in PCM, IEEE Transactions on Information Theory 28(2).
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from smsroi_helpers import measures
from smsroi_helpers.engine import hash_group
from smsroi_helpers.segmentation.rfm import Until, keys_of, rfm_rows, up_to
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import Floats

__all__ = [
    "ATTRIBUTE_COLUMNS",
    "Clusters",
    "Dimensions",
    "Features",
    "Sample",
    "attribute_columns",
    "cluster_of",
    "find_dimensions",
    "fit_clusters",
    "messages_by_customer",
    "profile",
    "take_sample",
]


SAMPLE = "segmentation-sample"
"""The hash purpose of the sample."""
SAMPLE_SIZE = 20_000
"""About so many customers are drawn for what needs rows; beyond, an estimate's error no longer matters."""
MOST_LEVELS = 12
"""An attribute of more values than this is a number or a name, not a category."""
PRIOR_MESSAGES = 20
"""A customer's click rate counts as much as the company's would with so many messages more."""
LEAST_EIGENVALUE = 1.2
"""A dimension must carry at least a fifth more than a single standardised feature would alone."""
ATTRIBUTE_COLUMNS = ("acquisition_channel",)
"""Columns of the contract that describe a customer, beside the user's own."""
PURCHASES = "purchases"
"""Beside the features: the purchase days that rate and order_value were counted from."""
UNKNOWN = "unknown"


# --- features --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Features:
    """Which features there are, and what turns counts into them; fixed when the sample is taken."""

    numbers: tuple[str, ...]
    """Columns of logarithms: rate, order_value and, where messages are clicked, click_rate."""
    categories: dict[str, tuple[str, ...]]
    """Column of `customers` → its values, `unknown` for none; others count as unknown, or as the first."""
    gap_days: int
    """The pause added to a customer's tenure, so that a rate of purchase exists from the first day on."""
    click_rate: float
    """The company's clicks per delivered message."""


def attribute_columns(shop: Shop, leave_out: Sequence[str] = ()) -> tuple[str, ...]:
    """The columns of `customers` that describe people in categories: the user's own and the acquisition channel.

    The column that `response` of the `segments` settings names is left out: it is an outcome.
    """
    if not shop.has("customers"):
        return ()
    names = [name for name in shop.customers.columns if name.startswith("attr_") or name in ATTRIBUTE_COLUMNS]
    kept = []
    for name in sorted(names):
        if name in (*leave_out, shop.settings.segments.response):
            continue
        levels = int(shop.count(shop.customers.aggregate(n=shop.customers[name].nunique()))["n"].iloc[0])
        if 2 <= levels <= MOST_LEVELS:
            kept.append(name)
    return tuple(kept)


def messages_by_customer(shop: Shop, at: Until) -> ir.Table:
    """member_id, delivered and clicked messages sent by a day, without those of which no human click can be known.

    With label_day, for a table of days; for one of customer_id and label_day, of these customers only.
    """
    rows = _messages_by_day(shop)
    if isinstance(at, ir.Table) and "customer_id" in at.columns:
        asked = at.select("label_day", member_id="customer_id").distinct()
        rows = rows.join(asked, [rows.customer_id == asked.member_id, rows.sent_day <= asked.label_day])
    elif isinstance(at, ir.Table):
        rows = _by_asked_day(rows, at)
        rows = up_to(rows, rows.sent_day, at)
    else:
        rows = up_to(rows, rows.sent_day, at)
    day = ibis.literal(at) if isinstance(at, dt.date) else rows.label_day
    clicked = ibis.ifelse((rows.click_day <= day).fill_null(False), rows.delivered, 0)
    return shop.keep(
        rows.group_by(*keys_of(at), member_id=rows.customer_id).aggregate(
            delivered=rows.delivered.sum().cast("int64"), clicked=clicked.sum().cast("int64")
        )
    )


def _messages_by_day(shop: Shop) -> ir.Table:
    """customer_id, sent_day, click_day (null: no human click) and delivered messages, where human clicks are known."""
    messages = measures.human_clicks(shop)
    messages = messages.filter(messages.click_known)
    days = {"sent_day": shop.day(messages.sent_at), "click_day": shop.day(messages.human_click_at)}
    delivered = messages.count(where=messages.delivered_at.notnull())
    return shop.keep(messages.group_by("customer_id", **days).aggregate(delivered=delivered))


def _by_asked_day(rows: ir.Table, asked: ir.Table) -> ir.Table:
    """The rows of `_messages_by_day` with each day replaced by the first asked day on or after it, and added up.

    What happened up to an asked day stays the same, and there are far fewer rows to compare with each asked day.

    Args:
        rows: of `_messages_by_day`.
        asked: label_day.
    """
    days = ibis.union(rows.select(day="sent_day"), rows.select(day="click_day"), distinct=True)
    pairs = days.join(asked, days.day <= asked.label_day)
    first = pairs.group_by("day").aggregate(label_day=pairs.label_day.min())
    sent, clicked = (first.rename({f"{name}_of": "day", f"{name}_by": "label_day"}) for name in ("sent", "click"))
    rows = rows.join(sent, rows.sent_day == sent.sent_of)
    rows = rows.left_join(clicked, rows.click_day == clicked.click_of)
    return rows.group_by("customer_id", sent_day="sent_by", click_day="click_by").aggregate(
        delivered=rows.delivered.sum()
    )


def _has_clicks(shop: Shop) -> bool:
    return measures.knows_clicks(shop)


def feature_rows(shop: Shop, features: Features, at: Until | None = None) -> ir.Table:
    """One row per customer with a purchase: customer_id, purchases, the numbers and the categories of `features`.

    With label_day, for a table of days.
    """
    last = shop.as_of if at is None else at
    keys = keys_of(last)
    rows = rfm_rows(shop, last)
    logs = {
        "orders": rows.purchase_days.cast("float64").ln(),
        "rate": ((rows.purchase_days - 0.5) / (rows.tenure_days + features.gap_days)).ln(),
        # Who has only been given things spends as one hundredth of a unit: a logarithm needs something.
        "order_value": ibis.greatest(rows.monetary / rows.purchase_days, 0.01).ln(),
    }
    kept = {name: logs[name] for name in features.numbers if name in logs}
    table = rows.select(*keys, "customer_id", **{PURCHASES: rows.purchase_days}, **kept)
    if "click_rate" in features.numbers:
        sent = messages_by_customer(shop, last)
        sent = sent.rename({f"of_{key}": key for key in keys})
        same = [table[key] == sent[f"of_{key}"] for key in keys]
        table = table.left_join(sent, [table.customer_id == sent.member_id, *same])
        table = table.drop("member_id", *(f"of_{key}" for key in keys))
        smoothed = (table.clicked.fill_null(0) + PRIOR_MESSAGES * features.click_rate) / (
            table.delivered.fill_null(0) + PRIOR_MESSAGES
        )
        table = table.mutate(click_rate=smoothed.ln()).drop("clicked", "delivered")
    if features.categories:
        described = shop.customers.select(
            member_id="customer_id",
            **{name: shop.customers[name].cast("string").fill_null(UNKNOWN) for name in features.categories},
        )
        table = table.left_join(described, table.customer_id == described.member_id).drop("member_id")
        table = table.mutate(
            **{
                name: ibis.ifelse(table[name].isin(list(levels)), table[name], ibis.literal(_other(levels)))
                for name, levels in features.categories.items()
            }
        )
    return shop.keep(table)


def _other(levels: tuple[str, ...]) -> str:
    """The value that stands for one not seen in the sample."""
    return UNKNOWN if UNKNOWN in levels else levels[0]


@dataclass(frozen=True)
class Sample:
    """A hashed sample of customers with a purchase, one row each, in the order of their ids."""

    rows: pd.DataFrame
    """The numbers and categories of `features`, and `purchases`, the days each has bought on."""
    features: Features
    share: float
    """Of all customers with a purchase."""


def take_sample(
    shop: Shop,
    gap_days: int,
    at: dt.date | None = None,
    *,
    attributes: Sequence[str] | None = None,
    size: int = SAMPLE_SIZE,
) -> Sample:
    """About `size` customers, the same whatever the order of rows, with their features as of a day.

    Args:
        shop: the company.
        gap_days: a usual pause between purchases, added to tenure.
        at: the last day that counts; None for the last one observed.
        attributes: columns of `customers` that describe people; None takes those of `attribute_columns`.
        size: customers, at least; the hash takes whole 256ths.
    """
    last = at or shop.as_of
    names = attribute_columns(shop) if attributes is None else tuple(attributes)
    levels = {}
    for name in names:
        values = shop.customers.select(value=shop.customers[name].cast("string").fill_null(UNKNOWN))
        levels[name] = tuple(
            shop.count(values.group_by("value").aggregate(n=values.count()).order_by("value"))["value"]
        )
    numbers, rate = ["rate", "order_value"], float("nan")
    if _has_clicks(shop):
        sent = messages_by_customer(shop, last)
        sums = shop.count(sent.aggregate(clicked=sent.clicked.sum(), delivered=sent.delivered.sum())).iloc[0]
        if pd.notna(sums["clicked"]) and sums["clicked"] > 0:
            numbers, rate = [*numbers, "click_rate"], float(sums["clicked"] / sums["delivered"])
    features = Features(tuple(numbers), levels, max(gap_days, 1), rate)
    everybody = rfm_rows(shop, last)
    count = int(shop.count(everybody.aggregate(n=everybody.count()))["n"].iloc[0])
    slices = min(256, -(-256 * size // max(count, 1)))
    table = feature_rows(shop, features, last)
    table = table.filter(hash_group(table.customer_id, SAMPLE, 256) < slices)
    rows = shop.count(table.order_by("customer_id")).drop(columns="customer_id")
    # What all have alike tells nobody apart.
    varied = tuple(name for name in numbers if rows[name].std(ddof=0) > 1e-9)
    kept = {name: values for name, values in levels.items() if len(rows) and (rows[name] != rows[name].iloc[0]).any()}
    features = Features(varied, kept, features.gap_days, rate)
    return Sample(rows[[*varied, *kept, PURCHASES]], features, len(rows) / max(count, 1))


# --- dimensions ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Dimensions:
    """The dimensions that features share; scores are linear in the columns of `encoded`."""

    eigenvalues: Floats
    """Variance of every dimension; a feature alone has 1."""
    axes: Floats
    """columns × dimensions kept, orthonormal."""
    mean: Floats
    scale: Floats

    def scores(self, encoded: Floats) -> Floats:
        """Scores of rows: rows × dimensions."""
        return np.asarray((encoded - self.mean) / self.scale @ self.axes)


def encode(rows: pd.DataFrame, features: Features) -> Floats:
    """The numbers, then an indicator for every value of every category: rows × columns."""
    parts = [rows[list(features.numbers)].to_numpy(float)]
    parts += [
        (rows[name].to_numpy()[:, None] == np.array(levels, dtype=object)).astype(float)
        for name, levels in features.categories.items()
    ]
    return np.hstack(parts)


def find_dimensions(encoded: Floats, numbers: int, keep: int = 0) -> Dimensions:
    """Pagès' factor analysis of mixed data: standardised numbers beside indicators, centred and divided by √share.

    Args:
        encoded: the result of `encode`.
        numbers: how many of the columns are numbers.
        keep: how many dimensions; 0: those at least a fifth stronger than a single feature, and two at least.
    """
    mean = encoded.mean(axis=0)
    scale = np.append(encoded[:, :numbers].std(axis=0), np.sqrt(mean[numbers:]))
    scale = np.where(scale > 1e-12, scale, 1.0)
    standard = (encoded - mean) / scale
    eigenvalues, axes = np.linalg.eigh(standard.T @ standard / len(encoded))
    eigenvalues, axes = eigenvalues[::-1], axes[:, ::-1]
    kept = keep or max(int((eigenvalues >= LEAST_EIGENVALUE).sum()), 2)
    kept = min(kept, len(eigenvalues))
    axes = axes[:, :kept]
    # A direction and its opposite are the same; the largest weight is taken as positive.
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(kept)])
    return Dimensions(eigenvalues, axes, mean, scale)


# --- clusters --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Clusters:
    """A fitted clustering, applied by the largest of its linear scores: the nearest centroid."""

    features: Features
    dimensions: Dimensions
    centroids: Floats
    """clusters × dimensions, the cluster whose customers buy most often first."""
    sizes: NDArray[np.int64]
    """Customers of the sample in each."""
    names: tuple[str, ...]
    """A, B, C …: the values of the column `cluster`."""

    @property
    def weights(self) -> tuple[Floats, Floats]:
        """Constants (clusters) and weights (clusters × columns of `encode`): score = constant + weights · columns.

        |s − m|² is smallest where s·m − |m|²/2 is largest, and s is linear in the columns.
        """
        weights = self.centroids @ (self.dimensions.axes / self.dimensions.scale[:, None]).T
        constants = -(self.centroids**2).sum(axis=1) / 2 - weights @ self.dimensions.mean
        return constants, weights

    def assign(self, rows: pd.DataFrame) -> NDArray[np.int64]:
        """The number of each row's cluster."""
        constants, weights = self.weights
        return np.asarray((encode(rows, self.features) @ weights.T + constants).argmax(axis=1))


def fit_clusters(sample: Sample, k: int, seed: int) -> Clusters:
    """K-means with k clusters on the dimensions the sample's features share.

    One thread does it, so that the same sample and seed give the same centroids on every machine.
    """
    from sklearn.cluster import KMeans  # before the limit, which holds for libraries that are loaded

    encoded = encode(sample.rows, sample.features)
    dimensions = find_dimensions(encoded, len(sample.features.numbers))
    scores = dimensions.scores(encoded)
    with threadpool_limits(1):
        fit = KMeans(k, n_init=10, random_state=seed).fit(scores)
    rate = encoded[:, sample.features.numbers.index("rate")] if "rate" in sample.features.numbers else scores[:, 0]
    means = [float(rate[fit.labels_ == j].mean()) for j in range(k)]
    order = np.argsort(means)[::-1]
    return Clusters(
        sample.features,
        dimensions,
        np.round(fit.cluster_centers_[order], 9),
        np.bincount(fit.labels_, minlength=k)[order],
        tuple("ABCDEFGHIJ"[:k]),
    )


def cluster_of(shop: Shop, clusters: Clusters, at: Until | None = None) -> ir.Table:
    """customer_id and cluster of everybody with a purchase by a day, by the features of that day; in the engine.

    With label_day, for a table of days.
    """
    rows = feature_rows(shop, clusters.features, at)
    constants, weights = clusters.weights
    numbers = len(clusters.features.numbers)
    scores = []
    for j in range(len(clusters.names)):
        score = ibis.literal(float(constants[j]))
        for name, weight in zip(clusters.features.numbers, weights[j], strict=False):
            score = score + rows[name] * float(weight)
        at_column = numbers
        for name, levels in clusters.features.categories.items():
            of_level = weights[j][at_column : at_column + len(levels)]
            pairs = [(rows[name] == level, float(weight)) for level, weight in zip(levels, of_level, strict=True)]
            score = score + ibis.cases(*pairs, else_=0.0)
            at_column += len(levels)
        scores.append(score)
    keys = keys_of(at)
    rows = rows.select(*keys, "customer_id", **{f"score_{j}": score for j, score in enumerate(scores)})
    best = ibis.greatest(*(rows[f"score_{j}"] for j in range(len(scores))))
    nearest = [(rows[f"score_{j}"] == best, name) for j, name in enumerate(clusters.names)]
    return rows.select(*keys, "customer_id", cluster=ibis.cases(*nearest, else_=clusters.names[-1]))


def profile(sample: Sample, clusters: Clusters | None) -> pd.DataFrame | None:
    """What makes each cluster different: one row per cluster and feature; None where there are no clusters.

    Returns:
        cluster, customers (of the sample), share; feature, value (of a category; empty for a number), mean (of a
        number: the geometric mean in its own unit, of a category: its share, 0–1), overall (the same of everybody),
        distance (of the means, in standard deviations).
    """
    if clusters is None:
        return None
    labels = clusters.assign(sample.rows)
    encoded = encode(sample.rows, sample.features)
    names = [(name, "") for name in sample.features.numbers]
    names += [(name, level) for name, levels in sample.features.categories.items() for level in levels]
    sd = np.where(encoded.std(axis=0) > 1e-12, encoded.std(axis=0), 1.0)
    rows = []
    for j, cluster in enumerate(clusters.names):
        inside = encoded[labels == j]
        for column, (feature, value) in enumerate(names):
            mean, overall = float(inside[:, column].mean()), float(encoded[:, column].mean())
            own = (mean, overall) if value else (float(np.exp(mean)), float(np.exp(overall)))
            distance = (mean - overall) / sd[column]
            rows.append((cluster, len(inside), len(inside) / len(encoded), feature, value, *own, distance))
    columns = ["cluster", "customers", "share", "feature", "value", "mean", "overall", "distance"]
    return pd.DataFrame(rows, columns=columns)
