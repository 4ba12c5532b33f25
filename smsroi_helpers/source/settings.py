"""The settings of a source (`source.yml`), and the project's root."""

import codecs
import os
import re
import urllib.parse
import zoneinfo
from pathlib import Path
from typing import Any, Literal

import pydantic
import yaml
from babel.numbers import get_currency_precision, is_currency

from smsroi_helpers.engine import EngineName
from smsroi_helpers.errors import DataError, complaint, redact
from smsroi_helpers.source.contacts import is_country
from smsroi_helpers.source.yaml_text import parse_yaml

__all__ = [
    "Settings",
    "fill_environment",
    "project_root",
    "read_settings",
    "read_source_yml",
    "resolve_path",
]


def project_root() -> Path:
    """Return the project's folder: `$SMSROI_PROJECT`, else the nearest parent with notebooks/, else this checkout."""
    if configured := os.environ.get("SMSROI_PROJECT"):
        return Path(configured).resolve()
    here = Path.cwd().resolve()
    for folder in (here, *here.parents):
        if (folder / "notebooks").is_dir() and (folder / "pyproject.toml").is_file():
            return folder
    return Path(__file__).resolve().parents[2]


def resolve_path(path: str | Path) -> Path:
    """Return an absolute path; relative paths start at the project's root."""
    return (project_root() / path).resolve()


# --- settings ------------------------------------------------------------------------------------------------------


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


class SparkSettings(pydantic.BaseModel):
    """`spark` of `source.yml`: where Spark runs, for `engine: spark`."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    master: str = pydantic.Field("local[2]", pattern=r"^(local(\[(\d+|\*)(,\s*\d+)?\])?|spark://.+|yarn|k8s://.+)$")
    """`local[2]` (two threads of this machine), or the address of a cluster, such as `spark://host:7077` or `yarn`."""
    settings: dict[str, str] = {}
    """Spark's own settings, such as `spark.executor.memory: 8g`."""

    @pydantic.field_validator("settings", mode="before")
    @classmethod
    def _as_text(cls, given: Any) -> Any:
        """Numbers and yes/no as Spark writes them."""
        if not isinstance(given, dict):
            return given
        return {name: str(value).lower() if isinstance(value, int | float) else value for name, value in given.items()}

    @pydantic.field_validator("settings")
    @classmethod
    def _names_of_spark(cls, given: dict[str, str]) -> dict[str, str]:
        for name in given:
            if not name.startswith("spark."):
                raise ValueError(f"{name!r} is not a setting of Spark; their names begin with `spark.`")
        return given


