"""Claims of the A/B page on profit worked out from clicks and opt-outs, and on the value of a subscriber.

Customers differ in readiness to click (log-normal); clicks are Poisson, orders follow clicks. The prices are estimates:
each experiment sees values of a click and of a subscriber drawn around the true ones.
"""

import datetime as dt
from functools import partial

import numpy as np
import pandas as pd

from benchmarks.claims import Claim, Interval, Verdict
from smsroi_helpers.ab_test.click_profit import Prices, measure_click_profit
from smsroi_helpers.ab_test.priced_difference import measure_with_opt_outs
from smsroi_helpers.experiments import ClickValue, Experiment, SubscriberValue, estimate_subscriber_value
from smsroi_helpers.statistics import Floats, weekly_rate

CUSTOMERS = 900
CLICK, CLICK_ERROR = 5.0, 0.6
SUBSCRIBER, SUBSCRIBER_ERROR = 8.0, 1.5
Z = 1.959964


def _moments(name: str, y: Floats, x: Floats) -> dict[str, float]:
    sums = {"n": len(y), "n_unknown": 0, "sum_y": y.sum(), "sum_y2": y @ y, "n_known": len(x), "sum_y_known": y.sum()}
    sums |= {"sum_x": x.sum(), "sum_x2": x @ x, "sum_xy": x @ y}
    return {f"{name}__{moment}": float(value) for moment, value in sums.items()}


def _arm(rng: np.random.Generator, clicks: float, opt_outs: float) -> dict[str, float]:
    ready = rng.lognormal(-0.18, 0.6, CUSTOMERS)
    clicked = rng.poisson(clicks * ready).astype(float)
    left = (rng.random(CUSTOMERS) < opt_outs * np.exp(-0.3 * (clicked > 0))).astype(float)
    sent, nothing = np.full(CUSTOMERS, 8.0), np.zeros(CUSTOMERS)
    return {
        **_moments("clicks", clicked, left), **_moments("judged", sent, sent), **_moments("cost", 0.1 * sent, nothing),
        **_moments("sent", sent, sent), **_moments("discounts", nothing, np.ones(CUSTOMERS)),
    }  # fmt: skip


def _experiment() -> Experiment:
    day = dt.date(2024, 3, 4)
    assigned = pd.DataFrame({"arm": ["a", "b"], "day": [day] * 2, "n": [CUSTOMERS] * 2, "late": 0, "early": 0})
    return Experiment(
        "x", "content", "a", ("a", "b"), np.array([0.5, 0.5]), "profit", "ended", day, day + dt.timedelta(days=27),
        None, assigned.assign(outcome_days=28.0 * CUSTOMERS), pd.DataFrame(index=["a", "b"]),
    )  # fmt: skip


_WORLDS = {
    "arms alike": (1.0, 0.05), "more clicks": (1.15, 0.05), "fewer opt-outs": (1.0, 0.03),
    "more clicks and more opt-outs": (1.2, 0.12), "half as many clicks again": (1.5, 0.05),
}  # fmt: skip


