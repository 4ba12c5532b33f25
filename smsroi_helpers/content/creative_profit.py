"""Which creative for whom: clicks, orders, opt-outs and profit per text by segment and creative.

    profit = P(click) · value of a click − P(opt-out) · value of a subscriber − message cost − extra discount

An opt-out saved is money, and so is a segment of the bill. The values of a click and of a subscriber are those of
`05_ab_test`; what is compared within campaigns is the creative. The extra discount is what a creative's buyers are let
off beyond the usual per click, counted where it differs significantly.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.special import expit, logit
from scipy.stats import norm

from smsroi_helpers.ab_test import Prices
from smsroi_helpers.content.pooling import Pooled, pool
from smsroi_helpers.content.within_campaign import OptionEffects, fit_within
from smsroi_helpers.statistics import ALPHA, FEW_EVENTS, Floats, Ints, best_set, t_quantile

__all__ = [
    "ByCreative",
    "SegmentChoice",
    "choose",
    "response_rows",
]

_Z = float(norm.ppf(1 - ALPHA / 2))
OUTCOMES = ("click", "order", "opt_out", "profit")


@dataclass(frozen=True)
class SegmentChoice:
    """What the texts of one segment could be."""

    segment: str
    creatives: tuple[str, ...]
    messages: Floats
    """In the log, of each creative."""
    share: Floats
    """Of each creative in today's texts (0–1)."""
    texts_per_week: float
    """Today."""
    customers: int
    """Who get them today."""
    draws: dict[str, Floats] = field(repr=False)
    """Outcome → draws × creatives, per text: clicks, orders and opt-outs as shares, profit in money."""
    best: int
    """The creative with the highest expected profit; without a price of clicks, with the most clicks."""
    chosen: np.ndarray
    """Which creatives are not distinguishable from the best (95 %)."""

    @property
    def gain(self) -> Floats:
        """Draws of profit per text of the best creative, above today's mixture; NaN without a price of clicks."""
        profit = self.draws["profit"]
        return np.asarray(profit[:, self.best] - profit @ self.share)

    @property
    def click_gain(self) -> Floats:
        """Draws of clicks per text of the best creative, above today's mixture."""
        clicks = self.draws["click"]
        return np.asarray(clicks[:, self.best] - clicks @ self.share)


@dataclass(frozen=True)
class ByCreative:
    """Effects of creatives over all customers, and the choice by segment."""

    overall: dict[str, OptionEffects]
    """Outcome → effects over all segments (logit); `discount` per text (money)."""
    pooled: dict[str, Pooled]
    """click by segment; order and opt_out the same in all segments."""
    segments: tuple[SegmentChoice, ...]
    prices: Prices
    priced: bool
    """Whether the value of a click is known."""


def choose(
    cells: pd.DataFrame, creatives: Sequence[str], today: pd.DataFrame, people: pd.DataFrame, weeks: int,
    prices: Prices, rng: np.random.Generator, draws: int = 4_000,
) -> ByCreative | None:  # fmt: skip
    """Compare creatives by segment; None where no two creatives can be compared.

    Args:
        cells: of `counts.count_cells`, with stratum and option (the creative's number).
        creatives: their names.
        today: segment, option, messages of today's practice.
        people: segment, customers.
        weeks: of today's practice.
        prices: of a click and a subscriber.
        rng: of the draws.
        draws: their number.
    """
    overall = {
        "click": fit_within(cells, creatives),
        "order": fit_within(cells, creatives, trials="sent", events="orders"),
        "opt_out": fit_within(cells, creatives, trials="sent", events="opt_outs"),
        "discount": fit_within(cells, creatives, trials="sent", events="discount", scale="mean"),
    }
    used = np.flatnonzero(overall["click"].largest)
    if len(used) < 2:
        return None
    names = tuple(creatives[int(at)] for at in used)
    place = {int(old): new for new, old in enumerate(used)}
    own = cells[cells["option"].isin(place)].assign(option=lambda rows: rows["option"].map(place))
    known = own.dropna(subset="segment")
    order = sorted(known["segment"].unique())
    fits = [fit_within(known[known["segment"] == name], names) for name in order]
    pooled = {"click": pool(fits, rng, draws)}
    for outcome in ("order", "opt_out"):
        fit = overall[outcome]
        part = OptionEffects(
            names, "logit", fit.effect[used], fit.covariance[np.ix_(used, used)], fit.trials[used], fit.events[used],
            fit.connected[used], fit.groups,
        )  # fmt: skip
        pooled[outcome] = pool([part], rng, draws)
    extra = _extra_discounts(overall["discount"], used, own, rng, draws)
    price = _draw(rng, draws, prices.click.estimate, prices.click.low, prices.click.high)
    lost = _draw(rng, draws, *prices.subscriber.value) if prices.subscriber.known else np.zeros(draws)
    found = []
    for number, name in enumerate(order):
        rows = known[known["segment"] == name]
        rates = {
            "click": _rates(rows, pooled["click"].draws[:, number], "messages", "clicks"),
            "order": _rates(rows, pooled["order"].draws[:, 0], "sent", "orders"),
            "opt_out": _rates(rows, pooled["opt_out"].draws[:, 0], "sent", "opt_outs"),
        }
        cost = _mean_cost(rows, own, len(names))
        of_click = extra.beyond_usual(rates["click"])
        profit = rates["click"] * price[:, None] - rates["opt_out"] * lost[:, None] - cost - of_click
        mine = today[(today["segment"] == name) & today["option"].isin(place)]
        sent = (
            np.bincount(mine["option"].map(place), mine["messages"], len(names)) if len(mine) else np.zeros(len(names))
        )
        messages = np.asarray(np.bincount(rows["option"], rows["messages"], len(names)), float)
        share = sent / sent.sum() if sent.sum() else messages / messages.sum()
        values = profit if np.isfinite(profit).all() else rates["click"]
        customers = people.loc[people["segment"] == name, "customers"]
        found.append(SegmentChoice(
            name, names, messages, share, float(sent.sum()) / max(weeks, 1),
            int(customers.iloc[0]) if len(customers) else 0, {**rates, "profit": profit},
            int(values.mean(axis=0).argmax()), best_set(values.mean(axis=0), np.cov(values.T), rng).chosen,
        ))  # fmt: skip
    return ByCreative(overall, pooled, tuple(found), prices, bool(np.isfinite(price).all()))


