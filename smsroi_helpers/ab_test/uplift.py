"""Uplift: customers ranked by their expected treatment effect, and whether the ranking is better than random.

A T-learner (two forests, one of the treated and one of the control; Künzel et al. 2019, PNAS 116) predicts each
customer's outcome with and without the treatment from data known at the assignment, fitted on the other half of the
customers. The experiment evaluates the ranking (`gain_curve`): what is gained by treating only the first share of
customers compared with treating as many at random. The usual rankings (`baseline_scores`) are evaluated on the same
customers; they need no experiment to be computed. “No better than random” is a common result.

The outcome is the metric that decides the experiment, in money or not (`Outcome`), signed so that more is better.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from smsroi_helpers import measures
from smsroi_helpers.ab_test.baseline_scores import HISTORY, WhyNotRanked, score_customers
from smsroi_helpers.ab_test.click_profit import Weights
from smsroi_helpers.ab_test.effects import CLICK_PROFIT, more_is_better
from smsroi_helpers.ab_test.gain_curve import (
    DEPTHS,
    FIFTHS,
    Curves,
    Estimate,
    Part,
    Policy,
    compare_policy,
    effects_by_fifth,
    jackknifed,
    over_random,
    qini,
)
from smsroi_helpers.engine import hash_group, total
from smsroi_helpers.experiments import METRICS
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import ALPHA, Floats, adjust

__all__ = [
    "DEPTHS",
    "OUTCOMES",
    "RULES",
    "Outcome",
    "Ranking",
    "adjust_rules",
    "jackknifed",
    "outcome_of",
    "qini",
    "rank_customers",
    "read_customers",
]

MOST_CUSTOMERS = 100_000
"""The most customers sampled, by a hash, because forests need rows in memory."""
FEWEST_PER_ARM = 200
"""With fewer customers in an arm no ranking is evaluated."""
FEWEST_TO_LEARN = 400
"""With fewer customers in an arm no effects are predicted."""
FOLDS = 2
"""Two folds: with more, the forests would share most of their training customers, and their errors would correlate."""
LEVELS = 8
"""The most common values of an attribute that get a column each."""
RULES = ("uplift", "rfm", "value", "churn")
"""Rankings compared; first come the largest predicted effect, the best RFM score, the largest value to come, the
greatest risk of having left."""
_Z = float(norm.ppf(0.975))


OUTCOMES = (
    "profit", "revenue", "orders_after", "ordered", "visited", "clicked_messages", "replied_messages", "opted_out",
    "messages", "message_cost", "discount",
)  # fmt: skip
"""Outcomes of a customer that are read, of `measures.arm_outcomes`; its `orders` is called orders_after here."""


@dataclass(frozen=True)
class Outcome:
    """What a ranking is judged by, one number per customer; more is better."""

    y: Floats
    metric: str = "profit"
    priced: tuple[tuple[float, Floats], ...] = ()
    """Where `y` is computed with prices: the standard error of each price, and the quantity that it prices."""


@dataclass(frozen=True)
class Ranking:
    """How well rankings of one experiment's customers find those who respond to the treatment."""

    experiment: str
    arm: str
    customers: int
    """In the sample, both arms."""
    curve: pd.DataFrame
    """rule, depth (share treated, 0–1), gain, low, high: outcome per customer of the list, against treating none."""
    rules: pd.DataFrame
    """rule; qini, low, high (per customer: the mean gain over treating as many at random), p_value, adjusted_p, better
    (than random, by adjusted_p); p_policy (for the rule's `Policy`), adjusted_p_policy; p_none (for the gain of the
    policy over treating nobody), adjusted_p_none; behind, behind_low, behind_high: qini by predicted effect less this
    qini. Adjusted by Holm over all rules of all rankings."""
    fifths: pd.DataFrame
    """rule, fifth (1: ranked first), customers, effect, low, high: the effect in each fifth, per customer of it."""
    gains: dict[str, Estimate] = field(default_factory=dict)
    """The mean gain over random of each rule."""
    policies: dict[str, Policy] = field(default_factory=dict)
    """Of each rule, the policy of treating the first fifths."""
    traits: pd.DataFrame = field(default_factory=pd.DataFrame)
    """rule, column, level (empty for numbers), chosen, others: the mean or share (0–1) among the first fifths of the
    rule's policy and among the others; apart: their difference in standard deviations."""
    metric: str = "profit"
    not_ranked: dict[str, WhyNotRanked] = field(default_factory=dict)
    """Rankings that could not be computed, and why."""


# --- the rows --------------------------------------------------------------------------------------------------------


