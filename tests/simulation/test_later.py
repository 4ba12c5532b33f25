"""The weeks after the log: the log does not change, the plan is sent, and what it brings is what the truth says."""

import numpy as np
import pandas as pd
import pytest

from smsroi_helpers.errors import UsageError
from smsroi_helpers.simulation.behaviour import LAST_DAY, draw_purchases
from smsroi_helpers.simulation.ground_truth import CREATIVES, SEGMENTS, expected, read_truth
from smsroi_helpers.simulation.later import draw_alive
from smsroi_helpers.simulation.write import write_company
from smsroi_helpers.source.read import load

WEEKS, LATER, SEED, CUSTOMERS = 30, 8, 6, 4_000
KEYS = {"customers": "customer_id", "messages": "message_id", "orders": "order_id", "visits": None, "feedback": None,
        "assignments": None, "plans": None}  # fmt: skip
END = pd.Timestamp(LAST_DAY, tz="America/New_York") + pd.Timedelta(days=1)
"""End of the log."""


def read(folder, name):
    parts = sorted((folder / name).glob("*.parquet"))
    return pd.concat([pd.read_parquet(part) for part in parts], ignore_index=True)


def draw_plan(people, weeks):
    """Two texts a week at random hours of random days, each of any creative or of the campaign's, for everybody."""
    rng = np.random.default_rng(3)
    n = len(people)
    parts = []
    for week in range(weeks):
        for day in (0, 2):  # Monday would be before the end of the log in Shanghai
            parts.append(pd.DataFrame({
                "plan_id": f"plan-{week // 4}", "row": np.arange(n),
                "day": 7 * week + 1 + day + rng.integers(0, 2, n), "second": rng.integers(8 * 3600, 20 * 3600, n),
                "variant": np.array([*(c.variant for c in CREATIVES), None])[rng.integers(0, len(CREATIVES) + 1, n)],
            }))  # fmt: skip
    plan = pd.concat(parts, ignore_index=True)
    local = pd.Timestamp(LAST_DAY) + pd.to_timedelta(plan["day"] + 1, "D") + pd.to_timedelta(plan["second"], "s")
    plan["send_at"] = pd.NaT
    zone = people["timezone"].to_numpy()[plan["row"]]
    plan["send_at"] = pd.concat([
        local[zone == name].dt.tz_localize(name).dt.tz_convert("UTC") for name in np.unique(zone)
    ])  # fmt: skip
    return plan.assign(customer_id=people["customer_id"].to_numpy()[plan["row"]])


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    to = tmp_path_factory.mktemp("later") / "log"
    write_company(to, customers=CUSTOMERS, weeks=WEEKS, seed=SEED)
    return to


@pytest.fixture(scope="module")
def plan(log):
    return draw_plan(read(log, "customers"), LATER)


@pytest.fixture(scope="module")
def later(log, plan):
    to = log.parent / "later"
    write_company(to, customers=CUSTOMERS, weeks=WEEKS, seed=SEED, plan=plan, later_weeks=LATER)
    return to


def as_of(frame, instant):
    """What a table shows at an instant: later rows are not there, and later times are null."""
    event = next((c for c in ("sent_at", "ordered_at", "visited_at", "responded_at") if c in frame), None)
    frame = frame if event is None else frame[frame[event] < instant]
    times = frame.select_dtypes("datetimetz").columns
    return frame.assign(**{name: frame[name].where(frame[name] < instant) for name in times})


def assert_prefix(short, long, instant):
    for name, key in KEYS.items():
        old, new = (as_of(read(folder, name), instant) for folder in (short, long))
        if name in ("visits", "feedback"):  # without ids; at one instant several customers, in any order
            old, new = (frame.sort_values(list(frame.columns[:3])).reset_index(drop=True) for frame in (old, new))
        if key:
            old, new = (frame.sort_values(key, ignore_index=True) for frame in (old, new))
        pd.testing.assert_frame_equal(old, new, check_like=True)


def test_the_log_is_the_same_with_and_without_later_weeks(log, later):
    assert_prefix(log, later, END)


