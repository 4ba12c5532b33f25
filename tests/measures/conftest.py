"""The shops of random worlds, each read once for all tests of the measures."""

import functools

import pytest

from tests.measures.worlds import random_world


@pytest.fixture(scope="session")
def open_world(read_once):
    """The world of a seed, perhaps without a table, and its shop."""

    @functools.cache
    def opened(seed, without=""):
        world = random_world(seed)
        world.tables.pop(without, None)
        return world, read_once(as_of=world.as_of.isoformat(), **world.files())

    return opened
