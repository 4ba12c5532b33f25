"""From orders to each customer's value: counted like another library, adding up, honest when tested."""

import datetime as dt
import gzip
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from lifetimes.utils import summary_data_from_transaction_data

from smsroi_helpers.cltv import (
    assumptions,
    counts,
    customer_value,
    holdout,
    implications,
    level_error,
    textbook_formula,
    total_tables,
    wording,
)
from smsroi_helpers.cltv import figures as cltv_figures
from smsroi_helpers.cltv import forecast as forecasting
from smsroi_helpers.cltv import tables as cltv_tables
from smsroi_helpers.cltv.fitting import fit_purchases, fit_value
from smsroi_helpers.cltv.level_error import estimate_level_error
from smsroi_helpers.cltv.predictions import expected_orders
from smsroi_helpers.errors import NotEnoughData
from smsroi_helpers.source.read import load
from smsroi_helpers.source.shop import open_shop
from tests.cltv_worlds import LEVEL
from tests.reference import cdnow


@pytest.fixture(scope="module")
def shop(cdnow_shop):
    return cdnow_shop("1997-09-30")


@pytest.fixture(scope="module")
def fits(shop):
    cells = counts.count_cells(shop)
    return cells, fit_purchases(cells, "bg_nbd"), fit_value(counts.count_value_cells(shop))


def make_forecast(fits, **changes):
    settings = {"horizon_weeks": 39, "yearly_discount_rate": 0.1, "margin": 0.3, "rng": np.random.default_rng(1)}
    return forecasting.forecast_value(*fits, **{**settings, **changes})


@pytest.fixture(scope="module")
def forecast(fits):
    return make_forecast(fits)


@pytest.fixture(scope="module")
def table(shop, forecast, tmp_path_factory):
    file = tmp_path_factory.mktemp("values") / "customer_value.parquet"
    assert shop.write(customer_value.customer_values(shop, forecast), file) == 2_357
    return pd.read_parquet(file)


class TestCounting:
    def test_the_raw_sample_is_the_published_one(self, cdnow_shop):
        shop = cdnow_shop("")
        orders = shop.orders.aggregate(
            rows=shop.orders.count(), customers=shop.orders.customer_id.nunique(), dollars=shop.orders.amount.sum()
        ).execute()
        assert orders.loc[0, ["rows", "customers"]].tolist() == [cdnow.RAW["rows"], cdnow.RAW["customers"]]
        assert round(orders.loc[0, "dollars"], 2) == cdnow.RAW["dollars"]
        assert (shop.loaded.tables["orders"].first, shop.as_of.isoformat()) == (cdnow.RAW["first"], cdnow.RAW["last"])

    def test_the_calibration_period_is_the_published_one(self, fits):
        cells = fits[0]
        assert cells["customers"] @ cells["frequency"] == cdnow.CALIBRATION["repeats"]
        again = cells["frequency"] > 0
        assert cells.loc[~again, "customers"].sum() == cdnow.CALIBRATION["once"]
        assert cells.loc[again, "customers"].sum() == cdnow.CALIBRATION["again"]

    def test_histories_are_the_librarys(self, shop, fits):
        orders = shop.orders.execute()
        theirs = summary_data_from_transaction_data(
            orders, "customer_id", "ordered_at", "amount", observation_period_end="1997-09-30"
        )
        ours = fits[0]
        counted = theirs.groupby(["frequency", "recency", "T"]).size()
        assert counted.tolist() == ours["customers"].tolist()
        assert (
            counted.index.to_frame().to_numpy().tolist()
            == ours[["frequency", "recency_days", "T_days"]].to_numpy().tolist()
        )
        assert (theirs["monetary_value"] * theirs["frequency"]).sum() == pytest.approx(ours["repeat_spend"].sum())

    def test_the_holdout_holds_the_published_repeats(self, cdnow_shop):
        cells = counts.count_cells(cdnow_shop("1998-06-30"), until=dt.date(1997, 9, 30))
        assert cells["later_purchases"].sum() == cdnow.HOLDOUT_REPEATS

    def test_nobody_came_back(self, make_source, open_source):
        lines = [f"{i},c{i},2024-01-{1 + i % 28:02},5" for i in range(200)]
        shop = open_source(make_source(orders="order_id,customer_id,ordered_at,amount\n" + "\n".join(lines) + "\n"))
        with pytest.raises(NotEnoughData, match="Only 0 customers have bought on a second day"):
            counts.count_cells(shop)

    def test_a_log_of_three_weeks(self, make_source, open_source):
        lines = [f"{i},c{i // 2},2024-01-{1 + 10 * (i % 2):02},5" for i in range(200)]
        shop = open_source(make_source(orders="order_id,customer_id,ordered_at,amount\n" + "\n".join(lines) + "\n"))
        with pytest.raises(NotEnoughData, match="The log covers 10 days"):
            counts.count_cells(shop)
        with pytest.raises(NotEnoughData, match="Before the weeks of the test the log covers 10 days"):
            counts.count_cells(shop, dt.date(2024, 1, 11))


