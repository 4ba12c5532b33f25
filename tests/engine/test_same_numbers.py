"""The same numbers everywhere: each notebook alone, all with 8 threads in Chinese from PostgreSQL, and by Spark."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from smsroi_helpers.runner import render
from smsroi_helpers.runner.execute import Job, execute_notebooks, start_server
from smsroi_helpers.runner.progress import show_progress
from smsroi_helpers.source import load, share_engine
from tests.locale.marks import HALF_WIDTH, visible_texts
from tests.machine import what_is_missing
from tests.runner.test_render import _manifest as manifest
from tests.source.test_database import PASSWORD, Server, server

__all__ = ["server"]  # a fixture

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
FITTED = {"timing_weekdays": ("gain_low", "gain_high")}
"""Ends of intervals that come from a solved system of equations. Sums are added in another order, so the inputs differ
in the last digit; this is what becomes of it."""
WORDS = {
    "alerts": ("text", "remark"),
    "assumptions": ("finding",),
    "decisions": ("question", "action", "text", "number_words", "caveat", "next_test", "period"),
    "model_checks": ("warning", "caveat"),
}
"""Table → columns in the language of the run."""
POSTGRES = {
    "VARCHAR": "text", "BIGINT": "bigint", "INTEGER": "integer", "DOUBLE": "double precision", "DATE": "date",
    "TIMESTAMP": "timestamp", "TIMESTAMP WITH TIME ZONE": "timestamptz", "BOOLEAN": "boolean",
}  # fmt: skip
"""DuckDB's types in PostgreSQL's words."""


def run_workbook(company: Path, run: Path, language: str = "en", **variables: str) -> Path:
    """Execute the ten notebooks as `smsroi run` does, with these variables; return the folder of the tables."""
    loaded = load(company, run / ".loaded")
    values = {"data": str(company), "run_dir": str(run), "language": language}
    jobs = [Job(path.stem, path.stem[3:], path, run / path.name, values) for path in NOTEBOOKS]
    with (
        start_server(NOTEBOOKS, ROOT, 2) as forks,
        show_progress() as progress,
        share_engine(loaded, run / ".cache") as shared,
    ):
        done = execute_notebooks(
            jobs, root=ROOT, logs=run / "logs", progress=progress, server=forks, variables={**shared, **variables}
        )
    assert {name: str(outcome.error or outcome.reason) for name, outcome in done.items()} == dict.fromkeys(done, "")
    return run / "tables"


@pytest.fixture(scope="module")
def company(every_table) -> Path:
    return every_table / "source"


@pytest.fixture(scope="module")
def alone(company, made_once) -> Path:
    """The folder in which each notebook has run alone by DuckDB with one thread, on a source that nobody has loaded."""

    def fill(run: Path) -> None:
        values = {"data": str(company), "run_dir": str(run)}
        errors = {}
        with start_server(NOTEBOOKS, ROOT, 1) as forks, show_progress() as progress:
            for path in NOTEBOOKS:
                job = Job(path.stem, path.stem[3:], path, run / path.name, values)
                done = execute_notebooks(
                    [job], root=ROOT, logs=run / "logs", progress=progress, server=forks,
                    variables={"SMSROI_THREADS": "1"},
                )  # fmt: skip
                errors[path.stem] = str(done[path.stem].error or done[path.stem].reason)
        (run / "errors.json").write_text(json.dumps(errors))

    return made_once("alone", fill)


@pytest.fixture(scope="module")
def reference(alone) -> Path:
    """The tables of the notebooks that ran alone."""
    return alone / "tables"


@pytest.mark.parametrize("notebook", [path.stem for path in NOTEBOOKS])
def test_each_notebook_runs_alone(notebook, alone):
    """As by papermill on its command line, with the tables of the notebooks before it in its folder."""
    assert json.loads((alone / "errors.json").read_text())[notebook] == ""
    executed = json.loads((alone / f"{notebook}.ipynb").read_text())
    assert "application/vnd.smsroi.finished+json" in executed["cells"][-1]["outputs"][0]["data"]
    assert (alone / "tables" / "decisions" / f"{notebook}.parquet").is_file()


def copy_with_settings(company: Path, folder: Path, settings: str) -> Path:
    """The company with other lines in its source.yml."""
    shutil.copytree(company, folder)
    with (folder / "source.yml").open("a", encoding="utf-8") as lines:
        lines.write(settings)
    return folder


def assert_same_values(ours: pd.DataFrame, theirs: pd.DataFrame, of: str) -> None:
    """Everything but decimals exactly, decimals to 1e-9 of them; what is `FITTED` to 1e-7."""
    assert list(ours.columns) == list(theirs.columns), of
    assert len(ours) == len(theirs), of
    for name in ours.columns:
        here, there = ours[name], theirs[name]
        if pd.api.types.is_float_dtype(here):
            tolerance = 1e-7 if name in FITTED.get(of, ()) else 1e-9
            same = np.isclose(here.to_numpy(), there.to_numpy(float), rtol=tolerance, atol=1e-9, equal_nan=True)
            assert same.all(), f"{of}.{name}: {here[~same].tolist()[:3]} {there[~same].tolist()[:3]}"
        else:
            pd.testing.assert_series_equal(here, there, check_dtype=False, check_exact=True, obj=f"{of}.{name}")


def assert_same_tables(ours: Path, theirs: Path, words: Mapping[str, Sequence[str]] | None = None) -> None:
    """Segments, roles, groups and counts exactly; sums and estimates to rounding; without columns of words."""
    names = sorted(path.relative_to(ours) for path in ours.rglob("*.parquet"))
    assert names == sorted(path.relative_to(theirs) for path in theirs.rglob("*.parquet"))
    assert len(names) > 30
    for name in names:
        of = name.with_suffix("").as_posix()
        left_out = list((words or {}).get(name.parts[0].removesuffix(".parquet"), ()))
        here, there = (pd.read_parquet(tables / name).drop(columns=left_out) for tables in (ours, theirs))
        assert_same_values(here, there, of)


@pytest.fixture(scope="module")
def chinese(company, made_once, request) -> Path:
    """The folder of one run in Chinese with eight threads.

    The same data are in the tables of PostgreSQL; where this machine has none, they are the files again.
    """

    def fill(run: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            source = company
            if not what_is_missing("postgres"):
                source = copy_to_database(company, run / "company", request.getfixturevalue("server"), patch)
            run_workbook(source, run, "zh", SMSROI_THREADS="8")

    return made_once("chinese", fill)


def test_one_run_in_chinese_with_eight_threads_from_a_database(reference, chinese):
    assert_same_tables(reference, chinese / "tables", WORDS)
    for table, columns in WORDS.items():
        file = chinese / "tables" / f"{table}.parquet"
        rows = pd.concat(map(pd.read_parquet, file.parent.glob(f"{table}/*.parquet") if not file.exists() else [file]))
        for column in columns:
            said = rows[column].dropna().loc[lambda texts: texts != ""]
            assert column == "period" or said.str.contains("[\u4e00-\u9fff]").all(), (table, column)


def test_marks_between_chinese_words_are_full_width_on_every_page(chinese):
    (chinese / "notebooks").mkdir(exist_ok=True)
    for path in NOTEBOOKS:
        shutil.copy(chinese / path.name, chinese / "notebooks")
    notebooks = {path.stem: {"stage": path.stem[3:], "status": "ok", "reason": ""} for path in NOTEBOOKS}
    written = render.render_run(chinese, manifest(language="zh", notebooks=notebooks))
    assert len(written) == len(NOTEBOOKS) + 1
    texts = {page.stem: visible_texts(page) for page in written}
    assert min(map(len, texts.values())) > 100
    assert [(page, text) for page, said in texts.items() for text in said if HALF_WIDTH.search(text)] == []


@pytest.mark.spark
def test_spark(company, reference, tmp_path):
    """Every count and join by Spark; one Spark for all notebooks, of which nothing remains."""
    on_spark = copy_with_settings(company, tmp_path / "company", "engine: spark\n")
    tables = run_workbook(on_spark, tmp_path / "run")
    assert_same_tables(reference, tables)
    cache = tables.parent / ".cache"
    assert len([path for path in cache.glob("*.parquet") if path.is_dir()]) > 100  # as only Spark writes them
    assert not list(cache.glob("*.new"))


def copy_to_database(company: Path, folder: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A source whose data are in the tables of a database."""
    folder.mkdir()
    shutil.copy(company / "source.yml", folder)
    with (folder / "source.yml").open("a", encoding="utf-8") as lines:
        lines.write(f"database: postgresql://${{PGUSER}}:${{PGPASSWORD}}@127.0.0.1:{server.port}/postgres\n")
    monkeypatch.setenv("PGUSER", "shop")
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    fill_database(server, company)
    return folder


def fill_database(server: Server, company: Path) -> None:
    """Copy the parquet files of a company into tables of the same names."""
    tables: Mapping[str, str] = {
        path.stem: str(path / "**" / "*.parquet" if path.is_dir() else path)
        for path in company.iterdir()
        if path.suffix == ".parquet" or (path.is_dir() and path.name != "truth")
    }
    with server.connect() as con, duckdb.connect() as reader:
        reader.execute("SET TimeZone = 'UTC'")
        for name, files in tables.items():
            rows = reader.sql(f"SELECT * FROM read_parquet('{files}', hive_partitioning = false)")
            columns = ", ".join(
                f'"{column}" {POSTGRES[str(kind)]}' for column, kind in zip(rows.columns, rows.types, strict=True)
            )
            con.execute(f'CREATE TABLE "{name}" ({columns})')
            with con.cursor().copy(f'COPY "{name}" FROM STDIN') as copy:
                for row in reader.sql("SELECT COLUMNS(*)::VARCHAR FROM rows").fetchall():
                    copy.write_row(row)
