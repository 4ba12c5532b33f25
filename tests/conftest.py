"""Fixtures that several test files use."""

import functools
import gc
import hashlib
import json
import os
import pickle
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import pytest
from hypothesis import settings
from ibis.expr.operations import Node
from ibis.expr.types import Expr

from smsroi_helpers import locale, pages
from smsroi_helpers.engine import Connection
from smsroi_helpers.source import examples
from smsroi_helpers.source.read import load
from smsroi_helpers.source.shop import Shop, open_shop
from tests import machine

DATA = Path(__file__).parents[1] / "data"

# As in smsroi_helpers.runner.child, before anything imports nbformat: saves two seconds in every worker.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]

# The time of an example depends on the load of the machine.
settings.register_profile("here", deadline=None)
settings.load_profile("here")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests whose programs or data are missing on this machine (tests/machine.py)."""
    for item in items:
        missing = [machine.what_is_missing(marker.name) for marker in item.iter_markers()]
        if any(missing):
            item.add_marker(pytest.mark.skip(reason=f"needs {' and '.join(filter(None, missing))}"))


def pytest_collection_finish() -> None:
    """Let the garbage collector pass over what was imported, and look less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """List skipped tests once per file and reason; with SMSROI_REQUIRE=1 they fail."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
        path, _line, reason = report.longrepr
        report.longrepr = (path, None, reason)
        if os.environ.get("SMSROI_REQUIRE") == "1":
            report.outcome, report.longrepr = "failed", f"SMSROI_REQUIRE=1, and the test was skipped: {reason}"
    return report


@pytest.fixture(autouse=True)
def _english():
    locale.use_language("en")
    pages.use_names()


@pytest.fixture(scope="session", autouse=True)
def _no_key_of_the_machine() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("SMSROI_KEY", "SMSROI_KEY_FILE"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(scope="session", autouse=True)
def _queries_are_written_once() -> Iterator[None]:
    """Keep the SQL of recent expressions: writing it is a third of the time in which a small source is read.

    Tests read many sources of the same columns. Connections in memory are equal to Ibis, so equal expressions of two
    sources have the same SQL.
    """
    write = Connection.compile

    @functools.lru_cache(maxsize=1_500)
    def written(con: Connection, op: Node, limit: int | str | None, pretty: bool) -> str:
        return write(con, op.to_expr(), limit=limit, pretty=pretty)

    def compile_once(con: Connection, expr: Expr, /, *, limit=None, params=None, pretty=False) -> str:
        if params:
            return write(con, expr, limit=limit, params=params, pretty=pretty)
        return written(con, expr.op(), limit, pretty)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Connection, "compile", compile_once)
        yield


@pytest.fixture
def ordinary_users_folder(tmp_path) -> Iterator[Path]:
    """A folder of an ordinary user. Root may write anywhere, so a test under root runs as the user nobody."""
    if os.geteuid() != 0:
        yield tmp_path
        return
    folder, nobody = Path(tempfile.mkdtemp()), 65534  # other users cannot read pytest's folders
    os.chown(folder, nobody, nobody)
    os.seteuid(nobody)
    try:
        yield folder
    finally:
        os.seteuid(0)
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def made_once(tmp_path_factory) -> Callable[[str, Callable[[Path], object]], Path]:
    """A function: the folder of a name, filled by the first of pytest's workers that asks for it.

    The others wait until it is filled. Tests read it, but for what `load` and `Shop` keep there, under locks of theirs.
    """
    of_worker = tmp_path_factory.getbasetemp()
    place = (of_worker.parent if "PYTEST_XDIST_WORKER" in os.environ else of_worker) / "made_once"
    place.mkdir(exist_ok=True)

    def folder_of(name: str, fill: Callable[[Path], object]) -> Path:
        folder, made = place / name, place / f"{name}.made"
        with filelock.FileLock(place / f"{name}.lock"):
            if not made.exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                fill(folder)
                made.touch()
        return folder

    return folder_of


@pytest.fixture(scope="session")
def found_once(made_once) -> Callable[[str, Callable[[], Any]], Any]:
    """A function: what another returns, computed by the first of pytest's workers that asks for it under that name."""

    def found(name: str, find: Callable[[], Any]) -> Any:
        place = made_once(name, lambda to: (to / "found").write_bytes(pickle.dumps(find())))
        return pickle.loads((place / "found").read_bytes())

    return found


@pytest.fixture(scope="session")
def cdnow_sample(made_once) -> Path:
    """The folder of the example source cdnow_sample."""
    place = made_once("cdnow", lambda to: examples.write_example("cdnow_sample", to / "cdnow_sample"))
    return place / "cdnow_sample"


