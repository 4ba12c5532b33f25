"""`source.json`: what was read of a source, and what decides that it need not be read again."""

import dataclasses
import datetime as dt
import json
import zoneinfo
from pathlib import Path
from typing import Any

from smsroi_helpers import contract, engine
from smsroi_helpers.source import files as source_files
from smsroi_helpers.source.loaded import Loaded, from_record, to_record
from smsroi_helpers.source.settings import Settings

__all__ = ["note", "recall", "state_of", "today"]

_RECORD = "source.json"


def today(settings: Settings) -> str:
    """The day in the source's time zone (ISO)."""
    return dt.datetime.now(zoneinfo.ZoneInfo(settings.timezone)).date().isoformat()


def state_of(folder: Path, settings: Settings, max_rejected_share: float, key_id: str) -> list[Any]:
    """Return what determines the result: the code, the settings, the key, and each file's size and time."""
    packages = (Path(str(module.__file__)).parent for module in (contract, engine, source_files))
    code = [source_files.sha256_of(file) for package in packages for file in sorted(package.glob("*.py"))]
    files = source_files.input_files(folder, settings).items()
    stats = [[name, str(file), file.stat().st_size, file.stat().st_mtime_ns] for name, file in files]
    stats += [["unused", *source_files.unused_files(folder, settings)]]
    return [code, settings.model_dump(), max_rejected_share, key_id, stats, source_files.database_state(settings)]


def recall(output_folder: Path, state: list[Any], settings: Settings) -> Loaded | None:
    """Return what was read before; None, without its record, if it is to be read again.

    What is observed depends on the day if times lie in the future.

    Args:
        output_folder: of the typed tables; it may have been moved since.
        state: of the source now.
        settings: of the source now; those of Spark are not recorded.
    """
    record = output_folder / _RECORD
    if record.exists() and (cached := json.loads(record.read_text(encoding="utf-8")))["state"] == state:
        loaded = from_record(cached["loaded"], output_folder)
        if cached["day"] == today(settings) or not _looks_ahead(loaded, cached["day"]):
            return dataclasses.replace(loaded, settings=loaded.settings.model_copy(update={"spark": settings.spark}))
    record.unlink(missing_ok=True)
    return None


def note(output_folder: Path, state: list[Any], day: str, loaded: Loaded) -> None:
    """Note what was read of a source in this state, begun on this day."""
    text = json.dumps({"state": state, "day": day, "loaded": to_record(loaded)}, ensure_ascii=False, indent=1)
    new = output_folder / f"{_RECORD}.new"
    new.write_text(text, encoding="utf-8")
    new.replace(output_folder / _RECORD)


def _looks_ahead(loaded: Loaded, day: str) -> bool:
    """Whether a table has times after the day on which it was read."""
    return any(table.last is not None and table.last > day for table in loaded.tables.values())
