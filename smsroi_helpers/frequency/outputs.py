"""The tables that `04_frequency` saves: `frequency_response` and `frequency_policy`."""

import numpy as np
import pandas as pd

from smsroi_helpers.frequency.decision import count_opt_outs
from smsroi_helpers.frequency.lifetime import summarise_draws
from smsroi_helpers.frequency.study import Study

__all__ = [
    "policy_table",
    "response_table",
]


def response_table(study: Study) -> pd.DataFrame:
    """The table `frequency_response`: every frequency of every segment, up to the highest tested.

    Tested ones have evidence `randomised` and the customers of their arm; those between them have evidence `modelled`
    and the customers of all arms, on whom the model rests. `modelled` is also all of a segment that had too few members
    in the test. overlap: share (0–1) of today's subscribers whom the test's members cover. Without a zero arm: the
    arms. Opt-outs are NaN where the source records none: not known, not 0.
    """
    columns = [
        "segment", "messages_per_week", "customers", "profit_per_week", "low", "high", "opt_out_per_week", "evidence",
        "opt_out_low", "opt_out_high", "natural_loss_per_week", "long_run_profit", "long_run_low", "long_run_high",
        "basis", "overlap",
    ]  # fmt: skip
    if study.fit is None:
        rows = []
        for row in study.arms.itertuples():
            rows.append([row.segment, row.messages_per_week, row.customers, row.profit, row.low, row.high, row.hazard,
                         "randomised", row.hazard_low, row.hazard_high, *(np.nan,) * 4, "arm", np.nan])  # fmt: skip
        return pd.DataFrame(rows, columns=columns)
    fit = study.fit
    profit, caused, value, natural = fit.profit(), fit.caused_opt_outs(), fit.value(), fit.natural_loss()
    rows = []
    for i, name in enumerate(fit.names):
        for g in np.flatnonzero(fit.grid <= fit.frequencies[-1]):
            k = np.flatnonzero(np.isclose(fit.frequencies, fit.grid[g]))
            customers, evidence = (
                (fit.customers[i, k[0]], "randomised") if len(k) else (fit.customers[i].sum(), "modelled")
            )
            if not study.of_own_members(name):
                evidence = "modelled"
            m, h, v = summarise_draws(profit[i, g]), summarise_draws(caused[i, g]), summarise_draws(value[i, g])
            rows.append([
                name, fit.grid[g], customers, *m, h[0], evidence, h[1], h[2], natural[i].mean(), *v, fit.method,
                study.overlap(name),
            ])  # fmt: skip
    frame = pd.DataFrame(rows, columns=columns)
    if count_opt_outs(study).kind == "unknown":
        frame[["opt_out_per_week", "opt_out_low", "opt_out_high", "natural_loss_per_week"]] = np.nan
    return frame


def policy_table(policy: pd.DataFrame) -> pd.DataFrame:
    """The table `frequency_policy`: the recommended texts per week for each segment, and the outcome."""
    columns = [
        "segment", "messages_per_week", "profit_per_week", "low", "high", "evidence", "outcome", "today_per_week",
        "long_run_profit", "long_run_low", "long_run_high", "gain_per_week", "gain_low", "gain_high", "cash",
        "cash_low", "cash_high", "break_even_week", "try_next", "subscribed",
        "overlap",
    ]  # fmt: skip
    rows = [
        [row.segment, row.messages_per_week, row.profit, row.profit_low, row.profit_high,
         "randomised" if row.own else "modelled", row.outcome,
         row.today, row.value, row.value_low, row.value_high, row.gain, row.gain_low, row.gain_high, row.cash,
         row.cash_low, row.cash_high, row.break_even, row.try_next, row.subscribed,
         row.overlap]
        for row in policy.itertuples()
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)
