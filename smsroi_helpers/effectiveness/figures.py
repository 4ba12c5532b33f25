"""Figures of `08_effectiveness`."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np

from smsroi_helpers.effectiveness.incremental import TOUCHES
from smsroi_helpers.effectiveness.study import Effectiveness
from smsroi_helpers.effectiveness.targets import Progress
from smsroi_helpers.effectiveness.wording import kpi_words, month_words, touch_words, window_words
from smsroi_helpers.locale import _, enumerated, interval, joined, money, month, number, percent, short_money
from smsroi_helpers.pages import (
    FEWEST_SHOWN,
    PALETTE,
    Html,
    channel_name,
    experiment_title,
    figure,
    note,
    segment_name,
    tooltips,
)

__all__ = [
    "attribution_figure",
    "goals_figure",
    "months_figure",
]


def attribution_figure(found: Effectiveness, currency: str) -> Html:
    """Attributed revenue by window, with the incremental revenue of the same customers as a band.

    Args:
        found: of `study.analyse`.
        currency: the source's.
    """
    test = found.calibration
    if test is None:
        return note(_("Without a randomised test, attributed revenue cannot be compared with what messages caused."))
    ax = plt.subplots(figsize=(8.2, 3.4))[1]
    hours = [rule.hours for rule in test.rules if rule.touch == "last"]
    at = np.arange(len(hours))
    for touch, color in zip(TOUCHES, (PALETTE["accent"], PALETTE["grey"]), strict=True):
        revenue = [test.rule(each, touch).revenue for each in hours]
        ax.plot(
            at,
            revenue,
            "o-",
            color=color,
            markersize=4,
            label=_("attributed, {touch}").format(touch=touch_words(touch)),
        )
        tooltips(ax, at, revenue, [
            _("{window}, {touch}: {revenue}").format(
                window=window_words(each), touch=touch_words(touch), revenue=money(one, currency, 0)
            )
            for each, one in zip(hours, revenue, strict=True)
        ])  # fmt: skip
    low, high = test.incremental.low, test.incremental.high
    ax.axhspan(low, high, color=PALETTE["good"], alpha=0.15, linewidth=0)
    ax.axhline(test.incremental.estimate, color=PALETTE["good"], label=_("incremental (95% interval)"))
    ax.axhline(0, color=PALETTE["grey"], linewidth=0.8)
    ax.set_xticks(at, [window_words(each) for each in hours])
    ax.set_xlabel(_("attribution window"))
    ax.set_ylabel(_("revenue of the treated customers ({currency})").format(currency=currency))
    ax.legend(loc="upper left", frameon=False)
    widest, shortest = test.rule(hours[-1], "any").revenue, test.rule(hours[0]).revenue
    ax.set_title(_("Attributed revenue depends on the rule; incremental revenue does not"))
    words = _(
        "{test}: attributed revenue runs from {least} ({short}, last touch) to {most} ({long}, any touch);"
        " incremental revenue is {incremental}."
    ).format(
        test=experiment_title(test.experiment),
        least=short_money(shortest, currency), short=window_words(hours[0]),
        most=short_money(widest, currency), long=window_words(hours[-1]),
        incremental=interval(*_numbers(test.incremental), currency),
    )  # fmt: skip
    return figure(ax, alt=words, caption=words)


def _numbers(ratio: object) -> tuple[float, float, float]:
    return float(ratio.estimate), float(ratio.low), float(ratio.high)  # type: ignore[attr-defined]


def months_figure(found: Effectiveness) -> Html | None:
    """Click, conversion and opt-out rate by month; None with fewer than three months of messages.

    Args:
        found: of `study.analyse`.
    """
    rows = found.kpis[(found.kpis["dimension"] == "month") & np.isfinite(found.kpis["low"].to_numpy(float))]
    rows = rows[rows["customers"] >= FEWEST_SHOWN]
    shown = [
        k
        for k in ("click_rate", "conversion_rate", "opt_out_rate", "repurchase_rate")
        if len(rows[rows["kpi"] == k]) > 2
    ]
    if not shown:
        return None
    drawn, axes = plt.subplots(1, len(shown), figsize=(9.2, 2.8), squeeze=False, gridspec_kw={"wspace": 0.35})
    words = []
    for kpi, ax in zip(shown, axes.ravel(), strict=True):
        own = rows[rows["kpi"] == kpi].sort_values("value")
        at, (value, low, high) = (
            np.arange(len(own)),
            (100 * own[n].to_numpy(float) for n in ("estimate", "low", "high")),
        )
        ax.errorbar(at, value, yerr=np.stack([value - low, high - value]).clip(0), fmt="o-", markersize=3,
                    color=PALETTE["accent"], elinewidth=1)  # fmt: skip
        ends = at[[0, -1]]  # more names of months would touch each other
        names = [month_words(one) for one in own["value"]]
        ax.set_xticks(ends, [names[end] for end in ends])
        ax.set_ylim(bottom=0)
        ax.set_title(kpi_words(kpi))
        tooltips(ax, at, value, [
            _("{month}: {share} (95% interval {low} to {high})").format(
                month=name, share=percent(row.estimate, 2), low=percent(row.low, 2), high=percent(row.high, 2)
            )
            for name, row in zip(names, own.itertuples(), strict=True)
        ])  # fmt: skip
        words.append(_("{kpi}: from {first} in {start} to {last} in {end}.").format(
            kpi=kpi_words(kpi), first=percent(value[0] / 100, 1), start=names[0],
            last=percent(value[-1] / 100, 1), end=names[-1],
        ))  # fmt: skip
    axes[0, 0].set_ylabel(_("percent"))
    return figure(
        drawn,
        alt=joined(*words),
        caption=joined(*words, _channels_words(found), _("95% intervals over customers; descriptive.")),
    )


def _channels_words(found: Effectiveness) -> str:
    """Which messages the rates by month are of."""
    channels = found.kpis.loc[found.kpis["dimension"] == "channel", "value"].unique()
    if not len(channels):
        return ""
    return _("Messages by calendar month of sending, all channels together: {channels}.").format(
        channels=enumerated(channel_name(str(one)) for one in channels)
    )


def goals_figure(progress: Sequence[Progress]) -> Html | None:
    """The way from start to target by month, with the forecast at the deadline; None without goals.

    Args:
        progress: of `targets.track_goals`.
    """
    shown = [one for one in progress if len(one.months)]
    if not shown:
        return None
    drawn, axes = plt.subplots(1, len(shown), figsize=(min(4.2 * len(shown), 12), 3.0), squeeze=False)
    words = []
    for one, ax in zip(shown, axes.ravel(), strict=True):
        goal, way = one.goal, 100 * one.by_month
        at = np.arange(len(way))
        ax.plot(at, way, "o-", color=PALETTE["accent"], markersize=4)
        tooltips(ax, at, way, [
            _("{month}: {way} % of the way").format(month=month_words(name), way=number(each))
            for name, each in zip(one.months["month"], way, strict=True)
        ])  # fmt: skip
        if len(way):
            ax.annotate(
                _("{way} %").format(way=number(way[-1])), (at[-1], way[-1]), xytext=(0, 7), textcoords="offset points",
                ha="center", color=PALETTE["accent"], fontsize=9.5,
            )  # fmt: skip
        end = len(way) + 1
        if np.isfinite(one.forecast):
            centre, low, high = (100 * x for x in one.by_deadline)
            ax.errorbar([end], [centre], yerr=[[centre - low], [high - centre]], fmt="D", color=PALETTE["grey"])
        ax.axhline(100, color=PALETTE["good"], linestyle="--")
        ax.axhline(0, color=PALETTE["grey"], linewidth=0.8)
        ax.set_xticks([0, len(way) - 1, end] if len(way) > 1 else [0, end],
                      [*map(month_words, dict.fromkeys([one.months["month"].iloc[0], one.months["month"].iloc[-1]])),
                       month(goal.deadline)])  # fmt: skip
        ax.set_title(_("{kpi}, {segment}").format(kpi=kpi_words(goal.metric), segment=segment_name(goal.segment)))
        probability = percent(one.probability) if np.isfinite(one.probability) else _("not known")
        words.append(_("{kpi}, {segment}: {way} % of the way; probability of arriving in time {p}.").format(
            kpi=kpi_words(goal.metric), segment=segment_name(goal.segment), way=number(way[-1]), p=probability
        ))  # fmt: skip
    axes[0, 0].set_ylabel(_("way from start to target (percent)"))
    caption = joined(*words, _("Dashed: the target. Diamond: forecast for the deadline, 95% interval."))
    return figure(drawn, alt=joined(*words), caption=caption)
