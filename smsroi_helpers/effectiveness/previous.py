"""The run before this one."""

import datetime as dt
import json

from smsroi_helpers.source import resolve_path

__all__ = ["last_day_of"]


def last_day_of(previous_run: str, as_of: dt.date) -> dt.date | None:
    """The last day observed of the last run that knew less than this one.

    A run of the same day again, with other parameters or code, is no news: the run before it counts. So an alert stays
    new in every run of the day on which it became known.

    Args:
        previous_run: the folder of the run before, relative to the project's root; may be empty.
        as_of: the last day observed of this run.

    Returns:
        None where there is no such run, or its manifest cannot be read.
    """
    seen: set[str] = set()
    while previous_run and previous_run not in seen:
        seen.add(previous_run)
        try:
            manifest = json.loads((resolve_path(previous_run) / "manifest.json").read_text(encoding="utf-8"))
            day = dt.date.fromisoformat(manifest["as_of"])
            if day < as_of:
                return day
            earlier = {values.get("previous_run") or "" for values in manifest["parameters"].values()} - {""}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
        previous_run = min(earlier, default="")
    return None
