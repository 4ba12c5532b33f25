"""Claims about forecasts of spend: each customer, segments, all and the top tenth, compared with the simulated future.

Worlds are BG/NBD with Gamma–Gamma spend, counted in days as on the pages: a customer's orders of one day are one
purchase. At the end of the log the models are fitted and used as on the page. Then the same customers continue.
"""

from functools import cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.claims import Claim, Interval
from smsroi_helpers.cltv.fitting import Fit, fit_purchases, fit_value
from smsroi_helpers.cltv.forecast import KEYS, Forecast, Z, add_up, forecast_value
from smsroi_helpers.cltv.holdout import rank
from smsroi_helpers.cltv.likelihoods import Model
from smsroi_helpers.cltv.predictions import expected_orders
from smsroi_helpers.simulation.behaviour import draw_purchases
from smsroi_helpers.statistics.jackknife import GROUPS

Floats = NDArray[np.float64]
USUAL = {"r": 0.6, "alpha": 5.0, "a": 0.9, "b": 2.6}
LOYAL = {"r": 2.0, "alpha": 20.0, "a": 0.02, "b": 5.0}
"""Few customers drop out, so that drop-out is mostly not identified."""
MONEY = {"p": 6.0, "q": 4.0, "v": 48.0}
T_DAYS = (182, 364)
HORIZON_WEEKS = 26


def _world(rng: np.random.Generator, truth: dict[str, float], customers: int) -> pd.DataFrame:
    """One row per customer: the cell's keys, repeat_spend, segment, and `later`: spend in the following 26 weeks."""
    rates = np.maximum(rng.gamma(truth["r"], 1 / truth["alpha"], customers), 1e-12)
    leaves = np.clip(rng.beta(truth["a"], truth["b"], customers), 1e-12, 1.0)
    T_days = rng.integers(*T_DAYS, customers)
    first = rng.random(customers)  # time of day of the first purchase; the last day is observed to its end
    who, when = draw_purchases(rates, leaves, (T_days + 1 - first) / 7 + HORIZON_WEEKS, rng)
    day = np.floor(first[who] + 7 * when).astype(int)
    who, day = np.unique(np.stack([who[day > 0], day[day > 0]]), axis=1)
    level = rng.gamma(MONEY["q"], 1 / MONEY["v"], customers)
    money = rng.gamma(MONEY["p"], 1 / level[who])
    seen = day <= T_days[who]
    last = np.zeros(customers, int)
    np.maximum.at(last, who[seen], day[seen])
    return pd.DataFrame(
        {
            "frequency": np.bincount(who[seen], minlength=customers),
            "recency_days": last,
            "T_days": T_days,
            "repeat_spend": np.bincount(who[seen], money[seen], customers),
            "later": np.bincount(who[~seen], money[~seen], customers),
            # Early and late customers share the parameters, but differ in the length of their history.
            "segment": np.where(T_days < T_DAYS[0] + 60, "young", "old"),
        }
    )


def _count(people: pd.DataFrame, *by: str) -> pd.DataFrame:
    """The counts that the engine computes, by the cells' keys and `by`."""
    rows = people.assign(customers=1, repeat_spend_squared=people["repeat_spend"] ** 2)
    columns = ["customers", "repeat_spend", "repeat_spend_squared"]
    cells = rows.groupby([*by, *KEYS], as_index=False)[columns].sum()
    return cells.assign(recency_weeks=cells["recency_days"] / 7, T_weeks=cells["T_days"] / 7)


def _count_value(people: pd.DataFrame) -> pd.DataFrame:
    again = people[people["repeat_spend"] > 0]
    log_mean = np.log(again["repeat_spend"] / again["frequency"])
    rows = pd.DataFrame({"frequency": again["frequency"], "bin": np.floor(100 * log_mean), "log_mean_value": log_mean})
    grouped = rows.groupby(["frequency", "bin"])["log_mean_value"]
    return grouped.agg(["size", "mean"]).set_axis(["customers", "log_mean_value"], axis=1).reset_index()


def _tell(rng: np.random.Generator, people: pd.DataFrame, model: Model) -> Forecast:
    cells = _count(people)
    return forecast_value(
        cells, fit_purchases(cells, model), fit_value(_count_value(people)), horizon_weeks=HORIZON_WEEKS,
        yearly_discount_rate=0.0, margin=1.0, rng=rng,
    )  # fmt: skip


def _customers(told: Forecast, people: pd.DataFrame) -> Interval:
    """Each customer's predictive interval; customers whose interval is exactly 0 are left out."""
    rows = people.merge(told.cells[[*KEYS, "expected_orders", "spend_low", "spend_high"]], on=list(KEYS))
    rows = rows[rows["spend_high"] > 0]
    p, q, v = told.value.predicting
    scale = v + rows["repeat_spend"]
    expected = rows["expected_orders"] * scale * p / (p * rows["frequency"] + q - 1)
    return Interval(expected, rows["spend_low"] * scale, rows["spend_high"] * scale, rows["later"], "each customer")


def _totals(told: Forecast, people: pd.DataFrame) -> list[Interval]:
    members = _count(people.rename(columns={"segment": "group"}), "group")
    came = {**people.groupby("segment")["later"].sum(), "all": people["later"].sum()}
    rows = pd.concat([add_up(told, "spend", members).table(), add_up(told, "spend").table()])
    return [Interval(row.value, row.low, row.high, came[row.group], f"total, {row.group}") for row in rows.itertuples()]


