"""Mixtures of constant weekly rates of loss, by which subscribers differ in how fast they stop answering."""

import numpy as np
from scipy.optimize import nnls

from smsroi_helpers.statistics import Floats

__all__ = ["LOSS_RATES", "first_year_loss", "mix_rates", "readers_shares", "shift_rates"]

LOSS_RATES = np.array([0.0, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256])
"""Weekly rates θ at which subscribers may stop answering; a group's subscribers are shares of them."""


def first_year_loss(shares: Floats) -> Floats:
    """The loss in the first year as a weekly rate: those lost fast are lost first, so it falls from year to year.

    Args:
        shares: of `LOSS_RATES`: … × rates × draws, summing to 1 over the rates.

    Returns:
        … × draws.

    >>> half = np.zeros((11, 1))
    >>> half[[0, 10]] = 0.5  # half are never lost, half at .256 a week
    >>> bool(np.isclose((1 - first_year_loss(half)[0]) ** 52, 0.5, atol=1e-6))
    True
    """
    kept = np.einsum("k,...kn->...n", (1 - LOSS_RATES) ** 52, shares)
    return np.asarray(1 - kept ** (1 / 52))


def mix_rates(weeks: Floats, alive: Floats) -> Floats:
    """The shares of `LOSS_RATES` whose mixture is nearest to a survival curve (non-negative least squares).

    >>> curve = 0.5 * (1 - 0.002) ** np.arange(200) + 0.5 * (1 - 0.032) ** np.arange(200)
    >>> mix_rates(np.arange(200.0), curve).round(2)[[3, 7]].tolist()
    [0.5, 0.5]
    """
    columns = (1 - LOSS_RATES) ** weeks[:, None]
    # The shares sum to 1: an equation with a weight so large that it is met.
    columns = np.vstack([columns, np.full(len(LOSS_RATES), 100.0)])
    shares, _rest = nnls(columns, np.append(alive, 100.0), maxiter=2_000)
    return np.asarray(shares / shares.sum())


def shift_rates(shares: Floats, more: Floats) -> Floats:
    """The shares of `LOSS_RATES` if a further loss is added to every rate (rates × draws; more: draws).

    A rate between two of `LOSS_RATES` is divided between them so that its mean is kept.

    >>> shift_rates(np.eye(11)[:, [4]], np.array([0.004]))[:6, 0].round(3).tolist()
    [0.0, 0.0, 0.0, 0.0, 0.004, 0.996]
    """
    shifted = 1 - (1 - LOSS_RATES[:, None]) * (1 - more)
    right = np.clip(np.searchsorted(LOSS_RATES, shifted), 1, len(LOSS_RATES) - 1)
    upper = np.clip((shifted - LOSS_RATES[right - 1]) / (LOSS_RATES[right] - LOSS_RATES[right - 1]), 0.0, 1.0)
    found = np.zeros_like(shares)
    draws = np.broadcast_to(np.arange(shares.shape[1]), shares.shape)
    np.add.at(found, (right - 1, draws), shares * (1 - upper))
    np.add.at(found, (right, draws), shares * upper)
    return found


def readers_shares(rates: Floats) -> Floats:
    """The shares of `LOSS_RATES` (rates × draws) of readers of equal number with these rates (readers × draws)."""
    none = np.zeros((len(LOSS_RATES), rates.shape[1]))
    none[0] = 1.0
    return np.asarray(np.mean([shift_rates(none, each) for each in rates], axis=0))
