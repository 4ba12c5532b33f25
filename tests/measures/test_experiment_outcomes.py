"""Outcomes of experiments against a plain Python reading of small random worlds, and the edges of their windows."""

import datetime as dt
import functools
import zoneinfo

import numpy as np
import pytest

from smsroi_helpers.measures.experiment_outcomes import arm_outcomes, outcome_windows
from smsroi_helpers.measures.moments import arm_moments, arm_moments_together
from smsroi_helpers.measures.profit import profit_events
from tests.measures.worlds import SEEDS, cost, human_click, latest, machines, order_profit, rows_of


def outcome_by_hand(world, experiment, assignment, judged):
    """What one customer did from assignment until the end, and in the equally long time before."""
    member, start, zone = assignment["customer_id"], assignment["assigned_at"], zoneinfo.ZoneInfo(world.zone)
    end = experiment.get("outcome_until") or experiment.get("ended_at") or world.end
    end = max(start, min(end, world.end))
    local = lambda at: at.replace(tzinfo=dt.UTC).astimezone(zone)  # noqa: E731
    first = min(local(order["ordered_at"]).date() for order in world.tables["orders"])
    log_start = dt.datetime.combine(first, dt.time(), tzinfo=zone).astimezone(dt.UTC).replace(tzinfo=None)
    theirs = [order for order in world.seen("orders") if order["customer_id"] == member]
    within = [order for order in theirs if start <= latest(world, order["ordered_at"]) and order["ordered_at"] < end]
    bought = [order for order in within if order["amount"] >= 0]
    row = {
        "experiment_id": experiment["experiment_id"], "arm": assignment["arm"], "customer_id": member,
        "assigned_at": start, "assigned_day": local(start).date(), "outcome_end": end,
        "outcome_days": (end - start).total_seconds() / 86400,
        "ordered": int(bool(bought)), "orders": len(bought), "revenue": sum(order["amount"] for order in within),
        "same_day_orders": sum(latest(world, at := order["ordered_at"]) > at and at <= start for order in bought),
        "refunds": -sum(order["amount"] for order in within if order["amount"] < 0),
        "discount": sum(order.get("discount") or 0.0 for order in bought),
        "order_profit": sum(order_profit(world, order) for order in within),
    }  # fmt: skip
    before = [order for order in theirs if start - (end - start) <= latest(world, order["ordered_at"]) < start]
    pre = {
        "pre_ordered": int(any(order["amount"] >= 0 for order in before)),
        "pre_orders": sum(order["amount"] >= 0 for order in before),
        "pre_revenue": sum(order["amount"] for order in before),
        "pre_order_profit": sum(order_profit(world, order) for order in before),
    }
    row |= pre if start - (end - start) >= log_start else dict.fromkeys(pre)
    own = [message for message in world.seen("messages") if message["customer_id"] == member]
    sent = [message for message in own if start <= message["sent_at"] < end]
    costs = [cost(world, message) for message in sent]
    unknown = world.message_cost is None and not world.has("messages", "cost")
    row |= {"messages": len(sent), "message_cost": None if unknown else sum(costs)}
    clicks = [at for message in sent if (at := human_click(world, message, judged)) is not None]
    known = world.has("messages", "clicked_at")
    row["clicked_messages"] = sum(at < end for at in clicks) if known else None
    row["click_known_messages"] = sum(judged[message["message_id"]] == "none" for message in sent) if known else None
    row["replied_messages"] = sum(message["replied_at"] is not None and message["replied_at"] < end for message in sent)
    visits = [visit["visited_at"] for visit in world.seen("visits") if visit["customer_id"] == member]
    row["visited"] = (
        int(any(start <= latest(world, at, "visits", "visited_at") and at < end for at in visits))
        if "visits" in world.tables
        else None
    )
    row["profit"] = row["order_profit"] - (row["message_cost"] or 0.0)
    person = next((person for person in world.seen("customers") if person["customer_id"] == member), {})
    outs = sorted(at for each in [*own, person] if (at := each.get("opted_out_at")))
    opted_in, out = person.get("opted_in_at"), next((at for at in outs if start <= at < end), None)
    records_opt_ins = world.has("customers", "opted_in_at")
    withdrawn = any(opted_in is None or at >= opted_in for at in outs if at < start)
    consenting = (not records_opt_ins or (opted_in is not None and opted_in <= start)) and not withdrawn
    if not (world.has("customers", "opted_out_at") or world.has("messages", "opted_out_at")):
        unknown = dict.fromkeys(["opted_out", "opted_out_at", "subscribed_weeks"])
        return row | unknown | {"consenting": int(consenting) if records_opt_ins else None}
    weeks = ((out or end) - start).total_seconds() / (7 * 86400) if consenting else 0.0
    return row | {"opted_out": int(out is not None), "opted_out_at": out} | {
        "consenting": int(consenting), "subscribed_weeks": weeks
    }  # fmt: skip


