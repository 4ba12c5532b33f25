"""The case of ../shared/cases in which 42 % of the money is refunded: profit to come is net of it, gross beside it."""

import numpy as np
import pandas as pd
import pytest

from smsroi_helpers import cltv
from smsroi_helpers.locale import rounded_digits
from smsroi_helpers.source.read import load
from smsroi_helpers.source.shop import open_shop
from tests.machine import CASES


@pytest.mark.cases
def test_profit_to_come_is_net_of_refunds(tmp_path):
    """The share refunded is that of a plain count; the README of the cases asks for about $119 a week."""
    shop = open_shop(load(CASES / "CL3-refunds-40pct", tmp_path / "read"), "", tmp_path / "cache")
    amounts = pd.read_csv(CASES / "CL3-refunds-40pct" / "orders.csv")["amount"]
    refunded = -amounts[amounts < 0].sum() / amounts[amounts > 0].sum()
    profit = cltv.profit_share(shop)
    assert profit.refunded == pytest.approx(refunded)
    comparison = cltv.compare_models(shop, model="auto", horizon_weeks=12, holdout_weeks=8)
    cells, value = cltv.count_cells(shop), cltv.fit_value(cltv.count_value_cells(shop))
    forecast = cltv.forecast_value(
        cells, cltv.fit_purchases(cells, comparison.chosen), value, margin=profit, horizon_weeks=12,
        yearly_discount_rate=0.1, rng=np.random.default_rng(1),
    )  # fmt: skip
    tested = cltv.holdout_test(shop, comparison)
    level = cltv.estimate_level_error(tested, comparison, forecast)
    decision = cltv.decide(forecast, tested, level, cltv.value_by_tenth(shop, forecast), "USD", [])
    assert decision.value == pytest.approx(119, abs=1)
    gross = decision.value / (1 - refunded)
    assert f"{100 * refunded:.1f}% of what was paid" in decision.text
    wide = rounded_digits(decision.low / (1 - refunded), decision.high / (1 - refunded))
    assert f"Before them it is ${round(gross, wide):.0f} a week" in decision.text
    exact = cltv.forecast_value(
        cells, forecast.purchases, value, margin=profit.value, horizon_weeks=12, yearly_discount_rate=0.1,
        rng=np.random.default_rng(1),
    )  # fmt: skip
    assert exact.sums["cltv"].error[0] < forecast.sums["cltv"].error[0]  # the share refunded has an error of its own