@pytest.fixture(scope="session")
def cdnow_shop(cdnow_sample) -> Callable[[str], Shop]:
    """A function that opens cdnow_sample as of a day."""
    place = cdnow_sample.parent
    loaded = load(cdnow_sample, place / ".loaded")
    return lambda as_of="": open_shop(loaded, as_of, place / ".cache")


@pytest.fixture(scope="session")
def open_public(made_once) -> Callable[..., Shop]:
    """A function that opens public data through their mapping under data/, perhaps as of a day; they are read once."""

    @functools.cache
    def opened(name: str, as_of: str = "") -> Shop:
        place = made_once(name, lambda _to: None)
        with pytest.MonkeyPatch.context() as patch:
            for variable, file in machine.PUBLIC_FILES[name].items():
                patch.setenv(variable, str((machine.PUBLIC_DATA / file).resolve()))
            loaded = load(DATA / name, place / ".loaded")
        return open_shop(loaded, as_of, place / ".cache")

    return opened


@pytest.fixture(scope="session")
def simulated(made_once):
    """A simulated company with four experiments: its truth, its folder and its shop. Several stages' tests read them.

    The time that such a company takes hardly depends on its size.
    """
    from smsroi_helpers.simulation.ground_truth import read_truth
    from smsroi_helpers.simulation.write import write_company

    place = made_once("simulated", lambda to: write_company(to / "source", customers=6_000, weeks=40, seed=5))
    shop = open_shop(load(place / "source", place / ".loaded"), "", place / ".cache")
    return read_truth(place / "source"), place / "source", shop


@pytest.fixture(scope="session")
def every_table(made_once) -> Path:
    """A folder whose `source` is a small simulated company with every table."""
    from smsroi_helpers.simulation.write import write_company

    return made_once("every_table", lambda to: write_company(to / "source", customers=600, weeks=30, seed=3))


@pytest.fixture(scope="session")
def simulated_tests(simulated, found_once):
    """The experiments of the simulated company, evaluated."""
    from smsroi_helpers import ab_test

    return found_once("simulated-tests", lambda: ab_test.analyse(simulated[2]))


@pytest.fixture(scope="session")
def simulated_hours(simulated, found_once):
    """The hours of the simulated company, and the best of them."""
    from smsroi_helpers import timing

    hours = found_once("simulated-hours", lambda: timing.analyse(simulated[2]))
    return hours, timing.find_best_hours(hours, np.random.default_rng(1))


@pytest.fixture(scope="session")
def simulated_frequencies(simulated, found_once):
    """The study of frequencies in the simulated company, and its policy."""
    from smsroi_helpers import frequency

    study = found_once("simulated-frequencies", lambda: frequency.analyse(simulated[2], np.random.default_rng(1)))
    return study, frequency.choose_frequencies(study, np.random.default_rng(1))


@pytest.fixture
def make_source(tmp_path) -> Callable[..., Path]:
    """Writes files into a source folder: `make_source(orders="a,b\\n1,2\\n", source="currency: CNY\\n")`."""

    def make(**files: str | bytes) -> Path:
        folder = tmp_path / "source"
        folder.mkdir(exist_ok=True)
        for name, content in files.items():
            file = folder / (
                "source.yml" if name == "source" else name.replace("__", ".") + ("" if "__" in name else ".csv")
            )
            file.write_bytes(content.encode() if isinstance(content, str) else content)
        return folder

    return make


@pytest.fixture(scope="session")
def read_once(made_once) -> Callable[..., Shop]:
    """Writes files like `make_source` and opens them; the same files are read once for all tests."""

    @functools.cache
    def opened(as_of: str = "", max_rejected_share: float = 0.01, **files: str) -> Shop:
        def write(folder: Path) -> None:
            for name, content in files.items():
                (folder / ("source.yml" if name == "source" else f"{name}.csv")).write_text(content)

        given = hashlib.sha256(json.dumps([max_rejected_share, sorted(files.items())]).encode()).hexdigest()
        folder = made_once(f"read-{given[:32]}", write)
        return open_shop(load(folder, folder / ".loaded", max_rejected_share), as_of, folder / ".cache")

    return opened


@pytest.fixture
def open_source(tmp_path) -> Callable[..., Shop]:
    """A function that loads a folder and opens it."""

    def opened(folder: Path, as_of: str = "", max_rejected_share: float = 0.01) -> Shop:
        return open_shop(load(folder, tmp_path / ".loaded", max_rejected_share), as_of, tmp_path / ".cache")

    return opened
