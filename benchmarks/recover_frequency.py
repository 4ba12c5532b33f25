"""Regret of the recommended texts per week in simulated companies: `python -m benchmarks.recover_frequency`.

Each seed simulates a company and analyses it as `04_frequency` does. The recommended frequency of every segment is
compared with the truth for the members at assignment: the long-run value V of each tested frequency, averaged over the
members and the test's hours. Relative regret is (V(best) − V(chosen)) / (V(best) − V(today's mixture of frequencies)).
Segments without enough evidence are counted separately. With `--null` messages cause nothing, and the output is how
often more messages are recommended or a gain is claimed.
"""

import argparse
import datetime as dt
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from smsroi_helpers.frequency import policy as frequency_policy
from smsroi_helpers.frequency.counts import ALL
from smsroi_helpers.frequency.study import Study, analyse
from smsroi_helpers.frequency.wording import decide
from smsroi_helpers.measures import experiment_outcomes
from smsroi_helpers.segmentation.cutoffs import find_cuts
from smsroi_helpers.segmentation.resolution import segments
from smsroi_helpers.simulation.ground_truth import HOURS, SEGMENTS, World, expected
from smsroi_helpers.simulation.write import write_company
from smsroi_helpers.source.read import load
from smsroi_helpers.source.shop import Shop, open_shop


def members(shop: Shop, study: Study, source: Path) -> pd.DataFrame:
    """Segment as of the assignment (and `all`) × latent segment of the simulation: shares of the test's customers."""
    assert study.experiment is not None
    before = study.experiment.started - dt.timedelta(days=1)
    people = experiment_outcomes.outcome_windows(shop, study.experiment.name).select("customer_id")
    segment_of = segments(shop, study.segment_by, before, cuts=find_cuts(shop)).rename(member_id="customer_id")
    truth = shop.con.read_parquet(str(source / "truth" / "customers" / "*.parquet"))
    truth = truth.select(true_id="customer_id", world=truth.segment)
    rows = people.join(segment_of, people.customer_id == segment_of.member_id)
    rows = rows.join(truth, rows.customer_id == truth.true_id)
    counts = shop.count(rows.group_by("segment", "world").aggregate(n=rows.count()).order_by("segment", "world"))
    wide = counts.pivot_table(index="segment", columns="world", values="n", fill_value=0.0)
    wide = wide.reindex(columns=list(SEGMENTS), fill_value=0.0)
    wide.loc[ALL] = wide.sum(axis=0)
    return wide.div(wide.sum(axis=1), axis=0)


def _covers(low: float, truth: float, high: float) -> bool:
    """Whether the interval contains the truth, to 1e-6: without texts both differ from 0 by rounding only."""
    return low - 1e-6 <= truth <= high + 1e-6


def compare_with_truth(shop: Shop, study: Study, policy: pd.DataFrame, world: World, source: Path) -> pd.DataFrame:
    """One row per segment: the recommendation, and the true value of the frequencies."""
    fit = study.fit
    assert fit is not None
    shares = members(shop, study, source)
    truth = expected(
        world,
        np.arange(len(SEGMENTS))[:, None, None],
        texts_per_week=fit.grid[None, :, None],
        hour=np.array(HOURS)[None, None],
    )
    m, h = truth.profit_per_week.mean(axis=2), truth.opt_out_per_week.mean(axis=2)
    v = truth.long_run_profit.mean(axis=2)
    today = frequency_policy.practice_shares(study.logs, fit, np.random.default_rng(1), 2)
    rows = []
    for row in policy.itertuples():
        own, tested = shares.loc[row.segment].to_numpy(), [fit.grid_index(dose) for dose in fit.frequencies]
        value = (own @ v)[tested]
        chosen = fit.grid_index(row.messages_per_week)
        mean_m, mean_h = float((own @ m)[chosen]), float((own @ h)[chosen])
        stays = (1 - mean_h) * (1 - float(own @ world.weekly_loss)) / (1 + world.weekly_discount)
        of_means = mean_m / (1 - stays)
        mixed = np.nan
        if row.segment in today:
            p = today[row.segment].mean(axis=1)
            stays = (1 - h @ p) * (1 - world.weekly_loss) / (1 + world.weekly_discount)
            mixed = float(own @ ((m @ p) / (1 - stays)))
        rows.append({
            "segment": row.segment, "outcome": row.outcome, "today": row.today, "chosen": row.messages_per_week,
            "best": float(fit.frequencies[int(np.argmax(value))]),
            "best_short": float(fit.frequencies[int(np.argmax((own @ m)[tested]))]), "short_run": row.short_run,
            "v_best": value.max(), "v_chosen": float((own @ v)[chosen]), "v_today": mixed,
            "v_of_means": of_means,
            "profit_held": _covers(row.profit_low, mean_m, row.profit_high),
            "value_held": _covers(row.value_low, float((own @ v)[chosen]), row.value_high),
            "of_means_held": _covers(row.value_low, of_means, row.value_high),
        })  # fmt: skip
    return pd.DataFrame(rows)


