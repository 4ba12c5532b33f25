"""The truth of a simulated company: purchases, effects of messages, and the value of policies.

`draw_world` draws every effect from the ranges below, given a seed. `expected` returns the truth of any policy in
closed form. `write` creates the tables. Neither uses the estimators that are tested with them. Time is in weeks, money
in the source's currency.

A message is delivered or not. The customer responds to a delivered message with probability

    expit(base + hour + weekday + creative − fatigue · messages of the last week) · responsiveness.

Every term depends on the segment. The hour is the recipient's local hour, shifted for early and late risers. A customer
who responds clicks with one probability and places an additional order with another. Independently, the message may
move an organic order forward (pull-forward). Each delivered message also causes an opt-out with its own probability.
"""

import dataclasses
import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit

__all__ = [
    "CREATIVES",
    "FREQUENCIES",
    "HOURS",
    "HOUR_SHIFTS",
    "HOUR_SHIFT_SHARES",
    "MARKETS",
    "RANGES",
    "SEGMENTS",
    "Creative",
    "PolicyTruth",
    "World",
    "best_policy",
    "draw_world",
    "expected",
    "read_truth",
    "season",
]

Floats = NDArray[np.float64]

SEGMENTS = ("loyal", "bargain", "occasional", "quiet")
MARKETS = ("us", "cn")
MARKET_SHARES = (0.6, 0.4)
HOUR_SHIFTS = (-3, 0, 3)
"""Shift of the daily pattern in hours: early risers, most people, late risers."""
HOUR_SHIFT_SHARES = (0.25, 0.5, 0.25)
FREQUENCIES = (0, 1, 2, 4)
"""Messages per week in the arms of the frequency experiment."""
HOURS = tuple(range(8, 20))
"""Local hours in the arms of the timing experiment."""
NIGHT = (21, 8)
"""Messages from the first to the second hour (local) cause more opt-outs."""