class TestForecast:
    def test_customers_add_up_to_the_published_repeats(self, table):
        assert table["expected_orders"].sum() == pytest.approx(cdnow.EXPECTED_REPEATS["bg_nbd"], abs=0.06)

    def test_customers_add_up_to_the_totals(self, forecast, table):
        for measure, column in (("orders", "expected_orders"), ("spend", "expected_value"), ("cltv", "cltv")):
            value, low, high = forecast.total(measure)
            assert table[column].sum() == pytest.approx(value, rel=1e-9)
            assert low < value < high

    def test_intervals_hold_their_estimates(self, table):
        assert (table["expected_low"] < table["expected_value"]).all()
        assert (table["expected_value"] < table["expected_high"]).all()
        assert (table["cltv_low"] <= table["cltv_high"]).all()
        assert table.notna().all().all()
        assert np.isfinite(table.select_dtypes(float)).all().all()

    def test_without_discount_value_is_margin_times_spend(self, fits):
        forecast = make_forecast(fits, yearly_discount_rate=0.0)
        assert forecast.total("cltv")[0] == pytest.approx(0.3 * forecast.total("spend")[0], rel=1e-9)

    def test_discounting_is_by_the_end_of_the_month(self, fits):
        cells, purchases, _value = fits
        month, rate = forecasting.WEEKS_A_YEAR / 12, 0.5
        by_hand, so_far = 0.0, 0.0
        for k, end in enumerate((month, 2 * month, 10.0), start=1):
            by_then = expected_orders(purchases, cells, end)
            years = min(k * month, 10.0) / forecasting.WEEKS_A_YEAR
            by_hand, so_far = by_hand + (by_then - so_far) / 1.5**years, by_then
        assert forecasting.discounted_orders(purchases, cells, 10, rate) == pytest.approx(by_hand, rel=1e-12)

    @pytest.mark.parametrize(
        ("change", "measure", "factor"),
        [({"margin": 0.6}, "cltv", 2.0), ({"margin": 0.6}, "spend", 1.0), ({"margin": 0.6}, "orders", 1.0)],
    )
    def test_the_margin_changes_profit_and_nothing_else(self, fits, forecast, change, measure, factor):
        changed = make_forecast(fits, **change).total(measure)[0]
        assert changed / forecast.total(measure)[0] == pytest.approx(factor, rel=1e-9)

    def test_costs_above_the_margin_are_losses_with_an_interval(self, fits):
        forecast = make_forecast(fits, margin=-0.1)
        value, low, high = forecast.total("cltv")
        assert low < value < high < 0
        totals = level_error.totals(forecast, LEVEL).set_index("measure").loc["cltv"]
        assert totals["low"] < low < high < totals["high"] < 0

    def test_twice_the_time_brings_more_but_not_twice_as_much(self, fits, forecast):
        """Some leave on the way."""
        changed = make_forecast(fits, horizon_weeks=78).total("orders")[0]
        assert 1.5 < changed / forecast.total("orders")[0] < 2

    def test_the_seed_moves_predictive_intervals_only(self, fits, forecast):
        other = make_forecast(fits, rng=np.random.default_rng(2))
        assert other.total("cltv")[0] == forecast.total("cltv")[0]
        assert not other.cells["spend_high"].equals(forecast.cells["spend_high"])

    def test_money_that_has_no_finite_mean_is_no_number(self, fits):
        cells, purchases, value = fits
        wild = replace(value, parameters={"p": 2.0, "q": 0.9, "v": 3.0})
        with pytest.raises(NotEnoughData, match="946 repeat customers"):
            make_forecast((cells, purchases, wild))

    def test_the_tenths_hold_everybody_and_all_the_value(self, shop, forecast):
        tenths = customer_value.value_by_tenth(shop, forecast)
        assert tenths["tenth"].tolist() == list(range(1, 11))
        assert tenths["customers"].sum() == 2_357
        assert tenths["cltv"].sum() == pytest.approx(forecast.total("cltv")[0])
        assert tenths["share"].sum() == pytest.approx(1)
        assert tenths["share"].is_monotonic_decreasing
        assert ((tenths["low"] < tenths["share"]) & (tenths["share"] < tenths["high"])).all()


