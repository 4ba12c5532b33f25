"""What this plan is worth beside what the last plan was measured to bring, on the same terms.

Both are profit per customer over as many weeks, compared with no texts. One was measured, by customers held out of the
last plan; the other is modelled, from tests, for the customers of this one. The value of today's practice by the same
model stands beside it where today's texts are those of the last plan: then the model has been tested by the holdout.
"""

import datetime as dt
from dataclasses import dataclass

from smsroi_helpers.send_plan.decision import correct
from smsroi_helpers.send_plan.plan import SendPlan
from smsroi_helpers.send_plan.previous_plans import PreviousPlans
from smsroi_helpers.send_plan.valuation import Estimate
from smsroi_helpers.statistics import sum_interval

__all__ = ["Reconciled", "reconcile", "subtract"]

_SAME = 0.9
"""Share of today's texts that followed a plan from which today's practice is taken for that plan."""


@dataclass(frozen=True)
class Reconciled:
    """What the last plan brought and this one is to bring: money per customer over `weeks`, against no texts."""

    weeks: int
    measured: Estimate
    first: dt.date
    last: dt.date
    """The days of the last plan, both included."""
    modelled: Estimate
    """Of this plan; multiplied by what earlier plans kept of their promise, where promises are corrected."""
    gap: Estimate
    """modelled − measured."""
    today: Estimate | None
    """Of today's practice, by the same model, where that is the last plan; else None."""
    today_gap: Estimate | None
    """today − measured."""


def reconcile(plan: SendPlan, past: PreviousPlans | None) -> Reconciled | None:
    """This plan beside the last one that was measured; None without one, or where it was for other weeks.

    Args:
        plan: of `make_plan`.
        past: of `score_plans`; None: no earlier plan is known.
    """
    latest = past.latest if past else None
    main = latest.main if latest else None
    if past is None or latest is None or main is None or latest.plan.first is None or latest.last is None:
        return None
    if not main.measured.known or latest.plan.horizon_days != 7 * plan.calendar.weeks:
        return None
    chosen, practice = plan.chosen, plan.audience.practice
    measured = Estimate(main.measured.value, main.measured.low, main.measured.high)
    modelled = chosen.estimate(chosen.cash)
    if past.factor.corrects:
        modelled = correct(modelled, past.factor)
    overlaps = practice.first_day <= latest.last and practice.last_day >= latest.plan.first
    is_today = overlaps and practice.planned >= _SAME * max(practice.messages, 1)
    today = chosen.estimate(chosen.today_cash) if is_today else None
    return Reconciled(
        plan.calendar.weeks, measured, latest.plan.first, latest.last, modelled, subtract(modelled, measured), today,
        subtract(today, measured) if today else None,
    )  # fmt: skip


def subtract(one: Estimate, two: Estimate) -> Estimate:
    """The difference of two independent estimates, of `statistics.sum_interval`.

    >>> subtract(Estimate(5.0, 2.0, 8.0), Estimate(1.0, -3.0, 5.0))
    Estimate(value=4.0, low=-1.0, high=9.0)
    """
    less = (-two.value, -two.high, -two.low)
    return Estimate(*sum_interval((one.value, one.low, one.high), less))
