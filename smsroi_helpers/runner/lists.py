"""The list of a published run's send plan, for a gateway, made from the source as it is now."""

import datetime as dt
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from smsroi_helpers import source
from smsroi_helpers.errors import UsageError
from smsroi_helpers.runner import publish

if TYPE_CHECKING:
    from smsroi_helpers.send_plan import HandOver

__all__ = [
    "hand_over",
]

_PLAN = "tables/send_plan.parquet"
_RECIPIENTS = "tables/recipients.parquet"
_DECISIONS = "tables/decisions/09_send_plan.parquet"
_EVERYTHING = "9998-12-31"
"""A last day observed by which everything that the source records is seen: an opt-out counts whatever its date."""


def hand_over(
    run: str,
    to: Path,
    *,
    raw: bool,
    by_hour: bool,
    json_lines: bool,
    allow_no_opt_outs: bool,
    everybody: bool = False,
) -> tuple["HandOver", list[str]]:
    """Write the list of a run's plan: `send_plan.write_list`. Return what was written, and the lines that say it.

    Where the run does not advise to send by its plan, only the exploring share is listed, unless `everybody` is asked
    for. The run's source is read again. The log of a simulated source has ended, so its hand-over is at the end of the
    run's last day; any other is now.

    Args:
        run: a run's folder, `report/run`, or `report` (its latest).
        to: the folder of the list.
        raw: as of `write_list`, and so are the others.
        by_hour: see there.
        json_lines: see there.
        allow_no_opt_outs: see there.
        everybody: list what the plan decides, too, where the run does not advise to send by it.

    Raises:
        UsageError: there is no such run, or it has no plan.
        Incomplete: the files of the run have changed since it was published.
        DataError: the source cannot be read, or records no opt-outs.
        StorageError: a file cannot be written.
    """
    from smsroi_helpers import send_plan  # takes a second to import, for one command

    folder = publish.find_run(source.project_root(), run)
    publish.verify_run(folder)
    if not (folder / _PLAN).is_file() and (folder / _RECIPIENTS).is_file():
        raise UsageError(
            f"run {folder.name} says who gets one mailing ({_RECIPIENTS}: customer_id, arm), and has no plan of texts;"
            " opt-outs since its last day have to be taken out of that table before sending"
        )
    if not (folder / _PLAN).is_file():
        raise UsageError(f"run {folder.name} has no send plan ({_PLAN}); run the notebook send_plan")
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory(prefix="smsroi-list-") as place:
        loaded = source.load(manifest["source"]["data"], Path(place) / ".loaded", _rejected_share(manifest))
        shop = source.open_shop(loaded, _EVERYTHING, Path(place) / ".cache")
        now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
        if loaded.settings.simulated:
            now = shop.start_of(dt.date.fromisoformat(manifest["as_of"]) + dt.timedelta(days=1))
        found = send_plan.write_list(
            shop, folder / _PLAN, to, now=now,
            raw=raw, by_hour=by_hour, json_lines=json_lines, allow_no_opt_outs=allow_no_opt_outs,
            explore_only=not everybody and not _advised(folder),
        )  # fmt: skip
    return found, send_plan.describe_list(found, loaded.title)


def _advised(run: Path) -> bool:
    """Whether the run advises to send by its plan; a run without the decision does not advise against it."""
    file = run / _DECISIONS
    return not file.is_file() or bool((pd.read_parquet(file)["outcome"] == "do").any())


def _rejected_share(manifest: dict[str, Any]) -> float:
    """The `max_rejected_share` of the run."""
    shares = [values.get("max_rejected_share", 0.01) for values in manifest["parameters"].values()]
    return float(min(shares, default=0.01))