@pytest.fixture(scope="module")
def counted_outcomes(open_world):
    """The outcomes of the world of a seed, as an expression and as rows by experiment and customer."""

    @functools.cache
    def counted(seed):
        outcomes = arm_outcomes(open_world(seed)[1])
        return outcomes, rows_of(outcomes, "experiment_id", "customer_id")

    return counted


@pytest.mark.parametrize("seed", SEEDS)
def test_outcomes_per_arm_are_those_counted_by_hand(open_world, counted_outcomes, seed):
    world, shop = open_world(seed)
    expected, judged = {}, machines(world)
    for experiment in world.seen("experiments"):
        for assignment in world.seen("assignments"):
            if assignment["experiment_id"] == experiment["experiment_id"]:
                row = outcome_by_hand(world, experiment, assignment, judged)
                expected[row["experiment_id"], row["customer_id"]] = {
                    name: pytest.approx(value, abs=2e-6) if isinstance(value, float) else value
                    for name, value in row.items()
                }
    _, counted = counted_outcomes(seed)
    assert counted == expected
    assert any(row["pre_orders"] is None for row in counted.values())
    assert any(row["pre_orders"] for row in counted.values())
    assert {row["visited"] for row in counted.values()} == ({0, 1} if seed % 2 else {None})
    one = rows_of(arm_outcomes(shop, "x1"), "experiment_id", "customer_id")
    assert one == {key: row for key, row in counted.items() if key[0] == "x1"}


@pytest.mark.parametrize("seed", SEEDS[:5])
def test_events_of_profit_add_up_to_each_customers_profit(open_world, seed):
    _, shop = open_world(seed)
    people, events = outcome_windows(shop), profit_events(shop).rename(member_id="customer_id")
    theirs = people.join(events, people.customer_id == events.member_id)
    theirs = theirs.filter(theirs.latest_at >= theirs.assigned_at, theirs["at"] < theirs.outcome_end)
    sums = theirs.group_by("experiment_id", "customer_id").aggregate(profit=theirs.profit.sum()).execute()
    outcomes = arm_outcomes(shop).execute().set_index(["experiment_id", "customer_id"])["profit"]
    added_up = sums.set_index(["experiment_id", "customer_id"])["profit"].reindex(outcomes.index, fill_value=0.0)
    assert len(sums) > 20
    assert added_up.to_numpy() == pytest.approx(outcomes.to_numpy(), abs=2e-6)


# --- the edges, one by one -------------------------------------------------------------------------------------------


def test_without_messages_cost_and_profit_are_unknown_and_orders_are_not(open_world):
    _, shop = open_world(0, without="messages")
    rows = rows_of(arm_outcomes(shop), "experiment_id", "customer_id").values()
    assert sum(row["orders"] for row in rows) > 20
    assert all(row[name] is None for row in rows for name in ("messages", "message_cost", "profit", "clicked_messages"))


