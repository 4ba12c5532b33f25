"""The recommended texts per week of each segment, and its gain compared with today's practice.

The recommendation is the smallest tested frequency whose long-run profit is a tie with the best: not distinguishable
from it, at most slightly below it, and not unlikely to be as good. Frequencies that were not tested are modelled: they
are proposed for the next test where they promise more, and never recommended outright. Today's practice is resampled
from the log. The gain of a change has two values that are never added: its cash in the coming weeks, and its long-run
value.
"""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from smsroi_helpers.contract import BREAK_EVEN_WEEKS
from smsroi_helpers.frequency import counts
from smsroi_helpers.frequency.counts import ALL
from smsroi_helpers.frequency.dose_response import DoseResponseFit
from smsroi_helpers.frequency.lifetime import summarise_draws
from smsroi_helpers.frequency.study import Logs, Study, in_order
from smsroi_helpers.statistics import GROUPS, LEAST_COVERED, Floats, best_set, error_of_interval, times_to_settle

__all__ = [
    "AS_TODAY",
    "GATE",
    "LONGEST",
    "NOT_ADVISED",
    "NOT_KNOWN",
    "OTHERS",
    "SMALLEST_GAIN",
    "TIE_CHANCE",
    "TIE_SHARE",
    "choose_frequencies",
    "choose_frequency",
    "others_share",
    "practice_shares",
    "share_without_texts",
    "texts_per_week",
]

TIE_SHARE = 0.05
"""A smaller frequency is chosen only if its estimate is below the best by at most this share of the best."""
TIE_CHANCE = 0.2
"""And only if it is at least as good as the best with this probability (0–1)."""
GATE = 0.02
"""Two-sided p-value for no effect of texts on profit; above it no change of frequency is recommended."""
AS_TODAY = 0.25
"""Frequencies closer than this many texts a week count as the same."""
OTHERS = 0.05
"""A change is recommended only if more than this share of today's subscribers (0–1) are not sent it already, evenly:
that few are left by opting in or out, by texts that could not be sent, or by other channels of the sender."""
SMALLEST_GAIN = 0.002
"""Profit per subscriber and week (money) below which a change is not worth making, unless stated otherwise: that of one
text in `03_timing`, at about one text a week."""
LONGEST = BREAK_EVEN_WEEKS
NOT_ADVISED = ("no_effect", "not_covered", "opt_outs_unknown", "few_in_segment")
"""Reasons for which no frequency is advised: texts have no effect, the test says too little of this group, opt-outs are
not recorded, or an arm has too few of this group's customers."""
NOT_KNOWN = ("not_covered", "opt_outs_unknown", "few_in_segment")
"""Those for which the long run is not known either."""
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
    """Messages per whole customer-week of `counts.count_today` in a group; NaN where there are no such weeks."""
    whole = today[today["whole"] == 1] if len(today) else today
    own = whole if name == ALL or not len(whole) else whole[whole[by] == name]
    weeks = float(own["customer_weeks"].sum()) if len(own) else 0.0
    return float(own["messages"].sum()) / weeks if weeks else float("nan")


def share_without_texts(today: pd.DataFrame) -> float:
    """Share (0–1) of the whole customer-weeks of `counts.count_today` without a text; NaN without any."""
    whole = today[today["whole"] == 1]
    every = float(whole["customer_weeks"].sum())
    return float(whole.loc[whole["texts"] == 0, "customer_weeks"].sum() / every) if every else float("nan")


# --- the policy ------------------------------------------------------------------------------------------------------


def choose_frequency(net: Floats, smallest_gain: float, rng: np.random.Generator) -> tuple[int, NDArray[np.bool_]]:
    """The frequency to choose, and those that are not distinguishable from the best.

    The best has the highest estimate. A smaller one is chosen instead if three conditions are met. It must not be
    distinguishable from the best (multiple comparisons with the best, 95 %). Its estimate must be below the best by at
    most `TIE_SHARE` of the best, or by at most `smallest_gain`. It must be at least as good as the best with
    probability `TIE_CHANCE`. Under the first condition alone a noisy test would always choose a small frequency; under
    the first two, a best that is clear though not significant would be overruled.

    Args:
        net: frequencies × draws of W, in ascending order of frequency.
        smallest_gain: per subscriber and week (money).
        rng: of the critical values.

    Returns:
        the position of the frequency chosen; which ones are not distinguishable from the best.

    Raises:
        ValueError: a draw is not finite; the highest of unknown values would be the first frequency, no texts.
    """
    if not np.isfinite(net).all():
        raise ValueError("the draws of net profit must be finite")
    estimate = net.mean(axis=1)
    covariance = np.cov(net)
    scale = float(np.diag(covariance).max())
    # The gain of no texts is exactly 0; a tiny variance lets it be compared like the others.
    covariance = covariance + np.diag(np.where(np.diag(covariance) > 0, 0.0, 1e-9 * scale if scale > 0 else 1e-12))
    chosen = best_set(estimate, covariance, rng).chosen
    best = int(np.argmax(estimate))
    margin = max(smallest_gain, TIE_SHARE * abs(float(estimate[best])))
    as_good = (net + smallest_gain >= net[best]).mean(axis=1)
    near = chosen & (estimate >= estimate[best] - margin) & (as_good >= TIE_CHANCE)
    near[best] = True
    return int(np.flatnonzero(near)[0]), chosen


