"""CUPED with numeric columns of customers: compared with regressions on every customer, and refusals."""

import numpy as np
import pytest
import statsmodels.api as sm

from smsroi_helpers import ab_test, experiments
from smsroi_helpers.ab_test.pre_period import measure_reduction
from smsroi_helpers.errors import UsageError
from smsroi_helpers.experiments import registry
from tests.cluster_sources import draw_households, open_households

COLUMNS = ("attr_visits", "attr_age")


@pytest.fixture(scope="module")
def people():
    """Spend after depends on spend before, on visits and on age, which is not known of every fifth."""
    rng = np.random.default_rng(12)
    rows = draw_households(rng, 60, lift=0.3)
    visits, age = rng.poisson(4, len(rows)).astype(float), rng.normal(40, 12, len(rows)).round(1)
    known = rng.random(len(rows)) < 0.8
    after = rows["after"] + 0.5 * visits + 0.05 * age
    return rows.assign(
        before=rows["before"].clip(lower=0).round(4), after=after.clip(lower=0).round(4), visits=visits,
        age=np.where(known, age, np.nan), note=np.where(known, "12", "a lot"), arm=np.where(rows["treated"], "b", "a"),
    )  # fmt: skip


def opened(place, people, clusters):
    (place / "source").mkdir(parents=True)
    attributes = people[["visits", "age", "note"]].astype(object).where(people[["visits", "age", "note"]].notna(), "")
    lines = ["customer_id,attr_visits,attr_age,attr_note"]
    lines += [f"c{i},{row.visits},{row.age},{row.note}" for i, row in enumerate(attributes.itertuples())]
    (place / "source" / "customers.csv").write_text("\n".join(lines) + "\n")
    return open_households(place, people, clusters=clusters)


@pytest.fixture(scope="module")
def shop(people, tmp_path_factory):
    return opened(tmp_path_factory.mktemp("pre_period"), people, clusters=False)


def measured(shop, columns=COLUMNS):
    experiment = registry.list_experiments(shop)[0]
    counted = registry.count_outcomes(shop, pre_period=columns)
    return experiment, ab_test.measure_effects(experiment, counted), counted


def covariates(people):
    """The past, the columns (0 where not known) and the indicator, centred."""
    known = people["age"].notna()
    found = np.column_stack([people["before"], people["visits"], people["age"].fillna(0.0), known.astype(float)])
    return found - found.mean(axis=0)


def test_it_is_the_regression_with_interactions_of_every_customer(people, shop):
    """Lin (2013) by statsmodels' OLS with HC1: arm, centred covariates, and their products (ANCOVA 2)."""
    x, t = covariates(people), people["treated"].to_numpy(float)[:, None]
    fit = sm.OLS(people["after"].to_numpy(), np.hstack([np.ones_like(t), t, x, t * x])).fit(cov_type="HC1")
    row = measured(shop)[1].find("revenue", "b")
    assert row.difference == pytest.approx(fit.params[1], abs=0.05 * fit.bse[1])
    assert row.standard_error == pytest.approx(fit.bse[1], rel=0.02)


def test_the_coefficients_are_those_that_minimise_the_variance(people, shop):
    """By hand on the rows: θ solves (Σ S_xx ÷ n) θ = Σ S_xy ÷ n over arms; the variance is that of the residuals."""
    x, y, t = covariates(people), people["after"].to_numpy(), people["treated"].to_numpy()
    spread = [np.cov(np.column_stack([x, y])[side].T) / side.sum() for side in (t, ~t)]
    theta = np.linalg.solve(sum(s[:-1, :-1] for s in spread), sum(s[:-1, -1] for s in spread))
    rest = y - x @ theta
    variance = sum(rest[side].var(ddof=1) / side.sum() for side in (t, ~t)) * ((len(y) - 2) / (len(y) - 2 - 4)) ** 2
    row = measured(shop)[1].find("revenue", "b")
    assert row.difference == pytest.approx(rest[t].mean() - rest[~t].mean(), rel=1e-5)
    assert row.standard_error == pytest.approx(np.sqrt(variance), rel=1e-5)
    assert row.customers == t.sum()  # nobody is lost whose age is not known


