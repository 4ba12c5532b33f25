"""The plan of a run: notebooks and their parameters, checked by name and type before anything runs.

Names and types come from the `parameters` cell of each notebook, PARAMETERS of its stage, and `COMMON`.
"""

import difflib
import importlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pydantic
import yaml

from smsroi_helpers.errors import UsageError, complaint
from smsroi_helpers.runner.parameter_types import (
    COMMON,
    RUN_WIDE,
    Parameter,
    convert_text,
    convert_value,
    quoted,
    read_literals,
    refuse_secret,
)
from smsroi_helpers.source import EXAMPLES, parse_yaml

__all__ = [
    "INSTEAD",
    "Notebook",
    "RunPlan",
    "check_name",
    "find_notebooks",
    "plan_run",
    "read_notebook",
    "stage_module",
]

INSTEAD = "instead"
"""Folder, beside the notebooks, of those that run where the notebook of the same name has too few data."""

_NOTEBOOK_FILE = re.compile(r"(?P<number>\d\d)_(?P<stage>[a-z][a-z0-9_]*)\.ipynb")
_REPORT_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_WINDOWS_DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))}
_MAX_FILE_BYTES = 1_000_000


_RESERVED = ("report", "make")


@dataclass(frozen=True)
class Notebook:
    """One notebook of the project."""

    name: str
    """Name of its file, such as `02_cltv`."""
    stage: str
    file: Path
    parameters: dict[str, Parameter]
    instead: Path | None = None
    """The notebook of the same name in `notebooks/instead`, which runs where this one has too few data."""


@dataclass(frozen=True)
class RunPlan:
    """The plan of a run; every parameter has been checked."""

    report: str
    parameter_file: str
    """Path relative to the project's root, or only the name of a file outside it."""
    overrides: dict[str, Any]
    """Parameters set on the command line, in their types."""
    make: dict[str, Any]
    """How to create the source if it does not exist: `example` or `simulate`; empty: it must exist."""
    notebooks: tuple[Notebook, ...]
    """All notebooks of the project, by number."""
    selected: frozenset[str]
    """Names of the notebooks to run."""
    values: dict[str, dict[str, Any]]
    """Notebook → parameter → value, for every declared parameter; the runner sets `run_dir`."""
    given: frozenset[str]
    """Run-wide parameters that the file or the command line sets."""

    def run_wide(self, name: str, default: Any) -> Any:
        """Return the value of a run-wide parameter; `default` if no notebook declares it."""
        return next((values[name] for values in self.values.values() if name in values), default)


# --- notebooks ----------------------------------------------------------------------------------------------


def stage_module(stage: str) -> ModuleType | None:
    """Return the package of a stage (with NEEDS and PARAMETERS); None if it has none."""
    name = f"smsroi_helpers.{stage}"
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name == name:
            return None
        raise


def read_notebook(file: Path) -> Notebook:
    """Read a notebook and its parameters, from the cell tagged `parameters`, without running it.

    Raises:
        UsageError: the file is not a notebook, or the cell has anything but literals.
    """
    match = _NOTEBOOK_FILE.fullmatch(file.name)
    if match is None:
        raise UsageError(f"notebooks/{file.name}: a notebook is named like 02_cltv.ipynb")
    source = _parameters_cell(file, f"notebooks/{file.name}")
    stage_parameters = getattr(stage_module(match["stage"]), "PARAMETERS", {})
    parameters = {}
    for name, default, meaning, annotation in read_literals(source, f"notebooks/{file.name}, parameters cell"):
        declared = COMMON.get(name, stage_parameters.get(name, annotation))
        parameters[name] = Parameter(name, default, meaning, declared)
    instead: Path | None = file.parent / INSTEAD / file.name
    if instead and instead.is_file():
        _parameters_cell(instead, f"notebooks/{INSTEAD}/{file.name}")  # without it, a run would not reach the notebook
    else:
        instead = None
    return Notebook(file.stem, match["stage"], file, parameters, instead)