def _opt_out_rate(clicks: float, opt_outs: float) -> float:
    """The expected share who opt out, by Gauss–Hermite quadrature over readiness."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    none = np.exp(-clicks * np.exp(-0.18 + 0.6 * nodes)) @ weights / weights.sum()
    return float(opt_outs * (none + np.exp(-0.3) * (1 - none)))


def click_profit(rng: np.random.Generator, exact: bool = False) -> list[Interval]:
    """Modelled profit per customer of 2 × 900; `exact` takes the prices of the last world as if they had no error."""
    found = []
    for part, (clicks, opt_outs) in list(_WORLDS.items())[-1 if exact else 0 :]:
        click, value = rng.normal(CLICK, CLICK_ERROR), rng.normal(SUBSCRIBER, SUBSCRIBER_ERROR)
        of_click, of_value = (0.0, 0.0) if exact else (Z * CLICK_ERROR, Z * SUBSCRIBER_ERROR)
        prices = Prices(
            ClickValue(("dose",), click, click - of_click, click + of_click, 9_000, 20.0),
            SubscriberValue("standing", (value, value - of_value, value + of_value)),
        )
        rows = [
            {"experiment_id": "x", "arm": arm, **_arm(rng, *of)}
            for arm, of in (("a", (1.0, 0.05)), ("b", (clicks, opt_outs)))
        ]
        row = measure_click_profit(_experiment(), pd.DataFrame(rows), prices).rows[1]
        truth = CLICK * (clicks - 1.0) - SUBSCRIBER * (_opt_out_rate(clicks, opt_outs) - _opt_out_rate(1.0, 0.05))
        found.append(Interval(row.difference, row.low, row.high, truth, part, null=0.0))
    return found


def click_profit_null(rng: np.random.Generator) -> Verdict:
    """Whether arms that are alike differ by the p-value of the modelled profit."""
    click = rng.normal(CLICK, CLICK_ERROR)
    prices = Prices(
        ClickValue(("dose",), click, click - Z * CLICK_ERROR, click + Z * CLICK_ERROR, 9_000, 20.0),
        SubscriberValue("standing", (8.0, 5.0, 11.0)),
    )
    rows = [{"experiment_id": "x", "arm": arm, **_arm(rng, 1.0, 0.05)} for arm in ("a", "b")]
    row = measure_click_profit(_experiment(), pd.DataFrame(rows), prices).rows[1]
    return Verdict(bool(row.p_value < 0.05), effect=False)


_LEAVING = {
    "arms alike": (0.05, 0.05, 1.0), "fewer opt-outs, same profit": (0.12, 0.05, 1.0),
    "more profit and more opt-outs": (0.05, 0.12, 1.2),
}  # fmt: skip


def profit_with_opt_outs(rng: np.random.Generator, exact: bool = False) -> list[Interval]:
    """Measured profit of 2 × 900 less opt-outs at their price; who leaves buys half as much in the test.

    Args:
        rng: random generator.
        exact: take the price as if it had no error.
    """
    found = []
    for part, (usual, leaving, orders) in _LEAVING.items():
        value = rng.normal(SUBSCRIBER, SUBSCRIBER_ERROR)
        of_value = 0.0 if exact else Z * SUBSCRIBER_ERROR
        rows = []
        for arm, rate, more in (("a", usual, 1.0), ("b", leaving, orders)):
            left = (rng.random(CUSTOMERS) < rate).astype(float)
            bought = rng.poisson(0.5 * more * (1 - 0.5 * left)).astype(float)
            profit = bought * rng.lognormal(1.5, 0.6, CUSTOMERS)
            nothing = np.zeros(CUSTOMERS)
            rows.append({
                "experiment_id": "x", "arm": arm, **_moments("profit", profit, nothing),
                **_moments("order_rate", (bought > 0).astype(float), nothing),
                **_moments("opt_out_rate", left, nothing),
            })  # fmt: skip
        limits = (value, value - of_value, value + of_value)
        row = measure_with_opt_outs(_experiment(), pd.DataFrame(rows), limits).rows[1]
        each = 0.5 * np.exp(1.5 + 0.6**2 / 2)
        truth = each * (orders * (1 - 0.5 * leaving) - (1 - 0.5 * usual)) - SUBSCRIBER * (leaving - usual)
        found.append(Interval(row.difference, row.low, row.high, float(truth), part, null=0.0))
    return found


def subscriber_value(rng: np.random.Generator, natural_loss: bool = True, differ: float | None = None) -> Interval:
    """The value of a subscriber from 3,000 texted and 1,500 not; a texted customer brings 2 a week until lost.

    Args:
        rng: random generator.
        natural_loss: whether the loss without opting out is told.
        differ: standard deviation of members' readiness to opt out (gamma, with mean 1); None: it varies between
            companies, half-normal with scale 0.7.
    """
    weeks, profit, opt_outs, loss = 12, 2.0, 0.012, 0.008
    spread = max(abs(rng.normal(0, 0.7)) if differ is None else differ, 0.05)
    everybody = np.clip(opt_outs * rng.gamma(spread**-2, spread**2, 20_000), 1e-12, 1.0)
    rows = {}
    for name, n, texted in (("none", 1_500, False), ("sent", 3_000, True)):
        left = rng.geometric(rng.choice(everybody, n)) if texted else np.full(n, 10**6)
        stayed = np.minimum(left, weeks).astype(float)
        out = (left <= weeks).astype(float)
        clicks = rng.binomial(stayed.astype(int), 0.1).astype(float)
        y = rng.gamma(0.8, 40.0, n) + (rng.poisson(profit / 10.0 * stayed) * 10.0 if texted else 0.0)
        rows[name] = {
            "n": n, "sum_y": y.sum(), "sum_y2": y @ y, "out_sum_y": out.sum(), "out_sum_y2": out.sum(),
            "out_sum_x": stayed.sum(), "out_sum_x2": stayed @ stayed, "out_sum_xy": out @ stayed,
            "early_opt_outs": (left <= weeks / 2).sum(), "clicks": clicks.sum(), "messages": stayed.sum(),
            "leaver_clicks": clicks @ out, "leaver_messages": stayed @ out,
        }  # fmt: skip
    seen = rng.normal(loss, 0.001)
    told = (seen, seen - Z * 0.001, seen + Z * 0.001) if natural_loss else (0.0, 0.0, 0.0)
    discount = weekly_rate(0.1)
    value = estimate_subscriber_value(pd.DataFrame(rows).T, ["none"], told, discount).value
    truth = float((profit / (1 - (1 - everybody) * (1 - loss) / (1 + discount))).mean())
    return Interval(*value, truth, null=0.0)


PAGE = "A/B tests"
CLAIMS = [
    Claim(
        "ab_click_profit",
        "profit per customer worked out from clicks and opt-outs, 2 × 900 customers, both prices estimated",
        PAGE,
        "two_sided",
        click_profit,
        n=2_000,
    ),
    Claim(
        "ab_click_profit_exact",
        "the same with the prices taken as exact",
        "nowhere",
        "two_sided",
        partial(click_profit, exact=True),
        n=2_000,
        known_wrong=True,
    ),
    Claim(
        "ab_click_profit_null",
        "arms that are alike differ at .05 in profit worked out from clicks and opt-outs",
        PAGE,
        "false_alarm",
        click_profit_null,
        n=2_000,
    ),
    Claim(
        "ab_profit_with_opt_outs",
        "profit as measured less what opt-outs cost, 2 × 900 customers, their price estimated; who opts out buys less",
        PAGE,
        "two_sided",
        profit_with_opt_outs,
        n=2_000,
    ),
    Claim(
        "ab_subscriber_value",
        "the value of a subscriber by 1,500 customers held out of 4,500, natural loss estimated; members differ in how"
        " readily they opt out, in each company by another spread",
        PAGE,
        "at_least",
        subscriber_value,
        n=1_000,
    ),
    Claim(
        "ab_subscriber_value_alike",
        "the same where members are alike",
        PAGE,
        "at_least",
        partial(subscriber_value, differ=0.0),
        n=1_000,
    ),
    Claim(
        "ab_subscriber_value_unlike",
        "the same where members differ much (standard deviation 1 of a mean of 1)",
        PAGE,
        "at_least",
        partial(subscriber_value, differ=1.0),
        n=1_000,
    ),
    Claim(
        "ab_subscriber_value_opt_outs",
        "the same as if subscribers were lost by opting out alone",
        "nowhere",
        "two_sided",
        partial(subscriber_value, natural_loss=False),
        n=1_000,
        known_wrong=True,
    ),
]
