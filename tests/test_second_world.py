"""The second simulated company: its tables are sound, what happens in it is what its truth says, and null is null.

The hazards of single texts are written out here once more, from the raw tables' times, apart from `Truth`.
"""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2_contingency

from smsroi_helpers.measures.quiet_hours import rule_of
from smsroi_helpers.source.read import load
from tests.second_world import CLASSES, CREATIVES, DOSES, GRID, WINDOWS, ZONES, draw_world, write_company
from tests.second_world.plan import make_plan
from tests.second_world.world import DELIVERED, TRIED_HOURS
from tests.second_world.write import Company, truth_of

CUSTOMERS, WEEKS, SEED = 2_000, 40, 3
ERRORS = 4.5
"""Standard errors allowed where some dozens of counts are compared."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("second") / "shop"


@pytest.fixture(scope="module")
def truth(folder):
    return write_company(folder, customers=CUSTOMERS, weeks=WEEKS, seed=SEED)


@pytest.fixture(scope="module")
def texts(folder, truth):
    """Every delivered text with its reader's truth, its local time and its place among the week's texts."""
    sent = pd.read_parquet(folder / "messages.parquet")
    people = pd.read_parquet(folder / "customers.parquet")[["customer_id", "timezone"]]
    people = people.assign(row=range(len(people)), kind=truth.people.kind)
    rows = sent.merge(people, on="customer_id")
    parts = [
        own.assign(local=own["sent_at"].dt.tz_convert(zone).dt.tz_localize(None))
        for zone, own in rows.groupby("timezone")
    ]
    rows = pd.concat(parts).sort_values("local")
    rows["hour"], rows["weekday"] = rows["local"].dt.hour, rows["local"].dt.weekday
    week = rows["local"].dt.to_period("W-SUN")
    rows["position"] = rows.groupby(["customer_id", week]).cumcount()
    rows["text"] = rows["variant"].map(CREATIVES.index)
    day = (rows["local"].dt.normalize() - pd.Timestamp(truth.plan.first_day)).dt.days
    rows["reads"] = truth.people.lost_on[rows["row"]] > day
    return rows[rows["delivered_at"].notna()]


def within(seen, expected, variance, errors=ERRORS):
    return abs(seen - expected) <= errors * np.sqrt(variance) + 1e-9


def test_its_tables_are_read_without_a_finding(folder, truth, tmp_path):
    loaded = load(folder, tmp_path)
    assert [finding.rule for finding in loaded.findings] == []
    assert loaded.tables["customers"].rows_in == CUSTOMERS
    assert {"customers", "orders", "messages", "campaigns", "creatives", "experiments", "arms", "assignments"} == set(
        loaded.tables
    )


def test_one_zone_has_no_rule_and_the_others_have():
    assert [rule_of(zone) == ("careful",) for zone in ZONES] == [False, False, True]


def click_probability(world, people, rows):
    hour = rows["hour"].to_numpy() + 0.5
    kind, row = rows["kind"].to_numpy(), rows["row"].to_numpy()
    height = world.noon[kind] * np.exp(-(((hour - world.noon_at[kind]) / world.noon_width[kind]) ** 2) / 2)
    height += world.evening[kind] * np.exp(-(((hour - 18.7) / 1.4) ** 2) / 2)
    height += world.morning[kind] * np.exp(-(((hour - 9.5) / 1.2) ** 2) / 2)
    height -= 0.3 * ((hour < 8) | (hour > 21))
    height += world.weekday[kind, rows["weekday"]] + world.creative[kind, rows["text"]]
    height -= world.wear[kind] * np.log(rows["position"] + 1)
    return (1 - np.exp(-people.click[row] * np.exp(height))) * rows["reads"].to_numpy()


@pytest.mark.parametrize("by", ["kind", "hour", "weekday", "position", "text", "timezone"])
def test_texts_are_clicked_as_often_as_stated(by, truth, texts):
    p = click_probability(truth.world, truth.people, texts)
    found = (
        texts.assign(p=p, v=p * (1 - p), clicked=texts["clicked_at"].notna()).groupby(by)[["clicked", "p", "v"]].sum()
    )
    assert len(found) > 1
    assert all(within(row.clicked, row.p, row.v) for row in found.itertuples()), found


def test_texts_make_people_opt_out_as_often_as_stated(truth, texts):
    world, row = truth.world, texts["row"].to_numpy()
    late = np.where((texts["hour"] < 9) | (texts["hour"] >= 20), 1.6, 1.0)
    hazard = truth.people.leave[row] * world.annoyance[texts["kind"], texts["position"]] * late
    p = (1 - np.exp(-hazard * np.exp(world.creative_annoyance[texts["text"]]))) * texts["reads"].to_numpy()
    found = texts.assign(p=p, left=texts["opted_out_at"].notna()).groupby("position")[["left", "p"]].sum()
    assert all(within(each.left, each.p, each.p) for each in found.itertuples()), found
    by_class = texts.assign(p=p, left=texts["opted_out_at"].notna()).groupby("kind")[["left", "p"]].sum()
    assert all(within(each.left, each.p, each.p) for each in by_class.itertuples()), by_class


def test_the_lost_do_not_click_and_leave_no_opt_out(truth, texts):
    lost = texts[~texts["reads"]]
    assert len(lost) > 1_000
    assert lost["clicked_at"].isna().all()
    assert lost["opted_out_at"].isna().all()
    still = truth.subscribed & ~truth.reads()
    assert still.sum() > 0.1 * truth.subscribed.sum(), "natural loss is unseen in the consent"


def test_the_arms_of_the_timing_test_are_clicked_as_the_truth_of_windows_says(truth, texts):
    """The truth averages over weekdays, creatives and the order of a week's texts."""
    own = texts[texts["campaign_id"].str.startswith("which-window")]
    own = own[truth.reads()[own["row"]]]  # who reads when the log ends has read all along
    stated = truth.clicks_by_window(WINDOWS)
    for number, (first, end) in enumerate(WINDOWS):
        arm = own[(own["hour"] >= first) & (own["hour"] < end)]
        p = stated[arm["row"], number]
        assert within(arm["clicked_at"].notna().sum(), p.sum(), (p * (1 - p)).sum()), (first, p.mean())


