"""From orders to each customer's value: counted like another library, adding up, honest when tested."""

import datetime as dt
import gzip
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from lifetimes.utils import summary_data_from_transaction_data

from smsroi_helpers import cltv
from smsroi_helpers.errors import NotEnoughData
from smsroi_helpers.purchase_models import expected_orders, fit_purchases, fit_value
from smsroi_helpers.reading import load
from smsroi_helpers.shop import open_shop
from tests.reference import cdnow


@pytest.fixture(scope="module")
def shop(cdnow_shop):
    return cdnow_shop("1997-09-30")


@pytest.fixture(scope="module")
def fits(shop):
    cells = cltv.count_cells(shop)
    return cells, fit_purchases(cells, "bg_nbd"), fit_value(cltv.count_value_cells(shop))


def told_of(fits, **changes):
    settings = {"horizon_weeks": 39, "yearly_discount_rate": 0.1, "margin": 0.3, "rng": np.random.default_rng(1)}
    return cltv.forecast(*fits, **{**settings, **changes})


@pytest.fixture(scope="module")
def told(fits):
    return told_of(fits)


@pytest.fixture(scope="module")
def table(shop, told, tmp_path_factory):
    file = tmp_path_factory.mktemp("values") / "customer_value.parquet"
    assert shop.write(cltv.customer_values(shop, told), file) == 2_357
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
        cells = cltv.count_cells(cdnow_shop("1998-06-30"), until=dt.date(1997, 9, 30))
        assert cells["later_purchases"].sum() == cdnow.HOLDOUT_REPEATS

    def test_nobody_came_back(self, make_source, open_source):
        lines = [f"{i},c{i},2024-01-{1 + i % 28:02},5" for i in range(200)]
        shop = open_source(make_source(orders="order_id,customer_id,ordered_at,amount\n" + "\n".join(lines) + "\n"))
        with pytest.raises(NotEnoughData, match="Only 0 customers have bought on a second day"):
            cltv.count_cells(shop)

    def test_a_log_of_three_weeks(self, make_source, open_source):
        lines = [f"{i},c{i // 2},2024-01-{1 + 10 * (i % 2):02},5" for i in range(200)]
        shop = open_source(make_source(orders="order_id,customer_id,ordered_at,amount\n" + "\n".join(lines) + "\n"))
        with pytest.raises(NotEnoughData, match="The log covers 10 days"):
            cltv.count_cells(shop)


