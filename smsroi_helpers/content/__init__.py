"""Which text is better, which one for whom, what the wording changes, and what a text costs.

`tests_of_texts` has the randomised tests, evaluated and decided by the rule of `ab_test`.

`texts` reads the distinct texts (`text_features`, `lexicon`, `billing`), `counts` counts in the engine what followed
them. `within_campaign` compares creatives within campaigns, `pooling` draws segments towards what they share,
`creative_profit` turns clicks and opt-outs into profit, `feature_effects` asks what the features of texts have in
common, and `savings` what shorter texts would cost. `decision` decides, and `wording` puts it in words.
"""

from typing import Annotated, Any

from pydantic import Field

from smsroi_helpers import lazy_submodules
from smsroi_helpers.content.billing import Bill, bill
from smsroi_helpers.content.creative_profit import response_rows
from smsroi_helpers.content.outputs import effect_rows
from smsroi_helpers.content.study import Content, analyse
from smsroi_helpers.content.tests_of_texts import evaluate_tests, result_rows
from smsroi_helpers.content.wording import decide

__all__ = [
    "NEEDS",
    "PARAMETERS",
    "Bill",
    "Content",
    "analyse",
    "bill",
    "decide",
    "effect_rows",
    "evaluate_tests",
    "response_rows",
    "result_rows",
]

NEEDS = ("messages", "creatives")

PARAMETERS: dict[str, Any] = {
    "segment_by": str,
    "window_hours": Annotated[int, Field(gt=0, le=24 * 30)],
    "log_weeks": Annotated[int, Field(gt=0, le=520)],
    "practice_weeks": Annotated[int, Field(ge=1, le=52)],
    "channel": str,
    "smallest_gain": Annotated[float, Field(ge=0)],
    "yearly_discount": Annotated[float, Field(ge=0, lt=10)],
    "signature": str,
    "opt_out_notice": str,
    "smallest_test_gain": Annotated[float, Field(ge=0)],
    "opt_out_margin": Annotated[float, Field(gt=0, le=1)],
    "pre_period_columns": list[str],
}

__getattr__ = lazy_submodules(__name__, "figures", "tables")
