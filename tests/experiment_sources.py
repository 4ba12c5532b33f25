"""Sources with experiments: public ones, and small ones with one known fault each."""

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd

from smsroi_helpers.experiments import registry
from smsroi_helpers.source.read import load
from smsroi_helpers.source.shop import open_shop
from tests.machine import PUBLIC_DATA, PUBLIC_FILES

ROOT = Path(__file__).parents[1]


def public(name):
    ((variable, path),) = PUBLIC_FILES[name].items()
    return variable, str(PUBLIC_DATA / path)


def open_folder(folder, place, as_of=""):
    return open_shop(load(folder, place / ".loaded"), as_of, place / ".cache")


def by_name(evaluated, name):
    return next(each for each in evaluated if each.experiment.name == name)


def effect(evaluated, metric, arm, names=("difference", "low", "high"), segment="all"):
    """The named numbers of one arm's effect."""
    row = evaluated.effects.find(metric, arm, segment)
    return [getattr(row, name) for name in names]


def an_experiment(counts=(300, 300), shares=(0.5, 0.5), state="running"):
    assigned = pd.DataFrame({"arm": ["a", "b"], "day": [dt.date(2024, 3, 4)] * 2, "n": counts})
    return registry.Experiment(
        name="x", kind="content", control="a", arms=("a", "b"), shares=np.array(shares), primary="profit", state=state,
        started=dt.date(2024, 3, 4), last=dt.date(2024, 3, 31), until=None,
        assigned=assigned.assign(late=0, early=0, outcome_days=28.0 * assigned["n"]),
        plan=pd.DataFrame(index=["a", "b"]),
    )  # fmt: skip


# --- small tests, one fault each ---

START, END = dt.datetime(2024, 3, 4), dt.datetime(2024, 4, 1)


def write_tests(make_source, **tests):
    """Write a source with these experiments; no customer is in two of them.

    Args:
        tests: arguments of `_write_test` by name. If all have messages=None, there is no table messages.
    """
    tables = {
        "experiments": ["experiment_id,kind,control_arm,started_at,ended_at,primary_metric"],
        "arms": ["experiment_id,arm,share"],
        "assignments": ["experiment_id,customer_id,arm,assigned_at"],
        "customers": ["customer_id,opted_out_at"],
        "orders": ["order_id,customer_id,ordered_at,amount", f"first,z,{START - dt.timedelta(days=60)},1"],
        "messages": ["message_id,customer_id,campaign_id,sent_at,cost", f"first,z,k,{START},0.1"],
    }
    for name, settings in tests.items():
        _write_test(tables, name, **settings)
    tables["orders"].append(f"last,z,{END + dt.timedelta(days=5)},1")
    if all(settings.get("messages") is None for settings in tests.values()):
        del tables["messages"]
    return make_source(**{name: "\n".join(lines) + "\n" for name, lines in tables.items()}, source="margin: 0.5\n")


def _write_test(tables, test, *, arms, shares=None, orders=None, messages=None, kind="content", control=None, late=0,
                ended=True, opt_outs=None, primary="profit", before=None, seed=1):  # fmt: skip
    """Append the lines of one experiment to the tables.

    Args:
        arms: name → customers.
        shares: planned shares; equal by default.
        orders: name → share of customers who order once; amounts are random unless (share, amount) is given.
        messages: name → share of customers who get one message, at a cost of 0.1.
        late: number of customers of each arm assigned after the end.
        opt_outs: name → share of customers who opt out.
        before: name → share of customers who ordered in the weeks before.
    """
    rng = np.random.default_rng(seed)
    control = control or next(iter(arms))
    shares = shares or dict.fromkeys(arms, 1 / len(arms))
    tables["experiments"].append(f"{test},{kind},{control},{START},{END if ended else ''},{primary}")
    tables["arms"] += [f"{test},{arm},{share}" for arm, share in shares.items()]
    for arm, n in arms.items():
        rate = (orders or {}).get(arm, 0.1)
        rate, amount = rate if isinstance(rate, tuple) else (rate, None)
        picks = {name: rng.permutation(n) < round(n * share) for name, share in (
            ("order", rate), ("message", (messages or {}).get(arm, 0.0)), ("out", (opt_outs or {}).get(arm, 0.0)),
            ("before", (before or {}).get(arm, 0.2)),
        )}  # fmt: skip
        for i in range(n):
            customer, day = f"{test}-{arm}{i}", dt.timedelta(days=int(rng.integers(1, 20)), hours=9)
            when = END + dt.timedelta(days=1) if i < late else START
            tables["assignments"].append(f"{test},{customer},{arm},{when}")
            tables["customers"].append(f"{customer},{START + day if picks['out'][i] else ''}")
            value = amount if amount is not None else round(float(rng.lognormal(3, 0.7)), 2)
            if picks["order"][i]:
                tables["orders"].append(f"o{customer},{customer},{START + day},{value}")
            if picks["before"][i]:
                tables["orders"].append(
                    f"b{customer},{customer},{START - day},{round(float(rng.lognormal(3, 0.7)), 2)}"
                )
            if picks["message"][i]:
                tables["messages"].append(f"m{customer},{customer},k,{START + dt.timedelta(hours=10)},0.1")