def _parameters_cell(file: Path, name: str) -> str:
    """Return the source of the one cell that is tagged `parameters`.

    Raises:
        UsageError: the file is not a notebook, or not one cell is tagged so.
    """
    try:
        cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
    except (OSError, ValueError, KeyError, TypeError):
        raise UsageError(f"{name} cannot be read as a notebook") from None
    tagged = [cell for cell in cells if "parameters" in cell.get("metadata", {}).get("tags", [])]
    if len(tagged) != 1:
        raise UsageError(f"{name}: one cell must be tagged 'parameters', {len(tagged)} are")
    return "".join(tagged[0]["source"])


def find_notebooks(root: Path) -> tuple[Notebook, ...]:
    """Return the project's notebooks, by number.

    Raises:
        UsageError: there is none, two have the same stage, or one cannot be read.
    """
    files = sorted(file for file in (root / "notebooks").glob("*.ipynb") if _NOTEBOOK_FILE.fullmatch(file.name))
    if not files:
        raise UsageError("no notebook like 02_cltv.ipynb in notebooks/; run the command inside the project")
    notebooks = tuple(read_notebook(file) for file in files)
    stages = [notebook.stage for notebook in notebooks]
    if repeated := {stage for stage in stages if stages.count(stage) > 1}:
        raise UsageError(f"two notebooks share the stage {', '.join(sorted(repeated))}; a stage has one notebook")
    return notebooks


# --- the parameter file -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Entry:
    """One value that was set: where, and for which stage (None: for all that declare it)."""

    where: str
    stage: str | None
    name: str
    value: Any
    is_text: bool
    """The value is text from a command line, and must still be converted."""


def _read_file(file: Path) -> tuple[dict[str, Any], dict[tuple[str, ...], int]]:
    """Return the content of the file, and the line of each key on the first two levels."""
    if file.is_dir():
        name = re.sub(r"[^a-z0-9_-]", "_", file.resolve().name.lower()).lstrip("_-") or "shop"
        target = f"notebooks/parameters/{name}.yaml"
        raise UsageError(
            f"{file} is a folder, and `run` takes a parameter file; write the line `data: {file}` into {target}, then:"
            f" smsroi run {target} (`smsroi check {file}` reads the source without a run)"
        )
    try:
        if file.stat().st_size > _MAX_FILE_BYTES:
            raise UsageError(f"{file.name}: too large for a parameter file (limit {_MAX_FILE_BYTES:,} bytes)")
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else error.strerror
        raise UsageError(f"the parameter file {file.name} cannot be read: {reason}") from None
    try:
        content, lines = parse_yaml(text)
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise UsageError(f"{file.name}{line}: {error.problem or 'not valid YAML'}") from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise UsageError(f"{file.name}: not valid YAML") from None
    if not isinstance(content, dict):
        raise UsageError(f"{file.name}: a parameter file is a list of `name: value` lines")
    return {str(key): value for key, value in content.items()}, lines


def check_name(name: str, where: str) -> str:
    """Return the report's name, if it is a valid folder name on every system.

    Raises:
        UsageError: it is not valid.
    """
    if not _REPORT_NAME.fullmatch(name) or name in _WINDOWS_DEVICES:
        raise UsageError(
            f"{where}: {name!r} cannot be a report's name; use 1 to 64 of a-z, 0-9, _ and -, starting with a letter "
            "or digit, and no device name (set it with `report:` in the file)"
        )
    return name


class _Company(pydantic.BaseModel):
    """The settings of `make: {simulate: …}`."""

    model_config = pydantic.ConfigDict(extra="forbid", strict=True)

    customers: int = pydantic.Field(ge=100, le=10_000_000)
    weeks: int = pydantic.Field(ge=26, le=520)
    seed: int = pydantic.Field(ge=0)
    null: bool = False


