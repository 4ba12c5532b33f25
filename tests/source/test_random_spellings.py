"""Random spellings of values: each source has hundreds of them, and gives what Python wrote down.

Delimiters and lines above the names are in `test_header.py`, the decimal mark of a column in `test_forms.py`, spellings
of numbers and addresses alone in `test_people.py`, totals in `test_total_row.py`.
"""

import csv
import datetime as dt
import io
import random
import zoneinfo

import pandas as pd
import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from smsroi_helpers.source.csv_text import LINE, csv_to_parquet
from smsroi_helpers.source.pseudonym_key import pseudonym
from smsroi_helpers.source.read import load
from tests.source.numbers import dressed, ids, mobile_numbers, two_tables
from tests.workbooks import write_workbook

NAMES = ("order_id", "customer_id", "ordered_at", "amount")
ROWS = 300


def orders(folder, rows, source="", name="orders.csv"):
    """Write orders, read them, and return them by order_id; rejected rows are missing."""
    if name.endswith("xlsx"):
        write_workbook(folder / name, {"Orders": rows})
    else:
        text = io.StringIO()
        csv.writer(text).writerows(rows)
        (folder / name).write_text(text.getvalue(), encoding="utf-8")
    (folder / "source.yml").write_text(source, encoding="utf-8")
    loaded = load(folder, folder / ".loaded", 1.0)
    return pd.read_parquet(loaded.tables["orders"].paths[0]).set_index("order_id"), loaded


# --- times -----------------------------------------------------------------------------------------------------------

ENGLISH = ("%B %d, %Y at %I:%M:%S %p", "%b %d, %Y, %I:%M:%S %p", "%d %b %Y %H:%M:%S", "%A, %d %B %Y %H:%M:%S")
ON_THE_CLOCK = (
    "%Y-%m-%d %H:%M:%S", "%Y/%m/%d %H:%M:%S", "%Y.%m.%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y年%m月%d日 %H:%M:%S",
    "%Y年%m月%d日%H时%M分%S秒", "%Y%m%d%H%M%S", "%Y%m%d %H:%M:%S", "%Y-%m-%d %I:%M:%S %p", *ENGLISH,
)  # fmt: skip
WITH_OFFSET = (
    "%Y-%m-%d %H:%M:%S %z", "%Y-%m-%dT%H:%M:%S%z", "%Y/%m/%d %H:%M:%S%z", "%a, %d %b %Y %H:%M:%S %z",
    "%a %b %d %Y %H:%M:%S GMT%z (Some Standard Time)", "%Y%m%dT%H%M%S%z",
)  # fmt: skip
IN_UTC = ("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S UTC", "%a, %d %b %Y %H:%M:%S GMT", "%Y%m%dT%H%M%SZ")


def spell_time(at: dt.datetime, zone: zoneinfo.ZoneInfo, rng: random.Random) -> str:
    """An instant in a random form: on the clock of a zone, with an offset, or counted from 1970."""
    kind = rng.randrange(5)
    if kind == 0:
        return at.strftime(rng.choice(IN_UTC))
    if kind == 1:
        seconds = int(at.timestamp())
        return rng.choice([f"{seconds}", f"{seconds}000", f"{seconds}.0", f"{seconds}000000"])
    if kind == 2:
        offset = dt.timezone(dt.timedelta(minutes=rng.choice([0, 330, 480, -240, -720, 60])))
        return at.astimezone(offset).strftime(rng.choice(WITH_OFFSET))
    local = at.astimezone(zone)
    if kind == 3:
        half = "上午" if local.hour < 12 else "下午"
        return f"{local.year}/{local.month}/{local.day} {half}{local.hour % 12 or 12}:{local:%M:%S}"
    text = local.strftime(rng.choice(ON_THE_CLOCK))
    return text.translate(FULL_WIDTH) if rng.random() < 0.2 else text


FULL_WIDTH = str.maketrans("0123456789:/", "０１２３４５６７８９：／")


@pytest.mark.parametrize("zone", ["Asia/Shanghai", "UTC"])
def test_times_in_every_form_are_the_instant(tmp_path, zone):
    rng = random.Random(zone)
    start = dt.datetime(2023, 1, 1, tzinfo=dt.UTC)
    instants = [start + dt.timedelta(seconds=rng.randrange(500 * 86_400)) for _ in range(ROWS)]
    written = [spell_time(at, zoneinfo.ZoneInfo(zone), rng) for at in instants]
    rows = [NAMES, *((f"o{i}", "c", text, "1") for i, text in enumerate(written))]
    found, _loaded = orders(tmp_path, rows, f"timezone: {zone}\n")
    wrong = {
        text: found["ordered_at"].get(f"o{i}") for i, (text, at) in enumerate(zip(written, instants, strict=True))
        if found["ordered_at"].get(f"o{i}") != pd.Timestamp(at).tz_localize(None)
    }  # fmt: skip
    assert wrong == {}


