"""What a run is asked: refused in one clear line, or converted by declared type, before anything runs."""

import sys
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from smsroi_helpers.errors import UsageError
from smsroi_helpers.runner.parameters import RunPlan, find_notebooks, plan_run, read_notebook
from tests.faults.tiny import PARAMETERS, make_project, write_notebook


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The parameter file of a project with the notebooks alpha and beta; beta alone declares `depth`."""
    file = make_project(tmp_path, {"00_alpha": ["1"]})
    write_notebook(tmp_path / "notebooks" / "02_beta.ipynb", ["1"], parameters=PARAMETERS + "depth = 3\n")
    return file


def plan(file: Path, *overrides: str, text: str | None = None, **options: Any) -> RunPlan:
    if text is not None:
        file.write_text(text, encoding="utf-8")
    return plan_run(file, root=file.parents[2], overrides=overrides, **options)


# --- the notebook's own cell -----------------------------------------------------------------------------------------


def test_reads_names_values_comments_and_annotations(tmp_path: Path) -> None:
    source = """# a comment of its own
data = "data/x"  # source folder
weeks: int | None = None  # how many; "all" if none
lo = hi = -0.5
tags: list[str] = [
    "a",
]  # several lines
model: Literal["a", "b"] = "a"
"""
    notebook = read_notebook(write_notebook(tmp_path / "07_some_stage.ipynb", [], parameters=source))
    assert (notebook.name, notebook.stage) == ("07_some_stage", "some_stage")
    shown = {name: (parameter.default, parameter.meaning) for name, parameter in notebook.parameters.items()}
    assert shown == {
        "data": ("data/x", "source folder"),
        "weeks": (None, 'how many; "all" if none'),
        "lo": (-0.5, ""),
        "hi": (-0.5, ""),
        "tags": (["a"], "several lines"),
        "model": ("a", ""),
    }
    assert notebook.parameters["weeks"].annotation == int | None
    assert notebook.parameters["model"].annotation == Literal["a", "b"]


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("x = 1 + y", "line 1: the value must be a literal"),
        ("import os", "line 1: only `name = literal"),
        ("x = 1\nprint(x)", "line 2: only `name = literal"),
        ("x: int", "line 1: a parameter needs a default"),
        ("x = (1, 2)", "line 1: a tuple cannot be a parameter"),
        ("x = {1, 2}", "line 1: a set cannot be a parameter"),
        ("x = 1e999", "line 1: a float cannot be a parameter"),
        ("x.y = 1", "line 1: only `name = literal"),
        ("x = (", "not valid Python"),
        ("api_token = 'abc'", "api_token looks like a secret"),
    ],
)
def test_refuses_cells_of_anything_but_literals(tmp_path: Path, source: str, complaint: str) -> None:
    file = write_notebook(tmp_path / "00_alpha.ipynb", [], parameters=source)
    with pytest.raises(UsageError) as refusal:
        read_notebook(file)
    assert complaint in str(refusal.value)
    assert "notebooks/00_alpha.ipynb" in str(refusal.value)


def test_refuses_a_project_without_notebooks_or_with_one_stage_twice(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no notebook"):
        find_notebooks(tmp_path)
    for number in ("00", "01"):
        write_notebook(tmp_path / "notebooks" / f"{number}_alpha.ipynb", [])
    with pytest.raises(UsageError, match="two notebooks share the stage alpha"):
        find_notebooks(tmp_path)


def test_a_notebook_that_runs_instead_needs_the_tag_too(file: Path) -> None:
    """Without it the run's parameters would not reach it: it would read the source named in its own cell."""
    folder = file.parents[2] / "notebooks"
    (folder / "instead").mkdir()
    instead = folder / "instead" / "00_alpha.ipynb"
    write_notebook(instead, ["1"])
    assert read_notebook(folder / "00_alpha.ipynb").instead == instead
    instead.write_text(instead.read_text(encoding="utf-8").replace('"parameters"', '"params"'), encoding="utf-8")
    with pytest.raises(UsageError, match="notebooks/instead/00_alpha.ipynb: one cell must be tagged 'parameters'"):
        read_notebook(folder / "00_alpha.ipynb")


