"""The months of the business, counted by hand."""

import datetime as dt

import numpy as np

from smsroi_helpers import effectiveness

ORDERS = """order_id,customer_id,ordered_at,amount
1,a,2024-01-05 10:00,10
2,b,2024-02-01 10:00,20
3,a,2024-02-29 23:00,7
4,a,2024-03-02 10:00,-7
5,b,2024-03-30 10:00,11
6,b,2024-04-02 10:00,99
"""
CUSTOMERS = """customer_id,opted_in_at,opted_out_at
a,2024-01-05 10:00,2024-03-01 09:00
b,2024-03-10 10:00,
c,,
"""


def _by_month(shop):
    frame = effectiveness.count_business_months(shop)
    assert len(frame) == 12
    return frame.set_index("month")


def test_months_by_hand(read_once):
    found = _by_month(read_once(orders=ORDERS, customers=CUSTOMERS, as_of="2024-04-29"))
    assert found.index[-1] == dt.date(2024, 3, 1)  # April is not over
    february, march = found.loc[dt.date(2024, 2, 1)], found.loc[dt.date(2024, 3, 1)]
    assert february.to_dict() == {"orders": 2, "revenue": 27, "subscribers": 1, "opt_outs": 0}
    assert march.to_dict() == {"orders": 1, "revenue": 4, "subscribers": 1, "opt_outs": 1}  # a left, b joined
    assert found.loc[: dt.date(2024, 1, 1)].isna().all(axis=None)  # the log begins on January 5


def test_consent_that_is_not_recorded_is_not_zero(read_once):
    found = _by_month(read_once(orders=ORDERS, as_of="2024-04-29"))
    assert np.isnan(found[["subscribers", "opt_outs"]].to_numpy(float)).all()
    assert found["orders"].iloc[-1] == 1
