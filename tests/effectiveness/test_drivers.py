"""What goes together with responses."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from smsroi_helpers.effectiveness import counts
from smsroi_helpers.effectiveness.drivers import FEWEST_CAMPAIGNS, correlate, count_drivers, regress
from smsroi_helpers.effectiveness.wording import level_words


def cells(campaigns=25):
    rng = np.random.default_rng(6)
    rows = [
        (f"k{i}", channel, "one", day, "before 11:00", 40.0, float(rng.binomial(40, 0.1 + 0.05 * (channel == "sms"))))
        for i in range(campaigns) for channel in ("email", "sms") for day in (0, 3)
    ]  # fmt: skip
    names = ["campaign_id", "channel", "segment", "weekday", "part", "delivered", "clicked"]
    frame = pd.DataFrame(rows, columns=names)
    return frame.assign(click_known=frame["delivered"], converted=np.nan)


def test_the_regression_on_cells_is_that_on_messages():
    rows = cells()
    found = regress(rows)
    long = rows.loc[rows.index.repeat(40)].reset_index(drop=True)
    long["happened"] = (long.groupby(["campaign_id", "channel", "weekday"]).cumcount() < long["clicked"]).astype(float)
    model = smf.ols("happened ~ C(channel) + C(weekday)", long)
    plain = model.fit()
    row = found.rows.set_index("factor").loc["channel"]
    sign = 1 if row["level"] == "sms" else -1
    assert sign * row["estimate"] == pytest.approx(plain.params["C(channel)[T.sms]"])
    assert (found.campaigns, found.messages) == (25, len(long))
    # By hand: X′X⁻¹ Σ over campaigns of (X′e)(X′e)′ X′X⁻¹.
    x, left = model.exog, plain.resid.to_numpy()
    sums = [x[own].T @ left[own] for own in (long["campaign_id"] == name for name in long["campaign_id"].unique())]
    bread = np.linalg.inv(x.T @ x)
    error = np.sqrt((bread @ sum(np.outer(s, s) for s in sums) @ bread)[1, 1])
    assert (row["high"] - row["low"]) / 2 / 2.064 == pytest.approx(error, rel=0.05)  # t at 24 df; small-sample factor


def test_few_campaigns_or_an_unknown_outcome_give_no_regression():
    assert regress(cells(FEWEST_CAMPAIGNS - 1)) is None
    assert regress(cells(), "converted") is None


def test_correlations_are_of_ranks():
    n = FEWEST_CAMPAIGNS
    frame = pd.DataFrame({"messages": np.arange(n) + 1.0, "click_rate": np.exp(np.arange(n)), "opt_out_rate": 0.1})
    found = correlate(frame)
    assert found.loc["messages", "click_rate"] == pytest.approx(1)
    assert "opt_out_rate" not in found  # constant
    assert correlate(frame.head(n - 1)) is None


def test_the_parts_of_the_day_are_hours_that_do_not_overlap(company):
    parts = count_drivers(company, counts.collect_sends(company))["part"].unique()
    words = {level_words("part", part) for part in parts}
    assert words <= {"before 11:00", "11:00–14:00", "14:00–18:00", "from 18:00"}
    assert len(words) > 2
