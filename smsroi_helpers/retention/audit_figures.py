"""The five pictures of the customer-base audit."""

import datetime as dt

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from smsroi_helpers.locale import _, day, joined, money, month, number, percent, sentence
from smsroi_helpers.pages import PALETTE, Html, figure, note, outline_intervals
from smsroi_helpers.retention.base_audit import largest_move, shown_moves
from smsroi_helpers.retention.study import Study
from smsroi_helpers.retention.wording import largest_move_words, left_out_words, move_words, share_words

__all__ = [
    "ages_figure",
    "cohort_figure",
    "months_figure",
    "periods_figure",
    "tenths_figure",
]


def _month(date: object) -> str:
    return month(_day(date))


def _day(date: object) -> dt.date:
    return pd.Timestamp(str(date)).date()


def _small_share(share: float) -> str:
    """A share in percent; one above 0 is not shown as 0."""
    return _("less than 1%") if 0 < share < 0.005 else percent(share)


def _in_currency(quantity: str, currency: str) -> str:
    """The label of an axis with its unit, where the source names a currency."""
    return _("{quantity} ({currency})").format(quantity=quantity, currency=currency) if currency else quantity


def _no_orders() -> Html:
    return note(_("The audit counts purchases, and the source has no orders."))


def tenths_figure(study: Study) -> Html:
    """Lens 1: the share of a period's profit that each tenth of its buyers brought."""
    if study.audit is None:
        return _no_orders()
    rows = study.audit.tenths
    if not len(rows):
        return note(_("Fewer than a hundred customers bought in the last period, or brought no profit: no tenths."))
    ax = plt.subplots(figsize=(8.2, 3.8))[1]
    share = 100 * rows["share"].to_numpy(float)
    half_widths = np.maximum(np.stack([share - 100 * rows["low"], 100 * rows["high"] - share]), 0)
    bars = ax.bar(rows["tenth"], share, yerr=half_widths, color=PALETTE["accent"], width=0.75)
    outline_intervals(bars.errorbar)
    ax.axhline(10, color=PALETTE["grey"], linestyle="--", linewidth=1)
    ax.set_xticks(rows["tenth"], [number(one) for one in rows["tenth"]])
    ax.set_xlabel(_("tenth of the buyers by profit, 1 = most"))
    ax.set_ylabel(_("share of profit, percent"))
    first = rows.iloc[0]
    title = _("A tenth of the buyers brings {share} of the profit").format(share=percent(first["share"]))
    ax.set_title(title)
    return figure(
        ax,
        alt=_("{title} (95% interval {low} to {high}); the last tenth brings {last}.").format(
            title=title, low=percent(first["low"], 1), high=percent(first["high"], 1),
            last=percent(rows["share"].iloc[-1], 1),
        ),
        caption=_(
            "Profit of the last {days} days, before message costs, of {n} buyers, with 95% intervals."
            " Dashed: all alike."
        ).format(days=number(study.audit.period_days), n=number(study.audit.ranked_buyers)),
    )  # fmt: skip


def periods_figure(study: Study, currency: str) -> Html:
    """Lens 2: who came, stayed and left between two periods, and the profit each moved."""
    if study.audit is None:
        return _no_orders()
    found = study.audit.periods
    if found is None:
        return note(
            _("The log is shorter than two periods of {days} days.").format(days=number(study.audit.period_days))
        )
    shown, hidden = shown_moves(found)
    rows = shown.set_index("move")[::-1]
    ax = plt.subplots(figsize=(8.2, 3.6))[1]
    at = np.arange(len(rows))
    moved = rows["moved"].to_numpy(float)
    half_widths = np.nan_to_num(np.maximum(np.stack([moved - rows["low"], rows["high"] - moved]).astype(float), 0))
    colours = [PALETTE["green"] if value >= 0 else PALETTE["orange"] for value in moved]
    bars = ax.barh(at, moved, xerr=half_widths, color=colours, height=0.65)
    outline_intervals(bars.errorbar)
    ax.set_yticks(
        at,
        [_("{move} ({n})").format(move=move_words(row.Index), n=number(row.customers)) for row in rows.itertuples()],
    )
    ax.axvline(0, color=PALETTE["ink"], linewidth=0.8)
    ax.grid(axis="x")
    ax.set_xlabel(_in_currency(_("change in profit"), currency))
    move, amount = largest_move(shown)
    title = largest_move_words(move, money(amount, currency, 0))
    ax.set_title(title)
    parts = [
        _("{move}: {n} customers, {amount}.").format(
            move=move_words(row.Index), n=number(row.customers), amount=money(row.moved, currency, 0)
        )
        for row in rows[::-1].itertuples()
    ]
    caption = _("From {begins}–{before} to {middle}–{ends}: profit of the later period less that of the earlier one.")
    return figure(
        ax,
        alt=joined(sentence(title), *parts),
        caption=joined(
            caption.format(
                begins=day(found.begins), before=day(found.middle - pd.Timedelta(days=1).to_pytimedelta()),
                middle=day(found.middle), ends=day(found.ends),
            ),
            _("95% intervals. Bought again: {share}.").format(share=share_words(found.kept)),
            left_out_words(shown["move"], hidden),
        ),
    )  # fmt: skip


