"""The decline of clicks: what is counted, a slope known beforehand, refusals, and what it does to the natural loss."""

import datetime as dt
from collections import Counter

import numpy as np
import pandas as pd
import pytest

from smsroi_helpers.cltv.click_decline import ClickDecline, count_click_pairs, estimate_decline
from smsroi_helpers.cltv.loss_rates import first_year_loss
from smsroi_helpers.cltv.natural_loss import NaturalLoss, estimate_loss
from smsroi_helpers.source.read import load
from smsroi_helpers.source.shop import open_shop

LAST = dt.datetime(2026, 6, 28)
NONE = pd.DataFrame(columns=["arm", "frequency", "recency_weeks", "T_weeks", "texts", "clicks"])


def write(folder, **tables):
    folder.mkdir()
    for name, rows in tables.items():
        pd.DataFrame(rows).to_csv(folder / f"{name}.csv", index=False)
    (folder / "source.yml").write_text("timezone: UTC\ncurrency: EUR\n")
    return open_shop(load(folder, folder.parent / ".loaded"), "2026-06-28", folder.parent / ".cache")


def test_pairs_are_a_plain_count(tmp_path):
    rng = np.random.default_rng(3)
    people = [f"p{i}" for i in range(40)]
    gone, tested = {"p0", "p1"}, {"p2", "p3", "p4"}
    starts, ends = LAST - dt.timedelta(weeks=14), LAST - dt.timedelta(weeks=10)
    messages = []
    for name in people:
        for day in range(0, 26 * 7, 3):
            sent = LAST + dt.timedelta(hours=10) - dt.timedelta(days=day)
            click = sent + dt.timedelta(hours=1) if rng.random() < 0.3 else None
            messages.append({
                "message_id": f"m{len(messages)}", "customer_id": name, "campaign_id": "c", "sent_at": sent,
                "delivered_at": sent, "clicked_at": click, "channel": "sms",
            })  # fmt: skip
    order = {"order_id": "o", "customer_id": "p5", "ordered_at": LAST, "amount": 5.0}
    shop = write(
        tmp_path / "source", messages=messages, orders=[order],
        customers=[{"customer_id": name, "opted_in_at": LAST - dt.timedelta(days=300),
                    "opted_out_at": LAST - dt.timedelta(days=3) if name in gone else None} for name in people],
        experiments=[{"experiment_id": "e", "kind": "timing", "control_arm": "a", "started_at": starts,
                      "ended_at": ends, "primary_metric": "click_rate"}],
        arms=[{"experiment_id": "e", "arm": "a", "share": 0.5}, {"experiment_id": "e", "arm": "b", "share": 0.5}],
        assignments=[{"experiment_id": "e", "customer_id": name, "arm": "ab"[i % 2], "assigned_at": starts}
                     for i, name in enumerate(sorted(tested))],
    )  # fmt: skip
    found = count_click_pairs(shop, "sms").groupby(["earlier", "later"])[["clicks", "texts"]].sum()
    texts, clicks = Counter(), Counter()
    after = LAST + dt.timedelta(days=1)

    def block(at):
        return int((after - at).total_seconds() // (28 * 86_400))

    for row in messages:
        key = row["customer_id"], block(row["sent_at"])
        if row["customer_id"] in gone:
            continue
        if row["customer_id"] in tested and block(ends) <= key[1] <= block(starts):
            continue
        texts[key] += 1
        clicks[key] += row["clicked_at"] is not None
    expected = Counter(), Counter()
    for (name, earlier), weight in clicks.items():
        for later in range(earlier - 1):
            expected[0][earlier, later] += weight * clicks[name, later]
            expected[1][earlier, later] += weight * texts[name, later]
    assert {key: value for key, value in expected[1].items() if value} == found["texts"].to_dict()
    assert all(found.loc[key, "clicks"] == expected[0][key] for key in found.index)
    assert len(found) > 8


def pairs_of(rate, blocks=8, noise=0.0, clicks=4_000.0, spread=0.0):
    """Pairs of blocks, with an effect of each later one: readers are lost at `rate`, or at Gamma rates of that mean."""
    rng = np.random.default_rng(5)
    effect = rng.normal(0, 0.5, blocks)

    def left(weeks):
        return np.exp(-rate * weeks) if not spread else (1 + spread**2 * rate * weeks) ** -(spread**-2)

    def since(block):
        return 4 * (blocks - block - 0.5)

    rows = [
        {"earlier": b, "later": a, "group": g, "texts": clicks / 64,
         "clicks": clicks / 640 * np.exp(effect[a] + noise * rng.standard_normal()) * left(since(a)) / left(since(b))}
        for a in range(blocks) for b in range(a + 2, blocks) for g in range(64)
    ]  # fmt: skip
    return pd.DataFrame(rows)


@pytest.mark.parametrize("rate", [0.0, 0.006, 0.02])
def test_a_known_slope_is_seen_whatever_the_blocks_effects(rate):
    found = estimate_decline(pairs_of(rate, noise=0.05))
    assert found is not None
    assert found.seen[0] == pytest.approx(rate, abs=4 * found.seen[1])
    assert found.seen[1] < 0.003
    nearly = estimate_decline(pairs_of(rate, noise=1e-4))
    assert nearly is not None
    assert nearly.seen[0] == pytest.approx(rate, abs=1e-5)


@pytest.mark.parametrize(("mean", "spread"), [(0.01, 1.0), (0.004, 0.5)])
def test_the_rate_of_those_left_is_that_of_a_known_mixture(mean, spread):
    found = estimate_decline(pairs_of(mean, noise=0.1, spread=spread, blocks=13))
    assert found is not None
    left = mean / (1 + spread**2 * mean * 4 * 13)
    middle = float(found.rate @ found.weight)
    sd = float(np.sqrt(found.weight @ (found.rate - middle) ** 2))
    assert middle == pytest.approx(left, abs=2 * sd)
    assert sd < 0.4 * left


def test_few_clicks_or_a_short_log_tell_nothing():
    assert estimate_decline(pairs_of(0.006, noise=0.1, clicks=40.0)) is None
    assert estimate_decline(pairs_of(0.006, noise=0.1, blocks=3)) is None
    assert estimate_decline(pd.DataFrame(columns=["earlier", "later", "group", "clicks", "texts"])) is None


def known(rate, spread=0.1):
    """A decline that is known exactly."""
    return ClickDecline(np.array([rate]), np.array([spread]), np.ones(1), (rate, 0.0))


def test_readers_have_the_mean_and_the_spread_of_the_posterior():
    readers = known(0.01, 1.0).draw(np.array([0.2, 0.7]))
    assert readers.shape == (8, 2)
    assert readers.mean(axis=0) == pytest.approx([0.01, 0.01])
    # eight equal parts of an exponential distribution (Gamma with σ = 1), by their middle quantiles
    parts = -np.log1p(-(np.arange(8) + 0.5) / 8)
    assert readers[:, 0] == pytest.approx(0.01 * parts / parts.mean())
    two = ClickDecline(np.array([0.001, 0.02]), np.array([0.1, 0.1]), np.array([0.3, 0.7]), (0.01, 0.001))
    assert two.draw(np.array([0.2, 0.4])).mean(axis=0) == pytest.approx([0.001, 0.02])


def test_the_loss_of_all_is_that_of_the_clicks_and_drop_out_tells_groups_apart():
    rng = np.random.default_rng(9)
    n = 3_000
    drop, buys = rng.gamma(0.6, 0.05, n), rng.gamma(1.5, 0.15, n)
    end = np.minimum(rng.exponential(1 / drop), 40.0)
    frequency = rng.poisson(buys * end)
    recency = np.where(frequency > 0, end * rng.random(n) ** (1 / np.maximum(frequency, 1)), 0.0)
    cells = pd.DataFrame({"frequency": frequency, "recency_weeks": recency.round(2), "T_weeks": 40.0})
    cells = cells.groupby(list(cells.columns), as_index=False).size().rename(columns={"size": "customers"})
    people = cells.assign(segment=np.where(cells["recency_weeks"] < 20, "silent", "recent"))
    loss = estimate_loss(cells, people, NONE, ("segment",), known(0.008))
    assert loss["all"].status == "clicks"
    assert loss["all"].weekly[0] == pytest.approx(0.008, abs=3e-4)
    by_group = {name: first_year_loss(loss["segment"].shares[name]).mean() for name in ("silent", "recent")}
    assert abs(by_group["silent"] - by_group["recent"]) > 5e-4
    assert min(by_group.values()) > 0.004
    assert all(np.allclose(each.sum(axis=0), 1.0) for each in loss["segment"].shares.values())
    # far more drop-out than clicks show: fewer are lost
    slow = estimate_loss(cells, people, NONE, (), known(0.0002))["all"]
    assert slow.weekly[0] == pytest.approx(0.0002, rel=0.1)


def test_without_purchases_clicks_alone_tell_the_loss():
    loss = NaturalLoss.of_clicks(known(0.005))
    assert loss.status == "clicks"
    assert loss.weekly == pytest.approx((0.005,) * 3, abs=1e-4)
    # readers who differ: in the first year those lost fast are lost, so fewer than at the mean rate
    assert NaturalLoss.of_clicks(known(0.01, 1.3)).weekly[0] < 0.0095
    assert NaturalLoss.of_clicks(None).status == "unknown"
