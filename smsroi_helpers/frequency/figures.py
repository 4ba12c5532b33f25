"""Figures of `04_frequency`; its tables are in `tables` and `check_tables`."""

from collections.abc import Callable

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from smsroi_helpers.frequency.counts import ALL
from smsroi_helpers.frequency.decision import mixed_changes, mixed_leavings
from smsroi_helpers.frequency.lifetime import summarise_curve, summarise_draws
from smsroi_helpers.frequency.policy import LONGEST, NOT_ADVISED
from smsroi_helpers.frequency.shared_wording import frequency_words, is_change, other_words, today_words
from smsroi_helpers.frequency.study import Study, compare_steps_with_test
from smsroi_helpers.locale import _, interval, joined, listed, money, number
from smsroi_helpers.pages import PALETTE, Html, figure, note, segment_name, tooltips

__all__ = [
    "cash_figure",
    "logs_figure",
    "pull_forward_figure",
    "response",
    "response_figure",
    "segments_figure",
]

_MOST_PANELS = 8


def _money_ticks(axis: Axis, currency: str) -> None:
    axis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10]))
    ticks = axis.get_majorticklocs()
    step = float(np.diff(ticks).min()) if len(ticks) > 1 else 1.0
    digits = max(0, -int(np.floor(np.log10(step)))) if step > 0 else 2
    axis.set_major_formatter(FuncFormatter(lambda value, _position: money(value, currency, digits)))


def _band(ax: Axes, grid: np.ndarray, draws: np.ndarray, colour: str) -> None:
    mean, low, high = summarise_curve(draws)
    ax.fill_between(grid, low, high, color=colour, alpha=0.18, linewidth=0)
    ax.plot(grid, mean, color=colour)


def _tell(ax: Axes, doses: np.ndarray, draws: np.ndarray, grid_index: Callable[[float], int], currency: str) -> None:
    """Tooltips of a curve at the frequencies tested: each with its value and interval."""
    doses = doses[doses > 0]  # against none
    found = [summarise_draws(draws[grid_index(dose)]) for dose in doses]
    words = [
        _("{dose}: {value}").format(dose=frequency_words(dose), value=interval(*one, currency))
        for dose, one in zip(doses, found, strict=True)
    ]
    tooltips(ax, doses, [one[0] for one in found], words)


def _frequency_axis(ax: Axes, doses: np.ndarray, today: float) -> None:
    ax.axhline(0, color=PALETTE["soft"], linewidth=1.0)
    if np.isfinite(today):
        # Wide and pale, and behind the rest: it often lies where a frequency was tested.
        ax.axvline(today, color=PALETTE["orange"], linewidth=7, alpha=0.3, zorder=0.5)
    ax.set_xticks(doses)
    ax.set_xlabel(_("texts per subscriber and week"))


def _best_words(row: pd.Series, column: str) -> str:
    """The best frequency in words, unless none is advised."""
    return _("no best frequency shown") if row["reason"] in NOT_ADVISED else frequency_words(row[column])


def response(study: Study, policy: pd.DataFrame, currency: str) -> Figure:
    """The profit of a week of the test and the long-run value by texts per week, for all customers.

    Args:
        study: with a fit.
        policy: of `frequency.choose_frequencies`.
        currency: the source's.
    """
    fit = study.fit
    assert fit is not None
    drawn, (left, right) = plt.subplots(1, 2, figsize=(8.2, 3.6), gridspec_kw={"wspace": 0.42})
    row = policy.iloc[0]
    shown = fit.grid <= fit.frequencies[-1]
    _band(left, fit.grid[shown], fit.profit()[0][shown], PALETTE["accent"])
    arms = study.arms[(study.arms["segment"] == ALL) & study.arms["low"].notna()]
    half_widths = [arms["profit"] - arms["low"], arms["high"] - arms["profit"]]
    left.errorbar(arms["messages_per_week"], arms["profit"], yerr=half_widths, fmt="o", color=PALETTE["ink"],
                  capsize=3, elinewidth=1.2, markersize=4)  # fmt: skip
    _band(right, fit.grid[shown], fit.value()[0][shown], PALETTE["green"])
    right.set_visible(study.opt_outs_known)  # without opt-outs the long run is not known
    for ax, dose, values in ((left, row["short_run"], fit.profit()), (right, row["messages_per_week"], fit.value())):
        _frequency_axis(ax, fit.frequencies, float(row["today"]))
        if row["reason"] not in NOT_ADVISED:
            best = summarise_draws(values[0, fit.grid_index(dose)])[0]
            ax.plot(dose, best, "o", markersize=9, color=PALETTE["ink"], fillstyle="none")
            last = dose == fit.frequencies.max()  # right of it is the next panel
            ax.annotate(
                money(best, currency, 2 if abs(best) < 10 else 0), (dose, best), xytext=(-8 if last else 8, 8),
                textcoords="offset points", ha="right" if last else "left", fontsize=9.5,
                fontweight=mpl.rcParams["axes.titleweight"],
            )  # fmt: skip
        _tell(ax, fit.frequencies, values[0], fit.grid_index, currency)
        _money_ticks(ax.yaxis, currency)
    left.set_ylabel(_("profit per subscriber and week"))
    right.set_ylabel(_("long-run value per subscriber"))
    left.set_title(_("In a test week: {dose}").format(dose=_best_words(row, "short_run")))
    right.set_title(_("In the long run: {dose}").format(dose=_best_words(row, "messages_per_week")))
    return drawn


