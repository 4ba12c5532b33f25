"""Two small sources for the tests of quality."""

import pytest

ORDERS = (
    "order_id,customer_id,ordered_at,amount\n1,a,2024-01-01,5\n2,a,2024-01-02,-1\n3,b,2024-01-20,7\n4,c,2024-01-21,2.5\n"
    "5,c,2024-02-09,9\n6,d,never,1\n"
)
MESSAGES = (
    "message_id,customer_id,campaign_id,sent_at,channel,cost\n"
    "m1,a,k,2024-01-05,sms,0.05\nm2,a,k,2024-01-09,sms,0.07\nm3,z,k,2024-01-09,push,\n"
)


@pytest.fixture
def shop(read_once):
    return read_once(orders=ORDERS, customers="customer_id\na\nc\n", as_of="2024-01-31", max_rejected_share=0.5)


@pytest.fixture
def wide_shop(read_once):
    orders = ORDERS.replace(
        "6,d,never,1", "6,d,2024-01-20,1\n7,c,2024-01-21,2.5\n8,e,2024-01-03,-4\n9,a,2024-01-30,1.005"
    )
    customers = "customer_id,opted_out_at\na,2024-01-06\nb,\nc,\nd,\n"
    return read_once(orders=orders, customers=customers, messages=MESSAGES, as_of="2024-01-31")
