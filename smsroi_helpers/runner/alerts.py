"""The alerts of a run: for the banner of its index, its manifest and the exit code of `--fail-on-alert`."""

from pathlib import Path

import pandas as pd

from smsroi_helpers.errors import redact
from smsroi_helpers.pages import sentence_case

__all__ = ["MOST_SHOWN", "alert_remark", "count_alerts", "new_alerts"]

MOST_SHOWN = 5
"""Number of alerts that the index names; the page of the stage has all of them."""


def _alerts(run_dir: Path) -> pd.DataFrame | None:
    file = run_dir / "tables" / "alerts.parquet"
    return pd.read_parquet(file) if file.is_file() else None


def count_alerts(run_dir: Path) -> dict[str, int]:
    """How many alerts a run lists, and how many are new, one per series; empty if it watched nothing."""
    alerts = _alerts(run_dir)
    return {} if alerts is None else {"listed": len(alerts), "new": len(new_alerts(run_dir))}


def new_alerts(run_dir: Path) -> list[str]:
    """The sentences of the alerts that became known since the last run: of each series the newest, newest first."""
    return [sentence_case(redact(str(text))) for text in _newest(run_dir).get("text", ())]


def alert_remark(run_dir: Path) -> str:
    """What is to be known of all new alerts alike; empty where there is nothing, or not of all of them."""
    remarks = {str(remark) for remark in _newest(run_dir).get("remark", ())}
    return redact(remarks.pop()) if len(remarks) == 1 else ""


def _newest(run_dir: Path) -> pd.DataFrame:
    """The alerts that became known since the last run: of each series the newest, newest first."""
    alerts = _alerts(run_dir)
    if alerts is None or not len(alerts):
        return pd.DataFrame()
    new = alerts[alerts["new"].astype(bool)].sort_values("at", ascending=False, kind="stable")
    return new.drop_duplicates(["metric", "kind", "scope"])
