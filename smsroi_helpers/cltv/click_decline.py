"""How fast subscribers stop clicking, seen from those who clicked earlier: a loss that leaves no trace in the consent.

Who clicked in some weeks was a reader then. Of these, clicks per text in later weeks fall as readers are lost. The log
is cut into blocks of four weeks, up to the last day observed. With p_i the clicks per text of subscriber i as long as
i reads, a_t what a block's texts, hours and season multiply it with, and S(b, t) the share of the readers of block b
left in block t,

    r(b, t) = Σ_i clicks_i(b) · clicks_i(t) ÷ Σ_i clicks_i(b) · texts_i(t),  b before t
            ≈ a_t · S(b, t) · Σ p_i² ÷ Σ p_i

Of one block t, r falls from recent b to early ones by the loss alone: a_t is the same for all, and a_b cancels. Only
today's subscribers are counted, in all blocks: those who opted out may have clicked less or more. A block in which an
experiment set a customer's frequency or hour is left out for this customer, as its texts are not like the others'.
Interest that lasts for some weeks only is not a loss, so blocks next to each other are not compared. Readers are
weighted by clicks, as their value is.

Readers differ in how fast they are lost, and those lost fast are lost first, so the loss to come is smaller than the
loss seen. With rates ~ Gamma of mean μ and variance σ²μ² when the log began, and s weeks since then (Vaupel, Manton &
Stallard 1979, Demography 16(3)),

    log r(b, t) = α_t + log(1 + σ²μ s_b) / σ²,    the mean rate of those who read today = μ / (1 + σ²μ s_now)

α_t, a slope and a curvature in s_b are fitted by least squares weighted with the clicks. Their covariance is that of
the delete-a-group jackknife over customers, plus that of leaving out one block at a time: what happens in a block
happens to many customers at once. The posterior of μ (flat, not below 0) and σ (half-normal) follows from these two
numbers.

Related: Rogosa & Willett (1985), Psychometrika 50: the loss of a correlation with the lag tells how stable a trait is.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
from scipy.special import gammaincinv

from smsroi_helpers import measures
from smsroi_helpers.engine import hash_group
from smsroi_helpers.segmentation import known_people
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import GROUPS, Floats, by_group

__all__ = ["ClickDecline", "count_click_pairs", "estimate_decline"]

BLOCK_WEEKS = 4
"""Weeks of a block."""
MOST_BLOCKS = 26
"""Two years are looked at, at most."""
_NEAREST = 2
"""Blocks that are compared are at least so many apart."""
_FEWEST_BLOCKS = 3
"""Earlier blocks that are compared, at least."""
_FEWEST_CLICKS = 50
"""Pairs of blocks with fewer later clicks are left out."""
_SINGULAR = 1e12
_WIDEST = 0.02
"""With a larger standard error of the weekly rate than this, clicks tell nothing of it."""
READERS = 8
"""Readers, of equal numbers, that stand for the distribution of rates."""
_SPREADS = np.linspace(0.1, 2.5, 25)
_SPREAD_SCALE = 1.3
"""Scale of the half-normal prior on σ. Drop-out from buying has such a spread: s = .61 in the Pareto/NBD of CDNOW
(Fader, Hardie & Lee 2005, Marketing Science 24(2)) is σ = 1.28."""
_SAMPLED = 40_000
"""About as many customers are enough: with more, the error of the rate is negligible."""
_SLICES = 256


@dataclass(frozen=True)
class ClickDecline:
    """How fast those who read today will be lost, by clicks: a posterior on a grid of μ and σ, by ascending rate."""

    rate: Floats
    """Mean weekly rate of those who read today, ascending."""
    spread: Floats
    """σ of each: the standard deviation of readers' rates ÷ their mean."""
    weight: Floats
    """Summing to 1."""
    seen: tuple[float, float]
    """The slope over the whole log as a weekly rate, and its standard error; it may be below 0 by chance."""

    def draw(self, uniform: Floats) -> Floats:
        """Weekly rates of `READERS` readers of equal number (readers × draws), one draw for each number from 0 to 1."""
        at = np.minimum(np.searchsorted(np.cumsum(self.weight), uniform), len(self.weight) - 1)
        shape = self.spread[at] ** -2
        points = (np.arange(READERS) + 0.5) / READERS
        readers = gammaincinv(shape, points[:, None]) / shape
        return np.asarray(readers / readers.mean(axis=0) * self.rate[at])


