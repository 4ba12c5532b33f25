"""What share of (best policy − today's practice) a reader gets who knows the published tables only and follows them.

    python -m benchmarks.capture --world second --companies 3
    python -m benchmarks.capture --world own --groupings rfm_group,attr_member_level

Read are `decisions`, `customer_send_hour`, `frequency_policy`, `content_tests` and `creative_response` of a run, and
which segment a customer is in. Three readers:

- *letter*: changes hours, doses and texts only where the tables say so (`do`, `change`, `ship`), and leaves the rest as
  it is today;
- *estimates*: takes the hour of `customer_send_hour`, the segment's dose in `frequency_policy`, decided or not (today's
  where it has none), and the segment's most profitable text in `creative_response`;
- *careful*: the same hours and texts, which cost little if they are wrong, and doses only where they are decided.

The best policy knows each latent class, its best window where it is allowed, dose and text of the log; `ceiling` is
what somebody would get who knew the same of every segment of the grouping. Values are long-run (V), summed over the
customers who are subscribed when the log ends and not held out. Seeds from 314 on were not used in development.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.companies import DOSES, WORLDS, Truths, World, find_truths, label, legal_windows, run_stage, write

__all__ = ["Policy", "best_policy", "long_run_value", "main", "read_policy"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
ALL = "all"
Reader = Literal["letter", "estimates", "careful"]
READERS: tuple[Reader, ...] = get_args(Reader)
GROUPINGS = {"own": "rfm_group,response,attr_member_level", "second": "rfm_group,response,attr_level"}


@dataclass(frozen=True)
class Policy:
    """What each customer gets; where nothing is changed: window −1, dose NaN, creative −1."""

    window: Ints
    dose: Floats
    creative: Ints

    def only(self, part: str) -> "Policy":
        """Only the change of `window`, `dose` or `creative`; the rest as today."""
        none = Policy(np.full_like(self.window, -1), np.full_like(self.dose, np.nan), np.full_like(self.creative, -1))
        return Policy(
            **{name: getattr(self if name == part else none, name) for name in ("window", "dose", "creative")}
        )


def long_run_value(truths: Truths, policy: Policy) -> Floats:
    """V of each customer under a policy; unchanged parts are today's."""
    rows = np.arange(len(truths.ids))
    by_dose = np.where(
        (policy.window >= 0)[:, None],
        truths.value[rows, np.maximum(policy.window, 0), :, policy.creative],
        truths.value_at_todays_hours[rows, :, policy.creative],
    )
    dose = np.clip(np.where(np.isnan(policy.dose), truths.dose_today, policy.dose), DOSES[0], DOSES[-1])
    grid = np.array(DOSES)
    right = np.clip(np.searchsorted(grid, dose), 1, len(grid) - 1)
    share = (dose - grid[right - 1]) / (grid[right] - grid[right - 1])
    return np.asarray((1 - share) * by_dose[rows, right - 1] + share * by_dose[rows, right])


def best_policy(truths: Truths, groups: NDArray[np.str_], legal: NDArray[np.bool_], place: Ints) -> Policy:
    """The window, dose and text that are best in truth for each group, in each place among the windows allowed there.

    Dose and text are the same in all places of a group; where no window is allowed, nothing is sent.
    """
    n, texts = len(truths.ids), len(truths.creatives)
    policy = Policy(np.full(n, -1), np.full(n, np.nan), np.full(n, -1))
    for group in np.unique(groups[truths.here]):
        of_group = groups == group
        total = np.zeros((len(DOSES), texts))
        windows = {}
        for number in np.unique(place[of_group & truths.here]):
            own = of_group & truths.here & (place == number)
            value = truths.value[own][..., :texts].sum(axis=0)
            value[~legal[own][0]] = -np.inf
            if legal[own][0].any():
                windows[number] = value.argmax(axis=0)
                total += value.max(axis=0)
        dose, text = np.unravel_index(int(total.argmax()), total.shape)
        policy.dose[of_group], policy.creative[of_group] = DOSES[dose], text
        for number in np.unique(place[of_group]):
            own = of_group & (place == number)
            if number in windows:
                policy.window[own] = windows[number][dose, text]
            else:
                policy.dose[own] = 0.0
    return policy


# --- reading the tables ----------------------------------------------------------------------------------------------


def read_policy(tables: Path, truths: Truths, labels: NDArray[np.str_], reader: Reader) -> Policy:
    """The policy that the published tables amount to.

    Args:
        tables: folder of the run's tables.
        truths: of which only the customers, the windows' and the creatives' names are used.
        labels: the segment of each customer.
        reader: which of the readers above.
    """
    decided = pd.read_parquet(tables / "decisions")
    hours = pd.read_parquet(tables / "customer_send_hour.parquet").set_index("customer_id")["hour"]
    starts = [first for first, _end in truths.windows]
    window = np.array([starts.index(int(h)) if h in starts else -1 for h in hours.reindex(truths.ids).fillna(-1)])
    if reader == "letter":
        of_segment = decided[decided["stage"] == "timing"].drop_duplicates("segment").set_index("segment")["outcome"]
        window = np.where(_by_segment(of_segment, labels) == "do", window, -1)
    doses = pd.read_parquet(tables / "frequency_policy.parquet").set_index("segment")
    followed = (doses["outcome"] == "change") | (reader == "estimates")
    dose = _by_segment(doses["messages_per_week"].where(followed), labels).astype(float)
    texts = _decided_text if reader == "letter" else _most_profitable_texts
    text = texts(tables, truths.creatives)
    return Policy(window, dose, _by_segment(text, labels).astype(int))


