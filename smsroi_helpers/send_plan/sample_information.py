"""What exploring adds to what the tests say, and draws of the estimates that would follow.

A lever (frequency, hour, text, opt-outs, profit per click) is estimated from tests with covariance Σ, by the jackknife.
If exploring adds m times the information of these tests, the next estimate is distributed around today's with
covariance Σ · m / (1 + m) (Raiffa & Schlaifer 1961, Applied Statistical Decision Theory, section 5.4).
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri
from scipy.stats import qmc

from smsroi_helpers.send_plan.cells import Cells
from smsroi_helpers.send_plan.response import Response
from smsroi_helpers.send_plan.schedule import Exploration
from smsroi_helpers.statistics import Floats

__all__ = ["Kept", "draw_noise", "draw_response", "learnt_shares", "mean_and_error"]

_SEED = 20
_BLOCKS, _DRAWS = 4, 256
"""Independent blocks of draws, from which the Monte Carlo error is taken, and the draws of each."""


@dataclass(frozen=True)
class Kept:
    """How far the next estimates move: √(m / (1 + m)), with m the information added over that of the tests; 0–1."""

    frequency: float
    opt_outs: float
    """Of each frequency."""
    click_profit: float
    hour: Floats
    """(W,)."""
    text: Floats
    """(C,): clicks."""
    text_opt_outs: Floats
    """(C,)."""
    text_profit: Floats
    """(C,)."""

    @classmethod
    def alike(cls, response: Response, share: float) -> "Kept":
        """The same of every lever; 1: everything is learned."""
        texts = np.full(response.text.shape[2], share)
        return cls(share, share, share, np.full(response.window.shape[2], share), texts, texts, texts)


def learnt_shares(cells: Cells, exploration: Exploration, customers: float, weeks: int) -> Kept:
    """What exploring adds to the information of the tests, by lever.

    Rates are as certain as their exposure is large. Profit per click is estimated from the difference that texts make,
    so its exposure is the customers' weeks × the variance of texts a week within a test.

    Args:
        cells: what the response was fitted to.
        exploration: what is drawn at random, every combination equally likely.
        customers: explored with, ≥ 0.
        weeks: for which they are.
    """
    doses = np.array(exploration.doses)
    member_weeks = customers * weeks
    texts = member_weeks * float(doses.mean())
    clicks = texts * _rate(cells)
    windows = np.isin(np.arange(cells.clicks_by_window.exposure.shape[2]), exploration.windows)
    texts_drawn = np.isin(np.arange(cells.clicks_by_text.exposure.shape[2]), exploration.texts)
    of_text = texts_drawn / max(texts_drawn.sum(), 1)

    def by_arm(exposure: Floats) -> Floats:
        return np.asarray(exposure.sum(axis=(0, 1)))

    return Kept(
        float(_kept(texts, cells.clicks_by_dose.exposure.sum())),
        float(_kept(member_weeks, cells.opt_outs_by_dose.exposure.sum())),
        float(_kept(member_weeks * float(doses.var()), _dose_variation(cells))),
        _kept(texts * windows / max(windows.sum(), 1), by_arm(cells.clicks_by_window.exposure)),
        _kept(texts * of_text, by_arm(cells.clicks_by_text.exposure)),
        _kept(texts * of_text, by_arm(cells.opt_outs_by_text.exposure)),
        _kept(clicks * of_text, by_arm(cells.credited_clicks)),
    )


def _rate(cells: Cells) -> float:
    """Clicks per text, in the tests of frequencies."""
    return float(cells.clicks_by_dose.events.sum() / max(cells.clicks_by_dose.exposure.sum(), 1e-12))


def _dose_variation(cells: Cells) -> float:
    """Customers' weeks × the variance of texts a week, summed over the tests that differ in how much is sent."""
    weeks = cells.people.sum(axis=(0, 1)) * cells.arm_weeks
    dose = cells.people_texts.sum(axis=(0, 1)) / np.maximum(weeks, 1e-12)
    found = 0.0
    for test in dict.fromkeys(name for name, _arm in cells.arms):
        own = np.array([name == test for name, _arm in cells.arms]) & (weeks > 0)
        if own.any():
            found += float((weeks[own] * (dose[own] - np.average(dose[own], weights=weeks[own])) ** 2).sum())
    return found


