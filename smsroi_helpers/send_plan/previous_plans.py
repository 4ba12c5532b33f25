"""What earlier plans promised, and what they brought: track record, calibration, and the correction of promises.

A plan assigns roles at random, so the outcome of a role less that of the held-out customers is what the plan caused
(intention to treat: with all customers of the role, texted or not). The promise is the mean of what the plan expected
of the same customers. What held-out customers would have been promised is mostly not recorded. Calibration therefore
compares groups that were known before the plan: all customers of a group, held-out ones included, are in the tenth of
the group's mean promise.

References:
    Horvitz & Thompson (1952), A generalization of sampling without replacement from a finite universe, JASA 47(260).
    DerSimonian & Laird (1986), Meta-analysis in clinical trials, Controlled Clinical Trials 7(3): pooling of plans.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
from scipy.stats import norm
from statsmodels.stats.meta_analysis import combine_effects

from smsroi_helpers import measures
from smsroi_helpers.experiments import SPLIT_ALPHA
from smsroi_helpers.send_plan.past_comparison import CONTROL, Comparison, Estimate, compare_role
from smsroi_helpers.send_plan.past_counts import EarlierPlan, count_outcomes, find_plans
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import adjust

__all__ = [
    "BINS",
    "PlanScore",
    "PreviousPlans",
    "PromiseFactor",
    "Status",
    "Uncorrected",
    "estimate_factor",
    "score_cells",
    "score_plans",
    "split_p",
    "track_rows",
]

SMALLEST_FACTOR = 0.01
"""Promises are not multiplied by less: the next run could not tell what had been promised before."""

BINS = 10
"""Bins of the calibration, with about as many customers each."""
_NAN = float("nan")
Status = Literal[
    "scored",
    "not_begun",
    "running",
    "no_start",
    "before_log",
    "no_profit",
    "no_holdout",
    "broken_split",
    "not_followed",
    "few_buyers",
]
"""Why a plan has no score. `not_begun`: its weeks begin after the last day observed; `running`: they are not over;
`no_start`: neither its name nor a text says when it began; `before_log`: it began before the log of orders;
`no_profit`: the source has no orders or no messages; `no_holdout`: fewer than two customers held out, or planned for;
`broken_split`: the roles do not have the shares that their probabilities say; `not_followed`: none of its texts were
sent, or held-out customers got as many; `few_buyers`: too few customers ordered for an interval."""

Uncorrected = Literal["", "none", "not_ours", "few_buyers", "kept"]
"""Why promises are not corrected. `none`: no earlier plan that promised a gain has a score; `not_ours`: the last one
was not promised by a run of this workbook; `few_buyers`: too few of those whom it held out ordered; `kept`: the
interval of the part that plans of this workbook kept includes 1."""


@dataclass(frozen=True)
class PlanScore:
    """One earlier plan: its promise and its outcome."""

    plan: EarlierPlan
    status: Status
    days_left: int = 0
    """Until its weeks are over; 0 where they are."""
    roles: tuple[Comparison, ...] = ()
    """`plan` and `explore` against the held-out customers; empty where the plan has no score."""
    tenths: tuple[Comparison, ...] = ()
    """Of the role `plan`, from the smallest promise to the largest; neighbours are merged until enough customers of
    either side ordered. Empty where there is only one bin."""
    actions: tuple[Comparison, ...] = ()
    """Of the role `plan`; empty where the plan does not say by which groups it chose."""
    by_customer: bool = False
    """Whether the tenths are of each customer's own promise, not of that of groups."""
    held_out_texted: float = _NAN
    """Share (0–1) of the held-out customers who were sent a text all the same."""
    split_p: float = _NAN
    """p-value for the planned shares of the roles."""

    @property
    def last(self) -> dt.date | None:
        """The last day of its weeks."""
        first = self.plan.first
        return None if first is None else first + dt.timedelta(days=self.plan.horizon_days - 1)

    @property
    def main(self) -> Comparison | None:
        """The role `plan` against the held-out customers; None without a score."""
        return next((each for each in self.roles if each.role == "plan"), None)


