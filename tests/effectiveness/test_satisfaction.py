"""Answers by messages before them, and metrics from outside the log."""

import numpy as np
import pytest

from smsroi_helpers.effectiveness.channels import find_channel_sets
from smsroi_helpers.effectiveness.counts import collect_sends
from smsroi_helpers.effectiveness.satisfaction import external_changes, nps_by_frequency

ORDERS = (
    "order_id,customer_id,ordered_at,amount\n1,a,2024-01-05 10:00,10\n2,b,2024-04-30 10:00,30\n3,b,2024-03-05 10:00,5\n"
)


def test_only_messages_of_the_four_weeks_before_the_last_answer_count(read_once):
    sends = [("a", "02-27"), ("a", "02-28"), ("a", "01-01"), ("b", "03-02"), ("c", "01-20")]
    shop = read_once(
        orders=ORDERS,
        messages="message_id,customer_id,campaign_id,sent_at\n"
        + "".join(f"m{i},{who},k,2024-{day} 09:00\n" for i, (who, day) in enumerate(sends)),
        feedback="customer_id,responded_at,score\na,2024-01-01 10:00,1\na,2024-03-01 10:00,10\nb,2024-03-01 10:00,5\n"
        "c,2024-03-01 10:00,9\n",
    )
    found = nps_by_frequency(shop).set_index("frequency")
    # a: two messages before the last answer; b: one after it; c: one more than four weeks before.
    assert found["respondents"].to_dict() == {"0": 2, "up to 1": 1}
    assert found["nps"].to_dict() == {"0": 0.0, "up to 1": 1.0}


def test_a_change_has_the_errors_of_both_values(read_once):
    shop = read_once(
        orders=ORDERS,
        external_metrics="metric,at,value,low,high\nawareness,2024-01-01,0.30,0.27,0.33\n"
        "awareness,2024-03-01,0.34,0.30,0.38\nshare,2024-02-01,0.1,,\n",
    )
    found = external_changes(shop).set_index("metric")
    row = found.loc["awareness"]
    assert row["change"] == pytest.approx(0.04)
    assert row["change_high"] - row["change"] == pytest.approx(0.05)  # √(0.03² + 0.04²)
    assert np.isnan(found.loc["share", ["change", "change_low", "low"]].to_numpy(float)).all()


def test_customers_are_grouped_by_all_channels_that_reached_them(read_once):
    sends = [("a", "sms"), ("a", "email"), ("b", "email"), ("b", "email"), ("c", "sms")]
    shop = read_once(
        orders=ORDERS,
        messages="message_id,customer_id,campaign_id,sent_at,channel\n"
        + "".join(f"m{i},{who},k,2024-02-0{i + 1} 09:00,{channel}\n" for i, (who, channel) in enumerate(sends)),
    )
    found = find_channel_sets(shop, collect_sends(shop, segment_by="recency")).set_index("channels")
    assert found["customers"].to_dict() == {"email + sms": 1, "email": 1, "sms": 1}
    assert found["revenue"].to_dict() == {"email + sms": 10.0, "email": 35.0, "sms": 0.0}
    assert found.loc["email", "messages_per_customer"] == 2