def count_click_pairs(shop: Shop, channel: str) -> pd.DataFrame:
    """Clicks and texts of a block, each customer weighted by the clicks in an earlier block.

    Args:
        shop: the company.
        channel: of the texts; empty where there are none.

    Returns:
        earlier, later (numbers of blocks, 0 the latest), group (0–63), clicks, texts (both weighted). No rows where
        clicks are not known.
    """
    if not channel or not measures.knows_clicks(shop):
        return pd.DataFrame(columns=["earlier", "later", "group", "clicks", "texts"])
    days = 7 * BLOCK_WEEKS
    people = measures.subscribed(shop, ibis.literal(shop.end), known_people(shop))
    size = max(int(shop.count(people.count().name("n").as_table())["n"].iloc[0]), 1)
    slices = min(_SLICES, max(1, round(_SLICES * _SAMPLED / size)))
    people = shop.keep(people.filter(hash_group(people.customer_id, "click-decline", _SLICES) < slices))
    sends = measures.human_clicks(shop)
    sends = sends.filter(sends.channel == channel, sends.click_known)
    sends = sends.select("sent_at", "human_click_at", addressee="customer_id")
    sends = sends.semi_join(people, sends.addressee == people.customer_id)
    sends = sends.mutate(block=(ibis.literal(shop.end).delta(sends.sent_at, unit="second") // (86_400 * days)))
    sends = _outside_experiments(shop, sends.filter(sends.block >= 0, sends.block < MOST_BLOCKS))
    sums = shop.keep(sends.group_by("addressee", "block").aggregate(
        texts=sends.count(), clicks=sends.count(where=sends.human_click_at.notnull())
    ))  # fmt: skip
    before = sums.filter(sums.clicks > 0).select(person="addressee", earlier="block", weight="clicks")
    pairs = before.join(sums, [before.person == sums.addressee, before.earlier >= sums.block + _NEAREST])
    pairs = pairs.mutate(group=hash_group(pairs.person, "click-decline-jackknife"), later=pairs.block)
    keys = ("earlier", "later", "group")
    found = pairs.group_by(*keys).aggregate(
        clicks=(pairs.weight * pairs.clicks).sum(), texts=(pairs.weight * pairs.texts).sum()
    )
    return shop.count(found.order_by(*keys)).astype({"earlier": int, "later": int})


def _outside_experiments(shop: Shop, sends: ir.Table) -> ir.Table:
    """Texts in blocks in which no experiment set the customer's frequency or hour."""
    if not (shop.has("experiments") and shop.has("assignments")):
        return sends
    aside = measures.experiment_spells(shop)
    block = 86_400 * 7 * BLOCK_WEEKS
    end = ibis.literal(shop.end)
    spells = aside.select(
        member="customer_id",
        first=end.delta(ibis.least(aside.assigned_at, end), unit="second") // block,
        last=end.delta(ibis.least(ibis.coalesce(aside.ended_at, end), end), unit="second") // block,
    )
    inside = [sends.addressee == spells.member, sends.block <= spells["first"], sends.block >= spells["last"]]
    return sends.anti_join(spells, inside)


def estimate_decline(pairs: pd.DataFrame) -> ClickDecline | None:
    """Estimate how fast readers are lost; None where clicks do not tell.

    Args:
        pairs: of `count_click_pairs`.
    """
    rows = pairs.groupby(["earlier", "later"], as_index=False)["clicks"].sum()
    rows = rows[rows["clicks"] >= _FEWEST_CLICKS][["earlier", "later"]]
    rows = rows[rows.groupby("later")["earlier"].transform("size") > 1]  # one alone tells nothing of the lag
    if rows["earlier"].nunique() < _FEWEST_BLOCKS:
        return None
    keys, sums = by_group(pairs.merge(rows, on=["earlier", "later"]), ["earlier", "later"], ["clicks", "texts"])
    clicks, texts = sums
    whole = clicks.sum(axis=1), texts.sum(axis=1)
    line = _Line.of(keys)
    estimate = line.fit(*whole)
    by_customers = [
        line.fit(whole[0] - clicks[:, g], whole[1] - texts[:, g])
        for g in range(GROUPS)
        if clicks[:, g].sum() > 0 and (whole[0] > clicks[:, g]).all()
    ]
    if len(by_customers) < GROUPS // 2:
        return None
    blocks = np.unique(keys[["earlier", "later"]].to_numpy())
    by_blocks = [line.fit(*(np.where((keys == block).any(axis=1), 0.0, each) for each in whole)) for block in blocks]
    covariance = _covariance(by_customers) + _covariance(by_blocks)
    error = float(np.sqrt(covariance[0, 0]))
    if not (0 < error < _WIDEST and np.linalg.cond(covariance) < _SINGULAR):
        return None
    return _posterior(line, whole[0], estimate, covariance, (float(estimate[0]), error))


@dataclass(frozen=True)
class _Line:
    """Least squares of log r on an effect of each later block, and on a slope and a curvature in time."""

    design: Floats
    weeks: Floats
    """Weeks from the log's beginning to the earlier block, of each row."""
    now: float
    """Weeks from the log's beginning to today."""

    @classmethod
    def of(cls, keys: pd.DataFrame) -> "_Line":
        earlier = keys["earlier"].to_numpy(float)
        now = BLOCK_WEEKS * (earlier.max() + 1)
        weeks = now - BLOCK_WEEKS * (earlier + 0.5)
        centre = weeks.mean()
        later = pd.get_dummies(keys["later"]).to_numpy(float)
        return cls(np.column_stack([later, weeks - centre, (weeks - centre) ** 2]), weeks, now)

    def fit(self, clicks: Floats, texts: Floats) -> Floats:
        """The slope at the middle of the log, and the curvature; rows without clicks are left out."""
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = np.where(clicks > 0, np.log(clicks / texts), 0.0)
        return self.project(logs, clicks)

    def project(self, values: Floats, clicks: Floats) -> Floats:
        """The coefficients of slope and curvature of any values of the rows, weighted with the clicks."""
        root = np.sqrt(clicks)
        weighted = (values.T * root).T
        return np.asarray(np.linalg.lstsq(self.design * root[:, None], weighted, rcond=None)[0][-2:])


def _covariance(left_out: Sequence[Floats]) -> Floats:
    """Of estimates that each leave out one of several groups."""
    values = np.array(left_out)
    apart = values - values.mean(axis=0)
    return np.asarray((len(values) - 1) / len(values) * apart.T @ apart)


def _posterior(
    line: _Line, clicks: Floats, estimate: Floats, covariance: Floats, seen: tuple[float, float]
) -> ClickDecline:
    """Weights of a grid of μ and σ, given slope and curvature."""
    most = max(4 * (max(seen[0], 0.0) + 4 * seen[1]), 1e-4)
    mean, spread = (each.ravel() for each in np.meshgrid(most * (np.arange(80) + 0.5) / 80, _SPREADS, indexing="ij"))
    curve = np.log1p(spread**2 * mean * line.weeks[:, None]) / spread**2
    away = line.project(curve, clicks) - estimate[:, None]
    log_weight = -0.5 * (away * np.linalg.solve(covariance, away)).sum(axis=0) - (spread / _SPREAD_SCALE) ** 2 / 2
    weight = np.exp(log_weight - log_weight.max())
    rate = mean / (1 + spread**2 * mean * line.now)
    order = np.argsort(rate)
    return ClickDecline(rate[order], spread[order], (weight / weight.sum())[order], seen)
