"""The limits of a plan in words: what its texts cost, what the budget leaves out, what the capacity costs."""

from smsroi_helpers.locale import _, joined, money, number, percent
from smsroi_helpers.pages import FEWEST_SHOWN, cost_unknown_words
from smsroi_helpers.send_plan.capacity import CapacityUse
from smsroi_helpers.send_plan.plan import SendPlan
from smsroi_helpers.send_plan.spending import BudgetCurve, Spending, count_spending
from smsroi_helpers.send_plan.what_if import WhatIf

__all__ = ["change_words", "describe_budget", "describe_capacity", "describe_curve"]


def describe_budget(plan: SendPlan, currency: str) -> str:
    """What the plan's texts cost, and what its budget leaves out.

    Args:
        plan: of `plan.make_plan`.
        currency: the source's.
    """
    found = count_spending(plan)
    if found is None:
        return cost_unknown_words()
    cost = _("The plan’s {texts} texts cost {cost}, of which {explored} are for exploring.").format(
        texts=number(found.texts), cost=money(found.cost, currency), explored=money(found.explored_cost, currency)
    )
    if not found.budget:
        return joined(cost, _worthless_words(plan), _("No budget is set."))
    limit = _("The budget is {budget}.").format(budget=money(found.budget, currency))
    shrunk = ""
    if found.shrunk:
        shrunk = _(
            "The budget is smaller than the cost of exploring, so {explored} of the customers not held out are explored"
            " with instead of {wanted}."
        ).format(explored=percent(found.explored, 1), wanted=percent(found.wanted, 1))
    return joined(limit, cost, shrunk, _worthless_words(plan) or _left_out_words(plan, found, currency))


def _worthless_words(plan: SendPlan) -> str:
    """That a budget would buy nothing but exploring; empty where texts are worth their cost."""
    if (plan.actions["texts_per_week"] > 0).any() or plan.actions["limited"].any():
        return ""
    return _("No text but those for exploring is shown to be worth its cost, so more money would bring nothing.")


def _left_out_words(plan: SendPlan, found: Spending, currency: str) -> str:
    if found.price <= 0:
        return _("The budget leaves out no text that would gain.")
    full = _("Without a budget the texts would cost {cost}.").format(cost=money(found.unlimited, currency))
    more = _(
        "The next {unit} for these weeks’ texts would bring about {profit} in the long run, if it is spent again later."
    ).format(unit=money(1.0, currency, 0), profit=money(found.price, currency))
    left = _("The budget leaves {n} customers without a text.").format(n=_people(found.left_out))
    if plan.limited.capacity.dropped:
        more = _("Money of texts that fall away by the hourly limit is not spent again.")
    return joined(full, left if found.left_out else "", more)


def _people(n: int) -> str:
    """A number of customers, not exact where it is small."""
    return number(n) if n >= FEWEST_SHOWN else _("fewer than {n}").format(n=number(FEWEST_SHOWN))


def describe_capacity(plan: SendPlan, currency: str) -> str:
    """How the texts fit into the gateway's hours, and what that costs.

    Args:
        plan: of `plan.make_plan`.
        currency: the source's.
    """
    use = plan.limited.capacity
    if not use.limit:
        return _("The busiest hour has {n} texts; no limit per hour is set.").format(n=number(use.busiest))
    limit = _("No hour has more than {n} texts, by the limit that is set.").format(n=number(use.limit))
    moved = ""
    if use.moved_hours or use.moved_days:
        moved = _(
            "Of the texts, {hours} are sent in another hour of their window and {days} on another day; these are taken"
            " to be worth the same."
        ).format(hours=number(use.moved_hours), days=number(use.moved_days))
    return joined(limit, moved, _dropped_words(use, currency))


def _dropped_words(use: CapacityUse, currency: str) -> str:
    if not use.dropped:
        return _("No text falls away.")
    return _(
        "{n} texts fall away, those of the lowest value first; {explored} of them are for exploring. The others would"
        " have brought {cash} in the plan’s weeks and {long_run} in the long run."
    ).format(
        n=number(use.dropped), explored=number(use.dropped_explored), cash=money(use.lost_cash, currency),
        long_run=money(use.lost_long_run, currency),
    )  # fmt: skip


def describe_curve(curve: BudgetCurve, currency: str) -> str:
    """From which budget on the next text loses money."""
    return _("Above {best}, the next text loses money in the long run").format(best=money(curve.best, currency))


def change_words(row: WhatIf, currency: str) -> str:
    """What is changed."""
    return {
        "plan": _("The plan"),
        "margin": _("Profit per click × {level}"),
        "price": _("Price of a text × {level}"),
        "cap": _("Most texts a week: {level}"),
        "budget": _("Budget {amount}"),
        "capacity": _("Most texts an hour: {n}"),
    }[row.change].format(level=f"{row.level:g}", amount=money(row.level, currency), n=number(row.level))