def test_the_same_orders_in_every_form_leave_the_same_bytes(shop, forecast, tmp_path):
    """Parquet, three parts in any order, CSV in every encoding, gzip, a mapping: one table of values."""
    orders = shop.con.read_parquet(shop.loaded.tables["orders"].paths[0])
    moment = orders.ordered_at.strftime("%Y-%m-%d %H:%M:%S") + "Z"
    columns = orders.select("order_id", "customer_id", ordered_at=moment, amount=orders.amount.cast("string"))
    frame = columns.order_by("order_id").to_pandas()
    text = "order_id,customer_id,ordered_at,amount\n" + "\n".join(map(",".join, frame.to_numpy().tolist())) + "\n"
    german = text.replace("order_id,customer_id,ordered_at,amount", "Nummer,Kunde,Zeit,Größe")
    mapping = 'SELECT Nummer AS order_id, Kunde AS customer_id, Zeit AS ordered_at, "Größe" AS amount FROM export'

    def parts(folder):
        (folder / "orders").mkdir()
        for number, rest in (("b", 2), ("c", 0), ("a", 1)):
            part = orders.filter(orders.order_id.cast("int64") % 3 == rest).order_by(orders.amount)
            part.to_parquet(folder / "orders" / f"{number}.parquet")

    def mapped(folder):
        (folder / "export.csv").write_text(german, encoding="utf-8")
        (folder / "orders.sql").write_text(mapping, encoding="utf-8")

    forms = {
        "parquet": lambda folder: orders.to_parquet(folder / "orders.parquet"),
        "parts": parts,
        "utf-8": lambda folder: (folder / "orders.csv").write_text(text),
        "bom": lambda folder: (folder / "orders.csv").write_text(text, encoding="utf-8-sig"),
        "gb18030": lambda folder: (folder / "orders.csv").write_text(text, encoding="gb18030"),
        "utf-16": lambda folder: (folder / "orders.csv").write_text(text, encoding="utf-16"),
        "gzip": lambda folder: (folder / "orders.csv.gz").write_bytes(gzip.compress(text.encode())),
        "mapping": mapped,
    }
    left = {}
    fitted_to = counts.count_cells(shop), counts.count_value_cells(shop)
    for form, make in forms.items():
        folder = tmp_path / form
        folder.mkdir()
        (folder / "source.yml").write_text("timezone: America/New_York\n")
        make(folder)
        same = open_shop(load(folder, folder / ".loaded"), "1997-09-30", folder / ".cache")
        for cells, those in zip((counts.count_cells(same), counts.count_value_cells(same)), fitted_to, strict=True):
            pd.testing.assert_frame_equal(cells, those, check_exact=True)
        same.write(customer_value.customer_values(same, forecast), folder / "customer_value.parquet")
        left[form] = (folder / "customer_value.parquet").read_bytes()
    assert [form for form, table in left.items() if table != left["parquet"]] == []