def read_customers(shop: Shop, experiment: str, arms: Sequence[str], most: int = MOST_CUSTOMERS) -> pd.DataFrame:
    """A sample of customers of two arms with covariates known at the assignment, and their outcomes after it.

    Args:
        shop: the company, with messages.
        experiment: its name.
        arms: the control and the arm.
        most: the most customers, sampled by a hash of customer_id.

    Returns:
        treated (0 or 1), the columns of `OUTCOMES` (null where not known), group (0 … 63), fold (0 or 1); since_order
        (days, NaN for never), orders, spend and months (in the log) before the assignment, or before its day if the
        order's date has no time; frequency, recency_days, T_days and repeat_spend of the days before the day of
        assignment, as `baseline_scores` reads them; and every attr_… and region of the table customers but for the
        column that is an outcome (`response` of the `segments` settings).
    """
    rows = measures.arm_outcomes(shop, experiment).rename(orders_after="orders")
    rows = rows.filter(rows.outcome_days > 0, rows.arm.isin(list(arms)))
    rows = _sampled(rows.select("customer_id", "arm", "assigned_at", "assigned_day", *OUTCOMES), most)
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
    columns = ["treated", *OUTCOMES, "group", "fold", "since_order", "months", "orders", "spend", *HISTORY, *attributes]
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


def _predicted_effects(rows: pd.DataFrame, y: Floats, seed: int) -> Floats:
    """The predicted treatment effect of each customer, from forests fitted to the other fold."""
    from sklearn.ensemble import RandomForestRegressor

    x = _features(rows)
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


def outcome_of(rows: pd.DataFrame, metric: str, weights: Weights | None = None) -> Outcome | None:
    """The outcome of each customer in the metric that decides their experiment; None where it is not known.

    Ratios are divided by the mean number of messages, so that differences are those of clicks or replies per message
    where the arms were sent equally many.

    Args:
        rows: of `read_customers`.
        metric: a metric of `effects`.
        weights: of the click profit; only for that metric.
    """
    if metric == CLICK_PROFIT:
        if weights is None:
            return None
        clicks, opt_outs = (rows[name].fillna(0).to_numpy(float) for name in ("clicked_messages", "opted_out"))
        clicks = clicks * np.asarray(weights.judged)[rows["treated"].to_numpy(np.int64)]
        rest = rows[["discount", "message_cost"]].fillna(0.0).to_numpy(float) @ np.array([weights.discount, -1.0])
        priced = tuple(
            ((high - low) / (2 * _Z), quantity)
            for (_value, low, high), quantity in ((weights.click, clicks), (weights.opt_out, opt_outs))
        )
        return Outcome(weights.click[0] * clicks + weights.opt_out[0] * opt_outs + rest, metric, priced)
    y = rows["orders_after" if metric == "orders" else METRICS[metric].outcome].to_numpy(float)
    if np.isnan(y).any() or (METRICS[metric].kind == "ratio" and not rows["messages"].mean() > 0):
        return None
    y = y / rows["messages"].mean() if METRICS[metric].kind == "ratio" else y
    return Outcome(y if more_is_better(metric) else -y, metric)


def rank_customers(
    rows: pd.DataFrame, experiment: str, arm: str, rng: np.random.Generator, outcome: Outcome | None = None,
    information: float | None = None,
) -> Ranking | None:  # fmt: skip
    """Rank an experiment's customers by each of `RULES`, and evaluate each ranking by the experiment.

    Args:
        rows: of `read_customers`.
        experiment: its name.
        arm: the treated arm's name.
        rng: of the forests and of ties.
        outcome: of `outcome_of`; None for profit.
        information: of the always-valid p-values and intervals of policies, while the experiment runs.

    Returns:
        None where an arm has too few customers to evaluate a ranking, or no score varies between customers.
    """
    treated = rows["treated"].to_numpy(np.int64)
    if min(treated.sum(), (1 - treated).sum()) < FEWEST_PER_ARM:
        return None
    outcome = outcome or Outcome(rows["profit"].to_numpy(float))
    scores, not_ranked = score_customers(rows)
    seed = int(rng.integers(2**31 - FOLDS))
    if min(treated.sum(), (1 - treated).sum()) >= FEWEST_TO_LEARN:
        scores["uplift"] = _predicted_effects(rows, outcome.y, seed)
    else:
        not_ranked["uplift"] = "few_customers"
    judged = []
    for rule in RULES:
        if rule not in scores:
            continue
        if np.ptp(np.nan_to_num(scores[rule], neginf=-1e9)) == 0:
            not_ranked[rule] = "alike"  # no ranking
            continue
        judged.append(_judge(rule, scores[rule], rows, outcome, rng, information))
    if not judged:
        return None
    ours = next((each.halves for each in judged if each.rule == "uplift"), None)
    ranking = Ranking(
        experiment, arm, len(rows), pd.concat([each.curve for each in judged]),
        pd.DataFrame([_row(each, ours) for each in judged]), pd.concat([each.fifths for each in judged]),
        {each.rule: each.gain for each in judged}, {each.rule: each.policy for each in judged},
        pd.concat([each.traits for each in judged]), outcome.metric, not_ranked,
    )  # fmt: skip
    return adjust_rules([ranking])[0]


# --- one rule --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Judged:
    """One rule, evaluated."""

    rule: str
    curve: pd.DataFrame
    fifths: pd.DataFrame
    traits: pd.DataFrame
    gain: Estimate
    policy: Policy
    halves: Curves


