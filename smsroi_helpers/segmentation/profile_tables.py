"""Portraits of segments for `01_segmentation`: in words, in figures, and what people write."""

from typing import Any

import pandas as pd

from smsroi_helpers.locale import _, joined, listed, number, percent
from smsroi_helpers.pages import Html, arm_name, attribute_words, note, rows_in_reading_order, segment_name, table
from smsroi_helpers.segmentation.figures import FEWEST_SHOWN
from smsroi_helpers.segmentation.wording import spend_words

__all__ = [
    "portraits_table",
    "portraits_text",
    "segments_in_order",
    "themes_table",
    "thing_words",
]


def thing_words(row: Any) -> str:
    """What is over-represented, in words; `row` is one of `draw_portraits`."""
    if row.kind == "hour":
        return _("orders at {hours}").format(hours="–".join(f"{int(hour)}:00" for hour in row.value.split("-")))
    if row.kind == "creative":
        return _("clicks on “{creative}”").format(creative=arm_name(str(row.value)))
    return attribute_words(str(row.column), str(row.value))


def segments_in_order(portraits: pd.DataFrame, segment_outcomes: pd.DataFrame) -> list[str]:
    """The segments as on the rest of the page, then those without outcomes."""
    return [*segment_outcomes["segment"], *sorted(set(portraits["segment"]) - set(segment_outcomes["segment"]))]


def portraits_text(portraits: pd.DataFrame, segment_outcomes: pd.DataFrame) -> Html:
    """One paragraph for each segment, written from what is beyond chance there.

    Args:
        portraits: the result of `profiles.draw_portraits`.
        segment_outcomes: the result of `predictive_value.outcomes_by_segment`.
    """
    rows = []
    brought = segment_outcomes.set_index("segment")
    for name in segments_in_order(portraits, segment_outcomes):
        parts = []
        if name in brought.index and brought.loc[name, "customers"] >= FEWEST_SHOWN:
            row = brought.loc[name]
            parts.append(
                _(
                    "When the period began, {share} of customers; they brought {spend} of its spend ({interval})."
                ).format(share=percent(row["share"]), **spend_words(row))
            )
        mine = portraits[(portraits["segment"] == name) & (portraits["people"] >= FEWEST_SHOWN)]
        more = mine[mine["low"] > 1].sort_values("times", ascending=False).head(4)
        less = mine[mine["high"] < 1].sort_values("times").head(2)
        if len(more):
            parts.append(
                _("More than elsewhere: {things}.").format(
                    things=listed(
                        _("{thing} ({times} times, {low} to {high})").format(
                            thing=thing_words(row), times=number(row.times, 2), low=number(row.low, 2),
                            high=number(row.high, 2),
                        )
                        for row in more.itertuples()
                    )
                )
            )  # fmt: skip
        if len(less):
            parts.append(
                _("Less: {things}.").format(
                    things=listed(
                        _("{thing} ({times} times)").format(thing=thing_words(row), times=number(row.times, 2))
                        for row in less.itertuples()
                    )
                )
            )
        if not len(more) and not len(less):
            parts.append(_("Nothing known of them is more or less common than among all, beyond chance."))
        rows.append({_("Segment"): segment_name(name), _("Portrait"): joined(*parts)})
    caption = _(
        "Who they are: what is more common in a segment than among all, shrunken for the many comparisons, with 95%"
        " intervals. It describes, and says nothing of why"
    )
    return table(pd.DataFrame(rows), caption=caption, fold=True)


def portraits_table(portraits: pd.DataFrame, segment_outcomes: pd.DataFrame) -> Html:
    """Everything that is beyond chance in a segment, in figures.

    Args:
        portraits: the result of `profiles.draw_portraits`.
        segment_outcomes: the result of `predictive_value.outcomes_by_segment`.
    """
    beyond = portraits[(portraits["low"] > 1) | (portraits["high"] < 1)]
    if beyond.empty:
        return note(_("Nothing known of customers is more or less common in any segment, beyond chance."))
    place = {name: i for i, name in enumerate(segments_in_order(portraits, segment_outcomes))}
    beyond = beyond.assign(place=beyond["segment"].map(place)).sort_values(
        ["place", "times"], ascending=[True, False], kind="stable"
    )
    shown = pd.DataFrame(
        {
            _("Segment"): [segment_name(str(name)) for name in beyond["segment"]],
            _("What"): [thing_words(row) for row in beyond.itertuples()],
            _("Counted"): beyond["people"].astype(int),
            _("There"): [percent(value, 1) for value in beyond["share"]],
            _("Among all"): [percent(value, 1) for value in beyond["overall"]],
            _("Times (95% interval)"): [
                _("{value} ({low} to {high})").format(
                    value=number(row.times, 2), low=number(row.low, 2), high=number(row.high, 2)
                )
                for row in beyond.itertuples()
            ],
        }
    )
    caption = _(
        "Everything that differs beyond chance. Of creatives: clicks per delivered message, and how much the segment"
        " prefers it beyond its clicking anyway"
    )
    return table(shown, caption=caption, suppress=_("Counted"))


def themes_table(themes: pd.DataFrame) -> Html:
    """The terms a segment writes more often than others.

    Args:
        themes: the result of `profiles.find_themes`.
    """
    beyond = themes[(themes["low"] > 1) | (themes["high"] < 1)] if len(themes) else themes
    if themes.empty:
        return note(_("There is no feedback in words, or too little of it to compare segments by."))
    if beyond.empty:
        return note(_("What segments write in their feedback does not differ beyond chance."))
    beyond = rows_in_reading_order(beyond, "segment")
    shown = pd.DataFrame(
        {
            _("Segment"): [segment_name(str(name)) for name in beyond["segment"]],
            _("Term"): beyond["term"],
            _("People"): beyond["people"].astype(int),
            _("Of those who wrote"): [percent(value, 1) for value in beyond["share"]],
            _("Among all"): [percent(value, 1) for value in beyond["overall"]],
            _("Times (95% interval)"): [
                _("{value} ({low} to {high})").format(
                    value=number(row.times, 2), low=number(row.low, 2), high=number(row.high, 2)
                )
                for row in beyond.itertuples()
            ],
        }
    )
    return table(shown, caption=_("Terms in feedback that a segment uses more or less than all"), suppress=_("People"))
