"""Where today's texts arrive, which windows are allowed there, and what sending at one of them comes to.

Allowed hours are each recipient's own. So windows are candidates per place: a window that is not allowed everywhere is
compared with today's schedule as sending at it where it is allowed, and at the best allowed window elsewhere. A window
is allowed in a place if it is allowed there on at least one weekday; it is then sent on those weekdays only.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from smsroi_helpers.measures import OTHER_CHANNELS, Rule, allowed, rule_of, share_allowed
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import Floats, product_interval, uncovered_factor

__all__ = [
    "Schedule",
    "gains_of_places",
    "hours_open",
    "least_verified",
    "read_practice",
    "send_policies",
    "with_uncovered",
]


@dataclass(frozen=True)
class Schedule:
    """Today's sends of one segment, by place: recipients with the same rules."""

    rules: list[str]
    """Of each place: the names of its rules, separated by blanks; those with most messages first."""
    weeks: NDArray[np.bool_]
    """Places × 7 weekdays × windows tried: whether the whole window is allowed there on that weekday."""
    messages: Floats
    """Of each place."""
    sent: Floats
    """Places × 7 weekdays × windows: share of all sends that are in an allowed window; sums to 1, NaN where there are
    none."""
    untried: float
    """Share of all sends outside the windows tried and allowed where and when they arrive; NaN where nothing was sent.
    """
    forbidden: float
    """Share of all sends at hours that the recipient's rules do not allow; NaN likewise."""

    @property
    def masks(self) -> NDArray[np.bool_]:
        """Places × windows: whether the window is allowed there on at least one weekday."""
        return np.asarray(self.weeks.any(axis=1))

    @property
    def shares(self) -> Floats:
        """Places × windows: `sent` on all weekdays."""
        return np.asarray(self.sent.sum(axis=1))

    @property
    def allowed_share(self) -> Floats:
        """Of each window: the share of messages to places that allow it; of equal places where nothing was sent."""
        return share_of_places(self.masks, self.messages)


def hours_open(shop: Shop, own_hours: tuple[int, int] | None, channel: str) -> Floats:
    """(24,): the share of customers (0–1) who may be sent messages of a channel at each local hour.

    Args:
        shop: the company.
        own_hours: the sender's own.
        channel: of the messages; no rule applies to `OTHER_CHANNELS`.
    """
    if channel in OTHER_CHANNELS:
        return np.asarray(allowed((), own_hours)[0], float)
    return share_allowed(shop, own_hours)


def share_of_places(masks: NDArray[np.bool_], messages: Floats) -> Floats:
    """Of each column: the share of messages to places where the mask is true; of equal places without messages."""
    weight = messages if messages.sum() else np.ones(len(messages))
    return np.asarray(weight @ masks / weight.sum())


def read_practice(
    rows: pd.DataFrame,
    windows: pd.DataFrame,
    jurisdiction: str,
    clock: str,
    own_hours: tuple[int, int] | None,
    anywhere: Floats,
    ruled: bool = True,
) -> Schedule:
    """Split today's sends of a segment by the rules where they arrive.

    Args:
        rows: of `counts.count_practice`, of one segment or of all.
        windows: hour, until; those tried.
        jurisdiction: the source's.
        clock: the source's time zone.
        own_hours: the sender's own.
        anywhere: (24,), the share of customers who may be texted at each hour; used where nothing was sent.
        ruled: whether the rules on hours apply to the channel.
    """
    cover = np.array([[row.hour <= h < row.until for h in range(24)] for row in windows.itertuples()], bool)
    by_rules: dict[str, Floats] = {}
    forbidden = 0.0
    for (zone, region), own in rows.groupby(["timezone", "region"]):
        rules = rule_of(zone, region, jurisdiction, clock) if ruled else ()
        at = (own["weekday"].to_numpy(int), own["hour"].to_numpy(int))
        forbidden += float(own["messages"][~allowed(rules)[at]].sum())
        sends = by_rules.setdefault(" ".join(rules), np.zeros((7, 24)))
        np.add.at(sends, at, own["messages"].to_numpy(float))
    names = sorted(by_rules, key=lambda rules: -by_rules[rules].sum())
    open_hours = np.array([allowed(rules.split(), own_hours) for rules in names])
    sends = np.array([by_rules[rules] for rules in names])
    if not names:  # nothing was sent: every window that customers' places allow
        names, sends = [""], np.zeros((1, 7, 24))
        open_hours = np.broadcast_to(anywhere > 0, (1, 7, 24))
    weeks = np.stack([open_hours[:, :, hours].all(axis=2) for hours in cover], axis=2)
    # Overlapping windows share an hour's messages evenly.
    inside = weeks[:, :, :, None] & cover
    counted = np.einsum("gdwh,gdh->gdw", inside / np.maximum(inside.sum(axis=2), 1)[:, :, None, :], sends)
    everything, within = sends.sum(), counted.sum()
    return Schedule(
        rules=names,
        weeks=weeks,
        messages=sends.sum(axis=(1, 2)),
        sent=counted / within if within else np.full(counted.shape, np.nan),
        untried=float(1 - within / everything) if everything else float("nan"),
        forbidden=float(forbidden / everything) if everything else float("nan"),
    )


