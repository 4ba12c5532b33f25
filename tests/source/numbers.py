"""Telephone numbers in the spellings of shops and gateways, and small sources whose customers have them."""

import random

import duckdb
import phonenumbers

from smsroi_helpers.source import contacts

FULL_WIDTH = str.maketrans("0123456789+", "０１２３４５６７８９＋")
HEAD = "order_id,customer_id,ordered_at,amount\n"
MESSAGES = "message_id,customer_id,campaign_id,sent_at\n"


def ids(loaded, table):
    paths = list(loaded.tables[table].paths)
    return {row[0] for row in duckdb.sql(f"SELECT customer_id FROM read_parquet({paths})").fetchall()}


def mobile_numbers(country: str, n: int, rng: random.Random) -> list[phonenumbers.PhoneNumber]:
    """Valid mobile numbers of a country, each once, drawn around the example of its numbering plan."""
    example = phonenumbers.example_number_for_type(country, phonenumbers.PhoneNumberType.MOBILE)
    digits, found = str(example.national_number), {}
    while len(found) < n:
        kept = rng.randrange(2, 5)
        drawn = digits[:kept] + "".join(rng.choice("0123456789") for _ in digits[kept:])
        number = phonenumbers.PhoneNumber(country_code=example.country_code, national_number=int(drawn))
        kind = phonenumbers.number_type(number)
        if phonenumbers.is_valid_number_for_region(number, country) and kind in contacts._MOBILE_TYPES:
            found[drawn] = number
    return list(found.values())


def spellings(number: phonenumbers.PhoneNumber) -> list[str]:
    """Ten spellings of a number, and more, as shops and gateways write them."""
    forms = phonenumbers.PhoneNumberFormat
    plus, spaced, national = (
        phonenumbers.format_number(number, form) for form in (forms.E164, forms.INTERNATIONAL, forms.NATIONAL)
    )
    code, own = str(number.country_code), phonenumbers.national_significant_number(number)
    return [
        plus, spaced, spaced.replace(" ", "-"), f"(+{code}) {own}", f"00{spaced[1:]}", f"whatsapp:{plus}",
        f"tel:{spaced}", f"'{plus}", national, plus.translate(FULL_WIDTH),
        plus[1:], f"tel:{national}", f"{plus[1:]}.0", national.translate(FULL_WIDTH), f"p:{plus}", f"sms:{plus[1:]}",
        spaced.replace(" ", "\u202f"), f"\u202a{plus}\u202c", f"’{national}", own,
    ]  # fmt: skip


def two_tables(make_source, people, settings: str, rng: random.Random):
    """A source whose orders and messages name the same people, in another order."""
    orders, messages = rng.sample(people, len(people)), rng.sample(people, len(people))
    return make_source(
        orders=HEAD + "".join(f"{i},{text},2024-01-01,5\n" for i, text in enumerate(orders)),
        messages=MESSAGES + "".join(f"{i},{text},k,2024-01-01\n" for i, text in enumerate(messages)),
        source=settings,
    )


BEFORE = ("Tel.: {}", "Cell: {}", "mobile phone no. {}", "(home) {}", "手机{}", "电话：{}", "WhatsApp {}", "phone={}")
AFTER = (
    "{} ext. 5", "{} x12", "{} #12", "{}x9", "{} (mobile)", "{}（手机）", "{} - cell", "{};ext=5", "{} 转8001",
    "{} extension: 44", "{} (Mum)", "{};",
)  # fmt: skip
ABROAD = {"US": "011", "AU": "0011", "JP": "010", "SG": "001", "GB": "00", "MX": "00"}
"""What callers in a country dial before the code of another."""


def dressed(number: phonenumbers.PhoneNumber, rng: random.Random, country: str) -> str:
    """A number with text beside it, or with the prefix of calls abroad from a country."""
    forms = phonenumbers.PhoneNumberFormat
    form = rng.choice([forms.E164, forms.INTERNATIONAL, forms.NATIONAL])
    text = phonenumbers.format_number(number, form)
    if country in ABROAD and rng.random() < 0.2:
        digits = phonenumbers.format_number(number, forms.E164)[1:]
        return f"{ABROAD[country]}{rng.choice(['', ' ', '-'])}{digits}"
    shape = rng.choice([*BEFORE, *AFTER])
    if rng.random() < 0.3:
        shape = rng.choice(BEFORE).format(rng.choice(AFTER))
    return shape.format(text)
