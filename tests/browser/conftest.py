# ruff: noqa: E501 - the notebooks of this sample are text, and read better unbroken
"""A run rendered from two really executed notebooks, one of them full of hostile names, and a Chromium to read it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import nbformat
import pandas as pd
import pytest
from nbclient import NotebookClient
from playwright.sync_api import Browser, sync_playwright

from smsroi_helpers import locale, pages
from smsroi_helpers.pages import style
from smsroi_helpers.runner import render
from tests.machine import CHROMIUM

PROJECT = Path(__file__).parents[2]

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style></title></svg><script>alert(1)</script>",
    "<svg onload=alert(1)><use href='https://example.com/x.svg#a'/>",
    "[click](javascript:alert(1))",
    "{{ 7 * 7 }}{% raw %}",
    "$5 off, $10 back",
    "--></p><iframe src=//example.com></iframe>",
]


def _notebook(question: str, whom: str, cells: list[tuple[str, str]]) -> nbformat.NotebookNode:
    made = [nbformat.v4.new_markdown_cell(f"# {question}\n\n*{whom}*")]
    for kind, source in cells:
        if kind == "parameters":
            cell = nbformat.v4.new_code_cell(source)
            cell.metadata["tags"] = ["parameters"]
        else:
            cell = nbformat.v4.new_markdown_cell(source) if kind == "text" else nbformat.v4.new_code_cell(source)
        made.append(cell)
    return nbformat.v4.new_notebook(cells=made)


_SETUP = """
import numpy as np
import pandas as pd
import matplotlib.pyplot as plt
from smsroi_helpers import pages
pages.use_style()
rng = np.random.default_rng(1)
"""

_TIMING = [
    ("parameters", 'data = "data/demo"  # source folder, from the project\'s root\nseed = 1  # of every random draw'),
    ("code", _SETUP),
    (
        "text",
        "## Data and exclusions\n\nEach row is one delivered message; what was rejected, and why, is counted here.",
    ),
    (
        "code",
        "gone = pd.DataFrame({'reason': ['after the last day observed', 'no delivery', 'left'], 'rows_out': [12, 830, 0],"
        " 'rows_left': [140_158, 139_328, 139_328]})\npages.table(gone, caption='Rejected, and why')",
    ),
    (
        "text",
        "## Method and assumptions\n\n1. The hour is the recipient's own.\n2. Within a campaign, the response over the "
        "week is a smooth, periodic curve: $a_k$ cosines. See [lifetime value](02_cltv.ipynb).\n\n```python\n## code\n```",
    ),
    ("code", "week = pd.DataFrame({'hour': np.arange(8, 22)})\nweek['rate'] = 0.031 + 0.012 * np.sin(week.hour / 3)"),
    ("text", "## Result\n\nIf one hour were truly better, its band would stand clear of the others'."),
    (
        "code",
        "fig, ax = plt.subplots()\n"
        "ax.plot(week.hour, week.rate, label='gold')\n"
        "ax.fill_between(week.hour, week.rate - .004, week.rate + .004, alpha=.2)\n"
        "ax.plot(week.hour, week.rate * .6, label='basic')\n"
        "ax.fill_between(week.hour, week.rate * .6 - .003, week.rate * .6 + .003, alpha=.2)\n"
        "ax.set(title='Gold customers answer best around 13 h', xlabel='Hour, recipient’s own', ylabel='Clicks per message',"
        " ylim=(0, None))\n"
        "ax.legend()\n"
        "pages.figure(ax, alt='Click rate by hour: gold 4.3 % at 13 h, basic 2.6 %', caption='Clicks per delivered "
        "message by local hour, with 95% intervals. Simulated data.')",
    ),
    ("text", "The bands overlap in the evening, so the evening hours are not distinguishable."),
    (
        "code",
        "rows = pd.DataFrame({'segment': ['gold', 'value', 'basic', 'lost', 'all'], 'hours': ['12–14', '12–14', '19–20', "
        "'19–20', '12–20'], 'customers': [2010, 1340, 9, 640, 3999], 'rate': [.0431, .0379, .0123, .0088, .0311], "
        "'gain_per_week': [1810.4, 902.2, 3.0, 120.9, 2836.5]})\n"
        "pages.table(rows, caption='Windows not distinguishable from the best', suppress='customers')",
    ),
    ("text", "## Checks\n\nWhat the logs alone would have said, beside what the experiment says."),
    (
        "code",
        "fig, ax = plt.subplots()\n"
        "ax.scatter(rng.normal(25_000, 4_000, 3000), rng.normal(30_000, 9_000, 3000), s=4, rasterized=True)\n"
        "ax.set(title='Logs and experiment agree', xlabel='Logs', ylabel='Experiment')\n"
        "pages.figure(ax, alt='A cloud of 3,000 points along the diagonal', caption='One point per hour and campaign.')",
    ),
    ("text", "## Decision\n\nThe window is chosen where its lower bound clears the smallest gain worth having."),
    (
        "code",
        "pages.answer([{'stage': 'timing', 'question': 'When should a message go out?', 'segment': None, 'outcome': 'do',"
        " 'action': 'At lunch for gold, 19–20 h for everybody else', 'value': 3104.0, 'low': 2210.0, 'high': 3998.0,"
        " 'unit': 'money_per_week', 'evidence': 'randomised', 'customers': 4012, 'kind': 'gain',"
        " 'text': 'Moving the hour costs nothing and pays from the first week.',"
        " 'caveat': 'The experiment ran in spring; summer evenings may differ.'},"
        " {'segment': 'gold', 'outcome': 'do', 'action': '12–14 h', 'value': 1810.0, 'low': 900.0, 'high': 2700.0,"
        " 'unit': 'money_per_week', 'evidence': 'randomised', 'customers': 2010, 'kind': 'gain'},"
        " {'segment': 'basic', 'outcome': 'do', 'action': '19–20 h', 'value': 1294.0, 'low': 500.0, 'high': 2100.0,"
        " 'unit': 'money_per_week', 'evidence': 'randomised', 'customers': 2002, 'kind': 'gain'}], currency='CNY')",
    ),
    (
        "text",
        "## What would change this decision\n\nA wider window in the next experiment.\n\n## What this does not show\n\n"
        "Whether the hour matters for e-mail.",
    ),
    (
        "code",
        "display({'application/vnd.smsroi.finished+json': {'stage': 'timing'}, 'text/plain': 'finished'}, raw=True)",
    ),
]

_HOSTILE = [
    ("parameters", f'data = "data/x"  # {HOSTILE[0]}'),
    ("code", _SETUP + f"names = {HOSTILE!r}"),
    ("text", "## Data and exclusions\n\nNames as they came."),
    (
        "code",
        "import sys, warnings\nfrom IPython.display import HTML, Javascript\n"
        "print(names[0], 'call 13812345678')\nprint('to nobody', file=sys.stderr)\nwarnings.warn('a traceback-like line')",
    ),
    ("code", "display(HTML(names[1] + names[0]), Javascript('alert(1)'))\npd.DataFrame({'name': names})"),
    ("text", "## Result\n\nThe same names on a table and on an axis."),
    (
        "code",
        "counts = pd.DataFrame({'campaign': names, 'customers': [310, 220, 190, 180, 170, 160, 150, 140], "
        "names[0]: np.linspace(.1, .9, 8)})\npages.table(counts, caption='By campaign ' + names[0])",
    ),
    (
        "code",
        "fig, ax = plt.subplots()\nax.barh(names, counts.customers)\nax.grid(axis='x'); ax.grid(False, axis='y')\n"
        "ax.set(title=names[0], xlabel=names[6])\npages.figure(ax, alt='Bars of ' + names[1], caption=names[2])",
    ),
    ("text", "## Decision"),
    (
        "code",
        "pages.answer([{'segment': 'all', 'outcome': 'not_enough_evidence', 'action': names[0], 'value': 300.0, "
        "'low': -500.0, 'high': 1100.0, 'unit': 'money_per_week', 'evidence': 'observational', 'customers': 6021, "
        "'kind': 'gain', 'text': names[1], 'caveat': names[2]}], currency='CNY')",
    ),
    ("code", "pages.note(names[3])"),
]


def _decision(**given: Any) -> dict[str, Any]:
    row = {"segment": "all", "outcome": "do", "unit": "money_per_week", "evidence": "randomised", "kind": "gain"}
    return row | {"text": "", "customers": 4012} | given


DECISIONS = {
    "03_timing": [
        _decision(
            stage="timing",
            question="When should a message go out?",
            action="At lunch for gold, 19–20 h for everybody else",
            value=3104.0,
            low=2210.0,
            high=3998.0,
        ),
        _decision(
            stage="timing",
            question="When should a message go out?",
            segment="gold",
            action="12–14 h",
            value=1810.0,
            low=900.0,
            high=2700.0,
        ),
        _decision(
            stage="timing",
            question="Whom should we leave alone?",
            action="4,980 customers whose next message loses money",
            value=2290.0,
            low=1700.0,
            high=2880.0,
            evidence="observational",
        ),
        _decision(
            stage="timing",
            question="What will each customer be worth?",
            action="Half of next year’s orders come from 9 % of customers",
            kind="forecast",
            unit="money",
            value=461_000.0,
            low=431_000.0,
            high=492_000.0,
            evidence="none",
        ),
        _decision(
            stage="timing",
            question="Is this log fit to analyse?",
            action="Yes: 0.04 % of the rows were rejected",
            kind="fact",
            unit="count",
            value=None,
            low=None,
            high=None,
            evidence="none",
            customers=20_000,
        ),
    ],
    "06_content": [
        _decision(
            stage="content",
            question=HOSTILE[0],
            action=HOSTILE[1],
            text=HOSTILE[2],
            outcome="not_enough_evidence",
            value=300.0,
            low=-500.0,
            high=1100.0,
        ),
        _decision(
            stage="content",
            question="Did the vote format pay?",
            action="Start it again with every customer in one arm",
            outcome="broken",
            value=900.0,
            low=800.0,
            high=1000.0,
        ),
    ],
}


def manifest() -> dict[str, Any]:
    """What the runner would hand to the renderer."""
    return {
        "schema": 1,
        "report": "demo",
        "run": "20250629-021200-1a2b3c",
        "status": "ok",
        "reason": "",
        "exit_code": 0,
        "started": "2025-06-29T02:12:00Z",
        "finished": "2025-06-29T02:14:30Z",
        "language": "en",
        "seed": 1,
        "as_of": "2025-06-28",
        "parameters": {"03_timing": {"data": "data/demo", "seed": 1}, "06_content": {"data": "/home/ann/private/x"}},
        "parameter_file": "notebooks/parameters/demo.yaml",
        "source": {
            "data": "data/demo",
            "title": f"Tea & Teapots {HOSTILE[0]}",
            "simulated": True,
            "currency": "CNY",
            "timezone": "UTC",
            "tables": {
                "customers": {"rows_in": 20_000, "rows_out": 20_000, "first": None, "last": None},
                "orders": {"rows_in": 70_000, "rows_out": 69_960, "first": "2024-06-30", "last": "2025-06-28"},
            },
            "findings": [
                {
                    "table": "messages",
                    "column": "opted_out_at",
                    "rule": f"sent after an opt-out {HOSTILE[0]}",
                    "severity": "warning",
                    "rows": 356,
                    "remedy": "ask the carrier at 13812345678",
                }
            ],
        },
        "inputs": {},
        "notebooks": {
            "03_timing": {"stage": "timing", "status": "ok", "reason": "", "seconds": 4.2},
            "06_content": {"stage": "content", "status": "ok", "reason": "", "seconds": 4.2},
            "07_retention": {"stage": "retention", "status": "skipped", "reason": "needs the table messages"},
        },
    }


@pytest.fixture(scope="session")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A rendered run, beside the run before it."""
    report = tmp_path_factory.mktemp("reports") / "demo"
    run = report / ".staging-20250629-021200-1a2b3c"
    (run / "notebooks").mkdir(parents=True)
    notebooks = {
        "03_timing": _notebook("When should a message go out?", "For whoever schedules the sends.", _TIMING),
        "06_content": _notebook("Which words move people?", "For whoever writes.", _HOSTILE),
    }
    for name, notebook in notebooks.items():
        NotebookClient(
            notebook, timeout=60, kernel_name="python3", resources={"metadata": {"path": str(PROJECT)}}
        ).execute()
        nbformat.write(notebook, run / "notebooks" / f"{name}.ipynb")
    previous = report / "20250622-021200-aaaaaa"
    for folder, change in ((run, 0.0), (previous, -400.0)):
        (folder / "tables" / "decisions").mkdir(parents=True)
        for name, rows in DECISIONS.items():
            frame = pd.DataFrame(rows)
            frame["value"] += change
            frame.to_parquet(folder / "tables" / "decisions" / f"{name}.parquet")
    earlier = [
        {"run": previous.name, "started": "2025-06-22T02:12:00Z", "as_of": "2025-06-21", "status": "ok"},
        {"run": "20250615-021200-bbbbbb", "started": "2025-06-15T02:12:00Z", "as_of": "2025-06-14", "status": "ok"},
    ]
    render.render_run(run, manifest(), earlier_runs=earlier)
    return run