class TestForecast:
    def test_customers_add_up_to_the_published_repeats(self, table):
        assert table["expected_orders"].sum() == pytest.approx(cdnow.EXPECTED_REPEATS["bg_nbd"], abs=0.06)

    def test_customers_add_up_to_the_totals(self, told, table):
        for measure, column in (("orders", "expected_orders"), ("spend", "expected_value"), ("cltv", "cltv")):
            value, low, high = told.total(measure)
            assert table[column].sum() == pytest.approx(value, rel=1e-9)
            assert low < value < high

    def test_intervals_hold_their_estimates(self, table):
        assert (table["expected_low"] < table["expected_value"]).all()
        assert (table["expected_value"] < table["expected_high"]).all()
        assert (table["cltv_low"] <= table["cltv_high"]).all()
        assert table.notna().all().all()
        assert np.isfinite(table.select_dtypes(float)).all().all()

    def test_without_discount_value_is_margin_times_spend(self, fits):
        told = told_of(fits, yearly_discount_rate=0.0)
        assert told.total("cltv")[0] == pytest.approx(0.3 * told.total("spend")[0], rel=1e-9)

    def test_discounting_is_by_the_end_of_the_month(self, fits):
        cells, purchases, _value = fits
        month, rate = cltv.WEEKS_A_YEAR / 12, 0.5
        by_hand, so_far = 0.0, 0.0
        for k, end in enumerate((month, 2 * month, 10.0), start=1):
            by_then = expected_orders(purchases, cells, end)
            years = min(k * month, 10.0) / cltv.WEEKS_A_YEAR
            by_hand, so_far = by_hand + (by_then - so_far) / 1.5**years, by_then
        assert cltv.discounted_orders(purchases, cells, 10, rate) == pytest.approx(by_hand, rel=1e-12)

    @pytest.mark.parametrize(
        ("change", "measure", "factor"),
        [({"margin": 0.6}, "cltv", 2.0), ({"margin": 0.6}, "spend", 1.0), ({"margin": 0.6}, "orders", 1.0)],
    )
    def test_the_margin_changes_profit_and_nothing_else(self, fits, told, change, measure, factor):
        changed = told_of(fits, **change).total(measure)[0]
        assert changed / told.total(measure)[0] == pytest.approx(factor, rel=1e-9)

    def test_twice_the_time_brings_more_but_not_twice_as_much(self, fits, told):
        """Some leave on the way."""
        changed = told_of(fits, horizon_weeks=78).total("orders")[0]
        assert 1.5 < changed / told.total("orders")[0] < 2

    def test_the_seed_moves_predictive_intervals_only(self, fits, told):
        other = told_of(fits, rng=np.random.default_rng(2))
        assert other.total("cltv")[0] == told.total("cltv")[0]
        assert not other.cells["spend_high"].equals(told.cells["spend_high"])

    def test_money_that_has_no_finite_mean_is_no_number(self, fits):
        cells, purchases, value = fits
        wild = replace(value, parameters={"p": 2.0, "q": 0.9, "v": 3.0})
        with pytest.raises(NotEnoughData, match="946 customers who came back"):
            told_of((cells, purchases, wild))

    def test_the_tenths_hold_everybody_and_all_the_value(self, shop, told):
        tenths = cltv.value_by_tenth(shop, told)
        assert tenths["tenth"].tolist() == list(range(1, 11))
        assert tenths["customers"].sum() == 2_357
        assert tenths["cltv"].sum() == pytest.approx(told.total("cltv")[0])
        assert tenths["share"].sum() == pytest.approx(1)
        assert tenths["share"].is_monotonic_decreasing
        assert ((tenths["low"] < tenths["share"]) & (tenths["share"] < tenths["high"])).all()


def test_the_same_orders_in_every_form_leave_the_same_bytes(shop, tmp_path):
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
    for form, make in forms.items():
        folder = tmp_path / form
        folder.mkdir()
        (folder / "source.yml").write_text("timezone: America/New_York\n")
        make(folder)
        same = open_shop(load(folder, folder / ".loaded"), "1997-09-30", folder / ".cache")
        cells = cltv.count_cells(same)
        told = told_of((cells, fit_purchases(cells, "bg_nbd"), fit_value(cltv.count_value_cells(same))))
        same.write(cltv.customer_values(same, told), folder / "customer_value.parquet")
        left[form] = (folder / "customer_value.parquet").read_bytes()
    assert [form for form, table in left.items() if table != left["parquet"]] == []


def world_as_csv(seed, customers=1500, days=420):
    """Orders of a BG/NBD population with gamma–gamma money, in whole days, as a source file."""
    rng = np.random.default_rng(seed)
    rate = rng.gamma(0.6, 1 / 35.0, customers)  # purchases a day
    leaves = rng.beta(0.9, 2.6, customers)
    joined = rng.integers(0, 90, customers)
    scale = rng.gamma(4.0, 1 / 16.0, customers)
    lines = []
    for i in range(customers):
        at, bought = float(joined[i]) + rng.random(), 0
        while at < days:
            amount = rng.gamma(6.0, 1 / scale[i]) if scale[i] > 0 else 0
            moment = dt.datetime(2023, 1, 1) + dt.timedelta(days=at)
            lines.append(f"{i}-{bought},c{i},{moment:%Y-%m-%d %H:%M:%S},{amount:.2f}")
            bought += 1
            if bought > 1 and rng.random() < leaves[i]:
                break
            at += rng.exponential(1 / rate[i])
    return "order_id,customer_id,ordered_at,amount\n" + "\n".join(lines) + "\n"


