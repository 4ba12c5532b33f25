"""The run before this one."""

import datetime as dt
import json

from smsroi_helpers.source import resolve_path

__all__ = ["last_day_of"]


def last_day_of(previous_run: str) -> dt.date | None:
    """The last day observed of an earlier run; None where there is none, or its manifest cannot be read.

    Args:
        previous_run: its folder, relative to the project's root; may be empty.
    """
    if not previous_run:
        return None
    try:
        manifest = json.loads((resolve_path(previous_run) / "manifest.json").read_text(encoding="utf-8"))
        return dt.date.fromisoformat(manifest["as_of"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
