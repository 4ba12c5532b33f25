"""Uplift: customers ranked by their expected treatment effect, and whether the ranking is better than random.

A T-learner (two forests, one of the treated and one of the control; Künzel et al. 2019, PNAS 116) predicts each
customer's profit with and without the treatment from data known at the assignment, fitted on the other half of the
customers. The experiment evaluates the ranking: the profit of treating only the first share of customers compared with
treating as many at random (Radcliffe 2007, Using control groups to target on predicted lift: the Qini curve). The usual
rankings (`baseline_scores`) are evaluated on the same customers; they need no experiment to be computed. “No better
than random” is a common result.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t
from sklearn.ensemble import RandomForestRegressor

from smsroi_helpers import measures
from smsroi_helpers.ab_test.baseline_scores import HISTORY, WhyNotRanked, score_customers
from smsroi_helpers.engine import hash_group, total
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import ALPHA, GROUPS, Floats, adjust

__all__ = [
    "DEPTHS",
    "RULES",
    "Ranking",
    "adjust_rules",
    "jackknifed",
    "qini",
    "rank_customers",
    "read_customers",
]

MOST_CUSTOMERS = 20_000
"""The most customers sampled, by a hash, because forests need rows in memory."""
FEWEST_PER_ARM = 200
"""With fewer customers in an arm no ranking is evaluated."""
FEWEST_TO_LEARN = 400
"""With fewer customers in an arm no effects are predicted."""
FOLDS = 2
"""Two folds: with more, the forests would share most of their training customers, and their errors would correlate."""
DEPTHS = np.arange(1, 101) / 100
"""Shares of the list that are treated."""
LEVELS = 8
"""The most common values of an attribute that get a column each."""
RULES = ("uplift", "rfm", "value", "churn")
"""Rankings compared; first come the largest predicted effect, the best RFM score, the largest value to come, the
greatest risk of having left."""


@dataclass(frozen=True)
class Ranking:
    """How well rankings of one experiment's customers find those who respond to the treatment."""

    experiment: str
    arm: str
    customers: int
    """In the sample, both arms."""
    curve: pd.DataFrame
    """rule, depth (share treated, 0–1), gain, low, high: profit per customer of the list, against treating none."""
    rules: pd.DataFrame
    """rule; qini, low, high (profit per customer: the mean gain over treating as many at random), p_value, adjusted_p,
    better (than random, by adjusted_p); behind, behind_low, behind_high: qini by predicted effect less this qini."""
    last_tenth: tuple[float, float, float]
    """The effect among the tenth ranked last by uplift, with its interval; below 0 there are sleeping dogs (customers
    whom the treatment harms). NaN where no effects were predicted."""
    not_ranked: dict[str, WhyNotRanked] = field(default_factory=dict)
    """Rankings that could not be computed, and why."""


# --- the rows --------------------------------------------------------------------------------------------------------


def read_customers(shop: Shop, experiment: str, arms: Sequence[str], most: int = MOST_CUSTOMERS) -> pd.DataFrame:
    """A sample of customers of two arms with covariates known at the assignment, and their profit after it.

    Args:
        shop: the company, with messages.
        experiment: its name.
        arms: the control and the arm.
        most: the most customers, sampled by a hash of customer_id.

    Returns:
        treated (0 or 1), profit, group (0 … 63), fold (0 or 1); since_order (days, NaN for never), orders, spend and
        months (in the log) before the assignment, or before its day if the order's date has no time; frequency,
        recency_days, T_days and repeat_spend of the days before the day of assignment, as `baseline_scores` reads them;
        and every attr_… and region of the table customers but for the column that is an outcome (`response` of the
        `segments` settings).
    """
    rows = measures.arm_outcomes(shop, experiment)
    rows = rows.filter(rows.outcome_days > 0, rows.arm.isin(list(arms)))
    rows = _sampled(rows.select("customer_id", "arm", "assigned_at", "assigned_day", "profit"), most)
    rows = _with_history(shop, rows)
    orders = measures.purchases(shop).select(buyer="customer_id", at="ordered_at", latest_at="latest_at", paid="spend")
    before = rows.join(orders, rows.customer_id == orders.buyer)
    before = before.filter(before.latest_at < before.assigned_at)
    past = before.group_by(member_id="customer_id").aggregate(
        last=before["at"].max(), first=before["at"].min(), orders=before.count(), spend=before.paid.sum()
    )
    rows = rows.left_join(past, rows.customer_id == past.member_id).drop("member_id")
    attributes: list[str] = []
    if shop.has("customers"):
        known = shop.customers
        outcome = shop.settings.segments.response
        attributes = [name for name in known.columns if name.startswith("attr_") or name == "region"]
        attributes = [name for name in attributes if name != outcome]
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
    columns = ["treated", "profit", "group", "fold", "since_order", "months", "orders", "spend", *HISTORY, *attributes]
    return shop.count(rows.order_by("draw", "customer_id").select(*columns))


