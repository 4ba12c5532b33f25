"""Figures and tables of `00_quality`."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from smsroi_helpers.contract import remedy_parts
from smsroi_helpers.locale import _, day, joined, money, number, percent, translated
from smsroi_helpers.pages import PALETTE, Chart, Html, channel_name, figure, note, sentence_case, stage_words, table
from smsroi_helpers.quality.checks import Coverage, MessageCoverage, count_empty_weeks, range_of_weeks

__all__ = [
    "coverage_table",
    "exclusions_table",
    "gains_table",
    "notebooks_table",
    "overlap_table",
    "prices_table",
    "rows_by_week",
    "rows_by_week_figure",
    "tables_table",
]


def _table_name(table_name: str) -> str:
    """The name of a line of `rows_by_week`."""
    return {"orders": _("orders"), "messages": _("messages"), "visits": _("visits")}.get(table_name, table_name)


def rows_by_week(by_week: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Rows per week of orders, messages and visits, one line each.

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
                _table_name(str(name)), (rows["week"].iloc[-1], rows["rows"].iloc[-1]), xytext=(6, 0),
                textcoords="offset points", va="center", color=PALETTE[colour],
            )  # fmt: skip
    ax.set_title(_weeks_title(whole))
    ax.set_ylim(bottom=0)
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _position: number(value)))
    ax.set_ylabel(_("rows a week"))
    ax.set_xlabel("")
    return ax


def _weeks_title(whole: pd.DataFrame) -> str:
    """How many weeks have no order; in a source without orders, no message."""
    counted = "orders" if (whole["table"] == "orders").any() else "messages"
    empty = count_empty_weeks(whole, counted)
    if counted == "orders":
        return _("No week without an order") if not empty else _("{n} weeks without an order").format(n=number(empty))
    return _("No week without a message") if not empty else _("{n} weeks without a message").format(n=number(empty))


def rows_by_week_figure(by_week: pd.DataFrame) -> Chart:
    """`rows_by_week` with alt text and caption."""
    low_and_high = {str(name): range_of_weeks(rows) for name, rows in by_week.groupby("table", sort=False)}
    parts = [
        _("{table}: {low} to {high} rows a week over {weeks} weeks.").format(
            table=sentence_case(_table_name(str(name))),
            low=number(low_and_high[str(name)][0]),
            high=number(low_and_high[str(name)][1]),
            weeks=number(len(rows)),
        )
        for name, rows in by_week.groupby("table", sort=False)
    ]
    return figure(
        rows_by_week(by_week),
        alt=joined(*parts),
        caption=_(
            "Rows by week (the first and the last week, which may be cut, are not drawn). Look for steps and gaps."
        ),
    )


def coverage_table(coverage: Coverage | MessageCoverage, currency: str) -> Html:
    """The coverage of the orders; in a source without orders, that of the messages."""
    if isinstance(coverage, MessageCoverage):
        return _message_table(coverage)
    rows = {
        _("Customers with orders or refunds"): number(coverage.customers),
        _("Customers with orders"): number(coverage.buyers),
        _("Orders"): number(coverage.orders),
        _("Refunds"): number(coverage.refunds),
        _("Paid for orders"): money(coverage.paid, currency),
        _("Paid, less refunds"): money(coverage.net_paid, currency),
        **_guest_rows(coverage, currency),
        _("First order"): day(coverage.first),
        _("Last order"): day(coverage.last),
        _("Days from the first order to the last day observed"): number(coverage.days),
        _("Longest run of days without an order"): number(coverage.longest_gap_days),
    }
    caption = _("What the orders cover")
    if coverage.texts:
        rows |= _message_rows(coverage.texts)
        caption = _("What the orders and the messages cover")
    frame = pd.DataFrame({_("What"): list(rows), _("How much"): list(rows.values())})
    return table(frame, caption=caption)


def _message_rows(coverage: MessageCoverage) -> dict[str, str]:
    return {
        _("Customers who were sent a message"): number(coverage.customers),
        _("Messages"): number(coverage.messages),
        _("Delivered"): _known(coverage.delivered),
        _("Clicked by a person"): _known(coverage.clicked),
        _("Customers who opted out"): _known(coverage.opted_out),
        _("First message"): day(coverage.first),
        _("Last message"): day(coverage.last),
        _("Days from the first message to the last day observed"): number(coverage.days),
        _("Longest run of days without a message"): number(coverage.longest_gap_days),
    }


def _message_table(coverage: MessageCoverage) -> Html:
    rows = {
        **_message_rows(coverage),
        _("Orders, revenue, profit"): _("not known: the source has no table orders"),
    }
    frame = pd.DataFrame({_("What"): list(rows), _("How much"): list(rows.values())})
    return table(frame, caption=_("What the messages cover"))


def _known(value: int | None) -> str:
    return _("not recorded") if value is None else number(value)


def _guest_rows(coverage: Coverage, currency: str) -> dict[str, str]:
    """The guests' orders and revenue, where there are any."""
    if not coverage.guest_orders:
        return {}
    return {
        _("Orders of guests, not counted above"): number(coverage.guest_orders),
        _("Paid by guests, not counted above"): money(coverage.guest_paid, currency),
    }


