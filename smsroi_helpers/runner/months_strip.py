"""The strip of the last 12 months on the index: orders, revenue, subscribers, opt-outs and incremental profit."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from smsroi_helpers import locale
from smsroi_helpers.locale import _
from smsroi_helpers.pages import EMPTY, FEWEST_SHOWN

__all__ = ["months_strip"]

_WIDTH, _HEIGHT = 192.0, 56.0
_COUNTED = ("orders", "revenue", "subscribers", "opt_outs")


def months_strip(run_dir: Path, currency: str) -> dict[str, Any]:
    """Return the panels of the strip, one per measure, with the last complete month and the month before in numbers.

    A month that the source does not record is a gap in the picture and a dash in words, with the reason; it is never 0.

    Args:
        run_dir: folder of the run, with the tables `business_months` and `incremental_months` if their notebooks ran.
        currency: of the source; empty if not known.

    Returns:
        panels (empty without counts) and words: what the panels show, or why there are none.
    """
    months = _read(run_dir, "business_months")
    if months is None or not len(months):
        return {"panels": [], "words": _("The last 12 months are not shown: the page on effectiveness did not run.")}
    known = months[[name for name in _COUNTED if name in months.columns]].notna().any(axis=1)
    # A month before the log's first whole one has no slot; two months are the fewest that the numbers are of.
    begin = min(int(known.to_numpy().argmax()), max(len(months) - 2, 0))
    months = months.iloc[begin:].reset_index(drop=True)
    first, last = months["month"].iloc[0], months["month"].iloc[-1]

    def count(value: float) -> str:
        return locale.number(value)

    def people(value: float) -> str:
        return f"<{FEWEST_SHOWN}" if value < FEWEST_SHOWN else locale.number(value)

    def amount(value: float) -> str:
        return locale.short_money(value, currency) if currency else locale.number(value)

    orders = _("Not known: the source has no complete month of orders.")
    consent = _("Not known: the source does not record opt-ins and opt-outs.")
    knows_opt_outs = bool(months["opt_outs"].notna().any())
    opt_ins = _("Not known: the source does not record who opted in.") if knows_opt_outs else consent
    panels = [
        _counted(months, "orders", _("Orders"), count, orders),
        _counted(months, "revenue", _("Revenue, less refunds"), amount, orders),
        _counted(months, "subscribers", _("Subscribers at month’s end"), people, opt_ins),
        _counted(months, "opt_outs", _("Customers who opted out"), count, consent),
        _incremental(_read(run_dir, "incremental_months"), list(months["month"]), amount),
    ]
    words = _("Complete months, {first} to {last}. Number and coloured mark: {last}. Gap: not known.")
    return {"panels": panels, "words": words.format(first=locale.month(first), last=locale.month(last))}


def _read(run_dir: Path, name: str) -> pd.DataFrame | None:
    file = run_dir / "tables" / f"{name}.parquet"
    if not file.is_file():
        return None
    frame = pd.read_parquet(file)
    return frame.assign(month=pd.to_datetime(frame["month"]).dt.date)


def _counted(months: pd.DataFrame, name: str, title: str, shown: Callable[[float], str], reason: str) -> dict[str, Any]:
    """A panel of counts: bars from 0."""
    values = months[name].astype(float).tolist()
    top = max([abs(x) for x in values if math.isfinite(x)], default=0.0) or 1.0
    # Refunds can exceed the purchases of a month; the bar then hangs below the line.
    floor = min([x for x in values if math.isfinite(x)], default=0.0)
    span = top - min(floor, 0.0)
    marks = []
    for place, value in enumerate(values):
        mark: dict[str, Any] = {"kind": "gap", "x": _x(place, len(values)), "now": place == len(values) - 1}
        if math.isfinite(value):
            high, low = max(value, 0.0), min(value, 0.0)
            mark |= {"kind": "bar", "y": f"{_y(high, top, span):.1f}", "height": f"{(high - low) / span * _HEIGHT:.1f}"}
        marks.append(mark)
    words = [shown(x) if math.isfinite(x) else EMPTY for x in values]
    return _panel(title, words, list(months["month"]), marks, _y(0.0, top, span), reason=reason)


def _incremental(found: pd.DataFrame | None, months: Sequence[Any], shown: Callable[[float], str]) -> dict[str, Any]:
    """The panel of incremental profit by a holdout: estimates with 95% intervals around the line of 0."""
    title = _("Incremental profit, by holdout")
    if found is None:
        reason = _("Not measured: the page on tests did not run.")
    elif not len(found):
        reason = _("Not measured: there is no valid holdout. Hold out at least 5% of customers from all texts.")
    else:
        reason = _("Not measured: no holdout covers the month.")
    by_month = _one_holdout(found) if found is not None and len(found) else {}
    estimates = [by_month.get(month) for month in months]
    limits = [x for one in estimates if one for x in (one["earned_low"], one["earned_high"])]
    top, floor = max([0.0, *limits]), min([0.0, *limits])
    span = (top - floor) or 1.0
    marks, words, intervals = [], [], []
    for place, one in enumerate(estimates):
        mark: dict[str, Any] = {"kind": "gap", "x": _x(place, len(months)), "now": place == len(months) - 1}
        said, interval = EMPTY, ""
        if one:
            low, value, high = (one[name] for name in ("earned_low", "earned", "earned_high"))
            mark |= {
                "kind": "estimate",
                "y": f"{_y(value, top, span):.1f}",
                "low": f"{_y(low, top, span):.1f}",
                "high": f"{_y(high, top, span):.1f}",
            }
            digits = min(locale.rounded_digits(low, high), 0)
            rounded = [round(x, digits) for x in (low, value, high)]
            said = shown(rounded[1])
            interval = _("{low} to {high}").format(low=shown(rounded[0]), high=shown(rounded[2]))
        marks.append(mark)
        words.append(said)
        intervals.append(interval)
    panel = _panel(title, words, months, marks, _y(0.0, top, span), reason=reason, intervals=intervals)
    last = estimates[-1]
    if last:
        panel["remark"] = _("Of {n} customers assigned to texts; {m} held out. Randomised.").format(
            n=locale.number(last["treated"]), m=locale.number(last["control"])
        )
    return panel


def _one_holdout(found: pd.DataFrame) -> dict[Any, dict[str, float]]:
    """Month → its estimate, of the holdout with most customers held out; months with fewer than 10 are left out."""
    names = ["treated", "control", "earned", "earned_low", "earned_high"]
    largest = found.sort_values("control", ascending=False, kind="stable").drop_duplicates("month")
    kept = largest[largest[names].map(math.isfinite).all(axis=1) & (largest["control"] >= FEWEST_SHOWN)]
    return {row["month"]: {name: float(row[name]) for name in names} for row in kept.to_dict("records")}


def _panel(
    title: str, words: Sequence[str], months: Sequence[Any], marks: Sequence[Mapping[str, Any]], zero: float,
    *, reason: str, intervals: Sequence[str] = (),
) -> dict[str, Any]:  # fmt: skip
    """A panel: what it counts, its last two months in numbers, its picture, and all of its months in words."""
    said = locale.listed(
        _("{month}: {value}").format(month=locale.month(month), value=word)
        for month, word in zip(months, words, strict=True)
    )
    return {
        "title": title,
        "value": words[-1],
        "interval": _("95% interval {interval}").format(interval=intervals[-1]) if intervals and intervals[-1] else "",
        "before": _("{month}: {value}").format(month=locale.month(months[-2]), value=words[-2]),
        "reason": reason if words[-1] == EMPTY else "",
        "remark": "",
        "marks": marks,
        "zero": f"{zero:.1f}",
        "words": _("{measure} by month. {values}").format(measure=title, values=said),
    }


def _x(place: int, months: int) -> str:
    return f"{(place + 0.5) * _WIDTH / months:.1f}"


def _y(value: float, top: float, span: float) -> float:
    return 4.0 + (top - value) / span * _HEIGHT
