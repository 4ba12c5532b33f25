"""The currency of a source: what the amounts show is used and said, or contradicts source.yml and is refused."""

import random

import pytest

from smsroi_helpers.errors import DataError
from smsroi_helpers.source.read import load

ORDERS = "order_id\tcustomer_id\tordered_at\tamount\n"
MESSAGES = "message_id\tcustomer_id\tcampaign_id\tsent_at\tcost\n"


def read(folder, amounts, settings="", costs=()):
    rows = [f"o{i}\tc{i}\t2024-03-01 10:00\t{amount}\n" for i, amount in enumerate(amounts)]
    (folder / "orders.tsv").write_text(ORDERS + "".join(rows), encoding="utf-8")
    if costs:
        rows = [f"m{i}\tc{i}\tk\t2024-03-01 10:00\t{cost}\n" for i, cost in enumerate(costs)]
        (folder / "messages.tsv").write_text(MESSAGES + "".join(rows), encoding="utf-8")
    (folder / "source.yml").write_text(settings)
    loaded = load(folder, folder / ".loaded")
    return loaded.settings.currency, [f.filled_remedy for f in loaded.findings if f.rule == "currency of the amounts"]


@pytest.mark.parametrize(
    ("amounts", "settings", "currency"),
    [
        (["￥12.50", "7"], "", "CNY"), (["12,50 €"], "", "EUR"), (["£3", "GBP 4"], "", "GBP"),
        (["$5"], "", "USD"), (["$5"], "country: CA\n", "CAD"), (["$5"], "timezone: Australia/Sydney\n", "AUD"),
        (["¥1200"], "timezone: Asia/Tokyo\n", "JPY"), (["¥1200"], "country: CN\n", "CNY"),
        (["¥1200", "1300円"], "", "JPY"), (["49,50 kr.", "12,00 DKK"], "", "DKK"),
        (["49,50 kr."], "country: SE\n", "SEK"), (["49,50 kr."], "timezone: Europe/Oslo\n", "NOK"),
        (["12元", "NT$5"], "", "TWD"), (["usd 5"], "", "USD"),
    ],
)  # fmt: skip
def test_what_the_amounts_show_is_used_and_said(tmp_path, amounts, settings, currency):
    found, (said,) = read(tmp_path, amounts, settings)
    assert found == currency
    assert f"so they are in {currency};" in said


@pytest.mark.parametrize(
    ("sign", "currency"),
    [("$", "USD"), ("$", "AUD"), ("$", "MXN"), ("¥", "CNY"), ("￥", "JPY"), ("kr", "SEK"), ("kr", "NOK"), ("£", "EGP")],
)
def test_a_sign_that_the_setting_can_mean_is_no_contradiction(tmp_path, sign, currency):
    assert read(tmp_path, [f"{sign} 5"], f"currency: {currency}\n") == (currency, [])


@pytest.mark.parametrize(
    ("amount", "setting", "instead"),
    [("€12,50", "GBP", "EUR"), ("$5", "EUR", "and its code"), ("12 kr", "USD", "DKK or currency: ISK"),
     ("￥5", "USD", "CNY or currency: JPY"), ("5 CHF", "EUR", "CHF")],
)  # fmt: skip
def test_a_sign_that_contradicts_the_setting_is_refused_with_both_named(tmp_path, amount, setting, instead):
    with pytest.raises(DataError) as refused:
        read(tmp_path, [amount], f"currency: {setting}\n")
    line = str(refused.value)
    assert line.startswith("table orders, column amount: 1 amounts show ")
    assert f"source.yml says currency: {setting};" in line
    assert f"write currency: {instead}" in line.replace("EUR, or convert", "EUR or convert")


@pytest.mark.parametrize("amount", ["49,50 kr", "¥1200", "₿5"])
def test_a_sign_of_several_currencies_is_asked_for_where_nothing_tells(tmp_path, amount):
    with pytest.raises(DataError, match=r"which may be of several currencies; write currency: .* in source\.yml"):
        read(tmp_path, [amount])


def test_costs_in_another_currency_than_the_orders_are_refused(tmp_path):
    with pytest.raises(
        DataError, match=r"messages, column cost: amounts in \$, but in € in table orders, column amount"
    ):
        read(tmp_path, ["€5"], costs=["$0.0079"])


def test_amounts_without_a_sign_show_none(tmp_path):
    assert read(tmp_path, ["5", "7.50", "n$"][:2]) == ("USD", [])
    assert read(tmp_path, ["5"], "currency: CHF\n") == ("CHF", [])


def test_an_amount_of_text_shows_no_currency(tmp_path):
    """Of a damaged row `ALL` is no Albanian lek and `R` no rand: a currency stands beside a number."""
    rows = [*(str(n) for n in range(200)), "ALL in", "Rex"]
    random.Random(1).shuffle(rows)
    assert read(tmp_path, rows) == ("USD", [])
