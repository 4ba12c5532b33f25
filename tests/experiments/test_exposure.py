"""Who was messaged: the untreated arm of a holdout by exposure, whatever it is called; planned ends."""

import datetime as dt

import pytest

from smsroi_helpers import ab_test, experiments, measures

ARMS = {"texted": 1.0, "out": 0.0}


def a_holdout(make_source, *, control, ended="2025-04-30", messages=True, channels=("sms",), spend=(6.0, 4.0), n=200):
    """400 customers assigned on one day; each texted one gets a message a week in the channels and spends more."""
    orders, sends, assigned = [], [], []
    for i in range(2 * n):
        arm = ("texted", "out")[i % 2]
        assigned.append(f"x,c{i},{arm},2025-03-03")
        money = spend[i % 2] + i // 2 % 7
        orders += [f"a{i},c{i},2025-02-10 10:00,{5 + i % 5}", f"b{i},c{i},2025-03-{10 + i % 15} 10:00,{money}"]
        for channel in channels:
            if channel == "email" or arm == "texted":
                sends.append(f"{channel}{i},c{i},k,{channel},2025-03-10 09:00,0.01")
    orders.append("z,other,2025-03-31 10:00,1")
    experiment = f"x,holdout,2025-03-03,{ended},{control}"
    tables = {
        "orders": ["order_id,customer_id,ordered_at,amount", *orders],
        "experiments": ["experiment_id,kind,started_at,ended_at,control_arm", experiment],
        "arms": ["experiment_id,arm,share", "x,texted,0.5", "x,out,0.5"],
        "assignments": ["experiment_id,customer_id,arm,assigned_at", *assigned],
    }
    if messages:
        tables["messages"] = ["message_id,customer_id,campaign_id,channel,sent_at,cost", *sends]
    return make_source(**{name: "\n".join(rows) + "\n" for name, rows in tables.items()})


@pytest.mark.parametrize("control", ["texted", "out"])
@pytest.mark.parametrize("channels", [("sms",), ("sms", "email")])
def test_the_arm_without_texts_is_the_control_whatever_it_is_called(make_source, open_source, control, channels):
    shop = open_source(a_holdout(make_source, control=control, channels=channels))
    (evaluated,) = ab_test.analyse(shop)
    assert (evaluated.experiment.control, evaluated.experiment.treated) == ("out", ("texted",))
    assert not evaluated.validity.broken
    assert evaluated.validity.contrast == 1.0
    assert evaluated.validity.control_messaged == 0.0
    revenue = evaluated.effects.find("revenue", "texted")
    assert revenue.difference == pytest.approx(2.0)  # texting caused the two more


def test_texts_after_the_treatment_do_not_hide_who_was_held_out(make_source, open_source):
    """Everybody is texted after `ended_at`, while outcomes are still collected."""
    folder = a_holdout(make_source, control="texted", ended="2025-03-12")
    late = "".join(f"late{i},c{i},k,sms,2025-03-20 09:00,0.01\n" for i in range(400))
    (folder / "messages.csv").write_text((folder / "messages.csv").read_text() + late)
    rows = (folder / "experiments.csv").read_text().replace("control_arm", "control_arm,outcome_until")
    (folder / "experiments.csv").write_text(rows.replace(",texted\n", ",texted,2025-03-30\n"))
    shop = open_source(folder)
    assert measures.untreated_arms(shop) == {"x": "out"}
    (found,) = experiments.list_experiments(shop)
    assert (found.control, found.until) == ("out", dt.date(2025, 3, 30))


def test_without_messages_the_stated_control_counts(make_source, open_source):
    shop = open_source(a_holdout(make_source, control="texted", messages=False))
    assert measures.untreated_arms(shop) == {}
    (found,) = experiments.list_experiments(shop)
    assert found.control == "texted"


@pytest.mark.parametrize(
    ("ended", "state", "until"),
    [
        ("2025-04-30", "running", dt.date(2025, 4, 30)),  # later than the log: a plan
        ("2025-03-31", "ended", dt.date(2025, 3, 31)),  # with the log
        ("2025-04-01 00:00", "ended", dt.date(2025, 3, 31)),
        ("2025-03-20", "ended", dt.date(2025, 3, 20)),
        ("", "running", None),
    ],
)
def test_a_planned_end_is_kept_and_a_test_that_ends_with_the_log_has_ended(
    make_source, open_source, ended, state, until
):
    (found,) = experiments.list_experiments(open_source(a_holdout(make_source, control="out", ended=ended)))
    assert (found.state, found.until) == (state, until)
    assert found.last == min(until or dt.date(2025, 3, 31), dt.date(2025, 3, 31))


def test_a_frequency_test_whose_arm_without_texts_is_not_the_control(make_source, open_source):
    folder = a_holdout(make_source, control="texted")
    kept = (folder / "experiments.csv").read_text().replace("holdout", "frequency")
    (folder / "experiments.csv").write_text(kept)
    (folder / "arms.csv").write_text("experiment_id,arm,share,messages_per_week\nx,texted,0.5,1\nx,out,0.5,0\n")
    (evaluated,) = ab_test.analyse(open_source(folder))
    assert evaluated.experiment.control == "texted"  # a frequency is compared with the one that is stated
    assert (evaluated.validity.contrast, evaluated.validity.control_messaged) == (1.0, 0.0)
    assert not evaluated.validity.broken


@pytest.mark.parametrize(("one", "four", "broken"), [(1, 4, False), (4, 4, True), (3, 4, True), (2, 4, False)])
def test_a_frequency_test_whose_arms_were_sent_alike_is_broken(make_source, open_source, one, four, broken):
    """Planned are 1 and 4 a week; the arms got so many. A third fewer than planned apart is still a test."""
    orders, sends, assigned = [], [], []
    for i in range(200):
        arm = ("one", "four")[i % 2]
        assigned.append(f"x,c{i},{arm},2025-03-03")
        orders.append(f"b{i},c{i},2025-03-{10 + i % 15} 10:00,{5 + i // 2 % 7}")
        sends += [f"m{i}-{k},c{i},k,2025-03-{5 + k} 09:00" for k in range((one, four)[i % 2])]
    folder = make_source(
        orders="\n".join(("order_id,customer_id,ordered_at,amount", *orders)) + "\n",
        messages="\n".join(("message_id,customer_id,campaign_id,sent_at", *sends)) + "\n",
        experiments="experiment_id,kind,started_at,ended_at,control_arm\nx,frequency,2025-03-03,2025-03-09,one\n",
        arms="experiment_id,arm,share,messages_per_week\nx,one,0.5,1\nx,four,0.5,4\n",
        assignments="\n".join(("experiment_id,customer_id,arm,assigned_at", *assigned)) + "\n",
    )
    (evaluated,) = ab_test.analyse(open_source(folder))
    problems = [problem for problem in evaluated.validity.problems if problem.kind == "sent_alike"]
    assert [problem.share for problem in problems] == ([pytest.approx(one / four)] if broken else [])
    assert evaluated.validity.broken is broken
