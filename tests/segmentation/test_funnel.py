"""The funnel, counted by hand."""

from smsroi_helpers.segmentation import cutoffs, funnel
from tests.segmentation.samples import HEAD


def test_the_funnel_is_counted_as_by_hand(make_source, open_source):
    orders = HEAD + "1,a,2024-01-05,50\n2,a,2024-01-25,50\n3,b,2024-01-06,5\n4,c,2024-03-01,100\n5,d,2024-05-30,9\n"
    customers = "customer_id,joined_at,acquisition_cost,referred_by\na,2024-01-01,10,\nb,2024-01-01,10,a\n"
    customers += "c,2024-01-01,10,a\nd,2024-05-30,10,\ne,2024-01-01,10,\n"
    shop = open_source(make_source(orders=orders, customers=customers, source="margin: 0.3\n"), as_of="2024-05-31")
    steps = funnel.count_funnel(shop, cutoffs.Cuts(30, 60)).set_index("step")
    assert steps["could"].to_dict() == {
        "acquisition": 5,
        "activation": 4,
        "retention": 3,
        "revenue": 4,
        "referral": 4,
    }
    assert steps["reached"].to_dict() == {
        "acquisition": 5,
        "activation": 2,
        "retention": 1,
        "revenue": 2,
        "referral": 1,
    }