def run_seed(seed: int, customers: int, null: bool) -> pd.DataFrame:
    """Simulate one company, analyse it and compare it with the truth."""
    place = Path(tempfile.mkdtemp(prefix="recover-"))
    try:
        world = write_company(place / "source", customers=customers, weeks=52, seed=seed, null=null)
        shop = open_shop(load(str(place / "source"), place / ".loaded"), "", place / ".cache")
        rng = np.random.default_rng([seed, 4])
        study = analyse(shop, rng)
        if study.fit is None:
            return pd.DataFrame([{"seed": seed, "segment": ALL, "outcome": "broken", "claims": False}])
        policy = frequency_policy.choose_frequencies(study, rng)
        rows = compare_with_truth(shop, study, policy, world, place / "source")
        answers = decide(study, policy, "USD")
        claims = any(a.outcome == "do" or (np.isfinite(a.low) and a.low > 0) for a in answers)
        return rows.assign(seed=seed, claims=claims, method=study.fit.method)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def main() -> None:
    """Print the recommendations and their regret."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=101)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--customers", type=int, default=20_000)
    parser.add_argument("--null", action="store_true")
    options = parser.parse_args()
    parts = []
    for seed in range(options.first, options.first + options.seeds):
        parts.append(run_seed(seed, options.customers, options.null))
        print(parts[-1].to_string(index=False), flush=True)
    every = pd.concat(parts, ignore_index=True)
    runs = every.groupby("seed")["claims"].any()
    if options.null:
        _low, high = proportion_confint(int(runs.sum()), len(runs), alpha=0.02, method="beta")
        print(f"null: {runs.sum()} of {len(runs)} claim a gain or recommend a change (upper 99% limit {high:.3f})")
        return
    broken = int((every["outcome"] == "broken").sum())
    own = every[(every["segment"] != ALL) & (every["outcome"] != "broken")]
    answered = own[own["outcome"] != "not_enough"]
    regret, gap_today = answered["v_best"] - answered["v_chosen"], answered["v_best"] - answered["v_today"]
    print(f"{len(runs)} companies ({broken} with a test judged broken), {len(own)} segments")
    print(f"not enough evidence: {(own['outcome'] == 'not_enough').mean():.1%}")
    print(f"regret: {regret.mean():.2f} of {gap_today.mean():.2f} = {regret.mean() / gap_today.mean():.1%}")
    near = own["v_chosen"] >= own["v_best"] - 0.1 * own["v_best"].abs()
    print(f"recommended frequency worth at most 10 % less than the best, answered or not: {near.mean():.1%}")
    differs = (answered["best"] != answered["best_short"]).mean()
    print(f"true best frequency differs between long and short run: {differs:.1%}")
    sent = own[own["chosen"] > 0]
    held = sent[["profit_held", "value_held", "of_means_held"]].mean()
    more = (sent["v_chosen"] / sent["v_of_means"] - 1).quantile([0.5, 0.95])
    print(
        f"coverage at the recommended frequency, {len(sent)} segments where it is not 0:"
        f" m {held.iloc[0]:.1%}, V averaged over members {held.iloc[1]:.1%},"
        f" V of their mean m, h and loss {held.iloc[2]:.1%};"
        f" the former V exceeds the latter by {more.iloc[0]:.0%} (median), {more.iloc[1]:.0%} (95th percentile)"
    )


if __name__ == "__main__":
    main()
