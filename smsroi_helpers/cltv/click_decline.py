"""How fast subscribers stop clicking, seen from those who clicked earlier: a loss that leaves no trace in the consent.

Who clicked in some weeks was a reader then. Of these, clicks per text in later weeks fall as readers are lost. The log
is cut into blocks of four weeks, up to the last day observed. With p_i the clicks per text of subscriber i as long as
i reads, a_t what a block's texts, hours and season multiply it with, and S the share of readers left,

    r(b, t) = Σ_i clicks_i(b) · clicks_i(t) ÷ Σ_i clicks_i(b) · texts_i(t),  b before t
            ≈ a_t · S(t − b) · Σ p_i² ÷ Σ p_i

Of one block t, r falls from recent b to early ones by the loss alone: a_t is the same for all, and a_b cancels. So

    log r(b, t) = α_t − λ · (t − b)

with λ the weekly rate of loss, by least squares weighted with the clicks, and the delete-a-group jackknife. Only
today's subscribers are counted, in all blocks: those who opted out may have clicked less or more. A block in which an
experiment set a customer's frequency or hour is left out for this customer, as its texts are not like the others'.
Interest that lasts for some weeks only is not a loss, so blocks next to each other are not compared. Readers are
weighted by clicks, as their value is.

Related: Rogosa & Willett (1985), Psychometrika 50: the loss of a correlation with the lag tells how stable a trait is.
"""

from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
from scipy.stats import t, truncnorm

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
_FEWEST_CELLS = 4
_FEWEST_CLICKS = 50
"""Pairs of blocks with fewer later clicks are left out."""
_WIDEST = 0.02
"""With a larger standard error of the weekly rate than this, clicks tell nothing of it."""
_SAMPLED = 40_000
"""About as many customers are enough: with more, the error of the rate is negligible."""
_SLICES = 256


@dataclass(frozen=True)
class ClickDecline:
    """The weekly rate at which readers are lost, by their clicks."""

    rate: float
    """λ; may be below 0 by chance."""
    standard_error: float
    groups: int
    """Groups of customers behind the jackknife."""

    def draw(self, uniform: Floats) -> Floats:
        """Quantiles of λ given that it is not below 0 (flat prior), one for each number between 0 and 1."""
        error = self.standard_error * float(t.ppf(0.975, self.groups - 1) / t.ppf(0.975, np.inf))
        return np.asarray(truncnorm.ppf(uniform, -self.rate / error, np.inf, loc=self.rate, scale=error))


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
    day = 86_400 * 7 * BLOCK_WEEKS
    end = ibis.literal(shop.end)
    spells = aside.select(
        member="customer_id",
        first=end.delta(ibis.least(aside.assigned_at, end), unit="second") // day,
        last=end.delta(ibis.least(ibis.coalesce(aside.ended_at, end), end), unit="second") // day,
    )
    inside = [sends.addressee == spells.member, sends.block <= spells["first"], sends.block >= spells["last"]]
    return sends.anti_join(spells, inside)


def estimate_decline(pairs: pd.DataFrame) -> ClickDecline | None:
    """Estimate λ; None where clicks do not tell.

    Args:
        pairs: of `count_click_pairs`.
    """
    rows = pairs.groupby(["earlier", "later"], as_index=False)["clicks"].sum()
    rows = rows[rows["clicks"] >= _FEWEST_CLICKS][["earlier", "later"]]
    rows = rows[rows.groupby("later")["earlier"].transform("size") > 1]  # one alone tells nothing of the lag
    if len(rows) < _FEWEST_CELLS:
        return None
    keys, sums = by_group(pairs.merge(rows, on=["earlier", "later"]), ["earlier", "later"], ["clicks", "texts"])
    clicks, texts = sums
    used = clicks.sum(axis=0) > 0
    groups = int(used.sum())
    lag = BLOCK_WEEKS * (keys["earlier"] - keys["later"]).to_numpy(float)
    later = pd.get_dummies(keys["later"]).to_numpy(float)
    design = np.column_stack([later, -lag])

    def fit(c: Floats, n: Floats) -> float:
        weight = np.sqrt(c)
        return float(np.linalg.lstsq(design * weight[:, None], np.log(c / n) * weight, rcond=None)[0][-1])

    whole = clicks.sum(axis=1), texts.sum(axis=1)
    left_out = [
        fit(whole[0] - clicks[:, g], whole[1] - texts[:, g])
        for g in np.flatnonzero(used)
        if (whole[0] > clicks[:, g]).all()
    ]
    if len(left_out) < GROUPS // 2:
        return None
    rate = fit(*whole)
    share = len(left_out)
    error = float(np.sqrt((share - 1) / share * ((np.array(left_out) - rate) ** 2).sum()))
    return ClickDecline(rate, error, groups) if 0 < error < _WIDEST else None
