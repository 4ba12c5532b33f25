"""Tables of `04_frequency`'s checks: what supports the result, what the log alone shows, which customers are fading."""

import numpy as np
import pandas as pd

from smsroi_helpers.frequency.early_warning import RECENT_WEEKS
from smsroi_helpers.frequency.observational import summarise_weeks
from smsroi_helpers.frequency.saturation import share_levels
from smsroi_helpers.frequency.shared_wording import frequency_words, money_words
from smsroi_helpers.frequency.study import Study, compare_steps_with_test, in_order
from smsroi_helpers.locale import _, day, enumerated, interval, joined, money, number, percent, sentence
from smsroi_helpers.pages import (
    Html,
    channel_name,
    compact_words,
    experiment_name,
    note,
    p_words,
    practice_dates,
    segment_name,
    table,
)

__all__ = [
    "click_value_note",
    "log_weeks_table",
    "overlap_table",
    "satisfaction_table",
    "saturation_table",
    "shape_note",
    "steps_table",
    "warning_table",
    "winback_table",
]


def shape_note(study: Study) -> Html:
    """How far clicks determine the shape of profit."""
    if study.fit is None:
        return note(_("Without a response there is no shape to check."))
    if study.fit.method == "arms":
        return note(
            _("Clicks are not known in every arm, or only one frequency was tested. Each arm is its own estimate.")
        )
    return note(
        _(
            "The profit of a frequency is a weighted mean: {share} follows people’s clicks, the rest is the arm’s own"
            " estimate. The weight depends on how well profit agrees with clicks over the arms of each segment (p {p}"
            " for exact agreement)."
        ).format(share=percent(study.fit.curve_weight), p=p_words(study.fit.proportional_p))
    )


def click_value_note(study: Study, currency: str) -> Html:
    """The run's one value of a click, and that the profit of a frequency does not depend on it."""
    click = study.click
    if click is None or not click.known:
        return note(_("No test shows what a click is worth. The profit of a frequency is measured on orders instead."))
    return note(
        joined(
            _("A click is worth {value} ({test}).").format(
                value=interval(click.estimate, click.low, click.high, currency),
                test=enumerated(map(experiment_name, click.experiments)),
            ),
            _(
                "It is the same value on every page. The profit of a frequency does not use it: profit is measured on"
                " orders, and clicks only shape the curve between the frequencies."
            ),
        )
    )


def log_weeks_table(study: Study) -> Html:
    """The weeks of the log that observational estimates use."""
    weeks, logs = study.logs.weeks, study.logs
    if not len(weeks):
        return note(_("The log has too few weeks of messages outside experiments for an observational estimate."))
    rows = [
        {
            _("Week of"): day(pd.Timestamp(row.landmark).date()),
            _("Customers"): row.customers,
            _("Texts each"): row.texts,
            _("Without any"): percent(row.without),
        }
        for row in summarise_weeks(weeks).itertuples()
    ]
    caption = _("What is compared: subscribers outside experiments in {n} weeks of the log ({channel})").format(
        n=number(len(rows)), channel=channel_name(study.channel)
    )
    if logs.sampled < 1:
        sample = _("A random sample of {share} of the customers is counted").format(share=percent(logs.sampled))
        caption = joined(sentence(caption), sample)
    if logs.log_weeks.plan_began is not None:
        caption = joined(
            sentence(caption),
            _(
                "A send plan began on {day}; messages that follow it cannot be compared, so these weeks end before"
            ).format(day=day(logs.log_weeks.plan_began)),
        )
    return table(pd.DataFrame(rows), caption=caption, suppress=_("Customers"), digits={_("Texts each"): 2})


def steps_table(study: Study, currency: str) -> Html:
    """The association of one more text a week with profit in the log, raw and adjusted, beside the test's effect."""
    steps = compare_steps_with_test(study)
    if not len(steps):
        return note(_("The log has no weeks outside experiments to compare."))
    rows = []
    for row in steps.itertuples():
        test = money_words(row.test, row.test_low, row.test_high, currency=currency)
        reason = {"few": _("too few"), "overlap": _("too little overlap")}.get(row.reason, "")
        raw = money_words(row.raw, row.raw_low, row.raw_high, currency=currency)
        adjusted = money_words(row.effect, row.low, row.high, currency=currency)
        limits = _("{e} ({limit})").format(e=number(row.e_value, 2), limit=number(row.e_value_low, 2))
        rows.append({
            _("Step"): _("{a} to {b} texts a week").format(a=number(row.fewer), b=number(row.more)),
            _("Customers"): row.customers,
            _("Raw"): raw if np.isfinite(row.raw) else reason,
            _("Adjusted"): adjusted if np.isfinite(row.effect) else reason,
            _("Left out"): percent(row.left_out) if row.kept else "–",
            _("E-value (of the limit)"): limits if np.isfinite(row.e_value) else "–",
            _("Randomised"): test,
        })  # fmt: skip
    caption = _(
        "What one text more in a week goes with in profit before message cost over four weeks, 95%"
        " intervals. Raw and adjusted are observational: read off the log, raw or adjusted for all that"
        " was known before; customer-weeks unlike any that got the other frequency are left out."
        " Randomised is what the test shows of a week at such frequencies. E-value: how strongly"
        " something unseen would have to go with both frequency and profit, as a risk ratio, to make all"
        " of it"
    )
    return table(pd.DataFrame(rows), caption=caption, suppress=_("Customers"))


