"""How many messages before they cost more than they earn: the dose of each segment, from a dose experiment and the log.

`dose_counts` counts, `dose_response` fits what a dose brings and costs, `dose_logs` says what the log alone would have
said. Here they become a policy: for each segment the dose whose long-run profit cannot be told from the best and falls
hardly short of it, the tie going to fewer texts, against what is done today.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from smsroi_helpers import experiments
from smsroi_helpers.errors import NotEnoughData
from smsroi_helpers.experiments import Experiment, Validity
from smsroi_helpers.frequency import counts as frequency_counts
from smsroi_helpers.frequency.dose_response import ALL, Fit, fit_response, plain_response, weekly_rate
from smsroi_helpers.frequency.observational import estimate_steps
from smsroi_helpers.locale import _, listed
from smsroi_helpers.pages import problem_words
from smsroi_helpers.segmentation import find_cuts, segment_order
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import Floats, best_set, difference_of_means

__all__ = [
    "AS_TODAY",
    "GATE",
    "TIE_SHARE",
    "Logs",
    "Study",
    "analyse",
    "choose_doses",
    "in_order",
    "policy_table",
    "read_logs",
    "response_table",
    "saturation",
    "summarise_draws",
    "trace_pull_forward",
]

TIE_SHARE = 0.05
"""A smaller dose is taken only if its estimate falls short of the best by no more than this share of the best."""
GATE = 0.02
"""Two-sided p above which texts are not shown to change profit at all: no change of dose is then advised."""
AS_TODAY = 0.25
"""Doses nearer to each other than this many texts a week are one and the same to a planner."""
MOST_WEEKS = 12
_FEWEST_WEEKS_OF_PRACTICE = 100


@dataclass(frozen=True)
class Logs:
    """What the log shows of today's practice."""

    practice: frequency_counts.Practice
    audience: pd.DataFrame
    """Of `dose_counts.count_audience`."""
    weeks: pd.DataFrame
    """Of `dose_counts.count_weeks_of_practice`."""
    sampled: float
    """Share (0–1) of customers that `weeks` is of."""
    steps: pd.DataFrame
    """Of `dose_logs.estimate_steps`."""
    overlap: pd.DataFrame

    def subscribed(self, name: str, by: str = "segment") -> float:
        """How many are subscribed as the practice ends."""
        rows = self.audience
        return float(rows["customers"].sum() if name == ALL else rows.loc[rows[by] == name, "customers"].sum())


@dataclass(frozen=True)
class Study:
    """Everything found of doses."""

    channel: str
    experiment: Experiment | None
    trust: Validity | None
    why_none: str
    """Why no experiment answers, in the reader's words; empty where one does."""
    doses: dict[str, float]
    """Arm → texts a week."""
    cells: pd.DataFrame
    plain: pd.DataFrame
    fit: Fit | None
    stages: Fit | None
    """The same by lifecycle stage."""
    logs: Logs
    segment_by: str
    discount: float
    """Weekly."""

    @property
    def sound(self) -> bool:
        """Whether an experiment's arms may be shown."""
        return self.experiment is not None and self.trust is not None and not self.trust.broken


def in_order(study: Study, names: Sequence[str], by: str = "segment") -> list[str]:
    """Of groups, `all` first and the others as a reader wants them."""
    rest = [name for name in names if name != ALL]
    return [ALL, *segment_order(study.segment_by if by == "segment" else "lifecycle_stage", rest)]


# --- reading ---------------------------------------------------------------------------------------------------------


def read_logs(shop: Shop, channel: str, segment_by: str, practice_weeks: int, seed: int = 1) -> Logs:
    """What is done today, and what the log alone says of it."""
    cuts = find_cuts(shop)
    practice = frequency_counts.find_practice(shop, practice_weeks)
    if not channel:
        empty = pd.DataFrame(columns=["segment", "stage", "outside", "texts", "customers"])
        none = pd.DataFrame()
        return Logs(practice, empty, none, 0.0, *estimate_steps(none))
    audience = frequency_counts.count_audience(shop, practice, segment_by, channel, cuts)
    weeks, sampled = frequency_counts.count_weeks_of_practice(shop, practice, segment_by, channel, cuts)
    return Logs(practice, audience, weeks, sampled, *estimate_steps(weeks, seed))