@dataclass(frozen=True)
class PromiseFactor:
    """By which factor promises are to be multiplied: measured ÷ promised before any correction, pooled over plans."""

    value: float
    """The factor to use: 1 where the interval includes 1, so that nothing contradicts the promises, or where no plan
    has a score; else the estimate, at least `SMALLEST_FACTOR`."""
    estimate: Estimate
    """The pooled ratio; unknown where no plan has a score."""
    plans: int
    """Plans whose promise a run of this workbook made, with a score, enough buyers to be judged by, and a promise
    above 0."""
    others: int = 0
    """The same of plans that were promised in another way: how far off those were says nothing of this plan."""

    @property
    def corrects(self) -> bool:
        """Whether promises have to be corrected."""
        return self.value != 1.0


@dataclass(frozen=True)
class PreviousPlans:
    """Every earlier plan."""

    plans: tuple[PlanScore, ...]
    """The oldest first."""
    factor: PromiseFactor
    knows_cost: bool
    """Whether profit is after message costs."""

    @property
    def latest(self) -> PlanScore | None:
        """The last plan with a score; None without."""
        return next((each for each in reversed(self.plans) if each.status == "scored"), None)

    @property
    def uncorrected(self) -> Uncorrected:
        """Why promises are not corrected: the one reason that decides; empty where they are."""
        if self.factor.plans:
            return "" if self.factor.corrects else "kept"
        latest = self.latest
        if latest is None or latest.main is None or not latest.main.promised > 0:
            return "none"
        return "few_buyers" if latest.plan.promised_here else "not_ours"


def score_plans(
    shop: Shop, previous_run: str = "", *, horizon_weeks: float = 4, segment_by: str = "rfm_group"
) -> PreviousPlans:
    """Score every earlier plan of the source and of earlier runs.

    Args:
        shop: the company.
        previous_run: the folder of the run before, relative to the project's root; empty for none.
        horizon_weeks: of plans that do not say for how many weeks their promise is.
        segment_by: how customers are grouped where a plan does not say by which groups it chose.
    """
    scores = tuple(_score(shop, plan, segment_by) for plan in find_plans(shop, previous_run, horizon_weeks))
    return PreviousPlans(scores, estimate_factor(scores), shop.has("messages") and measures.knows_cost(shop))


def _score(shop: Shop, plan: EarlierPlan, segment_by: str) -> PlanScore:
    if plan.first is None:
        return PlanScore(plan, "no_start")
    after = shop.as_of + dt.timedelta(days=1)
    if (left := (plan.first + dt.timedelta(days=plan.horizon_days) - after).days) > 0:
        return PlanScore(plan, "running" if plan.first < after else "not_begun", left)
    if not measures.knows_profit(shop):
        return PlanScore(plan, "no_profit")
    if (log := shop.loaded.tables["orders"].first) is None or plan.first < dt.date.fromisoformat(log):
        return PlanScore(plan, "before_log")
    return score_cells(plan, count_outcomes(shop, plan, segment_by), linked=shop.has("messages", "plan_id"))


# --- one plan --------------------------------------------------------------------------------------------------------


def score_cells(plan: EarlierPlan, cells: pd.DataFrame, *, linked: bool) -> PlanScore:
    """Score one plan from its cells.

    Args:
        plan: the plan, whose weeks are over.
        cells: of `past_counts.count_outcomes`.
        linked: whether messages say which plan they followed.
    """
    by_role = cells.groupby("role").sum(numeric_only=True)
    if any(role not in by_role.index or by_role.loc[role, "n"] < 2 for role in ("plan", CONTROL)):
        return PlanScore(plan, "no_holdout")
    split = split_p(by_role)
    texted = float(by_role.loc[CONTROL, "texted"] / by_role.loc[CONTROL, "n"])
    if split < SPLIT_ALPHA:
        return PlanScore(plan, "broken_split", split_p=split, held_out_texted=texted)
    main = compare_role(cells, "plan")
    followed = by_role["own_texts" if linked else "texts"].sum() > 0 and main.texts > main.texts_held_out
    if plan.planned and not followed:
        return PlanScore(plan, "not_followed", split_p=split, held_out_texted=texted)
    by_customer = bool(cells["tenth"].notna().all())
    explored = [compare_role(cells, "explore")] if "explore" in by_role.index else []
    return PlanScore(
        plan, "few_buyers" if main.few else "scored", roles=(main, *explored),
        tenths=_compare_tenths(cells, by_customer=by_customer),
        actions=_compare_actions(cells) if plan.grouped else (),
        by_customer=by_customer, held_out_texted=texted, split_p=split,
    )  # fmt: skip


