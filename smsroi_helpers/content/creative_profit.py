"""Which creative for whom: clicks, orders, opt-outs and profit per text by segment and creative.

    profit = P(click) · value of a click · profit of its clicks relative to the usual − message cost
             − P(opt-out) · value of a subscriber of the segment

with clicks and opt-outs at today's level: the log has older texts too, and those of tests that sent more of them. An
opt-out saved is money, and so is a segment of the bill. The value of a click is that of `05_ab_test`; what is compared
within campaigns is the creative. An opt-out costs what texting that subscriber brings from then on, which depends on
the text: with τ texts a week that bring the profit p before opt-outs and cause the opt-outs o, and a share k lost or
discounted a week whatever is sent (by opting out without texts, by no longer reading, by the discount), a subscriber is
worth V = τ p ÷ (τ o + k). An opt-out is priced at V with the text whose V is highest. So the text with the highest
profit is the one with the highest long-run value, however far texts are apart: at the value of a subscriber of today's
mixture, a text with few opt-outs would look worse than it is.

References:
    Dinkelbach (1967), On nonlinear fractional programming, Management Science 13(7): max τ p ÷ (τ o + k) by way of
        max p − o V.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.special import expit, logit
from scipy.stats import norm

from smsroi_helpers.ab_test import Prices
from smsroi_helpers.content.pooling import Pooled, pool
from smsroi_helpers.content.profit_per_click import draw_profit_per_click
from smsroi_helpers.content.within_campaign import OptionEffects, fit_within
from smsroi_helpers.statistics import ALPHA, FEW_EVENTS, Floats, best_set

__all__ = [
    "ByCreative",
    "SegmentChoice",
    "choose",
    "draw_level",
    "draw_lost",
    "opt_out_cost",
    "response_rows",
]

_Z = float(norm.ppf(1 - ALPHA / 2))
_LEAST_LOST = 1e-6
_LEVEL_EVENTS = 25.0
"""The log's level of clicks and opt-outs counts as much as today's would with so many events."""
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
    opt_out_cost: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Money that an opt-out costs, with 95 % limits; 0 where subscribers have no known value."""
    click_times: float = 1.0
    """Today's clicks of these texts ÷ those at the rates of the log; profit is at today's."""
    opt_out_times: float = 1.0
    """The same of opt-outs, of all segments together."""

    @property
    def several_best(self) -> bool:
        """Whether more than one creative is not distinguishable from the best."""
        return bool(self.chosen.sum() > 1)

    @property
    def gain(self) -> Floats:
        """Draws of profit per text of the best creative, above today's mixture; NaN without a price of clicks."""
        return self.gain_in("profit")

    def gain_in(self, outcome: str) -> Floats:
        """Draws of an outcome per text of the best creative, above today's mixture."""
        draws = self.draws[outcome]
        return np.asarray(draws[:, self.best] - draws @ self.share)

    def gains_of_all(self, outcome: str) -> tuple[Floats, Floats, Floats]:
        """Mean and 95 % limits of an outcome per text of every creative, above today's mixture."""
        draws = self.draws[outcome] - self.draws[outcome] @ self.share[:, None]
        low, high = np.quantile(draws, [ALPHA / 2, 1 - ALPHA / 2], axis=0)
        return draws.mean(axis=0), low, high

    @property
    def click_gain(self) -> Floats:
        """Draws of clicks per text of the best creative, above today's mixture."""
        return self.gain_in("click")


@dataclass(frozen=True)
class ByCreative:
    """Effects of creatives over all customers, and the choice by segment."""

    overall: dict[str, OptionEffects]
    """Outcome → effects over all segments (logit); `order_profit` of attributed orders, per text (money)."""
    pooled: dict[str, Pooled]
    """click by segment; order and opt_out the same in all segments."""
    segments: tuple[SegmentChoice, ...]
    prices: Prices
    priced: bool
    """Whether the value of a click is known."""
    left_out: tuple[tuple[str, int], ...] = ()
    """Segments that get texts today and got none in the log that is read, and their customers today."""

    @property
    def texted(self) -> tuple[SegmentChoice, ...]:
        """Segments that get texts today."""
        return tuple(one for one in self.segments if one.texts_per_week > 0)

    @property
    def customers(self) -> int:
        """Who get texts today, in all of these."""
        return sum(one.customers for one in self.texted)

    @property
    def texts_per_week(self) -> float:
        """Today, in all of these."""
        return sum(one.texts_per_week for one in self.texted)