def analyse(
    shop: Shop,
    rng: np.random.Generator,
    *,
    segment_by: str = "rfm_group",
    yearly_discount: float = 0.1,
    practice_weeks: int = 26,
    channel: str = "",
) -> Study:
    """Find the dose experiment, hold it to its split and past, fit it, and read today's practice off the log.

    Args:
        shop: the company.
        rng: of the posterior's draws.
        segment_by: as for `segments.segments`.
        yearly_discount: what money a year away loses (0.1 = 10 %).
        practice_weeks: how far back today's practice is looked at.
        channel: of the messages that are dosed; empty for `sms`, or where there is none the most used one.

    Raises:
        NotEnoughData: the source has neither messages nor a dose experiment.
    """
    discount = weekly_rate(yearly_discount)
    channel = frequency_counts.choose_channel(shop, channel)
    if not channel and not shop.has("assignments"):
        raise NotEnoughData("This source has no messages: how many there should be cannot be told.")
    logs = read_logs(shop, channel, segment_by, practice_weeks)
    experiment, believed, why = _find_experiment(shop)
    nothing = Study(
        channel, experiment, believed, why, {}, pd.DataFrame(), pd.DataFrame(), None, None, logs, segment_by, discount
    )
    if experiment is None or believed is None or believed.broken or not channel:
        return nothing
    doses = _doses_of(experiment)
    cells = frequency_counts.count_arms(shop, experiment, segment_by, channel, find_cuts(shop))
    consenting = cells[cells["consenting"] == 1].groupby("arm")["n"].sum().reindex(list(doses)).fillna(0)
    found = dataclasses.replace(nothing, doses=doses, cells=cells, plain=plain_response(cells, doses, discount))
    if 0.0 not in doses.values() or consenting.min() < 2 or len(set(doses.values())) < 2:
        return found
    fit = fit_response(cells, doses, discount, rng)
    stages = fit if segment_by == "lifecycle_stage" else fit_response(cells, doses, discount, rng, by="stage")
    return dataclasses.replace(found, fit=fit, stages=stages)


def _doses_of(experiment: Experiment) -> dict[str, float]:
    """Arm → planned texts a week."""
    return {arm: float(experiment.plan.loc[arm, "messages_per_week"]) for arm in experiment.arms}


def _find_experiment(shop: Shop) -> tuple[Experiment | None, Validity | None, str]:
    """The dose experiment with most customers, what may be believed of it, and why there is none."""
    if not all(shop.has(name) for name in ("experiments", "arms", "assignments")):
        return None, None, _("The source has no experiment.")
    try:
        every = experiments.list_experiments(shop)
    except NotEnoughData as none:
        return None, None, str(none)
    dosed = [
        each
        for each in every
        if each.kind == "frequency"
        and "messages_per_week" in each.plan.columns
        and each.plan["messages_per_week"].reindex(list(each.arms)).notna().all()
    ]
    if not dosed:
        return None, None, _("None of the source’s experiments tried doses by lot.")
    found = max(dosed, key=lambda each: each.customers.sum())
    counted = experiments.count_outcomes(shop, found.name)
    exposure = (
        experiments.count_exposure(shop, found.name)
        if shop.has("messages")
        else pd.DataFrame(columns=["experiment_id"])
    )
    overlaps = experiments.check_overlaps(experiments.count_overlaps(shop), every)
    believed = experiments.check(found, counted, exposure, overlaps)
    why = ""
    if believed.broken:
        why = _("The dose test {test} is broken, so nothing is shown from it: {problems}.").format(
            test=found.name, problems=listed(problem_words(problem) for problem in believed.problems)
        )
    elif not shop.has("messages"):
        why = _("Without messages the dose that was sent is not known.")
    return found, believed, why


# --- today's practice ------------------------------------------------------------------------------------------------


def practice_shares(
    logs: Logs, fit: Fit, rng: np.random.Generator, draws: int, by: str = "segment"
) -> dict[str, Floats]:
    """How often each number of texts a week is sent today: group → grid × draws (customers resampled by group)."""
    found: dict[str, Floats] = {}
    if not len(logs.weeks):
        return found
    most = int(fit.grid[-1])
    place = np.searchsorted(fit.grid, np.arange(most + 1))
    weights = rng.exponential(1.0, (draws, 64))
    for name, counts in frequency_counts.dose_shares(logs.weeks, by, most).items():
        if counts.sum() < _FEWEST_WEEKS_OF_PRACTICE:
            continue
        drawn = weights @ counts
        shares = np.zeros((len(fit.grid), draws))
        shares[place] = (drawn / drawn.sum(axis=1, keepdims=True)).T
        found[name] = shares
    return found


# --- the policy ------------------------------------------------------------------------------------------------------


