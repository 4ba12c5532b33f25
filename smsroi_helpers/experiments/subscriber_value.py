"""The value of a subscriber: what texting one earns in the long run, from randomised tests with an untreated arm.

    V = m · A,  A = mean over members of 1 / (1 − (1 − H₀) (1 − u·h) (1 − c) / (1 + δ))

m is the incremental profit per subscribed customer and week, H₀ the weekly opt-out rate of the arms without texts,
h = 1 − (1 − H) / (1 − H₀) what the texts of the others add, c the weekly rate at which subscribers are lost without
opting out, δ the weekly discount rate. Members differ in u, how readily texts make them opt out (`opt_out_spread`), so
A is larger than at the mean of u. A is the expected number of discounted weeks for which a subscriber stays. Who has
opted out still buys: what an opt-out costs is V, not all that the customer is worth.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import ibis
import numpy as np
import pandas as pd
from scipy.stats import norm

from smsroi_helpers import measures
from smsroi_helpers.experiments.checked import find_valid_tests
from smsroi_helpers.experiments.opt_out_spread import draw_opt_out_spread
from smsroi_helpers.experiments.validity import arms_without_messages
from smsroi_helpers.source import Shop, once
from smsroi_helpers.statistics import (
    Floats,
    compare,
    estimate_means,
    estimate_ratios,
    product_interval,
    share_variance,
    sum_interval,
)

__all__ = [
    "SubscriberValue",
    "estimate_subscriber_value",
    "find_opt_outs_without_texts",
    "find_subscriber_value",
]

Interval = tuple[float, float, float]
_UNKNOWN: Interval = (float("nan"),) * 3
_DRAWS, _KEPT = 4_000, 50
_COUNTED = ("early_opt_outs", "clicks", "messages", "leaver_clicks", "leaver_messages")
"""Opt-outs in the first half of the customer's time in the test; messages of which a click would be known, and clicks,
of all customers and of those who opted out."""


@dataclass(frozen=True)
class SubscriberValue:
    """Long-run profit from texting one more subscriber (money); NaN where no experiment shows it."""

    experiment: str
    value: Interval = _UNKNOWN
    """Estimate and 95 % limits."""
    weekly_profit: Interval = _UNKNOWN
    """Incremental, per subscriber and week (m)."""
    weekly_loss: Interval = _UNKNOWN
    """The share of subscribers lost in a week (0–1), by opting out or otherwise, of a member with the mean rate."""
    natural_loss: Interval = _UNKNOWN
    """Of it, the share lost without opting out (c), the same number as on the frequency page."""
    reason: str = ""
    """Why there is no value: `no_test`, `no_orders` (so no profit is known), `no_opt_outs` (not recorded),
    `not_above_zero` (m is not)."""
    losses: tuple[float, ...] = ()
    """The weekly loss (0–1) of members who stand for equal parts of all; empty where all lose as `weekly_loss` says."""

    @property
    def known(self) -> bool:
        """Whether there is a value with an interval."""
        return bool(np.isfinite(self.value).all())

    def remaining(self, weeks: int) -> Floats:
        """The share (0–1) of subscribers who are still there after 0, 1, … `weeks` weeks."""
        losses = np.array(self.losses or self.weekly_loss[:1])
        return np.asarray(((1 - losses) ** np.arange(weeks + 1)[:, None]).mean(axis=1))


def estimate_subscriber_value(
    moments: pd.DataFrame, untreated: Sequence[str], natural_loss: Interval, discount: float
) -> SubscriberValue:
    """V, m and the weekly loss, each with 95 % limits, and how members differ in that loss.

    Args:
        moments: by arm (index): of profit n, sum_y, sum_y2; of opt-outs (y) and subscribed weeks (x) out_sum_y,
            out_sum_y2, out_sum_x, out_sum_x2, out_sum_xy; the sums of `_COUNTED`; of customers who consented when
            assigned.
        untreated: the arms without messages; the others are taken together.
        natural_loss: c, weekly, with limits (0–1).
        discount: δ, weekly.
    """
    is_untreated = moments.index.isin(list(untreated))
    treated, control = moments[~is_untreated].sum(), moments[is_untreated].sum()
    weeks = treated["out_sum_x"] / treated["n"]
    profit = pd.DataFrame([treated, control])[["n", "sum_y", "sum_y2"]].assign(arm=["treated", "control"])
    found = compare(share_variance(estimate_means(profit, ["treated", "control"])), "control")
    m = tuple(float(part[0]) / weeks for part in (found.estimate, found.low, found.high))
    ratio = treated[[name for name in moments.columns if name.startswith("out_")]].rename(lambda x: x[4:])
    of_treated = estimate_ratios(pd.DataFrame([{"arm": "treated", "n": treated["n"], **ratio}]), ["treated"])
    rate, error = float(of_treated.mean[0]), float(np.sqrt(of_treated.variance[0]))
    half = norm.ppf(0.975) * error
    opt_outs = tuple(-np.log1p(-min(max(x, 0.0), 0.99)) for x in (rate, rate - half, rate + half))
    lost = tuple(-np.log1p(-min(max(x, 0.0), 0.99)) for x in natural_loss)
    leaving = sum_interval(opt_outs, lost)
    weekly = tuple(float(-np.expm1(-max(x, 0.0))) for x in leaving)
    alone = float(control["out_sum_y"] / control["out_sum_x"]) if control["out_sum_x"] > 0 else 0.0
    lost_of = _draw_losses(moments[~is_untreated], (rate, error), min(alone, rate), natural_loss)
    weeks_left = (1 / (1 - (1 - lost_of) / (1 + discount))).mean(axis=0)
    value = product_interval(m, (float(weeks_left.mean()), *np.quantile(weeks_left, [0.025, 0.975]).tolist()))
    losses = tuple(lost_of[:, :: _DRAWS // _KEPT].ravel().tolist())
    return SubscriberValue("", value, m, weekly, natural_loss, "", losses)  # type: ignore[arg-type]


def _draw_losses(treated: pd.DataFrame, rate: tuple[float, float], alone: float, natural_loss: Interval) -> Floats:
    """Members of equal parts × draws: their weekly loss.

    Args:
        treated: moments of the arms with messages.
        rate: H and its standard error.
        alone: H₀.
        natural_loss: as for `estimate_subscriber_value`.
    """
    rng = np.random.default_rng(0)
    cells = pd.DataFrame({
        "segment": "all", "dose": np.arange(len(treated)), "n": treated["n"].to_numpy(float),
        "opt_outs": treated["out_sum_y"].to_numpy(float),
        **{name: treated[name].to_numpy(float) for name in _COUNTED},
    })  # fmt: skip
    members = draw_opt_out_spread(cells, rng, _DRAWS)
    opt_outs = np.clip(rate[0] + rate[1] * rng.standard_normal(_DRAWS), alone, 1 - 1e-9)
    caused = 1 - (1 - opt_outs) / (1 - alone)
    z = rng.standard_normal(_DRAWS) / norm.ppf(0.975)
    c, low, high = natural_loss
    lost = np.clip(c + np.where(z < 0, (c - low) * z, (high - c) * z), 0.0, 1.0)
    return np.asarray(1 - (1 - alone) * (1 - np.minimum(members * caused, 1.0)) * (1 - lost))


@once
def _count_arms(shop: Shop) -> pd.DataFrame:
    """By experiment and arm (index): the moments that `estimate_subscriber_value` reads."""
    people = measures.arm_outcomes(shop, None, "treatment")
    people = people.filter(people.outcome_days > 0, people.consenting == 1)
    left = (people.opted_out == 1).fill_null(False)
    clicks, messages = people.clicked_messages.fill_null(0), people.click_known_messages.fill_null(0)
    people = people.mutate(
        early_opt_outs=measures.left_early(people).cast("int64"),
        clicks=clicks,
        messages=messages,
        leaver_clicks=ibis.ifelse(left, clicks, 0),
        leaver_messages=ibis.ifelse(left, messages, 0),
    )
    pairs: dict[str, tuple[str, str | None]] = {
        "profit": ("profit", None), "out": ("opted_out", "subscribed_weeks"),
        **{name: (name, None) for name in _COUNTED},
    }  # fmt: skip
    counted = shop.count(measures.arm_moments_together(people, pairs)).set_index(["experiment_id", "arm"])
    names = {f"profit__{name}": name for name in ("n", "sum_y", "sum_y2")}
    names |= {f"out__{name}": f"out_{name}" for name in ("sum_y", "sum_y2", "sum_x", "sum_x2", "sum_xy")}
    names |= {f"{name}__sum_y": name for name in _COUNTED}
    return counted[list(names)].rename(columns=names).astype(float)


def find_subscriber_value(shop: Shop, natural_loss: Interval, discount: float) -> SubscriberValue:
    """The value of a subscriber from the valid experiment that shows the weekly profit most precisely.

    Args:
        shop: the company.
        natural_loss: the share of subscribers lost in a week without opting out, with limits (0–1).
        discount: weekly.
    """
    tests = find_valid_tests(shop, "messages")
    if tests and not shop.has("orders"):
        return SubscriberValue("", reason="no_orders")
    if tests and measures.opt_outs(shop) is None:
        return SubscriberValue("", reason="no_opt_outs")
    usable = [one for one in tests if arms_without_messages(one) and (one.customers >= 2).all()]
    if not usable:
        return SubscriberValue("", reason="no_test")
    counted = _count_arms(shop)
    found = []
    for experiment in usable:
        moments = counted.loc[experiment.name].reindex(list(experiment.arms)).fillna(0.0)
        is_untreated = moments.index.isin(arms_without_messages(experiment))
        if min(moments.loc[is_untreated, "n"].sum(), moments.loc[~is_untreated, "n"].sum()) < 2:
            continue
        one = estimate_subscriber_value(moments, arms_without_messages(experiment), natural_loss, discount)
        if not one.weekly_profit[1] > 0:
            one = replace(one, value=_UNKNOWN, reason="not_above_zero")
        found.append(replace(one, experiment=experiment.name))
    if not found:
        return SubscriberValue("", reason="no_test")
    return min(found, key=lambda one: (not one.known, np.nan_to_num(one.weekly_profit[2] - one.weekly_profit[1])))


def find_opt_outs_without_texts(shop: Shop) -> Interval:
    """H₀: the share of subscribers who opt out in a week without being texted, with 95 % limits (0–1).

    Of the untreated arms of all valid tests together; NaN where there are none, or opt-outs are not recorded.

    Args:
        shop: the company, with orders.
    """
    tests = [one for one in find_valid_tests(shop, "messages") if arms_without_messages(one)]
    if not tests or measures.opt_outs(shop) is None:
        return _UNKNOWN
    counted = _count_arms(shop)
    arms = [counted.loc[one.name].reindex(list(arms_without_messages(one))).fillna(0.0) for one in tests]
    found = pd.concat(arms).sum()
    if found["n"] < 2 or not found["out_sum_x"] > 0:
        return _UNKNOWN
    moments = {name[4:]: found[name] for name in found.index if name.startswith("out_")}
    ratio = estimate_ratios(pd.DataFrame([{"arm": "untreated", "n": found["n"], **moments}]), ["untreated"])
    rate, half = float(ratio.mean[0]), float(norm.ppf(0.975) * np.sqrt(ratio.variance[0]))
    return rate, max(rate - half, 0.0), min(rate + half, 1.0)