def response_figure(study: Study, policy: pd.DataFrame, currency: str) -> Html:
    """`response` with alt text and caption; a note where there is no valid test."""
    if study.fit is None or not len(policy):
        return note(_("No test with an arm without messages can be believed, so no response is drawn."))
    fit, row = study.fit, policy.iloc[0]
    descriptions = []
    for dose in fit.frequencies[fit.frequencies > 0]:
        m, v = fit.profit()[0, fit.grid_index(dose)], fit.value()[0, fit.grid_index(dose)]
        words = _("{dose}: in a week of the test {m}, in the long run {v}.")
        if not study.opt_outs_known:
            words = _("{dose}: in a week of the test {m}, in the long run not known.")
        descriptions.append(
            words.format(
                dose=frequency_words(dose),
                m=interval(*summarise_draws(m), currency),
                v=interval(*summarise_draws(v), currency),
            )
        )
    return figure(
        response(study, policy, currency),
        alt=joined(*descriptions),
        caption=_(
            "What a frequency brings against none, randomised: left in a week of the test, right over all weeks to"
            " come, after those who opt out. Bands are 95% intervals of the pooled curve, points the arms as"
            " they are, the orange stripe is today’s mean frequency ({today}); circles mark the frequency tested"
            " that is best in a week of the test, and the one recommended for the long run. At a profit of zero,"
            " texts pay for themselves and no more."
        ).format(today=today_words(row["today"])),
    )


def _panel_title(segment: str, dose: str) -> str:
    """Of a panel of three in a row, which is too narrow for one line."""
    return f"{segment}\n{dose}"


