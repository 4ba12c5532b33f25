"""The textbook's formula of customer value, beside the model's value."""

import numpy as np
import pandas as pd

from smsroi_helpers.cltv.counts import histories
from smsroi_helpers.cltv.forecast import WEEKS_A_YEAR, Forecast
from smsroi_helpers.engine import total
from smsroi_helpers.source import Shop

__all__ = ["textbook", "textbook_value"]


def textbook_value(arpu: float, lifetime: float, cac: float) -> float:
    """CLTV = ARPU × lifetime − CAC: revenue per customer and month, times months, less the cost of acquisition.

    A text that teaches the formula prints 2,450 for this example:

    >>> textbook_value(100, 24, 50)
    2350
    """
    return arpu * lifetime - cac


def textbook(shop: Shop, forecast: Forecast, new: pd.DataFrame) -> dict[str, float]:
    """The textbook formula on this log, beside the model's value of a customer seen so far.

    Args:
        shop: the company.
        forecast: the forecast.
        new: of `new_customers`: its last row has the mean cost of acquisition of all; NaN (unknown) counts as 0.

    Returns:
        arpu (money a customer and month, over the months since each one's first purchase), months (of the horizon), cac
        (0 where unknown), textbook, model (expected spend a customer − CAC).
    """
    cells, history = forecast.cells, histories(shop)
    spent = float(
        shop.count(history.aggregate(spent=total(history.first_spend + history.repeat_spend)))["spent"].iloc[0]
    )
    month, cac = WEEKS_A_YEAR / 12, float(new["cac"].iloc[-1])
    # The day of the first purchase counts too.
    arpu = spent / float(cells["customers"] @ ((cells["T_weeks"] + 1 / 7) / month))
    months, cac = forecast.horizon_weeks / month, 0.0 if np.isnan(cac) else cac
    spend = forecast.total("spend")[0] / forecast.purchases.customers
    return {
        "arpu": arpu, "months": months, "cac": cac, "textbook": textbook_value(arpu, months, cac), "model": spend - cac,
    }  # fmt: skip
