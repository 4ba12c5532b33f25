"""Twilio's log: which messages are texts of marketing, and what is a campaign. Rows written by hand."""

from tests.source.exports.reading import mapped, reasons

COLUMNS = ("Sid", "From", "To", "Body", "Status", "SentDate", "Direction")
SHOP = "+18885550199"


def read(rows):
    """The tables of the mappings over rows of (number, text, time, direction)."""
    log = [
        (f"SM{n}", number if direction == "inbound" else SHOP, SHOP if direction == "inbound" else number, text,
         "received" if direction == "inbound" else "delivered", at, direction)
        for n, (number, text, at, direction) in enumerate(rows)
    ]  # fmt: skip
    return mapped("twilio", COLUMNS, log)


def number(n):
    return f"+1202555{n:04}"


def test_automatic_answers_are_no_texts_and_are_counted():
    """Of 42 outbound messages 12 answer a STOP; so do 3 of a shop that writes its confirmations itself."""
    rows = [
        (number(n), "Sale till Sunday, STOP to unsubscribe", "2024-05-01T10:00:00Z", "outbound-api") for n in range(30)
    ]
    for n in range(12):
        rows += [
            (number(n), "STOP", "2024-05-01T11:00:00Z", "inbound"),
            (number(n), "You have successfully been unsubscribed.", "2024-05-01T11:00:02Z", "outbound-reply"),
        ]
    for n, (word, said) in enumerate([("stop", "You are opted out of Leaf."), ("HELP", "Write to us"),
                                      ("START", "You are subscribed to Leaf")], start=20):  # fmt: skip
        rows += [(number(n), word, "2024-05-01T11:00:00Z", "inbound"),
                 (number(n), said, "2024-05-01T11:00:00Z", "outbound-api")]  # fmt: skip
    found = read(rows)
    assert {row["message_id"] for row in found["messages"]} == {f"SM{n}" for n in range(30)}
    assert [row["name"] for row in found["campaigns"]] == ["Sale till Sunday, STOP to unsubscribe"]
    assert reasons(found) == {
        "Twilio messages that customers sent": 15,
        "Twilio answers to a message of the customer (outbound-reply)": 12,
        "Twilio confirmations, within a minute after STOP, START or HELP": 3,
    }


def test_a_text_of_marketing_after_an_opt_out_stays():
    """It breaks a rule, and must be found: soon after STOP with a marketing text, or later with any."""
    rows = [
        (number(1), "STOP", "2024-05-01T11:00:00Z", "inbound"),
        (number(1), "Sale! Reply STOP to unsubscribe", "2024-05-01T11:00:20Z", "outbound-api"),
        (number(1), "You are unsubscribed? Come back!", "2024-05-02T11:00:00Z", "outbound-api"),
    ]
    assert len(read(rows)["messages"]) == 2


def test_texts_that_differ_by_a_name_are_one_campaign():
    """Three names with twelve recipients each, and one with two; order notices differ by name and number."""
    names = ["Anna"] * 12 + ["Ben"] * 12 + ["Zoé"] * 12 + ["Jürgen"] * 2
    rows = [(number(n), f"Hi {name}, new tea", "2024-05-01T10:00:00Z", "outbound-api") for n, name in enumerate(names)]
    rows += [(number(n), f"Hi {name}, your order #{n} has shipped", "2024-05-02T10:00:00Z", "outbound-api")
             for n, name in enumerate(names)]  # fmt: skip
    rows += [(number(n), "Hello Spring! New tea", "2024-05-03T10:00:00Z", "outbound-api") for n in range(20)]
    found = read(rows)
    assert sorted(row["name"] for row in found["campaigns"]) == [
        "Hello Spring! New tea", "Hi {name}, new tea", "Hi {name}, your order #0 has shipped",
    ]  # fmt: skip
    assert sorted(row["text"] for row in found["creatives"]) == ["Hello Spring! New tea", "Hi {name}, new tea"]
    assert len({row["campaign_id"] for row in found["messages"]}) == 3


def test_links_of_each_recipient_leave_three_sales_three_campaigns():
    """And codes of each recipient one campaign."""
    rows = [
        (number(n), f"Sale no {sale}: leaf.example/{1000 * sale + n}", f"2024-05-0{sale}T10:00:00Z", "outbound-api")
        for n in range(30) for sale in (1, 2, 3)
    ]  # fmt: skip
    rows += [(number(n), f"Your code {n:03}", "2024-05-09T10:00:00Z", "outbound-api") for n in range(30)]
    names = {row["name"] for row in read(rows)["campaigns"]}
    assert names == {"Sale no 1: link", "Sale no 2: link", "Sale no 3: link", "Your code 0"}


def test_a_number_is_one_customer_over_sms_and_rcs():
    found = read([
        (number(1), "Sale", "2024-05-01T10:00:00Z", "outbound-api"),
        (f"rcs:{number(1)}", "Sale", "2024-05-02T10:00:00Z", "outbound-api"),
        (f"rcs:{number(1)}", "STOP", "2024-05-02T11:00:00Z", "inbound"),
        (f"whatsapp:{number(1)}", "Sale", "2024-05-03T10:00:00Z", "outbound-api"),
    ])  # fmt: skip
    channels = {row["message_id"]: (row["channel"], row["customer_id"]) for row in found["messages"]}
    assert channels == {
        "SM0": ("sms", number(1)), "SM1": ("rcs", number(1)), "SM3": ("whatsapp", f"whatsapp:{number(1)}"),
    }  # fmt: skip
    assert [row["message_id"] for row in found["messages"] if row["opted_out_at"]] == ["SM1"]
    assert [row["customer_id"] for row in found["customers"]] == [number(1)]


def test_a_price_is_the_cost_without_its_sign_in_every_spelling():
    log = [(f"SM{n}", SHOP, number(n), "Sale", "delivered", "2024-05-01T10:00:00Z", "outbound-api", price)
           for n, price in enumerate(["-0.00790", "-0,0079", "−0.0079", "0.0079", ""])]  # fmt: skip
    costs = [row["cost"] for row in mapped("twilio", (*COLUMNS, "Price"), log)["messages"]]
    assert sorted(costs, key=str) == ["0,0079", "0.0079", "0.0079", "0.00790", None]
