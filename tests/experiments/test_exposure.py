"""Who was messaged: the untreated arm of a holdout by exposure, whatever it is called; planned ends."""

import datetime as dt

import pytest

from smsroi_helpers import ab_test, experiments, measures
from tests.experiment_sources import open_folder, write_tests


def holdouts(make_source, n=200, **tests):
    """Sources of experiments by name, each as `_holdout` adds it, with 2 · n customers of its own."""
    tables = {
        "orders": ["order_id,customer_id,ordered_at,amount"],
        "experiments": ["experiment_id,kind,started_at,ended_at,control_arm"],
        "arms": ["experiment_id,arm,share"],
        "assignments": ["experiment_id,customer_id,arm,assigned_at"],
        "messages": ["message_id,customer_id,campaign_id,channel,sent_at,cost"],
    }
    for name, settings in tests.items():
        _holdout(tables, name, n, **settings)
    tables["orders"].append("z,other,2025-03-31 10:00,1")
    if len(tables["messages"]) == 1:
        del tables["messages"]
    return make_source(**{name: "\n".join(rows) + "\n" for name, rows in tables.items()})


def _holdout(tables, test, n, *, control, ended="2025-04-30", channels=("sms",), spend=(6.0, 4.0), kind="holdout"):
    """Customers assigned on one day; each texted one gets a message a week in the channels and spends more."""
    for i in range(2 * n):
        arm = ("texted", "out")[i % 2]
        customer = f"{test}-c{i}"
        tables["assignments"].append(f"{test},{customer},{arm},2025-03-03")
        money = spend[i % 2] + i // 2 % 7
        tables["orders"] += [
            f"{test}-a{i},{customer},2025-02-10 10:00,{5 + i % 5}",
            f"{test}-b{i},{customer},2025-03-{10 + i % 15} 10:00,{money}",
        ]
        for channel in channels:
            if channel == "email" or arm == "texted":
                tables["messages"].append(f"{test}-{channel}{i},{customer},k,{channel},2025-03-10 09:00,0.01")
    tables["experiments"].append(f"{test},{kind},2025-03-03,{ended},{control}")
    tables["arms"] += [f"{test},texted,0.5", f"{test},out,0.5"]


BY_NAME = {
    f"{control}-{'-'.join(channels)}": {"control": control, "channels": channels}
    for control in ("texted", "out")
    for channels in (("sms",), ("sms", "email"))
}
"""Tests in which either arm is called the control, with texts alone and with e-mails to everybody."""


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """`BY_NAME`, and a test of frequencies whose control is the arm with texts, each evaluated."""
    place = tmp_path_factory.mktemp("holdouts")

    def write(**files):
        for name, text in files.items():
            (place / f"{name}.csv").write_text(text)
        return place

    folder = holdouts(write, **BY_NAME, doses={"control": "texted", "kind": "frequency"})
    arms = (folder / "arms.csv").read_text().replace("share\n", "share,messages_per_week\n")
    arms = arms.replace("texted,0.5\n", "texted,0.5,1\n").replace("out,0.5\n", "out,0.5,0\n")
    (folder / "arms.csv").write_text(arms)
    return {each.experiment.name: each for each in ab_test.analyse(open_folder(folder, place))}


@pytest.mark.parametrize("name", BY_NAME)
def test_the_arm_without_texts_is_the_control_whatever_it_is_called(evaluated, name):
    found = evaluated[name]
    assert (found.experiment.control, found.experiment.treated) == ("out", ("texted",))
    assert not found.validity.broken
    assert found.validity.contrast == 1.0
    assert found.validity.control_messaged == 0.0
    revenue = found.effects.find("revenue", "texted")
    assert revenue.difference == pytest.approx(2.0)  # texting caused the two more


def test_texts_after_the_treatment_do_not_hide_who_was_held_out(make_source, open_source):
    """Everybody is texted after `ended_at`, while outcomes are still collected."""
    folder = holdouts(make_source, x={"control": "texted", "ended": "2025-03-12"})
    late = "".join(f"late{i},x-c{i},k,sms,2025-03-20 09:00,0.01\n" for i in range(400))
    (folder / "messages.csv").write_text((folder / "messages.csv").read_text() + late)
    rows = (folder / "experiments.csv").read_text().replace("control_arm", "control_arm,outcome_until")
    (folder / "experiments.csv").write_text(rows.replace(",texted\n", ",texted,2025-03-30\n"))
    shop = open_source(folder)
    assert measures.untreated_arms(shop) == {"x": "out"}
    (found,) = experiments.list_experiments(shop)
    assert (found.control, found.until) == ("out", dt.date(2025, 3, 30))


