"""The recommended texts per week of each segment, and its gain compared with today's practice.

The recommendation is the smallest frequency whose long-run profit is not distinguishable from the best and at most
slightly below it. Today's practice is resampled from the log.
"""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from smsroi_helpers.frequency import counts
from smsroi_helpers.frequency.counts import ALL
from smsroi_helpers.frequency.dose_response import DoseResponseFit, summarise_draws
from smsroi_helpers.frequency.study import Logs, Study, in_order
from smsroi_helpers.statistics import GROUPS, Floats, best_set

__all__ = [
    "AS_TODAY",
    "GATE",
    "TIE_SHARE",
    "choose_frequencies",
    "choose_frequency",
    "practice_shares",
    "texts_per_week",
]

TIE_SHARE = 0.05
"""A smaller frequency is chosen only if its estimate is below the best by at most this share of the best."""
GATE = 0.02
"""Two-sided p-value for no effect of texts on profit; above it no change of frequency is recommended."""
AS_TODAY = 0.25
"""Frequencies closer than this many texts a week count as the same."""
_FEWEST_WEEKS_OF_PRACTICE = 100


# --- today's practice ------------------------------------------------------------------------------------------------


def practice_shares(
    logs: Logs, fit: DoseResponseFit, rng: np.random.Generator, draws: int, by: str = "segment"
) -> dict[str, Floats]:
    """Share of customer-weeks with each number of texts today: group → grid × draws (customers resampled by group)."""
    found: dict[str, Floats] = {}
    if not len(logs.today):
        return found
    most = int(fit.grid[-1])
    place = np.searchsorted(fit.grid, np.arange(most + 1))
    weights = rng.exponential(1.0, (draws, GROUPS))
    for name, sent in counts.weeks_by_texts(logs.today, by, most).items():
        if sent.sum() < _FEWEST_WEEKS_OF_PRACTICE:
            continue
        drawn = weights @ sent
        shares = np.zeros((len(fit.grid), draws))
        np.add.at(shares, place, (drawn / drawn.sum(axis=1, keepdims=True)).T)
        found[name] = shares
    return found


def texts_per_week(today: pd.DataFrame, name: str = ALL, by: str = "segment") -> float:
    """Messages per customer-week of `counts.count_today` in a group; NaN where there are no customer-weeks."""
    own = today if name == ALL or not len(today) else today[today[by] == name]
    weeks = float(own["customer_weeks"].sum()) if len(own) else 0.0
    return float(own["messages"].sum()) / weeks if weeks else float("nan")


# --- the policy ------------------------------------------------------------------------------------------------------


def choose_frequency(net: Floats, smallest_gain: float, rng: np.random.Generator) -> tuple[int, NDArray[np.bool_]]:
    """The frequency to choose, and those that are not distinguishable from the best.

    The best has the highest estimate. A smaller one is chosen instead if two conditions hold. It must not be
    distinguishable from the best (multiple comparisons with the best, 95 %). Its estimate must be below the best by at
    most `TIE_SHARE` of the best, or by at most `smallest_gain`. Under the first condition alone a noisy test would
    always choose a small frequency.

    Args:
        net: frequencies × draws of W, in ascending order of frequency.
        smallest_gain: per subscriber and week (money).
        rng: of the critical values.

    Returns:
        the position of the frequency chosen; which ones are not distinguishable from the best.
    """
    estimate = net.mean(axis=1)
    covariance = np.cov(net)
    scale = float(np.diag(covariance).max())
    # The gain of no texts is exactly 0; a tiny variance lets it be compared like the others.
    covariance = covariance + np.diag(np.where(np.diag(covariance) > 0, 0.0, 1e-9 * scale if scale > 0 else 1e-12))
    chosen = best_set(estimate, covariance, rng).chosen
    best = int(np.argmax(estimate))
    margin = max(smallest_gain, TIE_SHARE * abs(float(estimate[best])))
    near = chosen & (estimate >= estimate[best] - margin)
    near[best] = True
    return int(np.flatnonzero(near)[0]), chosen