# --- numbers ---------------------------------------------------------------------------------------------------------

CURRENCIES = {
    ("", ""): "USD", ("€", "EUR"): "EUR", ("US$", "USD"): "USD", ("￥", "元"): "CNY", ("R$", "BRL"): "BRL",
    ("Rs.", "INR"): "INR", ("HK$", "HKD"): "HKD", ("", "kr."): "NOK", ("zł", "PLN"): "PLN", ("DKK", "kr"): "DKK",
    ("CHF", "Fr."): "CHF", ("$", "CAD"): "CAD",
}  # fmt: skip
"""What stands before and after an amount → the currency of a shop in Norway."""
WITHOUT_CENTS = ("-", "--", "–", "—", "−")


def spell_amount(cents: int, decimal: str, currency: tuple[str, str], rng: random.Random) -> str:
    """An amount with a random currency, minus and grouping of thousands."""
    other = "," if decimal == "." else "."
    whole = f"{abs(cents) // 100:,}".replace(",", rng.choice(["", other, " ", "\u00a0", "\u202f", "'", "’"]))
    text = f"{whole}{decimal}{abs(cents) % 100:02}"
    if cents % 100 == 0 and rng.random() < 0.5:
        text = f"{whole}{decimal}{rng.choice(WITHOUT_CENTS)}"
    before, after = rng.choice(["", currency[0], f"{currency[0]} "]), rng.choice(["", currency[1], f" {currency[1]}"])
    minus = (
        rng.choice(["-{}", "−{}", "–{}", "({})", *([] if text.endswith(WITHOUT_CENTS) else ["{}-", "{} -"])])
        if cents < 0
        else "{}"
    )
    if rng.random() < 0.5:
        text = f"{before}{minus.format(text)}{after}".strip()
    else:
        text = minus.format(f"{before}{text}{after}".strip())
    return text.translate(str.maketrans("0123456789.,", "０１２３４５６７８９．，")) if rng.random() < 0.1 else text


@pytest.mark.parametrize(("seed", "currency"), enumerate(CURRENCIES))
def test_amounts_in_every_dress_are_the_amount(tmp_path, seed, currency):
    rng, decimal = random.Random(seed), ".,"[seed % 2]
    cents = [rng.choice([1, 1, 1, -1]) * rng.randrange(1, 10 ** rng.randrange(2, 10)) for _ in range(ROWS)]
    cents = [round(n, -2) or n if rng.random() < 0.3 else n for n in cents]
    written = [spell_amount(n, decimal, currency, rng) for n in cents]
    rows = [NAMES, *((f"o{i}", "c", "2024-01-02", text) for i, text in enumerate(written))]
    found, loaded = orders(tmp_path, rows, "country: NO\n")
    assert loaded.settings.currency == CURRENCIES[currency]
    wrong = {
        text: found["amount"].get(f"o{i}") for i, (text, n) in enumerate(zip(written, cents, strict=True))
        if found["amount"].get(f"o{i}") != pytest.approx(n / 100)
    }  # fmt: skip
    assert wrong == {}


# --- telephone numbers with text beside them --------------------------------------------------------------------------

KEY = "a key of thirty-two bytes or more, for tests only"


@pytest.mark.parametrize("country", ["US", "CN", "MX", "AR", "AU", "JP", "DE"])
@pytest.mark.parametrize("pseudonyms", [True, False])
def test_ten_dressed_spellings_of_ten_numbers_are_ten_people_in_both_tables(
    make_source, tmp_path, monkeypatch, country, pseudonyms
):
    """Without pseudonyms the numbers are a part of the ids; a few have a plus, so that digits are numbers too."""
    rng = random.Random(country)
    numbers = mobile_numbers(country, 10, rng)
    members = [] if pseudonyms else [f"c{i}" for i in range(130)]
    people = [dressed(number, rng, country) for number in numbers for _ in range(10)] + members
    raw = two_tables(make_source, people, f"country: {country}\n" + "pseudonymise: true\n" * pseudonyms, rng)
    monkeypatch.setenv("SMSROI_KEY", KEY)
    loaded = load(raw, tmp_path / "into")
    plain = {phonenumbers.format_number(n, phonenumbers.PhoneNumberFormat.E164).replace("+549", "+54") for n in numbers}
    expected = {pseudonym(text, KEY.encode()) for text in plain} if pseudonyms else plain | set(members)
    assert ids(loaded, "orders") == ids(loaded, "messages") == expected
    assert "number or address that cannot be read" not in {finding.rule for finding in loaded.findings}


# --- ids and workbooks -----------------------------------------------------------------------------------------------


def spell_id(number: int, rng: random.Random) -> str:
    text = f"{number:05}"
    return rng.choice([text, f'="{text}"', f"'{text}", f" {text}\t", f"\u200b{text}", text.translate(FULL_WIDTH)])


