"""What a click of each class brings: profit before message cost, from tests that differ in how much is sent.

A member of class k of arm a of test t clicks x_ka times and brings B_tk without texts, so that profile p brings

    y_pa = n_pa Σ_k φ_pk (B_tk + x_ka v_k),     v_k = v ρ_k (1 + u_k),   u_k ~ N(0, 0.2²)

v, the mean over clicks, is the run's one value of a click (`experiments.click_value`), measured by randomisation alone:
more texts, more clicks, more profit. How classes differ, ρ, is estimated from profit credited to clicks (orders after
less orders before), an observational number that serves as a weak prior; u lets the tests correct it, each weighted by
the noise of its profit. Errors are those of the delete-a-group jackknife.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smsroi_helpers.experiments import replicate_click_value
from smsroi_helpers.send_plan.cells import Cells, TextCredit
from smsroi_helpers.send_plan.mixture_rates import standard_error
from smsroi_helpers.statistics import Floats, Ints

__all__ = ["ClickProfit", "credit_by_class", "credit_by_text", "fit_click_profit"]

_CLASS_SD = 0.2
"""Prior standard deviation of u."""
_CREDIT_SDS = (0.2, 0.35, 0.6, 1.0)
"""Standard deviations of credit by class, as shares of the mean, that are averaged over."""
_TEXT_SD = 0.1
"""Of what a click earns by texts of one discount, relative to the mean: assumed, as a few texts do not show it. What a
reader does in the shop depends little on the text that led there."""
_LEAST = 0.1
"""A class's credit counts as at least this share of the mean."""


@dataclass(frozen=True)
class ClickProfit:
    """Profit per click before message cost; money."""

    by_class: Floats
    """(1 + G, K): the estimate, then without each group of customers."""
    by_text: Floats
    """(1 + G, texts): relative to the mean text; 1 where nothing is known."""


def credit_by_class(credit: Floats, clicks: Floats, membership: Floats, click_rate: Floats) -> Floats:
    """ρ: (K,) credit per click of each class, relative to the mean over clicks.

    Classes are drawn towards the mean; how far they differ is averaged over, weighted by the evidence (MacKay 1992,
    Neural Computation 4(3)), as in `mixture_rates`.

    Args:
        credit: (G, P): money credited.
        clicks: (G, P): clicks it is of.
        membership: (P, K).
        click_rate: (K,): how readily each class clicks, to tell whose clicks a profile's are.
    """
    all_credit, all_clicks = credit.sum(axis=0), clicks.sum(axis=0)
    mean = all_credit.sum() / max(all_clicks.sum(), 1.0)
    if not mean > 0:
        return np.ones(membership.shape[1])
    share = membership * click_rate
    share = share / share.sum(axis=1, keepdims=True)
    noise = _noise(credit, clicks, all_credit / np.maximum(all_clicks, 1.0))
    design = share * np.sqrt(all_clicks / noise)[:, None]
    target = (all_credit - mean * all_clicks) / np.sqrt(np.maximum(all_clicks, 1.0) * noise)
    evidence = np.array([_log_evidence(design, target, sd * mean) for sd in _CREDIT_SDS])
    weights = np.exp(evidence - evidence.max())
    priors = [np.eye(share.shape[1]) / (sd * mean) ** 2 for sd in _CREDIT_SDS]
    away = np.array([np.linalg.solve(design.T @ design + prior, design.T @ target) for prior in priors])
    return np.asarray(np.maximum((mean + weights @ away / weights.sum()) / mean, _LEAST))


def _log_evidence(design: Floats, target: Floats, sd: float) -> float:
    """Of target ~ N(0, I + spread² · design · designᵀ), but for a constant."""
    covariance = np.eye(len(target)) + sd**2 * design @ design.T
    return -0.5 * float(np.linalg.slogdet(covariance)[1] + target @ np.linalg.solve(covariance, target))


