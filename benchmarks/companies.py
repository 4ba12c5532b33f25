"""Simulated companies of two shapes with one form of truth, and the stages 03–06 run on them as the notebooks do.

`own` is `smsroi_helpers.simulation`, `second` is `tests.second_world`. `make` writes a company and returns `Truths`:
arrays over its customers. `run_stage` executes those cells of a notebook that its decisions and its saved tables need,
and leaves out what is only shown, so that a benchmark calls what the notebook calls.
"""

import ast
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from smsroi_helpers.measures.quiet_hours import allowed, count_places
from smsroi_helpers.segmentation.resolution import segments
from smsroi_helpers.simulation import ground_truth as own
from smsroi_helpers.simulation.behaviour import TESTED_CREATIVES
from smsroi_helpers.simulation.write import write_company
from smsroi_helpers.source.settings import project_root, read_settings
from smsroi_helpers.source.shop import Shop
from tests import second_world

__all__ = [
    "DOSES", "WORLDS", "Made", "Scale", "Stage", "TextTruths", "Truths", "World", "find_truths", "label",
    "legal_windows", "long_run", "make", "price_texts", "read_table", "run_stage", "scale_to_customers", "write",
]  # fmt: skip

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
World = Literal["own", "second"]
WORLDS: tuple[World, ...] = ("own", "second")
Made = own.World | second_world.Truth
"""What a simulator returns of a company."""
DOSES = second_world.GRID
"""Texts a week at which values are given."""
PRACTICE_WEEKS = 4
"""Weeks at the end of the log in which the own simulator's practice is read."""


@dataclass(frozen=True)
class Truths:
    """What is true of a company's customers; money is per customer, and a week's where it is profit."""

    ids: NDArray[np.str_]
    """customer_id."""
    classes: NDArray[np.str_]
    """The latent class."""
    here: Flags
    """Whether subscribed when the log ends, and not held out: those whom advice is for."""
    receives: Flags
    """Whether texts are delivered at all."""
    windows: tuple[tuple[int, int], ...]
    """The arms of the timing test: local hours, half-open."""
    clicks: Floats
    """(customers, windows): clicks per delivered text."""
    hour_clicks: Floats
    """(customers, 24): the same by hour."""
    hours_today: Floats
    """(customers, 24): share of today's texts by hour; NaN for who got none."""
    creatives: tuple[str, ...]
    """The arms of the content tests, or every text."""
    profit: Floats
    """(customers, windows, DOSES, creatives and a mixture of all): m, of sending so every week."""
    value: Floats
    """V, likewise: the long-run value of a subscriber."""
    value_at_todays_hours: Floats
    """(customers, DOSES, creatives and a mixture of all): V of sending so at today's hours."""
    dose_value: Floats
    """(customers, DOSES): V at the hours of the test of doses, with any creative."""
    dose_today: Floats
    """(customers,): texts a week today."""
    profit_today: Floats
    value_today: Floats
    loss: Floats
    """c, weekly loss for other reasons."""
    creative_value: Floats
    """(customers, creatives): V of today's practice with every text replaced by this one."""
    creative_profit: Floats
    """m, likewise."""
    weekly_discount: float

    def value_at(self, dose: Floats) -> Floats:
        """V of each customer at any texts a week (customers,), interpolated between those of `dose_value`."""
        right = np.clip(np.searchsorted(DOSES, dose), 1, len(DOSES) - 1)
        grid, rows = np.array(DOSES), np.arange(len(dose))
        share = np.clip((dose - grid[right - 1]) / (grid[right] - grid[right - 1]), 0, 1)
        return np.asarray((1 - share) * self.dose_value[rows, right - 1] + share * self.dose_value[rows, right])

    def weekly(self, value: Floats) -> Floats:
        """V as money a week: times 1 − (1 − c) / (1 + δ)."""
        return np.asarray((value.T * (1 - (1 - self.loss) / (1 + self.weekly_discount))).T)


def make(
    world: World,
    to: Path,
    *,
    customers: int,
    seed: int,
    null: bool = False,
    text_effects: float = 1.0,
) -> Truths:
    """Write a company and return its truth.

    Args:
        world: which simulator.
        to: folder of the new source.
        customers: how many.
        seed: of the company.
        null: texts cause nothing.
        text_effects: how many times as far apart the texts are as usual.
    """
    return find_truths(write(world, to, customers=customers, seed=seed, null=null, text_effects=text_effects), to)


