"""The frame of a notebook: what it saves can be read beside what the other notebooks save."""

import numpy as np
import pandas as pd

from smsroi_helpers.contract import Decision
from smsroi_helpers.notebook import Run

ORDERS = "order_id,customer_id,ordered_at,amount\n1,a,2024-01-01,5\n"


def test_decisions_of_all_notebooks_are_read_as_one_table(make_source, open_source, tmp_path):
    """Whole weeks in one notebook and half a week in another: both are floats in the file."""
    shop = open_source(make_source(orders=ORDERS))
    weeks = {"quality": 4, "cltv": 10.5, "timing": float("nan")}
    for stage, cash_weeks in weeks.items():
        run = Run(stage, shop, np.random.default_rng(1), tmp_path / "run")
        run.decide(
            Decision(
                stage=stage, question="What?", outcome="dont", action="Wait", text="No.", evidence="none", customers=1,
                cash_weeks=cash_weeks,
            )
        )  # fmt: skip
    read = pd.read_parquet(tmp_path / "run" / "tables" / "decisions").set_index("stage")
    assert read["cash_weeks"].fillna(-1).to_dict() == {"quality": 4.0, "cltv": 10.5, "timing": -1.0}
    assert read["customers"].eq(1).all()
