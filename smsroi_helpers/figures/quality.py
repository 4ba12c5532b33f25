"""Figures of `00_quality`."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from smsroi_helpers.figures.style import PALETTE, Html, figure, table
from smsroi_helpers.locale import _, day, money, number, percent
from smsroi_helpers.quality import Coverage

__all__ = [
    "coverage_table",
    "exclusions_table",
    "notebooks_table",
    "rows_by_week",
    "rows_by_week_figure",
    "tables_table",
]


def rows_by_week(by_week: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Rows a week of each table that grows by the day, one line each.

    Args:
        by_week: of `quality.count_by_week`: week, table, rows.
        ax: where to draw; None: a new figure.
    """
    ax = ax or plt.subplots()[1]
    inner = by_week.groupby("table").cumcount().gt(0) & by_week.groupby("table").cumcount(ascending=False).gt(0)
    whole = by_week[inner]
    for colour, (name, rows) in zip(("accent", "orange", "green"), whole.groupby("table", sort=False), strict=False):
        ax.plot(rows["week"], rows["rows"], color=PALETTE[colour], linewidth=1.6)
        if len(rows):
            ax.annotate(
                str(name), (rows["week"].iloc[-1], rows["rows"].iloc[-1]), xytext=(6, 0),
                textcoords="offset points", va="center", color=PALETTE[colour],
            )  # fmt: skip
    empty = int((whole.loc[whole["table"] == "orders", "rows"] == 0).sum())
    ax.set_title(
        _("No week without an order") if not empty else _("{n} weeks without an order").format(n=number(empty))
    )
    ax.set_ylim(bottom=0)
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _position: number(value)))
    ax.set_ylabel(_("rows a week"))
    ax.set_xlabel("")
    return ax


def rows_by_week_figure(by_week: pd.DataFrame) -> Html:
    """`rows_by_week` with alt text and caption."""
    parts = [
        _("{table}: {low} to {high} rows a week over {weeks} weeks.").format(
            table=name, low=number(rows["rows"].min()), high=number(rows["rows"].max()), weeks=number(len(rows))
        )
        for name, rows in by_week.groupby("table", sort=False)
    ]
    return figure(
        rows_by_week(by_week),
        alt=" ".join(parts),
        caption=_(
            "Rows by week (the first and the last week, which may be cut, are not drawn). Look for steps and gaps."
        ),
    )


def coverage_table(coverage: Coverage, currency: str) -> Html:
    """What the orders cover, in one table."""
    rows = {
        _("Customers with orders"): number(coverage.customers),
        _("Orders"): number(coverage.orders),
        _("Refunds"): number(coverage.refunds),
        _("Paid, less refunds"): money(coverage.amount, currency),
        _("First order"): day(coverage.first),
        _("Last order"): day(coverage.last),
        _("Days from the first order to the last day observed"): number(coverage.days),
        _("Longest run of days without an order"): number(coverage.longest_gap_days),
    }
    frame = pd.DataFrame({_("What"): list(rows), _("How much"): list(rows.values())})
    return table(frame, caption=_("What the orders cover"))


def tables_table(tables: pd.DataFrame) -> Html:
    """What came in, by table.

    Args:
        tables: of `quality.describe_tables`.
    """
    shown = tables.assign(first=tables["first"].map(_day), last=tables["last"].map(_day))
    names = {
        "table": _("Table"),
        "rows_in": _("Rows in"),
        "put_aside": _("Put aside"),
        "later": _("After the last day"),
        "used": _("Used"),
        "first": _("First day"),
        "last": _("Last day"),
    }
    return table(shown.rename(columns=names), caption=_("What came in, and what of it is used"))


def _day(value: str | None) -> str:
    return day(value) if isinstance(value, str) else "–"


def exclusions_table(exclusions: pd.DataFrame) -> Html:
    """What was put aside or noted, and what to do about it.

    Args:
        exclusions: of `quality.list_exclusions`.
    """
    caption = _("What was put aside or noted, and what to do about it")
    if exclusions.empty:
        exclusions = pd.DataFrame([{"table": _("all tables"), "rule": _("nothing to report"), "rows": 0, "share": 0.0}])
    names = {
        "table": _("Table"),
        "rule": _("What"),
        "severity": _("Kind"),
        "rows": _("Rows"),
        "share": _("Share of the table"),
        "remedy": _("What to do"),
    }
    return table(
        exclusions.rename(columns=names),
        caption=caption,
        formats={_("Share of the table"): lambda share: percent(share, 2)},
    )


def notebooks_table(notebooks: pd.DataFrame) -> Html:
    """Which notebooks can run on this source.

    Args:
        notebooks: of `quality.list_notebooks`.
    """
    shown = pd.DataFrame(
        {
            _("Notebook"): notebooks["notebook"],
            _("Can run"): [_("yes") if can else _("no") for can in notebooks["can_run"]],
            _("What it lacks"): [lacks or "–" for lacks in notebooks["lacks"]],
        }
    )
    return table(shown, caption=_("Which notebooks can run on this source"))
