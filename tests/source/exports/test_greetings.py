"""No name of a customer in a greeting: texts that differ by it only are one, and other texts stay as they are."""

import ibis
import pytest

from smsroi_helpers.source.exports.greetings import nameless
from tests.source.exports.reading import mapped

GREETINGS = {
    "Hi Anna, 20% off": "Hi {name}, 20% off",
    "hey ben! in again": "hey {name}! in again",
    "Leaf: Hi Jean-Luc O'Neil - new": "Leaf: Hi {name} - new",
    "Dear Dr. Smith, hello": "Dear {name}, hello",
    "Hi Anna your order 12 has left": "Hi {name} your order 12 has left",
    "leaf: hi anna your order has left": "leaf: hi {name} your order has left",
    "Hallo Jürgen, neu": "Hallo {name}, neu",
    "Bonjour Zoé ! Soldes": "Bonjour {name} ! Soldes",
    "¡Hola María José! rebajas": "¡Hola {name}! rebajas",
    "Ciao Luca 🌿 novità": "Ciao {name} 🌿 novità",
    "Anna, your cart waits": "{name}, your cart waits",
    "【茶舍】亲爱的王芳，春茶上新": "【茶舍】亲爱的{name}，春茶上新",
    "【茶舍】王芳您好，订单已发货": "【茶舍】{name}您好，订单已发货",
}
NONE = (
    "Hi there, big sale", "Hi everyone, sale", "【茶舍】亲爱的会员，春茶上新", "您好，春茶上新",
    "10% off till Sunday. Reply STOP to end",
    "Chanel: this week only, Reply STOP", "Happy Friday, folks", "Sale ends tonight, hurry",
)  # fmt: skip
NAMES = ("Anna", "Ben", "Zoé", "Jürgen")


def test_a_name_is_replaced_and_other_texts_are_not():
    texts, con = [*GREETINGS, *NONE], ibis.duckdb.connect()
    con.create_table("texts", ibis.memtable({"text": texts}), overwrite=True)
    found = con.sql(f"SELECT text, {nameless('text')} AS made FROM texts").to_pyarrow().to_pylist()
    assert {row["text"]: row["made"] for row in found} == GREETINGS | {text: text for text in NONE}


@pytest.mark.parametrize(
    ("kind", "headings", "of"),
    [
        ("aliyun", ("PhoneNum", "SendDate", "SendStatus", "TemplateCode", "Content"),
         lambda n, text: (n, "x", "3", "T1", text)),
        ("tencent", ("PhoneNumber", "ReportStatus", "SerialNo", "SendTime", "TemplateId", "内容"),
         lambda n, text: (n, "SUCCESS", n, "1714528800", "T1", text)),
        ("attentive", ("type", "timestamp", "message_id", "phone", "message_text"),
         lambda n, text: ("MESSAGE_RECEIPT", "1714528800", "T1", n, text)),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["", "Spring"])
def test_no_creative_shows_a_name(kind, headings, of, name):
    """Twelve recipients of each name: each exact text went to more than ten. A word that never differs is no name."""
    rows = [of(f"+1202555{n:04}", f"Hi {name or NAMES[n % 4]}, new tea") for n in range(48)]
    found = mapped(kind, headings, rows)["creatives"]
    assert [row["text"] for row in found] == [f"Hi {name or '{name}'}, new tea"]
