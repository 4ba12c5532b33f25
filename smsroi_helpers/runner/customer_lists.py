"""The list of customers that belongs to an answer of the index."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["find_list"]

_TABLES = {
    "send_plan": "send_plan",
    "segmentation": "customer_segments",
    "cltv": "customer_value",
    "timing": "customer_send_hour",
    "retention": "churn_warnings",
}
"""Stage → the table of its customers."""


def find_list(run_dir: Path, row: Mapping[str, Any], run: str) -> dict[str, str] | None:
    """Return the link to the list of an answer, and the command that writes the send plan's for a gateway.

    An answer that recommends nothing has no list; the send plan always has one, because it explores where it does not
    recommend.

    Args:
        run_dir: folder of the run.
        row: of the index: stage, outcome.
        run: report/run.
    """
    stage = row["stage"]
    table = f"tables/{_TABLES.get(stage, '')}.parquet"
    if not (row["outcome"] == "do" or stage == "send_plan") or not (run_dir / table).is_file():
        return None
    return {"href": table, "command": f"smsroi list {run} --to FOLDER" if stage == "send_plan" else ""}