def tables_table(tables: pd.DataFrame) -> Html:
    """Rows read, rejected and used, by table.

    Args:
        tables: of `quality.describe_tables`.
    """
    shown = tables.assign(first=tables["first"].map(_day), last=tables["last"].map(_day))
    shown = shown.drop(columns=[name for name in ("merged", "guests") if not shown[name].any()])
    names = {
        "table": _("Table"),
        "rows_in": _("Rows in"),
        "put_aside": _("Rejected"),
        "merged": _("Merged into others"),
        "guests": _("Of guests"),
        "later": _("After the last day"),
        "used": _("Used"),
        "first": _("First day"),
        "last": _("Last day"),
    }
    return table(shown.rename(columns=names), caption=_("What came in, and what of it is used"))


def _day(value: str | None) -> str:
    return day(value) if isinstance(value, str) else "–"


def exclusions_table(exclusions: pd.DataFrame) -> Html:
    """Rejected rows and warnings, with remedies.

    Args:
        exclusions: of `quality.list_exclusions`.
    """
    caption = _("What was rejected or noted, and what to do about it")
    if exclusions.empty:
        nothing = {"table": _("all tables"), "column": "", "rule": _("nothing to report"), "rows": 0, "share": 0.0}
        exclusions = pd.DataFrame([nothing])
    kinds = {"error": _("error"), "warning": _("warning"), "note": _("note"), "stated": _("stated")}
    rules = [_rule(*said) for said in zip(exclusions["column"], exclusions["rule"], strict=True)]
    exclusions = exclusions.assign(rule=rules).drop(columns="column")
    if "severity" in exclusions:
        exclusions["severity"] = exclusions["severity"].map(lambda kind: kinds.get(kind, kind))
        exclusions["remedy"] = exclusions["remedy"].map(_remedy)
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


def overlap_table(overlap: pd.DataFrame) -> Html:
    """The overlap of customers between tables.

    Args:
        overlap: of `quality.count_overlap`.
    """
    names = {"table": _("Table"), "customers": _("Customers")}
    shares = {"in_orders": _("Also in orders"), "in_customers": _("Also in customers")}
    formats = {shares[name]: lambda share: percent(share, 1) for name in shares if name in overlap}
    caption = _("How the tables agree on who there is")
    return table(overlap.rename(columns=names | shares), caption=caption, formats=formats)


def prices_table(prices: pd.DataFrame, currency: str) -> Html:
    """Message costs by channel.

    Args:
        prices: of `quality.count_prices`.
        currency: of the amounts.
    """
    if prices.empty:
        return note(_("There is no table of messages, so nothing is known of what they cost."))
    shown = pd.DataFrame(
        {
            _("Channel"): [channel_name(str(name)) for name in prices["channel"]],
            _("Messages"): prices["messages"],
            _("With a known cost"): [percent(share, 1) for share in prices["with_cost"]],
            _("Cost per message"): [money(cost, currency, 4) for cost in prices["cost_per_message"]],
        }
    )
    return table(shown, caption=_("What a message costs: compare it with the invoice"))


def gains_table(gains: pd.DataFrame) -> Html:
    """Missing tables and columns, and what they would add.

    Args:
        gains: of `quality.list_gains`.
    """
    if gains.empty:
        return note(_("No table or column is missing that a page would use."))
    names = {"missing": _("What is not there"), "would_add": _("What it would add")}
    return table(gains.rename(columns=names), caption=_("What more could be asked if it were there"))


def _rule(column: str, rule: str) -> str:
    """A rule in the reader's language; column names stay as they are."""
    return _("{column}: {rule}").format(column=column, rule=translated(rule)) if column else translated(rule)


def _remedy(text: str) -> str:
    """A remedy in the reader's language; of one with values, the words around them."""
    template, values = remedy_parts(text)
    return translated(template).format(**values) if values else translated(template)


def _notebook_words(name: str) -> str:
    """The name of a notebook, with the number of its page.

    >>> _notebook_words("02_cltv")
    '02 Customer lifetime value'
    """
    number_, _underscore, stage = name.partition("_")
    return f"{number_} {stage_words(stage)}"


def notebooks_table(notebooks: pd.DataFrame) -> Html:
    """Which notebooks can run on this source.

    Args:
        notebooks: of `quality.list_notebooks`.
    """
    shown = pd.DataFrame(
        {
            _("Notebook"): [_notebook_words(str(name)) for name in notebooks["notebook"]],
            _("Can run"): [_("yes") if can else _("no") for can in notebooks["can_run"]],
            _("What it lacks"): [lacks or "–" for lacks in notebooks["lacks"]],
        }
    )
    return table(shown, caption=_("Which notebooks can run on this source"))
