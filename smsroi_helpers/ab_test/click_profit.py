"""The profit of an arm computed from its clicks and opt-outs, for tests whose arms are sent equally many messages.

    clicks × value of a click − opt-outs × value of a subscriber − message cost, per customer

Another text or hour changes what is bought by changing how many customers click, and what can be sold later by
changing how many stay. Orders vary so much between customers that profit itself needs some twenty times the customers
to show the same gain. The result is modelled: it holds as far as a click of one arm brings as much as a click of the
tests that price it. So it is not used where arms differ in messages, or where profit itself contradicts it; and an arm
whose discounts per order differ from the control's has its measured profit in place of clicks × value, because a
discount sells more per click, and to customers who would have bought without it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

from smsroi_helpers import cltv, measures
from smsroi_helpers.ab_test.effects import (
    ALL,
    CLICK_PROFIT,
    UNKNOWN,
    ArmEffect,
    ArmEffects,
    measure_effects,
    strata_of,
)
from smsroi_helpers.ab_test.priced_difference import Interval, PricedDifference, infer, negative
from smsroi_helpers.experiments import (
    ClickValue,
    Experiment,
    SubscriberValue,
    find_click_value,
    find_subscriber_value,
    moments_of,
)
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import (
    ALPHA,
    FEW_EVENTS,
    Arms,
    Floats,
    MeanDifference,
    compare,
    estimate_means,
    estimate_ratios,
    expected_loss,
    probability_best,
    weekly_rate,
)

__all__ = [
    "Prices",
    "Weights",
    "WhyNotPriced",
    "contradicted",
    "customer_weights",
    "find_prices",
    "measure_click_profit",
    "why_not_priced",
]

WhyNotPriced = Literal["", "kind", "clustered", "no_click_value", "no_clicks", "messages_differ", "contradicted"]
_MOST_UNEQUAL = 0.05
"""The largest relative difference between arms in messages per subscribed week."""
_CONTRADICTED = 0.01
_Z = float(norm.ppf(0.975))
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Prices:
    """What a click and a subscriber are worth: one value of each for the whole run."""

    click: ClickValue
    subscriber: SubscriberValue


def find_prices(shop: Shop, yearly_discount: float) -> Prices:
    """The values of a click and of a subscriber; customers who stop buying are lost as subscribers too.

    Args:
        shop: the company.
        yearly_discount: discount rate for the value of a subscriber.
    """
    if not shop.has("orders"):
        return Prices(find_click_value(shop), SubscriberValue("", reason="no_orders"))
    natural_loss = cltv.find_natural_loss(shop, measures.choose_channel(shop))["all"].weekly
    return Prices(find_click_value(shop), find_subscriber_value(shop, natural_loss, weekly_rate(yearly_discount)))


@dataclass(frozen=True)
class Weights:
    """What one customer's clicks and opt-out count in the profit computed from them (money each)."""

    click: Interval
    """Of a human click, with limits."""
    opt_out: Interval
    """With limits; 0 where a subscriber has no known value, or opt-outs are not recorded."""
    discount: float
    """Of one unit of money of discounts: 0, since arms whose discounts differ are compared by measured profit."""
    judged: tuple[float, float]
    """Messages per message of which it is known whether a human clicked: of the control, and of the arm."""


def customer_weights(experiment: Experiment, counted: pd.DataFrame, prices: Prices, arm: str) -> Weights | None:
    """The weights with which `measure_click_profit` compares an arm with the control, for use on single customers.

    None for an arm whose discounts differ, which is compared by measured profit.

    Args:
        experiment: which; `why_not_priced` must be empty.
        counted: of `experiments.count_outcomes`.
        prices: of a click and a subscriber.
        arm: the arm that is compared with the control.
    """
    parts, click = _parts(experiment, counted, prices), prices.click
    place, judged = parts.clicks.index(arm), _judged(experiment, counted)
    if parts.has_extra[place]:
        return None
    opt_out = (0.0, 0.0, 0.0) if parts.opt_outs is None else negative(prices.subscriber.value)
    of_click = (click.estimate, click.low, click.high)
    return Weights(of_click, opt_out, 0.0, (float(judged[0]), float(judged[place])))


def why_not_priced(experiment: Experiment, counted: pd.DataFrame, prices: Prices) -> WhyNotPriced:
    """Why the profit of an experiment's arms cannot be computed from their clicks; empty if it can.

    Args:
        experiment: which.
        counted: of `experiments.count_outcomes`.
        prices: of a click and a subscriber.
    """
    if experiment.kind not in ("content", "timing"):
        return "kind"
    if experiment.clustered:  # the errors of clicks and opt-outs together would be those of single customers
        return "clustered"
    if not (prices.click.known and prices.click.estimate > 0):
        return "no_click_value"
    if not moments_of(counted, experiment.name, "clicks")["sum_y"].sum():
        return "no_clicks"
    sent = _sums(moments_of(counted, experiment.name, "sent"), experiment.arms)
    per = pd.Series(sent["sum_y"]) / (sent["sum_x"] if sent["sum_x"].sum() > 0 else sent["n"])
    return "messages_differ" if not per.min() > 0 or per.max() / per.min() - 1 > _MOST_UNEQUAL else ""


