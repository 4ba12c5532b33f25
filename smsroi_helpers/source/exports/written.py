"""The files of an imported source: mappings, `source.yml` and a parameter file, written whole or not at all."""

import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smsroi_helpers.errors import StorageError, UsageError, shortened
from smsroi_helpers.source.exports.assumptions import Assumption
from smsroi_helpers.source.exports.earlier import own_files
from smsroi_helpers.source.files import table_files
from smsroi_helpers.source.settings import project_root, read_source_yml
from smsroi_helpers.source.yaml_text import parse_yaml

__all__ = [
    "SourceFiles",
    "existing_settings",
    "write_source",
]


_OWN_COMMENT = re.compile("# (Written by|timezone:|country:|currency:|message_cost:)")
"""Comments of `source_yml`, which it writes anew where they still hold."""
_MARK = "-- Written by `smsroi import`; change it as you like."


@dataclass(frozen=True)
class SourceFiles:
    """The content of a source."""

    mappings: dict[str, str]
    """Table, `exclusions` or helper view → query."""
    assumed: tuple[Assumption, ...]
    exports: dict[str, tuple[Path, str]]
    """Alias → file, and its path as an earlier source.yml has it (empty: it is new)."""
    pseudonymise: bool
    """The customers' ids are telephone numbers or e-mail addresses."""
    has_costs: bool
    """Messages carry their cost, or there are none."""


def existing_settings(target: Path, *, force: bool) -> dict[str, Any]:
    """Return what source.yml says already; nothing without `force`, which does not overwrite it."""
    return read_source_yml(target) if force and target.is_dir() else {}


def write_source(target: Path, source: SourceFiles, kept: Mapping[str, Any], *, force: bool) -> tuple[Path, bool]:
    """Write the source, and the parameter file of its report; return this file, and whether it is new.

    Args:
        target: folder of the source; it may exist.
        source: what to write.
        kept: settings of an earlier source.yml.
        force: overwrite files.

    Raises:
        UsageError: a file exists already, or a table has another file.
        StorageError: a file cannot be written.
    """
    names = [*(f"{table}.sql" for table in source.mappings), "source.yml"]
    if target.is_dir():
        _refuse_existing(target, source, names, force=force)
    texts = {f"{table}.sql": f"{_MARK}\n{query}" for table, query in source.mappings.items()}
    texts["source.yml"] = source_yml(target, source, kept)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        try:
            for name, text in texts.items():
                (made / name).write_text(text, encoding="utf-8")
            if target.exists():
                stale = [file for file in _earlier_mappings(target) if file.name not in texts]
                for name in texts:
                    (made / name).replace(target / name)
                for file in stale:
                    file.unlink()
            else:
                made.chmod(0o777 & ~_umask())
                made.rename(target)
        finally:
            shutil.rmtree(made, ignore_errors=True)
        return _write_parameter_file(target)
    except OSError as error:
        raise StorageError(f"{target.name}: cannot be written: {error.strerror or error}") from None


def _earlier_mappings(target: Path) -> list[Path]:
    """Return the mappings that an earlier import wrote; those of tables that are no longer there must go."""
    return [file for file in target.glob("*.sql") if file.read_text(encoding="utf-8").startswith(_MARK)]


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _refuse_existing(target: Path, source: SourceFiles, names: list[str], *, force: bool) -> None:
    there = [name for name in names if (target / name).exists()]
    if there and not force:
        raise UsageError(f"{target.name}: {', '.join(there)} already there; --force overwrites, or name another folder")
    for table in source.mappings:
        if table != "exclusions" and (others := [f for f in table_files(target, table)[1] if f.suffix != ".sql"]):
            raise UsageError(f"{target.name}: {others[0].name} is already the table {table}; move it elsewhere")


def _lines_by_name(target: Path) -> dict[str, str]:
    """Return the lines of each setting of source.yml, with the analyst's comments above and beside them."""
    file = target / "source.yml"
    if not file.exists():
        return {}
    text = file.read_text(encoding="utf-8")
    starts = {name[0]: line - 1 for name, line in parse_yaml(text)[1].items() if len(name) == 1}
    lines, found, first = text.splitlines(), {}, 0
    ends = [*list(starts.values())[1:], len(lines)]
    for (name, start), end in zip(starts.items(), ends, strict=True):
        above = [line for line in lines[first:start] if line.startswith("#") and not _OWN_COMMENT.match(line)]
        first = end
        while first > start + 1 and not lines[first - 1].startswith((" ", "-")):
            first -= 1  # comments and empty lines are the next setting's
        found[str(name)] = "\n".join([*above, *lines[start:first]])
    return found


