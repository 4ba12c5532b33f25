"""Plans of random companies: whatever the response, the places and the limits, no rule is broken.

Each company has its own customers, places, weeks (with changes of clocks), prices and limits; each of its places and
groups of customers is a case with its own action.
"""

import datetime as dt
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import ibis
import numpy as np
import pandas as pd
import pytest

from smsroi_helpers import measures
from smsroi_helpers.send_plan.groupings import Grouping
from smsroi_helpers.send_plan.limited_plan import Limits, PlanInputs, divide, limit_plan
from smsroi_helpers.send_plan.policy import choose_policy
from smsroi_helpers.send_plan.schedule import Calendar, Roles, write_messages
from smsroi_helpers.send_plan.today import Audience
from smsroi_helpers.send_plan.valuation import Candidate, revalue
from smsroi_helpers.statistics import GROUPS
from tests.send_plan.test_policy import WINDOWS, economics, random_response

COMPANIES = 4
"""`python -m benchmarks.plan_rules` tries 2,000."""
ORDERS = "order_id,customer_id,ordered_at,amount\n1,a,2026-10-01,1\n"
CUSTOMERS = 400
PLACES = (("Europe/Paris", "FR"), ("America/New_York", "US"), ("America/Chicago", "US-TX"), ("Asia/Shanghai", "CN"),
          ("Australia/Lord_Howe", "careful"), ("Asia/Kathmandu", "careful"), ("", "US"))  # fmt: skip
USUAL = "America/New_York"
REASONS = ("", "no_consent", "in_test", "unreachable")
FIRST_DAYS = (dt.date(2026, 3, 3), dt.date(2026, 10, 13), dt.date(2026, 9, 22), dt.date(2026, 6, 30))
"""Clocks change in the weeks from the first three."""
TEXTS = ("ask", "gift")


@pytest.fixture(scope="module")
def shop(read_once):
    return read_once(orders=ORDERS)


def random_inputs(shop, rng):
    """Customers in random places and groups; a quarter of them may not be texted."""
    names = [PLACES[k] for k in rng.choice(len(PLACES), rng.integers(2, 6), replace=False)]
    masks = tuple(measures.allowed(rules.split()) for _zone, rules in names)
    places = pd.DataFrame(names, columns=["timezone", "rules"]).assign(region="", mask=range(len(names)))
    codes = pd.Series([str(k) for k in range(rng.integers(1, 7))])
    people = pd.DataFrame({
        "customer_id": [f"c{rng.integers(1 << 40)}" for _ in range(CUSTOMERS)],
        "code": rng.choice(codes, CUSTOMERS), "zone": rng.choice(places["timezone"], CUSTOMERS), "area": "",
        "reason": rng.choice(REASONS, CUSTOMERS, p=(0.76, 0.08, 0.08, 0.08)), "texts_today": 0.0,
    })  # fmt: skip
    audience = Audience(ibis.memtable(people), None, places, masks, USUAL, None)
    first = FIRST_DAYS[rng.integers(len(FIRST_DAYS))]
    calendar = Calendar(f"plan-{first:%Y%m%d}", first, int(rng.integers(1, 5)))
    evidence = SimpleNamespace(
        shop=shop, creatives=TEXTS, windows=WINDOWS, doses=(0.0, 1.0, 2.0), codes=pd.DataFrame({"code": codes})
    )
    roles = Roles.of_shares(float(rng.choice([0, 0.05, 0.2])), float(rng.choice([0, 0.1, 0.4])))
    customers = np.ones((len(codes), len(masks)))
    return PlanInputs(shop, evidence, audience, calendar, roles, customers), people


