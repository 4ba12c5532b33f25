"""What `source.yml` says of a source, and where paths begin."""

import os
import re
import urllib.parse
import zoneinfo
from pathlib import Path
from typing import Any

import pydantic
import yaml
from babel.numbers import get_currency_precision

from smsroi_helpers.engine import EngineName
from smsroi_helpers.errors import DataError, redact
from smsroi_helpers.source.yaml_text import parse_yaml

__all__ = [
    "Settings",
    "project_root",
    "read_settings",
    "read_source_yml",
    "resolve_path",
]


def project_root() -> Path:
    """The project's folder: `$SMSROI_PROJECT`, else the nearest folder upwards with notebooks/, else this checkout."""
    if configured := os.environ.get("SMSROI_PROJECT"):
        return Path(configured).resolve()
    here = Path.cwd().resolve()
    for folder in (here, *here.parents):
        if (folder / "notebooks").is_dir() and (folder / "pyproject.toml").is_file():
            return folder
    return Path(__file__).resolve().parents[2]


def resolve_path(path: str | Path) -> Path:
    """A path as the parameters mean it: relative ones from the project's root."""
    return (project_root() / path).resolve()


# --- what a source says of itself ------------------------------------------------------------------------------------


class SegmentSettings(pydantic.BaseModel):
    """`segments` of `source.yml`: what decides who is in which segment, on every page."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    dormant_after_days: int = pydantic.Field(0, ge=0)
    """Days without an order after which a customer is dormant; 0: estimated from the times between orders."""
    lost_after_days: int = pydantic.Field(0, ge=0)
    """Days without an order after which a customer is lost; 0: estimated likewise."""
    frequent_score: int = pydantic.Field(4, ge=1, le=5)
    """Frequency score from which a customer buys often."""
    high_score: int = pydantic.Field(5, ge=1, le=5)
    """Monetary score from which a customer spends much."""
    smallest_cluster_share: float = pydantic.Field(0.05, ge=0, le=0.5)
    """Share of customers (0–0.5) that a cluster must hold to be of use."""
    response: str = ""
    """Yes/no column of `customers` that is an outcome: who answered a campaign after the last day observed."""

    @pydantic.model_validator(mode="after")
    def _in_order(self) -> "SegmentSettings":
        if 0 < self.lost_after_days < self.dormant_after_days:
            raise ValueError(
                f"lost_after_days {self.lost_after_days} is less than dormant_after_days {self.dormant_after_days};"
                " exchange them"
            )
        return self


class Settings(pydantic.BaseModel):
    """`source.yml`: what the tables themselves cannot say."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    title: str = ""
    """Whose data this is, as the pages show it; empty: the folder's name."""
    simulated: bool = False
    """The company is made up: every page says so."""
    engine: EngineName = "duckdb"
    database: str = pydantic.Field("", exclude=True, repr=False)
    """Address of a database to read tables from; it may hold a password, so it is neither recorded nor shown."""
    files: dict[str, str] = {}
    """Alias → path of a file elsewhere, for `.sql` mappings to select from."""
    timezone: str = "UTC"
    currency: str = pydantic.Field("USD", pattern="^[A-Z]{3}$")
    margin: float = pydantic.Field(0.3, ge=0, le=1)
    message_cost: float | None = pydantic.Field(None, ge=0)
    jurisdiction: str = ""
    fast_click_seconds: float = pydantic.Field(5.0, ge=0, le=3600)
    """Clicks sooner after delivery are a machine's: nobody takes out a telephone, reads and opens a link in less."""
    segments: SegmentSettings = SegmentSettings()

    @property
    def currency_digits(self) -> int:
        """Decimals of the currency: 2 for USD, 0 for JPY."""
        return get_currency_precision(self.currency)

    @pydantic.field_validator("title")
    @classmethod
    def _redact_title(cls, title: str) -> str:
        return redact(title)

    @pydantic.field_validator("timezone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        if name not in zoneinfo.available_timezones():
            raise ValueError(f"{name!r} is no IANA time zone (such as Asia/Shanghai)")
        return name


def _fill_environment(value: Any, where: str) -> Any:
    if isinstance(value, dict):
        return {key: _fill_environment(inner, f"{where}.{key}") for key, inner in value.items()}
    if not isinstance(value, str):
        return value
    credentials_end = value.rfind("@") if where == "database" else -1

    def fill(match: re.Match[str]) -> str:
        if match[1] not in os.environ:
            raise DataError(f"source.yml, {where}: the environment has no {match[1]}; set it before the run")
        filled = os.environ[match[1]]
        # A user or a password in an address (before its @) may hold signs that would end it there.
        return urllib.parse.quote(filled, safe="") if match.start() < credentials_end else filled

    return re.sub(r"\$\{(\w+)\}", fill, value)


def read_settings(folder: Path) -> Settings:
    """What `source.yml` says; the defaults where there is none.

    Raises:
        DataError: it cannot be read, or says what it cannot.
    """
    content = read_source_yml(folder)
    try:
        return Settings(**{name: _fill_environment(value, name) for name, value in content.items()})
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise DataError(f"source.yml, {name[:60]}: {first['msg']}") from None


def read_source_yml(folder: Path) -> dict[str, Any]:
    """What stands in `source.yml`, its `${…}` unfilled; nothing where there is no such file.

    Raises:
        DataError: it cannot be read.
    """
    file = folder / "source.yml"
    if not file.exists():
        return {}
    try:
        content = parse_yaml(file.read_text(encoding="utf-8"))[0] or {}
    except UnicodeDecodeError:
        raise DataError("source.yml: not UTF-8; save the file as UTF-8") from None
    except yaml.YAMLError as error:
        raise DataError(f"source.yml cannot be read as YAML: {error}") from None
    except (ValueError, RecursionError):  # PyYAML's, of values such as 2024-13-01
        raise DataError("source.yml cannot be read as YAML: a value in it is none") from None
    if not isinstance(content, dict):
        raise DataError("source.yml: not a list of `name: value` lines")
    return {str(name): value for name, value in content.items()}
