"""Levels of campaigns: how readily customers answered each, so that texts and weekdays are compared within campaigns.

The events of option a (a text or a weekday) in campaign s follow E = trials · level_s · effect_a. Levels are estimated
from the same customers as effects, so a replicate without a group of customers has levels of its own. Without them an
option's error would be too small: by a third for texts that were mostly sent beside others than those they are compared
with.
"""

from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from smsroi_helpers.send_plan.evidence import Evidence, cube
from smsroi_helpers.statistics import GROUPS, Floats, Ints

__all__ = ["CampaignLevels", "CampaignSums", "count_levels", "fit_levels", "level_shift"]

_SWEEPS, _TOLERANCE = 200, 1e-10


@dataclass(frozen=True)
class CampaignSums:
    """Texts and events by group of customers, campaign and option; of campaigns with events and several options."""

    trials: Floats
    """(G, S, A)."""
    events: Floats
    """(G, S, A)."""


@dataclass(frozen=True)
class CampaignLevels:
    """What a campaign's texts are multiplied by, and what that was estimated from."""

    table: ir.Table
    """of_stratum, level: events per text of the campaign, as if it had sent the average option, over the company's."""
    sums: CampaignSums


def count_levels(
    evidence: Evidence, rows: ir.Table, option: ir.Value, options: int, events: ir.Value
) -> CampaignLevels:
    """The level of each campaign that has several options; others say nothing of options and are left out.

    Args:
        evidence: of `collect_evidence`.
        rows: of texts, with the columns `stratum` and `group`.
        option: number of a text's variant or weekday.
        options: how many there are.
        events: 0 or 1.
    """
    counted = rows.group_by("stratum", "group", option=option).aggregate(n=rows.count(), events=events.sum())
    found = evidence.shop.count(counted.order_by("stratum", "group", "option")).dropna(subset=["option"])
    found = found[found.groupby("stratum")["option"].transform("nunique") > 1]
    stratum, names = pd.factorize(found["stratum"])
    found = found.assign(stratum=stratum, option=found["option"].astype(int))
    sizes = {"group": GROUPS, "stratum": len(names), "option": options}
    trials, happened = (cube(found, name, sizes) for name in ("n", "events"))
    level = fit_levels(trials.sum(axis=0), happened.sum(axis=0))
    kept = level > 0
    schema = {"of_stratum": "string", "level": "float64"}
    table = ibis.memtable(pd.DataFrame({"of_stratum": names[kept], "level": level[kept]}), schema=schema)
    return CampaignLevels(table, CampaignSums(trials[:, kept], happened[:, kept]))


def fit_levels(trials: Floats, events: Floats) -> Floats:
    """(…, S): levels in E[events] = trials · level · effect of the option; their mean weighted by trials is 1.

    Poisson likelihood, by iterated proportional fitting (Deming & Stephan 1940). 0 for campaigns without events.

    Args:
        trials: (…, S, A).
        events: (…, S, A).

    >>> fit_levels(np.full((2, 2), 100.0), np.array([[5.0, 10], [10, 20]])).round(3)
    array([0.667, 1.333])
    """
    level, effect = np.ones(trials.shape[:-1]), np.ones((*trials.shape[:-2], trials.shape[-1]))
    of_campaign, of_option = events.sum(axis=-1), events.sum(axis=-2)
    for _ in range(_SWEEPS):
        before = effect
        level = of_campaign / np.maximum((trials * effect[..., None, :]).sum(axis=-1), 1e-12)
        effect = of_option / np.maximum((trials * level[..., None]).sum(axis=-2), 1e-12)
        if np.allclose(effect, before, rtol=_TOLERANCE, atol=0.0):
            break
    size = trials.sum(axis=-1)
    mean = (level * size).sum(axis=-1) / np.maximum(size.sum(axis=-1), 1e-12)
    return np.asarray(level / np.maximum(mean, 1e-12)[..., None])


def level_shift(sums: CampaignSums, groups: Ints) -> Floats:
    """(1 + G, A): by how much log exposure changes where levels are fitted to some groups only, then without each.

    0 for options without texts there.

    Args:
        sums: of `count_levels`.
        groups: numbers of the groups that are used.
    """
    fixed = fit_levels(sums.trials.sum(axis=0), sums.events.sum(axis=0))
    trials, events = (
        np.concatenate([each.sum(axis=0)[None], each.sum(axis=0) - each])
        for each in (sums.trials[groups], sums.events[groups])
    )
    counted, own = (
        np.einsum("rsa,rs->ra", trials, np.broadcast_to(level, trials.shape[:2]))
        for level in (fixed, fit_levels(trials, events))
    )
    known = (counted > 0) & (own > 0)
    return np.where(known, np.log(np.where(known, own, 1.0) / np.where(known, counted, 1.0)), 0.0)
