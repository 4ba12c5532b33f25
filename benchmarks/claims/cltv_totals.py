"""Claims about forecasts of totals where the world does not stay as it is: seasons, drift, other newcomers, a jump.

A customer buys at a rate of their own times a factor of the calendar, from arrival until leaving. Half of the worlds
are BG/NBD with gamma rates; in the other half rates are log-normal and customers leave at a time of their own, not
after a purchase. Spend is Gamma–Gamma. The models are fitted and tested as on the page: at the end of the log, and
before the last half of it (at most the horizon). Then the same customers continue.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.claims import Claim, Interval
from smsroi_helpers.cltv.fitting import Fit, fit_purchases, fit_value
from smsroi_helpers.cltv.forecast import KEYS, Forecast, Z, add_up, forecast_value
from smsroi_helpers.cltv.holdout import predict_purchases, purchases_by_kind
from smsroi_helpers.cltv.level_error import LevelError, TestWeeks, difference_between_kinds, infer_level_error
from smsroi_helpers.cltv.predictions import Histories, expected_orders, expected_orders_of_new

Floats = NDArray[np.float64]
CUSTOMERS = 2_000
LOG_WEEKS = 52
YEAR = 365.25
Calendar = Callable[[Floats, np.random.Generator], Floats]
"""The factor of the purchase rates on each day (0 = the first of the log), some of it random."""


def _stationary(day: Floats, _rng: np.random.Generator) -> Floats:
    return np.ones_like(day)


def _falling(day: Floats, _rng: np.random.Generator) -> Floats:
    return np.asarray(0.6 ** (day / YEAR), float)


def _rising(day: Floats, _rng: np.random.Generator) -> Floats:
    return np.asarray(1.35 ** (day / YEAR), float)


def _jump(day: Floats, rng: np.random.Generator) -> Floats:
    """A jump by −30 or +40 % at some day of the log."""
    at = rng.uniform(0, 7 * LOG_WEEKS)
    return np.where(day < at, 1.0, rng.choice([0.7, 1.4]))


def _season(day: Floats, rng: np.random.Generator) -> Floats:
    """A yearly wave of ±30 % with a random phase."""
    return np.asarray(1 + 0.3 * np.sin(2 * np.pi * (day / YEAR + rng.random())), float)


def _walk(day: Floats, rng: np.random.Generator) -> Floats:
    """A random walk with a standard deviation of 30 % after a year."""
    return np.asarray(np.exp(np.cumsum(rng.normal(0, 0.3 / np.sqrt(YEAR), len(day)))), float)


@dataclass(frozen=True)
class World:
    """Customers and their repeat purchases, in the log and after it."""

    first: NDArray[np.intp]
    """Day of each customer's first purchase."""
    who: NDArray[np.intp]
    """The customer of each repeat purchase."""
    day: NDArray[np.intp]
    spend: Floats
    horizon_weeks: int


def draw_world(rng: np.random.Generator, calendar: Calendar, horizon_weeks: int, worse_newcomers: float = 1.0) -> World:
    """Draw a world.

    Args:
        rng: random generator.
        calendar: the factor of the purchase rates.
        horizon_weeks: weeks after the log.
        worse_newcomers: the purchase rate of who arrives at the end of the log, relative to who arrives at its start.
    """
    end = 7 * LOG_WEEKS + 7 * horizon_weeks
    factors = calendar(np.arange(end, dtype=float), rng)
    arrival = rng.uniform(0, 7 * LOG_WEEKS, CUSTOMERS)
    if rng.random() < 0.5:
        rates = rng.gamma(0.6, 1 / 35.0, CUSTOMERS)
        purchases_made = rng.geometric(np.clip(rng.beta(0.9, 2.6, CUSTOMERS), 1e-9, 1.0))
        leaves = np.full(CUSTOMERS, np.inf)
    else:
        rates = np.exp(rng.normal(np.log(1 / 60), 0.9, CUSTOMERS))
        purchases_made = np.full(CUSTOMERS, end)
        leaves = arrival + rng.exponential(np.exp(rng.normal(np.log(420), 0.8, CUSTOMERS)))
    rates *= worse_newcomers ** (arrival / (7 * LOG_WEEKS))
    # Thinning: draw at the highest rate, keep a purchase with probability factor / highest.
    tried = rng.poisson(rates * factors.max() * (end - arrival))
    who = np.repeat(np.arange(CUSTOMERS), tried)
    at = arrival[who] + rng.random(len(who)) * (end - arrival[who])
    kept = rng.random(len(who)) < factors[at.astype(int)] / factors.max()
    order = np.lexsort((at[kept], who[kept]))
    who, at = who[kept][order], at[kept][order]
    number = np.arange(len(who)) - np.searchsorted(who, np.arange(CUSTOMERS))[who]
    stays = (number < purchases_made[who]) & (at < leaves[who])
    first = arrival.astype(int)
    who, day = who[stays], at[stays].astype(int)
    who, day = np.unique(np.stack([who[day > first[who]], day[day > first[who]]]), axis=1)
    level = rng.gamma(4.0, 1 / 48.0, CUSTOMERS)
    return World(first, who, day, rng.gamma(6.0, 1 / level[who]), horizon_weeks)


