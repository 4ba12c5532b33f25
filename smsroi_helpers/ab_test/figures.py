"""Figures of `05_ab_test`; its tables are in `tables`."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from smsroi_helpers.ab_test.effects import is_count, is_money
from smsroi_helpers.ab_test.profit_over_time import count_gaining_months, longest_holdout
from smsroi_helpers.ab_test.shared_wording import rule_words
from smsroi_helpers.ab_test.study import Evaluated
from smsroi_helpers.ab_test.tables import difference_words
from smsroi_helpers.ab_test.uplift import Ranking
from smsroi_helpers.locale import _, enumerated, interval, joined, money, month, number, percent, sentence
from smsroi_helpers.pages import (
    PALETTE,
    Html,
    arm_name,
    experiment_name,
    experiment_title,
    figure,
    metric_words,
    note,
    outline_intervals,
    question_words,
    tooltips,
)

__all__ = [
    "effects",
    "effects_figure",
    "label_panel",
    "money_ticks",
    "monthly_profit",
    "monthly_profit_figure",
    "targeting_figure",
    "weeks_figure",
]

_RULE_COLOURS = {"rfm": "purple", "value": "gold", "churn": "sky"}
_DECISION_COLOURS = {"ship": "good", "keep_control": "orange", "keep_running": "grey"}


def money_ticks(axis: Axis, currency: str) -> None:
    """Format the ticks as amounts, with as many decimals as their distance needs."""
    axis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
    ticks = axis.get_majorticklocs()
    step = float(np.diff(ticks).min()) if len(ticks) > 1 else 1.0
    digits = max(0, -int(np.floor(np.log10(step)))) if step > 0 else 2
    axis.set_major_formatter(FuncFormatter(lambda value, _position: money(value, currency, digits)))


def effects(evaluated: Sequence[Evaluated], currency: str) -> Figure:
    """Each arm compared with its control in the deciding metric, one panel per test; broken tests are left out.

    Args:
        evaluated: of `ab_test.analyse`, at least one of them valid and with its metric known.
        currency: the source's.
    """
    sound = [each for each in evaluated if each.effects.overall(each.decision.metric)]
    sizes = [len(each.experiment.treated) + 1.2 for each in sound]
    drawn, axes = plt.subplots(
        len(sound), 1, figsize=(8.2, 0.9 + sum(0.34 * size + 0.75 for size in sizes)), squeeze=False,
        gridspec_kw={"height_ratios": sizes, "hspace": 0.9},
    )  # fmt: skip
    for each, ax in zip(sound, axes[:, 0], strict=True):
        _effects_panel(each, currency, ax)
    return drawn


def _effects_panel(each: Evaluated, currency: str, ax: Axes) -> None:
    metric = each.decision.metric
    rows = each.effects.overall(metric)
    scale = 1.0 if is_money(metric) or is_count(metric) else 100.0
    ax.axvline(0, color=PALETTE["soft"], linewidth=1.0)
    for place, row in enumerate(rows):
        is_decided = each.decided_in == "ab_test"
        colour = PALETTE[_DECISION_COLOURS[each.decision.by_arm[row.arm] if is_decided else "keep_running"]]
        if np.isfinite(row.always_valid_low) and each.experiment.state == "running":
            span = scale * row.always_valid_low, scale * row.always_valid_high
            ax.plot(span, (place, place), color=colour, linewidth=1.0)
        if np.isfinite(row.low):
            ax.plot((scale * row.low, scale * row.high), (place, place), color=colour, linewidth=4, alpha=0.55)
            ax.plot(scale * row.difference, place, "o", color=colour, markersize=6)
    label_panel(each, [arm_name(row.arm) for row in rows], currency, ax)
    tooltips(
        ax, [scale * row.difference for row in rows], range(len(rows)),
        [
            _("{arm}: {difference}").format(
                arm=arm_name(row.arm), difference=difference_words(metric, row.interval, currency, row.reason)
            )
            for row in rows
        ],
    )  # fmt: skip
    ax.set_title(_effects_title(each))


def label_panel(each: Evaluated, names: Sequence[str], currency: str, ax: Axes) -> None:
    """Label the axes of a panel of differences from the control in the deciding metric, one name per line."""
    metric = each.decision.metric
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.grid(axis="x")
    ax.grid(axis="y", visible=False)
    label = (
        _("{metric} per customer against {control}")
        if is_money(metric)
        else _("{metric} against {control}")
        if is_count(metric)
        else _("{metric} against {control}, percentage points")
    )
    ax.set_xlabel(label.format(metric=metric_words(metric), control=arm_name(each.experiment.control)))
    if is_money(metric):
        money_ticks(ax.xaxis, currency)


def _effects_title(each: Evaluated) -> str:
    name, decision = experiment_title(each.experiment.name), each.decision
    if each.decided_in != "ab_test":
        return _("{test}: see “{question}”").format(test=name, question=question_words(each.decided_in))
    if decision.outcome == "ship":
        return _("{test}: {arm} brings more than {control}").format(
            test=name, arm=arm_name(decision.arm), control=arm_name(each.experiment.control)
        )
    if decision.outcome == "keep_control":
        return _("{test}: stay with {control}").format(test=name, control=arm_name(each.experiment.control))
    return _("{test}: undecided").format(test=name)


def effects_figure(evaluated: Sequence[Evaluated], currency: str) -> Html:
    """`effects` with alt text and caption; a note where all tests are broken."""
    if all(each.validity.broken for each in evaluated):
        return note(_("No test can be believed, so nothing is drawn."))
    if not any(each.effects.overall(each.decision.metric) for each in evaluated):
        return note(_("The metrics of the valid tests are not known in this source, so nothing is drawn."))
    described = []
    for each in evaluated:
        if each.validity.broken:
            described.append(_("{test} is broken and not shown.").format(test=experiment_name(each.experiment.name)))
            continue
        if not each.effects.overall(each.decision.metric):
            described.append(
                _("The metric of {test} is not known in this source.").format(
                    test=experiment_name(each.experiment.name)
                )
            )
            continue
        for row in each.effects.overall(each.decision.metric):
            described.append(
                _("{test}, {arm} against {control}: {difference}.").format(
                    test=experiment_name(each.experiment.name), arm=arm_name(row.arm),
                    control=arm_name(each.experiment.control),
                    difference=difference_words(each.decision.metric, row.interval, currency, row.reason),
                )
            )  # fmt: skip
    return figure(
        effects(evaluated, currency),
        alt=joined(*described),
        caption=_(
            "What each arm brought compared with its control over the whole time counted (randomised: the"
            " arm caused it). Thick: 95% interval of a single reading. Thin, for running tests: 95% interval"
            " valid at any number of readings. Green: worth it. Orange: not worth it. Grey: undecided, or"
            " answered on another page."
        ),
    )


def targeting_figure(rankings: Sequence[Ranking], currency: str) -> Html:
    """The gain of treating only the customers ranked first, compared with as many chosen at random.

    Args:
        rankings: of `ab_test.rank_responders`.
        currency: the source's.
    """
    if not rankings:
        return note(
            _("No targeting rules are compared: that takes orders, and enough customers in both arms of a test.")
        )
    drawn, axes = plt.subplots(
        len(rankings), 1, figsize=(8.2, 2.9 * len(rankings) + 0.4), squeeze=False, gridspec_kw={"hspace": 0.75}
    )
    described = []
    for ranking, ax in zip(rankings, axes[:, 0], strict=True):
        _targeting_panel(ranking, currency, ax)
        described.append(sentence(_targeting_title(ranking)))
    return figure(
        drawn,
        alt=joined(*described),
        caption=joined(
            _(
                "Gain per customer of the whole list if only the first share of it is treated, by targeting rule."
                " Dashed: as many customers chosen at random."
            ),
            _(
                "Thick, with 95% band: predicted effect, learned on the other half of the customers; the other bands"
                " are about as wide."
            )
            if any("uplift" in set(ranking.rules["rule"]) for ranking in rankings)
            else "",
        ),
    )


def _targeting_panel(ranking: Ranking, currency: str, ax: Axes) -> None:
    own = ranking.curve[ranking.curve["rule"] == "uplift"]
    ax.axhline(0, color=PALETTE["soft"], linewidth=1.0)
    if len(own):
        ax.fill_between(100 * own["depth"], own["low"], own["high"], color=PALETTE["accent"], alpha=0.2, linewidth=0)
    for rule, colour in _RULE_COLOURS.items():
        other = ranking.curve[ranking.curve["rule"] == rule]
        if len(other):
            ax.plot(100 * other["depth"], other["gain"], color=PALETTE[colour], linewidth=1.0, label=rule_words(rule))
    if len(own):
        ax.plot(100 * own["depth"], own["gain"], color=PALETTE["accent"], label=rule_words("uplift"))
    end = ranking.curve.groupby("rule", sort=False)["gain"].last().iloc[0]
    ax.plot((0, 100), (0, end), color=PALETTE["orange"], linestyle="--", label=_("at random"))
    ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False, fontsize="small")
    if is_money(ranking.metric):
        money_ticks(ax.yaxis, currency)
    elif not is_count(ranking.metric):
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _position: percent(value, 1)))
    ax.set_xlabel(_("share treated, percent"))
    ax.set_ylabel(_("gain per customer"))
    ax.set_title(_targeting_title(ranking))


def _targeting_title(ranking: Ranking) -> str:
    better = [rule_words(row.rule) for row in ranking.rules.itertuples() if row.better]
    if not better:
        return _("{test}, {arm}: no targeting rule is shown to beat random").format(
            test=experiment_title(ranking.experiment), arm=arm_name(ranking.arm)
        )
    return _("{test}, {arm}: better than random by {rules}").format(
        test=experiment_title(ranking.experiment), arm=arm_name(ranking.arm), rules=enumerated(better)
    )


def weeks_figure(weeks: pd.DataFrame, evaluated: Sequence[Evaluated], currency: str) -> Html:
    """The cumulative difference in profit since the assignment, for the selected arm of each test.

    Args:
        weeks: of `ab_test.trace_weeks`.
        evaluated: of `ab_test.analyse`.
        currency: the source's.
    """
    traces = []
    for each in evaluated:
        own = weeks[(weeks["experiment_id"] == each.experiment.name) & (weeks["arm"] == each.decision.arm)]
        if len(own) and np.isfinite(own["low"]).any():
            traces.append((each, own))
    if not traces:
        return note(
            _(
                "No valid test with profit has an arm that stands out and several weeks behind it, so there is nothing"
                " to follow yet."
            )
        )
    drawn, axes = plt.subplots(len(traces), 1, figsize=(8.2, 2.7 * len(traces) + 0.4), squeeze=False,
                               gridspec_kw={"hspace": 0.75})  # fmt: skip
    described = []
    for (each, own), ax in zip(traces, axes[:, 0], strict=True):
        _weeks_panel(each, own, currency, ax)
        last = own.iloc[-1]
        described.append(
            _("{test}, {arm}: after {week} weeks {difference}.").format(
                test=experiment_title(each.experiment.name), arm=arm_name(each.decision.arm), week=number(last["week"]),
                difference=difference_words("profit", (last["difference"], last["low"], last["high"]), currency),
            )
        )  # fmt: skip
    return figure(
        drawn,
        alt=joined(*described),
        caption=_(
            "Profit per customer so far, arm less control, by week since the assignment, always of the same customers;"
            " the band is the 95% interval. A line that comes down again is of orders that were only brought forward."
        ),
    )


def _weeks_panel(each: Evaluated, own: pd.DataFrame, currency: str, ax: Axes) -> None:
    ax.axhline(0, color=PALETTE["soft"], linewidth=1.0)
    ax.fill_between(own["week"], own["low"], own["high"], color=PALETTE["accent"], alpha=0.2, linewidth=0)
    ax.plot(own["week"], own["difference"], color=PALETTE["accent"], marker="o", markersize=4)
    money_ticks(ax.yaxis, currency)
    ax.set_xticks(own["week"].tolist())
    ax.set_xlabel(_("weeks since the assignment"))
    ax.set_ylabel(_("profit per customer"))
    ax.set_title(_weeks_title(each, own))


def _weeks_title(each: Evaluated, own: pd.DataFrame) -> str:
    last = own.iloc[-1]
    facts = {
        "test": experiment_title(each.experiment.name), "arm": arm_name(each.decision.arm),
        "weeks": number(last["week"]),
    }  # fmt: skip
    if last["low"] > 0:
        return _("{test}: after {weeks} weeks {arm} is still ahead").format(**facts)
    if last["high"] < 0:
        return _("{test}: after {weeks} weeks {arm} is behind").format(**facts)
    if (own["low"] > 0).any():
        return _("{test}: {arm} was ahead, and after {weeks} weeks that is no longer shown").format(**facts)
    return _("{test}: after {weeks} weeks nothing is shown either way").format(**facts)


def monthly_profit(months: pd.DataFrame, currency: str, ax: Axes | None = None) -> Axes:
    """Incremental profit by month, from the standing holdout.

    Args:
        months: of `ab_test.estimate_monthly_profit`, of one holdout.
        currency: the source's.
        ax: where to draw; None: a new figure.
    """
    ax = ax or plt.subplots()[1]
    places = np.arange(len(months))
    errors = [months["earned"] - months["earned_low"], months["earned_high"] - months["earned"]]
    colours = [PALETTE["accent"] if known else PALETTE["sky"] for known in months["significant"]]
    bars = ax.bar(places, months["earned"], yerr=errors, color=colours)
    outline_intervals(bars.errorbar)
    ax.axhline(0, color=PALETTE["soft"], linewidth=1.0)
    labels = [month(pd.Timestamp(one).date()) for one in months["month"]]
    ax.set_xticks(places, labels, rotation=45 if len(places) > 8 else 0)
    money_ticks(ax.yaxis, currency)
    ax.set_ylabel(_("earned in the month"))
    ax.set_title(
        _("Texting is shown to have earned in {n} of {all} months").format(
            n=number(count_gaining_months(months)), all=number(len(months))
        )
    )
    return ax


def monthly_profit_figure(months: pd.DataFrame, currency: str) -> Html:
    """`monthly_profit` with alt text and caption, of the holdout with most months; a note where there is none."""
    if not len(months):
        return note(_("There is no valid standing holdout with profit, so what the programme earned is not known."))
    own = longest_holdout(months)
    described = [
        _("{month}: {earned}.").format(
            month=month(pd.Timestamp(row.month).date()),
            earned=interval(row.earned, row.earned_low, row.earned_high, currency),
        )
        for row in own.itertuples()
    ]
    ax = monthly_profit(own, currency)
    tooltips(ax, range(len(own)), own["earned"], described)
    return figure(
        ax,
        alt=joined(*described),
        caption=joined(
            _(
                "Incremental profit of texting by month: customers assigned to texts (texted in the month or not) ×"
                " (their profit less that of the held-out ones), after discounts and what is known of message costs;"
                " lines are 95% intervals."
            ),
            _("Months in the darker colour differ from zero after correction for the number of months (Holm).")
            if own["significant"].any()
            else _("No month differs from zero after correction for the number of months (Holm)."),
            _("The first and last month may be incomplete."),
        ),
    )
