"""Regret of the recommended hours of `03_timing` in simulated companies, and false alarms where hours do not matter.

    .venv/bin/python -m benchmarks.recover_timing                      20 companies of 20,000 customers; 10 minutes
    .venv/bin/python -m benchmarks.recover_timing --null               20 companies whose messages have no effect
    .venv/bin/python -m benchmarks.recover_timing --seeds 1-3 --customers 5000

Each company is simulated, read and analysed as in the notebook, without the observational curves, which decide nothing
where there is a test. A segment's truth is the click rate at each tested hour, averaged over the members in the
experiment; the simulation records their latent segment and habits. Today's truth is the mean over today's mixture of
hours. Personal hours are compared with the truth of every customer. Seeds 201–220 were not used in development.
"""

import argparse
import dataclasses
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import beta

from smsroi_helpers.experiments import find_click_value
from smsroi_helpers.measures import find_practice, quiet_hours
from smsroi_helpers.simulation.ground_truth import HOURS, SEGMENTS, expected, read_truth
from smsroi_helpers.simulation.write import write_company
from smsroi_helpers.source.read import load
from smsroi_helpers.source.shop import Shop, open_shop
from smsroi_helpers.timing import (
    best_hours,
    counts,
    customer_hours,
    decision,
    personal_send_time,
    response,
)
from smsroi_helpers.timing.counts import TimingTest, label_test

TEST = "which-hour"


def true_rates(shop: Shop, source: Path, test: TimingTest) -> dict[str, np.ndarray]:
    """By segment, and for `all`: the true click rate at each of `HOURS`, averaged over reachable customers."""
    world = read_truth(source)
    customers = pd.concat(pd.read_parquet(file) for file in sorted((source / "truth" / "customers").glob("*.parquet")))
    customers = customers[~customers["bad_number"]].rename(columns={"segment": "kind"})[
        ["customer_id", "kind", "hour_shift"]
    ]
    assigned = pd.concat(pd.read_parquet(file) for file in sorted((source / "assignments").glob("*.parquet")))
    assigned = assigned[assigned["experiment_id"] == TEST][["customer_id"]]
    members = label_test(shop, test.experiment, "rfm_group").rename(customer_id="member").to_pandas()
    rows = assigned.merge(members, on="customer_id").merge(customers, on="customer_id")
    found = {}
    for name, own in [("all", rows), *rows.groupby("segment")]:
        rate = np.zeros(len(HOURS))
        for (kind, shift), n in own.groupby(["kind", "hour_shift"]).size().items():
            at = np.full(len(HOURS), SEGMENTS.index(kind))
            rate += n * expected(world, at, texts_per_week=2, hour=np.array(HOURS), hour_shift=int(shift)).click_rate
        found[str(name)] = rate / len(own)
    return found


def analyse_company(shop: Shop) -> best_hours.Timing:
    """As `timing.analyse` with the notebook's parameters, without the observational curves."""
    sends, today = counts.collect_sends(shop), find_practice(shop)
    tests = counts.find_tests(shop)
    sound = [test for test in tests if test.sound]
    return best_hours.Timing(
        sends,
        tests,
        response.estimate_from_test(shop, sends, sound[0], "rfm_group") if sound else None,
        None,
        counts.count_practice(shop, today, "rfm_group"),
        counts.count_volume(shop, today, "rfm_group"),
        find_click_value(shop),
        quiet_hours.share_allowed(shop),
        (shop.settings.jurisdiction, shop.settings.timezone),
        today=today,
    )


def measure_personal_hours(shop: Shop, source: Path, timing: best_hours.Timing, place: Path) -> tuple[bool, float]:
    """Whether personal hours are used, and the relative rise of clicks per text if they were."""
    personal = personal_send_time.analyse_personal_send_times(shop, timing, "rfm_group")
    world = read_truth(source)
    customers = pd.concat(pd.read_parquet(file) for file in sorted((source / "truth" / "customers").glob("*.parquet")))
    customers["kind"] = customers["segment"].map({name: i for i, name in enumerate(SEGMENTS)})
    rates = []
    for slope in (personal_send_time.Estimate(), personal_send_time.Estimate(1.0, 1.0, 1.0)):
        scenario = dataclasses.replace(personal, overall=personal_send_time.Estimate(1.0, 1.0, 1.0), slope=slope)
        shop.write(customer_hours.customer_send_hours(shop, scenario, "rfm_group"), place / "hours.parquet")
        rows = pd.read_parquet(place / "hours.parquet").merge(customers[~customers["bad_number"]], on="customer_id")
        rates.append(
            expected(
                world, rows["kind"], texts_per_week=2, hour=rows["hour"], hour_shift=rows["hour_shift"]
            ).click_rate.mean()
        )
    return personal.used, float(rates[1] / rates[0] - 1)


