"""Observational estimates: unbiased without unmeasured confounders, none without overlap."""

import numpy as np
import pandas as pd

from smsroi_helpers.frequency.observational import COVARIATES, estimate_steps


def logged(rng, effect=0.5, people=3_000, landmarks=4):
    """A log in which recency is the only confounder: recent buyers get more texts and buy more anyway."""
    n = people * landmarks
    recent = rng.integers(0, 2, n).astype(float)
    texts = np.where(recent == 1, rng.choice([0, 1, 2, 3], n, p=[0.1, 0.2, 0.4, 0.3]),
                     rng.choice([0, 1, 2, 3], n, p=[0.4, 0.3, 0.2, 0.1]))  # fmt: skip
    profit = 3 * recent + effect * texts + 4 * (rng.exponential(1.0, n) - 1)
    covariates = dict.fromkeys(COVARIATES, 0.0) | {"recency_days": 10.0 + 80 * (1 - recent)}
    rows = pd.DataFrame({"customer": np.repeat(np.arange(people), landmarks), "texts": texts, "profit": profit})
    return rows.assign(**covariates, landmark=np.tile(np.arange(landmarks), people)), recent


def test_aipw_equals_direct_standardisation_without_hidden_confounders():
    weeks, recent = logged(np.random.default_rng(77))
    steps, overlap = estimate_steps(weeks)
    for row in steps.itertuples():
        error = (row.high - row.low) / 3.92
        assert abs(row.effect - 0.5) < 4 * error
        # Directly: the difference within recency groups, weighted by their size.
        direct = sum(
            (recent == r).mean()
            * (weeks["profit"][(recent == r) & (weeks["texts"] == row.more)].mean()
               - weeks["profit"][(recent == r) & (weeks["texts"] == row.fewer)].mean())
            for r in (0.0, 1.0)
        )  # fmt: skip
        # Both use the same rows and differ only by the cross-fitting: far less than either's error.
        assert abs(row.effect - direct) < 0.5 * error
        assert row.trimmed == 0
    assert (steps["raw_low"] > 0.5).any()  # the raw difference is confounded by recency
    assert np.allclose(overlap.filter(like="share_"), 1.0)


def test_without_overlap_nothing_is_estimated():
    weeks, recent = logged(np.random.default_rng(78))
    weeks["texts"] = np.where(recent == 1, 2, 1)
    steps, _overlap = estimate_steps(weeks)
    row = steps[steps["more"] == 2].iloc[0]
    assert row["reason"] == "overlap"
    assert np.isnan(row["effect"])
    assert np.isfinite(row["raw"])
    assert (steps.loc[steps["more"] != 2, "reason"] == "few").all()
