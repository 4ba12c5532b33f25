"""How results become files; what `engine: spark` needs, and what is said where it is missing."""

import datetime as dt
import shutil

import ibis
import numpy as np
import pandas as pd
import pytest
from pyarrow import parquet

from smsroi_helpers.engine import EngineError, connect_engine, results, share_engine, write_parquet
from smsroi_helpers.errors import DataError
from smsroi_helpers.source.read import load
from smsroi_helpers.source.shop import open_shop

ORDERS = "order_id,customer_id,ordered_at,amount\n1,a,2024-01-01,5\n"


@pytest.fixture
def without(monkeypatch):
    """Hides PySpark, or Java."""

    def hide(what: str) -> None:
        monkeypatch.setattr(results.importlib.util, "find_spec", lambda name: None if what == "PySpark" else name)
        monkeypatch.setattr(shutil, "which", lambda name: None)
        monkeypatch.delenv("JAVA_HOME", raising=False)

    results._missing_for_spark.cache_clear()
    yield hide
    results._missing_for_spark.cache_clear()


@pytest.mark.parametrize(("what", "words"), [("PySpark", "the extra `spark` of pyproject.toml"), ("Java", "Java 17")])
def test_what_spark_lacks_is_named(without, tmp_path, what, words):
    without(what)
    with pytest.raises(EngineError, match=words):
        connect_engine("spark", tmp_path)
    with pytest.raises(EngineError, match=words), share_engine("spark", tmp_path):
        pass


def test_a_source_on_spark_is_refused_before_the_notebooks(without, make_source, tmp_path):
    without("PySpark")
    loaded = load(make_source(orders=ORDERS, source="engine: spark\n"), tmp_path / ".loaded")
    with pytest.raises(DataError, match=r"source\.yml, engine: .* needs PySpark"):
        open_shop(loaded, "", tmp_path / ".cache")


def test_duckdb_needs_nothing_that_processes_share(tmp_path):
    with share_engine("duckdb", tmp_path) as variables:
        assert variables == {}


def test_rows_of_python_are_written_as_the_engine_would_write_them(tmp_path):
    rows = pd.DataFrame(
        {
            "whole": [1, 2],
            "part": [0.5, np.nan],
            "text": ["a", None],
            "nothing": [None, None],
            "instant": pd.to_datetime(["2024-01-01 10:00", None]),
            "day": [dt.date(2024, 1, 1), None],
            "yes": [True, False],
            "perhaps": pd.array([1, None], dtype="Int64"),
            "kind": pd.Categorical(["x", "y"]),
            "several": [["a"], ["b", "c"]],
            "never": [np.nan, np.nan],
        }
    )
    for name, table in (("rows", rows), ("none", rows.iloc[:0])):
        held = ibis.memtable(table)
        write_parquet(ibis.duckdb.connect(), held, tmp_path / f"{name}.parquet")
        held.to_parquet(tmp_path / f"{name}-engine.parquet")
        ours, theirs = tmp_path / f"{name}.parquet", tmp_path / f"{name}-engine.parquet"
        assert parquet.read_schema(ours).remove_metadata() == parquet.read_schema(theirs).remove_metadata()
        pd.testing.assert_frame_equal(pd.read_parquet(ours), pd.read_parquet(theirs))
