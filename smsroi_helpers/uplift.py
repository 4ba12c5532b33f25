"""Who responds: customers ranked by what the treatment is expected to do to each, and whether that beats chance.

A T-learner (two forests, one of the treated and one of the control; Künzel et al. 2019, PNAS 116) predicts each
customer's profit with and without the treatment from what was known at the assignment, always fitted on the other half
of the customers. The ranking is judged by what the experiment then shows of it: the profit gained by treating the first
share of customers alone, against treating as many at random (Radcliffe 2007, Using control groups to target on
predicted lift: the Qini curve). “No better than random” is a normal outcome.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import ibis.expr.types as ir
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t
from sklearn.ensemble import RandomForestRegressor

from smsroi_helpers import measures
from smsroi_helpers.engine import hash_group
from smsroi_helpers.intervals import GROUPS
from smsroi_helpers.shop import Shop

__all__ = ["DEPTHS", "RULES", "Ranking", "jackknifed", "qini", "rank_customers", "read_customers"]

Floats = NDArray[np.float64]
MOST = 20_000
"""Customers taken, by a hash: forests need rows."""
FEWEST = 400
"""Fewer in an arm cannot teach and test a ranking."""
FOLDS = 2
"""Halves: with more, forests would share most of their customers, and their errors with what they are judged by."""
DEPTHS = np.arange(1, 101) / 100
"""Shares of the list that are treated."""
LEVELS = 8
"""Values of an attribute that are told apart, the commonest; the rest are one."""
RULES = ("uplift", "recent", "spend", "leaving")
"""Rankings compared; first come the largest predicted effect, latest order, largest spend, longest silence."""


@dataclass(frozen=True)
class Ranking:
    """How well rankings of one experiment's customers find those whom the treatment moves."""

    experiment: str
    arm: str
    customers: int
    """In the sample, both arms."""
    curve: pd.DataFrame
    """rule, depth (share treated, 0–1), gain, low, high: profit per customer of the list, against treating none."""
    rules: pd.DataFrame
    """rule, qini, low, high (profit per customer: the mean gain over treating as many at random), better."""
    last_tenth: tuple[float, float, float]
    """The effect among the tenth ranked last by uplift, with its interval: below 0, sleeping dogs are woken."""


# --- the rows --------------------------------------------------------------------------------------------------------


def read_customers(shop: Shop, experiment: str, arms: Sequence[str], most: int = MOST) -> pd.DataFrame:
    """A sample of customers of two arms with what was known of each when assigned, and the profit that followed.

    Args:
        shop: the company, with messages.
        experiment: its name.
        arms: the control and the arm.
        most: customers at most; which ones a hash of the customer decides.

    Returns:
        treated (0 or 1), profit, group (0 … 63), fold (0 or 1); since_order (days, NaN for never), orders, spend and
        months (in the log) before the assignment, and every attr_… and region of the table customers.
    """
    rows = measures.arm_outcomes(shop, experiment)
    rows = rows.filter(rows.outcome_days > 0, rows.arm.isin(list(arms)))
    rows = rows.select("customer_id", "arm", "assigned_at", "profit")
    orders = shop.orders.filter(shop.orders.amount >= 0).select(buyer="customer_id", at="ordered_at", paid="amount")
    before = rows.join(orders, rows.customer_id == orders.buyer)
    before = before.filter(before["at"] < before.assigned_at)
    past = before.group_by(who="customer_id").aggregate(
        last=before["at"].max(), first=before["at"].min(), orders=before.count(), spend=before.paid.sum()
    )
    rows = rows.left_join(past, rows.customer_id == past.who).drop("who")
    attributes: list[str] = []
    if shop.has("customers"):
        known = shop.customers
        attributes = [name for name in known.columns if name.startswith("attr_") or name == "region"]
        known = known.select(person="customer_id", **{name: known[name].cast("string") for name in attributes})
        rows = rows.left_join(known, rows.customer_id == known.person).drop("person")
    rows = rows.mutate(
        treated=(rows.arm == arms[1]).cast("int64"),
        group=hash_group(rows.customer_id, "jackknife"),
        fold=hash_group(rows.customer_id, "uplift fold", FOLDS),
        since_order=_days(rows.last, rows.assigned_at),
        months=_days(rows.first, rows.assigned_at) / 30.4,
        orders=rows.orders.fill_null(0),
        spend=rows.spend.fill_null(0.0),
    )
    columns = ["treated", "profit", "group", "fold", "since_order", "months", "orders", "spend", *attributes]
    return shop.count(_sampled(rows, most).select(*columns))


