"""How well 06 knows texts, and 08 what attribution overstates, in simulated companies with known truths.

    python -m benchmarks.content --companies 4 --customers 8000
    python -m benchmarks.content --text-effects 3                texts three times as far apart

Effects of texts: clicks per text of each creative beside today's mixture, by the segment of the page, against the
simulator's expectation for the texts of the log. Regret: the long-run value (V) that the best text of each segment has
above the recommended one, as a share of what it has above today's mixture, over the subscribers of today. Features: the
simulator draws creatives' effects without regard to their features, so the truth is 0. Attribution: the revenue of
orders that messages caused ÷ attributed revenue, by arm of each test with an arm without messages. Seeds from 621 on
were not used in development.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.companies import Stage, TextTruths, price_texts, run_stage
from smsroi_helpers import measures
from smsroi_helpers.content import Content
from smsroi_helpers.effectiveness.incremental import compare_attribution
from smsroi_helpers.segmentation import segments
from smsroi_helpers.simulation import ground_truth as own
from smsroi_helpers.simulation.write import write_company
from smsroi_helpers.source import Shop

__all__ = ["Judged", "judge_company", "main", "summarise"]


@dataclass(frozen=True)
class Judged:
    """One company beside its truth."""

    seed: int
    texts: pd.DataFrame
    """segment, variant, estimate, low, high, truth (clicks per text above today's mixture), covered, error."""
    choices: pd.DataFrame
    """segment, chosen, best (creatives), members, regret, possible (V of the best above the chosen, and above today's
    mixture, summed over the members), in_set (whether the best is in the set shown)."""
    features: pd.DataFrame
    """feature, effect, low, high, covered (whether the interval includes 0)."""
    factors: pd.DataFrame
    """experiment, arm, estimate, low, high, truth (incremental ÷ attributed revenue), covered."""
    seconds: float


def _labels(shop: Shop, segment_by: str, truths: TextTruths, content: Content | None = None) -> "np.ndarray":
    """Each customer's segment on the day before the log that is read, or today; empty without one."""
    day = shop.as_of if content is None else content.sends.first - pd.Timedelta(days=1).to_pytimedelta()
    found = segments(shop, segment_by, day).to_pandas().set_index("customer_id")["segment"]
    return np.asarray(found.reindex(truths.ids).fillna("").to_numpy(str))


def judge_texts(stage: Stage, truths: TextTruths) -> Iterator[dict[str, object]]:
    """One row per segment and creative."""
    found: Content = stage.names["found"]
    if found.by_creative is None:
        return
    labels = _labels(stage.shop, stage.names["segment_by"], truths, found)
    for one in found.by_creative.segments:
        members = labels == one.segment
        at = [truths.creatives.index(name) for name in one.creatives]
        rate = truths.clicks[members][:, at].sum(axis=0) / truths.texts[members].sum()
        true = rate - rate @ one.share
        draws = one.draws["click"] - one.draws["click"] @ one.share[:, None]
        low, high = np.quantile(draws, [0.025, 0.975], axis=0)
        for place, name in enumerate(one.creatives):
            yield {
                "segment": one.segment, "variant": name, "messages": one.messages[place],
                "estimate": draws[:, place].mean(), "low": low[place], "high": high[place], "truth": true[place],
                "covered": bool(low[place] <= true[place] <= high[place]),
                "error": (draws[:, place].mean() - true[place]) / draws[:, place].std(),
            }  # fmt: skip


def judge_choices(stage: Stage, truths: TextTruths) -> Iterator[dict[str, object]]:
    """One row per segment that gets texts today."""
    found: Content = stage.names["found"]
    labels = _labels(stage.shop, stage.names["segment_by"], truths)
    for one in found.by_creative.segments if found.by_creative else ():
        members = truths.here & (labels == one.segment)
        if not members.any() or not one.texts_per_week > 0:
            continue
        at = [truths.creatives.index(name) for name in one.creatives]
        value = truths.value[members][:, at].sum(axis=0)
        best = int(value.argmax())
        yield {
            "segment": one.segment, "chosen": one.creatives[one.best], "best": one.creatives[best],
            "members": int(members.sum()), "regret": value[best] - value[one.best],
            "possible": value[best] - value @ one.share, "in_set": bool(one.chosen[best]),
        }  # fmt: skip


def judge_features(stage: Stage) -> Iterator[dict[str, object]]:
    """One row per feature with an effect."""
    for each in stage.names["found"].features:
        if each.known:
            yield {
                "feature": each.feature, "effect": each.effect, "low": each.low, "high": each.high,
                "covered": each.low <= 0 <= each.high,
            }  # fmt: skip


def judge_factors(shop: Shop, source: Path, hours: int = 72) -> Iterator[dict[str, object]]:
    """One row per treated arm: the part of attributed revenue that messages caused."""
    truth = pd.concat([pd.read_parquet(file) for file in sorted((source / "truth" / "orders").glob("*.parquet"))])
    caused = truth.loc[truth["origin"] == "caused", ["order_id"]]
    orders = measures.purchases(shop).select("order_id", "customer_id", "ordered_at", "spend").to_pandas()
    rows = orders.merge(caused, on="order_id").merge(measures.outcome_windows(shop).to_pandas(), on="customer_id")
    rows = rows[(rows["ordered_at"] >= rows["assigned_at"]) & (rows["ordered_at"] < rows["outcome_end"])]
    sums = rows.groupby(["experiment_id", "arm"])["spend"].sum()
    for one in compare_attribution(shop, hours):
        rule = one.rule(hours)
        # E-mails go to both arms, so what they caused in the control is taken off per customer.
        control = sums.get((one.experiment, one.control), 0.0) * one.customers / one.control_customers
        true = (sums.get((one.experiment, one.arm), 0.0) - control) / rule.revenue
        factor = rule.calibration
        yield {
            "experiment": one.experiment, "arm": one.arm, "estimate": factor.estimate, "low": factor.low,
            "high": factor.high, "truth": true, "covered": bool(factor.low <= true <= factor.high),
        }  # fmt: skip


def judge_company(seed: int, customers: int, text_effects: float = 1.0) -> Judged:
    """Make a company, run what 06 decides and saves, and compare it with the truth."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="content-") as place:
        source = Path(place) / "source"
        write_company(source, customers=customers, weeks=52, seed=seed, text_effects=text_effects)
        stage = run_stage("06_content", source, Path(place) / "run")
        truths = price_texts(own.read_truth(source), source, stage.names["log_weeks"])
        texts, choices, features, factors = (
            pd.DataFrame(part).assign(seed=seed)
            for part in (
                judge_texts(stage, truths), judge_choices(stage, truths), judge_features(stage),
                judge_factors(stage.shop, source),
            )
        )  # fmt: skip
    return Judged(seed, texts, choices, features, factors, time.perf_counter() - began)


def _share(hits: pd.Series) -> str:
    return f"{int(hits.sum())} of {len(hits)}" + (f" ({hits.mean():.0%})" if len(hits) else "")


def _with_limits(by_seed: pd.Series) -> str:
    """A mean over companies with its 95 % limits, the company as the unit."""
    if len(by_seed) < 2:
        return f"{by_seed.mean():.1%}"
    half = 1.96 * by_seed.std(ddof=1) / np.sqrt(len(by_seed))
    return f"{by_seed.mean():.1%} ± {half:.1%}"


def summarise(judged: list[Judged]) -> str:
    """The figures over all companies."""
    texts, choices, features, factors = (
        pd.concat([getattr(each, name) for each in judged], ignore_index=True)
        for name in ("texts", "choices", "features", "factors")
    )
    lines = []
    if len(texts):
        lines.append(
            "texts by segment: interval covers the true effect in"
            f" {_with_limits(texts.groupby('seed')['covered'].mean())}; error ÷ standard error: mean"
            f" {texts['error'].mean():.2f}, standard deviation {texts['error'].std():.2f}"
        )
    if len(choices):
        sums = choices.groupby("seed")[["regret", "possible"]].sum()
        lines.append(
            f"choice: regret {sums['regret'].sum() / sums['possible'].sum():.1%} of (best − today), by company"
            f" {', '.join(f'{x:.0%}' for x in sums['regret'] / sums['possible'])}; best text chosen in"
            f" {_share(choices['chosen'] == choices['best'])}, in the set shown in {_share(choices['in_set'])}"
        )
    if len(features):
        lines.append(f"features: interval covers the true 0 in {_share(features['covered'])}")
    if len(factors):
        lines.append(f"attribution: interval covers the true factor in {_share(factors['covered'])}")
    return "\n".join(lines)


def show(judged: Judged) -> str:
    """One company's rows."""
    parts = [f"--- company {judged.seed}, {judged.seconds:.0f} s"]
    for name in ("texts", "choices", "features", "factors"):
        frame = getattr(judged, name)
        if len(frame):
            parts.append(f"{name}\n{frame.drop(columns='seed').round(4).to_string(index=False)}")
    return "\n".join(parts)


def main(given: list[str] | None = None) -> int:
    """The command line; see the docstring of this file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.content")
    parser.add_argument("--companies", type=int, default=20)
    parser.add_argument("--customers", type=int, default=20_000)
    parser.add_argument("--first", type=int, default=601, help="first seed")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--text-effects", type=float, default=1.0, help="how many times as far apart texts are")
    options = parser.parse_args(given)
    judged, failed = [], 0
    with ProcessPoolExecutor(options.workers) as pool:
        seeds = {
            pool.submit(judge_company, seed, options.customers, options.text_effects): seed
            for seed in range(options.first, options.first + options.companies)
        }
        for future in as_completed(seeds):
            if error := future.exception():
                failed += 1
                print(f"--- company {seeds[future]} failed: {error!r}", flush=True)
            else:
                judged.append(future.result())
                print(show(judged[-1]), flush=True)
    print(f"\n{len(judged)} companies, {options.customers:,} customers each")
    if judged:
        print(summarise(judged))
    if failed:
        print(f"{failed} companies failed and are in none of these figures")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
