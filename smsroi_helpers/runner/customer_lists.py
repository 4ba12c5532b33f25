"""The lists of customers that belong to the answers of the index: whom an action is for, why, and what it is worth.

A list is a CSV file for spreadsheets with the columns customer_id, action, reason and value (money; empty where it is
not known, as the note beside the link says). Its rows come from the run's tables through the engine. Lists of texts
have nobody who is not subscribed on the last day, whom texts do not reach, whose texts a running experiment sets, or
whom the send plan leaves without texts. As a customer can be on several of them, their column follow says which list
decides about the customer's texts. The list of the most valuable, for service, has everybody, and says in its column
may_be_texted whom lists of texts may have. The send plan's own list has one row per customer; `smsroi list` writes it
for a gateway, one row per text, with the opt-outs until then.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir

from smsroi_helpers.contract import LISTS_OF_TEXTS
from smsroi_helpers.engine import connect, copy_to_csv, guard_formula
from smsroi_helpers.errors import redact
from smsroi_helpers.locale import _, joined, number
from smsroi_helpers.runner import list_words as words
from smsroi_helpers.runner.changes import by_question
from smsroi_helpers.runner.list_rows import MAKERS, Decisions, Listed, Tables, asking, count, listed

__all__ = ["CustomerList", "Lists", "links_by_page", "recommends_for_segments", "write_lists"]

_TABLES = {
    "segmentation": "customer_segments",
    "cltv": "customer_value",
    "timing": "customer_send_hour",
    "retention": "churn_warnings",
}
"""Stage → the table that its answer links where no list was written."""
_WIN_BACK = "win_back"
_RECIPIENTS = "recipients"
"""The table of the stage `send_plan` where it has no plan of texts."""
_PLAN = "send_plan"
_ALLOWED = "may_be_texted"
"""The table of whom lists of texts may have. Who is to be won back is chosen among them already."""
_SHARED = ("win_back", *LISTS_OF_TEXTS)
"""Lists that a customer can be on beside another: of texts, but the send plan's."""
_DECIDING = tuple(name for name in MAKERS if name in _SHARED and name != "segmentation")
"""Those that decide whether or when a customer is texted, the first of them before the others."""
_SERVICE = "cltv"
"""The list of customers whom the action is for whether they may be texted or not."""
_TOGETHER = {"timing", "frequency"}
"""Lists that decide together: one says when to text, the other how often."""
_UNKNOWN_OPT_OUTS = "opt_outs_unknown"


@dataclass(frozen=True)
class CustomerList:
    """A list that was written."""

    name: str
    """Of its stage; `win_back` is the second of retention."""
    file: Path
    """Readable by its owner only."""
    customers: int
    texts: int | None
    """Of the send plan's list."""
    use: str
    """Whom it is for, if not for everybody: shown beside the link, above the note; may be empty."""
    note: str
    """What it lists and what its values are."""
    follows: bool
    """Whether another list may decide about its customers' texts, or it is the send plan's."""


@dataclass(frozen=True)
class Lists:
    """The lists of a run."""

    written: Mapping[str, CustomerList]
    together: str
    """How they go together; empty where no two of them act on texts."""
    no_plan: str = ""
    """Why the send plan has no list; empty where it has one, or there is no plan."""

    def link(self, run_dir: Path, row: Mapping[str, Any], run: str) -> dict[str, Any] | None:
        """The link to the list of an answer, its use and note, and the command that writes the plan's for a gateway.

        An answer that recommends nothing has no list, but that of a test has; the send plan has one while it explores.

        Args:
            run_dir: folder of the run.
            row: of the index: stage, question, outcome; only_segments (whether it recommends something for segments
                alone).
            run: report/run.
        """
        name = next((one for one in MAKERS if asking(one, [{**row, "outcome": "do"}])), "")
        found = self.written.get(name)
        recommended = row["outcome"] == "do" or row.get("only_segments")
        mailing = (run_dir / f"tables/{_RECIPIENTS}.parquet").is_file()
        command = f"smsroi list {run} --to FOLDER" if name == _PLAN and not mailing else ""
        if found and (recommended or name in (_WIN_BACK, _PLAN)):
            return _link(found, row) | {"command": command, "shared": bool(self.together) and found.follows}
        table = f"tables/{_RECIPIENTS if name == _PLAN else _TABLES.get(name, '')}.parquet"
        nothing = {"href": "", "label": "", "use": "", "note": "", "command": "", "shared": False}
        if name == _PLAN and not mailing:
            return nothing | {"use": self.no_plan, "command": command} if self.no_plan else None
        if row["outcome"] != "do" or not (run_dir / table).is_file():
            return None
        return nothing | {"href": table, "label": _("Customer list (Parquet)")}


