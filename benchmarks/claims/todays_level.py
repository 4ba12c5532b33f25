"""Claims on what is read off the log since a test: how fast readers are lost, and the level of today.

Readers: subscribers who differ in how often they click get texts in twelve blocks of four weeks. Texts, hours and
season multiply all their clicks by a factor of each block. Every reader has a rate of loss, and some opt out,
the sooner the less they click.

Level: a test as in `claims.frequency`; since then every kind of customer clicks and opts out more or less readily. Its
subscribers of today are texted twice a week, by which the level is read.
"""

import dataclasses
from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.claims import Claim, Interval, Outcome
from benchmarks.claims.frequency import ARMS, DISCOUNT, DOSES, _cells, _draw
from smsroi_helpers.cltv.click_decline import BLOCK_WEEKS, estimate_decline
from smsroi_helpers.frequency.counts import ALL
from smsroi_helpers.frequency.dose_response import fit_response
from smsroi_helpers.statistics.jackknife import GROUPS, jackknife

Floats = NDArray[np.float64]
PEOPLE, BLOCKS = 4_000, 12
MOST_LOSS = 0.015


def readers(rng: np.random.Generator, *, by_time: bool = False) -> Outcome:
    """The mean weekly rate of those who read when the log ends.

    Args:
        rng: of the world.
        by_time: read it off the clicks per text of all, block by block.
    """
    mean, spread = rng.uniform(0.0, MOST_LOSS), max(abs(rng.normal(0, 1.0)), 0.05)
    rates = mean * rng.gamma(spread**-2, spread**2, PEOPLE)
    click = 0.05 * np.exp(rng.uniform(0.5, 1.0) * rng.standard_normal(PEOPLE))
    lost = rng.exponential(1.0, PEOPLE) / np.maximum(rates, 1e-9)
    leaves = rng.exponential(1.0, PEOPLE) / (0.003 * (click / 0.05) ** -rng.uniform(0, 0.5))
    weeks = BLOCK_WEEKS * (BLOCKS - np.arange(BLOCKS) - 0.5)  # since the log began; block 0 is the latest
    factor = np.exp(rng.normal(0, 0.3) * np.linspace(0, 1, BLOCKS) + 0.15 * rng.standard_normal(BLOCKS))
    texts = rng.poisson(8, (PEOPLE, BLOCKS))
    chance = np.minimum(click[:, None] * factor, 0.9) * (lost[:, None] > weeks)
    clicks = rng.binomial(texts, chance)
    kept = leaves > BLOCK_WEEKS * BLOCKS
    rate = mean / (1 + spread**2 * mean * BLOCK_WEEKS * BLOCKS)
    texts, clicks = texts[kept], clicks[kept]
    group = rng.integers(0, GROUPS, kept.sum())
    if by_time:
        sums = [
            np.stack([np.bincount(group, each[:, b], GROUPS) for b in range(BLOCKS)]).astype(float)
            for each in (clicks, texts)
        ]
        line = np.linalg.pinv(np.column_stack([np.ones(BLOCKS), -weeks]))[1]
        found = jackknife(lambda s: np.tensordot(line, np.log(s[:BLOCKS] / s[BLOCKS:]), axes=1), np.concatenate(sums))
        return Interval(found.estimate, found.low, found.high, rate, part="readers lost a week")
    decline = estimate_decline(_pairs(texts, clicks, group))
    assert decline is not None
    drawn = decline.draw((np.arange(1_000) + 0.5) / 1_000).mean(axis=0)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Interval(drawn.mean(), low, high, rate, part="readers lost a week")


def _pairs(texts: NDArray[np.int64], clicks: NDArray[np.int64], group: NDArray[np.int64]) -> pd.DataFrame:
    """As of `click_decline.count_click_pairs`."""
    rows = []
    for earlier in range(2, BLOCKS):
        for later in range(earlier - 1):
            sums = [np.bincount(group, clicks[:, earlier] * each[:, later], GROUPS) for each in (clicks, texts)]
            rows.append(pd.DataFrame({"earlier": earlier, "later": later, "group": np.arange(GROUPS),
                                      "clicks": sums[0], "texts": sums[1]}))  # fmt: skip
    return pd.concat(rows, ignore_index=True)


def level(rng: np.random.Generator, *, then: bool = False) -> Sequence[Outcome]:
    """M, H and V of each number of texts, for today's subscribers.

    Args:
        rng: of the world.
        then: leave them at the level of the test.
    """
    world = _draw(rng)
    kinds = len(world.click)
    clicks, leaves = (np.exp(rng.normal(-0.3, 0.4) + 0.3 * rng.standard_normal(kinds)) for _ in range(2))
    today = dataclasses.replace(world, click=world.click * clicks, opt_out=world.opt_out * leaves)
    cells = _cells(rng, world)
    seen = _cells(rng, today)
    seen = seen[seen["arm"] == "2_a_week"][["segment", "group", "n", "messages", "clicks", "opt_outs", "weeks"]]
    recent = pd.concat([seen.assign(segment=ALL), seen], ignore_index=True)
    fit = fit_response(
        cells, ARMS, DISCOUNT, rng, loss=world.known_loss(rng), draws=1_000, recent=None if then else recent
    )
    place = [0, *(1 + int(name[1:]) for name in fit.names[1:])]
    tested = [fit.grid_index(dose) for dose in DOSES[1:]]
    m, hazard = (truth[place] for truth in today.truth(DOSES[1:]))
    told: list[Outcome] = []
    for part, drawn, truth in (
        ("m", fit.profit(), m), ("H", fit.hazard, hazard), ("V", fit.value(), today.value(DOSES[1:])[place]),
    ):  # fmt: skip
        low, high = np.quantile(drawn[:, tested], [0.025, 0.975], axis=-1)
        mean = drawn[:, tested].mean(axis=-1)
        for name, rows in (("everybody", slice(0, 1)), ("segments", slice(1, None))):
            told.append(Interval(mean[rows], low[rows], high[rows], truth[rows], part=f"{part}, {name}"))
    return told


_READERS = "4,000 subscribers, 48 weeks of texts whose clicks differ by block and customer"
_LEVEL = "6,000 members of a test; since then each kind of customer clicks and opts out more or less readily"
CLAIMS = [
    Claim("readers_lost", f"weekly rate at which readers are lost, by those who clicked earlier; {_READERS}",
          "frequency, ab_test", "at_least", readers, n=1_000),
    Claim("readers_lost_by_time", "the same by the clicks per text of all, block by block", "nowhere", "at_least",
          partial(readers, by_time=True), n=200, known_wrong=True),
    Claim("dose_level", f"profit, opt-outs and long-run value of today’s subscribers; {_LEVEL}", "frequency",
          "at_least", level, n=400),
    Claim("dose_level_of_the_test", "the same at the level of the test", "nowhere", "at_least",
          partial(level, then=True), n=200, known_wrong=True),
]  # fmt: skip