def cohort_figure(study: Study, currency: str) -> Html:
    """Lens 3: one cohort by month: how many buy, how often, how much a purchase brings."""
    if study.audit is None:
        return _no_orders()
    rows = study.audit.cohort
    rows = rows[rows["age"] >= 1] if len(rows) else rows
    if len(rows) < 2:
        return note(_("No cohort of thirty customers has been followed for two whole months."))
    panels = plt.subplots(1, 3, figsize=(8.2, 3.2))[1]
    share, low, high = (100 * rows[name].to_numpy(float) for name in ("share", "low", "high"))
    panels[0].fill_between(rows["age"], low, high, color=PALETTE["accent"], alpha=0.18, linewidth=0)
    panels[0].plot(rows["age"], share, color=PALETTE["accent"])
    panels[0].set_title(_("bought, percent"), fontsize=10)
    panels[1].plot(rows["age"], rows["purchases"], color=PALETTE["green"])
    panels[1].set_title(_("purchases per buyer"), fontsize=10)
    panels[2].plot(rows["age"], rows["profit"], color=PALETTE["purple"])
    panels[2].set_title(_in_currency(_("profit per purchase"), currency), fontsize=10)
    for panel in panels:
        panel.set_ylim(0, 1.08 * panel.dataLim.y1)
        panel.set_xlabel(_("month after the first"))
    first, last = rows.iloc[0], rows.iloc[-1]
    limits = [
        _("95% interval {low} to {high}").format(low=percent(one["low"], 1), high=percent(one["high"], 1))
        for one in (first, last)
    ]
    words = _(
        "The cohort of {month}, {n} customers: {a} bought in month {first} ({first_range}), {b} in month {last}"
        " ({last_range}). Each customer brought {x} and {y} in these months."
    ).format(
        month=month(_day(first["cohort"])), n=number(first["customers"]), a=percent(first["share"], 1),
        b=percent(last["share"], 1), first=number(first["age"]), last=number(last["age"]),
        first_range=limits[0], last_range=limits[1],
        x=money(first["per_customer"], currency), y=money(last["per_customer"], currency),
    )  # fmt: skip
    panels[0].figure.tight_layout()
    return figure(panels[0].figure, alt=words, caption=words)


def ages_figure(study: Study, currency: str) -> Html:
    """Lens 4: cohorts at equal age: profit per customer and the share who bought again."""
    if study.audit is None:
        return _no_orders()
    rows = study.audit.ages
    if len(rows) < 2:
        return note(_("Fewer than two cohorts of thirty customers have been followed long enough to compare them."))
    panels = plt.subplots(2, 1, figsize=(8.2, 5.0), sharex=True)[1]
    at = np.arange(len(rows))
    settled = rows["settled"].to_numpy(bool)
    pictures = (("profit", "low", "high", 1.0), ("again", "again_low", "again_high", 100.0))
    for panel, (name, low, high, scale) in zip(panels, pictures, strict=True):
        for own, colour in ((settled, "accent"), (~settled, "grey")):
            value = scale * rows.loc[own, name].to_numpy(float)
            half_widths = np.stack([value - scale * rows.loc[own, low], scale * rows.loc[own, high] - value])
            panel.errorbar(at[own], value, yerr=np.maximum(half_widths, 0), fmt="o", color=PALETTE[colour])
        panel.set_ylim(bottom=min(0.0, panel.get_ylim()[0]))
    panels[0].set_ylabel(_in_currency(_("profit per customer"), currency))
    panels[1].set_ylabel(_("bought again, percent"))
    step = max(len(rows) // 12, 1)
    panels[1].set_xticks(at[::step], [_month(one) for one in rows["cohort"][::step]], rotation=45, ha="right")
    panels[1].set_xlabel(_("month of the first purchase"))
    best, worst = rows.loc[rows["profit"].idxmax()], rows.loc[rows["profit"].idxmin()]
    words = _(
        "By {days} days after the first purchase a customer of {best} had brought {most}, one of {worst} {least}: the"
        " highest and the lowest of {n} cohorts, which chance alone sets apart too."
    ).format(
        days=number(study.audit.age_days), best=month(_day(best["cohort"])), worst=month(_day(worst["cohort"])),
        most=money(best["profit"], currency), least=money(worst["profit"], currency), n=number(len(rows)),
    )  # fmt: skip
    grey = _("Grey: the log had just begun, so the cohort may hold old customers.") if not settled.all() else ""
    return figure(panels[0].figure, alt=words, caption=joined(words, _("95% intervals, one per cohort."), grey))


def months_figure(study: Study, currency: str) -> Html:
    """Lens 5: each month's profit, by whether the customers were new."""
    if study.audit is None:
        return _no_orders()
    rows = study.audit.months
    if len(rows) < 2:
        return note(_("The log covers fewer than two whole calendar months."))
    panels = plt.subplots(2, 1, figsize=(8.2, 5.0), sharex=True)[1]
    at = np.arange(len(rows))
    for panel, known, new in zip(panels, ("known", "known_profit"), ("new", "new_profit"), strict=True):
        panel.bar(at, rows[known], color=PALETTE["accent"], label=_("bought before"))
        panel.bar(at, rows[new], bottom=rows[known], color=PALETTE["gold"], label=_("first purchase"))
    panels[0].set_ylabel(_("customers who bought"))
    panels[1].set_ylabel(_in_currency(_("profit"), currency))
    panels[0].legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2)  # above the bars
    step = max(len(rows) // 12, 1)
    panels[1].set_xticks(at[::step], [_month(one) for one in rows["month"][::step]], rotation=45, ha="right")
    last = rows.iloc[-1]
    words = _("In {month} {n} customers bought, {new} of them for the first time; those brought {share} of the profit.")
    words = words.format(
        month=month(_day(last["month"])), n=number(last["customers"]), new=number(last["new"]),
        share=_small_share(last["new_share"]) if last["profit"] else "–",
    )  # fmt: skip
    return figure(
        panels[0].figure, alt=words, caption=joined(words, _("Whole calendar months, counted; before message costs."))
    )
