"""Each assumption held in a world that keeps it and broken in one that does not."""

import datetime as dt

import numpy as np
import pytest

from smsroi_helpers.cltv import assumptions, counts, wording
from smsroi_helpers.cltv.fitting import fit_purchases, fit_value
from tests.cltv_worlds import HEAD, START, world_as_csv

AS_OF = "2024-02-24"


def checked(shop, model="bg_nbd", holdout_weeks=26):
    cells, value_cells = counts.count_cells(shop), counts.count_value_cells(shop)
    found = assumptions.check_assumptions(
        shop, cells=cells, value_cells=value_cells, purchases=fit_purchases(cells, model),
        value=fit_value(value_cells), horizon_weeks=26, yearly_discount_rate=0.1, holdout_weeks=holdout_weeks,
    )  # fmt: skip
    table = wording.describe_assumptions(found)
    assert tuple(table["check"]) == assumptions.CHECKS
    assert table["finding"].str.len().min() > 10
    assert not table["finding"].str.contains("nan|inf", case=False, regex=True).any()
    return table.set_index("check")


@pytest.fixture
def sound(make_source, open_source):
    return lambda extra="", seed=5: open_source(make_source(orders=world_as_csv(seed) + extra), as_of=AS_OF)


def row(number, who, day, amount):
    return f"x{number},{who},{START + dt.timedelta(days=day):%Y-%m-%d %H:%M:%S},{amount:.2f}"


