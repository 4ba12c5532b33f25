"""Cells and companies for the tests of frequency."""

import datetime as dt

import numpy as np
import pandas as pd

from smsroi_helpers.frequency.counts import LogWeeks
from smsroi_helpers.frequency.study import Logs
from smsroi_helpers.measures import Practice
from smsroi_helpers.source.read import load
from smsroi_helpers.source.shop import open_shop

DOSES = {"none": 0.0, "one": 1.0, "two": 2.0, "four": 4.0}
START = dt.datetime(2024, 3, 4)
WEEKS = 8
LOG_WEEKS = 12
"""How many weeks of the log observational estimates use."""


def cells_of(people):
    """Cells as `counts.count_arms` gives them, from a row per customer: arm, weeks, left, gross and more."""
    people = people.reset_index(drop=True)
    given = {"segment": "s", "clicks": 0.0, "texts": 0.0, "cost": 0.0, "before": 0.0, "group": people.index % 64}
    people = people.assign(**{name: value for name, value in given.items() if name not in people.columns})
    frame = people[["arm", "segment", "group", "weeks", "clicks"]].assign(
        n=1, messages=people["texts"], messaged_customers=people["texts"] > 0, raw_clicks=people["clicks"],
        opt_outs=people["left"], early_opt_outs=people["left"] * (people["weeks"] < people["weeks"].max() / 2),
        leaver_messages=people["texts"] * people["left"], leaver_clicks=people["clicks"] * people["left"],
        consent_known=1, orders=0, revenue=people["gross"], message_cost=people["cost"],
    )  # fmt: skip
    x = people["before"]
    for name, y in (("gross", people["gross"]), ("profit", people["gross"] - people["cost"])):
        own = {"n": 1, "n_unknown": 0, "sum_y": y, "sum_y2": y**2, "n_known": 1, "sum_y_known": y, "sum_x": x}
        own |= {"sum_x2": x**2, "sum_xy": x * y}
        frame = frame.assign(**{f"{name}__{key}": value for key, value in own.items()})
    cells = frame.groupby(["arm", "segment", "group"], as_index=False).sum()
    return cells.assign(stage=cells["segment"], consenting=1)


def responsive(rng, customers=16_000, kappa=5.0, opt_out=0.004, segments=("a", "b", "c", "d")):
    """Customers who respond as the model assumes: log clicks per text fall by 0.2 with each further text."""
    arm = rng.choice(list(DOSES), customers)
    dose = np.array([DOSES[name] for name in arm])
    leaves = rng.exponential(1.0, customers) / (0.002 + opt_out * dose) if opt_out else np.full(customers, np.inf)
    weeks = np.minimum(leaves, 11.0)
    texts = rng.poisson(dose * weeks)
    clicks = rng.binomial(texts, 0.08 * np.exp(-0.2 * np.maximum(dose - 1, 0)))
    habit = rng.gamma(0.8, 1.0, customers)
    return pd.DataFrame({
        "arm": arm, "segment": rng.choice(list(segments), customers), "weeks": weeks, "left": leaves < 11,
        "texts": texts, "clicks": clicks, "cost": 0.02 * texts, "before": rng.poisson(habit) * 9.0,
        "gross": rng.poisson(habit) * 9.0 + 10.0 * rng.poisson(clicks * kappa / 10),
        "group": rng.integers(0, 64, customers),
    })  # fmt: skip


def logs_of(weeks, audience):
    """Logs of a source whose practice of today is these customer-weeks: segment, group, texts, and more."""
    none = pd.DataFrame()
    today = weeks.assign(customer_weeks=1, messages=weeks["texts"], whole=1) if len(weeks) else none
    practice = Practice("sms", dt.date(2024, 6, 3), dt.date(2024, 6, 30), 4)
    of_log = LogWeeks(dt.date(2024, 7, 1), None, ())
    return Logs(practice, today, none, audience, of_log, weeks, 1.0, none, none)