def contradicted(effects: ArmEffects, arms: Sequence[str]) -> bool:
    """Whether profit itself differs significantly from what clicks and opt-outs say, in any arm (Bonferroni)."""
    for arm in arms:
        direct, priced = effects.find("profit", arm), effects.find(CLICK_PROFIT, arm)
        if direct is None or priced is None:
            continue
        error = np.hypot(direct.standard_error, (priced.high - priced.low) / (2 * _Z))
        if 2 * norm.sf(abs(direct.difference - priced.difference) / error) < _CONTRADICTED / len(arms):
            return True
    return False


# --- the parts -------------------------------------------------------------------------------------------------------


def _sums(rows: pd.DataFrame, arms: Sequence[str]) -> dict[str, Floats]:
    """The sums of moments over the days of assignment, in the order of the arms; unknown values count as 0."""
    place_of = {name: place for place, name in enumerate(arms)}
    places = np.array([place_of.get(name, -1) for name in rows["arm"].tolist()], int)
    own, found = places >= 0, {}
    for name, values in rows.items():
        if name not in ("arm", "assigned_day"):
            found[str(name)] = np.zeros(len(arms))
            np.add.at(found[str(name)], places[own], np.nan_to_num(values.to_numpy(float))[own])
    return found


@dataclass(frozen=True)
class _Parts:
    """Clicks, opt-outs and message cost per customer, by arm."""

    clicks: Arms
    opt_outs: Arms | None
    """None where opt-outs are not recorded, or a subscriber has no known value."""
    cost: Arms
    covariance: Floats
    """Of the means of clicks and opt-outs."""
    events: Floats
    """Clicked messages."""
    has_extra: NDArray[np.bool_]
    """Whether the arm's discounts per order differ significantly from the control's."""


def _parts(experiment: Experiment, counted: pd.DataFrame, prices: Prices) -> _Parts:
    by_day = "assigned_day" in counted.columns and len(counted) > 0
    strata = strata_of(experiment) if by_day else None
    names, by = list(experiment.arms), ["assigned_day"] if by_day else []

    def means(rows: pd.DataFrame, y: ArrayLike, y2: ArrayLike) -> Arms:
        columns = {"arm": rows["arm"], "n": rows["n"], "sum_y": y, "sum_y2": y2}
        stratum = {} if strata is None else {"stratum": rows["assigned_day"].map(strata)}
        return estimate_means(pd.DataFrame(columns | stratum), names)

    rows = moments_of(counted, experiment.name, "clicks", by)
    scale = _judged(experiment, counted)
    of_row = rows["arm"].map(dict(zip(names, scale, strict=True))).to_numpy(float)
    sums = _sums(rows, names)
    is_known = sums["n_known"].sum() > 0 and prices.subscriber.known
    n = sums["n"]
    with np.errstate(divide="ignore", invalid="ignore"):
        together = scale * (sums["sum_xy"] - sums["sum_x"] * sums["sum_y"] / n) / (n - 1) / n
    discounts = moments_of(counted, experiment.name, "discounts", by)
    per_order = compare(estimate_ratios(pd.DataFrame({"arm": names, **_sums(discounts, names)}), names), names[0])
    clicks = means(rows, rows["sum_y"] * of_row, rows["sum_y2"] * of_row**2)
    cost = moments_of(counted, experiment.name, "cost", by)  # of nobody where costs are not known
    known_cost = bool(cost["n"].sum())
    return _Parts(
        clicks=clicks,
        opt_outs=means(rows, rows["sum_x"], rows["sum_x2"]) if is_known else None,
        cost=means(cost, cost["sum_y"], cost["sum_y2"]) if known_cost else means(rows, 0.0, 0.0),
        covariance=together if is_known else np.zeros(len(names)),
        events=sums["sum_y"],
        has_extra=_differs(per_order, ALPHA / len(experiment.treated)),
    )


def _judged(experiment: Experiment, counted: pd.DataFrame) -> Floats:
    """Messages per message of which it is known whether a human clicked, by arm: one arm's link may be previewed more.

    Its error is left out: customers with more judged messages have more clicks, so with it the error would be smaller.
    """
    judged = _sums(moments_of(counted, experiment.name, "judged"), experiment.arms)
    sent, known = judged["sum_y"], judged["sum_x"]
    return np.where(known > 0, sent / np.maximum(known, 1.0), 1.0)


def _differs(found: MeanDifference, alpha: float) -> NDArray[np.bool_]:
    """Whether each arm differs from the control; where nothing varies within the arms, any difference is one."""
    estimate, p = np.nan_to_num(found.estimate), np.nan_to_num(found.p_value, nan=1.0)
    return np.where(np.nan_to_num(found.standard_error) > 0, p < alpha, np.abs(estimate) > _ROUNDING)


# --- the difference --------------------------------------------------------------------------------------------------


