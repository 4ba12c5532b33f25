"""The test of the forecast: published holdouts, rivals counted by hand, and intervals that hold in sound worlds."""

import dataclasses
import datetime as dt

import numpy as np
import pandas as pd
import pytest

from smsroi_helpers.cltv import figures, holdout
from smsroi_helpers.cltv.fitting import Fit, fit_purchases, fit_rates
from smsroi_helpers.cltv.holdout import ModelComparison, compare_models, holdout_test
from smsroi_helpers.cltv.predictions import draw_orders, expected_orders
from tests.cltv_worlds import HEAD, histories, world_as_csv
from tests.reference import cdnow

SPLIT = pd.Timestamp("1997-09-30")


@pytest.fixture(scope="module")
def shop(cdnow_shop):
    return cdnow_shop("1998-06-30")


@pytest.fixture(scope="module")
def comparison(shop):
    return compare_models(shop, model="bg_nbd", horizon_weeks=39, holdout_weeks=39)


@pytest.fixture(scope="module")
def tested(shop, comparison):
    return holdout_test(shop, comparison)


@pytest.fixture(scope="module")
def days(shop):
    """One row per customer and day with a purchase, by pandas."""
    orders = shop.orders.select("customer_id", "ordered_at", "amount").execute()
    orders["day"] = orders["ordered_at"].dt.normalize()
    return orders.groupby(["customer_id", "day"], as_index=False)["amount"].sum()


class TestTrial:
    @pytest.mark.parametrize("model", list(cdnow.EXPECTED_REPEATS))
    def test_each_model_predicts_the_published_repeats(self, comparison, model):
        predicted = comparison.scores.set_index("model").loc[model, "predicted"]
        assert predicted == pytest.approx(cdnow.EXPECTED_REPEATS[model], abs=0.06)

    def test_the_score_is_the_probability_of_what_happened(self, comparison):
        """Once more from its parts, for those who bought once: under BG/NBD all of them are customers still."""
        r, alpha = comparison.fit.values[:2]
        once = comparison.outcomes[
            (comparison.outcomes["frequency"] == 0) & (comparison.outcomes["later_purchases"] == 0)
        ]
        by_hand = -r * np.log1p(39 / (alpha + once["T_weeks"]))
        ours = holdout.log_probability_of_orders(comparison.fit, once, 39, np.zeros(len(once)))
        assert ours == pytest.approx(by_hand.to_numpy(), rel=1e-10)
        assert (comparison.scores["log_score"] < 0).all()
        bg = comparison.scores.set_index("model").loc["bg_nbd"]
        assert (bg["difference"], bg["low"], bg["high"]) == (0, 0, 0)

    def test_outcomes_are_counted_as_by_pandas(self, comparison, days):
        first = days.groupby("customer_id")["day"].min()
        known = days[days["customer_id"].map(first) <= SPLIT]
        start = SPLIT - pd.Timedelta(weeks=39)
        later = known[known["day"] > SPLIT].groupby("customer_id").size()
        is_recent = (known["day"] > start) & (known["day"] <= SPLIT) & (known["day"] > known["customer_id"].map(first))
        recent = known[is_recent].groupby("customer_id").size()
        both = pd.DataFrame({"recent": recent, "later": later}, index=first[first <= SPLIT].index).fillna(0)
        expected = both.groupby(["recent", "later"]).size()
        ours = comparison.outcomes.groupby(["recent_purchases", "later_purchases"])["customers"].sum()
        assert ours.to_dict() == expected.to_dict()

    def test_of_many_customers_a_sample_is_scored(self, shop, monkeypatch):
        monkeypatch.setattr(holdout, "MOST_TESTED", 600)
        some = holdout.count_outcomes(shop, SPLIT.date(), 39, 2_357)["customers"].sum()
        assert some == pytest.approx(66 / 256 * 2_357, abs=4 * np.sqrt(2_357 * 0.26 * 0.74))

    @pytest.mark.parametrize(("asked", "kept_back"), [(0, 38), (12, 12)])
    def test_how_much_is_kept_back(self, shop, asked, kept_back):
        assert compare_models(shop, model="bg_nbd", horizon_weeks=52, holdout_weeks=asked).weeks == kept_back


