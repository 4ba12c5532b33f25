"""What each customer will be worth, with intervals: BG/NBD (or an alternative) for orders, Gamma–Gamma for money.

The engine counts cells of customers with the same history (`counts`). The models are fitted to the cells (`fitting`)
and forecast the coming weeks (`forecast`). They are tested on later weeks (`holdout`) and for what they assume
(`assumptions`). `level_error` says what the test means for the intervals of totals. The engine joins the scores of the
cells back to the customers (`customer_value`). `implications` gives the value of new customers, of retention and of
those at risk. `natural_loss` estimates how fast subscribers are lost without opting out, for later stages. Time is in
weeks, money in the source's currency.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from smsroi_helpers import lazy_submodules
from smsroi_helpers.cltv.assumptions import check_assumptions
from smsroi_helpers.cltv.counts import FEWEST_REPEATERS, FEWEST_WEEKS, count_cells, count_value_cells
from smsroi_helpers.cltv.customer_value import customer_values, fits_table, value_by_tenth
from smsroi_helpers.cltv.fitting import Fit, fit_purchases, fit_value
from smsroi_helpers.cltv.forecast import Forecast, forecast_by_model, forecast_value
from smsroi_helpers.cltv.holdout import Holdout, ModelComparison, compare_models, holdout_test
from smsroi_helpers.cltv.implications import (
    at_risk,
    churn_warnings,
    count_channels,
    count_segments,
    gains,
    new_customers,
)
from smsroi_helpers.cltv.level_error import estimate_level_error, segment_totals
from smsroi_helpers.cltv.likelihoods import Model
from smsroi_helpers.cltv.loss_rates import LOSS_RATES, first_year_loss
from smsroi_helpers.cltv.natural_loss import NaturalLoss, find_natural_loss, fit_drop_out
from smsroi_helpers.cltv.predictions import (
    expected_order_value,
    expected_orders,
    probability_alive,
    survival_probability,
)
from smsroi_helpers.cltv.textbook_formula import textbook, textbook_value
from smsroi_helpers.cltv.wording import decide, describe_assumptions, list_failing
from smsroi_helpers.measures import profit_share

__all__ = [
    "FEWEST_REPEATERS",
    "FEWEST_WEEKS",
    "LOSS_RATES",
    "NEEDS",
    "PARAMETERS",
    "Fit",
    "Forecast",
    "Holdout",
    "Model",
    "ModelComparison",
    "NaturalLoss",
    "at_risk",
    "check_assumptions",
    "churn_warnings",
    "compare_models",
    "count_cells",
    "count_channels",
    "count_segments",
    "count_value_cells",
    "customer_values",
    "decide",
    "describe_assumptions",
    "estimate_level_error",
    "expected_order_value",
    "expected_orders",
    "find_natural_loss",
    "first_year_loss",
    "fit_drop_out",
    "fit_purchases",
    "fit_value",
    "fits_table",
    "forecast_by_model",
    "forecast_value",
    "gains",
    "holdout_test",
    "list_failing",
    "new_customers",
    "probability_alive",
    "profit_share",
    "segment_totals",
    "survival_probability",
    "textbook",
    "textbook_value",
    "value_by_tenth",
]

NEEDS = ("orders",)

PARAMETERS: dict[str, Any] = {
    "horizon_weeks": Annotated[int, Field(gt=0, le=520)],
    "holdout_weeks": Annotated[int, Field(ge=0, le=520)],
    "model": Literal["auto"] | Model,
    "yearly_discount_rate": Annotated[float, Field(ge=0, le=1)],
    "alive_below": Annotated[float, Field(gt=0, lt=1)],
}

__getattr__ = lazy_submodules(__name__, "figures", "tables", "total_tables")
