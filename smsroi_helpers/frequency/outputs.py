"""The tables that `04_frequency` saves: `frequency_response` and `frequency_policy`."""

from typing import Any

import numpy as np
import pandas as pd

from smsroi_helpers.frequency.decision import count_opt_outs
from smsroi_helpers.frequency.lifetime import summarise_draws
from smsroi_helpers.frequency.policy import NOT_KNOWN
from smsroi_helpers.frequency.study import Study

__all__ = [
    "policy_table",
    "response_table",
]


def response_table(study: Study) -> pd.DataFrame:
    """The table `frequency_response`: every frequency of every segment, up to the highest tested.

    Profit and opt-outs of a fit are pooled over arms and segments, so their evidence is `modelled`, as is that of the
    long run. Beside them stand the arms themselves, as measured: arm_profit, arm_low, arm_high (`randomised`; NaN where
    the frequency was not tested). Tested frequencies have the customers of their arm, the others those of all arms, on
    whom the model rests. overlap: share (0–1) of today's subscribers whom the test's members cover. Without a fit: the
    arms, with evidence `randomised`. Opt-outs are NaN where the source records none: not known, not 0.
    """
    columns = [
        "segment", "messages_per_week", "customers", "profit_per_week", "low", "high", "opt_out_per_week", "evidence",
        "opt_out_low", "opt_out_high", "natural_loss_per_week", "long_run_profit", "long_run_low", "long_run_high",
        "long_run_evidence", "basis", "overlap", "tested", "arm_profit", "arm_low", "arm_high",
    ]  # fmt: skip
    if study.fit is None:
        rows = []
        for row in study.arms.itertuples():
            rows.append([row.segment, row.messages_per_week, row.customers, row.profit, row.low, row.high, row.hazard,
                         "randomised", row.hazard_low, row.hazard_high, *(np.nan,) * 4, "none", "arm", np.nan, True,
                         row.profit, row.low, row.high])  # fmt: skip
        return pd.DataFrame(rows, columns=columns)
    fit = study.fit
    profit, caused, value, natural = fit.profit(), fit.caused_opt_outs(), fit.value(), fit.natural_loss()
    measured = study.arms.set_index(["segment", "messages_per_week"])[["profit", "low", "high"]].astype(float)
    rows = []
    for i, name in enumerate(fit.names):
        for g in np.flatnonzero(fit.grid <= fit.frequencies[-1]):
            k = np.flatnonzero(np.isclose(fit.frequencies, fit.grid[g]))
            customers = fit.customers[i, k[0]] if len(k) else fit.customers[i].sum()
            place = (name, float(fit.grid[g]))
            arm = measured.loc[place].to_numpy() if place in measured.index else (np.nan,) * 3
            m, h, v = summarise_draws(profit[i, g]), summarise_draws(caused[i, g]), summarise_draws(value[i, g])
            rows.append([
                name, fit.grid[g], customers, *m, h[0], "modelled", h[1], h[2], natural[i].mean(), *v, "modelled",
                fit.method, study.overlap(name), bool(len(k)), *arm,
            ])  # fmt: skip
    frame = pd.DataFrame(rows, columns=columns)
    if count_opt_outs(study).kind == "unknown":
        frame[["opt_out_per_week", "opt_out_low", "opt_out_high", "natural_loss_per_week"]] = np.nan
        frame[["long_run_profit", "long_run_low", "long_run_high"]] = np.nan
        frame["long_run_evidence"] = "none"
    return frame


def policy_table(policy: pd.DataFrame) -> pd.DataFrame:
    """The table `frequency_policy`: the recommended texts per week for each segment, and the outcome.

    Evidence is of profit_per_week, gain_evidence of the long run, cash_evidence of cash: all are computed from the
    fit, pooled over arms and segments, and none is measured.
    """
    columns = [
        "segment", "messages_per_week", "profit_per_week", "low", "high", "evidence", "outcome", "today_per_week",
        "long_run_profit", "long_run_low", "long_run_high", "gain_per_week", "gain_low", "gain_high", "cash",
        "cash_low", "cash_high", "break_even_week", "try_next", "subscribed", "overlap", "gain_evidence",
        "cash_evidence",
    ]  # fmt: skip
    rows = [
        [row.segment, row.messages_per_week, row.profit, row.profit_low, row.profit_high,
         "modelled" if np.isfinite(row.profit) else "none", row.outcome,
         row.today, row.value, row.value_low, row.value_high, row.gain, row.gain_low, row.gain_high, row.cash,
         row.cash_low, row.cash_high, _break_even(row), row.try_next, row.subscribed, row.overlap,
         *("modelled" if np.isfinite(number) else "none" for number in (row.gain, row.cash))]
        for row in policy.itertuples()
    ]  # fmt: skip
    frame = pd.DataFrame(rows, columns=columns)
    if len(policy):
        frame.loc[policy["reason"].isin(NOT_KNOWN).to_numpy(), _OF_ADVICE] = np.nan
    return frame


def _break_even(row: Any) -> float:
    """The week in which a change that costs cash at first and gains in the long run breaks even; NaN for others."""
    costs = row.cash_by_week is not None and row.reason != "as_today" and row.cash_by_week[0, 0] < 0 < row.gain
    return float(row.break_even) if costs else float("nan")


_OF_ADVICE = [
    "messages_per_week", "profit_per_week", "low", "high", "long_run_profit", "long_run_low", "long_run_high",
]  # fmt: skip
"""Columns that are unknown, as the gain and the cash are, where the test covers too few of a group's subscribers
or opt-outs are not recorded."""
