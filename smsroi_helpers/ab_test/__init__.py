"""Did the change pay: every experiment of the source, from its split to a decision in money.

The engine counts moments by arm; `effects` turns them into differences, `validity` says whether they may be believed,
`sequential` keeps daily looks honest, `verdicts` decides. Outcomes are those of all who were assigned, treated or not
(intention to treat), from the assignment on. Money is in the source's currency, per customer over the whole window.
"""

from typing import Annotated, Any

from pydantic import Field

from smsroi_helpers import lazy_submodules
from smsroi_helpers.ab_test.evaluate import (
    Evaluated,
    analyse,
    cap_profit,
    decide,
    keep_ledger,
    map_overlaps,
    measure_effects,
    rank_responders,
    results_table,
    total_ledger,
    trace_weeks,
)
from smsroi_helpers.ab_test.planning import plan_list, plan_test, read_list

__all__ = [
    "NEEDS",
    "PARAMETERS",
    "Evaluated",
    "analyse",
    "cap_profit",
    "decide",
    "keep_ledger",
    "map_overlaps",
    "measure_effects",
    "plan_list",
    "plan_test",
    "rank_responders",
    "read_list",
    "results_table",
    "total_ledger",
    "trace_weeks",
]

NEEDS = ("orders", "experiments", "arms", "assignments")

PARAMETERS: dict[str, Any] = {
    "smallest_gain": Annotated[float, Field(ge=0)],
    "opt_out_margin": Annotated[float, Field(gt=0, le=1)],
    "segment_by": str,
}

__getattr__ = lazy_submodules(__name__, "figures", "planning_tables", "tables", "uplift_tables")