SENT = {"a": 1.0, "b": 1.0}
THREE = {"arms": {"a": 1_000, "b": 600, "c": 400}, "shares": {"a": 0.5, "b": 0.3, "c": 0.2}, "messages": SENT}
CLEAR = {"arms": {"a": 2_000, "b": 2_000}, "orders": {"a": 0.1, "b": 0.25}, "messages": SENT}
ONE_FAULT_EACH = {
    "other-split": {"arms": {"a": 1_000, "b": 1_200}, "messages": SENT},
    "three": THREE,
    "three-broken": {**THREE, "arms": {**THREE["arms"], "c": 300}},
    "empty-arm": {"arms": {"a": 500, "b": 500}, "shares": {"a": 0.4, "b": 0.4, "c": 0.2}, "messages": SENT},
    "late": {"arms": {"a": 500, "b": 500}, "late": 20, "messages": SENT},
    "few-late": {"arms": {"a": 500, "b": 500}, "late": 2, "messages": SENT},
    "other-past": {"arms": {"a": 2_000, "b": 2_000}, "before": {"a": 0.2, "b": 0.35}, "messages": SENT},
    "messaged-alike": {"arms": {"out": 400, "in": 400}, "kind": "holdout", "messages": {"out": 0.7, "in": 0.9}},
    "some-messaged": {"arms": {"out": 400, "in": 400}, "kind": "holdout", "messages": {"out": 0.1, "in": 0.8}},
    "nobody-bought": {"arms": {"a": 300, "b": 300}, "orders": {"a": 0.0, "b": 0.0}, "messages": {"a": 0.0, "b": 0.0}},
    "five-buyers": {"arms": {"a": 1_000, "b": 1_000}, "orders": {"a": 0.005, "b": (0.2, 500.0)}, "messages": SENT},
    "clear": CLEAR,
    "breached": {**CLEAR, "opt_outs": {"a": 0.03, "b": 0.10}},
    "guardrail-open": {**CLEAR, "opt_outs": {"a": 0.03, "b": 0.035}},
    "runs": {**CLEAR, "ended": False},
    "swapped": {**CLEAR, "control": "b"},
    "two-against-one": {"arms": dict.fromkeys("abc", 1_500), "orders": {"a": 0.1, "b": 0.25, "c": 0.1},
                        "messages": dict.fromkeys("abc", 1.0)},
    "many": {"arms": dict.fromkeys("abc", 800), "orders": {"a": 0.1, "b": 0.12, "c": 0.1}, "primary": "order_rate",
             "messages": dict.fromkeys("abc", 1.0)},
    "open": {"arms": {"a": 400, "b": 400}, "orders": {"a": 0.2, "b": 0.23}, "messages": SENT},
    "doses": {**CLEAR, "kind": "frequency", "messages": {"a": 0.0, "b": 1.0}, "opt_outs": {"a": 0.03, "b": 0.3}},
    "doses-lost": {**CLEAR, "kind": "frequency", "orders": {"a": 0.25, "b": 0.1}, "messages": {"a": 0.0, "b": 1.0}},
    "doses-above-one": {**CLEAR, "kind": "frequency"},
    "standing": {**CLEAR, "kind": "holdout", "messages": {"a": 0.0, "b": 1.0}},
    "hours": {**CLEAR, "kind": "timing"},
}  # fmt: skip
