"""The basis of a curve."""

import numpy as np

from smsroi_helpers.timing import basis


def test_the_basis_is_periodic_and_averages_over_windows():
    by_minute = basis.hour_basis(np.arange(0, 24, 1 / 60), np.arange(1, 1441) / 60)
    steps = np.abs(np.diff(by_minute, axis=0)).max()
    assert np.abs(by_minute[0] - by_minute[-1]).max() <= 1.5 * steps
    assert np.allclose(by_minute.mean(axis=0), 0, atol=1e-9)
    two = basis.hour_basis([9], [11])[0]
    assert np.allclose(two, basis.hour_basis([9, 10], [10, 11]).mean(axis=0))