def split_p(by_role: pd.DataFrame) -> float:
    """The p-value for the planned shares: whether each role has as many customers as its probabilities say.

    Σ 1/p over the customers of a role estimates the number of all customers of the plan, with the variance
    Σ (1 − p)/p² (Horvitz & Thompson 1952).

    Args:
        by_role: role as index; n, unusable, w (Σ 1/p), w2 (Σ 1/p²).

    Returns:
        the smallest p-value of the roles, adjusted by Holm; 0 where a customer has no probability above 0.

    >>> even = pd.DataFrame({"n": [80, 20], "unusable": 0, "w": [100.0, 100.0], "w2": [125.0, 500.0]})
    >>> split_p(even), round(split_p(even.assign(n=[60, 40], w=[75.0, 200.0], w2=[93.75, 1000.0])), 3)
    (1.0, 0.0)
    """
    if by_role["unusable"].sum():
        return 0.0
    n = float(by_role["n"].sum())
    error = np.sqrt(np.maximum(by_role["w2"] - by_role["w"], 0.0).to_numpy(float))
    off = np.abs(by_role["w"].to_numpy(float) - n)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(off < 1e-6 * n, 0.0, off / error)
    return float(adjust(2 * norm.sf(z), "holm").min())


def _compare_tenths(cells: pd.DataFrame, *, by_customer: bool) -> tuple[Comparison, ...]:
    """The role `plan` by tenths of the promise; none where the promise is not known of every customer."""
    if by_customer:
        bins = cells["tenth"].astype(int)
    else:
        own = cells[cells["role"] == "plan"].groupby("grouping", dropna=False)[["n", "promises", "w", "w_m"]].sum()
        own = own[own["n"] > 0]
        if not len(own) or (own["promises"] < own["n"]).any():
            return ()
        own = own.assign(mean=own["w_m"] / own["w"]).sort_values("mean", kind="stable")
        middle = (own["n"].cumsum() - own["n"] / 2) / own["n"].sum()
        bins = cells["grouping"].map((middle * BINS).astype(int).clip(upper=BINS - 1) + 1)
    numbers = sorted(int(each) for each in bins.dropna().unique())
    ranges: list[tuple[int, int]] = []
    first = numbers[0]
    for last in numbers:
        if not compare_role(cells[bins.between(first, last)], "plan").few:
            ranges.append((first, last))
            first = last + 1
    if len(ranges) < 2:
        return ()
    ranges[-1] = (ranges[-1][0], numbers[-1])  # with what is left over
    return _adjusted([
        compare_role(cells[bins.between(*ends)], "plan", "tenth", "–".join(dict.fromkeys(map(str, ends))))
        for ends in ranges
    ])  # fmt: skip


def _compare_actions(cells: pd.DataFrame) -> tuple[Comparison, ...]:
    """The role `plan` by the most common action of the groups, by which held-out customers are grouped too."""
    found: list[Comparison] = []
    for by in ("texts_per_week", "variant"):
        own = cells[(cells["role"] == "plan") & cells[by].notna()]
        sizes = own.groupby(["grouping", by])["n"].sum()
        if not len(sizes):
            continue
        most = sizes.groupby("grouping").idxmax().map(lambda key: key[1])
        action = cells["grouping"].map(most)
        rows = [(value, cells[action == value]) for value in sorted(most.unique())]
        label = "{:g}" if by == "texts_per_week" else "{}"
        found += _adjusted([compare_role(each, "plan", by, label.format(value)) for value, each in rows])
    return tuple(found)


