"""The second simulator's weeks after its log: the log stays, the plan is sent, and the truth is of its texts."""

import itertools

import numpy as np
import pandas as pd
import pytest

from tests.second_world import CREATIVES, DAYS, write_company
from tests.second_world.world import DELIVERED

CUSTOMERS, LATER, SEED = 1_500, 8, 4
KEYS = {"customers": "customer_id", "messages": "message_id", "orders": "order_id", "assignments": None}


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    to = tmp_path_factory.mktemp("second-later") / "log"
    return to, write_company(to, customers=CUSTOMERS, seed=SEED)


@pytest.fixture(scope="module")
def end(log):
    plan = log[1].plan
    return pd.Timestamp(plan.first_day, tz="Europe/Paris") + pd.Timedelta(weeks=plan.weeks)


@pytest.fixture(scope="module")
def plan(log, end):
    """Three texts a week on Monday, Tuesday or Wednesday, and so on, in hours that are after the log everywhere."""
    rng, n = np.random.default_rng(5), CUSTOMERS
    parts = []
    for week, place in itertools.product(range(LATER), range(3)):
        day = pd.to_timedelta(7 * week + 2 * place + rng.integers(0, 2, n), "D")
        hour = pd.to_timedelta(rng.integers(9 * 3600, 20 * 3600, n), "s")
        text = np.array([*CREATIVES, None])[rng.integers(0, len(CREATIVES) + 1, n)]
        parts.append(pd.DataFrame({"customer_id": log[1].ids, "plan_id": f"plan-{week // 4}", "variant": text,
                                   "local": end.tz_localize(None) + day + hour}))  # fmt: skip
    every = pd.concat(parts, ignore_index=True)
    zones = pd.read_parquet(log[0] / "customers.parquet").set_index("customer_id")["timezone"]
    zone = every["customer_id"].map(zones)
    sent = [rows.dt.tz_localize(name).dt.tz_convert("UTC") for name, rows in every["local"].groupby(zone)]
    return every.assign(send_at=pd.concat(sent))


@pytest.fixture(scope="module")
def later(log, plan):
    to = log[0].parent / "later"
    return to, write_company(to, customers=CUSTOMERS, seed=SEED, plan=plan, later_weeks=LATER)


def as_of(folder, name, instant):
    frame = pd.read_parquet(folder / f"{name}.parquet")
    event = next((c for c in ("sent_at", "ordered_at") if c in frame), None)
    frame = frame if event is None else frame[frame[event] < instant]
    times = frame.select_dtypes("datetimetz").columns
    frame = frame.assign(**{each: frame[each].where(frame[each] < instant) for each in times})
    return frame.drop(columns="plan_id", errors="ignore").reset_index(drop=True)


def assert_prefix(short, long, instant):
    for name, key in KEYS.items():
        old, new = as_of(short, name, instant), as_of(long, name, instant)
        if key:
            assert not new[key].duplicated().any()
        pd.testing.assert_frame_equal(old, new)


def test_the_log_is_the_same_with_and_without_later_weeks(log, later, end):
    assert_prefix(log[0], later[0], end)


