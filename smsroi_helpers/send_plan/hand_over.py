"""The list of a plan that goes to a gateway: who is sent what and when. Opt-outs are applied last.

A list is written as it stands when it is handed over: the source is read again, so that who has opted out since the
plan was made is not in it. The rows are judged and written by the engine; they never pass through Python.
"""

import contextlib
import datetime as dt
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import ibis
import ibis.expr.types as ir

from smsroi_helpers import measures
from smsroi_helpers.engine import EngineIOError, copy_to_csv, copy_to_json_lines, guard_formula
from smsroi_helpers.errors import DataError, StorageError, redact, shortened
from smsroi_helpers.segmentation import known_people
from smsroi_helpers.source import Shop

__all__ = [
    "HELD_OUT",
    "NO_CONSENT",
    "NO_OPT_OUTS",
    "OPTED_OUT",
    "OPT_OUTS_UNKNOWN",
    "PASSED",
    "UNDECIDED",
    "UNKNOWN",
    "HandOver",
    "LeftOut",
    "judge_plan",
    "mark_listed",
    "mark_rows",
    "write_list",
]

HELD_OUT, EXPLORE = "holdout", "explore"
PASSED = "passed"
"""The time of the text is before the hand-over."""
UNKNOWN = "unknown_customer"
"""The source knows this customer no longer, for example because the data were erased."""
OPTED_OUT = "opted_out"
NO_CONSENT = "no_consent"
OPT_OUTS_UNKNOWN = "opt_outs_unknown"
"""The source records no opt-outs: who has opted out would be texted."""
UNDECIDED = "not_decided"
"""The plan is not shown to be worth more than today's practice: only what explores is sent."""
_UNPLANNED = "no_gain"
"""The reason of a row without a text that names none."""

COLUMNS = (
    "customer_id", "send_at", "send_at_local", "timezone", "channel", "campaign_id", "variant", "reason",
    "expected_profit", "plan_id",
)  # fmt: skip
"""Of a list. `plan_id` belongs into the gateway's log: `messages.plan_id` shows later what followed the plan."""
_TEXTS = ("customer_id", "timezone", "channel", "campaign_id", "variant", "reason", "plan_id")
_NEEDED = ("plan_id", "customer_id", "role", "send_at", "channel", "reason", "expected_profit")
_ORDER = ("send_at", "customer_id", "campaign_id", "variant")
_PLAN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_INSTANT = "%Y-%m-%dT%H:%M:%SZ"
_LOCAL = "%Y-%m-%dT%H:%M:%S"
_HOUR = "%Y%m%dT%HZ"
"""Of a file's name."""

NO_OPT_OUTS = (
    "the source {source} records no opt-outs (no column opted_out_at in customers or messages), so who has opted out"
    " would be texted; add them, or use --no-suppression and apply the gateway's own list of opt-outs"
)


@dataclass(frozen=True)
class LeftOut:
    """Rows of a plan that are not in its list, for one reason."""

    reason: str
    """`holdout`, `passed`, `unknown_customer`, `opted_out`, `no_consent`; for a row without a text, the plan's own."""
    rows: int
    customers: int


@dataclass(frozen=True)
class HandOver:
    """A list that was written."""

    plan_id: str
    now: dt.datetime
    """The instant (UTC) of the hand-over, by which times have passed and consent is judged."""
    rows: int
    """Of the plan: its texts, and its customers without a text. `texts` and the rows of `left_out` add up to it."""
    texts: int
    """Rows of the list."""
    customers: int
    """Customers in the list."""
    left_out: tuple[LeftOut, ...]
    """By reason, most rows first."""
    opted_out: int | None
    """Customers of the source whose opt-out is in force; None where it records no opt-outs, so none were applied."""
    files: tuple[Path, ...]
    """In the order of the hours."""
    removed: int = 0
    """Files of an earlier list of the same plan in the folder that this one does not have."""


