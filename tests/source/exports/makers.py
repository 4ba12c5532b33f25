"""Small exports as the platforms write them, made up here; their numbers belong to nobody."""

import csv
import datetime as dt
import io
import random
import zoneinfo
from collections.abc import Iterable, Mapping, Sequence

_SHOPIFY = (
    "Name,Email,Financial Status,Paid at,Fulfillment Status,Fulfilled at,Accepts Marketing,Currency,Subtotal,Shipping,"
    "Taxes,Total,Discount Code,Discount Amount,Shipping Method,Created at,Lineitem quantity,Lineitem name,"
    "Lineitem price,Lineitem sku,Billing Name,Billing City,Billing Zip,Billing Province,Billing Country,Billing Phone,"
    "Shipping Name,Shipping City,Shipping Country,Shipping Phone,Notes,Cancelled at,Payment Method,Refunded Amount,"
    "Vendor,Outstanding Balance,Location,Id,Tags,Source,Phone"
)
SHOPIFY_HEADINGS = _SHOPIFY.split(",")
STATUSES = ("paid", "paid", "paid", "paid", "partially_refunded", "refunded", "partially_paid", "authorized", "pending",
            "voided", "expired")  # fmt: skip


def written(headings: Sequence[str], rows: Iterable[Mapping[str, object]], delimiter: str = ",") -> str:
    """Rows as delimited text; fields that a row lacks are empty."""
    out = io.StringIO()
    writer = csv.DictWriter(out, headings, restval="", delimiter=delimiter, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def us_number(person: int) -> str:
    """A number of the range that is kept free for fiction: +1 202 555 0100 to 0199, and beyond for large sources."""
    return f"+1202{5550100 + person}"


def us_spelling(person: int, rng: random.Random) -> str:
    """The number of a person as shops get it typed."""
    digits = us_number(person)[2:]
    return rng.choice([
        f"'+1{digits}", f"+1 {digits[:3]}-{digits[3:6]}-{digits[6:]}", f"({digits[:3]}) {digits[3:6]}-{digits[6:]}",
        digits,
    ])  # fmt: skip


def shopify(orders: int, people: int, seed: int = 1, *, plain: bool = False) -> str:
    """Shopify's export: one row per line item, the order's fields on its first row.

    Some orders have the e-mail address only, some nothing (a till), some another currency or a cancellation.
    """
    rng, zone, rows = random.Random(seed), zoneinfo.ZoneInfo("America/New_York"), []
    for n in range(orders):
        person = rng.randrange(people)
        at = dt.datetime(2024, 1, 2, 10, tzinfo=zone) + dt.timedelta(minutes=rng.randrange(60 * 24 * 200))
        cents = rng.randrange(500, 20_000)
        status = "paid" if plain else rng.choice(STATUSES)
        refunded = {"refunded": cents, "partially_refunded": cents // 3}.get(status, 0)
        unpaid = {"partially_paid": cents // 4, "pending": cents}.get(status, 0)
        known = rng.random()
        first = {
            "Name": f"#{1001 + n}", "Financial Status": status, "Currency": "CAD" if n % 50 == 49 else "USD",
            "Total": f"{cents / 100:.2f}", "Discount Amount": f"{cents // 10 / 100:.2f}", "Subtotal": "1.00",
            "Created at": f"{at:%Y-%m-%d %H:%M:%S %z}", "Refunded Amount": f"{refunded / 100:.2f}",
            "Outstanding Balance": f"{unpaid / 100:.2f}", "Id": 5_500_000_000_000 + n, "Accepts Marketing": "no",
            "Cancelled at": f"{at:%Y-%m-%d %H:%M:%S %z}" if n % 40 == 39 else "", "Billing Country": "US",
            "Email": "" if known < 0.04 else f"Shopper{person}@Example.com",
            "Phone": us_spelling(person, rng) if known > 0.2 else "",
            "Billing Phone": us_spelling(person, rng) if known > 0.8 else "",
            "Notes": 'leave at the door,\nring "twice"' if n % 7 == 0 else "",
        }  # fmt: skip
        lines = rng.randrange(1, 4)
        for line in range(lines):
            item = {"Lineitem quantity": 1, "Lineitem name": f"Tea {line}", "Lineitem price": "19.00", "Vendor": "Leaf"}
            rows.append(
                (
                    first
                    if line == 0
                    else {"Name": first["Name"], "Email": first["Email"], "Created at": first["Created at"]}
                )
                | item
            )
    return written(SHOPIFY_HEADINGS, rows)


_TWILIO = "From,To,Body,Status,SentDate,ApiVersion,NumSegments,ErrorCode,AccountSid,Sid,Direction,Price,PriceUnit"
TWILIO_HEADINGS = _TWILIO.split(",")
SHOP_NUMBER = "+18885550199"
TEXTS = ("Leaf: 10% off till Sunday. leaf.example/a1 Reply STOP to end", "Leaf: new harvest is in. Reply STOP to end")


def twilio(sends: int, people: int, seed: int = 2) -> str:
    """Twilio's log: texts with receipts, replies, STOP (and START), some blocked, queued or personal."""
    rng, rows = random.Random(seed), []
    for send in range(sends):
        start = dt.datetime(2024, 2, 6, 15) + dt.timedelta(days=7 * send)
        for person in range(people):
            at = start + dt.timedelta(seconds=2 * person)
            status = rng.choices(["delivered", "undelivered", "sent", "failed", "queued"], [90, 4, 3, 2, 1])[0]
            blocked = status == "failed" and rng.random() < 0.5
            rows.append({
                "From": SHOP_NUMBER, "To": us_number(person), "Status": status, "SentDate": f"{at:%Y-%m-%dT%H:%M:%SZ}",
                "Body": f"Hi {person} of {send}x" if person % 30 == 29 else TEXTS[send % 2], "NumSegments": 2,
                "ErrorCode": 21610 if blocked else 0, "Sid": f"SM{send:04d}{person:028d}", "Direction": "outbound-api",
                "Price": "0" if status in ("failed", "queued") else "-0.0158", "PriceUnit": "USD",
            })  # fmt: skip
            answer = rng.random()
            word = "STOP" if answer < 0.04 else "start" if answer < 0.05 else "do you ship?" if answer < 0.1 else ""
            if word:
                later = at + dt.timedelta(minutes=rng.randrange(1, 60))
                rows.append({
                    "From": us_number(person), "To": SHOP_NUMBER, "Body": f" {word.title()}\n", "Status": "received",
                    "SentDate": f"{later:%Y-%m-%dT%H:%M:%SZ}", "NumSegments": 1, "Sid": f"SMin{send:04d}{person:026d}",
                    "Direction": "inbound", "Price": "-0.0079", "PriceUnit": "USD",
                })  # fmt: skip
    rng.shuffle(rows)
    return written(TWILIO_HEADINGS, rows)


YOUZAN_HEADINGS = (
    "订单号", "订单状态", "下单时间", "付款时间", "商品名称", "商品数量", "订单实付金额(元)", "优惠金额(元)",
    "退款金额(元)", "退款完成时间", "买家手机号", "收货省份",
)  # fmt: skip


def cn_number(person: int) -> str:
    """A Chinese mobile number of a range that starts with zeros."""
    return f"138{person:08d}"


def youzan(orders: int, people: int, seed: int = 3) -> bytes:
    """有赞's export in GBK: tabs after numbers, `￥1,299.50`, a row per item, masked numbers, refunds."""
    rng, rows = random.Random(seed), []
    for n in range(orders):
        at = dt.datetime(2024, 1, 3, 9) + dt.timedelta(minutes=rng.randrange(60 * 24 * 200))
        cents = rng.choice([5_945, 12_850, 129_950]) + rng.randrange(50)
        status = rng.choice(["交易完成", "交易完成", "交易完成", "已发货", "交易关闭", "待付款"])
        paid = status not in ("待付款",) and not (status == "交易关闭" and n % 3 == 0)
        told = status == "交易关闭" and paid and n % 2 == 0
        row = {
            "订单号": f"E{at:%Y%m%d%H%M}{n:010d}\t", "订单状态": status, "下单时间": f"{at:%Y-%m-%d %H:%M:%S}",
            "付款时间": f"{at:%Y-%m-%d %H:%M:%S}" if paid else "", "商品名称": "龙井茶(250g)", "商品数量": 1,
            "订单实付金额(元)": f"￥{cents / 100:,.2f}", "优惠金额(元)": "5.00",
            "退款金额(元)": f"{cents / 100:,.2f}" if told else "", "收货省份": "浙江省",
            "退款完成时间": f"{at + dt.timedelta(days=4):%Y-%m-%d %H:%M:%S}" if told else "",
            "买家手机号": "138****0001" if n % 20 == 7 else f"{cn_number(rng.randrange(people))}\t",
        }  # fmt: skip
        rows += [row] * rng.randrange(1, 3)
    return written(YOUZAN_HEADINGS, rows).encode("gbk")


ALIYUN_HEADINGS = (
    "手机号码", "短信签名", "模板CODE", "短信内容", "计费条数", "发送时间", "接收时间", "发送状态", "错误码", "流水号",
)  # fmt: skip


def aliyun(sends: int, people: int, seed: int = 4) -> bytes:
    """阿里云's send report in GBK, with tabs after numbers."""
    rng, rows = random.Random(seed), []
    for send in range(sends):
        for person in range(people):
            at = dt.datetime(2024, 2, 6, 10) + dt.timedelta(days=9 * send, seconds=person)
            status = rng.choices(["发送成功", "发送失败", "等待回执"], [90, 6, 4])[0]
            received = f"{at + dt.timedelta(seconds=7):%Y-%m-%d %H:%M:%S}" if status == "发送成功" else ""
            rows.append({
                "手机号码": f"{cn_number(person)}\t", "短信签名": "茶舍", "模板CODE": f"SMS_10{send}", "计费条数": 2,
                "短信内容": "【茶舍】春茶上新,全场9折 拒收请回复R", "发送时间": f"{at:%Y-%m-%d %H:%M:%S}",
                "接收时间": received, "发送状态": status, "流水号": f"9{send:03d}{person:014d}^0\t",
            })  # fmt: skip
    return written(ALIYUN_HEADINGS, rows).encode("gbk")


def klaviyo_events(sends: int, people: int, seed: int = 5) -> str:
    """Events of Klaviyo, with times in seconds since 1970; a click soon after its text, some opt-outs."""
    rng = random.Random(seed)
    rows: list[dict[str, object]] = []
    for send in range(sends):
        for person in range(people):
            at = 1_707_231_600 + 604_800 * send + person
            event: dict[str, object] = {
                "Profile ID": f"01HX{person:022d}",
                "Campaign ID": f"CMP{send}",
                "Campaign Name": f"Sale {send}",
            }
            rows.append(
                event | {"Metric": "Received SMS" if rng.random() < 0.95 else "Failed to Deliver SMS", "Timestamp": at}
            )
            if rng.random() < 0.3:
                rows += [event | {"Metric": "Clicked SMS", "Timestamp": at + 60 * k} for k in (3, 5)]
            if rng.random() < 0.05:
                rows.append({
                    "Profile ID": event["Profile ID"], "Timestamp": at + 900,
                    "Metric": "Unsubscribed from SMS Marketing",
                })  # fmt: skip
            if rng.random() < 0.1:
                rows.append(event | {"Metric": "Viewed Product", "Timestamp": at + 90})
    rng.shuffle(rows)
    return written(["Metric", "Timestamp", "Profile ID", "Campaign ID", "Campaign Name"], rows)


def klaviyo_orders(orders: int, people: int, seed: int = 6) -> str:
    """Klaviyo's metric Placed Order alone, with times as its pages show them."""
    rng, rows = random.Random(seed), []
    for n in range(orders):
        at = dt.datetime(2024, 1, 4, 7) + dt.timedelta(minutes=rng.randrange(60 * 24 * 120))
        hour = at.hour % 12 or 12
        rows.append({
            "$event_id": f"e{n}", "Date": f"{at:%b} {at.day}, {at.year} at {hour}:{at:%M %p}",
            "Profile ID": f"01HX{rng.randrange(people):022d}", "Value": f"${rng.randrange(1000, 150_000) / 100:,.2f}",
        })  # fmt: skip
    return written(["$event_id", "Date", "Profile ID", "Value"], rows)
