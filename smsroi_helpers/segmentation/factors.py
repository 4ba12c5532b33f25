"""Which behaviours go together: factor analysis of what customers do."""

import ibis
import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from smsroi_helpers import measures
from smsroi_helpers.engine import hash_group, total
from smsroi_helpers.segmentation.clusters import PURCHASES, SAMPLE, Features, Sample, feature_rows
from smsroi_helpers.segmentation.rfm import rfm_rows
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import Floats

__all__ = [
    "factor_loadings",
    "loadings",
]


def factor_loadings(shop: Shop, sample: Sample) -> pd.DataFrame:
    """Which behaviours go together: `loadings` of the numbers of the sample and of what is no cluster feature.

    Recency, and where the orders tell of them the share of the price let off and the share of money given back.
    """
    return loadings(_behaviour(shop, sample))


def _behaviour(shop: Shop, sample: Sample) -> pd.DataFrame:
    features = sample.features
    # The rate is the number of purchases over the tenure: beside those two it would say nothing new.
    kept = ("orders", *(name for name in features.numbers if name != "rate"))
    rows = feature_rows(shop, Features(kept, {}, features.gap_days, features.click_rate))
    state = rfm_rows(shop).select(
        member_id="customer_id",
        recency=ibis._.recency_days.cast("float64").ln(),
        tenure=ibis._.tenure_days.cast("float64").ln(),
    )
    rows = rows.join(state, rows.customer_id == state.member_id).drop("member_id")
    bought, returned = measures.purchases(shop), measures.refunds(shop)
    spent = bought.group_by(member_id="customer_id").aggregate(paid=total(bought.spend), let_off=total(bought.discount))
    back = returned.group_by(member_id="customer_id").aggregate(back=total(returned.refunded))
    rows = rows.join(spent, rows.customer_id == spent.member_id).drop("member_id")
    rows = rows.left_join(back, rows.customer_id == back.member_id).drop("member_id")
    worth = ibis.greatest(rows.paid.fill_null(0.0) + rows.let_off.fill_null(0.0), 0.01)
    rows = rows.mutate(
        discount=rows.let_off.fill_null(0.0) / worth,
        refunds=ibis.least(rows.back.fill_null(0.0) / worth, 1.0),
    ).drop("paid", "let_off", "back")
    slices = min(256, max(1, round(sample.share * 256)))
    rows = rows.filter(hash_group(rows.customer_id, SAMPLE, 256) < slices)
    return shop.count(rows.order_by("customer_id")).drop(columns=["customer_id", PURCHASES])


def loadings(behaviour: pd.DataFrame) -> pd.DataFrame:
    """Factor analysis with varimax of behaviour features: which of them go together.

    Maximum likelihood factors (Jöreskog 1967) of standardised logarithms, rotated by varimax (Kaiser 1958); as many as
    eigenvalues of the correlations exceed 1, and no more than the features can bear.

    Args:
        behaviour: one row per customer of the sample, one column per feature.

    Returns:
        factor (1 = explains most), feature, loading (−1 … 1), explained (share of the features' variance the factor
        carries). Empty with fewer than three features that vary.
    """
    from sklearn.decomposition import FactorAnalysis

    columns = [name for name in behaviour.columns if behaviour[name].std(ddof=0) > 1e-9]
    empty = pd.DataFrame(columns=["factor", "feature", "loading", "explained"])
    if len(columns) < 3 or len(behaviour) < 10 * len(columns):
        return empty
    standard = (behaviour[columns] - behaviour[columns].mean()) / behaviour[columns].std(ddof=0)
    eigenvalues = np.linalg.eigvalsh(np.corrcoef(standard.to_numpy().T))[::-1]
    count = min(max(int((eigenvalues > 1).sum()), 1), (len(columns) - 1) // 2)
    with threadpool_limits(1):
        few = _same_covariance(standard.to_numpy(float))
        # The log-likelihood, by whose growth the fit ends, is proportional to the rows.
        fit = FactorAnalysis(
            count, rotation="varimax" if count > 1 else None, svd_method="lapack", tol=1e-2 * len(few) / len(standard)
        ).fit(few)
    matrix = fit.components_
    explained = (matrix**2).sum(axis=1) / len(columns)
    order = np.argsort(explained)[::-1]
    rows = []
    for place, f in enumerate(order, start=1):
        sign = np.sign(matrix[f][np.abs(matrix[f]).argmax()])
        rows += [
            (place, name, float(sign * w), float(explained[f])) for name, w in zip(columns, matrix[f], strict=True)
        ]
    return pd.DataFrame(rows, columns=["factor", "feature", "loading", "explained"])


def _same_covariance(rows: Floats) -> Floats:
    """Return twice as many rows as columns, with mean 0 and the covariance of `rows` (mean 0).

    The likelihood of a factor model depends on the data only through their covariance (Jöreskog 1967, equation 4).

    >>> import numpy as np
    >>> rows = np.array([[1.0, 2.0], [0.0, -1.0], [-1.0, -1.0]])
    >>> few = _same_covariance(rows)
    >>> few.shape, np.allclose(few.mean(axis=0), 0), np.allclose(few.T @ few / 4, rows.T @ rows / 3)
    ((4, 2), True, True)
    """
    root = np.asarray(np.linalg.qr(rows, mode="r"))
    return np.concatenate([root, -root]) * np.sqrt(len(root) / len(rows))
