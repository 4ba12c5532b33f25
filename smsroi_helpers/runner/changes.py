"""What changed since the last run: which answers differ, and whether data, parameters or code can have moved them.

Causes are found by comparing fingerprints: of the source's files, of the notebook's parameters, of code and versions.
If only one of the three differs, it moved the answer; if several do, each of them may have.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from smsroi_helpers import locale
from smsroi_helpers.errors import redact, shortened
from smsroi_helpers.locale import _
from smsroi_helpers.pages import amount, outcome_label, segment_name
from smsroi_helpers.runner.frame import RUN_NAME, day_words, read_json

__all__ = ["by_question", "cause_words", "find_causes", "list_changes", "read_decisions"]

Cause = Literal["data", "parameters", "code"]
_MOST_NAMES = 3


def read_decisions(run_dir: Path) -> list[dict[str, Any]]:
    """Return the decisions of a run, in the order of its notebooks."""
    folder = run_dir / "tables" / "decisions"
    files = sorted(folder.glob("*.parquet")) if folder.is_dir() else []
    single = run_dir / "tables" / "decisions.parquet"
    if single.is_file():
        files.append(single)
    rows = []
    for file in files:
        for record in pd.read_parquet(file).astype(object).to_dict("records"):
            rows.append({str(name): None if _missing(value) else value for name, value in record.items()})
    return rows


def by_question(decisions: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Group decisions by stage, question and kind, the row for all customers first."""
    groups: dict[tuple[Any, Any, Any], list[dict[str, Any]]] = {}
    for row in decisions:
        groups.setdefault((row["stage"], row["question"], row.get("kind")), []).append(row)
    return [sorted(rows, key=lambda row: row.get("segment") not in (None, "", "all")) for rows in groups.values()]


def _missing(value: object) -> bool:
    return value is None or value is pd.NaT or value is pd.NA or (isinstance(value, float) and math.isnan(value))


