"""The arms of the frequency test without a model: each compared with the zero arm, or with the fewest texts.

The definitions of m and H are those of `dose_response`.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from smsroi_helpers.frequency.counts import ALL
from smsroi_helpers.statistics import Floats, by_group, difference_of_means, jackknife, jackknife_rate

__all__ = [
    "compare_with_smallest",
    "estimate_arms",
]


def estimate_arms(cells: pd.DataFrame, doses: Mapping[str, float], by: str = "segment") -> pd.DataFrame:
    """Compare every arm with the zero arm, without a model; intervals by a jackknife over customers.

    Args:
        cells: of `counts.count_arms`.
        doses: arm → texts a week.
        by: the column of groups; rows `all` for all customers come first.

    Returns:
        One row per group and number of texts: segment, messages_per_week, customers, weeks, sent (texts per subscribed
        week), clicks (per subscribed week), clicks_low, clicks_high; hazard (H), hazard_low, hazard_high, opt_outs
        (these four NaN where the source records no opt-outs); profit (m), low, high; orders, revenue (per customer).
        Without a zero arm, m is NaN. In the zero arm it is 0 and has no interval.
    """
    rows = cells[cells["consenting"] == 1].assign(dose=lambda c: c["arm"].map(doses))
    names = [
        "n", "weeks", "profit__sum_y", "opt_outs", "clicks", "messages", "orders", "revenue", "consent_known",
    ]  # fmt: skip
    parts = []
    for key in ([], [by]):
        keys, sums = by_group(rows, [*key, "dose"], names)
        keys["segment"] = keys[by].astype(str) if key else ALL
        parts.append(_plain_rows(keys, dict(zip(names, sums, strict=True))))
    return pd.concat(parts, ignore_index=True)


def _plain_rows(keys: pd.DataFrame, sums: dict[str, Floats]) -> pd.DataFrame:
    frame = pd.DataFrame({"segment": keys["segment"], "messages_per_week": keys["dose"].astype(float)})
    whole = {name: values.sum(axis=-1) for name, values in sums.items()}
    frame = frame.assign(customers=whole["n"], weeks=whole["weeks"], opt_outs=whole["opt_outs"])
    with np.errstate(divide="ignore", invalid="ignore"):
        frame = frame.assign(
            sent=whole["messages"] / whole["weeks"],
            orders=whole["orders"] / whole["n"],
            revenue=whole["revenue"] / whole["n"],
        )
    clicks = jackknife(lambda s: s[0] / s[1], np.stack([sums["clicks"], sums["weeks"]]))
    leaving = jackknife_rate(np.minimum(sums["opt_outs"], sums["weeks"]), sums["weeks"], whole["weeks"])
    frame = frame.assign(
        clicks=clicks.estimate, clicks_low=clicks.low, clicks_high=clicks.high,
        hazard=leaving.estimate, hazard_low=leaving.low, hazard_high=leaving.high,
    )  # fmt: skip
    frame.loc[whole["consent_known"] == 0, ["hazard", "hazard_low", "hazard_high", "opt_outs"]] = np.nan
    none = frame.index[frame["messages_per_week"] == 0]
    at = frame["segment"].map(pd.Series(none.to_numpy(float), index=frame.loc[none, "segment"].to_numpy()))
    columns = ("profit", "low", "high")
    frame[list(columns)] = np.nan
    treated = frame.index[at.notna() & (frame["messages_per_week"] > 0)]
    if len(treated):
        base = at[treated].astype(int)
        own = [sums[name][treated] for name in ("profit__sum_y", "n", "weeks")]
        stacked = np.stack([*own, sums["profit__sum_y"][base], sums["n"][base]])
        m = jackknife(lambda s: (s[0] / s[1] - s[3] / s[4]) * s[1] / s[2], stacked)
        for name, values in zip(columns, (m.estimate, m.low, m.high), strict=True):
            frame.loc[treated, name] = values
    frame.loc[none, "profit"] = 0.0
    return frame


def compare_with_smallest(cells: pd.DataFrame, doses: Mapping[str, float]) -> pd.DataFrame:
    """Profit per customer of each arm less that of the arm with the fewest texts, for tests without a zero arm.

    Args:
        cells: of `counts.count_arms`.
        doses: arm → texts a week.

    Returns:
        One row per number of texts, ascending: messages_per_week, difference, low, high; NaN for the smallest.
    """
    own = cells[cells["consenting"] == 1]
    own = own.assign(messages_per_week=own["arm"].map(doses)).groupby("messages_per_week")
    sums = own[["profit__n", "profit__sum_y", "profit__sum_y2"]].sum().sort_index()
    n, total, squares = sums.to_numpy(float).T
    found = difference_of_means((n[1:], total[1:], squares[1:]), (n[:1], total[:1], squares[:1]))
    rows = sums.reset_index()[["messages_per_week"]].assign(difference=np.nan, low=np.nan, high=np.nan)
    rows.loc[1:, ["difference", "low", "high"]] = np.stack([found.estimate, found.low, found.high], axis=1)
    return rows
