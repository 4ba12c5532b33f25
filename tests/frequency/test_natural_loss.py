"""Natural loss: drop-out of known customers, whether the response ends with it, what is said if it is unknown."""

import numpy as np
import pandas as pd
import pytest

from smsroi_helpers.cltv.fitting import Fit, fit_purchases
from smsroi_helpers.frequency.lifetime import LOSS_RATES, ResponseLoss
from smsroi_helpers.frequency.natural_loss import draw_share_ended, estimate_loss, mix_rates

NO_CLICKS = pd.DataFrame(columns=["arm", "age", "texts", "clicks"])


def customers(rng, n=20_000, weeks=60.0, kill=None):
    """MBG/NBD customers by week cells, and whether each is alive at the end and `later` weeks after it."""
    rate, p = rng.gamma(1.2, 1 / 6.0, n), rng.beta(0.8, 4.0, n)
    age = rng.uniform(0, weeks, n)
    x, last, left = np.zeros(n), np.zeros(n), np.full(n, np.inf)
    now, active = np.zeros(n), np.ones(n, bool)
    gone = rng.random(n) < p
    left[gone], active[gone] = 0.0, False
    while active.any():
        who = np.flatnonzero(active)
        now[who] += rng.exponential(1.0, len(who)) / rate[who]
        inside = now[who] < age[who]
        x[who[inside]] += 1
        last[who[inside]] = now[who[inside]]
        leaves = rng.random(len(who)) < p[who]
        left[who[leaves]] = now[who[leaves]]
        active[who] = ~leaves & (now[who] < age[who] + 300)
    frame = pd.DataFrame({"frequency": x, "recency_weeks": last, "T_weeks": age, "customers": 1.0})
    return frame, left - age


def test_members_are_lost_as_their_drop_out_says():
    rng = np.random.default_rng(21)
    frame, until = customers(rng)
    fit = fit_purchases(frame, "mbg_nbd")
    histories = frame.iloc[:1_500].assign(segment=np.where(frame["frequency"].iloc[:1_500] > 2, "often", "rare"))
    loss = estimate_loss((fit,), histories, NO_CLICKS, rng)
    assert loss.status == "fitted"
    # All of the response ends with drop-out: condition the draws on ρ near 1 by asking for the alive alone.
    fresh = pd.DataFrame({"arm": "a", "age": np.arange(60), "texts": 4_000.0})
    alive = np.array([((until + frame["T_weeks"]) > age).mean() for age in range(60)])
    clicks = fresh.assign(clicks=np.round(4_000 * 0.1 * alive))
    loss = estimate_loss((fit,), histories, clicks, rng)
    assert loss.ended[0] > 0.85
    for name, own in (("all", until > 0), ("often", (until > 0) & (frame["frequency"] > 2)),
                      ("rare", (until > 0) & (frame["frequency"] <= 2))):  # fmt: skip
        for later in (13, 52, 104):
            true = (until[own] > later).mean()
            drawn = (1 - LOSS_RATES) ** later @ loss.shares[name]
            assert drawn.mean() == pytest.approx(true, abs=0.06), (name, later)
    # The zero arm's opt-outs would say that nobody is lost.
    assert (1 - LOSS_RATES) ** 52 @ loss.shares["all"].mean(axis=1) < 0.8


def test_a_response_that_does_not_end_with_drop_out_is_seen_in_clicks():
    rng = np.random.default_rng(22)
    fit = fit_purchases(customers(rng)[0], "mbg_nbd")
    age = np.tile(np.arange(50), 2)
    even = pd.DataFrame({"arm": np.repeat(["a", "b"], 50), "age": age, "texts": 3_000})
    even["clicks"] = rng.binomial(3_000, np.where(even["arm"] == "a", 0.10, 0.07))
    assert draw_share_ended(fit, even, rng, 2_000).mean() < 0.15
    unknown = draw_share_ended(fit, NO_CLICKS, rng, 20_000)
    assert unknown.mean() == pytest.approx(2 / 3, abs=0.01)  # the prior's
    assert unknown.std() == pytest.approx(18**-0.5, abs=0.01)


def test_without_a_purchase_model_the_range_is_stated():
    found = estimate_loss((), NO_CLICKS, NO_CLICKS, np.random.default_rng(1))
    assert found == ResponseLoss.unknown()
    assert found.status == "unknown"
    assert found.weekly[0] > 0.001


def test_drop_out_that_is_not_identified_is_said():
    rng = np.random.default_rng(23)
    frame, _until = customers(rng, 300)
    frame = frame.assign(frequency=rng.poisson(frame["T_weeks"] / 20), recency_weeks=0.0)
    frame["recency_weeks"] = np.where(frame["frequency"] > 0, frame["T_weeks"] * 0.98, 0.0)
    fit = fit_purchases(frame, "mbg_nbd")
    assert isinstance(fit, Fit)
    assert not fit.drop_out_identified
    loss = estimate_loss((fit,), frame.assign(segment="s"), NO_CLICKS, rng)
    assert loss.status == "not_identified"
    assert loss.weekly[2] > loss.weekly[1] >= 0


def test_any_mixture_of_the_rates_is_found():
    rng = np.random.default_rng(24)
    weeks = np.array([0.0, 1, 2, 4, 8, 13, 26, 39, 52, 78, 104, 156, 208, 260])
    for shape, mean in ((0.5, 0.01), (2.0, 0.02), (8.0, 0.004)):
        rates = rng.gamma(shape, mean / shape, 4_000)
        curve = np.exp(-rates[:, None] * weeks).mean(axis=0)
        shares = mix_rates(weeks, curve)
        assert shares.sum() == pytest.approx(1.0)
        assert (1 - LOSS_RATES) ** weeks[:, None] @ shares == pytest.approx(curve, abs=0.005)
        # and so is the discounted number of weeks
        assert shares @ (1 / (1 - (1 - LOSS_RATES) / 1.002)) == pytest.approx(
            (1 / (1 - np.exp(-rates) / 1.002)).mean(), rel=0.1
        )
