"""Figures of `03_timing`; its tables are in `tables`."""

import datetime as dt
from collections.abc import Sequence
from itertools import pairwise

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from smsroi_helpers.locale import _, enumerated, joined, month, number, percent
from smsroi_helpers.pages import PALETTE, Html, figure, note, segment_name, tooltips
from smsroi_helpers.timing.best_hours import Answer, Timing
from smsroi_helpers.timing.competitors import measure_crowding
from smsroi_helpers.timing.holidays import SpecialDays
from smsroi_helpers.timing.outputs import count_cells, forbidden_shares, rate_as_counted
from smsroi_helpers.timing.response import ALL, HourResponse, mean_rate, rate_by_hour, rate_by_hour_at_level
from smsroi_helpers.timing.secondary_outcomes import HourOutcome, largest_same_day_share
from smsroi_helpers.timing.wording import hours_words, window_words

__all__ = [
    "crowding_figure",
    "curve_figure",
    "logs_figure",
    "outcomes_figure",
    "season_figure",
    "segments_figure",
]

_MOST_PANELS = 8


def _middle(rows: pd.DataFrame) -> np.ndarray:
    return (rows["hour"].to_numpy(float) + rows["until"].to_numpy(float)) / 2


def _shade(ax: Axes, timing: Timing) -> None:
    """Hours that are not allowed, in grey: the fewer customers may be texted, the darker; a line where that changes."""
    shares = forbidden_shares(timing).tolist()
    for hour, share in enumerate(shares):
        if share > 0:
            ax.axvspan(hour, hour + 1, color=PALETTE["line"], alpha=0.6 * share, linewidth=0, zorder=0)
    for hour, (before, after) in enumerate(pairwise(shares), start=1):
        if before != after:
            ax.axvline(hour, color=PALETTE["soft"], linewidth=0.8, zorder=0.5)


def _shade_best(ax: Axes, answer: Answer) -> None:
    """The hours that may be the best, in green, between two lines: the green alone can be too pale to see."""
    windows = answer.windows[answer.chosen]
    for row in windows.itertuples():
        ax.axvspan(row.hour, row.until, color=PALETTE["good"], alpha=0.13, linewidth=0, zorder=0)
    for edge in set(windows["hour"]) ^ set(windows["until"]):
        ax.axvline(edge, color=PALETTE["good"], linewidth=1, zorder=0.5)


def _draw(ax: Axes, rows: pd.DataFrame, colour: str, label: str = "") -> pd.DataFrame:
    """Draw a curve over the windows tested, with each hour's interval; return its rows."""
    at = _middle(rows)
    ax.fill_between(at, 100 * rows["low"], 100 * rows["high"], color=PALETTE[colour], alpha=0.2, linewidth=0)
    ax.plot(at, 100 * rows["rate"], color=PALETTE[colour], label=label)
    return rows


def _dots(ax: Axes, response: HourResponse, segment: str, colour: str) -> None:
    counted = rate_as_counted(response, segment)
    ax.plot(_middle(counted), 100 * counted["rate"], "o", color=PALETTE[colour], markersize=3.5)


def _tell(ax: Axes, rows: pd.DataFrame, *, at_level: bool = False) -> None:
    """Tooltips of a curve: the window, and its rate with the interval; `at_level`: as of `rate_by_hour_at_level`."""
    form = (
        _("{window}: {share} (95% interval {low} to {high}, compared with the mean of all hours)")
        if at_level
        else _("{window}: {share} (95% interval {low} to {high})")
    )
    words = [
        form.format(
            window=window_words(row.hour, row.until), share=percent(row.rate, 1), low=percent(row.low, 1),
            high=percent(row.high, 1),
        )
        for row in rows.itertuples()
    ]  # fmt: skip
    tooltips(ax, _middle(rows), 100 * rows["rate"], words)


def _label(ax: Axes, rows: pd.DataFrame, place: int) -> None:
    """Write the rate of one window above its point of the curve."""
    rate = float(rows["rate"].iloc[place])
    ax.annotate(
        percent(rate, 1), (_middle(rows)[place], 100 * rate), xytext=(0, 7), textcoords="offset points", ha="center",
        color=PALETTE["accent"], fontweight=mpl.rcParams["axes.titleweight"], fontsize=9.5,
    )  # fmt: skip


def _frame_hours(ax: Axes, step: int = 2) -> None:
    low, high = ax.get_xlim()
    ticks = [hour for hour in range(0, 25, step) if low - 0.5 <= hour <= high + 0.5]
    ax.set_xticks(ticks, [f"{hour}:00" for hour in ticks])
    ax.set_ylim(bottom=0)