def choose(
    cells: pd.DataFrame, creatives: Sequence[str], today: pd.DataFrame, people: pd.DataFrame, answers: pd.DataFrame,
    weeks: int, prices: Prices, leaving: tuple[float, float, float], discount: float, rng: np.random.Generator,
    draws: int = 4_000,
) -> ByCreative | None:  # fmt: skip
    """Compare creatives by segment; None where no two creatives can be compared.

    Args:
        cells: of `counts.count_cells`, with stratum and option (the creative's number).
        creatives: their names.
        today: segment, option (the creative's number), messages of today's practice.
        people: segment, customers.
        answers: segment, option, and the counts of `counts.count_answers`.
        weeks: of today's practice.
        prices: of a click and a subscriber.
        leaving: the share who opt out in a week without texts, with 95 % limits; NaN where it is not known.
        discount: weekly.
        rng: of the draws.
        draws: their number.
    """
    cells = cells.assign(order_gross=cells["order_profit"] + cells["discount"])
    overall = {
        "click": fit_within(cells, creatives),
        "order": fit_within(cells, creatives, trials="sent", events="orders"),
        "opt_out": fit_within(cells, creatives, trials="sent", events="opt_outs"),
        "order_profit": fit_within(cells, creatives, trials="sent", events="order_profit", scale="mean"),
    }
    before_discounts, discounts = (
        fit_within(cells, creatives, trials="sent", events=name, scale="mean") for name in ("order_gross", "discount")
    )
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
    price = _draw(rng, draws, prices.click.estimate, prices.click.low, prices.click.high)
    lost = draw_lost(rng, draws, prices, leaving, discount)
    rates = [
        {
            "click": _rates(rows, pooled["click"].draws[:, number], "messages", "clicks"),
            "order": _rates(rows, pooled["order"].draws[:, 0], "sent", "orders"),
            "opt_out": _rates(rows, pooled["opt_out"].draws[:, 0], "sent", "opt_outs"),
        }
        for number, rows in enumerate(known[known["segment"] == name] for name in order)
    ]
    weight = known.groupby("segment")["messages"].sum()[order].to_numpy(float)
    clicks = np.average([each["click"].mean(axis=0) for each in rates], axis=0, weights=weight)
    relative = _relative_profit(before_discounts, discounts, used, own, clicks, prices.click.estimate, rng, draws)
    today, answers = (
        each[each["option"].isin(place)].assign(option=lambda rows: rows["option"].map(place))
        for each in (today, answers)
    )
    answered = [_by_option(answers[answers["segment"] == name], len(names)) for name in order]
    opt_out_level = draw_level(rng, draws, [
        (each["opt_outs"].sum(), each["delivered"] @ rate["opt_out"].mean(axis=0))
        for each, rate in zip(answered, rates, strict=True)
    ])  # fmt: skip
    found = []
    for number, name in enumerate(order):
        rows, rate, own_answers = known[known["segment"] == name], rates[number], answered[number]
        mine = today[today["segment"] == name]
        sent = np.asarray(np.bincount(mine["option"], mine["messages"], len(names)), float)
        click_level = draw_level(
            rng, draws, [(own_answers["clicks"].sum(), own_answers["known"] @ rate["click"].mean(axis=0))]
        )
        sales = rate["click"] * relative * (click_level * price)[:, None] - _mean_cost(rows, own, len(names))
        messages = np.asarray(np.bincount(rows["option"], rows["messages"], len(names)), float)
        share = sent / sent.sum() if sent.sum() else messages / messages.sum()
        customers = people.loc[people["segment"] == name, "customers"]
        texted = int(customers.iloc[0]) if len(customers) else 0
        a_week = float(sent.sum()) / max(weeks, 1)
        opt_outs = rate["opt_out"] * opt_out_level[:, None]
        cost = opt_out_cost(sales, opt_outs, a_week / texted if texted else 0.0, lost)
        profit = sales - opt_outs * cost[:, None]
        values = profit if np.isfinite(profit).all() else rate["click"]
        found.append(SegmentChoice(
            name, names, messages, share, a_week, texted, {**rate, "profit": profit},
            int(values.mean(axis=0).argmax()), best_set(values.mean(axis=0), np.cov(values.T), rng).chosen,
            (float(cost.mean()), *np.quantile(cost, [ALPHA / 2, 1 - ALPHA / 2]).tolist()),
            float(click_level.mean()), float(opt_out_level.mean()),
        ))  # fmt: skip
    left_out = tuple(
        (str(row.segment), int(row.customers)) for row in people.itertuples() if row.segment not in set(order)
    )
    return ByCreative(overall, pooled, tuple(found), prices, bool(np.isfinite(price).all()), left_out)


