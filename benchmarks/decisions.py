"""How often the decisions of 03–06 are right in simulated companies of two shapes, and what the wrong ones cost.

    python -m benchmarks.decisions --world second                       20 companies of 20,000 customers
    python -m benchmarks.decisions --world own --companies 3 --null     companies whose texts cause nothing
    python -m benchmarks.decisions --text-effects 4 --tests-only        companies whose texts differ much; tests alone

The decisions and tables are those of the notebooks (`companies.run_stage`), the truth is the simulator's, averaged over
the customers for whom the advice is: subscribed when the log ends, not held out, in the segment of that day. Hours: the
best window is the best of the candidates, sent where it is allowed and the best allowed one elsewhere. Doses: the best
is that of `companies.DOSES`, at the hours of the test of doses. Texts: clicks and opt-outs count, as a long-run value a
week. Seeds from 401 on were not used in development. Targeting rules, which take most of 05's time, are tried only on
companies whose texts cause nothing: there any claim is a false one.
"""

import argparse
import contextlib
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.companies import DOSES, WORLDS, Stage, Truths, World, label, legal_windows, make, run_stage

__all__ = ["Judged", "judge_company", "main"]

NEAR = 0.1
"""A dose is as good as the best if its long-run value is below the best one's by at most this share."""
ALL = "all"
CENT = 0.01
"""Money a week within which a gain of all of a segment is 0: what stays as it is gains 0 up to rounding."""


@dataclass(frozen=True)
class Judged:
    """One company's decisions beside the truth: one row per segment or test."""

    seed: int
    hours: pd.DataFrame
    doses: pd.DataFrame
    tests: pd.DataFrame
    claims: pd.DataFrame
    """Every decision with the outcome `do` that rests on evidence."""
    seconds: float


# --- hours -----------------------------------------------------------------------------------------------------------


def _sent_at(truths: Truths, members: NDArray[np.bool_], legal: NDArray[np.bool_], place: NDArray[np.int64]) -> Any:
    """(members, windows): the window sent at if that of the column is chosen; −1 where no window is allowed."""
    own = np.full((int(members.sum()), len(truths.windows)), -1)
    clicks, allowed, at = truths.clicks[members], legal[members], place[members]
    for number in np.unique(at):
        here = at == number
        mask = allowed[here][0]
        if mask.any():
            best = int(np.where(mask, clicks[here].mean(axis=0), -np.inf).argmax())
            own[here] = np.where(mask, np.arange(len(mask)), best)
    return own


def judge_hours(
    stage: Stage, truths: Truths, labels: NDArray[np.str_], places: tuple[Any, Any, Any]
) -> Iterator[dict[str, object]]:
    """One row per segment: the set of best windows, and the true gain and regret of today's hours."""
    legal, legal_hours, place = places
    decided = stage.decisions.drop_duplicates("segment").set_index("segment")  # weekdays follow hours
    outcomes, published = decided["outcome"], decided["value"].notna()
    tried = np.zeros(24, bool)
    for first, end in truths.windows:
        tried[first:end] = True
    for answer in stage.names["answers"]:
        members = truths.here & truths.receives & ((labels == answer.segment) | (answer.segment == ALL))
        members &= np.isfinite(truths.hours_today).all(axis=1)
        if not members.any():
            continue
        if answer.evidence != "randomised":  # its windows are those of the log, and none is ever recommended
            yield {"segment": answer.segment, "outcome": outcomes.get(answer.segment, ""), "published": False}
            continue
        sent_at = _sent_at(truths, members, legal, place)
        at = [[first for first, _end in truths.windows].index(hour) for hour in answer.windows["hour"]]
        within = truths.hours_today[members] * (legal_hours[members] & tried)
        weight = within.sum(axis=1) * (sent_at[:, 0] >= 0)
        rate = np.take_along_axis(truths.clicks[members], np.maximum(sent_at, 0), axis=1)
        now = (within * truths.hour_clicks[members]).sum(axis=1) * (sent_at[:, 0] >= 0)
        of_window = (rate.T @ weight / weight.sum())[at] if weight.sum() else np.full(len(at), np.nan)
        gain = of_window[answer.best] - now.sum() / weight.sum() if weight.sum() else np.nan
        known = sent_at[:, 0] >= 0
        possible = rate[known].mean(axis=0)[at]
        today = (truths.hours_today[members] * truths.hour_clicks[members]).sum(axis=1)[known].mean()
        estimate, low, high = answer.gain()
        yield {
            "segment": answer.segment, "outcome": outcomes.get(answer.segment, ""), "members": int(members.sum()),
            "windows": len(at), "in_set": int(answer.chosen.sum()),
            "chosen": int(answer.windows["hour"].iloc[answer.best]),
            "best": int(answer.windows["hour"].iloc[int(possible.argmax())]),
            "holds_best": bool(possible[answer.chosen].max() >= possible.max() - 1e-9),
            "regret": possible.max() - today, "smallest": answer.smallest_gain,
            "published": bool(published.get(answer.segment)), "gain": gain,
            "estimate": estimate, "low": low, "high": high,
            "covered": bool(low <= gain <= high) if published.get(answer.segment) and np.isfinite(gain) else None,
        }  # fmt: skip