def write_list(
    shop: Shop,
    plan: ir.Table | Path,
    folder: Path,
    *,
    now: dt.datetime | None = None,
    raw: bool = False,
    by_hour: bool = False,
    json_lines: bool = False,
    allow_no_opt_outs: bool = False,
    explore_only: bool = False,
) -> HandOver:
    """Write the list of a plan for a gateway as `customer-list-<plan_id>.csv`, readable by its owner only.

    Rows are sorted by time and customer. Without `raw`, a CSV file is meant for spreadsheets: it has a byte-order mark,
    and text that a spreadsheet would run as a formula begins with an apostrophe. An earlier list of the same plan in
    the folder is replaced as a whole, so that no file of an old hour stays behind.

    Args:
        shop: the source, as it is at the hand-over. Opt-outs after its last day observed are not known.
        plan: the table `send_plan`, or its file.
        folder: where the list goes; made if it is missing.
        now: the instant of the hand-over (UTC, without a zone); None for the end of the shop's last day.
        raw: for machines: neither byte-order mark nor apostrophes.
        by_hour: one file for each hour (UTC) with a text.
        json_lines: one JSON object per line instead of CSV; always raw.
        allow_no_opt_outs: whether a source without opt-outs is accepted. Opt-outs and consent are applied in any case.
        explore_only: leave out what the plan decides, since it is not shown to be worth more than today's practice.

    Raises:
        DataError: the source records no opt-outs, the plan lacks a column or a row, or its rows have several plan_id.
        StorageError: a file cannot be written.
    """
    now = (now or shop.end).replace(microsecond=0)
    rows = _read_plan(shop, plan)
    plan_id = _plan_id(shop, rows)
    opt_outs = measures.opt_outs(shop)
    if opt_outs is None and not allow_no_opt_outs:
        raise DataError(NO_OPT_OUTS.format(source=shop.loaded.title))
    with _work_folder(folder) as work:
        file = work / "judged.parquet"
        shop.write(judge_plan(shop, rows, now, explore_only=explore_only), file)
        judged = _read(shop, file)
        counts = judged.group_by("left_out").aggregate(rows=judged.count(), customers=judged.customer_id.nunique())
        found = shop.count(counts.order_by(ibis.desc("rows"), "left_out"))
        listed = work / "listed.parquet"
        shop.write(judged.filter(judged.left_out.isnull()).select(*COLUMNS).order_by(*_ORDER), listed)
        made = _write_files(shop, _read(shop, listed), work, plan_id, raw=raw, by_hour=by_hour, json_lines=json_lines)
        files, removed = _replace(made, folder, plan_id)
    kept = found[found["left_out"].isna()]
    return HandOver(
        plan_id, now, int(found["rows"].sum()), int(kept["rows"].sum()), int(kept["customers"].sum()),
        tuple(
            LeftOut(str(row.left_out), int(row.rows), int(row.customers))
            for row in found[found["left_out"].notna()].itertuples()
        ),
        None if opt_outs is None else _count_opted_out(shop, opt_outs, now), files, removed,
    )  # fmt: skip


# --- which rows ------------------------------------------------------------------------------------------------------


def _read_plan(shop: Shop, plan: ir.Table | Path) -> ir.Table:
    rows = shop.con.read_parquet(plan) if isinstance(plan, Path) else plan
    if missing := [name for name in _NEEDED if name not in rows.columns]:
        raise DataError(f"table send_plan: no column {', '.join(missing)}; run the notebook send_plan again")
    return rows


def _plan_id(shop: Shop, rows: ir.Table) -> str:
    """The one plan of the table, whose name becomes that of files."""
    names = list(shop.count(rows.select(name=rows.plan_id.cast("string")).distinct().order_by("name").limit(2))["name"])
    if len(names) != 1:
        many = "rows of several plans" if names else "no rows"
        raise DataError(f"table send_plan of {shop.loaded.title}: {many}; a list is made of one plan")
    if not isinstance(names[0], str) or not _PLAN_ID.fullmatch(names[0]):
        shown = redact(shortened(str(names[0])))
        raise DataError(f"table send_plan: plan_id {shown!r} cannot be the name of a file; use a-z, 0-9, _ and -")
    return names[0]


def judge_plan(shop: Shop, plan: ir.Table, now: dt.datetime, *, explore_only: bool = False) -> ir.Table:
    """The columns of a list for every row of a plan, with the reason why it is left out; null where it is in it.

    Args:
        shop: the source.
        plan: the table `send_plan`.
        now: the instant (UTC) of the hand-over.
        explore_only: as of `write_list`.

    Returns:
        the columns `COLUMNS` of the list, of which send_at is a timestamp (UTC) and send_at_local one without a zone;
        left_out.
    """
    texts = {name: plan[name].cast("string") if name in plan.columns else ibis.null("string") for name in _TEXTS[2:]}
    rows = plan.select(
        "role", customer_id=plan.customer_id.cast("string"), send_at=plan.send_at.cast("timestamp"),
        expected_profit=plan.expected_profit.cast("float64"), **texts,
    )  # fmt: skip
    return mark_rows(shop, rows, now, explore_only=explore_only).select(*COLUMNS, "left_out")


def mark_rows(shop: Shop, rows: ir.Table, now: dt.datetime, *, explore_only: bool = False) -> ir.Table:
    """Rows of a plan with their local time, and the reason why they are left out of its list.

    The first reason counts: held out, no text planned, not decided, time passed, not known any more, opted out, no
    consent. Consent must be in force at `now`, and by everything that the source records: an opt-out with a later time
    counts too.

    Args:
        shop: the source.
        rows: customer_id, role, reason, send_at (a timestamp in UTC, null where there is no text), and others.
        now: the instant (UTC) of the hand-over.
        explore_only: as of `write_list`.

    Returns:
        the same columns; timezone, send_at_local (a timestamp without a zone), left_out (null where the row is listed).
    """
    names = rows.columns
    rows = measures.with_zone(shop, rows)
    rows = rows.mutate(send_at_local=measures.local_time(shop, rows.send_at, rows.timezone))
    people = rows.select("customer_id").distinct()
    held_out = rows.filter(rows.role == HELD_OUT).select("customer_id").distinct()
    consenting = measures.subscribed(shop, ibis.literal(now), people)
    consenting = measures.subscribed(shop, ibis.literal(max(now, shop.end)), consenting)
    marks = {"held_out": held_out, "known": known_people(shop), "consents": consenting}
    opt_outs = measures.opt_outs(shop)
    if opt_outs is not None:
        marks["left"] = opt_outs.select("customer_id").distinct()
    for name, who in marks.items():
        who = who.select(**{f"is_{name}": "customer_id"})
        rows = rows.left_join(who, rows.customer_id == who[f"is_{name}"])
    withdrawn = ibis.literal(False) if opt_outs is None else rows.is_left.notnull()
    reason = ibis.cases(
        (rows.is_held_out.notnull(), HELD_OUT),
        (rows.send_at.isnull(), rows.reason.fill_null(_UNPLANNED)),
        (ibis.literal(explore_only) & (rows.role != EXPLORE), UNDECIDED),
        (rows.send_at < ibis.literal(now), PASSED),
        (rows.is_known.isnull(), UNKNOWN),
        (rows.is_consents.isnull() & withdrawn, OPTED_OUT),
        (rows.is_consents.isnull(), NO_CONSENT),
        else_=ibis.null("string"),
    )
    return rows.select(*names, "timezone", "send_at_local", left_out=reason)