def summarise_draws(values: Floats) -> tuple[float, float, float]:
    """Mean and 95 % limits of draws."""
    low, high = np.quantile(values, [0.025, 0.975])
    return float(values.mean()), float(low), float(high)


def choose_dose(net: Floats, smallest_gain: float, rng: np.random.Generator) -> tuple[int, NDArray[np.bool_]]:
    """The dose to take, and those that cannot be told from the best.

    The best is that with the highest estimate. A smaller one is taken in its stead if it cannot be told from the best
    (multiple comparisons with the best, 95 %) *and* its estimate falls short of it by no more than `TIE_SHARE` of it,
    or than the smallest gain worth having: not being told apart alone would let a noisy test choose whatever is small.

    Args:
        net: doses × draws of W, in ascending doses.
        smallest_gain: per subscriber and week (money).
        rng: of the critical values.
    """
    estimate = net.mean(axis=1)
    covariance = np.cov(net)
    scale = float(np.diag(covariance).max())
    # Sending nothing brings nothing, exactly: a trace of variance lets it be compared like the others.
    covariance = covariance + np.diag(np.where(np.diag(covariance) > 0, 0.0, 1e-9 * scale if scale > 0 else 1e-12))
    chosen = best_set(estimate, covariance, rng).chosen
    best = int(np.argmax(estimate))
    margin = max(smallest_gain, TIE_SHARE * abs(float(estimate[best])))
    near = chosen & (estimate >= estimate[best] - margin)
    near[best] = True
    return int(np.flatnonzero(near)[0]), chosen


def choose_doses(
    study: Study, rng: np.random.Generator, smallest_gain: float = 0.0, by: str = "segment"
) -> pd.DataFrame:
    """The dose of every segment (or lifecycle stage), and what changing to it would bring.

    Args:
        study: of `analyse`.
        rng: of the intervals' draws.
        smallest_gain: profit per subscriber and week (money) below which a change is not worth making.
        by: `segment` or `stage`.

    Returns:
        One row per group, `all` first: segment, customers (in the test), subscribed (today), messages_per_week
        (advised), best (highest estimate), short_run (best by m), not_worse (doses that cannot be told from the best),
        today (texts per subscribed customer-week; NaN where not known); profit, profit_low, profit_high (m at the dose
        advised); net (W) and value (V) with limits; value_today; gain, gain_low, gain_high (money a week over all
        subscribed, opt-outs priced; NaN where today's dose is not known); per_subscriber (the same of one); factor
        (how many times as many customer-weeks would settle it); outcome: `change`, `stay`, `not_enough`; reason of the
        last: `no_effect`, `interval`, `practice`, `one_dose`. Empty without a fit.
    """
    fit = study.fit if by == "segment" else study.stages
    if fit is None:
        return pd.DataFrame(columns=["segment", "outcome"])
    draws = fit.gross.shape[-1]
    shares = practice_shares(study.logs, fit, rng, draws, by)
    profit, value, net = fit.profit(), fit.value(), fit.net()
    tested = [fit.at(dose) for dose in fit.doses]
    shown = fit.effect_p < GATE
    rows = []
    for i, name in enumerate(fit.names):
        at, chosen = choose_dose(net[i, tested], smallest_gain, rng)
        g = tested[at]
        told = {"profit": profit[i, g], "net": net[i, g], "value": value[i, g]}
        row: dict[str, Any] = {
            "segment": name,
            "customers": float(fit.customers[i].sum()),
            "subscribed": study.logs.subscribed(name, by),
            "messages_per_week": float(fit.doses[at]),
            "best": float(fit.doses[int(np.argmax(net[i, tested].mean(axis=1)))]),
            "short_run": float(fit.doses[int(np.argmax(profit[i, tested].mean(axis=1)))]),
            "not_worse": tuple(float(dose) for dose, kept in zip(fit.doses, chosen, strict=True) if kept),
            "today": float("nan"), "value_today": float("nan"), "gain": float("nan"), "gain_low": float("nan"),
            "gain_high": float("nan"), "factor": float("nan"), "per_subscriber": float("nan"),
        }  # fmt: skip
        for key, values in told.items():
            row[key], row[f"{key}_low"], row[f"{key}_high"] = summarise_draws(values)
        if name in shares and sum(fit.doses > 0) > 1:
            own = shares[name]
            m, hazard = fit.of_practice(name, own)
            now = fit.worth(m, hazard)
            step = fit.weekly((value[i, g] - now)[None])[0] if i == 0 else _weekly_of(fit, i, value[i, g] - now)
            row["today"] = float((own.mean(axis=1) * fit.grid).sum())
            row["value_today"] = float(now.mean())
            row["per_subscriber"] = float(step.mean())
            row["gain"], row["gain_low"], row["gain_high"] = summarise_draws(step * row["subscribed"])
        if sum(fit.doses > 0) == 1:
            rows.append(row | {"outcome": "not_enough", "reason": "one_dose" if shown else "no_effect"})
        else:
            rows.append(row | _outcome(row, shown, smallest_gain))
    frame = pd.DataFrame(rows)
    return frame.set_index("segment").loc[in_order(study, fit.names, by)].reset_index()