def _source_to_make(value: Any, where: str) -> dict[str, Any]:
    kind = next(iter(value)) if isinstance(value, dict) and len(value) == 1 else None
    if kind == "example":
        if value["example"] not in EXAMPLES:
            named = quoted(value["example"])
            raise UsageError(f"{where}: unknown example {named}; choose one of {', '.join(EXAMPLES)}")
        return {"example": value["example"]}
    if kind == "simulate" and isinstance(value["simulate"], dict):
        try:
            return {"simulate": _Company(**{str(k): v for k, v in value["simulate"].items()}).model_dump()}
        except pydantic.ValidationError as error:
            first = error.errors()[0]
            name = ".".join(str(part)[:60] for part in first["loc"])
            raise UsageError(f"{where}: simulate.{name}: {complaint(first['msg'])}") from None
    given = ", ".join(map(str, value)) if isinstance(value, dict) else quoted(value)
    raise UsageError(
        f"{where}: make takes {{example: NAME}} or {{simulate: {{customers: …, weeks: …, seed: …}}}}, and not {given}"
    )


def _entries_of_file(
    content: dict[str, Any], lines: dict[tuple[str, ...], int], file: str, stages: set[str]
) -> list[_Entry]:
    entries = []
    for key, value in content.items():
        where = f"{file}, line {lines[(key,)]}"
        if key in _RESERVED:
            continue
        if key not in stages:
            entries.append(_Entry(where, None, key, value, False))
        elif isinstance(value, dict):
            for name, inner in value.items():
                entries.append(_Entry(f"{file}, line {lines[(key, str(name))]}", key, str(name), inner, False))
        elif value is not None:
            raise UsageError(f"{where}: {key} is a notebook; indent its parameters below it")
    return entries


def _entries_of_command_line(overrides: Iterable[str], stages: set[str]) -> list[_Entry]:
    entries = []
    for text in overrides:
        path, equals, value = text.partition("=")
        stage, dot, name = path.rpartition(".")
        if not equals or not re.fullmatch(r"[A-Za-z_]\w*", name):
            raise UsageError("-p takes name=value or notebook.name=value, such as -p cltv.horizon_weeks=39")
        if dot and stage not in stages:
            raise UsageError(f"-p {path}: no notebook {stage!r}{_hint(stage, stages)}")
        entries.append(_Entry(f"-p {path}", stage or None, name, value, True))
    return entries


def _hint(word: str, known: Iterable[str]) -> str:
    close_matches = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close_matches[0]!r}?" if close_matches else ""


def _apply(entry: _Entry, notebooks: Sequence[Notebook], values: dict[str, dict[str, Any]]) -> Any:
    """Set one value in every notebook that declares it; return the converted value."""
    # Secrets are refused first, so that no other message contains the value.
    refuse_secret(entry.name, entry.value, entry.where)
    if entry.name == "run_dir":
        raise UsageError(f"{entry.where}: run_dir cannot be set; name the report with `report:`")
    if entry.stage and entry.name in RUN_WIDE:
        raise UsageError(f"{entry.where}: {entry.name} is the same for all notebooks; set it without {entry.stage}")
    candidates = [notebook for notebook in notebooks if entry.stage in (None, notebook.stage)]
    declaring = [notebook for notebook in candidates if entry.name in notebook.parameters]
    if not declaring:
        subject = f"the notebook {entry.stage} has" if entry.stage else "no notebook has"
        known = {name for notebook in candidates for name in notebook.parameters}
        known |= set() if entry.stage or entry.is_text else {*(notebook.stage for notebook in notebooks), *_RESERVED}
        negation = "no parameter" if entry.stage else "a parameter"
        raise UsageError(f"{entry.where}: {subject} {negation} {entry.name!r}{_hint(entry.name, known)}")
    value: Any = None
    for notebook in declaring:
        convert = convert_text if entry.is_text else convert_value
        value = convert(entry.value, notebook.parameters[entry.name], entry.where)
        values[notebook.name][entry.name] = value
    return value


