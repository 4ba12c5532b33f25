"""Claims about the purchase model: its parameters and expected orders, in one population like CDNOW, without messages.

In the contract a purchase is a day with an order, and an age is a number of whole days; the model's time is continuous.
With exact times the claim is that fit and sandwich errors are right where the model is true. With days, as on the
pages, the claim is that the interval of E[X(52)] covers the expected number of further *days* with a purchase, which
has a closed form. Parameters from days differ from those of single orders, because orders of one day merge. Reading
them as parameters of orders is known to be wrong.
"""

from functools import cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import beta, gamma, norm

from benchmarks.claims import Claim, Interval
from smsroi_helpers.cltv.fitting import Fit, fit_purchases
from smsroi_helpers.cltv.predictions import expected_orders_of_new
from smsroi_helpers.simulation.behaviour import draw_purchases

Floats = NDArray[np.float64]
TRUTH = {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426}
"""CDNOW's (Fader, Hardie & Lee 2005), in weeks."""
CUSTOMERS = 3_000
T_DAYS = (182, 546)
"""Ages at the end, uniform: half a year to a year and a half."""
HORIZON_DAYS = 364
_Z = float(norm.ppf(0.975))


@cache
def true_orders(by_day: bool) -> float:
    """E[X(52 weeks)] of the average newcomer, or the expected number of days 1 … 364 with a purchase.

    A customer with rate λ and drop-out probability p is alive at time s with probability exp(−λ p s). In continuous
    time the expected purchases are (1 − exp(−λ p t))/p. By day, μ = λ/7 and the first purchase is at u of day 0: day k
    has a purchase with probability exp(−μ p (k − u)) (1 − exp(−μ)); the sum over days is a geometric series. The means
    over λ, p and u use 800,000 points of equal probability, decorrelated by irrational steps.
    """
    points = (np.arange(800_000) + 0.5) / 800_000
    rate = gamma.ppf(points, TRUTH["r"], scale=1 / TRUTH["alpha"])
    leaves = beta.ppf((points * 800_000 * (np.sqrt(5) - 1) / 2) % 1, TRUTH["a"], TRUTH["b"])
    if not by_day:
        return float(np.mean(-np.expm1(-rate * leaves * HORIZON_DAYS / 7) / leaves))
    mu, u = rate / 7, (points * 800_000 * (np.sqrt(2) - 1)) % 1
    hazard = mu * leaves
    days = np.where(
        hazard > 1e-12, np.expm1(-hazard * HORIZON_DAYS) / np.expm1(-np.maximum(hazard, 1e-300)), HORIZON_DAYS
    )
    return float(np.mean(-np.expm1(-mu) * np.exp(-hazard * (1 - u)) * days))


def _worlds(rng: np.random.Generator) -> dict[str, pd.DataFrame]:
    """The same customers' cells by exact time and by day: frequency, recency_weeks, T_weeks, customers."""
    rates = np.maximum(rng.gamma(TRUTH["r"], 1 / TRUTH["alpha"], CUSTOMERS), 1e-12)
    leaves = rng.beta(TRUTH["a"], TRUTH["b"], CUSTOMERS)
    T_days = rng.integers(T_DAYS[0], T_DAYS[1], CUSTOMERS)
    first = rng.random(CUSTOMERS)  # time of day of the first purchase; the last day is observed to its end
    weeks = (T_days + 1 - first) / 7
    who, when = draw_purchases(rates, leaves, weeks, rng)

    last = np.zeros(CUSTOMERS)
    np.maximum.at(last, who, when)
    exact = pd.DataFrame(
        {"frequency": np.bincount(who, minlength=CUSTOMERS), "recency_weeks": last, "T_weeks": weeks, "customers": 1}
    )
    day = np.floor(first[who] + 7 * when).astype(int)
    who, day = np.unique(np.stack([who[day > 0], day[day > 0]]), axis=1)
    last_day = np.zeros(CUSTOMERS, int)
    np.maximum.at(last_day, who, day)
    rows = pd.DataFrame(
        {"frequency": np.bincount(who, minlength=CUSTOMERS), "recency_weeks": last_day / 7, "T_weeks": T_days / 7}
    )
    by_day = rows.groupby(list(rows.columns)).size().reset_index(name="customers")
    return {"exact times": exact, "days": by_day}


def _orders(fit: Fit) -> tuple[float, float]:
    """The logarithm of E[X(52)] and its standard error, by the delta method."""

    def log_orders(values: Floats) -> Floats:
        return np.log(expected_orders_of_new(fit, np.array([HORIZON_DAYS / 7]), values=values))

    return float(log_orders(fit.predicting)[0]), float(np.sqrt(np.square(fit.deviations(log_orders)).sum()))


def _told(fit: Fit, part: str) -> list[Interval]:
    """Intervals of the logarithms of r, α, a, b, with their truth."""
    estimates, errors = np.log(fit.values), np.sqrt(np.diag(fit.covariance))
    named = zip(TRUTH.items(), estimates, errors, strict=True)
    return [Interval(e, e - _Z * s, e + _Z * s, np.log(true), f"{name}, {part}") for (name, true), e, s in named]


def bgnbd(rng: np.random.Generator) -> list[Interval]:
    """Parameters from exact times; E[X(52)] from exact times and from days."""
    found = []
    for clock, cells in _worlds(rng).items():
        fit = fit_purchases(cells, "bg_nbd")
        if clock == "exact times":
            found += _told(fit, clock)
        estimate, error = _orders(fit)
        truth = np.log(true_orders(clock == "days"))
        found.append(Interval(estimate, estimate - _Z * error, estimate + _Z * error, truth, f"E[X(52)], {clock}"))
    return found


def bgnbd_days_as_orders(rng: np.random.Generator) -> list[Interval]:
    """Parameters from days, compared with those of single orders."""
    return _told(fit_purchases(_worlds(rng)["days"], "bg_nbd"), "days")


CLAIMS = [
    Claim(
        "bgnbd",
        "BG/NBD's parameters (logarithms) by sandwich, and E[X(52 weeks)] of the average newcomer, 3,000 customers",
        "CLTV",
        "two_sided",
        bgnbd,
    ),
    Claim(
        "bgnbd_days_as_orders",
        "BG/NBD's parameters of purchase days taken for those of single orders, in the same worlds",
        "nowhere: parameters are of days with a purchase",
        "two_sided",
        bgnbd_days_as_orders,
        known_wrong=True,
    ),
]
