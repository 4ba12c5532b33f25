"""Fixtures shared by the tests of frequency; each source is read once."""

import functools
import hashlib

import numpy as np
import pytest

from smsroi_helpers.frequency.study import analyse
from tests.frequency.samples import LOG_WEEKS, open_folder, source, written


@pytest.fixture(scope="session")
def study_of(made_once, found_once):
    """The shop of a source and its study; each source is read once."""

    @functools.cache
    def study(**given):
        def write(to):
            (to / "source").mkdir()
            for name, content in written(source(**given)[0]).items():
                (to / "source" / ("source.yml" if name == "source" else f"{name}.csv")).write_text(content)

        named = hashlib.sha256(repr(sorted(given.items())).encode()).hexdigest()
        name = f"doses-{named[:32]}"
        shop = open_folder(made_once(name, write) / "source")
        return shop, found_once(f"{name}-study", lambda: analyse(shop, np.random.default_rng(1), log_weeks=LOG_WEEKS))

    return study
