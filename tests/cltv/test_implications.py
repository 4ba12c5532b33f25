"""Segments, new customers, retention and churn: adding up, against random customers, and refusing."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from smsroi_helpers.cltv import counts, customer_value, implications, textbook_formula, total_tables, wording
from smsroi_helpers.cltv import forecast as forecasting
from smsroi_helpers.cltv import tables as cltv_tables
from smsroi_helpers.cltv.fitting import Fit, fit_purchases, fit_value
from smsroi_helpers.cltv.level_error import segment_totals
from smsroi_helpers.cltv.predictions import draw_orders_if_alive, expected_orders, probability_alive
from smsroi_helpers.errors import UsageError
from smsroi_helpers.source.read import load
from smsroi_helpers.source.shop import open_shop
from tests.cltv_worlds import LEVEL, world_as_csv

AHEAD = {"horizon_weeks": 30, "yearly_discount_rate": 0.1}


def make_forecast(shop, model="mbg_nbd", **changes):
    cells, value = counts.count_cells(shop), fit_value(counts.count_value_cells(shop))
    settings = {**AHEAD, "margin": 0.4, "rng": np.random.default_rng(1), **changes}
    return forecasting.forecast_value(cells, fit_purchases(cells, model), value, **settings)


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("channels")
    orders, customers = world_as_csv(12, customers=2500, shares=(0.5, 0.3, 0.2))
    (folder / "orders.csv").write_text(orders)
    # The last two hundred are in no table of customers: their channel is unknown.
    (folder / "customers.csv").write_text("\n".join(customers.splitlines()[:-200]) + "\n")
    (folder / "source.yml").write_text("margin: 0.4\n")
    return open_shop(load(folder, folder / ".loaded"), "2024-02-24", folder / ".cache")


@pytest.fixture(scope="module")
def forecast(shop):
    return make_forecast(shop)


@pytest.fixture(scope="module")
def members(shop):
    return implications.count_segments(shop, "acquisition_channel")


@pytest.fixture(scope="module")
def values(shop, forecast, tmp_path_factory):
    file = tmp_path_factory.mktemp("values") / "values.parquet"
    shop.write(customer_value.customer_values(shop, forecast), file)
    return pd.read_parquet(file).assign(number=lambda rows: rows["customer_id"].str[1:].astype(int))


class TestSegments:
    def test_totals_are_those_of_the_customers(self, forecast, members, values):
        totals = segment_totals(forecast, members, LEVEL).set_index("group")
        assert list(totals.index)[-1] == "all"
        assert totals.loc["all", "cltv"] == pytest.approx(totals["cltv"].iloc[:-1].sum())
        assert totals.loc["all", "cltv"] == pytest.approx(forecast.total("cltv")[0])
        unknown = values[values["number"] >= 2300]
        assert totals.loc["unknown", "customers"] == len(unknown) == 200
        assert totals.loc["unknown", "cltv"] == pytest.approx(unknown["cltv"].sum(), rel=1e-9)
        assert ((totals["low"] < totals["cltv"]) & (totals["cltv"] < totals["high"])).all()
        without = forecasting.add_up(forecast, "cltv", members).table().set_index("group")
        assert (totals["low"] < without["low"].reindex(totals.index, fill_value=np.inf)).all()
        assert (totals["high"] > without["high"].reindex(totals.index, fill_value=0)).all()

    def test_groups_err_together(self, forecast, members):
        """They share the parameters: the whole is less sure than the sum of independent parts would be."""
        sums = forecasting.add_up(forecast, "cltv", members)
        whole = forecasting.add_up(forecast)
        assert whole.noise[0] == pytest.approx(sums.noise.sum())
        assert whole.error[0] > np.sqrt((sums.error**2).sum())
        assert whole.deviations[0] == pytest.approx(sums.deviations.sum(axis=0))

    def test_without_the_column_there_are_none(self, make_source, open_source, forecast):
        orders = "order_id,customer_id,ordered_at,amount\n1,a,2024-01-01,5\n"
        assert implications.count_channels(open_source(make_source(orders=orders))) is None
        assert segment_totals(forecast, None, LEVEL)["group"].tolist() == ["all"]

    @pytest.mark.parametrize("column", ["customer_id", "joined_at", "region", "attr_none"])
    def test_what_names_no_groups_is_refused(self, shop, column):
        with pytest.raises(UsageError, match="names no groups"):
            implications.count_segments(shop, column)

    def test_many_segments_are_the_largest_and_the_rest(self, shop, monkeypatch):
        monkeypatch.setattr(implications, "MOST_SEGMENTS", 3)
        few = implications.count_channels(shop)
        assert sorted(few["group"].unique()) == ["all others", "channel 0", "channel 1"]
        assert few["customers"].sum() == counts.count_cells(shop)["customers"].sum()


class TestGains:
    def test_one_more_order_is_a_year_s_worth_of_one_for_who_stays(self, shop):
        """Where nobody leaves and nothing is discounted, it is margin × value per order × weeks / weeks a year."""
        loyal = make_forecast(shop, yearly_discount_rate=0.0)
        stays = {**loyal.purchases.parameters, "a": 1e-5, "b": 1e5}
        fit = replace(loyal.purchases, parameters=stays)
        forecast = replace(loyal, purchases=fit, cells=loyal.cells)
        gains = implications.gains(forecast).iloc[0]
        p, q, v = forecast.value.values
        cells = forecast.cells
        per_order = p * (cells["customers"] * v + cells["repeat_spend"]) / (p * cells["frequency"] + q - 1)
        assert gains["order"] == pytest.approx(0.4 * per_order.sum() * 30 / (365.25 / 7), rel=1e-3)

    @pytest.mark.parametrize("model", ["mbg_nbd", "pareto_nbd"])
    def test_a_point_of_retention_is_what_less_leaving_brings(self, shop, model):
        """Lower the chance of leaving a little, by hand: profit gained per point of those still there at the end."""
        forecast = make_forecast(shop, model, yearly_discount_rate=0.0)
        gains = implications.gains(forecast).iloc[0]
        rng = np.random.default_rng(6)
        x, T = (forecast.cells[name].to_numpy(float) for name in ("frequency", "T_weeks"))
        n = forecast.cells["customers"] * probability_alive(forecast.purchases, forecast.cells)
        stayed = self.share_staying(forecast.purchases, x, T, rng)
        assert gains["retained"] == pytest.approx(n @ stayed / n.sum(), abs=0.005)
        assert gains["point_low"] < gains["point"] < gains["point_high"]
        # One point more of retention cannot bring more than one customer in a hundred is worth while one.
        worth = forecast.total("cltv")[0]
        assert 0 < gains["point"] < 0.02 * worth

    def share_staying(self, fit, x, T, rng, draws=400):
        first, scale, third, fourth = fit.values
        rate = rng.gamma(first + x[:, None], 1 / (scale + T[:, None]), (len(x), draws))
        if fit.model == "pareto_nbd":
            hazard = rng.gamma(third, 1 / (fourth + T[:, None]), rate.shape)
        else:
            hazard = rate * rng.beta(third, fourth + x[:, None] + 1, rate.shape)
        return np.exp(-hazard * 30).mean(axis=1)

    def test_segments_add_up_in_orders(self, forecast, members):
        gains = implications.gains(forecast, members)
        assert gains["group"].tolist()[-1] == "all"
        assert gains["order"].iloc[:-1].sum() == pytest.approx(gains["order"].iloc[-1])
        assert gains["customers"].iloc[:-1].sum() == gains["customers"].iloc[-1]

    def test_that_points_do_not_add_up_is_said_where_they_do_not(self, forecast, members):
        gains = implications.gains(forecast, members).assign(retained=0.5)

        def said(of_all: float, retained: float = 0.5) -> bool:
            points = [*range(10, 10 * len(gains), 10), of_all]
            shown = cltv_tables.gains_table(
                gains.assign(point=points, retained=[retained, *gains["retained"].iloc[1:]]), forecast, "USD"
            )
            return "do not add up" in shown.markup

        added = 5.0 * len(gains) * (len(gains) - 1)
        assert not said(added)
        assert not said(added + 0.5 * len(gains))  # rounding
        assert said(added + 0.5 * len(gains) + 1)
        assert said(added - 0.5 * len(gains) - 1)
        # A segment without a number leaves nothing to add up.
        assert not said(added + 100, retained=0.995)


class TestChurn:
    def test_the_list_is_those_below_and_no_others(self, shop, forecast, values, tmp_path):
        shop.write(implications.churn_warnings(shop, forecast, 0.5), tmp_path / "warnings.parquet")
        listed = pd.read_parquet(tmp_path / "warnings.parquet")
        expected = values[values["p_alive"] < 0.5]
        assert set(listed["customer_id"]) == set(expected["customer_id"])
        assert listed["value_at_risk"].is_monotonic_decreasing
        both = listed.merge(expected, on="customer_id")
        # What is at risk is to what is expected as being gone is to being here.
        at_risk = both["cltv"] * (1 - both["p_alive_x"]) / both["p_alive_x"]
        clear = both["p_alive_x"] > 1e-6
        assert both["value_at_risk"][clear].to_numpy() == pytest.approx(at_risk[clear].to_numpy(), rel=1e-6)
        assert both["silent_weeks"].to_numpy() == pytest.approx((both["T"] - both["recency"]).to_numpy())
        table = implications.at_risk(forecast, 0.5).set_index("group")
        assert table["customers"].sum() == len(listed)
        assert table["value"].sum() == pytest.approx(listed["value_at_risk"].sum())
        gone = (1 - both["p_alive_x"]).groupby(both["frequency_x"] > 0).sum()
        assert table["gone"].tolist() == pytest.approx(gone.tolist())
        assert ((table["gone_low"] <= table["gone"]) & (table["gone"] <= table["gone_high"])).all()

    def test_the_threshold_makes_the_list(self, forecast):
        assert (
            implications.at_risk(forecast, 0.2)["customers"].sum()
            < implications.at_risk(forecast, 0.6)["customers"].sum()
        )

    def test_nobody_is_in_doubt(self, forecast):
        empty = implications.at_risk(forecast, 1e-12)
        assert (empty[["customers", "gone", "value", "low", "high"]].to_numpy() == 0).all()

    def test_bg_nbd_knows_no_doubt_and_is_refused(self, shop):
        with pytest.raises(ValueError, match="use mbg_nbd or pareto_nbd"):
            implications.churn_warnings(shop, make_forecast(shop, "bg_nbd"), 0.5)


class TestNewCustomers:
    @pytest.fixture(scope="class")
    def new(self, shop):
        return implications.new_customers(shop, model="bg_nbd", **AHEAD).set_index("group")

    def test_each_channel_has_its_own_value_against_its_cost(self, new):
        assert list(new.index) == ["channel 0", "channel 1", "channel 2", "unknown", "all"]
        assert new["customers"].iloc[:-1].sum() == new.loc["all", "customers"] == 2500
        for i in range(3):
            row = new.loc[f"channel {i}"]
            # Costs are 5·(i + 1) − 1, 5·(i + 1) and 5·(i + 1) + 1 in turn.
            assert row["cac"] == pytest.approx(5 * (i + 1), abs=0.15)
            assert row["cac_low"] < row["cac"] < row["cac_high"]
            assert row["net"] == pytest.approx(row["value"] - row["cac"])
            assert row["net_low"] < row["net"] < row["net_high"]
        assert new.loc["channel 2", "value"] > new.loc["channel 0", "high"], "they buy three times as often"
        assert np.isnan(new.loc["unknown", "cac"])

    def test_the_interval_holds_what_newcomers_of_the_world_bring(self, new):
        """The first purchase and 30 weeks of repeats at the world's own parameters, by random customers."""
        rng = np.random.default_rng(3)
        n = 400_000
        truth = np.tile([0.6, 35.0 / 7, 0.9, 2.6], (n, 1))
        orders = draw_orders_if_alive("bg_nbd", truth, np.zeros(1), np.zeros(1), 30, rng)[0]
        months = 1 + 0.8 * orders.mean()  # discounted by less than a tenth a year: between .94 and 1 of the orders
        level = 6 * 16 / 3  # mean of a Gamma–Gamma: p·v / (q − 1)
        row = new.loc["channel 0"]
        assert row["low"] < 0.4 * level * (1 + orders.mean())
        assert row["high"] > 0.4 * level * months

    def test_a_channel_of_few_has_a_reason_and_no_value(self, make_source, open_source):
        orders, customers = world_as_csv(2, customers=600, shares=(0.97, 0.03))
        shop = open_source(make_source(orders=orders, customers=customers), as_of="2024-02-24")
        new = implications.new_customers(shop, model="bg_nbd", **AHEAD).set_index("group")
        assert new.loc["channel 1", "reason"] == "few_repeaters"
        assert new.loc["channel 1", "repeaters"] < 30
        assert wording.no_value_words("few_repeaters", 12) == "12 came back; 30 are needed"
        assert new.loc["channel 1", ["value", "net"]].isna().all()
        assert new.loc["all", "reason"] == ""

    def test_discounting_lessens_what_comes_later(self):
        fit = Fit("bg_nbd", {"r": 0.24, "alpha": 4.4, "a": 0.8, "b": 2.4}, np.eye(4) * 0.01, 0.0, 9, "converged")
        plain = implications.discounted_orders_of_new(fit, 52, 0.0)
        cells = pd.DataFrame({"frequency": [0], "recency_weeks": [0.0], "T_weeks": [0.0]})
        assert plain == pytest.approx(expected_orders(fit, cells, 52)[0], rel=1e-9)
        assert 0.9 * plain < implications.discounted_orders_of_new(fit, 52, 0.1) < plain


