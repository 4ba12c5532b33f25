"""The five principles of a good segmentation as numbers: relevant, identifiable, reachable, measurable, actionable.

References:
    Kotler & Keller, Marketing Management: measurable, substantial, accessible, differentiable, actionable segments.
    Cochran (1954), Some methods for strengthening the common χ² tests, Biometrics 10(4): one effect in all segments,
        each weighted by its own variance.
    Cohen (1988), Statistical Power Analysis for the Behavioral Sciences, chapter 6: the smallest difference seen.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
from scipy.stats import chi2, norm
from statsmodels.stats.proportion import proportion_confint

from smsroi_helpers import experiments, measures
from smsroi_helpers.engine import hash_group
from smsroi_helpers.experiments import METRICS, Experiment, moments_of
from smsroi_helpers.segmentation.clusters import MOST_LEVELS, SAMPLE, SAMPLE_SIZE, UNKNOWN, attribute_columns
from smsroi_helpers.segmentation.membership import (
    Grouping,
    Segmentation,
    outcome_column,
    segment_order,
)
from smsroi_helpers.segmentation.predictive_value import Outcomes
from smsroi_helpers.segmentation.resolution import resolve
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import (
    FEW_EVENTS,
    Arms,
    adjust,
    compare,
    detectable_difference,
    estimate_means,
    share_variance,
)

__all__ = [
    "MEASURABLE",
    "REACHABLE",
    "Criterion",
    "Status",
    "actionable",
    "evaluate_criteria",
    "identifiable",
    "measurable",
    "reachable",
]

Status = Literal["pass", "warn", "fail", "unknown"]


@dataclass(frozen=True)
class Criterion:
    """One principle as a number with its interval, judged."""

    name: Literal["relevant", "identifiable", "reachable", "measurable", "actionable"]
    status: Status
    value: float
    low: float
    high: float
    detail: pd.DataFrame
    """What stands behind it, by segment or experiment."""


def _judge(low: float, high: float, good: float, bad: float) -> Status:
    """Pass where the whole interval lies above `good`, fail where it lies below `bad`; larger is better."""
    if np.isnan(low) or np.isnan(high):
        return "unknown"
    return "pass" if low >= good else "fail" if high < bad else "warn"


RELEVANT = (0.02, 0.005)
"""Share of next-period spend explained: spend is mostly chance, and a fiftieth of it is what groups usually find."""
IDENTIFIABLE = (0.05, 0.01)
"""Points of accuracy above naming the largest segment for everybody."""
REACHABLE = (0.5, 0.2)
"""Share of customers who consent and whom a message has reached."""
MEASURABLE = (0.2, 0.5)
"""Smallest relative change of the order rate that is seen in the smallest segment: tests seldom find more than a
fifth."""


def evaluate_criteria(
    shop: Shop,
    grouping: Grouping,
    segment_by: str,
    comparison: pd.DataFrame,
    outcomes: Outcomes,
    channel: str = "",
) -> list[Criterion]:
    """The five principles of the chosen segmentation.

    Args:
        shop: the company.
        grouping: the result of `membership.find_grouping`.
        segment_by: the segmentation.
        comparison: the result of `explained`.
        outcomes: the result of `predictive_value.collect_outcomes`.
        channel: of the messages that reach, as for `measures.choose_channel`.
    """
    chosen = resolve(shop, segment_by, cuts=grouping.cuts, clusters=grouping.clusters).at()
    column = outcome_column(segment_by)
    found = comparison[(comparison["segmentation"] == column) & (comparison["outcome"] == "spend")]
    if len(found):
        value, low, high = (float(found[name].iloc[0]) for name in ("share", "low", "high"))
    else:
        value = low = high = float("nan")
    return [
        Criterion("relevant", _judge(low, high, *RELEVANT), value, low, high, comparison),
        identifiable(shop, chosen, segment_by),
        reachable(shop, chosen, segment_by, outcomes.period_days, channel),
        measurable(shop, outcomes, segment_by),
        actionable(shop, grouping, segment_by),
    ]


def identifiable(shop: Shop, chosen: ir.Table, segment_by: str) -> Criterion:
    """How much better attributes tell the segment than naming the largest for everybody: points of accuracy.

    Multinomial logistic regression on the customers' categories, five-fold over the hash, on the hashed sample.
    """
    names = attribute_columns(shop, (segment_by,))
    if shop.has("customers", "region") and segment_by != "region":
        levels = int(shop.count(shop.customers.aggregate(n=shop.customers.region.nunique()))["n"].iloc[0])
        names = (*names, "region") if 2 <= levels <= MOST_LEVELS else names
    unknown = Criterion("identifiable", "unknown", np.nan, np.nan, np.nan, pd.DataFrame())
    if not names:
        return unknown
    attributes = shop.customers.select(
        member_id="customer_id", **{name: shop.customers[name].cast("string").fill_null(UNKNOWN) for name in names}
    )
    rows = chosen.join(attributes, chosen.customer_id == attributes.member_id)
    count = int(shop.count(rows.aggregate(n=rows.count()))["n"].iloc[0])
    slices = min(256, -(-256 * SAMPLE_SIZE // max(count, 1)))
    rows = rows.filter(hash_group(rows.customer_id, SAMPLE, 256) < slices)
    rows = rows.mutate(fold=hash_group(rows.customer_id, "segmentation-fold", 256) % 5)
    cells = rows.group_by("segment", "fold", *names).aggregate(customers=rows.count())
    frame = shop.count(cells.order_by("segment", "fold", *names))
    if frame["segment"].nunique() < 2 or frame["fold"].nunique() < 5:
        return unknown
    from sklearn.linear_model import LogisticRegression

    coded = pd.get_dummies(frame[list(names)]).to_numpy(float)
    segment, fold = frame["segment"].to_numpy(), frame["fold"].to_numpy()
    weight = frame["customers"].to_numpy(float)
    right, plain = np.zeros(len(frame)), np.zeros(len(frame))
    for part in range(5):
        train = fold != part
        if len(np.unique(segment[train])) < 2:
            return unknown
        fit = LogisticRegression(max_iter=500).fit(coded[train], segment[train], sample_weight=weight[train])
        sizes = pd.Series(weight[train]).groupby(segment[train]).sum()
        right[~train] = fit.predict(coded[~train]) == segment[~train]
        plain[~train] = segment[~train] == sizes.idxmax()
    gain = right - plain
    n = weight.sum()
    mean = float(weight @ gain / n)
    error = float(np.sqrt(weight @ (gain - mean) ** 2 / n / n))
    half_width = float(norm.ppf(0.975)) * error
    detail = pd.DataFrame(
        {"accuracy": [float(weight @ right / n)], "largest": [float(weight @ plain / n)], "customers": [int(n)],
         "columns": [", ".join(names)]}
    )  # fmt: skip
    low, high = mean - half_width, mean + half_width
    return Criterion("identifiable", _judge(low, high, *IDENTIFIABLE), mean, low, high, detail)


def reachable(shop: Shop, chosen: ir.Table, segment_by: str, period_days: int, channel: str = "") -> Criterion:
    """Share of customers who consent and to whom a message was delivered in the last period, by segment and in all.

    Args:
        shop: the company.
        chosen: customer_id and segment of everybody.
        segment_by: the segmentation.
        period_days: length of the period.
        channel: of the messages, as for `measures.choose_channel`.
    """
    if not shop.has("messages"):
        return Criterion("reachable", "unknown", np.nan, np.nan, np.nan, pd.DataFrame())
    since = ibis.literal(shop.as_of - dt.timedelta(days=period_days))
    messages = measures.every_send(shop)
    messages = messages.filter(messages.channel == measures.choose_channel(shop, channel))
    reached = messages.filter(messages.delivered_at.notnull(), shop.day(messages.sent_at) > since)
    consenting = measures.subscribed(shop, ibis.literal(shop.end), chosen)
    rows = chosen.mutate(
        reached=chosen.customer_id.isin(reached.customer_id), consents=chosen.customer_id.isin(consenting.customer_id)
    )
    cells = rows.group_by("segment").aggregate(
        customers=rows.count(), reachable=rows.count(where=rows.reached & rows.consents)
    )
    frame = shop.count(cells.order_by("segment"))
    frame = frame.set_index("segment").loc[segment_order(segment_by, list(frame["segment"]))].reset_index()
    everybody = pd.DataFrame(
        {"segment": ["all"], "customers": [frame["customers"].sum()], "reachable": [frame["reachable"].sum()]}
    )
    frame = pd.concat([everybody, frame], ignore_index=True)
    low, high = proportion_confint(frame["reachable"], frame["customers"], method="wilson")
    frame = frame.assign(share=frame["reachable"] / frame["customers"], low=np.asarray(low), high=np.asarray(high))
    top = frame.iloc[0]
    value, low_, high_ = float(top["share"]), float(top["low"]), float(top["high"])
    return Criterion("reachable", _judge(low_, high_, *REACHABLE), value, low_, high_, frame)


def measurable(shop: Shop, outcomes: Outcomes, segment_by: str) -> Criterion:
    """The smallest relative change of the order rate that a test on one segment would show with 80 % power.

    Half of the segment treated, half not, two-sided at 5 %, over a period as long as the last one:
    (z.975 + z.8) √(4 p (1 − p) / n) ÷ p, with p the share who bought in it. The principle's number is that of the
    worst segment; limits are those at the limits of p.
    """
    rows, column = outcomes.later, outcome_column(segment_by)
    if column not in rows.columns:
        return Criterion("measurable", "unknown", np.nan, np.nan, np.nan, pd.DataFrame())
    cells = rows.group_by(segment=column).aggregate(customers=rows.count(), bought=rows.count(where=rows.orders > 0))
    frame = shop.count(cells.order_by("segment"))
    frame = frame.set_index("segment").loc[segment_order(segment_by, list(frame["segment"]))].reset_index()
    low, high = (np.asarray(x, float) for x in proportion_confint(frame["bought"], frame["customers"], method="wilson"))
    rate, n = frame["bought"] / frame["customers"], frame["customers"].to_numpy(float)

    def smallest(p: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore"):
            return detectable_difference(np.sqrt(4 * (1 - p) / (p * n)))

    frame = frame.assign(
        rate=rate, lift=smallest(rate.to_numpy(float)), lift_low=smallest(high), lift_high=smallest(np.maximum(low, 0))
    )
    worst = frame.loc[frame["lift"].idxmax()] if len(frame) else None
    if worst is None:
        return Criterion("measurable", "unknown", np.nan, np.nan, np.nan, frame)
    value, low_, high_ = float(worst["lift"]), float(worst["lift_low"]), float(worst["lift_high"])
    good, bad = MEASURABLE
    status: Status = "pass" if high_ <= good else "fail" if low_ > bad else "warn"
    return Criterion("measurable", status, value, low_, high_, frame)


FEWEST_IN_CELL = 20
"""Segments of which an arm has fewer customers are not compared."""


def actionable(shop: Shop, grouping: Grouping, segment_by: str) -> Criterion:
    """Whether segments answer a treatment differently, from the experiments there are.

    Segments are those of the day before the first assignment. Experiments, metrics, validity and effects are those of
    `05_ab_test`. Means by arm and segment are fitted by an effect of the arm and one of the segment; what is left,
    Σ (mean − fit)²/variance, is χ² with (arms − 1)(segments − 1) degrees of freedom where the arms do the same in all
    segments; with two arms it is Cochran's Q of the effects. P-values by Holm. The number is the smallest adjusted
    p-value.
    """
    tables = ("experiments", "arms", "assignments")
    if not all(shop.has(name) and _has_rows(shop, getattr(shop, name)) for name in tables):
        return Criterion("actionable", "unknown", np.nan, np.nan, np.nan, pd.DataFrame())
    found, counted = experiments.check_experiments(shop), experiments.count_outcomes(shop)
    segmentation = resolve(shop, segment_by, cuts=grouping.cuts, clusters=grouping.clusters)
    metrics = {"profit", "revenue", "order_rate", *(each.primary for each, _validity in found)}
    cells = experiments.count_by_segment(shop, segmentation.label, sorted(metrics))
    rows = []
    for each, validity in found:
        rows.append(_compare_segments(each, counted, cells, segmentation, broken=validity.broken))
    detail = pd.DataFrame(rows)
    if not rows or detail["p_value"].isna().all():
        return Criterion("actionable", "unknown", np.nan, np.nan, np.nan, detail)
    detail = detail.assign(adjusted_p=adjust(detail["p_value"], "holm"))
    smallest = float(detail["adjusted_p"].min())
    return Criterion("actionable", "pass" if smallest < 0.05 else "warn", smallest, np.nan, np.nan, detail)


def _has_rows(shop: Shop, table: ir.Table) -> bool:
    return bool(shop.count(table.aggregate(n=table.count()))["n"].iloc[0])


def _compare_segments(
    experiment: Experiment, counted: pd.DataFrame, cells: pd.DataFrame, segmentation: Segmentation, *, broken: bool
) -> dict[str, object]:
    """One experiment by segment.

    Args:
        experiment: which.
        counted: the result of `experiments.count_outcomes`.
        cells: the result of `experiments.count_by_segment`.
        segmentation: of the cells.
        broken: whether it can show nothing.

    Returns:
        experiment_id, kind, metric, customers; status (`tested`, `broken`, `no outcome`, `too few`); p_value (of no
        interaction), effects (segment, customers, difference, low, high: all treated arms together − the control).
    """
    metric = _metric_of(experiment, counted)
    said: dict[str, object] = {
        "experiment_id": experiment.name, "kind": experiment.kind, "metric": metric or experiment.primary,
        "customers": int(experiment.customers.sum()), "p_value": np.nan, "effects": pd.DataFrame(),
    }  # fmt: skip
    if broken:
        return said | {"status": "broken"}
    if not metric:
        return said | {"status": "no outcome"}
    own = cells[cells["experiment_id"] == experiment.name]
    known = [name for name in segmentation.order(own["segment"].unique()) if _is_enough(own, experiment, metric, name)]
    if len(known) < 2:
        return said | {"status": "too few"}
    treated = experiment.treated[0]  # the name of all treated arms together
    together = own.assign(arm=own["arm"].where(own["arm"] == experiment.control, treated))
    by_arm, effects = [], []
    for name in known:
        moments = moments_of(own[own["segment"] == name], experiment.name, metric)
        by_arm.append(_means(moments, experiment.arms, metric))
        pooled = moments_of(together[together["segment"] == name], experiment.name, metric)
        arms = _means(pooled, [experiment.control, treated], metric)
        effect = compare(arms, experiment.control)
        effects.append((name, int(arms.customers.sum()), effect.estimate[1], effect.low[1], effect.high[1]))
    statistic, freedom = _interaction(
        np.array([arms.adjusted for arms in by_arm]), np.array([arms.variance for arms in by_arm])
    )
    return said | {
        "status": "tested", "statistic": statistic, "df": freedom, "p_value": float(chi2.sf(statistic, freedom)),
        "effects": pd.DataFrame(effects, columns=["segment", "customers", "difference", "low", "high"]),
    }  # fmt: skip


def _means(moments: pd.DataFrame, arms: Sequence[str], metric: str) -> Arms:
    """The arms' means, with the variances of the page of experiments."""
    found = estimate_means(moments, arms)
    return share_variance(found) if METRICS[metric].kind == "money" else found


