"""Randomised tests and the log: the difference of two log odds ratios in standard errors."""

import numpy as np
import pytest

from smsroi_helpers.content.log_check import compare_with_log
from smsroi_helpers.content.within_campaign import OptionEffects


def effects(values: list[float], variances: list[float]) -> OptionEffects:
    """Independent effects of three creatives; NaN for one that cannot be compared."""
    known = np.isfinite(values)
    return OptionEffects(
        options=("a", "b", "c"), scale="logit", effect=np.array(values), covariance=np.diag(variances),
        trials=np.full(3, 900.0), events=np.full(3, 90.0), connected=np.where(known, 0, -1), groups=10**6,
    )  # fmt: skip


def test_the_gap_is_counted_in_standard_errors_of_both():
    (found,) = compare_with_log(effects([0.1, 0.4, np.nan], [0.01, 0.03, 1.0]), effects([0.0, 0.6, 0.2], [0.02] * 3))
    assert (found.base, found.creative) == ("a", "b")
    assert found.tested == pytest.approx((0.3, 0.3 - 1.96 * 0.2, 0.3 + 1.96 * 0.2), abs=1e-3)
    assert found.log[0] == pytest.approx(0.6)
    assert found.z == pytest.approx((0.6 - 0.3) / (0.01 + 0.03 + 0.02 + 0.02) ** 0.5)


def test_one_creative_in_both_cannot_be_checked():
    assert compare_with_log(effects([0.1, np.nan, np.nan], [0.01] * 3), effects([0.0, 0.6, 0.2], [0.02] * 3)) == ()