def run_company(
    seed: int, customers: int, null: bool, place: Path
) -> tuple[list[dict[str, object]], list[str], tuple[bool, float]]:
    """Run one company: results and truth by segment, the outcomes of the page's decisions, personal hours."""
    source = place / "source"
    write_company(source, customers=customers, weeks=52, seed=seed, null=null)
    shop = open_shop(load(source, place / ".loaded"), "", place / ".cache")
    began = time.perf_counter()
    timing = analyse_company(shop)
    answers = best_hours.find_best_hours(timing, np.random.default_rng([seed, *b"timing"]), smallest_gain=0.002)
    seconds = time.perf_counter() - began
    decided = decision.decide(timing, answers)
    gains = ["gain" for d in decided if d.evidence == "modelled" and np.isfinite(d.low) and d.low > 0]
    test = timing.test
    if test is None:
        return [], [d.outcome for d in decided] + gains, (False, 0.0)
    own = measure_personal_hours(shop, source, timing, place)
    truth = true_rates(shop, source, test)
    rows: list[dict[str, object]] = []
    for answer in answers:
        true = truth[answer.segment]
        at = answer.windows["hour"].to_numpy(int) - HOURS[0]
        today = answer.today @ true
        best = true[at].max()
        chosen_rate = true[at][answer.best]
        rows.append({
            "seed": seed, "segment": answer.segment, "customers": answer.customers, "outcome": answer.outcome,
            "size": int(answer.chosen.sum()), "covers_best": bool(answer.chosen[true[at].argmax()]),
            "gain_of_best": best - today, "regret": best - chosen_rate,
            "log_range": float(np.log(best / true[at].min())), "true_regret": best - today,
            "low": answer.regret()[1], "high": answer.regret()[2], "seconds": seconds,
        })  # fmt: skip
    return rows, [d.outcome for d in decided] + gains, own


def upper_limit(hits: int, n: int, level: float = 0.99) -> float:
    """The exact one-sided upper limit of a share (Clopper–Pearson)."""
    return float(beta.ppf(level, hits + 1, n - hits)) if hits < n else 1.0


def main(given: list[str] | None = None) -> int:
    """The command line; see the docstring of this file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recover_timing")
    parser.add_argument("--seeds", default="201-220", help="first-last")
    parser.add_argument("--customers", type=int, default=20_000)
    parser.add_argument("--null", action="store_true", help="companies whose messages have no effect")
    options = parser.parse_args(given)
    first, last = (int(x) for x in options.seeds.split("-"))
    every, outcomes, personal_hours = [], [], []
    for seed in range(first, last + 1):
        with tempfile.TemporaryDirectory() as place:
            rows, decided, own = run_company(seed, options.customers, options.null, Path(place))
        every += rows
        outcomes.append(decided)
        personal_hours.append(own)
        segments = (
            f"{row['segment']} {row['size']}{'+' if row['covers_best'] else '-'} {row['outcome']};" for row in rows
        )
        regret, gain = (sum(float(str(row[name])) for row in rows) for name in ("regret", "gain_of_best"))
        loss = f"regret {regret:.4f} of {gain:.4f};"
        personal = f"personal hours {'used' if own[0] else 'not used'}, clicks {own[1]:+.2%}"
        print(seed, *segments, *sorted(set(decided)), loss, personal, flush=True)
    n = len(outcomes)
    acted = sum("do" in decided or "gain" in decided for decided in outcomes)
    print(
        f"companies with a recommended change of hours or a claimed gain: {acted} of {n};"
        f" upper 99% limit {upper_limit(acted, n):.2f}"
    )
    taken = [gain for used, gain in personal_hours if used]
    print(
        f"personal hours used in {len(taken)} of {n}; there clicks change by"
        f" {np.mean(taken) if taken else 0.0:+.2%} compared with the segment's hour, at worst"
        f" {min(taken, default=0.0):+.2%}"
    )
    if options.null or not every:
        return 0
    frame = pd.DataFrame(every)
    for name, own in (("segments", frame[frame["segment"] != "all"]), ("everybody", frame[frame["segment"] == "all"])):
        possible = own["gain_of_best"].sum()
        known = own["outcome"] != "open"
        print(
            f"{name}: {len(own)}; mean size of the best set {own['size'].mean():.2f} windows,"
            f" {own[known]['size'].mean():.2f} with enough evidence; contains the best {own['covers_best'].mean():.3f};"
            f" regret {own['regret'].sum() / possible:.3f} of the gain from today's hours to the best (mean of ratios"
            f" {(own['regret'] / own['gain_of_best'].clip(lower=1e-12)).clip(upper=5).mean():.3f}); not enough evidence"
            f" {1 - known.mean():.3f}; interval of the regret contains the truth"
            f" {((own['low'] <= own['true_regret'].clip(lower=0)) & (own['true_regret'] <= own['high'])).mean():.3f};"
            f" {own['seconds'].mean():.1f} s per company"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
