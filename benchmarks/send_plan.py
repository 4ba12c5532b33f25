"""What the send plan of a run is truly worth, beside today's practice and the best policies, in simulated companies.

    python -m benchmarks.send_plan --world second --companies 3
    python -m benchmarks.send_plan --world own --companies 3 --null      companies whose texts cause nothing
    python -m benchmarks.send_plan --stand-in best                       the best policy in place of the notebook's plan

`09_send_plan` runs as in a report, and its table `send_plan` is priced by the simulator's truth: the long-run value of
a subscriber who gets these texts again every four weeks. All policies are compared on the same customers: subscribed
when the log ends, not held out by a test, and neither explored with nor held out by the plan. Customers whom the plan
leaves out get nothing from it. The best policies know the truth of every customer and choose one hour, number of texts
and text for each group, from the hours of the test, the doses of `companies.DOSES` and every text of the log, where the
hour is allowed; they choose no weekday. The one that knows each customer's class is 100 %, today's practice 0 %. A text
costs the mean over the markets, as in `companies`. In the own simulator a further row has only the texts of its tests.
Seeds from 612 on were not used in development; in 611 of the own simulator a fault was found and mended.
"""

import argparse
import datetime as dt
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.capture import best_policy, long_run_value
from benchmarks.companies import (
    WORLDS,
    Made,
    Truths,
    World,
    find_truths,
    label,
    legal_windows,
    read_table,
    run_stage,
    write,
)
from benchmarks.plan_truth import Worth, name_texts, price_plan, read_plan, show_as_plan
from smsroi_helpers.simulation.behaviour import TESTED_CREATIVES
from smsroi_helpers.source import Shop, load, open_shop

__all__ = [
    "CLASS", "STAND_INS", "Measured", "Planner", "compare", "judge_scores", "main", "measure_plan", "plan_by_notebook",
    "stand_in",
]  # fmt: skip

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Planner = Callable[[Path, Path], Path]
"""From the folder of a source and that of a run to the folder of the run's tables."""
CLASS = "class"
"""Name of the policy that knows each customer's class."""


@dataclass(frozen=True)
class Measured:
    """One company."""

    seed: int
    policies: pd.DataFrame
    """policy, customers, texts_per_week, value (V, a subscriber), captured (share of class − today)."""
    scores: pd.DataFrame
    """Rows of `plan_score` beside the truth: policy, period, profit_per_customer, low, high, truth, covered."""
    roles: pd.DataFrame
    """role, customers, texts, outside_hours, not_subscribed."""
    reasons: pd.DataFrame
    """reason, customers and texts of the role plan; and of those left out, customers."""
    claims: pd.DataFrame
    """Decisions with the outcome `do`."""


# --- plans -----------------------------------------------------------------------------------------------------------


def plan_by_notebook(source: Path, folder: Path) -> Path:
    """Run `09_send_plan`; return the folder of its tables."""
    return run_stage("09_send_plan", source, folder).folder / "tables"


STAND_INS = ("best", "today", "nothing")


def stand_in(kind: str, truths: Truths) -> Planner:
    """A planner that knows the truth, to try a benchmark with: the best policy by class, today's texts, or no texts."""

    def plan(source: Path, folder: Path) -> Path:
        shop = open_shop(load(source, folder / ".loaded"), "", folder / ".cache")
        first_day = shop.as_of + dt.timedelta(days=1)
        if kind == "today":
            rows = _repeat_texts(source, truths, first_day)
        else:
            legal, _hours, place = legal_windows(shop, truths)
            policy = best_policy(truths, truths.classes, legal, place)
            if kind == "nothing":
                policy = replace(policy, dose=np.zeros_like(policy.dose))
            rows = show_as_plan(policy, truths, truths.here, source, first_day, np.random.default_rng(1))
        (folder / "tables").mkdir(parents=True, exist_ok=True)
        rows.assign(reason="best_value").to_parquet(folder / "tables" / "send_plan.parquet", index=False)
        return folder / "tables"

    return plan