def test_ids_in_every_form_of_a_spreadsheet_join(tmp_path):
    rng = random.Random(6)
    people = [rng.randrange(40) for _ in range(ROWS)]
    rows = [NAMES, *((f"o{i}", spell_id(person, rng), "2024-01-02", "1") for i, person in enumerate(people))]
    (tmp_path / "customers.csv").write_text("customer_id\n" + "".join(f"'{n:05}\n" for n in sorted(set(people))))
    found, loaded = orders(tmp_path, rows)
    assert [found["customer_id"][f"o{i}"] for i in range(ROWS)] == [f"{person:05}" for person in people]
    assert "ids as a spreadsheet writes them" in {f.rule for f in loaded.findings}
    customers = pd.read_parquet(loaded.tables["customers"].paths[0])
    assert set(customers["customer_id"]) == set(found["customer_id"])


@settings(max_examples=4)
@given(
    seed=st.integers(0, 10**6),
    above=st.sampled_from([[], [["Report: orders"]], [["报表", "", "2024"], []]]),
    beside=st.integers(0, 2),
    total=st.booleans(),
    text=st.booleans(),
)
def test_a_workbook_gives_what_was_put_into_its_cells(tmp_path_factory, seed, above, beside, total, text):
    rng = random.Random(seed)
    start = dt.datetime(2024, 1, 1)
    cents = [rng.randrange(1, 10**7) for _ in range(40)]
    times = [start + dt.timedelta(seconds=rng.randrange(300 * 86_400)) for _ in cents]
    people = [rng.randrange(1, 9) for _ in cents]
    cells = [
        [f"o{i}" if i % 2 else i, float(person) if i % 3 else str(person), at if i % 2 else str(at),
         f"${n / 100:,.2f}" if text else n / 100, *[""] * beside]
        for i, (n, at, person) in enumerate(zip(cents, times, people, strict=True))
    ]  # fmt: skip
    last = [["Total", "", "", sum(cents) / 100]] if total else []
    names = [*NAMES, *[""] * beside]
    blank = [[]] if seed % 2 else []
    found, loaded = orders(
        tmp_path_factory.mktemp("book"), [*above, names, *cells[:20], *blank, *cells[20:], *last], name="orders.xlsx"
    )
    keys = [f"o{i}" if i % 2 else str(i) for i in range(len(cents))]
    assert len(found) == len(cents)
    assert [found["amount"][key] for key in keys] == pytest.approx([n / 100 for n in cents])
    assert [found["customer_id"][key] for key in keys] == [str(person) for person in people]
    assert [found["ordered_at"][key] for key in keys] == times
    assert {f.rule: f.rows for f in loaded.findings} == {
        **({"report lines above the column names": sum(map(bool, above))} if above else {}),
        **({"total row": 1} if total else {}),
        **({"currency of the amounts": 40} if text else {}),
    }


# --- encodings -------------------------------------------------------------------------------------------------------

ALPHABETS = {
    "utf-8": "aé顾客🎁ü,;'\" ", "utf-8-sig": "aé顾客🎁ü", "utf-16": "aé顾客🎁ü,\"", "utf-16-le": "aé顾客一🎁ü,\"",
    "utf-16-be": "aé顾客一🎁Āü,\"", "gb18030": "a顾客龙井茶(),;",
    "gbk": "a订单号￥", "big5": "a訂單顧客", "shift_jis": "aお客様東京", "euc-kr": "a고객주문", "cp1252": "aéüß€“–",
    "cp1250": "aŁódźň", "cp1251": "aЖук",
}  # fmt: skip
NEEDS_NO_NAME = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "gb18030", "gbk")


@pytest.mark.parametrize("encoding", ALPHABETS)
@settings(max_examples=8)
@given(data=st.data(), delimiter=st.sampled_from(",;\t|"), line_end=st.sampled_from(["\n", "\r\n", "\r"]))
def test_text_in_every_encoding_is_the_text(tmp_path_factory, encoding, data, delimiter, line_end):
    words = data.draw(st.lists(st.text(ALPHABETS[encoding], min_size=1, max_size=9), min_size=1, max_size=6))
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator=line_end)
    # Enough of the usual characters, so that the encoding can be found.
    common = ALPHABETS[encoding][1:4] * 12
    writer.writerows([["id", "note"], ["0", f"n{common}"], *([str(i), f"n{word}"] for i, word in enumerate(words, 1))])
    folder = tmp_path_factory.mktemp("text")
    (folder / "t.csv").write_bytes(text.getvalue().encode(encoding))
    named = "" if encoding in NEEDS_NO_NAME else encoding
    read = csv_to_parquet(folder / "t.csv", folder / "t.parquet", encoding=named)
    found = parquet.read_table(read.path).to_pylist()
    assert [(row["id"], row["note"]) for row in found] == [
        ("0", f"n{common}"), *((str(i), f"n{word}") for i, word in enumerate(words, 1)),
    ]  # fmt: skip
    assert [row[LINE] for row in found] == list(range(2, len(words) + 3))
