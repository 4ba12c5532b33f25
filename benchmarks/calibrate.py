"""Test the coverage of every published interval in simulated worlds: `make calibrate`.

    python -m benchmarks.calibrate                     every claim whose code has changed since its last run
    python -m benchmarks.calibrate --only click_rate   only these; may be given several times
    python -m benchmarks.calibrate --quick             40 seeds each, writes no page: a smoke test

`benchmarks/claims/__init__.py` explains what a claim is and how to write one. Results are saved per seed under
`benchmarks/.calibration/`, so that an interrupted run resumes where it stopped; changed code starts again.
docs/calibration.json records the result of each claim, its date and the fingerprint of its code. docs/calibration.md
shows that record and marks rows whose code has changed since.
Exit codes: 0, every claim passes and every interval known to be wrong fails; 1, otherwise; 2, invalid command line.
"""

import argparse
import datetime as dt
import hashlib
import importlib
import json
import math
import multiprocessing
import os
import pkgutil
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from statsmodels.stats.proportion import proportion_confint

from benchmarks.claims import BestSet, Claim, Interval, Outcome, Withheld
from benchmarks.fingerprint import fingerprint

__all__ = [
    "Replicate",
    "Row",
    "Score",
    "allowed",
    "find_claims",
    "main",
    "page",
    "read_record",
    "run",
    "run_replicate",
    "summarise",
    "write_record",
]

ROOT = Path(__file__).resolve().parents[1]
STORE = ROOT / "benchmarks" / ".calibration"
PAGE = ROOT / "docs" / "calibration.md"
"""The page; the record that it shows is the .json file beside it."""
LEVEL = 0.95
QUICK = 40
MOST_WITHHELD = 0.1
"""The largest share of worlds in which a page may give a reason in place of a number."""
_CHUNK = 20
"""Seeds that a process runs before it returns them: an interruption loses at most these, per process."""
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "SMSROI_THREADS": "1"}


# --- one seed --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Score:
    """The result of one part of a claim at one seed: means over the cells of the world, NaN where undefined."""

    held: float
    """Share of intervals that contain the truth; for a test, 1 if it did not reject."""
    lacking: float
    """Share of intervals with a limit that is NaN."""
    error: float
    """Estimate − truth."""
    width: float
    """High − low; for a best set, its size."""
    alarm: float
    """Share of the cells without an effect for which an effect was reported."""
    power: float
    """Share of the cells with an effect for which an effect was reported."""
    withheld: bool = False
    """Whether the page gives a reason in place of the number; the shares are then NaN."""


@dataclass(frozen=True)
class Replicate:
    """One seed of a claim: a score for each part, or the exception that stopped it."""

    seed: int
    seconds: float
    parts: dict[str, Score]
    error: str = ""


def generator(name: str, seed: int) -> np.random.Generator:
    """The random generator for one seed of one claim, independent of all other claims and seeds."""
    entropy = int.from_bytes(hashlib.sha256(name.encode()).digest()[:16])
    return np.random.default_rng(np.random.SeedSequence(entropy, spawn_key=(seed,)))


def _mean(values: npt.NDArray[Any]) -> float:
    return float(values.mean()) if values.size else math.nan


def score(outcome: Outcome | Withheld) -> Score:
    """Compare one outcome with its truth.

    >>> score(Interval(0.4, 0.1, 0.6, truth=0.3)).held
    1.0
    >>> score(Interval([0.4, 2.0], [0.1, 1.5], [0.6, math.nan], truth=[0.3, 1.8])).held
    0.5
    """
    if isinstance(outcome, Interval):
        fields = (outcome.estimate, outcome.low, outcome.high, outcome.truth)
        estimate, low, high, truth = np.broadcast_arrays(*(np.asarray(field, float) for field in fields))
        found = np.full(truth.shape, math.nan) if outcome.null is None else (low > outcome.null) | (high < outcome.null)
        nothing = truth == outcome.null if outcome.null is not None else np.zeros(truth.shape, bool)
        lacking = np.isnan(low) | np.isnan(high)
        return Score(
            held=_mean((low <= truth) & (truth <= high)),
            lacking=_mean(lacking),
            error=_mean(estimate - truth),
            width=_mean((high - low)[~lacking]),
            alarm=_mean(found[nothing]),
            power=_mean(found[~nothing]),
        )
    if isinstance(outcome, BestSet):
        chosen, values = np.asarray(outcome.chosen, bool), np.asarray(outcome.values, float)
        # If several candidates are truly best, the score is the share of them that was kept.
        return Score(_mean(chosen[values == values.max()]), 0.0, math.nan, float(chosen.sum()), math.nan, math.nan)
    if isinstance(outcome, Withheld):
        return Score(math.nan, 0.0, math.nan, math.nan, math.nan, math.nan, withheld=True)
    rejected = float(outcome.rejected)
    alarm, power = (math.nan, rejected) if outcome.effect else (rejected, math.nan)
    return Score(1 - rejected, 0.0, math.nan, math.nan, alarm, power)