def test_a_stage_module_narrows_its_own_parameters(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("smsroi_helpers.beta")
    module.PARAMETERS = {  # type: ignore[attr-defined]
        "horizon_weeks": Annotated[int, Field(gt=0)],
        "model": Literal["bg_nbd", "pareto_nbd"],
    }
    monkeypatch.setitem(sys.modules, "smsroi_helpers.beta", module)
    assert plan(file, "beta.model=pareto_nbd").values["02_beta"]["model"] == "pareto_nbd"
    with pytest.raises(UsageError, match="beta.horizon_weeks: horizon_weeks must be greater than 0, not 0"):
        plan(file, "beta.horizon_weeks=0")
    with pytest.raises(UsageError, match="model must be 'bg_nbd' or 'pareto_nbd', not 'x'"):
        plan(file, "beta.model=x")


# --- who gets what ---------------------------------------------------------------------------------------------------


def test_a_top_level_key_goes_to_all_that_declare_it_and_a_stages_own_to_it_alone(file: Path) -> None:
    values = plan(file, text="data: data/tiny\nhorizon_weeks: 20\ndepth: 4\nbeta:\n  horizon_weeks: 30\n").values
    assert values["00_alpha"]["horizon_weeks"] == 20
    assert values["02_beta"]["horizon_weeks"] == 30
    assert values["02_beta"]["depth"] == 4
    assert "depth" not in values["00_alpha"]


def test_the_command_line_outranks_the_file_and_is_recorded(file: Path) -> None:
    made = plan(file, "horizon_weeks=40", "beta.margin=1", text="horizon_weeks: 20\nbeta:\n  horizon_weeks: 30\n")
    assert {values["horizon_weeks"] for values in made.values.values()} == {40}
    assert made.overrides == {"horizon_weeks": 40, "beta.margin": 1.0}
    assert made.parameter_file == "notebooks/parameters/tiny.yaml"


def test_the_report_is_the_files_name_unless_it_says_otherwise(file: Path) -> None:
    assert plan(file).report == "tiny"
    assert plan(file, text="report: weekly-cn_2\n").report == "weekly-cn_2"


@pytest.mark.parametrize("name", ["../up", "Weekly", "con", "lpt1", "a b", "-x", "x" * 65, "'weekly\n'", "1"])
def test_refuses_names_that_cannot_be_folders_everywhere(file: Path, name: str) -> None:
    with pytest.raises(UsageError, match="line 2: .*name"):
        plan(file, text=f"data: data/tiny\nreport: {name}\n")


def test_selects_by_only_and_by_from(file: Path) -> None:
    assert plan(file, only=["beta"]).selected == {"02_beta"}
    assert plan(file, start_from="beta").selected == {"02_beta"}
    assert plan(file).selected == {"00_alpha", "02_beta"}
    with pytest.raises(UsageError, match="no notebook 'bet'; did you mean 'beta'"):
        plan(file, only=["bet"])
    with pytest.raises(UsageError, match="--only and --from"):
        plan(file, only=["alpha"], start_from="beta")


def test_notebooks_that_read_no_source_are_refused(tmp_path: Path) -> None:
    file = make_project(tmp_path, {})
    file.write_text("", encoding="utf-8")
    write_notebook(tmp_path / "notebooks" / "00_alpha.ipynb", ["1"], parameters="seed = 1")
    with pytest.raises(UsageError, match="no notebook has a parameter 'data'"):
        plan(file)


# --- types -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("horizon_weeks=39", 39),
        ("margin=1", 1.0),
        ("margin=0.25", 0.25),
        ("model=00123", "00123"),
        ("model=21:00", "21:00"),
        ("model=", ""),
        ("model=a=b", "a=b"),
        ("code=123", "123"),
        ("detailed=true", True),
        ("detailed=False", False),
        ("as_of=1997-09-30", "1997-09-30"),
    ],
)
def test_converts_the_command_line_by_declared_type(file: Path, override: str, value: Any) -> None:
    name = override.partition("=")[0]
    converted = plan(file, override).values["00_alpha"][name]
    assert converted == value
    assert type(converted) is type(value)


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("horizon_weeks=017", "must be a valid integer, not '017'"),
        ("horizon_weeks=1.0", "must be a valid integer, not 1.0"),
        ("horizon_weeks=true", "must be a valid integer, not True"),
        ("margin=NaN", "not finite"),
        ("detailed=1", "must be a valid boolean, not 1"),
        ("seed=-1", "must be greater than or equal to 0, not -1"),
        ("language=fr", "must be 'en' or 'zh', not 'fr'"),
        ("as_of=1997-02-30", "must be a date (YYYY-MM-DD) or empty, not '1997-02-30'"),
        ("as_of=30.9.1997", "must be a date (YYYY-MM-DD) or empty"),
        ("data=", "at least 1 character"),
        ("data=../elsewhere", "must not contain"),
        ("previous_run=reports\\..\\..\\x", "must not contain"),
        ("previous_run=reports/none", "is not the folder of a run"),
        ("run_dir=/somewhere", "run_dir cannot be set"),
        ("beta.as_of=1997-09-30", "the same for all notebooks"),
        ("horizon_week=3", "no notebook has a parameter 'horizon_week'; did you mean 'horizon_weeks'?"),
        ("alpha.depth=3", "the notebook alpha has no parameter 'depth'"),
        ("alhpa.seed=3", "no notebook 'alhpa'; did you mean 'alpha'?"),
        ("seed", "-p takes name=value"),
        ("print(1)=3", "-p takes name=value"),
    ],
)
def test_refuses_what_cannot_be_meant(file: Path, override: str, complaint: str) -> None:
    with pytest.raises(UsageError) as refusal:
        plan(file, override)
    assert complaint in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    "override",
    ["db_password=hunter2", "api_key=hunter2", "model=postgres://ann:hunter2@db/x", "model=x?token=hunter2"],
)
def test_refuses_secrets_without_repeating_them(file: Path, override: str) -> None:
    with pytest.raises(UsageError, match="looks like a secret") as refusal:
        plan(file, override)
    assert "hunter2" not in str(refusal.value)