def test_further_weeks_do_not_change_earlier_ones(log, plan, later, end):
    half = end + pd.Timedelta(weeks=LATER // 2)
    to = log[0].parent / "half"
    write_company(to, customers=CUSTOMERS, seed=SEED, plan=plan[plan["send_at"] < half], later_weeks=LATER // 2)
    assert_prefix(to, later[0], half)


@pytest.fixture(scope="module")
def texts(later, plan, end):
    """The plan's texts that were sent, each with its reader's truth."""
    sent = pd.read_parquet(later[0] / "messages.parquet")
    sent = sent[sent["sent_at"] >= end]
    rows = sent.merge(plan.assign(sent_at=plan["send_at"].astype(sent["sent_at"].dtype)),
                      on=["customer_id", "sent_at", "plan_id"], suffixes=("", "_asked"))  # fmt: skip
    assert len(rows) == len(sent), "nothing but the plan is sent"
    assert (rows["variant_asked"].isna() | (rows["variant"] == rows["variant_asked"])).all()
    rows["row"] = pd.Index(later[1].ids).get_indexer(rows["customer_id"])
    rows = rows.sort_values(["row", "local"])
    rows["week"] = (rows["local"] - end.tz_localize(None)).dt.days // 7
    rows["position"] = rows.groupby(["row", "week"]).cumcount()
    return rows


def test_whoever_is_still_subscribed_gets_the_plan(later, plan, texts):
    people = pd.read_parquet(later[0] / "customers.parquet").set_index("customer_id")
    gone = plan["customer_id"].map(people["opted_out_at"])
    subscribed = plan["customer_id"].map(people["opted_in_at"]).notna() & ~(gone <= plan["send_at"])
    assert 0 < subscribed.sum() < len(plan)
    assert len(texts) == subscribed.sum()


def test_what_planned_texts_bring_is_what_the_truth_says(later, texts):
    """Clicks and opt-outs after delivered texts, with the hazards of `world`; four standard errors."""
    truth = later[1]
    world, people = truth.world, truth.people
    known = texts[texts["delivered_at"].notna() & (texts["week"] < LATER - 1)]
    row, hour, day = known["row"].to_numpy(), known["local"].dt.hour.to_numpy(), known["local"].dt.weekday.to_numpy()
    text, position = known["variant"].map(CREATIVES.index).to_numpy(), known["position"].to_numpy()
    kind = people.kind[row]
    when = (known["local"].dt.normalize() - pd.Timestamp(truth.plan.first_day)).dt.days.to_numpy()
    reads = people.lost_on[row] > when
    effect = world.click_effects()[kind, hour, day, text] * (position + 1.0) ** -world.wear[kind]
    hazard = people.leave[row] * world.annoyance[kind, position] * world.annoyance_effects()[hour, text]
    for happened, hazards in (
        (known["clicked_at"].notna(), people.click[row] * effect), (known["opted_out_at"].notna(), hazard),
    ):  # fmt: skip
        p = reads * -np.expm1(-hazards)
        assert p.sum() > 50
        assert abs(happened.sum() - p.sum()) < 4 * np.sqrt((p * (1 - p)).sum())


def test_customers_go_on_buying(log, later, end):
    """Orders without texts: as many a week as in the log's last weeks, of those who still buy, up to the season."""
    orders = pd.read_parquet(later[0] / "orders.parquet")
    in_log, after = ((orders["ordered_at"] >= start) & (orders["ordered_at"] < start + pd.Timedelta(weeks=LATER))
                     for start in (end - pd.Timedelta(weeks=LATER), end))  # fmt: skip
    people = later[1].people
    middle = later[1].plan.days - 7 * LATER // 2
    rate = people.buy[people.stops_on > middle].sum() * LATER
    assert 0.6 * rate < after.sum() < 1.6 * rate
    assert 0.6 < after.sum() / in_log.sum() < 1.5


@pytest.mark.parametrize("dose", [1, 2, 3])
def test_the_truth_of_texts_averages_to_that_of_their_number(log, dose):
    """Any d of the six days of a week are equally likely in `value`; here every choice is priced and averaged."""
    truth = log[1]
    n, every = len(truth.people), np.arange(len(truth.people))
    choices = list(itertools.combinations(range(DAYS), dose))
    found = []
    for days in choices:
        customer, weekday = np.repeat(every, dose), np.tile(days, n)
        same = np.zeros(n * dose, int)
        found.append(truth.value_of_texts(customer, same, weekday, same + 12, same - 1, weeks=1))
    stated = truth.value((float(dose), dose / 2), (12,))
    assert np.allclose(np.mean([each.profit for each in found], axis=0), stated.profit[:, 0])
    assert np.allclose(np.mean([each.opt_out for each in found], axis=0), stated.opt_out[:, 0])
    if dose == 1:  # one text in two weeks
        found = truth.value_of_texts(every, every * 0, every * 0 + 3, every * 0 + 12, every * 0 + 1, weeks=2)
        twice = truth.value_of_texts(every, every * 0, every * 0 + 3, every * 0 + 12, every * 0 + 1, weeks=1)
        assert np.allclose(found.profit, twice.profit / 2)
        assert np.allclose(found.opt_out, twice.opt_out / 2)


def test_the_truth_of_texts_is_what_happens_when_they_are_sent(log):
    """By hand for one customer: two texts in the same week, the second only if the first caused no opt-out."""
    truth = log[1]
    who = int(np.flatnonzero(truth.reads())[0])
    world, people, kind = truth.world, truth.people, truth.people.kind[who]
    days, hours, creatives = (1, 4), (10, 18), (0, 2)
    found = truth.value_of_texts(np.full(2, who), np.zeros(2, int), np.array(days), np.array(hours),
                                 np.array(creatives), weeks=1)  # fmt: skip
    profit, stays = 0.0, 1.0
    for j, (day, hour, creative) in enumerate(zip(days, hours, creatives, strict=True)):
        effect = world.click_effects()[kind, hour, day, creative] * (j + 1.0) ** -world.wear[kind]
        click = 1 - np.exp(-people.click[who] * effect)
        profit += stays * (DELIVERED * click * people.convert[who] * world.margin * world.order_mean[kind] - world.cost)
        leave = people.leave[who] * world.annoyance[kind, j] * world.annoyance_effects()[hour, creative]
        stays *= 1 - DELIVERED * (1 - np.exp(-leave))
    assert np.isclose(found.profit[who], profit)
    assert np.isclose(found.opt_out[who], 1 - stays)
    assert not found.profit[np.arange(len(truth.people)) != who].any()


def test_a_plan_that_does_not_fit_is_refused(tmp_path, plan, end):
    twice = pd.concat([plan.head(2), plan.head(2).assign(send_at=plan["send_at"] + pd.Timedelta(seconds=1))])
    for given in (
        twice, plan.head(2).assign(send_at=end - pd.Timedelta(days=1)), plan.head(2).assign(variant="sale_99"),
        plan.head(2).assign(customer_id="c1"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="the plan has"):
            write_company(tmp_path / "shop", customers=300, seed=1, plan=given, later_weeks=LATER)