def credit_by_text(credit: TextCredit, groups: Ints) -> Floats:
    """(1 + G, texts): credit per click of each text relative to the mean: of all, then without each group of customers.

    Texts are compared within campaigns. Discounts are taken as they were counted: they hardly vary by chance, because
    orders that would have come anyway have few. What a click earns before them is drawn towards what is usual at that
    discount, which brings orders, by its error (a regression over texts that differ by `_TEXT_SD` otherwise: Thompson &
    Higgins 2002, Statistics in Medicine 21).

    Args:
        credit: of the cells.
        groups: numbers of the groups that are used.
    """
    clicks = credit.clicks[groups]
    seen = clicks.sum(axis=(0, 1)) > 0
    nothing = np.ones((1 + len(groups), len(seen)))
    earned, given = (
        per_click(amount[groups], clicks) for amount in (credit.profit + credit.discounts, credit.discounts)
    )
    share = clicks.sum(axis=(0, 1)) / max(clicks.sum(), 1.0)
    mean, kept = float(earned[0] @ share), float((earned[0] - given[0]) @ share)
    if not (mean > 0 and kept > 0):
        return nothing
    found = np.maximum((mean * _draw_towards_usual(earned / mean, given[0] / mean, seen) - given) / kept, _LEAST)
    return np.where(seen, found / (found @ share)[:, None], nothing)


def _draw_towards_usual(earned: Floats, given: Floats, seen: NDArray[np.bool_]) -> Floats:
    """(1 + G, texts): what a click earns, drawn towards the line of all texts over the discount of a click.

    Args:
        earned: (1 + G, texts), relative.
        given: (texts,): discounts, relative; without differences the line is the mean.
        seen: (texts,): whether the text has clicks.
    """
    differ = seen.sum() > 2 and np.ptp(given[seen]) > 0
    design = np.column_stack([np.ones(len(given)), given])[:, : 2 if differ else 1]
    variance = standard_error(earned) ** 2
    weight = np.where(seen, 1 / (_TEXT_SD**2 + variance), 0.0)
    line = design @ np.linalg.pinv(design.T @ (weight[:, None] * design)) @ (design.T * weight)
    usual = earned @ line.T
    return np.asarray(usual + _TEXT_SD**2 / (_TEXT_SD**2 + variance) * (earned - usual))


def per_click(amount: Floats, clicks: Floats) -> Floats:
    """(1 + G, texts): the amount per click of each text, as if all had gone out in the same campaigns.

    Least squares of the clicks on campaign and text: of all, then without each group. What texts have in common is such
    that the mean over clicks is that of the amounts.

    Args:
        amount: (G, campaigns, texts).
        clicks: (G, campaigns, texts).

    >>> one, clicks = np.array([[[10.0, 20.0], [30.0, 40.0]]]), np.full((1, 2, 2), 10.0)
    >>> per_click(np.concatenate([one, one]), np.concatenate([clicks, clicks]))[0].round(3)
    array([2., 3.])
    """
    y, n = (np.concatenate([each.sum(axis=0)[None], each.sum(axis=0) - each]) for each in (amount, clicks))
    of_campaign = np.maximum(n.sum(axis=2, keepdims=True), 1e-12)
    size = n.shape[2]
    normal = np.einsum("rst,tu->rtu", n, np.eye(size)) - np.einsum("rst,rsu->rtu", n / of_campaign, n)
    right = (y - n * (y.sum(axis=2, keepdims=True) / of_campaign)).sum(axis=1)
    effect = np.einsum("rtu,ru->rt", np.linalg.pinv(normal, rcond=1e-9, hermitian=True), right)
    of_text = n.sum(axis=1)
    every = np.maximum(of_text.sum(axis=1, keepdims=True), 1e-12)
    centre = y.sum(axis=(1, 2))[:, None] / every - (effect * of_text).sum(axis=1, keepdims=True) / every
    return np.asarray(centre + effect)