def _adjusted(rows: Sequence[Comparison]) -> tuple[Comparison, ...]:
    """The rows of one table, with the p-values of their gaps adjusted by Holm."""
    adjusted = adjust([each.gap_p for each in rows], "holm")
    return tuple(replace(each, gap_p=float(p)) for each, p in zip(rows, adjusted, strict=True))


# --- all plans -------------------------------------------------------------------------------------------------------


def estimate_factor(scores: Sequence[PlanScore]) -> PromiseFactor:
    """By which factor the promises of the coming plan are to be multiplied.

    Only plans count whose promise was made here: a promise made in another way errs in its own way. Of each plan,
    measured ÷ promised, with the promise as it was before any correction: a promise that had been corrected by .5 and
    was kept says .5 again. Several plans are pooled with random effects (DerSimonian & Laird 1986), so that plans that
    differ by more than chance widen the interval.

    Args:
        scores: of all plans.
    """
    judged = [
        (each.plan, each.main)
        for each in scores if each.main is not None and each.main.enough_to_correct and each.main.promised > 0
    ]  # fmt: skip
    used = [(main, main.promised / plan.corrected_by) for plan, main in judged if plan.promised_here]
    others = len(judged) - len(used)
    if not used:
        return PromiseFactor(1.0, Estimate(), 0, others)
    if len(used) == 1:
        main, promised = used[0]
        estimate = main.measured.over(promised)
    else:
        ratios = np.array([main.measured.value / promised for main, promised in used])
        variances = np.array([(main.standard_error / promised) ** 2 for main, promised in used])
        pooled = combine_effects(ratios, variances, method_re="dl")
        middle, half = float(pooled.mean_effect_re), float(norm.ppf(0.975) * pooled.sd_eff_w_re)
        estimate = Estimate(middle, middle - half, middle + half)
    value = max(estimate.value, SMALLEST_FACTOR) if estimate.excludes(1.0) else 1.0
    return PromiseFactor(value, estimate, len(used), others)


def track_rows(found: PreviousPlans) -> pd.DataFrame:
    """Every comparison of every plan, and a row for each plan without a score: a table to save.

    Returns:
        plan_id, first (day), horizon_days, status, role, by, label, customers, held_out, promised, measured, low, high,
        gap, gap_low, gap_high, gap_p, ratio, ratio_low, ratio_high, opt_outs, opt_outs_low, opt_outs_high, texts,
        texts_held_out, evidence; NaN where not known.
    """
    rows = []
    for score in found.plans:
        plan = {
            "plan_id": score.plan.plan_id, "first": pd.Timestamp(score.plan.first) if score.plan.first else pd.NaT,
            "horizon_days": score.plan.horizon_days, "status": score.status,
        }  # fmt: skip
        for each in (*score.roles, *score.tenths, *score.actions):
            parts = {"measured": each.measured, "gap": each.gap, "ratio": each.ratio, "opt_outs": each.opt_outs}
            numbers = {
                (f"{name}{end}" if name != "measured" or not end else end[1:]): getattr(part, end[1:] or "value")
                for name, part in parts.items() for end in ("", "_low", "_high")
            }  # fmt: skip
            rows.append({
                **plan, "role": each.role, "by": each.by, "label": each.label, "customers": each.customers,
                "held_out": each.held_out, "promised": each.promised, **numbers, "gap_p": each.gap_p,
                "texts": each.texts, "texts_held_out": each.texts_held_out, "evidence": each.evidence,
            })  # fmt: skip
        if not score.roles:
            rows.append({**plan, "role": "plan", "by": "all", "label": "all", "evidence": "none"})
    return pd.DataFrame(rows, columns=list(_TRACK))


_TRACK = (
    "plan_id", "first", "horizon_days", "status", "role", "by", "label", "customers", "held_out", "promised",
    "measured", "low", "high", "gap", "gap_low", "gap_high", "gap_p", "ratio", "ratio_low", "ratio_high", "opt_outs",
    "opt_outs_low", "opt_outs_high", "texts", "texts_held_out", "evidence",
)  # fmt: skip
