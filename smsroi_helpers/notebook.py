"""What every notebook begins and ends with: the shop it works on, what it saves, what it decides, and its end mark."""

import dataclasses
import datetime as dt
import importlib
from pathlib import Path

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
from IPython.display import display

from smsroi_helpers import contract, locale, pages
from smsroi_helpers.contract import FINISHED, Decision
from smsroi_helpers.errors import NotEnoughData, UsageError
from smsroi_helpers.locale import _
from smsroi_helpers.source import Shop, load, open_shop, project_root, resolve_path

__all__ = ["Run", "begin"]


@dataclasses.dataclass
class Run:
    """One notebook at work."""

    stage: str
    shop: Shop
    rng: np.random.Generator
    """Every random draw of the notebook comes from here."""
    folder: Path
    """Where its results go."""
    _decisions: list[Decision] = dataclasses.field(default_factory=list)

    @property
    def name(self) -> str:
        """The notebook's name, such as `02_cltv`."""
        return _notebook_name(self.stage)

    def exclusions(self, table: str) -> pd.DataFrame:
        """What was put aside of a table, and why: reason, rows out, rows left; the last row counts what is used."""
        loaded = self.shop.loaded.tables[table]
        left = loaded.rows_in
        rows = [{"reason": _("As it came"), "rows_out": 0, "rows_left": left}]
        for finding in self.shop.loaded.findings:
            if finding.table == table and finding.severity == "error":
                left -= finding.rows
                rule = locale.translated(finding.rule)
                reason = _("{column}: {rule}").format(column=finding.column, rule=rule) if finding.column else rule
                rows.append({"reason": reason, "rows_out": finding.rows, "rows_left": left})
        used = getattr(self.shop, table)
        in_time = int(self.shop.count(used.aggregate(rows=used.count()))["rows"].iloc[0])
        rows.append(
            {
                "reason": _("Later than {day}").format(day=locale.day(self.shop.as_of)),
                "rows_out": left - in_time,
                "rows_left": in_time,
            }
        )
        frame = pd.DataFrame(rows)
        return frame.rename(columns={"reason": _("Reason"), "rows_out": _("Rows out"), "rows_left": _("Rows left")})

    def save(self, table: str, rows: ir.Table | pd.DataFrame) -> Path:
        """Write one of the run's tables by the engine; returns its file.

        Args:
            table: a name of the contract's outputs.
            rows: an expression over the shop's tables, or a frame of cells.

        Raises:
            ValueError: the contract knows no such table, or a column it asks for is missing.
        """
        if table not in contract.OUTPUTS:
            raise ValueError(f"the contract has no table {table}; it has {', '.join(contract.OUTPUTS)}")
        if missing := [column for column in contract.OUTPUTS[table] if column not in rows.columns]:
            raise ValueError(f"table {table} lacks {', '.join(missing)}")
        part = f"{table}/{self.name}" if table in contract.SHARED_OUTPUTS else table
        file = self.folder / "tables" / f"{part}.parquet"
        self.shop.write(ibis.memtable(rows) if isinstance(rows, pd.DataFrame) else rows, file)
        return file

    def decide(self, *decisions: Decision) -> pages.Html:
        """Record what the notebook answers, and show the answer box. The first decision is the answer."""
        self._decisions.extend(decisions)
        rows = pd.DataFrame([dataclasses.asdict(decision) for decision in self._decisions])
        self.save("decisions", rows)
        return pages.answer(rows, currency=self.shop.settings.currency)

    def finish(self) -> None:
        """Leave the mark by which the runner knows that the notebook ran to its end.

        Raises:
            ValueError: the notebook has decided nothing.
        """
        if not self._decisions:
            raise ValueError(f"notebook {self.name} ends without run.decide(…): every notebook answers its question")
        display({FINISHED: {"stage": self.stage}, "text/plain": _("Finished.")}, raw=True)


def _notebook_name(stage: str) -> str:
    found = sorted((project_root() / "notebooks").glob(f"[0-9][0-9]_{stage}.ipynb"))
    return found[0].stem if found else stage


def begin(
    stage: str,
    *,
    data: str = "data/demo",
    run_dir: str = "",
    as_of: str = "",
    language: str = "en",
    seed: int = 1,
    max_rejected_share: float = 0.01,
) -> Run:
    """Open a source for a notebook: read (or found read) and checked, cut at `as_of`, in the reader's language.

    Args:
        stage: the notebook's stage, such as `cltv`.
        data: the source's folder, from the project's root.
        run_dir: where results go, from the project's root; empty: `reports/lab`.
        as_of: last day observed (ISO); empty: the last order or message.
        language: `en`, or another with a catalogue.
        seed: of every random draw, 0 or more.
        max_rejected_share: share (0–1) of a table's rows that may be put aside.

    Raises:
        DataError: the source cannot be used.
        UsageError: a parameter cannot be meant.
        NotEnoughData: the source lacks a table the stage cannot do without.
    """
    if as_of:
        try:
            dt.date.fromisoformat(as_of)
        except ValueError:
            raise UsageError(f"as_of {as_of!r} is no date; write it as 2025-06-30") from None
    if seed < 0:
        raise UsageError(f"seed {seed}: a whole number, 0 or more")
    locale.use_language(language)
    pages.use_style()
    folder = resolve_path(run_dir or "reports/lab")
    # A run works on one source; the lab on many, and each has a place of its own there.
    place = folder if run_dir else folder / resolve_path(data).name
    loaded = load(data, place / ".loaded", max_rejected_share)
    shop = open_shop(loaded, as_of, place / ".cache", seed)
    needs = importlib.import_module(f"smsroi_helpers.{stage}").NEEDS
    if lacking := [table for table in needs if not shop.has(table)]:
        raise NotEnoughData("This source has no table {tables}.", tables=", ".join(lacking))
    return Run(stage, shop, np.random.default_rng([seed, *stage.encode()]), folder)