# --- doses -----------------------------------------------------------------------------------------------------------


def judge_doses(stage: Stage, truths: Truths, labels: NDArray[np.str_]) -> Iterator[dict[str, object]]:
    """One row per segment: the dose recommended and the truth of doses."""
    outcomes = stage.decisions.set_index("segment")["outcome"]
    policy = stage.names["policy"]
    response = pd.read_parquet(stage.folder / "tables" / "frequency_response.parquet")
    losses = response.groupby("segment")["natural_loss_per_week"].first()
    if "messages_per_week" not in policy:
        return
    today = truths.value_at(truths.dose_today)
    for row in policy.itertuples():
        members = truths.here & ((labels == row.segment) | (row.segment == ALL))
        if not members.any():
            continue
        value = truths.dose_value[members].mean(axis=0)
        chosen = float(np.interp(row.messages_per_week, DOSES, value))
        price = float((1 - (1 - truths.loss[members].mean()) / (1 + truths.weekly_discount)) * row.subscribed)
        gain = (chosen - today[members].mean()) * price
        yield {
            "segment": row.segment, "outcome": outcomes.get(row.segment, ""), "members": int(members.sum()),
            "today": float(truths.dose_today[members].mean()), "chosen": row.messages_per_week,
            "advised": row.reason not in ("not_covered", "few_in_segment"),
            "best": DOSES[int(value.argmax())], "v_chosen": chosen, "v_best": value.max(),
            "v_today": today[members].mean(),
            "near_best": bool(chosen >= value.max() - NEAR * abs(value.max())),
            "v_estimate": row.value, "gain": gain, "estimate": row.gain, "low": row.gain_low, "high": row.gain_high,
            "covered": bool(row.gain_low - CENT <= gain <= row.gain_high + CENT) if np.isfinite(row.gain) else None,
            "loss_estimate": losses.get(row.segment, np.nan),
            "loss": float(truths.loss[members].mean()),
        }  # fmt: skip


# --- tests of texts, and of texting ----------------------------------------------------------------------------------