def _top_tenth(told: Forecast, people: pd.DataFrame) -> Interval:
    rows = people.merge(told.cells[[*KEYS, "expected_orders"]], on=list(KEYS))
    p, q, v = told.value.predicting
    expected = rows["expected_orders"] * (v + rows["repeat_spend"]) / (p * rows["frequency"] + q - 1)
    top = expected.rank(ascending=False, method="first") <= len(rows) / 10
    rows = rows.assign(group=np.where(top, "top", "rest"))
    share = add_up(told, "spend", _count(rows, "group")).shares().set_index("group").loc["top"]
    came = float(rows.loc[top, "later"].sum() / rows["later"].sum())
    return Interval(share["share"], share["low"], share["high"], came, "share of the top tenth")


def realised_spend(rng: np.random.Generator) -> list[Interval]:
    """1,500 customers; after each purchase a quarter drop out on average."""
    people = _world(rng, USUAL, 1_500)
    told = _tell(rng, people, "bg_nbd")
    return [_customers(told, people), *_totals(told, people), _top_tenth(told, people)]


def realised_spend_of_the_loyal(rng: np.random.Generator) -> list[Interval]:
    """400 customers with hardly any drop-out: the forecasts depend on a weakly informative prior."""
    people = _world(rng, LOYAL, 400)
    told = _tell(rng, people, "bg_nbd")
    return [_customers(told, people), *_totals(told, people)]


def parameters_alone(rng: np.random.Generator) -> Interval:
    """The total with parameter uncertainty only, as if every customer bought exactly the expected amount."""
    people = _world(rng, USUAL, 1_500)
    sums = add_up(_tell(rng, people, "bg_nbd"), "spend")
    reach = Z * float(np.sqrt(np.square(sums.deviations[0]).sum()))
    return Interval(sums.value[0], sums.value[0] - reach, sums.value[0] + reach, people["later"].sum())


def _rank(rng: np.random.Generator, customers: int) -> tuple[pd.DataFrame, tuple[float, float, float]]:
    """Customers ranked by the forecast with the true parameters, counted as in the test of the forecast."""
    people = _world(rng, USUAL, customers)
    cells = people.assign(recency_weeks=people["recency_days"] / 7, T_weeks=people["T_days"] / 7)
    true = Fit("bg_nbd", USUAL, np.eye(4), 0.0, customers, "converged")
    predicted = expected_orders(true, cells, HORIZON_WEEKS) * (MONEY["v"] + people["repeat_spend"])
    predicted /= MONEY["p"] * people["frequency"] + MONEY["q"] - 1
    rows = pd.DataFrame({"predicted": predicted, "spend": people["later"], "group": rng.integers(0, GROUPS, customers)})
    rows["customers"] = 1
    counted = []
    for ranking, column in (("predicted", "predicted"), ("later_spend", "spend")):
        ranks = rows[column].rank(ascending=False, method="first").astype(int)
        placed = rows.assign(ranking=ranking, place=(ranks - 1) * 100 // customers + 1)
        counted.append(placed.groupby(["ranking", "place", "group"], as_index=False).sum())
    return rank(pd.concat(counted, ignore_index=True))


@cache
def _true_ranking() -> tuple[pd.DataFrame, float]:
    """The ranking of a million customers; its error is small compared with that of 1,500."""
    shares, (gini, _low, _high) = _rank(np.random.default_rng(0), 1_000_000)
    return shares, gini


def ranking(rng: np.random.Generator) -> list[Interval]:
    """1,500 customers: shares of spend by tenth of the ranking, and the normalised Gini coefficient."""
    (shares, (gini, low, high)), (true_shares, true_gini) = _rank(rng, 1_500), _true_ranking()
    top = shares.iloc[0]
    return [
        Interval(shares["spend"], shares["low"], shares["high"], true_shares["spend"], "share of each tenth"),
        Interval(top["spend"], top["low"], top["high"], true_shares["spend"].iloc[0], "share of the first tenth"),
        Interval(gini, low, high, true_gini, "normalised Gini coefficient"),
    ]


CLAIMS = [
    Claim(
        "ranking_in_the_test",
        "how well predicted spend ranks 1,500 customers: share of the next 26 weeks' spend by tenth, by jackknife"
        " over 64 groups",
        "CLTV",
        "two_sided",
        ranking,
    ),
    Claim(
        "realised_spend",
        "what 1,500 customers will spend in 26 weeks, each, by segment, all, and the top tenth’s share; BG/NBD and"
        " Gamma–Gamma fitted to half a year to a year of days",
        "CLTV",
        "predictive",
        realised_spend,
    ),
    Claim(
        "realised_spend_of_the_loyal",
        "the same of 400 customers of whom hardly anybody leaves, drop-out mostly not identified",
        "CLTV",
        "predictive",
        realised_spend_of_the_loyal,
    ),
    Claim(
        "spend_by_parameters_alone",
        "the total of the first claim as if customers did exactly what is expected of them",
        "nowhere",
        "predictive",
        parameters_alone,
        n=400,
        known_wrong=True,
    ),
]