def run_replicate(claim: Claim, seed: int) -> Replicate:
    """Run a claim at one seed. An exception is a result: a failed replicate."""
    start = time.perf_counter()
    try:
        outcomes = claim.run(generator(claim.name, seed))
        outcomes = [outcomes] if isinstance(outcomes, Outcome | Withheld) else outcomes
        parts, error = {outcome.part: score(outcome) for outcome in outcomes}, ""
    except Exception as problem:
        parts, error = {}, f"{type(problem).__name__}: {problem}"
    return Replicate(seed, time.perf_counter() - start, parts, error)


# --- many seeds ------------------------------------------------------------------------------------------------------


def find_claims(package: str = "benchmarks.claims") -> dict[str, list[Claim]]:
    """The claims of every module of a package (or of one module), by the module's name.

    Raises:
        ValueError: two claims have one name, or a name is not a valid file name.
    """
    home = importlib.import_module(package)
    names = [f"{package}.{found.name}" for found in pkgutil.iter_modules(getattr(home, "__path__", []))] or [package]
    claims = {name: list(importlib.import_module(name).CLAIMS) for name in sorted(names)}
    every = [claim.name for listed in claims.values() for claim in listed]
    for name in every:
        if not (name.isidentifier() and name == name.lower()) or every.count(name) > 1:
            raise ValueError(f"claim {name!r}: the name must be unique, with lower-case letters, digits and _ only")
    return claims


def read_replicates(file: Path) -> dict[int, Replicate]:
    """The replicates in a file, by seed. A line that an interruption cut short is skipped."""
    replicates = {}
    for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else []:
        try:
            raw = json.loads(line)
        except ValueError:
            continue
        parts = {part: Score(**fields) for part, fields in raw["parts"].items()}
        replicates[raw["seed"]] = Replicate(raw["seed"], raw["seconds"], parts, raw["error"])
    return replicates


def append_replicates(file: Path, replicates: Iterable[Replicate]) -> None:
    """Append replicates to a file, one line each; starts a new line if the last one is incomplete."""
    incomplete = file.exists() and not file.read_bytes().endswith(b"\n")
    with file.open("a", encoding="utf-8") as out:
        out.write("\n" * incomplete + "".join(json.dumps(asdict(replicate)) + "\n" for replicate in replicates))


def _run_many(module: str, name: str, seeds: list[int]) -> list[Replicate]:
    """Run a claim at several seeds, in a worker process."""
    claim = next(claim for claim in importlib.import_module(module).CLAIMS if claim.name == name)
    return [run_replicate(claim, seed) for seed in seeds]


def run(claims: dict[str, list[Claim]], seeds: int | None, jobs: int, store: Path) -> dict[str, list[Replicate]]:
    """Run every claim at seeds 0 … n − 1, except saved ones, and return all replicates by the claims' names.

    Args:
        claims: by module.
        seeds: number of seeds of each claim; None for its own n.
        jobs: number of parallel processes, with one thread each.
        store: the folder of results, with one file per claim and code fingerprint.
    """
    store.mkdir(parents=True, exist_ok=True)
    wanted = {claim.name: seeds or claim.n for listed in claims.values() for claim in listed}
    files = {
        claim.name: store / f"{claim.name}-{fingerprint(claim.run)}.jsonl"
        for listed in claims.values()
        for claim in listed
    }
    done = {name: read_replicates(file) for name, file in files.items()}
    left = {name: [seed for seed in range(n) if seed not in done[name]] for name, n in wanted.items()}
    os.environ.update(_ONE_THREAD)  # inherited by the worker processes before they import anything
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        tasks = {
            pool.submit(_run_many, module, claim.name, left[claim.name][start : start + _CHUNK]): claim.name
            for module, listed in claims.items()
            for claim in listed
            for start in range(0, len(left[claim.name]), _CHUNK)
        }
        try:
            for task in as_completed(tasks):
                name = tasks[task]
                replicates = task.result()
                append_replicates(files[name], replicates)
                done[name].update({replicate.seed: replicate for replicate in replicates})
                if len([seed for seed in done[name] if seed < wanted[name]]) == wanted[name]:
                    print(f"{name}: {wanted[name]:,} seeds", flush=True)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return {
        name: [replicate for seed, replicate in sorted(replicates.items()) if seed < wanted[name]]
        for name, replicates in done.items()
    }