def overlap_table(study: Study) -> Html:
    """Overlap: how likely customers with one number of texts were to get another number."""
    overlap = study.logs.overlap
    if not len(overlap):
        return note(_("There is no overlap to show."))
    names = {f"share_{d}": _("could have got {d}").format(d=number(d)) for d in overlap["dose"]}
    frame = pd.DataFrame(
        {_("Texts that week"): [number(d) for d in overlap["dose"]], _("Customer-weeks"): overlap["rows"]}
    )
    for name, words in names.items():
        frame[words] = [percent(x) for x in overlap[name]]
    caption = _(
        "Overlap in the log: of the customer-weeks with so many texts, the share that had a chance of 5%"
        " or more of another frequency, by what was known before. The last row stands for as many texts"
        " or more"
    )
    return table(frame, caption=caption, suppress=_("Customer-weeks"))


def saturation_table(study: Study, found: pd.DataFrame, currency: str) -> Html:
    """How many customers get too few, about the right number or too many texts, and the cost.

    Args:
        study: of `study.analyse`.
        found: of `saturation.measure_saturation`.
        currency: the source's.
    """
    if not len(found):
        return note(_("Without an advised frequency nobody can be called under- or over-messaged."))
    if not found[["under", "over"]].to_numpy().any():
        return note(
            _(
                "All {n} subscribers outside experiments whose segment has an advised frequency got it from {dates},"
                " within half a text a week."
            ).format(n=number(found["customers"].iloc[0]), dates=practice_dates(study.logs.practice))
        )
    rows = [
        {
            _("Segment"): segment_name(row.segment),
            _("Customers"): row.customers,
            _("Too few"): percent(row.under_share),
            _("About right"): percent(row.right_share),
            _("Too many"): percent(row.over_share),
            _("Cost a week"): money_words(row.cost, row.cost_low, row.cost_high, currency=currency),
            _("Of it by too few"): money(row.under_cost, currency, 0),
            _("By too many"): money(row.over_cost, currency, 0),
        }
        for row in share_levels(found).itertuples()
    ]
    caption = _(
        "Subscribers outside experiments by their texts from {dates}, against the frequency advised for their"
        " segment, and what being off it costs a week, opt-outs priced in. Half a text a week more or less is about"
        " right. The gain of a recommended change is another sum. It is of all subscribers, and also counts the loss"
        " where four texts in four weeks come three in one and none in the next"
    ).format(dates=practice_dates(study.logs.practice))
    return table(pd.DataFrame(rows), caption=caption, suppress=_("Customers"))


def warning_table(study: Study, found: tuple[pd.DataFrame, str]) -> Html:
    """How many customers are fading, by segment."""
    frame, why = found
    frame = frame.set_index("segment").loc[in_order(study, list(frame["segment"]))].reset_index()
    rows = [
        {
            _("Segment"): segment_name(row.segment),
            _("Subscribers"): row.subscribers,
            _("Fading in buying"): percent(row.fading_share) if row.alive and np.isfinite(row.alive) else "–",
            _("Clicked before, not since"): percent(row.quiet_share) if row.clickers else "–",
            _("Not before, but since"): percent(row.woken_share) if row.silent else "–",
        }
        for row in frame.itertuples()
    ]
    caption = _(
        "Early warning over the last {weeks} weeks against as many before, counted. Fading: of those who were likely"
        " still customers (MBG/NBD), the share that no longer is. Clicking is rare, so many fall silent by chance; the"
        " last column says how many woke. Segments are those before these weeks"
    ).format(weeks=number(RECENT_WEEKS))
    if why:
        caption = joined(sentence(caption), _("Too few buyers came back for a purchase model."))
    return table(pd.DataFrame(rows), caption=caption, suppress=_("Subscribers"))


def winback_table(found: pd.DataFrame, currency: str) -> Html:
    """How dormant and lost customers respond to each number of texts.

    Args:
        found: of `win_back.win_back`.
        currency: the source's.
    """
    pays = {"yes": _("yes"), "no": _("no"), "not_shown": _("not shown")}
    rows = [
        {
            _("Group"): segment_name(row.segment, "rfm_group"),
            _("Texts a week"): frequency_words(row.dose),
            _("Customers"): row.customers,
            _("Profit a week"): money_words(row.profit, row.low, row.high, currency=currency),
            _("Pays"): pays[row.pays],
        }
        for row in found.itertuples()
    ]
    if not rows:
        return note(
            _(
                "The test had too few dormant or lost customers to say which frequency wins them back. The page on"
                " retention compares all frequencies together with no texts."
            )
        )
    caption = _(
        "Winning back: incremental profit of texting a week from subscribers who are inactive today, from the test’s"
        " customers of the same group (modelled, 95% intervals)"
    )
    return table(pd.DataFrame(rows), caption=caption, suppress=_("Customers"))


def satisfaction_table(found: tuple[pd.DataFrame, str]) -> Html:
    """The feedback score by texts per week."""
    frame, evidence = found
    if not len(frame):
        return note(_("Nobody’s feedback tells how content they are with being texted so often."))
    randomised = evidence == "randomised"
    rows = []
    for row in frame.itertuples():
        cells = {
            (_("Texts a week") if randomised else _("Texts in the week before")): frequency_words(row.dose)
            if randomised
            else number(row.dose),
            (_("Customers") if randomised else _("Answers")): row.n,
            _("Score"): compact_words(row.mean, row.low, row.high) if np.isfinite(row.low) else number(row.mean, 1),
        }
        if randomised:
            cells[_("Against none")] = (
                compact_words(row.difference, row.difference_low, row.difference_high)
                if np.isfinite(row.difference_low)
                else "–"
            )
        rows.append(cells)
    caption = (
        _("How likely people are to recommend (0 to 10) by the frequency randomly assigned, 95% intervals")
        if randomised
        else _(
            "How likely people are to recommend (0 to 10) by the texts they got before: observational, no effect shown"
        )
    )
    return table(pd.DataFrame(rows), caption=caption, suppress=_("Customers") if randomised else _("Answers"))