def _repeat_texts(source: Path, truths: Truths, first_day: dt.date) -> pd.DataFrame:
    """The texts of the last four weeks once more, at the same local times, for those who are still subscribed."""
    start = pd.Timestamp(first_day)
    sent = read_table(source, "messages")
    sent = sent[sent["channel"] == "sms"].merge(read_table(source, "customers")[["customer_id", "timezone"]])
    sent = sent[sent["sent_at"] >= start.tz_localize("UTC") - pd.Timedelta(days=29)].reset_index(drop=True)
    parts = []
    for zone, rows in sent.groupby("timezone"):
        local = rows["sent_at"].dt.tz_convert(str(zone)).dt.tz_localize(None)
        of_practice = (local >= start - pd.Timedelta(weeks=4)) & (local < start)
        again = (local + pd.Timedelta(weeks=4)).dt.tz_localize(str(zone)).dt.tz_convert("UTC")
        parts.append(rows[of_practice].assign(send_at=again))
    here = pd.DataFrame({"customer_id": truths.ids[truths.here]})
    plan = here.merge(pd.concat(parts)[["customer_id", "send_at", "variant"]], on="customer_id", how="left")
    plan["texts_per_week"] = plan.groupby("customer_id")["send_at"].transform("count") / 4
    return plan.assign(plan_id=f"plan-{first_day:%Y%m%d}", role="plan", probability=1.0)


# --- a company -------------------------------------------------------------------------------------------------------


def compare(
    made: Made, truths: Truths, today: Worth, shop: Shop, source: Path, plan: pd.DataFrame
) -> tuple[pd.DataFrame, Worth, Flags]:
    """The policies of `Measured`, the truth of the plan, and the customers on whom they are compared.

    Args:
        made: what the simulator returned.
        truths: of every text; `here` are those who may count.
        today: the truth of today's practice.
        shop: the company.
        source: of the company.
        plan: the table `send_plan`.
    """
    ids = pd.Index(truths.ids)
    roles = plan.drop_duplicates("customer_id").set_index("customer_id")["role"].reindex(ids)
    counted = truths.here & ~roles.isin(["explore", "holdout"]).to_numpy(bool)
    texts = read_plan(plan, source, name_texts(made))
    worth = price_plan(made, source, texts)
    of_plan = np.bincount(texts["row"], minlength=len(ids)) / 4
    legal, _hours, place = legal_windows(shop, truths)
    known = replace(truths, here=counted)
    nothing = np.zeros(len(ids))
    found = [("today", truths.dose_today, today.long_run), ("nothing", nothing, nothing)]
    attributes = [name for name in shop.customers.columns if name.startswith("attr_")]
    groups = {"all": np.full(len(ids), "all"), CLASS: truths.classes}
    groups |= {name: label(shop, truths, name) for name in ("rfm_group", *attributes, "acquisition_channel")}
    for name, labels in groups.items():
        policy = best_policy(known, labels, legal, place)
        found.append((f"best by {name}", np.where(policy.window < 0, 0, policy.dose), long_run_value(truths, policy)))
    if set(TESTED_CREATIVES) < set(truths.creatives):
        tested = _only_texts(known, TESTED_CREATIVES)
        policy = best_policy(tested, truths.classes, legal, place)
        dose = np.where(policy.window < 0, 0, policy.dose)
        found.append((f"best by {CLASS}, texts of the tests", dose, long_run_value(tested, policy)))
    found.append(("plan", of_plan, worth.long_run))
    frame = pd.DataFrame([
        {"policy": name, "customers": int(counted.sum()), "texts_per_week": dose[counted].mean(),
         "value": value[counted].mean()}
        for name, dose, value in found
    ])  # fmt: skip
    value = frame.set_index("policy")["value"]
    possible = value[f"best by {CLASS}"] - value["today"]
    frame["captured"] = (frame["value"] - value["today"]) / possible if possible > 1e-9 else np.nan
    return frame, worth, counted


def _only_texts(truths: Truths, names: tuple[str, ...]) -> Truths:
    """The truth as if there were no other texts; the mixture stays that of all."""
    kept = [*(truths.creatives.index(name) for name in names), -1]
    return replace(
        truths, creatives=names, value=truths.value[..., kept],
        value_at_todays_hours=truths.value_at_todays_hours[..., kept],
    )  # fmt: skip


