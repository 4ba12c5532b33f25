"""Klaviyo's events: one person by profile, clicks, opt-outs and cancellations. Rows written by hand."""

from tests.source.exports.reading import mapped, reasons

HEADINGS = ("Metric", "Date", "Event ID", "Profile ID", "Email", "Phone Number", "Campaign Name", "Message ID",
            "Value", "Currency", "Order ID")  # fmt: skip


def read(*rows, files=1):
    """The tables of the mappings over rows with some of the fields; the same rows stand in each of `files` files."""
    log = [tuple(row.get(name) for name in HEADINGS) for row in rows]
    return mapped("klaviyo", HEADINGS, *[log] * files)


def event(metric, day, person=None, *, by="Profile ID,Phone Number", hour=10, **more):
    """An event of a person, whom the row shows by some keys."""
    keys = {"Profile ID": f"P{person}", "Email": f"{person}@b.example", "Phone Number": f"+120255501{person}"}
    shown = {name: keys[name] for name in by.split(",")} if by else {}
    return {"Metric": metric, "Date": f"2024-05-{day:02} {hour:02}:00:00"} | shown | more


def test_a_profile_is_one_person_however_a_row_shows_it():
    """Texts show number and profile; clicks the address and the profile, or the name of the campaign only."""
    rows = [event("Received SMS", 1, n, **{"Campaign Name": "Sale", "Message ID": "M1"}) for n in range(15)]
    rows += [event("Clicked SMS", 1, n, hour=11, by="Profile ID,Email", **{"Message ID": "M1"}) for n in range(5)]
    rows += [event("Clicked SMS", 1, n, hour=11, **{"Campaign Name": "Sale"}) for n in range(5, 10)]
    rows += [event("Clicked SMS", 1, n, hour=11, by="Email", **{"Message ID": "M1"}) for n in range(2)]
    rows += [event("Clicked SMS", 1, n, hour=11, by="Phone Number", **{"Message ID": "M1"}) for n in range(10, 15)]
    rows += [event("Unsubscribed from SMS Marketing", 2, n, by="Profile ID,Email") for n in range(5)]
    found = read(*rows)
    people = {f"P{n}" for n in range(15)}
    assert {row["customer_id"] for row in found["messages"]} == people
    assert {row["customer_id"] for row in found["customers"]} == people
    assert sum(row["clicked_at"] is not None for row in found["messages"]) == 15
    assert sum(row["opted_out_at"] is not None for row in found["messages"]) == 5
    assert {row["customer_id"] for row in found["identities"]} == people
    assert reasons(found) == {}


def test_without_profiles_an_address_owns_its_number():
    rows = [
        event("Received SMS", 1, 1, by="Phone Number"),
        event("Placed Order", 2, 1, by="Email,Phone Number", Value="9"),
    ]
    found = read(*rows)
    assert {row["customer_id"] for row in found["messages"] + found["orders"]} == {"1@b.example"}
    assert {"customer_id": "1@b.example", "kind": "phone", "value": "+1202555011"} in found["identities"]


def test_a_click_without_its_message_is_counted():
    found = read(
        event("Received SMS", 2, 1, **{"Message ID": "M1"}),
        event("Clicked SMS", 1, 1, **{"Message ID": "M1"}),
        event("Clicked SMS", 3, 1, **{"Message ID": "M2"}),
        event("Clicked SMS", 3, 2),
    )
    assert [row["clicked_at"] for row in found["messages"]] == [None]
    assert reasons(found) == {"Klaviyo clicks that belong to no message of the file": 3}


def test_a_later_opt_in_takes_an_opt_out_back():
    """One came back, one left again, one came back for e-mail only."""
    rows = [event("Received SMS", 1, n, **{"Message ID": "M1"}) for n in (1, 2, 3)]
    rows += [event("Unsubscribed from SMS Marketing", 2, n) for n in (1, 2, 3)]
    rows += [event("Subscribed to SMS Marketing", 5, n) for n in (1, 2)]
    rows += [event("Subscribed to Email Marketing", 5, 3), event("Unsubscribed from SMS Marketing", 7, 2)]
    found = read(*rows)
    left = {row["customer_id"]: row["opted_out_at"] for row in found["messages"]}
    assert {person: at and f"{at:%d}" for person, at in left.items()} == {"P1": None, "P2": "07", "P3": "02"}
    assert reasons(found) == {}


def test_cancelled_and_refunded_orders_take_back_the_order_that_they_name():
    """By Order ID, by event id; of another order; of one with a refund in part; repeated."""
    found = read(
        event("Placed Order", 1, 1, Value="$10.00", **{"Event ID": "a", "Order ID": "1"}),
        event("Cancelled Order", 2, 1, **{"Event ID": "b", "Order ID": "1"}),
        event("Cancelled Order", 3, 1, **{"Event ID": "b2", "Order ID": "1"}),
        event("Placed Order", 1, 2, Value="20.00", **{"Event ID": "c"}),
        event("Cancelled Order", 2, 2, Value="20.00", **{"Event ID": "c"}),
        event("Placed Order", 1, 3, Value="30.00", **{"Event ID": "d", "Order ID": "3"}),
        event("Cancelled Order", 2, 3, Value="30.00", **{"Event ID": "e", "Order ID": "3"}),
        event("Refunded Order", 2, 3, Value="3.00", **{"Event ID": "f", "Order ID": "3"}),
        event("Cancelled Order", 2, 4, Value="40.00", **{"Event ID": "g", "Order ID": "4"}),
    )
    assert {row["order_id"]: row["amount"] for row in found["orders"]} == {
        "a": "$10.00", "1 refund": "-$10.00", "c": "20.00", "c refund": "-20.00", "d": "30.00", "3 refund": "-3.00",
    }  # fmt: skip
    assert reasons(found) == {
        "Klaviyo cancellations that are repeated": 1,
        "Klaviyo cancellations of orders with a refund, which counts instead": 1,
        "Klaviyo cancellations of orders that are not among these events: such orders still count": 1,
    }


def test_events_of_two_files_that_overlap_count_once():
    rows = [
        event("Received SMS", 1, 1, **{"Message ID": "M1"}),
        event("Placed Order", 2, 1, Value="9", **{"Event ID": "a"}),
        event("Placed Order", 2, 2, Value="8"),
    ]
    found = read(*rows, files=2)
    assert (len(found["messages"]), len(found["orders"])) == (1, 2)
    assert reasons(found) == {"Klaviyo events that the files repeat": 3}
    placed = ("Event ID", "Date", "Profile ID", "Value")
    order = ("a", "2024-05-01 10:00:00", "P1", "9")
    orders = mapped("klaviyo", placed, [order], [order], part=1)["orders"]
    assert [row["customer_id"] for row in orders] == ["P1"]