def _rate_label(timing: Timing) -> str:
    return _("click rate, percent") if timing.sends.outcome == "click" else _("order rate, percent")


def curve_figure(timing: Timing, answers: Sequence[Answer]) -> Html:
    """The response by hour over all customers, with the windows that are not distinguishable from the best.

    Args:
        timing: of `study.analyse`.
        answers: of `best_hours.find_best_hours`.
    """
    response = timing.main
    if response is None or not answers:
        return note(_("There are too few clicks or orders, or all at one hour: there is no curve to draw."))
    answer = answers[0]
    ax = plt.subplots(figsize=(8.2, 4.2))[1]
    rows = _draw(ax, rate_by_hour_at_level(response, ALL), "accent")
    _dots(ax, response, ALL, "accent")
    if not answer.chosen.all():
        _shade_best(ax, answer)
    ax.set_xlim(rows["hour"].min() - 0.5, rows["until"].max() + 0.5)
    _shade(ax, timing)
    _frame_hours(ax)
    _tell(ax, rows, at_level=True)
    _label(ax, rows, answer.best)
    ax.set_xlabel(_("hour of sending, the recipient’s time"))
    ax.set_ylabel(_rate_label(timing))
    best = answer.windows.iloc[answer.best]
    title = (
        _("No hour is distinguishable from another")
        if answer.chosen.all()
        else _("The best hour is among {hours}").format(hours=hours_words(answer))
    )
    ax.set_title(title)
    description = _("{title}; at {window} the rate is {share} (95% interval {low} to {high}).").format(
        title=title, window=window_words(best["hour"], best["until"]), share=percent(best["rate"], 1),
        low=percent(best["low"], 1), high=percent(best["high"], 1),
    )  # fmt: skip
    what = _("Clicks per 100 texts by the hour of sending") if timing.sends.outcome == "click" else _(
        "Orders per 100 texts by the hour of sending"
    )  # fmt: skip
    source = (
        _("Randomised: the hour caused the differences.")
        if response.evidence == "randomised"
        else _("Observational: who was texted when was not random.")
    )
    return figure(
        ax,
        alt=description,
        caption=joined(
            _("{what}, {n} customers.").format(what=what, n=number(answer.customers)),
            source,
            _("Line: the smooth curve. Band: 95% interval of each hour compared with the mean of all hours, {mean} (95%"
              " interval {low} to {high}). Points: as counted. Green: not distinguishable from the best. Grey: texts"
              " are not allowed; the stronger, the more customers this applies to.").format(
                  **dict(zip(("mean", "low", "high"), (percent(x, 1) for x in mean_rate(response, ALL)), strict=True))
              ),
            _counted_words(timing, response),
            _why_a_gap(answer),
        ),
    )  # fmt: skip


def _counted_words(timing: Timing, response: HourResponse) -> str:
    """Which texts the rates are of, where the page on tests has others of the same customers."""
    if timing.sends.outcome != "click" or response.evidence != "randomised":
        return ""
    return _(
        "Counted: delivered texts, and clicks on them within {hours} hours. The page on tests divides all clicks by all"
        " messages sent, undelivered ones and other channels included, so its rates differ."
    ).format(hours=number(timing.sends.window_hours))


def _why_a_gap(answer: Answer) -> str:
    """Explains why the first or the last window may be in the set of the best while its neighbour is not."""
    chosen = answer.chosen
    if len(np.flatnonzero(chosen)) < 2 or not ((chosen[0] and not chosen[1]) or (chosen[-1] and not chosen[-2])):
        return ""
    return _(
        "The first and the last hour tried are known less well than those between, which have neighbours on both sides."
    )