def _with_history(shop: Shop, rows: ir.Table) -> ir.Table:
    """The rows with the columns of `HISTORY`, from purchases before the day of assignment."""
    days = measures.purchase_days(shop).rename(buyer="customer_id")
    before = rows.join(days, rows.customer_id == days.buyer)
    before = before.filter(before.day < before.assigned_day)
    past = before.group_by(member_id="customer_id").aggregate(
        first_day=before.day.min(), last_day=before.day.max(), days=before.count(), spent=total(before.value),
        first_spend=before.value.argmin(before.day),
    )  # fmt: skip
    rows = rows.left_join(past, rows.customer_id == past.member_id).drop("member_id")
    return rows.mutate(
        frequency=rows.days - 1,
        recency_days=rows.last_day.delta(rows.first_day, unit="day").cast("int64"),
        T_days=rows.assigned_day.delta(rows.first_day, unit="day").cast("int64"),
        repeat_spend=ibis.ifelse(rows.days > 1, rows.spent - rows.first_spend, 0.0 * rows.spent),
    ).drop("first_day", "last_day", "days", "spent", "first_spend")


def _days(start: ir.TimestampValue, end: ir.TimestampValue) -> ir.FloatingValue:
    return end.delta(start, unit="second") / 86_400


def _sampled(rows: ir.Table, most: int) -> ir.Table:
    """The first rows by a hash. The order depends on the hash alone, so that equal data give equal frames."""
    digest = hash_group(rows.customer_id, "uplift sample", 256)
    return rows.mutate(draw=digest).order_by("draw", "customer_id").limit(most)


def _features(rows: pd.DataFrame) -> Floats:
    """Numbers unchanged (a large number of days for never ordered); the most common attribute values as 0 or 1."""
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


# --- ranking and evaluation ------------------------------------------------------------------------------------------


def _predicted_effects(rows: pd.DataFrame, seed: int) -> Floats:
    """The predicted treatment effect of each customer, from forests fitted to the other fold."""
    x, y = _features(rows), rows["profit"].to_numpy(float)
    treated, fold = rows["treated"].to_numpy() == 1, rows["fold"].to_numpy()
    found = np.zeros(len(rows))
    for held in range(FOLDS):
        predicted = []
        for which in (treated, ~treated):
            learn = which & (fold != held)
            leaf = max(25, int(learn.sum() / 60))
            forest = RandomForestRegressor(120, min_samples_leaf=leaf, max_features=0.5, random_state=seed + held)
            predicted.append(forest.fit(x[learn], y[learn]).predict(x[fold == held]))
        found[fold == held] = predicted[0] - predicted[1]
    return found


def _rank_within(scores: Floats, fold: NDArray[np.int64], rng: np.random.Generator) -> Floats:
    """Ranks from 0 to 1 within each fold, the highest score first.

    Scores of different folds come from different forests and are not comparable: each forest is fitted without the fold
    it scores, so a fold with low effects by chance would get the higher scores.
    """
    place = np.zeros(len(scores))
    tie = rng.random(len(scores))
    for which in np.unique(fold):
        own = np.flatnonzero(fold == which)
        order = own[np.lexsort((tie[own], -scores[own]))]
        place[order] = (np.arange(len(own)) + 0.5) / len(own)
    return place