class PseudonymSettings(pydantic.BaseModel):
    """`pseudonyms` of `source.yml`, written by `smsroi pseudonymise`: what the ids were before."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    key_id: str
    """Identifies the secret key."""
    country: str = ""
    """The country by which numbers without a country code were read; empty: none was."""
    telephone_numbers: int = pydantic.Field(0, ge=0)
    """Number of different telephone numbers among the ids."""
    email_addresses: int = pydantic.Field(0, ge=0)


class Settings(pydantic.BaseModel):
    """The content of `source.yml`: facts that the tables do not contain."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    title: str = ""
    """Title on the pages; empty: the folder's name."""
    simulated: bool = False
    """The data are simulated; every page says so."""
    engine: EngineName = "duckdb"
    """What computes: DuckDB on this machine, or Spark, on this machine or on a cluster."""
    spark: SparkSettings = pydantic.Field(SparkSettings(), exclude=True, repr=False)
    """Where Spark runs, for `engine: spark`. No result depends on it, and it may contain a password, so it is not
    recorded."""
    database: str = pydantic.Field("", exclude=True, repr=False)
    """Address of a database with the tables. It may contain a password, so it is neither recorded nor shown."""
    files: dict[str, str] = {}
    """Alias → path of a file outside the folder, which `.sql` mappings can query."""
    sheets: dict[str, str] = {}
    """File name of a workbook → name of the sheet to read; others: the first sheet."""
    encoding: str = ""
    """Encoding of the text files that are not UTF-8, such as `cp1252`; empty: GB18030."""
    decimal: Literal["", ".", ","] = ""
    """Decimal mark of numbers such as `1.250`, where the column has no number that shows it; empty: not known."""
    timezone: str = "UTC"
    country: str = ""
    """Country (ISO 3166-1, two letters) of telephone numbers without a country code; empty: it is inferred."""
    currency: str = "USD"
    """Currency of every amount (ISO 4217)."""
    margin: float = pydantic.Field(0.3, ge=0, le=1)
    message_cost: float | None = pydantic.Field(None, ge=0)
    jurisdiction: str = ""
    """Whose sending hours hold where a customer's own place is not known, or has no rule: a country, or `US-TX`."""
    fast_click_seconds: float = pydantic.Field(5.0, ge=0, le=3600)
    """Clicks sooner than this after delivery count as machine clicks, since people need longer to read and click."""
    segments: SegmentSettings = SegmentSettings()
    pseudonymise: bool = False
    """Customers' ids become pseudonyms when the source is read, under the secret key of the environment."""
    pseudonyms: PseudonymSettings | None = None

    @property
    def currency_digits(self) -> int:
        """Decimals of the currency: 2 for USD, 0 for JPY."""
        return get_currency_precision(self.currency)

    @pydantic.field_validator("title")
    @classmethod
    def _redact_title(cls, title: str) -> str:
        return redact(title)

    @pydantic.field_validator("encoding")
    @classmethod
    def _known_encoding(cls, name: str) -> str:
        try:
            if name and not codecs.lookup(name)._is_text_encoding:
                raise LookupError
        except LookupError:
            raise ValueError(f"{name!r} is not an encoding; use a name such as cp1252, big5 or gb18030") from None
        return name

    @pydantic.field_validator("currency")
    @classmethod
    def _known_currency(cls, name: str) -> str:
        currency = name.strip().upper()
        if not is_currency(currency):
            raise ValueError(f"{name!r} is not a currency; use the three letters of ISO 4217, such as USD or CNY")
        return currency

    @pydantic.field_validator("country")
    @classmethod
    def _known_country(cls, name: str) -> str:
        country = name.strip().upper()
        if country and not is_country(country):
            hint = "GB" if country == "UK" else "CN, US or DE"
            raise ValueError(f"{name!r} is not a country; use the two letters of ISO 3166-1, such as {hint}")
        return country

    @pydantic.field_validator("jurisdiction")
    @classmethod
    def _known_jurisdiction(cls, name: str) -> str:
        place = name.strip().upper()
        country, hyphen, state = place.partition("-")
        if place and not ((is_country(country) or country == "EU") and len(state) == 2 * len(hyphen)):
            hint = "GB" if country == "UK" else "CN, or a state after it, such as US-TX"
            raise ValueError(f"{name!r} is not a jurisdiction; use a country's two letters, such as {hint}")
        return place

    @pydantic.field_validator("timezone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        if name not in zoneinfo.available_timezones():
            raise ValueError(f"{name!r} is not an IANA time zone; use a name such as Asia/Shanghai")
        return name


def fill_environment(value: Any, where: str) -> Any:
    """Return a value of source.yml with each `${NAME}` replaced by the variable of the environment.

    Args:
        value: text, or lists and mappings of it.
        where: the setting, for messages.

    Raises:
        DataError: a variable is not set.
    """
    if isinstance(value, dict):
        return {key: fill_environment(inner, f"{where}.{key}") for key, inner in value.items()}
    if not isinstance(value, str):
        return value
    credentials_end = value.rfind("@") if where == "database" else -1

    def fill(match: re.Match[str]) -> str:
        if match[1] not in os.environ:
            raise DataError(
                f"source.yml, {where}: the environment variable {match[1]} is not set; set it before the run"
            )
        filled = os.environ[match[1]]
        # The user name and password of an address (before its @) may contain reserved characters.
        return urllib.parse.quote(filled, safe="") if match.start() < credentials_end else filled

    return re.sub(r"\$\{(\w+)\}", fill, value)


def read_settings(folder: Path) -> Settings:
    """Return the settings of `source.yml`; the defaults if there is no such file.

    Raises:
        DataError: the file cannot be read, or a value is invalid.
    """
    content = read_source_yml(folder)
    try:
        return Settings(**{name: fill_environment(value, name) for name, value in content.items()})
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise DataError(f"source.yml, {name[:60]}: {complaint(first['msg'])}") from None


def read_source_yml(folder: Path) -> dict[str, Any]:
    """Return the content of `source.yml`, with `${…}` not filled in; empty if there is no such file.

    Raises:
        DataError: the file cannot be read.
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
    except (ValueError, RecursionError):  # raised by PyYAML for values such as 2024-13-01
        raise DataError("source.yml cannot be read as YAML: a value is invalid") from None
    if not isinstance(content, dict):
        raise DataError("source.yml must be a list of `name: value` lines")
    return {str(name): value for name, value in content.items()}
