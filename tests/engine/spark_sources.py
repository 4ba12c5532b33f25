"""A source opened on both engines."""

import dataclasses
from pathlib import Path

from smsroi_helpers.source.loaded import Loaded
from smsroi_helpers.source.shop import Shop, open_shop


def on_spark(loaded: Loaded) -> Loaded:
    """The same tables, to be queried by Spark."""
    return dataclasses.replace(loaded, settings=loaded.settings.model_copy(update={"engine": "spark"}))


def open_both(loaded: Loaded, folder: Path) -> tuple[Shop, Shop]:
    """The shop of DuckDB and that of Spark, each with its own cache."""
    return open_shop(loaded, "", folder / ".cache"), open_shop(on_spark(loaded), "", folder / ".spark-cache")