def test_the_reduction_of_the_variance_is_shown(people, shop):
    experiment, effects, counted = measured(shop)
    found = measure_reduction(experiment, effects, counted, "revenue", COLUMNS)
    row = effects.find("revenue", "b")
    plain = people.groupby("treated")["after"].agg(["var", "size"])
    unadjusted = (plain["var"] / plain["size"]).sum()
    assert found.by_columns == pytest.approx(row.standard_error**2 / unadjusted, rel=0.01)
    assert found.by_columns < 0.8 * found.by_past < 0.8
    assert found.columns["known"].tolist() == pytest.approx([1.0, people["age"].notna().mean()])


def test_a_column_that_the_treatment_changed_is_seen_in_its_p(people, tmp_path):
    changed = people.assign(visits=people["visits"] + 2.0 * people["treated"])
    experiment, effects, counted = measured(opened(tmp_path, changed, clusters=False))
    found = measure_reduction(experiment, effects, counted, "revenue", COLUMNS)
    p = found.columns.set_index("column")["adjusted_p"]
    assert p["attr_visits"] < 1e-6
    assert p["attr_age"] > 0.01


def test_households_are_the_unit_with_columns_too(people, tmp_path):
    """By hand on the residuals, summed by household."""
    shop = opened(tmp_path, people, clusters=True)
    row = measured(shop)[1].find("revenue", "b")
    x, y, t, h = covariates(people), people["after"].to_numpy(), people["treated"].to_numpy(), people["household"]

    def spread(side):
        values = np.column_stack([x, y])[side]
        sums = np.array([values[h[side] == name].sum(axis=0) - (h[side] == name).sum() * values.mean(axis=0)
                         for name in h[side].unique()])  # fmt: skip
        return sums.T @ sums * len(sums) / (len(sums) - 1) / side.sum() ** 2

    both = spread(t) + spread(~t)
    theta = np.linalg.solve(both[:-1, :-1], both[:-1, -1])
    weights = np.append(-theta, 1.0)
    sizes = [h[side].value_counts() for side in (t, ~t)]
    degrees = sum(size.sum() ** 2 / (size**2).sum() for size in sizes) - 2
    expected = np.sqrt(weights @ both @ weights) * degrees / (degrees - 4)
    assert row.standard_error == pytest.approx(expected, rel=1e-5)
    assert experiments.list_experiments(shop)[0].clustered


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (["attr_weight"], "'attr_weight' is not a column attr_… of customers; choose from attr_visits, attr_age"),
        (["customer_id"], "'customer_id' is not a column"),
        (["attr_note"], "values that are not numbers"),
        (["attr_age", "attr_age"], "once"),
    ],
)
def test_other_columns_are_refused(shop, columns, said):
    with pytest.raises(UsageError, match=said):
        registry.count_outcomes(shop, pre_period=columns)


def test_the_page_says_whose_statement_it_is(shop):
    (found,) = ab_test.analyse(shop, pre_period_columns=COLUMNS)
    table = ab_test.pre_period_tables.pre_period_table([found])
    assert "analyst’s statement" in table.text
    assert "attr_visits" in table.markup


def test_without_columns_the_page_says_what_the_past_leaves(people, shop):
    experiment, effects, counted = measured(shop, ())
    found = measure_reduction(experiment, effects, counted, "revenue", ())
    row = effects.find("revenue", "b")
    plain = people.groupby("treated")["after"].agg(["var", "size"])
    assert found.by_past == pytest.approx(row.standard_error**2 / (plain["var"] / plain["size"]).sum(), rel=0.01)
    assert np.isnan(found.by_columns)
    (each,) = ab_test.analyse(shop)
    shown = ab_test.pre_period_tables.pre_period_table([each]).markup
    assert f"{100 * each.reduction.by_past:.1f}%" in shown
    assert "pre_period_columns" in shown
