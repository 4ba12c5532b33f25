"""Hours of competitors' messages."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from smsroi_helpers.timing import competitors
from tests.timing.samples import ORDERS


def test_competitors_hours_are_local_where_a_region_is_given(make_source, open_source):
    shop = open_source(
        make_source(
            orders=ORDERS,
            customers="customer_id,timezone,region\na,Asia/Shanghai,East\nb,America/New_York,West\n",
            competitor_messages="competitor,sent_at,region\nx,2026-10-01 02:00:00,East\nx,2026-10-01 02:00:00,\n",
        )
    )
    found = competitors.count_competitors(shop).set_index("hour")["messages"]
    assert found[found > 0].to_dict() == {2: 1, 10: 1}


def test_crowding_is_the_share_of_messages_at_the_hours_that_may_be_the_best():
    sent = pd.DataFrame({"hour": range(24), "messages": 1, "share": 1 / 27}).set_index("hour", drop=False)
    sent.loc[10, ["messages", "share"]] = (4, 4 / 27)
    windows = pd.DataFrame({"hour": [9, 10, 18], "until": [11, 12, 20]})
    best = SimpleNamespace(windows=windows, chosen=np.array([True, True, False]))
    found = competitors.measure_crowding(sent.reset_index(drop=True), [best])  # type: ignore[list-item]
    assert found.hours == (9, 10, 11)
    assert (found.messages, found.share, found.even) == (27, pytest.approx(6 / 27), 3 / 24)
    alike = SimpleNamespace(windows=windows, chosen=np.ones(3, bool))
    assert competitors.measure_crowding(sent.reset_index(drop=True), [alike]).hours == ()  # type: ignore[list-item]