def _select(notebooks: Sequence[Notebook], only: Sequence[str], start_from: str) -> frozenset[str]:
    stages = [notebook.stage for notebook in notebooks]
    for stage in (*only, *([start_from] if start_from else [])):
        if stage not in stages:
            raise UsageError(f"no notebook {stage!r}{_hint(stage, stages)}; choose one of {', '.join(stages)}")
    if only and start_from:
        raise UsageError("--only and --from cannot be combined; give one of them")
    first = stages.index(start_from) if start_from else 0
    return frozenset(n.name for n in notebooks[first:] if not only or n.stage in only)


def plan_run(
    file: Path, *, root: Path, only: Sequence[str] = (), start_from: str = "", overrides: Sequence[str] = ()
) -> RunPlan:
    """Return the plan of a run.

    Args:
        file: the YAML parameter file.
        root: the project's folder.
        only: stages to run; empty: all.
        start_from: first stage to run; empty: the first of all.
        overrides: `name=value` or `stage.name=value` as typed on a command line.

    Raises:
        UsageError: an undeclared name, a wrong type, a secret or a duplicate key; the message has the place.
    """
    notebooks = find_notebooks(root)
    stages = {notebook.stage for notebook in notebooks}
    content, lines = _read_file(file)
    report_line = f"{file.name}, line {lines.get(('report',), 1)}"
    report, where = content.get("report", file.stem), report_line if "report" in content else file.name
    if not isinstance(report, str):
        raise UsageError(f"{where}: the report's name must be text, not {quoted(report)}")
    check_name(report, where)
    make: dict[str, Any] = {}
    if "make" in content:
        make = _source_to_make(content["make"], f"{file.name}, line {lines[('make',)]}")

    values = {
        notebook.name: {
            name: convert_value(parameter.default, parameter, f"notebooks/{notebook.file.name}, parameters cell")
            for name, parameter in notebook.parameters.items()
        }
        for notebook in notebooks
    }
    # A value for one notebook overrides a value for all; the command line overrides the file.
    from_file = _entries_of_file(content, lines, file.name, stages)
    from_line = _entries_of_command_line(overrides, stages)
    converted: dict[str, Any] = {}
    for entries in (from_file, from_line):
        for entry in sorted(entries, key=lambda entry: entry.stage is not None):
            value = _apply(entry, notebooks, values)
            if entry.is_text:
                converted[f"{entry.stage}.{entry.name}" if entry.stage else entry.name] = value
    given = frozenset(entry.name for entry in (*from_file, *from_line) if entry.name in RUN_WIDE)
    _unify_run_wide(values, root, given)
    return RunPlan(
        report=report,
        parameter_file=_from_root(file, root),
        overrides=converted,
        make=make,
        notebooks=notebooks,
        selected=_select(notebooks, only, start_from),
        values=values,
        given=given,
    )


def _unify_run_wide(values: dict[str, dict[str, Any]], root: Path, given: frozenset[str]) -> None:
    """Set the run-wide values of the first notebook that declares them in all notebooks; paths become relative."""
    for name in RUN_WIDE:
        declaring = [values_of_notebook for values_of_notebook in values.values() if name in values_of_notebook]
        if not declaring and name == "data":
            raise UsageError("no notebook has a parameter 'data', so there is nothing to report on")
        if not declaring:
            continue
        value = declaring[0][name]
        if name == "data":
            value = _from_root(Path(value), root, outside=value)
        if name == "previous_run" and value:
            value = _from_root(Path(value), root, outside=value)
            if name in given and not (root / value / "manifest.json").is_file():
                raise UsageError(
                    f"previous_run: {value} is not the folder of a run (no manifest.json); leave it empty for none"
                )
        for values_of_notebook in declaring:
            values_of_notebook[name] = value


def _from_root(path: Path, root: Path, outside: str = "") -> str:
    """Return the path relative to the project's root, so that manifests contain no absolute path."""
    full = (root / path) if outside else path.resolve()
    return full.relative_to(root).as_posix() if full.is_relative_to(root) else outside or path.name
