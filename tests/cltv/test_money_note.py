"""What a repeat purchase brings, free ones included, and who is left out of the money model."""

import numpy as np
import pandas as pd
import pytest

from smsroi_helpers.cltv import count_cells, count_value_cells, fit_value
from smsroi_helpers.cltv.fitting import Fit
from smsroi_helpers.cltv.tables import money_note
from smsroi_helpers.source.read import load
from smsroi_helpers.source.shop import open_shop
from tests.machine import CASES

PAID = Fit("gamma_gamma", {"p": 2.0, "q": 3.0, "gamma": 10.0}, np.zeros((3, 3)), -1.0, 50, "converged")
CELLS = pd.DataFrame({"frequency": [0, 1, 3], "customers": [200, 40, 20], "repeat_spend": [0.0, 600.0, 900.0]})


def test_free_purchases_are_in_the_mean_and_those_who_never_paid_are_named():
    # 40 customers bought again once and 20 three times: 100 purchases for 1,500
    words = money_note(CELLS, PAID, "USD").markup
    assert "$15.00 on average" in words
    assert "10 of the 60 customers who bought again paid nothing" in words


def test_where_everybody_paid_nobody_is_left_out():
    few = CELLS.assign(customers=[200, 30, 20])
    assert "left" not in money_note(few, PAID, "USD").markup


@pytest.mark.cases
def test_the_case_of_free_orders(tmp_path):
    shop = open_shop(load(CASES / "CL2-free-orders", tmp_path / "read"), "", tmp_path / "cache")
    rows = pd.read_csv(CASES / "CL2-free-orders" / "orders.csv").sort_values("ordered_at")
    again = rows[rows.duplicated("customer_id")]  # nobody has two orders on one day
    words = money_note(count_cells(shop), fit_value(count_value_cells(shop)), "USD").markup
    assert f"${again['amount'].mean():.2f} on average" in words
    assert round(again["amount"].mean(), 1) == 27.9
    unpaid = (again.groupby("customer_id")["amount"].sum() == 0).sum()
    assert unpaid > 0
    assert f"{unpaid} of the" in words
