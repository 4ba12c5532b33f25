"""Pull-forward: how much of the gain of texting was brought forward, week by week, also after the texts stopped."""

import numpy as np
import pandas as pd

from smsroi_helpers import experiments
from smsroi_helpers.frequency.study import Study
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import difference_of_means

__all__ = [
    "MOST_WEEKS",
    "trace_pull_forward",
]

MOST_WEEKS = 12
"""At most this many weeks are followed while customers are still assigned; all weeks of a test that has ended."""


def trace_pull_forward(shop: Shop, study: Study) -> pd.DataFrame:
    """Compare each frequency with no texts, week by week since the assignment.

    The gain that remains after the texts have stopped was not merely brought forward.

    Returns:
        dose (texts a week), week (1 …), customers, difference (cumulative profit per assigned customer), low, high,
        treated (whether texts were still sent that week); empty without a valid test or without a zero arm.
    """
    columns = ["dose", "week", "customers", "difference", "low", "high", "treated"]
    if (
        not study.sound
        or study.experiment is None
        or 0.0 not in study.texts_per_week.values()
        or not shop.has("messages")
    ):
        return pd.DataFrame(columns=columns)
    name = study.experiment.name
    days = study.experiment.assigned["outcome_days"].sum() / max(study.experiment.customers.sum(), 1)
    most = int(min(MOST_WEEKS, days // 7))
    if most < 1:
        return pd.DataFrame(columns=columns)
    # The weeks after the texts stopped are the informative ones, so all observed weeks are counted.
    counted = experiments.count_weeks(shop, {name: max(most, int(days // 7 * 0.999))})
    counted = counted.assign(dose=counted["arm"].map(study.texts_per_week))
    zero = counted[counted["dose"] == 0].set_index("week")[["n", "sum_y", "sum_y2"]]
    treated_weeks = _treated_weeks(study)
    rows = []
    for dose, own in counted[counted["dose"] > 0].groupby("dose"):
        own = own.set_index("week")[["n", "sum_y", "sum_y2"]]
        found = difference_of_means(tuple(own.to_numpy(float).T), tuple(zero.loc[own.index].to_numpy(float).T))
        rows.append(pd.DataFrame({
            "dose": dose, "week": own.index, "customers": own["n"].to_numpy(), "difference": found.estimate,
            "low": found.low, "high": found.high, "treated": own.index <= treated_weeks,
        }))  # fmt: skip
    return pd.concat(rows, ignore_index=True)[columns] if rows else pd.DataFrame(columns=columns)


def _treated_weeks(study: Study) -> float:
    """The number of weeks in which texts were sent."""
    own = study.cells[study.cells["consenting"] == 1]
    zero = own[own["arm"].map(study.texts_per_week) == 0]
    # Texts cause no opt-outs in the zero arm, so its subscribed weeks are nearly the test's length.
    return float(np.ceil(zero["weeks"].sum() / max(zero["n"].sum(), 1) - 0.1))
