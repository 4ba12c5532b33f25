"""The chosen plan in short: how many texts, when and which, over the customers who get any."""

from dataclasses import dataclass

import pandas as pd

from smsroi_helpers.send_plan.plan import SendPlan

__all__ = ["InShort", "count_actions", "summarise_plan"]


@dataclass(frozen=True)
class InShort:
    """Ranges over the customers who get texts."""

    fewest: float
    """Texts a week."""
    most: float
    """Texts a week."""
    first: int
    """The hour (0–23, local time) from which texts go out."""
    end: int
    """The hour (1–24, local time) until which they do."""
    text: str
    """The creative that most of these customers get."""
    share: float
    """Share (0–1) of these customers who get it."""
    weekdays: frozenset[int]
    """0: Monday."""


def count_actions(plan: SendPlan) -> pd.DataFrame:
    """What the customers get for whom the plan decides, most customers first.

    Returns:
        type (the group), reason, texts_per_week, hour, variant; customers, messages.
    """
    by = ("type", "reason", "texts_per_week", "hour", "variant")
    rows = plan.messages.filter(plan.messages.role == "plan")
    counted = rows.group_by(*by).aggregate(
        customers=rows.customer_id.nunique(), messages=rows.count(where=rows.send_at.notnull())
    )
    return plan.shop.count(counted.order_by(*by)).sort_values(["customers"], ascending=False)


def summarise_plan(plan: SendPlan) -> InShort | None:
    """The range of frequencies, hours and weekdays, and the most common text; None where nobody gets any."""
    policy, customers, doses = plan.chosen.policy, plan.chosen.today.customers, plan.design.doses
    sent = [
        (action, float(customers[p, mask] * share))
        for (p, mask, _part), action, share in policy.parts()
        if doses[action.dose] > 0 and customers[p, mask] * share > 0
    ]
    if not sent:
        return None
    weekly = [float(doses[action.dose]) for action, _n in sent]
    windows = [plan.evidence.windows[action.window] for action, _n in sent]
    by_text: dict[str, float] = {}
    for action, n in sent:
        text = plan.evidence.creatives[action.text]
        by_text[text] = by_text.get(text, 0.0) + n
    text = max(by_text, key=lambda name: by_text[name])
    return InShort(
        min(weekly), max(weekly), min(start for start, _end in windows), max(end for _start, end in windows), text,
        by_text[text] / sum(by_text.values()), frozenset(day for action, _n in sent for day in action.weekdays),
    )  # fmt: skip
