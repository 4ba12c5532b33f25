"""What a segmentation predicts: segments as of a day, outcomes after it, all segmentations on the same customers.

Shares explained are cross-fitted over the hash's groups of customers, so that a grouping with many parts gains nothing
by having them. The criteria of a good segmentation are in `criteria`.
"""

import datetime as dt
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from smsroi_helpers import measures
from smsroi_helpers.engine import hash_group, total
from smsroi_helpers.errors import UsageError
from smsroi_helpers.segmentation.clusters import UNKNOWN, attribute_columns, fit_clusters, take_sample
from smsroi_helpers.segmentation.membership import (
    DATED,
    Grouping,
    column_value,
    label_customers,
    no_clusters,
    outcome_column,
    segment_order,
)
from smsroi_helpers.segmentation.resolution import resolve
from smsroi_helpers.segmentation.rfm import JACKKNIFE
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import GROUPS, by_group, jackknife, jackknife_rate, jackknife_ratio

__all__ = [
    "OUTCOMES",
    "Outcomes",
    "collect_outcomes",
    "explained",
    "number_of_segments",
    "outcomes_by_segment",
    "response_by_recency",
]

OUTCOMES = ("spend", "orders", "response")


# --- what the next period held ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcomes:
    """Customers with a purchase, labelled as of a day, and what they did after it; kept in the engine.

    One row per customer: customer_id, group (0–63); rfm_group, lifecycle_stage, rfm_scores (three digits), cluster
    where it stands, and the columns that describe customers; r_score; spend, orders and response after the day.
    """

    later: ir.Table
    """Labelled as of the split."""
    answered: ir.Table
    """What response is read from: labelled as of the last day observed where a column of `customers` tells who
    responded, since it was recorded after that; else the same as `later`."""
    period_days: int
    """From the split to the last day observed."""

    def of(self, outcome: str) -> ir.Table:
        """The rows an outcome is read from."""
        return self.answered if outcome == "response" else self.later


def collect_outcomes(shop: Shop, grouping: Grouping, period_days: int, segment_by: str = "rfm_group") -> Outcomes:
    """What customers did in the last `period_days`, beside every segmentation as of the day before.

    Response is the yes/no column of `customers` that `response` of the `segments` settings names, recorded after the
    last day observed; without one, who clicked a message after the split, of those whom a message reached. Clusters are
    fitted anew to what was known at the split, as many as were accepted.

    Args:
        shop: the company.
        grouping: the result of `membership.find_grouping`.
        period_days: how long the period after the split is.
        segment_by: a segmentation to label by too, where it is none of those already: `recency`, or a column.

    Raises:
        UsageError: the response is no yes/no column of `customers`, or `segment_by` names no groups.
    """
    split, response = shop.as_of - dt.timedelta(days=period_days), shop.settings.segments.response
    later = _label_and_follow(shop, grouping, split, "" if response else "clicks", segment_by)
    answered = _label_and_follow(shop, grouping, shop.as_of, response, segment_by) if response else later
    return Outcomes(later, answered, period_days)


def _label_and_follow(shop: Shop, grouping: Grouping, split: dt.date, response: str, segment_by: str) -> ir.Table:
    """Rows of `Outcomes`; response is that of a column, of `clicks`, or null for none."""
    clusters = grouping.clusters
    if clusters is not None:
        names = tuple(clusters.features.categories)
        sample = take_sample(shop, clusters.features.gap_days, split, attributes=names)
        clusters = fit_clusters(sample, len(clusters.names), shop.seed)
    rows = label_customers(shop, grouping.cuts, clusters, split)
    rows = rows.filter(rows.frequency.notnull())
    scores = (rows.r_score * 100 + rows.f_score * 10 + rows.m_score).cast("string")
    rows = rows.select(
        "customer_id", "rfm_group", "lifecycle_stage", "r_score", "cluster",
        rfm_scores=scores, group=hash_group(rows.customer_id, JACKKNIFE, GROUPS),
    )  # fmt: skip
    if clusters is None:
        rows = rows.drop("cluster")
    names = attribute_columns(shop)
    if names:
        attributes = shop.customers.select(
            member_id="customer_id", **{name: column_value(shop, name).fill_null(UNKNOWN) for name in names}
        )
        rows = (
            rows.left_join(attributes, rows.customer_id == attributes.member_id)
            .drop("member_id")
            .fill_null(dict.fromkeys(names, UNKNOWN))
        )
    if segment_by == "recency" or segment_by not in (*DATED, *names):
        chosen = resolve(shop, segment_by).label(rows, split)
        chosen = chosen.select(member_id="customer_id", **{outcome_column(segment_by): ibis._.segment})
        rows = rows.left_join(chosen, rows.customer_id == chosen.member_id).drop("member_id")
    later = measures.purchases(shop).filter(ibis._.day > ibis.literal(split))
    sums = later.group_by(member_id="customer_id").aggregate(orders=later.count(), spend=total(later.spend))
    rows = (
        rows.left_join(sums, rows.customer_id == sums.member_id)
        .drop("member_id")
        .fill_null({"orders": 0, "spend": 0.0})
    )
    answered = _responses(shop, split, response) if response else None
    if answered is None:
        return shop.keep(rows.mutate(response=ibis.null("int64")))
    return shop.keep(rows.left_join(answered, rows.customer_id == answered.member_id).drop("member_id"))