# --- pass or fail ----------------------------------------------------------------------------------------------------


def allowed(claim: Claim, n: int) -> tuple[float, float]:
    """The range of shares in which a claim passes: coverage, or the share of false alarms.

    .95 ± (.01 + 2.5 √(.0475/n)); `at_least` has no upper limit, `false_alarm` no lower limit.

    >>> low, high = allowed(Claim("a", "", "", "two_sided", lambda rng: []), 1_000)
    >>> f"{low:.4f} {high:.4f}"
    '0.9228 0.9772'
    """
    if claim.rule == "false_alarm":
        return 0.0, claim.alpha + 0.01 + 2.5 * math.sqrt(claim.alpha * (1 - claim.alpha) / n)
    margin = 0.01 + 2.5 * math.sqrt(LEVEL * (1 - LEVEL) / n)
    return LEVEL - margin, 1.0 if claim.rule == "at_least" else LEVEL + margin


@dataclass(frozen=True)
class Row:
    """The result of one part of a claim over all its seeds."""

    claim: Claim
    part: str
    n: int
    failed: int
    """Seeds with an exception or without a result for this part; counted as misses, or as false alarms."""
    withheld: int
    """Seeds for which the page gives a reason in place of this part; not in the share."""
    errors: tuple[str, ...]
    """The distinct messages of the exceptions."""
    share: float
    """Coverage; under the rule `false_alarm`, the share of false alarms."""
    share_low: float
    share_high: float
    lacking: float
    bias: float
    bias_error: float
    """Standard error of the bias."""
    width: float
    alarm: float
    power: float
    seconds: float
    """Computing time over all seeds and parts."""
    day: str = ""
    """ISO date of the run."""
    code: str = ""
    """The `fingerprint` of the code that was run."""
    changed: bool = False
    """Whether the code has changed since."""

    @property
    def passed(self) -> bool:
        """Whether the share lies in the range of `allowed` and not too many seeds were withheld."""
        low, high = allowed(self.claim, self.n - self.withheld or 1)
        return low <= self.share <= high and self.withheld <= MOST_WITHHELD * self.n


def summarise(claim: Claim, replicates: Sequence[Replicate]) -> list[Row]:
    """One row for each part of a claim, over its replicates."""
    n = len(replicates)
    parts = list(dict.fromkeys(part for replicate in replicates for part in replicate.parts)) or [""]
    errors = tuple(dict.fromkeys(replicate.error for replicate in replicates if replicate.error))
    rows = []
    for part in parts:
        every = [replicate.parts[part] for replicate in replicates if part in replicate.parts]
        failed = n - len(every)
        scores = [scored for scored in every if not scored.withheld]
        withheld = len(every) - len(scores)
        if claim.rule == "false_alarm":
            # Where everything has an effect, there is no false alarm; the row is there for its power.
            alarms = [0.0 if math.isnan(scored.alarm) else scored.alarm for scored in scores]
            shares = np.array(alarms + [1.0] * failed)
        else:
            shares = np.array([scored.held for scored in scores] + [0.0] * failed)
        error = np.array([scored.error for scored in scores if math.isfinite(scored.error)])
        low, high = _share_interval(shares)
        rows.append(
            Row(
                claim, part, n, failed, withheld, errors, _mean(shares), low, high,
                lacking=_mean(np.array([scored.lacking for scored in scores])),
                bias=_mean(error),
                bias_error=float(error.std(ddof=1) / math.sqrt(len(error))) if len(error) > 1 else math.nan,
                width=_mean(np.array([scored.width for scored in scores if not math.isnan(scored.width)])),
                alarm=_mean(np.array([scored.alarm for scored in scores if not math.isnan(scored.alarm)])),
                power=_mean(np.array([scored.power for scored in scores if not math.isnan(scored.power)])),
                seconds=sum(replicate.seconds for replicate in replicates),
            )
        )  # fmt: skip
    return rows


def _share_interval(shares: npt.NDArray[np.float64]) -> tuple[float, float]:
    """95 % interval: Wilson's for a share of seeds, the normal one for means over cells (not counts)."""
    if not shares.size:
        return math.nan, math.nan
    if np.isin(shares, (0.0, 1.0)).all():
        low, high = proportion_confint(shares.sum(), len(shares), method="wilson")
        return float(low), float(high)
    half_width = 1.96 * shares.std(ddof=1) / math.sqrt(len(shares))
    return float(shares.mean() - half_width), float(shares.mean() + half_width)


