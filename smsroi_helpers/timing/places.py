"""Where today's texts arrive, which windows are allowed there, and what sending at one of them comes to.

Allowed hours are each recipient's own. So windows are candidates per place: a window that is not allowed everywhere is
compared with today's schedule as sending at it where it is allowed, and at the best allowed window elsewhere.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from smsroi_helpers.measures import allowed, rule_of, usable_hours
from smsroi_helpers.statistics import Floats

__all__ = ["Practice", "best_by_place", "read_practice", "send_policies"]


@dataclass(frozen=True)
class Practice:
    """Today's sends of one segment, by places that allow the same windows."""

    rules: list[str]
    """Of each place: the names of its rules, those with most messages first."""
    masks: NDArray[np.bool_]
    """Places × windows tried: whether the whole window is allowed there."""
    messages: Floats
    """Of each place."""
    shares: Floats
    """Places × windows: share of all sends that are in an allowed window; sums to 1, NaN where there are none."""
    untried: float
    """Share of all sends outside the windows tried and allowed where they arrive; NaN where nothing was sent."""
    forbidden: float
    """Share of all sends at hours that the recipient's rules do not allow; NaN likewise."""

    @property
    def allowed_share(self) -> Floats:
        """Of each window: the share of messages to places that allow it; of equal places where nothing was sent."""
        weight = self.messages if self.messages.sum() else np.ones(len(self.messages))
        return np.asarray(weight @ self.masks / weight.sum())


def read_practice(
    rows: pd.DataFrame, windows: pd.DataFrame, jurisdiction: str, own_hours: tuple[int, int] | None, anywhere: Floats
) -> Practice:
    """Split today's sends of a segment by the windows that are allowed where they arrive.

    Args:
        rows: of `counts.count_practice`, of one segment or of all.
        windows: hour, until; those tried.
        jurisdiction: the source's.
        own_hours: the sender's own.
        anywhere: (24,), the share of customers who may be texted at each hour; used where nothing was sent.
    """
    cover = np.array([[row.hour <= h < row.until for h in range(24)] for row in windows.itertuples()], bool)
    by_hour: dict[tuple[bool, ...], Floats] = {}
    names: dict[tuple[bool, ...], dict[str, float]] = {}
    forbidden = 0.0
    for (zone, region), own in rows.groupby(["timezone", "region"]):
        rules = rule_of(zone, region, jurisdiction)
        legal = allowed(rules)
        forbidden += float(own["messages"][~legal[own["weekday"].to_numpy(int), own["hour"].to_numpy(int)]].sum())
        usable = usable_hours(allowed(rules, own_hours))
        mask = tuple(bool(usable[hours].all()) for hours in cover)
        sent = own.groupby("hour")["messages"].sum().reindex(range(24)).fillna(0.0).to_numpy(float)
        by_hour[mask] = by_hour.get(mask, np.zeros(24)) + sent
        of_mask = names.setdefault(mask, {})
        of_mask[" ".join(rules)] = of_mask.get(" ".join(rules), 0.0) + sent.sum()
    if not by_hour:  # nothing was sent: every window that customers' places allow
        usable = anywhere > 0
        mask = tuple(bool(usable[hours].all()) for hours in cover)
        by_hour, names = {mask: np.zeros(24)}, {mask: {}}
    masks = np.array(list(by_hour), bool)
    sends = np.array(list(by_hour.values()))
    # Overlapping windows share an hour's messages evenly.
    inside = (masks[:, :, None] & cover).sum(axis=1)
    shares = np.einsum("gwh,gh->gw", (masks[:, :, None] & cover) / np.maximum(inside, 1)[:, None, :], sends)
    everything, within = sends.sum(), shares.sum()
    return Practice(
        rules=[", ".join(sorted(of_mask, key=lambda rules: -of_mask[rules])) for of_mask in names.values()],
        masks=masks,
        messages=sends.sum(axis=1),
        shares=shares / within if within else np.full(masks.shape, np.nan),
        untried=float(1 - within / everything) if everything else float("nan"),
        forbidden=float(forbidden / everything) if everything else float("nan"),
    )


def send_policies(practice: Practice, rate: Floats) -> tuple[Floats, NDArray[np.intp]]:
    """Of each window, what sending at it comes to, and the best allowed window of each place (−1: none).

    Returns:
        windows × windows: row h has the shares of sends at each window if all go out at h where h is allowed and at
        the best allowed window elsewhere.
    """
    best = np.where(practice.masks.any(axis=1), np.where(practice.masks, rate, -np.inf).argmax(axis=1), -1)
    weight = practice.shares.sum(axis=1)
    chosen = np.where(practice.masks, np.arange(len(rate)), best[:, None])
    policies = np.zeros((len(rate), len(rate)))
    for place, window in np.argwhere(np.broadcast_to((best >= 0)[:, None], chosen.shape)):
        policies[window, chosen[place, window]] += weight[place]
    return policies, best


def best_by_place(practice: Practice, best: NDArray[np.intp], tried: pd.DataFrame) -> pd.DataFrame:
    """The frame of `Answer.places`."""
    everything = practice.messages.sum()
    return pd.DataFrame({
        "rules": practice.rules,
        "share": practice.messages / everything if everything else np.full(len(best), np.nan),
        "hour": [tried["hour"].iloc[at] if at >= 0 else np.nan for at in best],
        "until": [tried["until"].iloc[at] if at >= 0 else np.nan for at in best],
    }).sort_values("share", ascending=False, ignore_index=True)  # fmt: skip