def write(
    world: World, to: Path, *, customers: int, seed: int, null: bool = False, text_effects: float = 1.0,
    plan: pd.DataFrame | None = None, later_weeks: int = 0,
) -> Made:  # fmt: skip
    """Write a company; arguments as of `make`, and the texts of the weeks after its log."""
    if world == "second":
        return second_world.write_company(to, customers=customers, seed=seed, null=null, text_effects=text_effects,
                                          plan=plan, later_weeks=later_weeks)  # fmt: skip
    return write_company(to, customers=customers, weeks=52, seed=seed, null=null, text_effects=text_effects, plan=plan,
                         later_weeks=later_weeks)  # fmt: skip


def find_truths(made: Made, source: Path, *, every_text: bool = False) -> Truths:
    """The truth of a company by customer.

    Args:
        made: what its simulator returned.
        source: of the company.
        every_text: whether `creatives` are all texts of the company, not only the arms of its content tests.
    """
    if isinstance(made, second_world.Truth):
        return _second(made)
    return _own(made, source, tuple(each.variant for each in own.CREATIVES) if every_text else TESTED_CREATIVES)


# --- the second simulator --------------------------------------------------------------------------------------------


def _second(truth: second_world.Truth) -> Truths:
    people, n = truth.people, len(truth.people)
    texts = second_world.CREATIVES
    windows = second_world.WINDOWS
    shape = (n, len(windows), len(DOSES), len(texts) + 1)
    profit, value = np.empty(shape), np.empty(shape)
    for w, (first, end) in enumerate(windows):
        for c in range(len(texts) + 1):
            found = truth.value(DOSES, tuple(range(first, end)), c if c < len(texts) else None)
            profit[:, w, :, c], value[:, w, :, c] = found.profit, found.long_run
    as_today = np.empty((n, len(DOSES), len(texts) + 1))
    hours_today = truth.practice_hours()
    for zone in range(len(second_world.ZONES)):
        of_zone = people.zone == zone
        for c in range(len(texts) + 1):
            hours = hours_today[np.argmax(of_zone)]
            as_today[of_zone, :, c] = truth.value(DOSES, hours, c if c < len(texts) else None).long_run[of_zone]
    today = truth.practice()
    of_text = [truth.practice(creative=c) for c in range(len(texts))]
    by_hour = np.column_stack([truth.clicks_by_window(((hour, hour + 1),))[:, 0] for hour in range(24)])
    return Truths(
        ids=truth.ids,
        classes=truth.classes,
        here=truth.subscribed & (people.joined < truth.last_day - 7),
        receives=np.ones(n, bool),
        windows=windows,
        clicks=truth.clicks_by_window(windows),
        hour_clicks=by_hour,
        hours_today=hours_today,
        creatives=texts,
        profit=profit,
        value=value,
        value_at_todays_hours=as_today,
        dose_value=truth.value(DOSES).long_run,
        dose_today=np.full(n, float(len(truth.world.slots))),
        profit_today=today.profit,
        value_today=today.long_run,
        loss=truth.loss,
        creative_value=np.column_stack([each.long_run for each in of_text]),
        creative_profit=np.column_stack([each.profit for each in of_text]),
        weekly_discount=truth.world.weekly_discount,
    )


# --- the own simulator -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scale:
    """From the truth of a latent segment to that of a customer: readiness and a reachable number differ."""

    world: own.World
    kind: NDArray[np.int64]
    shift: NDArray[np.int64]
    readiness: Floats
    reachable: Flags

    def of(self, row: NDArray[np.int64]) -> "Scale":
        """Of these customers, such as those of each text."""
        return Scale(self.world, self.kind[row], self.shift[row], self.readiness[row], self.reachable[row])

    def money(
        self, found: own.PolicyTruth, texts: Any, creative: int | None, at: tuple[Any, ...]
    ) -> tuple[Floats, Floats]:
        """Return m and h of each customer, from those of kinds × shifts × … at the places `at` of the further axes."""
        costs = self.world.costs @ np.array(own.MARKET_SHARES)
        cost = texts * (costs.mean() if creative is None else costs[creative])
        reach = (1 - self.world.bad_numbers[self.kind])[(...,) + (None,) * (found.profit_per_week.ndim - 2 - len(at))]
        place = (self.kind, self.shift, *at)
        gross = (found.profit_per_week[place] + cost) / reach
        ready = (self.readiness * self.reachable).reshape(reach.shape)
        return gross * ready - cost, found.opt_out_per_week[place] / reach * self.reachable.reshape(reach.shape)


