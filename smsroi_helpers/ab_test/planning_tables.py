"""The table of `05_ab_test` on what the next test would detect."""

import numpy as np
import pandas as pd

from smsroi_helpers.ab_test.planning import Audience
from smsroi_helpers.locale import _, joined, money, number, percent, sentence
from smsroi_helpers.pages import Html, note, table

__all__ = [
    "planner_table",
]


def planner_table(found: Audience, plan: pd.DataFrame, currency: str) -> Html:
    """What tests on these customers would detect, by weeks and arms.

    Args:
        found: of `ab_test.read_audience`.
        plan: of `ab_test.plan_next_test`.
        currency: the source's.
    """
    if not len(plan):
        return note(
            _("Too short a log, or nobody to text, to plan on: `smsroi plan-test` plans from numbers of your own.")
        )
    wanted = _("Customers for {gain} each a week").format(gain=money(plan["wanted_gain"].iloc[0], currency))
    base = found.windows.set_index("weeks")
    rows = [
        {
            _("Weeks"): number(row.weeks),
            _("Arms beside the control"): number(row.arms),
            _("Customers in each"): row.per_arm,
            _("Smallest gain seen, per customer and week"): money(row.smallest_gain, currency),
            _("… of what one brings"): percent(row.smallest_share) if np.isfinite(row.smallest_share) else "–",
            _("… of the whole list, a week"): money(row.smallest_money, currency, 0),
            _("Rise in who order, points (order rate)"): _("{points} ({rate})").format(
                points=number(100 * row.smallest_rate, 1), rate=percent(base.loc[row.weeks, "base_rate"], 1)
            ),
            wanted: number(row.customers_needed) if np.isfinite(row.customers_needed) else "–",
        }
        for row in plan.itertuples()
    ]  # fmt: skip
    return table(pd.DataFrame(rows), caption=_planner_caption(found, plan, currency), suppress=_("Customers in each"))


def _planner_caption(found: Audience, plan: pd.DataFrame, currency: str) -> str:
    parts = [
        _(
            "What the next test would show four times out of five, on all {n} customers who can be texted today, arms"
            " of one size, read once at its end (every day: about half as much again), from what they bought in as many"
            " weeks just past"
        ).format(n=number(found.customers))
    ]
    cheap = plan.iloc[0]
    if np.isfinite(cheap["breakeven_rate"]) and cheap["breakeven_rate"] > 0:
        parts.append(
            _(
                "One more message a week costs {cost} and pays for itself from {points} points more who order in"
                " {weeks} weeks on"
            ).format(
                cost=money(found.message_cost, currency, 3), points=number(100 * cheap["breakeven_rate"], 2),
                weeks=number(cheap["weeks"]),
            )
        )  # fmt: skip
    parts.append(_("A control smaller than the arms, or daily reading, takes several times the customers"))
    return joined(*(sentence(part) for part in parts))