def mark_listed(shop: Shop, rows: ir.Table) -> ir.Table:
    """`mark_rows` at the end of the last day observed, for the list of the run's own page.

    Where the source records no opt-outs, no row is listed, as `write_list` refuses to write one.

    Args:
        shop: the source.
        rows: as of `mark_rows`.
    """
    rows = mark_rows(shop, rows, shop.end)
    if measures.opt_outs(shop) is not None:
        return rows
    return rows.mutate(left_out=rows.left_out.fill_null(OPT_OUTS_UNKNOWN))


def _count_opted_out(shop: Shop, opt_outs: ir.Table, now: dt.datetime) -> int:
    """Customers with an opt-out who may not be texted now."""
    people = opt_outs.select("customer_id").distinct()
    gone = people.anti_join(measures.subscribed(shop, ibis.literal(max(now, shop.end)), people), "customer_id")
    return int(shop.count(gone.aggregate(n=gone.count()))["n"].iloc[0])


# --- files -----------------------------------------------------------------------------------------------------------


def _write_files(
    shop: Shop, listed: ir.Table, work: Path, plan_id: str, *, raw: bool, by_hour: bool, json_lines: bool
) -> list[Path]:
    hours: list[dt.datetime | None] = [None]
    if by_hour:
        found = shop.count(listed.select(hour=listed.send_at.truncate("h")).distinct().order_by("hour"))
        hours = [hour.to_pydatetime() for hour in found["hour"]]
    files = []
    for hour in hours:
        rows, suffix = listed, ""
        if hour is not None:  # a range of sorted times: other parts of the file are not read
            ends = ibis.literal(hour), ibis.literal(hour + dt.timedelta(hours=1))
            rows, suffix = listed.filter(listed.send_at >= ends[0], listed.send_at < ends[1]), f"-{hour:{_HOUR}}"
        rows = rows.order_by(*_ORDER).mutate(
            send_at=rows.send_at.strftime(_INSTANT), send_at_local=rows.send_at_local.strftime(_LOCAL),
            expected_profit=rows.expected_profit.round(4),
        )  # fmt: skip
        file = work / f"customer-list-{plan_id}{suffix}.{'jsonl' if json_lines else 'csv'}"
        if json_lines:
            copy_to_json_lines(shop.con, rows, file)
        else:
            if not raw:
                rows = rows.mutate(**{name: guard_formula(rows[name]) for name in _TEXTS})
            copy_to_csv(shop.con, rows, file, byte_order_mark=not raw)
        file.chmod(0o600)
        files.append(file)
    return files


def _read(shop: Shop, file: Path) -> ir.Table:
    """A file of the work folder; its name in the engine is new, so that no cached result of another is used."""
    return shop.con.read_parquet(file, table_name=f"{file.stem}_{file.parent.name.rpartition('-')[2]}")


@contextlib.contextmanager
def _work_folder(folder: Path) -> Iterator[Path]:
    """A folder that only its owner can read, inside the folder of the list; it is removed in the end."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=".customer-list-", dir=folder))
        try:
            yield work
        finally:
            shutil.rmtree(work, ignore_errors=True)
    except OSError as error:
        raise StorageError(f"the list cannot be written to {folder.name}: {error.strerror or error}") from None
    except EngineIOError as error:
        raise StorageError(f"the list cannot be written to {folder.name}: {error}") from None


def _replace(made: list[Path], folder: Path, plan_id: str) -> tuple[tuple[Path, ...], int]:
    """Remove the files of an earlier list of the plan, then move the new ones into the folder.

    In between there is no list, which is better than one with customers who have opted out.
    """
    name = re.compile(rf"customer-list-{re.escape(plan_id)}(-\d{{8}}T\d{{2}}Z)?\.(csv|jsonl)")
    new = {file.name for file in made}
    old = [file for file in folder.iterdir() if name.fullmatch(file.name) and file.name not in new]
    for file in old:
        file.unlink()
    return tuple(file.replace(folder / file.name) for file in made), len(old)