def _kept(added: float | Floats, known: float | Floats) -> Floats:
    """√(m / (1 + m)) for m = added / known.

    >>> _kept(np.array([0.0, 30.0, 5.0]), np.array([10.0, 10.0, 0.0])).round(3).tolist()
    [0.0, 0.866, 1.0]
    """
    added, known = np.broadcast_arrays(np.asarray(added, float), np.asarray(known, float))
    return np.sqrt(np.divide(added, added + known, out=np.zeros(added.shape), where=added > 0))


def draw_noise(groups: int, blocks: int = _BLOCKS, draws: int = _DRAWS) -> Floats:
    """(blocks · draws, groups): standard normal; the same for every share.

    Each block is a scrambled Sobol sequence (Owen 1997, Annals of Statistics 25(4)) and its opposite.

    Args:
        groups: number of dimensions.
        blocks: independent of each other.
        draws: of a block: twice a power of 2.
    """
    found = []
    for block in range(blocks):
        even = qmc.Sobol(groups, seed=np.random.default_rng([_SEED, block])).random(draws // 2)
        half = ndtri(np.clip(even, 1e-12, 1 - 1e-12))
        found += [half, -half]
    return np.concatenate(found)


def mean_and_error(drawn: Floats, blocks: int = _BLOCKS) -> tuple[float, float]:
    """The mean of draws (N,), and its standard error, from blocks of draws that are independent of each other."""
    means = drawn.reshape(blocks, -1).mean(axis=1)
    return float(means.mean()), float(means.std(ddof=1) / np.sqrt(blocks))


def draw_response(response: Response, kept: Kept, noise: Floats) -> Response:
    """Draws of the next estimate, as replicates of a response.

    Rates are drawn on the log scale with the mean of today's estimate; the opt-outs that texts cause and profit per
    click, which may be 0 or below, as they are. Levers are drawn together, as they vary together between groups of
    customers.

    Args:
        response: the estimate, and without each of G groups.
        kept: of `learnt_shares`.
        noise: (N, G), of `draw_noise`.
    """
    clicks = _draw_logs(response.clicks, kept.frequency, noise)
    return Response(
        response.doses,
        clicks,
        np.clip(_draw(response.opt_outs, kept.opt_outs, noise), 0.0, 1.0),
        np.minimum(_draw_logs(response.natural_opt_outs, kept.opt_outs, noise), 1.0),
        _draw_logs(response.window, kept.hour, noise),
        response.weekday[:1],
        _draw_logs(response.text, kept.text, noise),
        _draw_logs(response.text_opt_outs, kept.text_opt_outs, noise),
        _draw(response.click_profit, kept.click_profit, noise),
        _draw_logs(response.text_profit, kept.text_profit, noise),
        response.click_level[:1],
        response.opt_out_level[:1],
    )


def _errors(values: Floats) -> Floats:
    """(G, …): rows whose cross product is the jackknife's covariance."""
    groups = len(values) - 1
    return np.asarray((values[1:] - values[1:].mean(axis=0)) * np.sqrt((groups - 1) / groups))


def _draw(values: Floats, kept: float | Floats, noise: Floats) -> Floats:
    return np.asarray(values[0] + kept * np.tensordot(noise, _errors(values), 1))


def _draw_logs(values: Floats, kept: float | Floats, noise: Floats) -> Floats:
    logs = np.log(np.maximum(values, values[0] / 2), where=values[:1] > 0, out=np.zeros(values.shape))
    errors = _errors(logs)
    variance = kept**2 * (errors**2).sum(axis=0)
    return np.asarray(values[0] * np.exp(kept * np.tensordot(noise, errors, 1) - variance / 2))
