"""The table of `05_ab_test` on what the next test would detect."""

import numpy as np
import pandas as pd

from smsroi_helpers.ab_test.planning import Audience
from smsroi_helpers.locale import _, day, joined, money, number, percent, sentence
from smsroi_helpers.pages import Html, note, practice_dates, table
from smsroi_helpers.pages import practice_table as practice
from smsroi_helpers.statistics import FEW_EVENTS

__all__ = [
    "planner_table",
    "practice_table",
]


def planner_table(found: Audience, plan: pd.DataFrame, currency: str) -> Html:
    """What tests on these customers would detect, by weeks and arms.

    Args:
        found: of `ab_test.read_audience`.
        plan: of `ab_test.plan_next_test`.
        currency: the source's.
    """
    if not found.knows_orders:
        return note(
            _(
                "This source has no orders, so which profit the next test would show is not known: `smsroi plan-test`"
                " plans from numbers of your own. {n} customers can be texted after {day}."
            ).format(n=number(found.customers), day=day(found.last_day) if found.last_day else "")
        )
    if not len(plan):
        return note(
            _("Too short a log, or nobody to text, to plan on: `smsroi plan-test` plans from numbers of your own.")
        )
    wanted = _("Customers to detect a gain of {gain} each a week").format(
        gain=money(plan["wanted_gain"].iloc[0], currency)
    )
    base = found.windows.set_index("weeks")
    rows = [
        {
            _("Weeks"): number(row.weeks),
            _("Arms beside the control"): number(row.arms),
            _("Customers in each"): row.per_arm,
            _("Smallest gain seen, per customer and week"): money(row.smallest_gain, currency),
            _("… of what one brings"): percent(row.smallest_share) if np.isfinite(row.smallest_share) else "–",
            _("… of the whole list, a week"): money(row.smallest_money, currency, 0),
            _("Rise in the share who order, points (now)"): _("{points} ({rate})").format(
                points=number(100 * row.smallest_rate, 1), rate=percent(base.loc[row.weeks, "base_rate"], 1)
            ),
            _("Rise in orders per customer (now)"): _("{orders} ({now})").format(
                orders=number(row.smallest_orders, 3), now=number(base.loc[row.weeks, "orders"], 2)
            ) if np.isfinite(row.smallest_orders) else "–",
            wanted: number(row.customers_needed) if np.isfinite(row.customers_needed) else "–",
        }
        for row in plan.itertuples()
    ]  # fmt: skip
    return table(
        pd.DataFrame(rows), caption=_planner_caption(found, plan, currency), suppress=_("Customers in each"), fold=True
    )


def practice_table(found: Audience) -> Html:
    """The weeks that are called today, and what was sent in them."""
    return practice(found.practice) if found.practice is not None else note(_("What is done today is not known."))


def _dates(found: Audience) -> str:
    return practice_dates(found.practice) if found.practice is not None else ""


def _planner_caption(found: Audience, plan: pd.DataFrame, currency: str) -> str:
    parts = [
        _(
            "What the next test would detect with 80% power, on all {n} customers who can be texted after {day}, from"
            " what they bought in as many weeks up to then. Arms are of one size and read once, at the end; read"
            " every day, it detects about half as much again"
        ).format(n=number(found.customers), day=day(found.last_day) if found.last_day else "")
    ]
    cheap = plan.iloc[0]
    if np.isfinite(cheap["breakeven_rate"]) and cheap["breakeven_rate"] > 0:
        parts.append(
            _(
                "One more message a week costs {cost} (the mean of today’s messages, {dates}) and pays for itself from"
                " {points} points more who order in {weeks} weeks on"
            ).format(
                cost=money(found.message_cost, currency, 3), dates=_dates(found),
                points=number(100 * cheap["breakeven_rate"], 2), weeks=number(cheap["weeks"]),
            )
        )  # fmt: skip
    elif not np.isfinite(found.message_cost) and found.practice is not None:
        parts.append(_("What a message costs is not known, so from which rise one pays for itself is not known either"))
    if not np.isfinite(plan["smallest_gain"]).all():
        parts.append(
            _(
                "Where no smallest gain is shown, even a large gain would not be recommended with 80% power: that also"
                " takes {n} buyers in each arm, and enough customers to show that opt-outs rise by no more than"
                " `opt_out_margin` allows"
            ).format(n=number(FEW_EVENTS))
        )
    parts.append(
        _(
            "The last column is of a gain of a tenth of what one brings, above the smallest gain worth having: one of"
            " all these customers, in the longest of these windows. The planned gain of a test that has begun is a"
            " tenth of what its own control group brings, so the two differ"
        )
    )
    parts.append(_("A control smaller than the arms, or daily reading, takes several times the customers"))
    return joined(*(sentence(part) for part in parts))