def _draw(rng: np.random.Generator, draws: int, value: float, low: float, high: float) -> Floats:
    """Draws with that mean and 95 % limits; NaN where the value is not known."""
    return value + rng.standard_normal(draws) * (high - low) / (2 * _Z)


def _rates(rows: pd.DataFrame, effects: Floats, trials: str, events: str) -> Floats:
    """Draws × creatives: the rate of each creative, such that the log's mixture has the segment's rate."""
    size = effects.shape[1]
    n = np.bincount(rows["option"], rows[trials], size)
    happened = float(rows[events].sum())
    if happened < 1 or n.sum() < 1:
        return np.zeros_like(effects)
    weight, rate = n / n.sum(), happened / n.sum()
    centre = effects.mean(axis=0)
    low, high = logit(rate) - 5.0, logit(rate) + 5.0
    for _halving in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if weight @ expit(middle + centre) < rate else (low, middle)
    return np.asarray(expit((low + high) / 2 + effects))


def _mean_cost(rows: pd.DataFrame, every: pd.DataFrame, size: int) -> Floats:
    """Cost per text of each creative in the segment; where it never went there, over all segments."""

    def mean(frame: pd.DataFrame) -> Floats:
        sent = np.bincount(frame["option"], frame["sent"], size)
        cost = np.bincount(frame["option"], frame["cost"].fillna(0.0), size)
        return np.where(sent > FEW_EVENTS, cost / np.maximum(sent, 1), np.nan)

    own, overall = mean(rows), mean(every)
    return np.nan_to_num(np.where(np.isfinite(own), own, overall))


@dataclass(frozen=True)
class _Extra:
    """Discounts of each creative's buyers."""

    per_text: Floats
    """draws × creatives: attributed discounts per text."""
    per_click: float
    """Over all creatives."""
    differs: np.ndarray

    def beyond_usual(self, clicks: Floats) -> Floats:
        """Draws × creatives: discounts beyond the usual per click; 0 where they do not differ."""
        return np.where(self.differs, self.per_text - self.per_click * clicks, 0.0)


def _extra_discounts(
    fit: OptionEffects, used: Ints, cells: pd.DataFrame, rng: np.random.Generator, draws: int
) -> _Extra:
    sent, clicks, discounts = (float(cells[name].sum()) for name in ("sent", "clicks", "discount"))
    effect, error = np.nan_to_num(fit.effect[used]), np.nan_to_num(fit.standard_error[used])
    differs = (error > 0) & (np.abs(effect) > t_quantile(1 - ALPHA / len(used), fit.groups - 1) * error)
    per_text = discounts / max(sent, 1.0) + effect + rng.standard_normal((draws, len(used))) * error
    return _Extra(per_text, discounts / max(clicks, 1.0), differs)


def response_rows(found: ByCreative | None) -> pd.DataFrame:
    """The table `creative_response`: every segment and creative, per text, compared with today's mixture.

    Returns:
        segment, variant, customers, messages, share_today, texts_per_week; of click, order, opt_out and profit the
        level (`<outcome>_rate`, `profit_per_text`), the effect compared with today's mixture and its limits; `best`,
        `evidence`, and `covariance`: of the profit effect with those of the creatives in `covariance_of` (clicks
        where a click has no price).
    """
    rows = []
    for one in found.segments if found else ():
        effects = {name: draws - draws @ one.share[:, None] for name, draws in one.draws.items()}
        main = effects["profit"] if np.isfinite(effects["profit"]).all() else effects["click"]
        covariance = np.cov(main.T)
        for at, creative in enumerate(one.creatives):
            row: dict[str, object] = {
                "segment": one.segment, "variant": creative, "customers": one.customers,
                "messages": float(one.messages[at]), "share_today": float(one.share[at]),
                "texts_per_week": one.texts_per_week,
            }  # fmt: skip
            for outcome in OUTCOMES:
                own = effects[outcome][:, at]
                low, high = np.quantile(own, [ALPHA / 2, 1 - ALPHA / 2])
                row |= {f"{outcome}_level": float(one.draws[outcome][:, at].mean()), outcome: float(own.mean()),
                        f"{outcome}_low": float(low), f"{outcome}_high": float(high)}  # fmt: skip
            row |= {
                "best": at == one.best, "in_best_set": bool(one.chosen[at]), "evidence": "observational",
                "covariance": covariance[at].tolist(), "covariance_of": list(one.creatives),
            }  # fmt: skip
            rows.append(row)
    columns = ["segment", "variant", "customers", "messages", "share_today", "texts_per_week"]
    for outcome in OUTCOMES:
        columns += [f"{outcome}_level", outcome, f"{outcome}_low", f"{outcome}_high"]
    columns += ["best", "in_best_set", "evidence", "covariance", "covariance_of"]
    return pd.DataFrame(rows, columns=columns)