def segments_figure(study: Study, policy: pd.DataFrame, currency: str) -> Html:
    """The long-run value per subscriber by texts per week, one panel per segment."""
    fit = study.fit
    names = [name for name in policy["segment"] if fit and name in fit.names[1:]][:_MOST_PANELS] if len(policy) else []
    if fit is None or not names:
        return note(_("No segment has enough customers in the test to be drawn."))
    if not study.opt_outs_known:
        return note(_("The source does not record opt-outs, so the long-run value per subscriber is not known."))
    columns = min(len(names), 3)
    lines = -(-len(names) // columns)
    drawn, axes = plt.subplots(
        lines, columns, figsize=(8.2, 2.5 * lines + 0.4), squeeze=False, gridspec_kw={"wspace": 0.5, "hspace": 0.85}
    )
    descriptions = []
    shown = fit.grid <= fit.frequencies[-1]
    for at, (name, ax) in enumerate(zip(names, axes.flat, strict=False)):
        row = policy[policy["segment"] == name].iloc[0]
        i = fit.index(name)
        _band(ax, fit.grid[shown], fit.value()[i][shown], PALETTE["green"])
        _frequency_axis(ax, fit.frequencies, float(row["today"]))
        if row["reason"] not in NOT_ADVISED:
            ax.plot(row["messages_per_week"], row["value"], "o", markersize=8, color=PALETTE["ink"], fillstyle="none")
        _tell(ax, fit.frequencies, fit.value()[i], fit.grid_index, currency)
        _money_ticks(ax.yaxis, currency)
        if at + columns < len(names):  # the panel below it has the label
            ax.set_xlabel("")
        if at % columns == 0:
            ax.set_ylabel(_("long-run value per subscriber"))
        title = _panel_title(segment_name(name), _best_words(row, "messages_per_week"))
        ax.set_title(title, fontsize=10, linespacing=1.5)
        advised = (
            _("{segment}: no best frequency shown; today {today}.")
            if row["reason"] in NOT_ADVISED
            else _("{segment}: {dose} advised, worth {value}; today {today}.")
        )
        descriptions.append(
            advised.format(
                segment=segment_name(name), dose=_best_words(row, "messages_per_week"), today=today_words(row["today"]),
                value=interval(row["value"], row["value_low"], row["value_high"], currency),
            )
        )  # fmt: skip
    for ax in axes.flat[len(names) :]:
        ax.set_visible(False)
    return figure(
        drawn,
        alt=joined(*descriptions),
        caption=_(
            "Long-run value per subscriber by texts a week, for today’s subscribers of each segment; bands are 95%"
            " intervals, the orange stripe is today’s mean frequency, the circle the frequency advised."
        ),
    )


def cash_figure(policy: pd.DataFrame, currency: str, cash_weeks: int = 12) -> Html:
    """The cumulative cash of changes whose cash and long run differ in sign, with the week in which it breaks even.

    Args:
        policy: of `policy.choose_frequencies`.
        currency: the source's.
        cash_weeks: those of the policy.
    """
    left = _left_words(policy, currency, cash_weeks)
    rows = [row for _index, row in mixed_changes(policy).iterrows()][:_MOST_PANELS]
    if not rows:
        none = (
            _("No change in the table costs cash at first and gains in the long run, or the other way round.")
            if len(policy) and any(is_change(row) and np.isfinite(row.gain) for row in policy.itertuples())
            else _("No change of frequency is recommended with an amount, so none has to break even.")
            if len(policy) and any(map(is_change, policy.itertuples()))
            else _("No change of frequency is recommended, so none has to break even.")
        )
        return note(joined(none, left))
    columns = min(len(rows), 3)
    lines = -(-len(rows) // columns)
    drawn, axes = plt.subplots(
        lines, columns, figsize=(8.2, 2.5 * lines + 0.4), squeeze=False, gridspec_kw={"wspace": 0.5, "hspace": 0.85}
    )
    descriptions = []
    for row, ax in zip(rows, axes.flat, strict=False):
        curve = np.vstack([np.zeros(3), row["cash_by_week"]])
        weeks = np.arange(len(curve))
        ax.axhline(0, color=PALETTE["soft"], linewidth=1.0)
        ax.fill_between(weeks, curve[:, 1], curve[:, 2], color=PALETTE["accent"], alpha=0.2, linewidth=0)
        ax.plot(weeks, curve[:, 0], color=PALETTE["accent"])
        if np.isfinite(row["break_even"]) and row["gain"] > 0:
            ax.axvline(row["break_even"], color=PALETTE["orange"], linestyle="--", linewidth=1.2)
        _money_ticks(ax.yaxis, currency)
        ax.set_xlabel(_("weeks from now"))
        name = _("{segment}: {dose}").format(
            segment=segment_name(row["segment"]), dose=frequency_words(row["messages_per_week"])
        )
        title = _panel_title(segment_name(row["segment"]), frequency_words(row["messages_per_week"]))
        ax.set_title(title, fontsize=10)
        descriptions.append(_("{panel}: {cash}").format(panel=name, cash=_break_even_words(row)))
    for ax in axes.flat[len(rows) :]:
        ax.set_visible(False)
    return figure(
        drawn,
        alt=joined(*descriptions),
        caption=joined(
            _(
                "Cumulative cash of a change compared with today, over all subscribers of the segment, undiscounted;"
                " bands are 95% intervals. The dashed line is the week in which it breaks even. Only changes that gain"
                " in one horizon and lose in the other are shown. Long-run value is another kind of money and is not"
                " drawn here."
            ),
            left,
        ),
    )


def _left_words(policy: pd.DataFrame, currency: str, cash_weeks: int) -> str:
    """Names the groups where leaving today's frequency gains in one horizon and loses in the other, by the estimates.

    Args:
        policy: of `policy.choose_frequencies`.
        currency: the source's.
        cash_weeks: those of the policy.
    """
    rows = mixed_leavings(policy)
    if not len(rows):
        return ""
    each = _("{segment}, to {dose}: {cash} of cash in the next {weeks} weeks, {gain} a week in the long run")
    return _(
        "These changes are not recommended; their estimates of cash and of the long run have opposite signs:"
        " {changes}."
    ).format(
        changes=listed(
            each.format(
                segment=segment_name(row.segment), dose=other_words(row.leave_for), weeks=number(cash_weeks),
                cash=interval(row.leave_cash, row.leave_cash_low, row.leave_cash_high, currency),
                gain=interval(row.leave, row.leave_low, row.leave_high, currency),
            )
            for row in rows.itertuples()
        )
    )  # fmt: skip


def _break_even_words(row: pd.Series) -> str:
    if row["gain"] < 0:
        return _("earns at first and loses in the long run.")
    if np.isfinite(row["break_even"]):
        return _("breaks even in week {week}.").format(week=number(row["break_even"]))
    return _("does not break even within {weeks} weeks.").format(weeks=number(LONGEST))


def pull_forward_figure(weeks: pd.DataFrame, currency: str) -> Html:
    """The cumulative gain of each frequency by week, including the weeks after the texts stopped."""
    if not len(weeks):
        return note(_("No sound test with an arm without messages: nothing to follow week by week."))
    doses = sorted(weeks["dose"].unique())
    drawn, axes = plt.subplots(
        1, len(doses), figsize=(8.2, 3.0), sharey=True, squeeze=False, gridspec_kw={"wspace": 0.12}
    )
    stop = weeks.loc[weeks["treated"], "week"].max()
    descriptions = []
    for dose, ax in zip(doses, axes[0], strict=True):
        own = weeks[weeks["dose"] == dose]
        ax.axhline(0, color=PALETTE["soft"], linewidth=1.0)
        if stop < own["week"].max():
            ax.axvline(stop, color=PALETTE["orange"], linestyle="--", linewidth=1.2)
        ax.fill_between(own["week"], own["low"], own["high"], color=PALETTE["accent"], alpha=0.2, linewidth=0)
        ax.plot(own["week"], own["difference"], color=PALETTE["accent"])
        ax.set_title(frequency_words(dose))
        ax.set_xlabel(_("weeks since the assignment"))
        last = own.iloc[-1]
        tooltips(ax, own["week"], own["difference"], [
            _("{dose}: after {week} weeks {difference}.").format(
                dose=frequency_words(dose), week=number(row.week),
                difference=interval(row.difference, row.low, row.high, currency),
            )
            for row in own.itertuples()
        ])  # fmt: skip
        descriptions.append(
            _("{dose}: after {week} weeks {difference}.").format(
                dose=frequency_words(dose), week=number(last["week"]),
                difference=interval(last["difference"], last["low"], last["high"], currency),
            )
        )  # fmt: skip
    _money_ticks(axes[0, 0].yaxis, currency)
    axes[0, 0].set_ylabel(_("profit per customer, so far"))
    return figure(
        drawn,
        alt=joined(*descriptions),
        caption=_(
            "Profit per assigned customer so far, each frequency less none, always of the same customers;"
            " bands are 95% intervals, the dashed line is where the texts of the test stopped; its orders are counted"
            " on to its last day. What comes down after the line had only been brought forward."
        ),
    )


def logs_figure(study: Study, currency: str) -> Html:
    """The effect of one more text a week: raw log, adjusted log, and test."""
    steps = compare_steps_with_test(study)
    if not len(steps) or not np.isfinite(steps["raw"]).any():
        return note(_("The log has too few weeks outside experiments to set beside a test."))
    drawn, ax = plt.subplots(figsize=(8.2, 3.4))
    ax.axhline(0, color=PALETTE["soft"], linewidth=1.0)
    descriptions = []
    for place, row in enumerate(steps.itertuples()):
        step = _("{a} to {b}").format(a=number(row.fewer), b=number(row.more))
        series = [
            (_("log, raw"), "orange", (row.raw, row.raw_low, row.raw_high)),
            (_("log, adjusted"), "gold", (row.effect, row.low, row.high)),
            (_("randomised"), "accent", (row.test, row.test_low, row.test_high)),
        ]
        for k, (name, colour, (value, low, high)) in enumerate(series):
            if not np.isfinite([value, low, high]).all():
                continue
            at = place + (k - 1) * 0.2
            label = name if place == 0 else None
            ax.errorbar(
                at, value, yerr=[[value - low], [high - value]], fmt="o", color=PALETTE[colour], capsize=3, label=label
            )
            descriptions.append(
                _("{step}, {name}: {value}.").format(step=step, name=name, value=interval(value, low, high, currency))
            )
    labels = [
        _("{a} to {b}").format(a=number(a), b=number(b)) for a, b in zip(steps["fewer"], steps["more"], strict=True)
    ]
    ax.set_xticks(range(len(steps)), labels)
    ax.set_xlabel(_("from so many texts a week to so many"))
    ax.set_ylabel(_("profit that goes with it"))
    ax.margins(y=0.3)
    ax.legend(ncols=len(ax.get_legend_handles_labels()[1]), loc="upper center")
    _money_ticks(ax.yaxis, currency)
    ax.set_title(_logs_title(study, bool(steps["test_clear"].any())))
    return figure(
        drawn,
        alt=joined(*descriptions),
        caption=_(
            "One text more in a week, and the profit before message cost that goes with it per customer: in the log"
            " over four weeks (observational: who gets more texts is not the same kind of customer), and randomised."
            " 95% intervals."
        ),
    )


def _logs_title(study: Study, clear: bool) -> str:
    """The title: how far the log is from the test."""
    if study.fit is None:
        return _("What the log alone says (observational)")
    if clear:
        return _("Read raw, the log makes a text look better than the test does")
    return _("The log and the test do not clearly disagree")