def long_run(world: own.World, kind: NDArray[np.int64], profit: Floats, opt_out: Floats) -> Floats:
    """V of each customer (first axis) from m and h."""
    stays = (1 - world.weekly_loss[kind])[(...,) + (None,) * (profit.ndim - 1)] / (1 + world.weekly_discount)
    return np.asarray(profit / (1 - (1 - opt_out) * stays))


def read_table(source: Path, name: str) -> pd.DataFrame:
    """All parts of a table of a source."""
    if (source / name).is_dir():
        return pd.concat(
            [pd.read_parquet(file) for file in sorted((source / name).glob("*.parquet"))], ignore_index=True
        )
    return pd.read_parquet(source / f"{name}.parquet")


def scale_to_customers(world: own.World, people: pd.DataFrame) -> Scale:
    """Of the rows of `truth/customers`."""
    return Scale(
        world, people["segment"].map(own.SEGMENTS.index).to_numpy(int), people["hour_shift"].to_numpy(int),
        people["responsiveness"].to_numpy(float), ~people["bad_number"].to_numpy(bool),
    )  # fmt: skip


@dataclass(frozen=True)
class TextTruths:
    """What is true of every text of the own simulator, by customer."""

    ids: NDArray[np.str_]
    """customer_id."""
    here: Flags
    """As of `Truths`."""
    creatives: tuple[str, ...]
    texts: Floats
    """(customers,): texts of the log's last weeks."""
    clicks: Floats
    """(customers, creatives): expected clicks, had each of these texts been this one."""
    value: Floats
    """(customers, creatives): V of today's practice with every text replaced by this one."""


def price_texts(world: own.World, source: Path, weeks: int) -> TextTruths:
    """The truth of each text where the texts of the log's last weeks were sent.

    Args:
        world: of `ground_truth.read_truth`.
        source: of the company.
        weeks: of the log.
    """
    people = read_table(source, "truth/customers")
    n, scale = len(people), scale_to_customers(world, people)
    sent = _read_texts(source, people["customer_id"], weeks)
    row, dose = sent["row"].to_numpy(), np.arange(1.0, 8.0)
    kinds, shifts = np.arange(len(own.SEGMENTS)), np.arange(len(own.HOUR_SHIFTS))
    place = (scale.kind[row], scale.shift[row], sent["hour"].to_numpy(), np.minimum(sent["before"].to_numpy(), 6))
    clicks, value = (np.empty((n, len(own.CREATIVES))) for _ in range(2))
    practice = _read_texts(source, people["customer_id"], PRACTICE_WEEKS)
    for creative in range(len(own.CREATIVES)):
        rate = own.expected(
            world, kinds[:, None, None, None], hour_shift=shifts[:, None, None], hour=np.arange(24)[:, None],
            texts_per_week=dose, creative=creative,
        ).click_rate  # fmt: skip
        clicks[:, creative] = np.bincount(row, rate[place] * scale.readiness[row] * scale.reachable[row], n)
        value[:, creative] = long_run(world, scale.kind, *_price(scale, practice, creative))
    return TextTruths(
        people["customer_id"].to_numpy(str), _subscribed(source, people["customer_id"]),
        tuple(each.variant for each in own.CREATIVES), np.bincount(row, scale.reachable[row], n).astype(float), clicks,
        value,
    )  # fmt: skip


def _own(world: own.World, source: Path, names: tuple[str, ...]) -> Truths:
    people = read_table(source, "truth/customers")
    n = len(people)
    scale = scale_to_customers(world, people)
    texts = [[c.variant for c in own.CREATIVES].index(variant) for variant in names]
    sent = _read_texts(source, people["customer_id"], PRACTICE_WEEKS)
    hours = sent.pivot_table(index="row", columns="hour", values="week", aggfunc="size", fill_value=0)
    hours = hours.reindex(index=range(n), columns=range(24)).fillna(0.0).to_numpy(float)
    with np.errstate(invalid="ignore"):
        hours_today = hours / hours.sum(axis=1, keepdims=True)
    usual = np.where(np.isfinite(hours_today), hours_today, hours.sum(axis=0) / hours.sum())
    kinds, shifts = np.arange(len(own.SEGMENTS)), np.arange(len(own.HOUR_SHIFTS))
    clicks = own.expected(world, kinds[:, None, None], hour_shift=shifts[:, None], hour=np.arange(24), texts_per_week=2)
    by_hour = clicks.click_rate[scale.kind, scale.shift] * scale.readiness[:, None]
    today = _price(scale, sent, None)
    of_text = [_price(scale, sent, creative) for creative in texts]
    return Truths(
        ids=people["customer_id"].to_numpy(str),
        classes=people["segment"].to_numpy(str),
        here=_subscribed(source, people["customer_id"]),
        receives=scale.reachable,
        windows=tuple((hour, hour + 1) for hour in own.HOURS),
        clicks=by_hour[:, list(own.HOURS)],
        hour_clicks=by_hour,
        hours_today=hours_today,
        creatives=names,
        **_values(scale, [*texts, None], usual),
        dose_today=hours.sum(axis=1) / PRACTICE_WEEKS,
        profit_today=today[0],
        value_today=long_run(world, scale.kind, *today),
        loss=world.weekly_loss[scale.kind],
        creative_value=np.column_stack([long_run(world, scale.kind, *each) for each in of_text]),
        creative_profit=np.column_stack([each[0] for each in of_text]),
        weekly_discount=world.weekly_discount,
    )