def _known_today(truths: Truths) -> Worth:
    return Worth(truths.profit_today, truths.value_today, truths.weekly_discount)


def measure_plan(
    world: World, seed: int, customers: int, null: bool = False, planner: str = "notebook"
) -> Measured:  # fmt: skip
    """Make a company, plan, and price the plan by the truth.

    Args:
        world: which simulator.
        seed: of the company.
        customers: how many.
        null: texts cause nothing.
        planner: `notebook`, or one of `STAND_INS`.
    """
    with tempfile.TemporaryDirectory(prefix="send-plan-") as at:
        source, folder = Path(at) / "source", Path(at) / "run"
        made = write(world, source, customers=customers, seed=seed, null=null)
        truths = find_truths(made, source, every_text=True)
        make_plan = plan_by_notebook if planner == "notebook" else stand_in(planner, truths)
        tables = make_plan(source, folder)
        plan = pd.read_parquet(tables / "send_plan.parquet")
        shop = open_shop(load(source, folder / ".loaded"), "", folder / ".cache")
        policies, worth, counted = compare(made, truths, _known_today(truths), shop, source, plan)
        scores = judge_scores(_read(tables, "plan_score"), worth, _known_today(truths), counted)
        every = truths.here & np.isin(truths.ids, plan["customer_id"])
        every_score = judge_scores(_read(tables, "plan_score"), worth, _known_today(truths), every)
        if len(scores):
            scores["truth_of_all_roles"] = every_score["truth"]
        roles = count_roles(plan, truths, shop, source, name_texts(made))
        return Measured(seed, policies, scores, roles, _count_reasons(plan, tables), _claims(tables))


def judge_scores(scores: pd.DataFrame, plan: Worth, today: Worth, counted: Flags) -> pd.DataFrame:
    """Rows of `plan_score` with the truth of the customers counted and whether the interval covers it."""
    rows = []
    nothing = np.zeros(len(counted))
    for row in scores.itertuples():
        long_run = "long" in str(getattr(row, "period", "")).lower()
        of = {"plan": (plan.long_run, plan.cash), "today": (today.long_run, today.cash), "nothing": (nothing, nothing)}
        of["plan_minus_today"] = (plan.long_run - today.long_run, plan.cash - today.cash)
        of_policy = of.get(str(row.policy))  # the truth of another policy is not known here
        truth = np.nan if of_policy is None else float(of_policy[0 if long_run else 1][counted].mean())
        known = np.isfinite([row.low, row.high, truth]).all()
        rows.append({
            "policy": row.policy, "period": getattr(row, "period", ""), "evidence": row.evidence,
            "profit_per_customer": row.profit_per_customer, "low": row.low, "high": row.high, "truth": truth,
            "covered": bool(row.low <= truth <= row.high) if known else None,
        })  # fmt: skip
    return pd.DataFrame(rows)


def count_roles(
    plan: pd.DataFrame, truths: Truths, shop: Shop, source: Path, texts: tuple[str, ...]
) -> pd.DataFrame:  # fmt: skip
    """Customers and texts by role, and texts outside allowed hours or to customers who are not subscribed."""
    sent = read_plan(plan, source, texts)
    _windows, hours, _place = legal_windows(shop, truths)
    people = read_table(source, "customers")
    subscribed = (people["opted_in_at"].notna() & people["opted_out_at"].isna()).to_numpy(bool)
    of = plan.drop_duplicates("customer_id").set_index("customer_id")["role"]
    role = of.reindex(truths.ids).to_numpy(object)[sent["row"]]
    sent = sent.assign(
        role=role, outside_hours=~hours[sent["row"], sent["hour"]], not_subscribed=~subscribed[sent["row"]]
    )
    counted = sent.groupby("role").agg(
        texts=("row", "size"), outside_hours=("outside_hours", "sum"), not_subscribed=("not_subscribed", "sum")
    )
    customers = plan.groupby("role").agg(customers=("customer_id", "nunique"))
    return customers.join(counted).fillna(0).astype(int).reset_index()