class TestSelection:
    @pytest.mark.parametrize(("difference", "reach", "chosen"), [(0.5, 0.2, "mbg_nbd"), (0.5, 1.2, "bg_nbd")])
    def test_bg_stays_within_one_standard_error(self, shop, monkeypatch, difference, reach, chosen):
        """Better by 2.5 × 1.96 standard errors or by less than one: 0.5 against 0.2 / 1.96 and 1.2 / 1.96."""
        rows = {"bg_nbd": (-1.0, 0.0), "mbg_nbd": (-1.0 + difference, difference), "pareto_nbd": (-2.0, -1.0)}
        scores = pd.DataFrame(
            [
                {"model": name, "log_score": score, "difference": apart, "low": apart - reach, "high": apart + reach}
                for name, (score, apart) in rows.items()
            ]
        )
        monkeypatch.setattr(holdout, "_score", lambda *arguments: scores)
        comparison = compare_models(shop, model="auto", horizon_weeks=39, holdout_weeks=39)
        assert comparison.chosen == chosen
        assert comparison.alive_model == "mbg_nbd"
        assert compare_models(shop, model="pareto_nbd", horizon_weeks=39, holdout_weeks=39).chosen == "pareto_nbd"

    def test_the_world_s_own_model_scores_best(self):
        """In a population that is BG/NBD's with much leaving, its score beats the rival without it by far."""
        rng = np.random.default_rng(3)
        seen = histories(rng, r=0.8, alpha=4.0, a=1.2, b=1.8, customers=3000)
        fits = {"bg_nbd": fit_purchases(seen, "bg_nbd"), "nbd": fit_rates(seen)}
        # Futures by their own recipe, drawn from the truth.
        truth = Fit("bg_nbd", {"r": 0.8, "alpha": 4.0, "a": 1.2, "b": 1.8}, np.eye(4), 0.0, 3000, "converged")
        later = draw_orders(truth, seen, 26, 1, rng)[:, 0]
        outcomes = seen.assign(later_purchases=later, recent_purchases=0)
        scores = holdout._score(fits, seen, outcomes, 26).set_index("model")
        assert scores.loc["nbd", "high"] < 0
        assert scores["log_score"].idxmax() != "nbd"