def _draw(rng: np.random.Generator, draws: int, value: float, low: float, high: float) -> Floats:
    """Draws with that mean and 95 % limits; NaN where the value is not known."""
    return value + rng.standard_normal(draws) * (high - low) / (2 * _Z)


def _by_option(rows: pd.DataFrame, size: int) -> dict[str, Floats]:
    """The counts of `counts.count_answers` by creative."""
    names = ("delivered", "known", "clicks", "opt_outs")
    return {name: np.asarray(np.bincount(rows["option"], rows[name], size), float) for name in names}


def draw_level(rng: np.random.Generator, draws: int, pairs: Sequence[tuple[float, float]]) -> Floats:
    """Draws of today's events ÷ those that the log's rates predict for today's texts: Gamma, drawn towards 1."""
    events, expected = (float(sum(part)) + _LEVEL_EVENTS for part in zip(*pairs, strict=True))
    return np.asarray(rng.gamma(events, 1 / expected, draws))


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


def draw_lost(
    rng: np.random.Generator, draws: int, prices: Prices, leaving: tuple[float, float, float], discount: float
) -> Floats | None:
    """Draws of the share of subscribers lost or discounted a week whatever they are sent; None where not known."""
    if not prices.subscriber.known or not np.isfinite(leaving).all():
        return None
    without_texts, unread = (
        np.maximum(_draw(rng, draws, *each), 0.0) for each in (leaving, prices.subscriber.natural_loss)
    )
    return np.asarray(without_texts + unread + discount)


def opt_out_cost(sales: Floats, opt_outs: Floats, texts: float, lost: Floats | None) -> Floats:
    """Draws of what an opt-out costs (money): V with the text whose V is highest on average; 0 where it is not known.

    Args:
        sales: draws × creatives: profit per text before opt-outs (money).
        opt_outs: draws × creatives: per text.
        texts: per subscriber and week.
        lost: draws of the share of subscribers lost or discounted a week whatever they are sent; None: not known.
    """
    if lost is None or not texts > 0 or not np.isfinite(sales).all():
        return np.zeros(len(sales))
    value = texts * sales.mean(axis=0) / np.maximum(texts * opt_outs.mean(axis=0) + lost.mean(), _LEAST_LOST)
    best = int(value.argmax())
    return np.maximum(texts * sales[:, best] / np.maximum(texts * opt_outs[:, best] + lost, _LEAST_LOST), 0.0)


def _relative_profit(
    earned: OptionEffects, given: OptionEffects, used: np.ndarray, cells: pd.DataFrame, clicks: Floats, price: float,
    rng: np.random.Generator, draws: int,
) -> Floats:  # fmt: skip
    """Draws × creatives of `draw_profit_per_click`; 1 where it cannot be seen for all of them."""
    effect = earned.effect[used]
    apart = len(set(earned.connected[used].tolist())) > 1
    if apart or not np.isfinite(effect).all() or not np.isfinite(price) or not (clicks > 0).all():
        return np.ones((draws, len(used)))
    sent = np.asarray(np.bincount(cells["option"], cells["sent"], len(used)), float)
    share, own = sent / sent.sum(), np.ix_(used, used)
    mean_discount = float(cells["discount"].sum()) / sent.sum()
    discount = mean_discount + given.effect[used] - share @ given.effect[used]
    return draw_profit_per_click(
        (effect, earned.covariance[own]), (discount, given.covariance[own]), clicks, price, share, rng, draws
    )


def response_rows(found: ByCreative | None) -> pd.DataFrame:
    """The table `creative_response`: every segment and creative, per text, compared with today's mixture.

    Returns:
        segment, variant, customers, messages, share_today, texts_per_week; clicks_today_times, opt_outs_today_times
        (today's level ÷ the log's: profit is at today's, clicks and opt-outs at the log's); of click, order, opt_out
        and profit the level (`<outcome>_level`), the effect compared with today's mixture and its limits; `best`,
        `in_best_set`, `evidence`, and `covariance`: of the profit effect with those of the creatives in
        `covariance_of` (clicks where a click has no price).
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
                "texts_per_week": one.texts_per_week, "clicks_today_times": one.click_times,
                "opt_outs_today_times": one.opt_out_times,
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
    columns += ["clicks_today_times", "opt_outs_today_times"]
    for outcome in OUTCOMES:
        columns += [f"{outcome}_level", outcome, f"{outcome}_low", f"{outcome}_high"]
    columns += ["best", "in_best_set", "evidence", "covariance", "covariance_of"]
    return pd.DataFrame(rows, columns=columns)