def _judge(
    rule: str, scores: Floats, rows: pd.DataFrame, outcome: Outcome, rng: np.random.Generator, information: float | None
) -> _Judged:
    treated, group, fold = (rows[name].to_numpy(np.int64) for name in ("treated", "group", "fold"))
    place = _rank_within(scores, fold, rng)
    in_halves = [fold == half for half in range(FOLDS)]
    # A ranking that was not learned from outcomes is evaluated on all customers at once.
    among = in_halves if rule == "uplift" else [np.ones(len(rows), bool)]

    def curves(which: Sequence[NDArray[np.bool_]]) -> Curves:
        def parts(y: Floats) -> tuple[Part, ...]:
            return tuple(qini(place[own], treated[own], y[own], group[own]) for own in which)

        priced = tuple((error, parts(quantity)) for error, quantity in outcome.priced)
        return Curves(parts(outcome.y), priced, information)

    halves, used = curves(in_halves), curves(among)
    gain, low, high = jackknifed(used.parts)
    curve = pd.DataFrame({"rule": rule, "depth": DEPTHS, "gain": gain, "low": low, "high": high})
    by_fifth = [effects_by_fifth(place[own], treated[own], outcome.y[own], group[own]) for own in among]
    effect, low, high = jackknifed(by_fifth)
    of_fifth = np.minimum((place * FIFTHS).astype(int), FIFTHS - 1)
    fifths = pd.DataFrame({
        "rule": rule, "fifth": np.arange(FIFTHS) + 1, "customers": np.bincount(of_fifth, minlength=FIFTHS),
        "effect": effect, "low": low, "high": high,
    })  # fmt: skip
    policy = compare_policy(halves, [whole for whole, _left in halves.parts])
    traits = _traits(rows, of_fifth < policy.fifths).assign(rule=rule)
    gain_over_random = used.estimate([over_random] * len(among))
    return _Judged(rule, curve, fifths, traits, gain_over_random, policy, halves)


def _row(each: _Judged, ours: Curves | None) -> dict[str, object]:
    """A row of `Ranking.rules`."""
    qini_, low, high = each.gain.interval()
    behind = (float("nan"),) * 3
    if ours is not None and each.rule != "uplift":
        gaps = tuple((a[0] - b[0], a[1] - b[1]) for a, b in zip(ours.parts, each.halves.parts, strict=True))
        behind = Curves(gaps).estimate([over_random] * FOLDS).interval()
    over_none = each.policy.over_none
    return {
        "rule": each.rule, "qini": qini_, "low": low, "high": high, "p_value": each.gain.p_value,
        "p_policy": each.policy.p_value, "p_none": over_none.p_value if over_none.value > 0 else 1.0,
        "behind": behind[0], "behind_low": behind[1], "behind_high": behind[2],
    }  # fmt: skip


def _traits(rows: pd.DataFrame, chosen: NDArray[np.bool_]) -> pd.DataFrame:
    """How the chosen customers differ from the others in what was known before: see `Ranking.traits`."""
    found = []

    def add(column: str, level: str, values: Floats) -> None:
        known = np.isfinite(values)
        one, two = values[known & chosen], values[known & ~chosen]
        spread = float(np.std(values[known])) if known.any() else 0.0
        if len(one) and len(two) and spread > 0:
            apart = float(one.mean() - two.mean()) / spread
            found.append({"column": column, "level": level, "chosen": one.mean(), "others": two.mean(), "apart": apart})

    for name in ("since_order", "orders", "spend"):
        add(name, "", rows[name].to_numpy(float))
    for name in rows.columns:
        if not (name.startswith("attr_") or name == "region"):
            continue
        values = pd.to_numeric(rows[name], errors="coerce")
        if values.notna().mean() > 0.5 and values.nunique() > LEVELS:
            add(name, "", values.to_numpy(float))
            continue
        for level in rows[name].value_counts().index[:LEVELS]:
            add(name, str(level), (rows[name] == level).to_numpy(float))
    return pd.DataFrame(found, columns=["column", "level", "chosen", "others", "apart"])


def adjust_rules(rankings: Sequence[Ranking]) -> list[Ranking]:
    """The rankings with better and the adjusted p-values (Holm, over all rules of all rankings)."""
    if not rankings:
        return []
    cuts = np.cumsum([len(ranking.rules) for ranking in rankings])[:-1]
    adjusted = {}
    for name in ("p_value", "p_policy", "p_none"):
        p = np.concatenate([ranking.rules[name].to_numpy(float) for ranking in rankings])
        adjusted[name.replace("p_value", "p")] = np.split(adjust(p, "holm"), cuts)
    return [
        replace(ranking, rules=ranking.rules.assign(
            **{f"adjusted_{name}": own[place] for name, own in adjusted.items()},
            better=(adjusted["p"][place] < ALPHA) & (ranking.rules["qini"].to_numpy(float) > 0),
        ))
        for place, ranking in enumerate(rankings)
    ]  # fmt: skip
