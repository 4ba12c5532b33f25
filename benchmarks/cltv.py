"""Time of the notebook 02_cltv compared with an earlier revision, and of its parts compared with other libraries.

    .venv/bin/python -m benchmarks.cltv --only notebook          02_cltv on 20,000 customers, this revision and 5d28d3e
    .venv/bin/python -m benchmarks.cltv --only notebook --sizes 20000,200000 --against v1.0    other sizes and revision
    .venv/bin/python -m benchmarks.cltv --only notebook --sizes 1000000 --orders-only --against ''    only this one
    .venv/bin/python -m benchmarks.cltv                          also each step for a million customers, and the fit
                                                                 compared with lifetimes
    .venv/bin/python -m benchmarks.cltv --customers 100000       fewer customers in the last two
    .venv/bin/python -m benchmarks.cltv --pymc PYTHON            also pymc-marketing's MAP; PYTHON is the interpreter of
                                                                 an environment that has it (it is not in the lock)

Papermill executes the notebook twice in a separate process with its own kernel: first the source must be read and
checked, the second time it has been read. Counts and fits are kept for the other notebooks of a run; they are removed
in between, so that both times everything is counted and fitted. CPU time is that of all its processes. Both revisions
run one after the other on the same simulated company (52 weeks, seed 1, every table). The earlier revision comes from a
temporary git worktree and runs in this environment. With `--orders-only` the company is the one described next.

Customers buy according to BG/NBD (r .6, α 5 weeks, a .9, b 2.6) and spend according to Gamma–Gamma (p 6, q 4, v 48).
They have been customers for 26 to 78 weeks (uniform). All is drawn with seed 1. Orders have exact times; counted by
days they give the cells of the page. Each measurement is a separate process: wall time, CPU time (other users may load
the machine) and peak resident memory, with linear algebra on one thread. Ratios are those of one run on one machine.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from smsroi_helpers.simulation.behaviour import draw_purchases

TRUTH = {"r": 0.6, "alpha": 5.0, "a": 0.9, "b": 2.6}
MONEY = {"p": 6.0, "q": 4.0, "v": 48.0}
AS_OF = pd.Timestamp("2025-12-31")
PYMC_SIZES = (1_000, 10_000, 100_000, 1_000_000)
TIMEOUT = 900
"""Seconds after which another library is stopped."""

NOTEBOOK_TIMEOUT = 7_200
ROOT = Path(__file__).resolve().parent.parent
EARLIER_REVISION = "5d28d3e"
"""The last revision with one integral per cell and parameter."""

NOTEBOOK = """
import sys
sys.modules["rfc3987_syntax"] = None  # as the runner does: smsroi_helpers/runner/child.py
import papermill
source, run, horizon, written = sys.argv[1:]
papermill.execute_notebook(
    "notebooks/02_cltv.ipynb", written, {"data": source, "run_dir": run, "horizon_weeks": int(horizon)},
    kernel_name="python3", progress_bar=False,
)
"""

MEASURE = """
import json, resource, sys, time
steps, wall_start, cpu_start = {}, time.perf_counter(), time.process_time()
def step(name):
    global wall_start, cpu_start
    now, cpu = time.perf_counter(), time.process_time()
    steps[name] = [now - wall_start, cpu - cpu_start]
    wall_start, cpu_start = now, cpu