def _noise(total: Floats, size: Floats, mean: Floats) -> float:
    """Variance of one member's amount, from sums by group: E[(total − size · mean)²] = size · variance."""
    residual = total - size * mean
    return float(max((residual**2).sum() / max(size.sum(), 1.0), 1e-12))


def fit_click_profit(cells: Cells, groups: np.ndarray, clicks: Floats, click_rate: Floats) -> ClickProfit:
    """Profit per click by class and by text, with replicates.

    Args:
        cells: of `count_cells`.
        groups: numbers of the groups of customers that are used.
        clicks: (K, arms): x, clicks per member of each class.
        click_rate: (K,): of `credit_by_class`.
    """
    membership = cells.grouping.membership
    credit, credited = cells.credit[groups], cells.credited_clicks[groups]
    relative = credit_by_class(credit.sum(axis=2), credited.sum(axis=2), membership, click_rate)
    n, profit = cells.people[groups], cells.people_profit[groups]
    tests = {test: i for i, test in enumerate(dict.fromkeys(test for test, _ in cells.arms))}
    of_test = np.array([tests[test] for test, _ in cells.arms])
    mean = replicate_click_value(cells.click_value, groups)
    share = _click_shares(cells, groups, membership, click_rate)
    relative = relative / (share @ relative)
    worth = clicks * relative[:, None] * max(float(mean[0]), 1e-6)
    base, each = _base(membership, of_test, len(tests)), membership[:, None, :] * worth.T[None]
    noise = np.array([
        _noise(profit[..., own], n[..., own], (profit.sum(axis=0) / np.maximum(n.sum(axis=0), 1.0))[:, own])
        for own in (of_test == test for test in of_test)
    ])  # fmt: skip
    prior = np.concatenate([np.zeros(base.shape[2]), np.full(len(relative), _CLASS_SD**-2.0)])
    left = profit - n * each.sum(axis=2)
    away = _solve(n / noise, left / noise, np.concatenate([base, each], axis=2), prior)[:, -len(relative) :]
    shape = relative * np.maximum(1 + away, _LEAST)
    by_class = mean[:, None] * shape / (shape @ share)[:, None]
    return ClickProfit(by_class, credit_by_text(cells.text_credit, groups))


def _click_shares(cells: Cells, groups: np.ndarray, membership: Floats, click_rate: Floats) -> Floats:
    """(K,): whose the tests' clicks are; sums to 1."""
    share = membership * click_rate
    share = share / share.sum(axis=1, keepdims=True)
    found = cells.people_clicks[groups].sum(axis=(0, 2)) @ share
    return np.asarray(found / found.sum())


def _base(membership: Floats, of_test: np.ndarray, tests: int) -> Floats:
    """(P, arms, tests · K): whose profit without texts an arm's members have."""
    profiles, classes = membership.shape
    base = np.zeros((profiles, len(of_test), tests, classes))
    base[:, np.arange(len(of_test)), of_test, :] = membership[:, None, :]
    return base.reshape(profiles, len(of_test), -1)


def _solve(n: Floats, profit: Floats, design: Floats, prior: Floats) -> Floats:
    """(1 + G, parameters): least squares with a prior, from all groups and without each."""
    size = design.shape[2]
    rows = design.reshape(-1, size)
    weight, target = n.reshape(len(n), -1), profit.reshape(len(n), -1)
    normal = np.einsum("gr,ri,rj->gij", weight, rows, rows)
    right = target @ rows
    penalty = np.diag(prior + 1e-9 * max(float(normal.sum(axis=0).trace()), 1.0))
    kept = [normal.sum(axis=0), *(normal.sum(axis=0) - each for each in normal)]
    sums = [right.sum(axis=0), *(right.sum(axis=0) - each for each in right)]
    return np.stack([np.linalg.solve(a + penalty, b) for a, b in zip(kept, sums, strict=True)])
