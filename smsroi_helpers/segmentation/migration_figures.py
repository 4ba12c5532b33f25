"""Who moved between segments, as bands from left to right."""

from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from smsroi_helpers.locale import _, joined, listed, number, percent, sentence
from smsroi_helpers.pages import Html, figure, names_of, note, segment_colours, segment_name, sentence_case
from smsroi_helpers.segmentation.figures import FEWEST_SHOWN, too_few_words
from smsroi_helpers.segmentation.membership import DATED, RESPONSE
from smsroi_helpers.segmentation.migration import (
    count_customers,
    count_differing,
    large_moves,
    share_of_all,
    share_who_stayed,
)
from smsroi_helpers.segmentation.wording import range_words
from smsroi_helpers.statistics import Floats

__all__ = ["moves", "moves_figure"]


def moves(table_of_moves: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Who was where at the beginning of the last period and is where now, as bands from left to right.

    Args:
        table_of_moves: the result of `migration.count_moves`.
        ax: where to draw; None: a new figure.
    """
    ax = ax or plt.subplots(figsize=(8.2, 5.2))[1]
    rows = share_of_all(large_moves(table_of_moves, FEWEST_SHOWN))
    befores = list(dict.fromkeys(rows["before"]))
    nows = [name for name in dict.fromkeys([*befores, *rows["now"]]) if name in set(rows["now"])]
    colours = segment_colours(list(dict.fromkeys([*befores, *nows])))
    sizes_before, sizes_now = (rows.groupby(side)[f"{side}_share"].first() for side in ("before", "now"))
    left, right = _stack(sizes_before, befores), _stack(sizes_now, nows)
    ordered = rows.sort_values(
        ["before", "now"], key=lambda c: c.map({n: i for i, n in enumerate([*nows, *befores])})
    )  # fmt: skip
    across = np.linspace(0.04, 0.96, 40)
    for name, upper, lower in _flows(ordered, left, right):
        ax.fill_between(across, lower, upper, color=colours[name], alpha=0.55, linewidth=0)
    for x, blocks, sizes, align in ((0.0, left, sizes_before, "right"), (1.0, right, sizes_now, "left")):
        for name, (top, bottom) in blocks.items():
            ax.fill_between([x - 0.03, x + 0.03], bottom, top, color=colours[name], linewidth=0)
            ax.annotate(
                _("{segment} {share}").format(segment=segment_name(name), share=percent(sizes[name])),
                (x - 0.045 if align == "right" else x + 0.045, (top + bottom) / 2), ha=align, va="center",
                annotation_clip=False,
            )  # fmt: skip
    ax.set_xlim(-0.22, 1.22)
    ax.axis("off")
    ax.set_title(_moves_title(table_of_moves), loc="left")
    return ax


def _stack(sizes: pd.Series, names: list[str], space: float = 0.025) -> dict[str, tuple[float, float]]:
    """Where the top and the bottom of each block lie, the first on top."""
    blocks, at = {}, 0.0
    for name in names:
        blocks[name] = (at, at - float(sizes[name]))
        at = blocks[name][1] - space
    return blocks


def _flows(
    rows: pd.DataFrame, left: dict[str, tuple[float, float]], right: dict[str, tuple[float, float]]
) -> Iterator[tuple[str, Floats, Floats]]:
    """The segment before, the upper and the lower edge of each movement's band."""
    out, into = ({name: top for name, (top, _bottom) in blocks.items()} for blocks in (left, right))
    curve = (1 - np.cos(np.linspace(0, np.pi, 40))) / 2
    for row in rows.itertuples():
        upper = out[row.before] + (into[row.now] - out[row.before]) * curve
        yield row.before, upper, upper - row.of_all
        out[row.before] -= row.of_all
        into[row.now] -= row.of_all


def _moves_title(rows: pd.DataFrame) -> str:
    noted, compared = count_differing(rows)
    if not compared:
        return _("{share} of customers are where they were").format(share=percent(share_who_stayed(rows)))
    if not noted:
        return _("Customers moved as they did the period before")
    return _("{n} of {all} movements differ from the period before").format(n=number(noted), all=number(compared))


def moves_figure(table_of_moves: pd.DataFrame, segment_by: str, period_days: int) -> Html:
    """`moves` with alt text and caption; a sentence where segments have no date."""
    if segment_by not in (*DATED, RESPONSE) or not len(table_of_moves):
        return note(
            _("{segmentation} is a column of the customers’ table and has no date, so nobody moves in it.").format(
                segmentation=sentence_case(names_of(segment_by))
            )
        )
    if (table_of_moves["customers"] < FEWEST_SHOWN).all():
        return note(too_few_words())
    moved = table_of_moves[table_of_moves["possible"]]
    largest = moved[moved["before"] != moved["now"]].nlargest(4, "customers")
    parts = [
        _("{before} to {now}: {share} of those who were there ({interval}).").format(
            before=segment_name(row.before), now=segment_name(row.now), share=percent(row.share),
            interval=range_words(row.low, row.high, 0),
        )
        for row in largest.itertuples()
        if row.customers >= FEWEST_SHOWN
    ]  # fmt: skip
    caption = _(
        "Where customers were {days} days before the last day observed (left) and where they are now (right), by the"
        " same cut-offs. Shares are of all {n} customers drawn, whether they have bought or not. Movements of fewer"
        " than ten people are left out"
    ).format(days=number(period_days), n=number(count_customers(large_moves(table_of_moves, FEWEST_SHOWN))))
    if impossible := [segment_name(name) for name in table_of_moves.loc[~table_of_moves["possible"], "now"].unique()]:
        words = _("Then the log was too short for anybody to be {segments}: those who are now have not moved")
        caption = joined(sentence(caption), words.format(segments=listed(impossible)))
    return figure(moves(table_of_moves), alt=joined(sentence(_moves_title(table_of_moves)), *parts), caption=caption)