def others_share(schedules: pd.DataFrame, name: str, dose: float, by: str = "segment") -> float:
    """Share (0–1) of a group's subscribers who are not sent `dose` texts a week evenly today; NaN where not known.

    Args:
        schedules: of `counts.count_schedules`.
        name: the group.
        dose: one of its texts a week.
        by: `segment` or `stage`.
    """
    if not len(schedules):
        return float("nan")
    own = schedules[np.isclose(schedules["messages_per_week"], dose)]
    own = own if name == ALL else own[own[by] == name]
    customers = float(own["customers"].sum())
    return float(own["others"].sum()) / customers if customers else float("nan")


def choose_frequencies(
    study: Study,
    rng: np.random.Generator,
    smallest_gain: float = SMALLEST_GAIN,
    by: str = "segment",
    cash_weeks: int = 12,
    everybody: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """The recommended texts per week of every segment (or lifecycle stage), and the gain of changing to it.

    Args:
        study: of `analyse`.
        rng: of the intervals' draws.
        smallest_gain: profit per subscriber and week (money) below which a change is not worth making.
        by: `segment` or `stage`.
        cash_weeks: the coming weeks whose cash is counted.
        everybody: of this function by segment: its row `all` is kept, so that all customers have one answer.

    Returns:
        One row per group, `all` first: segment, customers (in the test), subscribed (today), messages_per_week
        (recommended), best (highest estimate of W), short_run (highest m), not_worse (frequencies not distinguishable
        from the best), today (texts per whole week of a subscriber; NaN where not known), others (share of subscribers,
        0–1, who are not sent messages_per_week evenly today; NaN where not known); profit, profit_low, profit_high
        (m at the recommended frequency); net (W) and value (V) with limits; value_today; gain, gain_low, gain_high
        (long run: money a week over all subscribers, net of opt-outs; NaN where today's frequency is not known);
        per_subscriber (the gain per subscriber); cash, cash_low, cash_high (money over all subscribers in `cash_weeks`,
        undiscounted), cash_by_week (week 1 … `LONGEST` × estimate, low, high, cumulative), break_even (the first week
        from which the cumulative cash is and stays at or above 0; NaN where there is none); try_next (the best
        frequency between the tested ones, where it promises more than the recommended one; else NaN), try_gain,
        try_gain_low, try_gain_high (modelled long-run gain of changing to it from the recommended frequency);
        where the frequency stays as it is, leave_for (the best of the other frequencies tested), leave, leave_low,
        leave_high (the long-run gain of changing to it, as `gain`) and leave_cash with limits (its cash, as `cash`);
        factor (how many times as many customer-weeks a decision takes with 80 % power); outcome: `change`, `stay`,
        `not_enough`; reason: `as_today` of a stay without a difference worth naming; of the last `no_effect`,
        `interval`, `practice`, `one_dose`, `not_covered`, `opt_outs_unknown`, `few_in_segment` (the long run and
        cash are NaN). In the
        row `all`, together, together_low, together_high: the long-run gain of all segments' changes. overlap (share of
        today's subscribers whom the test's members cover).
        Empty without a fit.
    """
    fit = study.fit if by == "segment" else study.stages
    if fit is None:
        return pd.DataFrame(columns=["segment", "outcome"])
    shares = practice_shares(study.logs, fit, rng, fit.gross.shape[-1], by)
    profit, value, net = fit.profit(), fit.value(), fit.net_profit()
    tested = [fit.grid_index(dose) for dose in fit.frequencies]
    shown = fit.effect_p < GATE
    rows, steps = [], {}
    for i, name in enumerate(fit.names):
        if name != ALL and not np.isfinite(net[i, tested]).all():
            rows.append(_without_estimate(study, name, by))
            continue
        at, chosen = choose_frequency(net[i, tested], smallest_gain, rng)
        g = tested[at]
        row: dict[str, Any] = {
            "segment": name,
            "customers": float(fit.customers[i].sum()),
            "subscribed": study.logs.subscribed(name, by),
            "overlap": study.overlap(name, by),
            "messages_per_week": float(fit.frequencies[at]),
            "best": float(fit.frequencies[int(np.argmax(net[i, tested].mean(axis=1)))]),
            "short_run": float(fit.frequencies[int(np.argmax(profit[i, tested].mean(axis=1)))]),
            "not_worse": tuple(float(dose) for dose, kept in zip(fit.frequencies, chosen, strict=True) if kept),
        } | dict.fromkeys(_UNKNOWN, float("nan")) | {"cash_by_week": None}  # fmt: skip
        for key, values in {"profit": profit[i, g], "net": net[i, g], "value": value[i, g]}.items():
            row |= _limits(key, values)
        if sum(fit.frequencies > 0) > 1:
            row |= _best_untried(fit, i, g, smallest_gain, row["subscribed"])
            if name in shares:
                change, steps[name] = _compare_with_today(fit, name, g, shares[name], row["subscribed"], cash_weeks)
                row |= change | {
                    "today": texts_per_week(study.logs.today, name, by),
                    "others": others_share(study.schedules, name, row["messages_per_week"], by),
                }
            row |= _outcome(row, shown, smallest_gain, study.opt_outs_known)
            if row["reason"] == "as_today":
                others = [place for place in tested if place != g]
                other = max(others, key=lambda place: float(net[i, place].mean()))
                row |= _leave(fit, name, other, shares[name], row["subscribed"], cash_weeks)
        else:
            row |= {"outcome": "not_enough", "reason": "one_dose" if shown else "no_effect"}
        row |= _NO_GAIN if row["reason"] in NOT_KNOWN else {}
        rows.append(row if study.opt_outs_known else row | _NO_GAIN | _NO_LONG_RUN)
    rows += [_without_estimate(study, name, by) for name in _subscribed_groups(study, by) if name not in fit.names]
    frame = pd.DataFrame(rows).assign(together=np.nan, together_low=np.nan, together_high=np.nan)
    changed = frame.loc[(frame["segment"] != ALL) & (frame["outcome"] == "change"), "segment"]
    if len(changed):
        whole = _limits("together", np.sum([steps[name] for name in changed], axis=0))
        frame.loc[frame["segment"] == ALL, list(whole)] = list(whole.values())
    if everybody is not None and len(everybody):
        frame = pd.concat([everybody[everybody["segment"] == ALL], frame[frame["segment"] != ALL]])
    return frame.set_index("segment").loc[in_order(study, list(frame["segment"]), by)].reset_index()


_UNKNOWN = (
    "today", "others", "value_today", "gain", "gain_low", "gain_high", "per_subscriber", "cash", "cash_low",
    "cash_high", "break_even", "try_next", "try_gain", "try_gain_low", "try_gain_high", "factor", "leave_for", "leave",
    "leave_low", "leave_high", "leave_cash", "leave_cash_low", "leave_cash_high",
)  # fmt: skip
"""Columns that are NaN where they cannot be computed."""
_NO_GAIN: dict[str, Any] = {
    **dict.fromkeys(("gain", "gain_low", "gain_high", "per_subscriber", "cash", "cash_low", "cash_high"), float("nan")),
    **dict.fromkeys(("break_even", "try_next", "try_gain", "try_gain_low", "try_gain_high"), float("nan")),
    "cash_by_week": None,
}
"""A change that is not advised, as the test covers too few of a group's subscribers, has no gain."""
_NO_LONG_RUN = dict.fromkeys(
    ("net", "net_low", "net_high", "value", "value_low", "value_high", "value_today", "factor"), float("nan")
)
"""Where opt-outs are not recorded, neither is the long-run value per subscriber known."""


def _subscribed_groups(study: Study, by: str) -> list[str]:
    """The groups that have subscribers today."""
    audience = study.logs.audience
    return sorted({str(name) for name in audience.loc[audience["customers"] > 0, by]}) if len(audience) else []


def _without_estimate(study: Study, name: str, by: str) -> dict[str, Any]:
    """The row of a group of which an arm has too few customers: today's numbers, and no others."""
    estimates = ("profit", "net", "value")
    unknown = [f"{key}{limit}" for key in estimates for limit in ("", "_low", "_high")]
    unknown += [*_UNKNOWN, "messages_per_week", "best", "short_run"]
    carried = study.carried if by == "segment" else study.carried_stages
    known = carried is not None and name in carried.transport.names
    return dict.fromkeys(unknown, float("nan")) | {
        "segment": name,
        "customers": float(carried.members.loc[name].sum()) if carried is not None and known else 0.0,
        "subscribed": study.logs.subscribed(name, by),
        "overlap": study.overlap(name, by) if known else float("nan"),
        "not_worse": (),
        "cash_by_week": None,
        "today": texts_per_week(study.logs.today, name, by),
        "outcome": "not_enough",
        "reason": "few_in_segment",
    }


def _limits(name: str, values: Floats) -> dict[str, float]:
    return dict(zip((name, f"{name}_low", f"{name}_high"), summarise_draws(values), strict=True))


def _compare_with_today(
    fit: DoseResponseFit, name: str, at: int, shares: Floats, subscribed: float, cash_weeks: int
) -> tuple[dict[str, Any], Floats]:
    """Long-run gain and cash of a change from today's practice to a frequency of the grid; draws of the gain a week."""
    i = fit.index(name)
    m, hazard = fit.practice_means(name, shares)
    now = fit.value_of(name, m, hazard)
    step = (fit.value()[i, at] - now) / fit.natural_weeks[i] * subscribed
    weeks = max(LONGEST, cash_weeks)
    change = fit.cash(name, fit.profit()[i, at], fit.hazard[i, at], weeks) - fit.cash(name, m, hazard, weeks)
    change = change * subscribed
    curve = np.stack([change.mean(axis=1), *np.quantile(change, [0.025, 0.975], axis=1)], axis=1)
    below = np.flatnonzero(curve[:, 0] < 0)
    first = int(below[-1]) + 2 if len(below) else 1
    found = {
        "value_today": float(now.mean()),
        "per_subscriber": float(step.mean()) / subscribed if subscribed else float("nan"),
        "cash_by_week": curve,
        "break_even": float(first) if first <= weeks else float("nan"),
    }
    return found | _limits("gain", step) | _limits("cash", change[cash_weeks - 1]), step


def _leave(
    fit: DoseResponseFit, name: str, other: int, shares: Floats, subscribed: float, cash_weeks: int
) -> dict[str, float]:
    """What leaving today's frequency for another one would bring, compared with today's practice."""
    change, step = _compare_with_today(fit, name, other, shares, subscribed, cash_weeks)
    found = {"leave_for": float(fit.grid[other])} | _limits("leave", step)
    return found | {f"leave_{key}": change[key] for key in ("cash", "cash_low", "cash_high")}


def _best_untried(
    fit: DoseResponseFit, i: int, chosen: int, smallest_gain: float, subscribed: float
) -> dict[str, float]:
    """The frequency between the tested ones that promises most more than the recommended one, and its modelled gain."""
    net = fit.net_profit()[i]
    between = (fit.grid > 0) & (fit.grid < fit.frequencies[-1]) & ~np.isin(fit.grid, fit.frequencies)
    if not between.any():
        return {}
    more = net[between] - net[chosen]
    best = int(np.argmax(more.mean(axis=1)))
    if more[best].mean() <= max(smallest_gain, 0.0):
        return {}
    return {"try_next": float(fit.grid[between][best])} | _limits("try_gain", more[best] * subscribed)


def _outcome(row: dict[str, Any], shown: bool, smallest_gain: float, opt_outs_known: bool) -> dict[str, Any]:
    """Decide by the interval of the gain: change, stay, or not enough evidence."""
    if not shown:
        return {"outcome": "not_enough", "reason": "no_effect"}
    if not opt_outs_known:
        return {"outcome": "not_enough", "reason": "opt_outs_unknown"}
    if not np.isfinite([row["gain"], row["others"]]).all():
        return {"outcome": "not_enough", "reason": "practice"}
    if row["overlap"] < LEAST_COVERED:
        return {"outcome": "not_enough", "reason": "not_covered"}
    # Where nearly everybody is sent this already, there is nothing to change, however clear the gain of the others.
    if row["others"] <= OTHERS:
        return {"outcome": "stay", "reason": "as_today"}
    threshold = smallest_gain * row["subscribed"]
    # Even at the same average a change may pay: some customers may now get three texts a week and others none.
    if row["gain_low"] > threshold:
        return {"outcome": "change", "reason": ""}
    if abs(row["messages_per_week"] - row["today"]) < AS_TODAY:
        return {"outcome": "stay", "reason": "as_today"}
    if row["gain_high"] < max(threshold, 0.0):
        return {"outcome": "stay", "reason": ""}
    distance = abs(row["gain"] - threshold)
    error = error_of_interval(row["gain_low"], row["gain_high"])
    return {
        "outcome": "not_enough",
        "reason": "interval",
        "factor": times_to_settle(error, distance) if distance > 0 else np.inf,
    }
