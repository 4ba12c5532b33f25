"""The long-run value of a subscriber, averaged over members who differ in how fast they are lost.

A member is lost to texting by opting out, at c a week without texts and at u · h(d) because of them, and by no longer
answering, at θ a week. u and θ differ between members; h(d) is the rate at which an average one is made to opt out. The
value of a group is the mean of its members' values:

    L(d) = mean over u and θ of 1 / (1 − (1 − c) (1 − u·h(d)) (1 − θ) / (1 + δ)),   V(d) = m(d) · L(d)

L is the number of weeks, discounted, in which a subscriber's texts are answered. At the mean of u and θ it is smaller,
and more so for high doses: who stays under many texts is who is rarely made to opt out. u has weights in proportion to
the member's response, since the profit of members who hardly answer is not what is lost. Opting out without texts has
other reasons, so u does not change c.
"""

from dataclasses import dataclass

import numpy as np

from smsroi_helpers.cltv import LOSS_RATES
from smsroi_helpers.statistics import Floats

__all__ = [
    "Lifetime",
    "summarise_curve",
    "summarise_draws",
]


def summarise_draws(values: Floats) -> tuple[float, float, float]:
    """Mean and 95 % limits of draws."""
    low, high = np.quantile(values, [0.025, 0.975])
    return float(values.mean()), float(low), float(high)


def summarise_curve(draws: Floats) -> tuple[Floats, Floats, Floats]:
    """Mean and 95 % limits of draws (frequencies × draws) at every frequency."""
    mean, low, high = np.array([summarise_draws(own) for own in draws]).T
    return mean, low, high


@dataclass(frozen=True)
class Lifetime:
    """How members of every group differ in what ends their value."""

    members: Floats
    """Nodes × draws: u of members of equal weight, relative to the average member's opt-out rate."""
    shares: Floats
    """Groups × `LOSS_RATES` × draws."""
    discount: float
    """Weekly (δ)."""

    def weeks(self, hazard: Floats, natural: Floats, group: int | None = None) -> Floats:
        """L, discounted weeks of answered texts.

        Args:
            hazard: H, opt-outs a week: groups × grid × draws, or grid × draws of one group.
            natural: c, those that would happen without texts: groups × draws, or draws.
            group: which one; None for all.
        """
        shares = self.shares if group is None else self.shares[group]
        found = np.zeros_like(hazard)
        unprompted = 1 - np.expand_dims(natural, -2)
        caused = np.maximum(1 - (1 - hazard) / unprompted, 0.0)
        for member in self.members:
            stays = unprompted * (1 - np.minimum(member * caused, 1.0))
            for k, rate in enumerate(LOSS_RATES):
                share = shares[..., k, :]
                if share.any():
                    left = 1 - stays * ((1 - rate) / (1 + self.discount))
                    found += np.expand_dims(share, -2) / left
        return found / len(self.members)

    def remaining(self, hazard: Floats, natural: Floats, group: int, horizon: int) -> Floats:
        """Share of members who still answer in week 1 … `horizon`, undiscounted: weeks × draws, of H and c (draws)."""
        shares = self.shares[group]
        weeks = np.arange(horizon)[:, None]
        found = np.zeros((horizon, hazard.shape[-1]))
        decay = np.einsum("kt,kn->tn", (1 - LOSS_RATES[:, None]) ** weeks[:, 0], shares)
        caused = np.maximum(1 - (1 - hazard) / (1 - natural), 0.0)
        for member in self.members:
            found += np.exp(weeks * np.log1p(-np.minimum(member * caused, 1 - 1e-9)))
        return decay * (1 - natural) ** weeks * found / len(self.members)