def _days(start: ir.TimestampValue, end: ir.TimestampValue) -> ir.FloatingValue:
    return end.delta(start, unit="second") / 86_400


def _sampled(rows: ir.Table, most: int) -> ir.Table:
    """The first by a hash; their order hangs on it alone, so that equal data give equal frames."""
    digest = hash_group(rows.customer_id, "uplift sample", 256)
    return rows.mutate(draw=digest).order_by("draw", "customer_id").limit(most)


def _features(rows: pd.DataFrame) -> Floats:
    """Numbers as they are (never ordered: beyond any day), each of the commonest attribute values as 0 or 1."""
    numbers = rows[["since_order", "months", "orders", "spend"]].astype(float)
    parts = [numbers.fillna({"since_order": 9_999.0, "months": 0.0}).to_numpy()]
    for name in rows.columns:
        if name.startswith("attr_") or name == "region":
            values = pd.to_numeric(rows[name], errors="coerce")
            if values.notna().mean() > 0.5 and values.nunique() > LEVELS:
                parts.append(values.fillna(values.median()).to_numpy(float)[:, None])
                continue
            for level in rows[name].value_counts().index[:LEVELS]:
                parts.append((rows[name] == level).to_numpy(float)[:, None])
    return np.hstack(parts)


# --- ranking and judging it ------------------------------------------------------------------------------------------


def _predicted_effects(rows: pd.DataFrame, seed: int) -> Floats:
    """What the treatment is expected to do to each customer, from forests that have not seen them."""
    x, y = _features(rows), rows["profit"].to_numpy(float)
    treated, fold = rows["treated"].to_numpy() == 1, rows["fold"].to_numpy()
    found = np.zeros(len(rows))
    for held in range(FOLDS):
        told = []
        for which in (treated, ~treated):
            learn = which & (fold != held)
            leaf = max(25, int(learn.sum() / 60))
            forest = RandomForestRegressor(120, min_samples_leaf=leaf, max_features=0.5, random_state=seed + held)
            told.append(forest.fit(x[learn], y[learn]).predict(x[fold == held]))
        found[fold == held] = told[0] - told[1]
    return found


def _rank_within(scores: Floats, fold: NDArray[np.int64], rng: np.random.Generator) -> Floats:
    """Places 0–1, the highest score first, within each fold: forests of different folds are not compared.

    Across folds, a fold whose own customers did badly would stand high, since its forests have not seen them.
    """
    place = np.zeros(len(scores))
    tie = rng.random(len(scores))
    for which in np.unique(fold):
        own = np.flatnonzero(fold == which)
        order = own[np.lexsort((tie[own], -scores[own]))]
        place[order] = (np.arange(len(own)) + 0.5) / len(own)
    return place