def _responses(shop: Shop, split: dt.date, response: str) -> ir.Table | None:
    """Customer (member_id) and response (0 or 1) of those who were asked; None where the source does not tell."""
    if response != "clicks":
        if not shop.has("customers", response):
            raise UsageError(f"response: the table customers has no column {response!r}")
        said = shop.customers[response]
        words = said.cast("string").lower()
        yes, no = words.isin(["1", "1.0", "true", "yes", "t", "y"]), words.isin(["0", "0.0", "false", "no", "f", "n"])
        odd = shop.customers.filter(said.notnull() & ~yes & ~no)
        if int(shop.count(odd.aggregate(n=odd.count()))["n"].iloc[0]):
            raise UsageError(f"response: column {response} must hold yes or no (1 or 0, true or false)")
        return shop.customers.filter(said.notnull()).select(member_id="customer_id", response=yes.cast("int64"))
    if not measures.knows_clicks(shop):
        return None
    messages = measures.human_clicks(shop)
    messages = messages.filter(shop.day(messages.sent_at) > ibis.literal(split), messages.click_known)
    by_person = messages.group_by(member_id="customer_id").aggregate(
        reached=messages.count(where=messages.delivered_at.notnull()),
        clicked=messages.count(where=messages.human_click_at.notnull()),
    )
    return by_person.filter(by_person.reached > 0).select("member_id", response=(by_person.clicked > 0).cast("int64"))


def explained(shop: Shop, outcomes: Outcomes, reference: str = "rfm_group") -> pd.DataFrame:
    """How much of what came next each segmentation explains, all on the same customers.

    1 − Σ(y − ŷ)²/Σ(y − ȳ)², ŷ a customer's segment's mean and ȳ everybody's, both without the customer's own of the 64
    groups: a segmentation that knows nothing comes out at 0 or just below. Intervals by jackknife over the groups.

    Args:
        shop: the company.
        outcomes: the result of `collect_outcomes`.
        reference: the segmentation the others are compared with.

    Returns:
        segmentation, outcome (`spend`, `orders`, `response`), segments, customers, share, low, high; difference (from
        the reference's share), difference_low, difference_high. No rows for an outcome that nobody has or all share.
    """
    fixed = {"customer_id", "group", "r_score", *OUTCOMES}
    names = [name for name in outcomes.later.columns if name not in fixed]
    losses: dict[str, dict[str, np.ndarray]] = {outcome: {} for outcome in OUTCOMES}
    totals: dict[str, np.ndarray] = {}
    facts: dict[tuple[str, str], tuple[int, int]] = {}
    same = outcomes.answered is outcomes.later
    asked = (OUTCOMES,) if same else (OUTCOMES[:2], OUTCOMES[2:])
    for name in names:
        counted = itertools.chain.from_iterable(_sums(shop, outcomes, name, own) for own in asked)
        for outcome, (n, y_sum, yy) in counted:
            losses[outcome][name] = _cross_fitted_loss(n, y_sum, yy)
            totals[outcome] = _cross_fitted_loss(*(part.sum(axis=0, keepdims=True) for part in (n, y_sum, yy)))
            facts[name, outcome] = (int((n.sum(axis=1) > 0).sum()), int(n.sum()))
    table = []
    for outcome in OUTCOMES:
        if outcome not in totals or not totals[outcome].sum() > 1e-9 * max(facts[names[0], outcome][1], 1):
            continue
        for name in names:
            gain = jackknife_ratio(totals[outcome] - losses[outcome][name], totals[outcome])
            difference = jackknife_ratio(losses[outcome][reference] - losses[outcome][name], totals[outcome])
            own = name == reference
            table.append(
                (
                    name, outcome, *facts[name, outcome], float(gain.estimate), float(gain.low), float(gain.high),
                    0.0 if own else float(difference.estimate), 0.0 if own else float(difference.low),
                    0.0 if own else float(difference.high),
                )
            )  # fmt: skip
    columns = ["segmentation", "outcome", "segments", "customers", "share", "low", "high"]
    return pd.DataFrame(table, columns=[*columns, "difference", "difference_low", "difference_high"])


def _sums(
    shop: Shop, outcomes: Outcomes, name: str, asked: Sequence[str]
) -> Iterator[tuple[str, tuple[np.ndarray, np.ndarray, np.ndarray]]]:
    """Each outcome with its n, Σy and Σy² (segments × groups), of outcomes that are read from the same rows."""
    rows = outcomes.of(asked[0])
    sums: dict[str, ir.Scalar] = {}
    for outcome in asked:
        y = rows[outcome].cast("float64")
        sums |= {
            f"n_{outcome}": rows.count(where=y.notnull()), f"y_{outcome}": total(y).fill_null(0.0),
            f"yy_{outcome}": total(y * y, 4).fill_null(0.0),
        }  # fmt: skip
    cells = shop.count(rows.group_by(name, "group").aggregate(**sums).order_by(name, "group"))
    for outcome in asked:
        n, y_sum, yy = by_group(cells, [name], [f"{sum_}_{outcome}" for sum_ in ("n", "y", "yy")])[1]
        yield outcome, (n, y_sum, yy)