def choose_frequencies(
    study: Study, rng: np.random.Generator, smallest_gain: float = 0.0, by: str = "segment"
) -> pd.DataFrame:
    """The recommended texts per week of every segment (or lifecycle stage), and the gain of changing to it.

    Args:
        study: of `analyse`.
        rng: of the intervals' draws.
        smallest_gain: profit per subscriber and week (money) below which a change is not worth making.
        by: `segment` or `stage`.

    Returns:
        One row per group, `all` first: segment, customers (in the test), subscribed (today), messages_per_week
        (recommended), best (highest estimate of W), short_run (highest m), not_worse (frequencies not distinguishable
        from the best), today (texts per subscribed customer-week; NaN where not known); profit, profit_low, profit_high
        (m at the recommended frequency); net (W) and value (V) with limits; value_today; gain, gain_low, gain_high
        (money a week over all subscribers, net of opt-outs; NaN where today's frequency is not known); per_subscriber
        (the gain per subscriber); factor (how many times as many customer-weeks would be needed for a decision);
        outcome: `change`, `stay`, `not_enough`; reason of the last: `no_effect`, `interval`, `practice`, `one_dose`.
        Empty without a fit.
    """
    fit = study.fit if by == "segment" else study.stages
    if fit is None:
        return pd.DataFrame(columns=["segment", "outcome"])
    draws = fit.gross.shape[-1]
    shares = practice_shares(study.logs, fit, rng, draws, by)
    profit, value, net = fit.profit(), fit.value(), fit.net_profit()
    tested = [fit.grid_index(dose) for dose in fit.frequencies]
    shown = fit.effect_p < GATE
    rows = []
    for i, name in enumerate(fit.names):
        at, chosen = choose_frequency(net[i, tested], smallest_gain, rng)
        g = tested[at]
        draws_of = {"profit": profit[i, g], "net": net[i, g], "value": value[i, g]}
        row: dict[str, Any] = {
            "segment": name,
            "customers": float(fit.customers[i].sum()),
            "subscribed": study.logs.subscribed(name, by),
            "messages_per_week": float(fit.frequencies[at]),
            "best": float(fit.frequencies[int(np.argmax(net[i, tested].mean(axis=1)))]),
            "short_run": float(fit.frequencies[int(np.argmax(profit[i, tested].mean(axis=1)))]),
            "not_worse": tuple(float(dose) for dose, kept in zip(fit.frequencies, chosen, strict=True) if kept),
            "today": float("nan"), "value_today": float("nan"), "gain": float("nan"), "gain_low": float("nan"),
            "gain_high": float("nan"), "factor": float("nan"), "per_subscriber": float("nan"),
        }  # fmt: skip
        for key, values in draws_of.items():
            row[key], row[f"{key}_low"], row[f"{key}_high"] = summarise_draws(values)
        if name in shares and sum(fit.frequencies > 0) > 1:
            own = shares[name]
            m, hazard = fit.practice_means(name, own)
            now = fit.long_run_value(m, hazard)
            step = fit.weekly_value((value[i, g] - now)[None])[0] if i == 0 else _weekly_of(fit, i, value[i, g] - now)
            row["today"] = texts_per_week(study.logs.today, name, by)
            row["value_today"] = float(now.mean())
            row["per_subscriber"] = float(step.mean())
            row["gain"], row["gain_low"], row["gain_high"] = summarise_draws(step * row["subscribed"])
        if sum(fit.frequencies > 0) == 1:
            rows.append(row | {"outcome": "not_enough", "reason": "one_dose" if shown else "no_effect"})
        else:
            rows.append(row | _outcome(row, shown, smallest_gain))
    frame = pd.DataFrame(rows)
    return frame.set_index("segment").loc[in_order(study, fit.names, by)].reset_index()


def _weekly_of(fit: DoseResponseFit, i: int, value: Floats) -> Floats:
    """W of one group's V (draws)."""
    return np.asarray(value * (1 - (1 - fit.natural_opt_outs()[i]) / (1 + fit.discount)))


def _outcome(row: dict[str, Any], shown: bool, smallest_gain: float) -> dict[str, Any]:
    """Decide by the interval of the gain: change, stay, or not enough evidence."""
    if not shown:
        return {"outcome": "not_enough", "reason": "no_effect"}
    if not np.isfinite(row["gain"]):
        return {"outcome": "not_enough", "reason": "practice"}
    threshold = smallest_gain * row["subscribed"]
    # Even at the same average a change may pay: some customers may now get three texts a week and others none.
    if row["gain_low"] > threshold:
        return {"outcome": "change", "reason": ""}
    if abs(row["messages_per_week"] - row["today"]) < AS_TODAY or row["gain_high"] < max(threshold, 0.0):
        return {"outcome": "stay", "reason": ""}
    distance = abs(row["gain"] - threshold)
    half_width = (row["gain_high"] - row["gain_low"]) / 2
    return {
        "outcome": "not_enough",
        "reason": "interval",
        "factor": float((half_width / distance) ** 2) if distance > 0 else np.inf,
    }
