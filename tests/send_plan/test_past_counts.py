"""Earlier plans and what followed them, against a plain count in Python."""

import csv
import datetime as dt
import io
import json
import random
from collections import defaultdict

import numpy as np
import pandas as pd
import pytest

from smsroi_helpers.send_plan.past_counts import CELLS, count_outcomes, find_plans

START = dt.datetime(2024, 3, 4)
END = dt.datetime(2024, 4, 1)
NAMES = ("spring-20240304", "autumn")


def lines(rows):
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


@pytest.fixture(scope="module")
def tables():
    """A source with two plans, orders with discounts and refunds, texts and e-mails, and opt-outs of both tables."""
    rng = random.Random(5)

    def instant(first=START - dt.timedelta(days=10), days=45):
        return first + dt.timedelta(seconds=rng.randrange(days * 86_400))

    people = [f"c{i}" for i in range(120)]
    customers = [
        {"customer_id": c, "opted_out_at": instant() if rng.random() < 0.2 else "", "attr_tier": rng.choice("AB")}
        for c in people
    ]
    orders = [
        {
            "order_id": f"o{i}", "customer_id": rng.choice(people), "ordered_at": instant(),
            "discount": rng.choice((0, 2)), "amount": round(rng.choice((-1, 1, 1, 1)) * rng.uniform(1, 50), 2),
        }
        for i in range(400)
    ]  # fmt: skip
    # exactly at the start and at the end of the weeks
    orders += [
        {"order_id": f"e{i}", "customer_id": "c0", "ordered_at": at, "discount": 0, "amount": 7.5}
        for i, at in enumerate((START, END, START - dt.timedelta(seconds=1), END - dt.timedelta(seconds=1)))
    ]
    messages = [
        {
            "message_id": f"m{i}", "customer_id": rng.choice(people), "campaign_id": "k", "sent_at": instant(),
            "channel": rng.choice(("sms", "sms", "email")), "cost": 0.05, "plan_id": rng.choice((*NAMES, "")),
            "opted_out_at": "",
        }
        for i in range(500)
    ]  # fmt: skip
    for message in messages[:40]:
        message["opted_out_at"] = message["sent_at"] + dt.timedelta(hours=1)
    plans = [
        {
            "plan_id": name, "customer_id": c, "role": rng.choice(("plan", "plan", "explore", "holdout")),
            "probability": rng.choice((0.5, 0.25)), "expected_profit": round(rng.uniform(0, 3), 3),
            "send_at": START + dt.timedelta(hours=rng.randrange(6, 90)) if rng.random() < 0.5 else "",
            "variant": rng.choice(("a", "b")),
        }
        for name in NAMES for c in people[:100]
    ]  # fmt: skip
    plans[0]["expected_profit"] = ""
    return {"customers": customers, "orders": orders, "messages": messages, "plans": plans}


@pytest.fixture(scope="module")
def shop(read_once, tables):
    return read_once(**{name: lines(rows) for name, rows in tables.items()}, source="margin: 0.4\n")


def counted_in_python(tables, plan_id):
    """The cells of a plan by role, tier and variant."""
    within = {
        name: [row for row in tables[name] if START <= row[column] < END]
        for name, column in (("orders", "ordered_at"), ("messages", "sent_at"))
    }
    left = [(row["customer_id"], row["opted_out_at"]) for row in tables["customers"] + tables["messages"]]
    left = {customer for customer, at in left if at and START <= at < END}
    tier = {row["customer_id"]: row["attr_tier"] for row in tables["customers"]}
    cells = defaultdict(lambda: dict.fromkeys(CELLS[5:], 0.0))
    for row in tables["plans"]:
        if row["plan_id"] != plan_id:
            continue
        customer = row["customer_id"]
        orders = [each for each in within["orders"] if each["customer_id"] == customer]
        profit = 0.0
        for each in orders:
            discount = each["discount"] if each["amount"] >= 0 else 0
            profit += 0.4 * (each["amount"] + discount) - discount
        sent = [each for each in within["messages"] if each["customer_id"] == customer]
        profit -= 0.05 * len(sent)
        texts = [each for each in sent if each["channel"] == "sms"]
        w, known = 1 / row["probability"], row["expected_profit"] != ""
        gone = float(customer in left)
        variant = row["variant"]
        adds = {
            "n": 1, "texts": len(texts), "own_texts": sum(each["plan_id"] == plan_id for each in texts),
            "texted": bool(texts), "buyers": any(each["amount"] >= 0 for each in orders), "opt_outs": gone,
            "leavers_known": 1, "promises": known, "w": w, "w2": w**2, "w_y": w * profit, "w_t": w * len(texts),
            "w_m": w * row["expected_profit"] if known else 0.0, "w_o": w * gone, "w2_y": w**2 * profit,
            "w2_o": w**2 * gone, "w2_yy": w**2 * profit**2,
        }  # fmt: skip
        for name, value in adds.items():
            cells[row["role"], tier[customer], variant][name] += value
    return cells


@pytest.mark.parametrize("plan_id", NAMES)
def test_what_followed_a_plan_is_what_python_counts(shop, tables, plan_id):
    plan = next(each for each in find_plans(shop) if each.plan_id == plan_id)
    found = count_outcomes(shop, plan, "attr_tier").set_index(["role", "grouping", "variant"])
    expected = counted_in_python(tables, plan_id)
    assert set(found.index) == set(expected)
    for key, values in expected.items():
        assert {name: float(found.loc[key, name]) for name in values} == pytest.approx(values, abs=1e-5)


