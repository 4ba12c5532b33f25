"""How well predicted spend ranks customers: shares by tenth of the customers, and the normalised Gini coefficient.

Where the value of a purchase is not known, customers are ranked by purchases instead.

The Gini coefficient is the area between the diagonal and the curve of cumulative spend, customers in order of predicted
spend, divided by the same area with customers in order of actual spend.
"""

import datetime as dt

import ibis
import numpy as np
import pandas as pd
from scipy.special import expit, logit

from smsroi_helpers.cltv.counts import histories
from smsroi_helpers.cltv.fitting import Fit
from smsroi_helpers.cltv.forecast import KEYS
from smsroi_helpers.cltv.predictions import expected_orders
from smsroi_helpers.engine import hash_group, total
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import GROUPS, Floats, by_group, jackknife

__all__ = [
    "count_ranked",
    "rank_by_spend",
]


def count_ranked(shop: Shop, split: dt.date, cells: pd.DataFrame, fit: Fit, value: Fit, weeks: int) -> pd.DataFrame:
    """Sort customers into a hundred groups of equal size by predicted spend, and again by actual spend.

    Returns:
        one row per ranking (`predicted`, `later_spend`), place (1 = highest) and jackknife group (of customers, by
        hash): customers, predicted, spend. Where `value` is not known, both are purchases.
    """
    scores = ibis.memtable(cells[list(KEYS)].assign(orders=expected_orders(fit, cells, weeks)))
    rows = histories(shop, split, weeks).join(scores, list(KEYS))
    if value.is_known:
        p, q, v = (float(x) for x in value.predicting)
        predicted = rows.orders * p * (rows.repeat_spend + v) / (rows.frequency * p + (max(q, 1.05) - 1))
    else:
        predicted, rows = rows.orders, rows.mutate(later_spend=rows.later_purchases.cast("float64"))
    hashed = hash_group(rows.customer_id, "jackknife", GROUPS)
    rows = rows.select("customer_id", "later_spend", predicted=predicted.round(9), group=hashed)
    ranked = []
    for name in ("predicted", "later_spend"):
        order = ibis.window(order_by=[rows[name].desc(), rows.customer_id])
        placed = rows.mutate(place=ibis.ntile(100).over(order) + 1)
        sums = placed.group_by("place", "group").aggregate(
            customers=placed.count(), predicted=total(placed.predicted), spend=total(placed.later_spend)
        )
        ranked.append(shop.count(sums.order_by("place", "group")).assign(ranking=name))
    return pd.concat(ranked, ignore_index=True)


def rank_by_spend(counted: pd.DataFrame) -> tuple[pd.DataFrame, tuple[float, float, float]]:
    """Shares by tenth of the customers, and the normalised Gini coefficient, with intervals by the jackknife.

    The intervals of the shares are computed on the logit scale: the shares of the last tenths are small and skewed.

    Args:
        counted: per ranking, place and group the customers, predicted and spend, of `count_ranked`.

    Returns:
        `Holdout.by_tenth`; the coefficient, low and high (NaN where nobody spent, or too few customers for an
        interval).
    """
    keys, sums = by_group(counted, ["ranking", "place"], ["customers", "predicted", "spend"])
    by_predicted = (keys["ranking"] == "predicted").to_numpy()

    def compute(flat: Floats) -> Floats:
        customers, _predicted, spend = flat.reshape(3, len(keys), -1)
        people, money, best_people, best_money = (
            _running_share(amounts[here]) for here in (by_predicted, ~by_predicted) for amounts in (customers, spend)
        )
        best = np.trapezoid(best_money, best_people, axis=0) - 0.5
        with np.errstate(divide="ignore", invalid="ignore"):
            gini = (np.trapezoid(money, people, axis=0) - 0.5) / np.where(best > 0, best, np.nan)
        return np.vstack([_by_tenth(people, money), gini]).reshape(11, *flat.shape[2:])

    customers, predicted, spend = sums.sum(axis=-1, keepdims=True)
    shares = pd.DataFrame({"tenth": np.arange(1, 11)})
    running = _running_share(customers[by_predicted]), _running_share(predicted[by_predicted])
    shares["predicted"] = _by_tenth(*running)[:, 0]
    if not spend.any():
        return shares.assign(spend=0.0, low=np.nan, high=np.nan), (float("nan"),) * 3
    found = jackknife(compute, sums.reshape(-1, 1, GROUPS))
    spend_shares = found.estimate[:-1]
    with np.errstate(divide="ignore", invalid="ignore"):  # a tenth without spend has no interval
        half = (found.high[:-1] - spend_shares) / (spend_shares * (1 - spend_shares))
    shares = shares.assign(
        spend=spend_shares, low=expit(logit(spend_shares) - half), high=expit(logit(spend_shares) + half)
    )
    return shares, (float(found.estimate[-1]), float(found.low[-1]), min(float(found.high[-1]), 1.0))


def _running_share(amounts: Floats) -> Floats:
    """Cumulative shares along the first axis, starting at 0; one column for each jackknife group left out."""
    running = np.cumsum(np.concatenate([np.zeros_like(amounts[:1]), amounts]), axis=0)
    return np.asarray(running / np.maximum(running[-1], 1e-12), float)


def _by_tenth(people: Floats, money: Floats) -> Floats:
    """Shares of spend by exact tenth of the customers, interpolated, for each jackknife replicate."""
    marks = np.linspace(0, 1, 11)
    columns = [np.interp(marks, before, share) for before, share in zip(people.T, money.T, strict=True)]
    return np.diff(np.column_stack(columns), axis=0)
