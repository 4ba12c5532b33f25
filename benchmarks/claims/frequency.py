"""Claims about frequency: effects by arm and by curve, the recommendation, and the observational estimate.

Each seed draws a new world: four kinds of customers, observed as segments that mix them, randomly assigned to 0, 1, 2
or 4 texts a week for eleven weeks. The click rate falls with the texts of the week, and clicks cause orders. Each text
makes some customers opt out, and some opt out anyway at any time. Truths refer to the subscribed weeks of an arm, as in
the definitions of m and H. The fitted curve uses none of this knowledge.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.claims import Claim, Interval, Outcome, Verdict
from smsroi_helpers.frequency import policy as frequency_policy
from smsroi_helpers.frequency.arms import estimate_arms
from smsroi_helpers.frequency.counts import ALL, LogWeeks
from smsroi_helpers.frequency.decision import FrequencyDecision, decide
from smsroi_helpers.frequency.dose_response import fit_response
from smsroi_helpers.frequency.observational import COVARIATES, estimate_steps
from smsroi_helpers.frequency.saturation import measure_saturation
from smsroi_helpers.frequency.study import Logs, Study
from smsroi_helpers.measures import PRACTICE_WEEKS, Practice
from smsroi_helpers.statistics.jackknife import GROUPS

Floats = NDArray[np.float64]
CUSTOMERS, WEEKS, KINDS, OBSERVED = 6_000, 11.0, 4, 4
DOSES = np.array([0.0, 1.0, 2.0, 4.0])
ARMS = {f"{d:.0f}_a_week": d for d in DOSES}
DISCOUNT, COST = 0.0018, 0.02
SUBSCRIBERS = 2_000.0
"""Subscribers of each segment, for whom the gain is computed."""


@dataclass(frozen=True)
class World:
    """The true parameters of each kind of customer."""

    share: Floats
    mixing: Floats
    """Kinds × observed segments: P(segment | kind)."""
    click: Floats
    """Click rate of the first text of a week."""
    fatigue: Floats
    """Fall of the log click rate with each further text of the week."""
    worth: Floats
    """Profit before message cost per click."""
    opt_out: Floats
    """Opt-out rate per text."""
    loss: Floats
    """Opt-out rate per week without texts."""

    def gross(self, dose: Floats) -> Floats:
        """Kinds × doses: profit before message cost per subscribed week."""
        d = np.asarray(dose, float)
        return np.asarray(
            (self.click * self.worth)[:, None] * d * np.exp(-self.fatigue[:, None] * np.maximum(d - 1, 0))
        )

    def hazard(self, dose: Floats) -> Floats:
        """Kinds × doses: opt-out rate per subscribed week."""
        return np.asarray(self.loss[:, None] + self.opt_out[:, None] * np.asarray(dose, float))

    def members(self) -> Floats:
        """Segments (all customers first) × kinds: the composition of each segment."""
        joint = self.share * self.mixing.T
        return np.vstack([self.share, joint / joint.sum(axis=1, keepdims=True)])

    def truth(self, dose: Floats) -> tuple[Floats, Floats]:
        """Profit m and hazard H (segments × doses), per subscribed week of the test."""
        hazard = self.hazard(dose)
        weeks = -np.expm1(-hazard * WEEKS) / hazard
        people = self.members()
        subscribed = people @ weeks
        return (people @ (self.gross(dose) * weeks)) / subscribed - COST * dose, (
            people @ (hazard * weeks)
        ) / subscribed


def _value(profit: Floats, hazard: Floats) -> Floats:
    """V of m and H."""
    return np.asarray(profit / (1 - (1 - hazard) / (1 + DISCOUNT)))


def _draw(rng: np.random.Generator, null: bool = False) -> World:
    worth = rng.uniform(3.0, 7.0) * rng.lognormal(0, 0.2, KINDS)
    return World(
        share=rng.dirichlet(np.full(KINDS, 8.0)),
        mixing=rng.dirichlet(np.full(OBSERVED, 0.5), KINDS),
        click=rng.uniform(0.03, 0.10, KINDS),
        fatigue=np.zeros(KINDS) if null else rng.uniform(0.1, 0.3, KINDS),
        worth=np.zeros(KINDS) if null else worth,
        opt_out=rng.uniform(0.002, 0.008, KINDS),
        loss=rng.uniform(0.001, 0.003, KINDS),
    )


def _cells(rng: np.random.Generator, world: World) -> pd.DataFrame:
    """Cells in the form of `frequency.counts.count_arms`."""
    n = CUSTOMERS
    kind = rng.choice(KINDS, n, p=world.share)
    segment = (rng.random(n)[:, None] > world.mixing.cumsum(axis=1)[kind]).sum(axis=1).clip(max=OBSERVED - 1)
    arm, group = rng.integers(0, len(DOSES), n), rng.integers(0, GROUPS, n)
    dose = DOSES[arm]
    leaves = rng.exponential(1.0, n) / (world.loss[kind] + world.opt_out[kind] * dose)
    weeks = np.minimum(leaves, WEEKS)
    texts = rng.poisson(dose * weeks)
    rate = world.click[kind] * np.exp(-world.fatigue[kind] * np.maximum(dose - 1, 0))
    clicks = rng.binomial(texts, rate)
    # Purchases without texts: few orders of skewed value, with one distribution before and after.
    pace = rng.gamma(0.8, 1.0, n) * 0.12 * WEEKS
    own, before = (rng.poisson(pace) * rng.lognormal(2.3, 0.5, n) for _ in range(2))
    caused = rng.poisson(clicks * world.worth[kind] / 12.0) * 12.0
    gross, cost = own + caused, COST * texts
    frame = pd.DataFrame({
        "arm": np.array(list(ARMS))[arm], "segment": np.char.add("s", segment.astype(str)), "group": group,
        "n": 1, "messages": texts, "messaged_customers": texts > 0, "raw_clicks": clicks, "clicks": clicks,
        "opt_outs": leaves < WEEKS, "weeks": weeks, "consent_known": 1, "orders": own > 0, "revenue": gross,
        "message_cost": cost,
    })  # fmt: skip
    for name, y in (("gross", gross), ("profit", gross - cost)):
        frame = frame.assign(**{
            f"{name}__n": 1, f"{name}__n_unknown": 0, f"{name}__n_known": 1, f"{name}__sum_y": y,
            f"{name}__sum_y_known": y, f"{name}__sum_y2": y**2, f"{name}__sum_x": before,
            f"{name}__sum_x2": before**2, f"{name}__sum_xy": before * y,
        })  # fmt: skip
    cells = frame.groupby(["arm", "segment", "group"], as_index=False).sum()
    return cells.assign(stage=cells["segment"], consenting=1)


def _told(rows: pd.DataFrame, names: Sequence[str], truth: Floats, part: str) -> Interval:
    """The interval from the columns `names`: estimate, low, high."""
    estimate, low, high = rows[list(names)].to_numpy(float).T
    return Interval(estimate, low, high, truth, part=part)


def arms(rng: np.random.Generator) -> Sequence[Outcome]:
    """m, H and V of each frequency for all customers, without a model."""
    world = _draw(rng)
    rows = estimate_arms(_cells(rng, world), ARMS, DISCOUNT)
    rows = rows[(rows["segment"] == ALL) & (rows["messages_per_week"] > 0)]
    m, hazard = (truth[0] for truth in world.truth(rows["messages_per_week"].to_numpy(float)))
    told = (
        ("m", ["profit", "low", "high"], m),
        ("H", ["hazard", "hazard_low", "hazard_high"], hazard),
        ("V", ["value", "value_low", "value_high"], _value(m, hazard)),
    )
    return [_told(rows, names, truth, f"{part}, by arm") for part, names, truth in told]


def _study(cells: pd.DataFrame, rng: np.random.Generator) -> Study:
    """The study as in the notebook: the cells, and a practice of zero to three texts a week."""
    names = sorted(cells["segment"].unique())
    weeks = pd.DataFrame({
        "segment": np.repeat(names, 1_000), "group": rng.integers(0, GROUPS, 1_000 * len(names)),
        "texts": rng.choice([0, 1, 2, 3], 1_000 * len(names), p=PRACTICE), "customer": np.arange(1_000 * len(names)),
        "profit": 1.0,
    })  # fmt: skip
    audience = pd.DataFrame([
        {"segment": name, "stage": name, "outside": 1, "texts": PRACTICE_WEEKS * d, "customers": SUBSCRIBERS * share}
        for name in names for d, share in enumerate(PRACTICE)
    ])  # fmt: skip
    none, last = pd.DataFrame(), dt.date(2026, 1, 4)
    weeks = weeks.assign(stage=weeks["segment"])
    today = weeks.assign(customer_weeks=1, messages=weeks["texts"])
    practice = Practice("sms", last - dt.timedelta(days=7 * PRACTICE_WEEKS - 1), last, PRACTICE_WEEKS)
    of_log = LogWeeks(last + dt.timedelta(days=1), False, ())
    logs = Logs(practice, today, none, audience, of_log, weeks, 1.0, none, none)
    fit = fit_response(cells, ARMS, DISCOUNT, rng, draws=1_000)
    plain = estimate_arms(cells, ARMS, DISCOUNT)
    test: Any = SimpleNamespace(name="doses")
    sound: Any = SimpleNamespace(broken=False)
    return Study("sms", test, sound, "", ARMS, cells, plain, fit, fit, logs, "region", DISCOUNT)


PRACTICE = np.array([0.15, 0.25, 0.35, 0.25])
"""Share of customer-weeks with 0, 1, 2, 3 texts."""


def curve(rng: np.random.Generator) -> Sequence[Outcome]:
    """m, H and V of each frequency and segment by the pooled curve; gain of the recommendation; cost of today."""
    world = _draw(rng)
    study = _study(_cells(rng, world), rng)
    fit = study.fit
    assert fit is not None
    place = [0, *(1 + int(name[1:]) for name in fit.names[1:])]
    grid = fit.grid
    m, hazard = (truth[place] for truth in world.truth(grid))
    value = _value(m, hazard)
    used = [fit.grid_index(dose) for dose in DOSES[1:]]
    told: list[Outcome] = []
    for part, drawn, truth in (("m", fit.profit(), m), ("H", fit.hazard, hazard), ("V", fit.value(), value)):
        own = drawn[:, used]
        low, high = np.quantile(own, [0.025, 0.975], axis=-1)
        whole = slice(0, 1)
        told += [
            Interval(
                own.mean(axis=-1)[whole], low[whole], high[whole], truth[whole][:, used], part=f"{part}, everybody"
            ),
            Interval(own.mean(axis=-1)[1:], low[1:], high[1:], truth[1:][:, used], part=f"{part}, segments"),
        ]
    policy = frequency_policy.choose_frequencies(study, rng)
    at = [fit.grid_index(dose) for dose in policy["messages_per_week"]]
    row = [fit.index(name) for name in policy["segment"]]
    mixed = np.zeros(len(grid))
    mixed[: len(PRACTICE)] = PRACTICE
    now = _value(m[row] @ mixed, hazard[row] @ mixed)
    natural = world.truth(np.array([0.0]))[1][place][row][:, 0]
    factor = 1 - (1 - natural) / (1 + DISCOUNT)
    gain = (value[row, at] - now) * factor * policy["subscribed"].to_numpy(float)
    told.append(_told(policy, ["gain", "gain_low", "gain_high"], gain, "gain of the advice"))
    cost = measure_saturation(study, policy)
    weekly = value * (1 - (1 - world.truth(np.array([0.0]))[1][place]) / (1 + DISCOUNT))
    lost = [
        SUBSCRIBERS
        * float(PRACTICE @ (weekly[fit.index(s), fit.grid_index(d)] - weekly[fit.index(s), : len(PRACTICE)]))
        for s, d in zip(policy["segment"][1:], policy["messages_per_week"][1:], strict=True)
    ]
    own = cost[cost["segment"] == ALL]
    if len(own):
        told.append(_told(own, ["cost", "cost_low", "cost_high"], np.array([sum(lost)]), "cost of today"))
    return told


def null(rng: np.random.Generator) -> Outcome:
    """Whether more texts are recommended, or a gain is claimed, where texts are clicked but cause no profit."""
    study = _study(_cells(rng, _draw(rng, null=True)), rng)
    policy = frequency_policy.choose_frequencies(study, rng)
    more = policy["messages_per_week"] > policy["today"]
    claims = [_claims_a_gain(each) for each in decide(study, policy)]
    return Verdict(bool(((policy["outcome"] == "change") & more).any() or any(claims)))


def _claims_a_gain(found: FrequencyDecision) -> bool:
    return found.outcome == "do" and found.gain is not None and found.gain_is_reported and found.gain[1] > 0


def log(rng: np.random.Generator, hidden: float = 0.0) -> Sequence[Outcome]:
    """The observational effect of one more text a week, where the sender's choice depends on logged covariates.

    Args:
        rng: the generator of the world.
        hidden: strength of an unobserved confounder of texts and profit.
    """
    people, landmarks = 1_500, 4
    n = people * landmarks
    recency, taste = rng.exponential(30.0, n), np.repeat(rng.gamma(2.0, 0.5, people), landmarks)
    untold = rng.standard_normal(n)
    lean = 0.8 - recency / 40 + hidden * untold
    texts = np.minimum(rng.poisson(np.exp(np.clip(lean, -2.0, 0.9))), 3)
    effect = rng.uniform(0.2, 1.0)
    mean = 4 * np.exp(-recency / 40) * taste + 2 * hidden * untold + effect * texts
    profit = mean + 4 * (rng.exponential(1.0, n) - 1)
    told = {name: rng.integers(0, 10, n).astype(float) for name in COVARIATES} | {"recency_days": recency}
    weeks = pd.DataFrame(told).assign(
        landmark=np.tile(np.arange(landmarks), people), customer=np.repeat(np.arange(people), landmarks), texts=texts,
        profit=profit,
    )  # fmt: skip
    steps, _overlap = estimate_steps(weeks, seed=1)
    return [Interval(row.effect, row.low, row.high, effect, part=f"{row.fewer} to {row.more}")
            for row in steps.itertuples() if np.isfinite(row.effect)]  # fmt: skip


_WORLDS = "6,000 customers of four kinds, mixed in four segments, randomised to 0, 1, 2 or 4 texts a week"
CLAIMS = [
    Claim("dose_arms", f"profit and opt-outs by texts a week; {_WORLDS}", "frequency", "two_sided", arms, n=2_000),
    Claim("dose_curve", "the same by a concave curve that segments share the shape of", "frequency", "shrunken", curve),
    Claim("dose_null", "more texts advised, or a gain claimed, where texts bring nothing", "frequency", "false_alarm",
          null),
    Claim("dose_log", "profit that goes with a text more a week, by AIPW, where the log tells all the sender knew",
          "frequency, observational", "two_sided", log),
    Claim("dose_log_hidden", "the same where the sender knew more than the log tells", "nowhere as an effect",
          "two_sided", partial(log, hidden=0.5), n=200, known_wrong=True),
]  # fmt: skip
