"""A project whose source the tests fill with bad and odd data."""

from collections.abc import Iterator

import pytest

from tests.faults.bad_data import PASSWORD, Project
from tests.faults.runs import one_server


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    root = tmp_path_factory.mktemp("project").resolve()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SMSROI_PROJECT", str(root))
        patch.setenv("SHOP_DB", f"postgres://me:{PASSWORD}@127.0.0.1:1/shop")
        made = Project(root)
        with one_server(root):
            assert made.run()[0] == 0
            yield made
