"""Models that have changed: what the index says before the reader acts, and of the amounts that rest on them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from smsroi_helpers.errors import redact
from smsroi_helpers.locale import joined

__all__ = ["ChangedModel", "add_caveats", "read_changed_models"]

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

    It is added where the amount is recommended, or is what texts bring; not to changes that are not worth making.

    Args:
        row: stage, kind, outcome, unit, numbers (None where no amount is shown) and caveat of a question; `caveat` is
            changed.
        changed: of `read_changed_models`.
    """
    matters = row["outcome"] == "do" or row["kind"] == "worth"
    if matters and row["numbers"] and row["unit"].startswith("money"):
        row["caveat"] = joined(*(one["caveat"] for one in changed if row["stage"] in one["stages"]), row["caveat"])
