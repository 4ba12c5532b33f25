"""The difference of two means, against SciPy on the rows and a published experiment."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from smsroi_helpers.statistics.means import difference_of_means
from tests.machine import PUBLIC_DATA

HILLSTROM = PUBLIC_DATA / "hillstrom" / "hillstrom.csv.gz"


def moments(y):
    return len(y), np.sum(y), np.sum(np.square(y))


class TestDifferenceOfMeans:
    def test_is_the_library_s_from_rows(self):
        rng = np.random.default_rng(9)
        treated, control = rng.lognormal(2, 1, 300), rng.lognormal(1.7, 0.8, 90)
        found = difference_of_means(moments(treated), moments(control))
        theirs = stats.ttest_ind(treated, control, equal_var=False)
        low, high = theirs.confidence_interval()
        ours = [found.low, found.high, found.df, found.p_value]
        assert ours == pytest.approx([low, high, theirs.df, theirs.pvalue], rel=1e-9)

    @pytest.mark.public_data
    def test_hillstrom(self):
        """E-mails to men against none, spend per customer: .770 [.485, 1.055] in the data's table of known answers."""
        rows = pd.read_csv(HILLSTROM)
        mens = rows.loc[rows["segment"] == "Mens E-Mail", "spend"]
        none = rows.loc[rows["segment"] == "No E-Mail", "spend"]
        found = difference_of_means(moments(mens), moments(none))
        assert [round(float(value), 3) for value in (found.estimate, found.low, found.high)] == [0.770, 0.485, 1.055]

    def test_no_interval_where_nothing_varies(self):
        nobody_bought = difference_of_means((40, 0.0, 0.0), (60, 0.0, 0.0))
        one_customer = difference_of_means((1, 5.0, 25.0), (60, 30.0, 90.0))
        # Σy² of a constant, with the rounding of sums: 100 customers at 0.1 each are 1.0000000000000007, not 1.
        constant = difference_of_means((100, sum([0.1] * 100), sum([0.1**2] * 100)), (50, sum([0.1] * 50), 0.5))
        for found in (nobody_bought, one_customer, constant):
            assert np.isnan(found.low)
            assert np.isnan(found.high)
            assert np.isnan(found.p_value)

    def test_many_at_once(self):
        found = difference_of_means(([3, 3], [6.0, 9.0], [14.0, 29.0]), ([3, 3], [9.0, 6.0], [29.0, 14.0]))
        assert found.estimate.tolist() == [-1.0, 1.0]
        assert found.high[0] == pytest.approx(-found.low[1])
