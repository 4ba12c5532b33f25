"""Sources made from installed packages: as many of everything as their documentation says."""

import pytest

from smsroi_helpers.errors import UsageError
from smsroi_helpers.source.examples import write_example


def test_complete_journey(tmp_path, open_source):
    folder = tmp_path / "complete_journey"
    write_example("complete_journey", folder)
    shop = open_source(folder)
    orders = shop.orders
    row = orders.aggregate(
        n=orders.count(), sales=orders.amount.sum(), people=orders.customer_id.nunique(), off=orders.discount.sum()
    ).execute().iloc[0]  # fmt: skip
    assert (row["n"], row["people"], round(row["sales"], 2)) == (155_848, 2_469, 4_596_039.58)
    assert 0 < row["off"] < row["sales"]
    messages = shop.messages.aggregate(
        n=shop.messages.count(), campaigns=shop.messages.campaign_id.nunique(),
        answered=shop.messages.replied_at.count(),
    ).execute().iloc[0]  # fmt: skip
    assert (messages["n"], messages["campaigns"]) == (6_589, 27)
    # 604 of type A, 154 of B, 34 of C redeemed a coupon of the campaign they were named for
    assert messages["answered"] == 604 + 154 + 34
    assert shop.customers.count().execute() == 2_469
    assert shop.customers.attr_age.count().execute() == 801
    assert shop.as_of.isoformat() == "2017-12-31"


def test_cdnow_in_full(tmp_path, open_source):
    folder = tmp_path / "cdnow"
    write_example("cdnow", folder)
    orders = open_source(folder).orders
    row = orders.aggregate(
        n=orders.count(), people=orders.customer_id.nunique(), ids=orders.order_id.nunique()
    ).execute()
    assert row.to_numpy().tolist() == [[69_659, 23_570, 69_659]]


def test_what_is_there_is_not_overwritten(tmp_path):
    with pytest.raises(UsageError, match="already exists"):
        write_example("cdnow_sample", tmp_path)
    with pytest.raises(UsageError, match="choose one of cdnow, cdnow_sample, complete_journey"):
        write_example("cdnau", tmp_path / "new")
    assert list(tmp_path.iterdir()) == []
