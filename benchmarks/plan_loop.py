"""Whether plans get better when each run learns from what the plan before it brought, in simulated companies.

    python -m benchmarks.plan_loop --world own --companies 1 --rounds 6
    python -m benchmarks.plan_loop --stand-in today                      today's texts again and again

Every round runs `09_send_plan` on the company so far, prices its plan by the truth as `benchmarks.send_plan` does, and
lets the simulator send it for four weeks: its texts go to those still subscribed, nobody gets another, and what the run
left in `tables/plan_source` becomes part of the source. Today's practice stays that of the first round, and policies
are compared on the customers of the first round who are still subscribed. Texts that the plan would have sent before
the log's end are counted and left out. Seeds from 661 on were not used in development.
"""

import argparse
import shutil
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.companies import WORLDS, Made, Truths, World, find_truths, read_table, write
from benchmarks.plan_truth import WEEKS, Worth
from benchmarks.send_plan import CLASS, STAND_INS, compare, judge_scores, plan_by_notebook, stand_in
from smsroi_helpers.simulation import ground_truth as own
from smsroi_helpers.source import load, open_shop
from smsroi_helpers.source.settings import read_settings

__all__ = ["Followed", "append_rows", "follow", "main", "run_rounds"]

PLAN_TABLES = ("plans", "experiments", "arms", "assignments")
_PLAN_COLUMNS = ["plan_id", "customer_id", "role", "probability", "send_at", "variant", "expected_profit"]


@dataclass(frozen=True)
class Followed:
    """A company and the plans that it has followed so far."""

    world: World
    seed: int
    customers: int
    null: bool = False
    texts: tuple[pd.DataFrame, ...] = ()
    """plan_id, customer_id, send_at and variant of the texts of each plan."""
    rows: tuple[dict[str, pd.DataFrame], ...] = field(default=(), repr=False)
    """What each run left for the source, by table."""

    def write(self, to: Path) -> Made:
        """Write the company, four weeks later for each plan."""
        if not self.texts:
            return write(self.world, to, customers=self.customers, seed=self.seed, null=self.null)
        plan, weeks = pd.concat(self.texts, ignore_index=True), WEEKS * len(self.texts)
        made = write(
            self.world, to, customers=self.customers, seed=self.seed, null=self.null, plan=plan, later_weeks=weeks
        )
        for name in PLAN_TABLES:
            if added := [rows[name] for rows in self.rows if name in rows]:
                append_rows(to, name, pd.concat(added, ignore_index=True))
        return made


def append_rows(source: Path, name: str, rows: pd.DataFrame) -> None:
    """Add rows to a table of a source, which becomes one file; columns that either lacks are null there."""
    folder, file = source / name, source / f"{name}.parquet"
    if folder.is_dir() or file.exists():
        rows = pd.concat([read_table(source, name), rows], ignore_index=True)
    shutil.rmtree(folder, ignore_errors=True)
    rows.to_parquet(file, index=False)


def follow(before: Followed, tables: Path, source: Path) -> tuple[Followed, int]:
    """The company that follows the plan of a run, and how many of its texts were due before the log's end."""
    plan = pd.read_parquet(tables / "send_plan.parquet")
    first_day = pd.Timestamp(str(plan["plan_id"].iloc[0])[-8:]).tz_localize(read_settings(source).timezone)
    early = plan["send_at"] < first_day
    texts = plan[plan["send_at"].notna() & ~early][["plan_id", "customer_id", "send_at", "variant"]]
    left = {name: pd.read_parquet(file) for name in PLAN_TABLES
            if (file := tables / "plan_source" / f"{name}.parquet").exists()}  # fmt: skip
    if "plans" not in left:  # a stand-in; the contract has one row per plan and customer
        one_each = plan.sort_values("send_at").drop_duplicates("customer_id")
        left["plans"] = one_each.reindex(columns=_PLAN_COLUMNS).astype({"expected_profit": float})
    return replace(before, texts=(*before.texts, texts), rows=(*before.rows, left)), int(early.sum())


# --- rounds ----------------------------------------------------------------------------------------------------------