def _by_segment(values: pd.Series, labels: NDArray[np.str_]) -> Any:
    """The value of each customer's segment; that of all customers where the segment has no row."""
    return np.array([values.get(name, values.get(ALL)) for name in labels], object)


def _decided_text(tables: Path, creatives: Sequence[str]) -> pd.Series:
    """The number of the text that a test decided for, for all; −1: those of today."""
    results = pd.read_parquet(tables / "content_tests.parquet")
    rows = results[(results["segment"] == ALL) & (results["metric"] == "profit") & results["arm"].isin(creatives)]
    rows = rows[(rows["decision"] == "ship") & rows["difference"].notna()]
    if not len(rows):
        return pd.Series({ALL: -1})
    return pd.Series({ALL: list(creatives).index(str(rows.loc[rows["difference"].idxmax(), "arm"]))})


def _most_profitable_texts(tables: Path, creatives: Sequence[str]) -> pd.Series:
    """The number of the text with the highest estimated profit, by segment; −1 without an estimate."""
    rows = pd.read_parquet(tables / "creative_response.parquet")
    rows = rows[rows["variant"].isin(creatives) & rows["profit"].notna()]
    best = rows.loc[rows.groupby("segment")["profit"].idxmax()].set_index("segment")["variant"]
    return pd.concat([pd.Series({ALL: -1}), best.map(list(creatives).index)]).groupby(level=0).last()


# --- a company -------------------------------------------------------------------------------------------------------


def measure_company(world: World, seed: int, customers: int, groupings: Sequence[str]) -> pd.DataFrame:
    """One row per grouping and reader: the share captured, and by each part of the policy alone."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="capture-") as place:
        source = Path(place) / "source"
        truths = find_truths(write(world, source, customers=customers, seed=seed), source, every_text=True)
        for segment_by in groupings:
            folder = Path(place) / segment_by
            stages = [
                run_stage(name, source, folder, segment_by=segment_by)
                for name in ("03_timing", "04_frequency", "06_content")
            ]
            shop = stages[0].shop
            labels = label(shop, truths, segment_by)
            legal, _hours, places = legal_windows(shop, truths)
            rows += [{"seed": seed, "grouping": segment_by, **each} for each in _shares(truths, labels, legal, places,
                                                                                       folder / "tables")]  # fmt: skip
    return pd.DataFrame(rows)


def _shares(
    truths: Truths, labels: NDArray[np.str_], legal: NDArray[np.bool_], places: Ints, tables: Path
) -> list[dict[str, object]]:
    n = len(truths.ids)

    def total(policy: Policy) -> float:
        return float(long_run_value(truths, policy)[truths.here].sum())

    today = total(Policy(np.full(n, -1), np.full(n, np.nan), np.full(n, -1)))
    best = total(best_policy(truths, truths.classes, legal, places))
    found = []
    policies = {"ceiling": best_policy(truths, labels, legal, places)}
    policies |= {reader: read_policy(tables, truths, labels, reader) for reader in READERS}
    for reader, policy in policies.items():
        row: dict[str, object] = {"reader": reader, "captured": (total(policy) - today) / (best - today)}
        for part in ("window", "dose", "creative"):
            row[part] = (total(policy.only(part)) - today) / (best - today)
        found.append(row | {"today": today / truths.here.sum(), "best": best / truths.here.sum()})
    return found


def main(given: list[str] | None = None) -> int:
    """The command line; see the docstring of this file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.capture")
    parser.add_argument("--world", choices=WORLDS, default="second")
    parser.add_argument("--companies", type=int, default=20)
    parser.add_argument("--customers", type=int, default=20_000)
    parser.add_argument("--first", type=int, default=301, help="first seed")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--groupings", default="", help="values of segment_by, separated by commas")
    options = parser.parse_args(given)
    groupings = (options.groupings or GROUPINGS[options.world]).split(",")
    parts = []
    with ProcessPoolExecutor(options.workers) as pool:
        running = [
            pool.submit(measure_company, options.world, seed, options.customers, groupings)
            for seed in range(options.first, options.first + options.companies)
        ]
        for future in as_completed(running):
            parts.append(future.result())
            print(parts[-1].round(3).to_string(index=False), flush=True)
    every = pd.concat(parts, ignore_index=True)
    mean = every.groupby(["grouping", "reader"], sort=False)[["captured", "window", "dose", "creative"]].mean()
    today, best = every.drop_duplicates("seed")[["today", "best"]].mean()
    print(
        f"\n{every['seed'].nunique()} companies of the world `{options.world}`: long-run value of a subscriber"
        f" {today:.2f} today, {best:.2f} at best; share of the difference captured, in all and by each part alone"
    )
    print(mean.round(3).to_string())
    return 0


if __name__ == "__main__":
    sys.exit(main())