class TestDecision:
    @pytest.fixture(scope="class")
    def tested(self, cdnow_shop):
        shop = cdnow_shop("1998-06-30")
        comparison = holdout.compare_models(shop, model="bg_nbd", horizon_weeks=39, holdout_weeks=39)
        return holdout.holdout_test(shop, comparison)

    @pytest.fixture(scope="class")
    def tenths(self, shop, forecast):
        return customer_value.value_by_tenth(shop, forecast)

    @pytest.mark.parametrize(
        ("actual", "words", "status"),
        [
            (1882, "The forecast ran 12% low in its test", "failed_check"),
            (1653, "Tested on the last", "ok"),
            (1100, "The forecast ran 50% high in its test", "failed_check"),
        ],
    )
    def test_the_wording_and_the_status_follow_the_test(self, forecast, tested, tenths, actual, words, status):
        decision = wording.decide(forecast, replace(tested, actual=actual), LEVEL, tenths, "USD")
        assert decision.caveat.startswith(words)
        assert decision.status == status
        assert decision.action.startswith("Give the")
        assert ("The total failed its test" in decision.action) == (status == "failed_check")
        assert (decision.evidence, decision.kind, decision.unit) == ("forecast", "forecast", "money_per_week")
        assert not {"lift", "uplift", "caused", "incremental"} & set(
            f"{decision.action} {decision.text}".lower().split()
        )

    def test_a_failed_forecast_leads_with_the_ranking_and_a_corrected_total(self, forecast, tested, tenths):
        """A precise bias moves the total, one within a standard deviation of none does not; both ends move apart."""
        model = forecast.total("cltv")[0] / 39
        precise = replace(LEVEL, means=np.array([-0.3, -0.3]))
        decision = wording.decide(forecast, tested, precise, tenths, "USD")
        # The bias −0.3, shrunk by 1 − (0.1581 / 0.3)².
        assert decision.value / model == pytest.approx(np.exp(-0.3 * (1 - 0.025 / 0.09)))
        assert decision.low < decision.value < decision.high
        assert decision.action.endswith("The total failed its test and is corrected")
        assert "multiplied by 0.81" in decision.caveat
        unclear = wording.decide(forecast, tested, LEVEL, tenths, "USD")
        assert unclear.value == pytest.approx(model)
        assert unclear.action.endswith("its interval includes that error")
        assert "multiplied" not in unclear.caveat

    @pytest.mark.parametrize("actual", [1653, 1882, 1100])
    def test_the_interval_is_wider_both_ways(self, forecast, tested, tenths, actual):
        value, low, high = (x / 39 for x in forecast.total("cltv"))
        decision = wording.decide(forecast, replace(tested, actual=actual), LEVEL, tenths, "USD")
        assert decision.low < low < value == pytest.approx(decision.value)
        assert decision.high > high
        assert decision.high - value > value - decision.low  # symmetric on the log scale

    def test_a_test_shorter_than_the_forecast_is_extrapolation(self, forecast, tested, tenths):
        short = replace(LEVEL, tested_weeks=20.0, horizon_weeks=39.0)
        decision = wording.decide(forecast, tested, short, tenths, "USD")
        assert "The test covers 20 of the 39 weeks" in decision.caveat
        assert "less than two years" in decision.caveat
        enough = wording.describe_extrapolation(replace(LEVEL, log_weeks=105.0))
        assert enough == ""

    def test_a_ranking_no_better_than_by_lot_is_not_to_be_trusted(self, forecast, tested, tenths):
        poor = replace(tested, gini=0.02, gini_low=-0.01, gini_high=0.05)
        decision = wording.decide(forecast, poor, LEVEL, tenths, "USD")
        assert decision.action.startswith("Trust neither the amount nor the ranking")
        assert decision.status == "failed_check"
        assert "not distinguishable from a random one" in cltv_figures.lift_figure(poor).text
        assert "may be off in either direction" in total_tables.test_note(poor, LEVEL).text

    def test_where_nobody_stands_out_it_is_said(self, forecast, tested, tenths):
        alike = tenths.assign(share=0.1, low=0.09, high=0.11)
        passed = replace(tested, actual=1653)
        assert wording.decide(forecast, passed, LEVEL, alike, "USD").action.startswith("Treat customers alike")
        assert wording.decide(forecast, passed, LEVEL, tenths, "USD").action.startswith("Give the")

    def test_nothing_happened_at_all(self, forecast, tested, tenths):
        nothing = replace(tested, actual=0)
        decision = wording.decide(forecast, nothing, LEVEL, tenths, "USD")
        assert "and none happened" in decision.caveat
        assert "–" not in decision.caveat
        assert (decision.low, decision.status) == (0, "failed_check")
        assert "nothing of what was predicted" in total_tables.test_note(nothing, LEVEL).text

    def test_what_fails_and_what_cannot_be_told_is_said(self, forecast, tested, tenths):
        loose = replace(forecast.purchases, status="not_identified", unidentified=("a", "b"))
        checks = ["refunds", "season"]
        decision = wording.decide(replace(forecast, purchases=loose), tested, LEVEL, tenths, "USD", checks)
        assert "Drop-out is not identified" in decision.caveat
        assert decision.caveat.endswith("The forecast fails the check of refunds and season (see the checks).")
        assert "rate of buying is not identified" in wording.describe_drop_out(replace(loose, unidentified=("r",)))
        assert wording.describe_drop_out(forecast.purchases) == ""

    def test_every_parameter_of_every_fit_is_in_the_table(self, fits):
        table = customer_value.fits_table({"full": [fits[1], fits[2]], "calibration": [fits[1]]})
        assert table.groupby(["model", "fit"]).size().to_dict() == {
            ("bg_nbd", "calibration"): 4, ("bg_nbd", "full"): 4, ("gamma_gamma", "full"): 3,
        }  # fmt: skip
        assert ((table["low"] < table["value"]) & (table["value"] < table["high"])).all()