def list_problems(rows: Iterable[Row]) -> Iterator[str]:
    """One line per problem: claims that fail, and intervals known to be wrong that pass."""
    caught: dict[str, bool] = {}
    for row in rows:
        if row.claim.known_wrong and row.n >= row.claim.n:  # with fewer seeds it may pass by chance
            caught[row.claim.name] = caught.get(row.claim.name, False) or not row.passed
        if not row.claim.known_wrong and not row.passed:
            often = f"; withheld in {row.withheld:,} of {row.n:,} worlds" if row.withheld else ""
            yield f"{_name(row)} fails: {row.share:.3f}, allowed {_band(row)}{often}"
    for name, was_caught in caught.items():
        if not was_caught:
            yield f"{name} is known to be wrong but passes: this benchmark cannot detect it"


# --- the record ------------------------------------------------------------------------------------------------------


def read_record(file: Path, claims: Mapping[str, Sequence[Claim]]) -> list[Row]:
    """The recorded rows of the given claims, in their order; `changed` tells whether the code has changed since."""
    record = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    rows = []
    for listed in claims.values():
        for claim in listed:
            now = fingerprint(claim.run)
            for raw in record.get(claim.name, []):
                values: dict[str, Any] = {key: math.nan if value is None else value for key, value in raw.items()}
                values |= {"errors": tuple(raw["errors"]), "changed": raw["code"] != now}
                rows.append(Row(claim=claim, **values))
    return rows


def write_record(file: Path, rows: Iterable[Row]) -> None:
    """Write the rows as JSON by the claims' names; NaN becomes null."""
    record: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        raw = {field.name: getattr(row, field.name) for field in fields(row) if field.name not in ("claim", "changed")}
        kept = {key: None if isinstance(value, float) and math.isnan(value) else value for key, value in raw.items()}
        record.setdefault(row.claim.name, []).append(kept)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


# --- the page --------------------------------------------------------------------------------------------------------

_INTRODUCTION = """\
# Coverage of the published intervals

Each row is a claim that a page of the workbook makes: an interval, a set or a test. It is run in simulated worlds with
a known truth, by the same code that computes it for the pages. *Coverage* is the share of worlds (independent seeds) in
which the result contains the truth, with its own 95 % interval; under the rule *false alarm* it is the share of false
alarms. A claim passes if that share lies within *allowed*: .95 ± (.01 + 2.5 √(.0475/n)), or is not below the lower
limit under the rule *at least*. If a world has many cells, their mean counts as one. A replicate with an error or
without an interval is a miss. *Withheld* are the worlds in which the page gives a reason in place of the number: they
are left out of the coverage, and a claim with more than a tenth of them fails.

Rules: *two-sided*, neither too narrow nor too wide; *at least*, not too narrow (sets and simultaneous intervals);
*shrunken*, averaged over worlds with new random effects; *predictive*, compared with what happened afterwards; *false
alarm*, the share of worlds without an effect in which an effect was reported.
"""

_KNOWN_WRONG = """\
## Intervals known to be wrong

No page uses these. They are tested by the same rule, and each must fail in at least one part: this shows that the rule
detects wrong intervals.
"""

_RULES = {"two_sided": "two-sided", "at_least": "at least", "false_alarm": "false alarm"}


def _name(row: Row) -> str:
    return f"{row.claim.name} ({row.part})" if row.part else row.claim.name


def _band(row: Row) -> str:
    low, high = allowed(row.claim, row.n - row.withheld or 1)
    if row.claim.rule == "false_alarm":
        return f"≤ {high:.4f}"
    return f"≥ {low:.4f}" if high == 1 else f"{low:.4f}–{high:.4f}"


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3g}"


def _cells(row: Row, first: bool) -> str:
    claim = row.claim
    what = claim.what + ":" * bool(row.part) if first else "…"
    what, used = f"{what} {row.part}".strip(), claim.used if first else ""
    bias = "–" if math.isnan(row.bias) else f"{_number(row.bias)} ({_number(row.bias_error)})"
    without = f"{row.failed + row.lacking * (row.n - row.failed - row.withheld):.0f}"
    without += f", {row.withheld:,} withheld" if row.withheld else ""
    return (
        f"| {what} | {used} | {_RULES.get(claim.rule, claim.rule)} | {row.n:,}"
        f" | {row.share:.3f} ({row.share_low:.3f}–{row.share_high:.3f}) | {_band(row)} | {bias} | {_number(row.width)}"
        f" | {_number(row.alarm)} | {_number(row.power)} | {without} | {'passes' if row.passed else '**fails**'}"
        f" | {row.day}{'*' * row.changed} |"
    )


