"""Claims about frequency: effects by arm and by curve, the recommendation, and the observational estimate.

Each seed draws a new world: four kinds of customers, observed as segments that mix them, randomly assigned to 0, 1, 2
or 4 texts a week for eleven weeks. The click rate falls with the texts of the week, and clicks cause orders. Texts make
customers opt out: of some kinds in proportion to texts, of others less or more than that. Members of a kind differ in
how readily they opt out (gamma or log-normal) and click, and the two are correlated. Some opt out anyway at any time;
others stop answering without opting out, at a rate that the log of opt-outs does not show. Truths of m and H refer to
the subscribed weeks of an arm, V to the mean of the members' values. The fitted curve uses none of this knowledge.
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
from scipy.special import gammaincinv, ndtr
from scipy.stats import norm

from benchmarks.claims import Claim, Interval, Outcome, Verdict, Withheld
from smsroi_helpers.cltv import LOSS_RATES, NaturalLoss
from smsroi_helpers.cltv.natural_loss import estimate_loss
from smsroi_helpers.frequency import policy as frequency_policy
from smsroi_helpers.frequency.arms import estimate_arms
from smsroi_helpers.frequency.counts import ALL, LogWeeks
from smsroi_helpers.frequency.decision import FrequencyDecision, decide
from smsroi_helpers.frequency.dose_response import DoseResponseFit, fit_response
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


NODES = norm.ppf((np.arange(48) + 0.5) / 48)
"""Members of a kind, by the normal score of how readily they opt out."""
CLICK_SPREAD = 0.6
"""Standard deviation of the logarithm of members' readiness to click."""


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
    """Profit before message cost per click at two texts a week."""
    bend: Floats
    """How far profit departs from clicks: the share by which a click is worth more at four texts a week than at two."""
    opt_out: Floats
    """Opt-out rate per week at one text a week."""
    power: Floats
    """Opt-outs rise with texts to this power."""
    loss: Floats
    """Opt-out rate per week without texts."""
    fade: Floats
    """Share of members a week who stop answering without opting out."""
    spread: float
    """Standard deviation (of the logarithm, if log-normal) of members' readiness to opt out."""
    gamma: bool
    """Whether it is gamma distributed; else log-normal."""
    lean: float
    """Correlation of the readiness to opt out with the readiness to click."""

    def readiness(self, score: Floats) -> Floats:
        """How readily members opt out, with mean 1."""
        if self.gamma:
            shape = max(self.spread, 0.01) ** -2
            return np.asarray(gammaincinv(shape, ndtr(score)) / shape)
        return np.exp(self.spread * score - self.spread**2 / 2)

    def response(self, score: Floats) -> Floats:
        """How readily such members click, on average, with mean 1."""
        return np.exp(CLICK_SPREAD * self.lean * score - (CLICK_SPREAD * self.lean) ** 2 / 2)

    def gross(self, dose: Floats) -> Floats:
        """Kinds × doses: profit before message cost per subscribed week."""
        d = np.asarray(dose, float)
        clicks = self.click[:, None] * d * np.exp(-self.fatigue[:, None] * np.maximum(d - 1, 0))
        return np.asarray(clicks * self.worth_at(d))

    def worth_at(self, dose: Floats) -> Floats:
        """Kinds × doses: profit before message cost per click."""
        return np.asarray(self.worth[:, None] * (1 + self.bend[:, None] * (dose - 2) / 2))

    def hazard(self, dose: Floats) -> Floats:
        """Kinds × doses × members: opt-out rate per subscribed week."""
        caused = self.opt_out[:, None] * np.asarray(dose, float) ** self.power[:, None]
        return np.asarray(self.loss[:, None, None] + caused[..., None] * self.readiness(NODES))

    def profit(self, dose: Floats) -> Floats:
        """Kinds × doses × members: profit per subscribed week."""
        dose = np.asarray(dose, float)
        return np.asarray(self.gross(dose)[..., None] * self.response(NODES) - COST * dose[:, None])

    def members(self) -> Floats:
        """Segments (all customers first) × kinds: the composition of each segment."""
        joint = self.share * self.mixing.T
        return np.vstack([self.share, joint / joint.sum(axis=1, keepdims=True)])

    def truth(self, dose: Floats) -> tuple[Floats, Floats]:
        """Profit m and hazard H (segments × doses), per subscribed week of the test."""
        hazard = self.hazard(dose)
        weeks = -np.expm1(-hazard * WEEKS) / hazard
        people = self.members()
        subscribed = people @ weeks.mean(axis=-1)
        m = people @ (self.profit(dose) * weeks).mean(axis=-1)
        return m / subscribed, (people @ (hazard * weeks).mean(axis=-1)) / subscribed

    def lifetimes(self, hazard: Floats) -> Floats:
        """Discounted weeks of answered texts of each member: kinds × … × members."""
        fade = self.fade.reshape(-1, *(1,) * (hazard.ndim - 1))
        return np.asarray(1 / (1 - (1 - np.minimum(hazard, 1.0)) * (1 - fade) / (1 + DISCOUNT)))

    def value(self, dose: Floats, shares: Floats | None = None) -> Floats:
        """V, the mean of the members' values: segments × doses; with `shares` of the doses: segments."""
        profit, hazard = self.profit(dose), self.hazard(dose)
        if shares is not None:
            profit, hazard = (np.einsum("kdm,d->km", part, shares) for part in (profit, hazard))
        return np.asarray(self.members() @ (profit * self.lifetimes(hazard)).mean(axis=-1))

    def natural_weeks(self) -> Floats:
        """L(c): segments, members weighted by their response to one text."""
        natural = np.broadcast_to(self.loss[:, None], (KINDS, len(NODES)))
        weight = self.gross(np.ones(1)) * self.response(NODES) if self.worth.any() else np.ones(natural.shape)
        people = self.members()
        whole = people @ (weight * self.lifetimes(natural)).mean(axis=-1)
        return np.asarray(whole / (people @ weight.mean(axis=-1)))

    def known_loss(self, rng: np.random.Generator, draws: int = 64) -> NaturalLoss:
        """What a purchase model would show of `fade`: each segment's mixture, with an error of 15 %."""
        shares = {}
        error = rng.standard_normal()
        rates = self.fade[:, None] * np.exp(0.15 * (rng.standard_normal(draws) + error))
        right = np.clip(np.searchsorted(LOSS_RATES, rates), 1, len(LOSS_RATES) - 1)
        part = (rates - LOSS_RATES[right - 1]) / (LOSS_RATES[right] - LOSS_RATES[right - 1])
        for name, people in zip([ALL, *(f"s{k}" for k in range(OBSERVED))], self.members(), strict=True):
            shares[name] = np.zeros((len(LOSS_RATES), draws))
            for k, weight in enumerate(people):
                shares[name][right[k] - 1, np.arange(draws)] += weight * (1 - part[k])
                shares[name][right[k], np.arange(draws)] += weight * part[k]
        return NaturalLoss(shares, "fitted")