def _metric_of(experiment: Experiment, counted: pd.DataFrame) -> str:
    """The metric that decides in `05_ab_test`: profit where it is known and varies, else the experiment's own; or none.

    Ratios never decide: where arms differ in messages their clicks cannot be compared.
    """
    for name in ("profit", experiment.primary, "revenue", "order_rate"):
        if METRICS[name].kind != "ratio":
            moments = moments_of(counted, experiment.name, name)
            arms = estimate_means(moments, experiment.arms) if moments["n"].sum() else None
            if arms is not None and np.isfinite(compare(arms, experiment.control).low).any():
                return name
    return ""


def _is_enough(cells: pd.DataFrame, experiment: Experiment, metric: str, segment: str) -> bool:
    """Whether every arm has enough customers and events in a segment for its mean to be compared by a normal error."""
    own = cells[cells["segment"] == segment]
    arms = estimate_means(moments_of(own, experiment.name, metric), experiment.arms)
    if arms.customers.min() < FEWEST_IN_CELL or not (arms.variance > 0).all():
        return False
    events = moments_of(own, experiment.name, "order_rate" if METRICS[metric].of_buyers else metric)
    count = events.groupby("arm")["sum_y"].sum().reindex(list(experiment.arms)).fillna(0.0).to_numpy(float)
    fewest = count if METRICS[metric].of_buyers else np.minimum(count, arms.customers - count)
    return bool(fewest.min() >= FEW_EVENTS)


def _interaction(mean: np.ndarray, variance: np.ndarray) -> tuple[float, int]:
    """Σ (mean − additive fit)²/variance over segments × arms, by weighted least squares, and its degrees of freedom."""
    rows, columns = mean.shape
    design = np.zeros((rows * columns, rows + columns - 1))
    for i in range(rows):
        for j in range(columns):
            design[i * columns + j, i] = 1.0
            if j:
                design[i * columns + j, rows + j - 1] = 1.0
    root = 1 / np.sqrt(variance.ravel())
    fit = np.linalg.lstsq(design * root[:, None], mean.ravel() * root, rcond=None)[0]
    rest = (mean.ravel() - design @ fit) * root
    return float(rest @ rest), (rows - 1) * (columns - 1)