def judge_tests(ab_test: Stage, content: Stage, truths: Truths) -> Iterator[dict[str, object]]:
    """One row per test: the arm decided for and its true gain a week; tests of texts are those that 06 decides."""
    others = [each for each in ab_test.names["tests"] if each.decided_in != "content"]
    for each in others + content.names["tests"]:
        experiment, decision = each.experiment, each.decision
        row: dict[str, object] = {"test": experiment.name, "kind": experiment.kind, "outcome": decision.outcome}
        shipped = decision.arm if decision.outcome == "ship" else ""
        if experiment.kind == "content":
            weekly = truths.weekly(truths.creative_value)[truths.here].mean(axis=0)
            true = pd.Series(weekly - weekly[truths.creatives.index(experiment.control)], truths.creatives)
            true = true[list(experiment.arms)]
            best = str(true.idxmax())
            other = true[experiment.control] if best != experiment.control else true.drop(best).max()
            right = decision.outcome == "keep_control" if best == experiment.control else shipped == best
            row |= {
                "chosen": shipped, "best": best, "true_gain": true[best] - other, "right": right,
                "smallest": decision.detectable / experiment.weeks, "shipped_gain": true.get(shipped, np.nan),
            }  # fmt: skip
        elif experiment.kind == "holdout":
            row |= {"shipped_gain": truths.profit_today[truths.here].mean() if shipped else np.nan}
        elif experiment.kind == "frequency" and shipped:
            dose = float(experiment.plan.loc[shipped, "messages_per_week"])
            of_dose = truths.profit[truths.here][:, :, DOSES.index(dose), -1].mean()
            row |= {"chosen": shipped, "shipped_gain": of_dose}
        yield row


# --- a company -------------------------------------------------------------------------------------------------------


def judge_company(
    world: World, seed: int, customers: int, null: bool, text_effects: float = 1.0, tests_only: bool = False
) -> Judged:
    """Make a company, run 03–06 (05 and 06 alone, with `tests_only`), and compare what they say with the truth."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="decisions-") as place:
        source, folder = Path(place) / "source", Path(place) / "run"
        truths = make(
            world, source, customers=customers, seed=seed, null=null,
            text_effects=text_effects,
        )  # fmt: skip
        without_targeting = mock.patch("smsroi_helpers.ab_test.rank_responders", return_value=[])
        with contextlib.nullcontext() if null else without_targeting:
            ab_test = run_stage("05_ab_test", source, folder)
        content = run_stage("06_content", source, folder)
        tests, hours, doses = pd.DataFrame(judge_tests(ab_test, content, truths)), pd.DataFrame(), pd.DataFrame()
        every = pd.concat([ab_test.decisions, content.decisions], ignore_index=True)
        if not tests_only:
            timing, frequency = (run_stage(name, source, folder) for name in ("03_timing", "04_frequency"))
            labels = label(timing.shop, truths, timing.names["segment_by"])
            hours = pd.DataFrame(judge_hours(timing, truths, labels, legal_windows(timing.shop, truths)))
            doses = pd.DataFrame(judge_doses(frequency, truths, labels))
            every = pd.concat([timing.decisions, frequency.decisions, every], ignore_index=True)
    claims = every[(every["outcome"] == "do") & every["evidence"].isin(["randomised", "modelled", "observational"])]
    hours, doses, tests, claims = (
        frame.assign(seed=seed) for frame in (hours, doses, tests, claims[["stage", "segment", "action"]])
    )
    return Judged(seed, hours, doses, tests, claims, time.perf_counter() - began)


# --- the report ------------------------------------------------------------------------------------------------------


def _share(hits: Any) -> str:
    known = pd.Series(hits).dropna().astype(bool)
    return f"{int(known.sum())} of {len(known)}" + (f" ({known.mean():.0%})" if len(known) else "")


def summarise(judged: list[Judged], null: bool) -> str:
    """The figures of "Must show", over all companies."""
    hours, doses, tests, claims = (
        pd.concat([getattr(each, name) for each in judged], ignore_index=True)
        for name in ("hours", "doses", "tests", "claims")
    )
    if null:
        acted = [len(each.claims) > 0 for each in judged]
        return (
            f"companies with any `do` from 03–06: {_share(acted)}; by stage: {claims['stage'].value_counts().to_dict()}"
        )
    lines = []
    own = hours[hours["segment"] != ALL] if len(hours) else hours
    if len(own):
        kept = own[own["outcome"] == "dont"]
        lines += [
            f"hours: the set holds the best window in {_share(own['holds_best'])}; mean size {own['in_set'].mean():.1f}"
            f" of {own['windows'].mean():.1f}",
            f"hours: left as they are {len(kept)} times, with a regret above the smallest gain in"
            f" {_share(kept['regret'] > kept['smallest'])}; moved in {_share(own['outcome'] == 'do')}",
            f"hours: interval of the gain covers the truth in {_share(own['covered'])}",
        ]
    doses = doses[doses["segment"] != ALL] if len(doses) else doses
    if len(doses):
        lines.append(f"doses: advised (the test covers today's subscribers) in {_share(doses['advised'])}")
        doses = doses[doses["advised"]]
        exact = doses["chosen"] == doses["best"]
        lines += [
            f"doses: the long-run optimum or within {NEAR:.0%} of its value in {_share(doses['near_best'])};"
            f" the optimum in {_share(exact)}; decided in {_share(doses['outcome'] != 'not_enough_evidence')}",
            f"doses: interval of the gain covers the truth in {_share(doses['covered'])}",
        ]
    texts = tests[tests["kind"] == "content"]
    large = texts[texts["true_gain"] >= 2 * texts["smallest"]] if "smallest" in texts else texts
    lines.append(
        "texts: decided for the better one where its gain is twice the planner's smallest:"
        f" {_share(large['right'])} (of all tests {_share(texts['right'])})"
    )
    lines.append(f"tests called broken: {_share(tests['outcome'] == 'broken')}")
    moved = hours[(hours["outcome"] == "do") & hours["published"]] if len(hours) else hours
    done = [moved.get("gain"), doses.loc[doses["outcome"] == "do", "gain"] if len(doses) else None]
    shipped = tests["shipped_gain"][tests["outcome"] == "ship"].dropna() if "shipped_gain" in tests else None
    loses = pd.concat([each for each in (*done, shipped) if each is not None]) < -1e-6
    lines.append(f"`do` that lose money in truth: {_share(loses)}")
    return "\n".join(lines)


def show(judged: Judged) -> str:
    """One company's rows."""
    parts = [f"--- company {judged.seed}, {judged.seconds:.0f} s"]
    for name in ("hours", "doses", "tests", "claims"):
        frame = getattr(judged, name).drop(columns="seed")
        if len(frame):
            parts.append(f"{name}\n{frame.round(4).to_string(index=False)}")
    return "\n".join(parts)