class TestOneByOne:
    def test_a_sound_world_passes_what_can_be_told(self, sound):
        table = checked(sound())
        for check in ("frequency_and_value", "refunds", "several_a_day", "older_than_log", "cohort_drift"):
            assert table.loc[check, "status"] == "pass", table.loc[check, "finding"]
        assert table.loc["season", "status"] == "warn"
        assert np.isnan(table.loc["season", "effect"])

    def test_refunds_that_began_late_go_on_at_the_later_share(self, sound):
        """4 % of all money, all in the later half: what the later half refunds is more than is deducted."""
        shop = sound()
        orders = shop.orders.execute()
        bought, days = orders["amount"].sum(), orders["ordered_at"].dt.date
        middle = shop.as_of - (shop.as_of - days.min()) / 2
        late = orders.loc[days > middle, "amount"].sum()
        lines = [row(i, f"c{i}", 300, -bought * 0.04 / 100) for i in range(100)]
        found = checked(sound("\n".join(lines) + "\n")).loc["refunds"]
        assert found["effect"] == pytest.approx((1 - 0.04 * bought / late) / 0.96 - 1, rel=1e-3)
        assert found["status"] == "warn"
        assert "4.0%" in found["finding"]

    def test_steady_refunds_pass(self, sound):
        lines = [line.split(",") for line in world_as_csv(5).splitlines()[1:]]
        back = [f"back{i},{who},{at},{-float(paid):.2f}" for i, (_id, who, at, paid) in enumerate(lines) if i % 5 == 0]
        found = checked(sound("\n".join(back) + "\n")).loc["refunds"]
        assert found["status"] == "pass"
        assert abs(found["effect"]) < 0.1

    def test_orders_of_one_day_are_counted(self, sound):
        lines = world_as_csv(5).splitlines()[1:]
        again = "\n".join(f"again-{line}" for line in lines[::4]) + "\n"
        found = checked(sound(again)).loc["several_a_day"]
        assert found["status"] == "warn"
        assert found["effect"] == 0
        before = checked(sound()).loc["several_a_day"]
        share = [float(each["finding"].split("%")[0]) for each in (before, found)]
        assert share[1] - share[0] == pytest.approx(25 * (1 + share[0] / 100), abs=0.5)

    def test_value_that_hangs_on_frequency_is_seen(self, make_source, open_source):
        lines = [line.split(",") for line in world_as_csv(5).splitlines()[1:]]
        times = {}
        for line in lines:
            times[line[1]] = times.get(line[1], 0) + 1
        dear = [f"{number},{who},{at},{float(amount) * times[who] ** 0.5:.2f}" for number, who, at, amount in lines]
        shop = open_source(make_source(orders=HEAD + "\n".join(dear) + "\n"), as_of=AS_OF)
        found = checked(shop).loc["frequency_and_value"]
        assert found["status"] in ("warn", "fail")

    def test_a_log_that_begins_in_the_middle_is_seen(self, make_source, open_source):
        """The same world with its first 100 days cut off: its customers of then look new as they come back."""
        cut = START + dt.timedelta(days=100)
        lines = [line for line in world_as_csv(5, customers=4000).splitlines()[1:] if line.split(",")[2] >= str(cut)]
        shop = open_source(make_source(orders=HEAD + "\n".join(lines) + "\n"), as_of=AS_OF)
        found = checked(shop).loc["older_than_log"]
        assert found["status"] != "pass" or abs(found["effect"]) < assumptions.WARN_EFFECT
        assert found["effect"] != 0
        assert "older than the log" in found["finding"]

    def test_who_joined_before_the_log_is_known_where_it_is_said(self, make_source, open_source):
        people = ["customer_id,joined_at"]
        people += [f"c{i},{'2022-06-01' if i < 300 else '2023-03-01'}" for i in range(1500)]
        source = make_source(orders=world_as_csv(5), customers="\n".join(people) + "\n")
        found = checked(open_source(source, as_of=AS_OF)).loc["older_than_log"]
        assert found["finding"].startswith("20%")

    def test_cohorts_of_two_kinds_are_seen(self, make_source, open_source):
        """Those of the second half buy three times as often."""
        lines = world_as_csv(5).splitlines()[1:]
        late = world_as_csv(6, shares=(0.0, 0.0, 1.0))[0]
        shifted = []
        for line in late.splitlines()[1:]:
            number, who, at, amount = line.split(",")
            moment = dt.datetime.fromisoformat(at) + dt.timedelta(days=120)
            shifted.append(f"late-{number},late-{who},{moment},{amount}")
        orders = HEAD + "\n".join([*lines, *shifted]) + "\n"
        found = checked(open_source(make_source(orders=orders), as_of=AS_OF)).loc["cohort_drift"]
        assert "buy otherwise" in found["finding"]
        assert found["status"] == ("pass" if abs(found["effect"]) < 0.02 else "warn")

    def test_a_season_a_year_earlier_is_seen(self, make_source, open_source):
        """Three years at an even pace, but for twice as many orders in each December: the test of 4 weeks ends then."""
        rng = np.random.default_rng(4)
        lines = []
        for number in range(24_000):
            day = int(rng.integers(0, 1095))
            moment = dt.date(2021, 1, 1) + dt.timedelta(days=day)
            if moment.month != 12 and rng.random() < 0.5:
                continue
            lines.append(f"{number},c{rng.integers(0, 800)},{moment},{rng.gamma(3, 8) + 0.01:.2f}")
        shop = open_source(make_source(orders=HEAD + "\n".join(lines) + "\n"), as_of="2023-12-31")
        found = checked(shop, holdout_weeks=4).loc["season"]
        # Twice the pace against a year of 48 weeks at 1 and 4 at 2: 2 / (56 / 52) − 1.
        assert found["effect"] == pytest.approx(2 / (56 / 52) - 1, abs=0.15)
        assert found["status"] == "fail"
        assert checked(shop, holdout_weeks=52).loc["season", "status"] == "pass"

    def test_one_time_buyers_hang_on_the_model(self, sound):
        shop = sound()
        there, back = checked(shop, "bg_nbd").loc["one_time_buyers"], checked(shop, "mbg_nbd").loc["one_time_buyers"]
        assert (1 + there["effect"]) * (1 + back["effect"]) == pytest.approx(1, rel=1e-9)
        assert "MBG/NBD" in there["finding"]
        assert " BG/NBD" in back["finding"]

    def test_what_fails_is_named(self, sound):
        table = checked(sound()).reset_index()
        assert wording.list_failing(table.assign(status="pass")) == []
        failing = wording.list_failing(table.assign(status="fail"))
        assert len(failing) == len(table)
        assert f"The forecast fails the check of {failing[0]}, {failing[1]}" in wording._describe_failing(failing)