def test_a_week_of_each_dose_brings_what_the_truth_of_doses_says():
    """Opt-outs and profit before order noise in the first week of the test of doses, over many customers."""
    world = draw_world(SEED)
    company = Company(world, make_plan(world, 38), 12_000)
    company.run()
    sent = {name: np.concatenate([part[name] for part in company.sent]) for name in company.sent[0]}
    first = 7 * company.plan.trial("frequency").first_week
    truth = truth_of(company)
    for number, dose in enumerate(DOSES):
        members = company.arm["frequency"] == number
        of_week = (sent["day"] >= first) & (sent["day"] < first + 7) & members[sent["customer"]]
        stated = truth.value((float(dose),), TRIED_HOURS, day=first + 3)
        opted_out = sent["leaves"][of_week].sum()
        expected = stated.opt_out[members, 0].sum()
        assert within(opted_out, expected, expected), (dose, opted_out, expected)
        order = world.margin * world.order_mean[company.people.kind[sent["customer"][of_week]]]
        profit = (sent["buys"][of_week] * order - world.cost).sum()
        variance = (sent["buys"][of_week] * order**2).sum() + 1.0
        assert within(profit, stated.profit[members, 0].sum(), variance), (dose, profit)


def test_the_long_run_value_is_the_sum_of_discounted_weeks(truth):
    """V of one customer who leaves and is lost at random, drawn week by week."""
    who = int(np.argmax(truth.subscribed & truth.reads() & (truth.people.kind == CLASSES.index("hunters"))))
    value = truth.value((2.0,))
    m, h, c = value.profit[who, 0], value.opt_out[who, 0], truth.loss[who]
    rng = np.random.default_rng(5)
    stays = rng.geometric(1 - (1 - h) * (1 - c), 40_000)
    sums = (
        m
        * (1 - (1 + truth.world.weekly_discount) ** -stays.astype(float))
        / (1 - 1 / (1 + truth.world.weekly_discount))
    )
    assert within(sums.mean(), value.long_run[who, 0], sums.var() / len(sums))


def test_opt_outs_by_dose_differ_in_shape_between_classes(truth):
    h = truth.value((1.0, 4.0)).mean(truth.classes, truth.subscribed, "opt_out").loc[list(CLASSES)]
    times = (h[1] / h[0]).to_numpy()
    assert times.max() > 2 * times.min(), times
    assert (times > 1).all()


def test_half_a_text_a_week_is_half_of_one(truth):
    value = truth.value((0.5, 1.0))
    assert np.allclose(2 * value.profit[:, 0], value.profit[:, 1])
    assert np.allclose(2 * value.opt_out[:, 0], value.opt_out[:, 1])


def test_the_value_of_groups_is_the_mean_of_their_members_and_adds_up(truth):
    value, labels = truth.value(), np.array(["a", "b"])[np.arange(CUSTOMERS) % 2]
    found = value.mean(labels, truth.subscribed)
    weight = pd.Series(labels[truth.subscribed]).value_counts(normalize=True)
    assert np.allclose(found.loc["all"], found.loc["a"] * weight["a"] + found.loc["b"] * weight["b"])
    assert list(found.index) == ["a", "b", "all"]


