"""The index page: all answers on a common money axis, and what to know before acting."""

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from unicodedata import east_asian_width

import pandas as pd
from markupsafe import Markup
from matplotlib.ticker import MaxNLocator

from smsroi_helpers import locale
from smsroi_helpers.errors import redact
from smsroi_helpers.locale import _
from smsroi_helpers.pages import (
    FEWEST_SHOWN,
    Amount,
    amount,
    cash_words,
    evidence_words,
    money_kind_words,
    outcome_label,
    question_anchor,
    segment_name,
    sentence_case,
    stage_words,
)
from smsroi_helpers.runner.alerts import MOST_SHOWN, alert_remark, new_alerts
from smsroi_helpers.runner.changed_models import add_caveats, read_changed_models
from smsroi_helpers.runner.changes import by_question, list_changes, read_decisions
from smsroi_helpers.runner.customer_lists import Lists, recommends_for_segments
from smsroi_helpers.runner.frame import (
    RUN_NAME,
    day_words,
    framed,
    moment_words,
    simulated_words,
    template,
    title_words,
)
from smsroi_helpers.runner.glossary import link_words, long_run_meaning
from smsroi_helpers.runner.index_lead import find_lead, is_decided_test, is_recommended_plan
from smsroi_helpers.runner.index_sums import together
from smsroi_helpers.runner.months_strip import months_strip
from smsroi_helpers.runner.next_tests import list_next_tests
from smsroi_helpers.runner.track_record import read_track_record
from smsroi_helpers.runner.unbroken import keep_together

__all__ = ["index_page"]

_WORDS = "<!-- the words of the page -->"
"""Where the index has its glossary: which words are in it is known once the rest is written."""


def index_page(
    run_dir: Path,
    manifest: Mapping[str, Any],
    questions: Mapping[str, str],
    earlier_runs: Sequence[Mapping[str, Any]],
    lists: Lists,
) -> str:
    """Return the index of a run, as a complete page.

    Args:
        run_dir: folder of the run, with tables/decisions/.
        manifest: manifest of the run.
        questions: notebook → question that its page answers, for each notebook with a page.
        earlier_runs: earlier complete runs of the report, newest first.
        lists: of `customer_lists.write_lists`.
    """
    source = manifest["source"]
    currency = source.get("currency") or ""
    decisions = read_decisions(run_dir)
    pages = {manifest["notebooks"][name]["stage"]: f"{name}.html" for name in questions}
    groupings = {
        state["stage"]: str(manifest["parameters"].get(name, {}).get("segment_by") or "")
        for name, state in manifest["notebooks"].items()
    }
    rows = [_row(group, currency, pages, groupings) for group in by_question(decisions)]
    changed = read_changed_models(run_dir)
    for row in rows:
        add_caveats(row, changed)
        row["lists"] = lists.link(run_dir, row, f"{manifest.get('report', '')}/{manifest['run']}")
    of_kind = {kind: [row for row in rows if row["kind"] == kind] for kind in ("gain", "worth", "forecast")}
    tests = [row for row in rows if is_decided_test(row)]
    heading, lead = find_lead(rows, of_kind, tests)
    body = template("index.html.j2").render(
        context=_context(manifest, decisions),
        heading=heading,
        lead=lead,
        gains=_scales(of_kind["gain"], currency, _("today")),
        long_run=_long_run_words(rows),
        sums=together(of_kind["gain"]),
        together=lists.together,
        tests=_scales(tests, currency, _("control")),
        strip=months_strip(run_dir, currency),
        next_tests=list_next_tests(rows),
        record=read_track_record(run_dir, currency),
        alerts=_banner(run_dir, pages),
        # Alerts are new since the last run of an earlier day: the last run is one only if its day is earlier.
        new_since=bool(earlier_runs) and str(earlier_runs[0].get("as_of")) < str(manifest["as_of"]),
        changed=changed,
        changed_page=pages.get("effectiveness", ""),
        worths=_scales(of_kind["worth"], currency, _("no texts")),
        forecasts=_scales(of_kind["forecast"], currency, "0"),
        words_here=Markup(_WORDS),  # noqa: S704 - a constant
        facts=[row for row in rows if row["kind"] not in of_kind and row not in tests],
        warnings=_warnings(run_dir, manifest),
        changes=list_changes(run_dir, manifest, decisions, earlier_runs),
        pages=[{"href": f"{name}.html", "title": question} for name, question in questions.items()],
        earlier=[_earlier(run) for run in earlier_runs if RUN_NAME.fullmatch(str(run["run"]))],
        footer=_("Run {run}, finished {time} UTC. What it read, was asked and used is in").format(
            run=manifest["run"], time=moment_words(manifest["finished"])
        ),
    )
    text, words = link_words(body)
    body = text.replace(_WORDS, template("words.html.j2").render(words=words) if words else "")
    return framed(keep_together(body), f"{heading} · {title_words(source)}", manifest["language"])


