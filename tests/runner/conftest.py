"""A project with a published report."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from smsroi_helpers.runner.options import RunOptions
from smsroi_helpers.runner.run import run_report
from tests.faults.runs import MISBEHAVE, Quiet
from tests.faults.tiny import make_project


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    """A project (its root, its parameter file) with a published report; what else happens to it must not touch that."""
    root = tmp_path_factory.mktemp("project").resolve()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SMSROI_PROJECT", str(root))
        file = make_project(root, {"00_alpha": [MISBEHAVE], "01_beta": ["horizon_weeks"]})
        run_report(file, RunOptions(), Quiet())
        yield root, file