def _draw(rng: np.random.Generator, null: bool = False) -> World:
    worth = rng.uniform(3.0, 7.0) * rng.lognormal(0, 0.2, KINDS)
    return World(
        share=rng.dirichlet(np.full(KINDS, 8.0)),
        mixing=rng.dirichlet(np.full(OBSERVED, 0.5), KINDS),
        click=rng.uniform(0.03, 0.10, KINDS),
        fatigue=np.zeros(KINDS) if null else rng.uniform(0.1, 0.3, KINDS),
        worth=np.zeros(KINDS) if null else worth,
        bend=np.clip(abs(rng.normal(0, 0.2)) * rng.standard_normal(KINDS) + rng.normal(0, 0.1), -0.6, 0.6),
        opt_out=rng.uniform(0.002, 0.008, KINDS),
        power=np.clip(rng.normal(1.2, 0.4, KINDS), 0.6, 2.2),
        loss=rng.uniform(0.001, 0.003, KINDS),
        fade=rng.uniform(0.002, 0.02, KINDS),
        spread=abs(rng.normal(0, 0.7)),
        gamma=bool(rng.random() < 0.5),
        lean=rng.uniform(-0.5, 0.2),
    )


def _cells(rng: np.random.Generator, world: World) -> pd.DataFrame:
    """Cells in the form of `frequency.counts.count_arms`."""
    n = CUSTOMERS
    kind = rng.choice(KINDS, n, p=world.share)
    segment = (rng.random(n)[:, None] > world.mixing.cumsum(axis=1)[kind]).sum(axis=1).clip(max=OBSERVED - 1)
    arm, group = rng.integers(0, len(DOSES), n), rng.integers(0, GROUPS, n)
    dose = DOSES[arm]
    score, other = rng.standard_normal(n), rng.standard_normal(n)
    caused = world.opt_out[kind] * dose ** world.power[kind] * world.readiness(score)
    leaves = rng.exponential(1.0, n) / (world.loss[kind] + caused)
    weeks = np.minimum(leaves, WEEKS)
    texts = rng.poisson(dose * weeks)
    rate = world.click[kind] * np.exp(-world.fatigue[kind] * np.maximum(dose - 1, 0))
    eager = CLICK_SPREAD * (world.lean * score + np.sqrt(1 - world.lean**2) * other)
    clicks = rng.binomial(texts, np.minimum(rate * np.exp(eager - CLICK_SPREAD**2 / 2), 1.0))
    # Purchases without texts: few orders of skewed value, with one distribution before and after.
    pace = rng.gamma(0.8, 1.0, n) * 0.12 * WEEKS
    own, before = (rng.poisson(pace) * rng.lognormal(2.3, 0.5, n) for _ in range(2))
    more = rng.poisson(clicks * world.worth_at(DOSES)[kind, arm] / 12.0) * 12.0
    gross, cost = own + more, COST * texts
    frame = pd.DataFrame({
        "arm": np.array(list(ARMS))[arm], "segment": np.char.add("s", segment.astype(str)), "group": group,
        "n": 1, "messages": texts, "messaged_customers": texts > 0, "raw_clicks": clicks, "clicks": clicks,
        "opt_outs": leaves < WEEKS, "early_opt_outs": leaves < WEEKS / 2, "leaver_messages": texts * (leaves < WEEKS),
        "leaver_clicks": clicks * (leaves < WEEKS), "weeks": weeks, "consent_known": 1, "orders": own > 0,
        "revenue": gross,
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
    """M and H of each frequency for all customers, without a model."""
    world = _draw(rng)
    rows = estimate_arms(_cells(rng, world), ARMS)
    rows = rows[(rows["segment"] == ALL) & (rows["messages_per_week"] > 0)]
    m, hazard = (truth[0] for truth in world.truth(rows["messages_per_week"].to_numpy(float)))
    told = (
        ("m", ["profit", "low", "high"], m),
        ("H", ["hazard", "hazard_low", "hazard_high"], hazard),
    )
    return [_told(rows, names, truth, f"{part}, by arm") for part, names, truth in told]


def _study(cells: pd.DataFrame, loss: NaturalLoss, rng: np.random.Generator) -> Study:
    """The study as in the notebook: the cells, and a practice of zero to three texts a week."""
    names = sorted(cells["segment"].unique())
    weeks = pd.DataFrame({
        "segment": np.repeat(names, 1_000), "group": rng.integers(0, GROUPS, 1_000 * len(names)),
        "texts": rng.choice([0, 1, 2, 3], 1_000 * len(names), p=PRACTICE), "customer": np.arange(1_000 * len(names)),
        "profit": 1.0,
    })  # fmt: skip
    audience = pd.DataFrame([
        {"segment": name, "stage": name, "outside": 1, "weeks": PRACTICE_WEEKS, "texts": PRACTICE_WEEKS * d,
         "customers": SUBSCRIBERS * share}
        for name in names for d, share in enumerate(PRACTICE)
    ])  # fmt: skip
    none, last = pd.DataFrame(), dt.date(2026, 1, 4)
    weeks = weeks.assign(stage=weeks["segment"])
    today = weeks.assign(customer_weeks=1, messages=weeks["texts"], whole=1)
    practice = Practice("sms", last - dt.timedelta(days=7 * PRACTICE_WEEKS - 1), last, PRACTICE_WEEKS)
    of_log = LogWeeks(last + dt.timedelta(days=1), None, ())
    logs = Logs(practice, today, none, audience, of_log, weeks, 1.0, none, none)
    fit = fit_response(cells, ARMS, DISCOUNT, rng, loss=loss, draws=1_000)
    plain = estimate_arms(cells, ARMS)
    test: Any = SimpleNamespace(name="doses")
    sound: Any = SimpleNamespace(broken=False)
    schedules = pd.DataFrame([
        {"segment": name, "stage": name, "messages_per_week": dose, "customers": SUBSCRIBERS,
         "others": SUBSCRIBERS * (1 - sum(share for d, share in enumerate(PRACTICE) if d == dose))}
        for name in names for dose in sorted(set(ARMS.values()))
    ])  # fmt: skip
    return Study(
        "sms", test, sound, "", ARMS, cells, plain, fit, fit, logs, "region", DISCOUNT, schedules=schedules
    )  # fmt: skip


PRACTICE = np.array([0.15, 0.25, 0.35, 0.25])
"""Share of customer-weeks with 0, 1, 2, 3 texts."""


def _values(fit: DoseResponseFit, world: World, drawn: Floats, suffix: str = "") -> list[Outcome]:
    """The intervals of V at the tested frequencies, from draws (names × grid × draws)."""
    place = [0, *(1 + int(name[1:]) for name in fit.names[1:])]
    used = [fit.grid_index(dose) for dose in DOSES[1:]]
    own, truth = drawn[:, used], world.value(DOSES[1:])[place]
    low, high = np.quantile(own, [0.025, 0.975], axis=-1)
    mean = own.mean(axis=-1)
    return [
        Interval(mean[part], low[part], high[part], truth[part], part=f"V, {name}{suffix}")
        for part, name in ((slice(0, 1), "everybody"), (slice(1, None), "segments"))
    ]


def curve(rng: np.random.Generator) -> Sequence[Outcome | Withheld]:
    """m, H and V of each frequency and segment by the pooled curve; gain of the recommendation; cost of today."""
    world = _draw(rng)
    study = _study(_cells(rng, world), world.known_loss(rng), rng)
    fit = study.fit
    assert fit is not None
    place = [0, *(1 + int(name[1:]) for name in fit.names[1:])]
    grid = fit.grid
    m, hazard = (truth[place] for truth in world.truth(grid))
    value = world.value(grid)[place]
    told: list[Outcome | Withheld] = []
    tested = [fit.grid_index(dose) for dose in DOSES[1:]]
    for part, drawn, truth in (("m", fit.profit(), m), ("H", fit.hazard, hazard), ("V", fit.value(), value)):
        low, high = np.quantile(drawn, [0.025, 0.975], axis=-1)
        mean = drawn.mean(axis=-1)
        for name, rows in (("everybody", [0]), ("segments", list(range(1, len(place))))):
            cells = np.ix_(rows, tested)
            told.append(Interval(mean[cells], low[cells], high[cells], truth[cells], part=f"{part}, {name}"))
    policy = frequency_policy.choose_frequencies(study, rng)
    known = policy.dropna(subset=["messages_per_week", "gain"])  # the others have a reason in place of a frequency
    at = [fit.grid_index(dose) for dose in known["messages_per_week"]]
    row = [fit.index(name) for name in known["segment"]]
    now = world.value(np.arange(len(PRACTICE), dtype=float), PRACTICE)[place][row]
    weeks = world.natural_weeks()[place]
    gain = (value[row, at] - now) / weeks[row] * known["subscribed"].to_numpy(float)
    told.append(_told(known, ["gain", "gain_low", "gain_high"], gain, "gain of the advice"))
    cost = measure_saturation(study, policy)
    weekly = value / weeks[:, None]
    whole = [fit.grid_index(float(d)) for d in range(len(PRACTICE))]
    dose = policy.set_index("segment")["messages_per_week"]
    lost = [
        SUBSCRIBERS * float(PRACTICE @ (weekly[fit.index(s), fit.grid_index(dose[s])] - weekly[fit.index(s), whole]))
        for s in cost["segment"]
        if s != ALL
    ]
    own = cost[cost["segment"] == ALL]
    part = "cost of today"
    if len(own):
        told.append(_told(own, ["cost", "cost_low", "cost_high"], np.array([sum(lost)]), part))
    elif not (policy["outcome"].eq("change") | policy["reason"].eq("as_today"))[policy["segment"] != ALL].any():
        told.append(Withheld(part))  # no segment's frequency was decided, so that today's is compared with nothing
    return told


def choice(rng: np.random.Generator) -> Outcome:
    """Whether the frequency chosen for a segment is worth over 10 % less than the best of those tested."""
    world = _draw(rng)
    study = _study(_cells(rng, world), world.known_loss(rng), rng)
    policy = frequency_policy.choose_frequencies(study, rng)
    row = policy.iloc[int(rng.integers(1, len(policy)))]
    value = world.value(DOSES)[1 + int(row["segment"][1:])]
    chosen = float(value[np.flatnonzero(np.isclose(DOSES, row["messages_per_week"]))[0]])
    return Verdict(chosen < value.max() - 0.1 * abs(value.max()))


def untested(rng: np.random.Generator) -> Sequence[Outcome]:
    """m, H and V at ½ and 3 texts a week, which no arm got."""
    world = _draw(rng)
    fit = fit_response(_cells(rng, world), ARMS, DISCOUNT, rng, loss=world.known_loss(rng), draws=1_000)
    place = [0, *(1 + int(name[1:]) for name in fit.names[1:])]
    between = np.array([0.5, 3.0])
    used = [fit.grid_index(dose) for dose in between]
    truths = (*world.truth(between), world.value(between))
    told: list[Outcome] = []
    for part, drawn, truth in zip("mHV", (fit.profit(), fit.hazard, fit.value()), truths, strict=True):
        low, high = np.quantile(drawn[:, used], [0.025, 0.975], axis=-1)
        told.append(Interval(drawn[:, used].mean(axis=-1), low, high, truth[place], part=part))
    return told


def mean_rates(rng: np.random.Generator) -> Sequence[Outcome]:
    """V of the members' mean rates, instead of the mean of their values."""
    world = _draw(rng)
    fit = fit_response(_cells(rng, world), ARMS, DISCOUNT, rng, loss=world.known_loss(rng), draws=1_000)
    fade = np.einsum("gkn,k->gn", fit.lifetime.shares, LOSS_RATES)[:, None]
    return _values(fit, world, fit.profit() / (1 - (1 - fit.hazard) * (1 - fade) / (1 + DISCOUNT)))


def zero_arm_loss(rng: np.random.Generator) -> Sequence[Outcome]:
    """V with no loss but the opt-outs of the arm without texts."""
    world = _draw(rng)
    fit = fit_response(_cells(rng, world), ARMS, DISCOUNT, rng, loss=NaturalLoss.constant(0.0), draws=1_000)
    return _values(fit, world, fit.value())


def _shoppers(rng: np.random.Generator, n: int, pareto: bool) -> tuple[pd.DataFrame, Floats, Floats, Floats]:
    """Purchase histories; weeks from now until each customer drops out (below 0: has dropped out); s and r of each.

    A customer is active t weeks after the first purchase with probability s · exp(−r·t).
    """
    age, rate = rng.uniform(5, 80, n), rng.gamma(rng.uniform(0.8, 2.0), 1 / rng.uniform(6.0, 14.0), n)
    shape, ratio = rng.uniform(0.6, 1.5), rng.uniform(3.0, 8.0)
    leaves = np.full(n, np.inf)
    chance = np.zeros(n) if pareto else rng.beta(shape, shape * ratio, n)
    loss = rng.gamma(shape, 1 / (30.0 * ratio), n) if pareto else rate * chance
    if pareto:
        leaves = rng.exponential(1.0, n) / loss
    leaves[rng.random(n) < chance] = 0.0
    now, last, count = np.zeros(n), np.zeros(n), np.zeros(n)
    active = np.flatnonzero(leaves > 0)
    while len(active):
        now[active] += rng.exponential(1.0, len(active)) / rate[active]
        active = active[(now[active] < leaves[active]) & (now[active] < age[active] + 110)]
        seen = active[now[active] < age[active]]
        count[seen] += 1
        last[seen] = now[seen]
        gone = active[rng.random(len(active)) < chance[active]]
        leaves[gone] = now[gone]
        active = active[leaves[active] > now[active]]
    frame = pd.DataFrame({"frequency": count, "recency_weeks": last, "T_weeks": age, "customers": 1.0})
    return frame, leaves - age, 1 - chance, loss


def drop_out(rng: np.random.Generator, pareto: bool = False) -> Sequence[Outcome]:
    """The share of the response that is left after 26, 52 and 104 weeks.

    Args:
        rng: the generator of the world.
        pareto: customers drop out by Pareto/NBD, not by MBG/NBD.
    """
    n = 6_000
    frame, left, start, rate = _shoppers(rng, n, pareto)
    ended = rng.uniform()
    # Texts to another 6,000, whose clicks end with drop-out in the share `ended`.
    others, theirs = _shoppers_like(rng, frame, left, n)
    texts = rng.poisson(20, n)
    clicks = rng.binomial(texts, np.where(theirs > 0, 0.08, 0.08 * (1 - ended)))
    loss = estimate_loss(frame, frame.iloc[:2_000], others.assign(arm="a", texts=texts, clicks=clicks))[ALL]
    told: list[Outcome] = []
    age = frame["T_weeks"].to_numpy(float)
    alive = (start * np.exp(-rate * age)).mean()
    for weeks in (26, 52, 104):
        still = (start * np.exp(-rate * (age + weeks))).mean()
        truth = (1 - ended * (1 - still)) / (1 - ended * (1 - alive))
        drawn = (1 - LOSS_RATES) ** weeks @ loss.shares[ALL]
        low, high = np.quantile(drawn, [0.025, 0.975])
        told.append(Interval(drawn.mean(), low, high, truth, part=f"response after {weeks} weeks"))
    return told


def _shoppers_like(rng: np.random.Generator, frame: pd.DataFrame, left: Floats, n: int) -> tuple[pd.DataFrame, Floats]:
    """Customers drawn with replacement."""
    place = rng.integers(0, len(frame), n)
    return frame.iloc[place].reset_index(drop=True), left[place]


def null(rng: np.random.Generator) -> Outcome:
    """Whether more texts are recommended, or a gain is claimed, where texts are clicked but cause no profit."""
    world = _draw(rng, null=True)
    study = _study(_cells(rng, world), world.known_loss(rng), rng)
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
    Claim("dose_choice", "a recommended frequency worth over 10 % less than the best", "frequency", "false_alarm",
          choice, n=400, alpha=0.2),
    Claim("dose_untested", "the same at ½ and 3 texts a week, which no arm got", "frequency", "at_least", untested,
          n=400),
    Claim("dose_curve_mean_rates", "V at the members' mean rates", "nowhere", "shrunken", mean_rates, n=200,
          known_wrong=True),
    Claim("dose_curve_zero_arm", "V with no natural loss but the zero arm's opt-outs", "nowhere", "shrunken",
          zero_arm_loss, n=200, known_wrong=True),
    Claim("dose_drop_out", "share of the response left after so many weeks, by drop-out and clicks", "frequency",
          "at_least", drop_out, n=400),
    Claim("dose_drop_out_pareto", "the same where customers drop out by another model, Pareto/NBD", "frequency",
          "at_least", partial(drop_out, pareto=True), n=400),
    Claim("dose_null", "more texts advised, or a gain claimed, where texts bring nothing", "frequency", "false_alarm",
          null),
    Claim("dose_log", "profit that goes with a text more a week, by AIPW, where the log tells all the sender knew",
          "frequency, observational", "two_sided", log),
    Claim("dose_log_hidden", "the same where the sender knew more than the log tells", "nowhere as an effect",
          "two_sided", partial(log, hidden=0.5), n=200, known_wrong=True),
]  # fmt: skip