def list_changes(
    run_dir: Path,
    manifest: Mapping[str, Any],
    decisions: Sequence[Mapping[str, Any]],
    earlier_runs: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """Return how the answers differ from those of the previous run, and what may have moved each.

    Args:
        run_dir: folder of the run; the previous one lies beside it.
        manifest: of the run.
        decisions: of the run.
        earlier_runs: earlier complete runs of the report, newest first.
    """
    currency = manifest["source"].get("currency") or ""
    previous = str(earlier_runs[0]["run"]) if earlier_runs else ""
    if not previous:
        return {"rows": [], "words": _("There is no earlier run to compare with."), "others": ""}
    before = read_decisions(run_dir.parent / previous) if RUN_NAME.fullmatch(previous) else []
    if not before:
        return {"rows": [], "words": _("The last run left no decisions to compare with."), "others": ""}
    earlier = read_json(run_dir.parent / previous / "manifest.json")
    by_words = _without_topics(before) | _without_topics(decisions)
    previous_rows, current_rows = ({_key(row, by_words): row for row in rows} for rows in (before, decisions))
    # Another language or version says the same in other words.
    reworded = earlier.get("language", manifest.get("language")) != manifest.get("language")
    reworded |= _code(earlier, "package") != _code(manifest, "package")
    rows = []
    # Questions that only one of the runs asked are named, not listed: a run of one notebook leaves out the others.
    added = [key for key in current_rows if key[:2] not in {old[:2] for old in previous_rows}]
    gone = [key for key in previous_rows if key[:2] not in {now[:2] for now in current_rows}]
    for key in dict.fromkeys([*previous_rows, *current_rows]):
        if key in added or key in gone:
            continue
        was, now = previous_rows.get(key), current_rows.get(key)
        old, new = _summary(was, currency), _summary(now, currency)
        if old == new or (reworded and was and now and _facts(was) == _facts(now)):
            continue
        # If only the value has changed, the action is not repeated.
        moved = old[0] == new[0]
        asked = str((now or was or {})["question"])
        question = " · ".join(x for x in (asked, segment_name(key[2]) if key[2] else "") if x)
        rows.append(
            {
                "question": redact(question),
                "then": old[1] if moved else locale.joined(*old),
                "now": new[1] if moved else locale.joined(*new),
                "cause": cause_words(find_causes(earlier, manifest, key[0])),
            }
        )
    words = (
        (_("Not asked in the last run: {questions}"), [current_rows[key] for key in added]),
        (_("Asked in the last run, not in this one: {questions}"), [previous_rows[key] for key in gone]),
    )
    others = locale.joined(*(said.format(questions=_questions(asked)) for said, asked in words if asked))
    if not rows:
        same = _("Every answer is the same as in the last run.")
        return {"rows": [], "words": same if not others else _("No other answer differs."), "others": others}
    day = day_words(earlier_runs[0].get("as_of"))
    differing = _("Answers that differ from the last run’s, as of {date}").format(date=day)
    return {"rows": rows, "words": differing, "others": others, "causes": any(row["cause"] for row in rows)}


def _questions(rows: Sequence[Mapping[str, Any]]) -> str:
    return locale.gap().join(dict.fromkeys(redact(str(row["question"])) for row in rows))


def _without_topics(decisions: Sequence[Mapping[str, Any]]) -> set[str]:
    """The stages whose questions have no keys: of an older version, or of a notebook with questions of its own."""
    asked: dict[tuple[str, str], set[str]] = {}
    for row in decisions:
        asked.setdefault((row["stage"], str(row.get("topic") or "")), set()).add(row["question"])
    old = {row["stage"] for row in decisions if "topic" not in row}
    return old | {stage for (stage, _topic), questions in asked.items() if len(questions) > 1}


def _key(row: Mapping[str, Any], by_words: Collection[str]) -> tuple[str, str, str]:
    """Stage, question and segment; the question by its key, or by its words, which change with language and version."""
    segment = row.get("segment")
    asked = row["question"] if row["stage"] in by_words else str(row["topic"] or "")
    return row["stage"], asked, "" if segment in (None, "all") else str(segment)


def _facts(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """What a decision says in any words: numbers to six digits, since another version may round otherwise."""
    names = ("outcome", "value", "low", "high", "cash", "cash_low", "cash_high", "customers", "evidence", "status")
    found = (row.get(name) for name in names)
    return tuple(float(f"{each:.6g}") if isinstance(each, float) else each for each in found)


def _summary(row: Mapping[str, Any] | None, currency: str) -> tuple[str, str]:
    """Return the action of a decision, with the label of its outcome unless that is "do", and its value."""
    if row is None:
        return _("not answered"), ""
    worth = amount(row, currency)
    label = "" if row["outcome"] in ("do", "dont") else locale.sentence(outcome_label(row["outcome"]))
    action = redact(str(row["action"] or ""))
    return locale.joined(label, locale.sentence(action) if action else ""), worth.words


def find_causes(before: Mapping[str, Any], now: Mapping[str, Any], stage: str) -> dict[Cause, list[str]]:
    """What differs between two runs and can move a stage's answers: cause → what differs; empty if nothing is known.

    Args:
        before: manifest of the earlier run.
        now: manifest of this run.
        stage: whose parameters are compared.

    >>> before = {"inputs": {"orders.csv": "1"}, "as_of": "2026-06-01", "code": {"package": "a"}, "parameters": {}}
    >>> find_causes(before, before | {"inputs": {"orders.csv": "2"}, "as_of": "2026-06-08"}, "cltv")
    {'data': ['orders.csv', 'as_of']}
    """
    found: dict[Cause, list[str]] = {}
    if "inputs" not in before or "inputs" not in now:
        return found
    old, new = before["inputs"], now["inputs"]
    data = sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
    if before.get("as_of") != now.get("as_of"):
        data.append("as_of")
    if data:
        found["data"] = data
    was, is_now = (_parameters(manifest, stage) for manifest in (before, now))
    if moved := sorted(name for name in {*was, *is_now} if was.get(name) != is_now.get(name)):
        found["parameters"] = [f"{name}: {was.get(name)} → {is_now.get(name)}" for name in moved]
    code = [name for name in ("package", "lock") if _code(before, name) != _code(now, name)]
    if before.get("versions") != now.get("versions"):
        code.append("versions")
    if code:
        found["code"] = code
    return found


def _parameters(manifest: Mapping[str, Any], stage: str) -> dict[str, Any]:
    """The parameters of a stage's notebook, without those that differ between any two runs, and the last day."""
    for name, values in manifest.get("parameters", {}).items():
        if name.partition("_")[2] == stage:
            return {key: value for key, value in values.items() if key not in ("run_dir", "previous_run", "as_of")}
    return {}


def _code(manifest: Mapping[str, Any], name: str) -> Any:
    return manifest.get("code", {}).get(name)


def cause_words(causes: Mapping[Cause, Sequence[str]]) -> str:
    """The causes in a sentence: the only one moved the answer, of several each may have."""
    if not causes:
        return ""
    words = {
        "data": _("the data ({names})"), "parameters": _("parameters ({names})"), "code": _("the code ({names})"),
    }  # fmt: skip
    of_code = {
        "package": _("this workbook’s"),
        "lock": _("its list of libraries"),
        "versions": _("installed libraries"),
    }
    parts = []
    for cause, names in causes.items():
        shown = [of_code.get(name) or redact(shortened(name)) for name in names[:_MOST_NAMES]]
        parts.append(words[cause].format(names=_(", ").join([*shown, *(["…"] if len(names) > _MOST_NAMES else [])])))
    return parts[0] if len(parts) == 1 else _("one or more of: {causes}").format(causes=locale.listed(parts))
