"""Cash and long-run value of the tests that a page decides, apart, and when a change breaks even."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from smsroi_helpers.ab_test.decision import ExperimentAnswer, decide
from smsroi_helpers.ab_test.shared_wording import weeks_words
from smsroi_helpers.ab_test.study import DecidedIn, Evaluated
from smsroi_helpers.contract import BREAK_EVEN_WEEKS
from smsroi_helpers.locale import _, joined, number
from smsroi_helpers.pages import (
    PALETTE,
    Html,
    arm_name,
    compact_words,
    evidence_label,
    experiment_name,
    figure,
    note,
    table,
)

__all__ = [
    "cash_figure",
    "money_table",
]


def money_table(evaluated: Sequence[Evaluated], currency: str, stage: DecidedIn = "ab_test") -> Html:
    """Cash as measured and long-run value as modelled, in separate columns, of every test decided here in profit.

    Args:
        evaluated: of `ab_test.analyse`.
        currency: the source's.
        stage: whose tests are shown.
    """
    rows = []
    for answer in decide(evaluated, stage):
        if answer.cash is None:
            continue
        value = (answer.value, answer.low, answer.high)
        rows.append({
            _("Test"): experiment_name(answer.experiment.name),
            _("Arm"): arm_name(answer.decision.arm),
            _("Customers"): answer.decision.arm_customers,
            _("Weeks counted"): weeks_words(answer.cash.weeks),
            _("Cash in these weeks"): compact_words(*answer.cash.profit, currency),
            _("Long run"): compact_words(*value, currency) if answer.money == "long_run" else _("not estimated"),
            _("Evidence of the long run"): evidence_label(answer.evidence) if answer.money == "long_run" else "–",
            _("Breaks even"): _break_even_words(answer) if answer.cash_differs else "–",
        })  # fmt: skip
    if not rows:
        return note(_("No test here decides on one arm’s amount. Profit, if measured, is in the table of results."))
    caption = _(
        "Two kinds of money that are never added: cash, measured on orders during the test, and the long"
        " run, modelled from clicks, where they have a price, and opt-outs; an opt-out costs what the subscriber would"
        " have brought. Amounts are for all customers of the arm, compared with the control, with 95% intervals"
    )
    return table(pd.DataFrame(rows), caption=caption, suppress=_("Customers"), digits=0)


def _break_even_words(answer: ExperimentAnswer) -> str:
    assert answer.cash is not None
    if answer.value < 0:
        return _("earns at first and loses in the long run")
    if np.isfinite(answer.cash.break_even):
        return _("in week {week}").format(week=number(answer.cash.break_even))
    return _("not within {weeks} weeks").format(weeks=number(BREAK_EVEN_WEEKS))


def cash_figure(evaluated: Sequence[Evaluated], currency: str) -> Html:
    """The cumulative cash of changes whose cash and long-run value differ in sign, from the end of the test on.

    Args:
        evaluated: of `ab_test.analyse`.
        currency: the source's.
    """
    shown = [
        (answer, answer.cash)
        for answer in decide(evaluated)
        if answer.cash_differs and answer.cash is not None and len(answer.cash.by_week)
    ]
    if not shown:
        return note(_("No test decided here has cash and long-run value of opposite signs."))
    drawn, axes = plt.subplots(1, len(shown), figsize=(8.2, 3.0), squeeze=False, gridspec_kw={"wspace": 0.5})
    said = []
    for (answer, cash), ax in zip(shown, axes[0], strict=True):
        week, value, low, high = cash.by_week.T
        ax.axhline(0, color=PALETTE["soft"], linewidth=1.0)
        ax.fill_between(week, low, high, color=PALETTE["accent"], alpha=0.2, linewidth=0)
        ax.plot(week, value, color=PALETTE["accent"])
        if answer.value > 0 and np.isfinite(cash.break_even):
            ax.axvline(cash.break_even, color=PALETTE["orange"], linestyle="--", linewidth=1.2)
        ax.set_xlabel(_("weeks since the assignment"))
        whose = {"test": experiment_name(answer.experiment.name), "arm": arm_name(answer.decision.arm)}
        ax.set_title(_("{test}: {arm}").format(**whose))
        said.append(_("{test}, {arm}: {cash}.").format(**whose, cash=_break_even_words(answer)))
    axes[0, 0].set_ylabel(_("cumulative cash ({currency})").format(currency=currency) if currency else _("cash so far"))
    return figure(
        drawn,
        alt=joined(*said),
        caption=_(
            "Cumulative cash of a change compared with its control, over all customers of the arm, undiscounted; bands"
            " are 95% intervals. The line begins with the cash measured in the test; then subscribers kept or lost"
            " bring the weekly profit of a subscriber. The dashed line is the week in which it breaks even. Long-run"
            " value is another kind of money and is not drawn here."
        ),
    )