def links_by_page(lists: Lists, run_dir: Path, decisions: Decisions, run: str) -> dict[str, list[dict[str, Any]]]:
    """Stage → the links to the lists of its page's answers, each with its question: those of the index.

    Args:
        lists: of `write_lists`.
        run_dir: folder of the run.
        decisions: rows of the table `decisions`.
        run: report/run.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for rows in by_question([dict(row) for row in decisions]):
        main = rows[0]
        asked = {**main, "only_segments": recommends_for_segments(rows)}
        link = lists.link(run_dir, asked, run)
        if link and link["href"]:
            found.setdefault(str(main["stage"]), []).append(link | {"question": redact(str(main["question"]))})
    return found


def recommends_for_segments(rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the answer of a question, its first row, recommends nothing, but a row of a segment does."""
    return rows[0]["outcome"] != "do" and any(row["outcome"] == "do" for row in rows)


def _link(found: CustomerList, row: Mapping[str, Any]) -> dict[str, Any]:
    """The link to a written list with its length."""
    label = _("Customer list (CSV; customers: {n})")
    if found.texts is not None:
        label = _("Customer list (CSV; customers: {n}; texts: {texts})")
    elif found.name == _WIN_BACK and row["outcome"] not in ("do", "dont"):
        label = _("Customer list of the test (CSV; customers: {n})")
    shown = label.format(n=number(found.customers), texts=number(found.texts or 0))
    return {"href": f"tables/{found.file.name}", "label": shown, "use": found.use, "note": found.note}


def write_lists(run_dir: Path, decisions: Decisions, *, currency: str = "", as_of: str = "") -> Lists:
    """Write `tables/customer-list-<stage>.csv` for each stage that recommends something for single customers.

    Args:
        run_dir: folder of the run, with its tables.
        decisions: rows of the table `decisions`.
        currency: of the source.
        as_of: the last day observed (ISO).
    """
    written: dict[str, CustomerList] = {}
    with tempfile.TemporaryDirectory(prefix="smsroi-lists-") as place:
        con = connect(Path(place))
        try:
            tables = Tables(con, run_dir, decisions, currency, as_of)
            standing = _standing(tables)
            before: dict[str, ir.Table] = {}
            for name, make in MAKERS.items():
                own = asking(name, decisions)
                found = make(tables, own) if own else None
                if found is None:
                    continue
                rows, use, notes = _choose(tables, name, found, standing, before)
                if name in _DECIDING:
                    before[name] = rows.select("customer_id")
                written[name] = _write(tables, name, found, rows, use, notes)
            no_plan = "" if _PLAN in written else _why_no_plan(tables)
            several = [name for name, one in written.items() if name != _PLAN or one.texts is not None]
            winning_back = any(row["outcome"] != "dont" for row in asking(_WIN_BACK, decisions))
            together = words.together_words(several, advised=tables.advised, winning_back=winning_back)
        finally:
            con.disconnect()
    return Lists(written, together, no_plan)


def _choose(
    tables: Tables, name: str, found: Listed, standing: ir.Table | None, before: Mapping[str, ir.Table]
) -> tuple[ir.Table, str, list[str]]:
    """The rows of a list with their column follow, its use and notes; of lists of texts those who may be on one.

    Args:
        tables: of the run.
        name: of the list.
        found: its rows, of everybody whom the action is for.
        standing: of `_standing`.
        before: customer_id of each list that goes before it.
    """
    allowed, notes = tables.read(_ALLOWED), list(found.notes)
    if name == _SERVICE:
        rows, note = _with_texts(found.rows, allowed, standing, before)
        return rows, "", [note, *notes]
    if name == _PLAN and not tables.advised:
        return found.rows, notes[0], notes[1:]  # the exploring share only
    if name not in _SHARED:
        return found.rows, "", notes
    rows = found.rows
    if name in LISTS_OF_TEXTS and allowed is not None:
        rows = rows.semi_join(allowed, "customer_id")
    if standing is not None:
        rows = rows.anti_join(standing.filter(~standing.texted), "customer_id")
    follow = _follow(name, rows, standing, before, words.follow_words("this"))
    rows = rows.mutate(follow=follow)
    if found.answer is not None and (total := rows.value.sum().to_pyarrow().as_py()) is not None:
        notes.insert(1, words.sum_words(name, tables.currency, float(total), found.answer))
    use = ""
    if standing is not None and tables.advised:
        use = words.beside_words(count(rows.filter(rows.follow == words.follow_words("this"))))
    if allowed is not None or standing is not None or name == _WIN_BACK:
        notes.append(words.left_out_words(plan=standing is not None))
    return rows, use, notes