def _weekly_of(fit: Fit, i: int, value: Floats) -> Floats:
    """W of one group's V (draws)."""
    return np.asarray(value * (1 - (1 - fit.natural()[i]) / (1 + fit.discount)))


def _outcome(row: dict[str, Any], shown: bool, smallest_gain: float) -> dict[str, Any]:
    """Change, stay, or not enough evidence, by the interval of the gain."""
    if not shown:
        return {"outcome": "not_enough", "reason": "no_effect"}
    if not np.isfinite(row["gain"]):
        return {"outcome": "not_enough", "reason": "practice"}
    threshold = smallest_gain * row["subscribed"]
    # The same number on average may still be worth a change: some get three in a week now and others none.
    if row["gain_low"] > threshold:
        return {"outcome": "change", "reason": ""}
    if abs(row["messages_per_week"] - row["today"]) < AS_TODAY or row["gain_high"] < max(threshold, 0.0):
        return {"outcome": "stay", "reason": ""}
    gap = abs(row["gain"] - threshold)
    half = (row["gain_high"] - row["gain_low"]) / 2
    return {"outcome": "not_enough", "reason": "interval", "factor": float((half / gap) ** 2) if gap > 0 else np.inf}


# --- saturation ------------------------------------------------------------------------------------------------------


def saturation(study: Study, policy: pd.DataFrame) -> pd.DataFrame:
    """Who gets too few, about right and too many texts today, and what that costs.

    Customers are those subscribed as the practice ends and outside experiments, by the texts of their last four weeks
    against the dose advised for their segment; right is half a text a week more or less.

    Returns:
        One row per segment with a dose, `all` (their sum) first: segment, customers, under, right, over (customers);
        under_cost, over_cost, cost (money a week against the dose advised, opt-outs priced), cost_low, cost_high.
    """
    columns = [
        "segment", "customers", "under", "right", "over", "under_cost", "over_cost", "cost", "cost_low", "cost_high",
    ]  # fmt: skip
    fit = study.fit
    if fit is None or not len(policy) or not len(study.logs.audience):
        return pd.DataFrame(columns=columns)
    rows, drawn = [], []
    audience = study.logs.audience[study.logs.audience["outside"] == 1]
    net = fit.net()
    for row in policy.itertuples():
        if row.segment == ALL or row.reason == "no_effect":
            continue
        own = audience[audience["segment"] == row.segment].groupby("texts")["customers"].sum()
        if not len(own):
            continue
        i = fit.place(row.segment)
        texts = own.index.to_numpy(float) / frequency_counts.LANDMARK_WEEKS
        people = own.to_numpy(float)
        lost = net[i, fit.at(row.messages_per_week)][None] - fit.interpolate(net[i], texts)
        side = np.select([texts < row.messages_per_week - 0.5, texts > row.messages_per_week + 0.5], [0, 2], 1)
        costs = [(people[side == k] @ lost[side == k]) for k in range(3)]
        whole = costs[0] + costs[2]
        drawn.append(whole)
        cost, low, high = summarise_draws(whole)
        rows.append([
            row.segment, people.sum(), *(people[side == k].sum() for k in range(3)), costs[0].mean(), costs[2].mean(),
            cost, low, high,
        ])  # fmt: skip
    if not rows:
        return pd.DataFrame(columns=columns)
    frame = pd.DataFrame(rows, columns=columns)
    total = frame.drop(columns=["segment", "cost_low", "cost_high"]).sum()
    cost, low, high = summarise_draws(np.sum(drawn, axis=0))
    first = pd.DataFrame([{"segment": ALL, **total, "cost": cost, "cost_low": low, "cost_high": high}])
    return pd.concat([first, frame], ignore_index=True)[columns]


# --- pull-forward ----------------------------------------------------------------------------------------------------


