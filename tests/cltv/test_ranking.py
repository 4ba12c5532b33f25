"""How well predicted spend ranks customers."""

import numpy as np
import pandas as pd
import pytest

from smsroi_helpers.cltv.ranking import rank_by_spend


@pytest.mark.parametrize(("order", "gini"), [("same", 1.0), ("reverse", -1.0)])
def test_gini_is_one_for_hindsight(order, gini):
    spend = np.linspace(100, 1, 100) ** 2
    places = pd.DataFrame({"place": range(1, 101), "group": 0, "customers": 10, "predicted": spend, "spend": spend})
    predicted = places.assign(ranking="predicted", spend=spend if order == "same" else spend[::-1])
    tenths, (found, low, _high) = rank_by_spend(pd.concat([predicted, places.assign(ranking="later_spend")]))
    assert found == pytest.approx(gini)
    assert np.isnan(low), "one group of customers says nothing of the error"
    assert tenths["predicted"].iloc[0] == pytest.approx(spend[:10].sum() / spend.sum())
