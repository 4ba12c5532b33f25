"""Human and machine clicks."""

import pytest

from smsroi_helpers.errors import DataError
from smsroi_helpers.measures.sends import human_clicks

ORDERS = "order_id,customer_id,ordered_at,amount\n1,a,2026-01-02 10:00:00,10\n2,b,2026-11-20 10:00:00,20\n"
MESSAGES = """message_id,customer_id,campaign_id,sent_at,clicked_at
m1,a,k,2026-10-01 10:00:00,2026-10-01 10:00:04
m2,b,k,2026-10-01 10:00:00,2026-10-01 10:00:30
m3,c,k,2026-10-01 10:00:00,
"""


@pytest.mark.parametrize(
    ("setting", "machines"),
    [("", ["fast", "none", "none"]), ("fast_click_seconds: 60\n", ["fast", "fast", "none"]),
     ("fast_click_seconds: 0\n", ["none", "none", "none"])],
)  # fmt: skip
def test_the_fast_click_limit_is_a_setting(make_source, open_source, setting, machines):
    shop = open_source(make_source(orders=ORDERS, messages=MESSAGES, source=f"timezone: UTC\n{setting}"))
    rows = human_clicks(shop).execute().sort_values("message_id")
    assert rows["machine"].tolist() == machines
    assert rows["click_known"].tolist() == [machine == "none" for machine in machines]
    assert rows["human_click_at"].notna().tolist() == [m == "none" and i < 2 for i, m in enumerate(machines)]


def test_a_negative_limit_is_refused(make_source, open_source):
    with pytest.raises(DataError, match="fast_click_seconds"):
        open_source(make_source(orders=ORDERS, source="fast_click_seconds: -1\n"))