class TestHoldout:
    def test_cdnow_is_predicted_too_low(self, tested):
        assert (tested.split, tested.weeks, tested.actual) == (dt.date(1997, 9, 30), 39, cdnow.HOLDOUT_REPEATS)
        assert tested.predicted == pytest.approx(cdnow.EXPECTED_REPEATS["bg_nbd"], abs=0.06)
        assert tested.bias == pytest.approx(1653.4 / 1882 - 1, abs=1e-4)
        assert tested.missed
        by_group = tested.by_frequency
        assert by_group["customers"] @ by_group["actual"] == pytest.approx(cdnow.HOLDOUT_REPEATS)
        assert by_group["customers"] @ by_group["predicted"] == pytest.approx(tested.predicted)

    def test_the_error_in_the_title_is_of_the_test_weeks(self, tested):
        """The picture counts from the first week on, so its own totals differ by less."""
        title = figures.tracking(tested).get_title()
        assert title == f"The forecast was {round(100 * abs(tested.bias))}% too low in the test weeks"

    def test_weeks_add_up(self, tested):
        last = tested.by_week.iloc[-1]
        assert last["actual"] == cdnow.CALIBRATION["repeats"] + cdnow.HOLDOUT_REPEATS
        assert last["expected"] == pytest.approx(cdnow.CALIBRATION["repeats"] + tested.predicted, rel=1e-3)
        assert last["high"] - last["expected"] == pytest.approx(tested.high - tested.predicted, rel=1e-3)
        assert tested.by_week["in_week"].sum() == last["actual"]
        ahead = tested.by_week[tested.by_week["low_in_week"].notna()]
        assert (ahead["week"].min(), len(ahead)) == (40, 39)
        assert ahead["expected_in_week"].sum() == pytest.approx(tested.predicted, rel=1e-3)
        # Fewer are left each week: the prediction for a week falls, without steps.
        assert (ahead["expected_in_week"].diff().iloc[1:] < 0).all()

    def test_the_weekly_figure_says_the_totals_of_the_test_and_the_weeks_outside(self, tested):
        weeks = tested.by_week.copy()
        ahead = weeks["low_in_week"].notna()
        weeks.loc[ahead, "low_in_week"] = 0.0
        weeks.loc[ahead, "high_in_week"] = 1e9
        weeks.loc[ahead[ahead].index[:3], "high_in_week"] = 0.1
        # A week drawn may hold purchases of before the test.
        weeks.loc[ahead[ahead].index[0], ["in_week", "expected_in_week"]] += 500
        chart = figures.by_week_figure(dataclasses.replace(tested, by_week=weeks))
        assert f"{cdnow.HOLDOUT_REPEATS:,} happened where {tested.predicted:,.0f} were predicted" in chart.alt
        assert "3 of 39 lie outside" in chart.alt
        assert "3 of 39 weeks lie outside the band" in chart.caption

    def test_rivals_are_what_they_say(self, tested, comparison):
        rivals = tested.rivals.set_index("rival")
        assert list(rivals.index) == ["bg_nbd", "repeat", "nbd"]
        # All repeats of the 39 weeks up to the split: CDNOW's customers all came after its start.
        assert rivals.loc["repeat", "predicted"] == cdnow.CALIBRATION["repeats"]
        cells = comparison.cells
        r, alpha = comparison.fits["nbd"].values
        by_hand = cells["customers"] @ ((r + cells["frequency"]) / (alpha + cells["T_weeks"]) * 39)
        assert rivals.loc["nbd", "predicted"] == pytest.approx(by_hand)
        rows = comparison.outcomes
        off = expected_orders(comparison.fit, rows, 39) - rows["later_purchases"]
        assert rivals.loc["bg_nbd", "error"] == pytest.approx(np.sqrt((rows["customers"] @ off**2) / 2_357))
        assert rivals.loc["repeat", "worse"] == pytest.approx(
            (rivals.loc["repeat", "error"] / rivals.loc["bg_nbd", "error"]) ** 2 - 1
        )
        assert (rivals["low"] <= rivals["worse"]).all()

    def test_the_lift_is_the_money_of_those_put_first(self, tested, days):
        spent = days[days["day"] > SPLIT]["amount"].sum()
        assert tested.by_tenth["predicted"].sum() == pytest.approx(1)
        assert tested.by_tenth["spend"].sum() == pytest.approx(1)
        assert tested.by_tenth["predicted"].is_monotonic_decreasing
        assert (tested.by_tenth["low"] <= tested.by_tenth["spend"]).all()
        assert (tested.by_tenth["spend"] <= tested.by_tenth["high"]).all()
        assert 0.3 < tested.gini_low < tested.gini < tested.gini_high < 0.9
        assert spent > 0

    def test_groups_by_alive_hold_everybody(self, tested):
        rows = tested.by_alive
        assert tested.alive_model in ("mbg_nbd", "pareto_nbd")
        assert rows["customers"].sum() == 2_357
        assert ((rows["lowest"] <= rows["p_alive"]) & (rows["p_alive"] <= rows["highest"])).all()
        assert ((rows["low"] <= rows["predicted"]) & (rows["predicted"] <= rows["high"])).all()
        assert (rows["predicted"] <= rows["p_alive"]).all()

    def test_a_sound_model_holds_its_interval(self, tmp_path, open_source):
        """16 companies that are as the model says: what happens lies within the interval as often as it claims."""
        held = 0
        for seed in range(16):
            folder = tmp_path / f"world-{seed}"
            folder.mkdir()
            (folder / "orders.csv").write_text(world_as_csv(seed))
            shop = open_source(folder, as_of="2024-02-24")
            tested = holdout_test(shop, compare_models(shop, model="bg_nbd", horizon_weeks=26, holdout_weeks=0))
            assert tested.weeks == 26
            held += not tested.missed
            assert tested.rivals.set_index("rival").loc["nbd", "bias"] > tested.bias, (
                "without leaving, more is predicted"
            )
        assert held / 16 >= 0.95 - 0.01 - 2.5 * np.sqrt(0.0475 / 16)


def test_nothing_bought_in_the_test_weeks(make_source, open_source):
    lines = [f"{i},c{i % 60},2024-{1 + (i // 60) % 6:02}-{1 + i % 25:02},{5 + i % 7}" for i in range(360)]
    last = "last,c999,2024-12-30,5"
    shop = open_source(make_source(orders=HEAD + "\n".join([*lines, last]) + "\n"))
    tested = holdout_test(shop, compare_models(shop, model="auto", horizon_weeks=20, holdout_weeks=20))
    assert tested.actual == 0
    assert np.isnan([tested.bias, tested.gini, tested.gini_low]).all()
    assert np.isfinite(tested.rivals.drop(columns="rival").to_numpy(float)).all()


def test_a_trial_names_what_was_chosen(comparison):
    assert isinstance(comparison, ModelComparison)
    assert comparison.table().set_index("model")["chosen"].to_dict() == {
        "bg_nbd": True, "mbg_nbd": False, "pareto_nbd": False, "nbd": False,
    }  # fmt: skip