def test_outcomes_run_on_after_the_experiment_has_ended(make_source, open_source):
    folder = make_source(
        orders="order_id,customer_id,ordered_at,amount\n1,a,2024-01-01,5\n2,a,2024-01-12,7\n",
        experiments="experiment_id,kind,control_arm,started_at,ended_at,outcome_until\n"
        "x,holdout,a,2024-01-02,2024-01-10,2024-02-10\n",
        arms="experiment_id,arm,share\nx,a,0.5\nx,b,0.5\n",
        assignments="experiment_id,customer_id,arm,assigned_at\nx,a,a,2024-01-02\n",
    )
    row = arm_outcomes(open_source(folder, as_of="2024-01-15")).execute().iloc[0]
    assert (row["orders"], row["outcome_days"]) == (1, 14)


CONSENTS = [
    ("2024-01-10", "", 1, 0),
    ("2024-01-11", "", 0, 0),  # asked only later
    ("", "2024-01-09", 0, 0),
    ("", "", 0, 0),  # never asked
    ("2024-01-05", "2024-01-09", 0, 0),
    ("2024-01-09", "2024-01-09", 0, 0),  # at one instant: the refusal stands
    ("2024-01-09", "2024-01-05", 1, 0),  # won back
    ("2024-01-05", "2024-01-10", 1, 1),
    ("2024-01-05", "2024-01-24", 1, 0),  # the end itself
]
"""One customer each: opt-in, opt-out, whether they consented when assigned, and whether they opted out since."""


@pytest.fixture(scope="module")
def consents(read_once):
    """The outcomes of the customers of `CONSENTS`, in their order."""
    people = [f"c{place}" for place in range(len(CONSENTS))]
    shop = read_once(
        orders="order_id,customer_id,ordered_at,amount\n1,c0,2024-01-01,5\n2,c0,2024-03-01,5\n",
        customers="customer_id,opted_in_at,opted_out_at\n"
        + "".join(f"{name},{opted_in},{out}\n" for name, (opted_in, out, *_) in zip(people, CONSENTS, strict=True)),
        experiments="experiment_id,kind,control_arm,started_at,ended_at\nx,holdout,a,2024-01-02,2024-01-24 00:00\n",
        arms="experiment_id,arm,share\nx,a,0.5\nx,b,0.5\n",
        assignments="experiment_id,customer_id,arm,assigned_at\n"
        + "".join(f"x,{name},a,2024-01-10\n" for name in people),
    )
    return arm_outcomes(shop).execute().set_index("customer_id").loc[people]


@pytest.mark.parametrize("place", range(len(CONSENTS)))
def test_consent_is_that_of_the_assignment(consents, place):
    _opted_in, _opted_out, consenting, left = CONSENTS[place]
    row = consents.iloc[place]
    assert (row["consenting"], row["opted_out"]) == (consenting, left)
    # An opt-out of the day of assignment comes at its end.
    assert row["subscribed_weeks"] == pytest.approx((1 / 7 if left else 2) if consenting else 0, abs=1e-5)


DATED = {
    "experiments": "experiment_id,kind,control_arm,started_at,ended_at\nx,holdout,a,2024-05-01,2024-05-07\n",
    "arms": "experiment_id,arm,share\nx,a,0.5\nx,b,0.5\n",
}


@pytest.mark.parametrize("zone", ["UTC", "Asia/Shanghai", "America/New_York"])
def test_a_last_day_counts_whole(make_source, open_source, zone):
    """`ended_at` without a time: an order of that evening is an outcome, one of the next midnight is none."""
    orders = "order_id,customer_id,ordered_at,amount\n0,a,2024-02-01 12:00,1\n1,a,2024-05-07 23:30,5\n"
    folder = make_source(
        orders=orders + "2,a,2024-05-08 00:00,7\n3,a,2024-06-01 09:00,1\n",
        assignments="experiment_id,customer_id,arm,assigned_at\nx,a,a,2024-05-01\n",
        source=f"timezone: {zone}\n", **DATED,
    )  # fmt: skip
    row = arm_outcomes(open_source(folder)).execute().iloc[0]
    assert (row["orders"], row["revenue"]) == (1, 5.0)


