"""Fixtures shared by the tests of frequency; each source is read once."""

import functools

import numpy as np
import pytest

from smsroi_helpers.frequency.study import analyse
from tests.frequency.samples import LOG_WEEKS, open_folder, source, written


@pytest.fixture(scope="session")
def study_of(tmp_path_factory):
    """The shop of a source and its study; each source is read once."""

    @functools.cache
    def study(**given):
        folder = tmp_path_factory.mktemp("doses") / "source"
        folder.mkdir()
        for name, content in written(source(**given)[0]).items():
            (folder / ("source.yml" if name == "source" else f"{name}.csv")).write_text(content)
        shop = open_folder(folder)
        return shop, analyse(shop, np.random.default_rng(1), log_weeks=LOG_WEEKS)

    return study
