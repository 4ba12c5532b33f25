"""Models that have changed: what pages say before the reader acts, and of the amounts that rest on them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from smsroi_helpers.errors import redact
from smsroi_helpers.locale import joined
from smsroi_helpers.pages import amount
from smsroi_helpers.runner.changes import by_question

__all__ = ["ChangedModel", "add_caveats", "find_caveats", "read_changed_models"]

ChangedModel = Mapping[str, Any]
"""stages (of the amounts that rest on the model), text (for «Before you act»), caveat (of these amounts)."""


def read_changed_models(run_dir: Path) -> list[ChangedModel]:
    """The models of the table `model_checks` that have changed; none where the run has no such table.

    Args:
        run_dir: folder of the run.
    """
    file = run_dir / "tables" / "model_checks.parquet"
    if not file.is_file():
        return []
    rows = pd.read_parquet(file).to_dict("records")
    return [
        {
            "stages": str(row["stages"]).split(),
            "text": redact(str(row["warning"])),
            "caveat": redact(str(row["caveat"])),
        }
        for row in rows
        if row.get("warning")
    ]


def add_caveats(row: dict[str, Any], changed: Sequence[ChangedModel]) -> None:
    """Add to a question of the index what changed models mean for its amount of money.

    Args:
        row: stage, kind, outcome, unit, numbers (None where no amount is shown) and caveat of a question; `caveat` is
            changed.
        changed: of `read_changed_models`.
    """
    row["caveat"] = joined(_caveat(row, bool(row["numbers"]), changed), row["caveat"])


def find_caveats(
    decisions: Sequence[dict[str, Any]], changed: Sequence[ChangedModel], currency: str
) -> dict[str, list[tuple[str, str]]]:
    """The same caveats for the pages of the notebooks: stage → (question, caveat).

    Args:
        decisions: of `changes.read_decisions`.
        changed: of `read_changed_models`.
        currency: the source's; empty where it names none.
    """
    found: dict[str, list[tuple[str, str]]] = {}
    for row, *_segments in by_question(decisions):
        if caveat := _caveat(row, bool(amount(row, currency).value), changed):
            found.setdefault(row["stage"], []).append((redact(str(row["question"])), caveat))
    return found


def _caveat(row: Mapping[str, Any], shown: bool, changed: Sequence[ChangedModel]) -> str:
    """Of an amount that is recommended, or that of texting; empty for changes that are not worth making."""
    matters = row["outcome"] == "do" or row.get("kind") == "worth"
    if not (matters and shown and str(row.get("unit") or "").startswith("money")):
        return ""
    return joined(*(one["caveat"] for one in changed if row["stage"] in one["stages"]))
