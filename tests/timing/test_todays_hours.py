"""The hours at which most of today's texts go out."""

import pandas as pd
import pytest

from smsroi_helpers.timing.todays_hours import todays_hours


@pytest.mark.parametrize(
    ("messages", "named"),
    [
        ({18: 84, 12: 16}, (18, 19, 0.84)),
        ({18: 50, 19: 35, 9: 15}, (18, 20, 0.85)),
        (dict.fromkeys(range(9, 19), 10), None),
        ({}, None),
    ],
)
def test_todays_hours_are_named_where_most_texts_share_them(messages, named):
    practice = pd.DataFrame({"hour": list(messages), "messages": list(messages.values())}, dtype="float64")
    assert todays_hours(practice) == (named and pytest.approx(named))