def test_further_weeks_do_not_change_earlier_ones(log, plan, later):
    to = log.parent / "half"
    half = END + pd.Timedelta(weeks=LATER // 2)
    write_company(to, customers=CUSTOMERS, weeks=WEEKS, seed=SEED, plan=plan[plan["send_at"] < half],
                  later_weeks=LATER // 2)  # fmt: skip
    assert_prefix(to, later, half)


def sent_texts(folder):
    sent = read(folder, "messages")
    return sent[(sent["channel"] == "sms") & (sent["sent_at"] >= END)]


def test_the_texts_of_the_plan_are_sent_to_those_still_subscribed_and_no_others(later, plan):
    people = read(later, "customers").set_index("customer_id")
    asked = plan.merge(people[["opted_in_at", "opted_out_at"]], left_on="customer_id", right_index=True)
    # Consent counts from the day after; a subscription ends with its day.
    local_day = asked["send_at"].dt.tz_convert("UTC")
    in_force = asked["opted_in_at"].notna() & (asked["opted_in_at"] < local_day - pd.Timedelta(days=2))
    gone = asked["opted_out_at"] < local_day - pd.Timedelta(days=2)
    sure = asked[in_force & ~(asked["opted_out_at"] < local_day + pd.Timedelta(days=2))]
    never = asked[gone | asked["opted_in_at"].isna()]
    assert min(len(sure), len(never)) > 1_000
    sent = sent_texts(later)
    got = set(zip(sent["customer_id"], sent["sent_at"].astype("int64") // 10**6, strict=True))
    key = [set(zip(rows["customer_id"], rows["send_at"].astype("datetime64[us, UTC]").astype("int64") // 10**6,
                   strict=True)) for rows in (asked, sure, never)]  # fmt: skip
    assert len(sent) == len(got)
    assert got <= key[0], "nothing but the plan is sent"
    assert key[1] <= got
    assert not key[2] & got
    named = plan.merge(sent, on="customer_id", suffixes=("", "_sent"))
    named = named[named["send_at"].astype("int64") == named["sent_at"].astype("int64")]
    assert (named["variant"].isna() | (named["variant"] == named["variant_sent"])).all()
    assert (named["plan_id"] == named["plan_id_sent"]).all()


def test_what_planned_texts_bring_is_what_the_truth_says(later):
    """Clicks, orders and opt-outs of delivered texts, against `expected`, each within four standard errors."""
    world = read_truth(later)
    truth = read(later, "truth/customers").set_index("customer_id")
    sent = sent_texts(later).merge(read(later, "customers")[["customer_id", "timezone"]]).join(truth, on="customer_id")
    sent = sent[sent["sent_at"] < END + pd.Timedelta(weeks=LATER - 2)]  # later ones have not all had their effect
    local = pd.concat([rows["sent_at"].dt.tz_convert(zone).dt.tz_localize(None)
                       for zone, rows in sent.groupby("timezone")])  # fmt: skip
    day = local.dt.normalize()
    days = (day - pd.Timestamp(LAST_DAY)).dt.days
    everything = pd.DataFrame({"customer_id": sent["customer_id"], "day": days})
    sent = sent.assign(day=days, hour=local.dt.hour, weekday=day.dt.weekday)
    pairs = everything.merge(everything, on="customer_id", suffixes=("", "_other"))
    near = pairs[(pairs["day_other"] < pairs["day"]) & (pairs["day_other"] >= pairs["day"] - 6)]
    before = near.groupby(["customer_id", "day"]).size().rename("before")
    sent = sent.join(before, on=["customer_id", "day"]).fillna({"before": 0})
    sent = sent[(sent["day"] > 7) & sent["delivered_at"].notna()]
    stated = expected(
        world, sent["segment"].map(SEGMENTS.index), texts_per_week=sent["before"] + 1, hour=sent["hour"],
        weekday=sent["weekday"], creative=sent["variant"].map([c.variant for c in CREATIVES].index),
        hour_shift=sent["hour_shift"],
    )  # fmt: skip
    orders = read(later, "truth/orders")
    bought = sent["message_id"].isin(orders[orders["origin"] == "caused"]["message_id"])
    human = sent["clicked_at"].notna() & ~sent["scanner"]
    people = ~sent["scanner"].to_numpy()
    for happened, probability, of in (
        (human, stated.click_rate * sent["responsiveness"], people),
        (bought, stated.order_rate * sent["responsiveness"], slice(None)),
        (sent["opted_out_at"].notna(), stated.opt_out_rate, slice(None)),
    ):
        found, p = happened.to_numpy()[of], np.asarray(probability)[of]
        assert found.sum() > 40
        assert abs(found.sum() - p.sum()) < 4 * np.sqrt((p * (1 - p)).sum())


def test_customers_go_on_buying_as_they_did():
    """Who is alive, drawn given the orders of 60 weeks, buys in the next 40 as in one draw of 100 weeks."""
    rng = np.random.default_rng(4)
    n = 60_000
    rates, dropout = rng.gamma(1.0, 0.1, n) + 1e-6, rng.beta(1.0, 3.0, n)
    customer, time = draw_purchases(rates, dropout, np.full(n, 100.0), rng)
    early = time < 60
    repeats = np.bincount(customer[early], minlength=n)
    last = np.zeros(n)
    np.maximum.at(last, customer[early], time[early])
    alive = draw_alive(rates, dropout, repeats, 60 - last, rng)
    assert alive[repeats == 0].all()
    again, _ = draw_purchases(rates[alive], dropout[alive], np.full(alive.sum(), 40.0), rng)
    found = np.zeros(n)
    found[alive] = np.bincount(again, minlength=alive.sum())
    seen = np.bincount(customer[~early], minlength=n)
    for of in (repeats == 0, repeats == 1, repeats > 3):
        difference = found[of] - seen[of]
        assert abs(difference.mean()) < 4 * difference.std() / np.sqrt(of.sum())


def test_the_source_passes_every_check(plan, tmp_path):
    few = plan[(plan["row"] < 300) & (plan["day"] % 7 <= 2)]  # other people than in `log`, with other zones
    write_company(tmp_path / "shop", customers=300, weeks=WEEKS, seed=SEED, plan=few, later_weeks=LATER)
    loaded = load(tmp_path / "shop", tmp_path / "loaded", max_rejected_share=0.0)
    assert loaded.tables["messages"].rows_in > 300


@pytest.mark.parametrize("problem", ["no plan", "two a day", "in the log", "unknown variant", "unknown customer"])
def test_a_plan_that_does_not_fit_is_refused(tmp_path, plan, problem):
    given = plan.head(3)
    if problem == "two a day":
        given = pd.concat([given, given.assign(send_at=given["send_at"] + pd.Timedelta(seconds=1))])
    elif problem == "in the log":
        given = given.assign(send_at=END - pd.Timedelta(days=1))
    elif problem == "unknown variant":
        given = given.assign(variant="sale_99")
    elif problem == "unknown customer":
        given = given.assign(customer_id="k1")
    with pytest.raises(UsageError, match="plan"):
        write_company(tmp_path / "shop", customers=100 if problem != "two a day" else CUSTOMERS, weeks=26, seed=1,
                      plan=None if problem == "no plan" else given, later_weeks=4)  # fmt: skip
