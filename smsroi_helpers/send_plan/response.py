"""The response model behind all levers: what a text brings and costs, by class, frequency, hour, weekday and text.

For a text to a subscriber of class k, at d texts a week, in window w, on weekday j and with text c,

    clicks    = q_k(d) · level · H_k(w) · J_k(j) · C_k(c)
    profit    = clicks · v_k · R(c) − cost(c)
    opt-outs a week = h_k(d) · O(c) · level

q and h come from tests of frequencies, H from tests of hours, C and O from texts sent at random beside each other, v
from tests that differ in how much is sent. Each lever was randomised among other customers, so the model takes their
effects for multiplicative (additive on the log scale, which for rare events is the logit). What is explored jointly
tests that.
All arrays have a first axis of replicates: the estimate, then without each group of customers.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from smsroi_helpers.send_plan.campaign_levels import level_shift
from smsroi_helpers.send_plan.cells import Cells, Rates
from smsroi_helpers.send_plan.click_profit import fit_click_profit
from smsroi_helpers.send_plan.mixture_rates import fit_rates, standard_error
from smsroi_helpers.send_plan.weekdays import only_shown
from smsroi_helpers.statistics import FEW_EVENTS, Floats, Ints

__all__ = ["Response", "fit_response"]

_SDS = (0.03, 0.1, 0.2, 0.4)


@dataclass(frozen=True)
class Response:
    """The fitted model; R replicates, K classes."""

    doses: Floats
    """(D,): texts a week with estimates, 0 first; those between tested ones are interpolated."""
    clicks: Floats
    """(R, K, D): q, clicks per text sent; 0 at 0 texts."""
    opt_outs: Floats
    """(R, K, D): h, opt-outs a week that texts cause."""
    natural_opt_outs: Floats
    """(R,): weekly opt-outs of those who get no texts."""
    window: Floats
    """(R, K, W): H, its mean 1 over the hours of the frequency tests."""
    weekday: Floats
    """(R, K, 7): J, mean 1; those of weekdays not distinguishable from the best are one."""
    text: Floats
    """(R, K, C): C, mean 1 over the texts of the frequency tests."""
    text_opt_outs: Floats
    """(R, C): O, its mean 1 over the texts of the frequency tests; drawn towards 1 by its error."""
    click_profit: Floats
    """(R, K): v."""
    text_profit: Floats
    """(R, C): R(c), relative."""
    click_level: Floats
    """(R, K): today's clicks over those that the tests predict for what is sent today."""
    opt_out_level: Floats
    """(R,): the same of opt-outs."""

    @property
    def classes(self) -> int:
        """K."""
        return self.clicks.shape[1]

    def at_level(self, clicks: Floats, opt_outs: Floats) -> "Response":
        """The model at today's level: (R, K) and (R,)."""
        return replace(self, click_level=clicks, opt_out_level=opt_outs)