@pytest.mark.parametrize("zone", ["UTC", "Asia/Shanghai"])
def test_an_order_of_a_date_alone_comes_after_an_assignment_of_that_day(make_source, open_source, zone):
    folder = make_source(
        orders="order_id,customer_id,ordered_at,amount\n0,a,2024-02-01,1\n1,a,2024-04-30,3\n2,a,2024-05-01,5\n3,a,2024-05-07,7\n"
        "4,a,2024-05-08,9\n5,a,2024-06-01,1\n",
        assignments="experiment_id,customer_id,arm,assigned_at\nx,a,a,2024-05-01 15:00\n",
        source=f"timezone: {zone}\n", **DATED,
    )  # fmt: skip
    row = arm_outcomes(open_source(folder)).execute().iloc[0]
    assert (row["orders"], row["revenue"], row["pre_orders"], row["pre_revenue"]) == (2, 12.0, 1, 3.0)


# --- moments ---------------------------------------------------------------------------------------------------------


def test_moments_give_the_regression_on_covariate_and_indicator(open_world):
    """Least squares of profit on 1, x and z, solved from the moments alone, is that solved on the rows."""
    outcomes = arm_outcomes(open_world(0)[1])
    frame = outcomes.execute()
    moments = arm_moments(outcomes, "profit", "pre_revenue").execute().set_index(["experiment_id", "arm"])
    checked = 0
    for key, arm in frame.groupby(["experiment_id", "arm"]):
        y, x = arm["profit"].to_numpy(), arm["pre_revenue"].fillna(0).to_numpy()
        z = arm["pre_revenue"].isna().to_numpy(float)
        m = moments.loc[key]
        assert m[["n", "n_unknown", "n_known"]].tolist() == [len(arm), 0, len(arm) - z.sum()]
        sums = [y.sum(), y @ y, y @ (1 - z), x.sum(), x @ x, x @ y]
        names = ["sum_y", "sum_y2", "sum_y_known", "sum_x", "sum_x2", "sum_xy"]
        assert m[names].to_numpy(float) == pytest.approx(np.array(sums))
        if 0 < z.sum() < len(arm) and len(np.unique(x)) > 2:
            missing = m.n - m.n_known
            gram = [[m.n, m.sum_x, missing], [m.sum_x, m.sum_x2, 0.0], [missing, 0.0, missing]]
            solved = np.linalg.solve(np.array(gram, float), [m.sum_y, m.sum_xy, m.sum_y - m.sum_y_known])
            design = np.column_stack([np.ones(len(arm)), x, z])
            assert solved == pytest.approx(np.linalg.lstsq(design, y, rcond=None)[0])
            checked += 1
    assert checked >= 2


def test_moments_stratify_and_count_unknown_outcomes(open_world):
    outcomes = arm_outcomes(open_world(4)[1])  # tells no opt-outs
    plain = arm_moments(outcomes, "revenue").execute()
    by_day = arm_moments(outcomes, "revenue", by=("experiment_id", "arm", "assigned_day")).execute()
    summed = by_day.groupby(["experiment_id", "arm"])[["n", "sum_y", "sum_y2"]].sum().reset_index()
    assert len(by_day) > len(plain)
    assert summed["n"].tolist() == plain["n"].tolist()
    assert summed["sum_y2"].to_numpy() == pytest.approx(plain["sum_y2"].to_numpy())
    pairs = {"spend": ("revenue", None), "profit": ("profit", "pre_revenue")}
    together = arm_moments_together(outcomes, pairs).execute()
    for name, (outcome, covariate) in pairs.items():
        alone = arm_moments(outcomes, outcome, covariate).execute().iloc[:, 2:]
        assert together[[f"{name}__{column}" for column in alone]].to_numpy() == pytest.approx(alone.to_numpy())
    unknown = arm_moments(outcomes, "opted_out").execute()
    assert (unknown["n"] == 0).all()
    assert unknown["n_unknown"].tolist() == plain["n"].tolist()
    assert unknown["sum_y"].isna().all()