def _cross_fitted_loss(n: np.ndarray, y: np.ndarray, yy: np.ndarray) -> np.ndarray:
    """Σ(y − mean of the other groups)² in each group of customers, over segments × groups; summed over segments.

    A segment that the other groups do not have is predicted by everybody's mean.
    """
    others = n.sum(axis=1, keepdims=True) - n
    everybody = (y.sum() - y.sum(axis=0)) / np.maximum(n.sum() - n.sum(axis=0), 1)
    mean = np.where(others > 0, (y.sum(axis=1, keepdims=True) - y) / np.maximum(others, 1), everybody)
    return np.asarray((yy - 2 * mean * y + n * mean**2).sum(axis=0))


def outcomes_by_segment(shop: Shop, outcomes: Outcomes, segment_by: str) -> pd.DataFrame:
    """What each segment of the split brought in the period after it.

    Returns:
        segment, customers, share (of customers); spend_share, low, high (of all money spent after the split); bought,
        bought_low, bought_high (share who bought); per_customer, per_customer_low, per_customer_high (money).

    Raises:
        NotEnoughData: it is by cluster, and no clustering is accepted.
    """
    rows = outcomes.later
    if segment_by == "cluster" and segment_by not in rows.columns:
        no_clusters()
    cells = rows.group_by("group", segment=outcome_column(segment_by)).aggregate(
        customers=rows.count(),
        spend=total(rows.spend),
        buyers=rows.count(where=rows.orders > 0),
    )
    keys, (n, spend, buyers) = by_group(
        shop.count(cells.order_by("segment", "group")), ["segment"], ["customers", "spend", "buyers"]
    )
    part = jackknife_ratio(spend, np.broadcast_to(spend.sum(axis=0), spend.shape))
    each = jackknife_ratio(spend, n)
    bought = jackknife_rate(buyers, n, n.sum(axis=1))
    table = keys.assign(
        customers=n.sum(axis=1).astype(int), share=n.sum(axis=1) / n.sum(),
        spend_share=part.estimate, low=np.clip(part.low, 0, 1), high=np.clip(part.high, 0, 1),
        bought=bought.estimate, bought_low=bought.low, bought_high=bought.high,
        per_customer=each.estimate, per_customer_low=each.low, per_customer_high=each.high,
    )  # fmt: skip
    return table.set_index("segment").loc[segment_order(segment_by, list(keys["segment"]))].reset_index()


def response_by_recency(shop: Shop, outcomes: Outcomes) -> pd.DataFrame:
    """What the recency scores predict: one row per outcome (`orders`: bought after the split; `response`) and score.

    Returns:
        outcome, r_score (5 = the most recent), customers, rate, low, high; trend (of the outcome: what one score more
        adds to the rate), trend_low, trend_high.
    """
    rows = []
    for outcome in ("orders", "response"):
        asked = outcomes.of(outcome).filter(ibis._[outcome].notnull())
        cells = asked.group_by("r_score", "group").aggregate(n=asked.count(), hit=asked.count(where=asked[outcome] > 0))
        frame = shop.count(cells.order_by("r_score", "group"))
        if frame.empty or not 0 < frame["hit"].sum() < frame["n"].sum():
            continue
        keys, (hit, n) = by_group(frame, ["r_score"], ["hit", "n"])
        found = jackknife_rate(hit, n, n.sum(axis=1))
        slope = _trend(keys["r_score"].to_numpy(float), hit, n)
        for place, score in enumerate(keys["r_score"]):
            limits = (found.estimate[place], found.low[place], found.high[place])
            rows.append((outcome, int(score), int(n[place].sum()), *map(float, limits), *slope))
    columns = ["outcome", "r_score", "customers", "rate", "low", "high", "trend", "trend_low", "trend_high"]
    return pd.DataFrame(rows, columns=columns)


def _trend(score: np.ndarray, hit: np.ndarray, n: np.ndarray) -> tuple[float, float, float]:
    """The least-squares slope of hit on score over customers, with its jackknife interval; NaN with one score."""
    x, xx = score[:, None], score[:, None] ** 2
    sums = np.stack([(n).sum(0), (n * x).sum(0), (n * xx).sum(0), hit.sum(0), (hit * x).sum(0)])

    def slope(s: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray((s[4] - s[1] * s[3] / s[0]) / (s[2] - s[1] ** 2 / s[0]))

    if len(score) < 2:
        return (np.nan,) * 3
    found = jackknife(slope, sums)
    return float(found.estimate), float(found.low), float(found.high)


def number_of_segments(explained: pd.DataFrame, segmentation: str) -> int:
    """How many segments a segmentation has, in the rows of `explained`."""
    return int(explained.loc[explained["segmentation"] == segmentation, "segments"].max())