def test_captions_say_whether_refunds_are_deducted(shop, forecast, members):
    assert not forecast.profit.refunds
    returned = replace(forecast, profit=replace(forecast.profit, refunds=0.02))
    new = implications.new_customers(shop, model="bg_nbd", **AHEAD)
    for given, deducted in ((forecast, False), (returned, True)):
        segments = total_tables.segments_table(segment_totals(given, members, LEVEL), given, "rfm_group", "USD")
        for made in (segments, cltv_tables.new_customers_table(new, given, "USD")):
            assert "before message cost" in made.text
            assert ("net of refunds" in made.text) is deducted


class TestTextbook:
    def test_the_worked_example(self):
        assert textbook_formula.textbook_value(100, 24, 50) == 2_350  # a source text prints 2,450

    def test_on_a_log(self, shop, forecast):
        book = textbook_formula.textbook(shop, forecast, pd.DataFrame({"cac": [9.0, 7.0]}))
        assert book["textbook"] == pytest.approx(book["arpu"] * book["months"] - 7)
        assert book["months"] == pytest.approx(30 / (365.25 / 7 / 12))
        assert book["model"] == pytest.approx(forecast.total("spend")[0] / 2500 - 7)
        assert book["textbook"] > book["model"], "it takes everybody for a customer to the end"
        assert textbook_formula.textbook(shop, forecast, pd.DataFrame({"cac": [float("nan")]}))["cac"] == 0


class TestAnotherModel:
    def test_of_its_own_model_it_is_itself(self, forecast):
        assert forecasting.forecast_by_model(forecast, forecast.purchases) is forecast

    def test_says_what_a_forecast_by_that_model_says(self, shop, forecast):
        """All but the prediction intervals of spend, which nobody asks of a second model."""
        second = make_forecast(shop, "bg_nbd")
        found = forecasting.forecast_by_model(forecast, second.purchases)
        of_spend = ["spend_low", "spend_high", "spend_variance"]
        pd.testing.assert_frame_equal(found.cells.drop(columns=of_spend), second.cells.drop(columns=of_spend))
        assert found.cells[of_spend].isna().all().all()
        assert found.sums["orders"].table().equals(second.sums["orders"].table())