def _people(world: World, last: int) -> pd.DataFrame:
    """One row per customer known by the day `last`: the cells' keys, repeat_spend; `later`: purchases after it."""
    seen, size = world.day <= last, len(world.first)
    latest = world.first.copy()
    np.maximum.at(latest, world.who[seen], world.day[seen])
    people = pd.DataFrame(
        {
            "frequency": np.bincount(world.who[seen], minlength=size),
            "recency_days": latest - world.first,
            "T_days": last - world.first,
            "repeat_spend": np.bincount(world.who[seen], world.spend[seen], size),
            "later": np.bincount(world.who[~seen & (world.day < 7 * LOG_WEEKS)], minlength=size),
            "later_spend": np.bincount(world.who[~seen], world.spend[~seen], size),
        }
    )
    return people[world.first <= last]


def _count(people: pd.DataFrame, *by: str) -> pd.DataFrame:
    rows = people.assign(customers=1, repeat_spend_squared=people["repeat_spend"] ** 2, later_purchases=people["later"])
    columns = ["customers", "repeat_spend", "repeat_spend_squared", "later_purchases"]
    cells = rows.groupby([*by, *KEYS], as_index=False)[columns].sum()
    return cells.assign(recency_weeks=cells["recency_days"] / 7, T_weeks=cells["T_days"] / 7)


def _fit_value(people: pd.DataFrame) -> Fit:
    again = people[people["repeat_spend"] > 0]
    log_mean = np.log(again["repeat_spend"] / again["frequency"])
    rows = pd.DataFrame({"frequency": again["frequency"], "log_mean_value": log_mean, "customers": 1})
    return fit_value(rows)