def send_policies(masks: NDArray[np.bool_], weight: Floats, rate: Floats) -> tuple[Floats, NDArray[np.intp]]:
    """What sending at each window comes to: there where it is allowed, at the best allowed one elsewhere.

    Args:
        masks: places × windows, whether the window is allowed there. Weekdays work alike.
        weight: of each place, its share of the sends.
        rate: of each window.

    Returns:
        windows × windows: row h has the shares of sends at each window if all go out at h, or at the best allowed one;
        places × windows: the window (−1: none) of each place if h is the one chosen.
    """
    best = np.where(masks.any(axis=1), np.where(masks, rate, -np.inf).argmax(axis=1), -1)
    chosen = np.where(masks, np.arange(len(rate)), best[:, None])
    policies = np.zeros((len(rate), len(rate)))
    for place, window in np.argwhere(np.broadcast_to((best >= 0)[:, None], chosen.shape)):
        policies[window, chosen[place, window]] += weight[place]
    return policies, chosen


def gains_of_places(practice: Schedule, chosen: NDArray[np.intp], rate: Floats, covariance: Floats, c: float,
                    tried: pd.DataFrame) -> pd.DataFrame:  # fmt: skip
    """The gain of each place, if it sends at the window chosen for it; the places' gains add up to the total.

    Args:
        practice: of `read_practice`.
        chosen: of each place, the window it sends at (−1: none), in the row of `send_policies` that is advised.
        rate: of each window.
        covariance: joint, of the rates.
        c: half-width of the limits in standard errors, that of the total.
        tried: hour, until of the windows.

    Returns:
        rules; share (of today's sends); counted (share of the sends that the gain is about); hour, until (the window;
        missing without one); weekdays (those on which it is allowed, `0 1 2`); gain, gain_low, gain_high (clicks, per
        message counted in all places).
    """
    everything = practice.messages.sum()
    weight = practice.shares.sum(axis=1)
    contrasts = -practice.shares
    has = np.flatnonzero(chosen >= 0)
    contrasts[has, chosen[has]] += weight[has]
    gain = contrasts @ rate
    half_width = c * np.sqrt(np.maximum(np.einsum("gi,ij,gj->g", contrasts, covariance, contrasts), 0.0))
    return pd.DataFrame({
        "rules": practice.rules,
        "share": practice.messages / everything if everything else np.full(len(chosen), np.nan),
        "counted": weight,
        "hour": [tried["hour"].iloc[at] if at >= 0 else np.nan for at in chosen],
        "until": [tried["until"].iloc[at] if at >= 0 else np.nan for at in chosen],
        "weekdays": [
            " ".join(str(day) for day in np.flatnonzero(practice.weeks[place, :, at])) if at >= 0 else ""
            for place, at in enumerate(chosen)
        ],
        "gain": gain, "gain_low": gain - half_width, "gain_high": gain + half_width,
    })  # fmt: skip


def with_uncovered(gains: pd.DataFrame, overlap: float) -> pd.DataFrame:
    """The gains with the error for the level of those whom the test does not cover, by which they are multiplied.

    Args:
        gains: gain, gain_low, gain_high, and other columns.
        overlap: share (0–1) of today's subscribers whom the test's members cover.
    """
    if not overlap < 1:
        return gains
    columns = ["gain", "gain_low", "gain_high"]
    found = [product_interval(tuple(row), uncovered_factor(overlap)) for row in gains[columns].to_numpy(float)]
    return gains.assign(**dict(zip(columns, np.array(found).reshape(-1, 3).T, strict=True)))


def least_verified(rules: Sequence[Rule]) -> tuple[str, str]:
    """How rules were compared with a source: as the least verified of them, and as of the month of the oldest check."""
    checked = min((rule.checked for rule in rules), key=("none", "guides", "law").index)
    return checked, min((rule.checked_on for rule in rules if rule.checked_on), default="")