class TestHoldout:
    def test_cdnow_is_foretold_too_low_and_the_answer_says_so(self, cdnow_shop):
        tested = cltv.holdout_test(
            cdnow_shop("1998-06-30"), model="bg_nbd", horizon_weeks=39, holdout_weeks=39, rng=np.random.default_rng(1)
        )
        assert (tested.split, tested.weeks, tested.actual) == (dt.date(1997, 9, 30), 39, cdnow.HOLDOUT_REPEATS)
        assert tested.predicted == pytest.approx(cdnow.EXPECTED_REPEATS["bg_nbd"], abs=0.06)
        assert tested.bias == pytest.approx(1653.4 / 1882 - 1, abs=1e-4)
        by_group = tested.by_frequency
        assert by_group["customers"] @ by_group["actual"] == pytest.approx(cdnow.HOLDOUT_REPEATS)
        assert by_group["customers"] @ by_group["predicted"] == pytest.approx(tested.predicted)
        last = tested.by_week.iloc[-1]
        assert last["actual"] == cdnow.CALIBRATION["repeats"] + cdnow.HOLDOUT_REPEATS
        assert last["expected"] == pytest.approx(cdnow.CALIBRATION["repeats"] + tested.predicted, rel=1e-3)
        assert tested.missed

    def test_a_sound_model_holds_its_interval(self, tmp_path, open_source):
        """40 companies that are as the model says: what happens lies within the interval as often as it claims."""
        held = 0
        for seed in range(40):
            folder = tmp_path / f"world-{seed}"
            folder.mkdir()
            (folder / "orders.csv").write_text(world_as_csv(seed))
            shop = open_source(folder, as_of="2024-02-24")
            tested = cltv.holdout_test(
                shop, model="bg_nbd", horizon_weeks=26, holdout_weeks=0, rng=np.random.default_rng(seed)
            )
            assert tested.weeks == 26
            held += not tested.missed
        assert held / 40 >= 0.95 - 0.01 - 2.5 * np.sqrt(0.0475 / 40)

    @pytest.mark.parametrize(("asked", "kept_back"), [(0, 38), (12, 12)])
    def test_how_much_is_kept_back(self, cdnow_shop, asked, kept_back):
        tested = cltv.holdout_test(
            cdnow_shop("1998-06-30"),
            model="bg_nbd",
            horizon_weeks=52,
            holdout_weeks=asked,
            rng=np.random.default_rng(1),
        )
        assert tested.weeks == kept_back


class TestDecision:
    @pytest.fixture(scope="class")
    def tested(self, cdnow_shop):
        return cltv.holdout_test(
            cdnow_shop("1998-06-30"), model="bg_nbd", horizon_weeks=39, holdout_weeks=39, rng=np.random.default_rng(1)
        )

    @pytest.mark.parametrize(
        ("actual", "words", "stretched"),
        [(1882, "Likely too low", "high"), (1653, "Tested on the last", ""), (1100, "Likely too high", "low")],
    )
    def test_the_wording_and_the_interval_follow_the_test(self, shop, told, tested, actual, words, stretched):
        tenths = cltv.value_by_tenth(shop, told)
        decision = cltv.decide(told, replace(tested, actual=actual), tenths, "USD")
        value, low, high = (x / 39 for x in told.total("cltv"))
        assert decision.caveat.startswith(words)
        assert decision.value == value
        assert (decision.low < low - 1e-9) == (stretched == "low")
        assert (decision.high > high + 1e-9) == (stretched == "high")
        assert (decision.evidence, decision.kind, decision.unit) == ("none", "forecast", "money_per_week")
        assert not {"lift", "uplift", "caused", "incremental"} & set(
            f"{decision.action} {decision.text}".lower().split()
        )

    def test_every_parameter_of_every_fit_is_in_the_table(self, fits, tested):
        table = cltv.fits_table(fits[1], tested.purchases, fits[2])
        assert table.groupby(["model", "fit"]).size().to_dict() == {
            ("bg_nbd", "calibration"): 4, ("bg_nbd", "full"): 4, ("gamma_gamma", "full"): 3,
        }  # fmt: skip
        assert ((table["low"] < table["value"]) & (table["value"] < table["high"])).all()