def orders_of(people):
    """A source file: for each customer the days and the amounts of its orders."""
    lines = []
    for who, orders in enumerate(people):
        for number, (day, amount) in enumerate(orders):
            moment = dt.date(2024, 1, 1) + dt.timedelta(days=int(day))
            lines.append(f"{who}-{number},c{who},{moment},{amount:.2f}")
    return "order_id,customer_id,ordered_at,amount\n" + "\n".join(lines) + "\n"


def regulars(seed, customers=200, amount=None):
    """Customers who come back some times within a year; `amount` None: each with a level of their own."""
    rng = np.random.default_rng(seed)
    people = []
    for _who in range(customers):
        days = np.sort(rng.choice(364, rng.geometric(0.3), replace=False))
        level = rng.gamma(3.0, 10.0)
        people.append([(day, amount or rng.gamma(5.0, level / 5) + 0.01) for day in days])
    return people


def publish(shop, horizon_weeks=12, knows_value=True):
    """Everything the notebook publishes of a source, checked for numbers that are none."""
    cells, value_cells = counts.count_cells(shop), counts.count_value_cells(shop)
    comparison = holdout.compare_models(shop, model="auto", horizon_weeks=horizon_weeks, holdout_weeks=0)
    purchases, alive_fit = fit_purchases(cells, comparison.chosen), fit_purchases(cells, comparison.alive_model)
    value = fit_value(value_cells)
    forecast, churn_forecast = (
        make_forecast((cells, fit, value), horizon_weeks=horizon_weeks) for fit in (purchases, alive_fit)
    )
    tested = holdout.holdout_test(shop, comparison)
    level = estimate_level_error(tested, comparison, forecast)
    found = assumptions.check_assumptions(
        shop, cells=cells, value_cells=value_cells, purchases=purchases, value=value, horizon_weeks=horizon_weeks,
        yearly_discount_rate=0.1, holdout_weeks=comparison.weeks,
    )  # fmt: skip
    checks = wording.describe_assumptions(found)
    new = implications.new_customers(
        shop, model=comparison.chosen, horizon_weeks=horizon_weeks, yearly_discount_rate=0.1
    )
    members = implications.count_segments(shop, "rfm_group")
    tenths, gains = customer_value.value_by_tenth(shop, forecast), implications.gains(forecast, members)
    risk = implications.at_risk(churn_forecast, 0.5)
    pages = [
        total_tables.test_note(tested, level),
        total_tables.totals_table(forecast, level, "USD"),
        total_tables.level_error_table(forecast, level),
        total_tables.segments_table(level_error.segment_totals(forecast, members, level), forecast, "rfm_group", "USD"),
        cltv_tables.money_note(cells, value, "USD"),
        cltv_tables.textbook_note(textbook_formula.textbook(shop, forecast, new), "USD"),
        cltv_tables.models_table(comparison),
        cltv_tables.assumptions_table(checks),
        cltv_tables.rivals_table(tested),
        cltv_tables.gains_table(gains, forecast, "USD"),
        cltv_tables.churn_table(risk, churn_forecast, 0.5, "USD"),
        cltv_tables.new_customers_table(new, forecast, "USD"),
        cltv_tables.fits_table(customer_value.fits_table({"full": [purchases, value]})),
        cltv_figures.tracking_figure(tested),
        cltv_figures.by_week_figure(tested),
        cltv_figures.by_frequency_figure(tested),
        cltv_figures.by_alive_figure(tested),
        cltv_figures.lift_figure(tested),
        cltv_figures.value_by_tenth_figure(tenths),
    ]
    for page in pages:
        assert not re.search(r"\b(nan|inf)\b|∞", page.markup, re.IGNORECASE), page.text
    decision = wording.decide(forecast, tested, level, tenths, "USD", wording.list_failing(checks))
    assert np.isfinite([decision.value, decision.low, decision.high]).all()
    for table in (
        customer_value.customer_values(shop, forecast),
        implications.churn_warnings(shop, churn_forecast, 0.5),
    ):
        frame = shop.con.to_pandas(table)
        assert not knows_value or np.isfinite(frame.select_dtypes(float)).all().all()
    return forecast, checks.set_index("check"), decision


