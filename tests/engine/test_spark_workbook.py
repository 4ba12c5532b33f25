"""The whole workbook on both engines: every table of a run, written by Spark and by DuckDB."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from smsroi_helpers.runner.execute import Job, execute_notebooks, start_server
from smsroi_helpers.runner.progress import show_progress
from smsroi_helpers.simulation.write import write_company
from smsroi_helpers.source import load, share_engine

pytestmark = [pytest.mark.spark, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
CUSTOMERS, WEEKS = 600, 30


def run_workbook(company: Path, run: Path) -> None:
    """Execute the ten notebooks as `smsroi run` does."""
    loaded = load(company, run / ".loaded")
    values = {"data": str(company), "run_dir": str(run)}
    jobs = [Job(path.stem, path.stem[3:], path, run / path.name, values) for path in NOTEBOOKS]
    with (
        start_server(NOTEBOOKS, ROOT, 2) as server,
        show_progress() as progress,
        share_engine(loaded, run / ".cache") as variables,
    ):
        done = execute_notebooks(
            jobs, root=ROOT, logs=run / "logs", progress=progress, server=server, variables=variables
        )
    assert {name: str(outcome.error or outcome.reason) for name, outcome in done.items()} == dict.fromkeys(done, "")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The folders of the runs by DuckDB and by Spark of one simulated company with every table."""
    place = tmp_path_factory.mktemp("workbook")
    write_company(place / "duckdb", customers=CUSTOMERS, weeks=WEEKS, seed=3)
    shutil.copytree(place / "duckdb", place / "spark")
    with (place / "spark" / "source.yml").open("a") as settings:
        settings.write("engine: spark\n")
    for name in ("duckdb", "spark"):
        run_workbook(place / name, place / f"run-{name}")
    return place / "run-duckdb" / "tables", place / "run-spark" / "tables"


def assert_same_values(ours: pd.DataFrame, theirs: pd.DataFrame, of: str) -> None:
    """Everything but decimals exactly, decimals to 1e-9 of them."""
    assert list(ours.columns) == list(theirs.columns), of
    assert len(ours) == len(theirs), of
    for name in ours.columns:
        here, there = ours[name], theirs[name]
        if pd.api.types.is_float_dtype(here):
            same = np.isclose(here.to_numpy(), there.to_numpy(float), rtol=1e-9, atol=1e-9, equal_nan=True)
            assert same.all(), f"{of}.{name}: {here[~same].tolist()[:3]} {there[~same].tolist()[:3]}"
        else:
            pd.testing.assert_series_equal(here, there, check_dtype=False, check_exact=True, obj=f"{of}.{name}")


def test_every_table_is_the_same(runs):
    """Segments, roles, groups and counts exactly; sums and estimates to rounding."""
    ours, theirs = runs
    names = sorted(path.relative_to(ours) for path in ours.rglob("*.parquet"))
    assert names == sorted(path.relative_to(theirs) for path in theirs.rglob("*.parquet"))
    assert len(names) > 30
    for name in names:
        assert_same_values(pd.read_parquet(ours / name), pd.read_parquet(theirs / name), name.as_posix())


def test_spark_has_computed_it(runs):
    """Its cached results name its words, and nothing of Spark outlives the run."""
    ours, theirs = runs
    kept = [path for path in (theirs.parent / ".cache").glob("*.parquet") if path.is_dir()]
    assert len(kept) > 100
    assert not [path for path in (ours.parent / ".cache").glob("*.parquet") if path.is_dir()]
    assert not list((theirs.parent / ".cache").glob("*.new"))