def test_level(world: World, forecast: Forecast) -> tuple[LevelError, float]:
    """The error of the level by the test on the last weeks, as on the page; and actual / predicted purchases in it."""
    now = 7 * LOG_WEEKS - 1
    weeks = min(world.horizon_weeks, LOG_WEEKS // 2)
    people = _people(world, now - 7 * weeks)
    cells = _count(people)
    fit, customers, known = fit_purchases(cells, "bg_nbd"), cells["customers"].to_numpy(float), Histories.of(cells)
    ends = np.array([*range(1, weeks + 1), weeks + world.horizon_weeks])
    by_then = np.array([customers @ expected_orders(fit, known, end) for end in ends])
    of_known = world.first[world.who] <= now - 7 * weeks
    ago = (now - world.day[of_known & (world.day <= now)]) // 7
    age, joined = np.unique(people["T_days"], return_counts=True)
    past = [joined @ expected_orders_of_new(fit, np.maximum(age / 7 - back, 0)) for back in range(LOG_WEEKS - weeks)]
    same = forecast.cells[forecast.cells["T_days"] >= 7 * weeks]
    prediction = predict_purchases(fit, known, weeks)
    noise = float(customers @ prediction[2])
    test = TestWeeks(
        weeks=weeks,
        predicted=np.diff(by_then[:-1], prepend=0.0),
        actual=np.bincount(ago[ago < weeks], minlength=weeks)[::-1].astype(float),
        fitted=-np.diff(past, append=0.0)[::-1],
        noise=noise,
        parameter_variance=float(np.square(customers @ prediction[1]).sum()),
        change=float(np.log((by_then[-1] - by_then[-2]) / (same["customers"] @ same["expected_orders"]))),
    )
    kinds = purchases_by_kind(prediction, cells)
    kinds_sd = difference_between_kinds(kinds["predicted"], kinds["error"], kinds["actual"])
    level = infer_level_error(test, horizon_weeks=world.horizon_weeks, log_weeks=LOG_WEEKS, kinds_sd=kinds_sd)
    return level, float(test.actual.sum() / by_then[-2])


def _forecast(rng: np.random.Generator, world: World) -> tuple[pd.DataFrame, Forecast]:
    people = _people(world, 7 * LOG_WEEKS - 1)
    cells = _count(people)
    return people, forecast_value(
        cells, fit_purchases(cells, "bg_nbd"), _fit_value(people), horizon_weeks=world.horizon_weeks,
        yearly_discount_rate=0.0, margin=1.0, rng=rng,
    )  # fmt: skip


def _totals(rng: np.random.Generator, world: World, name: str) -> list[Interval]:
    """The total, and segments: early and late customers, who bought lately and who did not."""
    people, forecast = _forecast(rng, world)
    level, _ratio = test_level(world, forecast)
    whole = add_up(forecast, "spend")
    low, high = level.limits(whole.value, whole.error)
    silent = people["T_days"] - people["recency_days"]
    people = people.assign(
        group=np.where(people["T_days"] > 3.5 * LOG_WEEKS, "early", "late") + np.where(silent > 56, " silent", "")
    )
    sums = add_up(forecast, "spend", _count(people, "group"))
    segment_low, segment_high = level.limits(sums.value, sums.error, of="kind")
    actual = people.groupby("group")["later_spend"].sum().reindex(sums.groups).to_numpy()
    return [
        Interval(whole.value[0], low[0], high[0], people["later_spend"].sum(), f"total, {name}"),
        Interval(sums.value, segment_low, segment_high, actual, f"four segments, {name}"),
    ]


def stationary_totals(rng: np.random.Generator) -> list[Interval]:
    """Purchase rates stay as they are."""
    return _totals(rng, draw_world(rng, _stationary, 26), "half a year ahead")


def drifting_totals(rng: np.random.Generator) -> list[Interval]:
    """Rates fall by 40 % a year or rise by 35 %, also a year ahead, with a test of half a year."""
    return [
        *_totals(rng, draw_world(rng, _falling, 26), "rates fall by 40 % a year"),
        *_totals(rng, draw_world(rng, _falling, 52), "rates fall by 40 % a year, a year ahead"),
        *_totals(rng, draw_world(rng, _rising, 26), "rates rise by 35 % a year"),
        *_totals(rng, draw_world(rng, _stationary, 26, 0.5), "newcomers buy half as often after a year"),
        *_totals(rng, draw_world(rng, _walk, 26), "rates drift at random"),
    ]


def jumping_totals(rng: np.random.Generator) -> list[Interval]:
    """Rates jump by −30 or +40 % on one day of the log."""
    return _totals(rng, draw_world(rng, _jump, 26), "rates jump once")


def seasonal_totals(rng: np.random.Generator) -> list[Interval]:
    """A yearly wave of ±30 %: half a year ahead and a year ahead."""
    return [
        *_totals(rng, draw_world(rng, _season, 26), "half a year ahead"),
        *_totals(rng, draw_world(rng, _season, 52), "a year ahead"),
    ]


def _by_the_model(rng: np.random.Generator, world: World, name: str) -> Interval:
    """The interval of the model, extended to where it would lie if the error of the test were repeated."""
    people, forecast = _forecast(rng, world)
    _level, ratio = test_level(world, forecast)
    sums = add_up(forecast, "spend")
    value, error = float(sums.value[0]), float(sums.error[0])
    low, high = value - Z * error, value + Z * error
    return Interval(value, min(low, low * ratio), max(high, high * ratio), people["later_spend"].sum(), name)


def one_sided_falling(rng: np.random.Generator) -> Interval:
    """Rates fall by 40 % a year; a year ahead."""
    return _by_the_model(rng, draw_world(rng, _falling, 52), "rates fall by 40 % a year, a year ahead")


def one_sided_seasonal(rng: np.random.Generator) -> Interval:
    """A yearly wave of ±30 %."""
    return _by_the_model(rng, draw_world(rng, _season, 26), "a yearly wave of ±30 %")


CLAIMS = [
    Claim(
        "totals_of_stationary_worlds",
        "spend of 2,000 customers and of four segments in the 26 weeks after a log of a year, with the error of the"
        " test, season and drift; rates stay as they are",
        "CLTV",
        "at_least",
        stationary_totals,
        n=400,
    ),
    Claim(
        "totals_of_drifting_worlds",
        "the same where purchase rates or newcomers change",
        "CLTV",
        "at_least",
        drifting_totals,
        n=400,
    ),
    Claim(
        "totals_of_jumping_worlds",
        "the same where purchase rates jump once, by −30 or +40 %",
        "CLTV",
        "at_least",
        jumping_totals,
        n=400,
    ),
    Claim(
        "totals_of_seasonal_worlds",
        "the same with a yearly wave of ±30 % and a random phase",
        "CLTV",
        "at_least",
        seasonal_totals,
        n=400,
    ),
    Claim(
        "one_sided_totals_of_falling_worlds",
        "the total by the model’s interval, extended on one side by the error of the test; rates fall",
        "nowhere",
        "predictive",
        one_sided_falling,
        n=200,
        known_wrong=True,
    ),
    Claim(
        "one_sided_totals_of_seasonal_worlds",
        "the total by the model’s interval, extended on one side by the error of the test; a yearly wave of ±30 %",
        "nowhere",
        "predictive",
        one_sided_seasonal,
        n=200,
        known_wrong=True,
    ),
]