def _differences(parts: _Parts, control: str, prices: Prices, measured: ArmEffects) -> list[PricedDifference]:
    """Of each arm; the control's are not used. `measured` has their profit."""
    of = {name: None if (arms := getattr(parts, name)) is None else compare(arms, control)
          for name in ("clicks", "opt_outs", "cost")}  # fmt: skip
    at, clicks, opt_outs = parts.clicks.index(control), of["clicks"], of["opt_outs"]
    assert clicks is not None

    def interval(name: str, place: int) -> Interval | None:
        if (found := of[name]) is None:
            return None
        value, low, high = (float(x[place]) for x in (found.estimate, found.low, found.high))
        # Without limits the outcome is the same for all customers of an arm, or nobody has one.
        return (value, low, high) if np.isfinite([value, low, high]).all() else (np.nan_to_num(value),) * 3

    rows = []
    for place in range(len(parts.clicks.names)):
        correlation = 0.0
        if opt_outs is not None:
            scale = clicks.standard_error[place] * opt_outs.standard_error[place]
            correlation = float((parts.covariance[place] + parts.covariance[at]) / scale) if scale > 0 else 0.0
        of_clicks, of_cost = interval("clicks", place), interval("cost", place)
        assert of_clicks is not None
        assert of_cost is not None
        row = measured.find("profit", parts.clicks.names[place]) if parts.has_extra[place] else None
        itself = row.interval if row is not None else (float("nan"),) * 3
        rows.append(PricedDifference(
            interval("opt_outs", place), prices.subscriber.value, itself if parts.has_extra[place] else None, of_clicks,
            (prices.click.estimate, prices.click.low, prices.click.high), of_cost, correlation,
        ))  # fmt: skip
    return rows


# --- the effects -----------------------------------------------------------------------------------------------------


def measure_click_profit(
    experiment: Experiment, counted: pd.DataFrame, prices: Prices, segment: str = ALL
) -> ArmEffects:
    """The modelled profit of every arm compared with the control; the control's row comes first.

    Where a subscriber has no known value, opt-outs are left out. Limits and p-value hold the errors of the prices too;
    the standard error is that of the experiment alone. Arms with fewer than 20 clicks have no effect, nor have arms
    whose discounts differ and whose profit is not known.

    Args:
        experiment: which; `why_not_priced` must be empty.
        counted: of `experiments.count_outcomes`, or with a column segment.
        prices: of a click and a subscriber.
        segment: the segment's name in the rows.
    """
    parts = _parts(experiment, counted, prices)
    measured = ArmEffects(experiment.control, ())
    if parts.has_extra.any():
        measured = measure_effects(experiment, counted, ("profit",), segment)
    mean, adjusted, variance = _arm_values(parts, prices, measured)
    error = np.sqrt(np.maximum(variance, 0.0))
    best, loss = probability_best(adjusted, error), expected_loss(adjusted, error)
    differences = _differences(parts, experiment.control, prices, measured)
    rows = []
    for place, arm in enumerate(experiment.arms):
        row = ArmEffect(
            metric=CLICK_PROFIT, segment=segment, arm=arm, customers=float(parts.clicks.customers[place]),
            events=float(parts.events[place]), mean=float(mean[place]), method="priced", reason="",
            **UNKNOWN,  # type: ignore[arg-type]
        )  # fmt: skip
        row = replace(row, probability_best=float(best[place]), expected_loss=float(loss[place]))
        if place and min(parts.events[place], parts.events[0]) < FEW_EVENTS:
            row = replace(row, reason="few_events")
        elif place and np.isfinite(differences[place].profit()).all():
            row = infer(row, differences[place], float(np.hypot(error[place], error[0])), experiment)
        rows.append(row)
    return ArmEffects(experiment.control, tuple(rows))


def _arm_values(parts: _Parts, prices: Prices, measured: ArmEffects) -> tuple[Floats, Floats, Floats]:
    """The modelled profit per customer of each arm: mean, adjusted by the day of assignment, and variance.

    Of an arm whose discounts differ, that of the control with the difference measured.
    """
    price = prices.click.estimate
    mean = price * parts.clicks.mean - parts.cost.mean
    adjusted = price * parts.clicks.adjusted - parts.cost.adjusted
    variance = price**2 * parts.clicks.variance + parts.cost.variance
    covariance = np.where(parts.has_extra, 0.0, parts.covariance)
    for place in np.flatnonzero(parts.has_extra):
        row = measured.find("profit", parts.clicks.names[place])
        if row is not None and np.isfinite(row.difference):
            mean[place], adjusted[place] = mean[0] + row.difference, adjusted[0] + row.difference
            variance[place] = max(row.standard_error**2 - variance[0], 0.0)
    if parts.opt_outs is not None:
        value = prices.subscriber.value[0]
        mean, adjusted = mean - value * parts.opt_outs.mean, adjusted - value * parts.opt_outs.adjusted
        variance = variance + value**2 * parts.opt_outs.variance - 2 * price * value * covariance
    return mean, adjusted, variance