def random_candidate(inputs, rng, prices):
    """A response drawn at random, with the best policy by it."""
    codes, masks = len(inputs.evidence.codes), len(inputs.audience.masks)
    grouping = Grouping("x", np.arange(codes), rng.dirichlet(np.ones(2), codes), ("a", "b"))
    fits = [random_response(rng, 2, repeats=1 + groups) for groups in (GROUPS, GROUPS // 2, GROUPS // 2)]
    today = SimpleNamespace(customers=np.ones((codes, masks)))
    zero = np.zeros((1 + GROUPS, 1))
    empty = Candidate(
        SimpleNamespace(grouping=grouping), today, fits[0], tuple(fits[1:]), None, (), prices, zero, zero, zero, zero,
        0.0,
    )  # fmt: skip
    policies = [choose_policy(fit, grouping, prices, inputs.audience.masks) for fit in fits]
    return revalue(empty, prices, policies[1:], policies[0])


def random_limits(rng):
    """Of each, often none, sometimes hardly anything."""
    budget = float(rng.choice([0.0, rng.uniform(0.01, 1.0), rng.uniform(1.0, 20.0)]))
    capacity = int(rng.choice([0, rng.integers(1, 5), rng.integers(5, 60)]))
    return Limits(budget, capacity)


def plan_company(shop, seed):
    """The messages of a random company's plan, with all that was drawn."""
    rng = np.random.default_rng(seed)
    inputs, people = random_inputs(shop, rng)
    prices = economics(
        cost=rng.uniform(0.004, 0.02, 2), most_texts=float(rng.choice([1, 2, 4])), horizon_weeks=inputs.calendar.weeks
    )
    candidate, limits = random_candidate(inputs, rng, prices), random_limits(rng)
    design = SimpleNamespace(economics=prices, doses=candidate.response.doses, masks=inputs.audience.masks)
    limited = limit_plan(inputs, [candidate], design, limits)
    divided = divide(inputs, limited, ranked=limits.capacity_per_hour > 0)
    written = write_messages(
        divided, limited.slots, limited.actions, limited.exploration, inputs.calendar, "sms",
        [str(k) for k in range(len(inputs.evidence.codes))],
    )  # fmt: skip
    return SimpleNamespace(
        inputs=inputs, people=people.set_index("customer_id"), prices=prices, limits=limits, limited=limited,
        messages=shop.count(written),
    )  # fmt: skip


def check_rules(found):
    """Every rule, on plain rows; returns the numbers of cases and of texts."""
    messages, calendar = found.messages, found.inputs.calendar
    wanted = found.people[found.people["reason"] == ""]
    assert set(messages["customer_id"]) == set(wanted.index), "everybody in the audience, and nobody else"
    texts = messages.dropna(subset=["send_at"])
    assert not (texts["role"] == "holdout").any()
    homes = found.people.loc[texts["customer_id"]]
    zones = homes["zone"].replace("", USUAL)
    local = [at.tz_localize("UTC").tz_convert(ZoneInfo(z)) for at, z in zip(texts["send_at"], zones, strict=True)]
    rules = found.inputs.audience.places.set_index("timezone")["rules"][homes["zone"]]
    for at, rule in zip(local, rules, strict=True):
        assert measures.allowed_on(rule.split(), at.date())[at.hour], (at, rule)
        assert at.date() in calendar.days
    rows = texts.assign(date=[at.date() for at in local])
    assert not rows.duplicated(["customer_id", "date"]).any(), "one text a day"
    week = [(day - calendar.first_day).days // 7 for day in rows["date"]]
    weekly = rows.assign(week=week).groupby(["customer_id", "week"]).size()
    assert weekly.max() <= found.prices.most_texts if len(weekly) else True
    cost = texts["variant"].map(dict(zip(TEXTS, found.prices.cost, strict=True))).astype(float).sum()
    assert not found.limits.budget or cost <= found.limits.budget * (1 + 1e-9)
    hourly = texts.groupby(texts["send_at"].dt.floor("h")).size().max() if len(texts) else 0
    assert hourly == found.limited.capacity.busiest
    assert not found.limits.capacity_per_hour or hourly <= found.limits.capacity_per_hour
    reasons = messages.groupby("reason")["customer_id"].nunique()
    assert reasons.sum() == len(wanted), "one reason each"
    assert set(reasons.index) <= {"best_value", "explore", "holdout", "no_gain", "budget", "capacity"}
    cases = wanted.groupby(["zone", "code"]).ngroups
    return cases, len(texts)


@pytest.mark.parametrize("seed", range(COMPANIES))
def test_no_rule_is_broken(shop, seed):
    cases, _texts = check_rules(plan_company(shop, seed))
    assert cases > 1
