"""How many customers get too few, about the right number and too many texts today, and the cost of it."""

import numpy as np
import pandas as pd

from smsroi_helpers.frequency.counts import ALL
from smsroi_helpers.frequency.lifetime import summarise_draws
from smsroi_helpers.frequency.study import Study

__all__ = [
    "measure_saturation",
]


def share_levels(found: pd.DataFrame) -> pd.DataFrame:
    """The rows of `measure_saturation` with under_share, right_share and over_share (0–1, of the row's customers)."""
    return found.assign(**{f"{level}_share": found[level] / found["customers"] for level in ("under", "right", "over")})


def measure_saturation(study: Study, policy: pd.DataFrame) -> pd.DataFrame:
    """Count customers who get too few, about the right number and too many texts today, and the cost of it.

    Customers are those subscribed on the last day observed, outside experiments, and subscribed throughout at least one
    of today's weeks. Their texts per whole week are compared with the recommended number for their segment; within half
    a text a week counts as right.

    Returns:
        One row per segment with a recommended number (to change to, or to keep as today's best), `all` (their sum)
        first: segment, customers, under, right, over (customers); under_cost, over_cost, cost (money a week compared
        with the recommendation, net of opt-outs), cost_low, cost_high.
    """
    columns = [
        "segment", "customers", "under", "right", "over", "under_cost", "over_cost", "cost", "cost_low", "cost_high",
    ]  # fmt: skip
    fit = study.fit
    if fit is None or not len(policy) or not len(study.logs.audience):
        return pd.DataFrame(columns=columns)
    rows, drawn = [], []
    audience = study.logs.audience
    audience = audience[(audience["outside"] == 1) & (audience["weeks"] > 0)]
    net = fit.net_profit()
    for row in policy.itertuples():
        if row.segment == ALL or not (row.outcome == "change" or row.reason == "as_today"):
            continue
        own = audience[audience["segment"] == row.segment].groupby(["texts", "weeks"])["customers"].sum().reset_index()
        if not len(own):
            continue
        i = fit.index(row.segment)
        texts = (own["texts"] / own["weeks"]).to_numpy(float)
        people = own["customers"].to_numpy(float)
        lost = net[i, fit.grid_index(row.messages_per_week)][None] - fit.interpolate(net[i], texts)
        side = np.select([texts < row.messages_per_week - 0.5, texts > row.messages_per_week + 0.5], [0, 2], 1)
        costs = [(people[side == k] @ lost[side == k]) for k in range(3)]
        whole = costs[0] + costs[2]
        drawn.append(whole)
        cost, low, high = summarise_draws(whole)
        rows.append([
            row.segment, people.sum(), *(people[side == k].sum() for k in range(3)), costs[0].mean(), costs[2].mean(),
            cost, low, high,
        ])  # fmt: skip
    if not rows:
        return pd.DataFrame(columns=columns)
    frame = pd.DataFrame(rows, columns=columns)
    total = frame.drop(columns=["segment", "cost_low", "cost_high"]).sum()
    cost, low, high = summarise_draws(np.sum(drawn, axis=0))
    first = pd.DataFrame([{"segment": ALL, **total, "cost": cost, "cost_low": low, "cost_high": high}])
    return pd.concat([first, frame], ignore_index=True)[columns]