def report(**more):
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"steps": steps, "peak_mb": peak, **more}))
"""

WHOLE = """
from pathlib import Path
import numpy as np
from smsroi_helpers import cltv
from smsroi_helpers.source import load, open_shop
source, place = Path(sys.argv[1]), Path(sys.argv[2])
step("start")
shop = open_shop(load(source, place / ".loaded"), "2025-12-31", place / ".cache")
step("read")
cells, value_cells = cltv.count_cells(shop), cltv.count_value_cells(shop)
step("count")
purchases = cltv.fit_purchases(cells, "bg_nbd")
step("fit")
value = cltv.fit_value(value_cells)
step("fit value")
ahead = {"horizon_weeks": 52, "yearly_discount_rate": 0.1, "margin": 0.3, "rng": np.random.default_rng(1)}
forecast = cltv.forecast_value(cells, purchases, value, **ahead)
step("score")
rows = shop.write(cltv.customer_values(shop, forecast), place / "customer_value.parquet")
step("write")
report(cells=len(cells), customers=rows, log_likelihood=purchases.log_likelihood)
"""

OURS = """
import pandas as pd
from smsroi_helpers.cltv import fit_purchases
rows = pd.read_parquet(sys.argv[1])
step("start")
cells = rows.groupby(["frequency", "recency_weeks", "T_weeks"], as_index=False).agg(customers=("frequency", "size"))
step("count")
fit = fit_purchases(cells, "bg_nbd")
step("fit")
report(log_likelihood=fit.log_likelihood, parameters=fit.parameters, cells=len(cells))
"""

LIFETIMES = """
import warnings
import numpy as np, pandas as pd
from lifetimes import BetaGeoFitter
warnings.simplefilter("ignore")
rows = pd.read_parquet(sys.argv[1])
step("start")
fit = BetaGeoFitter().fit(rows["frequency"], rows["recency_weeks"], rows["T_weeks"])
step("fit")
report(parameters={name: float(value) for name, value in fit.params_.items()})
"""

PYMC = """
import logging, warnings
warnings.simplefilter("ignore"); logging.disable(logging.CRITICAL)
import pandas as pd
from pymc_marketing.clv import BetaGeoModel
rows = pd.read_csv(sys.argv[1]).rename(columns={"recency_weeks": "recency", "T_weeks": "T"})
rows = rows.assign(customer_id=range(len(rows))).astype({"frequency": float})
step("start")
model = BetaGeoModel(data=rows[["customer_id", "frequency", "recency", "T"]])
model.fit(method="map", progressbar=False)
step("fit")
found = model.fit_result if hasattr(model, "fit_result") else model.idata.posterior
found = found if hasattr(found, "data_vars") else found.to_dataset()
report(parameters={name: float(found[name].mean()) for name in ("r", "alpha", "a", "b")})
"""


def write_company(folder: Path, customers: int) -> Path:
    """Write a source with orders, and beside it `rows.parquet`: frequency, recency_weeks, T_weeks per customer."""
    rng = np.random.default_rng(1)
    rates = np.maximum(rng.gamma(TRUTH["r"], 1 / TRUTH["alpha"], customers), 1e-12)
    dropout = np.clip(rng.beta(TRUTH["a"], TRUTH["b"], customers), 1e-12, 1.0)
    T_days = rng.integers(182, 546, customers)
    first = rng.random(customers)
    customer, weeks = draw_purchases(rates, dropout, (T_days + 1 - first) / 7, rng)
    customer = np.concatenate([np.arange(customers), customer])
    day = np.concatenate([first, first[customer[customers:]] + 7 * weeks])
    scale = rng.gamma(MONEY["q"], 1 / MONEY["v"], customers)
    orders = pd.DataFrame(
        {
            "order_id": np.arange(len(customer)).astype(str),
            "customer_id": np.char.add("c", customer.astype(str)),
            "ordered_at": AS_OF
            - pd.to_timedelta(T_days[customer], "D")
            + pd.to_timedelta((day * 86_400).astype(int), "s"),
            "amount": np.round(rng.gamma(MONEY["p"], 1 / scale[customer]), 2),
        }
    )
    folder.mkdir()
    orders.to_parquet(folder / "orders.parquet", index=False)
    days = pd.DataFrame({"customer": customer, "day": np.floor(day).astype(int)}).drop_duplicates()
    each = days.groupby("customer")["day"].agg(["size", "max"])
    rows = pd.DataFrame({"frequency": each["size"] - 1, "recency_weeks": each["max"] / 7, "T_weeks": T_days / 7})
    rows.to_parquet(folder.parent / "rows.parquet", index=False)
    return folder


def measure(script: str, *arguments: Path, interpreter: str = sys.executable) -> dict[str, Any]:
    """Run a script in a separate process and return its report, or an `error` if it fails or exceeds the time limit."""
    line = [interpreter, "-c", MEASURE + script, *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # as the runner does
    try:
        done = subprocess.run(  # noqa: S603
            line, capture_output=True, text=True, timeout=TIMEOUT, check=False, env=environment
        )
    except subprocess.TimeoutExpired:
        return {"error": f"stopped after {TIMEOUT} s"}
    if done.returncode:
        return {"error": (done.stderr.strip().splitlines() or ["no error message"])[-1]}
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


# --- the notebook ----------------------------------------------------------------------------------------------------


@contextmanager
def checked_out(revision: str) -> Iterator[Path]:
    """A temporary worktree of a revision."""
    with tempfile.TemporaryDirectory() as name:
        place, git = Path(name) / "then", ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*git, "add", "--quiet", "--detach", str(place), revision], check=True)  # noqa: S603
        try:
            yield place
        finally:
            subprocess.run([*git, "remove", "--force", str(place)], check=True)  # noqa: S603


def run_notebook(code: Path, source: Path, run: Path, horizon_weeks: int) -> tuple[float, float]:
    """Wall seconds and CPU seconds of 02_cltv of the project in `code`, including its kernel.

    Raises:
        SystemExit: the notebook fails.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(code)}
    line = [sys.executable, "-c", NOTEBOOK, str(source), str(run), str(horizon_weeks), str(run) + ".ipynb"]
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(  # noqa: S603
        line, cwd=code, env=environment, capture_output=True, text=True, timeout=NOTEBOOK_TIMEOUT, check=False
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"02_cltv of {code} failed:\n{done.stderr[-3000:]}")
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return time.perf_counter() - began, cpu


