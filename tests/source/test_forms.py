"""The decimal mark and the currency of a column are decided by all its values; what they leave open is refused."""

import ibis
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smsroi_helpers.contract.tables import Column
from smsroi_helpers.errors import DataError
from smsroi_helpers.source.forms import find_forms
from smsroi_helpers.source.read import load
from smsroi_helpers.source.settings import Settings

HEAD = "order_id\tcustomer_id\tordered_at\tamount\n"


def amounts(folder, texts, settings="", name="orders.tsv"):
    rows = "".join(f"o{i}\tc{i}\t2024-03-01 10:00\t{text}\n" for i, text in enumerate(texts))
    (folder / name).write_text(HEAD + rows, encoding="utf-8")
    (folder / "source.yml").write_text(settings)
    loaded = load(folder, folder / ".loaded")
    return list(pd.read_parquet(loaded.tables["orders"].paths[0]).sort_values("order_id")["amount"])


def written(cents: int, decimal: str, *, grouped: bool, sign: str, sign_after: bool) -> str:
    text = f"{cents // 100:,}" if grouped else str(cents // 100)
    text = text.replace(",", "." if decimal == "," else ",") + decimal + f"{cents % 100:02}"
    return text + sign if sign_after else sign + text


@settings(max_examples=6)
@given(
    cents=st.lists(st.integers(0, 10**9), min_size=1, max_size=9),
    decimal=st.sampled_from(".,"),
    grouped=st.booleans(),
    sign=st.sampled_from(["", "￥", "¥", "CNY ", "$", "€", "£"]),
    sign_after=st.booleans(),
)
def test_cents_show_the_decimal_mark_of_their_column(tmp_path_factory, cents, decimal, grouped, sign, sign_after):
    texts = [written(c, decimal, grouped=grouped, sign=sign, sign_after=sign_after) for c in cents]
    found = amounts(tmp_path_factory.mktemp("source"), texts)
    assert found == [c / 100 for c in cents]


@settings(max_examples=6)
@given(
    thousands=st.lists(st.integers(1, 999), min_size=1, max_size=5),
    tell=st.sampled_from(["12,5", "0,125", "1234,50", "1.250.000", "1.250,00"]),
)
def test_one_value_tells_of_thousands_with_dots(tmp_path_factory, thousands, tell):
    folder = tmp_path_factory.mktemp("source")
    texts = [f"{n}.250" for n in thousands]
    assert amounts(folder, [*texts, tell])[: len(texts)] == [n * 1000 + 250 for n in thousands]


@settings(max_examples=6)
@given(
    thousands=st.lists(st.integers(1, 999), min_size=1, max_size=5),
    tell=st.sampled_from(["12.5", "0.125", "1234.50", "1,250,000", "1,250.00"]),
)
def test_one_value_tells_of_three_decimals(tmp_path_factory, thousands, tell):
    folder = tmp_path_factory.mktemp("source")
    texts = [f"{n}.250" for n in thousands]
    assert amounts(folder, [*texts, tell])[: len(texts)] == [n + 0.25 for n in thousands]


def test_what_no_value_tells_is_refused_until_the_setting_tells(tmp_path):
    with pytest.raises(DataError, match=r'table orders, column amount: in 2 rows .* write decimal: "," \(1250\) or'):
        amounts(tmp_path, ["1.250", "15", "150.000"])
    assert amounts(tmp_path, ["1.250", "15", "150.000"], 'decimal: ","\n') == [1250, 15, 150_000]
    assert amounts(tmp_path, ["1.250", "15", "150.000"], "decimal: .\n") == [1.25, 15, 150]
    assert amounts(tmp_path, ["1,250", "15"]) == [1250, 15]  # three decimals behind a comma are no amount of money
    assert amounts(tmp_path, ["1.250", "15,50"], "decimal: .\n") == [1250, 15.5]  # the column leaves no doubt


def test_shares_of_three_decimals_are_no_thousands(tmp_path):
    files = {
        "orders.csv": "order_id,customer_id,ordered_at,amount\no,c,2024-01-01,1\n",
        "experiments.csv": "experiment_id,kind,control_arm,started_at\ne,content,A,2024-01-01\n",
        "arms.csv": "experiment_id,arm,share\ne,A,1.000\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    loaded = load(tmp_path, tmp_path / ".loaded")
    assert list(pd.read_parquet(loaded.tables["arms"].paths[0])["share"]) == [1.0]


@pytest.mark.parametrize(
    ("one", "other"), [("$10", "￥10"), ("10 USD", "10 EUR"), ("€1,250.00", "£3"), ("US$5", "5元")]
)
def test_two_currencies_in_a_column_are_refused(tmp_path, one, other):
    with pytest.raises(DataError, match="column amount: amounts in several currencies .* in 2 rows and .* in 1 rows"):
        amounts(tmp_path, [one, other, one, "7"])


def test_two_signs_of_one_currency_are_one(tmp_path):
    assert amounts(tmp_path, ["￥10", "¥11", "CNY 12", "13元"]) == [10, 11, 12, 13]


def test_a_setting_that_is_no_mark_or_no_encoding_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"source\.yml, decimal"):
        amounts(tmp_path, ["1"], "decimal: ;\n")
    with pytest.raises(DataError, match=r"source\.yml, encoding: .*'klingon' is not an encoding"):
        amounts(tmp_path, ["1"], "encoding: klingon\n")
    with pytest.raises(DataError, match="is not an encoding"):
        amounts(tmp_path, ["1"], "encoding: base64\n")


@pytest.mark.parametrize(
    ("texts", "kind", "plain"),
    [
        (["9", "-9.99", "+99"], "float", True), (["9,99"], "float", False), (["￥9"], "float", False),
        (["９"], "float", False), (["9 "], "float", False), (["9e9"], "float", False), (["nan"], "float", False),
        (["9999-99-99", "9999-99-99T99:99:99.999", "9999-99-99 99:99"], "timestamp", True),
        (["9999-99-99", "9999-99-99T99:99:99Z"], "timestamp", False), (["9999/9/9"], "timestamp", False),
        (["9999999999"], "timestamp", False), (["99-99-9999"], "timestamp", False), (["99999"], "timestamp", False),
    ],
)  # fmt: skip
def test_a_column_is_plain_if_every_shape_is(texts, kind, plain):
    rows = ibis.memtable({"value": texts}, schema={"value": "string"})
    found = find_forms("orders", rows, [Column("value", kind)], Settings())
    assert found.of["value"].plain is plain