def run_rounds(
    world: World, seed: int, customers: int, rounds: int, planner: str = "notebook", null: bool = False
) -> pd.DataFrame:
    """One row per round: subscribers, texts, values, the share captured and the interval of `plan_score`.

    Args:
        world: which simulator.
        seed: of the company.
        customers: how many.
        rounds: how many plans follow each other.
        planner: `notebook`, or one of `send_plan.STAND_INS`.
        null: texts cause nothing.
    """
    company, rows, first = Followed(world, seed, customers, null), [], None
    with tempfile.TemporaryDirectory(prefix="plan-loop-") as at:
        for number in range(rounds):
            source, folder = Path(at) / f"source-{number}", Path(at) / f"run-{number}"
            made = company.write(source)
            truths = _truths_of_round(made, source, first)
            first = first or truths
            make_plan = plan_by_notebook if planner == "notebook" else stand_in(planner, truths)
            tables = make_plan(source, folder)
            row = {"seed": seed, "round": number + 1} | _measure(made, truths, source, folder, tables)
            company, row["in_the_past"] = follow(company, tables, source)
            rows.append(row)
            print(pd.DataFrame([row]).round(3).to_string(index=False), flush=True)
            shutil.rmtree(source)
    return pd.DataFrame(rows)


def _truths_of_round(made: Made, source: Path, first: Truths | None) -> Truths:
    """The truth when a round begins, with today's practice and the customers of the first round."""
    if first is None:
        return find_truths(made, source, every_text=True)
    if isinstance(made, own.World):  # nobody's response changes; only subscriptions end
        people = read_table(source, "customers")
        return replace(first, here=first.here & people["opted_out_at"].isna().to_numpy(bool))
    now = find_truths(made, source)
    return replace(now, here=first.here & now.here)


def _measure(made: Made, truths: Truths, source: Path, folder: Path, tables: Path) -> dict[str, object]:
    plan = pd.read_parquet(tables / "send_plan.parquet")
    shop = open_shop(load(source, folder / ".loaded"), "", folder / ".cache")
    today = Worth(truths.profit_today, truths.value_today, truths.weekly_discount)
    policies, worth, counted = compare(made, truths, today, shop, source, plan)
    found = policies.set_index("policy")
    possible = found["value"][f"best by {CLASS}"] - found["value"]["today"]
    gain = (worth.long_run - today.long_run)[truths.here].mean()
    row = {
        "subscribers": int(truths.here.sum()), "counted": int(counted.sum()),
        "texts_per_week": found["texts_per_week"]["plan"], "today": found["value"]["today"],
        "plan": found["value"]["plan"], "best": found["value"][f"best by {CLASS}"],
        "captured": found["captured"]["plan"],
        "captured_all_roles": gain / possible if possible > 1e-9 else np.nan,
    }  # fmt: skip
    file = tables / "plan_score.parquet"
    scores = judge_scores(pd.read_parquet(file), worth, today, counted) if file.exists() else pd.DataFrame()
    if len(scores):
        row |= {
            "scores": len(scores.dropna(subset="covered")),
            "scores_cover": int(scores["covered"].fillna(False).sum()),
        }
    return row


def main(given: list[str] | None = None) -> int:
    """The command line; see the docstring of this file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plan_loop")
    parser.add_argument("--world", choices=WORLDS, default="second")
    parser.add_argument("--companies", type=int, default=3)
    parser.add_argument("--customers", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--first", type=int, default=661, help="first seed")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--null", action="store_true", help="companies whose texts have no effect")
    parser.add_argument("--stand-in", choices=STAND_INS, default="", help="a policy in place of the notebook's plan")
    options = parser.parse_args(given)
    parts: list[pd.DataFrame] = []
    failed = 0
    with ProcessPoolExecutor(options.workers) as pool:
        settings = (options.customers, options.rounds, options.stand_in or "notebook", options.null)
        seeds = {
            pool.submit(run_rounds, options.world, seed, *settings): seed
            for seed in range(options.first, options.first + options.companies)
        }
        for future in as_completed(seeds):
            if error := future.exception():
                failed += 1
                print(f"--- company {seeds[future]} failed: {error!r}", flush=True)
            else:
                parts.append(future.result())
    print(f"\n{len(parts)} companies of the world `{options.world}`, {options.customers:,} customers each")
    if parts:
        every = pd.concat(parts, ignore_index=True)
        print(every.drop(columns="seed").groupby("round").mean().round(3).to_string())
    if failed:
        print(f"{failed} companies failed and are in none of these figures")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
