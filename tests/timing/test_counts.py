"""Local hours on both sides of a change of clocks, outcome windows, machines' clicks, segments, experiments."""

import pytest

from smsroi_helpers.errors import NotEnoughData
from smsroi_helpers.timing import counts as timing_counts
from smsroi_helpers.timing import study
from tests.timing.samples import HEAD, ORDERS, decisions_of, messages_at, orders_of


def test_in_new_york_the_hour_is_right_on_both_sides_of_both_changes_of_2026(make_source, open_source):
    """Clocks go forward on 8 March at 07:00 UTC and back on 1 November at 06:00 UTC (tz database)."""
    sent = {
        "2026-03-07 15:00:00": 10, "2026-03-08 06:30:00": 1, "2026-03-08 07:30:00": 3, "2026-03-08 14:00:00": 10,
        "2026-10-31 14:00:00": 10, "2026-11-01 05:30:00": 1, "2026-11-01 06:30:00": 1, "2026-11-01 15:00:00": 10,
    }  # fmt: skip
    lines = "".join(f"m{i},a,x,{at}\n" for i, at in enumerate(sent))
    folder = make_source(
        orders=ORDERS,
        customers="customer_id,timezone\na,America/New_York\n",
        messages="message_id,customer_id,campaign_id,sent_at\n" + lines,
    )
    rows = timing_counts.collect_sends(open_source(folder)).rows.order_by("sent_at").execute()
    assert rows["hour"].tolist() == list(sent.values())
    assert rows["weekday"].tolist() == [5, 6, 6, 6, 5, 6, 6, 6]


def test_messages_younger_than_the_window_are_left_out_and_counted(make_source, open_source):
    head = "message_id,customer_id,campaign_id,sent_at,delivered_at,channel,clicked_at\n"
    rows = (
        "1,a,x,2026-11-10 10:00:00,2026-11-10 10:00:05,sms,2026-11-10 11:00:00\n"
        "2,a,x,2026-11-10 11:00:00,,sms,\n"
        "3,a,x,2026-11-10 12:00:00,2026-11-10 12:00:01,email,\n"
        "4,a,x,2026-11-18 00:00:00,2026-11-18 00:00:00,sms,\n"
        "5,a,x,2026-11-18 00:00:00,2026-11-18 00:00:01,sms,\n"
        "6,b,x,2026-11-19 10:00:00,2026-11-19 10:00:00,sms,\n"
    )
    sends = timing_counts.collect_sends(open_source(make_source(orders=ORDERS, messages=head + rows)))
    # The last day observed ends with 20 November: three days before is the start of the 18th.
    assert sends.exclusions["out"].tolist() == [0, 1, 1, 2]
    assert sends.exclusions["messages"].tolist() == [6, 5, 4, 2]
    assert sorted(sends.rows.execute()["sent_at"].dt.day) == [10, 18]


@pytest.mark.parametrize(("wanted", "days"), [("", [10, 12]), ("SMS", [10, 12]), ("Email", [11]), ("push", [13])])
def test_the_channel_is_a_parameter_in_any_case(make_source, open_source, wanted, days):
    head = "message_id,customer_id,campaign_id,sent_at,channel,clicked_at\n"
    channels = {10: "sms", 11: "EMAIL", 12: "Sms", 13: "Push"}
    rows = "".join(f"{day},a,x,2026-11-{day} 10:00:00,{name},\n" for day, name in channels.items())
    sends = timing_counts.collect_sends(open_source(make_source(orders=ORDERS, messages=head + rows)), 72, wanted)
    assert sorted(sends.rows.execute()["sent_at"].dt.day) == days
    assert sends.exclusions["out"].tolist() == [0, 4 - len(days), 0, 0]


def test_machine_clicks_are_classified_by_speed_bursts_and_click_share(make_source, open_source):
    rows = []

    def send(customer, campaign, day, click):
        rows.append((len(rows), customer, campaign, f"2026-10-{day:02} 10:00:00", f"2026-10-{day:02} 10:00:00", click))

    for day in range(1, 11):  # clicks ten of ten, each after an hour
        send("all", f"c{day}", day, f"2026-10-{day:02} 11:0{day % 10}:00")
    for day in range(1, 11):  # clicks eight of ten: a keen person
        send("keen", f"c{day}", day, f"2026-10-{day:02} 12:0{day % 10}:00" if day > 2 else "")
    send("quick", "c1", 1, "2026-10-01 10:00:04")
    send("slow", "c1", 1, "2026-10-01 10:00:05")
    for i in range(20):  # twenty of a campaign in one second
        send(f"b{i}", "burst", 20, "2026-10-20 10:07:31")
    for i in range(19):  # nineteen are too few to tell
        send(f"f{i}", "few", 21, "2026-10-21 10:07:31")
    head = "message_id,customer_id,campaign_id,sent_at,delivered_at,clicked_at\n"
    text = head + "".join(",".join(map(str, row)) + "\n" for row in rows)
    sends = timing_counts.collect_sends(open_source(make_source(orders=ORDERS, messages=text)))
    found = sends.cleaning.set_index("machine")
    assert found["clicks"].to_dict() == {"none": 8 + 1 + 19, "fast": 1, "burst": 20, "everything": 10}
    rates = timing_counts.click_rates(sends)
    assert rates.raw == pytest.approx(59 / len(rows))
    assert rates.human == pytest.approx(28 / (len(rows) - 31))
    judged = sends.rows.execute()
    # Where a machine clicked first it is unknown whether a human clicked too.
    assert judged["known"].sum() == len(rows) - 31
    assert judged.loc[judged["customer_id"] == "quick", "happened"].tolist() == [False]
    assert judged.loc[judged["customer_id"] == "quick", "happened_raw"].tolist() == [True]


def test_every_assigned_customer_has_a_segment(seen):
    assert seen.randomised.people["customers"].sum() == seen.test.experiment.assigned["n"].sum()


def test_without_a_delivered_text_there_is_an_error(make_source, open_source):
    text = HEAD + ",delivered_at\nm,a,x,2026-10-01 10:00:00,\n"
    with pytest.raises(NotEnoughData, match="No text was delivered"):
        study.analyse(open_source(make_source(orders=ORDERS, messages=text)))


def test_an_experiment_with_a_broken_split_is_not_used(make_source, open_source):
    people = [f"c{i}" for i in range(200)]
    early = people[:150]
    assigned = "experiment_id,customer_id,arm,assigned_at\n" + "".join(
        f"t,{member},{'early' if member in early else 'late'},2026-09-30 00:00:00\n" for member in people
    )
    shop = open_source(
        make_source(
            orders=orders_of(),
            messages=messages_at([9, 12, 15]),
            experiments="experiment_id,kind,control_arm,started_at,ended_at\n"
            "t,timing,early,2026-09-30 00:00:00,2026-10-30 00:00:00\n",
            arms="experiment_id,arm,share,hour_start,hour_end\nt,early,0.5,9,10\nt,late,0.5,18,19\n",
            assignments=assigned,
        )
    )
    found, _, _ = decisions_of(shop)
    assert [test.sound for test in found.tests] == [False]
    assert found.randomised is None
    assert found.test is None