def test_a_policy_of_one_hour_and_dose_for_all_is_that_policy(truth):
    n = CUSTOMERS
    same = truth.value_of(np.full(n, 12), np.full(n, 2.0), np.full(n, 1))
    assert np.allclose(same.long_run, truth.value((2.0,), (12, 13), 1).long_run[:, 0])
    dose = np.where(np.arange(n) < 1_000, 1.0, 4.0)
    mixed = truth.value_of(np.full(n, 12), dose, np.full(n, -1))
    both = truth.value((1.0, 4.0), (12, 13))
    assert np.allclose(mixed.long_run, np.where(dose == 1, both.long_run[:, 0], both.long_run[:, 1]))


def test_the_practice_is_what_the_log_of_its_weeks_shows(truth, texts):
    """Hours by customer, and the texts of those weeks priced one by one."""
    start = truth.last_day + 1 - 7 * 8
    day = (texts["local"].dt.normalize() - pd.Timestamp(truth.plan.first_day)).dt.days
    own = texts[(day >= start) & truth.subscribed[texts["row"]]]
    shares = own.groupby(["timezone", "hour"]).size().groupby("timezone").transform(lambda n: n / n.sum())
    hours = truth.practice_hours()
    for zone, hour in shares.index:
        row = int(np.argmax(truth.people.zone == ZONES.index(zone)))
        assert abs(hours[row, hour] - shares[zone, hour]) < 0.02
    people = truth.subscribed & (truth.people.lost_on > truth.last_day)
    own = own[people[own["row"]]]
    p = click_probability(truth.world, truth.people, own) * truth.profit_per_click[own["row"]] - truth.world.cost
    assert np.isclose(p.sum() / 8 / people.sum(), truth.practice().profit[people].mean(), rtol=0.03)


def test_a_null_company_has_no_effects(tmp_path):
    truth = write_company(tmp_path / "null", customers=CUSTOMERS, weeks=38, seed=SEED, null=True)
    value = truth.value()
    assert not value.profit.any()
    assert not value.opt_out.any()
    assert not value.long_run.any()
    assert value.loss.min() > 0
    assert not truth.practice().profit.any()
    assert np.ptp(truth.clicks_by_window(WINDOWS), axis=1).max() < 1e-12
    sent = pd.read_parquet(tmp_path / "null" / "messages.parquet")
    assert sent["opted_out_at"].isna().all()
    assert sent["cost"].eq(0).all()
    assert sent["clicked_at"].notna().mean() > 0.02
    assigned = pd.read_parquet(tmp_path / "null" / "assignments.parquet")
    own = assigned[assigned["experiment_id"] == "which-window"].set_index("customer_id")["arm"]
    rows = sent[sent["campaign_id"].str.startswith("which-window")].assign(arm=lambda s: s["customer_id"].map(own))
    per_customer = rows.groupby(["arm", "customer_id"])["clicked_at"].count().gt(0).groupby("arm").agg(["sum", "count"])
    table = np.column_stack([per_customer["sum"], per_customer["count"] - per_customer["sum"]])
    assert chi2_contingency(table).pvalue > 1e-3
    withdrawn = pd.read_parquet(tmp_path / "null" / "customers.parquet")["opted_out_at"].notna()
    assert withdrawn.any(), "people withdraw consent without texts"


def test_the_same_seed_gives_the_same_company_and_another_seed_another(tmp_path):
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        write_company(tmp_path / name, customers=300, weeks=38, seed=seed)
    a, b, c = (pd.read_parquet(tmp_path / name / "messages.parquet") for name in "abc")
    pd.testing.assert_frame_equal(a, b)
    assert len(a) != len(c) or not a.equals(c)
    assert draw_world(5).click[0] != draw_world(6).click[0]


def test_the_share_delivered_and_the_split_are_as_planned(folder, truth):
    sent = pd.read_parquet(folder / "messages.parquet")
    n = len(sent)
    assert within(sent["delivered_at"].notna().sum(), DELIVERED * n, DELIVERED * (1 - DELIVERED) * n)
    assert len(GRID) == truth.value().profit.shape[1]
    for trial in truth.plan.trials:
        arms = np.bincount(truth.assigned[trial.key][truth.assigned[trial.key] >= 0], minlength=len(trial.arms))
        total = arms.sum()
        for count, arm in zip(arms, trial.arms, strict=True):
            assert within(count, arm.share * total, total * arm.share * (1 - arm.share))
