"""Hours of competitors' messages."""

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
