"""Which notebooks can run on a source, and which will only say that there is too little data."""

import ast
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from smsroi_helpers import measures
from smsroi_helpers.quality.checks import number_of_rows
from smsroi_helpers.source import Shop, project_root

__all__ = [
    "Shortfall",
    "list_notebooks",
    "list_notebooks_for",
    "list_shortfalls",
]


def list_notebooks(shop: Shop) -> pd.DataFrame:
    """Which of the project's notebooks can run on this source: notebook, can_run, lacks (tables)."""
    return list_notebooks_for(shop.loaded.tables)


def list_notebooks_for(tables: Collection[str]) -> pd.DataFrame:
    """`list_notebooks` of a source with these tables."""
    rows = []
    for file in sorted((project_root() / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        lacks = [table for table in _declared(f"{file.stem[3:]}/__init__.py", "NEEDS") if table not in tables]
        rows.append({"notebook": file.stem, "can_run": not lacks, "lacks": ", ".join(lacks)})
    return pd.DataFrame(rows)


@dataclass(frozen=True)
class Shortfall:
    """A notebook that has its tables, and will still answer that there is too little data."""

    notebook: str
    reason: Literal["few_repeaters", "short_log", "no_outcomes"]
    """`few_repeaters`: customers with a second purchase day; `short_log`: days of orders; `no_outcomes`: neither a
    click nor an order is known, so hours have nothing to be compared by."""
    found: int = 0
    needed: int = 0


def list_shortfalls(shop: Shop) -> list[Shortfall]:
    """The notebooks that can run, but for which a count already shows too little data."""
    short: list[Shortfall] = []
    if shop.has("orders"):
        short += _purchases_short(shop)
    clicks = measures.human_clicks(shop) if measures.knows_clicks(shop) else None
    if shop.has("messages") and not shop.has("orders"):
        known = clicks is not None and number_of_rows(shop, clicks.filter(clicks.any_click_at.notnull()))
        short += [] if known else [Shortfall("03_timing", "no_outcomes")]
    return short


def _purchases_short(shop: Shop) -> list[Shortfall]:
    """Whether the purchase models of `02_cltv` have too few repeat customers, or too short a log."""
    fewest_repeaters, fewest_weeks = (
        _declared("cltv/counts.py", name) for name in ("FEWEST_REPEATERS", "FEWEST_WEEKS")
    )
    history = measures.purchase_history(shop)
    found = shop.count(history.aggregate(again=(history.frequency > 0).sum(), days=history.T_days.max())).iloc[0]
    again, days = int(found["again"] or 0), int(found["days"] or 0)
    if again < fewest_repeaters:
        return [Shortfall("02_cltv", "few_repeaters", again, fewest_repeaters)]
    if days < 7 * fewest_weeks:
        return [Shortfall("02_cltv", "short_log", days, 7 * fewest_weeks)]
    return []


def _declared(module: str, name: str) -> Any:
    """A constant of another stage's module, from its text: to import the stages takes longer than to check a source."""
    text = (Path(__file__).parents[1] / module).read_text(encoding="utf-8")
    found = [
        node for node in ast.parse(text).body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name
    ]
    return ast.literal_eval(found[0].value)
