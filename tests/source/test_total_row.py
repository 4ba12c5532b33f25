"""A total in the last row is left out and reported; an order that is the sum by chance stays."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smsroi_helpers.source.read import load
from tests.workbooks import write_workbook

NAMES = ["order_id", "customer_id", "ordered_at", "amount"]


def orders(folder, rows, name="orders.csv"):
    if name.endswith("xlsx"):
        write_workbook(folder / name, {"a": [NAMES, *rows]})
    else:
        lines = [",".join(f'"{cell}"' if cell else "" for cell in row) for row in [NAMES, *rows]]
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    loaded = load(folder, folder / ".loaded", 0.5)
    frame = pd.read_parquet(loaded.tables["orders"].paths[0])
    return sorted(frame["amount"]), {f.rule: f for f in loaded.findings if "total" in f.rule}


@settings(max_examples=6)
@given(
    cents=st.lists(st.integers(1, 10**6), min_size=2, max_size=8),
    total=st.sampled_from([["Total", "Total", "2024-01-09"], ["", "", ""], ["合计", "", ""], ["", "Grand total:", ""]]),
    form=st.sampled_from(["{:.2f}", "{:,.2f}", "${:,.2f}"]),
    name=st.sampled_from(["orders.csv", "orders.xlsx"]),
)
def test_the_sum_in_the_last_row_is_no_order(tmp_path_factory, cents, total, form, name):
    rows = [[f"o{i}", f"c{i}", "2024-01-02", form.format(c / 100)] for i, c in enumerate(cents)]
    last = [*total, form.format(sum(cents) / 100)]
    found, said = orders(tmp_path_factory.mktemp("source"), [*rows, last], name)
    assert found == sorted(c / 100 for c in cents)
    assert said["total row"].rows == 1
    assert "column amount" in said["total row"].filled_remedy


@settings(max_examples=6)
@given(cents=st.lists(st.integers(1, 10**6), min_size=1, max_size=8))
def test_an_order_that_is_the_sum_of_the_others_stays(tmp_path_factory, cents):
    rows = [[f"o{i}", f"c{i}", "2024-01-02", c / 100] for i, c in enumerate([*cents, sum(cents)])]
    found, said = orders(tmp_path_factory.mktemp("source"), rows)
    assert found == sorted(c / 100 for c in [*cents, sum(cents)])
    assert said == {}


def test_a_total_of_other_rows_is_a_warning(tmp_path):
    rows = [[f"o{i}", f"c{i}", "2024-01-02", 5] for i in range(3)]
    found, said = orders(tmp_path, [*rows, ["Total", "", "", 999]])
    assert found == [5, 5, 5]
    assert said["total row that is not the sum"].severity == "warning"


@pytest.mark.parametrize("customer", ["Total Wine", "Totalis", "Sum Ting"])
def test_a_name_that_begins_with_total_is_a_name(tmp_path, customer):
    rows = [["o1", "c1", "2024-01-02", 5], ["o2", customer, "2024-01-02", 5]]
    assert orders(tmp_path, rows) == ([5, 5], {})


def test_the_total_of_an_export_does_not_reach_its_mapping(tmp_path):
    text = "id,who,day,paid\n1,a,2024-01-01,3\n2,b,2024-01-02,4\nTotal,,,7\n"
    (tmp_path / "e.csv").write_text(text)
    (tmp_path / "orders.sql").write_text(
        "SELECT id AS order_id, who AS customer_id, day AS ordered_at, paid AS amount FROM e"
    )
    loaded = load(tmp_path, tmp_path / ".loaded")
    assert loaded.tables["orders"].rows_in == 2
    assert [f.table for f in loaded.findings if f.rule == "total row"] == ["e.csv"]


def test_the_last_order_with_few_fields_is_no_total(tmp_path):
    names = "order_id,customer_id,ordered_at,amount,discount,note,gift,coupon,tag,ref\n"
    rows = "1,a,2024-05-01,20,5,,,,,\n2,b,2024-05-02,20,0,,,,,\n3,c,2024-05-03,20,5,,,,,\n"
    (tmp_path / "orders.csv").write_text(names + rows, encoding="utf-8")
    loaded = load(tmp_path, tmp_path / ".loaded", 0.5)
    assert loaded.tables["orders"].rows_out == 3  # 1 + 2 = 3, and 5 + 0 = 5
    assert not [finding for finding in loaded.findings if "total" in finding.rule]