def main(given: list[str] | None = None) -> int:
    """The command line; see the docstring of this file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.decisions")
    parser.add_argument("--world", choices=WORLDS, default="second")
    parser.add_argument("--companies", type=int, default=20)
    parser.add_argument("--customers", type=int, default=20_000)
    parser.add_argument("--first", type=int, default=401, help="first seed")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--null", action="store_true", help="companies whose texts have no effect")
    parser.add_argument("--text-effects", type=float, default=1.0, help="how many times as far apart texts are")
    parser.add_argument("--tests-only", action="store_true", help="the decisions of 05 and 06 alone")
    options = parser.parse_args(given)
    judged: list[Judged] = []
    failed = 0
    with ProcessPoolExecutor(options.workers) as pool:
        settings = (options.customers, options.null, options.text_effects, options.tests_only)
        seeds = {
            pool.submit(judge_company, options.world, seed, *settings): seed
            for seed in range(options.first, options.first + options.companies)
        }
        for future in as_completed(seeds):
            if error := future.exception():
                failed += 1
                print(f"--- company {seeds[future]} failed: {error!r}", flush=True)
            else:
                judged.append(future.result())
                print(show(judged[-1]), flush=True)
    print(f"\n{len(judged)} companies of the world `{options.world}`, {options.customers:,} customers each")
    if judged:
        print(summarise(judged, options.null))
    if failed:
        print(f"{failed} companies failed and are in none of these figures")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
