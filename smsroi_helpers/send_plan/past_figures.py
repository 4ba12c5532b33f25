"""Figures of earlier plans: promise against outcome, by plan and by tenth of the promise."""

import matplotlib.pyplot as plt
import numpy as np

from smsroi_helpers.locale import _, day, listed, number
from smsroi_helpers.pages import PALETTE, Html, figure, plan_title
from smsroi_helpers.send_plan.past_comparison import Comparison
from smsroi_helpers.send_plan.past_tables import tenths_table
from smsroi_helpers.send_plan.past_wording import plan_name
from smsroi_helpers.send_plan.previous_plans import PlanScore, PreviousPlans

__all__ = [
    "calibration_figure",
    "track_figure",
]


_FEWEST_PLANS = 2
"""Of fewer, the table says as much as a picture."""


def track_figure(found: PreviousPlans, currency: str) -> Html | None:
    """Promise and outcome of every plan with a score, in the order of time; None with fewer than two.

    Args:
        found: of `previous_plans.score_plans`.
        currency: the source's.
    """
    shown = [(each, each.main) for each in found.plans if each.main is not None and each.main.measured.known]
    if len(shown) < _FEWEST_PLANS:
        return None
    ax = plt.subplots(figsize=(8.2, 1.4 + 0.5 * len(shown)))[1]
    at = np.arange(len(shown))[::-1]
    measured = [main.measured for _score, main in shown]
    ax.axvline(0, color=PALETTE["line"], linewidth=1, zorder=0)
    ax.hlines(at, [x.low for x in measured], [x.high for x in measured], color=PALETTE["accent"], linewidth=2)
    ax.plot([x.value for x in measured], at, "o", color=PALETTE["accent"], label=_("measured, with 95% interval"))
    ax.plot([main.promised for _score, main in shown], at, "D", color=PALETTE["orange"], label=_("promised"))
    ax.set_yticks(at, [day(score.plan.first) if score.plan.first else score.plan.plan_id for score, _main in shown])
    ax.set_ylim(-0.6, len(shown) - 0.4)
    ax.set_xlabel(_("incremental profit per customer over the plan’s weeks ({currency})").format(currency=currency))
    ax.legend(loc="best")
    missed = len([main for _score, main in shown if main.gap.excludes(0.0)])
    title = _("Promise outside the interval: {n} of {all} plans").format(n=number(missed), all=number(len(shown)))
    ax.set_title(title)
    points = listed(
        _("{plan}: promised {promised}, measured {measured}").format(
            plan=plan_name(score), promised=number(main.promised, 2), measured=number(main.measured.value, 2)
        )
        for score, main in shown
    )
    return figure(
        ax, alt=_("{title}. {points}").format(title=title, points=points),
        caption=_("Promise and outcome of earlier plans, by first day; outcomes are randomised, against no texts"),
    )  # fmt: skip


def calibration_figure(score: PlanScore | None, currency: str) -> Html | None:
    """Promise against outcome by tenths of the promise; on the line, promises are kept.

    Args:
        score: of `previous_plans.score_plans`; None: there is none, and nothing to show.
        currency: the source's.
    """
    if score is None:
        return None
    rows: tuple[Comparison, ...] = score.tenths
    if not rows:
        return tenths_table(score, currency)  # which says why
    ax = plt.subplots(figsize=(8.2, 4.4))[1]
    promised = np.array([each.promised for each in rows])
    low, value, high = (
        np.array([getattr(each.measured, name) for each in rows]) for name in ("low", "value", "high")
    )  # fmt: skip
    ends = [min(0.0, promised.min()), promised.max()]
    ax.axhline(0, color=PALETTE["line"], linewidth=1)
    ax.plot(ends, ends, color=PALETTE["soft"], linestyle="--", label=_("promise kept"))
    ax.vlines(promised, low, high, color=PALETTE["accent"], linewidth=2)
    ax.plot(promised, value, "o", color=PALETTE["accent"], label=_("measured, with 95% interval"))
    ax.set_xlabel(_("promised per customer ({currency})").format(currency=currency))
    ax.set_ylabel(_("measured per customer ({currency})").format(currency=currency))
    ax.legend(loc="upper left")
    above, below = (sum(each.gap.excludes(0.0) and sign * each.gap.value > 0 for each in rows) for sign in (1, -1))
    title = _("Promised too much in {above} of {n} groups, too little in {below}").format(
        above=number(above), n=number(len(rows)), below=number(below)
    )
    ax.set_title(title)
    points = listed(
        _("promised {promised}, measured {measured} ({low} to {high})").format(
            promised=number(each.promised, 2), measured=number(each.measured.value, 2),
            low=number(each.measured.low, 2), high=number(each.measured.high, 2),
        )
        for each in rows
    )  # fmt: skip
    return figure(
        ax, alt=_("{title}. {points}").format(title=title, points=points),
        caption=_("{plan}: incremental profit by size of the promise; each interval stands alone").format(
            plan=plan_title(score.plan.plan_id, score.plan.first)
        ),
    )  # fmt: skip
