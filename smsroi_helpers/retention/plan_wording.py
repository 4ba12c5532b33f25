"""The win-back test that would decide, in words."""

import math

import numpy as np

from smsroi_helpers.locale import _, day, joined, money, number, percent, sentence
from smsroi_helpers.retention.base_audit import FEWEST_SHOWN
from smsroi_helpers.retention.planning import LONGEST_MONTHS, WinBackPlan

__all__ = ["plan_words", "rounded"]


def rounded(customers: float) -> float:
    """A number of customers to two significant digits."""
    return float(f"{customers:.2g}")


def plan_words(plan: WinBackPlan | None, currency: str) -> str:
    """The test that would decide on win-back, in sentences; empty without a plan."""
    if plan is None:
        return ""
    if not np.isfinite(plan.customers):
        return _("Of {n} inactive customers none came back within {weeks} weeks, so a test cannot be planned.").format(
            n=number(plan.watched), weeks=number(plan.weeks)
        )
    words = joined(_returned_words(plan, currency), _needed_words(plan))
    if not plan.cost:
        return words
    pays = _("{texts} texts pay if purchases rise by {break_even} percentage points or more.").format(
        texts=number(plan.texts), break_even=number(100 * plan.break_even, 2)
    )
    return joined(words, sentence(pays), _why_this_difference(plan))


def _returned_words(plan: WinBackPlan, currency: str) -> str:
    """Who came back in the weeks just behind: with the texts they got, and without any."""
    words = _(
        "With the texts they got, {share} of the {n} customers who were inactive and subscribed bought between {since}"
        " and {until}, for a profit of {profit} each."
    )
    if plan.untexted == plan.watched:
        words = _(
            "Without any text, {share} of the {n} inactive customers bought between {since} and {until}, for a profit"
            " of {profit} each."
        )
    words = words.format(
        share=percent(plan.returned, 1), n=number(plan.watched), since=day(plan.since), until=day(plan.until),
        profit=money(plan.profit, currency),
    )  # fmt: skip
    if not 10 <= plan.untexted < plan.watched - 9:
        return words
    return joined(
        words,
        _(
            "Of the {n} who got no text in these weeks, {share} did (observational: who got texts was not random)."
        ).format(n=number(plan.untexted), share=percent(plan.untexted_returned, 1)),
    )


def _why_this_difference(plan: WinBackPlan) -> str:
    """Why the test is to detect this increase."""
    if plan.difference > plan.break_even:
        return _(
            "The test is planned for {difference} percentage points, a tenth of the {share} who bought. A smaller rise"
            " that still pays takes more customers."
        ).format(difference=number(100 * plan.difference, 2), share=percent(plan.base, 1))
    return _("The test is planned for that rise.")


def _needed_words(plan: WinBackPlan) -> str:
    """How many customers the test needs, how many there are, and what that means."""
    words = _(
        "A test that detects {difference} percentage points more needs {needed} customers, half of them without texts;"
        " {have} are inactive and may be texted."
    ).format(
        difference=number(100 * plan.difference, 2), needed=number(rounded(plan.customers)),
        have=number(plan.inactive),
    )  # fmt: skip
    others = ""
    if plan.out_of_reach:
        others = _(
            "Another {n} are inactive and subscribed, but on no list: no text ever reached them, or a running"
            " experiment decides about their texts."
        ).format(n=number(plan.out_of_reach) if plan.out_of_reach >= FEWEST_SHOWN else f"<{FEWEST_SHOWN}")
    if plan.enough or not plan.inactive:
        return joined(words, others)
    words = joined(
        words,
        _("They would show only {points} percentage points or more.").format(points=number(100 * plan.detectable, 1)),
        others,
    )
    if plan.months > LONGEST_MONTHS:
        pooled = _("About {n} more become inactive a month, too few to reach that number within {months} months.")
    else:
        pooled = _("About {n} more become inactive a month, so the test takes about {months} months.")
    months = LONGEST_MONTHS if plan.months > LONGEST_MONTHS else math.ceil(plan.months)
    return joined(words, pooled.format(n=number(rounded(plan.entered_per_month)), months=number(months)))
