"""Reading test: what a director must find on the index, from its HTML alone."""

import datetime as dt
import html
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from smsroi_helpers import pages
from smsroi_helpers.runner.months_strip import months_strip
from smsroi_helpers.runner.track_record import read_track_record
from tests.runner.test_render import _FINISHED, _cells, _code, _decision, _manifest, _run, _shown, _text, _words

MONTHS = [dt.date(2024 + (5 + k) // 12, (5 + k) % 12 + 1, 1) for k in range(12)]  # June 2024 to May 2025


def _months(folder: Path, **given: Any) -> None:
    (folder / "tables").mkdir(parents=True, exist_ok=True)
    frame = pd.DataFrame({"month": MONTHS, "orders": [float("nan"), *range(500, 511)]})
    frame = frame.assign(revenue=frame["orders"] * 41.0, subscribers=8_000.0, opt_outs=37.0)
    frame.assign(**given).to_parquet(folder / "tables" / "business_months.parquet")


def _holdout(folder: Path, rows: list[tuple[dt.date, float, float, float]]) -> None:
    names = ["month", "earned", "earned_low", "earned_high"]
    frame = pd.DataFrame(rows, columns=names).assign(experiment_id="holdout", treated=900.0, control=100.0)
    frame.to_parquet(folder / "tables" / "incremental_months.parquet")


@pytest.fixture
def page(tmp_path: Path) -> str:
    """A run with a plan to follow, an open question, two months measured by a holdout, and an earlier plan."""
    _months(tmp_path)
    _holdout(tmp_path, [(MONTHS[-2], 5_120.0, 2_030.0, 8_210.0), (MONTHS[-1], 4_330.0, 1_240.0, 7_420.0)])
    record = {"plan_id": "plan-20250401", "status": "scored", "role": "plan", "by": "role", "customers": 900}
    record |= {"first": pd.Timestamp("2025-04-01"), "held_out": 100, "promised": 1.9, "measured": 1.13}
    record |= {"low": 0.61, "high": 1.65, "gap": 0.77, "gap_low": 0.25, "gap_high": 1.29}
    coming = {"plan_id": "plan-20250701", "status": "not_begun", "first": pd.Timestamp("2025-07-01"), "customers": 900}
    pd.DataFrame([record, coming]).to_parquet(tmp_path / "tables" / "plan_track_record.parquet")
    text = {"customer_id": "a", "role": "plan", "variant": "story", "timezone": "Asia/Shanghai", "left_out": None}
    text |= {"send_at_local": pd.Timestamp("2025-07-01 16:05"), "expected_profit": 0.5}
    pd.DataFrame([text]).astype({"left_out": "string"}).to_parquet(tmp_path / "tables" / "send_plan.parquet")
    plan = _decision(
        stage="send_plan", question="Whom do we text next?", action="Text 840 customers twice a week", money="long_run",
        evidence="modelled", cash=1_310.0, cash_low=640.0, cash_high=1_980.0, cash_weeks=4, cash_evidence="modelled",
        text="Of 1,000 subscribers, 840 get texts.",
    )  # fmt: skip
    asked = _decision(
        stage="content", question="Which text?", outcome="not_enough_evidence", action="Test two texts",
        text="17,000 customers would detect a gain of $0.15 each a week.", value=20.0, low=-90.0, high=130.0,
    )  # fmt: skip
    return _run(tmp_path, decisions=[plan, asked], manifest=_manifest(report="tea"))["index.html"]


def _section(page: str, heading: str) -> str:
    """The words between a second-level heading and the next."""
    found = re.search(rf"<h2[^>]*>{re.escape(heading)}</h2>(.*?)(?=<h2|</main>)", page, re.DOTALL)
    assert found, heading
    return _words(f"<body>{found.group(1)}</body>")


def test_the_reader_finds_what_to_do_for_whom_and_what_it_brings(page: str) -> None:
    row = re.search(r'<div><p class="q">Whom do we text next.*?</li>', page, re.DOTALL)
    assert row
    said = _words(f"<body>{row.group()}</body>")
    assert "Text 840 customers twice a week" in said  # what, for whom
    assert "Cash in the next 4 weeks, modelled from a randomised test: +$1,300 ($600 to $2,000)." in said
    assert "+$3,100 a week $2,200 to $4,000" in said  # in the long run: how sure
    assert "Modelled from a randomised test" in said  # on what evidence
    assert row.group().count("<svg") == 1
    assert 'href="tables/customer-list-send_plan.csv"' in row.group()
    assert "expected profit of the customer’s texts in the weeks of the plan, compared with no texts" in said
    assert "smsroi list tea/20250629-021200-1a2b3c --to FOLDER" in said
    assert "In the long run: a week, 95% interval" in _words(page)
    assert "In the long run: The profit of the coming weeks and of the time after them" in _words(page)


def test_a_recommended_plan_leads_before_single_changes(tmp_path: Path) -> None:
    hour = _decision(question="When?", action="At lunch", value=9_000.0, low=8_000.0, high=10_000.0)
    plan = _decision(
        stage="send_plan", question="Whom do we text next?", action="Send by the plan", money="long_run", unit="money",
        evidence="modelled", value=5_000.0, low=1_000.0, high=9_000.0, cash=300.0, cash_low=100.0, cash_high=500.0,
        cash_weeks=4, cash_evidence="modelled",
    )  # fmt: skip
    said = _words(_run(tmp_path / "plan", decisions=[hour, plan])["index.html"])
    assert (
        "What to do next Send by the plan . Compared with today, that is worth $5,000 (95% interval $1,000 to $9,000)"
        " in the long run. Cash in the next 4 weeks, modelled from a randomised test: +$300 ($100 to $500)."
    ) in said
    assert "Do not add these amounts" in said
    assert said.index("Whom do we text next?") < said.index("When?")
    # A plan that is not recommended is one question among others.
    undecided = _run(tmp_path / "none", decisions=[hour, plan | {"outcome": "not_enough_evidence"}])["index.html"]
    said = _words(undecided)
    assert "What to do next At lunch ." in said
    assert said.index("When?") < said.index("Whom do we text next?")


def test_the_reader_finds_what_to_test_next(page: str) -> None:
    said = _section(page, "Tests to run next")
    assert "Which text? Not enough evidence yet." in said
    assert "17,000 customers would detect" in said
    assert "Whom do we text next?" not in said


def test_a_model_that_changed_stands_before_the_action_and_under_the_amounts_that_rest_on_it(tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    check = {"model": "holdout", "stages": "ab_test send_plan", "warning": "Texts bring less. Use the newest months."}
    quiet = {"model": "hours", "stages": "timing", "warning": "", "caveat": ""}
    rows = [check | {"caveat": "It can be too high."}, quiet]
    pd.DataFrame(rows).to_parquet(tmp_path / "tables" / "model_checks.parquet")
    decisions = [
        _decision(stage="send_plan", question="Whom?", caveat="Tested apart."),
        _decision(stage="timing", question="When?"),
        _decision(stage="ab_test", question="Which?", outcome="broken"),
        _decision(stage="ab_test", question="More?", outcome="dont"),
        _decision(stage="ab_test", question="Does it pay?", outcome="not_enough_evidence", kind="worth"),
    ]
    index = _run(tmp_path, decisions=decisions)["index.html"]
    assert "Texts bring less. Use the newest months." in _section(index, "Before you act")
    assert "A model has changed: see “Before you act”." in index
    # Under the amounts of the plan and of texting. Hours rest on another model, a broken test shows no amount, and of
    # a change that is not worth making nobody acts on the amount.
    assert _words(index).count("It can be too high.") == 2
    assert "Caveat: It can be too high. Tested apart." in _words(index)


def test_the_page_of_an_amount_says_that_its_model_has_changed(tmp_path: Path) -> None:
    """Under the answer, for the amounts for which the index says so; it leads to the comparison of the models."""
    (tmp_path / "tables").mkdir()
    check = {"model": "holdout", "stages": "timing", "warning": "Texts bring less.", "caveat": "It can be too <high>."}
    pd.DataFrame([check]).to_parquet(tmp_path / "tables" / "model_checks.parquet")
    decisions = [
        _decision(question="When should a message go out?"),
        _decision(question="When should a message go out?", segment="gold"),
        _decision(question="Does it pay?", outcome="not_enough_evidence", kind="worth"),
        _decision(question="On which weekday?", outcome="not_enough_evidence"),
        _decision(question="How many?", unit="count"),
        _decision(question="Whom?", stage="send_plan"),
    ]
    cells = [_text("# When should a message go out?"), *_cells()[1:]]
    state = {"status": "ok", "reason": ""}
    notebooks = {"03_timing": state | {"stage": "timing"}}
    page = _run(tmp_path, cells=cells, decisions=decisions, manifest=_manifest(notebooks=notebooks))["03_timing.html"]
    said = re.findall(r'<p class="note">(<b>.*?)</p>', page, re.DOTALL)
    assert said[0] == "<b>Caveat:</b> It can be too &lt;high&gt;."  # no page to lead to
    assert said[1].startswith("<b>Caveat of “Does it pay?”:</b> It can be too")
    assert page.count("It can be too") == 2
    assert page.index("It can be too") < page.index('<nav class="contents"')
    (tmp_path / "notebooks" / "08_effectiveness.ipynb").write_bytes(
        (tmp_path / "notebooks" / "03_timing.ipynb").read_bytes()
    )
    notebooks["08_effectiveness"] = state | {"stage": "effectiveness"}
    page = _run(tmp_path, cells=cells, decisions=decisions, manifest=_manifest(notebooks=notebooks))["03_timing.html"]
    assert f'<a href="08_effectiveness.html#{pages.question_anchor("Are the models still valid?")}">' in page


def test_alerts_of_days_after_a_plan_say_so(tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    alert = {"at": pd.Timestamp("2025-06-20"), "metric": "click_rate", "kind": "channel", "scope": "sms", "new": True}
    alert |= {"text": "Clicks up.", "remark": "After a plan began."}
    other = alert | {"metric": "delivery_rate", "text": "Deliveries down."}
    for remark, shown in (("After a plan began.", True), ("", False)):
        pd.DataFrame([alert, other | {"remark": remark}]).to_parquet(tmp_path / "tables" / "alerts.parquet")
        before = _section(_run(tmp_path)["index.html"], "Before you act")
        assert "Deliveries down." in before
        assert ("After a plan began." in before) is shown


def test_alerts_are_new_since_the_last_run_only_if_that_was_of_an_earlier_day(tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    alert = {"at": pd.Timestamp("2025-06-20"), "metric": "click_rate", "kind": "channel", "scope": "sms", "new": True}
    pd.DataFrame([alert | {"text": "Clicks up.", "remark": ""}]).to_parquet(tmp_path / "tables" / "alerts.parquet")
    last = {"run": "20250622-021200-1a2b3c", "started": "2025-06-22T02:12:00Z"}
    for day, new in (("2025-06-21", True), ("2025-06-28", False)):
        page = _run(tmp_path, earlier_runs=[last | {"as_of": day}])["index.html"]
        assert ("Outside the expected range since the last run: Clicks up." in _section(page, "Before you act")) is new
        assert ("Outside the expected range: Clicks up." in _section(page, "Before you act")) is not new
        assert ("New alerts: see" in page) is new


def test_names_in_sentences_are_shown_as_code(tmp_path: Path) -> None:
    given = _decision(text="Set `segment_by: response` <b>.", caveat="See `send_at`.")
    pages_of = _run(tmp_path, decisions=[given], cells=[*_cells(), _code("", _shown(pages.answer([given])))])
    for page in pages_of.values():
        assert "Set <code>segment_by: response</code> &lt;b&gt;." in page
        assert "See <code>send_at</code>." in page


def test_the_reader_finds_how_earlier_advice_fared(page: str) -> None:
    said = _section(page, "How earlier advice fared")
    assert "Plan of Apr 1, 2025 $1.90 $1.13 $0.61 to $1.65 promised too much" in said
    assert "Jul 1, 2025" not in said  # the coming plan is no earlier advice


def test_plans_that_have_not_begun_are_no_earlier_advice(tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    coming = {"plan_id": "autumn", "status": "not_begun", "first": pd.Timestamp("2025-07-01")}
    file = tmp_path / "tables" / "plan_track_record.parquet"
    pd.DataFrame([coming]).to_parquet(file)
    assert read_track_record(tmp_path, "USD")["rows"] == []
    pd.DataFrame(
        [coming | {"status": "running"}, coming | {"status": "no_start", "first": None, "plan_id": "b"}]
    ).to_parquet(file)
    names = [row["plan"] for row in read_track_record(tmp_path, "USD")["rows"]]
    assert names == ["b", "Plan of Jul 1, 2025 (autumn)"]


def test_the_months_come_before_the_recommendations(page: str) -> None:
    body = page[page.index("<body>") :]
    assert body.index('class="panels"') < body.index('<p class="q">Whom do we text next')
    said = _words(page)
    assert "Orders 510 Apr 2025: 509" in said
    assert "Incremental profit, by holdout $4,300 95% interval $1,200 to $7,400 · Apr 2025: $5,100" in said
    assert "Jun 2024: –; Jul 2024: 500" in body  # a month before the log is a dash, not 0
    order = ["Tests to run next", "Before you act", "What changed since the last run", "How earlier advice fared"]
    places = [body.index(f">{heading}</h2>") for heading in order]
    assert places == sorted(places)


def test_what_is_not_known_is_a_dash_with_its_reason(tmp_path: Path) -> None:
    assert "did not run" in months_strip(tmp_path, "USD")["words"]
    _months(tmp_path, subscribers=float("nan"), opt_outs=float("nan"))
    orders, _revenue, subscribers, _left, incremental = months_strip(tmp_path, "USD")["panels"]
    assert (orders["value"], orders["reason"]) == ("510", "")
    assert (subscribers["value"], subscribers["before"]) == ("–", "Apr 2025: –")
    assert "does not record opt-ins" in subscribers["reason"]
    assert "did not run" in incremental["reason"]
    _months(tmp_path, subscribers=float("nan"))  # who left is known, but not who came
    _orders, _revenue, subscribers, left, _incremental = months_strip(tmp_path, "USD")["panels"]
    assert (subscribers["reason"], left["reason"]) == ("Not known: the source does not record who opted in.", "")
    _holdout(tmp_path, [])
    assert "no valid holdout" in months_strip(tmp_path, "USD")["panels"][-1]["reason"]
    _holdout(tmp_path, [(MONTHS[-2], 5_120.0, 2_030.0, 8_210.0)])
    incremental = months_strip(tmp_path, "USD")["panels"][-1]
    assert (incremental["value"], incremental["before"]) == ("–", "Apr 2025: $5,100")
    assert "no holdout covers the month" in incremental["reason"]


def test_bars_are_in_proportion_from_zero(tmp_path: Path) -> None:
    _months(tmp_path, orders=[float("nan"), *(100.0 * k for k in range(1, 12))])
    marks = months_strip(tmp_path, "USD")["panels"][0]["marks"]
    assert marks[0]["kind"] == "gap"
    heights = [float(mark["height"]) for mark in marks[1:]]
    assert [h / heights[-1] for h in heights] == pytest.approx([k / 11 for k in range(1, 12)], abs=0.003)


def test_a_question_has_one_title_on_the_index_and_where_it_leads(tmp_path: Path) -> None:
    """The heading of the page where it asks the same; else above the answer, or in the table of the other answers."""
    first, other = "When should a message go out?", "On which weekday? <b>"
    for number, asked in enumerate((first, "Did it pay? (hour test)")):
        decisions = [_decision(question=asked), _decision(question=other, outcome="not_enough_evidence")]
        cells = [
            _text(f"# {first}"),
            _text("## Result\n\nThe curve."),
            _text("## Decision\n\nWhy so."),
            _code("run.decide()", _shown(pages.answer(pd.DataFrame(decisions), currency="USD"))),
            _code("run.finish()", _FINISHED),
        ]
        made = _run(tmp_path / str(number), cells=cells, decisions=decisions)
        rows = re.findall(r'<p class="q">(.*?)</p>.*?href="03_timing.html#([\w-]+)"', made["index.html"])
        assert [title for title, _anchor in rows] == [html.escape(asked), html.escape(other)]
        page = made["03_timing.html"]
        for title, anchor in rows:
            place = re.search(rf'id="{anchor}"[^>]*>(?:<p class="q">)?([^<]*)<', page)
            assert place, title
            assert place[1] == title or f"<h1>{title}</h1>" in page.replace(f' id="{title}"', "")
        assert page.count(html.escape(first)) == 2  # of the page's title and its heading: not above the answer again


def test_the_terms_of_the_index_lead_to_one_definition(page: str) -> None:
    links = re.findall(r'<a class="word" href="#(word-\d+)">(.*?)</a>', page)
    assert {"95% interval", "long run", "holdout"} <= {words for _anchor, words in links}
    for anchor, _words_of_it in links:
        assert page.count(f'<dt id="{anchor}">') == 1
    assert page.index("<dt id=") > page.index('id="before-you-act"')


def test_the_strip_begins_with_the_first_month_of_the_log(tmp_path: Path) -> None:
    every = {name: [float("nan"), *(100.0,) * 11] for name in ("orders", "revenue", "subscribers", "opt_outs")}
    _months(tmp_path, **every)
    strip = months_strip(tmp_path, "USD")
    assert strip["words"].startswith("Complete months, Jul 2024 to May 2025.")
    assert {len(panel["marks"]) for panel in strip["panels"]} == {11}  # no empty slot of June
    assert "Jun 2024" not in str(strip)
    _months(tmp_path, **(every | {"orders": 100.0}))
    assert months_strip(tmp_path, "USD")["words"].startswith("Complete months, Jun 2024 to May 2025.")


def test_the_header_says_of_what_the_dates_are(tmp_path: Path) -> None:
    manifest = _manifest()
    tables = manifest["source"]["tables"]
    dates = {name: {**tables["orders"], "first": first, "last": "2025-06-20"} for name, first in (
        ("campaigns", "2024-01-01"), ("messages", "2024-03-01"), ("orders", "2024-02-01"),
    )}  # fmt: skip
    for left, words in (
        (("campaigns", "messages", "orders"), "orders from Feb 1, 2024 to Jun 20, 2025"),
        (("campaigns", "messages"), "messages from Mar 1, 2024 to Jun 20, 2025"),
        (("campaigns",), "· Jan 1, 2024 to Jun 20, 2025"),
    ):
        manifest["source"]["tables"] = {name: dates[name] for name in left}
        assert words in _words(_run(tmp_path, manifest=manifest)["index.html"])


def test_a_page_links_the_list_of_its_answer_as_the_index_does(tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    hours = {"customer_id": ["a", "b"], "hour": [16, 16], "basis": ["all"] * 2, "outcome": ["do"] * 2}
    hours |= {"segment": ["gold"] * 2, "weekdays": ["0 1 2 3 4 5 6"] * 2}
    asked = "When should a text go out?"
    cells = [_text(f"# {asked}"), *_cells()[1:]]
    link = '<a href="tables/customer-list-timing.csv">Customer list (CSV; customers: 2)'
    pages_of = _run(tmp_path, cells=cells, decisions=[_decision(question=asked)])
    assert link not in pages_of["03_timing.html"]  # no table, so no list
    pd.DataFrame(hours).to_parquet(tmp_path / "tables" / "customer_send_hour.parquet")
    pages_of = _run(tmp_path, cells=cells, decisions=[_decision(question=asked)])
    page = pages_of["03_timing.html"]
    assert link in pages_of["index.html"]
    assert page.count(link) == 1
    assert page.index(link) < page.index('<nav class="contents"')
    open_ = _run(tmp_path, cells=cells, decisions=[_decision(question=asked, outcome="not_enough_evidence")])
    assert "customer-list-timing" not in open_["03_timing.html"]
