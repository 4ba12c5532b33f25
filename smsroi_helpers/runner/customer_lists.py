"""The lists of customers that belong to the answers of the index: whom an action is for, why, and what they are worth.

A list is a CSV file for spreadsheets with the columns customer_id, action, reason and value (money; empty where the
action has none). Its rows come from the run's tables through the engine. Lists of texts have nobody who is not
subscribed on the last day, or whom a running experiment leaves without texts. The send plan's list is written by
`smsroi list`, because opt-outs are applied when it is handed over.
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir

from smsroi_helpers.contract import LISTS_OF_TEXTS
from smsroi_helpers.engine import connect, copy_to_csv, guard_formula
from smsroi_helpers.locale import _, number
from smsroi_helpers.pages import segment_name

__all__ = ["find_list", "write_lists"]

_TABLES = {
    "send_plan": "send_plan",
    "segmentation": "customer_segments",
    "cltv": "customer_value",
    "timing": "customer_send_hour",
    "frequency": "customer_segments",
    "retention": "churn_warnings",
    "win_back": "win_back_customers",
}
"""List, named after its stage → the table of its customers."""
_WIN_BACK = "win_back"
"""Of the list of customers to win back, which is the stage retention’s second."""
_RECIPIENTS = "recipients"
"""The table of the stage `send_plan` where it has no plan of texts. The list of a plan is written by `smsroi list`."""
_ALLOWED = "may_be_texted"
"""The table of whom lists of texts may have. Who is to be won back is chosen among them already."""
_GROUPINGS = ("rfm_group", "cluster", "lifecycle_stage", "response_group")

_EVERY_DAY = "0 1 2 3 4 5 6"

Decisions = Sequence[Mapping[str, Any]]


def write_lists(run_dir: Path, decisions: Decisions) -> list[Path]:
    """Write `tables/customer-list-<stage>.csv` for each stage that recommends something for single customers.

    Args:
        run_dir: folder of the run, with its tables.
        decisions: rows of the table `decisions`.

    Returns:
        the files, readable by their owner only.
    """
    written = []
    with tempfile.TemporaryDirectory(prefix="smsroi-lists-") as place:
        con = connect(Path(place))
        try:
            for name, make in _MAKERS.items():
                file = run_dir / "tables" / f"{_RECIPIENTS if name == 'send_plan' else _TABLES[name]}.parquet"
                own = _asking(name, decisions)
                if not own or not file.is_file():
                    continue
                table = con.read_parquet(file, table_name=name)
                allowed = run_dir / "tables" / _ALLOWED
                if name in LISTS_OF_TEXTS and allowed.is_dir():
                    kept = con.read_parquet(allowed / "*.parquet", table_name=_ALLOWED)
                    table = table.semi_join(kept, "customer_id")
                rows = make(table, own)
                if rows is None:
                    continue
                texts = {one: guard_formula(rows[one].cast("string")) for one in ("customer_id", "action", "reason")}
                rows = rows.mutate(**texts).order_by("customer_id")["customer_id", "action", "reason", "value"]
                target = _csv(run_dir, name)
                copy_to_csv(con, rows, target, byte_order_mark=True)
                target.chmod(0o600)
                written.append(target)
        finally:
            con.disconnect()
    return written


def _csv(run_dir: Path, name: str) -> Path:
    return run_dir / "tables" / f"customer-list-{name}.csv"


def _asking(name: str, decisions: Decisions) -> list[Mapping[str, Any]]:
    """The decisions that a list is for.

    Of those who are to be won back, whom not to text is a list, too, and so are the halves of a test.
    """
    if name == _WIN_BACK:
        return [row for row in decisions if row["stage"] == "retention" and row.get("question") == _win_back_question()]
    return [row for row in decisions if row["stage"] == name and row["outcome"] == "do"]


def _win_back_question() -> str:
    return _("What should we do about customers who stop buying?")


def _by_segment(table: ir.Table, decisions: Decisions) -> ir.Table | None:
    """What to do with the customers of each segment; None if the table has no such segments."""
    actions = {str(row["segment"]): str(row["action"]) for row in decisions if row["segment"] not in (None, "", "all")}
    for column in _GROUPINGS:
        if column in table.columns and actions:
            of_actions = table.filter(table[column].cast("string").isin(list(actions)))
            if int(of_actions.count().to_pyarrow().as_py()):
                segment = of_actions[column].cast("string")
                return of_actions.mutate(
                    action=segment.cases(*actions.items()),
                    reason=segment.cases(*((name, segment_name(name, column)) for name in actions)),
                    value=ibis.null("float64"),
                )
    return None


def _most_valuable(table: ir.Table, _decisions: Decisions) -> ir.Table:
    """The tenth of the customers with the highest value; of most orders to come, where spending is not modelled."""
    top = (int(table.count().to_pyarrow().as_py()) + 9) // 10
    value = ibis.ifelse(table.cltv.isnan(), ibis.null("float64"), table.cltv)
    ranked = table.order_by(ibis.desc(value.coalesce(table.expected_orders)), "customer_id")
    return ranked.limit(top).mutate(
        action=ibis.literal(_("Look after first")),
        reason=ibis.literal(_("Among the tenth of the customers with the highest expected value")),
        value=value.round(2),
    )  # fmt: skip


def _silent(table: ir.Table, _decisions: Decisions) -> ir.Table:
    """Who seems to be leaving."""
    weeks = table.silent_weeks.round(0).cast("int64").cast("string")
    return table.mutate(
        action=ibis.literal(_("Draw by chance who is texted, to test win-back")),
        reason=ibis.literal(_("Silent for {weeks} weeks")).replace("{weeks}", weeks),
        value=table.value_at_risk.round(2),
    )


def _inactive(table: ir.Table, decisions: Decisions) -> ir.Table | None:
    """Whom to text again, or to leave alone; where that is not decided, the halves of the test that decides it."""
    outcome = decisions[0]["outcome"]
    decided = outcome in ("do", "dont")
    if not decided and ("arm" not in table.columns or not int(table.arm.count().to_pyarrow().as_py())):
        return None
    weeks = table.silent_weeks.round(0).cast("int64").cast("string")
    if not decided:
        texted = table.arm == "texted"
        return table.mutate(
            action=ibis.ifelse(texted, _("Text to win back (test)"), _("Do not text (test)")),
            reason=ibis.literal(_("Drawn by chance for the win-back test; silent for {weeks} weeks")).replace(
                "{weeks}", weeks
            ),
            value=ibis.null("float64"),
        )
    words = _("Text to win back") if outcome == "do" else _("Do not text")
    return table.mutate(
        action=ibis.literal(words),
        reason=ibis.literal(_("Silent for {weeks} weeks")).replace("{weeks}", weeks),
        value=ibis.null("float64"),
    )


def _send_hours(table: ir.Table, _decisions: Decisions) -> ir.Table:
    """The hour of each customer whose texts should move to it, on the clock of the place where the customer lives."""
    known = table.filter(table.hour.notnull(), table.outcome == "do")
    reasons = {
        "personal": _("The hours at which this customer buys and clicks"),
        "segment": _("The best hours of the customer’s segment"),
        "all": _("The best hours of all customers"),
    }
    hour = known.hour.cast("int64").cast("string")
    daily = ibis.literal(_("Text at {hour}:00, local time"))
    limited = ibis.literal(_("Text at {hour}:00, local time, on the days of customer_send_hour.weekdays"))
    return known.mutate(
        action=ibis.ifelse(known.weekdays == _EVERY_DAY, daily, limited).replace("{hour}", hour),
        reason=ibis.cases(*((known.basis == basis, words) for basis, words in reasons.items()), else_=""),
        value=ibis.null("float64"),
    )


def _mailing(table: ir.Table, _decisions: Decisions) -> ir.Table:
    """Who gets which message of one mailing, where there is no plan of texts."""
    texted = table.filter(table.message)
    return texted.mutate(
        action=ibis.literal(_("Send “{arm}”")).replace("{arm}", texted.arm),
        reason=ibis.literal(_("By the rule of the page on who gets the mailing")),
        value=ibis.null("float64"),
    )


_MAKERS: dict[str, Callable[[ir.Table, Decisions], ir.Table | None]] = {
    "segmentation": _by_segment,
    "cltv": _most_valuable,
    "timing": _send_hours,
    "frequency": _by_segment,
    "retention": _silent,
    "win_back": _inactive,
    "send_plan": _mailing,
}


def find_list(run_dir: Path, row: Mapping[str, Any], run: str) -> dict[str, str] | None:
    """Return the link to the list of an answer, a note, and the command that writes the send plan's for a gateway.

    An answer that recommends nothing has no list, but that of a test has; the send plan always has one, because it
    explores where it does not recommend.

    Args:
        run_dir: folder of the run.
        row: of the index: stage, question, outcome; only_segments (whether it recommends something for segments alone).
        run: report/run.
    """
    stage = row["stage"]
    if stage == "retention" and row["question"] == _win_back_question():
        csv = _csv(run_dir, _WIN_BACK)
        tested = row["outcome"] not in ("do", "dont")
        return _link(run_dir, csv, stage, tested=tested) if csv.is_file() else None
    if stage == "frequency":
        csv = _csv(run_dir, stage)
        recommended = row["outcome"] == "do" or row.get("only_segments")
        return _link(run_dir, csv, stage) if recommended and csv.is_file() else None
    mailing = stage == "send_plan" and (run_dir / f"tables/{_RECIPIENTS}.parquet").is_file()
    table = f"tables/{_RECIPIENTS if mailing else _TABLES.get(stage, '')}.parquet"
    if not (row["outcome"] == "do" or (stage == "send_plan" and not mailing)) or not (run_dir / table).is_file():
        return None
    if stage == "retention" and row["question"] != _("Can we see early who is leaving?"):
        return None  # the table is of this answer, not of those about everybody who is inactive
    if stage == "timing" and row["question"] != _("When should a text go out?"):
        return None
    command = f"smsroi list {run} --to FOLDER" if stage == "send_plan" and not mailing else ""
    csv = _csv(run_dir, stage)
    if csv.is_file():
        return _link(run_dir, csv, stage) | {"command": command}
    return {"href": table, "label": _("Customer list (Parquet)"), "note": "", "command": command}


def _link(run_dir: Path, csv: Path, stage: str, *, tested: bool = False) -> dict[str, str]:
    """The link to a written list, with its length, and a note where customers of its answer are not on it."""
    with csv.open("rb") as file:
        rows = sum(1 for _line in file) - 1  # without the header
    words = _("Customer list of the test (CSV; customers: {n})") if tested else _("Customer list (CSV; customers: {n})")
    shorter = stage in LISTS_OF_TEXTS and (run_dir / "tables" / _ALLOWED).is_dir()
    note = _("subscribers only, without those whom a running experiment leaves without texts") if shorter else ""
    return {"href": f"tables/{csv.name}", "label": words.format(n=number(rows)), "note": note, "command": ""}