@pytest.mark.parametrize("mailed", [0.0, 0.5, 1.0])
def test_e_mails_to_the_held_out_do_not_make_them_the_texted_arm(make_source, open_source, mailed):
    """Nine in ten of the others are texted; so many of the held out get an e-mail in place of texts."""
    folder = write_tests(
        make_source, hold={"kind": "holdout", "arms": {"out": 200, "in": 200}, "messages": {"out": 0.0, "in": 0.9}}
    )
    head, *rows = (folder / "messages.csv").read_text().splitlines()
    at = rows[-1].split(",")[3]
    mails = [f"e{i},hold-out{i},k,{at},0,email" for i in range(int(200 * mailed))]
    (folder / "messages.csv").write_text("\n".join([f"{head},channel", *(f"{row},sms" for row in rows), *mails]) + "\n")
    assert measures.untreated_arms(open_source(folder)) == {"hold": "out"}


def test_without_messages_the_stated_control_counts(make_source, open_source):
    shop = open_source(holdouts(make_source, x={"control": "texted", "channels": ()}))
    assert measures.untreated_arms(shop) == {}
    (found,) = experiments.list_experiments(shop)
    assert found.control == "texted"


def test_a_planned_end_is_kept_and_a_test_that_ends_with_the_log_has_ended(make_source, open_source):
    ends = {
        "later": ("2025-04-30", "running", dt.date(2025, 4, 30)),  # than the log: a plan
        "with-the-log": ("2025-03-31", "ended", dt.date(2025, 3, 31)),
        "at-midnight": ("2025-04-01 00:00", "ended", dt.date(2025, 3, 31)),
        "before": ("2025-03-20", "ended", dt.date(2025, 3, 20)),
        "open": ("", "running", None),
    }
    tests = {name: {"control": "out", "ended": ended} for name, (ended, *_) in ends.items()}
    found = experiments.list_experiments(open_source(holdouts(make_source, n=50, **tests)))
    assert {one.name: [one.state, one.until] for one in found} == {name: told for name, (_, *told) in ends.items()}
    for one in found:
        assert one.last == min(one.until or dt.date(2025, 3, 31), dt.date(2025, 3, 31))


def test_a_frequency_test_whose_arm_without_texts_is_not_the_control(evaluated):
    found = evaluated["doses"]
    assert found.experiment.control == "texted"  # a frequency is compared with the one that is stated
    assert (found.validity.contrast, found.validity.control_messaged) == (1.0, 0.0)
    assert not found.validity.broken


def test_a_frequency_test_whose_arms_were_sent_alike_is_broken(make_source, open_source):
    """Planned are 1 and 4 a week, some beside none; the arms got so many. A third less apart than planned is a test."""
    got = {
        "as-planned": (1, 4), "alike": (4, 4), "nearly-alike": (3, 4), "closer": (2, 4), "beside-none": (0, 1, 1),
        "beside-none-as-planned": (0, 1, 4),
    }  # fmt: skip
    orders, sends, assigned = [], [], []
    for test, numbers in got.items():
        for i in range(200):
            customer, which = f"{test}-c{i}", i % len(numbers)
            assigned.append(f"{test},{customer},{('none', 'one', 'four')[-len(numbers) :][which]},2025-03-03")
            orders.append(f"{test}-b{i},{customer},2025-03-{10 + i % 15} 10:00,{5 + i // 2 % 7}")
            sends += [f"{test}-m{i}-{k},{customer},k,2025-03-{5 + k} 09:00" for k in range(numbers[which])]
    folder = make_source(
        orders="\n".join(("order_id,customer_id,ordered_at,amount", *orders)) + "\n",
        messages="\n".join(("message_id,customer_id,campaign_id,sent_at", *sends)) + "\n",
        experiments="experiment_id,kind,started_at,ended_at,control_arm\n"
        + "".join(f"{test},frequency,2025-03-03,2025-03-09,one\n" for test in got),
        arms="experiment_id,arm,share,messages_per_week\n"
        + "".join(
            f"{test},one,{1 / len(numbers)},1\n{test},four,{1 / len(numbers)},4\n"
            + (f"{test},none,{1 / len(numbers)},0\n" if len(numbers) == 3 else "")
            for test, numbers in got.items()
        ),
        assignments="\n".join(("experiment_id,customer_id,arm,assigned_at", *assigned)) + "\n",
    )
    found = {each.experiment.name: each.validity for each in ab_test.analyse(open_source(folder))}
    shares = {
        test: [problem.share for problem in validity.problems if problem.kind == "sent_alike"]
        for test, validity in found.items()
    }
    assert shares == {
        "as-planned": [], "closer": [], "alike": [1.0], "nearly-alike": [pytest.approx(3 / 4)], "beside-none": [1.0],
        "beside-none-as-planned": [],
    }  # fmt: skip
    assert {test: validity.broken for test, validity in found.items()} == {test: bool(shares[test]) for test in got}