def test_a_plan_begins_on_the_day_of_its_name_else_of_its_first_text(shop):
    other, one = find_plans(shop, horizon_weeks=2)
    assert (one.plan_id, one.first, one.horizon_days) == ("spring-20240304", dt.date(2024, 3, 4), 14)
    assert (other.plan_id, other.first) == ("autumn", dt.date(2024, 3, 4))
    assert (one.customers, one.origin, one.corrected_by, one.grouped) == (100, "plans", 1.0, False)
    assert not one.promised_here


# --- plans of earlier runs -------------------------------------------------------------------------------------------


def write_run(folder, name, rows, previous="", **parameters):
    """A published run: its manifest, and its table `send_plan`."""
    run = folder / name
    (run / "tables").mkdir(parents=True)
    values = {"09_send_plan": {"previous_run": previous, **parameters}, "02_cltv": {"horizon_weeks": 26}}
    (run / "manifest.json").write_text(json.dumps({"status": "ok", "as_of": "2024-03-03", "parameters": values}))
    if rows is not None:
        frame = pd.DataFrame(rows).assign(send_at=lambda x: pd.to_datetime(x["send_at"]))
        frame.to_parquet(run / "tables" / "send_plan.parquet")
    return str(run)


def text(plan_id, customer, at, profit, **more):
    row = {
        "plan_id": plan_id, "customer_id": customer, "role": "plan", "probability": 0.8, "send_at": at,
        "variant": "a", "texts_per_week": 2.0, "type": "gold", "expected_profit": profit,
    }  # fmt: skip
    return {**row, **more}


@pytest.fixture
def runs(tmp_path):
    """Three runs; the last made no plan, and the first two made the same one."""
    held = {"role": "holdout", "probability": 0.2, "variant": None, "texts_per_week": 0.0}
    old = [text("plan-20240304", "c1", "2024-03-05", 9.0)]
    new = [
        text("plan-20240304", "c1", "2024-03-08 10:00", 1.0, variant="b", promise_factor=0.5),
        text("plan-20240304", "c1", "2024-03-05 10:00", 0.5, promise_factor=0.5),
        text("plan-20240304", "c2", None, 0.0, promise_factor=0.5, **held),
    ]
    first = write_run(tmp_path, "one", old)
    second = write_run(tmp_path, "two", new, previous=first, horizon_weeks=2)
    return write_run(tmp_path, "three", None, previous=second, horizon_weeks=9)


def test_a_plan_of_an_earlier_run_has_one_row_per_customer(shop, runs):
    plan = next(each for each in find_plans(shop, runs) if each.origin == "run")
    assert (plan.plan_id, plan.first, plan.horizon_days) == ("plan-20240304", dt.date(2024, 3, 4), 14)
    assert (plan.customers, plan.planned, plan.corrected_by, plan.grouped) == (2, 1, 0.5, True)
    rows = plan.people.order_by("customer_id").execute()
    assert rows["promise"].tolist() == [1.5, 0.0]
    assert rows["variant"].tolist()[0] == "a"  # of the first text
    assert (rows["texts_per_week"].tolist(), rows["grouping"].tolist()) == ([2.0, 0.0], ["gold", "gold"])


def test_the_source_says_what_was_carried_out_and_the_run_adds_groups(read_once, runs):
    plans = "plan_id,customer_id,role,probability,expected_profit\nplan-20240304,c1,explore,0.7,3\n"
    orders = "order_id,customer_id,ordered_at,amount\n1,c1,2024-01-01 10:00,5\n2,c1,2024-05-05 10:00,5\n"
    (plan,) = find_plans(read_once(orders=orders, plans=plans), runs)
    (row,) = plan.people.execute().to_dict("records")
    assert (plan.origin, plan.customers, plan.horizon_days, plan.corrected_by) == ("plans", 1, 14, 0.5)
    assert plan.promised_here
    assert (row["role"], row["promise"], row["grouping"], row["texts_per_week"]) == ("explore", 3.0, "gold", 2.0)


def test_runs_that_name_each_other_or_are_gone_end_the_search(shop, tmp_path):
    run = write_run(
        tmp_path, "round", [text("plan-20240304", "c1", "2024-03-05", 9.0)], previous=str(tmp_path / "round")
    )
    for previous in (run, str(tmp_path / "none"), ""):
        found = [each.plan_id for each in find_plans(shop, previous) if each.origin == "run"]
        assert found == (["plan-20240304"] if previous == run else [])
    (tmp_path / "round" / "manifest.json").write_text("[]")
    assert all(each.origin == "plans" for each in find_plans(shop, run))


def test_tenths_are_of_what_everybody_would_have_been_promised(shop, tmp_path):
    rows = [
        text(
            "plan-20240304",
            f"c{i}",
            "2024-03-05",
            1.0,
            promise_before_roles=float(i),
            role="plan" if i % 2 else "holdout",
        )
        for i in range(100)
    ]
    (plan,) = (each for each in find_plans(shop, write_run(tmp_path, "scored", rows)) if each.origin == "run")
    found = count_outcomes(shop, plan)
    assert found.groupby("tenth")["n"].sum().tolist() == [10] * 10
    rows[3]["promise_before_roles"] = np.nan  # one is not known
    (plan,) = (each for each in find_plans(shop, write_run(tmp_path, "partly", rows)) if each.origin == "run")
    assert count_outcomes(shop, plan)["tenth"].isna().all()