def schedules_of(names, texts, customers, doses):
    """Schedules of groups whose customers all get `texts` a week: four weeks hold one more than a dose, or not."""
    return pd.DataFrame([
        {"segment": name, "stage": name, "messages_per_week": dose, "customers": customers,
         "others": customers * (abs(texts - dose) * 4 > 1)}
        for name in names for dose in doses
    ])  # fmt: skip


def source(seed=79, *, doses=(0, 1, 2), split=None, experiment=True, messages=True, opt_outs=True, each=90):
    """Files of a small company: a frequency test from START on, and a practice of 0 to 2 texts a week outside it."""
    rng = np.random.default_rng(seed)
    sizes = list(split) if split else [each] * len(doses)
    arms = [f"d{k}_{dose}" for k, dose in enumerate(doses)]
    tested = [f"t{i}" for i in range(sum(sizes))]
    arm = dict(zip(tested, np.repeat(arms, sizes), strict=True))
    planned = dict(zip(arms, doses, strict=True))
    others = [f"p{i}" for i in range(260)]
    first, last = dt.datetime(2023, 11, 1), dt.datetime(2024, 6, 30)
    rows = {"orders": [], "messages": [], "customers": [], "assignments": [], "experiments": [], "arms": []}
    for name in tested + others:
        rows["customers"].append({"customer_id": name, "opted_in_at": first})
        for _ in range(int(rng.poisson(3)) + 1):
            at = first + (last - first) * rng.random()
            rows["orders"].append({"order_id": f"o{len(rows['orders'])}", "customer_id": name, "ordered_at": at,
                                   "amount": round(float(rng.lognormal(3, 0.5)), 2)})  # fmt: skip
        gone = None
        for week in range(34):
            at = first + dt.timedelta(weeks=week, hours=15)
            inside = name in arm and START <= at < START + dt.timedelta(weeks=WEEKS)
            dose = planned[arm[name]] if inside else int(rng.integers(0, 3)) if name not in arm else 0
            for k in range(dose):
                if gone:
                    break
                sent = at + dt.timedelta(days=2 * k)
                leaves = opt_outs and rng.random() < 0.004
                tap = rng.random() < 0.15
                seconds = 2 if rng.random() < 0.3 else int(rng.integers(20, 4_000))
                gone = sent + dt.timedelta(hours=1) if leaves else None
                rows["messages"].append({
                    "message_id": f"m{len(rows['messages'])}", "customer_id": name, "campaign_id": "k", "sent_at": sent,
                    "channel": "sms", "cost": 0.03, "delivered_at": sent,
                    "clicked_at": sent + dt.timedelta(seconds=seconds) if tap else None, "opted_out_at": gone,
                })  # fmt: skip
    if experiment:
        end = START + dt.timedelta(weeks=WEEKS)
        rows["experiments"] = [{"experiment_id": "doses", "kind": "frequency", "control_arm": arms[0],
                                "started_at": START, "ended_at": end, "outcome_until": end}]  # fmt: skip
        rows["arms"] = [
            {"experiment_id": "doses", "arm": name, "share": 1 / len(arms), "messages_per_week": planned[name]}
            for name in arms
        ]
        rows["assignments"] = [
            {"experiment_id": "doses", "customer_id": name, "arm": arm[name], "assigned_at": START} for name in tested
        ]
    if not messages:
        rows["messages"] = []
    return rows, arm


def written(rows):
    def field(value):
        return "" if value is None else f"{value:%Y-%m-%dT%H:%M:%SZ}" if hasattr(value, "hour") else str(value)

    files = {
        name: "\n".join([",".join(own[0]), *(",".join(field(value) for value in row.values()) for row in own)]) + "\n"
        for name, own in rows.items()
        if own
    }
    return files | {"source": "timezone: UTC\nmargin: 0.5\ncurrency: USD\n"}


def open_folder(folder):
    return open_shop(load(folder, folder.parent / ".loaded"), "2024-06-30", folder.parent / ".cache")