def test_yaml_means_what_it_says(file: Path) -> None:
    values = plan(file, text="as_of: 1997-09-30\nmodel: NO\nbeta:\n  model: 21:00\n  margin: 1\n  code: null\n").values
    assert values["00_alpha"] | {"as_of": "1997-09-30", "model": "NO"} == values["00_alpha"]
    assert values["02_beta"] | {"model": "21:00", "margin": 1.0, "code": None} == values["02_beta"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("seed: 1\nas_of: ''\nseed: 2\n", "tiny.yaml, line 3: the key 'seed' appears twice (first on line 1)"),
        ("seed: 1\nbeta:\n  margin: 0\n  margin: 1\n", "tiny.yaml, line 4: the key 'margin' appears twice"),
        ("seed: 1\nhorizon_week: 3\n", "tiny.yaml, line 2: no notebook has a parameter 'horizon_week'"),
        ("beta:\n  dept: 3\n", "tiny.yaml, line 2: the notebook beta has no parameter 'dept'; did you mean 'depth'?"),
        ("horizon_weeks: '39'\n", "tiny.yaml, line 1: horizon_weeks must be a valid integer, not '39'"),
        ("horizon_weeks: 017\n", "must be a valid integer, not '017'"),
        ("horizon_weeks: 21:00\n", "must be a valid integer, not '21:00'"),
        ("detailed: yes\n", "must be a valid boolean, not 'yes'"),
        ("model: 1997\n", "must be a valid string, not 1997"),
        ("seed: &a 1\nmargin: *a\n", "line 2: an alias"),
        ("seed: !!python/object/apply:os.getcwd []\n", "line 1: could not determine a constructor"),
        ("seed: [1\n", "line 2: "),
        ("- seed\n", "a parameter file is a list of"),
        ("? [a]\n: 1\n", "a key must be a plain name"),
        ("beta: 3\n", "beta is a notebook"),
        ("make: {simulate: {weeks: 30, seed: 1}}\n", "simulate.customers: Field required"),
        ("make: {simulate: {customers: 500, weeks: 3, seed: 1}}\n", "simulate.weeks: must be greater than or"),
        ("make: {simulate: {customers: 500, weeks: 30, seed: 1, how: 2}}\n", "simulate.how: Extra inputs are not"),
        ("make: {simulate: 5}\n", "make takes {example: NAME} or {simulate: {customers: …, weeks: …, seed: …}}"),
        ("make: {copy: x}\n", "{simulate: {customers: …, weeks: …, seed: …}}, and not copy"),
        ("make: {example: nowhere}\n", "unknown example 'nowhere'; choose one of cdnow"),
    ],
)
def test_refuses_parameter_files_with_the_line(file: Path, text: str, complaint: str) -> None:
    with pytest.raises(UsageError) as refusal:
        plan(file, text=text)
    assert complaint in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_missing_or_undecodable_file_is_named(file: Path) -> None:
    file.write_bytes(b"seed: \xff\n")
    with pytest.raises(UsageError, match="tiny.yaml cannot be read: it is not UTF-8"):
        plan(file)
    with pytest.raises(UsageError, match="none.yaml cannot be read: No such file"):
        plan(file.with_name("none.yaml"))


def test_a_source_in_place_of_a_parameter_file_gets_the_two_steps(file: Path) -> None:
    folder = file.parents[2] / "data" / "tiny"
    with pytest.raises(UsageError) as refusal:
        plan_run(folder, root=file.parents[2])
    assert "is a folder, and `run` takes a parameter file" in str(refusal.value)
    assert str(refusal.value).count("notebooks/parameters/tiny.yaml") == 2


def test_the_plan_has_no_absolute_path(file: Path) -> None:
    root = file.parents[2]
    made = plan(file, f"data={root / 'data' / 'tiny'}")
    assert made.run_wide("data", "") == "data/tiny"
    assert str(root) not in repr((made.values, made.parameter_file))


def test_hours_of_attribution_are_whole_and_within_the_limits_of_their_page() -> None:
    root = Path(__file__).parents[2]
    notebook = read_notebook(root / "notebooks" / "08_effectiveness.ipynb")
    file = root / "notebooks" / "parameters" / "demo.yaml"
    asked = plan_run(file, root=root, overrides=["effectiveness.attribution_hours=48"])
    values = asked.values[notebook.name]
    assert (values["attribution_hours"], type(values["attribution_hours"])) == (48, int)
    with pytest.raises(UsageError, match="attribution_hours"):
        plan_run(file, root=root, overrides=["effectiveness.attribution_hours=800"])
