"""Render executed notebooks as self-contained pages.

A page is built in three steps: nbconvert renders the rearranged notebook with our template; an allow-list cleans the
markup; the frame adds the style sheet, one hashed script and a content-security policy. The index is rendered from the
decisions tables. Every page is checked before it is written.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from smsroi_helpers import locale
from smsroi_helpers.errors import PageError
from smsroi_helpers.locale import _
from smsroi_helpers.pages import use_names
from smsroi_helpers.runner.changed_models import find_caveats, read_changed_models
from smsroi_helpers.runner.changes import read_decisions
from smsroi_helpers.runner.customer_lists import links_by_page, write_lists
from smsroi_helpers.runner.frame import (
    RUN_NAME,
    day_words,
    framed,
    read_json,
    simulated_words,
    template,
    title_words,
    write_page,
)
from smsroi_helpers.runner.index_page import index_page
from smsroi_helpers.runner.notebook_page import notebook_page, page_question

__all__ = ["render_reports_index", "render_run"]


def render_run(
    run_dir: Path,
    manifest: dict[str, Any],
    *,
    earlier_runs: Sequence[Mapping[str, Any]] = (),
    show_code: bool = True,
) -> list[Path]:
    """Write `<NN>_<stage>.html` for each notebook that ran, and `index.html`; return the paths, index last.

    Args:
        run_dir: folder of the run, with notebooks/ and tables/decisions/.
        manifest: manifest of the run (schema 1).
        earlier_runs: earlier complete runs of the report, newest first: run, started, as_of, status.
        show_code: whether pages contain the code (folded).

    Raises:
        PageError: a page fails its checks, an output has no description, or a template is missing.
    """
    locale.use_language(manifest["language"])
    use_names(simulated=bool(manifest["source"].get("simulated")))
    written = []
    questions: dict[str, str] = {}
    for name, state in manifest["notebooks"].items():
        source = run_dir / "notebooks" / f"{name}.ipynb"
        if state["status"] not in ("ok", "unchanged"):
            continue
        if not source.is_file():
            raise PageError(f"{name}: the manifest says {state['status']}, but notebooks/{source.name} is missing")
        questions[name] = page_question(source, state["stage"])
    decisions, currency = read_decisions(run_dir), manifest["source"].get("currency") or ""
    caveats = find_caveats(decisions, read_changed_models(run_dir), currency)
    lists = write_lists(run_dir, decisions, currency=currency, as_of=manifest["as_of"])
    links = links_by_page(lists, run_dir, decisions, f"{manifest.get('report', '')}/{manifest['run']}")
    for name in questions:
        stage = manifest["notebooks"][name]["stage"]
        page = notebook_page(
            run_dir / "notebooks" / f"{name}.ipynb", manifest, show_code, questions,
            caveats.get(stage, ()), links.get(stage, ()),
        )  # fmt: skip
        written.append(write_page(run_dir / f"{name}.html", page))
    index = index_page(run_dir, manifest, questions, earlier_runs, lists)
    written.append(write_page(run_dir / "index.html", index))
    return written


def render_reports_index(reports_dir: Path) -> None:
    """Write `index.html` in the folder of reports: each report with its newest complete run.

    The page is in the current language. A report without a readable run is listed as such.

    Raises:
        PageError: the page fails its checks, or a template is missing.
    """
    reports = []
    for folder in sorted(path for path in reports_dir.iterdir() if path.is_dir() and RUN_NAME.fullmatch(path.name)):
        latest = read_json(folder / "latest.json")
        run = str(latest.get("run", ""))
        manifest = read_json(folder / run / "manifest.json") if RUN_NAME.fullmatch(run.lower()) else {}
        report = {
            "name": folder.name,
            "title": _("No finished run yet"),
            "words": "",
            "as_of": "",
            "href": "",
        }
        if manifest:
            source = manifest.get("source", {})
            report |= {
                "title": title_words(source) or folder.name,
                "words": simulated_words(source),
                "as_of": _("as of {date}").format(date=day_words(manifest.get("as_of"))),
                "href": f"{folder.name}/{run}/index.html",
            }
        reports.append(report)
    lead = (
        _("One report, with its newest run.")
        if len(reports) == 1
        else _("{n} reports, each with its newest run.").format(n=locale.number(len(reports)))
    )
    body = template("reports.html.j2").render(reports=reports, lead=lead)
    write_page(reports_dir / "index.html", framed(body, _("Reports"), locale.language()))
