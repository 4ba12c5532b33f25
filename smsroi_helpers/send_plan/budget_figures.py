"""Figure of profit against budget."""

import matplotlib as mpl
import matplotlib.pyplot as plt

from smsroi_helpers.locale import _, money
from smsroi_helpers.pages import PALETTE, Html, compact_words, figure, tooltips
from smsroi_helpers.send_plan.budget_wording import describe_curve
from smsroi_helpers.send_plan.spending import BudgetCurve

__all__ = ["curve_figure"]


def curve_figure(curve: BudgetCurve | None, currency: str, weeks: int) -> Html | None:
    """Profit in the long run and in the plan's weeks by budget; None where `limits_note` says why there is none.

    Args:
        curve: of `spending.find_curve`.
        currency: the source's.
        weeks: of the plan.
    """
    if curve is None:
        return None
    drawing, panels = plt.subplots(1, 2, figsize=(9.0, 3.6), layout="constrained")
    budget = [each.budget for each in curve.points]
    names = (_("Long run"), _("Cash of {n} weeks").format(n=weeks))
    for ax, name, shown in zip(
        panels, names, ([x.long_run for x in curve.points], [x.cash for x in curve.points]), strict=True
    ):
        ax.axhline(0, color=PALETTE["line"], linewidth=1, zorder=0)
        ax.fill_between(budget, [x.low for x in shown], [x.high for x in shown], color=PALETTE["accent"], alpha=0.15)
        ax.plot(budget, [x.value for x in shown], "o-", color=PALETTE["accent"], markersize=4)
        tooltips(ax, budget, [x.value for x in shown], [
            _("{budget}: {value}").format(
                budget=money(each, currency), value=compact_words(x.value, x.low, x.high, currency)
            )
            for each, x in zip(budget, shown, strict=True)
        ])  # fmt: skip
        ax.axvline(curve.best, color=PALETTE["orange"], linestyle="--", linewidth=1)
        ax.set_title(name, fontsize=mpl.rcParams["axes.labelsize"], fontweight="normal")
        ax.set_xlabel(_("budget ({currency})").format(currency=currency))
    panels[0].set_ylabel(_("profit against no texts ({currency})").format(currency=currency))
    title = describe_curve(curve, currency)
    drawing.suptitle(
        title, x=0.01, ha="left", fontsize=mpl.rcParams["axes.titlesize"], fontweight=mpl.rcParams["axes.titleweight"]
    )
    nearest = curve.nearest_best
    alt = _("{title}. At {budget} the plan brings {long_run} in the long run and {cash} in its weeks.").format(
        title=title, budget=money(nearest.budget, currency),
        **{name: compact_words(each.value, each.low, each.high, currency)
           for name, each in (("long_run", nearest.long_run), ("cash", nearest.cash))},
    )  # fmt: skip
    caption = _(
        "Profit by budget for all texts of the plan, exploring included, with 95% intervals; the dashed line is where"
        " the next text loses money in the long run; modelled, cross-fitted"
    )
    return figure(drawing, alt=alt, caption=caption)