def fit_response(
    cells: Cells, tested: tuple[float, ...], doses: Floats, window_mix: Floats, text_mix: Floats, groups: Ints
) -> Response:
    """Fit every lever to the customers of some groups.

    Args:
        cells: of `count_cells`.
        tested: texts a week of the frequency tests' arms, ascending, 0 first.
        doses: texts a week for which the model is wanted, 0 first, ascending, at most the highest tested.
        window_mix: (W,): shares of the frequency tests' texts in each window; sums to 1.
        text_mix: (C,): shares of each text in them.
        groups: numbers of the groups of customers.
    """
    membership = cells.grouping.membership
    positive = np.array([dose for dose in tested if dose > 0])

    def logs(rates: Rates) -> Floats:
        """(R, K, A)."""
        fit = fit_rates(rates.events[groups], rates.exposure[groups], membership, _SDS)
        return np.concatenate([fit.log_rate[None], fit.replicates])

    by_dose = logs(cells.clicks_by_dose)
    clicks = np.zeros((*by_dose.shape[:2], len(doses)))
    for d, dose in enumerate(doses):
        if dose > 0:
            clicks[..., d] = np.exp(_between(by_dose, positive, dose))
    if cells.opt_outs_by_dose.events[groups].sum() > 0:
        lost = np.exp(logs(cells.opt_outs_by_dose))
    else:  # nobody opted out: no frequency causes any
        lost = np.zeros((*by_dose.shape[:2], len(tested)))
    caused = np.maximum.accumulate(np.maximum(lost - lost[..., :1], 0.0), axis=2)
    opt_outs = np.stack([_between(caused, np.array(tested), dose) for dose in doses], axis=2)
    at_zero = cells.opt_outs_by_dose.events[groups][..., 0].sum(axis=1)
    weeks = cells.opt_outs_by_dose.exposure[groups][..., 0].sum(axis=1)
    total = np.maximum(weeks.sum() - np.append(0.0, weeks), 1e-9)
    natural = (at_zero.sum() - np.append(0.0, at_zero)) / total
    window = _relative(cells.clicks_by_window, logs, window_mix, by_dose.shape)
    weekdays = cells.clicks_by_weekday.exposure.sum(axis=(0, 1))
    weekday_mix = weekdays / max(weekdays.sum(), 1.0)
    of_weekdays, of_texts, of_opt_outs = (
        level_shift(each, groups) for each in (cells.weekday_levels, cells.text_levels, cells.opt_out_levels)
    )
    weekday = _relative(cells.clicks_by_weekday, logs, weekday_mix, by_dose.shape, of_weekdays)
    weekday = only_shown(weekday, weekday_mix)
    text = _relative(cells.clicks_by_text, logs, text_mix, by_dose.shape, of_texts)
    text_opt_outs = _relative_opt_outs(cells.opt_outs_by_text, text_mix, groups, of_opt_outs)
    members = _clicks_per_member(cells, membership, groups)
    worth = fit_click_profit(cells, groups, members, np.exp(by_dose[0]).mean(axis=1))
    level = np.ones(by_dose.shape[:2])
    return Response(
        doses, clicks, opt_outs, natural, window, weekday, text, text_opt_outs, worth.by_class, worth.by_text, level,
        level[:, 0],
    )  # fmt: skip


def _between(values: Floats, tested: Floats, dose: float) -> Floats:
    """Linear interpolation on the last axis; constant below the lowest tested."""
    at = float(np.clip(dose, tested[0], tested[-1]))
    right = int(np.clip(np.searchsorted(tested, at), 1, len(tested) - 1)) if len(tested) > 1 else 0
    left = max(right - 1, 0)
    share = (at - tested[left]) / (tested[right] - tested[left]) if right > left else 0.0
    return np.asarray((1 - share) * values[..., left] + share * values[..., right])


def _relative(
    rates: Rates, logs: Callable[[Rates], Floats], mix: Floats, shape: tuple[int, ...], shift: Floats | None = None
) -> Floats:
    """(R, K, A): rates over their mean by the mix; 1 where there are no events. `shift`: of log exposure, (R, A)."""
    arms = rates.events.shape[2]
    if not arms or not rates.events.sum() > 0:
        return np.ones((*shape[:2], arms))
    found = logs(rates)
    found = np.exp(found if shift is None else found - shift[:, None, :])
    return np.asarray(found / (found @ mix)[..., None])


def _relative_opt_outs(rates: Rates, mix: Floats, groups: Ints, shift: Floats) -> Floats:
    """(R, C): opt-outs over their mean by the mix, whatever the class; 1 for texts nobody was compared with.

    Logarithms are drawn towards their mean by the share of their variance that is error (Morris 1983, Journal of the
    American Statistical Association 78).
    """
    events, exposure = (each[groups].sum(axis=1) for each in (rates.events, rates.exposure))
    known = events.sum(axis=0) >= FEW_EVENTS
    found = np.ones((1 + len(groups), events.shape[1]))
    if known.sum() < 2:
        return found
    total, size = (_with_and_without(each[:, known]) for each in (events, exposure))
    logs = np.log(np.maximum(total, 0.5) / size) - shift[:, known]
    error = standard_error(logs) ** 2
    precise = 1 / np.maximum(error, 1e-12)
    centre = (logs[0] * precise).sum() / precise.sum()
    between = max(float(np.var(logs[0], ddof=1) - error.mean()), 0.0)
    found[:, known] = np.exp((logs - centre) * between / (between + error))
    return np.asarray(found / (found @ mix)[:, None])


def _with_and_without(each: Floats) -> Floats:
    """(1 + G, …): the sum over groups, then without each."""
    return np.concatenate([each.sum(axis=0)[None], each.sum(axis=0) - each])


def _clicks_per_member(cells: Cells, membership: Floats, groups: Ints) -> Floats:
    """(K, arms): clicks per member of each class."""
    fit = fit_rates(cells.people_clicks[groups], cells.people[groups], membership, _SDS)
    none = cells.people_clicks[groups].sum(axis=(0, 1)) == 0
    return np.where(none, 0.0, fit.rate)
