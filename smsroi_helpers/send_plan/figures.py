"""Figures of `09_send_plan`."""

import matplotlib.pyplot as plt
import numpy as np

from smsroi_helpers.locale import _
from smsroi_helpers.pages import PALETTE, Html, figure
from smsroi_helpers.send_plan.plan import SendPlan
from smsroi_helpers.send_plan.wording import grouping_name

__all__ = ["candidates_figure"]


def candidates_figure(plan: SendPlan, currency: str) -> Html:
    """The gain over today of a plan by each grouping, with intervals."""
    compared = plan.limited.compared
    gains = {each.name: each.estimate(compared.gain(each.name)) for each in plan.candidates}
    names = sorted(gains, key=lambda name: gains[name].value)
    shown = [gains[name] for name in names]
    at = np.arange(len(shown))
    ax = plt.subplots(figsize=(8.2, 1.2 + 0.45 * len(shown)))[1]
    ax.axvline(0, color=PALETTE["line"], linewidth=1, zorder=0)
    ax.hlines(at, [x.low for x in shown], [x.high for x in shown], color=PALETTE["accent"], linewidth=2)
    ax.plot([x.value for x in shown], at, "o", color=PALETTE["accent"], markersize=5)
    ax.set_yticks(at, [grouping_name(name) for name in names])
    ax.set_xlabel(_("long-run profit per customer, compared with today ({currency})").format(currency=currency))
    title = (
        _("The plan is worth more than today’s practice")
        if plan.gains
        else _("It is not shown that the plan is worth more than today’s practice")
    )
    ax.set_title(title)
    caption = _(
        "Gain of a plan by each grouping, with 95% intervals, all valued by the same model ({judge}); cross-fitted,"
        " modelled from randomised tests"
    ).format(judge=grouping_name(compared.judge))
    return figure(ax, alt=title, caption=caption)