@dataclass(frozen=True)
class Creative:
    """One text, in the languages of the two markets."""

    variant: str
    content_type: str
    discount: float
    """Discount (0–1) on the orders that the text causes."""
    texts: tuple[str, str]
    """English and Chinese."""

    def billing_segments(self, market: int) -> int:
        """Return the billed SMS segments: 160 characters each (153 in multipart messages) if ASCII, else 70 (67)."""
        text = self.texts[market]
        single, several = (160, 153) if text.isascii() else (70, 67)
        return 1 if len(text) <= single else -(-len(text) // several)


CREATIVES = (
    Creative(
        "new_in", "promotion", 0.0,
        ("Northwind: the new season is in. See it first: nw.example/new Reply STOP to opt out",
         "【北风】新季上架，抢先一看：nw.example/new 回T退订"),
    ),
    Creative(
        "sale_10", "promotion", 0.1,
        ("Northwind: 10% off everything until Sunday. nw.example/10 Reply STOP to opt out",
         "【北风】全场九折，周日截止：nw.example/10 回T退订"),
    ),
    Creative(
        "sale_20", "promotion", 0.2,
        ("Northwind: last chance! 20% off ends tonight. nw.example/20 Reply STOP to opt out",
         "【北风】最后机会！全场八折，今晚结束：nw.example/20 回T退订"),
    ),
    Creative(
        "festival", "festival", 0.0,
        ("Northwind: happy holidays from all of us. Gifts for everyone you love, wrapped and on their way in a day:"
         " nw.example/gifts Reply STOP to opt out",
         "【北风】佳节将至，祝您与家人平安喜乐。精选礼盒免费包装，次日送达，为您爱的每一个人备好心意，"
         "门店与线上同步发售：nw.example/gifts 回T退订"),
    ),
    Creative(
        "story", "story", 0.0,
        ("Northwind: Ana has sewn our coats for 30 years. Read her story: nw.example/ana Reply STOP to opt out",
         "【北风】安娜为我们缝制大衣三十年，读读她的故事：nw.example/ana 回T退订"),
    ),
    Creative(
        "vote", "interactive", 0.0,
        ("Northwind: which colour next, blue or green? Reply 1 or 2. Reply STOP to opt out",
         "【北风】下一款要蓝色还是绿色？回复1或2投票，回T退订"),
    ),
    Creative(
        "reminder", "reminder", 0.0,
        ("Northwind: your points expire this month. Use them: nw.example/points Reply STOP to opt out",
         "【北风】您的积分本月到期，快来使用：nw.example/points 回T退订"),
    ),
    Creative(
        "service", "service", 0.0,
        ("Northwind: free repairs for all our coats, for life. Book: nw.example/care Reply STOP to opt out 😊",
         "【北风】大衣终身免费修补，预约：nw.example/care 回T退订 😊"),
    ),
)  # fmt: skip

_BY_SEGMENT: dict[str, tuple[tuple[float, float], ...]] = {
    "share": ((0.15, 0.25), (0.2, 0.3), (0.25, 0.35), (0.2, 0.3)),
    # BG/NBD: purchase rate ~ Gamma(r, alpha), drop-out probability after each repeat purchase ~ Beta(a, b)
    "r": ((1.2, 2.0), (0.9, 1.4), (0.6, 0.9), (0.4, 0.6)),
    "alpha": ((4.0, 6.0), (6.0, 9.0), (8.0, 12.0), (10.0, 14.0)),
    "a": ((0.6, 0.9), (0.8, 1.2), (0.6, 0.9), (0.8, 1.2)),
    "b": ((6.0, 9.0), (3.0, 5.0), (2.0, 3.0), (1.5, 2.5)),
    # Gamma–Gamma: an order's list value ~ Gamma(p, ν), ν ~ Gamma(q, v), given by its mean p·v / (q − 1)
    "value_p": ((4.0, 6.0),) * 4,
    "value_q": ((3.5, 5.0),) * 4,
    "mean_value": ((45.0, 60.0), (25.0, 35.0), (35.0, 50.0), (30.0, 45.0)),
    # Effects of a delivered message
    "attention": ((0.14, 0.22), (0.18, 0.26), (0.10, 0.16), (0.04, 0.08)),
    "click_share": ((0.35, 0.55),) * 4,
    "order_share": ((0.12, 0.20), (0.12, 0.20), (0.08, 0.15), (0.03, 0.06)),
    "moved_share": ((0.1, 0.3),) * 4,
    "hour_strength": ((0.25, 0.6),) * 4,
    "best_hour": ((9.0, 19.0),) * 4,
    "second_strength": ((0.0, 0.12),) * 4,
    "fatigue": ((0.15, 0.3), (0.2, 0.4), (0.25, 0.45), (0.25, 0.45)),
    "opt_out": ((0.0015, 0.004), (0.002, 0.005), (0.003, 0.007), (0.005, 0.010)),
    "opt_out_fatigue": ((0.15, 0.35),) * 4,
    "weekly_loss": ((0.001, 0.003),) * 4,
    "bad_numbers": ((0.01, 0.03), (0.01, 0.04), (0.02, 0.06), (0.04, 0.10)),
}
RANGES: dict[str, tuple[tuple[float, float], ...]] = _BY_SEGMENT | {
    "not_delivered": ((0.01, 0.03),),
    "refunds": ((0.02, 0.05),),
    "discount_pull": ((1.5, 3.0),),
    "season_strength": ((0.1, 0.25),),
}
"""Name → range(s) of the uniform draw: one range per segment, or one for all."""
WEEKDAY_SD, CREATIVE_SD, CREATIVE_SEGMENT_SD = 0.12, 0.2, 0.1
"""Standard deviations (logit) of the effects of weekdays, of creatives, and of a creative in a segment."""
REFUNDED = 0.75
"""Mean share of the amount that a refund returns: half or all of it, equally often."""


@dataclass(frozen=True)
class World:
    """Every parameter of a simulated company; arrays have one entry for each of `SEGMENTS`."""

    seed: int
    null: bool
    share: Floats
    r: Floats
    alpha: Floats
    a: Floats
    b: Floats
    value_p: Floats
    value_q: Floats
    mean_value: Floats
    attention: Floats
    """Probability of a response to a first message at an average hour."""
    click_share: Floats
    order_share: Floats
    moved_share: Floats
    hour_strength: Floats
    best_hour: Floats
    second_strength: Floats
    fatigue: Floats
    """Decrease of the logit of attention for each message of the last week."""
    opt_out: Floats
    """Probability that a first message causes an opt-out."""
    opt_out_fatigue: Floats
    weekly_loss: Floats
    """Share of subscribers lost per week for other reasons."""
    bad_numbers: Floats
    """Share of customers whose number is not reachable."""
    not_delivered: float
    refunds: float
    """Share of orders with a refund."""
    discount_pull: float
    season_strength: float
    weekday: Floats
    """(segments, 7): effect on the logit of attention; Monday first."""
    creative: Floats
    """(segments, creatives): the same."""
    creative_opt_out: Floats
    """(creatives,): effect on the logit of opting out."""
    margin: float = 0.4
    cost_per_segment: float = 0.015
    yearly_discount_rate: float = 0.1

    @property
    def value_v(self) -> Floats:
        """Gamma–Gamma's third parameter."""
        return self.mean_value * (self.value_q - 1) / self.value_p

    @property
    def costs(self) -> Floats:
        """(creatives, markets): what one message costs."""
        billed = np.array([[c.billing_segments(m) for m in range(len(MARKETS))] for c in CREATIVES], float)
        return self.cost_per_segment * billed

    @property
    def weekly_discount(self) -> float:
        """Discount rate per week."""
        return float((1 + self.yearly_discount_rate) ** (7 / 365.25) - 1)

    def attention_logit(self) -> Floats:
        """(segments, hour shifts, 24 hours, 7 weekdays, creatives): logit of a response to a first message."""
        hour = np.arange(24.0)
        turn = 2 * np.pi * (hour - np.array(HOUR_SHIFTS)[None, :, None] - self.best_hour[:, None, None]) / 24
        curve = self.hour_strength[:, None, None] * np.cos(turn)
        curve += self.second_strength[:, None, None] * np.cos(2 * turn)
        base = logit(self.attention)[:, None, None, None, None]
        week = self.weekday[:, None, None, :, None]
        return np.asarray(base + curve[..., None, None] + week + self.creative[:, None, None, None, :])

    def opt_out_logit(self) -> Floats:
        """(segments, 24 hours, creatives): logit of an opt-out at a first message; −inf for probability 0."""
        with np.errstate(divide="ignore"):
            base = logit(self.opt_out)[:, None, None]
        hour = np.arange(24)
        at_night = np.where((hour >= NIGHT[0]) | (hour < NIGHT[1]), 0.8, 0.0)[:, None]
        return np.asarray(base + at_night + self.creative_opt_out)

    def buys_more(self) -> Floats:
        """(segments, creatives): probability of an additional order, given a response."""
        pull = np.exp(self.discount_pull * np.array([c.discount for c in CREATIVES]))
        return np.asarray(self.order_share[:, None] * pull)

    def order_profit(self) -> Floats:
        """(segments, creatives): profit of an order caused by a message, after discount and expected refunds.

        margin · (amount + discount) − discount − margin · expected refund.
        """
        off = np.array([c.discount for c in CREATIVES])
        per_unit = self.margin - off - self.margin * self.refunds * REFUNDED * (1 - off)
        return np.asarray(self.mean_value[:, None] * per_unit)


def draw_world(seed: int, null: bool = False) -> World:
    """Draw the effects of a company from `RANGES`; the same seed gives the same company.

    Args:
        seed: seed of the effects.
        null: messages have no effect and no cost; the click rate is the same for all hours, texts and frequencies.
    """
    rng = np.random.default_rng([seed, 1])
    drawn: dict[str, Any] = {}
    for name, ranges in RANGES.items():
        low, high = np.array(ranges).T
        values = rng.uniform(low, high)
        drawn[name] = values if name in _BY_SEGMENT else float(values[0])
    drawn["share"] = drawn["share"] / drawn["share"].sum()
    weekday = rng.normal(0, WEEKDAY_SD, (len(SEGMENTS), 7))
    creative = rng.normal(0, CREATIVE_SD, len(CREATIVES))
    creative = creative + rng.normal(0, CREATIVE_SEGMENT_SD, (len(SEGMENTS), len(CREATIVES)))
    creative_opt_out = rng.normal(0, 0.2, len(CREATIVES))
    world = World(
        seed,
        null,
        **drawn,
        weekday=weekday - weekday.mean(axis=1, keepdims=True),
        creative=creative - creative.mean(axis=1, keepdims=True),
        creative_opt_out=creative_opt_out,
    )
    if not null:
        return world
    none = np.zeros(len(SEGMENTS))
    return dataclasses.replace(
        world,
        order_share=none,
        moved_share=none,
        hour_strength=none,
        second_strength=none,
        fatigue=none,
        opt_out=none,
        weekday=np.zeros_like(weekday),
        creative=np.zeros_like(creative),
        cost_per_segment=0.0,
    )


@dataclass(frozen=True)
class PolicyTruth:
    """The truth of a policy, for a random customer of the segment; arrays in the common shape of the arguments."""

    click_rate: Floats
    """Human clicks per delivered message."""
    order_rate: Floats
    """Orders caused per delivered message."""
    opt_out_rate: Floats
    """Opt-outs per delivered message."""
    orders_per_week: Floats
    """Orders caused per subscribed customer and week."""
    profit_per_week: Floats
    """m: incremental profit after the cost of messages, per subscribed customer and week."""
    opt_out_per_week: Floats
    """h: share of subscribers per week who opt out because of messages."""
    long_run_profit: Floats
    """V = m / (1 − (1 − h)(1 − c) / (1 + δ)): present value per subscriber of continuing the policy. c is the weekly
    loss for other reasons, δ the weekly discount rate."""


def expected(
    world: World,
    segment: ArrayLike,
    *,
    texts_per_week: ArrayLike,
    hour: ArrayLike,
    weekday: ArrayLike | None = None,
    creative: ArrayLike | None = None,
    hour_shift: ArrayLike | None = None,
) -> PolicyTruth:
    """Return the truth of a constant policy: the same number of texts every week, on different days, at one hour.

    Args:
        world: the company.
        segment: numbers in `SEGMENTS`.
        texts_per_week: 0–7; each message follows texts_per_week − 1 others in the six days before it (none below 1).
        hour: the recipient's local hour, 0–23.
        weekday: 0 (Monday) to 6; None: the mean over the week.
        creative: numbers in `CREATIVES`; None: the mean over them.
        hour_shift: numbers in `HOUR_SHIFTS`; None: the mean over the segment's members.

    Returns:
        Rates, orders and money, each in the shape to which the arguments broadcast.
    """
    arguments = np.broadcast_arrays(
        np.asarray(segment), np.asarray(texts_per_week, float), np.asarray(hour),
        *(np.asarray(0 if given is None else given) for given in (weekday, creative, hour_shift)),
    )  # fmt: skip
    s, d, h, w, c, k = (array.ravel() for array in arguments)
    before = np.maximum(d - 1, 0)[:, None, None, None]
    # axes: case, hour shift, weekday, creative
    eta = world.attention_logit()[s, :, h]
    responds = expit(eta - world.fatigue[s][:, None, None, None] * before)
    shares = np.array(HOUR_SHIFT_SHARES)
    responds = np.einsum("nkwc,k->nwc", responds, shares) if hour_shift is None else responds[np.arange(len(s)), k]
    responds = responds.mean(axis=1) if weekday is None else responds[np.arange(len(s)), w]
    opts_out = expit(world.opt_out_logit()[s, h] + (world.opt_out_fatigue[s] * before[:, 0, 0, 0])[:, None])
    buys, profit = world.buys_more()[s], world.order_profit()[s]
    cost = np.broadcast_to(world.costs @ np.array(MARKET_SHARES), opts_out.shape)

    def over_creatives(values: Floats) -> Floats:
        return values.mean(axis=1) if creative is None else values[np.arange(len(s)), c]

    reachable = 1 - world.bad_numbers[s]
    delivered = reachable * (1 - world.not_delivered)
    responses, orders, opt_outs = over_creatives(responds), over_creatives(responds * buys), over_creatives(opts_out)
    profit_per_text = over_creatives(responds * buys * profit)
    weekly_profit = d * (delivered * profit_per_text - over_creatives(cost))
    weekly_opt_out = reachable * -np.expm1(d * np.log1p(-(1 - world.not_delivered) * opt_outs))
    retention = (1 - weekly_opt_out) * (1 - world.weekly_loss[s]) / (1 + world.weekly_discount)
    results = (
        responses * world.click_share[s], orders, opt_outs, d * delivered * orders, weekly_profit, weekly_opt_out,
        weekly_profit / (1 - retention),
    )  # fmt: skip
    return PolicyTruth(*(np.asarray(values).reshape(arguments[0].shape) for values in results))


def best_policy(world: World, horizon: str = "long_run_profit") -> pd.DataFrame:
    """Return the best tested frequency and hour, with the best creative, for each segment.

    Args:
        world: the company.
        horizon: criterion to maximise: `long_run_profit`, or `profit_per_week` for the short run.

    Returns:
        One row per segment: segment, dose (texts per week), hour, creative, and every field of `PolicyTruth`. Ties go
        to the lower frequency, then to the earlier hour.
    """
    grid = pd.MultiIndex.from_product(
        [range(len(SEGMENTS)), FREQUENCIES, HOURS, range(len(CREATIVES))], names=["segment", "dose", "hour", "creative"]
    ).to_frame(index=False)
    truth = expected(
        world, grid["segment"], texts_per_week=grid["dose"], hour=grid["hour"], creative=grid["creative"]
    )  # fmt: skip
    grid = grid.assign(**{name: getattr(truth, name) for name in (f.name for f in dataclasses.fields(truth))})
    best = grid.loc[grid.groupby("segment")[horizon].idxmax()].reset_index(drop=True)
    return best.assign(
        segment=[SEGMENTS[s] for s in best["segment"]], creative=[CREATIVES[c].variant for c in best["creative"]]
    )


def season(world: World, first_day: dt.date, days: int) -> Floats:
    """(days,): organic purchase rate relative to the average: season, weekends, and the weeks before year's end."""
    dates = pd.date_range(first_day, periods=days)
    of_year = dates.dayofyear.to_numpy(float)
    wave = 1 + world.season_strength * np.cos(2 * np.pi * (of_year - 330) / 365.25)
    pre_christmas = np.where((of_year >= 315) & (of_year <= 358), 1.25, 1.0)
    return np.asarray(wave * pre_christmas * np.where(dates.dayofweek.to_numpy() >= 5, 1.15, 0.94))


def write_truth(world: World, practice: pd.DataFrame, requested: Mapping[str, Any], file: Path) -> None:
    """Write `truth.json`: parameters, best policies, value of today's practice, and the requested settings."""
    content = {
        "schema": 1,
        "made": dict(requested),
        "segments": SEGMENTS,
        "creatives": [c.variant for c in CREATIVES],
        "world": {
            name: value.tolist() if isinstance(value, np.ndarray) else value
            for name, value in dataclasses.asdict(world).items()
        },
        "best_long_run": best_policy(world).to_dict("records"),
        "best_short_run": best_policy(world, "profit_per_week").to_dict("records"),
        "practice": practice.to_dict("records"),
    }
    file.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read_truth(source: Path) -> World:
    """Read the truth of a simulated source.

    Args:
        source: folder of the source.
    """
    content = json.loads((source / "truth.json").read_text(encoding="utf-8"))["world"]
    parameters: dict[str, Any] = {
        name: np.asarray(value, float) if isinstance(value, list) else value for name, value in content.items()
    }
    return World(**parameters)