def _long_run_words(rows: Sequence[Mapping[str, Any]]) -> str:
    """What the amounts in the long run are; empty where the index has none."""
    if not any(row["money"] == "long_run" and row["numbers"] for row in rows):
        return ""
    kind = sentence_case(money_kind_words("long_run"))
    return _("{kind}: {unit}").format(kind=kind, unit=long_run_meaning())


def _banner(run_dir: Path, pages: Mapping[str, str]) -> dict[str, Any] | None:
    """Return the new alerts for the banner; None if there are none."""
    found = new_alerts(run_dir)
    if not found:
        return None
    more = len(found) - MOST_SHOWN
    return {
        "rows": found[:MOST_SHOWN],
        "remark": alert_remark(run_dir),
        "more": _("{n} more.").format(n=locale.number(more)) if more > 0 else "",
        "page": pages.get("effectiveness", ""),
    }


def _row(
    rows: Sequence[dict[str, Any]],
    currency: str,
    pages: Mapping[str, str],
    groupings: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the values of one question for the template."""
    main = rows[0]
    outcome = main["outcome"]
    label, meaning = evidence_words(main)
    worth = amount(main, currency)
    return {
        "kind": main.get("kind"),
        "question": redact(str(main["question"])),
        "outcome": re.sub(r"[^a-z_]", "", str(outcome)),
        # What to do, and what not to change, is said by the action itself.
        "verdict": "" if outcome in ("do", "dont") else locale.sentence(outcome_label(outcome)),
        "action": locale.ended(redact(str(main["action"] or ""))),
        "text": redact(str(main.get("text") or "")),
        "caveat": redact(str(main.get("caveat") or "")),
        "next_test": redact(str(main.get("next_test") or "")),
        "label": label,
        "meaning": meaning,
        "css": re.sub(r"[^a-z_]", "", str(main.get("evidence") or "none")),
        "page": _place(pages.get(main["stage"], ""), main["question"]),
        "segments": _segments_sentence(rows, (groupings or {}).get(main["stage"], "")),
        "only_segments": recommends_for_segments(rows),
        "worth": worth,
        "without": _("No value is shown.") if outcome == "broken" else _("No amount is estimated."),
        "mark": None,
        "unit": main.get("unit") or "",
        "number_words": main.get("number_words") or "",
        "stage": main["stage"],
        "money": main.get("money") or "",
        "cash": cash_words(main, currency),
        "numbers": (main.get("value"), main.get("low"), main.get("high")) if worth.value else None,
    }


def _place(page: str, question: object) -> str:
    """Where a page answers a question; empty without a page."""
    return f"{page}#{question_anchor(str(question))}" if page else ""


def _segments_sentence(rows: Sequence[dict[str, Any]], segment_by: str) -> str:
    """What is recommended for single segments, where all customers together have no recommendation."""
    if len(rows) == 1:
        return ""
    own = [row for row in rows[1:] if row["outcome"] == "do"]
    if rows[0]["outcome"] == "do" or not own:
        return _("By segment on its page.")
    return locale.joined(
        *(
            _("For {segment}: {action}.").format(
                segment=segment_name(str(row["segment"]), segment_by),
                action=redact(str(row["action"] or "")).rstrip(".。"),
            )
            for row in own
        )
    )


_RANK = {"do": 0, "dont": 1, "not_enough_evidence": 2, "broken": 3}
_WIDTH = 400.0
_MARGIN = 14.0


def _scales(rows: Sequence[dict[str, Any]], currency: str, zero: str) -> list[dict[str, Any]]:
    """Group the rows by unit and kind of money, the most valuable first; a recommended plan before all.

    Each group has a common axis and the position of every row. Cash and long run never share one.
    """
    groups = []
    first = sorted(
        rows, key=lambda row: (not is_recommended_plan(row), row["unit"] != "money_per_week", row["money"] != "cash")
    )
    for scale_of in dict.fromkeys((row["unit"], row["money"], row["number_words"]) for row in first):
        unit, money, number_words = scale_of
        group = sorted(
            (row for row in rows if (row["unit"], row["money"], row["number_words"]) == scale_of),
            key=lambda row: (
                _RANK.get(row["outcome"], 4),
                -(row["numbers"][0] if row["numbers"] else -math.inf),
            ),
        )
        values = [x for row in group if row["numbers"] for x in row["numbers"] if x is not None and math.isfinite(x)]
        # Without numbers there is no axis, and every row gives the reason.
        ticks: list[dict[str, Any]] = []
        if values:
            low, high = min(0.0, *values), max(0.0, *values)
            pad = 0.04 * ((high - low) or 1.0)
            low, high = low - pad * (low < 0), high + pad
            scale = (_WIDTH - 2 * _MARGIN) / (high - low)
            ticks = [
                _axis_tick(step, _MARGIN + (step - low) * scale, unit, currency, zero, words=number_words)
                for step in MaxNLocator(nbins=4, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
                if low <= step <= high
            ]
            _drop_labels(ticks)
            for row in group:
                if row["numbers"]:
                    row["mark"] = _mark(row, low, scale)
        caption = {
            "money_per_week": _("a week, 95% interval"),
            "count": "",
            "orders_per_week": _("purchases a week, 95% interval"),
            "share": _("share, 95% interval"),
        }
        said = caption.get(unit, _("95% interval"))
        if number_words:
            said = _("{number}, 95% interval").format(number=number_words)
        kind = money_kind_words(money)
        groups.append({
            "rows": group, "ticks": ticks,
            "unit": _("{kind}: {unit}").format(kind=sentence_case(kind), unit=said) if kind else said,
        })  # fmt: skip
    return groups


def _axis_tick(step: float, x: float, unit: str, currency: str, zero: str, *, words: str = "") -> dict[str, Any]:
    digits = 0 if float(step).is_integer() else 2
    if abs(step) < 1e-9:
        label = zero
    elif unit == "share" and words:
        label = locale.number(step * 100, 0 if float(step * 100).is_integer() else 1)
    elif unit == "share":
        label = locale.percent(step, 0 if float(step * 100).is_integer() else 1)
    elif unit.startswith("money") and currency:
        label = locale.money(step, currency, digits)
    else:
        label = locale.number(step, digits)
    if step > 1e-9 and zero != "0":
        label = f"+{label}"
    return {"x": f"{x:.1f}", "label": label, "zero": abs(step) < 1e-9, "anchor": "middle", "at": f"{x:.1f}"}


_LETTER = 16.0
"""Size of the labels in print, the largest; a figure or a Latin letter is about 0.58 as wide as high."""


def _drop_labels(ticks: Sequence[dict[str, Any]]) -> None:
    """Leave out labels that would touch a neighbour, never that of zero; their lines stay.

    A label that would hang out of the scale begins or ends at its edge.
    """
    kept: list[tuple[float, float]] = []
    for tick in sorted(ticks, key=lambda tick: (not tick["zero"], float(tick["x"]))):
        width = _LETTER * sum(1.0 if east_asian_width(letter) in "WF" else 0.58 for letter in tick["label"])
        left, right = float(tick["x"]) - width / 2, float(tick["x"]) + width / 2
        if left < 0:
            tick |= {"anchor": "start", "at": "0"}
            left, right = 0.0, width
        elif right > _WIDTH:
            tick |= {"anchor": "end", "at": f"{_WIDTH:.0f}"}
            left, right = _WIDTH - width, _WIDTH
        if any(left < end + _LETTER / 2 and begin < right + _LETTER / 2 for begin, end in kept):
            tick["label"] = ""
        else:
            kept.append((left, right))


def _mark(row: Mapping[str, Any], origin: float, scale: float) -> dict[str, Any]:
    value, low, high = row["numbers"]

    def position(x: float) -> float:
        return _MARGIN + (x - origin) * scale

    has_interval = low is not None and high is not None and math.isfinite(low) and math.isfinite(high)
    worth: Amount = row["worth"]
    text = f"{worth.value} {worth.unit}".strip()
    if worth.interval:
        text = _("{amount}, 95% interval {interval}").format(amount=text, interval=worth.interval)
    return {
        "value": f"{position(value):.1f}",
        "low": f"{position(low):.1f}" if has_interval else "",
        "width": f"{max((high - low) * scale, 1.0):.1f}" if has_interval else "",
        "words": f"{row['question']} {text}",
    }


def _context(manifest: Mapping[str, Any], decisions: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the context line: title, simulated or real, period, customers, as-of date, share of rejected rows."""
    source = manifest["source"]
    tables = source["tables"].values()
    title = title_words(source)
    parts = [title, simulated_words(source)]
    name = next((one for one in ("orders", "messages") if source["tables"].get(one, {}).get("first")), "")
    dated = [source["tables"][name]] if name else tables
    first = min((t["first"] for t in dated if t.get("first")), default=None)
    # Rows after the last day observed are read but not used.
    last = min(max((t["last"] for t in dated if t.get("last")), default=""), str(manifest["as_of"]))
    if first and last:
        said = {
            "orders": _("orders from {first} to {last}"), "messages": _("messages from {first} to {last}"),
        }.get(name) or _("{first} to {last}")  # fmt: skip
        parts.append(said.format(first=day_words(first), last=day_words(last)))
    if "customers" in source["tables"]:
        customers = source["tables"]["customers"]["rows_out"]
    else:
        customers = max((row["customers"] for row in decisions if row.get("customers") is not None), default=None)
    if customers is not None:
        n = locale.number(customers) if customers >= FEWEST_SHOWN else f"<{FEWEST_SHOWN}"
        # The title of a simulated company has the number already.
        parts += [] if n in title else [_("{n} customers").format(n=n)]
    if last != str(manifest["as_of"]):
        parts.append(_("as of {date}").format(date=day_words(manifest["as_of"])))
    rows_in = sum(t["rows_in"] for t in tables)
    # Merged rows are in others, guests' orders are counted on the page of the data; neither is rejected.
    rejected = rows_in - sum(t["rows_out"] + t.get("rows_kept_apart", 0) for t in tables)
    if rejected:
        share = rejected / rows_in
        digits = max(0, min(4, -math.floor(math.log10(share * 100))))
        parts.append(_("{share} of rows rejected").format(share=locale.percent(share, digits)))
    else:
        parts.append(_("no rows rejected"))
    return parts


def _findings(run_dir: Path, manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the errors and warnings about the data: from the table `exclusions` if it exists, else from reading."""
    exclusions = run_dir / "tables" / "exclusions.parquet"
    found = pd.read_parquet(exclusions).to_dict("records") if exclusions.is_file() else manifest["source"]["findings"]
    rows = []
    for row in found:
        if row["severity"] in ("error", "warning"):
            place = ".".join(part for part in (str(row["table"]), str(row["column"])) if part)
            rows.append({"place": place, "rule": row["rule"], "rows": row["rows"], "remedy": row.get("remedy")})
    return rows


def _warnings(run_dir: Path, manifest: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the warnings: problems of the data, and questions that were not answered, with the reason."""
    found: list[dict[str, str]] = []
    if manifest["source"].get("simulated"):
        found.append({"head": _("The data are simulated:"), "text": _("they show how the report works, not a shop.")})
    data_page = next((f"{name}.html" for name, state in manifest["notebooks"].items() if _is_data_page(state)), "")
    for finding in _findings(run_dir, manifest):
        head = _("{n} rows of {place}:").format(n=locale.number(finding["rows"]), place=finding["place"])
        parts = [redact(locale.translated(str(x))) for x in (finding["rule"], finding["remedy"]) if x]
        text = locale.joined(*map(locale.sentence, parts))
        found.append({"head": head, "text": text, "page": data_page, "link": _("The data")})
    heads = {"skipped": _("{stage} was skipped:"), "failed": _("{stage} failed:")}
    for state in manifest["notebooks"].values():
        if state["status"] in heads:
            head = heads[state["status"]].format(stage=stage_words(state["stage"]))
            reason = redact(str(state.get("reason") or _("no reason was given")))
            found.append({"head": head, "text": locale.sentence(reason)})
    # In a published run, these are the notebooks that --only or --from left out.
    left = [stage_words(state["stage"]) for state in manifest["notebooks"].values() if state["status"] == "not_run"]
    if left:
        found.append({"head": _("Not asked for in this run:"), "text": locale.sentence(locale.listed(left))})
    return [{"page": "", "link": ""} | item for item in found]


def _is_data_page(state: Mapping[str, Any]) -> bool:
    return state["stage"] == "quality" and state["status"] in ("ok", "unchanged")


def _earlier(run: Mapping[str, Any]) -> dict[str, str]:
    return {
        "name": str(run["run"]),
        "started": moment_words(run["started"]) + " UTC",
        "words": _("as of {date}").format(date=day_words(run.get("as_of"))),
    }
