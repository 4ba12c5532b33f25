"""The decline of clicks: what is counted, a slope known beforehand, refusals, and what it does to the natural loss."""

import datetime as dt
from collections import Counter

import numpy as np
import pandas as pd
import pytest

from smsroi_helpers.cltv.click_decline import ClickDecline, count_click_pairs, estimate_decline
from smsroi_helpers.cltv.loss_rates import weekly_rate
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


def pairs_of(rate, blocks=8, noise=0.0, clicks=4_000.0):
    """Pairs whose ratio falls by `rate` a week exactly, with an effect of each later block."""
    rng = np.random.default_rng(5)
    effect = rng.normal(0, 0.5, blocks)
    rows = [
        {"earlier": b, "later": a, "group": g, "texts": clicks / 64,
         "clicks": clicks / 64 * 0.1 * np.exp(effect[a] - rate * 4 * (b - a) + noise * rng.standard_normal())}
        for a in range(blocks) for b in range(a + 2, blocks) for g in range(64)
    ]  # fmt: skip
    return pd.DataFrame(rows)


@pytest.mark.parametrize("rate", [0.0, 0.006, 0.02])
def test_a_known_slope_is_found_whatever_the_blocks_effects(rate):
    found = estimate_decline(pairs_of(rate, noise=0.05))
    assert found is not None
    assert found.rate == pytest.approx(rate, abs=4 * found.standard_error)
    assert found.standard_error < 0.001


def test_the_slope_of_exact_rows_is_exact():
    pairs = pairs_of(0.006)
    pairs.loc[pairs["group"] == 0, ["clicks", "texts"]] *= 1.5  # groups that differ in size leave the ratio as it is
    found = estimate_decline(pairs)
    assert found is None or found.rate == pytest.approx(0.006, abs=1e-9)
    nearly = estimate_decline(pairs_of(0.006, noise=1e-4))
    assert nearly is not None
    assert nearly.rate == pytest.approx(0.006, abs=1e-5)


def test_few_clicks_or_a_short_log_tell_nothing():
    assert estimate_decline(pairs_of(0.006, noise=0.1, clicks=40.0)) is None
    assert estimate_decline(pairs_of(0.006, noise=0.1, blocks=3)) is None
    assert estimate_decline(pd.DataFrame(columns=["earlier", "later", "group", "clicks", "texts"])) is None


def test_draws_are_not_below_zero_and_have_the_quantiles_of_a_normal_far_from_it():
    points = (np.arange(4_000) + 0.5) / 4_000
    assert (ClickDecline(-0.004, 0.002, 64).draw(points) > 0).all()
    far = ClickDecline(0.01, 0.001, 64).draw(points)
    low, high = np.quantile(far, [0.025, 0.975])
    assert (low, high) == pytest.approx((0.01 - 0.001 * 1.998, 0.01 + 0.001 * 1.998), abs=2e-5)  # t with 63 degrees


def test_the_loss_of_all_is_that_of_the_clicks_and_drop_out_tells_groups_apart():
    rng = np.random.default_rng(9)
    n = 3_000
    drop, buys = rng.gamma(0.6, 0.05, n), rng.gamma(1.5, 0.15, n)
    end = np.minimum(rng.exponential(1 / drop), 40.0)
    frequency = rng.poisson(buys * end)
    recency = np.where(frequency > 0, end * rng.random(n) ** (1 / np.maximum(frequency, 1)), 0.0)
    cells = pd.DataFrame({"frequency": frequency, "recency_weeks": recency.round(2), "T_weeks": 40.0})
    cells = cells.groupby(list(cells.columns), as_index=False).size().rename(columns={"size": "customers"})
    silent = np.where(cells["recency_weeks"] < 20, "silent", "recent")
    people = cells.assign(segment=silent)
    decline = ClickDecline(0.008, 0.0005, 64)
    loss = estimate_loss(cells, people, NONE, ("segment",), decline)
    assert loss["all"].status == "clicks"
    assert loss["all"].weekly[0] == pytest.approx(0.008, abs=2e-4)
    low, high = loss["all"].weekly[1:]
    assert (low, high) == pytest.approx((0.007, 0.009), abs=3e-4)
    by_group = {name: weekly_rate(loss["segment"].shares[name]).mean() for name in ("silent", "recent")}
    assert abs(by_group["silent"] - by_group["recent"]) > 5e-4
    assert min(by_group.values()) > 0.004
    assert all(np.allclose(each.sum(axis=0), 1.0) for each in loss["segment"].shares.values())
    # far more drop-out than clicks show: fewer are lost
    slow = estimate_loss(cells, people, NONE, (), ClickDecline(0.0002, 0.00002, 64))["all"]
    assert slow.weekly[0] == pytest.approx(0.0002, rel=0.1)


def test_without_purchases_clicks_alone_tell_the_loss():
    loss = NaturalLoss.of_clicks(ClickDecline(0.005, 0.0004, 64))
    assert loss.status == "clicks"
    assert loss.weekly[0] == pytest.approx(0.005, abs=1e-4)
    assert NaturalLoss.of_clicks(None).status == "unknown"