def _values(scale: Scale, texts: Sequence[int | None], usual: Floats) -> dict[str, Floats]:
    """Truths of sending at a window, at the usual hours (customers × 24) and at any tested hour, by dose and text."""
    world, n, doses, tested = scale.world, len(scale.kind), np.array(DOSES), list(own.HOURS)
    profit, value = (np.empty((n, len(tested), len(doses), len(texts))) for _ in range(2))
    as_today = np.empty((n, len(doses), len(texts)))
    any_hour = np.empty((n, len(doses)))
    kinds, shifts = np.arange(len(own.SEGMENTS)), np.arange(len(own.HOUR_SHIFTS))
    for c, creative in enumerate(texts):
        found = own.expected(
            world, kinds[:, None, None, None], hour_shift=shifts[:, None, None], hour=np.arange(24)[:, None],
            texts_per_week=doses, creative=creative,
        )  # fmt: skip
        m, h = scale.money(found, doses, creative, ())
        as_today[..., c] = long_run(world, scale.kind, *(np.einsum("nhd,nh->nd", each, usual) for each in (m, h)))
        m, h = m[:, tested], h[:, tested]
        profit[..., c], value[..., c] = m, long_run(world, scale.kind, m, h)
        if creative is None:
            any_hour = long_run(world, scale.kind, m.mean(axis=1), h.mean(axis=1))
    return {"profit": profit, "value": value, "value_at_todays_hours": as_today, "dose_value": any_hour}


def _read_texts(source: Path, ids: pd.Series, weeks: int) -> pd.DataFrame:
    """The texts of the last weeks: row (of the customer), week, hour (local), before (other texts of that week).

    Today's practice is that of the last `PRACTICE_WEEKS`, which an earlier plan decided.
    """
    sent = read_table(source, "messages")
    sent = sent[sent["channel"] == "sms"]
    # Days are those of the source's time zone, as on the pages.
    end = sent["sent_at"].max().tz_convert(read_settings(source).timezone).normalize() + pd.Timedelta(days=1)
    sent = sent[sent["sent_at"] >= end - pd.Timedelta(weeks=weeks)]
    zones = read_table(source, "customers")[["customer_id", "timezone"]]
    sent = sent[["customer_id", "sent_at"]].merge(zones, on="customer_id")
    local = pd.concat([x["sent_at"].dt.tz_convert(zone).dt.tz_localize(None) for zone, x in sent.groupby("timezone")])
    sent["hour"], sent["week"] = local.dt.hour, local.dt.to_period("W-SUN").astype(str)
    sent["row"] = pd.Index(ids).get_indexer(sent["customer_id"])
    sent["before"] = sent.groupby(["row", "week"])["hour"].transform("size") - 1
    return sent[["row", "week", "hour", "before"]]


def _price(scale: Scale, sent: pd.DataFrame, creative: int | None) -> tuple[Floats, Floats]:
    """Return m and h of each customer from the texts of the practice, each priced by the truth."""
    world, n = scale.world, len(scale.kind)
    dose = np.arange(1.0, 8.0)
    kinds, shifts = np.arange(len(own.SEGMENTS)), np.arange(len(own.HOUR_SHIFTS))
    found = own.expected(
        world, kinds[:, None, None, None], hour_shift=shifts[:, None, None], hour=np.arange(24)[:, None],
        texts_per_week=dose, creative=creative,
    )  # fmt: skip
    row, before = sent["row"].to_numpy(), np.minimum(sent["before"].to_numpy(), 6)
    m, h = scale.of(row).money(found, dose[before], creative, (sent["hour"].to_numpy(), before))
    each = dose[before] * PRACTICE_WEEKS
    return np.bincount(row, m / each, n).astype(float), np.bincount(row, h / each, n).astype(float)


