"""Which clicks are a person's."""

import pytest

from smsroi_helpers.errors import UsageError
from smsroi_helpers.measures import clicks


def test_rules_that_cannot_be_meant_are_refused():
    with pytest.raises(UsageError, match="fast_click_seconds"):
        clicks.MachineRules(fast_seconds=-1)