class TestSmallAndOddData:
    """Each has a clear sentence or a whole forecast, and no number that is none."""

    def test_one_customer(self, make_source, open_source):
        shop = open_source(make_source(orders=orders_of([[(0, 5.0), (30, 7.0), (200, 6.0)]])))
        with pytest.raises(NotEnoughData, match="Only 1 customer has bought on a second day"):
            counts.count_cells(shop)

    def test_free_orders_have_purchases_to_come_and_no_value(self, make_source, open_source):
        """With every amount 0 the purchases are those of the same orders at a price, and money is unknown, never 0."""
        paid = publish(open_source(make_source(orders=orders_of(regulars(1)))))[0]
        shop = open_source(make_source(orders=orders_of([[(day, 0.0) for day, _ in man] for man in regulars(1)])))
        forecast, checks, decision = publish(shop, knows_value=False)
        assert forecast.total("orders") == paid.total("orders")
        assert np.isnan([*forecast.total("spend"), *forecast.total("cltv")]).all()
        assert not {"refunds", "frequency_and_value"} & set(checks.index)
        assert decision.unit == "orders_per_week"
        assert decision.value == pytest.approx(forecast.total("orders")[0] / forecast.horizon_weeks)
        assert "What a purchase brings is not known" in decision.text
        values = shop.con.to_pandas(customer_value.customer_values(shop, forecast))
        assert values["expected_orders"].sum() == pytest.approx(forecast.total("orders")[0])
        assert values["p_alive"].between(0, 1).all()
        assert (
            values[["expected_value", "expected_low", "expected_high", "cltv", "cltv_low", "cltv_high"]]
            .isna()
            .all(axis=None)
        )

    def test_half_of_the_orders_free(self, make_source, open_source):
        rows = orders_of([[(day, 0.0) for day, _amount in person] for person in regulars(1)]).splitlines()
        paid = [row if i % 2 else row.rsplit(",", 1)[0] + ",9.5" for i, row in enumerate(rows[1:])]
        shop = open_source(make_source(orders="\n".join([rows[0], *paid]) + "\n"))
        assert counts.count_cells(shop)["customers"].sum() == len({row.split(",")[1] for row in paid})
        assert publish(shop)[0].total("spend")[0] > 0

    def test_all_amounts_equal(self, make_source, open_source):
        forecast, _checks, _decision = publish(open_source(make_source(orders=orders_of(regulars(1, amount=19.9)))))
        orders, spend = forecast.total("orders")[0], forecast.total("spend")[0]
        assert spend == pytest.approx(19.9 * orders, rel=1e-4)

    def test_refunds_above_purchases(self, make_source, open_source):
        people = [[*orders, (363, -3 * sum(amount for _day, amount in orders))] for orders in regulars(2)]
        _told, checks, decision = publish(open_source(make_source(orders=orders_of(people))))
        assert checks.loc["refunds", "status"] == "fail"
        assert "More was refunded than was paid" in checks.loc["refunds", "finding"]
        assert "The forecast fails the check of " in decision.caveat
        assert "refunds" in decision.caveat.partition("The forecast fails the check of ")[2]

    def test_a_customer_with_400_orders(self, make_source, open_source):
        days = np.arange(400) * 0.9
        busy = [(day, 10 + day % 7) for day in days]
        forecast, _checks, _decision = publish(open_source(make_source(orders=orders_of([*regulars(3), busy]))))
        best = forecast.cells.loc[forecast.cells["frequency"].idxmax()]
        # 360 days with a purchase in 360 days, each day one: no more than one a day is to be expected for 12 weeks.
        assert 60 < best["expected_orders"] < 1.02 * 84

    def test_nobody_ever_leaves(self, make_source, open_source):
        rng = np.random.default_rng(9)
        people = []
        for _who in range(300):
            days = np.unique(np.cumsum(rng.exponential(rng.uniform(20, 60), 60)).astype(int))
            people.append([(0, 10.0), *((day, rng.gamma(4, 5) + 0.01) for day in days if day < 364)])
        forecast, _checks, decision = publish(open_source(make_source(orders=orders_of(people))))
        assert forecast.purchases.status == "not_identified"
        assert "Drop-out is not identified" in decision.caveat
        value, low, high = forecast.total("orders")
        assert low < value < high


@pytest.mark.public_data
class TestWhereDropOutIsNotIdentified:
    """Public data on which plain optimisers overflow or end at a bound: said in words, and predicted all the same."""

    @pytest.mark.parametrize(
        ("source", "log_likelihood"), [("online_retail", -38_387.59), ("retail_transactions", None)]
    )
    def test_real_data(self, open_public, source, log_likelihood):
        forecast, _checks, decision = publish(open_public(source), horizon_weeks=26)
        assert forecast.purchases.model == "bg_nbd"
        assert forecast.purchases.status == "not_identified"
        assert not forecast.purchases.drop_out_identified
        assert "Drop-out is not identified" in decision.caveat
        if log_likelihood:
            assert forecast.purchases.log_likelihood == pytest.approx(log_likelihood, abs=0.01)
        value, low, high = forecast.total("cltv")
        assert 0 < low < value < high < 1.2 * value