def _subscribed(source: Path, ids: pd.Series) -> Flags:
    """Who has consented, has not withdrawn, and is neither held out nor explored with by the plan of today."""
    people = read_table(source, "customers").set_index("customer_id").reindex(ids)
    held = read_table(source, "assignments")
    held = held[(held["experiment_id"] == "always-on") & (held["arm"] == "held_out")]["customer_id"]
    consents = people["opted_in_at"].notna() & people["opted_out_at"].isna()
    plans = read_table(source, "plans")
    aside = plans[plans["role"] != "plan"]["customer_id"]
    return np.asarray(consents.to_numpy(bool) & ~ids.isin(held).to_numpy(bool) & ~ids.isin(aside).to_numpy(bool))


# --- groups and places -----------------------------------------------------------------------------------------------


def label(shop: Shop, truths: Truths, segment_by: str) -> NDArray[np.str_]:
    """The segment of each customer when the log ends; empty for who has none."""
    found = segments(shop, segment_by, shop.as_of).to_pandas().set_index("customer_id")["segment"]
    return found.reindex(truths.ids).fillna("").to_numpy(str)


def legal_windows(shop: Shop, truths: Truths) -> tuple[Flags, Flags, NDArray[np.int64]]:
    """Windows allowed for each customer (customers × windows), hours (× 24), and the number of the customer's place."""
    places = count_places(shop).reset_index(drop=True)
    usable = np.array([allowed(str(rules).split()).any(axis=0) for rules in places["rules"]])
    people = shop.customers.select("customer_id", "timezone", "region").to_pandas().fillna("").set_index("customer_id")
    people = people.reindex(truths.ids)
    key = pd.MultiIndex.from_frame(places[["timezone", "region"]])
    place = key.get_indexer(pd.MultiIndex.from_frame(people[["timezone", "region"]]))
    hours = usable[place]
    windows = np.column_stack([hours[:, first:end].all(axis=1) for first, end in truths.windows])
    _distinct, number = np.unique(hours, axis=0, return_inverse=True)
    return windows, hours, number.ravel()


# --- the stages ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stage:
    """What a notebook leaves: its variables, its decisions, and its tables in `folder`/tables."""

    names: dict[str, Any]
    decisions: pd.DataFrame
    folder: Path

    @property
    def shop(self) -> Shop:
        """The company as the notebook opened it."""
        shop: Shop = self.names["run"].shop
        return shop


_KEPT_CALLS = ("run.decide", "run.save")


def run_stage(name: str, source: Path, folder: Path, **parameters: Any) -> Stage:
    """Execute what a notebook's decisions and tables need: no page is made, nothing is shown.

    Args:
        name: of the notebook, such as `03_timing`.
        source: folder of the source.
        folder: of the run.
        parameters: instead of the notebook's own.
    """
    notebook = json.loads((project_root() / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8"))
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    head, *rest = [ast.parse(cell) for cell in cells]
    wanted = {"data": str(source), "run_dir": str(folder), **parameters}
    given = {node.targets[0].id: ast.literal_eval(node.value) for node in head.body  # type: ignore[attr-defined]
             if isinstance(node, ast.Assign)}  # fmt: skip
    names: dict[str, Any] = given | {key: value for key, value in wanted.items() if key in given}
    body = _needed([statement for cell in rest for statement in cell.body])
    exec(compile(ast.Module(body, []), name, "exec"), names)  # noqa: S102 - our own notebook
    decisions = folder / "tables" / "decisions" / f"{name}.parquet"
    return Stage(names, pd.read_parquet(decisions), folder)


def _needed(statements: Sequence[ast.stmt]) -> list[ast.stmt]:
    """Imports, calls that decide or save, and the assignments that they depend on, in order."""
    kept: list[ast.stmt] = []
    needed: set[str] = set()
    for statement in reversed(statements):
        if isinstance(statement, ast.Assign):
            keep = bool(
                {t.id for t in ast.walk(statement) if isinstance(t, ast.Name) and isinstance(t.ctx, ast.Store)} & needed
            )
        elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            keep = ast.unparse(statement.value.func) in _KEPT_CALLS
        else:
            keep = isinstance(statement, ast.Import | ast.ImportFrom)
        if keep:
            kept.append(statement)
            needed |= {t.id for t in ast.walk(statement) if isinstance(t, ast.Name) and isinstance(t.ctx, ast.Load)}
    return kept[::-1]
