"""Pages from notebooks: the order of a page, what never reaches it, and what a page is refused for."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import nbformat
import pandas as pd
import pytest

from smsroi_helpers import locale, pages
from smsroi_helpers.errors import PageError
from smsroi_helpers.runner import frame, render

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(autouse=True)
def _english() -> Iterator[None]:
    locale.use_language("en")
    yield
    locale.use_language("en")


def _shown(html: pages.Html) -> nbformat.NotebookNode:
    data, metadata = html._repr_mimebundle_()
    return nbformat.v4.new_output("execute_result", data, metadata=metadata, execution_count=1)


def _code(source: str, *outputs: nbformat.NotebookNode, tags: tuple[str, ...] = ()) -> nbformat.NotebookNode:
    return nbformat.v4.new_code_cell(source, outputs=list(outputs), execution_count=1, metadata={"tags": list(tags)})


_text = nbformat.v4.new_markdown_cell
_FINISHED = nbformat.v4.new_output(
    "display_data", {"application/vnd.smsroi.finished+json": {"stage": "timing"}, "text/plain": "the end mark"}
)


def _cells() -> list[nbformat.NotebookNode]:
    return [
        _text("# When should a message go out?\n\n*For whoever schedules the sends.*"),
        _code('data = "data/demo"  # source folder\nseed = 1  # of every random draw', tags=("parameters",)),
        _code('run_dir = "/home/ann/reports/.staging-x"', tags=("injected-parameters",)),
        _code("run = begin()"),
        _text("## Data and exclusions\n\nEvery row."),
        _text("## Method and assumptions\n\n1. One.\n\n```python\n## no heading\n```"),
        _text("## Result\n\nThe curve."),
        _code("curve()", _shown(pages.note("the result"))),
        _text("## My own thoughts\n\nAn analyst's section."),
        _text("## Checks\n\nThe checks."),
        _text("## Decision\n\nWhy so."),
        _code("run.decide()", _shown(pages.note("the answer"))),
        _text("## What would change this decision\n\nMore data.\n\n## What this does not show\n\nThe rest."),
        _code("run.finish()", _FINISHED),
    ]


def _decision(**given: Any) -> dict[str, Any]:
    row = {"stage": "timing", "question": "When?", "segment": "all", "outcome": "do", "action": "At lunch"}
    row["value"] = 3104.0
    row |= {"low": 2210.0, "high": 3998.0, "unit": "money_per_week", "evidence": "randomised", "customers": 4012}
    return row | {"text": "", "kind": "gain", "caveat": ""} | given


def _manifest(**given: Any) -> dict[str, Any]:
    table = {"rows_in": 1000, "rows_out": 995, "first": "2024-06-30", "last": "2025-06-28"}
    source = {
        "title": "Tea & Teapots",
        "simulated": False,
        "currency": "USD",
        "tables": {"orders": table},
        "findings": [],
    }
    manifest = {"run": "20250629-021200-1a2b3c", "language": "en", "as_of": "2025-06-28", "parameters": {}}
    manifest |= {"started": "2025-06-29T02:12:00Z", "finished": "2025-06-29T02:14:30Z", "source": source}
    manifest["notebooks"] = {"03_timing": {"stage": "timing", "status": "ok", "reason": ""}}
    return manifest | given


def _run(
    folder: Path,
    *,
    cells: list[nbformat.NotebookNode] | None = None,
    decisions: list[dict[str, Any]] | None = None,
    manifest: dict[str, Any] | None = None,
    **options: Any,
) -> dict[str, str]:
    """Render a run; file name → page."""
    (folder / "notebooks").mkdir(parents=True, exist_ok=True)
    notebook = nbformat.v4.new_notebook(cells=_cells() if cells is None else cells)
    nbformat.write(notebook, folder / "notebooks" / "03_timing.ipynb")
    _decide(folder, [_decision()] if decisions is None else decisions)
    written = render.render_run(folder, manifest or _manifest(), **options)
    return {path.name: path.read_text(encoding="utf-8") for path in written}


def _decide(folder: Path, decisions: list[dict[str, Any]]) -> None:
    if decisions:
        (folder / "tables" / "decisions").mkdir(parents=True, exist_ok=True)
        pd.DataFrame(decisions).to_parquet(folder / "tables" / "decisions" / "03_timing.parquet")


def _words(page: str) -> str:
    """What a page says, without its head; a term with a link to its definition stands as if it had none."""
    body = re.sub(r'<(a|span) class="(?:word|together)"[^>]*>(.*?)</\1>', r"\2", page[page.index("<body>") :])
    return " ".join(re.sub(r"<script>.*?</script>|<[^>]+>", " ", body, flags=re.DOTALL).split())


# A notebook's page


def test_page_in_place_of_another_says_why(tmp_path: Path) -> None:
    manifest = _manifest(notebooks={"03_timing": {"stage": "timing", "status": "ok", "reason": "no <b>test</b>"}})
    page = _words(_run(tmp_path / "a", manifest=manifest)["03_timing.html"])
    assert "too few data: No &lt;b&gt;test&lt;/b&gt;." in page
    assert "in place of" not in _words(_run(tmp_path / "b")["03_timing.html"])


def test_page_shows_the_drawing_of_a_figure_and_not_the_picture_for_jupyterlab(tmp_path: Path) -> None:
    _, ax = plt.subplots()
    ax.plot([1, 2])
    cells = _cells()
    cells[7] = _code("curve()", _shown(pages.figure(ax, alt="a curve", caption="The curve.")))
    page = _run(tmp_path, cells=cells)["03_timing.html"]
    assert '<figure class="chart' in page
    assert "<path" in page
    assert "image/png" not in page


def test_page_opens_with_question_and_answer_and_folds_method(tmp_path: Path) -> None:
    page = _run(tmp_path)["03_timing.html"]
    body = page[page.index("<body>") :]
    order = [
        "When should a message go out?</h1>",
        "For whoever",
        "the answer",
        "Why so",
        "On this page",
        ">Result</h2>",
    ]
    order += ["the result", ">My own thoughts</h2>", ">Checks</h2>", ">What would change this decision</h2>"]
    order += [">What this does not show</h2>", ">Data and exclusions</h2>", ">Method and assumptions</h2>"]
    order += [">Parameters and set-up</h2>", "begin"]
    places = [body.index(said) for said in order]
    assert places == sorted(places)
    for heading in ("Data and exclusions", "Method and assumptions", "Parameters and set-up"):
        assert f'<details class="section"><summary><h2>{heading}</h2></summary>' in page
    assert ">Decision</h2>" not in page
    assert page.count("<h1") == 1


def test_contents_lead_to_sections_that_are_there(tmp_path: Path) -> None:
    page = _run(tmp_path)["03_timing.html"]
    targets = re.findall(r'<li><a href="#([^"]+)"', page)
    assert len(targets) == 8
    assert set(targets) <= set(re.findall(r' id="([^"]+)"', page))


def test_injected_parameters_paths_and_end_mark_stay_off_the_page(tmp_path: Path) -> None:
    manifest = _manifest(
        parameters={"03_timing": {"data": "/home/ann/private", "run_dir": "/home/ann/r", "seed": 7, "hours": [8, 9]}}
    )
    page = _run(tmp_path, manifest=manifest)["03_timing.html"]
    for hidden in ("/home/ann", ".staging", "the end mark", "finished+json"):
        assert hidden not in page
    assert re.search(r">data</th><td[^>]*>private</td><td[^>]*>source folder</td>", page)
    assert re.search(r">seed</th><td[^>]*>7</td><td[^>]*>of every random draw</td>", page)
    assert ">[8, 9]</td>" in page


def test_a_section_has_its_code_in_one_place_at_its_end(tmp_path: Path) -> None:
    page = _run(tmp_path)["03_timing.html"]
    parts = re.split(r'<(?:section|details class="section")[ >]', page)[1:]
    coded = [part for part in parts if '<details class="code">' in part]
    assert coded
    for part in coded:
        assert part.count('<details class="code">') == 1
        rest = part.split('<details class="code">', 1)[1].split("</details>", 1)[1]
        assert not re.search(r"<(?:p|table|figure|pre)[ >]", rest.split("</section>")[0].split("</details>")[0])


def test_no_code_when_asked(tmp_path: Path) -> None:
    with_code = _run(tmp_path)["03_timing.html"]
    without = _run(tmp_path, show_code=False)["03_timing.html"]
    assert "curve" in with_code
    assert '<details class="code">' in with_code
    assert '<details class="code">' not in without
    assert "begin" not in _words(without)
    assert "the result" in without


def test_stderr_tracebacks_scripts_and_foreign_markup_stay_off_the_page(tmp_path: Path) -> None:
    new = nbformat.v4.new_output
    outputs = [
        new("stream", name="stderr", text="a warning from /home/ann"),
        new("stream", name="stdout", text=f"printed {HOSTILE} 13812345678\x1b[31m red"),
        new("display_data", {"text/html": f"<b>{HOSTILE}</b>", "text/plain": "plain words instead"}),
        new("display_data", {"application/javascript": "alert(1)", "text/plain": "<Javascript>"}),
        new("error", ename="ValueError", evalue="boom", traceback=["Traceback: boom"]),
    ]
    page = _run(tmp_path, cells=[_text("# Q?"), _text("## Result"), _code("1", *outputs)])["03_timing.html"]
    for hidden in ("/home/ann", "boom", "<script>alert", "13812345678", "\x1b", "<b>"):
        assert hidden not in page
    assert "printed &lt;script&gt;" in page
    assert "plain words instead" in page


def test_markdown_cannot_run_or_load(tmp_path: Path) -> None:
    source = (
        f"# Q?\n\n{HOSTILE}<img src=//e.com/x onerror=alert(1)>\n\n[a](javascript:alert(1)) [b](02_cltv.ipynb) "
        "[c](https://doi.org/10.1287/mksc.1040.0098) <svg aria-label='x'>"
        "<use href='https://e.com/#a'/></svg><a style='x:url(//e)'>d</a>"
    )
    page = _run(tmp_path, cells=[_text(source)])["03_timing.html"]
    for forbidden in ("<script>alert", "<img", "javascript:", "onerror", "e.com", "url("):
        assert forbidden not in page[page.index("<body>") :]
    assert 'href="02_cltv.html"' in page
    assert 'href="https://doi.org/10.1287/mksc.1040.0098" rel="noopener noreferrer"' in page


def test_picture_without_description_is_refused(tmp_path: Path) -> None:
    output = nbformat.v4.new_output("display_data", {"image/png": "iVBORw0KGgo=", "text/plain": "<Figure>"})
    with pytest.raises(PageError, match=r"03_timing: cell 2 shows a picture without a description; .*figures\.figure"):
        _run(tmp_path, cells=[_text("# Q?"), _code("ax.plot()", output)])


def test_notebook_that_should_be_there_is_missed(tmp_path: Path) -> None:
    manifest = _manifest(notebooks={"02_cltv": {"stage": "cltv", "status": "ok", "reason": ""}})
    with pytest.raises(PageError, match=r"02_cltv: the manifest says ok, but notebooks/02_cltv\.ipynb is missing"):
        _run(tmp_path, manifest=manifest)


def test_missing_template_is_a_page_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame, "TEMPLATES", tmp_path / "gone")
    with pytest.raises(PageError, match="missing from the package: install it again"):
        _run(tmp_path)


def test_identical_input_gives_identical_bytes(tmp_path: Path) -> None:
    first = _run(tmp_path / "a")
    again = _run(tmp_path / "b")
    assert first == again
    later = _run(tmp_path / "c", manifest=_manifest(run="20250630-021200-9f9f9f", started="2025-06-30T02:12:00Z"))
    assert later["03_timing.html"] == first["03_timing.html"]
    changed = [
        a for a, b in zip(first["index.html"].splitlines(), later["index.html"].splitlines(), strict=True) if a != b
    ]
    assert len(changed) == 1
    assert changed[0].startswith("<footer>")


def test_page_names_its_language(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locale, "available_languages", lambda: ["en", "zh"])
    monkeypatch.setattr(
        locale, "_catalogue", lambda code: {"Result": "结果", "The curve.": "曲线。"} if code == "zh" else {}
    )
    page = _run(tmp_path, manifest=_manifest(language="zh"))["03_timing.html"]
    assert '<html lang="zh-CN">' in page
    assert "<h2>结果</h2>" in page
    assert "<p>曲线。</p>" in page


@pytest.mark.parametrize(
    ("formula", "shown"),
    [
        ("T", "<mi>T</mi>"),
        ("t_x^2", "<msubsup><mi>t</mi><mi>x</mi><mn>2</mn></msubsup>"),
        (r"\alpha + r", "<mrow><mi>α</mi><mo>+</mo><mi>r</mi></mrow>"),
        (r"\frac{a}{b_{ij}}", "<mfrac><mi>a</mi><msub><mi>b</mi><mrow><mi>i</mi><mi>j</mi></mrow></msub></mfrac>"),
        (r"\sqrt{0.5} \le 1", "<mrow><msqrt><mn>0.5</mn></msqrt><mo>≤</mo><mn>1</mn></mrow>"),
        (r"x_{<b", "<msub><mi>x</mi><mrow><mo>&lt;</mo><mi>b</mi></mrow></msub>"),
    ],
)
def test_formulas_are_mathml(tmp_path: Path, formula: str, shown: str) -> None:
    page = _run(tmp_path, cells=[_text(f"# Q?\n\nWith ${formula}$ weeks.")])["03_timing.html"]
    assert f"With <math>{shown}</math> weeks." in page


# check_page


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> str:
    frame = pd.DataFrame({"a": ["x", "y"], "n": [1, 2]})
    cells = [_text("# Q?"), _text("## Result"), _code("1", _shown(pages.table(frame, caption="c")))]
    return _run(tmp_path_factory.mktemp("whole"), cells=cells)["03_timing.html"]


def test_whole_page_passes(whole: str) -> None:
    assert "<script>" in whole
    frame.check_page(whole, Path("a.html"))


@pytest.mark.parametrize(
    ("extra", "fault"),
    [
        ("<script>alert(1)</script>", "a script that is not ours"),
        ("<script src='x.js'></script>", "src= of <script> leads outside"),
        ("<img alt='x' src='https://e.com/x.png'>", "src= of <img> leads outside"),
        ("<img alt='x' src='x.png'>", "src= of <img> leads outside"),
        ("<img src='data:image/png;base64,AA'>", "a picture without a description"),
        ("<svg><path d=''/></svg>", "a figure without a description"),
        ("<svg aria-label='x'><use xlink:href='https://e.com/#a'/></svg>", "xlink:href= of <use>"),
        ("<svg aria-label='x'><image href='https://e.com/a.png'/></svg>", "href= of <image>"),
        ("<p onclick='x()'>a</p>", "an onclick= attribute"),
        ("<a href=' java\nscript:alert(1)'>a</a>", "href= of <a>"),
        ("<a href='http://e.com'>a</a>", "href= of <a>"),
        ("<a href='//e.com'>a</a>", "href= of <a>"),
        ("<p style='background:url( //e.com )'>a</p>", "style= of <p> would load"),
        ("<style>@import url(//e.com)</style>", "a style sheet that is not ours"),
        ("<link rel='stylesheet' href='#a'>", "a <link> element"),
        ("<iframe srcdoc='a'></iframe>", "a <iframe> element"),
        ("<base href='#'>", "a <base> element"),
        ("<meta http-equiv='refresh' content='0;url=//e.com'>", "a <meta http-equiv=refresh>"),
        ("<form action='//e.com'></form>", "a <form> element"),
        ("<h1>two</h1>", "2 main headings"),
        ("<p>call +86 138 1234 5678</p>", "a telephone number"),
    ],
)
def test_page_is_refused(whole: str, extra: str, fault: str) -> None:
    with pytest.raises(PageError, match=re.escape(fault)):
        frame.check_page(whole.replace("</main>", extra + "</main>"), Path("a.html"))


@pytest.mark.parametrize(
    ("gone", "fault"),
    [
        (r"<title>.*?</title>", "no title"),
        (r' lang="en"', "no language"),
        (r"<meta http-equiv.*?>", "no content-security"),
    ],
)
def test_page_without_its_frame_is_refused(whole: str, gone: str, fault: str) -> None:
    with pytest.raises(PageError, match=fault):
        frame.check_page(re.sub(gone, "", whole, count=1), Path("a.html"))


def test_large_page_warns_and_too_large_fails(whole: str, caplog: pytest.LogCaptureFixture) -> None:
    frame.check_page(whole.replace("</main>", "x " * 1_000_000 + "</main>"), Path("a.html"))
    assert "a.html has 2.0 MB" in caplog.text
    with pytest.raises(PageError, match=r"a\.html has 5\.\d MB, more than 5"):
        frame.check_page(whole.replace("</main>", "x " * 2_500_000 + "</main>"), Path("a.html"))


# The index


def test_index_says_whose_data_and_how_fresh(tmp_path: Path) -> None:
    said = _words(_run(tmp_path)["index.html"])
    context = "Tea & Teapots · real data · orders from Jun 30, 2024 to Jun 28, 2025 · 4,012 customers · "
    assert context.replace("&", "&amp;") + "0.5% of rows rejected" in said


def test_orders_of_guests_and_merged_rows_are_not_rejected(tmp_path: Path) -> None:
    manifest = _manifest()
    manifest["source"]["tables"]["orders"]["rows_kept_apart"] = 5
    assert "no rows rejected" in _words(_run(tmp_path, manifest=manifest)["index.html"])


def test_period_ends_with_the_last_day_observed(tmp_path: Path) -> None:
    said = _words(_run(tmp_path, manifest=_manifest(as_of="2025-05-31"))["index.html"])
    assert "Jun 30, 2024 to May 31, 2025" in said


def test_a_test_total_names_its_weeks_and_control_in_the_lead(tmp_path: Path) -> None:
    words = "in the test (11 weeks), from 1,244 customers in b, compared with a"
    decisions = [_decision(unit="money", money="long_run", period="11 weeks", number_words=words, action="Switch to b")]
    said = _words(_run(tmp_path, decisions=decisions)["index.html"])
    assert f"Switch to b . It brought $3,100 {words} (95% interval $2,200 to $4,000), in the long run." in said
    assert "today, that is worth" not in said


def test_a_change_for_one_segment_alone_is_named(tmp_path: Path) -> None:
    decisions = [
        _decision(action="Stay as it is", outcome="not_enough_evidence"),
        _decision(segment="growth", action="Text 3 a week"),
        _decision(segment="gold", action="Stay as it is", outcome="not_enough_evidence"),
    ]
    said = _words(_run(tmp_path, decisions=decisions)["index.html"])
    assert "worth making for some customers only" in said
    assert "For growth: Text 3 a week." in said
    assert "By segment on its page." not in said


def test_index_leads_with_the_most_valuable_thing_to_do(tmp_path: Path) -> None:
    decisions = [
        _decision(
            question="Format?", action="Keep it running", outcome="not_enough_evidence", value=9000.0, high=20_000.0
        ),
        _decision(question="How often?", action="Twice a week", value=2700.0, low=1500.0, high=3900.0),
        _decision(),
    ]
    page = _run(tmp_path, decisions=decisions)["index.html"]
    said = _words(page)
    assert "What to do next At lunch . Compared with today, that is worth $3,100 a week" in said
    assert "One more change is worth making." in said
    order = [said.index(question) for question in ("When?", "How often?", "Format?")]
    assert order == sorted(order)
    assert "Not enough evidence. Keep it running" in said


def test_index_says_what_to_mind(tmp_path: Path) -> None:
    page = _run(tmp_path, decisions=[_decision(caveat="Likely 15% too low.")])["index.html"]
    assert "Caveat: Likely 15% too low." in _words(page)


def test_bands_lie_on_one_axis(tmp_path: Path) -> None:
    """Identity: equal money differs by equal lengths, whatever the row."""
    decisions = [
        _decision(value=1000.0, low=0.0, high=2000.0),
        _decision(question="B?", value=3000.0, low=2000.0, high=4000.0),
    ]
    page = _run(tmp_path, decisions=decisions)["index.html"]
    bands = {float(x): float(w) for x, w in re.findall(r'class="band" x="([\d.]+)" y="15" width="([\d.]+)"', page)}
    (x1, w1), (x2, w2) = sorted(bands.items())
    assert w1 == pytest.approx(w2, abs=0.2)
    assert x2 == pytest.approx(x1 + w1, abs=0.2)
    zero = float(re.findall(r'class="zero" x1="([\d.]+)"', page)[0])
    assert zero == pytest.approx(x1, abs=0.2)


def test_broken_experiment_shows_no_value(tmp_path: Path) -> None:
    page = _run(tmp_path, decisions=[_decision(outcome="broken", value=900.0)])["index.html"]
    assert "Broken: no result." in page
    assert "$900" not in page
    assert "<circle" not in page


@pytest.mark.parametrize(
    ("decisions", "heading"),
    [
        ([], "No answer yet"),
        (
            [_decision(kind="fact", unit="", value=float("nan"), low=float("nan"), high=float("nan"))],
            "Findings",
        ),
        ([_decision(kind="forecast", unit="money", evidence="forecast")], "What to expect"),
        ([_decision(outcome="dont")], "Nothing to change yet"),
        ([_decision(kind="worth", outcome="not_enough_evidence")], "Nothing to change yet"),
        ([_decision(kind="worth")], "Texting pays"),
        ([_decision(kind="worth", outcome="dont", value=-9.0, low=-12.0, high=-6.0)], "Texting does not pay"),
        (
            [_decision(), _decision(kind="worth", outcome="dont", value=-9.0, low=-12.0, high=-6.0)],
            "Texting does not pay",
        ),
    ],
)
def test_index_without_gains_says_so_in_a_sentence(
    tmp_path: Path, decisions: list[dict[str, Any]], heading: str
) -> None:
    page = _run(tmp_path, decisions=decisions)["index.html"]
    assert f"<h1>{heading}</h1>" in page
    assert re.search(r'<p class="lead">.+\.', page)


CLICKS = "clicks per 100 messages, compared with the control group"
CLICK_TEST = {
    "question": "New text?", "action": "Switch to B", "stage": "ab_test", "kind": "fact", "unit": "share",
    "value": 0.012, "low": 0.008, "high": 0.016, "number_words": CLICKS,
}  # fmt: skip


def test_a_test_decided_on_clicks_leads_before_a_finding_without_a_number(tmp_path: Path) -> None:
    nothing = dict.fromkeys(("value", "low", "high"), float("nan"))
    finding = _decision(action="Find out which legal hours apply", unit="", evidence="descriptive", **nothing)
    page = _run(tmp_path, decisions=[finding, _decision(**CLICK_TEST)])["index.html"]
    said = _words(page)
    assert "<h1>What to do next</h1>" in page
    assert f"Switch to B . The test showed 1.20 {CLICKS} (95% interval 0.80 to 1.60)" in said
    assert "What that is worth in money is not known. Find out which legal hours apply ." in said


def test_a_test_on_clicks_does_not_lead_before_money(tmp_path: Path) -> None:
    said = _words(_run(tmp_path, decisions=[_decision(), _decision(**CLICK_TEST)])["index.html"])
    assert "What to do next At lunch . Compared with today, that is worth $3,100 a week" in said
    assert f"+1.20 {CLICKS} 0.80 to 1.60" in said  # points have no percent sign: the words name them


def test_forecast_is_kept_apart_from_gain(tmp_path: Path) -> None:
    rows = [
        _decision(),
        _decision(question="Worth?", kind="forecast", unit="money", evidence="forecast", value=5e5, low=4e5, high=6e5),
    ]
    page = _run(tmp_path, decisions=rows)["index.html"]
    assert page.count('<ol class="rows"') == 2
    assert page.index("When?") < page.index("<h2>What to expect</h2>") < page.index("Worth?")
    assert "not the effect of a message" in page


def test_what_texting_brings_is_no_change_of_todays_practice(tmp_path: Path) -> None:
    rows = [_decision(), _decision(question="Pays?", kind="worth", value=9000.0, low=8000.0, high=10_000.0)]
    page = _run(tmp_path, decisions=rows)["index.html"]
    said = _words(page)
    assert page.index("When?") < page.index("<h2>Incremental profit of texting</h2>") < page.index("Pays?")
    assert "At lunch . Compared with today, that is worth $3,100 a week" in said
    assert "more change" not in said
    assert "+$9,000 a week $8,000 to $10,000" in said
    assert "no texts" in said


def test_texting_that_pays_leads_where_nothing_is_to_change(tmp_path: Path) -> None:
    rows = [
        _decision(outcome="dont"),
        _decision(question="Pays?", action="Go on", kind="worth", value=9000.0, high=1e4),
    ]
    said = _words(_run(tmp_path, decisions=rows)["index.html"])
    assert "Texting pays Go on . Against no texts at all that is worth $9,000 a week" in said
    assert "No change has been shown to be worth making." in said


def test_warnings_tell_findings_and_notebooks_that_did_not_run(tmp_path: Path) -> None:
    manifest = _manifest()
    finding = {"table": "messages", "column": "opted_out_at", "rule": HOSTILE, "severity": "warning", "rows": 356}
    manifest["source"]["findings"] = [finding | {"remedy": "call 13812345678"}]
    manifest["source"]["simulated"] = True
    manifest["notebooks"]["07_retention"] = {"stage": "retention", "status": "skipped", "reason": "no table messages"}
    manifest["notebooks"]["05_ab_test"] = {"stage": "ab_test", "status": "failed", "reason": "a cell raised"}
    manifest["notebooks"]["04_frequency"] = {"stage": "frequency", "status": "not_run", "reason": ""}
    said = _words(_run(tmp_path, manifest=manifest)["index.html"])
    for words in (
        "356 rows of messages.opted_out_at: &lt;script&gt;alert(1)&lt;/script&gt;. Call [number].",
        "Retention was skipped: No table messages.",
        "A/B test failed: A cell raised.",
        "Not asked for in this run: Frequency.",
        "The data are simulated:",
    ):
        assert words in said


def test_empty_states_are_sentences(tmp_path: Path) -> None:
    said = _words(_run(tmp_path)["index.html"])
    for words in (
        "No problem was found in the data, and every notebook ran.",
        "There is no earlier run to compare with.",
        "This is the first run of this report.",
    ):
        assert words in said


def test_what_changed_since_the_last_run(tmp_path: Path) -> None:
    before = [
        _decision(value=2704.0, low=1810.0, high=3598.0),
        _decision(question="How often?", action="Twice"),
        _decision(question="Same?", action="Yes"),
    ]
    _decide(tmp_path / "20250622-021200-aaaaaa", before)
    earlier = [
        {"run": "20250622-021200-aaaaaa", "started": "2025-06-22T02:12:00Z", "as_of": "2025-06-21", "status": "ok"}
    ]
    now = [_decision(), _decision(question="How often?", action="Once"), _decision(question="Same?", action="Yes")]
    page = _run(tmp_path / ".staging-20250629-021200-1a2b3c", decisions=now, earlier_runs=earlier)["index.html"]
    table = page[page.index('<table class="changes">') :]
    table = re.sub(r'<span class="together">(.*?)</span>', r"\1", table)
    assert "<td>+$2,700 a week ($1,800 to $3,600)</td><td>+$3,100 a week ($2,200 to $4,000)</td>" in table
    assert "Twice." in table
    assert "Once." in table
    assert "Same?" not in table
    assert '<a href="../20250622-021200-aaaaaa/index.html">Jun 22, 2025, 02:12 UTC</a>' in page


def test_run_names_that_lead_elsewhere_are_not_linked(tmp_path: Path) -> None:
    earlier = [{"run": "../../etc", "started": "2025-06-22T02:12:00Z", "as_of": "2025-06-21", "status": "ok"}]
    assert "etc/index" not in _run(tmp_path, earlier_runs=earlier)["index.html"]


@pytest.mark.parametrize("field", ["question", "action", "text", "segment", "outcome", "evidence"])
def test_decisions_are_text(tmp_path: Path, field: str) -> None:
    page = _run(tmp_path, decisions=[_decision(**{field: HOSTILE})])["index.html"]
    assert "<script>alert" not in page


# The list of reports


def test_reports_index_lists_newest_runs(tmp_path: Path) -> None:
    run = tmp_path / "cdnow" / "20250629-021200-1a2b3c"
    run.mkdir(parents=True)
    (run / "manifest.json").write_text(json.dumps(_manifest()), encoding="utf-8")
    (tmp_path / "cdnow" / "latest.json").write_text(json.dumps({"run": run.name}), encoding="utf-8")
    (tmp_path / "started").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "latest.json").write_text('{"run": "../../../etc"}', encoding="utf-8")
    render.render_reports_index(tmp_path)
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert '<a href="cdnow/20250629-021200-1a2b3c/index.html">Tea &amp; Teapots</a>' in page
    assert page.count("No finished run yet") == 2
    assert "etc" not in page
    assert "as of Jun 28, 2025" in page


def test_reports_index_without_reports_is_a_sentence(tmp_path: Path) -> None:
    render.render_reports_index(tmp_path)
    assert "There is no report yet." in (tmp_path / "index.html").read_text(encoding="utf-8")
