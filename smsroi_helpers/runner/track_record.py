"""How earlier advice fared: what each earlier plan promised, and what its held-out customers show that it brought."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from smsroi_helpers import locale
from smsroi_helpers.errors import redact
from smsroi_helpers.locale import _
from smsroi_helpers.pages import EMPTY, FEWEST_SHOWN, plan_result_words, plan_title

__all__ = ["read_track_record"]


def read_track_record(run_dir: Path, currency: str) -> dict[str, Any]:
    """Return one row per earlier plan, the newest first: promised, measured, result; or a sentence without any.

    A plan whose weeks have not begun is no earlier advice yet.

    Args:
        run_dir: folder of the run, with the table `plan_track_record` if the send plan ran.
        currency: of the source; empty if not known.
    """
    file = run_dir / "tables" / "plan_track_record.parquet"
    if not file.is_file():
        return {"rows": [], "words": _("Not known: the send plan did not run, and it scores earlier plans.")}
    found = pd.read_parquet(file)
    if not len(found):
        words = _("There is no earlier plan. This run’s plan is scored by the first run after its weeks.")
        return {"rows": [], "words": words}
    found = found[found["status"] != "not_begun"]
    if not len(found):
        return {"rows": [], "words": _("Not known yet: the weeks of the plans made so far have not begun.")}
    rows = []
    for plan_id, rows_of in reversed(list(found.groupby("plan_id", sort=False))):
        records = rows_of.to_dict("records")
        main = next((row for row in records if row.get("by") == "role" and row.get("role") == "plan"), records[0])
        rows.append(_row(str(plan_id), {str(name): value for name, value in main.items()}, currency))
    words = _(
        "Incremental profit per customer over each plan’s weeks: promised, and measured against held-out customers"
        " (randomised, 95% interval)"
    )
    return {"rows": rows, "words": words}


def _row(plan_id: str, main: Mapping[str, Any], currency: str) -> dict[str, str]:
    promised, measured, low, high = (_number(main.get(name)) for name in ("promised", "measured", "low", "high"))
    held_out, customers = _number(main.get("held_out")), _number(main.get("customers"))
    few = min(held_out, customers) < FEWEST_SHOWN
    if few:
        promised = measured = float("nan")
    digits = 2 if locale.rounded_digits(low, high) > 0 else 0  # cents where they matter
    interval = ""
    if math.isfinite(measured) and math.isfinite(low) and math.isfinite(high):
        interval = _("{low} to {high}").format(low=_money(low, currency, digits), high=_money(high, currency, digits))
    first, status = main.get("first"), str(main["status"])
    gap = (_number(main.get(name)) for name in ("gap", "gap_low", "gap_high"))
    return {
        "plan": redact(plan_title(plan_id, None if first is None or pd.isna(first) else pd.Timestamp(first).date())),
        "promised": _money(promised, currency, digits),
        "measured": _money(measured, currency, digits),
        "interval": interval,
        "result": _("too few customers") if few and status == "scored" else plan_result_words(status, *gap),
    }


def _money(value: float, currency: str, digits: int) -> str:
    if not math.isfinite(value):
        return EMPTY
    return locale.money(value, currency, digits) if currency else locale.number(value, digits)


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else float("nan")