def _write(tables: Tables, name: str, found: Listed, rows: ir.Table, use: str, notes: list[str]) -> CustomerList:
    more = [one for one in ("may_be_texted", "follow") if one in rows.columns]
    columns = ("customer_id", "action", "reason", "value", *found.more, *more)
    rows = rows.mutate(customer_id=rows.customer_id.cast("string"))
    kinds = dict(rows.schema())
    texts = {one: guard_formula(rows[one]) for one in columns if kinds[one].is_string()}  # numbers stay numbers
    file = tables.run_dir / "tables" / f"customer-list-{name}.csv"
    copy_to_csv(tables.con, rows.mutate(**texts).order_by("customer_id").select(*columns), file, byte_order_mark=True)
    file.chmod(0o600)
    people = count(rows)
    if name == "timing":
        moving = rows.filter(rows.moves)
        moved, own = count(moving), count(moving.filter(moving.basis == "personal"))
        notes = [words.moves_words(moved, people - moved, own), *notes]
    return CustomerList(name, file, people, found.texts, use, joined(*notes), name == _PLAN or "follow" in more)


def _standing(tables: Tables) -> ir.Table | None:
    """customer_id, texted: whether the send plan texts each of its customers; None where there is no plan.

    Where it is not recommended, only those whom it explores with or holds out.
    """
    plan = tables.read(_PLAN)
    if plan is None or "left_out" not in plan.columns:
        return None
    kept = plan if tables.advised else plan.filter(plan.role != "plan")
    # Where no opt-outs are recorded, the plan decides all the same: its list is written by the command.
    texted = listed(kept, tables.advised) | (kept.left_out == _UNKNOWN_OPT_OUTS).fill_null(False)
    return kept.group_by("customer_id").aggregate(texted=texted.any())


def _follow(
    name: str, rows: ir.Table, standing: ir.Table | None, before: Mapping[str, ir.Table], otherwise: str
) -> ir.StringValue:
    """Which list decides about the texts of each customer of a list: the first that has the customer."""
    first = {} if standing is None else {_PLAN: standing.filter(standing.texted)}
    first |= {one: people for one, people in before.items() if not {one, name} <= _TOGETHER}
    cases = [(rows.customer_id.isin(people.customer_id), words.follow_words(one)) for one, people in first.items()]
    return ibis.cases(*cases, else_=otherwise) if cases else ibis.literal(otherwise)


def _with_texts(
    rows: ir.Table, allowed: ir.Table | None, standing: ir.Table | None, before: Mapping[str, ir.Table]
) -> tuple[ir.Table, str]:
    """Rows of whoever may be texted or not, with may_be_texted, follow, and the action for each; how many may not.

    Without the table `may_be_texted` it is not known who may, and only the note says so.
    """
    if allowed is None:
        return rows, words.service_words(None)
    may = rows.customer_id.isin(allowed.customer_id)
    if standing is not None:
        may &= ~rows.customer_id.isin(standing.filter(~standing.texted).customer_id)
    rows = rows.mutate(may=may)
    follow = _follow(_SERVICE, rows, standing, before, words.follow_words("today"))
    rows = rows.mutate(
        may_be_texted=ibis.ifelse(rows.may, _("yes"), _("no")),
        follow=ibis.ifelse(rows.may, follow, words.follow_words("none")),
    )
    return rows, words.service_words(count(rows.filter(~rows.may)))


def _why_no_plan(tables: Tables) -> str:
    """Why the send plan has no list; empty where there is no plan of texts."""
    plan = tables.read(_PLAN)
    if plan is None or tables.read(_RECIPIENTS) is not None:
        return ""
    unknown = "left_out" in plan.columns and count(plan.filter(plan.left_out == _UNKNOWN_OPT_OUTS)) > 0
    return words.no_plan_words(opt_outs_unknown=unknown)
