"""Did the change pay: every experiment of the source, from its split to a decision in money.

The engine counts moments by arm; `effects` turns them into differences, `validity` says whether they may be believed,
`sequential` keeps daily looks honest, `verdicts` decides. Outcomes are those of all who were assigned, treated or not
(intention to treat), from the assignment on. Money is in the source's currency, per customer over the whole window.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from smsroi_helpers import experiments
from smsroi_helpers.ab_test.decision import decision_of
from smsroi_helpers.ab_test.decision_rule import Verdict, judge
from smsroi_helpers.ab_test.uplift import Ranking, adjust_rules, rank_customers, read_customers
from smsroi_helpers.contract import Decision
from smsroi_helpers.experiments import METRICS, Experiment, Metric, Validity, moments_of
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import (
    FEW_EVENTS,
    Arms,
    Floats,
    adjust,
    always_valid_half_width,
    always_valid_p,
    compare,
    difference_of_means,
    difference_of_rates,
    estimate_means,
    estimate_ratios,
    expected_loss,
    heterogeneity,
    log_ratio,
    merge_strata,
    probability_best,
    relative_lift,
)

__all__ = [
    "Evaluated",
    "analyse",
    "cap_profit",
    "decide",
    "differ_by_segment",
    "keep_ledger",
    "map_overlaps",
    "measure_effects",
    "rank_responders",
    "results_table",
    "total_ledger",
    "trace_weeks",
]
MOST_WEEKS = 12
"""How long the difference is followed week by week."""
_SHARE_OBSERVED = 0.8
"""As many weeks are followed as this share of the customers has been observed for."""


@dataclass(frozen=True)
class Evaluated:
    """One experiment with all that was found of it."""

    experiment: Experiment
    validity: Validity
    effects: pd.DataFrame
    """Of `measure_effects`; no rows where the experiment is broken."""
    verdict: Verdict


# --- effects ---------------------------------------------------------------------------------------------------------


def measure_effects(
    experiment: Experiment, counted: pd.DataFrame, metrics: Sequence[str] = tuple(METRICS), segment: str = "all"
) -> pd.DataFrame:
    """Every metric of every arm against the control's.

    Shares with fewer than 20 events in an arm are compared by Miettinen and Nurminen's interval and Fisher's test;
    clicks and replies as ratios of sums, customers as units; all else by Welch, adjusted by the same outcome before the
    assignment (CUPED) and by day of assignment.

    Args:
        experiment: which.
        counted: of `experiments.count_outcomes`, or with a column segment.
        metrics: which, where the source knows them.
        segment: the name these rows are given.

    Returns:
        One row per metric and arm, the control first: metric, segment, arm, customers, events (customers with the
        event; of money, customers who ordered; clicks or replies), mean; of arms other than the control difference,
        low, high, standard_error, df, p_value, relative, relative_low, relative_high, log_ratio, log_ratio_error (of
        `effects.log_ratio`), always_valid_low, always_valid_high, always_valid_p, unadjusted_difference,
        unadjusted_low, unadjusted_high; probability_best, expected_loss (arms together); method; reason (why there is
        no interval). NaN stands for what is not known.
    """
    days = sorted(counted["assigned_day"].unique()) if "assigned_day" in counted.columns else []
    strata = _strata(experiment) if days else None
    buyers = _sums(counted, experiment, "order_rate")
    parts = []
    for metric in (METRICS[name] for name in metrics):
        moments = moments_of(counted, experiment.name, metric.name, ["assigned_day"] if days else [])
        if not moments["n"].sum():
            continue
        if strata is not None:
            moments = moments.assign(stratum=moments["assigned_day"].map(strata)).drop(columns="assigned_day")
        parts.append(_effects_of(experiment, metric, moments, buyers))
    frame = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["metric", "arm"])
    if segment != "all" and len(frame):
        frame = _without_few_buyers(frame, experiment.control)
    return frame.assign(segment=segment)


def _without_few_buyers(frame: pd.DataFrame, control: str) -> pd.DataFrame:
    """Money of segments in which hardly anybody bought: an arm of whom nobody did has no spread, and looks sure."""
    frame = frame.copy()
    of_control = frame["metric"].map(frame[frame["arm"] == control].set_index("metric")["events"])
    few = (np.fmin(frame["events"], of_control) < FEW_EVENTS) & (frame["arm"] != control)
    few &= frame["metric"].isin([name for name, metric in METRICS.items() if metric.kind == "money"])
    frame.loc[few & frame["low"].notna(), "reason"] = "few_events"
    frame.loc[few, _INFERRED] = np.nan
    return frame


def _strata(experiment: Experiment) -> pd.Series | None:
    """Which stratum each day of assignment belongs to; None where one day held everybody."""
    rows = experiment.assigned.assign(n=experiment.assigned["n"] - experiment.assigned["late"])
    wide = rows.pivot_table(index="day", columns="arm", values="n", aggfunc="sum", fill_value=0).sort_index()
    strata = merge_strata(wide)
    return strata if strata.max() > 0 else None


def _sums(counted: pd.DataFrame, experiment: Experiment, metric: str) -> Floats:
    moments = moments_of(counted, experiment.name, metric) if f"{metric}__n" in counted.columns else None
    if moments is None:
        return np.full(len(experiment.arms), np.nan)
    return moments.groupby("arm")["sum_y"].sum().reindex(list(experiment.arms)).fillna(0.0).to_numpy(float)


def _effects_of(experiment: Experiment, metric: Metric, moments: pd.DataFrame, buyers: Floats) -> pd.DataFrame:
    names = list(experiment.arms)
    if metric.kind == "ratio":
        arms = plain = estimate_ratios(moments, names)
    else:
        arms, plain = estimate_means(moments, names), estimate_means(moments, names, adjust=False)
    sums = moments.groupby("arm")["sum_y"].sum().reindex(names).fillna(0.0).to_numpy(float)
    events = buyers if metric.kind == "money" else sums
    found, raw = compare(arms, experiment.control), compare(plain, experiment.control)
    lift, lift_low, lift_high = relative_lift(arms, experiment.control)
    log_lift, log_lift_error = log_ratio(arms, experiment.control)
    error = np.sqrt(arms.variance)
    sign = 1.0 if metric.more_is_better else -1.0
    r = experiment.information
    reach = always_valid_half_width(found.standard_error, r)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = found.estimate / found.standard_error
    frame = pd.DataFrame({
        "metric": metric.name, "arm": names, "customers": arms.customers, "events": events, "mean": arms.mean,
        "difference": found.estimate, "low": found.low, "high": found.high, "standard_error": found.standard_error,
        "df": found.df, "p_value": found.p_value,
        "relative": lift, "relative_low": lift_low, "relative_high": lift_high,
        "log_ratio": log_lift, "log_ratio_error": log_lift_error,
        "always_valid_low": found.estimate - reach, "always_valid_high": found.estimate + reach,
        "always_valid_p": np.where(np.isfinite(r), always_valid_p(z, r), np.nan),
        "unadjusted_difference": raw.estimate, "unadjusted_low": raw.low, "unadjusted_high": raw.high,
        "probability_best": probability_best(sign * arms.adjusted, error),
        "expected_loss": expected_loss(sign * arms.adjusted, error),
        "method": "ratio" if metric.kind == "ratio" else "welch" if _same(arms, plain) else "adjusted",
    })  # fmt: skip
    frame["reason"] = _why_unknown(arms)
    # Without an interval there is no estimate either.
    unknown = ~np.isfinite(frame["low"])
    frame.loc[unknown, ["difference", "unadjusted_difference", "standard_error", "df"]] = np.nan
    if metric.kind == "share":
        frame = _with_few_events(frame)
    elif metric.kind == "ratio":
        few = np.fmin(frame["events"], frame["events"].iloc[0]) < FEW_EVENTS
        frame.loc[few & frame["low"].notna(), "reason"] = "few_events"
        frame.loc[few, _INFERRED] = np.nan
    return frame


_INFERRED = [
    "difference", "low", "high", "standard_error", "df", "p_value", "relative", "relative_low", "relative_high",
    "log_ratio", "log_ratio_error", "always_valid_low", "always_valid_high", "always_valid_p", "unadjusted_difference",
    "unadjusted_low", "unadjusted_high", "probability_best", "expected_loss",
]  # fmt: skip


def _same(arms: Arms, plain: Arms) -> bool:
    """Whether there was nothing to adjust by."""
    return bool(np.allclose(arms.variance, plain.variance, rtol=1e-12, atol=0, equal_nan=True))


def _why_unknown(arms: Arms) -> list[str]:
    reasons = []
    for place, (people, variance) in enumerate(zip(arms.customers, arms.variance, strict=True)):
        if place == 0:
            reasons.append("")
        elif min(people, arms.customers[0]) < 2:
            reasons.append("no_customers")
        elif np.isnan(arms.mean[place]) or np.isnan(arms.mean[0]):
            reasons.append("no_messages")
        elif variance + arms.variance[0] == 0:
            reasons.append("no_variance")
        else:
            reasons.append("")
    return reasons


def _with_few_events(frame: pd.DataFrame) -> pd.DataFrame:
    """Shares with few events, or few without one: Miettinen and Nurminen, and Fisher."""
    control = frame.iloc[0]
    for row in frame.iloc[1:].itertuples():
        if min(row.customers, control["customers"]) < 1:
            continue
        fewest = min(
            row.events, row.customers - row.events, control["events"], control["customers"] - control["events"]
        )
        if fewest >= FEW_EVENTS:
            continue
        found = difference_of_rates([row.events], [row.customers], [control["events"]], [control["customers"]])
        frame.loc[row.Index, _INFERRED] = np.nan
        frame.loc[row.Index, ["difference", "low", "high", "p_value"]] = [
            found.estimate[0], found.low[0], found.high[0], found.p_value[0],
        ]  # fmt: skip
        frame.loc[row.Index, ["method", "reason"]] = ["few_events", "few_events"]
    if (frame["method"] == "few_events").any():
        frame[["probability_best", "expected_loss"]] = np.nan
    return frame


# --- all experiments -------------------------------------------------------------------------------------------------


def analyse(
    shop: Shop, *, smallest_gain: float = 0.0, opt_out_margin: float = 0.002, segment_by: str = "recency"
) -> list[Evaluated]:
    """Every experiment of the source: believed or not, measured, decided.

    Args:
        shop: the company.
        smallest_gain: profit per customer and week below which a change is not worth making (money).
        opt_out_margin: by how much the share of customers who opt out in a week may rise at most (0–1).
        segment_by: `recency`, or a column of customers that treatment cannot change; segments are those at the
            assignment.
    """
    found = experiments.list_experiments(shop)
    counted = experiments.count_outcomes(shop)
    exposure = experiments.count_exposure(shop) if shop.has("messages") else pd.DataFrame(columns=["experiment_id"])
    overlaps = experiments.check_overlaps(experiments.count_overlaps(shop), found)
    by_segment = experiments.count_by_segment(shop, segment_by)
    every = []
    for experiment in found:
        believed = experiments.check(experiment, counted, exposure, overlaps)
        effects = measure_effects(experiment, counted)
        if believed.broken:
            effects = effects.iloc[:0]
        else:
            parts = [
                measure_effects(experiment, cells, ("profit", "order_rate"), segment=str(name))
                for name, cells in by_segment[by_segment["experiment_id"] == experiment.name].groupby("segment")
            ]
            effects = pd.concat([effects, *parts], ignore_index=True)
        verdict = judge(experiment, believed, effects, smallest_gain=smallest_gain, opt_out_margin=opt_out_margin)
        every.append(Evaluated(experiment, believed, verdict.effects, verdict))
    return every


def map_overlaps(shop: Shop, evaluated: Sequence[Evaluated]) -> pd.DataFrame:
    """Who sat in two of the experiments at once: see `validity.check_overlaps`."""
    return experiments.check_overlaps(experiments.count_overlaps(shop), [each.experiment for each in evaluated])


def differ_by_segment(evaluated: Evaluated, metric: str | None = None) -> pd.DataFrame:
    """Whether an arm's effect differs between segments (as of the assignment): one row per arm.

    In money and in proportion: an arm that makes everybody buy a tenth more brings more money where more is bought.

    Returns:
        arm, segments, q, df, p_value (Cochran's Q of the differences), adjusted_p (Holm over the arms), p_relative and
        adjusted_p_relative (the same of the logarithms of arm ÷ control; NaN where fewer than two segments have one).
    """
    metric = metric or evaluated.verdict.metric
    rows = evaluated.effects
    rows = rows[(rows["metric"] == metric) & (rows["segment"] != "all")] if len(rows) else rows
    found = []
    for arm in evaluated.experiment.treated:
        own = rows[rows["arm"] == arm] if len(rows) else rows
        if len(own):
            q, df, p = heterogeneity(own["difference"].to_numpy(float), own["standard_error"].to_numpy(float))
            logs = heterogeneity(own["log_ratio"].to_numpy(float), own["log_ratio_error"].to_numpy(float))
            found.append({"arm": arm, "segments": df + 1, "q": q, "df": df, "p_value": p, "p_relative": logs[2]})
    frame = pd.DataFrame(found, columns=["arm", "segments", "q", "df", "p_value", "p_relative"])
    return frame.assign(
        adjusted_p=adjust(frame["p_value"].to_numpy(float), "holm"),
        adjusted_p_relative=adjust(frame["p_relative"].to_numpy(float), "holm"),
    )


def cap_profit(shop: Shop, evaluated: Sequence[Evaluated]) -> pd.DataFrame:
    """The difference in profit with nobody's profit above the 99th percentile of those who ordered, in all arms alike.

    Returns:
        experiment_id, arm, cap, difference, low, high (uncapped), capped_difference, capped_low, capped_high; sound
        experiments with profit only.
    """
    counted = experiments.count_capped(shop) if shop.has("messages") else pd.DataFrame(columns=["experiment_id"])
    rows = []
    for each in evaluated:
        own = counted[counted["experiment_id"] == each.experiment.name]
        whole = each.effects
        if each.validity.broken or not len(own) or "profit" not in set(whole["metric"]):
            continue
        whole = whole[(whole["metric"] == "profit") & (whole["segment"] == "all")].set_index("arm")
        capped = measure_effects(each.experiment, own, ("profit",)).set_index("arm")
        for arm in each.experiment.treated:
            rows.append({
                "experiment_id": each.experiment.name, "arm": arm, "cap": own["cap"].iloc[0],
                **{name: whole.loc[arm, name] for name in ("difference", "low", "high")},
                **{f"capped_{name}": capped.loc[arm, name] for name in ("difference", "low", "high")},
            })  # fmt: skip
    columns = [
        "experiment_id", "arm", "cap", "difference", "low", "high", "capped_difference", "capped_low", "capped_high",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def trace_weeks(shop: Shop, evaluated: Sequence[Evaluated]) -> pd.DataFrame:
    """How the difference in profit grew week by week since the assignment: what was only bought earlier comes back.

    Always the same customers: those observed for all the weeks shown, at most twelve.

    Returns:
        experiment_id, arm, week, customers (arm and control), difference, low, high (Welch, profit per customer since
        the assignment, message costs taken off).
    """
    weeks = {e.experiment.name: _whole_weeks(e.experiment) for e in evaluated if not e.validity.broken}
    weeks = {name: count for name, count in weeks.items() if count >= 2}
    if not weeks or not shop.has("messages"):
        return pd.DataFrame(columns=["experiment_id", "arm", "week", "customers", "difference", "low", "high"])
    counted = experiments.count_weeks(shop, weeks)
    parts = []
    for each in evaluated:
        own = counted[counted["experiment_id"] == each.experiment.name]
        control = own[own["arm"] == each.experiment.control].set_index("week")
        for arm in each.experiment.treated:
            rows = own[own["arm"] == arm].set_index("week")
            if not len(rows) or not len(control):
                continue
            moments = [[frame[name].to_numpy(float) for name in ("n", "sum_y", "sum_y2")] for frame in (rows, control)]
            found = difference_of_means(tuple(moments[0]), tuple(moments[1]))
            parts.append(pd.DataFrame({
                "experiment_id": each.experiment.name, "arm": arm, "week": rows.index,
                "customers": rows["n"].to_numpy() + control["n"].to_numpy(), "difference": found.estimate,
                "low": found.low, "high": found.high,
            }))  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def _whole_weeks(experiment: Experiment) -> int:
    """For how many weeks, at most twelve, most customers have been observed."""
    rows = experiment.assigned[experiment.assigned["n"] > experiment.assigned["late"]]
    n = (rows["n"] - rows["late"]).to_numpy(float)
    if not len(n):
        return 0
    weeks = np.minimum(rows["outcome_days"].to_numpy(float) / n / 7, MOST_WEEKS)
    for count in range(MOST_WEEKS, 0, -1):
        if n[weeks >= count].sum() >= _SHARE_OBSERVED * n.sum():
            return count
    return 0


def keep_ledger(shop: Shop, evaluated: Sequence[Evaluated]) -> pd.DataFrame:
    """What each standing holdout shows the programme to have earned in each month, and what holding out cost.

    Returns:
        experiment_id, month (its first day), treated and control (customers assigned by the month's end), difference
        (profit per customer in the month), low, high; earned, earned_low, earned_high = treated × difference; forgone,
        forgone_low, forgone_high = control × difference; p_value, adjusted_p (Holm over the holdout's months). Sound
        holdouts with messages only.
    """
    holdouts = [e for e in evaluated if e.experiment.kind == "holdout" and not e.validity.broken]
    columns = [
        "experiment_id", "month", "treated", "control", "difference", "low", "high", "earned", "earned_low",
        "earned_high", "forgone", "forgone_low", "forgone_high", "p_value",
    ]  # fmt: skip
    if not holdouts or not shop.has("messages"):
        return pd.DataFrame(columns=[*columns, "adjusted_p"])
    counted = experiments.count_months(shop)
    rows = []
    for each in holdouts:
        own = counted[counted["experiment_id"] == each.experiment.name]
        for month, cells in own.groupby("month"):
            first = pd.Timestamp(month)
            n = _assigned_by(each.experiment, (first + pd.offsets.MonthEnd(0)).date())
            sums = cells.set_index("arm")[["sum_y", "sum_y2"]].reindex(list(each.experiment.arms)).fillna(0.0)
            sums = sums.to_numpy(float)
            treated = (n[1:].sum(), *sums[1:].sum(axis=0))
            found = difference_of_means([[x] for x in treated], [[x] for x in (n[0], *sums[0])])  # type: ignore[arg-type]
            told = np.array([found.estimate[0], found.low[0], found.high[0]])
            values = [each.experiment.name, first.date(), treated[0], n[0], *told, *(treated[0] * told), *(n[0] * told)]
            rows.append(dict(zip(columns, [*values, found.p_value[0]], strict=True)))
    frame = pd.DataFrame(rows, columns=columns)
    of_each = frame.groupby("experiment_id")["p_value"]
    return frame.assign(adjusted_p=of_each.transform(lambda p: adjust(p.to_numpy(float), "holm")))


def total_ledger(evaluated: Sequence[Evaluated]) -> pd.DataFrame:
    """What each standing holdout shows of the whole time: its months together, their customers being the same people.

    Returns:
        experiment_id, weeks, earned, earned_low, earned_high, forgone, forgone_low, forgone_high, as `keep_ledger` has
        them; the interval is always-valid while the holdout runs.
    """
    rows = []
    for each in evaluated:
        if each.experiment.kind != "holdout" or each.verdict.metric != "profit" or not each.verdict.arm:
            continue
        told = [each.verdict.difference, each.verdict.low, each.verdict.high]
        treated, control = each.experiment.customers[1:].sum(), each.experiment.customers[0]
        rows.append([
            each.experiment.name, each.experiment.weeks, *(treated * x for x in told), *(control * x for x in told),
        ])  # fmt: skip
    columns = [
        "experiment_id", "weeks", "earned", "earned_low", "earned_high", "forgone", "forgone_low", "forgone_high",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def _assigned_by(experiment: Experiment, day: dt.date) -> Floats:
    rows = experiment.assigned[pd.to_datetime(experiment.assigned["day"]) <= pd.Timestamp(day)]
    sums = (rows["n"] - rows["late"]).groupby(rows["arm"]).sum()
    return sums.reindex(list(experiment.arms)).fillna(0).to_numpy(float)


def rank_responders(shop: Shop, evaluated: Sequence[Evaluated], rng: np.random.Generator) -> list[Ranking]:
    """Who responds, customer by customer: rankings of each sound experiment that has an arm that stands out.

    Args:
        shop: the company.
        evaluated: of `evaluate`.
        rng: of forests and ties.
    """
    found = []
    for each in evaluated:
        arm = each.verdict.arm
        if each.validity.broken or not each.verdict.priced or not arm:
            continue
        rows = read_customers(shop, each.experiment.name, (each.experiment.control, arm))
        if (ranking := rank_customers(rows, each.experiment.name, arm, rng)) is not None:
            found.append(ranking)
    return adjust_rules(found)


# --- tables and decisions --------------------------------------------------------------------------------------------


def results_table(evaluated: Sequence[Evaluated]) -> pd.DataFrame:
    """The table `experiment_results`: of a broken experiment customers and the split's p-value, and no effect at all.

    Returns:
        experiment_id, metric, arm, customers, mean, difference, low, high, relative, p_value, always_valid_low,
        always_valid_high, adjusted_p, probability_best, srm_p, decision (of the arm; the control has the experiment's),
        and the further columns of `measure_effects`, kind, state, weeks, evidence.
    """
    parts = []
    for each in evaluated:
        experiment, verdict = each.experiment, each.verdict
        if each.validity.broken:
            rows = pd.DataFrame({
                "metric": experiment.primary, "segment": "all", "arm": experiment.arms,
                "customers": experiment.customers,
            })  # fmt: skip
        else:
            rows = each.effects
        parts.append(rows.assign(
            experiment_id=experiment.name, kind=experiment.kind, state=experiment.state, weeks=experiment.weeks,
            srm_p=each.validity.split.p_value,
            decision=[verdict.by_arm.get(arm, verdict.outcome) for arm in rows["arm"]],
            evidence="none" if each.validity.broken else "randomised",
        ))  # fmt: skip
    frame = pd.concat(parts, ignore_index=True)
    first = [
        "experiment_id", "metric", "segment", "arm", "customers", "events", "mean", "difference", "low", "high",
        "relative", "p_value", "always_valid_low", "always_valid_high", "adjusted_p", "correction", "probability_best",
        "expected_loss", "srm_p", "decision", "evidence",
    ]  # fmt: skip
    columns = [*first, *_FURTHER]
    kinds = {name: "string" if name in _WORDS else "float64" for name in columns}
    return frame.reindex(columns=columns).astype(kinds)


_WORDS = (
    "experiment_id", "metric", "segment", "arm", "correction", "decision", "evidence", "kind", "state", "method",
    "reason",
)  # fmt: skip
_FURTHER = (
    "relative_low", "relative_high", "always_valid_p", "standard_error", "df", "unadjusted_difference",
    "unadjusted_low", "unadjusted_high", "method", "reason", "kind", "state", "weeks",
)  # fmt: skip


def decide(evaluated: Sequence[Evaluated], currency: str) -> list[Decision]:
    """The answers of the notebook, one per experiment: the standing holdout first, then what is worth doing.

    Args:
        evaluated: of `evaluate`.
        currency: the source's.
    """
    rank = {"ship": 0, "keep_control": 1, "keep_running": 2, "broken": 3}

    def place(each: Evaluated) -> tuple[bool, int, float]:
        verdict = each.verdict
        standing = each.experiment.kind == "holdout" and verdict.outcome in ("ship", "keep_control")
        return (not standing, rank[verdict.outcome], -np.nan_to_num(abs(verdict.value)))

    ordered = sorted(evaluated, key=place)
    return [decision_of(each.experiment, each.validity, each.verdict, currency) for each in ordered]