def _count_reasons(plan: pd.DataFrame, tables: Path) -> pd.DataFrame:
    of_plan = plan[plan["role"] == "plan"]
    planned = of_plan.groupby("reason").agg(customers=("customer_id", "nunique"), texts=("send_at", "count"))
    left_out = _read(tables, "plan_left_out").reindex(columns=["reason", "customers"]).assign(texts=0)
    left_out["reason"] = "left out: " + left_out["reason"].astype(str)
    return pd.concat([planned.reset_index(), left_out], ignore_index=True)


def _claims(tables: Path) -> pd.DataFrame:
    decided = _read(tables, "decisions/09_send_plan")
    return decided[decided["outcome"] == "do"] if "outcome" in decided else decided


def _read(tables: Path, name: str) -> pd.DataFrame:
    file = tables / f"{name}.parquet"
    return pd.read_parquet(file) if file.exists() else pd.DataFrame()


# --- the report ------------------------------------------------------------------------------------------------------


def show(measured: Measured) -> str:
    """One company's tables."""
    parts = [f"--- company {measured.seed}"]
    claims = measured.claims.reindex(columns=["segment", "action", "cash", "cash_low", "cash_high", "evidence"])
    for frame in (measured.policies, measured.scores, measured.roles, measured.reasons, claims):
        if len(frame):
            parts.append(frame.round(3).to_string(index=False))
    return "\n".join(parts)


def summarise(measured: list[Measured]) -> str:
    """Means over companies."""
    policies = pd.concat([each.policies for each in measured], ignore_index=True)
    roles = pd.concat([each.roles for each in measured], ignore_index=True)
    mean = policies.groupby("policy", sort=False)[["texts_per_week", "value", "captured"]].mean()
    plans = policies[policies["policy"] == "plan"]["captured"]
    lines = [
        mean.round(3).to_string(),
        f"plan: share captured {plans.min():.1%} to {plans.max():.1%}, median {plans.median():.1%}",
        f"texts outside allowed hours {roles['outside_hours'].sum()}, to customers who are not subscribed"
        f" {roles['not_subscribed'].sum()}, of {roles['texts'].sum()}",
        f"companies with a `do` from the plan: {sum(len(each.claims) > 0 for each in measured)} of {len(measured)}",
    ]
    scores = pd.concat([each.scores for each in measured], ignore_index=True)
    if len(scores):
        by = scores.dropna(subset="covered").groupby(["policy", "period"], sort=False)["covered"]
        lines += ["intervals of plan_score that cover the truth", by.agg(["sum", "size"]).to_string()]
    return "\n".join(lines)


def main(given: list[str] | None = None) -> int:
    """The command line; see the docstring of this file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.send_plan")
    parser.add_argument("--world", choices=WORLDS, default="second")
    parser.add_argument("--companies", type=int, default=20)
    parser.add_argument("--customers", type=int, default=20_000)
    parser.add_argument("--first", type=int, default=611, help="first seed")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--null", action="store_true", help="companies whose texts have no effect")
    parser.add_argument("--stand-in", choices=STAND_INS, default="", help="a policy in place of the notebook's plan")
    options = parser.parse_args(given)
    measured: list[Measured] = []
    failed = 0
    with ProcessPoolExecutor(options.workers) as pool:
        settings = (options.customers, options.null, options.stand_in or "notebook")
        seeds = {
            pool.submit(measure_plan, options.world, seed, *settings): seed
            for seed in range(options.first, options.first + options.companies)
        }
        for future in as_completed(seeds):
            if error := future.exception():
                failed += 1
                print(f"--- company {seeds[future]} failed: {error!r}", flush=True)
            else:
                measured.append(future.result())
                print(show(measured[-1]), flush=True)
    print(f"\n{len(measured)} companies of the world `{options.world}`, {options.customers:,} customers each")
    if measured:
        print(summarise(measured))
    if failed:
        print(f"{failed} companies failed and are in none of these figures")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