def qini(place: Floats, treated: NDArray[np.int64], y: Floats, group: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """The gain of treating the first share of a ranking alone, at each depth, with each group of customers left out.

    Args:
        place: of each customer, 0 (first) to 1.
        treated: 0 or 1, by lot.
        y: what followed.
        group: 0 … 63.

    Returns:
        gain at each of `DEPTHS`: depth × (mean of the treated − mean of the control) among those so high (per
        customer of the whole list); the same without each group, groups × depths.
    """
    bin_ = np.minimum((place * len(DEPTHS)).astype(int), len(DEPTHS) - 1)
    size = len(DEPTHS) * 2 * GROUPS
    key = (bin_ * 2 + treated) * GROUPS + group
    n = np.bincount(key, minlength=size).reshape(len(DEPTHS), 2, GROUPS).astype(float)
    total = np.bincount(key, y, minlength=size).reshape(len(DEPTHS), 2, GROUPS)

    def gain(people: Floats, sums: Floats) -> Floats:
        people, sums = people.cumsum(axis=0), sums.cumsum(axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = sums / people
            share = people.sum(axis=1) / people[-1].sum(axis=0)
            return np.nan_to_num(share * (mean[:, 1] - mean[:, 0]))

    whole = gain(n.sum(axis=2), total.sum(axis=2))
    left = gain(n.sum(axis=2, keepdims=True) - n, total.sum(axis=2, keepdims=True) - total)
    return whole, left.T


def jackknifed(parts: Sequence[tuple[Floats, Floats]]) -> tuple[Floats, Floats, Floats]:
    """The mean of the parts' values with a jackknife interval (by group of customers, as in `intervals.jackknife`).

    Two halves, each judged by what the other taught, may err alike: in a world without effects they do. Of their mean
    nothing more is sure than that its standard error is at most the mean of theirs, and that is what is taken.
    """
    values, errors = [], []
    for whole, left in parts:
        used = len(left)
        values.append(whole)
        errors.append(np.sqrt((used - 1) / used * ((left - whole) ** 2).sum(axis=0)))
    value, reach = np.mean(values, axis=0), t.ppf(0.975, GROUPS - 1) * np.mean(errors, axis=0)
    return value, value - reach, value + reach


def _one(parts: Sequence[tuple[Floats, Floats]]) -> tuple[float, float, float]:
    """`jackknifed` of single numbers."""
    value, low, high = jackknifed([(np.array([whole]), left[:, None]) for whole, left in parts])
    return float(value[0]), float(low[0]), float(high[0])


def rank_customers(
    rows: pd.DataFrame, experiment: str, arm: str, rng: np.random.Generator, rules: Sequence[str] = RULES
) -> Ranking | None:
    """Rank an experiment's customers by several rules, and let the experiment say what each ranking is worth.

    Args:
        rows: of `read_customers`.
        experiment: its name.
        arm: the treated arm's name.
        rng: of the forests and of ties.
        rules: which of `RULES`; one by which all customers are alike is left out.

    Returns:
        None where an arm has too few customers to learn from and to test on.
    """
    treated = rows["treated"].to_numpy(np.int64)
    if min(treated.sum(), (1 - treated).sum()) < FEWEST:
        return None
    y, group, fold = (rows[name].to_numpy() for name in ("profit", "group", "fold"))
    since = rows["since_order"].to_numpy(float)
    usual = rows["months"].to_numpy(float) * 30.4 / np.maximum(rows["orders"].to_numpy(float), 1)
    scores = {
        "recent": np.where(np.isnan(since), -np.inf, -since),
        "spend": rows["spend"].to_numpy(float),
        # Silent for long, measured by one's own gaps between orders.
        "leaving": np.where(np.isnan(since), -np.inf, since / np.maximum(np.nan_to_num(usual), 1.0)),
    }
    if "uplift" in rules:
        scores["uplift"] = _predicted_effects(rows, int(rng.integers(2**31 - FOLDS)))
    curves, found = [], []
    last_tenth = (float("nan"), float("nan"), float("nan"))
    for rule in rules:
        if np.ptp(np.nan_to_num(scores[rule], neginf=-1e9)) == 0:
            continue  # all alike in it: no ranking
        place = _rank_within(scores[rule], fold, rng)
        halves = [fold == half for half in range(FOLDS)] if rule == "uplift" else [fold >= 0]
        parts = [qini(place[own], treated[own], y[own].astype(float), group[own]) for own in halves]
        value, low, high = jackknifed(parts)
        curves.append(pd.DataFrame({"rule": rule, "depth": DEPTHS, "gain": value, "low": low, "high": high}))
        # Against random: the straight line to the gain of treating everybody.
        over = [tuple((x - x[..., -1:] * DEPTHS).mean(axis=-1) for x in part) for part in parts]
        told, least, most = _one(over)
        found.append({"rule": rule, "qini": told, "low": least, "high": most, "better": least > 0})
        if rule == "uplift":
            last_tenth = _one([tuple(10 * (x[..., -1] - x[..., 89]) for x in part) for part in parts])  # type: ignore[misc]
    return Ranking(experiment, arm, len(rows), pd.concat(curves), pd.DataFrame(found), last_tenth)