@pytest.fixture(scope="session")
def chinese_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The committed notebook 02_cltv rendered in Chinese, with a figure drawn as on a machine without Chinese fonts."""
    folder = tmp_path_factory.mktemp("chinese")
    notebook = nbformat.read(PROJECT / "notebooks" / "02_cltv.ipynb", as_version=4)
    locale.use_language("zh")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(style, "_CJK_FONTS", ())
        pages.use_style()
        _, ax = plt.subplots()
        ax.plot([1, 2, 3], [4_000, 2_000, 3_000])
        title = "预测经受住了回测：实际结果落在区间之内"
        ax.set(title=title, xlabel="自最早一笔购买起的周数", ylabel="累计复购次数")
        drawn = pages.figure(ax, alt=title, caption="一条曲线。")
    cell = next(cell for cell in notebook.cells if "tracking_figure" in cell.source)
    data, metadata = drawn._repr_mimebundle_()
    cell.outputs = [nbformat.v4.new_output("display_data", data, metadata=metadata)]
    (folder / "notebooks").mkdir()
    nbformat.write(notebook, folder / "notebooks" / "02_cltv.ipynb")
    given = manifest()
    given |= {"language": "zh", "notebooks": {"02_cltv": {"stage": "cltv", "status": "ok", "reason": ""}}}
    given["parameters"] = {"02_cltv": {"horizon_weeks": 39, "language": "zh"}}
    finding = {"table": "orders", "column": "shop", "rule": "not in the contract", "severity": "note", "rows": 356}
    given["source"]["findings"] = [finding | {"remedy": "the column is not read"}]
    render.render_run(folder, given)
    locale.use_language("en")
    pages.use_style()
    return folder


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        yield started
        started.close()
