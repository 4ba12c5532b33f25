"""Which behaviours go together."""

import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import FactorAnalysis

from smsroi_helpers.segmentation import factors


def test_factors_of_two_hidden_traits_are_found():
    """Four features of one trait and three of another: each loads on its own factor, as strongly as it was made."""
    rng = np.random.default_rng(6)
    traits = rng.standard_normal((5000, 2))
    loadings = [0.9, 0.8, 0.7, 0.8, 0.9, 0.8, 0.7]
    columns = ["orders", "order_value", "recency", "tenure", "click_rate", "discount", "refunds"]
    behaviour = pd.DataFrame(
        {
            name: w * traits[:, i // 4] + np.sqrt(1 - w**2) * rng.standard_normal(5000)
            for i, (name, w) in enumerate(zip(columns, loadings, strict=True))
        }
    )
    table = factors.loadings(behaviour).pivot_table(index="feature", columns="factor", values="loading").loc[columns]
    assert table[1].to_numpy()[:4] == pytest.approx(loadings[:4], abs=0.06)
    assert table[2].to_numpy()[4:] == pytest.approx(loadings[4:], abs=0.06)
    assert np.abs(table[2].to_numpy()[:4]).max() < 0.06


def test_a_few_rows_with_the_same_covariance_give_the_factors_of_all_rows():
    """scikit-learn on every row: the same loadings, but for signs and order."""
    rng = np.random.default_rng(5)
    values = rng.standard_normal((800, 2)) @ rng.uniform(-1, 1, (2, 6)) + 0.5 * rng.standard_normal((800, 6))
    behaviour = pd.DataFrame(np.exp(values), columns=list("abcdef"))
    found = factors.loadings(behaviour).pivot_table(index="factor", columns="feature", values="loading").to_numpy()
    standard = ((behaviour - behaviour.mean()) / behaviour.std(ddof=0)).to_numpy()
    by_rows = FactorAnalysis(len(found), rotation="varimax", random_state=0).fit(standard).components_
    largest = np.argsort(-(by_rows**2).sum(axis=1))
    assert np.abs(found) == pytest.approx(np.abs(by_rows[largest]), abs=1e-9)
