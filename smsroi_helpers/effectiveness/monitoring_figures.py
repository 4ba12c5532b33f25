"""The figure of «Is anything off today?»: the days of a channel with their expected ranges."""

import datetime as dt

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from smsroi_helpers.effectiveness.monitoring import Monitoring, Series
from smsroi_helpers.effectiveness.monitoring_wording import metric_name, scope_words
from smsroi_helpers.locale import _, number
from smsroi_helpers.pages import PALETTE, Html, figure, note

__all__ = ["bands_figure"]

_DAYS_BEFORE = 28
"""Days shown before those watched."""


def bands_figure(monitoring: Monitoring, currency: str) -> Html:
    """Each metric of the channel with the most alerts, else the most texts: its days, and their expected ranges.

    Args:
        monitoring: of `monitoring.monitor`.
        currency: the source's; empty where it names none.
    """
    chosen = monitoring.shown_channel
    if not chosen:
        return note(_("No channel has enough days to be watched yet."))
    shown = [each for each in monitoring.series if each.kind == "channel" and each.scope == chosen]
    rows = (len(shown) + 1) // 2
    fig, axes = plt.subplots(rows, 2, figsize=(8.2, 2.4 * rows), squeeze=False, layout="constrained")
    off = [day for ax, each in zip(axes.flat, shown, strict=False) for day in _draw(ax, each, monitoring, currency)]
    for ax in axes.flat[len(shown) :]:
        ax.set_axis_off()
    name = scope_words("channel", chosen)
    alt = _("{metrics} of {scope} by day, with the expected range of each of the last {days} days; {n} days outside.")
    caption = _(
        "Dots: the days of {scope}. Band: the range that raises no alert, known the day before. Orange: outside, or"
        " a level of the last weeks that is off."
    )
    return figure(
        fig,
        alt=alt.format(
            metrics=_(", ").join(metric_name(each.metric) for each in shown), scope=name, days=number(monitoring.days),
            n=number(len(off)),
        ),
        caption=caption.format(scope=name),
    )  # fmt: skip


def _log_ticks(ax: Axes) -> None:
    """A log axis with labels enough to read values off, also within one power of ten."""
    ax.set_yscale("log")
    low, high = ax.get_ylim()
    steps = MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10]) if high < 10 * low else LogLocator(subs=(1.0, 2.0, 5.0))
    ax.yaxis.set_major_locator(steps)
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _place: number(value, _digits(value))))
    ax.yaxis.set_minor_formatter(NullFormatter())


def _digits(value: float) -> int:
    """Decimals that write the value of a tick, at most four."""
    return next((digits for digits in range(4) if abs(round(value, digits) - value) < 1e-9), 4)


def _draw(ax: Axes, each: Series, monitoring: Monitoring, currency: str) -> list[dt.date]:
    """Draw one metric; return its days with an alert."""
    watched, numbers = each.watched, each.watched.numbers
    start = max(watched.start - _DAYS_BEFORE, 0)
    factor = 1.0 if numbers.kind == "quantity" else 100.0
    value = factor * each.values
    low, _middle, high = (factor * x for x in watched.day_range(monitoring.chance))
    dates = np.array([each.first + dt.timedelta(days=i) for i in range(len(value))])
    known = numbers.known & (np.arange(len(value)) >= start)
    range_of = known & watched.watched & np.isfinite(watched.z)
    ax.fill_between(dates[range_of], low[range_of], high[range_of], color=PALETTE["accent"], alpha=0.2, linewidth=0)
    alarm = monitoring.alert_days(each) & known
    ax.plot(dates[known & ~alarm], value[known & ~alarm], "o", color=PALETTE["accent"], markersize=3)
    ax.plot(dates[alarm], value[alarm], "o", color=PALETTE["orange"], markersize=4.5)
    unit = _("percent") if numbers.kind == "share" else currency
    if numbers.kind == "quantity":
        _log_ticks(ax)
    ax.set_title(metric_name(each.metric))
    ax.set_ylabel(unit)
    ticks = dates[start :: max(len(dates[start:]) // 4, 1)]
    ax.set_xticks(ticks, [f"{date:%m-%d}" for date in ticks])
    return list(dates[alarm])