def source_yml(target: Path, source: SourceFiles, kept: Mapping[str, Any]) -> str:
    """Return the text of source.yml, with a reason beside each line; settings that stay keep their lines."""
    earlier = _lines_by_name(target) if kept else {}
    if "encoding" in earlier and not re.search(
        rf"(?m)^encoding: *{re.escape(str(kept['encoding']))}\b", earlier["encoding"]
    ):
        del earlier["encoding"]  # it is given anew
    if "sheets" in earlier and parse_yaml(earlier["sheets"])[0]["sheets"] != kept["sheets"]:
        del earlier["sheets"]
    lines = ["# Written by `smsroi import`. What was assumed stands beside each line: check it, and correct it here."]
    known = {assumption.name: assumption for assumption in source.assumed}
    if "title" in kept:
        lines.append(earlier["title"])
    for assumption in known.values():
        if str(kept.get(assumption.name, "")) == assumption.value and assumption.value:
            lines.append(earlier[assumption.name])
            continue
        reason = " ".join(assumption.reason.split())  # it may quote a heading, which may have several lines
        value = f"{assumption.name}: {_scalar(assumption.value)}" if assumption.value else f"# {assumption.name}:"
        lines.append(f"{value}  # {reason}")
    if source.pseudonymise:
        lines.append(
            "pseudonymise: true  # ids are telephone numbers or e-mail addresses: pseudonyms, when the source is read"
        )
    if "margin" not in kept:
        lines.append("margin: 0.3  # share of an order's amount that is profit before message cost: ask finance")
    if not source.has_costs and "message_cost" not in kept:
        lines.append("# message_cost: 0.04  # price of one billing segment; without it, profit is before message costs")
    written = (*known, "title", "files", "pseudonymise", "pseudonyms")
    stay = [name for name in kept if name not in written]
    lines += [earlier[name] if name in earlier else f"{name}: {_scalar(kept[name])}  # as given" for name in stay]
    lines.append("files:  # the exports; a new one under the same name is read at the next run")
    for alias, (file, path) in source.exports.items():
        lines.append(f"  {alias}: {_scalar(path or _path_from(target, file))}")
    lines += [f"  {_scalar(alias)}: {_scalar(path)}  # as given" for alias, path in own_files(kept).items()]
    return "\n".join(lines) + "\n"


def _path_from(target: Path, file: Path) -> str:
    """Return a path relative to the source if both are in the project, else in full."""
    if "${" in str(file):
        raise UsageError(f"{shortened(file.name)}: its path contains ${{, which source.yml would fill in; rename it")
    root = project_root()
    near = file.is_relative_to(target) or (file.is_relative_to(root) and target.is_relative_to(root))
    return Path(os.path.relpath(file, target)).as_posix() if near else file.as_posix()


def _scalar(value: object) -> str:
    """Return a value as YAML; JSON is YAML."""
    text = str(value)
    return (
        text
        if re.fullmatch(r"[A-Za-z][\w/+-]*", text) and text.lower() not in _WORDS
        else json.dumps(value, ensure_ascii=False)
    )


_WORDS = {"yes", "no", "on", "off", "true", "false", "null", "y", "n"}
"""Words that YAML does not read as text: Norway's NO."""


def _write_parameter_file(target: Path) -> tuple[Path, bool]:
    """Write the file for `smsroi run`, unless there is one."""
    root = project_root()
    name = re.sub("[^a-z0-9_-]+", "-", target.name.lower()).strip("-_")[:64] or "shop"
    file = root / "notebooks" / "parameters" / f"{name}.yaml"
    if file.exists():
        return file, False
    data = target.relative_to(root).as_posix() if target.is_relative_to(root) else target.as_posix()
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(f".{file.name}.new")
    new.write_text(f"data: {_scalar(data)}\n", encoding="utf-8")
    new.replace(file)
    return file, True