def segments_figure(timing: Timing, answers: Sequence[Answer]) -> Html:
    """The curve of each segment, one panel each.

    Args:
        timing: of `study.analyse`.
        answers: of `best_hours.find_best_hours`.
    """
    response = timing.main
    shown = [answer for answer in answers if answer.segment != ALL and answer.customers >= 10][:_MOST_PANELS]
    if response is None or not shown:
        return note(_("No segment has enough clicks or orders for a curve of its own."))
    columns = 2 if len(shown) > 1 else 1
    lines = -(-len(shown) // columns)
    drawn, axes = plt.subplots(lines, columns, figsize=(8.2, 2.5 * lines + 0.3), squeeze=False,
                               gridspec_kw={"hspace": 0.55, "wspace": 0.2})  # fmt: skip
    descriptions = []
    for answer, ax in zip(shown, axes.ravel(), strict=False):
        rows = _draw(ax, rate_by_hour_at_level(response, answer.segment), "accent")
        _dots(ax, response, answer.segment, "accent")
        if not answer.chosen.all():
            _shade_best(ax, answer)
        ax.set_xlim(rows["hour"].min() - 0.5, rows["until"].max() + 0.5)
        _shade(ax, timing)
        _frame_hours(ax, step=4)
        _tell(ax, rows, at_level=True)
        words = _("no hour stands out") if answer.chosen.all() else hours_words(answer)
        ax.set_title(_("{segment}: {hours}").format(segment=segment_name(answer.segment), hours=words))
        descriptions.append(_("{segment}: {hours}.").format(segment=segment_name(answer.segment), hours=words))
    for ax in axes.ravel()[len(shown) :]:
        ax.set_visible(False)
    for ax in axes[:, 0]:
        ax.set_ylabel(_rate_label(timing))
    return figure(
        drawn,
        alt=joined(*descriptions),
        caption=joined(
            _("The same by segment. Segments are partially pooled: the fewer data, the closer to the curve of all. The"
              " bands include this uncertainty, and not that of how many click on average."),
            _why_no_points(response, [answer.segment for answer in shown]),
        ),
    )  # fmt: skip


def _why_no_points(response: HourResponse, segments: Sequence[str]) -> str:
    """Explains panels without points: the test had no customers of these segments."""
    names = [segment_name(name) for name in segments if not count_cells(response, name)["messages"].any()]
    if not names:
        return ""
    return _(
        "No points for {segments}: the test had no such customers, so the curve is carried over from its customers of"
        " other segments who are like today’s."
    ).format(segments=enumerated(names))


def logs_figure(timing: Timing) -> Html:
    """The experiment's curve beside the observational curve."""
    if timing.randomised is None or timing.observational is None:
        return note(_("There is only one kind of evidence here, so there is no gap between two to show."))
    ax = plt.subplots(figsize=(8.2, 3.8))[1]
    ours = _draw(ax, rate_by_hour(timing.randomised, ALL), "accent", _("randomised"))
    theirs = _draw(ax, rate_by_hour(timing.observational, ALL), "orange", _("observational"))
    ax.set_xlim(
        min(ours["hour"].min(), theirs["hour"].min()) - 0.5, max(ours["until"].max(), theirs["until"].max()) + 0.5
    )
    _frame_hours(ax)
    _tell(ax, ours)
    _tell(ax, theirs)
    ax.legend()
    ax.set_xlabel(_("hour of sending, the recipient’s time"))
    ax.set_ylabel(_rate_label(timing))
    ax.set_title(_("The randomised result, and what observational data alone would have said"))
    best = [rows.iloc[rows["rate"].to_numpy().argmax()] for rows in (ours, theirs)]
    words = [window_words(row["hour"], row["until"]) for row in best]
    return figure(
        ax,
        alt=_("Randomised, the rate is highest at {one}; in observational data at"
              " {two}.").format(one=words[0], two=words[1]),
        caption=_("Blue: the experiment. Orange: texts the company sent of itself, compared within a campaign and a"
                  " segment. Bands are 95% intervals at each hour."),
    )  # fmt: skip


def outcomes_figure(outcomes: Sequence[HourOutcome], currency: str) -> Html:
    """Orders, profit and opt-outs of the customers in each hour's arm.

    Args:
        outcomes: of `secondary_outcomes.compare_arms`; empty without an experiment.
        currency: the source's.
    """
    if not outcomes:
        return note(
            _(
                "Without a test of hours, orders, profit and opt-outs are not compared by hour: who was texted"
                " when was not random."
            )
        )
    names = {
        "orders": (_("Orders"), _("orders per customer"), 1.0),
        "profit": (_("Profit"), _("profit per customer ({currency})").format(currency=currency), 1.0),
        "opt_out": (_("Opt-outs"), _("opted out, percent"), 100.0),
    }
    drawn, axes = plt.subplots(1, len(outcomes), figsize=(8.6, 3.1), squeeze=False, gridspec_kw={"wspace": 0.35})
    descriptions = []
    for outcome, ax in zip(outcomes, axes.ravel(), strict=True):
        noun, label, scale = names[outcome.kind]
        rows = outcome.rows[outcome.rows["n"] >= 10]
        mean, low, high = (scale * rows[name].to_numpy(float) for name in ("mean", "low", "high"))
        ax.errorbar(_middle(rows), mean, yerr=np.stack([mean - low, high - mean]), fmt="o", markersize=3.5,
                    color=PALETTE["accent"], elinewidth=1)  # fmt: skip
        _frame_hours(ax)
        ticks = ax.get_xticks()
        ax.set_xticks(ticks[::2], [f"{int(hour)}:00" for hour in ticks[::2]])
        ax.set_ylabel(label)
        differ = outcome.adjusted_p < 0.05
        ax.set_title(noun)
        if np.isfinite(outcome.adjusted_p):
            words = (
                _("{noun}: hours differ (p = {p}).")
                if differ
                else _("{noun}: no difference between hours is shown (p = {p}).")
            )
            descriptions.append(words.format(noun=noun, p=number(outcome.adjusted_p, 3)))
        else:
            descriptions.append(_("{noun}: too few to compare the hours.").format(noun=noun))
    axes[0, len(outcomes) // 2].set_xlabel(_("hour of sending, the recipient’s time"))
    same_day = largest_same_day_share(outcomes)
    return figure(
        drawn,
        alt=joined(*descriptions),
        caption=joined(
            _("Randomised: everybody assigned, whatever reached them, over the test’s whole time; 95% intervals, each"
              " by itself; p by Holm over the outcomes shown."),
            *descriptions,
            _("Orders carry dates without times: {share} of those counted are of the day of assignment, and some of"
              " them may have come before it.").format(share=percent(same_day, 1)) if same_day else "",
        ),
    )  # fmt: skip


def season_figure(days: SpecialDays, timing: Timing) -> Html:
    """The response month by month.

    Args:
        days: of `holidays.analyse_days`.
        timing: of `study.analyse`.
    """
    rows = days.months
    if len(rows) < 3:
        return note(_("The data cover too little time to show a season."))
    ax = plt.subplots(figsize=(8.2, 2.9))[1]
    at = np.arange(len(rows))
    rate, low, high = (100 * rows[name].to_numpy(float) for name in ("rate", "low", "high"))
    ax.errorbar(at, rate, yerr=np.stack([rate - low, high - rate]), fmt="o-", markersize=3.5, color=PALETTE["accent"])
    step = -(-len(rows) // 7)
    ax.set_xticks(at[::step], rows["month"].tolist()[::step])
    ax.set_ylim(bottom=0)
    ax.set_ylabel(_rate_label(timing))
    top, bottom = rows.iloc[int(rate.argmax())], rows.iloc[int(rate.argmin())]
    ax.set_title(_("The response month by month"))
    names = [month(dt.date.fromisoformat(f"{one}-01")) for one in rows["month"]]
    description = _("Highest in {top} ({most}), lowest in {bottom} ({least}).").format(
        top=names[int(rate.argmax())], most=percent(top["rate"], 1), bottom=names[int(rate.argmin())],
        least=percent(bottom["rate"], 1),
    )  # fmt: skip
    tooltips(ax, at, rate, [
        _("{month}: {share} (95% interval {low} to {high})").format(
            month=name, share=percent(row.rate, 1), low=percent(row.low, 1), high=percent(row.high, 1)
        )
        for name, row in zip(names, rows.itertuples(), strict=True)
    ])  # fmt: skip
    return figure(
        ax,
        alt=description,
        caption=joined(
            _("All texts, whoever sent them for whatever reason: months differ in what was sent to whom, too. 95%"
              " intervals."),
            description,
        ),
    )  # fmt: skip


def crowding_figure(competitors: pd.DataFrame | None, answers: Sequence[Answer]) -> Html:
    """When competitors send, with the hours in the set of the best.

    Args:
        competitors: of `competitors.count_competitors`.
        answers: of `best_hours.find_best_hours`.
    """
    if competitors is None:
        return note(_("This source has no table `competitor_messages`, so nothing is known of competitors’ hours."))
    ax = plt.subplots(figsize=(8.2, 2.7))[1]
    ax.bar(competitors["hour"] + 0.5, 100 * competitors["share"], width=0.9, color=PALETTE["grey"])
    found = measure_crowding(competitors, answers)
    n = number(found.messages)
    description = _("{n} texts of competitors were seen.").format(n=n)
    if found.hours:
        _shade_best(ax, answers[0])
        description = _(
            "Of {n} texts of competitors {share} came at the hours that may be the best; spread evenly over the day it"
            " would be {even}."
        ).format(n=n, share=percent(found.share), even=percent(found.even))
    ax.set_xlim(0, 24)
    _frame_hours(ax)
    ax.set_xlabel(_("hour, the recipient’s time"))
    ax.set_ylabel(_("of competitors’ texts, percent"))
    ax.set_title(_("When competitors write"))
    return figure(
        ax,
        alt=description,
        caption=joined(description, _("Whether a crowded hour works less well is not known from this.")),
    )