def qini(place: Floats, treated: NDArray[np.int64], y: Floats, group: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """The gain of treating only the first share of a ranking, at each depth, and without each jackknife group.

    Args:
        place: the rank of each customer, 0 (first) to 1.
        treated: 0 or 1, randomly assigned.
        y: the outcome.
        group: 0 … 63.

    Returns:
        gain at each of `DEPTHS`: depth × (mean of the treated − mean of the control) among those ranked so high (per
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
    """The mean of the parts' values with a jackknife interval (by group of customers, as in `statistics.jackknife`).

    Each half is evaluated with a ranking fitted on the other, so the errors of the two may be correlated; simulations
    without effects show that they are. The standard error of their mean is at most the mean of their standard errors,
    and this upper bound is used.
    """
    values, errors = [], []
    for whole, left in parts:
        used = len(left)
        values.append(whole)
        errors.append(np.sqrt((used - 1) / used * ((left - whole) ** 2).sum(axis=0)))
    value, half_width = np.mean(values, axis=0), t.ppf(0.975, GROUPS - 1) * np.mean(errors, axis=0)
    return value, value - half_width, value + half_width


def _jackknifed_number(parts: Sequence[tuple[Floats, Floats]]) -> tuple[float, float, float]:
    """`jackknifed` of single numbers."""
    value, low, high = jackknifed([(np.array([whole]), left[:, None]) for whole, left in parts])
    return float(value[0]), float(low[0]), float(high[0])


def rank_customers(rows: pd.DataFrame, experiment: str, arm: str, rng: np.random.Generator) -> Ranking | None:
    """Rank an experiment's customers by each of `RULES`, and evaluate each ranking by the experiment.

    Args:
        rows: of `read_customers`.
        experiment: its name.
        arm: the treated arm's name.
        rng: of the forests and of ties.

    Returns:
        None where an arm has too few customers to evaluate a ranking, or no score varies between customers.
    """
    treated = rows["treated"].to_numpy(np.int64)
    if min(treated.sum(), (1 - treated).sum()) < FEWEST_PER_ARM:
        return None
    y, group, fold = (rows[name].to_numpy() for name in ("profit", "group", "fold"))
    scores, not_ranked = score_customers(rows)
    seed = int(rng.integers(2**31 - FOLDS))
    if min(treated.sum(), (1 - treated).sum()) >= FEWEST_TO_LEARN:
        scores["uplift"] = _predicted_effects(rows, seed)
    else:
        not_ranked["uplift"] = "few_customers"
    curves, found = [], []
    last_tenth = (float("nan"),) * 3
    uplift_halves: list[tuple[Floats, Floats]] = []
    for rule in RULES:
        if rule not in scores:
            continue
        if np.ptp(np.nan_to_num(scores[rule], neginf=-1e9)) == 0:
            not_ranked[rule] = "alike"  # no ranking
            continue
        place = _rank_within(scores[rule], fold, rng)
        halves = [qini(place[own], treated[own], y[own].astype(float), group[own]) for own in (fold == 0, fold == 1)]
        parts = halves if rule == "uplift" else [qini(place, treated, y.astype(float), group)]
        value, low, high = jackknifed(parts)
        curves.append(pd.DataFrame({"rule": rule, "depth": DEPTHS, "gain": value, "low": low, "high": high}))
        over, of_halves = [_over_random(part) for part in parts], [_over_random(part) for part in halves]
        gain, least, most = _jackknifed_number(over)
        behind = (float("nan"),) * 3
        if rule == "uplift":
            last_tenth = _jackknifed_number(
                [(10 * (whole[-1] - whole[89]), 10 * (left[:, -1] - left[:, 89])) for whole, left in parts]
            )
            uplift_halves = of_halves
        elif uplift_halves:
            gaps = [(a[0] - b[0], a[1] - b[1]) for a, b in zip(uplift_halves, of_halves, strict=True)]
            behind = _jackknifed_number(gaps)
        found.append({
            "rule": rule, "qini": gain, "low": least, "high": most, "p_value": _p_above(gain, least, most),
            "behind": behind[0], "behind_low": behind[1], "behind_high": behind[2],
        })  # fmt: skip
    if not found:
        return None
    ranking = Ranking(experiment, arm, len(rows), pd.concat(curves), pd.DataFrame(found), last_tenth, not_ranked)
    return adjust_rules([ranking])[0]


def _over_random(part: tuple[Floats, Floats]) -> tuple[Floats, Floats]:
    """The mean gain above the straight line of random targeting, for all customers and without each group."""
    whole, left = ((curve - curve[..., -1:] * DEPTHS).mean(axis=-1) for curve in part)
    return whole, left


def _p_above(value: float, low: float, high: float) -> float:
    """The two-sided p-value that belongs to an interval of `jackknifed`."""
    error = (high - low) / 2 / t.ppf(0.975, GROUPS - 1)
    return float(2 * t.sf(abs(value) / error, GROUPS - 1)) if error > 0 else float("nan")


def adjust_rules(rankings: Sequence[Ranking]) -> list[Ranking]:
    """The rankings with adjusted_p (Holm, over all rules of all rankings) and better."""
    p = [ranking.rules["p_value"].to_numpy(float) for ranking in rankings]
    adjusted = np.split(adjust(np.concatenate(p), "holm"), np.cumsum([len(own) for own in p])[:-1]) if p else []
    return [
        replace(ranking, rules=ranking.rules.assign(
            adjusted_p=own, better=(own < ALPHA) & (ranking.rules["qini"].to_numpy(float) > 0)
        ))
        for ranking, own in zip(rankings, adjusted, strict=True)
    ]  # fmt: skip