def trace_pull_forward(shop: Shop, study: Study) -> pd.DataFrame:
    """Each dose against none, week by week since the assignment: what stays of a gain once the texts have stopped.

    Returns:
        dose, week (1 …), customers, difference (profit per assigned customer so far), low, high, treated (whether texts
        still ran that week); empty without a sound test or a zero arm.
    """
    columns = ["dose", "week", "customers", "difference", "low", "high", "treated"]
    if not study.sound or study.experiment is None or 0.0 not in study.doses.values() or not shop.has("messages"):
        return pd.DataFrame(columns=columns)
    name = study.experiment.name
    days = study.experiment.assigned["outcome_days"].sum() / max(study.experiment.customers.sum(), 1)
    most = int(min(MOST_WEEKS, days // 7))
    if most < 1:
        return pd.DataFrame(columns=columns)
    # The weeks after the texts have stopped are what tells: where there are more than twelve, the last ones too.
    counted = experiments.count_weeks(shop, {name: max(most, int(days // 7 * 0.999))})
    counted = counted.assign(dose=counted["arm"].map(study.doses))
    zero = counted[counted["dose"] == 0].set_index("week")[["n", "sum_y", "sum_y2"]]
    treated_weeks = _treated_weeks(study)
    rows = []
    for dose, own in counted[counted["dose"] > 0].groupby("dose"):
        own = own.set_index("week")[["n", "sum_y", "sum_y2"]]
        found = difference_of_means(tuple(own.to_numpy(float).T), tuple(zero.loc[own.index].to_numpy(float).T))
        rows.append(pd.DataFrame({
            "dose": dose, "week": own.index, "customers": own["n"].to_numpy(), "difference": found.estimate,
            "low": found.low, "high": found.high, "treated": own.index <= treated_weeks,
        }))  # fmt: skip
    return pd.concat(rows, ignore_index=True)[columns] if rows else pd.DataFrame(columns=columns)


def _treated_weeks(study: Study) -> float:
    """How long the texts ran."""
    own = study.cells[study.cells["consenting"] == 1]
    zero = own[own["arm"].map(study.doses) == 0]
    # Nobody of the zero arm is made to opt out: hardly anybody leaves it, and its weeks are the test's own.
    return float(np.ceil(zero["weeks"].sum() / max(zero["n"].sum(), 1) - 0.1))


# --- tables ----------------------------------------------------------------------------------------------------------


def response_table(study: Study) -> pd.DataFrame:
    """The table `frequency_response`: every tested dose of every segment; of a test without a zero arm, its arms."""
    columns = [
        "segment", "messages_per_week", "customers", "profit_per_week", "low", "high", "opt_out_per_week", "evidence",
        "opt_out_low", "opt_out_high", "natural_loss_per_week", "long_run_profit", "long_run_low", "long_run_high",
        "basis",
    ]  # fmt: skip
    if study.fit is None:
        rows = []
        for row in study.plain.itertuples():
            rows.append([row.segment, row.messages_per_week, row.customers, row.profit, row.low, row.high, row.hazard,
                         "randomised", row.hazard_low, row.hazard_high, *(np.nan,) * 4, "arm"])  # fmt: skip
        return pd.DataFrame(rows, columns=columns)
    fit = study.fit
    profit, caused, value, natural = fit.profit(), fit.caused(), fit.value(), fit.natural()
    rows = []
    for i, name in enumerate(fit.names):
        for k, dose in enumerate(fit.doses):
            g = fit.at(dose)
            m, h, v = summarise_draws(profit[i, g]), summarise_draws(caused[i, g]), summarise_draws(value[i, g])
            rows.append([
                name, dose, fit.customers[i, k], *m, h[0], "randomised", h[1], h[2], natural[i].mean(), *v, fit.method,
            ])  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def policy_table(policy: pd.DataFrame) -> pd.DataFrame:
    """The table `frequency_policy`: the dose advised for each segment, and whether it is to be taken."""
    columns = [
        "segment", "messages_per_week", "profit_per_week", "low", "high", "evidence", "outcome", "today_per_week",
        "long_run_profit", "long_run_low", "long_run_high", "gain_per_week", "gain_low", "gain_high", "subscribed",
    ]  # fmt: skip
    rows = [
        [row.segment, row.messages_per_week, row.profit, row.profit_low, row.profit_high, "randomised", row.outcome,
         row.today, row.value, row.value_low, row.value_high, row.gain, row.gain_low, row.gain_high, row.subscribed]
        for row in policy.itertuples()
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)