def time_notebook(customers: int, against: str, horizon_weeks: int, orders_only: bool) -> None:
    """Print how long the notebook takes on a company, in this and the earlier revision."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        if orders_only:
            source = write_company(place / "source", customers)
        else:
            line = [sys.executable, "-m", "smsroi_helpers.cli", "simulate", str(place / "source")]
            line += ["--customers", str(customers), "--weeks", "52", "--seed", "1"]
            subprocess.run(line, cwd=ROOT, check=True, capture_output=True)  # noqa: S603
            source = place / "source"

        def lines(title: str, code: Path) -> float:
            run = place / title
            for state in ("source not yet read", "source already read"):
                shutil.rmtree(run / ".cache", ignore_errors=True)
                seconds, cpu = run_notebook(code, source, run, horizon_weeks)
                print(
                    f"{customers:9,} customers, {title:8} {state:19}: {seconds:7.1f} s ({cpu:6.1f} s of CPU time)",
                    flush=True,
                )
            return cpu

        now = lines("now", ROOT)
        if against:
            with checked_out(against) as code:
                then = lines(against, code)
            print(f"{customers:9,} customers: {then / now:.1f} × by CPU time, source already read", flush=True)


# --- the parts -------------------------------------------------------------------------------------------------------


def _log_likelihood(parameters: dict[str, float], rows: Path) -> float:
    """The log-likelihood by our function, which the tests compare with the library's."""
    from smsroi_helpers.cltv.likelihoods import log_likelihood

    return log_likelihood("bg_nbd", parameters, pd.read_parquet(rows).assign(customers=1))


def compare(name: str, rival: dict[str, Any], ours: dict[str, Any], rows: Path) -> str:
    """One line: seconds of the other library's fit and of ours, their ratio, and the difference of log-likelihoods."""
    if "error" in rival:
        return f"{name}: {rival['error']}"
    (theirs, theirs_cpu), (mine, mine_cpu) = rival["steps"]["fit"], ours["steps"]["fit"]
    difference = ours["log_likelihood"] - _log_likelihood(rival["parameters"], rows)
    return (
        f"{name}: fit {theirs:8.1f} s ({theirs_cpu:.1f} s of CPU time), ours {mine:.2f} s ({mine_cpu:.2f}):"
        f" {theirs / mine:6.1f} × ({theirs_cpu / mine_cpu:.1f} × by CPU time); log-likelihood ours − theirs"
        f" {difference:+.4f}"
    )


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--pymc", default="", help="interpreter of an environment with pymc-marketing")
    parser.add_argument("--only", choices=("notebook", "whole", "lifetimes", "pymc"), default="")
    parser.add_argument("--sizes", default="20000", help="customers of the notebook's companies, separated by commas")
    parser.add_argument(
        "--against", default=EARLIER_REVISION, help="an earlier revision to time the notebook of; '': none"
    )
    parser.add_argument("--horizon-weeks", type=int, default=26)
    parser.add_argument(
        "--orders-only", action="store_true", help="the notebook's companies have only the table orders"
    )
    chosen = parser.parse_args()
    if chosen.only in ("", "notebook"):
        for size in chosen.sizes.split(","):
            time_notebook(int(size), chosen.against, chosen.horizon_weeks, chosen.orders_only)
        if chosen.only:
            return
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        source, rows = write_company(place / "source", chosen.customers), place / "rows.parquet"
        if chosen.only in ("", "whole"):
            whole = measure(WHOLE, source, place / "run")
            if "error" in whole:
                print(f"whole: {whole['error']}")
            else:
                print(
                    f"whole: {whole['customers']:,} customers in {whole['cells']:,} cells, {whole['peak_mb']:,.0f} MB"
                )
                for step, (seconds, cpu) in whole["steps"].items():
                    print(f"    {step:14} {seconds:6.1f} s ({cpu:.1f} s of CPU time)")
                counted = [whole["steps"][step] for step in ("count", "fit", "fit value", "score", "write")]
                seconds, cpu = (sum(column) for column in zip(*counted, strict=True))
                print(f"    count + fit + score + write: {seconds:.1f} s ({cpu:.1f} s of CPU time)", flush=True)
        if chosen.only in ("", "lifetimes"):
            ours, theirs = measure(OURS, rows), measure(LIFETIMES, rows)
            print(compare(f"lifetimes on {chosen.customers:,} rows", theirs, ours, rows), flush=True)
        if not chosen.pymc:
            print("pymc-marketing: not measured; pass --pymc INTERPRETER")
        elif chosen.only in ("", "pymc"):
            for size in (size for size in PYMC_SIZES if size <= chosen.customers):
                few = place / f"rows-{size}.parquet"
                pd.read_parquet(rows).head(size).to_parquet(few, index=False)
                pd.read_parquet(few).to_csv(few.with_suffix(".csv"), index=False)
                theirs = measure(PYMC, few.with_suffix(".csv"), interpreter=chosen.pymc)
                print(compare(f"pymc-marketing's MAP on {size:,} rows", theirs, measure(OURS, few), few), flush=True)


if __name__ == "__main__":
    main()
