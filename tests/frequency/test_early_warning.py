"""P(alive) in the engine."""

import numpy as np

from smsroi_helpers.cltv.counts import count_cells
from smsroi_helpers.cltv.fitting import fit_purchases
from smsroi_helpers.cltv.predictions import probability_alive
from smsroi_helpers.frequency.early_warning import alive_expression
from smsroi_helpers.measures.purchases import purchase_history


def test_the_engine_computes_p_alive_as_the_model_does(cdnow_shop):
    shop = cdnow_shop("1997-09-30")
    cells = count_cells(shop)
    fit = fit_purchases(cells, "mbg_nbd")
    history = purchase_history(shop)
    rows = history.select("frequency", "recency_days", "T_days", alive=alive_expression(fit, history)).execute()
    compared = rows.merge(
        cells.assign(expected=probability_alive(fit, cells)), on=["frequency", "recency_days", "T_days"]
    )
    assert len(compared) == len(rows) == 2_357
    np.testing.assert_allclose(compared["alive"], compared["expected"], rtol=1e-9)
