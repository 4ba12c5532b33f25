"""Write a simulated company: every table of the contract, drawn from a `World`, and `truth.json`.

Customers are drawn in chunks, each with its own seed, and written as parquet parts. Memory does not grow with their
number, and the same seed gives the same bytes. Messages of competitors have no effect.
"""

import dataclasses
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from smsroi_helpers.errors import StorageError, UsageError
from smsroi_helpers.simulation.behaviour import CLOCK, DAY, ZONES, Company, plan_company
from smsroi_helpers.simulation.chunk import REGIONS, write_chunk
from smsroi_helpers.simulation.ground_truth import CREATIVES, MARKETS, SEGMENTS, World, draw_world, write_truth
from smsroi_helpers.simulation.later import MOST_WEEKS, Planned
from smsroi_helpers.simulation.messages import list_campaigns
from smsroi_helpers.simulation.texting import Columns

__all__ = [
    "CHUNK",
    "FEWEST_WEEKS",
    "write_company",
]

CHUNK = 50_000
"""Number of customers in a chunk."""
FEWEST_WEEKS = 26
"""Shortest log that has room for the experiments."""


def _write_once(company: Company, to: Path) -> None:
    """Write the tables that do not have a row per customer."""
    rng = np.random.default_rng([company.world.seed, 4])
    campaigns = pd.DataFrame(list_campaigns(company))
    campaigns["started_at"] = pd.to_datetime(campaigns["started_at"], utc=True)
    texts = [
        (row["campaign_id"], c.variant, c.texts[MARKETS.index(row["campaign_id"][-2:])], c.content_type)
        for row in list_campaigns(company)
        if row["campaign_id"].startswith("sms")
        for c in CREATIVES
    ]
    earliest = np.array(ZONES.index("Asia/Shanghai"))

    def moment(day: int) -> pd.Timestamp | None:
        seconds = int(company.instant(earliest, np.array(day), 0))
        return pd.Timestamp(seconds, unit="s", tz="UTC") if day < company.days else None

    experiments = pd.DataFrame(
        [
            {
                "experiment_id": e.name, "kind": e.kind, "control_arm": e.control, "started_at": moment(e.first_day),
                "ended_at": moment(e.end_day), "outcome_until": moment(e.end_day + 7 * e.outcome_weeks),
                "primary_metric": e.metric,
            }
            for e in company.experiments.values()
        ]
    )  # fmt: skip
    arms = pd.DataFrame(
        [
            {
                "experiment_id": e.name, "arm": arm.name, "share": arm.share,
                "messages_per_week": arm.messages_per_week, "hour_start": arm.hour,
                "hour_end": None if arm.hour is None else arm.hour + 1, "variant": arm.variant,
            }
            for e in company.experiments.values()
            for arm in e.arms
        ]
    ).astype({"hour_start": "Int64", "hour_end": "Int64", "messages_per_week": "Float64"})  # fmt: skip
    days = np.flatnonzero(rng.random(company.days) < 0.35)
    hours = rng.choice([15, 16, 23], len(days))
    rivals = pd.DataFrame(
        {
            "competitor": rng.choice(["Southwind", "Estuary"], len(days)),
            "sent_at": pd.to_datetime(company.midnight + days * DAY + hours * 3600, unit="s", utc=True),
            "region": rng.choice(REGIONS, len(days)),
            "text": "Up to 30% off this week only!",
        }
    )  # fmt: skip
    months = pd.date_range(company.first_day, periods=company.weeks // 4, freq="28D", tz="UTC")
    aware = 0.32 + np.cumsum(rng.normal(0, 0.01, len(months)))
    metrics = pd.DataFrame({"metric": "brand_awareness", "at": months, "value": aware.round(3),
                            "low": (aware - 0.03).round(3), "high": (aware + 0.03).round(3),
                            "source": "yearly panel, 1,000 people"})  # fmt: skip
    creatives = pd.DataFrame(texts, columns=["campaign_id", "variant", "text", "content_type"])
    for name, frame in {
        "campaigns": campaigns, "creatives": creatives, "experiments": experiments, "arms": arms,
        "competitor_messages": rivals, "external_metrics": metrics,
    }.items():  # fmt: skip
        parquet.write_table(pa.Table.from_pandas(frame, preserve_index=False), to / f"{name}.parquet",
                            store_schema=False)  # fmt: skip


def _practice_frame(company: Company, counted: Columns) -> pd.DataFrame:
    """Return today's practice by segment, per subscriber and week: messages, profit, opt-outs; and long-run value."""
    frame = pd.DataFrame({"segment": SEGMENTS, "customer_weeks": counted["customer_weeks"]})
    for name, column in (("messages", "dose"), ("profit", "profit_per_week"), ("opt_outs", "opt_out_per_week")):
        frame[column] = counted[name] / counted["customer_weeks"]
    world = company.world
    stays = (1 - frame["opt_out_per_week"]) * (1 - world.weekly_loss) / (1 + world.weekly_discount)
    return frame.assign(long_run_profit=frame["profit_per_week"] / (1 - stays))


def _read_plan(plan: pd.DataFrame, customers: int) -> tuple[Columns, list[str]]:
    """The texts of a plan as numbers: customer, sent_at, variant, plan; and the ids of its plans, sorted."""
    names = [c.variant for c in CREATIVES]
    sent = plan[plan["send_at"].notna()]
    number = pd.to_numeric(sent["customer_id"].str.removeprefix("c"), errors="coerce").fillna(-1).to_numpy(np.int64)
    variant = pd.Index(names).get_indexer(sent["variant"].fillna(names[0]))
    if len(sent) and (number.min() < 0 or number.max() >= customers or variant.min() < 0):
        raise UsageError("the plan has customers or variants that the company has not")
    plan_ids, of_text = np.unique(sent["plan_id"].to_numpy(str), return_inverse=True)
    at = sent["send_at"].dt.tz_convert("UTC").dt.tz_localize(None).astype("datetime64[s]").astype(np.int64)
    columns = {"customer": number, "sent_at": at.to_numpy(), "variant": np.where(sent["variant"].isna(), -1, variant),
               "plan": of_text}  # fmt: skip
    return columns, plan_ids.tolist()


def _texts_of(plan: tuple[Columns, list[str]], first: int, n: int) -> Planned:
    """The texts of the customers of one chunk."""
    columns, plan_ids = plan
    own = (columns["customer"] >= first) & (columns["customer"] < first + n)
    texts = {name: column[own] for name, column in columns.items()}
    return Planned(texts | {"customer": texts["customer"] - first}, plan_ids)


def write_company(
    to: Path, *, customers: int, weeks: int, seed: int, null: bool = False, text_effects: float = 1.0,
    plan: pd.DataFrame | None = None, later_weeks: int = 0,
) -> World:  # fmt: skip
    """Write a simulated company into the folder `to`, completely or not at all.

    Args:
        to: folder of the new source.
        customers: number of customers, ≥ 100.
        weeks: length of the log, ≥ `FEWEST_WEEKS`; it ends on `behaviour.LAST_DAY`.
        seed: seed of the effects and of all events; the same seed gives the same bytes.
        null: messages have no effect and no cost.
        text_effects: how many times as far apart the texts are, in responses and in opt-outs, as `draw_world` drew.
        plan: the texts of the later weeks: plan_id, customer_id, send_at (UTC; null: none), variant (null: one of the
            week's campaign). They are sent to whoever is still subscribed, and nobody gets any other text.
        later_weeks: how many weeks follow the log, 0–`later.MOST_WEEKS`. The log is the same with and without them.

    Returns:
        The truth, which is also in `truth.json`, with today's practice. `truth/` has the segment of each customer and
        the origin of each order. No notebook reads either.

    Raises:
        UsageError: the folder exists, there are too few customers or weeks, or the plan does not fit the later weeks.
        StorageError: a file cannot be written.
    """
    if customers < 100 or weeks < FEWEST_WEEKS:
        raise UsageError(f"a simulated company needs at least 100 customers and {FEWEST_WEEKS} weeks")
    if not 0 <= later_weeks <= MOST_WEEKS or (plan is None and later_weeks):
        raise UsageError(f"later weeks need a plan, and there are at most {MOST_WEEKS}")
    if to.exists():
        raise UsageError(f"the folder {to.name} already exists; delete it first to create it again")
    world = draw_world(seed, null)
    world = dataclasses.replace(
        world, creative=text_effects * world.creative, creative_opt_out=text_effects * world.creative_opt_out
    )
    company = plan_company(world, weeks, later_weeks)
    planned = None if plan is None else _read_plan(plan, customers)
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{to.name}-", dir=to.parent))
        try:
            (partial / "truth").mkdir()
            counted: Columns = {}
            for part, first in enumerate(range(0, customers, CHUNK)):
                n = min(CHUNK, customers - first)
                texts = None if planned is None else _texts_of(planned, first, n)
                practice = write_chunk(company, partial, part, first, n, texts)
                counted = {name: counted.get(name, 0.0) + values for name, values in practice.items()}
            _write_once(company, partial)
            made = {"customers": customers, "weeks": weeks, "seed": seed, "null": null}
            made |= {"later_weeks": later_weeks} if later_weeks else {}
            write_truth(company.world, _practice_frame(company, counted), made, partial / "truth.json")
            (partial / "source.yml").write_text(_source_yml(company, customers), encoding="utf-8")
            partial.chmod(0o755)
            partial.rename(to)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        raise StorageError(f"the company cannot be written: {error.strerror or error}") from None
    return company.world


def _source_yml(company: Company, customers: int) -> str:
    kind = ", where messages cause nothing" if company.world.null else ""
    return (
        "# Made by `smsroi simulate`; truth.json says what is true of it, and no notebook reads that.\n"
        f"title: Northwind, a simulated company of {customers:,} customers{kind}\n"
        f"simulated: true\ncurrency: USD\ntimezone: {CLOCK}\nmargin: {company.world.margin}\njurisdiction: US\n"
    )