def _table(rows: Sequence[Row]) -> str:
    columns = "claim | where | rule | n | coverage | allowed | bias (s.e.) | width | false alarms | power"
    columns += " | no interval | | date"
    lines = [_cells(row, not i or rows[i - 1].claim is not row.claim) for i, row in enumerate(rows)]
    return "\n".join([f"| {columns} |", "|" + " --- |" * 13, *lines])


def page(rows: Sequence[Row], missing: Sequence[str] = ()) -> str:
    """The text of docs/calibration.md: claims, intervals known to be wrong, and the names in `missing` (never run)."""
    computing = sum({row.claim.name: row.seconds for row in rows}.values())
    problems = list(list_problems(rows))
    errors = sorted({f"- `{_name(row)}`: {text}" for row in rows for text in row.errors[:3]})
    sections = [
        _INTRODUCTION,
        f"`make calibrate` writes this page; the runs took {computing:,.0f} seconds of computing. *Date* is the day\n"
        "of the run. A * means that code which the claim uses has changed since; `make calibrate` runs it again.\n"
        "*False alarms* and *power* are the shares of intervals or tests that reported an effect where there was none\n"
        "and where there was one. *Width* is the mean width, or the mean size of a set. *No interval* is the number\n"
        "of the n replicates without an interval.\n",
        "\n".join(f"**{each}**\n" for each in problems) or "All claims pass; all wrong intervals fail.\n",
        f"Not run yet: {', '.join(missing)}.\n" if missing else "",
        "## Claims\n",
        _table([row for row in rows if not row.claim.known_wrong]) + "\n",
        _KNOWN_WRONG,
        _table([row for row in rows if row.claim.known_wrong]) + "\n",
    ]
    if errors:
        sections += ["## Replicates that failed\n", "\n".join(errors) + "\n"]
    return "\n".join(part for part in sections if part)


# --- the command -----------------------------------------------------------------------------------------------------


def _arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calibrate", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", action="append", metavar="NAME", help="only this claim; may be given several times")
    parser.add_argument("--n", type=int, metavar="N", help="seeds of each claim; no page is written")
    parser.add_argument("--quick", action="store_true", help=f"the same as --n {QUICK}")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="parallel processes")
    parser.add_argument(
        "--claims", default="benchmarks.claims", metavar="MODULE", help="module or package of the claims"
    )
    parser.add_argument("--store", type=Path, default=STORE, metavar="FOLDER", help="folder of the saved results")
    parser.add_argument("--page", type=Path, default=PAGE, metavar="FILE", help="the page to write")
    arguments = parser.parse_args(given)
    if arguments.jobs < 1 or (arguments.n is not None and arguments.n < 1):
        parser.error("--jobs and --n must be at least 1")
    return arguments


def main(given: Sequence[str] | None = None) -> int:
    """The command line; see the docstring of this file."""
    arguments = _arguments(given)
    claims = find_claims(arguments.claims)
    known = [claim.name for listed in claims.values() for claim in listed]
    if unknown := [name for name in arguments.only or [] if name not in known]:
        print(f"unknown claim {', '.join(unknown)}; choose from {', '.join(known)}", file=sys.stderr)
        return 2
    seeds = QUICK if arguments.quick else arguments.n
    file = arguments.page.with_suffix(".json")
    on_record = read_record(file, claims)
    up_to_date = set()
    if seeds is None and not arguments.only:
        up_to_date = {row.claim.name for row in on_record if not row.changed and row.n >= row.claim.n}
    wanted = set(arguments.only or known) - up_to_date
    asked = {module: [claim for claim in listed if claim.name in wanted] for module, listed in claims.items()}
    asked = {module: listed for module, listed in asked.items() if listed}
    today = dt.datetime.now(tz=dt.UTC).date().isoformat()
    replicates = run(asked, seeds, arguments.jobs, arguments.store)
    rows = [
        replace(row, day=today, code=fingerprint(claim.run))
        for listed in asked.values()
        for claim in listed
        for row in summarise(claim, replicates[claim.name])
    ]
    print(_table(rows))
    for row in rows:
        for text in row.errors[:3]:
            print(f"{_name(row)}: {row.failed} of {row.n} replicates failed: {text}")
    if seeds is None:
        tried = {row.claim.name for row in rows}
        every = [*rows, *(row for row in on_record if row.claim.name not in tried)]
        rows = sorted(every, key=lambda row: known.index(row.claim.name))
        write_record(file, rows)
        recorded = {row.claim.name for row in rows}
        arguments.page.write_text(page(rows, [name for name in known if name not in recorded]), encoding="utf-8")
        print(f"wrote {arguments.page}")
    problems = list(list_problems(rows))
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
